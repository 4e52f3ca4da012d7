"""Days, moments and ranges of time as text, whatever the locale."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Literal

_NAMES = """
January February March April May June July August September October November December
""".split()  # noqa: SIM905 - easier to read
MONTHS = tuple(name[:3] for name in _NAMES)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def format_day(day: date, style: Literal["full", "short", "iso"] = "full") -> str:
    """Format a day: in full, without its year, or for tables of the terminal.

    Examples
    --------
    >>> [format_day(date(2026, 11, 3), style) for style in ("full", "short", "iso")]
    ['3 Nov 2026', '3 Nov', '2026-11-03']
    """
    if style == "iso":
        return date.isoformat(day)
    short = f"{day.day} {MONTHS[day.month - 1]}"
    return short if style == "short" else f"{short} {day.year}"


def format_month(day: date, style: Literal["full", "short", "name"] = "short") -> str:
    """Format the month of a day.

    Examples
    --------
    >>> [format_month(date(2026, 11, 3), style) for style in ("full", "short", "name")]
    ['November 2026', 'Nov 2026', 'November']
    """
    name = _NAMES[day.month - 1]
    if style == "name":
        return name
    return f"{name if style == 'full' else MONTHS[day.month - 1]} {day.year}"


def format_moment(moment: datetime, style: Literal["full", "iso"] = "full") -> str:
    """Format a moment to the minute, in its own time zone.

    Examples
    --------
    >>> moment = datetime(2026, 11, 3, 6)
    >>> format_moment(moment), format_moment(moment, "iso")
    ('3 Nov 2026, 06:00', '2026-11-03 06:00')
    """
    joint = " " if style == "iso" else ", "
    return f"{format_day(moment, style)}{joint}{moment:%H:%M}"


def format_days(first: date, last: date) -> str:
    """Format the days from one to another, both included.

    Examples
    --------
    >>> format_days(date(2026, 11, 16), date(2026, 11, 22))
    '16 to 22 Nov 2026'
    >>> format_days(date(2026, 11, 30), date(2026, 12, 6))
    '30 Nov to 6 Dec 2026'
    >>> format_days(date(2026, 12, 28), date(2027, 1, 3))
    '28 Dec 2026 to 3 Jan 2027'
    """
    if first == last:
        return format_day(first)
    if first.year != last.year:
        return f"{format_day(first)} to {format_day(last)}"
    if first.month != last.month:
        return f"{format_day(first, 'short')} to {format_day(last)}"
    return f"{first.day} to {format_day(last)}"


def format_range(start: datetime | None, end: datetime | None) -> str:
    """Format a range of time as a calendar would: by its last day, not the next one.

    Parameters
    ----------
    start, end
        Moments in the time zone of the reader; None where the range is open. The end
        is not part of the range.

    Examples
    --------
    >>> format_range(datetime(2026, 11, 16), datetime(2026, 11, 23))
    'Week of 16 to 22 Nov 2026'
    >>> format_range(datetime(2026, 7, 1), datetime(2026, 10, 1))
    'Third quarter of 2026'
    >>> format_range(datetime(2026, 11, 16, 6), None)
    'Since 16 Nov 2026, 06:00'
    """
    if start is None or end is None:
        return _format_open_range(start, end)
    is_of_days = _is_midnight(start) and _is_midnight(end)
    if not is_of_days or start.date() == end.date():
        return f"{format_moment(start)} to {format_moment(end)}"
    days = format_days(start.date(), end.date() - timedelta(days=1))
    unit = calendar_unit(start, end)
    if unit == "quarter":
        number = ("First", "Second", "Third", "Fourth")[start.month // 3]
        return f"{number} quarter of {start.year}"
    if unit == "month":
        return format_month(start)
    return f"Week of {days}" if unit == "week" else days


def calendar_unit(start: date, end: date) -> str:
    """Return what a calendar calls a range: day, week, month, quarter, or range.

    Examples
    --------
    >>> calendar_unit(date(2026, 11, 16), date(2026, 11, 23))
    'week'
    >>> calendar_unit(date(2026, 11, 17), date(2026, 11, 24))
    'range'
    """
    first, stop = date(*start.timetuple()[:3]), date(*end.timetuple()[:3])
    months = 12 * (stop.year - first.year) + stop.month - first.month
    if stop - first == timedelta(days=1):
        return "day"
    if stop - first == timedelta(days=7) and first.weekday() == 0:
        return "week"
    if first.day == stop.day == 1 and months == 1:
        return "month"
    if first.day == stop.day == 1 and months == 3 and first.month % 3 == 1:
        return "quarter"
    return "range"


def _format_open_range(start: datetime | None, end: datetime | None) -> str:
    """Format a range that is open at one end, or at both."""
    moment = start or end
    if moment is None:
        return "All that there is"
    midnight = _is_midnight(moment)
    text = format_day(moment) if midnight else format_moment(moment)
    return f"Since {text}" if end is None else f"Before {text}"


def _is_midnight(moment: datetime) -> bool:
    """Return whether a day begins at this moment."""
    return moment.time() == time.min
