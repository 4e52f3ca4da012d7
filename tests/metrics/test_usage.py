"""Token usage: values worked by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from toolkit.errors import (
    MissingColumnsError,
    OptionError,
    PartialResponsesWarning,
    TotalOverflowError,
    UnsuitableColumnError,
)
from toolkit.metrics import token_usage
from toolkit.testing import make_choices

SCHEMA = {
    "period": pl.Datetime("us", "UTC"),
    "period_end": pl.Datetime("us", "UTC"),
    "partial": pl.Boolean,
    "model": pl.String,
    "responses": pl.Int64,
    "responses_without_usage": pl.Int64,
    "prompt_tokens": pl.Int64,
    "prompt_unseen": pl.Int64,
    "completion_tokens": pl.Int64,
    "completion_unseen": pl.Int64,
    "total_tokens": pl.Int64,
    "cached_tokens": pl.Int64,
    "cached_unseen": pl.Int64,
    "reasoning_tokens": pl.Int64,
    "reasoning_unseen": pl.Int64,
}


def at(text: str) -> datetime:
    """Return a moment of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_response_counts_once_however_many_choices_it_has() -> None:
    choices = make_choices(
        {"choice_position": 0, "choice_count": 3, "total_tokens": 15},
        {"choice_position": 1, "choice_count": 3},
        {"choice_position": 2, "choice_count": 3},
    )

    usage = token_usage(choices)

    assert usage["responses"].item() == 1
    assert usage["total_tokens"].item() == 15


def test_a_response_without_usage_is_counted_beside_the_sum() -> None:
    choices = make_choices({"total_tokens": 15}, {}, {"total_tokens": 0})

    usage = token_usage(choices)

    # Two report a total, 15 and 0; one is silent.
    assert usage.select("responses", "responses_without_usage", "total_tokens").row(
        0
    ) == (3, 1, 15)


def test_usage_of_zeros_is_unknown() -> None:
    zeros = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    known = {"prompt_tokens": 10, "completion_tokens": 0, "total_tokens": 10}

    usage = token_usage(
        make_choices(
            {"model": "a", **zeros}, {"model": "b", **zeros}, {"model": "b", **known}
        )
    )

    columns = ("model", "responses_without_usage", "prompt_tokens", "total_tokens")
    assert usage.select(columns).rows() == [("a", 1, None, None), ("b", 1, 10, 10)]


def test_each_column_of_tokens_is_its_own_sum() -> None:
    one = {"prompt_tokens": 1, "completion_tokens": 20, "total_tokens": 300}
    two = {**one, "cached_tokens": 4000, "reasoning_tokens": 50000}

    usage = token_usage(make_choices(one, two))

    # The first of the two says nothing of cached and reasoning tokens.
    assert usage.row(0)[6:] == (2, 0, 40, 0, 600, 4000, 1, 50000, 1)


def test_undated_responses_are_in_rows_with_a_null_period_at_the_end() -> None:
    choices = make_choices({"created": None, "total_tokens": 1}, {"total_tokens": 2})

    usage = token_usage(choices)

    assert usage["period"].to_list() == [at("2026-01-01"), None]
    assert usage["period_end"].to_list() == [at("2026-01-02"), None]
    assert usage["total_tokens"].to_list() == [2, 1]


def test_a_null_is_a_series_of_its_own() -> None:
    usage = token_usage(
        make_choices({"model": None, "total_tokens": 1}, {"model": "a"})
    )

    assert usage["model"].to_list() == ["a", None]


@pytest.mark.parametrize(
    ("every", "start", "end"),
    [
        ("1h", "2026-03-04T05:00", "2026-03-04T06:00"),
        ("1d", "2026-03-04", "2026-03-05"),
        ("1w", "2026-03-02", "2026-03-09"),  # 4 March 2026 is a Wednesday
        ("1mo", "2026-03-01", "2026-04-01"),
        ("1q", "2026-01-01", "2026-04-01"),
        ("1y", "2026-01-01", "2027-01-01"),
    ],
)
def test_periods_are_those_of_the_calendar(every: str, start: str, end: str) -> None:
    usage = token_usage(make_choices({"created": at("2026-03-04T05:06")}), every=every)

    assert usage.select("period", "period_end").row(0) == (at(start), at(end))


def test_a_day_begins_at_midnight_of_the_zone() -> None:
    # 23:30 UTC is half past midnight of the next day in Berlin in winter.
    choices = make_choices({"created": at("2026-01-31T23:30")})

    usage = token_usage(choices, tz="Europe/Berlin")

    assert usage["period"].item().isoformat() == "2026-02-01T00:00:00+01:00"
    assert usage["period"].dtype == pl.Datetime("us", "Europe/Berlin")


