"""The lazy twin of `load`: logs and exports as polars LazyFrames.

Also what an export says of itself: its ledger, and the options it was made with.
"""

from __future__ import annotations

from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, cast

import polars as pl
from polars.io.plugins import register_io_source

from toolkit.errors import (
    DamagedExportError,
    OptionError,
    StreamReadTwiceError,
    UnreadableSourceError,
)
from toolkit.expressions.time_ranges import span
from toolkit.reading.batching import ROWS_PER_TABLE, iter_tables
from toolkit.reading.blocks import STDIN
from toolkit.reading.discovery import (
    exports_in,
    named_sources,
    parquet_files,
)
from toolkit.reading.ledger import LedgerBuilder
from toolkit.reading.log_reader import open_logs
from toolkit.reading.manifest import CHOICES_DIR, list_parts, read_manifest
from toolkit.reading.object_store import is_uri, polars_options
from toolkit.reading.options import MAX_LINE_BYTES, LogOptions
from toolkit.schema.tables import CHOICES, LEDGER, choices_table
from toolkit.schema.validation import validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import date

    from toolkit.expressions.time_ranges import Moment, Span
    from toolkit.reading.discovery import Sources
    from toolkit.reading.log_reader import LogReader
    from toolkit.reading.manifest import Manifest
    from toolkit.reading.options import Content, CreatedUnit, Duplicates, OnDamage

# Two responses are one when both are equal: see `toolkit.reading.dedup`.
DUPLICATE_KEY = ("response_hash", "response_id")


