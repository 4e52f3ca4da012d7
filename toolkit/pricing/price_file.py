"""Read prices from a TOML file of dated rows: the user's own, or our corrections."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache, cached_property
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from toolkit.errors import PriceFileError, near_miss
from toolkit.expressions.vendors import check_provider, seller_named
from toolkit.formatting.parameters import check_path
from toolkit.pricing.catalogue import STANDARD_TIERS, plain_tier
from toolkit.pricing.rates import AMOUNTS, DAY, FOREVER, Offer, Row

if TYPE_CHECKING:
    import os

_Value = TypeVar("_Value")
Prices: TypeAlias = "str | os.PathLike[str] | PriceFile | None"
# Model, provider, tier, search context size; None where a row does not depend on it.
_Key: TypeAlias = tuple[str, str | None, str | None, str | None]
# For each key, the function that reads its value, and what it expects.
_Parsers: TypeAlias = Mapping[str, tuple[Callable[[Any], Any], str]]

# USD per million tokens, or per request: more is a typo, and might overflow a sum.
_LARGEST_RATE = Decimal(1_000_000)
_HOURS = re.compile(r"(\d\d):([0-5]\d)-(\d\d):([0-5]\d)(?:, ?|$)")
_DAYS = ("thu", "fri", "sat", "sun", "mon", "tue", "wed")  # as weeks of 1970 begin


class _FaultError(Exception):
    """The faults of a table, in words; they become a `PriceFileError`."""


@dataclass(frozen=True)
class PriceFile:
    """Checked prices; see `read_prices`."""

    rows: dict[_Key, list[Row]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    # Whether these prices come before the costs that responses report.
    before_reported: bool = False

    # Who served the responses whose line names no provider.
    provider: str | None = None

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
        wild = [n for n, p in self.patterns.items() if any(map(p.fullmatch, names))]
        rows = [
            row
            for name in (*wild, *names)
            for seller in dict.fromkeys((None, provider and _plain_provider(provider)))
            for one in dict.fromkeys((None, size and size.casefold()))
            for row in self.rows.get((name, seller, _plain_tier(tier), one), ())
        ]
        return offer.overlay(rows) if rows else offer


def _plain_provider(name: str) -> str:
    """Return a provider in the one spelling that its vendor has, if it has any."""
    return seller_named(name) or name.casefold()


def _plain_tier(tier: str | None) -> str | None:
    """Return the name of a tier; None for the standard one."""
    name = plain_tier(tier)
    return None if name in STANDARD_TIERS else name


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
    return _parse_prices(name, data, own=True)


@cache
def read_corrections() -> PriceFile:
    """Read our corrections of the price data; their providers are as there."""
    text = files("toolkit.pricing").joinpath("corrections.toml").read_text("utf-8")
    data = tomllib.loads(text, parse_float=Decimal)
    return _parse_prices("corrections", data, own=False)


def _parse_prices(name: str, data: Mapping[str, Any], *, own: bool) -> PriceFile:
    """Parse a price file; raise `PriceFileError` with all of its faults."""
    rows: dict[_Key, list[Row]] = {}
    top, faults = _parse_table(data, _TOP)
    for number, table in enumerate(top.get("price", ()), 1):
        try:
            seller = "" if own else f" {table['provider']},"
            keys, row = _parse_row(table, f"{name},{seller} price {number}", own=own)
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
) -> tuple[dict[str, Any], list[str]]:
    """Parse the values of a table; return them and the faults of the others."""
    values: dict[str, Any] = {}
    faults = [f"{key} is missing" for key in needed if key not in table]
    for key, value in table.items():
        if key not in parsers:
            hint = near_miss(key, parsers) or f": use {', '.join(parsers)}"
            faults.append(f"unknown key {key!r}{hint}")
            continue
        parse, expected = parsers[key]
        try:
            values[key] = parse(value)
        except _FaultError as fault:
            faults += fault.args
        except (ArithmeticError, AttributeError, TypeError, ValueError):
            got = repr(value) if isinstance(value, str) else str(value)
            faults.append(f"{key}: expected {expected}, got {got}")
    return values, faults


def _parse_row(
    table: Mapping[str, Any], source: str, *, own: bool
) -> tuple[list[_Key], Row]:
    """Parse one row: its keys, and what it says of them."""
    # Without rates of its own a row changes those of others.
    changes = table.keys() & _COSTS.keys()
    is_whole = not changes or changes & {"input", "output"}
    needed = ("model", "input", "output") if is_whole else ("model",)
    values, faults = _parse_table(table, _ROW, needed)
    if faults:
        raise _FaultError(*faults)
    start, end = values.get("from", 0), values.get("to", FOREVER)
    if end <= start:
        after, got = table.get("from", 1970), table["to"]
        fault = f"to: expected a time after from ({after}), got {got}"
        raise _FaultError(fault)
    amounts = {key: values[key] for key in (*AMOUNTS, _APART) if key in values}
    steps = [(0, amounts)]
    for above, changed in values.get("step", ()):
        steps.append((above + 1, {**steps[-1][1], **changed}))
    dates = "".join(f" {key} {table[key]}" for key in ("from", "to") if key in table)
    notes = ", ".join(
        f"{'' if key == 'source' else f'{key} '}{table[key]}"
        for key in _NOTES
        if table.get(key)
    )
    hours = values.get("hours") or ([(0, DAY)] if "days" in values else [])
    row = Row(
        start,
        end,
        () if values.get("unknown") else tuple(steps),
        tuple(
            (day * DAY + begins, day * DAY + ends + DAY * (ends <= begins))
            for day in values.get("days", range(len(_DAYS)))
            for begins, ends in hours
        ),
        values.get("discount", Decimal(0)),
        own,
        source + dates + (f" ({notes})" if notes else ""),
    )
    tier = _plain_tier(values.get("service_tier"))
    provider, size = values.get("provider"), values.get("search_context_size")
    provider = provider and _plain_provider(provider)
    return [(model, provider, tier, size) for model in values["model"]], row


def _checked(value: _Value, *, valid: object) -> _Value:
    """Return a value; raise `ValueError` if it is not valid."""
    if not valid:
        raise ValueError
    return value


def _parse_tables(value: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parse tables of the same name."""
    return [_checked(one, valid=isinstance(one, dict)) for one in value]


