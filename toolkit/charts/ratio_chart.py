"""Ratios over time as lines, or without periods as a bar for each series."""

from __future__ import annotations

from functools import partial
from math import inf, isfinite, nan
from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.layout import draw_empty, format_single, start_axes, write_text
from toolkit.charts.lines import build_lines, describe_lines, draw_lines
from toolkit.charts.rows import Row, draw_bars, max_rows
from toolkit.charts.series import LEADING_COLUMNS, count_unseen, fold_series, read_frame
from toolkit.charts.text import format_value, tick_of
from toolkit.charts.time_axis import build_span
from toolkit.charts.titles import (
    NOT_REPORTED,
    build_note,
    build_text,
    capitalize,
    format_missing,
    no_rows,
    set_alt_text,
    unit_noun,
)
from toolkit.errors import plural
from toolkit.formatting.figures import Figure
from toolkit.formatting.text import UNKNOWN_TEXT, format_count, format_share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.series import Series
    from toolkit.charts.time_axis import Span
    from toolkit.metrics.measures import Measure
    from toolkit.metrics.spec import MetricSpec


def draw_ratio(
    frame: pl.DataFrame,
    spec: MetricSpec,
    ax: Axes | None,
    *,
    subtitle: str = "",
    detail: str = "",
    missing: str = "",
    excess: str = "",
    of: str = "",
    transform: Callable[[pl.Expr], pl.Expr] = lambda ratio: ratio,
) -> Axes:
    """Draw the first ratio of a metric over time, or as bars.

    `detail` is the second part of the subtitle, `missing` is what calls lack that are
    not included, `excess` is why a share may be above 1, and `of` is the text after the
    value of a bar. `transform` computes the value from numerator / denominator. If the
    metric has keys, its series are summed, and there is a line for each key.
    """
    data = read_frame(frame, spec)
    measure = next(one for one in spec.drawn if one.part is not None)
    rows, names = data.dated, data.by
    if spec.keys:
        names = list(spec.key_names)
        data = data._replace(by=[spec.keys[0].title])
        rows = rows.drop("folded", strict=False)
        note = format_missing(data, measure, missing)  # calls have several rows
    else:
        note = build_note(data, measure, missing)
    weight, lone = pl.col(spec.main), f"all {unit_noun(measure.of)}s"
    most = None if data.zone is not None else max_rows(ax)
    series, placed = fold_series(rows, names, weight, most=most, lone=lone)
    table = _compute_ratios(placed, measure, transform)
    what = subtitle or capitalize(measure.title)
    details = [detail] if detail else []
    if data.zone is None:
        text = build_text(data, note, what, *details)
        bars = _build_bars(series, table, measure, of or _format_parts(spec, measure))
        return draw_bars(ax, text, bars, tick_of(measure))
    ax = start_axes(ax)
    span = None if rows.is_empty() else build_span(rows)
    note += _format_excess(table, measure, span, excess)
    what += format_single(ax, series) if data.by else ""
    text = build_text(data, note, what, *details, span=span, mark="Dashed")
    if span is None:
        return draw_empty(ax, text, no_rows(data))
    lines = build_lines(series, table, measure)
    if not lines.known:
        return draw_empty(ax, text, NOT_REPORTED)
    layout = write_text(ax, text, parts=lines.labels if len(series) > 1 else [])
    draw_lines(ax, lines, layout, tick_of(measure), most=_highest(measure))
    write = partial(format_value, measure, words=True)
    set_alt_text(ax, "Lines", text, describe_lines(lines, write))
    return ax


def _highest(measure: Measure) -> float:
    """Return the highest valid value of a ratio, infinity if there is none."""
    return 1.0 if measure.is_share else inf


def _format_parts(spec: MetricSpec, measure: Measure) -> str:
    """Return a format of numerator and denominator, after the value of a bar."""
    roots = [] if measure.whole is None else measure.whole.meta.root_names()
    unit = f" {unit_noun(spec[roots[0]].unit)}s" if roots else ""
    return "{part} of {whole}" + unit if measure.is_share else "{part} / {whole}" + unit


def _compute_ratios(
    rows: pl.DataFrame,
    measure: Measure,
    transform: Callable[[pl.Expr], pl.Expr],
) -> pl.DataFrame:
    """Compute `value` for each period and series, and how many it does not include.

    Numerators and denominators are summed where the ratio is known.
    """
    keys = [name for name in LEADING_COLUMNS if name in rows.columns]
    known = pl.col(measure.name).is_not_null()
    part, whole = pl.col("~part"), pl.col("~whole")
    divisor = pl.lit(1) if measure.whole is None else measure.whole
    return (
        rows.group_by(*keys, "series", maintain_order=True)
        .agg(
            pl.col(str(measure.part))
            .cast(pl.Float64)
            .filter(known)
            .sum()
            .alias("~part"),
            divisor.cast(pl.Float64).filter(known).sum().alias("~whole"),
            count_unseen(measure, rows).sum(),
        )
        .with_columns(pl.when(whole > 0).then(transform(part / whole)).alias("value"))
    )


def _format_excess(
    table: pl.DataFrame, measure: Measure, span: Span | None, excess: str
) -> list[str]:
    """Format in how many periods a value is above the highest valid one, and why."""
    above = table.filter(pl.col("value") > _highest(measure))
    if above.is_empty() or span is None:
        return []
    periods = plural(above["period"].n_unique(), span.length.word)
    highest = format_share(float(above["value"].to_numpy().max()))
    reason = f" ({excess})" if excess else ""
    return [f"▲ {periods} above 100%, up to {highest}{reason}"]


def _build_bars(
    series: Sequence[Series], table: pl.DataFrame, measure: Measure, of: str
) -> list[Row]:
    """Return a bar for each series, with numerator and denominator after its value."""
    cells = {row["series"]: row for row in table.iter_rows(named=True)}
    bars = []
    for at, one in enumerate(series):
        row = cells[at]
        if row["value"] is None or not isfinite(row["value"]):
            bars.append(Row(one.name, nan, one.color, UNKNOWN_TEXT))
            continue
        value, bound = float(row["value"]), measure.bound if row["~unseen"] else "exact"
        shown = format_value(measure, Figure(value, bound), words=False)
        if value > _highest(measure):
            value, shown = _highest(measure), f"{shown} (off the scale)"
        parts = {
            name: format_count(row[f"~{name}"], "short") for name in ("part", "whole")
        }
        bars.append(Row(one.name, value, one.color, shown, f"· {of.format(**parts)}"))
    return bars
