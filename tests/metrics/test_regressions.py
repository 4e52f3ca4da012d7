"""What was once wrong in the metrics, worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

import toolkit
from toolkit import metrics
from toolkit.cli.output import to_json
from toolkit.errors import (
    OptionError,
    PartialResponsesWarning,
    TotalOverflowError,
    UnsuitableColumnError,
)
from toolkit.expressions import any_choice
from toolkit.expressions.choices import _count_responses
from toolkit.testing import make_choices

CALL = {"id": "1", "type": "function", "name": "add", "arguments": "{}"}


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


def test_two_loads_put_together_are_told_apart_by_their_sources() -> None:
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


def test_the_text_dropped_of_one_load_says_nothing_of_another() -> None:
    row = {"log_id": 0, "line": 1, "content": None}
    both = make_choices(
        {**row, "source": "a.jsonl", "content_chars": 5},
        {**row, "source": "b.jsonl", "content_chars": None},
    )
    rate = metrics.refusal_and_filter_rate(both, every=None, by=())
    # Only a.jsonl was read without its texts.
    assert rate["refusals_unseen"].item() == 1


def test_responses_that_cannot_be_told_apart_are_refused_where_it_matters() -> None:
    twice = pl.concat([load_of("a.jsonl", "stop"), load_of("a.jsonl", "length")])
    for choices in (twice, twice.drop("source")):
        for metric in (metrics.truncation_rate, metrics.tool_calls):
            with pytest.raises(UnsuitableColumnError, match="several responses"):
                metric(choices)
        with pytest.raises(UnsuitableColumnError, match="load the logs together"):
            toolkit.responses(choices)
        with pytest.warns(PartialResponsesWarning, match="several responses 1 time"):
            used = metrics.token_usage(choices, every=None, by=())
        assert used["total_tokens"].item() == 20


def test_choices_picked_of_two_loads_do_not_hide_each_other() -> None:
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
def test_of_a_column_of_the_callers_own_the_first_choice_counts(
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


CALLED_ONCE = make_choices(
    {"created": on(1)},
    {"created": on(2), "tool_calls": [CALL]},
    {"created": on(3)},
    {"created": on(4)},
)


@pytest.mark.parametrize("lazy", [False, True])
def test_days_without_a_call_are_known_all_the_same(lazy: bool) -> None:
    choices = CALLED_ONCE.lazy() if lazy else CALLED_ONCE

    calls = metrics.tool_calls(choices, by=(), compare="previous")

    # There are responses behind the 2nd, and some of the 1st, without calls.
    assert calls.select("partial", "calls", "calls_before", "calls_change").rows() == [
        (False, 1, 0, 1)
    ]


def test_gaps_before_and_behind_the_calls_are_filled() -> None:
    filled = metrics.tool_calls(CALLED_ONCE, by=(), fill=True)

    assert filled["calls"].to_list() == [0, 1, 0, 0]
    assert filled["period"].dt.day().to_list() == [1, 2, 3, 4]
    assert filled["partial"].to_list() == [False, False, False, True]


def test_a_response_without_choices_ends_the_period_before() -> None:
    choices = make_choices({"created": on(1)}, {"created": on(5), "choice_count": 0})

    for metric in (metrics.finish_reasons, metrics.confidence):
        assert metric(choices, by=())["partial"].to_list() == [False]
        filled = metric(choices, by=(), fill=True)
        assert filled["choices"].to_list() == [1, 0, 0, 0, 0]


LARGE = 6 * 10**18  # two of them are more than 2**63 - 1, about 9.22 x 10**18


def test_sums_of_sums_do_not_wrap_in_silence() -> None:
    choices = make_choices(
        *[
            {"model": name, "total_tokens": tokens}
            for name, tokens in (("a", LARGE), ("b", LARGE), ("c", 1))
        ]
    )
    with pytest.raises(TotalOverflowError, match="tokens_all"):
        metrics.model_mix(choices)
    # b and c make 6 x 10**18 + 1, and with another large one too much.
    more = make_choices({"model": "d", "total_tokens": LARGE, "line": 9})
    with pytest.raises(TotalOverflowError, match="total_tokens"):
        metrics.token_usage(pl.concat([choices, more]), top=1)
    folded = metrics.token_usage(choices, top=1, every=None)
    assert folded["total_tokens"].to_list() == [LARGE, LARGE + 1]


def test_the_largest_series_is_not_ranked_last() -> None:
    choices = make_choices(
        *[
            {"model": name, "total_tokens": tokens, "created": on(day)}
            for name, tokens, day in (("a", LARGE, 1), ("a", LARGE, 2), ("b", 1, 1))
        ]
    )
    # Over both days a has 12 x 10**18 tokens: no figure of the table, and the most.
    ranked = metrics.token_usage(choices, top=1)
    assert ranked["model"].to_list() == ["a", "other", "a"]


def test_logprobs_that_cannot_be_meant_make_no_infinite_figure() -> None:
    never = {"logprob_tokens": 1, "logprob_sum": -9999.0}  # what some servers write
    alone = metrics.confidence(make_choices(never), every=None)
    assert alone.select("logprob_sum", "mean_logprob", "perplexity").row(0) == (
        -9999.0,
        -9999.0,
        None,
    )
    beyond = make_choices(
        {"logprob_tokens": 1, "logprob_sum": -1e30},
        {"logprob_tokens": 2, "logprob_sum": -1.0},
    )
    sure = metrics.confidence(beyond, every=None)
    names = ("choices", "choices_without_logprobs", "logprob_tokens", "mean_logprob")
    # Only the second: -1 nat over 2 tokens.
    assert sure.select(names).row(0) == (2, 1, 2, -0.5)


def test_large_sums_of_logprobs_are_folded_exactly() -> None:
    rows = [{"model": m, "logprob_tokens": 1, "logprob_sum": -1e15} for m in "abc"]
    folded = metrics.confidence(make_choices(*rows), every=None, top=1)
    assert folded["logprob_sum"].to_list() == [-1e15, -2e15]


def test_json_has_no_word_for_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json([float("inf")])


ALL = [name for name in metrics.METRICS if name != "log_health"]


@pytest.mark.parametrize("name", ALL)
def test_a_frame_that_pandas_has_held_gives_the_same(name: str) -> None:
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
def test_columns_of_no_type_hold_nothing(name: str) -> None:
    choices = make_choices({"model": "a", "completion_tokens": 4})
    names = ["refusal", "total_tokens", "tool_calls", "logprob_sum", "provider"]
    untyped = choices.with_columns(pl.lit(None).alias(name) for name in names)
    assert untyped["refusal"].dtype == pl.Null
    for given in (untyped, untyped.lazy()):
        expected = metrics.METRICS[name](choices)
        assert metrics.METRICS[name](given).equals(expected)


def test_columns_that_cannot_serve_are_named() -> None:
    choices = make_choices({"total_tokens": 5})
    naive = choices.with_columns(pl.col("created").dt.replace_time_zone(None))
    with pytest.raises(UnsuitableColumnError, match="'created' has no time zone"):
        metrics.token_usage(naive, since="2026-01-01")
    with pytest.raises(UnsuitableColumnError, match="'total_tokens' is String"):
        metrics.token_usage(choices.with_columns(total_tokens=pl.lit("5")))
    for own in (pl.lit(b"\xff"), pl.duration(hours=1)):
        with pytest.raises(UnsuitableColumnError, match="'own' is not text"):
            metrics.token_usage(choices.with_columns(own=own), by="own", top=2)


def test_in_nanoseconds_the_moments_are_the_same() -> None:
    choices = make_choices({"total_tokens": 5}, {"created": on(3)})
    fine = choices.with_columns(pl.col("created").dt.cast_time_unit("ns"))
    assert metrics.token_usage(fine).equals(metrics.token_usage(choices))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"since": 20261101}, "since: .* got 20261101"),
        ({"by": [None]}, "by: "),
        ({"by": 3}, "by: .* got 3"),
    ],
)
def test_options_of_another_kind_are_refused_in_words(
    options: dict[str, object], word: str
) -> None:
    with pytest.raises(OptionError, match=word):
        metrics.token_usage(make_choices({}), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("since", ["0001-01-02", "0001-01-01", "0001-01-01T05:00"])
def test_a_range_before_the_calendar_is_refused_in_words(since: str) -> None:
    with pytest.raises(OptionError, match="beyond the calendar"):
        metrics.token_usage(
            make_choices({}),
            every=None,
            since=since,
            until="2026-01-01",
            compare="previous",
        )


@pytest.mark.parametrize("name", [name for name in ALL if name != "drift"])
def test_of_no_responses_there_are_no_rows(name: str) -> None:
    whole = {} if name == "response_volume" else {"every": None}
    nothing = make_choices({}).clear()
    before = {"compare": "previous", "since": "2026-01-01", "until": "2026-01-02"}
    for given in (nothing, nothing.lazy()):
        for options in ({}, {"top": 1}, before):
            table = metrics.METRICS[name](given, by=(), **whole, **options)
            assert table.is_empty()
    later = metrics.METRICS[name](make_choices({}), by=(), since="2030-01-01", **whole)
    assert later.is_empty()


def test_a_table_is_too_large_by_its_rows() -> None:
    # 1 January 1970 to 2025: 55 years of 400 models are 22,000 rows.
    choices = make_choices(*[{"model": f"m{n:03}"} for n in range(400)])
    filled = metrics.token_usage(
        choices, every="1y", since="1970-01-01", until="2025-01-01", fill=True
    )
    assert filled.is_empty()  # no response lies in the range: no series is known
    choices = choices.with_columns(
        pl.lit(datetime(1970, 1, 1, tzinfo=UTC)).alias("created")
    )
    filled = metrics.token_usage(
        choices, every="1y", since="1970-01-01", until="2025-01-01", fill=True
    )
    assert filled.height == 22_000
    with pytest.raises(OptionError, match="10,000,000 rows"):
        # 55 x 365.25 x 24 hours are 482,130 a model.
        metrics.token_usage(
            choices, every="1h", since="1970-01-01", until="2025-01-01", fill=True
        )


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
def test_a_period_ends_behind_its_start(
    every: str, tz: str, moment: str, start: str, end: str
) -> None:
    created = datetime.fromisoformat(f"2026-10-25T{moment}Z")
    table = metrics.token_usage(make_choices({"created": created}), every=every, tz=tz)
    shown = table.select(
        pl.col("period", "period_end").dt.convert_time_zone("UTC").dt.strftime("%H:%M")
    )
    assert shown.row(0) == (start, end)


def test_a_period_may_begin_with_the_day_that_samoa_left_out() -> None:
    # After 29 December 2011 came the 31st: of the two days from the 30th one was.
    moments = ["2011-12-29T12:00-10:00", "2011-12-31T12:00+14:00"]
    choices = make_choices(*[{"created": datetime.fromisoformat(m)} for m in moments])
    table = metrics.token_usage(choices, every="2d", tz="Pacific/Apia", by=())
    shown = table.select(pl.col("period", "period_end").dt.strftime("%m-%d %H:%M"))
    assert shown.rows() == [
        ("12-28 00:00", "12-31 00:00"),
        ("12-31 00:00", "01-01 00:00"),
    ]


def test_missing_and_repeated_choices_are_counted_in_any_order() -> None:
    # Line 1 lacks one of 2 choices, line 2 is there twice, line 3 is whole.
    cells = [(1, 0, 2), (2, 0, 1), (2, 0, 1), (3, 0, 2), (3, 1, 2), (4, 0, 0)]
    choices = make_choices(
        *[
            {"line": line, "choice_position": position, "choice_count": count}
            for line, position, count in cells
        ]
    )
    for given in (choices, choices.reverse(), choices.lazy(), choices.drop("source")):
        assert _count_responses(given) == (1, 1)
    assert _count_responses(choices.clear()) == (0, 0)
