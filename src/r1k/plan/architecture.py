"""Parameters of decoders of Qwen2's and Llama's architecture, and of LoRA adapters on them."""

from collections.abc import Sequence

from r1k.config import Architecture, Base, ScratchBase
from r1k.errors import ConfigError

LIVE_PARAMETERS = 1_000_000_000
"""DeepSpeed's `stage3_max_live_parameters`: what a GPU keeps gathered at once, at most."""


def of_base(name: str, base: Base) -> Architecture:
    """A base's sizes; ConfigError where they are nowhere stated.

    A scratch base is Qwen2's architecture with tied embeddings; its vocabulary is the most that its tokenizer may have.
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
            f"bases.{name}.architecture: missing, and memory and time of jobs are computed from it; "
            "copy the sizes from the model's config.json (config/README.md names them)"
        )
    return base.architecture


def kv_width(a: Architecture) -> int:
    """Width of keys, and of values."""
    return a.hidden_size // a.num_attention_heads * a.num_key_value_heads


def projections(a: Architecture) -> dict[str, tuple[int, int]]:
    """The linear maps of a layer as (inputs, outputs), by the name of their module."""
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
    """Parameters of the embedding: vocabulary x hidden. The output head has as many."""
    return a.vocab_size * a.hidden_size


def layer_parameters(a: Architecture) -> int:
    """Parameters of one layer: its matrices, the biases of queries, keys and values, and two RMSNorms."""
    biases = a.hidden_size + 2 * kv_width(a) if a.attention_bias else 0
    return sum(inputs * outputs for inputs, outputs in projections(a).values()) + biases + 2 * a.hidden_size


def parameters(a: Architecture) -> int:
    """All parameters, a tied head counted once, the final RMSNorm included."""
    embeddings = embedding_parameters(a) * (1 if a.tie_word_embeddings else 2)
    return embeddings + a.num_hidden_layers * layer_parameters(a) + a.hidden_size


def multiplied_parameters(a: Architecture) -> int:
    """Parameters that every token is multiplied with: the layers and the head; an embedding is looked up."""
    return a.num_hidden_layers * layer_parameters(a) + embedding_parameters(a)


def lora_parameters(a: Architecture, rank: int, targets: Sequence[str]) -> int:
    """Parameters of an adapter: rank x (inputs + outputs) for each target of each layer (Hu et al. 2021).

    ConfigError for a target that is no projection.
    """
    shapes = projections(a)
    unknown = [target for target in targets if target not in shapes]
    if unknown:
        raise ConfigError(
            f"train.lora.target_modules: {unknown[0]!r} is no projection of the model; the plan knows "
            f"{', '.join(shapes)}"
        )
    return a.num_hidden_layers * rank * sum(sum(shapes[target]) for target in targets)
