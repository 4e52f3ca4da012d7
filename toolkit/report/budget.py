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
from toolkit.formatting.text import format_name
from toolkit.metrics.forecast import WEEKS, WEEKS_OF_RANGE, forecast_cost
from toolkit.pricing.budgets import check_names
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import Budget, Head
from toolkit.report.wording import capitalized, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.metrics.forecast import Forecast
    from toolkit.pricing.budgets import Budget as Limit
    from toolkit.report.metric_tables import MetricTables

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
    def of(cls, tables: MetricTables) -> _Month:
        """Return the month in which the range ends; in an open range, the current."""
        plan = tables.plan
        created = tables.choices.select(pl.col("created").min())
        zone = zone_of(plan.tz)
        latest, now = plan.now, plan.now.astimezone(zone)
        if plan.within.end is not None:
            latest = min(latest, plan.within.end - timedelta(microseconds=1))
        start = latest.astimezone(zone).date().replace(day=1)
        end = (start + timedelta(days=31)).replace(day=1)
        first_last = created.collect(engine="streaming").item(), plan.last_call
        began, last = (at and at.astimezone(zone).date() for at in first_last)
        known = now if now.date() < end else datetime.combine(end, time(), zone)
        if now.date() < end and last is not None:
            known = min(known, datetime.combine(last + _DAY, time(), zone))
        first = datetime.combine(start, time(), zone)
        return cls(start, end, max(known, first), began, last, now.date())

    @property
    def is_over(self) -> bool:
        """Whether the month is over."""
        return self.today >= self.end

    @property
    def earlier(self) -> date:
        """The first day of the month before."""
        return (self.start - _DAY).replace(day=1)

    @property
    def name(self) -> str:
        """Its name, with the year if that is not the current one."""
        is_now = self.start.year == self.today.year
        return format_month(self.start, "name" if is_now else "full")


def build_budgets(tables: MetricTables, budgets: Sequence[Limit]) -> list[Budget]:
    """Build the budgets of the month in which the range ends.

    Raises
    ------
    OptionError
        If a model or a value of a tag is not in the log.
    """
    if not budgets:
        return []
    month = _Month.of(tables)
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
    in_month = pl.col("period") >= month.start
    so_far, before = days.filter(in_month), days.filter(~in_month)
    before = before.filter(pl.col("period") >= month.earlier)
    spent, cost_before = _known_cost(so_far), _known_cost(before)
    first = month.first_call
    is_logged = first is not None and first < month.end
    if month.last_call is None or month.last_call < month.start - _DAY or not is_logged:
        spent = UNKNOWN
    if first is None or first >= month.start:
        cost_before = UNKNOWN
    elif first > month.earlier and cost_before.is_known:
        cost_before = Figure(cost_before.value, "lower")
    since = month.now.date() - timedelta(weeks=found.weeks)
    used = days.filter(in_month | (pl.col("period") >= since))
    forecast = _forecast(found, spent, used)
    budget = Budget(
        head=Head("", ""),
        limit=Figure(limit.usd),
        spent=spent,
        days=(month.now.date() - month.start).days + (month.now.time() > time()),
        forecast=forecast,
        low=Figure(found.low) if forecast.is_known else UNKNOWN,
        high=Figure(found.high) if forecast.is_known else UNKNOWN,
        with_unpriced=_with_unpriced(forecast, so_far),
        before=cost_before,
        month=month.start,
        tag=None if limit.value is None else limit.column,
        value=limit.value,
    )
    return _with_head(budget, found, month)


def _sums(days: pl.DataFrame) -> dict[str, Any]:
    """Return the sums of days, as a row of the table of costs."""
    return days.select(pl.col(_SUMS).sum()).row(0, named=True)


def _known_cost(days: pl.DataFrame) -> Figure:
    """Return the cost of days, with its bound."""
    return figure_of("cost", "cost", _sums(days))


