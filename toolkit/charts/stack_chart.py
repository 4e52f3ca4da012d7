"""Sums over time as stacks, or without periods as a bar for each series."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.alt_text import set_alt_text
from toolkit.charts.bars import Row, draw_bars
from toolkit.charts.layout import draw_empty, format_single, start_axes, write_text
from toolkit.charts.rows import max_rows
from toolkit.charts.series import LEADING_COLUMNS, fold_series, read_frame
from toolkit.charts.stacked import NO_PRICE, build_stack, describe_stack, draw_stack
from toolkit.charts.text import count_tick, usd_tick
from toolkit.charts.titles import (
    build_note,
    build_text,
    capitalize,
    why_empty,
)
from toolkit.errors import plural
from toolkit.formatting.figures import sum_with_gaps
from toolkit.formatting.text import format_count, format_share, format_usd
from toolkit.metrics.measures import MONEY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.series import ChartData, Series
    from toolkit.formatting.figures import Figure
    from toolkit.metrics.measures import Measure
    from toolkit.metrics.spec import MetricSpec


def select_values(data: ChartData, value: pl.Expr, *more: pl.Expr) -> pl.DataFrame:
    """Select the dated rows: their periods and keys, `value` as a double, and more."""
    leading = [] if data.zone is None else LEADING_COLUMNS
    columns = [*leading, "folded", *data.by, *data.spec.key_names]
    present = [name for name in columns if name in data.frame.columns]
    return data.dated.select(*present, value.cast(pl.Float64).alias("value"), *more)


def sum_series(
    data: ChartData, rows: pl.DataFrame, ax: Axes | None, *more: pl.Expr
) -> tuple[list[Series], pl.DataFrame]:
    """Fold rows without periods into as many series as fit; sum `value` of each."""
    series, placed = fold_series(rows, data.by, pl.col("value"), most=max_rows(ax))
    sums = placed.group_by("series").agg(pl.col("value").sum(), *more)
    return series, sums.sort("series")


def draw_sums(
    frame: pl.DataFrame,
    spec: MetricSpec,
    ax: Axes | None,
    *,
    subtitle: str = "",
    missing: str = "",
) -> Axes:
    """Draw the sums of the main measure over time, or as bars."""
    measure = spec[spec.main]
    if measure.is_money:
        return _draw_costs(frame, spec, ax)
    data = read_frame(frame, spec)
    rows = select_values(data, pl.col(measure.name))
    note = build_note(data, measure, missing, with_share=True)
    what = subtitle or capitalize(measure.title)
    if data.zone is not None:
        return _draw_over_time(ax, data, rows, [what], note, count_tick, _format_sum)
    series, sums = sum_series(data, rows, ax)
    values = sums["value"].to_list()
    total = sum(values)
    bars = [
        Row(
            part.name,
            value,
            part.color,
            format_count(value, "short"),
            f"· {format_share(value / total)}" if total else "",
        )
        for part, value in zip(series, values, strict=True)
    ]
    text = build_text(data, note, what)
    return draw_bars(ax, text, bars, count_tick, whole=True)


def _draw_costs(frame: pl.DataFrame, spec: MetricSpec, ax: Axes | None) -> Axes:
    """Draw sums of dollars over time, or as bars; lower bounds are dotted."""
    data, measure = read_frame(frame, spec), spec[spec.main]
    columns = _cost_columns(spec, measure)
    is_open = (pl.col("unpriced") > 0).fill_null(value=False).alias("open")
    rows = select_values(data, pl.col(measure.name), *columns).with_columns(is_open)
    note = build_note(data, measure._replace(unseen=None), with_share=True)
    words, total = ["US dollars"], data.frame.select(columns).sum()
    if total["unpriced"].item():
        note = [_format_missing_prices(total), *note]
        words.append("calls without a known price are not included")
    if data.zone is not None:
        return _draw_over_time(ax, data, rows, words, note, usd_tick, _format_cost)
    text = build_text(data, note, *words)
    names = (column.meta.output_name() for column in columns)
    sums = pl.col(*names).sum(), pl.col("open").any()
    series, placed = sum_series(data, rows, ax, *sums)
    bars = [
        Row(
            part.name,
            row["value"].item(),
            part.color,
            _format_bar(row),
            open=row["open"].item(),
        )
        for part, row in zip(series, placed.iter_slices(1), strict=True)
    ]
    return draw_bars(ax, text, bars, usd_tick)


def _cost_columns(spec: MetricSpec, measure: Measure) -> list[pl.Expr]:
    """Return the exact cost, and how many calls and tokens it does not include.

    The tokens are those of the first share that the chart shows.
    """
    share = next((one for one in spec.drawn if one.part), None)
    names = {
        "unpriced": measure.unseen,
        "calls": measure.of if measure.unseen else None,
        "lost": share.part if share else None,
        "whole": share.columns[2] if share else None,
    }
    counts = [
        (pl.col(name) if name else pl.lit(0)).cast(pl.Int64).alias(alias)
        for alias, name in names.items()
    ]
    return [pl.col(measure.name).cast(MONEY).alias("exact"), *counts]


def _sum_cost(rows: pl.DataFrame) -> Figure:
    """Sum the exact cost of rows: a lower bound if calls are unpriced."""
    sums = rows.select(pl.col("exact", "unpriced", "calls").sum())
    cost, unpriced, calls = sums.row(0)
    return sum_with_gaps(cost, missing=unpriced, of=calls)


def _format_cost(rows: pl.DataFrame) -> str:
    """Format the cost of rows."""
    return format_usd(_sum_cost(rows), words=True)


def _format_sum(rows: pl.DataFrame) -> str:
    """Format the sum of what is drawn of rows."""
    return count_tick(float(rows["value"].sum()))


def _format_lost(row: pl.DataFrame) -> str:
    """Format the share of tokens without a price, if it is known and not zero."""
    lost, whole = row["lost"].item(), row["whole"].item()
    return format_share(lost / whole) if lost and whole else ""


def _format_missing_prices(total: pl.DataFrame) -> str:
    """Format the total as a lower bound, and what it does not include."""
    least = _format_cost(total) if _sum_cost(total).is_known else "cost unknown"
    missing = f"{plural(total['unpriced'].item(), 'call')} without a known price"
    if lost := _format_lost(total):
        missing = f"{lost} of tokens have no known price"
    return f"{least}: {missing} (dotted)"


def _format_bar(row: pl.DataFrame) -> str:
    """Format the cost of a series, and what it does not include."""
    cost = _sum_cost(row)
    if not cost.is_known:
        return NO_PRICE
    text, lost = format_usd(cost), _format_lost(row)
    if cost.bound == "exact":
        return text
    return f"{text}, {lost} unpriced" if lost else f"{text}, unpriced calls"


def _draw_over_time(
    ax: Axes | None,
    data: ChartData,
    rows: pl.DataFrame,
    words: Sequence[str],
    note: list[str],
    tick: Callable[..., str],
    format_sum: Callable[[pl.DataFrame], str],
) -> Axes:
    """Draw a stack over time; `words` are the parts of the subtitle.

    `tick` formats the axis, and `format_sum` the sum of rows in the alt text.
    """
    ax = start_axes(ax)
    what, *details = words
    if reason := why_empty(rows["value"]):
        return draw_empty(ax, build_text(data, note, what, *details), reason)
    series, placed = fold_series(rows, data.by, pl.col("value"))
    stack = build_stack(series, placed)
    what += format_single(ax, series)
    text = build_text(data, note, what, *details, span=stack.span)
    layout = write_text(ax, text, parts=series if len(series) > 1 else [])
    draw_stack(ax, stack, layout, tick)
    facts = describe_stack(stack, placed, format_sum)
    set_alt_text(ax, "Stacked bars", text, facts)
    return ax
