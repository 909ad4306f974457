"""A base model from the hub: a pinned revision, safetensors only."""

from pathlib import Path

from r1k.config import HubBase
from r1k.errors import R1kError
from r1k.files import exclusive, publish_directory
from r1k.provenance import Stopwatch, write_manifest
from r1k.text import load_tokenizer

WANTED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.jinja", "*.model"]


def fetch_hub_base(*, base: HubBase, output: Path, state: Path) -> None:
    """Download a base and publish it whole; an interrupted download goes on where it was, from `state`."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError

    watch = Stopwatch()
    with exclusive(state / "lock", f"fetching {base.repo}"):
        snapshot = state / base.revision
        try:
            snapshot_download(base.repo, revision=base.revision, allow_patterns=WANTED, local_dir=snapshot)
        except GatedRepoError as error:
            raise R1kError(f"model {base.repo}: gated; ask for access on its page, and set HF_TOKEN") from error
        except (RepositoryNotFoundError, RevisionNotFoundError) as error:
            raise R1kError(
                f"model {base.repo} at {base.revision}: not found; check the base's repo and revision"
            ) from error
        except (HfHubHTTPError, ConnectionError, OSError) as error:
            raise R1kError(
                f"model {base.repo}: cannot be fetched ({error}); run this rule where there is network"
            ) from error
        if not any(snapshot.glob("*.safetensors")):
            raise R1kError(f"model {base.repo}: holds no safetensors; name a base that does")
        load_tokenizer(snapshot)
        publish_directory(snapshot, output)
    write_manifest(output, "bases.hub", {}, watch, repo=base.repo, revision=base.revision)
