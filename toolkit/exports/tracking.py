"""Which of the logs that were found an export knows, and what is new in them.

A file is the log whose mark it matches, whatever its name: that of the recorded path
wins, then the first in order. Any other file is a new log.
"""

from __future__ import annotations

import math
import os
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import xxhash

from toolkit.errors import SourceError, UnreadableSourceError
from toolkit.exports.resume import first_bytes, unread_bytes, unread_range
from toolkit.reading.blocks import STDIN
from toolkit.reading.discovery import describe_file
from toolkit.reading.ledger import TOTALS
from toolkit.reading.manifest import TrackedLog
from toolkit.reading.object_store import is_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from toolkit.exports.resume import LogRange
    from toolkit.reading.blocks import Source
    from toolkit.reading.fingerprints import Fingerprint
    from toolkit.reading.options import OnDamage

# A file that was written to later than that is looked into, though its stamp is equal.
_REST_NANOSECONDS = 2 * 10**9

# Of a stamp, what a new name does not change: device, inode, size, time of writing.
_FILE_FIELDS = 4

# What a log had is added to what is new; of the others the new value stands.
_ADDED = tuple(name for name in TOTALS if name not in {"bytes", "pending_bytes"})


class PendingLog(NamedTuple):
    """A log of which there is something to read."""

    source: Source
    log_id: int
    known: TrackedLog | None

    @property
    def log_range(self) -> LogRange:
        """What to read of it."""
        mark = None if self.known is None else self.known.mark
        return unread_range(self.log_id, self.source, mark)

    def after_run(
        self, counts: dict[str, Any], sight: Fingerprint, *, is_cut: bool, now: int
    ) -> TrackedLog:
        """Return the log as it is known after it was read; counts are of this run.

        A last line that was rejected as truncated stands behind the mark: if it comes
        whole, it is read.
        """
        before = self.known
        _, _, mark, start, line, *_ = self.log_range
        row = {**counts, "bytes": start + counts["bytes"]}
        if before is not None:
            row |= {name: before.row[name] + counts[name] for name in _ADDED}
            if not (row["responses"] or row["duplicates"]):
                row["hint"] = counts["hint"] or before.row["hint"]
        known = _refresh(TrackedLog(row, "", mark=mark), self.source, now)
        if sight.size < start:  # it could not be read up to its mark
            return replace(known, cut=before.cut if before else 0)
        end, line = row["bytes"] - row["pending_bytes"], line + counts["lines"]
        cut = end - sight.line_end if is_cut and sight.line_end else 0
        if cut:
            end, line = sight.line_end, line - 1
        if line > 1:
            return replace(known, mark=sight.checkpoint(end, line), cut=cut)
        torn = sight.checkpoint(sight.size, line) if row["pending_bytes"] else None
        return replace(known, mark=None, torn=torn)


