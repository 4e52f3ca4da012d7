"""Read the values of a line: JSON, one level at a time, and each kind of value.

JSON is parsed by msgspec: it is strict, keeps unread values as raw bytes (so 1e400 and
a 5,000-digit integer do no harm), returns the last of duplicate keys and rejects a lone
surrogate anywhere. No other module parses the JSON of a log.
"""

from __future__ import annotations

import math
import re
from contextlib import suppress
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec

from toolkit.schema.tables import LATEST_CREATED, MOST_ITEMS, REJECT_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolkit.schema.paths import Items, Steps

Keys: TypeAlias = "tuple[str | int, ...]"

STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_PUNCTUATION = bytes(set(range(256)) - set(b"[]{},"))

_JSON_TYPES = {
    ord("{"): "an object",
    ord("["): "a list",
    ord('"'): "a string",
    ord("t"): "a boolean",
    ord("f"): "a boolean",
    ord("n"): "null",
}
EXPECTED = {
    "string": "a string",
    "label": "a string, number or boolean",
    "text": "a string",
    "content": "a string, a list of parts or an object",
    "characters": "a string, a list of parts or an object",
    "count": "a whole number",
    "number": "a number",
    "timestamp": "a Unix time or an RFC 3339 time",
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


def _json_type(raw: bytes) -> str:
    """Return the name of the JSON type of a raw value."""
    return _JSON_TYPES.get(raw[0], "a number")


def _wrong_type(expected: str, raw: bytes, path: Keys = ()) -> LineError:
    """Build the error of a value that does not have the expected type."""
    return LineError("wrong_type", f"expected {expected}, got {_json_type(raw)}", path)


class Node:
    """One JSON object of a line; values stay raw until they are read.

    Missing and null are the same: `get` and `child` return None for both.
    """

    __slots__ = ("children", "fields", "path", "raw")

    def __init__(self, raw: bytes | msgspec.Raw, path: Keys = ()) -> None:
        self.raw = raw
        self.path = path
        self.fields = _object(raw)
        self.children: dict[str, Node | None] = {}

    def get(self, key: str) -> bytes | None:
        """Return the raw JSON of a field."""
        value = self.fields.get(key)
        if value is None:
            return None
        raw = bytes(value)
        return None if raw == b"null" else raw

    def child(self, key: str) -> Node | None:
        """Return a field that must be an object if it is present."""
        if key not in self.children:
            raw = self.get(key)
            if raw is not None and raw[0] != ord("{"):
                raise _wrong_type("an object", raw, (*self.path, key))
            self.children[key] = None if raw is None else Node(raw, (*self.path, key))
        return self.children[key]

    def find(self, keys: Sequence[str]) -> bytes | None:
        """Return the raw JSON at the end of a path."""
        node = self
        for key in keys[:-1]:
            below = node.child(key)
            if below is None:
                return None
            node = below
        return node.get(keys[-1])


def validate_json(raw: bytes) -> bytes:
    """Return a JSON value without white space around it, or raise `LineError`."""
    try:
        return bytes(_raw(raw))
    except msgspec.DecodeError:
        raise LineError("invalid_json") from None


def _split_list(raw: bytes) -> list[bytes]:
    """Return the raw items of a JSON list."""
    return [bytes(item) for item in _list(raw)]


def split_short_list(raw: bytes) -> list[bytes]:
    """Return the raw items of a JSON list, or raise if there are too many."""
    if raw.count(b",") >= MOST_ITEMS and _count_items(raw) > MOST_ITEMS:
        raise LineError("out_of_range", f"expected at most {MOST_ITEMS} items")
    return _split_list(raw)


def _count_items(raw: bytes) -> int:
    """Count the items of a JSON list that is not empty, in little memory."""
    punctuation = STRINGS.sub(b"", raw).translate(None, _NOT_PUNCTUATION)
    depth = commas = 0
    for sign in punctuation:
        if sign == ord(","):
            commas += depth == 1
        else:
            depth += 1 if sign in b"[{" else -1
    return commas + 1


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
        raise _wrong_type("a list", raw, path)
    try:
        items = split_short_list(raw)
    except LineError as error:
        raise error.below(path) from None
    found: list[Value] = []
    for place, item in enumerate(items):
        if item[0] != ord("{"):
            raise _wrong_type("an object", item, (*path, place))
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
    """Return the values of the first path that has any; the item itself without paths.

    A path that cannot be read is passed over, but for the last.
    """
    if not then:
        return [Value(node.raw, node.path)]
    for steps in then[:-1]:
        with suppress(LineError):
            if found := values_at(node, steps):
                return found
    return values_at(node, then[-1]) or []


def label_of(raw: bytes) -> str:
    """Return the text of a string, or the JSON of any other value."""
    return text_of(raw) if raw[0] == ord('"') else raw.decode()


def is_of_type(raw: bytes, type_name: str) -> bool:
    """Return whether a value has a type of `toolkit.schema.api.ValueType`."""
    if type_name in ("objects", "empty"):
        items = _split_list(raw) if raw[0] == ord("[") else None
        if type_name == "empty":
            return items == []
        return items is not None and all(item[0] == ord("{") for item in items)
    if type_name in ("", "filled"):
        return type_name == "" or raw != b'""'
    return _json_type(raw).endswith(f" {type_name}")


# Kinds of values: each function reads a raw value of a type it knows, or raises.


def _read_string(raw: bytes) -> str | None:
    """Read a string; the empty string is null."""
    return _read_text(raw, "string") or None


def _read_text(raw: bytes, kind: str = "text") -> str:
    """Read a string, which may be empty."""
    if raw[0] != ord('"'):
        raise _wrong_type(EXPECTED[kind], raw)
    return text_of(raw)


def _read_label(raw: bytes) -> str | None:
    """Read a string, or a number or boolean by its JSON text."""
    if raw[0] in b"{[":
        raise _wrong_type(EXPECTED["label"], raw)
    return _read_string(raw) if raw[0] == ord('"') else raw.decode()


def _read_content(raw: bytes) -> str | None:
    """Read a message's content: a string, the text parts of a list, or an object."""
    if raw[0] == ord("["):
        return _join_parts(raw)
    if raw[0] == ord("{"):
        return raw.decode()
    return _read_text(raw, "content")


def _join_parts(raw: bytes) -> str | None:
    """Join the parts of a list that are texts."""
    texts: list[str] = []
    for place, item in enumerate(_split_list(raw)):
        if item[0] != ord("{"):
            raise _wrong_type("an object", item, (place,))
        part = Node(item)
        text = part.get("text")
        if text is None or label_of(part.get("type") or b"") != "text":
            continue
        if text[0] != ord('"'):
            raise _wrong_type("a string", text, (place, "text"))
        texts.append(text_of(text))
    return "".join(texts) if texts else None


def _read_characters(raw: bytes) -> int | None:
    """Count the code points of a message's content."""
    text = _read_content(raw)
    return None if text is None else len(text)


def read_count(raw: bytes, low: int | None, high: int | None) -> int:
    """Read a whole number; 5.0 is 5, read as an IEEE double."""
    if _json_type(raw) != "a number":
        raise _wrong_type(EXPECTED["count"], raw)
    too_large = LineError(
        "out_of_range", f"expected a whole number from {low} to {high}"
    )
    if not re.search(rb"[.eE]", raw):
        # Twenty digits are past every range; int() rejects more than 4,300.
        if len(raw) > 20:
            raise too_large
        value = int(raw)
    else:
        number = float(raw)
        if math.isinf(number):
            raise too_large
        if not number.is_integer():
            reason = "expected a whole number, got a fraction"
            raise LineError("wrong_type", reason)
        value = int(number)
    if (low is not None and value < low) or (high is not None and value > high):
        raise too_large
    return value


def read_number(raw: bytes, divisor: float, *, skips_zero: bool) -> float | None:
    """Read a number, or a string with one, as an IEEE double; then divide it."""
    number = float(_digits_of(raw, "number", r"-?[0-9]+(\.[0-9]+)?"))
    if math.isinf(number):
        raise LineError("out_of_range", "expected a number that a double can hold")
    return None if skips_zero and number == 0 else number / divisor


def _digits_of(raw: bytes, kind: str, pattern: str) -> str:
    """Return the text of a number, or a string that matches the pattern."""
    if raw[0] == ord('"'):
        digits = text_of(raw)
        if not re.fullmatch(pattern, digits):
            reason = f"expected {EXPECTED[kind]}, got a string without one"
            raise LineError("wrong_type", reason)
        return digits
    if _json_type(raw) != "a number":
        raise _wrong_type(EXPECTED[kind], raw)
    return raw.decode()


# Powers of ten from the unit of `created` to microseconds.
MICROSECONDS = {"s": 6, "ms": 3, "us": 0, "ns": -3}
LATEST_MICROSECOND = int(LATEST_CREATED.timestamp()) * 10**6


_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d(?:\.\d+)?)"
    r"(?P<zone>[Zz]|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)
