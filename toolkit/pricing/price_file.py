"""Read prices from a TOML file of dated rows: the user's own, or our corrections."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property
from itertools import combinations
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from toolkit.errors import PriceFileError, near_miss
from toolkit.formatting.parameters import check_path
from toolkit.pricing.catalogue import STANDARD_TIERS
from toolkit.pricing.rates import AMOUNTS, DAY, Offer, Row

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence

Prices: TypeAlias = "str | os.PathLike[str] | PriceFile | None"
# Model, provider, tier, search context size; None where a row does not depend on it.
_Key: TypeAlias = "tuple[str, str | None, str | None, str | None]"
_Parsers: TypeAlias = "Mapping[str, Callable[[str, object], Any]]"

# USD per million tokens, or per request: more is a typo, and might overflow a sum.
_LARGEST_RATE = Decimal(1_000_000)
_EXPONENT, _SHARE_EXPONENT = -12, -6
_AMOUNT = 'an amount of USD such as "2.50"'
_DATE = "a date such as 2026-01-31"
_HOURS = 'hours of UTC such as "16:30-00:30"'
_DAYS = ("thu", "fri", "sat", "sun", "mon", "tue", "wed")  # as weeks of 1970 begin


class _FaultError(Exception):
    """A wrong value, in words; it becomes part of a `PriceFileError`."""


def _wrong_value(key: str, expected: str, value: object) -> _FaultError:
    """Return the error for a wrong value."""
    got = repr(value) if isinstance(value, str) else str(value)
    return _FaultError(f"{key}: expected {expected}, got {got}")


@dataclass(frozen=True)
class PriceFile:
    """Checked prices; see `read_prices`."""

    rows: dict[_Key, list[Row]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    before_reported: bool = False
    """Whether these prices come before the costs that responses report."""

    @cached_property
    def patterns(self) -> dict[str, re.Pattern[str]]:
        """The names with a ``*``, the shortest first."""
        names = sorted({key[0] for key in self.rows if "*" in key[0]}, key=len)
        return {
            name: re.compile(re.escape(name).replace(r"\*", ".*"), re.DOTALL)
            for name in names
        }

    def alias(self, model: str | None) -> str | None:
        """Return the name of the model that a name stands for."""
        return model and self.aliases.get(model.casefold(), model)

    def overlay(
        self,
        offer: Offer,
        provider: str | None,
        models: Sequence[str],
        tier: str | None,
        size: str | None = None,
    ) -> Offer:
        """Return an offer with the prices of the file.

        The most specific row wins: of an exact name over a wildcard, and of a longer
        wildcard over a shorter; then of its provider, and of its search context size.
        """
        names = [name.casefold() for name in models]
        plain = (tier or "").casefold()
        tiers = None if plain in {"", *STANDARD_TIERS} else plain
        sellers = dict.fromkeys((None, provider and provider.casefold()))
        sizes = dict.fromkeys((None, size and size.casefold()))
        wild = [n for n, p in self.patterns.items() if any(map(p.fullmatch, names))]
        rows = [
            row
            for name in (*wild, *names)
            for seller in sellers
            for one in sizes
            for row in self.rows.get((name, seller, tiers, one), ())
        ]
        return offer.overlay(rows) if rows else offer


def read_prices(prices: Prices) -> PriceFile:
    """Read a price file; None gives an empty one, a `PriceFile` is returned as is.

    Raises
    ------
    PriceFileError
        If the file is missing, is not valid TOML, or has an error: an unknown key, a
        rate that is not a number, two rows for one model at the same time.
    """
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
    return parse_prices(name, data, own=True)


def parse_prices(name: str, data: Mapping[str, Any], *, own: bool) -> PriceFile:
    """Parse a price file; raise `PriceFileError` with all of its faults."""
    faults: list[str] = []
    top: dict[str, Any] = {}
    rows: dict[_Key, list[Row]] = {}
    try:
        top = _parse_table(data, _TOP)
    except _FaultError as fault:
        faults += fault.args
    for number, table in enumerate(top.get("price", ()), 1):
        try:
            keys, row = _parse_row(table, f"{name}, price {number}", own=own)
        except _FaultError as fault:
            faults += [f"price {number}: {one}" for one in fault.args]
            continue
        for key in keys:
            rows.setdefault(key, []).append(row)
    for (model, *_), dated in rows.items():
        # Those for some hours come after those for all: they take precedence.
        dated.sort(key=lambda row: (bool(row.windows), row.start))
        faults += [
            f"two prices for {model!r} at the same time: {one.source}; {other.source}"
            for one, other in combinations(dated, 2)
            if bool(one.windows) == bool(other.windows) and one.meets(other)
        ]
    if faults:
        raise PriceFileError(name, "; ".join(faults))
    return PriceFile(rows, top.get("aliases", {}), top.get("before_reported", False))


def _parse_table(
    table: Mapping[str, Any], parsers: _Parsers, needed: Sequence[str] = ()
) -> dict[str, Any]:
    """Parse the values of a table; raise `_FaultError` with all of its faults."""
    values: dict[str, Any] = {}
    faults = [f"{key} is missing" for key in needed if key not in table]
    for key, value in table.items():
        if key not in parsers:
            hint = near_miss(key, parsers) or f": use {', '.join(parsers)}"
            faults.append(f"unknown key {key!r}{hint}")
            continue
        try:
            values[key] = parsers[key](key, value)
        except _FaultError as fault:
            faults += fault.args
    if faults:
        raise _FaultError(*faults)
    return values


def _parse_row(
    table: Mapping[str, Any], source: str, *, own: bool
) -> tuple[list[_Key], Row]:
    """Parse one row: its keys, and what it says of them."""
    # Without rates of its own a row changes those of others.
    changes = table.keys() & (_ROW.keys() - _CONDITIONS)
    is_whole = not changes or changes & {"input", "output"}
    needed = ("model", "input", "output") if is_whole else ("model",)
    values = _parse_table(table, _ROW, needed)
    start, end = values.get("from", 0), values.get("to")
    if end is not None and end <= start:
        expected = f"a time after from ({table.get('from', 1970)})"
        raise _wrong_value("to", expected, table["to"])
    amounts = {key: values[key] for key in (*AMOUNTS, _APART) if key in values}
    steps = [(0, amounts)]
    for above, changed in values.get("step", ()):
        steps.append((above + 1, {**steps[-1][1], **changed}))
    dates = "".join(f" {key} {table[key]}" for key in ("from", "to") if key in table)
    notes = ", checked ".join(str(table[key]) for key in _NOTES if key in table)
    row = Row(
        start,
        end,
        () if values.get("unknown") else tuple(steps),
        _windows_of(values.get("hours"), values.get("days")),
        values.get("discount", Decimal(0)),
        own,
        source + dates + (f" ({notes})" if notes else ""),
    )
    tier = values.get("service_tier")
    tier = None if tier in STANDARD_TIERS else tier
    provider, size = values.get("provider"), values.get("search_context_size")
    return [(model, provider, tier, size) for model in values["model"]], row


def _windows_of(
    hours: Sequence[tuple[int, int]] | None, days: Sequence[int] | None
) -> tuple[tuple[int, int], ...]:
    """Return hours of some days as seconds of the week."""
    if hours is None and days is None:
        return ()
    return tuple(
        (day * DAY + start, day * DAY + (end if start < end else end + DAY))
        for day in (range(len(_DAYS)) if days is None else days)
        for start, end in hours or [(0, DAY)]
    )


def _parse_tables(key: str, value: object) -> list[dict[str, Any]]:
    """Parse tables of the same name."""
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return value
    fault = f"expected each {key} as a table under [[{key}]]"
    raise _FaultError(fault)


def _parse_steps(key: str, value: object) -> list[tuple[int, dict[str, Any]]]:
    """Parse the rates of longer prompts; the shortest first."""
    steps: dict[int, dict[str, Any]] = {}
    faults: list[str] = []
    for number, table in enumerate(_parse_tables(f"price.{key}", value), 1):
        try:
            step = _parse_table(table, _STEP, ("above",))
            above = step.pop("above")
            if above in steps:
                raise _wrong_value("above", "a different number in each step", above)
            steps[above] = step
        except _FaultError as fault:
            faults += [f"step {number}: {one}" for one in fault.args]
    if faults:
        raise _FaultError(*faults)
    return sorted(steps.items(), key=itemgetter(0))


def _parse_aliases(key: str, value: object) -> dict[str, str]:
    """Parse names that stand for models."""
    if not isinstance(value, dict) or not all(
        isinstance(model, str) and model for model in value.values()
    ):
        raise _wrong_value(key, 'a table of names such as "mine" = "gpt-4o"', value)
    return {name.casefold(): model for name, model in value.items()}


def _parse_models(key: str, value: object) -> list[str]:
    """Parse the name of a model, or a list of them."""
    names = value if isinstance(value, list) else [value]
    plain = [name.casefold() for name in names if isinstance(name, str) and name]
    if not plain or len(set(plain)) < len(names):
        raise _wrong_value(key, "a name, or a list of different names", value)
    return plain


def _parse_text(key: str, value: object) -> str:
    """Parse a name."""
    if not isinstance(value, str) or not value:
        raise _wrong_value(key, "a name in quotes", value)
    return value.casefold()


def _parse_flag(key: str, value: object) -> bool:
    """Parse true or false."""
    if not isinstance(value, bool):
        raise _wrong_value(key, "true or false", value)
    return value


def _parse_second(key: str, value: object) -> int:
    """Parse a date or a time as seconds since 1970; without a zone it is UTC."""
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


def _parse_hours(key: str, value: object) -> list[tuple[int, int]]:
    """Parse hours of the day as seconds; they may run past midnight."""
    hours = []
    for part in value.split(",") if isinstance(value, str) else [""]:
        found = re.fullmatch(r"\s*(\d\d):([0-5]\d)-(\d\d):([0-5]\d)\s*", part)
        if not found:
            raise _wrong_value(key, _HOURS, value)
        hour, minute, to_hour, to_minute = map(int, found.groups())
        start, end = hour * 3600 + minute * 60, to_hour * 3600 + to_minute * 60
        if start >= DAY or end > DAY or start == end:
            raise _wrong_value(key, _HOURS, value)
        hours.append((start, end))
    return hours


def _parse_days(key: str, value: object) -> list[int]:
    """Parse days of the week."""
    if not isinstance(value, list) or not value or not {*value} <= {*_DAYS}:
        raise _wrong_value(key, 'a list of days such as ["sat", "sun"]', value)
    return [_DAYS.index(day) for day in value]


def _parse_above(key: str, value: object) -> int:
    """Parse a length of the prompt."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise _wrong_value(key, "a number of prompt tokens such as 200_000", value)
    return value


