"""Read logs block by block: `open_logs` checks the options, `LogReader` reads.

`start_reading` begins early, while other modules are imported.

Each line becomes rows, a reject, a duplicate or a blank line, and the ledger counts it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args

from toolkit import errors
from toolkit.reading.blocks import Block, Decoded, Plan, Source, as_pieces, make_plan
from toolkit.reading.decoder import decode_all, make_decoder
from toolkit.reading.dedup import Deduplicator
from toolkit.reading.discovery import Sources, find_logs, list_names, passed_over_words
from toolkit.reading.framing import iter_blocks
from toolkit.reading.native import KERNEL, count_lines
from toolkit.reading.options import DEFAULTS, Duplicates, OnDamage, ReadOptions
from toolkit.reading.read_ahead import ReadAhead
from toolkit.schema.apis import ENDS_WHOLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


_SLOW_BYTES = 100 * 10**6
# Smaller logs are read in less time than it takes to begin.
_LEAST_BYTES = 16 * 1024 * 1024


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
    ahead: ReadAhead | None = None

    def iter_decoded(self) -> Iterator[Decoded]:
        """Yield the blocks of the logs, decoded and without duplicates."""
        # Imported here: this imports polars, while another thread may decode the log.
        from toolkit.reading.streams import Streams, put_together

        seen = Deduplicator() if self.duplicates == "drop" else None
        blocks = self.iter_blocks()
        if self.max_lines is not None:
            blocks = _first_lines(blocks, self.max_lines)
        logs = {log_id: log.path for log_id, log in enumerate(self.logs)}
        streams = Streams(self.plan.table, logs)
        names = self.plan.schema.names
        ahead = self.ahead if self.max_lines is None else None
        taken = None if ahead is None else ahead.take(self.plan)
        stream = self.decode(blocks) if taken is None else self._report(taken)
        for decoded in put_together(stream, streams):
            if decoded.choices.num_columns > len(names):
                decoded = decoded._replace(choices=decoded.choices.select(names))
            yield decoded if seen is None else seen.drop_duplicates(decoded)

    def decode(self, blocks: Iterator[Block]) -> Iterator[Decoded]:
        """Yield blocks decoded, with duplicates, and report the progress."""
        return self._report(self._decode(blocks))

    def _decode(self, blocks: Iterator[Block]) -> Iterator[Decoded]:
        """Yield blocks decoded, with all columns where a stream may end."""
        decoder = make_decoder(self.plan)
        of_all = None  # decodes all columns
        has_streams = False
        for block, decoded in decode_all(decoder, blocks, self.threads):
            has_streams |= decoded.chunk_rows is not None
            if has_streams and self.plan.projection and _may_end_streams(decoded):
                of_all = of_all or make_decoder(replace(self.plan, projection=None))
                yield of_all.decode(block)
            else:
                yield decoded

    def _report(self, stream: Iterator[Decoded]) -> Iterator[Decoded]:
        """Yield decoded blocks, and report the progress."""
        log_id, position = -1, 0
        for decoded in stream:
            if decoded.log_id != log_id:
                log_id, position = decoded.log_id, 0
            if self.progress is not None:
                self.progress(decoded.position - position)
            position = decoded.position
            yield decoded

    def iter_blocks(self) -> Iterator[Block]:
        """Yield the blocks of log after log."""
        longest = self.plan.max_line_bytes
        for log_id, log in enumerate(self.logs):
            yield from iter_blocks(log, log_id, longest, self.on_damage)

    def warn_of_skipped_files(self) -> None:
        """Warn once about files in a directory that were not read."""
        if self.passed_over:
            message = passed_over_words(self.passed_over)
            warnings.warn(message, errors.PassedOverWarning, stacklevel=3)

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
    errors.check_word("duplicates", options["duplicates"], get_args(Duplicates))
    errors.check_word("on_damage", options["on_damage"], get_args(OnDamage))
    _check_whole("max_lines", max_lines, 0)
    _check_whole("threads", options["threads"], 1)
    if not (options["progress"] is None or callable(options["progress"])):
        expected = "a function of the number of bytes that were read, or None"
        raise errors.OptionTypeError("progress", options["progress"], expected=expected)
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
        found.ahead,
    )


def start_reading(
    sources: Sources, options: ReadOptions, columns: Iterable[str]
) -> Sources:
    """Begin to read large logs, and return them as sources for `scan`.

    Some columns are read; should others be needed, the logs are read again. Exports,
    pipes and logs in a store are not read, nor is anything with an error, which `scan`
    raises.
    """
    known = {**DEFAULTS, **options}
    try:
        names = list_names(sources)
        if KERNEL is None or any(name.endswith(".parquet") for name in names):
            return sources
        found = find_logs(names, on_damage=known["on_damage"])
        plan = make_plan(**options)
    except errors.ToolkitError:
        return sources
    are_files = all(log.identity and log.size is not None for log in found.logs)
    if not are_files or sum(log.size or 0 for log in found.logs) < _LEAST_BYTES:
        return sources
    plan = plan.project(columns)
    reader = LogReader(
        found.logs, {}, plan, on_damage=known["on_damage"], threads=known["threads"]
    )
    stream = reader.decode(reader.iter_blocks())
    return replace(found, ahead=ReadAhead(stream, plan))


def _may_end_streams(decoded: Decoded) -> bool:
    """Return whether a block has responses that may be the last chunk of a stream."""
    apis = decoded.choices.column("api").unique().to_pylist()
    return not set(ENDS_WHOLE).isdisjoint(apis)


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
    rest = data.split(b"\n", lines)[-1]
    kept = data[: len(data) - len(rest)]
    left = len(rest) + block.count_dropped(since=len(kept))
    return block._replace(pieces=as_pieces(kept), bytes=block.bytes - left, tail=False)


def _warn_of_slowness(logs: Sequence[Source]) -> None:
    """Warn once if large logs are read without the Rust decoder."""
    size = sum(log.size or 0 for log in logs)
    if KERNEL is None and size > _SLOW_BYTES:
        message = (
            f"reading {size / 1e6:,.0f} MB with the decoder in Python; the one in Rust "
            "is over ten times faster: install Rust, then this package again"
        )
        warnings.warn(message, errors.SlowDecoderWarning, stacklevel=4)


def _check_whole(name: str, value: int | None, least: int) -> None:
    """Raise unless a value is None or a whole number that is large enough."""
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise errors.OptionError(name, value, expected=f"{least} or more, or None")
