"""The kernel's gradients agree with finite differences, with the trainers, and with the steps that they predict."""

import json
from collections import Counter
from functools import partial

import pytest
import torch
from transformers import TrainerCallback

from r1k.config import Dpo, Ntk, NtkSpec, Sft
from r1k.probe.adapters import SwappableModel
from r1k.probe.gradients import Gradients, flatten, shifted
from r1k.probe.ntk import Kernel, measure_influences, products
from r1k.probe.responses import read_pairs
from r1k.probe.sketch import CountSketch
from r1k.probe.updates import first_problems, measured_responses, step_losses
from r1k.records import UPDATES, Influence, read_jsonl, write_jsonl
from r1k.text import load_tokenizer
from r1k.train.rows import IGNORED
from r1k.train.trainers import make_trainer

SPEC = NtkSpec(
    examples=2,
    steps=[1e-4, 1e-2],
    draws=1,
    sketch=None,
    step=12,
    max_tokens=1000,
    sft_length=512,
    dpo_length=512,
    beta=0.6,
    direction_tag=False,
)
TOKENS_PER_BATCH = 1024
TRAINING = {
    "train_batch_size": 2,
    "max_length": 512,
    "dtype": "float32",
    "attn_implementation": "sdpa",
    "max_grad_norm": 1e9,
}


@pytest.fixture(scope="module")
def tokenizer(study):
    return load_tokenizer(study.base)


@pytest.fixture(scope="module")
def pairs(study):
    return read_pairs(study.pairs)


@pytest.fixture(scope="module")
def trained(pairs):
    """The two pairs of the first problem on which a step is taken."""
    return next(iter(first_problems(pairs, "train", 1).values()))


@pytest.fixture(scope="module")
def losses(tokenizer, trained):
    return {update.kind: update for update in step_losses(tokenizer, trained, SPEC)}


@pytest.fixture
def model(study):
    found = SwappableModel(study.base, [study.adapters[12]], "float32")
    found.use(study.adapters[12])
    return found


@pytest.fixture(scope="module")
def kernel(study, tokenizer, pairs):
    return Kernel(study.base, study.adapters[12], measured_responses(tokenizer, pairs, SPEC), SPEC, TOKENS_PER_BATCH)


@pytest.fixture(scope="module")
def records(kernel, tokenizer, pairs):
    problems = first_problems(pairs, "train", 2).values()
    return [record for both in problems for record in kernel.influences("run", 0, tokenizer, both)]


def gradient_of(model, update):
    """Return minus the gradient of a loss."""
    gradients = Gradients(model)
    return sum(weight * flatten(gradients.log_prob_gradient(item).gradient) for item, weight in update.weights.items())


def test_gradients_equal_finite_differences(model, losses):
    model.model.double()
    for norm in (part for part in model.model.modules() if "RMSNorm" in type(part).__name__):
        norm.forward = partial(_norm, norm)  # transformers' RMSNorm always computes in float32
    gradients = Gradients(model)
    (item,) = losses["forward"].weights
    gradient = flatten(gradients.log_prob_gradient(item).gradient)

    def log_p():
        with torch.no_grad():
            logits = model.model(input_ids=torch.tensor([item.prompt + item.response])).logits[0]
        rows = torch.log_softmax(logits[len(item.prompt) - 1 : -1], 1)
        return float(rows.gather(1, torch.tensor(item.response)[:, None]).sum())

    draw = torch.Generator().manual_seed(0)
    for _ in range(3):
        direction = torch.randn(len(gradient), generator=draw, dtype=torch.float64)
        ends = []
        for h in (1e-5, -1e-5):
            with shifted(gradients.parameters, direction, h):
                ends.append(log_p())
        assert float(gradient @ direction) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-6)


def _norm(norm, x):
    return norm.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + norm.variance_epsilon)


def test_long_sequences_have_the_same_gradient_as_short_ones(model, losses, monkeypatch):
    before = gradient_of(model, losses["mixed"])
    monkeypatch.setattr("r1k.probe.gradients.MAX_STORED_WIDTH", 8)
    monkeypatch.setattr("r1k.probe.gradients.rows_at_once", lambda vocabulary, hidden: 7)
    after = gradient_of(model, losses["mixed"])
    assert torch.allclose(before, after, rtol=1e-4, atol=1e-6 * float(before.abs().max()))


