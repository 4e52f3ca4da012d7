"""Budgets of a month: figures worked out by hand, and a sentence for each case."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import toolkit
from tests.report.made import calls, tables_of
from tests.report.test_report import run
from toolkit.errors import MissingColumnsError, OptionError
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.pricing.budgets import parse_budgets
from toolkit.report.budget import build_budgets, exceeds
from toolkit.report.inputs import price
from toolkit.report.model import Budget
from toolkit.report.tables import MetricTables

OWN = {"model": "of-our-own", "provider": None}
DAILY = Decimal("0.0035")  # of a call of `made.calls`


def daily(first: str, last: str, count: int = 1, **cells: Any) -> list[dict[str, Any]]:
    """Make calls of each day from one to another."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    each = [start + timedelta(days=n) for n in range((end - start).days + 1)]
    return [row for day in each for row in calls(f"{day}", count, **cells)]


def budgets_of(tables: MetricTables, *texts: str) -> list[Budget]:
    """Build budgets; the log begins with its first call."""
    first = tables.choices.select(pl.col("created").min()).collect().item()
    return build_budgets(tables, parse_budgets(texts), first)


def build(texts: str | list[str], *groups: Any, **options: Any) -> Budget:
    """Build the first of some budgets, of the week of 16 to 22 November."""
    several = [texts] if isinstance(texts, str) else texts
    return budgets_of(tables_of(*groups, **options), *several)[0]


def test_spent_forecast_and_the_month_before() -> None:
    """A call a day since 1 October: 31 in October, 22 until the 22nd, 8 days left."""
    found = build("1USD", daily("2026-10-01", "2026-11-22"))

    assert found.spent == Figure(22 * DAILY)
    assert found.forecast == Figure(30 * DAILY, "approximate")
    assert found.before == Figure(31 * DAILY)
    assert (found.days, found.month) == (22, date(2026, 11, 1))
    # All days cost the same: 53 days of data are seven weeks, and nothing deviates.
    assert found.low == found.high == Figure(30 * DAILY)
    assert found.with_unpriced == UNKNOWN
    assert found.head.name == "Budget for November"
    assert found.head.title == "November stays within its $1.00 limit"
    assert found.head.note == (
        "US dollars. Forecast: what was spent, and for the 8 days left the average of "
        "the same weekday in the last four weeks; likely = 4 cases in 5. October cost "
        "$0.11."
    )


def test_unpriced_calls_make_bounds_and_an_estimate() -> None:
    """One of two calls a day has no price: their tokens are as many."""
    rows = daily("2026-10-20", "2026-11-22"), daily("2026-10-20", "2026-11-22", **OWN)
    found = build("1USD", *rows)

    assert found.spent == Figure(22 * DAILY, "lower")
    assert found.forecast == Figure(30 * DAILY, "lower")
    assert found.with_unpriced == Figure(60 * DAILY, "approximate")
    # October is known from the 20th on.
    assert found.before == Figure(12 * DAILY, "lower")
    assert found.low == UNKNOWN
    assert found.head.note == (
        "US dollars, at least. Forecast: what was spent, and for the 8 days left the "
        "average of the same weekday in the last four weeks; a likely range needs six "
        "whole weeks of data. October cost at least $0.042."
    )


@pytest.mark.parametrize(
    ("budget", "title"),
    # 0.077 is spent, 0.105 expected; with as many unpriced tokens 0.21.
    [
        (
            "0.07USD",
            "November is over its $0.07 limit already: at least $0.077 is spent",
        ),
        (
            "0.1USD",
            "November is likely to end over its $0.10 limit: at least $0.105 is "
            "expected",
        ),
        (
            "0.2USD",
            "On known prices November stays within its $0.20 limit; calls without a "
            "price could take it over",
        ),
        (
            "0.3USD",
            "November stays within its $0.30 limit, also with the calls without a "
            "price (about $0.21)",
        ),
    ],
)
def test_the_answer_of_an_open_month(budget: str, title: str) -> None:
    rows = daily("2026-10-20", "2026-11-22"), daily("2026-10-20", "2026-11-22", **OWN)

    assert build(budget, *rows).head.title == title


