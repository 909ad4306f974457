"""Responses that are tracked token by token: a pair's two, another problem's, shuffled, paraphrased and greedy ones.

All but paraphrases and greedy answers are made from token ids of the probe's responses, so that the compared responses
differ only in their problem or their order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from r1k import config as settings
from r1k.errors import RecordError
from r1k.probe.engine import Item, TokenMetrics
from r1k.probe.paraphrase_text import Paraphrases, paraphrased_tokens
from r1k.probe.responses import EncodedResponse, record_fields
from r1k.probe.scoring import Checkpoint
from r1k.probe.shuffle import shuffle_reasoning
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

SIGNIFICANT_DIGITS = 8
"""Digits that are written: float32 has no more."""
CERTAIN = (0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0)
"""The metrics of a model that predicts every token with probability 1."""

GreedyAnswers = Mapping[tuple[ResponseKind, str, Direction], Greedy]


@dataclass(frozen=True)
class EncodedPair:
    """A probe pair with both responses as tokens."""

    pair: ProbePair
    chosen: EncodedResponse
    rejected: EncodedResponse


@dataclass(frozen=True)
class TrackedResponse:
    """A response that is tracked at the prompt of `pair`; `answer` is the token index at which its answer starts."""

    pair: ProbePair
    kind: ResponseKind
    source_problem: str
    item: Item
    truncated: bool
    answer: int

    def spans(self, first: int) -> dict[Span, slice]:
        """Return the spans that are not empty. Reasoning and answer, each with its separator, partition the whole."""
        length = len(self.item.response)
        ends = {"all": (0, length), "reasoning": (0, self.answer), "answer": (self.answer, length)}
        ends["first"] = (0, min(first, length))
        return {span: slice(*ends[span]) for span in SPANS if ends[span][0] < ends[span][1]}


def make_tracked(
    tokenizer: PreTrainedTokenizerBase,
    responses: Sequence[EncodedResponse],
    config: settings.Probe,
    greedy: Sequence[Greedy] = (),
    paraphrases: Paraphrases | None = None,
) -> tuple[list[TrackedResponse], int]:
    """Return the tracked responses at each prompt, and the number of those that could not be made.

    `responses` has chosen and rejected response of each pair in turn, `greedy` the models' answers to the prompts, and
    `paraphrases` the teacher's paraphrases. Reasoning of one sentence cannot be shuffled by sentence, nor reasoning of
    equal tokens by token. Raises RecordError if a split has no other problem to take a response from.
    """
    pairs = tracked_pairs(responses, config)
    answers: GreedyAnswers = {(answer.kind, answer.problem, answer.direction): answer for answer in greedy}
    kinds = [kind for kind in config.tracked if kind not in GREEDY or any(kind == answer.kind for answer in greedy)]
    found, unavailable = [], 0
    for place, encoded in enumerate(pairs):
        pair = encoded.pair
        for kind in kinds:
            if kind in GREEDY:
                found.append(_greedy_response(tokenizer, encoded, answers, kind))
                continue
            if kind in PARAPHRASED:
                chosen = kind == "paraphrase_chosen"
                made = paraphrased_tokens(tokenizer, pair, chosen, paraphrases or {}, config.max_tokens)
                if made is None:
                    unavailable += 1
                else:
                    found.append(_tracked_response(tokenizer, encoded, kind, pair.problem, *made))
                continue
            source = _source(kind, pairs, place)
            tokens: tuple[int, ...] | None = source.item.response
            if kind in SHUFFLED:
                by_sentence = kind == "shuffled_sentences"
                tokens = shuffle_reasoning(tokenizer, source.item.response, f"{pair.id}/{kind}", by_sentence)
            if tokens is None:
                unavailable += 1
                continue
            found.append(_tracked_response(tokenizer, encoded, kind, source.pair.problem, tokens, source.truncated))
    return found, unavailable


def tracked_pairs(responses: Sequence[EncodedResponse], config: settings.Probe) -> list[EncodedPair]:
    """Return the pairs at whose prompts responses are tracked: those of the first problems of each split."""
    pairs = [
        EncodedPair(chosen.pair, chosen, rejected)
        for chosen, rejected in zip(responses[::2], responses[1::2], strict=True)
    ]
    problems = _first_problems(pairs, config.tracked_problems)
    return [encoded for encoded in pairs if encoded.pair.problem in problems[encoded.pair.split]]


def tracked_records(
    run: str,
    seed: int,
    responses: Sequence[TrackedResponse],
    first: int,
    checkpoint: Checkpoint,
    tokens: Mapping[Item, TokenMetrics] | None,
) -> Iterator[Tracked]:
    """Yield a record for each response and span; its metrics are CERTAIN if `tokens` is None."""
    return (
        Tracked(
            **record_fields(run, seed, checkpoint, response.pair),
            response=response.kind,
            source_problem=response.source_problem,
            span=span,
            tokens=part.stop - part.start,
            truncated=response.truncated,
            **dict(zip(METRICS, means, strict=True)),
        )
        for response in responses
        for span, part, means in _spans(response, first, None if tokens is None else tokens[response.item])
    )


def without_metrics(record: Tracked) -> Tracked:
    """Return the record with its metrics replaced by CERTAIN, to compare what was scored."""
    return record.model_copy(update=dict(zip(METRICS, CERTAIN, strict=True)))


def _spans(
    response: TrackedResponse, first: int, tokens: TokenMetrics | None
) -> list[tuple[Span, slice, Sequence[float]]]:
    parts = response.spans(first)
    if tokens is None:
        return [(span, part, CERTAIN) for span, part in parts.items()]
    table = _metrics(tokens)
    return [(span, part, [_rounded(mean) for mean in table[part].mean(0).tolist()]) for span, part in parts.items()]


def _metrics(tokens: TokenMetrics) -> Tensor:
    """Return [response, metrics] in float64, in the order of METRICS."""
    log_p, top, entropy, rank, kl = (values.double() for values in tokens)
    is_argmax, rival = (rank == 1).double(), (rank > 1) * top.exp()
    return torch.stack(
        [log_p, top, -torch.expm1(top), entropy, rank, is_argmax, log_p.exp(), rival, kl],
        dim=1,
    )


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _greedy_response(
    tokenizer: PreTrainedTokenizerBase, encoded: EncodedPair, answers: GreedyAnswers, kind: ResponseKind
) -> TrackedResponse:
    pair = encoded.pair
    answer = answers.get((kind, pair.problem, pair.direction))
    if answer is None:
        raise RecordError(f"{pair.id}: the model has no answer of kind {kind}; probe the run again")
    return _tracked_response(tokenizer, encoded, kind, pair.problem, tuple(answer.ids), not answer.ended)


def _tracked_response(
    tokenizer: PreTrainedTokenizerBase,
    encoded: EncodedPair,
    kind: ResponseKind,
    source_problem: str,
    tokens: tuple[int, ...],
    truncated: bool,
) -> TrackedResponse:
    item = Item(encoded.chosen.item.prompt, tokens)
    return TrackedResponse(encoded.pair, kind, source_problem, item, truncated, answer_start(tokenizer, tokens))


def _first_problems(pairs: Sequence[EncodedPair], limit: int | None) -> dict[Split, list[str]]:
    found: dict[Split, dict[str, None]] = {"train": {}, "held_out": {}}
    for encoded in pairs:
        found[encoded.pair.split].setdefault(encoded.pair.problem)
    return {split: list(problems)[:limit] for split, problems in found.items()}


def _source(kind: ResponseKind, pairs: Sequence[EncodedPair], place: int) -> EncodedResponse:
    """Return the response of a kind before shuffling; "other problem" is the next problem of the same split."""
    encoded = pairs[place]
    if kind == "chosen" or kind in SHUFFLED:
        return encoded.chosen
    if kind == "rejected":
        return encoded.rejected
    for candidate in (*pairs[place + 1 :], *pairs[:place]):
        same = (candidate.pair.split, candidate.pair.direction) == (encoded.pair.split, encoded.pair.direction)
        source = candidate.chosen if kind == "other_problem_chosen" else candidate.rejected
        known = {encoded.chosen.item.response, encoded.rejected.item.response}
        if same and candidate.pair.problem != encoded.pair.problem and source.item.response not in known:
            return source
    raise RecordError(
        f"{encoded.pair.id}: the {encoded.pair.split} split of the probe set has no other problem with a different "
        "response; raise data.probe_train and data.probe_held_out, or remove the kinds of other problems from "
        "probe.tracked"
    )
