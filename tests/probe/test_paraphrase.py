"""Responses in a teacher's words: what is asked, what is scored, what is paid for, and what dies."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from faulty_teacher import KEY_VARIABLE, FaultyServer, message
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
from r1k.probe.tracked import follow
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

KINDS = ["own", "other", *PARAPHRASED]
CONFIG = Probe(dtype="float32", tokens_per_batch=512, tracked=KINDS)
RUN = """
import json, sys
from pathlib import Path
from r1k.config import OpenAITeacher, Probe
from r1k.probe.paraphrase import paraphrase
teacher, asking, probe, paths = json.loads(sys.argv[1])
paths = {name: Path(path) for name, path in paths.items()}
paraphrase(teacher=OpenAITeacher(**teacher, client=asking), probe=Probe(**probe), **paths)
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


def followed_of(tokenizer, paths, config=CONFIG):
    pairs = read_pairs(paths["pairs"])
    responses = encode_pairs(tokenizer, pairs, config.max_tokens)
    return follow(tokenizer, responses, config, paraphrases=read_paraphrases(paths["output"]))


def test_each_response_is_reworded_and_scored_with_its_own_answer(server, tokenizer, paths):
    paraphrase(teacher=server.teacher(), probe=CONFIG, **paths)
    by_key = {(pair.problem, pair.direction): pair for pair in read_pairs(paths["pairs"])}
    found = read_jsonl(paths["output"], Paraphrase)
    assert len(found) == len(by_key) == server.total == facts(paths)["asked"]
    for one in found:
        reasoning = by_key[one.problem, one.direction].chosen.reasoning
        assert one.reasoning == f"Said otherwise, {' '.join(reversed(reasoning.split()))}" and one.whole
    written = {(one.problem, one.direction): one.reasoning for one in found}
    followed, lacking = followed_of(tokenizer, paths)
    reworded = [response for response in followed if response.kind in PARAPHRASED]
    assert lacking == 0 and len(reworded) == 2 * len(by_key)
    for response in reworded:
        own = response.kind == "paraphrase_chosen"
        pair = response.pair
        direction = pair.direction if own else {"forward": "reverse", "reverse": "forward"}[pair.direction]
        answer = (pair.chosen if own else pair.rejected).answer
        text = f"{THINK}{written[pair.problem, direction]}\n{ANSWER}Answer: {answer}{END_OF_TURN}"
        assert tokenizer.decode(response.item.response) == text
        assert not response.truncated and response.of == pair.problem


def test_no_more_is_reworded_than_the_probe_reads(server, tokenizer, paths):
    short = CONFIG.model_copy(update={"max_tokens": 12})
    paraphrase(teacher=server.teacher(), probe=short, **paths)
    pairs = {pair.id: pair for pair in read_pairs(paths["pairs"])}
    for own in encode_pairs(tokenizer, list(pairs.values()), 12)[::2]:
        part = excerpt(tokenizer, own)
        assert not part.whole and own.pair.chosen.reasoning.startswith(part.reasoning)
        assert 0 < len(part.reasoning) < len(own.pair.chosen.reasoning)
        assert any(part.reasoning in prompt and own.pair.chosen.reasoning not in prompt for prompt in server.requests)
    assert not any(found.whole for found in read_jsonl(paths["output"], Paraphrase))
    followed, _ = followed_of(tokenizer, paths, short)
    for response in (response for response in followed if response.kind in PARAPHRASED):
        assert response.truncated and len(response.item.response) <= 12
        assert ANSWER.strip() not in tokenizer.decode(response.item.response[1:])


def test_a_start_that_is_reworded_in_fewer_tokens_gets_no_answer(tokenizer, paths):
    """What the teacher did not see is not scored as if the paraphrase had led there."""
    pairs = read_pairs(paths["pairs"])
    write_jsonl(
        paths["output"],
        [
            Paraphrase(problem=p.problem, direction=p.direction, reasoning="so", whole=False, model="m", request="k")
            for p in pairs
        ],
    )
    followed, _ = followed_of(tokenizer, paths)
    made = {response.item.response for response in followed if response.kind in PARAPHRASED}
    assert {tokenizer.decode(ids) for ids in made} == {f"{THINK}so"}


def test_nothing_is_bought_twice_and_a_killed_run_loses_nothing(server, paths):
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
    kept = len(paths["journal"].read_text().splitlines())
    assert kept >= 2
    server.delay, before = 0.0, server.total
    paraphrase(teacher=teacher, probe=CONFIG, **paths)
    assert server.total - before == 8 - kept == facts(paths)["asked"]
    whole = paths["output"].read_bytes()
    paths["output"].unlink()
    paraphrase(teacher=teacher.model_copy(update={"base_url": "http://127.0.0.1:9/v1"}), probe=CONFIG, **paths)
    assert paths["output"].read_bytes() == whole and facts(paths)["asked"] == 0


def test_what_is_cut_refused_or_copied_is_an_error_or_left_out_and_named(server, tokenizer, paths):
    first, second, third, *_ = read_pairs(paths["pairs"])
    server.fail(first.question, message("length", content="It goes"))
    server.fail(second.question, message("content_filter", content=""))
    server.fail(third.question, message(content=third.chosen.reasoning))
    with pytest.raises(
        TeacherError, match=r"(?s)3 of 8 responses have no paraphrase, more than teacher\.min_success_rate of 1"
    ) as told:
        paraphrase(teacher=server.teacher(), probe=CONFIG, **paths)
    for pair, why in ((first, "was truncated"), (second, "refused"), (third, "is the reasoning itself")):
        assert any(pair.id in line and why in line for line in str(told.value).splitlines())
    assert not paths["output"].exists() and server.total == 8
    paraphrase(teacher=server.teacher(min_success_rate=0.5), probe=CONFIG, **paths)
    assert server.total == 8
    assert set(facts(paths)["left_out"]) == {first.id, second.id, third.id}
    assert len(read_jsonl(paths["output"], Paraphrase)) == facts(paths)["n"] == 5
    # Each response is one pair's own and another's other: both lack it.
    assert followed_of(tokenizer, paths)[1] == 6


def test_what_the_inversion_cost_counts_under_the_same_ceiling(server, paths):
    write_json(
        paths["r1k"].with_suffix(".manifest.json"),
        {"facts": {"tokens": {"prompt": 600, "completion": 9000}, "dollars": 0.5}},
    )
    with pytest.raises(TeacherError, match=r"and \$0\.50 and 9,600 tokens on the experiment's other answers; raise"):
        paraphrase(teacher=server.teacher(max_total_tokens=10000), probe=CONFIG, **paths)
    paraphrase(teacher=server.teacher(max_total_tokens=50000), probe=CONFIG, **paths)


def test_the_world_rewords_its_own_reasoning_and_no_other(base, tmp_path):
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
    changes = {"id": f"{example.problem}-reverse", "direction": "reverse", "question": question}
    return example.model_copy(update=changes | {"reasoning": solved.reasoning, "answer": solved.answer})


def test_a_probe_scores_paraphrases_and_needs_them(server, base, paths, tmp_path):
    paraphrase(teacher=server.teacher(), probe=CONFIG, **paths)
    given = {
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
    with pytest.raises(R1kError, match="asks for paraphrases; give them with --paraphrases"):
        probe_checkpoints(**given)
    probe_checkpoints(**given, paraphrases=paths["output"])
    kinds = {record.response for record in read_jsonl(tmp_path / "tracked.jsonl", Tracked)}
    assert kinds == set(KINDS)
