"""Responses that are followed token by token: a pair's two, another problem's, disordered and reworded ones, the
model's own.

All but the reworded and the model's own are made of token ids of the probe's responses: what is compared differs in
whose it is or in its order, and in nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from r1k import config as settings
from r1k.errors import RecordError
from r1k.probe.engine import Item, Tokens
from r1k.probe.paraphrase_text import Reworded, reworded
from r1k.probe.responses import Scored, placed
from r1k.probe.scoring import Checkpoint
from r1k.probe.shuffle import reordered
from r1k.records import (
    GREEDY,
    METRICS,
    PARAPHRASED,
    SHUFFLED,
    SPANS,
    Direction,
    Greedy,
    ProbePair,
    ResponseKind,
    Span,
    Split,
    Tracked,
)
from r1k.text import answer_start

DIGITS = 8
"""Significant digits that are written: float32 has no more."""
CERTAIN = (0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0)
"""The metrics where every token was foreseen."""


Answers = Mapping[tuple[ResponseKind, str, Direction], Greedy]


@dataclass(frozen=True)
class Both:
    """A pair with its two responses."""

    pair: ProbePair
    chosen: Scored
    rejected: Scored


@dataclass(frozen=True)
class Followed:
    """A response that is followed under the prompt of `pair`; `answer` is where its answer begins, in tokens."""

    pair: ProbePair
    kind: ResponseKind
    source_problem: str
    item: Item
    truncated: bool
    answer: int

    def spans(self, first: int) -> dict[Span, slice]:
        """The spans that hold a token. Reasoning and answer, each with its separator, are the whole."""
        length = len(self.item.response)
        ends = {"all": (0, length), "reasoning": (0, self.answer), "answer": (self.answer, length)}
        ends["first"] = (0, min(first, length))
        return {span: slice(*ends[span]) for span in SPANS if ends[span][0] < ends[span][1]}


def follow(
    tokenizer: PreTrainedTokenizerBase,
    responses: Sequence[Scored],
    config: settings.Probe,
    written: Sequence[Greedy] = (),
    paraphrases: Reworded | None = None,
) -> tuple[list[Followed], int]:
    """The responses that are followed under each prompt, and how many could not be made.

    `responses` are both of each pair, in turn; `written` is what models answered to the prompts, `paraphrases` what a
    teacher reworded. Reasoning that is one sentence has no other order of sentences, and that of one kind of token none
    of tokens. RecordError where a split has no other problem to take a response from.
    """
    pairs = followed_pairs(responses, config)
    own_answers: Answers = {(answer.kind, answer.problem, answer.direction): answer for answer in written}
    kinds = [kind for kind in config.tracked if kind not in GREEDY or any(kind == answer.kind for answer in written)]
    found, lacking = [], 0
    for place, both in enumerate(pairs):
        for kind in kinds:
            if kind in GREEDY:
                found.append(_answered(tokenizer, both, own_answers, kind))
                continue
            if kind in PARAPHRASED:
                made = reworded(tokenizer, both.pair, kind == "paraphrase_chosen", paraphrases or {}, config.max_tokens)
                if made is None:
                    lacking += 1
                else:
                    found.append(_followed(tokenizer, both, kind, both.pair.problem, *made))
                continue
            source = _source(kind, pairs, place)
            tokens: tuple[int, ...] | None = source.item.response
            if kind in SHUFFLED:
                by_sentence = kind == "shuffled_sentences"
                tokens = reordered(tokenizer, source.item.response, f"{both.pair.id}/{kind}", by_sentence)
            if tokens is None:
                lacking += 1
                continue
            found.append(_followed(tokenizer, both, kind, source.pair.problem, tokens, source.truncated))
    return found, lacking


def followed_pairs(responses: Sequence[Scored], config: settings.Probe) -> list[Both]:
    """The pairs whose prompts responses are followed under: of the first problems of each split."""
    pairs = [
        Both(chosen.pair, chosen, rejected) for chosen, rejected in zip(responses[::2], responses[1::2], strict=True)
    ]
    chosen = _first_problems(pairs, config.tracked_problems)
    return [both for both in pairs if both.pair.problem in chosen[both.pair.split]]


def records(
    run: str,
    seed: int,
    followed: Sequence[Followed],
    first: int,
    checkpoint: Checkpoint,
    tokens: Mapping[Item, Tokens] | None,
) -> Iterator[Tracked]:
    """A record for each response and span; with the metrics of certainty where `tokens` is None."""
    return (
        Tracked(
            **placed(run, seed, checkpoint, response.pair),
            response=response.kind,
            source_problem=response.source_problem,
            span=span,
            tokens=part.stop - part.start,
            truncated=response.truncated,
            **dict(zip(METRICS, means, strict=True)),
        )
        for response in followed
        for span, part, means in _spans(response, first, None if tokens is None else tokens[response.item])
    )


def blank(record: Tracked) -> Tracked:
    """The record with the metrics of certainty: what was scored, without what was found."""
    return record.model_copy(update=dict(zip(METRICS, CERTAIN, strict=True)))


def _spans(response: Followed, first: int, tokens: Tokens | None) -> list[tuple[Span, slice, Sequence[float]]]:
    parts = response.spans(first)
    if tokens is None:
        return [(span, part, CERTAIN) for span, part in parts.items()]
    table = _metrics(tokens)
    return [(span, part, [_rounded(mean) for mean in table[part].mean(0).tolist()]) for span, part in parts.items()]


def _metrics(tokens: Tokens) -> Tensor:
    """[response, metrics] in float64, in the order of METRICS."""
    log_p, top, entropy, rank, kl = (values.double() for values in tokens)
    likeliest, rival = (rank == 1).double(), (rank > 1) * top.exp()
    return torch.stack(
        [log_p, top, -torch.expm1(top), entropy, rank, likeliest, log_p.exp(), rival, kl],
        dim=1,
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _answered(tokenizer: PreTrainedTokenizerBase, both: Both, written: Answers, kind: ResponseKind) -> Followed:
    answer = written.get((kind, both.pair.problem, both.pair.direction))
    if answer is None:
        raise RecordError(f"{both.pair.id}: no answer of the model among those of kind {kind}; probe the run anew")
    return _followed(tokenizer, both, kind, both.pair.problem, tuple(answer.ids), not answer.ended)


def _followed(
    tokenizer: PreTrainedTokenizerBase,
    both: Both,
    kind: ResponseKind,
    source_problem: str,
    tokens: tuple[int, ...],
    truncated: bool,
) -> Followed:
    item = Item(both.chosen.item.prompt, tokens)
    return Followed(both.pair, kind, source_problem, item, truncated, answer_start(tokenizer, tokens))


def _first_problems(pairs: Sequence[Both], limit: int | None) -> dict[Split, list[str]]:
    found: dict[Split, dict[str, None]] = {"train": {}, "held_out": {}}
    for both in pairs:
        found[both.pair.split].setdefault(both.pair.problem)
    return {split: list(problems)[:limit] for split, problems in found.items()}


def _source(kind: ResponseKind, pairs: Sequence[Both], place: int) -> Scored:
    """The response that is meant, before any disorder; another problem is the next in turn of the same split."""
    both = pairs[place]
    if kind == "chosen" or kind in SHUFFLED:
        return both.chosen
    if kind == "rejected":
        return both.rejected
    for candidate in (*pairs[place + 1 :], *pairs[:place]):
        same = (candidate.pair.split, candidate.pair.direction) == (both.pair.split, both.pair.direction)
        source = candidate.chosen if kind == "other_problem_chosen" else candidate.rejected
        known = {both.chosen.item.response, both.rejected.item.response}
        if same and candidate.pair.problem != both.pair.problem and source.item.response not in known:
            return source
    raise RecordError(
        f"{both.pair.id}: the {both.pair.split} split of the probe set has no other problem with a response of "
        "its own; raise data.probe_train and data.probe_held_out, or leave other problems out of probe.tracked"
    )
