"""The Parquet parts of an export: rows are validated, split by date and written."""

from __future__ import annotations

import os
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import date, timedelta
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

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

    from toolkit.expressions.time_ranges import Span
    from toolkit.reading.blocks import Decoded
    from toolkit.schema.columns import Table

# A row group is written when the rows of a date have so many bytes,
_ROW_GROUP_BYTES = 32 * 1024 * 1024
# or when those of all dates have so many.
BUFFER_BYTES = 128 * 1024 * 1024
# The last row groups are smaller, so that all threads finish at about the same time.
_LAST_BYTES = 16 * 1024 * 1024
# Files that are open at once; a log may have more days than that.
_OPEN_PARTS = 128
_ZSTD_LEVEL = 1
# The row groups of a date go into so many parts in turn, which are written in parallel.
_LANES = 2
# Columns of unique values, which a dictionary does not make smaller.
_UNIQUE = {
    *("line", "offset", "response_hash", "response_id", "raw"),
    *("content", "reasoning_content", "refusal"),
    *("tool_calls.list.element.id", "tool_calls.list.element.arguments"),
}
_MICROSECONDS_A_DAY = 86_400 * 10**6
_EPOCH = date(1970, 1, 1)


def run_now(function: Callable[..., Any], *arguments: object) -> Future[Any]:
    """Call a function at once, and return its result as a finished future."""
    future: Future[Any] = Future()
    future.set_result(function(*arguments))
    return future


class Parts:
    """Collect rows, validate them, and write them by date."""

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
        self.rejects_writer: PartWriter | None = None
        self.made: list[Path] = []
        # Validation and writing run in threads while the next rows are decoded.
        self.has_threads = threads != 1
        self.lanes = _LANES if self.has_threads else 1
        self.pools: list[ThreadPoolExecutor] = []
        self.start_validation: Callable[..., Future[Any]] = run_now
        self.start_writing: Callable[..., Future[Any]] = run_now
        if self.has_threads:
            self.pools = [
                ThreadPoolExecutor(1, thread_name_prefix="toolkit-validate"),
                ThreadPoolExecutor(thread_name_prefix="toolkit-write"),
            ]
            self.start_validation, self.start_writing = (
                pool.submit for pool in self.pools
            )
        self.validated: Future[None] | None = None
        self.written: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the files that an error has left open."""
        for pool in self.pools:
            pool.shutdown(cancel_futures=True)
        for writer in (*self.writers.values(), self.rejects_writer):
            if writer is not None:
                writer.abandon()

    def add(self, choices: pa.RecordBatch, rejects: pa.RecordBatch) -> None:
        """Add the rows of a block."""
        if (rows := self.choices.add(choices)) is not None:
            self.submit(self.add_choices, rows)
        if (rows := self.rejects.add(rejects)) is not None:
            self.submit(self.write_rejects, rows)

    def submit(self, work: Callable[[pa.Table], None], rows: pa.Table) -> None:
        """Start to validate rows after those before them."""
        self.wait_for_validation()
        self.validated = self.start_validation(work, rows)

    def wait_for_validation(self) -> None:
        """Wait for the rows that are being validated, and raise their error."""
        if self.validated is not None:
            self.validated.result()

    def add_choices(self, rows: pa.Table) -> None:
        """Validate rows, and write the dates that have enough of them."""
        self.add_to_dates(rows)
        sizes = {
            day: sum(table.nbytes for table in tables)
            for day, tables in self.by_date.items()
        }
        least = 0 if sum(sizes.values()) >= BUFFER_BYTES else _ROW_GROUP_BYTES
        if days := [day for day, size in sorted(sizes.items()) if size >= least]:
            self.write_dates(days)

    def add_to_dates(self, rows: pa.Table) -> None:
        """Validate rows, and add them to those of their dates."""
        validate(pl.DataFrame(rows), table=self.table)
        for day, part in _split_by_date(sort_by_created(rows)):
            self.by_date.setdefault(day, []).append(part)

    def write_dates(self, days: Iterable[str], size: int = _ROW_GROUP_BYTES) -> None:
        """Write the rows of some dates as row groups, after the earlier ones."""
        self.wait(until=self.lanes - 1)
        for day in days:
            for rows in _cut_evenly(pa.concat_tables(self.by_date.pop(day)), size):
                self.write_rows(self.writer(day), rows)

    def write_rows(self, writer: PartWriter, rows: pa.Table) -> None:
        """Start to write a row group after the last one of its part."""
        if writer.busy is not None:
            writer.busy.result()
        writer.busy = self.start_writing(_write_sorted, writer, rows)
        self.written.append(writer.busy)

    def wait(self, until: int = 0) -> None:
        """Wait until so few row groups are being written, and raise their errors."""
        while len(self.written) > until:
            self.written.popleft().result()

    def writer(self, day: str) -> PartWriter:
        """Return an open part of a date; close the least recently used if too many."""
        lane = day, self.row_groups[day] % self.lanes
        self.row_groups[day] += 1
        writer = self.writers.pop(lane, None)
        if writer is None:
            if len(self.writers) >= _OPEN_PARTS:
                self.wait()
                self.close_part(next(iter(self.writers)))
            writer = self.create_part(
                f"{CHOICES_DIR}/date={day}", self.table.arrow, mode=0o666
            )
        self.writers[lane] = writer
        return writer

    def write_rejects(self, rows: pa.Table) -> None:
        """Validate and write rejects, into a file that only its owner can read."""
        validate(pl.DataFrame(rows), table=REJECTS)
        if self.rejects_writer is None:
            self.rejects_writer = self.create_part(
                REJECTS_DIR, REJECTS.arrow, mode=0o600
            )
        self.rejects_writer.write_table(rows)

    def create_part(
        self, directory: str, schema: pa.Schema, *, mode: int
    ) -> PartWriter:
        """Create a part in a directory below staging."""
        name = format_part_name(self.generation, len(self.made), self.run)
        path = Path(directory) / name
        writer = create_part(self.staging / path, schema, mode=mode)
        self.made.append(path)
        return writer

    def close_part(self, lane: tuple[str, int]) -> None:
        """Finish an open part of a date."""
        self.writers.pop(lane).close()

    def finish(self) -> None:
        """Write all rows that are left, and finish every part."""
        if len(rows := self.choices.take()):
            self.submit(self.add_to_dates, rows)
        self.wait_for_validation()
        size = _LAST_BYTES if self.has_threads else _ROW_GROUP_BYTES
        self.write_dates(sorted(self.by_date), size)
        if len(rows := self.rejects.take()):
            self.write_rejects(rows)
        for writer in self.writers.values():
            self.written.append(self.start_writing(writer.close))
        if self.rejects_writer is not None:
            self.rejects_writer.close()
        self.wait()


class PartWriter:
    """Write one Parquet file, which is on disk once it is closed."""

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

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        """Finish the file, or close it unfinished after an error."""
        try:
            if kind is None:
                self.close()
        finally:
            self.abandon()

    def write_table(self, rows: pa.Table) -> None:
        """Write rows as a row group."""
        self.parquet.write_table(rows)

    def close(self) -> None:
        """Finish the file after its last row group, and sync it."""
        try:
            if self.busy is not None:
                self.busy.result()
            self.parquet.close()
            self.file.flush()
            os.fsync(self.file.fileno())
        finally:
            self.file.close()

    def abandon(self) -> None:
        """Close the file as it is."""
        with suppress(OSError, ValueError, pa.ArrowException):
            self.parquet.close()
        with suppress(OSError):
            self.file.close()


@contextmanager
def open_part(part: str) -> Iterator[pq.ParquetFile]:
    """Open a part for reading; the checksums of its pages are verified."""
    with ExitStack() as opened:
        if object_store.is_uri(part):
            data: object = pa.BufferReader(object_store.read_object(part)[0])
        else:
            # Opened here: Arrow does not report why a file cannot be closed.
            data = opened.enter_context(Path(part).open("rb"))
        yield opened.enter_context(
            pq.ParquetFile(data, page_checksum_verification=True)
        )


def create_part(path: Path, schema: pa.Schema, *, mode: int = 0o666) -> PartWriter:
    """Create a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    return PartWriter(handle, schema)


