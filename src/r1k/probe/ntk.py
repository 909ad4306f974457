"""The empirical neural tangent kernel on an adapter's parameters, and what it predicts of one step.

With theta the parameters of the adapter, z the logits and L the loss of an example u, one step of gradient descent
changes the log-probability of a response o by -eta A(o) K(o, u) G(u) + O(eta^2) (Ren and Sutherland 2024, equation 3):
A = d log p / dz at o, G = dL/dz at u, K = J_o J_u^T with J = dz/dtheta. The product is the inner product of two
gradients on theta, which is computed; then the very step is taken and the response scored again. Everything is in
float32, without dropout.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from r1k.config import NtkSpec, Probe
from r1k.errors import R1kError
from r1k.files import exclusive, file_digest, value_digest
from r1k.probe.adapters import SwappableModel, check_adapters
from r1k.probe.engine import Item, output_head, prepare, score, states
from r1k.probe.gradients import Gradients, flatten, moved
from r1k.probe.responses import Scored, read_pairs
from r1k.probe.scoring import check_widths
from r1k.probe.sketch import CountSketch
from r1k.probe.updates import Update, first_problems, observed, updates
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Influence, ProbePair, read_jsonl, write_jsonl
from r1k.text import load_tokenizer
from r1k.train.describe import read_run

PROBE = Probe()
CHUNK = 1 << 16
"""Entries of each vector that are in float64 at once."""
DIGITS = 8
"""Significant digits that are written: float32 has no more."""


@dataclass(frozen=True)
class Response:
    """A response's gradients, as they take part in inner products."""

    slope: Tensor
    """Of its summed log-probability, sketched where a sketch is wanted."""
    norm: float
    """Of that gradient itself."""
    residual: float
    randoms: list[Tensor]
    """J^T v of each draw, sketched alike."""


def ntk(
    *,
    run: Path,
    base: Path,
    adapter: Path,
    pairs: Path,
    ntk: NtkSpec,
    tokens_per_batch: int = PROBE.tokens_per_batch,
    output: Path,
    state: Path,
) -> None:
    """Measure how a gradient step on one example changes other responses, and what the empirical NTK predicts.

    Args:
        run: The run's run.json.
        base: Directory of the base model.
        adapter: The run's adapter, at which gradients are taken.
        pairs: The probe set, probe.jsonl.
        ntk: The measurement's resolved specification, as the workflow computes it.
        tokens_per_batch: Padded tokens per forward pass; sets memory, not results.
        output: The influences to write, one record per step and response, JSONL.
        state: Directory that keeps the records of finished problems; a second call measures only the rest.

    Raises:
        R1kError: The adapter is missing or not a plain LoRA adapter.
        RecordError: A pair is invalid.
        TextError: A text cannot be encoded.
    """
    described = read_run(run)
    measure_influences(
        run=described.run,
        seed=described.seed,
        base=base,
        adapter=adapter,
        pairs=pairs,
        spec=ntk,
        tokens_per_batch=tokens_per_batch,
        output=output,
        state=state / value_digest([described.digest, file_digest(pairs), ntk.model_dump(mode="json")]),
    )


def measure_influences(
    *,
    run: str,
    seed: int,
    base: Path,
    adapter: Path,
    pairs: Path,
    spec: NtkSpec,
    tokens_per_batch: int,
    output: Path,
    state: Path,
) -> None:
    """Write an Influence for each step taken and each response measured.

    `state` keeps a problem's records as soon as they are complete, and its path must change with anything that changes
    the values.
    """
    watch = Stopwatch()
    check_adapters([adapter])
    tokenizer, known = load_tokenizer(base, spec.direction_tag), read_pairs(pairs)
    responses = observed(tokenizer, known, spec)
    problems = first_problems(known, "train", spec.examples)
    with exclusive(state / "lock", f"the kernel of {run}, seed {seed}"):
        kept = {problem: state / f"{place}.jsonl" for place, problem in enumerate(problems)}
        missing = [problem for problem in problems if not kept[problem].is_file()]
        kernel = Kernel(base, adapter, responses, spec, tokens_per_batch) if missing else None
        for problem in tqdm(missing, desc="problems", unit="problem"):
            if kernel is not None:
                write_jsonl(kept[problem], kernel.influences(run, seed, tokenizer, problems[problem]))
        found = [record for path in kept.values() for record in read_jsonl(path, Influence)]
        write_jsonl(output, found)
    write_manifest(
        output,
        "ntk",
        {"pairs": pairs, "base": base, "adapter": adapter},
        watch,
        run=run,
        seed=seed,
        problems=len(problems),
        problems_resumed=len(problems) - len(missing),
        responses=len(responses),
        responses_truncated=sum(response.truncated for response in responses),
        records=len(found),
        **({} if kernel is None else {"parameters": kernel.size, "norm": kernel.norm}),
        **spec.model_dump(),
    )


