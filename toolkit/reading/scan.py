"""Logs and exports as polars LazyFrames: `scan`; the ledger of exports: `ledger`."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, Unpack

import polars as pl
from polars.io.plugins import register_io_source

from toolkit import errors
from toolkit.expressions.time_ranges import span
from toolkit.formatting.parameters import share_parameters
from toolkit.reading.batching import ROWS_PER_TABLE, iter_tables
from toolkit.reading.blocks import STDIN
from toolkit.reading.dedup import DUPLICATE_KEY, is_dated_by_line
from toolkit.reading.discovery import Logs
from toolkit.reading.ledger import LedgerBuilder
from toolkit.reading.log_reader import open_logs
from toolkit.reading.manifest import CHOICES_DIR, list_parts
from toolkit.reading.object_store import is_uri, polars_options
from toolkit.reading.options import READ_PARAMETERS, ReadOptions, complete
from toolkit.reading.sources import Exports, resolve, resolve_exports
from toolkit.schema.columns import SCHEMA_VERSION
from toolkit.schema.tables import CHOICES, LEDGER
from toolkit.schema.validation import passes, report_failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from toolkit.expressions.time_ranges import Moment, Span
    from toolkit.reading.discovery import Sources
    from toolkit.reading.log_reader import LogReader
    from toolkit.reading.sources import Export


# An export with fewer rows is read as one frame.
_FEW_ROWS = 1 << 16


@share_parameters(ReadOptions, READ_PARAMETERS)
def scan(
    sources: Sources,
    *,
    since: Moment = None,
    until: Moment = None,
    **options: Unpack[ReadOptions],
) -> pl.LazyFrame:
    """Read the choices of logs, exports or Parquet files, lazily, in bounded memory.

    Parameters
    ----------
    sources
        Logs as in `toolkit.load`, or one or several directories (also by a glob, also
        ``s3://...``) that `toolkit.export` has written. Of several exports the
        responses that they have in common appear once. Also files that end in
        ``.parquet`` and hold choices, such as `toolkit.export` writes into one file.
    since, until
        Range of `created`, until exclusive: a date, a datetime or its ISO text, in UTC
        unless it has a zone. With either, undated responses are left out. Of a
        single export only the days in the range are opened.
    **options
        Of logs only; an export keeps the options that it was made with.

    Returns
    -------
    pl.LazyFrame
        One row per choice with the dtypes of `toolkit.schema.CHOICES`, and the tags.
        `log_id` continues from export to export, so that keys stay unique. A column
        that an earlier version has not written is null. Logs are read when the frame is
        collected, each time again; their text is not read unless a column needs it.
        A streamed response comes when its stream is over.

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
    >>> dict(toolkit.scan(to).select("model", "total_tokens").collect_schema())
    {'model': String, 'total_tokens': Int64}
    """
    within = span(since, until)
    known = complete(scan, options)
    found = resolve(sources, options)
    if isinstance(found, Logs):
        return _scan_logs(open_logs(found, known)).filter(*within.conditions())
    if isinstance(found, Exports):
        return _scan_several([_export_source(one) for one in found.exports], within)
    return _scan_several([_file_source(name) for name in found.names], within)


# Logs.


def _scan_logs(reader: LogReader) -> pl.LazyFrame:
    """Build a LazyFrame that reads logs when it is collected."""
    has_stream = any(log.path == STDIN for log in reader.logs)
    was_read = False

    def read(
        with_columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        nonlocal was_read
        if was_read and has_stream:
            raise errors.StreamReadTwiceError(STDIN)
        was_read = True
        return _read_frames(reader, with_columns, predicate, n_rows)

    schema = dict(reader.plan.table.polars)
    return register_io_source(read, schema=schema, is_pure=True, explain_name="logs")


def _read_frames(
    reader: LogReader,
    with_columns: list[str] | None,
    predicate: pl.Expr | None,
    n_rows: int | None,
) -> Iterator[pl.DataFrame]:
    """Yield the rows of logs in validated frames, as polars asks for them."""
    names = reader.plan.table.names
    if with_columns is not None:
        roots = [] if predicate is None else predicate.meta.root_names()
        names = [name for name in names if name in {*with_columns, *roots}]
    reader = reader.project(names)
    table = reader.plan.table
    builder = LedgerBuilder(reader.logs, table)
    left = ROWS_PER_TABLE if n_rows is None else n_rows
    stream = builder.count_all(reader.iter_decoded())
    schema = reader.plan.schema
    for rows in iter_tables(stream, schema, rows=min(left, ROWS_PER_TABLE)):
        frame = pl.DataFrame(rows.select(names))
        if not passes(frame, table, partial=True):
            report_failures(frame, table)
        if n_rows is not None:
            # polars does not cut frames; the limit applies before the predicate.
            frame = frame.head(left)
            left -= frame.height
        if predicate is not None:
            frame = frame.filter(predicate)
        if with_columns is not None:
            frame = frame.select(with_columns)
        yield frame
        if not left:
            break
    builder.warn()
    reader.warn_of_skipped_files()


# Exports.


class _ScanSource(NamedTuple):
    """An export or a Parquet file, and how the choices of a range of time are read."""

    scan: Callable[[Span], pl.LazyFrame]
    next_log_id: int
    created_options: object = None  # unknown for a file


def _export_source(export: Export) -> _ScanSource:
    """Build the source of an export."""
    manifest = export.manifest
    options = [manifest.options.get(name) for name in ("created_unit", "created_path")]
    return _ScanSource(partial(_scan_export, export), manifest.next_log_id, options)


def _file_source(name: str) -> _ScanSource:
    """Build the source of a Parquet file, or raise if it does not hold choices."""
    with part_errors(name):
        found = scan_parts([name]).collect_schema()
    version = SCHEMA_VERSION
    if found.get("response_hash") == pl.UInt64:
        version = 1  # whose file may lack columns
        found = pl.Schema({**CHOICES.polars, **found, "response_hash": pl.Int64()})
    for column, dtype in CHOICES.polars.items():
        if found.get(column) != dtype:
            expected = (
                f"a file of choices (it has no column {column!r} of type {dtype})"
            )
            raise errors.OptionError("sources", name, expected=expected)
    rows = scan_parts([name], found, version)
    last = rows.select(pl.col("log_id").max()).collect().item()
    return _ScanSource(lambda _: rows, 0 if last is None else last + 1)


def _scan_several(sources: Sequence[_ScanSource], within: Span) -> pl.LazyFrame:
    """Concatenate exports without the responses that they have in common."""
    frames: list[pl.LazyFrame] = []
    keys: list[pl.LazyFrame] = []
    logs = 0
    # Equal bytes have equal dates, unless they were read otherwise, or from the line.
    is_same = all(one.created_options == sources[0].created_options for one in sources)
    has_key = pl.all_horizontal(True, *within.conditions()) if is_same else pl.lit(True)
    for one in sources:
        frame = one.scan(within).filter(*within.conditions())
        if logs:
            frame = frame.with_columns(
                pl.col("log_id") + pl.lit(logs, LEDGER["log_id"].dtype)
            )
        if keys:
            frame = frame.join(
                pl.concat(keys).unique(),
                on=DUPLICATE_KEY,
                how="anti",
                maintain_order="left",
            )
        frames.append(frame)
        logs += one.next_log_id
        if one is not sources[-1]:
            key = one.scan(span(None, None)).filter(has_key | is_dated_by_line())
            with_id = key.filter(pl.col("response_id").is_not_null())
            keys.append(with_id.select(DUPLICATE_KEY))
    return pl.concat(frames, how="diagonal")


def _scan_export(export: Export, within: Span) -> pl.LazyFrame:
    """Read the parts of an export whose day overlaps a range of time."""
    directory, manifest = export
    table = manifest.table
    parts = list_parts(directory, CHOICES_DIR, manifest)
    rows = count_rows(parts) if parts else 0
    committed = int(manifest.ledger["choices"].sum())
    if rows != committed:
        fault = f"expected {committed:,} rows as in its ledger, got {rows:,}"
        raise errors.DamagedExportError(directory, fault=fault)
    expected = [part for part in parts if within.touches(_day_of(part))]
    if not expected:
        return table.empty().lazy()
    frame = scan_parts(expected, table.polars, manifest.schema)
    # To price a file takes milliseconds, however few rows it has. One chunk, because
    # pl.format of the columns of several files panics.
    return frame.map_batches(pl.DataFrame.rechunk) if rows < _FEW_ROWS else frame


def scan_parts(
    parts: Sequence[str],
    schema: Mapping[str, pl.DataType] | None = None,
    version: int = SCHEMA_VERSION,
    part_column: str | None = None,
) -> pl.LazyFrame:
    """Read parts of a version: a column that one lacks is null in its rows.

    Without a schema it is that of the first part. `part_column` gets the part itself.
    """
    unsigned = dict.fromkeys(["response_hash"] if version == 1 else [], pl.UInt64())
    frame = pl.scan_parquet(
        list(parts),
        hive_partitioning=False,
        glob=False,
        schema=None if schema is None else {**schema, **unsigned},
        missing_columns="insert",
        extra_columns="ignore",
        include_file_paths=part_column,
        storage_options=polars_options(parts[0]) if parts else None,
        credential_provider=None,  # not those of boto3, if it is installed
    )
    signed = [pl.col(name).reinterpret(signed=True) for name in unsigned]
    return frame.with_columns(signed)


@contextmanager
def part_errors(part: str) -> Iterator[None]:
    """Raise errors of a file that is not Parquet as `DamagedExportError`."""
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        if isinstance(error, OSError) and is_uri(part):
            raise errors.UnreadableSourceError(part, cause=error) from error
        raise errors.DamagedExportError(part, fault="it is not Parquet") from error


def _day_of(part: str) -> date:
    """Return the day of the responses in a part."""
    return date.fromisoformat(PurePosixPath(part).parent.name.removeprefix("date="))


def count_rows(parts: Sequence[str]) -> int:
    """Count rows by the footers of parts; raise for the one without a footer."""
    try:
        with part_errors(parts[0]):
            counted = scan_parts(parts, {}).select(pl.len()).collect()
    except errors.DamagedExportError:
        if len(parts) == 1:
            raise
        return sum(count_rows([part]) for part in parts)
    return int(counted.item())


def ledger(exports: Sources) -> pl.DataFrame:
    """Return the ledger of one or several exports: one row per log.

    See `toolkit.schema.LEDGER`; `log_id` continues from export to export, as in `scan`.
    """
    return resolve_exports(exports).ledger
