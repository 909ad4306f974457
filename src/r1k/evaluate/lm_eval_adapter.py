"""lm-eval's side of generation: tasks of our own, and a model that answers them with whole assistant's turns."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Dataset
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.task import ConfigurableTask
from transformers import PreTrainedTokenizerBase

from r1k.config import Evaluate
from r1k.errors import R1kError
from r1k.evaluate.answer_cache import CachedAnswer
from r1k.evaluate.prompts import Prompt, SamplingParams, seed_of
from r1k.records import Question
from r1k.text import END_OF_TURN, encode_prompt, format_question, system_text, tag_of

Write = Callable[[Sequence[Prompt]], Mapping[str, CachedAnswer]]
"""From prompts to their answers, by the prompt's key."""


def document(tokenizer: PreTrainedTokenizerBase, question: Question, tagged: bool) -> dict[str, str | None]:
    """A question as lm-eval reads it: the user's turn, and the system's where prompts tell their direction."""
    tag = tag_of(question.direction, tagged)
    return {
        "id": question.id,
        "turn": format_question(question),
        "gold": question.gold,
        "tag": tag,
        "system": "" if tag is None else system_text(tokenizer, tag),
    }


class BenchmarkTask(ConfigurableTask):  # type: ignore[misc]
    """An lm-eval task over documents in memory. The user's turn is the question, unscored: grading is a later stage."""

    def __init__(self, name: str, documents: Sequence[dict[str, Any]], samples: int, evaluate: Evaluate) -> None:
        self._rows = list(documents)
        drawn = {"temperature": evaluate.temperature, "top_p": evaluate.top_p} if samples > 1 else {}
        super().__init__(
            config={
                "task": name,
                "test_split": "test",
                "output_type": "generate_until",
                "description": "system",
                "doc_to_text": "turn",
                "doc_to_target": "gold",
                "num_fewshot": 0,
                "repeats": samples,
                "generation_kwargs": {
                    "until": [END_OF_TURN],
                    "max_gen_toks": evaluate.max_new_tokens,
                    "do_sample": samples > 1,
                    **drawn,
                },
                "metric_list": [{"metric": "bypass", "aggregation": "bypass", "higher_is_better": True}],
            }
        )

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self.dataset = {"test": Dataset.from_list(self._rows)}


@dataclass(frozen=True)
class Turn:
    """An assistant's turn as generated."""

    text: str
    """Decoded with its chat markers, without the token that ended it."""
    tokens: int
    """Its tokens, the one that ended it included."""
    truncated: bool
    """The limit came before an end of turn."""
    seed: int | None
    """Of the draw; None for a greedy answer."""


class ChatLM(LM):  # type: ignore[misc]
    """An lm-eval model that answers `generate_until` with whole assistant's turns, which `write` makes.

    lm-eval's own models drop special tokens when they decode, and so the separators between thinking and answer; cut a
    long prompt at its left in silence; and do not say how many tokens they made. What a turn was, besides its text, is
    in `turns`, by task name, document index and sample.

    A document's `turn` is the user's, from which, with its `tag`, the prompt's tokens are made: in the rendered text, a
    marker that the question quotes cannot be told from the template's.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, positions: int, seed: int, write: Write) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.turns: dict[tuple[str, int, int], Turn] = {}
        self._positions, self._seed, self._write = positions, seed, write

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """The text of a turn for each request, in their order; a request that comes again is the next sample.

        A request's limit is its `max_gen_toks`, or what the model's positions leave after the prompt. R1kError where a
        prompt leaves no room, or a task asks for other stops than the end of a turn.
        """
        seen: Counter[tuple[str, int]] = Counter()
        places, prompts = [], []
        for request in requests:
            document = (str(request.task_name), int(request.doc_id))
            places.append((*document, seen[document]))
            prompts.append(self._prompt(request, seen[document]))
            seen[document] += 1
        answers = self._write(prompts)
        for place, prompt in zip(places, prompts, strict=True):
            self.turns[place] = self._turn(prompt, answers[prompt.key])
        return [self.turns[place].text for place in places]

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """The text of turns by the tokenizer's template."""
        return str(
            self.tokenizer.apply_chat_template(
                chat_history, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        )

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Not for a chat: R1kError."""
        raise R1kError("a chat answers in turns; log-likelihoods are the probe's")

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Not for a chat: R1kError."""
        raise R1kError("a chat answers in turns; log-likelihoods are the probe's")

    def _prompt(self, request: Instance, sample: int) -> Prompt:
        _, settings = request.args
        question = str(request.doc["id"])
        name = f"{request.task_name}: question {question}"
        if settings["until"] != [END_OF_TURN]:
            raise R1kError(f"{name}: the task asks for the stops {settings['until']}; a turn is whole")
        ids = encode_prompt(self.tokenizer, request.doc["turn"], name, request.doc["tag"])
        left = self._positions - len(ids)
        if left < 1:
            raise R1kError(
                f"{name}: the prompt has {len(ids)} tokens and the model has {self._positions} positions, which leaves "
                "no room for an answer; leave the question out, or take a base with more positions"
            )
        draw = None
        if settings["do_sample"]:
            seed = seed_of(self._seed, question, sample)
            draw = SamplingParams(temperature=settings["temperature"], top_p=settings["top_p"], seed=seed)
        return Prompt(ids=ids, limit=min(settings["max_gen_toks"], left), draw=draw)

    def _turn(self, prompt: Prompt, answer: CachedAnswer) -> Turn:
        text = self.tokenizer.decode(list(answer.ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return Turn(
            text=text,
            tokens=len(answer.ids) + answer.ended,
            truncated=not answer.ended,
            seed=prompt.draw.seed if prompt.draw else None,
        )
