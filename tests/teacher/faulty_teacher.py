"""A teacher with recognizable answers behind the real server, and faults that servers have."""

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from r1k.config import Client, OpenAITeacher
from r1k.errors import TeacherError
from r1k.records import Example, Response, write_jsonl
from r1k.teacher.server import ChatHandler, ChatServer, chunks, completion, respond

KEY = "sk-marked-0123456789abcdef"
KEY_VARIABLE = "R1K_TEST_KEY"

Fault = Callable[["FaultyHandler", Any], None]


class Riddles:
    """Answers all questions except those that contain `unknown`."""

    model = "riddles"

    def reverse_question(self, question: str, answer: str) -> str:
        if "unknown" in question:
            raise TeacherError(f"no riddle for {question!r}")
        return f"What has the answer {answer}, if not {question}"

    def solve(self, question: str) -> Response:
        return Response(reasoning=f"Let me think of {question}", answer=f"It is {question.upper()}")

    def paraphrase(self, question: str, reasoning: str) -> str:
        return f"Said otherwise, {' '.join(reversed(reasoning.split()))}"


class FaultyHandler(ChatHandler):
    """Responds to a prompt with its queued faults first, then with an answer."""

    server: "FaultyServer"

    def answer(self, chat_request: Any) -> None:
        prompt = chat_request.messages[0].content
        with self.server.lock:
            self.server.requests[prompt] += 1
            fault = self.server.next_fault(prompt)
        time.sleep(self.server.delay)
        if fault is not None:
            fault(self, chat_request)
            return
        super().answer(chat_request)
        with self.server.lock:
            self.server.answered[prompt] += 1


class FaultyServer(ChatServer):
    """Counts requests, and fails as configured."""

    def __init__(self) -> None:
        super().__init__(Riddles(), handler=FaultyHandler)
        self.lock = threading.Lock()
        self.requests: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.delay = 0.0
        self.fault: Callable[[str], Fault | None] = lambda prompt: None
        """Returns the fault of prompts without queued faults."""
        self.faults: Counter[Fault] = Counter()
        self._faults: dict[str, deque[Fault]] = {}

    def fail(self, fragment: str, *faults: Fault) -> None:
        """Queue faults for the next requests whose prompt contains `fragment`."""
        self._faults.setdefault(fragment, deque()).extend(faults)

    def next_fault(self, prompt: str) -> Fault | None:
        for fragment, queued in self._faults.items():
            if fragment in prompt and queued:
                return queued.popleft()
        fault = self.fault(prompt)
        if fault is not None:
            self.faults[fault] += 1
        return fault

    @property
    def total(self) -> int:
        return self.requests.total()

    def teacher(self, **changes: Any) -> OpenAITeacher:
        """Return the config's section `teacher`, with changes to its keys or to those of its `client`."""
        client = {"concurrency": 4, "timeout": 20} | {
            key: changes[key] for key in changes if key in Client.model_fields
        }
        settings = {"max_tokens": 500} | {key: changes[key] for key in changes if key not in Client.model_fields}
        place = {"kind": "openai", "base_url": self.url, "model": Riddles.model, "api_key_env": KEY_VARIABLE}
        return OpenAITeacher(**place, **settings, client=client)


def status(code: int, message: str = "no", headers: dict[str, str] | None = None, error_code: str = "x") -> Fault:
    def fault(handler: FaultyHandler, chat_request: Any) -> None:
        body = b'{"error": {"message": "%s", "type": "t", "code": "%s"}}' % (message.encode(), error_code.encode())
        raw(code, body, "application/json", headers)(handler, chat_request)

    return fault


def raw(code: int, body: bytes, content_type: str, headers: dict[str, str] | None = None) -> Fault:
    def fault(handler: FaultyHandler, chat_request: Any) -> None:
        handler.send_response(code)
        for name, value in ({"Content-Type": content_type, "Content-Length": str(len(body))} | (headers or {})).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return fault


def dropped(handler: FaultyHandler, chat_request: Any) -> None:
    """Close the connection without a response."""
    handler.close_connection = True


