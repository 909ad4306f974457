"""Prompts for an inference engine, and the answers that it generates."""

import hashlib
from functools import cached_property

from pydantic import Field

from r1k.files import value_digest
from r1k.records import Record, Text


class SamplingParams(Record):
    """Parameters of sampling."""

    temperature: float = Field(gt=0)
    top_p: float = Field(gt=0, le=1)
    seed: int = Field(ge=0, lt=2**32)


class Prompt(Record):
    """A prompt with everything that determines its answer, apart from the model and the engine."""

    ids: list[int] = Field(min_length=1, description="tokens of the prompt")
    max_new_tokens: int = Field(gt=0, description="maximum tokens of the answer")
    sampling: SamplingParams | None = Field(default=None, description="null: greedy decoding")

    @cached_property
    def key(self) -> str:
        """The key of its answer in the cache; equal greedy prompts share one answer."""
        return value_digest(self.model_dump())


class GeneratedAnswer(Record):
    """The tokens of an assistant turn."""

    key: Text = Field(description="key of the prompt")
    ids: list[int] = Field(description="tokens, without the one that ended the turn")
    ended: bool = Field(description="whether the turn ended before the limit of new tokens")


def sample_seed(root: int, question: str, sample: int) -> int:
    """Return the seed of an answer: the first 32 bits of SHA-256 of `root/question/sample`."""
    return int.from_bytes(hashlib.sha256(f"{root}/{question}/{sample}".encode()).digest()[:4])
