"""From a log to blocks of whole lines: reading, decompression, framing.

The only module that opens a log. Compression is known by its first bytes, never by a
name; every gzip member's CRC and every zstd checksum is verified.
"""

from __future__ import annotations

import errno
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

import zstandard
from isal import isal_zlib
from isal.igzip_lib import IsalError

from toolkit.blocks import STDIN, Block, Source
from toolkit.errors import (
    DamagedLogError,
    UnreadableSourceError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BLOCK_BYTES = 1024 * 1024
READ_BYTES = 256 * 1024
# zstd stores a run of 128 KiB in 4 bytes: fed 4 KiB at a time, no step of a bomb
# gives more than 128 MiB.
ZSTD_READ_BYTES = 4 * 1024

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Feed:
    """The bytes of a file, with the position, and a place to put back what is over."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.file = file
        self.name = name
        self.position = 0
        self.over = b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        if self.over:
            data, self.over = self.over[:size], self.over[size:]
        else:
            try:
                data = self.file.read(size)
            except OSError as error:
                raise UnreadableSourceError(self.name, cause=error) from error
        self.position += len(data)
        return data

    def put_back(self, data: bytes) -> None:
        """Take back bytes that were read too far."""
        self.over = data + self.over
        self.position -= len(data)

    def peek(self, size: int) -> bytes:
        """Return the next bytes without reading past them."""
        data = b""
        while len(data) < size and (more := self.read(size - len(data))):
            data += more
        self.put_back(data)
        return data


class Codec(NamedTuple):
    """One kind of compression."""

    name: str
    magic: re.Pattern[bytes]
    member: Callable[[Feed], Iterator[bytes]]


# isal declares its error as an instance.
INFLATE_ERRORS = cast("tuple[type[Exception], ...]", (IsalError, zstandard.ZstdError))


class EndOfFile(Exception):  # noqa: N818 - caught in this module
    """A member that the file ends in."""


def gzip_member(feed: Feed) -> Iterator[bytes]:
    """Inflate one gzip member; its CRC and length are checked at its end."""
    inflater = isal_zlib.decompressobj(wbits=31)
    while not inflater.eof:
        data = inflater.unconsumed_tail or feed.read(READ_BYTES)
        inflated = inflater.decompress(data, READ_BYTES)
        if inflated:
            yield inflated
        elif not data:
            raise EndOfFile
    feed.put_back(inflater.unused_data)


def zstd_frame(feed: Feed) -> Iterator[bytes]:
    """Inflate one zstd frame; its checksum is checked at its end if it has one."""
    inflater = zstandard.ZstdDecompressor().decompressobj()
    while not inflater.eof:
        data = feed.read(ZSTD_READ_BYTES)
        if not data:
            raise EndOfFile
        inflated = inflater.decompress(data)
        for at in range(0, len(inflated), READ_BYTES):
            yield inflated[at : at + READ_BYTES]
    feed.put_back(inflater.unused_data)


GZIP = Codec("gzip", re.compile(rb"\x1f\x8b"), gzip_member)
# The second form is a frame to skip: pzstd and other tools write it.
ZSTD = Codec(
    "zstd", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"), zstd_frame
)


def chunks(feed: Feed) -> Iterator[bytes]:
    """Yield the decompressed bytes of a log."""
    codec = codec_of(feed)
    if codec is not None:
        yield from inflate(feed, codec)
        return
    while data := feed.read(READ_BYTES):
        yield data


def codec_of(feed: Feed) -> Codec | None:
    """Tell the compression by the first bytes; None is plain."""
    head = feed.peek(4)
    return next((codec for codec in (GZIP, ZSTD) if codec.magic.match(head)), None)


def inflate(feed: Feed, codec: Codec) -> Iterator[bytes]:
    """Yield the decompressed bytes of every member, or raise where one is damaged."""
    verified = 0
    while head := feed.peek(4):
        start, size, lines = feed.position, 0, 0
        fault = ""
        if codec.magic.match(head):
            try:
                for data in codec.member(feed):
                    size += len(data)
                    lines += data.count(b"\n")
                    yield data
            except EndOfFile:
                fault = "is cut off by the end of the file"
            except INFLATE_ERRORS as error:
                fault = corruption(codec, error)
        elif is_padding(feed, head):
            return
        else:
            fault = f"is not {codec.name}: other bytes follow the compressed ones"
        if fault:
            raise DamagedLogError(
                feed.name, byte=start, verified=verified, lines=lines, fault=fault
            )
        verified += size


def corruption(codec: Codec, error: Exception) -> str:
    """Say what a decompressor refused."""
    if "too much memory" in str(error):
        return "needs a window over 128 MiB (zstd --long): unpack it by hand first"
    return f"is corrupt ({codec.name}: {error})"


def is_padding(feed: Feed, head: bytes) -> bool:
    """Say whether only zeros follow, as tapes and block devices leave them."""
    if head.strip(b"\0"):
        return False
    while data := feed.read(READ_BYTES):
        if data.strip(b"\0"):
            return False
    return True


def open_log(source: Source) -> BinaryIO:
    """Open a log for reading, unbuffered."""
    if source.path == STDIN:
        if sys.stdin is None:
            closed = OSError(errno.EBADF, "standard input is closed")
            raise UnreadableSourceError(source.name, cause=closed)
        return sys.stdin.buffer
    try:
        return Path(source.path).open("rb", buffering=0)
    except OSError as error:
        raise UnreadableSourceError(source.name, cause=error) from error


def blocks(
    source: Source,
    log_id: int,
    *,
    max_line_bytes: int,
    block_bytes: int = BLOCK_BYTES,
) -> Iterator[Block]:
    """Yield a log as blocks of whole lines, in order, with line numbers and offsets."""
    file = open_log(source)
    try:
        feed = Feed(file, source.name)
        framer = Framer(log_id, source.name, max_line_bytes, block_bytes)
        framer.growing = source.size is not None and codec_of(feed) is None
        yield from framer.frame(chunks(feed), lambda: feed.position)
    finally:
        if source.path != STDIN:
            file.close()


class Framer:
    """Cuts a stream of bytes into blocks of whole lines.

    Holds at most a block and an unfinished line; of a line that grows past the limit
    only the length is kept.
    """

    def __init__(
        self, log_id: int, name: str, max_line_bytes: int, block_bytes: int
    ) -> None:
        self.log_id = log_id
        self.name = name
        self.longest = max_line_bytes
        self.block_bytes = block_bytes
        self.pieces: list[bytes] = []
        self.held = 0  # bytes in pieces
        self.whole = 0  # of them up to the last line feed
        self.line = 1
        self.offset = 0  # of the first byte in pieces
        self.unsaid = 0  # bytes before it that no block has accounted for
        self.skipped = 0  # bytes of a line that is too long, already dropped
        self.ends_in_cr = False
        self.growing = False
        self.position: Callable[[], int] = int

    def frame(
        self, stream: Iterable[bytes], position: Callable[[], int]
    ) -> Iterator[Block]:
        """Yield the blocks of a stream."""
        self.position = position
        for chunk in without_mark(stream):
            if chunk is BYTE_ORDER_MARK:
                self.offset = self.unsaid = len(chunk)
                continue
            yield from self.add(chunk)
        if self.skipped:
            yield self.skip_block(b"", tail=True)
        elif self.held or self.unsaid:
            yield self.block(b"".join(self.pieces), tail=True)

    def add(self, chunk: bytes) -> Iterator[Block]:
        """Take more bytes; yield what has become whole blocks."""
        if self.skipped:
            end = chunk.find(b"\n")
            if end < 0:
                self.skip(chunk)
                return
            yield self.skip_block(chunk[: end + 1])
            chunk = chunk[end + 1 :]
        if not chunk:
            return
        cut = chunk.rfind(b"\n") + 1
        if cut:
            self.whole = self.held + cut
        self.pieces.append(chunk)
        self.held += len(chunk)
        if self.whole >= self.block_bytes:
            yield self.cut()
        # One byte more than the limit may be the CR of a line end.
        if self.held - self.whole > self.longest + 1:
            if self.whole:
                yield self.cut()
            line, self.pieces = self.pieces, []
            self.held = 0
            for piece in line:
                self.skip(piece)

    def cut(self) -> Block:
        """Return the whole lines held, and keep the unfinished one."""
        data = b"".join(self.pieces)
        rest = data[self.whole :]
        block = self.block(data[: self.whole])
        self.pieces = [rest] if rest else []
        self.held, self.whole = len(rest), 0
        return block

    def block(
        self, data: bytes, *, tail: bool = False, skipped: int | None = None
    ) -> Block:
        """Make a block, and move line and offset past it."""
        size = len(data) if skipped is None else self.skipped
        block = Block(
            self.log_id,
            self.name,
            data if skipped is None else b"",
            self.line,
            self.offset,
            size + self.unsaid,
            self.position(),
            tail,
            self.growing,
            skipped,
        )
        self.line += data.count(b"\n")
        self.offset += size
        self.unsaid = 0
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
        block = self.block(end, tail=tail, skipped=length)
        self.skipped = 0
        return block


def without_mark(stream: Iterable[bytes]) -> Iterator[bytes]:
    """Set a byte-order mark at the start apart from the bytes behind it."""
    head = b""
    pieces = iter(stream)
    for piece in pieces:
        head += piece
        if len(head) >= len(BYTE_ORDER_MARK):
            break
    if head.startswith(BYTE_ORDER_MARK):
        yield BYTE_ORDER_MARK
        head = head[len(BYTE_ORDER_MARK) :]
    if head:
        yield head
    yield from pieces
