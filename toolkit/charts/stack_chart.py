"""Sums over time as stacks, or without periods as a bar for each series."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.charts.alt_text import set_alt_text
from toolkit.charts.bars import Row, draw_bars
from toolkit.charts.layout import (
    draw_empty,
    format_single,
    start_axes,
    write_text,
)
from toolkit.charts.rows import max_rows
from toolkit.charts.series import LEADING_COLUMNS, fold_series, read_frame
from toolkit.charts.stacked import NO_PRICE, build_stack, describe_stack, draw_stack
from toolkit.charts.text import count_tick, usd_tick
from toolkit.charts.titles import (
    NO_DATES,
    NOT_REPORTED,
    build_note,
    build_text,
    capitalize,
)
from toolkit.errors import plural
from toolkit.formatting.figures import sum_with_gaps
from toolkit.formatting.text import format_count, format_share, format_usd
from toolkit.metrics.measures import MONEY

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.series import ChartData, Series
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
        return _draw_over_time(ax, data, rows, [what], note, count_tick)
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
    totals = data.frame.select(columns).sum().row(0, named=True)
    note = _format_missing_prices(totals) + build_note(
        data, measure._replace(unseen=None), with_share=True
    )
    words = ["US dollars"]
    if totals["unpriced"]:
        words.append("calls without a known price are not included")
    if data.zone is not None:
        return _draw_over_time(ax, data, rows, words, note, usd_tick, _build_amounts)
    text = build_text(data, note, *words)
    names = (column.meta.output_name() for column in columns)
    sums = pl.col(*names).sum(), pl.col("open").any()
    series, placed = sum_series(data, rows, ax, *sums)
    bars = [
        Row(part.name, row["value"], part.color, _format_bar(row), open=row["open"])
        for part, row in zip(series, placed.iter_rows(named=True), strict=True)
    ]
    return draw_bars(ax, text, bars, usd_tick)


def _cost_columns(spec: MetricSpec, measure: Measure) -> list[pl.Expr]:
    """Return the exact cost, and how many calls and tokens it does not include.

    The tokens are those of the first share that the chart shows.
    """
    share = next((one for one in spec.drawn if one.is_share), None)
    names = {
        "unpriced": measure.unseen,
        "calls": measure.of if measure.unseen else None,
        "lost": share.part if share else None,
        "whole": share.columns[-1] if share else None,
    }
    counts = [
        (pl.col(name) if name else pl.lit(0)).cast(pl.Int64).alias(alias)
        for alias, name in names.items()
    ]
    return [pl.col(measure.name).cast(MONEY).alias("exact"), *counts]


def _build_amounts(placed: pl.DataFrame) -> Callable[[int | None, int | None], str]:
    """Build what formats the cost of a series in a period, given their indexes."""
    starts = placed["period"].unique().sort()

    def format_amount(index: int | None, period: int | None) -> str:
        rows = placed if index is None else placed.filter(pl.col("series") == index)
        if period is not None:
            rows = rows.filter(pl.col("period") == starts[period])
        cost, unpriced, calls = rows.select(
            pl.col("exact", "unpriced", "calls").sum()
        ).row(0)
        return format_usd(sum_with_gaps(cost, missing=unpriced, of=calls), words=True)

    return format_amount


def _format_missing_prices(totals: dict[str, Any]) -> list[str]:
    """Format the total as a lower bound, and what it does not include, if anything."""
    unpriced, lost, whole = (totals[name] for name in ("unpriced", "lost", "whole"))
    if not unpriced:
        return []
    cost = sum_with_gaps(totals["exact"], missing=unpriced, of=totals["calls"])
    least = format_usd(cost, words=True) if cost.is_known else "cost unknown"
    missing = f"{plural(unpriced, 'call')} without a known price"
    if lost and whole:
        missing = f"{format_share(lost / whole)} of tokens have no known price"
    return [f"{least}: {missing} (dotted)"]


def _format_bar(row: dict[str, Any]) -> str:
    """Format the cost of a series, and what it does not include."""
    cost = sum_with_gaps(row["exact"], missing=row["unpriced"], of=row["calls"])
    if not cost.is_known:
        return NO_PRICE
    text = format_usd(cost)
    if not row["open"]:
        return text
    part = (
        format_share(row["lost"] / row["whole"]) if row["lost"] and row["whole"] else ""
    )
    return f"{text}, {part} unpriced" if part else f"{text}, unpriced calls"


def _draw_over_time(
    ax: Axes | None,
    data: ChartData,
    rows: pl.DataFrame,
    words: Sequence[str],
    note: list[str],
    tick: Callable[..., str],
    build_amounts: Callable[[pl.DataFrame], Callable[..., str]] | None = None,
) -> Axes:
    """Draw a stack over time; `words` are the parts of the subtitle.

    `tick` formats the axis. `build_amounts` builds from the rows what formats the sums
    in the alt text; the default formats what is drawn.
    """
    ax = start_axes(ax)
    what, *details = words
    if rows["value"].null_count() == len(rows):
        text = build_text(data, note, what, *details)
        return draw_empty(ax, text, NO_DATES if rows.is_empty() else NOT_REPORTED)
    series, placed = fold_series(rows, data.by, pl.col("value"))
    stack = build_stack(series, placed)
    what += format_single(ax, series)
    text = build_text(data, note, what, *details, span=stack.span)
    layout = write_text(ax, text, parts=series if len(series) > 1 else [])
    draw_stack(ax, stack, layout, tick)

    def format_drawn(index: int | None, period: int | None) -> str:
        heights = stack.heights if index is None else stack.heights[index : index + 1]
        columns = heights if period is None else heights[:, period : period + 1]
        return tick(float(columns.sum()))

    amount = build_amounts(placed) if build_amounts else format_drawn
    set_alt_text(ax, "Stacked bars", text, describe_stack(stack, amount))
    return ax
