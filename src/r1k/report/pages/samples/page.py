"""The page on which people read answers: one HTML file with its script, its style and its data in it."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from r1k.provenance import Stopwatch, write_manifest
from r1k.report.pages.render import write_page
from r1k.report.pages.samples.answers import PageContents, collect
from r1k.report.pages.samples.truncate import script_json

HERE = Path(__file__).parent


def write_samples_page(
    *,
    title: str,
    questions: list[Path],
    samples: list[Path],
    graded: list[Path],
    redistributable: Sequence[str] = (),
    output: Path,
) -> None:
    """Write the page to read all answers on, and to compare two runs.

    Raises RecordError if questions, answers and verdicts do not belong together.

    Args:
        title: The name of the experiment.
        questions: The questions of each benchmark, BENCHMARK.jsonl.
        samples: The answers, .../RUN/SEED/BENCHMARK/samples.jsonl.
        graded: The verdicts, .../RUN/SEED/BENCHMARK/graded.jsonl.
        redistributable: The benchmarks whose text the page may show; of the others it shows ids and verdicts.
        output: The page, as HTML.
    """
    watch = Stopwatch()
    contents = collect(questions, samples, graded, redistributable)
    write_page("samples/page.html.jinja", output, **_values(title, contents))
    inputs = {"questions": questions, "samples": samples, "graded": graded}
    write_manifest(
        output,
        "report.pages.samples",
        inputs,
        watch,
        n=len(contents.answers),
        left_out=contents.left_out,
        cut=contents.cut,
        withheld=contents.withheld,
    )


def _values(title: str, contents: PageContents) -> dict[str, Any]:
    """Return the template's values. The policy lets a browser run the page's own script only, and fetch nothing."""
    style, script = _read("page.css"), _read("shown.js") + _read("page.js")
    return {
        "title": title,
        "policy": f"default-src 'none'; script-src {_source(script)}; style-src {_source(style)}; base-uri 'none'; "
        "form-action 'none'",
        "style": style,
        "script": script,
        "data": script_json(contents.model_dump(exclude_defaults=True, exclude={"answers": {"__all__": {"text"}}})),
        "texts": [_texts(contents, run) for run in range(len(contents.runs))],
    }


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


def _texts(contents: PageContents, run: int) -> str:
    """Return the texts of a run's answers as JSON, in their order. The page's script parses them when it needs them."""
    texts = [
        None if answer.text is None else answer.text.model_dump(exclude_defaults=True)
        for answer in contents.answers
        if answer.run == run
    ]
    return script_json(texts)


def _source(text: str) -> str:
    """Return the source expression that allows one text in a content security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
