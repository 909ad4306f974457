"""What a model predicts at response tokens, in the released code's way, as a process of its own for bench_probe.

    python benchmarks/released_way.py ORDER

For each checkpoint the base is loaded anew, with its adapter beside it; each sequence is scored alone, from the logits
of all its positions, with one softmax for each response token. ORDER is a JSON file with `base`, `adapters` (null is
the base alone), `items` (the token ids of prompt and response each), `output` and `all`. Log-probabilities of the
tokens are written: a list for each checkpoint of a list for each item. With `all` these are lists of what the probe
finds at each token: log-probability, that of the likeliest, entropy, rank and KL to the base, which reads the sequence
too.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from torch import Tensor
from transformers import AutoModelForCausalLM


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text())
    found = []
    for adapter in order["adapters"]:
        model = AutoModelForCausalLM.from_pretrained(order["base"], dtype=torch.float32)
        model = (PeftModel.from_pretrained(model, adapter) if adapter else model).eval()
        score = everything if order["all"] else chosen
        found.append([list(score(model, *item)) for item in order["items"]])
    Path(order["output"]).write_text(json.dumps(found))


def chosen(model: Any, prompt: list[int], response: list[int]) -> Iterator[float]:
    logits = read(model, prompt, response)
    for place, token in enumerate(response):
        yield float(torch.log_softmax(logits[place], -1)[token])


def everything(model: Any, prompt: list[int], response: list[int]) -> Iterator[list[float]]:
    logits = read(model, prompt, response)
    with model.disable_adapter() if isinstance(model, PeftModel) else nullcontext():
        reference = read(model, prompt, response)
    for place, token in enumerate(response):
        p, q = torch.log_softmax(logits[place], -1), torch.log_softmax(reference[place], -1)
        entropy, kl = -(p.exp() * p).sum(), (p.exp() * (p - q)).sum()
        yield [float(value) for value in (p[token], p.max(), entropy, (p > p[token]).sum() + 1, kl)]


def read(model: Any, prompt: list[int], response: list[int]) -> Tensor:
    """The logits that predict the response, [response, vocabulary]."""
    with torch.no_grad():
        logits: Tensor = model(input_ids=torch.tensor([prompt + response])).logits[0]
    return logits[len(prompt) - 1 : -1]


if __name__ == "__main__":
    main()
