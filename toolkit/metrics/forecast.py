"""The forecast of a cost from what each day cost."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from math import sqrt
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

WEEKS = 4  # that the means of weekdays are of, at most
WEEKS_OF_RANGE = 6  # of data that a likely range needs: with fewer it is too narrow
# 90 % quantiles of Student's distribution with 3, 6, ... 21 degrees of freedom.
_STUDENT = (1.638, 1.440, 1.383, 1.356, 1.341, 1.330, 1.323)


class Forecast(NamedTuple):
    """What is spent, and what will be at the end; None if that is not known.

    `weeks` is of how many whole weeks the means are, and `days_left` for how many days
    they were added. The cost lies between `low` and `high` in 4 cases out of 5.
    """

    spent: Decimal
    cost: Decimal | None
    low: Decimal | None
    high: Decimal | None
    weeks: int
    days_left: int


def forecast_cost(
    costs: Mapping[date, Decimal], start: date, end: date, now: datetime
) -> Forecast:
    """Forecast the cost from one day to another, from what was spent before `now`.

    Parameters
    ----------
    costs
        What each day cost; a day after the first that is missing cost nothing. Days
        after `now` must not be in it.
    start, end
        First day, and the day after the last.
    now
        The current time on the clocks of those days.

    Notes
    -----
    For each day left, the mean of the same weekday over the last four whole weeks is
    added to what is spent; for the rest of today, its part of the mean. With less data
    the means are of as many whole weeks as there are; under one week there is no
    forecast.

    The likely range holds 80 % and needs six whole weeks of data. Its variance is that
    of the relative deviations of the days from their means, for all weekdays together,
    once for each day left, and once for the mean of each weekday; as both are
    estimated, the quantile is that of Student's distribution. Days are taken as
    independent: a trend, a release or a holiday is not foreseen.

    Examples
    --------
    A week that cost a dollar a day, and three days that are left:

    >>> start, now, end = (date(2026, 6, day) for day in (1, 8, 11))
    >>> costs = {date(2026, 6, day): Decimal(1) for day in range(1, 8)}
    >>> found = forecast_cost(costs, start, end, datetime.combine(now, time()))
    >>> found.spent, found.cost, found.weeks
    (Decimal('7'), Decimal('10'), 1)
    """
    today, zero = now.date(), Decimal(0)
    spent = sum((cost for day, cost in costs.items() if start <= day < end), zero)
    ahead = [today + timedelta(days=n) for n in range((end - today).days)]
    ahead = [day for day in ahead if day >= start]
    history = (today - min(costs, default=today)).days // 7
    weeks = min(history, WEEKS)
    if not ahead:
        return Forecast(spent, spent, None, None, weeks, 0)
    if not weeks:
        return Forecast(spent, None, None, None, 0, len(ahead))
    past = [today - timedelta(days=n) for n in range(1, 7 * weeks + 1)]
    means, left = [zero] * 7, [zero] * 7
    for day in past:
        means[day.weekday()] += costs.get(day, zero) / weeks
    since_midnight = datetime.combine(today, now.time()) - datetime.combine(
        today, time()
    )
    gone = Decimal(since_midnight.seconds) / 86_400
    for day in ahead:
        left[day.weekday()] += 1 - gone if day == today else 1
    cost = spent + sum(n * mean for n, mean in zip(left, means, strict=True))
    used = [weekday for weekday in range(7) if means[weekday]]
    if history < WEEKS_OF_RANGE or not used:
        return Forecast(spent, cost, None, None, weeks, len(ahead))
    deviations = [
        float(costs.get(day, zero) / means[day.weekday()]) - 1
        for day in past
        if day.weekday() in used
    ]
    relative = sum(d * d for d in deviations) / ((weeks - 1) * len(used))
    variance = sum(
        float(means[day]) ** 2 * float(left[day] + left[day] ** 2 / weeks)
        for day in used
    )
    half = Decimal(_STUDENT[len(used) - 1] * sqrt(relative * variance))
    low, high = max(spent, cost - half), cost + half
    return Forecast(spent, cost, low, high, weeks, len(ahead))
