import csv
import json
import re
import subprocess
import sys

import pytest

from r1k.config import Row, TableSpec
from r1k.errors import ConfigError, RecordError
from r1k.intervals import wilson
from r1k.records import Score, Tally
from r1k.report.tables.accuracy.make import make_table

N = {"aime": 30, "math": 500, "gpqa": 198}


def tally(n, correct, unparsed=0, truncated=0, last=None):
    share = wilson(correct, n)
    return Tally(
        n=n, correct=correct, unparsed=unparsed, truncated=truncated, last_number_correct=last,
        accuracy=share.value, low=share.low, high=share.high,
    )  # fmt: skip


def row(run, data, model="7B", base=None, method="sft", parent=None, start=None):
    return Row(
        variant=None,
        run=run,
        data=data,
        method=method,
        base=base or model.lower(),
        model=model,
        parent=parent,
        start_data=start,
    )


def spec(rows, kind="sft", **changes):
    values = {
        "name": f"table{1 if kind == 'sft' else 2}",
        "kind": kind,
        "rows": rows,
        "benchmarks": {"aime": "AIME", "math": "Math", "gpqa": "GPQA"},
        "seeds": [0],
        "directions": ["all"],
        "published": False,
        "notes": [],
    }
    return TableSpec(**(values | changes))


@pytest.fixture
def table(tmp_path):
    """A function that makes a table from correct counts and returns its three texts."""

    def make(table_spec, counts, edit=None):
        paths = []
        for (run, seed), corrects in counts.items():
            for benchmark, correct in zip(N, corrects, strict=True):
                if correct is None:
                    continue
                score = Score(run=run, seed=seed, benchmark=benchmark, all=tally(N[benchmark], correct, 3, 6, correct))
                path = tmp_path / f"{run}-{seed}-{benchmark}.json"
                path.write_text((edit or (lambda s: s))(score).model_dump_json(indent=1))
                paths.append(path)
        out = {name: tmp_path / f"t.{end}" for name, end in (("markdown", "md"), ("csv", "csv"), ("latex", "tex"))}
        make_table(table=table_spec, scores=paths, **out)
        return {name: path.read_text() for name, path in out.items()}

    return make


SFT = {("b", 0): (0, 250, 60), ("s", 0): (5, 385, 67), ("r", 0): (6, 387, 84), ("m", 0): (2, 280, 63)}
SFT_ROWS = [row("b", None, method="none"), row("s", "s1k"), row("r", "r1k"), row("m", "mix")]


def markdown_rows(text):
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines]


def csv_rows(text, **where):
    rows = csv.DictReader(text.splitlines())
    return [line for line in rows if all(line[key] == value for key, value in where.items())]


def ends(line):
    return float(line["low"]), float(line["high"])


def ends_of(interval):
    return interval.low, interval.high


def test_cells_have_intervals_and_the_best_is_bold(table):
    text = table(spec(SFT_ROWS), SFT)["markdown"]
    rows = {cells[0]: cells for cells in markdown_rows(text)[:6]}
    assert rows["D_s1k"][2] == "16.7% [7.3, 33.6]"
    assert rows["D_r1k"][2] == "**20.0%** [9.5, 37.3]"
    assert rows["D_r1k"][5].startswith("**46.6%** [")
    assert rows["base (no training)"][2] == "0.0% [0.0, 11.4]"
    assert text.count("**") == 8


def test_bold_is_by_base_and_ties_share_it(table):
    rows = [*SFT_ROWS[1:3], row("s14", "s1k", "14B"), row("r14", "r1k", "14B")]
    counts = {**{k: SFT[k] for k in (("s", 0), ("r", 0))}, ("s14", 0): (6, 416, 95), ("r14", 0): (6, 430, 105)}
    shown = [cells[2] for cells in markdown_rows(table(spec(rows), counts)["markdown"])[2:6]]
    assert [cell.startswith("**") for cell in shown] == [False, True, True, True]


def test_a_lone_row_is_not_the_best(table):
    assert "**" not in table(spec([row("s", "s1k")]), SFT)["markdown"]


DPO_ROWS = [row("sd", "pairs", method="dpo", parent="s", start="s1k")]
DPO = SFT | {("sd", 0): (4, 385, 71)}


