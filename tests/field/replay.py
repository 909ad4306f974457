"""Replay field reports: run the product on each report's input, and compare what comes out with what is wanted.

    python tests/field/replay.py FILE

FILE has rows in the form of `reports-data.jsonl` (`area`, `kind`, `reported`, `input`, `want`). Prints a line per wrong
case, then one JSON line with `n` and, by kind, how many cases pass and fail. The module of an area's handler has a
function `replay(area, given)`, which returns what came out for a row's `input` in the form of the rows' `got`.

A case is right if each key of `want` matches what came out: `{"any": [...]}` if one of the alternatives matches;
`X_says` if the text is a part of `X`; `X_below` if `X` is a smaller number; `"int"` if `pad` is an integer; any other
key if the values are equal.
"""

import argparse
import importlib
import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

HANDLERS = {
    "data.benchmark": "field_readers",
    "data.s1k": "field_readers",
    "grading": "field_grading",
    "judge": "field_teacher",
    "records": "field_readers",
    "teacher.client": "field_teacher",
    "teacher.inversion": "field_teacher",
    "text": "field_readers",
}
"""The module that replays an area."""

RENAMED_WORDS = {
    "cut": "truncated",
    "left out": "skipped",
    "never closed": "not closed",
    "no text or number": "neither text nor a number",
    "same as the right one": "equals the right one",
}
"""Words of messages on the day of the reports, and what the messages say today."""


def replay(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return what comes out for a row's input; errors that the product is not meant to raise become `crash`."""
    area = row["area"]
    if area not in HANDLERS:
        return {"crash": f"no handler for area {area!r}; the areas are {', '.join(HANDLERS)}"}
    try:
        handler = importlib.import_module(HANDLERS[area])
    except ModuleNotFoundError as error:
        if error.name != HANDLERS[area]:
            raise
        return {"crash": f"tests/field/{HANDLERS[area]}.py, the handler of area {area!r}, is missing"}
    try:
        came_out: dict[str, Any] = handler.replay(area, row["input"])
    except Exception as error:  # noqa: BLE001 - a traceback of the product is a result of the replay
        return {"crash": f"{type(error).__name__}: {error}"}
    return came_out


def matches(want: Mapping[str, Any], got: Mapping[str, Any]) -> bool:
    """Return whether what came out is what is wanted."""
    return all(_matches(key, value, got) for key, value in want.items())


def _matches(key: str, want: Any, got: Mapping[str, Any]) -> bool:
    if key == "any":
        return any(matches(each, got) for each in want)
    if key.endswith("_says"):
        text = str(got.get(key.removesuffix("_says")))
        return want in text or RENAMED_WORDS.get(want, want) in text
    if key.endswith("_below"):
        value = got.get(key.removesuffix("_below"))
        return isinstance(value, int | float) and value < want
    if (key, want) == ("pad", "int"):
        return type(got.get("pad")) is int
    return key in got and got[key] == want


def report(rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Print a line per wrong case; return the number of cases, and by kind how many pass and fail."""
    counts: dict[str, Counter[str]] = {"pass": Counter(), "fail": Counter()}
    for number, row in enumerate(rows, start=1):
        got = replay(row)
        right = matches(row["want"], got)
        counts["pass" if right else "fail"][row["kind"]] += 1
        if not right:
            shown = {key: row[key] for key in ("area", "kind", "reported", "want")} | {"got": got}
            print(f"{number}: {json.dumps(shown, ensure_ascii=False)}", flush=True)
    n = sum(counter.total() for counter in counts.values())
    return {"n": n, **{name: dict(sorted(counter.items())) for name, counter in counts.items()}}


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file of reports. Only a line feed ends a line."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line.strip()]


def main() -> None:
    """Replay the reports of a file."""
    parser = argparse.ArgumentParser(description="Replay field reports.")
    parser.add_argument("file", type=Path, help="rows in the form of reports-data.jsonl")
    print(json.dumps(report(read_rows(parser.parse_args().file))))


if __name__ == "__main__":
    main()
