"""Test the page in a real browser: what a reader sees, types and clicks."""

import re
from urllib.parse import quote

import pytest
from made_answers import Made, completion

from browser import chromium, installed
from hostile import HOSTILE
from r1k.cli import main
from r1k.report.pages.report import write_report

COUNT = 60
SECRET = "a closed question"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Write the page of two runs: on an open benchmark, where they differ on every third question, and a closed one."""
    made = Made(tmp_path_factory.mktemp("page"))
    hostile = list(HOSTILE.values())
    texts = [f"How many {k}? {hostile[k] if k < len(hostile) else ''}" for k in range(COUNT)]
    opened, closed = made.ask("open", *texts), made.ask("closed", SECRET)

    def facts(run):
        def of(question, k):
            number = int(question.id.split("-")[1])
            said = hostile[number] if number < len(hostile) else f"{run} says {number}"
            return {
                "completion": completion(f"{run} thinks {said}", said) if number != 40 else "no mark",
                "extracted": None if number == 41 else said,
                "rule": "unparsed" if number == 41 else "text",
                "correct": number != 41 and (run == "one" or number % 3 > 0),
                "truncated": number == 42,
            }

        return of

    for run in ("one", "two"):
        for asked in (opened, closed):
            made.answer(run, asked, facts(run))
    output = made.folder / "samples.html"
    options = [[f"--{name}", *map(str, files)] for name, files in made.paths.items()]
    arguments = [word for option in options for word in option]
    arguments += ["--title", "<b>study", "--redistributable", "open", "--output", str(output)]
    assert main(["write-samples-page", *arguments]) == 0
    assert output.with_suffix(".manifest.json").is_file()
    return output


@pytest.fixture(scope="module")
def browser():
    if installed() is None:
        pytest.skip("no Chromium is installed")
    with chromium() as found:
        found.size(1280, 800)
        yield found


@pytest.fixture
def show(browser, page):
    """Open the page at an address; afterwards, check that it fetched nothing and logged nothing."""

    def call(address: str = ""):
        browser.open("about:blank")
        browser.open(page.as_uri() + address)
        return browser

    browser.complaints.clear()
    browser.asked_for.clear()
    yield call
    assert browser.complaints == []
    assert {address.partition("#")[0] for address in browser.asked_for} <= {page.as_uri()}


def test_it_opens_on_the_first_answer_of_the_first_run(show):
    browser = show()
    assert browser.value("document.title") == "<b>study: answers"
    assert browser.text("#count") == f"{COUNT + 1} answers: 60 right, 1 unparsed, 1 truncated"
    assert browser.value("document.querySelectorAll('#list li').length") == 50
    assert browser.text("h2") == "open-0 (open, forward)"
    assert (
        browser.text("#notes")
        == "122 answers of 2 runs on 2 benchmarks.\nShown without text, which must not be published: closed."
    )


@pytest.mark.parametrize(
    ("address", "count"),
    [
        ("#run=two&verdict=wrong", 20 + 1),
        ("#run=two&verdict=right&benchmark=open&direction=reverse", 20 - 1),
        ("#verdict=unparsed", 1),
        ("#verdict=truncated", 1),
        ("#benchmark=closed", 1),
        ("#beside=two&differ=1", 20 + 1),
        ("#text=ONE+SAYS+5", 10),
        ("#text=how+many+59", 1),
        ("#text=nowhere", 0),
    ],
)
def test_filters_are_in_the_address(show, address, count):
    browser = show(address)
    assert browser.text("#count").partition(" ")[0] == str(count)
    if not count:
        assert browser.text("#detail") == "No answer matches the filters."


def test_two_runs_are_side_by_side(show):
    browser = show("#run=one&beside=two&benchmark=open&id=open-45")
    left, right = browser.value("[...document.querySelectorAll('#sides section')].map(side => side.innerText)")
    assert left.startswith("one: right") and "one thinks one says 45" in left and "two" not in left
    assert right.startswith("two: wrong") and "two thinks two says 45" in right
    boxes = browser.value(
        "[...document.querySelectorAll('#sides section')].map(side => side.getBoundingClientRect().y)"
    )
    assert boxes[0] == boxes[1]
    assert browser.text("#detail dl") == "gold answer\ngold-open-45"


def test_what_was_written_without_a_mark_or_beyond_the_limit_says_so(show):
    browser = show("#id=open-40")
    assert "no answer separator: the whole completion is above" in browser.text("#sides")
    browser = show("#id=open-41")
    assert re.search(r"extracted answer\s+none", browser.text("#sides"))
    browser = show("#id=open-42")
    assert "truncated" in browser.text("#sides h3") and "7, the limit" in browser.text("#sides")


def test_a_closed_benchmark_has_its_ids_and_verdicts_alone(show, page):
    assert SECRET not in page.read_text() and "gold-closed" not in page.read_text()
    browser = show("#run=two&benchmark=closed&beside=one")
    shown = browser.text("#detail")
    assert shown.startswith("closed-0") and "must not be published" in shown and "not redistributable" in shown
    assert "two: wrong" in shown and "one: right" in shown and "Reasoning" not in shown and "gold" not in shown


@pytest.mark.parametrize("number", range(len(HOSTILE)), ids=HOSTILE)
def test_hostile_text_is_text(show, number):
    text = list(HOSTILE.values())[number]
    browser = show(f"#run=one&beside=two&id=open-{number}&text={quote(text.splitlines()[0][:30])}")
    written = browser.value("[...document.querySelectorAll('pre')].map(node => node.textContent)")
    assert written[0] == f"How many {number}? {text}".strip()
    assert written[1:] == [f"one thinks {text}", text, f"two thinks {text}", text]
    assert browser.value("document.querySelectorAll('#detail img, #detail script, #detail a, #list img').length") == 0
    assert browser.value("document.scripts.length") == 1 + 2 + 1
    assert browser.value("document.documentElement.scrollWidth <= innerWidth")


def test_keys_and_buttons_go_on_and_back_and_the_address_follows(show):
    browser = show("#benchmark=open")
    browser.press("j")
    browser.press("j")
    browser.press("k")
    assert browser.text("h2").startswith("open-1 ")
    assert browser.value("location.hash") == "#run=one&benchmark=open&id=open-1"
    browser.click("#next")
    assert browser.text("#list [aria-current]").endswith(
        "How many 2? {{ 7 * 7 }} {% raw %} {# gone #} {{question}} {{answer}}"
    )
    browser.value("new Promise(done => { addEventListener('hashchange', () => setTimeout(done)); history.back(); })")
    assert browser.text("h2").startswith("open-1 ")
    browser.click("#later")
    assert browser.value("document.querySelectorAll('#list li').length") == COUNT - 50
    browser.click("#list li:nth-child(2) button")
    assert browser.text("h2").startswith("open-51 ")
    assert browser.text("#position") == f"52 of {COUNT}, right"
    assert browser.value("document.activeElement.getAttribute('aria-current')") == "true"


def test_typing_in_a_field_filters_and_does_not_turn_the_page(show):
    browser = show("#benchmark=open&id=open-50")
    browser.click("input[name=text]")
    for key in "says 5":
        browser.press(key)
    assert browser.text("#count").startswith("10 answers")
    browser.press("j")
    assert browser.text("#count").startswith("0 answers") and "says+5j" in browser.value("location.hash")


def test_choosing_another_run_stays_with_the_question(show):
    browser = show("#run=one&benchmark=open&id=open-45")
    browser.value("form.elements.run.value = 'two', form.dispatchEvent(new Event('input'))")
    assert browser.text("h2").startswith("open-45 ") and browser.text("#sides h3") == "two: wrong"


def test_an_address_that_names_what_is_not_here_says_so(show):
    browser = show("#run=three&id=open-99&colour=red")
    assert browser.text("#count").endswith("Not here: colour. Not here: run=three. Not here: id=open-99.")


def test_every_field_has_a_label_and_the_page_fits_a_narrow_window(show):
    browser = show("#beside=two")
    assert browser.value("[...form.elements].every(field => field.labels.length === 1)")
    browser.size(500, 800)
    try:
        assert browser.value("document.documentElement.scrollWidth") <= 500
    finally:
        browser.size(1280, 800)


def test_no_other_script_runs_on_the_page_and_nothing_is_fetched(show, browser):
    show()
    browser.value(
        "document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.ran = 1'}))"
    )
    browser.value("document.body.append(Object.assign(new Image(), {src: 'http://127.0.0.1:9/x.png'}))")
    assert browser.value("window.ran") is None
    refused = [words for words in browser.complaints if "Content Security Policy" in words]
    assert len(refused) == 2
    browser.complaints.clear()
    browser.asked_for.clear()


def test_the_report_links_to_it(tmp_path, page):
    place = tmp_path / "a b"
    place.mkdir()
    write_report(
        title="t", description="d", tables=[], figures=[], samples=place / "samples.html", output=place / "report.html"
    )
    assert '<a href="samples.html">' in (place / "report.html").read_text()
