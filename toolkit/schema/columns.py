"""Definitions of `Column` and `Table`, and functions that build columns.

polars is imported where it is used: a log is decoded while it is imported.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol

import pyarrow as pa

from toolkit.schema.apis import APIS

if TYPE_CHECKING:
    import polars as pl

SCHEMA_VERSION = 2
Grain = Literal["R", "C", "U"]
Kind = Literal[
    "given",  # not in the line: filled by the reader of the log
    "position",
    "choice_count",
    "hash",
    "api",  # the name of the API
    "string",  # "" is null
    "label",  # a string, or a number or boolean by its JSON text; "" is null
    "text",  # "" stays ""
    "finish_reason",  # a label, in the words of chat completions
    "content",  # a string, the text parts of a list, or an object by its JSON text
    "characters",
    "tool_calls",
    "items",
    "logprob_sum",
    "count",
    "number",
    "timestamp",
    "timestamp_problem",  # the word no_time_zone, if that is why a timestamp is null
    "flag",  # a boolean, or the text of one; anything else is null
    "marker",  # the word of the first path that has a value
]


@dataclass(frozen=True, repr=False)
class Column:
    """What a column is, and where its value is found in a line.

    Parameters
    ----------
    name, type, description, unit
        As users see them; `type` is an Arrow type.
    grain
        R: belongs to the response, the same on each of its rows. C: belongs to the
        choice. U: belongs to the response and can be summed: it is on the row with
        `choice_position` 0, and null on the others.
    kind
        How the value is read from JSON.
    paths
        Where the value is found in a line of any API, after the paths of `Api.paths`;
        in the notation of `toolkit.schema.paths`.
    paths_of
        The column whose paths it has in an API that has none of its own.
    adds
        Where an API has no path of this column it is the sum of these, null if one of
        them is.
    nullable, minimum, maximum
        What validation allows.
    private
        Whether it contains text of a message, which ``content="drop"`` sets to null.
    """

    name: str
    type: pa.DataType
    grain: Grain
    kind: Kind
    description: str
    unit: str = ""
    paths: tuple[str, ...] = ()
    paths_of: str = ""
    adds: tuple[str, ...] = ()
    nullable: bool = True
    minimum: int | None = None
    maximum: int | None = None
    private: bool = False

    def __repr__(self) -> str:
        """Return name, type, grain, unit and description."""
        unit = f", {self.unit}" if self.unit else ""
        return (
            f"<Column {self.name}: {self.type}, {self.grain}{unit}; {self.description}>"
        )

    @property
    def arrow(self) -> pa.Field:
        """The Arrow field, with description, unit, grain and paths as metadata."""
        metadata = {
            "description": self.description,
            "unit": self.unit,
            "grain": self.grain,
            "paths": json.dumps(self.paths_by_api),
        }
        return pa.field(self.name, self.type, self.nullable, metadata)

    @property
    def paths_by_api(self) -> dict[str, list[str]]:
        """The paths by the name of the API; those of any API by ``any``."""
        found = {"any": list(self.paths)}
        for api in APIS:
            start = f"{api.choices}[]." if self.grain == "C" and api.choices else ""
            paths = api.paths.get(self.name) or api.paths.get(self.paths_of, ())
            calls = api.tool_calls if self.kind == "tool_calls" else ()
            found[api.name] = [f"{start}{path}" for path in paths]
            found[api.name] += [f"{start}{call.items}" for call in calls]
        return {name: paths for name, paths in found.items() if paths}

    @property
    def dtype(self) -> pl.DataType:
        """The polars dtype."""
        import polars as pl

        return pl.Schema(pa.schema([self.arrow]))[self.name]


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """Columns in their order, and the columns of the unique key."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Return the name, the names of the columns and the key."""
        names, key = self.names, ", ".join(self.key)
        return (
            f"<Table {self.name}: {len(names)} columns, unique by ({key})\n"
            f" {', '.join(names[:4])}, ..., {names[-1]}>"
        )

    def __getitem__(self, name: str) -> Column:
        """Return the column of that name."""
        return self.by_name[name]

    def __contains__(self, name: object) -> bool:
        """Return whether a column has that name."""
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
        """The Arrow schema, with metadata that Parquet keeps."""
        metadata = {"toolkit.table": self.name, "toolkit.schema": str(SCHEMA_VERSION)}
        return pa.schema([column.arrow for column in self.columns], metadata)

    @cached_property
    def polars(self) -> pl.Schema:
        """The polars dtypes."""
        import polars as pl

        return pl.Schema(self.arrow)

    def empty(self) -> pl.DataFrame:
        """Return the table without rows."""
        import polars as pl

        return pl.DataFrame(schema=self.polars)


