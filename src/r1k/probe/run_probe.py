"""Log-probabilities of chosen and rejected responses over a run's checkpoints (the paper's section 3.2).

ALP(y) is the mean over examples of the mean over tokens of log p(y_t | x, y_<t), each response truncated at the probe's
limit. This stage writes the values of each example; the report computes averages and their intervals.
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
from r1k.probe.engine import Item, TokenMetrics
from r1k.probe.greedy import greedy_models, greedy_paths, write_greedy_answers
from r1k.probe.paraphrase_text import read_paraphrases
from r1k.probe.responses import EncodedResponse, encode_pairs, read_pairs, record_fields
from r1k.probe.scoring import Checkpoint, CheckpointScorer, check_widths
from r1k.probe.tracked import make_tracked, tracked_pairs, tracked_records, without_metrics
from r1k.provenance import Stopwatch, write_manifest
from r1k.records import Greedy, GreedyKind, LogProb, R, Tracked, read_jsonl, write_jsonl
from r1k.text import load_tokenizer
from r1k.train.describe import read_run

PROBE = settings.Probe()


@dataclass(frozen=True)
class _StateFiles:
    """The files that hold a run's finished values."""

    log_probs: Mapping[Checkpoint, Path]
    tracked: Mapping[Checkpoint, Path]
    greedy: Mapping[GreedyKind, Path]

    @classmethod
    def create(cls, state: Path, checkpoints: Sequence[Checkpoint], greedy: Mapping[GreedyKind, Path]) -> "_StateFiles":
        return cls(
            log_probs={checkpoint: state / f"{checkpoint.step}.jsonl" for checkpoint in checkpoints},
            tracked={checkpoint: state / "tracked" / f"{checkpoint.step}.jsonl" for checkpoint in checkpoints},
            greedy=greedy,
        )

    @property
    def missing(self) -> list[Checkpoint]:
        """The checkpoints that are not scored yet."""
        return [
            point for point, path in self.log_probs.items() if not (path.is_file() and self.tracked[point].is_file())
        ]

    @property
    def complete(self) -> bool:
        return not self.missing and all(path.is_file() for path in self.greedy.values())


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
        greedy: The JSONL file to write with the models' greedy answers.
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
    None. `state` keeps a checkpoint's records once they are complete; its path must change with anything that changes
    the values. `answers` keeps greedy answers, shared by all runs that start from the same model. `tagged`
    means that the run's prompts state their direction.
    """
    watch = Stopwatch()
    if config.paraphrased and paraphrases is None:
        raise R1kError("probe.tracked has paraphrases; give their file with --paraphrases, or remove these kinds")
    paraphrased = read_paraphrases(paraphrases) if paraphrases is not None else {}
    checkpoints = list_checkpoints(start, steps, epochs)
    adapters = [checkpoint.adapter for checkpoint in checkpoints if checkpoint.adapter]
    check_adapters(adapters)
    tokenizer = load_tokenizer(base, tagged)
    responses = encode_pairs(tokenizer, read_pairs(pairs), config.max_tokens, tagged)
    distinct = list(dict.fromkeys(response.item for response in responses))
    log_probs = partial(_records, run, seed, responses)
    with exclusive(state / "lock", f"probing {run}, seed {seed}"):
        prompted, models = tracked_pairs(responses, config), greedy_models(config, start)
        files = _StateFiles.create(state, checkpoints, greedy_paths(base, models, prompted, config, answers))
        missing = files.missing
        model = None if files.complete else SwappableModel(base, adapters, config.dtype)
        if model is not None:
            check_widths(((f"{part.pair.id}, {part.side}", part.item) for part in responses), model.max_positions)
            write_greedy_answers(model, base, tokenizer, prompted, config, models, files.greedy)
        greedy_answers = [record for path in files.greedy.values() for record in read_jsonl(path, Greedy)]
        tracked_responses, unavailable = make_tracked(tokenizer, responses, config, greedy_answers, paraphrased)
        extra = list(dict.fromkeys(part.item for part in tracked_responses if part.item not in set(distinct)))
        tracked_values = partial(tracked_records, run, seed, tracked_responses, config.first_tokens)
        if model is not None:
            check_widths(
                ((f"{part.pair.id}, {part.kind}", part.item) for part in tracked_responses), model.max_positions
            )
            with _scratch(state / "reference") as reference:
                items = [distinct, extra]
                scorer = CheckpointScorer(model, checkpoints[0], items, config.tokens_per_batch, reference)
                for checkpoint in missing:
                    tokens = scorer.tokens(checkpoint)
                    write_jsonl(files.tracked[checkpoint], tracked_values(checkpoint, tokens))
                    write_jsonl(files.log_probs[checkpoint], log_probs(checkpoint, tokens))
        _gather(output, LogProb, files.log_probs, _without_sums, partial(log_probs, tokens=None))
        _gather(tracked, Tracked, files.tracked, without_metrics, partial(tracked_values, tokens=None))
        write_jsonl(greedy, greedy_answers)
    counts = {
        output: {
            "responses": len(responses),
            "responses_truncated": sum(response.truncated for response in responses),
            "responses_distinct": len(distinct),
            "response_tokens": sum(len(response.item.response) for response in responses),
        },
        tracked: {
            "responses": len(tracked_responses),
            "responses_unavailable": unavailable,
            "responses_extra": len(extra),
        },
        greedy: {
            "answers": len(greedy_answers),
            "answers_truncated": sum(not answer.ended for answer in greedy_answers),
        },
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
    """Return step 0 and the probed steps, in order. Raises R1kError for a step that is not positive or has no epoch."""
    for step in steps:
        if step <= 0 or step not in epochs:
            raise R1kError(f"step {step}: a probed step is positive and has an epoch; steps with one: {list(epochs)}")
    return [Checkpoint(0, 0.0, start), *(Checkpoint(step, epochs[step], steps[step]) for step in sorted(steps))]


@contextmanager
def _scratch(directory: Path) -> Iterator[Path]:
    """Provide an empty directory and remove it afterwards; remove what a killed process left in it first."""
    if directory.exists():
        shutil.rmtree(directory)
    directory.mkdir(parents=True)
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


def _records(
    run: str,
    seed: int,
    responses: Sequence[EncodedResponse],
    checkpoint: Checkpoint,
    tokens: Mapping[Item, TokenMetrics] | None,
) -> Iterator[LogProb]:
    """Yield a record for each response; sums are 0 if `tokens` is None."""
    for response in responses:
        value = 0.0 if tokens is None else float(tokens[response.item].log_p.double().sum())
        yield LogProb(
            **record_fields(run, seed, checkpoint, response.pair),
            response=response.side,
            tokens=len(response.item.response),
            truncated=response.truncated,
            sum=value,
            mean=value / len(response.item.response),
        )


def _without_sums(record: LogProb) -> LogProb:
    return record.model_copy(update={"sum": 0.0, "mean": 0.0})


def _gather(
    output: Path,
    kind: type[R],
    files: Mapping[Checkpoint, Path],
    without_values: Callable[[R], R],
    expected: Callable[[Checkpoint], Iterable[R]],
) -> None:
    """Write the finished records of all checkpoints. Raises RecordError if they differ from the expected ones in more
    than their values."""

    def gathered() -> Iterator[R]:
        for checkpoint, path in files.items():
            records = read_jsonl(path, kind)
            if [without_values(record) for record in records] != list(expected(checkpoint)):
                raise RecordError(f"{path}: holds records of other probe pairs or settings; remove {path.parent}")
            yield from records

    write_jsonl(output, gathered())
