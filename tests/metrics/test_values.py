"""Each metric: figures worked by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from math import exp
from pathlib import Path

import polars as pl
import pytest

import toolkit
from toolkit.metrics import (
    cache_share,
    confidence,
    cost,
    drift,
    finish_reasons,
    log_health,
    measure,
    model_mix,
    output_input_ratio,
    reasoning_share,
    refusal_and_filter_rate,
    response_volume,
    token_usage,
    tokens_per_response,
    tool_calls,
    truncation_rate,
    usage_coverage,
)
from toolkit.metrics.bounds import with_bounds
from toolkit.metrics.registry import SPECS
from toolkit.reading.json_values import is_json
from toolkit.testing import make_choices, make_response


def at(text: str) -> datetime:
    """Return a moment of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def only(table: pl.DataFrame, *names: str) -> tuple[object, ...]:
    """Return cells of the one row that a table has."""
    assert len(table) == 1
    return table.select(names).row(0)


# Shares.


def test_a_share_is_of_the_responses_that_report_both_counts() -> None:
    choices = make_choices(
        {"prompt_tokens": 100, "cached_tokens": 25},
        {"prompt_tokens": 300, "cached_tokens": 75},
        {"prompt_tokens": 5000},
        {"cached_tokens": 70},
    )

    # (25 + 75) / (100 + 300); two of four do not report both.
    assert cache_share(choices).row(0)[4:] == (4, 2, 400, 100, 0.25)


def test_usage_that_is_zero_throughout_is_unknown_in_a_share_too() -> None:
    zeros = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0)
    choices = make_choices(
        {"prompt_tokens": 100, "cached_tokens": 25}, {**zeros, "cached_tokens": 0}
    )

    # 25 / 100; the other response does not say what it used.
    assert cache_share(choices).row(0)[4:] == (2, 1, 100, 25, 0.25)


def test_reasoning_beside_the_completion_is_part_of_what_was_written() -> None:
    beside = {"prompt_tokens": 5, "completion_tokens": 30, "reasoning_tokens": 10}
    choices = make_choices(
        {"completion_tokens": 10, "reasoning_tokens": 40},
        {**beside, "total_tokens": 45},
        {**beside, "total_tokens": 35},
        {"completion_tokens": 7},
    )

    # Of the first 40 of 10 + 40, of the second (5 + 30 + 10 = 45) 10 of 30 + 10, of
    # the third (5 + 30 = 35) 10 of 30: 60 of 120.
    assert reasoning_share(choices).row(0)[4:] == (4, 1, 120, 60, 0.5)


def test_zero_tokens_have_no_ratio() -> None:
    choices = make_choices({"prompt_tokens": 0, "completion_tokens": 0}, {})

    assert output_input_ratio(choices).row(0)[4:] == (2, 1, 0, 0, None)


def test_output_by_input_is_the_ratio_of_the_sums() -> None:
    choices = make_choices(
        {"prompt_tokens": 10, "completion_tokens": 30},
        {"prompt_tokens": 90, "completion_tokens": 20},
    )

    # 50 / 100, not the mean of 3 and 2/9.
    assert only(output_input_ratio(choices), "output_input_ratio") == (0.5,)


def test_the_mix_of_a_period_adds_up_to_one() -> None:
    choices = make_choices(
        {"model": "a", "total_tokens": 30},
        {"model": "a", "total_tokens": 30},
        {"model": "b", "total_tokens": 20},
        {"model": None},
        {"created": at("2026-01-02"), "model": "b", "total_tokens": 5},
    )

    mix = model_mix(choices).drop("period", "period_end", "partial")

    # On the first 4 responses and 80 tokens, on the second 1 and 5.
    assert mix.rows() == [
        ("a", 2, 4, 0.5, 60, 1, 80, 0.75, 0),
        ("b", 1, 4, 0.25, 20, 1, 80, 0.25, 0),
        (None, 1, 4, 0.25, None, 1, 80, None, 1),
        ("b", 1, 1, 1.0, 5, 0, 5, 1.0, 0),
    ]


