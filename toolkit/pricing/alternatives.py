"""Price the same tokens at another model: `what_if`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import OptionError, near_miss
from toolkit.formatting.parameters import check_type
from toolkit.pricing.catalogue import TIERS, model_names, provider_names
from toolkit.pricing.costs import Choices, add_priced, first_choices
from toolkit.pricing.price_file import PriceFile, Prices, read_prices
from toolkit.pricing.pricer import AS_BILLED, Pricer, priced_by
from toolkit.pricing.rates import INCOMPLETE, MEANINGS, Rates, Reason
from toolkit.pricing.unpriced import SUMS, cast_sums, sum_known

if TYPE_CHECKING:
    from toolkit.formatting.figures import Bound


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
        The other model. Without a provider it is inferred from the name of the model,
        as in `add_cost`; without a tier the standard rate is used.
    prices
        As in `add_cost`; used for both prices.

    Returns
    -------
    pl.DataFrame
        One row per served model, sorted by model, nulls last.

        ============================ ============== ===============================
        column                       dtype          meaning
        ============================ ============== ===============================
        model                        String         as served
        responses                    Int64          responses
        responses_without_usage      Int64          of them, without `total_tokens`
        total_tokens                 Int64          tokens; null if none reports them
        cost                         Decimal(38,12) USD now, of those with a cost; null
                                                    if none has one
        responses_unpriced           Int64          responses without a cost now
        cost_elsewhere               Decimal(38,12) USD there, of those with a price;
                                                    null if none has one
        responses_unpriced_elsewhere Int64          responses without a price there
        responses_compared           Int64          responses with both
        difference                   Decimal(38,12) USD there minus USD now, of the
                                                    responses with both; null if none
        ..._bound                    String         after each amount: ``exact``;
                                                    ``lower`` (a difference:
                                                    ``approximate``), if responses are
                                                    left out; ``unknown``, if null
        ============================ ============== ===============================

    Raises
    ------
    OptionError
        If no price of the model is known, at any time.

    Warns
    -----
    PartialResponsesWarning
        Of an eager frame, if rows of a response are missing: its usage may be too.

    Notes
    -----
    This is an estimate. Another model splits the same text into more or fewer tokens
    (10 to 30% is common), and its answers have another length. The cache is assumed to
    hit as often as it did; cached tokens cost the full rate if the other model has no
    rate for them. Costs that were reported by the provider are used for the cost now.

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
    check_type("model", model, str, "the name of a model")
    check_type("provider", provider, str | None, "the name of a provider, or None")
    check_type("service_tier", service_tier, str | None, "the name of a tier, or None")
    first = first_choices(choices)
    file = read_prices(prices)
    _check_priced(provider, model, service_tier, file)
    other = {"provider": provider, "model": model, "service_tier": service_tier}
    there = [pl.lit(text, pl.String).alias(name) for name, text in other.items()]
    unreported = pl.lit(None, pl.Float64).alias("reported_cost")
    priced = add_priced(first.select(priced_by(first)), Pricer(file), {"cost": "~now"})
    moved = priced.with_columns(pl.col("model").alias("~model"), *there, unreported)
    problem = pl.col("^usage_problem$")
    moved = moved.drop(AS_BILLED, strict=False).with_columns(
        pl.when(problem.is_in(INCOMPLETE)).then(problem)
    )
    now, then = pl.col("~now"), pl.col("~then")
    rows = (
        add_priced(moved, Pricer(replace(file, provider=None)), {"cost": "~then"})
        .group_by(pl.col("~model").cast(pl.String).alias("model"))
        .agg(
            *SUMS,
            *_sum_with_bound("cost", now),
            now.is_null().sum().alias("responses_unpriced"),
            *_sum_with_bound("cost_elsewhere", then),
            then.is_null().sum().alias("responses_unpriced_elsewhere"),
            (then - now).is_not_null().sum().alias("responses_compared"),
            *_sum_with_bound("difference", then - now, "approximate"),
        )
        .sort("model", nulls_last=True)
        .collect()
    )
    return cast_sums(rows)


def _sum_with_bound(
    name: str, amounts: pl.Expr, bound: Bound = "lower"
) -> tuple[pl.Expr, pl.Expr]:
    """Return a sum, and what it is: exact only if no amount is missing."""
    column = (
        pl.when(amounts.is_null().all())
        .then(pl.lit("unknown"))
        .when(amounts.is_null().any())
        .then(pl.lit(bound))
        .otherwise(pl.lit("exact"))
    )
    return sum_known(amounts).alias(name), column.alias(f"{name}_bound")


def _check_priced(
    provider: str | None, model: str, tier: str | None, file: PriceFile
) -> None:
    """Raise `OptionError` unless a price of the model is known at some time."""
    offer = Pricer(file).offer(provider, model, tier)
    if any(isinstance(one, Rates) for one in offer.ends):
        return
    reason = next(one for one in offer.ends if isinstance(one, Reason))
    if reason == Reason.UNKNOWN_PROVIDER:
        option, value, names = "provider", str(provider), provider_names()
    elif reason in {Reason.UNKNOWN_TIER, Reason.NO_TIER_RATE}:
        option, value, names = "service_tier", str(tier), set(TIERS)
    else:
        option, value, names = "model", model, model_names(provider)
        names |= {key[0] for key in file.rows}
    hint = near_miss(value.casefold(), sorted(names))
    expected = f"a {option.replace('_', ' ')} with a price ({MEANINGS[reason]})"
    raise OptionError(option, value, expected=expected, hint=hint)
