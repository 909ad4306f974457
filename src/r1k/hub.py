"""Access to the Hugging Face hub, with errors that say what to do and revisions resolved to commits."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from r1k.errors import R1kError


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """Raise the hub's errors about `what` (such as "dataset a/b") as R1kErrors: gated, not found, unreachable."""
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
            f"{what}: gated; request access on its page and set HF_TOKEN to a token of your account"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, DatasetNotFoundError) as error:
        raise R1kError(
            f"{what}: not found, or not accessible to you; check repo and revision in the config, and set HF_TOKEN "
            f"if it is gated ({error})"
        ) from error
    except (HfHubHTTPError, httpx2.HTTPError, OfflineModeIsEnabled, ConnectionError, OSError) as error:
        raise R1kError(
            f"{what}: cannot be fetched ({error}); run this on a machine with network access, or use local files "
            "in the config"
        ) from error


def resolve_commit(kind: Literal["dataset", "model"], repo: str, revision: str) -> str:
    """Return the commit of a revision, as 40 hexadecimal digits."""
    from huggingface_hub import HfApi

    with hub_errors(f"{kind} {repo} at {revision}"):
        info = HfApi().repo_info(repo, repo_type=kind, revision=revision)
    if info.sha is None:
        raise R1kError(
            f"{kind} {repo} at {revision}: the hub returns no commit; set a commit as revision in the config"
        )
    return str(info.sha)


def dataset_rows(repo: str, commit: str, split: str, config: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a dataset at a commit, as dictionaries; raise R1kError if it has no such config or split, or
    holds files that cannot be read."""
    import datasets

    with hub_errors(f"dataset {repo} at {commit}"):
        try:
            rows = datasets.load_dataset(repo, config, split=split, revision=commit)
        except (ValueError, datasets.exceptions.DatasetGenerationError) as error:
            where = f"dataset {repo}, split {split}" + (f" of config {config}" if config else "")
            raise R1kError(
                f"{where}: cannot be loaded ({error}); correct config and split of the source, or use a file"
            ) from error
    yield from rows
