"""What the figures share: style, and saving the same bytes each time."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from r1k.files import atomic_write

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "pdf.fonttype": 42,  # TrueType, embedded: text stays text, and journals accept it
}
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
"""Okabe and Ito's palette, told apart by colour-blind readers."""


def save(figure: Figure, *, png: Path, pdf: Path) -> None:
    """Write a figure as PNG and PDF, without dates or versions in them."""
    with atomic_write(png, "wb") as handle:
        figure.savefig(handle, format="png", dpi=200, metadata={"Software": None})
    with atomic_write(pdf, "wb") as handle:
        figure.savefig(handle, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})
