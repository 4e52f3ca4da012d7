"""From a log to blocks of whole lines: opening, reading, framing.

The only module that opens a log.
"""

from __future__ import annotations

import errno
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
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
            file = cast("BinaryIO", unbuffered)
            if start:  # a pipe cannot seek
                file.seek(start)
    with file:
        yield file


def iter_blocks(
    source: Source, log_id: int, max_line_bytes: int, on_damage: OnDamage = "raise"
) -> Iterator[Block]:
    """Yield a log as blocks of whole lines, in order, with line numbers and offsets.

    A damaged log raises an error at the damage; with ``"collect"`` the blocks end
    before it, and a last one without data has the error.
    """
    framer = Framer(log_id, source.name, max_line_bytes, BLOCK_BYTES)
    stream = _read(source, framer, verify_first=on_damage == "collect")
    yield from framer.frame(stream, on_damage)


def _read(source: Source, framer: Framer, *, verify_first: bool) -> Iterator[bytes]:
    """Yield the decompressed bytes of a log, and set what the framer needs to know."""
    with open_source(source) as file:
        feed = PushbackReader(file, source.name)
        framer.growing = source.size is not None and detect_codec(feed) is None
        framer.position = lambda: feed.position
        yield from iter_chunks(feed, verify_first=verify_first)


@dataclass
class Framer:
    """Cuts a stream of bytes into blocks of whole lines, without copying most of them.

    It keeps at most a block and an unfinished line in memory; of a line that is longer
    than the limit only the length and the last byte.
    """

    log_id: int
    name: str
    max_line_bytes: int
    block_bytes: int
    pieces: list[Piece] = field(default_factory=list)  # whole lines
    size: int = 0  # bytes in them
    ended: int = 0  # lines in them
    rest: list[bytes] = field(default_factory=list)  # the unfinished line behind them
    unfinished: int = 0  # bytes in it
    is_too_long: bool = False  # then `rest` has only its last byte
    line: int = 1
    offset: int = 0  # of the first byte in pieces
    uncounted: int = 0  # bytes before it that no block has counted
    gaps: list[tuple[int, int]] = field(default_factory=list)  # see `Block`
    head: bytes = b""  # the beginning of the log, until a block carries it
    growing: bool = False
    position: Callable[[], int] = int

    def frame(
        self, stream: Iterable[bytes], on_damage: OnDamage = "raise"
    ) -> Iterator[Block]:
        """Yield the blocks of a stream; with ``"collect"`` up to an error that ends it.

        The error is then in a last block.
        """
        errors: list[SourceError] = []
        chunks = iter(stream)
        if on_damage == "collect":
            chunks = until_error(chunks, errors)
        for chunk in chunks if self.offset else self.skip_mark(chunks):
            if self.line == 1 and len(self.head) < HEAD_BYTES:
                self.head += chunk[: HEAD_BYTES - len(self.head)]
            yield from self.add(chunk)
        if self.is_too_long:
            yield self.end_long_line(b"", tail=True)
        elif self.size or self.unfinished or self.uncounted or self.gaps:
            yield self.cut(tail=True)
        for error in errors:
            yield self.block((), 0)._replace(tail=True, error=str(error))

    def skip_mark(self, stream: Iterator[bytes]) -> Iterator[bytes]:
        """Yield the bytes of a log without the byte-order mark at its start."""
        start = b""
        while len(start) < len(_BYTE_ORDER_MARK) and (chunk := next(stream, b"")):
            start += chunk
        rest = start.removeprefix(_BYTE_ORDER_MARK)
        self.offset = self.uncounted = len(start) - len(rest)
        yield rest
        yield from stream

    def add(self, chunk: bytes) -> Iterator[Block]:
        """Add bytes; yield the blocks that are complete."""
        if b"\0" in chunk:
            chunk = self.drop_nuls(chunk)
        end = chunk.rfind(b"\n") + 1
        if end:
            start = chunk.find(b"\n") + 1 if self.rest else 0
            if self.is_too_long:
                yield self.end_long_line(chunk[:start])
            else:
                self.end_line(chunk[:start])
            self.add_lines(Piece(chunk, start, end))
        if end < len(chunk):
            self.rest.append(chunk[end:])
            self.unfinished += len(chunk) - end
        if self.size >= self.block_bytes or (self.size and self.gaps):
            yield self.cut()
        # One byte more than the limit may be the CR of a line end.
        if self.unfinished > self.max_line_bytes + 1:
            if self.size:
                yield self.cut()
            self.is_too_long = True
            self.rest = [self.rest[-1][-1:]]

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

    def end_line(self, end: bytes) -> None:
        """Add the unfinished line to the whole ones."""
        line = b"".join([*self.rest, end])
        self.add_lines(Piece(line, 0, len(line)))
        self.rest, self.unfinished = [], 0

    def end_long_line(self, end: bytes, *, tail: bool = False) -> Block:
        """Return the block of the unfinished line, which is too long."""
        last = self.rest[0] + end
        size = self.unfinished + len(end)
        length = size - last.endswith(b"\n") - last.endswith(b"\r\n")
        block = self.block((), size)._replace(tail=tail, skipped=length)
        self.line += last.endswith(b"\n")
        self.rest, self.unfinished, self.is_too_long = [], 0, False
        return block

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
            self.end_line(b"")
        block = self.block(tuple(self.pieces), self.size)._replace(tail=tail)
        self.line += self.ended
        self.pieces, self.size, self.ended = [], 0, 0
        return block

    def block(self, pieces: tuple[Piece, ...], size: int) -> Block:
        """Build a block, and move the offset past it."""
        gaps = tuple(gap for gap in self.gaps if gap[0] < size)
        self.gaps = [(at - size, dropped) for at, dropped in self.gaps if at >= size]
        size_in_log = size + sum(dropped for _, dropped in gaps)
        place = (self.log_id, self.name, pieces, self.line, self.offset)
        sizes = (size_in_log + self.uncounted, self.position())
        block = Block(*place, *sizes, growing=self.growing, head=self.head, gaps=gaps)
        self.head = b""
        self.offset += size_in_log
        self.uncounted = 0
        return block
