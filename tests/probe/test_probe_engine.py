"""Exactness, targets and batching of the log-probabilities."""

import random

import pytest
import torch
from probe_models import build_base
from transformers import AutoModelForCausalLM, GPT2Config, Qwen2Config

from r1k.errors import R1kError
from r1k.probe import engine
from r1k.probe.engine import Item, TokenMetrics, group_by_width, hidden_states, output_head, prepare, score
from r1k.probe.tiles import rows_at_once

CPU = torch.device("cpu")


def random_items(n: int, vocabulary: int, longest: int) -> list[Item]:
    draw = random.Random(1)

    def ids() -> tuple[int, ...]:
        return tuple(draw.randrange(vocabulary) for _ in range(draw.randint(1, longest)))

    return [Item(ids(), ids()) for _ in range(n)]


def run(model, items: list[Item], budget: int) -> list[torch.Tensor]:
    return [tokens.log_p for tokens in measure(model, items, budget)]


def measure(model, items: list[Item], budget: int, reference=None) -> list[TokenMetrics]:
    batches = prepare(items, budget, CPU)
    other = None if reference is None else list(hidden_states(reference.get_decoder(), batches, lambda tokens: None))
    return score(output_head(model), batches, hidden_states(model.get_decoder(), batches, lambda tokens: None), other)


def reference(model, item: Item) -> torch.Tensor:
    """Return log-probabilities from one sequence at a time in float64, with a full softmax per token."""
    ids = torch.tensor([item.prompt + item.response])
    with torch.no_grad():
        table = model.double()(input_ids=ids).logits.log_softmax(-1)[0]
    first = len(item.prompt)
    return torch.stack([table[t - 1, ids[0, t]] for t in range(first, ids.shape[1])])


@pytest.mark.parametrize("architecture", ["qwen2", "llama"])
def test_every_token_is_within_2e_5_of_float64(tmp_path, architecture):
    base = build_base(tmp_path, architecture)
    items = random_items(12, 300, 60)
    found = run(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), items, 256)
    exact = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64)
    for item, values in zip(items, found, strict=True):
        assert values.shape == (len(item.response),)
        assert (values.double() - reference(exact, item)).abs().max() < 2e-5
    assert torch.cat(found).std() > 1  # far from uniform: otherwise agreement would mean little


@pytest.mark.parametrize("vocabulary", [300, 60_000])
def test_every_metric_is_within_2e_5_of_float64(tmp_path, vocabulary):
    base = build_base(tmp_path / "base", vocabulary=vocabulary, hidden=64)
    other = change_weights(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32))
    items = random_items(6, vocabulary, 30)
    found = measure(AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), items, 256, other)
    exact = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float64)
    for (prompt, response), tokens in zip(items, found, strict=True):
        ids, first = torch.tensor([prompt + response]), len(prompt) - 1
        with torch.no_grad():
            table, beside = (
                model.double()(input_ids=ids).logits[0, first:-1].log_softmax(-1) for model in (exact, other)
            )
        chosen = table.gather(1, ids[0, first + 1 :, None])
        expected = TokenMetrics(
            log_p=chosen.squeeze(1),
            log_p_argmax=table.max(-1).values,
            entropy=-(table.exp() * table).sum(-1),
            rank=(table > chosen).sum(-1) + 1,
            kl=(table.exp() * (table - beside)).sum(-1),
        )
        for name, ours, theirs in zip(TokenMetrics._fields, tokens, expected, strict=True):
            assert ours.shape == (len(response),)
            # Tokens whose logits agree to float32's last digit may swap ranks; with a large vocabulary a few do.
            tolerance = 3 if name == "rank" and vocabulary > 300 else 2e-5
            assert (ours.double() - theirs).abs().max() < tolerance, name
        assert expected.kl.min() > 1e-3


def test_kl_to_itself_is_0_and_without_a_reference_too(study):
    model = AutoModelForCausalLM.from_pretrained(study.base, dtype=torch.float32)
    items = random_items(5, 300, 30)
    for reference in (model, None):
        assert all(tokens.kl.eq(0).all() for tokens in measure(model, items, 200, reference))


