"""A model's predictions at each token of many responses, at about the cost of one forward pass.

Sequences of similar length share a batch within a budget of padded tokens. The output head is applied only where a
response token is predicted, a few rows at a time and in float32, so that no [tokens, vocabulary] matrix of a batch
exists: memory is the backbone's activations plus a few rows of logits (`tiles`).
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


class TokenMetrics(NamedTuple):
    """A model's predictions at each token of a response: shape [response] each, float32 on the CPU."""

    log_p: Tensor
    """log p(y_t | x, y_<t), in nats."""
    log_p_argmax: Tensor
    """Log-probability of the top-1 token, in nats."""
    entropy: Tensor
    """In nats."""
    rank: Tensor
    """1 + the number of tokens with a higher probability."""
    kl: Tensor
    """KL(p || reference) of the whole distribution, in nats."""


class Item(NamedTuple):
    """A prompt and a response as token ids; equal items have equal log-probabilities."""

    prompt: tuple[int, ...]
    response: tuple[int, ...]

    @property
    def width(self) -> int:
        """Tokens that the model reads: all but the last response token, which is only predicted."""
        return len(self.prompt) + len(self.response) - 1


@dataclass(frozen=True)
class PaddedBatch:
    """Items of similar width, padded on the right."""

    items: list[int]
    """Their indices in the sequence of all items."""
    input_ids: Tensor
    """[items, width]."""
    rows: Tensor
    """[tokens]: index into the flattened [items * width] positions at which each response token is predicted."""
    targets: Tensor
    """[tokens]: the response tokens, item after item."""
    lengths: list[int]
    """Number of response tokens of each item."""


def group_by_width(widths: Sequence[int], tokens_per_batch: int) -> list[list[int]]:
    """Return indices of the widths in batches of at most `tokens_per_batch` padded tokens, widest first.

    The batch that needs the most memory comes first. A width above the budget is a batch of its own.
    """
    groups: list[list[int]] = []
    for place in sorted(range(len(widths)), key=lambda index: -widths[index]):
        if groups and (len(groups[-1]) + 1) * widths[groups[-1][0]] <= tokens_per_batch:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def prepare(items: Sequence[Item], tokens_per_batch: int, device: torch.device) -> list[PaddedBatch]:
    """Return the items as batches on `device`, to be scored with any number of models."""
    groups = group_by_width([item.width for item in items], tokens_per_batch)
    return [_batch(items, places, device) for places in groups]


def hidden_states(
    backbone: Callable[..., Any], batches: Iterable[PaddedBatch], advance: Callable[[int], Any]
) -> Iterator[Tensor]:
    """Yield, for each batch, the hidden states [tokens, hidden] that predict its response tokens.

    `backbone` maps token ids [items, width] to hidden states. `advance` receives the number of padded tokens of each
    finished batch.
    """
    for batch in batches:
        # No name holds the yielded states, so that they are freed before the next batch is read.
        yield _predicting_states(backbone, batch)
        advance(batch.input_ids.numel())


def score(
    head: Tensor, batches: Sequence[PaddedBatch], states: Iterable[Tensor], reference: Iterable[Tensor] | None = None
) -> list[TokenMetrics]:
    """Return the metrics at every response token of every item.

    `head` is the output projection [vocabulary, hidden]; `states` are the batches' hidden states. `reference` are those
    of another model with the same head, on any device, for the KL divergence; without it KL is 0.
    """
    items: dict[int, TokenMetrics] = {}
    model_states, reference_states = iter(states), repeat(None) if reference is None else iter(reference)
    for batch in batches:
        # Not zip, which holds a batch's states while the next batch is read.
        parts = torch.split(_score(head, batch.targets, next(model_states), next(reference_states)), batch.lengths)
        items |= {place: TokenMetrics(*part.unbind(1)) for place, part in zip(batch.items, parts, strict=True)}
    return [items[place] for place in range(len(items))]


