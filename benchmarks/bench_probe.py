"""What probing all checkpoints of a run costs: against bare forward passes, the released way, and the machine's floor.

    python benchmarks/bench_probe.py
    python benchmarks/bench_probe.py --experiment results/demo --base tiny --run dyn-mix
    python benchmarks/bench_probe.py --model results/smollm2/bases/smollm2 --problems 4 --words 12 --checkpoints 2

Of a finished experiment the base, the probe set and the adapters of a run that starts from the base are taken; of
`--model` the base; what is not taken is made up. Everything scores the same distinct items, those of `probe` without
the model's own answers, whose writing is timed apart; each repeat times all in turn, so that what else the machine does
falls on all.

Speed: a bare forward pass is `model(input_ids)` of the same padded batches, all positions, no log-probabilities, of the
base alone and with an adapter of peft beside it. Against it stands the whole of `probe`, in the same process: loading
the base, tokens, adapters, log-probabilities, records and manifests. The floor is the operations of the base's
projections, attention and head on the items without padding, at the rate of a large matrix product here.

Whole processes: `r1k probe` against `released_way.py`, from start to exit, once for the tokens' log-probabilities
alone and once for all that the probe finds at each token, with the numbers compared.

Memory: the peak of a fresh process above its imports, of `probe` and of one that holds the bare base and reads the
largest batch up to the last hidden states, an adapter's size added: weights and that batch's activations. Then the
same of two made-up bases of one shape and of two vocabularies, on long responses. Both processes give freed arrays
back at once (MALLOC_MMAP_THRESHOLD_), so that what the C allocator keeps is in neither.

Seconds are of the clock; the ratio of processor seconds, which others disturb less, is printed too.
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

from measuring import execute, in_turn, matmul_rate, peak, verdict
from probe_inputs import Inputs, load, long, made, make_batches, make_items, probe_once, scored_of, taken
from r1k.config import Probe
from r1k.probe.engine import PaddedBatch, Item
from r1k.records import GREEDY, LogProb, Tracked, read_jsonl
from r1k.threads import wait_passively

PASSES, FASTER, EXCESS, AGREE = 1.25, 3.0, 0.2, 2e-5
"""The limits: bare forward passes a checkpoint, times faster than the released way, memory beyond weights and
activations, nats a token."""
PARTS = ("speed", "processes", "memory")
VOCABULARIES = (1024, 32768)
MIB = 1 << 20


def main() -> None:
    """Make what is not given in a temporary directory, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiment", type=Path, help="a finished experiment's folder")
    parser.add_argument("--base", default="tiny", help="the base of its run")
    parser.add_argument("--run", default="dyn-mix", help="its run")
    parser.add_argument("--model", type=Path, metavar="DIR", help="a base to take instead of a random one")
    parser.add_argument("--checkpoints", type=int, default=7, help="of made-up adapters, step 0 among them")
    parser.add_argument("--problems", type=int, default=50, help="of a made-up probe set, both ways")
    parser.add_argument("--words", type=int, default=90, help="of a made-up reasoning")
    parser.add_argument("--rank", type=int, default=32, help="of made-up adapters")
    parser.add_argument("--tracked-problems", type=int, default=25, help="of each split, as in the demo")
    parser.add_argument("--greedy-tokens", type=int, default=128, help="of the model's own answers, at most")
    parser.add_argument("--tokens-per-batch", type=int, default=Probe().tokens_per_batch)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS, help="what is measured; all")
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
        inputs = taken(options, config) if options.experiment else made(root / "given", options, config)
        if "speed" in options.parts:
            speed(inputs, options)
        if "processes" in options.parts:
            processes(inputs, options.repeats, root / "processes")
        if "memory" in options.parts:
            print("memory, above what the imports take:")
            memory("of this run", inputs)
            for vocabulary in VOCABULARIES:
                memory(f"of a vocabulary of {vocabulary}", long(root / str(vocabulary), vocabulary, config))


