"""Endpoints of teachers: a configured server with its key, or a server on loopback started for the run."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import urlsplit

from r1k.config import Client, EmbeddedTeacher, ReplayTeacher, Server
from r1k.errors import TeacherError
from r1k.teacher.budget import Budget, Prices
from r1k.teacher.client import Endpoint
from r1k.teacher.local import Answerer, local_answerer
from r1k.teacher.server import ChatServer, running

S = TypeVar("S", bound=Server)

LOCAL_TIMEOUT = 60.0
"""Seconds that a teacher on loopback may take per answer."""
LOCAL_CONCURRENCY = 8


@contextmanager
def local_endpoint(answerer: Answerer) -> Iterator[Endpoint]:
    """Serve an answerer on a free port of 127.0.0.1 within the block."""
    with running(ChatServer(answerer)) as server:
        yield Endpoint(
            base_url=server.url,
            model=answerer.model,
            key="none",
            concurrency=LOCAL_CONCURRENCY,
            timeout=LOCAL_TIMEOUT,
        )


@contextmanager
def open_endpoint(server: Server | EmbeddedTeacher | ReplayTeacher, section: str = "teacher") -> Iterator[Endpoint]:
    """Yield the endpoint of a section of the config: the configured server, or a server on loopback."""
    if isinstance(server, Server):
        yield remote_endpoint(server, section)
        return
    with local_endpoint(local_answerer(server)) as endpoint:
        yield endpoint


def remote_endpoint(server: Server, section: str = "teacher") -> Endpoint:
    """Return the endpoint of a configured server.

    Raises:
        TeacherError: The address or the key is invalid.
    """
    client = server.client
    return Endpoint(
        base_url=_checked_url(server.base_url, section),
        model=server.model,
        key=_key(server.api_key_env, section),
        concurrency=client.concurrency,
        timeout=client.timeout,
        api_key_env=server.api_key_env,
        max_tokens=server.max_tokens,
        stream=client.stream,
        requests_per_minute=client.requests_per_minute,
        tokens_per_minute=client.tokens_per_minute,
        section=section,
    )


def with_client(server: S, client: Client | None) -> S:
    """Return the server with this client section; None keeps the server's own."""
    return server if client is None else server.model_copy(update={"client": client})


def make_budget(client: Client, section: str = "teacher") -> Budget:
    """Return an unspent budget with the config's prices and ceilings."""
    prices = Prices(client.input_price, client.output_price)
    return Budget(prices, client.max_dollars, client.max_total_tokens, section=section)


def _checked_url(base_url: str, section: str) -> str:
    parts = urlsplit(base_url)
    if parts.username or parts.password:
        raise TeacherError(
            f"{section}.base_url: contains a user name or password; put the key in {section}.api_key_env's variable"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query:
        raise TeacherError(f"{section}.base_url: {base_url!r} is not a URL such as https://host/v1; correct it")
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise TeacherError(f"{section}.base_url: {base_url!r} must end before /chat/completions; remove that part")
    return base_url


def _key(variable: str, section: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise TeacherError(
            f"{section}.api_key_env: the environment variable {variable} is not set; export it with the server's "
            "API key (any word, if the server needs none)"
        )
    if not (key.isascii() and key.isprintable() and " " not in key):
        raise TeacherError(f"{variable}: contains characters that no API key has; export only the key")
    return key
