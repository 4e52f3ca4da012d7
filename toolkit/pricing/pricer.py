"""Price whole columns of responses exactly; each distinct offer is looked up once.

Amounts are integers of 10^-12 USD. Those that might overflow 64 bits are computed with
Python's integers.
"""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import numpy as np
import polars as pl
import pyarrow as pa

from toolkit.expressions.vendors import providers_of
from toolkit.pricing.catalogue import find_offer
from toolkit.pricing.offers import (
    COUNTS,
    UNIT,
    OfferTable,
    RateTable,
    reason_code,
    scaled,
)
from toolkit.pricing.rates import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from toolkit.pricing.offers import Bools, Ints
    from toolkit.pricing.price_file import PriceFile
    from toolkit.pricing.rates import Offer, Rates

MONEY = pl.Decimal(38, 12)
MOMENT = pl.Datetime("us", "UTC")
NAMES = ("provider", "model", "service_tier")
NEEDED = (*NAMES, "created", *COUNTS, "total_tokens", "reported_cost")
# How a response was billed; the same tokens elsewhere would be billed otherwise.
AS_BILLED = ("processing", "served_by", "upstream_cost", "is_byok", "cache_hit")
# Columns that a frame may lack: their values then count as null.
_OPTIONAL = (
    *AS_BILLED,
    *("search_context_size", "citation_tokens", "web_searches", "search_sources"),
    *("cache_write_1h_tokens", "prompt_image_tokens", "completion_image_tokens"),
)
_SOURCES = ("reported", "priced", "unpriced")
PRICED = pl.Schema(
    {
        "cost": MONEY,
        "cost_source": pl.String(),
        "price_date": pl.Date(),
        "reason": pl.String(),
    }
)
_LARGEST_COUNT = 10**12
_LARGEST_REPORTED = 1e14
# Below it, a double times 10^12 rounds to the decimal that was written.
_SURELY_EXACT = 1000.0
# Below it, a sum computed in doubles is surely below 2^63.
_LARGEST_SUM = 9e18
# Rows that are priced at once: their columns fit into the cache of a processor.
_ROWS = 1 << 19


def priced_by(frame: pl.DataFrame | pl.LazyFrame) -> list[str]:
    """Return the columns that costs are computed from, of those that a frame has."""
    names = frame.collect_schema().names()
    return [*NEEDED, *(name for name in _OPTIONAL if name in names)]