def _parse_steps(value: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Parse the rates of longer prompts; return the shortest first."""
    parsed = [_parse_table(one, _STEP, ("above",)) for one in _parse_tables(value)]
    faults = [f"step: {fault}" for _, found in parsed for fault in found]
    if faults:
        raise _FaultError(*faults)
    steps = {step.pop("above"): step for step, _ in parsed}
    return _checked(sorted(steps.items()), valid=len(steps) == len(parsed))


def _parse_aliases(value: dict[str, str]) -> dict[str, str]:
    """Parse names that stand for models."""
    return {name.casefold(): _parse_text(model) for name, model in value.items()}


def _parse_models(value: str | list[str]) -> list[str]:
    """Parse the name of a model, or a list of them."""
    names = [*map(_parse_text, [value] if isinstance(value, str) else value)]
    return _checked(names, valid=0 < len(set(names)) == len(names))


def _parse_text(value: str) -> str:
    """Parse a name."""
    return _checked(value.casefold(), valid=value)


def _parse_second(value: str | date) -> int:
    """Parse a date or a time as seconds since 1970; without a zone it is UTC."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime):
        moment = datetime.combine(moment, time())
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    second = int(moment.timestamp())
    return _checked(second, valid=0 <= second == moment.timestamp() < FOREVER)


def _parse_hours(value: str) -> list[tuple[int, int]]:
    """Parse hours of the day as seconds; they may run past midnight."""
    _checked(value, valid=re.fullmatch(f"(?:{_HOURS.pattern})+", value))
    found = [[int(part) for part in parts] for parts in _HOURS.findall(value)]
    hours = [(3600 * a + 60 * b, 3600 * c + 60 * d) for a, b, c, d in found]
    return _checked(hours, valid=all(a < DAY >= b != a for a, b in hours))


def _parse_amount(
    value: str | int | Decimal, largest: Decimal = _LARGEST_RATE, decimals: int = 12
) -> Decimal:
    """Parse an amount of USD, a number or a string."""
    _checked(value, valid=not isinstance(value, bool) and "_" not in str(value))
    amount = Decimal(value)
    exact = int(amount.normalize().as_tuple().exponent) >= -decimals
    return _checked(amount, valid=exact and 0 <= amount <= largest)


def _parse_rate(value: str | int | Decimal) -> Decimal | None:
    """Parse an amount of USD; None is one that is not known."""
    return None if value == "unknown" else _parse_amount(value)


_APART = "reasoning_apart"
_NOTES = ("source", "added", "checked")
_AMOUNT = 'an amount of USD such as "2.50" (0 to 1,000,000, at most 12 decimals)'
_NAME = (_parse_text, "a name in quotes")
_DATE = (_parse_second, "a date after 1970 such as 2026-01-31")
_FLAG = (lambda flag: _checked(flag, valid=isinstance(flag, bool)), "true or false")
_RATES: _Parsers = {
    **dict.fromkeys(AMOUNTS, (_parse_rate, f'{_AMOUNT}, or "unknown"')),
    **dict.fromkeys(("input", "output"), (_parse_amount, _AMOUNT)),
}
_STEP: _Parsers = {
    "above": (
        lambda above: _checked(above, valid=type(above) is int and above > 0),
        "a number of tokens",
    ),
    **_RATES,
}
# What a row changes if it has no rates of its own.
_COSTS: _Parsers = {
    **_RATES,
    "step": (_parse_steps, "tables under [[price.step]], each with another `above`"),
    "discount": (
        lambda share: _parse_amount(share, Decimal(1), 6),
        'a share such as "0.15" (0 to 1, at most 6 decimals)',
    ),
    **dict.fromkeys((_APART, "unknown"), _FLAG),
}
_ROW: _Parsers = {
    "model": (_parse_models, "a name, or a list of different names"),
    **dict.fromkeys(("provider", "service_tier", "search_context_size"), _NAME),
    **dict.fromkeys(("from", "to"), _DATE),
    **_COSTS,
    "hours": (_parse_hours, 'hours of UTC such as "16:30-00:30"'),
    "days": (
        lambda days: [_DAYS.index(day) for day in _checked(days, valid=days)],
        'a list of days such as ["sat", "sun"]',
    ),
    **dict.fromkeys(_NOTES, (lambda note: note, "")),
}
_TOP: _Parsers = {
    "price": (_parse_tables, "each price as a table under [[price]]"),
    "aliases": (_parse_aliases, 'a table of names such as "mine" = "gpt-4o"'),
    "before_reported": _FLAG,
}
