"""What each process of a training does. `python -m r1k.train.worker ORDER` is torchrun's entry."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, Trainer

from r1k.files import atomic_write, write_json
from r1k.provenance import Stopwatch, peak_memory
from r1k.text import load_tokenizer
from r1k.threads import wait_passively
from r1k.train import as_released
from r1k.train.checkpoints import Checkpoints, save_adapter
from r1k.train.describe import RunFile, read_run
from r1k.train.launch import TrainingOrder, die_with_parent
from r1k.train.rows import Row, make_rows, read_pairs, read_records, training_order, write_trained_on
from r1k.train.trainers import make_trainer
from r1k.train.zero import join_processes, read_settings


def work(order: TrainingOrder) -> None:
    """Train from the order's checkpoint to the end, and leave the finished adapter in the training's state."""
    watch = Stopwatch()
    run = read_run(order.run)
    zero = read_settings(order.deepspeed) if order.deepspeed is not None and world_size() > 1 else None
    if zero is not None:
        join_processes()
    tokenizer = load_tokenizer(order.base, run.direction_tag)
    rows = _rows(run, order, tokenizer)
    sequence = training_order(len(rows), run.steps * run.settings.train_batch_size, run.seed)
    trainer = make_trainer(
        settings=run.settings,
        lora=run.lora,
        base=order.base,
        parent=order.parent,
        tokenizer=tokenizer,
        rows=[rows[index].columns for index in sequence],
        steps=run.steps,
        seed=run.seed,
        per_device_train_batch_size=order.per_device_train_batch_size,
        gradient_checkpointing=order.gradient_checkpointing,
        state=order.own,
        callback=Checkpoints(order.own, order.checkpoint_seconds, run.probed),
        processes=world_size(),
        deepspeed=zero,
        keep_end=run.protocol == "as_released",
    )
    if order.resume is not None:
        print(f"{run.run}: resuming from {order.resume}", flush=True)
    trainer.train(resume_from_checkpoint=str(order.resume) if order.resume is not None else None)
    _finish(order, trainer, rows, sequence, watch)


def _rows(run: RunFile, order: TrainingOrder, tokenizer: PreTrainedTokenizerBase) -> list[Row]:
    if run.protocol == "as_released":
        return as_released.make_rows(tokenizer, read_pairs(order.data, order.probe), run.settings.max_length)
    records = read_records(run.method, order.data, order.probe, run.reasoned)
    return make_rows(tokenizer, records, run.settings.max_length, run.direction_tag)


def _finish(order: TrainingOrder, trainer: Trainer, rows: list[Row], sequence: list[int], watch: Stopwatch) -> None:
    partial = order.own / ".finished"
    save_adapter(trainer.model, partial, write=trainer.is_world_process_zero())
    if not trainer.is_world_process_zero():
        return
    write_trained_on(partial / "trained_on.jsonl", rows, sequence)
    _write_history(partial / "history.jsonl", trainer.state.log_history)
    resumed_at = int(order.resume.name.split("-")[1]) if order.resume is not None else 0
    facts = _facts(trainer, rows, sequence)
    write_json(partial / "facts.json", facts | {"resumed_at": resumed_at, "seconds_of_last_attempt": watch.seconds})
    partial.replace(order.finished)


def _facts(trainer: Trainer, rows: list[Row], sequence: list[int]) -> dict[str, Any]:
    model = trainer.model.get_base_model()
    return {
        "records": len(rows),
        "examples_seen": len(sequence),
        "response_tokens_seen": sum(rows[index].tokens for index in sequence),
        "truncated_records": sum(row.cut > 0 for row in rows),
        "truncated_tokens": sum(row.cut for row in rows),
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
            # The trainer's epoch counts the ordered rows, not the data.
            handle.write(json.dumps({key: value for key, value in entry.items() if key != "epoch"}) + "\n")


def world_size() -> int:
    """Processes of this training, as torchrun tells."""
    return int(os.environ.get("WORLD_SIZE", "1"))


if __name__ == "__main__":
    die_with_parent()
    wait_passively()
    work(TrainingOrder.model_validate_json(sys.argv[1]))
