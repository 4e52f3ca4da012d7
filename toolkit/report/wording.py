"""The words of a report: ranges of time, amounts and counts."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from toolkit.errors import plural
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import format_moment, format_range
from toolkit.formatting.figures import Figure, as_figure
from toolkit.formatting.text import format_share, format_usd

if TYPE_CHECKING:
    from datetime import datetime

    from toolkit.expressions.time_ranges import Span
    from toolkit.formatting.text import UsdStyle

_TEN_CENTS = Decimal("0.1")
_TEXT = files("toolkit.report").joinpath("words.toml").read_text("utf-8")
WORDS: dict[str, dict[str, Any]] = tomllib.loads(_TEXT)


def range_words(within: Span, tz: str) -> str:
    """Return the name of a range of time in a zone.

    Examples
    --------
    >>> from toolkit.expressions.time_ranges import span
    >>> range_words(span("2026-11-16", "2026-11-23"), "UTC")
    'Week of 16 to 22 Nov 2026'
    """
    zone = zone_of(tz)
    return format_range(*(at and at.astimezone(zone) for at in within))


def usd(amount: Figure, *, words: bool = True, signed: bool = False) -> str:
    """Write an amount in a sentence: to the cent, or to the dollar from 1,000 on.

    Below ten cents it has two digits.

    Examples
    --------
    >>> from toolkit.formatting.figures import Figure
    >>> usd(Figure(0.851)), usd(Figure(12345.678, "lower")), usd(Figure(0.0845))
    ('$0.85', 'at least $12,345', '$0.084')
    """
    size = abs(amount.number) if amount.is_known else _TEN_CENTS
    style: UsdStyle = 0 if size >= 1000 else 2 if size >= _TEN_CENTS else "cents"
    return format_usd(amount, style, words=words, signed=signed)


def size(amount: Figure) -> Figure:
    """Return a change without its sign: a bound of a fall is one of the other side."""
    return -amount if amount.is_known and amount.number < 0 else amount


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


def label_of(column: str) -> str:
    """Return what a reader calls a column."""
    return column.removeprefix("tag_").replace("_", " ")


def percent(share: Figure | float | None, *, words: bool = False) -> str:
    """Format a share, from 10% on without decimal places.

    Examples
    --------
    >>> percent(0.2222), percent(0.0312), percent(0.9999)
    ('22%', '3.1%', '>99.9%')
    """
    figure = as_figure(share)
    size = float(figure.value or 0)
    is_large = 0.1 <= size <= 0.99 or size >= 1.01
    return format_share(figure.rounded(2) if is_large else figure, words=words)


def about(share: Figure) -> str:
    """Return a share in words, a bound as an approximate one; nothing if unknown."""
    if share.is_known and share.bound != "exact":
        share = Figure(share.value, "approximate")
    return percent(share, words=True) if share.is_known else ""


def calls(count: int) -> str:
    """Return a number of calls with its noun."""
    return plural(count, "call")


def local(at: datetime, tz: str) -> str:
    """Format a moment on the clocks of a zone."""
    return format_moment(at.astimezone(zone_of(tz)))
