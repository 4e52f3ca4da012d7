"""Bars as paths: plain, hatched or dotted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.container import BarContainer
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from toolkit.charts.colors import mix
from toolkit.charts.style import current_theme

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import ArrayLike

EDGE = 0.7  # of a bar, about one pixel
UNSEEN = "not known"  # label of a dotted part
HATCH = "/////"
DOTS = "....."
_RECTANGLE = (Path.MOVETO, *[Path.LINETO] * 3, Path.CLOSEPOLY)


def draw_rectangles(
    ax: Axes,
    left: ArrayLike,
    bottom: ArrayLike,
    width: ArrayLike,
    height: ArrayLike,
    *,
    color: str,
    edge: float = EDGE,
) -> PathPatch:
    """Draw bars of one look as a single path; the ranges of the axes stay as they are.

    `Axes.bar` makes an artist of each bar: a chart of 500 bars takes 20 times as long.
    """
    low = np.stack(np.broadcast_arrays(np.atleast_1d(left), bottom), axis=-1)
    high = low + np.stack(np.broadcast_arrays(width, height), axis=-1)
    (x0, y0), (x1, y1) = low.T, high.T
    corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])
    path = Path(
        corners.transpose(2, 0, 1).reshape(-1, 2), np.tile(_RECTANGLE, len(low))
    )
    ground = current_theme().ground
    patch = PathPatch(path, facecolor=color, edgecolor=ground, linewidth=edge)
    ax.add_artist(patch)
    return patch


def name_bars(ax: Axes, label: str, patches: Sequence[PathPatch]) -> None:
    """Name the bars of a series, for a legend."""
    ax.add_container(BarContainer(patches, label=label))  # type: ignore[arg-type] # any


def hatch_patch(patch: PathPatch, color: str) -> None:
    """Draw bars hatched and paler."""
    ground = current_theme().ground
    pale = mix(color, ground, 0.25)
    patch.set(facecolor=pale, hatch=HATCH, hatchcolor=ground, hatch_linewidth=1.1)


def dot_patch(patch: PathPatch) -> None:
    """Draw bars dotted: their size is unknown."""
    patch.set(hatch=DOTS, hatchcolor=current_theme().muted, hatch_linewidth=0.6)
