"""A heat map of mean effects: one row per measured response, one column per loss whose gradient the step follows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes

from r1k.records import UpdateKind
from r1k.report.statistics.influence import KINDS, Effect, InfluenceQuantity, PromptResponse, Whose

NAMES = (r"$y_f\,|\,x_f$", r"$y_r\,|\,x_r$", r"$y_r\,|\,x_f$", r"$y_f\,|\,x_r$")
ROWS: dict[PromptResponse, str] = dict(zip(KINDS, NAMES, strict=True))
COLUMNS: dict[UpdateKind, str] = {"forward": "forward", "reverse": "reverse", "mixed": "mixed", "dpo": "DPO"}
MAP = "RdBu"
UNITS = ("", "k", "M", "G")
DARK = 0.65
"""Text is white where a colour is beyond this share of the scale's end."""


@dataclass(frozen=True)
class HeatMapRow:
    """What a row of heat maps, one per model, shows."""

    whose: Whose
    quantity: InfluenceQuantity
    title: str
    scale: float = 1.0
    """Factor of the written numbers."""
    factors: bool = False
    """Whether to add |A| of each row and |G| of each column."""


def heat_map(axes: Axes, found: Sequence[Effect], block: HeatMapRow, largest: float, named: bool) -> None:
    """Draw one heat map; colours follow the square root, up to `largest` either way. `named` labels the rows."""
    here = [effect for effect in found if (effect.whose, effect.quantity) == (block.whose, block.quantity)]
    table = np.zeros((len(ROWS), len(COLUMNS)))
    for effect in here:
        i, j = _place(effect)
        table[i, j] = math.copysign(math.sqrt(abs(effect.mean.value) / largest), effect.mean.value)
        _write(axes, j, i, effect, block.scale, "white" if abs(table[i, j]) > DARK else "black")
    axes.imshow(table, cmap=mpl.colormaps[MAP], vmin=-1, vmax=1, aspect="auto")
    axes.set_xticks(range(len(COLUMNS)), list(COLUMNS.values()))
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(ROWS)), list(ROWS.values()) if named else [])
    axes.tick_params(length=0, pad=2)
    axes.spines[:].set_visible(False)
    axes.set_xlim(-0.5, len(COLUMNS) - 0.5 + block.factors)
    axes.set_ylim(len(ROWS) - 0.5 + block.factors, -0.5)
    if block.factors:
        _factors(axes, found, block.whose)


def _factors(axes: Axes, found: Sequence[Effect], whose: Whose) -> None:
    """Add a column with 100 |A| and a row with 100 |G|; |A| is the same in all columns, |G| in all rows."""
    a = {_place(e)[0]: e for e in found if (e.whose, e.quantity) == (whose, "a")}
    g = {_place(e)[1]: e for e in found if e.quantity == "g"}
    for i, effect in a.items():
        _write(axes, len(COLUMNS), i, effect, 100, "black")
    for j, effect in g.items():
        _write(axes, j, len(ROWS), effect, 100, "black")
    axes.set_xticks(range(len(COLUMNS) + 1), [*COLUMNS.values(), "100 |A|"])
    axes.set_yticks([*axes.get_yticks(), len(ROWS)], [*(text.get_text() for text in axes.get_yticklabels()), "100 |G|"])


def _place(effect: Effect) -> tuple[int, int]:
    return list(ROWS).index((effect.direction, effect.response)), list(COLUMNS).index(effect.update)


def _write(axes: Axes, x: int, y: int, effect: Effect, scale: float, colour: str) -> None:
    look: Mapping[str, Any] = {"ha": "center", "va": "center", "color": colour}
    alone = not effect.mean.known
    axes.text(x, y if alone else y - 0.17, number(effect.mean.value * scale), fontsize=6.8, **look)
    if not alone:
        low, high = (number(end * scale) for end in (effect.mean.low, effect.mean.high))
        axes.text(x, y + 0.23, f"[{low}, {high}]", fontsize=4.8, **look)


def number(value: float) -> str:
    """Return a number with one decimal below 10 and none above; thousands as `k`, millions as `M`."""
    power = sum(abs(value) >= 999.5 * 1000**step for step in range(len(UNITS) - 1))
    scaled = value / 1000**power
    return f"{scaled:.{int(abs(scaled) < 9.95)}f}{UNITS[power]}".replace("-", "\N{MINUS SIGN}")
