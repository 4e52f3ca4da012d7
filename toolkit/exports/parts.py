"""Rows on their way into the parts of an export: validated, and cut by date."""

from __future__ import annotations

import os
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, timedelta
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Self

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.reading import object_store
from toolkit.reading.batching import BatchBuffer
from toolkit.reading.manifest import CHOICES_DIR, REJECTS_DIR, format_part_name
from toolkit.schema.tables import REJECTS
from toolkit.schema.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from toolkit.expressions.time_ranges import Span
    from toolkit.reading.blocks import Decoded
    from toolkit.schema.columns import Table

# Rows of a date wait for their row group until they are so many bytes,
_ROW_GROUP_BYTES = 32 * 1024 * 1024
# or those of all dates so many.
HELD_BYTES = 128 * 1024 * 1024
# What is left at the end is cut finer: no thread is to write long after the others.
_LAST_BYTES = 16 * 1024 * 1024
# Files that are open at once; a log may reach over more days than that.
_OPEN_PARTS = 128
_ZSTD_LEVEL = 1
# The row groups of a date go into so many parts by turns: they are written at a time.
_LANES = 2
# Values that do not come again: to look for them in a dictionary is in vain.
_UNIQUE = {
    *("line", "offset", "response_hash", "response_id", "raw"),
    *("content", "reasoning_content", "refusal"),
    *("tool_calls.list.element.id", "tool_calls.list.element.arguments"),
}
_MICROSECONDS_A_DAY = 86_400 * 10**6
_EPOCH = date(1970, 1, 1)