NO_TIME_ZONE = "no_time_zone"


def read_timestamp(raw: bytes, unit: str) -> int | None:
    """Read a Unix time, or an RFC 3339 time with a zone, as microseconds.

    The decimal number is read exactly, then rounded half to even. A time without a zone
    is null.
    """
    if raw[0] == ord('"') and (found := _RFC_3339.fullmatch(text_of(raw))):
        return _calendar_time(found) if found["zone"] else None
    digits = _digits_of(raw, "timestamp", r"([0-9]+\.?[0-9]*|\.[0-9]+)?")
    return _checked_time(_round_time(_decimal(digits or "0"), MICROSECONDS[unit]))


def _calendar_time(found: re.Match[str]) -> int | None:
    """Return the microseconds of a date and a time of day; second 60 is the next."""
    written, hour, minute, second, _, sign, *offset = found.groups("0")
    try:
        day = date.fromisoformat(written).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        raise _outside_time() from None
    hours, minutes = (int(hour), int(offset[0])), (int(minute), int(offset[1]))
    if max(hours) > 23 or max(minutes) > 59 or int(second[:2]) > 60:
        raise _outside_time()
    ahead = hours[1] * 60 + minutes[1]
    total = (day * 24 + hours[0]) * 60 + minutes[0] + (ahead if sign == "-" else -ahead)
    return _checked_time(total * 60 * 10**6 + _round_time(Decimal(second), 6))


