"""Records of the probe: log-probabilities, greedy answers, tracked responses and effects of single steps."""

from typing import Literal

from pydantic import Field

from r1k.records.files import Record
from r1k.records.names import Direction, GreedyKind, ResponseKind, Span, Split, Text, UpdateKind


class LogProb(Record):
    """The log-probability of one response at one checkpoint, in nats."""

    run: Text
    seed: int
    step: int = Field(ge=0, description="optimizer steps; 0 is the model before this run's training")
    epoch: float = Field(ge=0)
    split: Split
    problem: Text
    direction: Direction = Field(description="of the prompt")
    response: Literal["chosen", "rejected"]
    tokens: int = Field(gt=0, description="response tokens that were scored")
    truncated: bool = Field(description="the response is longer than the probe's limit")
    sum: float = Field(le=0)
    mean: float = Field(le=0)

    @property
    def id(self) -> str:
        """Step, split, prompt and response."""
        return f"{self.step}/{self.split}/{self.problem}/{self.direction}/{self.response}"


class Greedy(Record):
    """A model's greedy response to a probe prompt, before a training."""

    kind: GreedyKind = Field(description="of the base, or of the run that the training starts from")
    problem: Text
    direction: Direction = Field(description="of the prompt")
    ids: list[int] = Field(min_length=1, description="its tokens, including the end of the turn if it was reached")
    ended: bool = Field(description="false: it was truncated at the limit")
    text: str

    @property
    def id(self) -> str:
        """Kind and prompt."""
        return f"{self.kind}/{self.problem}/{self.direction}"


class Tracked(Record):
    """A model's predictions on one span of one response at one checkpoint: means over the span's tokens.

    At each token it is the model's distribution given the prompt and the response so far. 1 - `p` - `p_rival` is the
    probability of all other tokens.
    """

    run: Text
    seed: int
    step: int = Field(ge=0, description="optimizer steps; 0 is the model before this run's training")
    epoch: float = Field(ge=0)
    split: Split
    problem: Text = Field(description="of the prompt")
    direction: Direction = Field(description="of the prompt")
    response: ResponseKind
    source_problem: Text = Field(description="the problem that the response belongs to")
    span: Span
    tokens: int = Field(gt=0, description="tokens of the span")
    truncated: bool = Field(description="the response is longer than the probe's limit")
    log_p: float = Field(le=0, description="log-probability of the token, nats")
    log_p_argmax: float = Field(le=0, description="log-probability of the top-1 token, nats")
    off_argmax: float = Field(ge=0, le=1, description="probability of all tokens but the top-1 token")
    entropy: float = Field(ge=0, description="nats")
    rank: float = Field(ge=1, description="1: the token is the top-1 token")
    share_argmax: float = Field(ge=0, le=1, description="share of tokens that are the top-1 token")
    p: float = Field(ge=0, le=1, description="probability of the token")
    p_rival: float = Field(ge=0, le=1, description="probability of the top-1 token; 0 where it is the token itself")
    kl: float = Field(ge=0, description="KL divergence from the model of step 0 at the same position, nats")

    @property
    def id(self) -> str:
        """Step, split, prompt, response and span."""
        return f"{self.step}/{self.split}/{self.problem}/{self.direction}/{self.response}/{self.span}"


class Influence(Record):
    """The effect of one step of gradient descent on the log-probability of one response.

    Ren and Sutherland 2024: to first order the change is `eta` x `a` x `kernel` x `g`, which is `predicted`.
    """

    run: Text
    seed: int
    step: int = Field(gt=0, description="optimizer steps of the run after which its model was taken")
    update: UpdateKind = Field(
        description="the loss of the step: SFT's on the problem's `forward` or `reverse` example, the mean of both "
        "(`mixed`), or DPO's on both of its pairs, with this model as the reference (`dpo`)"
    )
    step_problem: Text = Field(description="the problem that the step is taken on")
    split: Split = Field(description="of the problem that is measured")
    problem: Text
    direction: Direction = Field(description="of the prompt")
    response: Literal["chosen", "rejected"]
    tokens: int = Field(gt=0, description="response tokens that were scored")
    length: float = Field(gt=0, description="of the step, as a share of the norm of the adapter's parameters")
    eta: float = Field(gt=0, description="the step's learning rate: the factor of the loss's gradient")
    predicted: float = Field(description="first-order change of the response's mean log-probability, nats per token")
    measured: float = Field(description="measured change of the same, nats per token")
    cosine: float = Field(description="between the gradient of the mean log-probability and the step")
    a: float = Field(
        ge=0, description="|A|, its norm on the logits; times sqrt(tokens) it is a root mean square per token"
    )
    g: float = Field(ge=0, description="|G|, norm of the loss's gradient on the logits")
    kernel: float = Field(description="K between the unit vectors of A and -G; above 0 where the step raises it")
    kernel_square: float = Field(ge=0, description="|K|^2, the squared Frobenius norm, estimated by random directions")

    @property
    def id(self) -> str:
        """Update, problem of the step, prompt, response and length."""
        where = f"{self.split}/{self.problem}/{self.direction}/{self.response}"
        return f"{self.update}/{self.step_problem}/{where}/{self.length}"
