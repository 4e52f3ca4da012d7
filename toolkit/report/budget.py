"""Budgets of a month: what is spent, what will be, and whether that is within them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from toolkit.expressions.choices import check_columns
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import format_day, format_month
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import capitalize, format_name, format_usd
from toolkit.metrics.forecast import WEEKS, WEEKS_OF_RANGE, forecast_cost
from toolkit.pricing.budgets import check_names
from toolkit.report.model import Budget, Head
from toolkit.report.tables import cost_of
from toolkit.report.wording import label_of, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.metrics.forecast import Forecast
    from toolkit.pricing.budgets import Budget as Limit
    from toolkit.report.tables import MetricTables

_DAY = timedelta(days=1)
_SUMS = ("cost", "responses", "responses_unpriced", "total_tokens", "tokens_unpriced")


class _Month(NamedTuple):
    """The month of the budgets, on the clocks of the zone.

    `end` is the day after it, `now` until when its costs are known: a log that ended
    earlier tells nothing of the days since.
    """

    start: date
    end: date
    now: datetime
    first_call: date | None
    last_call: date | None
    today: date

    @classmethod
    def of(cls, tables: MetricTables, first_call: datetime | None) -> _Month:
        """Return the month in which the range ends; in an open range, the current."""
        plan, zone = tables.plan, zone_of(tables.plan.tz)
        latest, now = plan.now, plan.now.astimezone(zone)
        if plan.within.end is not None:
            latest = min(latest, plan.within.end - timedelta(microseconds=1))
        start = latest.astimezone(zone).date().replace(day=1)
        end = (start + timedelta(days=31)).replace(day=1)
        ends = first_call, plan.last_call
        began, last = (at and at.astimezone(zone).date() for at in ends)
        known = now
        if now.date() >= end:
            known = datetime.combine(end, time(), zone)
        elif last is not None:
            known = min(now, datetime.combine(last + _DAY, time(), zone))
        first = datetime.combine(start, time(), zone)
        return cls(start, end, max(known, first), began, last, now.date())

    @property
    def is_over(self) -> bool:
        """Whether the month is over."""
        return self.today >= self.end

    @property
    def begins_late(self) -> bool:
        """Whether the log begins in the month, so that earlier calls are unknown."""
        return self.first_call is not None and self.first_call > self.start

    @property
    def earlier(self) -> date:
        """The first day of the month before."""
        return (self.start - _DAY).replace(day=1)

    @property
    def name(self) -> str:
        """Its name, with the year if that is not the current one."""
        is_now = self.start.year == self.today.year
        return format_month(self.start, "name" if is_now else "full")

    def cost(self, days: pl.DataFrame, start: date, end: date) -> Figure:
        """Return the known cost of days; that before the log is unknown."""
        first, last = self.first_call, self.last_call
        if first is None or first >= end or last is None or last < start - _DAY:
            return UNKNOWN
        within = pl.col("period").is_between(start, end, closed="left")
        cost = cost_of(_sums(days.filter(within)))
        is_part = first > start and cost.is_known
        return Figure(cost.value, "lower") if is_part else cost


def build_budgets(
    tables: MetricTables, budgets: Sequence[Limit], first_call: datetime | None
) -> list[Budget]:
    """Build the budgets of the month in which the range ends.

    `first_call` is that of the log.

    Raises
    ------
    OptionError
        If a model or a value of a tag is not in the log.
    """
    if not budgets:
        return []
    month = _Month.of(tables, first_call)
    # What the forecast and the month before need of a log.
    since = min(month.earlier, month.now.date() - timedelta(weeks=WEEKS_OF_RANGE + 1))
    since = datetime.combine(since, time(), month.now.tzinfo)
    found = []
    for column in dict.fromkeys(budget.column for budget in budgets):
        own = [budget for budget in budgets if budget.column == column]
        check_columns(tables.choices, [column])
        names = pl.col(column).cast(pl.String)
        if any(budget.value is not None for budget in own) and month.last_call:
            values = tables.choices.select(names.unique()).collect(engine="streaming")
            check_names(own, values[column].drop_nulls().sort().to_list())
        costs = tables.table(
            "cost", every="1d", by=(column,), since=since, until=month.now
        ).select(pl.col("period").dt.date(), names, *_SUMS)
        found += [_build(budget, costs, month) for budget in own]
    return found


def exceeds(budget: Budget, *, forecast: bool = False) -> bool:
    """Return whether a budget is exceeded, or may be because of missing prices.

    With `forecast` also whether it will be, by the forecast.
    """
    likely = [budget.forecast, budget.with_unpriced] if forecast else []
    return budget.spent.exceeds(budget.limit) is not False or any(
        one.is_known and one.number > budget.limit.number for one in likely
    )


def _build(limit: Limit, costs: pl.DataFrame, month: _Month) -> Budget:
    """Build a budget from costs by day and series."""
    own = costs.filter(limit.covers(pl.col(limit.column)))
    days = own.group_by("period").agg(pl.col(_SUMS).sum())
    by_day = dict(days.select("period", "cost").iter_rows())
    found = forecast_cost(by_day, month.start, month.end, month.now)
    spent = month.cost(days, month.start, month.end)
    since = month.now.date() - timedelta(weeks=found.weeks)
    base = cost_of(_sums(days.filter(pl.col("period") >= min(since, month.start))))
    forecast = spent
    if found.days_left:
        is_least = "lower" in (base.bound, spent.bound)
        cost = found.cost if base.is_known and spent.is_known else None
        forecast = Figure(cost, "lower" if is_least else "approximate")
    sums = _sums(days.filter(pl.col("period") >= month.start))
    unpriced, tokens = sums["tokens_unpriced"], sums["total_tokens"]
    with_unpriced = UNKNOWN
    if forecast.is_known and 0 < unpriced < tokens:  # at what the other tokens cost
        most = forecast.number * tokens / (tokens - unpriced)
        with_unpriced = Figure(most, "approximate")
    budget = Budget(
        head=Head("", ""),
        limit=Figure(limit.usd),
        spent=spent,
        days=(month.now.date() - month.start).days + (month.now.time() > time()),
        forecast=forecast,
        low=Figure(found.low) if forecast.is_known else UNKNOWN,
        high=Figure(found.high) if forecast.is_known else UNKNOWN,
        with_unpriced=with_unpriced,
        before=month.cost(days, month.earlier, month.start),
        month=month.start,
        tag=None if limit.value is None else limit.column,
        value=limit.value,
    )
    subject, when, name = month.name, "", f"Budget for {month.name}"
    if limit.value is not None:
        subject = format_name(limit.value)
        if limit.column != "model":
            subject = f"{label_of(limit.column)} {subject}"
        when, name = f" in {month.name}", f"Budget of {subject} for {month.name}"
    title = _title(budget, subject, when, month)
    if budget.tag != "model" or not title.startswith(subject):
        title = capitalize(title)  # names of models are as they are
    return replace(budget, head=Head(name, title, _note(budget, found, month)))


def _sums(days: pl.DataFrame) -> dict[str, Any]:
    """Return the sums of days, as a row of the table of costs."""
    return days.select(pl.col(_SUMS).sum()).row(0, named=True)


def _title(budget: Budget, subject: str, when: str, month: _Month) -> str:
    """Return whether a budget is enough, in one sentence."""
    limit, spent, forecast = budget.limit, budget.spent, budget.forecast
    its, is_over = f"its {usd(limit)} limit{when}", month.is_over

    def beside(amount: Figure) -> str:
        """Return an amount in so many digits that it is not the limit."""
        if not usd(amount).endswith(usd(limit)) or amount.number == limit.number:
            return usd(amount)
        texts = (
            (format_usd(amount, places, words=True), format_usd(limit, places))
            for places in range(3, 13)
        )
        return next(text for text, same in texts if not text.endswith(same))

    if not spent.is_known:
        return f"What {subject} {'cost' if is_over else 'has cost'}{when} is not known"
    if spent.exceeds(limit):
        if is_over:
            return f"{subject} went over {its}: it cost {beside(spent)}"
        return f"{subject} is over {its} already: {beside(spent)} is spent"
    if not forecast.is_known:
        used = f"{subject} has used {beside(spent)} of {its}"
        return f"{used}; it is too early for a forecast"
    if forecast.number > limit.number:
        return f"{subject} is likely to end over {its}: {beside(forecast)} is expected"
    if budget.high.is_known and budget.high.number > limit.number:
        high = beside(budget.high)
        likely = f"{usd(forecast)} is expected, up to {high} is likely"
        return f"{subject} may end over {its}: {likely}"
    within = f"{subject} {'stayed' if is_over else 'stays'} within {its}"
    if spent.bound == "exact":
        return within
    most = budget.with_unpriced
    if most.is_known and most.number > limit.number:
        could = "could have taken" if is_over else "could take"
        return f"on known prices {within}; calls without a price {could} it over"
    if month.begins_late:
        return f"since the log began, {within}; what was spent before is unknown"
    if most.is_known:
        return f"{within}, also with the calls without a price ({usd(most)})"
    return f"on known prices {within}; other calls may take it over"


def _note(budget: Budget, found: Forecast, month: _Month) -> str:
    """Return the unit, the method of the forecast, and the cost of the month before."""
    is_least = "lower" in (budget.spent.bound, budget.forecast.bound)
    notes = [f"US dollars{', at least' if is_least else ''}."]
    if budget.forecast.is_known and found.days_left:
        left = "day" if found.days_left == 1 else f"{found.days_left} days"
        weeks = "week" if found.weeks == 1 else f"{found.weeks} weeks"
        weeks = "four weeks" if found.weeks == WEEKS else weeks
        likely = "likely = 4 cases in 5"
        if not budget.low.is_known:
            likely = "a likely range needs six whole weeks of data"
        notes.append(
            f"Forecast: what was spent, and for the {left} left the average of the "
            f"same weekday in the last {weeks}; {likely}."
        )
    elif found.days_left and budget.spent.is_known:
        notes.append("A forecast needs a whole week of data.")
    if month.first_call and month.begins_late:
        notes.append(f"The log begins on {format_day(month.first_call, 'short')}.")
    if month.last_call and month.last_call < min(month.today, month.end) - _DAY:
        notes.append(f"The last call is of {format_day(month.last_call, 'short')}.")
    if budget.before.is_known:
        earlier = format_month(month.earlier, "name")
        notes.append(f"{earlier} cost {usd(budget.before)}.")
    return " ".join(notes)
