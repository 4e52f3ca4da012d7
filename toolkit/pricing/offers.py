"""All offers as sorted arrays, in which the rates for many rows are found at once.

A rate of USD per million tokens with up to 18 decimals is a whole number of 10^-24 USD
per token; it is stored in two halves of 64 bits, so that sums are exact.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from toolkit.pricing.rates import WEEK, Offer, Rates, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

# Audio that was read from a cache: no provider reports it, but sometimes it follows.
CACHED_AUDIO = "cached_audio_tokens"
# What is counted, and its rate; tokens that are part of others add the difference.
_RATE_OF = {
    "prompt_tokens": "input",
    "cached_tokens": "cached",
    "cache_write_tokens": "cache_write",
    "prompt_audio_tokens": "input_audio",
    "completion_tokens": "output",
    "reasoning_tokens": "reasoning",
    "completion_audio_tokens": "output_audio",
    "cache_write_1h_tokens": "cache_write_1h",
    "prompt_image_tokens": "input_image",
    "completion_image_tokens": "output_image",
    "citation_tokens": "citation",
    "web_searches": "web_search",
    "search_sources": "search_source",
    CACHED_AUDIO: "cached_audio",
    "requests": "request",
}
PLACES = {count: place for place, count in enumerate(_RATE_OF)}
COUNTS = tuple(_RATE_OF)[:-2]
# A frame may lack the other columns.
REQUIRED_COUNTS = COUNTS[:7]
# Kinds that are never charged at the rate of what they are part of.
_APART = {
    *("output", "output_audio", "output_image", "citation"),
    *("input_audio", "cache_write_1h", "web_search", "search_source"),
}
_PER_UNIT = ("web_search", "search_source", "request")
UNIT = 10**12
# Widths of the second half of a key: seconds since 1970, of a week, tokens of a prompt.
_TIME_BITS, _WEEK_BITS, _LENGTH_BITS = 33, 20, 41


class RateTable(NamedTuple):
    """The rates of all offers, as columns."""

    whole: Ints
    """10^-12 USD for each of `PLACES`."""
    rest: Ints
    """The remainder, in 10^-24 USD."""
    differs: Bools
    """For each of `PLACES`, whether a token costs more or less than its whole."""
    lacks: Bools
    """For each of `PLACES`, whether what it costs is not known."""
    reason: NDArray[np.int8]
    """Why there is no rate; -1 if there is one."""
    reasoning_apart: Bools
    own: Bools
    splits_audio: Bools
    """Whether audio that was read from a cache has a rate."""

    @classmethod
    def build(cls, ends: Sequence[Rates | Reason]) -> RateTable:
        """Convert rates to columns of integers."""
        free = Rates(Decimal(0), Decimal(0))
        rates = [end if isinstance(end, Rates) else free for end in ends]
        amounts = [[divmod(k, UNIT) for k in _coefficients(one)] for one in rates]
        halves = np.array(amounts, np.int64).reshape(len(rates), len(PLACES), 2)
        return cls(
            np.ascontiguousarray(halves[:, :, 0]),
            np.ascontiguousarray(halves[:, :, 1]),
            (halves != 0).any(axis=2),
            np.array([_unknown_kinds(one) for one in rates]),
            np.array(
                [reason_code(end) if isinstance(end, Reason) else -1 for end in ends],
                np.int8,
            ),
            np.array([one.reasoning_apart for one in rates]),
            np.array([one.own for one in rates]),
            np.array([one.cached_audio is not None for one in rates]),
        )


class OfferTable(NamedTuple):
    """All offers as three sorted keys, each with the place of its values."""

    times: Ints
    hours: Ints
    lengths: Ints
    ends: Sequence[Rates | Reason]
    rates: RateTable
    """The same as columns."""
    changing: Bools
    """For each offer and each of `PLACES`, whether what it costs ever changes."""
    hides_thinking: Bools
    known_from: Ints

    @classmethod
    def build(cls, offers: Sequence[Offer]) -> OfferTable:
        """Sort all offers by time, then hour, then length."""
        times: list[int] = []
        hours: list[int] = []
        lengths: list[int] = []
        ends: list[Rates | Reason] = []
        variants: list[list[list[int]]] = []
        for number, offer in enumerate(offers):
            variants.append([])
            for start, bands in offer.pieces:
                piece = len(times)
                times.append(number << _TIME_BITS | start)
                for hour, steps in bands:
                    band = len(hours)
                    hours.append(piece << _WEEK_BITS | hour)
                    variants[-1].append([*range(len(ends), len(ends) + len(steps))])
                    for length, end in steps:
                        lengths.append(band << _LENGTH_BITS | length)
                        ends.append(end)
        rates = RateTable.build(ends)
        return cls(
            np.array(times, np.int64),
            np.array(hours, np.int64),
            np.array(lengths, np.int64),
            ends,
            rates,
            np.array([_changing_kinds(one, lengths, rates) for one in variants]),
            np.array([offer.hides_thinking for offer in offers], np.bool_),
            np.array([offer.known_from for offer in offers], np.int64),
        )

    def find(self, offers: Ints, seconds: Ints, prompt: Ints) -> Ints:
        """Return the place of the rates for each row, by three binary searches."""
        place = _find_key(self.times, offers, seconds, _TIME_BITS)
        place = _find_key(self.hours, place, seconds % WEEK, _WEEK_BITS)
        return _find_key(self.lengths, place, np.maximum(prompt, 0), _LENGTH_BITS)


def _find_key(keys: Ints, first: Ints, second: Ints, bits: int) -> Ints:
    """Return the last key that is not above (first, second)."""
    if keys.size == 1:
        return np.zeros(first.size, np.int64)
    if (keys & ((1 << bits) - 1)).any():
        key = first << bits | np.clip(second, 0, (1 << bits) - 1)
        return np.searchsorted(keys, key, side="right") - 1
    # There is one key for each: no search is needed.
    return first


def _changing_kinds(
    variants: Sequence[list[int]], lengths: Sequence[int], rates: RateTable
) -> Bools:
    """Return for each of `PLACES` whether what it costs depends on the time.

    Each variant has the places of its steps.
    """
    mask = (1 << _LENGTH_BITS) - 1
    changing = np.zeros(len(PLACES), np.bool_)
    first = variants[0]
    for other in variants[1:]:
        same_steps = [lengths[place] & mask for place in first] == [
            lengths[place] & mask for place in other
        ]
        if not same_steps or (rates.reason[first] != rates.reason[other]).any():
            return np.ones(len(PLACES), np.bool_)
        for column in (rates.whole, rates.rest, rates.lacks):
            changing |= (column[first] != column[other]).any(axis=0)
    return changing


def reason_code(reason: Reason) -> int:
    """Return the number of a reason; -1 stands for none."""
    return tuple(Reason).index(reason)


def _coefficients(rates: Rates) -> list[int]:
    """Return what one of each of `PLACES` costs, in 10^-24 USD."""
    output = rates.output or Decimal(0)
    write = rates.input if rates.cache_write is None else rates.cache_write
    wholes = {
        **dict.fromkeys(("cached", "cache_write", "input_audio"), rates.input),
        **dict.fromkeys(("reasoning", "output_audio", "output_image"), output),
        "input_image": rates.input,
        "cache_write_1h": write,
    }
    if rates.reasoning_apart:
        del wholes["reasoning"]
    with localcontext(prec=60):
        costs = {}
        for name in _RATE_OF.values():
            rate, whole = getattr(rates, name), wholes.get(name, Decimal(0))
            costs[name] = Decimal(0) if rate is None else rate - whole
        if rates.cached_audio is not None:
            costs["cached_audio"] -= (
                rates.input + costs["cached"] + costs["input_audio"]
            )
    return [
        scaled(cost, 24 if name in _PER_UNIT else 18) for name, cost in costs.items()
    ]


def _unknown_kinds(rates: Rates) -> list[bool]:
    """Return for each of `PLACES` whether what it costs is not known."""
    return [
        name in rates.unknown
        or (name in _APART and getattr(rates, name) is None and not rates.is_free)
        for name in _RATE_OF.values()
    ]


def scaled(amount: Decimal, digits: int) -> int:
    """Return an amount as an integer with so many decimals, rounded."""
    with localcontext(prec=60):
        return int(amount.scaleb(digits).to_integral_value())
