"""The complete probe: values, records, resumption and invalid input."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from lm_eval.models.huggingface import HFLM
from peft import PeftModel
from probe_models import SYSTEM, build_adapter, build_base, build_pairs
from transformers import AutoModelForCausalLM

from r1k.config import Probe
from r1k.errors import R1kError, RecordError
from r1k.probe.responses import encode_pairs, read_pairs
from r1k.probe.run_probe import list_checkpoints, probe_checkpoints
from r1k.records import LogProb, ProbePair, read_jsonl
from r1k.text import format_response, load_tokenizer

pytestmark = pytest.mark.slow

CONFIG = Probe(dtype="float32", tokens_per_batch=512)


def run_probe(study, place: Path, **overrides) -> list[LogProb]:
    arguments = {
        "run": "tiny-s1k",
        "seed": 7,
        "base": study.base,
        "start": None,
        "steps": study.adapters,
        "epochs": study.epochs,
        "pairs": study.pairs,
        "config": CONFIG,
        "output": place / "probe.jsonl",
        "tracked": place / "tracked.jsonl",
        "greedy": place / "greedy.jsonl",
        "state": place / "state",
        "answers": place / "answers",
    } | overrides
    probe_checkpoints(**arguments)
    return read_jsonl(arguments["output"], LogProb)


def adapted(study, adapter: Path | None, dtype=torch.float32):
    model = AutoModelForCausalLM.from_pretrained(study.base, dtype=dtype)
    if adapter is None:
        return model.eval()
    return PeftModel.from_pretrained(model, adapter).to(dtype).eval()


@pytest.fixture(scope="module")
def records(study, tmp_path_factory) -> list[LogProb]:
    return run_probe(study, tmp_path_factory.mktemp("probed"))


@pytest.fixture(scope="module")
def responses(study):
    return encode_pairs(load_tokenizer(study.base), read_pairs(study.pairs), CONFIG.max_tokens)


def at_step(records: list[LogProb], step: int) -> list[LogProb]:
    return [record for record in records if record.step == step]


def test_one_record_per_example_response_and_step(study, records, responses):
    pairs = read_jsonl(study.pairs, ProbePair)
    assert [record.id for record in records] == [
        f"{step}/{pair.split}/{pair.problem}/{pair.direction}/{side}"
        for step in (0, 3, 6, 12)
        for pair in pairs
        for side in ("chosen", "rejected")
    ]
    assert {record.step: record.epoch for record in records} == {0: 0.0, 3: 2.0, 6: 4.0, 12: 8.0}
    assert {(record.run, record.seed) for record in records} == {("tiny-s1k", 7)}
    assert {record.split for record in records} == {"train", "held_out"}
    for record, response in zip(at_step(records, 6), responses, strict=True):
        assert record.tokens == len(response.item.response)
        assert record.mean == pytest.approx(record.sum / record.tokens, rel=1e-12)
        assert not record.truncated


@pytest.mark.parametrize("step", [0, 3, 12])
def test_sums_are_within_2e_5_a_token_of_float64(study, records, responses, step):
    model = adapted(study, study.adapters.get(step), torch.float64)
    for record, response in zip(at_step(records, step), responses, strict=True):
        prompt, answer = response.item
        with torch.no_grad():
            table = model(input_ids=torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
        exact = sum(table[len(prompt) + t - 1, token].item() for t, token in enumerate(answer))
        assert abs(record.sum - exact) / record.tokens < 2e-5


@pytest.mark.parametrize("step", [0, 6])
def test_sums_are_within_2e_5_a_token_of_lm_eval(study, records, responses, step):
    model = adapted(study, study.adapters.get(step))
    reference = HFLM(pretrained=model, tokenizer=load_tokenizer(study.base), batch_size=1, max_length=2048)
    requests = [(("", ""), list(item.prompt), list(item.response)) for item in (r.item for r in responses)]
    for record, (value, _) in zip(
        at_step(records, step), reference._loglikelihood_tokens(requests, disable_tqdm=True), strict=True
    ):
        assert abs(record.sum - value) / record.tokens < 2e-5


def test_checkpoints_differ(records):
    sums = [[record.sum for record in at_step(records, step)] for step in (0, 3, 6, 12)]
    assert len({tuple(values) for values in sums}) == 4


def test_step_0_is_the_start_if_given(study, records, tmp_path):
    found = run_probe(study, tmp_path, start=study.adapters[12], steps={5: study.adapters[3]}, epochs={5: 1.0})
    assert [r.sum for r in at_step(found, 0)] == [r.sum for r in at_step(records, 12)]
    assert [r.sum for r in at_step(found, 5)] == [r.sum for r in at_step(records, 3)]


def test_only_the_assistant_turn_is_scored(study, responses):
    tokenizer = load_tokenizer(study.base)
    for response in responses:
        question = response.pair.question
        assert tokenizer.decode(response.item.prompt) == (
            f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        )
        answer = format_response(getattr(response.pair, response.side))
        assert tokenizer.decode(response.item.response) == f"{answer}<|im_end|>"


def test_a_response_is_truncated_at_max_tokens(study, tmp_path):
    pairs = build_pairs(tmp_path / "long.jsonl", problems=1, question=6, reasoning=500)
    whole = encode_pairs(load_tokenizer(study.base), read_pairs(pairs), 100_000)
    assert max(len(response.item.response) for response in whole) > 1000
    pair_alone = Probe(dtype="float32", tracked=["chosen", "rejected"])
    found = run_probe(study, tmp_path, pairs=pairs, steps={}, epochs={}, config=pair_alone)
    model = adapted(study, None, torch.float64)
    for record, response in zip(found, whole, strict=True):
        length = len(response.item.response)
        assert record.truncated == (length > 1000)
        assert record.tokens == min(length, 1000)
        ids = torch.tensor([response.item.prompt + response.item.response[:1000]])
        with torch.no_grad():
            table = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
        exact = table.gather(1, ids[0, 1:, None])[len(response.item.prompt) - 1 :].sum().item()
        assert abs(record.sum - exact) / record.tokens < 2e-5
    facts = json.loads((tmp_path / "probe.manifest.json").read_text())["facts"]
    assert facts["responses_truncated"] == sum(record.truncated for record in found) > 0


def test_equal_responses_to_equal_prompts_are_scored_once(study, tmp_path):
    pairs = [pair.model_copy(update={"rejected": pair.chosen}) for pair in read_jsonl(study.pairs, ProbePair)]
    path = tmp_path / "same.jsonl"
    path.write_text("".join(pair.model_dump_json() + "\n" for pair in pairs))
    found = run_probe(study, tmp_path, pairs=path)
    assert [r.sum for r in found if r.response == "chosen"] == [r.sum for r in found if r.response == "rejected"]
    facts = json.loads((tmp_path / "probe.manifest.json").read_text())["facts"]
    assert (facts["responses"], facts["responses_distinct"]) == (2 * len(pairs), len(pairs))


SCRIPT = """
import sys
from pathlib import Path
from r1k.config import Probe
from r1k.probe.run_probe import probe_checkpoints
base, pairs, place, *adapters = map(Path, sys.argv[1:])
steps = {step: adapters[step % len(adapters)] for step in range(1, 61)}
probe_checkpoints(
      run="r", seed=0, base=base, start=None, steps=steps, epochs={step: float(step) for step in steps}, pairs=pairs,
      config=Probe(dtype="float32", tokens_per_batch=512), output=place / "probe.jsonl",
      tracked=place / "tracked.jsonl", greedy=place / "greedy.jsonl", state=place / "state",
      answers=place / "answers")