class ArrowStream(Protocol):
    """Anything that exports Arrow data: Loaded, pyarrow, DuckDB, pandas."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a capsule."""


# Larger than the count of any real response; 9 million of them fit into an int64 sum.
_LARGEST_COUNT = 10**12
_LARGEST_INT32 = 2**31 - 1
STRING, INT32, INT64, _FLOAT = pa.string(), pa.int32(), pa.int64(), pa.float64()
_TOOL_CALL = pa.struct([(name, STRING) for name in ("id", "type", "name", "arguments")])
# Parquet calls the items of a list "element"; another name would be changed by it.
_TOOL_CALLS = pa.list_(pa.field("element", _TOOL_CALL))
# Pieces of tool calls, in a chunk.
_CALL_PIECE = pa.struct([*_TOOL_CALL, ("index", STRING)])
CALL_PIECES = pa.list_(pa.field("element", _CALL_PIECE))


def given(
    name: str,
    type_: pa.DataType,
    description: str,
    unit: str = "",
    *,
    nullable: bool = False,
    minimum: int | None = None,
) -> Column:
    """Return a column that is not read from the line, but filled by the reader."""
    return Column(
        name, type_, "R", "given", description, unit, nullable=nullable, minimum=minimum
    )


def flag(name: str, description: str, *paths: str) -> Column:
    """Return a yes or no that belongs to the response."""
    return Column(name, pa.bool_(), "R", "flag", description, paths=paths)


def dollars(name: str, description: str, *paths: str) -> Column:
    """Return an amount of US dollars that belongs to the response."""
    return Column(name, _FLOAT, "U", "number", description, "USD", paths)


def response(
    name: str, description: str, *paths: str, kind: Kind = "string", paths_of: str = ""
) -> Column:
    """Return a text of the response."""
    return Column(name, STRING, "R", kind, description, "", paths, paths_of)


_CHOICE_TYPES: dict[Kind, pa.DataType] = {
    "string": STRING,
    "label": STRING,
    "finish_reason": STRING,
    "content": pa.large_string(),
    "text": pa.large_string(),
    "tool_calls": _TOOL_CALLS,
    "count": INT32,
    "characters": INT64,
    "items": INT64,
    "logprob_sum": _FLOAT,
}


def choice(
    name: str, kind: Kind, description: str, unit: str = "", *, paths_of: str = ""
) -> Column:
    """Return a column of the choice; its integers are not negative."""
    type_ = _CHOICE_TYPES[kind]
    return Column(
        name,
        type_,
        "C",
        kind,
        description,
        unit,
        paths_of=paths_of,
        minimum=0 if pa.types.is_integer(type_) else None,
        maximum=_LARGEST_INT32 if kind == "count" else None,
        private=kind in {"content", "text", "tool_calls"},
    )


def usage(
    name: str, description: str, unit: str = "tokens", *, adds: tuple[str, ...] = ()
) -> Column:
    """Return a count of tokens or searches."""
    return Column(
        name,
        INT64,
        "U",
        "count",
        description,
        unit,
        adds=adds,
        minimum=0,
        maximum=_LARGEST_COUNT,
    )
