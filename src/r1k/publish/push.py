"""Upload an exported folder to the hub. Only the command `r1k push` calls this module."""

import os
import re
from pathlib import Path

from r1k.errors import R1kError
from r1k.publish.card import DATA_FILE

REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
FILES = ("README.md", DATA_FILE)
"""The uploaded files. The manifest is not uploaded, because it describes this machine."""


def push(*, folder: Path, repo: str, private: bool = False) -> str:
    """Upload an exported folder to the Hugging Face hub with the token in HF_TOKEN, and return the commit's URL.

    Args:
        folder: The folder that `r1k export` wrote.
        repo: The dataset repository, OWNER/NAME; created if it does not exist.
        private: Create the repository as private; an existing public one is an error.

    Raises:
        R1kError: The folder, name or token is invalid, the hub refuses, or the repository is public although `private`
            is set. No message contains the token.
    """
    lacking = [name for name in FILES if not (folder / name).is_file()]
    if lacking:
        raise R1kError(f"{folder}: holds no {lacking[0]}; set --folder to the output of `r1k export`")
    if not REPO.fullmatch(repo):
        raise R1kError(f"--repo: {repo!r} is not a repository; write it as owner/name")
    token = _token()
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    api = HfApi(token=token)
    try:
        api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
        if private and not api.dataset_info(repo).private:
            raise R1kError(f"{repo}: already exists and is public; choose another name, or omit --private")
        done = api.upload_folder(
            repo_id=repo, repo_type="dataset", folder_path=folder, allow_patterns=list(FILES), commit_message="r1k"
        )
    except HfHubHTTPError as error:
        status = error.response.status_code
        message = _without(token, error.server_message or error.response.reason_phrase)
        raise R1kError(f"{repo}: the hub refused (HTTP {status}: {message}){_remedy(status, repo)}") from None
    except (httpx2.HTTPError, OSError, RuntimeError, ValueError) as error:
        cause = _without(token, repr(error.__cause__ or error))
        raise R1kError(f"{repo}: not uploaded ({cause}); the repository is unchanged, run again") from None
    return str(done.commit_url)


def _token() -> str:
    token = os.environ.get("HF_TOKEN", "").strip()
    if not token:
        raise R1kError("the environment variable HF_TOKEN is not set; export it with a token that has write access")
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise R1kError("HF_TOKEN: contains characters that no token has; export only the token")
    return token


def _without(token: str, text: str) -> str:
    return text.replace(token, "[token]")[:500]


def _remedy(status: int, repo: str) -> str:
    owner = repo.partition("/")[0]
    remedies = {
        401: "; put a valid token in HF_TOKEN",
        403: f"; the token in HF_TOKEN may not write for {owner}: grant it, or use another owner",
        404: f"; the token in HF_TOKEN cannot access the repository: grant it write access for {owner}",
        409: "; another upload is in progress: check the repository, then run again",
        412: "; another upload changed the repository: check it, then run again",
    }
    return remedies.get(status, "; run again later" if status >= 500 or status == 429 else "")
