"""Replay reports on the teacher and the judges: the product against a loopback server that sends what was reported."""

import asyncio
import contextlib
import io
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from field_names import renamed

from r1k.config import Client, Judge, OpenAITeacher
from r1k.errors import R1kError
from r1k.evaluate.judge import judge_answers
from r1k.records import Example, JudgeVerdict, Question, Sample, read_jsonl, write_jsonl
from r1k.teacher.answers import defect, parse_answer
from r1k.teacher.client import ChatClient, Endpoint, RetryPolicy
from r1k.teacher.inversion import invert
from r1k.teacher.journal import Journal
from r1k.teacher.request_builder import RequestBuilder

MODEL, KEY_VARIABLE, KEY = "m", "R1K_FIELD_KEY", "sk-field-0123456789abcdef"
HASTY = RetryPolicy(max_attempts=3, initial_wait=0.01, max_wait=0.05)
USAGE = {"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17}

Respond = Callable[[dict[str, Any]], dict[str, Any]]
"""Returns status, type and body of the response to a request."""


def replay(area: str, given: dict[str, Any]) -> dict[str, Any]:
    """Return what comes out for a report's input."""
    handlers = {"teacher.client": _client, "teacher.inversion": _inversion, "judge": _judge}
    with tempfile.TemporaryDirectory() as folder:
        return handlers[area](given, Path(folder))


@contextlib.contextmanager
def _served(respond: Respond) -> Iterator[tuple[str, list[str]]]:
    """Serve within the block; yield the server's URL, and the prompts that it received."""
    prompts: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompts.append(asked["messages"][0]["content"])
            response = respond(asked)
            body = response["body"].encode("utf-8", "surrogatepass")
            self.send_response(int(str(response["status"]).split()[0]))
            for name, value in {"Content-Type": response["type"], **response.get("headers", {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        os.environ |= {KEY_VARIABLE: KEY, "NO_PROXY": "127.0.0.1"}
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1", prompts
        finally:
            server.shutdown()
            thread.join()


def _answer(asked: dict[str, Any], text: str, usage: Any = USAGE, reasoning: str = "2+2") -> dict[str, Any]:
    """Return a right response; `usage` "absent" leaves the field out."""
    counted = {} if usage == "absent" else {"usage": usage}
    message = {"role": "assistant", "content": text, "reasoning_content": reasoning}
    if not asked.get("stream"):
        whole = {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **counted}
        return {"status": 200, "type": "application/json", "body": json.dumps(whole)}
    chunks = [{"choices": [{"index": 0, "delta": message, "finish_reason": "stop"}]}, {"choices": [], **counted}]
    events = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    return {"status": 200, "type": "text/event-stream", "body": f"{events}data: [DONE]\n\n"}


def _client(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Send one request to a server with a list of responses, of which it repeats the last."""
    builder = RequestBuilder(MODEL, {})
    request = {
        "solve": lambda: builder.solve("What is 2+2?"),
        "reverse_question": lambda: builder.reverse_question(_forward("p0")),
        "paraphrase": lambda: builder.paraphrase("What is 2+2?", "2+2"),
    }[given.get("call", "solve")]()
    responses = iter(given["responses"])
    last = given["responses"][-1]

    async def complete(url: str) -> Any:
        place = {"api_key_env": KEY_VARIABLE, "stream": bool(given.get("stream")), "max_tokens": 100}
        endpoint = Endpoint(url, MODEL, KEY, concurrency=1, timeout=20, **place)
        async with ChatClient(endpoint, HASTY) as client:
            return await client.complete(request)

    with _served(lambda asked: next(responses, last)) as (url, prompts):
        try:
            entry = asyncio.run(complete(url))
        except R1kError as error:
            return _raised(error) | {"usable": False, "requests": len(prompts)}
    with Journal(folder / "journal.jsonl") as journal:
        journal.append(entry)
        entry = journal.get(entry.key)
    answer, reason = parse_answer(entry), defect(entry)
    return {
        "answer": answer.text,
        "reasoning": answer.reasoning,
        "finish_reason": entry.finish_reason,
        "defect": reason,
        "usable": reason is None,
        "requests": len(prompts),
    }


def _inversion(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Invert problems p0, p1, ... of which one is special: its first request gets the reported response."""
    names = [f"p{index}" for index in range(given["problems"])]
    special = given["special"]
    write_jsonl(folder / "s1k.jsonl", [_forward(name) for name in names])

    def respond(asked: dict[str, Any]) -> dict[str, Any]:
        prompt = asked["messages"][0]["content"]
        name = next((name for name in names if f"forward question of {name}?" in prompt), None)
        if name is not None and name == special["problem"] and "response" in special:
            return dict(special["response"])
        text = "It is \\boxed{4}." if name is None else f"What is the reverse of {name}?"
        return _answer(asked, text, special.get("usage", USAGE))

    output, journal = folder / "r1k.jsonl", folder / "journal.jsonl"
    config = renamed(given["config"])
    client = Client(**({"concurrency": 1, "timeout": 20} | config.pop("client", {})))
    place = {"kind": "openai", "model": MODEL, "api_key_env": KEY_VARIABLE}
    found: dict[str, Any] = {}
    with _served(respond) as (url, prompts):
        teacher = OpenAITeacher(**(place | {"base_url": url, "max_tokens": 500} | config), client=client)
        for _ in range(max(1, given.get("reruns", 1))):
            found, before = {}, len(prompts)
            said = io.StringIO()
            with contextlib.redirect_stderr(said):
                try:
                    invert(teacher=teacher, s1k=folder / "s1k.jsonl", output=output, journal=journal)
                except Exception as error:  # noqa: BLE001 - a traceback is a result, too
                    found = _raised(error)
            found["requests_of_last_run"] = len(prompts) - before
    found |= _inverted(output, journal, names, special["problem"], found.get("error", ""))
    return found


def _inverted(output: Path, journal: Path, names: list[str], special: str, error: str) -> dict[str, Any]:
    keys = {json.loads(line)["request"]["messages"][0]["content"] for line in journal.read_text("utf-8").splitlines()}
    solved = [name for name in names if any(f"reverse of {name}?" in prompt for prompt in keys)]
    found: dict[str, Any] = {
        "output": output.exists(),
        "answers_in_journal": len(journal.read_text("utf-8").splitlines()),
        "others_answered": all(name in solved for name in names if name != special),
        "stopped_by_ceiling": "the ceiling of" in error,
    }
    skipped: list[str] = []
    mended = False
    if output.exists():
        records = read_jsonl(output, Example)
        skipped = list(json.loads(output.with_suffix(".manifest.json").read_text())["facts"]["skipped"])
        found |= {"records": len(records), "left_out": skipped}
        mended = special in [record.problem for record in records]
    found["names_problem"] = f"{special}:" in error or special in skipped
    if found["names_problem"] or mended:
        found["named"] = f"{special} or its text mended"
    return found


def _judge(given: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Judge the answers x0, x1, ... to the questions q0, q1, ... of which one gets the reported response."""
    numbers = range(given["answers"])
    special = given["special"]
    paths = {name: folder / f"{name}.jsonl" for name in ("questions", "samples", "output", "journal")}
    questions = [
        Question(id=f"q{i}", benchmark="b", question=f"Which is number {i}?", gold=f"g{i}", kind="k") for i in numbers
    ]
    samples = [
        Sample(id=f"q{i}", benchmark="b", prompt="p", completion=f"So \\boxed{{x{i}}}", tokens=5, truncated=False)
        for i in numbers
    ]
    write_jsonl(paths["questions"], questions)
    write_jsonl(paths["samples"], samples)
    text = next(each.question for each in questions if each.id == special["question"])

    def respond(asked: dict[str, Any]) -> dict[str, Any]:
        is_special = text in asked["messages"][0]["content"]
        return dict(special["response"]) if is_special else _answer(asked, given["others"])

    with _served(respond) as (url, _):
        judge = Judge(base_url=url, model=MODEL, api_key_env=KEY_VARIABLE, client=Client(concurrency=1, timeout=20))
        minimum = renamed({"least_judged": given["least_judged"]})
        try:
            with contextlib.redirect_stderr(io.StringIO()):
                judge_answers(judge=judge, grader="judge", **minimum, **paths, retries=HASTY)
        except Exception as error:  # noqa: BLE001 - a traceback is a result, too
            return _raised(error) | {"output": paths["output"].exists()}
    verdicts = read_jsonl(paths["output"], JudgeVerdict)
    return {"output": True, "undecided": [each.question for each in verdicts if each.equivalent is None]}


def _forward(name: str) -> Example:
    return Example(
        id=f"{name}-forward",
        problem=name,
        direction="forward",
        question=f"What is the forward question of {name}?",
        reasoning="because",
        answer="4",
        kind="k",
    )


def _raised(error: Exception) -> dict[str, Any]:
    return {"error_type": type(error).__name__, "error": str(error)}
