"""Ranges of time: dates, days back, and the last complete period of a zone."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest

import toolkit
from toolkit.errors import OptionError
from toolkit.expressions.time_ranges import Span, before, chosen, last, moment, span

# 23 November 2026 is a Monday.
MONDAY = "2026-11-23T09:00Z"


def hours(within: Span) -> float:
    """Return the length of a range."""
    assert within.start is not None
    assert within.end is not None
    return (within.end - within.start) / timedelta(hours=1)


@pytest.mark.parametrize(
    ("period", "now", "since", "until"),
    [
        ("day", MONDAY, "2026-11-22", "2026-11-23"),
        ("week", MONDAY, "2026-11-16", "2026-11-23"),
        ("week", "2026-11-22T23:59:59Z", "2026-11-09", "2026-11-16"),  # a Sunday
        ("month", MONDAY, "2026-10-01", "2026-11-01"),
        ("month", "2026-01-31", "2025-12-01", "2026-01-01"),
        ("month", "2028-03-31", "2028-02-01", "2028-03-01"),
        ("quarter", MONDAY, "2026-07-01", "2026-10-01"),
        ("quarter", "2026-03-31T23:59Z", "2025-10-01", "2026-01-01"),
        ("quarter", "2026-04-01", "2026-01-01", "2026-04-01"),
    ],
)
def test_last_is_the_last_complete_calendar_period(
    period: str, now: str, since: str, until: str
) -> None:
    assert last(period, now=now) == span(since, until)


def test_the_zone_says_which_day_it_is() -> None:
    # 22:30 UTC on Sunday is Monday 07:30 in Tokyo, and 23:30 on Sunday in Berlin.
    now = "2026-11-22T22:30Z"

    assert last("week", "Asia/Tokyo", now=now) == span(
        "2026-11-15T15:00Z", "2026-11-22T15:00Z"
    )
    assert last("week", "Europe/Berlin", now=now) == span(
        "2026-11-08T23:00Z", "2026-11-15T23:00Z"
    )


@pytest.mark.parametrize(
    ("now", "length"),
    [
        ("2026-03-30", 23),  # on 29 March Berlin goes from 02:00 to 03:00
        ("2026-10-26", 25),  # on 25 October from 03:00 to 02:00
        ("2026-11-23", 24),
    ],
)
def test_the_last_day_is_as_long_as_it_was(now: str, length: int) -> None:
    assert hours(last("day", "Europe/Berlin", now=now)) == length


def test_a_midnight_that_the_clocks_skip_is_the_first_instant_of_the_day() -> None:
    # Santiago, 6 September 2026: from 24:00 (-04) to 01:00 (-03), both 04:00 UTC.
    within = last("day", "America/Santiago", now="2026-09-07T12:00Z")

    assert within == Span(
        datetime(2026, 9, 6, 4, tzinfo=UTC), datetime(2026, 9, 7, 3, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", "2026-11-15T23:00Z"),  # midnight of the 16th in Berlin
        ("0d", "2026-11-22T23:00Z"),
        ("30d", "2026-10-23T22:00Z"),  # summer time: two hours ahead
        ("2026-11-22", "2026-11-21T23:00Z"),
        ("2026-11-22T08:00", "2026-11-22T07:00Z"),
        ("2026-11-22t08:00:00z", "2026-11-22T08:00Z"),  # RFC 3339 allows small letters
        ("2026-11-22 08:00:00.5+01:00", "2026-11-22T07:00:00.5Z"),
    ],
)
def test_a_moment_is_a_date_a_time_or_days_back(text: str, expected: str) -> None:
    found = moment("since", text, "Europe/Berlin", now=MONDAY)

    assert found == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    "text", ["7", "d", "-7d", "7D", "\u0667d", "99999999d", "last", ""]
)
def test_another_text_is_not_a_moment(text: str) -> None:
    with pytest.raises(OptionError, match=r"since: expected a date, a time or days"):
        moment("since", text, "UTC", now=MONDAY)


def test_days_before_the_calendar_are_an_error() -> None:
    with pytest.raises(OptionError, match="a time in the years 1 to 9999"):
        moment("since", "99999d", "UTC", now="0100-01-01")
    with pytest.raises(OptionError, match="a time in the years 1 to 9999"):
        last("month", now="0001-01-01")


def test_now_is_no_distance_from_now() -> None:
    with pytest.raises(OptionError, match="now: expected a date or a time, got '7d'"):
        last("week", now="7d")


def test_a_period_that_is_none_is_hinted_at() -> None:
    with pytest.raises(OptionError, match=r"last: .*got 'weak' \(did you mean 'week'"):
        last("weak")  # type: ignore[arg-type]


def test_last_cannot_be_combined_with_since_or_until() -> None:
    with pytest.raises(OptionError, match="None if since or until is given"):
        chosen("week", "7d", None, now=MONDAY)
    assert chosen("week", None, None, now=MONDAY) == last("week", now=MONDAY)
    assert chosen(None, "2026-01-01", None) == span("2026-01-01", None)


def test_without_now_the_clock_is_asked() -> None:
    start, end = last("day")

    assert start is not None
    assert end is not None
    assert start < end <= datetime.now(UTC) < end + timedelta(days=1, minutes=1)


@pytest.mark.parametrize(
    ("since", "until", "tz", "expected"),
    [
        ("2026-11-16", "2026-11-23", "UTC", ("2026-11-09", "2026-11-16")),
        ("2026-03-01", "2026-04-01", "UTC", ("2026-02-01", "2026-03-01")),
        ("2026-01-01", "2026-04-01", "UTC", ("2025-10-01", "2026-01-01")),
        ("2026-11-01", "2026-11-15", "UTC", ("2026-10-18", "2026-11-01")),
        # A day of 25 hours, and the one of 24 before it.
        ("2026-10-25", "2026-10-26", "Europe/Berlin", ("2026-10-24", "2026-10-25")),
        # No whole days: the same length on the clock of UTC.
        ("2026-10-25T06:00", "2026-10-25T09:00", "UTC",
         ("2026-10-25T03:00", "2026-10-25T06:00")),
    ],
)  # fmt: skip
def test_before_is_the_same_length_of_the_calendar_directly_before(
    since: str, until: str, tz: str, expected: tuple[str, str]
) -> None:
    assert before(span(since, until, tz), tz) == span(*expected, tz)


def test_nothing_lies_before_an_open_range() -> None:
    with pytest.raises(OptionError, match="a range with a start and an end"):
        before(span("2026-01-01", None))


def test_an_end_before_the_start_is_an_error_with_both() -> None:
    message = r"until: expected a time that is not before since \(2026-02-01\), got"
    with pytest.raises(OptionError, match=message):
        span("2026-02-01", "2026-01-31")
    assert span("2026-02-01", "2026-02-01").start is not None


def test_the_module_lists_public_names_only() -> None:
    assert dir(toolkit.ranges) == ["Span", "before", "last", "span"]


def test_a_date_object_is_its_midnight_in_the_zone() -> None:
    found = moment("until", date(2026, 7, 1), "Europe/Berlin")

    assert found == datetime(2026, 6, 30, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("tz", "likely"),
    [("Europe/Berln", "Europe/Berlin"), ("berlin", "Europe/Berlin"), ("utc", "UTC")],
)
def test_a_wrong_zone_names_one_of_the_same_place(tz: str, likely: str) -> None:
    with pytest.raises(OptionError, match=rf"got '{tz}' \(did you mean '{likely}'\?"):
        span("2026-11-01", None, tz)


@pytest.mark.parametrize("tz", ["CEST", "BST", "GMT+2"])
def test_no_zone_of_other_hours_is_suggested(tz: str) -> None:
    with pytest.raises(OptionError, match=rf"got '{re.escape(tz)}'$"):
        span("2026-11-01", None, tz)
