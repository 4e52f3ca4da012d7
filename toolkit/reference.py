"""The decoder in plain Python: what the data contract says, in code that reads like it.

A line passes the checks in this order, and the first that fails decides: length, UTF-8,
depth, JSON, form (is it a response, and where), columns. It then becomes rows, one a
choice, or one reject; never half of each. JSON is parsed by msgspec, one level at a
time: it is strict, keeps unread values as raw bytes (so 1e400 and a 5,000-digit integer
harm nothing), gives the last of duplicate keys and refuses a lone surrogate anywhere.

The decoder is driven by the `Column` declarations of `toolkit.schema` and names no
column: it knows kinds and paths.
"""

from __future__ import annotations

import math
import re
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import msgspec
import pyarrow as pa
import xxhash

from toolkit.blocks import Block, Decoded
from toolkit.schema import (
    LATEST_CREATED,
    REJECT_CODES,
    REJECTS,
    parse_path,
    write_path,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolkit.blocks import Plan
    from toolkit.schema import Column

Cell: TypeAlias = object
Keys: TypeAlias = "tuple[str | int, ...]"

DEEPEST = 512  # levels; the root is level 1

# Where an envelope may hold the response, in the order in which they are tried.
ENVELOPES = tuple(
    parse_path(path)
    for path in (
        "response.body",
        "response",
        "response_body",
        "body",
        "output",
        "outputs",
        "result",
        "data",
    )
)

JSON_TYPES = {
    ord("{"): "an object",
    ord("["): "a list",
    ord('"'): "a string",
    ord("t"): "a boolean",
    ord("f"): "a boolean",
    ord("n"): "null",
}
WANTED = {
    "string": "a string",
    "label": "a string, number or boolean",
    "text": "a string",
    "content": "a string, a list of parts or an object",
    "characters": "a string, a list of parts or an object",
    "tool_calls": "a list of tool calls, or a function call",
    "count": "a whole number",
    "number": "a number",
    "timestamp": "a Unix time",
}

_raw = msgspec.json.Decoder(msgspec.Raw).decode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_string = msgspec.json.Decoder(str).decode


class Fault(Exception):  # noqa: N818 - a verdict on a line, caught in this module
    """Why a line is rejected: a code, a place in it, and a sentence without content."""

    def __init__(self, code: str, reason: str = "", path: Keys = ()) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason or REJECT_CODES[code]
        self.path = path

    def below(self, path: Keys) -> Fault:
        """Return the same fault, its place written from further up."""
        return Fault(self.code, self.reason, path + self.path)


def json_type(raw: bytes) -> str:
    """Name the JSON type of a raw value."""
    return JSON_TYPES.get(raw[0], "a number")


def wrong_type(wanted: str, raw: bytes, path: Keys = ()) -> Fault:
    """Make the fault of a value that has another type than the one wanted."""
    return Fault("wrong_type", f"wanted {wanted}, found {json_type(raw)}", path)


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
        """Return a field that must be an object if it is there at all."""
        if key not in self.children:
            raw = self.get(key)
            if raw is not None and raw[0] != ord("{"):
                raise wrong_type("an object", raw, (*self.path, key))
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


# Kinds of values: each reads a raw value of a type it knows, or raises a Fault.


def read_string(raw: bytes) -> str | None:
    """Read a string of which "" means nothing."""
    return read_text(raw, "string") or None


def read_text(raw: bytes, kind: str = "text") -> str:
    """Read a string as it stands."""
    if raw[0] != ord('"'):
        raise wrong_type(WANTED[kind], raw)
    return _string(raw)


def read_label(raw: bytes) -> str | None:
    """Read a string, or a number or boolean by its JSON text."""
    if raw[0] in b"{[":
        raise wrong_type(WANTED["label"], raw)
    return read_string(raw) if raw[0] == ord('"') else raw.decode()


def read_content(raw: bytes) -> str | None:
    """Read a message's content: a string, the text parts of a list, or an object."""
    if raw[0] == ord("["):
        return join_parts(raw, "text")
    if raw[0] == ord("{"):
        return raw.decode()
    return read_text(raw, "content")


def join_parts(raw: bytes, kind: str) -> str | None:
    """Join the parts of a kind; what a part holds is a string or a list of texts."""
    texts: list[str] = []
    for place, item in enumerate(_list(raw)):
        part = part_of(bytes(item), kind, place)
        if part is None:
            continue
        if part[0] == ord('"'):
            texts.append(_string(part))
        elif part[0] == ord("[") and kind != "text":
            texts.append(join_parts_below(part, (place, kind)) or "")
        else:
            raise wrong_type("a string", part, (place, kind))
    return "".join(texts) if texts else None


def part_of(item: bytes, kind: str, place: int) -> bytes | None:
    """Return what a part of this kind holds, None if it is of another kind."""
    if item[0] != ord("{"):
        raise wrong_type("an object", item, (place,))
    part = Node(item)
    is_kind = part.get("type") == b'"%s"' % kind.encode()
    return part.get(kind) if is_kind else None


def join_parts_below(raw: bytes, path: Keys) -> str | None:
    """Join the text parts of a list that stands inside a part."""
    try:
        return join_parts(raw, "text")
    except Fault as fault:
        raise fault.below(path) from None


def read_parts(raw: bytes, kind: str) -> str | None:
    """Read the parts of a kind if the value is a list of parts, else nothing."""
    return join_parts(raw, kind) if raw[0] == ord("[") else None


def read_characters(raw: bytes) -> int | None:
    """Count the code points of a message's content."""
    text = read_content(raw)
    return None if text is None else len(text)


def read_count(raw: bytes, low: int | None, high: int | None) -> int:
    """Read a whole number; 5.0 is 5, read as an IEEE double."""
    if json_type(raw) != "a number":
        raise wrong_type(WANTED["count"], raw)
    too_large = Fault("out_of_range", f"wanted a whole number from {low} to {high}")
    if not re.search(rb"[.eE]", raw):
        # Twenty digits are past every range; int() refuses more than 4,300.
        if len(raw) > 20:
            raise too_large
        value = int(raw)
    else:
        number = float(raw)
        if math.isinf(number):
            raise too_large
        if not number.is_integer():
            reason = "wanted a whole number, found a fraction"
            raise Fault("wrong_type", reason)
        value = int(number)
    if (low is not None and value < low) or (high is not None and value > high):
        raise too_large
    return value


def read_number(raw: bytes) -> float:
    """Read a number as an IEEE double."""
    if json_type(raw) != "a number":
        raise wrong_type(WANTED["number"], raw)
    number = float(raw)
    if math.isinf(number):
        raise Fault("out_of_range", "wanted a number that a double can hold")
    return number


# Powers of ten from the unit of `created` to microseconds.
MICROSECONDS = {"s": 6, "ms": 3, "us": 0, "ns": -3}
LATEST_MICROSECOND = int(LATEST_CREATED.timestamp()) * 10**6


def read_timestamp(raw: bytes, unit: str) -> int | None:
    """Read a Unix time, a number or a string of digits, as microseconds.

    The number is taken exactly as it is written in decimal, then rounded half to even.
    """
    digits = raw
    if raw[0] == ord('"'):
        digits = _string(raw).encode()
        if not digits:
            return None
        if not re.fullmatch(rb"[0-9]+\.?[0-9]*|\.[0-9]+", digits):
            raise Fault("wrong_type", "wanted a Unix time, found a string without one")
    elif json_type(raw) != "a number":
        raise wrong_type(WANTED["timestamp"], raw)
    scale = MICROSECONDS[unit]
    seconds = decimal(digits)
    outside = Fault("out_of_range", "wanted a time from 1970 to before 2200")
    if not seconds.is_finite() or seconds.adjusted() + scale > 20:
        raise outside
    micros = int(
        seconds.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_EVEN).scaleb(scale)
    )
    if not 0 <= micros < LATEST_MICROSECOND:
        raise outside
    return micros or None


