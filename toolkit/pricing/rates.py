"""Rates per token, and the times and prompt lengths for which they hold.

An `Offer` has the prices of one model of one provider in one service tier, for all
time: pieces that begin on a day, in them bands of the day, in them steps by the length
of the prompt, and in these `Rates`, or the `Reason` why there are none.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_Value = TypeVar("_Value")


class Reason(StrEnum):
    """Why a response is unpriced."""

    NO_USAGE = "no_usage"
    NO_MODEL = "no_model"
    UNKNOWN_PROVIDER = "unknown_provider"
    NO_PROVIDER = "no_provider"
    UNKNOWN_MODEL = "unknown_model"
    UNKNOWN_TIER = "unknown_tier"
    NO_TIER_RATE = "no_tier_rate"
    OUT_OF_DATE = "out_of_date"
    NO_RATE = "no_rate"
    UNDATED = "undated"
    COUNTS = "counts_contradict"
    NEGATIVE = "negative_cost"
    OWN_KEY = "own_key"


MEANINGS = {
    Reason.NO_USAGE: "no tokens reported, or only zeros",
    Reason.NO_MODEL: "no model named",
    Reason.UNKNOWN_PROVIDER: "provider not in the price data",
    Reason.NO_PROVIDER: "not known who bills for this model",
    Reason.UNKNOWN_MODEL: "model not in the price data",
    Reason.UNKNOWN_TIER: "no known price per token for this service tier",
    Reason.NO_TIER_RATE: "no price for this service tier at that time",
    Reason.OUT_OF_DATE: "the price data of this model is out of date",
    Reason.NO_RATE: "no price for some kinds of its tokens",
    Reason.UNDATED: "no date, and the price has changed",
    Reason.COUNTS: "token counts that contradict each other",
    Reason.NEGATIVE: "the reported cost is negative",
    Reason.OWN_KEY: "paid with your own key, and part of the cost is not reported",
}


@dataclass(frozen=True)
class Rates:
    """USD per million tokens; None where a kind of token has no rate of its own.

    A kind without a rate is charged as what it is part of: cached, cache-write and
    audio tokens as prompt tokens, reasoning and audio tokens as completion tokens.
    """

    input: Decimal
    output: Decimal | None
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    input_audio: Decimal | None = None
    reasoning: Decimal | None = None
    output_audio: Decimal | None = None
    request: Decimal = Decimal(0)
    """USD for each request."""
    source: str = ""
    """Where the rates are from, in words: a row of a price file, or the catalogue."""

    @property
    def may_overlap_in(self) -> bool:
        """Whether audio tokens and the cache both have rates of their own."""
        has_cache = self.cached is not None or self.cache_write is not None
        return self.input_audio is not None and has_cache

    @property
    def may_overlap_out(self) -> bool:
        """Whether audio and reasoning tokens both have rates of their own."""
        return self.output_audio is not None and self.reasoning is not None


# A step begins at a number of prompt tokens; the first at 0.
Step: TypeAlias = "tuple[int, Rates | Reason]"
# A band of the day begins at a second of the UTC day; the first is 0.
Band: TypeAlias = "tuple[int, tuple[Step, ...]]"
# A piece begins at a second since 1970; the first is 0.
Piece: TypeAlias = "tuple[int, tuple[Band, ...]]"


@dataclass(frozen=True)
class Offer:
    """The prices of a model at all times."""

    pieces: tuple[Piece, ...]

    @classmethod
    def constant(cls, rates: Rates | Reason) -> Offer:
        """Return an offer that never changes."""
        return cls(((0, _always(rates)),))

    @property
    def never_changes(self) -> bool:
        """Whether one price holds at all times; it may have steps by length."""
        return len(self.pieces) == 1 and len(self.pieces[0][1]) == 1

    def at(self, second: int) -> tuple[Band, ...]:
        """Return the bands at a second since 1970."""
        return next(bands for start, bands in reversed(self.pieces) if start <= second)

    def all_rates(self) -> list[Rates | Reason]:
        """Return the rates of all times and steps."""
        return [
            rates
            for _, bands in self.pieces
            for _, steps in bands
            for _, rates in steps
        ]

    def overlay(self, rows: Sequence[tuple[int, int | None, Rates]]) -> Offer:
        """Return this offer with rates of its own in some times (from, to, rates)."""
        edges = {start for start, _ in self.pieces}
        edges |= {start for start, _, _ in rows}
        edges |= {end for _, end, _ in rows if end is not None}
        pieces = []
        for edge in sorted(edges):
            own = [
                rates
                for start, end, rates in rows
                if start <= edge and (end is None or edge < end)
            ]
            pieces.append((edge, _always(own[0]) if own else self.at(edge)))
        return Offer(tuple(pieces)).merged()

    def merged(self) -> Offer:
        """Return the same offer with equal neighbours merged."""
        return Offer(_merge((start, _merge(bands)) for start, bands in self.pieces))


def _always(rates: Rates | Reason) -> tuple[Band, ...]:
    """Return the bands of a day with one price."""
    return ((0, ((0, rates),)),)


def _merge(dated: Iterable[tuple[int, _Value]]) -> tuple[tuple[int, _Value], ...]:
    """Drop each value that equals the one before."""
    return tuple(next(equal) for _, equal in groupby(dated, itemgetter(1)))
