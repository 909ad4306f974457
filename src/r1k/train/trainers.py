"""TRL's trainers on rows of token ids.

TRL neither formats nor shuffles the rows. It truncates only the pairs of `protocol: as_released`.
"""

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
    """DPO on `prompt_ids`, `chosen_ids` and `rejected_ids`, unchanged.

    The reference adapter has the dtype of the trained adapter. TRL copies the reference in float32; with a bfloat16
    adapter the loss of the first step would then differ from ln 2.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        parameters = dict(self.model.named_parameters())
        for name, reference in parameters.items():
            if ".ref." in name:
                reference.data = reference.data.to(parameters[name.replace(".ref.", f".{ADAPTER}.")].dtype)

    def _prepare_dataset(self, dataset: Dataset, *args: Any, **kwargs: Any) -> Dataset:
        return dataset


def load_base(base: Path, settings: Settings) -> Any:
    """Return the base model in the run's dtype; raises TrainError if its attention implementation is not installed."""
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
            "flash-attn on the GPU nodes, or set attn_implementation: sdpa in the config"
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
    """Return the trainer of a run.

    Args:
        settings: The run's settings; their type selects SFT or DPO.
        lora: The adapter to create, for SFT from a base.
        base: Directory of the base model.
        parent: The adapter to continue; a frozen copy of it is DPO's reference.
        tokenizer: The base's tokenizer.
        rows: Columns of token ids in training order, `settings.train_batch_size` per step.
        steps: Optimizer steps.
        seed: Seed of the new adapter's weights and of dropout.
        per_device_train_batch_size: Examples or pairs per device and forward pass.
        gradient_checkpointing: Recompute activations in the backward pass.
        state: Directory of the checkpoints.
        callback: Saves checkpoints and the adapters of probed steps.
        processes: Processes of the run.
        deepspeed: DeepSpeed config, if there are several processes.
        keep_end: Have TRL keep the last `max_length` tokens of each sequence; otherwise the rows are already truncated.

    Raises:
        TrainError: The batch does not divide among the processes, or the attention implementation is not installed.
    """
    arguments = _arguments(settings, steps, seed, per_device_train_batch_size, state, processes, deepspeed)
    arguments["gradient_checkpointing"] = gradient_checkpointing
    # ZeRO-3 shards a model while loading it, if the training arguments already exist.
    config = (
        SFTConfig(**arguments, dataset_kwargs={"skip_prepare_dataset": True}) if isinstance(settings, Sft) else None
    )
    dpo_config = _dpo_config(settings, arguments, keep_end) if isinstance(settings, Dpo) else None
    model = load_base(base, settings)
    if parent is not None:
        # ZeRO-3 shards parameters of one dtype together, therefore the adapter has the base's dtype; else float32.
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
    truncation = {"max_length": settings.max_length, "truncation_mode": "keep_end"} if keep_end else {}
    return DPOConfig(
        **arguments | truncation,
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
            f"train.launch.per_device_train_batch_size: {per_device_train_batch_size} on {processes} processes do not "
            f"divide train_batch_size {settings.train_batch_size}; lower it"
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
