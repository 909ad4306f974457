"""The command line: the table of commands, their options and help, and errors that name the option."""

import argparse
import inspect
import re
import subprocess
import sys
from ast import literal_eval
from pathlib import Path
from typing import Literal

import pytest

from examples import ROOT, make_both
from r1k.cli import main
from r1k.cli.commands import COMMANDS, Command
from r1k.cli.docstrings import read_docstring
from r1k.cli.options import make_parser, parse
from r1k.config import Client, Data, Teacher
from r1k.records import write_jsonl

FIGURES = {"r1k.report", "r1k.report.figures"}
SCORE = {"run": "a", "seed": "0", "benchmark": "b", "graded": "none.jsonl", "output": "x"}


def score(**changes: str | None) -> list[str]:
    """The arguments of a `score` command; None leaves an option out."""
    options = {name: value for name, value in (SCORE | changes).items() if value is not None}
    return ["score", *(part for name, value in options.items() for part in (f"--{name}", value))]


def actions(command: Command) -> list[argparse.Action]:
    return make_parser(command, command.load())._actions


def test_help_names_every_command_and_imports_no_stage():
    code = "import sys; from r1k.cli import main; main(['--help']); print(sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    overview, _, modules = shown.rpartition("\n[")
    for command in COMMANDS.values():
        assert f"\n  {command.name} " in overview and command.summary in overview
    assert overview.index("check-config") < overview.index("that the workflow's rules call") < overview.index("get-s1k")
    loaded = set(literal_eval(f"[{modules.strip()}"))
    assert not loaded & {"torch", "transformers", "pandas", "matplotlib", "openai", "datasets", "pydantic", "yaml"}
    ours = {name for name in loaded if name.partition(".")[0] == "r1k"}
    assert ours == {"r1k", "r1k.cli", "r1k.cli.commands", "r1k.errors", "r1k.loading", *FIGURES, "r1k.runtime"}


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("r1k 0.")


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_each_command_has_help(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        main([command.name, "--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"usage: r1k {command.name} " in shown
    assert read_docstring(command.load()).summary in shown
    for action in actions(command):
        assert all(name in shown for name in action.option_strings or action.choices or [action.dest])


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name)
def test_each_function_documents_all_its_parameters_and_no_other(command):
    function = command.load()
    documented = read_docstring(function)
    assert list(documented.arguments) == list(inspect.signature(function).parameters)
    assert documented.summary.endswith(".")
    for action in actions(command):
        assert re.fullmatch(r"[A-Z].+\.( \(default: .+\))?", action.help)


def test_rules_give_the_options_that_commands_have_and_need():
    for path in sorted((ROOT / "workflow" / "rules").glob("*.smk")):
        for name, rest in re.findall(r'"r1k ([a-z0-9-]+)((?:[^"]*"\s*f?")*[^"]*")', path.read_text()):
            given = set(re.findall(r"--[a-z0-9-]+", rest))
            options = {option: action for action in actions(COMMANDS[name]) for option in action.option_strings}
            needed = {option for option, action in options.items() if action.required}
            assert needed <= given <= options.keys(), f"{path.name}: {name}"


def example(
    name: Literal["one", "two"],
    *,
    output: Path,
    files: list[Path],
    data: Data,
    teacher: Teacher,
    more: list[int] = [],  # noqa: B006
    start: Path | None = None,
    client: Client | None = None,
    command: str = "",
    batch_size: int = 16,
    share: float = 0.5,
    quiet: bool = False,
) -> None:
    """Show every kind of option; 100 % of
    them.

    Args:
        name: Which one.
        output: The file.
        files: The files,
            on two lines.
        data: Section.
        teacher: Section of several kinds.
        more: Numbers.
        start: The start.
        client: How.
        command: The command.
        batch_size: Size in examples.
        share: Share, at most 50 %.
        quiet: Be quiet.

    Raises:
        Nothing: Ever.
    """


EXAMPLE = Command("example", "people", "An example", "test_cli:example", usage=True)
REQUIRED = ["two", "--output", "o", "--files", "a", "b", "--data", "{source: {kind: world, problems: 3}}"]
REQUIRED += ["--teacher", '{"kind": "embedded"}']


def test_options_come_from_the_signature():
    found = parse(EXAMPLE, example, REQUIRED)
    assert found["name"] == "two"
    assert (found["output"], found["files"]) == (Path("o"), [Path("a"), Path("b")])
    assert (found["data"].source.problems, found["teacher"].kind) == (3, "embedded")
    rest = {name: found[name] for name in ("more", "start", "client", "command", "batch_size", "share", "quiet")}
    assert rest == {
        "more": [],
        "start": None,
        "client": None,
        "command": "",
        "batch_size": 16,
        "share": 0.5,
        "quiet": False,
    }
    assert found["usage"] is None
    given = ["--more", "1", "2", "--start", "s", "--client", "concurrency: 3", "--command", "srun", "--quiet"]
    given += ["--batch-size", "4", "--share", "1e-3", "--usage", "u"]
    found = parse(EXAMPLE, example, [*REQUIRED, *given])
    assert (found["more"], found["start"], found["client"].concurrency) == ([1, 2], Path("s"), 3)
    assert (found["command"], found["quiet"], found["batch_size"], found["share"]) == ("srun", True, 4, 0.001)
    assert found["usage"] == Path("u")


def test_a_rule_with_empty_inputs_writes_bare_options():
    found = parse(EXAMPLE, example, [*REQUIRED, "--start", "--more", "--command"])
    assert (found["start"], found["more"], found["command"]) == (None, [], "")


def test_help_comes_from_the_docstring(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = make_parser(EXAMPLE, example).format_help()
    assert "Show every kind of option; 100 % of them." in shown
    lines = {" ".join(line.split()) for line in shown.splitlines()}
    assert {
        "{one,two} Which one.",
        "--output PATH The file.",
        "--files PATH [PATH ...] The files, on two lines.",
        "--data YAML Section.",
        "--start [PATH] The start.",
        "--batch-size INT Size in examples. (default: 16)",
        "--share NUMBER Share, at most 50 %. (default: 0.5)",
        "--quiet Be quiet.",
    } <= lines
    assert lines >= {"required:", "optional:"}
    assert shown.rindex("--teacher") < shown.index("optional:") < shown.rindex("--more")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "r1k: no command given; `r1k --help` lists the commands"),
        (["scor"], "r1k: unknown command 'scor' (did you mean 'score'?); `r1k --help` lists the commands"),
        (score(seeds="0"), "r1k score: unrecognized arguments: --seeds 0; see `r1k score --help`"),
        (score(seed=None), "r1k score: the following arguments are required: --seed; see `r1k score --help`"),
        (score(seed="x"), "r1k score: argument --seed: invalid int value: 'x'; see `r1k score --help`"),
        (score(), "r1k score: none.jsonl: no such file"),
        (["make-set", "third"], "r1k make-set: argument name: invalid choice: 'third'"),
        (["get-s1k", "--data", "{a: ["], "r1k get-s1k: --data: neither YAML nor JSON: '{a: ['"),
        (["get-s1k", "--data", "@absent.yaml"], "r1k get-s1k: --data: absent.yaml: no such file"),
        (["serve-teacher", "--teacher", "{kind: oracle}"], "r1k serve-teacher: teacher: Input tag 'oracle' found"),
        (["serve-teacher", "--teacher", "{kind: replay}"], "r1k serve-teacher: teacher.path: missing; add it"),
        (["get-base", "--base", "{kind: hub, title: T}"], "r1k get-base: base.repo: missing; add it"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) and value else "",
)
def test_a_wrong_command_line_is_one_message_and_exit_2(arguments, message, capsys):
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert shown.err.startswith(message) and not shown.out
    assert "Traceback" not in shown.err and "usage:" not in shown.err


def test_abbreviated_options_are_unknown(capsys):
    assert main([*score(output=None), "--out", "x"]) == 2
    assert "--out" in capsys.readouterr().err


def test_a_wrong_section_names_its_key(tmp_path, capsys):
    data = "{source: {kind: world, problems: 3}, sed: 1}"
    assert main(["get-s1k", "--data", data, "--output", str(tmp_path / "x")]) == 2
    assert "data.sed: unknown key (did you mean 'seed'?)" in capsys.readouterr().err


def test_a_section_can_come_from_a_file(tmp_path, capsys):
    section = tmp_path / "data.yaml"
    section.write_text("source: {kind: file, path: nowhere.jsonl, problems: 3}")
    assert main(["get-s1k", "--data", f"@{section}", "--output", str(tmp_path / "x")]) == 2
    assert "nowhere.jsonl: no such file" in capsys.readouterr().err


def test_json_numbers_are_read_as_json(tmp_path):
    found = parse(EXAMPLE, example, [*REQUIRED, "--client", '{"input_price": 1e-05}'])
    assert found["client"].input_price == 1e-5


def test_a_base_of_another_kind_is_refused(tmp_path, capsys):
    where = ["--output", str(tmp_path / "o")]
    hub = "{kind: hub, title: T, repo: a/b, revision: main}"
    assert main(["make-tokenizer", "--base", hub, *where]) == 2
    assert capsys.readouterr().err == "r1k make-tokenizer: --base: not a scratch base; use get-base\n"
    assert main(["get-base", "--base", "{kind: scratch, title: T}", "--state", "s", *where]) == 2
    assert "--base: a scratch base is made by make-tokenizer and pretrain" in capsys.readouterr().err


def test_a_drawn_set_needs_section_data(tmp_path, capsys):
    for name, examples in zip(("s1k", "r1k"), make_both(2), strict=True):
        write_jsonl(tmp_path / f"{name}.jsonl", examples)
    files = [f"--{name}={tmp_path / name}.jsonl" for name in ("s1k", "r1k", "output")]
    assert main(["make-set", "half", *files]) == 2
    assert "--data: missing; set 'half'" in capsys.readouterr().err
    assert main(["make-set", "mix", *files]) == 0
    assert len((tmp_path / "output.jsonl").read_text().splitlines()) == 4


def test_generate_wants_a_file_and_a_number_for_each_benchmark(tmp_path, capsys):
    common = ["--base", "b", "--state", "s", "--evaluate", "{}", "--questions", "a.jsonl", "c.jsonl"]
    assert main(["generate", *common, "--outputs", "x", "--repeats", "1", "1"]) == 2
    assert "--outputs: give one for each of --questions" in capsys.readouterr().err
    assert main(["generate", *common, "d/a.jsonl", "--outputs", "x", "y", "z", "--repeats", "1", "1", "1"]) == 2
    assert "--questions: two files have the same name" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["config/demo.yaml", "config/paper.yaml", "config/smollm2.yaml", "config/sample.yaml"])
def test_configs_are_checked_by_hand(path, capsys):
    assert main(["check-config", str(ROOT / path)]) == 0
    assert "training runs per seed" in capsys.readouterr().out
