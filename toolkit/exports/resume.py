"""Read a log from the place where an earlier run stopped."""

from __future__ import annotations

import io
import math
import os
import sys
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from toolkit.errors import LogChangedError, PreconditionError
from toolkit.reading import framing
from toolkit.reading.decompression import (
    PushbackReader,
    detect_codec,
    iter_chunks,
    iter_rest,
    take_bytes,
)
from toolkit.reading.fingerprints import HEAD_BYTES, Checkpoint, Fingerprinter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.reading.blocks import Block, Source
    from toolkit.reading.log_reader import LogReader


class LogRange(NamedTuple):
    """Lines of a log, from one place to another or to the end."""

    log_id: int
    source: Source
    mark: Checkpoint | None = None  # where it begins, if not at the start
    offset: int = 0
    line: int = 1
    end: int | None = None  # the offset after it, if it is not the last
    end_line: int | None = None
    is_first: bool = True

    @property
    def is_whole(self) -> bool:
        """Whether it is all that is unread of its log."""
        return self.is_first and self.end is None


class LogMovedError(Exception):
    """A log that was replaced by another after it was found; nothing was read."""


def iter_blocks(
    log_range: LogRange, fingerprinter: Fingerprinter, reader: LogReader
) -> Iterator[Block]:
    """Yield a range of a log as blocks, and pass its bytes to a fingerprinter.

    The reader has the options.

    Raises
    ------
    LogMovedError
        Before the first block, if the log was moved away or rewritten since it was
        found; if it is read in several ranges it is a `LogChangedError`.
    LogChangedError
        At the end, if it was truncated or rewritten while it was read.
    """
    name = log_range.source.name
    max_line_bytes = reader.plan.max_line_bytes
    framer = framing.Framer(log_range.log_id, name, max_line_bytes, framing.BLOCK_BYTES)
    framer.line, framer.offset = log_range.line, log_range.offset
    verify_first = reader.on_damage == "collect"
    stream = _read_on(log_range, framer, fingerprinter, verify_first=verify_first)
    try:
        yield from framer.frame(stream, reader.on_damage)
    except (LogMovedError, PreconditionError):
        if log_range.is_whole:
            raise
        raise LogChangedError(name) from None
    if log_range.end is not None and framer.line != log_range.end_line:
        raise LogChangedError(name)


def _read_on(
    log_range: LogRange,
    framer: framing.Framer,
    fingerprinter: Fingerprinter,
    *,
    verify_first: bool,
) -> Iterator[bytes]:
    """Yield the bytes of a range of a log.

    At the end, the last bytes of a plain file are read again: it may have been cut and
    rewritten meanwhile. If it is shorter by then, it was read before it was cut.
    """
    mark, source = log_range.mark, log_range.source
    # A later range begins behind a line end, which is read too.
    start = 0 if log_range.is_first else log_range.offset - 1
    with framing.open_source(source, start, same=not log_range.is_whole) as file:
        if is_moved(source, file):
            raise LogMovedError
        reader = PushbackReader(file, source.name)
        is_plain = not log_range.is_first or detect_codec(reader) is None
        framer.growing = source.size is not None and is_plain
        framer.position = lambda: reader.position
        if log_range.is_first:
            rest = _read_after(mark, reader, fingerprinter, verify_first=verify_first)
        else:
            rest = _read_after_line_end(reader, log_range.offset, fingerprinter)
        if rest is None:
            raise LogMovedError
        if log_range.end is not None:
            rest = take_bytes(rest, log_range.end - fingerprinter.size)
        is_cut = mark is not None and not fingerprinter.last.endswith(b"\n")
        rest = fingerprinter.read_through(rest)
        yield from _skip_line_end(rest, framer) if is_cut else rest
        # The bytes that are read again do not count.
        position = min(reader.position, (log_range.end or math.inf) - log_range.offset)
        framer.position = lambda: int(position)
        is_file = source.stamp is not None and file.seekable()
        if is_plain and is_file and _is_rewritten(reader, fingerprinter):
            raise LogChangedError(source.name)
        if log_range.end not in {None, fingerprinter.size}:
            raise LogChangedError(source.name)


