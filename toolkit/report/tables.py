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
    format_share,
    format_usd,
)
from toolkit.metrics.bounds import with_bounds
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from toolkit.metrics.spec import MetricSpec
    from toolkit.report.sections import Section


_FOLDED = "folded"
_MOST_ROWS = 40  # of a table; the smallest beyond are one row
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WRITERS: dict[str, Callable[[Any], str]] = {
    "count": format_count,
    "usd": format_usd,
    "share": format_share,
    "number": format_count,
    "time": format_moment,
    "flag": lambda flag: "yes" if flag else "no",
    "kind": lambda kind: format_name(kind.removesuffix("_tokens").replace("_", " ")),
}
NUMBERS = {"count", "usd", "share", "number"}


# What is known of a period: metric and measure.
_PERIOD_SUMS = {
    "calls": ("token_usage", "responses"),
    "tokens": ("token_usage", "total_tokens"),
    "cost": ("cost", "cost"),
    "calls_unpriced": ("cost", "responses_unpriced"),
    "calls_cut_off": ("truncation_rate", "responses_truncated"),
}
_SERIES_SUMS = ("calls", "tokens", "cost", "calls_unpriced")
PERIOD_METRICS = {metric for metric, _ in _PERIOD_SUMS.values()}


class Table(NamedTuple):
    """Heads and rows as text, and the figures behind them as data.

    `kinds` says how each column is written; names are left-aligned. `fields` are the
    columns of the data: those of the rows, and the bounds of sums with gaps.
    """

    names: list[str]
    heads: list[str]
    kinds: list[str]
    rows: list[list[str]]
    data: Sequence[Sequence[object]]
    fields: list[str]
    folds: list[int]
    folded: int = 0


def table_of(section: Section, frame: pl.DataFrame, by: Sequence[str]) -> Table:
    """Return the frame of a section as a table, the largest rows first."""
    spec = SPECS[section.name]
    series = [*(by if "by" in spec.option_names else ()), *spec.key_names]
    shown, folded = _largest(frame, spec, section.sorts or spec.main, series)
    columns = [*series, *section.columns]
    kinds = [_kind_of(spec, name) for name in columns]
    rows = [
        [
            _write(spec, row, name, kind)
            for name, kind in zip(columns, kinds, strict=True)
        ]
        for row in shown.iter_rows(named=True)
    ]
    folds = shown[_FOLDED].to_list()
    for row, number in zip(rows, folds, strict=True):
        if number and series:
            row[0] = "1 other" if number == 1 else f"{number:,} others"
    bounded = with_bounds(shown, spec)
    pairs = ((name, f"{name}_bound") for name in columns)
    fields = [name for pair in pairs for name in pair if name in bounded.columns]
    return Table(
        columns,
        [_head_of(spec, name) for name in columns],
        kinds,
        rows,
        bounded.select(fields).rows(),
        fields,
        folds,
        folded,
    )


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


def _write(spec: MetricSpec, row: Mapping[str, Any], name: str, kind: str) -> str:
    """Format a cell."""
    if kind == "name":
        return format_name(row[name])
    measure, value = spec.get(name), row[name]
    if measure is not None and kind in NUMBERS:
        value = measure.figure(row)
    return DASH if value is None else _WRITERS[kind](value)


def _largest(
    frame: pl.DataFrame, spec: MetricSpec, sorts: str, series: Sequence[str]
) -> tuple[pl.DataFrame, int]:
    """Return the largest rows, folded ones last, and the number of folded series."""
    folded = pl.col(_FOLDED) if _FOLDED in frame.columns else pl.lit(0, pl.Int64)
    numbered = frame.with_columns(folded.alias(_FOLDED)).sort(
        pl.col(_FOLDED) > 0,
        pl.col(sorts).fill_null(0),
        *series,
        descending=[False, True, *[False] * len(series)],
        nulls_last=True,
    )
    count = int(numbered[_FOLDED].sum()) if series else 0
    if len(numbered) <= _MOST_ROWS:
        return numbered, count
    rest = numbered[_MOST_ROWS:]
    additive = [one.name for one in spec.shown if one.additive]
    # Only counts and sums add up; a ratio of many rows is unknown here.
    row = rest.select(
        pl.col(additive).sum(), pl.lit(len(rest), pl.Int64).alias(_FOLDED)
    ).with_columns(spec[name].known.alias(name) for name in additive)
    shown = pl.concat([numbered[:_MOST_ROWS], row], how="diagonal_relaxed")
    return shown, max(count, len(rest))


def volume_table(frame: pl.DataFrame) -> Table:
    """Return calls by hour and weekday: one row per hour, one column per day."""
    counts = {
        (hour, day): calls
        for day, hour, calls in frame.select("weekday", "hour", "responses").iter_rows()
    }
    undated = sum(calls for (hour, _), calls in counts.items() if hour is None)
    data: list[list[Any]] = [
        [f"{hour:02}:00", *[counts.get((hour, day), 0) for day in range(1, 8)]]
        for hour in range(24)
    ]
    rows = [[hour, *map(format_count, calls)] for hour, *calls in data]
    if undated:
        rows.append([UNKNOWN_TEXT, plural(undated, "call"), *[""] * 6])
    heads = ["hour", *_WEEKDAYS]
    kinds = ["name", *["count"] * 7]
    names = [head.lower() for head in heads]
    return Table(names, heads, kinds, rows, data, names, [0] * 24)


def periods_of(metrics: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """Return the figures of each period, to compare them with a later report."""
    return _joined(metrics, _PERIOD_SUMS, ("period", "period_end", "partial"))


def series_of(
    usage: pl.DataFrame, cost: pl.DataFrame, by: Sequence[str]
) -> list[dict[str, Any]]:
    """Return calls, tokens and cost of each series over the range."""
    named = usage.filter(pl.col(_FOLDED) == 0)
    sums = {name: _PERIOD_SUMS[name] for name in _SERIES_SUMS}
    costs = cost.with_columns(pl.col(by).cast(pl.String))
    return _joined({"token_usage": named, "cost": costs}, sums, by)[: named.height]


def _joined(
    metrics: Mapping[str, pl.DataFrame],
    sums: Mapping[str, tuple[str, str]],
    keys: Sequence[str],
) -> list[dict[str, Any]]:
    """Return rows of the first metric with measures of all, each with its bound."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, (metric, measure) in sums.items():
        names = {measure: name, f"{measure}_bound": f"{name}_bound"}
        for row in with_bounds(metrics[metric], SPECS[metric]).iter_rows(named=True):
            key = tuple(row[one] for one in keys)
            found = rows.setdefault(key, dict(zip(keys, key, strict=True)))
            found |= {new: row[old] for old, new in names.items() if old in row}
    return list(rows.values())
