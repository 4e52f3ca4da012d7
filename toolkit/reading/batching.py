"""Record batches joined into tables that are large enough to validate or write."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from toolkit.reading.blocks import Decoded

# A table is checked and split as a whole, which takes a millisecond whatever its size.
ROWS_PER_TABLE = 65_536
_BYTES_PER_TABLE = 32 * 1024 * 1024
# Each batch takes some kilobytes even without rows, and a tiny log is one batch.
_BATCHES_PER_TABLE = 1024
# Batches with fewer rows on average are copied into one.
_SMALL_BATCH_ROWS = 256


class BatchBuffer:
    """Collects batches until they are enough to be checked and written together."""

    def __init__(self, schema: pa.Schema, rows: int = ROWS_PER_TABLE) -> None:
        self.schema = schema
        self.enough = rows
        self.clear()

    def clear(self) -> None:
        """Remove all batches."""
        self.batches: list[pa.RecordBatch] = []
        self.rows = self.bytes = 0

    def add(self, batch: pa.RecordBatch) -> pa.Table | None:
        """Add a batch; return all batches once they are enough."""
        if len(batch):
            self.batches.append(batch)
            self.rows += len(batch)
            self.bytes += batch.nbytes
        is_enough = (
            self.rows >= self.enough
            or self.bytes >= _BYTES_PER_TABLE
            or len(self.batches) >= _BATCHES_PER_TABLE
        )
        return self.take() if is_enough else None

    def take(self) -> pa.Table:
        """Remove all batches and return them as a table, which may be empty."""
        table = pa.Table.from_batches(self.batches, self.schema)
        if self.rows < _SMALL_BATCH_ROWS * len(self.batches):
            table = table.combine_chunks()
        self.clear()
        return table


def iter_tables(
    stream: Iterable[Decoded], schema: pa.Schema, rows: int = ROWS_PER_TABLE
) -> Iterator[pa.Table]:
    """Yield the choices of blocks in tables of about that many rows."""
    buffer = BatchBuffer(schema, rows)
    for decoded in stream:
        table = buffer.add(decoded.choices)
        if table is not None:
            yield table
    if buffer.rows:
        yield buffer.take()


class TableBuilder:
    """Joins batches into one table."""

    def __init__(self, schema: pa.Schema) -> None:
        self.buffer = BatchBuffer(schema)
        self.tables: list[pa.Table] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch."""
        table = self.buffer.add(batch)
        if table is not None:
            self.tables.append(table)

    def build(self) -> pa.Table:
        """Return all batches as one table."""
        return pa.concat_tables([*self.tables, self.buffer.take()])
