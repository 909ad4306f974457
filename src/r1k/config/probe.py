"""How runs are probed: log-probabilities over checkpoints, and the empirical NTK."""

from typing import Literal, Self

from pydantic import Field, model_validator

from r1k.config.section import Dtype, Section
from r1k.records import PARAPHRASED, RESPONSE_KINDS, ResponseKind


class Probe(Section):
    """Log-probabilities of chosen, rejected and other responses to the probe prompts over a run's checkpoints: they
    show where the probability went."""

    max_tokens: int = Field(default=1000, gt=0, description="tokens of a response that are scored, from its start")
    tokens_per_batch: int = Field(
        default=8192, gt=0, exclude=True, description="padded tokens per forward pass; sets memory, not results"
    )
    dtype: Dtype = Field(default="bfloat16", description="data type of the model; sums use float32 or better")
    tracked: list[ResponseKind] = Field(
        default=[kind for kind in RESPONSE_KINDS if kind not in PARAPHRASED],
        description="responses that are scored token by token under each prompt: `chosen`, the response of the "
        "prompt's own direction, and `rejected`, that of the other direction (both always); another problem's, of "
        "either direction; the chosen one with the sentences or tokens of its reasoning shuffled; `chosen` and "
        "`rejected` with their reasoning paraphrased by the teacher (one request per response, so they are not in the "
        "default); and the greedy answers of the base and of the run that this one starts from",
    )
    tracked_runs: Literal["dynamics", "all"] = Field(
        default="dynamics",
        exclude=True,
        description="runs for which every kind in `tracked` is scored: those of section `dynamics`, or all "
        "probed runs. "
        "Other runs score `chosen` and `rejected` alone, which is what tables of dynamics need",
    )
    tracked_problems: int | None = Field(
        default=None, ge=2, description="problems per split whose responses are tracked, the first ones; unset: all"
    )
    greedy_tokens: int | None = Field(
        default=None, gt=0, description="maximum tokens of the greedy answers; defaults to `max_tokens`"
    )
    first_tokens: int = Field(default=16, gt=0, description="tokens of the span `first`, a response's start")

    @model_validator(mode="after")
    def _trackable(self) -> Self:
        if not {"chosen", "rejected"} <= set(self.tracked) or len(set(self.tracked)) < len(self.tracked):
            raise ValueError("tracked: must include chosen and rejected, and no kind twice")
        return self

    @property
    def paraphrased(self) -> bool:
        """Whether paraphrases by the teacher are tracked."""
        return any(kind in PARAPHRASED for kind in self.tracked)

    def kinds(self, with_parent: bool) -> list[ResponseKind]:
        """Return the kinds of responses that are tracked; a run without a parent starts from the base itself."""
        return [kind for kind in self.tracked if with_parent or kind != "greedy_start"]


class Ntk(Section):
    """The empirical neural tangent kernel on the adapter's parameters, for the SFT runs in Figure 2: how one step on
    an example changes responses, predicted to first order and measured."""

    examples: int = Field(
        default=8,
        gt=0,
        description="problems per split of the probe set, the first ones. A step is taken on each trained problem, and "
        "the responses of all problems are measured",
    )
    steps: list[float] = Field(
        default=[0.0001, 0.01],
        min_length=1,
        description="lengths of the steps, as shares of the norm of the adapter's parameters",
    )
    draws: int = Field(
        default=1, gt=0, description="random directions of the logits for the norm of the kernel between two responses"
    )
    sketch: int | None = Field(
        default=None, gt=0, description="size of the count sketch of a gradient in inner products; unset: no sketch"
    )
    epoch: float | None = Field(
        default=None, gt=0, description="the probed epoch whose model is used; unset: the end of SFT, where DPO starts"
    )

    @model_validator(mode="after")
    def _steps_once(self) -> Self:
        if any(step <= 0 for step in self.steps) or len(set(self.steps)) < len(self.steps):
            raise ValueError("steps: must be above 0, and none may appear twice")
        return self
