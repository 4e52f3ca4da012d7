"""Why the known cost changed: effects worked out by hand, and what always holds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit
from toolkit.errors import (
    OptionError,
    PartialResponsesWarning,
    TotalOverflowError,
    UnknownOptionError,
    UnsuitableColumnError,
)
from toolkit.metrics import cost_change, measure
from toolkit.metrics.bounds import with_bounds
from toolkit.metrics.registry import SPECS
from toolkit.pricing import PriceFile, add_cost, read_prices
from toolkit.testing import make_choices

# USD per million tokens. The price of "rises" changes between the two days.
PRICES = """
[[price]]
model = "a"
input = "2"
cached = "1"
cache_write = "4"
output = "10"

[[price]]
model = "b"
input = "1"
output = "0"

[[price]]
model = "rises"
to = 2026-01-02
input = "2"
output = "0"

[[price]]
model = "rises"
from = 2026-01-02
input = "3"
output = "0"

[[price]]
model = "free"
input = "0"
output = "0"
"""
RANGE: dict[str, Any] = {"since": "2026-01-02", "until": "2026-01-03"}
BEFORE, NOW = (datetime(2026, 1, day, 12, tzinfo=UTC) for day in (1, 2))
EFFECTS = [name for name in SPECS["cost_change"].draws if name != "cost_change"]


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the price file."""
    path = tmp_path_factory.mktemp("prices") / "prices.toml"
    path.write_text(PRICES, encoding="utf-8")
    return path


def calls(
    when: datetime,
    number: int,
    prompt: int | None = 1000,
    completion: int = 0,
    **more: Any,
) -> list[dict[str, Any]]:
    """Return rows of equal calls; the model is "a" unless another is given."""
    tokens = {"prompt_tokens": prompt, "completion_tokens": completion}
    return [{"created": when, "model": "a", **tokens, **more}] * number


def effects_of(row: dict[str, Any]) -> dict[str, Decimal]:
    """Return the effects that are not 0, with short names, and check their sum."""
    assert sum(row[name] for name in EFFECTS) == row["cost_change"]
    return {
        name.removesuffix("_effect"): row[name].normalize()
        for name in EFFECTS
        if row[name]
    }


def usd(**effects: str) -> dict[str, Decimal]:
    """Return amounts as they are compared."""
    return {name: Decimal(text).normalize() for name, text in effects.items()}


def changes(rows: list[dict[str, Any]], prices: Path, **options: Any) -> pl.DataFrame:
    """Compute the metric of some rows."""
    choices = make_choices(*rows)
    table = measure("cost_change", choices, prices=prices, **RANGE, **options)
    lazy = measure("cost_change", choices.lazy(), prices=prices, **RANGE, **options)
    assert lazy.equals(table)
    return table


def test_calls_lengths_and_cache_of_one_model(prices: Path) -> None:
    rows = calls(BEFORE, 2, 1000, 100) + calls(NOW, 3, 2000, 50, cached_tokens=1000)

    (row,) = changes(rows, prices).to_dicts()

    # A call costs 1,000 x 2 + 100 x 10 = 0.003, then 1,000 x 2 + 1,000 x 1 + 50 x 10
    # = 0.0035; the mean is 0.00325, and that of the number of calls 2.5.
    assert (row["cost_before"], row["cost"]) == (Decimal("0.006"), Decimal("0.0105"))
    assert effects_of(row) == usd(
        volume="0.00325",  # 1 call more
        # 2.5 calls, 1,000 tokens more at the mean of 2 and of half 2 and half 1
        prompt_length="0.004375",
        cache="-0.001875",  # 2.5 x 1,500 tokens x half of them x 1 less
        completion_length="-0.00125",  # 2.5 x 50 less x 10
    )
    assert (row["prompt_tokens"], row["cached_tokens"]) == (6000, 3000)
    assert row["prompt_tokens_per_response_before"] == 1000
    assert row["completion_tokens_per_response"] == 50
    assert (row["cached_share_before"], row["cached_share"]) == (0, 0.5)


