"""Tables of a report: the frame of a metric as text, cut to a readable length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from toolkit.errors import plural
from toolkit.formatting.dates import format_moment
from toolkit.formatting.text import (
    DASH,
    UNKNOWN_TEXT,
    format_count,
    format_name,
    format_number,
    format_share,
    format_usd,
)
from toolkit.metrics.registry import SPECS
from toolkit.report.sections import KINDS, WEEKDAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.metrics.spec import MetricSpec
    from toolkit.report.sections import Section


_FOLDED = "folded"
_MOST_ROWS = 40  # of a table; the smallest beyond are one row


_WRITERS: dict[str, Callable[[Any], str]] = {
    "count": format_count,
    "share": format_share,
    "usd": format_usd,
    "number": format_number,
    "time": format_moment,
    "flag": lambda flag: "yes" if flag else "no",
    "kind": lambda kind: KINDS.get(kind, format_name(kind)),
}


class Table(NamedTuple):
    """Heads and rows as text, and the figures behind them as data.

    `kinds` says how each column is written; names are left-aligned.
    """

    names: list[str]
    heads: list[str]
    kinds: list[str]
    rows: list[list[str]]
    data: list[list[object]]
    folds: list[int]
    folded: int


def table_of(section: Section, frame: pl.DataFrame, by: Sequence[str]) -> Table:
    """Return the frame of a section as a table, the largest rows first."""
    spec = SPECS[section.name]
    series = [*(by if "by" in spec.option_names else ()), *spec.key_names]
    shown, folded = _largest(frame, section, series)
    columns = [*series, *section.columns]
    kinds = [_kind_of(spec, name) for name in columns]
    data = [[row[name] for name in columns] for row in shown.iter_rows(named=True)]
    rows = [
        [
            format_usd(spec[name].figure(row)) if kind == "usd" else _write(value, kind)
            for name, value, kind in zip(columns, values, kinds, strict=True)
        ]
        for values, row in zip(data, shown.iter_rows(named=True), strict=True)
    ]
    numbers = shown[_FOLDED].to_list() if _FOLDED in shown.columns else [0] * len(rows)
    for row, number in zip(rows, numbers, strict=True):
        if number and series:
            row[0] = _others(number)
    heads = [_head_of(spec, name) for name in columns]
    return Table(columns, heads, kinds, rows, data, numbers, folded)


def _others(number: int) -> str:
    """Return how many series were summed into one row, in words."""
    return "1 other" if number == 1 else f"{number:,} others"


def _head_of(spec: MetricSpec, name: str) -> str:
    """Return the head of a column; tags and other columns have their own name."""
    titles = {key.name: key.title for key in (*SPECS["drift"].keys, *spec.keys)}
    titles |= {measure.name: measure.title for measure in spec.shown}
    return titles.get(name) or format_name(name.removeprefix("tag_"))


def _kind_of(spec: MetricSpec, name: str) -> str:
    """Return how a column is written."""
    measure = spec.get(name)
    if measure is None:
        return "kind" if name == "tokens" and name in spec.key_names else "name"
    if measure.is_money or measure.is_share:
        return "usd" if measure.is_money else "share"
    dtype = measure.dtype
    if dtype.is_temporal() or dtype == pl.Boolean:
        return "time" if dtype.is_temporal() else "flag"
    return "count" if dtype.is_integer() else "number"


def _largest(
    frame: pl.DataFrame, section: Section, series: Sequence[str]
) -> tuple[pl.DataFrame, int]:
    """Return the largest rows, folded ones last, and the number of folded series."""
    folded = pl.col(_FOLDED) if _FOLDED in frame.columns else pl.lit(0, pl.Int64)
    numbered = frame.with_columns(folded.alias(_FOLDED)).sort(
        pl.col(_FOLDED) > 0,
        pl.col(section.sorts).fill_null(0),
        *series,
        descending=[False, True, *[False] * len(series)],
        nulls_last=True,
    )
    count = int(numbered[_FOLDED].sum()) if series else 0
    if len(numbered) <= _MOST_ROWS:
        return numbered, count
    rest = numbered[_MOST_ROWS:]
    additive = {one.name for one in SPECS[section.name].measures if one.additive}
    # Only counts and sums add up; a ratio of many rows is unknown here.
    sums = [
        pl.col(name).sum().cast(dtype)
        if name == _FOLDED or name in additive
        else pl.lit(None, dtype).alias(name)
        for name, dtype in numbered.schema.items()
    ]
    row = rest.select(sums).with_columns(pl.lit(len(rest), pl.Int64).alias(_FOLDED))
    return pl.concat([numbered[:_MOST_ROWS], row]), max(count, len(rest))


def _write(value: Any, kind: str) -> str:  # noqa: ANN401 - any kind of cell
    """Format a cell."""
    if kind == "name":
        return format_name(value)
    return DASH if value is None else _WRITERS[kind](value)


def volume_table(frame: pl.DataFrame) -> Table:
    """Return calls by hour and weekday: one row per hour, one column per day."""
    counts = {
        (hour, day): calls
        for day, hour, calls in frame.select("weekday", "hour", "responses")
        .group_by("weekday", "hour")
        .agg(pl.col("responses").sum())
        .iter_rows()
    }
    undated = sum(calls for (hour, _), calls in counts.items() if hour is None)
    data: list[list[Any]] = [
        [f"{hour:02}:00", *[counts.get((hour, day), 0) for day in range(1, 8)]]
        for hour in range(24)
    ]
    names = ["hour", *[day.lower() for day in WEEKDAYS]]
    kinds = ["name", *["count"] * 7]
    rows = [list(map(_write, row, kinds)) for row in data]
    if undated:
        rows.append([UNKNOWN_TEXT, plural(undated, "call"), *[""] * 6])
    return Table(names, ["hour", *WEEKDAYS], kinds, rows, data, [0] * 24, 0)


def periods_of(
    usage: pl.DataFrame, cost: pl.DataFrame, truncation: pl.DataFrame
) -> pl.DataFrame:
    """Sum the series of each period, to compare them with a later report."""
    keys = ["period", "period_end", "partial"]
    frames = [
        usage.group_by(keys).agg(
            pl.col("responses").sum().alias("calls"),
            pl.col("total_tokens").sum().alias("tokens"),
        ),
        cost.group_by("period").agg(
            pl.col("cost").sum(),
            pl.col("responses_unpriced").sum().alias("calls_unpriced"),
        ),
        truncation.group_by("period").agg(
            pl.col("responses_truncated").sum().alias("calls_cut_off")
        ),
    ]
    table, *others = frames
    for other in others:
        table = table.join(other, on="period", how="left", nulls_equal=True)
    return table.sort("period", nulls_last=True)


def series_of(
    usage: pl.DataFrame, cost: pl.DataFrame, by: Sequence[str]
) -> pl.DataFrame:
    """Return calls, tokens and cost of each series over the range."""
    costs = cost.select(
        *by, "cost", pl.col("responses_unpriced").alias("calls_unpriced")
    )
    return (
        usage.filter(pl.col("folded") == 0)
        .select(
            *by,
            pl.col("responses").alias("calls"),
            pl.col("total_tokens").alias("tokens"),
        )
        .join(costs, on=list(by), how="left", nulls_equal=True)
        .sort(*by, nulls_last=True)
    )