def sft_rows(pairs, losses):
    items = [next(iter(losses[pair.direction].weights)) for pair in pairs]
    return [
        {
            "input_ids": [*item.prompt, *item.response],
            "labels": [IGNORED] * len(item.prompt) + list(item.response),
        }
        for item in items
    ]


def dpo_rows(losses):
    # The items of the DPO loss: chosen, then rejected, of each pair in turn.
    items = list(losses["dpo"].weights)
    return [
        {
            "prompt_ids": list(chosen.prompt),
            "chosen_ids": list(chosen.response),
            "rejected_ids": list(rejected.response),
        }
        for chosen, rejected in zip(items[::2], items[1::2], strict=True)
    ]


@pytest.mark.parametrize("kind", ["forward", "reverse", "dpo"])
def test_gradients_equal_those_of_the_trainers(tmp_path, study, tokenizer, model, trained, losses, kind):
    if kind == "dpo":
        settings, rows = Dpo(**TRAINING, beta=0.6), dpo_rows(losses)
    else:
        row = sft_rows(trained, losses)[("forward", "reverse").index(kind)]
        settings, rows = Sft(**TRAINING), [row, row]
    trainer = make_trainer(
        settings=settings,
        lora=None,
        base=study.base,
        parent=study.adapters[12],
        tokenizer=tokenizer,
        rows=rows,
        steps=1,
        seed=0,
        per_device_train_batch_size=2,
        gradient_checkpointing=False,
        state=tmp_path,
        callback=TrainerCallback(),
    )
    batch = trainer._prepare_inputs(next(iter(trainer.get_train_dataloader())))
    trainer.model.eval()  # the adapter's config has dropout, which only DPO's trainer disables by itself
    trainer.compute_loss(trainer.model, batch).backward()
    found = {
        name.split("base_model.model.")[1].replace(".default.", "."): parameter.grad
        for name, parameter in trainer.model.named_parameters()
        if "lora_" in name and ".ref." not in name
    }
    ours = torch.split(-gradient_of(model, losses[kind]), [p.numel() for p in model.adapter_parameters])
    names = [name.replace(".default.", ".") for name, _ in model.model.named_parameters() if "lora_" in name]
    by_place = {id(parameter): part for parameter, part in zip(model.adapter_parameters, ours, strict=True)}
    for name, (_, parameter) in zip(names, _adapter_of(model), strict=True):
        expected = found[name].flatten()
        assert torch.allclose(by_place[id(parameter)], expected, rtol=1e-3, atol=2e-5 * float(expected.abs().max()))


def _adapter_of(model):
    return [(name, parameter) for name, parameter in model.model.named_parameters() if "lora_" in name]


def test_small_steps_match_predictions_to_first_order(study, tokenizer, pairs):
    spec = SPEC.model_copy(update={"steps": [5e-4, 1e-3, 2e-3], "examples": 1})
    kernel = Kernel(study.base, study.adapters[12], measured_responses(tokenizer, pairs, spec), spec, TOKENS_PER_BATCH)
    (both,) = first_problems(pairs, "train", 1).values()
    found = kernel.influences("run", 0, tokenizer, both)
    for update in UPDATES:
        errors, sizes = [], []
        for length in spec.steps:
            here = [r for r in found if (r.update, r.length) == (update, length)]
            errors.append(sum((r.measured - r.predicted) ** 2 for r in here) ** 0.5)
            sizes.append(sum(r.predicted**2 for r in here) ** 0.5)
        assert errors[0] < 0.03 * sizes[0]
        assert [errors[1] / errors[0], errors[2] / errors[1]] == pytest.approx([4, 4], rel=0.25)
        assert sizes[2] == pytest.approx(4 * sizes[0], rel=1e-5)


