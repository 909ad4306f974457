"""Assumptions behind the estimates of `r1k plan`."""

from typing import Literal

from pydantic import Field

from r1k.config.section import Name, Section


class Device(Section):
    """The device that jobs compute on. The defaults are NVIDIA's H100 SXM data sheet and rates usual with it."""

    title: str = Field(default="H100 80 GB", description="its name in the plan")
    kind: Literal["gpu", "cpu"] = Field(default="gpu", description="`cpu`: jobs request no GPU and run as one process")
    memory: float = Field(default=79.0, gt=0, description="usable memory in GiB: of one GPU, or of the machine")
    flops: float = Field(
        default=989e12,
        gt=0,
        description="peak FLOP/s without sparsity: of one GPU, or of the `cores` of `train.launch`",
    )
    float32_flops: float = Field(
        default=67e12, gt=0, description="peak FLOP/s of one GPU in float32, for the empirical NTK; unused on `cpu`"
    )
    mfu: float = Field(
        default=0.35, gt=0, le=1, description="model FLOPs mfu when an adapter is trained: share of the peak"
    )
    forward_mfu: float = Field(
        default=0.5, gt=0, le=1, description="the same without an adapter's training: scoring, prompts, pretraining"
    )
    bandwidth: float = Field(default=3.35e12, gt=0, description="memory bandwidth in bytes/s, which bounds generation")
    interconnect: float = Field(
        default=2.5e11, gt=0, description="bytes/s between GPUs, at which ZeRO-3 gathers weights"
    )
    network: float = Field(default=4e10, gt=0, description="bytes/s to and from one GPU, for training on several nodes")
    layer_seconds: float = Field(
        default=8e-4, ge=0, description="seconds per pass and layer besides arithmetic: kernel launches"
    )
    start_seconds: float = Field(default=60, ge=0, description="seconds before the first step: imports and loading")
    runtime_memory: float = Field(
        default=1.5, ge=0, description="GiB of a GPU that CUDA, cuBLAS and NCCL hold; unused on `cpu`"
    )
    process_memory: float = Field(default=4.0, ge=0, description="GiB of host memory per process before any model")
    fragmentation: float = Field(
        default=0.8,
        ge=0,
        description="on `cpu`: memory that the allocator wastes, as a share of all transient memory",
    )


class Length(Section):
    """Length of a kind of text, in tokens."""

    mean: float = Field(gt=0, description="mean, in tokens")
    cv: float = Field(default=0.0, ge=0, description="coefficient of variation: standard deviation / mean")


class Plan(Section):
    """Assumptions of `r1k plan` and of the jobs' resource requests; nothing here changes a result.

    Lengths are expectations before there is data; `r1k plan` counts data that exist instead. The defaults are those of
    twenty s1K-1.1 problems with R1's traces in both directions, in tokens of SmolLM2's tokenizer.
    """

    device: Device = Field(default=Device(), description="what jobs compute on")
    prompt: Length = Field(
        default=Length(mean=113, cv=0.5), description="a prompt: the question and 29 tokens of Qwen2.5's template"
    )
    forward: Length = Field(default=Length(mean=2375, cv=0.31), description="a forward response")
    reverse: Length = Field(default=Length(mean=3615, cv=0.96), description="a reverse response")
    answers: dict[Name, Length] = Field(
        default={}, description="a model's answer, by benchmark; defaults to the length of training responses"
    )
    document: Length = Field(
        default=Length(mean=65, cv=0.29), description="a pretraining document of a scratch base, as measured"
    )
    answer: Length = Field(
        default=Length(mean=418, cv=0.5),
        description="an answer without its reasoning, which the teacher reads to invert a problem",
    )
    inversion: Length = Field(
        default=Length(mean=1500, cv=0.5),
        description="what the teacher writes to invert a problem, reasoning included; assumed",
    )
    teacher_rate: float = Field(default=30, gt=0, description="tokens/s of one answer of the teacher; assumed")
    reserve: float = Field(
        default=0.05, ge=0, lt=1, description="share of a GPU's memory that must stay free, for fragmentation"
    )
    memory_factor: float = Field(
        default=1.5,
        ge=1,
        description="jobs request this multiple of the estimated memory and disk, and more on a retry",
    )
    time_factor: float = Field(
        default=2.0, ge=1, description="jobs request this multiple of the estimated time, and more on a retry"
    )
