"""The decoder in plain Python, written to be read next to docs/reference/lines.md.

A line is checked in this order, and the first failure decides: length, UTF-8, depth,
JSON, form (whether and where it has a response), columns. It becomes either rows, one
per choice, or one reject. Chunks of a streamed response become rows of another table,
which `toolkit.reading.streams` puts together.

The decoder follows the declarations of `toolkit.schema`: it knows kinds and paths, and
no column and no API by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import pyarrow as pa
import xxhash

from toolkit.reading.cells import Cell, check_range, read_cell, without_text
from toolkit.reading.event_stream import END, strip_event
from toolkit.reading.find_response import find_responses
from toolkit.reading.json_values import LineError, checked_json
from toolkit.schema.paths import write_path
from toolkit.schema.tables import MOST_CHUNK_FACTS, MOST_CHUNKS, REJECTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from toolkit.reading.blocks import Block, Decoded, Plan
    from toolkit.reading.find_response import Response
    from toolkit.schema.columns import Column, Table
    from toolkit.schema.paths import Path

Row: TypeAlias = "dict[str, Cell]"
# The most that values of the response may take when repeated for each choice: else the
# rows of a line of 1 MB could take gigabytes.
REPEATED_BYTES = 8 * 1024 * 1024
_TOO_LONG = "expected fewer choices, or shorter facts to repeat for each"
# What is given of a row that is no end of a stream.
_NOT_GIVEN = {"chunk_count": None, "chunk_position": None, "is_end": False}
# Codes of an unfinished last line that more bytes could still change.
_UNFINISHED = frozenset({"truncated", "invalid_utf8", "too_deep", "line_too_long"})


class _Line(NamedTuple):
    """A line of a block; one that was skipped has no bytes."""

    number: int
    offset: int
    length: int
    raw: bytes | None
    is_tail: bool  # has no line feed


class Reference:
    """Decodes blocks of lines by a plan; it keeps no state between them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def decode(self, block: Block) -> Decoded:
        """Turn the lines of a block into rows, chunks and rejects."""
        plan = self.plan
        found: dict[Table, list[Row]] = {plan.table: [], plan.chunks: [], REJECTS: []}
        data = block.data
        pending = chunks = 0
        # A file of line feeds alone would take minutes line by line.
        lines = blank = data.count(b"\n") if self.is_white(data) else 0
        for line in () if blank else _split(block):
            waits = line.is_tail and plan.leave_pending and block.growing
            if self.is_blank(line) and not waits:
                lines, blank = lines + 1, blank + 1
                continue
            log = {"log_id": block.log_id, "source": block.source, "line": line.number}
            try:
                table, rows = self.read_line(line, _NOT_GIVEN | log)
            except LineError as error:
                if waits and error.code in _UNFINISHED:
                    pending = line.length
                    continue
                table, rows = REJECTS, [log | _describe(line, error)]
            lines += 1
            found[table] += rows
            # Chunks with a position are a whole stream, which becomes a response.
            is_stream = any(row.get("chunk_position") is not None for row in rows)
            chunks += table is plan.chunks and not is_stream
        chunk_rows = found[plan.chunks]
        return block.decoded(
            _batch(found[plan.table], plan.schema),
            _batch(found[REJECTS], REJECTS.arrow),
            _batch(chunk_rows, plan.chunks.arrow) if chunk_rows else None,
            lines,
            blank,
            pending,
            chunks,
        )

    def is_white(self, data: bytes) -> bool:
        """Return whether the data is only blank lines, each with its line feed."""
        is_short = len(data) <= self.plan.max_line_bytes
        return is_short and data.endswith(b"\n") and not data.strip(b" \t\r\n")

    def is_blank(self, line: _Line) -> bool:
        """Return whether a line has only white space, and is not too long."""
        if line.raw is None or line.length > self.plan.max_line_bytes:
            return False
        return not line.raw.strip(b" \t\r")

    def read_line(self, line: _Line, given: Row) -> tuple[Table, list[Row]]:
        """Return the rows of a line and their table; framing has no rows."""
        if line.raw is None or line.length > self.plan.max_line_bytes:
            raise LineError("line_too_long")
        try:
            line.raw.decode()
        except UnicodeDecodeError:
            raise LineError("invalid_utf8") from None
        data = strip_event(line.raw)
        if not data and not line.is_tail:
            return self.plan.chunks, []
        if data == END:
            return self.plan.chunks, [self.end_row(given)]
        try:
            value = checked_json(data)
        except LineError as error:
            if line.is_tail and error.code == "invalid_json":
                raise LineError("truncated") from None
            raise
        responses, is_stream = find_responses(value, self.plan, is_tail=line.is_tail)
        table = self.table_of(responses[0])
        if not is_stream:
            return table, self.read_response(responses[0], given)
        rows: list[Row] = []
        repeated = 0
        for place, one in enumerate(responses):
            found = self.read_response(one, given | {"chunk_position": place})
            rows += found
            repeated += self.count_facts(one, found[0]) * len(found)
            if len(rows) > MOST_CHUNKS or repeated > REPEATED_BYTES + len(data):
                raise LineError("out_of_range", _TOO_LONG, one.place)
        return table, rows

    def table_of(self, response: Response) -> Table:
        """Return the table of a response or chunk."""
        return self.plan.chunks if response.api.stream else self.plan.table

    def end_row(self, given: Row) -> Row:
        """Return the row of the end of a stream."""
        columns = self.plan.chunks.columns
        unknown = {one.name: None if one.nullable else 0 for one in columns}
        return {**unknown, **given, "is_end": True}

    def read_response(self, response: Response, given: Row) -> list[Row]:
        """Return the rows of a response or chunk: one for each choice, at least one."""
        rows = [given.copy() for _ in response.choices or [response.node]]
        columns = self.table_of(response).columns
        for column, paths in zip(columns, response.api.column_paths, strict=True):
            for place, row in enumerate(rows):
                if column.grain == "C" or place == 0:
                    cell = self.read(column, paths, response, place, row)
                row[column.name] = None if column.grain == "U" and place else cell
        facts = self.count_facts(response, rows[0])
        is_long = len(rows) > 1 and facts * len(rows) > REPEATED_BYTES
        if is_long or (response.api.stream and facts > MOST_CHUNK_FACTS):
            path = (*response.node.path, *response.api.choice_keys)
            raise LineError("out_of_range", _TOO_LONG, path)
        return rows

    def count_facts(self, response: Response, row: Row) -> int:
        """Return how many characters each row of a response repeats."""
        columns = self.table_of(response).columns
        facts = (
            row[column.name]
            for column, paths in zip(columns, response.api.column_paths, strict=True)
            if column.grain == "R" and paths
        )
        return sum(len(fact) for fact in facts if isinstance(fact, str))

    def read(
        self,
        column: Column,
        paths: Iterable[Path],
        response: Response,
        place: int,
        row: Row,
    ) -> Cell:
        """Return the cell of a column in the row of a choice, from the cells before."""
        match column.kind:
            case "given":
                return row[column.name]
            case "position":
                return place
            case "choice_count":
                return len(response.choices)
            case "api":
                return response.api.name
            case "hash":
                digest = xxhash.xxh3_64_digest(response.node.raw)
                return int.from_bytes(digest, signed=True)
        if column.adds and not paths:
            parts = [row[name] for name in column.adds]
            total = None if None in parts else sum(cast("list[int]", parts))
            return None if total is None else check_range(total, column)
        if not paths or (column.grain == "C" and not response.choices):
            return None
        start = response.choices[place] if column.grain == "C" else response.node
        cell = read_cell(column, paths, response, start, self.plan.created_unit)
        is_dropped = column.private and self.plan.content == "drop"
        return without_text(cell) if is_dropped else cell


def _split(block: Block) -> Iterator[_Line]:
    """Yield the lines of a block."""
    if block.skipped is not None:
        yield _Line(block.line, block.offset, block.skipped, None, block.tail)
    *lines, tail = block.data.split(b"\n")
    offset = block.offset
    for number, raw in enumerate(lines, block.line):
        line = raw.removesuffix(b"\r")
        yield _Line(number, offset, len(line), line, is_tail=False)
        offset += len(raw) + 1
    if tail:
        yield _Line(block.line + len(lines), offset, len(tail), tail, is_tail=True)


def _describe(line: _Line, error: LineError) -> Row:
    """Return what the rejects table has of a line beside its place in the log."""
    return {
        "offset": line.offset,
        "length": line.length,
        "code": error.code,
        "json_path": write_path(error.path) or None,
        "reason": error.reason,
        "raw": None if error.code == "line_too_long" else line.raw,
    }


def _batch(rows: list[Row], schema: pa.Schema) -> pa.RecordBatch:
    """Build an Arrow batch from the cells of rows."""
    arrays = [
        pa.array([row[field.name] for row in rows], field.type) for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
