"""A model's predictions at response tokens, computed as in the released code, in a process of its own for bench_probe.

    python benchmarks/released_way.py ORDER

For each checkpoint it loads the base again, with the unmerged adapter, and scores each sequence alone, from the logits
of all its positions, with one softmax per response token. ORDER is a JSON file with `base`, `adapters` (null is the
base alone), `items` (token ids of prompt and response each), `output` and `all`. The output has the tokens'
log-probabilities: a list per checkpoint of a list per item. With `all`, each token has a list of all values of the
probe: log-probability, that of the top-1 token, entropy, rank, and KL relative to the base, which then reads the
sequence too.
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
    """Return the logits that predict the response, [response, vocabulary]."""
    with torch.no_grad():
        logits: Tensor = model(input_ids=torch.tensor([prompt + response])).logits[0]
    return logits[len(prompt) - 1 : -1]


if __name__ == "__main__":
    main()