def test_log_probabilities_equal_logsumexp_to_the_last_bit(study):
    model = AutoModelForCausalLM.from_pretrained(study.base, dtype=torch.float32)
    items = random_items(8, 300, 40)
    batches = prepare(items, 500, CPU)
    plain = {}
    for batch, hidden in zip(batches, hidden_states(model.get_decoder(), batches, lambda tokens: None), strict=True):
        with torch.inference_mode():
            head = output_head(model)
            tiles = torch.split(hidden, rows_at_once(*head.shape))
            logits = torch.cat([engine._logits(rows, head) for rows in tiles])
            values = logits.gather(1, batch.targets[:, None]).squeeze(1) - logits.logsumexp(1)
        plain |= zip(batch.items, torch.split(values, batch.lengths), strict=True)
    for place, values in enumerate(run(model, items, 500)):
        assert torch.equal(values, plain[place])


def change_weights(model):
    """Change the backbone and keep the head."""
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.model.layers.parameters():
            weight.add_(0.05 * torch.randn_like(weight))
    return model


def test_batching_does_not_change_values(study):
    model = AutoModelForCausalLM.from_pretrained(study.base, dtype=torch.float32)
    items = random_items(20, 300, 50)
    alone = run(model, items, 1)
    for budget in (64, 333, 100_000):
        for one, other in zip(alone, run(model, items, budget), strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_the_same_batches_give_the_same_bits(study):
    model = AutoModelForCausalLM.from_pretrained(study.base, dtype=torch.float32)
    items = random_items(20, 300, 50)
    assert all(map(torch.equal, run(model, items, 333), run(model, items, 333)))


def test_the_number_of_rows_per_tile_does_not_change_values(study, monkeypatch):
    model = AutoModelForCausalLM.from_pretrained(study.base, dtype=torch.float32)
    items = random_items(6, 300, 50)
    whole = run(model, items, 1000)
    monkeypatch.setattr(engine, "rows_at_once", lambda vocabulary, hidden: 7)
    for one, other in zip(whole, run(model, items, 1000), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_bfloat16_logits_are_reduced_in_float32(study):
    model = AutoModelForCausalLM.from_pretrained(study.base, dtype=torch.bfloat16)
    item = Item((5, 6, 7), (8, 9, 10, 11))
    (values,) = run(model, [item], 100)
    with torch.no_grad():
        hidden = model.get_decoder()(input_ids=torch.tensor([(item.prompt + item.response)[:-1]])).last_hidden_state
    table = (hidden[0].double() @ output_head(model).double().T).log_softmax(-1)
    expected = torch.stack([table[2 + t, token] for t, token in enumerate(item.response)])
    assert (values.double() - expected).abs().max() < 2e-5


def test_targets_are_the_response_tokens_only():
    items = [Item((10, 11, 12), (20, 21)), Item((13,), (22, 23, 24)), Item((14, 15), (25,))]
    (batch,) = prepare(items, 100, CPU)
    assert batch.items == [0, 1, 2]
    assert batch.input_ids.tolist() == [[10, 11, 12, 20], [13, 22, 23, 0], [14, 15, 0, 0]]
    assert batch.targets.tolist() == [20, 21, 22, 23, 24, 25]
    # Each row is the position at which the model reads the token before the target.
    assert batch.input_ids.flatten()[batch.rows].tolist() == [12, 20, 13, 22, 23, 15]


def test_groups_stay_within_the_budget_and_start_with_the_widest():
    widths = [3, 50, 7, 7, 20, 1, 120]
    groups = group_by_width(widths, 60)
    assert sorted(place for places in groups for place in places) == list(range(len(widths)))
    assert groups[0] == [6]  # wider than the budget: alone
    for places in groups[1:]:
        assert len(places) * max(widths[place] for place in places) <= 60
    assert [widths[places[0]] for places in groups] == sorted([widths[places[0]] for places in groups], reverse=True)


def test_altered_logits_are_rejected():
    config = Qwen2Config(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    model = AutoModelForCausalLM.from_config(config)
    model.config.final_logit_softcapping = 30.0
    with pytest.raises(R1kError, match="qwen2 model: its config sets final_logit_softcapping"):
        output_head(model)


def test_a_head_with_a_bias_is_rejected():
    model = AutoModelForCausalLM.from_config(GPT2Config(vocab_size=8, n_embd=8, n_layer=1, n_head=1, n_positions=8))
    model.lm_head = torch.nn.Linear(8, 8, bias=True)
    with pytest.raises(R1kError, match="gpt2 model: it has an output head with a bias"):
        output_head(model)


def test_a_tile_is_small_relative_to_the_head_and_never_empty():
    for vocabulary, hidden in ((300, 32), (49152, 576), (152064, 3584), (10**8, 8)):
        rows = rows_at_once(vocabulary, hidden)
        assert 1 <= rows <= 256
        assert rows * vocabulary <= max(2**20, vocabulary * hidden / 16, vocabulary)
