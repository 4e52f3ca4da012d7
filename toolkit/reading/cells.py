"""Read the cells of a column: each kind of value, and the first on several paths."""

from __future__ import annotations

import math
import re
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from toolkit.reading.json_values import (
    LineError,
    Node,
    Value,
    json_type,
    label_of,
    split_list,
    text_of,
    values_at,
    wrong_type,
)
from toolkit.schema.tables import LATEST_CREATED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from toolkit.reading.find_response import Response
    from toolkit.schema.columns import Column
    from toolkit.schema.paths import Path

Cell: TypeAlias = object

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


# Kinds of values: each function reads a raw value of a type it knows, or raises.


def _read_value(raw: bytes, column: Column, path: Path, unit: str) -> Cell:
    """Read a value at the end of a path of a column; `unit` is that of a Unix time."""
    match column.kind:
        case "string":  # the empty string is null
            return _read_text(raw, "string") or None
        case "label" | "finish_reason":
            return _read_label(raw)
        case "content":
            return _read_content(raw)
        case "characters":
            text = _read_content(raw)
            return None if text is None else len(text)
        case "items":  # other shapes are not an error
            return len(split_list(raw)) if raw[0] == ord("[") else None
        case "logprob_sum":
            return _read_logprob_sum(raw)
        case "count":
            return _read_count(raw, column)
        case "number":
            return _read_number(raw, path)
        case "timestamp":
            return _read_timestamp(raw, unit)
        case "timestamp_problem":
            return _read_timestamp_problem(raw, unit)
        case "flag":  # anything but a boolean, or the text of one, is null
            return _FLAGS.get(label_of(raw))
        case "marker":
            text = text_of(raw) if raw[0] == ord('"') else ""
            return path.word if text.startswith(path.prefix) else None
        case "text":
            return _read_text(raw, "text")
    message = f"no reader of values of the kind {column.kind}"
    raise LookupError(message)


_FLAGS = {"true": True, "True": True, "false": False, "False": False}


def _read_text(raw: bytes, kind: str) -> str:
    """Read a string, which may be empty."""
    if raw[0] != ord('"'):
        raise wrong_type(EXPECTED[kind], raw)
    return text_of(raw)


def _read_label(raw: bytes) -> str | None:
    """Read a string, or a number or boolean by its JSON text; "" is null."""
    if raw[0] in b"{[":
        raise wrong_type(EXPECTED["label"], raw)
    return label_of(raw) or None


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
    for place, item in enumerate(split_list(raw)):
        if item[0] != ord("{"):
            raise wrong_type("an object", item, (place,))
        part = Node(item)
        text = part.get("text")
        if text is None or label_of(part.get("type") or b"null") != "text":
            continue
        if text[0] != ord('"'):
            raise wrong_type("a string", text, (place, "text"))
        texts.append(text_of(text))
    return "".join(texts) if texts else None


def _read_logprob_sum(raw: bytes) -> float | None:
    """Add the logprobs of a list of tokens; other shapes are not an error."""
    if raw[0] != ord("["):
        return None
    total = 0.0
    for item in split_list(raw):
        logprob = Node(item).get("logprob") if item[0] == ord("{") else None
        if logprob is None or json_type(logprob) != "a number":
            return None
        total += float(logprob)
    return total if math.isfinite(total) else None


def _read_count(raw: bytes, column: Column) -> int:
    """Read a whole number; 5.0 is 5, read as an IEEE double."""
    if json_type(raw) != "a number":
        raise wrong_type(EXPECTED["count"], raw)
    if not re.search(rb"[.eE]", raw):
        # Twenty digits are past every range; int() rejects more than 4,300.
        return check_range(int(raw) if len(raw) <= 20 else math.inf, column)
    number = float(raw)
    if math.isfinite(number) and not number.is_integer():
        raise LineError("wrong_type", "expected a whole number, got a fraction")
    return check_range(number, column)


def check_range(number: float, column: Column) -> int:
    """Return a whole number, or raise `LineError` if a column does not allow it."""
    low, high = column.minimum, column.maximum
    is_low = low is not None and number < low
    if is_low or (high is not None and number > high) or math.isinf(number):
        reason = f"expected a whole number from {low} to {high}"
        raise LineError("out_of_range", reason)
    return int(number)


def _read_number(raw: bytes, path: Path) -> float | None:
    """Read a number, or a string with one, as an IEEE double; then divide it."""
    number = float(_digits_of(raw, "number", r"-?[0-9]+(\.[0-9]+)?"))
    if math.isinf(number):
        raise LineError("out_of_range", "expected a number that a double can hold")
    return None if path.skips_zero and number == 0 else number / path.divisor


def _digits_of(raw: bytes, kind: str, pattern: str) -> str:
    """Return the text of a number, or a string that matches the pattern."""
    if raw[0] == ord('"'):
        digits = text_of(raw)
        if not re.fullmatch(pattern, digits):
            reason = f"expected {EXPECTED[kind]}, got a string without one"
            raise LineError("wrong_type", reason)
        return digits
    if json_type(raw) != "a number":
        raise wrong_type(EXPECTED[kind], raw)
    return raw.decode()


# Powers of ten from the unit of `created` to microseconds.
MICROSECONDS = {"s": 6, "ms": 3, "us": 0, "ns": -3}
LATEST_MICROSECOND = int(LATEST_CREATED.timestamp()) * 10**6


_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d):(\d\d):(\d\d(?:\.\d+)?)"
    r"(?P<zone>[Zz]|([+-])(\d\d):?(\d\d))?",
    re.ASCII,
)
_NO_TIME_ZONE = "no_time_zone"