def _leaves(schema: pa.Schema) -> Iterator[str]:
    """Yield the names of the Parquet columns of a schema."""
    for field in schema:
        if pa.types.is_list(field.type):
            inner = field.type.value_type
            yield from (f"{field.name}.list.element.{part.name}" for part in inner)
        else:
            yield field.name


def _cut_evenly(rows: pa.Table, size: int) -> Iterator[pa.Table]:
    """Cut rows into pieces of about a size; up to a quarter more stays whole."""
    number = max(1, ceil(rows.nbytes / size - 0.25))
    step = ceil(len(rows) / number)
    for start in range(0, len(rows), step):
        yield rows.slice(start, step)


def _write_sorted(writer: PartWriter, rows: pa.Table) -> None:
    """Write rows of a date as a row group."""
    writer.write_table(sort_by_created(rows))


def sort_by_created(rows: pa.Table) -> pa.Table:
    """Sort rows by `created`, undated ones first; most are sorted already."""
    created = rows.column("created").cast(pa.int64()).fill_null(-1).to_numpy()
    if (created[1:] >= created[:-1]).all():
        return rows
    # `take` is much faster on one chunk than on many.
    return rows.combine_chunks().take(created.argsort(kind="stable"))


def filter_span(stream: Iterable[Decoded], span: Span) -> Iterator[Decoded]:
    """Yield blocks without the responses outside a time range."""
    is_open = span == (None, None)
    for decoded in stream:
        yield decoded if is_open else _filter_block(decoded, span)


def _filter_block(decoded: Decoded, span: Span) -> Decoded:
    """Remove the responses outside a time range, and count them."""
    first_and_created = ["choice_position", "created"]
    frame = pl.DataFrame(decoded.choices.select(first_and_created)).select(
        "choice_position",
        is_within=pl.all_horizontal(span.conditions()).fill_null(value=False),
    )
    outside = frame.filter(~pl.col("is_within"), choice_position=0)
    if outside.is_empty():
        return decoded
    rows = decoded.choices.filter(frame["is_within"].to_arrow())
    return decoded._replace(choices=rows, outside=len(outside))


def _split_by_date(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Split rows, sorted by `created`, by UTC date.

    Undated rows have the date 1970-01-01: pandas cannot open a null partition.
    """
    start = 0
    for run in pc.value_counts(_day_numbers(rows)).to_pylist():
        yield _format_day(run["values"]), rows.slice(start, run["counts"])
        start += run["counts"]


def find_days(rows: pa.Table | pa.RecordBatch) -> set[str]:
    """Return the dates whose directories rows belong in."""
    return {_format_day(number) for number in pc.unique(_day_numbers(rows)).to_pylist()}


def _day_numbers(rows: pa.Table | pa.RecordBatch) -> pa.ChunkedArray | pa.Array:
    """Return the UTC day of each row, in days since 1970."""
    micros = rows.column("created").cast(pa.int64()).fill_null(0)
    return pc.divide(micros, _MICROSECONDS_A_DAY)


def _format_day(number: int) -> str:
    """Format a day as in the name of its directory."""
    return (_EPOCH + timedelta(days=number)).isoformat()
