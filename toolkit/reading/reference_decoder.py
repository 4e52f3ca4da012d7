"""The decoder in plain Python, written to be read next to docs/reference/lines.md.

A line is checked in this order, and the first failure decides: length, UTF-8, depth,
JSON, form (whether and where it has a response), columns. It becomes either rows, one
per choice, or one reject.

The decoder follows the `Column` declarations of `toolkit.schema`: it knows kinds and
paths, and no column by name.
"""

from __future__ import annotations

import re
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import pyarrow as pa
import xxhash

from toolkit.reading.json_values import (
    READERS,
    STRINGS,
    LineError,
    Node,
    read_count,
    read_function_call,
    read_marker,
    read_number,
    read_parts,
    read_timestamp,
    read_tool_calls,
    split_short_list,
    text_of,
    validate_json,
)
from toolkit.schema.paths import parse_path, write_path
from toolkit.schema.tables import REJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from toolkit.reading.blocks import Block, Decoded, Plan
    from toolkit.schema.columns import Column, Root

Cell: TypeAlias = object

DEEPEST = 512  # levels; the root is level 1
# The most that values of the response may take when repeated for each choice: else the
# rows of a line of 1 MB could take gigabytes.
REPEATED_BYTES = 8 * 1024 * 1024
# Codes of an unfinished last line that more bytes could still change.
_UNFINISHED = frozenset({"truncated", "invalid_utf8", "too_deep", "line_too_long"})

# Paths of the response in an envelope, in the order in which they are tried.
ENVELOPES = (
    ("response", "body"),
    ("response",),
    ("response_body",),
    ("body",),
    ("output",),
    ("outputs",),
    ("result",),
    ("data",),
)
_BATCH = ENVELOPES[0]  # where a line of a batch's output file has the response


class ColumnPath(NamedTuple):
    """One path of a column, split into its parts."""

    keys: tuple[str, ...]
    root: Root
    is_list: bool = False  # it ends in []
    part: str | None = None  # the type of the parts of a list that it goes on into
    # A later path goes deeper: an object here is only a container.
    passes_objects: bool = False
    takes_any_shape: bool = False  # what is not as declared is null, not an error
    prefix: str = ""  # how the text must begin
    word: str = ""  # the cell, if there is a value
    divisor: float = 1.0
    skips_zero: bool = False  # 0 is null


_PATH = re.compile(
    r"(?P<plain>.*?)(?P<list>\[\](?:\.(?P<part>\w+))?)?(?P<any>\?)?"
    r"(?: = (?P<prefix>\S+)\*)?(?: -> (?P<word>\w+))?"
    r"(?: / (?P<divisor>\S+))?(?P<nonzero> != 0)?"
)


def column_paths(column: Column) -> list[ColumnPath]:
    """Split the paths of a column into their parts."""
    found = []
    any_shape = column.kind in ("items", "logprob_sum", "flag", "marker")
    for place, path in enumerate(column.paths):
        root, rest = column.split_root(path)
        parts = cast("re.Match[str]", _PATH.fullmatch(rest))
        later = column.paths[place:]
        found.append(
            ColumnPath(
                parse_path(parts["plain"]),
                root,
                parts["list"] == "[]",
                parts["part"],
                any(other.startswith(f"{parts['plain']}.") for other in later),
                any_shape or bool(parts["any"]),
                parts["prefix"] or "",
                parts["word"] or "",
                float(parts["divisor"] or 1),
                bool(parts["nonzero"]),
            )
        )
    return found


# A path of a column, and the function that reads the value at its end.
_ColumnReader: TypeAlias = "tuple[ColumnPath, Callable[[bytes], Cell]]"


def _reader(column: Column, plan: Plan, path: ColumnPath) -> Callable[[bytes], Cell]:
    """Return the function that reads the values of a path."""
    if path.part:
        return partial(read_parts, kind=path.part)
    if column.kind == "marker":
        return partial(read_marker, word=path.word, prefix=path.prefix)
    if column.kind == "tool_calls":
        return read_tool_calls if path.is_list else read_function_call
    if column.kind == "count":
        return partial(read_count, low=column.minimum, high=column.maximum)
    if column.kind == "number":
        return partial(read_number, divisor=path.divisor, skips_zero=path.skips_zero)
    if column.kind == "timestamp":
        return partial(read_timestamp, unit=plan.created_unit)
    return READERS[column.kind]


def _read_cell(
    response: Response,
    choice: Node,
    readers: Sequence[_ColumnReader],
    *,
    passes_zero: bool,
) -> Cell:
    """Read the first value on the paths of a column; of counts the first above 0.

    Behind a 0 nothing is an error: it is read only if no other path has a count.
    """
    found = None
    for path, read in readers:
        try:
            cell = _read_path(response.start(path.root, choice), path, read)
        except LineError:
            if not path.takes_any_shape and found is None:
                raise
            continue
        if cell is not None and not (passes_zero and cell == 0):
            return cell
        found = found if cell is None else cell
    return found


