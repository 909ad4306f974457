"""Write the dataset card: front matter for the hub, then the content, source and making of the data."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from statistics import mean, median
from typing import Any

import yaml
from pydantic import Field

from r1k.markup import escape_markdown, fenced
from r1k.publish.evidence import DataEvidence, markdown_table
from r1k.records import Record
from r1k.teacher.templates import Template

DATA_FILE = "data/train-00000-of-00001.parquet"
SIZES = {1_000: "n<1K", 10_000: "1K<n<10K", 100_000: "10K<n<100K"}
PAPER = "When Inverse Data Outperforms: Exploring the Pitfalls of Mixed Data in Multi-Stage Fine-Tuning"
CITATION = f"""@inproceedings{{deng-etal-2025-inverse,
  title     = {{{PAPER}}},
  author    = {{Deng, Mengyi and Li, Xin and Zhu, Tingyu and Yang, Zhicheng and Guo, Zhijiang and Wang, Wei}},
  booktitle = {{Findings of the Association for Computational Linguistics: EMNLP 2025}},
  pages     = {{6514--6523}},
  year      = {{2025}},
  doi       = {{10.18653/v1/2025.findings-emnlp.346}}
}}"""


class ExportRow(Record):
    """A problem in both directions: the columns of the dataset."""

    problem: str = Field(description="name of the problem")
    kind: str = Field(description="where the problem is from: s1K's `source_type`, or the world's relation")
    question: str = Field(description="the forward question")
    reasoning: str = Field(description="chain of thought of the forward response")
    answer: str = Field(description="answer of the forward response")
    gold: str | None = Field(description="gold answer to the forward question; null if unknown")
    grade: bool | None = Field(description="whether the forward answer was graded correct; null if it was not graded")
    reverse_question: str = Field(description="starts from the forward answer and asks for a premise")
    reverse_reasoning: str = Field(description="chain of thought of the response to the reverse question")
    reverse_answer: str = Field(description="answer of the response to the reverse question; not graded")
    teacher: str = Field(
        description="model that wrote the reverse question and, given only that question, the response"
    )
    tokens: int | None = Field(
        description="tokens of the response to the reverse question, as the teacher's server counted them"
    )
    finish_reason: str = Field(description="the server's finish reason of the response to the reverse question")


@dataclass(frozen=True)
class Origin:
    """Facts of a card that the rows do not hold."""

    title: str
    license: str
    """The hub's identifier of the licence."""
    source: Mapping[str, Any]
    """The config's source of the forward problems, from s1k's manifest."""
    hub_commit: str | None
    excluded_by_grade: int
    sampling: Mapping[str, float]
    prompts: Sequence[Template]
    digests: Mapping[str, str]
    """SHA-256 by file name."""
    commit: str


