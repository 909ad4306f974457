"""Figures, each written as PNG and PDF, with a CSV of its numbers where it has numbers.

A module of this folder is a figure if it defines `draw_NAME`, where NAME is the module's own name. `figure_summaries`
finds the figures by that rule, so a new figure needs no entry in a list.
"""

import re
from pathlib import Path


def figure_summaries() -> dict[str, str]:
    """Return the first docstring line of each figure's `draw_NAME`, by name with `-` for `_`, in alphabetical order.

    Reads the modules as text, because importing them would load matplotlib.
    """
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        entry = rf'^def draw_{path.stem}\((?s:.*?)\) -> None:\n    """(.+)$'
        if match := re.search(entry, path.read_text(encoding="utf-8"), re.MULTILINE):
            found[path.stem.replace("_", "-")] = match[1].rstrip('."')
    return found