class Tracker:
    """Gives each file to at most one known log, and each known log at most one file."""

    def __init__(
        self, found: Sequence[Source], known: Sequence[TrackedLog], on_damage: OnDamage
    ) -> None:
        self.found = found
        self.now = time.time_ns()
        self.on_damage = on_damage
        self.known = {log.log_id: log for log in known}
        self.by_path = {log.path: log for log in known}  # the latest of that name
        self.by_file = {log.stamp[:_FILE_FIELDS]: log for log in known if log.stamp}
        self.free = dict(self.known)  # no file was given to these
        self.given: dict[
            Source, tuple[TrackedLog, bool]
        ] = {}  # and whether more is in it
        self.settle()

    def settle(self) -> None:
        """Give files to known logs: by stamp, by recorded path, by what they hold."""
        named = [source for source in self.found if source.stamp and self.known]
        for source in named:
            log = self.by_path.get(source.path)
            if log is not None and self.is_unchanged(log, source):
                self.give(source, log, has_more=False)
        for source in named:
            log = self.by_file.get((source.stamp or ())[:_FILE_FIELDS])
            if log is not None and self.is_renamed(log, source):
                self.give(source, log, has_more=False)
        for source in named:
            log = self.by_path.get(source.path)
            if log is not None and source not in self.given:
                self.try_to_give(source, [log])
        heads = _group_by_head(self.free.values())
        for source in named:
            if source not in self.given and heads:
                self.try_to_give(source, _candidates(source, heads))

    def is_unchanged(self, log: TrackedLog, source: Source) -> bool:
        """Say whether a file needs no look into it; one that is damaged needs it."""
        is_whole = self.on_damage == "collect" or log.row["error"] is None
        return log.rested and log.stamp == source.stamp and is_whole

    def is_renamed(self, log: TrackedLog, source: Source) -> bool:
        """Say whether a file only has another name: no content was written since."""
        is_whole = self.on_damage == "collect" or log.row["error"] is None
        is_free = log.log_id in self.free and source not in self.given
        return is_free and log.rested and is_whole and log.path != source.path

    def give(self, source: Source, log: TrackedLog, *, has_more: bool) -> None:
        """Take a file for a known log."""
        self.given[source] = log, has_more
        del self.free[log.log_id]

    def try_to_give(self, source: Source, logs: Iterable[TrackedLog]) -> None:
        """Take a file for the first of some logs whose mark it matches."""
        for log in logs:
            if log.log_id not in self.free:
                continue
            if log.last_checkpoint is None:  # nothing but its path
                self.give(source, log, has_more=True)
                return
            try:
                size = unread_bytes(source, log.last_checkpoint, at_most=log.cut + 1)
            except UnreadableSourceError:
                if source.path != log.path:
                    continue
                size = log.cut + 1  # whoever reads it says why it cannot be read
            except SourceError:  # damaged before the mark
                continue
            if size is not None:
                is_more = size > log.cut or log.row["pending_bytes"] > 0
                self.give(source, log, has_more=is_more)
                return

    def unread(self) -> list[PendingLog]:
        """Return the logs with something new in them, in the order of the files."""
        next_log_id = max(self.known, default=-1) + 1
        unread = []
        for source in self.found:
            log, has_more = self.given.get(source, (None, True))
            if log is None:
                unread.append(PendingLog(source, next_log_id, None))
                next_log_id += 1
            elif has_more:
                unread.append(PendingLog(source, log.log_id, log))
        return unread

    def renamed(self) -> dict[int, TrackedLog]:
        """Return the known logs under the names and with the stamps they have now."""
        known = dict(self.known)
        for source, (log, has_more) in self.given.items():
            if not has_more:
                known[log.log_id] = _refresh(log, source, self.now)
        return known

    def losses(self) -> Iterator[tuple[TrackedLog, int | None]]:
        """Yield the logs that are gone, with the bytes of them that were never read.

        None is said of one whose name has another log, and of which nothing is known.
        """
        names = {source.path for source in self.found}
        for source in self.found:
            log = self.by_path.get(source.path)
            is_new = source.stamp and source not in self.given
            if is_new and log and log.last_checkpoint and log.log_id in self.free:
                left = _count_unread_in_folder(log)
                unread = log.row["pending_bytes"] if left is None else left
                if unread or left is None:
                    yield log, unread or None
        for log in self.free.values():
            pending = log.row["pending_bytes"]
            is_told = log.row["error"] is not None or log.path in names
            if pending and not is_told and not _may_exist(log.path):
                yield log, pending


def _refresh(log: TrackedLog, source: Source, now: int) -> TrackedLog:
    """Note the name and the stamp that a known log has now."""
    changed = [time for time in (source.stamp or ())[-2:] if isinstance(time, int)]
    return replace(
        log,
        row={**log.row, "source": source.name},
        path=source.path,
        stamp=source.stamp,
        rested=all(time < now - _REST_NANOSECONDS for time in changed),
    )


def _may_exist(path: str) -> bool:
    """Say whether a log may still be where it was; of a store nobody asks."""
    return is_uri(path) or path == STDIN or os.path.lexists(path)


def _count_unread_in_folder(log: TrackedLog) -> int | None:
    """Count what is unread of a log that has another name in its folder by now.

    None: it is not there. A pattern such as ``*.jsonl`` does not find what was rotated.
    """
    device, inode, *_ = log.stamp or (None, None)
    folders = {Path(log.path).parent, Path(os.path.realpath(log.path)).parent}
    for folder in folders:
        with suppress(OSError, SourceError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.inode() != inode or entry.stat().st_dev != device:
                    continue
                source, _ = describe_file(entry.path, entry.stat())
                last_checkpoint = log.last_checkpoint
                left = last_checkpoint and unread_bytes(
                    source, last_checkpoint, at_most=math.inf
                )
                if left is not None:
                    return left + (log.torn.offset if log.torn else 0)
    return None


# First bytes: of how many they are the hash, the hash, and the logs that begin so.
_Heads: TypeAlias = "dict[int, dict[str, list[TrackedLog]]]"


def _group_by_head(logs: Iterable[TrackedLog]) -> _Heads:
    """Arrange known logs by their first bytes, those that were read furthest first."""
    heads: _Heads = {}
    marked = [
        (log.last_checkpoint, log) for log in logs if log.last_checkpoint is not None
    ]
    for mark, log in sorted(marked, key=lambda marked: -marked[0].offset):
        heads.setdefault(mark.head_bytes, {}).setdefault(mark.head, []).append(log)
    return dict(sorted(heads.items()))


def _candidates(source: Source, heads: _Heads) -> list[TrackedLog]:
    """Return the known logs that begin like a file."""
    try:
        head = first_bytes(source)
    except SourceError:
        return []  # whoever reads it says why
    hasher, hashed = xxhash.xxh3_128(), 0
    found: list[TrackedLog] = []
    for size, logs in heads.items():
        if size > len(head):
            break
        hasher.update(head[hashed:size])
        hashed = size
        found = logs.get(hasher.hexdigest(), []) + found
    return found
