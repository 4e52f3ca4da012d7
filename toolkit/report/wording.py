"""Numbers and ranges in a manager's words: short in a sentence, whole in a table.

A name in a log is hostile: `name_words` makes it one line of harmless text.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any

from toolkit.errors import clean, plural
from toolkit.expressions.time_ranges import months_on, zone_of

if TYPE_CHECKING:
    from toolkit.expressions.time_ranges import Span

_MONTHS = tuple("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())  # noqa: SIM905 - so it reads
_SIGNS = ((10**12, "T"), (10**9, "B"), (10**6, "M"))
UNKNOWN = "–"
NOT_SAID = "not said"
_LONGEST = 64  # characters of a name: more are cut out of its middle
_KEPT = 40  # of them from its beginning


def short(count: int) -> str:
    """Write a count in a sentence: three digits of a million and more.

    Examples
    --------
    >>> short(1_934_000_000), short(207_812), short(999_999_999)
    ('1.93 B', '207,812', '1.00 B')
    """
    for size, sign in _SIGNS:
        number = Decimal(count) / size
        for places, limit in ((2, 10), (1, 100), (0, 1000), (0, 10**9)):
            if round(number, 2) >= 1 and round(number, places) < limit:
                return f"{number:,.{places}f} {sign}"
    return f"{count:,}"


def share_words(share: float | None) -> str:
    """Write a share; what is there is never 0 %, what lacks something never 100 %.

    Examples
    --------
    >>> share_words(0.031), share_words(0.0), share_words(0.0001), share_words(0.99999)
    ('3.1 %', '0 %', '< 0.1 %', '> 99.9 %')
    """
    if share is None:
        return UNKNOWN
    percent = 100 * share
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:,.1f}".removesuffix(".0") + " %"


def money(amount: Decimal | None, *, down: bool = False) -> str:
    """Write dollars in a sentence: whole from a hundred on, else to the cent.

    What is the least that was spent is rounded down.

    Examples
    --------
    >>> money(Decimal("4812.6")), money(Decimal("4812.6"), down=True)
    ('$4,813', '$4,812')
    >>> money(Decimal("12.3")), money(Decimal("0.00044"))
    ('$12.30', '$0.0004')
    """
    if amount is None:
        return UNKNOWN
    size = abs(amount)
    places = 0 if size >= 100 else 2
    if 0 < size < Decimal("0.01"):
        places = -size.adjusted()
    rounding = ROUND_FLOOR if down else ROUND_HALF_EVEN
    rounded = amount.quantize(Decimal(1).scaleb(-places), rounding=rounding)
    sign = "−" if rounded < 0 else ""
    return f"{sign}${abs(rounded):,.{places}f}"


def money_in_table(amount: Decimal | None) -> str:
    """Write dollars in a table: to the cent, or as small as they are.

    Examples
    --------
    >>> money_in_table(Decimal("2310.419")), money_in_table(Decimal(0))
    ('$2,310.42', '$0.00')
    """
    if amount is not None and abs(amount) >= 100:
        cents = amount.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)
        return f"{'−' if cents < 0 else ''}${abs(cents):,.2f}"
    return money(amount)


def change_words(now: Any, then: Any) -> str:  # noqa: ANN401 - any kind of number
    """Write how much a number grew, in percent of what it was.

    Examples
    --------
    >>> change_words(112, 100), change_words(100, 100), change_words(5, 0)
    ('+12 %', '±0 %', 'new')
    """
    if then is None or now is None:
        return UNKNOWN
    if not then:
        return "new" if now else "±0 %"
    percent = float(100 * (Decimal(now) - Decimal(then)) / abs(Decimal(then)))
    size = abs(percent)
    if not size:
        return "±0 %"
    sign = "+" if percent > 0 else "−"
    if size < 0.1:
        return f"{sign}< 0.1 %"
    if size >= 1000:
        return f"{sign}{size:,.0f} %" if size < 10_000 else f"{sign}> 9,999 %"
    places = 1 if size < 10 else 0
    return f"{sign}{size:.{places}f}".removesuffix(".0") + " %"


def points_words(now: float | None, then: float | None) -> str:
    """Write how a share moved, in points of a hundred.

    Examples
    --------
    >>> points_words(0.046, 0.05), points_words(0.31, 0.25)
    ('−0.4 points', '+6 points')
    """
    if now is None or then is None:
        return UNKNOWN
    points = round(100 * (now - then), 1)
    if not points:
        return "±0 points" if now == then else "< 0.1 points"
    sign = "+" if points > 0 else "−"
    size = f"{abs(points):.1f}".removesuffix(".0")
    return f"{sign}{size} {'point' if size == '1' else 'points'}"


def name_words(name: object) -> str:
    r"""Write a name of a log: harmless, in one line, and no longer than it need be.

    Examples
    --------
    >>> name_words("a\x1b[31m\nb"), name_words(None)
    ('a�[31m�b', 'not said')
    >>> len(name_words("x" * 10_000))
    64
    """
    if name is None:
        return NOT_SAID
    # The middle is cut before it is looked at: a name may have megabytes.
    text = str(name)
    if len(text) > _LONGEST:
        text = f"{text[:_KEPT]}…{text[_KEPT + 1 - _LONGEST :]}"
    text = " ".join(clean(text).split())
    return text or repr(str(name)[:_LONGEST])


def day_words(day: date, *, year: bool = True) -> str:
    """Write a day, whatever the locale.

    Examples
    --------
    >>> day_words(date(2026, 11, 23))
    '23 Nov 2026'
    """
    return f"{day.day} {_MONTHS[day.month - 1]}" + (f" {day.year}" if year else "")


def moment_words(moment: datetime | None) -> str:
    """Write a time to the minute, in its own zone."""
    if moment is None:
        return UNKNOWN
    return f"{day_words(moment.date())}, {moment:%H:%M}"


def days_words(first: date, last: date) -> str:
    """Write the days from one to another, both included.

    Examples
    --------
    >>> days_words(date(2026, 11, 16), date(2026, 11, 22))
    '16 to 22 Nov 2026'
    >>> days_words(date(2026, 12, 28), date(2027, 1, 3))
    '28 Dec 2026 to 3 Jan 2027'
    """
    if first == last:
        return day_words(first)
    if first.year != last.year:
        return f"{day_words(first)} to {day_words(last)}"
    if first.month != last.month:
        return f"{day_words(first, year=False)} to {day_words(last)}"
    return f"{first.day} to {day_words(last)}"


def range_words(within: Span, tz: str) -> str:
    """Write a range as a calendar would: its last day, not the end behind it.

    Examples
    --------
    >>> from toolkit.expressions.time_ranges import span
    >>> range_words(span("2026-11-16", "2026-11-23"), "UTC")
    'Week of 16 to 22 Nov 2026'
    >>> range_words(span("2026-07-01", "2026-10-01"), "UTC")
    'Third quarter of 2026'
    """
    if within.start is None or within.end is None:
        return _open_words(within, tz)
    zone = zone_of(tz)
    start, end = within.start.astimezone(zone), within.end.astimezone(zone)
    if not (_is_midnight(start) and _is_midnight(end)) or start.date() == end.date():
        return f"{moment_words(start)} to {moment_words(end)}"
    first, stop = start.date(), end.date()
    days = days_words(first, stop - timedelta(days=1))
    kind = _kind_of(first, stop)
    if kind == "quarter":
        number = ("First", "Second", "Third", "Fourth")[first.month // 3]
        return f"{number} quarter of {first.year}"
    if kind == "month":
        return f"{_MONTHS[first.month - 1]} {first.year}"
    return f"Week of {days}" if kind == "week" else days


def _open_words(within: Span, tz: str) -> str:
    """Write a range that is open at an end, or at both."""
    zone = zone_of(tz)
    start, end = (None if at is None else at.astimezone(zone) for at in within)
    if start is None and end is None:
        return "All that there is"
    at = start or end
    words = day_words(at.date()) if at and _is_midnight(at) else moment_words(at)
    return f"Since {words}" if end is None else f"Before {words}"


def _is_midnight(moment: datetime) -> bool:
    """Say whether a day begins at this moment of its zone."""
    earlier = moment - timedelta(microseconds=1)
    return earlier.date() < moment.date() and moment.time() == moment.time().min


def _kind_of(first: date, stop: date) -> str:
    """Return what a calendar calls the days: day, week, month, quarter, or range."""
    if stop - first == timedelta(days=1):
        return "day"
    if stop - first == timedelta(days=7) and first.weekday() == 0:
        return "week"
    if first.day == 1 and stop == months_on(first, 1):
        return "month"
    if first.day == 1 and first.month % 3 == 1 and stop == months_on(first, 3):
        return "quarter"
    return "range"


def period_word(within: Span, tz: str) -> str:
    """Return the noun of a range: ``week`` in "on the week before"."""
    if within.start is None or within.end is None:
        return "range"
    zone = zone_of(tz)
    return _kind_of(
        within.start.astimezone(zone).date(), within.end.astimezone(zone).date()
    )


def calls(count: int) -> str:
    """Write a number of calls."""
    return plural(count, "call")
