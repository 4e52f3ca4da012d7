"""The one definition of each table: choices, rejects and ledger."""

from __future__ import annotations

from toolkit.schema.columns import Column, Rule, Table
from toolkit.schema.tables import (
    CHOICES,
    LEDGER,
    REJECT_CODES,
    REJECTS,
    TABLES,
    USAGE_COLUMNS,
    choices_table,
    dictionary,
)

__all__ = [
    "CHOICES",
    "LEDGER",
    "REJECTS",
    "REJECT_CODES",
    "TABLES",
    "USAGE_COLUMNS",
    "Column",
    "Rule",
    "Table",
    "choices_table",
    "dictionary",
]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
