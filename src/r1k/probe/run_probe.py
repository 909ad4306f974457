"""Log-probabilities of preferred and rejected responses over a run's checkpoints (the paper's section 3.2).

ALP(y) is the mean over examples of the mean over tokens of log p(y_t | x, y_<t), each response cut at its first
tokens. Here the values of each example are written; averages and their intervals are the report's.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from r1k import config as settings
from r1k.errors import R1kError, RecordError
from r1k.files import exclusive, file_digest, value_digest
from r1k.probe.adapters import SwappableModel, check_adapters
from r1k.probe.engine import Item, Tokens
from r1k.probe.greedy import kept_answers, write_answers, writers
from r1k.probe.paraphrase_text import read_paraphrases
from r1k.probe.responses import Scored, encode_pairs, placed, read_pairs
from r1k.probe.scoring import Checkpoint, Scoring, check_widths
from r1k.probe.tracked import blank, follow, followed_pairs, records
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Greedy, GreedyKind, LogProb, R, Tracked, read_jsonl, write_jsonl
from r1k.text import load_tokenizer
from r1k.train.describe import read_run

PROBE = settings.Probe()


@dataclass(frozen=True)
class _KeptResponses:
    """Where the values of a run are kept as soon as they are whole."""

    log_probs: Mapping[Checkpoint, Path]
    tracks: Mapping[Checkpoint, Path]
    answers: Mapping[GreedyKind, Path]

    @classmethod
    def of(cls, state: Path, checkpoints: Sequence[Checkpoint], answers: Mapping[GreedyKind, Path]) -> "_KeptResponses":
        return cls(
            log_probs={checkpoint: state / f"{checkpoint.step}.jsonl" for checkpoint in checkpoints},
            tracks={checkpoint: state / "tracked" / f"{checkpoint.step}.jsonl" for checkpoint in checkpoints},
            answers=answers,
        )

    @property
    def missing(self) -> list[Checkpoint]:
        """The checkpoints that are still to be scored."""
        return [
            point for point, path in self.log_probs.items() if not (path.is_file() and self.tracks[point].is_file())
        ]

    @property
    def whole(self) -> bool:
        return not self.missing and all(path.is_file() for path in self.answers.values())


def probe(
    *,
    run: Path,
    base: Path,
    start: Path | None = None,
    steps: Path,
    pairs: Path,
    probe: settings.Probe,
    tokens_per_batch: int = PROBE.tokens_per_batch,
    output: Path,
    tracked: Path,
    greedy: Path,
    state: Path,
    paraphrases: Path | None = None,
) -> None:
    """Score responses at each checkpoint of a run: log-probabilities, tracked responses by span, greedy answers.

    Args:
        run: The run's run.json.
        base: Directory of the base model.
        start: The adapter of step 0, for a run that has a parent.
        steps: Directory that holds the adapters of the probed steps.
        pairs: The probe set, probe.jsonl.
        probe: Section `probe` of the config.
        tokens_per_batch: Padded tokens per forward pass; sets memory, not results.
        output: The log-probabilities to write, one record per response and step, JSONL.
        tracked: The tracked responses to write, one record per response, span and step, JSONL.
        greedy: The JSONL file to write with the models' own greedy answers.
        state: Directory that keeps finished checkpoints and greedy answers; a second call scores only what is missing.
        paraphrases: The paraphrased responses, if the config tracks them.

    Raises:
        R1kError: Adapters are missing or differ in shape, or paraphrases are tracked and missing.
        RecordError: A pair is invalid, or `state` is of other inputs.
        TextError: A text or template cannot be encoded.
    """
    described = read_run(run)
    files = [file_digest(path) for path in (pairs, paraphrases) if path is not None]
    probe_checkpoints(
        run=described.run,
        seed=described.seed,
        base=base,
        start=start,
        steps={step: steps / str(step) for step in described.probed},
        epochs=described.probed,
        pairs=pairs,
        config=probe.model_copy(update={"tokens_per_batch": tokens_per_batch}),
        output=output,
        tracked=tracked,
        greedy=greedy,
        state=state / value_digest([described.digest, *files, probe.model_dump(mode="json")]),
        answers=state / "greedy",
        paraphrases=paraphrases,
        tagged=described.direction_tag,
    )


def probe_checkpoints(
    *,
    run: str,
    seed: int,
    base: Path,
    start: Path | None,
    steps: Mapping[int, Path],
    epochs: Mapping[int, float],
    pairs: Path,
    config: settings.Probe,
    output: Path,
    tracked: Path,
    greedy: Path,
    state: Path,
    answers: Path,
    paraphrases: Path | None = None,
    tagged: bool = False,
) -> None:
    """Write a LogProb for each pair, response and checkpoint, a Tracked for each span, and a Greedy for each answer.

    `steps` and `epochs` give the adapter and the epoch of each probed step; step 0 is `start`, or the base if it is
    None. `state` keeps a checkpoint's records as soon as they are complete, and its path must change with anything that
    changes the values. `answers` keeps greedy answers, shared by all runs that start from the same model. `tagged`
    means that the run's prompts state their direction.
    """
    watch = Stopwatch()
    if config.paraphrased and paraphrases is None:
        raise R1kError("probe.tracked asks for paraphrases; give them with --paraphrases, or leave them out of it")
    reworded = read_paraphrases(paraphrases) if paraphrases is not None else {}
    checkpoints = list_checkpoints(start, steps, epochs)
    adapters = [checkpoint.adapter for checkpoint in checkpoints if checkpoint.adapter]
    check_adapters(adapters)
    tokenizer = load_tokenizer(base, tagged)
    responses = encode_pairs(tokenizer, read_pairs(pairs), config.max_tokens, tagged)
    distinct = list(dict.fromkeys(response.item for response in responses))
    log_probs = partial(_records, run, seed, responses)
    with exclusive(state / "lock", f"probing {run}, seed {seed}"):
        asked, starts = followed_pairs(responses, config), writers(config, start)
        kept = _KeptResponses.of(state, checkpoints, kept_answers(base, starts, asked, config, answers))
        missing = kept.missing
        model = None if kept.whole else SwappableModel(base, adapters, config.dtype)
        if model is not None:
            check_widths(((f"{part.pair.id}, {part.side}", part.item) for part in responses), model.positions)
            write_answers(model, base, tokenizer, asked, config, starts, kept.answers)
        written = [record for path in kept.answers.values() for record in read_jsonl(path, Greedy)]
        followed, lacking = follow(tokenizer, responses, config, written, reworded)
        further = list(dict.fromkeys(response.item for response in followed if response.item not in set(distinct)))
        tracks = partial(records, run, seed, followed, config.first_tokens)
        if model is not None:
            check_widths(((f"{part.pair.id}, {part.kind}", part.item) for part in followed), model.positions)
            parts = [distinct, further]
            with _scratch(state / "reference") as reference:
                scoring = Scoring(model, checkpoints[0], parts, config.tokens_per_batch, reference)
                for checkpoint in missing:
                    tokens = scoring.tokens(checkpoint)
                    write_jsonl(kept.tracks[checkpoint], tracks(checkpoint, tokens))
                    write_jsonl(kept.log_probs[checkpoint], log_probs(checkpoint, tokens))
        _gather(output, LogProb, kept.log_probs, _blank, partial(log_probs, tokens=None))
        _gather(tracked, Tracked, kept.tracks, blank, partial(tracks, tokens=None))
        write_jsonl(greedy, written)
    counts = {
        output: {
            "responses": len(responses),
            "responses_truncated": sum(response.truncated for response in responses),
            "responses_distinct": len(distinct),
            "response_tokens": sum(len(response.item.response) for response in responses),
        },
        tracked: {
            "responses": len(followed),
            "responses_lacking": lacking,
            "responses_not_of_pairs": len(further),
        },
        greedy: {"answers": len(written), "answers_cut": sum(not answer.ended for answer in written)},
    }
    inputs: dict[str, Path | Sequence[Path]] = {"pairs": pairs, "base": base, "adapters": adapters}
    if paraphrases is not None:
        inputs["paraphrases"] = paraphrases
    for path, counted in counts.items():
        write_manifest(
            path,
            "probe",
            inputs,
            watch,
            run=run,
            seed=seed,
            checkpoints=len(checkpoints),
            checkpoints_resumed=len(checkpoints) - len(missing),
            **counted,
            **config.model_dump(),
        )


def list_checkpoints(start: Path | None, steps: Mapping[int, Path], epochs: Mapping[int, float]) -> list[Checkpoint]:
    """Step 0 and the measured steps, in order; R1kError for a step that is not positive or has no epoch."""
    for step in steps:
        if step <= 0 or step not in epochs:
            raise R1kError(f"step {step}: a measured step is positive and has an epoch; steps with one: {list(epochs)}")
    return [Checkpoint(0, 0.0, start), *(Checkpoint(step, epochs[step], steps[step]) for step in sorted(steps))]


@contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """An empty directory, gone afterwards; what a killed process left there is gone before."""
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _records(
    run: str, seed: int, responses: Sequence[Scored], checkpoint: Checkpoint, tokens: Mapping[Item, Tokens] | None
) -> Iterator[LogProb]:
    """A record for each response; with sums of 0 where `tokens` is None."""
    for response in responses:
        value = 0.0 if tokens is None else float(tokens[response.item].log_p.double().sum())
        yield LogProb(
            **placed(run, seed, checkpoint, response.pair),
            response=response.side,
            tokens=len(response.item.response),
            truncated=response.truncated,
            sum=value,
            mean=value / len(response.item.response),
        )


def _blank(record: LogProb) -> LogProb:
    return record.model_copy(update={"sum": 0.0, "mean": 0.0})


def _gather(
    output: Path,
    kind: type[R],
    kept: Mapping[Checkpoint, Path],
    blanked: Callable[[R], R],
    expected: Callable[[Checkpoint], Iterable[R]],
) -> None:
    """Write the kept records of all checkpoints; RecordError where some are not of what is expected."""

    def found() -> Iterator[R]:
        for checkpoint, path in kept.items():
            here = read_jsonl(path, kind)
            if [blanked(record) for record in here] != list(expected(checkpoint)):
                raise RecordError(f"{path}: holds records of other probe pairs or settings; remove {path.parent}")
            yield from here

    write_jsonl(output, found())
