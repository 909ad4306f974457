"""TRL's trainers, given rows that are already tokens: TRL formats and shuffles nothing here, and cuts nothing but pairs
as the released code has them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerBase, Trainer, TrainerCallback
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from r1k.config import Dpo, Lora, Settings, Sft
from r1k.errors import TrainError
from r1k.train.checkpoints import ADAPTER


class TokenDPOTrainer(DPOTrainer):  # type: ignore[misc]
    """DPO on `prompt_ids`, `chosen_ids` and `rejected_ids` as they are.

    The reference has the type of what is trained. TRL makes it a float32 copy, whatever the adapter's type; between
    bf16 and float32 the first loss would not be ln 2.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        trained = dict(self.model.named_parameters())
        for name, reference in trained.items():
            if ".ref." in name:
                reference.data = reference.data.to(trained[name.replace(".ref.", f".{ADAPTER}.")].dtype)

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset


def load_base(base: Path, settings: Settings) -> Any:
    """Load the base model with the run's dtype and attention; raise TrainError if the attention is not installed."""
    try:
        return AutoModelForCausalLM.from_pretrained(
            base,
            dtype=settings.dtype,
            attn_implementation=settings.attn_implementation,
            use_safetensors=True,
            local_files_only=True,
        )
    except ImportError as error:
        raise TrainError(
            f"train: attn_implementation {settings.attn_implementation!r} is not installed ({error}); install "
            f"flash-attn on the GPU nodes, "
            "or set attn_implementation: sdpa in the config"
        ) from error


def make_trainer(
    *,
    settings: Sft | Dpo,
    lora: Lora | None,
    base: Path,
    parent: Path | None,
    tokenizer: PreTrainedTokenizerBase,
    rows: Sequence[dict[str, list[int]]],
    steps: int,
    seed: int,
    per_device_train_batch_size: int,
    gradient_checkpointing: bool,
    state: Path,
    callback: TrainerCallback,
    processes: int = 1,
    deepspeed: dict[str, Any] | None = None,
    keep_end: bool = False,
) -> Trainer:
    """The trainer of a run.

    With `keep_end`, TRL keeps the last `max_length` tokens of each of a pair's sequences; else they are cut already.
    `rows` come in the order of training, `settings.batch_size` a step. SFT from a base gets a new adapter; a run
    with a `parent` goes on with the parent's. DPO's reference is a frozen copy of the parent's adapter.
    """
    arguments = _arguments(settings, steps, seed, per_device_train_batch_size, state, processes, deepspeed)
    arguments["gradient_checkpointing"] = gradient_checkpointing
    # ZeRO-3 shards a model as it is loaded, which needs the training arguments to be there before it.
    config = (
        SFTConfig(**arguments, dataset_kwargs={"skip_prepare_dataset": True}) if isinstance(settings, Sft) else None
    )
    dpo_config = _dpo_config(settings, arguments, keep_end) if isinstance(settings, Dpo) else None
    model = load_base(base, settings)
    if parent is not None:
        # ZeRO-3 shards parameters of one type together: the adapter then has the base's, else float32.
        model = PeftModel.from_pretrained(model, parent, is_trainable=True, autocast_adapter_dtype=deepspeed is None)
    common = {
        "model": model,
        "train_dataset": Dataset.from_list(list(rows)),
        "processing_class": tokenizer,
        "callbacks": [callback],
    }
    if dpo_config is not None:
        return TokenDPOTrainer(args=dpo_config, **common)
    return SFTTrainer(args=config, peft_config=_lora_config(lora) if lora is not None else None, **common)


def _dpo_config(settings: Dpo, arguments: dict[str, Any], keep_end: bool) -> DPOConfig:
    cut = {"max_length": settings.max_length, "truncation_mode": "keep_end"} if keep_end else {}
    return DPOConfig(
        **arguments | cut,
        beta=settings.beta,
        loss_type=list(settings.loss_type),
        loss_weights=settings.loss_weights or [1.0] * len(settings.loss_type),
        label_smoothing=settings.label_smoothing,
    )


def _arguments(
    settings: Settings,
    steps: int,
    seed: int,
    per_device_train_batch_size: int,
    state: Path,
    processes: int,
    deepspeed: dict[str, Any] | None,
) -> dict[str, Any]:
    devices = per_device_train_batch_size * processes
    if settings.train_batch_size % devices:
        raise TrainError(
            f"train.launch.per_device_train_batch_size: {per_device_train_batch_size} on {processes} processes "
            f"do not divide the "
            f"batch of {settings.train_batch_size}; lower it"
        )
    return {
        "output_dir": str(state),
        "max_steps": steps,
        "per_device_train_batch_size": per_device_train_batch_size,
        "gradient_accumulation_steps": settings.train_batch_size // devices,
        "train_sampling_strategy": "sequential",
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.lr_scheduler_type,
        "warmup_steps": math.ceil(settings.warmup_ratio * steps),
        "weight_decay": settings.weight_decay,
        "adam_beta1": settings.adam_beta1,
        "adam_beta2": settings.adam_beta2,
        "max_grad_norm": settings.max_grad_norm,
        "bf16": settings.dtype == "bfloat16",
        "max_length": None,
        "seed": seed,
        "data_seed": seed,
        "use_cpu": not torch.cuda.is_available(),
        "logging_steps": 1,
        "logging_strategy": "steps",
        "save_strategy": "no",
        "save_total_limit": 2,
        "report_to": "none",
        "dataloader_num_workers": 0,
        "deepspeed": deepspeed,
    }


def _lora_config(lora: Lora) -> LoraConfig:
    return LoraConfig(
        r=lora.r,
        lora_alpha=lora.lora_alpha,
        lora_dropout=lora.lora_dropout,
        target_modules=list(lora.target_modules),
        task_type="CAUSAL_LM",
    )
