"""A chat-completions server on loopback, for teachers that need no network: HTTP/1.1, OpenAI's answers and errors."""

import json
import re
import sys
import time
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError

from r1k.config import Teacher
from r1k.errors import R1kError, TeacherError, field_path
from r1k.teacher.local import Answerer, local_answerer
from r1k.teacher.templates import PARAPHRASE, REVERSE_QUESTION, SOLVE

MAX_BODY_BYTES = 1 << 24
EVENT_CHARACTERS = 200
"""Characters of an event of a stream."""
WORD = re.compile(r"\s*\S+")
"""The server counts words: it has no tokenizer."""


class _UserMessage(BaseModel):
    role: Literal["user"]
    content: str


class _ChatRequest(BaseModel):
    model: str
    messages: list[_UserMessage] = Field(min_length=1, max_length=1)
    max_tokens: int | None = Field(default=None, gt=0)
    n: Literal[1] = 1
    stream: bool = False


class ChatHandler(BaseHTTPRequestHandler):
    """One connection, which serves many requests."""

    server: "ChatServer"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave in one packet

    def do_GET(self) -> None:
        """The list of models."""
        if self.path != "/v1/models":
            self.send_error_object(
                404, "not_found", f"no such path {self.path}; there are /v1/chat/completions and /v1/models"
            )
            return
        self.send_object(200, {"object": "list", "data": [{"id": self.server.answerer.model, "object": "model"}]})

    def do_POST(self) -> None:
        """A chat completion."""
        body = self.read_body()
        if body is None:
            return
        if self.path != "/v1/chat/completions":
            self.send_error_object(404, "not_found", f"no such path {self.path}; post to /v1/chat/completions")
            return
        try:
            asked = _ChatRequest.model_validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            self.send_error_object(400, "invalid_request", f"{field_path(first['loc']) or 'body'}: {first['msg']}")
            return
        if asked.model != self.server.answerer.model:
            self.send_error_object(
                404, "model_not_found", f"no model {asked.model!r} here, only {self.server.answerer.model!r}"
            )
            return
        self.answer(asked)

    def answer(self, asked: _ChatRequest) -> None:
        """Send what the answerer says, or that it has no answer."""
        prompt = asked.messages[0].content
        try:
            reasoning, text = respond(self.server.answerer, prompt)
        except R1kError as error:
            self.send_error_object(404, "no_answer", str(error))
            return
        whole = completion(asked.model, prompt, reasoning, text, asked.max_tokens)
        if asked.stream:
            self.send_events(chunks(whole))
        else:
            self.send_object(200, whole)

    def read_body(self) -> bytes | None:
        """The request's body, read whole so that the connection can go on; None where an error was sent."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self.send_error_object(411, "invalid_request", f"a Content-Length of at most {MAX_BODY_BYTES} is needed")
            return None
        return self.rfile.read(int(length))

    def send_error_object(self, status: int, code: str, message: str) -> None:
        """An error as OpenAI's API shapes it."""
        self.send_object(
            status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
        )

    def send_object(self, status: int, value: dict[str, Any]) -> None:
        """A JSON answer."""
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_events(self, events: Iterable[dict[str, Any]]) -> None:
        """A stream of server-sent events, each on its way before the next is made."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for event in (*map(json.dumps, events), "[DONE]"):
            line = f"data: {event}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Stay silent: the client reports."""


class ChatServer(ThreadingHTTPServer):
    """Serves one answerer on 127.0.0.1; port 0 takes a free one."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answerer: Answerer, port: int = 0, handler: type[ChatHandler] = ChatHandler) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.answerer = answerer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news; anything else is a mistake here, and its trace is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The `base_url` for clients."""
        return f"http://127.0.0.1:{self.server_port}/v1"


def respond(answerer: Answerer, prompt: str) -> tuple[str, str]:
    """Chain of thought and text for a prompt, which is told by its template."""
    asked = REVERSE_QUESTION.read(prompt)
    if asked is not None:
        return "", answerer.reverse_question(asked["question"], asked["answer"])
    asked = PARAPHRASE.read(prompt)
    if asked is not None:
        return "", answerer.paraphrase(asked["question"], asked["reasoning"])
    asked = SOLVE.read(prompt)
    if asked is None:
        known = ", ".join(template.name for template in (REVERSE_QUESTION, PARAPHRASE, SOLVE))
        raise TeacherError(f"this teacher answers these prompts alone: {known}")
    response = answerer.solve(asked["question"])
    return response.reasoning, response.answer


def completion(model: str, prompt: str, reasoning: str, text: str, max_tokens: int | None) -> dict[str, Any]:
    """A chat completion, cut after `max_tokens` words of reasoning and text together."""
    thought, said = WORD.findall(reasoning), WORD.findall(text)
    room = len(thought) + len(said) if max_tokens is None else max_tokens
    cut = room < len(thought) + len(said)
    if cut:
        thought, said = thought[:room], said[: max(0, room - len(thought))]
        reasoning, text = "".join(thought), "".join(said)
    spent, read = len(thought) + len(said), len(WORD.findall(prompt))
    message = {"role": "assistant", "content": text, "reasoning_content": reasoning or None}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "length" if cut else "stop"}],
        "usage": {"prompt_tokens": read, "completion_tokens": spent, "total_tokens": read + spent},
    }


def chunks(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A chat completion as the events of a stream: its reasoning, then its text, then how it ended, then the usage."""
    (choice,) = whole["choices"]
    common = {key: whole[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}

    def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        return common | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}

    message = choice["message"]
    for name in ("reasoning_content", "reasoning", "content", "refusal"):
        text = message.get(name) or ""
        for start in range(0, len(text), EVENT_CHARACTERS):
            yield chunk({name: text[start : start + EVENT_CHARACTERS]})
    yield chunk({}, choice["finish_reason"])
    yield common | {"choices": [], "usage": whole.get("usage")}


@contextmanager
def running(server: ChatServer) -> Iterator[ChatServer]:
    """Serve in a thread, for as long as the block takes."""
    with server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def serve(*, teacher: Teacher, port: int = 0) -> None:
    """Serve the embedded or the replay teacher on 127.0.0.1 until interrupted, and print its URL and model.

    Args:
        teacher: Section `teacher` of the config, of kind embedded or replay.
        port: Port on 127.0.0.1; 0 takes a free one.

    Raises:
        TeacherError: The teacher is of kind openai, or the port is taken.
    """
    try:
        server = ChatServer(local_answerer(teacher), port)
    except OSError as error:
        raise TeacherError(f"--port: 127.0.0.1:{port} cannot be listened on ({error}); name another, or 0") from error
    with server:
        print(f"base_url: {server.url}\nmodel: {server.answerer.model}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
