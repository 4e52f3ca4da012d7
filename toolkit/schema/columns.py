"""What tables are made of: `Column`, `Rule` and `Table`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, Protocol

import polars as pl
import pyarrow as pa

SCHEMA_VERSION = 1
Grain = Literal["R", "C", "U"]
Root = Literal["response", "choice", "envelope", "line"]
Kind = Literal[
    "given",  # not in the line: filled by the reader of the log, found by its name
    "position",
    "choice_count",
    "hash",
    "string",  # "" is null
    "label",  # a string, or a number or boolean by its JSON text; "" is null
    "text",  # "" stays ""
    "content",  # a string, the text parts of a list, or an object by its JSON text
    "characters",
    "tool_calls",
    "items",
    "logprob_sum",
    "count",
    "number",
    "timestamp",
]


@dataclass(frozen=True)
class Column:
    """What one column is, and where its value stands in a line.

    Parameters
    ----------
    name, type, description, unit
        As users see them; the type is Arrow's.
    grain
        R: a fact of the response, the same on each of its rows. C: a fact of the
        choice. U: a fact of the response that is summed; it stands on the row with
        `choice_position` 0 and is null on the others.
    kind
        How the value is read from JSON.
    paths
        Where it stands; the first that is present (not null) is read. ``a.b[]`` is a
        list, ``a.b[].k`` its items of type ``k``.
    root
        Where the paths start: the response, the choice, the line, or the envelope
        (the line, but null where the line itself is the response).
    nullable, minimum, maximum
        What validation allows.
    private
        Holds text of a message: ``content="drop"`` leaves it null.
    """

    name: str
    type: pa.DataType
    grain: Grain
    kind: Kind
    description: str
    unit: str = ""
    paths: tuple[str, ...] = ()
    root: Root = "response"
    nullable: bool = True
    minimum: int | None = None
    maximum: int | None = None
    private: bool = False

    @property
    def arrow(self) -> pa.Field:
        """The Arrow field, with description, unit, grain and paths as metadata."""
        metadata = {
            "description": self.description,
            "unit": self.unit,
            "grain": self.grain,
            "paths": json.dumps([self.written(path) for path in self.paths]),
        }
        return pa.field(self.name, self.type, self.nullable, metadata)

    @property
    def dtype(self) -> pl.DataType:
        """The polars dtype."""
        return pl.Schema(pa.schema([self.arrow]))[self.name]

    def written(self, path: str) -> str:
        """Write a path as the dictionary shows it: from the line unless in a choice."""
        where = {"choice": "choices[].", "envelope": "(line).", "line": "(line)."}
        return where.get(self.root, "") + path


@dataclass(frozen=True)
class Rule:
    """What must hold in every row, beyond the type of a column."""

    name: str
    description: str
    holds: pl.Expr


@dataclass(frozen=True, eq=False)
class Table:
    """Columns in order, the key that is unique among them, and rules over rows."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    rules: tuple[Rule, ...] = ()

    def __getitem__(self, name: str) -> Column:
        """Return the column of that name."""
        return self.by_name[name]

    def __contains__(self, name: object) -> bool:
        """Say whether a column has that name."""
        return name in self.by_name

    @cached_property
    def by_name(self) -> dict[str, Column]:
        """The columns by their names."""
        return {column.name: column for column in self.columns}

    @property
    def names(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self.by_name)

    @cached_property
    def arrow(self) -> pa.Schema:
        """The Arrow schema; field metadata travels into Parquet."""
        metadata = {"toolkit.table": self.name, "toolkit.schema": str(SCHEMA_VERSION)}
        return pa.schema([column.arrow for column in self.columns], metadata)

    @cached_property
    def polars(self) -> pl.Schema:
        """The polars dtypes."""
        return pl.Schema(self.arrow)

    def empty(self) -> pl.DataFrame:
        """Return the table without rows."""
        return pl.DataFrame(schema=self.polars)


class ArrowStream(Protocol):
    """Anything that hands out Arrow data: Loaded, pyarrow, DuckDB, pandas."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a capsule."""