def speed(inputs: Inputs, options: argparse.Namespace) -> None:
    """Times in this process, the repeats in turn, against the limit and the floor."""
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
        "probe, with own answers": lambda: probe_once(answering),
    }
    forward(model, batches, 1)
    spent = in_turn(jobs, options.repeats)
    for name in list(jobs)[:2]:
        verdict(spent, "probe", name, PASSES)
    needed, rate = n * operations(model, items), matmul_rate()
    floor = needed / rate
    print(f"floor: {needed / 1e9:.0f} G operations at {rate / 1e9:.1f} G/s of a matrix product: {floor:.2f} s")
    print("; ".join(f"{name} is {statistics.median(used.wall) / floor:.2f} floors" for name, used in spent.items()))


def processes(inputs: Inputs, repeats: int, root: Path) -> None:
    """Whole processes, ours and the released way, the repeats in turn; then the numbers of both."""
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
            execute([Path(sys.executable).parent / "r1k", "probe", *flat, "--state", state])

    spent = in_turn(
        {"r1k probe": ours} | {name: partial(execute, command) for name, command in commands.items()}, repeats
    )
    for name in ways:
        verdict(spent, name, "r1k probe", FASTER, least=True)
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
    """Say how much our records' means over tokens differ from those of the values that the released way found."""
    responses, tracked_responses = scored_of(inputs)
    pairs: list[tuple[float, float]] = []
    if not everything:
        expected = [step[part.item] for step in theirs for part in responses]
        pairs += [(record.mean, statistics.fmean(each)) for record, each in zip(log_probs, expected, strict=True)]
    whole = [record for record in tracked if record.span == "all"]
    for record, values in zip(whole, [step[part.item] for step in theirs for part in tracked_responses], strict=True):
        columns = list(zip(*values, strict=True)) if everything else [values]
        names = ("log_p", "log_p_argmax", "entropy", "rank", "kl") if everything else ("log_p",)
        # Two tokens that are equally likely in exact arithmetic may change places: a rank is not in nats.
        pairs += [
            (getattr(record, name), statistics.fmean(column))
            for name, column in zip(names, columns, strict=True)
            if name != "rank"
        ]
    worst = max(abs(one - other) for one, other in pairs)
    say = "within" if worst <= AGREE else "ABOVE"
    print(f"{len(pairs)} means over tokens differ by {worst:.1e} nats at most: {say} the limit of {AGREE}")


def memory(name: str, inputs: Inputs) -> None:
    """The peaks of two processes, and the limit of what the one takes more."""
    vocabulary = json.loads((inputs.base / "config.json").read_text())["vocab_size"]
    tokens = max(len(batch.targets) for batch in make_batches(inputs))
    adapter = max(path.stat().st_size for path in inputs.steps.glob("*/adapter_model.safetensors"))
    largest, probing = peak(read_largest, inputs) + adapter, peak(probe_once, inputs)
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
    """Of one pass over the items: two for each weight of a projection and token, attention to what is before, and the
    head at response tokens."""
    config, head = model.config, model.get_output_embeddings()
    linear = [part for part in model.modules() if isinstance(part, torch.nn.Linear) and part is not head]
    weights = sum(part.weight.numel() for part in linear)
    # Scores and sums over values: two products of the width of all heads for each pair of tokens.
    attention = 2 * config.num_hidden_layers * config.hidden_size
    body = sum(2 * weights * item.width + attention * item.width * (item.width + 1) for item in items)
    return float(body + 2 * head.weight.numel() * sum(len(item.response) for item in items))


def read_largest(inputs: Inputs) -> None:
    """One pass of the backbone over the batch with the most padded tokens."""
    model, batches = load(inputs.base, None), make_batches(inputs)
    with torch.inference_mode():
        largest = max(batches, key=lambda batch: batch.input_ids.numel())
        model.get_decoder()(input_ids=largest.input_ids, use_cache=False)


if __name__ == "__main__":
    wait_passively()
    main()
