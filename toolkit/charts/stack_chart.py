"""Sums over time as stacks, or without periods as a bar for each series."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from toolkit.charts.alt_text import set_alt_text
from toolkit.charts.bars import Row, draw_bars
from toolkit.charts.layout import (
    build_axes,
    draw_empty,
    format_single,
    style_axes,
    write_text,
)
from toolkit.charts.rows import max_rows
from toolkit.charts.series import LEADING_COLUMNS, Metric, fold_series, read_frame
from toolkit.charts.stacked import build_stack, describe_stack, draw_stack
from toolkit.charts.text import count_tick
from toolkit.charts.titles import (
    NO_DATES,
    NOT_REPORTED,
    ChartText,
    build_note,
    format_subtitle,
    format_title,
)
from toolkit.formatting.text import format_count, format_share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.series import ChartData, Series


class SumChart(NamedTuple):
    """How the sum of a measure is drawn."""

    metric: Metric
    title: str
    subtitle: str
    unit: str
    missing: tuple[str, str] | None = None  # a count, and what its responses lack


def select_values(data: ChartData, value: pl.Expr, *more: pl.Expr) -> pl.DataFrame:
    """Select the dated rows: their periods and keys, `value` as a double, and more."""
    leading = [] if data.zone is None else LEADING_COLUMNS
    columns = [*leading, "folded", *data.by, *data.metric.keys]
    present = [name for name in columns if name in data.frame.columns]
    return data.dated.select(*present, value.cast(pl.Float64).alias("value"), *more)


def sum_series(
    data: ChartData, rows: pl.DataFrame, ax: Axes | None, *more: pl.Expr
) -> tuple[list[Series], pl.DataFrame]:
    """Fold rows without periods into as many series as fit; sum `value` of each."""
    series, placed = fold_series(rows, data.by, pl.col("value"), most=max_rows(ax))
    sums = placed.group_by("series").agg(pl.col("value").sum(), *more)
    return series, sums.sort("series")


def draw_sums(frame: pl.DataFrame, chart: SumChart, ax: Axes | None) -> Axes:
    """Draw the sums of a measure over time, or as bars."""
    data = read_frame(frame, chart.metric)
    measure = chart.metric.main
    rows = select_values(data, pl.col(measure))
    note = build_note(data, share=(measure, chart.unit), missing=chart.missing)
    if data.zone is not None:
        return draw_over_time(
            ax, data, rows, (chart.title, chart.subtitle), note, count_tick
        )
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
    text = ChartText(format_title(chart.title, data.by), chart.subtitle, note)
    return draw_bars(ax, text, bars, count_tick, whole=True)


def draw_over_time(
    ax: Axes | None,
    data: ChartData,
    rows: pl.DataFrame,
    words: Sequence[str],
    note: list[str],
    tick: Callable[..., str],
    build_amounts: Callable[[pl.DataFrame], Callable[..., str]] | None = None,
) -> Axes:
    """Draw a stack over time; `words` are the title and the parts of the subtitle.

    `tick` formats the axis. `build_amounts` builds from the rows what formats the sums
    in the alt text; the default formats what is drawn.
    """
    ax = build_axes() if ax is None else ax
    style_axes(ax)
    title, what, *details = words
    if rows["value"].null_count() == len(rows):
        text = ChartText(
            format_title(title, data.by),
            format_subtitle(data, None, what, *details),
            note,
        )
        return draw_empty(ax, text, NO_DATES if rows.is_empty() else NOT_REPORTED)
    series, placed = fold_series(rows, data.by, pl.col("value"))
    pile = build_stack(series, placed)
    what += format_single(ax, series)
    text = ChartText(
        format_title(title, data.by, pile.span),
        format_subtitle(data, pile.span, what, *details),
        note,
    )
    layout = write_text(ax, text, parts=series if len(series) > 1 else [])
    draw_stack(ax, pile, layout, tick)

    def format_drawn(index: int | None, period: int | None) -> str:
        heights = pile.heights if index is None else pile.heights[index : index + 1]
        columns = heights if period is None else heights[:, period : period + 1]
        return tick(float(columns.sum()))

    amount = build_amounts(placed) if build_amounts else format_drawn
    set_alt_text(ax, "Stacked bars", text, describe_stack(pile, amount))
    return ax
