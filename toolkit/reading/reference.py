"""The decoder in plain Python: what the data contract says, in code that reads like it.

A line passes the checks in this order, and the first that fails decides: length, UTF-8,
depth, JSON, form (is it a response, and where), columns. It then becomes rows, one a
choice, or one reject; never half of each.

The decoder is driven by the `Column` declarations of `toolkit.schema` and names no
column: it knows kinds and paths.
"""

from __future__ import annotations

from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pyarrow as pa
import xxhash

from toolkit.reading.blocks import Block, Decoded
from toolkit.reading.json_values import (
    STRINGS,
    LineError,
    Node,
    read_characters,
    read_content,
    read_count,
    read_function_call,
    read_items,
    read_label,
    read_logprob_sum,
    read_number,
    read_parts,
    read_string,
    read_text,
    read_timestamp,
    read_tool_calls,
    split_short_list,
    text_of,
    validate_json,
)
from toolkit.schema.paths import parse_path, write_path
from toolkit.schema.tables import REJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolkit.reading.blocks import Plan
    from toolkit.schema.columns import Column

Cell: TypeAlias = object

DEEPEST = 512  # levels; the root is level 1
# What a fact of the response may take when it is repeated for each choice: a line of
# 1 MB could else ask for rows of gigabytes.
REPEATED_BYTES = 8 * 1024 * 1024
# Verdicts on a last line that more bytes could still change.
_UNFINISHED = frozenset({"truncated", "invalid_utf8", "too_deep", "line_too_long"})

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

# From a column's declaration to a function that reads its cell.


class ColumnPath(NamedTuple):
    """One path of a column, taken apart."""

    keys: tuple[str, ...]
    is_list: bool  # it ends in []
    part: str | None  # the type of the parts of a list that it goes on into
    passes_objects: bool  # a later path goes deeper: an object here is only a container
    takes_any_shape: bool  # what is not as declared is null, not an error


def ways_of(column: Column) -> list[ColumnPath]:
    """Take the paths of a column apart."""
    found = []
    for place, path in enumerate(column.paths):
        plain, _, part = path.partition("[]")
        later = any(other.startswith(f"{plain}.") for other in column.paths[place:])
        found.append(
            ColumnPath(
                parse_path(plain),
                path.endswith("[]"),
                part.removeprefix(".") or None,
                later,
                column.kind in ("items", "logprob_sum"),
            )
        )
    return found


class ColumnReader(NamedTuple):
    """A way to a column's value, and how the value at its end is read."""

    way: ColumnPath
    read: Callable[[bytes], Cell]


def _routes(column: Column, plan: Plan) -> list[ColumnReader]:
    """Lay out the ways to a column's value."""
    return [ColumnReader(way, _reader(column, plan, way)) for way in ways_of(column)]


def _reader(column: Column, plan: Plan, way: ColumnPath) -> Callable[[bytes], Cell]:
    """Choose how the value of a kind is read."""
    if way.part:
        return partial(read_parts, kind=way.part)
    if column.kind == "tool_calls":
        return read_tool_calls if way.is_list else read_function_call
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


def _read_cell(node: Node, ways: Sequence[ColumnReader]) -> Cell:
    """Read the first value that is present on the ways to a column."""
    for way, read in ways:
        try:
            raw = node.find(way.keys)
        except LineError:
            if way.takes_any_shape:
                continue
            raise
        if raw is None or (way.passes_objects and raw[0] == ord("{")):
            continue
        try:
            cell = read(raw)
        except LineError as fault:
            raise fault.below(node.path + way.keys) from None
        if cell is not None:
            return cell
    return None


def _without_text(cell: Cell) -> Cell:
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


def _find_response(line: Node, envelopes: Sequence[tuple[str, ...]]) -> Response:
    """Find the response of a line, or raise `LineError` with what it is instead."""
    is_error = False
    for node in _candidates(line, envelopes):
        choices = _choices_of(node)
        if choices is not None:
            if _is_chunk(node, choices):
                raise LineError("stream_chunk")
            return Response(line, node, choices)
        is_error = is_error or node.get("error") is not None
    raise LineError("error_response" if is_error else "not_a_response")