def _outside_time() -> LineError:
    return LineError("out_of_range", "expected a time from 1970 to before 2200")


def _round_time(time: Decimal, scale: int) -> int:
    """Return microseconds; the unit of the time is `scale` powers of ten of them."""
    if not time.is_finite() or (time and time.adjusted() + scale > 20):
        raise _outside_time()
    unit = Decimal(1).scaleb(-scale)
    return int(time.quantize(unit, ROUND_HALF_EVEN).scaleb(scale))


def _checked_time(micros: int) -> int | None:
    """Return microseconds since 1970; 0 is null."""
    if not 0 <= micros < LATEST_MICROSECOND:
        raise _outside_time()
    return micros or None


def read_timestamp_problem(raw: bytes, unit: str) -> str | None:
    """Return `NO_TIME_ZONE` for a time without a zone, "" for another time."""
    if read_timestamp(raw, unit) is not None:
        return ""
    is_time = raw[0] == ord('"') and _RFC_3339.fullmatch(text_of(raw))
    return NO_TIME_ZONE if is_time else None


def _decimal(digits: str) -> Decimal:
    """Read a decimal number; one with an exponent out of range is 0 or infinite."""
    try:
        return Decimal(digits)
    except InvalidOperation:
        return Decimal(float(digits))


def _read_items(raw: bytes) -> int | None:
    """Count the items of a list; other shapes are not an error."""
    return len(_list(raw)) if raw[0] == ord("[") else None


def _read_logprob_sum(raw: bytes) -> float | None:
    """Add the logprobs of a list of tokens; other shapes are not an error."""
    if raw[0] != ord("["):
        return None
    total = 0.0
    for item in _split_list(raw):
        logprob = Node(item).get("logprob") if item[0] == ord("{") else None
        if logprob is None or _json_type(logprob) != "a number":
            return None
        total += float(logprob)
    return total if math.isfinite(total) else None


_FLAGS = {"true": True, "True": True, "false": False, "False": False}


def _read_flag(raw: bytes) -> bool | None:
    """Read a boolean or the text of one; anything else is null."""
    return _FLAGS.get(text_of(raw) if raw[0] == ord('"') else raw.decode())


def read_marker(raw: bytes, word: str, prefix: str) -> str | None:
    """Return the word that a value stands for; a text must begin with the prefix."""
    text = text_of(raw) if raw[0] == ord('"') else ""
    return word if text.startswith(prefix) else None


_Call: TypeAlias = "dict[str, str | None]"


def read_call(value: Value, fields: Sequence[Sequence[Sequence[str]]]) -> _Call:
    """Read id, type, name and arguments of a call, each the first on its paths."""
    if value.raw[0] != ord("{"):
        raise _wrong_type("an object", value.raw, value.path)
    call = Node(value.raw, value.path)
    found = {}
    for name, paths in zip(("id", "type", "name", "arguments"), fields, strict=True):
        read = _call_input if name == "arguments" else _call_text
        found[name] = _first(read(call, keys) for keys in paths)
    return found


def _call_text(call: Node, keys: Sequence[str]) -> str | None:
    """Read a string of a call."""
    raw = call.find(keys)
    if raw is None:
        return None
    if raw[0] != ord('"'):
        raise _wrong_type("a string", raw, (*call.path, *keys))
    return text_of(raw)


def _call_input(call: Node, keys: Sequence[str]) -> str | None:
    """Read the input of a call: a string, or an object as its JSON text."""
    raw = call.find(keys)
    return raw.decode() if raw and raw[0] == ord("{") else _call_text(call, keys)


def _first(values: Iterator[str | None]) -> str | None:
    """Return the first value that is not null."""
    return next((value for value in values if value is not None), None)


# By kind of column; the other kinds depend on the column or its path.
READERS: dict[str, Callable[[bytes], object]] = {
    "string": _read_string,
    "label": _read_label,
    "finish_reason": _read_label,
    "text": _read_text,
    "content": _read_content,
    "characters": _read_characters,
    "items": _read_items,
    "logprob_sum": _read_logprob_sum,
    "flag": _read_flag,
}


def is_json(text: str) -> bool:
    """Return whether a text is JSON."""
    try:
        _raw(text)
    except (msgspec.DecodeError, RecursionError):  # not JSON, or nested too deep
        return False
    return True
