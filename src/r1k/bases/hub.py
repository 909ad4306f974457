"""Download a base model from the hub: a pinned revision, safetensors only."""

import shutil
from pathlib import Path

from r1k.config import HubBase
from r1k.errors import R1kError
from r1k.files import exclusive, publish_directory
from r1k.hub import hub_errors, resolve_commit
from r1k.provenance import Stopwatch, write_manifest
from r1k.text import load_tokenizer

ALLOW_PATTERNS = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.jinja", "*.model"]


def fetch_hub_base(*, base: HubBase, output: Path, state: Path) -> None:
    """Download a base and publish it atomically; an interrupted download resumes from `state`."""
    from huggingface_hub import snapshot_download

    watch = Stopwatch()
    with exclusive(state / "lock", f"fetching {base.repo}"):
        commit = resolve_commit("model", base.repo, base.revision)
        snapshot = state / commit
        with hub_errors(f"model {base.repo} at {commit}"):
            snapshot_download(base.repo, revision=commit, allow_patterns=ALLOW_PATTERNS, local_dir=snapshot)
        if not any(snapshot.glob("*.safetensors")):
            raise R1kError(f"model {base.repo}: has no safetensors; choose a base that has them")
        load_tokenizer(snapshot)
        shutil.rmtree(snapshot / ".cache", ignore_errors=True)  # bookkeeping of the finished download
        publish_directory(snapshot, output)
    write_manifest(output, "bases.hub", {}, watch, repo=base.repo, hub_commit=commit)
