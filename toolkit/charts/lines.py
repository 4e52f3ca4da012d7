"""Lines over time: broken where a value is unknown, dashed at incomplete periods."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from toolkit.charts.colors import readable
from toolkit.charts.layout import measure_axes, set_value_axis
from toolkit.charts.style import current_theme
from toolkit.charts.time_axis import Span, set_time_axis
from toolkit.charts.titles import shorten
from toolkit.formatting.figures import Figure
from toolkit.formatting.text import UNKNOWN_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import Series
    from toolkit.charts.time_axis import Numbers
    from toolkit.formatting.figures import Bound
    from toolkit.metrics.measures import Measure

_LINE_CONTRAST = 2.2  # of a line; some colours for areas are paler
_MANY = 200  # points; a line of more is thinner
_MAX_DESCRIBED = 12  # series in an alt text


class Lines(NamedTuple):
    """A value for each series (rows) in each period (columns), NaN where unknown."""

    series: list[Series]
    span: Span
    values: Numbers
    bounds: list[Bound]  # of each series

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


def build_lines(
    series: list[Series], rows: pl.DataFrame, measure: Measure, span: Span
) -> Lines:
    """Build lines from `value`; there is one row for each period and series.

    `~unseen` counts what the values of a measure do not include.
    """
    values = np.full((len(series), len(span.starts)), np.nan)
    given = rows["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = np.where(np.isfinite(given), given, np.nan)  # an axis cannot reach infinity
    values[rows["series"].to_numpy(), span.find(rows)] = known
    is_open = set(rows.filter(pl.col("~unseen") > 0)["series"])
    bounds: list[Bound] = [
        measure.bound if place in is_open else "exact" for place in range(len(series))
    ]
    return Lines(series, span, values, bounds)


def _with_gaps(span: Span, values: Numbers) -> tuple[Numbers, Numbers]:
    """Return the points of a line, with a NaN where a period is missing."""
    gaps = np.flatnonzero(span.starts[1:] > span.ends[:-1] + 1e-9) + 1
    return np.insert(span.middles, gaps, np.nan), np.insert(values, gaps, np.nan)


def _find_single(values: Numbers) -> NDArray[np.intp]:
    """Return the indexes of values without a neighbour, which a line would not show."""
    known = np.concatenate([[False], np.isfinite(values), [False]])
    return np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])


def draw_line(
    ax: Axes, span: Span, values: Numbers, color: str, label: str, width: float = 2.0
) -> None:
    """Draw a line, dashed and with a hollow end towards an incomplete period."""
    finished = np.where(span.partial, np.nan, values)
    xs, ys = _with_gaps(span, finished)
    size = min(width, 1.1) if len(xs) > _MANY else width
    (line,) = ax.plot(xs, ys, color=color, linewidth=size, label=label)
    line.set(solid_capstyle="round", solid_joinstyle="round")
    single = _find_single(ys)
    if len(single):
        ax.plot(xs[single], ys[single], "o", color=color, markersize=2.2 * size)
    for place in np.flatnonzero(span.partial & np.isfinite(values)):
        _draw_open_end(ax, span, values, int(place), color, size)


def line_color(part: Series) -> str:
    """Return the colour of a line; some colours for areas are too pale for lines."""
    theme = current_theme()
    if part.folded:
        return theme.muted
    return readable(part.color, theme.ground, _LINE_CONTRAST)


def _draw_open_end(
    ax: Axes, span: Span, values: Numbers, place: int, color: str, size: float
) -> None:
    """Draw the dashed end of a line towards an incomplete period."""
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
        markerfacecolor=current_theme().ground,
        markeredgecolor=color,
        markeredgewidth=0.7 * size,
    )


def draw_lines(
    ax: Axes,
    table: Lines,
    layout: AxesLayout,
    tick: Callable[..., str],
    *,
    most: float,
) -> AxesLayout:
    """Draw all lines, with labels beside their last points.

    `most` is the highest valid value: 1 for a share, or infinity.
    """
    for part, values in reversed(list(zip(table.series, table.values, strict=True))):
        draw_line(ax, table.span, values, line_color(part), part.name)
    inside = layout.inside()
    top = table.top or min(0.1 * most, 1.0)
    set_value_axis(ax, most if top > 0.8 * most else top, inside.height, tick)
    set_time_axis(ax, table.span, inside.width, measure_axes(ax).date_width)
    return layout._replace(heights=np.nan_to_num(table.last).tolist())


def describe_lines(table: Lines, write: Callable[[Figure], str]) -> list[str]:
    """Describe the time range, and the last, lowest and highest value of each line."""
    facts = []
    lines = zip(table.series, table.values, table.last, table.bounds, strict=True)
    for part, row, last, bound in lines:
        known = row[np.isfinite(row)]
        if not len(known):
            facts.append(f"{shorten(part.name)} {UNKNOWN_TEXT}")
            continue
        end, low, high = (
            write(Figure(float(value), bound))
            for value in (last, known.min(), known.max())
        )
        between = f" (between {low} and {high})" if low != high else ""
        facts.append(f"{shorten(part.name)} {end} at the end{between}")
    return [table.span.format_range(), "; ".join(facts[:_MAX_DESCRIBED])]
