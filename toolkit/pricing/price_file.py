"""The user's own prices: a TOML file of dated rows, before every other price."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, cast

from toolkit.errors import PriceFileError, near_miss
from toolkit.pricing.catalogue import STANDARD_TIERS
from toolkit.pricing.rates import Offer, Rates

Prices: TypeAlias = "str | os.PathLike[str] | PriceFile | None"

RATES = (
    "input",
    "output",
    "cached",
    "cache_write",
    "input_audio",
    "reasoning",
    "output_audio",
)
_KEYS = ("model", "provider", "service_tier", "from", "to", "request", *RATES)
# USD per million tokens, or for a request: more is a slip, and would overflow a sum.
_LARGEST_RATE = Decimal(1_000_000)
_EXPONENT = -12


class _Fault(Exception):  # noqa: N818 - it becomes a PriceFileError at once
    """What is wrong with a key of a row, in words."""

    def __str__(self) -> str:
        """Return the words."""
        return " ".join(self.args)


class Row(NamedTuple):
    """Rates, and the seconds since 1970 from and to which they hold."""

    start: int
    end: int | None
    rates: Rates


@dataclass(frozen=True)
class PriceFile:
    """Prices that were read and checked; see `read_prices`."""

    rows: dict[tuple[str, str | None, str | None], list[Row]] = field(
        default_factory=dict
    )

    def overlay(
        self, offer: Offer, provider: str | None, model: str | None, tier: str | None
    ) -> Offer:
        """Lay the file's rows over an offer; those for the provider go before."""
        if model is None:
            return offer
        plain = (tier or "").casefold()
        tiers = None if plain in {"", *STANDARD_TIERS} else plain
        named = None if provider is None else provider.casefold()
        for seller in dict.fromkeys((None, named)):
            rows = self.rows.get((model.casefold(), seller, tiers))
            if rows:
                offer = offer.overlaid(rows)
        return offer


def read_prices(prices: Prices) -> PriceFile:
    """Read a price file, or return the one that was read; None is a file without rows.

    Raises
    ------
    PriceFileError
        If the file is missing, is no TOML, or says what cannot be meant: an unknown
        key, a rate that is no number, two rows for one model at one time.
    """
    if prices is None:
        return PriceFile()
    if isinstance(prices, PriceFile):
        return prices
    name = os.fspath(prices)
    try:
        with Path(name).open("rb") as file:
            # A rate is money: floats are read to the digit that was written.
            data = tomllib.load(file, parse_float=Decimal)
    except OSError as error:
        raise PriceFileError(name, error.strerror or "cannot be read") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PriceFileError(name, f"no TOML: {error}") from None
    return _checked(name, data)


def _checked(name: str, data: dict[str, Any]) -> PriceFile:
    """Turn what TOML says into rows, or say what is wrong with it."""
    for key in data:
        if key != "price":
            hint = near_miss(key, ("price",))
            raise PriceFileError(
                name, f"unknown table {key!r}{hint}; expected [[price]]"
            )
    said = data.get("price", [])
    if not isinstance(said, list) or not all(isinstance(row, dict) for row in said):
        raise PriceFileError(name, "prices stand in tables, each under [[price]]")
    rows: dict[tuple[str, str | None, str | None], list[Row]] = {}
    for number, row in enumerate(said, 1):
        at = f"price {number}"
        try:
            named, parsed = _read_row(row, f"{name}, {at}")
        except _Fault as error:
            raise PriceFileError(name, f"{at}: {error}") from None
        for names in named:
            rows.setdefault(names, []).append(parsed)
    for (called, _, _), dated in rows.items():
        dated.sort(key=lambda row: row.start)
        for before, after in pairwise(dated):
            if before.end is None or after.start < before.end:
                first, second = before.rates.source, after.rates.source
                raise PriceFileError(
                    name, f"two rows for {called!r} hold at one time: {first}; {second}"
                )
    return PriceFile(rows)


def _read_row(
    row: dict[str, Any], source: str
) -> tuple[list[tuple[str, str | None, str | None]], Row]:
    """Read one row: the models that it is for, and its rates."""
    for key in row:
        if key not in _KEYS:
            raise _Fault("unknown key", repr(key) + near_miss(key, _KEYS))
    for key in ("model", "input", "output"):
        if key not in row:
            raise _Fault(key, "is missing")
    models = row["model"] if isinstance(row["model"], list) else [row["model"]]
    provider, tier = _text(row, "provider"), _text(row, "service_tier")
    if tier in STANDARD_TIERS:
        tier = None
    start, end = _second(row, "from"), _second(row, "to")
    if end is not None and end <= (start or 0):
        raise _Fault("to", "is not after from")
    rates = {key: _rate(key, row[key]) for key in (*RATES, "request") if key in row}
    made = Rates(**cast("Any", rates), source=source + _dates(row))
    keys = [(_name_of(model), provider, tier) for model in models]
    if not keys or len(set(keys)) < len(keys):
        raise _Fault("model", "is a name, or a list of different names")
    return keys, Row(start or 0, end, made)


def _dates(row: dict[str, Any]) -> str:
    """Say the dates of a row as its author wrote them."""
    return "".join(f" {key} {row[key]}" for key in ("from", "to") if key in row)


def _name_of(model: object) -> str:
    """Read the name of a model."""
    if not isinstance(model, str) or not model:
        raise _Fault("model", "is a name, or a list of different names")
    return model.casefold()


def _text(row: dict[str, Any], key: str) -> str | None:
    """Read a name that may be left out."""
    value = row.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise _Fault(key, "is a name in quotes")
    return None if value is None else value.casefold()


def _second(row: dict[str, Any], key: str) -> int | None:
    """Read a date or a time as seconds since 1970, in UTC where no zone is said."""
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _Fault(key, "is a date such as 2026-01-31") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise _Fault(key, "is a date such as 2026-01-31")
    value = value if value.tzinfo else value.replace(tzinfo=UTC)
    if value.microsecond or value < datetime(1970, 1, 1, tzinfo=UTC):
        raise _Fault(key, "is a whole second after 1970")
    return int(value.timestamp())


def _rate(key: str, value: object) -> Decimal:
    """Read an amount of USD, as a number or in quotes."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise _Fault(key, 'is an amount of USD such as "2.50"')
    if isinstance(value, str) and "_" in value:
        raise _Fault(key, 'is an amount of USD such as "2.50"')
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise _Fault(key, 'is an amount of USD such as "2.50"') from None
    if not amount.is_finite() or not 0 <= amount <= _LARGEST_RATE:
        raise _Fault(key, f"is from 0 to {_LARGEST_RATE:,} USD")
    if int(amount.normalize().as_tuple().exponent) < _EXPONENT:
        raise _Fault(key, "has more than 12 decimals")
    return amount
