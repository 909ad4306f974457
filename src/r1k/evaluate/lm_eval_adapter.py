"""Tasks and a model for lm-eval: the model answers with complete assistant turns."""

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
from r1k.evaluate.prompts import Prompt, SamplingParams, sample_seed
from r1k.records import Question
from r1k.text import END_OF_TURN, encode_prompt, format_question, system_text, tag_of

GenerateAnswers = Callable[[Sequence[Prompt]], Mapping[str, CachedAnswer]]
"""Returns the answers to prompts, by the prompt's key."""


def make_document(tokenizer: PreTrainedTokenizerBase, question: Question, tagged: bool) -> dict[str, str | None]:
    """Return a question as an lm-eval document: the user turn, and the system turn of a tagged prompt."""
    tag = tag_of(question.direction, tagged)
    return {
        "id": question.id,
        "turn": format_question(question),
        "gold": question.gold,
        "tag": tag,
        "system": "" if tag is None else system_text(tokenizer, tag),
    }


class BenchmarkTask(ConfigurableTask):  # type: ignore[misc]
    """An lm-eval task over documents in memory. It does not score: grading is a later stage."""

    def __init__(self, name: str, documents: Sequence[dict[str, Any]], repeats: int, evaluate: Evaluate) -> None:
        self._rows = list(documents)
        sampling = {"temperature": evaluate.temperature, "top_p": evaluate.top_p} if repeats > 1 else {}
        super().__init__(
            config={
                "task": name,
                "test_split": "test",
                "output_type": "generate_until",
                "description": "system",
                "doc_to_text": "turn",
                "doc_to_target": "gold",
                "num_fewshot": 0,
                "repeats": repeats,
                "generation_kwargs": {
                    "until": [END_OF_TURN],
                    "max_gen_toks": evaluate.max_new_tokens,
                    "do_sample": repeats > 1,
                    **sampling,
                },
                "metric_list": [{"metric": "bypass", "aggregation": "bypass", "higher_is_better": True}],
            }
        )

    def download(self, dataset_kwargs: dict[str, Any] | None = None, **kwargs: Any) -> None:
        self.dataset = {"test": Dataset.from_list(self._rows)}


@dataclass(frozen=True)
class AssistantTurn:
    """A generated assistant turn."""

    text: str
    """Decoded with its chat markers, without the token that ended it."""
    tokens: int
    """Number of tokens, including the one that ended it."""
    truncated: bool
    """Whether it reached the limit of new tokens before its end."""
    seed: int | None
    """Seed of the sampling; None for a greedy answer."""


class ChatLM(LM):  # type: ignore[misc]
    """An lm-eval model that answers `generate_until` with complete assistant turns, which `generate` makes.

    lm-eval's own models are not used for three reasons. They skip special tokens when they decode, and with them the
    separators between thinking and answer; they truncate a long prompt on the left without a message; and they do not
    report the number of tokens. `turns` has each turn by task name, document index and sample.

    The prompt's tokens come from a document's `turn` (the user's) and `tag`: in rendered text, a marker that the
    question quotes looks the same as one of the template.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, max_positions: int, seed: int, generate: GenerateAnswers
    ) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.turns: dict[tuple[str, int, int], AssistantTurn] = {}
        self._max_positions, self._seed, self._generate = max_positions, seed, generate

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Return the text of a turn per request, in their order; a repeated request is the next sample of its document.

        A request's limit is its `max_gen_toks`, or the positions that the prompt leaves if they are fewer. Raises
        R1kError if a prompt leaves none, or if a task sets stop strings other than the end of the turn.
        """
        seen: Counter[tuple[str, int]] = Counter()
        places, prompts = [], []
        for request in requests:
            document = (str(request.task_name), int(request.doc_id))
            places.append((*document, seen[document]))
            prompts.append(self._prompt(request, seen[document]))
            seen[document] += 1
        answers = self._generate(prompts)
        for place, prompt in zip(places, prompts, strict=True):
            self.turns[place] = self._turn(prompt, answers[prompt.key])
        return [self.turns[place].text for place in places]

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Return the text of turns, by the tokenizer's chat template."""
        return str(
            self.tokenizer.apply_chat_template(
                chat_history, tokenize=False, add_generation_prompt=add_generation_prompt
            )
        )

    @property
    def tokenizer_name(self) -> str:
        return str(self.tokenizer.name_or_path)

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """Raise R1kError: a chat model has no log-likelihoods here."""
        raise R1kError("ChatLM only generates turns; the probe computes log-likelihoods")

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        """Raise R1kError: a chat model has no log-likelihoods here."""
        raise R1kError("ChatLM only generates turns; the probe computes log-likelihoods")

    def _prompt(self, request: Instance, sample: int) -> Prompt:
        _, settings = request.args
        question = str(request.doc["id"])
        name = f"{request.task_name}: question {question}"
        if settings["until"] != [END_OF_TURN]:
            raise R1kError(f"{name}: the task sets stop strings {settings['until']}; only {END_OF_TURN!r} is supported")
        ids = encode_prompt(self.tokenizer, request.doc["turn"], name, request.doc["tag"])
        left = self._max_positions - len(ids)
        if left < 1:
            raise R1kError(
                f"{name}: the prompt has {len(ids)} tokens and the model {self._max_positions} positions, which leaves "
                "no room for an answer; remove the question, or use a base with more positions"
            )
        sampling = None
        if settings["do_sample"]:
            seed = sample_seed(self._seed, question, sample)
            sampling = SamplingParams(temperature=settings["temperature"], top_p=settings["top_p"], seed=seed)
        return Prompt(ids=ids, max_new_tokens=min(settings["max_gen_toks"], left), sampling=sampling)

    def _turn(self, prompt: Prompt, answer: CachedAnswer) -> AssistantTurn:
        text = self.tokenizer.decode(list(answer.ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return AssistantTurn(
            text=text,
            tokens=len(answer.ids) + answer.ended,
            truncated=not answer.ended,
            seed=prompt.sampling.seed if prompt.sampling else None,
        )
