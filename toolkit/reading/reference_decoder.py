"""The decoder in plain Python, written to be read next to docs/reference/lines.md.

A line is checked in this order, and the first failure decides: length, UTF-8, depth,
JSON, form (whether and where it has a response), columns. It becomes either rows, one
per choice, or one reject.

The decoder follows the declarations of `toolkit.schema`: it knows kinds and paths, and
no column and no API by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pyarrow as pa
import xxhash

from toolkit.reading.cells import check_range, column_reader, read_cell, without_text
from toolkit.reading.find_response import find_response
from toolkit.reading.json_values import LineError, Node, checked_json
from toolkit.reading.parsed_api import parse_api
from toolkit.schema.paths import write_path
from toolkit.schema.tables import REJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from toolkit.reading.blocks import Block, Decoded, Plan
    from toolkit.reading.cells import Cell, ColumnReader
    from toolkit.reading.find_response import Response
    from toolkit.schema.columns import Column

# The most that values of the response may take when repeated for each choice: else the
# rows of a line of 1 MB could take gigabytes.
REPEATED_BYTES = 8 * 1024 * 1024
# Kinds of columns that are not read from values of the response.
_FACTS = {"given", "choice_count", "hash", "api"}
# Codes of an unfinished last line that more bytes could still change.
_UNFINISHED = frozenset({"truncated", "invalid_utf8", "too_deep", "line_too_long"})


def _open_line(raw: bytes, *, longest: int, tail: bool) -> Node:
    """Return the JSON object of a line, or raise `LineError` if it is not one."""
    if len(raw) > longest:
        raise LineError("line_too_long")
    try:
        raw.decode()
    except UnicodeDecodeError:
        raise LineError("invalid_utf8") from None
    try:
        value = checked_json(raw)
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
        self.columns = plan.table.columns
        self.apis = [parse_api(api, self.columns) for api in plan.apis]
        self.readers = {
            id(api): [
                [column_reader(column, plan, path) for path in paths]
                for column, paths in zip(self.columns, api.paths, strict=True)
            ]
            for api in self.apis
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
        response = find_response(line, self.plan.envelopes, self.apis)
        cells: dict[str, list[Cell]] = {}
        readers = self.readers[id(response.api)]
        for column, read in zip(self.columns, readers, strict=True):
            if column.adds and not read:
                parts = zip(*(cells[name] for name in column.adds), strict=True)
                cells[column.name] = [_add(column, part) for part in parts]
            else:
                cells[column.name] = self.read_column(column, read, response, given)
        self.check_repeated(cells, response)
        return list(cells.values())

    def check_repeated(
        self, cells: Mapping[str, list[Cell]], response: Response
    ) -> None:
        """Raise for a line whose rows would repeat far more text than it has."""
        count = len(response.choices)
        repeated = sum(
            len(first)
            for column, paths in zip(self.columns, response.api.paths, strict=True)
            if column.grain == "R" and paths
            if isinstance(first := cells[column.name][0], str)
        )
        if count > 1 and repeated * count > REPEATED_BYTES:
            reason = "expected fewer choices, or shorter facts to repeat for each"
            path = (*response.node.path, *response.api.choices)
            raise LineError("out_of_range", reason, path)

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
