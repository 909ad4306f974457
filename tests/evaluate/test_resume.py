"""Generation that is killed with SIGKILL, and cached answers."""

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from r1k.config import BudgetForcing, Evaluate
from r1k.errors import RecordError
from r1k.evaluate.answer_cache import AnswerBatch, AnswerLog, read_cached_answers
from r1k.evaluate.generate import generate
from r1k.evaluate.prompts import GeneratedAnswer
from r1k.evaluate.resume import answers_key
from r1k.records import Question, write_jsonl

pytestmark = pytest.mark.slow

COMMAND = "import sys; from r1k.cli import main; sys.exit(main(sys.argv[1:]))"
SETTINGS = Evaluate(max_new_tokens=400, batch_size=2, dtype="float32", temperature=1.2)


@pytest.fixture
def questions_file(tmp_path) -> Path:
    questions = [
        Question(id=f"q{k}", benchmark="math", question="How many? " * k, gold="1", kind="k") for k in range(1, 6)
    ]
    write_jsonl(tmp_path / "math.jsonl", questions)
    return tmp_path / "math.jsonl"


def run_to_the_end(folder: Path, base: Path, questions_file: Path, samples: int) -> Path:
    generate(
        base=base,
        questions=[questions_file],
        outputs=[folder / "samples.jsonl"],
        repeats=[samples],
        evaluate=SETTINGS,
        batch_size=SETTINGS.batch_size,
        state=folder / "state",
    )
    return folder / "samples.jsonl"


@pytest.mark.parametrize("samples", [1, 2])
def test_kill_9_loses_one_batch_and_a_rerun_gives_the_same_samples(tmp_path, tiny_base, questions_file, samples):
    killed = tmp_path / "killed"
    options = [
        "--base",
        tiny_base,
        "--questions",
        questions_file,
        "--repeats",
        str(samples),
        "--state",
        killed / "state",
    ]
    options += ["--outputs", killed / "samples.jsonl", "--evaluate", SETTINGS.model_dump_json()]
    options += ["--batch-size", str(SETTINGS.batch_size)]
    process = subprocess.Popen([sys.executable, "-c", COMMAND, "generate", *options], stderr=subprocess.PIPE)
    start = time.monotonic()
    while not (before := lines(killed)) and process.poll() is None and time.monotonic() - start < 120:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, process.stderr.read().decode()[-3000:]
    assert before and not (killed / "samples.jsonl").exists()
    before = lines(killed)  # what came until the kill
    assert len(before) < -(-5 * samples // 2)

    ended = run_to_the_end(killed, tiny_base, questions_file, samples)
    assert ended.read_bytes() == run_to_the_end(tmp_path / "quiet", tiny_base, questions_file, samples).read_bytes()
    assert set(before) <= set(lines(killed))
    generated = Counter(answer.key for answer in all_answers(killed))
    assert len(generated) == 5 * samples and set(generated.values()) == {1}


def lines(folder: Path) -> list[str]:
    found = [path.read_text() for path in sorted(folder.glob("state/*/answers/*.jsonl"))]
    return [line for text in found for line in text.splitlines(keepends=True) if line.endswith("\n")]


def all_answers(folder: Path) -> list[GeneratedAnswer]:
    return [answer for line in lines(folder) for answer in AnswerBatch.model_validate_json(line).answers]


def test_a_second_call_loads_no_model(tmp_path, tiny_base, questions_file, monkeypatch):
    first = run_to_the_end(tmp_path / "a", tiny_base, questions_file, 1).read_bytes()
    monkeypatch.setattr("r1k.evaluate.worker.load_engine", lambda *_: pytest.fail("a model was loaded"))
    assert run_to_the_end(tmp_path / "a", tiny_base, questions_file, 1).read_bytes() == first


def test_a_truncated_line_loses_only_its_own_answers(tmp_path, capsys):
    with AnswerLog(tmp_path) as log:
        log.add([GeneratedAnswer(key="a", ids=[1, 2], ended=True), GeneratedAnswer(key="b", ids=[], ended=False)])
        log.add([GeneratedAnswer(key="c", ids=[3], ended=True)])
    (path,) = tmp_path.glob("*.jsonl")
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        assert set(read_cached_answers(tmp_path)) in (set(), {"a", "b"})
    assert "truncated by a kill" in capsys.readouterr().err
    path.write_bytes(whole)
    kept = read_cached_answers(tmp_path)
    assert {key: (list(found.ids), found.ended) for key, found in kept.items()} == {
        "a": ([1, 2], True),
        "b": ([], False),
        "c": ([3], True),
    }


def test_a_broken_line_is_named(tmp_path):
    (tmp_path / "x.jsonl").write_text('{"answers": []}\n{"answers": 3}\n')
    with pytest.raises(RecordError, match=r"x\.jsonl:2: not a record of answers"):
        read_cached_answers(tmp_path)


def test_the_key_depends_only_on_what_determines_answers(tiny_base):
    def key(engine="transformers", **change):
        return answers_key(tiny_base, None, SETTINGS.model_copy(update=change), engine)

    assert key() == key(batch_size=9, tokens_per_batch=100, max_new_tokens=3, seed=5, temperature=1.0)
    assert len({key(), key("vllm"), key(dtype="bfloat16"), key(budget_forcing=BudgetForcing(num_waits=1))}) == 4
