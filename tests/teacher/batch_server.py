"""A server on loopback that speaks OpenAI's files and batches as its API reference documents them, with faults."""

import json
import threading
import time
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from typing import Any
from urllib.parse import parse_qs, urlsplit

from faulty_teacher import KEY, KEY_VARIABLE, Riddles

from r1k.config import Client, OpenAITeacher
from r1k.errors import R1kError
from r1k.teacher.server import ChatHandler, ChatServer, completion, respond, running

ANSWERING = ("validating", "in_progress", "finalizing", "completed")
MAX_REQUESTS, MAX_BYTES = 50_000, 200_000_000

Line = dict[str, Any]
LineFault = Callable[[Line], Line | None]
"""Makes the result of a request from the one it should get; None leaves the request out of the results."""
Step = Callable[[], None]


class BatchHandler(ChatHandler):
    """Serves files and batches. Single chat completions are an error: a batch client must not send them."""

    server: "BatchServer"

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        url = urlsplit(self.path)
        match url.path.removeprefix("/v1").strip("/").split("/"):
            case ["files", file_id, "content"]:
                self._serve("content", lambda: self._content(file_id))
            case ["batches"]:
                self._serve("list", lambda: self._list(parse_qs(url.query)))
            case ["batches", batch_id]:
                self._serve("retrieve", lambda: self._retrieve(batch_id))
            case _:
                self.send_error_object(404, "not_found", f"Invalid URL (GET {url.path})")

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        body = self.read_body()
        assert body is not None
        match self.path:
            case "/v1/files":
                self._serve("upload", lambda: self._upload(body))
            case "/v1/batches":
                self._serve("create", lambda: self._create(json.loads(body)))
            case _:
                self.send_error_object(404, "not_found", f"Invalid URL (POST {self.path})")

    def read_body(self) -> bytes:
        return self.rfile.read(int(self.headers["Content-Length"]))

    def _serve(self, step: str, do: Callable[[], Any]) -> None:
        server = self.server
        with server.lock:
            server.calls[step] += 1
            fault = server.http_faults[step].popleft() if server.http_faults[step] else None
        if self.headers["Authorization"] != f"Bearer {KEY}":
            self.send_error_object(
                401, "invalid_api_key", f"Incorrect API key provided: {self.headers['Authorization']}"
            )
            return
        server.at(step, "before")
        if fault == "lost":
            with server.lock:
                do()
            self.close_connection = True
            return
        if fault is not None:
            fault(self)
            return
        with server.lock:
            answer = do()
        server.at(step, "after")
        if isinstance(answer, bytes):
            self._send_bytes(200, answer)
        elif answer is None:
            self.send_error_object(404, "not_found", "No such object")
        else:
            self.send_object(200, answer)

    def _send_bytes(self, code: int, body: bytes) -> None:
        self.send_response(code)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _upload(self, body: bytes) -> Line:
        headers = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        parts = {}
        for part in message_from_bytes(headers + body).get_payload():
            parts[part.get_param("name", header="content-disposition")] = part.get_payload(decode=True)
        assert parts["purpose"] == b"batch"
        return self.server.add_file(parts["file"], "batch")

    def _content(self, file_id: str) -> bytes | None:
        return self.server.files.get(file_id)

    def _create(self, wanted: Line) -> Line:
        assert wanted["completion_window"] == "24h" and wanted["endpoint"] == "/v1/chat/completions"
        return self.server.create(wanted)

    def _retrieve(self, batch_id: str) -> Line | None:
        batch = self.server.batches.get(batch_id)
        return None if batch is None else self.server.advance(batch)

    def _list(self, query: dict[str, list[str]]) -> Line:
        newest = list(reversed(self.server.batches.values()))
        if "after" in query:
            newest = newest[[batch["id"] for batch in newest].index(query["after"][0]) + 1 :]
        page = newest[: min(int(query.get("limit", ["20"])[0]), self.server.page)]
        ids = {"first_id": page[0]["id"], "last_id": page[-1]["id"]} if page else {"first_id": None, "last_id": None}
        return {"object": "list", "data": page, "has_more": len(page) < len(newest), **ids}


