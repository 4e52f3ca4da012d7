"""All offers as sorted arrays, in which the rates for many rows are found at once.

A rate of USD per million tokens with up to 18 decimals is a whole number of 10^-24 USD
per token; it is stored in two halves of 64 bits, so that sums are exact.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from toolkit.pricing.rates import Offer, Rates, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

COUNTS = (
    "prompt_tokens",
    "cached_tokens",
    "cache_write_tokens",
    "prompt_audio_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "completion_audio_tokens",
)
UNIT = 10**12
_DAY = 86_400
# Widths of the second half of a key: seconds since 1970, of a day, tokens of a prompt.
_TIME_BITS, _DAY_BITS, _LENGTH_BITS = 33, 17, 41


class RateTable(NamedTuple):
    """The rates of all offers, as columns."""

    whole: Ints
    """10^-12 USD for each token of `COUNTS`, and for the request."""
    rest: Ints
    """The remainder, in 10^-24 USD."""
    reason: NDArray[np.int8]
    """Why there is no rate; -1 if there is one."""
    no_output: Bools
    overlap_in: Bools
    overlap_out: Bools

    @classmethod
    def build(cls, ends: Sequence[Rates | Reason]) -> RateTable:
        """Convert rates to columns of integers."""
        halves = [[divmod(k, UNIT) for k in _coefficients(end)] for end in ends]
        rates = [end if isinstance(end, Rates) else None for end in ends]
        return cls(
            np.array([[whole for whole, _ in row] for row in halves], np.int64),
            np.array([[rest for _, rest in row] for row in halves], np.int64),
            np.array(
                [reason_code(end) if isinstance(end, Reason) else -1 for end in ends],
                np.int8,
            ),
            np.array([one is not None and one.output is None for one in rates]),
            np.array([one is not None and one.may_overlap_in for one in rates]),
            np.array([one is not None and one.may_overlap_out for one in rates]),
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
    """For each offer, whether its price ever changes."""

    @classmethod
    def build(cls, offers: Sequence[Offer]) -> OfferTable:
        """Sort all offers by time, then hour, then length."""
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
        return cls(
            np.array(times, np.int64),
            np.array(hours, np.int64),
            np.array(lengths, np.int64),
            ends,
            RateTable.build(ends),
            np.array([not offer.never_changes for offer in offers], np.bool_),
        )

    def find(self, offers: Ints, seconds: Ints, prompt: Ints) -> Ints:
        """Return the place of the rates for each row, by three binary searches."""
        place = _find_key(self.times, offers, seconds, _TIME_BITS)
        place = _find_key(self.hours, place, seconds % _DAY, _DAY_BITS)
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


def reason_code(reason: Reason) -> int:
    """Return the number of a reason; -1 stands for none."""
    return tuple(Reason).index(reason)


def _coefficients(end: Rates | Reason) -> list[int]:
    """Return what a token of each of `COUNTS` and a request cost, in 10^-24 USD.

    Tokens with their own rate are also counted in a whole: they add the difference.
    """
    if isinstance(end, Reason):
        return [0] * (len(COUNTS) + 1)
    output = end.output or Decimal(0)
    rates = [
        end.input,
        *(
            _difference(part, end.input)
            for part in (end.cached, end.cache_write, end.input_audio)
        ),
        output,
        *(_difference(part, output) for part in (end.reasoning, end.output_audio)),
    ]
    return [*(scaled(rate, 18) for rate in rates), scaled(end.request, 24)]


def _difference(part: Decimal | None, whole: Decimal) -> Decimal:
    """Return the exact difference of two rates; 0 if a part has no rate of its own."""
    with localcontext(prec=60):
        return Decimal(0) if part is None else part - whole


def scaled(amount: Decimal, digits: int) -> int:
    """Return an amount as an integer with so many decimals, rounded."""
    with localcontext(prec=60):
        return int(amount.scaleb(digits).to_integral_value())
