"""Tracked responses, their spans, and their records."""

import json
import random
import shutil
from collections import Counter

import pytest
import torch
from peft import PeftModel
from probe_models import build_pairs
from transformers import AutoModelForCausalLM

from r1k.config import Probe
from r1k.errors import RecordError
from r1k.probe.greedy import greedy_models, greedy_paths
from r1k.probe.responses import encode_pairs, read_pairs
from r1k.probe.run_probe import probe_checkpoints
from r1k.probe.shuffle import _sentences, shuffle_reasoning
from r1k.probe.tracked import make_tracked, tracked_pairs
from r1k.records import GREEDY, Greedy, LogProb, Response, Tracked, read_jsonl, write_jsonl
from r1k.text import ANSWER, END_OF_TURN, THINK, load_tokenizer

CONFIG = Probe(dtype="float32", tokens_per_batch=512, first_tokens=5, greedy_tokens=20)


@pytest.fixture(scope="module")
def pairs(study, tmp_path_factory):
    """The study's pairs, with full stops in their reasoning."""
    path = tmp_path_factory.mktemp("stops") / "probe.jsonl"
    write_jsonl(path, [_with_full_stops(pair) for pair in read_pairs(study.pairs)])
    return path


def _with_full_stops(pair):
    return pair.model_copy(update={side: _punctuated(getattr(pair, side)) for side in ("chosen", "rejected")})


def _punctuated(response: Response) -> Response:
    words = response.reasoning.split()
    return Response(reasoning=". ".join(" ".join(words[k : k + 3]) for k in range(0, len(words), 3)), answer="7")


@pytest.fixture(scope="module")
def tokenizer(study):
    return load_tokenizer(study.base)


@pytest.fixture(scope="module")
def tracked_responses(tokenizer, pairs, place):
    written = read_jsonl(place / "greedy.jsonl", Greedy)
    found, unavailable = make_tracked(tokenizer, encode_pairs(tokenizer, read_pairs(pairs), 1000), CONFIG, written)
    assert unavailable == 0
    return found


def run_probe(study, pairs, where, config):
    probe_checkpoints(
        run="r",
        seed=3,
        base=study.base,
        start=study.adapters[3],
        steps={6: study.adapters[6], 12: study.adapters[12]},
        epochs=study.epochs,
        pairs=pairs,
        config=config,
        output=where / "probe.jsonl",
        tracked=where / "tracked.jsonl",
        greedy=where / "greedy.jsonl",
        state=where / "state",
        answers=where / "answers",
    )


@pytest.fixture(scope="module")
def place(study, pairs, tmp_path_factory):
    where = tmp_path_factory.mktemp("tracked")
    run_probe(study, pairs, where, CONFIG)
    return where


@pytest.fixture(scope="module")
def tracked(place):
    return read_jsonl(place / "tracked.jsonl", Tracked)


def test_every_prompt_has_every_kind_from_the_right_source(tokenizer, pairs, tracked_responses):
    by_key = {(pair.problem, pair.direction): pair for pair in read_pairs(pairs)}
    assert Counter(response.kind for response in tracked_responses) == dict.fromkeys(CONFIG.tracked, len(by_key))
    for response in tracked_responses:
        pair = by_key[response.pair.problem, response.pair.direction]
        text = tokenizer.decode(response.item.response)
        source = by_key[response.source_problem, pair.direction]
        assert source.split == pair.split
        if response.kind in GREEDY:
            assert len(response.item.response) == 20 or text.endswith(END_OF_TURN)
            continue
        assert (response.source_problem == pair.problem) == ("other_problem" not in response.kind)
        side = source.rejected if response.kind in ("rejected", "other_problem_rejected") else source.chosen
        if "shuffled" not in response.kind:
            assert text == f"{THINK}{side.reasoning}\n{ANSWER}Answer: {side.answer}{END_OF_TURN}"
        else:
            assert sorted(text) == sorted(f"{THINK}{side.reasoning}\n{ANSWER}Answer: {side.answer}{END_OF_TURN}")
            assert text.startswith(THINK) and text.endswith(f"\n{ANSWER}Answer: {side.answer}{END_OF_TURN}")
            assert side.reasoning not in text


def test_shuffled_sentences_stay_intact(tokenizer, tracked_responses):
    chosen = {response.pair.id: response.item.response for response in tracked_responses if response.kind == "chosen"}
    for response in tracked_responses:
        if response.kind == "shuffled_sentences":
            before = tokenizer.decode(chosen[response.pair.id]).split("\n")[1]
            after = tokenizer.decode(response.item.response).split("\n")[1]
            assert all(f" {sentence}." in after for sentence in before.split(". ")[1:-1])
            assert before != after