def decimal(digits: bytes) -> Decimal:
    """Read a decimal number; one whose exponent is past all bounds is 0 or infinite."""
    try:
        return Decimal(digits.decode())
    except InvalidOperation:
        return Decimal(float(digits))


def read_items(raw: bytes) -> int | None:
    """Count the items of a list; other shapes are not an error."""
    return len(_list(raw)) if raw[0] == ord("[") else None


def read_logprob_sum(raw: bytes) -> float | None:
    """Add the logprobs of a list of tokens; other shapes are not an error."""
    if raw[0] != ord("["):
        return None
    total = 0.0
    for item in map(bytes, _list(raw)):
        logprob = Node(item).get("logprob") if item[0] == ord("{") else None
        if logprob is None or json_type(logprob) != "a number":
            return None
        total += float(logprob)
    return total if math.isfinite(total) else None


def read_tool_calls(raw: bytes) -> list[dict[str, str | None]] | None:
    """Read a list of tool calls: functions, or custom tools; {} is nothing."""
    if raw[0] == ord("{") and not Node(raw).fields:
        return None
    if raw[0] != ord("["):
        raise wrong_type("a list", raw)
    calls = []
    for place, item in enumerate(map(bytes, _list(raw))):
        if item[0] != ord("{"):
            raise wrong_type("an object", item, (place,))
        call = Node(item, (place,))
        tools = [(call.child("function"), "arguments"), (call.child("custom"), "input")]
        calls.append(
            {
                "id": call_text(call, "id"),
                "type": call_text(call, "type"),
                "name": first(call_text(tool, "name") for tool, _ in tools),
                "arguments": first(call_input(tool, key) for tool, key in tools),
            }
        )
    return calls


