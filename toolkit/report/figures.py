"""The six key figures of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import format_change, format_count, format_share_change
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import KeyFigure
from toolkit.report.wording import calls, usd

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from toolkit.report.metric_tables import MetricTables
    from toolkit.report.model import Kind

    Row = Mapping[str, Any]

_POINTS = 5
ENOUGH_CALLS = 20  # for a rate or a mean to be drawn, or named as a cause
# Name, label, kind, metric and measure.
_KEY_FIGURES: tuple[tuple[str, str, Kind, str, str], ...] = (
    ("cost", "Known cost", "usd", "cost", "cost"),
    ("calls", "Calls", "count", "token_usage", "responses"),
    ("tokens", "Tokens", "count", "token_usage", "total_tokens"),
    ("cost_per_1000", "Cost per 1,000 calls", "usd", "cost", ""),
    ("cache", "Prompt from cache", "share", "cache_share", "cache_share"),
    ("cut_off", "Answers cut off", "count", "truncation_rate", "responses_truncated"),
)


def build_figures(tables: MetricTables, *, is_known: bool = True) -> list[KeyFigure]:
    """Build the key figures: now, before, and over the last five spans.

    Without `is_known` all of them are unknown, also the number of calls.
    """
    found = []
    for name, label, kind, metric, measure in _KEY_FIGURES:
        row = tables.row(metric)
        now, before = (_value(row, metric, measure, end) for end in ("", "_before"))
        course = tables.spans(metric) if tables.plan.spans else None
        rows = [] if course is None else course.tail(_POINTS).iter_rows(named=True)
        found.append(
            KeyFigure(
                name,
                label,
                kind,
                now if is_known else UNKNOWN,
                before,
                _words(name, row, now, before),
                [_value(one, metric, measure) for one in rows],
                row["responses"] if name == "cut_off" else None,
            )
        )
    return found


def _value(row: Row, metric: str, measure: str, end: str = "") -> Figure:
    """Return the figure of a row; nothing is known of one without calls."""
    if not row.get(f"responses{end}") and measure != "responses":
        return UNKNOWN
    if measure:
        return figure_of(metric, measure, row, end)
    return cost_per_1000(row, end)


def cost_per_1000(row: Row, end: str = "") -> Figure:
    """Return the cost of 1,000 calls: of those that have a known price."""
    priced = priced_calls(row, end)
    cost = row[f"cost{end}"]
    return UNKNOWN if cost is None else Figure(1000 * cost) / priced


def priced_calls(row: Row, end: str = "") -> int:
    """Return the number of calls whose cost is known, of a row of `cost`."""
    calls_of = row.get(f"responses{end}") or 0
    return int(calls_of - (row.get(f"responses_unpriced{end}") or 0))


def _words(name: str, row: Row, now: Figure, before: Figure) -> str:
    """Return the change of a key figure, and its base."""
    change = now - before
    if name == "cut_off":
        if row.get("responses_before"):
            return f"{format_count(before)} of {row['responses_before']:,} before"
        return ""
    if name == "cache":
        reporting = row["responses"] - row["cached_unseen"]
        base = f"({calls(reporting)})"
        return f"{format_share_change(change)} {base}" if change.is_known else base
    if name == "cost_per_1000":
        base = f"({calls(priced_calls(row))})" if now.is_known else ""
        amount = usd(change, words=False, signed=True)
        return f"{amount} {base}" if change.is_known else base
    if not change.is_known:
        return ""
    if name == "calls":
        return f"{change.number:+,} ({before.number:,} before)"
    grew = format_change(now, before).removeprefix("~ ").removeprefix("≥ ")
    grew = grew.removeprefix("≤ ")
    if name == "cost":
        return f"{usd(change, words=False, signed=True)} ({grew})"
    sign = "+" if change.number > 0 else ""
    amount = format_count(change, "sentence")
    mark, _, number = amount.rpartition(" ")
    return f"{mark} {sign}{number} ({grew})".strip()
