"""Price whole columns of responses exactly; each distinct offer is looked up once.

Amounts are integers of 10^-12 USD, of 128 bits where 64 might be too few.
"""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from toolkit.expressions.vendors import find_seller, providers_of
from toolkit.pricing.catalogue import find_offer
from toolkit.pricing.offers import (
    COUNTS,
    PLACES,
    REQUIRED_COUNTS,
    UNIT,
    OfferTable,
    RateTable,
    reason_code,
)
from toolkit.pricing.price_file import PriceFile, read_corrections
from toolkit.pricing.rates import Offer, Rates, Reason
from toolkit.pricing.usage import Reported, Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from toolkit.pricing.offers import Bools, Ints

MONEY = pl.Decimal(38, 12)
MOMENT = pl.Datetime("us", "UTC")
NAMES = ("provider", "model", "service_tier")
NEEDED = (*NAMES, "created", *REQUIRED_COUNTS, "total_tokens", "reported_cost")
# How a response was billed; the same tokens elsewhere would be billed otherwise.
AS_BILLED = ("processing", "served_by", "upstream_cost", "is_byok", "cache_hit")
# Columns that a frame may lack: their values then count as null.
_OPTIONAL = (*AS_BILLED, "search_context_size", *COUNTS[len(REQUIRED_COUNTS) :])
# The first services of this kind: an earlier date is no date.
_FIRST_SECOND = int(datetime(2020, 6, 11, tzinfo=UTC).timestamp())
_SNAPSHOT = re.compile(r"(?<!\d)(20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")
_SOURCES = ("reported", "priced", "unpriced")
PRICED = pl.Schema(
    {
        "cost": MONEY,
        "cost_source": pl.String(),
        "price_date": pl.Date(),
        "reason": pl.String(),
    }
)
_UNDATED, _NO_RATE, _COUNTS, _NO_USAGE, _NEGATIVE, _OWN_KEY, _OUT_OF_DATE = (
    reason_code(one)
    for one in (
        *(Reason.UNDATED, Reason.NO_RATE, Reason.COUNTS, Reason.NO_USAGE),
        *(Reason.NEGATIVE, Reason.OWN_KEY, Reason.OUT_OF_DATE),
    )
)
# Below it, a sum computed in doubles is surely below 2^63.
_LARGEST_SUM = 9e18
# Rows that are priced at once: their columns fit into the cache of a processor.
_ROWS = 1 << 19


def priced_by(frame: pl.DataFrame | pl.LazyFrame) -> list[str]:
    """Return the columns that costs are computed from, of those that a frame has."""
    names = frame.collect_schema().names()
    return [*NEEDED, *(name for name in _OPTIONAL if name in names)]


# What prices are looked up by, of what a frame has.
_KEYS = (*NAMES, "served_by", "processing", "search_context_size")


