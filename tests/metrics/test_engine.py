"""What all metrics share: periods, folding, gaps, the period before."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from toolkit.errors import (
    OptionError,
    PartialResponsesWarning,
    TotalOverflowError,
    UnsuitableColumnError,
)
from toolkit.metrics import (
    METRICS,
    cache_share,
    choices_per_response,
    confidence,
    finish_reasons,
    measure,
    model_mix,
    token_usage,
    tokens_per_response,
    tool_calls,
)
from toolkit.reading.scan import scan
from toolkit.testing import make_choices, make_response, write_sample

# `cost_change` needs a range: tests/metrics/test_causes.py.
NO_OPTIONS = ("log_health", "cost_change")
FEW_OPTIONS = (*NO_OPTIONS, "drift", "response_volume")
COMMON = [name for name in METRICS if name not in FEW_OPTIONS]


def at(text: str) -> datetime:
    """Return a moment of UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def on(*days: int, **cells: object) -> list[dict[str, object]]:
    """Return rows of January 2026, one a day."""
    return [{"created": at(f"2026-01-{day:02}T12:00"), **cells} for day in days]


# Three models: a has 60 tokens on two days, b 30, c 10; x is silent.
THREE = make_choices(
    *on(1, 3, model="a", total_tokens=30, prompt_tokens=20, cached_tokens=5),
    *on(1, model="b", total_tokens=30, prompt_tokens=20),
    *on(3, model="c", total_tokens=10, prompt_tokens=10, cached_tokens=10),
)


@pytest.mark.parametrize("name", [name for name in METRICS if name not in NO_OPTIONS])
def test_each_metric_is_the_same_lazy_and_has_its_dtypes_without_a_row(
    name: str,
) -> None:
    metric = METRICS[name]
    silent = make_choices(
        {"created": None, "model": None, "choice_count": 0},
        {"model": None, "choice_index": None},
    )

    for frame in (THREE, silent):
        table = metric(frame)
        assert table.equals(metric(frame.lazy()))
        assert table.equals(metric(frame.to_arrow()))
        assert metric(frame.clear()).is_empty()
        assert metric(frame.clear()).schema == table.schema


@pytest.mark.parametrize("name", COMMON)
def test_each_metric_has_its_dtypes_with_any_options(name: str) -> None:
    metric = METRICS[name]
    january = {"since": "2026-01-01", "until": "2026-02-01"}
    questions: list[dict[str, object]] = [
        {"every": None, "by": ()},
        {"every": "1mo", "by": ("model", "provider"), "top": 2},
        {"fill": True, "compare": "previous", "top": 1, **january},
        {"every": None, "fill": True, "compare": "previous", **january},
    ]

    for asked in questions:
        table = metric(THREE, **asked)
        assert table.schema == metric(THREE.clear(), **asked).schema
        assert table.equals(metric(THREE.lazy(), **asked))
        dtypes = set(table.schema.values())
        assert pl.UInt32 not in dtypes
        assert "period" in table.columns or asked["every"] is None


def test_without_periods_a_row_is_a_series_over_the_whole_range() -> None:
    usage = token_usage(THREE, every=None)
    everything = token_usage(THREE, every=None, by=())

    assert usage.select("model", "total_tokens").rows() == [
        ("a", 60), ("b", 30), ("c", 10),
    ]  # fmt: skip
    assert usage.columns[:2] == ["model", "responses"]
    assert everything.select("responses", "total_tokens").rows() == [(4, 100)]


def test_by_nothing_is_all_responses_together() -> None:
    usage = token_usage(THREE, by=())

    assert usage.select("responses", "total_tokens").rows() == [(2, 60), (2, 40)]
    assert token_usage(THREE, by=None).equals(usage)


# Partial periods.


def test_the_period_of_the_latest_response_is_partial() -> None:
    assert token_usage(THREE, by=())["partial"].to_list() == [False, True]


