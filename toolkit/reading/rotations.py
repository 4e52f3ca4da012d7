"""Find the rotation set of a log, and order the logs of a set, oldest first.

A rotation set is a log and its rotations: the same folder, and the same name without
compression ending and rotation suffix.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from toolkit import system
from toolkit.errors import as_text
from toolkit.reading.object_store import is_uri

if TYPE_CHECKING:
    from collections.abc import Iterable

    from toolkit.reading.blocks import Source

# app.jsonl, app.ndjson.gz, app.jsonl.1, app.jsonl-20261122.zst, app.jsonl.2026-11-22
# app.jsonl.gz.1, app.log.1. Without a file ending before it, a number is no suffix.
_ZIP = r"(?:\.(?:gz|zst))?"
_SUFFIX = r"(?:[.-]([0-9][0-9TZ_:.+-]*))?"
_NAME = re.compile(rf"(?is)(.*?(\.(?!gz\b|zst\b)[a-z]+)?){_ZIP}(?(2){_SUFFIX}){_ZIP}\Z")
# Seconds since 1970, also with the digits of milli-, micro- or nanoseconds.
_SECONDS = re.compile(r"(1[0-9]{9})(?:[0-9]{3}){0,3}(?![0-9])")
_OFFSET = re.compile(r"T[0-9:.]{4,}[+-][0-9]{2}:?[0-9]{2}\Z", re.IGNORECASE)
# A year and a month, then perhaps a day and a time of six digits. A shorter time or a
# counter is compared as a number after these.
_DATE = re.compile(
    r"\A(20[0-9]{2})[._-]?([0-9]{2})(?:[._-]?([0-9]{2}))?"
    r"(?:[Tt_-]?([0-9]{2})[:_-]?([0-9]{2})[:_-]?([0-9]{2})(?![0-9]))?"
)


def rotation_set(path: str) -> str:
    """Return the path or address of a log without compression and rotation suffix.

    Examples
    --------
    >>> rotation_set("logs/app.jsonl-20261122.gz")
    'logs/app.jsonl'
    >>> rotation_set("logs/gpt-4.1.jsonl")
    'logs/gpt-4.1.jsonl'
    """
    return _split(as_text(path))[0]


def sort_rotations(logs: Iterable[Source]) -> list[Source]:
    """Return logs with each rotation set together, oldest first; sets keep their order.

    Dates are sorted from old to new, then numbers from high to low; the log without a
    suffix is last.
    """
    sets: dict[str, list[Source]] = {}
    for log in logs:
        sets.setdefault(rotation_set(log.path), []).append(log)
    return [log for members in sets.values() for log in sorted(members, key=_age)]


def _split(path: str) -> tuple[str, str]:
    """Return the rotation set of a log, and its rotation suffix."""
    name = path if is_uri(path) else system.portable(os.path.normpath(path))
    log, _, suffix = _NAME.findall(name)[0]
    return log, suffix


def _age(log: Source) -> tuple[int, list[int], str]:
    """Return what the logs of a rotation set are sorted by."""
    _, suffix = _split(log.path)
    if not suffix:  # a compressed log, which has the longer name, is the older one
        return 2, [-len(log.path)], log.path
    text, is_date = _DATE.subn(r"\1 \2 \3 \4 \5 \6 ", _in_utc(suffix))
    numbers = [int(digits) for digits in re.findall(r"[0-9]+", text)]
    return (0, numbers, log.path) if is_date else (1, [-n for n in numbers], log.path)


def _in_utc(suffix: str) -> str:
    """Write epoch seconds, or a time with an offset, as a time in UTC."""
    if seconds := _SECONDS.match(suffix):
        time = datetime.fromtimestamp(int(seconds[1]), UTC)
        return f"{time:%Y%m%dT%H%M%S}.{suffix[seconds.end(1) :]}"
    if _OFFSET.search(suffix):
        with suppress(ValueError, OverflowError):
            return f"{datetime.fromisoformat(suffix).astimezone(UTC):%Y%m%dT%H%M%S}"
    return suffix
