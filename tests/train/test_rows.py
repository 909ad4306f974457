"""Rows of SFT and DPO, their records and their order."""

import pytest

from examples import make_both
from r1k.data.sets import make_set, pairs
from r1k.errors import RecordError, TrainError
from r1k.records import Example, ProbePair, write_jsonl
from r1k.text import encode_prompt, format_response, load_tokenizer
from r1k.train.rows import IGNORED, dpo_row, make_rows, read_records, sft_row, training_order


@pytest.fixture(scope="module")
def tokenizer(tiny_base):
    return load_tokenizer(tiny_base)


def test_the_loss_covers_exactly_the_assistant_turn(tokenizer):
    (example,), _ = make_both(1)
    row = sft_row(tokenizer, example, 2048)
    labels, ids = row.columns["labels"], row.columns["input_ids"]
    with_loss = [token for token in labels if token != IGNORED]
    assert tokenizer.decode(with_loss) == format_response(example.response) + "<|im_end|>"
    prompt = encode_prompt(tokenizer, example.question, "x")
    assert ids[: len(prompt)] == prompt and labels[: len(prompt)] == [IGNORED] * len(prompt)
    assert ids[len(prompt) :] == labels[len(prompt) :]
    assert row.tokens == len(with_loss) and row.truncated_tokens == 0


def test_both_responses_of_a_pair_follow_one_prompt(tokenizer):
    forward, reverse = make_both(1)
    pair, _ = pairs(list(zip(forward, reverse, strict=True)))
    row = dpo_row(tokenizer, pair, 2048)
    assert row.columns["prompt_ids"] == encode_prompt(tokenizer, pair.question, "x")
    for side, response in (("chosen_ids", pair.chosen), ("rejected_ids", pair.rejected)):
        assert tokenizer.decode(row.columns[side]) == format_response(response) + "<|im_end|>"


def test_truncation_is_counted(tokenizer):
    (example,), _ = make_both(1)
    whole = sft_row(tokenizer, example, 2048)
    short = sft_row(tokenizer, example, len(whole.columns["input_ids"]) - 7)
    assert (short.truncated_tokens, short.tokens) == (7, whole.tokens - 7)


def test_a_response_without_reasoning_is_only_its_text(tokenizer, tmp_path, both_files):
    s1k, r1k = both_files
    make_set("revthink", s1k=s1k, r1k=r1k, output=tmp_path / "revthink.jsonl")
    examples = read_records("sft", tmp_path / "revthink.jsonl", None, reasoned=False)
    rows = make_rows(tokenizer, examples, 2048)
    assert len(rows) == 24
    for example, row in zip(examples, rows, strict=True):
        with_loss = [token for token in row.columns["labels"] if token != IGNORED]
        assert tokenizer.decode(with_loss) == format_response(example.response) + "<|im_end|>"
        assert ("<|im_start|>" in tokenizer.decode(with_loss)) == (example.reasoning is not None)


def test_missing_reasoning_is_an_error_if_the_run_requires_it(tmp_path, both_files):
    s1k, r1k = both_files
    make_set("revthink", s1k=s1k, r1k=r1k, output=tmp_path / "revthink.jsonl")
    with pytest.raises(RecordError, match=r"revthink\.jsonl:2: field 'reasoning'"):
        read_records("sft", tmp_path / "revthink.jsonl", None)


def test_held_out_problems_are_excluded(tmp_path, both_files):
    s1k, r1k = both_files
    make_set("pairs", s1k=s1k, r1k=r1k, output=tmp_path / "pairs.jsonl")
    forward, reverse = make_both(8)
    selected = pairs(list(zip(forward[:2], reverse[:2], strict=True)))
    splits = {"p000": "held_out", "p001": "train"}
    write_jsonl(tmp_path / "probe.jsonl", [ProbePair(**p.model_dump(), split=splits[p.problem]) for p in selected])
    make_set("revthink", s1k=s1k, r1k=r1k, output=tmp_path / "revthink.jsonl")
    cases = (("sft", s1k, 7), ("dpo", tmp_path / "pairs.jsonl", 14), ("sft", tmp_path / "revthink.jsonl", 21))
    for method, path, n in cases:
        records = read_records(method, path, tmp_path / "probe.jsonl", reasoned=n != 21)
        assert len(records) == n and "p000" not in {record.problem for record in records}
    assert len(read_records("sft", s1k, None)) == 8


def test_every_epoch_is_a_permutation_and_seeds_differ():
    order = training_order(10, 25, seed=0)
    assert sorted(order[:10]) == sorted(order[10:20]) == list(range(10))
    assert len(order) == 25 and order[:10] != order[10:20]
    assert order == training_order(10, 25, seed=0) != training_order(10, 25, seed=1)
    assert training_order(10, 15, seed=0) == order[:15]


def test_no_rows_are_an_error(tokenizer):
    none: list[Example] = []
    with pytest.raises(TrainError, match="no record is left"):
        make_rows(tokenizer, none, 2048)