def read_function_call(raw: bytes) -> list[dict[str, str | None]] | None:
    """Read the older form as one call; without name and arguments it is none."""
    if raw[0] != ord("{"):
        raise wrong_type("an object", raw)
    call = Node(raw)
    name, arguments = call_text(call, "name"), call_input(call, "arguments")
    if not name and not arguments:
        return None
    return [{"id": None, "type": None, "name": name, "arguments": arguments}]


def call_text(node: Node | None, key: str) -> str | None:
    """Read a string field of a call."""
    raw = node.get(key) if node else None
    if node is None or raw is None:
        return None
    if raw[0] != ord('"'):
        raise wrong_type("a string", raw, (*node.path, key))
    return _string(raw)


def call_input(node: Node | None, key: str) -> str | None:
    """Read the input of a call: a string, or an object by its JSON text."""
    raw = node.get(key) if node else None
    return raw.decode() if raw and raw[0] == ord("{") else call_text(node, key)


def first(values: Iterator[str | None]) -> str | None:
    """Return the first value that is not null."""
    return next((value for value in values if value is not None), None)


# From a column's declaration to a function that reads its cell.


class Route(NamedTuple):
    """One path of a column, and how the value at its end is read."""

    keys: tuple[str, ...]
    read: Callable[[bytes], Cell]
    passes_objects: bool  # a later path goes deeper: an object here is only a container
    takes_any_shape: bool  # what is not as declared is null, not an error


def routes(column: Column, plan: Plan) -> list[Route]:
    """Lay out the ways to a column's value."""
    found = []
    for place, path in enumerate(column.paths):
        plain, _, part = path.partition("[]")
        later = any(other.startswith(f"{plain}.") for other in column.paths[place:])
        read = reader(column, plan, path.endswith("[]"), part.removeprefix("."))
        lenient = column.kind in ("items", "logprob_sum")
        found.append(Route(parse_path(plain), read, later, lenient))
    return found


def reader(
    column: Column, plan: Plan, is_list: bool, part: str
) -> Callable[[bytes], Cell]:
    """Choose how the value of a kind is read."""
    if part:
        return partial(read_parts, kind=part)
    if column.kind == "tool_calls":
        return read_tool_calls if is_list else read_function_call
    if column.kind == "count":
        return partial(read_count, low=column.minimum, high=column.maximum)
    if column.kind == "timestamp":
        return partial(read_timestamp, unit=plan.created_unit)
    return {
        "string": read_string,
        "label": read_label,
        "text": read_text,
        "content": read_content,
        "characters": read_characters,
        "items": read_items,
        "logprob_sum": read_logprob_sum,
        "number": read_number,
    }[column.kind]


def read_cell(node: Node, ways: Sequence[Route]) -> Cell:
    """Read the first value that is present on the ways to a column."""
    for way in ways:
        try:
            raw = node.find(way.keys)
        except Fault:
            if way.takes_any_shape:
                continue
            raise
        if raw is None or (way.passes_objects and raw[0] == ord("{")):
            continue
        try:
            cell = way.read(raw)
        except Fault as fault:
            raise fault.below(node.path + way.keys) from None
        if cell is not None:
            return cell
    return None


