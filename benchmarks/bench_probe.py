"""Measure the cost of probing a run, relative to forward passes, the released way, and the machine's floor.

    python benchmarks/bench_probe.py
    python benchmarks/bench_probe.py --experiment results/demo --base tiny --run dyn-mix
    python benchmarks/bench_probe.py --model results/smollm2/bases/smollm2 --problems 4 --words 12 --checkpoints 2

`--experiment` gives the base, the probe set and the adapters of a run that starts from the base; `--model` gives the
base; all other inputs are synthetic. Every job scores the same distinct items, those of `probe` without greedy answers,
which are timed separately. Repeats are interleaved, so that other load on the machine affects all jobs alike.

Speed: a bare forward pass is `model(input_ids)` of the same padded batches, at all positions, without
log-probabilities, for the base alone and with an unmerged peft adapter. It is compared with the complete `probe` in the
same process: loading the base, tokens, adapters, log-probabilities, records and manifests. The floor is the number of
operations of the base's projections, attention and head on the items without padding, at the rate of a large matrix
product here.

Processes: `r1k probe` is compared with `released_way.py`, from start to exit, once for the tokens' log-probabilities
and once for all values of the probe; their values are compared too.

Memory: the peak of a new process beyond its imports, for `probe` and for a process that loads the base and computes the
last hidden states of the largest batch, plus an adapter's size: weights and that batch's activations. The same follows
for two synthetic bases of one shape with two vocabularies, on long responses. Both processes return freed arrays to the
system at once (MALLOC_MMAP_THRESHOLD_), so that memory held by the C allocator does not count.

Seconds are wall-clock time; the ratio of processor seconds, which other load affects less, is printed too.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from measuring import interleave, matmul_rate, peak_memory, report_ratio, run_command
from probe_inputs import (
    Inputs,
    encode_responses,
    from_experiment,
    load,
    make_batches,
    make_items,
    probe_once,
    synthetic,
    with_long_responses,
)
from r1k.config import Probe
from r1k.probe.engine import Item, PaddedBatch
from r1k.records import GREEDY, LogProb, Tracked, read_jsonl
from r1k.runtime import tune_process

PASSES, FASTER, EXCESS, AGREE = 1.25, 3.0, 0.2, 2e-5
"""The limits: bare forward passes per checkpoint, times faster than the released way, memory beyond weights and
activations, nats per token."""
PARTS = ("speed", "processes", "memory")
VOCABULARIES = (1024, 32768)
MIB = 1 << 20


def main() -> None:
    """Create missing inputs in a temporary directory, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", type=Path, help="folder of a finished experiment")
    parser.add_argument("--base", default="tiny", help="base of the experiment's run")
    parser.add_argument("--run", default="dyn-mix", help="run of the experiment")
    parser.add_argument("--model", type=Path, metavar="DIR", help="base to use instead of a random one")
    parser.add_argument("--checkpoints", type=int, default=7, help="number of synthetic checkpoints, including step 0")
    parser.add_argument("--problems", type=int, default=50, help="problems of a synthetic probe set")
    parser.add_argument("--words", type=int, default=90, help="words of synthetic reasoning")
    parser.add_argument("--rank", type=int, default=32, help="rank of synthetic adapters")
    parser.add_argument("--tracked-problems", type=int, default=25, help="tracked problems per split; the demo has 25")
    parser.add_argument("--greedy-tokens", type=int, default=128, help="maximum tokens of greedy answers")
    parser.add_argument("--tokens-per-batch", type=int, default=Probe().tokens_per_batch)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="what to measure; all by default")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    torch.set_num_threads(options.threads)
    config = Probe(
        dtype="float32",
        tracked=[kind for kind in Probe().tracked if kind not in GREEDY],
        tracked_problems=options.tracked_problems,
        tokens_per_batch=options.tokens_per_batch,
    )
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        inputs = from_experiment(options, config) if options.experiment else synthetic(root / "given", options, config)
        if "speed" in options.parts:
            speed(inputs, options)
        if "processes" in options.parts:
            processes(inputs, options.repeats, root / "processes")
        if "memory" in options.parts:
            print("memory beyond the imports:")
            memory("of this run", inputs)
            for vocabulary in VOCABULARIES:
                memory(
                    f"of a vocabulary of {vocabulary}", with_long_responses(root / str(vocabulary), vocabulary, config)
                )


def speed(inputs: Inputs, options: argparse.Namespace) -> None:
    """Print times within this process, with interleaved repeats, relative to the limit and the floor."""
    batches, items = make_batches(inputs), list(make_items(inputs))
    model, adapted = load(inputs.base, None), load(inputs.base, next(iter(inputs.adapters.values())))
    n = 1 + len(inputs.adapters)
    answering = replace(
        inputs,
        config=inputs.config.model_copy(update={"tracked": Probe().tracked, "greedy_tokens": options.greedy_tokens}),
    )
    read = sum(item.width for item in items)
    padded = sum(batch.input_ids.numel() for batch in batches)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    print(
        f"{model.config.model_type}, {parameters / 1e6:.2f}M parameters, vocabulary {model.config.vocab_size}; {n} "
        f"checkpoints, {len(items)} distinct items, {sum(len(item.response) for item in items)} response tokens; "
        f"{read} tokens read, {padded} with padding, in {len(batches)} batches; float32, {options.threads} threads"
    )
    jobs: dict[str, Callable[[], None]] = {
        "bare forward, base alone": lambda: forward(model, batches, n),
        "bare forward, with adapter": lambda: forward(adapted, batches, n),
        "probe": lambda: probe_once(inputs),
        "probe, with greedy answers": lambda: probe_once(answering),
    }
    forward(model, batches, 1)
    timings = interleave(jobs, options.repeats)
    for name in list(jobs)[:2]:
        report_ratio(timings, "probe", name, PASSES)
    needed, rate = n * operations(model, items), matmul_rate()
    floor = needed / rate
    print(f"floor: {needed / 1e9:.0f} G operations at {rate / 1e9:.1f} G/s of a matrix product: {floor:.2f} s")
    print("; ".join(f"{name} is {statistics.median(used.wall) / floor:.2f} floors" for name, used in timings.items()))


