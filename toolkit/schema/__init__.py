"""The definitions of the tables: choices, rejects and ledger.

`CHOICES`, `REJECTS` and `LEDGER` describe the columns. `Choices`, `Rejects` and
`Ledger` are the same as pandera models, for ``DataFrame[Choices]`` and subclasses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from toolkit.schema.models import Choices, Ledger, Rejects

__all__ = [
    "CHOICES",
    "LEDGER",
    "REJECTS",
    "REJECT_CODES",
    "TABLES",
    "USAGE_COLUMNS",
    "Choices",
    "Column",
    "Ledger",
    "Rejects",
    "Rule",
    "Table",
    "choices_table",
    "dictionary",
]


def __getattr__(name: str) -> object:
    """Import the pandera models on first use: pandera is slow to import."""
    if name not in {"Choices", "Ledger", "Rejects"}:
        message = f"module 'toolkit.schema' has no attribute {name!r}"
        raise AttributeError(message)
    from toolkit.schema import models

    return getattr(models, name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
