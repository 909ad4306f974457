"""What a model answers to the probe's prompts before a training: the likeliest token at each place."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from r1k import config as settings
from r1k.errors import R1kError
from r1k.evaluate.budget_forcing import rules_of
from r1k.evaluate.engines.transformers_engine import TransformersEngine, without_habits
from r1k.evaluate.prompts import Answer, Prompt
from r1k.files import exclusive, value_digest
from r1k.probe.adapters import SwappableModel
from r1k.probe.tracked import Both
from r1k.provenance import artefact_digest
from r1k.records import Greedy, GreedyKind, write_jsonl
from r1k.text import END_OF_TURN


def writers(config: settings.Probe, start: Path | None) -> dict[GreedyKind, Path | None]:
    """The adapters of the models whose answers are followed, by kind; None is the base alone.

    A run that starts from the base has no other model before it.
    """
    known: dict[GreedyKind, Path | None] = {"greedy_base": None, "greedy_start": start}
    kinds = config.kinds(with_parent=start is not None)
    return {kind: adapter for kind, adapter in known.items() if kind in kinds}


def kept_answers(
    base: Path,
    wanted: Mapping[GreedyKind, Path | None],
    pairs: Sequence[Both],
    config: settings.Probe,
    directory: Path,
) -> dict[GreedyKind, Path]:
    """Where the answers of each wanted model are kept: a file for all that decides them, whichever run asks."""
    asked = [both.chosen.item.prompt for both in pairs]
    limits = [config.greedy_tokens or config.max_tokens, config.dtype]
    models = {kind: [artefact_digest(part) for part in (base, adapter) if part] for kind, adapter in wanted.items()}
    return {kind: directory / f"{value_digest([kind, model, asked, limits])}.jsonl" for kind, model in models.items()}


def write_answers(
    model: SwappableModel,
    base: Path,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[Both],
    config: settings.Probe,
    wanted: Mapping[GreedyKind, Path | None],
    outputs: Mapping[GreedyKind, Path],
) -> None:
    """Write the answers of each wanted model to the pairs' prompts, where they are not written yet.

    R1kError for a prompt that leaves no room in the base's positions.
    """
    prompts = [_prompt(both, config.greedy_tokens or config.max_tokens, model.positions) for both in pairs]
    rules = rules_of(base, tokenizer, None)
    engine = TransformersEngine(without_habits(model.model), rules, len(prompts), config.tokens_per_batch)
    for kind, adapter in wanted.items():
        # Another run that starts from the same model may be at it.
        with exclusive(outputs[kind].with_suffix(".lock"), f"answers of {kind}"):
            if outputs[kind].is_file():
                continue
            model.use(adapter)
            found: dict[str, Answer] = {}
            with tqdm(total=len(prompts), desc=kind, unit="answer") as bar:
                for answers in engine.answers(prompts):
                    found |= {answer.key: answer for answer in answers}
                    bar.update(len(answers))
            records = [
                _record(tokenizer, kind, both, found[prompt.key]) for both, prompt in zip(pairs, prompts, strict=True)
            ]
            write_jsonl(outputs[kind], records)


def _prompt(both: Both, limit: int, positions: int | None) -> Prompt:
    ids = list(both.chosen.item.prompt)
    room = limit if positions is None else min(limit, positions - len(ids))
    if room < 1:
        raise R1kError(
            f"{both.pair.id}: the prompt has {len(ids)} tokens and the base {positions} positions, which leaves no "
            "room for an answer; leave the problem out, or take a base with more positions"
        )
    return Prompt(ids=ids, limit=room)


def _record(tokenizer: PreTrainedTokenizerBase, kind: GreedyKind, both: Both, answer: Answer) -> Greedy:
    end = [int(tokenizer.convert_tokens_to_ids(END_OF_TURN))] if answer.ended else []
    text = tokenizer.decode(answer.ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
    pair = both.pair
    return Greedy(
        kind=kind,
        problem=pair.problem,
        direction=pair.direction,
        ids=[*answer.ids, *end],
        ended=answer.ended,
        text=text,
    )
