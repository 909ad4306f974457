"""The process of a training run; torchrun starts it as `python -m r1k.train.worker ORDER`."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, Trainer

from r1k.child_process import die_with_parent
from r1k.files import atomic_write, write_json
from r1k.provenance import Stopwatch, peak_memory
from r1k.runtime import tune_process
from r1k.text import load_tokenizer
from r1k.train import as_released
from r1k.train.checkpoints import CheckpointCallback, save_adapter
from r1k.train.describe import RunFile, read_run
from r1k.train.order import TrainingOrder
from r1k.train.rows import TrainingRow, make_rows, read_pairs, read_records, training_order, write_trained_on
from r1k.train.trainers import make_trainer
from r1k.train.zero import init_distributed, read_deepspeed_config


def work(order: TrainingOrder) -> None:
    """Train from the order's checkpoint to the last step and write the finished adapter into the run's state."""
    watch = Stopwatch()
    run = read_run(order.run)
    deepspeed = read_deepspeed_config(order.deepspeed) if order.deepspeed is not None and world_size() > 1 else None
    if deepspeed is not None:
        init_distributed()
    tokenizer = load_tokenizer(order.base, run.direction_tag)
    rows = _rows(run, order, tokenizer)
    row_order = training_order(len(rows), run.steps * run.settings.train_batch_size, run.seed)
    trainer = make_trainer(
        settings=run.settings,
        lora=run.lora,
        base=order.base,
        parent=order.parent,
        tokenizer=tokenizer,
        rows=[rows[index].columns for index in row_order],
        steps=run.steps,
        seed=run.seed,
        per_device_train_batch_size=order.per_device_train_batch_size,
        gradient_checkpointing=order.gradient_checkpointing,
        state=order.state,
        callback=CheckpointCallback(order.state, order.checkpoint_seconds, run.probed),
        processes=world_size(),
        deepspeed=deepspeed,
        keep_end=run.protocol == "as_released",
    )
    if order.resume is not None:
        print(f"{run.run}: resuming from {order.resume}", flush=True)
    trainer.train(resume_from_checkpoint=str(order.resume) if order.resume is not None else None)
    _finish(order, trainer, rows, row_order, watch)


def _rows(run: RunFile, order: TrainingOrder, tokenizer: PreTrainedTokenizerBase) -> list[TrainingRow]:
    if run.protocol == "as_released":
        return as_released.make_rows(tokenizer, read_pairs(order.data, order.probe), run.settings.max_length)
    records = read_records(run.method, order.data, order.probe, run.reasoned)
    return make_rows(tokenizer, records, run.settings.max_length, run.direction_tag)


def _finish(
    order: TrainingOrder, trainer: Trainer, rows: list[TrainingRow], row_order: list[int], watch: Stopwatch
) -> None:
    partial = order.state / ".finished"
    save_adapter(trainer.model, partial, write=trainer.is_world_process_zero())
    if not trainer.is_world_process_zero():
        return
    write_trained_on(partial / "trained_on.jsonl", rows, row_order)
    _write_history(partial / "history.jsonl", trainer.state.log_history)
    resumed_at = int(order.resume.name.split("-")[1]) if order.resume is not None else 0
    facts = _facts(trainer, rows, row_order)
    write_json(partial / "facts.json", facts | {"resumed_at": resumed_at, "seconds_of_last_attempt": watch.seconds})
    partial.replace(order.finished)


def _facts(trainer: Trainer, rows: list[TrainingRow], row_order: list[int]) -> dict[str, Any]:
    model = trainer.model.get_base_model()
    return {
        "records": len(rows),
        "examples_seen": len(row_order),
        "response_tokens_seen": sum(rows[index].tokens for index in row_order),
        "truncated_records": sum(row.truncated_tokens > 0 for row in rows),
        "truncated_tokens": sum(row.truncated_tokens for row in rows),
        "optimizer": type(getattr(trainer.optimizer, "optimizer", trainer.optimizer)).__name__,
        "dtype": str(model.dtype).removeprefix("torch."),
        "attn_implementation": model.config._attn_implementation,
        "device": str(trainer.args.device),
        "peak_memory": peak_memory(),
        "visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
        "processes": world_size(),
        "nodes": int(os.environ.get("GROUP_WORLD_SIZE", "1")),
        "zero_stage": 3 if trainer.is_deepspeed_enabled else None,
    }


def _write_history(path: Path, history: list[dict[str, Any]]) -> None:
    with atomic_write(path) as handle:
        for entry in history:
            # The trainer's epoch counts passes over the ordered rows, not over the data.
            handle.write(json.dumps({key: value for key, value in entry.items() if key != "epoch"}) + "\n")


def world_size() -> int:
    """Return the number of processes of this run, from torchrun's environment."""
    return int(os.environ.get("WORLD_SIZE", "1"))


if __name__ == "__main__":
    die_with_parent()
    tune_process()
    work(TrainingOrder.model_validate_json(sys.argv[1]))