class BatchServer(ChatServer):
    """Answers each request of a batch when the batch is created, and shows one status more at each retrieval."""

    def __init__(self, answerer: Any = None) -> None:
        super().__init__(answerer or Riddles(), handler=BatchHandler)
        self.lock = threading.RLock()
        self.calls: Counter[str] = Counter()
        """Number of calls of each step: upload, create, list, retrieve, content."""
        self.bought: Counter[str] = Counter()
        """Number of answers made, by prompt."""
        self.attempts: Counter[str] = Counter()
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, Line] = {}
        self.statuses = ANSWERING
        """The statuses of the next batches, from one retrieval to the next; the last one stays."""
        self.page = 100
        self.queue_limit: int | None = None
        """The most requests that may wait; a batch beyond it fails."""
        self.reorder: Callable[[list[Line]], list[Line]] = lambda lines: lines
        self.ensure_ascii = True
        self.spoil: Callable[[bytes], bytes] = lambda content: content
        """Changes the bytes of a file of results."""
        self.fault: Callable[[str, int], LineFault | None] = lambda prompt, attempt: None
        """Returns the fault of a request, by its prompt and the number of times it was sent."""
        self.http_faults: dict[str, deque[Any]] = defaultdict(deque)
        self.steps: dict[tuple[str, str], Step] = {}
        """What to do before or after the server does a step."""
        self._faults: dict[str, deque[LineFault]] = {}

    def fail(self, fragment: str, *faults: LineFault) -> None:
        """Queue faults for the next requests whose prompt contains `fragment`."""
        self._faults.setdefault(fragment, deque()).extend(faults)

    def at(self, step: str, when: str) -> None:
        do = self.steps.get((step, when))
        if do is not None:
            do()

    def add_file(self, content: bytes, purpose: str) -> Line:
        file_id = f"file-{uuid.uuid4().hex}"
        self.files[file_id] = content
        return {
            "id": file_id,
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": "batch.jsonl",
            "purpose": purpose,
        }

    def create(self, wanted: Line) -> Line:
        lines = [json.loads(line) for line in self.files[wanted["input_file_id"]].splitlines()]
        problem = self._invalid(lines)
        batch = {
            "id": f"batch_{uuid.uuid4().hex}",
            "object": "batch",
            "endpoint": wanted["endpoint"],
            "errors": None,
            "input_file_id": wanted["input_file_id"],
            "completion_window": "24h",
            "status": "validating",
            "output_file_id": None,
            "error_file_id": None,
            "created_at": int(time.time()),
            "completed_at": None,
            "request_counts": {"total": 0, "completed": 0, "failed": 0},
            "metadata": wanted.get("metadata"),
        }
        self.batches[batch["id"]] = batch
        if problem is not None:
            batch["_statuses"] = ["validating", "failed"]
            batch["_result"] = {"errors": {"object": "list", "data": [problem]}}
            return shown(batch)
        results = self.reorder([result for line in lines for result in self._answers(line)])
        right, wrong = [], []
        for each in results:
            (right if (each["response"] or {}).get("status_code") == 200 else wrong).append(each)
        batch["_statuses"] = list(self.statuses)
        batch["_result"] = {
            "output_file_id": self._results(right),
            "error_file_id": self._results(wrong),
            "completed_at": int(time.time()),
            "request_counts": {"total": len(lines), "completed": len(right), "failed": len(lines) - len(right)},
        }
        return shown(batch)

    def advance(self, batch: Line) -> Line:
        statuses = batch["_statuses"]
        batch["status"] = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        if batch["status"] in ("completed", "failed", "expired", "cancelled"):
            batch |= batch["_result"]
        return shown(batch)

    def _invalid(self, lines: list[Line]) -> Line | None:
        ids = [line["custom_id"] for line in lines]
        if len(lines) > MAX_REQUESTS or len(set(ids)) < len(ids):
            return {"code": "invalid_file", "message": "too many or duplicate lines", "line": None, "param": None}
        waiting = sum(
            len(self.files[batch["input_file_id"]].splitlines())
            for batch in list(self.batches.values())[:-1]
            if batch["status"] in ANSWERING[:3]
        )
        if self.queue_limit is not None and waiting + len(lines) > self.queue_limit:
            text = f"Enqueued token limit reached for riddles. Limit: {self.queue_limit} enqueued tokens."
            return {"code": "token_limit_exceeded", "message": text, "line": None, "param": None}
        for number, line in enumerate(lines, start=1):
            if line["body"]["model"] != self.answerer.model:
                text = f"The provided model '{line['body']['model']}' is not supported by the Batch API."
                return {"code": "model_not_found", "message": text, "line": number, "param": "body.model"}
        return None

    def _answers(self, line: Line) -> Iterator[Line]:
        assert (line["method"], line["url"]) == ("POST", "/v1/chat/completions") and "stream" not in line["body"]
        body = line["body"]
        prompt = body["messages"][0]["content"]
        self.attempts[prompt] += 1
        queued = next((faults for key, faults in self._faults.items() if key in prompt and faults), None)
        fault = queued.popleft() if queued else self.fault(prompt, self.attempts[prompt])
        try:
            whole = completion(body["model"], prompt, *respond(self.answerer, prompt), body.get("max_tokens"))
            result = result_line(line["custom_id"], 200, whole)
        except R1kError as error:
            result = result_line(line["custom_id"], 404, {"error": {"message": str(error), "code": "no_answer"}})
        if fault is not None:
            faulty = fault(result)
            if faulty is None:
                return
            result = faulty
        if is_answer(result):
            self.bought[prompt] += 1
        yield result

    def _results(self, lines: list[Line]) -> str | None:
        if not lines:
            return None
        text = "".join(json.dumps(line, ensure_ascii=self.ensure_ascii) + "\n" for line in lines)
        return str(self.add_file(self.spoil(text.encode("utf-8", "surrogatepass")), "batch_output")["id"])

    def teacher(self, **changes: Any) -> OpenAITeacher:
        """Return the config's section `teacher`, with changes to its keys or to those of its `client`."""
        client = {"batch": "openai", "timeout": 20} | {
            key: changes[key] for key in changes if key in Client.model_fields
        }
        settings = {"max_tokens": 500} | {key: changes[key] for key in changes if key not in Client.model_fields}
        place = {"kind": "openai", "base_url": self.url, "model": self.answerer.model, "api_key_env": KEY_VARIABLE}
        return OpenAITeacher(**(place | settings), client=client)


