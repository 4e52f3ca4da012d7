"""Reading on: a log from the place up to which an earlier run has read it."""

from __future__ import annotations

import io
import math
import os
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from toolkit.errors import LogChangedError, PreconditionError
from toolkit.reading import framing
from toolkit.reading.compression import (
    READ_BYTES,
    PushbackReader,
    detect_codec,
    iter_chunks,
)
from toolkit.reading.fingerprints import HEAD_BYTES, Checkpoint, Fingerprinter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from toolkit.reading.blocks import Block, Source
    from toolkit.reading.options import OnDamage


class LogRange(NamedTuple):
    """Lines of a log, from a place on: up to another place, or all there are."""

    log_id: int
    source: Source
    mark: Checkpoint | None = None  # behind which it begins, if not at the beginning
    offset: int = 0
    line: int = 1
    end: int | None = None  # the offset and the line behind it, if it is not the last
    end_line: int | None = None
    is_first: bool = True

    @property
    def is_whole(self) -> bool:
        """Say whether it is all that is unread of its log."""
        return self.is_first and self.end is None


def unread_range(log_id: int, source: Source, mark: Checkpoint | None) -> LogRange:
    """Return all that stands behind a mark."""
    place = (mark.offset, mark.line) if mark else (0, 1)
    return LogRange(log_id, source, mark, *place)


class LogMovedError(Exception):
    """A log that is another one than it was when it was found; nothing was read."""


def iter_blocks(
    log_range: LogRange,
    witness: Fingerprinter,
    *,
    max_line_bytes: int,
    on_damage: OnDamage,
) -> Iterator[Block]:
    """Yield a range of a log as blocks, and show the bytes to a witness.

    Raises
    ------
    LogMovedError
        Before the first block, if the log was moved away or rewritten since it was
        found; where it was cut into ranges it is a `LogChangedError`.
    LogChangedError
        At the end, if it was cut or rewritten while it was read.
    """
    name = log_range.source.name
    framer = framing.Framer(log_range.log_id, name, max_line_bytes, framing.BLOCK_BYTES)
    framer.line, framer.offset = log_range.line, log_range.offset
    verify_first = on_damage == "collect"
    stream = _read_on(log_range, framer, witness, verify_first=verify_first)
    try:
        yield from framing.frame_stream(framer, stream, on_damage)
    except (LogMovedError, PreconditionError):
        if log_range.is_whole:
            raise
        raise LogChangedError(name) from None
    if log_range.end is not None and framer.line != log_range.end_line:
        raise LogChangedError(name)


def _read_on(
    log_range: LogRange,
    framer: framing.Framer,
    witness: Fingerprinter,
    *,
    verify_first: bool,
) -> Iterator[bytes]:
    """Yield the bytes of a range of a log.

    What was read of a plain file may not be other bytes at the end: it may have been
    cut and written anew meanwhile. One that is shorter by then was read before it was
    cut.
    """
    mark, source = log_range.mark, log_range.source
    with _opened_at(log_range) as file:
        if is_moved(source, file):
            raise LogMovedError
        feed = PushbackReader(file, source.name)
        is_plain = not log_range.is_first or detect_codec(feed) is None
        framer.growing = source.size is not None and is_plain
        framer.position = lambda: feed.position
        if log_range.is_first:
            rest = _behind(mark, feed, witness, verify_first=verify_first)
        else:
            rest = _behind_line_end(feed, log_range.offset, witness)
        if rest is None:
            raise LogMovedError
        if log_range.end is not None:
            rest = _first_of(rest, log_range.end - witness.size)
        is_cut = mark is not None and not witness.last.endswith(b"\n")
        rest = witness.read_through(rest)
        yield from _without_line_end(rest, framer) if is_cut else rest
        position = min(feed.position, (log_range.end or math.inf) - log_range.offset)
        framer.position = lambda: int(position)  # what is read again does not count
        is_file = source.stamp is not None and file.seekable()
        if is_plain and is_file and _is_rewritten(feed, witness):
            raise LogChangedError(source.name)
        if log_range.end not in {None, witness.size}:
            raise LogChangedError(source.name)


