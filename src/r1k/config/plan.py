"""What the estimates of `r1k plan` stand on."""

from typing import Literal

from pydantic import Field

from r1k.config.section import Name, Section


class Device(Section):
    """What a job computes on. The defaults are NVIDIA's H100 SXM data sheet and rates usual with it."""

    title: str = Field(default="H100 80 GB", description="its name in the plan")
    kind: Literal["gpu", "cpu"] = Field(default="gpu", description="`cpu`: jobs take no GPU and run as one process")
    memory: float = Field(default=79.0, gt=0, description="GiB that programs can use: of one GPU, or of the machine")
    flops: float = Field(
        default=989e12,
        gt=0,
        description="peak FLOP/s of one GPU, or of the `cores` of `train.launch`, without sparsity",
    )
    float32_flops: float = Field(
        default=67e12, gt=0, description="peak FLOP/s of one GPU in float32, of the empirical NTK; on `cpu` unused"
    )
    utilisation: float = Field(
        default=0.35, gt=0, le=1, description="share of the peak that the training of an adapter reaches"
    )
    plain_utilisation: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share reached without an adapter's training: scoring, prompts, pretraining",
    )
    bandwidth: float = Field(default=3.35e12, gt=0, description="bytes a second from memory, which bounds generation")
    interconnect: float = Field(
        default=2.5e11, gt=0, description="bytes a second between GPUs, at which ZeRO-3 gathers weights"
    )
    network: float = Field(
        default=4e10, gt=0, description="bytes a second to and from one GPU, where a training is on several nodes"
    )
    layer_seconds: float = Field(
        default=8e-4,
        ge=0,
        description="seconds of one pass through one layer besides arithmetic: launching its kernels",
    )
    start_seconds: float = Field(default=60, ge=0, description="seconds before the first step: imports, loading")
    runtime_memory: float = Field(
        default=1.5, ge=0, description="GiB of a GPU that CUDA, cuBLAS and NCCL hold; on `cpu` unused"
    )
    process_memory: float = Field(default=4.0, ge=0, description="GiB of host memory of a process before any model")
    fragmentation: float = Field(
        default=0.8,
        ge=0,
        description="on `cpu`, memory that the allocator holds in vain, as a share of all transient one",
    )


class Length(Section):
    """Tokens of a kind of text."""

    mean: float = Field(gt=0, description="mean, in tokens")
    spread: float = Field(default=0.0, ge=0, description="standard deviation as a share of the mean")


class Plan(Section):
    """What `r1k plan` and the resources of jobs assume; nothing here changes a result.

    Lengths are what is expected before there is data; `r1k plan` counts what is there instead. Their defaults are of
    twenty s1K-1.1 problems with R1's traces both ways, in tokens of SmolLM2's tokenizer.
    """

    device: Device = Field(default=Device(), description="what jobs compute on")
    prompt: Length = Field(
        default=Length(mean=113, spread=0.5), description="a prompt: the question, and 29 tokens of Qwen2.5's template"
    )
    forward: Length = Field(default=Length(mean=2375, spread=0.31), description="a forward response")
    reverse: Length = Field(default=Length(mean=3615, spread=0.96), description="a reverse response")
    answers: dict[Name, Length] = Field(
        default={}, description="a model's answer, by benchmark; others as long as the training responses"
    )
    document: Length = Field(
        default=Length(mean=65, spread=0.29), description="a document that a scratch base is pretrained on, as measured"
    )
    answer: Length = Field(
        default=Length(mean=418, spread=0.5),
        description="the answer, without its reasoning, that the teacher reads to turn a problem round",
    )
    inversion: Length = Field(
        default=Length(mean=1500, spread=0.5),
        description="what the teacher writes to turn a problem round, reasoning included; assumed",
    )
    teacher_rate: float = Field(default=30, gt=0, description="tokens a second of one answer of the teacher; assumed")
    reserve: float = Field(
        default=0.05, ge=0, lt=1, description="share of a GPU that must stay free to call it a fit, for fragmentation"
    )
    memory_factor: float = Field(
        default=1.5, ge=1, description="jobs ask for this many times the estimate of memory and disk; again on a retry"
    )
    time_factor: float = Field(
        default=2.0, ge=1, description="jobs ask for this many times the estimate of time; again on a retry"
    )
