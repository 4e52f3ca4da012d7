"""Rates per token, and the times and prompt lengths for which they hold.

An `Offer` has the prices of one model of one provider in one service tier, for all
time: pieces that begin on a day, in them bands of the week, in them steps by the length
of the prompt, and in these `Rates`, or the `Reason` why there are none.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_Value = TypeVar("_Value")
DAY = 86_400
# Weeks begin on a Thursday, as the first one of 1970 did.
WEEK = 7 * DAY


class Reason(StrEnum):
    """Why a response is unpriced."""

    NO_USAGE = "no_usage"
    NO_MODEL = "no_model"
    UNKNOWN_PROVIDER = "unknown_provider"
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
    Reason.UNKNOWN_MODEL: "model not in the price data of its provider",
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

    Cached, cache-write and image tokens without a rate are charged as prompt tokens,
    reasoning tokens as completion tokens. Other kinds without a rate have no price.
    """

    input: Decimal
    output: Decimal | None
    cached: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    input_audio: Decimal | None = None
    cached_audio: Decimal | None = None
    input_image: Decimal | None = None
    reasoning: Decimal | None = None
    output_audio: Decimal | None = None
    output_image: Decimal | None = None
    citation: Decimal | None = None
    web_search: Decimal | None = None
    """USD for each search of the web."""
    search_source: Decimal | None = None
    """USD for each source that a search found."""
    request: Decimal = Decimal(0)
    """USD for each request."""
    unknown: frozenset[str] = frozenset()
    """The kinds that are charged at a rate that is not known."""
    reasoning_apart: bool = False
    """Whether reasoning tokens are charged beside the completion, not as part of it."""
    own: bool = False
    """Whether the user's own price file has a part in it."""
    source: str = ""
    """Where the rates are from, in words: a row of a price file, or the catalogue."""

    @property
    def is_free(self) -> bool:
        """Whether tokens cost nothing."""
        return not self.input and self.output is not None and not self.output

    def less(self, discount: Decimal) -> Rates:
        """Return the rates less a share of each."""
        amounts = {name: getattr(self, name) for name in AMOUNTS}
        with localcontext(prec=60):
            reduced = {
                name: amount * (1 - discount)
                for name, amount in amounts.items()
                if amount is not None
            }
        return replace(self, **reduced)


# The fields of `Rates` that are amounts of USD.
AMOUNTS = tuple(one.name for one in fields(Rates) if "Decimal" in str(one.type))
# A step begins at a number of prompt tokens; the first at 0.
Step: TypeAlias = "tuple[int, Rates | Reason]"
# A band begins at a second of the week; the first is 0.
Band: TypeAlias = "tuple[int, tuple[Step, ...]]"
# A piece begins at a second since 1970; the first is 0.
Piece: TypeAlias = "tuple[int, tuple[Band, ...]]"


class Row(NamedTuple):
    """Rates that hold, or change others, between two times."""

    start: int
    end: int | None
    steps: tuple[tuple[int, Mapping[str, Decimal | None]], ...]
    """The amounts from a length of the prompt on; None is one that is not known.

    Without steps no price is known.
    """
    windows: tuple[tuple[int, int], ...] = ()
    """Seconds of the week between which the row holds; always if there are none."""
    discount: Decimal = Decimal(0)
    own: bool = False
    source: str = ""

    def covers(self, second: int) -> bool:
        """Return whether the row holds at a second of the week."""
        return not self.windows or any(
            start <= moment < end
            for start, end in self.windows
            for moment in (second, second + WEEK)
        )

    def meets(self, other: Row) -> bool:
        """Return whether there is a time at which both rows hold."""
        starts = {start % WEEK for start, _ in (*self.windows, *other.windows)} | {0}
        later = max(self.start, other.start)
        return all(one.end is None or later < one.end for one in (self, other)) and any(
            self.covers(second) and other.covers(second) for second in starts
        )

    def change(self, beneath: tuple[Step, ...]) -> tuple[Step, ...]:
        """Return the steps by which this row replaces or changes others."""
        if not self.steps:
            return ((0, Reason.OUT_OF_DATE),)
        starts = {start for start, _ in self.steps}
        if "input" not in self.steps[0][1]:
            starts |= {start for start, _ in beneath}
        return tuple(
            (start, self._amend(_at(beneath, start), _at(self.steps, start)))
            for start in sorted(starts)
        )

    def _amend(
        self, beneath: Rates | Reason, amounts: Mapping[str, Decimal | None]
    ) -> Rates | Reason:
        """Return rates with the amounts of this row."""
        known = {name: value for name, value in amounts.items() if value is not None}
        if "input" in amounts:
            # Cast, as the parser checks that the names are those of amounts.
            beneath = Rates(**cast("dict[str, Any]", known))
        elif isinstance(beneath, Reason) or not (amounts or self.discount):
            return beneath
        changed = replace(
            beneath,
            **cast("dict[str, Any]", known),
            unknown=frozenset({*beneath.unknown, *amounts} - known.keys()),
            own=self.own or beneath.own,
            source=self.source,
        )
        return changed.less(self.discount) if self.discount else changed


@dataclass(frozen=True)
class Offer:
    """The prices of a model at all times."""

    pieces: tuple[Piece, ...]
    hides_thinking: bool = False
    """Whether only the total counts thinking, as it does for models of Google."""
    known_from: int = 0
    """The second since 1970 before which the model was not served."""

    @classmethod
    def constant(cls, rates: Rates | Reason) -> Offer:
        """Return an offer that never changes."""
        return cls(((0, ((0, ((0, rates),)),)),))

    def all_rates(self) -> list[Rates | Reason]:
        """Return the rates of all times and steps."""
        return [
            rates
            for _, bands in self.pieces
            for _, steps in bands
            for _, rates in steps
        ]

    def overlay(self, rows: Iterable[Row]) -> Offer:
        """Return this offer with rows that replace or change its rates, in order."""
        pieces = self.pieces
        for row in rows:
            edges = {start for start, _ in pieces} | {row.start}
            edges |= set() if row.end is None else {row.end}
            pieces = tuple(
                (
                    edge,
                    _change_bands(_at(pieces, edge), row)
                    if row.start <= edge and (row.end is None or edge < row.end)
                    else _at(pieces, edge),
                )
                for edge in sorted(edges)
            )
        return replace(self, pieces=pieces).merged()

    def merged(self) -> Offer:
        """Return the same offer with equal neighbours merged."""
        merged = _merge((start, _merge(bands)) for start, bands in self.pieces)
        return replace(self, pieces=merged)


def _change_bands(bands: tuple[Band, ...], row: Row) -> tuple[Band, ...]:
    """Return the bands of a week, changed by a row where it holds."""
    edges = {start for start, _ in bands}
    edges |= {edge % WEEK for window in row.windows for edge in window}
    changed = []
    for edge in sorted(edges):
        steps = _at(bands, edge)
        changed.append((edge, row.change(steps) if row.covers(edge) else steps))
    return tuple(changed)


def _at(dated: Sequence[tuple[int, _Value]], key: int) -> _Value:
    """Return the last value that begins at a key or before."""
    return next(value for start, value in reversed(dated) if start <= key)


def _merge(dated: Iterable[tuple[int, _Value]]) -> tuple[tuple[int, _Value], ...]:
    """Drop each value that equals the one before."""
    return tuple(next(equal) for _, equal in groupby(dated, itemgetter(1)))