def _opened_at(log_range: LogRange) -> AbstractContextManager[BinaryIO]:
    """Open a log; what is not its first range, at the end of the line before it."""
    if log_range.is_whole:
        return framing.open_source(log_range.source)
    start = 0 if log_range.is_first else log_range.offset - 1
    return framing.open_source(log_range.source, start, same=True)


def _behind_line_end(
    feed: PushbackReader, offset: int, witness: Fingerprinter
) -> Iterator[bytes] | None:
    """Return the bytes behind a line end that comes next; None if none comes."""
    if feed.read(1) != b"\n":
        return None
    feed.position = 0
    witness.resume(b"", b"", offset)
    return iter(lambda: feed.read(READ_BYTES), b"")


def _first_of(stream: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield so many bytes of a stream, no more."""
    while size and (data := next(stream, b"")):
        yield data[:size]
        size -= min(size, len(data))


def is_moved(source: Source, file: BinaryIO) -> bool:
    """Say whether another file has the name of a log by now."""
    if source.stamp is None:
        return False
    try:
        status = os.fstat(file.fileno())
    except io.UnsupportedOperation:  # an object of a store
        return False
    return status.st_ino != source.stamp[1]  # a device is not called so everywhere


def _is_rewritten(feed: PushbackReader, witness: Fingerprinter) -> bool:
    """Say whether other bytes stand where the last ones were read."""
    size = len(witness.last)
    now = _read_at(feed, witness.size - size, size)
    return len(now) == size and now != witness.last


def _behind(
    mark: Checkpoint | None,
    feed: PushbackReader,
    witness: Fingerprinter,
    *,
    verify_first: bool = False,
) -> Iterator[bytes] | None:
    """Return the bytes behind a mark, None if those before it are others.

    Of a plain file only those are read that the mark is known by.
    """
    if mark is None:
        return iter_chunks(feed, verify_first=verify_first)
    rest: Iterator[bytes]
    if detect_codec(feed) is None and feed.file.seekable():
        head = _read_at(feed, 0, mark.head_bytes)
        last = _read_at(feed, mark.offset - mark.tail_bytes, mark.tail_bytes)
        witness.resume(head, last, mark.offset)
        feed.rewind_to(feed.file, mark.offset)
        rest = iter(lambda: feed.read(READ_BYTES), b"")
    else:
        rest = iter_chunks(feed, verify_first=verify_first)
        left = mark.offset
        while left and (data := next(rest, b"")):
            witness.add(data[:left])
            if left < len(data):
                rest = chain([data[left:]], rest)
            left -= min(left, len(data))
        witness.resume(witness.head, witness.last, witness.size)
    is_same = witness.size == mark.offset
    return (
        rest
        if is_same and witness.fingerprint().checkpoint(*mark[:2]) == mark
        else None
    )


def _read_at(feed: PushbackReader, start: int, size: int) -> bytes:
    """Return bytes of a file that can seek."""
    feed.rewind_to(feed.file, start)
    return feed.peek(size)


def unread_bytes(source: Source, mark: Checkpoint, *, at_most: float = 1) -> int | None:
    """Count the bytes behind a mark until they are enough; None: it is another log."""
    size = 0
    with framing.open_source(source) as file:
        rest = _behind(mark, PushbackReader(file, source.name), Fingerprinter())
        if rest is None:
            return None
        while size < at_most and (data := next(rest, b"")):
            size += len(data)
    return size


def first_bytes(source: Source) -> bytes:
    """Return the beginning of a log, decompressed."""
    head = b""
    with framing.open_source(source) as file:
        stream = iter_chunks(PushbackReader(file, source.name))
        while len(head) < HEAD_BYTES and (data := next(stream, b"")):
            head += data
    return head[:HEAD_BYTES]


def _without_line_end(
    stream: Iterator[bytes], framer: framing.Framer
) -> Iterator[bytes]:
    """Drop the end of a line that was taken before its end was there."""
    held = rest = b""
    while not rest and (data := next(stream, b"")):
        held += data
        rest = held.lstrip(b" \t\r")
    if rest.startswith(b"\n"):
        ended = len(held) - len(rest) + 1
        framer.offset += ended
        framer.unsaid += ended
        held = held[ended:]
    if held:
        yield held
    yield from stream
