"""The five key figures of a report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from toolkit.formatting.text import (
    DASH,
    format_change,
    format_count,
    format_share,
    format_share_change,
    format_usd,
)
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from toolkit.formatting.figures import Figure, Number

    Row = Mapping[str, Any]

_GOOD, _BAD, NEUTRAL = "good", "bad", "neutral"


class Kpi(NamedTuple):
    """A key figure: now, before, and its course over the range."""

    name: str
    label: str
    value: Number | None
    bound: str
    before: Number | None
    before_bound: str
    text: str
    change: str
    direction: str
    points: list[float | None]
    summary: str  # the sparkline in words

    def as_data(self) -> dict[str, Any]:
        """Return the figure without its sparkline."""
        data = self._asdict()
        del data["points"], data["summary"]
        return data


# Name, label, metric, measure, and which direction is bad: 1 more, -1 less, 0 neither.
_KPIS = (
    ("tokens", "Tokens", "token_usage", "total_tokens", 0),
    ("calls", "Calls", "token_usage", "responses", 0),
    ("cost", "Cost", "cost", "cost", 1),
    ("cut_off", "Cut off at the limit", "truncation_rate", "response_rate", 1),
    ("cache", "Prompt from cache", "cache_share", "cache_share", -1),
)


def build_kpis(
    totals: Mapping[str, Row], periods: Mapping[str, pl.DataFrame]
) -> list[Kpi]:
    """Build the key figures from the totals and the periods of their metrics."""
    found = []
    for name, label, metric, measure_name, bad in _KPIS:
        measure, row = SPECS[metric][measure_name], totals[metric]
        now, before = measure.figure(row), measure.figure(row, "_before")
        write: Callable[[Any], str] = partial(format_count, style="sentence")
        change = sum_change(now, before)
        if measure.is_money:
            write = format_usd
        elif measure.is_share:
            write = format_share
            change = format_share_change(now - before).replace(DASH, "")
        dated = periods[metric].filter(pl.col("period").is_not_null())
        course = [measure.figure(one) for one in dated.iter_rows(named=True)]
        known = [figure for figure in course if figure.is_known]
        summary = ""
        if len(known) > 1:
            known.sort(key=lambda figure: figure.number)
            low, high = write(known[0]), write(known[-1])
            summary = f"{label} in {len(course)} periods: from {low} to {high}"
        points = [float(one.number) if one.is_known else None for one in course]
        ends = (now.value, now.bound, before.value, before.bound)
        direction = direction_of(bad, now, before)
        found.append(
            Kpi(name, label, *ends, write(now), change, direction, points, summary)
        )
    return found


def cost_of(row: Row, end: str = "") -> Figure:
    """Return the cost of a row: a lower bound if responses have no known price.

    `end` is ``_before`` for the cost of the range before.
    """
    return SPECS["cost"]["cost"].figure(row, end)


def has_direction(now: Figure, before: Figure) -> bool:
    """Return whether it is known of a figure that it did not shrink, or did not grow.

    Examples
    --------
    >>> from toolkit.formatting.figures import Figure
    >>> has_direction(Figure(5, "lower"), Figure(4))
    True
    >>> has_direction(Figure(4, "lower"), Figure(5))
    False
    """
    return {now.exceeds(before), before.exceeds(now)} != {None}


def sum_change(now: Figure, before: Figure, *, words: bool = False) -> str:
    """Format how a sum changed; nothing if it may have grown as well as shrunk.

    Examples
    --------
    >>> from toolkit.formatting.figures import Figure
    >>> sum_change(Figure(3, "lower"), Figure(2)), sum_change(Figure(3), Figure(2))
    ('≥ +50%', '+50%')
    >>> sum_change(Figure(1, "lower"), Figure(2)), sum_change(Figure(1), Figure(None))
    ('', '')
    """
    if not has_direction(now, before):
        return ""
    change = format_change(now, before, words=words)
    return "" if change in {DASH, "unknown"} else change


def direction_of(bad: int, now: Figure, before: Figure) -> str:
    """Return whether a change is good or bad; most are neither."""
    grew, fell = now.exceeds(before), before.exceeds(now)
    if not bad or not (grew or fell):
        return NEUTRAL
    return _BAD if bool(grew) == (bad > 0) else _GOOD
