"""Records of the probe: log-probabilities, greedy answers, tracked responses and effects of single steps."""

from typing import Literal

from pydantic import Field

from r1k.records.files import Record
from r1k.records.names import Direction, GreedyKind, ResponseKind, Span, Split, Text, UpdateKind


class LogProb(Record):
    """The log-probability of one response at one checkpoint, in nats."""

    run: Text
    seed: int
    step: int = Field(ge=0, description="optimizer steps; 0 is the model from which training starts")
    epoch: float = Field(ge=0)
    split: Split
    problem: Text
    direction: Direction = Field(description="direction of the prompt")
    response: Literal["chosen", "rejected"]
    tokens: int = Field(gt=0, description="scored response tokens")
    truncated: bool = Field(description="the response is longer than the probe's limit")
    sum: float = Field(le=0, description="sum over tokens")
    mean: float = Field(le=0, description="mean over tokens")

    @property
    def id(self) -> str:
        """Step, split, prompt and response."""
        return f"{self.step}/{self.split}/{self.problem}/{self.direction}/{self.response}"


class Greedy(Record):
    """A model's greedy response to a probe prompt, before training."""

    kind: GreedyKind = Field(description="of the base, or of the run from which training starts")
    problem: Text
    direction: Direction = Field(description="direction of the prompt")
    ids: list[int] = Field(min_length=1, description="token ids, with the end-of-turn token if it was reached")
    ended: bool = Field(description="false if the answer was truncated at the limit")
    text: str

    @property
    def id(self) -> str:
        """Kind and prompt."""
        return f"{self.kind}/{self.problem}/{self.direction}"


class Tracked(Record):
    """Predictions of a model on one span of one response at one checkpoint: means over the span's tokens.

    At each token the distribution is conditional on the prompt and the preceding response tokens. 1 - `p` - `p_rival`
    is the probability of all other tokens.
    """

    run: Text
    seed: int
    step: int = Field(ge=0, description="optimizer steps; 0 is the model from which training starts")
    epoch: float = Field(ge=0)
    split: Split
    problem: Text = Field(description="problem of the prompt")
    direction: Direction = Field(description="direction of the prompt")
    response: ResponseKind
    source_problem: Text = Field(description="problem of the response")
    span: Span
    tokens: int = Field(gt=0, description="tokens of the span")
    truncated: bool = Field(description="the response is longer than the probe's limit")
    log_p: float = Field(le=0, description="log-probability of the token, in nats")
    log_p_argmax: float = Field(le=0, description="log-probability of the top-1 token, in nats")
    off_argmax: float = Field(ge=0, le=1, description="probability of all tokens except the top-1 token")
    entropy: float = Field(ge=0, description="entropy, in nats")
    rank: float = Field(ge=1, description="rank of the token; 1 is the top-1 token")
    share_argmax: float = Field(ge=0, le=1, description="share of positions where the token is the top-1 token")
    p: float = Field(ge=0, le=1, description="probability of the token")
    p_rival: float = Field(ge=0, le=1, description="probability of the top-1 token; 0 if it is the token")
    kl: float = Field(ge=0, description="KL divergence from the model at step 0, in nats")

    @property
    def id(self) -> str:
        """Step, split, prompt, response and span."""
        return f"{self.step}/{self.split}/{self.problem}/{self.direction}/{self.response}/{self.span}"


class Influence(Record):
    """The effect of one gradient-descent step on the log-probability of one response (Ren and Sutherland 2024).

    To first order the change is `predicted` = `eta` x `a` x `kernel` x `g`.
    """

    run: Text
    seed: int
    step: int = Field(gt=0, description="optimizer steps of the run's model")
    update: UpdateKind = Field(
        description="loss of the step: SFT's on the problem's `forward` or `reverse` example, the mean of both "
        "(`mixed`), or DPO's on both of its pairs, with this model as the reference (`dpo`)"
    )
    step_problem: Text = Field(description="problem on which the step is taken")
    split: Split = Field(description="split of the measured problem")
    problem: Text
    direction: Direction = Field(description="direction of the prompt")
    response: Literal["chosen", "rejected"]
    tokens: int = Field(gt=0, description="scored response tokens")
    length: float = Field(gt=0, description="norm of the step, as a share of the norm of the adapter's parameters")
    eta: float = Field(gt=0, description="learning rate of the step: the factor of the loss's gradient")
    predicted: float = Field(description="first-order change of the mean log-probability, in nats per token")
    measured: float = Field(description="measured change of the mean log-probability, in nats per token")
    cosine: float = Field(description="cosine between the gradient of the mean log-probability and the step")
    a: float = Field(
        ge=0,
        description="|A|, the gradient's norm on the logits; times sqrt(tokens) it is a root mean square per token",
    )
    g: float = Field(ge=0, description="|G|, the norm of the loss's gradient on the logits")
    kernel: float = Field(
        description="K between the unit vectors of A and -G; positive if the step raises the log-probability"
    )
    kernel_square: float = Field(
        ge=0, description="|K|^2, the squared Frobenius norm, estimated with random directions"
    )

    @property
    def id(self) -> str:
        """Update, problem of the step, prompt, response and length."""
        where = f"{self.split}/{self.problem}/{self.direction}/{self.response}"
        return f"{self.update}/{self.step_problem}/{where}/{self.length}"