def _read_path(
    node: Node | None, path: ColumnPath, read: Callable[[bytes], Cell]
) -> Cell:
    """Read the value at the end of a path."""
    raw = None if node is None else node.find(path.keys)
    if node is None or raw is None or (path.passes_objects and raw[0] == ord("{")):
        return None
    try:
        return read(raw)
    except LineError as error:
        raise error.below(node.path + path.keys) from None


def _without_text(cell: Cell) -> Cell:
    """Return what is not text of a private cell: tool calls without arguments."""
    if isinstance(cell, list):
        return [{**call, "arguments": None} for call in cell]
    return None


class Response(NamedTuple):
    """A response that was found in a line, and its choices."""

    line: Node
    node: Node
    choices: list[Node]

    def start(self, root: Root, choice: Node) -> Node | None:
        """Return the object where a path starts, None if this response has none."""
        if root == "choice":
            return choice
        if root == "completion":
            return choice if choice.get("message") is None else None
        if root == "response":
            return self.node
        path = self.node.path
        found = {"line": True, "envelope": path != (), "batch": path == _BATCH}
        return self.line if found[root] else None


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
            raw = _checked_json(raw)
        except LineError:
            return None
    return Node(raw, path) if raw is not None and raw[0] == ord("{") else None


def _choices_of(node: Node) -> list[Node] | None:
    """Return the choices of a response, None if this object is not a response."""
    raw = node.get("choices")
    if raw is None or raw[0] != ord("["):
        return None
    path = (*node.path, "choices")
    try:
        items = split_short_list(raw)
    except LineError as error:
        raise error.below(path) from None
    if any(item[0] != ord("{") for item in items):
        return None
    return [Node(item, (*path, place)) for place, item in enumerate(items)]


# Names of a chunk in `object`.
_CHUNKS = {
    "chat.completion.chunk",
    "chat.completion.done",
    "chat.reasoning",
    "chat.reasoning.done",
    "completion.chunk",
    "text_completion.chunk",
}


def _is_chunk(node: Node, choices: list[Node]) -> bool:
    """Return whether this is a chunk of a streamed response."""
    found = {
        key: {choice.get(key) for choice in choices} - {None}
        for key in ("message", "delta", "finish_reason", "text")
    }
    raw = node.get("object") or b'""'
    name = text_of(raw) if raw[0] == ord('"') else None
    is_finished = bool(found["finish_reason"] - {b'""'})
    if name == "chat.completion":
        return bool(found["delta"]) and not is_finished
    if name in _CHUNKS and found["message"]:
        return any(delta.startswith(b"{") for delta in found["delta"] if delta)
    if name == "text_completion" and not found["message"]:
        is_open = bool(choices) and not is_finished
        return is_open or (node.get("usage") is None and not found["text"] - {b'""'})
    is_unnamed = name == "" and (not choices or bool(found["delta"]))
    return not found["message"] and (name in _CHUNKS or is_unnamed)


_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _is_too_deep(raw: bytes) -> bool:
    """Return whether brackets outside strings are nested deeper than 512 levels."""
    if raw.count(b"[") + raw.count(b"{") <= DEEPEST:
        return False
    brackets = STRINGS.sub(b"", raw).translate(None, _NOT_BRACKETS)
    steps = (1 if bracket in b"[{" else -1 for bracket in brackets)
    return max(accumulate(steps), default=0) > DEEPEST


def _checked_json(raw: bytes) -> bytes:
    """Return a JSON value without white space around it, or raise `LineError`."""
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
    except LineError as error:
        if tail and error.code == "invalid_json":
            raise LineError("truncated") from None
        raise
    if value[0] != ord("{"):
        # A number without a line feed may be the beginning of a longer one.
        raise LineError("truncated" if tail else "not_a_response")
    return Node(value)


