"""Invariants of all metrics, for any choices."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from toolkit.metrics import METRICS, token_usage
from toolkit.metrics.engine import compute_several
from toolkit.metrics.registry import SPECS
from toolkit.testing import make_choices

quick = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
START = datetime(
    2026, 3, 28, 12, tzinfo=UTC
)  # the night before clocks change in Berlin
NAMES = [name for name in METRICS if name not in ("log_health", "cost_change")]
SUMMED = [name for name in NAMES if SPECS[name].sums]

counts = st.none() | st.just(0) | st.integers(0, 10**6)
moments = st.none() | st.integers(0, 200_000).map(
    lambda s: START + timedelta(seconds=s)
)
calls = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.just("1"),
            "type": st.just("function"),
            "name": st.sampled_from(["add", None]),
            "arguments": st.sampled_from(["{}", "{", "", None]),
        }
    ),
    max_size=2,
)
ends = st.fixed_dictionaries(
    {
        "finish_reason": st.sampled_from(["stop", "length", "content_filter", None]),
        "refusal": st.sampled_from([None, None, "No."]),
        "content": st.sampled_from([None, "x"]),
        "content_chars": st.sampled_from([None, 1]),
        "tool_calls": st.none() | calls,
        "logprob_tokens": st.none() | st.integers(0, 9),
        "logprob_sum": st.none() | st.floats(-50, 0),
    }
)
facts = st.fixed_dictionaries(
    {
        "created": moments,
        "log_id": st.integers(0, 1),
        "api": st.sampled_from(["chat", "gemini", "converse", "anthropic"]),
        "usage_problem": st.sampled_from([None, None, "iterations", "fast_mode"]),
        "requested_model": st.sampled_from([None, "a", "claude-haiku-4-5"]),
        "model": st.sampled_from(["a", "b", "c", None, "other", "gpt-4o"]),
        "provider": st.sampled_from(["p", None]),
        "prompt_tokens": counts,
        "completion_tokens": counts,
        "total_tokens": counts,
        "cached_tokens": counts,
        "reasoning_tokens": counts,
    }
)


@st.composite
def responses(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return the rows of a response with no choice, one, or several."""
    shared = draw(facts)
    made = draw(st.lists(ends, max_size=3))
    if not made:
        return [{**shared, "choice_count": 0}]
    usage = {name: None for name in shared if name.endswith("_tokens")}
    return [
        {
            **shared,
            **(usage if place else {}),
            **end,
            "choice_position": place,
            "choice_count": len(made),
        }
        for place, end in enumerate(made)
    ]


frames = st.lists(responses(), max_size=8).map(
    lambda many: make_choices(*[row for rows in many for row in rows])
)
questions = st.fixed_dictionaries(
    {
        "every": st.sampled_from(["1d", "1h", "6h", "1mo", None]),
        "by": st.sampled_from(["model", (), ("provider", "model"), "api"]),
        "tz": st.sampled_from(["UTC", "Europe/Berlin", "America/Havana"]),
        "top": st.sampled_from([None, 1, 2]),
        "fill": st.booleans(),
    }
)

WHOLE = {"every": None, "by": (), "tz": "UTC"}


def asked(name: str, question: dict[str, Any]) -> dict[str, Any]:
    """Return the options that a metric takes."""
    if name == "drift":
        return {"tz": question["tz"]}
    if name == "response_volume":
        return {key: value for key, value in question.items() if key != "every"}
    return question


def totals(table: pl.DataFrame, name: str) -> dict[str, Any]:
    """Return the sums over all rows of what adds up."""
    return table.select(pl.col(SPECS[name].sums).sum()).row(0, named=True)


@quick
@given(frames, questions, st.randoms(use_true_random=False))
def test_figures_do_not_depend_on_the_order_of_rows(
    frame: pl.DataFrame, question: dict[str, Any], chance: Any
) -> None:
    mixed = frame.sample(fraction=1, shuffle=True, seed=chance.randint(0, 99))

    for name in NAMES:
        options = asked(name, question)
        table = METRICS[name](frame, **options)
        assert METRICS[name](mixed, **options).equals(table), name
        assert METRICS[name](mixed.lazy(), **options).equals(table), name


@quick
@given(frames, questions)
def test_sums_do_not_depend_on_the_period_or_the_series(
    frame: pl.DataFrame, question: dict[str, Any]
) -> None:
    for name in SUMMED:
        table = METRICS[name](frame, **asked(name, question))
        whole = METRICS[name](frame, **asked(name, WHOLE))
        assert totals(table, name) == totals(whole, name), name


