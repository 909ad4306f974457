"""Runs: their methods and settings, and how they are launched."""

from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from r1k.config.section import DataName, Dtype, Method, Name, Section

PreferenceLoss = Literal["sigmoid", "ipo", "robust", "sigmoid_norm"]


class Lora(Section):
    """The LoRA adapter. SFT of a base creates it; DPO and SFT from a parent continue the parent's."""

    r: int = Field(default=256, gt=0, description="rank")
    lora_alpha: int = Field(default=512, gt=0, description="the update is scaled by lora_alpha / r")
    lora_dropout: float = Field(
        default=0.05, ge=0, lt=1, description="dropout before the adapter, in SFT; TRL disables it in DPO"
    )
    target_modules: list[str] = Field(
        default=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        min_length=1,
        description="projections that get an adapter",
    )


class Settings(Section):
    """What the trained weights depend on besides data, start and adapter."""

    learning_rate: float = Field(gt=0, description="peak learning rate")
    num_train_epochs: float = Field(gt=0, description="passes over the data")
    train_batch_size: int = Field(
        default=16, gt=0, description="examples or pairs per optimizer step, over all processes (global batch)"
    )
    max_length: int = Field(
        default=20480, gt=0, description="maximum tokens of prompt and response; truncated rows are counted"
    )
    lr_scheduler_type: Literal["cosine", "linear", "constant_with_warmup"] = Field(
        default="cosine", description="learning-rate schedule"
    )
    warmup_ratio: float = Field(default=0.05, ge=0, lt=1, description="share of the steps that warm up")
    weight_decay: float = Field(default=1e-4, ge=0, description="weight decay of AdamW")
    adam_beta1: float = Field(default=0.9, ge=0, lt=1, description="beta 1 of AdamW")
    adam_beta2: float = Field(default=0.95, ge=0, lt=1, description="beta 2 of AdamW")
    max_grad_norm: float = Field(default=1.0, gt=0, description="the gradient's norm is clipped to this value")
    dtype: Dtype = Field(default="bfloat16", description="data type of the base's weights and of activations")
    attn_implementation: Literal["flash_attention_2", "sdpa"] = Field(
        default="flash_attention_2", description="attention implementation of transformers"
    )


class Sft(Settings):
    """Supervised fine-tuning: cross-entropy on the assistant turn alone."""

    learning_rate: float = Field(default=1e-4, gt=0, description="peak learning rate")
    num_train_epochs: float = Field(default=5, gt=0, description="passes over the data; see `match_by`")
    match_by: Literal["steps", "epochs"] = Field(
        default="steps",
        description="`steps`: every arm takes as many steps as `num_train_epochs` over the forward set; `epochs`: each "
        "arm makes `num_train_epochs` passes over its own data",
    )


