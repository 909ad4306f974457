from r1k.data.checked import kept
from r1k.records import VERDICTS, Check


def checked(problem: str, **verdicts: bool | None) -> Check:
    return Check(problem=problem, kind="k", reasons={}, **(dict.fromkeys(VERDICTS, True) | verdicts))


CHECKS = [
    checked("whole"),
    checked("copy", distinct_question=False),
    checked("open", consistent=None),
    checked("both", distinct_question=False, consistent=None),
]


def test_what_is_required_must_have_passed_and_nothing_else():
    assert kept(CHECKS, []) == {"whole", "copy", "open", "both"}
    assert kept(CHECKS, ["distinct_question"]) == {"whole", "open"}
    assert kept(CHECKS, ["distinct_question", "reached"]) == {"whole", "open"}


def test_undecided_counts_as_failed():
    assert kept(CHECKS, ["consistent"]) == {"whole", "copy"}
    assert kept(CHECKS, list(VERDICTS)) == {"whole"}