def _parse_share(key: str, value: object) -> Decimal:
    """Parse a share of the price."""
    share = _parse_amount(key, value, 'a share such as "0.15"', _SHARE_EXPONENT)
    if share > 1:
        raise _wrong_value(key, "a share from 0 to 1", value)
    return share


def _parse_rate(key: str, value: object) -> Decimal | None:
    """Parse an amount of USD, a number or a string; None is one that is not known."""
    if value == "unknown" and key not in {"input", "output"}:
        return None
    return _parse_amount(key, value, _AMOUNT, _EXPONENT)


def _parse_amount(key: str, value: object, expected: str, exponent: int) -> Decimal:
    """Parse a decimal."""
    is_number = isinstance(value, str | int | Decimal) and not isinstance(value, bool)
    if not is_number or "_" in str(value):
        raise _wrong_value(key, expected, value)
    try:
        amount = Decimal(cast("str | int | Decimal", value))
    except InvalidOperation:
        raise _wrong_value(key, expected, value) from None
    if not amount.is_finite() or not 0 <= amount <= _LARGEST_RATE:
        raise _wrong_value(key, f"0 to {_LARGEST_RATE:,} USD", value)
    if int(amount.normalize().as_tuple().exponent) < exponent:
        raise _wrong_value(key, f"at most {-exponent} decimals", value)
    return amount


_RATES: _Parsers = dict.fromkeys(AMOUNTS, _parse_rate)
_STEP: _Parsers = {"above": _parse_above, **_RATES}
_TOP: _Parsers = {
    "price": _parse_tables,
    "aliases": _parse_aliases,
    "before_reported": _parse_flag,
}
_APART = "reasoning_apart"
_NOTES = ("source", "checked")
# Keys that do not say what something costs.
_CONDITIONS = {
    *("model", "provider", "service_tier", "search_context_size"),
    *("from", "to", "hours", "days", *_NOTES),
}
_ROW: _Parsers = {
    "model": _parse_models,
    **dict.fromkeys(("provider", "service_tier", "search_context_size"), _parse_text),
    **dict.fromkeys(("from", "to"), _parse_second),
    **_RATES,
    "hours": _parse_hours,
    "days": _parse_days,
    "step": _parse_steps,
    "discount": _parse_share,
    **dict.fromkeys((_APART, "unknown"), _parse_flag),
    **dict.fromkeys(_NOTES, lambda _, value: value),
}