@pytest.mark.parametrize(
    ("day", "hours"),
    [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-01", 24)],
)
def test_days_of_23_and_25_hours_are_one_day(day: str, hours: int) -> None:
    choices = make_choices({"created": at(f"{day}T12:00")})

    usage = token_usage(choices, tz="Europe/Berlin")

    length = usage.select(pl.col("period_end") - pl.col("period")).to_series()
    assert length.dt.total_hours().item() == hours


def test_an_hour_that_clocks_show_twice_is_two_hours() -> None:
    # Summer time ends in Berlin on 25 October 2026 at 01:00 UTC.
    choices = make_choices(
        {"created": at("2026-10-25T00:30")}, {"created": at("2026-10-25T01:30")}
    )

    usage = token_usage(choices, every="1h", tz="Europe/Berlin")

    assert usage["responses"].to_list() == [1, 1]
    assert usage["period_end"][0] == usage["period"][1]


def test_six_hours_over_the_longer_night_are_one_period() -> None:
    choices = make_choices({"created": at("2026-10-25T00:30")})

    usage = token_usage(choices, every="6h", tz="Europe/Berlin")

    assert usage["period_end"].item().isoformat() == "2026-10-25T06:00:00+01:00"


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        (None, None, 4),
        ("2026-01-02", None, 2),
        (None, "2026-01-02", 1),
        (date(2026, 1, 2), at("2026-01-03"), 1),
        ("2026-01-02T00:00:00Z", "2026-01-02T00:00:01Z", 1),
    ],
)
def test_a_range_is_half_open_and_leaves_the_undated_out(
    since: object, until: object, expected: int
) -> None:
    choices = make_choices(
        {"created": at("2026-01-01T23:59")},
        {"created": at("2026-01-02")},
        {"created": at("2026-01-03")},
        {"created": None},
    )

    usage = token_usage(choices, since=since, until=until)  # type: ignore[arg-type]

    assert usage["responses"].sum() == expected


def test_a_date_without_a_zone_is_in_tz() -> None:
    choices = make_choices({"created": at("2026-01-01T23:30")})

    usage = token_usage(choices, since="2026-01-02", tz="Europe/Berlin")

    assert usage["responses"].sum() == 1


def test_several_columns_name_a_series_also_your_own() -> None:
    choices = make_choices({"provider": "p", "mine": 1}, {"provider": "p", "mine": 2})

    usage = token_usage(choices, by=["provider", "mine"])

    assert usage.select("provider", "mine", "responses").rows() == [
        ("p", 1, 1),
        ("p", 2, 1),
    ]


def test_anything_that_exports_arrow_gives_the_same() -> None:
    choices = make_choices({"total_tokens": 15})
    usage = token_usage(choices)

    assert token_usage(choices.lazy()).equals(usage)
    assert token_usage(choices.to_arrow()).equals(usage)
    relation = duckdb.from_arrow(choices.to_arrow())
    assert token_usage(relation).equals(usage)
    with pytest.raises(TypeError, match="got list"):
        token_usage([1])  # type: ignore[arg-type]


def test_an_empty_frame_gives_an_empty_one_with_the_same_dtypes() -> None:
    usage = token_usage(make_choices())

    assert usage.is_empty()
    assert dict(usage.schema) == SCHEMA
    assert dict(token_usage(make_choices({})).schema) == SCHEMA


def test_a_wrong_column_names_the_near_miss_before_anything_is_collected() -> None:
    never = make_choices({}).lazy().map_batches(lambda _: pytest.fail("collected"))

    with pytest.raises(
        MissingColumnsError, match=r"'modle' \(did you mean 'model'\?\)"
    ):
        token_usage(never, by="modle")


@pytest.mark.parametrize(
    "name", ["finish_reason", "choice_position", "total_tokens", "responses", "period"]
)
def test_a_column_that_cannot_name_a_series_is_an_error(name: str) -> None:
    with pytest.raises(UnsuitableColumnError, match=name):
        token_usage(make_choices({}), by=name)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("every", "1x"),
        ("every", "0d"),
        ("every", "1mo2d"),
        ("every", "-1d"),
        ("every", "100000y"),
        ("every", "9999999mo"),
        ("tz", "localtime"),
        ("tz", "posixrules"),
        ("since", "0001-01-01T00:00+14:00"),
        ("until", "9999-12-31T23:00-12:00"),
        ("by", ["model", "model"]),
        ("every", 7),
        ("top", 0),
        ("top", True),
        ("top", "3"),
        ("compare", "next"),
        ("every", ""),
        ("tz", "Europe/Berln"),
        ("since", "yesterday"),
        ("until", "2026-13-01"),
    ],
)
def test_an_invalid_option_is_an_error(option: str, value: object) -> None:
    with pytest.raises(OptionError, match="expected"):
        token_usage(make_choices({}), **{option: value})  # type: ignore[arg-type]


def test_a_sum_that_does_not_fit_is_an_error_and_never_wraps() -> None:
    row = {"total_tokens": 2**62}

    with pytest.raises(TotalOverflowError, match="total_tokens"):
        token_usage(make_choices(row, row))
    with pytest.raises(TotalOverflowError, match="total_tokens"):
        token_usage(make_choices(*[{"total_tokens": -(2**62)}] * 3))


def test_missing_choices_give_a_warning() -> None:
    choices = make_choices(
        {"choice_position": 0, "choice_count": 2, "finish_reason": "stop"},
        {"choice_position": 1, "choice_count": 2, "finish_reason": "length"},
    )

    picked = choices.filter(pl.col("finish_reason") == "length")
    with pytest.warns(PartialResponsesWarning, match="any_choice"):
        token_usage(picked)
    with pytest.warns(PartialResponsesWarning, match="any_choice"):
        token_usage(picked.to_arrow())


def test_the_argument_is_not_changed() -> None:
    choices = make_choices({"total_tokens": 1})
    before = choices.clone()

    token_usage(choices)

    assert choices.equals(before)
    assert isinstance(choices.to_arrow(), pa.Table)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"since": 20261101}, "since: .* got 20261101"),
        ({"by": [None]}, "by: "),
        ({"by": 3}, "by: .* got 3"),
    ],
)
def test_an_option_of_a_wrong_type_is_an_error(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(OptionError, match=message):
        token_usage(make_choices({}), **options)  # type: ignore[arg-type]