def without_text(cell: Cell) -> Cell:
    """Leave of a private cell what is no text: the calls without their arguments."""
    if isinstance(cell, list):
        return [{**call, "arguments": None} for call in cell]
    return None


# The form of a line: is it a response, and where does it stand.


class Response(NamedTuple):
    """A response that was found in a line, and its choices."""

    line: Node
    node: Node
    choices: list[Node]

    @property
    def envelope(self) -> Node | None:
        """The line, where it is not itself the response."""
        return None if self.node is self.line else self.line


def find_response(line: Node, envelopes: Sequence[tuple[str, ...]]) -> Response:
    """Find the response of a line, or raise the Fault that says what it is instead."""
    is_error = False
    for node in candidates(line, envelopes):
        choices = choices_of(node)
        if choices is not None:
            if is_chunk(node, choices):
                raise Fault("stream_chunk")
            return Response(line, node, choices)
        is_error = is_error or node.get("error") is not None
    raise Fault("error_response" if is_error else "not_a_response")


def candidates(line: Node, envelopes: Sequence[tuple[str, ...]]) -> Iterator[Node]:
    """Yield the line, then each object that an envelope may hold."""
    yield line
    for keys in envelopes:
        node: Node | None = line
        for key in keys:
            node = node and opened(node, key)
        if node is not None:
            yield node


def opened(node: Node, key: str) -> Node | None:
    """Return a field that is an object, or a string that holds the JSON of one."""
    raw = node.get(key)
    path = (*node.path, key)
    if raw is not None and raw[0] == ord('"'):
        raw = _string(raw).encode()
        try:
            raw = checked_json(raw)
        except Fault:
            return None
    return Node(raw, path) if raw is not None and raw[0] == ord("{") else None


def choices_of(node: Node) -> list[Node] | None:
    """Return the choices of a response, None if this object is none."""
    raw = node.get("choices")
    if raw is None or raw[0] != ord("["):
        return None
    items = [bytes(item) for item in _list(raw)]
    if any(item[0] != ord("{") for item in items):
        return None
    path = (*node.path, "choices")
    return [Node(item, (*path, place)) for place, item in enumerate(items)]


def is_chunk(node: Node, choices: list[Node]) -> bool:
    """Say whether this is a piece of a streamed response."""
    if any(choice.get("message") is not None for choice in choices):
        return False
    kind = node.get("object")
    if kind is None or kind == b'""':
        return not choices or any(choice.get("delta") is not None for choice in choices)
    return kind[0] == ord('"') and _string(kind) == "chat.completion.chunk"


# One line.

