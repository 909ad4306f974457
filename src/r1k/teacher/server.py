"""A chat-completions server on loopback, for teachers without a network: HTTP/1.1, OpenAI's responses and errors."""

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
"""Characters per event of a stream."""
WORD = re.compile(r"\s*\S+")
"""The server has no tokenizer and counts words as tokens."""


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
    """Serves the requests of one connection."""

    server: "ChatServer"
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # send headers and body in one packet

    def do_GET(self) -> None:
        """Send the list of models."""
        if self.path != "/v1/models":
            self.send_error_object(
                404, "not_found", f"no such path {self.path}; use /v1/chat/completions or /v1/models"
            )
            return
        self.send_object(200, {"object": "list", "data": [{"id": self.server.answerer.model, "object": "model"}]})

    def do_POST(self) -> None:
        """Send a chat completion."""
        body = self.read_body()
        if body is None:
            return
        if self.path != "/v1/chat/completions":
            self.send_error_object(404, "not_found", f"no such path {self.path}; post to /v1/chat/completions")
            return
        try:
            chat_request = _ChatRequest.model_validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            self.send_error_object(400, "invalid_request", f"{field_path(first['loc']) or 'body'}: {first['msg']}")
            return
        if chat_request.model != self.server.answerer.model:
            self.send_error_object(
                404, "model_not_found", f"no model {chat_request.model!r} here, only {self.server.answerer.model!r}"
            )
            return
        self.answer(chat_request)

    def answer(self, chat_request: _ChatRequest) -> None:
        """Send the answerer's response, or an error if it has none."""
        prompt = chat_request.messages[0].content
        try:
            reasoning, text = respond(self.server.answerer, prompt)
        except R1kError as error:
            self.send_error_object(404, "no_answer", str(error))
            return
        whole = completion(chat_request.model, prompt, reasoning, text, chat_request.max_tokens)
        if chat_request.stream:
            self.send_events(chunks(whole))
        else:
            self.send_object(200, whole)

    def read_body(self) -> bytes | None:
        """Return the request's whole body, so that the connection stays usable; None after sending an error."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self.send_error_object(
                411, "invalid_request", f"the request needs a Content-Length of at most {MAX_BODY_BYTES}"
            )
            return None
        return self.rfile.read(int(length))

    def send_error_object(self, status: int, code: str, message: str) -> None:
        """Send an error in the format of OpenAI's API."""
        self.send_object(
            status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}}
        )

    def send_object(self, status: int, value: dict[str, Any]) -> None:
        """Send a JSON response."""
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_events(self, events: Iterable[dict[str, Any]]) -> None:
        """Send a stream of server-sent events, each before the next is computed."""
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
        """Log nothing: the client reports."""


class ChatServer(ThreadingHTTPServer):
    """Serves one answerer on 127.0.0.1; port 0 selects a free port."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, answerer: Answerer, port: int = 0, handler: type[ChatHandler] = ChatHandler) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.answerer = answerer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore closed connections, and print the traceback of any other error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        """The `base_url` for clients."""
        return f"http://127.0.0.1:{self.server_port}/v1"


def respond(answerer: Answerer, prompt: str) -> tuple[str, str]:
    """Return chain of thought and text for a prompt; its template decides what to compute."""
    slots = REVERSE_QUESTION.parse(prompt)
    if slots is not None:
        return "", answerer.reverse_question(slots["question"], slots["answer"])
    slots = PARAPHRASE.parse(prompt)
    if slots is not None:
        return "", answerer.paraphrase(slots["question"], slots["reasoning"])
    slots = SOLVE.parse(prompt)
    if slots is None:
        known = ", ".join(template.name for template in (REVERSE_QUESTION, PARAPHRASE, SOLVE))
        raise TeacherError(f"this teacher answers only these prompts: {known}")
    response = answerer.solve(slots["question"])
    return response.reasoning, response.answer


def completion(model: str, prompt: str, reasoning: str, text: str, max_tokens: int | None) -> dict[str, Any]:
    """Return a chat completion, truncated after `max_tokens` words of reasoning and text together."""
    reasoning_words, text_words = WORD.findall(reasoning), WORD.findall(text)
    room = len(reasoning_words) + len(text_words) if max_tokens is None else max_tokens
    truncated = room < len(reasoning_words) + len(text_words)
    if truncated:
        reasoning_words, text_words = reasoning_words[:room], text_words[: max(0, room - len(reasoning_words))]
        reasoning, text = "".join(reasoning_words), "".join(text_words)
    completion_tokens, prompt_tokens = len(reasoning_words) + len(text_words), len(WORD.findall(prompt))
    message = {"role": "assistant", "content": text, "reasoning_content": reasoning or None}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "length" if truncated else "stop"}],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        },
    }


def chunks(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a chat completion as the events of a stream: reasoning, text, finish reason, usage."""
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
    """Serve in a thread within the block."""
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
        raise TeacherError(f"--port: cannot listen on 127.0.0.1:{port} ({error}); choose another port, or 0") from error
    with server:
        print(f"base_url: {server.url}\nmodel: {server.answerer.model}", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
