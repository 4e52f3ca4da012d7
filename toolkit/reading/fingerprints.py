"""How far a log was read, and hashes of its bytes that identify it later.

A log is identified by its content: its first bytes, and the last ones before the place
up to which it was read. Its name, its inode and its compression do not matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import xxhash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEAD_BYTES = 64 * 1024
_TAIL_BYTES = 4 * 1024


@dataclass(frozen=True)
class Checkpoint:
    """The place up to which a log was read; offsets are decompressed bytes."""

    offset: int
    line: int  # number of the next line
    head: str  # hash of the first bytes, up to the offset
    tail: str  # hash of the last bytes before the offset

    @property
    def head_bytes(self) -> int:
        """The number of first bytes that `head` is the hash of."""
        return min(HEAD_BYTES, self.offset)

    @property
    def tail_bytes(self) -> int:
        """The number of bytes before the offset that `tail` is the hash of."""
        return min(_TAIL_BYTES, self.offset)


class Fingerprint(NamedTuple):
    """Hashes of a log at the end of what was read, and of its last whole line."""

    size: int
    head: str
    tail: str
    line_end: int
    head_of_lines: str
    tail_of_lines: str

    def checkpoint(self, offset: int, line: int) -> Checkpoint:
        """Build the checkpoint of one of the two places."""
        if offset == self.size:
            return Checkpoint(offset, line, self.head, self.tail)
        if offset == self.line_end:
            return Checkpoint(offset, line, self.head_of_lines, self.tail_of_lines)
        message = f"{offset} is neither the end of the log nor of a line"
        raise ValueError(message)

    def with_head_of(self, first: Fingerprint) -> Fingerprint:
        """Return the fingerprint of a log that was read in two ranges or more.

        Each range is longer than the bytes that are hashed, so that the head is in the
        first range alone, and the tails are in the last one.
        """
        return self._replace(head=first.head, head_of_lines=first.head)


def hash_bytes(data: bytes) -> str:
    """Return the hash of bytes."""
    return xxhash.xxh3_128_hexdigest(data)


class Fingerprinter:
    """Computes the fingerprint of a log while its bytes pass."""

    def __init__(self) -> None:
        self.size = self.line_end = 0
        self.head = self.last = self.last_of_line = b""

    def read_through(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the bytes of a stream, and add each."""
        for data in stream:
            self.add(data)
            yield data

    def add(self, data: bytes) -> None:
        """Add the next bytes."""
        self.head += data[: HEAD_BYTES - len(self.head)]
        end = data.rfind(b"\n") + 1
        if end:
            self.line_end = self.size + end
            self.last_of_line = _tail(self.last, data, end)
        self.last = _tail(self.last, data, len(data))
        self.size += len(data)

    def resume(self, head: bytes, last: bytes, size: int) -> None:
        """Continue behind bytes that were read earlier."""
        self.head, self.last, self.last_of_line = head, last, last
        self.size = self.line_end = size

    def fingerprint(self) -> Fingerprint:
        """Return the fingerprint of the bytes so far."""
        return Fingerprint(
            self.size,
            hash_bytes(self.head),
            hash_bytes(self.last),
            self.line_end,
            hash_bytes(self.head[: self.line_end]),
            hash_bytes(self.last_of_line),
        )


def _tail(before: bytes, data: bytes, end: int) -> bytes:
    """Return the last bytes of two pieces, the second one up to a place."""
    if end >= _TAIL_BYTES:
        return data[end - _TAIL_BYTES : end]
    return (before + data[:end])[-_TAIL_BYTES:]