def _candidates(line: Node, envelopes: Sequence[tuple[str, ...]]) -> Iterator[Node]:
    """Yield the line, then each object that an envelope may hold."""
    yield line
    for keys in envelopes:
        node: Node | None = line
        for key in keys:
            node = node and _opened(node, key)
        if node is not None:
            yield node


def _opened(node: Node, key: str) -> Node | None:
    """Return a field that is an object, or a string that holds the JSON of one."""
    raw = node.get(key)
    path = (*node.path, key)
    if raw is not None and raw[0] == ord('"'):
        raw = text_of(raw).encode()
        try:
            raw = _checked_json(raw)
        except LineError:
            return None
    return Node(raw, path) if raw is not None and raw[0] == ord("{") else None


def _choices_of(node: Node) -> list[Node] | None:
    """Return the choices of a response, None if this object is none."""
    raw = node.get("choices")
    if raw is None or raw[0] != ord("["):
        return None
    path = (*node.path, "choices")
    try:
        items = split_short_list(raw)
    except LineError as fault:
        raise fault.below(path) from None
    if any(item[0] != ord("{") for item in items):
        return None
    return [Node(item, (*path, place)) for place, item in enumerate(items)]


def _is_chunk(node: Node, choices: list[Node]) -> bool:
    """Say whether this is a piece of a streamed response."""
    if any(choice.get("message") is not None for choice in choices):
        return False
    kind = node.get("object")
    if kind is None or kind == b'""':
        return not choices or any(choice.get("delta") is not None for choice in choices)
    return kind[0] == ord('"') and text_of(kind) == "chat.completion.chunk"


