"""Sampling with one random generator per answer, so that an answer does not depend on the other rows of its batch."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from r1k.evaluate.prompts import SamplingParams


class SeededSampling(LogitsProcessor):  # type: ignore[misc]
    """Selects one token per sampled row, by masking all others before greedy decoding; ignores greedy rows (None).

    transformers' own sampling draws all rows from one random generator.
    """

    def __init__(self, params: Sequence[SamplingParams | None]) -> None:
        self._rows = [row for row, param in enumerate(params) if param is not None]
        sampled = [param for param in params if param is not None]
        self._generators = [torch.Generator().manual_seed(param.seed) for param in sampled]
        self._temperatures = torch.tensor([param.temperature for param in sampled], dtype=torch.float64)
        self._top_p = torch.tensor([param.top_p for param in sampled], dtype=torch.float64)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Return masked scores; `scores` has shape (rows, vocabulary)."""
        uniform = torch.stack(
            [torch.rand((), generator=generator, dtype=torch.float64) for generator in self._generators]
        )
        arguments = (part.to(scores.device) for part in (self._temperatures, self._top_p, uniform))
        tokens = sample_tokens(scores[self._rows], *arguments)
        masked = scores.clone()
        masked[self._rows] = -torch.inf
        masked[self._rows, tokens] = 0
        return masked


def sample_tokens(scores: Tensor, temperature: Tensor, top_p: Tensor, uniform: Tensor) -> Tensor:
    """Return one token per row of logits (rows, vocabulary), by the inverse cumulative distribution at `uniform`
    (rows,).

    The distribution is that of nucleus sampling (Holtzman et al. 2020): the most probable tokens that together reach
    `top_p`, at the given temperatures.
    """
    ordered, tokens = torch.sort(scores.double() / temperature[:, None], descending=True, stable=True)
    shares = ordered.softmax(-1)
    before = shares.cumsum(-1) - shares
    reached = torch.where(before < top_p[:, None], shares, 0.0).cumsum(-1)
    indices = torch.searchsorted(reached, (uniform * reached[:, -1])[:, None], right=True)
    return tokens.gather(-1, indices.clamp(max=scores.shape[-1] - 1)).squeeze(-1)
