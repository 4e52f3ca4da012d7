"""Charts of ratios and percentiles: lines over time, or a row for each series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.charts import titles
from toolkit.charts.colors import mix
from toolkit.charts.layout import format_single, measure_axes, set_value_axis
from toolkit.charts.over_time import LOG, draw_over_time
from toolkit.charts.rows import THICK, THIN, Mark, Row, draw_rows, max_rows
from toolkit.charts.series import (
    LEADING_COLUMNS,
    Series,
    count_unseen,
    drop_unknown,
    fold_series,
)
from toolkit.charts.style import current_theme
from toolkit.charts.text import format_value, tick_of
from toolkit.charts.time_axis import PERIOD, build_span, set_time_axis
from toolkit.errors import plural
from toolkit.formatting.figures import Figure
from toolkit.formatting.text import UNKNOWN_TEXT, capitalize, format_count, format_share
from toolkit.metrics.rates import ENOUGH_CALLS, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

    from toolkit.charts.series import ChartData
    from toolkit.metrics.measures import Measure

_COLUMNS = ("value", "~part", "~whole")
_LOG_RATIO = 40.0  # of the largest value to the smallest, above which the axis is log
_QUANTILES = ("p50", "p90", "p99")


def draw_ratio(
    ax: Axes,
    data: ChartData,
    *,
    subtitle: str = "",
    detail: str = "",
    missing: str = "",
    of: str = "",
    multiples: bool = False,
) -> Bbox:
    """Draw the first ratio of a metric.

    Lines on an axis that starts at zero, broken where the value is unknown, dashed
    towards an incomplete period; names at the right edge or in a legend. With more than
    six series the smaller ones are grouped as one; their ratio is computed from sums.
    Without periods each series is a horizontal bar, the highest at the top; a rate of
    calls has an interval of 95%. If the metric has keys, its series are summed, and
    there is a line for each key. Impossible shares (above 100%) are counted in the
    note, and not drawn.

    `detail` is the second part of the subtitle, `missing` is what calls lack that are
    not included, and `of` is the text after the value of a bar. With `multiples` each
    line is in a row of its own.
    """
    spec = data.spec
    measure = next(one for one in spec.drawn if one.part is not None)
    rows, names = data.dated, data.by
    if spec.keys:  # calls have several rows
        names = list(spec.key_names)
        data = data._replace(by=[spec.keys[0].title])
        rows = rows.drop("folded", strict=False)
        note = titles.format_missing(data, measure, missing)
    else:
        note = titles.build_note(data, measure, missing)
    part, whole = (titles.unit_noun(name) for name in _terms(measure)[:2])
    is_rate = measure.is_share and whole == "call" and not spec.keys
    what = f"share of {whole}s" if measure.is_share else f"{part}s per {whole}"
    what = subtitle or capitalize(what.replace("_", " "))
    words = [what, *filter(None, [detail])]
    in_rows = multiples or data.zone is None
    weight, lone = pl.col(spec.main), f"all {titles.unit_noun(measure.of)}s"
    most = max_rows(ax) if in_rows else None
    series, placed = fold_series(rows, names, weight, most=most, lone=lone)
    table, above = _compute_ratios(placed, measure)
    if above:
        note.append(f"above 100%, not drawn: {plural(above, 'value')}")
    if is_rate and data.zone is not None and len(table):
        calls = format_count(int(np.median(table["~whole"])), "short")
        note.append(f"median of {calls} calls per point")
    if not in_rows:
        return draw_over_time(ax, data, series, table, measure, words, note, "Lines")
    if multiples:
        overall, _ = _compute_ratios(placed.drop(PERIOD), measure)
        built = _build_rows(series, overall, measure, of, is_rate=is_rate)
        return _draw_multiples(ax, data, series, built, table, words, note)
    if table["value"].is_finite().any():
        series, table, unknown = drop_unknown(series, table, titles.name_lack(measure))
        note += unknown
    built = _build_rows(series, table, measure, of, is_rate=is_rate)
    text = titles.build_text(data, note, words)
    return draw_rows(ax, text, built, tick=tick_of(measure))


def _terms(measure: Measure) -> list[str]:
    """Return the columns of which a ratio is computed: numerator, denominators."""
    whole = [] if measure.whole is None else measure.whole.meta.root_names()
    return [str(measure.part), *whole]


def _compute_ratios(rows: pl.DataFrame, measure: Measure) -> tuple[pl.DataFrame, int]:
    """Compute `value` for each period and series, and how many it does not include.

    Numerators and denominators are summed where the ratio is known. Impossible shares
    are null, and counted.
    """
    over_time = PERIOD[0] in rows.columns
    keys = [n for n in LEADING_COLUMNS if over_time and n in rows.columns]
    known = pl.col(measure.name).is_not_null()
    sums = [pl.col(name).filter(known).sum() for name in dict.fromkeys(_terms(measure))]
    groups = rows.group_by(*keys, "series", maintain_order=True)
    table = groups.agg(*sums, count_unseen(measure, rows).sum()).with_columns(
        measure.derive([], []).alias("value"),  # type: ignore[misc] # of every ratio
        pl.col(str(measure.part)).cast(pl.Float64).alias("~part"),
        measure.whole.cast(pl.Float64).alias("~whole"),  # type: ignore[union-attr]
    )
    is_above = pl.lit(measure.is_share) & (pl.col("value") > 1)
    value = pl.when(~is_above).then("value").alias("value")
    return table.with_columns(value), table.filter(is_above).height


def _build_rows(
    series: Sequence[Series],
    table: pl.DataFrame,
    measure: Measure,
    of: str,
    *,
    is_rate: bool,
) -> list[Row]:
    """Return a row for each series, the highest first, with what its ratio is of."""
    of = of or ("{part} of {whole}" if measure.is_share else "{part} / {whole}")
    of_most = table["~whole"].to_numpy().max(initial=0)
    enough = ENOUGH_CALLS if is_rate and of_most >= ENOUGH_CALLS else 0
    rest = pl.col("series").is_in([at for at, one in enumerate(series) if one.folded])
    order = table.sort(
        rest, "value", descending=[False, True], nulls_last=True, maintain_order=True
    )
    rows = []
    for row in order.iter_rows(named=True):
        one, (value, part, whole) = series[row["series"]], (row[n] for n in _COLUMNS)
        if value is None or not np.isfinite(value):
            rows.append(Row(one.name, UNKNOWN_TEXT))
            continue
        bound = measure.bound if row["~unseen"] else "exact"
        shown = format_value(measure, Figure(value, bound), words=False)
        part_text, whole_text = (format_count(n, "short") for n in (part, whole))
        more = f"· {of.format(part=part_text, whole=whole_text)}"
        marks = [Mark(0, value, one.color)]
        if is_rate:
            low, high = wilson_interval(part, whole)
            dot = Mark(value, value, one.color, kind="dot")
            marks = [Mark(low, high, one.color, height=THIN), dot]
        rows.append(Row(one.name, shown, [] if whole < enough else marks, more))
    return rows


def _draw_multiples(
    ax: Axes,
    data: ChartData,
    series: Sequence[Series],
    rows: Sequence[Row],
    points: pl.DataFrame,
    words: Sequence[str],
    note: Sequence[str],
) -> Bbox:
    """Draw a line in each row, all on one scale, in whole periods of enough calls."""
    is_whole = ~pl.col("partial") if "partial" in points.columns else True
    sure = points.filter(is_whole, pl.col("~whole") >= ENOUGH_CALLS)
    sure, span = sure.drop_nulls("value"), build_span(data.dated)
    top = float(sure["value"].to_numpy().max(initial=0)) or 1.0
    places, drawn = {part.name: place for place, part in enumerate(series)}, []
    for row in rows if len(sure) else ():
        place, values = places[row.name], np.full(len(span.starts), np.nan)
        of_series, color = sure.filter(series=place), series[place].color
        values[span.find(of_series)] = of_series["value"] / top
        drawn.append(row._replace(marks=[], line=(span.middles, values), color=color))

    def set_axis(width: float) -> None:
        set_time_axis(ax, span, width, measure_axes(ax).date_width)

    words = [words[0], f"each row from 0 to {format_share(top)}", *words[1:]]
    text = titles.build_text(data, note, words, span, mark="")
    look: dict[str, Any] = {"kind": "Small multiples", "aligned": True, "lines": 2}
    empty = "too few calls in each period"
    return draw_rows(ax, text, drawn, set_axis=set_axis, empty=empty, **look)


def draw_sizes(ax: Axes, data: ChartData, *, missing: str = "") -> Bbox:
    """Draw the percentiles p50, p90 and p99 of a metric.

    A single series has three lines; several have a line for the median. Percentiles
    cannot be summed: with more than six series the smaller ones are left out and
    counted in the note. If values are far apart the axis is logarithmic, as the
    subtitle notes. Without periods each series is a row from the median to p90 and p99.
    Of several kinds of tokens the total is drawn, or the first.
    """
    (data, kind), median = _select_kind(data), data.spec[_QUANTILES[0]]
    note = titles.build_note(data, median, missing)
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
        text = titles.build_text(
            data, note, [f"{kind} per call: median, p90, p99", *log]
        )
        tick, log_from = tick_of(median), low if log else 0.0

        def set_axis(width: float) -> None:
            set_value_axis(ax, high, width, tick, axis="x", log_from=log_from)

        rows = _build_ranges(data, series, placed)
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


def _build_ranges(
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
