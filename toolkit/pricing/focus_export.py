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

import polars as pl

from toolkit.errors import OptionError
from toolkit.expressions.choices import MONEY, iter_batches
from toolkit.expressions.makers import maker
from toolkit.expressions.time_ranges import Span, span
from toolkit.expressions.vendors import vendor
from toolkit.pricing.costs import Choices, first_choices
from toolkit.pricing.offers import UNIT, coefficients
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
# Names of the meters: "Cache Write 1h Tokens".
_METERS = {
    count: " ".join(
        {"prompt": "Input", "completion": "Output"}.get(word, word.capitalize())
        for word in count.split("_")
    )
    for count in (*KINDS, "tokens")
}


def _unit_price(rate: str) -> pl.Expr:
    """Return USD per million tokens, or per request, of a rate of 10^-24 USD."""
    is_tokens = pl.col("meter").str.ends_with("tokens")
    scaled = pl.when(is_tokens).then(rate).otherwise(pl.col(rate) // 10**6)
    return scaled.cast(pl.Decimal(38, 0)) * Decimal("1e-18")


_METER = pl.col("meter").replace_strict(_METERS)
_UNIT = _METER.str.extract(r"(\w+)$")
_DAY, _TIER = pl.col("day").cast(MOMENT), pl.col("service_tier")
_QUANTITY, _UNIT_PRICE = pl.col("quantity").cast(pl.Decimal(38, 0)), _unit_price("rate")
_ZERO = pl.lit(0, pl.Int64)
_IF_COUNTED = pl.when(pl.col("quantity").is_not_null())
_IF_PRICED = pl.when(pl.col("rate").is_not_null())
_IF_TOKENS = pl.when(_UNIT == "Tokens")
_JOINED = partial(pl.concat_str, separator="/", ignore_nulls=True)
_DIGITS = _UNIT_PRICE.cast(pl.String).str.replace(r"\.?0*$", "")
# The columns of FOCUS, of what `_charges` returns.
_COLUMNS = {
    **dict.fromkeys(("BilledCost", "ContractedCost", "EffectiveCost"), pl.col("cost")),
    **dict.fromkeys(
        ("InvoiceIssuerName", "ProviderName", "ServiceName"), pl.col("vendor")
    ),
    **dict.fromkeys(("BillingAccountId", "BillingAccountName"), pl.col("account")),
    "BillingAccountType": pl.when(pl.col("account").is_not_null()).then(
        pl.lit("Billing Account")
    ),
    "BillingCurrency": pl.lit("USD"),
    "BillingPeriodEnd": pl.col("end"),
    "BillingPeriodStart": pl.col("start"),
    "ChargeCategory": pl.lit("Usage"),
    "ChargeClass": pl.lit(None, pl.String),
    "ChargeDescription": _JOINED("model", _METER, separator=": "),
    "ChargeFrequency": pl.lit("Usage-Based"),
    "ChargePeriodEnd": _DAY + timedelta(days=1),
    "ChargePeriodStart": _DAY,
    "ConsumedQuantity": _QUANTITY,
    "ConsumedUnit": _IF_COUNTED.then(_UNIT),
    "ContractedUnitPrice": _UNIT_PRICE,
    "ListCost": pl.col("list_cost"),
    "ListUnitPrice": _unit_price("list_rate"),
    "PricingCategory": _IF_PRICED.then(pl.lit("Standard")).otherwise(pl.lit("Other")),
    "PricingQuantity": _QUANTITY
    * _IF_TOKENS.then(Decimal("1e-6")).otherwise(Decimal(1)),
    "PricingUnit": _IF_COUNTED.then(
        _IF_TOKENS.then(pl.lit("1000000 Tokens")).otherwise(_UNIT)
    ),
    "PublisherName": pl.col("maker"),
    "ServiceCategory": pl.lit("AI and Machine Learning"),
    "ServiceSubcategory": pl.lit("Generative AI"),
    "SkuId": _JOINED("vendor", "model", "meter"),
    "SkuMeter": _METER,
    "SkuPriceDetails": pl.when(_TIER.is_not_null()).then(
        _IF_PRICED.then(pl.struct(x_ServiceTier=_TIER).struct.json_encode())
    ),
    "SkuPriceId": _IF_PRICED.then(_JOINED("vendor", "model", "meter", _TIER, _DIGITS)),
    "Tags": pl.col("tags"),
    "x_CostSource": pl.col("cost_source"),
    "x_CostUnknownReason": pl.col("reason"),
    "x_Model": pl.col("model"),
    "x_ResponsesUnpriced": pl.when(pl.col("cost").is_null())
    .then("responses")
    .otherwise(_ZERO),
    "x_ResponsesWithoutUsage": _IF_PRICED.then(_ZERO).otherwise(
        "responses_without_usage"
    ),
    "x_ServiceTier": _TIER,
}

_ORDER = (
    *("ChargePeriodStart", "SkuId", "SkuPriceId", "Tags"),
    *("x_CostSource", "x_CostUnknownReason"),
)


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
    files = (file, replace(file, rows={})) if file.rows else (file,)
    pricers = [Pricer(one) for one in files]
    first = first_choices(choices).filter(*within.conditions())
    names = first.collect_schema().names()
    tags = [name for name in names if name.startswith(_TAG)]
    added = pl.col("created").cast(MOMENT).dt.date().alias("day"), vendor(provider)
    rows = first.select(*priced_by(first), *tags, *added, maker())
    keys, ends = ["day", *_NAMES, *tags, *_PRICED_BY], dict[Rates | Reason, int]()
    batches = iter_batches(rows, _BATCH)
    sums = [_sums_of(one, pricers, ends, keys) for one in batches]
    groups = (
        pl.concat(sums, how="diagonal")
        .group_by(keys)
        .agg(pl.exclude("total_tokens").sum(), sum_known("total_tokens"))
        .with_row_index("group")
    )
    tagged = pl.lit(None, pl.String)
    if tags:
        named = (pl.col(name).alias(name.removeprefix(_TAG)) for name in tags)
        tagged = pl.struct(named).struct.json_encode()
    charges = _charges(groups, list(ends)).join(groups, on="group")
    charges = charges.with_columns(
        account=pl.lit(account, pl.String),
        start=pl.lit(within.start),
        end=pl.lit(within.end),
        tags=tagged,
    )
    # In the order of the alphabet: our own, whose names begin with x_, come last.
    columns = [_COLUMNS[name].alias(name) for name in sorted(_COLUMNS)]
    # By all columns: the same log gives the same file.
    order = dict.fromkeys((*_ORDER, *sorted(_COLUMNS)))
    return charges.select(columns).sort(*order, nulls_last=True)


def month_span(month: str) -> Span:
    """Return the first moment of a month in UTC, and that of the next."""
    try:
        first = date.fromisoformat(f"{month}-01")
        return span(first, (first + timedelta(days=31)).replace(day=1))
    except ValueError:
        expected = "a year and a month, such as 2026-11"
    except OverflowError:
        expected = "a month before 9999-12"
    raise OptionError("month", month, expected=expected)


def _sums_of(
    rows: pl.DataFrame,
    pricers: Sequence[Pricer],
    ends: dict[Rates | Reason, int],
    keys: Sequence[str],
) -> pl.DataFrame:
    """Sum counts and costs by what makes a row; number the rates in `ends`."""
    prices = [pricer.find_list_prices(rows) for pricer in pricers]
    now, listed = prices[0], prices[-1]
    numbers = {}
    for name, found in {"price": now, "list_price": listed}.items():
        known = [ends.setdefault(end, len(ends)) for end in found.table.ends]
        numbers[name] = pl.Series(known, dtype=pl.Int64).gather(found.place)
    counts = now.usage.counts
    is_priced, is_listed = pl.col("cost_source") == "priced", pl.col("is_listed")
    return (
        rows.with_columns(
            *pricers[0].price_slice(rows, now),
            *(pl.Series(f"{_BILLED}{name}", count) for name, count in counts.items()),
            **numbers,
            is_listed=pl.Series(listed.reason < 0),
            list_cost=as_money(listed.amounts),
            billed_requests=1,
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


def _charges(groups: pl.DataFrame, ends: Sequence[Rates | Reason]) -> pl.DataFrame:
    """Return the charges of each group: one for each meter, or one of all tokens."""
    rates = [coefficients(end) if isinstance(end, Rates) else {} for end in ends]
    is_reported = pl.col("cost_source") == "reported"
    # As it is reported, or unknown.
    charges = [
        groups.filter(pl.col("price").is_null()).select(
            "group",
            pl.when(is_reported).then("cost"),
            pl.when(is_reported & pl.col("is_listed")).then("list_cost"),
            meter=pl.lit("tokens"),
            quantity="total_tokens",
            rate=pl.lit(None, pl.Int128),
            list_rate=pl.lit(None, pl.Int128),
        )
    ]
    priced = groups.filter(pl.col("price").is_not_null())
    for (price, listed), rows in priced.group_by("price", "list_price"):
        both = [rates[place] for place in (price, listed) if place is not None]
        for meter, quantity, chain in _meters(ends[price], both, rows.columns):
            now, *then = (sum(one[name] for name in chain) for one in both)
            charges.append(
                rows.select(
                    "group",
                    "cost",
                    pl.when(pl.lit(bool(then))).then("list_cost"),
                    meter=pl.lit(meter),
                    quantity=quantity,
                    rate=pl.lit(now, pl.Int128),
                    list_rate=pl.lit(then[0] if then else None, pl.Int128),
                )
            )
    return (
        pl.concat(charges)
        .filter(pl.col("rate").is_null() | (pl.col("quantity") != 0))
        .sort("group", "meter")
        .with_columns(_part_of("cost", "rate"), _part_of("list_cost", "list_rate"))
    )


def _meters(
    end: Rates | Reason, rates: Sequence[dict[str, int]], columns: Sequence[str]
) -> Iterator[tuple[str, pl.Expr, list[str]]]:
    """Yield the meters of a price: name, how much is in it, and what it is part of.

    A kind of tokens has a meter if its price differs from that of its whole, which then
    has only the other tokens. The rate of a part is given as the difference.
    """
    chains: dict[str, list[str]] = {"": []}
    for count, kind in KINDS.items():
        is_apart = kind.rate == "reasoning" and getattr(end, "reasoning_apart", False)
        chains[count] = [count, *chains["" if is_apart else kind.whole]]
    chains[CACHED_AUDIO] += ["cached_tokens", "prompt_audio_tokens", "prompt_tokens"]
    billed = {
        count: pl.col(f"{_BILLED}{count}")
        for count, kind in KINDS.items()
        if f"{_BILLED}{count}" in columns
        # A whole has a meter even if it is free, a request only if it has a price.
        if any(one[count] for one in rates) or not (kind.whole or count == "requests")
    }
    quantities = dict(billed)
    for count in billed:
        wholes = [name for name in chains[count][1:] if name in billed]
        if count != CACHED_AUDIO:
            wholes = wholes[:1]
        for name in wholes:
            quantities[name] -= billed[count]
        if wholes:
            # Cached audio was subtracted from the prompt with each of its parts.
            quantities[wholes[-1]] += (len(wholes) - 1) * billed[count]
    for count, quantity in quantities.items():
        yield count, quantity, chains[count]


def _part_of(cost: str, rate: str) -> pl.Expr:
    """Return the part of each meter in the cost of its group, in USD.

    What rounding leaves over is added to the last one. Without a rate it is all of it.
    """
    units = pl.col("quantity") * pl.col(rate) // UNIT
    parts = as_money(units)
    rest = pl.col(cost) - parts.sum().over("group")
    is_last = pl.col("meter") == pl.col("meter").last().over("group")
    part = (parts + pl.when(is_last).then(rest).otherwise(0)).cast(MONEY)
    return pl.when(pl.col(rate).is_null()).then(cost).otherwise(part).alias(cost)