_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def is_too_deep(raw: bytes) -> bool:
    """Say whether brackets outside strings stand deeper than 512 levels."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return False
    brackets = _STRINGS.sub(b"", raw).translate(None, _NOT_BRACKETS)
    steps = (1 if bracket in b"[{" else -1 for bracket in brackets)
    return max(accumulate(steps), default=0) > DEEPEST


def checked_json(raw: bytes) -> bytes:
    """Return a JSON value without the white space around it, or raise a Fault."""
    if is_too_deep(raw):
        raise Fault("too_deep")
    try:
        return bytes(_raw(raw))
    except msgspec.DecodeError:
        raise Fault("invalid_json") from None


def open_line(raw: bytes, *, longest: int, tail: bool) -> Node:
    """Return the JSON object of a line, or raise the Fault of one that holds none."""
    if len(raw) > longest:
        raise Fault("line_too_long")
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise Fault("invalid_utf8") from None
    try:
        value = checked_json(raw)
    except Fault as fault:
        if tail and fault.code == "invalid_json":
            raise Fault("truncated") from None
        raise
    if value[0] != ord("{"):
        # A number without a line feed may be the beginning of a longer one.
        raise Fault("truncated" if tail else "not_a_response")
    return Node(value)


class Reference:
    """Decodes blocks of lines by a plan; keeps nothing between them."""

    name = "reference"

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.envelopes = (plan.response_path,) if plan.response_path else ENVELOPES
        self.ways = [routes(column, plan) for column in plan.table.columns]

    def decode(self, block: Block) -> Decoded:
        """Turn the lines of a block into rows and rejects."""
        rows: list[list[Cell]] = [[] for _ in self.plan.table.columns]
        rejects: list[tuple[Cell, ...]] = []
        lines = blank = pending = 0
        for line, offset, raw, tail in split(block):
            lines += 1
            if not raw.strip(b" \t\r"):
                blank += 1
                continue
            try:
                cells = self.read_line(raw, (block.log_id, block.source, line), tail)
            except Fault as fault:
                if tail and self.leaves(block):
                    lines, pending = lines - 1, len(raw)
                else:
                    rejects.append(reject(block, line, offset, raw, fault))
                continue
            for column, more in zip(rows, cells, strict=True):
                column.extend(more)
        if block.skipped is not None and block.tail and self.leaves(block):
            pending = block.skipped
        elif block.skipped is not None:
            lines += 1
            rejects.append(reject(block, block.line, block.offset, None, None))
        return Decoded(
            block.log_id,
            block.source,
            batch(rows, self.plan.table.arrow),
            batch(list(zip(*rejects, strict=True)), REJECTS.arrow),
            block.bytes,
            block.position,
            lines,
            blank,
            pending,
        )

    def leaves(self, block: Block) -> bool:
        """Say whether an unfinished last line is left for a later run."""
        return self.plan.leave_pending and block.growing

    def read_line(
        self, raw: bytes, place: tuple[int, str, int], tail: bool
    ) -> list[list[Cell]]:
        """Return the cells of a line, column by column, a cell for each choice."""
        line = open_line(raw, longest=self.plan.max_line_bytes, tail=tail)
        response = find_response(line, self.envelopes)
        given = dict(zip(("log_id", "source", "line"), place, strict=True))
        return [
            self.read_column(column, ways, response, given)
            for column, ways in zip(self.plan.table.columns, self.ways, strict=True)
        ]

    def read_column(
        self,
        column: Column,
        ways: list[Route],
        response: Response,
        given: dict[str, Cell],
    ) -> list[Cell]:
        """Return a column's cells, one for each choice; one where there is none."""
        count = len(response.choices)
        rows = max(count, 1)
        if column.kind == "position":
            return list(range(rows))
        if column.root == "choice":
            cells = [read_cell(choice, ways) for choice in response.choices] or [None]
            if column.private and self.plan.content == "drop":
                return [without_text(cell) for cell in cells]
            return cells
        if column.kind == "given":
            cell = given[column.name]
        elif column.kind == "choice_count":
            cell = count
        elif column.kind == "hash":
            cell = xxhash.xxh3_64_intdigest(response.node.raw)
        else:
            node = getattr(response, ROOTS[column.root])
            cell = None if node is None else read_cell(node, ways)
        return [cell] * rows if column.grain == "R" else [cell] + [None] * (rows - 1)


ROOTS = {"response": "node", "envelope": "envelope", "line": "line"}


def split(block: Block) -> Iterator[tuple[int, int, bytes, bool]]:
    """Yield number, offset and bytes of each line, and whether it lacks its end."""
    pieces = block.data.split(b"\n")
    last = len(pieces) - 1
    offset = block.offset
    for place, piece in enumerate(pieces):
        if place < last or piece:
            yield (
                block.line + place,
                offset,
                piece.removesuffix(b"\r") if place < last else piece,
                place == last,
            )
        offset += len(piece) + 1


def reject(
    block: Block, line: int, offset: int, raw: bytes | None, fault: Fault | None
) -> tuple[Cell, ...]:
    """Make a row of the rejects table; a line that was skipped has no bytes."""
    fault = fault or Fault("line_too_long")
    length = block.skipped if raw is None else len(raw)
    kept = None if fault.code == "line_too_long" else raw
    path = write_path(fault.path) or None
    return (
        block.log_id,
        block.source,
        line,
        offset,
        length,
        fault.code,
        path,
        fault.reason,
        kept,
    )


def batch(columns: Sequence[Sequence[Cell]], schema: pa.Schema) -> pa.RecordBatch:
    """Make an Arrow batch of columns of cells; without columns it is empty."""
    cells = columns or [[] for _ in schema]
    arrays = [
        pa.array(column, field.type)
        for column, field in zip(cells, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