def test_arrows_are_against_the_parents_own_score(table):
    made = table(spec(DPO_ROWS, "dpo"), DPO)
    cells = markdown_rows(made["markdown"])[2]
    assert cells[0] == "D_s1k (7B)"
    assert cells[1].startswith("13.3% ↓ [")
    assert cells[2].startswith("77.0% = [")
    assert cells[3].startswith("35.9% ↑ [")
    assert cells[4].startswith("42.1% (↓ 0.4%) [")
    assert r"$\mathcal{D}_{s1k}$ (7B) & 13.3\% $\downarrow$ {\scriptsize [5.3, 29.7]}" in made["latex"]
    (line,) = csv_rows(made["csv"], benchmark="gpqa")
    assert (line["parent"], line["arrow"]) == ("s", "up")
    assert float(line["change"]) == pytest.approx(4 / 198, abs=1e-6)
    assert float(line["change_low"]) < 0 < float(line["change_high"])


def test_csv_has_the_counts(table):
    made = table(spec(SFT_ROWS), SFT)
    (line,) = csv_rows(made["csv"], run="r", benchmark="gpqa")
    expected = {
        "n": "198",
        "correct": "84",
        "unparsed": "3",
        "truncated": "6",
        "last_number_correct": "84",
        "best": "1",
    }
    assert {key: line[key] for key in expected} == expected
    assert float(line["accuracy"]) == pytest.approx(84 / 198, abs=1e-6)
    assert ends(line) == pytest.approx(ends_of(wilson(84, 198)), abs=1e-6)
    assert len(csv_rows(made["csv"])) == len(SFT_ROWS) * 4


def test_unparsed_truncated_and_last_number_are_shown(table):
    made = table(spec(SFT_ROWS), SFT)
    behind = markdown_rows(made["markdown"])[6:]
    assert ["D_s1k", "7B", "10.0 / 20.0 / 16.7", "0.6 / 1.2 / 77.0", "1.5 / 3.0 / 33.8"] in behind
    assert r"& 10.0 / 20.0 / 16.7 &" in made["latex"]


def test_no_last_number_is_a_dash_not_a_zero(table):
    def without(score):
        return score.model_copy(update={"all": score.all.model_copy(update={"last_number_correct": None})})

    made = table(spec(SFT_ROWS), SFT, edit=without)
    assert "10.0 / 20.0 / –" in made["markdown"]
    assert {line["last_number_correct"] for line in csv_rows(made["csv"])} == {""}


def test_notes_say_n_seeds_and_what_the_caller_adds(table):
    text = table(spec(SFT_ROWS, notes=["arms are matched in steps"]), SFT)["markdown"]
    assert "- Questions: AIME 30, Math 500, GPQA 198." in text
    assert "seed 0" in text
    assert "- arms are matched in steps" in text


def test_seeds_are_averaged_and_kept(table):
    rows = [row("s", "s1k"), row("r", "r1k")]
    counts = {(run, seed): (5 + seed, 380 + 5 * seed, 60 + seed) for run in "sr" for seed in (0, 1, 2)}
    made = table(spec(rows, seeds=[0, 1, 2]), counts)
    whole, *each = csv_rows(made["csv"], run="s", benchmark="aime")
    assert (whole["seed"], whole["seeds"], whole["n"], whole["correct"]) == ("all", "3", "30", "18")
    assert float(whole["accuracy"]) == pytest.approx(0.2)
    assert ends(whole) == pytest.approx(ends_of(wilson(6, 30)), abs=1e-6)
    assert float(whole["sd_over_seeds"]) == pytest.approx(1 / 30, abs=1e-6)
    assert [(line["seed"], line["correct"]) for line in each] == [("0", "5"), ("1", "6"), ("2", "7")]
    assert "Mean over training seeds 0, 1, 2." in made["markdown"]
    assert "(± 3.3)" in made["markdown"]