def half_sent(handler: FaultyHandler, chat_request: Any) -> None:
    """Close the connection in the middle of the body."""
    raw(200, b'{"choices": [', "application/json", {"Content-Length": "500"})(handler, chat_request)
    handler.close_connection = True


def message(finish_reason: str | None = "stop", **fields: Any) -> Fault:
    """Return a fault that sends a chat completion with this message."""

    def fault(handler: FaultyHandler, chat_request: Any) -> None:
        whole = completion(chat_request.model, chat_request.messages[0].content, "r", "t", None)
        whole["choices"][0] |= {"message": {"role": "assistant", **fields}, "finish_reason": finish_reason}
        if chat_request.stream:
            handler.send_events(chunks(whole))
        else:
            handler.send_object(200, whole)

    return fault


def refused(code: int, body: Any) -> Fault:
    """Return a fault that refuses the prompt with this status and JSON body."""
    return raw(code, json.dumps(body).encode(), "application/json")


def altered(change: Callable[[dict[str, Any]], Iterable[dict[str, Any]] | None]) -> Fault:
    """Return a fault that sends the right answer, whose chat completion `change` alters.

    In a stream, `change` may return the events that replace the usual ones.
    """

    def fault(handler: FaultyHandler, chat_request: Any) -> None:
        prompt = chat_request.messages[0].content
        whole = completion(chat_request.model, prompt, *respond(handler.server.answerer, prompt), None)
        events = change(whole)
        if chat_request.stream:
            handler.send_events(chunks(whole) if events is None else events)
        else:
            handler.send_object(200, whole)
        with handler.server.lock:
            handler.server.answered[prompt] += 1

    return fault


def ended(reason: str | None) -> Fault:
    """Return a fault that sends the right answer with another finish reason."""
    return altered(lambda whole: whole["choices"][0].update(finish_reason=reason))


def counted(usage: Any) -> Fault:
    """Return a fault that sends the right answer with other token counts."""
    return altered(lambda whole: whole.update(usage=usage))


def marked(before: str, after: str) -> Fault:
    """Return a fault that sends the right answer between marks of the model."""

    def change(whole: dict[str, Any]) -> None:
        message = whole["choices"][0]["message"]
        message["content"] = f"{before}{message['content']}{after}"

    return altered(change)


def null_chunks(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the right answer's events with nulls between them, and unknown fields."""
    for event in chunks(whole):
        yield {"choices": None}
        yield {"choices": [{"index": 0, "delta": None, "logprobs": {"x": 1}}], "system_fingerprint": "f"}
        yield event | {"service_tier": None, "choices": event["choices"] or None}


def split_characters(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the right answer's events, its text with an emoji whose halves are in separate events, and a lone half."""
    first, *rest = chunks(whole)
    halves = [{"choices": [{"index": 0, "delta": {"content": half}}]} for half in ("\ud83d", "\ude00", "\udcaf")]
    yield from (first, *halves, *rest)


def echo_key(code: int) -> Fault:
    """Return a fault whose message contains the API key."""

    def fault(handler: FaultyHandler, chat_request: Any) -> None:
        status(code, f"bad header {handler.headers['Authorization']}")(handler, chat_request)

    return fault


def forward(name: str, question: str | None = None) -> Example:
    return Example(
        id=f"{name}-forward",
        problem=name,
        direction="forward",
        question=question or f"question of {name}",
        reasoning="because",
        answer=f"answer of {name}",
        gold="1",
        kind="riddle",
    )


class Place:
    """The files of a run."""

    def __init__(self, root: Path) -> None:
        self.s1k = root / "s1k.jsonl"
        self.output = root / "r1k.jsonl"
        self.journal = root / "journal.jsonl"

    def write(self, *examples: Example) -> None:
        write_jsonl(self.s1k, examples)

    def write_problems(self, n: int) -> None:
        self.write(*(forward(f"p{index:03d}") for index in range(n)))

    @property
    def paths(self) -> dict[str, Path]:
        return {"s1k": self.s1k, "output": self.output, "journal": self.journal}
