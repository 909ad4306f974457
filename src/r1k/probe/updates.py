"""The losses of the steps, and the measured responses, as weighted sums of log-probabilities.

At the model from which a step starts, all losses are linear in the responses' summed log-probabilities; DPO's too,
because its reference is that model.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from transformers import PreTrainedTokenizerBase

from r1k.config import NtkSpec
from r1k.probe.engine import Item
from r1k.probe.responses import SIDES, EncodedResponse, encode_pairs
from r1k.records import ProbePair, Split, UpdateKind
from r1k.text import encode, tag_of


@dataclass(frozen=True)
class StepLoss:
    """A loss, as minus the weighted sum of log-probabilities: a step raises those with positive weight."""

    kind: UpdateKind
    problem: str
    weights: Mapping[Item, float]


def first_problems(pairs: Sequence[ProbePair], split: Split, limit: int) -> dict[str, list[ProbePair]]:
    """Return both pairs of each of the first problems of a split, the forward pair first."""
    found: dict[str, list[ProbePair]] = {}
    for pair in pairs:
        if pair.split == split:
            found.setdefault(pair.problem, []).append(pair)
    return {problem: sorted(found[problem], key=lambda pair: pair.direction) for problem in list(found)[:limit]}


def step_losses(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[ProbePair], spec: NtkSpec) -> Iterator[StepLoss]:
    """Yield the four losses of one problem, from its two pairs; responses are truncated as in training.

    SFT: the mean over response tokens of -log p. `mixed`: the mean of both directions. `dpo`: the mean over both pairs
    of -ln sigma(beta (log-ratio of y+ - log-ratio of y-)), whose slope at its reference is -beta / 2.
    """
    problem = pairs[0].problem
    examples = [_item(tokenizer, pair, "chosen", spec.sft_length, spec) for pair in pairs]
    for pair, item in zip(pairs, examples, strict=True):
        yield StepLoss(pair.direction, problem, {item: 1 / len(item.response)})
    yield StepLoss("mixed", problem, {item: 1 / (len(examples) * len(item.response)) for item in examples})
    weights = {"chosen": spec.beta / (2 * len(pairs)), "rejected": -spec.beta / (2 * len(pairs))}
    sides: dict[Item, float] = {}
    for pair, side in product(pairs, SIDES):
        item = _item(tokenizer, pair, side, spec.dpo_length, spec)
        sides[item] = sides.get(item, 0) + weights[side]
    yield StepLoss("dpo", problem, sides)


def measured_responses(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[ProbePair], spec: NtkSpec
) -> list[EncodedResponse]:
    """Return both responses to both prompts of the first problems of each split, truncated at the probe's limit."""
    splits: tuple[Split, ...] = ("train", "held_out")
    problems = [first_problems(pairs, split, spec.examples) for split in splits]
    measured = [pair for split in problems for both in split.values() for pair in both]
    return encode_pairs(tokenizer, measured, spec.max_tokens, spec.direction_tag)


def _item(tokenizer: PreTrainedTokenizerBase, pair: ProbePair, side: str, max_length: int, spec: NtkSpec) -> Item:
    tag = tag_of(pair.direction, spec.direction_tag)
    text = encode(tokenizer, pair.question, getattr(pair, side), f"{pair.id}, {side}", max_length=max_length, tag=tag)
    return Item(tuple(text.prompt), tuple(text.response))
