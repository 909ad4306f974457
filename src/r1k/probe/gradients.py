"""Gradients on an adapter's parameters, of one response at a time, by what is passed back from its logits.

With z the logits [tokens, vocabulary] at a response's tokens, J = dz/dtheta and c a cotangent of the shape of z, what
is computed is J^T c. For the response's summed log-probability c is the residual e_y - pi of each token (Ren and
Sutherland 2024: the row of A for the token that stands there, and -G of its cross-entropy). The output head has no
adapter, so c passes it in chunks, and no [tokens, vocabulary] matrix exists at once.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from r1k.probe.adapters import SwappableModel
from r1k.probe.engine import Item, output_head
from r1k.probe.tiles import rows_at_once

KEPT_WIDTH = 1024
"""Tokens up to which all activations of a sequence are kept for its backward pass; of longer ones, layers' inputs."""

Cotangent = Callable[[Tensor, Tensor], Tensor]
"""From rows of logits and the tokens that stand there, the cotangent of these rows."""


@dataclass(frozen=True)
class Slope:
    """The gradient of a response's summed log-probability."""

    gradient: list[Tensor]
    """By parameter, on the model's device."""
    residual: float
    """Frobenius norm of e_y - pi over the response's tokens: sqrt(2) at most for each of them."""


class Gradients:
    """Gradients of a model with an adapter in use, on this adapter's parameters."""

    def __init__(self, model: SwappableModel) -> None:
        """R1kError for a model whose logits are not hidden states times its head."""
        self.parameters = model.adapter_parameters
        self._device = model.device
        self._backbone = model.model.get_decoder()
        self._head = output_head(model.model).detach()
        for layer in self._backbone.layers:
            layer.forward = partial(_recomputed, layer.forward)

    def slope(self, item: Item) -> Slope:
        """Of the response's summed log-probability."""
        squares: list[Tensor] = []

        def residual(logits: Tensor, tokens: Tensor) -> Tensor:
            found = torch.softmax(logits, 1).neg_()
            found[torch.arange(len(tokens)), tokens] += 1
            squares.append(found.square().sum())
            return found

        gradient = self._pass_back(item, residual)
        return Slope(gradient, float(torch.stack(squares).sum().sqrt()))

    def random(self, item: Item, seed: int) -> list[Tensor]:
        """J^T v with v standard normal in every logit, less its mean over the vocabulary, by parameter.

        E <J_o^T v, J_u^T w>^2 = |J_o J_u^T|_F^2, of logits less their mean: a softmax does not see what all of a
        token's logits have in common, which would be most of the norm.
        """
        generator = torch.Generator(self._device).manual_seed(seed)

        def normal(logits: Tensor, tokens: Tensor) -> Tensor:
            drawn = torch.randn(logits.shape, generator=generator, device=logits.device, dtype=logits.dtype)
            return drawn - drawn.mean(1, keepdim=True)

        return self._pass_back(item, normal)

    def _pass_back(self, item: Item, cotangent: Cotangent) -> list[Tensor]:
        tokens = torch.tensor(item.response, device=self._device)
        ids = torch.tensor([(item.prompt + item.response)[:-1]], device=self._device)
        hidden = self._backbone(input_ids=ids, use_cache=False).last_hidden_state[0, len(item.prompt) - 1 :]
        with torch.no_grad():
            rows_each = rows_at_once(*self._head.shape)
            chunks = zip(torch.split(hidden, rows_each), torch.split(tokens, rows_each), strict=True)
            back = torch.cat(
                [cotangent(functional.linear(rows, self._head), wanted) @ self._head for rows, wanted in chunks]
            )
        return list(torch.autograd.grad(hidden, self.parameters, back))


def flatten(gradient: Sequence[Tensor]) -> Tensor:
    """One vector, in memory of the host."""
    return torch.cat([part.flatten().cpu() for part in gradient])


@contextmanager
def moved(parameters: Sequence[Tensor], direction: Tensor, distance: float) -> Iterator[None]:
    """Inside it, the parameters are `distance` times `direction` further; after it they are as before, bit by bit."""
    kept = [parameter.detach().clone() for parameter in parameters]
    parts = torch.split(direction, [parameter.numel() for parameter in parameters])
    try:
        with torch.no_grad():
            for parameter, part in zip(parameters, parts, strict=True):
                parameter.add_(part.to(parameter.device).view_as(parameter), alpha=distance)
        yield
    finally:
        with torch.no_grad():
            for parameter, old in zip(parameters, kept, strict=True):
                parameter.copy_(old)


def _recomputed(forward: Callable[..., Any], hidden: Tensor, **others: Any) -> Any:
    if torch.is_grad_enabled() and hidden.shape[1] > KEPT_WIDTH:
        return checkpoint(forward, hidden, use_reentrant=False, **others)
    return forward(hidden, **others)