def test_directions_get_a_block_each(table):
    def split(score):
        half = score.all.n // 2
        return score.model_copy(update={"forward": tally(half, half), "reverse": tally(half, 0)})

    made = table(spec(SFT_ROWS, directions=["forward", "reverse"]), SFT, edit=split)
    assert "### Forward questions" in made["markdown"]
    assert "- Questions (reverse): AIME 15, Math 250, GPQA 99." in made["markdown"]
    assert {line["accuracy"] for line in csv_rows(made["csv"], direction="forward")} == {"1.0"}
    assert {line["accuracy"] for line in csv_rows(made["csv"], direction="reverse")} == {"0.0"}
    assert r"\textbf{Reverse questions}" in made["latex"]


def test_a_direction_that_no_benchmark_marks_is_an_error(table):
    with pytest.raises(ConfigError, match=r"tables\.table1\.directions: no benchmark marks reverse"):
        table(spec(SFT_ROWS, directions=["reverse"]), SFT)


def test_a_direction_that_one_run_lacks_is_an_error(table):
    def split(score):
        return score if score.run == "m" else score.model_copy(update={"forward": score.all})

    with pytest.raises(RecordError, match="run 'm' on 'aime' does not count forward"):
        table(spec(SFT_ROWS, directions=["forward"]), SFT, edit=split)


def test_published_values_stand_beside_ours(table):
    made = table(spec(SFT_ROWS[1:], published=True), SFT)
    rows = markdown_rows(made["markdown"])
    assert rows[3] == ["*published*", "", "*16.7%*", "*77.0%*", "*34.0%*", "*42.6%*"]
    assert "no whole number of correct answers of 198 gives 34.0" in made["markdown"]
    assert "one question of 30" in made["markdown"]
    (line,) = csv_rows(made["csv"], run="s", benchmark="gpqa")
    assert (line["published"], line["accuracy"]) == ("0.34", "0.338384")


def test_the_contradicting_arrow_is_printed_under_table_2(table):
    made = table(spec(DPO_ROWS, "dpo", published=True), DPO)
    assert "s1k 7B GPQA: goes from 34.0 to 35.9 and is printed with an arrow down" in made["markdown"]
    assert markdown_rows(made["markdown"])[3][0] == "*published*"


def test_published_without_any_published_row_is_an_error(table):
    with pytest.raises(ConfigError, match=r"tables\.table1\.published: .*7B and 14B"):
        table(spec([row("s", "s1k", model="tiny")], published=True), SFT)


@pytest.mark.parametrize(("rows", "shows", "gone"), [(SFT_ROWS, "sft", "r"), (DPO_ROWS, "dpo", "s")])
def test_a_missing_score_is_named(table, rows, shows, gone):
    counts = DPO | {(gone, 0): (1, None, 1)}
    with pytest.raises(RecordError, match=f"no score of run '{gone}', seed 0, on benchmark 'math'"):
        table(spec(rows, shows), counts)


def test_a_missing_seed_is_named(table):
    with pytest.raises(RecordError, match="run 'b', seed 7"):
        table(spec(SFT_ROWS, seeds=[0, 7]), SFT)


def test_a_score_given_twice_is_named(table, tmp_path):
    table(spec(SFT_ROWS), SFT)
    path = tmp_path / "s-0-aime.json"
    with pytest.raises(RecordError, match="run 's', seed 0, benchmark 'aime' is already in"):
        make_table(table=spec(SFT_ROWS), scores=[path, path], **dict.fromkeys(("markdown", "csv", "latex"), tmp_path))


def test_a_broken_score_file_is_named(tmp_path):
    outputs = dict.fromkeys(("markdown", "csv", "latex"), tmp_path / "t")
    broken = tmp_path / "score.json"
    with pytest.raises(RecordError, match=r"score\.json: no such file"):
        make_table(table=spec(SFT_ROWS), scores=[broken], **outputs)
    broken.write_text("{")
    with pytest.raises(RecordError, match=r"score\.json: "):
        make_table(table=spec(SFT_ROWS), scores=[broken], **outputs)
    broken.write_text(json.dumps({"run": "s", "seed": 0, "benchmark": "aime"}))
    with pytest.raises(RecordError, match=r"score\.json: field 'all'"):
        make_table(table=spec(SFT_ROWS), scores=[broken], **outputs)
    assert not (tmp_path / "t").exists()