def test_parameters_are_restored_bit_by_bit(kernel, records):
    before = kernel.means()
    assert torch.equal(before, kernel.before)
    originals = [parameter.detach().clone() for parameter in kernel.gradients.parameters]
    direction = torch.randn(kernel.size)
    with pytest.raises(KeyboardInterrupt), shifted(kernel.gradients.parameters, direction, 0.1):
        assert not torch.equal(kernel.means(), before)
        raise KeyboardInterrupt
    assert all(torch.equal(a, b) for a, b in zip(originals, kernel.gradients.parameters, strict=True))


def test_the_prediction_is_the_product_of_its_factors(records):
    for r in records:
        assert r.predicted == pytest.approx(r.eta * r.a * r.kernel * r.g, rel=1e-5, abs=1e-12)
        assert abs(r.cosine) <= 1 + 1e-6
        assert 0 < r.a <= (2 / r.tokens) ** 0.5
    chosen = [r for r in records if (r.problem, r.direction) == (r.step_problem, r.update) and r.response == "chosen"]
    assert len(chosen) == 2 * 2 * 2
    assert all(r.cosine == pytest.approx(1, abs=1e-5) and r.a == pytest.approx(r.g, rel=1e-5) for r in chosen)
    dpo = [r for r in records if r.update == "dpo" and r.problem == r.step_problem]
    # A step on a pair may raise or lower both of its responses, but it always increases their margin.
    margins = Counter()
    for r in dpo:
        margins[r.problem, r.length] += r.predicted * r.tokens * (1 if r.response == "chosen" else -1)
    assert min(margins.values()) > 0


def test_the_kernel_is_symmetric_and_deterministic(kernel, tokenizer, trained, model):
    gradients = Gradients(model)
    items = list({item: None for update in step_losses(tokenizer, trained, SPEC) for item in update.weights})
    slopes = [flatten(gradients.log_prob_gradient(item).gradient) for item in items]
    table = products(slopes, slopes)
    assert torch.allclose(table, table.T, rtol=1e-12)
    assert torch.linalg.eigvalsh(table).min() > -1e-6 * table.diagonal().max()
    again = flatten(gradients.log_prob_gradient(items[0]).gradient)
    assert torch.equal(again, slopes[0])


def test_two_copies_of_a_problem_have_cosine_1(tmp_path, study, pairs):
    copies = [
        pair.model_copy(update={"problem": "copy", "id": f"copy-{pair.id}", "split": "held_out"})
        for pair in pairs
        if pair.problem == "1"
    ]
    write_jsonl(tmp_path / "pairs.jsonl", [*copies, *(pair for pair in pairs if pair.problem == "1")])
    found = measure(tmp_path, study, tmp_path / "pairs.jsonl", SPEC)
    here = {r.id.replace(f"/{r.split}/{r.problem}", ""): r for r in found if r.problem == "copy"}
    for r in (r for r in found if r.problem == "1"):
        copy = here[r.id.replace("/train/1", "")]
        assert (copy.predicted, copy.cosine) == (r.predicted, r.cosine)
        assert copy.measured == pytest.approx(r.measured, abs=1e-6)
        if (r.update, r.response) == (r.direction, "chosen"):
            assert r.cosine == pytest.approx(1, abs=1e-5)


def measure(folder, study, pairs, spec):
    measure_influences(
        run="run",
        seed=0,
        base=study.base,
        adapter=study.adapters[12],
        pairs=pairs,
        spec=spec,
        tokens_per_batch=TOKENS_PER_BATCH,
        output=folder / "ntk.jsonl",
        state=folder / "state",
    )
    return read_jsonl(folder / "ntk.jsonl", Influence)


def test_records_manifest_and_resumption(tmp_path, study, records):
    found = measure(tmp_path, study, study.pairs, SPEC)
    problems, kinds = 2 + 2, 4
    assert len(found) == len(UPDATES) * 2 * len(SPEC.steps) * problems * kinds
    assert [r.id for r in found] == [r.id for r in records]
    facts = json.loads((tmp_path / "ntk.manifest.json").read_text())["facts"]
    assert (facts["problems"], facts["problems_resumed"], facts["records"]) == (2, 0, len(found))
    whole = (tmp_path / "ntk.jsonl").read_bytes()
    (tmp_path / "state" / "1.jsonl").unlink()
    (tmp_path / "ntk.jsonl").unlink()
    measure(tmp_path, study, study.pairs, SPEC)
    assert (tmp_path / "ntk.jsonl").read_bytes() == whole
    assert json.loads((tmp_path / "ntk.manifest.json").read_text())["facts"]["problems_resumed"] == 1