@pytest.mark.parametrize(
    ("since", "until", "partial"),
    [
        # Of the range nothing is missing: a response of the third shows that the log
        # goes on behind the second.
        ("2026-01-01", "2026-01-03", [False]),
        # The end lies behind the latest response: more of the third may come.
        ("2026-01-01", "2026-01-09", [False, True]),
        ("2026-01-01T06:00", "2026-01-03", [True]),
        ("2026-01-01", "2026-01-03T18:00", [False, True]),
        ("2026-01-01T00:00", "2026-01-01T13:00", [True]),
    ],
)
def test_a_period_in_which_the_range_or_the_data_end_is_partial(
    since: str, until: str, partial: list[bool]
) -> None:
    for frame in (THREE, THREE.lazy()):
        usage = token_usage(frame, by=(), since=since, until=until)
        assert usage["partial"].to_list() == partial


def test_undated_responses_are_in_no_partial_period() -> None:
    usage = token_usage(make_choices({"created": None}))

    assert usage.select("period", "period_end", "partial").row(0) == (None, None, False)


# Gaps.


def test_without_a_range_gaps_are_filled_between_first_and_last_response() -> None:
    table = cache_share(THREE, fill=True)

    # Three days, three models.
    assert table.select(pl.col("period").dt.day(), "model", "responses").rows() == [
        (1, "a", 1), (1, "b", 1), (1, "c", 0),
        (2, "a", 0), (2, "b", 0), (2, "c", 0),
        (3, "a", 1), (3, "b", 0), (3, "c", 1),
    ]  # fmt: skip
    assert table.row(3)[-4:] == (0, 0, 0, None)


def test_filling_leaves_undated_rows_as_they_are_and_adds_nothing_to_nothing() -> None:
    undated = make_choices({"created": None, "total_tokens": 3, "line": 9})

    usage = token_usage(
        pl.concat([THREE, undated.with_columns(model=pl.lit("a"))]), fill=True
    )

    assert usage.filter(pl.col("period").is_null())["total_tokens"].to_list() == [3]
    assert token_usage(THREE.clear(), fill=True).is_empty()
    # Of everything together there is one series, even without a response.
    empty = {"by": (), "fill": True, "since": "2026-01-01", "until": "2026-01-03"}
    assert token_usage(THREE.clear(), **empty)["responses"].to_list() == [0, 0]


def test_filling_too_many_periods_is_an_error() -> None:
    with pytest.raises(OptionError, match="longer periods or a shorter range"):
        token_usage(THREE, every="1us", fill=True)


# Folding.


def test_small_series_are_folded_into_one_with_exact_figures() -> None:
    usage = token_usage(THREE, every=None, top=1)

    # b and c: 30 + 10.
    assert usage.select("model", "folded", "responses", "total_tokens").rows() == [
        ("a", 0, 2, 60),
        ("other", 2, 2, 40),
    ]


def test_a_ratio_of_folded_series_is_that_of_their_sums() -> None:
    table = cache_share(THREE, every=None, top=1)

    # c has 10 of 10; b reports no cached tokens. By prompt tokens a (40) is larger.
    assert table.filter(folded=2).select("cached_unseen", "cache_share").row(0) == (
        1,
        1.0,
    )


def test_a_model_called_other_is_not_the_folded_rest() -> None:
    frame = THREE.with_columns(pl.col("model").replace("a", "other"))

    usage = token_usage(frame, every=None, top=1)

    assert usage.select("model", "folded", "total_tokens").rows() == [
        ("other", 0, 60),
        ("other", 2, 40),
    ]


def test_series_of_several_columns_and_of_numbers_are_folded_as_text() -> None:
    frame = THREE.with_columns(shard=pl.Series([1, 1, 2, None]))

    usage = token_usage(frame, every=None, by=("model", "shard"), top=1)

    assert usage.select("model", "shard", "folded", "total_tokens").rows() == [
        ("a", "1", 0, 60),
        ("other", "other", 2, 40),
    ]
    with pytest.raises(UnsuitableColumnError, match="top=N cannot group it"):
        token_usage(frame.with_columns(l=pl.lit([1])), by="l", top=1)


def test_quantiles_are_those_of_all_responses_that_were_folded() -> None:
    rows = [*on(1, model="a", total_tokens=1)] * 3
    rest = [row for n in (10, 20, 30) for row in on(1, model=f"m{n}", total_tokens=n)]

    sizes = tokens_per_response(make_choices(*rows, *rest), every=None, top=1)

    total = sizes.filter(pl.col("tokens") == "total_tokens")
    assert total.select("model", "responses", "p50", "max", "mean").rows() == [
        ("a", 3, 1, 1, 1.0),
        ("other", 3, 20, 30, 20.0),
    ]


