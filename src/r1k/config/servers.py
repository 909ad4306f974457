"""Teachers and judges: which endpoint, and how its client sends requests."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from r1k.config.section import Section


class EmbeddedTeacher(Section):
    """A chat-completions server on loopback that solves the problems of the embedded world."""

    kind: Literal["embedded"]


class ReplayTeacher(Section):
    """The same server, answering from recorded pairs: a JSONL file with `question` or `reverse_question`,
    `reverse_thinking` and `reverse_attempt`."""

    kind: Literal["replay"]
    path: Path = Field(description="the recorded pairs, relative to the working directory")


class Client(Section):
    """How requests are sent to an endpoint; nothing here changes an answer."""

    batch: Literal["openai"] | None = Field(
        default=None,
        description="send requests through the provider's Batch API, usually at half the price and within 24 hours: "
        "`openai`: OpenAI's protocol (`/files` and `/batches`). `concurrency`, `stream` and the rate limits do not act "
        "then, `timeout` is that of one upload, poll or download, and the prices are those of the Batch API; unset: "
        "each request on its own",
    )
    concurrency: int = Field(
        default=16, gt=0, description="requests in flight at once; lowered for a while when the server is overloaded"
    )
    timeout: float = Field(default=1200, gt=0, description="seconds that one answer may take, up to its last byte")
    stream: bool = Field(
        default=True, description="stream answers, so that no gateway closes a connection that is silent for minutes"
    )
    requests_per_minute: float | None = Field(default=None, gt=0, description="rate limit; unset: none")
    tokens_per_minute: float | None = Field(
        default=None, gt=0, description="rate limit over tokens of prompts and answers; unset: none"
    )
    input_price: float | None = Field(default=None, ge=0, description="US dollars per million prompt tokens")
    output_price: float | None = Field(
        default=None, ge=0, description="US dollars per million tokens of reasoning and answer"
    )
    max_dollars: float | None = Field(
        default=None, gt=0, description="ceiling on the cost of an experiment's answers; needs both prices"
    )
    max_total_tokens: float | None = Field(
        default=None, gt=0, description="ceiling on the tokens of an experiment's prompts and answers"
    )

    @property
    def idle_keys(self) -> list[str]:
        """The keys that are set and do nothing beside `batch`."""
        idle = ("concurrency", "stream", "requests_per_minute", "tokens_per_minute")
        return [key for key in idle if self.batch and key in self.model_fields_set]

    @model_validator(mode="after")
    def _priced(self) -> Self:
        if self.max_dollars is not None and (self.input_price is None or self.output_price is None):
            raise ValueError("max_dollars: a ceiling in dollars needs input_price and output_price")
        return self


class Server(Section):
    """An OpenAI-compatible endpoint."""

    kind: Literal["openai"]
    base_url: str = Field(description="URL of the endpoint, without `/chat/completions`")
    model: str = Field(description="the model's name at the endpoint")
    api_key_env: str = Field(description="environment variable that holds the API key; the key itself is never written")
    max_tokens: int = Field(default=32768, gt=0, description="maximum tokens of reasoning and answer")
    temperature: float | None = Field(
        default=None, ge=0, description="sampling temperature; defaults to the server's own"
    )
    client: Client = Field(default=Client(), exclude=True, description="how requests are sent")


class OpenAITeacher(Server):
    """An OpenAI-compatible endpoint as the teacher; DeepSeek-R1 in the paper's experiment."""

    on_truncation: Literal["fail", "retry", "skip"] = Field(
        default="fail",
        description="for an answer that reached `max_tokens`: `fail` the problem; `retry` with twice the limit, up to "
        "`max_tokens_cap`; or `skip` the problem",
    )
    max_tokens_cap: int | None = Field(default=None, gt=0, description="largest limit of `on_truncation: retry`")
    on_refusal: Literal["fail", "skip"] = Field(
        default="fail",
        description="for a refusal, by the model, a filter, or an error that refuses this prompt: `fail` or `skip` the "
        "problem",
    )
    on_malformed: Literal["fail", "skip"] = Field(
        default="fail",
        description="for an answer that is empty, has no reasoning, or holds stray reasoning tags or special tokens: "
        "`fail` the problem, and request it again in the next run; or `skip` the problem",
    )
    min_success_rate: float = Field(
        default=1.0, gt=0, le=1, description="share of the problems that must get a pair; fewer are an error"
    )

    @model_validator(mode="after")
    def _limits(self) -> Self:
        if (self.on_truncation == "retry") != (self.max_tokens_cap is not None):
            raise ValueError("max_tokens_cap: is for on_truncation: retry, which needs it")
        if self.max_tokens_cap is not None and self.max_tokens_cap <= self.max_tokens:
            raise ValueError(f"max_tokens_cap: must be above max_tokens, which is {self.max_tokens}")
        return self


Teacher = Annotated[EmbeddedTeacher | ReplayTeacher | OpenAITeacher, Field(discriminator="kind")]


class Judge(Server):
    """An OpenAI-compatible endpoint that gives verdicts: on inverses, or on answers to benchmarks."""

    kind: Literal["openai"] = Field(default="openai", description="the only kind")
    max_tokens: int = Field(
        default=8192, gt=0, description="maximum tokens of an answer; a truncated one decides nothing"
    )
    temperature: float | None = Field(default=0, ge=0, description="sampling temperature")