def test_what_was_spent_before_the_log_began_is_unknown() -> None:
    """A call a day from 2 November on: 21 until the 22nd, 8 days left."""
    found = build("1USD", daily("2026-11-02", "2026-11-22"))
    assert found.spent == Figure(21 * DAILY, "lower")
    assert found.forecast == Figure(29 * DAILY, "lower")
    assert found.head.title == (
        "Since the log began, November stays within its $1.00 limit; what was spent "
        "before is unknown"
    )
    assert exceeds(found)  # or may be
    assert not exceeds(build("1USD", daily("2026-11-01", "2026-11-22")))


def test_an_amount_is_never_written_as_the_limit_that_it_exceeds() -> None:
    """286 calls of 0.0035 are 1.001, of which 0.001 would be rounded away."""
    over = build("1USD", calls("2026-10-31", 1), calls("2026-11-17", 286))
    assert over.head.title == (
        "November is over its $1.00 limit already: $1.001 is spent"
    )


def test_a_likely_range_over_the_limit() -> None:
    """Each second week costs 10 calls a day, the others 20: high is above the mean."""
    rows = [
        row
        for week in range(8)
        for row in daily(
            f"{date(2026, 9, 28) + timedelta(7 * week)}",
            f"{date(2026, 10, 4) + timedelta(7 * week)}",
            10 if week % 2 else 20,
        )
    ]
    found = build("1.7USD", rows)

    # Spent: 1 Nov at 20 calls... the week of 26 October has 20, then 10, 20, 10:
    # 20 + 70 + 140 + 70 = 300 calls; 8 days left at 15: 420 calls at 0.0035.
    assert found.forecast.number == 420 * DAILY
    assert found.high.number > found.forecast.number > found.low.number
    limit = f"{found.forecast.number + Decimal('0.01')}USD"
    assert build(limit, rows).head.title.startswith("November may end over its $1.48")


def test_a_month_that_is_over() -> None:
    october = {"since": "2026-10-26", "until": "2026-11-01"}
    rows = daily("2026-10-01", "2026-11-22")

    within, over = (build(text, rows, **october) for text in ("1USD", "0.1USD"))

    assert within.spent == within.forecast == Figure(31 * DAILY)
    assert within.head.title == "October stayed within its $1.00 limit"
    assert within.head.note == "US dollars."
    assert over.head.title == "October went over its $0.10 limit: it cost $0.11"
    assert over.days == 31


def test_too_early_and_nothing_known() -> None:
    early = build("1USD", daily("2026-11-18", "2026-11-22"))
    unpriced = build("1USD", daily("2026-11-01", "2026-11-22", **OWN))
    ended = build("1USD", daily("2026-10-01", "2026-10-20"))

    assert early.head.title == (
        "November has used at least $0.017 of its $1.00 limit; it is too early for a "
        "forecast"
    )
    assert early.head.note == (
        "US dollars, at least. A forecast needs a whole week of data. The log begins "
        "on 18 Nov."
    )
    assert early.forecast == UNKNOWN
    for one in (unpriced, ended):
        assert one.head.title == "What November has cost is not known"
        assert one.spent == one.forecast == one.with_unpriced == UNKNOWN
    assert "The last call is of 20 Oct." in ended.head.note


def test_days_after_the_end_of_the_log_are_forecast_too() -> None:
    """The log ends on the 15th: 15 days are spent, 15 are left."""
    found = build("1USD", daily("2026-10-01", "2026-11-15"))

    assert (found.spent, found.days) == (Figure(15 * DAILY), 15)
    assert found.forecast.number == 30 * DAILY
    assert "for the 15 days left" in found.head.note
    assert "The last call is of 15 Nov." in found.head.note