def _forecast(found: Forecast, spent: Figure, used: pl.DataFrame) -> Figure:
    """Return the forecast with its bound; `used` are the days that it is based on."""
    if not found.days_left:
        return spent
    base = _known_cost(used)
    if found.cost is None or not base.is_known or not spent.is_known:
        return UNKNOWN
    return Figure(found.cost, "lower" if base.bound == "lower" else "approximate")


def _with_unpriced(forecast: Figure, days: pl.DataFrame) -> Figure:
    """Return the forecast if unpriced tokens cost what priced ones do."""
    sums = _sums(days)
    unpriced, tokens = sums["tokens_unpriced"], sums["total_tokens"]
    if not forecast.is_known or not unpriced or tokens <= unpriced:
        return UNKNOWN
    return Figure(forecast.number * tokens / (tokens - unpriced), "approximate")


def _with_head(budget: Budget, found: Forecast, month: _Month) -> Budget:
    """Return a budget with its name, its answer, and what is measured."""
    subject, when, name = month.name, "", f"Budget for {month.name}"
    if budget.value is not None:
        subject = format_name(budget.value)
        if budget.tag != "model":
            tag = str(budget.tag).removeprefix("tag_").replace("_", " ")
            subject = f"{tag} {subject}"
        when, name = f" in {month.name}", f"Budget of {subject} for {month.name}"
    title = _title(budget, subject, when, is_over=month.is_over)
    if budget.tag != "model" or not title.startswith(subject):
        title = capitalized(title)  # names of models are as they are
    head = Head(name, title, _note(budget, found, month))
    return replace(budget, head=head)


def _title(budget: Budget, subject: str, when: str, *, is_over: bool) -> str:
    """Return whether a budget is enough, in one sentence."""
    limit, spent, forecast = budget.limit, budget.spent, budget.forecast
    its = f"its {usd(limit)} limit{when}"
    if not spent.is_known:
        return f"What {subject} {'cost' if is_over else 'has cost'}{when} is not known"
    if spent.exceeds(limit):
        if is_over:
            return f"{subject} went over {its}: it cost {usd(spent)}"
        return f"{subject} is over {its} already: {usd(spent)} is spent"
    if not forecast.is_known:
        used = f"{subject} has used {usd(spent)} of {its}"
        return f"{used}; it is too early for a forecast"
    if forecast.number > limit.number:
        return f"{subject} is likely to end over {its}: {usd(forecast)} is expected"
    if budget.high.is_known and budget.high.number > limit.number:
        likely = f"{usd(forecast)} is expected, up to {usd(budget.high)} is likely"
        return f"{subject} may end over {its}: {likely}"
    within = f"{subject} {'stayed' if is_over else 'stays'} within {its}"
    if spent.bound == "exact":
        return within
    if not budget.with_unpriced.is_known:
        return f"on known prices {within}; other calls may take it over"
    if budget.with_unpriced.number > limit.number:
        could = "could have taken" if is_over else "could take"
        return f"on known prices {within}; calls without a price {could} it over"
    also = f"also with the calls without a price ({usd(budget.with_unpriced)})"
    return f"{within}, {also}"


def _note(budget: Budget, found: Forecast, month: _Month) -> str:
    """Return the unit, the method of the forecast, and the cost of the month before."""
    least = (
        ", at least" if "lower" in (budget.spent.bound, budget.forecast.bound) else ""
    )
    notes = [f"US dollars{least}."]
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
    if month.first_call and month.first_call > month.start:
        notes.append(f"The log begins on {format_day(month.first_call, 'short')}.")
    if month.last_call and month.last_call < min(month.today, month.end) - _DAY:
        notes.append(f"The last call is of {format_day(month.last_call, 'short')}.")
    if budget.before.is_known:
        earlier = format_month(month.start - _DAY, "name")
        notes.append(f"{earlier} cost {usd(budget.before)}.")
    return " ".join(notes)
