"""Read the counts of responses as they are billed, and what they report as cost."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from toolkit.pricing.offers import CACHED_AUDIO, COUNTS, PLACES, UNIT, scaled

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.pricing.offers import Bools, Ints, RateTable

_LARGEST_COUNT = 10**12
_LARGEST_REPORTED = 1e14
# Below it, a double times 10^12 rounds to the decimal that was written.
_SURELY_EXACT = 1000.0
# Tokens with a rate of their own that may be the same tokens.
_OVERLAPS = (
    ("cached_tokens", "prompt_audio_tokens"),
    ("cached_tokens", "prompt_image_tokens"),
    ("cache_write_tokens", "prompt_audio_tokens"),
    ("cache_write_tokens", "prompt_image_tokens"),
    ("reasoning_tokens", "completion_audio_tokens"),
    ("reasoning_tokens", "completion_image_tokens"),
)
_DETAILS = {
    "prompt_audio_tokens": "prompt_tokens",
    "prompt_image_tokens": "prompt_tokens",
    "completion_audio_tokens": "completion_tokens",
    "completion_image_tokens": "completion_tokens",
    "reasoning_tokens": "completion_tokens",
}


class Usage(NamedTuple):
    """The counts of rows as they are billed; those that are all zero are left out."""

    counts: dict[str, Ints]
    is_missing: Bools
    """Where no tokens are reported."""
    is_wrong: Bools
    """Where the counts contradict each other, whatever the rates are."""
    has_total: Bools
    has_thinking: Bools
    """Where reasoning was counted beside the completion."""

    @classmethod
    def of(cls, frame: pl.DataFrame, hides_thinking: Bools) -> Usage:
        """Read the counts of a frame.

        The total may show that reasoning or the cache is counted beside the completion
        or the prompt, or that there was reasoning. It is then added, as it is billed.
        """
        counts = {
            name: _count_of(frame[name])
            for name in COUNTS
            if name in frame.columns and frame[name].null_count() < frame.height
        }
        counts = {name: count for name, count in counts.items() if count.any()}
        nothing = np.zeros(frame.height, np.int64)
        prompt = counts.setdefault("prompt_tokens", nothing)
        completion = counts.setdefault("completion_tokens", nothing)
        total = frame["total_tokens"]
        has_total = total.is_not_null().to_numpy()
        wrong: Bools = np.any([count < 0 for count in counts.values()], axis=0)
        cached, written, reasoning, hour = (
            counts.get(f"{name}_tokens", nothing)
            for name in ("cached", "cache_write", "reasoning", "cache_write_1h")
        )
        apart = np.where(has_total, _count_of(total) - prompt - completion, 0)
        unseen = frame.select(
            pl.any_horizontal(pl.col("prompt_tokens", "completion_tokens").is_null())
        )
        missing = unseen.to_series().to_numpy() | (
            (prompt == 0) & (completion == 0) & (apart == 0)
        )
        thinking = np.zeros(frame.height, np.bool_)
        if apart.any():
            thinking = (apart > 0) & ((apart == reasoning) | hides_thinking)
            thinking &= prompt > 0
            beside = (apart > 0) & (apart == cached + written)
            counts["reasoning_tokens"] = np.where(thinking, apart, reasoning)
            counts["completion_tokens"] = completion + np.where(thinking, apart, 0)
            counts["prompt_tokens"] = prompt + np.where(beside & ~thinking, apart, 0)
            wrong |= (apart != 0) & (thinking == beside)
        wrong |= (cached + written > counts["prompt_tokens"]) | (hour > written)
        return cls(counts, missing, wrong, has_total, thinking)

    def add_cached_audio(self, rates: RateTable, place: Ints) -> None:
        """Count audio that was read from a cache, where it has a rate and follows.

        It follows where all of the prompt is audio, or all was read from a cache.
        """
        cached, audio = (self.counts.get(name) for name in _OVERLAPS[0])
        if cached is not None and audio is not None:
            prompt = self.counts["prompt_tokens"]
            split = rates.splits_audio[place] & ((cached == prompt) | (audio == prompt))
            self.counts[CACHED_AUDIO] = np.where(split, np.minimum(cached, audio), 0)

    def contradicts(self, rates: RateTable, place: Ints) -> Bools:
        """Return where the counts contradict each other, at the rates of each row.

        A detail that is not charged apart may exceed its whole, if the total is known.
        """
        counts, wrong = self.counts, self.is_wrong.copy()
        differs = {name: rates.differs[:, PLACES[name]] for name in counts}
        wrong |= self.has_thinking & rates.reasoning_apart[place]
        for name, whole in _DETAILS.items():
            if name in counts:
                charged = differs[name][place] & ~rates.reasoning_apart[place]
                wrong |= (counts[name] > counts[whole]) & (charged | ~self.has_total)
        for one, other in _OVERLAPS:
            if one in counts and other in counts:
                both = (counts[one] > 0) & (counts[other] > 0)
                wrong |= (
                    both
                    & (differs[one] & differs[other])[place]
                    & ((counts[CACHED_AUDIO] == 0) if CACHED_AUDIO in counts else True)
                )
        return wrong


def _count_of(counts: pl.Series) -> Ints:
    """Return counts as integers; those outside the allowed range are -1."""
    valid = counts.cast(pl.Int64).fill_null(0)
    inside = valid.is_between(0, _LARGEST_COUNT)
    return valid.zip_with(inside, pl.Series([-1])).to_numpy()


class Reported(NamedTuple):
    """What responses report as cost, in 10^-12 USD."""

    units: Ints
    large: dict[int, int]
    """By row, the amounts that are too large for a double."""
    is_known: Bools
    is_negative: Bools
    lacks_part: Bools
    """Where the model's provider sends a bill of its own, or the fee is missing."""

    @classmethod
    def of(cls, frame: pl.DataFrame) -> Reported:
        """Read the costs that a frame reports."""
        cost = _floats_of(frame, "reported_cost")
        own_key, hit = _flags_of(frame, "is_byok"), _flags_of(frame, "cache_hit")
        cost = np.where(hit & np.isnan(cost), 0, cost)
        parts = [cost]
        if own_key.any():
            upstream = _floats_of(frame, "upstream_cost")
            parts.append(np.where(own_key, upstream, 0))
        with np.errstate(invalid="ignore"):
            usable = [np.abs(part) < _LARGEST_REPORTED for part in parts]
            negative: Bools = np.any(
                [here & (part < 0) for here, part in zip(usable, parts, strict=True)], 0
            )
        known: Bools = np.all(usable, axis=0) & ~negative
        units = np.zeros(frame.height, np.int64)
        large: dict[int, int] = {}
        for part in parts:
            small = np.where(known, np.minimum(part, _SURELY_EXACT), 0)
            units += np.rint(small * UNIT).astype(np.int64)
        above = np.any([part >= _SURELY_EXACT for part in parts], 0)
        for row in np.flatnonzero(known & above):
            # The shortest decimal of a double is what was written.
            amounts = [Decimal(repr(float(part[row]))) for part in parts]
            large[int(row)] = sum(scaled(amount, 12) for amount in amounts)
        return cls(units, large, known, negative, own_key & ~known & ~negative)

    def except_where(self, priced: Bools) -> Reported:
        """Return what is reported, but not where another price takes precedence."""
        large = {row: units for row, units in self.large.items() if not priced[row]}
        return Reported(self.units, large, *(flag & ~priced for flag in self[2:]))


def _floats_of(frame: pl.DataFrame, name: str) -> NDArray[np.float64]:
    """Return amounts as doubles; NaN where there are none."""
    if name not in frame.columns:
        return np.full(frame.height, np.nan)
    return frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _flags_of(frame: pl.DataFrame, name: str) -> Bools:
    """Return where a column is true."""
    if name not in frame.columns:
        return np.zeros(frame.height, np.bool_)
    return frame[name].cast(pl.Boolean).fill_null(value=False).to_numpy()
