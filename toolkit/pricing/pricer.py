"""What each response cost: every distinct offer once, then whole columns, exactly.

Amounts are integers of 10^-12 USD. A rate of USD per million tokens with up to 18
decimals is a whole number of 10^-24 USD per token; it is kept in two halves of 64 bits,
so that sums stay exact. The few rows on which 64 bits could overflow are worked out in
Python's integers.
"""

from __future__ import annotations

import threading
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
import polars as pl
import pyarrow as pa

from toolkit.pricing.catalogue import find_offer
from toolkit.pricing.rates import Offer, Rates, Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from toolkit.pricing.price_file import PriceFile

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

MONEY = pl.Decimal(38, 12)
MOMENT = pl.Datetime("us", "UTC")
NAMES = ("provider", "model", "service_tier")
_COUNTS = (
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "prompt_audio_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "completion_audio_tokens",
)
NEEDED = (*NAMES, "created", *_COUNTS, "total_tokens", "reported_cost")
_SOURCES = ("reported", "priced", "unpriced")
PRICED = pl.Schema(
    {
        "cost": MONEY,
        "cost_source": pl.String(),
        "price_date": pl.Date(),
        "reason": pl.String(),
    }
)
_REASONS = tuple(Reason)
_UNIT = 10**12
_LARGEST_COUNT = 10**12
_LARGEST_REPORTED = 1e14
# Below it a double times 10^12 is nearest to the decimal that was written.
_SURELY_EXACT = 1000.0
# Sums of products in doubles stay below 2^63 with room for their error.
_LARGEST_SUM = 9e18
_DAY = 86_400
# Widths of the second half of a key: seconds since 1970, of a day, tokens of a prompt.
_TIME_BITS, _DAY_BITS, _LENGTH_BITS = 33, 17, 41
_ROWS = 1 << 19


class Leaves(NamedTuple):
    """The rates at the ends of all offers, as columns; a row is a leaf."""

    whole: Ints
    """10^-12 USD for each token of `COUNTS`, and the request."""
    rest: Ints
    """What is left of it, in 10^-24 USD."""
    reason: NDArray[np.int8]
    no_output: Bools
    overlap_in: Bools
    overlap_out: Bools


class Table(NamedTuple):
    """All offers flat: three sorted keys, each with where its values lead."""

    times: Ints
    hours: Ints
    lengths: Ints
    leaves: Leaves
    ends: Sequence[Rates | Reason]
    """What the leaves are made of."""
    changing: Bools
    """By offer: whether its price ever changes."""


