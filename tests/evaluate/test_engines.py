"""The choice of engine, vLLM's arguments, and sampling."""

import importlib.util
import json

import pytest
import torch

from r1k.config import Evaluate
from r1k.errors import R1kError
from r1k.evaluate.budget_forcing import StopRules, start_decoding
from r1k.evaluate.engines.sampling import SeededSampling, sample_tokens
from r1k.evaluate.engines.selection import choose_engine
from r1k.evaluate.engines.vllm_engine import engine_arguments, max_lora_rank, sampling_arguments
from r1k.evaluate.prompts import Prompt, SamplingParams

RULES = StopRules(frozenset({7, 3}), 0)
INSTALLED = importlib.util.find_spec("vllm") is not None


def test_choose_engine():
    assert choose_engine("auto", gpu=False) == choose_engine("transformers", gpu=True) == "transformers"
    with pytest.raises(R1kError, match="vllm needs a GPU"):
        choose_engine("vllm", gpu=False)


@pytest.mark.skipif(INSTALLED, reason="vLLM is installed")
@pytest.mark.parametrize("wanted", ["auto", "vllm"])
def test_a_gpu_without_vllm_is_an_error(wanted):
    with pytest.raises(R1kError, match=r"vLLM is not installed here; fill the environment from envs/evaluate\.txt"):
        choose_engine(wanted, gpu=True)


@pytest.fixture
def adapter(tmp_path):
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 200}))
    return tmp_path


def test_vllm_engine_arguments_follow_the_config(tiny_base, adapter):
    arguments = engine_arguments(tiny_base, adapter, Evaluate(batch_size=64, seed=3))
    assert arguments["model"] == str(tiny_base)
    assert (arguments["dtype"], arguments["max_num_seqs"], arguments["seed"]) == ("bfloat16", 64, 3)
    assert arguments["generation_config"] == "vllm"  # else vLLM applies the base's repetition penalty
    assert (arguments["enable_lora"], arguments["max_lora_rank"]) == (True, 256)
    assert "enable_lora" not in engine_arguments(tiny_base, None, Evaluate())


def test_an_adapter_that_vllm_cannot_serve_is_named(adapter):
    (adapter / "adapter_config.json").write_text(json.dumps({"r": 1024}))
    with pytest.raises(R1kError, match=r"its rank is 1024, and vLLM serves at most 512"):
        max_lora_rank(adapter)


def test_vllm_sampling_arguments():
    greedy = sampling_arguments(start_decoding(Prompt(ids=[1], max_new_tokens=9), RULES), RULES)
    assert (greedy["temperature"], greedy["seed"], greedy["max_tokens"]) == (0.0, None, 9)
    assert (greedy["stop_token_ids"], greedy["ignore_eos"], greedy["repetition_penalty"]) == ([3, 7], True, 1.0)
    draw = SamplingParams(temperature=0.6, top_p=0.95, seed=5)
    drawn = sampling_arguments(start_decoding(Prompt(ids=[1], max_new_tokens=9, sampling=draw), RULES), RULES)
    assert (drawn["temperature"], drawn["top_p"], drawn["seed"]) == (0.6, 0.95, 5)


@pytest.mark.skipif(not INSTALLED, reason="vLLM is not installed here")
def test_vllm_accepts_these_arguments(tiny_base, adapter):
    from vllm import EngineArgs, SamplingParams

    EngineArgs(**engine_arguments(tiny_base, adapter, Evaluate()))
    SamplingParams(**sampling_arguments(start_decoding(Prompt(ids=[1], max_new_tokens=9), RULES), RULES))


def test_sampled_tokens_follow_the_nucleus_distribution():
    """The expected distribution is written out by hand: softmax at the temperature, truncated where `top_p` is
    reached."""
    probabilities = torch.tensor([0.1, 0.5, 0.05, 0.35], dtype=torch.float64)
    n, temperature = 20_000, 2.0
    uniform = torch.rand(n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scores = (probabilities.log() * temperature).expand(n, -1)
    for top_p, nucleus in [(1.0, [0, 1, 2, 3]), (0.8, [1, 3]), (0.9, [0, 1, 3]), (0.4, [1])]:
        drawn = sample_tokens(scores, torch.full((n,), temperature), torch.full((n,), top_p), uniform)
        wanted = torch.zeros(4, dtype=torch.float64)
        wanted[nucleus] = probabilities[nucleus] / probabilities[nucleus].sum()
        found = torch.bincount(drawn, minlength=4) / n
        assert torch.allclose(found.double(), wanted, atol=4 * (0.25 / n) ** 0.5), top_p


def test_rows_sample_independently_and_greedy_rows_are_unchanged():
    torch.manual_seed(0)
    scores = torch.randn(3, 50)
    draws = [SamplingParams(temperature=1, top_p=1, seed=seed) for seed in (1, 2)]
    together, alone = SeededSampling([draws[0], None, draws[1]]), SeededSampling([draws[1]])
    for _ in range(20):
        left = together(None, scores)
        assert torch.equal(left[1], scores[1])
        assert left[2].argmax() == alone(None, scores[2:]).argmax()
        assert torch.isfinite(left).sum(-1).tolist() == [1, 50, 1]