@quick
@given(frames, questions, st.integers(0, 200_000))
def test_a_range_is_the_sum_of_its_parts(
    frame: pl.DataFrame, question: dict[str, Any], cut: int
) -> None:
    middle = START + timedelta(seconds=cut)
    end = START + timedelta(days=9)

    for name in SUMMED:
        metric, options = METRICS[name], asked(name, {**question, "fill": False})
        first = totals(metric(frame, **options, since=START, until=middle), name)
        second = totals(metric(frame, **options, since=middle, until=end), name)
        both = totals(metric(frame, **options, since=START, until=end), name)
        # Whether its text was dropped a log shows by what is looked at of it.
        summed = both.keys() - {"refusals_unseen"}
        assert {key: first[key] + second[key] for key in summed} == {
            key: both[key] for key in summed
        }, name


@quick
@given(frames, st.sampled_from(["1d", None]))
def test_the_series_of_an_api_is_the_metric_of_its_responses(
    frame: pl.DataFrame, every: str | None
) -> None:
    # Whether its text was dropped a log shows by all of its choices.
    frame = frame.with_columns(log_id=pl.col("api").rank("dense").cast(pl.Int32))

    for name in set(NAMES) - {"drift"}:
        options = asked(name, {"every": every})
        table = METRICS[name](frame, **options, by="api")
        # What depends on the other responses of the period.
        others = {one for one in table.columns if one.endswith("_all")} | {"partial"}
        if name == "model_mix":
            others |= {"response_share", "token_share"}
        for (api,), responses in frame.group_by("api"):
            alone = METRICS[name](responses, **options, by=())
            part = table.filter(pl.col("api") == api).drop("api")
            own = [one for one in alone.columns if one not in others]
            assert_frame_equal(part.select(own), alone.select(own), abs_tol=1e-12)


@quick
@given(frames)
def test_figures_of_responses_do_not_depend_on_the_number_of_choices(
    frame: pl.DataFrame,
) -> None:
    assume(not frame.is_empty())
    single = frame.filter(pl.col("choice_position") == 0).with_columns(
        choice_count=pl.lit(1, pl.Int32)
    )

    for name in (
        "token_usage",
        "cost",
        "cache_share",
        "model_mix",
        "tokens_per_response",
    ):
        assert METRICS[name](single).equals(METRICS[name](frame)), name


@quick
@given(frames, questions)
def test_filled_gaps_are_all_periods_of_all_series_and_add_nothing(
    frame: pl.DataFrame, question: dict[str, Any]
) -> None:
    question = {**question, "every": question["every"] or "1d", "top": None}

    usage = token_usage(frame, **{**question, "fill": True})
    bare = token_usage(frame, **{**question, "fill": False})

    assert totals(usage, "token_usage") == totals(bare, "token_usage")
    # The rows that were there are there, as they were.
    assert bare.join(usage, on=bare.columns, how="anti", nulls_equal=True).is_empty()
    dated = usage.filter(pl.col("period").is_not_null())
    by = question["by"]
    names = [by] if isinstance(by, str) else list(by)
    series = usage.select(names).n_unique() if names and len(dated) else 1
    assert len(dated) == dated["period"].n_unique() * series
    ordered = dated.select("period", "period_end").unique().sort("period")
    assert ordered["period_end"].to_list()[:-1] == ordered["period"].to_list()[1:]


@quick
@given(frames, questions)
def test_the_value_before_is_that_of_the_period_before(
    frame: pl.DataFrame, question: dict[str, Any]
) -> None:
    question = {**question, "every": question["every"] or "1d"}

    plain = token_usage(frame, **question)
    table = token_usage(frame, **question, compare="previous")

    assert table.select(plain.columns).equals(plain)
    series = ("provider", "model", "api", "folded")
    keys = [name for name in series if name in plain.columns]
    before = {
        (row["period_end"], *(row[key] for key in keys)): row["total_tokens"]
        for row in plain.drop_nulls("period").to_dicts()
    }
    bare = token_usage(frame, **{**question, "fill": False})
    first = bare["period"].min()
    for row in table.drop_nulls("period").to_dicts():
        known = row["period"] > first
        expected = before.get((row["period"], *(row[key] for key in keys)), 0)
        assert row["total_tokens_before"] == (expected if known else None)


@quick
@given(frames, st.sampled_from(NAMES), questions)
def test_a_range_from_a_period_on_has_the_rows_of_the_whole_table(
    frame: pl.DataFrame, name: str, question: dict[str, Any]
) -> None:
    every = question["every"] or "1d"
    options = {**question, "every": every, "top": None, "fill": False}
    options |= {"compare": "previous"}
    if "every" not in SPECS[name].option_names:
        return
    own = {key: options[key] for key in SPECS[name].option_names if key in options}
    whole = METRICS[name](frame, **own)

    for since in whole["period"].drop_nulls().unique().sort()[:3]:
        table = METRICS[name](frame, **own, since=since)
        assert table.equals(whole.filter(pl.col("period") >= since)), since


