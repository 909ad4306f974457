"""Test whether a bag of tokens distinguishes the chosen response y+ from the rejected y-.

A classifier that does not see the prompt should fail: any cue it finds, such as an end marker or an opening phrase, is
one that DPO can learn instead of the direction. Over all prompts, every response is once y+ and once y-, so accuracy is
at chance unless the two are formatted differently. Over the prompts of one direction, y+ is always y_f or always y_r,
and the score shows how well the ends of a response reveal its direction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from r1k.data.audit.records import End, Separability
from r1k.data.audit.tokens import Ids, TokenCache, kept_tokens
from r1k.intervals import CONFIDENCE, Interval
from r1k.records import DIRECTIONS, Direction, Pair

TOKENS = 50
FOLDS = 5
RESAMPLES = 1000


@dataclass(frozen=True)
class PairResponse:
    """One response of a pair."""

    problem: str
    direction: Direction
    chosen: bool
    ids: Ids
    """Token ids as in training, truncated to its limit."""


def pair_responses(pairs: Sequence[Pair], tokens: TokenCache, limit: int) -> list[PairResponse]:
    """Return both responses of each pair, truncated to `limit` tokens of prompt and response."""
    found = []
    for pair in pairs:
        prompt = tokens.prompt_length(pair.question, pair.id)
        for response, chosen in ((pair.chosen, True), (pair.rejected, False)):
            ids = tokens.response_ids(pair.question, response, pair.id)
            found.append(
                PairResponse(pair.problem, pair.direction, chosen, ids[: kept_tokens(prompt, len(ids), limit)])
            )
    return found


def separability(found: Sequence[PairResponse]) -> list[Separability]:
    """Return the scores over all prompts and per direction, from the first and from the last tokens."""
    groups = [("all", list(found))]
    groups += [(direction, [side for side in found if side.direction == direction]) for direction in DIRECTIONS]
    return [
        Separability.model_validate(
            {"prompts": prompts, "end": end, "tokens": TOKENS} | score_classifier(responses, end)
        )
        for prompts, responses in groups
        for end in get_args(End)
    ]


def score_classifier(found: Sequence[PairResponse], end: End) -> dict[str, object]:
    """Return `n`, `problems`, accuracy and AUC of a logistic regression on token counts (L2, C = 1).

    Cross-validation uses five folds (or one per problem, if there are fewer), and keeps each problem within one fold.
    The AUC covers the scores of all folds together.
    """
    bags = [side.ids[:TOKENS] if end == "first" else side.ids[-TOKENS:] for side in found]
    chosen = np.array([side.chosen for side in found])
    names, problems = np.unique([side.problem for side in found], return_inverse=True)
    # `analyzer=list` counts the array's values.
    model = make_pipeline(CountVectorizer(analyzer=list), LogisticRegression(max_iter=1000))
    folds = GroupKFold(n_splits=min(FOLDS, len(names)))
    scores = cross_val_predict(model, bags, chosen, groups=problems, cv=folds, method="decision_function")
    accuracy, auc = _intervals(scores, chosen, problems)
    return {"n": len(found), "problems": len(names), "accuracy": accuracy, "auc": auc}


def _intervals(
    scores: NDArray[np.float64], chosen: NDArray[np.bool_], problems: NDArray[np.intp]
) -> tuple[Interval, Interval]:
    """Return accuracy and AUC, with percentile intervals over problems resampled with replacement."""
    right = (scores > 0) == chosen
    n = int(problems.max()) + 1
    draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)
    each = [np.bincount(problems, weights, n) for weights in (right, np.ones_like(scores), chosen, ~chosen)]
    right_drawn, drawn, chosen_drawn, rejected_drawn = (draws @ counts for counts in each)
    wins = ((draws @ _wins(scores, chosen, problems)) * draws).sum(axis=1)
    accuracy = _interval(float(right.mean()), right_drawn / drawn)
    return accuracy, _interval(float(roc_auc_score(chosen, scores)), wins / (chosen_drawn * rejected_drawn))


def _wins(scores: NDArray[np.float64], chosen: NDArray[np.bool_], problems: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return how often a chosen response of problem i scores above a rejected one of problem j; a tie counts half."""
    member = np.eye(problems.max() + 1)[problems]
    gap = scores[chosen][:, None] - scores[~chosen][None, :]
    won: NDArray[np.float64] = member[chosen].T @ ((np.sign(gap) + 1) / 2) @ member[~chosen]
    return won


def _interval(value: float, drawn: NDArray[np.float64]) -> Interval:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail]).tolist()
    return Interval(value, low, high)
