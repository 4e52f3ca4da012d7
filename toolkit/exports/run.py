"""What one run adds to an export: the lines that are new, without what they repeat."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import MissingBytesWarning, ReplacedLogWarning, plural
from toolkit.exports.distributed import WorkerPool
from toolkit.exports.parts import Parts, find_days
from toolkit.exports.tracking import Tracker
from toolkit.exports.worker import KEYS, ExportTask, WorkerOptions, read_keys
from toolkit.reading.blocks import Decoded
from toolkit.reading.decoder import make_deduplicator
from toolkit.reading.ledger import LedgerBuilder, shorten
from toolkit.reading.manifest import CHOICES_DIR, Manifest, format_part_name, list_parts
from toolkit.reading.scan import DUPLICATE_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from concurrent.futures import Executor

    from toolkit.exports.directory import Target
    from toolkit.exports.worker import StagedPart, TaskResult
    from toolkit.expressions.time_ranges import Span
    from toolkit.reading.fingerprints import Fingerprint
    from toolkit.reading.log_reader import LogReader
    from toolkit.reading.manifest import TrackedLog


class ExportRun:
    """Reads what is new in logs into parts, and commits them."""

    def __init__(
        self,
        reading: LogReader,
        target: Target,
        span: Span,
        *,
        anew: bool,
        executor: Executor | None = None,
    ) -> None:
        self.reading = reading
        self.span = span
        self.target = target
        self.anew = anew
        self.executor = executor
        self.before = None if anew else target.state
        known = self.before.logs if self.before else ()
        self.tracker = Tracker(reading.logs, known, reading.on_damage)
        self.unread = self.tracker.unread()
        self.account = LedgerBuilder({log.log_id: log.source for log in self.unread})
        self.moved: set[int] = set()  # logs that had another place when they were read
        self.cut: set[int] = set()  # logs whose last line was rejected as truncated
        self.sights: dict[int, Fingerprint] = {}
        self.replaced: list[str] = []
        self.missing: list[str] = []

    def write(self, options: Mapping[str, object]) -> None:
        """Write the parts, and commit them if there is anything to be kept."""
        generation = self.target.generation + 1
        made = self.write_parts(generation, options) if self.unread else []
        known = self.after_run()
        self.note_losses(known)
        logs = [known[log_id] for log_id in sorted(known)]
        first = self.before.first if self.before else generation
        state = Manifest(generation, options, logs, run=self.target.run, first=first)
        self.state = state.with_totals()
        if self.before is None or made or logs != self.before.logs:
            self.target.commit(made, self.state, anew=self.anew)

    def write_parts(self, generation: int, options: Mapping[str, object]) -> list[Path]:
        """Read what is unread into parts below staging."""
        staging = self.target.stage()
        if self.executor is not None:
            order = WorkerOptions(
                self.target.workspace(), options, self.reading.on_damage
            )
            return self.adopt_parts(WorkerPool(self.executor, order), generation)
        log_ranges = [log.log_range for log in self.unread]
        repeats = None
        if self.reading.duplicates == "drop":
            repeats = _ExportDeduplicator(self.target.where, self.before)
        with Parts(
            staging,
            generation=generation,
            run=self.target.run,
            table=self.reading.plan.table,
        ) as parts:
            work = ExportTask(self.reading, log_ranges, self.span, repeats)
            self.take(work.write(parts))
        return parts.made

    def adopt_parts(self, crew: WorkerPool, generation: int) -> list[Path]:
        """Have workers read what is unread, and take the parts that they made."""
        shares: list[Sequence[StagedPart]] = []
        for report in crew.reports([log.log_range for log in self.unread]):
            self.take(report)
            shares.append(report.parts)
            if self.reading.progress is not None:
                self.reading.progress(report.read)
        if self.reading.duplicates == "drop":
            shares = [*crew.drop_duplicates(shares, self.committed_parts, self.account)]
        made = []
        for number, part in enumerate(chain.from_iterable(shares)):
            name = format_part_name(generation, number, self.target.run)
            made.append(Path(part.directory) / name)
            self.target.adopt(part.name, made[-1])
        return made

    def committed_parts(self, directory: str) -> list[str]:
        """Return the parts that are committed in a directory of the export."""
        if self.before is None:
            return []
        return list_parts(self.target.where, directory, self.before)

    def take(self, report: TaskResult) -> None:
        """Note what became of logs."""
        self.account.merge(report.account)
        self.moved |= report.moved
        self.cut |= report.cut
        for log_id, sight in report.sights.items():
            first = self.sights.get(log_id)
            self.sights[log_id] = sight.with_head_of(first) if first else sight

    def added(self) -> pl.DataFrame:
        """Return the ledger of this run alone."""
        return self.account.frame().filter(~pl.col("log_id").is_in(list(self.moved)))

    def after_run(self) -> dict[int, TrackedLog]:
        """Return all logs of the export as they are known after this run."""
        known = self.tracker.renamed()
        counts = {row["log_id"]: row for row in self.added().to_dicts()}
        for log in self.unread:
            if log.log_id not in self.moved:
                known[log.log_id] = log.after_run(
                    counts[log.log_id],
                    self.sights[log.log_id],
                    is_cut=log.log_id in self.cut,
                    now=self.tracker.now,
                )
        return known

    def note_losses(self, known: dict[int, TrackedLog]) -> None:
        """Note the logs that are gone; in the ledger, if bytes of them are missing."""
        for log, size in self.tracker.losses():
            name = log.row["source"]
            if size is None:
                self.replaced.append(
                    f"{name} is not the log that it was: made anew or rewritten, it is "
                    "read from its beginning"
                )
                continue
            error = f"gone before its end was read: {plural(size, 'byte')} missing"
            self.missing.append(f"{name}: {error}")
            known[log.log_id] = replace(log, row={**log.row, "error": error})

    def warn(self) -> None:
        """Say what is wrong with the logs, each kind once."""
        self.account.warn_of_damage(stacklevel=3)
        if self.replaced:
            warnings.warn(shorten(self.replaced), ReplacedLogWarning, stacklevel=3)
        if self.missing:
            warnings.warn(shorten(self.missing), MissingBytesWarning, stacklevel=3)


class _ExportDeduplicator:
    """Finds what repeats a response, of this run or of an earlier one.

    Equal bytes have an equal date: of what is committed only the keys of those dates
    are read that new rows have.
    """

    def __init__(self, directory: str, committed: Manifest | None) -> None:
        self.directory = directory
        self.committed = committed
        self.seen = make_deduplicator()
        self.days: set[str] = set()

    def drop_duplicates(self, decoded: Decoded) -> Decoded:
        """Leave out the rows of responses that were seen before."""
        if self.committed is not None:
            for day in find_days(decoded.choices) - self.days:
                self.days.add(day)
                self.see(day, self.committed)
        return self.seen.drop_duplicates(decoded)

    def see(self, day: str, committed: Manifest) -> None:
        """Note the responses that are committed of a day."""
        parts = list_parts(self.directory, f"{CHOICES_DIR}/date={day}", committed)
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
