import json
from html.parser import HTMLParser

import pytest

from hostile import HOSTILE
from r1k.report.pages.samples.truncate import MIN_BYTES, fair_limit, script_json, size, truncate


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_script_element_holds_any_text_and_gives_it_back(text):
    held = []
    parser = HTMLParser()
    parser.handle_data = held.append
    parser.handle_starttag = lambda tag, attributes: held.append(tag) if tag != "script" else None
    parser.feed(f"<script type='application/json'>{script_json([text, {text: 1}])}</script>")
    assert json.loads("".join(held)) == [text, {text: 1}]
    assert script_json(text).isascii() and len(script_json(text)) == size(text)


def test_texts_that_fit_are_whole():
    assert fair_limit([10, 20, 30], 60) is None
    assert fair_limit([], 0) is None
    assert truncate("abc", None).model_dump(exclude_defaults=True) == {"head": "abc"}


def test_the_room_that_short_texts_leave_goes_to_long_ones():
    sizes = [1_000, 90_000, 5_000, 80_000]
    limit = fair_limit(sizes, 100_000)
    assert limit == (100_000 - 1_000 - 5_000) // 2
    assert sum(min(taken, limit) for taken in sizes) <= 100_000


def test_something_of_every_text_is_shown():
    assert fair_limit([9_000] * 10, 100) == MIN_BYTES


@pytest.mark.parametrize("text", ["word " * 1000, "数" * 3000, "<" * 2000, "\n" * 2500])
def test_a_cut_text_keeps_its_ends_and_says_how_much_is_missing(text):
    part = truncate(text, 900)
    assert text.startswith(part.head) and text.endswith(part.tail) and part.head and part.tail
    assert len(part.head) + part.left_out + len(part.tail) == len(text)
    assert size(part.head) + size(part.tail) <= 900 + 10
