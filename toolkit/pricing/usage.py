"""Read the counts of responses as they are billed, and what they report as cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from toolkit.expressions.choices import MONEY
from toolkit.pricing.offers import COUNTS, PLACES
from toolkit.pricing.rates import CACHED_AUDIO, KINDS, Reason

if TYPE_CHECKING:
    from toolkit.pricing.offers import Bools, OfferTable
    from toolkit.pricing.rates import Ints

_LARGEST_COUNT = 10**12
_LARGEST_REPORTED = 1e14
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

    def contradicts(self, table: OfferTable, place: Ints) -> Bools:
        """Return where the counts contradict each other, at the rates of each row.

        A detail that is not charged apart may exceed its whole, if the total is known.
        """
        counts, wrong = self.counts, self.is_wrong.copy()
        apart = table.reasoning_apart[place]
        wrong |= self.has_thinking & apart
        for name in counts.keys() & set(_DETAILS):
            whole = KINDS[name].whole
            differs = table.differs[place, PLACES[name]]
            beyond = counts[name] > counts[whole]
            wrong |= beyond & ((differs & ~apart) | ~self.has_total)
            for other in counts.keys() & set(_OVERLAPS) - {name}:
                if KINDS[other].whole == whole:
                    both = (counts[name] > 0) & (counts[other] > 0)
                    differ = differs & table.differs[place, PLACES[other]]
                    wrong |= both & differ & ~self._is_split(name, other, table, place)
        return wrong

    def _is_split(self, name: str, other: str, table: OfferTable, place: Ints) -> Bools:
        """Return where all audio was read from a cache, or all that was is audio.

        If that has a rate, it is counted.
        """
        part, prompt = self.counts[other], self.counts[_INPUT]
        split = table.splits_audio[place] & (name == "prompt_audio_tokens")
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


def reported_costs(frame: pl.DataFrame, lacks_usage: Bools) -> pl.DataFrame:
    """Return what responses report as cost.

    Returns
    -------
    pl.DataFrame
        `reported`, the cost, null where it is not known; `problem`, the code of the
        reason why one is negative, or lacks a part (the fee for a response that was
        paid with the user's own key, or its price); `from_cache`, whether the answer is
        from the cache of a proxy.

    Notes
    -----
    Without usage, a cost of 0 is a placeholder. Beside a bill of the provider behind a
    router it means the user's own key, unless the line denies that.
    """
    from_cache = _column(frame, "cache_hit", pl.Boolean()).fill_null(False)
    cost = _column(frame, "reported_cost", pl.Float64()).fill_nan(None)
    upstream = _column(frame, "upstream_cost", pl.Float64()).fill_nan(None)
    is_billed = (upstream > 0).fill_null(False)
    is_zero = (cost == 0).fill_null(False) & ~from_cache
    is_placeholder = is_zero & pl.Series(lacks_usage) & ~is_billed
    own_key = _column(frame, "is_byok", pl.Boolean()).fill_null(is_zero & is_billed)
    fee = pl.when(~is_placeholder).then(
        pl.coalesce(cost, pl.when(from_cache).then(0.0))
    )
    parts = (fee, pl.when(own_key).then(upstream).otherwise(0.0))
    usable = [(part.abs() < _LARGEST_REPORTED).fill_null(False) for part in parts]
    is_negative = pl.any_horizontal(
        is_usable & (part < 0) for is_usable, part in zip(usable, parts, strict=True)
    )
    is_known = pl.all_horizontal(usable) & ~is_negative
    # The shortest decimal of a double is what was written.
    fees, bills = (
        pl.when(is_known & is_part).then(part).cast(pl.String).cast(MONEY)
        for part, is_part in ((fee, pl.lit(True)), (upstream, own_key))
    )
    lacks_part = own_key & ~is_known
    problem = pl.when(is_negative).then(Reason.NEGATIVE.code)
    return frame.select(
        reported=(fees + bills.fill_null(0)).cast(MONEY),
        problem=problem.when(lacks_part).then(Reason.OWN_KEY.code),
        from_cache=from_cache,
    )


def _column(frame: pl.DataFrame, name: str, dtype: pl.DataType) -> pl.Expr:
    """Return a column that a frame may lack."""
    column = pl.col(name) if name in frame.columns else pl.lit(None)
    return column.cast(dtype)
