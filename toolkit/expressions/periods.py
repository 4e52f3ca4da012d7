"""Calendar periods of a time zone: `period`, `period_end`."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import cache

import polars as pl

from toolkit.errors import OptionError
from toolkit.expressions.time_ranges import check_zone
from toolkit.schema.tables import EARLIEST_CREATED, LATEST_CREATED

_LAST_YEAR = 9999  # of the calendar of Python and of every tool behind it
# polars' duration language: whole numbers above 0, each with its unit.
PART_OF_PERIOD = re.compile(r"([1-9][0-9]*)(ns|us|ms|mo|s|m|h|d|w|q|y)")
_PERIOD = re.compile(rf"({PART_OF_PERIOD.pattern})+")
_DAYS = {"d", "w", "mo", "q", "y"}
# Other spellings of a unit, and its name in polars.
_UNITS = {
    "sec": "s", "second": "s", "min": "m", "minute": "m", "hr": "h", "hour": "h",
    "hourly": "h", "day": "d", "daily": "d", "week": "w", "weekly": "w", "mon": "mo",
    "month": "mo", "monthly": "mo", "quarter": "q", "quarterly": "q", "yr": "y",
    "year": "y", "yearly": "y", "M": "mo",
    **{unit: unit for unit in ("s", "m", "h", "d", "w", "mo", "q", "y")},
}  # fmt: skip
_SPELLED = re.compile(r"\s*(?:every\b)?\s*([0-9]*)\s*-?([A-Za-z]+?)(s?)\s*")


def check_period(every: str) -> str:
    """Return a length of period that polars accepts, or raise `OptionError`."""
    # In UTC polars lets a wrong period pass where there is nothing to do.
    moment = pl.Series([LATEST_CREATED]).dt.convert_time_zone("Europe/Berlin")
    wrong = OptionError(
        "every",
        every,
        expected='a period such as "1h", "1d", "1w", "1mo", "1q", "1y"',
        hint=_near_period(every) if isinstance(every, str) else "",
    )
    if not isinstance(every, str) or not _PERIOD.fullmatch(every):
        raise wrong
    try:
        ends = moment.dt.truncate(every).dt.offset_by(every).dt.year()
    except pl.exceptions.PolarsError:
        raise wrong from None
    if not 1970 <= ends.item() <= _LAST_YEAR:
        raise wrong
    return every


def _near_period(every: str) -> str:
    """Return a hint at the period that was probably meant, or nothing.

    Examples
    --------
    >>> _near_period("1week"), _near_period("2 Hours"), _near_period("soon")
    (" (did you mean '1w'?)", " (did you mean '2h'?)", '')
    """
    spelled = _SPELLED.fullmatch(every)
    if spelled is None:
        return ""
    number, word, plural = spelled.groups()
    # Only the case of M and m matters: months and minutes.
    known = (_UNITS.get(one) for one in (word, word.lower(), word + plural))
    unit = next((one for one in known if one), None)
    return f" (did you mean '{number.lstrip('0') or 1}{unit}'?)" if unit else ""


def period(every: str = "1d", tz: str = "UTC") -> pl.Expr:
    """Start of the calendar period in which a response was made.

    A day begins at midnight of the zone, or where the clocks pass over it; a week on
    Monday; days of 23 and 25 hours are one day. Null for an undated response.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.testing import make_choices
    >>> make_choices({}).select(period("1mo", tz="Asia/Tokyo")).item().isoformat()
    '2026-01-01T00:00:00+09:00'
    """
    start = local_period(pl.col("created"), check_period(every), check_zone(tz))
    return start.alias("period")


def local_period(moments: pl.Expr, every: str, tz: str) -> pl.Expr:
    """Start of the calendar period in which moments of any zone lie."""
    local = moments.dt.convert_time_zone(tz)
    if _is_of_days(every) and _has_odd_midnights(tz):
        # polars begins the day at that midnight which has the offset of the moment,
        # and fails where the day that a period begins with was left out.
        return _first_of(local.dt.replace_time_zone(None).dt.truncate(every), tz)
    return local.dt.truncate(every)


def _first_of(wall: pl.Expr, tz: str) -> pl.Expr:
    """First moment at which clocks show a time or, where they leap over it, a later."""
    moments = [
        (wall + pl.duration(minutes=minutes)).dt.replace_time_zone(
            tz, ambiguous="earliest", non_existent="null"
        )
        # Clocks leap half an hour, an hour, or (Samoa, once) a day.
        for minutes in (0, 30, 60, 24 * 60)
    ]
    return pl.coalesce(moments)


def _is_of_days(every: str) -> bool:
    """Say whether periods are counted in days of the calendar, not in hours."""
    return any(unit in _DAYS for _, unit in PART_OF_PERIOD.findall(every))


@cache
def _has_odd_midnights(tz: str) -> bool:
    """Say whether some day has two midnights, as in Havana, or was left out (Samoa)."""
    days = pl.datetime_range(
        EARLIEST_CREATED.replace(tzinfo=None),
        LATEST_CREATED.replace(tzinfo=None),
        "1d",
        eager=True,
    )
    first, second = (
        days.dt.replace_time_zone(tz, ambiguous=which, non_existent="null")
        for which in ("earliest", "latest")
    )
    noon = (days + timedelta(hours=12)).dt.replace_time_zone(
        tz, ambiguous="earliest", non_existent="null"
    )
    return bool((first != second).any()) or noon.has_nulls()


def period_end(every: str = "1d", tz: str = "UTC") -> pl.Expr:
    """End of the period that starts at the column `period`; it is not part of it.

    A period of some hours may be longer or shorter where the clocks change.
    """
    start = pl.col("period")
    if _is_of_days(every):
        wall = start.dt.replace_time_zone(None).dt.truncate(every).dt.offset_by(every)
        return _first_of(wall, tz).alias("period_end")
    end = start.dt.offset_by(every)
    # In the night of the longer day six hours on is still within the same period.
    later = end.dt.offset_by("2h")
    inside = end.dt.truncate(every) == start
    next_start = pl.when(inside).then(later).otherwise(end).dt.truncate(every)
    # Of 45 minutes the clocks that go back may cut one off: its end begins no other.
    return (
        pl.when(next_start > start).then(next_start).otherwise(end).alias("period_end")
    )
