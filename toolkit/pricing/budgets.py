"""Budgets for scheduled runs.

A cost is a lower bound as long as some response has no known price. A budget is met
only if the sum is within it *and* no price is missing: unknown is never zero.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from toolkit.errors import OptionError, near_miss, plural
from toolkit.expressions.model_families import FAMILY_RULES, families, model_family
from toolkit.formatting.figures import Figure, sum_with_gaps
from toolkit.formatting.text import format_share, format_usd

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Breach", "Budget", "breaches", "check_names", "parse_budgets"]

_BUDGET = re.compile(
    r"(?:(?:(?P<column>tag_[^:=]+):)?(?P<value>.+)=)?"
    r"(?P<usd>[0-9]+(?:\.[0-9]+)?) ?USD",
    re.DOTALL,
)
_EXPECTED = (
    'an amount, or that of a model or of a value of a tag: "500USD", "gpt-4o=100USD" '
    'or "tag_team:search=50USD"'
)
# Names that a message lists.
_NAMES_LISTED = 5


class Budget(NamedTuple):
    """What may be spent: on one model or value of a tag, or on all calls (None).

    A model includes its dated snapshots and its names with a prefix: ``gpt-4o`` is also
    ``gpt-4o-2024-08-06`` and ``openai/gpt-4o``, but not ``gpt-4o-mini``.
    """

    value: str | None
    usd: Decimal
    column: str = "model"

    @property
    def name(self) -> str:
        """The budget in words, for messages."""
        if self.value is None:
            return "the budget"
        tag = "" if self.column == "model" else f"{self.column}:"
        return f"the budget of {tag}{self.value}"

    def covers(self, name: pl.Expr) -> pl.Expr:
        """Return whether a name in `column` is in the budget; null is not."""
        if self.value is None:
            return pl.lit(True)
        is_same = name.eq(self.value)
        family = families(pl.Series([self.value]), FAMILY_RULES).item()
        # Only the name of a family covers all of it: gpt-4o-2024-08-06 is one snapshot.
        is_family = _letters(family) == _letters(self.value)
        if self.column == "model" and is_family:
            return is_same | model_family(name).eq(family)
        return is_same


def _letters(name: str) -> str:
    """Return a name without signs: claude-3.5-sonnet is also claude-3-5-sonnet."""
    return re.sub("[^a-z0-9]", "", name.lower())


class Breach(NamedTuple):
    """A budget that is exceeded, or may be, and why."""

    budget: Budget
    cost: Figure
    is_certain: bool
    sentence: str


def _parse_budget(text: str, option: str = "budget") -> Budget:
    """Parse a budget: ``500USD``, ``MODEL=100USD`` or ``tag_NAME:VALUE=50USD``.

    Examples
    --------
    >>> _parse_budget("gpt-4o=100USD")
    Budget(value='gpt-4o', usd=Decimal('100'), column='model')
    >>> _parse_budget("tag_team:search=50USD")
    Budget(value='search', usd=Decimal('50'), column='tag_team')
    """
    found = _BUDGET.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        raise OptionError(option, text, expected=_EXPECTED)
    return Budget(found["value"], Decimal(found["usd"]), found["column"] or "model")


def check_amount(text: str) -> None:
    """Check an amount of dollars, without a model: ``500USD``, ``0.50 USD``."""
    if _parse_budget(text).value is not None:
        raise OptionError("budget", text, expected=_EXPECTED)


def parse_budgets(texts: Iterable[str], option: str = "budget") -> list[Budget]:
    """Parse budgets, at most one for each model and each value of a tag.

    An error is about the option of this name.
    """
    budgets = [_parse_budget(text, option) for text in texts]
    names = [budget.name for budget in budgets]
    for budget in budgets:
        if names.count(budget.name) > 1:
            expected = f"one amount for {budget.name}"
            raise OptionError(option, str(budget.usd), expected=expected)
    return budgets


def breaches(budgets: Iterable[Budget], costs: pl.DataFrame) -> list[Breach]:
    """Return the budgets that are exceeded, or may be.

    Parameters
    ----------
    budgets
        What may be spent.
    costs
        One row per model, or per value of the tag of the budgets, over the whole range,
        as of ``toolkit.metrics.cost`` with ``every=None``.

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
    rows = costs.filter(budget.covers(pl.col(budget.column)))
    sums = (rows["responses"].sum(), rows["responses_unpriced"].sum())
    calls, unpriced = map(int, sums)
    cost = Decimal(rows["cost"].sum() or 0)
    spent = sum_with_gaps(cost, missing=unpriced, of=calls)
    is_over = spent.exceeds(budget.usd)
    if is_over is False:
        return None
    amounts = _format_amounts(spent, budget.usd)
    if is_over:
        return Breach(budget, spent, True, f"{budget.name} is exceeded: {amounts}")
    have = "has" if unpriced == 1 else "have"
    why = f"{unpriced:,} of {plural(calls, 'call')} {have} no known price"
    sentence = f"{budget.name} may be exceeded: {amounts}, and {why}"
    return Breach(budget, spent, False, sentence)


def _format_amounts(spent: Figure, limit: Decimal) -> str:
    """Format what was spent of a budget: to the cent, unless both would look equal."""
    looks_equal = format_usd(spent.value) == format_usd(limit) and spent.value != limit
    amount = format_usd(spent, "exact" if looks_equal else "cents", words=True)
    of = f"{amount} of {format_usd(limit, 'exact')}"
    share = spent / limit
    return f"{of} ({format_share(share)})" if share.is_known else of


def check_names(
    budgets: Iterable[Budget], names: Sequence[str], option: str = "budgets"
) -> None:
    """Raise `OptionError` for a budget of a model or a value that is not in a log.

    Parameters
    ----------
    budgets
        What may be spent: budgets of one column.
    names
        All values of the column in the whole log, whatever the range.
    option
        The name of the option that the error is about.
    """
    known = pl.Series("name", names, pl.String).to_frame()
    for budget in budgets:
        is_covered = known.select(budget.covers(pl.col("name"))).to_series()
        if budget.value is None or is_covered.any():
            continue
        of = "model" if budget.column == "model" else f"value of {budget.column}"
        more = ", ..." if len(names) > _NAMES_LISTED else ""
        some = ", ".join(names[:_NAMES_LISTED]) + more
        hint = near_miss(budget.value, names)
        if not hint and ":" in budget.value:
            hint = " (write tag_NAME:VALUE for the value of a tag)"
        expected = f"a {of} in the log ({some or 'it has none'})"
        raise OptionError(option, budget.value, expected=expected, hint=hint)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
