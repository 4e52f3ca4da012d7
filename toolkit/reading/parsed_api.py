"""Parse the declaration of an API and of the columns, as both decoders read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from toolkit.schema.paths import Path, parse_notation, parse_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from toolkit.schema.api import Api, Condition, ToolCalls
    from toolkit.schema.columns import Column
    from toolkit.schema.paths import Steps

_ANY_SHAPE = {"items", "logprob_sum", "flag", "marker"}


class ParsedApi(NamedTuple):
    """A `toolkit.schema.api.Api` with its paths in parts; `paths` are by column."""

    name: str
    tests: Condition
    unless: Condition
    chunks: Condition
    errors: Condition
    choices: tuple[str, ...]
    paths: tuple[tuple[Path, ...], ...]
    finish_reasons: Mapping[str, str]
    stream: str
    ends_whole: bool


def parse_api(api: Api, columns: Iterable[Column]) -> ParsedApi:
    """Parse the paths of an API, those of all columns in their order."""
    return ParsedApi(
        api.name,
        api.tests,
        api.unless,
        api.chunks,
        api.errors,
        parse_path(api.choices) if api.choices else (),
        tuple(_parse_column(column, api) for column in columns),
        api.finish_reasons,
        api.stream,
        api.ends_whole,
    )


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