class Pricer:
    """Price columns of responses, and remember the offers that were looked up."""

    def __init__(
        self,
        prices: PriceFile,
        find: Callable[[str | None, str | None, str | None], Offer] = find_offer,
    ) -> None:
        self.prices = prices
        self.find = find
        self.lock = threading.Lock()
        self.known: dict[tuple[str | None, str | None, str | None], int] = {}
        self.numbers: dict[Offer, int] = {}
        self.table: OfferTable | None = None

    def offer(self, provider: str | None, model: str | None, tier: str | None) -> Offer:
        """Return the offer for a model; prices of the price file take precedence."""
        found = self.find(provider, model, tier)
        return self.prices.overlay(found, provider, model, tier)

    def number(self, names: tuple[str | None, str | None, str | None]) -> int:
        """Return the number of the offer for a provider, a model and a tier."""
        if names not in self.known:
            offer = self.offer(*names)
            if offer not in self.numbers:
                self.numbers[offer] = len(self.numbers)
                self.table = None
            self.known[names] = self.numbers[offer]
        return self.known[names]

    def find_offers(self, frame: pl.DataFrame) -> tuple[Ints, OfferTable]:
        """Return the number of each row's offer, and the table of all offers."""
        served = providers_of(frame, self.prices.provider)
        names = frame.select(served, pl.col(NAMES[1:]).cast(pl.String))
        distinct = names.unique()
        with self.lock:
            numbers = [self.number(row) for row in distinct.iter_rows()]
            table = self.table = self.table or OfferTable.build(list(self.numbers))
        if len(numbers) == 1:
            return np.full(frame.height, numbers[0], np.int64), table
        keyed = distinct.with_columns(pl.Series("~offer", numbers, pl.Int64))
        joined = names.join(
            keyed, on=NAMES, how="left", nulls_equal=True, maintain_order="left"
        )
        return joined["~offer"].to_numpy(), table

    def find_rates(self, frame: pl.DataFrame) -> list[Rates | Reason]:
        """Return the rates for each row, or the reason why there are none."""
        offers, table = self.find_offers(frame)
        seconds = frame["created"].cast(MOMENT).dt.epoch("s").fill_null(0).to_numpy()
        places = table.find(offers, seconds, _count_of(frame["prompt_tokens"]))
        return [table.ends[place] for place in places.tolist()]

    def price(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Price each row by its own usage; return `PRICED` in the order of the rows."""
        parts = [self.price_slice(part) for part in frame.iter_slices(_ROWS)]
        return pl.concat(parts) if parts else PRICED.to_frame()

    def price_slice(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Price a slice of rows."""
        offers, table = self.find_offers(frame)
        created = frame["created"].cast(MOMENT).dt.epoch("s")
        dated = created.is_not_null().to_numpy()
        seconds = created.fill_null(0).to_numpy()
        counts = {name: _count_of(frame[name]) for name in COUNTS}
        beside = _reasoning_beside(frame) & (counts["completion_tokens"] >= 0)
        billed = counts["completion_tokens"] + np.where(
            beside, counts["reasoning_tokens"], 0
        )
        counts = {**counts, "completion_tokens": billed}
        place = table.find(offers, seconds, counts["prompt_tokens"])
        rates = table.rates
        reason = rates.reason[place].copy()
        undated = ~dated & table.changing[offers]
        reason[(reason < 0) & undated] = reason_code(Reason.UNDATED)
        lacking = rates.no_output[place] & (billed > 0)
        reason[(reason < 0) & lacking] = reason_code(Reason.NO_RATE)
        wrong = _contradicting(frame, counts) | _overlapping(rates, place, counts)
        reason[(reason < 0) & wrong] = reason_code(Reason.COUNTS)
        unseen = frame["prompt_tokens"].is_null() | frame["completion_tokens"].is_null()
        reason[unseen.to_numpy()] = reason_code(Reason.NO_USAGE)
        amounts = _amounts(rates, place, counts, reason < 0)
        return _result(frame, amounts, reason, dated)


def _count_of(counts: pl.Series) -> Ints:
    """Return counts as integers; those outside the allowed range are -1."""
    valid = counts.cast(pl.Int64).fill_null(0)
    inside = valid.is_between(0, _LARGEST_COUNT)
    return valid.zip_with(inside, pl.Series([-1])).to_numpy()


def _reasoning_beside(frame: pl.DataFrame) -> Bools:
    """Return where reasoning tokens are not part of the completion tokens.

    The total counts them too.
    """
    prompt, completion, reasoning, total = (
        pl.col(f"{name}_tokens").cast(pl.Float64)
        for name in ("prompt", "completion", "reasoning", "total")
    )
    # Doubles are exact up to 2^53, and counts above 10^12 are not priced.
    sums = (reasoning > 0) & (prompt + completion + reasoning == total)
    return frame.select(sums.fill_null(value=False)).to_series().to_numpy()


def _contradicting(frame: pl.DataFrame, counts: dict[str, Ints]) -> Bools:
    """Return where the counts contradict each other."""
    prompt, completion = counts["prompt_tokens"], counts["completion_tokens"]
    total = frame["total_tokens"].is_not_null().to_numpy()
    wrong: Bools = total & (_count_of(frame["total_tokens"]) != prompt + completion)
    for count in counts.values():
        wrong |= count < 0
    # Some providers do not count cached tokens as part of the prompt.
    wrong |= counts["cached_tokens"] + counts["cache_write_tokens"] > prompt
    wrong |= counts["prompt_audio_tokens"] > prompt
    wrong |= counts["reasoning_tokens"] > completion
    wrong |= counts["completion_audio_tokens"] > completion
    return wrong


def _overlapping(rates: RateTable, place: Ints, counts: dict[str, Ints]) -> Bools:
    """Return where two kinds of tokens with their own rates may overlap."""
    cache = counts["cached_tokens"] + counts["cache_write_tokens"]
    inside = rates.overlap_in[place] & (counts["prompt_audio_tokens"] > 0) & (cache > 0)
    spoken = (counts["completion_audio_tokens"] > 0) & (counts["reasoning_tokens"] > 0)
    return inside | (rates.overlap_out[place] & spoken)


def _amounts(
    rates: RateTable, place: Ints, counts: dict[str, Ints], priced: Bools
) -> tuple[Ints, dict[int, int]]:
    """Return amounts in 10^-12 USD, and separately those that may overflow."""
    used = {
        number: np.where(priced, counts[name], 0) for number, name in enumerate(COUNTS)
    }
    used = {number: count for number, count in used.items() if count.any()}
    large = np.flatnonzero(_may_overflow(rates, place, used))
    whole = _sum_products(rates.whole, place, used)
    if rates.rest.any():
        whole = _half_even(whole, _sum_products(rates.rest, place, used))
    apart = {
        int(row): _in_full(
            rates, int(place[row]), [int(counts[n][row]) for n in COUNTS]
        )
        for row in large
    }
    return whole, apart


def _sum_products(rates: Ints, place: Ints, used: dict[int, Ints]) -> Ints:
    """Sum the costs of tokens and request; `_may_overflow` finds what overflows."""
    total = rates[:, -1][place]
    with np.errstate(over="ignore"):
        for number, count in used.items():
            total += np.ascontiguousarray(rates[:, number])[place] * count
    return total


def _may_overflow(rates: RateTable, place: Ints, used: dict[int, Ints]) -> Bools:
    """Return which sums may overflow 64 bits."""
    large = np.zeros(place.size, np.bool_)
    for half in (rates.whole, rates.rest):
        sizes = np.abs(half).astype(np.float64)
        most = sizes.max(axis=0, initial=0)
        bound = most[-1] + sum(
            most[n] * float(count.max()) for n, count in used.items()
        )
        if bound > _LARGEST_SUM:
            size = sizes[place, -1] + sum(sizes[place, n] * c for n, c in used.items())
            large |= size > _LARGEST_SUM
    return large


def _half_even(whole: Ints, rest: Ints) -> Ints:
    """Add 10^-24 USD to 10^-12 USD, rounding half to even."""
    carried, left = np.divmod(rest, UNIT)
    total: Ints = whole + carried
    half = UNIT // 2
    up: Bools = (left > half) | ((left == half) & (total % 2 == 1))
    return total + up.astype(np.int64)


def _in_full(rates: RateTable, place: int, counts: list[int]) -> int:
    """Compute one amount with Python's integers."""
    halves = zip(rates.whole[place].tolist(), rates.rest[place].tolist(), strict=True)
    total = sum(
        (int(whole) * UNIT + int(rest)) * count
        for (whole, rest), count in zip(halves, [*counts, 1], strict=True)
    )
    quotient, left = divmod(total, UNIT)
    return quotient + int(2 * left > UNIT or (2 * left == UNIT and quotient % 2 == 1))


def _result(
    frame: pl.DataFrame,
    computed: tuple[Ints, dict[int, int]],
    reason: NDArray[np.int8],
    dated: Bools,
) -> pl.DataFrame:
    """Return `PRICED`; reported costs take precedence over computed ones."""
    units, apart = computed
    cost = frame["reported_cost"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    with np.errstate(invalid="ignore", over="ignore"):
        reported = np.abs(cost) < _LARGEST_REPORTED
        rounded = np.rint(np.where(np.abs(cost) < _SURELY_EXACT, cost, 0) * UNIT)
    units = np.where(reported, rounded.astype(np.int64, casting="unsafe"), units)
    apart = {row: amount for row, amount in apart.items() if not reported[row]}
    for row in np.flatnonzero(reported & (np.abs(cost) >= _SURELY_EXACT)):
        # The shortest decimal of this double is what was written.
        apart[int(row)] = scaled(Decimal(repr(float(cost[row]))), 12)
    priced = ~reported & (reason < 0)
    source = np.where(reported, 0, np.where(priced, 1, 2))
    reasons = tuple(Reason)
    why = pl.Series([*reasons, None], dtype=pl.String).gather(
        np.where(reported | priced, len(reasons), reason)
    )
    date = frame["created"].cast(MOMENT).dt.date()
    return pl.DataFrame(
        {
            "cost": _money(units, apart, reported | priced),
            "cost_source": pl.Series(_SOURCES).gather(source),
            "price_date": date.zip_with(
                pl.Series(priced & dated), pl.Series([None], dtype=pl.Date)
            ),
            "reason": why,
        },
        schema=PRICED,
    )


def _money(units: Ints, apart: dict[int, int], valid: Bools) -> pl.Series:
    """Convert integers of 10^-12 USD to decimals, without floats."""
    halves = np.empty((units.size, 2), np.int64)
    halves[:, 0] = units
    halves[:, 1] = units >> 63
    for row, amount in apart.items():
        low = amount & ((1 << 64) - 1)
        halves[row] = low - ((low >> 63) << 64), amount >> 64
    bits = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
    buffers = [bits, pa.py_buffer(halves)]
    array = pa.Array.from_buffers(pa.decimal128(38, 12), units.size, buffers)
    return cast("pl.Series", pl.from_arrow(array))
