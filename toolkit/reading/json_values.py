"""Read the values of a line: JSON, one level at a time, and each kind of value.

JSON is parsed by msgspec: it is strict, keeps unread values as raw bytes (so 1e400 and
a 5,000-digit integer do no harm), returns the last of duplicate keys and rejects a lone
surrogate anywhere. No other module parses the JSON of a log.
"""

from __future__ import annotations

import re
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from toolkit.schema.tables import MOST_ITEMS, REJECT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.schema.paths import Items, Steps

Keys: TypeAlias = "tuple[str | int, ...]"

DEEPEST = 512  # levels; the root is level 1
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_PUNCTUATION = bytes(set(range(256)) - set(b"[]{},"))

_JSON_TYPES = {
    ord("{"): "an object",
    ord("["): "a list",
    ord('"'): "a string",
    ord("t"): "a boolean",
    ord("f"): "a boolean",
    ord("n"): "null",
}
_raw = msgspec.json.Decoder(msgspec.Raw).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
text_of = msgspec.json.Decoder(str).decode


class LineError(Exception):
    """Why a line is rejected: a code, a place in it, and a sentence without content."""

    def __init__(self, code: str, reason: str = "", path: Keys = ()) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason or REJECT_CODES[code]
        self.path = path

    def below(self, path: Keys) -> LineError:
        """Return the same error with a path from further up."""
        return LineError(self.code, self.reason, path + self.path)


def json_type(raw: bytes) -> str:
    """Return the name of the JSON type of a raw value."""
    return _JSON_TYPES.get(raw[0], "a number")


def wrong_type(expected: str, raw: bytes, path: Keys = ()) -> LineError:
    """Build the error of a value that does not have the expected type."""
    return LineError("wrong_type", f"expected {expected}, got {json_type(raw)}", path)


class Node:
    """One JSON object of a line; values stay raw until they are read.

    Missing and null are the same: `get` and `child` return None for both.
    """

    __slots__ = ("children", "fields", "path", "raw")

    def __init__(self, raw: bytes | msgspec.Raw, path: Keys = ()) -> None:
        self.raw = raw
        self.path = path
        self.fields = _object(raw)
        # Many columns are in the same objects: each is parsed once.
        self.children: dict[str, Node | None] = {}

    def get(self, key: str) -> bytes | None:
        """Return the raw JSON of a field."""
        value = self.fields.get(key)
        if value is None:
            return None
        raw = bytes(value)
        return None if raw == b"null" else raw

    def child(self, key: str) -> Node | None:
        """Return a field that must be an object if it is there."""
        if key not in self.children:
            raw = self.get(key)
            path = (*self.path, key)
            if raw is not None and raw[0] != ord("{"):
                raise wrong_type("an object", raw, path)
            self.children[key] = None if raw is None else Node(raw, path)
        return self.children[key]

    def find(self, keys: Sequence[str]) -> bytes | None:
        """Return the raw JSON at the end of a path; all before it must be objects."""
        node = self
        for key in keys[:-1]:
            below = node.child(key)
            if below is None:
                return None
            node = below
        return node.get(keys[-1])


def split_list(raw: bytes) -> list[bytes]:
    """Return the raw items of a JSON list."""
    return [bytes(item) for item in _list(raw)]


def split_short_list(raw: bytes, path: Keys, most: int | None = None) -> list[bytes]:
    """Return the raw items of the JSON list at a path, or raise if it has too many."""
    most = most or MOST_ITEMS
    if raw.count(b",") >= most and _count_items(raw) > most:
        raise too_many(most, path)
    return split_list(raw)


def too_many(most: int, path: Keys) -> LineError:
    """Build the error of a list with more items than are allowed."""
    return LineError("out_of_range", f"expected at most {most} items", path)


def _count_items(raw: bytes) -> int:
    """Count the items of a JSON list that is not empty, in little memory."""
    signs = _punctuation(raw)
    pairs = zip(signs, _depths(signs), strict=True)
    return 1 + sum(sign == ord(",") and depth == 1 for sign, depth in pairs)


def _punctuation(raw: bytes) -> bytes:
    """Return the brackets and commas outside strings."""
    return _STRINGS.sub(b"", raw).translate(None, _NOT_PUNCTUATION)


def _depths(signs: bytes) -> Iterator[int]:
    """Yield how many brackets are open after each sign."""
    return accumulate((sign in b"[{") - (sign in b"]}") for sign in signs)


class Value(NamedTuple):
    """A raw value, and its path in the line."""

    raw: bytes
    path: Keys


def values_at(node: Node, steps: Steps) -> list[Value] | None:
    """Return the values at the end of a path; None if nothing is there.

    The path may go on into the items of lists.
    """
    raw = node.find(steps.keys)
    if raw is None:
        return None
    path = (*node.path, *steps.keys)
    if steps.items is None:
        return [Value(raw, path)]
    if raw[0] == ord("{") and not Node(raw).fields:
        return None
    if raw[0] != ord("["):
        raise wrong_type("a list", raw, path)
    found: list[Value] = []
    for place, item in enumerate(split_short_list(raw, path)):
        if item[0] != ord("{"):
            raise wrong_type("an object", item, (*path, place))
        inner = Node(item, (*path, place))
        if _is_selected(inner, steps.items):
            found += _values_in(inner, steps.items.then)
    return found


def _is_selected(node: Node, items: Items) -> bool:
    """Return whether a path goes on into an item."""
    if not items.key:
        return True
    raw = node.get(items.key)
    if items.words:
        return raw is not None and label_of(raw) in items.words
    return (raw not in (None, b"false")) != items.without


def _values_in(node: Node, then: Sequence[Steps]) -> list[Value]:
    """Return the values at the first path that is there; the item without paths.

    An error on any path but the last is ignored.
    """
    if not then:
        return [Value(node.raw, node.path)]
    for steps in then[:-1]:
        with suppress(LineError):
            if (found := values_at(node, steps)) is not None:
                return found
    return values_at(node, then[-1]) or []


def label_of(raw: bytes) -> str:
    """Return the text of a string, or the JSON of any other value."""
    return text_of(raw) if raw[0] == ord('"') else raw.decode()


def is_of_type(raw: bytes, type_name: str) -> bool:
    """Return whether a value has a type of `toolkit.schema.api.ValueType`."""
    if type_name in ("objects", "empty"):
        items = split_list(raw) if raw[0] == ord("[") else None
        if type_name == "empty":
            return items == []
        return items is not None and all(item[0] == ord("{") for item in items)
    if type_name in ("", "filled"):
        return type_name == "" or raw != b'""'
    return json_type(raw).endswith(f" {type_name}")


def _is_too_deep(raw: bytes) -> bool:
    """Return whether brackets outside strings are nested deeper than 512 levels."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return False
    return max(_depths(_punctuation(raw)), default=0) > DEEPEST


def checked_json(raw: bytes) -> bytes:
    """Return a JSON value without white space around it, or raise `LineError`."""
    if _is_too_deep(raw):
        raise LineError("too_deep")
    try:
        return bytes(_raw(raw))
    except msgspec.DecodeError:
        raise LineError("invalid_json") from None


def is_json(text: str) -> bool:
    """Return whether a text is JSON."""
    try:
        _raw(text)
    except (msgspec.DecodeError, RecursionError):  # not JSON, or nested too deep
        return False
    return True
