"""Lines and texts of server-sent events, in which streamed responses are logged.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from toolkit.reading.json_values import LineError, checked_json

if TYPE_CHECKING:
    from collections.abc import Iterator

END = b"[DONE]"
_WHITE = b" \t\r\n"
_FRAMING = (b":", b"event:", b"id:", b"retry:")
_LINE_END = re.compile(rb"\r\n|\n|\r")


def strip_event(line: bytes) -> bytes:
    """Return the data of a line of an event stream, b"" if it has none.

    Any other line is returned as it is. ``error:`` is llama.cpp's.
    """
    if line.startswith(_FRAMING):
        return b""
    if line.startswith(b"data:"):
        return line[5:].strip(_WHITE)
    if line.startswith(b"error:"):
        return b'{"error":%s}' % line[6:]
    return line.strip(_WHITE)


def iter_events(text: bytes) -> Iterator[bytes]:
    """Yield the JSON of each event of a text; the last one may be cut off.

    An event ends at a blank line, or after a line of data that is whole JSON. Raise
    `LineError` if any but the last is not JSON, or if it is followed by whole JSON
    objects without a blank line between.
    """
    lines = _LINE_END.split(text.removeprefix(b"\xef\xbb\xbf"))
    unread: list[bytes] = []
    fault: LineError | None = None
    for line in [*lines, b""]:
        if line.startswith((b"data:", b"error:")):
            if fault is not None:
                raise fault
            unread.append(strip_event(line))
        elif line:
            continue
        if line and len(unread) > 1:
            continue  # it ends at a blank line
        data = b"\n".join(unread)
        try:
            event = b"" if data in (b"", END) else checked_json(data)
        except LineError as error:
            if not line:
                if any(map(_is_whole, unread[1:])):  # not all of it is one event
                    raise
                fault, unread = error, []
            continue
        unread = []
        if event:
            yield event


def _is_whole(data: bytes) -> bool:
    """Return whether a line of data is an event of its own: an object, or the end."""
    if data == END:
        return True
    with suppress(LineError):
        return checked_json(data).startswith(b"{")
    return False
