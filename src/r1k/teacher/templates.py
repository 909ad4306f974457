"""The prompts, as files in `prompts/`: rendered for a teacher, and read back exactly by the teachers on loopback.

`solve.md` is the bare question: the reverse response then differs from the forward one, which DeepSeek-R1 also gave to
a bare question, by its direction and not by a format that was asked for.
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
    """A text with `{{slots}}`, each of which comes once and is parted from the next by some text."""

    name: str
    text: str

    @property
    def digest(self) -> str:
        """The version of the prompt, as each record's provenance has it."""
        return value_digest(self.text)

    def render(self, **slots: str) -> str:
        """The prompt with its slots filled, in one pass: what a slot holds is never read as a slot.

        TeacherError where a slot is empty, or holds the prompt's own delimiter and could be read in two ways.
        """
        filled = {name: text.strip() for name, text in slots.items()}
        rendered = SLOT.sub(lambda slot: filled[slot[1]], self.text)
        if self.read(rendered) != filled:
            raise TeacherError(
                f"prompt {self.name}: {' or '.join(filled)} is empty or holds the text that parts the prompt's slots; "
                "correct the record, or leave it out"
            )
        return rendered

    def read(self, rendered: str) -> dict[str, str] | None:
        """The slots of a rendered prompt; None for a text that is none, or that could be read in two ways."""
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
    """The prompt `prompts/{name}.md` of the package."""
    text = resources.files(package).joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")
    return Template(name, text.strip())


REVERSE_QUESTION = load_template("reverse_question")
SOLVE = load_template("solve")
PARAPHRASE = load_template("paraphrase")
