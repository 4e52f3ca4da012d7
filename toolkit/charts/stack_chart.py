"""Sums over time as stacks, or without periods as a bar for each series."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from toolkit.charts.alt_text import set_alt_text
from toolkit.charts.bars import Row, draw_bars
from toolkit.charts.layout import (
    DOTTED,
    draw_empty,
    format_single,
    start_axes,
    write_text,
)
from toolkit.charts.rows import max_rows
from toolkit.charts.series import LEADING_COLUMNS, fold_series, read_frame
from toolkit.charts.stacked import build_stack, describe_stack, draw_stack
from toolkit.charts.text import count_tick, usd_tick
from toolkit.charts.titles import (
    NO_PRICES,
    NOT_REPORTED,
    build_note,
    build_text,
    capitalize,
    why_empty,
)
from toolkit.errors import plural
from toolkit.formatting.figures import Figure, sum_with_gaps
from toolkit.formatting.text import (
    UNKNOWN_TEXT,
    format_count,
    format_share,
    format_usd,
)
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
    """Draw the sums of the main measure over time, or as bars; bounds are dotted.

    `missing` is what calls lack that the sums do not include.
    """
    data, measure = read_frame(frame, spec), spec[spec.main]
    columns = _columns_of(spec, measure, data)
    rows = select_values(data, pl.col(measure.name), *columns)
    sums = _Sums(measure, rows.with_columns(open=pl.col("unseen") > 0))
    note, total = build_note(data, measure, with_share=True), data.frame.select(columns)
    words = [subtitle or capitalize(measure.title)]
    missing = missing or f"without {measure.title}"
    if measure.is_money:
        words, missing = ["US dollars"], "without a known price"
    if total["unseen"].sum():
        note = [sums.format_missing(total, missing), *note]
        if measure.is_money:
            words.append("calls without a known price are not included")
    if data.zone is not None:
        return _draw_over_time(ax, data, sums, words, note)
    fields = ("exact", "unseen", "calls", "lost", "whole", "silent")
    series, placed = sum_series(data, sums.rows, ax, pl.col(fields).sum())
    parts = placed.iter_slices(1)
    bars = [sums.build_bar(part, row) for part, row in zip(series, parts, strict=True)]
    text = build_text(data, note, *words)
    reason = NO_PRICES if measure.is_money else NOT_REPORTED
    whole = not measure.is_money
    return draw_bars(ax, text, bars, sums.tick, whole=whole, unknown=reason)


def _columns_of(spec: MetricSpec, measure: Measure, data: ChartData) -> list[pl.Expr]:
    """Return the exact sum, how many calls it does not include, and of how many.

    Of money also the tokens without a price, all tokens, and the calls that do not
    report tokens: those of the first share that the chart shows.
    """
    share = next((one for one in spec.drawn if one.part), None)
    names = {
        "unseen": measure.unseen,
        "calls": measure.of if measure.unseen else None,
        "lost": share.part if share else None,
        "whole": share.columns[2] if share else None,
        "silent": share.unseen if share else None,
    }
    counts = [
        (pl.col(name) if name in data.frame.columns else pl.lit(0))
        .cast(pl.Int64)
        .alias(alias)
        for alias, name in names.items()
    ]
    dtype = MONEY if measure.is_money else measure.dtype
    return [pl.col(measure.name).cast(dtype).alias("exact"), *counts]


class _Sums(NamedTuple):
    """Rows of a measure that adds up, and how sums of them are written."""

    measure: Measure
    rows: pl.DataFrame

    @property
    def tick(self) -> Callable[..., str]:
        """Return what writes a value on the axis."""
        return usd_tick if self.measure.is_money else count_tick

    def add(self, rows: pl.DataFrame) -> Figure:
        """Sum rows: a lower bound if calls are unseen."""
        value, missing, of = rows.select(pl.col("exact", "unseen", "calls").sum()).row(
            0
        )
        return sum_with_gaps(value, missing=missing, of=of)

    def write(self, figure: Figure, *, words: bool = True) -> str:
        """Format a sum."""
        if self.measure.is_money:
            return format_usd(figure, words=words)
        return format_count(figure, "short", words=words)

    def format_missing(self, total: pl.DataFrame, missing: str) -> str:
        """Format the total as a lower bound, and what it does not include."""
        figure, unit = self.add(total), self.measure.unit
        least = self.write(figure) + ("" if self.measure.is_money else f" {unit}")
        if not figure.is_known:
            least = f"{'cost' if self.measure.is_money else unit} unknown"
        lost = _format_lost(total)
        calls = plural(int(total["unseen"].sum()), "call")
        lacks = (
            f"{lost} of tokens have no known price" if lost else f"{calls} {missing}"
        )
        return f"{least}: {lacks}{DOTTED}"

    def build_bar(self, part: Series, row: pl.DataFrame) -> Row:
        """Return the bar of a series, and what it does not include."""
        figure, total = self.add(row), self.add(self.rows)
        text, more = self.write(figure, words=False), ""
        if not figure.is_known:
            text = "no known price" if self.measure.is_money else UNKNOWN_TEXT
        elif not self.measure.is_money:
            share = figure / total
            more = f"· {format_share(share)}" if share.is_known else ""
        elif figure.bound != "exact":
            lost = _format_lost(row)
            text += f", {lost} unpriced" if lost else ", unpriced calls"
        value = float(figure.number) if figure.is_known else nan
        is_open = figure.bound != "exact"
        return Row(part.name, value, part.color, text, more, open=is_open)


def _format_lost(rows: pl.DataFrame) -> str:
    """Format the share of tokens without a price, if it is known and not zero."""
    lost, whole, silent = rows.select(pl.col("lost", "whole", "silent").sum()).row(0)
    if not lost or not whole:
        return ""
    return format_share(Figure(lost / whole, "approximate" if silent else "exact"))


def _draw_over_time(
    ax: Axes | None,
    data: ChartData,
    sums: _Sums,
    words: Sequence[str],
    note: list[str],
) -> Axes:
    """Draw a stack over time; `words` are the parts of the subtitle."""
    ax = start_axes(ax)
    what, *details = words
    if reason := why_empty(data, sums.rows["value"], sums.measure):
        return draw_empty(ax, build_text(data, note, what, *details), reason)
    series, placed = fold_series(sums.rows, data.by, pl.col("value"))
    stack = build_stack(series, placed)
    what += format_single(ax, series)
    text = build_text(data, note, what, *details, span=stack.span)
    known = set(placed.drop_nulls("value")["series"])
    names = [
        part if place in known else part._replace(name=f"{part.name} ({UNKNOWN_TEXT})")
        for place, part in enumerate(series)
    ]
    layout = write_text(ax, text, parts=names if len(series) > 1 else [])
    draw_stack(ax, stack, layout, sums.tick)
    facts = describe_stack(stack, placed, sums.add, sums.write)
    set_alt_text(ax, "Stacked bars", text, facts)
    return ax
