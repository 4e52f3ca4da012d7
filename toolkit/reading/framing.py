"""From a log to blocks of whole lines: opening, reading, framing.

The only module that opens a log.
"""

from __future__ import annotations

import errno
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from toolkit.errors import SourceError, UnreadableSourceError
from toolkit.reading import object_store
from toolkit.reading.blocks import STDIN, Block, Piece, Source, read_errors, until_error
from toolkit.reading.decompression import PushbackReader, detect_codec, iter_chunks
from toolkit.reading.fingerprints import HEAD_BYTES
from toolkit.reading.native import count_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from toolkit.reading.options import OnDamage

BLOCK_BYTES = 4 * 1024 * 1024

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@contextmanager
def open_source(
    source: Source, start: int = 0, *, same: bool = False
) -> Iterator[BinaryIO]:
    """Open a log for reading, unbuffered; standard input stays open.

    With `same` an object of a store must still have the content that it had when found.
    """
    if source.path == STDIN:
        if sys.stdin is None:
            closed = OSError(errno.EBADF, "standard input is closed")
            raise UnreadableSourceError(source.name, cause=closed)
        yield sys.stdin.buffer
        return
    with read_errors(source.name):
        if object_store.is_uri(source.path):
            etag = str(source.stamp[0]) if source.stamp and same else None
            file = object_store.open_object(source.path, start, etag=etag)
        else:
            unbuffered = Path(source.path).open("rb", buffering=0)  # noqa: SIM115
            if start:  # a pipe cannot seek
                unbuffered.seek(start)
            file = cast("BinaryIO", unbuffered)
    with file:
        yield file


def iter_blocks(
    source: Source,
    log_id: int,
    *,
    max_line_bytes: int,
    block_bytes: int | None = None,
    on_damage: OnDamage = "raise",
) -> Iterator[Block]:
    """Yield a log as blocks of whole lines, in order, with line numbers and offsets.

    A damaged log raises an error at the damage; with ``"collect"`` the blocks end
    before it, and a last one without data has the error.
    """
    framer = Framer(log_id, source.name, max_line_bytes, block_bytes or BLOCK_BYTES)
    stream = _read(source, framer, verify_first=on_damage == "collect")
    yield from frame_stream(framer, stream, on_damage)


def frame_stream(
    framer: Framer, stream: Iterator[bytes], on_damage: OnDamage
) -> Iterator[Block]:
    """Yield the blocks of a stream; with ``"collect"`` up to the error that ends it."""
    if on_damage == "raise":
        yield from framer.frame(stream)
        return
    errors: list[SourceError] = []
    yield from framer.frame(until_error(stream, errors))
    for error in errors:
        yield framer.block((), 0, tail=True, error=str(error))


def _read(
    source: Source, framer: Framer, *, verify_first: bool = False
) -> Iterator[bytes]:
    """Yield the decompressed bytes of a log, and set what the framer needs to know."""
    with open_source(source) as file:
        feed = PushbackReader(file, source.name)
        framer.growing = source.size is not None and detect_codec(feed) is None
        framer.position = lambda: feed.position
        yield from iter_chunks(feed, verify_first=verify_first)