def shown(batch: Line) -> Line:
    """Return what the provider shows of a batch."""
    return {key: value for key, value in batch.items() if not key.startswith("_")}


def is_answer(line: Line) -> bool:
    """Return whether a request has an answer that its sender would pay for."""
    response = line["response"]
    if response is None or response["status_code"] != 200:
        return False
    choices = (response["body"] or {}).get("choices") if isinstance(response["body"], dict) else None
    return bool(choices) and choices[0]["finish_reason"] != "insufficient_system_resource"


def result_line(custom_id: str, code: int, body: Line) -> Line:
    """Return the line of a request that got a response."""
    response = {"status_code": code, "request_id": f"req_{uuid.uuid4().hex}", "body": body}
    return {"id": f"batch_req_{uuid.uuid4().hex}", "custom_id": custom_id, "response": response, "error": None}


def status(code: int, message: str = "no", error_code: str | None = None) -> LineFault:
    """Return a fault: the request gets this response."""
    error = {"message": message, "type": "t", "param": None, "code": error_code}
    return lambda line: result_line(line["custom_id"], code, {"error": error})


def unanswered(code: str) -> LineFault:
    """Return a fault: the request gets no response, for this reason."""
    return lambda line: line | {"response": None, "error": {"code": code, "message": f"This request has {code}."}}


def left_out(line: Line) -> None:
    """Leave a request out of the results."""


def message(finish_reason: str = "stop", **fields: Any) -> LineFault:
    """Return a fault: the request gets this message."""

    def fault(line: Line) -> Line:
        line["response"]["body"]["choices"][0] |= {
            "message": {"role": "assistant", **fields},
            "finish_reason": finish_reason,
        }
        return line

    return fault


def http(code: int, text: str = "no", headers: dict[str, str] | None = None, echo: bool = False) -> Any:
    """Return a fault of a call of the API itself."""

    def fault(handler: BatchHandler) -> None:
        shown_text = f"{text} {handler.headers['Authorization']}" if echo else text
        body = json.dumps({"error": {"message": shown_text, "type": "t", "param": None, "code": None}}).encode()
        handler.send_response(code)
        for name, value in (
            {"Content-Type": "application/json", "Content-Length": str(len(body))} | (headers or {})
        ).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return fault


def web_page(handler: BatchHandler) -> None:
    """Send what a gateway sends in the provider's place."""
    body = b"<html>Bad gateway</html>"
    handler.send_response(200)
    handler.send_header("Content-Type", "text/html")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def half_sent(handler: BatchHandler) -> None:
    """Close the connection in the middle of the body."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/octet-stream")
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"id": ')
    handler.close_connection = True


@contextmanager
def batch_server(answerer: Any = None) -> Iterator[BatchServer]:
    """Serve within the block."""
    with running(BatchServer(answerer)) as server:
        assert isinstance(server, BatchServer)
        yield server
