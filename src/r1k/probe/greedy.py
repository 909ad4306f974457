"""Greedy answers to the probe's prompts by the models before a training run."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from r1k import config as settings
from r1k.errors import R1kError
from r1k.evaluate.budget_forcing import stop_rules
from r1k.evaluate.engines.transformers_engine import TransformersEngine, without_generation_defaults
from r1k.evaluate.prompts import GeneratedAnswer, Prompt
from r1k.files import exclusive, value_digest
from r1k.probe.adapters import SwappableModel
from r1k.probe.tracked import EncodedPair
from r1k.provenance import artefact_digest
from r1k.records import Greedy, GreedyKind, ProbePair, write_jsonl
from r1k.text import END_OF_TURN


def greedy_models(config: settings.Probe, start: Path | None) -> dict[GreedyKind, Path | None]:
    """Return the adapters of the models whose greedy answers are tracked, by kind; None means the base alone.

    A run that starts from the base has no other model before it.
    """
    adapters: dict[GreedyKind, Path | None] = {"greedy_base": None, "greedy_start": start}
    kinds = config.kinds(with_parent=start is not None)
    return {kind: adapter for kind, adapter in adapters.items() if kind in kinds}


def greedy_paths(
    base: Path,
    models: Mapping[GreedyKind, Path | None],
    pairs: Sequence[EncodedPair],
    config: settings.Probe,
    directory: Path,
) -> dict[GreedyKind, Path]:
    """Return the file of each model's answers, named by a digest of what determines them, so that runs share it."""
    prompts = [encoded.chosen.item.prompt for encoded in pairs]
    limits = [config.greedy_tokens or config.max_tokens, config.dtype]
    digests = {kind: [artefact_digest(part) for part in (base, adapter) if part] for kind, adapter in models.items()}
    return {kind: directory / f"{value_digest([kind, each, prompts, limits])}.jsonl" for kind, each in digests.items()}


def write_greedy_answers(
    model: SwappableModel,
    base: Path,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[EncodedPair],
    config: settings.Probe,
    models: Mapping[GreedyKind, Path | None],
    outputs: Mapping[GreedyKind, Path],
) -> None:
    """Write each model's answers to the pairs' prompts, unless its file exists.

    Raises R1kError for a prompt that leaves no room in the base's positions.
    """
    prompts = [_prompt(encoded, config.greedy_tokens or config.max_tokens, model.max_positions) for encoded in pairs]
    rules = stop_rules(base, tokenizer, None)
    engine = TransformersEngine(without_generation_defaults(model.model), rules, len(prompts), config.tokens_per_batch)
    for kind, adapter in models.items():
        # Another run that starts from the same model may be writing them.
        with exclusive(outputs[kind].with_suffix(".lock"), f"answers of {kind}"):
            if outputs[kind].is_file():
                continue
            model.use(adapter)
            found: dict[str, GeneratedAnswer] = {}
            with tqdm(total=len(prompts), desc=kind, unit="answer") as bar:
                for answers in engine.answers(prompts):
                    found |= {answer.key: answer for answer in answers}
                    bar.update(len(answers))
            records = [
                _record(tokenizer, kind, encoded.pair, found[prompt.key])
                for encoded, prompt in zip(pairs, prompts, strict=True)
            ]
            write_jsonl(outputs[kind], records)


def _prompt(encoded: EncodedPair, limit: int, max_positions: int | None) -> Prompt:
    ids = list(encoded.chosen.item.prompt)
    left = limit if max_positions is None else min(limit, max_positions - len(ids))
    if left < 1:
        raise R1kError(
            f"{encoded.pair.id}: the prompt has {len(ids)} tokens and the base {max_positions} positions, which leaves "
            "no room for an answer; remove the problem, or use a base with more positions"
        )
    return Prompt(ids=ids, max_new_tokens=left)


def _record(tokenizer: PreTrainedTokenizerBase, kind: GreedyKind, pair: ProbePair, answer: GeneratedAnswer) -> Greedy:
    end = [int(tokenizer.convert_tokens_to_ids(END_OF_TURN))] if answer.ended else []
    text = tokenizer.decode(answer.ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return Greedy(
        kind=kind,
        problem=pair.problem,
        direction=pair.direction,
        ids=[*answer.ids, *end],
        ended=answer.ended,
        text=text,
    )
