"""Rates per token, and the times and prompt lengths for which they hold.

An `Offer` has the prices of one model of one provider in one service tier, for all
time: a grid by time, by the second of the week, and by the length of the prompt, of
`Rates`, or of the `Reason` why there are none.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal, localcontext
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Ints: TypeAlias = NDArray[np.int64]

DAY = 86_400
# Weeks begin on a Thursday, as the first one of 1970 did.
WEEK = 7 * DAY
FOREVER = 1 << 33  # a second since 1970, beyond all prices


class Reason(StrEnum):
    """Why a response is unpriced."""

    code: int  # in arrays, where -1 is none
    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Self:
        """Return a reason, numbered in the order in which they are listed."""
        reason = str.__new__(cls, value)
        reason._value_, reason.meaning = value, meaning
        reason.code = len(cls.__members__)
        return reason

    NO_USAGE = "no_usage", "prompt or completion not reported, or zeros"
    ITERATIONS = "iterations", "the usage leaves out steps, perhaps of other models"
    CUT_OFF = "cut_off", "a stream without an end: its last usage is not known"
    FAST_MODE = "fast_mode", "no known price per token in fast mode"
    INFERENCE_GEO = "inference_geo", "no known price per token for US-only inference"
    SERVER_TOOLS = "server_tools", "tools of the provider, whose uses are not counted"
    BILLED_UNITS = "billed_units", "the provider bills other counts than these tokens"
    NO_MODEL = "no_model", "no model named"
    UNKNOWN_PROVIDER = "unknown_provider", "provider not in the price data"
    NO_PROVIDER = "no_provider", "not known who bills for this model"
    UNKNOWN_MODEL = "unknown_model", "model not in the price data"
    UNKNOWN_TIER = "unknown_tier", "no known price per token for this service tier"
    NO_TIER_RATE = "no_tier_rate", "no price for this service tier at that time"
    OUT_OF_DATE = "out_of_date", "the price data of this model is out of date"
    NO_RATE = "no_rate", "no price for some kinds of its tokens"
    UNDATED = "undated", "no date, and the price has changed"
    COUNTS = "counts_contradict", "token counts that contradict each other"
    NEGATIVE = "negative_cost", "the reported cost is negative"
    OWN_KEY = "own_key", "paid with your own key, and part of the cost is not reported"


MEANINGS = {reason: reason.meaning for reason in Reason}
# Values of `usage_problem`: of the first ones the counts leave something out.
INCOMPLETE = (Reason.ITERATIONS, Reason.CUT_OFF, Reason.SERVER_TOOLS)
PROBLEMS = (*INCOMPLETE, Reason.FAST_MODE, Reason.INFERENCE_GEO, Reason.BILLED_UNITS)


class Kind(NamedTuple):
    """What is charged by its count: its field of `Rates`, and its price elsewhere.

    `listed` is the name of its price in genai-prices; `whole`, the count that it is
    part of.
    """

    rate: str
    listed: str = ""
    whole: str = ""


_INPUT, _OUTPUT = ("prompt_tokens", "completion_tokens")
# Audio that was read from a cache: no provider reports it, but sometimes it follows.
CACHED_AUDIO = "cached_audio_tokens"
# By the count; the whole comes before its parts.
KINDS = {
    "prompt_tokens": Kind("input", "input_mtok"),
    "cached_tokens": Kind("cached", "cache_read_mtok", _INPUT),
    "cache_write_tokens": Kind("cache_write", "cache_write_mtok", _INPUT),
    "prompt_audio_tokens": Kind("input_audio", "input_audio_mtok", _INPUT),
    "completion_tokens": Kind("output", "output_mtok"),
    "reasoning_tokens": Kind("reasoning", "output_reasoning_mtok", _OUTPUT),
    "completion_audio_tokens": Kind("output_audio", "output_audio_mtok", _OUTPUT),
    "cache_write_1h_tokens": Kind(
        "cache_write_1h", "cache_write_1h_mtok", "cache_write_tokens"
    ),
    "prompt_image_tokens": Kind("input_image", "input_image_mtok", _INPUT),
    "completion_image_tokens": Kind("output_image", "output_image_mtok", _OUTPUT),
    "citation_tokens": Kind("citation", "output_citation_mtok"),
    "web_searches": Kind("web_search", "web_searches_kcount"),
    "search_sources": Kind("search_source"),
    CACHED_AUDIO: Kind("cached_audio", "cache_audio_read_mtok"),
    "requests": Kind("request", "requests_kcount"),
}


@dataclass(frozen=True)
class Rates:
    """USD per million tokens; None where a kind of token has no rate of its own.

    Cached, cache-write and image tokens without a rate are charged as prompt tokens,
    reasoning tokens as completion tokens. Other kinds without a rate have no price.

    The last amounts are USD for each search, each source that a search found, and each
    request. `unknown` are kinds that are charged, at a rate that is not known;
    `reasoning_apart` is whether reasoning is charged beside the completion, not as part
    of it; `own`, whether the user's price file has a part in it; `source` is where the
    rates are from, in words: a row of a price file, or the catalogue.
    """

    input: Decimal
    output: Decimal | None = None
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
    search_source: Decimal | None = None
    request: Decimal = Decimal(0)
    unknown: frozenset[str] = frozenset()
    reasoning_apart: bool = False
    own: bool = False
    source: str = ""

    @property
    def is_free(self) -> bool:
        """Whether tokens cost nothing."""
        return self.input == self.output == 0

    def less(self, discount: Decimal) -> Rates:
        """Return the rates less a share of each."""
        if not discount:
            return self
        with localcontext(prec=60):
            reduced: dict[str, Any] = {
                name: amount * (1 - discount)
                for name in AMOUNTS
                if (amount := getattr(self, name)) is not None
            }
        return replace(self, **reduced)


# The fields of `Rates` that are amounts of USD.
AMOUNTS = tuple(one.name for one in fields(Rates) if "Decimal" in str(one.type))


class Row(NamedTuple):
    """Rates that hold, or change others, between two times.

    Steps have the amounts from a length of the prompt on; None is one that is not
    known. Without steps no price is known. Windows are the seconds of the week between
    which the row holds; without any it always does.
    """

    start: int
    end: int
    steps: tuple[tuple[int, Mapping[str, Decimal | None]], ...]
    windows: tuple[tuple[int, int], ...] = ()
    discount: Decimal = Decimal(0)
    own: bool = False
    source: str = ""

    def covers(self, time: int, second: int) -> bool:
        """Return whether the row holds at a time, at a second of the week."""
        return self.start <= time < self.end and (
            not self.windows
            or any(
                a <= at < b for a, b in self.windows for at in (second, second + WEEK)
            )
        )

    def meets(self, other: Row) -> bool:
        """Return whether there is a time at which both rows hold."""
        time = max(self.start, other.start)
        seconds = {0, *(start for start, _ in (*self.windows, *other.windows))}
        return any(
            self.covers(time, second) and other.covers(time, second)
            for second in seconds
        )

    def change(self, end: Rates | Reason, length: int) -> Rates | Reason:
        """Return the rates for a length of the prompt, in place of others."""
        if not self.steps:
            return Reason.OUT_OF_DATE
        amounts = next(found for at, found in reversed(self.steps) if at <= length)
        known: dict[str, Any] = {
            name: value for name, value in amounts.items() if value is not None
        }
        if "input" in self.steps[0][1]:
            end = Rates(**known)
        elif isinstance(end, Reason) or not (amounts or self.discount):
            return end
        unknown = frozenset({*end.unknown, *amounts} - known.keys())
        own = self.own or end.own
        known |= {"unknown": unknown, "own": own, "source": self.source}
        return replace(end, **known).less(self.discount)


@dataclass(frozen=True)
class Offer:
    """The prices of a model at all times.

    Each axis has the values from which on rates hold, the first of which is 0: seconds
    since 1970, seconds of the week, tokens of the prompt. `ends` are the rates for each
    combination, the last axis first. `hides_thinking` is whether only the total counts
    thinking, as for models of Google; before `known_from` the model was not served.
    """

    axes: tuple[tuple[int, ...], ...]
    ends: tuple[Rates | Reason, ...]
    hides_thinking: bool = False
    known_from: int = 0

    @classmethod
    def constant(cls, rates: Rates | Reason) -> Offer:
        """Return an offer that never changes."""
        return cls(((0,), (0,), (0,)), (rates,))

    def find(self, times: Ints, seconds: Ints, lengths: Ints) -> Ints:
        """Return the places in `ends` of times, seconds of the week, and lengths."""
        places = np.zeros(len(times), np.int64)
        for axis, values in zip(self.axes, (times, seconds, lengths), strict=True):
            if len(axis) > 1:
                # Values before the first one, as seconds before 1970, are at place 0.
                found = np.searchsorted(axis[1:], values, side="right")
                places = places * len(axis) + found
        return places

    def overlay(self, rows: Sequence[Row]) -> Offer:
        """Return this offer with rows that replace or change its rates, in order."""
        times, seconds, lengths = map(set, self.axes)
        for row in rows:
            times |= {row.start, row.end} - {FOREVER}
            seconds |= {edge % WEEK for window in row.windows for edge in window}
            lengths |= {length for length, _ in row.steps}
        axes = tuple(tuple(sorted(axis)) for axis in (times, seconds, lengths))
        cells = [*product(*axes)]
        ends = []
        for cell, place in zip(cells, self.find(*np.array(cells).T), strict=True):
            (time, second, length), end = cell, self.ends[place]
            for row in rows:
                if row.covers(time, second):
                    end = row.change(end, length)
            ends.append(end)
        return replace(self, axes=axes, ends=tuple(ends))
