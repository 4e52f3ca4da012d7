"""Budgets for scheduled runs.

A cost is a lower bound as long as some response has no known price. A budget is met
only if the sum is within it *and* no price is missing: unknown is never zero.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple

from toolkit.errors import OptionError, near_miss, plural
from toolkit.formatting.figures import Figure
from toolkit.formatting.text import format_share, format_usd

if TYPE_CHECKING:
    from collections.abc import Iterable

    import polars as pl

__all__ = ["Breach", "Budget", "breaches", "parse_budgets", "unmatched_budgets"]

_BUDGET = re.compile(r"(?:(?P<model>.+)=)?(?P<usd>[0-9]+(?:\.[0-9]+)?) ?USD", re.DOTALL)
_EXPECTED = 'an amount, or that of one model: "500USD" or "gpt-4o=100USD"'
# Models that a message lists.
_MODELS_LISTED = 5


class Budget(NamedTuple):
    """What may be spent: on one model, or on all models together (None)."""

    model: str | None
    usd: Decimal

    @property
    def name(self) -> str:
        """The budget in words, for messages."""
        return "the budget" if self.model is None else f"the budget of {self.model}"


class Breach(NamedTuple):
    """A budget that is exceeded, or may be, and why."""

    budget: Budget
    cost: Decimal
    is_certain: bool
    sentence: str


def _parse_budget(text: str) -> Budget:
    """Parse a budget: ``500USD``, ``0.50 USD``, or ``MODEL=100USD``.

    Examples
    --------
    >>> _parse_budget("gpt-4o=100USD")
    Budget(model='gpt-4o', usd=Decimal('100'))
    """
    found = _BUDGET.fullmatch(text)
    if found is None:
        raise OptionError("budget", text, expected=_EXPECTED)
    return Budget(found["model"], Decimal(found["usd"]))


def check_amount(text: str) -> None:
    """Check an amount of dollars, without a model: ``500USD``, ``0.50 USD``."""
    if _parse_budget(text).model is not None:
        raise OptionError("budget", text, expected=_EXPECTED)


def parse_budgets(texts: Iterable[str]) -> list[Budget]:
    """Parse budgets, at most one for each model."""
    budgets = [_parse_budget(text) for text in texts]
    models = [budget.model for budget in budgets]
    for budget in budgets:
        if models.count(budget.model) > 1:
            expected = f"one amount for {budget.name}"
            raise OptionError("budget", str(budget.usd), expected=expected)
    return budgets


def breaches(budgets: Iterable[Budget], costs: pl.DataFrame) -> list[Breach]:
    """Return the budgets that are exceeded, or may be.

    Parameters
    ----------
    budgets
        What may be spent.
    costs
        One row per model over the whole range, as of ``toolkit.metrics.cost`` with
        ``every=None``.

    Returns
    -------
    list of Breach
        A budget is exceeded if the known part of the cost is above it, and may be
        exceeded if that part is not above it, but some responses have no known price.

    Examples
    --------
    >>> import polars as pl
    >>> costs = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a", "gpt-b"],
    ...         "cost": ["12.5", "3"],
    ...         "responses": [4, 6],
    ...         "responses_unpriced": [0, 5],
    ...     },
    ...     schema_overrides={"cost": pl.Decimal(38, 12)},
    ... )
    >>> for breach in breaches(parse_budgets(["10USD", "gpt-b=5USD"]), costs):
    ...     print(breach.sentence)
    the budget is exceeded: at least $15.50 of $10.00 (≥ 155%)
    the budget of gpt-b may be exceeded: at least $3.00 of $5.00 (≥ 60%), and 5 of 6 ...
    """
    found = (_judge(budget, costs) for budget in budgets)
    return [breach for breach in found if breach is not None]


def _judge(budget: Budget, costs: pl.DataFrame) -> Breach | None:
    """Compare one budget with the costs."""
    rows = costs if budget.model is None else costs.filter(model=budget.model)
    cost = Decimal(rows["cost"].sum() or 0)
    unpriced = int(rows["responses_unpriced"].sum())
    spent = Figure(cost, "lower" if unpriced else "exact")
    is_over = spent.exceeds(budget.usd)
    if is_over is False:
        return None
    amounts = _format_amounts(spent, budget.usd)
    if is_over:
        return Breach(budget, cost, True, f"{budget.name} is exceeded: {amounts}")
    calls = plural(int(rows["responses"].sum()), "call")
    have = "has" if unpriced == 1 else "have"
    why = f"{unpriced:,} of {calls} {have} no known price"
    sentence = f"{budget.name} may be exceeded: {amounts}, and {why}"
    return Breach(budget, cost, False, sentence)


def _format_amounts(spent: Figure, limit: Decimal) -> str:
    """Format what was spent of a budget: to the cent, unless both would look equal."""
    style: Literal["cents", "exact"] = "cents"
    if format_usd(spent.number) == format_usd(limit) and spent.number != limit:
        style = "exact"
    of = f"{format_usd(spent, style, words=True)} of {format_usd(limit, 'exact')}"
    share = spent / limit
    return f"{of} ({format_share(share)})" if share.is_known else of


def unmatched_budgets(budgets: Iterable[Budget], costs: pl.DataFrame) -> list[str]:
    """Return a sentence for each budget of a model without calls: perhaps a typo."""
    known = costs["model"].drop_nulls().unique().sort().to_list()
    return [
        f"{budget.name} matches no model in the data"
        + (near_miss(budget.model, known) or _list_models(known))
        for budget in budgets
        if budget.model is not None and budget.model not in known
    ]


def _list_models(known: list[str]) -> str:
    """Return the first of some models, in parentheses."""
    if not known:
        return ""
    more = ", ..." if len(known) > _MODELS_LISTED else ""
    return f" (models: {', '.join(known[:_MODELS_LISTED])}{more})"


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