def test_coverage_counts_the_responses_that_report_each_column_in_schema_order() -> (
    None
):
    choices = make_choices(
        {"total_tokens": 0, "reported_cost": 0.5},
        {"total_tokens": 3, "choice_count": 2},
        {"choice_position": 1, "choice_count": 2},
        {},
        {},
    )

    coverage = usage_coverage(choices, every=None, by=())

    assert coverage["tokens"].to_list() == list(toolkit.schema.USAGE_COLUMNS)
    # A reported 0 is reported: 2 of 4, and 1 of 4.
    assert coverage.filter(tokens="total_tokens").row(0)[1:] == (4, 2, 0.5)
    assert coverage.filter(tokens="reported_cost").row(0)[1:] == (4, 1, 0.25)


# Endings.

ENDINGS = make_choices(
    {"finish_reason": "stop", "choice_count": 2, "total_tokens": 10},
    {"finish_reason": "length", "choice_count": 2, "choice_position": 1},
    {"finish_reason": "length", "total_tokens": 20},
    {"finish_reason": "stop", "total_tokens": 70},
    {"finish_reason": None, "choice_count": 2, "total_tokens": 5},
    {"finish_reason": None, "choice_count": 2, "choice_position": 1},
    {"finish_reason": "length"},
    {"choice_count": 0, "total_tokens": 1},
)


def test_finish_reasons_are_counted_by_choice_also_missing_ones() -> None:
    # 7 choices; the response without choices has none.
    assert finish_reasons(ENDINGS, every=None, by=()).rows() == [
        ("length", 3, 7, 3 / 7),
        ("stop", 2, 7, 2 / 7),
        (None, 2, 7, 2 / 7),
    ]


def test_a_response_is_truncated_if_any_of_its_choices_is() -> None:
    table = truncation_rate(ENDINGS, every=None, by=())

    # 6 responses; 2 say no reason (one has no choices); 3 were cut off: 3 / 4.
    assert only(
        table, "responses", "responses_without_reason", "responses_truncated",
        "response_rate",
    ) == (6, 2, 3, 0.75)  # fmt: skip
    # 7 choices; 2 say no reason; 3 were cut off: 3 / 5.
    assert only(
        table, "choices", "choices_without_reason", "choices_truncated", "choice_rate"
    ) == (7, 2, 3, 0.6)
    # 10 + 20 of 106 tokens; one that was cut off reports none.
    assert only(
        table, "total_tokens", "tokens_truncated", "responses_truncated_without_usage"
    ) == (106, 30, 1)
    assert truncation_rate(ENDINGS.reverse(), every=None, by=()).equals(table)


def test_the_cost_of_truncated_responses_is_that_of_all_their_choices() -> None:
    cut = {"finish_reason": "length", "model": "gpt-4o"}
    counts = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    choices = make_choices(
        {**cut, **counts},
        {**cut, **counts, "finish_reason": "stop"},
        {**cut, **counts, "reported_cost": 0.25},
        {**cut, **counts, "model": "my-own"},
    )

    table = truncation_rate(choices, every=None, by=())

    # 1000 x 2.50 + 100 x 10 USD a million = 0.0035, and 0.25 as reported.
    assert only(table, "cost_truncated", "responses_truncated_unpriced") == (
        Decimal("0.2535"),
        1,
    )


REFUSALS = make_choices(
    {"refusal": "No.", "choice_count": 2},
    {"content": "Yes.", "content_chars": 4, "choice_count": 2, "choice_position": 1},
    {"finish_reason": "content_filter", "content": "", "content_chars": 0},
    {"finish_reason": "refusal"},
    {"refusal": "", "content": "x", "content_chars": 1},
    {"finish_reason": "content_filter", "refusal": "No."},
)


def test_refusals_and_filters_are_counted_apart_and_together() -> None:
    table = refusal_and_filter_rate(REFUSALS, every=None, by=())

    # Of 5 responses the first, third and last were refused, the second and last
    # filtered; 4 in all. Of 6 choices as many; 3 have no reason.
    assert table.row(0) == (5, 3, 2, 4, 4 / 5, 6, 3, 2, 4, 4 / 6, 0, 3)
    assert refusal_and_filter_rate(REFUSALS.lazy(), every=None, by=()).equals(table)


