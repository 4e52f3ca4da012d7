"""A chart of the sizes of responses: the median, and high percentiles."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

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
from toolkit.charts.lines import build_lines, describe_lines, draw_line, line_color
from toolkit.charts.rows import (
    MAX_DESCRIBED,
    build_row_axes,
    finish_rows,
    lay_out_rows,
    max_rows,
)
from toolkit.charts.series import Series, count_unseen, fold_series, read_frame
from toolkit.charts.style import current_theme
from toolkit.charts.text import count_tick
from toolkit.charts.time_axis import set_time_axis
from toolkit.charts.titles import (
    NOT_REPORTED,
    build_note,
    build_text,
    capitalize,
    set_alt_text,
    shorten,
    why_empty,
)
from toolkit.formatting.text import UNKNOWN_TEXT, format_count
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.charts.lines import Lines
    from toolkit.charts.series import ChartData
    from toolkit.metrics.spec import MetricSpec

_LOG = "log scale"
_LEGENDS = ("median", "median thick, p90 thin", "median, p90 and p99")
_LOG_RATIO = 40.0  # of the largest value to the smallest, above which the axis is log
_QUANTILES = ("p50", "p90", "p99")
_MAX_WITH_P90 = 3  # series; of more, only the medians are drawn


def plot_tokens_per_response(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the sizes of calls: the median, 90th and 99th percentile.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.tokens_per_response`. Total tokens are drawn, or the
        first kind of tokens if there is no total.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        A single series has three lines with bands between them; two or three series
        have a thick line for the median and a thin one for p90; more have the median.
        Percentiles cannot be summed: with more than six series the smaller ones are
        left out and counted in the note. If values are far apart the axis is
        logarithmic, as the subtitle notes. Without periods each series is a row from
        the median to p90 and p99.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `tokens_per_response`.

    Examples
    --------
    >>> from toolkit.metrics import tokens_per_response
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(*({"total_tokens": n} for n in range(1, 101)))
    >>> ax = plot_tokens_per_response(tokens_per_response(choices, every=None))
    >>> ax.texts[2].get_text()
    '50 · 90 · 99'
    """
    return draw_sizes(
        frame, SPECS["tokens_per_response"], ax, missing="without token counts"
    )


def draw_sizes(
    frame: pl.DataFrame, spec: MetricSpec, ax: Axes | None, *, missing: str = ""
) -> Axes:
    """Draw the percentiles p50, p90 and p99 of a metric over time, or as ranges."""
    data, kind = _select_kind(read_frame(frame, spec))
    note = build_note(data, spec[_QUANTILES[0]], missing)
    most = None if data.zone is not None else max_rows(ax)
    series, placed = fold_series(data.dated, data.by, pl.col(spec.main), most=most)
    series, placed = _drop_folded(series, placed, data.by, note)
    if data.zone is None:
        return _draw_ranges(ax, data, kind, series, placed, note)
    ax = start_axes(ax)
    if reason := why_empty(data, placed["p50"], data.spec[_QUANTILES[0]]):
        return draw_empty(ax, build_text(data, note, f"{kind} per call"), reason)
    tables = [
        build_lines(
            series,
            placed.with_columns(
                pl.col(name).alias("value"), count_unseen(spec[name], placed)
            ),
            spec[name],
        )
        for name in _QUANTILES
    ]
    _draw_sizes(ax, data, kind, tables, note)
    return ax


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