class Parts:
    """Gathers rows, passes them through the gate, and writes them by date."""

    def __init__(
        self,
        staging: Path,
        *,
        generation: int,
        run: str | None,
        table: Table,
        threads: int | None = None,
    ) -> None:
        self.staging = staging
        self.generation = generation
        self.run = run
        self.table = table
        self.choices = BatchBuffer(table.arrow)
        self.rejects = BatchBuffer(REJECTS.arrow)
        self.by_date: dict[str, list[pa.Table]] = {}
        self.writers: dict[tuple[str, int], PartWriter] = {}  # by date and lane
        self.row_groups: Counter[str] = Counter()  # of each date so far
        self.lanes = 1 if threads == 1 else _LANES
        self.rejects_writer: PartWriter | None = None
        self.made: list[Path] = []
        # Rows pass the gate and row groups are written side by side, while the next
        # ones are decoded; not so where one thread is all there is.
        self.passing = self.writing = None
        if threads != 1:
            self.passing = ThreadPoolExecutor(1, thread_name_prefix="toolkit-gate")
            self.writing = ThreadPoolExecutor(thread_name_prefix="toolkit-write")
        self.passed: Future[None] | None = None
        self.written: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Let go of the files that a fault has left open."""
        for pool in (self.passing, self.writing):
            if pool is not None:
                pool.shutdown(cancel_futures=True)
        for writer in (*self.writers.values(), self.rejects_writer):
            if writer is not None:
                writer.abandon()

    def add(self, choices: pa.RecordBatch, rejects: pa.RecordBatch) -> None:
        """Take the rows of a block."""
        if (rows := self.choices.add(choices)) is not None:
            self.submit(self.pass_gate, rows)
        if (rows := self.rejects.add(rejects)) is not None:
            self.submit(self.write_rejects, rows)

    def submit(self, work: Callable[[pa.Table], None], rows: pa.Table) -> None:
        """Have rows pass the gate once those before them have, in a thread."""
        if self.passing is None:
            work(rows)
            return
        self.wait_for_gate()
        self.passed = self.passing.submit(work, rows)

    def wait_for_gate(self) -> None:
        """Wait until no rows are at the gate, and raise what stopped them."""
        if self.passed is not None:
            self.passed.result()

    def pass_gate(self, rows: pa.Table) -> None:
        """Validate rows, and write what is enough of a date by now."""
        self.hold(rows)
        sizes = {
            day: sum(table.nbytes for table in tables)
            for day, tables in self.by_date.items()
        }
        least = 0 if sum(sizes.values()) >= HELD_BYTES else _ROW_GROUP_BYTES
        if days := [day for day, size in sorted(sizes.items()) if size >= least]:
            self.write_dates(days)

    def hold(self, rows: pa.Table) -> None:
        """Validate rows, sort them by time and so by date, and keep them."""
        validate(pl.DataFrame(rows), table=self.table)
        for day, part in _split_by_date(_in_order(rows)):
            self.by_date.setdefault(day, []).append(part)

    def write_dates(self, days: Iterable[str], size: int = _ROW_GROUP_BYTES) -> None:
        """Write what is held of some dates as row groups, once the last ones are."""
        self.wait(until=self.lanes - 1)
        for day in days:
            for rows in _cut_evenly(pa.concat_tables(self.by_date.pop(day)), size):
                self.write_rows(self.writer(day), rows)

    def write_rows(self, writer: PartWriter, rows: pa.Table) -> None:
        """Write a row group, in a thread once the part has written its last one."""
        if self.writing is None:
            _write_in_order(writer, rows)
            return
        if writer.busy is not None:
            writer.busy.result()
        writer.busy = self.writing.submit(_write_in_order, writer, rows)
        self.written.append(writer.busy)

    def wait(self, until: int = 0) -> None:
        """Wait until few row groups are at work, and raise what came of the rest."""
        while len(self.written) > until:
            self.written.popleft().result()

    def writer(self, day: str) -> PartWriter:
        """Return an open part of a date; the one unused for longest makes room."""
        lane = day, self.row_groups[day] % self.lanes
        self.row_groups[day] += 1
        writer = self.writers.pop(lane, None)
        if writer is None:
            if len(self.writers) >= _OPEN_PARTS:
                self.wait()
                self.close_part(next(iter(self.writers)))
            path = Path(CHOICES_DIR) / f"date={day}" / self.format_part_name()
            writer = self.open_part(path, self.table.arrow, mode=0o666)
        self.writers[lane] = writer
        return writer

    def write_rejects(self, rows: pa.Table) -> None:
        """Write rejects; nobody else may read them."""
        validate(pl.DataFrame(rows), table=REJECTS)
        if self.rejects_writer is None:
            path = Path(REJECTS_DIR) / self.format_part_name()
            self.rejects_writer = self.open_part(path, REJECTS.arrow, mode=0o600)
        self.rejects_writer.write_table(rows)

    def format_part_name(self) -> str:
        """Name a part: no two of an export have the same name."""
        return format_part_name(self.generation, len(self.made), self.run)

    def open_part(self, path: Path, schema: pa.Schema, *, mode: int) -> PartWriter:
        """Create a part below staging."""
        writer = new_part(self.staging / path, schema, mode=mode)
        self.made.append(path)
        return writer

    def close_part(self, lane: tuple[str, int]) -> None:
        """Finish an open part of a date."""
        self.writers.pop(lane).close()

    def finish(self) -> None:
        """Write all that waits and finish every part."""
        if len(rows := self.choices.take()):
            self.submit(self.hold, rows)
        self.wait_for_gate()
        size = _ROW_GROUP_BYTES if self.writing is None else _LAST_BYTES
        self.write_dates(sorted(self.by_date), size)
        if len(rows := self.rejects.take()):
            self.write_rejects(rows)
        for writer in self.writers.values():
            if self.writing is None:
                writer.close()
            else:
                self.written.append(self.writing.submit(writer.close))
        if self.rejects_writer is not None:
            self.rejects_writer.close()
        self.wait()


class PartWriter:
    """One Parquet file that is on disk when it is closed."""

    def __init__(self, handle: int, schema: pa.Schema) -> None:
        self.file = os.fdopen(handle, "wb")
        self.busy: Future[None] | None = None  # a row group that is being written
        self.parquet = pq.ParquetWriter(
            self.file,
            schema,
            compression="zstd",
            compression_level=_ZSTD_LEVEL,
            use_dictionary=[name for name in _leaves(schema) if name not in _UNIQUE],
            write_page_checksum=True,
        )

    def write_table(self, rows: pa.Table) -> None:
        """Write rows as a row group."""
        self.parquet.write_table(rows)

    def close(self) -> None:
        """Finish the file, behind its last row group, and sync it."""
        try:
            if self.busy is not None:
                self.busy.result()
            self.parquet.close()
            self.file.flush()
            os.fsync(self.file.fileno())
        finally:
            self.file.close()

    def abandon(self) -> None:
        """Close the file as it is; it is about to be removed."""
        with suppress(OSError, ValueError, pa.ArrowException):
            self.parquet.close()
        with suppress(OSError):
            self.file.close()


@contextmanager
def open_part(part: str) -> Iterator[pq.ParquetFile]:
    """Open a part for reading; its pages are held against their checksums."""
    with ExitStack() as opened:
        if object_store.is_uri(part):
            data: object = pa.BufferReader(object_store.read_object(part)[0])
        else:
            # Opened here: Arrow does not say why a file could not be closed.
            data = opened.enter_context(Path(part).open("rb"))
        yield opened.enter_context(
            pq.ParquetFile(data, page_checksum_verification=True)
        )


def new_part(path: Path, schema: pa.Schema, *, mode: int = 0o666) -> PartWriter:
    """Create a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    return PartWriter(handle, schema)


