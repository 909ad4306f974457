"""Replay field reports about readers: forward sets, benchmarks, records, and the tokenizers of bases.

What comes out of a file: `records`, its number of records; of a benchmark also `gold` (of the first question), `golds`
(number of questions by letter) and `most_common_gold`; of records also `completion`. What comes out of a tokenizer:
`pad`, its padding token, and `bos`, the number of BOS tokens of a prompt.
"""

import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast, Qwen2Config

from examples import QWEN_TEMPLATE
from r1k.config import Benchmark, Data, ExampleFields, FileQuestions, FileSource, QuestionFields
from r1k.data.benchmarks import get_benchmark
from r1k.data.s1k import get_s1k
from r1k.errors import R1kError
from r1k.evaluate.budget_forcing import stop_rules
from r1k.records import Example, Question, Sample, read_jsonl
from r1k.text import encode_prompt, load_tokenizer

GPQA = QuestionFields(
    question="Question",
    answer="Correct Answer",
    distractors=["Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"],
)


def replay(area: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the product makes of a report's input."""
    readers = {"data.s1k": _s1k, "data.benchmark": _benchmark, "records": _records, "text": _tokenizer}
    with tempfile.TemporaryDirectory() as folder:
        try:
            return readers[area](Path(folder), given)
        except R1kError as error:
            return {"error_type": type(error).__name__, "error": str(error)}


def _write(folder: Path, given: Mapping[str, Any]) -> tuple[Path, int]:
    """Write the report's file; return it and the number of its lines that hold something."""
    path, content = folder / "in.jsonl", given["file"]
    raw = content if isinstance(content, bytes) else content.encode(given.get("encoding", "utf-8"), "surrogatepass")
    path.write_bytes(raw)
    return path, max(1, sum(bool(line.strip(b"\xef\xbb\xbf \t")) for line in re.split(rb"[\r\n]", raw)))


def _s1k(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    path, lines = _write(folder, given)
    fields = ExampleFields(**given["fields"]) if given.get("fields") else None
    source = FileSource(kind="file", path=path, problems=max(2, given.get("problems", lines)), fields=fields)
    get_s1k(data=Data(source=source), output=folder / "s1k.jsonl")
    examples = read_jsonl(folder / "s1k.jsonl", Example)
    last = examples[-1]
    return {
        "records": len(examples),
        "question": last.question,
        "reasoning": last.reasoning,
        "answer": last.answer,
        "gold": last.gold,
    }


def _benchmark(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    path, lines = _write(folder, given)
    choice = given.get("shape", given.get("answer_type")) == "choice" or '"Incorrect Answer 1"' in given["file"]
    fields = QuestionFields(**given["fields"]) if given.get("fields") else GPQA if choice else QuestionFields()
    kind = "choice" if choice else given.get("shape", given.get("answer_type", "integer"))
    source = FileQuestions(kind="file", path=path, n=given.get("n", lines), fields=fields)
    get_benchmark(name="aime", benchmark=Benchmark(answer_type=kind, source=source), output=folder / "out.jsonl")
    questions = read_jsonl(folder / "out.jsonl", Question)
    golds = Counter(question.gold for question in questions)
    return {
        "records": len(questions),
        "gold": questions[0].gold,
        "golds": dict(golds) if choice else None,
        "most_common_gold": max(golds.values()),
    }


def _records(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    samples = read_jsonl(_write(folder, given)[0], Sample)
    return {"records": len(samples), "completion": samples[-1].completion}


def _tokenizer(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the padding token and the BOS tokens of a tokenizer that lacks, or adds, what the report says."""
    markers = ["<|endoftext|>", "<|begin|>", "<|im_start|>", "<|im_end|>"]
    alphabet = [*markers, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    bpe = Tokenizer(models.BPE({token: place for place, token in enumerate(alphabet)}, []))
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    bpe.add_special_tokens(markers)
    added = given.get("tokenizer adds")
    if added:
        bpe.post_processor = processors.TemplateProcessing(
            single=f"{added} $A", special_tokens=[(added, bpe.token_to_id(added))]
        )
    tokens = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "bos_token": "<|begin|>"}
    tokens |= {name: given[name] for name in tokens if name in given}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, **{k: v for k, v in tokens.items() if v is not None})
    template = str(given.get("template", "ChatML"))
    named = {"ChatML": QWEN_TEMPLATE, "{{ bos_token }} + ChatML": "{{- bos_token }}" + QWEN_TEMPLATE}
    tokenizer.chat_template = named.get(template, template) if given.get("template", "ChatML") else None
    tokenizer.save_pretrained(folder)
    Qwen2Config(vocab_size=len(tokenizer)).save_pretrained(folder)
    loaded = load_tokenizer(folder)
    prompt = encode_prompt(loaded, "How much?", "x")
    return {
        "pad": stop_rules(folder, loaded, None).pad,
        "bos": prompt.count(loaded.convert_tokens_to_ids("<|begin|>")),
    }
