"""The decoder in plain Python, written to be read next to docs/reference/lines.md.

A line is checked in this order, and the first failure decides: length, UTF-8, depth,
JSON, form (whether and where it has a response), columns. It becomes either rows, one
per choice, or one reject.

The decoder follows the `Column` declarations of `toolkit.schema`: it knows kinds and
paths, and no column by name.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

import pyarrow as pa
import xxhash

from toolkit.reading.json_values import (
    NO_TIME_ZONE,
    READERS,
    STRINGS,
    LineError,
    Node,
    Value,
    is_of_type,
    label_of,
    read_call,
    read_count,
    read_marker,
    read_number,
    read_timestamp,
    read_timestamp_problem,
    split_short_list,
    text_of,
    validate_json,
    values_at,
)
from toolkit.reading.parsed_api import parse_api
from toolkit.schema.paths import write_path
from toolkit.schema.tables import REJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from toolkit.reading.blocks import Block, Decoded, Plan
    from toolkit.reading.parsed_api import ParsedApi, ParsedCondition, ParsedTest
    from toolkit.schema.columns import Column
    from toolkit.schema.paths import Path

Cell: TypeAlias = object

DEEPEST = 512  # levels; the root is level 1
# The most that values of the response may take when repeated for each choice: else the
# rows of a line of 1 MB could take gigabytes.
REPEATED_BYTES = 8 * 1024 * 1024
# Codes of an unfinished last line that more bytes could still change.
_UNFINISHED = frozenset({"truncated", "invalid_utf8", "too_deep", "line_too_long"})

# A path of a column, and the function that reads the values at its end.
_ColumnReader: TypeAlias = "tuple[Path, Callable[[list[Value]], Cell]]"
# The cell of several values by kind; of the other kinds it is the first one.
_JOINED: dict[str, Callable[[Iterable[Any]], Cell]] = {
    "content": "".join,
    "text": "".join,
    "characters": sum,
}


def _column_reader(column: Column, plan: Plan, path: Path) -> _ColumnReader:
    """Return a path, and the function that reads a cell from the values there."""
    if path.fields:
        return path, partial(_read_calls, path=path)
    read = _value_reader(column, plan, path)
    return path, partial(_read_values, read=read, join=_JOINED.get(column.kind))


def _value_reader(column: Column, plan: Plan, path: Path) -> Callable[[bytes], Cell]:
    """Return the function that reads a value of a path."""
    if column.kind == "marker":
        return partial(read_marker, word=path.word or "", prefix=path.prefix)
    if column.kind == "count":
        return partial(read_count, low=column.minimum, high=column.maximum)
    if column.kind == "number":
        return partial(read_number, divisor=path.divisor, skips_zero=path.skips_zero)
    if column.kind == "timestamp":
        return partial(read_timestamp, unit=plan.created_unit)
    if column.kind == "timestamp_problem":
        return partial(read_timestamp_problem, unit=plan.created_unit)
    return READERS[column.kind]


def _read_values(
    values: list[Value],
    read: Callable[[bytes], Cell],
    join: Callable[[Iterable[Any]], Cell] | None,
) -> Cell:
    """Read the values at the end of a path as one cell."""
    cells = []
    for raw, path in values:
        try:
            cell = read(raw)
        except LineError as error:
            raise error.below(path) from None
        if cell is not None:
            cells.append(cell)
    if not cells:
        return None
    return join(cells) if join else cells[0]


def _read_calls(values: list[Value], path: Path) -> Cell:
    """Read tool calls; a single one without name and arguments is null."""
    calls = [read_call(value, path.fields) for value in values]
    if path.steps.items is None:
        return [call for call in calls if call["name"] or call["arguments"]] or None
    return calls or (None if path.steps.items.key else [])


# Cells that are read only if no later path has another one.
_LAST_RESORTS = {
    "count": 0,
    "number": 0.0,
    "timestamp_problem": NO_TIME_ZONE,
}


def _read_cell(
    response: Response,
    choice: Node,
    readers: Sequence[_ColumnReader],
    last_resort: Cell,
) -> Cell:
    """Read the first value on the paths of a column.

    Behind a last resort nothing is an error.
    """
    found = None
    for path, read in readers:
        try:
            cell = _read_path(response.start(path, choice), path, read)
        except LineError:
            if not path.takes_any_shape and found is None:
                raise
            continue
        if cell is not None and cell != last_resort:
            return cell
        found = found if cell is None else cell
    return found


def _read_path(
    node: Node | None, path: Path, read: Callable[[list[Value]], Cell]
) -> Cell:
    """Read the values at the end of a path, or their sum with others."""
    values = None if node is None else values_at(node, path.steps)
    if node is None or values is None:
        is_zero = node and path.zero_if and values_at(node, path.zero_if)
        return _add(node, path, read, 0) if node and is_zero else None
    if path.passes_objects and values and values[0].raw[0] == ord("{"):
        return None
    cell = read(values)
    return _add(node, path, read, cell) if path.plus else cell


def _add(
    node: Node, path: Path, read: Callable[[list[Value]], Cell], first: Cell
) -> Cell:
    """Add the further counts of a sum to its first one; what is not there is 0."""
    total = cast("int", first)
    for paths in path.plus:
        cells = (read(values_at(node, steps) or []) for steps in paths)
        total += cast("int", next(filter(None, cells), 0))
    return total


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

    def start(self, path: Path, choice: Node) -> Node | None:
        """Return the object where a path starts, None if this response has none."""
        if path.root == "choice":
            return choice
        if path.root == "response":
            return self.node
        place = self.node.path
        found = {"line": True, "envelope": place != (), "at": place == path.at}
        return self.line if found[path.root] else None

    def meets(self, condition: ParsedCondition) -> bool:
        """Return whether all tests hold of any of the alternatives."""
        return any(all(map(self._passes, tests)) for tests in condition)

    def _passes(self, test: ParsedTest) -> bool:
        starts = self.choices if test.path.root == "choice" else [self.node]
        for choice in starts:
            start = self.start(test.path, choice)
            with suppress(LineError):  # another shape is not as expected
                values = values_at(start, test.path.steps) if start else None
                if any(_is_expected(value.raw, test) for value in values or ()):
                    return test.expected
        return not test.expected


def _is_expected(raw: bytes, test: ParsedTest) -> bool:
    is_word = not test.words or label_of(raw) in test.words
    return is_word and is_of_type(raw, test.type)


def _find_response(
    line: Node, envelopes: Sequence[tuple[str, ...]], apis: Sequence[ParsedApi]
) -> tuple[Response, int]:
    """Find the response of a line, and the place of its API among `apis`.

    A line without one raises `LineError` with what it is instead.
    """
    is_error = False
    for node in _candidates(line, envelopes):
        for place, api in enumerate(apis):
            choices = _choices_of(node, api)
            if choices is None:
                continue
            response = Response(line, node, choices)
            if not response.meets(api.tests) or response.meets(api.unless):
                continue
            if response.meets(api.chunks):
                raise LineError("stream_chunk")
            if response.meets(api.errors):
                raise LineError("error_response")
            return response, place
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
    try:
        items = split_short_list(raw)
    except LineError as error:
        raise error.below(path) from None
    if any(item[0] != ord("{") for item in items):
        return None
    return [Node(item, (*path, place)) for place, item in enumerate(items)]


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
        self.envelopes = plan.envelopes
        self.columns = plan.table.columns
        self.apis = [parse_api(api, self.columns) for api in plan.apis]
        self.readers = [self.api_readers(api) for api in self.apis]

    def api_readers(self, api: ParsedApi) -> dict[str, list[_ColumnReader]]:
        """Return how the cells of each column are read from a response of an API."""
        return {
            column.name: [_column_reader(column, self.plan, path) for path in paths]
            for column, paths in zip(self.columns, api.paths, strict=True)
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
        response, api = _find_response(line, self.envelopes, self.apis)
        cells: dict[str, list[Cell]] = {}
        for column in self.columns:
            if column.adds and not self.readers[api][column.name]:
                cells[column.name] = _sums([cells[name] for name in column.adds])
            else:
                cells[column.name] = self.read_column(column, response, api, given)
        self.check_repeated(cells, response, api)
        return list(cells.values())

    def check_repeated(
        self, cells: Mapping[str, list[Cell]], response: Response, api: int
    ) -> None:
        """Raise for a line whose rows would repeat far more text than it has."""
        count = len(response.choices)
        repeated = sum(
            len(first)
            for column, paths in zip(self.columns, self.apis[api].paths, strict=True)
            if column.grain == "R" and paths
            if isinstance(first := cells[column.name][0], str)
        )
        if count > 1 and repeated * count > REPEATED_BYTES:
            reason = "expected fewer choices, or shorter facts to repeat for each"
            path = (*response.node.path, *self.apis[api].choices)
            raise LineError("out_of_range", reason, path)

    def read_column(
        self, column: Column, response: Response, api: int, given: Mapping[str, Cell]
    ) -> list[Cell]:
        """Return the cells of a column, one for each choice; one if there are none."""
        count = len(response.choices)
        rows = max(count, 1)
        if column.kind == "position":
            return list(range(rows))
        read = partial(self.read_cell, column, response, api)
        if column.grain == "C":
            return [read(choice) for choice in response.choices] or [None]
        if column.kind == "given":
            cell = given[column.name]
        elif column.kind == "choice_count":
            cell = count
        elif column.kind == "hash":
            digest = xxhash.xxh3_64_digest(response.node.raw)
            cell = int.from_bytes(digest, signed=True)
        elif column.kind == "api":
            cell = self.apis[api].name
        else:
            cell = read(response.node)
        return [cell] * rows if column.grain == "R" else [cell] + [None] * (rows - 1)

    def read_cell(
        self, column: Column, response: Response, api: int, choice: Node
    ) -> Cell:
        """Return the value of a column in a response and one of its choices."""
        readers = self.readers[api][column.name]
        cell = _read_cell(response, choice, readers, _LAST_RESORTS.get(column.kind))
        if column.kind in ("marker", "timestamp_problem"):
            return cell or None
        if column.kind == "finish_reason":
            return self.apis[api].finish_reasons.get(cast("str", cell), cell)
        drops = column.private and self.plan.content == "drop"
        return _without_text(cell) if drops else cell


def _sums(columns: list[list[Cell]]) -> list[Cell]:
    """Add columns row by row; null if one of the cells is."""
    return [
        None if None in cells else sum(cast("list[int]", cells))
        for cells in zip(*columns, strict=True)
    ]


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
