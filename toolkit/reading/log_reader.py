"""Read logs block by block: `open_logs` checks the options, `LogReader` reads.

Each line becomes rows, a reject, a duplicate or a blank line, and the ledger counts it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from toolkit.errors import (
    OptionError,
    OptionTypeError,
    PassedOverWarning,
    SlowDecoderWarning,
    check_word,
)
from toolkit.reading.blocks import Block, Decoded, Plan, Source, as_pieces, make_plan
from toolkit.reading.decoder import decode_all, make_decoder, make_deduplicator
from toolkit.reading.discovery import Sources, find_logs
from toolkit.reading.framing import iter_blocks
from toolkit.reading.ledger import passed_over_words
from toolkit.reading.native import KERNEL, count_lines
from toolkit.reading.options import Duplicates, OnDamage, ReadOptions
from toolkit.reading.streams import Streams, may_end_streams, put_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


_SLOW_BYTES = 100 * 10**6


@dataclass(frozen=True)
class LogReader:
    """Logs, and the options with which they are read."""

    logs: Sequence[Source]
    passed_over: dict[str, int]
    plan: Plan
    duplicates: Duplicates = "drop"
    on_damage: OnDamage = "raise"
    max_lines: int | None = None
    progress: Callable[[int], None] | None = None
    threads: int | None = None

    def iter_decoded(self) -> Iterator[Decoded]:
        """Yield the blocks of the logs, decoded and without duplicates."""
        seen = make_deduplicator() if self.duplicates == "drop" else None
        blocks = self.iter_blocks()
        if self.max_lines is not None:
            blocks = _first_lines(blocks, self.max_lines)
        logs = {log_id: log.path for log_id, log in enumerate(self.logs)}
        streams = Streams(self.plan.table, logs)
        names = self.plan.schema.names
        for decoded in put_together(self.decode(blocks), streams):
            if decoded.choices.num_columns > len(names):
                decoded = decoded._replace(choices=decoded.choices.select(names))
            yield decoded if seen is None else seen.drop_duplicates(decoded)

    def decode(self, stream: Iterator[Block]) -> Iterator[Decoded]:
        """Yield blocks decoded, with duplicates, and report the progress.

        A block with responses that may be the end of a stream has all columns.
        """
        decoder = make_decoder(self.plan)
        of_all = None  # decodes all columns
        has_streams = False
        log_id, position = -1, 0
        for block, decoded in decode_all(decoder, stream, self.threads):
            has_streams |= decoded.chunk_rows is not None
            if has_streams and self.plan.projection and may_end_streams(decoded):
                of_all = of_all or make_decoder(replace(self.plan, projection=None))
                decoded = of_all.decode(block)
            if block.log_id != log_id:
                log_id, position = block.log_id, 0
            if self.progress is not None:
                self.progress(block.position - position)
            position = block.position
            yield decoded

    def iter_blocks(self) -> Iterator[Block]:
        """Yield the blocks of log after log."""
        for log_id, log in enumerate(self.logs):
            yield from iter_blocks(
                log,
                log_id,
                max_line_bytes=self.plan.max_line_bytes,
                on_damage=self.on_damage,
            )

    def warn_of_skipped_files(self) -> None:
        """Warn once about files in a directory that were not read."""
        if self.passed_over:
            message = passed_over_words(self.passed_over)
            warnings.warn(message, PassedOverWarning, stacklevel=3)

    def project(self, names: Iterable[str]) -> LogReader:
        """Return the same logs, of whose choices only some columns are read."""
        return replace(self, plan=self.plan.project(names))

    def without_text(self) -> LogReader:
        """Return the same logs, read without the text of their messages."""
        return replace(self, plan=replace(self.plan, content="drop"))


def open_logs(
    sources: Sources,
    options: ReadOptions,
    *,
    max_lines: int | None = None,
    leave_pending: bool = False,
) -> LogReader:
    """Check all options of reading and find the logs; nothing is read yet."""
    check_word("duplicates", options["duplicates"], get_args(Duplicates))
    check_word("on_damage", options["on_damage"], get_args(OnDamage))
    _check_whole("max_lines", max_lines, 0)
    _check_whole("threads", options["threads"], 1)
    if not (options["progress"] is None or callable(options["progress"])):
        expected = "a function of the number of bytes that were read, or None"
        raise OptionTypeError("progress", options["progress"], expected=expected)
    plan = make_plan(leave_pending=leave_pending, **options)
    on_damage = options["on_damage"]
    found = find_logs(sources, on_damage=on_damage)
    _warn_of_slowness(found.logs)
    return LogReader(
        found.logs,
        found.passed_over,
        plan,
        options["duplicates"],
        on_damage,
        max_lines,
        options["progress"],
        options["threads"],
    )


def _first_lines(stream: Iterator[Block], left: int) -> Iterator[Block]:
    """Yield blocks up to a number of lines."""
    for block in stream:
        lines = sum(count_lines(*piece) for piece in block.pieces)
        lines += int(block.skipped is not None)
        if lines >= left:
            if left:
                yield _cut_block(block, left)
            return
        yield block
        left -= lines


def _cut_block(block: Block, lines: int) -> Block:
    """Return the first lines of a block."""
    if block.skipped is not None:
        return block
    data = block.data
    end = -1
    for _ in range(lines):
        end = data.index(b"\n", end + 1)
    kept = data[: end + 1]
    left = len(data) - len(kept) + block.count_dropped(since=len(kept))
    return block._replace(pieces=as_pieces(kept), bytes=block.bytes - left, tail=False)


def _warn_of_slowness(logs: Sequence[Source]) -> None:
    """Warn once if large logs are read without the Rust decoder."""
    size = sum(log.size or 0 for log in logs)
    if KERNEL is None and size > _SLOW_BYTES:
        message = (
            f"reading {size / 1e6:,.0f} MB with the decoder in Python; the one in Rust "
            "is over ten times faster: install Rust, then this package again"
        )
        warnings.warn(message, SlowDecoderWarning, stacklevel=4)


def _check_whole(name: str, value: int | None, least: int) -> None:
    """Raise unless a value is None or a whole number that is large enough."""
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise OptionError(name, value, expected=f"{least} or more, or None")
