"""The layout of the package: unique type names, short modules, small folders, no import cycles."""

import ast
from collections import Counter, defaultdict
from graphlib import CycleError, TopologicalSorter
from importlib import import_module

import pytest

from examples import ROOT

PACKAGE = ROOT / "src" / "r1k"
MODULES = {".".join(path.relative_to(ROOT / "src").with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
MAX_LINES = 350
MAX_FILES = 16
MAY_REPEAT: frozenset[str] = frozenset()
"""Types that may be defined in several modules."""


def trees():
    return {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def test_a_type_is_defined_once():
    found = Counter(node.name for tree in trees().values() for node in tree.body if isinstance(node, ast.ClassDef))
    assert sorted(name for name, times in found.items() if times > 1 and name not in MAY_REPEAT) == []


@pytest.mark.parametrize("module", [name for name in MODULES if "\n__all__ = " in MODULES[name].read_text("utf-8")])
def test_all_that_a_module_offers_exists(module):
    """ruff does not compare a package's `__all__` with its names."""
    package = import_module(module.removesuffix(".__init__"))
    assert [name for name in package.__all__ if not hasattr(package, name)] == []


def test_modules_are_short():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_folders_are_small():
    files = Counter(path.parent for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    assert {str(folder): n for folder, n in files.items() if n > MAX_FILES} == {}


def test_no_two_files_import_each_other():
    """Imports inside of functions and under TYPE_CHECKING count too; a package's __init__ counts where it is named."""
    graph = defaultdict(set)
    for name, tree in trees().items():
        for node in ast.walk(tree):
            graph[name] |= set(imported(node)) - {name}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(reversed(error.args[1])))


def imported(node):
    if isinstance(node, ast.Import):
        names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        names = [f"{node.module}.{alias.name}" for alias in node.names]
    else:
        return
    for name in names:
        while name.startswith("r1k"):
            target = next((known for known in (name, f"{name}.__init__") if known in MODULES), None)
            if target is not None:
                yield target
                break
            name = name.rpartition(".")[0]
