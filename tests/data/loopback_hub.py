"""A hub on loopback, with the endpoints that the real client needs for datasets and models."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

COMMIT = "c0ffee" * 6 + "c0ff"


class Hub(BaseHTTPRequestHandler):
    """Serves `files` by repository and file name; repositories in `gated` require their token."""

    files: Mapping[str, Mapping[str, bytes]]
    gated: Mapping[str, str]

    def log_message(self, *args) -> None:
        return

    def answer(self) -> None:
        parts = urlsplit(self.path).path.strip("/").split("/")
        if parts[0] == "api":
            parts = parts[1:]
        if parts[0] not in ("datasets", "models"):  # model URLs have no repository type
            parts = ["models", *parts]
        repo = "/".join(parts[1:3])
        if repo not in self.files:
            self.reply(404, b"{}", {"X-Error-Code": "RepoNotFound"})
        elif repo in self.gated and self.headers.get("Authorization") != f"Bearer {self.gated[repo]}":
            self.reply(401, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": f"{repo} is gated"})
        elif parts[3] == "revision":
            siblings = [{"rfilename": name} for name in self.files[repo]]
            self.reply(200, json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode())
        elif parts[3] == "tree":
            entries = [
                {"type": "file", "path": name, "size": len(content), "oid": digest(content)}
                for name, content in self.files[repo].items()
            ]
            self.reply(200, json.dumps(entries).encode())
        elif parts[3:5] == ["resolve", COMMIT] and "/".join(parts[5:]) in self.files[repo]:
            content = self.files[repo]["/".join(parts[5:])]
            self.reply(200, content, {"ETag": f'"{digest(content)}"', "X-Repo-Commit": COMMIT})
        else:
            self.reply(404, b"", {"X-Error-Code": "EntryNotFound"})

    do_GET = do_HEAD = answer  # noqa: N815 - the names that http.server calls

    def reply(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@contextmanager
def loopback_hub(files: Mapping[str, Mapping[str, bytes]], gated: Mapping[str, str]) -> Iterator[str]:
    """Yield the endpoint of a hub that serves `files`, on a free port of 127.0.0.1."""
    with serving(type("ThisHub", (Hub,), {"files": files, "gated": gated})) as endpoint:
        yield endpoint


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Yield the server's URL, on a free port of 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