def test_mix_and_the_share_with_a_known_price(prices: Path) -> None:
    # A call to "a" costs 0.003, one to "b" 0.001, one to "own" is unpriced.
    rows = calls(BEFORE, 1, 1000, 100) + calls(BEFORE, 3, model="b")
    rows += calls(NOW, 2, 1000, 100) + calls(NOW, 2, model="b")
    rows += calls(NOW, 4, model="own")

    table = changes(rows, prices)
    whole = changes(rows, prices, by=())

    # 4 calls more, of which 3/4 have a price on average; 6 on average, and 1/2 less of
    # them with a price; 4 with a price, 1/4 of them moved from "b" to "a".
    a, b, own = table.to_dicts()
    # "a" is 1/4 x 0.003, then 1/2 x 0.003 of such a call: 0.001125 on average.
    assert effects_of(a) == usd(volume="0.003375", coverage="-0.003375", mix="0.003")
    # "b" is 3/4 x 0.001, then 1/2 x 0.001: 0.000625.
    assert effects_of(b) == usd(volume="0.001875", coverage="-0.001875", mix="-0.001")
    assert effects_of(whole.row(0, named=True)) == usd(
        volume="0.00525", coverage="-0.00525", mix="0.002"
    )
    # Unknown is not 0; before there was no call to it.
    assert (own["cost_before"], own["cost"], own["cost_change"]) == (0, None, None)
    assert {own[name] for name in EFFECTS} == {None}
    bounds = with_bounds(whole, SPECS["cost_change"]).row(0, named=True)
    assert bounds["cost_before_bound"] == "exact"
    assert bounds["cost_bound"] == bounds["cost_change_bound"] == "lower"


def test_prices_fees_and_charges(prices: Path) -> None:
    rows = calls(BEFORE, 1, model="rises") + calls(NOW, 1, model="rises")
    # Half of the prompt is written to the cache, at 4 instead of 2.
    rows += calls(BEFORE, 1) + calls(NOW, 1, cache_write_tokens=500)
    # Charged as listed (1,000 x 2 + 100 x 10), then twice as much.
    for when, charged in ((BEFORE, 0.003), (NOW, 0.006)):
        more = {"provider": "a router", "reported_cost": charged}
        rows += calls(when, 1, 1000, 100, **more)
    # Without a list price: 200 tokens for 0.002, then 400 for 0.006.
    for when, tokens, charged in ((BEFORE, 100, 0.002), (NOW, 300, 0.006)):
        rows += calls(when, 1, tokens, 100, model="x", reported_cost=charged)

    table = changes(rows, prices, by=("model", "provider"))

    found = {
        (row["model"], row["provider"]): effects_of(row)
        for row in table.iter_rows(named=True)
    }
    assert found == {
        ("rises", None): usd(price="0.001"),  # 1,000 x 1 more
        ("a", None): usd(fees="0.001"),  # 500 x 2 more
        ("a", "a router"): usd(price="0.003"),
        # 0.00001 a token, then 0.000015: 200 tokens more at 0.0000125, and 0.000005
        # more of each of 300
        ("x", None): usd(prompt_length="0.0025", unsplit="0.0015"),
    }


def test_a_model_that_is_new_or_gone_has_no_other_lengths_or_prices(
    prices: Path,
) -> None:
    rows = calls(BEFORE, 2, 1000, 100) + calls(NOW, 4, 3000, model="b")

    gone, new = changes(rows, prices).to_dicts()

    # 2 calls more, at half of 0.003 for "a" and half of 0.003 for "b"; 3 on average.
    assert effects_of(gone) == usd(volume="0.003", mix="-0.009")
    assert effects_of(new) == usd(volume="0.003", mix="0.009")
    assert gone["prompt_tokens_per_response"] is None
    assert new["prompt_tokens_per_response"] == 3000


def test_a_range_without_calls_changes_the_number_of_calls_only(prices: Path) -> None:
    earlier = calls(BEFORE - timedelta(days=9), 1)
    rows = calls(NOW, 2, 1000, 100) + calls(NOW, 1, model="own")

    (a, own) = changes(earlier + rows, prices).to_dicts()
    (gone,) = changes(calls(BEFORE, 2, 1000, 100), prices).to_dicts()

    assert effects_of(a) == usd(volume="0.006")
    assert own["cost_change"] is None
    assert effects_of(gone) == usd(volume="-0.006")
    # Before all data nothing is known, and nothing is the cause of anything.
    (first, _) = changes(rows, prices).to_dicts()
    assert first["cost"] == Decimal("0.006")
    unknown = [name for name in first if name.endswith("_before")]
    assert {first[name] for name in (*unknown, *EFFECTS, "cost_change")} == {None}


def test_a_price_that_becomes_known_is_no_other_cause(prices: Path) -> None:
    rows = calls(BEFORE, 2, None) + calls(NOW, 2, 1000, 100)

    (row,) = changes(rows, prices).to_dicts()

    assert row["cost_before"] is None
    assert effects_of(row) == usd(coverage="0.006")
    bounds = with_bounds(changes(rows, prices), SPECS["cost_change"])
    assert bounds["cost_change_bound"].item() == "upper"


