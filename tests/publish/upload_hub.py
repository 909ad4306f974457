"""The loopback hub with the endpoints that uploads need: repositories, modes, large files, commits."""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from loopback_hub import COMMIT, Hub, serving


@dataclass
class Uploads:
    """Content and requests of the hub. Requests whose path contains a key of `refusals` get its status."""

    token: str
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: dict[str, bool] = field(default_factory=dict)
    blobs: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    echo: bool = False
    """Whether errors contain the token."""


class UploadHub(Hub):
    """Accepts writes only with the token."""

    uploads: Uploads

    def write(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = urlsplit(self.path).path
        self.uploads.requests.append(f"{self.command} {path}")
        refusal = next((status for part, status in self.uploads.refusals.items() if part in path), None)
        if path.startswith("/blobs/"):  # a signed URL: the client sends no token
            refusal = refusal or self.keep_blob(path.rsplit("/", 1)[1], body)
        elif self.headers.get("Authorization") != f"Bearer {self.uploads.token}":
            refusal = refusal or 401
        if refusal is not None:
            message = f"refused {self.headers.get('Authorization')}" if self.uploads.echo else "refused"
            self.reply(refusal, json.dumps({"error": message}).encode(), {"Content-Type": "application/json"})
        elif not path.startswith("/blobs/"):
            self.reply(200, json.dumps(self.done(path, body)).encode(), {"Content-Type": "application/json"})
        else:
            self.reply(200, b"")

    do_POST = do_PUT = write  # noqa: N815 - the names that http.server calls

    def answer(self) -> None:
        repo = urlsplit(self.path).path.removeprefix("/api/datasets/")
        if repo in self.files:
            self.reply(200, json.dumps({"id": repo, "sha": COMMIT, "private": self.uploads.private[repo]}).encode())
        else:
            super().answer()

    do_GET = do_HEAD = answer  # noqa: N815

    def keep_blob(self, oid: str, body: bytes) -> int | None:
        self.uploads.blobs[oid] = body
        return None if hashlib.sha256(body).hexdigest() == oid else 400

    def done(self, path: str, body: bytes) -> dict[str, Any]:
        here = f"http://{self.headers['Host']}"
        match path.strip("/").split("/"):
            case ["api", "repos", "create"]:
                creation = json.loads(body)
                assert creation["type"] == "dataset"
                repo = f"{creation['organization']}/{creation['name']}"
                self.uploads.private.setdefault(repo, creation.get("visibility") == "private")
                self.files.setdefault(repo, {})
                return {"url": f"{here}/datasets/{repo}"}
            case ["api", "validate-yaml"]:
                assert json.loads(body)["content"].startswith("---\n")
                return {"errors": [], "warnings": []}
            case ["api", "datasets", _, _, "preupload", "main"]:
                names = [file["path"] for file in json.loads(body)["files"]]
                modes = {name: "lfs" if name.endswith(".parquet") else "regular" for name in names}
                return {"files": [{"path": n, "uploadMode": mode, "shouldIgnore": False} for n, mode in modes.items()]}
            case ["datasets", _, _, "info", "lfs", "objects", "batch"]:
                objects = json.loads(body)["objects"]
                return {
                    "objects": [{**o, "actions": {"upload": {"href": f"{here}/blobs/{o['oid']}"}}} for o in objects]
                }
            case ["api", "datasets", owner, name, "commit", "main"]:
                for line in body.splitlines():
                    self.commit(f"{owner}/{name}", **json.loads(line))
                return {"commitUrl": f"{here}/datasets/{owner}/{name}/commit/{COMMIT}", "commitOid": COMMIT}
        raise AssertionError(f"the client asked for {path}")

    def commit(self, repo: str, key: str, value: Mapping[str, Any]) -> None:
        files = self.uploads.files[repo]
        match key:
            case "file":
                files[value["path"]] = base64.b64decode(value["content"])
            case "lfsFile":
                files[value["path"]] = self.uploads.blobs[value["oid"]]
                assert len(files[value["path"]]) == value["size"]
            case _:
                assert key == "header"


@contextmanager
def upload_hub(uploads: Uploads) -> Iterator[str]:
    """Yield the endpoint, on a free port of 127.0.0.1."""
    with serving(type("ThisHub", (UploadHub,), {"files": uploads.files, "gated": {}, "uploads": uploads})) as endpoint:
        yield endpoint
