"""The project's configs, and changed copies of them."""

import copy

from examples import ROOT

ADDED = [ROOT / "config" / name for name in ("demo-remedies.yaml", "remedies.yaml", "smollm2-arms.yaml")]
"""Files that are given after another file, not experiments by themselves."""
CONFIGS = sorted({*(ROOT / "config").glob("*.yaml")} - {*ADDED})


def changed(config: dict, path: str, value: object) -> dict:
    config = copy.deepcopy(config)
    *above, last = path.split("/")
    part = config
    for key in above:
        part = part[key]
    part[last] = value
    return config
