"""Gradients of one response at a time with respect to an adapter's parameters, by backpropagation from its logits.

With z the logits [tokens, vocabulary] at a response's tokens, J = dz/dtheta and c a cotangent of the shape of z, the
result is J^T c. For the response's summed log-probability, c is the residual e_y - pi at each token (Ren and Sutherland
2024: the row of A for that token, and -G of its cross-entropy). The output head has no adapter, so c passes through it
in chunks and no complete [tokens, vocabulary] matrix exists.
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

MAX_STORED_WIDTH = 1024
"""Up to this many tokens, the backward pass stores all activations of a sequence; for longer ones, only the layers'
inputs."""

Cotangent = Callable[[Tensor, Tensor], Tensor]
"""Returns the cotangent of rows of logits, given these rows and their target tokens."""


@dataclass(frozen=True)
class LogProbGradient:
    """The gradient of a response's summed log-probability."""

    gradient: list[Tensor]
    """By parameter, on the model's device."""
    residual: float
    """Frobenius norm of e_y - pi over the response's tokens, where each token contributes at most sqrt(2)."""


class Gradients:
    """Computes gradients of a model with respect to the parameters of its current adapter."""

    def __init__(self, model: SwappableModel) -> None:
        """Raise R1kError for a model whose logits are not the product of hidden states and its head."""
        self.parameters = model.adapter_parameters
        self._device = model.device
        self._backbone = model.model.get_decoder()
        self._head = output_head(model.model).detach()
        for layer in self._backbone.layers:
            layer.forward = partial(_recomputed, layer.forward)

    def log_prob_gradient(self, item: Item) -> LogProbGradient:
        """Return the gradient of the response's summed log-probability."""
        squares: list[Tensor] = []

        def residual(logits: Tensor, tokens: Tensor) -> Tensor:
            found = torch.softmax(logits, 1).neg_()
            found[torch.arange(len(tokens)), tokens] += 1
            squares.append(found.square().sum())
            return found

        gradient = self._pass_back(item, residual)
        return LogProbGradient(gradient, float(torch.stack(squares).sum().sqrt()))

    def random_gradient(self, item: Item, seed: int) -> list[Tensor]:
        """Return J^T v by parameter, with v standard normal in every logit, minus its mean over the vocabulary.

        E <J_o^T v, J_u^T w>^2 = |J_o J_u^T|_F^2, with logits centred over the vocabulary: a softmax is invariant to a
        shift of all logits of a token, which would dominate the norm.
        """
        generator = torch.Generator(self._device).manual_seed(seed)

        def normal(logits: Tensor, tokens: Tensor) -> Tensor:
            v = torch.randn(logits.shape, generator=generator, device=logits.device, dtype=logits.dtype)
            return v - v.mean(1, keepdim=True)

        return self._pass_back(item, normal)

    def _pass_back(self, item: Item, cotangent: Cotangent) -> list[Tensor]:
        tokens = torch.tensor(item.response, device=self._device)
        ids = torch.tensor([(item.prompt + item.response)[:-1]], device=self._device)
        hidden = self._backbone(input_ids=ids, use_cache=False).last_hidden_state[0, len(item.prompt) - 1 :]
        with torch.no_grad():
            rows_each = rows_at_once(*self._head.shape)
            chunks = zip(torch.split(hidden, rows_each), torch.split(tokens, rows_each), strict=True)
            gradient = torch.cat(
                [cotangent(functional.linear(rows, self._head), targets) @ self._head for rows, targets in chunks]
            )
        return list(torch.autograd.grad(hidden, self.parameters, gradient))


def flatten(gradient: Sequence[Tensor]) -> Tensor:
    """Return one vector on the CPU."""
    return torch.cat([part.flatten().cpu() for part in gradient])


@contextmanager
def shifted(parameters: Sequence[Tensor], direction: Tensor, distance: float) -> Iterator[None]:
    """Add `distance` times `direction` to the parameters inside the context; restore them bit by bit afterwards."""
    originals = [parameter.detach().clone() for parameter in parameters]
    parts = torch.split(direction, [parameter.numel() for parameter in parameters])
    try:
        with torch.no_grad():
            for parameter, part in zip(parameters, parts, strict=True):
                parameter.add_(part.to(parameter.device).view_as(parameter), alpha=distance)
        yield
    finally:
        with torch.no_grad():
            for parameter, original in zip(parameters, originals, strict=True):
                parameter.copy_(original)


def _recomputed(forward: Callable[..., Any], hidden: Tensor, **others: Any) -> Any:
    if torch.is_grad_enabled() and hidden.shape[1] > MAX_STORED_WIDTH:
        return checkpoint(forward, hidden, use_reentrant=False, **others)
    return forward(hidden, **others)
