"""Parameter counts of Qwen2 and Llama models, and of LoRA adapters on them."""

from collections.abc import Sequence

from r1k.config import Architecture, Base, ScratchBase
from r1k.errors import ConfigError

LIVE_PARAMETERS = 1_000_000_000
"""DeepSpeed's default `stage3_max_live_parameters`: the most parameters that a GPU keeps gathered."""


def architecture_of(name: str, base: Base) -> Architecture:
    """Return a base's sizes; raises ConfigError if the config does not state them.

    A scratch base is a Qwen2 model with tied embeddings; its vocabulary counts as full.
    """
    if isinstance(base, ScratchBase):
        return Architecture(
            hidden_size=base.hidden_size,
            num_hidden_layers=base.num_hidden_layers,
            num_attention_heads=base.num_attention_heads,
            num_key_value_heads=base.num_attention_heads,
            intermediate_size=base.intermediate_size,
            vocab_size=base.vocab_size,
            tie_word_embeddings=True,
            attention_bias=True,
        )
    if base.architecture is None:
        raise ConfigError(
            f"bases.{name}.architecture: missing; memory and time of jobs are computed from it; copy "
            " the sizes from the model's config.json (config/README.md names them)"
        )
    return base.architecture


def kv_width(a: Architecture) -> int:
    """Return the width of the keys, which is that of the values."""
    return a.hidden_size // a.num_attention_heads * a.num_key_value_heads


def projections(a: Architecture) -> dict[str, tuple[int, int]]:
    """Return the linear modules of a layer as (inputs, outputs), by module name."""
    return {
        "q_proj": (a.hidden_size, a.hidden_size),
        "k_proj": (a.hidden_size, kv_width(a)),
        "v_proj": (a.hidden_size, kv_width(a)),
        "o_proj": (a.hidden_size, a.hidden_size),
        "gate_proj": (a.hidden_size, a.intermediate_size),
        "up_proj": (a.hidden_size, a.intermediate_size),
        "down_proj": (a.intermediate_size, a.hidden_size),
    }


def embedding_parameters(a: Architecture) -> int:
    """Return the parameters of the embedding, vocab_size x hidden_size; the output head has as many."""
    return a.vocab_size * a.hidden_size


def layer_parameters(a: Architecture) -> int:
    """Return the parameters of one layer: matrices, biases of queries, keys and values, and two RMSNorms."""
    biases = a.hidden_size + 2 * kv_width(a) if a.attention_bias else 0
    return sum(inputs * outputs for inputs, outputs in projections(a).values()) + biases + 2 * a.hidden_size


def parameters(a: Architecture) -> int:
    """Return all parameters, with the final RMSNorm and with a tied head counted once."""
    embeddings = embedding_parameters(a) * (1 if a.tie_word_embeddings else 2)
    return embeddings + a.num_hidden_layers * layer_parameters(a) + a.hidden_size


def multiplied_parameters(a: Architecture) -> int:
    """Return the parameters that take part in a token's matrix products: layers and head, without the embedding."""
    return a.num_hidden_layers * layer_parameters(a) + embedding_parameters(a)


def lora_parameters(a: Architecture, rank: int, target_modules: Sequence[str]) -> int:
    """Return an adapter's parameters: rank x (inputs + outputs) per target module and layer (Hu et al. 2021).

    Raises:
        ConfigError: A target module is not a linear module of a layer.
    """
    shapes = projections(a)
    unknown = [name for name in target_modules if name not in shapes]
    if unknown:
        raise ConfigError(
            f"train.lora.target_modules: {unknown[0]!r} is not a linear module of the model; use {', '.join(shapes)}"
        )
    return a.num_hidden_layers * rank * sum(sum(shapes[name]) for name in target_modules)
