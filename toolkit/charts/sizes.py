"""A chart of the sizes of responses: the median, and high percentiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.colors import mix
from toolkit.charts.layout import format_single, set_value_axis
from toolkit.charts.over_time import LOG, draw_over_time
from toolkit.charts.rows import THICK, THIN, Mark, Row, draw_rows, max_rows
from toolkit.charts.series import Series, count_unseen, fold_series
from toolkit.charts.style import current_theme
from toolkit.charts.text import tick_of
from toolkit.charts.titles import build_note, build_text
from toolkit.formatting.text import UNKNOWN_TEXT, capitalize, format_count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

    from toolkit.charts.series import ChartData

_LOG_RATIO = 40.0  # of the largest value to the smallest, above which the axis is log
_QUANTILES = ("p50", "p90", "p99")


def draw_sizes(ax: Axes, data: ChartData, *, missing: str = "") -> Bbox:
    """Draw the percentiles p50, p90 and p99 of a metric.

    A single series has three lines; several have a line for the median. Percentiles
    cannot be summed: with more than six series the smaller ones are left out and
    counted in the note. If values are far apart the axis is logarithmic, as the
    subtitle notes. Without periods each series is a row from the median to p90 and p99.
    Of several kinds of tokens the total is drawn, or the first.
    """
    (data, kind), median = _select_kind(data), data.spec[_QUANTILES[0]]
    note = build_note(data, median, missing)
    most = None if data.zone is not None else max_rows(ax)
    weight = pl.col(data.spec.main)
    series, placed = fold_series(data.dated, data.by, weight, most=most)
    last = len(series) - 1
    rest = placed.filter(series=last).select(data.by)
    if series and series[-1].folded and rest.n_unique() > 1:
        # Folded by the chart: their percentiles cannot be computed.
        note.append(f"{series[-1].name} not shown")
        series, placed = series[:-1], placed.filter(pl.col("series") < last)
    names = _QUANTILES if data.zone is None or len(series) == 1 else _QUANTILES[:1]
    values = placed.select(pl.col(names).cast(pl.Float64)).to_numpy().ravel()
    known = values[values == values]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    log = [LOG] if low >= 1 and high > _LOG_RATIO * low else []
    if data.zone is None:
        text = build_text(data, note, [f"{kind} per call: median, p90, p99", *log])
        tick, log_from = tick_of(median), low if log else 0.0

        def set_axis(width: float) -> None:
            set_value_axis(ax, high, width, tick, axis="x", log_from=log_from)

        rows = _build_rows(data, series, placed)
        return draw_rows(ax, text, rows, set_axis=set_axis, kind="Ranges", aligned=True)
    what, details = f"{kind} per call", ["median", *log]
    placed = placed.with_columns(count_unseen(median, placed))
    if len(series) == 1:
        what += format_single(ax, series) if data.by else ""
        details[0] = "median, p90 and p99"
        # Higher percentiles have more contrast.
        color, ink = series[0].color, current_theme().ink
        shades = [mix(color, ink, 0.25 * step) for step in range(3)]
        series = [*map(Series, names, shades, shades)]
        placed = pl.concat(
            placed.with_columns(pl.col(name).alias("value"), pl.lit(at).alias("series"))
            for at, name in enumerate(names)
        )
    else:
        placed = placed.with_columns(pl.col(median.name).alias("value"))
    return draw_over_time(
        ax, data, series, placed, median, [what, *details], note, "Lines"
    )


def _build_rows(
    data: ChartData, series: Sequence[Series], rows: pl.DataFrame
) -> list[Row]:
    """Return a row for each series: a dot at the median, a line to p90 and to p99."""
    built = []
    order = rows.sort("p50", descending=True, nulls_last=True, maintain_order=True)
    for row in order.iter_rows(named=True):
        one, (low, middle, high) = series[row["series"]], (row[n] for n in _QUANTILES)
        if low is None:
            built.append(Row(one.name, UNKNOWN_TEXT))
            continue
        figures = (data.spec[name].figure(row) for name in _QUANTILES)
        text, *more = (format_count(figure, "short") for figure in figures)
        marks = [
            Mark(low, middle, one.color, height=THICK),
            Mark(middle, high, one.color, height=THIN),
            Mark(low, low, one.color, kind="dot"),
        ]
        built.append(Row(one.name, text, marks, "· " + " · ".join(more)))
    return built


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
