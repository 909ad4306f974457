"""The Hugging Face hub, with errors that say what to do, and revisions resolved to the commit that is recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from r1k.errors import R1kError


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Turn the hub's errors on `what` (as "dataset a/b") into R1kErrors: gated, not found, out of reach."""
    import httpx2
    from datasets.exceptions import DatasetNotFoundError
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise R1kError(
            f"{what}: gated; ask for access on its page with your account, and set HF_TOKEN to a token of it"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, DatasetNotFoundError) as error:
        raise R1kError(
            f"{what}: not found, or not for you; check repo and revision in the config, and set HF_TOKEN if it is "
            f"gated ({error})"
        ) from error
    except (HfHubHTTPError, httpx2.HTTPError, OfflineModeIsEnabled, ConnectionError, OSError) as error:
        raise R1kError(
            f"{what}: cannot be fetched ({error}); run this where there is network, or name files in the config"
        ) from error


def resolve_commit(kind: Literal["dataset", "model"], repo: str, revision: str) -> str:
    """The commit, 40 hexadecimal digits, that a revision names now."""
    from huggingface_hub import HfApi

    with hub_errors(f"{kind} {repo} at {revision}"):
        info = HfApi().repo_info(repo, repo_type=kind, revision=revision)
    if info.sha is None:
        raise R1kError(f"{kind} {repo} at {revision}: the hub names no commit; write one in the config")
    return str(info.sha)


def dataset_rows(repo: str, commit: str, split: str, config: str | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a dataset at a commit, as dictionaries."""
    import datasets

    with hub_errors(f"dataset {repo} at {commit}"):
        rows = datasets.load_dataset(repo, config, split=split, revision=commit)
    yield from rows
