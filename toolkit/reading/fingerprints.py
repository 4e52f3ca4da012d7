"""How far a log was read, and the bytes by which it is known again.

A log is known by what it holds: its first bytes, and the last ones before the place up
to which it was read. Neither its name nor its inode nor its compression says more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import xxhash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEAD_BYTES = 64 * 1024
_TAIL_BYTES = 4 * 1024


class Checkpoint(NamedTuple):
    """The place up to which a log was read; offsets are decompressed bytes."""

    offset: int
    line: int  # number of the next line
    head: str  # hash of the first bytes, up to the offset
    tail: str  # hash of the last bytes before the offset

    @property
    def head_bytes(self) -> int:
        """How many first bytes of the log `head` is of."""
        return min(HEAD_BYTES, self.offset)

    @property
    def tail_bytes(self) -> int:
        """How many bytes before the offset `_tail` is of."""
        return min(_TAIL_BYTES, self.offset)


class Fingerprint(NamedTuple):
    """What was seen of a log: its two places that may be marked, by what they hold.

    A place is the end of what has passed, or that of the last whole line in it.
    """

    size: int
    head: str
    tail: str
    line_end: int
    head_of_lines: str
    tail_of_lines: str

    def checkpoint(self, offset: int, line: int) -> Checkpoint:
        """Mark a place."""
        if offset == self.size:
            return Checkpoint(offset, line, self.head, self.tail)
        if offset == self.line_end:
            return Checkpoint(offset, line, self.head_of_lines, self.tail_of_lines)
        message = f"{offset} is neither the end nor that of a line"
        raise ValueError(message)

    def with_head_of(self, first: Fingerprint) -> Fingerprint:
        """Return the same of a log that was seen in two stretches or more.

        Each is longer than what is hashed: head and tails are of one stretch alone.
        """
        return self._replace(head=first.head, head_of_lines=first.head)


def _digest(data: bytes) -> str:
    """Return the hash of bytes."""
    return xxhash.xxh3_128_hexdigest(data)


class Fingerprinter:
    """Looks at the bytes of a log as they pass, and can then say what it saw."""

    def __init__(self) -> None:
        self.size = self.line_end = 0
        self.head = self.last = self.last_of_line = b""

    def read_through(self, stream: Iterable[bytes]) -> Iterator[bytes]:
        """Pass bytes on, and look at them."""
        for data in stream:
            self.add(data)
            yield data

    def add(self, data: bytes) -> None:
        """Look at the next bytes."""
        self.head += data[: HEAD_BYTES - len(self.head)]
        end = data.rfind(b"\n") + 1
        if end:
            self.line_end = self.size + end
            self.last_of_line = _tail(self.last, data, end)
        self.last = _tail(self.last, data, len(data))
        self.size += len(data)

    def resume(self, head: bytes, last: bytes, size: int) -> None:
        """Begin behind bytes that were looked at before."""
        self.head, self.last, self.last_of_line = head, last, last
        self.size = self.line_end = size

    def fingerprint(self) -> Fingerprint:
        """Say what was seen so far."""
        return Fingerprint(
            self.size,
            _digest(self.head),
            _digest(self.last),
            self.line_end,
            _digest(self.head[: self.line_end]),
            _digest(self.last_of_line),
        )


def _tail(before: bytes, data: bytes, end: int) -> bytes:
    """Return the last bytes of two pieces, the second one up to a place."""
    if end >= _TAIL_BYTES:
        return data[end - _TAIL_BYTES : end]
    return (before + data[:end])[-_TAIL_BYTES:]
