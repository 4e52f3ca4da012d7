"""Charts over time: stacks and lines of series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import polars as pl

from toolkit.charts.colors import readable
from toolkit.charts.layout import (
    draw_empty,
    format_single,
    label_room,
    measure_axes,
    set_value_axis,
    start_axes,
    write_labels,
    write_text,
)
from toolkit.charts.series import Series, drop_unknown, sum_measure
from toolkit.charts.style import EDGE, current_theme, dotted, hatch, solid
from toolkit.charts.text import format_value, share_tick, tick_of
from toolkit.charts.time_axis import Span, build_span, set_time_axis
from toolkit.charts.titles import (
    build_text,
    name_lack,
    no_rows,
    set_alt_text,
    shorten,
    why_unknown,
)
from toolkit.formatting.figures import Figure
from toolkit.formatting.text import format_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox
    from numpy.typing import NDArray

    from toolkit.charts.series import ChartData
    from toolkit.charts.time_axis import Numbers
    from toolkit.metrics.measures import Measure

_MAX_BARS = 90  # periods; more are drawn as steps
_THIN = 0.012  # of the height of the chart; thinner parts have no edge
_LINE_CONTRAST = 2.2  # of a line; some colours for areas are paler
_MANY = 200  # points; a line of more is thinner
LOG = "log scale"  # in a subtitle
_MAX_DESCRIBED = 12  # series in an alt text
Kind = Literal["Stacked bars", "Stacks of 100%", "Lines"]


class _Table(NamedTuple):
    """A value of each series (rows) in each period (columns), NaN where unknown."""

    series: Sequence[Series]
    span: Span
    values: Numbers

    @property
    def heights(self) -> Numbers:
        """The values, 0 where they are unknown."""
        return np.nan_to_num(self.values)

    @property
    def bottoms(self) -> Numbers:
        """The lower end of each part of a stack."""
        return np.cumsum(self.heights, axis=0) - self.heights

    @property
    def last(self) -> list[float]:
        """The last known value of each series, 0 where there is none."""
        known = [row[np.isfinite(row)] for row in self.values]
        return [float(row[-1]) if len(row) else 0.0 for row in known]


def _build_table(series: Sequence[Series], rows: pl.DataFrame, span: Span) -> _Table:
    """Sum `value` for each series and period."""
    values = np.full((len(series), len(span.starts)), np.nan)
    known = rows.filter(pl.col("value").cast(pl.Float64).is_finite())
    places = known["series"].to_numpy(), span.find(known)
    values[places] = 0.0
    np.add.at(values, places, known["value"].cast(pl.Float64).to_numpy())
    return _Table(series, span, values)


def draw_over_time(
    ax: Axes,
    data: ChartData,
    series: Sequence[Series],
    rows: pl.DataFrame,
    measure: Measure,
    words: Sequence[str],
    note: Sequence[str],
    kind: Kind,
) -> Bbox:
    """Draw `value` of `series` over time, with their names at the right or in a legend.

    `words` are the parts of the subtitle. `extra` of rows is what a stack may lack, and
    `~unseen` counts what the values of lines do not include.
    """
    start_axes(ax)
    span = None if data.dated.is_empty() else build_span(data.dated)
    if span is None or not rows["value"].cast(pl.Float64).is_finite().any():
        reason = why_unknown(measure) if span else no_rows(data)
        return draw_empty(ax, build_text(data, note, *words, span=span), reason)
    series, rows, unknown = drop_unknown(series, rows, name_lack(measure))
    table, is_lines = _build_table(series, rows, span), kind == "Lines"
    what, *details = words
    if data.by and kind != "Stacks of 100%":
        what += format_single(ax, series)
    mark = "Dashed" if is_lines else "Hatched"
    text = build_text(data, [*note, *unknown], what, *details, span=span, mark=mark)
    box, right = measure_axes(ax), label_room(ax, series)
    legend = series if len(series) > 1 and not right else []
    inside = write_text(ax, text, right=right or box.date_width / 2, legend=legend)
    if kind == "Stacked bars":
        facts = _describe_sums(table, rows, measure)
    else:
        facts = _describe_values(table, rows, measure)
    set_alt_text(ax, kind, text, [span.format_range(), *facts])
    tick = share_tick if kind == "Stacks of 100%" else tick_of(measure)
    extra = _sum_periods(rows, "extra", span)
    top, low = float((table.heights.sum(axis=0) + extra).max()), 0.0
    if is_lines:
        top = float(np.nanmax(table.values))
        low = float(np.nanmin(table.values)) if LOG in details else 0.0
        if measure.is_share:
            top = 1.0 if top > 0.8 else top or 0.1
        _draw_lines(ax, table)
    else:
        _draw_stack(ax, table, extra)
    set_value_axis(ax, top, inside.height, tick, log_from=low)
    set_time_axis(ax, span, inside.width, box.date_width)
    if right:
        middles = (table.bottoms + table.heights / 2)[:, -1].tolist()
        write_labels(ax, inside, series, table.last if is_lines else middles)
    return inside


def _sum_periods(rows: pl.DataFrame, name: str, span: Span) -> Numbers:
    """Sum a column, if there is one, for each period."""
    sums = np.zeros(len(span.starts))
    if name in rows.columns:
        np.add.at(sums, span.find(rows), rows[name].to_numpy())
    return sums


def _draw_stack(ax: Axes, table: _Table, extra: Numbers) -> None:
    """Draw stacked bars with dotted caps, or filled steps if there are many periods."""
    span, everywhere = table.span, np.ones_like(table.span.partial)
    # Rounded: a day of 25 hours or a month of 31 days makes the range a little longer.
    if round(span.slots) > _MAX_BARS:
        _draw_steps(ax, table)
        return
    _draw_bars(ax, table, everywhere, EDGE)
    if extra.any():
        sums, widths = table.heights.sum(axis=0), span.ends - span.starts
        ax.bar(span.starts, extra, widths, sums, align="edge", **dotted())


def _draw_bars(ax: Axes, table: _Table, where: NDArray[np.bool_], edge: float) -> None:
    """Draw each part of some periods as bars, hatched where a period is partial."""
    span, least = table.span, _THIN * table.heights.sum(axis=0).max()
    starts, widths = span.starts[where], (span.ends - span.starts)[where]
    for part, bottoms, heights in zip(
        table.series, table.bottoms[:, where], table.heights[:, where], strict=True
    ):
        look = solid(part.color) | {"align": "edge", "label": part.name}
        look["linewidth"] = np.where(heights <= least, 0, edge)
        bars = ax.bar(starts, heights, widths, bottoms, **look)
        hatch(np.array(bars)[span.partial[where]], part.color)


def _draw_steps(ax: Axes, table: _Table) -> None:
    """Draw each part as filled steps, at zero where a period is missing."""
    span, ground = table.span, current_theme().ground
    steps = np.unique([span.starts, span.ends])
    at = np.searchsorted(steps, span.starts)
    edge = EDGE * _MAX_BARS / span.slots  # thinner for thinner steps
    for part, bottom, height in zip(
        table.series, table.bottoms, table.heights, strict=True
    ):
        low, high = np.zeros((2, len(steps)))
        low[at], high[at] = bottom, bottom + np.where(span.partial, 0, height)
        area = ax.fill_between(steps, low, high, step="post", label=part.name)
        area.set(facecolor=part.color, edgecolor=ground, linewidth=edge)
    if span.partial.any():
        _draw_bars(ax, table, span.partial, edge)


def _draw_lines(ax: Axes, table: _Table) -> None:
    """Draw lines, broken where a period is missing, dashed towards a partial one."""
    theme, span = current_theme(), table.span
    gaps = np.flatnonzero(span.starts[1:] > span.ends[:-1] + 1e-9) + 1
    xs = np.insert(span.middles, gaps, np.nan)
    partial = np.insert(span.partial, gaps, values=False)
    width = 1.1 if len(xs) > _MANY else 2.0
    for part, values in [*zip(table.series, table.values, strict=True)][::-1]:
        color = readable(part.color, theme.ground, _LINE_CONTRAST)
        color = theme.muted if part.folded else color
        look: dict[str, Any] = {"color": color, "linewidth": width, "marker": "o"}
        ys = np.insert(values, gaps, np.nan)
        whole = np.where(partial, np.nan, ys)
        known = np.concatenate([[False], np.isfinite(whole), [False]])
        lone = np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])
        ax.plot(xs, whole, label=part.name, markevery=lone.tolist(), **look)
        look |= {"dashes": (2.4, 1.6), "markerfacecolor": theme.ground}
        for place in np.flatnonzero(partial & np.isfinite(ys)):
            way = slice(max(0, place - 1), place + 1)
            ax.plot(xs[way], ys[way], markevery=[len(xs[way]) - 1], **look)


def _describe_sums(table: _Table, rows: pl.DataFrame, measure: Measure) -> list[str]:
    """Describe the total, the series and the highest period."""

    def write(part: pl.DataFrame) -> str:
        return format_value(measure, sum_measure(measure, part), words=True)

    total, facts = sum_measure(measure, rows), [f"Total {write(rows)}"]
    if not total.value:
        return facts
    if len(table.series) > 1:
        parts = []
        for index, part in enumerate(table.series):
            of_series = rows.filter(series=index)
            share = sum_measure(measure, of_series) / total
            of = f" ({format_share(share, words=True)})" if share.is_known else ""
            parts.append(f"{shorten(part.name)} {write(of_series)}{of}")
        facts.append("; ".join(parts))
    if len(table.span.starts) > 1:
        highest = int(table.heights.sum(axis=0).argmax())
        start = table.span.periods["period"][highest]
        known = "Highest known" if rows["extra"].sum() else "Highest"
        amount = write(rows.filter(period=start))
        facts.append(f"{known}: {amount}, {table.span.format_period(highest)}")
    return facts


def _describe_values(table: _Table, rows: pl.DataFrame, measure: Measure) -> list[str]:
    """Describe the last, the lowest and the highest value of each series."""
    unseen = pl.col("~unseen") if "~unseen" in rows.columns else pl.lit(0)
    is_open, facts = set(rows.filter(unseen > 0)["series"]), []
    for place, part in enumerate(table.series[:_MAX_DESCRIBED]):
        known = table.values[place][np.isfinite(table.values[place])]
        bound = measure.bound if place in is_open else "exact"
        last, low, high = (
            format_value(measure, Figure(float(value), bound), words=True)
            for value in (known[-1], known.min(), known.max())
        )
        between = f" (between {low} and {high})" if low != high else ""
        facts.append(f"{shorten(part.name)} {last} at the end{between}")
    return ["; ".join(facts)]
