"""One run of an export: read what is new in the logs, write it, and commit it."""

from __future__ import annotations

import warnings
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import (
    MissingBytesWarning,
    ReplacedLogWarning,
    ToolkitWarning,
    plural,
)
from toolkit.exports import worker
from toolkit.exports.distributed import WorkerPool
from toolkit.exports.open_streams import read_pieces, write_pieces
from toolkit.exports.parts import find_days
from toolkit.exports.tracking import Tracker, add_counts
from toolkit.reading import manifest
from toolkit.reading.blocks import Source
from toolkit.reading.ledger import TOTALS, LedgerBuilder, describe_copy, shorten
from toolkit.reading.streams import Streams

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from concurrent.futures import Executor

    from toolkit.exports.directory import Target
    from toolkit.reading.blocks import Decoded
    from toolkit.reading.fingerprints import Checkpoint
    from toolkit.reading.log_reader import LogReader


@dataclass
class ExportRun:
    """Read what is new in logs into parts, and commit them."""

    reader: LogReader
    target: Target
    executor: Executor | None = None
    final: bool = False  # the logs are complete, so no stream stays open

    def __post_init__(self) -> None:
        """Find what is new."""
        self.generation = self.target.generation + 1
        self.before = None if self.target.rewrite else self.target.state
        tracked = self.before.logs if self.before else ()
        self.tracker = Tracker(self.reader.logs, tracked, self.reader.on_damage)
        self.pending = self.tracker.find_pending()
        table = self.reader.plan.table
        logs = {log.log_id: log.source for log in self.pending}
        paths = {log_id: log.path for log_id, log in self.tracker.tracked.items()}
        paths |= {log_id: log.path for log_id, log in logs.items()}
        pieces = read_pieces(self.target.where, self.before, self.tracker.moved_sets())
        find_written = self.find_written if self.before else None
        self.streams = Streams(table, paths, pieces, find_written=find_written)
        for log_id in self.streams.pieces["log_id"]:
            logs.setdefault(log_id, Source(self.tracker.tracked[log_id].path, 0))
        self.result = worker.TaskResult(LedgerBuilder(logs, table), {}, set())
        # What to warn of, besides damage and tags.
        self.notes: defaultdict[type[Warning], list[str]] = defaultdict(list)

    def write(self, options: Mapping[str, object]) -> None:
        """Write the parts, and commit them if anything has changed."""
        open_sets = self.streams.pieces["stream_set"].unique()
        has_work = self.pending or any(map(self.is_over, open_sets))
        made = self.write_parts(options) if has_work else {}
        tracked = self.track_logs()
        self.note_losses(tracked)
        self.note_copies(tracked)
        logs = [tracked[log_id] for log_id in sorted(tracked)]
        first = self.before.first if self.before else self.generation
        run = self.target.run
        state = manifest.Manifest(self.generation, options, logs, run=run, first=first)
        self.state = state.with_totals()
        if self.before is None or made or logs != self.before.logs:
            if len(self.streams.pieces):
                path = Path(manifest.OPEN_DIR, self.part_name(0))
                staged = self.target.stage() / path
                write_pieces(staged, self.streams)
                made[path] = str(staged)
                self.state = replace(self.state, open=path.as_posix())
            self.target.commit(made, self.state)

    def write_parts(self, options: Mapping[str, object]) -> dict[Path, str]:
        """Read the pending logs into parts; return by path where they are staged."""
        workspace = self.target.stage().as_posix()
        if self.executor is not None:
            workspace = self.target.workspace()
        given = worker.WorkerOptions(workspace, options, self.reader.on_damage)
        pool = WorkerPool(self.executor, given)
        parts: list[worker.StagedPart] = []
        if self.executor is None:
            blocks, threads = self.iter_decoded(), None
        else:
            blocks, threads = self.iter_streams(pool, parts), 1
        with closing(blocks):
            parts += worker.stage_blocks(given, blocks, self.result, threads)
        may_repeat = self.before is not None or self.executor is not None
        if self.reader.duplicates == "drop" and may_repeat:
            parts = pool.drop_repeats(parts, self.list_committed, self.result.ledger)
        return {
            Path(part.directory, self.part_name(number)): part.name
            for number, part in enumerate(parts)
        }

    def part_name(self, number: int) -> str:
        """Return the name of a part of this run."""
        return manifest.format_part_name(self.generation, number, self.target.run)

    def iter_decoded(self) -> Generator[Decoded]:
        """Yield the blocks of the pending logs, with the streams that are over."""
        blocks = worker.iter_ranges(self.reader, self.pending, self.result)
        for decoded in self.reader.decode(blocks):
            yield from self.streams.put_together(decoded)
        yield from self.streams.finish(self.is_over)

    def is_over(self, stream_set: str) -> bool:
        """Return whether nothing can be added to the streams of a rotation set."""
        read = self.result.fingerprints
        moved = [log.source for log in self.pending if log.log_id not in read]
        return self.final or not self.tracker.is_active(stream_set, moved)

    def iter_streams(
        self, pool: WorkerPool, parts: list[worker.StagedPart]
    ) -> Generator[Decoded]:
        """Have workers read the pending logs, and yield the streams that are over.

        The parts that they write are added to `parts`.
        """
        for result in pool.write(self.pending, self.streams):
            self.result.merge(result)
            parts += result.parts
            if self.reader.progress is not None:
                self.reader.progress(result.read)
            if result.share is not None:
                yield from self.streams.add_share(*result.share, result.choices)
        yield from self.streams.finish(self.is_over)

    def find_written(self, streams: pl.DataFrame) -> pl.LazyFrame:
        """Return the whole responses that are committed with ids and dates of streams.

        They are read again for each call: those of a date may not fit into memory.
        """
        days = find_days(streams.select("created").to_arrow())
        parts = [
            part
            for day in sorted(days)
            for part in self.list_committed(f"{manifest.CHOICES_DIR}/date={day}")
        ]
        has_id = pl.col("response_id").is_in(streams["response_id"].unique().implode())
        choices = worker.scan_choices(parts)
        return choices.filter(has_id, pl.col("chunk_count").is_null())

    def list_committed(self, directory: str) -> list[str]:
        """Return the committed parts in a directory of the export."""
        if self.before is None:
            return []
        return manifest.list_parts(self.target.where, directory, self.before)

    def added(self) -> pl.DataFrame:
        """Return the ledger of this run alone."""
        was_read = pl.col("log_id").is_in(list(self.result.fingerprints))
        has_streams = pl.any_horizontal(pl.col(TOTALS) != 0)
        return self.result.ledger.frame().filter(was_read | has_streams)

    def track_logs(self) -> dict[int, manifest.TrackedLog]:
        """Return all logs of the export as they are after this run."""
        tracked = self.tracker.refresh_assigned()
        pending = {log.log_id: log for log in self.pending}
        for row in self.added().to_dicts():
            log_id = row["log_id"]
            if log_id in self.result.fingerprints:
                log = self.tracker.track(pending[log_id], self.result, row)
            else:
                log = add_counts(tracked[log_id], row)
            tracked[log_id] = log
        return tracked

    def note_losses(self, tracked: dict[int, manifest.TrackedLog]) -> None:
        """Note the logs that are gone, and in the ledger how many bytes are missing."""
        for log, size in self.tracker.find_losses():
            name = log.row["source"]
            if size is None:
                self.notes[ReplacedLogWarning].append(
                    f"{name} is not the same log as in the last run: it was replaced "
                    "or rewritten, and is read from its beginning"
                )
                continue
            error = f"removed before its end was read: {plural(size, 'byte')} missing"
            self.notes[MissingBytesWarning].append(f"{name}: {error}")
            tracked[log.log_id] = replace(log, row={**log.row, "error": error})

    def note_copies(self, tracked: Mapping[int, manifest.TrackedLog]) -> None:
        """Note the logs with the responses of another, if these now count twice.

        Logs of this run are compared by their responses, those of earlier runs by their
        bytes.
        """
        copies = self.result.ledger.find_copies()
        originals: dict[Checkpoint | None, str] = {}
        for log_id in sorted(tracked):
            name, mark = tracked[log_id].row["source"], tracked[log_id].mark
            original = originals.setdefault(mark, name)
            is_copy = log_id in self.result.fingerprints and mark and original != name
            if is_copy and (count := self.result.ledger.counts[log_id]["without_id"]):
                copies.setdefault(log_id, describe_copy(name, original, count))
        if copies:
            self.notes[ToolkitWarning] += copies.values()

    def warn(self) -> None:
        """Warn about damaged, copied, replaced and missing logs, once each."""
        self.result.ledger.warn_of_damage(stacklevel=3)
        self.result.ledger.warn_of_tags(stacklevel=3)
        for kind, sentences in self.notes.items():
            warnings.warn(shorten(sentences), kind, stacklevel=3)
