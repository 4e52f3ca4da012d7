"""Read a provider's invoice as a frame: rows of a UTC day and a model.

The columns are found by their names in the exports of providers: OpenAI's usage and
costs, Anthropic's usage and costs. For other invoices the caller names the columns.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from toolkit.errors import InvoiceError, near_miss
from toolkit.expressions.model_families import FAMILY_RULES, families
from toolkit.pricing.offers import scaled
from toolkit.pricing.pricer import MONEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from toolkit.schema.columns import ArrowStream

Invoice: TypeAlias = "str | os.PathLike[str] | pl.DataFrame | ArrowStream"
Columns: TypeAlias = "Mapping[str, str | Sequence[str]] | None"

# Names of each column, the preferred first; those joined by + are added up.
_KNOWN = {
    "day": "day date usage_date_utc usage_date start_time_iso start_time timestamp",
    "model": "model model_version snapshot_id line_item",
    "responses": "responses requests num_model_requests num_requests n_requests",
    "prompt_tokens": "prompt_tokens input_tokens n_context_tokens_total "
    "usage_input_tokens_no_cache+usage_input_tokens_cache_write_5m"
    "+usage_input_tokens_cache_write_1h+usage_input_tokens_cache_read",
    "cached_tokens": "cached_tokens input_cached_tokens n_cached_context_tokens_total "
    "usage_input_tokens_cache_read",
    "completion_tokens": "completion_tokens output_tokens n_generated_tokens_total "
    "usage_output_tokens",
    "cost": "cost cost_usd amount_value amount_usd",
}
COUNTED = ("responses", "prompt_tokens", "cached_tokens", "completion_tokens")
_EXPECTED = {
    "day": "a day such as 2026-01-31",
    **dict.fromkeys(COUNTED, "a whole number"),
    "cost": "an amount such as 1234.50",
}
_CURRENCIES = ("currency", "amount_currency")
_DAY_IN_DIGITS = re.compile(r"(?:19|20)\d{6}")
# Seconds since 1970 of the years 2001 to 2099; other numbers are not times.
_FIRST_SECOND, _LAST_SECOND = 10**9, 4_102_444_800
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
    """Read an invoice into rows of a day and a model; missing columns are null."""
    table = _read_table(invoice)
    found = _find_columns(table.columns, columns)
    for column in table.columns:
        if column.strip().lower() not in _CURRENCIES:
            continue
        texts = (text and text.strip() for text in table[column].cast(pl.String))
        others = sorted({text for text in texts if text and text.lower() != "usd"})
        if others:
            fault = f"column {column!r}: expected USD, got {others[0]!r}"
            raise InvoiceError("invoice", f"{fault}: convert the amounts first")
    rows = [
        _read_row(dict(zip(table.columns, row, strict=True)), found, number)
        for number, row in enumerate(table.iter_rows(), 2)
    ]
    filled = [row for row in rows if any(value is not None for value in row[2:])]
    return pl.DataFrame(filled, schema=_INVOICE, orient="row")


def _read_table(invoice: Invoice) -> pl.DataFrame:
    """Read a CSV as text; return a frame as it is."""
    if isinstance(invoice, pl.DataFrame):
        return invoice
    if not isinstance(invoice, str | os.PathLike):
        return pl.DataFrame(invoice)
    name = os.fspath(invoice)
    try:
        return pl.read_csv(Path(name).read_bytes(), infer_schema=False)
    except OSError as error:
        raise InvoiceError(name, error.strerror or "cannot be read") from None
    except pl.exceptions.PolarsError:
        raise InvoiceError(name, "expected a CSV file in UTF-8 with a header") from None


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
            [plain[one] for one in names.split("+") if one in plain]
            for names in choices.split()
        )
        first = next(filter(None, known), None)
        if name not in found and first:
            found[name] = first
    for name in ("day", "model"):
        if name not in found:
            fault = f"no column for the {name} among {_list(there)}"
            raise InvoiceError("invoice", f"{fault}: name it in columns")
    if not set(found) - {"day", "model"}:
        fault = f"no column for counts or costs among {_list(there)}"
        raise InvoiceError("invoice", f"{fault}: name one in columns")
    return found


def _list(columns: Sequence[str]) -> str:
    """Return the names of columns for a message."""
    return ", ".join(repr(column) for column in columns)


def _read_row(
    row: dict[str, Any], found: dict[str, list[str]], number: int
) -> list[object]:
    """Read one line of the invoice; raise `InvoiceError` for a wrong cell."""
    cells: dict[str, object] = {}
    for name, columns in found.items():
        try:
            if name == "day":
                cells[name] = _parse_day(row[columns[0]])
            elif name == "model":
                cells[name] = _parse_model(row[columns[0]])
            else:
                cells[name] = _sum_amounts((row[column] for column in columns), name)
        except (ValueError, InvalidOperation, OverflowError, OSError):
            fault = f"line {number}: {columns[0]}: expected {_EXPECTED[name]}"
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


def _parse_model(value: object) -> str | None:
    """Parse the name of a model; in some invoices more follows after a comma."""
    return None if value is None else str(value).partition(",")[0].strip() or None


def _sum_amounts(values: Iterable[object], name: str) -> int | Decimal | None:
    """Sum counts or USD; None if all are missing."""
    texts = (str(value).strip() for value in values if value is not None)
    amounts = [_parse_number(text, name) for text in texts if text]
    if not amounts:
        return None
    total = sum(amounts, Decimal(0))
    if name == "cost":
        return Decimal(scaled(total, 12)).scaleb(-12)
    if total != int(total):
        raise ValueError(name)
    return int(total)


def _parse_number(text: str, name: str) -> Decimal:
    """Parse a number; raise ValueError if a comma may be a decimal point."""
    plain = text.replace("$", "", 1).strip()
    if "," in plain:
        # An amount of 1,234 may mean 1.234: it needs two separators to be clear.
        marks = plain.count(",") + plain.count(".")
        if not _GROUPED.fullmatch(plain) or (name == "cost" and marks < 2):
            raise ValueError(text)
    if "_" in plain:
        raise ValueError(text)
    return Decimal(plain.replace(",", ""))


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
    return families(plain_names(names), FAMILY_RULES)
