"""The Parquet parts of an export: rows are validated, split by date and written."""

from __future__ import annotations

import sys
from collections import Counter, deque
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit import system
from toolkit.errors import DamagedExportError, ToolkitError
from toolkit.reading import object_store
from toolkit.reading.batching import BatchBuffer
from toolkit.reading.blocks import read_errors
from toolkit.reading.manifest import CHOICES_DIR, REJECTS_DIR
from toolkit.schema.tables import REJECTS
from toolkit.schema.validation import validate_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from toolkit.expressions.time_ranges import Span
    from toolkit.reading.blocks import Decoded
    from toolkit.schema.columns import Table

# A row group is written when the rows of a date have so many bytes,
_ROW_GROUP_BYTES = 32 * 1024 * 1024
# or when those of all dates have so many.
_BUFFER_BYTES = 128 * 1024 * 1024
# The last row groups are smaller, so that all threads finish at about the same time.
_LAST_BYTES = 16 * 1024 * 1024
# Files that are open at once; a log may have more days than that.
_OPEN_PARTS = 128
_ZSTD_LEVEL = 1
# The row groups of a date go into so many parts in turn, which are written in parallel.
_LANES = 2
# Columns of unique values without an order: neither a dictionary nor the least and the
# greatest value of a row group are of use.
_TEXTS = {
    *("response_hash", "response_id", "raw", "content", "reasoning_content", "refusal"),
    *("tool_calls.list.element.id", "tool_calls.list.element.arguments"),
}
# Columns that a dictionary does not make smaller.
_UNIQUE = {"line", "offset", "created", *_TEXTS}
# A slice of rows keeps all of them in memory, so a smaller share of them is copied.
_FEW = 8
_EPOCH = date(1970, 1, 1)
OTHER_COLUMNS = "its columns are not those of the schema"
# Work that has ended: before there is any other, this is what to wait for.
_DONE: Future[None] = Future()
_DONE.set_result(None)


class InlineExecutor(Executor):
    """An executor that calls each function at once, in the thread that submits it."""

    def submit(
        self, fn: Callable[..., Any], /, *args: object, **kwargs: object
    ) -> Future[Any]:
        """Call a function, and return its result as a finished future."""
        future: Future[Any] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@dataclass
