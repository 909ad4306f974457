import csv
import json
import re

import numpy as np
import pytest
from made_up import row, spec, verdict, write_counts
from scipy.stats import binomtest

from r1k.data.audit.records import Overlap
from r1k.errors import ConfigError, RecordError
from r1k.intervals import wilson
from r1k.records import write_jsonl
from r1k.report.statistics.grim import grim
from r1k.report.tables.paired_tests.make import make_paired_tests
from r1k.report.tables.published import BENCHMARKS, TABLE_1

ROWS = [row("s", "s1k"), row("r", "r1k"), row("m", "mix")]
COUNTS = {"s": (5, 385, 67), "r": (6, 387, 84), "m": (2, 280, 63)}


@pytest.fixture
def compare(tmp_path):
    """A function that makes paired tests from files and returns its three texts."""

    def make(table_spec, paths, contaminated=None):
        out = {name: tmp_path / f"t.{end}" for name, end in (("markdown", "md"), ("csv", "csv"), ("latex", "tex"))}
        make_paired_tests(table=table_spec, graded=paths, contaminated=contaminated, **out)
        return {name: path.read_text() for name, path in out.items()}

    return make


def cells(text, caption, run):
    """The texts of a run's row in the grid under a caption."""
    grid = text.split(f"{caption}:\n\n")[1].split("\n\n")[0]
    found = (re.split(r"(?<!\\)\|", line.strip("| ")) for line in grid.splitlines())
    return next([word.strip().replace("\\", "") for word in words][1:] for words in found if words[0].strip() == run)


def lines(text, **where):
    rows = csv.DictReader(text.splitlines())
    return [line for line in rows if all(line[key] == value for key, value in where.items())]


def test_counts_have_wilsons_intervals_and_mcnemars_test(compare, tmp_path):
    made = compare(spec(ROWS), write_counts(tmp_path, COUNTS, (30, 500, 198)))
    assert cells(made["markdown"], "Percent correct", "r")[:2] == ["20.0% [9.5, 37.3]", "77.4% [73.5, 80.8]"]
    (line,) = lines(made["csv"], run="r", benchmark="gpqa")
    share = wilson(84, 198)
    assert (float(line["score_low"]), float(line["score_high"])) == pytest.approx((share.low, share.high), abs=1e-6)
    assert float(line["p"]) == pytest.approx(binomtest(17, 17).pvalue)
    assert (line["against"], line["n"], line["seeds"], line["samples"]) == ("s", "198", "1", "1")
    assert float(line["difference"]) == pytest.approx(17 / 198, abs=1e-6)
    assert lines(made["csv"], run="s", benchmark="gpqa")[0]["against"] == ""


def test_p_is_adjusted_over_the_whole_table(compare, tmp_path):
    made = compare(spec(ROWS), write_counts(tmp_path, COUNTS, (30, 500, 198)))
    compared = [line for line in lines(made["csv"]) if line["p"]]
    assert len(compared) == 8
    least = min(compared, key=lambda line: float(line["p"]))
    assert float(least["p_holm"]) == pytest.approx(min(1, 8 * float(least["p"])))
    assert all(float(line["p_holm"]) >= float(line["p"]) for line in compared)
    assert {line["survives"] for line in compared} == {"0", "1"}
    assert "over the 8 comparisons of this table" in made["markdown"]


def test_one_question_of_thirty_does_not_survive_and_could_not_have(compare, tmp_path):
    made = compare(spec(ROWS), write_counts(tmp_path, COUNTS, (30, 500, 198)))
    (line,) = lines(made["csv"], run="r", benchmark="aime")
    assert (line["p"], line["survives"]) == ("1.0", "0")
    assert float(line["smallest_detectable"]) > 0.2


def test_typed_in_counts_of_the_published_table_give_its_percentages_where_counts_can(compare, tmp_path):
    counts, rows = {}, []
    for printed in TABLE_1:
        run = f"{printed.model}-{printed.data}"
        rows.append(row(run, printed.data, printed.model))
        counts[run] = [round(float(v) * n / 100) for v, n in zip(printed.values, BENCHMARKS.values(), strict=True)]
    made = compare(spec(rows), write_counts(tmp_path, counts, list(BENCHMARKS.values())))
    for printed in TABLE_1:
        ours = cells(made["markdown"], "Percent correct", f"{printed.model}-{printed.data}")
        for word, value, n in zip(ours, printed.values, BENCHMARKS.values(), strict=False):
            assert (word.split("%")[0] == str(value)) == bool(grim(value, n).rounded), (printed, value)


def several(folder, runs, seeds=2, questions=40, samples=4, chance=None):
    """Verdicts by seed and sample; a question's first half of directions is forward."""
    rng, paths = np.random.default_rng(0), []
    hard = rng.beta(1, 1, questions)
    for run, lift in runs.items():
        for seed in range(seeds):
            path = folder / run / str(seed) / "aime" / "graded.jsonl"
            write_jsonl(
                path,
                [
                    verdict(
                        f"q{q:02d}", rng.random() < min(1, hard[q] + lift), sample=k,
                        direction="forward" if q < questions // 2 else "reverse",
                    )
                    for q in range(questions)
                    for k in range(samples)
                ],
            )  # fmt: skip
            paths.append(path)
    return paths


