"""The words of a report: ranges of time, calls, and the headline."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from toolkit.errors import plural
from toolkit.expressions.time_ranges import Span, zone_of
from toolkit.formatting.dates import calendar_unit, format_moment, format_range
from toolkit.formatting.text import format_count, format_share, format_usd
from toolkit.metrics.registry import SPECS
from toolkit.report.kpis import cost_of, sum_change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from toolkit.formatting.figures import Figure
    from toolkit.report.inputs import Plan
    from toolkit.report.kpis import Row

_ENDS = ("", "_before")
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


def calls(count: int) -> str:
    """Return a number of calls with its noun."""
    return plural(count, "call")


def local(at: datetime, tz: str) -> str:
    """Format a moment on the clocks of a zone."""
    return format_moment(at.astimezone(zone_of(tz)))


def headline(
    totals: Mapping[str, Row], plan: Plan, undated: int, uncounted: Sequence[str]
) -> str:
    """Return the summary in one sentence, and what it does not know.

    `undated` calls have no date; `uncounted` is what the figures leave out, in words.
    """
    usage, cost = totals["token_usage"], totals["cost"]
    if usage["responses"] is None:
        return f"No call could be counted: {', '.join(uncounted)}."
    notes = [f"Not counted: {', '.join(uncounted)}."] if uncounted else []
    if not usage["responses"]:
        text = "No calls in this range." if plan.last_call else "No calls."
        return " ".join([text, *notes])
    tokens = SPECS["token_usage"]["total_tokens"].figure(usage)
    count = format_count(tokens, "sentence", words=True)
    silent = usage["responses_without_usage"]
    flaws = [f"{silent:,} without full usage"] if silent else []
    flaws += [f"{undated:,} without a date"] if undated and plan.is_open else []
    spent = cost_of(cost)
    parts = [
        f"{count if tokens.is_known else 'an unknown number of'} tokens in "
        f"{calls(usage['responses'])}" + (f" ({', '.join(flaws)})" if flaws else ""),
        *([format_usd(spent, words=True)] if spent.is_known else []),
        *_change_words(totals, plan),
    ]
    text = ", ".join(parts) + "."
    unpriced, share = cost["responses_unpriced"], cost["unpriced_share"]
    if not spent.is_known:
        notes = ["No call has a known price.", *notes]
    elif unpriced:
        is_sure = share and not silent
        some = f"{format_share(share)} of tokens" if is_sure else calls(unpriced)
        verb = "has" if some == "1 call" else "have"
        notes = [f"{some} {verb} no known price.", *notes]
    return " ".join([text[0].upper() + text[1:], *notes])


def _change_words(totals: Mapping[str, Row], plan: Plan) -> list[str]:
    """Return how cost changed; if that is unknown, how the tokens or the calls did."""
    for metric, measure, of in (
        ("cost", "cost", ""),
        ("token_usage", "total_tokens", " of tokens"),
        ("token_usage", "responses", " of calls"),
    ):
        ends = (SPECS[metric][measure].figure(totals[metric], end) for end in _ENDS)
        change = sum_change(*ends, words=True)
        if change not in {"", "new"}:
            start, end = _ends_of(plan.within, plan.tz)
            unit = calendar_unit(start, end) if start and end else "range"
            return [f"{change}{of} on the {unit} before"]
    return []
