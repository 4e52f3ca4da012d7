"""Ratios over time as lines, or without periods as a bar for each series."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
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
from toolkit.charts.lines import build_lines, compute_ratios, describe_lines, draw_lines
from toolkit.charts.rows import max_rows
from toolkit.charts.series import (
    LEADING_COLUMNS,
    Metric,
    fold_series,
    read_frame,
)
from toolkit.charts.text import share_tick
from toolkit.charts.time_axis import build_span
from toolkit.charts.titles import (
    NO_DATES,
    NOT_REPORTED,
    ChartText,
    build_note,
    format_missing,
    format_subtitle,
    format_title,
)
from toolkit.errors import plural
from toolkit.formatting.text import UNKNOWN_TEXT, format_count, format_share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.series import ChartData, Series
    from toolkit.charts.time_axis import Span


class Ratio(NamedTuple):
    """How a ratio is drawn, and how that of folded series is computed."""

    metric: Metric
    value: str  # the column that is drawn
    part: str
    whole: pl.Expr
    title: str
    subtitle: tuple[str, ...]
    missing: tuple[str, str] = ("", "")  # a count, and what its responses lack
    noun: str = "call"
    counted: str = "responses"  # column that counts the nouns
    show: Callable[[float], str] = format_share
    tick: Callable[..., str] = share_tick
    most: float = 1.0  # the highest valid value; 0 if there is none
    excess: str = ""  # why a value may be higher
    of: str = "{part} of {whole} calls"  # after the value of a bar
    together: bool = False  # sum over the series of `by`; draw a line for each key
    transform: Callable[[pl.Expr], pl.Expr] | None = None  # from part / whole to value


def draw_ratio(frame: pl.DataFrame, ratio: Ratio, ax: Axes | None) -> Axes:
    """Draw a ratio over time, or as bars."""
    data = read_frame(frame, ratio.metric)
    rows, keys = data.dated, list(ratio.metric.keys)
    names, kind, by = [*data.by, *keys], "series", data.by
    if ratio.together:
        rows, names, kind, by = _sum_over_series(rows, ratio), keys, keys[0], ["kind"]
    note = _build_note(data, ratio)
    weight = pl.col(ratio.metric.main)
    most = None if data.zone is not None else max_rows(ax)
    lone = f"all {ratio.noun}s"
    series, placed = fold_series(rows, names, weight, most=most, kind=kind, lone=lone)
    table = compute_ratios(
        placed, ratio.part, ratio.whole, ratio.value, ratio.transform
    )
    if data.zone is None:
        text = ChartText(format_title(ratio.title, by), "; ".join(ratio.subtitle), note)
        return _draw_ratio_bars(ax, text, series, table, ratio)
    ax = build_axes() if ax is None else ax
    style_axes(ax)
    span = None if rows.is_empty() else build_span(rows)
    note += _format_excess(table, ratio, span)
    what, *details = ratio.subtitle
    what += format_single(ax, series) if by else ""
    text = ChartText(
        format_title(ratio.title, by, span),
        format_subtitle(data, span, what, *details, mark="Dashed"),
        note,
    )
    if span is None:
        return draw_empty(ax, text, NO_DATES)
    lines = build_lines(series, table)
    if not lines.known:
        return draw_empty(ax, text, NOT_REPORTED)
    layout = write_text(ax, text, parts=series if len(series) > 1 else [])
    draw_lines(ax, lines, layout, ratio.tick, most=ratio.most)
    set_alt_text(ax, "Lines", text, describe_lines(lines, ratio.show))
    return ax


def _sum_over_series(rows: pl.DataFrame, ratio: Ratio) -> pl.DataFrame:
    """Sum over the series of `by`: one row for each period and key."""
    keys = [name for name in LEADING_COLUMNS if name in rows.columns]
    whole = pl.col("~whole")
    known = pl.col(ratio.value).is_not_null()
    return (
        rows.group_by(*keys, *ratio.metric.keys, maintain_order=True)
        .agg(
            pl.col(ratio.metric.main).sum(),
            pl.col(ratio.part).filter(known).sum(),
            ratio.whole.filter(known).sum().alias("~whole"),
        )
        .with_columns(
            pl.when(whole > 0).then(pl.col(ratio.part) / whole).alias(ratio.value)
        )
    )


def _build_note(data: ChartData, ratio: Ratio) -> list[str]:
    """Build the note; without counts if a response has a row for each key."""
    if ratio.metric.keys:
        return format_missing(data, *ratio.missing, ratio.noun)
    return build_note(data, ratio.counted, ratio.noun, missing=ratio.missing)


def _format_excess(table: pl.DataFrame, ratio: Ratio, span: Span | None) -> list[str]:
    """Format in how many periods a value is above the highest valid one, and why."""
    above = table.filter(pl.col("value") > ratio.most) if ratio.most else table.clear()
    if above.is_empty() or span is None:
        return []
    periods = plural(above["period"].n_unique(), span.length.word)
    highest = ratio.show(float(above["value"].to_numpy().max()))
    reason = f" ({ratio.excess})" if ratio.excess else ""
    return [f"▲ {periods} above {ratio.show(ratio.most)}, up to {highest}{reason}"]


def _draw_ratio_bars(
    ax: Axes | None,
    text: ChartText,
    series: Sequence[Series],
    table: pl.DataFrame,
    ratio: Ratio,
) -> Axes:
    """Draw a ratio of each series as a bar, with numerator and denominator."""
    cells = {row["series"]: row for row in table.iter_rows(named=True)}
    bars = []
    for at, one in enumerate(series):
        row = cells[at]
        if row["value"] is None or not isfinite(row["value"]):
            bars.append(Row(one.name, np.nan, one.color, UNKNOWN_TEXT))
            continue
        value, shown = float(row["value"]), ratio.show(float(row["value"]))
        if ratio.most and value > ratio.most:
            value, shown = ratio.most, f"{shown} (off the scale)"
        parts = {
            name: format_count(row[f"~{name}"], "short") for name in ("part", "whole")
        }
        of = f"· {ratio.of.format(**parts)}"
        bars.append(Row(one.name, value, one.color, shown, of))
    return draw_bars(ax, text, bars, ratio.tick)
