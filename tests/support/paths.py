"""Where the paths of a column lead, without their notation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from toolkit.schema import CHOICES
from toolkit.schema.apis import APIS
from toolkit.schema.paths import parse_notation

if TYPE_CHECKING:
    from toolkit.schema import Column
    from toolkit.schema.api import Api


def paths_of(column: Column, api: Api = APIS[0]) -> tuple[str, ...]:
    """Return the paths of a column in an API, then those in a line of any API."""
    own = api.paths.get(column.name) or api.paths.get(column.paths_of, ())
    calls = api.tool_calls if column.kind == "tool_calls" else ()
    return (*own, *(call.items for call in calls), *column.paths)


# All of chat completions.
READ = [(column, path) for column in CHOICES.columns for path in paths_of(column)]


def place_of(column: Column, path: str) -> tuple[str, str]:
    """Return where a path starts, and its keys joined by points."""
    parsed = parse_notation(path, "choice" if column.grain == "C" else "response")
    return " ".join([parsed.root, *parsed.at]), keys_of(path)


def keys_of(path: str) -> str:
    """Return the keys of a path, joined by points; of items in any of two ways none."""
    keys = re.sub(r"\[\w+=[\w|]+\]", "[]", re.sub(r"^\([^)]+\)\.", "", path))
    return re.split(r"\?|\[\]\.\w+\||\||( = )|( -> )|( / )|( != )", keys)[0]


def envelope_of(root: str) -> list[str]:
    """Return where the response is for paths that start at a root."""
    start, *place = root.split()
    return place if start == "at" else ["response"] if start == "envelope" else []
