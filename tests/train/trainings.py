"""Helpers for tests of training: settings, random adapters, data files, run plans and trainers."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, TrainerCallback

from examples import make_both
from r1k.config import Dpo, Lora, Sft
from r1k.data.sets import make_set
from r1k.records import write_jsonl
from r1k.text import load_tokenizer
from r1k.train.describe import RunPlan
from r1k.train.trainers import make_trainer

LORA = Lora(r=4, lora_alpha=8, lora_dropout=0.0)
SETTINGS = {
    "train_batch_size": 4,
    "max_length": 1024,
    "dtype": "float32",
    "attn_implementation": "sdpa",
}


def make_adapter(base: Path, directory: Path, seed: int, rank: int = 4) -> Path:
    """Write an adapter of random weights, which changes the base's predictions, and return its directory."""
    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank,
        lora_alpha=2 * rank,
        target_modules=["q_proj", "up_proj", "down_proj"],
        init_lora_weights=False,
        task_type="CAUSAL_LM",
    )
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config).save_pretrained(directory)
    return directory


def write_data(folder: Path) -> None:
    """Write `s1k.jsonl`, `r1k.jsonl` and `pairs.jsonl` of eight problems."""
    for name, examples in zip(("s1k", "r1k"), make_both(8), strict=True):
        write_jsonl(folder / f"{name}.jsonl", examples)
    make_set("pairs", s1k=folder / "s1k.jsonl", r1k=folder / "r1k.jsonl", output=folder / "pairs.jsonl")


def make_plan(method: str, **more: Any) -> RunPlan:
    """Return the plan of a run that starts from a base and is named after its method, with the fields in `more`."""
    plan = {"run": method, "method": method, "seed": 0, "identity": {}, "probed": {}, "exclude_held_out": False}
    lora = {"lora": LORA} if method == "sft" else {}
    return RunPlan(**plan | lora | more)


def trainer_of(settings: Sft | Dpo, base: Path, rows: list[Any], state: Path, **more: Any) -> Any:
    """Return the trainer of a run from the base, for one step; `more` overrides the arguments."""
    options = {
        "parent": None,
        "tokenizer": load_tokenizer(base),
        "steps": 1,
        "seed": 0,
        "per_device_train_batch_size": settings.train_batch_size,
        "gradient_checkpointing": False,
        "lora": None if more.get("parent") else LORA,
        "callback": TrainerCallback(),
    }
    return make_trainer(settings=settings, base=base, rows=rows, state=state, **options | more)
