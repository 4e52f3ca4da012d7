"""The parts of a report: figures, titles and sentences, worked out by hand."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from tests.report.made import calls, tables_of
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.report.content import _build_answer, _build_figures, _what_to_do
from toolkit.report.model import Gap, Head, Loss, Trust, Waste
from toolkit.report.spending import build_course, build_models, build_tags
from toolkit.report.tables import Names, series_name, short_names

FIRST = datetime(2026, 11, 3, tzinfo=UTC)
OWN = {"model": "of-our-own", "provider": None}
FREE = {"reported_cost": 0.0}


def test_key_figures() -> None:
    """Now 4 calls, one without a price, one cut off; 2 calls the week before."""
    tables = tables_of(
        calls("2026-11-10", 2, cached_tokens=500),
        calls("2026-11-17", 2),
        calls("2026-11-18", 1, finish_reason="length"),
        calls("2026-11-19", 1, **OWN),
    )
    found = {figure.name: figure for figure in _build_figures(tables)}

    # 3 x 0.0035; before, 2 x (500 x 2.50 + 500 x 1.25 + 100 x 10) / 10^6 = 0.00575.
    assert found["cost"].value == Figure(Decimal("0.0105"), "lower")
    assert found["cost"].before == Figure(Decimal("0.00575"))
    # 0.0105 - 0.00575 = 0.00475; 0.0105 / 0.00575 = 1.826.
    assert found["cost"].words == "≥ +$0.0047 (+82%)"
    assert found["calls"].words == "+2 (2 before)"
    assert found["tokens"].value == Figure(4400)
    assert found["tokens"].words == "+2,200 (+100%)"
    # 0.0105 / 3 calls; 0.002875 a call before: + 0.625 of 1,000.
    assert found["cost_per_1000"].value.number == Decimal("3.5")
    assert found["cost_per_1000"].words == "+$0.62 (3 calls)"
    assert found["cache"].value == Figure(0)
    assert found["cache"].before == Figure(0.5)
    assert found["cache"].words == "-50 points (4 calls)"
    assert (found["cut_off"].value, found["cut_off"].of) == (Figure(1), 4)
    assert found["cut_off"].words == "0 of 2 before"
    # Of the last five weeks only two have calls.
    assert found["calls"].points == [Figure(n) for n in (0, 0, 0, 2, 4)]
    assert found["cost"].points[:3] == [UNKNOWN] * 3


def test_nothing_is_known_of_a_range_without_calls() -> None:
    """A sum over no calls is 0 calls, and no cost, tokens or rates."""
    found = _build_figures(tables_of(calls("2026-11-10", 2)))
    known = {figure.name: figure.value for figure in found}
    assert known.pop("calls") == Figure(0)
    assert set(known.values()) == {UNKNOWN}


def test_cost_without_a_price_is_unknown() -> None:
    """It is not 0."""
    found = _build_figures(tables_of(calls("2026-11-17", 3, **OWN)))
    assert {figure.name: figure.value for figure in found}["cost"] == UNKNOWN


def missing(could_add: Figure, name: str = "unpriced") -> Trust:
    """Return what to trust where one thing is missing."""
    row = Gap(name, "", could_add, "", "")
    return Trust(Head("", ""), [], [row], replace(row, name="together"))


def headline(*groups: list[dict[str, object]], trust: Trust | None = None) -> str:
    """Return the headline of a report on calls."""
    return _build_answer(tables_of(*groups), "", trust, ()).headline


def test_headlines() -> None:
    """What it cost, how that changed, and what is missing."""
    before = calls("2026-11-10", 10)  # 0.035
    assert headline(before, calls("2026-11-17", 20)) == (
        "The week cost $0.07, $0.035 more than the week before."  # 0.07 - 0.035
    )
    assert headline(before, calls("2026-11-17", 10)) == (
        "The week cost $0.035, the same as the week before."
    )
    assert headline(calls("2026-11-17", 1)) == (
        "The week cost $0.0035; the week before has no calls."
    )
    assert headline(before, calls("2026-11-17", 20), calls("2026-11-18", 1, **OWN)) == (
        "The week cost at least $0.07, at least $0.035 more than the week before; "
        "1 call has no known cost."
    )
    gap = Figure(Decimal("0.0035"), "approximate")
    own = calls("2026-11-18", 1, **OWN)
    now = calls("2026-11-17", 20)
    assert headline(before, now, own, trust=missing(gap)).endswith(
        "; calls without a known price could add about $0.0035."
    )
    assert headline(before, now, own, trust=missing(gap, "rejected")).endswith(
        "; what is missing could add about $0.0035."
    )
    assert headline(calls("2026-11-17", 2, **OWN)) == (
        "The week used 2,200 tokens in 2 calls; what that cost is not known, as no "
        "call has a known price."
    )
    assert headline(before) == "No calls in this week."


def test_what_could_not_be_counted_is_in_the_answer() -> None:
    """A log without a call that could be read is not one without calls."""
    undated = tables_of(calls("2026-11-10", 1, created=None))
    answer = _build_answer(undated, "", None, ["1 call without a date"])
    assert answer.headline == "No call could be counted: 1 call without a date."
    assert answer.certainty == ""

    before = tables_of(calls("2026-11-10", 1))
    answer = _build_answer(before, "", None, ["3 lines that could not be read"])
    assert answer.headline == "No calls in this week."
    assert answer.certainty == (
        "The last call was on 10 Nov 2026, 12:00. "
        "Not counted: 3 lines that could not be read."
    )


def test_certainty() -> None:
    """Whether a change is real depends on what the calls without a price may cost."""

    def certainty(*groups: list[dict[str, object]]) -> str:
        found = _build_answer(tables_of(*groups), "", None, ()).certainty
        return re.split(r" (The week before \(|By chance)", found)[0]

    before, now = calls("2026-11-10", 40), calls("2026-11-20", 20)
    assert certainty(before, now) == "All 20 calls are priced exactly."
    # As many tokens without a price in both weeks.
    few = calls("2026-11-10", 1, **OWN), calls("2026-11-20", 1, **OWN)
    assert certainty(before, now, *few) == (
        "20 of the 21 calls are priced exactly. The other 1 is in no cost; such calls "
        "used 1.1k tokens in the week before and 1.1k in this one, which does not "
        "explain the fall."
    )
    # 4 calls more, where 20 priced ones are missing.
    some = calls("2026-11-10", 1, **OWN), calls("2026-11-20", 5, **OWN)
    assert certainty(before, now, *some).endswith(
        "such calls used 1.1k tokens in the week before and 5.5k in this one: too "
        "little to explain the fall."
    )
    # 20 calls moved to a model without a price: 22,000 tokens, worth the change.
    moved = calls("2026-11-10", 1, **OWN), calls("2026-11-20", 21, **OWN)
    assert certainty(before, now, *moved).endswith(
        "so the fall in known cost may not be one in cost."
    )
    # Fewer of them explain no fall, and more of them no rise.
    fewer = calls("2026-11-10", 21, **OWN), calls("2026-11-20", 1, **OWN)
    assert certainty(before, now, *fewer).endswith(
        "used 23.1k tokens in the week before and 1.1k in this one, which does not "
        "explain the fall."
    )
    risen = calls("2026-11-10", 20), calls("2026-11-20", 40)
    assert certainty(*risen, *moved).endswith(
        "used 1.1k tokens in the week before and 23.1k in this one, which does not "
        "explain the rise."
    )
    assert certainty(*risen, *fewer).endswith(
        "so the rise in known cost may not be one in cost."
    )
    # Only free calls have a price now: the 40 others moved.
    free, own = calls("2026-11-20", 20, **FREE), calls("2026-11-20", 40, **OWN)
    assert certainty(before, free, few[0], own).endswith(
        "so the fall in known cost may not be one in cost."
    )


def test_course() -> None:
    """Eight weeks; the log begins in the sixth."""
    tables = tables_of(
        calls("2026-11-03", 1),
        calls("2026-11-10", 2),
        calls("2026-11-17", 4),
        calls("2026-11-17", 1, **OWN),
    )
    course = build_course(tables, Names(tables.plan.by, {}, {"gpt-4o": "a1"}, FIRST))
    assert course is not None
    assert course.starts[-1] == date(2026, 11, 16)
    assert course.labels[3:] == ["19", "26", "2 Nov", "9", "16"]
    assert course.is_whole == [False] * 6 + [True, True]
    assert course.empty == "no log before 3 Nov"
    assert course.totals[:5] == [UNKNOWN] * 5
    # 1, 2 and 4 calls of 0.0035.
    costs = [Figure(Decimal(cost)) for cost in ("0.0035", "0.0070")]
    assert course.totals[5:] == [*costs, Figure(Decimal("0.0140"), "lower")]
    (series,) = course.series
    assert (series.name, series.color, series.values[-1].number) == (
        "gpt-4o",
        "a1",
        Decimal("0.0140"),
    )
    # What it cost before the log is unknown, not 0.
    assert series.values == [*[UNKNOWN] * 5, *costs, Figure(Decimal("0.0140"))]
    # 1,100 of 5,500 tokens have no price.
    assert course.unpriced[-1] == Figure(0.2)
    assert (
        course.head.title == "Between $0.007 and $0.014 in both whole weeks since 9 Nov"
    )


def test_a_tag_names_those_without_it() -> None:
    """Three of five calls carry it."""
    tables = tables_of(
        calls("2026-11-17", 2, tag_team="search"),
        calls("2026-11-17", 1, tag_team="docs"),
        calls("2026-11-17", 2, tag_team=None),
    )
    (tag,) = build_tags(tables)
    # 2 and 1 of 5 calls of the same cost.
    assert tag.head.title == "search and docs are 60% of the known cost"
    assert [(row.value, row.calls) for row in tag.rows] == [
        ("search", 2),
        ("docs", 1),
        (None, 2),
    ]
    assert tag.note == (
        "3 of 5 calls carry the tag team. "
        "Ask the services behind the other 2 to send it."
    )


def test_short_names_are_unique() -> None:
    """Two versions of a model keep their dates."""
    names = ["gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "openai/gpt-5-2025-08-07"]
    assert short_names(names) == {
        "gpt-4o-2024-08-06": "gpt-4o-2024-08-06",
        "gpt-4o-2024-11-20": "gpt-4o-2024-11-20",
        "openai/gpt-5-2025-08-07": "gpt-5",
    }


def test_series_whose_values_read_alike_are_told_apart() -> None:
    """A missing value, the word for it, and values that contain a comma."""
    rows = [
        {"a": None, "b": "x"},
        {"a": "unknown", "b": "x"},
        {"a": "1 other", "b": ""},
    ]
    assert len({series_name(row, ("a",)) for row in rows}) == 3
    assert series_name(rows[0], ("a",)) == "unknown"
    assert series_name(rows[1], ("a",)) == '"unknown"'
    pairs = [{"a": "a, b", "b": "c"}, {"a": "a", "b": "b, c"}]
    assert len({series_name(row, ("a", "b")) for row in pairs}) == 2
    assert series_name(rows[0], ()) == "all calls"


def test_no_money_is_lost_where_names_read_alike() -> None:
    """Two calls, of no model and of one called unknown: 2 x 0.0035."""
    tables = tables_of(
        calls("2026-11-17", 1, model=None, provider="openai", reported_cost=1.0),
        calls("2026-11-17", 1, model="unknown", reported_cost=2.0),
    )
    course = build_course(tables, Names(tables.plan.by, first_call=FIRST))
    assert course is not None
    assert sum(series.values[-1].number for series in course.series) == 3


def test_a_log_that_began_in_the_week_before_is_not_compared() -> None:
    """One day of the week before says nothing of a week."""
    tables = tables_of(calls("2026-11-15", 10), calls("2026-11-20", 20))
    answer = _build_answer(tables, "because", None, (), began="15 Nov 2026")
    assert answer.headline == (
        "The week cost $0.07; of the week before the log has a part."
    )
    assert "The log begins on 15 Nov 2026" in answer.certainty


def test_top_names_so_many_series_and_sums_the_others() -> None:
    """Four calls of gpt-4o, one each of two smaller models."""
    tables = tables_of(
        calls("2026-11-17", 4),
        calls("2026-11-17", 1, model="gpt-4o-mini"),
        calls("2026-11-17", 1, **OWN),
        top=1,
        compares=False,
    )
    found = build_models(tables, None, Names(tables.plan.by))
    assert found is not None
    assert [(row.name, row.calls) for row in found.rows] == [
        ("gpt-4o", 4),
        ("2 others", 2),
    ]


def test_what_to_do_first_is_what_is_about_most_money() -> None:
    """Of all parts; what costs nothing, or cannot be estimated, is not named."""
    losses = [
        Loss("cut_off", "Cut off", Figure(Decimal("0.05"), "lower"), "", "Raise it."),
        Loss("refused", "Refused", Figure(0), "", "Nothing to do."),
        Loss("cache", "Cache not used", Figure(2), "", "Mark it."),
        Loss("repeated", "Repeated", Figure(Decimal("0.01")), "", "Look for it."),
    ]
    gaps = [
        Gap("unpriced", "No price", Figure(1, "approximate"), "", "Write it."),
        Gap("late", "Late data", UNKNOWN, "", "Wait."),
    ]
    trust = Trust(Head("", ""), [], gaps, None)

    assert _what_to_do(Waste(Head("", ""), losses), trust) == [
        "Cache not used ($2.00): Mark it.",
        "No price (about $1.00): Write it.",
        "Cut off (at least $0.05): Raise it.",
    ]
    assert _what_to_do(None, Trust(Head("", ""), [], [], None)) == []


def test_the_cost_after_the_last_call_is_unknown_and_the_largest_is_named() -> None:
    """No call in the week of the 16th: the log may have stopped."""
    tables = tables_of(
        calls("2026-11-10", 9),
        *(
            calls("2026-11-11", 1, model=f"own-{n}", reported_cost=n / 10)
            for n in range(9)
        ),
    )
    course = build_course(tables, Names(tables.plan.by, first_call=FIRST))
    assert course is not None
    assert course.head.title == "The last week has no known cost"
    assert [total.is_known for total in course.totals[-2:]] == [True, False]
    assert not any(series.values[-1].is_known for series in course.series)
    assert {"own-8", "own-7"} <= {series.name for series in course.series}


def test_most_of_the_cost_may_have_no_series() -> None:
    """3 calls without a team, 1 of docs: 3 of 4 parts of the known cost."""
    tables = tables_of(
        calls("2026-11-17", 3, tag_team=None),
        calls("2026-11-18", 1, tag_team="docs"),
        by=("tag_team",),
    )
    models = build_models(tables, None, Names(tables.plan.by, first_call=FIRST))
    assert models is not None
    title = "Three quarters of the known cost names no team"
    assert models.head.title == title


def test_a_range_without_calls_has_no_table_of_models() -> None:
    """A model that was called the week before costs nothing known now, not $0."""
    tables = tables_of(calls("2026-11-10", 2))
    names = Names(tables.plan.by, first_call=FIRST)

    assert build_models(tables, None, names) is None