"""


def test_after_kill_9_only_what_is_missing_is_scored(study, tmp_path):
    command = [sys.executable, "-c", SCRIPT, study.base, study.pairs]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    with subprocess.Popen(
        [*command, killed, *study.adapters.values()], env=environment, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + 120
        while not (killed / "state/3.jsonl").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert not (killed / "probe.jsonl").exists()
    finished = {path.name: path.stat().st_mtime_ns for path in killed.glob("state/*.jsonl")}
    finished_tracked = {
        path: path.stat().st_mtime_ns for path in killed.glob("state/tracked/*.jsonl") if path.name in finished
    }
    assert 4 <= len(finished) < 61

    steps = {step: list(study.adapters.values())[step % 3] for step in range(1, 61)}
    same = {"run": "r", "seed": 0, "steps": steps, "epochs": {step: float(step) for step in steps}}
    run_probe(study, killed, **same)
    run_probe(study, whole, **same)
    assert {name: (killed / "state" / name).stat().st_mtime_ns for name in finished} == finished
    assert {path: path.stat().st_mtime_ns for path in finished_tracked} == finished_tracked
    for name in ("probe.jsonl", "tracked.jsonl"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    facts = json.loads((killed / "probe.manifest.json").read_text())["facts"]
    assert facts["checkpoints_resumed"] == len(finished)


def test_a_state_of_other_inputs_is_rejected(study, tmp_path):
    run_probe(study, tmp_path)
    with pytest.raises(RecordError, match=r"state/0.jsonl: holds records of other probe pairs or settings; remove"):
        run_probe(study, tmp_path, config=Probe(dtype="float32", max_tokens=20))


def test_a_missing_pairs_file_is_named(study, tmp_path):
    with pytest.raises(RecordError, match=r"absent.jsonl: no such file"):
        run_probe(study, tmp_path, pairs=tmp_path / "absent.jsonl")


def test_bad_pairs_are_named_by_line_or_problem(study, tmp_path):
    lines = study.pairs.read_text().splitlines()
    path = tmp_path / "bad.jsonl"

    path.write_text("\n".join([*lines, lines[0]]) + "\n")
    with pytest.raises(RecordError, match=rf"bad.jsonl:{len(lines) + 1}: field 'id': '0-forward' is already"):
        run_probe(study, tmp_path, pairs=path)

    path.write_text("\n".join([*lines, json.dumps(json.loads(lines[0]) | {"id": "new"})]) + "\n")
    with pytest.raises(RecordError, match=r"bad.jsonl: field 'problem': '0' occurs 2 times as forward"):
        run_probe(study, tmp_path, pairs=path)

    path.write_text("\n".join([*lines, '{"id": ']) + "\n")
    with pytest.raises(RecordError, match=rf"bad.jsonl:{len(lines) + 1}: not a line of JSON"):
        run_probe(study, tmp_path, pairs=path)


def test_a_sequence_beyond_the_positions_is_an_error(study, tmp_path):
    base = build_base(tmp_path / "short", positions=40)
    with pytest.raises(R1kError, match=r"0-forward, chosen: \d+ tokens of prompt and response, but the base has 40"):
        run_probe(study, tmp_path, base=base, steps={}, epochs={})


def test_a_diverged_checkpoint_is_named_and_not_recorded(study, tmp_path):
    diverged = build_adapter(tmp_path / "diverged", study.base, seed=1, size=float("inf"))
    with pytest.raises(R1kError, match=r"step 4: the model of .*diverged gives log-probabilities that are not finite"):
        run_probe(study, tmp_path, steps={4: diverged}, epochs={4: 1.0})
    assert [path.name for path in tmp_path.glob("state/*.jsonl")] == ["0.jsonl"]


def test_steps_are_positive_and_have_epochs(study):
    for steps, epochs in (({0: study.base}, {0: 0.0}), ({4: study.base}, {8: 1.0})):
        with pytest.raises(R1kError, match=r"step \d: a probed step is positive and has an epoch"):
            list_checkpoints(None, steps, epochs)
