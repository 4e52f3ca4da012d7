"""Notice the tags and times that are null in every line, as a wrong path makes them."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import near_miss
from toolkit.reading.dedup import is_dated_by_line
from toolkit.schema.paths import parse_notation, write_path
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from toolkit.reading.blocks import Decoded
    from toolkit.schema.columns import Table

_LINES = 20  # of which the keys are looked at
_NAMES = 8  # of keys that are shown
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")


class NullTags:
    """The options with a path that has led to nothing so far, and the first lines.

    They are the tags, and `created_path` for responses that have no time of their own.
    """

    def __init__(self, table: Table | None) -> None:
        self.paths = {
            column.name: path.steps.keys
            for column in (table.columns if table else ())
            if column.name not in CHOICES or column.name == "created"
            if (path := parse_notation(column.paths[0])).root == "line"
        }
        self.nulls = Counter[str]()
        self.lines: list[bytes] = []

    def add(self, decoded: Decoded) -> None:
        """Add a block."""
        if not self.paths:
            return
        for name in list(self.paths):
            cells = _cells(decoded.choices, name)
            self.nulls[name] += cells.null_count()
            if cells.null_count() < len(cells):
                del self.paths[name]
        self.lines += decoded.head.splitlines()[: _LINES - len(self.lines)]

    def merge(self, other: NullTags) -> None:
        """Add what was read by another reader."""
        self.paths = {
            name: self.paths[name] for name in self.paths if name in other.paths
        }
        self.nulls += other.nulls
        self.lines += other.lines[: _LINES - len(self.lines)]

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each path, with the keys that are where it ends."""
        for name in filter(self.nulls.get, self.paths):
            path, text = self.paths[name], f"{name} is null in every line"
            if name == "created":
                text = "created_path is null in every line whose response has no time"
            found = [_walk(line, path) for line in self._objects()]
            if found:
                depth, node = max(found, key=lambda one: one[0])
                keys = list(node)
                shown = [key for key in keys if _NAME.fullmatch(key)][:_NAMES]
                where = write_path(path[:depth]) or "the line"
                names = ", ".join(shown) or "none with a plain name"
                is_object = depth == len(path)  # at the end of the path
                whose = f"the keys of {where}"
                if is_object:
                    whose = f"{where} is an object, its keys"
                text += f": {whose} are {names}"
                text += ", ..." if len(keys) > len(shown) else ""
                if not is_object and path[depth] not in keys:
                    text += near_miss(path[depth], shown)
                elif name == "created":
                    text += "; expected RFC 3339 or a Unix time in created_unit there"
                elif not is_object and isinstance(node[path[depth]], list):
                    text += f"; {write_path(path[: depth + 1])} is a list"
            yield text

    def _objects(self) -> Iterator[dict[str, object]]:
        """Yield the objects in the first lines."""
        for line in self.lines:
            with suppress(ValueError, RecursionError):
                if isinstance(found := json.loads(line), dict):
                    yield found


def _cells(choices: pa.RecordBatch, name: str) -> pl.Series:
    """Return the cells of a column that only a path of the user can fill."""
    if name != "created":
        return pl.DataFrame(choices.select([name])).to_series()
    rows = pl.DataFrame(choices.select(["api", "created", "created_problem"]))
    created = pl.col("created")
    cells = pl.coalesce(created.cast(pl.String), "created_problem")
    return rows.filter(created.is_null() | is_dated_by_line()).select(cells).to_series()


def _walk(
    node: dict[str, object], path: tuple[str, ...]
) -> tuple[int, dict[str, object]]:
    """Return how many steps of a path lead to an object, and the last object."""
    for depth, key in enumerate(path):
        inner = node.get(key)
        if not isinstance(inner, dict):
            return depth, node
        node = inner
    return len(path), node
