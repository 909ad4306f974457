"""What generation passes on: an answer that is asked for, and the tokens that an engine wrote."""

import hashlib
from functools import cached_property

from pydantic import Field

from r1k.files import value_digest
from r1k.records import Record, Text


class SamplingParams(Record):
    """How an answer is drawn."""

    temperature: float = Field(gt=0)
    top_p: float = Field(gt=0, le=1)
    seed: int = Field(ge=0, lt=2**32)


class Prompt(Record):
    """An answer that is asked for: all that decides it besides the model and the engine."""

    ids: list[int] = Field(min_length=1, description="the prompt's tokens")
    limit: int = Field(gt=0, description="new tokens at most")
    draw: SamplingParams | None = Field(default=None, description="null: greedy")

    @cached_property
    def key(self) -> str:
        """Its name among the answers that are kept. Greedy prompts that are alike have one answer."""
        return value_digest(self.model_dump())


class Answer(Record):
    """The tokens of an assistant's turn."""

    key: Text = Field(description="the prompt's")
    ids: list[int] = Field(description="without the one that ended the turn")
    ended: bool = Field(description="the turn was ended; else the limit came first")


def seed_of(root: int, question: str, sample: int) -> int:
    """An answer's seed: the first 32 bits of SHA-256 of `root/question/sample`."""
    return int.from_bytes(hashlib.sha256(f"{root}/{question}/{sample}".encode()).digest()[:4])