def test_shuffling_is_deterministic_and_none_for_one_sentence(tokenizer, tracked_responses):
    ids = tracked_responses[0].item.response
    assert shuffle_reasoning(tokenizer, ids, "a", by_sentence=False) == shuffle_reasoning(
        tokenizer, ids, "a", by_sentence=False
    )
    assert shuffle_reasoning(tokenizer, ids, "a", by_sentence=False) != shuffle_reasoning(
        tokenizer, ids, "b", by_sentence=False
    )
    one = tokenizer(f"{THINK}no stop at 1.5 or here\n{ANSWER}Answer: 1{END_OF_TURN}")["input_ids"]
    assert shuffle_reasoning(tokenizer, one, "a", by_sentence=True) is None


def test_sentences_end_at_punctuation_before_a_space_and_at_line_breaks():
    texts = dict(enumerate(["A", " 1", ".", "5", " B", ".", "\n", "C", "!", " D"]))
    assert _sentences(list(texts), texts) == [[0, 1, 2, 3, 4, 5, 6], [7, 8], [9]]


def test_spans_match_the_text(tokenizer, tracked_responses):
    for response in (response for response in tracked_responses if response.kind not in GREEDY):
        parts = {span: response.item.response[part] for span, part in response.spans(5).items()}
        assert parts["reasoning"] + parts["answer"] == parts["all"]
        assert tokenizer.decode(parts["answer"]).startswith(ANSWER)
        assert ANSWER not in tokenizer.decode(parts["reasoning"])
        assert parts["first"] == parts["all"][:5]


def test_a_response_truncated_in_its_reasoning_has_no_answer_span(study, tokenizer, tmp_path):
    path = build_pairs(tmp_path / "long.jsonl", problems=4, question=6, reasoning=40)
    found, _ = make_tracked(tokenizer, encode_pairs(tokenizer, read_pairs(path), 12), CONFIG)
    assert {tuple(response.spans(5)) for response in found} == {("all", "reasoning", "first")}
    assert all(response.truncated for response in found)


def test_tracked_problems_limits_each_split(tokenizer, tmp_path):
    path = build_pairs(tmp_path / "many.jsonl", problems=10, question=6, reasoning=14)
    responses = encode_pairs(tokenizer, read_pairs(path), 1000)
    found, _ = make_tracked(
        tokenizer, responses, CONFIG.model_copy(update={"tracked_problems": 2, "tracked": ["chosen", "rejected"]})
    )
    assert {response.pair.problem for response in found} == {"0", "1", "2", "3"}
    assert {response.kind for response in found} == {"chosen", "rejected"}


def test_a_split_of_one_problem_is_named(tokenizer, tmp_path):
    path = build_pairs(tmp_path / "two.jsonl", problems=2, question=6, reasoning=14)
    with pytest.raises(RecordError, match="0-forward: the held_out split of the probe set has no other problem"):
        make_tracked(tokenizer, encode_pairs(tokenizer, read_pairs(path), 1000), CONFIG)


def test_one_record_per_response_span_and_step(place, tracked, tracked_responses):
    assert [record.id for record in tracked] == [
        f"{step}/{r.pair.split}/{r.pair.problem}/{r.pair.direction}/{r.kind}/{span}"
        for step in (0, 6, 12)
        for r in tracked_responses
        for span in r.spans(5)
    ]
    facts = json.loads((place / "tracked.manifest.json").read_text())["facts"]
    assert (facts["responses"], facts["responses_unavailable"], facts["run"]) == (len(tracked_responses), 0, "r")


def test_means_are_within_2e_5_of_float64_and_kl_is_to_step_0(study, tracked, tracked_responses):
    base = AutoModelForCausalLM.from_pretrained(study.base, dtype=torch.float64)
    model = PeftModel.from_pretrained(base, study.adapters[3], adapter_name="0")
    model.load_adapter(study.adapters[12], "12")
    model = model.double()
    records = {record.id: record for record in tracked}
    for response in random.Random(0).sample(tracked_responses, 12):
        tables = {}
        prompt, ids = response.item
        for step in (0, 12):
            model.set_adapter(str(step))
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([prompt + ids])).logits
            tables[step] = logits[0, len(prompt) - 1 : -1].log_softmax(-1)
        table = tables[12]
        chosen = table.gather(1, torch.tensor(ids)[:, None]).squeeze(1)
        top = table.max(-1)
        rival = top.indices != torch.tensor(ids)
        expected = {
            "log_p": chosen,
            "log_p_argmax": top.values,
            "off_argmax": 1 - top.values.exp(),
            "entropy": -(table.exp() * table).sum(-1),
            "rank": (table > chosen[:, None]).sum(-1).double() + 1,
            "share_argmax": (~rival).double(),
            "p": chosen.exp(),
            "p_rival": top.values.exp() * rival,
            "kl": (table.exp() * (table - tables[0])).sum(-1),
        }
        for span, part in response.spans(5).items():
            pair = response.pair
            record = records[f"12/{pair.split}/{pair.problem}/{pair.direction}/{response.kind}/{span}"]
            assert record.tokens == len(ids[part])
            for name, values in expected.items():
                assert getattr(record, name) == pytest.approx(values[part].mean().item(), abs=2e-5), name
    assert all(record.kl == 0 for record in tracked if record.step == 0)
    assert all(record.kl > 0 for record in tracked if record.step == 6)


