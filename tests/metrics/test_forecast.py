"""The forecast of a cost: worked by hand, and what must hold for any costs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolkit.metrics.forecast import forecast_cost

JUNE, JULY = date(2026, 6, 1), date(2026, 7, 1)  # Monday and Wednesday
FIRST = date(2026, 4, 20)  # a Monday, six weeks before June


def days(first: date, *costs: float | str) -> dict[date, Decimal]:
    """Return costs of days in a row."""
    return {first + timedelta(n): Decimal(str(cost)) for n, cost in enumerate(costs)}


def test_each_day_left_costs_the_mean_of_its_weekday() -> None:
    # Other days than Mondays cost 1. Of June 29 days are left from Tuesday the 2nd on:
    # 4 Mondays and 25 other days; 7 is spent on the 1st, a Monday.
    costs = {}
    for week, monday in enumerate((6, 5, 5, 7)):  # from 11 May; the last is 1 June
        costs |= days(date(2026, 5, 11) + timedelta(7 * week), monday, *[1] * 6)
    costs = {day: cost for day, cost in costs.items() if day <= JUNE}
    costs |= days(date(2026, 5, 4), 4, *[1] * 6)

    found = forecast_cost(costs, JUNE, JULY, datetime(2026, 6, 2, tzinfo=UTC))

    # The last 28 days are 5 May to 1 June: Mondays 6, 5, 5, 7, mean 5.75.
    assert found.spent == 7
    assert found.cost == 7 + 4 * Decimal("5.75") + 25
    assert (found.weeks, found.days_left) == (4, 29)


def test_of_today_only_the_rest_is_added() -> None:
    costs = days(date(2026, 5, 4), *[2] * 28, "0.3")

    found = forecast_cost(costs, JUNE, JULY, datetime(2026, 6, 1, 18, tzinfo=UTC))

    # 0.3 is spent today; a quarter of today is left, and 29 whole days, at 2 a day.
    assert found.cost == Decimal("0.3") + Decimal("0.5") + 58
    assert found.days_left == 30


@pytest.mark.parametrize(
    ("count", "weeks", "cost"),
    # All costs are 1 a day: spent is none of June, then 30 days of 1.
    [(6, 0, None), (7, 1, 30), (20, 2, 30), (28, 4, 30), (60, 4, 30)],
)
def test_with_less_data_the_means_are_of_fewer_weeks(
    count: int, weeks: int, cost: int | None
) -> None:
    costs = days(JUNE - timedelta(count), *[1] * count)

    found = forecast_cost(costs, JUNE, JULY, datetime(2026, 6, 1, tzinfo=UTC))

    assert (found.weeks, found.cost) == (weeks, cost)


def test_the_likely_range_by_hand() -> None:
    # Six weeks; every weekday costs 8, 12, 8, 12 in the last four: mean 10, relative
    # deviations of 0.2. Squares: 28 x 0.04 = 1.12, with 21 degrees of freedom 0.05333.
    costs = days(FIRST, *[1] * 14, *[8] * 7, *[12] * 7, *[8] * 7, *[12] * 7)

    found = forecast_cost(
        costs, JUNE, date(2026, 6, 15), datetime(2026, 6, 1, tzinfo=UTC)
    )

    # Two weeks are left: for each weekday 10^2 x (2 + 2^2 / 4) = 300, together 2,100.
    half = 1.323 * sqrt(1.12 / 21 * 2100)  # 14.0
    assert found.cost == 140
    assert found.low is not None
    assert found.high is not None
    assert float(found.low) == pytest.approx(140 - half)
    assert float(found.high) == pytest.approx(140 + half)


def test_weekdays_that_cost_nothing_add_nothing_to_the_range() -> None:
    # Only Mondays cost: 8, 12, 8, 12. One weekday, so 3 degrees of freedom: 0.16 / 3.
    costs = days(FIRST, *[v for c in (1, 1, 8, 12, 8, 12) for v in (c, *[0] * 6)])

    found = forecast_cost(
        costs, JUNE, date(2026, 6, 8), datetime(2026, 6, 1, tzinfo=UTC)
    )

    half = 1.638 * sqrt(0.16 / 3 * 100 * (1 + 1 / 4))
    assert found.cost == 10
    assert found.high is not None
    assert float(found.high) == pytest.approx(10 + half)


def test_the_range_needs_six_whole_weeks() -> None:
    costs = days(FIRST + timedelta(1), *[8, 12] * 20, 8)  # 41 days

    found = forecast_cost(costs, JUNE, JULY, datetime(2026, 6, 1, tzinfo=UTC))

    assert found.cost is not None
    assert (found.low, found.high) == (None, None)


def test_of_a_range_that_is_over_nothing_is_forecast() -> None:
    costs = days(JUNE, *[2] * 30)

    found = forecast_cost(costs, JUNE, JULY, datetime(2026, 7, 1, tzinfo=UTC))

    assert (found.spent, found.cost, found.days_left) == (60, 60, 0)
    assert found.low is None


def test_without_any_cost_nothing_is_known() -> None:
    found = forecast_cost({}, JUNE, JULY, datetime(2026, 6, 3, tzinfo=UTC))

    assert (found.spent, found.cost, found.weeks) == (0, None, 0)


@given(
    st.lists(st.integers(0, 10**6), min_size=42, max_size=70),
    st.integers(0, 23),
    st.integers(1, 1000),
)
def test_a_forecast_is_in_its_range_and_scales(
    cents: list[int], hour: int, factor: int
) -> None:
    costs = days(JUNE + timedelta(10 - len(cents)), *(c / 100 for c in cents))
    now = datetime(2026, 6, 11, hour, tzinfo=UTC)

    found = forecast_cost(costs, JUNE, JULY, now)
    larger = forecast_cost({d: c * factor for d, c in costs.items()}, JUNE, JULY, now)

    assert found.cost is not None
    assert larger.cost is not None
    assert found.spent == sum(cost for day, cost in costs.items() if day >= JUNE)
    assert found.cost >= found.spent
    assert float(larger.cost) == pytest.approx(float(found.cost * factor))
    if found.low is not None and found.high is not None:
        assert found.spent <= found.low <= found.cost <= found.high
