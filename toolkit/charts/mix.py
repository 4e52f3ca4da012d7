"""Charts of shares of 100%: models, and finish reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.charts.layout import draw_empty, start_axes, write_text
from toolkit.charts.rows import Row, draw_bars, draw_share_bars, max_rows
from toolkit.charts.series import fold_series
from toolkit.charts.stacked import build_stack, describe_shares, draw_stack
from toolkit.charts.text import share_tick
from toolkit.charts.time_axis import PERIOD
from toolkit.charts.titles import (
    build_note,
    build_text,
    capitalize,
    set_alt_text,
    unit_noun,
    why_empty,
)
from toolkit.errors import plural
from toolkit.formatting.text import format_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import ChartData, Series
    from toolkit.metrics.spec import MetricSpec


def draw_mix(ax: Axes, data: ChartData, *, subtitle: str = "") -> AxesLayout:
    """Draw the shares of the main measure.

    Stacks of 100% of each period: of the series or, if the metric has keys, of a key in
    the sum of all series. Without periods each series is a horizontal bar; with keys it
    is one of 100%.
    """
    spec, measure = data.spec, data.spec[data.spec.main]
    what = subtitle or capitalize(f"share of {measure.title}")
    note = build_note(data, measure._replace(of=measure.name))
    value = pl.col(measure.name).cast(pl.Float64)
    rows = data.dated.with_columns(value.alias("value"), _whole(spec).alias("~whole"))
    if spec.keys:
        return _draw_keys(ax, data, rows, what, note)
    if data.zone is not None:
        series, placed = fold_series(rows, data.by, pl.col("value"))
        whole = pl.col("~whole").max().over("period")
        return _draw_shares(ax, data, series, placed.with_columns(whole), what, note)
    series, placed = fold_series(rows, data.by, pl.col("value"), most=max_rows(ax))
    sums = placed.group_by("series").agg(pl.col("value").sum()).sort("series")
    total = max(rows["~whole"].drop_nulls().to_list(), default=0)
    noun = unit_noun(measure.unit)
    bars = []
    for part, value in zip(series, sums["value"].to_list(), strict=True):
        share, calls = value / total if total else np.nan, plural(int(value), noun)
        shown = format_share(share, words=True)
        bars.append(Row(part.name, share, part.color, shown, calls))
    text = build_text(data, note, what)
    return draw_bars(ax, text, bars, share_tick)


def _whole(spec: MetricSpec) -> pl.Expr:
    """Return the denominator of the shares: that of the metric, or the sum."""
    wholes = (one.whole for one in spec.drawn if one.part == spec.main)
    return next((one for one in wholes if one is not None), pl.col(spec.main).sum())


def _draw_keys(
    ax: Axes, data: ChartData, rows: pl.DataFrame, what: str, note: list[str]
) -> AxesLayout:
    """Draw the shares of a key: of all series over time, or of each as a bar."""
    (key, *_), value = data.spec.key_names, pl.col("value")
    parts, placed = fold_series(rows.drop("folded", strict=False), [key], value)
    if data.zone is not None:
        is_sum = rows.select(*PERIOD, key).is_duplicated().any()
        what += " of all series" if is_sum else ""
        placed = placed.with_columns(value.sum().over("period").alias("~whole"))
        return _draw_shares(ax, data._replace(by=[]), parts, placed, what, note)
    series, placed = fold_series(
        rows.with_columns(placed["series"].alias("~part")),
        data.by,
        value,
        most=max_rows(ax),
        lone=f"all {unit_noun(data.spec[data.spec.main].unit)}s",
    )
    counts = np.zeros((len(parts), len(series)))
    cells = placed.group_by("~part", "series").agg(value.sum())
    counts[cells["~part"].to_numpy(), cells["series"].to_numpy()] = cells["value"]
    sums = counts.sum(axis=0)
    shares = np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)
    text = build_text(data, note, what)
    names = [part.name for part in series]
    return draw_share_bars(ax, text, names, parts, shares)


def _draw_shares(
    ax: Axes,
    data: ChartData,
    series: list[Series],
    placed: pl.DataFrame,
    what: str,
    note: list[str],
) -> AxesLayout:
    """Draw a stack of 100% over time, of `value` over `~whole`."""
    start_axes(ax)
    if reason := why_empty(data, placed["value"], data.spec[data.spec.main]):
        return draw_empty(ax, build_text(data, note, what), reason)
    whole = pl.col("~whole").cast(pl.Float64)
    share = pl.when(whole > 0).then(pl.col("value") / whole).otherwise(0.0)
    stack = build_stack(series, placed.with_columns(share.alias("value")))
    text = build_text(data, note, what, span=stack.span)
    layout = write_text(ax, text, parts=series)
    set_alt_text(ax, "Stacks of 100%", text, describe_shares(stack))
    return draw_stack(ax, stack, layout, share_tick, whole=False)
