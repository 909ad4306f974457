"""Drawing from a model's distribution so that an answer depends on its own seed, not on what it is batched with."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import LogitsProcessor

from r1k.evaluate.prompts import SamplingParams


class RowDraws(LogitsProcessor):  # type: ignore[misc]
    """Leaves each row the one token that is drawn for it, for a generation that takes the likeliest; None: as it is.

    transformers' own sampling draws all rows from one stream of random numbers.
    """

    def __init__(self, draws: Sequence[SamplingParams | None]) -> None:
        self._rows = [row for row, draw in enumerate(draws) if draw is not None]
        drawn = [draw for draw in draws if draw is not None]
        self._streams = [torch.Generator().manual_seed(draw.seed) for draw in drawn]
        self._temperatures = torch.tensor([draw.temperature for draw in drawn], dtype=torch.float64)
        self._shares = torch.tensor([draw.top_p for draw in drawn], dtype=torch.float64)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """`scores` is (rows, vocabulary)."""
        uniform = torch.stack([torch.rand((), generator=stream, dtype=torch.float64) for stream in self._streams])
        wanted = (part.to(scores.device) for part in (self._temperatures, self._shares, uniform))
        chosen = draw_tokens(scores[self._rows], *wanted)
        left = scores.clone()
        left[self._rows] = -torch.inf
        left[self._rows, chosen] = 0
        return left


def draw_tokens(scores: Tensor, temperature: Tensor, top_p: Tensor, uniform: Tensor) -> Tensor:
    """A token for each row of logits, (rows, vocabulary), by inverting the distribution function at `uniform`, (rows,).

    The distribution is that of nucleus sampling (Holtzman et al. 2020): the likeliest tokens that together reach
    `top_p`, at the given temperatures.
    """
    ordered, tokens = torch.sort(scores.double() / temperature[:, None], descending=True, stable=True)
    shares = ordered.softmax(-1)
    before = shares.cumsum(-1) - shares
    reached = torch.where(before < top_p[:, None], shares, 0.0).cumsum(-1)
    places = torch.searchsorted(reached, (uniform * reached[:, -1])[:, None], right=True)
    return tokens.gather(-1, places.clamp(max=scores.shape[-1] - 1)).squeeze(-1)
