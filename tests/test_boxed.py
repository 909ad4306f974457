"""Boxed answers in LaTeX."""

import pytest

from r1k.boxed import last_boxed, unboxed


@pytest.mark.parametrize(
    ("text", "inside", "without"),
    [
        (r"so \boxed{4}.", "4", "so 4."),
        (r"\boxed{\frac{1}{2}} and \boxed{3}", "3", r"\frac{1}{2} and 3"),
        (r"\boxed {a \text{b} c}", r"a \text{b} c", r"a \text{b} c"),
        (r"\boxed{\boxed{7}}", "7", "7"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}", r"\{1, 2\}"),
        (r"\boxed{1} then \boxed{open", "1", r"1 then \boxed{open"),
        ("no box {at} all", None, "no box {at} all"),
        ("", None, ""),
    ],
)
def test_last_boxed_and_unboxed(text, inside, without):
    assert last_boxed(text) == inside
    assert unboxed(text) == without


def test_many_open_boxes_take_linear_time():
    text = "\\boxed{1} " + "\\boxed{" * 50_000
    assert last_boxed(text) == "1"
    assert unboxed(text) == text.replace("\\boxed{1}", "1")
