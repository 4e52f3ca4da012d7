"""What a token costs: rates, the time for which they hold, and the steps in them.

An `Offer` is what one provider asks for one model in one service tier, for all time:
pieces that begin on a day, in them bands of the day, in them steps by the length of the
prompt, and at the end `Rates`, or the `Reason` why there are none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence


class Reason(StrEnum):
    """Why a response is unpriced."""

    NO_USAGE = "no_usage"
    NO_MODEL = "no_model"
    UNKNOWN_PROVIDER = "unknown_provider"
    UNKNOWN_MODEL = "unknown_model"
    UNKNOWN_TIER = "unknown_tier"
    NO_TIER_RATE = "no_tier_rate"
    NO_RATE = "no_rate"
    UNDATED = "undated"
    COUNTS = "counts_contradict"


MEANINGS = {
    Reason.NO_USAGE: "no prompt or completion tokens reported",
    Reason.NO_MODEL: "no model named",
    Reason.UNKNOWN_PROVIDER: "provider not in the price data",
    Reason.UNKNOWN_MODEL: "model not in the price data of its provider",
    Reason.UNKNOWN_TIER: "no known price per token for this service tier",
    Reason.NO_TIER_RATE: "no price for this service tier at that time",
    Reason.NO_RATE: "no price for some kinds of its tokens",
    Reason.UNDATED: "no date, and the price has changed",
    Reason.COUNTS: "token counts that contradict each other",
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
    """USD for each request, whatever its length."""
    source: str = ""
    """Where the rates stand, in words: a row of a price file, or the catalogue."""


# A step holds for prompts of more than so many tokens; the first is 0 and for all.
Step: TypeAlias = "tuple[int, Rates | Reason]"
# A band of the day begins at a second of the UTC day; the first is 0.
Band: TypeAlias = "tuple[int, tuple[Step, ...]]"
# A piece begins at a second since 1970; the first is 0.
Piece: TypeAlias = "tuple[int, tuple[Band, ...]]"


@dataclass(frozen=True)
class Offer:
    """What a model costs at every time."""

    pieces: tuple[Piece, ...]

    @classmethod
    def of(cls, rates: Rates | Reason) -> Offer:
        """Make an offer that never changes."""
        return cls(((0, _always(rates)),))

    @property
    def never_changes(self) -> bool:
        """Say whether one price holds at all times; steps by length are no change."""
        return len(self.pieces) == 1 and len(self.pieces[0][1]) == 1

    def at(self, second: int) -> tuple[Band, ...]:
        """Return the bands that hold at a second since 1970."""
        return next(bands for start, bands in reversed(self.pieces) if start <= second)

    def overlaid(self, rows: Sequence[tuple[int, int | None, Rates]]) -> Offer:
        """Let rows with their own rates (from, to, rates) stand before this offer."""
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
        """Join neighbours that are equal."""
        pieces: list[Piece] = []
        for start, bands in self.pieces:
            joined = _same_neighbours(bands)
            if not pieces or pieces[-1][1] != joined:
                pieces.append((start, joined))
        return replace(self, pieces=tuple(pieces))


def _always(rates: Rates | Reason) -> tuple[Band, ...]:
    """Make the bands of a day on which one price holds."""
    return ((0, ((0, rates),)),)


def _same_neighbours(bands: tuple[Band, ...]) -> tuple[Band, ...]:
    """Join bands that follow each other and are equal."""
    joined: list[Band] = []
    for band in bands:
        if not joined or joined[-1][1] != band[1]:
            joined.append(band)
    return tuple(joined)
