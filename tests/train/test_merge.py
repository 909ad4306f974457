"""Merges, compared with dense updates and with PEFT's merges, and as published files loaded into a model."""

import json

import pytest
import torch
from peft import PeftModel
from peft.utils.merge_utils import ties
from safetensors.torch import load_file
from trainings import make_adapter, make_plan
from transformers import AutoModelForCausalLM

from r1k.config import Merge
from r1k.errors import TrainError
from r1k.probe.adapters import check_adapters
from r1k.train.describe import describe_run, read_run
from r1k.train.merge import low_rank_fit, merge, merge_updates, read_updates

WEIGHTS = [0.75, -0.5]
RANK = 3


def merge_config(merge_method: str = "linear") -> Merge:
    density = {} if merge_method == "linear" else {"density": 0.5}
    return Merge(runs=["a", "b"], weights=WEIGHTS, merge_method=merge_method, **density)


def dense(updates) -> dict[str, torch.Tensor]:
    return {name: update.up @ update.down for name, update in updates.items()}


@pytest.fixture(scope="module")
def adapters(tmp_path_factory, tiny_base):
    folder = tmp_path_factory.mktemp("adapters")
    return [make_adapter(tiny_base, folder / name, seed, RANK) for seed, name in enumerate("ab")]


@pytest.fixture(scope="module")
def updates(adapters):
    return [read_updates(adapter) for adapter in adapters]


@pytest.fixture
def publish(tmp_path, tiny_base, adapters):
    def publish(merge_method: str = "linear", seed: int = 0, adapters=adapters, name: str = "merged"):
        folder = tmp_path / name
        parents = []
        for parent in "ab":
            plan = {"run": parent, "merge": merge_config(), "seed": seed, "identity": {"run": parent}}
            plan |= {"steps": 1, "exclude_held_out": True}
            parents.append(folder / f"{parent}.json")
            describe_run(plan=make_plan("merge", **plan), base=tiny_base, output=parents[-1])
        plan |= {"run": name, "merge": merge_config(merge_method), "probed": {1: 1.0}}
        describe_run(plan=make_plan("merge", **plan), base=tiny_base, output=folder / "run.json", parent=parents)
        merge(run=folder / "run.json", adapters=adapters, output=folder / "adapter", steps=folder / "steps")
        return folder

    return publish


def test_a_linear_merge_is_the_weighted_sum_of_the_updates(updates):
    merged = dense({name: fit.update for name, fit in merge_updates(updates, merge_config(), 0).items()})
    first, second = map(dense, updates)
    assert len(merged) == 6
    for name, found in merged.items():
        torch.testing.assert_close(found, WEIGHTS[0] * first[name] + WEIGHTS[1] * second[name])


def test_pefts_cat_and_ties_svd_agree_and_its_linear_differs(updates, adapters, tiny_base):
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), adapters[0], adapter_name="a")
    model.load_adapter(adapters[1], adapter_name="b")
    for kind in ("cat", "linear", "ties_svd"):
        model.add_weighted_adapter(["a", "b"], WEIGHTS, kind, combination_type=kind, svd_rank=2 * RANK, density=0.5)
    layers = {name: layer for name, layer in model.named_modules() if hasattr(layer, "lora_A")}
    for merge_method, kind, equal in (("linear", "cat", True), ("ties", "ties_svd", True), ("linear", "linear", False)):
        for name, fit in merge_updates(updates, merge_config(merge_method), 0).items():
            peft_update = layers[name].get_delta_weight(kind)
            update = fit.update.up @ fit.update.down
            assert torch.allclose(update, peft_update, atol=1e-4 * float(peft_update.abs().max())) == equal, (
                merge_method,
                name,
            )


def test_ties_acts_on_the_updates_and_the_norm_lost_to_the_rank_is_reported(updates):
    merged = merge_updates(updates, merge_config("ties"), 0)
    first, second = map(dense, updates)
    for name, fit in merged.items():
        whole = ties([first[name], second[name]], torch.tensor(WEIGHTS), 0.5)
        lost = float((whole - fit.update.up @ fit.update.down).square().sum())
        assert 0 < lost == pytest.approx(fit.total - fit.retained, rel=1e-3)
        singular = torch.linalg.svdvals(whole)
        assert lost == pytest.approx(float(singular[2 * RANK :].square().sum()), rel=1e-3)


@pytest.mark.parametrize("shape", [(5, 9), (9, 5)])
def test_a_fit_of_sufficient_rank_is_exact(shape):
    torch.manual_seed(0)
    whole = torch.randn(shape)
    fit = low_rank_fit(whole, 7)
    torch.testing.assert_close(fit.update.up @ fit.update.down, whole, atol=1e-5, rtol=1e-5)
    assert fit.update.down.shape == (7, shape[1]) and fit.update.up.shape == (shape[0], 7)
    assert fit.retained == pytest.approx(fit.total)


@pytest.mark.parametrize("merge_method", ["dare_linear", "dare_ties"])
def test_dare_depends_only_on_the_seed(updates, merge_method):
    def run(seed):
        return torch.cat(
            [fit.update.down.flatten() for fit in merge_updates(updates, merge_config(merge_method), seed).values()]
        )

    first = run(1)
    torch.rand(3)
    assert torch.equal(first, run(1)) and not torch.equal(first, run(2))
    before = torch.random.get_rng_state()
    run(1)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_published_merge_acts_as_the_sum_of_the_updates(publish, updates, tiny_base):
    folder = publish()
    ids = torch.arange(10)[None] + 5
    merged = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_base), folder / "adapter").eval()
    by_hand = AutoModelForCausalLM.from_pretrained(tiny_base).eval()
    layers = dict(by_hand.named_modules())
    with torch.no_grad():
        for found, weight in zip(map(dense, updates), WEIGHTS, strict=True):
            for name, update in found.items():
                layers[name.removeprefix("base_model.model.")].weight += weight * update
        torch.testing.assert_close(merged(ids).logits, by_hand(ids).logits, atol=1e-4, rtol=1e-4)


def test_a_merge_publishes_the_same_files_as_a_training_run(publish):
    folder = publish("ties")
    run_file = read_run(folder / "run.json")
    assert {name for name in run_file.contents if name != "base"} == {"parent a", "parent b"}
    check_adapters([folder / "adapter", folder / "steps" / "1"])
    final, step = (load_file(folder / place / "adapter_model.safetensors") for place in ("adapter", "steps/1"))
    assert final.keys() == step.keys() and all(torch.equal(final[name], step[name]) for name in final)
    manifest = json.loads((folder / "adapter" / "manifest.json").read_text())
    assert manifest["facts"]["rank"] == 2 * RANK and 0 < manifest["facts"]["retained"] < 1
    assert [len(manifest["inputs"]["adapters"]), manifest["facts"]["run"]] == [2, "merged"]
    assert json.loads((folder / "steps" / "1" / "manifest.json").read_text())["facts"] == {"step": 1, "epoch": 1.0}
    assert publish("linear", name="other") and read_run(folder / "run.json").digest == run_file.digest


def test_adapters_of_different_shapes_are_an_error(publish, tmp_path, tiny_base, adapters):
    wide = make_adapter(tiny_base, tmp_path / "wide", 2, rank=5)
    with pytest.raises(TrainError, match=r"wide: its update of .* another shape than in .*a; merge runs of one base"):
        publish(adapters=[adapters[0], wide])
