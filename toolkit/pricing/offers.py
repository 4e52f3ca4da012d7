"""All offers as arrays, in which the rates for many rows are found at once.

A rate of USD per million tokens with up to 18 decimals is a whole number of 10^-24 USD
per token.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from toolkit.pricing.rates import CACHED_AUDIO, KINDS, WEEK, Ints, Offer, Rates, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class OfferTable:
    """All offers as arrays.

    An offer has a cell for each combination of its axes; `firsts` has the first one of
    each offer, and `cells` for each cell the place of its rates in `ends`. The columns
    of what a rate depends on are in the order of `PLACES`.
    """

    def __init__(self, offers: Sequence[Offer]) -> None:
        self.offers = offers
        self.hides_thinking = np.array([one.hides_thinking for one in offers], np.bool_)
        self.known_from = np.array([one.known_from for one in offers], np.int64)
        sizes = [len(offer.ends) for offer in offers]
        self.firsts: Ints = np.cumsum([0, *sizes[:-1]])
        known: dict[Rates | Reason, int] = {}
        cells = [
            known.setdefault(end, len(known)) for one in offers for end in one.ends
        ]
        self.cells = np.array(cells, np.int64)
        self.ends = list(known)
        # The code of the reason why there are no rates, or -1.
        codes = [end.code if isinstance(end, Reason) else -1 for end in known]
        self.reason = np.array(codes, np.int8)
        free = Rates(Decimal(0), Decimal(0))
        rates = [end if isinstance(end, Rates) else free for end in known]
        # What one of each kind costs: in 10^-24 USD, in 10^-12 USD, and that at most.
        costs = [*map(coefficients, rates)]
        self.exact = pl.DataFrame(costs, dict.fromkeys(KINDS, pl.Int128))
        self.whole = self.exact.select(pl.all() // UNIT).cast(pl.Int64)
        most = self.whole.select(pl.all().abs().max().cast(pl.Float64))
        self.most: dict[str, float] = most.row(0, named=True)
        is_whole = pl.all_horizontal(pl.all() % UNIT == 0).all()
        self.is_whole: bool = self.exact.select(is_whole).item()
        # Whether that differs from what the kind is part of, and whether it is unknown.
        self.differs: Bools = self.exact.select(pl.all() != 0).to_numpy()
        self.lacks: Bools = np.array([*map(_unknown_kinds, rates)], np.bool_)
        self.reasoning_apart = np.array(
            [one.reasoning_apart for one in rates], np.bool_
        )
        self.own = np.array([one.own for one in rates], np.bool_)
        splits = [one.cached_audio is not None for one in rates]
        self.splits_audio = np.array(splits, np.bool_)

    @cached_property
    def changing(self) -> Bools:
        """Whether the price for prompts of the length of a cell ever changes."""
        exact = np.array(self.exact.rows(), object)
        reasons = np.broadcast_to(self.reason[:, np.newaxis], exact.shape)
        all_facts = np.stack([exact, self.lacks, reasons], axis=1)
        changing = []
        for offer, first in zip(self.offers, self.firsts, strict=True):
            facts = all_facts[self.cells[first : first + len(offer.ends)]]
            facts = facts.reshape(-1, len(offer.axes[-1]), *facts.shape[1:])
            changes = (facts != facts[:1]).any(axis=(0, 2))
            changing.append(np.tile(changes, (len(facts), 1)))
        return np.concatenate(changing)

    def find(self, offers: Ints, seconds: Ints, prompt: Ints) -> Ints:
        """Return the cell that holds for each row."""
        cells: Ints = self.firsts[offers]
        for number, offer in enumerate(self.offers):
            if len(offer.ends) > 1:
                rows = np.flatnonzero(offers == number)
                second = seconds[rows]
                cells[rows] += offer.find(second, second % WEEK, prompt[rows])
        return cells


def coefficients(rates: Rates) -> dict[str, int]:
    """Return what one of each kind costs, in 10^-24 USD.

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
    return {
        count: scaled(cost, 18 if count.endswith("_tokens") else 24)
        for count, cost in costs.items()
    }


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
