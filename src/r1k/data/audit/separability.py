"""Can a bag of tokens tell the preferred response y+ from the rejected y-?

A classifier that never sees the prompt should not: what it finds (an end marker, a formula at the start) can be learned
by DPO in place of the direction. Over all prompts every response is once y+ and once y-, and chance is certain unless
the two are formatted apart; over the prompts of one direction, y+ is y_f or y_r throughout, and the score says how far
direction alone can be read off a response's ends.
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

from r1k.data.audit.records import End, Estimate, Separability
from r1k.data.audit.tokens import Ids, TokenCache, kept_tokens
from r1k.intervals import CONFIDENCE
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
    """As trained on, cut where the training cuts."""


def pair_responses(pairs: Sequence[Pair], tokens: TokenCache, limit: int) -> list[PairResponse]:
    """Both responses of each pair, cut at `limit` tokens of prompt and response."""
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
    """Scores over all prompts and over those of each direction, from the first and from the last tokens."""
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
    """`n`, `problems`, accuracy and AUC of a logistic regression on token counts (L2, C = 1).

    Cross-validated in five folds (or as many as there are problems, at least two): no problem is both learned from and
    scored. The AUC is over the scores of all folds together.
    """
    bags = [side.ids[:TOKENS] if end == "first" else side.ids[-TOKENS:] for side in found]
    chosen = np.array([side.chosen for side in found])
    names, problems = np.unique([side.problem for side in found], return_inverse=True)
    # The bag of an array is its values.
    model = make_pipeline(CountVectorizer(analyzer=list), LogisticRegression(max_iter=1000))
    folds = GroupKFold(n_splits=min(FOLDS, len(names)))
    scores = cross_val_predict(model, bags, chosen, groups=problems, cv=folds, method="decision_function")
    accuracy, auc = _estimates(scores, chosen, problems)
    return {"n": len(found), "problems": len(names), "accuracy": accuracy, "auc": auc}


def _estimates(
    scores: NDArray[np.float64], chosen: NDArray[np.bool_], problems: NDArray[np.intp]
) -> tuple[Estimate, Estimate]:
    """Accuracy and AUC, with percentile intervals over whole problems drawn with replacement."""
    right = (scores > 0) == chosen
    n = int(problems.max()) + 1
    draws = np.random.default_rng(0).multinomial(n, np.full(n, 1 / n), size=RESAMPLES).astype(np.float64)
    each = [np.bincount(problems, weights, n) for weights in (right, np.ones_like(scores), chosen, ~chosen)]
    right_drawn, drawn, chosen_drawn, rejected_drawn = (draws @ counts for counts in each)
    wins = ((draws @ _wins(scores, chosen, problems)) * draws).sum(axis=1)
    accuracy = _estimate(float(right.mean()), right_drawn / drawn)
    return accuracy, _estimate(float(roc_auc_score(chosen, scores)), wins / (chosen_drawn * rejected_drawn))


def _wins(scores: NDArray[np.float64], chosen: NDArray[np.bool_], problems: NDArray[np.intp]) -> NDArray[np.float64]:
    """How often a preferred response of problem i scores above a rejected one of problem j, a tie counting half."""
    member = np.eye(problems.max() + 1)[problems]
    gap = scores[chosen][:, None] - scores[~chosen][None, :]
    won: NDArray[np.float64] = member[chosen].T @ ((np.sign(gap) + 1) / 2) @ member[~chosen]
    return won


def _estimate(value: float, drawn: NDArray[np.float64]) -> Estimate:
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail]).tolist()
    return Estimate(value=value, low=low, high=high)