def test_calls_after_now_are_not_seen() -> None:
    """It is noon of the 10th; the call of that moment is not before it."""
    noon = datetime(2026, 11, 10, 12, tzinfo=UTC)
    found = build("1USD", daily("2026-10-01", "2026-11-22"), until=None, now=noon)

    assert (found.spent, found.days) == (Figure(9 * DAILY), 10)
    # Half of the 10th is left, and 20 whole days.
    assert found.forecast.number == Decimal("29.5") * DAILY


def test_days_are_those_of_the_zone() -> None:
    """Noon of 31 October in UTC is 1 November in Auckland, at 01:00."""
    found = build("1USD", calls("2026-10-31", 1), daily("2026-11-01", "2026-11-21"),
                  tz="Pacific/Auckland")  # fmt: skip

    assert found.spent == Figure(22 * DAILY)


def test_budgets_of_tags_and_models() -> None:
    search, docs = ({"tag_team": name} for name in ("search", "docs"))
    rows = daily("2026-10-01", "2026-11-22", **search), calls("2026-11-20", 1, **docs)
    limits = ["tag_team:search=0.2USD", "gpt-4o=0.01USD"]
    team, model = budgets_of(tables_of(*rows), *limits)

    assert (team.tag, team.value, team.spent) == (
        *("tag_team", "search"),
        Figure(22 * DAILY),
    )
    assert team.head.name == "Budget of team search for November"
    assert team.head.title == "Team search stays within its $0.20 limit in November"
    assert (model.tag, model.value) == ("model", "gpt-4o")
    assert model.head.title == (
        "gpt-4o is over its $0.01 limit in November already: $0.08 is spent"
    )


_CALLS = st.lists(
    st.tuples(st.integers(0, 52), st.sampled_from(["search", "docs"]), st.booleans()),
    min_size=1,
    max_size=20,
)


@given(_CALLS)
def test_budgets_of_the_values_of_a_tag_add_up(
    facts: list[tuple[int, str, bool]],
) -> None:
    rows = [
        row
        for day, team, is_priced in facts
        for row in calls(
            f"{date(2026, 10, 1) + timedelta(days=day)}",
            1,
            tag_team=team,
            **({} if is_priced else OWN),
        )
    ]
    teams = sorted({team for _, team, _ in facts})
    texts = ["1USD", *(f"tag_team:{team}=1USD" for team in teams)]
    whole, *parts = budgets_of(tables_of(rows), *texts)

    priced = [day for day, _, is_priced in facts if is_priced and day >= 31]
    if whole.spent.is_known:
        assert whole.spent.number == len(priced) * DAILY
        known = [one.spent.number for one in parts if one.spent.is_known]
        assert sum(known) == whole.spent.number
        in_november = sum(day >= 31 for day, _, _ in facts)
        has_gaps = in_november > len(priced)
        begins_late = min(day for day, _, _ in facts) > 31  # after 1 November
        assert whole.spent.bound == ("lower" if has_gaps or begins_late else "exact")
    if whole.forecast.is_known:
        assert whole.forecast.number >= whole.spent.number
        if whole.with_unpriced.is_known:
            assert whole.with_unpriced.number > whole.forecast.number or (
                not whole.forecast.number
            )


def test_a_value_that_is_not_in_the_log_is_an_error() -> None:
    with pytest.raises(OptionError, match=r"budgets: .*gpt-4o.*'gpt-5'"):
        build("gpt-5=1USD", calls("2026-11-17", 1))
    with pytest.raises(MissingColumnsError, match="tag_team"):
        build("tag_team:search=1USD", calls("2026-11-17", 1))
    with pytest.raises(OptionError, match="budgets: expected an amount"):
        toolkit.write_report("data/sample", budgets="5EUR")


def test_what_exceeds_a_budget() -> None:
    priced = daily("2026-10-01", "2026-11-22")
    half = priced, daily("2026-10-01", "2026-11-22", **OWN)

    # 0.077 is spent, 0.105 expected.
    assert not exceeds(build("0.2USD", priced), forecast=True)
    assert not exceeds(build("0.1USD", priced))
    assert exceeds(build("0.1USD", priced), forecast=True)
    assert exceeds(build("0.07USD", priced))
    # A price is missing: it may be.
    assert exceeds(build("9USD", *half))


