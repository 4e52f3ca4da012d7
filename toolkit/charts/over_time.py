"""Charts over time: stacks and lines of series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import polars as pl

from toolkit.charts import layout, titles
from toolkit.charts.colors import readable
from toolkit.charts.series import Series, drop_unknown, sum_measure
from toolkit.charts.style import EDGE, current_theme, dotted, hatch, solid
from toolkit.charts.text import format_value, share_tick, tick_of
from toolkit.charts.time_axis import Span, build_span, set_time_axis
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
    extra: Numbers  # what each stack may lack

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
    extra = np.zeros(len(span.starts))
    if "extra" in rows.columns:
        np.add.at(extra, span.find(rows), rows["extra"].to_numpy())
    return _Table(series, span, values, extra)


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
    layout.start_axes(ax)
    span = None if data.dated.is_empty() else build_span(data.dated)
    if span is None or not rows["value"].cast(pl.Float64).is_finite().any():
        reason = titles.why_unknown(measure) if span else titles.no_rows(data)
        return layout.draw_empty(ax, titles.build_text(data, note, words, span), reason)
    series, rows, unknown = drop_unknown(series, rows, titles.name_lack(measure))
    table, is_lines = _build_table(series, rows, span), kind == "Lines"
    (what, *details), mark = words, "Dashed" if is_lines else "Hatched"
    if data.by and kind != "Stacks of 100%":
        what += layout.format_single(ax, series)
    note = [*note, *unknown]
    text = titles.build_text(data, note, [what, *details], span, mark)
    box, right = layout.measure_axes(ax), layout.label_room(ax, series)
    room: dict[str, Any] = {"right": right or box.date_width / 2}
    room["legend"] = series if len(series) > 1 and not right else []
    inside = layout.write_text(ax, text, **room)
    describe = _describe_sums if kind == "Stacked bars" else _describe_values
    facts = describe(table, rows, measure)
    titles.set_alt_text(ax, kind, text, [span.format_range(), *facts])
    tick = share_tick if kind == "Stacks of 100%" else tick_of(measure)
    if is_lines:
        top, ends = float(np.nanmax(table.values)), table.last
        if measure.is_share:
            top = 1.0 if top > 0.8 else top or 0.1
        _draw_lines(ax, table)
    else:
        top = float((table.heights.sum(axis=0) + table.extra).max())
        ends = (table.bottoms + table.heights / 2)[:, -1].tolist()
        _draw_stack(ax, table)
    lowest = float(np.nanmin(table.values)) if LOG in details else 0.0
    layout.set_value_axis(ax, top, inside.height, tick, log_from=lowest)
    set_time_axis(ax, span, inside.width, box.date_width)
    if right:
        layout.write_labels(ax, inside, series, ends)
    return inside


def _draw_stack(ax: Axes, table: _Table) -> None:
    """Draw stacked bars with dotted caps, or filled steps if there are many periods.

    Steps are at zero where a period is missing.
    """
    span, everywhere = table.span, np.ones_like(table.span.partial)
    # Rounded: a day of 25 hours or a month of 31 days makes the range a little longer.
    if round(span.slots) <= _MAX_BARS:
        _draw_bars(ax, table, everywhere, EDGE)
        if table.extra.any():
            sums, widths = table.heights.sum(axis=0), span.ends - span.starts
            ax.bar(span.starts, table.extra, widths, sums, align="edge", **dotted())
        return
    edge = EDGE * _MAX_BARS / span.slots  # thinner for thinner steps
    look: dict[str, Any] = {"edgecolor": current_theme().ground, "linewidth": edge}
    look["labels"], look["colors"], *_ = zip(*table.series, strict=True)
    steps = np.unique([span.starts, span.ends])
    heights = np.zeros((len(table.series), len(steps)))
    whole = np.where(span.partial, 0, table.heights)
    heights[:, np.searchsorted(steps, span.starts)] = whole
    ax.stackplot(steps, heights, step="post", **look)
    if span.partial.any():
        _draw_bars(ax, table, span.partial, edge)


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
            parts.append(f"{titles.shorten(part.name)} {write(of_series)}{of}")
        facts.append("; ".join(parts))
    if len(table.span.starts) > 1:
        highest = int(table.heights.sum(axis=0).argmax())
        start = table.span.periods["period"][highest]
        known = "Highest known" if table.extra.any() else "Highest"
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
        facts.append(f"{titles.shorten(part.name)} {last} at the end{between}")
    return ["; ".join(facts)]
