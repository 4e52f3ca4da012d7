"""Costs in the columns of FOCUS 1.2, the FinOps specification of bills: `focus`.

See ``focus.finops.org/focus-specification/v1-2``. FOCUS has a row for each charge: here
a day, a model and a kind of tokens at one price.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from polars.selectors import starts_with

from toolkit.errors import OptionError
from toolkit.expressions.choices import MONEY, iter_batches
from toolkit.expressions.makers import maker
from toolkit.expressions.time_ranges import Span, span
from toolkit.expressions.vendors import vendor
from toolkit.pricing.costs import Choices, first_choices
from toolkit.pricing.offers import UNIT, RateTable
from toolkit.pricing.price_file import Prices, read_prices
from toolkit.pricing.pricer import MOMENT, Pricer, as_money, billed_tier, priced_by
from toolkit.pricing.rates import CACHED_AUDIO, KINDS, Rates, Reason
from toolkit.pricing.unpriced import SUMS, sum_known

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BATCH = 1 << 16  # responses
_TAG, _BILLED = "tag_", "billed_"
# What a response is billed by, and what makes its charge another row.
_NAMES = ("vendor", "maker", "model", "service_tier")
_PRICED_BY = ("cost_source", "reason", "price", "list_price", "is_listed")
_SUMMED = ("responses", "responses_without_usage", "cost", "list_cost")
_RATED = ("quantity", "rate", "list_rate")
# How much of a count is in a meter, at which rates for each price.
_SHARES = {
    **dict.fromkeys(("price", "list_price"), pl.Int64),
    **dict.fromkeys(("count", "meter"), pl.String),
    **dict.fromkeys(("weight", "rate", "list_rate"), pl.Int128),
}
# Names of the meters: "Cache Write 1h Tokens".
_METERS = {
    count: " ".join(
        {"prompt": "Input", "completion": "Output"}.get(word, word.capitalize())
        for word in count.split("_")
    )
    for count in (*KINDS, "tokens")
}
_TIME, _WHOLE = pl.Datetime("us", "UTC"), pl.Decimal(38, 0)
_COSTS = ("BilledCost", "ContractedCost", "EffectiveCost")
_SELLERS = ("InvoiceIssuerName", "ProviderName", "ServiceName")
_CONSTANTS = {
    "BillingCurrency": "USD",
    "ChargeCategory": "Usage",
    "ChargeClass": None,
    "ChargeFrequency": "Usage-Based",
    "ServiceCategory": "AI and Machine Learning",
    "ServiceSubcategory": "Generative AI",
}
# The types of the columns that are no text.
_TYPES = {
    **dict.fromkeys((*_COSTS, "ListCost"), MONEY),
    **dict.fromkeys(("ContractedUnitPrice", "ListUnitPrice"), pl.Decimal(38, 18)),
    **dict.fromkeys(("BillingPeriodEnd", "BillingPeriodStart"), _TIME),
    **dict.fromkeys(("ChargePeriodEnd", "ChargePeriodStart"), _TIME),
    **dict.fromkeys(("x_ResponsesUnpriced", "x_ResponsesWithoutUsage"), pl.Int64()),
    "ConsumedQuantity": _WHOLE,
    "PricingQuantity": pl.Decimal(38, 6),
}


def focus(
    choices: Choices,
    *,
    month: str,
    prices: Prices = None,
    provider: str | None = None,
    account: str | None = None,
) -> pl.DataFrame:
    """Return the costs of a month in the columns of FOCUS 1.2, as a cost tool reads it.

    Parameters
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`.
    month
        A month in UTC, as FOCUS has it: ``2026-11``.
    prices, provider
        As in `add_cost`.
    account
        Your account at the provider, for the columns of the billing account.

    Returns
    -------
    pl.DataFrame
        One row for each UTC day, model, service tier, combination of tags, kind of
        tokens and price; `SkuMeter` is the kind. Of a cost that a response reports the
        parts are not known: its row has the meter ``Tokens``, as has what is unpriced.
        `BilledCost`, `ContractedCost` and `EffectiveCost` are the cost, and add up to
        that of `toolkit.spending`; `ListCost` is that without your own prices.

    Raises
    ------
    OptionError
        If `month` is no month, or no provider has such a name.
    PriceFileError
        If the price file cannot be read, or has an error.

    Notes
    -----
    Unknown is never zero. Where FOCUS allows no null and the value is not known, it is
    null all the same: the costs of unpriced responses (`x_CostUnknownReason` has the
    reason, `x_ResponsesUnpriced` how many they are), quantities that no response
    reports, a vendor or maker that the names do not show, and the billing account
    without `account`. Responses without a date are in no month.

    Examples
    --------
    1,000 prompt tokens at 2.50 USD per million and 100 completion tokens at 10 USD:

    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 100},
    ... )
    >>> rows = focus(choices, month="2026-01")
    >>> rows.select("SkuMeter", "ConsumedQuantity", "BilledCost").rows()
    [('Output Tokens', Decimal('100'), Decimal('0.001000000000')), \
('Input Tokens', Decimal('1000'), Decimal('0.002500000000'))]
    """
    within = month_span(month)
    file = read_prices(prices, provider)
    pricer = Pricer(file)
    pricers = (pricer, Pricer(replace(file, rows={})) if file.rows else pricer)
    first = first_choices(choices).filter(*within.conditions())
    names = first.collect_schema().names()
    tags = [name for name in names if name.startswith(_TAG)]
    added = pl.col("created").cast(MOMENT).dt.date().alias("day"), vendor(provider)
    rows = first.select(*priced_by(first), *tags, *added, maker())
    keys, known = ["day", *_NAMES, *tags, *_PRICED_BY], dict[Rates | Reason, int]()
    batches = iter_batches(rows, _BATCH)
    sums = [_sums_of(one, pricers, known, keys) for one in batches if one.height]
    if not sums:
        text = dict.fromkeys((*keys, *_SUMMED, "meter"), pl.String)
        nothing = pl.DataFrame(schema=text | dict.fromkeys(_RATED, pl.Int128))
        return _as_focus(nothing, within, tags, account)
    groups = (
        pl.concat(sums, how="diagonal")
        .group_by(keys)
        .agg(pl.exclude("total_tokens").sum(), sum_known("total_tokens"))
        .with_row_index("group")
    )
    parts = [_by_meter(groups, list(known)), _without_meter(groups)]
    charges = pl.concat(parts, how="diagonal").join(groups, on="group")
    return _as_focus(charges, within, tags, account)


def month_span(month: str) -> Span:
    """Return the first moment of a month in UTC, and that of the next."""
    try:
        first = date.fromisoformat(f"{month}-01")
        return span(first, (first + timedelta(days=31)).replace(day=1))
    except (OverflowError, ValueError):
        expected = "a month such as 2026-11, before 9999-12"
        raise OptionError("month", month, expected=expected) from None


def _sums_of(
    rows: pl.DataFrame,
    pricers: Sequence[Pricer],
    known: dict[Rates | Reason, int],
    keys: Sequence[str],
) -> pl.DataFrame:
    """Sum counts and costs by what makes a row; number the rates in `known`."""
    found = pricers[0].find_list_prices(rows)
    listed = found if pricers[1] is pricers[0] else pricers[1].find_list_prices(rows)
    prices = [
        pl.Series(np.array([known.setdefault(end, len(known)) for end in table.ends]))
        .gather(place)
        .alias(name)
        for name, (table, *_, place) in zip(
            ("price", "list_price"), (found.found, listed.found), strict=True
        )
    ]
    counts = found.found.usage.counts
    is_priced, is_listed = pl.col("cost_source") == "priced", pl.col("is_listed")
    return (
        rows.with_columns(
            *pricers[0].price_slice(rows, found),
            *prices,
            *(pl.Series(f"{_BILLED}{name}", count) for name, count in counts.items()),
            is_listed=pl.Series(listed.reason < 0),
            list_cost=as_money(listed.amounts),
        )
        .with_columns(
            billed_tier(rows.columns),
            pl.when(is_priced).then("price"),
            pl.when(is_priced & is_listed).then("list_price"),
        )
        .with_columns(pl.col(*_NAMES, f"^{_TAG}.*$").cast(pl.String))
        .group_by(keys)
        .agg(
            *SUMS,
            pl.col("cost", "list_cost").sum(),
            pl.col(f"^{_BILLED}.*$").cast(pl.Int128).sum(),
        )
    )


def _by_meter(groups: pl.DataFrame, known: Sequence[Rates | Reason]) -> pl.DataFrame:
    """Return what each kind of tokens of priced responses cost."""
    rates = RateTable.build(known).exact.rows(named=True)
    priced = groups.filter(pl.col("price").is_not_null())
    shares = [
        (price, listed, *share)
        for price, listed in priced.select("price", "list_price").unique().rows()
        for share in _shares_of(
            known[price], rates[price], None if listed is None else rates[listed]
        )
    ]
    index = ["group", "price", "list_price", "cost", "list_cost"]
    counts = priced.select(
        *index, starts_with(_BILLED), requests=pl.col("responses").cast(pl.Int128)
    ).unpivot(index=index, variable_name="count")
    weights = pl.DataFrame(shares, _SHARES, orient="row")
    return (
        counts.with_columns(pl.col("count").str.strip_prefix(_BILLED))
        .join(weights, on=["price", "list_price", "count"], nulls_equal=True)
        .group_by("group", "meter")
        .agg(
            (pl.col("value") * pl.col("weight")).sum().alias("quantity"),
            pl.col("cost", "list_cost", "rate", "list_rate").first(),
        )
        .filter(pl.col("quantity") != 0)
        .sort("group", "meter")
        .with_columns(_part_of("cost", "rate"), _part_of("list_cost", "list_rate"))
    )


def _shares_of(
    end: Rates | Reason, rates: dict[str, int], listed: dict[str, int] | None
) -> Iterator[tuple[str, str, int, int | None, int | None]]:
    """Yield how often each count is in a meter, and what one of that meter costs.

    A kind of tokens has a meter if its price differs from that of its whole, which then
    has only the other tokens. The rate of a part is given as the difference.
    """
    chains: dict[str, list[str]] = {"": []}
    for count, kind in KINDS.items():
        is_apart = count == "reasoning_tokens" and getattr(
            end, "reasoning_apart", False
        )
        chains[count] = [count, *chains["" if is_apart else kind.whole]]
    chains[CACHED_AUDIO] += ["cached_tokens", "prompt_audio_tokens", "prompt_tokens"]
    own = [
        count
        for count, kind in KINDS.items()
        if rates[count]
        or (listed and listed[count])
        or not (kind.whole or count == "requests")
    ]
    weights = {}
    for count in own:
        weights[count, count] = 1
        if count == CACHED_AUDIO:
            parts = [name for name in chains[count][1:] if name in own]
            weights |= {(count, name): -1 for name in parts}
            weights[count, parts[-1]] = len(parts) - 2
        elif whole := next((name for name in chains[count][1:] if name in own), ""):
            weights[count, whole] = -1
    for (count, meter), weight in weights.items():
        price, list_price = (
            sum(one[name] for name in chains[meter]) if one else None
            for one in (rates, listed)
        )
        yield count, meter, weight, price, list_price


def _part_of(cost: str, rate: str) -> pl.Expr:
    """Return the part of each meter in the cost of its group, in USD.

    What rounding leaves over is added to the last one.
    """
    units = pl.col("quantity") * pl.col(rate) // UNIT
    parts = (units.cast(pl.Decimal(38, 0)) * Decimal("1e-12")).cast(MONEY)
    rest = pl.col(cost) - parts.sum().over("group")
    is_last = pl.col("meter") == pl.col("meter").last().over("group")
    return (parts + pl.when(is_last).then(rest).otherwise(0)).cast(MONEY).alias(cost)


def _without_meter(groups: pl.DataFrame) -> pl.DataFrame:
    """Return what other responses cost: as they report, or it is unknown."""
    is_known = pl.col("cost_source") == "reported"
    return groups.filter(pl.col("price").is_null()).select(
        "group",
        pl.lit("tokens").alias("meter"),
        pl.col("total_tokens").cast(pl.Int128).alias("quantity"),
        pl.when(is_known).then("cost"),
        pl.when(is_known & pl.col("is_listed")).then("list_cost"),
    )


def _as_focus(
    charges: pl.DataFrame, within: Span, tags: Sequence[str], account: str | None
) -> pl.DataFrame:
    """Return charges in the columns of FOCUS, in the order of days and names."""
    meter = pl.col("meter").replace_strict(_METERS)
    unit, is_tokens = meter.str.extract(r"(\w+)$"), meter.str.ends_with("Tokens")
    is_priced, quantity = pl.col("rate").is_not_null(), pl.col("quantity")
    names = ("vendor", "model", "meter")
    tier, day = pl.col("service_tier"), pl.col("day").cast(_TIME)
    price = _unit_price("rate")
    digits = price.cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    joined = partial(pl.concat_str, separator="/", ignore_nulls=True)
    million = pl.when(is_tokens)
    lacking = pl.when(~is_priced)
    values = {
        **{name: pl.lit(value) for name, value in _CONSTANTS.items()},
        **dict.fromkeys(_COSTS, pl.col("cost")),
        **dict.fromkeys(_SELLERS, pl.col("vendor")),
        "BillingAccountId": pl.lit(account),
        "BillingAccountName": pl.lit(account),
        "BillingAccountType": pl.lit(account and "Billing Account"),
        "BillingPeriodEnd": pl.lit(within.end),
        "BillingPeriodStart": pl.lit(within.start),
        "ChargeDescription": joined("model", meter, separator=": "),
        "ChargePeriodEnd": day + timedelta(days=1),
        "ChargePeriodStart": day,
        "ConsumedQuantity": quantity,
        "ConsumedUnit": pl.when(quantity.is_not_null()).then(unit),
        "ContractedUnitPrice": price,
        "ListCost": pl.col("list_cost"),
        "ListUnitPrice": _unit_price("list_rate"),
        "PricingCategory": lacking.then(pl.lit("Other")).otherwise(pl.lit("Standard")),
        "PricingQuantity": quantity.cast(_WHOLE)
        * million.then(Decimal("1e-6")).otherwise(Decimal(1)),
        "PricingUnit": pl.when(quantity.is_not_null()).then(
            million.then(pl.lit("1000000 Tokens")).otherwise(unit)
        ),
        "PublisherName": pl.col("maker"),
        "SkuId": joined(names),
        "SkuMeter": meter,
        "SkuPriceDetails": pl.when(is_priced & tier.is_not_null()).then(
            pl.struct(x_ServiceTier=tier).struct.json_encode()
        ),
        "SkuPriceId": pl.when(is_priced).then(joined(*names, tier, digits)),
        "Tags": _tags_of(tags),
        "x_CostSource": pl.col("cost_source"),
        "x_CostUnknownReason": pl.col("reason"),
        "x_Model": pl.col("model"),
        "x_ResponsesUnpriced": pl.when(pl.col("cost").is_null()).then("responses"),
        "x_ResponsesWithoutUsage": lacking.then("responses_without_usage"),
        "x_ServiceTier": tier,
    }
    # In the order of the alphabet: our own, whose names begin with x_, come last.
    rows = charges.select(
        values[name].cast(_TYPES.get(name, pl.String)).alias(name)
        for name in sorted(values)
    )
    order = ("ChargePeriodStart", "SkuId", "SkuPriceId", "Tags", "x_CostSource")
    return rows.with_columns(pl.col("^x_Responses.*$").fill_null(0)).sort(
        *order, "x_CostUnknownReason", nulls_last=True
    )


def _tags_of(tags: Sequence[str]) -> pl.Expr:
    """Return tags as an object of JSON, by their names; null if there are none."""
    if not tags:
        return pl.lit(None)
    named = (pl.col(name).alias(name.removeprefix(_TAG)) for name in tags)
    return pl.struct(named).struct.json_encode()


def _unit_price(rate: str) -> pl.Expr:
    """Return USD per million tokens, or per request, of a rate of 10^-24 USD."""
    is_tokens = pl.col("meter").str.ends_with("tokens")
    scaled = pl.when(is_tokens).then(rate).otherwise(pl.col(rate) // 10**6)
    return scaled.cast(pl.Decimal(38, 0)) * Decimal("1e-18")
