"""Teachers and judges: which, and how they are asked."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from r1k.config.section import Section


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


class Server(Section):
    """Any OpenAI-compatible endpoint."""

    kind: Literal["openai"]
    base_url: str = Field(description="of the endpoint, up to and without `/chat/completions`")
    model: str = Field(description="the model's name at the endpoint")
    key_variable: str = Field(description="environment variable that holds the API key; the key is never written")
    max_tokens: int = Field(default=32768, gt=0, description="limit of reasoning and answer")
    temperature: float | None = Field(default=None, ge=0, description="sampling temperature; the server's own if unset")
    asking: Asking = Field(default=Asking(), exclude=True, description="how the server is asked")


class OpenAITeacher(Server):
    """Any OpenAI-compatible endpoint; DeepSeek-R1 in the paper experiment."""

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

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if (self.when_cut == "ask_again") != (self.highest_max_tokens is not None):
            raise ValueError("highest_max_tokens: is for when_cut: ask_again, which needs it")
        if self.highest_max_tokens is not None and self.highest_max_tokens <= self.max_tokens:
            raise ValueError(f"highest_max_tokens: must be above max_tokens, which is {self.max_tokens}")
        return self


Teacher = Annotated[EmbeddedTeacher | ReplayTeacher | OpenAITeacher, Field(discriminator="kind")]


class Judge(Server):
    """Any OpenAI-compatible endpoint that is asked for verdicts: on inverses, or on answers to benchmarks."""

    kind: Literal["openai"] = Field(default="openai", description="says which kind this is")
    max_tokens: int = Field(default=8192, gt=0, description="limit of an answer; a cut one decides nothing")
    temperature: float | None = Field(default=0, ge=0, description="sampling temperature")
