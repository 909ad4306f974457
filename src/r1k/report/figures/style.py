"""What the figures share: style, and saving the same bytes each time."""

from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from r1k.files import atomic_write

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
"""Okabe and Ito's palette, told apart by colour-blind readers."""


def style() -> AbstractContextManager[None]:
    """Inside it, figures are drawn in the study's style."""
    return mpl.rc_context(
        {
            "font.family": "DejaVu Sans",
            "font.size": 8,
            "axes.titlesize": 9,
            "axes.labelsize": 8,
            "xtick.labelsize": 7,
            "ytick.labelsize": 7,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.linewidth": 0.7,
            "figure.dpi": 200,
            "text.hinting": "none",  # widths are then the same in both formats, and as they were measured
            "pdf.fonttype": 42,  # TrueType, embedded: text stays text, and journals accept it
        }
    )


def save(figure: Figure, *, png: Path, pdf: Path) -> None:
    """Write a figure as PNG and PDF, without dates or versions in them."""
    with atomic_write(png, "wb") as handle:
        figure.savefig(handle, format="png", metadata={"Software": None})
    with atomic_write(pdf, "wb") as handle:
        figure.savefig(handle, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})
