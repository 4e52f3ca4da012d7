"""One run of an export: read what is new in the logs, write it, and commit it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import MissingBytesWarning, ReplacedLogWarning, plural
from toolkit.exports.distributed import WorkerPool
from toolkit.exports.parts import Parts, find_days
from toolkit.exports.tracking import Tracker
from toolkit.exports.worker import (
    KEYS,
    TaskResult,
    WorkerOptions,
    read_keys,
    write_parts,
)
from toolkit.reading.blocks import Decoded
from toolkit.reading.decoder import make_deduplicator
from toolkit.reading.ledger import shorten
from toolkit.reading.manifest import CHOICES_DIR, Manifest, format_part_name, list_parts
from toolkit.reading.scan import DUPLICATE_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor

    from toolkit.exports.directory import Target
    from toolkit.exports.worker import StagedPart
    from toolkit.expressions.time_ranges import Span
    from toolkit.reading.dedup import Deduplicator
    from toolkit.reading.log_reader import LogReader
    from toolkit.reading.manifest import TrackedLog


@dataclass
class ExportRun:
    """Read what is new in logs into parts, and commit them."""

    reader: LogReader
    target: Target
    span: Span
    executor: Executor | None = None

    def __post_init__(self) -> None:
        """Find what is new."""
        self.generation = self.target.generation + 1
        self.before = None if self.target.rewrite else self.target.state
        tracked = self.before.logs if self.before else ()
        self.tracker = Tracker(self.reader.logs, tracked, self.reader.on_damage)
        self.pending = self.tracker.find_pending()
        self.log_ranges = [log.log_range for log in self.pending]
        self.result = TaskResult.for_ranges(self.log_ranges, self.reader.plan.table)
        self.replaced: list[str] = []
        self.missing: list[str] = []

    def write(self, options: Mapping[str, object]) -> None:
        """Write the parts, and commit them if anything has changed."""
        made = self.write_parts(options) if self.pending else []
        tracked = self.track_logs()
        self.note_losses(tracked)
        logs = [tracked[log_id] for log_id in sorted(tracked)]
        first = self.before.first if self.before else self.generation
        self.state = Manifest(
            self.generation, options, logs, run=self.target.run, first=first
        ).with_totals()
        if self.before is None or made or logs != self.before.logs:
            self.target.commit(made, self.state)

    def write_parts(self, options: Mapping[str, object]) -> list[Path]:
        """Read the pending logs into parts in staging."""
        staging = self.target.stage()
        if self.executor is not None:
            workspace = self.target.workspace()
            worker_options = WorkerOptions(workspace, options, self.reader.on_damage)
            return self.adopt_parts(WorkerPool(self.executor, worker_options))
        seen: Deduplicator | None = None
        if self.reader.duplicates == "drop":
            seen = make_deduplicator()
            if self.before is not None:
                seen = _ExportDeduplicator(self.target.where, self.before)
        table, run = self.reader.plan.table, self.target.run
        with Parts(staging, table, generation=self.generation, run=run) as parts:
            self.result = write_parts(
                self.reader, self.log_ranges, self.span, seen, parts
            )
        return parts.made

    def adopt_parts(self, pool: WorkerPool) -> list[Path]:
        """Have workers read the pending logs, and use the parts that they write."""
        shares: list[Sequence[StagedPart]] = []
        for result in pool.write(self.log_ranges):
            self.result.merge(result)
            shares.append(result.parts)
            if self.reader.progress is not None:
                self.reader.progress(result.read)
        parts = list(chain.from_iterable(shares))
        if self.reader.duplicates == "drop":
            ledger = self.result.ledger
            parts = pool.drop_duplicates(shares, self.committed_parts, ledger)
        made = []
        for number, part in enumerate(parts):
            name = format_part_name(self.generation, number, self.target.run)
            made.append(Path(part.directory) / name)
            self.target.adopt(part.name, made[-1])
        return made

    def committed_parts(self, directory: str) -> list[str]:
        """Return the committed parts in a directory of the export."""
        if self.before is None:
            return []
        return list_parts(self.target.where, directory, self.before)

    def added(self) -> pl.DataFrame:
        """Return the ledger of this run alone."""
        moved = pl.col("log_id").is_in(list(self.result.moved))
        return self.result.ledger.frame().filter(~moved)

    def track_logs(self) -> dict[int, TrackedLog]:
        """Return all logs of the export as they are after this run."""
        tracked = self.tracker.refresh_assigned()
        counts = {row["log_id"]: row for row in self.added().to_dicts()}
        for log in self.pending:
            if log.log_id not in self.result.moved:
                row = counts[log.log_id]
                tracked[log.log_id] = log.track(self.result, row, self.tracker.now)
        return tracked

    def note_losses(self, tracked: dict[int, TrackedLog]) -> None:
        """Note the logs that are gone, and in the ledger how many bytes are missing."""
        for log, size in self.tracker.find_losses():
            name = log.row["source"]
            if size is None:
                self.replaced.append(
                    f"{name} is not the same log as in the last run: it was replaced "
                    "or rewritten, and is read from its beginning"
                )
                continue
            error = f"removed before its end was read: {plural(size, 'byte')} missing"
            self.missing.append(f"{name}: {error}")
            tracked[log.log_id] = replace(log, row={**log.row, "error": error})

    def warn(self) -> None:
        """Warn about damaged, replaced and missing logs, once each."""
        self.result.ledger.warn_of_damage(stacklevel=3)
        self.result.ledger.warn_of_tags(stacklevel=3)
        if self.replaced:
            warnings.warn(shorten(self.replaced), ReplacedLogWarning, stacklevel=3)
        if self.missing:
            warnings.warn(shorten(self.missing), MissingBytesWarning, stacklevel=3)


class _ExportDeduplicator:
    """Find the duplicates of responses of this run and of earlier runs.

    Duplicates have the same date: only the committed keys of the dates of new rows are
    read.
    """

    def __init__(self, directory: str, committed: Manifest) -> None:
        self.directory = directory
        self.committed = committed
        self.seen = make_deduplicator()
        self.days: set[str] = set()

    def drop_duplicates(self, decoded: Decoded) -> Decoded:
        """Remove the rows of responses that were seen before."""
        for day in find_days(decoded.choices) - self.days:
            self.days.add(day)
            self.add_committed(day)
        return self.seen.drop_duplicates(decoded)

    def add_committed(self, day: str) -> None:
        """Add the committed responses of a day to those that were seen."""
        parts = list_parts(self.directory, f"{CHOICES_DIR}/date={day}", self.committed)
        if not parts:
            return
        keys = (
            read_keys(parts)
            .unique()
            .select(pl.lit(0, pl.Int32).alias("choice_position"), *DUPLICATE_KEY)
            .collect()
        )
        for batch in keys.to_arrow().cast(KEYS).to_batches():
            self.seen.drop_duplicates(Decoded(0, "", batch, batch, 0, 0, 0, 0))
