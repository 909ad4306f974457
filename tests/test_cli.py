import subprocess
import sys

import pytest

from r1k.cli import main


def test_help_names_every_command_and_imports_no_stage():
    code = "import sys; from r1k.cli import main\ntry: main(['--help'])\nexcept SystemExit: print(sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for command in ("get-s1k", "invert", "train", "probe", "generate", "grade", "make-table", "draw-figure2"):
        assert command in shown
    for heavy in ("'torch'", "'transformers'", "'pandas'", "'matplotlib'", "'openai'", "'datasets'"):
        assert heavy not in shown


def test_an_error_is_one_message_and_exit_2(tmp_path, capsys):
    status = main(["score", "--run", "a", "--seed", "0", "--benchmark", "b", "--graded", "none.jsonl", "--output", "x"])
    assert status == 2
    assert capsys.readouterr().err.startswith("r1k score: none.jsonl: no such file")


def test_a_wrong_section_names_its_key(tmp_path, capsys):
    data = "{source: {kind: world, problems: 3}, sed: 1}"
    assert main(["get-s1k", "--data", data, "--output", str(tmp_path / "x")]) == 2
    assert "sed: unknown key (did you mean 'seed'?)" in capsys.readouterr().err


def test_a_section_can_come_from_a_file(tmp_path, capsys):
    section = tmp_path / "data.yaml"
    section.write_text("source: {kind: file, path: nowhere.jsonl, problems: 3}")
    assert main(["get-s1k", "--data", f"@{section}", "--output", str(tmp_path / "x")]) == 2
    assert "nowhere.jsonl: no such file" in capsys.readouterr().err
    assert main(["get-s1k", "--data", "@absent.yaml", "--output", str(tmp_path / "x")]) == 2
    assert "absent.yaml: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("path", ["config/demo.yaml", "config/paper.yaml", "config/smollm2.yaml", "config/sample.yaml"])
def test_configs_are_checked_by_hand(path, capsys):
    from examples import ROOT

    assert main(["check-config", str(ROOT / path)]) == 0
    assert "trainings a seed" in capsys.readouterr().out