class Dpo(Settings):
    """Direct preference optimization; the reference is the parent run's model, frozen."""

    learning_rate: float = Field(default=5e-7, gt=0, description="peak learning rate")
    num_train_epochs: float = Field(default=1, gt=0, description="passes over the pairs")
    beta: float = Field(
        default=0.6,
        gt=0,
        description="DPO's beta, the strength of the KL penalty; IPO regresses the margin to 1 / (2 beta)",
    )
    loss_type: list[PreferenceLoss | Literal["sft"]] = Field(
        default=["sigmoid"],
        description="TRL's losses: one preference loss, to which `sft` adds the cross-entropy of the chosen responses "
        "(mean over tokens). `sigmoid` is DPO's own; `ipo` is a squared loss around a target margin; `robust` assumes "
        "that a share of the preferences is flipped; `sigmoid_norm` is DPO's with log-ratios averaged over tokens, as "
        "`ipo` has them. One name or a list",
    )
    loss_weights: list[float] | None = Field(
        default=None, description="weights of the losses in `loss_type`, in its order; unset: 1 each"
    )
    label_smoothing: float = Field(
        default=0, ge=0, lt=0.5, description="share of the preferences that `robust` assumes to be flipped"
    )

    @field_validator("loss_type", mode="before")
    @classmethod
    def _as_list(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_preference_loss(self) -> Self:
        if self.loss_type[1:] not in ([], ["sft"]) or self.loss_type[:1] in ([], ["sft"]):
            raise ValueError(
                f"loss_type: {self.loss_type} must be one preference loss, alone or followed by sft: [sigmoid, sft]"
            )
        if self.loss_weights is not None and len(self.loss_weights) != len(self.loss_type):
            raise ValueError(f"loss_weights: {len(self.loss_weights)} for {len(self.loss_type)} losses; give one each")
        if any(weight <= 0 for weight in self.loss_weights or ()):
            raise ValueError("loss_weights: must be above 0; remove a loss that must not act from loss_type")
        if (self.loss_type[0] == "robust") != (self.label_smoothing > 0):
            raise ValueError("label_smoothing: loss_type robust needs a value above 0; other losses ignore it")
        return self


class Launch(Section):
    """How a training run is launched; nothing here changes what it computes."""

    nodes: int = Field(
        default=1, gt=0, description="nodes per training run, each with the same GPUs, cores and processes"
    )
    gpus: int = Field(default=8, ge=0, description="GPUs per node that a training job requests, where there are any")
    cores: int = Field(
        default=1, gt=0, description="CPU cores per node that a training, probing or generation job requests"
    )
    processes: int = Field(
        default=0, ge=0, description="training processes per node; 0 means one per visible GPU, and at least one"
    )
    launcher: str = Field(
        default="srun --nodes={nodes} --ntasks={nodes} --cpus-per-task={cores} --kill-on-bad-exit=1",
        description="command that starts another command once on each node, used with several nodes; `{nodes}`, "
        "`{gpus}` (per node) and `{cores}` are filled in",
    )
    per_device_train_batch_size: int = Field(
        default=1, gt=0, description="examples or pairs per device and forward pass; must divide `train_batch_size`"
    )
    gradient_checkpointing: bool = Field(default=True, description="recompute activations in the backward pass")
    checkpoint_seconds: int = Field(default=900, gt=0, description="seconds of training that a kill may cost")

    @property
    def launch_command(self) -> str:
        """The launcher with its placeholders filled in."""
        return self.launcher.format(nodes=self.nodes, gpus=self.gpus, cores=self.cores)

    @model_validator(mode="after")
    def _launchable(self) -> Self:
        try:
            empty = not self.launch_command.strip()
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"launcher: {self.launcher!r} may name {{nodes}}, {{gpus}} and {{cores}} only") from error
        if self.nodes > 1 and empty:
            raise ValueError(f"launcher: needed for {self.nodes} nodes; leave it out for the default")
        if self.nodes == 1 and "launcher" in self.model_fields_set:
            raise ValueError("launcher: does nothing on one node; remove it, or set nodes")
        return self


class Train(Section):
    """Training settings by method; a run overrides single keys."""

    lora: Lora = Field(default=Lora(), description="the adapter, of SFT and of the DPO that continues it")
    sft: Sft = Field(default=Sft(), description="supervised fine-tuning")
    dpo: Dpo = Field(default=Dpo(), description="direct preference optimization")
    launch: Launch = Field(default=Launch(), description="how trainings run, without effect on the weights")


