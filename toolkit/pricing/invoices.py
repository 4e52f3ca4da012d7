"""A provider's invoice as a frame: one row for each UTC day and model.

The columns are known by the names that exports of real providers have: OpenAI's usage
and costs, Anthropic's usage and costs. Of others the caller says which is which.
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
from toolkit.pricing.pricer import MONEY, scaled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from toolkit.schema.columns import ArrowStream

Invoice: TypeAlias = "str | os.PathLike[str] | pl.DataFrame | ArrowStream"
Columns: TypeAlias = "Mapping[str, str | Sequence[str]] | None"

# What each column is called; several that are found together are added up.
_KNOWN: dict[str, tuple[tuple[str, ...], ...]] = {
    "day": (
        ("day",),
        ("date",),
        ("usage_date_utc",),
        ("usage_date",),
        ("start_time_iso",),
        ("start_time",),
        ("timestamp",),
    ),
    "model": (("model",), ("model_version",), ("snapshot_id",), ("line_item",)),
    "responses": (
        ("responses",),
        ("requests",),
        ("num_model_requests",),
        ("num_requests",),
        ("n_requests",),
    ),
    "prompt_tokens": (
        ("prompt_tokens",),
        ("input_tokens",),
        ("n_context_tokens_total",),
        (
            "usage_input_tokens_no_cache",
            "usage_input_tokens_cache_write_5m",
            "usage_input_tokens_cache_write_1h",
            "usage_input_tokens_cache_read",
        ),
    ),
    "cached_tokens": (
        ("cached_tokens",),
        ("input_cached_tokens",),
        ("n_cached_context_tokens_total",),
        ("usage_input_tokens_cache_read",),
    ),
    "completion_tokens": (
        ("completion_tokens",),
        ("output_tokens",),
        ("n_generated_tokens_total",),
        ("usage_output_tokens",),
    ),
    "cost": (("cost",), ("cost_usd",), ("amount_value",), ("amount_usd",)),
}
COUNTED = ("responses", "prompt_tokens", "cached_tokens", "completion_tokens")
_CURRENCIES = ("currency", "amount_currency")
_DAY_IN_DIGITS = re.compile(r"(?:19|20)\d{6}")
# Seconds since 1970 of 2001 to 2100; other numbers are no times.
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
    """Read an invoice into rows of a day and a model; what it lacks is null."""
    table = _table_of(invoice)
    found = _columns_of(table.columns, columns)
    for column in table.columns:
        if column.strip().lower() not in _CURRENCIES:
            continue
        said = (text and text.strip() for text in table[column].cast(pl.String))
        others = sorted({text for text in said if text and text.lower() != "usd"})
        if others:
            raise InvoiceError("invoice", f"amounts in {others[0]!r}, expected USD")
    rows = [
        _read_row(dict(zip(table.columns, row, strict=True)), found, number)
        for number, row in enumerate(table.iter_rows(), 2)
    ]
    frame = pl.DataFrame(
        [row for row in rows if any(value is not None for value in row[2:])],
        schema=_INVOICE,
        orient="row",
    )
    return (
        frame.group_by("day", "model")
        .agg(
            pl.when(pl.col(name).is_not_null().any()).then(pl.col(name).sum())
            for name in _INVOICE
            if name not in {"day", "model"}
        )
        .sort("day", "model")
    )


def _table_of(invoice: Invoice) -> pl.DataFrame:
    """Take a CSV as text, a frame as it is."""
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
        raise InvoiceError(name, "no CSV in UTF-8 with a header") from None


def _columns_of(there: Sequence[str], said: Columns) -> dict[str, list[str]]:
    """Find which columns hold what: those that the caller said, else known names."""
    given: dict[str, list[str]] = {}
    for name, value in (said or {}).items():
        if name not in _KNOWN:
            raise InvoiceError("columns", f"no {name!r}{near_miss(name, _KNOWN)}")
        given[name] = [value] if isinstance(value, str) else list(value)
        for column in given[name]:
            if column not in there:
                hint = near_miss(column, there)
                raise InvoiceError("columns", f"no column {column!r}{hint}")
    plain = {column.strip().lower(): column for column in reversed(there)}
    for name, choices in _KNOWN.items():
        known = ([plain[one] for one in names if one in plain] for names in choices)
        found = next(filter(None, known), None)
        if name not in given and found:
            given[name] = found
    for name in ("day", "model"):
        if name not in given:
            listed = ", ".join(repr(column) for column in there)
            raise InvoiceError(
                "invoice",
                f"no column for the {name} among {listed}: say which in columns",
            )
    if not set(given) - {"day", "model"}:
        raise InvoiceError("invoice", "neither counts nor costs: say their columns")
    return given


def _read_row(
    row: dict[str, Any], found: dict[str, list[str]], number: int
) -> list[object]:
    """Read one line of the invoice, or say which cell of it is wrong."""
    cells: dict[str, object] = {}
    for name, columns in found.items():
        try:
            if name == "day":
                cells[name] = _day_of(row[columns[0]])
            elif name == "model":
                cells[name] = _model_of(row[columns[0]])
            else:
                cells[name] = _amount_of((row[column] for column in columns), name)
        except (ValueError, InvalidOperation, OverflowError, OSError):
            fault = f"line {number}: {columns[0]} is no {name}"
            raise InvoiceError("invoice", fault) from None
    return [cells.get(name) for name in _INVOICE]


def _day_of(value: object) -> date:
    """Read a UTC day: a date, an ISO time, 20260131, or seconds since 1970."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).date()
    if isinstance(value, date):
        return value
    text = str(value).strip()
    if isinstance(value, str) and not text.replace(".", "", 1).isdigit():
        return _day_of(datetime.fromisoformat(text))
    if _DAY_IN_DIGITS.fullmatch(text):
        return date.fromisoformat(text)
    seconds = float(text)
    if not _FIRST_SECOND <= seconds < _LAST_SECOND:
        raise ValueError(text)
    return datetime.fromtimestamp(seconds, UTC).date()


def _model_of(value: object) -> str | None:
    """Read the name of a model; a line of costs has more behind a comma."""
    return None if value is None else str(value).partition(",")[0].strip() or None


def _amount_of(values: Iterable[object], name: str) -> int | Decimal | None:
    """Add up counts or USD; None where nothing is said."""
    texts = (str(value).strip() for value in values if value is not None)
    amounts = [_number_of(text, name) for text in texts if text]
    if not amounts:
        return None
    total = sum(amounts, Decimal(0))
    if name == "cost":
        return Decimal(scaled(total, 12)).scaleb(-12)
    if total != int(total):
        raise ValueError(name)
    return int(total)


def _number_of(text: str, name: str) -> Decimal:
    """Read a number; a comma that may stand for a point is refused."""
    plain = text.replace("$", "", 1).strip()
    if "," in plain:
        # Of money 1,234 may be 1.234: only what has two marks is clear.
        marks = plain.count(",") + plain.count(".")
        if not _GROUPED.fullmatch(plain) or (name == "cost" and marks < 2):
            raise ValueError(text)
    if "_" in plain:
        raise ValueError(text)
    return Decimal(plain.replace(",", ""))


def plain_names(names: pl.Series) -> pl.Series:
    """Write names of models as invoices and logs both could have them.

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
    """Write names of models without what tells their snapshots apart.

    Examples
    --------
    >>> import polars as pl
    >>> names = pl.Series(["Claude Haiku 4.5", "openai/gpt-4o-2024-08-06"])
    >>> family_names(names).to_list()
    ['claude-haiku-4.5', 'gpt-4o']
    """
    return families(plain_names(names), FAMILY_RULES)