def _leaves(schema: pa.Schema) -> Iterator[str]:
    """Yield the columns of Parquet that a schema becomes."""
    for field in schema:
        if pa.types.is_list(field.type):
            inner = field.type.value_type
            yield from (f"{field.name}.list.element.{part.name}" for part in inner)
        else:
            yield field.name


def _cut_evenly(rows: pa.Table, size: int) -> Iterator[pa.Table]:
    """Cut rows into parts of about equal size; a quarter more than it is one still."""
    number = max(1, ceil(rows.nbytes / size - 0.25))
    step = ceil(len(rows) / number)
    for start in range(0, len(rows), step):
        yield rows.slice(start, step)


def _write_in_order(writer: PartWriter, rows: pa.Table) -> None:
    """Write rows of a date as a row group."""
    writer.write_table(_in_order(rows))


def _in_order(rows: pa.Table) -> pa.Table:
    """Sort rows by `created`, undated ones first; most logs are in that order."""
    created = rows.column("created").cast(pa.int64()).fill_null(-1).to_numpy()
    if (created[1:] >= created[:-1]).all():
        return rows
    # Rows are taken from one chunk far faster than from many.
    return rows.combine_chunks().take(created.argsort(kind="stable"))


def within(stream: Iterable[Decoded], span: Span) -> Iterator[Decoded]:
    """Yield blocks without the responses that were made outside a range."""
    is_open = span == (None, None)
    for decoded in stream:
        yield decoded if is_open else _within_span(decoded, span)


def _within_span(decoded: Decoded, span: Span) -> Decoded:
    """Leave out the responses that were made outside a range, and count them."""
    first_and_created = ["choice_position", "created"]
    frame = pl.DataFrame(decoded.choices.select(first_and_created)).select(
        "choice_position",
        is_within=pl.all_horizontal(span.conditions()).fill_null(value=False),
    )
    outside = frame.filter(~pl.col("is_within"), choice_position=0)
    if outside.is_empty():
        return decoded
    kept = decoded.choices.filter(frame["is_within"].to_arrow())
    return decoded._replace(choices=kept, outside=len(outside))


def _split_by_date(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Cut rows that are sorted by `created` at the midnights of UTC.

    Undated rows go to 1970-01-01: a null partition cannot be opened by pandas.
    """
    start = 0
    for run in pc.value_counts(_day_numbers(rows)).to_pylist():
        yield _format_day(run["values"]), rows.slice(start, run["counts"])
        start += run["counts"]


def find_days(rows: pa.Table | pa.RecordBatch) -> set[str]:
    """Return the dates under which rows are written."""
    return {_format_day(number) for number in pc.unique(_day_numbers(rows)).to_pylist()}


def _day_numbers(rows: pa.Table | pa.RecordBatch) -> pa.ChunkedArray | pa.Array:
    """Return the UTC day of each row as the number of days since 1970."""
    micros = rows.column("created").cast(pa.int64()).fill_null(0)
    return pc.divide(micros, _MICROSECONDS_A_DAY)


def _format_day(number: int) -> str:
    """Write a day as the name of its directory does."""
    return (_EPOCH + timedelta(days=number)).isoformat()
