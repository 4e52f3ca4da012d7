"""Reading on: a log from the place up to which an earlier run has read it."""

from __future__ import annotations

import io
import os
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO

from toolkit import sources
from toolkit.compression import READ_BYTES, Feed, chunks, codec_of
from toolkit.errors import LogChangedError
from toolkit.marks import HEAD_BYTES, Mark, Witness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.blocks import Block, OnDamage, Source


class LogMovedError(Exception):
    """A log that is another one than it was when it was found; nothing was read."""


def blocks_behind(
    mark: Mark | None,
    source: Source,
    log_id: int,
    witness: Witness,
    *,
    max_line_bytes: int,
    on_damage: OnDamage,
) -> Iterator[Block]:
    """Yield a log from a mark on, as `toolkit.sources.blocks`; a witness looks on.

    Raises
    ------
    LogMovedError
        Before the first block, if the log was moved away or rewritten since it was
        found.
    LogChangedError
        At the end, if it was cut or rewritten while it was read.
    """
    framer = sources.Framer(log_id, source.name, max_line_bytes, sources.BLOCK_BYTES)
    if mark is not None:
        framer.line, framer.offset = mark.line, mark.offset
    stream = read_on(mark, source, framer, witness, verify_first=on_damage == "collect")
    yield from sources.framed(framer, stream, on_damage)


def read_on(
    mark: Mark | None,
    source: Source,
    framer: sources.Framer,
    witness: Witness,
    *,
    verify_first: bool,
) -> Iterator[bytes]:
    """Yield the bytes of a log behind a mark.

    What was read of a plain file may not be other bytes at the end: it may have been
    cut and written anew meanwhile. One that is shorter by then was read before it was
    cut.
    """
    with sources.opened(source) as file:
        if is_moved(source, file):
            raise LogMovedError
        feed = Feed(file, source.name)
        is_plain = codec_of(feed) is None
        framer.growing = source.size is not None and is_plain
        framer.position = lambda: feed.position
        rest = behind(mark, feed, witness, verify_first=verify_first)
        if rest is None:
            raise LogMovedError
        is_cut = mark is not None and not witness.last.endswith(b"\n")
        rest = witness.watching(rest)
        yield from without_line_end(rest, framer) if is_cut else rest
        is_file = source.stamp is not None and file.seekable()
        if is_plain and is_file and is_rewritten(feed, witness):
            raise LogChangedError(source.name)


def is_moved(source: Source, file: BinaryIO) -> bool:
    """Say whether another file has the name of a log by now."""
    if source.stamp is None:
        return False
    try:
        status = os.fstat(file.fileno())
    except io.UnsupportedOperation:  # an object of a store
        return False
    return (status.st_dev, status.st_ino) != source.stamp[:2]


def is_rewritten(feed: Feed, witness: Witness) -> bool:
    """Say whether other bytes stand where the last ones were read."""
    size = len(witness.last)
    now = read_at(feed, witness.size - size, size)
    return len(now) == size and now != witness.last


def behind(
    mark: Mark | None, feed: Feed, witness: Witness, *, verify_first: bool = False
) -> Iterator[bytes] | None:
    """Return the bytes behind a mark, None if those before it are others.

    Of a plain file only those are read that the mark is known by.
    """
    if mark is None:
        return chunks(feed, verify_first=verify_first)
    rest: Iterator[bytes]
    if codec_of(feed) is None and feed.file.seekable():
        head = read_at(feed, 0, mark.head_bytes)
        last = read_at(feed, mark.offset - mark.tail_bytes, mark.tail_bytes)
        witness.recall(head, last, mark.offset)
        feed.rewind_to(feed.file, mark.offset)
        rest = iter(lambda: feed.read(READ_BYTES), b"")
    else:
        rest = chunks(feed, verify_first=verify_first)
        left = mark.offset
        while left and (data := next(rest, b"")):
            witness.see(data[:left])
            if left < len(data):
                rest = chain([data[left:]], rest)
            left -= min(left, len(data))
        witness.recall(witness.head, witness.last, witness.size)
    is_same = witness.size == mark.offset and witness.mark(*mark[:2]) == mark
    return rest if is_same else None


def read_at(feed: Feed, start: int, size: int) -> bytes:
    """Return bytes of a file that can seek."""
    feed.rewind_to(feed.file, start)
    return feed.peek(size)


def unread_bytes(source: Source, mark: Mark, *, at_most: float = 1) -> int | None:
    """Count the bytes behind a mark until they are enough; None: it is another log."""
    size = 0
    with sources.opened(source) as file:
        rest = behind(mark, Feed(file, source.name), Witness())
        if rest is None:
            return None
        while size < at_most and (data := next(rest, b"")):
            size += len(data)
    return size


def first_bytes(source: Source) -> bytes:
    """Return the beginning of a log, decompressed."""
    head = b""
    with sources.opened(source) as file:
        stream = chunks(Feed(file, source.name))
        while len(head) < HEAD_BYTES and (data := next(stream, b"")):
            head += data
    return head[:HEAD_BYTES]


def without_line_end(
    stream: Iterator[bytes], framer: sources.Framer
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
