"""Runs: methods and their settings, how they are launched, and how they are probed."""

from typing import Any, Literal, Self

from pydantic import Field, model_validator

from r1k.config.section import DataName, Method, Name, Section
from r1k.records import PARAPHRASED, RESPONSE_KINDS, ResponseKind


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
    beta: float = Field(
        default=0.6,
        gt=0,
        description="strength of the tie to the reference; with `ipo`, the margin is drawn to 1 / (2 beta)",
    )
    # What was added later is told only where it is set: earlier runs so stay what they were.
    loss: Literal["sigmoid", "ipo", "robust", "sigmoid_norm"] = Field(
        default="sigmoid",
        exclude_if=lambda loss: loss == "sigmoid",
        description="of the margin, the difference of the two responses' log-ratios to the reference: `sigmoid` is "
        "DPO's own; `ipo` is squared around a target; `robust` allows for preferences that are the wrong way round; "
        "`sigmoid_norm` is DPO's with log-ratios by the token, as they are in `ipo`",
    )
    label_smoothing: float = Field(
        default=0,
        ge=0,
        lt=0.5,
        exclude_if=lambda share: share == 0,
        description="share of the preferences that `robust` takes to be the wrong way round",
    )
    sft_weight: float = Field(
        default=0,
        ge=0,
        exclude_if=lambda weight: weight == 0,
        description="weight of the preferred responses' cross-entropy, a token's mean, that is added to the loss",
    )

    @model_validator(mode="after")
    def _smoothed_where_robust(self) -> Self:
        if (self.loss == "robust") != (self.label_smoothing > 0):
            raise ValueError("label_smoothing: loss robust needs one above 0, and no other loss has one")
        return self


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


class Merge(Section):
    """One adapter from several, without training. Rules work on the updates of the weights, not on their factors."""

    runs: list[Name] = Field(min_length=2, description="the SFT or DPO runs; of one base, with adapters of one shape")
    weights: list[float] = Field(description="one for each of the runs")
    how: Literal["linear", "ties", "dare_linear", "dare_ties"] = Field(
        default="linear",
        description="`linear`: the weighted sum, exactly; `ties`: entries that are large in their update, and of the "
        "sign that prevails, weighted and averaged over the updates that they are left in; `dare_linear`, "
        "`dare_ties`: entries are dropped at random, by the run's seed, the others scaled up, then summed or elected "
        "so. What is not `linear` is approximated in the rank of the sum, the runs' ranks together",
    )
    density: float | None = Field(
        default=None, gt=0, le=1, description="share of an update's entries that is kept; not for `linear`"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.weights) != len(self.runs) or len(set(self.runs)) < len(self.runs):
            raise ValueError("weights: as many as runs, and no run twice")
        if (self.how == "linear") != (self.density is None):
            raise ValueError("density: ties and dare need one, and linear has none")
        return self


class Route(Section):
    """The run that answers, by the direction of the prompt."""

    forward: Name = Field(description="the run for forward prompts, and for those whose direction is not marked")
    reverse: Name = Field(description="the run for reverse prompts")


