"""Match the files that were found with the logs of an export, and find what is new.

A file is the log whose checkpoint it matches, whatever its name. If several match, the
log with the path of the file comes first. A file that matches none is a new log.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolkit.errors import SourceError, UnreadableSourceError
from toolkit.exports.resume import LogRange, count_unread, read_first_bytes
from toolkit.reading.blocks import STDIN, Source
from toolkit.reading.discovery import describe_file
from toolkit.reading.fingerprints import Checkpoint, hash_bytes
from toolkit.reading.ledger import TOTALS
from toolkit.reading.manifest import TrackedLog
from toolkit.reading.object_store import find_object, is_uri
from toolkit.reading.rotations import rotation_set

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from toolkit.exports.worker import TaskResult
    from toolkit.reading.options import OnDamage

# A file that was written to within this time is read again even if its stamp is equal:
# some file systems have timestamps of two seconds.
_REST_NANOSECONDS = 2 * 10**9
# A log that was not written to for so long will not get the rest of a stream.
_STREAM_SECONDS = 3600

# The fields of a stamp that a rename does not change: device, inode, size, mtime.
_FILE_FIELDS = 4

# Columns of the ledger that are summed over runs; of others the latest value is used.
_ADDED = tuple(name for name in TOTALS if name not in {"bytes", "pending_bytes"})


class Tracker:
    """Assign each file to at most one tracked log, and each log at most one file."""

    def __init__(
        self,
        found: Sequence[Source],
        tracked: Sequence[TrackedLog],
        on_damage: OnDamage,
    ) -> None:
        self.found = found
        self.now = time.time_ns()
        self.on_damage = on_damage
        self.tracked = {log.log_id: log for log in tracked}
        self.by_path = {log.path: log for log in tracked}  # the latest of that name
        self.unassigned = dict(self.tracked)
        # The log of each file, and whether the file has more to read.
        self.assigned: dict[Source, tuple[TrackedLog, bool]] = {}
        self.assign_files()

    def assign_files(self) -> None:
        """Assign files to logs by stamp, then by path, then by content."""
        files = {source: source.stamp for source in self.found if source.stamp}
        for source, stamp in files.items():
            log = self.by_path.get(source.path)
            if log and log.stamp == stamp:
                self.assign_unchanged(source, log)
        by_file = {
            log.stamp[:_FILE_FIELDS]: log for log in self.tracked.values() if log.stamp
        }
        for source, stamp in files.items():
            log = by_file.get(stamp[:_FILE_FIELDS])
            if log and log.path != source.path:
                self.assign_unchanged(source, log)
        for source in files:
            log = self.by_path.get(source.path)
            if log is not None and source not in self.assigned:
                self.assign_match(source, [log])
        marked = [
            (mark, log)
            for log in self.unassigned.values()
            if (mark := log.last_checkpoint) is not None
        ]
        marked.sort(key=lambda pair: -pair[0].offset)  # read furthest first
        for source in files:
            if source not in self.assigned and marked:
                self.assign_match(source, _find_candidates(source, marked))

    def assign_unchanged(self, source: Source, log: TrackedLog) -> None:
        """Assign a file with the stamp of a log to it without opening the file.

        A damaged one is opened again, to raise its error.
        """
        is_free = source not in self.assigned and log.log_id in self.unassigned
        is_whole = self.on_damage == "collect" or log.row["error"] is None
        if is_free and log.rested and is_whole:
            self.assign(source, log, has_more=False)

    def assign(self, source: Source, log: TrackedLog, *, has_more: bool) -> None:
        """Assign a file to a log."""
        self.assigned[source] = log, has_more
        del self.unassigned[log.log_id]

    def assign_match(self, source: Source, logs: Iterable[TrackedLog]) -> None:
        """Assign a file to the first of some logs whose checkpoint it matches."""
        for log in logs:
            if log.log_id not in self.unassigned:
                continue
            if log.last_checkpoint is None:  # only its path is known
                self.assign(source, log, has_more=True)
                return
            try:
                size = count_unread(source, log.last_checkpoint, log.cut + 1)
            except UnreadableSourceError:
                if source.path != log.path:
                    continue
                size = log.cut + 1  # the error is raised when it is read
            except SourceError:  # damaged before the checkpoint
                continue
            if size is not None:
                is_more = size > log.cut or log.row["pending_bytes"] > 0
                self.assign(source, log, has_more=is_more)
                return

    def find_pending(self) -> list[LogRange]:
        """Return what is unread of each log, in the order of the files."""
        new_ids = count(max(self.tracked, default=-1) + 1)
        pending = []
        for source in self.found:
            log, has_more = self.assigned.get(source, (None, True))
            if has_more:
                log_id = next(new_ids) if log is None else log.log_id
                mark = None if log is None else log.mark
                place = (mark.offset, mark.line) if mark else (0, 1)
                pending.append(LogRange(log_id, source, mark, *place))
        return pending

    def track(
        self, log: LogRange, result: TaskResult, counts: dict[str, Any]
    ) -> TrackedLog:
        """Return a log as it is after it was read; the counts are those of this run.

        A last line that was rejected as truncated is left after the checkpoint: if its
        rest arrives later, the line is read whole.
        """
        before = self.tracked.get(log.log_id)
        fingerprint = result.fingerprints[log.log_id]
        row = {**counts, "bytes": log.offset + counts["bytes"]}
        looks = result.ledger.looks[log.log_id]
        if before is not None:
            row |= {name: before.row[name] + counts[name] for name in _ADDED}
            looks = before.looks + looks
            row["hint"] = looks.hint(row)
        read = TrackedLog(row, "", mark=log.mark, looks=looks)
        tracked = _refresh(read, log.source, self.now)
        if fingerprint.size < log.offset:  # it could not be read up to its checkpoint
            return replace(tracked, cut=before.cut if before else 0)
        end, line = row["bytes"] - row["pending_bytes"], log.line + counts["lines"]
        line_end = fingerprint.line_end
        is_truncated = log.log_id in result.truncated
        cut = end - line_end if is_truncated and line_end else 0
        if cut:
            end, line = line_end, line - 1
        if line > 1:
            return replace(tracked, mark=fingerprint.checkpoint(end, line), cut=cut)
        torn = None
        if row["pending_bytes"]:
            torn = fingerprint.checkpoint(fingerprint.size, line)
        return replace(tracked, mark=None, torn=torn)

    def refresh_assigned(self) -> dict[int, TrackedLog]:
        """Return the tracked logs with the present names and stamps of their files."""
        tracked = dict(self.tracked)
        for source, (log, has_more) in self.assigned.items():
            if not has_more:
                tracked[log.log_id] = _refresh(log, source, self.now)
        return tracked

    @cached_property
    def by_set(self) -> dict[str, list[Source]]:
        """The logs of each rotation set, also those that were not found."""
        by_set: dict[str, list[Source]] = {}
        others = [Source(log.path, 0) for log in self.unassigned.values()]
        for source in [*self.found, *others]:
            by_set.setdefault(rotation_set(source.path), []).append(source)
        return by_set

    def moved_sets(self) -> dict[str, str]:
        """Return the rotation sets whose logs are now in another folder, and where."""
        logs = {log.path: source.path for source, (log, _) in self.assigned.items()}
        moved = {rotation_set(before): rotation_set(logs[before]) for before in logs}
        return {before: moved[before] for before in moved.keys() - self.by_set.keys()}

    def is_active(self, stream_set: str, unread: Sequence[Source]) -> bool:
        """Return whether a stream of a rotation set may go on in a later run.

        That is so if a log of the set was written to within the last hour, or was moved
        away before it was read.
        """
        recent = self.now / 1e9 - _STREAM_SECONDS
        return any(
            source in unread or _changed_at(source) >= recent
            for source in self.by_set.get(stream_set, ())
        )

    def find_losses(self) -> Iterator[tuple[TrackedLog, int | None]]:
        """Yield the logs that are gone, with the number of their bytes not read.

        It is None if another log has the name, and nothing more is known.
        """
        new_files = {
            source.path: source not in self.assigned and source.stamp is not None
            for source in self.found
        }
        for log in self.unassigned.values():
            pending = log.row["pending_bytes"]
            if log.path in new_files:
                mark = log.last_checkpoint
                if new_files[log.path] and mark and log is self.by_path[log.path]:
                    left = _count_unread_in_folder(log, mark)
                    unread = pending if left is None else left
                    if unread or left is None:
                        yield log, unread or None
            elif pending and log.row["error"] is None and not _may_exist(log.path):
                yield log, pending


def add_counts(log: TrackedLog, counts: dict[str, Any]) -> TrackedLog:
    """Return a log of which nothing was read, with the counts of its streams."""
    more = {name: log.row[name] + counts[name] for name in _ADDED}
    return replace(log, row={**log.row, **more})


def _changed_at(source: Source) -> float:
    """Return when a log was last written to, 0 if nothing more can be read of it."""
    if is_uri(source.path):
        stored = find_object(source.path)
        return stored.modified.timestamp() if stored else 0
    if source.size is not None:
        with suppress(OSError):
            return Path(source.path).stat().st_mtime
    return 0


def _refresh(log: TrackedLog, source: Source, now: int) -> TrackedLog:
    """Return a tracked log with the present name and stamp of its file."""
    changed = [time for time in (source.stamp or ())[-2:] if isinstance(time, int)]
    return replace(
        log,
        row={**log.row, "source": source.name},
        path=source.path,
        stamp=source.stamp,
        rested=all(time < now - _REST_NANOSECONDS for time in changed),
    )


def _may_exist(path: str) -> bool:
    """Return whether a log may still be in its place; True for objects."""
    return is_uri(path) or path == STDIN or os.path.lexists(path)


def _count_unread_in_folder(log: TrackedLog, mark: Checkpoint) -> int | None:
    """Return the unread bytes of a log that was renamed within its folder, or None.

    A pattern such as ``*.jsonl`` does not match the new name of a rotated log.
    """
    device, inode, *_ = log.stamp or (None, None)
    folders = {Path(log.path).parent, Path(os.path.realpath(log.path)).parent}
    for folder in folders:
        with suppress(OSError, SourceError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.inode() != inode:  # most need no stat
                    continue
                # Not entry.stat(): on Windows it has neither inode nor device.
                status = Path(entry.path).stat()
                if status.st_dev != device:
                    continue
                left = count_unread(describe_file(entry.path, status), mark)
                if left is not None:
                    return left + (log.torn.offset if log.torn else 0)
    return None


def _find_candidates(
    source: Source, marked: Sequence[tuple[Checkpoint, TrackedLog]]
) -> list[TrackedLog]:
    """Return the logs that begin with the same bytes as a file."""
    try:
        head = read_first_bytes(source)
    except SourceError:
        return []  # the error is raised when it is read
    sizes = {mark.head_bytes for mark, _ in marked}
    hashes = {size: hash_bytes(head[:size]) for size in sizes if size <= len(head)}
    return [log for mark, log in marked if hashes.get(mark.head_bytes) == mark.head]