def test_where_text_was_dropped_a_refusal_would_not_show() -> None:
    dropped = {"content": None, "log_id": 1}
    choices = make_choices(
        {**dropped, "content_chars": 9},
        {**dropped, "content_chars": None},
        {"content": None, "log_id": 0},
        {"content": "x", "content_chars": 1, "log_id": 0},
    )

    table = refusal_and_filter_rate(choices)

    # Both choices of log 1; log 0 has its text, and its first choice had none.
    assert only(table, "choices", "refusals_unseen") == (4, 2)


# Tool calls.


def call(name: str | None, arguments: str | None) -> dict[str, str | None]:
    """Return a call of a tool."""
    return {"id": "1", "type": "function", "name": name, "arguments": arguments}


CALLS = make_choices(
    {"tool_calls": [call("add", '{"a": 1}'), call("add", "{")], "choice_count": 2},
    {
        "tool_calls": [call("add", " "), call(None, "1,2")],
        "choice_count": 2,
        "choice_position": 1,
    },
    {"tool_calls": [call("add", None), call("sub", '{"a": 1}')]},
    {"tool_calls": []},
    {},
)


def test_calls_are_counted_by_tool_and_those_with_broken_arguments() -> None:
    table = tool_calls(CALLS, every=None, by=())

    # add: 4 calls in 2 responses, one is no JSON, one was not seen, one is blank.
    assert table.rows() == [
        ("add", 4, 2, 1, 1, 1 / 3),
        ("sub", 1, 1, 0, 0, 0.0),
        (None, 1, 1, 1, 0, 1.0),
    ]
    assert tool_calls(CALLS.lazy(), every=None, by=()).equals(table)


@pytest.mark.parametrize(
    "texts",
    [
        # Alone no JSON; joined by commas some are.
        ["1,2", "[1", "2]", '"a', 'b"', "{}"],
        ["", "NaN", "01", '"\\ud800"', "{}{}", "'a'", "nul"],
        ["[" * 100_000],
    ],
)
def test_each_text_is_checked_as_json_on_its_own(texts: list[str]) -> None:
    good = [
        "{}",
        "[]",
        ' {"a": [1, "x,y"]}\n',
        "1e400",
        "null",
        '"\\u00e9"',
        '"é"',
    ]

    for mixed in (texts, [*good, *texts, *good], (good * 100) + texts):
        expected = [text in good for text in mixed]
        assert [is_json(text) for text in mixed] == expected


def test_a_text_that_is_nested_very_deep_has_an_answer() -> None:
    # Python 3.14 takes what earlier versions call too deep.
    assert is_json("[" * 100_000 + "]" * 100_000) in (True, False)


# Sizes.


def test_ranks_are_the_nearest_and_exact() -> None:
    # Of 1 to 200: the 20th, 100th, 180th and 198th. Of one value each is that value.
    choices = make_choices(
        *[{"prompt_tokens": n, "total_tokens": 2**40 + n} for n in range(200, 0, -1)],
        {"completion_tokens": 7},
    )

    sizes = tokens_per_response(choices, every=None, by=())

    assert sizes.rows() == [
        ("prompt_tokens", 201, 1, 20, 100, 180, 198, 200, 100.5),
        ("completion_tokens", 201, 200, 7, 7, 7, 7, 7, 7.0),
        ("total_tokens", 201, 1, *(2**40 + n for n in (20, 100, 180, 198, 200)),
         2**40 + 100.5),
    ]  # fmt: skip


def test_values_of_any_size_keep_their_ranks() -> None:
    choices = make_choices(
        *[{"total_tokens": n, "model": m} for n in (-(2**62), 5, 2**62) for m in "ab"]
    )

    sizes = tokens_per_response(choices, every=None).filter(tokens="total_tokens")

    # Median of three: the second.
    assert sizes.select("model", "p50", "p99").rows() == [
        ("a", 5, 2**62),
        ("b", 5, 2**62),
    ]


