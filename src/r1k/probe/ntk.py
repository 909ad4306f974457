"""The empirical neural tangent kernel with respect to an adapter's parameters, and its predictions for one step.

With theta the adapter's parameters, z the logits and L the loss of an example u, one step of gradient descent changes
the log-probability of a response o by -eta A(o) K(o, u) G(u) + O(eta^2) (Ren and Sutherland 2024, equation 3): A = d
log p / dz at o, G = dL/dz at u, K = J_o J_u^T with J = dz/dtheta. This module computes the product as the inner product
of two gradients with respect to theta, takes the same step, and scores the response again. Everything is in float32,
without dropout.
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
from r1k.probe.engine import Item, hidden_states, output_head, prepare, score
from r1k.probe.gradients import Gradients, flatten, shifted
from r1k.probe.responses import EncodedResponse, read_pairs
from r1k.probe.scoring import check_widths
from r1k.probe.sketch import CountSketch
from r1k.probe.updates import StepLoss, first_problems, measured_responses, step_losses
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Influence, ProbePair, read_jsonl, write_jsonl
from r1k.text import load_tokenizer
from r1k.train.describe import read_run

PROBE = Probe()
CHUNK = 1 << 16
"""Entries of each vector that are converted to float64 at once."""
SIGNIFICANT_DIGITS = 8
"""Digits that are written: float32 has no more."""


@dataclass(frozen=True)
class ResponseGradients:
    """A response's gradients, in the form that enters inner products."""

    gradient: Tensor
    """Gradient of its summed log-probability, sketched if a sketch is configured."""
    norm: float
    """Norm of the gradient before sketching."""
    residual: float
    randoms: list[Tensor]
    """J^T v of each draw, sketched in the same way."""


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
        adapter: The run's adapter, at whose parameters gradients are computed.
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
    """Write an Influence for each step and each measured response.

    `state` keeps a problem's records once they are complete; its path must change with anything that changes the
    values.
    """
    watch = Stopwatch()
    check_adapters([adapter])
    tokenizer, all_pairs = load_tokenizer(base, spec.direction_tag), read_pairs(pairs)
    responses = measured_responses(tokenizer, all_pairs, spec)
    problems = first_problems(all_pairs, "train", spec.examples)
    with exclusive(state / "lock", f"the kernel of {run}, seed {seed}"):
        files = {problem: state / f"{place}.jsonl" for place, problem in enumerate(problems)}
        missing = [problem for problem in problems if not files[problem].is_file()]
        kernel = Kernel(base, adapter, responses, spec, tokens_per_batch) if missing else None
        for problem in tqdm(missing, desc="problems", unit="problem"):
            if kernel is not None:
                write_jsonl(files[problem], kernel.influences(run, seed, tokenizer, problems[problem]))
        found = [record for path in files.values() for record in read_jsonl(path, Influence)]
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
    """A model at one checkpoint, the gradients of all measured responses, and the steps taken from there."""

    def __init__(
        self, base: Path, adapter: Path, responses: Sequence[EncodedResponse], spec: NtkSpec, tokens_per_batch: int
    ) -> None:
        self.responses, self.spec = responses, spec
        self.model = SwappableModel(base, [adapter], "float32")
        self.model.use(adapter)
        self.items = [response.item for response in responses]
        check_widths(((f"{r.pair.id}, {r.side}", r.item) for r in responses), self.model.max_positions)
        self.gradients = Gradients(self.model)
        self.compress = flatten if spec.sketch is None else CountSketch(spec.sketch)
        parameters = self.gradients.parameters
        self.size = sum(parameter.numel() for parameter in parameters)
        self.norm = math.hypot(*(_norm(parameter.detach()) for parameter in parameters))
        self._head = output_head(self.model.model)
        self._batches = prepare(self.items, tokens_per_batch, self.model.device)
        self.before = self.means()
        bar = tqdm(self.items, desc="responses measured", unit="response")
        self.measured = [self.response(item, "measured")[0] for item in bar]

    def response(self, item: Item, role: str) -> tuple[ResponseGradients, Tensor]:
        """Return a response's gradients, and its gradient before sketching. Each role has its own random draws."""
        found = self.gradients.log_prob_gradient(item)
        whole = flatten(found.gradient)
        randoms = [
            self.compress(self.gradients.random_gradient(item, int(value_digest([role, *item, draw]), 16) >> 1))
            for draw in range(self.spec.draws)
        ]
        gradient = whole if self.spec.sketch is None else self.compress(found.gradient)
        return ResponseGradients(gradient, _norm(whole), found.residual, randoms), whole

    def means(self) -> Tensor:
        """Return the mean log-probability of each measured response under the current parameters, in nats per token."""
        backbone = self.model.model.get_decoder()
        tokens = score(self._head, self._batches, hidden_states(backbone, self._batches, lambda done: None))
        return torch.stack([each.log_p.double().mean() for each in tokens])

    def influences(
        self, run: str, seed: int, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[ProbePair]
    ) -> list[Influence]:
        """Return the effects on each measured response of the steps on one problem, given by its pairs."""
        losses = list(step_losses(tokenizer, pairs, self.spec))
        items = list(dict.fromkeys(item for loss in losses for item in loss.weights))
        trained, wholes = zip(*(self.response(item, "trained") for item in items), strict=True)
        inner = products([each.gradient for each in self.measured], [each.gradient for each in trained])
        squares = torch.zeros_like(inner)
        for j, k in product(range(self.spec.draws), repeat=2):
            squares += products([each.randoms[j] for each in self.measured], [each.randoms[k] for each in trained]) ** 2
        found: list[Influence] = []
        for loss in losses:
            weights = torch.tensor([loss.weights.get(item, 0.0) for item in items], dtype=torch.float64)
            direction = sum(weight * whole for weight, whole in zip(weights.tolist(), wholes, strict=True) if weight)
            g = float(torch.linalg.vector_norm(weights * torch.tensor([each.residual for each in trained])))
            square = squares @ (weights != 0).double() / self.spec.draws**2
            found += self._steps(run, seed, loss, direction, inner @ weights, square, g)
        return found

    def _steps(
        self, run: str, seed: int, loss: StepLoss, direction: Tensor, inner: Tensor, square: Tensor, g: float
    ) -> Iterator[Influence]:
        """Yield the effects of the steps on one loss, with gradient -`direction` and gradient norm `g` on the logits.

        `inner` [responses] has the inner products of `direction` and the gradients of the summed log-probabilities.
        """
        norm = _norm(direction)
        if not norm:
            raise R1kError(f"problem {loss.problem}: the {loss.kind} loss has no gradient; remove the problem")
        tokens = torch.tensor([len(item.response) for item in self.items])
        norms = torch.tensor([each.norm for each in self.measured])
        a = torch.tensor([each.residual for each in self.measured], dtype=torch.float64) / tokens
        for length in self.spec.steps:
            eta = length * self.norm / norm
            with shifted(self.gradients.parameters, direction, eta):
                after = self.means()
            values = {
                "eta": torch.full_like(inner, eta),
                "predicted": eta * inner / tokens,
                "measured": after - self.before,
                "cosine": inner / (norms * norm),
                "a": a,
                "g": torch.full_like(inner, g),
                "kernel": inner / (tokens * a * g),
                "kernel_square": square,
            }
            for place, response in enumerate(self.responses):
                yield Influence(
                    run=run,
                    seed=seed,
                    step=self.spec.step,
                    update=loss.kind,
                    step_problem=loss.problem,
                    split=response.pair.split,
                    problem=response.pair.problem,
                    direction=response.pair.direction,
                    response=response.side,
                    tokens=len(response.item.response),
                    length=length,
                    **{name: _rounded(float(value[place])) for name, value in values.items()},
                )


def products(rows: Sequence[Tensor], columns: Sequence[Tensor]) -> Tensor:
    """Return the inner products [rows, columns], in float64."""
    total = torch.zeros(len(rows), len(columns), dtype=torch.float64)
    for start in range(0, len(rows[0]), CHUNK):
        left, right = (torch.stack([each[start : start + CHUNK] for each in part]) for part in (rows, columns))
        total += left.double() @ right.double().T
    return total


def _rounded(value: float) -> float:
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _norm(vector: Tensor) -> float:
    return float(torch.linalg.vector_norm(vector, dtype=torch.float64))
