"""Money: what responses cost, as far as that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import polars as pl

from toolkit.metrics.engine import compute
from toolkit.metrics.measures import (
    RESPONSES,
    TOTAL_TOKENS,
    WITHOUT_USAGE,
    count,
    money,
    ratio,
    tokens_of,
)
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import MetricSpec

if TYPE_CHECKING:
    from toolkit.metrics.options import Choices, MetricOptions


def _is_from(source: str) -> pl.Expr:
    """Return whether the cost of a response is from a source."""
    return pl.col("cost_source") == source


COST = MetricSpec(
    "cost",
    (
        RESPONSES,
        money(
            "cost",
            pl.col("cost"),
            "",
            "USD, reported or priced: a lower bound if responses are unpriced",
            "responses_unpriced",
            "responses",
        ),
        count(
            "responses_reported",
            _is_from("reported"),
            meaning="responses whose provider reports the cost",
        ),
        count("responses_priced", _is_from("priced")),
        count("responses_unpriced", _is_from("unpriced"), "calls without a price"),
        TOTAL_TOKENS,
        WITHOUT_USAGE,
        *tokens_of("unpriced", _is_from("unpriced")),
        ratio(
            "unpriced_share",
            "tokens_unpriced",
            "total_tokens",
            "tokens without a price",
            unseen="responses_without_usage",
        ),
    ),
    main="cost",
    title="Cost",
    draws=("cost", "unpriced_share"),
    costs="cost",
)


@metric(COST)
def cost(choices: Choices, **options: Unpack[MetricOptions]) -> pl.DataFrame:
    """Sum what responses cost, and count what could not be priced.

    If `choices` has no column `cost` the costs are those of `toolkit.pricing.add_cost`
    with the prices that come with the package; for a price file of your own call it
    first.

    Notes
    -----
    Unknown is never zero: where `responses_unpriced` is not 0, the cost is a lower
    bound, and null if no response has a cost. A cost of your own that is not an amount
    (NaN, or 10^14 USD and more) is unpriced.

    Examples
    --------
    1,000 prompt tokens at 2.50 USD a million and 100 completion tokens at 10 USD:

    >>> from toolkit.testing import make_choices
    >>> usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    >>> choices = make_choices(
    ...     {"model": "gpt-4o", **usage}, {"model": "my-own", **usage}
    ... )
    >>> spent = cost(choices, by=None)
    >>> spent.select("cost", "responses_unpriced", "unpriced_share").row(0)
    (Decimal('0.003500000000'), 1, 0.5)
    """
    return compute(COST, choices, options)