def processes(inputs: Inputs, repeats: int, root: Path) -> None:
    """Print times of complete processes, r1k's and the released way's, with interleaved repeats; then compare their
    values."""
    root.mkdir()
    items = list(make_items(inputs))
    ways = {"the released way": False, "the released way, all values": True}
    commands = {}
    for name, everything in ways.items():
        order = {
            "base": str(inputs.base),
            "adapters": [None, *map(str, inputs.adapters.values())],
            "items": items,
            "output": str(root / f"{name}.json"),
            "all": everything,
        }
        path = root / f"order of {name}.json"
        path.write_text(json.dumps(order))
        commands[name] = [sys.executable, Path(__file__).with_name("released_way.py"), path]
    places = {name: root / f"{name}.jsonl" for name in ("output", "tracked", "greedy")}
    given = {name: getattr(inputs, name) for name in ("run", "base", "steps", "pairs")}
    given |= places | {"probe": inputs.config.model_dump_json()}
    flat = [part for name, value in given.items() for part in (f"--{name}", value)]

    def ours() -> None:
        with tempfile.TemporaryDirectory() as state:
            run_command([Path(sys.executable).parent / "r1k", "probe", *flat, "--state", state])

    timings = interleave(
        {"r1k probe": ours} | {name: partial(run_command, command) for name, command in commands.items()}, repeats
    )
    for name in ways:
        report_ratio(timings, name, "r1k probe", FASTER, minimum=True)
    records = read_jsonl(places["output"], LogProb), read_jsonl(places["tracked"], Tracked)
    for name, everything in ways.items():
        found = json.loads((root / f"{name}.json").read_text())
        compare(inputs, [dict(zip(items, scored, strict=True)) for scored in found], *records, everything)


def compare(
    inputs: Inputs,
    theirs: list[dict[Item, Any]],
    log_probs: list[LogProb],
    tracked: list[Tracked],
    everything: bool,
) -> None:
    """Print the largest difference between our records' means over tokens and those of the released way's values."""
    responses, tracked_responses = encode_responses(inputs)
    pairs: list[tuple[float, float]] = []
    if not everything:
        expected = [step[part.item] for step in theirs for part in responses]
        pairs += [(record.mean, statistics.fmean(each)) for record, each in zip(log_probs, expected, strict=True)]
    whole = [record for record in tracked if record.span == "all"]
    for record, values in zip(whole, [step[part.item] for step in theirs for part in tracked_responses], strict=True):
        columns = list(zip(*values, strict=True)) if everything else [values]
        names = ("log_p", "log_p_argmax", "entropy", "rank", "kl") if everything else ("log_p",)
        # Ranks are not compared: tokens with equal exact probabilities may swap, and ranks are not in nats.
        pairs += [
            (getattr(record, name), statistics.fmean(column))
            for name, column in zip(names, columns, strict=True)
            if name != "rank"
        ]
    worst = max(abs(one - other) for one, other in pairs)
    say = "within" if worst <= AGREE else "ABOVE"
    print(f"{len(pairs)} means over tokens differ by {worst:.1e} nats at most: {say} the limit of {AGREE}")


def memory(name: str, inputs: Inputs) -> None:
    """Print the peaks of two processes, and whether the excess of the second is within the limit."""
    vocabulary = json.loads((inputs.base / "config.json").read_text())["vocab_size"]
    tokens = max(len(batch.targets) for batch in make_batches(inputs))
    adapter = max(path.stat().st_size for path in inputs.steps.glob("*/adapter_model.safetensors"))
    largest, probing = peak_memory(read_largest, inputs) + adapter, peak_memory(probe_once, inputs)
    excess = probing / largest - 1
    say = "within" if excess <= EXCESS else "ABOVE"
    print(
        f"  {name}: weights and the largest batch {largest / MIB:.0f} MiB, probe {probing / MIB:.0f} MiB, "
        f"{excess:+.0%}: {say} the limit of {EXCESS:+.0%}; that batch's logits alone would be "
        f"{4 * vocabulary * tokens / MIB:.0f} MiB"
    )


def forward(model: Any, batches: list[PaddedBatch], passes: int) -> None:
    with torch.inference_mode():
        for _ in range(passes):
            for batch in batches:
                model(input_ids=batch.input_ids)


def operations(model: Any, items: list[Item]) -> float:
    """Return the operations of one pass over the items: two per weight of a projection and token, causal attention, and
    the head at response tokens."""
    config, head = model.config, model.get_output_embeddings()
    linear = [part for part in model.modules() if isinstance(part, torch.nn.Linear) and part is not head]
    weights = sum(part.weight.numel() for part in linear)
    # Scores and sums over values: two products of the width of all heads for each pair of tokens.
    attention = 2 * config.num_hidden_layers * config.hidden_size
    body = sum(2 * weights * item.width + attention * item.width * (item.width + 1) for item in items)
    return float(body + 2 * head.weight.numel() * sum(len(item.response) for item in items))


def read_largest(inputs: Inputs) -> None:
    """Run the backbone once over the batch with the most padded tokens."""
    model, batches = load(inputs.base, None), make_batches(inputs)
    with torch.inference_mode():
        largest = max(batches, key=lambda batch: batch.input_ids.numel())
        model.get_decoder()(input_ids=largest.input_ids, use_cache=False)


if __name__ == "__main__":
    tune_process()
    main()