class Kernel:
    """A model at one state, the gradients of all measured responses, and the steps that are taken from there."""

    def __init__(
        self, base: Path, adapter: Path, responses: Sequence[Scored], spec: NtkSpec, tokens_per_batch: int
    ) -> None:
        self.responses, self.spec = responses, spec
        self.model = SwappableModel(base, [adapter], "float32")
        self.model.use(adapter)
        self.items = [response.item for response in responses]
        check_widths(((f"{r.pair.id}, {r.side}", r.item) for r in responses), self.model.positions)
        self.gradients = Gradients(self.model)
        self.short = flatten if spec.sketch is None else CountSketch(spec.sketch)
        parameters = self.gradients.parameters
        self.size = sum(parameter.numel() for parameter in parameters)
        self.norm = math.hypot(*(_norm(parameter.detach()) for parameter in parameters))
        self._head = output_head(self.model.model)
        self._batches = prepare(self.items, tokens_per_batch, self.model.device)
        self.before = self.means()
        bar = tqdm(self.items, desc="responses measured", unit="response")
        self.measured = [self.response(item, "measured")[0] for item in bar]

    def response(self, item: Item, role: str) -> tuple[Response, Tensor]:
        """A response's gradients and, whole, that of its summed log-probability. Each role has draws of its own."""
        slope = self.gradients.slope(item)
        whole = flatten(slope.gradient)
        randoms = [
            self.short(self.gradients.random(item, int(value_digest([role, *item, draw]), 16) >> 1))
            for draw in range(self.spec.draws)
        ]
        short = whole if self.spec.sketch is None else self.short(slope.gradient)
        return Response(short, _norm(whole), slope.residual, randoms), whole

    def means(self) -> Tensor:
        """The mean log-probability of each measured response under the parameters as they are, nats a token."""
        backbone = self.model.model.get_decoder()
        tokens = score(self._head, self._batches, states(backbone, self._batches, lambda done: None))
        return torch.stack([each.log_p.double().mean() for each in tokens])

    def influences(
        self, run: str, seed: int, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[ProbePair]
    ) -> list[Influence]:
        """All that steps on one problem, whose pairs these are, do to each measured response."""
        wanted = list(updates(tokenizer, pairs, self.spec))
        items = list(dict.fromkeys(item for update in wanted for item in update.weights))
        trained, wholes = zip(*(self.response(item, "trained") for item in items), strict=True)
        inner = products([each.slope for each in self.measured], [each.slope for each in trained])
        squares = torch.zeros_like(inner)
        for j, k in product(range(self.spec.draws), repeat=2):
            squares += products([each.randoms[j] for each in self.measured], [each.randoms[k] for each in trained]) ** 2
        found: list[Influence] = []
        for update in wanted:
            weights = torch.tensor([update.weights.get(item, 0.0) for item in items], dtype=torch.float64)
            direction = sum(weight * whole for weight, whole in zip(weights.tolist(), wholes, strict=True) if weight)
            g = float(torch.linalg.vector_norm(weights * torch.tensor([each.residual for each in trained])))
            square = squares @ (weights != 0).double() / self.spec.draws**2
            found += self._steps(run, seed, update, direction, inner @ weights, square, g)
        return found

    def _steps(
        self, run: str, seed: int, update: Update, direction: Tensor, inner: Tensor, square: Tensor, g: float
    ) -> Iterator[Influence]:
        """Of one loss, whose gradient is minus `direction` and has the norm `g` on the logits.

        `inner` [responses] are the products of `direction` and the gradient of each summed log-probability.
        """
        norm = _norm(direction)
        if not norm:
            raise R1kError(f"problem {update.problem}: the {update.kind} loss has no gradient; leave the problem out")
        tokens = torch.tensor([len(item.response) for item in self.items])
        slope = torch.tensor([each.norm for each in self.measured])
        a = torch.tensor([each.residual for each in self.measured], dtype=torch.float64) / tokens
        for length in self.spec.steps:
            eta = length * self.norm / norm
            with moved(self.gradients.parameters, direction, eta):
                after = self.means()
            values = {
                "eta": torch.full_like(inner, eta),
                "predicted": eta * inner / tokens,
                "measured": after - self.before,
                "cosine": inner / (slope * norm),
                "a": a,
                "g": torch.full_like(inner, g),
                "kernel": inner / (tokens * a * g),
                "kernel_square": square,
            }
            for place, scored in enumerate(self.responses):
                yield Influence(
                    run=run,
                    seed=seed,
                    step=self.spec.step,
                    update=update.kind,
                    step_problem=update.problem,
                    split=scored.pair.split,
                    problem=scored.pair.problem,
                    direction=scored.pair.direction,
                    response=scored.side,
                    tokens=len(scored.item.response),
                    length=length,
                    **{name: _rounded(float(value[place])) for name, value in values.items()},
                )


def products(rows: Sequence[Tensor], columns: Sequence[Tensor]) -> Tensor:
    """[rows, columns] of inner products, in float64."""
    total = torch.zeros(len(rows), len(columns), dtype=torch.float64)
    for start in range(0, len(rows[0]), CHUNK):
        left, right = (torch.stack([each[start : start + CHUNK] for each in part]) for part in (rows, columns))
        total += left.double() @ right.double().T
    return total


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector, dtype=torch.float64))
