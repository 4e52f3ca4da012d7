"""Logs in, a directory of Parquet out, in constant memory.

Parts are written in ``.staging``, synced, renamed into place, and committed by
state.json: whoever reads sees whole files only, and a run that died leaves nothing that
the next one does not clear away.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self, get_args

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.blocks import (
    MAX_LINE_BYTES,
    Content,
    CreatedUnit,
    as_text,
    check_word,
    make_plan,
)
from toolkit.errors import BusyError, NotEmptyError, WriteError
from toolkit.finding import Sources, find_logs
from toolkit.loading import (
    Duplicates,
    Ledger,
    decoded_blocks,
    with_progress,
)
from toolkit.schema import REJECTS, Table
from toolkit.state import (
    CHOICES_DIR,
    LOCK_FILE,
    OWN_NAMES,
    README,
    README_FILE,
    REJECTS_DIR,
    STAGING_DIR,
    STATE_FILE,
    make_state,
    sync_directory,
    write_state,
    write_synced,
)
from toolkit.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# A call of pandera costs the same for a thousand rows as for many.
GATE_ROWS = 65_536
GATE_BYTES = 64 * 1024 * 1024
# Rows wait for their row group until so many bytes are held in all.
HELD_BYTES = 128 * 1024 * 1024
# Files that are open at once; a log may reach over more days than that.
OPEN_PARTS = 128
ZSTD_LEVEL = 1
MICROSECONDS_A_DAY = 86_400 * 10**6
EPOCH = date(1970, 1, 1)
PART_NAME = re.compile(r"[0-9]+-[0-9]+\.parquet")


class Exported(NamedTuple):
    """What an export did."""

    directory: Path
    ledger: pl.DataFrame
    passed_over: dict[str, int]


def export(
    sources: Sources,
    to: str | os.PathLike[str],
    *,
    content: Content = "keep",
    duplicates: Duplicates = "drop",
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    max_line_bytes: int = MAX_LINE_BYTES,
    progress: Callable[[int], None] | None = None,
) -> Exported:
    """Write logs as Parquet, partitioned by the UTC date of `created`.

    Parameters
    ----------
    sources
        As in `toolkit.load`.
    to
        A directory that does not exist yet, or is empty, or holds what an export that
        was cut off left.
    content, duplicates, tags, response_path, created_unit, max_line_bytes, progress
        As in `toolkit.load`.

    Returns
    -------
    Exported
        The directory, the ledger (one row per log) and the files passed over.

    Raises
    ------
    NotEmptyError
        If the directory holds anything else.
    BusyError
        If another process is writing there.
    SourceError
        If a log is missing, unreadable or damaged; nothing is committed then.
    WriteError
        If the system refuses to write; nothing is committed then.

    Notes
    -----
    An unfinished last line of a plain file is left for later (`pending_bytes` in the
    ledger). Every batch passes `toolkit.validate` before it is written.

    Examples
    --------
    >>> import tempfile, toolkit
    >>> to = tempfile.mkdtemp()
    >>> done = toolkit.export("data/sample/chat.jsonl", to=to)
    >>> toolkit.scan(to).select("line").collect().height == done.ledger["choices"].sum()
    True
    """
    check_word("duplicates", duplicates, get_args(Duplicates))
    options = {
        "content": content,
        "duplicates": duplicates,
        "tags": dict(tags or {}),
        "response_path": response_path,
        "created_unit": created_unit,
        "max_line_bytes": max_line_bytes,
    }
    plan = make_plan(
        content=content,
        tags=tags,
        response_path=response_path,
        created_unit=created_unit,
        max_line_bytes=max_line_bytes,
        leave_pending=True,
    )
    found = find_logs(sources)
    directory = Path(to)
    with held_directory(directory), saying_what_failed(directory):
        staging = fresh_staging(directory)
        ledger = Ledger(found.logs)
        with Parts(staging, generation=1, table=plan.table) as parts:
            for decoded in with_progress(
                decoded_blocks(found.logs, plan, duplicates, None), progress
            ):
                ledger.add(decoded)
                parts.add(decoded.choices, decoded.rejects)
            parts.finish()
        parts.publish(directory)
        write_synced(
            directory / README_FILE, README.format(directory=as_text(str(directory)))
        )
        frame = ledger.frame()
        write_state(directory, make_state(1, options, frame))
        shutil.rmtree(staging)
    return Exported(directory, frame, found.passed_over)


@contextmanager
def held_directory(directory: Path) -> Iterator[None]:
    """Make a directory and hold its lock; the lock dies with the process."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in directory.iterdir()}
        # Only a run of ours leaves a lock: without one, what is there is the user's.
        is_ours = LOCK_FILE in names and names <= OWN_NAMES
        if STATE_FILE in names or (names and not is_ours):
            raise NotEmptyError(str(directory))
        lock = (directory / LOCK_FILE).open("a+", encoding="ascii")
    except FileExistsError as error:
        if isinstance(error, NotEmptyError):
            raise
        raise NotEmptyError(str(directory)) from None
    except OSError as error:
        raise WriteError(str(directory), cause=error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = f"process {lock.read().strip() or 'unknown'}"
            raise BusyError(str(directory), holder=holder) from None
        # Whoever held the lock a moment ago may have finished.
        if (directory / STATE_FILE).exists():
            raise NotEmptyError(str(directory))
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@contextmanager
def saying_what_failed(directory: Path) -> Iterator[None]:
    """Turn a refusal of the system into one line; nothing is left in staging."""
    try:
        yield
    except BaseException as error:
        shutil.rmtree(directory / STAGING_DIR, ignore_errors=True)
        if isinstance(error, OSError) and error.filename is not None:
            raise WriteError(str(error.filename), cause=error) from error
        if type(error) is OSError:
            raise WriteError(str(directory), cause=error) from error
        raise


def fresh_staging(directory: Path) -> Path:
    """Clear away what a run that died has left, and make an empty staging directory."""
    staging = directory / STAGING_DIR
    if staging.exists():
        shutil.rmtree(staging)
    for name in (CHOICES_DIR, REJECTS_DIR):
        for path in (directory / name).rglob("*.parquet"):
            if PART_NAME.fullmatch(path.name):
                path.unlink()
        (staging / name).mkdir(parents=True)
        (directory / name).mkdir(exist_ok=True)
    return staging


class Parts:
    """Gathers rows, passes them through the gate, and writes them by date."""

    def __init__(self, staging: Path, *, generation: int, table: Table) -> None:
        self.staging = staging
        self.generation = generation
        self.table = table
        self.waiting: list[pa.RecordBatch] = []
        self.rejects: list[pa.RecordBatch] = []
        self.by_date: dict[str, list[pa.Table]] = {}
        self.held = 0  # bytes in by_date
        self.writers: dict[str, PartWriter] = {}
        self.rejects_writer: PartWriter | None = None
        self.made: list[Path] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Let go of the files that a fault has left open."""
        for writer in (*self.writers.values(), self.rejects_writer):
            if writer is not None:
                writer.abandon()

    def add(self, choices: pa.RecordBatch, rejects: pa.RecordBatch) -> None:
        """Take the rows of a block."""
        self.waiting.append(choices)
        if len(rejects):
            self.rejects.append(rejects)
        if is_enough(self.waiting):
            self.pass_gate()
        if is_enough(self.rejects):
            self.write_rejects()

    def pass_gate(self) -> None:
        """Validate the rows that wait, and sort them by time and so by date."""
        rows = pa.Table.from_batches(self.waiting, self.table.arrow)
        self.waiting = []
        if not len(rows):
            return
        validate(pl.DataFrame(rows), table=self.table)
        rows = rows.sort_by([("created", "ascending", "at_start")])
        for day, part in split_by_date(rows):
            self.by_date.setdefault(day, []).append(part)
        self.held += rows.nbytes
        if self.held >= HELD_BYTES:
            self.write_dates()

    def write_dates(self) -> None:
        """Write what is held of each date as a row group."""
        for day, tables in sorted(self.by_date.items()):
            rows = pa.concat_tables(tables).sort_by(
                [("created", "ascending", "at_start")]
            )
            self.writer(day).write_table(rows)
        self.by_date, self.held = {}, 0

    def writer(self, day: str) -> PartWriter:
        """Return the open part of a date; the one unused for longest makes room."""
        writer = self.writers.pop(day, None)
        if writer is None:
            if len(self.writers) >= OPEN_PARTS:
                self.close_part(next(iter(self.writers)))
            path = Path(CHOICES_DIR) / f"date={day}" / self.part_name()
            writer = self.open_part(path, self.table.arrow, mode=0o666)
        self.writers[day] = writer
        return writer

    def write_rejects(self) -> None:
        """Write the rejects that wait; nobody else may read them."""
        rows = pa.Table.from_batches(self.rejects, REJECTS.arrow)
        self.rejects = []
        validate(pl.DataFrame(rows), table=REJECTS)
        if self.rejects_writer is None:
            path = Path(REJECTS_DIR) / self.part_name()
            self.rejects_writer = self.open_part(path, REJECTS.arrow, mode=0o600)
        self.rejects_writer.write_table(rows)

    def part_name(self) -> str:
        """Name a part: no two of an export have the same name."""
        return f"{self.generation}-{len(self.made)}.parquet"

    def open_part(self, path: Path, schema: pa.Schema, *, mode: int) -> PartWriter:
        """Create a part below staging."""
        staged = self.staging / path
        staged.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        self.made.append(path)
        return PartWriter(handle, schema)

    def close_part(self, day: str) -> None:
        """Finish the open part of a date."""
        self.writers.pop(day).close()

    def finish(self) -> None:
        """Write all that waits and finish every part."""
        self.pass_gate()
        self.write_dates()
        if self.rejects:
            self.write_rejects()
        for day in list(self.writers):
            self.close_part(day)
        if self.rejects_writer is not None:
            self.rejects_writer.close()
            self.rejects_writer = None

    def publish(self, directory: Path) -> None:
        """Rename the parts into place and sync the directories."""
        for path in self.made:
            (directory / path.parent).mkdir(parents=True, exist_ok=True)
            (self.staging / path).rename(directory / path)
        for parent in sorted({path.parent for path in self.made}):
            sync_directory(directory / parent)
        for name in (CHOICES_DIR, REJECTS_DIR):
            sync_directory(directory / name)


class PartWriter:
    """One Parquet file that is on disk when it is closed."""

    def __init__(self, handle: int, schema: pa.Schema) -> None:
        self.file = os.fdopen(handle, "wb")
        self.parquet = pq.ParquetWriter(
            self.file,
            schema,
            compression="zstd",
            compression_level=ZSTD_LEVEL,
        )

    def write_table(self, rows: pa.Table) -> None:
        """Write rows as a row group."""
        self.parquet.write_table(rows)

    def close(self) -> None:
        """Finish the file and sync it."""
        try:
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


def is_enough(batches: list[pa.RecordBatch]) -> bool:
    """Say whether batches are worth a call of the gate."""
    rows = sum(len(batch) for batch in batches)
    return rows >= GATE_ROWS or sum(batch.nbytes for batch in batches) >= GATE_BYTES


def split_by_date(rows: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Cut rows that are sorted by `created` at the midnights of UTC.

    Undated rows go to 1970-01-01: a null partition cannot be opened by pandas.
    """
    micros = rows.column("created").cast(pa.int64()).fill_null(0)
    days = pc.divide(micros, MICROSECONDS_A_DAY)
    start = 0
    for run in pc.value_counts(days).to_pylist():
        day = EPOCH + timedelta(days=run["values"])
        yield day.isoformat(), rows.slice(start, run["counts"])
        start += run["counts"]
