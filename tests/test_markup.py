"""Escaping of arbitrary text for Markdown and LaTeX."""

import re

import pytest
from markdown_it import MarkdownIt

from hostile import HOSTILE
from r1k.markup import REPLACEMENT, escape_latex, escape_markdown, fenced, one_line

PAGE = MarkdownIt("gfm-like", {"html": True, "linkify": False})


def test_escapes():
    assert escape_markdown("_a_ b_c `x`\n|") == r"\_a\_ b_c \`x\` \|"
    assert escape_latex("\\ & ~") == r"\textbackslash{} \& \textasciitilde{}"


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("around", ["{}", "- {}", "| a | b |\n|---|---|\n| {} | c |", "## {}"])
def test_markdown_shows_text_verbatim(name, around):
    """Parse with raw HTML enabled, as the hub does."""
    tokens = PAGE.parse(around.format(escape_markdown(HOSTILE[name])))
    shown = [token for token in tokens if token.type == "inline" and token.content not in ("a", "b", "c")]
    assert len(shown) == 1
    kinds = {child.type for child in shown[0].children}
    assert kinds <= {"text", "text_special"}
    # The parser strips Unicode white space at the ends, which a browser does not show either.
    assert "".join(child.content for child in shown[0].children).strip() == one_line(HOSTILE[name]).strip()
    plain = PAGE.parse(around.format("word"))
    assert [token.type for token in tokens] == [token.type for token in plain], "the text creates no block of its own"


@pytest.mark.parametrize("text", ["https://e.org/x", "- a", "+ a", "1. a", "2) a", "# a", "#", "-", "&amp;", "> a"])
def test_the_start_of_a_line_is_no_block_marker(text):
    (paragraph, inline, _) = PAGE.parse(escape_markdown(text))
    assert paragraph.type == "paragraph_open"
    assert "".join(child.content for child in inline.children) == text


@pytest.mark.parametrize("name", HOSTILE)
def test_a_fence_encloses_any_text(name):
    text = HOSTILE[name]
    tokens = PAGE.parse(fenced(text) + "\n\nafter")
    assert [token.type for token in tokens] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert tokens[0].content.splitlines() == text.replace("\x00", REPLACEMENT).splitlines()


@pytest.mark.parametrize("name", HOSTILE)
def test_latex_contains_no_command_from_the_text(name):
    written = escape_latex(HOSTILE[name])
    escapes = r"\\(?:textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|dots)\{\}|\\[&%$#_{}]"
    rest = re.sub(escapes, "", written)
    assert not set(rest) & set("\\&%$#_{}~^")


def test_control_characters_are_replaced():
    assert one_line("a\x1b[31m\x00 b\u202e\n\x85c") == f"a{REPLACEMENT}[31m{REPLACEMENT} b{REPLACEMENT} c"
