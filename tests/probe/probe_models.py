"""Small models, tokenizers and adapters on disk, for the probe's tests and benchmark."""

import random
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config

from r1k.records import ProbePair, Response, write_jsonl

PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}<|im_start|>system\n" + SYSTEM + "<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CORPUS = """the energy of a gas is three halves k times its temperature so we divide by two and find that length width
area speed time distance price percent of total is equal to sum product ratio given asked answer therefore check"""
WORDS = CORPUS.split()


def build_base(
    directory: Path,
    architecture: str = "qwen2",
    hidden: int = 32,
    layers: int = 2,
    mlp: int = 64,
    vocabulary: int = 300,
    positions: int = 2048,
    seed: int = 0,
) -> Path:
    """Build a base with random weights that are large enough for its predictions to be far from uniform."""
    tokenizer = build_tokenizer(vocabulary)
    kind = {"qwen2": Qwen2Config, "llama": LlamaConfig}[architecture]
    config = kind(
        vocab_size=vocabulary,
        hidden_size=hidden,
        intermediate_size=mlp,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=positions,
        initializer_range=0.2,
        tie_word_embeddings=architecture == "qwen2",
        bos_token_id=None,
        eos_token_id=tokenizer.convert_tokens_to_ids("<|im_end|>"),
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def build_tokenizer(vocabulary: int) -> PreTrainedTokenizerFast:
    """Build a byte-level BPE tokenizer with Qwen2.5's chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([words(random.Random(0), 2000), SYSTEM], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=TEMPLATE
    )


def build_adapter(
    directory: Path,
    base: Path,
    seed: int,
    rank: int = 4,
    alpha: int = 8,
    targets: list[str] = PROJECTIONS,
    size: float = 0.2,
) -> Path:
    """Build a LoRA adapter with random weights of standard deviation `size`."""
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    adapted = get_peft_model(model, LoraConfig(r=rank, lora_alpha=alpha, target_modules=targets, lora_dropout=0.05))
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_" in name:
                weight.normal_(std=size)
    adapted.save_pretrained(directory)
    return directory


def words(draw: random.Random, n: int) -> str:
    """Return `n` random words and numbers."""
    return " ".join(draw.choice(WORDS) if draw.random() < 0.8 else str(draw.randrange(1000)) for _ in range(n))


def build_pairs(path: Path, problems: int, question: int, reasoning: int, seed: int = 0) -> Path:
    """Write both pairs of each problem, with questions and reasoning of about `question` and `reasoning` words."""
    draw = random.Random(seed)

    def about(n: int) -> str:
        return words(draw, draw.randint(max(1, n // 2), n + n // 2))

    pairs = []
    for index in range(problems):
        questions = {"forward": about(question), "reverse": about(question)}
        responses = {name: Response(reasoning=about(reasoning), answer=str(index)) for name in questions}
        for direction, opposite in (("forward", "reverse"), ("reverse", "forward")):
            pairs.append(
                ProbePair(
                    id=f"{index}-{direction}",
                    problem=str(index),
                    direction=direction,
                    question=questions[direction],
                    chosen=responses[direction],
                    rejected=responses[opposite],
                    split="train" if index % 2 else "held_out",
                )
            )
    write_jsonl(path, pairs)
    return path
