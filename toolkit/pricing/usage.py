"""Read the counts of responses as they are billed, and what they report as cost."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import polars as pl

from toolkit.pricing.offers import COUNTS, PLACES, UNIT, scaled
from toolkit.pricing.rates import CACHED_AUDIO, KINDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.pricing.offers import Bools, Ints, RateTable

_LARGEST_COUNT = 10**12
_LARGEST_REPORTED = 1e14
# Below it, a double times 10^12 rounds to the decimal that was written.
_SURELY_EXACT = 1000.0
_INPUT, _OUTPUT = ("prompt_tokens", "completion_tokens")
_DETAILS = (
    *("prompt_audio_tokens", "prompt_image_tokens"),
    *("completion_audio_tokens", "completion_image_tokens", "reasoning_tokens"),
)
# Tokens that may also be audio or images.
_OVERLAPS = ("cached_tokens", "cache_write_tokens", "reasoning_tokens")


class Usage(NamedTuple):
    """The counts of rows as they are billed; those that are all zero are left out.

    Then where no tokens are reported; where the counts contradict each other, whatever
    the rates are; where there is a total; and where that shows thinking.
    """

    counts: dict[str, Ints]
    is_missing: Bools
    is_wrong: Bools
    has_total: Bools
    has_thinking: Bools

    @classmethod
    def of(cls, frame: pl.DataFrame, hides_thinking: Bools) -> Usage:
        """Read the counts of a frame.

        The total may show that reasoning or the cache is counted beside the completion
        or the prompt, or that there was reasoning. It is then added, as it is billed.
        """
        counts = {
            name: count
            for name in COUNTS
            if name in frame.columns and frame[name].null_count() < frame.height
            if (count := _count_of(frame[name])).any()
        }
        nothing = np.zeros(frame.height, np.int64)
        wrong: Bools = np.any([count < 0 for count in (nothing, *counts.values())], 0)
        prompt, completion, reasoning, written, cached, hour = (
            counts.get(name, nothing)
            for name in (_INPUT, _OUTPUT, *reversed(_OVERLAPS), "cache_write_1h_tokens")
        )
        has_total = frame["total_tokens"].is_not_null().to_numpy()
        apart = np.where(
            has_total, _count_of(frame["total_tokens"]) - prompt - completion, 0
        )
        unseen = frame[_INPUT].is_null() | frame[_OUTPUT].is_null()
        nothing_used = (prompt == 0) & (completion == 0) & (apart == 0)
        hidden = hides_thinking & (prompt > 0)
        thinking = (apart > 0) & ((apart == reasoning) | hidden)
        beside = (apart > 0) & (apart == cached + written)
        wrong |= (apart != 0) & (thinking == beside)
        if thinking.any():
            counts["reasoning_tokens"] = np.where(thinking, apart, reasoning)
        counts[_OUTPUT] = completion + np.where(thinking, apart, 0)
        counts[_INPUT] = prompt + np.where(beside & ~thinking, apart, 0)
        wrong |= (cached + written > counts[_INPUT]) | (hour > written)
        missing = unseen.to_numpy() | nothing_used
        return cls(counts, missing, wrong, has_total, thinking)

    def contradicts(self, rates: RateTable, place: Ints) -> Bools:
        """Return where the counts contradict each other, at the rates of each row.

        A detail that is not charged apart may exceed its whole, if the total is known.
        """
        counts, wrong = self.counts, self.is_wrong.copy()
        apart = rates.reasoning_apart[place]
        wrong |= self.has_thinking & apart
        for name in counts.keys() & set(_DETAILS):
            whole = KINDS[name].whole
            differs = rates.differs[place, PLACES[name]]
            beyond = counts[name] > counts[whole]
            wrong |= beyond & ((differs & ~apart) | ~self.has_total)
            for other in counts.keys() & set(_OVERLAPS) - {name}:
                if KINDS[other].whole == whole:
                    both = (counts[name] > 0) & (counts[other] > 0)
                    differ = differs & rates.differs[place, PLACES[other]]
                    wrong |= both & differ & ~self._is_split(name, other, rates, place)
        return wrong

    def _is_split(self, name: str, other: str, rates: RateTable, place: Ints) -> Bools:
        """Return where all audio was read from a cache, or all that was is audio.

        If that has a rate, it is counted.
        """
        part, prompt = self.counts[other], self.counts[_INPUT]
        split = rates.splits_audio[place] & (name == "prompt_audio_tokens")
        split &= (other == "cached_tokens") & (
            (part == prompt) | (self.counts[name] == prompt)
        )
        if split.any():
            both = np.minimum(part, self.counts[name])
            self.counts[CACHED_AUDIO] = np.where(split, both, 0)
        return split


def _count_of(counts: pl.Series) -> Ints:
    """Return counts as integers; those outside the allowed range are -1."""
    whole = counts.cast(pl.Int64).fill_null(0).to_numpy()
    if not whole.size or (whole.min() >= 0 and whole.max() <= _LARGEST_COUNT):
        return whole
    return np.where((whole >= 0) & (whole <= _LARGEST_COUNT), whole, -1)


class Reported(NamedTuple):
    """What responses report as cost, in 10^-12 USD.

    Then where it is known, where it is negative, where a part of it is missing (the fee
    for a response that was paid with the user's own key, or its price), and where the
    answer is from the cache of a proxy.
    """

    units: pl.Series
    is_known: Bools
    is_negative: Bools
    lacks_part: Bools
    from_cache: Bools

    @classmethod
    def of(cls, frame: pl.DataFrame, lacks_usage: Bools) -> Reported:
        """Read the costs that a frame reports.

        Without usage, a cost of 0 is a placeholder. Beside a bill of the provider
        behind a router it means the user's own key, unless the line denies that.
        """
        cost = _values(frame, "reported_cost", np.nan)
        hit = _values(frame, "cache_hit", missing=False)
        cost = np.where(hit & np.isnan(cost), 0, cost)
        billed = _values(frame, "upstream_cost", np.nan)
        is_zero = (cost == 0) & ~hit
        cost = np.where(is_zero & lacks_usage & ~(billed > 0), np.nan, cost)
        own_key = _values(frame, "is_byok", missing=False)
        own_key = own_key | (
            is_zero & (billed > 0) & _values(frame, "is_byok", missing=True)
        )
        upstream = np.where(own_key, billed, 0)
        parts = np.stack([cost, upstream])[: 1 + own_key.any()]
        with np.errstate(invalid="ignore"):
            usable = np.abs(parts) < _LARGEST_REPORTED
            negative = (usable & (parts < 0)).any(axis=0)
        known = usable.all(axis=0) & ~negative
        small = np.where(known, np.minimum(parts, _SURELY_EXACT), 0)
        units = pl.Series(np.rint(small * UNIT).astype(np.int64).sum(axis=0))
        units = units.cast(pl.Int128)
        large = np.flatnonzero(known & (parts >= _SURELY_EXACT).any(axis=0))
        if large.size:
            # The shortest decimal of a double is what was written.
            texts = [[repr(float(part)) for part in parts[:, row]] for row in large]
            exact = [sum(scaled(Decimal(text), 12) for text in row) for row in texts]
            units = units.scatter(large, pl.Series(exact, dtype=pl.Int128))
        return cls(units, known, negative, own_key & ~known & ~negative, hit)

    def except_where(self, priced: Bools) -> Reported:
        """Return what is reported, but not where another price takes precedence."""
        kept = ~priced | self.from_cache
        return Reported(self.units, *(flag & kept for flag in self[1:]))


def _values(frame: pl.DataFrame, name: str, missing: float) -> NDArray[Any]:
    """Return the values of a column that a frame may lack."""
    column = frame.get_column(name, default=None)
    if column is None or column.null_count() == frame.height:
        return np.full(frame.height, missing)
    values: NDArray[Any] = column.cast(type(missing)).fill_null(missing).to_numpy()
    return values