@quick
@given(frames, st.sampled_from([1, 2, 3]))
def test_folding_keeps_the_total_and_names_the_largest(
    frame: pl.DataFrame, top: int
) -> None:
    every = token_usage(frame, every=None)
    folded = token_usage(frame, every=None, top=top)

    assert totals(folded, "token_usage") == totals(every, "token_usage")
    assert len(folded) == min(len(every), top + 1)
    assert folded["folded"].sum() == max(0, len(every) - top)
    ranked = every["total_tokens"].sort(descending=True, nulls_last=True)
    own = folded.filter(folded=0)["total_tokens"]
    assert own.sort(descending=True, nulls_last=True).equals(ranked.head(top))


@quick
@given(st.lists(st.tuples(st.sampled_from("ab"), st.none() | st.integers(0, 2000))))
def test_ranks_are_those_of_sorted_counts(
    rows: list[tuple[str, int | None]],
) -> None:
    choices = make_choices(*[{"model": m, "total_tokens": n} for m, n in rows])

    for top in (None, 1):
        sizes = METRICS["tokens_per_response"](choices.lazy(), every=None, top=top)
        sizes = sizes.filter(tokens="total_tokens")
        largest = {row["model"] for row in sizes.iter_rows(named=True)} - {"other"}
        for row in sizes.iter_rows(named=True):
            own = {"a", "b"} - largest if row["model"] == "other" else {row["model"]}
            counts = sorted(n for m, n in rows if m in own and n is not None)
            for rank, percent in (("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)):
                # The least count that so many percent do not exceed.
                expected = [
                    n
                    for place, n in enumerate(counts, 1)
                    if 100 * place >= percent * len(counts)
                ]
                assert row[rank] == (expected[0] if expected else None)


HOUR = timedelta(hours=1)
open_ranges = st.just({})
ranges = st.sampled_from(
    [
        {"since": START + 7 * HOUR, "until": START + 40 * HOUR},
        {"since": START + 12 * HOUR, "until": START + 24 * HOUR},
        {"since": START + timedelta(minutes=90), "until": START + 31 * HOUR},
    ]
)
options_of_tables = st.tuples(
    st.fixed_dictionaries(
        {
            "every": st.sampled_from(["6h", "1d", "7h", None]),
            "by": st.sampled_from([("provider", "model"), "model", "vendor", ()]),
            "tz": st.sampled_from(["UTC", "Europe/Berlin"]),
            "top": st.sampled_from([None, 1]),
            "fill": st.booleans(),
            "compare": st.sampled_from([None, "previous"]),
        }
    ),
    ranges | open_ranges,
)


@quick
@given(
    frames, st.lists(st.tuples(st.sampled_from(NAMES), options_of_tables), min_size=2)
)
def test_tables_computed_together_are_those_computed_alone(
    frame: pl.DataFrame, tables: list[tuple[str, tuple[dict[str, Any], dict[str, Any]]]]
) -> None:
    several = []
    for name, (options, within) in tables:
        # In a range that is open, only periods can be compared.
        period = options["every"] or (None if within else "6h")
        own = {**options, **within, "every": period}
        if "every" not in SPECS[name].option_names and not within:
            own["compare"] = None
        own = {key: own[key] for key in SPECS[name].option_names if key in own}
        several.append((name, own))

    together = compute_several(
        frame.lazy(), [(SPECS[name], options) for name, options in several]
    )

    for (name, options), table in zip(several, together, strict=True):
        alone = METRICS[name](frame.lazy(), **options)
        assert alone.equals(table), (name, options)


@quick
@given(frames, st.lists(st.sampled_from(["cost", "model", "provider", ()]), min_size=2))
def test_changes_in_cost_computed_together_are_those_computed_alone(
    frame: pl.DataFrame, several: list[Any]
) -> None:
    ends = {"since": START + 12 * HOUR, "until": START + 24 * HOUR}
    queries = [
        ("cost", {**ends, "every": None, "by": (), "compare": "previous"})
        if by == "cost"
        else ("cost_change", {**ends, "by": by})
        for by in several
    ]

    together = compute_several(
        frame.lazy(), [(SPECS[name], options) for name, options in queries]
    )

    for (name, options), table in zip(queries, together, strict=True):
        alone = METRICS[name](frame.lazy(), **options)
        assert alone.equals(table), (name, options)
