"""What one model predicts at each token of many responses, at about the cost of its bare forward pass.

Sequences of like length share a batch under a budget of padded tokens. The output head is applied where a response
token is predicted and nowhere else, a few rows at a time and in float32, so no [tokens, vocabulary] matrix of a
batch ever exists: beyond the backbone's own activations the memory is that of a few rows of logits (`tiles`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from r1k.errors import R1kError
from r1k.probe.tiles import rows_at_once


class Tokens(NamedTuple):
    """What a model predicts at each token of a response: [response] each, in float32 on the CPU."""

    log_p: Tensor
    """log p(y_t | x, y_<t) in nats."""
    log_p_argmax: Tensor
    """That of the likeliest token."""
    entropy: Tensor
    """In nats."""
    rank: Tensor
    """1 and the number of tokens that are likelier."""
    kl: Tensor
    """KL(p || p of the reference) of the whole predictions, in nats."""


class Item(NamedTuple):
    """A response to a prompt, as token ids; equal items have equal log-probabilities."""

    prompt: tuple[int, ...]
    response: tuple[int, ...]

    @property
    def width(self) -> int:
        """Tokens that the model reads: the last response token is predicted, never read."""
        return len(self.prompt) + len(self.response) - 1


@dataclass(frozen=True)
class Batch:
    """Items of like length, padded on the right."""

    items: list[int]
    """Their places in the sequence of all items."""
    input_ids: Tensor
    """[items, width]."""
    rows: Tensor
    """[tokens]: where, in the flattened [items * width] positions, each response token is predicted."""
    targets: Tensor
    """[tokens]: the response tokens, item after item."""
    lengths: list[int]
    """Response tokens of each item."""


def group(widths: Sequence[int], tokens_per_batch: int) -> list[list[int]]:
    """Places of the widths in batches of at most `tokens_per_batch` padded tokens, widest first.

    What needs the most memory so comes first. A width beyond the budget is a batch of its own.
    """
    groups: list[list[int]] = []
    for place in sorted(range(len(widths)), key=lambda index: -widths[index]):
        if groups and (len(groups[-1]) + 1) * widths[groups[-1][0]] <= tokens_per_batch:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def prepare(items: Sequence[Item], tokens_per_batch: int, device: torch.device) -> list[Batch]:
    """The items as batches on `device`, to be scored under any number of models."""
    groups = group([item.width for item in items], tokens_per_batch)
    return [_batch(items, places, device) for places in groups]


def states(backbone: Callable[..., Any], batches: Iterable[Batch], advance: Callable[[int], Any]) -> Iterator[Tensor]:
    """Of each batch in turn, the hidden states [tokens, hidden] that predict its response tokens.

    `backbone` maps token ids [items, width] to hidden states. `advance` is told the padded tokens of each batch that
    is done.
    """
    for batch in batches:
        # Bound to no name: what is yielded is gone before the next batch is read.
        yield _predicting(backbone, batch)
        advance(batch.input_ids.numel())


def score(
    head: Tensor, batches: Sequence[Batch], found: Iterable[Tensor], reference: Iterable[Tensor] | None = None
) -> list[Tokens]:
    """The values at every response token of every item.

    `head` is the output projection [vocabulary, hidden]; `found` are the batches' states. `reference` are the states
    of another model with the same head, on any device, to which KL is measured; without it KL is 0.
    """
    items: dict[int, Tokens] = {}
    own, others = iter(found), repeat(None) if reference is None else iter(reference)
    for batch in batches:
        # Not zip, which holds a batch's states while the next batch is read.
        parts = torch.split(_score(head, batch.targets, next(own), next(others)), batch.lengths)
        items |= {place: Tokens(*part.unbind(1)) for place, part in zip(batch.items, parts, strict=True)}
    return [items[place] for place in range(len(items))]


def output_head(model: Any) -> Tensor:
    """The output projection's weight, [vocabulary, hidden], of a causal language model.

    R1kError for a model whose logits are anything but hidden states times this weight.
    """
    altered = [
        name
        for name in ("final_logit_softcapping", "logit_scale", "logits_scaling")
        if getattr(model.config, name, None) not in (None, 1, 1.0)
    ]
    head = model.get_output_embeddings()
    plain = type(head) is torch.nn.Linear and getattr(head, "bias", None) is None
    if altered or not plain:
        what = f"its config sets {altered[0]}" if altered else "it has an output head with a bias or an adapter"
        raise R1kError(
            f"{model.config.model_type} model: {what}, which the probe does not compute; "
            "use a base of Qwen2 or Llama architecture and adapters on its projections alone"
        )
    weight: Tensor = head.weight
    return weight


def _batch(items: Sequence[Item], places: list[int], device: torch.device) -> Batch:
    chosen = [items[place] for place in places]
    width = max(item.width for item in chosen)
    # Causal attention lets no token see what is to its right: padding there, with any token, needs no mask, and
    # without one attention takes its fastest kernels.
    input_ids = torch.zeros(len(chosen), width, dtype=torch.long)
    rows = []
    for index, item in enumerate(chosen):
        input_ids[index, : item.width] = torch.tensor((item.prompt + item.response)[:-1])
        first = index * width + len(item.prompt) - 1
        rows.append(torch.arange(first, first + len(item.response)))
    return Batch(
        items=places,
        input_ids=input_ids.to(device),
        rows=torch.cat(rows).to(device),
        targets=torch.tensor([token for item in chosen for token in item.response], device=device),
        lengths=[len(item.response) for item in chosen],
    )


@torch.inference_mode()
def _predicting(backbone: Callable[..., Any], batch: Batch) -> Tensor:
    hidden: Tensor = backbone(input_ids=batch.input_ids, use_cache=False).last_hidden_state
    return hidden.flatten(0, 1)[batch.rows]


@torch.inference_mode()
def _score(head: Tensor, targets: Tensor, hidden: Tensor, other: Tensor | None) -> Tensor:
    """[tokens, 5] in the order of Tokens, on the CPU."""
    return torch.cat([_measure(*chunk) for chunk in _chunks(hidden, head, targets, other)]).cpu()


def _chunks(
    hidden: Tensor, head: Tensor, targets: Tensor, other: Tensor | None
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    size = rows_at_once(*head.shape)
    for start in range(0, len(targets), size):
        part = slice(start, start + size)
        same = None if other is None else _logits(other[part].to(head.device), head)
        yield _logits(hidden[part], head), targets[part], same


def _logits(hidden: Tensor, head: Tensor) -> Tensor:
    """[rows, vocabulary] in float32, from [rows, hidden] of any precision."""
    if hidden.is_cuda and hidden.dtype != torch.float32:
        return torch.mm(hidden, head.t(), out_dtype=torch.float32)
    return functional.linear(hidden.float(), head.float())


def _measure(logits: Tensor, targets: Tensor, other: Tensor | None) -> Tensor:
    """[rows, 5] in the order of Tokens; `logits` and `other` are overwritten."""
    # First, so that its weights are gone before the others are made.
    other_log_total = None if other is None else _weigh(other)[2].log()
    chosen = logits.gather(1, targets[:, None])
    rank = (logits > chosen).sum(1) + 1
    top, weights, total = _weigh(logits)
    # Not log_softmax: over a large vocabulary its float32 sums are off by 2e-5 a token, logsumexp's by 2e-8.
    log_total = total.log()
    log_p = chosen.squeeze(1) - (log_total + top)
    # Logits are now relative to the largest: where there is mass they are small, and so are their rounding errors.
    mean = torch.linalg.vecdot(weights, logits) / total
    kl = torch.zeros_like(mean)
    if other is not None and other_log_total is not None:
        cross = other_log_total - torch.linalg.vecdot(weights, other) / total
        kl = (cross - (log_total - mean)).clamp(min=0)
    return torch.stack([log_p, -log_total, (log_total - mean).clamp(min=0), rank.to(mean.dtype), kl], 1)


def _weigh(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The largest logit of each row, exp of all less it, and their sum; `logits` are made relative to the largest."""
    top = logits.amax(1)
    weights = logits.sub_(top[:, None]).exp()
    return top, weights, weights.sum(1)
