"""Price whole columns of responses exactly; each distinct offer is looked up once.

Amounts are integers of 10^-12 USD, of 128 bits where 64 might be too few.
"""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np
import polars as pl

from toolkit.expressions.choices import MONEY, with_models
from toolkit.expressions.vendors import find_seller, providers_of
from toolkit.pricing.catalogue import find_offer
from toolkit.pricing.offers import COUNTS, PLACES, REQUIRED_COUNTS, UNIT, OfferTable
from toolkit.pricing.price_file import PriceFile, read_corrections
from toolkit.pricing.rates import PROBLEMS, Offer, Rates, Reason
from toolkit.pricing.usage import Usage, reported_costs

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from toolkit.pricing.offers import Bools
    from toolkit.pricing.rates import Ints

_Units = TypeVar("_Units", pl.Series, pl.Expr)
MOMENT = pl.Datetime("us", "UTC")
NAMES = ("provider", "model", "service_tier")
NEEDED = (*NAMES, "created", *REQUIRED_COUNTS, "total_tokens", "reported_cost")
# How a response was billed; the same tokens elsewhere would be billed otherwise.
AS_BILLED = (
    *("api", "requested_model", "processing", "served_by"),
    *("upstream_cost", "is_byok", "cache_hit"),
)
# Columns that a frame may lack: their values then count as null.
_OPTIONAL = (
    *(*AS_BILLED, "search_context_size", "usage_problem"),
    *COUNTS[len(REQUIRED_COUNTS) :],
)
# The first services of this kind: an earlier date is no date.
_FIRST_SECOND = int(datetime(2020, 6, 11, tzinfo=UTC).timestamp())
_SNAPSHOT = re.compile(r"(?<!\d)(20\d\d)-?(0[1-9]|1[0-2])-?(0[1-9]|[12]\d|3[01])(?!\d)")
PRICED = pl.Schema(
    {
        "cost": MONEY,
        "cost_source": pl.String(),
        "price_date": pl.Date(),
        "reason": pl.String(),
    }
)
# What most of a list price is made of: tokens as they are billed, and their rates in
# 10^-24 USD for a token; that of the cache is beside that of the prompt.
RATED = ("prompt_tokens", "cached_tokens", "completion_tokens")
LISTED = pl.Schema(
    {
        "list_cost": MONEY,
        **{f"{name}_rate": pl.Int128() for name in RATED},
        **{f"{name}_billed": pl.Int64() for name in RATED},
    }
)
# Below it, a sum computed in doubles is surely below 2^63.
_LARGEST_SUM = 9e18
# Rows that are priced at once: what is computed for them takes little memory.
_ROWS = 1 << 19


def priced_by(frame: pl.DataFrame | pl.LazyFrame) -> list[str]:
    """Return the columns that costs are computed from, of those that a frame has."""
    names = frame.collect_schema().names()
    return [*NEEDED, *(name for name in _OPTIONAL if name in names)]


# What prices are looked up by, of what a frame has.
_KEYS = (*NAMES, *AS_BILLED[:4], "search_context_size")