class Reference:
    """Decodes blocks of lines by a plan; it keeps no state between them."""

    name = "reference"
    is_parallel = False

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.envelopes = (plan.response_path,) if plan.response_path else ENVELOPES
        self.columns = plan.table.columns
        self.readers = {
            column.name: [
                (path, _reader(column, plan, path)) for path in column_paths(column)
            ]
            for column in self.columns
        }

    def decode(self, block: Block) -> Decoded:
        """Turn the lines of a block into rows and rejects."""
        rows: list[list[Cell]] = [[] for _ in self.columns]
        rejects: list[tuple[Cell, ...]] = []
        longest = self.plan.max_line_bytes
        lines = blank = pending = 0
        data = block.data
        is_white = len(data) <= longest and not data.strip(b" \t\r\n")
        if is_white and not block.tail:
            # A file of line feeds alone would take hours line by line.
            lines = blank = data.count(b"\n")
            data = b""
        for line, offset, raw, tail in _split(data, block.line, block.offset):
            lines += 1
            waits = tail and self.leaves_tail(block)
            if len(raw) <= longest and not raw.strip(b" \t\r"):
                if waits:
                    lines, pending = lines - 1, len(raw)
                else:
                    blank += 1
                continue
            given = {"log_id": block.log_id, "source": block.source, "line": line}
            try:
                cells = self.read_line(raw, given, tail)
            except LineError as error:
                if waits and error.code in _UNFINISHED:
                    lines, pending = lines - 1, len(raw)
                else:
                    rejects.append(_reject(block, line, offset, raw, error))
                continue
            for column, more in zip(rows, cells, strict=True):
                column.extend(more)
        if block.skipped is not None and block.tail and self.leaves_tail(block):
            pending = block.skipped
        elif block.skipped is not None:
            lines += 1
            rejects.append(_reject(block, block.line, block.offset, None, None))
        return block.decoded(
            _batch(rows, self.plan.table.arrow),
            _batch(list(zip(*rejects, strict=True)), REJECTS.arrow),
            lines,
            blank,
            pending,
        )

    def leaves_tail(self, block: Block) -> bool:
        """Return whether an unfinished last line is left for a later run."""
        return self.plan.leave_pending and block.growing

    def read_line(
        self, raw: bytes, given: Mapping[str, Cell], tail: bool
    ) -> list[list[Cell]]:
        """Return the cells of a line, column by column, one for each choice."""
        line = _open_line(raw, longest=self.plan.max_line_bytes, tail=tail)
        response = _find_response(line, self.envelopes)
        cells = [self.read_column(one, response, given) for one in self.columns]
        self.check_repeated(cells, response)
        return cells

    def check_repeated(self, cells: list[list[Cell]], response: Response) -> None:
        """Raise for a line whose rows would repeat far more text than it has."""
        count = len(response.choices)
        repeated = sum(
            len(first)
            for column, (first, *_) in zip(self.columns, cells, strict=True)
            if column.grain == "R" and column.paths and isinstance(first, str)
        )
        if count > 1 and repeated * count > REPEATED_BYTES:
            reason = "expected fewer choices, or shorter facts to repeat for each"
            path = (*response.node.path, "choices")
            raise LineError("out_of_range", reason, path)

    def read_column(
        self, column: Column, response: Response, given: Mapping[str, Cell]
    ) -> list[Cell]:
        """Return the cells of a column, one for each choice; one if there are none."""
        count = len(response.choices)
        rows = max(count, 1)
        if column.kind == "position":
            return list(range(rows))
        if column.root == "choice":
            cells = [self.read_cell(column, response, one) for one in response.choices]
            return cells or [None]
        if column.kind == "given":
            cell = given[column.name]
        elif column.kind == "choice_count":
            cell = count
        elif column.kind == "hash":
            cell = xxhash.xxh3_64_intdigest(response.node.raw)
        else:
            cell = self.read_cell(column, response, response.node)
        return [cell] * rows if column.grain == "R" else [cell] + [None] * (rows - 1)

    def read_cell(self, column: Column, response: Response, choice: Node) -> Cell:
        """Return the value of a column in a response and one of its choices."""
        readers, counts = self.readers[column.name], column.kind == "count"
        cell = _read_cell(response, choice, readers, passes_zero=counts)
        drops = column.private and self.plan.content == "drop"
        return _without_text(cell) if drops else cell


def _split(
    data: bytes, line: int, offset: int
) -> Iterator[tuple[int, int, bytes, bool]]:
    """Yield number, offset and bytes of each line, and whether it is unfinished."""
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


def _reject(
    block: Block, line: int, offset: int, raw: bytes | None, error: LineError | None
) -> tuple[Cell, ...]:
    """Build a row of the rejects table; a line that was skipped has no bytes."""
    error = error or LineError("line_too_long")
    length = block.skipped if raw is None else len(raw)
    kept = None if error.code == "line_too_long" else raw
    path = write_path(error.path) or None
    place = (block.log_id, block.source, line, offset, length)
    return (*place, error.code, path, error.reason, kept)


def _batch(columns: Sequence[Sequence[Cell]], schema: pa.Schema) -> pa.RecordBatch:
    """Build an Arrow batch from columns of cells; without columns it is empty."""
    cells = columns or [[] for _ in schema]
    arrays = [
        pa.array(column, field.type)
        for column, field in zip(cells, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
