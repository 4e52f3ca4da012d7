"""All offers as sorted arrays, in which the rates for many rows are found at once.

A rate of USD per million tokens with up to 18 decimals is a whole number of 10^-24 USD
per token; it is stored in two halves of 64 bits, so that sums are exact.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.pricing.rates import CACHED_AUDIO, KINDS, WEEK, Offer, Rates, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

Ints: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]

PLACES = {count: place for place, count in enumerate(KINDS)}
COUNTS = tuple(KINDS)[:-2]
# A frame may lack the other columns.
REQUIRED_COUNTS = COUNTS[:7]
# Kinds that are never charged at the rate of what they are part of.
_APART = {
    *("output", "output_audio", "output_image", "citation"),
    *("input_audio", "cache_write_1h", "web_search", "search_source"),
}
UNIT = 10**12
# Widths of the second half of a key: seconds since 1970, of a week, tokens of a prompt.
_BITS = (33, 20, 41)


class RateTable(NamedTuple):
    """The rates of all offers, as columns.

    For each of `PLACES`: what it costs in 10^-12 USD, exactly in 10^-24 USD, and at
    most; whether that differs from what it is part of, and whether it is not known.
    Then the code of the reason why there is no rate, or -1, and facts of `Rates`.
    """

    whole: pl.DataFrame
    exact: pl.DataFrame
    most: dict[str, float]
    is_whole: bool
    differs: Bools
    lacks: Bools
    reason: NDArray[np.int8]
    reasoning_apart: Bools
    own: Bools
    splits_audio: Bools

    @classmethod
    def build(cls, ends: Sequence[Rates | Reason]) -> RateTable:
        """Convert rates to columns of integers."""
        free = Rates(Decimal(0), Decimal(0))
        rates = [end if isinstance(end, Rates) else free for end in ends]
        exact = pl.DataFrame(
            [*map(_coefficients, rates)], dict.fromkeys(KINDS, pl.Int128), orient="row"
        )
        codes = [end.code if isinstance(end, Reason) else -1 for end in ends]
        whole = exact.select(pl.all() // UNIT).cast(pl.Int64)
        return cls(
            whole,
            exact,
            whole.select(pl.all().abs().max().cast(pl.Float64)).row(0, named=True),
            exact.select(pl.all_horizontal(pl.all() % UNIT == 0).all()).item(),
            exact.select(pl.all() != 0).to_numpy(),
            np.array([*map(_unknown_kinds, rates)], np.bool_),
            np.array(codes, np.int8),
            np.array([one.reasoning_apart for one in rates], np.bool_),
            np.array([one.own for one in rates], np.bool_),
            np.array([one.cached_audio is not None for one in rates], np.bool_),
        )


class OfferTable(NamedTuple):
    """All offers as sorted keys for each axis, and the rates of each combination.

    `firsts` has for each offer its first key on each axis and its first cell; `sizes`
    its number of keys on each axis; `cells` for each combination the place of its
    rates; `changing` for each combination and each of `PLACES` whether the price for
    prompts of that length ever does.
    """

    axes: tuple[Ints, ...]
    firsts: Ints
    sizes: Ints
    cells: Ints
    ends: Sequence[Rates | Reason]
    rates: RateTable
    changing: Bools
    hides_thinking: Bools
    known_from: Ints

    @classmethod
    def build(cls, offers: Sequence[Offer]) -> OfferTable:
        """Sort all offers by time, second and length; there must be one."""
        axes: list[list[int]] = [[], [], []]
        cells: list[int] = []
        known: dict[Rates | Reason, int] = {}
        firsts = []
        for number, offer in enumerate(offers):
            firsts.append([*map(len, axes), len(cells)])
            for keys, axis, bits in zip(axes, offer.axes, _BITS, strict=True):
                keys += [number << bits | value for value in axis]
            cells += [known.setdefault(end, len(known)) for end in offer.ends]
        rates = RateTable.build(list(known))
        reasons = np.broadcast_to(rates.reason[:, np.newaxis], rates.lacks.shape)
        exact = np.array(rates.exact.rows(), object)
        all_facts = np.stack([exact, rates.lacks, reasons], axis=1)
        changing = []
        for offer, first in zip(offers, firsts, strict=True):
            own = cells[first[-1] : first[-1] + len(offer.ends)]
            shape = (-1, len(offer.axes[-1]), *all_facts.shape[1:])
            facts = all_facts[own].reshape(shape)
            changes = (facts != facts[:1]).any(axis=(0, 2))
            changing.append(np.tile(changes, (len(facts), 1)))
        return cls(
            tuple(np.array(keys, np.int64) for keys in axes),
            np.array(firsts, np.int64),
            np.array([[*map(len, one.axes)] for one in offers], np.int64),
            np.array(cells, np.int64),
            list(known),
            rates,
            np.concatenate(changing),
            np.array([offer.hides_thinking for offer in offers], np.bool_),
            np.array([offer.known_from for offer in offers], np.int64),
        )

    def find(self, offers: Ints, seconds: Ints, prompt: Ints) -> Ints:
        """Return the combination that holds for each row, by three binary searches."""
        place = np.zeros(offers.size, np.int64)
        for axis, value in enumerate((seconds, seconds % WEEK, prompt)):
            keys, bits = self.axes[axis], _BITS[axis]
            # Most offers have one key on an axis.
            rows = np.flatnonzero((self.sizes[:, axis] > 1)[offers])
            if rows.size:
                own = offers[rows]
                key = own << bits | np.clip(value[rows], 0, (1 << bits) - 1)
                found = np.searchsorted(keys, key, side="right") - 1
                found -= self.firsts[own, axis]
                place[rows] = place[rows] * self.sizes[own, axis] + found
        cells: Ints = self.firsts[offers, -1] + place
        return cells


def _coefficients(rates: Rates) -> list[int]:
    """Return what one of each of `PLACES` costs, in 10^-24 USD.

    Parts of a whole cost the difference; without a rate of their own that is 0.
    """
    charged = {"": Decimal(0)}
    costs = {}
    with localcontext(prec=60):
        for count, kind in KINDS.items():
            is_apart = rates.reasoning_apart and kind.rate == "reasoning"
            whole = charged["" if is_apart else kind.whole]
            rate = getattr(rates, kind.rate)
            charged[count] = whole if rate is None else rate
            costs[count] = charged[count] - whole
        if rates.cached_audio is not None:
            cached, audio = costs["cached_tokens"], costs["prompt_audio_tokens"]
            costs[CACHED_AUDIO] -= rates.input + cached + audio
    # Rates of tokens are per million.
    return [
        scaled(cost, 18 if count.endswith("_tokens") else 24)
        for count, cost in costs.items()
    ]


def _unknown_kinds(rates: Rates) -> list[bool]:
    """Return for each of `PLACES` whether what it costs is not known."""
    return [
        name in rates.unknown
        or (name in _APART and getattr(rates, name) is None and not rates.is_free)
        for name, *_ in KINDS.values()
    ]


def scaled(amount: Decimal, digits: int) -> int:
    """Return an amount as an integer with so many decimals, rounded."""
    with localcontext(prec=60):
        return int(amount.scaleb(digits).to_integral_value())
