"""DPO's rows as the authors' released code has them: `protocol: as_released`.

The `question` column stays the forward problem's where a pair is turned round, and is the prompt as bare text. A
completion is the whole conversation that its response is from, so its loss covers a system and a user turn as well. The
preferred one ends in a newline that the rejected one lacks. Where the whole is too long, its last tokens are kept, and
a prompt may be gone.
"""

from collections.abc import Mapping, Sequence

from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from r1k.errors import TrainError
from r1k.records import OPPOSITE, Direction, Pair, Response
from r1k.text import encode, encode_plain
from r1k.train.rows import Row, some

Questions = Mapping[tuple[str, Direction], str]
"""By problem and direction."""


def make_rows(tokenizer: PreTrainedTokenizerBase, pairs: Sequence[Pair], max_length: int) -> list[Row]:
    """The rows of all pairs, uncut: the trainer keeps the last `max_length` tokens, and here what it cuts is counted.

    TrainError for a pair whose problem lacks one in the other direction.
    """
    questions = {(pair.problem, pair.direction): pair.question for pair in pairs}
    return some([row(tokenizer, pair, questions, max_length) for pair in tqdm(pairs, desc="tokens", unit="record")])


def row(tokenizer: PreTrainedTokenizerBase, pair: Pair, questions: Questions, max_length: int) -> Row:
    """`prompt_ids` of the forward question alone, and of each completion its whole conversation."""
    other = questions.get((pair.problem, OPPOSITE[pair.direction]))
    if other is None:
        raise TrainError(
            f"{pair.id}: problem {pair.problem!r} has no pair of the {OPPOSITE[pair.direction]} direction, whose "
            "question protocol as_released repeats; rebuild pairs.jsonl"
        )
    chosen, rejected = (
        _conversation(tokenizer, question, response, f"{pair.id} {side}")
        for side, question, response in (("chosen", pair.question, pair.chosen), ("rejected", other, pair.rejected))
    )
    columns = {
        "prompt_ids": encode_plain(tokenizer, pair.question if pair.direction == "forward" else other),
        "chosen_ids": chosen + encode_plain(tokenizer, "\n"),
        "rejected_ids": rejected,
    }
    lengths = [len(columns[side]) for side in ("chosen_ids", "rejected_ids")]
    return Row(
        pair.id,
        columns,
        tokens=sum(min(length, max_length) for length in lengths),
        cut=sum(max(0, length - max_length) for length in lengths),
    )


def _conversation(tokenizer: PreTrainedTokenizerBase, question: str, response: Response, name: str) -> list[int]:
    text = encode(tokenizer, question, response, name)
    return text.prompt + text.response