def _read_timestamp(raw: bytes, unit: str) -> int | None:
    """Read a Unix time, or an RFC 3339 time with a zone, as microseconds.

    The decimal number is read exactly, then rounded half to even. A time without a zone
    is null.
    """
    if raw[0] == ord('"') and (found := _RFC_3339.fullmatch(text_of(raw))):
        return _calendar_time(found) if found["zone"] else None
    digits = _digits_of(raw, "timestamp", r"([0-9]+\.?[0-9]*|\.[0-9]+)?") or "0"
    try:
        time = Decimal(digits)
    except InvalidOperation:  # an exponent out of range: 0 or infinite
        time = Decimal(float(digits))
    return _checked_time(_round_time(time, MICROSECONDS[unit]))


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


def _read_timestamp_problem(raw: bytes, unit: str) -> str | None:
    """Return `_NO_TIME_ZONE` for a time without a zone, "" for another time."""
    if _read_timestamp(raw, unit) is not None:
        return ""
    found = _RFC_3339.fullmatch(label_of(raw))
    return _NO_TIME_ZONE if found and not found["zone"] else None


_Call: TypeAlias = "dict[str, str | None]"
_CALL_FIELDS = ("id", "type", "name", "arguments", "index")  # the last of a chunk only


def _read_calls(values: list[Value], path: Path) -> Cell:
    """Read tool calls; a single one without name and arguments is null."""
    calls = [_read_call(value, path.fields) for value in values]
    if path.steps.items is None:
        return [call for call in calls if call["name"] or call["arguments"]] or None
    return calls or (None if path.steps.items.key else [])


def _read_call(value: Value, fields: Sequence[Sequence[Sequence[str]]]) -> _Call:
    """Read the fields of a call, each the first on its paths."""
    if value.raw[0] != ord("{"):
        raise wrong_type("an object", value.raw, value.path)
    call = Node(value.raw, value.path)
    found = {}
    for name, paths in zip(_CALL_FIELDS, fields, strict=False):
        texts = (_call_text(call, name, keys) for keys in paths)
        found[name] = next((text for text in texts if text is not None), None)
    return found


def _call_text(call: Node, name: str, keys: Sequence[str]) -> str | None:
    """Read a string of a call; arguments may be an object, of which it is the JSON."""
    raw = call.find(keys)
    if raw is None:
        return None
    if name == "index":
        return label_of(raw)
    if name == "arguments" and raw[0] == ord("{"):
        return raw.decode()
    if raw[0] != ord('"'):
        raise wrong_type("a string", raw, (*call.path, *keys))
    return text_of(raw)


# The cell of several values by kind; of the other kinds it is the first one.
_JOINED: dict[str, Callable[[Iterable[Any]], Cell]] = {
    "content": "".join,
    "text": "".join,
    "characters": sum,
}


def _read_values(values: list[Value], column: Column, path: Path, unit: str) -> Cell:
    """Read the values at the end of a path as one cell."""
    if path.fields:
        return _read_calls(values, path)
    cells = []
    for raw, place in values:
        try:
            cell = _read_value(raw, column, path, unit)
        except LineError as error:
            raise error.below(place) from None
        if cell is not None:
            cells.append(cell)
    if not cells:
        return None
    return _JOINED[column.kind](cells) if column.kind in _JOINED else cells[0]


# Cells that are read only if no later path has another one.
_LAST_RESORTS = {"count": 0, "number": 0.0, "timestamp_problem": _NO_TIME_ZONE}
_EMPTY_IS_NULL = {"marker", "timestamp_problem"}


def read_cell(
    column: Column,
    paths: Iterable[Path],
    response: Response,
    choice: Node,
    created_unit: str,
) -> Cell:
    """Read the first value on the paths of a column.

    After a last resort nothing is an error.
    """
    found = None
    for path in paths:
        node = response.start(path, choice)
        if node is None:
            continue
        try:
            cell = _read_path(node, column, path, created_unit)
        except LineError:
            if not path.takes_any_shape and found is None:
                raise
            continue
        if cell is not None and cell != _LAST_RESORTS.get(column.kind):
            found = cell
            break
        found = found if cell is None else cell
    if column.kind == "finish_reason":
        return response.api.finish_reasons.get(cast("str", found), found)
    # A marker of null, and a timestamp without a problem.
    return None if column.kind in _EMPTY_IS_NULL and found == "" else found


def _read_path(node: Node, column: Column, path: Path, unit: str) -> Cell:
    """Read the values at the end of a path, or their sum with others."""
    values = values_at(node, path.steps)
    if path.passes_objects and values and values[0].raw[0] == ord("{"):
        return None
    cell = None if values is None else _read_values(values, column, path, unit)
    if cell is None and path.zero_if and values_at(node, path.zero_if):
        cell = 0
    if cell is None or not path.plus:
        return cell
    total = cast("int", cell)
    for paths in path.plus:  # what is not there is 0
        found = (values_at(node, steps) or [] for steps in paths)
        cells = (_read_values(values, column, path, unit) for values in found)
        total += cast("int", next(filter(None, cells), 0))
    try:
        return check_range(total, column)
    except LineError as error:
        raise error.below((*node.path, *path.steps.keys)) from None


def without_text(cell: Cell) -> Cell:
    """Return what is not text of a private cell: tool calls without arguments."""
    if isinstance(cell, list):
        return [{**call, "arguments": None} for call in cell]
    return None
