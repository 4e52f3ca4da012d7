"""Look up the prices of genai-prices, whose data is in the package; no network.

A price is looked up only if the log has a provider, or a name of a model that only its
maker serves. A name that anyone may serve (open weights, a file, a tag of Ollama) has
no price without a provider.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from importlib.metadata import version
from itertools import product
from typing import TYPE_CHECKING, Any

from toolkit.expressions.makers import maker_of
from toolkit.expressions.vendors import find_seller, seller_named
from toolkit.pricing.rates import DAY, KINDS, WEEK, Offer, Rates, Reason

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, Provider, TieredPrices

# Values of `service_tier`, and what selects their price; the default is standard. Any
# other tier has no known price per token: "scale" and "provisioned" are paid for in
# advance, "auto" does not name the tier that was used, "performance" is by contract.
STANDARD_TIERS = ("", "default", "standard", "on_demand")
TIERS: dict[str, dict[str, str]] = {
    **{name: {} for name in STANDARD_TIERS},
    "batch": {"processing": "batch"},
    **{name: {"service_tier": name} for name in ("flex", "priority", "fast")},
}
_MAX_NAME = 256
_EPOCH = date(1970, 1, 1)


def plain_tier(tier: str | None) -> str:
    """Return the name of a tier in lower case, without what Google puts before it.

    Examples
    --------
    >>> plain_tier("SERVICE_TIER_STANDARD"), plain_tier("ON_DEMAND_FLEX")
    ('standard', 'flex')
    """
    name = (tier or "").casefold()
    return name.removeprefix("service_tier_").removeprefix("on_demand_")


@lru_cache(maxsize=4096)
def find_offer(provider: str | None, model: str | None, tier: str | None) -> Offer:
    """Return the offer for a model; it has a reason where there is no price."""
    if model is None:
        return Offer.constant(Reason.NO_MODEL)
    if len(model) > _MAX_NAME or len(provider or "") > _MAX_NAME:
        return Offer.constant(Reason.UNKNOWN_MODEL)
    context = TIERS.get(plain_tier(tier))
    if context is None:
        return Offer.constant(Reason.UNKNOWN_TIER)
    vendor, names = find_seller(provider, model)
    seller = _providers().get(vendor or "")
    if seller is None and vendor:
        return Offer.constant(Reason.UNKNOWN_PROVIDER)
    if seller is None:
        known = provider or maker_of(model)
        return Offer.constant(Reason.NO_PROVIDER if known else Reason.UNKNOWN_MODEL)
    for name in names:
        # Among the models of a provider, or those that it resells.
        info = seller.find_model(name, all_providers=list(_providers().values()))
        if info is not None:
            return _build_offer(seller, info, context)
    return Offer.constant(Reason.UNKNOWN_MODEL)


@cache
def _providers() -> dict[str, Provider]:
    """Return the catalogue that is part of the package genai-prices."""
    # Imported here: the prices are a megabyte and a half of Python.
    from genai_prices.data import providers as bundled

    return {one.id: one for one in bundled}


def _build_offer(seller: Provider, info: ModelInfo, context: dict[str, str]) -> Offer:
    """Return the prices of a model for all time."""
    axes = _price_changes(info)
    ends = (
        _rates_at(seller, info, context, time + second % DAY, length)
        for time, second, length in product(*axes)
    )
    return Offer(axes, tuple(ends))


def _price_changes(info: ModelInfo) -> tuple[tuple[int, ...], ...]:
    """Return from when and for which lengths of the prompt a price may change."""
    # Imported here, as all of genai-prices.
    from genai_prices.types import ConditionalPrice, StartDateConstraint

    prices = info.prices
    listed = prices if isinstance(prices, list) else [ConditionalPrice(prices=prices)]
    days, seconds, lengths = {0}, {0}, {0}
    for one in (*listed, *(info.price_variants or ())):
        constraint = one.constraint
        if isinstance(constraint, StartDateConstraint):
            days.add(max((constraint.start_date - _EPOCH).days, 0) * DAY)
        elif constraint is not None:
            ends = (constraint.start_time, constraint.end_time)
            edges = {_second_of(end) for end in ends} | {0}
            seconds |= {day + edge for day in range(0, WEEK, DAY) for edge in edges}
        for price in vars(one.prices).values():
            # genai-prices applies a step above so many prompt tokens.
            lengths |= {step.start + 1 for step in getattr(price, "tiers", ())}
    return tuple(tuple(sorted(axis)) for axis in (days, seconds, lengths))


def _second_of(moment: time) -> int:
    """Return the second of the UTC day; genai-prices reads a naive time as UTC."""
    instant = datetime.combine(_EPOCH, moment, moment.tzinfo or UTC)
    return int(instant.timestamp()) % DAY


def _rates_at(
    seller: Provider,
    info: ModelInfo,
    context: dict[str, str],
    second: int,
    length: int,
) -> Rates | Reason:
    """Return the rates at a second since 1970, for a length of the prompt."""
    moment = datetime.fromtimestamp(second, UTC)
    if context and not _knows_tier(seller, info, context, moment):
        return Reason.NO_TIER_RATE
    prices = {
        listed: _rate_at(price, length) / (1000 if listed.endswith("_kcount") else 1)
        for listed, price in vars(info.get_prices(moment, context)).items()
        if price is not None
    }
    source = f"genai-prices {_version()}, {seller.id}, {info.id}"
    if not prices and info.id.endswith(":free"):
        # An empty price means free or unknown, depending on the name.
        return Rates(Decimal(0), Decimal(0), source=source)
    if "input_mtok" not in prices:
        return Reason.NO_RATE
    amounts: dict[str, Any] = {
        kind.rate: prices[kind.listed]
        for kind in KINDS.values()
        if kind.listed in prices
    }
    return Rates(**amounts, source=source)


@cache
def _version() -> str:
    """Return the version of the catalogue."""
    return version("genai-prices")


def _knows_tier(
    seller: Provider, info: ModelInfo, context: dict[str, str], moment: datetime
) -> bool:
    """Return whether a tier has a price; get_prices would return the standard one."""
    return any(model is info for model in seller.models) and any(
        variant.when == context
        and (variant.constraint is None or variant.constraint.active(moment))
        for variant in info.price_variants or ()
    )


def _rate_at(price: Decimal | TieredPrices, length: int) -> Decimal:
    """Return the rate for a prompt of a length."""
    if isinstance(price, Decimal):
        return price
    steps = (step.price for step in reversed(price.tiers) if step.start < length)
    return next(steps, price.base)


def model_names(provider: str | None) -> set[str]:
    """Return the names of the models of a provider, or of all."""
    seller = _providers().get(seller_named(provider or "") or "")
    sellers = _providers().values() if seller is None else (seller,)
    return {info.id.casefold() for one in sellers for info in one.models}


def provider_names() -> set[str]:
    """Return the names of all providers."""
    names = _providers().values()
    return {name for one in names for name in (one.id, one.name.casefold())}


def catalogue_age(day: date) -> tuple[str, date]:
    """Return the version of genai-prices, and its latest price change up to a day.

    Its data has no date of its own.
    """
    models = (info for one in _providers().values() for info in one.models)
    starts = {second // DAY for info in models for second in _price_changes(info)[0]}
    latest = max(start for start in starts if start <= (day - _EPOCH).days)
    return _version(), _EPOCH + timedelta(days=latest)
