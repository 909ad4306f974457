"""Names used in records: directions, splits, kinds of responses, metrics."""

from typing import Annotated, Literal, get_args

from pydantic import StringConstraints

Text = Annotated[str, StringConstraints(min_length=1, pattern=r"\S")]
Direction = Literal["forward", "reverse"]
Split = Literal["train", "held_out"]
GreedyKind = Literal["greedy_base", "greedy_start"]
GREEDY: tuple[GreedyKind, ...] = get_args(GreedyKind)
ResponseKind = Literal[
    "chosen",
    "rejected",
    "other_problem_chosen",
    "other_problem_rejected",
    "shuffled_sentences",
    "shuffled_tokens",
    "paraphrase_chosen",
    "paraphrase_rejected",
    "greedy_base",
    "greedy_start",
]
RESPONSE_KINDS: tuple[ResponseKind, ...] = get_args(ResponseKind)
SHUFFLED: tuple[ResponseKind, ...] = ("shuffled_sentences", "shuffled_tokens")
PARAPHRASED: tuple[ResponseKind, ...] = ("paraphrase_chosen", "paraphrase_rejected")
Span = Literal["all", "reasoning", "answer", "first"]
SPANS: tuple[Span, ...] = get_args(Span)
Metric = Literal["log_p", "log_p_argmax", "off_argmax", "entropy", "rank", "share_argmax", "p", "p_rival", "kl"]
METRICS: tuple[Metric, ...] = get_args(Metric)
UpdateKind = Literal["forward", "reverse", "mixed", "dpo"]
UPDATES: tuple[UpdateKind, ...] = get_args(UpdateKind)
DIRECTIONS: tuple[Direction, ...] = ("forward", "reverse")
OPPOSITE: dict[Direction, Direction] = {"forward": "reverse", "reverse": "forward"}
VerdictName = Literal["answer_hidden", "asks_for_given", "uses_answer", "consistent", "reached", "distinct_question"]
VERDICTS: tuple[VerdictName, ...] = get_args(VerdictName)
OverlapPlace = Literal["question", "response"]
OverlapKind = Literal["copy", "reworded", "phrase"]
OVERLAP_KINDS: tuple[OverlapKind, ...] = get_args(OverlapKind)
"""From the strongest to the weakest."""
