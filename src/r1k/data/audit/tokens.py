"""Token ids of examples and pairs as in training; each text is encoded once."""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from r1k.records import Response
from r1k.text import encode, encode_prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids: TypeAlias = NDArray[np.int32]


class TokenCache:
    """Token ids by text. `name` identifies the text in errors; all methods raise TextError as `r1k.text` does."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase") -> None:
        self._tokenizer = tokenizer
        self._start = tokenizer.convert_tokens_to_ids("<|im_start|>")
        self._prompts: dict[str, int] = {}
        self._responses: dict[Response, Ids] = {}

    def prompt_length(self, question: str, name: str) -> int:
        """Return the number of tokens of a prompt."""
        if question not in self._prompts:
            self._prompts[question] = len(encode_prompt(self._tokenizer, question, name))
        return self._prompts[question]

    def response_ids(self, question: str, response: Response, name: str) -> Ids:
        """Return the token ids of an untruncated response; they do not depend on the question."""
        if response not in self._responses:
            found = encode(self._tokenizer, question, response, name).response
            self._responses[response] = np.array(found, np.int32)
        return self._responses[response]

    def answer_length(self, response: Ids) -> int:
        """Return the number of tokens of an untruncated response from the answer's separator on."""
        return len(response) - int(np.flatnonzero(response == self._start)[-1])


def kept_tokens(prompt: int, response: int, limit: int) -> int:
    """Return how many of `response` tokens remain at a limit of prompt and response, all in tokens.

    Returns 0 if the prompt leaves no room; training rejects such an example.
    """
    return max(0, min(response, limit - prompt))
