"""From a block of lines to Arrow batches: the kernel, or else the reference.

Both mean the same to the byte. The kernel is compiled from `toolkit/kernel` when the
package is installed and Rust is at hand; ``TOOLKIT_DECODER=reference`` leaves it alone.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Protocol

import pyarrow as pa

from toolkit.blocks import Decoded
from toolkit.errors import SourceError
from toolkit.reference import (
    DEEPEST,
    ENVELOPES,
    REPEATED_BYTES,
    Reference,
    ways_of,
)
from toolkit.schema import MOST_ITEMS, REJECT_CODES, REJECTS
from toolkit.values import LATEST_MICROSECOND, MICROSECONDS, WANTED

try:
    from toolkit import _kernel
except ImportError:
    _kernel = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from toolkit.blocks import Block, Plan
    from toolkit.schema import Column


class Decoder(Protocol):
    """Turns blocks into batches; both decoders give the same rows and rejects."""

    name: str
    is_parallel: bool  # decodes in several threads at once

    def decode(self, block: Block) -> Decoded:
        """Decode the lines of a block."""


class Kernel:
    """The decoder in Rust; it releases the interpreter's lock while it works."""

    name = "kernel"
    is_parallel = True

    def __init__(self, plan: Plan) -> None:
        self.kernel = _kernel.Decoder(
            [declared(column) for column in plan.table.columns],
            plan.table.arrow,
            REJECTS.arrow,
            drops_text=plan.content == "drop",
            envelopes=[plan.response_path] if plan.response_path else list(ENVELOPES),
            created_scale=MICROSECONDS[plan.created_unit],
            latest_microsecond=LATEST_MICROSECOND,
            longest=plan.max_line_bytes,
            leave_pending=plan.leave_pending,
            deepest=DEEPEST,
            repeated_bytes=REPEATED_BYTES,
            most_items=MOST_ITEMS,
            reasons=REJECT_CODES,
            wanted=WANTED,
        )

    def decode(self, block: Block) -> Decoded:
        """Decode the lines of a block."""
        choices, rejects, lines, blank, pending = self.kernel.decode(
            block.log_id,
            block.source,
            block.data,
            block.line,
            block.offset,
            block.tail,
            block.growing,
            block.skipped,
        )
        return Decoded(
            block.log_id,
            block.source,
            pa.record_batch(choices),
            pa.record_batch(rejects),
            block.bytes,
            block.position,
            lines,
            blank,
            pending,
        )


def declared(column: Column) -> SimpleNamespace:
    """Write a column as the kernel takes it."""
    return SimpleNamespace(
        name=column.name,
        kind=column.kind,
        grain=column.grain,
        root=column.root,
        private=column.private,
        minimum=column.minimum,
        maximum=column.maximum,
        ways=[tuple(way) for way in ways_of(column)],
    )


WANTS_REFERENCE = os.environ.get("TOOLKIT_DECODER") == Reference.name
DECODERS: dict[str, Callable[[Plan], Decoder]] = {
    Kernel.name: Kernel,
    Reference.name: Reference,
}
DECODER = Reference.name if _kernel is None or WANTS_REFERENCE else Kernel.name


def make_decoder(plan: Plan) -> Decoder:
    """Return the fastest decoder that is installed."""
    return DECODERS[DECODER](plan)


def decode_all(
    decoder: Decoder, blocks: Iterable[Block], threads: int | None = None
) -> Iterator[tuple[Block, Decoded]]:
    """Decode blocks in several threads, and yield them in their order.

    While they are decoded the next ones are read. Few are held at a time: one for each
    thread, and two that wait.
    """
    threads = threads or len(os.sched_getaffinity(0))
    if threads == 1 or not decoder.is_parallel:
        for block in blocks:
            yield block, decoder.decode(block)
        return
    at_work: deque[tuple[Block, Future[Decoded]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="toolkit")
    fault = None
    stream = iter(blocks)
    try:
        while True:
            try:
                block = next(stream, None)
            except SourceError as error:
                # What was read before it comes first.
                block, fault = None, error
            if block is not None:
                at_work.append((block, pool.submit(decoder.decode, block)))
            while at_work and (block is None or len(at_work) > threads + 2):
                first, decoded = at_work.popleft()
                yield first, decoded.result()
            if block is None:
                break
        if fault is not None:
            raise fault
    finally:
        pool.shutdown(cancel_futures=True)
