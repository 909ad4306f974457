"""Pins of the environments: shared packages have one version, and every package is pinned."""

import re

import pytest
import yaml

from examples import ROOT

ENVS = ROOT / "envs"
PIN = re.compile(r"^([A-Za-z0-9_.-]+)(?:\[[a-z,]+\])?==(\S+)$")


def pins(name: str) -> dict[str, str]:
    lines = [line for line in (ENVS / name).read_text().splitlines() if line and not line.startswith("#")]
    found = [PIN.match(line) for line in lines]
    assert all(found), [line for line, match in zip(lines, found, strict=True) if not match]
    return {match[1].lower().replace("_", "-"): match[2] for match in found if match}


def test_generation_and_training_pin_the_same_versions():
    lock, evaluate = pins("cpu.lock"), pins("evaluate.txt")
    shared = {name for name in evaluate if name in lock}
    different = {name for name in shared if evaluate[name] != lock[name]}
    assert {"torch", "peft", "lm-eval", "math-verify"} <= shared
    assert different == {"transformers"}  # vLLM needs an older one


@pytest.mark.parametrize("name", ["cpu", "train", "evaluate"])
def test_an_environment_installs_only_pins_and_the_project(name):
    yaml.safe_load((ENVS / f"{name}.yaml").read_text())
    script = (ENVS / f"{name}.post-deploy.sh").read_text()
    named = re.findall(r"-r (envs/\S+)", script)
    assert named and "--no-deps --editable ." in script
    for path in named:
        assert pins(path.removeprefix("envs/"))