def test_seeds_with_other_questions_are_an_error(table):
    def fewer(score):
        return (
            score.model_copy(update={"all": tally(20, 3)}) if score.seed == 1 and score.benchmark == "aime" else score
        )

    with pytest.raises(RecordError, match="asked 30 with seed 0, 20 with seed 1 questions of 'aime'"):
        counts = {("s", seed): (5, 385, 67) for seed in (0, 1)}
        table(spec([row("s", "s1k")], seeds=[0, 1]), counts, edit=fewer)


def test_merges_and_routes_are_called_after_their_runs(table):
    made = [row(run, None, method=method) for run, method in (("r", "merge"), ("m", "route"))]
    rows = [row("s", "s1k"), *(each.model_copy(update={"source_runs": ["a", "b"]}) for each in made)]
    labels = [cells[0] for cells in markdown_rows(table(spec(rows), SFT)["markdown"])[2:5]]
    assert labels == ["D_s1k", "merge of a, b", "route of a, b"]


def test_rows_that_are_called_alike_are_told_apart(table):
    rows = [row("s", "s1k"), row("r", "s1k"), row("m", "mix")]
    labels = [cells[0] for cells in markdown_rows(table(spec(rows), SFT)["markdown"])[2:5]]
    assert labels == ["D_s1k (s)", "D_s1k (r)", "D"]


def test_titles_and_notes_are_text_in_every_format(table):
    rows = [row("s", "s1k", model="a|b_c & 50%", base="x"), row("r_1", "s1k", model="a|b_c & 50%", base="x")]
    counts = {("s", 0): (5, 385, 67), ("r_1", 0): (5, 385, 67)}
    benchmarks = {"aime": "*A*<b>", "math": "M_1$x$", "gpqa": "{G}#~^\\"}
    made = table(spec(rows, benchmarks=benchmarks, notes=["a_b & <i>\nnext"]), counts)
    assert "a\\|b_c & 50%" in made["markdown"]
    assert r"\*A\*\<b\>" in made["markdown"]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in made["markdown"].splitlines()[2:6]} == {7}
    assert r"a\textbar{}b\_c \& 50\%" in made["latex"]
    assert r"$\mathcal{D}_{s1k}$ (r\_1)" in made["latex"]
    assert r"M\_1\$x\$ & \{G\}\#\textasciitilde{}\textasciicircum{}\textbackslash{} & Average \\" in made["latex"]
    assert r"a\_b \& \textless{}i\textgreater{} next" in made["latex"]
    assert "- a_b & \\<i\\> next" in made["markdown"]


def test_latex_is_balanced(table):
    for made in (table(spec(SFT_ROWS, published=True), SFT), table(spec(DPO_ROWS, "dpo"), DPO)):
        text = made["latex"]
        assert text.count(r"\begin{") == text.count(r"\end{")
        bare = re.sub(r"\\[\\{}$&%#_]", "", text)
        assert bare.count("{") == bare.count("}")
        assert bare.count("$") % 2 == 0
        body = [line for line in text.splitlines() if line.endswith(r"\\")]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in body} <= {3, 4, 5}
        assert not re.search(r"(?<!\\)%", text.split("\n", 1)[1])
        assert text.isascii()


def test_the_manifest_names_the_scores(table, tmp_path):
    table(spec(SFT_ROWS), SFT)
    manifest = json.loads((tmp_path / "t.manifest.json").read_text())
    assert len(manifest["inputs"]["scores"]) == 12
    assert set(manifest["facts"]["files"]) == {"t.md", "t.csv", "t.tex"}


def test_tables_load_neither_torch_nor_matplotlib():
    heavy = "{'torch', 'matplotlib', 'pandas', 'scipy'}"
    code = f"import sys, r1k.report.tables.accuracy.make; print(sorted({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_rows_of_other_trainings_are_told_apart_and_not_called_sft(table):
    rows = [row("m", "mix"), row("then", "r1k", parent="s"), row("d", "pairs", method="dpo", parent="m", start="mix")]
    counts = {(run, 0): (1, 2, 3) for run in ("m", "then", "d")}
    text = table(spec(rows), counts)["markdown"]
    assert "accuracy by training run" in text and "supervised" not in text
    assert "| D_r1k after s " in text and "| DPO on D " in text
