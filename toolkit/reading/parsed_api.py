"""Parse the declaration of an API and of the columns, as both decoders read them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from toolkit.schema.api import Api
from toolkit.schema.paths import Path, parse_notation, parse_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolkit.schema.api import ToolCalls
    from toolkit.schema.columns import Column, Table
    from toolkit.schema.paths import Steps

_ANY_SHAPE = {"items", "logprob_sum", "flag", "marker"}


@dataclass(frozen=True, eq=False)
class ParsedApi(Api):
    """An API with the keys of its list of choices, and its paths by column."""

    choice_keys: tuple[str, ...] = ()
    column_paths: tuple[tuple[Path, ...], ...] = ()


@lru_cache(maxsize=256)
def parse_api(api: Api, table: Table | None = None) -> ParsedApi:
    """Parse the paths of an API, those of all columns of a table in their order."""
    keys = parse_path(api.choices) if api.choices else ()
    columns = table.columns if table else ()
    paths = tuple(_parse_column(column, api) for column in columns)
    return ParsedApi(**vars(api), choice_keys=keys, column_paths=paths)


def _parse_column(column: Column, api: Api) -> tuple[Path, ...]:
    """Return the paths of a column: those of the API, then those of any API."""
    root = "choice" if column.grain == "C" else "response"
    if column.kind == "tool_calls":
        names = [field.name for field in column.type.value_type]
        return tuple(_parse_calls(calls, root, names) for calls in api.tool_calls)
    own = api.paths.get(column.name) or api.paths.get(column.paths_of, ())
    paths = [parse_notation(path, root) for path in (*own, *column.paths)]
    return tuple(
        path._replace(
            takes_any_shape=path.takes_any_shape or column.kind in _ANY_SHAPE,
            passes_objects=column.kind not in _ANY_SHAPE
            and any(_goes_deeper(path, other) for other in paths[place:]),
        )
        for place, path in enumerate(paths)
    )


def _parse_calls(calls: ToolCalls, root: str, names: Iterable[str]) -> Path:
    fields = (getattr(calls, name) for name in names)
    keys = tuple(tuple(map(parse_path, paths.split("|"))) for paths in fields)
    return parse_notation(calls.items, root)._replace(fields=keys)


def _goes_deeper(path: Path, other: Path) -> bool:
    """Return whether another path goes on where a path ends."""
    return path.root == other.root and _is_longer(other.steps, path.steps)


def _is_longer(steps: Steps, least: Steps) -> bool:
    """Return whether steps begin with others and go on."""
    if steps.items and least.items:
        pairs = zip(steps.items.then, least.items.then, strict=False)
        return steps.keys == least.keys and any(_is_longer(*pair) for pair in pairs)
    count = len(least.keys)
    return len(steps.keys) > count and steps.keys[:count] == least.keys
