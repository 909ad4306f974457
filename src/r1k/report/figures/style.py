"""The style that all figures share: fonts, sizes, colours, and the names of the models."""

from contextlib import AbstractContextManager

import matplotlib as mpl

from r1k.config import Arm

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#666666"
"""From the palette of Okabe and Ito, which colour-blind readers can tell apart."""
WIDTH = 7.6
"""Width of every figure, in inches."""
ARM_COLOURS: dict[Arm, str] = {"forward": BLUE, "reverse": ORANGE, "mixed": GREEN}
MODEL_NAMES: dict[Arm, str] = {"forward": "forward model", "reverse": "reverse model", "mixed": "mixed model"}


def style() -> AbstractContextManager[None]:
    """Return a context in which matplotlib draws in the study's style."""
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
            "text.hinting": "none",  # keeps the widths that `text_fit` measured, in PNG and in PDF
            "pdf.fonttype": 42,  # embeds TrueType fonts: text stays text, and journals accept it
        }
    )
