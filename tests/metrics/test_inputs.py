"""What metrics take: frames of several loads, of other libraries, of other types."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

import toolkit
from toolkit import metrics
from toolkit.errors import PartialResponsesWarning, UnsuitableColumnError
from toolkit.expressions import any_choice
from toolkit.testing import make_choices

CALL = {"id": "1", "type": "function", "name": "add", "arguments": "{}"}
ALL = [name for name in metrics.METRICS if name not in ("log_health", "cost_change")]


def on(day: int) -> datetime:
    """Noon of a day of January."""
    return datetime(2026, 1, day, 12, tzinfo=UTC)


def load_of(source: str, ending: str) -> pl.DataFrame:
    """Make one load of one log: a response of two choices, the second with a call."""
    row = {"log_id": 0, "line": 1, "source": source, "choice_count": 2}
    return make_choices(
        {**row, "finish_reason": "stop", "total_tokens": 10},
        {**row, "choice_position": 1, "finish_reason": ending, "tool_calls": [CALL]},
    )


def test_the_source_distinguishes_responses_of_two_loads() -> None:
    both = pl.concat([load_of("a.jsonl", "stop"), load_of("b.jsonl", "length")])
    for choices in (both, both.reverse(), both.lazy()):
        cut = metrics.truncation_rate(choices, every=None, by=())
        # Of 2 responses that of b was cut, with its 10 tokens.
        assert cut.select("responses", "responses_truncated", "tokens_truncated").row(
            0
        ) == (2, 1, 10)
        calls = metrics.tool_calls(choices, every=None, by=())
        assert calls.select("calls", "responses").row(0) == (2, 2)
    assert toolkit.responses(both).height == 2
    assert toolkit.responses(both.lazy()).collect().height == 2
    picked = both.filter(any_choice(pl.col("finish_reason") == "length"))
    assert picked["source"].to_list() == ["b.jsonl"] * 2


def test_text_dropped_from_one_load_does_not_affect_another() -> None:
    row = {"log_id": 0, "line": 1, "content": None}
    both = make_choices(
        {**row, "source": "a.jsonl", "content_chars": 5},
        {**row, "source": "b.jsonl", "content_chars": None},
    )
    rate = metrics.refusal_and_filter_rate(both, every=None, by=())
    # Only a.jsonl was read without its texts.
    assert rate["refusals_unseen"].item() == 1


def test_responses_with_the_same_key_are_an_error_where_it_matters() -> None:
    twice = pl.concat([load_of("a.jsonl", "stop"), load_of("a.jsonl", "length")])
    for choices in (twice, twice.drop("source")):
        for metric in (metrics.truncation_rate, metrics.tool_calls):
            with pytest.raises(UnsuitableColumnError, match="several responses"):
                metric(choices)
        with pytest.raises(UnsuitableColumnError, match="load the logs together"):
            toolkit.responses(choices)
        with pytest.warns(PartialResponsesWarning, match="1 key shared by several"):
            used = metrics.token_usage(choices, every=None, by=())
        assert used["total_tokens"].item() == 20


def test_missing_choices_of_two_loads_are_counted_together() -> None:
    first = load_of("a.jsonl", "stop").filter(pl.col("choice_position") == 0)
    second = load_of("b.jsonl", "stop").filter(pl.col("choice_position") == 1)
    with pytest.warns(PartialResponsesWarning, match="choices of 2 responses"):
        metrics.token_usage(pl.concat([first, second]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("truncation_rate", {"responses": 1, "choices": 2, "choice_rate": 0.5}),
        ("refusal_and_filter_rate", {"responses": 1, "choices": 2}),
        ("confidence", {"choices": 2, "logprob_tokens": 3}),
        ("tool_calls", {"calls": 1, "responses": 1}),
    ],
)
def test_a_column_of_your_own_has_the_value_of_the_first_choice(
    name: str, expected: dict[str, float]
) -> None:
    second = {"logprob_tokens": 3, "logprob_sum": -1.0, "tool_calls": [CALL]}
    choices = make_choices(
        {"choice_count": 2, "finish_reason": "stop", "long": True},
        {
            "choice_count": 2,
            "choice_position": 1,
            "finish_reason": "length",
            "long": False,
            **second,
        },
    )
    for given in (choices, choices.reverse(), choices.lazy()):
        table = metrics.METRICS[name](given, by="long", every=None)
        assert table.select("long", *expected).rows() == [(True, *expected.values())]
        folded = metrics.METRICS[name](given, by=("model", "long"), every=None, top=1)
        assert folded["long"].to_list() == ["true"]
    reasons = metrics.finish_reasons(choices, by="long", every=None)
    assert reasons.select("long", "finish_reason", "choices_all").rows() == [
        (True, "length", 2),
        (True, "stop", 2),
    ]


@pytest.mark.parametrize("name", ALL)
def test_a_frame_of_pandas_gives_the_same(name: str) -> None:
    choices = make_choices(
        {"total_tokens": 3, "prompt_tokens": 1, "tool_calls": [CALL]},
        {"total_tokens": None, "created": on(2)},
    )
    expected = metrics.METRICS[name](choices)
    assert metrics.METRICS[name](choices.to_pandas()).equals(expected)
    nothing = make_choices({"total_tokens": 3})
    assert metrics.METRICS[name](nothing.to_pandas()).equals(
        metrics.METRICS[name](nothing)
    )


@pytest.mark.parametrize("name", ALL)
def test_columns_of_type_null_are_columns_of_nulls(name: str) -> None:
    choices = make_choices({"model": "a", "completion_tokens": 4})
    names = ["refusal", "total_tokens", "tool_calls", "logprob_sum", "provider"]
    untyped = choices.with_columns(pl.lit(None).alias(name) for name in names)
    assert untyped["refusal"].dtype == pl.Null
    for given in (untyped, untyped.lazy()):
        expected = metrics.METRICS[name](choices)
        assert metrics.METRICS[name](given).equals(expected)


def test_an_unsuitable_column_is_an_error_with_its_name() -> None:
    choices = make_choices({"total_tokens": 5})
    naive = choices.with_columns(pl.col("created").dt.replace_time_zone(None))
    with pytest.raises(UnsuitableColumnError, match="'created' has no time zone"):
        metrics.token_usage(naive, since="2026-01-01")
    with pytest.raises(UnsuitableColumnError, match="'total_tokens' is String"):
        metrics.token_usage(choices.with_columns(total_tokens=pl.lit("5")))
    for own in (pl.lit(b"\xff"), pl.duration(hours=1)):
        with pytest.raises(UnsuitableColumnError, match="'own' is not text"):
            metrics.token_usage(choices.with_columns(own=own), by="own", top=2)


def test_times_in_nanoseconds_give_the_same() -> None:
    choices = make_choices({"total_tokens": 5}, {"created": on(3)})
    fine = choices.with_columns(pl.col("created").dt.cast_time_unit("ns"))
    assert metrics.token_usage(fine).equals(metrics.token_usage(choices))


def test_counts_with_fractions_are_an_error_and_whole_numbers_of_any_type_are_not() -> (
    None
):
    choices = make_choices(*[{"total_tokens": 5}] * 3)
    fractions = pl.Series([5.0, 1.5, None])
    for dtype in (pl.Float64, pl.Float32, pl.Decimal(10, 2)):
        given = choices.with_columns(total_tokens=fractions.cast(dtype))
        for frame in (given, given.lazy()):
            with pytest.raises(
                UnsuitableColumnError, match="total_tokens' is"
            ) as error:
                metrics.token_usage(frame)
            assert f"is {dtype} with fractions, expected Int64" in str(error.value)
            # Nothing is wrong with what is not read.
            assert metrics.finish_reasons(frame, by=())["choices"].to_list() == [3]
    # 5 + 2, and one that is unknown, as pandas writes it.
    whole = choices.with_columns(total_tokens=pl.Series([5.0, 2.0, float("nan")]))
    for frame in (whole, whole.lazy()):
        usage = metrics.token_usage(frame, by=())
        assert usage["total_tokens"].to_list() == [7]
