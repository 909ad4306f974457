"""Read the cells of data sets that other people made: texts, numbers, grades, chats and tagged responses."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from r1k.errors import RecordError, did_you_mean

SURROGATE = re.compile("[\ud800-\udfff]")
"""JSON escapes can encode half of a surrogate pair, which UTF-8 cannot represent."""
GRADES = {"yes": True, "true": True, "no": False, "false": False}
QUESTION_ROLES, RESPONSE_ROLES = ("user", "human"), ("assistant", "gpt")
THOUGHT = (("<think>", "</think>"), ("<|begin_of_thought|>", "<|end_of_thought|>"))
"""Tags around the reasoning of a response: DeepSeek-R1's and those of OpenThoughts and Sky-T1."""
SOLUTION = ("<|begin_of_solution|>", "<|end_of_solution|>")


@dataclass(frozen=True)
class DataRow:
    """A row of a data set, and what error messages say about it."""

    where: str
    """`FILE:LINE`, or the row of a data set of the hub."""
    cells: Mapping[str, Any]
    fields_key: str
    """The config's key of the columns' names, such as `data.source.fields`."""

    def cell(self, column: str) -> Any:
        """Return a cell; raise RecordError if the row has no such column."""
        if column not in self.cells:
            raise RecordError(
                f"{self.where}: field {column!r} is missing{did_you_mean(column, self.cells)}; correct the row, or "
                f"{self.fields_key}"
            )
        return self.cells[column]

    def text(self, column: str) -> str:
        """Return a cell that holds text, or a number, as text.

        Raises:
            RecordError: The cell is missing, empty, of another type, or not valid text.
        """
        return self._as_text(column, self.cell(column))

    def optional_text(self, column: str | None) -> str | None:
        """Return a cell as text; None if it is null or empty, or if no column is named."""
        value = None if column is None else self.cell(column)
        return None if value is None or (isinstance(value, str) and not value.strip()) else self._as_text(column, value)

    def only_text(self, column: str) -> str:
        """Return a cell that holds a text, or a list of one text, as text; raises RecordError as `text` does."""
        value = self.cell(column)
        if isinstance(value, list):
            if len(value) != 1:
                raise RecordError(
                    f"{self.where}: field {column!r} is a list of {len(value)} texts, and an example has one; choose "
                    "one of them"
                )
            value = value[0]
        return self._as_text(column, value)

    def grade(self, column: str | None) -> bool | None:
        """Return whether the answer was graded correct: true, false, yes or no; None for any other value."""
        value = None if column is None else self.cell(column)
        return value if isinstance(value, bool) else GRADES.get(str(value).strip().lower())

    def exchange(self, column: str) -> tuple[str, str]:
        """Return question and response of a chat, whose turns are `role` and `content`, or `from` and `value`.

        Turns of the system are ignored.

        Raises:
            RecordError: The cell is no list of turns, or holds other turns than one question and one response.
        """
        value = self.cell(column)
        if not isinstance(value, list) or not all(isinstance(turn, Mapping) for turn in value):
            raise RecordError(f"{self.where}: field {column!r} is no list of turns (got {value!r:.80}); {self._remedy}")
        turns = [(turn.get("role", turn.get("from")), turn.get("content", turn.get("value"))) for turn in value]
        found = [(role, text) for role, text in turns if role != "system"]
        roles = [role for role, _ in found]
        if len(found) != 2 or roles[0] not in QUESTION_ROLES or roles[1] not in RESPONSE_ROLES:
            raise RecordError(
                f"{self.where}: field {column!r} has turns of {', '.join(map(str, roles)) or 'nobody'}; an example is "
                f"one question of a user and one response of an assistant: {self._remedy}"
            )
        question, response = (self._as_text(f"{column}.{role}", text) for role, text in found)
        return question, response

    def parted(self, column: str, response: str) -> tuple[str, str]:
        """Return reasoning and answer of a response with its reasoning in tags, such as `<think>…</think>`.

        The opening tag may be missing, as many chat templates put it into the prompt.

        Raises:
            RecordError: The response has no closing tag, several tags, text before its opening tag, or no answer.
        """
        used = [tags for tags in THOUGHT if any(tag in response for tag in tags)]
        if not used:
            raise RecordError(
                f"{self.where}: field {column!r} has no reasoning in <think>…</think>; name the columns of reasoning "
                f"and answer in {self.fields_key}, or {self._remedy}"
            )
        opening, closing = used[0]
        before, _, answer = response.partition(closing)
        start, _, reasoning = before.rpartition(opening)
        opened, closed = response.count(opening), response.count(closing)
        if closed != 1 or opened > 1 or start.strip() or opening in answer:
            raise RecordError(
                f"{self.where}: field {column!r} has {opened} {opening} and {closed} {closing}; a response begins with "
                f"its reasoning, which is in tags once: {self._remedy}"
            )
        answer = answer.strip().removeprefix(SOLUTION[0]).removesuffix(SOLUTION[1])
        for name, part in (("reasoning", reasoning), ("answer", answer)):
            if not part.strip():
                raise RecordError(f"{self.where}: field {column!r} has an empty {name}; {self._remedy}")
        return reasoning.strip(), answer.strip()

    def _as_text(self, column: str | None, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise RecordError(
                f"{self.where}: field {column!r} is neither text nor a number (got {value!r:.80}); correct the row"
            )
        if isinstance(value, float) and not math.isfinite(value):
            raise RecordError(f"{self.where}: field {column!r} is not a finite number (got {value}); correct the row")
        text = value if isinstance(value, str) else number_text(value)
        if not text.strip():
            raise RecordError(f"{self.where}: field {column!r} is empty; {self._remedy}")
        if SURROGATE.search(text):
            raise RecordError(
                f"{self.where}: field {column!r} holds half of a surrogate pair, which is not text; correct the row"
            )
        return text

    @property
    def _remedy(self) -> str:
        return f"correct the row, or remove it and correct the count in {self.fields_key.rpartition('.')[0]}"


def number_text(value: int | float) -> str:
    """Return a finite number in decimal notation, without an exponent: 204.0 is `204.0`, 1e-05 is `0.00001`."""
    return format(Decimal(repr(value)), "f")
