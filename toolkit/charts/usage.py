"""Charts of what was used and what it cost: tokens and dollars.

Sums are stacks over time, or without periods a bar for each series.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.layout import (
    DOTTED,
    draw_empty,
    format_single,
    start_axes,
    write_text,
)
from toolkit.charts.rows import Row, draw_bars, max_rows
from toolkit.charts.series import (
    count_unseen,
    divide_sums,
    drop_unknown,
    fold_series,
    sum_measure,
)
from toolkit.charts.stacked import build_stack, describe_stack, draw_stack
from toolkit.charts.text import format_value, tick_of
from toolkit.charts.titles import (
    build_note,
    build_text,
    capitalize,
    name_lack,
    set_alt_text,
    why_empty,
    why_unknown,
)
from toolkit.errors import plural
from toolkit.formatting.figures import UNKNOWN
from toolkit.formatting.text import format_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import ChartData, Series
    from toolkit.formatting.figures import Figure
    from toolkit.metrics.measures import Measure


def draw_sums(
    ax: Axes, data: ChartData, *, subtitle: str = "", missing: str = ""
) -> AxesLayout:
    """Draw the sums of the main measure.

    Stacked bars as wide as their periods, or filled steps for more than 90 periods; a
    period without responses is a gap. The five largest series (or six, if there are
    six) are shown, the largest at the bottom; the others are grouped as one. x is in
    matplotlib's days (UTC), labelled in the time zone. Periods that are `partial` are
    hatched. What is unknown is dotted: an estimate by the average of the rest. The note
    says what is missing. Without periods (``every=None``) each series is a horizontal
    bar.

    `missing` is what calls lack that the sums do not include.
    """
    spec, measure = data.spec, data.spec[data.spec.main]
    what, details = subtitle or capitalize(measure.title), []
    missing, lost = missing or f"without {measure.title}", None
    if measure.is_money:
        what, missing = "US dollars", "without a known price"
        lost = next((one for one in spec.drawn if one.part), None)
    note = build_note(data, measure, with_share=True)
    unseen = count_unseen(measure, data.frame)
    rows = data.dated.with_columns(
        pl.col(measure.name).cast(pl.Float64).alias("value"),
        _estimate_missing(data, measure, lost, unseen).alias("extra"),
    )
    if left_out := int(data.frame.select(unseen.sum()).item()):
        least = _format_least(
            data, measure, lost, f"{plural(left_out, 'call')} {missing}"
        )
        note = [least + DOTTED * bool(rows["extra"].sum()), *note]
        if measure.is_money:
            details = ["calls without a known price are not included"]
    if data.zone is not None:
        return _draw_over_time(ax, data, rows, (what, *details), note)
    series, placed = fold_series(rows, data.by, pl.col("value"), most=max_rows(ax))
    total = sum_measure(measure, rows)
    bars = [
        _build_bar(part, placed.filter(series=place), measure, total, lost)
        for place, part in enumerate(series)
    ]
    text = build_text(data, note, what, *details)
    reason, whole = why_unknown(measure), not measure.is_money
    return draw_bars(ax, text, bars, tick_of(measure), whole=whole, unknown=reason)


def _estimate_missing(
    data: ChartData, measure: Measure, lost: Measure | None, unseen: pl.Expr
) -> pl.Expr:
    """Return what each row may lack: as much per call, or per token, as the others."""
    part, whole = unseen, pl.col(measure.of)
    if lost is not None and lost.whole is not None:
        part, whole = pl.col(str(lost.part)), lost.whole
    elif measure.of not in data.frame.columns:
        return pl.lit(0.0)
    known = data.frame.select((whole - part).sum()).item() or 0
    rate = data.total(measure.name) / known if known > 0 else 0.0
    return part.cast(pl.Float64).fill_null(0) * rate


def _format_least(
    data: ChartData, measure: Measure, lost: Measure | None, calls: str
) -> str:
    """Format the total as a lower bound, and what it does not include."""
    figure = sum_measure(measure, data.frame)
    unit = "cost" if measure.is_money else measure.unit
    least = format_value(measure, figure, words=True)
    if not figure.is_known:
        least = f"{unit} unknown"
    elif not measure.is_money:
        least = f"{least} {unit}"
    share = _format_lost(lost, data.frame)
    lacks = f"{share} of tokens have no known price" if share else calls
    return f"{least}: {lacks}"


def _format_lost(lost: Measure | None, rows: pl.DataFrame) -> str:
    """Format the share of tokens without a price, if it is known and not zero."""
    share = divide_sums(lost, rows) if lost else UNKNOWN
    return format_share(share) if share.value else ""


def _build_bar(
    part: Series,
    rows: pl.DataFrame,
    measure: Measure,
    total: Figure,
    lost: Measure | None,
) -> Row:
    """Return the bar of a series, and what it does not include."""
    figure = sum_measure(measure, rows)
    text, more = format_value(measure, figure, words=False), ""
    if not figure.is_known:
        text = name_lack(measure)
    elif not measure.is_money:
        share = figure / total
        more = f"· {format_share(share)}" if share.is_known else ""
    elif figure.bound != "exact":
        unpriced = _format_lost(lost, rows)
        text += f", {unpriced} unpriced" if unpriced else ", unpriced calls"
    value = float(figure.number) if figure.is_known else nan
    extra = float(rows["extra"].sum())
    return Row(part.name, value, part.color, text, more, extra=extra)


def _draw_over_time(
    ax: Axes, data: ChartData, rows: pl.DataFrame, words: Sequence[str], note: list[str]
) -> AxesLayout:
    """Draw a stack over time; `words` are the parts of the subtitle."""
    start_axes(ax)
    measure = data.spec[data.spec.main]
    what, *details = words
    if reason := why_empty(data, rows["value"], measure):
        return draw_empty(ax, build_text(data, note, what, *details), reason)
    series, placed = fold_series(rows, data.by, pl.col("value"))
    series, placed, unknown = drop_unknown(series, placed, name_lack(measure))
    stack = build_stack(series, placed)
    what += format_single(ax, series)
    note += unknown
    text = build_text(data, note, what, *details, span=stack.span)
    layout = write_text(ax, text, parts=series if len(series) > 1 else [])
    set_alt_text(ax, "Stacked bars", text, describe_stack(stack, placed, measure))
    return draw_stack(ax, stack, layout, tick_of(measure))
