"""Find the response of a line, and the API that it is of."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from toolkit.reading.json_values import (
    LineError,
    Node,
    checked_json,
    is_of_type,
    label_of,
    split_short_list,
    text_of,
    values_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.reading.parsed_api import ParsedApi
    from toolkit.schema.api import Condition, Test
    from toolkit.schema.paths import Path


class Response(NamedTuple):
    """A response that was found in a line, its API and its choices."""

    api: ParsedApi
    line: Node
    node: Node
    choices: list[Node]

    def start(self, path: Path, choice: Node) -> Node | None:
        """Return the object where a path starts, None if this response has none."""
        if path.root == "choice":
            return choice
        if path.root == "response":
            return self.node
        place = self.node.path
        found = {"line": True, "envelope": place != (), "at": place == path.at}
        return self.line if found[path.root] else None

    def meets(self, condition: Condition) -> bool:
        """Return whether all tests hold of any of the alternatives."""
        return any(all(map(self._passes, tests)) for tests in condition)

    def _passes(self, test: Test) -> bool:
        starts = self.choices if test.path.root == "choice" else [self.node]
        for choice in starts:
            start = self.start(test.path, choice)
            with suppress(LineError):  # another shape is not as expected
                values = values_at(start, test.path.steps) if start else None
                if any(_is_expected(value.raw, test) for value in values or ()):
                    return test.expected
        return not test.expected


def _is_expected(raw: bytes, test: Test) -> bool:
    is_word = not test.words or label_of(raw) in test.words
    return is_word and is_of_type(raw, test.type)


def find_response(
    line: Node, envelopes: Sequence[tuple[str, ...]], apis: Sequence[ParsedApi]
) -> Response:
    """Find the response of a line, or raise `LineError` with what it is instead."""
    is_error = False
    for node in _candidates(line, envelopes):
        for api in apis:
            choices = _choices_of(node, api)
            if choices is None:
                continue
            response = Response(api, line, node, choices)
            if not response.meets(api.tests) or response.meets(api.unless):
                continue
            if response.meets(api.chunks):
                raise LineError("stream_chunk")
            if response.meets(api.errors):
                raise LineError("error_response")
            return response
        is_error = is_error or node.get("error") is not None
    raise LineError("error_response" if is_error else "not_a_response")


def _candidates(line: Node, envelopes: Sequence[tuple[str, ...]]) -> Iterator[Node]:
    """Yield the line, then the object at each path of an envelope."""
    yield line
    for keys in envelopes:
        node: Node | None = line
        for key in keys:
            node = node and _open_field(node, key)
        if node is not None:
            yield node


def _open_field(node: Node, key: str) -> Node | None:
    """Return a field that is an object, or a string with the JSON of one."""
    raw = node.get(key)
    path = (*node.path, key)
    if raw is not None and raw[0] == ord('"'):
        raw = text_of(raw).encode()
        try:
            raw = checked_json(raw)
        except LineError:
            return None
    return Node(raw, path) if raw is not None and raw[0] == ord("{") else None


def _choices_of(node: Node, api: ParsedApi) -> list[Node] | None:
    """Return the choices of a response, None if the object has no such list."""
    if not api.choices:
        return [node]
    path = (*node.path, *api.choices)
    try:
        raw = node.find(api.choices)
    except LineError:
        return None
    if raw is None:
        return []
    if raw[0] != ord("["):
        return None
    items = split_short_list(raw, path)
    if any(item[0] != ord("{") for item in items):
        return None
    return [Node(item, (*path, place)) for place, item in enumerate(items)]