def test_greedy_answers_are_top_1_tokens(study, tokenizer, place, tracked, tracked_responses):
    starts = [record for record in tracked if record.response == "greedy_start" and record.step == 0]
    assert starts and all(record.share_argmax == record.rank == 1 and record.p_rival == 0 for record in starts)
    moved = [record for record in tracked if record.response == "greedy_start" and record.step == 12]
    assert any(record.share_argmax < 1 for record in moved)
    base = AutoModelForCausalLM.from_pretrained(study.base, dtype=torch.float64)
    for response in (response for response in tracked_responses if response.kind == "greedy_base"):
        prompt, ids = response.item
        with torch.no_grad():
            logits = base(input_ids=torch.tensor([prompt + ids])).logits
        assert logits[0, len(prompt) - 1 : -1].argmax(-1).tolist() == list(ids)
    facts = json.loads((place / "greedy.manifest.json").read_text())["facts"]
    written = read_jsonl(place / "greedy.jsonl", Greedy)
    assert facts["answers"] == len(written) == 2 * 8
    assert facts["answers_truncated"] == sum(not answer.ended for answer in written)
    assert [tokenizer.decode(answer.ids) for answer in written if not answer.ended] == [
        answer.text for answer in written if not answer.ended
    ]


def test_a_run_from_the_base_has_one_greedy_model(study):
    assert greedy_models(CONFIG, None) == {"greedy_base": None}
    assert greedy_models(CONFIG, study.base) == {"greedy_base": None, "greedy_start": study.base}
    assert greedy_models(CONFIG.model_copy(update={"tracked": ["chosen", "rejected"]}), study.base) == {}


def test_greedy_answers_are_written_once(study, pairs, place, tmp_path):
    """Finished answers are reused while lost checkpoints are scored again, and runs with the same start share them.
    Hidden states that a killed process left are not reused."""
    for name in ("state", "answers"):
        shutil.copytree(place / name, tmp_path / name)
    (tmp_path / "state" / "12.jsonl").unlink()
    (tmp_path / "state" / "reference").mkdir()
    (tmp_path / "state" / "reference" / "0-0.safetensors").write_bytes(b"cut")
    answers = {path: path.stat().st_mtime_ns for path in (tmp_path / "answers").glob("*.jsonl")}
    run_probe(study, pairs, tmp_path, CONFIG)
    assert not (tmp_path / "state" / "reference").exists()
    for name in ("probe.jsonl", "tracked.jsonl", "greedy.jsonl"):
        assert (tmp_path / name).read_bytes() == (place / name).read_bytes()
    shutil.rmtree(tmp_path / "state")
    run_probe(study, pairs, tmp_path, CONFIG.model_copy(update={"first_tokens": 3}))
    assert len(answers) == 2 and {path: path.stat().st_mtime_ns for path in answers} == answers
    assert set((tmp_path / "answers").glob("*.jsonl")) == set(answers)


def test_models_have_separate_greedy_files(study, tokenizer, pairs, tmp_path):
    prompted = tracked_pairs(encode_pairs(tokenizer, read_pairs(pairs), 1000), CONFIG)
    files = {
        step: greedy_paths(study.base, greedy_models(CONFIG, study.adapters[step]), prompted, CONFIG, tmp_path)
        for step in (3, 6)
    }
    assert files[3]["greedy_base"] == files[6]["greedy_base"]
    assert len({path for paths in files.values() for path in paths.values()}) == 3
    shorter = CONFIG.model_copy(update={"greedy_tokens": 4})
    assert files[3] != greedy_paths(study.base, greedy_models(shorter, study.adapters[3]), prompted, shorter, tmp_path)


def test_chosen_and_rejected_agree_with_the_log_probabilities(place, tracked):
    means = {record.id: record.mean for record in read_jsonl(place / "probe.jsonl", LogProb)}
    for record in tracked:
        if record.span == "all" and record.response in ("chosen", "rejected"):
            key = f"{record.step}/{record.split}/{record.problem}/{record.direction}/{record.response}"
            assert record.log_p == pytest.approx(means[key], rel=1e-7)


def test_tracked_responses_do_not_change_log_probabilities(study, pairs, place, tmp_path):
    few = CONFIG.model_copy(update={"tracked": ["chosen", "rejected"], "tracked_problems": 2})
    run_probe(study, pairs, tmp_path, few)
    assert (tmp_path / "probe.jsonl").read_bytes() == (place / "probe.jsonl").read_bytes()
