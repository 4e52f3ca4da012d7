"""Find the response of a line, or the chunks of one, and the API that it is of."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from toolkit.reading.event_stream import iter_events
from toolkit.reading.json_values import (
    Keys,
    LineError,
    Node,
    checked_json,
    is_of_type,
    label_of,
    split_short_list,
    text_of,
    too_many,
    values_at,
)
from toolkit.schema.tables import MOST_CHUNKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from toolkit.reading.blocks import Plan
    from toolkit.reading.parsed_api import ParsedApi
    from toolkit.schema.api import Condition, Test
    from toolkit.schema.paths import Path


class Response(NamedTuple):
    """A response or chunk that was found in a line, its API and its choices."""

    api: ParsedApi
    line: Node
    place: Keys  # path in the line of the response, or of the whole stream
    node: Node
    choices: list[Node]

    def start(self, path: Path, choice: Node) -> Node | None:
        """Return the object where a path starts, None if this response has none."""
        if path.root == "choice":
            return choice
        if path.root == "response":
            return self.node
        place = self.place
        found = {"line": True, "envelope": place != (), "at": place == path.at}
        return self.line if found[path.root] else None

    def meets(self, condition: Condition) -> bool:
        """Return whether all tests pass of any of the alternatives."""
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
            response = Response(api, line, node.path, node, choices)
            if not response.meets(api.tests) or response.meets(api.unless):
                continue
            if response.meets(api.chunks):
                raise LineError("stream_chunk")
            if response.meets(api.errors):
                raise LineError("error_response")
            return response
        is_error = is_error or node.get("error") is not None
    raise LineError("error_response" if is_error else "not_a_response")


def find_responses(
    value: bytes, plan: Plan, *, is_tail: bool = False
) -> tuple[list[Response], bool]:
    """Find the response or chunk of a line, or those of a whole stream in it.

    Return also whether they are a whole stream. Raise `LineError` if there is neither,
    if a chunk cannot be read, or if the stream ended with an error.

    Parameters
    ----------
    value
        The JSON of the line.
    plan
        Where the response or the stream may be, and of which APIs.
    is_tail
        Whether the line is unfinished: a number may be the beginning of a longer one.
    """
    line = Node(value) if value[0] == ord("{") else None
    fault = LineError("truncated" if is_tail else "not_a_response")
    if line is not None:
        try:
            response = find_response(line, plan.envelopes, plan.parsed_apis)
            if response.api.stream != "carriers":
                return [response], False
            fault = LineError("stream_chunk")
        except LineError as error:
            fault = error
            if error.path or error.code == "stream_chunk":
                raise
    responses = _find_stream(value, line, plan)
    if not responses:
        raise fault
    return responses, True


def _find_stream(value: bytes, line: Node | None, plan: Plan) -> list[Response]:
    """Find the chunks of a whole stream in a line, or the response that they end with.

    Return an empty list if there is none. A list or a text of events is one if at least
    one item is a chunk, or if it is a text with one event, which is a response.
    """
    # An item is tried as a chunk first, a line as a response.
    apis = sorted(plan.parsed_apis, key=lambda api: not api.stream)
    codes: set[str] = set()
    for path, raw in _lists_and_texts(value, line, plan.places):
        found: list[Response] = []
        for place, item in enumerate(_iter_items(raw, path)):
            if place == MOST_CHUNKS:
                raise too_many(MOST_CHUNKS, path)
            try:
                response = find_response(item, plan.envelopes, apis)
            except LineError as error:
                if error.path:
                    raise
                codes.add(error.code)
            else:
                found.append(response._replace(line=line or item, place=path))
        api = next((one.api for one in found if one.api.stream), None)
        name = api.name if api and api.ends_whole else None
        whole = [one for one in found if not one.api.stream and one.api.name != name]
        is_stream = api is not None or "stream_chunk" in codes or raw[0] == ord('"')
        if is_stream and len(whole) == 1:
            return whole
        if api is not None and not whole:
            # Of another API is what only looks like a chunk.
            return [
                one._replace(api=api if name else one.api)
                for one in found
                if one.api.name == api.name
            ]
    for code in ("error_response", "stream_chunk"):
        if code in codes:
            raise LineError(code)
    return []


def _lists_and_texts(
    value: bytes, line: Node | None, places: Iterable[tuple[str, ...]]
) -> Iterator[tuple[Keys, bytes]]:
    """Yield each list or string where a whole stream may be, and its path."""
    for keys in places if line else [()]:
        raw = None
        with suppress(LineError):
            raw = line.find(keys) if line else value
        if raw is not None and raw[0] in b'["':
            yield keys, raw


def _iter_items(raw: bytes, path: Keys) -> Iterator[Node]:
    """Yield the objects of a list or a text; items of a list can be such texts too."""
    if raw[0] == ord('"'):
        yield from _iter_texts(raw, path)
        return
    for place, item in enumerate(split_short_list(raw, path, MOST_CHUNKS)):
        node = Node(item, (*path, place)) if item[0] == ord("{") else None
        text = item if node is None else node.get("raw")
        if text is not None and text[0] == ord('"'):
            yield from _iter_texts(text, (*path, place), is_item=True)
        elif node is not None:
            yield node


def _iter_texts(raw: bytes, path: Keys, *, is_item: bool = False) -> Iterator[Node]:
    """Yield the objects of a text: of events or a list, of an item also one object."""
    text = text_of(raw).encode()
    try:
        values = [checked_json(text)]
    except LineError:
        values = list(iter_events(text))
        is_item = True
    if values and values[0][0] == ord("["):
        values = split_short_list(values[0], path, MOST_CHUNKS)
    elif not is_item:  # a response in a string is no stream
        values = []
    for place, value in enumerate(values):
        if value[0] == ord("{"):
            yield Node(value, (*path, place))


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
    if not api.choice_keys:
        return [node]
    path = (*node.path, *api.choice_keys)
    try:
        raw = node.find(api.choice_keys)
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
