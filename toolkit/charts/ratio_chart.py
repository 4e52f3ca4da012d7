"""Ratios over time: a line for each series, or a bar for each without periods."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from toolkit.charts.alt_text import line_facts, row_facts, tell
from toolkit.charts.bars import Row, axes_for, draw_rows, rows_at_most
from toolkit.charts.layout import Words, draw_nothing, new_axes, undress, write_words
from toolkit.charts.lines import draw_lines, lines, ratio
from toolkit.charts.series import LEADING_COLUMNS, Metric, fold, read
from toolkit.charts.text import percent_tick, share_text, short_number
from toolkit.charts.time_axis import span_of
from toolkit.charts.titles import heading, silent, when
from toolkit.errors import plural

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.series import Given, Series


def _same(mean: pl.Expr) -> pl.Expr:
    """Return what is drawn of a ratio: itself."""
    return mean


class Ratio(NamedTuple):
    """How a ratio is drawn, and how folded series make one of their own."""

    metric: Metric
    value: str  # the column that is drawn
    part: str
    whole: pl.Expr
    title: str
    subtitle: str
    unseen: tuple[str, str] = ("", "")  # a count, and what its responses do not say
    noun: str = "call"  # of what `metric.main` counts, if that is said in the note
    counted: str = "responses"
    shown: Callable[[float], str] = share_text
    tick: Callable[..., str] = percent_tick
    most: float = 1.0  # the highest value there can be, 0 if there is no such
    of: str = "{part} of {whole}"  # behind a bar
    together: bool = False  # all series of `by` as one: the keys are the lines
    lone: str = "all calls"
    folded: Callable[[pl.Expr], pl.Expr] = _same  # from part / whole to the value


def draw_ratio(frame: pl.DataFrame, way: Ratio, ax: Axes | None) -> Axes:
    """Draw a ratio of any metric over time, or as bars."""
    given = read(frame, way.metric)
    rows = given.dated
    names = list(way.metric.keys) if way.together else [*given.by, *way.metric.keys]
    note = _ratio_note(given, way)
    if way.together:
        rows = _all_together(rows, way)
    weight = pl.col(way.metric.main)
    kind = way.metric.keys[0] if way.together else "series"
    over_time = given.zone is not None
    most = None if over_time else rows_at_most(ax)
    series, placed = fold(rows, names, weight, most=most, kind=kind, lone=way.lone)
    table = ratio(placed, way.part, way.whole, way.value, way.folded)
    by = ["kind"] if way.together else given.by
    if not over_time:
        return _ratio_rows(
            series, table, Words(heading(way.title, by), way.subtitle, note), way, ax
        )
    ax = new_axes() if ax is None else ax
    undress(ax)
    span = None if rows.is_empty() else span_of(rows)
    note += _beyond(table["value"], way)
    own = f" of {series[0].name[:40]}" if len(series) == 1 and by else ""
    words = Words(
        heading(way.title, by, span),
        f"{way.subtitle}{own}{when(given, span, 'dashed')}",
        note,
    )
    drawn = None if span is None else lines(series, table)
    if drawn is None or not drawn.known:
        reason = "no dated responses" if drawn is None else "no response tells"
        draw_nothing(ax, reason, write_words(ax, words))
        tell(ax, "An empty chart", words, [reason])
        return ax
    parts = series if len(series) > 1 else []
    room = write_words(ax, words, parts=parts)
    draw_lines(ax, drawn, room, way.tick, most=way.most)
    tell(ax, "Lines", words, line_facts(drawn, way.shown))
    return ax


def _all_together(rows: pl.DataFrame, way: Ratio) -> pl.DataFrame:
    """Sum over the series of `by`: one row for each period and line."""
    keys = [*(name for name in LEADING_COLUMNS if name in rows.columns)]
    keys += way.metric.keys
    whole = pl.col("~whole")
    known = pl.col(way.value).is_not_null()  # nulls add nothing, and alone are null
    return (
        rows.group_by(keys, maintain_order=True)
        .agg(
            pl.col(way.metric.main).sum(),
            pl.col(way.part).filter(known).sum(),
            way.whole.filter(known).sum().alias("~whole"),
        )
        .with_columns(
            pl.when(whole > 0).then(pl.col(way.part) / whole).alias(way.value)
        )
    )


def _ratio_note(given: Given, way: Ratio) -> list[str]:
    """Say how many there are, and how many say nothing of it."""
    total = int(given.total(way.counted))
    repeated = bool(way.metric.keys)  # a row for each key counts a response again
    note = [] if repeated else [plural(total, way.noun)]
    if not repeated:
        note += given.undated(way.counted, None, "")
    column, says = way.unseen
    if column in given.frame.columns:
        note += silent(given, column, says, way.noun)
    return note


def _beyond(values: pl.Series, way: Ratio) -> list[str]:
    """Say how many values lie beyond what is sound, and how far."""
    far = values.filter(values > way.most) if way.most else values.clear()
    if far.is_empty():
        return []
    highest = way.shown(float(far.to_numpy().max()))
    return [
        f"▲ {plural(len(far), 'value')} beyond {way.shown(way.most)}, up to {highest}"
    ]


def _ratio_rows(
    series: Sequence[Series],
    table: pl.DataFrame,
    words: Words,
    way: Ratio,
    ax: Axes | None,
) -> Axes:
    """Draw a ratio of each series as a bar, its parts in numbers behind it."""
    cells = {row["series"]: row for row in table.iter_rows(named=True)}
    bars = []
    for at, one in enumerate(series):
        row = cells[at]
        known = row["value"] is not None and isfinite(row["value"])
        more = way.of.format(
            part=short_number(row["~part"]), whole=short_number(row["~whole"])
        )
        value = float(row["value"]) if known else np.nan
        text = way.shown(value) if known else "not known"
        if way.most and value > way.most:
            value, text = way.most, f"{text} (off the scale)"
        bars.append(Row(one.name, value, one.color, text, f"· {more}" if known else ""))
    ax = axes_for(len(bars), ax)
    draw_rows(ax, words, bars, way.tick)
    tell(ax, "Bars", words, row_facts(bars))
    return ax
