"""Ranges of time and calls in the words of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import plural
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import calendar_unit, format_range

if TYPE_CHECKING:
    from datetime import datetime

    from toolkit.expressions.time_ranges import Span


def range_words(within: Span, tz: str) -> str:
    """Return the name of a range of time in a zone.

    Examples
    --------
    >>> from toolkit.expressions.time_ranges import span
    >>> range_words(span("2026-11-16", "2026-11-23"), "UTC")
    'Week of 16 to 22 Nov 2026'
    """
    return format_range(*_ends_of(within, tz))


def period_word(within: Span, tz: str) -> str:
    """Return the noun of a range: ``week`` in "on the week before"."""
    start, end = _ends_of(within, tz)
    return "range" if start is None or end is None else calendar_unit(start, end)


def _ends_of(within: Span, tz: str) -> tuple[datetime | None, datetime | None]:
    """Return start and end of a range on the clocks of a zone."""
    zone = zone_of(tz)
    start, end = (None if at is None else at.astimezone(zone) for at in within)
    return start, end


def calls(count: int) -> str:
    """Return a number of calls with its noun."""
    return plural(count, "call")
