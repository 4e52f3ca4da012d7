"""The words of a report: ranges of time, calls, and the headline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import plural
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import calendar_unit, format_range
from toolkit.formatting.text import (
    DASH,
    format_change,
    format_count,
    format_share,
    format_usd,
)
from toolkit.report.kpis import cost_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from toolkit.expressions.time_ranges import Span
    from toolkit.report.kpis import Row


def range_words(within: Span, tz: str) -> str:
    """Return the name of a range of time in a zone.

    Examples
    --------
    >>> from toolkit.expressions.time_ranges import span
    >>> range_words(span("2026-11-16", "2026-11-23"), "UTC")
    'Week of 16 to 22 Nov 2026'
    """
    return format_range(*_ends_of(within, tz))


def _ends_of(within: Span, tz: str) -> tuple[datetime | None, datetime | None]:
    """Return start and end of a range on the clocks of a zone."""
    zone = zone_of(tz)
    start, end = (None if at is None else at.astimezone(zone) for at in within)
    return start, end


def calls(count: int) -> str:
    """Return a number of calls with its noun."""
    return plural(count, "call")


def headline(totals: Mapping[str, Row], within: Span, tz: str) -> str:
    """Return the summary in one sentence, without its range."""
    usage, cost = totals["token_usage"], totals["cost"]
    if not usage["responses"]:
        return "No calls."
    tokens = format_count(usage["total_tokens"], "sentence")
    parts = [f"{tokens} tokens in {calls(usage['responses'])}"]
    spent, of = cost_of(cost), ""
    if spent.is_known:
        parts.append(format_usd(spent, words=True))
        change = format_change(spent, cost_of(cost, "_before"), words=True)
    else:
        before = usage.get("total_tokens_before")
        change, of = format_change(usage["total_tokens"], before), " of tokens"
    if change not in {DASH, "unknown", "new"}:
        start, end = _ends_of(within, tz)
        unit = calendar_unit(start, end) if start and end else "range"
        parts.append(f"{change}{of} on the {unit} before")
    text = ", ".join(parts) + "."
    if not spent.is_known:
        return f"{text} No call has a known price."
    unpriced, share = cost["responses_unpriced"], cost["unpriced_share"]
    if unpriced:
        some = f"{format_share(share)} of tokens" if share else calls(unpriced)
        verb = "has" if some == "1 call" else "have"
        text += f" {some} {verb} no known price."
    return text
