"""Decode blocks of lines into Arrow batches, with the kernel or the reference.

Both give the same result to the byte. The kernel is compiled from `toolkit/kernel` when
the package is installed and Rust is available.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

import pyarrow as pa

from toolkit import system
from toolkit.reading.blocks import until_error
from toolkit.reading.cells import EXPECTED, LATEST_MICROSECOND, MICROSECONDS
from toolkit.reading.json_values import DEEPEST
from toolkit.reading.native import KERNEL
from toolkit.reading.reference_decoder import REPEATED_BYTES, Reference
from toolkit.schema.tables import (
    MOST_CHUNK_FACTS,
    MOST_CHUNKS,
    MOST_ITEMS,
    REJECT_CODES,
    REJECTS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from toolkit.errors import SourceError
    from toolkit.reading.blocks import Block, Decoded, Plan


class _Kernel:
    """The decoder in Rust; it releases the lock of the interpreter while it works."""

    def __init__(self, plan: Plan, *, is_strict: bool = False) -> None:
        tables = (plan.table, plan.chunks)
        known = {
            "columns": [table.columns for table in tables],
            "apis": plan.parsed_apis,
            "drops_text": plan.content == "drop",
            "envelopes": plan.envelopes,
            "places": plan.places,
            "created_scale": MICROSECONDS[plan.created_unit],
            "latest_microsecond": LATEST_MICROSECOND,
            "longest": plan.max_line_bytes,
            "leave_pending": plan.leave_pending,
            "deepest": DEEPEST,
            "repeated_bytes": REPEATED_BYTES,
            "most_items": MOST_ITEMS,
            "most_chunks": MOST_CHUNKS,
            "most_facts": MOST_CHUNK_FACTS,
            "reasons": REJECT_CODES,
            "expected": EXPECTED,
        }
        schemas = [plan.schema, plan.chunks.arrow]
        # The strict path alone is slow: the fast one is tested against it.
        arguments = (known, schemas, REJECTS.arrow)
        self.kernel = KERNEL.Decoder(*arguments, is_strict=is_strict)

    def decode(self, block: Block) -> Decoded:
        """Decode the lines of a block."""
        choices, rejects, chunks, *counts = self.kernel.decode(block)
        tables = (pa.record_batch(choices), pa.record_batch(rejects))
        chunk_rows = None if chunks is None else pa.record_batch(chunks)
        return block.decoded(*tables, chunk_rows, *counts)


Decoder: TypeAlias = _Kernel | Reference


def make_decoder(plan: Plan) -> Decoder:
    """Return the fastest decoder that is installed."""
    return Reference(plan) if KERNEL is None else _Kernel(plan)


def decode_all(
    decoder: Decoder, blocks: Iterable[Block], threads: int | None = None
) -> Iterator[tuple[Block, Decoded]]:
    """Decode blocks in several threads, and yield them in their order.

    Meanwhile the next ones are read. Only few blocks are in memory: one for each
    thread, and two more.
    """
    threads = threads or system.available_cpus()
    if threads == 1 or isinstance(decoder, Reference):
        for block in blocks:
            yield block, decoder.decode(block)
        return
    pending: deque[tuple[Block, Future[Decoded]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="toolkit")
    errors: list[SourceError] = []
    try:
        for block in until_error(blocks, errors):
            pending.append((block, pool.submit(decoder.decode, block)))
            if len(pending) > threads + 2:
                first, decoded = pending.popleft()
                yield first, decoded.result()
        while pending:
            first, decoded = pending.popleft()
            yield first, decoded.result()
        for error in errors:
            raise error
    finally:
        pool.shutdown(cancel_futures=True)
