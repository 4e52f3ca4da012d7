"""Periods of metrics: days, hours and months of a time zone, and their ends."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from toolkit.errors import OptionError
from toolkit.metrics import token_usage
from toolkit.testing import make_choices


def at(text: str) -> datetime:
    """Return a moment of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_day_with_two_midnights_is_one_day_of_25_hours() -> None:
    # In Havana clocks went from 01:00 back to 00:00 on 4 November 2018 (05:00 UTC).
    moments = ("2018-11-03T12:00", "2018-11-04T04:30", "2018-11-04T05:30")
    choices = make_choices(*[{"created": at(moment)} for moment in moments])

    days = token_usage(choices, tz="America/Havana")
    hours = token_usage(choices, every="1h", tz="America/Havana")

    assert days["responses"].to_list() == [1, 2]
    assert [str(day) for day in days["period_end"]] == [
        "2018-11-04 00:00:00-04:00",
        "2018-11-05 00:00:00-05:00",
    ]
    assert hours["responses"].to_list() == [1, 1, 1]


def test_a_day_without_midnight_begins_where_clocks_go_on() -> None:
    # In São Paulo clocks went from 00:00 to 01:00 on 4 November 2018.
    moments = ("2018-11-03T15:00", "2018-11-04T15:00")
    choices = make_choices(*[{"created": at(moment)} for moment in moments])

    days = token_usage(choices, tz="America/Sao_Paulo")

    assert [str(day) for day in days["period"]] == [
        "2018-11-03 00:00:00-03:00",
        "2018-11-04 01:00:00-02:00",
    ]
    assert days["period_end"][0] == days["period"][1]
    assert str(days["period_end"][1]) == "2018-11-05 00:00:00-02:00"


def test_a_day_that_never_was_is_left_out() -> None:
    # Samoa crossed the date line: 30 December 2011 is missing.
    choices = make_choices({"created": at("2011-12-29T15:00")})

    day = token_usage(choices, tz="Pacific/Apia")

    assert str(day["period_end"].item()) == "2011-12-31 00:00:00+14:00"


@pytest.mark.parametrize(
    ("every", "first", "last", "count"),
    [
        # March 2026 in Berlin has 31 days, one of them of 23 hours.
        ("1d", "2026-03-01", "2026-04-01", 31),
        ("1h", "2026-03-29", "2026-03-30", 23),
        ("1h", "2026-10-25", "2026-10-26", 25),
        ("6h", "2026-10-25", "2026-10-26", 4),
        ("1w", "2026-03-02", "2026-03-30", 4),
        ("1mo", "2026-01-01", "2027-01-01", 12),
        ("15m", "2026-10-25", "2026-10-26", 100),
    ],
)
def test_gaps_are_filled_with_each_period_once(
    every: str, first: str, last: str, count: int
) -> None:
    choices = make_choices({"created": at(f"{first}T12:00"), "total_tokens": 7})

    usage = token_usage(
        choices, every=every, tz="Europe/Berlin", since=first, until=last, fill=True
    )

    assert len(usage) == count
    assert usage["period_end"].to_list()[:-1] == usage["period"].to_list()[1:]
    assert usage["total_tokens"].sum() == 7


@pytest.mark.parametrize(
    ("every", "tz", "moment", "start", "end"),
    [
        # Clocks go back from 3:00 to 2:00 at 1:00 UTC: 2:15 to 3:00 is 0:15 to 1:00.
        ("45m", "Europe/Berlin", "00:20", "00:15", "01:00"),
        # From 3:00 to 1:00 at 1:00 UTC: 1:30 to 3:00 is 23:30 to 1:00.
        ("90m", "Antarctica/Troll", "00:20", "23:30", "01:00"),
        ("1h", "Europe/Berlin", "00:20", "00:00", "01:00"),
    ],
)
def test_a_period_ends_after_its_start_where_clocks_go_back(
    every: str, tz: str, moment: str, start: str, end: str
) -> None:
    created = datetime.fromisoformat(f"2026-10-25T{moment}Z")
    table = token_usage(make_choices({"created": created}), every=every, tz=tz)
    shown = table.select(
        pl.col("period", "period_end").dt.convert_time_zone("UTC").dt.strftime("%H:%M")
    )
    assert shown.row(0) == (start, end)


