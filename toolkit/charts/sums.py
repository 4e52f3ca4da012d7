"""Charts of what adds up: stacks, shares, and bars of tokens, dollars and calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts import titles
from toolkit.charts.over_time import draw_over_time
from toolkit.charts.rows import Mark, Row, draw_rows, max_rows
from toolkit.charts.series import (
    count_unseen,
    divide_sums,
    fold_series,
    sum_measure,
)
from toolkit.charts.style import current_theme
from toolkit.charts.text import format_value, share_tick, tick_of
from toolkit.charts.time_axis import PERIOD
from toolkit.errors import plural
from toolkit.formatting.figures import UNKNOWN
from toolkit.formatting.text import UNKNOWN_TEXT, capitalize, format_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

    from toolkit.charts.series import ChartData, Series
    from toolkit.formatting.figures import Figure
    from toolkit.metrics.measures import Measure

_MAX_BARS = 16


def draw_sums(
    ax: Axes, data: ChartData, *, subtitle: str = "", missing: str = ""
) -> Bbox:
    """Draw the sums of the main measure.

    Stacked bars as wide as their periods, or filled steps for more than 90 periods; a
    period without responses is a gap. The five largest series (or six, if there are
    six) are shown, the largest at the bottom; the others are grouped as one. x is in
    matplotlib's days (UTC), labelled in the time zone. Periods that are `partial` are
    hatched. What is unknown is dotted: an estimate by the average of the rest. The note
    counts what is missing. Without periods (``every=None``) each series is a horizontal
    bar.

    `missing` is what calls lack that the sums do not include.
    """
    spec, measure = data.spec, data.spec[data.spec.main]
    words, lost = [subtitle or capitalize(measure.title)], None
    missing = missing or f"without {measure.title}"
    if measure.is_money:
        words, missing = ["US dollars"], "without a known price"
        lost = next((one for one in spec.drawn if one.part), None)
    unseen = count_unseen(measure, data.frame)
    rows = data.dated.with_columns(
        pl.col(measure.name).cast(pl.Float64).alias("value"),
        _estimate_missing(data, measure, lost, unseen).alias("extra"),
    )
    note = titles.build_note(data, measure._replace(unseen=None))
    if left_out := int(data.frame.select(unseen.sum()).item()):
        lacks = _format_lost(lost, data.frame, " of tokens have no known price")
        lacks = lacks or f"{plural(left_out, 'call')} {missing}"
        dots = " (dotted)" if rows["extra"].sum() else ""
        note = [f"{_format_least(data, measure)}: {lacks}{dots}", *note]
        if measure.is_money:
            words.append("calls without a known price are not included")
    if data.zone is not None:
        series, placed = fold_series(rows, data.by, pl.col("value"))
        return draw_over_time(
            ax, data, series, placed, measure, words, note, "Stacked bars"
        )
    series, placed = fold_series(rows, data.by, pl.col("value"), most=max_rows(ax))
    total = sum_measure(measure, rows)
    bars = [
        _build_bar(part, placed.filter(series=place), measure, total, lost)
        for place, part in enumerate(series)
    ]
    text, unknown = titles.build_text(data, note, words), titles.why_unknown(measure)
    return draw_rows(ax, text, bars, tick=tick_of(measure), unknown=unknown)


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


def _format_least(data: ChartData, measure: Measure) -> str:
    """Format the total as a lower bound."""
    figure = sum_measure(measure, data.frame)
    least = format_value(measure, figure, words=True)
    if not figure.is_known:
        return f"{'cost' if measure.is_money else measure.unit} unknown"
    return least if measure.is_money else f"{least} {measure.unit}"


def _format_lost(lost: Measure | None, rows: pl.DataFrame, words: str) -> str:
    """Format the share of tokens without a price, if it is known and not zero."""
    share = divide_sums(lost, rows) if lost else UNKNOWN
    return f"{format_share(share)}{words}" if share.value else ""


def _build_bar(
    part: Series,
    rows: pl.DataFrame,
    measure: Measure,
    total: Figure,
    lost: Measure | None,
) -> Row:
    """Return the bar of a series, and what it does not include."""
    figure, extra = sum_measure(measure, rows), float(rows["extra"].sum())
    value = float(figure.number) if figure.is_known else 0.0
    marks = [Mark(0, value, part.color)] if figure.is_known else []
    if extra:
        marks.append(Mark(value, value + extra, kind="unknown"))
    if not figure.is_known:
        return Row(part.name, titles.name_lack(measure), marks)
    text, more = format_value(measure, figure, words=False), ""
    if not measure.is_money:
        share = figure / total
        more = f"· {format_share(share)}" if share.is_known else ""
    elif figure.bound != "exact":
        text += f", {_format_lost(lost, rows, ' unpriced') or 'unpriced calls'}"
    return Row(part.name, text, marks, more)


def draw_mix(ax: Axes, data: ChartData) -> Bbox:
    """Draw the shares of the main measure.

    Stacks of 100% of each period: of the series or, if the metric has keys, of a key in
    the sum of all series. Without periods each series is a horizontal bar; with keys it
    is one of 100%.
    """
    spec, measure = data.spec, data.spec[data.spec.main]
    what, value = f"Share of {measure.title}", pl.col("value")
    note = titles.build_note(data, measure._replace(of=measure.name))
    rows = data.dated.with_columns(pl.col(measure.name).cast(pl.Float64).alias("value"))
    names = list(spec.key_names[:1]) or data.by
    unfolded = rows.drop("folded", strict=False) if spec.keys else rows
    if data.zone is not None:
        is_sum = rows.select(*PERIOD, *names).is_duplicated().any()
        words = [what + " of all series" if is_sum else what]
        series, placed = fold_series(unfolded, names, value)
        share = (value / value.sum().over("period")).fill_nan(0.0)
        shares = placed.with_columns(share.alias("value"))
        return draw_over_time(
            ax, data, series, shares, measure, words, note, "Stacks of 100%"
        )
    text, noun = titles.build_text(data, note, [what]), titles.unit_noun(measure.unit)
    if spec.keys:
        parts, placed = fold_series(unfolded, names, value)
        rows = rows.with_columns(placed["series"].alias("~part"))
    lone, most = f"all {noun}s", max_rows(ax)
    series, placed = fold_series(rows, data.by, value, most=most, lone=lone)
    tables = [placed.filter(series=place) for place in range(len(series))]
    if spec.keys:
        bars = [
            Row(one.name, "", _divide_bar(parts, table))
            for one, table in zip(series, tables, strict=True)
        ]
        return draw_rows(
            ax, text, bars, tick=share_tick, kind="Bars of 100%", legend=parts
        )
    total, bars = float(rows["value"].sum()), []
    for part, table in zip(series, tables, strict=True):
        calls = int(table["value"].sum())
        whole = calls / total if total else 0.0
        shown, more = format_share(whole, words=True), f"· {plural(calls, noun)}"
        bars.append(Row(part.name, shown, [Mark(0, whole, part.color)], more))
    return draw_rows(ax, text, bars, tick=share_tick)


def _divide_bar(parts: Sequence[Series], rows: pl.DataFrame) -> list[Mark]:
    """Return the parts of a bar of 100%."""
    total, start, marks = float(rows["value"].sum()), 0.0, []
    for place, part in enumerate(parts):
        value = float(rows.filter(pl.col("~part") == place)["value"].sum())
        share = value / total if total else 0.0
        text = format_share(share) if share else ""
        marks.append(Mark(start, start + share, part.color, part.name, text=text))
        start += share
    return marks


def draw_counts(
    ax: Axes,
    data: ChartData,
    *,
    subtitle: str = "",
    noun: str = "",
    fault: str = "",
    faults: str = "",
    missing: str = "",
) -> Bbox:
    """Draw the sums of the main measure.

    A bar for each key of the metric, or for each series, the largest at the top; all
    periods are summed, and undated responses too. Of a ratio of the main measure the
    numerator is orange, and the share is at the end.

    `fault` and `faults` name that part, and `missing` what it does not include.
    """
    spec, measure = data.spec, data.spec[data.spec.main]
    noun = noun or titles.unit_noun(measure.unit)
    names = list(spec.key_names) or data.by
    ratio = next((one for one in spec.drawn if one.part not in {None, spec.main}), None)
    rows = data.frame.drop("folded", strict=False) if spec.keys else data.frame
    weight, most = pl.col(measure.name), min(_MAX_BARS, max_rows(ax))
    series, placed = fold_series(rows, names, weight, most=most, lone=f"all {noun}s")
    bars, theme = [], current_theme()
    for place, part in enumerate(series):
        of_series = placed.filter(series=place)
        figure = sum_measure(measure, of_series)
        if not figure.is_known:
            bars.append(Row(part.name, UNKNOWN_TEXT))
            continue
        end = format_value(measure, figure, words=False)
        faulty = float(of_series[ratio.part].sum()) if ratio and ratio.part else 0.0
        length = float(figure.number)
        marks = [Mark(0, length - faulty, theme.pale if part.folded else theme.soft)]
        marks += [Mark(length - faulty, length, theme.warn)] if faulty else []
        share = divide_sums(ratio, of_series) if ratio and faulty else UNKNOWN
        more = f"· {format_share(share)} {fault}" if share.is_known else ""
        bars.append(Row(part.name, end, marks, more))
    note = [plural(int(data.total(measure.name)), noun)]
    note += [f"orange: {faults}"] if any(len(bar.marks) > 1 for bar in bars) else []
    note += titles.format_missing(data, ratio, missing) if ratio else []
    if "period" in data.frame.columns and len(data.frame):
        note.append("all periods together")
    what = subtitle or capitalize(measure.title)
    text = titles.ChartText(titles.format_title(spec.title, names), what, note)
    return draw_rows(ax, text, bars, tick=tick_of(measure), empty=f"no {noun}s")
