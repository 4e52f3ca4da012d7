"""Money: what responses cost, as far as that is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.expressions.choices import first_choice
from toolkit.metrics.engine import answer
from toolkit.metrics.measures import MONEY, count, money, ratio, total, unseen
from toolkit.metrics.options import ask
from toolkit.metrics.spec import Declared
from toolkit.pricing.costs import price_responses
from toolkit.pricing.pricer import NEEDED

if TYPE_CHECKING:
    from toolkit.expressions.time_ranges import Moment
    from toolkit.metrics.options import By, Choices, Compare


_COST = "cost"
# Where a frame has costs already, made by `add_cost` or the caller's own.
_SOURCE = "cost_source"
_LARGEST_COST = 10**14  # USD of one response, as of what a provider reports


def with_costs(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Add the costs of responses, unless the frame has them."""
    names = frame.collect_schema().names()
    if _COST not in names:
        return price_responses(frame).lazy()
    # What is no amount (NaN, or more than all money) is unknown, and not an error.
    is_amount = pl.col(_COST).abs() < _LARGEST_COST
    cost = pl.when(is_amount).then(pl.col(_COST)).cast(MONEY)
    said = pl.col(_SOURCE) if _SOURCE in names else pl.lit("priced")
    source = pl.when(cost.is_null()).then(pl.lit("unpriced")).otherwise(said)
    return frame.with_columns(cost, source.alias(_SOURCE))


def needs_of_cost(frame: pl.LazyFrame) -> tuple[str, ...]:
    """Return the columns that costs are read from, or made of."""
    names = frame.collect_schema().names()
    if _COST not in names:
        return NEEDED
    return (_COST, _SOURCE) if _SOURCE in names else (_COST,)


def _is_from(source: str) -> pl.Expr:
    """Say where the cost of a response is from."""
    return pl.col(_SOURCE) == source


SPENDING = Declared(
    (
        count("responses"),
        money("cost", pl.col(_COST)),
        count("responses_reported", _is_from("reported")),
        count("responses_priced", _is_from("priced")),
        count("responses_unpriced", _is_from("unpriced")),
        total("total_tokens", "total_tokens"),
        unseen("responses_without_usage", "total_tokens"),
        total("tokens_unpriced", pl.when(_is_from("unpriced")).then("total_tokens")),
        ratio("unpriced_share", "tokens_unpriced", "total_tokens"),
    ),
    main="cost",
    needs=("total_tokens",),
    rows=lambda frame: with_costs(frame.filter(first_choice())),
    needs_of=needs_of_cost,
)


def cost(
    choices: Choices,
    *,
    every: str | None = "1d",
    by: By = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    top: int | None = None,
    fill: bool = False,
    compare: Compare | None = None,
) -> pl.DataFrame:
    """Sum what responses cost, and tell what could not be priced.

    If `choices` has no column `cost` the costs are those of `toolkit.pricing.add_cost`
    with the prices that come with the package; for a price file of your own call it
    first.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then

        ======================== ============== =======================================
        column                   dtype          unit
        ======================== ============== =======================================
        responses                int64          responses
        cost                     Decimal(38,12) USD, of what is reported or priced: the
                                                least that it was
        responses_reported       int64          responses whose provider told the cost
        responses_priced         int64          responses
        responses_unpriced       int64          responses
        total_tokens             int64          tokens of all responses
        responses_without_usage  int64          responses that report no total
        tokens_unpriced          int64          tokens of the unpriced responses
        unpriced_share           float64        tokens_unpriced / total_tokens
        ======================== ============== =======================================

    Notes
    -----
    Unknown is never zero: where `responses_unpriced` is not 0, the cost is at least
    what stands there. A cost of your own that is no amount (NaN, or 10^14 USD and more)
    is unpriced.

    Examples
    --------
    1,000 prompt tokens at 2.50 USD a million and 100 completion tokens at 10 USD:

    >>> from toolkit.testing import make_choices
    >>> usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    >>> choices = make_choices(
    ...     {"model": "gpt-4o", **usage}, {"model": "my-own", **usage}
    ... )
    >>> spent = cost(choices, by=())
    >>> spent.select("cost", "responses_unpriced", "unpriced_share").row(0)
    (Decimal('0.003500000000'), 1, 0.5)
    """
    question = ask(
        every=every,
        by=by,
        tz=tz,
        since=since,
        until=until,
        top=top,
        fill=fill,
        compare=compare,
    )
    return answer(choices, SPENDING, question)