class Pricer:
    """Knows the offers that it has met, and prices whole columns by them."""

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
        self.table: Table | None = None

    def offer(self, provider: str | None, model: str | None, tier: str | None) -> Offer:
        """Return what a model costs at all times: first what the file says."""
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

    def offers_of(self, frame: pl.DataFrame) -> tuple[Ints, Table]:
        """Return the number of each row's offer, and the table of all offers."""
        names = frame.select(pl.col(NAMES).cast(pl.String))
        distinct = names.unique()
        with self.lock:
            numbers = [self.number(row) for row in distinct.iter_rows()]
            table = self.table = self.table or _flat(list(self.numbers))
        if len(numbers) == 1:
            return np.full(frame.height, numbers[0], np.int64), table
        keyed = distinct.with_columns(pl.Series("~offer", numbers, pl.Int64))
        joined = names.join(
            keyed, on=NAMES, how="left", nulls_equal=True, maintain_order="left"
        )
        return joined["~offer"].to_numpy(), table

    def ends_of(self, frame: pl.DataFrame) -> list[Rates | Reason]:
        """Return the rates that hold for each row, or why there are none."""
        offers, table = self.offers_of(frame)
        seconds = frame["created"].cast(MOMENT).dt.epoch("s").fill_null(0).to_numpy()
        leaf = _leaf_of(table, offers, seconds, _count_of(frame["prompt_tokens"]))
        return [table.ends[place] for place in leaf.tolist()]

    def price(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Price rows as if each bore its usage: `PRICED`, in the order of the rows."""
        parts = [self.price_some(part) for part in frame.iter_slices(_ROWS)]
        return pl.concat(parts) if parts else PRICED.to_frame()

    def price_some(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Price as many rows as fit into the caches of a machine."""
        offers, table = self.offers_of(frame)
        created = frame["created"].cast(MOMENT).dt.epoch("s")
        dated = created.is_not_null().to_numpy()
        seconds = created.fill_null(0).to_numpy()
        counts = {name: _count_of(frame[name]) for name in _COUNTS}
        beside = _reasoning_beside(frame) & (counts["completion_tokens"] >= 0)
        billed = counts["completion_tokens"] + np.where(
            beside, counts["reasoning_tokens"], 0
        )
        counts = {**counts, "completion_tokens": billed}
        leaf = _leaf_of(table, offers, seconds, counts["prompt_tokens"])
        reason = table.leaves.reason[leaf].copy()
        reason[(reason < 0) & ~dated & table.changing[offers]] = _code(Reason.UNDATED)
        leaves = table.leaves
        lacking = leaves.no_output[leaf] & (billed > 0)
        reason[(reason < 0) & lacking] = _code(Reason.NO_RATE)
        wrong = _contradicting(frame, counts) | _overlapping(leaves, leaf, counts)
        reason[(reason < 0) & wrong] = _code(Reason.COUNTS)
        unseen = frame.select(
            pl.any_horizontal(pl.col("prompt_tokens", "completion_tokens").is_null())
        ).to_series()
        reason[unseen.to_numpy()] = _code(Reason.NO_USAGE)
        return _result(frame, _amounts(leaves, leaf, counts, reason < 0), reason, dated)


def _code(reason: Reason) -> int:
    """Return the number of a reason; -1 is none."""
    return _REASONS.index(reason)


def _count_of(counts: pl.Series) -> Ints:
    """Return counts as integers; one out of the contract's range is told by -1."""
    valid = counts.cast(pl.Int64).fill_null(0)
    inside = valid.is_between(0, _LARGEST_COUNT)
    return valid.zip_with(inside, pl.Series([-1])).to_numpy()


def _reasoning_beside(frame: pl.DataFrame) -> Bools:
    """Say where reasoning stands beside the completion: the total counts it too."""
    prompt, completion, reasoning, total = (
        pl.col(name).cast(pl.Float64)
        for name in (
            "prompt_tokens",
            "completion_tokens",
            "reasoning_tokens",
            "total_tokens",
        )
    )
    # Doubles are exact up to 2^53, and a count above 10^12 is refused elsewhere.
    sums = (reasoning > 0) & (prompt + completion + reasoning == total)
    return frame.select(sums.fill_null(value=False)).to_series().to_numpy()


def _contradicting(frame: pl.DataFrame, counts: dict[str, Ints]) -> Bools:
    """Say where the counts cannot all be true of one response."""
    prompt, completion = counts["prompt_tokens"], counts["completion_tokens"]
    total = frame["total_tokens"].is_not_null().to_numpy()
    wrong: Bools = total & (_count_of(frame["total_tokens"]) != prompt + completion)
    for count in counts.values():
        wrong |= count < 0
    # Some providers leave the cache out of the prompt: which part is it then?
    wrong |= counts["cached_tokens"] + counts["cache_write_tokens"] > prompt
    wrong |= counts["prompt_audio_tokens"] > prompt
    wrong |= counts["reasoning_tokens"] > completion
    wrong |= counts["completion_audio_tokens"] > completion
    return wrong


def _overlapping(leaves: Leaves, leaf: Ints, counts: dict[str, Ints]) -> Bools:
    """Say where two parts have rates of their own and may share tokens."""
    cache = counts["cached_tokens"] + counts["cache_write_tokens"]
    inside = leaves.overlap_in[leaf] & (counts["prompt_audio_tokens"] > 0) & (cache > 0)
    spoken = (counts["completion_audio_tokens"] > 0) & (counts["reasoning_tokens"] > 0)
    return inside | (leaves.overlap_out[leaf] & spoken)


def _flat(offers: Sequence[Offer]) -> Table:
    """Lay all offers out as sorted keys: offer and time, then hour, then length."""
    times: list[int] = []
    hours: list[int] = []
    lengths: list[int] = []
    ends: list[Rates | Reason] = []
    for number, offer in enumerate(offers):
        for start, bands in offer.pieces:
            piece = len(times)
            times.append(number << _TIME_BITS | start)
            for hour, steps in bands:
                band = len(hours)
                hours.append(piece << _DAY_BITS | hour)
                for length, end in steps:
                    lengths.append(band << _LENGTH_BITS | length)
                    ends.append(end)
    changing = [not offer.never_changes for offer in offers]
    return Table(
        np.array(times, np.int64),
        np.array(hours, np.int64),
        np.array(lengths, np.int64),
        _leaves_of(ends),
        ends,
        np.array(changing, np.bool_),
    )


def _leaves_of(ends: Sequence[Rates | Reason]) -> Leaves:
    """Turn rates into columns of integers."""
    halves = [[divmod(k, _UNIT) for k in _coefficients(end)] for end in ends]
    return Leaves(
        np.array([[whole for whole, _ in row] for row in halves], np.int64),
        np.array([[rest for _, rest in row] for row in halves], np.int64),
        np.array(
            [_code(end) if isinstance(end, Reason) else -1 for end in ends], np.int8
        ),
        np.array([isinstance(end, Rates) and end.output is None for end in ends]),
        np.array(
            [
                isinstance(end, Rates)
                and end.input_audio is not None
                and not (end.cached is None and end.cache_write is None)
                for end in ends
            ]
        ),
        np.array(
            [
                isinstance(end, Rates)
                and end.output_audio is not None
                and end.reasoning is not None
                for end in ends
            ]
        ),
    )


def _coefficients(end: Rates | Reason) -> list[int]:
    """Return what one token of each of `_COUNTS` adds, and the request: 10^-24 USD.

    A part with a rate of its own adds the difference to the whole that it is in.
    """
    if isinstance(end, Reason):
        return [0] * (len(_COUNTS) + 1)
    output = end.output or Decimal(0)
    rates = [
        end.input,
        *(
            Decimal(0) if part is None else _exactly(part, -end.input)
            for part in (end.cached, end.cache_write, end.input_audio)
        ),
        output,
        *(
            Decimal(0) if part is None else _exactly(part, -output)
            for part in (end.reasoning, end.output_audio)
        ),
    ]
    return [*(scaled(rate, 18) for rate in rates), scaled(end.request, 24)]


def _exactly(left: Decimal, right: Decimal) -> Decimal:
    """Add without rounding."""
    with localcontext(prec=60):
        return left + right


def scaled(amount: Decimal, digits: int) -> int:
    """Return an amount as an integer of so many decimals; what is finer is rounded."""
    with localcontext(prec=60):
        return int(amount.scaleb(digits).to_integral_value())


def _leaf_of(table: Table, offers: Ints, seconds: Ints, prompt: Ints) -> Ints:
    """Return the leaf for each row; each key is one binary search."""
    place = _find(table.times, offers, seconds, _TIME_BITS)
    place = _find(table.hours, place, seconds % _DAY, _DAY_BITS)
    return _find(table.lengths, place, np.maximum(prompt, 0), _LENGTH_BITS)


def _find(keys: Ints, first: Ints, second: Ints, bits: int) -> Ints:
    """Return the last key that is not above (first, second)."""
    if keys.size == 1:
        return np.zeros(first.size, np.int64)
    if (keys & ((1 << bits) - 1)).any():
        expected = first << bits | np.clip(second, 0, (1 << bits) - 1)
        return np.searchsorted(keys, expected, side="right") - 1
    # One key each: nothing is to be searched.
    return first


def _amounts(
    leaves: Leaves, leaf: Ints, counts: dict[str, Ints], expected: Bools
) -> tuple[Ints, dict[int, int]]:
    """Return amounts in 10^-12 USD, and apart those that 64 bits might not hold."""
    used = {
        number: np.where(expected, counts[name], 0)
        for number, name in enumerate(_COUNTS)
    }
    used = {number: count for number, count in used.items() if count.any()}
    large = np.flatnonzero(_too_large(leaves, leaf, used))
    whole = _added(leaves.whole, leaf, used)
    if leaves.rest.any():
        whole = _half_even(whole, _added(leaves.rest, leaf, used))
    apart = {
        int(row): _in_full(
            leaves, int(leaf[row]), [int(counts[n][row]) for n in _COUNTS]
        )
        for row in large
    }
    return whole, apart


def _added(rates: Ints, leaf: Ints, used: dict[int, Ints]) -> Ints:
    """Add up what tokens and request cost; what wraps is told by `_too_large`."""
    total = rates[:, -1][leaf]
    with np.errstate(over="ignore"):
        for number, count in used.items():
            total += np.ascontiguousarray(rates[:, number])[leaf] * count
    return total


def _too_large(leaves: Leaves, leaf: Ints, used: dict[int, Ints]) -> Bools:
    """Say which sums 64 bits might not hold; as a rule the largest tell of all."""
    large = np.zeros(leaf.size, np.bool_)
    for rates in (leaves.whole, leaves.rest):
        sizes = np.abs(rates).astype(np.float64)
        most = sizes.max(axis=0, initial=0)
        bound = most[-1] + sum(
            most[n] * float(count.max()) for n, count in used.items()
        )
        if bound > _LARGEST_SUM:
            size = sizes[leaf, -1] + sum(sizes[leaf, n] * c for n, c in used.items())
            large |= size > _LARGEST_SUM
    return large


def _half_even(whole: Ints, rest: Ints) -> Ints:
    """Add 10^-24 USD to 10^-12, a half to the even neighbour as decimals do."""
    carried, left = np.divmod(rest, _UNIT)
    total: Ints = whole + carried
    half = _UNIT // 2
    up: Bools = (left > half) | ((left == half) & (total % 2 == 1))
    return total + up.astype(np.int64)


def _in_full(leaves: Leaves, leaf: int, counts: list[int]) -> int:
    """Work out one amount in integers without bound."""
    rates = zip(leaves.whole[leaf].tolist(), leaves.rest[leaf].tolist(), strict=True)
    total = sum(
        (int(whole) * _UNIT + int(rest)) * count
        for (whole, rest), count in zip(rates, [*counts, 1], strict=True)
    )
    quotient, left = divmod(total, _UNIT)
    return quotient + int(2 * left > _UNIT or (2 * left == _UNIT and quotient % 2 == 1))


def _result(
    frame: pl.DataFrame,
    computed: tuple[Ints, dict[int, int]],
    reason: NDArray[np.int8],
    dated: Bools,
) -> pl.DataFrame:
    """Put what was reported before what was computed, and name where it is from."""
    units, apart = computed
    cost = frame["reported_cost"].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    with np.errstate(invalid="ignore", over="ignore"):
        reported = np.abs(cost) < _LARGEST_REPORTED
        rounded = np.rint(np.where(np.abs(cost) < _SURELY_EXACT, cost, 0) * _UNIT)
    units = np.where(reported, rounded.astype(np.int64, casting="unsafe"), units)
    apart = {row: amount for row, amount in apart.items() if not reported[row]}
    for row in np.flatnonzero(reported & (np.abs(cost) >= _SURELY_EXACT)):
        # The shortest decimal that reads as this double is what was written.
        apart[int(row)] = scaled(Decimal(repr(float(cost[row]))), 12)
    priced = ~reported & (reason < 0)
    source = np.where(reported, 0, np.where(priced, 1, 2))
    words = pl.Series(_SOURCES).gather(source)
    why = pl.Series([*_REASONS, None], dtype=pl.String).gather(
        np.where(reported | priced, len(_REASONS), reason)
    )
    date = frame["created"].cast(MOMENT).dt.date()
    return pl.DataFrame(
        {
            "cost": _money(units, apart, reported | priced),
            "cost_source": words,
            "price_date": date.zip_with(
                pl.Series(priced & dated), pl.Series([None], dtype=pl.Date)
            ),
            "reason": why,
        },
        schema=PRICED,
    )


def _money(units: Ints, apart: dict[int, int], valid: Bools) -> pl.Series:
    """Return integers of 10^-12 USD as decimals, without a float between."""
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
