"""Tokens of examples and pairs as a training has them, each text encoded once."""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from r1k.records import Response
from r1k.text import encode, encode_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids: TypeAlias = NDArray[np.int32]


class TokenCache:
    """Token ids by text. `name` says whose text it is in an error; all raise TextError as `r1k.text` does."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._tokenizer = tokenizer
        self._start = tokenizer.convert_tokens_to_ids("<|im_start|>")
        self._prompts: dict[str, int] = {}
        self._responses: dict[Response, Ids] = {}

    def prompt_length(self, question: str, name: str) -> int:
        """How many a prompt has."""
        if question not in self._prompts:
            self._prompts[question] = len(encode_prompt(self._tokenizer, question, name))
        return self._prompts[question]

    def response_ids(self, question: str, response: Response, name: str) -> Ids:
        """Those of a response, uncut; the question makes no difference to them."""
        if response not in self._responses:
            found = encode(self._tokenizer, question, response, name).response
            self._responses[response] = np.array(found, np.int32)
        return self._responses[response]

    def answer_length(self, response: Ids) -> int:
        """How many of an uncut response are from the answer's separator on."""
        return len(response) - int(np.flatnonzero(response == self._start)[-1])


def kept_tokens(prompt: int, response: int, limit: int) -> int:
    """Tokens of a response of `response` tokens that are left at `limit` tokens of prompt and response.

    0 where the prompt leaves no room, which a training refuses.
    """
    return max(0, min(response, limit - prompt))