class Parts:
    """Collect rows, validate them, and write them by date."""

    folder: Path
    table: Table
    threads: int | None = None

    def __post_init__(self) -> None:
        """Begin without rows."""
        self.choices = BatchBuffer(self.table.arrow)
        self.rejects = BatchBuffer(REJECTS.arrow)
        self.by_date: dict[str, list[pa.Table]] = {}
        self.writers: dict[tuple[str, int], PartWriter] = {}  # by directory and lane
        self.row_groups: Counter[str] = Counter()  # of each date so far
        self.made: list[Path] = []
        # Validation and writing run in threads while the next rows are decoded.
        self.lanes, self.last_bytes = _LANES, _LAST_BYTES
        self.pool: Executor = ThreadPoolExecutor(None, "toolkit-write")
        if self.threads == 1:
            self.lanes, self.last_bytes = 1, _ROW_GROUP_BYTES
            self.pool = InlineExecutor()
        self.validated = _DONE
        self.written: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the files that an error has left open."""
        self.pool.shutdown(cancel_futures=True)
        for writer in self.writers.values():
            writer.abandon()

    def add(self, choices: pa.RecordBatch, rejects: pa.RecordBatch) -> None:
        """Add the rows of a block."""
        if (rows := self.choices.add(choices)) is not None:
            self.submit(self.add_choices, rows)
        if (rows := self.rejects.add(rejects)) is not None:
            self.submit(self.write_rejects, rows)

    def submit(self, work: Callable[[pa.Table], None], rows: pa.Table) -> None:
        """Start to validate rows after those before them."""
        self.validated.result()
        self.validated = self.pool.submit(work, rows)

    def add_choices(self, rows: pa.Table) -> None:
        """Validate rows, and write the dates that have enough of them."""
        self.add_to_dates(rows)
        sizes = {
            day: sum(table.nbytes for table in tables)
            for day, tables in self.by_date.items()
        }
        least = 0 if sum(sizes.values()) >= _BUFFER_BYTES else _ROW_GROUP_BYTES
        if days := [day for day, size in sorted(sizes.items()) if size >= least]:
            self.write_dates(days)

    def add_to_dates(self, rows: pa.Table) -> None:
        """Validate rows, and add them to those of their dates."""
        validate_rows(rows, self.table)
        for day, part in _split_by_date(rows):
            self.by_date.setdefault(day, []).append(part)

    def write_dates(self, days: Iterable[str], size: int = _ROW_GROUP_BYTES) -> None:
        """Write the rows of some dates as row groups, after the earlier ones."""
        self.wait(until=self.lanes - 1)
        for day in days:
            for rows in _cut_evenly(pa.concat_tables(self.by_date.pop(day)), size):
                lane = self.row_groups[day] % self.lanes
                self.row_groups[day] += 1
                writer = self.writer(f"{CHOICES_DIR}/date={day}", self.table, lane)
                writer.busy.result()
                writer.busy = self.pool.submit(writer.write_table, rows)
                self.written.append(writer.busy)

    def wait(self, until: int = 0) -> None:
        """Wait until so few row groups are being written, and raise their errors."""
        while len(self.written) > until:
            self.written.popleft().result()

    def writer(self, directory: str, table: Table, lane: int = 0) -> PartWriter:
        """Return an open part; close the least recently used one if there are too many.

        Its directory is below the folder.
        """
        writer = self.writers.pop((directory, lane), None)
        if writer is None:
            if len(self.writers) >= _OPEN_PARTS:
                self.wait()
                self.writers.pop(next(iter(self.writers))).close()
            path = Path(directory) / f"{len(self.made)}.parquet"
            writer = _create_part(self.folder / path, table)
            self.made.append(path)
        self.writers[directory, lane] = writer
        return writer

    def write_rejects(self, rows: pa.Table) -> None:
        """Validate and write rejects."""
        validate_rows(rows, REJECTS)
        self.writer(REJECTS_DIR, REJECTS).write_table(rows)

    def finish(self) -> None:
        """Write all rows that are left, and finish every part."""
        if len(rows := self.choices.take()):
            self.submit(self.add_to_dates, rows)
        self.validated.result()
        self.write_dates(sorted(self.by_date), self.last_bytes)
        if len(rows := self.rejects.take()):
            self.write_rejects(rows)
        for writer in self.writers.values():
            self.written.append(self.pool.submit(writer.close))
        self.wait()


class PartWriter:
    """Write one Parquet file, which is on disk once it is closed."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        self.file = file
        self.busy = _DONE  # with the last row group
        leaves = {*_list_leaves(schema)}
        repeated, unique = sorted(leaves - _UNIQUE), sorted(leaves & _UNIQUE)
        # Of a small row group, zstd takes longer for each column than all else does.
        codecs = dict.fromkeys(repeated, "snappy") | dict.fromkeys(unique, "zstd")
        self.parquet = pq.ParquetWriter(
            self.file,
            schema,
            compression=codecs,
            compression_level=dict.fromkeys(unique, _ZSTD_LEVEL),
            use_dictionary=repeated,
            write_statistics=sorted(leaves - _TEXTS),
            write_page_checksum=True,
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        """Finish the file, or close it unfinished after an error."""
        if kind is None:
            self.close()
        else:
            self.abandon()

    def write_table(self, rows: pa.Table) -> None:
        """Write rows as a row group, sorted by `created` if they have it."""
        order = _find_order(rows) if "created" in rows.column_names else None
        self.parquet.write_table(rows if order is None else _take(rows, order))

    def close(self) -> None:
        """Finish the file after its last row group, and sync it."""
        try:
            self.busy.result()
            self.parquet.close()
            system.sync(self.file)
            self.file.close()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close the file as it is, if it is still open."""
        with suppress(OSError, ValueError, pa.ArrowException):
            self.parquet.close()
        with suppress(OSError):
            self.file.close()


def iter_part(part: str, schema: pa.Schema | None = None) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part, which must have a schema, unless it is None.

    The checksums of its pages are verified.

    Raises
    ------
    DamagedExportError
        If the part cannot be read, or has other columns.
    UnreadableSourceError
        If a store does not return it.
    """
    try:
        if object_store.is_uri(part):
            with read_errors(part):  # a lost connection is no damage
                opened = pa.BufferReader(object_store.read_object(part)[0])
        else:
            # Opened here: Arrow does not report why a file cannot be closed.
            opened = Path(part).open("rb")  # noqa: SIM115 - closed below
        with opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
            own = file.schema_arrow
            is_same = schema is None or own.equals(schema, check_metadata=True)
            for rows in file.iter_batches() if is_same else ():
                rows.validate(full=True)  # polars does not check
                yield rows
    except ToolkitError:
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        # Only the first line: the others may quote cells.
        reason = str(error).partition("\n")[0]
        raise DamagedExportError(part, fault=f"it cannot be read: {reason}") from error
    if not is_same:
        raise DamagedExportError(part, fault=OTHER_COLUMNS)


def write_part(path: Path, table: Table, batches: Iterable[pa.RecordBatch]) -> int:
    """Write rows as one part, and return their number."""
    buffer, count = BatchBuffer(table.arrow, sys.maxsize), 0
    with _create_part(path, table) as writer:
        for batch in batches:
            count += len(batch)
            if (rows := buffer.add(batch)) is not None:
                writer.write_table(rows)
        if len(rows := buffer.take()):
            writer.write_table(rows)
    return count


def _create_part(path: Path, table: Table) -> PartWriter:
    """Create a part; only its owner can read rejects, which contain whole lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = system.create_private(path) if table is REJECTS else path.open("xb")
    return PartWriter(file, table.arrow)


def _list_leaves(schema: pa.Schema) -> Iterator[str]:
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


def _find_order(rows: pa.Table) -> pa.Array | None:
    """Return the places of rows by `created`, undated ones first; None if sorted."""
    frame = pl.DataFrame(rows.select(["created"]))
    if frame["created"].is_sorted():
        return None
    places = frame.select(pl.arg_sort_by("created", maintain_order=True))
    return places["created"].to_arrow()


def _take(rows: pa.Table, places: pa.Array) -> pa.Table:
    """Return the rows at some places.

    For buffers of this size the allocator of the system takes half as long as Arrow's.
    """
    import pyarrow.compute as pc  # slow to import, and seldom needed for a small log

    return pc.take(rows, places, memory_pool=pa.system_memory_pool())


def filter_span(stream: Iterable[Decoded], span: Span) -> Iterator[Decoded]:
    """Yield blocks without the responses outside a time range, and count these."""
    if span == (None, None):
        yield from stream
        return
    is_within = pl.all_horizontal(span.conditions()).fill_null(value=False)
    for decoded in stream:
        frame = pl.DataFrame(decoded.choices.select(["choice_position", "created"]))
        outside = len(frame.filter(~is_within, choice_position=0))
        if outside:
            mask = frame.select(is_within).to_series().to_arrow()
            rows = decoded.choices.filter(mask)
            decoded = decoded._replace(choices=rows, outside=outside)
        yield decoded


def _split_by_date(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Split rows by UTC date; those of several dates are sorted by `created`."""
    dates = _compute_dates(rows)
    order = None if dates.n_unique() == 1 else _find_order(rows)
    if order is not None:
        rows, dates = _take(rows, order), dates.gather(pl.Series(order))
    start = 0
    for run in dates.rle():
        size = run["len"]
        part = rows.slice(start, size)
        if size < len(rows) // _FEW:
            part = _take(part, pl.int_range(size, eager=True).to_arrow())
        yield run["value"].isoformat(), part
        start += size


def find_days(rows: pa.Table | pa.RecordBatch) -> set[str]:
    """Return the dates whose directories rows belong in."""
    return {day.isoformat() for day in _compute_dates(rows).unique()}


def _compute_dates(rows: pa.Table | pa.RecordBatch) -> pl.Series:
    """Return the UTC date of each row.

    Undated rows have the date 1970-01-01: pandas cannot open a null partition.
    """
    created = pl.DataFrame(rows.select(["created"]))["created"]
    return created.dt.date().fill_null(_EPOCH)
