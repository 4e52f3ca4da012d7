"""The tables as pandera models: `Choices`, `Rejects`, `Ledger`.

Their fields are those of `toolkit.schema.tables`. For type checkers and editors they
are written out in models.pyi, which ``make reference`` generates.
"""

from __future__ import annotations

from toolkit.schema.table_model import TableModel
from toolkit.schema.tables import CHOICES, LEDGER, REJECTS


class Choices(TableModel, table=CHOICES):
    """The choices table: one row per choice of a response."""


class Rejects(TableModel, table=REJECTS):
    """The rejects table: one row per rejected line."""


class Ledger(TableModel, table=LEDGER):
    """The ledger table: one row per log."""


MODELS = {"choices": Choices, "rejects": Rejects, "ledger": Ledger}
