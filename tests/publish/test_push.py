"""Uploads by the real client, in a process of its own, to a hub on loopback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from upload_hub import Uploads, upload_hub

from r1k.publish.card import DATA_FILE

TOKEN = "hf_marked0123456789abcdef"
PUSH = "import sys; from r1k.cli import main; sys.exit(main(['push', *sys.argv[1:]]))"
LOAD = "import sys, datasets; print(datasets.load_dataset(sys.argv[1], split='train').to_list())"


@pytest.fixture
def client(tmp_path, exported):
    """A function that runs Python code against a hub; the folder is a real export."""

    def run(uploads: Uploads, code: str, *arguments: str, token: str | None = TOKEN) -> subprocess.CompletedProcess:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        # The protocol of Xet's own servers is a binary one; without it the client speaks that of large files.
        environment |= {"HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
        if token is not None:
            environment["HF_TOKEN"] = token
        with upload_hub(uploads) as endpoint:
            return subprocess.run(
                [sys.executable, "-c", code, *arguments],
                env=environment | {"HF_ENDPOINT": endpoint},
                capture_output=True,
                text=True,
                cwd=tmp_path,
            )

    return run


def test_what_is_pushed_is_loaded_from_the_hub(client, exported: Path, tmp_path: Path):
    uploads = Uploads(TOKEN)
    done = client(uploads, PUSH, "--folder", str(exported), "--repo", "me/r1k", "--private")
    assert done.returncode == 0, done.stderr
    assert "/datasets/me/r1k/commit/" in done.stdout
    assert uploads.private == {"me/r1k": True}
    assert uploads.files["me/r1k"] == {name: (exported / name).read_bytes() for name in ("README.md", DATA_FILE)}
    assert sum("/commit/" in request for request in uploads.asked) == 1, "card and data appear together"
    loaded = client(uploads, LOAD, "me/r1k", token=None)
    assert "What has the answer" in loaded.stdout, loaded.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/repos/create", 401, "put a valid token in HF_TOKEN"),
        ("/repos/create", 403, "the token in HF_TOKEN may not write for me"),
        ("/preupload/", 403, "the token in HF_TOKEN may not write for me"),
        ("/preupload/", 404, "cannot access the repository"),
        ("/objects/batch", 403, "the token in HF_TOKEN may not write for me"),
        ("/blobs/", 403, "not uploaded"),
        ("/commit/", 409, "another upload is in progress"),
        ("/commit/", 412, "another upload changed the repository"),
        ("/validate-yaml", 400, "not uploaded"),
    ],
)
def test_a_refusal_says_what_to_do_and_never_the_token(client, exported: Path, path, status, said):
    uploads = Uploads(TOKEN, refusals={path: status}, echo=True)
    done = client(uploads, PUSH, "--folder", str(exported), "--repo", "me/r1k")
    assert done.returncode == 2, done.stderr
    assert said in done.stderr.partition("r1k push: me/r1k: ")[2]
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert uploads.files.get("me/r1k", {}) == {}


def test_what_must_be_private_is_not_put_where_all_can_see_it(client, exported: Path):
    uploads = Uploads(TOKEN, files={"me/r1k": {}}, private={"me/r1k": False})
    done = client(uploads, PUSH, "--folder", str(exported), "--repo", "me/r1k", "--private")
    assert done.returncode == 2
    assert "me/r1k: already exists and is public" in done.stderr
    assert uploads.files == {"me/r1k": {}}


@pytest.mark.parametrize(
    ("repo", "token", "said"),
    [
        ("r1k", TOKEN, "--repo: 'r1k' is not a repository; write it as owner/name"),
        ("me/../x", TOKEN, "is not a repository"),
        ("me/r1k", None, "the environment variable HF_TOKEN is not set"),
        ("me/r1k", "hf secret", "HF_TOKEN: contains characters"),
    ],
)
def test_nothing_is_asked_without_a_name_and_a_token(client, exported: Path, repo, token, said):
    uploads = Uploads(TOKEN)
    done = client(uploads, PUSH, "--folder", str(exported), "--repo", repo, token=token)
    assert (done.returncode, uploads.asked) == (2, [])
    assert said in done.stderr
    assert "secret" not in done.stderr


def test_a_folder_that_is_no_export_is_named(client, tmp_path):
    done = client(Uploads(TOKEN), PUSH, "--folder", str(tmp_path), "--repo", "me/r1k")
    assert done.returncode == 2
    assert "holds no README.md; set --folder to the output of `r1k export`" in done.stderr
