"""DPO rows as the authors' released code builds them (`protocol: as_released`).

The prompt is always the forward question as bare text, also for a pair of the reverse direction. Each completion is the
whole conversation of its response, and the loss therefore covers the system and user turns too. The chosen completion
ends in a newline; the rejected one does not. A sequence longer than `max_length` keeps its last tokens, which can drop
the prompt.
"""

from collections.abc import Mapping, Sequence

from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from r1k.errors import TrainError
from r1k.records import OPPOSITE, Direction, Pair, Response
from r1k.text import encode, encode_plain
from r1k.train.rows import TrainingRow, require_rows

Questions = Mapping[tuple[str, Direction], str]
"""Question text by problem and direction."""


def make_rows(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair], max_length: int) -> list[TrainingRow]:
    """Return the rows of all pairs, not truncated.

    The trainer keeps the last `max_length` tokens; each row counts the tokens that this removes.

    Raises:
        TrainError: A problem has a pair in one direction only.
    """
    questions = {(pair.problem, pair.direction): pair.question for pair in pairs}
    progress = tqdm(pairs, desc="tokenize", unit="record")
    return require_rows([make_row(tokenizer, pair, questions, max_length) for pair in progress])


def make_row(tokenizer: PreTrainedTokenizerBase, pair: Pair, questions: Questions, max_length: int) -> TrainingRow:
    """Return the row of one pair: the forward question as the prompt, a whole conversation as each completion."""
    opposite = OPPOSITE[pair.direction]
    opposite_question = questions.get((pair.problem, opposite))
    if opposite_question is None:
        raise TrainError(
            f"{pair.id}: problem {pair.problem!r} has no pair of the {opposite} direction, whose question "
            "protocol as_released repeats; rebuild pairs.jsonl"
        )
    chosen, rejected = (
        _conversation(tokenizer, question, response, f"{pair.id} {side}")
        for side, question, response in (
            ("chosen", pair.question, pair.chosen),
            ("rejected", opposite_question, pair.rejected),
        )
    )
    forward_question = pair.question if pair.direction == "forward" else opposite_question
    columns = {
        "prompt_ids": encode_plain(tokenizer, forward_question),
        "chosen_ids": chosen + encode_plain(tokenizer, "\n"),
        "rejected_ids": rejected,
    }
    lengths = [len(columns[side]) for side in ("chosen_ids", "rejected_ids")]
    return TrainingRow(
        pair.id,
        columns,
        tokens=sum(min(length, max_length) for length in lengths),
        truncated_tokens=sum(max(0, length - max_length) for length in lengths),
    )


def _conversation(tokenizer: PreTrainedTokenizerBase, question: str, response: Response, name: str) -> list[int]:
    text = encode(tokenizer, question, response, name)
    return text.prompt + text.response
