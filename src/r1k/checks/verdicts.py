"""Decide each verdict on one inverse by rules, except its consistency; undecided verdicts are None, with the reason."""

from collections.abc import Sequence

from r1k.checks.answers import FinalAnswer, tokens
from r1k.checks.expressions import ROOT, states_expression
from r1k.checks.inverse import BOUNDS, CheckVerdict, Inverse, contains_words, join_items
from r1k.checks.near_duplicates import NearestQuestion
from r1k.checks.quantities import all_quantities
from r1k.teacher.protocol.finish_reasons import finish_kind

MAX_TERM_WORDS = 4
"""Words of the longest name or term; a question that uses such an answer must repeat it literally."""


def answer_hidden(inverse: Inverse) -> CheckVerdict:
    """Decide whether the reverse question hides its own answer."""
    if inverse.is_proof:
        return CheckVerdict(False, "it asks to prove what it states")
    return _combine(inverse.reverse_answers, [_hidden(inverse, answer) for answer in inverse.reverse_answers])


def _hidden(inverse: Inverse, answer: FinalAnswer) -> CheckVerdict:
    question = inverse.reverse.question
    if answer.quantity is not None:
        # Another premise, or the forward answer, may happen to be the same number.
        repeated = max(0, inverse.forward_counts[answer.quantity.key] - 1)
        concluded = any(
            one.quantity is not None and one.quantity.key == answer.quantity.key for one in inverse.forward_answers
        )
        is_stated = inverse.reverse_counts[answer.quantity.key] > repeated + concluded
    elif answer.is_words:
        is_stated = contains_words(question, answer)
        some = answer.content & set(tokens(question))
        if some and not is_stated:
            return CheckVerdict(None, f"the question has some of the answer's words: {', '.join(sorted(some))}")
    else:
        is_stated = states_expression(question, answer.text)
    return CheckVerdict(not is_stated, f"the question {'states' if is_stated else 'does not state'} {answer}")


def asks_for_given(inverse: Inverse) -> CheckVerdict:
    """Decide whether the forward question states what the reverse answer gives."""
    if inverse.is_proof:
        return CheckVerdict(False, "it asks for a proof")
    found = [_given(inverse, answer) for answer in inverse.reverse_answers]
    return next((verdict for verdict in found if verdict.passed), _combine(inverse.reverse_answers, found))


def _given(inverse: Inverse, answer: FinalAnswer) -> CheckVerdict:
    question = inverse.forward.question
    if answer.quantity is not None:
        if answer.quantity.key in {quantity.key for quantity in all_quantities(question)}:
            return CheckVerdict(True, f"the forward question states {answer}")
        if any(one.quantity is not None and one.quantity.key == answer.quantity.key for one in inverse.forward_answers):
            return CheckVerdict(False, f"it asks for the forward answer again, {answer}")
        if inverse.omitted:
            return CheckVerdict(
                None,
                f"the forward question does not state {answer}; the reverse one omits {join_items(inverse.omitted)}",
            )
        return CheckVerdict(
            False, f"the forward question does not state {answer}, and the reverse question omits none of its numbers"
        )
    if answer.is_words:
        if contains_words(question, answer):
            return CheckVerdict(True, f"the forward question says {answer}")
        some = answer.content & set(tokens(question))
        if not some:
            return CheckVerdict(False, f"the forward question has no word of {answer}")
        return CheckVerdict(None, f"the forward question has some of the answer's words: {', '.join(sorted(some))}")
    if states_expression(question, answer.text):
        return CheckVerdict(True, f"the forward question states {answer}")
    missing = f"the forward question does not state {answer}"
    if answer.constant is not None and not inverse.omitted and not ROOT.search(question):
        return CheckVerdict(False, f"{missing}, and the reverse question omits none of its numbers")
    return CheckVerdict(None, f"{missing}, as far as it can be parsed")


def uses_answer(inverse: Inverse) -> CheckVerdict:
    """Decide whether the forward answer is a premise of the reverse question."""
    if not inverse.forward_answers:
        return CheckVerdict(None, "the forward answer cannot be parsed")
    found = [_used(inverse, answer) for answer in inverse.forward_answers]
    undecided = (verdict for verdict in found if verdict.passed is None)
    return next((verdict for verdict in found if verdict.passed), next(undecided, found[0]))


def _used(inverse: Inverse, answer: FinalAnswer) -> CheckVerdict:
    question = inverse.reverse.question
    missing = f"the question does not state the forward answer, {answer}"
    if answer.quantity is not None:
        key = answer.quantity.key
        is_answer = any(one.quantity is not None and one.quantity.key == key for one in inverse.reverse_answers)
        times = sum(quantity.key == key for quantity in all_quantities(question))
        if times > max(0, inverse.forward_counts[key] - is_answer):
            return CheckVerdict(True, f"the question states {answer}")
        if times:
            return CheckVerdict(None, f"the question states {answer}, but so does the forward question")
        return CheckVerdict(None if answer.quantity.value in BOUNDS else False, missing)
    if answer.is_words:
        if contains_words(question, answer):
            return CheckVerdict(True, f"the question says {answer}")
        decided = (
            len(answer.tokens) <= MAX_TERM_WORDS
            and not answer.is_boolean
            and not answer.content & set(tokens(question))
        )
        return CheckVerdict(False if decided else None, missing if decided else f"{missing}literally")
    if states_expression(question, answer.text):
        return CheckVerdict(True, f"the question states {answer}")
    return CheckVerdict(None, f"{missing}, as far as it can be parsed")


def answer_reached(inverse: Inverse) -> CheckVerdict:
    """Decide whether the teacher's response is complete and has a parsable answer."""
    teacher_metadata = inverse.reverse.teacher_metadata
    reason = "stop" if teacher_metadata is None else teacher_metadata.finish_reason
    match finish_kind(reason):
        case "complete":
            pass
        case "unknown":
            return CheckVerdict(None, f"whether the response is complete is unknown (finish_reason {reason!r})")
        case _:
            return CheckVerdict(False, f"the response is incomplete (finish_reason {reason!r})")
    if not inverse.reverse_answers:
        return CheckVerdict(False, "the response ends with neither a box nor a line `Answer: …`")
    return CheckVerdict(True, f"the response ends with {join_items(inverse.reverse_answers)}")


def distinct_question(nearest: NearestQuestion | None, threshold: float) -> CheckVerdict:
    """Decide whether the reverse question differs from every other question."""
    if nearest is None:
        return CheckVerdict(True, "no other question with the same numbers shares three consecutive words")
    reason = f"it shares {nearest.similarity:.2f} of all word triples with {nearest.id}"
    return CheckVerdict(nearest.similarity < threshold, reason)


def _combine(answers: Sequence[FinalAnswer], found: Sequence[CheckVerdict]) -> CheckVerdict:
    """Return the worst of the verdicts on the parts of an answer: failed before undecided before passed."""
    if not answers:
        return CheckVerdict(None, "the response has no answer that can be parsed")
    undecided = (verdict for verdict in found if verdict.passed is None)
    return next((verdict for verdict in found if verdict.passed is False), next(undecided, found[0]))