class Pricer:
    """Price columns of responses, and remember the offers that were looked up."""

    def __init__(
        self,
        prices: PriceFile,
        find: Callable[[str | None, str | None, str | None], Offer] = find_offer,
        corrections: PriceFile | None = None,
    ) -> None:
        self.prices = prices
        self.corrections = read_corrections() if corrections is None else corrections
        self.find = find
        self.lock = threading.Lock()
        self.known: dict[tuple[str | None, ...], int] = {}
        self.numbers: dict[Offer, int] = {}
        self.table: OfferTable | None = None

    def offer(
        self,
        provider: str | None,
        model: str | None,
        tier: str | None,
        size: str | None = None,
    ) -> Offer:
        """Return the offer for a model; prices of the price file take precedence."""
        name = self.prices.alias(model)
        found = self.find(provider, name, tier)
        if name is None or model is None:
            return found
        seller, names = find_seller(provider, name)
        if seller is not None:
            found = self.corrections.overlay(found, seller, names, tier, size)
        names = list(dict.fromkeys((name, model)))
        found = self.prices.overlay(found, provider, names, tier, size)
        hides_thinking = "gemini" in name.casefold()
        return replace(
            found, hides_thinking=hides_thinking, known_from=_first_second(name)
        )

    def number(self, key: tuple[str | None, ...]) -> int:
        """Return the number of the offer for what `_keys_of` returns."""
        if key not in self.known:
            offer = self.offer(*key)
            if offer not in self.numbers:
                self.numbers[offer] = len(self.numbers)
                self.table = None
            self.known[key] = self.numbers[offer]
        return self.known[key]

    def find_offers(self, frame: pl.DataFrame) -> tuple[Ints, OfferTable]:
        """Return the number of each row's offer, and the table of all offers."""
        keys = frame.select(pl.col(name for name in _KEYS if name in frame.columns))
        distinct = keys.unique()
        rows = _keys_of(distinct, self.prices.provider)
        with self.lock:
            numbers = [self.number(row) for row in rows.iter_rows()]
            table = self.table = self.table or OfferTable.build(list(self.numbers))
        if len(numbers) == 1:
            return np.full(frame.height, numbers[0], np.int64), table
        keyed = distinct.with_columns(pl.Series("~offer", numbers, pl.Int64))
        on = keys.columns
        joined = keys.join(
            keyed, on=on, how="left", nulls_equal=True, maintain_order="left"
        )
        return joined["~offer"].to_numpy(), table

    def find_places(self, frame: pl.DataFrame) -> _Found:
        """Find the rates for each row."""
        offers, table = self.find_offers(frame)
        created = frame["created"].cast(MOMENT).dt.epoch("s")
        seconds = created.fill_null(0).to_numpy()
        dated = seconds >= np.maximum(table.known_from[offers], _FIRST_SECOND)
        usage = Usage.of(frame, table.hides_thinking[offers])
        place = table.find(offers, seconds, usage.counts["prompt_tokens"])
        return _Found(offers, table, dated, usage, place)

    def find_rates(self, frame: pl.DataFrame) -> list[Rates | Reason]:
        """Return the rates for each row, or the reason why there are none."""
        found = self.find_places(frame)
        return [found.table.ends[place] for place in found.place.tolist()]

    def price(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Price each row by its own usage; return `PRICED` in the order of the rows."""
        parts = [self.price_slice(part) for part in frame.iter_slices(_ROWS)]
        return pl.concat(parts) if parts else PRICED.to_frame()

    def price_slice(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Price a slice of rows."""
        offers, table, dated, usage, place = self.find_places(frame)
        rates = table.rates
        counts = usage.counts
        reason = rates.reason[place].copy()
        contradicting = usage.contradicts(rates, place)
        undated, lacking = np.zeros((2, frame.height), np.bool_)
        for name, count in {**counts, "requests": np.array(1)}.items():
            number = PLACES[name]
            if not dated.all():
                undated |= ~dated & table.changing[offers, number] & (count > 0)
            if rates.lacks[:, number].any():
                lacking |= rates.lacks[place, number] & (count > 0)
        reason[((reason < 0) | (reason == _OUT_OF_DATE)) & undated] = _UNDATED
        reason[(reason < 0) & lacking] = _NO_RATE
        reason[(reason < 0) & contradicting] = _COUNTS
        reason[usage.is_missing] = _NO_USAGE
        amounts = _amounts(rates, place, counts, reason < 0)
        reported = Reported.of(frame)
        if self.prices.before_reported:
            reported = reported.except_where((reason < 0) & rates.own[place])
        return _result(frame["created"], amounts, reported, reason, dated)


class _Found(NamedTuple):
    """The rates for each row."""

    offers: Ints
    table: OfferTable
    dated: Bools
    usage: Usage
    place: Ints


def _keys_of(frame: pl.DataFrame, provider: str | None) -> pl.DataFrame:
    """Return what prices of a frame are looked up by, as `Pricer.offer` takes it."""
    model, tier, size = (
        pl.col(name).cast(pl.String)
        for name in ("model", "service_tier", "search_context_size")
    )
    if "processing" in frame.columns:
        batch = pl.col("processing").cast(pl.String) == "batch"
        tier = pl.when(batch).then(pl.lit("batch")).otherwise(tier).alias("tier")
    keys = (model, tier, size)[: 2 + ("search_context_size" in frame.columns)]
    return frame.select(providers_of(frame, provider), *keys)


def _first_second(model: str) -> int:
    """Return the second since 1970 of the date in a model's name, or 0."""
    found = _SNAPSHOT.search(model)
    try:
        year, month, day = map(int, found.groups() if found else (1970, 1, 1))
        return int(datetime(year, month, day, tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def _amounts(
    rates: RateTable, place: Ints, counts: dict[str, Ints], priced: Bools
) -> pl.Series:
    """Return amounts in 10^-12 USD, rounded half to even."""
    used = {name: np.where(priced, count, 0) for name, count in counts.items()}
    used = {name: count for name, count in used.items() if count.any()}
    most = np.abs(rates.whole).max(axis=0, initial=0).astype(np.float64)
    bound = sum(most[PLACES[name]] * count.max() for name, count in used.items())
    if rates.is_whole and bound + most[-1] < _LARGEST_SUM:
        whole = rates.whole[place, -1]
        for name, count in used.items():
            whole += np.ascontiguousarray(rates.whole[:, PLACES[name]])[place] * count
        return pl.Series(whole).cast(pl.Int128)
    total = rates.exact["requests"].gather(place)
    for name, count in used.items():
        total += rates.exact[name].gather(place) * pl.Series(count).cast(pl.Int128)
    quotient, left = pl.col("total") // UNIT, pl.col("total") % UNIT
    is_up = (left > UNIT // 2) | ((left == UNIT // 2) & (quotient % 2 == 1))
    rounded = quotient + is_up.cast(pl.Int128)
    return pl.DataFrame({"total": total}).select(rounded).to_series()


def _result(
    created: pl.Series,
    amounts: pl.Series,
    reported: Reported,
    reason: NDArray[np.int8],
    dated: Bools,
) -> pl.DataFrame:
    """Return `PRICED`; reported costs take precedence over computed ones."""
    known = reported.is_known
    reason = np.where(reported.is_negative, _NEGATIVE, reason)
    reason = np.where(reported.lacks_part, _OWN_KEY, reason)
    priced = ~known & (reason < 0)
    units = reported.units.zip_with(pl.Series(known), amounts)
    columns = {
        "cost": units.cast(pl.Decimal(38, 0)) * Decimal("1e-12"),
        "cost_source": pl.Series(_SOURCES).gather(np.where(known, 0, 2 - priced)),
        "price_date": created.cast(MOMENT).dt.date(),
        "reason": pl.Series(tuple(Reason)).gather(np.maximum(reason, 0)),
    }
    shown = {"cost": known | priced, "price_date": priced & dated}
    shown["reason"] = ~shown["cost"]
    return pl.DataFrame(columns).select(
        pl.when(pl.Series(shown[name])).then(name).cast(dtype)
        if name in shown
        else name
        for name, dtype in PRICED.items()
    )