class Framer:
    """Cuts a stream of bytes into blocks of whole lines, without copying most of them.

    It keeps at most a block and an unfinished line in memory; of a line that is longer
    than the limit only the length.
    """

    def __init__(
        self, log_id: int, name: str, max_line_bytes: int, block_bytes: int
    ) -> None:
        self.log_id = log_id
        self.name = name
        self.longest = max_line_bytes
        self.block_bytes = block_bytes
        self.pieces: list[Piece] = []  # whole lines
        self.size = 0  # bytes in them
        self.ended = 0  # lines in them
        self.rest: list[bytes] = []  # the unfinished line behind them
        self.unfinished = 0  # bytes in it
        self.line = 1
        self.offset = 0  # of the first byte in pieces
        self.uncounted = 0  # bytes before it that no block has counted
        self.skipped = 0  # bytes of a line that is too long, already dropped
        self.ends_in_cr = False
        self.gaps: list[tuple[int, int]] = []  # see `Block`
        self.head = b""  # the beginning of the log, until a block carries it
        self.growing = False
        self.position: Callable[[], int] = int

    def frame(self, stream: Iterable[bytes]) -> Iterator[Block]:
        """Yield the blocks of a stream."""
        for chunk in stream if self.offset else _split_mark(stream):
            if chunk is _BYTE_ORDER_MARK:
                self.offset = self.uncounted = len(chunk)
                continue
            if self.line == 1 and len(self.head) < HEAD_BYTES:
                self.head += chunk[: HEAD_BYTES - len(self.head)]
            yield from self.add(chunk)
        if self.skipped:
            yield self.skip_block(b"", tail=True)
        elif self.size or self.unfinished or self.uncounted or self.gaps:
            yield self.cut(tail=True)

    def add(self, chunk: bytes) -> Iterator[Block]:
        """Add bytes; yield the blocks that are complete."""
        if self.skipped:
            end = chunk.find(b"\n")
            if end < 0:
                self.skip(chunk)
                return
            yield self.skip_block(chunk[: end + 1])
            chunk = chunk[end + 1 :]
        if b"\0" in chunk:
            chunk = self.drop_nuls(chunk)
        end = chunk.rfind(b"\n") + 1
        if end:
            start = chunk.find(b"\n") + 1 if self.rest else 0
            self.finish_line(chunk[:start])
            self.add_lines(Piece(chunk, start, end))
        if end < len(chunk):
            self.rest.append(chunk[end:])
            self.unfinished += len(chunk) - end
        if self.size >= self.block_bytes or (self.size and self.gaps):
            yield self.cut()
        # One byte more than the limit may be the CR of a line end.
        if self.unfinished > self.longest + 1:
            if self.size:
                yield self.cut()
            line, self.rest, self.unfinished = self.rest, [], 0
            for piece in line:
                self.skip(piece)

    def drop_nuls(self, chunk: bytes) -> bytes:
        """Return bytes without the NULs at the beginning of lines; note their place."""
        at = self.size + self.unfinished
        lines = []
        for place, part in enumerate(chunk.split(b"\n\0")):
            line = part.lstrip(b"\0") if place or not self.unfinished else part
            if dropped := len(part) - len(line) + bool(place):
                self.gaps.append((at, dropped))
            at += len(line) + 1
            lines.append(line)
        return b"\n".join(lines)

    def finish_line(self, end: bytes) -> None:
        """Add the unfinished line to the whole ones."""
        line = b"".join([*self.rest, end])
        self.add_lines(Piece(line, 0, len(line)))
        self.rest, self.unfinished = [], 0

    def add_lines(self, piece: Piece) -> None:
        """Add whole lines, or none, to the next block."""
        if piece.end > piece.start:
            self.pieces.append(piece)
            self.size += piece.end - piece.start
            # Counted now, while the bytes are still in the cache.
            self.ended += count_lines(*piece)

    def cut(self, *, tail: bool = False) -> Block:
        """Return a block of the whole lines, and at the end of a log the last one."""
        if tail:
            if self.gaps and self.gaps[-1][0] == self.size and not self.unfinished:
                # A last line of only NULs: the last one is read as a space.
                at, dropped = self.gaps.pop()
                self.gaps.append((at, dropped - 1))
                self.rest = [b" "]
            self.finish_line(b"")
        block = self.block(tuple(self.pieces), self.size, tail=tail)
        self.line += self.ended
        self.pieces, self.size, self.ended = [], 0, 0
        return block

    def block(
        self,
        pieces: tuple[Piece, ...],
        size: int,
        *,
        tail: bool = False,
        skipped: int | None = None,
        error: str | None = None,
    ) -> Block:
        """Build a block, and move the offset past it."""
        gaps = tuple(gap for gap in self.gaps if gap[0] < size)
        self.gaps = [(at - size, dropped) for at, dropped in self.gaps if at >= size]
        size_in_log = size + sum(dropped for _, dropped in gaps)
        block = Block(
            self.log_id,
            self.name,
            pieces,
            self.line,
            self.offset,
            size_in_log + self.uncounted,
            self.position(),
            tail,
            self.growing,
            skipped,
            self.head,
            error,
            gaps,
        )
        self.head = b""
        self.offset += size_in_log
        self.uncounted = 0
        return block

    def skip(self, data: bytes) -> None:
        """Drop bytes of a line that is too long."""
        self.skipped += len(data)
        self.ends_in_cr = data.endswith(b"\r")

    def skip_block(self, end: bytes, *, tail: bool = False) -> Block:
        """Return the block of a line that was dropped; `end` is its last bytes."""
        content = end.removesuffix(b"\n")
        if content:
            self.ends_in_cr = content.endswith(b"\r")
        self.skipped += len(end)
        dropped = len(end) - len(content)
        carriage = int(self.ends_in_cr and bool(dropped))
        length = self.skipped - dropped - carriage
        block = self.block((), self.skipped, tail=tail, skipped=length)
        self.line += dropped
        self.skipped = 0
        return block


def _split_mark(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a byte-order mark at the start apart from the bytes behind it."""
    head = b""
    pieces = iter(stream)
    for piece in pieces:
        head += piece
        if len(head) >= len(_BYTE_ORDER_MARK):
            break
    if head.startswith(_BYTE_ORDER_MARK):
        yield _BYTE_ORDER_MARK
        head = head[len(_BYTE_ORDER_MARK) :]
    if head:
        yield head
    yield from pieces