class Merge(Section):
    """One adapter from several, without training. Methods act on weight updates B A, not on their factors."""

    runs: list[Name] = Field(min_length=2, description="SFT or DPO runs with one base and adapters of one shape")
    weights: list[float] = Field(description="one weight per run")
    merge_method: Literal["linear", "ties", "dare_linear", "dare_ties"] = Field(
        default="linear",
        description="`linear`: the weighted sum, exactly. `ties`: trims each update to its largest entries, elects a "
        "sign per entry, and averages the updates that agree. `dare_linear`, `dare_ties`: drop entries at random (by "
        "the run's seed), rescale the others, then sum or elect. All but `linear` are approximated in the summed rank "
        "of the runs",
    )
    density: float | None = Field(
        default=None, gt=0, le=1, description="share of an update's entries that is kept; not for `linear`"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if len(self.weights) != len(self.runs) or len(set(self.runs)) < len(self.runs):
            raise ValueError("weights: as many as runs, and no run twice")
        if (self.merge_method == "linear") != (self.density is None):
            raise ValueError("density: ties and dare need one, and linear ignores it")
        return self


class Route(Section):
    """Two runs as one model: the direction of the prompt selects the run that answers."""

    forward: Name = Field(description="run for forward prompts and for prompts without a marked direction")
    reverse: Name = Field(description="run for reverse prompts")


class Run(Section):
    """A model of the experiment: a base as it is, a training run from a base or another run, or a combination of
    runs."""

    method: Method = Field(
        description="`sft` and `dpo` train; `none` is the base itself, for comparison; `merge` makes one adapter from "
        "several; `route` selects one of two runs by the direction of the prompt"
    )
    base: Name | None = Field(default=None, description="base to start from, a name in `bases`")
    parent: Name | None = Field(
        default=None, description="run to start from (in DPO also the reference), a name in `runs`"
    )
    merge: Merge | None = Field(default=None, description="for `merge`: what is merged, and how")
    route: Route | None = Field(default=None, description="for `route`: the two runs")
    data: DataName | None = Field(
        default=None,
        description="data set; `pairs` for DPO. `s1k` is forward, `r1k` reverse, `mix` both directions of all "
        "problems, `half` both directions of half of them; `disjoint` has half of the problems forward and the other "
        "half reverse. `revthink` has the three tasks of Chen et al. 2024 (arXiv 2411.19865): question to reasoning "
        "and answer, question to reverse question, reverse question to its reasoning and answer. It departs from them "
        "in this: problems are selected by a variant; every token has the same weight, which weighs tasks by length; "
        "the instruction of the second task is ours; and the model is evaluated in both directions",
    )
    variant: Name | None = Field(default=None, description="form of the data set, a name in `data.variants`")
    protocol: Literal["paper", "as_released"] = Field(
        default="paper",
        description="for DPO: `as_released` builds token rows as the authors' released code does. The prompt is the "
        "forward question as bare text, whatever the pair's direction; each completion is a whole conversation with "
        "the system and user turns of its own question, and all of it has loss; chosen completions end in an extra "
        "newline; rows longer than `max_length` keep their last tokens. Not imitated: full fine-tuning with a second "
        "reference model, and the character limits that drop pairs",
    )
    direction_tag: bool = Field(
        default=False,
        description="append to the system prompt in which direction to reason, in training, probing and evaluation. "
        "A question without a marked direction counts as forward. A run must agree with the runs it starts from or "
        "is made of",
    )
    exclude_held_out: bool = Field(
        default=False,
        description="exclude the held-out probe problems from training; a merge or route repeats its runs'",
    )
    probe_every_epochs: float | None = Field(
        default=None,
        gt=0,
        description="epochs between probed checkpoints; unset: not probed. A merge or route has 1, its only state",
    )
    overrides: dict[str, Any] = Field(
        default={},
        description="settings of `train.sft` or `train.dpo` that differ for this run; SFT of a base may also override "
        "`lora`",
    )

    @property
    def trained(self) -> bool:
        """Whether it is a training run, with settings and steps."""
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
        training = (self.base, self.parent, self.data, self.overrides)
        if (self.merge is not None, self.route is not None) != (self.method == "merge", self.method == "route"):
            raise ValueError("section merge is for method merge and needed there, section route for method route")
        match self.method:
            case "none" if not self.base or any(
                (self.parent, self.data, self.variant, self.probe_every_epochs, self.overrides, self.direction_tag)
            ):
                raise ValueError("method none takes a base and nothing else")
            case "sft" if (self.base is None) == (self.parent is None) or self.data in (None, "pairs"):
                raise ValueError("method sft takes a base or a parent, and data that is not pairs")
            case "dpo" if self.parent is None or self.base is not None or self.data != "pairs":
                raise ValueError("method dpo takes a parent and data pairs")
            case "merge" | "route" if any(training) or self.probe_every_epochs not in (None, 1):
                raise ValueError(f"method {self.method} takes no base, parent, data or overrides, and 1 to be probed")
        if self.protocol != "paper" and self.method != "dpo":
            raise ValueError("protocol as_released is for DPO; leave it out for other methods")
        if self.protocol == "as_released" and self.direction_tag:
            raise ValueError("protocol as_released has no direction_tag; leave one of them out")
        if self.exclude_held_out and self.data == "half":
            raise ValueError("data half cannot exclude_held_out: its size would depend on the draw")
        if self.probe_every_epochs is not None and not self.exclude_held_out:
            raise ValueError("a run that is probed (probe_every_epochs) must set exclude_held_out")
        if self.parent is not None and "lora" in self.overrides:
            raise ValueError(
                f"overrides.lora: does nothing, because the run continues the adapter of {self.parent!r}; set it there"
            )
        return self