def test_responses_without_usage_have_no_size() -> None:
    sizes = tokens_per_response(make_choices({}), every=None)

    assert sizes.select(
        "responses", "unseen", "p50", "max", "mean"
    ).unique().rows() == [(1, 1, None, None, None)]


def test_confidence_is_of_the_tokens_whose_logprobs_are_known() -> None:
    choices = make_choices(
        {"logprob_tokens": 3, "logprob_sum": -1.5, "choice_count": 2},
        {"logprob_tokens": 1, "logprob_sum": -0.5, "choice_count": 2,
         "choice_position": 1},
        {"logprob_tokens": 9, "logprob_sum": None},
        {"logprob_tokens": 9, "logprob_sum": float("-inf")},
        {},
        {"choice_count": 0},
    )  # fmt: skip

    table = confidence(choices, every=None, by=())

    # 5 choices, two with logprobs: -2.0 nats over 4 tokens.
    assert table.row(0) == (5, 3, 4, -2.0, -0.5, exp(0.5))
    assert confidence(make_choices({}), every=None, by=()).row(0) == (
        1, 1, None, None, None, None,
    )  # fmt: skip


# Rhythm.


def test_volume_is_by_the_hour_and_weekday_of_the_zone() -> None:
    choices = make_choices(
        # A Sunday at 23:30 UTC is a Monday at 00:30 in Berlin.
        {"created": at("2026-01-04T23:30"), "total_tokens": 3},
        {"created": at("2026-01-11T23:59")},
        {"created": None, "total_tokens": 4},
    )

    table = response_volume(choices, tz="Europe/Berlin")

    assert table.rows() == [(1, 0, 2, 1, 3), (None, None, 1, 0, 4)]
    assert table.schema["weekday"] == pl.Int8
    filled = response_volume(choices, tz="Europe/Berlin", by="model", fill=True)
    # 7 x 24 hours and the undated one.
    assert (len(filled), filled["responses"].sum()) == (169, 3)


def test_drift_has_the_first_and_last_time_of_each_version() -> None:
    version = {"model": "b", "system_fingerprint": "f1"}
    choices = make_choices(
        {**version, "requested_model": "b", "created": at("2026-01-03")},
        {**version, "requested_model": "b", "created": at("2026-01-01")},
        {**version, "requested_model": "b", "created": None},
        {**version, "requested_model": "a", "created": None},
        {"model": None, "requested_model": "a", "created": at("2026-01-02")},
    )

    table = drift(choices, tz="Europe/Berlin")

    assert table.select(
        "requested_model", "model", "responses", "undated", "differs"
    ).rows() == [
        ("a", "b", 1, 1, True),
        ("a", None, 1, 0, None),
        ("b", "b", 3, 1, False),
    ]
    assert [str(seen) for seen in table.row(2)[5:7]] == [
        "2026-01-01 01:00:00+01:00",
        "2026-01-03 01:00:00+01:00",
    ]


# Money.


def test_costs_are_sums_beside_counts_of_unpriced_responses() -> None:
    counts = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    choices = make_choices(
        {"model": "gpt-4o", **counts},
        {"model": "gpt-4o", **counts, "reported_cost": 0.5},
        {"model": "my-own", **counts},
        {"model": "gpt-4o"},
    )

    table = cost(choices, every=None, by=())

    # 0.0035 priced and 0.5 reported; 1100 of 3300 tokens have no price, and one of
    # the unpriced responses does not report its tokens.
    assert table.row(0) == (
        4, Decimal("0.503500000000"), 1, 1, 2, 3300, 1, 1100, 1, 1100 / 3300,
    )  # fmt: skip
    assert table.schema["cost"] == pl.Decimal(38, 12)


def test_costs_of_the_frame_are_used_as_they_are() -> None:
    choices = make_choices({"total_tokens": 10}, {"total_tokens": 30}).with_columns(
        cost=pl.Series([Decimal("1.25"), None], dtype=pl.Decimal(38, 12))
    )

    table = cost(choices, every=None, by=(), compare=None)

    assert only(table, "cost", "responses_unpriced", "unpriced_share") == (
        Decimal("1.25"),
        1,
        0.75,
    )


