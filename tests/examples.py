"""Shared helpers: paths, a chat template, and synthetic examples in both directions."""

import json
from pathlib import Path
from typing import Any

import yaml
from snakemake.utils import update_config

from r1k.records import Example

ROOT = Path(__file__).parents[1]
SHARED = ROOT.parent / "shared" / "data"

QWEN_TEMPLATE = (
    "{%- if messages[0].role == 'system' %}{{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}"
    "{%- else %}{{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
    "<|im_end|>\\n' }}{%- endif %}"
    "{%- for message in messages %}{%- if not (loop.first and message.role == 'system') %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}{%- endif %}{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)


def read_config(name: str, *added: str) -> dict[str, Any]:
    """Return the experiment `config/NAME.yaml` with the sections of the files added to it, as Snakemake merges them."""
    whole: dict[str, Any] = {}
    for file in (name, *added):
        update_config(whole, yaml.safe_load((ROOT / "config" / f"{file}.yaml").read_text()))
    return whole


def make_both(problems: int) -> tuple[list[Example], list[Example]]:
    """Return forward and reverse examples of `problems` synthetic problems, all different."""
    forward, reverse = [], []
    for k in range(problems):
        problem = f"p{k:03d}"
        common = {"problem": problem, "kind": "product"}
        forward.append(
            Example(
                id=f"{problem}-forward",
                direction="forward",
                question=f"A box holds {k + 2} rows of {k + 3} eggs. How many eggs?",
                reasoning=f"Rows times eggs a row: {k + 2} * {k + 3} = {(k + 2) * (k + 3)}.",
                answer=f"\\boxed{{{(k + 2) * (k + 3)}}}",
                **common,
            )
        )
        reverse.append(
            Example(
                id=f"{problem}-reverse",
                direction="reverse",
                question=f"A box holds {(k + 2) * (k + 3)} eggs in {k + 2} rows. How many eggs a row?",
                reasoning=f"Eggs by rows: {(k + 2) * (k + 3)} / {k + 2} = {k + 3}. That is it.",
                answer=f"\\boxed{{{k + 3}}}",
                **common,
            )
        )
    return forward, reverse


def lines(path: Path) -> list[dict]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text().splitlines()]
