"""Record batches that are gathered until they are worth what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from toolkit.reading.blocks import Decoded

# A call of pandera costs the same for a thousand rows as for many.
ROWS_PER_TABLE = 65_536
_BYTES_PER_TABLE = 64 * 1024 * 1024
# Each batch takes some kilobytes however few rows it has: tiny logs have a batch each.
_BATCHES_PER_TABLE = 1024
# Batches with fewer rows than that, on the average, are copied into one.
_SMALL_BATCH_ROWS = 256


class BatchBuffer:
    """Batches that wait until they are worth a call of pandera, or a row group."""

    def __init__(self, schema: pa.Schema, rows: int = ROWS_PER_TABLE) -> None:
        self.schema = schema
        self.enough = rows
        self.clear()

    def clear(self) -> None:
        """Forget what waits."""
        self.batches: list[pa.RecordBatch] = []
        self.rows = self.bytes = 0

    def add(self, batch: pa.RecordBatch) -> pa.Table | None:
        """Take a batch; return all that waits once it is enough."""
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
        """Return all that waits, perhaps nothing."""
        table = pa.Table.from_batches(self.batches, self.schema)
        if self.rows < _SMALL_BATCH_ROWS * len(self.batches):
            table = table.combine_chunks()
        self.clear()
        return table


def iter_tables(
    stream: Iterable[Decoded], schema: pa.Schema, rows: int = ROWS_PER_TABLE
) -> Iterator[pa.Table]:
    """Yield the choices of blocks in tables that are worth a call of pandera."""
    waiting = BatchBuffer(schema, rows)
    for decoded in stream:
        table = waiting.add(decoded.choices)
        if table is not None:
            yield table
    if waiting.rows:
        yield waiting.take()


class TableBuilder:
    """Batches on their way to one table."""

    def __init__(self, schema: pa.Schema) -> None:
        self.waiting = BatchBuffer(schema)
        self.tables: list[pa.Table] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch."""
        table = self.waiting.add(batch)
        if table is not None:
            self.tables.append(table)

    def build(self) -> pa.Table:
        """Return all that was added."""
        return pa.concat_tables([*self.tables, self.waiting.take()])
