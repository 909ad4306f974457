"""What the pages say exists: files, anchors, commands, targets and versions."""

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest
import yaml

import r1k
from examples import ROOT

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (
        *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
        *(ROOT / "docs").glob("*.md"),
        ROOT / "config" / "README.md",
        ROOT / "results" / "README.md",
    )
)
HISTORY = "CHANGELOG.md"
"""It names what is no more."""
FENCE = re.compile(r"^ *```.*?\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
FOLDERS = ("benchmarks", "config", "docs", "envs", "profiles", "src", "tests", "workflow")
SUFFIXES = ("def", "json", "lock", "md", "png", "py", "rst", "smk", "txt", "yaml")
FILE = re.compile(rf"(?<![\w./{{}}-])(?:{'|'.join(FOLDERS)})/[\w./{{}}*-]+\.(?:{'|'.join(SUFFIXES)})\b")
PLACEHOLDER = re.compile(r"[{}*]|(?<![A-Za-z])(?:NAME|PATH)(?![A-Za-z])")


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def code_of(page: str) -> list[str]:
    """The page's code: its blocks' lines and its inline spans, each on one line."""
    text = text_of(page)
    blocks = [line.strip() for block in FENCE.findall(text) for line in block.splitlines()]
    return blocks + [" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", text))]


def called(page: str, program: str) -> set[str]:
    """What the page calls the program with."""
    found = (re.match(rf"{program} (?!-)([a-z./][\w./-]*)", code) for code in code_of(page))
    return {match[1] for match in found if match and not PLACEHOLDER.search(match[1])}


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = HEADING.findall(FENCE.sub("", path.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def commands() -> set[str]:
    shown = subprocess.run([sys.executable, "-c", "from r1k.cli import main; main(['--help'])"], capture_output=True)
    return set(re.findall(r"^ +([a-z][a-z0-9-]+)(?= |$)", shown.stdout.decode(), re.MULTILINE))


def test_the_readme_has_at_most_900_words():
    assert len(text_of("README.md").split()) <= 900


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_resolves(page):
    broken = []
    for link in LINK.findall(text_of(page)):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("page", [page for page in PAGES if page != HISTORY])
def test_every_file_that_is_named_exists(page):
    named = {name for code in code_of(page) for name in FILE.findall(code) if not PLACEHOLDER.search(name)}
    assert not {name for name in named if not (ROOT / name).exists()}


@pytest.mark.parametrize("page", [page for page in PAGES if page != HISTORY])
def test_every_command_that_is_named_exists(page):
    assert called(page, "r1k") <= commands()


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_that_is_named_exists(page):
    targets = set(re.findall(r"^([\w./-]+):", text_of("Makefile"), re.MULTILINE))
    assert called(page, "make") <= targets


def test_the_pages_name_commands_files_and_targets_at_all():
    assert {"plan", "check-config"} <= called("README.md", "r1k")
    assert {"demo", "test", "check"} <= called("README.md", "make")
    assert "config/paper.yaml" in FILE.findall(" ".join(code_of("README.md")))
    assert "check-config" in commands()


def test_every_page_of_docs_is_linked_from_the_readme():
    linked = set(LINK.findall(text_of("README.md")))
    assert {page for page in PAGES if page.startswith("docs/")} <= linked


def test_one_version_everywhere():
    project = tomllib.loads(text_of("pyproject.toml"))["project"]
    citation = yaml.safe_load(text_of("CITATION.cff"))
    newest = HEADING.findall(text_of(HISTORY))[1]
    assert {project["version"], citation["version"], newest} == {r1k.__version__}