def card(rows: Sequence[ExportRow], origin: Origin, evidence: DataEvidence) -> str:
    """Return the card as Markdown, with foreign text escaped."""
    parts = [
        f"---\n{yaml.safe_dump(front_matter(rows, origin), sort_keys=False, allow_unicode=True)}---",
        f"# r1k: {escape_markdown(origin.title)}",
        f"{len(rows)} problems, each in two directions: a forward question with its reasoned response, and its "
        "reverse, which starts from the forward answer and asks for a premise; its response is based on the reverse "
        "question alone. The data serve to fine-tune language models in one direction or in both, after "
        f"*{PAPER}*.",
        fenced('from datasets import load_dataset\n\nrows = load_dataset("this folder or repository", split="train")'),
        "## Columns",
        markdown_table(
            ["column", "content"], [(f"`{name}`", field.description) for name, field in ExportRow.model_fields.items()]
        ),
        "## Source",
        "\n".join(f"- {line}" for line in _sources(rows, origin)),
        markdown_table(["file", "SHA-256"], [(name, f"`{digest}`") for name, digest in origin.digests.items()]),
        "## Generation",
        "The teacher gets two requests per problem, each a single user turn. The first contains the forward question "
        "and answer, the second only the reverse question. Truncated, refused, empty or unreasoned answers are "
        f"not used. Sampling: {_sampling(origin.sampling)}.",
        *(f"Prompt `{prompt.name}`, version `{prompt.digest}`:\n\n{fenced(prompt.text)}" for prompt in origin.prompts),
        *evidence.parts(),
        "## Problems by kind",
        _kinds(rows),
        "## Lengths",
        _lengths(rows),
        "## Licence",
        f"{escape_markdown(origin.license)}. {_licence_of_source(origin)}",
        "## Citation",
        fenced(CITATION),
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(rows: Sequence[ExportRow], origin: Origin) -> dict[str, Any]:
    """Return the metadata that the hub shows and that `datasets` uses for loading."""
    sources = {"world": ["original"], "hub": [origin.source.get("repo")]}
    return {
        "pretty_name": f"r1k ({origin.title})",
        "license": origin.license,
        "language": ["en"],
        "task_categories": ["text-generation"],
        "tags": ["reasoning", "reverse-reasoning", "synthetic"],
        "size_categories": [next((name for n, name in SIZES.items() if len(rows) < n), "n>100K")],
        "source_datasets": sources.get(origin.source["kind"], []),
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": DATA_FILE}]}],
    }


def _sources(rows: Sequence[ExportRow], origin: Origin) -> list[str]:
    teachers = ", ".join(escape_markdown(teacher) for teacher in sorted({row.teacher for row in rows}))
    graded = [row.grade for row in rows if row.grade is not None]
    return [
        f"Forward problems and responses: {_forward_source(origin)}.",
        f"{origin.excluded_by_grade} problems were excluded because their forward answer was graded wrong; of the "
        f"others, {len(graded)} are graded, {sum(graded)} of them correct.",
        f"Reverse questions and responses: written by the teacher {teachers}.",
        f"Code: r1k at commit {escape_markdown(origin.commit)}.",
    ]


def _forward_source(origin: Origin) -> str:
    source = origin.source
    match source["kind"]:
        case "hub":
            configuration = f", configuration {escape_markdown(source['config'])}" if source.get("config") else ""
            return (
                f"data set {escape_markdown(source['repo'])}{configuration}, split {escape_markdown(source['split'])}, "
                f"at commit `{origin.hub_commit}`; {_columns(source)}"
            )
        case "file":
            return f"the file {escape_markdown(PurePath(source['path']).name)}; {_columns(source)}"
        case _:
            return f"the world embedded in r1k, sampled and solved by the code (seed {source['seed']})"


def _columns(source: Mapping[str, Any]) -> str:
    """Return which columns hold the responses."""
    fields = source.get("fields")
    if fields is None:
        return (
            "the responses are those of its columns `deepseek_thinking_trajectory` and `deepseek_attempt`, by "
            "DeepSeek-R1, as in s1K-1.1"
        )
    named = [fields[key] for key in ("reasoning", "answer", "response", "messages") if fields.get(key)]
    return f"the responses are those of its columns {', '.join(escape_markdown(name) for name in named)}"


def _licence_of_source(origin: Origin) -> str:
    if origin.source["kind"] == "world":
        return "It is the licence of r1k, which contains the world, its wording and its teacher."
    return "It is the licence of the forward data, as the experiment's config states it. The teacher's terms may apply."


def _sampling(sampling: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in sampling.items()) or "the server's defaults"


def _kinds(rows: Sequence[ExportRow]) -> str:
    found: dict[str, list[ExportRow]] = defaultdict(list)
    for row in rows:
        found[row.kind].append(row)
    ordered = sorted(found.items(), key=lambda item: (-len(item[1]), item[0]))
    cells = [(escape_markdown(kind), len(some), sum(row.grade is True for row in some)) for kind, some in ordered]
    return markdown_table(["kind", "problems", "graded correct"], cells)


def _lengths(rows: Sequence[ExportRow]) -> str:
    columns = ["question", "reasoning", "answer", "reverse_question", "reverse_reasoning", "reverse_answer"]
    lines = [(f"`{name}`, characters", [len(getattr(row, name)) for row in rows]) for name in columns]
    lines.append(
        ("reverse response, tokens counted by the server", [row.tokens for row in rows if row.tokens is not None])
    )
    cells = [
        (name, len(found), min(found), f"{median(found):.0f}", f"{mean(found):.0f}", max(found))
        for name, found in lines
        if found
    ]
    return markdown_table(["field", "n", "minimum", "median", "mean", "maximum"], cells)