# Bounds.


def test_a_sum_of_which_nothing_is_known_is_null_and_another_a_lower_bound() -> None:
    choices = make_choices(
        {"model": "a", "prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        {"model": "a", "prompt_tokens": 5},
        {"model": "b"},
        {"model": "c", "prompt_tokens": 20, "completion_tokens": 1},
        {"model": "d", "total_tokens": 0},
    )

    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    usage = with_bounds(token_usage(choices, every=None), SPECS["token_usage"])

    # Prompt 7 + 5; completion 3 and unknown; total 10 and unknown. Without a total 20
    # and 1 are 21 at least. A reported 0 is 0.
    columns = [column for name in names for column in (name, f"{name}_bound")]
    assert usage.select("model", *columns).rows() == [
        ("a", 12, "exact", 3, "lower", 10, "lower"),
        ("b", None, "unknown", None, "unknown", None, "unknown"),
        ("c", 20, "exact", 1, "exact", 21, "lower"),
        ("d", None, "unknown", None, "unknown", 0, "exact"),
    ]
    # Of a folded series something is known; null is ranked after 0.
    ranked = token_usage(choices, every=None, top=3)
    assert ranked.select("model", "total_tokens").rows() == [
        ("a", 10), ("c", 21), ("d", 0), ("other", None),
    ]  # fmt: skip


def test_a_gap_has_0_and_a_change_is_as_sure_as_both_figures() -> None:
    choices = make_choices(
        {"created": at("2026-01-01"), "total_tokens": 5},
        {"created": at("2026-01-03"), "total_tokens": 8},
        {"created": at("2026-01-03")},
        {"created": at("2026-01-04"), "total_tokens": 2},
        {"created": at("2026-01-05")},
        {"created": at("2026-01-06"), "total_tokens": 3},
    )

    usage = token_usage(choices, by=(), fill=True, compare="previous")
    table = with_bounds(usage, SPECS["token_usage"]).select(
        "total_tokens", "total_tokens_bound", "total_tokens_change",
        "total_tokens_change_bound",
    )  # fmt: skip

    # On the 2nd nothing was called: 0, and 5 less than on the 1st. On the 4th there
    # were 2 - 8 = -6 tokens more, or even less, as on the 3rd there were 8 or more.
    assert table.rows() == [
        (5, "exact", None, "unknown"),
        (0, "exact", -5, "exact"),
        (8, "lower", 8, "lower"),
        (2, "exact", -6, "upper"),
        (None, "unknown", None, "unknown"),
        (3, "exact", None, "unknown"),
    ]


def test_the_cost_of_a_series_without_a_price_is_null() -> None:
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    choices = make_choices(
        {"model": "gpt-4o", **usage},
        {"model": "own", **usage},
        {"model": "silent"},
        {"model": "free", "reported_cost": 0.0, **usage},
    )

    table = with_bounds(cost(choices, every=None), SPECS["cost"])
    whole = with_bounds(cost(choices, every=None, by=()), SPECS["cost"])

    names = ("cost", "cost_bound", "tokens_unpriced", "tokens_unpriced_bound")
    assert table.select("model", *names).rows() == [
        ("free", Decimal(0), "exact", 0, "exact"),
        ("gpt-4o", Decimal("0.0035"), "exact", 0, "exact"),
        ("own", None, "unknown", 1100, "exact"),
        ("silent", None, "unknown", None, "unknown"),
    ]
    assert whole.select(names).row(0) == (Decimal("0.0035"), "lower", 1100, "lower")
    # 1,100 of 3,300 tokens, and of one call the tokens are unknown.
    shares = ("unpriced_share", "unpriced_share_bound")
    assert whole.select(shares).row(0) == (1 / 3, "approximate")


def test_what_no_reason_shows_is_not_0() -> None:
    choices = make_choices({"total_tokens": 5}, {"finish_reason": "stop"})

    cut = with_bounds(truncation_rate(choices, every=None), SPECS["truncation_rate"])
    silent = truncation_rate(choices.head(1), every=None)
    refused = refusal_and_filter_rate(choices.head(1), every=None)

    names = ("responses_truncated", "response_rate", "tokens_truncated")
    # One call is not cut off; of the other that is unknown.
    assert cut.select(*names, "responses_truncated_bound").row(0) == (
        0, 0.0, None, "lower",
    )  # fmt: skip
    assert silent.select(*names).row(0) == (None, None, None)
    assert refused.select("responses_refused", "responses_filtered").row(0) == (0, None)


# Health.


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write seven lines: a blank, two good, a double, an error, two rejects."""
    total = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 3}
    first = make_response(id="a", usage=total)
    lines = [first, first, make_response(id="b", created=0), {"error": "busy"}, {}, 5]
    path = tmp_path / "a.jsonl"
    path.write_text("\n" + "\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path


def test_the_health_of_a_log_counts_each_line_and_each_finding(
    log: Path, tmp_path: Path
) -> None:
    health = log_health(log)

    def row(kind: str, name: str) -> tuple[object, ...]:
        return health.filter(kind=kind, name=name).row(0)[2:]

    assert row("ledger", "responses") == (2, 7, 2 / 7, None)
    assert row("ledger", "blank") == (1, 7, 1 / 7, None)
    assert row("ledger", "duplicates") == (1, 7, 1 / 7, None)
    assert health.filter(kind="ledger")["count"].sum() == 7
    assert row("reject", "error_response") == (1, 7, 1 / 7, f"{log}:5")
    assert row("reject", "not_a_response") == (2, 7, 2 / 7, f"{log}:6")
    assert row("reject", "too_deep") == (0, 7, 0.0, None)
    assert row("finding", "undated") == (1, 2, 0.5, f"{log}:4")
    assert row("finding", "total_differs") == (1, 2, 0.5, f"{log}:2")
    toolkit.export(log, to=tmp_path / "out")
    assert log_health(toolkit.load(log)).equals(health)
    assert log_health(tmp_path / "out").equals(health)
    assert measure("log_health", [str(log)]).equals(health)


def test_the_health_of_nothing_has_no_share(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()

    health = log_health(tmp_path / "a.jsonl")

    assert health["count"].sum() == 0
    assert health["share"].null_count() == len(health)
    assert health.schema["first"] == pl.String


def test_a_metric_of_an_export_is_that_of_its_logs(log: Path, tmp_path: Path) -> None:
    toolkit.export(log, to=tmp_path / "out")
    january = {"since": "2026-01-01", "until": "2026-01-02"}

    of_log = measure("token_usage", log, **january)
    of_export = measure("token_usage", tmp_path / "out", **january)
    of_frame = measure("token_usage", toolkit.load(log), **january)

    assert of_log["total_tokens"].to_list() == [3]
    assert of_export.equals(of_log)
    assert of_frame.equals(of_log)


def test_extreme_logprobs_make_no_infinite_figure() -> None:
    never = {"logprob_tokens": 1, "logprob_sum": -9999.0}  # what some servers write
    alone = confidence(make_choices(never), every=None)
    assert alone.select("logprob_sum", "mean_logprob", "perplexity").row(0) == (
        -9999.0,
        -9999.0,
        None,
    )
    beyond = make_choices(
        {"logprob_tokens": 1, "logprob_sum": -1e30},
        {"logprob_tokens": 2, "logprob_sum": -1.0},
    )
    sure = confidence(beyond, every=None)
    names = ("choices", "choices_without_logprobs", "logprob_tokens", "mean_logprob")
    # Only the second: -1 nat over 2 tokens.
    assert sure.select(names).row(0) == (2, 1, 2, -0.5)


def test_large_sums_of_logprobs_are_folded_exactly() -> None:
    rows = [{"model": m, "logprob_tokens": 1, "logprob_sum": -1e15} for m in "abc"]
    folded = confidence(make_choices(*rows), every=None, top=1)
    assert folded["logprob_sum"].to_list() == [-1e15, -2e15]
