"""Write the classes of `toolkit.schema.models`: ``make reference``."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from toolkit.schema import TABLES, Table

MODULE = Path(__file__).parents[2] / "toolkit" / "schema" / "models.py"
MARK = "# Generated from here on.\n"
ROWS = {"choices": "choice of a response", "rejects": "rejected line", "ledger": "log"}


def annotation(dtype: pl.DataType | type[pl.DataType]) -> str:
    """Return a polars dtype as an annotation that pandera understands."""
    if isinstance(dtype, pl.Datetime):
        return f'Annotated[pl.Datetime, "{dtype.time_unit}", "{dtype.time_zone}"]'
    if isinstance(dtype, pl.List):
        assert isinstance(dtype.inner, pl.Struct)
        return "Annotated[pl.List, _TOOL_CALL]"
    return f"pl.{dtype}"


def model(table: Table) -> str:
    """Return the class of a table."""
    fields = "".join(
        f"    {column.name}: FieldType[{annotation(column.dtype)}]\n"
        for column in table.columns
    )
    return (
        f"class {table.name.title()}(_TableModel, table={table.name.upper()}):\n"
        f'    """The {table.name} table: one row per {ROWS[table.name]}."""\n\n{fields}'
    )


def generate(current: str) -> str:
    """Return the module with its classes generated again."""
    models = ", ".join(f'"{table.name}": {table.name.title()}' for table in TABLES)
    last = f"MODELS = {{{models}}}\n"
    return current.split(MARK)[0] + MARK + "\n\n".join(["", *map(model, TABLES), last])


if __name__ == "__main__":
    MODULE.write_text(generate(MODULE.read_text("utf-8")), "utf-8")