# The period before.


def test_each_measure_has_its_value_before_and_its_change() -> None:
    usage = token_usage(THREE, compare="previous")

    got = usage.select(
        pl.col("period").dt.day(), "model", "total_tokens", "total_tokens_before",
        "total_tokens_change",
    ).rows()  # fmt: skip
    # Before the first day nothing is known; the second was without a response: 0.
    assert got == [
        (1, "a", 30, None, None),
        (1, "b", 30, None, None),
        (3, "a", 30, 0, 30),
        (3, "c", 10, 0, 10),
    ]


def test_a_ratio_before_is_null_where_nothing_was() -> None:
    choices = make_choices(
        *on(1, prompt_tokens=10, cached_tokens=5),
        *on(2, prompt_tokens=10, cached_tokens=10),
        *on(4, prompt_tokens=10, cached_tokens=1),
    )

    table = cache_share(choices, compare="previous")

    # 1.0 - 0.5; the third of January has no prompt tokens.
    assert table["cache_share_before"].to_list() == [None, 0.5, None]
    assert table["cache_share_change"].to_list() == [None, 0.5, None]


def test_the_share_before_is_of_the_whole_of_the_period_before() -> None:
    choices = make_choices(
        *on(1, 1, 1, 2, finish_reason="stop"), *on(2, finish_reason="length")
    )

    table = finish_reasons(choices, compare="previous").filter(finish_reason="length")

    # On the first 3 choices ended, none of them by length.
    assert table.select("choices", "choices_before", "choices_all_before").row(0) == (
        1, 0, 3,
    )  # fmt: skip
    assert table.select("share", "share_before").row(0) == (0.5, 0.0)


def test_a_range_of_whole_months_is_compared_with_the_months_before() -> None:
    # February 2026 has 28 days; before it comes all of January.
    choices = make_choices(
        {"created": at("2025-12-31T12:00"), "total_tokens": 1000},
        {"created": at("2026-01-01T12:00"), "total_tokens": 1},
        {"created": at("2026-01-31T12:00"), "total_tokens": 20},
        {"created": at("2026-02-28T12:00"), "total_tokens": 300},
    )
    february = {"since": "2026-02-01", "until": "2026-03-01"}

    for frame in (choices, choices.lazy()):
        usage = token_usage(frame, every=None, compare="previous", **february)
        (row,) = usage.select("total_tokens", "total_tokens_before").rows()
        assert row == (300, 21)


def test_a_range_before_all_data_is_unknown_and_one_without_a_response_is_0() -> None:
    january = {"every": None, "compare": "previous"}
    early = make_choices(*on(1, total_tokens=5), *on(20, total_tokens=7))

    first = token_usage(early, since="2026-01-01", until="2026-01-02", **january)
    later = token_usage(early, since="2026-01-20", until="2026-01-21", **january)

    assert first.select("total_tokens_before", "total_tokens_change").row(0) == (
        None,
        None,
    )
    assert later.select("total_tokens_before", "total_tokens_change").row(0) == (0, 7)


def test_a_series_that_is_gone_is_shown_if_gaps_are_filled() -> None:
    choices = make_choices(*on(1, model="old"), *on(2, model="new"))
    second = {"since": "2026-01-02", "until": "2026-01-03", "compare": "previous"}

    table = model_mix(choices, every=None, fill=True, **second)

    assert table.select("model", "responses", "responses_before").rows() == [
        ("new", 1, 0),
        ("old", 0, 1),
    ]


