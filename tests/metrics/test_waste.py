"""Calls that brought nothing, each in one group; and what the cache saved, in money."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.metrics.engine import compute, compute_several
from toolkit.metrics.registry import SPECS
from toolkit.metrics.waste import GROUPS, WASTE
from toolkit.testing import make_choices

NOON = datetime(2026, 11, 17, 12, tzinfo=UTC)
TEXT = (
    "An answer that is long enough not to be equal to another one by chance alone. " * 2
)
ADD = {"id": "1", "type": "function", "name": "add"}
WRONG, RIGHT = ([{**ADD, "arguments": text}] for text in ("{", "{}"))


def call(minute: float = 0, **cells: Any) -> dict[str, Any]:
    """Make a call of gpt-4o: 1,000 tokens at 2.50 USD a million, 100 at 10: 0.0035."""
    return {
        "model": "gpt-4o",
        "provider": "openai",
        "created": NOON + timedelta(minutes=minute),
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "cached_tokens": 0,
        "finish_reason": "stop",
        **cells,
    }


def row_of(*calls: dict[str, Any]) -> dict[str, Any]:
    """Return the row of all calls together."""
    table = compute(WASTE, make_choices(*calls), {"every": None, "by": None})
    return table.row(0, named=True)


def counts(row: dict[str, Any]) -> list[int]:
    """Return the calls of each group."""
    return [row[f"responses_{name}"] for name in GROUPS]


def test_a_call_is_in_the_first_of_its_groups_only() -> None:
    row = row_of(
        call(0, finish_reason="length", refusal="No.", tool_calls=WRONG),
        call(0, refusal="No.", tool_calls=WRONG),
        call(0, finish_reason="content_filter"),
        call(0, tool_calls=WRONG),
        call(0, tool_calls=RIGHT),
        call(0),
    )

    assert counts(row) == [1, 2, 1, 0]
    assert row["responses"] == 6
    assert row["responses_with_tools"] == 4
    # The whole call is counted: 0.0035 each.
    assert [row[f"cost_{name}"] for name in GROUPS] == [
        Decimal(text) for text in ("0.0035", "0.007", "0.0035", "0")
    ]


def test_any_choice_of_a_call_counts_and_the_call_counts_once() -> None:
    row = row_of(
        call(choice_count=3),
        call(choice_count=3, choice_position=1, finish_reason="length"),
        call(choice_count=3, choice_position=2, finish_reason="length"),
    )

    assert counts(row) == [1, 0, 0, 0]
    assert row["cost_cut_off"] == Decimal("0.0035")


@pytest.mark.parametrize(
    ("minutes", "cells", "repeated"),
    [
        ([0, 10], {}, 1),
        ([0, 10.1], {}, 0),
        ([0, 5, 15, 26], {}, 2),  # 26 is 11 minutes after 15
        ([0, 0], {}, 1),
        ([0, 1], {"model": "gpt-4o-mini"}, 0),
        ([0, 1], {"prompt_tokens": 1001}, 0),
        ([0, 1], {"content": TEXT + "."}, 0),
        ([0, 1], {"prompt_tokens": None}, 0),
        ([0, 1], {"content": None}, 0),
        ([0, 1], {"finish_reason": "length"}, 0),  # it was cut off
    ],
)
def test_a_call_repeats_an_equal_one_of_the_ten_minutes_before(
    minutes: list[float], cells: dict[str, Any], repeated: int
) -> None:
    first, *others = [call(minute, content=TEXT) for minute in minutes]

    row = row_of(first, *({**one, **cells} for one in others))

    assert row["responses_repeated"] == repeated
    assert row["cost_repeated"] == repeated * Decimal("0.0035")


def test_short_answers_are_equal_by_chance() -> None:
    row = row_of(*(call(minute, content="positive") for minute in range(5)))

    assert row["responses_repeated"] == 0


def test_what_dropped_texts_and_arguments_hide_is_unknown() -> None:
    seen = {"content": TEXT, "content_chars": len(TEXT)}
    dropped = {"content": None, "content_chars": len(TEXT)}
    named = [{**ADD, "arguments": None}]

    some = row_of(call(0, **seen), call(1, **seen), call(2, **dropped))
    none = row_of(call(0, **dropped), call(1, **dropped, tool_calls=named))

    def figure(row: dict[str, Any], name: str) -> Figure:
        return WASTE[f"responses_{name}"].figure(row)

    assert figure(some, "repeated") == Figure(1, "lower")
    assert figure(some, "refused") == Figure(0, "lower")
    assert figure(none, "repeated") == figure(none, "refused") == UNKNOWN
    assert figure(none, "unreadable") == Figure(0, "lower")
    assert figure(none, "cut_off") == Figure(0)


def test_a_range_beside_a_longer_one_has_its_own_calls_only() -> None:
    choices = make_choices(call(-90, tool_calls=WRONG), call(0, tool_calls=WRONG))
    hour = {"since": NOON, "until": NOON + timedelta(hours=1), "every": None, "by": ()}
    queries = [(WASTE, hour), (SPECS["cost"], {"every": None, "by": ()})]

    waste, cost = compute_several(choices.lazy(), queries)

    # One call of 0.0035 USD at noon, and one before the range.
    assert waste["responses_unreadable"].item() == 1
    assert waste["cost_unreadable"].item() == Decimal("0.0035")
    assert cost["cost"].item() == Decimal("0.0070")


def test_a_choice_whose_first_one_is_missing_is_no_call() -> None:
    cut = {"choice_count": 2, "choice_position": 1, "finish_reason": "length"}
    choices = make_choices(call(**cut))
    queries = [(WASTE, {"every": None}), (SPECS["truncation_rate"], {"every": None})]

    waste, truncation = compute_several(choices.lazy(), queries)

    assert waste.is_empty()
    assert truncation.select("responses", "choices_truncated").row(0) == (0, 1)


def test_the_cost_of_a_group_is_a_bound_if_a_price_is_missing() -> None:
    own = {"model": "of-our-own", "provider": None}
    row = row_of(*(call(finish_reason="length", **one) for one in ({}, own)))
    nothing = row_of(call(finish_reason="length", **own))

    cost = WASTE["cost_cut_off"]
    assert cost.figure(row) == Figure(Decimal("0.0035"), "lower")
    assert cost.figure(nothing) == UNKNOWN


def test_what_the_cache_saved_and_would_save_at_list_prices() -> None:
    """Tokens of gpt-4o from the cache cost 1.25 USD a million, the others 2.50."""
    row = row_of(
        call(cached_tokens=400),  # 400 x 1.25 / 10^6 = 0.0005
        # Of what the provider charged by itself, the list price is that of the model:
        # (1000 x 2.50 + 100 x 10) / 10^6 are charged, whatever was cached.
        call(cached_tokens=100, reported_cost=0.0035),
        call(cached_tokens=100, model="of-our-own", provider=None),
        call(cached_tokens=5000),  # more than the prompt: no cost is known
    )

    assert WASTE["cache_saved"].figure(row) == Figure(Decimal("0.000625"), "lower")
    # 2 x 1000 x 1.25 / 10^6.
    assert WASTE["cache_possible"].figure(row) == Figure(Decimal("0.0025"), "lower")
    assert row["cached_unpriced"] == 2


def test_the_squares_of_costs() -> None:
    """In squares of thousandths of a dollar: 3.5 x 3.5 + 7 x 7 = 61.25."""
    twice = {"prompt_tokens": 2000, "completion_tokens": 200, "total_tokens": 2200}
    row = row_of(call(), call(**twice))

    assert row["cost_squares"] / 2**40 == pytest.approx(61.25)


_CALLS = st.lists(
    st.tuples(
        st.sampled_from(["stop", "length", "content_filter"]),
        st.booleans(),
        st.sampled_from([None, WRONG, RIGHT]),
        st.sampled_from([TEXT, TEXT + "!", None]),
        st.integers(0, 40),
    ),
    min_size=1,
    max_size=12,
)


@given(_CALLS)
def test_groups_are_those_of_a_loop_over_all_calls(
    facts: list[tuple[str, bool, Any, str | None, int]],
) -> None:
    rows = [
        call(
            minute,
            finish_reason=reason,
            refusal="No." if refuses else None,
            tool_calls=tools,
            content=text,
        )
        for reason, refuses, tools, text, minute in facts
    ]
    found = dict.fromkeys(GROUPS, 0)
    latest: dict[str, int] = {}
    ordered = sorted(enumerate(facts), key=lambda one: (one[1][4], one[0]))
    for _, (reason, refuses, tools, text, minute) in ordered:
        is_again = text is not None and minute - latest.get(text, -99) <= 10
        if text is not None:
            latest[text] = minute
        if reason == "length":
            found["cut_off"] += 1
        elif refuses or reason == "content_filter":
            found["refused"] += 1
        elif tools is WRONG:
            found["unreadable"] += 1
        elif is_again:
            found["repeated"] += 1

    row = row_of(*rows)

    assert counts(row) == [*found.values()]
    costs = [row[f"cost_{name}"] for name in GROUPS]
    assert costs == [Decimal("0.0035") * count for count in found.values()]
