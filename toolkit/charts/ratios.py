"""Ratios over time as lines, or without periods as a row for each series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.charts import titles
from toolkit.charts.layout import measure_axes
from toolkit.charts.over_time import draw_over_time
from toolkit.charts.rows import THIN, Mark, Row, draw_rows, max_rows
from toolkit.charts.series import (
    LEADING_COLUMNS,
    count_unseen,
    drop_unknown,
    fold_series,
)
from toolkit.charts.text import format_value, tick_of
from toolkit.charts.time_axis import build_span, set_time_axis
from toolkit.errors import plural
from toolkit.formatting.figures import Figure
from toolkit.formatting.text import UNKNOWN_TEXT, format_count, format_share
from toolkit.metrics.rates import ENOUGH_CALLS, wilson_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

    from toolkit.charts.series import ChartData, Series
    from toolkit.metrics.measures import Measure
    from toolkit.metrics.spec import MetricSpec


def perplexity(mean: pl.Expr) -> pl.Expr:
    """Return the perplexity of a mean of logprobs."""
    return (-mean).exp()


def draw_ratio(
    ax: Axes,
    data: ChartData,
    *,
    subtitle: str = "",
    detail: str = "",
    missing: str = "",
    of: str = "",
    transform: Callable[[pl.Expr], pl.Expr] = lambda ratio: ratio,
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
    not included, and `of` is the text after the value of a bar. `transform` computes
    the value from numerator / denominator.
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
    of = of or _format_parts(spec, measure)
    is_rate = measure.is_share and "call" in of and not spec.keys
    words = [subtitle or _format_subtitle(measure), *filter(None, [detail])]
    most = None if data.zone is not None else max_rows(ax)
    weight, lone = pl.col(spec.main), f"all {titles.unit_noun(measure.of)}s"
    series, placed = fold_series(rows, names, weight, most=most, lone=lone)
    table = _compute_ratios(placed, measure, transform)
    is_above = pl.lit(measure.is_share) & (pl.col("value") > 1)
    if above := table.filter(is_above).height:
        note.append(f"above 100%, not drawn: {plural(above, 'value')}")
        table = table.with_columns(pl.when(~is_above).then("value").alias("value"))
    if data.zone is not None:
        if is_rate and len(table):
            note.append(_format_median(table))
        return draw_over_time(ax, data, series, table, measure, words, note, "Lines")
    if table["value"].is_finite().any():
        series, table, unknown = drop_unknown(series, table, titles.name_lack(measure))
        note += unknown
    text = titles.build_text(data, note, words)
    bars = _build_rows(series, table, measure, of, is_rate=is_rate)
    return draw_rows(ax, text, bars, tick=tick_of(measure))


def draw_rates(
    ax: Axes, data: ChartData, *, detail: str = "", missing: str = ""
) -> Bbox:
    """Draw a rate of calls over time as small multiples.

    A line for each series, all on one scale, in whole periods of 20 calls or more; at
    its right the rate of the whole range. The words are those of `draw_ratio`.
    """
    measure = next(one for one in data.spec.drawn if one.part is not None)
    weight, most = pl.col(data.spec.main), max_rows(ax)
    series, placed = fold_series(data.dated, data.by, weight, most=most)
    over_time = _compute_ratios(placed, measure)
    if "partial" in over_time.columns:
        over_time = over_time.filter(~pl.col("partial"))
    sure = over_time.filter(pl.col("~whole") >= ENOUGH_CALLS).drop_nulls("value")
    whole = _compute_ratios(placed.drop(LEADING_COLUMNS, strict=False), measure)
    note = titles.build_note(data, measure, missing)
    if sure.is_empty():
        text = titles.build_text(data, note, [_format_subtitle(measure), detail])
        return draw_rows(ax, text, [], empty="too few calls in each period")
    span, top = build_span(data.dated), float(sure["value"].to_numpy().max()) or 1.0
    note.append(_format_median(sure))
    scale = f"each row from 0 to {format_share(top)}"
    words = [_format_subtitle(measure), scale, *filter(None, [detail])]
    text = titles.build_text(data, note, words, span, mark="")
    of = _format_parts(data.spec, measure)
    rows = []
    for row in _build_rows(series, whole, measure, of, is_rate=True):
        place = next(at for at, one in enumerate(series) if one.name == row.name)
        values = np.full(len(span.starts), np.nan)
        points = sure.filter(series=place)
        values[span.find(points)] = points["value"] / top
        line = span.middles, values
        rows.append(row._replace(marks=[], line=line, color=series[place].color))

    def set_axis(width: float) -> None:
        set_time_axis(ax, span, width, measure_axes(ax).date_width)

    look: dict[str, Any] = {"kind": "Small multiples", "aligned": True, "lines": 2}
    return draw_rows(ax, text, rows, set_axis=set_axis, **look)


def _format_median(table: pl.DataFrame) -> str:
    """Format of how many calls a point usually is."""
    calls = format_count(int(np.median(table["~whole"])), "short")
    return f"median of {calls} calls per point"


def _name_whole(measure: Measure) -> str:
    """Return what a ratio is divided by: ``responses``, ``prompt_tokens``."""
    roots = [] if measure.whole is None else measure.whole.meta.root_names()
    return roots[0] if roots else "responses"


def _format_subtitle(measure: Measure) -> str:
    """Format what is drawn: ``Share of calls``, ``Answers per call``."""
    part, whole = (
        titles.unit_noun(name).replace("_", " ")
        for name in (str(measure.part), _name_whole(measure))
    )
    return titles.capitalize(
        f"share of {whole}s" if measure.is_share else f"{part}s per {whole}"
    )


def _format_parts(spec: MetricSpec, measure: Measure) -> str:
    """Return a format of numerator and denominator, after the value of a bar."""
    unit = f" {titles.unit_noun(spec[_name_whole(measure)].unit)}s"
    return "{part} of {whole}" + unit if measure.is_share else "{part} / {whole}" + unit


def _compute_ratios(
    rows: pl.DataFrame,
    measure: Measure,
    transform: Callable[[pl.Expr], pl.Expr] = lambda ratio: ratio,
) -> pl.DataFrame:
    """Compute `value` for each period and series, and how many it does not include.

    Numerators and denominators are summed where the ratio is known.
    """
    keys = [name for name in LEADING_COLUMNS if name in rows.columns]
    divisor = pl.lit(1) if measure.whole is None else measure.whole
    sums = [
        one.cast(pl.Float64)
        .filter(pl.col(measure.name).is_not_null())
        .sum()
        .alias(name)
        for one, name in ((pl.col(str(measure.part)), "~part"), (divisor, "~whole"))
    ]
    part, whole = pl.col("~part"), pl.col("~whole")
    value = pl.when(whole > 0).then(transform(part / whole)).alias("value")
    groups = rows.group_by(*keys, "series", maintain_order=True)
    return groups.agg(*sums, count_unseen(measure, rows).sum()).with_columns(value)


def _build_rows(
    series: Sequence[Series],
    table: pl.DataFrame,
    measure: Measure,
    of: str,
    *,
    is_rate: bool,
) -> list[Row]:
    """Return a row for each series, the highest first, with what its ratio is of."""
    of_most = table["~whole"].to_numpy().max(initial=0)
    enough = ENOUGH_CALLS if is_rate and of_most >= ENOUGH_CALLS else 0
    rest = pl.col("series").is_in([at for at, one in enumerate(series) if one.folded])
    order = table.sort(
        rest, "value", descending=[False, True], nulls_last=True, maintain_order=True
    )
    rows = []
    for row in order.iter_rows(named=True):
        one, value = series[row["series"]], row["value"]
        part, whole = row["~part"], row["~whole"]
        if value is None or not np.isfinite(value):
            rows.append(Row(one.name, UNKNOWN_TEXT))
            continue
        bound = measure.bound if row["~unseen"] else "exact"
        shown = format_value(measure, Figure(value, bound), words=False)
        counts = (format_count(count, "short") for count in (part, whole))
        more = "· " + of.format(**dict(zip(("part", "whole"), counts, strict=True)))
        marks = [Mark(0, value, one.color)]
        if is_rate:
            low, high = wilson_interval(part, whole)
            dot = Mark(value, value, one.color, kind="dot")
            marks = [Mark(low, high, one.color, height=THIN), dot]
        rows.append(Row(one.name, shown, [] if whole < enough else marks, more))
    return rows