@pytest.mark.parametrize("lazy", [False, True])
def test_the_first_period_of_a_range_is_compared_with_the_one_before_it(
    lazy: bool,
) -> None:
    # The 1st has 450 tokens, the 2nd 500, the 4th 70 of another model.
    choices = make_choices(
        *on(1, 1, total_tokens=200, model="a"),
        *on(1, total_tokens=50, model="old"),
        *on(2, total_tokens=500, model="a"),
        *on(4, total_tokens=70, model="b"),
    )
    frame = choices.lazy() if lazy else choices
    names = ["total_tokens", "total_tokens_before", "total_tokens_change"]

    def rows(**options: object) -> list[tuple[object, ...]]:
        """Return the days, models and figures of a table."""
        table = token_usage(frame, compare="previous", **options)  # type: ignore[arg-type]
        by = [name for name in ("model", "folded") if name in table.columns]
        return table.select(pl.col("period").dt.day(), *by, *names).rows()

    second = {"since": "2026-01-02", "until": "2026-01-03"}
    assert rows(**second, by=()) == [(2, 500, 450, 50)]
    assert rows(**second) == [(2, "a", 500, 400, 100)]
    # A series of the day before only is shown if gaps are filled.
    assert rows(**second, fill=True) == [
        (2, "a", 500, 400, 100),
        (2, "old", 0, 50, -50),
    ]
    # "old" is in the rest, which has no row on the 2nd.
    assert rows(**second, top=1) == [(2, "a", 0, 500, 400, 100)]
    # Without an end; the 3rd has no response.
    assert rows(since="2026-01-02", by=()) == [(2, 500, 450, 50), (4, 70, 0, 70)]
    # The day before has no response, but the data begins before it.
    assert rows(since="2026-01-04", by=()) == [(4, 70, 0, 70)]
    # The data begins in the first period, or after it.
    assert rows(since="2026-01-01", until="2026-01-02", by=()) == [(1, 450, None, None)]
    first = rows(since="2025-12-31", until="2026-01-03", by=(), fill=True)
    assert first == [(31, 0, None, None), (1, 450, None, None), (2, 500, 450, 50)]
    # A period that `since` cuts is not compared with a whole one.
    assert rows(since="2026-01-02T06:00", until="2026-01-03", by=()) == [
        (2, 500, None, None)
    ]


def test_the_period_before_a_range_is_of_the_calendar_of_its_zone() -> None:
    # In Berlin the clocks go forward on 29 March 2026, and midnight is 23:00 UTC before
    # that day, and 22:00 after it.
    moments = ("02-28T22:59", "02-28T23:00", "03-28T22:59", "03-28T23:00")
    moments += ("03-29T21:59", "03-29T22:00", "03-31T22:00")
    choices = make_choices(
        *[
            {"created": at(f"2026-{moment}"), "total_tokens": 10**place}
            for place, moment in enumerate(moments)
        ]
    )

    def before(every: str, since: str) -> int | None:
        """Return the tokens of the period before the first of a range."""
        table = token_usage(
            choices, every=every, since=since, tz="Europe/Berlin", compare="previous"
        )
        found: int | None = table["total_tokens_before"][0]
        return found

    # The 29th has 23 hours: it has 10^3 and 10^4. The 28th has 10^2.
    assert before("1d", "2026-03-30") == 11_000
    assert before("1d", "2026-03-29") == 100
    # All of March; the first response is of February.
    assert before("1mo", "2026-04-01") == 111_110
    assert before("1mo", "2026-03-01") == 1
    # Two days from the 28th to the end of the 29th; a week from Monday the 23rd.
    assert before("2d", "2026-03-30") == 11_100
    assert before("1w", "2026-03-30") == 11_100


def test_what_was_before_a_range_has_its_own_marks() -> None:
    # On the 1st one of 2 responses reports no tokens: its 30 are a lower bound. On the
    # 2nd the only one reports none.
    choices = make_choices(
        *on(1, total_tokens=30), *on(1, 2, total_tokens=None), *on(3, total_tokens=5)
    )
    figures = [f"responses_without_usage{end}" for end in ("", "_before")]
    figures += [f"total_tokens{end}" for end in ("", "_before", "_change")]

    def row(since: str) -> tuple[object, ...]:
        """Return the figures of the first day of a range."""
        table = token_usage(choices, since=since, by=(), compare="previous")
        return table.select(figures).row(0)

    whole = token_usage(choices, by=(), compare="previous").select(figures)
    assert row("2026-01-02") == (1, 1, None, 30, None) == whole.row(1)
    assert row("2026-01-03") == (0, 1, 5, None, None) == whole.row(2)


@pytest.mark.parametrize("since", ["0001-01-01", "0001-01-02", "1970-01-01"])
def test_nothing_is_before_the_first_day_of_all(since: str) -> None:
    usage = token_usage(make_choices({}), since=since, compare="previous")
    assert usage["total_tokens_before"].to_list() == [None]