SEVERAL = {"benchmarks": {"aime": "AIME"}, "seeds": [0, 1]}


def test_several_answers_have_pass_majority_and_standard_errors(compare, tmp_path):
    made = compare(spec(ROWS[:2], **SEVERAL), several(tmp_path, {"s": 0.0, "r": 0.5}))
    (line,) = lines(made["csv"], run="r")
    assert (line["samples"], line["seeds"], line["n"]) == ("4", "2", "40")
    assert float(line["score"]) < float(line["pass@2"]) < float(line["pass@4"])
    assert float(line["majority"]) > float(line["score"])
    assert (line["survives"], lines(made["csv"], run="s")[0]["p"]) == ("1", "")
    assert float(line["variance_question"]) > 0
    assert len(cells(made["markdown"], "Standard error from questions / training runs / answers, in points", "s")) == 1
    for caption in (
        "At least one of all samples correct (pass@k), percent",
        "Most frequent answer correct (majority@k), percent",
    ):
        assert re.fullmatch(r"\d+\.\d% \[\d+\.\d, \d+\.\d\]", cells(made["markdown"], caption, "s")[0])
    assert "Average" not in made["markdown"].split("- Questions")[0], "one benchmark has no average"


def test_directions_get_a_part_each_and_one_family(compare, tmp_path):
    paths = several(tmp_path, {"s": 0.0, "r": 0.5})
    made = compare(spec(ROWS[:2], **SEVERAL, directions=["forward", "reverse"]), paths)
    assert "### Forward questions" in made["markdown"] and "### Reverse questions" in made["markdown"]
    assert {line["n"] for line in lines(made["csv"])} == {"20"}
    assert "over the 2 comparisons" in made["markdown"]


def overlap(k: int, kind: str = "phrase", ngrams: int = 1) -> Overlap:
    counts = {
        "kind": kind,
        "ngrams": ngrams,
        "question_ngrams": 9,
        "longest": 8,
        "words": 16,
        "exact": False,
        "text": None,
    }
    where = {"problem": "p", "direction": "forward", "where": "question"}
    return Overlap(**where, benchmark="aime", question=f"aime-{k:03d}", **counts)


def test_scores_without_contaminated_questions(compare, tmp_path):
    paths = write_counts(tmp_path, COUNTS, (30, 500, 198))
    known = tmp_path / "contamination.jsonl"
    matches = [overlap(0), overlap(1, "copy", 0)]
    write_jsonl(known, [*matches, matches[0], overlap(2, "reworded", 0)])
    made = compare(spec(ROWS), paths, known)
    (aime,) = lines(made["csv"], run="r", benchmark="aime")
    assert (aime["clean_n"], float(aime["clean"])) == ("28", pytest.approx(4 / 28, abs=1e-6))
    (math,) = lines(made["csv"], run="r", benchmark="math")
    assert (math["clean_n"], math["clean"]) == ("500", math["score"])
    assert "(n = 28)" in cells(made["markdown"], "Percent correct without contaminated questions", "r")[0]
    known.write_text("")
    assert "contaminated" not in compare(spec(ROWS), paths, known)["markdown"]


def test_a_benchmark_that_is_wholly_contaminated_has_no_clean_score(compare, tmp_path):
    known = tmp_path / "contamination.jsonl"
    write_jsonl(known, map(overlap, range(30)))
    made = compare(spec(ROWS), write_counts(tmp_path, COUNTS, (30, 500, 198)), known)
    assert lines(made["csv"], run="r", benchmark="aime")[0]["clean_n"] == ""
    assert len(cells(made["markdown"], "Percent correct without contaminated questions", "r")) == 3


def test_runs_that_were_asked_other_questions_cannot_be_compared(compare, tmp_path):
    paths = [
        *write_counts(tmp_path, {"s": COUNTS["s"]}, (30, 500, 198)),
        *write_counts(tmp_path, {"r": (1, 1, 1)}, (29, 500, 198)),
    ]
    with pytest.raises(RecordError, match="table table1: runs 's' and 'r' were not asked the same questions of 'aime'"):
        compare(spec(ROWS[:2]), paths)


def test_missing_verdicts_and_unmarked_directions_are_named(compare, tmp_path):
    paths = write_counts(tmp_path, COUNTS, (30, 500, 198))
    with pytest.raises(RecordError, match="no verdicts of run 'm', seed 0, on 'gpqa'"):
        compare(spec(ROWS), paths[:-1])
    with pytest.raises(ConfigError, match=r"tables\.table1\.directions: no benchmark marks reverse"):
        compare(spec(ROWS, directions=["reverse"]), paths)


def test_latex_is_balanced_and_the_manifest_names_the_files(compare, tmp_path):
    text = compare(spec(ROWS, notes=["a_b & 5 %"]), write_counts(tmp_path, COUNTS, (30, 500, 198)))["latex"]
    assert text.count(r"\begin{") == text.count(r"\end{")
    bare = re.sub(r"\\[\\{}$&%#_]", "", text)
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    assert not re.search(r"(?<!\\)%", text.split("\n", 1)[1])
    assert text.isascii()
    manifest = json.loads((tmp_path / "t.manifest.json").read_text())
    assert len(manifest["inputs"]["graded"]) == 9
    assert set(manifest["facts"]["files"]) == {"t.md", "t.csv", "t.tex"}