def test_what_costs_nothing_changes_nothing(prices: Path) -> None:
    rows = calls(BEFORE, 1, model="free") + calls(NOW, 2, 5000, model="free")
    rows += calls(NOW, 1, reported_cost=0.0, model="free")
    # Charged without a list price above 0, and without tokens.
    paid = [*calls(BEFORE, 1, model="free", reported_cost=0.002)]
    paid += calls(NOW, 1, model="free", reported_cost=0.004)
    blank = calls(BEFORE, 1, None, reported_cost=0.002)
    blank += calls(NOW, 1, None, reported_cost=0.004)

    (free,) = changes(rows, prices).to_dicts()

    assert effects_of(free) == {}
    assert (free["cost"], free["cost_change"]) == (0, 0)
    for priced in (paid, blank):
        (row,) = changes(priced, prices).to_dicts()
        assert effects_of(row) == usd(unsplit="0.002")


def test_a_batch_is_another_offer(prices: Path) -> None:
    rows = calls(BEFORE, 2, model="gpt-4o-mini")
    rows += calls(NOW, 2, model="gpt-4o-mini", processing="batch")

    (row,) = changes(rows, prices).to_dicts()

    # 1,000 x 0.15, and half of that in a batch: 0.00015 for a call, then 0.000075
    assert effects_of(row) == usd(mix="-0.00015")


@pytest.mark.parametrize("added", [True, False])
def test_costs_of_your_own_are_split_like_list_prices(*, added: bool) -> None:
    rows = calls(BEFORE, 1, model="gpt-4o") + calls(NOW, 1, 3000, model="gpt-4o")
    choices = make_choices(*rows)
    priced = add_cost(choices)
    if not added:
        priced = choices.with_columns(cost=pl.Series([1.0, 3.0]))
    few = priced.select("created", "choice_position", "model", "cost")

    (row,) = cost_change(priced, **RANGE).to_dicts()
    (bare,) = cost_change(few, **RANGE).to_dicts()

    # 1,000 x 2.5, then 3,000 x 2.5
    expected = "0.005" if added else "2"
    assert effects_of(row) == usd(prompt_length=expected)
    # Without tokens there is nothing to split.
    assert effects_of(bare) == usd(unsplit=expected)


@pytest.mark.parametrize("end", ["since", "until"])
def test_a_range_needs_both_ends(end: str) -> None:
    options = {name: day for name, day in RANGE.items() if name != end}

    with pytest.raises(OptionError, match=f"^{end}: expected .*before"):
        cost_change(make_choices({}), **options)
    with pytest.raises(OptionError, match=f"^{end}: expected .*before"):
        measure("cost_change", "data/sample", **options)


def test_other_options_are_refused() -> None:
    for option, value in (("every", "1d"), ("compare", "previous"), ("fill", True)):
        match = f"no option '{option}'.*; it takes by, tz, since, until, top, provider"
        with pytest.raises(UnknownOptionError, match=match):
            cost_change(make_choices({}), **RANGE, **{option: value})
    for name in ("mix_effect", "cost_change"):
        with pytest.raises(UnsuitableColumnError, match="a column of the result"):
            cost_change(make_choices({}).with_columns(**{name: 1}), by=name, **RANGE)


def test_frames_are_read_as_by_other_metrics() -> None:
    rows = calls(BEFORE, 2, 1000, 100) + calls(NOW, 3, 2000, 50, cached_tokens=1000)
    choices = make_choices(*rows, {"created": None, "model": None})
    table = cost_change(choices, **RANGE)

    assert cost_change(choices.to_arrow(), **RANGE).equals(table)
    assert cost_change(choices.to_pandas(), **RANGE).equals(table)
    new = ["api", "usage_problem", "created_problem", "requested_model"]
    assert cost_change(choices.drop(new), **RANGE).equals(table)
    nothing = cost_change(choices.clear(), **RANGE)
    assert nothing.is_empty()
    assert nothing.schema == table.schema
    assert cost_change(choices.clear(), by=(), **RANGE).is_empty()
    by = cost_change(choices.lazy(), by=("maker", "vendor"), provider="azure", **RANGE)
    assert by.columns[:2] == ["maker", "vendor"]
    two = make_choices({"choice_count": 2, "created": NOW})
    with pytest.warns(PartialResponsesWarning, match="any_choice"):
        cost_change(two, **RANGE)
    huge = make_choices(*calls(NOW, 2, 2**62, reported_cost=1.0))
    with pytest.raises(TotalOverflowError):
        cost_change(huge, **RANGE)


