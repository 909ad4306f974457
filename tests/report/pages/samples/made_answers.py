"""Made-up questions, answers and verdicts of a few runs, in the workflow's folders."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from r1k.records import Graded, Question, Sample, write_jsonl
from r1k.text import ANSWER, THINK


@dataclass
class Made:
    """The files of runs, seeds and benchmarks in one folder."""

    folder: Path
    questions: list[Path] = field(default_factory=list)
    samples: list[Path] = field(default_factory=list)
    graded: list[Path] = field(default_factory=list)

    def ask(self, benchmark: str, *texts: str) -> list[Question]:
        """Write a benchmark of these questions; every second one is reverse."""
        asked = [
            Question(
                id=f"{benchmark}-{k}",
                benchmark=benchmark,
                direction=("forward", "reverse")[k % 2],
                question=text,
                gold=f"gold-{benchmark}-{k}",
                kind="k",
            )
            for k, text in enumerate(texts)
        ]
        self.questions.append(self.folder / f"{benchmark}.jsonl")
        write_jsonl(self.questions[-1], asked)
        return asked

    def answer(
        self, run: str, asked: list[Question], facts: Callable[[Question, int], dict[str, Any]], seed=0, samples=1
    ) -> None:
        """Write the answers of a run; `facts` maps a question and a sample to changed fields of either record."""
        folder = self.folder / run / str(seed) / asked[0].benchmark
        answers, verdicts = [], []
        for question in asked:
            for k in range(samples):
                all_facts = {
                    "completion": completion(f"{run} thinks of {question.id}", f"{run} says"),
                    "prompt": "?",
                    "tokens": 7,
                    "truncated": False,
                    "direction": question.direction,
                    "gold": question.gold,
                    "extracted": f"{run} says",
                    "correct": True,
                    "rule": "text",
                    "last_number": None,
                    "last_number_correct": None,
                    "id": question.id,
                    "benchmark": question.benchmark,
                    "sample": k,
                } | facts(question, k)
                answers.append(Sample(**{name: all_facts[name] for name in Sample.model_fields if name in all_facts}))
                verdicts.append(Graded(**{name: all_facts[name] for name in Graded.model_fields if name in all_facts}))
        self.samples.append(folder / "samples.jsonl")
        self.graded.append(folder / "graded.jsonl")
        write_jsonl(self.samples[-1], answers)
        write_jsonl(self.graded[-1], verdicts)

    @property
    def paths(self) -> dict[str, list[Path]]:
        return {"questions": self.questions, "samples": self.samples, "graded": self.graded}


def completion(reasoning: str, answer: str) -> str:
    return f"{THINK}{reasoning}\n{ANSWER}{answer}"


def plain(question: Question, sample: int) -> dict[str, Any]:
    """Change nothing."""
    return {}
