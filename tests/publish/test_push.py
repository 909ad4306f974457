"""Uploads by the real client in a subprocess to a hub on loopback."""

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
    """Return a function that runs Python code against a hub on loopback."""

    def run(uploads: Uploads, code: str, *arguments: str, token: str | None = TOKEN) -> subprocess.CompletedProcess:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        # Xet has a binary protocol; without it, the client uses the LFS protocol.
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


@pytest.mark.slow
def test_a_pushed_dataset_loads_from_the_hub(client, exported: Path, tmp_path: Path):
    uploads = Uploads(TOKEN)
    done = client(uploads, PUSH, "--folder", str(exported), "--repo", "me/r1k", "--private")
    assert done.returncode == 0, done.stderr
    assert "/datasets/me/r1k/commit/" in done.stdout
    assert uploads.private == {"me/r1k": True}
    assert uploads.files["me/r1k"] == {name: (exported / name).read_bytes() for name in ("README.md", DATA_FILE)}
    assert sum("/commit/" in request for request in uploads.requests) == 1, "card and data appear together"
    loaded = client(uploads, LOAD, "me/r1k", token=None)
    assert "What has the answer" in loaded.stdout, loaded.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(
    ("path", "status", "expected"),
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
def test_an_error_of_the_hub_states_the_remedy_without_the_token(client, exported: Path, path, status, expected):
    uploads = Uploads(TOKEN, refusals={path: status}, echo=True)
    done = client(uploads, PUSH, "--folder", str(exported), "--repo", "me/r1k")
    assert done.returncode == 2, done.stderr
    assert expected in done.stderr.partition("r1k push: me/r1k: ")[2]
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    assert uploads.files.get("me/r1k", {}) == {}


def test_private_data_are_not_pushed_to_a_public_repository(client, exported: Path):
    uploads = Uploads(TOKEN, files={"me/r1k": {}}, private={"me/r1k": False})
    done = client(uploads, PUSH, "--folder", str(exported), "--repo", "me/r1k", "--private")
    assert done.returncode == 2
    assert "me/r1k: already exists and is public" in done.stderr
    assert uploads.files == {"me/r1k": {}}


@pytest.mark.parametrize(
    ("repo", "token", "expected"),
    [
        ("r1k", TOKEN, "--repo: 'r1k' is not a repository; write it as owner/name"),
        ("me/../x", TOKEN, "is not a repository"),
        ("me/r1k", None, "the environment variable HF_TOKEN is not set"),
        ("me/r1k", "hf secret", "HF_TOKEN: contains characters"),
    ],
)
def test_without_a_valid_name_and_token_no_request_is_sent(client, exported: Path, repo, token, expected):
    uploads = Uploads(TOKEN)
    done = client(uploads, PUSH, "--folder", str(exported), "--repo", repo, token=token)
    assert (done.returncode, uploads.requests) == (2, [])
    assert expected in done.stderr
    assert "secret" not in done.stderr


def test_a_folder_that_is_not_an_export_is_named(client, tmp_path):
    done = client(Uploads(TOKEN), PUSH, "--folder", str(tmp_path), "--repo", "me/r1k")
    assert done.returncode == 2
    assert "holds no README.md; set --folder to the output of `r1k export`" in done.stderr
