"""The inputs that every process of a training run gets."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class TrainingOrder(BaseModel):
    """The inputs of every process of a training run."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run: Path
    base: Path
    data: Path
    probe: Path | None
    parent: Path | None
    state: Path
    """Directory of the run's checkpoints."""
    finished: Path
    """The directory inside `state` that appears when the run has finished."""
    per_device_train_batch_size: int
    gradient_checkpointing: bool
    checkpoint_seconds: float
    deepspeed: Path | None
    resume: Path | None = None
