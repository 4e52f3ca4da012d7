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
from toolkit.exports.parts import Parts
from toolkit.exports.tracking import Tracker
from toolkit.exports.worker import StagedPart, TaskResult, WorkerOptions, write_parts
from toolkit.reading.ledger import shorten
from toolkit.reading.manifest import Manifest, TrackedLog, format_part_name, list_parts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor

    from toolkit.exports.directory import Target
    from toolkit.expressions.time_ranges import Span
    from toolkit.reading.log_reader import LogReader


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
        self.result = TaskResult.for_ranges(self.pending, self.reader.plan.table)
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
        staging, run = self.target.stage(), self.target.run
        if self.executor is not None:
            workspace = self.target.workspace()
            worker_options = WorkerOptions(workspace, options, self.reader.on_damage)
            return self.adopt_parts(WorkerPool(self.executor, worker_options))
        table = self.reader.plan.table
        with Parts(staging, table, generation=self.generation, run=run) as parts:
            self.result = write_parts(
                self.reader, self.pending, self.span, parts, self.list_committed
            )
        return parts.made

    def adopt_parts(self, pool: WorkerPool) -> list[Path]:
        """Have workers read the pending logs, and use the parts that they write."""
        shares: list[Sequence[StagedPart]] = []
        for result in pool.write(self.pending):
            self.result.merge(result)
            shares.append(result.parts)
            if self.reader.progress is not None:
                self.reader.progress(result.read)
        parts = list(chain.from_iterable(shares))
        if self.reader.duplicates == "drop":
            ledger = self.result.ledger
            parts = pool.drop_duplicates(shares, self.list_committed, ledger)
        made = []
        for number, part in enumerate(parts):
            name = format_part_name(self.generation, number, self.target.run)
            made.append(Path(part.directory) / name)
            self.target.adopt(part.name, made[-1])
        return made

    def list_committed(self, directory: str) -> list[str]:
        """Return the committed parts in a directory of the export."""
        if self.before is None:
            return []
        return list_parts(self.target.where, directory, self.before)

    def added(self) -> pl.DataFrame:
        """Return the ledger of this run alone."""
        was_read = pl.col("log_id").is_in(list(self.result.fingerprints))
        return self.result.ledger.frame().filter(was_read)

    def track_logs(self) -> dict[int, TrackedLog]:
        """Return all logs of the export as they are after this run."""
        tracked = self.tracker.refresh_assigned()
        counts = {row["log_id"]: row for row in self.added().to_dicts()}
        for log in self.pending:
            if row := counts.get(log.log_id):
                tracked[log.log_id] = self.tracker.track(log, self.result, row)
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