class Pricer:
    """Price columns of responses, and remember the offers that were looked up."""

    def __init__(self, prices: PriceFile) -> None:
        self.prices = prices
        self.lock = threading.Lock()
        # The number of the offer by what `_keys_of` returns. There is always one offer,
        # so that a frame without rows can be priced.
        self.known: dict[tuple[str | None, ...], int] = {}
        self.numbers = {Offer.constant(Reason.NO_MODEL): 0}
        self.table = OfferTable(list(self.numbers))

    def offer(
        self,
        provider: str | None,
        model: str | None,
        tier: str | None,
        size: str | None = None,
    ) -> Offer:
        """Return the offer for a model; prices of the price file take precedence."""
        name = self.prices.alias(model)
        found = find_offer(provider, name, tier)
        if name is None or model is None:
            return found
        seller, names = find_seller(provider, name)
        if seller is not None:
            corrections = read_corrections()
            found = corrections.overlay(found, seller, names, tier, size)
        names = list(dict.fromkeys((name, model)))
        found = self.prices.overlay(found, provider, names, tier, size)
        hides_thinking = "gemini" in name.casefold()
        return replace(
            found, hides_thinking=hides_thinking, known_from=_first_second(name)
        )

    def find_offers(self, frame: pl.DataFrame) -> tuple[Ints, OfferTable]:
        """Return the number of each row's offer, and the table of all offers."""
        keys = frame.select(pl.col(name for name in _KEYS if name in frame.columns))
        # Most columns are empty: rows are grouped by the others.
        filled = [one.name for one in keys if one.null_count() < frame.height]
        numbered = keys.with_row_index("~row").group_by(filled or keys.columns[:1])
        groups = numbered.agg("~row", pl.exclude("~row").first())
        distinct = groups.select(keys.columns)
        rows = _keys_of(distinct.cast(pl.String), self.prices.provider)
        with self.lock:
            for key in set(rows.iter_rows()) - self.known.keys():
                offer = self.offer(*key)
                self.known[key] = self.numbers.setdefault(offer, len(self.numbers))
            numbers = [self.known[key] for key in rows.iter_rows()]
            if len(self.table.offers) < len(self.numbers):
                self.table = OfferTable(list(self.numbers))
            table = self.table
        offers = np.empty(frame.height, np.int64)
        offers[groups["~row"].explode()] = np.repeat(numbers, groups["~row"].list.len())
        return offers, table

    def find_rates(self, frame: pl.DataFrame) -> list[Rates | Reason]:
        """Return the rates for each row, or the reason why there are none."""
        found = self.find_list_prices(frame)
        return [found.table.ends[place] for place in found.place.tolist()]

    def price(
        self, frame: pl.DataFrame, names: Collection[str] = tuple(PRICED)
    ) -> pl.DataFrame:
        """Price each row by its own usage; return columns of `PRICED`, row by row."""
        parts = [
            self.price_slice(part, None, names) for part in frame.iter_slices(_ROWS)
        ]
        return pl.concat(parts) if parts else PRICED.to_frame().select(list(names))

    def price_slice(
        self,
        frame: pl.DataFrame,
        listed: ListPrices | None = None,
        names: Collection[str] = tuple(PRICED),
    ) -> pl.DataFrame:
        """Price a slice of rows, of which the list prices may be known."""
        listed = listed or self.find_list_prices(frame)
        facts = reported_costs(frame, listed.usage.is_missing).with_columns(
            frame["created"],
            units=listed.amounts,
            code=pl.Series(listed.reason),
            dated=pl.Series(listed.dated),
        )
        if self.prices.before_reported:
            is_own = pl.Series((listed.reason < 0) & listed.table.own[listed.place])
            replaced = is_own & ~facts["from_cache"]
            facts = facts.with_columns(
                pl.when(~replaced).then(pl.col("reported", "problem"))
            )
        return facts.with_columns(pl.coalesce("problem", "code").alias("code")).select(
            _PRICED[name].alias(name) for name in names
        )

    def find_list_prices(self, frame: pl.DataFrame) -> ListPrices:
        """Find what a slice of rows costs by its usage, whatever it reports as cost."""
        offers, table = self.find_offers(frame)
        created = frame["created"].cast(MOMENT).dt.epoch("s")
        seconds = created.fill_null(0).to_numpy()
        dated = seconds >= np.maximum(table.known_from[offers], _FIRST_SECOND)
        usage = Usage.of(frame, table.hides_thinking[offers])
        cell = table.find(offers, seconds, usage.counts["prompt_tokens"])
        place = table.cells[cell]
        reason = table.reason[place]
        contradicting = usage.contradicts(table, place)
        undated, lacking = np.zeros((2, frame.height), np.bool_)
        for name, count in {**usage.counts, "requests": np.array(1)}.items():
            number = PLACES[name]
            if not dated.all():
                undated |= ~dated & table.changing[cell, number] & (count > 0)
            if table.lacks[:, number].any():
                lacking |= table.lacks[place, number] & (count > 0)
        undated &= (reason < 0) | (reason == Reason.OUT_OF_DATE.code)
        reason[undated] = Reason.UNDATED.code
        reason[(reason < 0) & lacking] = Reason.NO_RATE.code
        reason[(reason < 0) & contradicting] = Reason.COUNTS.code
        problem = _problems_of(frame)
        reason = np.where(problem < 0, reason, problem).astype(np.int8)
        reason[usage.is_missing] = Reason.NO_USAGE.code
        amounts = _amounts(table, place, usage.counts, reason < 0)
        return ListPrices(table, place, usage, dated, reason, amounts)


class ListPrices(NamedTuple):
    """What rows cost by their usage, whatever they report as cost.

    The place of the rates of each row in the table, its usage, whether it has a date,
    the code of the reason why its cost is not known, or -1, and the cost in 10^-12 USD.
    """

    table: OfferTable
    place: Ints
    usage: Usage
    dated: Bools
    reason: NDArray[np.int8]
    amounts: pl.Series

    @property
    def parts(self) -> pl.DataFrame:
        """What the amounts are made of: `LISTED`, null where there is no price."""
        rates = self.table.exact.select(RATED)[self.place]
        nothing = np.zeros(self.reason.size, np.int64)
        billed = [pl.Series(self.usage.counts.get(name, nothing)) for name in RATED]
        columns = [as_money(self.amounts), *rates, *billed]
        parts = pl.DataFrame(dict(zip(LISTED, columns, strict=True)))
        return parts.select(pl.when(pl.Series(self.reason < 0)).then(pl.all()))


