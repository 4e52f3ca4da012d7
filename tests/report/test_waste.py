"""What the report says of waste, of the cache, and of how sure a cost is."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt

import polars as pl
import pytest

import toolkit
from tests.report.made import calls, tables_of
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.report.content import _chance_range
from toolkit.report.inputs import price
from toolkit.report.tables import MetricTables
from toolkit.report.waste import build_waste

OWN = {"model": "of-our-own", "provider": None}
MINI = {"model": "gpt-4o-mini-2024-07-18"}


def test_a_group_names_its_model_and_what_to_do() -> None:
    """Two of gpt-4o at 0.0035; one of gpt-4o-mini at 0.15 and 0.60: 0.00021."""
    found = build_waste(
        tables_of(
            calls("2026-11-10", 1, finish_reason="length"),
            calls("2026-11-17", 2, finish_reason="length"),
            calls("2026-11-17", 1, finish_reason="length", **MINI),
            calls("2026-11-18", 1, refusal="No."),
            calls("2026-11-18", 3, cached_tokens=400),
        )
    )

    assert found is not None
    cut, refused, unreadable, repeated = found.rows
    assert cut.cost == Figure(Decimal("0.00721"))
    assert cut.words == "3 of 7 calls (1 before); $0.007 of it in 2 gpt-4o calls."
    assert cut.todo == "Raise max_tokens for gpt-4o, or ask for shorter answers."
    assert refused.words == "1 of 7 calls (0 before), gpt-4o."
    assert refused.todo == "Look at this answer and its prompt."
    assert unreadable.words == "No call used a tool."
    assert repeated.cost == Figure(0)
    assert repeated.todo == "Nothing to do."
    # 0.00721 + 0.0035 = 0.01071.
    assert found.head.title == "$0.011 went into 4 wasted answers"
    # 3 x 400 x 1.25 / 10^6 = 0.0015; none before.
    assert found.head.note == "Cache hits saved $0.0015 ($0 before)."


def test_one_answer_without_a_price() -> None:
    found = build_waste(
        tables_of(calls("2026-11-17", 1, finish_reason="length", **OWN), since=None)
    )

    assert found is not None
    assert found.head.title == "1 wasted answer; what it cost is not known"
    assert found.rows[0].cost == UNKNOWN
    assert found.rows[0].words == "1 of 1 call, of-our-own."
    assert found.head.note == "No call reports tokens from a cache."


def test_without_any_waste_and_without_any_call() -> None:
    found = build_waste(tables_of(calls("2026-11-17", 2)))

    assert found is not None
    assert found.head.title == "No wasted answer was found"
    assert build_waste(tables_of(calls("2026-11-10", 2))) is None


def test_texts_that_were_dropped_are_not_looked_at() -> None:
    found = build_waste(
        tables_of(calls("2026-11-17", 2, content=None, content_chars=90))
    )

    assert found is not None
    refused, repeated = found.rows[1], found.rows[3]
    words = "Not known: 2 of 2 calls came without their texts."
    assert (refused.words, refused.cost) == (words, UNKNOWN)
    assert (repeated.words, repeated.cost) == (words, UNKNOWN)
    assert repeated.todo == "Keep the texts when you export."


def test_what_some_calls_do_not_report() -> None:
    found = build_waste(
        tables_of(
            calls("2026-11-10", 1, finish_reason=None),
            calls("2026-11-17", 2),
            calls("2026-11-17", 1, content=None, content_chars=90, finish_reason=None),
        )
    )

    assert found is not None
    cut, refused, _, repeated = found.rows
    assert cut.words == "None found, but 1 of 3 calls came without a finish reason."
    assert refused.words == "None found, but 1 of 3 calls came without their texts."
    assert refused.words == repeated.words


def test_a_cache_that_is_not_used() -> None:
    """20 calls of gpt-4o-mini, 75 of 100 tokens of gpt-4o from the cache.

    20 x 1000 tokens at 0.15 - 0.075 USD a million: 0.0015 at most, and of that three
    quarters: 0.001125.
    """
    mini, hits = calls("2026-11-17", 20, **MINI), {"cached_tokens": 750}
    found = build_waste(tables_of(mini, calls("2026-11-17", 20, **hits)))
    alone = build_waste(tables_of(mini, calls("2026-11-17", 19, **hits)))
    few = build_waste(tables_of(mini[1:], calls("2026-11-17", 20, **hits)))

    assert found is not None
    saving = found.rows[-1]
    assert (saving.name, saving.is_saving) == ("cache", True)
    assert saving.cost == Figure(Decimal("0.001125"), "approximate")
    assert saving.at_most == Figure(Decimal("0.0015"), "upper")
    assert saving.words == (
        "None of the 20 gpt-4o-mini calls reports cached tokens. About $0.0011 at the "
        "cache share of gpt-4o (75%), at most $0.0015, less the charge for writing to "
        "the cache."
    )
    assert found.head.title == (
        "No wasted answer was found; caching gpt-4o-mini could save about $0.0011"
    )
    # Of 19 calls no share is taken, and of 19 calls no cache is missed.
    assert alone is not None
    assert alone.rows[-1].cost == UNKNOWN
    assert alone.head.title.endswith("caching gpt-4o-mini could save at most $0.0015")
    assert few is not None
    assert few.rows[-1].name == "repeated"


def test_the_range_of_chance_is_the_sum_of_squares() -> None:
    """25 calls at 0.0035: 0.0875, and 1.2816 x sqrt(25) x 0.0035 around it."""
    low, high = _chance_range(tables_of(calls("2026-11-17", 25)))

    half = 1.2816 * sqrt(25) * 0.0035
    assert float(low.number) == pytest.approx(0.0875 - half)
    assert float(high.number) == pytest.approx(0.0875 + half)
    assert _chance_range(tables_of(calls("2026-11-17", 19))) == (UNKNOWN, UNKNOWN)
    assert _chance_range(tables_of(calls("2026-11-17", 30, **OWN))) == (
        UNKNOWN,
        UNKNOWN,
    )


def test_the_sample_as_it_was_worked_out_by_another() -> None:
    """Before files of batches were priced as such, which 16 calls of the week are."""
    made = toolkit.write_report(
        "data/sample", last="week", now="2026-11-09", compare="previous"
    )
    inputs = made.inputs._replace(choices=made.inputs.choices.drop("processing"))
    tables = MetricTables(price(inputs, made.prices, ["model"]), made.plan)

    found = build_waste(tables)

    assert found is not None
    costs = [round(float(row.cost.number), 3) for row in found.rows]
    assert costs == [0.046, 0.011, 0.007, 0, 0.066]
    assert sum(row.cost.number for row in found.rows[:4]) == pytest.approx(
        Decimal("0.0639"), abs=Decimal("0.0001")
    )
    assert " 22 wasted answers" in found.head.title
    assert found.rows[4].at_most.rounded(3).number == Decimal("0.204")
    assert found.head.note == (
        "Cache hits saved at least $0.043 (at least $0.071 before)."
    )
    low, high = _chance_range(tables)
    assert (round(float(low.number), 2), round(float(high.number), 2)) == (0.76, 0.95)


def test_repeated_calls() -> None:
    text = "the same long answer " * 5
    found = build_waste(tables_of(calls("2026-11-17", 3, content=text)))

    assert found is not None
    assert found.rows[3].words == "2 of 3 calls, all gpt-4o."
    assert found.rows[3].cost == Figure(Decimal("0.007"))


def test_of_the_texts_of_logs_only_a_number_is_kept() -> None:
    made = toolkit.write_report("data/sample")
    texts = made.inputs.choices.select("content", "~text").collect()

    assert texts["content"].drop_nulls().unique().to_list() == [""]
    assert texts["~text"].drop_nulls().n_unique() > 1
    assert texts.schema["~text"] == pl.UInt64


def test_a_model_that_never_says_how_it_ended_has_none_of_the_calls_cut_off() -> None:
    """Neither has a known cost; of one it is unknown whether a call was cut off."""
    silent = {"model": "their-own", "provider": None, "finish_reason": None}
    waste = build_waste(
        tables_of(
            calls("2026-11-17", 2, **OWN, finish_reason="length"),
            calls("2026-11-17", 3, **silent),
        )
    )
    assert waste is not None
    assert waste.rows[0].words == "≥ 2 of 5 calls, all of-our-own."
    assert waste.rows[0].cost == UNKNOWN
