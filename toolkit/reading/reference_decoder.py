"""The decoder in plain Python, written to be read next to docs/reference/lines.md.

A line is checked in this order, and the first failure decides: length, UTF-8, depth,
JSON, form (whether and where it has a response), columns. It becomes either rows, one
per choice, or one reject. Chunks of a streamed response become rows of another table,
which `toolkit.reading.streams` puts together.

The decoder follows the declarations of `toolkit.schema`: it knows kinds and paths, and
no column and no API by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, cast

import pyarrow as pa
import xxhash

from toolkit.reading.cells import check_range, column_reader, read_cell, without_text
from toolkit.reading.event_stream import END, strip_event
from toolkit.reading.find_response import find_response, find_stream
from toolkit.reading.json_values import LineError, Node, checked_json
from toolkit.reading.parsed_api import parse_api
from toolkit.schema.paths import write_path
from toolkit.schema.tables import MOST_CHUNK_FACTS, MOST_CHUNKS, REJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from toolkit.reading.blocks import Block, Decoded, Plan
    from toolkit.reading.cells import Cell, ColumnReader
    from toolkit.reading.find_response import Response
    from toolkit.schema.columns import Column

# The most that values of the response may take when repeated for each choice: else the
# rows of a line of 1 MB could take gigabytes.
REPEATED_BYTES = 8 * 1024 * 1024
_TOO_LONG = "expected fewer choices, or shorter facts to repeat for each"
# Kinds of columns that are not read from values of the response.
_FACTS = {"given", "choice_count", "hash", "api"}
# What is given of a row that is no end of a stream.
_NOT_GIVEN = {"chunk_count": None, "chunk_position": None, "is_end": False}
# Codes of an unfinished last line that more bytes could still change.
_UNFINISHED = frozenset({"truncated", "invalid_utf8", "too_deep", "line_too_long"})


def _check_line(raw: bytes, longest: int) -> None:
    """Raise `LineError` if a line is too long or not UTF-8."""
    if len(raw) > longest:
        raise LineError("line_too_long")
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise LineError("invalid_utf8") from None


class _Rows(NamedTuple):
    """The cells of a line, column by column, of the choices or of the chunks."""

    cells: list[list[Cell]]
    is_chunk: bool = False
    repeated: int = 0  # characters of the facts that its rows repeat


class Reference:
    """Decodes blocks of lines by a plan; it keeps no state between them."""

    is_parallel = False

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.columns = {False: plan.table.columns, True: plan.chunks.columns}
        whole = [parse_api(api, self.columns[False]) for api in plan.apis]
        chunks = [parse_api(api, self.columns[True]) for api in plan.chunk_apis]
        # A line is tried as a response first, an item of a stream as a chunk.
        self.apis, self.apis_of_items = [*whole, *chunks], [*chunks, *whole]
        self.readers = {
            id(api): [
                [column_reader(column, plan, path) for path in paths]
                for column, paths in zip(
                    self.columns[bool(api.stream)], api.paths, strict=True
                )
            ]
            for api in self.apis
        }

    def decode(self, block: Block) -> Decoded:
        """Turn the lines of a block into rows, chunks and rejects."""
        found: dict[bool, list[list[Cell]]] = {
            is_chunk: [[] for _ in columns]
            for is_chunk, columns in self.columns.items()
        }
        rejects: list[tuple[Cell, ...]] = []
        longest = self.plan.max_line_bytes
        lines = blank = pending = chunks = 0
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
            given = {
                **_NOT_GIVEN,
                "log_id": block.log_id,
                "source": block.source,
                "line": line,
            }
            try:
                rows, is_chunk = self.read_line(raw, given, tail)
            except LineError as error:
                if waits and error.code in _UNFINISHED:
                    lines, pending = lines - 1, len(raw)
                else:
                    rejects.append(_reject(block, line, offset, raw, error))
                continue
            chunks += is_chunk
            for read in rows:
                for column, cells in zip(found[read.is_chunk], read.cells, strict=True):
                    column.extend(cells)
        if block.skipped is not None and block.tail and self.leaves_tail(block):
            pending = block.skipped
        elif block.skipped is not None:
            lines += 1
            rejects.append(_reject(block, block.line, block.offset, None, None))
        choices = _batch(found[False], self.plan.table.arrow)
        return block.decoded(
            choices.select(self.plan.schema.names),
            _batch(list(zip(*rejects, strict=True)), REJECTS.arrow),
            lines,
            blank,
            pending,
            _batch(found[True], self.plan.chunks.arrow) if any(found[True]) else None,
            chunks,
        )

    def leaves_tail(self, block: Block) -> bool:
        """Return whether an unfinished last line is left for a later run."""
        return self.plan.leave_pending and block.growing

    def read_line(
        self, raw: bytes, given: Mapping[str, Cell], tail: bool
    ) -> tuple[list[_Rows], bool]:
        """Return the rows of a line, and whether it is a chunk or framing."""
        _check_line(raw, self.plan.max_line_bytes)
        data = strip_event(raw)
        if not data:
            if tail:
                raise LineError("truncated")
            return [], True
        if data == END:
            return [self.end_row(given)], True
        try:
            value = checked_json(data)
        except LineError as error:
            if tail and error.code == "invalid_json":
                raise LineError("truncated") from None
            raise
        responses, is_stream = self.find(value, tail)
        if not is_stream:
            rows = [self.read_response(responses[0], given)]
            return rows, rows[0].is_chunk
        rows = []
        count = repeated = 0
        for place, one in enumerate(responses):
            more = {"chunk_position": place} if one.api.stream else {}
            rows.append(self.read_response(one, {**given, **more}))
            count += len(rows[-1].cells[0])
            repeated += rows[-1].repeated
            if count > MOST_CHUNKS or repeated > REPEATED_BYTES + len(data):
                raise LineError("out_of_range", _TOO_LONG, one.place)
        return rows, False

    def find(self, value: bytes, tail: bool) -> tuple[list[Response], bool]:
        """Find the response or chunk of a line, or those of a whole stream."""
        line = Node(value) if value[0] == ord("{") else None
        # A number without a line feed may be the beginning of a longer one.
        fault = LineError("truncated" if tail else "not_a_response")
        envelopes = self.plan.envelopes
        if line is not None:
            try:
                response = find_response(line, envelopes, self.apis)
                if response.api.stream != "carriers":
                    return [response], False
                fault = LineError("stream_chunk")
            except LineError as error:
                fault = error
                if error.path or error.code == "stream_chunk":
                    raise
        items = self.apis_of_items
        responses = find_stream(value, line, self.plan.places, envelopes, items)
        if not responses:
            raise fault
        return responses, True

    def end_row(self, given: Mapping[str, Cell]) -> _Rows:
        """Return the row of the end of a stream."""
        known = {**given, "is_end": True}
        return _Rows(
            [
                [known.get(column.name, None if column.nullable else 0)]
                for column in self.columns[True]
            ],
            is_chunk=True,
        )

    def read_response(self, response: Response, given: Mapping[str, Cell]) -> _Rows:
        """Return the cells of a response or chunk, one for each choice."""
        is_chunk = bool(response.api.stream)
        cells: dict[str, list[Cell]] = {}
        readers = self.readers[id(response.api)]
        for column, read in zip(self.columns[is_chunk], readers, strict=True):
            if column.adds and not read:
                parts = zip(*(cells[name] for name in column.adds), strict=True)
                cells[column.name] = [_add(column, part) for part in parts]
            else:
                cells[column.name] = self.read_column(column, read, response, given)
        repeated = self.count_repeated(cells, response)
        return _Rows(list(cells.values()), is_chunk, repeated)

    def count_repeated(
        self, cells: Mapping[str, list[Cell]], response: Response
    ) -> int:
        """Return how much text the rows of a response repeat, or raise if too much."""
        count = len(response.choices)
        is_chunk = bool(response.api.stream)
        columns = self.columns[is_chunk]
        repeated = sum(
            len(first)
            for column, paths in zip(columns, response.api.paths, strict=True)
            if column.grain == "R" and paths
            if isinstance(first := cells[column.name][0], str)
        )
        is_long = count > 1 and repeated * count > REPEATED_BYTES
        if is_long or (is_chunk and repeated > MOST_CHUNK_FACTS):
            path = (*response.node.path, *response.api.choices)
            raise LineError("out_of_range", _TOO_LONG, path)
        return repeated * max(count, 1)

    def read_column(
        self,
        column: Column,
        readers: Sequence[ColumnReader],
        response: Response,
        given: Mapping[str, Cell],
    ) -> list[Cell]:
        """Return the cells of a column, one for each choice; one if there are none."""
        count = len(response.choices)
        rows = max(count, 1)
        if column.kind == "position":
            return list(range(rows))
        if column.grain == "C" or column.kind not in _FACTS:
            starts = response.choices if column.grain == "C" else [response.node]
            cells = [read_cell(column, readers, response, start) for start in starts]
            if column.private and self.plan.content == "drop":
                cells = [without_text(cell) for cell in cells]
        elif column.kind == "given":
            cells = [given[column.name]]
        elif column.kind == "choice_count":
            cells = [count]
        elif column.kind == "hash":
            digest = xxhash.xxh3_64_digest(response.node.raw)
            cells = [int.from_bytes(digest, signed=True)]
        else:
            cells = [response.api.name]
        if column.grain == "C":
            return cells or [None]
        return cells * rows if column.grain == "R" else cells + [None] * (rows - 1)


def _add(column: Column, cells: Sequence[Cell]) -> Cell:
    """Return the sum of other columns; null if one of them is."""
    if None in cells:
        return None
    return check_range(sum(cast("Sequence[int]", cells)), column)


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
