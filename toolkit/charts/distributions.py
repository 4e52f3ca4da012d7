"""A chart of the sizes of responses: the median, and high percentiles."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from matplotlib.ticker import LogLocator, NullFormatter

from toolkit.charts.colors import mix
from toolkit.charts.layout import (
    draw_empty,
    format_single,
    measure_axes,
    set_value_axis,
    start_axes,
    write_text,
)
from toolkit.charts.ratios import build_lines, describe_lines, draw_line, line_color
from toolkit.charts.rows import (
    MAX_DESCRIBED,
    finish_rows,
    lay_out_rows,
    max_rows,
    start_rows,
)
from toolkit.charts.series import Series, count_unseen, drop_unknown, fold_series
from toolkit.charts.style import current_theme
from toolkit.charts.text import count_tick
from toolkit.charts.time_axis import build_span, set_time_axis
from toolkit.charts.titles import (
    NOT_REPORTED,
    build_note,
    build_text,
    capitalize,
    name_lack,
    set_alt_text,
    shorten,
    why_empty,
)
from toolkit.formatting.text import UNKNOWN_TEXT, format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import ChartData
    from toolkit.charts.time_axis import Numbers

_NARROW = 300.0  # points; in a narrower box only the median is written
_LOG = "log scale"
_LOG_RATIO = 40.0  # of the largest value to the smallest, above which the axis is log
_QUANTILES = ("p50", "p90", "p99")


def draw_sizes(ax: Axes, data: ChartData, *, missing: str = "") -> AxesLayout:
    """Draw the percentiles p50, p90 and p99 of a metric.

    A single series has three lines with bands between them; several have a line for the
    median. Percentiles cannot be summed: with more than six series the smaller ones are
    left out and counted in the note. If values are far apart the axis is logarithmic,
    as the subtitle notes. Without periods each series is a row from the median to p90
    and p99. Of several kinds of tokens the total is drawn, or the first.
    """
    (data, kind), median = _select_kind(data), data.spec[_QUANTILES[0]]
    note = build_note(data, median, missing)
    most = None if data.zone is not None else max_rows(ax)
    weight = pl.col(data.spec.main)
    series, placed = fold_series(data.dated, data.by, weight, most=most)
    series, placed = _drop_folded(series, placed, data.by, note)
    if data.zone is None:
        return _draw_ranges(ax, data, kind, series, placed, note)
    start_axes(ax)
    if reason := why_empty(data, placed[median.name], median):
        return draw_empty(ax, build_text(data, note, f"{kind} per call"), reason)
    placed = placed.with_columns(pl.col(median.name).alias("value"))
    series, placed, unknown = drop_unknown(series, placed, name_lack(median))
    note += unknown
    return _draw_over_time(ax, data, kind, series, placed, note)


def _select_kind(data: ChartData) -> tuple[ChartData, str]:
    """Select the rows of one kind of tokens; return them, and its name."""
    if not data.spec.keys:
        return data, capitalize(data.spec[_QUANTILES[0]].unit)
    key = data.spec.key_names[0]
    kinds = data.frame[key].unique(maintain_order=True).to_list()
    kind = "total_tokens" if "total_tokens" in kinds or not kinds else kinds[0]
    rows = data.frame.filter(pl.col(key).eq_missing(pl.lit(kind, pl.String)))
    name = str(kind).replace("_", " ")
    return data._replace(frame=rows), capitalize(name)


def _drop_folded(
    series: list[Series], placed: pl.DataFrame, by: list[str], note: list[str]
) -> tuple[list[Series], pl.DataFrame]:
    """Drop series folded by the chart: their percentiles cannot be computed."""
    if not series or not series[-1].folded:
        return series, placed
    last = len(series) - 1
    if placed.filter(pl.col("series") == last).select(by).n_unique() <= 1:
        return series, placed  # folded by the metric, with exact percentiles
    note.append(f"{series[-1].name} not shown")
    return series[:-1], placed.filter(pl.col("series") < last)


def _draw_over_time(
    ax: Axes,
    data: ChartData,
    kind: str,
    series: list[Series],
    placed: pl.DataFrame,
    note: list[str],
) -> AxesLayout:
    """Draw the medians, or all percentiles of a single series with bands between."""
    span, names = build_span(placed), _QUANTILES[: 3 if len(series) == 1 else 1]
    tables = []
    for name in names:
        measure = data.spec[name]
        unseen = count_unseen(measure, placed)
        rows = placed.with_columns(pl.col(name).alias("value"), unseen)
        tables.append(build_lines(series, rows, measure, span))
    values = [table.values for table in tables]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    of = format_single(ax, series) if data.by else ""
    details = ["median, p90 and p99" if len(series) == 1 else "median"]
    details += [_LOG] if _needs_log(low, high) else []
    what, parts = f"{kind} per call{of}", series
    text = build_text(data, note, what, *details, span=span, mark="Dashed")
    if len(series) == 1:  # higher percentiles have more contrast
        color, ink = series[0].color, current_theme().ink
        shades = [mix(color, ink, 0.25 * step) for step in range(3)]
        parts = [*map(Series, names, shades, shades)]
        tables = [
            table._replace(series=[part])
            for table, part in zip(tables, parts, strict=True)
        ]
        for lower, upper, alpha in zip(values, values[1:], (0.22, 0.1), strict=False):
            look: dict[str, Any] = {"color": color, "alpha": alpha, "linewidth": 0}
            ax.fill_between(span.middles, lower[0], upper[0], **look)
    layout = write_text(ax, text, parts=parts)
    for table, width in zip(tables, (2, 1.2, 0.9), strict=False):
        for part, row in zip(table.series, table.values, strict=True):
            draw_line(ax, span, row, line_color(part), part.name, width)
    inside = layout.inside()
    _set_size_axis(ax, low, high, inside.height, "y")
    set_time_axis(ax, span, inside.width, measure_axes(ax).date_width)
    write = partial(format_count, style="short", words=True)
    medians = tables[0]._replace(series=series)
    set_alt_text(ax, "Lines", text, describe_lines(medians, write))
    ends = [last for table in tables for last in table.last]
    return layout._replace(heights=np.nan_to_num(ends, nan=1.0).tolist())


def _needs_log(low: float, high: float) -> bool:
    """Return whether values are so far apart that the axis is logarithmic."""
    return low >= 1 and high > _LOG_RATIO * low


def _set_size_axis(ax: Axes, low: float, high: float, length: float, axis: str) -> None:
    """Set an axis from zero or, if values are far apart, a logarithmic one."""
    if not _needs_log(low, high):
        set_value_axis(ax, high, length, count_tick, axis=axis, whole=True)
        return
    bottom = 10 ** np.floor(np.log10(low))
    ax.set(**{f"{axis}scale": "log", f"{axis}lim": (bottom, 1.15 * high)})
    scale = ax.yaxis if axis == "y" else ax.xaxis
    scale.set_major_locator(LogLocator(10, numticks=9))
    scale.set_major_formatter(count_tick)
    scale.set_minor_formatter(NullFormatter())
    ax.minorticks_off()


def _draw_ranges(
    ax: Axes,
    data: ChartData,
    kind: str,
    series: list[Series],
    placed: pl.DataFrame,
    note: list[str],
) -> AxesLayout:
    """Draw a row for each series: a dot at the median, a line to p90 and to p99."""
    rows = placed.sort("p50", descending=True, nulls_last=True, maintain_order=True)
    shown = [data.spec[name] for name in _QUANTILES]
    words, names, texts = [f"{kind} per call: median, p90, p99"], [], []
    for row in rows.iter_rows(named=True):
        figures = [format_count(one.figure(row), "short") for one in shown]
        figures = figures[: 3 if measure_axes(ax, 0).width > _NARROW else 1]
        texts.append(UNKNOWN_TEXT if row["p50"] is None else " · ".join(figures))
        names.append(series[row["series"]].name)
    start_rows(ax, len(names))
    known = rows.drop_nulls("p50")
    if known.is_empty():
        text = build_text(data, note, *words)
        return draw_empty(ax, text, NOT_REPORTED, in_rows=True)
    cells = known.select(pl.col(_QUANTILES).cast(pl.Float64)).to_numpy()
    low, high = cells.min(), cells.max()
    words += [_LOG] if _needs_log(low, high) else []
    text = build_text(data, note, *words)
    layout = lay_out_rows(ax, text, names, ends=texts)
    _set_size_axis(ax, low, high, layout.inside().width, "x")
    for at, (place, values) in enumerate(zip(known["series"], cells, strict=True)):
        _draw_range(ax, at, series[place], values)
    finish_rows(ax, names, ends=texts, colors=[current_theme().ink] * len(texts))
    facts = [f"{shorten(name)} {end}" for name, end in zip(names, texts, strict=True)]
    set_alt_text(ax, "Ranges", text, facts[:MAX_DESCRIBED])
    return layout


def _draw_range(ax: Axes, at: int, part: Series, values: Numbers) -> None:
    """Draw a row: a thick line to p90, a thin one to p99, a dot at the median."""
    low, middle, high = values
    color, edge = part.color, current_theme().ground
    ax.plot([middle, high], [at, at], color=color, linewidth=1.4, label=part.name)
    ax.plot([low, middle], [at, at], color=color, linewidth=5, solid_capstyle="butt")
    ax.plot([low], [at], "o", color=color, markersize=8, markeredgecolor=edge)
    ax.plot([high], [at], "|", color=color, markersize=8, markeredgewidth=1.4)