def _draw_sizes(
    ax: Axes, data: ChartData, kind: str, tables: list[Lines], note: list[str]
) -> None:
    """Draw lines over time: three of a single series, or two of each."""
    medians, series = tables[0], tables[0].series
    single = len(series) == 1
    shown = tables if single else tables[: 1 + (len(series) <= _MAX_WITH_P90)]
    values = [table.values for table in shown]
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    of = format_single(ax, series) if data.by else ""
    details = [_LEGENDS[len(shown) - 1]]
    details += [_LOG] if _needs_log(low, high) else []
    what = f"{kind} per call{of}"
    text = build_text(data, note, what, *details, span=medians.span, mark="Dashed")
    color, ink = series[0].color, current_theme().ink
    parts = series
    if single:  # higher percentiles have more contrast
        shades = [mix(color, ink, 0.25 * step) for step in range(3)]
        parts = [*map(Series, _QUANTILES, shades, shades)]
    layout = write_text(ax, text, parts=parts)
    ends = [table.last[0] for table in tables] if single else medians.last
    if single:
        _draw_band(ax, tables, parts)
    else:
        for at, part in reversed(list(enumerate(series))):
            color = line_color(part)
            draw_line(ax, medians.span, medians.values[at], color, part.name)
            for table in shown[1:]:
                name = f"{part.name} p90"
                draw_line(ax, table.span, table.values[at], color, name, 0.9)
    inside = layout.inside()
    _set_size_axis(ax, low, high, inside.height, "y")
    set_time_axis(ax, medians.span, inside.width, measure_axes(ax).date_width)
    layout.apply(np.nan_to_num(ends, nan=1.0).tolist())
    write = partial(format_count, style="short", words=True)
    set_alt_text(ax, "Lines", text, describe_lines(medians, write))


def _draw_band(ax: Axes, tables: list[Lines], parts: list[Series]) -> None:
    """Draw three lines of a single series, and pale bands between them."""
    span, rows = tables[0].span, [table.values[0] for table in tables]
    color = parts[0].color
    for low, high, alpha in zip(rows, rows[1:], (0.22, 0.1), strict=False):
        ax.fill_between(span.middles, low, high, color=color, alpha=alpha, linewidth=0)
    for part, values, width in zip(parts, rows, (2, 1.2, 0.9), strict=True):
        draw_line(ax, span, values, part.color, part.name, width)


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
    ax: Axes | None,
    data: ChartData,
    kind: str,
    series: list[Series],
    placed: pl.DataFrame,
    note: list[str],
) -> Axes:
    """Draw a row for each series: a dot at the median, a line to p90 and to p99."""
    cells, figures = {}, {}
    for row in placed.drop_nulls("p50").iter_rows(named=True):
        shown = [data.spec[name].figure(row) for name in _QUANTILES]
        figures[row["series"]] = " · ".join(format_count(one, "short") for one in shown)
        cells[row["series"]] = [float(row[name]) for name in _QUANTILES]
    ax = build_row_axes(len(series), ax)
    words = [f"{kind} per call: median, p90, p99"]
    if not cells:
        text = build_text(data, note, *words)
        return draw_empty(ax, text, NOT_REPORTED, in_rows=True)
    low, high = min(one[0] for one in cells.values()), max(map(max, cells.values()))
    words += [_LOG] if _needs_log(low, high) else []
    text = build_text(data, note, *words)
    names = [part.name for part in series]
    texts = [figures.get(at, UNKNOWN_TEXT) for at in range(len(series))]
    layout = lay_out_rows(ax, text, names, ends=texts)
    _set_size_axis(ax, low, high, layout.inside().width, "x")
    for at, values in cells.items():
        _draw_range(ax, at, series[at], values)
    inks = [current_theme().ink] * len(texts)
    finish_rows(ax, names, layout, ends=texts, colors=inks)
    facts = [f"{shorten(name)} {end}" for name, end in zip(names, texts, strict=True)]
    set_alt_text(ax, "Ranges", text, facts[:MAX_DESCRIBED])
    return ax


def _draw_range(ax: Axes, at: int, part: Series, values: list[float]) -> None:
    """Draw a row: a thick line to p90, a thin one to p99, a dot at the median."""
    low, middle, high = values
    color, edge = part.color, current_theme().ground
    ax.plot([middle, high], [at, at], color=color, linewidth=1.4, label=part.name)
    ax.plot([low, middle], [at, at], color=color, linewidth=5, solid_capstyle="butt")
    ax.plot([low], [at], "o", color=color, markersize=8, markeredgecolor=edge)
    ax.plot([high], [at], "|", color=color, markersize=8, markeredgewidth=1.4)
