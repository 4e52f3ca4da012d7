"""Days and ranges as a calendar writes them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from toolkit.formatting.dates import (
    calendar_unit,
    format_day,
    format_days,
    format_moment,
    format_month,
    format_range,
)


def test_a_day_and_a_moment() -> None:
    moment = datetime(2026, 3, 5, 6, 7, tzinfo=UTC)
    assert format_day(moment) == "5 Mar 2026"
    assert format_day(moment, "short") == "5 Mar"
    assert format_day(moment, "iso") == "2026-03-05"
    assert format_month(moment) == "Mar 2026"
    assert format_moment(moment) == "5 Mar 2026, 06:07"
    assert format_moment(moment, "iso") == "2026-03-05 06:07"


def test_days_are_written_without_repeating_month_or_year() -> None:
    assert format_days(date(2026, 11, 16), date(2026, 11, 16)) == "16 Nov 2026"
    assert format_days(date(2026, 11, 16), date(2026, 11, 22)) == "16 to 22 Nov 2026"
    assert format_days(date(2026, 11, 30), date(2026, 12, 6)) == "30 Nov to 6 Dec 2026"
    year = format_days(date(2026, 12, 28), date(2027, 1, 3))
    assert year == "28 Dec 2026 to 3 Jan 2027"


@pytest.mark.parametrize(
    ("start", "end", "unit", "text"),
    [
        ("2026-11-16", "2026-11-17", "day", "16 Nov 2026"),
        ("2026-11-16", "2026-11-23", "week", "Week of 16 to 22 Nov 2026"),
        ("2026-11-17", "2026-11-24", "range", "17 to 23 Nov 2026"),
        ("2026-02-01", "2026-03-01", "month", "Feb 2026"),
        ("2026-12-01", "2027-01-01", "month", "Dec 2026"),
        ("2026-10-01", "2027-01-01", "quarter", "Fourth quarter of 2026"),
        ("2026-02-01", "2026-05-01", "range", "1 Feb to 30 Apr 2026"),
        (
            "2026-11-16T06:00",
            "2026-11-17",
            "day",
            "16 Nov 2026, 06:00 to 17 Nov 2026, 00:00",
        ),
    ],
)
def test_a_range_has_the_name_that_a_calendar_gives_it(
    start: str, end: str, unit: str, text: str
) -> None:
    zone = ZoneInfo("Europe/Berlin")
    first, last = (
        datetime.fromisoformat(day).replace(tzinfo=zone) for day in (start, end)
    )
    assert calendar_unit(first, last) == unit
    assert format_range(first, last) == text


def test_an_open_range() -> None:
    day = datetime(2026, 11, 16, tzinfo=UTC)
    assert format_range(None, None) == "All that there is"
    assert format_range(day, None) == "Since 16 Nov 2026"
    assert format_range(None, day.replace(hour=6)) == "Before 16 Nov 2026, 06:00"
