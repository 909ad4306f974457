"""Where a teacher is reached: a configured server with its key, or a server on loopback that is started for the run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from r1k.config import Asking, OpenAITeacher
from r1k.errors import TeacherError
from r1k.teacher.budget import Budget, Prices
from r1k.teacher.client import Endpoint
from r1k.teacher.local import Answerer
from r1k.teacher.server import ChatServer, running

LOCAL_TIMEOUT = 60.0
"""Seconds that a teacher on loopback may take for one answer."""
LOCAL_CONCURRENCY = 8


@contextmanager
def local_endpoint(answerer: Answerer) -> Iterator[Endpoint]:
    """A server on a free port of 127.0.0.1, for as long as the block takes."""
    with running(ChatServer(answerer)) as server:
        yield Endpoint(
            base_url=server.url,
            model=answerer.model,
            key="none",
            concurrency=LOCAL_CONCURRENCY,
            timeout=LOCAL_TIMEOUT,
        )


def remote_endpoint(teacher: OpenAITeacher) -> Endpoint:
    """The configured server; TeacherError for an address or a key that no request could be made with."""
    asking = teacher.asking
    return Endpoint(
        base_url=_checked_url(teacher.base_url),
        model=teacher.model,
        key=_key(teacher.key_variable),
        concurrency=asking.concurrency,
        timeout=asking.timeout,
        key_variable=teacher.key_variable,
        max_tokens=teacher.max_tokens,
        stream=asking.stream,
        requests_per_minute=asking.requests_per_minute,
        tokens_per_minute=asking.tokens_per_minute,
        prices=Prices(asking.input_price, asking.output_price),
    )


def budget_of(asking: Asking) -> Budget:
    """The config's prices and ceilings, nothing spent."""
    return Budget(Prices(asking.input_price, asking.output_price), asking.max_dollars, asking.max_total_tokens)


def _checked_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.username or parts.password:
        raise TeacherError(
            "teacher.base_url: holds a user or a password; put the key in teacher.key_variable's variable"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise TeacherError(f"teacher.base_url: {base_url!r} is no URL as https://host/v1; correct it")
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise TeacherError(f"teacher.base_url: {base_url!r} goes too far; leave /chat/completions out")
    return base_url


def _key(variable: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise TeacherError(
            f"teacher.key_variable: the environment variable {variable} is not set; export it with the server's "
            "API key (any word, for a server that asks for none)"
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise TeacherError(f"{variable}: holds characters that no API key has; export the key alone")
    return key
