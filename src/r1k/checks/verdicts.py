"""The verdicts on one inverse, by rules, but for its consistency. What they cannot decide is None, with the reason."""

from collections.abc import Sequence

from r1k.checks.answers import Answer, tokens
from r1k.checks.copies import Nearest
from r1k.checks.expressions import ROOT, states
from r1k.checks.inverse import BOUNDS, Inverse, Verdict, listed, says
from r1k.checks.quantities import mentioned
from r1k.teacher.answers import FINISHED

FEW = 4
"""Words of an answer that is a name or a term, which a question that uses it must repeat."""


def answer_hidden(inverse: Inverse) -> Verdict:
    """The reverse question does not state its own answer."""
    if inverse.is_proof:
        return Verdict(False, "it asks to prove what it states")
    return _all(inverse.answers, [_hidden(inverse, answer) for answer in inverse.answers])


def _hidden(inverse: Inverse, answer: Answer) -> Verdict:
    question = inverse.reverse.question
    if answer.quantity is not None:
        # The number may be another premise's, or the conclusion's, by chance.
        kept = max(0, inverse.given[answer.quantity.key] - 1)
        told = any(one.quantity is not None and one.quantity.key == answer.quantity.key for one in inverse.conclusions)
        is_stated = inverse.repeated[answer.quantity.key] > kept + told
    elif answer.is_words:
        is_stated = says(question, answer)
        some = answer.content & set(tokens(question))
        if some and not is_stated:
            return Verdict(None, f"the question has some of the answer's words: {', '.join(sorted(some))}")
    else:
        is_stated = states(question, answer.text)
    return Verdict(not is_stated, f"the question {'states' if is_stated else 'does not state'} {answer}")


def asks_for_given(inverse: Inverse) -> Verdict:
    """What the reverse answer gives, the forward question stated."""
    if inverse.is_proof:
        return Verdict(False, "it asks for a proof")
    found = [_given(inverse, answer) for answer in inverse.answers]
    return next((verdict for verdict in found if verdict.passed), _all(inverse.answers, found))


def _given(inverse: Inverse, answer: Answer) -> Verdict:
    question = inverse.forward.question
    if answer.quantity is not None:
        if answer.quantity.key in {quantity.key for quantity in mentioned(question)}:
            return Verdict(True, f"the forward question states {answer}")
        if any(one.quantity is not None and one.quantity.key == answer.quantity.key for one in inverse.conclusions):
            return Verdict(False, f"it asks for the forward answer again, {answer}")
        if inverse.left_out:
            return Verdict(
                None, f"the forward question does not state {answer}, but {listed(inverse.left_out)}, unused"
            )
        return Verdict(False, f"the forward question does not state {answer}, and nothing of it was left out")
    if answer.is_words:
        if says(question, answer):
            return Verdict(True, f"the forward question says {answer}")
        some = answer.content & set(tokens(question))
        if not some:
            return Verdict(False, f"the forward question has no word of {answer}")
        return Verdict(None, f"the forward question has some of the answer's words: {', '.join(sorted(some))}")
    if states(question, answer.text):
        return Verdict(True, f"the forward question states {answer}")
    missing = f"the forward question does not state {answer}"
    if answer.constant is not None and not inverse.left_out and not ROOT.search(question):
        return Verdict(False, f"{missing}, and nothing of it was left out")
    return Verdict(None, f"{missing}, as far as it can be read")


def uses_answer(inverse: Inverse) -> Verdict:
    """The forward answer is a premise of the reverse question."""
    if not inverse.conclusions:
        return Verdict(None, "the forward answer cannot be read")
    found = [_used(inverse, answer) for answer in inverse.conclusions]
    undecided = (verdict for verdict in found if verdict.passed is None)
    return next((verdict for verdict in found if verdict.passed), next(undecided, found[0]))


def _used(inverse: Inverse, answer: Answer) -> Verdict:
    question = inverse.reverse.question
    missing = f"the question does not state the forward answer, {answer}"
    if answer.quantity is not None:
        key = answer.quantity.key
        asked = any(one.quantity is not None and one.quantity.key == key for one in inverse.answers)
        times = sum(quantity.key == key for quantity in mentioned(question))
        if times > max(0, inverse.given[key] - asked):
            return Verdict(True, f"the question states {answer}")
        if times:
            return Verdict(None, f"the question states {answer}, as the forward one did")
        return Verdict(None if answer.quantity.value in BOUNDS else False, missing)
    if answer.is_words:
        if says(question, answer):
            return Verdict(True, f"the question says {answer}")
        decided = len(answer.tokens) <= FEW and not answer.is_boolean and not answer.content & set(tokens(question))
        return Verdict(False if decided else None, missing if decided else f"{missing}, in these words")
    if states(question, answer.text):
        return Verdict(True, f"the question states {answer}")
    return Verdict(None, f"{missing}, as far as it can be read")


def answer_reached(inverse: Inverse) -> Verdict:
    """The teacher's response ended by itself, with an answer that can be read."""
    teacher_metadata = inverse.reverse.teacher_metadata
    if teacher_metadata is not None and teacher_metadata.finish_reason not in FINISHED:
        return Verdict(False, f"the response did not end by itself (finish_reason {teacher_metadata.finish_reason!r})")
    if not inverse.answers:
        return Verdict(False, "the response ends with neither a box nor a line `Answer: …`")
    return Verdict(True, f"the response ends with {listed(inverse.answers)}")


def distinct_question(nearest: Nearest | None, threshold: float) -> Verdict:
    """The reverse question is no near-copy of another question."""
    if nearest is None:
        return Verdict(True, "no other question of its numbers has three of its words in a row")
    said = f"{nearest.similarity:.2f} of all word triples of it and {nearest.id} are common to both"
    return Verdict(nearest.similarity < threshold, said)


def _all(answers: Sequence[Answer], found: Sequence[Verdict]) -> Verdict:
    """One verdict of those on each part of an answer: the worst, a failure before what is undecided."""
    if not answers:
        return Verdict(None, "the response has no answer that can be read")
    undecided = (verdict for verdict in found if verdict.passed is None)
    return next((verdict for verdict in found if verdict.passed is False), next(undecided, found[0]))
