"""Notice the tags that are null in every line, as a wrong path makes them."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from toolkit.errors import near_miss
from toolkit.schema.paths import parse_notation, write_path
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.reading.blocks import Decoded
    from toolkit.schema.columns import Table

_LINES = 20  # of which the keys are looked at
_NAMES = 8  # of keys that are shown
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")


class NullTags:
    """The tags of a table that were null in every line, and the first lines read."""

    def __init__(self, table: Table | None) -> None:
        self.paths = {
            column.name: parse_notation(column.paths[0]).steps.keys
            for column in (table.columns if table else ())
            if column.name not in CHOICES
        }
        self.rows = 0
        self.lines: list[bytes] = []

    def add(self, decoded: Decoded) -> None:
        """Add a block."""
        if not self.paths:
            return
        rows = len(decoded.choices)
        nulls = {name: decoded.choices.column(name).null_count for name in self.paths}
        self.paths = {name: self.paths[name] for name in nulls if nulls[name] == rows}
        self.rows += rows
        self.lines += decoded.head.splitlines()[: _LINES - len(self.lines)]

    def merge(self, other: NullTags) -> None:
        """Add what was read by another reader."""
        self.paths = {
            name: self.paths[name] for name in self.paths if name in other.paths
        }
        self.rows += other.rows
        self.lines += other.lines[: _LINES - len(self.lines)]

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each tag, with the keys that are where its path ends."""
        for name, path in self.paths.items() if self.rows else ():
            text = f"{name} is null in every line"
            found = [_walk(line, path) for line in self._objects()]
            if found:
                depth, keys = max(found, key=lambda one: one[0])
                shown = [key for key in keys if _NAME.fullmatch(key)][:_NAMES]
                where = write_path(path[:depth]) or "the line"
                names = ", ".join(shown) or "none with a plain name"
                text += f": the keys of {where} are {names}"
                text += ", ..." if len(keys) > len(shown) else ""
                if path[depth] not in keys:  # whose value may be null
                    text += near_miss(path[depth], shown)
            yield text

    def _objects(self) -> Iterator[dict[str, object]]:
        """Yield the objects in the first lines."""
        for line in self.lines:
            with suppress(ValueError, RecursionError):
                if isinstance(found := json.loads(line), dict):
                    yield found


def _walk(node: dict[str, object], path: tuple[str, ...]) -> tuple[int, list[str]]:
    """Return how many steps of a path lead to an object, and the keys of the last."""
    depth = 0
    for key in path[:-1]:
        inner = node.get(key)
        if not isinstance(inner, dict):
            break
        node, depth = inner, depth + 1
    return depth, list(node)
