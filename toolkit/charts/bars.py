"""The looks of bars: known is solid, unfinished is hatched, unknown is dotted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.charts.colors import mix
from toolkit.charts.style import current_theme

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.artist import Artist

EDGE = 0.7  # of a bar, about one pixel
_UNSEEN = "not known"  # label of a dotted part


def solid(color: str) -> dict[str, Any]:
    """Return the look of a bar; parts have an edge between them."""
    ground = current_theme().ground
    return {"facecolor": color, "edgecolor": ground, "linewidth": EDGE}


def dotted() -> dict[str, Any]:
    """Return the look of a bar for what is not known."""
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": current_theme().muted}
    return {**look, "linewidth": 0.9, "linestyle": (0, (1, 1.4)), "label": _UNSEEN}


def hatch(bars: Iterable[Artist], color: str) -> None:
    """Draw bars hatched and paler."""
    ground = current_theme().ground
    for bar in bars:
        pale = mix(color, ground, 0.25)
        bar.set(facecolor=pale, hatch="/////", hatchcolor=ground, hatch_linewidth=1.1)