def test_the_sample_as_it_was_worked_out_by_another() -> None:
    """Before files of batches were priced as such."""
    made = toolkit.write_report("data/sample", last="week", now="2026-11-09")
    choices = made.inputs.choices.drop("processing")
    # Two weeks before the sample begins, for which a likely range is given.
    old = choices.filter(pl.col("created") < datetime(2026, 10, 15, tzinfo=UTC))
    old = old.with_columns(pl.col("created") - timedelta(days=14))
    for frame, has_range in ((choices, False), (pl.concat([old, choices]), True)):
        inputs = price(made.inputs._replace(choices=frame), made.prices, ["model"])
        tables = MetricTables(inputs, made.plan)
        (found,) = budgets_of(tables, "4USD")

        assert found.spent.rounded(3) == Figure(Decimal("0.888"), "lower")
        assert round(found.forecast.number, 3) == Decimal("3.716")
        assert found.with_unpriced.rounded(2).number == Decimal("4.19")
        assert found.days == 8
        if has_range:
            assert round(found.low.number, 2) == Decimal("3.50")
            assert round(found.high.number, 2) == Decimal("3.94")
        else:
            assert found.low == found.high == UNKNOWN
            assert found.before.rounded(2).number == Decimal("4.03")
        assert found.head.title == (
            "On known prices November stays within its $4.00 limit; calls without a "
            "price could take it over"
        )


SAMPLE = ("data/sample", "--last", "week", "--now", "2026-11-09")
GPT = "gpt-4o-2024-08-06"  # all its calls of November have a price


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--month-budget", f"{GPT}=2USD"], 0, ""),
        (["--month-budget", f"{GPT}=2USD", "--check-forecast"], 0, ""),
        (["--month-budget", f"{GPT}=1USD"], 0, ""),
        (
            ["--month-budget", f"{GPT}=1USD", "--check-forecast"],
            3,
            f"{GPT} is likely to end over its $1.00 limit in November",
        ),
        (["--month-budget", f"{GPT}=0.2USD"], 3, "over its $0.20 limit in November al"),
        (
            ["--month-budget", "4USD"],
            3,
            "Budget for November: On known prices November",
        ),
        (["--color", "my=model=a1"], 0, ""),
    ],
)
def test_a_budget_of_the_month_on_the_command_line(
    options: list[str], code: int, words: str
) -> None:
    done = run("report", *SAMPLE, *options)

    assert done.returncode == code, done.stderr
    assert words in done.stderr


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--month-budget", "4EUR", "expected an amount"),
        ("--month-budget", "gpt-9=1USD", "expected a model in the log"),
        ("--color", "gpt-4o", "expected NAME=COLOR"),
        ("--color", "gpt-4o=a4", "expected colours such as"),
    ],
)
def test_an_error_names_the_option_as_it_is_typed(
    option: str, text: str, words: str
) -> None:
    done = run("report", *SAMPLE, option, text)
    assert done.returncode == 2
    assert f"toolkit: {option}: {words}" in done.stderr


def test_settings_of_budgets_and_colors(tmp_path: Any) -> None:
    path = tmp_path / "toolkit.toml"
    path.write_text(
        f'[budgets]\nmonth_models = {{ "{GPT}" = "1USD" }}\ncheck_forecast = true\n'
        '[colors]\n"my=model" = "a1"\n'
    )
    done = run("report", *SAMPLE, "--config", path)

    assert done.returncode == 3
    assert "is likely to end over its $1.00 limit" in done.stderr
    # The command line takes precedence.
    other = ("--month-budget", f"{GPT}=2USD")
    assert run("report", *SAMPLE, "--config", path, *other).returncode == 0


def test_colors_are_passed_on() -> None:
    made = toolkit.write_report("data/sample", colors={"gpt-4o": "b2"})

    assert made.content.colors["gpt-4o-2024-08-06"] == "b2"