def _keys_of(frame: pl.DataFrame, provider: str | None) -> pl.DataFrame:
    """Return what prices of a frame are looked up by, as `Pricer.offer` takes it."""
    tier, size = billed_tier(frame.columns), pl.col("^search_context_size$")
    frame = with_models(frame)
    if {"api", "requested_model"} <= set(frame.columns):
        # The price depends on the region, which only Bedrock's name of a model has.
        asked = pl.col("requested_model").cast(pl.String)
        named = (pl.col("api") == "anthropic") & asked.str.contains("anthropic.claude")
        frame = frame.with_columns(model=pl.when(named).then(asked).otherwise("model"))
    return frame.select(providers_of(frame, provider), "model", tier, size)


def _problems_of(frame: pl.DataFrame) -> NDArray[np.int64]:
    """Return the code of why no cost can be computed from the usage of each row, or -1.

    A problem that is not known here is one of a rate.
    """
    words = frame.get_column("usage_problem", default=pl.Series([None]))
    if words.null_count() == len(words):
        return np.full(frame.height, -1)
    codes = {str(problem): problem.code for problem in PROBLEMS}
    words = words.cast(pl.String)
    found = words.replace_strict(codes, default=Reason.NO_RATE.code)
    return np.where(words.is_null(), -1, found)


def billed_tier(columns: Collection[str]) -> pl.Expr:
    """Return the service tier of each response; it is batch for a line of a batch."""
    tier = pl.col("service_tier").cast(pl.String)
    if "processing" not in columns:
        return tier
    batch = pl.col("processing") == "batch"
    return pl.when(batch).then(pl.lit("batch")).otherwise(tier).alias("service_tier")


def _first_second(model: str) -> int:
    """Return the second since 1970 of the date in a model's name, or 0."""
    found = _SNAPSHOT.search(model)
    try:
        year, month, day = map(int, found.groups() if found else (1970, 1, 1))
        return int(datetime(year, month, day, tzinfo=UTC).timestamp())
    except ValueError:
        return 0


def _amounts(
    table: OfferTable, place: Ints, counts: dict[str, Ints], priced: Bools
) -> pl.Series:
    """Return amounts in 10^-12 USD, rounded half to even."""
    used = {name: np.where(priced, count, 0) for name, count in counts.items()}
    used = {name: count for name, count in used.items() if count.any()}
    bound = sum(table.most[name] * count.max() for name, count in used.items())
    if table.is_whole and bound + table.most["requests"] < _LARGEST_SUM:
        whole = table.whole["requests"].to_numpy()[place]
        for name, count in used.items():
            whole += table.whole[name].to_numpy()[place] * count
        return pl.Series(whole).cast(pl.Int128)
    total = table.exact["requests"].gather(place)
    for name, count in used.items():
        total += table.exact[name].gather(place) * pl.Series(count).cast(pl.Int128)
    quotient, left = pl.col("total") // UNIT, pl.col("total") % UNIT
    is_up = (left > UNIT // 2) | ((left == UNIT // 2) & (quotient % 2 == 1))
    rounded = quotient + is_up.cast(pl.Int128)
    return pl.DataFrame({"total": total}).select(rounded).to_series()


def as_money(units: _Units) -> _Units:
    """Convert whole numbers of 10^-12 USD to USD."""
    return (units.cast(pl.Decimal(38, 0)) * Decimal("1e-12")).cast(MONEY)


# How the columns of `PRICED` follow from what `Pricer.price_slice` finds: a reported
# cost takes precedence over a computed one.
_REPORTED = pl.col("reported").is_not_null()
_COMPUTED = ~_REPORTED & (pl.col("code") < 0)
_PRICED = {
    "cost": pl.coalesce("reported", pl.when(_COMPUTED).then(as_money(pl.col("units")))),
    "cost_source": pl.when(_REPORTED)
    .then(pl.lit("reported"))
    .when(_COMPUTED)
    .then(pl.lit("priced"))
    .otherwise(pl.lit("unpriced")),
    "price_date": pl.when(_COMPUTED & pl.col("dated")).then(
        pl.col("created").cast(MOMENT).dt.date()
    ),
    "reason": pl.when(~_REPORTED & ~_COMPUTED).then(
        pl.col("code").replace_strict(
            {reason.code: str(reason) for reason in Reason}, default=None
        )
    ),
}
