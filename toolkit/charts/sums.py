"""Charts of sums and shares: tokens, dollars, models, finish reasons."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.charts.layout import (
    draw_empty,
    format_single,
    start_axes,
    write_text,
)
from toolkit.charts.rows import Row, draw_bars, draw_share_bars, max_rows
from toolkit.charts.series import (
    count_unseen,
    divide_sums,
    drop_unknown,
    fold_series,
    sum_measure,
)
from toolkit.charts.stacked import (
    build_stack,
    describe_shares,
    describe_stack,
    draw_stack,
)
from toolkit.charts.text import format_value, share_tick, tick_of
from toolkit.charts.time_axis import PERIOD
from toolkit.charts.titles import (
    build_note,
    build_text,
    capitalize,
    name_lack,
    set_alt_text,
    unit_noun,
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
    from toolkit.metrics.spec import MetricSpec


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
        note = [least + " (dotted)" * bool(rows["extra"].sum()), *note]
        if measure.is_money:
            details = ["calls without a known price are not included"]
    if data.zone is not None:
        return _draw_over_time(ax, data, rows, data.by, (what, *details), note)
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
    ax: Axes,
    data: ChartData,
    rows: pl.DataFrame,
    names: Sequence[str],
    words: Sequence[str],
    note: list[str],
) -> AxesLayout:
    """Draw a stack over time; `words` are the parts of the subtitle.

    With a column `~whole` it is one of 100%, of `value` over that.
    """
    start_axes(ax)
    measure, is_mix = data.spec[data.spec.main], "~whole" in rows.columns
    what, *details = words
    if reason := why_empty(data, rows["value"], measure):
        return draw_empty(ax, build_text(data, note, what, *details), reason)
    series, placed = fold_series(rows, names, pl.col("value"))
    series, placed, unknown = drop_unknown(series, placed, name_lack(measure))
    note += unknown
    tick, kind = tick_of(measure), "Stacked bars"
    if is_mix:
        tick, kind = share_tick, "Stacks of 100%"
        share = pl.col("value") / pl.col("~whole").cast(pl.Float64).max().over("period")
        placed = placed.with_columns(share.fill_nan(0.0).alias("value"))
    else:
        what += format_single(ax, series)
    stack = build_stack(series, placed)
    text = build_text(data, note, what, *details, span=stack.span)
    layout = write_text(ax, text, parts=series if len(series) > 1 else [])
    described = (
        describe_shares(stack) if is_mix else describe_stack(stack, placed, measure)
    )
    set_alt_text(ax, kind, text, described)
    return draw_stack(ax, stack, layout, tick, whole=not is_mix)


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
        return _draw_over_time(ax, data, rows, data.by, [what], note)
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
    unfolded = rows.drop("folded", strict=False)
    if data.zone is not None:
        is_sum = rows.select(*PERIOD, key).is_duplicated().any()
        what += " of all series" if is_sum else ""
        whole = value.sum().over("period").alias("~whole")
        data, unfolded = data._replace(by=[]), unfolded.with_columns(whole)
        return _draw_over_time(ax, data, unfolded, [key], [what], note)
    parts, placed = fold_series(unfolded, [key], value)
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
