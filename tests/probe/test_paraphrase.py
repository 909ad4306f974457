"""Paraphrases by a teacher: requests, scored responses, costs, and recovery after a kill."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batch_server import batch_server, left_out
from faulty_teacher import KEY, KEY_VARIABLE, FaultyServer, message, refused
from probe_models import build_base, build_pairs

import r1k.world
from r1k.config import EmbeddedTeacher, Probe
from r1k.data.sets import probe as probe_set
from r1k.errors import R1kError, TeacherError
from r1k.files import write_json
from r1k.probe.paraphrase import paraphrase
from r1k.probe.paraphrase_text import excerpt, read_paraphrases
from r1k.probe.responses import encode_pairs, read_pairs
from r1k.probe.run_probe import probe_checkpoints
from r1k.probe.tracked import make_tracked
from r1k.records import (
    PARAPHRASED,
    Example,
    Paraphrase,
    ProbePair,
    Response,
    Tracked,
    read_jsonl,
    write_jsonl,
)
from r1k.teacher.server import running
from r1k.text import ANSWER, END_OF_TURN, THINK, load_tokenizer

KINDS = ["chosen", "rejected", *PARAPHRASED]
CONFIG = Probe(dtype="float32", tokens_per_batch=512, tracked=KINDS)
RUN = """
import json, sys
from pathlib import Path
from r1k.config import OpenAITeacher, Probe
from r1k.probe.paraphrase import paraphrase
teacher, client, probe, paths = json.loads(sys.argv[1])
paths = {name: Path(path) for name, path in paths.items()}
paraphrase(teacher=OpenAITeacher(**teacher, client=client), probe=Probe(**probe), **paths)
"""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "sk-marked")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with running(FaultyServer()) as faulty:
        yield faulty


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return build_base(tmp_path_factory.mktemp("paraphrase") / "base")


@pytest.fixture(scope="module")
def tokenizer(base):
    return load_tokenizer(base)


@pytest.fixture
def paths(base, tmp_path) -> dict[str, Path]:
    pairs = build_pairs(tmp_path / "probe.jsonl", problems=4, question=6, reasoning=14)
    return {
        "base": base,
        "pairs": pairs,
        "r1k": tmp_path / "r1k.jsonl",
        "output": tmp_path / "paraphrases.jsonl",
        "journal": tmp_path / "journal.jsonl",
    }


def facts(paths) -> dict:
    return json.loads(paths["output"].with_suffix(".manifest.json").read_text())["facts"]


def tracked(tokenizer, paths, config=CONFIG):
    pairs = read_pairs(paths["pairs"])
    responses = encode_pairs(tokenizer, pairs, config.max_tokens)
    return make_tracked(tokenizer, responses, config, paraphrases=read_paraphrases(paths["output"]))


def test_each_response_is_paraphrased_and_scored_with_its_own_answer(server, tokenizer, paths):
    paraphrase(teacher=server.teacher(), probe=CONFIG, **paths)
    by_key = {(pair.problem, pair.direction): pair for pair in read_pairs(paths["pairs"])}
    found = read_jsonl(paths["output"], Paraphrase)
    assert len(found) == len(by_key) == server.total == facts(paths)["asked"]
    for one in found:
        reasoning = by_key[one.problem, one.direction].chosen.reasoning
        assert one.reasoning == f"Said otherwise, {' '.join(reversed(reasoning.split()))}" and one.whole
    written = {(one.problem, one.direction): one.reasoning for one in found}
    responses, unavailable = tracked(tokenizer, paths)
    paraphrased = [response for response in responses if response.kind in PARAPHRASED]
    assert unavailable == 0 and len(paraphrased) == 2 * len(by_key)
    for response in paraphrased:
        chosen = response.kind == "paraphrase_chosen"
        pair = response.pair
        direction = pair.direction if chosen else {"forward": "reverse", "reverse": "forward"}[pair.direction]
        answer = (pair.chosen if chosen else pair.rejected).answer
        text = f"{THINK}{written[pair.problem, direction]}\n{ANSWER}Answer: {answer}{END_OF_TURN}"
        assert tokenizer.decode(response.item.response) == text
        assert not response.truncated and response.source_problem == pair.problem


def test_only_what_the_probe_reads_is_paraphrased(server, tokenizer, paths):
    short = CONFIG.model_copy(update={"max_tokens": 12})
    paraphrase(teacher=server.teacher(), probe=short, **paths)
    pairs = {pair.id: pair for pair in read_pairs(paths["pairs"])}
    for encoded in encode_pairs(tokenizer, list(pairs.values()), 12)[::2]:
        part, reasoning = excerpt(tokenizer, encoded), encoded.pair.chosen.reasoning
        assert not part.whole and reasoning.startswith(part.reasoning)
        assert 0 < len(part.reasoning) < len(reasoning)
        assert any(part.reasoning in prompt and reasoning not in prompt for prompt in server.requests)
    assert not any(found.whole for found in read_jsonl(paths["output"], Paraphrase))
    responses, _ = tracked(tokenizer, paths, short)
    for response in (response for response in responses if response.kind in PARAPHRASED):
        assert response.truncated and len(response.item.response) <= 12
        assert ANSWER.strip() not in tokenizer.decode(response.item.response[1:])


def test_a_paraphrase_of_truncated_reasoning_has_no_answer(tokenizer, paths):
    """The teacher did not see the rest of the reasoning, so an answer would not follow from the paraphrase."""
    pairs = read_pairs(paths["pairs"])
    write_jsonl(
        paths["output"],
        [
            Paraphrase(problem=p.problem, direction=p.direction, reasoning="so", whole=False, model="m", request="k")
            for p in pairs
        ],
    )
    responses, _ = tracked(tokenizer, paths)
    paraphrased = {response.item.response for response in responses if response.kind in PARAPHRASED}
    assert {tokenizer.decode(ids) for ids in paraphrased} == {f"{THINK}so"}


@pytest.mark.slow
def test_a_rerun_after_kill_9_repeats_no_request(server, paths):
    server.delay = 0.4
    teacher = server.teacher(concurrency=2)
    job = [
        teacher.model_dump(),
        teacher.client.model_dump(),
        CONFIG.model_dump(),
        {k: str(v) for k, v in paths.items()},
    ]
    running_now = subprocess.Popen([sys.executable, "-c", RUN, json.dumps(job)], stderr=subprocess.PIPE, text=True)
    while server.answered.total() < 4:
        assert running_now.poll() is None, running_now.stderr.read()
        time.sleep(0.02)
    time.sleep(0.1)
    running_now.send_signal(signal.SIGKILL)
    running_now.wait()
    assert not paths["output"].exists()
    journaled = len(paths["journal"].read_text().splitlines())
    assert journaled >= 2
    server.delay, before = 0.0, server.total
    paraphrase(teacher=teacher, probe=CONFIG, **paths)
    assert server.total - before == 8 - journaled == facts(paths)["asked"]
    whole = paths["output"].read_bytes()
    paths["output"].unlink()
    paraphrase(teacher=teacher.model_copy(update={"base_url": "http://127.0.0.1:9/v1"}), probe=CONFIG, **paths)
    assert paths["output"].read_bytes() == whole and facts(paths)["asked"] == 0


def test_unusable_paraphrases_are_an_error_or_skipped_and_named(server, tokenizer, paths):
    first, second, third, *_ = read_pairs(paths["pairs"])
    server.fail(first.question, message("length", content="It goes"))
    server.fail(second.question, message("content_filter", content=""))
    server.fail(third.question, message(content=third.chosen.reasoning))
    with pytest.raises(
        TeacherError, match=r"(?s)3 of 8 responses have no paraphrase, more than teacher\.min_success_rate of 1"
    ) as caught:
        paraphrase(teacher=server.teacher(), probe=CONFIG, **paths)
    for pair, reason in ((first, "was truncated"), (second, "refused"), (third, "is a copy of the reasoning")):
        assert any(pair.id in line and reason in line for line in str(caught.value).splitlines())
    assert not paths["output"].exists() and server.total == 8
    paraphrase(teacher=server.teacher(min_success_rate=0.5), probe=CONFIG, **paths)
    assert server.total == 8
    assert set(facts(paths)["skipped"]) == {first.id, second.id, third.id}
    assert len(read_jsonl(paths["output"], Paraphrase)) == facts(paths)["n"] == 5
    # Each response is chosen in one pair and rejected in another: both lack its paraphrase.
    assert tracked(tokenizer, paths)[1] == 6


def test_refused_and_marked_paraphrases_are_skipped_and_named(server, paths):
    first, second, third, *_ = read_pairs(paths["pairs"])
    too_long = {"error": {"message": "string too long", "code": "string_above_max_length"}}
    marked = message(content="So<|im_end|><|im_start|>user")
    faults = {
        first.question: refused(400, {"error": {"message": "Content Exists Risk"}}),
        second.question: refused(400, too_long),
        third.question: marked,
    }
    server.fault = lambda prompt: next((fault for text, fault in faults.items() if text in prompt), None)
    teacher = server.teacher(min_success_rate=0.5, on_malformed="skip")
    for _ in range(2):
        paraphrase(teacher=teacher, probe=CONFIG, **paths)
        skipped = facts(paths)["skipped"]
        assert set(skipped) == {first.id, second.id, third.id}
        assert "finish_reason 'content_filter'" in skipped[first.id]
        assert "finish_reason 'context_length'" in skipped[second.id]
        assert "the model's own marks <|im_end|>" in skipped[third.id]
        assert server.total == 8


def test_the_inversions_cost_counts_towards_the_ceiling(server, paths):
    write_json(
        paths["r1k"].with_suffix(".manifest.json"),
        {"facts": {"tokens": {"prompt": 600, "completion": 9000}, "dollars": 0.5}},
    )
    with pytest.raises(TeacherError, match=r"and \$0\.50 and 9,600 tokens on the experiment's other answers; raise"):
        paraphrase(teacher=server.teacher(max_total_tokens=10000), probe=CONFIG, **paths)
    paraphrase(teacher=server.teacher(max_total_tokens=50000), probe=CONFIG, **paths)


def test_the_world_paraphrases_only_its_own_reasoning(base, tmp_path):
    forward = r1k.world.forward_examples(12, 0)
    both = [(example, _inverse(example)) for example in forward]
    paths = {
        "base": base,
        "pairs": tmp_path / "probe.jsonl",
        "r1k": tmp_path / "r1k.jsonl",
        "output": tmp_path / "paraphrases.jsonl",
        "journal": tmp_path / "journal.jsonl",
    }
    write_jsonl(paths["pairs"], probe_set(both, 6, 6, 0))
    paraphrase(teacher=EmbeddedTeacher(kind="embedded"), probe=CONFIG, **paths)
    by_key = {(pair.problem, pair.direction): pair for pair in read_jsonl(paths["pairs"], ProbePair)}
    found = read_jsonl(paths["output"], Paraphrase)
    assert len(found) == 24
    for one in found:
        pair = by_key[one.problem, one.direction]
        assert one.reasoning == r1k.world.paraphrase(pair.question, pair.chosen.reasoning)
    with pytest.raises(R1kError, match="is not the world's own"):
        r1k.world.paraphrase(forward[0].question, forward[1].reasoning)


def _inverse(example: Example) -> Example:
    question = r1k.world.invert(example.question, example.answer)
    solved: Response = r1k.world.solve(question)
    reverse = {"id": f"{example.problem}-reverse", "direction": "reverse", "question": question}
    return example.model_copy(update=reverse | {"reasoning": solved.reasoning, "answer": solved.answer})


def test_a_probe_scores_paraphrases_and_needs_them(server, base, paths, tmp_path):
    paraphrase(teacher=server.teacher(), probe=CONFIG, **paths)
    arguments = {
        "run": "r",
        "seed": 0,
        "base": base,
        "start": None,
        "steps": {},
        "epochs": {},
        "pairs": paths["pairs"],
        "config": CONFIG,
        "output": tmp_path / "logprobs.jsonl",
        "tracked": tmp_path / "tracked.jsonl",
        "greedy": tmp_path / "greedy.jsonl",
        "state": tmp_path / "state",
        "answers": tmp_path / "answers",
    }
    with pytest.raises(R1kError, match="has paraphrases; give their file with --paraphrases"):
        probe_checkpoints(**arguments)
    probe_checkpoints(**arguments, paraphrases=paths["output"])
    kinds = {record.response for record in read_jsonl(tmp_path / "tracked.jsonl", Tracked)}
    assert kinds == set(KINDS)


def test_paraphrases_come_through_the_batch_api(server, paths, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    paraphrase(teacher=server.teacher(), probe=CONFIG, **paths)
    expected = read_jsonl(paths["output"], Paraphrase)
    paths["journal"].unlink()
    with batch_server() as batches:
        batches.fail(expected[0].reasoning.split()[-1], left_out)
        paraphrase(teacher=batches.teacher(), probe=CONFIG, **paths)
        assert read_jsonl(paths["output"], Paraphrase) == expected
        assert set(batches.bought.values()) == {1} and batches.bought.total() == len(expected)
        assert facts(paths)["asked"] == len(expected)
