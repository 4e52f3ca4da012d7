"""Record batches that are gathered until they are worth what comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from toolkit.reading.blocks import Decoded

# A call of pandera costs the same for a thousand rows as for many.
GATE_ROWS = 65_536
_GATE_BYTES = 64 * 1024 * 1024
# Each batch takes some kilobytes however few rows it has: tiny logs have a batch each.
_GATE_BATCHES = 1024
# Batches with fewer rows than that, on the average, are copied into one.
_SMALL_BATCH_ROWS = 256


class Waiting:
    """Batches that wait until they are worth a call of pandera, or a row group."""

    def __init__(self, schema: pa.Schema, rows: int = GATE_ROWS) -> None:
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
            or self.bytes >= _GATE_BYTES
            or len(self.batches) >= _GATE_BATCHES
        )
        return self.take() if is_enough else None

    def take(self) -> pa.Table:
        """Return all that waits, perhaps nothing."""
        table = pa.Table.from_batches(self.batches, self.schema)
        if self.rows < _SMALL_BATCH_ROWS * len(self.batches):
            table = table.combine_chunks()
        self.clear()
        return table


def gathered(
    stream: Iterable[Decoded], schema: pa.Schema, rows: int = GATE_ROWS
) -> Iterator[pa.Table]:
    """Yield the choices of blocks in tables that are worth a call of pandera."""
    waiting = Waiting(schema, rows)
    for decoded in stream:
        table = waiting.add(decoded.choices)
        if table is not None:
            yield table
    if waiting.rows:
        yield waiting.take()


class Tables:
    """Batches on their way to one table."""

    def __init__(self, schema: pa.Schema) -> None:
        self.waiting = Waiting(schema)
        self.tables: list[pa.Table] = []

    def add(self, batch: pa.RecordBatch) -> None:
        """Take a batch."""
        table = self.waiting.add(batch)
        if table is not None:
            self.tables.append(table)

    def whole(self) -> pa.Table:
        """Return all that was added."""
        return pa.concat_tables([*self.tables, self.waiting.take()])
