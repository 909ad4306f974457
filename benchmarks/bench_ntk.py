"""Measure time and memory of the empirical NTK of a model like the demo's: steps on 8 problems, 8 measured per split.

OMP_NUM_THREADS=1 python benchmarks/bench_ntk.py
python benchmarks/bench_ntk.py --sketch 65536 --problems 4
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests" / "probe"))
from probe_models import build_adapter, build_base, build_pairs

from r1k.config import NtkSpec
from r1k.probe.ntk import measure_influences


def main() -> None:
    """Build the inputs in a temporary directory, measure once, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=8, help="problems per split")
    parser.add_argument("--rank", type=int, default=32, help="rank of the adapter")
    parser.add_argument("--sketch", type=int, help="size of a gradient's sketch; no sketch by default")
    options = parser.parse_args()
    spec = NtkSpec(
        examples=options.problems,
        steps=[1e-4, 1e-2],
        draws=1,
        sketch=options.sketch,
        step=1,
        max_tokens=1000,
        sft_length=512,
        dpo_length=512,
        beta=0.6,
        direction_tag=False,
    )
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        base = build_base(root / "base", hidden=128, layers=3, mlp=384, vocabulary=833)
        adapter = build_adapter(root / "adapter", base, 1, options.rank, 2 * options.rank, size=0.02)
        pairs = build_pairs(root / "probe.jsonl", 2 * options.problems, question=20, reasoning=25)
        measure_influences(
            run="bench",
            seed=0,
            base=base,
            adapter=adapter,
            pairs=pairs,
            spec=spec,
            tokens_per_batch=8192,
            output=root / "ntk.jsonl",
            state=root / "state",
        )
        manifest = json.loads((root / "ntk.manifest.json").read_text())
    facts = manifest["facts"]
    print(
        f"{facts['parameters']} parameters of the adapter, steps on {facts['problems']} problems, "
        f"{facts['responses']} responses, {facts['records']} records: {manifest['seconds']:.1f} s, "
        f"{manifest['peak_memory']['host'] / 2**20:.0f} MiB with the libraries"
    )


if __name__ == "__main__":
    main()
