"""Calendar periods in a time zone: `period`, `period_end`."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache

import polars as pl

from toolkit.errors import OptionError
from toolkit.expressions.time_ranges import Moment, check_zone, moment, zone_of
from toolkit.schema.tables import EARLIEST_CREATED, LATEST_CREATED

_LAST_YEAR = 9999  # of the calendar of Python
# polars' duration language: whole numbers above 0, each with its unit.
_PART_OF_PERIOD = re.compile(r"([1-9][0-9]*)(ns|us|ms|mo|s|m|h|d|w|q|y)")
_PERIOD = re.compile(rf"({_PART_OF_PERIOD.pattern})+")
_SEVERAL_DAYS = re.compile(r"([2-9]|[1-9][0-9]+)d")
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - in the time of the zone
_DAYS = {"d", "w", "mo", "q", "y"}
_UNITS = {"seconds": "s", "minutes": "m", "hours": "h", "hourly": "h", "days": "d"}
_UNITS |= {"daily": "d", "weekly": "w", "months": "mo", "quarterly": "q", "yearly": "y"}


def check_period(every: str, *, none: str = "") -> str:
    """Return a period that polars accepts, or raise `OptionError`.

    `none` is what the caller writes for no periods, where that is allowed.
    """
    if isinstance(every, str) and _PERIOD.fullmatch(every) and _is_accepted(every):
        return every
    expected = 'a period such as "1h", "1d", "1w" or "1mo"'
    expected += f", or {none}" if none else ""
    raise OptionError("every", every, expected=expected, hint=_near_period(every))


def _is_accepted(every: str) -> bool:
    """Return whether polars accepts a period, and the calendar has its end."""
    # In UTC polars accepts some wrong periods.
    moment = pl.Series([LATEST_CREATED]).dt.convert_time_zone("Europe/Berlin")
    try:
        ends = moment.dt.truncate(every).dt.offset_by(every).dt.year()
    except pl.exceptions.PolarsError:
        return False
    return bool(1970 <= ends.item() <= _LAST_YEAR)


def _near_period(every: object) -> str:
    """Return a hint for a period in words: ``1w`` for ``1week`` or ``weekly``."""
    found = re.fullmatch(r"([0-9]*)\s*([a-z]+)", str(every).strip().lower())
    # Imported here: only an error needs it.
    from difflib import get_close_matches

    close = get_close_matches(found[2], _UNITS, n=1) if found else []
    return (
        f' (did you mean "{found[1] or 1}{_UNITS[close[0]]}"?)'
        if found and close
        else ""
    )


def period(every: str = "1d", tz: str = "UTC", since: Moment = None) -> pl.Expr:
    """Return the start of the calendar period in which a response was created.

    A day begins at midnight of the zone, or at the first time after it if the clocks
    skip midnight. A day of 23 or 25 hours is one day. A week begins on Monday. Periods
    of several days (``"7d"``) begin at `since`, or without it on 1 January 1970. The
    period of an undated response is null.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({})
    >>> choices["created"].item().isoformat()
    '2026-01-01T00:00:00+00:00'
    >>> choices.select(period("1mo", tz="Asia/Tokyo")).item().isoformat()
    '2026-01-01T00:00:00+09:00'
    >>> choices.select(period("7d", since="2025-12-31")).item().isoformat()
    '2025-12-31T00:00:00+00:00'
    """
    check_period(every)
    start = moment("since", since, check_zone(tz))
    return local_period(pl.col("created"), every, tz, start).alias("period")


def local_period(
    moments: pl.Expr, every: str, tz: str, since: datetime | None = None
) -> pl.Expr:
    """Return the start of the calendar period of each moment."""
    local = moments.dt.convert_time_zone(tz)
    shift = _shift(every, tz, since)
    if shift or (_is_of_days(every) and _has_odd_midnights(tz)):
        # polars begins the day at the midnight that has the offset of the moment, and
        # fails if the clocks skip the first day of a period.
        wall = local.dt.replace_time_zone(None) - shift
        return _first_of(wall.dt.truncate(every) + shift, tz)
    return local.dt.truncate(every)


def _shift(every: str, tz: str, since: datetime | None) -> timedelta:
    """Return how much later than in polars' calendar periods of several days begin."""
    days = _SEVERAL_DAYS.fullmatch(every)
    # Year 1 of UTC is not in the calendar of every zone.
    if since is None or since.year < 2 or days is None:
        return timedelta()
    wall = since.astimezone(zone_of(tz)).replace(tzinfo=None)
    return (wall - _EPOCH) % timedelta(days=int(days[1]))


def _first_of(wall: pl.Expr, tz: str) -> pl.Expr:
    """Return the first moment at which clocks show a time or, if skipped, the next."""
    moments = [
        (wall + pl.duration(minutes=minutes)).dt.replace_time_zone(
            tz, ambiguous="earliest", non_existent="null"
        )
        # Clocks skip half an hour, an hour, or (Samoa, once) a day.
        for minutes in (0, 30, 60, 24 * 60)
    ]
    return pl.coalesce(moments)


def _is_of_days(every: str) -> bool:
    """Return whether a period is counted in days of the calendar, not in hours."""
    return any(unit in _DAYS for _, unit in _PART_OF_PERIOD.findall(every))


@cache
def _has_odd_midnights(tz: str) -> bool:
    """Return whether a day has two midnights, as in Havana, or was skipped (Samoa)."""
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


def period_end(every: str = "1d", tz: str = "UTC", since: Moment = None) -> pl.Expr:
    """Return the exclusive end of the period that starts at the column `period`.

    A period of hours may be longer or shorter when the clocks change.
    """
    start = pl.col("period")
    if _is_of_days(every):
        shift = _shift(every, tz, moment("since", since, tz))
        wall = (start.dt.replace_time_zone(None) - shift).dt.truncate(every)
        return _first_of(wall.dt.offset_by(every) + shift, tz).alias("period_end")
    end = start.dt.offset_by(every)
    # On a day of 25 hours the time six hours later may be in the same period.
    later = end.dt.offset_by("2h")
    inside = end.dt.truncate(every) == start
    next_start = pl.when(inside).then(later).otherwise(end).dt.truncate(every)
    # Clocks that go back may cut off a period of 45 minutes: then no other follows.
    return (
        pl.when(next_start > start).then(next_start).otherwise(end).alias("period_end")
    )
