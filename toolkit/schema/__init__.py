"""The definitions of the tables: choices, rejects and ledger.

`CHOICES`, `REJECTS` and `LEDGER` describe the columns. `Choices`, `Rejects` and
`Ledger` are the same as pandera models, for ``DataFrame[Choices]`` and subclasses.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from toolkit.schema.columns import Column, Table
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
    from toolkit.schema.rules import Rule, all_rules

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
    "all_rules",
    "choices_table",
    "dictionary",
]


def __getattr__(name: str) -> object:
    """Import a name on its first use, if it needs pandera or polars."""
    if name not in __all__:
        message = f"module 'toolkit.schema' has no attribute {name!r}"
        raise AttributeError(message)
    module = "rules" if name in ("Rule", "all_rules") else "models"
    return getattr(import_module(f"toolkit.schema.{module}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
