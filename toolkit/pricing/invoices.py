"""Read a provider's invoice as a frame: rows of a UTC day and a model.

Usage and costs of OpenAI and Anthropic are read as their dashboards (CSV) and their
APIs (JSON) export them. Columns are found by their names; those of other invoices are
named by the caller.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from toolkit.errors import InvoiceError, near_miss
from toolkit.expressions.choices import MONEY
from toolkit.expressions.model_families import FAMILY_RULES, families
from toolkit.pricing.offers import scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from toolkit.schema.columns import ArrowStream

Invoice: TypeAlias = "str | os.PathLike[str] | pl.DataFrame | ArrowStream"
Columns: TypeAlias = "Mapping[str, str | Sequence[str]] | None"

_TEXT = files("toolkit.pricing").joinpath("invoice_columns.toml").read_text("utf-8")
_KNOWN: dict[str, list[str]] = tomllib.loads(_TEXT)
COUNTED = ("responses", "prompt_tokens", "cached_tokens", "completion_tokens")
_EXPECTED = {
    "day": "a day such as 2026-01-31",
    **dict.fromkeys(COUNTED, "a whole number"),
    **dict.fromkeys(("cost", "cents"), "an amount such as 1234.50"),
}
# What the results of OpenAI's pages are called; those of Anthropic's have no such name.
_OBJECTS = {"organization.usage.completions.result", "organization.costs.result", None}
_MEASURES = {"input_tokens", "uncached_input_tokens", "amount.currency"}
_PAGE = "a page of the usage or the costs API of OpenAI or Anthropic"
_FILE = "a CSV file in UTF-8 with a header, or JSON"
_KIND_OF_TOKEN = re.compile(r" (?:audio|image|text)$")
_DAY_IN_DIGITS = re.compile(r"(?:19|20)\d{6}")
# Seconds since 1970 of the years 2001 to 2099; other numbers are not times.
_FIRST_SECOND, _LAST_SECOND = 10**9, 4_102_444_800
_LARGEST_NUMBER = 10**15  # of tokens or cents in a cell
_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_INVOICE = pl.Schema(
    {
        "day": pl.Date(),
        "model": pl.String(),
        **dict.fromkeys(COUNTED, pl.Int64()),
        "cost": MONEY,
    }
)


def read_invoice(invoice: Invoice, columns: Columns = None) -> pl.DataFrame:
    """Read an invoice into rows of a day and a model; missing columns are null.

    The model is null where the invoice names none.
    """
    table, place, first = _read_table(invoice)
    found = _find_columns(table.columns, columns)
    for column in (one for one in table.columns if "currency" in one.lower()):
        texts = table[column].cast(pl.String).str.strip_chars().drop_nulls()
        others = sorted(text for text in texts if text.lower() not in {"", "usd"})
        if others:
            fault = f"column {column!r}: expected USD, got {others[0]!r}"
            raise InvoiceError("invoice", f"{fault}: convert the amounts first")
    rows = [
        _read_row(row, found, f"{place} {number}")
        for number, row in enumerate(table.iter_rows(named=True), first)
    ]
    filled = [row for row in rows if any(value is not None for value in row[2:])]
    return pl.DataFrame(filled, schema=_INVOICE, orient="row")


def _read_table(invoice: Invoice) -> tuple[pl.DataFrame, str, int]:
    """Read a CSV or JSON as text, or take a frame; and what its first row is called."""
    if not isinstance(invoice, str | os.PathLike):
        return pl.DataFrame(invoice), "row", 1
    name = os.fspath(invoice)
    try:
        content = Path(name).read_bytes()
        text = content.decode("utf-8-sig").lstrip()
        if text.startswith("<"):
            raise InvoiceError(name, f"expected {_FILE}, got a web page")
        if text.startswith(("{", "[")):
            return _read_pages(name, text), "result", 1
        return pl.read_csv(content, infer_schema=False), "line", 2
    except OSError as error:
        raise InvoiceError(name, error.strerror or "cannot be read") from None
    except (UnicodeDecodeError, pl.exceptions.PolarsError):
        raise InvoiceError(name, f"expected {_FILE}") from None


def _read_pages(name: str, text: str) -> pl.DataFrame:
    """Read pages of an API, one after the other or in an array: a row a result."""
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=Decimal)
    other = InvoiceError(name, f"expected {_PAGE}, got other JSON")
    pages: list[Any] = []
    try:
        while text:
            page, end = decoder.raw_decode(text)
            pages += page if isinstance(page, list) else [page]
            text = text[end:].lstrip()
        kinds = {page.get("object", "page") for page in pages}
        buckets = [bucket for page in pages for bucket in page["data"]]
        rows = [_flatten(one, result) for one in buckets for result in one["results"]]
    except (ValueError, RecursionError):
        raise InvoiceError(name, "not valid JSON") from None
    except (AttributeError, KeyError, TypeError):
        raise other from None
    if kinds != {"page"}:
        raise other
    if all(page.get("has_more") for page in pages):
        fault = "the last page is missing (has_more is true)"
        raise InvoiceError(name, f"{fault}: add the pages that follow to the file")
    names = dict.fromkeys(name for row in rows for name in row)
    schema = dict.fromkeys(names or ("start_time", "model", "cost"), pl.String)
    return pl.DataFrame(rows, schema)


def _flatten(bucket: dict[str, Any], result: dict[str, Any]) -> dict[str, str | None]:
    """Return a result with its day as text; raise KeyError if it is of another API."""
    kind = result.get("object")
    flat = {"start_time": bucket["start_time" if kind else "starting_at"]}
    for key, value in result.items():
        parts = value if isinstance(value, dict) else {"": value}
        flat |= {f"{key}.{part}".rstrip("."): one for part, one in parts.items()}
    if kind is None and "amount" in flat:
        # Of Anthropic: in cents, and a string; so is the currency.
        flat["amount_cents"] = flat.pop("amount").strip()
        flat["currency"] = flat["currency"].strip()
    elif kind not in _OBJECTS or not flat.keys() & _MEASURES:
        raise KeyError(kind)
    return {key: None if one is None else str(one) for key, one in flat.items()}


def _find_columns(there: Sequence[str], columns: Columns) -> dict[str, list[str]]:
    """Return the columns of each field: those of the caller, else by known names."""
    found: dict[str, list[str]] = {}
    for name, value in (columns or {}).items():
        if name not in _KNOWN:
            hint = near_miss(name, _KNOWN) or f": use {', '.join(_KNOWN)}"
            raise InvoiceError("columns", f"no field {name!r}{hint}")
        found[name] = [value] if isinstance(value, str) else list(value)
        for column in found[name]:
            if column not in there:
                hint = near_miss(column, there) or f": it has {_list(there)}"
                raise InvoiceError("columns", f"no column {column!r}{hint}")
    plain = {column.strip().lower(): column for column in reversed(there)}
    for name, choices in _KNOWN.items():
        known = (
            [plain[one] for one in names.split(" + ") if one in plain]
            for names in choices
        )
        first = next(filter(None, known), None)
        if name not in found and first:
            found[name] = first
    if {"cost", "cents"} <= found.keys():
        if {"cost", "cents"} <= (columns or {}).keys():
            raise InvoiceError("columns", "expected cost or cents, got both")
        del found["cost" if "cents" in (columns or {}) else "cents"]
    missing = "" if "day" in found else "the day"
    if missing or not found.keys() - {"day", "model"}:
        fault = f"no column for {missing or 'counts or costs'} among {_list(there)}"
        raise InvoiceError("invoice", f"{fault}: name one in columns")
    return found


def _list(columns: Sequence[str]) -> str:
    """Return the names of columns for a message."""
    return ", ".join(repr(column) for column in columns)


def _read_row(
    row: dict[str, Any], found: dict[str, list[str]], place: str
) -> list[object]:
    """Read one line of the invoice; raise `InvoiceError` for a wrong cell."""
    cells: dict[str, object] = {}
    for name, columns in found.items():
        values = [row[column] for column in columns]
        try:
            if name == "day":
                cells[name] = _parse_day(values[0])
            elif name == "model":
                cells[name] = next(filter(None, map(_parse_model, values)), None)
            else:
                cells["cost" if name == "cents" else name] = _sum_amounts(values, name)
        except (ValueError, InvalidOperation, OverflowError, OSError):
            fault = f"{place}: {columns[0]}: expected {_EXPECTED[name]}"
            raise InvoiceError("invoice", fault) from None
    return [cells.get(name) for name in _INVOICE]


def _parse_day(value: object) -> date:
    """Parse a UTC day: a date, an ISO time, 20260131, or seconds since 1970."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).date()
    if isinstance(value, date):
        return value
    text = str(value).strip()
    if isinstance(value, str) and not text.replace(".", "", 1).isdigit():
        return _parse_day(datetime.fromisoformat(text))
    if _DAY_IN_DIGITS.fullmatch(text):
        return date.fromisoformat(text)
    seconds = float(text)
    if not _FIRST_SECOND <= seconds < _LAST_SECOND:
        raise ValueError(text)
    return datetime.fromtimestamp(seconds, UTC).date()


