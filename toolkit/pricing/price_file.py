"""Read the user's own prices: a TOML file of dated rows, which override all others."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from toolkit.errors import PriceFileError, near_miss
from toolkit.expressions.vendors import check_provider
from toolkit.formatting.parameters import check_path
from toolkit.pricing.catalogue import STANDARD_TIERS
from toolkit.pricing.rates import Offer, Rates

if TYPE_CHECKING:
    import os

Prices: TypeAlias = "str | os.PathLike[str] | PriceFile | None"

RATES = tuple(
    one.name for one in fields(Rates) if one.name not in {"request", "source"}
)
_KEYS = ("model", "provider", "service_tier", "from", "to", "request", *RATES)
# USD per million tokens, or per request: more is a typo, and might overflow a sum.
_LARGEST_RATE = Decimal(1_000_000)
_EXPONENT = -12
_MODELS = "a name, or a list of different names"
_AMOUNT = 'an amount of USD such as "2.50"'
_DATE = "a date such as 2026-01-31"


class _RowError(Exception):
    """A wrong row, in words; it becomes a `PriceFileError`."""


def _wrong_value(key: str, expected: str, value: object) -> _RowError:
    """Return the error for a wrong value."""
    got = repr(value) if isinstance(value, str) else str(value)
    return _RowError(f"{key}: expected {expected}, got {got}")


class Row(NamedTuple):
    """Rates, and the seconds since 1970 between which they hold."""

    start: int
    end: int | None
    rates: Rates


@dataclass(frozen=True)
class PriceFile:
    """Checked prices; see `read_prices`."""

    rows: dict[tuple[str, str | None, str | None], list[Row]] = field(
        default_factory=dict
    )
    provider: str | None = None
    """Who served the responses whose line names no provider."""

    def overlay(
        self, offer: Offer, provider: str | None, model: str | None, tier: str | None
    ) -> Offer:
        """Return an offer with the prices of the file; those for its provider win."""
        if model is None:
            return offer
        plain = (tier or "").casefold()
        tiers = None if plain in {"", *STANDARD_TIERS} else plain
        seller = None if provider is None else provider.casefold()
        for name in dict.fromkeys((None, seller)):
            rows = self.rows.get((model.casefold(), name, tiers))
            if rows:
                offer = offer.overlay(rows)
        return offer


def read_prices(prices: Prices, provider: str | None = None) -> PriceFile:
    """Read a price file; None gives an empty one, a `PriceFile` is returned as is.

    With `provider`, the responses whose line names no provider are priced as its.

    Raises
    ------
    PriceFileError
        If the file is missing, is not valid TOML, or has an error: an unknown key, a
        rate that is not a number, two rows for one model at the same time.
    OptionError
        If no provider has such a name.
    """
    if check_provider(provider) is not None:
        return replace(read_prices(prices), provider=provider)
    if prices is None:
        return PriceFile()
    if isinstance(prices, PriceFile):
        return prices
    name = check_path("prices", prices, "a price file (its path), or None")
    try:
        with Path(name).open("rb") as file:
            # Rates are money: they must not become floats.
            data = tomllib.load(file, parse_float=Decimal)
    except OSError as error:
        raise PriceFileError(name, error.strerror or "cannot be read") from None
    except UnicodeDecodeError:
        raise PriceFileError(name, "not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise PriceFileError(name, f"not valid TOML: {error}") from None
    return _parse(name, data)


def _parse(name: str, data: dict[str, Any]) -> PriceFile:
    """Parse the rows of a price file."""
    for key in data:
        if key != "price":
            hint = near_miss(key, ("price",))
            raise PriceFileError(
                name, f"unknown table {key!r}{hint}: expected [[price]]"
            )
    tables = data.get("price", [])
    if not isinstance(tables, list) or not all(isinstance(row, dict) for row in tables):
        raise PriceFileError(name, "expected each price as a table under [[price]]")
    rows: dict[tuple[str, str | None, str | None], list[Row]] = {}
    for number, row in enumerate(tables, 1):
        at = f"price {number}"
        try:
            keys, parsed = _parse_row(row, f"{name}, {at}")
        except _RowError as error:
            raise PriceFileError(name, f"{at}: {error}") from None
        for one in keys:
            rows.setdefault(one, []).append(parsed)
    for (model, _, _), dated in rows.items():
        dated.sort(key=lambda row: row.start)
        for before, after in pairwise(dated):
            if before.end is None or after.start < before.end:
                first, second = before.rates.source, after.rates.source
                fault = f"two prices for {model!r} at the same time"
                raise PriceFileError(name, f"{fault}: {first}; {second}")
    return PriceFile(rows)


def _parse_row(
    row: dict[str, Any], source: str
) -> tuple[list[tuple[str, str | None, str | None]], Row]:
    """Parse one row: its models, and their rates."""
    for key in row:
        if key not in _KEYS:
            hint = near_miss(key, _KEYS) or f": use {', '.join(_KEYS)}"
            fault = f"unknown key {key!r}{hint}"
            raise _RowError(fault)
    for key in ("model", "input", "output"):
        if key not in row:
            fault = f"{key} is missing"
            raise _RowError(fault)
    models = row["model"] if isinstance(row["model"], list) else [row["model"]]
    provider, tier = _parse_text(row, "provider"), _parse_text(row, "service_tier")
    if tier in STANDARD_TIERS:
        tier = None
    start, end = _parse_second(row, "from"), _parse_second(row, "to")
    if end is not None and end <= (start or 0):
        raise _wrong_value(
            "to", f"a time after from ({row.get('from', 1970)})", row["to"]
        )
    rates = {
        key: _parse_rate(key, row[key]) for key in (*RATES, "request") if key in row
    }
    dates = [f" {key} {row[key]}" for key in ("from", "to") if key in row]
    parsed = Rates(**cast("Any", rates), source=source + "".join(dates))
    keys = [(_parse_name(model), provider, tier) for model in models]
    if not keys or len(set(keys)) < len(keys):
        raise _wrong_value("model", _MODELS, row["model"])
    return keys, Row(start or 0, end, parsed)


def _parse_name(model: object) -> str:
    """Parse the name of a model."""
    if not isinstance(model, str) or not model:
        raise _wrong_value("model", _MODELS, model)
    return model.casefold()


def _parse_text(row: dict[str, Any], key: str) -> str | None:
    """Parse an optional name."""
    value = row.get(key)
    if value is not None and (not isinstance(value, str) or not value):
        raise _wrong_value(key, "a name in quotes", value)
    return None if value is None else value.casefold()


def _parse_second(row: dict[str, Any], key: str) -> int | None:
    """Parse a date or a time as seconds since 1970; without a zone it is UTC."""
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise _wrong_value(key, _DATE, value) from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    if not isinstance(value, datetime):
        raise _wrong_value(key, _DATE, value)
    value = value if value.tzinfo else value.replace(tzinfo=UTC)
    if value.microsecond or value < datetime(1970, 1, 1, tzinfo=UTC):
        raise _wrong_value(key, "a whole second after 1970", value)
    return int(value.timestamp())


def _parse_rate(key: str, value: object) -> Decimal:
    """Parse an amount of USD, a number or a string."""
    is_number = isinstance(value, str | int | Decimal) and not isinstance(value, bool)
    if not is_number or "_" in str(value):
        raise _wrong_value(key, _AMOUNT, value)
    try:
        amount = Decimal(cast("str | int | Decimal", value))
    except InvalidOperation:
        raise _wrong_value(key, _AMOUNT, value) from None
    if not amount.is_finite() or not 0 <= amount <= _LARGEST_RATE:
        raise _wrong_value(key, f"0 to {_LARGEST_RATE:,} USD", value)
    if int(amount.normalize().as_tuple().exponent) < _EXPONENT:
        raise _wrong_value(key, "at most 12 decimals", value)
    return amount
