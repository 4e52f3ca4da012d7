"""The same tokens at another model's price: `what_if`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import OptionError, near_miss
from toolkit.expressions.choices import check_columns, first_choice
from toolkit.pricing.catalogue import model_names
from toolkit.pricing.costs import PRICED_ROW, priced, taken
from toolkit.pricing.price_file import read_prices
from toolkit.pricing.pricer import MONEY, NEEDED, Pricer
from toolkit.pricing.rates import MEANINGS, Rates, Reason
from toolkit.pricing.unpriced import fitting

if TYPE_CHECKING:
    from toolkit.pricing.costs import Choices
    from toolkit.pricing.price_file import PriceFile, Prices

_ELSEWHERE = pl.Schema(
    {
        "model": pl.String(),
        "responses": pl.Int64(),
        "responses_without_usage": pl.Int64(),
        "total_tokens": pl.Int64(),
        "cost": MONEY,
        "responses_unpriced": pl.Int64(),
        "cost_elsewhere": MONEY,
        "responses_unpriced_elsewhere": pl.Int64(),
        "responses_compared": pl.Int64(),
        "difference": MONEY,
    }
)


def what_if(
    choices: Choices,
    *,
    model: str,
    provider: str | None = None,
    service_tier: str | None = None,
    prices: Prices = None,
) -> pl.DataFrame:
    """Price the same tokens at the same times at another model, provider or tier.

    Parameters
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`.
    model, provider, service_tier
        Where the tokens would go; without a provider the model's name decides, as in
        `add_cost`, and without a tier the rate is the standard one.
    prices
        As in `add_cost`; both sides are priced by it.

    Returns
    -------
    pl.DataFrame
        One row per served model, sorted by it, nulls last.

        ============================ ============== ===============================
        column                       dtype          meaning
        ============================ ============== ===============================
        model                        String         as served
        responses                    Int64          responses
        responses_without_usage      Int64          of them, without `total_tokens`
        total_tokens                 Int64          tokens
        cost                         Decimal(38,12) USD now, of those with a cost
        responses_unpriced           Int64          responses without a cost now
        cost_elsewhere               Decimal(38,12) USD there, of those with a price
        responses_unpriced_elsewhere Int64          responses without a price there
        responses_compared           Int64          responses with both
        difference                   Decimal(38,12) USD there less USD now, of the
                                                    responses with both; null if none
        ============================ ============== ===============================

    Raises
    ------
    OptionError
        If nothing is known of what the model costs, at any time.

    Warns
    -----
    PartialResponsesWarning
        Of an eager frame, if rows of a response are missing: its usage may be too.

    Notes
    -----
    It moves the bill, not the work. Each model cuts text into other tokens (10 to 30%
    more or less is common), answers at another length, reasons or not; caches hit as
    they did here, and what is cached costs the full rate where the other has no rate
    for it. What was reported as charged stands on the side of now.

    Examples
    --------
    1,000 and 100 tokens: 2.50 and 10 USD per million now, 0.15 and 0.60 there.

    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100},
    ... )
    >>> there = what_if(choices, model="gpt-4o-mini")
    >>> there.select("cost", "cost_elsewhere", "difference").row(0)
    (Decimal('0.003500000000'), Decimal('0.000210000000'), Decimal('-0.003290000000'))
    """
    frame = taken(choices)
    check_columns(frame, ("choice_position", *NEEDED))
    file = read_prices(prices)
    _check_priced(provider, model, service_tier, file)
    moved = {"provider": provider, "model": model, "service_tier": service_tier}
    there = [pl.lit(text, pl.String).alias(name) for name, text in moved.items()]
    nothing = pl.lit(None, pl.Float64).alias("reported_cost")
    now, then = pl.col("~now"), pl.col("~then")
    both = now.is_not_null() & then.is_not_null()
    rows = (
        frame.lazy()
        .filter(first_choice())
        .select(NEEDED)
        .with_columns(priced(Pricer(file)))
        .with_columns(
            pl.col(PRICED_ROW).struct.field("cost").alias("~now"),
            pl.col("model").alias("~model"),
        )
        .with_columns(*there, nothing)
        .with_columns(priced(Pricer(file)))
        .with_columns(pl.col(PRICED_ROW).struct.field("cost").alias("~then"))
        .group_by("~model")
        .agg(
            pl.len().alias("responses"),
            pl.col("total_tokens").is_null().sum().alias("responses_without_usage"),
            pl.col("total_tokens").cast(pl.Int128).sum(),
            now.sum().alias("cost"),
            now.is_null().sum().alias("responses_unpriced"),
            then.sum().alias("cost_elsewhere"),
            then.is_null().sum().alias("responses_unpriced_elsewhere"),
            both.sum().alias("responses_compared"),
            pl.when(both.any())
            .then(then.filter(both).sum() - now.filter(both).sum())
            .alias("difference"),
        )
        .rename({"~model": "model"})
        .sort("model", nulls_last=True)
        .collect()
    )
    return fitting(rows, _ELSEWHERE)


def _check_priced(
    provider: str | None, model: str, tier: str | None, file: PriceFile
) -> None:
    """Refuse a model of which no price is known at any time."""
    offer = Pricer(file).offer(provider, model, tier)
    ends = [end for _, bands in offer.pieces for _, steps in bands for _, end in steps]
    if any(isinstance(end, Rates) for end in ends):
        return
    reason = next(end for end in ends if isinstance(end, Reason))
    names = {name for name, _, _ in file.rows} | model_names(provider)
    hint = near_miss(model.casefold(), sorted(names))
    option, value = ("model", model)
    if reason == Reason.UNKNOWN_PROVIDER:
        option, value, hint = "provider", str(provider), ""
    elif reason in {Reason.UNKNOWN_TIER, Reason.NO_TIER_RATE}:
        option, value, hint = "service_tier", str(tier), ""
    expected = f"one with a price: {MEANINGS[reason]}{hint}"
    raise OptionError(option, value, expected=expected)