def test_a_period_may_begin_with_a_day_that_never_was() -> None:
    # After 29 December 2011 came the 31st: of the two days from the 30th one was.
    moments = ["2011-12-29T12:00-10:00", "2011-12-31T12:00+14:00"]
    choices = make_choices(*[{"created": datetime.fromisoformat(m)} for m in moments])
    table = token_usage(choices, every="2d", tz="Pacific/Apia", by=())
    shown = table.select(pl.col("period", "period_end").dt.strftime("%m-%d %H:%M"))
    assert shown.rows() == [
        ("12-28 00:00", "12-31 00:00"),
        ("12-31 00:00", "01-01 00:00"),
    ]


@pytest.mark.parametrize(
    ("every", "since", "starts"),
    [
        # 3 November 2020 is a Tuesday. All time zone data has the rules of that year.
        ("7d", "2020-11-03", ["11-03 00:00", "11-10 00:00", "11-17 00:00"]),
        ("10d", "2020-11-03", ["11-03 00:00", "11-13 00:00"]),
        ("14d", "2020-11-03T12:00", ["11-03 12:00", "11-17 12:00"]),
        # Units of the calendar begin where they begin in the calendar.
        ("1w", "2020-11-03", ["11-02 00:00", "11-09 00:00", "11-16 00:00"]),
        ("1mo", "2020-11-03", ["11-01 00:00"]),
        # Without a start: 7 days from Thursday, 1 January 1970.
        ("7d", None, ["10-29 00:00", "11-05 00:00", "11-12 00:00"]),
    ],
)
@pytest.mark.parametrize("tz", ["UTC", "America/Havana"])
def test_periods_of_several_days_begin_at_since(
    every: str, since: str | None, starts: list[str], tz: str
) -> None:
    noons = [datetime(2020, 11, day, 18, tzinfo=UTC) for day in range(3, 18)]
    choices = make_choices(*[{"created": noon} for noon in noons])

    table = token_usage(choices, every=every, since=since, tz=tz, by=(), fill=True)

    assert table["period"].dt.strftime("%m-%d %H:%M").to_list() == starts
    assert table["period_end"].to_list()[:-1] == table["period"].to_list()[1:]
    assert table["responses"].sum() == 15


def test_periods_from_since_keep_their_hour_where_clocks_change() -> None:
    # In Berlin the clocks go back on 25 October 2026: those 7 days have 169 hours.
    choices = make_choices(
        {"created": at("2026-10-26T22:59:59")}, {"created": at("2026-10-26T23:00:00")}
    )

    table = token_usage(
        choices, every="7d", since="2026-10-20", tz="Europe/Berlin", by=()
    )

    ends = table.select(pl.col("period", "period_end").dt.strftime("%m-%d %H:%M %z"))
    assert ends.rows() == [
        ("10-20 00:00 +0200", "10-27 00:00 +0100"),
        ("10-27 00:00 +0100", "11-03 00:00 +0100"),
    ]
    assert table["responses"].to_list() == [1, 1]
    assert table["partial"].to_list() == [False, True]


def test_a_start_in_year_1_is_no_error() -> None:
    usage = token_usage(
        make_choices({}), every="7d", since="0001-01-01T00:00Z", tz="America/Lima"
    )
    assert usage["responses"].to_list() == [1]


@pytest.mark.parametrize("since", ["0001-01-02", "0001-01-01", "0001-01-01T05:00"])
def test_a_range_before_the_calendar_is_an_error(since: str) -> None:
    with pytest.raises(OptionError, match="would begin before year 1"):
        token_usage(
            make_choices({}),
            every=None,
            since=since,
            until="2026-01-01",
            compare="previous",
        )