def test_a_sketch_is_unbiased_with_the_stated_standard_deviation(monkeypatch):
    draw, n, buckets = torch.Generator().manual_seed(1), 4000, 256
    one = [torch.randn(n // 2, generator=draw), torch.randn(20, n // 40, generator=draw)]
    other = [0.3 * part + torch.randn(part.shape, generator=draw) for part in one]
    flat = [torch.cat([part.flatten() for part in each]) for each in (one, other)]
    exact, norms = float(flat[0] @ flat[1]), float(flat[0].norm() * flat[1].norm())
    found = []
    for seed in range(200):
        monkeypatch.setattr("r1k.probe.sketch.SEED", seed)
        found.append(float(CountSketch(buckets)(one) @ CountSketch(buckets)(other)))
    deviation = torch.tensor(found).std()
    assert torch.tensor(found).mean() == pytest.approx(exact, abs=4 * float(deviation) / 200**0.5)
    assert deviation == pytest.approx(((norms**2 + exact**2) / buckets) ** 0.5, rel=0.2)


def test_sketched_predictions_are_close_to_exact_ones(tmp_path, study, records):
    buckets = 4096
    found = measure(tmp_path, study, study.pairs, SPEC.model_copy(update={"sketch": buckets}))
    off = []
    for short, exact in zip(found, records, strict=True):
        assert (short.measured, short.a, short.g, short.eta) == (exact.measured, exact.a, exact.g, exact.eta)
        off.append(short.cosine - exact.cosine)
    assert 0 < max(map(abs, off)) < 5 * (2 / buckets) ** 0.5


@pytest.mark.slow
def test_random_directions_estimate_the_norm_of_the_kernel(study, model, tokenizer, pairs):
    """The reference is J J^T, computed row by row, of a response of a few tokens."""
    responses = measured_responses(tokenizer, pairs, SPEC.model_copy(update={"max_tokens": 2, "examples": 1}))
    items = [responses[0].item, responses[2].item]
    gradients = Gradients(model)
    rows = []
    for item in items:
        hidden = model.model(input_ids=torch.tensor([(item.prompt + item.response)[:-1]])).logits[0, -2:]
        logits = (hidden - hidden.mean(1, keepdim=True)).flatten()
        rows.append(
            torch.stack([flatten(torch.autograd.grad(z, gradients.parameters, retain_graph=True)) for z in logits])
        )
    exact = float((rows[0] @ rows[1].T).square().sum())
    drawn = [
        [flatten(gradients.random_gradient(item, 1000 * k + seed)) for seed in range(60)]
        for k, item in enumerate(items)
    ]
    squares = products(*drawn).square()
    by_one = squares.mean(1)
    assert float(squares.mean()) == pytest.approx(exact, abs=4 * float(by_one.std()) / 60**0.5 * 2**0.5)


def test_steps_and_measurements_of_a_tagged_run_use_its_tag(tokenizer, pairs):
    tagged = SPEC.model_copy(update={"direction_tag": True})
    (both, *_) = first_problems(pairs, "train", 1).values()
    measured = {response.item.prompt for response in measured_responses(tokenizer, both, tagged)}
    stepped = {item.prompt for update in step_losses(tokenizer, both, tagged) for item in update.weights}
    assert measured == stepped
    plain = {response.item.prompt for response in measured_responses(tokenizer, both, SPEC)}
    assert len(measured) == 2 and measured.isdisjoint(plain)


def test_steps_must_be_positive_and_distinct():
    for wrong in ([], [0.0], [0.1, 0.1]):
        with pytest.raises(ValueError, match="steps"):
            Ntk(steps=wrong)