def test_small_series_are_split_before_they_are_folded(prices: Path) -> None:
    rows = calls(BEFORE, 1, 1000, 100) + calls(NOW, 2, 1000, 100)
    rows += calls(BEFORE, 3, model="b") + calls(NOW, 2, model="b")
    rows = [{**row, "team": f"{row['model']} team"} for row in rows]

    for by in ("model", "team"):
        every = changes(rows, prices, by=by)
        folded = changes(rows, prices, by=by, top=1)
        assert folded["folded"].to_list() == [0, 1]
        assert folded.select(EFFECTS).equals(every.select(EFFECTS))


def test_the_sample_is_split_as_by_an_independent_program() -> None:
    choices = toolkit.load("data/sample").frame
    # That program knew no rates of batches.
    week = {"since": "2026-11-02", "until": "2026-11-09"}
    choices = choices.with_columns(processing=pl.lit(None, pl.String))

    (row,) = cost_change(choices, by=(), **week).to_dicts()

    assert effects_of(row).keys() == {
        name.removesuffix("_effect") for name in EFFECTS
    } - {"price", "fees"}
    assert {name: f"{row[name]:.3f}" for name in (*EFFECTS, "cost", "cost_before")} == {
        "volume_effect": "-0.016",
        "coverage_effect": "0.023",
        "mix_effect": "0.022",
        "prompt_length_effect": "-0.101",
        "completion_length_effect": "-0.026",
        "cache_effect": "0.012",
        "price_effect": "0.000",
        "fees_effect": "0.000",
        "unsplit_effect": "-0.003",
        "cost": "0.851",
        "cost_before": "0.940",
    }


made = st.fixed_dictionaries(
    {
        "created": st.sampled_from([BEFORE, NOW]),
        "model": st.sampled_from(["a", "b", "rises", "free", "own", None]),
        "provider": st.sampled_from([None, "a router"]),
        "processing": st.sampled_from([None, "batch"]),
        "prompt_tokens": st.none() | st.integers(0, 10**6),
        "completion_tokens": st.none() | st.integers(0, 1000),
        "cached_tokens": st.none() | st.integers(0, 1000),
        "cache_write_tokens": st.none() | st.integers(0, 9),
        "reported_cost": st.none() | st.sampled_from([0.0, 0.001, 0.7, 123.456789]),
        "team": st.sampled_from(["x", "y"]),
    }
)


def measured(
    name: str, rows: list[dict[str, Any]], file: PriceFile, **options: Any
) -> pl.DataFrame:
    """Compute a metric of rows, and of one before the two ranges."""
    older = calls(BEFORE - timedelta(days=9), 1, team="x")
    choices = make_choices(*older, *rows)
    return measure(name, choices, prices=file, **RANGE, **options)


series = st.sampled_from([(), "model", ("team", "provider")])


@settings(max_examples=25)
@given(st.lists(made, min_size=1, max_size=8), series)
def test_effects_add_up_in_each_row_and_over_all(
    prices: Path, rows: list[dict[str, Any]], by: Any
) -> None:
    file = read_prices(prices)

    table = measured("cost_change", rows, file, by=by)

    of_whole = {"every": None, "fill": True, "compare": "previous"}
    spent = measured("cost", rows, file, by=by, **of_whole)
    for name in ("cost", "cost_before", "responses", "responses_unpriced_before"):
        assert table[name].equals(spent[name])
    known = table.filter(pl.col("cost_change").is_not_null())
    added = known.select(pl.sum_horizontal(EFFECTS)).to_series()
    assert added.equals(known["cost_change"], check_names=False)
    if by == "model":
        whole = measured("cost_change", rows, file, by=())
        sums = pl.col(*EFFECTS, "cost_change").sum()
        assert table.select(sums).equals(whole.select(sums))


@settings(max_examples=25)
@given(st.lists(made, min_size=1, max_size=8), series)
def test_effects_are_the_negative_if_time_runs_backwards(
    prices: Path, rows: list[dict[str, Any]], by: Any
) -> None:
    file, turned = read_prices(prices), {BEFORE: NOW, NOW: BEFORE}
    # Prices keep their days.
    forth = [row for row in rows if row["model"] != "rises"]
    back = [{**row, "created": turned[row["created"]]} for row in forth]

    one, other = (measured("cost_change", r, file, by=by) for r in (forth, back))

    names = [*EFFECTS, "cost_change"]
    assert one.select(names).equals(other.select(-pl.col(names)))
