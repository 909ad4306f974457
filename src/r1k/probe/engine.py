"""Token log-probabilities of many responses under one model, at about the cost of its bare forward pass.

Sequences of like length share a batch under a budget of padded tokens. The output head is applied where a response
token is predicted and nowhere else, a few rows at a time and in float32, so no [tokens, vocabulary] matrix of a
batch ever exists: beyond the backbone's own activations the memory is that of `ROWS` rows of logits.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from r1k.errors import R1kError

ROWS = 256
"""Rows of logits that exist at once, and as many again while they are reduced: less than the head's own weight, which
has as many rows as the hidden states are wide, and few enough to stay in the caches where the vocabulary is small."""


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


def score(
    backbone: Callable[..., Any], head: Tensor, batches: Sequence[Batch], advance: Callable[[int], Any]
) -> list[Tensor]:
    """log p(y_t | x, y_<t) in nats of every response token of every item, [response] in float32 on the CPU.

    `backbone` maps token ids [items, width] to hidden states, `head` is the output projection [vocabulary, hidden].
    `advance` is told the padded tokens of each batch that is done.
    """
    found: dict[int, Tensor] = {}
    for batch in batches:
        with torch.inference_mode():
            values = _score_batch(backbone, head, batch)
        found |= zip(batch.items, torch.split(values, batch.lengths), strict=True)
        advance(batch.input_ids.numel())
    return [found[place] for place in range(len(found))]


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


def _score_batch(backbone: Callable[..., Any], head: Tensor, batch: Batch) -> Tensor:
    hidden = backbone(input_ids=batch.input_ids, use_cache=False).last_hidden_state
    predicting = hidden.flatten(0, 1)[batch.rows]
    del hidden
    chunks = _chunks(predicting, head, batch.targets)
    return torch.cat([_log_probs(logits, targets) for logits, targets in chunks]).cpu()


def _chunks(hidden: Tensor, head: Tensor, targets: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    for rows, wanted in zip(torch.split(hidden, ROWS), torch.split(targets, ROWS), strict=True):
        yield _logits(rows, head), wanted


def _logits(hidden: Tensor, head: Tensor) -> Tensor:
    """[rows, vocabulary] in float32, from [rows, hidden] of any precision."""
    if hidden.is_cuda and hidden.dtype != torch.float32:
        return torch.mm(hidden, head.t(), out_dtype=torch.float32)
    return functional.linear(hidden.float(), head.float())


def _log_probs(logits: Tensor, targets: Tensor) -> Tensor:
    # Not log_softmax: over a large vocabulary its float32 sums are off by 2e-5 a token, logsumexp's by 2e-8.
    chosen = logits.gather(1, targets[:, None]).squeeze(1)
    return chosen - logits.logsumexp(1)