class Run(Section):
    """A model of the experiment: a base as it is, what a training makes of a base or of another run, or what others
    make together."""

    method: Method = Field(
        description="`none` is the base itself, for comparison; `merge` makes one adapter of several; `route` is two "
        "runs, and the prompt's direction says which"
    )
    base: Name | None = Field(default=None, description="the base to start from, one of `bases`")
    parent: Name | None = Field(default=None, description="the run to start from (DPO's reference), one of `runs`")
    merge: Merge | None = Field(default=None, description="for `merge`: what is merged, and how")
    route: Route | None = Field(default=None, description="for `route`: the two runs")
    data: DataName | None = Field(
        default=None,
        description="the data set; `pairs` for DPO. `s1k` is forward, `r1k` reverse; `mix` is both, of all problems, "
        "and `half` of half of them; `disjoint` is half of the problems forward and the other half reverse. `revthink` "
        "has the three tasks of Chen et al. 2024 (arXiv 2411.19865): from the question its reasoning and answer, from "
        "the question the reverse question alone, from the reverse question its reasoning and answer. They keep "
        "problems whose forward answer is right and whose inverse is consistent, which here a variant does; here every "
        "token weighs alike, and so a task by its length; the instruction of the second task is ours; and the model is "
        "asked questions of both directions, where theirs is asked forward ones",
    )
    variant: Name | None = Field(default=None, description="the form of the data set, one of `data.variants`")
    protocol: Literal["paper", "as_released"] = Field(
        default="paper",
        description="for DPO: `as_released` has the token rows of the authors' released code. The prompt is the "
        "forward question as bare text, whatever the pair's direction; each completion is a whole conversation, the "
        "system and user turns of its own question included, and all of it has loss; preferred ones end in a newline "
        "more; and of what is longer than `max_length` the last tokens are kept. Not imitated: full fine-tuning with a "
        "second reference model, and the limits in characters that leave pairs out",
    )
    direction_tag: bool = Field(
        default=False,
        description="after the template's own text, the system prompt says in which direction to reason, in training, "
        "probing and evaluation; there a question without a marked direction is taken for a forward one. A run has it "
        "where those have it that it starts from or is made of",
    )
    without_held_out: bool = Field(
        default=False,
        description="leave the held-out probe problems out of the training; of a merge or route, did its runs",
    )
    measure_every: float | None = Field(
        default=None,
        gt=0,
        description="epochs between probed checkpoints; unset: not probed. A merge or route has 1: its one state",
    )
    changes: dict[str, Any] = Field(default={}, description="settings of the method that differ for this run")

    @property
    def trained(self) -> bool:
        """Is it a training, with settings and steps?"""
        return self.method in ("sft", "dpo")

    @property
    def parents(self) -> list[Name]:
        """The runs that it starts from or is made of."""
        if self.merge is not None:
            return self.merge.runs
        if self.route is not None:
            return [self.route.forward, self.route.reverse]
        return [] if self.parent is None else [self.parent]

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        training = (self.base, self.parent, self.data, self.changes)
        if (self.merge is not None, self.route is not None) != (self.method == "merge", self.method == "route"):
            raise ValueError("section merge is for method merge and needed there, section route for method route")
        match self.method:
            case "none" if not self.base or any(
                (self.parent, self.data, self.variant, self.measure_every, self.changes, self.direction_tag)
            ):
                raise ValueError("method none takes a base and nothing else")
            case "sft" if (self.base is None) == (self.parent is None) or self.data in (None, "pairs"):
                raise ValueError("method sft takes a base or a parent, and data that is not pairs")
            case "dpo" if self.parent is None or self.base is not None or self.data != "pairs":
                raise ValueError("method dpo takes a parent and data pairs")
            case "merge" | "route" if any(training) or self.measure_every not in (None, 1):
                raise ValueError(f"method {self.method} takes no base, parent, data or changes, and 1 to be probed")
        if self.protocol != "paper" and self.method != "dpo":
            raise ValueError("protocol as_released is of DPO's pairs; leave it out for other methods")
        if self.protocol == "as_released" and self.direction_tag:
            raise ValueError("direction_tag is no part of protocol as_released; leave one of them out")
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
        default=[kind for kind in RESPONSE_KINDS if kind not in PARAPHRASED],
        description="responses that are followed token by token under each prompt: its `own`, that of the `other` "
        "direction (these two always), another problem's in either direction, its own with its reasoning's "
        "sentences or tokens shuffled, `own` and `other` with their reasoning in the teacher's words (paraphrases: a "
        "request for each response, so only where they are named here), and what the model itself answered, greedily, "
        "as the base and as the run that this one starts from",
    )
    followed: Literal["dynamics", "all"] = Field(
        default="dynamics",
        exclude=True,
        description="whose responses are all followed: of the runs of `dynamics`, all others following `own` and "
        "`other` alone, which is what tables of dynamics read; or of all probed runs",
    )
    tracked_problems: int | None = Field(
        default=None, ge=2, description="problems of each split whose responses are followed, the first; unset: all"
    )
    greedy_tokens: int | None = Field(
        default=None, gt=0, description="tokens of the model's own answers at most; unset: `max_tokens`"
    )
    first_tokens: int = Field(default=16, gt=0, description="tokens of the span `first`, a response's start")

    @model_validator(mode="after")
    def _trackable(self) -> Self:
        if not {"own", "other"} <= set(self.tracked) or len(set(self.tracked)) < len(self.tracked):
            raise ValueError("tracked: own and other must be among them, and none may come twice")
        return self

    @property
    def paraphrased(self) -> bool:
        """Are responses in the teacher's words among those that are followed?"""
        return any(kind in PARAPHRASED for kind in self.tracked)

    def kinds(self, with_parent: bool) -> list[ResponseKind]:
        """The kinds of responses that are followed; a run without a parent starts from the base itself."""
        return [kind for kind in self.tracked if with_parent or kind != "greedy_start"]


class Ntk(Section):
    """The empirical neural tangent kernel of the SFT runs that Figure 2 shows, on their adapters' parameters: what one
    step on an example does to responses, predicted to first order and measured."""

    examples: int = Field(
        default=8,
        gt=0,
        description="problems of each split of the probe set, the first: on those trained on a step is taken, the "
        "responses of all are measured",
    )
    steps: list[float] = Field(
        default=[0.0001, 0.01],
        min_length=1,
        description="lengths of the steps that are taken, as shares of the norm of the adapter's parameters",
    )
    draws: int = Field(
        default=1, gt=0, description="random directions of the logits, for the norm of the kernel between two responses"
    )
    sketch: int | None = Field(
        default=None,
        gt=0,
        description="numbers that stand for a gradient in inner products, a count sketch; unset: the gradient itself",
    )
    epoch: float | None = Field(
        default=None, gt=0, description="the measured epoch whose model it is of; unset: the end, where DPO starts"
    )

    @model_validator(mode="after")
    def _steps_once(self) -> Self:
        if any(step <= 0 for step in self.steps) or len(set(self.steps)) < len(self.steps):
            raise ValueError("steps: all above 0, and none may come twice")
        return self