def output_head(model: Any) -> Tensor:
    """Return the output projection's weight, [vocabulary, hidden], of a causal language model.

    Raises R1kError for a model whose logits are not the product of hidden states and this weight.
    """
    altered = [
        name
        for name in ("final_logit_softcapping", "logit_scale", "logits_scaling")
        if getattr(model.config, name, None) not in (None, 1, 1.0)
    ]
    head = model.get_output_embeddings()
    plain = type(head) is torch.nn.Linear and getattr(head, "bias", None) is None
    if altered or not plain:
        reason = f"its config sets {altered[0]}" if altered else "it has an output head with a bias or an adapter"
        raise R1kError(
            f"{model.config.model_type} model: {reason}, which the probe does not support; "
            "use a base of Qwen2 or Llama architecture and adapters on its projections alone"
        )
    weight: Tensor = head.weight
    return weight


def _batch(items: Sequence[Item], places: list[int], device: torch.device) -> PaddedBatch:
    chosen = [items[place] for place in places]
    width = max(item.width for item in chosen)
    # Under causal attention no token attends to padding on its right, so the batch needs no mask, and without a mask
    # attention uses its fastest kernels.
    input_ids = torch.zeros(len(chosen), width, dtype=torch.long)
    rows = []
    for index, item in enumerate(chosen):
        input_ids[index, : item.width] = torch.tensor((item.prompt + item.response)[:-1])
        first = index * width + len(item.prompt) - 1
        rows.append(torch.arange(first, first + len(item.response)))
    return PaddedBatch(
        items=places,
        input_ids=input_ids.to(device),
        rows=torch.cat(rows).to(device),
        targets=torch.tensor([token for item in chosen for token in item.response], device=device),
        lengths=[len(item.response) for item in chosen],
    )


@torch.inference_mode()
def _predicting_states(backbone: Callable[..., Any], batch: PaddedBatch) -> Tensor:
    hidden: Tensor = backbone(input_ids=batch.input_ids, use_cache=False).last_hidden_state
    return hidden.flatten(0, 1)[batch.rows]


@torch.inference_mode()
def _score(head: Tensor, targets: Tensor, hidden: Tensor, reference: Tensor | None) -> Tensor:
    """Return [tokens, 5] in the order of TokenMetrics, on the CPU."""
    return torch.cat([_measure(*chunk) for chunk in _chunks(hidden, head, targets, reference)]).cpu()


def _chunks(
    hidden: Tensor, head: Tensor, targets: Tensor, reference: Tensor | None
) -> Iterator[tuple[Tensor, Tensor, Tensor | None]]:
    size = rows_at_once(*head.shape)
    for start in range(0, len(targets), size):
        part = slice(start, start + size)
        reference_logits = None if reference is None else _logits(reference[part].to(head.device), head)
        yield _logits(hidden[part], head), targets[part], reference_logits


def _logits(hidden: Tensor, head: Tensor) -> Tensor:
    """Return [rows, vocabulary] in float32, from [rows, hidden] of any dtype."""
    if hidden.is_cuda and hidden.dtype != torch.float32:
        return torch.mm(hidden, head.t(), out_dtype=torch.float32)
    return functional.linear(hidden.float(), head.float())


def _measure(logits: Tensor, targets: Tensor, reference: Tensor | None) -> Tensor:
    """Return [rows, 5] in the order of TokenMetrics; overwrites `logits` and `reference`."""
    # The reference comes first, so that its weights are freed before those of the model are allocated.
    reference_log_total = None if reference is None else _subtract_max(reference)[2].log()
    chosen = logits.gather(1, targets[:, None])
    rank = (logits > chosen).sum(1) + 1
    top, weights, total = _subtract_max(logits)
    # Not log_softmax: with a large vocabulary its float32 sums are off by 2e-5 per token, those of logsumexp by 2e-8.
    log_total = total.log()
    log_p = chosen.squeeze(1) - (log_total + top)
    # Logits are now relative to the largest, so those with probability mass are small and have small rounding errors.
    mean = torch.linalg.vecdot(weights, logits) / total
    kl = torch.zeros_like(mean)
    if reference is not None and reference_log_total is not None:
        cross = reference_log_total - torch.linalg.vecdot(weights, reference) / total
        kl = (cross - (log_total - mean)).clamp(min=0)
    return torch.stack([log_p, -log_total, (log_total - mean).clamp(min=0), rank.to(mean.dtype), kl], 1)


def _subtract_max(logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Subtract each row's largest logit in place; return these maxima, the exponentials, and the sums of the
    exponentials."""
    top = logits.amax(1)
    weights = logits.sub_(top[:, None]).exp()
    return top, weights, weights.sum(1)