def _parse_model(value: object) -> str:
    """Parse the name of a model, also in an item such as ``priority | m, input``."""
    text = "" if value is None else str(value).rpartition(" | ")[2]
    name, comma, _ = text.partition(",")
    return _KIND_OF_TOKEN.sub("", name.strip()) if comma else name.strip()


def _sum_amounts(values: Iterable[object], name: str) -> int | Decimal | None:
    """Sum counts, USD or cents; None if all are missing."""
    texts = (str(value).strip() for value in values if value is not None)
    amounts = [_parse_number(text, name) for text in texts if text]
    if not amounts:
        return None
    total = sum(amounts, Decimal(0))
    if name in {"cost", "cents"}:
        dollars = total.scaleb(-2) if name == "cents" else total
        return Decimal(scaled(dollars, 12)).scaleb(-12)
    if total != int(total):
        raise ValueError(name)
    return int(total)


def _parse_number(text: str, name: str) -> Decimal:
    """Parse a number; raise ValueError if it is too large or a comma is ambiguous."""
    plain = text.replace("$", "", 1).strip()
    if "," in plain:
        # An amount of 1,234 may mean 1.234: it needs two separators to be clear.
        marks = plain.count(",") + plain.count(".")
        if not _GROUPED.fullmatch(plain) or (name in {"cost", "cents"} and marks < 2):
            raise ValueError(text)
    number = Decimal(plain.replace(",", ""))
    if "_" in plain or abs(number) > _LARGEST_NUMBER:
        raise ValueError(text)
    return number


def plain_names(names: pl.Series) -> pl.Series:
    """Return names of models in a form that invoices and logs share.

    Examples
    --------
    >>> import polars as pl
    >>> names = pl.Series(["Claude Haiku 4.5", "openai/gpt-4o-2024-08-06"])
    >>> plain_names(names).to_list()
    ['claude-haiku-4.5', 'gpt-4o-2024-08-06']
    """
    lower = names.cast(pl.String).str.strip_chars().str.to_lowercase()
    return lower.str.replace_all(r"\s+", "-").str.replace(r"^.*/(.)", "${1}")


def family_names(names: pl.Series) -> pl.Series:
    """Return names of models without the dates of their snapshots.

    Examples
    --------
    >>> import polars as pl
    >>> names = pl.Series(["Claude Haiku 4.5", "openai/gpt-4o-2024-08-06"])
    >>> family_names(names).to_list()
    ['claude-haiku-4.5', 'gpt-4o']
    """
    # A log names a tuned model `ft:gpt-4o:org::id`, a bill `ft-gpt-4o`.
    plain = plain_names(names).str.replace(r"^ft[:-]([^:]+).*", "${1}")
    return families(plain, FAMILY_RULES)
