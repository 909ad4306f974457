"""Datasets of the Hugging Face hub, with errors that say what to do."""

from collections.abc import Iterator
from typing import Any

from r1k.errors import R1kError


def hub_rows(repo: str, revision: str, split: str, config: str | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a pinned dataset, as dictionaries.

    R1kError for a dataset that is gated or absent, and where there is no network.
    """
    import datasets
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        rows = datasets.load_dataset(repo, config, split=split, revision=revision)
    except GatedRepoError as error:
        raise R1kError(
            f"dataset {repo}: gated; ask for access on its page with your account, and set HF_TOKEN to a token of it"
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, datasets.exceptions.DatasetNotFoundError) as error:
        raise R1kError(
            f"dataset {repo} at {revision}: not found, or not for you; check repo and revision in the config, and set "
            f"HF_TOKEN if it is gated ({error})"
        ) from error
    except (HfHubHTTPError, ConnectionError, OSError) as error:
        raise R1kError(
            f"dataset {repo}: cannot be fetched ({error}); run this where there is network, or name a file in the config"
        ) from error
    yield from rows
