"""Ranges of time: `last`, `before` and `span`, which return a half-open `Span`.

`last` is the last complete calendar period of a zone, `before` the range of the same
length directly before another one. The clock is read only if `now` is not given.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

import polars as pl

from toolkit.errors import OptionError, check_word, near_miss
from toolkit.schema.tables import LATEST_CREATED

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

__all__ = ["Span", "before", "last", "span"]

Moment: TypeAlias = "str | date | datetime | None"
Period = Literal["day", "week", "month", "quarter"]
_PERIODS: tuple[str, ...] = get_args(Period)
_IN_CALENDAR = "a time in the years 1 to 9999"
_DAYS_BACK = re.compile(r"([0-9]{1,5})d")


class Span(NamedTuple):
    """A half-open range of time, in UTC; None is an open end."""

    start: datetime | None
    end: datetime | None

    def conditions(self) -> list[pl.Expr]:
        """Return the conditions on `created`; undated responses meet none."""
        created = pl.col("created")
        return [
            *([created >= self.start] if self.start is not None else []),
            *([created < self.end] if self.end is not None else []),
        ]

    def touches(self, day: date) -> bool:
        """Return whether a day of UTC overlaps the range."""
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return (self.start is None or day >= self.start.date()) and (
            self.end is None or midnight < self.end
        )


def span(since: Moment, until: Moment, tz: str = "UTC", *, now: Moment = None) -> Span:
    """Parse a range of `created`, or raise `OptionError`.

    Examples
    --------
    >>> since, until = span("7d", "2026-11-23", "Europe/Berlin", now="2026-11-23T09:00")
    >>> since.isoformat(), until.isoformat()
    ('2026-11-15T23:00:00+00:00', '2026-11-22T23:00:00+00:00')
    """
    start = moment("since", since, tz, now=now)
    end = moment("until", until, tz, now=now)
    if start is not None and end is not None and start > end:
        expected = f"a time that is not before since ({since})"
        raise OptionError("until", str(until), expected=expected)
    return Span(start, end)


def moment(name: str, value: Moment, tz: str, *, now: Moment = None) -> datetime | None:
    """Parse a date, a datetime, ISO text or ``7d`` as a point in time, in UTC.

    A date is midnight in the zone; ``7d`` is the midnight seven days before today's.
    """
    if value is None:
        return None
    zone, given = zone_of(tz), value
    try:
        if isinstance(value, str):
            back = _DAYS_BACK.fullmatch(value)
            if back:
                value = _local_day(now, tz) - timedelta(days=int(back[1]))
            else:
                value = _parse_time(name, value)
        if not isinstance(value, date):
            raise OptionError(name, value, expected="a date, a datetime or text")
        if not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=zone)
        return (value if value.tzinfo else value.replace(tzinfo=zone)).astimezone(UTC)
    except OverflowError:
        raise OptionError(name, given, expected=_IN_CALENDAR) from None


def _parse_time(name: str, text: str) -> datetime:
    """Parse ISO 8601 or RFC 3339, which allows lower-case letters."""
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        expected = 'a date, a time or days: "2026-11-01", "2026-11-01T12:00Z" or "7d"'
        raise OptionError(name, text, expected=expected) from None


def last(period: Period, tz: str = "UTC", *, now: Moment = None) -> Span:
    """Return the last complete calendar period of a zone.

    Parameters
    ----------
    period
        ``"day"``, ``"week"`` (from Monday), ``"month"`` or ``"quarter"``.
    tz
        The time zone of the calendar; its days have 23, 24 or 25 hours.
    now
        The current time; read from the clock by default.

    Returns
    -------
    Span
        Unpacks into `since` and `until` for any metric.

    Raises
    ------
    OptionError
        If `period`, `tz` or `now` is invalid.

    Examples
    --------
    >>> since, until = last("week", "Europe/Berlin", now="2026-11-23T09:00")
    >>> since.isoformat(), until.isoformat()
    ('2026-11-15T23:00:00+00:00', '2026-11-22T23:00:00+00:00')
    """
    check_word("last", period, _PERIODS)
    today = _local_day(now, tz)
    try:
        start, end = _last_period(period, today)
    except (OverflowError, ValueError):
        raise OptionError("now", now, expected=_IN_CALENDAR) from None
    return span(start, end, tz)


def _last_period(period: Period, today: date) -> tuple[date, date]:
    """Return the first day of the last complete period, and of the current one."""
    if period == "day":
        return today - timedelta(days=1), today
    if period == "week":
        monday = today - timedelta(days=today.weekday())
        return monday - timedelta(days=7), monday
    months = 1 if period == "month" else 3
    end = today.replace(month=today.month - (today.month - 1) % months, day=1)
    return _add_months(end, -months), end


def chosen(
    last_period: Period | None,
    since: Moment,
    until: Moment,
    tz: str = "UTC",
    *,
    now: Moment = None,
) -> Span:
    """Return the last complete period, or the range between two moments."""
    if last_period is None:
        return span(since, until, tz, now=now)
    if since is not None or until is not None:
        expected = "None if since or until is given"
        raise OptionError("last", last_period, expected=expected)
    return last(last_period, tz, now=now)


def before(within: Span, tz: str = "UTC") -> Span:
    """Return the range of the same length directly before another one.

    Before whole months of the zone are as many months, before whole days as many days,
    before any other range the same number of seconds.

    Examples
    --------
    >>> start, end = before(span("2026-03-01", "2026-04-01"))
    >>> start.isoformat(), end.isoformat()
    ('2026-02-01T00:00:00+00:00', '2026-03-01T00:00:00+00:00')
    """
    if within.start is None or within.end is None:
        expected = "a range with a start and an end, to compare with the one before"
        raise OptionError("since", within.start, expected=expected)
    zone = zone_of(tz)
    first = within.start.astimezone(zone).date()
    stop = within.end.astimezone(zone).date()
    if within != span(first, stop, tz):
        return Span(within.start - (within.end - within.start), within.start)
    months = 12 * (stop.year - first.year) + stop.month - first.month
    if first.day == stop.day == 1 and months:
        return span(_add_months(first, -months), first, tz)
    return span(first - (stop - first), first, tz)


def _add_months(day: date, months: int) -> date:
    """Return the first day of the month that is `months` later."""
    year, month = divmod(12 * day.year + day.month - 1 + months, 12)
    return date(year, month + 1, 1)


def _local_day(now: Moment, tz: str) -> date:
    """Return the current day in a zone."""
    if isinstance(now, str) and _DAYS_BACK.fullmatch(now):
        raise OptionError("now", now, expected="a date or a time")
    instant = moment("now", now, tz) or datetime.now(UTC)
    try:
        return instant.astimezone(zone_of(tz)).date()
    except OverflowError:
        raise OptionError("now", now, expected=_IN_CALENDAR) from None


def zone_of(tz: str) -> ZoneInfo:
    """Return a time zone by its name."""
    # Imported here: only needed if a range is given.
    from zoneinfo import ZoneInfo

    return ZoneInfo(check_zone(tz))


@cache
def _try_zone(tz: str) -> None:
    """Raise an error if a time zone does not exist; polars is asked once for each."""
    # Imported here: only needed if a range is given.
    from zoneinfo import ZoneInfo

    ZoneInfo(tz)
    # polars knows fewer zones than zoneinfo, for example not "localtime".
    pl.Series([LATEST_CREATED]).dt.convert_time_zone(tz)


def check_zone(tz: str) -> str:
    """Return the name of a time zone, or raise `OptionError` if it does not exist."""
    # Imported here: the list of zones is only needed for a wrong name.
    from zoneinfo import ZoneInfoNotFoundError, available_timezones

    try:
        _try_zone(tz)
    except (
        ZoneInfoNotFoundError,
        ValueError,
        OSError,
        TypeError,
        pl.exceptions.PolarsError,
    ):
        zones = [
            zone
            for zone in sorted(available_timezones())
            if zone == "UTC" or ("/" in zone and not zone.startswith("Etc/"))
        ]
        hint = near_miss(str(tz), zones, cutoff=0.8)
        expected = 'a time zone such as "UTC" or "Europe/Berlin"'
        raise OptionError("tz", tz, expected=expected, hint=hint) from None
    return tz


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
