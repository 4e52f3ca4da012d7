"""Every path that an API declares, in the smallest body of the API that has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from tests.support.bodies import EPOCH, NEW_YEAR
from tests.support.declared import Hop, Route, put, routes, smallest, start
from tests.support.decoding import decode, nest, rows
from toolkit.reading.parsed_api import parse_api
from toolkit.schema import CHOICES, Column
from toolkit.schema.apis import APIS
from toolkit.schema.paths import Path

pytestmark = pytest.mark.both_decoders

PARSED = [parse_api(api, CHOICES) for api in APIS]
# Two values of each kind, and the cell of a value; of other kinds it is the value.
VALUES: dict[str, tuple[Any, Any]] = {
    "count": (7, 8),
    "number": (0.25, 0.5),
    "items": ([{"logprob": -0.5}], [{"logprob": -1.5}] * 2),
    "logprob_sum": ([{"logprob": -0.5}], [{"logprob": -1.5}] * 2),
    "flag": (True, False),
    "marker": ({}, {}),
}
TIMES = {"2026-01-01T00:00:00Z": NEW_YEAR, "5": EPOCH + timedelta(seconds=5)}
VALUES["timestamp"] = VALUES["timestamp_problem"] = tuple(TIMES)  # type: ignore[assignment]
TEXTS = ("abc", "other")
CELLS: dict[str, Callable[[Any], object]] = {
    "timestamp": TIMES.get,
    "timestamp_problem": lambda _: None,
    "characters": len,
    "items": len,
    "logprob_sum": lambda items: sum(item["logprob"] for item in items),
}


class Place(NamedTuple):
    """A place in a line where columns of an API have a path."""

    api: int
    outer: str  # where the response is; "": it is the line
    root: str  # where the path starts: choice, response or line
    route: Route

    def columns(self) -> list[tuple[Column, Path]]:
        """Return the columns that read this place, each with the path."""
        every = zip(CHOICES.columns, PARSED[self.api].column_paths, strict=True)
        return [
            (column, path)
            for column, paths in every
            for path in paths
            if root_of(path) == self.root and outer_of(path, self.outer) == self.outer
            if self.route in routes_of(path)
            or (column.kind == "marker" and self.is_below(path))
        ]

    def is_below(self, path: Path) -> bool:
        """Return whether a path ends at an object that this place is in."""
        keys = path.steps.keys
        return path.steps.items is None and self.route[0].keys[: len(keys)] == keys

    def value(self, path: Path) -> Any:
        """Return a value that each of the columns can read, for a path of one."""
        tests = [test for tests in APIS[self.api].tests for test in tests if test.words]
        for test in tests:
            if self.route in routes(test.path.steps) and test.expected:
                return test.words[0]
        prefixes = [one.prefix for one in (path, *dict(self.columns()).values())]
        kinds = [column.kind for column, _ in self.columns()]
        kind = next((kind for kind in kinds if kind != "marker"), "marker")
        prefix = next(filter(None, prefixes), "")
        return f"{prefix}1" if prefix else VALUES.get(kind, TEXTS)[0]

    def fill(self, line: Any, value: object, *, other: int = -1) -> None:
        """Put a value at this place of a line."""
        body = line
        for key in self.outer.split(".") if self.outer else ():
            body = body[key]
        steps = Path(self.route[0].keys, self.root)  # type: ignore[arg-type]
        holder = line if self.root == "line" else start(body, APIS[self.api], steps)
        put(holder, self.route, value, other=other)


def root_of(path: Path) -> str:
    """Return whether a path starts at the choice, the response or the line."""
    return path.root if path.root in ("choice", "response") else "line"


def outer_of(path: Path, default: str) -> str:
    """Return where the response must be for a path."""
    return ".".join(path.at) if path.root == "at" else default


def routes_of(path: Path) -> list[Route]:
    """Return all ways along a path, also of the other parts of a sum."""
    others = [steps for steps_of_part in path.plus for steps in steps_of_part]
    zero = [path.zero_if] if path.zero_if else []
    return [way for steps in (path.steps, *others, *zero) for way in routes(steps)]


def places(api: int, column: Column) -> Iterator[tuple[Path, Place]]:
    """Yield each place that a column is read from in an API."""
    for path in PARSED[api].column_paths[CHOICES.columns.index(column)]:
        outer = outer_of(path, "response" if path.root == "envelope" else "")
        for route in routes(path.steps):
            yield path, Place(api, outer, root_of(path), route)


@cache
def _smallest(api: int) -> dict[str, Any]:
    bodies = [smallest(APIS[api], tests) for tests in APIS[api].tests]
    return next(body for body in bodies if is_of(api, body))


def is_of(api: int, body: object) -> bool:
    """Return whether a body is a response of an API."""
    return decode(body).choices.column("api").to_pylist() == [APIS[api].name]


def base(api: int, outer: str = "") -> dict[str, Any]:
    """Return the smallest response of an API, in an envelope."""
    body = deepcopy(_smallest(api))
    return nest(outer, body) if outer else body


def cell_of(column: Column, path: Path, value: Any) -> object:
    """Return the cell of a column whose path has a value."""
    if column.kind == "marker":
        return path.word or None
    value = value / path.divisor if column.kind == "number" else value
    return CELLS.get(column.kind, lambda value: value)(value)


READ = [
    [
        c
        for c, of_column in zip(CHOICES.columns, api.column_paths, strict=True)
        if of_column
    ]
    for api in PARSED
]


def of_each(test: Callable[[int, Column], None]) -> Callable[[int], None]:
    """Run a test of each column that an API declares as one test of the API."""

    @pytest.mark.parametrize(
        "api", range(len(APIS)), ids=[f"{n} {api.name}" for n, api in enumerate(APIS)]
    )
    def of_api(api: int) -> None:
        for column in READ[api]:
            test(api, column)

    return of_api


@of_each
def test_a_value_at_a_declared_path_reaches_its_column_and_no_other(
    api: int, column: Column
) -> None:
    for number, (path, place) in enumerate(places(api, column)):
        if path.fields:
            continue  # tool calls: see below
        line, empty = base(api, place.outer), rows(base(api, place.outer))[0]
        value = place.value(path)
        place.fill(line, value)
        (row,) = rows(line)

        is_later = number > 0 and empty[column.name] is not None
        cell = cell_of(column, path, value)
        assert row[column.name] == (empty[column.name] if is_later else cell), place
        readers = {reader.name for reader, _ in place.columns()}
        sums = {c.name for c in CHOICES.columns if readers & set(c.adds)}
        changed = {name for name in row if row[name] != empty[name]}
        assert changed - {"response_hash"} <= readers | sums, place


@of_each
def test_an_item_that_a_path_does_not_select_is_not_read(
    api: int, column: Column
) -> None:
    for path, place in places(api, column):
        for number, hop in enumerate(place.route):
            if hop.items and hop.items.key:
                line, empty = base(api, place.outer), rows(base(api, place.outer))[0]
                place.fill(line, place.value(path), other=number)

                assert rows(line)[0][column.name] == empty[column.name], place


@of_each
def test_the_first_of_two_paths_with_a_value_is_read(api: int, column: Column) -> None:
    known = {path: place for path, place in places(api, column) if not path.fields}
    for (path, first), (later, second) in pairwise(known.items()):
        at = {outer_of(path, ""), outer_of(later, "")} - {""}
        keys, deeper = (
            [key for hop in place.route for key in hop.keys]
            for place in (first, second)
        )
        is_in = first.root == second.root and deeper[: len(keys)] == keys
        outer = at.pop() if at else first.outer or second.outer
        empty = rows(base(api, outer))[0][column.name]
        if at or is_in or (empty is not None and path != next(iter(known))):
            continue  # at two places, one in the other, or both behind a third one
        values = [first.value(path), second.value(later)]
        if column.kind != "marker":
            values[1] = VALUES.get(column.kind, TEXTS)[1]
        for is_first in (True, False):
            line = base(api, outer)
            if is_first or first.route[-1].items is None:
                first._replace(outer=outer).fill(line, values[0] if is_first else None)
            second._replace(outer=outer).fill(line, values[1])
            if not is_of(api, line):
                continue  # the first one is what the API is known by
            chosen = (path, values[0]) if is_first else (later, values[1])
            expected = cell_of(column, *chosen)

            assert rows(line)[0][column.name] == expected, (first, second)


SUMS = [
    pytest.param(api, column, path, id=f"{api} {APIS[api].name}: {column.name}")
    for api, paths in enumerate(parsed.column_paths for parsed in PARSED)
    for column, of_column in zip(CHOICES.columns, paths, strict=True)
    for path in of_column
    if path.plus
]


@pytest.mark.parametrize(("api", "column", "path"), SUMS)
def test_a_sum_has_each_of_its_parts_once_and_is_null_without_the_first(
    api: int, column: Column, path: Path
) -> None:
    (first,) = routes(path.steps)
    parts = [[next(routes(steps)) for steps in part] for part in path.plus]

    def read(*counts: tuple[Route, int]) -> object:
        body = base(api)
        for route, count in counts:
            put(body, route, count)
        return rows(body)[0][column.name]

    every = [(route, 10**number) for number, part in enumerate(parts) for route in part]
    # The first of the ways of each part only: 1 + 10 + ...
    total = sum(10**number for number in range(len(parts)))
    assert read((first, 500), *every) == 500 + total
    assert read((first, 500)) == 500
    assert read(*every) is None
    for route, count in every:
        assert read((first, 500), (route, count)) == 500 + count
    if path.zero_if:
        (beside,) = routes(path.zero_if)
        assert read((beside, 900)) == 0
        assert read((beside, 900), *every) == total


CALLS = [
    pytest.param(api, path, id=f"{api} {APIS[api].name}: {'.'.join(path.steps.keys)}")
    for api, parsed in enumerate(PARSED)
    for paths in parsed.column_paths
    for path in paths
    if path.fields
]


@pytest.mark.parametrize(("api", "path"), CALLS)
def test_each_field_of_a_tool_call_is_read_where_it_is_declared(
    api: int, path: Path
) -> None:
    names = ("id", "type", "name", "arguments")
    for number in range(max(map(len, path.fields))):
        for route in routes(path.steps):
            body: Any = base(api)
            call: dict[str, Any] = {}
            holder = put(start(body, APIS[api], path), route, call)
            call = call if route[-1].items is None else holder
            expected = {}
            for name, ways in zip(names, path.fields, strict=True):
                keys = ways[min(number, len(ways) - 1)]
                expected[name] = (
                    route[-1].word if keys == (key_of(route),) else f"a {name}"
                )
                put(call, (Hop(keys),), expected[name])

            assert rows(body)[0]["tool_calls"] == [expected]


def key_of(route: Route) -> str:
    """Return the key that the last items of a route are selected by."""
    return route[-1].items.key if route[-1].items else ""
