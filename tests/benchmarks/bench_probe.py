"""What probing N checkpoints costs, in bare forward passes over the same tokens, and in memory.

    python tests/benchmarks/bench_probe.py
    python tests/benchmarks/bench_probe.py --smollm2 results/smollm2/bases/smollm2 --problems 2 --checkpoints 3

A bare forward pass is `model(input_ids)` of the same padded batches, all positions, no log-probabilities: of the base
alone, and of the base with an adapter of peft beside it. The probe is timed as a whole: loading the base, tokens,
adapters, log-probabilities, records and manifest. Each repeat times all three, in turn, so that what else the machine
does falls on all; seconds are of the clock, and the ratio of processor seconds, which others disturb less, is
printed too.
"""

import argparse
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

sys.path.append(str(Path(__file__).parents[1] / "probe"))
from probe_models import build_adapter, build_base, build_pairs

from r1k.config import Probe
from r1k.probe.alp import probe
from r1k.probe.engine import Batch, prepare
from r1k.probe.responses import encode_pairs, read_pairs
from r1k.probe.tracked import follow
from r1k.text import load_tokenizer

LIMIT = 1.25
CONFIG = Probe(precision="fp32")
MIB = 1 << 20


def main() -> None:
    """Build the inputs in a temporary directory, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoints", type=int, default=7, help="N, step 0 among them")
    parser.add_argument("--problems", type=int, default=50, help="four responses each")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rank", type=int, default=32, help="of the adapters")
    parser.add_argument("--smollm2", type=Path, metavar="DIR", help="a base to take instead of the random one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        base = options.smollm2 or build_base(
            root / "base", hidden=128, layers=4, mlp=384, vocabulary=1024, positions=2048
        )
        adapters = {
            step: build_adapter(root / f"step-{step}", base, step, options.rank, 2 * options.rank, size=0.02)
            for step in range(1, options.checkpoints)
        }
        pairs = build_pairs(root / "probe.jsonl", options.problems, question=30, reasoning=90)
        report(base, adapters, pairs, options)


def report(base: Path, adapters: dict[int, Path], pairs: Path, options: argparse.Namespace) -> None:
    """Time the three in turn, then measure the memory of each in a process of its own."""
    torch.set_num_threads(options.threads)
    batches = make_batches(base, pairs)
    model = load(base, None)
    adapted = load(base, adapters[1])
    n = options.checkpoints
    tokens = sum(int(batch.input_ids.numel()) for batch in batches)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{model.config.model_type}, {parameters / 1e6:.2f}M parameters, vocabulary {model.config.vocab_size}, LoRA "
        f"rank {options.rank}; {n} checkpoints, {sum(len(b.items) for b in batches)} responses of "
        f"{sum(sum(b.lengths) for b in batches)} tokens, {tokens} padded tokens with prompts in {len(batches)} "
        f"batches; float32, {options.threads} threads, n = {options.repeats} repeats"
    )
    jobs: dict[str, Callable[[], None]] = {
        "bare forward, base alone": lambda: forward(model, batches, n),
        "bare forward, with adapter": lambda: forward(adapted, batches, n),
        "probe, as a whole": lambda: probe_once(base, adapters, pairs),
    }
    wall: dict[str, list[float]] = {name: [] for name in jobs}
    processor: dict[str, list[float]] = {name: [] for name in jobs}
    forward(model, batches, 1)
    for repeat in range(options.repeats):
        for name, job in list(jobs.items())[:: 1 if repeat % 2 == 0 else -1]:
            start, processor_start = time.perf_counter(), time.process_time()
            job()
            wall[name].append(time.perf_counter() - start)
            processor[name].append(time.process_time() - processor_start)
            print(f"  repeat {repeat + 1}: {name}: {wall[name][-1]:.2f} s", file=sys.stderr, flush=True)
    for name, values in wall.items():
        print(f"{name:28s} {summary(values, '{:.2f}')} s")
    *bares, probing = jobs
    for bare in bares:
        ratios = quotients(wall[probing], wall[bare])
        verdict = "within" if statistics.median(ratios) <= LIMIT else "ABOVE"
        print(f"probe / ({bare}): {summary(ratios, '{:.3f}')}: {verdict} the limit of {LIMIT}")
        print(f"    of processor seconds: {summary(quotients(processor[probing], processor[bare]), '{:.3f}')}")
    print(f"weights in float32: {parameters * 4 / MIB:.0f} MiB; peaks above what the imports take:")
    for name, target in (("bare forward, base alone", forward_once), ("probe, as a whole", probe_once)):
        print(f"{name:28s} {peak(target, base, adapters, pairs, options.threads) / MIB:.0f} MiB")


def quotients(ours: list[float], theirs: list[float]) -> list[float]:
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def summary(values: list[float], form: str) -> str:
    low, median, high = map(form.format, (min(values), statistics.median(values), max(values)))
    return f"median {median} [{low}, {high}] over n = {len(values)}"


def load(base: Path, adapter: Path | None) -> torch.nn.Module:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    return (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()


def make_batches(base: Path, pairs: Path) -> list[Batch]:
    """The batches that the probe makes of the same files."""
    tokenizer = load_tokenizer(base)
    responses = encode_pairs(tokenizer, read_pairs(pairs), CONFIG.max_tokens)
    followed, _ = follow(tokenizer, responses, CONFIG)
    items = dict.fromkeys(response.item for response in responses)
    further = dict.fromkeys(response.item for response in followed if response.item not in items)
    return [
        batch
        for part in (items, further)
        for batch in prepare(list(part), CONFIG.tokens_per_batch, torch.device("cpu"))
    ]


def forward(model: torch.nn.Module, batches: list[Batch], passes: int) -> None:
    with torch.no_grad():
        for _ in range(passes):
            for batch in batches:
                model(input_ids=batch.input_ids)


def forward_once(base: Path, adapters: dict[int, Path], pairs: Path) -> None:
    """Two passes of the base alone, for its memory."""
    forward(load(base, None), make_batches(base, pairs), 2)


def probe_once(base: Path, adapters: dict[int, Path], pairs: Path) -> None:
    """The stage as the workflow calls it, in a new place."""
    with tempfile.TemporaryDirectory() as place:
        probe(
            run="bench",
            seed=0,
            base=base,
            start=None,
            steps=adapters,
            epochs={step: float(step) for step in adapters},
            pairs=pairs,
            config=CONFIG,
            output=Path(place) / "probe.jsonl",
            tracked=Path(place) / "tracked.jsonl",
            greedy=Path(place) / "greedy.jsonl",
            state=Path(place) / "state",
        )


def peak(target: Callable[..., None], *arguments: object) -> int:
    """Bytes of resident memory that `target` takes at most, beyond what its process had before."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, target, *arguments))
    process.start()
    taken: int = receiver.recv()
    process.join()
    return taken


def _measure(sender, target, base, adapters, pairs, threads) -> None:
    torch.set_num_threads(threads)
    before = _high_water()
    target(base, adapters, pairs)
    sender.send(_high_water() - before)


def _high_water() -> int:
    # Not getrusage: its maximum is handed down from the process that this one was started by.
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
