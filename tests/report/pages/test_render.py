import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from hostile import HOSTILE
from r1k.errors import R1kError
from r1k.report.pages import render
from r1k.report.pages.report import write_report

TEMPLATES = list(Path(render.__file__).parent.rglob("*.jinja"))
UNESCAPED = {"table | markdown", "style", "script", "data", "json"}
"""Markdown without HTML, the package's own style and script, and JSON of `script_json`."""


def test_templates_escape_all_but_a_few_values():
    found = {match for path in TEMPLATES for match in re.findall(r"{{ ([^{}]+?) \| safe }}", path.read_text())}
    assert found == UNESCAPED
    assert not any("autoescape" in path.read_text() for path in TEMPLATES)


def test_no_module_of_the_pages_builds_html():
    modules = Path(render.__file__).parent.rglob("*.py")
    assert not [path.name for path in modules if re.search(r"</?[a-z]+[ >]|html\.escape|Markup", path.read_text())]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_markdown_of_a_table_opens_no_script_or_image(text, tmp_path):
    (tmp_path / "t.md").write_text(text.replace("](", "] ("))
    write_report(title="t", description="d", tables=[tmp_path / "t.md"], figures=[], output=tmp_path / "report.html")
    assert not re.search("<(script|img)[ >]", (tmp_path / "report.html").read_text())


def test_a_missing_value_or_file_leaves_no_page(tmp_path):
    with pytest.raises(UndefinedError, match="tables"):
        render.write_page("report.html.jinja", tmp_path / "report.html", title="t", description="d", samples=None)
    with pytest.raises(R1kError, match=r"table1\.md: no such file; make it with"):
        write_report(
            title="t", description="d", tables=[tmp_path / "table1.md"], figures=[], output=tmp_path / "report.html"
        )
    assert not any(tmp_path.iterdir())
