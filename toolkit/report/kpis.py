"""The five key figures of a report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from toolkit.formatting.figures import Figure, as_figure
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
    from decimal import Decimal

    from toolkit.metrics.measures import Measure

    Row = Mapping[str, Any]

GOOD, BAD, NEUTRAL = "good", "bad", "neutral"


class Kpi(NamedTuple):
    """A key figure: now, before, and its course over the range."""

    name: str
    label: str
    value: float | int | Decimal | None
    before: float | int | Decimal | None
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


def format_move(now: float | Figure | None, before: float | Figure | None) -> str:
    """Format how a share moved."""
    return format_share_change(as_figure(now) - as_figure(before))


class _KpiSpec(NamedTuple):
    """A measure as a key figure."""

    name: str
    label: str
    metric: str
    measure: str
    bad: int = 0  # 1: more is bad, -1: less is bad, 0: neither


_KPIS = (
    _KpiSpec("tokens", "Tokens", "token_usage", "total_tokens"),
    _KpiSpec("calls", "Calls", "token_usage", "responses"),
    _KpiSpec("cost", "Cost", "cost", "cost", 1),
    _KpiSpec("cut_off", "Cut off at the limit", "truncation_rate", "response_rate", 1),
    _KpiSpec("cache", "Prompt from cache", "cache_share", "cache_share", -1),
)


def build_kpis(
    totals: Mapping[str, Row], over_time: Mapping[str, pl.DataFrame]
) -> list[Kpi]:
    """Build the key figures from the totals of their metrics."""
    return [
        _build_kpi(spec, totals[spec.metric], over_time[spec.metric]) for spec in _KPIS
    ]


def _build_kpi(spec: _KpiSpec, row: Row, periods: pl.DataFrame) -> Kpi:
    """Build one key figure."""
    measure = SPECS[spec.metric][spec.measure]
    now, before = (
        as_figure(row.get(f"{measure.name}{end}")) for end in ("", "_before")
    )
    write: Callable[[Any], str] = partial(format_count, style="sentence")
    write_change: Callable[[Any, Any], str] = format_change
    if measure.is_money:
        now, before, write = cost_of(row), cost_of(row, "_before"), format_usd
    elif measure.is_share:
        write, write_change = format_share, format_move
    change = write_change(now, before)
    points = _points_of(measure, periods)
    known = [point for point in points if point is not None]
    summary = ""
    if len(known) > 1:
        low, high = write(min(known)), write(max(known))
        summary = f"{spec.label} in {len(points)} periods: from {low} to {high}"
    return Kpi(
        spec.name,
        spec.label,
        now.value,
        before.value,
        write(now),
        "" if change == DASH else change,
        direction_of(spec.bad, now.value, before.value),
        points,
        summary,
    )


def cost_of(row: Row, end: str = "") -> Figure:
    """Return the cost of a row: a lower bound if responses have no known price.

    `end` is ``_before`` for the cost of the range before.
    """
    return SPECS["cost"]["cost"].figure(row, end)


def direction_of(bad: int, value: Any, before: Any) -> str:  # noqa: ANN401
    """Return whether a change is good or bad; most are neither."""
    if not bad or value is None or before is None or value == before:
        return NEUTRAL
    return BAD if (value > before) == (bad > 0) else GOOD


def _points_of(measure: Measure, periods: pl.DataFrame) -> list[float | None]:
    """Return the figure of each period: the sum of all series, or a ratio of sums."""
    parts, point = [measure.name], pl.col(measure.name)
    if measure.part and measure.whole is not None and measure.derive:
        parts = [measure.part, *measure.whole.meta.root_names()]
        point = measure.derive((), ())
    sums = (
        periods.filter(pl.col("period").is_not_null())
        .group_by("period")
        .agg(pl.col(parts).sum())
        .sort("period")
    )
    return sums.select(point.cast(pl.Float64)).to_series().to_list()
