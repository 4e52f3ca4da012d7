"""A line for each series: broken where nothing is known, open where it goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from toolkit.charts.layout import place_of, value_axis
from toolkit.charts.style import LINE_CONTRAST, now, readable
from toolkit.charts.time_axis import PERIOD, Span, span_of, time_axis

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.charts.layout import Room
    from toolkit.charts.series import Series
    from toolkit.charts.time_axis import Numbers

_MANY = 200  # points of a line; more are drawn finer


class Lines(NamedTuple):
    """A value for each series (rows) in each period (columns), NaN where unknown."""

    series: list[Series]
    span: Span
    values: Numbers

    @property
    def top(self) -> float:
        """The highest value, 0 if there is none."""
        return float(np.nanmax(self.values)) if self.known else 0.0

    @property
    def known(self) -> bool:
        """Whether there is any value."""
        return bool(np.isfinite(self.values).any())

    @property
    def last(self) -> list[float]:
        """The last known value of each series, NaN where there is none."""
        known = [row[np.isfinite(row)] for row in self.values]
        return [float(row[-1]) if len(row) else np.nan for row in known]


def lines(series: list[Series], rows: pl.DataFrame) -> Lines:
    """Lay out `value` by `period` and `series`: one row for each pair."""
    span = span_of(rows)
    periods = span.periods.select("period").with_row_index("~at")
    cells = rows.join(periods, on="period", maintain_order="left")
    values = np.full((len(series), len(span.starts)), np.nan)
    given = cells["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = np.where(np.isfinite(given), given, np.nan)  # no axis reaches an infinity
    values[cells["series"].to_numpy(), cells["~at"].to_numpy()] = known
    return Lines(series, span, values)


def ratio(
    rows: pl.DataFrame,
    part: str,
    whole: pl.Expr,
    given: str,
    folded: Callable[[pl.Expr], pl.Expr],
) -> pl.DataFrame:
    """Return `value` for each period and series: as given, or of a folded one's sums.

    A series that stands for itself shows the ratio that the metric gave; only of those
    that were folded are numerators and denominators summed.
    """
    keys = [name for name in (*PERIOD, "partial") if name in rows.columns]
    denominator = pl.col("~whole")
    summed = pl.when(denominator > 0).then(folded(pl.col("~part") / denominator))
    alone = pl.col("~rows") == 1
    return (
        rows.group_by(*keys, "series", maintain_order=True)
        .agg(
            pl.len().alias("~rows"),
            pl.col(part).cast(pl.Float64).sum().alias("~part"),
            whole.cast(pl.Float64).sum().alias("~whole"),
            pl.col(given).first().cast(pl.Float64).alias("~given"),
        )
        .with_columns(pl.when(alone).then("~given").otherwise(summed).alias("value"))
    )


def _broken(span: Span, values: Numbers) -> tuple[Numbers, Numbers]:
    """Return points of a line, with a NaN wherever a period is missing."""
    gaps = np.flatnonzero(span.starts[1:] > span.ends[:-1] + 1e-9) + 1
    return np.insert(span.middles, gaps, np.nan), np.insert(values, gaps, np.nan)


def _alone(values: Numbers) -> NDArray[np.intp]:
    """Return the places of values without a neighbour, which no line would show."""
    known = np.concatenate([[False], np.isfinite(values), [False]])
    return np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])


def draw_line(
    ax: Axes, span: Span, values: Numbers, color: str, label: str, width: float = 2.0
) -> None:
    """Draw one series; towards an unfinished period dashed, with a hollow end."""
    finished = np.where(span.partial, np.nan, values)
    xs, ys = _broken(span, finished)
    size = min(width, 1.1) if len(xs) > _MANY else width
    (line,) = ax.plot(xs, ys, color=color, linewidth=size, label=label)
    line.set(solid_capstyle="round", solid_joinstyle="round")
    single = _alone(ys)
    if len(single):
        ax.plot(xs[single], ys[single], "o", color=color, markersize=2.2 * size)
    for place in np.flatnonzero(span.partial & np.isfinite(values)):
        _draw_open_end(ax, span, values, int(place), color, size)


def line_color(part: Series) -> str:
    """Return the colour of a line: what is made for areas may be too pale for it."""
    theme = now()
    if part.folded:
        return theme.muted
    return readable(part.color, theme.ground, LINE_CONTRAST)


def _draw_open_end(
    ax: Axes, span: Span, values: Numbers, place: int, color: str, size: float
) -> None:
    """Draw the way to an unfinished period."""
    joined = (
        place > 0
        and np.isfinite(values[place - 1])
        and span.starts[place] <= span.ends[place - 1] + 1e-9
    )
    begin = place - 1 if joined else place
    ax.plot(
        span.middles[begin : place + 1],
        values[begin : place + 1],
        color=color,
        linewidth=size,
        dashes=(1.2, 1.6),
        dash_capstyle="round",
        marker="o",
        markevery=[place - begin],
        markersize=2.6 * size,
        markerfacecolor=now().ground,
        markeredgecolor=color,
        markeredgewidth=0.7 * size,
    )


def _draw_beyond(ax: Axes, table: Lines, most: float) -> None:
    """Mark at the upper edge what lies beyond the scale."""
    for part, values in zip(table.series, table.values, strict=True):
        where = np.flatnonzero(values > most)
        if len(where):
            at = np.full(len(where), most)
            ax.plot(
                table.span.middles[where],
                at,
                "^",
                color=part.color,
                markersize=6,
                label="beyond",
                clip_on=False,
            )


def draw_lines(
    ax: Axes,
    table: Lines,
    room: Room,
    written: Callable[..., str],
    *,
    most: float = 0.0,
) -> None:
    """Draw all series in their room, names beside their last points.

    `most` is what sound values do not exceed, such as 1 for a share: what does is
    marked at the upper edge, so that a few of them do not flatten all others.
    """
    if room.labels:
        heights = np.nan_to_num(np.array(table.last)).tolist()
        room = room._replace(heights=heights)
    for part, values in reversed(list(zip(table.series, table.values, strict=True))):
        draw_line(ax, table.span, values, line_color(part), part.name)
    inside = room.inside()
    top = table.top or (0.1 if most else 1.0)
    if most and top > 0.8 * most:
        top = most
        _draw_beyond(ax, table, most)
    value_axis(ax, top, inside.height, written)
    time_axis(ax, table.span, inside.width, place_of(ax).date_width)
    room.keep()