def test_a_log_is_read_from_the_period_before_a_range_on(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [
        make_response(n=place, created=int(at(f"2026-01-0{day}T12:00").timestamp()))
        for place, day in enumerate((1, 2, 2, 3))
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))

    asked = {"since": "2026-01-03", "by": (), "compare": "previous"}
    usage = measure("token_usage", path, **asked)

    assert usage.select("responses", "responses_before").rows() == [(1, 2)]


def test_to_compare_without_periods_needs_a_range() -> None:
    with pytest.raises(OptionError, match="since and until"):
        token_usage(THREE, every=None, compare="previous")


# Errors and warnings.


@pytest.mark.parametrize("name", COMMON)
def test_a_column_of_a_choice_names_no_series_and_the_error_has_a_solution(
    name: str,
) -> None:
    for column in ("finish_reason", "total_tokens", "created"):
        with pytest.raises(UnsuitableColumnError, match=column):
            METRICS[name](THREE, by=column)
    with pytest.raises(UnsuitableColumnError, match=r"any_choice\(\.\.\.\)"):
        METRICS[name](THREE, by="role")
    with pytest.raises(UnsuitableColumnError, match="is a column of the result"):
        METRICS[name](THREE.with_columns(partial=1), by="partial")


@pytest.mark.parametrize("name", [name for name in METRICS if name not in NO_OPTIONS])
def test_each_metric_warns_of_missing_choices(name: str) -> None:
    choices = make_choices(
        {"choice_position": 0, "choice_count": 2, "finish_reason": "stop"},
        {"choice_position": 1, "choice_count": 2, "finish_reason": "length"},
    )

    with pytest.warns(PartialResponsesWarning, match="any_choice"):
        METRICS[name](choices.filter(pl.col("finish_reason") == "stop"))


