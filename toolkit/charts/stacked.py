"""Parts on parts over time: bars while they can be told apart, else filled steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from toolkit.charts.layout import place_of, value_axis
from toolkit.charts.style import mix, now
from toolkit.charts.time_axis import PERIOD, Span, span_of, time_axis

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from numpy.typing import NDArray

    from toolkit.charts.layout import Room
    from toolkit.charts.series import Series
    from toolkit.charts.time_axis import Numbers

_BARS_AT_MOST = 90  # periods; more are too thin to be told apart
EDGE = 0.7  # white, about one pixel
_THIN = 0.012  # of the height of the chart: an edge would hide so thin a part
HATCH = "/////"
DOTS = "....."
_CAP = 6.0  # points: how high a dotted cap of unknown height is drawn


class Stack(NamedTuple):
    """Parts on parts: a row of heights for each series, a column for each period."""

    series: list[Series]
    span: Span
    heights: Numbers
    open: NDArray[np.bool_]  # periods of which some part is unknown

    @property
    def floors(self) -> Numbers:
        """Where each part begins: on the sum of those below."""
        return np.cumsum(self.heights, axis=0) - self.heights

    @property
    def sums(self) -> Numbers:
        """Height of each pile."""
        return np.asarray(self.heights.sum(axis=0))

    @property
    def top(self) -> float:
        """Height of the highest pile."""
        return float(self.sums.max())


def stack(series: list[Series], rows: pl.DataFrame) -> Stack:
    """Pile up `value` by `period` and `series`; `open` marks what is unknown."""
    span = span_of(rows)
    table = (
        rows.group_by(*PERIOD, "series")
        .agg(pl.col("value").sum())
        .pivot(on="series", index=PERIOD, values="value", aggregate_function="sum")
        .sort("period")
        .fill_null(0)
    )
    places = [str(place) for place in range(len(series))]
    absent = [pl.lit(0.0).alias(name) for name in places if name not in table.columns]
    heights = table.with_columns(absent).select(places).to_numpy().T
    unknown = pl.col("open").any() if "open" in rows.columns else pl.lit(value=False)
    opened = rows.group_by("period").agg(unknown.alias("open")).sort("period")["open"]
    return Stack(series, span, heights, opened.to_numpy().astype(bool))


def _draw_bars(ax: Axes, pile: Stack) -> None:
    """Draw each part as a bar as wide as its period, with edges of the ground."""
    ground = now().ground
    widths = pile.span.ends - pile.span.starts
    for part, floor, height in zip(pile.series, pile.floors, pile.heights, strict=True):
        drawn = ax.bar(
            pile.span.starts,
            height,
            width=widths,
            bottom=floor,
            align="edge",
            label=part.name,
            color=part.color,
            edgecolor=ground,
            linewidth=np.where(height > _THIN * pile.top, EDGE, 0).tolist(),
        )
        _hatch(drawn, part.color, pile.span.partial)


def _hatch(drawn: BarContainer, color: str, where: NDArray[np.bool_]) -> None:
    """Draw bars of unfinished periods hatched and paler."""
    ground = now().ground
    for place in np.flatnonzero(where):
        patch = drawn.patches[place]
        patch.set(facecolor=mix(color, ground, 0.25), hatch=HATCH)
        patch.set_hatchcolor(ground)
        patch.set_hatch_linewidth(1.1)


def _draw_areas(ax: Axes, pile: Stack) -> None:
    """Draw each part as filled steps, which fall to zero where no period is."""
    span, ground = pile.span, now().ground
    steps = np.unique([span.starts, span.ends])
    at = np.searchsorted(steps, span.starts)
    edge = EDGE * _BARS_AT_MOST / span.slots  # the thinner the steps, the finer
    last = np.flatnonzero(span.partial)
    for part, floor, height in zip(pile.series, pile.floors, pile.heights, strict=True):
        low, high = np.zeros((2, len(steps)))
        low[at], high[at] = floor, floor + np.where(span.partial, 0, height)
        area = ax.fill_between(steps, low, high, step="post", label=part.name)
        area.set(facecolor=part.color, edgecolor=ground, linewidth=edge)
        if len(last):
            drawn = ax.bar(
                span.starts[last],
                height[last],
                width=(span.ends - span.starts)[last],
                bottom=floor[last],
                align="edge",
                color=part.color,
                linewidth=0,
            )
            _hatch(drawn, part.color, np.ones(len(last), dtype=bool))


def _draw_caps(ax: Axes, pile: Stack, height: float) -> None:
    """Set a dotted cap of no true height on piles that are higher than is known."""
    where = np.flatnonzero(pile.open)
    if not len(where):
        return
    unit = ax.get_ylim()[1] / height
    drawn = ax.bar(
        pile.span.starts[where],
        _CAP * unit,
        width=(pile.span.ends - pile.span.starts)[where],
        bottom=pile.sums[where] + 0.8 * unit,
        align="edge",
        label="unknown",
        facecolor="none",
        edgecolor=now().ground,
        linewidth=EDGE,
    )
    for patch in drawn.patches:
        patch.set_hatch(DOTS)
        patch.set_hatchcolor(now().muted)
        patch.set_hatch_linewidth(0.6)


def draw_stack(
    ax: Axes,
    pile: Stack,
    room: Room,
    written: Callable[..., str],
    *,
    whole: bool = True,
) -> None:
    """Draw a pile in its room, names beside the last period."""
    middles = (pile.floors + pile.heights / 2)[:, -1].tolist()
    if room.labels:
        room = room._replace(heights=middles)
    inside = room.inside()
    # A day of 25 hours, or a month of 31 days, makes the range a little longer.
    few = round(pile.span.slots) <= _BARS_AT_MOST
    (_draw_bars if few else _draw_areas)(ax, pile)
    slack = 1.04 if not pile.open.any() else 1.04 + 1.5 * _CAP / inside.height
    value_axis(ax, pile.top, inside.height, written, whole=whole, slack=slack)
    if few:
        _draw_caps(ax, pile, inside.height)
    time_axis(ax, pile.span, inside.width, place_of(ax).date_width)
    room.keep()
