"""Prompts as files in `prompts/`: rendered for a teacher, and parsed back exactly by the teachers on loopback.

`solve.md` is the bare question, because DeepSeek-R1 also answered a bare question: reverse and forward responses then
differ in direction, not in a requested format.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from importlib import resources

from r1k.errors import TeacherError
from r1k.files import value_digest

SLOT = re.compile(r"\{\{(\w+)\}\}")


@dataclass(frozen=True)
class Template:
    """A text with `{{slots}}`; each slot occurs once, and some text separates it from the next."""

    name: str
    text: str

    @cached_property
    def digest(self) -> str:
        """The version of the prompt, as recorded in `teacher_metadata`."""
        return value_digest(self.text)

    def render(self, **slots: str) -> str:
        """Return the prompt with its slots filled in one pass, so that slot markers inside a value stay as they are.

        Raises:
            TeacherError: A slot is empty, or contains the prompt's own delimiter, which makes the prompt ambiguous.
        """
        filled = {name: text.strip() for name, text in slots.items()}
        rendered = SLOT.sub(lambda slot: filled[slot[1]], self.text)
        if self.parse(rendered) != filled:
            raise TeacherError(
                f"prompt {self.name}: {' or '.join(filled)} is empty or contains the prompt's own delimiter; "
                "correct the record, or remove it"
            )
        return rendered

    def parse(self, rendered: str) -> dict[str, str] | None:
        """Return the slots of a rendered prompt; None if the text is another prompt or ambiguous."""
        first, last = self._lazy.fullmatch(rendered), self._greedy.fullmatch(rendered)
        if first is None or last is None or first.groupdict() != last.groupdict():
            return None
        return first.groupdict()

    @cached_property
    def _lazy(self) -> re.Pattern[str]:
        return self._pattern(".+?")

    @cached_property
    def _greedy(self) -> re.Pattern[str]:
        return self._pattern(".+")

    def _pattern(self, slot: str) -> re.Pattern[str]:
        parts = SLOT.split(self.text)
        pieces = [f"(?P<{part}>{slot})" if index % 2 else re.escape(part) for index, part in enumerate(parts)]
        return re.compile("".join(pieces), re.DOTALL)


def load_template(name: str, package: str = "r1k.teacher") -> Template:
    """Return the prompt `prompts/{name}.md` of the package."""
    text = resources.files(package).joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
    return Template(name, text.strip())


REVERSE_QUESTION = load_template("reverse_question")
SOLVE = load_template("solve")
PARAPHRASE = load_template("paraphrase")