def test_logs_are_read_once_with_any_options(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write_sample(path, 50)
    read: list[int] = []
    scan(path, progress=read.append).collect()
    size = sum(read)
    asked = {"until": "2026-11-01", "top": 2, "compare": "previous"}
    since = {"since": "2026-10-03", "compare": "previous"}

    for name in COMMON:
        for options in ({}, asked, since):
            read.clear()
            METRICS[name](scan(path, progress=read.append), **options)
            assert sum(read) == size > 0, name


def test_choices_of_the_responses_are_counted_once() -> None:
    choices = make_choices(
        {"choice_position": 0, "choice_count": 3},
        {"choice_position": 1, "choice_count": 3},
        {"choice_position": 2, "choice_count": 3},
        {"choice_count": 0},
    )

    table = choices_per_response(choices)

    # 3 choices and none, in two responses.
    assert table.row(0)[-6:] == (2, 3, 1.5, 3, 1, 1)


# Limits.

LARGE = 6 * 10**18  # two of them are more than 2**63 - 1, about 9.22 x 10**18


def test_a_sum_of_sums_beyond_64_bits_is_an_error() -> None:
    choices = make_choices(
        *[
            {"model": name, "total_tokens": tokens}
            for name, tokens in (("a", LARGE), ("b", LARGE), ("c", 1))
        ]
    )
    with pytest.raises(TotalOverflowError, match="tokens_all"):
        model_mix(choices)
    # b and c make 6 x 10**18 + 1, and with another large one too much.
    more = make_choices({"model": "d", "total_tokens": LARGE, "line": 9})
    with pytest.raises(TotalOverflowError, match="total_tokens"):
        token_usage(pl.concat([choices, more]), top=1)
    folded = token_usage(choices, top=1, every=None)
    assert folded["total_tokens"].to_list() == [LARGE, LARGE + 1]


def test_sums_are_exact_up_to_64_bits() -> None:
    choices = make_choices(
        *[{"model": "a", "total_tokens": n} for n in (2**62, 2**62 - 1)],
        *[{"model": "b", "total_tokens": n} for n in (2**31, -5, 2**40, None)],
        {"model": "c", "total_tokens": 7},
    )

    # 2^62 + 2^62 - 1 = 2^63 - 1, the largest that 64 bits hold.
    for frame in (choices, choices.lazy()):
        sums = token_usage(frame).select("model", "total_tokens").rows()
        assert sums == [("a", 2**63 - 1), ("b", 2**31 - 5 + 2**40), ("c", 7)]


def test_a_log_with_large_counts_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    usage = {"prompt_tokens": 10**12, "completion_tokens": 0, "total_tokens": 10**12}
    line = json.dumps(make_response(usage=usage))
    path.write_text(f"{line}\n" * 3)
    read: list[int] = []

    options = {"duplicates": "keep", "progress": read.append}
    usage_of_all = token_usage(scan(path, **options))  # type: ignore[arg-type]

    assert usage_of_all["total_tokens"].to_list() == [3 * 10**12]
    assert sum(read) == path.stat().st_size


def test_a_series_beyond_64_bits_is_ranked_first() -> None:
    choices = make_choices(
        *[
            row
            for name, tokens, day in (("a", LARGE, 1), ("a", LARGE, 2), ("b", 1, 1))
            for row in on(day, model=name, total_tokens=tokens)
        ]
    )
    # Over both days a has 12 x 10**18 tokens: no figure of the table, and the most.
    ranked = token_usage(choices, top=1)
    assert ranked["model"].to_list() == ["a", "other", "a"]


def test_filling_is_limited_by_the_number_of_rows() -> None:
    # 1 January 1970 to 2025: 55 years of 400 models are 22,000 rows.
    choices = make_choices(*[{"model": f"m{n:03}"} for n in range(400)])
    filled = token_usage(
        choices, every="1y", since="1970-01-01", until="2025-01-01", fill=True
    )
    assert filled.is_empty()  # no response lies in the range: no series is known
    choices = choices.with_columns(
        pl.lit(datetime(1970, 1, 1, tzinfo=UTC)).alias("created")
    )
    filled = token_usage(
        choices, every="1y", since="1970-01-01", until="2025-01-01", fill=True
    )
    assert filled.height == 22_000
    with pytest.raises(OptionError, match="10,000,000 rows"):
        # 55 x 365.25 x 24 hours are 482,130 a model.
        token_usage(
            choices, every="1h", since="1970-01-01", until="2025-01-01", fill=True
        )


@pytest.mark.parametrize("name", [*COMMON, "response_volume"])
def test_no_responses_give_no_rows(name: str) -> None:
    whole = {} if name == "response_volume" else {"every": None}
    nothing = make_choices({}).clear()
    before = {"compare": "previous", "since": "2026-01-01", "until": "2026-01-02"}
    for given in (nothing, nothing.lazy()):
        for options in ({}, {"top": 1}, before):
            table = METRICS[name](given, by=(), **whole, **options)
            assert table.is_empty()
    later = METRICS[name](make_choices({}), by=(), since="2030-01-01", **whole)
    assert later.is_empty()


# Metrics of which some responses have no row.

CALL = {"id": "1", "type": "function", "name": "add", "arguments": "{}"}
CALLED_ONCE = make_choices(*on(1), *on(2, tool_calls=[CALL]), *on(3, 4))


@pytest.mark.parametrize("lazy", [False, True])
def test_days_without_a_tool_call_count_as_days_of_the_data(lazy: bool) -> None:
    choices = CALLED_ONCE.lazy() if lazy else CALLED_ONCE

    calls = tool_calls(choices, by=(), compare="previous")

    # There are responses behind the 2nd, and some of the 1st, without calls.
    assert calls.select("partial", "calls", "calls_before", "calls_change").rows() == [
        (False, 1, 0, 1)
    ]


def test_gaps_before_and_after_tool_calls_are_filled() -> None:
    filled = tool_calls(CALLED_ONCE, by=(), fill=True)

    assert filled["calls"].to_list() == [0, 1, 0, 0]
    assert filled["period"].dt.day().to_list() == [1, 2, 3, 4]
    assert filled["partial"].to_list() == [False, False, False, True]


def test_a_later_response_without_choices_completes_a_period() -> None:
    choices = make_choices(*on(1), *on(5, choice_count=0))

    for metric in (finish_reasons, confidence):
        assert metric(choices, by=())["partial"].to_list() == [False]
        filled = metric(choices, by=(), fill=True)
        assert filled["choices"].to_list() == [1, 0, 0, 0, 0]
