"""Scores of questions with several sampled answers each: every function returns a value in 0 to 1 per question.

Arrays end in the axes (questions, samples); leading axes are kept.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import hypergeom

NO_VOTE = -1


def average(correct: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return avg@k: the share of a question's answers that are correct."""
    return np.asarray(correct.mean(axis=-1))


def pass_at(correct: NDArray[np.bool_], k: int) -> NDArray[np.float64]:
    """Return pass@k: the probability that `k` of a question's n answers, drawn without replacement, hold a correct one.

    Unbiased, 1 - C(n - c, k) / C(n, k) (Chen et al., Evaluating large language models trained on code, 2021, eq. 1).
    Raises ValueError if `k` is not from 1 to n.
    """
    n = correct.shape[-1]
    if not 1 <= k <= n:
        raise ValueError(f"no pass@{k} from {n} answers to a question")
    by_count = hypergeom.sf(0, n, np.arange(n + 1), k)
    return np.asarray(by_count[correct.sum(axis=-1)])


def majority(correct: NDArray[np.bool_], votes: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Return majority@k: whether the most frequent answer to a question is correct.

    `votes` numbers a question's answers, with equal numbers for equal answers and NO_VOTE for an answer that could not
    be parsed. A tie is broken at random: the value is then the probability of a correct answer. A question without
    votes scores 0.
    """
    k = correct.shape[-1]
    cast, right = votes.reshape(-1, k), correct.reshape(-1, k)
    question = np.broadcast_to(np.arange(len(cast))[:, None], cast.shape)
    counted = cast != NO_VOTE
    choices = int(cast.max(initial=0)) + 1
    ballots = question[counted] * choices + cast[counted]
    ballot, member, size = np.unique(ballots, return_inverse=True, return_counts=True)
    owner = ballot // choices
    share_right = np.bincount(member, weights=right[counted], minlength=len(size)) / size
    most = np.zeros(len(cast), dtype=size.dtype)
    np.maximum.at(most, owner, size)
    top = size == most[owner]
    tied = np.bincount(owner[top], minlength=len(cast))
    won = np.bincount(owner[top], weights=share_right[top], minlength=len(cast))
    return np.asarray(np.divide(won, tied, out=np.zeros(len(cast)), where=tied > 0).reshape(correct.shape[:-1]))
