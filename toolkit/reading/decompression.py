"""Decompression: gzip members and zstd frames, each checked to its end.

Compression is detected by the first bytes, never by the name. The CRC of every gzip
member and the checksum of every zstd frame is verified.
"""

from __future__ import annotations

import re
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from isal.igzip_lib import DECOMP_GZIP, IgzipDecompressor, IsalError

from toolkit.errors import DamagedLogError, SourceError, UnreadableSourceError
from toolkit.reading.blocks import read_errors, until_error
from toolkit.reading.native import count_lines

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READ_BYTES = 1024 * 1024
# Input and output of a step of inflating: larger steps copy bytes more often.
_STEP_BYTES = 128 * 1024


@dataclass
class PushbackReader:
    """Reads a file, counts its position, and takes back bytes that were read too far.

    `verified` counts the decompressed bytes of the members that were checked to their
    end so far.
    """

    file: BinaryIO
    name: str
    position: int = 0
    verified: int = 0
    over: bytes = b""  # that were put back

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
        """Put back bytes that were read too far."""
        self.over = data + self.over
        self.position -= len(data)

    def rewind_to(self, file: BinaryIO, start: int) -> None:
        """Continue from a place of a file that can seek."""
        self.file = file
        self.file.seek(start)
        self.position = self.verified = 0
        self.over = b""

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
    inflater: Callable[[], IgzipDecompressor | zstd.ZstdDecompressor]


_GZIP = Codec("gzip", re.compile(rb"\x1f\x8b"), partial(IgzipDecompressor, DECOMP_GZIP))
# The second form is a skippable frame, which pzstd and other tools write.
_ZSTD_MAGIC = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")
_ZSTD = Codec("zstd", _ZSTD_MAGIC, zstd.ZstdDecompressor)
# isal declares its error as an instance.
_INFLATE_ERRORS = cast("tuple[type[Exception], ...]", (IsalError, zstd.ZstdError))


def iter_chunks(feed: PushbackReader, *, verify_first: bool = False) -> Iterator[bytes]:
    """Yield the decompressed bytes of a log.

    With `verify_first` a compressed log is read twice, and no bytes of a damaged member
    are yielded before the error is raised.
    """
    codec = detect_codec(feed)
    if codec is None:
        yield from iter_rest(feed)
    elif verify_first:
        yield from _verified(feed, codec)
    else:
        yield from _inflate(feed, codec)


def iter_rest(feed: PushbackReader) -> Iterator[bytes]:
    """Yield the bytes of a file up to its end, as they are."""
    while data := feed.read(READ_BYTES):
        yield data


def take_bytes(stream: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield the first bytes of a stream."""
    while size and (data := next(stream, b"")):
        yield data[:size]
        size -= min(size, len(data))


def _verified(feed: PushbackReader, codec: Codec) -> Iterator[bytes]:
    """Yield the bytes of the members before the first damaged one, then raise."""
    errors: list[SourceError] = []
    with _rewindable(feed, errors) as (file, start):
        feed.rewind_to(file, start)
        for _ in until_error(_inflate(feed, codec), errors):
            pass
        verified = feed.verified
        feed.rewind_to(file, start)
        yield from take_bytes(_inflate(feed, codec), verified)
        if errors:
            raise errors[0]


@contextmanager
def _rewindable(
    feed: PushbackReader, errors: list[SourceError]
) -> Iterator[tuple[BinaryIO, int]]:
    """Yield a file that can seek, and the place of the log in it.

    A file that cannot seek is copied to disk first, up to an error, which is appended.
    """
    if feed.file.seekable():
        yield feed.file, feed.file.tell() - feed.position - len(feed.over)
        return
    with read_errors(feed.name), tempfile.TemporaryFile() as spool:
        spool.writelines(until_error(iter_rest(feed), errors))
        yield cast("BinaryIO", spool), 0


def detect_codec(feed: PushbackReader) -> Codec | None:
    """Return the compression by the first bytes, None if there is none."""
    head = feed.peek(4)
    return next((codec for codec in (_GZIP, _ZSTD) if codec.magic.match(head)), None)


def _inflate(feed: PushbackReader, codec: Codec) -> Iterator[bytes]:
    """Yield the decompressed bytes of every member; raise at a damaged one."""
    while head := feed.peek(4):
        start, size, lines = feed.position, 0, 0
        fault = ""
        if codec.magic.match(head):
            try:
                for data in _inflate_member(feed, codec):
                    size += len(data)
                    lines += count_lines(data, 0, len(data))
                    yield data
            except EOFError:
                fault = "is cut off by the end of the file"
            except _INFLATE_ERRORS as error:
                fault = _corruption(codec, error)
        elif not any(data.strip(b"\0") for data in iter_rest(feed)):
            return  # padding, as tapes and block devices write it
        else:
            fault = f"is not {codec.name}: other bytes follow the compressed data"
        if fault:
            raise DamagedLogError(
                feed.name, byte=start, verified=feed.verified, lines=lines, fault=fault
            )
        feed.verified += size


def _inflate_member(feed: PushbackReader, codec: Codec) -> Iterator[bytes]:
    """Inflate one gzip member or zstd frame; its checksum is checked at its end."""
    inflater = codec.inflater()
    while not inflater.eof:
        data = feed.read(_STEP_BYTES) if inflater.needs_input else b""
        if inflater.needs_input and not data:
            raise EOFError
        if inflated := inflater.decompress(data, _STEP_BYTES):
            yield inflated
    feed.put_back(inflater.unused_data)


def _corruption(codec: Codec, error: Exception) -> str:
    """Format the error of a decompressor."""
    if "too much memory" in str(error):
        return "needs a window over 128 MiB (zstd --long): unpack it by hand first"
    return f"is corrupt ({codec.name}: {error})"
