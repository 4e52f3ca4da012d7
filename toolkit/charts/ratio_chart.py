"""Ratios over time as lines, or without periods as a bar for each series."""

from __future__ import annotations

from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from toolkit.charts.alt_text import set_alt_text
from toolkit.charts.bars import Row, draw_bars
from toolkit.charts.layout import draw_empty, format_single, start_axes, write_text
from toolkit.charts.lines import build_lines, compute_ratios, describe_lines, draw_lines
from toolkit.charts.rows import max_rows
from toolkit.charts.series import LEADING_COLUMNS, fold_series, read_frame
from toolkit.charts.text import count_tick, share_tick
from toolkit.charts.time_axis import build_span
from toolkit.charts.titles import (
    NOT_REPORTED,
    ChartText,
    build_note,
    build_text,
    capitalize,
    format_missing,
    no_rows,
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


class _Ratio(NamedTuple):
    """How a ratio is drawn."""

    measure: Measure
    part: str
    whole: pl.Expr
    show: Callable[..., str]
    tick: Callable[..., str]
    most: float  # the highest valid value; 0 if there is none
    of: str  # after the value of a bar


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
    value of a bar. `transform` computes the value of folded series from numerator /
    denominator. If the metric has keys, its series are summed, and there is a line for
    each key.
    """
    data, ratio = read_frame(frame, spec), _read_ratio(spec, of)
    rows, names, kind = data.dated, data.by, "series"
    if spec.keys:
        names, kind = list(spec.key_names), spec.key_names[0]
        data = data._replace(by=[spec.keys[0].title])
        rows = _sum_over_series(rows, spec, ratio)
        note = format_missing(data, ratio.measure, missing)  # calls have several rows
    else:
        note = build_note(data, ratio.measure, missing)
    weight, lone = pl.col(spec.main), f"all {unit_noun(ratio.measure.of)}s"
    most = None if data.zone is not None else max_rows(ax)
    series, placed = fold_series(rows, names, weight, most=most, kind=kind, lone=lone)
    table = compute_ratios(placed, ratio.measure, transform)
    what = subtitle or capitalize(ratio.measure.title)
    details = [detail] if detail else []
    if data.zone is None:
        text = build_text(data, note, what, *details)
        return _draw_ratio_bars(ax, text, series, table, ratio)
    ax = start_axes(ax)
    span = None if rows.is_empty() else build_span(rows)
    note += _format_excess(table, ratio, span, excess)
    what += format_single(ax, series) if data.by else ""
    text = build_text(data, note, what, *details, span=span, mark="Dashed")
    if span is None:
        return draw_empty(ax, text, no_rows(data))
    lines = build_lines(series, table, ratio.measure)
    if not lines.known:
        return draw_empty(ax, text, NOT_REPORTED)
    layout = write_text(ax, text, parts=lines.labels if len(series) > 1 else [])
    draw_lines(ax, lines, layout, ratio.tick, most=ratio.most)
    write = partial(ratio.show, words=True)
    set_alt_text(ax, "Lines", text, describe_lines(lines, write))
    return ax


def _read_ratio(spec: MetricSpec, of: str) -> _Ratio:
    """Return how the first ratio of a metric is drawn."""
    measure = next(one for one in spec.drawn if one.part is not None)
    part, whole = str(measure.part), measure.whole
    if whole is None:
        whole = pl.lit(1)
    roots = whole.meta.root_names()
    unit = f" {unit_noun(spec[roots[0]].unit)}s" if roots else ""
    if measure.is_share:
        of = of or "{part} of {whole}" + unit
        return _Ratio(measure, part, whole, format_share, share_tick, 1.0, of)
    of = of or "{part} / {whole}" + unit
    show = partial(format_count, style="short")
    return _Ratio(measure, part, whole, show, count_tick, 0.0, of)


def _sum_over_series(
    rows: pl.DataFrame, spec: MetricSpec, ratio: _Ratio
) -> pl.DataFrame:
    """Sum over the series of `by`: one row for each period and key."""
    keys = [name for name in LEADING_COLUMNS if name in rows.columns]
    whole = pl.col("~whole")
    known = pl.col(ratio.measure.name).is_not_null()
    return (
        rows.group_by(*keys, *spec.key_names, maintain_order=True)
        .agg(
            pl.col(spec.main).sum(),
            pl.col(ratio.part).filter(known).sum(),
            *[pl.col(gap).sum() for gap in ratio.measure.gaps if gap in rows.columns],
            ratio.whole.filter(known).sum().alias("~whole"),
        )
        .with_columns(
            pl.when(whole > 0)
            .then(pl.col(ratio.part) / whole)
            .alias(ratio.measure.name)
        )
    )


def _format_excess(
    table: pl.DataFrame, ratio: _Ratio, span: Span | None, excess: str
) -> list[str]:
    """Format in how many periods a value is above the highest valid one, and why."""
    above = table.filter(pl.col("value") > ratio.most) if ratio.most else table.clear()
    if above.is_empty() or span is None:
        return []
    periods = plural(above["period"].n_unique(), span.length.word)
    highest = ratio.show(float(above["value"].to_numpy().max()))
    reason = f" ({excess})" if excess else ""
    return [f"▲ {periods} above {ratio.show(ratio.most)}, up to {highest}{reason}"]


def _draw_ratio_bars(
    ax: Axes | None,
    text: ChartText,
    series: Sequence[Series],
    table: pl.DataFrame,
    ratio: _Ratio,
) -> Axes:
    """Draw a ratio of each series as a bar, with numerator and denominator."""
    cells = {row["series"]: row for row in table.iter_rows(named=True)}
    bars = []
    for at, one in enumerate(series):
        row = cells[at]
        if row["value"] is None or not isfinite(row["value"]):
            bars.append(Row(one.name, np.nan, one.color, UNKNOWN_TEXT))
            continue
        value = float(row["value"])
        bound = ratio.measure.bound if row["~unseen"] else "exact"
        shown = ratio.show(Figure(value, bound))
        if ratio.most and value > ratio.most:
            value, shown = ratio.most, f"{shown} (off the scale)"
        parts = {
            name: format_count(row[f"~{name}"], "short") for name in ("part", "whole")
        }
        of = f"· {ratio.of.format(**parts)}"
        bars.append(Row(one.name, value, one.color, shown, of))
    return draw_bars(ax, text, bars, ratio.tick)
