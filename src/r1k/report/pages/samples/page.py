"""The page: one file that opens from the disk, with its script, its style and all that it shows in it."""

import base64
import hashlib
import html
from collections.abc import Collection, Sequence
from pathlib import Path
from string import Template

from r1k.files import atomic_write
from r1k.markup import one_line
from r1k.provenance import Stopwatch, commit, write_manifest
from r1k.report.pages.samples.answers import Browsed, browse
from r1k.report.pages.samples.fitting import escaped

HERE = Path(__file__).parent


def write_samples_page(
    *,
    title: str,
    questions: Sequence[Path],
    samples: Sequence[Path],
    graded: Sequence[Path],
    quotable: Collection[str] = (),
    output: Path,
) -> None:
    """Write the page of all answers; of a benchmark that is not `quotable`, the verdicts alone.

    RecordError where questions, answers and verdicts do not belong together.
    """
    watch = Stopwatch()
    browsed = browse(questions, samples, graded, quotable)
    with atomic_write(output) as handle:
        handle.write(page(title, browsed))
    inputs = {"questions": questions, "samples": samples, "graded": graded}
    write_manifest(
        output,
        "report.pages.samples",
        inputs,
        watch,
        n=len(browsed.answers),
        left_out=browsed.left_out,
        cut=browsed.cut,
        withheld=browsed.withheld,
    )


def page(title: str, browsed: Browsed) -> str:
    """The page as HTML. The browser runs the page's own script and no other, and fetches nothing."""
    style, script = _read("page.css"), _read("shown.js") + _read("page.js")
    return Template(_read("page.html")).substitute(
        title=html.escape(one_line(title)),
        policy=f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; base-uri 'none'; "
        "form-action 'none'",
        style=style,
        script=script,
        data=escaped(browsed.model_dump(exclude_defaults=True, exclude={"answers": {"__all__": {"words"}}})),
        words="\n".join(_words(browsed, run) for run in range(len(browsed.runs))),
        commit=html.escape(commit() or "unknown"),
    )


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _words(browsed: Browsed, run: int) -> str:
    """What was written of a run's answers, in their order; apart, so that the script reads it when it is looked at."""
    words = [
        None if answer.words is None else answer.words.model_dump(exclude_defaults=True)
        for answer in browsed.answers
        if answer.run == run
    ]
    return f'<script type="application/json" id="words-{run}">{escaped(words)}</script>'


def _source(text: str) -> str:
    """A content security policy's name for one text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
