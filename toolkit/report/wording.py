"""The words of a report: ranges of time, amounts and counts."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from toolkit.errors import plural
from toolkit.expressions.time_ranges import Span, zone_of
from toolkit.formatting.dates import format_moment, format_range
from toolkit.formatting.text import format_share, format_usd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from toolkit.formatting.figures import Figure

_TEN_CENTS = Decimal("0.1")


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


def usd(amount: Figure, *, words: bool = True, signed: bool = False) -> str:
    """Write an amount in a sentence: to the cent, or to the dollar from 1,000 on.

    Below ten cents it has two digits.

    Examples
    --------
    >>> from toolkit.formatting.figures import Figure
    >>> usd(Figure(0.851)), usd(Figure(12345.678, "lower")), usd(Figure(0.0845))
    ('$0.85', 'at least $12,345', '$0.084')
    """
    if amount.is_known and abs(amount.number) >= _TEN_CENTS:
        places = 0 if abs(amount.number) >= 1000 else 2
        amount = amount.rounded(places)
        text = format_usd(amount, words=words, signed=signed)
        return text.removesuffix(".00") if not places else text
    return format_usd(amount, words=words, signed=signed)


def size(amount: Figure) -> Figure:
    """Return a change without its sign: a bound of a fall is one of the other side."""
    return -amount if amount.is_known and amount.number < 0 else amount


def join(parts: Sequence[str]) -> str:
    """Join words: ``a``, ``a and b``, ``a, b and c``."""
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last


_FRACTIONS = (
    ("a quarter", 25.0),
    ("a third", 33.3),
    ("half", 50.0),
    ("two thirds", 66.7),
    ("three quarters", 75.0),
)


def fraction(share: float) -> str:
    """Write a share in words where one fits, or else in percent.

    Examples
    --------
    >>> fraction(0.667), fraction(0.34), fraction(0.58)
    ('two thirds', 'a third', '58%')
    """
    percent = 100 * share
    near = (word for word, of in _FRACTIONS if abs(percent - of) <= 2)
    return next(near, f"{percent:.0f}%" if 1 <= percent <= 99 else format_share(share))


def capitalized(text: str) -> str:
    """Return a text that begins with a capital."""
    return text[0].upper() + text[1:]


def calls(count: int) -> str:
    """Return a number of calls with its noun."""
    return plural(count, "call")


def local(at: datetime, tz: str) -> str:
    """Format a moment on the clocks of a zone."""
    return format_moment(at.astimezone(zone_of(tz)))