# One line.

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _is_too_deep(raw: bytes) -> bool:
    """Say whether brackets outside strings stand deeper than 512 levels."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return False
    brackets = STRINGS.sub(b"", raw).translate(None, _NOT_BRACKETS)
    steps = (1 if bracket in b"[{" else -1 for bracket in brackets)
    return max(accumulate(steps), default=0) > DEEPEST


def _checked_json(raw: bytes) -> bytes:
    """Return a JSON value without the white space around it, or raise a LineError."""
    if _is_too_deep(raw):
        raise LineError("too_deep")
    return validate_json(raw)


def _open_line(raw: bytes, *, longest: int, tail: bool) -> Node:
    """Return the JSON object of a line, or raise `LineError` if it is not one."""
    if len(raw) > longest:
        raise LineError("line_too_long")
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise LineError("invalid_utf8") from None
    try:
        value = _checked_json(raw)
    except LineError as fault:
        if tail and fault.code == "invalid_json":
            raise LineError("truncated") from None
        raise
    if value[0] != ord("{"):
        # A number without a line feed may be the beginning of a longer one.
        raise LineError("truncated" if tail else "not_a_response")
    return Node(value)


class Reference:
    """Decodes blocks of lines by a plan; keeps nothing between them."""

    name = "reference"
    is_parallel = False

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.envelopes = (plan.response_path,) if plan.response_path else ENVELOPES
        self.ways = [_routes(column, plan) for column in plan.table.columns]

    def decode(self, block: Block) -> Decoded:
        """Turn the lines of a block into rows and rejects."""
        rows: list[list[Cell]] = [[] for _ in self.plan.table.columns]
        rejects: list[tuple[Cell, ...]] = []
        longest = self.plan.max_line_bytes
        lines = blank = pending = 0
        data = block.data
        if _is_white(data, longest) and not block.tail:
            # One by one, the lines of a bomb of line feeds would take hours.
            lines = blank = data.count(b"\n")
            data = b""
        for line, offset, raw, tail in _split(data, block.line, block.offset):
            lines += 1
            waits = tail and self.leaves(block)
            if len(raw) <= longest and not raw.strip(b" \t\r"):
                if waits:
                    lines, pending = lines - 1, len(raw)
                else:
                    blank += 1
                continue
            try:
                cells = self.read_line(raw, (block.log_id, block.source, line), tail)
            except LineError as fault:
                if waits and fault.code in _UNFINISHED:
                    lines, pending = lines - 1, len(raw)
                else:
                    rejects.append(_reject(block, line, offset, raw, fault))
                continue
            for column, more in zip(rows, cells, strict=True):
                column.extend(more)
        if block.skipped is not None and block.tail and self.leaves(block):
            pending = block.skipped
        elif block.skipped is not None:
            lines += 1
            rejects.append(_reject(block, block.line, block.offset, None, None))
        return Decoded(
            block.log_id,
            block.source,
            _batch(rows, self.plan.table.arrow),
            _batch(list(zip(*rejects, strict=True)), REJECTS.arrow),
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
        line = _open_line(raw, longest=self.plan.max_line_bytes, tail=tail)
        response = _find_response(line, self.envelopes)
        given = dict(zip(("log_id", "source", "line"), place, strict=True))
        cells = [
            self.read_column(column, ways, response, given)
            for column, ways in zip(self.plan.table.columns, self.ways, strict=True)
        ]
        self.check_repeated(cells, response)
        return cells

    def check_repeated(self, cells: list[list[Cell]], response: Response) -> None:
        """Refuse a line whose rows would repeat far more text than it holds."""
        if len(response.choices) < 2:
            return
        repeated = sum(
            len(column[0])
            for column, declared in zip(cells, self.plan.table.columns, strict=True)
            if declared.grain == "R" and declared.paths and isinstance(column[0], str)
        )
        if repeated * len(response.choices) > REPEATED_BYTES:
            reason = "expected fewer choices, or shorter facts to repeat for each"
            path = (*response.node.path, "choices")
            raise LineError("out_of_range", reason, path)

    def read_column(
        self,
        column: Column,
        ways: list[ColumnReader],
        response: Response,
        given: dict[str, Cell],
    ) -> list[Cell]:
        """Return a column's cells, one for each choice; one where there is none."""
        count = len(response.choices)
        rows = max(count, 1)
        drops = column.private and self.plan.content == "drop"
        if column.kind == "position":
            return list(range(rows))
        if column.root == "choice":
            cells = [_read_cell(choice, ways) for choice in response.choices] or [None]
            return [_without_text(cell) for cell in cells] if drops else cells
        if column.kind == "given":
            cell = given[column.name]
        elif column.kind == "choice_count":
            cell = count
        elif column.kind == "hash":
            cell = xxhash.xxh3_64_intdigest(response.node.raw)
        else:
            node = getattr(response, _ROOTS[column.root])
            cell = None if node is None else _read_cell(node, ways)
            cell = _without_text(cell) if drops else cell
        return [cell] * rows if column.grain == "R" else [cell] + [None] * (rows - 1)


_ROOTS = {"response": "node", "envelope": "envelope", "line": "line"}


def _split(
    data: bytes, line: int, offset: int
) -> Iterator[tuple[int, int, bytes, bool]]:
    """Yield number, offset and bytes of each line, and whether it lacks its end."""
    pieces = data.split(b"\n")
    last = len(pieces) - 1
    for place, piece in enumerate(pieces):
        if place < last or piece:
            yield (
                line + place,
                offset,
                piece.removesuffix(b"\r") if place < last else piece,
                place == last,
            )
        offset += len(piece) + 1


def _is_white(data: bytes, longest: int) -> bool:
    """Say whether some lines are all blank, and none of them too long."""
    return len(data) <= longest and not data.strip(b" \t\r\n")


def _reject(
    block: Block, line: int, offset: int, raw: bytes | None, fault: LineError | None
) -> tuple[Cell, ...]:
    """Make a row of the rejects table; a line that was skipped has no bytes."""
    fault = fault or LineError("line_too_long")
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


def _batch(columns: Sequence[Sequence[Cell]], schema: pa.Schema) -> pa.RecordBatch:
    """Make an Arrow batch of columns of cells; without columns it is empty."""
    cells = columns or [[] for _ in schema]
    arrays = [
        pa.array(column, field.type)
        for column, field in zip(cells, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