def _read_after_line_end(
    reader: PushbackReader, offset: int, fingerprinter: Fingerprinter
) -> Iterator[bytes] | None:
    """Return the bytes after the next byte, or None if that is not a line end."""
    if reader.read(1) != b"\n":
        return None
    reader.position = 0
    fingerprinter.resume(b"", b"", offset)
    return iter_rest(reader)


def is_moved(source: Source, file: BinaryIO) -> bool:
    """Return whether another file now has the name of a log."""
    if source.stamp is None:
        return False
    try:
        status = os.fstat(file.fileno())
    except io.UnsupportedOperation:  # an object of a store
        return False
    # Device numbers may differ between machines.
    return status.st_ino != source.stamp[1]


def _is_rewritten(reader: PushbackReader, fingerprinter: Fingerprinter) -> bool:
    """Return whether the last bytes that were read have changed."""
    size = len(fingerprinter.last)
    now = _read_at(reader, fingerprinter.size - size, size)
    return len(now) == size and now != fingerprinter.last


def _read_after(
    mark: Checkpoint | None,
    reader: PushbackReader,
    fingerprinter: Fingerprinter,
    *,
    verify_first: bool = False,
) -> Iterator[bytes] | None:
    """Return the bytes after a checkpoint, or None if it is not of this log.

    Of a plain file, only the bytes that the checkpoint has hashes of are read.
    """
    if mark is None:
        return iter_chunks(reader, verify_first=verify_first)
    rest: Iterator[bytes]
    if detect_codec(reader) is None and reader.file.seekable():
        head = _read_at(reader, 0, mark.head_bytes)
        last = _read_at(reader, mark.offset - mark.tail_bytes, mark.tail_bytes)
        fingerprinter.resume(head, last, mark.offset)
        reader.rewind_to(reader.file, mark.offset)
        rest = iter_rest(reader)
    else:
        rest = iter_chunks(reader, verify_first=verify_first)
        while (left := mark.offset - fingerprinter.size) and (data := next(rest, b"")):
            fingerprinter.add(data[:left])
            if left < len(data):
                rest = chain([data[left:]], rest)
        fingerprinter.resume(fingerprinter.head, fingerprinter.last, fingerprinter.size)
    if fingerprinter.size != mark.offset:
        return None
    here = fingerprinter.fingerprint().checkpoint(mark.offset, mark.line)
    return rest if here == mark else None


def _read_at(reader: PushbackReader, start: int, size: int) -> bytes:
    """Return bytes of a seekable file."""
    reader.rewind_to(reader.file, start)
    return reader.peek(size)


def count_unread(
    source: Source, mark: Checkpoint, at_most: int = sys.maxsize
) -> int | None:
    """Count the bytes after a checkpoint; None if it is not of this log."""
    with framing.open_source(source) as file:
        rest = _read_after(mark, PushbackReader(file, source.name), Fingerprinter())
        return None if rest is None else sum(map(len, take_bytes(rest, at_most)))


def read_first_bytes(source: Source) -> bytes:
    """Return the first bytes of a log, decompressed."""
    with framing.open_source(source) as file:
        stream = iter_chunks(PushbackReader(file, source.name))
        return b"".join(take_bytes(stream, HEAD_BYTES))


def _skip_line_end(stream: Iterator[bytes], framer: framing.Framer) -> Iterator[bytes]:
    """Skip the line end of a line that an earlier run has read without it."""
    start = rest = b""
    while not rest and (data := next(stream, b"")):
        start += data
        rest = start.lstrip(b" \t\r")
    if rest.startswith(b"\n"):
        ended = len(start) - len(rest) + 1
        framer.offset += ended
        framer.uncounted += ended
        start = start[ended:]
    if start:
        yield start
    yield from stream