def scan(
    sources: Sources,
    *,
    since: Moment = None,
    until: Moment = None,
    content: Content = "keep",
    duplicates: Duplicates = "drop",
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    max_line_bytes: int = MAX_LINE_BYTES,
    on_damage: OnDamage = "raise",
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> pl.LazyFrame:
    """Read the choices of logs, exports or Parquet files, lazily, in bounded memory.

    Parameters
    ----------
    sources
        Logs as in `toolkit.load`, or one or several directories (also by a glob, also
        ``s3://...``) that `toolkit.export` has written. Of several exports the
        responses that they have in common are shown once. Also files that end in
        ``.parquet`` and hold choices, such as `toolkit.export` writes into one file.
    since, until
        Range of `created`, until exclusive: a date, a datetime or its ISO text, in UTC
        unless it says otherwise. With either, undated responses are left out. Of an
        export only the days in the range are opened.
    content, duplicates, tags, response_path, created_unit, max_line_bytes
        As in `toolkit.load`; of logs only, an export keeps those it was made with.
    on_damage, threads
        As in `toolkit.load`; of logs only.
    progress
        Called with the number of bytes of the logs that were newly read.

    Returns
    -------
    pl.LazyFrame
        One row per choice with the dtypes of `toolkit.schema.CHOICES`, and the tags.
        `log_id` counts on from export to export, so that the key stays one. A column
        that an older version has not written is null. Logs are read when the frame is
        collected, and each time anew; their text is left off if nobody asks for it.

    Raises
    ------
    OptionError
        If logs, exports and Parquet files are mixed, if an option of logs is given for
        an export, or if a Parquet file holds no choices.
    SourceError
        If a log is missing; when collecting, if it is damaged.
    NotAnExportError
        If no export was committed there.
    DamagedExportError
        If a part is unreadable, or the parts do not hold the rows of the ledger.

    Warns
    -----
    RejectsWarning, DamageWarning, PassedOverWarning
        Of logs, once they were read.

    Examples
    --------
    >>> import tempfile, toolkit
    >>> to = tempfile.mkdtemp()
    >>> done = toolkit.export("data/sample/chat.jsonl", to=to)
    >>> toolkit.scan(to).select("model", "total_tokens").collect_schema()
    Schema([('model', String), ('total_tokens', Int64)])
    """
    within = span(since, until)
    options: LogOptions = {
        "content": content,
        "duplicates": duplicates,
        "tags": tags,
        "response_path": response_path,
        "created_unit": created_unit,
        "max_line_bytes": max_line_bytes,
        "on_damage": on_damage,
        "threads": threads,
    }
    if files := parquet_files(sources, **options):
        return _scan_shown([_shown_file(name) for name in files], within)
    if exports := exports_in(sources, **options):
        return _scan_shown([_shown_export(name) for name in exports], within)
    reading = open_logs(sources, progress=progress, **options)
    return _scan_logs(reading).filter(*within.conditions())


# Logs.


def _scan_logs(reading: LogReader) -> pl.LazyFrame:
    """Make a source for polars of logs."""
    return register_io_source(
        _LogScan(reading),
        schema=dict(reading.plan.table.polars),
        is_pure=True,
        explain_name="logs",
    )


class _LogScan:
    """What polars calls to read logs: it says which columns and rows it wants."""

    def __init__(self, reading: LogReader) -> None:
        self.reading = reading
        self.is_spent = False

    def __call__(
        self,
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        """Yield the rows of the logs in frames that pandera has passed."""
        if self.is_spent:
            raise StreamReadTwiceError(STDIN)
        self.is_spent = any(log.path == STDIN for log in self.reading.logs)
        reading = self.reading
        if not self.wants_text(with_columns, predicate):
            reading = reading.without_text()
        table = reading.plan.table
        account = LedgerBuilder(reading.logs)
        left = ROWS_PER_TABLE if n_rows is None else n_rows
        stream = account.count_all(reading.iter_decoded())
        for rows in iter_tables(stream, table.arrow, rows=min(left, ROWS_PER_TABLE)):
            frame = validate(pl.DataFrame(rows), table=table)
            if n_rows is not None:
                # The engine takes what it is given; of rows and a predicate together
                # it wants the rows first.
                frame = frame.head(left)
                left -= frame.height
            if predicate is not None:
                frame = frame.filter(predicate)
            if with_columns is not None:
                frame = frame.select(with_columns)
            yield frame
            if not left:
                break
        account.warn()
        reading.warn_of_skipped_files()

    def wants_text(
        self, with_columns: list[str] | None, predicate: pl.Expr | None
    ) -> bool:
        """Say whether a column is asked for that `content="drop"` leaves null."""
        table = self.reading.plan.table
        asked = set(table.names if with_columns is None else with_columns)
        if predicate is not None:
            asked |= set(predicate.meta.root_names())
        return any(table[name].private for name in asked)


# Exports.


class _ScanSource(NamedTuple):
    """An export, or a single file, that is to be shown."""

    scan: Callable[[Span], pl.LazyFrame]
    next_log_id: int
    created_unit: object = None  # not known of a file


def _shown_export(directory: str) -> _ScanSource:
    """Read what an export says of itself."""
    state = read_manifest(directory)
    unit = state.options.get("created_unit")
    return _ScanSource(partial(_scan_export, directory, state), state.next_log_id, unit)


def _shown_file(name: str) -> _ScanSource:
    """Look whether a Parquet file holds choices."""
    try:
        found = scan_parts([name]).collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise DamagedExportError(name, fault="it is no Parquet") from error
    for column, dtype in CHOICES.polars.items():
        if found.get(column) != dtype:
            expected = (
                f"a file of choices (it has no column {column!r} of type {dtype})"
            )
            raise OptionError("sources", name, expected=expected)
    last = scan_parts([name]).select(pl.col("log_id").max()).collect().item()
    return _ScanSource(partial(_scan_file, name), 0 if last is None else last + 1)


def _scan_file(name: str, within: Span) -> pl.LazyFrame:
    """Read a Parquet file of choices."""
    return scan_parts([name]).filter(*within.conditions())


def _scan_shown(shown: Sequence[_ScanSource], within: Span) -> pl.LazyFrame:
    """Concatenate exports without the responses that they have in common."""
    frames: list[pl.LazyFrame] = []
    keys: list[pl.LazyFrame] = []
    logs = 0
    # Equal bytes have equal dates, unless their units were read differently.
    units = {one.created_unit for one in shown}
    within_keys = within if len(units) == 1 else span(None, None)
    for one in shown:
        frame = one.scan(within)
        if logs:
            frame = frame.with_columns(
                pl.col("log_id") + pl.lit(logs, LEDGER["log_id"].dtype)
            )
        key = one.scan(within_keys).select(DUPLICATE_KEY)
        if keys:
            frame = frame.join(
                pl.concat(keys).unique(),
                on=DUPLICATE_KEY,
                how="anti",
                maintain_order="left",
            )
        frames.append(frame)
        keys.append(key.filter(pl.col("response_id").is_not_null()))
        logs += one.next_log_id
    return pl.concat(frames, how="diagonal")


def _scan_export(directory: str, state: Manifest, within: Span) -> pl.LazyFrame:
    """Read the parts of an export whose day may hold what is in the range."""
    table = choices_table(state.tags)
    parts = list_parts(directory, CHOICES_DIR, state)
    _check_rows(directory, parts, int(state.ledger["choices"].sum()))
    expected = [part for part in parts if within.touches(_day_of(part))]
    frame = scan_parts(expected, table.polars) if expected else table.empty().lazy()
    return frame.filter(*within.conditions())


def scan_parts(
    parts: Sequence[str], schema: Mapping[str, pl.DataType] | None = None
) -> pl.LazyFrame:
    """Read parts of any version: a column that one lacks is null in its rows.

    Without a schema it is that of the first part.
    """
    return pl.scan_parquet(
        list(parts),
        hive_partitioning=False,
        glob=False,
        schema=None if schema is None else dict(schema),
        missing_columns="insert",
        extra_columns="ignore",
        storage_options=cast("dict[str, object]", polars_options(parts[0])),
    )


def _day_of(part: str) -> date:
    """Return the day whose responses a part holds."""
    # Imported here: `date` is a type for everyone else.
    from datetime import date

    return date.fromisoformat(PurePosixPath(part).parent.name.removeprefix("date="))


def _check_rows(directory: str, parts: Sequence[str], committed: int) -> None:
    """Hold the number of rows that the parts say they have against the ledger."""
    rows = _count_rows(parts) if parts else 0
    if rows != committed:
        fault = f"its parts hold {rows:,} rows where {committed:,} were committed"
        raise DamagedExportError(directory, fault=fault)


def _count_rows(parts: Sequence[str]) -> int:
    """Count rows by the footers of parts; one that has none is named."""
    try:
        counted = scan_parts(parts, {}).select(pl.len()).collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        if isinstance(error, OSError) and is_uri(parts[0]):
            raise UnreadableSourceError(parts[0], cause=error) from error
        if len(parts) == 1:
            raise DamagedExportError(parts[0], fault="it is no Parquet") from error
        return sum(_count_rows([part]) for part in parts)
    return int(counted.item())


def ledger(exports: Sources) -> pl.DataFrame:
    """Return the ledger of one or several exports: one row per log.

    See `toolkit.schema.LEDGER`; `log_id` counts on from export to export, as in `scan`.
    """
    frames: list[pl.DataFrame] = []
    logs = 0
    for directory in named_sources(exports):
        state = read_manifest(directory)
        frames.append(state.ledger.with_columns(log_id=pl.col("log_id") + logs))
        logs += state.next_log_id
    return LEDGER.empty().vstack(pl.concat(frames).cast(pl.Schema(LEDGER.polars)))
