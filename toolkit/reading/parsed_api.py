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
    paths = (*own, *column.paths)
    is_any_shape = column.kind in _ANY_SHAPE
    found = []
    for place, text in enumerate(paths):
        path = parse_notation(text, root)
        goes_deeper = any(later.startswith(f"{text}.") for later in paths[place:])
        found.append(
            path._replace(
                takes_any_shape=path.takes_any_shape or is_any_shape,
                passes_objects=goes_deeper and not is_any_shape,
            )
        )
    return tuple(found)


def _parse_calls(calls: ToolCalls, root: str, names: Iterable[str]) -> Path:
    fields = (getattr(calls, name) for name in names)
    keys = tuple(tuple(map(parse_path, paths.split("|"))) for paths in fields)
    return parse_notation(calls.items, root)._replace(fields=keys)
