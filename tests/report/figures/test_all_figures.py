"""What holds for every module of report/figures that defines a figure."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest

from r1k.report.figures import figure_summaries

CAPTIONS = Path(__file__).parents[3] / "workflow" / "report"


def test_all_figures_are_found():
    assert list(figure_summaries()) == sorted(figure_summaries())
    assert {"figure1", "figure2", "ntk", "probability-shift", "stages"} <= set(figure_summaries())


@pytest.mark.parametrize("name", figure_summaries())
def test_a_figure_has_a_function_whose_docstring_describes_each_option(name):
    stem = name.replace("-", "_")
    entry = getattr(import_module(f"r1k.report.figures.{stem}"), f"draw_{stem}")
    signature = inspect.signature(entry)
    assert {"png", "pdf"} <= set(signature.parameters)
    described = inspect.getdoc(entry).partition("Args:\n")[2]
    for parameter in signature.parameters.values():
        assert parameter.kind == parameter.KEYWORD_ONLY
        assert f"    {parameter.name}: " in described
    assert figure_summaries()[name].startswith("Draw ")


@pytest.mark.parametrize("name", [name for name in figure_summaries() if name != "stages"])
def test_a_figure_of_results_has_a_caption_that_says_how_to_read_it(name):
    assert (CAPTIONS / f"{name}.rst").is_file()
