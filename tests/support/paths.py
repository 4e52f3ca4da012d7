"""Where the path of a column leads, without its notation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.schema import Column

OUTER = {"envelope": "response", "batch": "response.body"}


def place_of(column: Column, path: str) -> tuple[str, str]:
    """Return where a path starts, and its keys joined by points."""
    root, rest = column.split_root(path)
    return root, keys_of(rest)


def keys_of(path: str) -> str:
    """Return the keys of a path, joined by points."""
    return re.split(r"\?| = | -> | / | != ", re.sub(r"^\(\w+\)\.", "", path))[0]
