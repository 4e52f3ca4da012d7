"""Export logs as Parquet by date, in constant memory; each run adds only what is new.

Parts are written to a staging directory and committed together by state.json. Readers
see only whole files, and the next run removes what an interrupted run has left.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Unpack

from toolkit import system
from toolkit.errors import OptionError
from toolkit.exports.directory import open_target
from toolkit.exports.parts import PartWriter, filter_span
from toolkit.exports.run import ExportRun
from toolkit.expressions.time_ranges import Moment, Span, span
from toolkit.formatting.parameters import check_path, check_type, share_parameters
from toolkit.reading import object_store
from toolkit.reading.batching import iter_tables
from toolkit.reading.discovery import Sources, list_names
from toolkit.reading.ledger import STREAM_COUNTS, LedgerBuilder, RejectCount
from toolkit.reading.log_reader import LogReader, open_logs
from toolkit.reading.manifest import Manifest, write_errors
from toolkit.reading.options import READ_PARAMETERS, ReadOptions, complete
from toolkit.reading.pieces import KEY
from toolkit.reading.sources import PARQUET
from toolkit.schema.validation import validate_rows

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping
    from concurrent.futures import Executor

    import polars as pl


# Options of reading that do not shape the rows; the others are stored in state.json.
_NOT_STORED = {"on_damage", "threads", "progress"}
# Endings of files of other kinds: such a name is hardly meant for a directory.
_OTHER_FILES = (
    *(".csv", ".tsv", ".txt", ".md", ".json", ".jsonl", ".ndjson", ".log", ".xml"),
    *(".html", ".pdf", ".png", ".svg", ".xls", ".xlsx", ".db", ".sqlite", ".duckdb"),
    *(".arrow", ".feather", ".parquet", ".gz", ".zst", ".bz2", ".xz", ".zip", ".tar"),
)


class StreamCounts(NamedTuple):
    """The streamed responses that a run has written, and those that are still open."""

    responses: int
    chunks: int
    unfinished: int  # of the responses: those without an end
    open: int  # left for a later run


class Exported(NamedTuple):
    """The result of an export.

    `ledger` covers the whole export, `added` this run alone: one row for each log that
    it read.
    """

    directory: str
    ledger: pl.DataFrame
    rejects: list[RejectCount]
    passed_over: dict[str, int]
    added: pl.DataFrame
    found: int  # logs, including those with nothing new
    streams: StreamCounts


@share_parameters(ReadOptions, READ_PARAMETERS)
def export(
    sources: Sources,
    to: str | os.PathLike[str],
    *,
    since: Moment = None,
    until: Moment = None,
    rewrite: bool = False,
    final: bool = False,
    wait: float = 0,
    executor: Executor | None = None,
    **options: Unpack[ReadOptions],
) -> Exported:
    """Write logs as Parquet, partitioned by the UTC date of `created`.

    A second run reads only what is new. Logs are recognized by their content, also if
    they were renamed or compressed.

    Parameters
    ----------
    sources
        As in `toolkit.load`.
    to
        A directory that is new, empty or an export (also an interrupted one), or such
        an address ``s3://bucket/key``. A name that ends in ``.parquet`` is one file:
        each run reads all logs and replaces the file atomically; rejects are only
        counted.
    since, until
        Range of `created`, until exclusive, as in `toolkit.scan`. With either, undated
        responses are left out; the ledger counts what is left out. They are stored with
        the export.
    rewrite
        Replace the export by one of the logs that exist now. The old one stays until
        the new one is complete.
    final
        The logs are complete: also write the streamed responses that are still open.
    wait
        Seconds to wait for another process that is writing there.
    executor
        Any `concurrent.futures.Executor`, also one of a cluster. Its workers read the
        logs and write the parts, each with one thread, and this process commits them.
        They must have access to the logs and the target under the same names. The
        result is the same.
    **options
        Those that shape rows are stored with the export; later runs must have the same.

    Returns
    -------
    Exported
        The directory, its ledger (one row per log), what this run added, and the files
        that were skipped.

    Raises
    ------
    NotEmptyError
        If the directory contains anything else.
    BusyError
        If another process is writing there, or has committed first in a store.
    OptionError
        If the export was made with other options, and `rewrite` is not set.
    ExportError
        If an earlier version of the toolkit made the export, and `rewrite` is not set.
    SourceError
        If a log is missing, unreadable or damaged; nothing is committed then.
    LogChangedError
        If a log was truncated or rewritten while it was read; nothing is committed.
    WriteError
        If writing fails; nothing is committed then.

    Warns
    -----
    DamageWarning
        Once, if logs are damaged and ``on_damage="collect"``.
    MissingBytesWarning
        Once, if logs were replaced or deleted before their end was read.
    ReplacedLogWarning
        Once, if logs of an earlier run were replaced or rewritten.

    Notes
    -----
    Chunks of a streamed response become a row once the response is over. Until then it
    is open, and a later run completes it: until an hour after the last change of its
    log and the rotations of that. A single file has no open responses.

    An unfinished last line of a plain file is left for the next run (`pending_bytes` in
    the ledger). Every batch is checked by `toolkit.validate` before it is written.

    Examples
    --------
    >>> import tempfile, toolkit
    >>> to = tempfile.mkdtemp()
    >>> done = toolkit.export("data/sample/chat.jsonl", to=to)
    >>> toolkit.scan(to).select("line").collect().height == done.ledger["choices"].sum()
    True
    >>> len(toolkit.export("data/sample/chat.jsonl", to=to).added)
    0
    """
    within = span(since, until)
    read_options = complete(export, options)
    to = check_path("to", to)
    _check_target(to)
    check_type("wait", wait, int | float, "a number of seconds")
    names = list_names(sources)
    reader = open_logs(names, read_options, leave_pending=True)
    stored = {
        **{k: v for k, v in read_options.items() if k not in _NOT_STORED},
        "tags": dict(read_options["tags"] or {}),
        "since": within.start and within.start.isoformat(),
        "until": within.end and within.end.isoformat(),
    }
    if _is_file_name(to):
        if executor is not None:
            hint = ": workers cannot write to a single file"
            expected = "None for an export to one file"
            raise OptionError("executor", executor, expected=expected, hint=hint)
        return _export_file(reader, to, within, wait)
    with open_target(to, wait=wait, rewrite=rewrite) as target:
        if target.state is not None and not rewrite:
            target.state.check_version(to)
            _check_options(target.state, stored)
        if wait:  # there may be new logs by now
            reader = open_logs(names, read_options, leave_pending=True)
        run = ExportRun(reader, target, executor, final)
        run.write(stored)
    run.warn()
    return Exported(
        target.where,
        run.state.ledger,
        run.result.ledger.rejects(),
        reader.passed_over,
        run.added(),
        len(reader.logs),
        _count_streams(run.result.ledger, run.streams.pieces.select(KEY).n_unique()),
    )


def _count_streams(ledger: LedgerBuilder, still_open: int = 0) -> StreamCounts:
    """Return the counts of streamed responses of a run."""
    logs = ledger.counts.values()
    responses, chunks, unfinished = (
        sum(counts[name] for counts in logs) for name in STREAM_COUNTS
    )
    return StreamCounts(responses, chunks, unfinished, still_open)


def _check_target(to: str) -> None:
    """Check that a target is not the name of a file of another kind."""
    if object_store.ADDRESS.match(to):
        object_store.check_target(to)
    elif _is_file_name(to) or Path(to).is_dir():
        return
    elif to.lower().endswith(_OTHER_FILES):
        expected = "a directory or a file that ends in .parquet"
        rows = f": `toolkit cost LOG --lines --to {to}` writes a row for each response"
        hint = f"{rows}, toolkit.write_table() any frame"
        is_table = to.lower().endswith((".csv", ".xlsx", ".json", ".md"))
        raise OptionError("to", to, expected=expected, hint=hint if is_table else "")


def _is_file_name(to: str) -> bool:
    """Return whether an export goes into one file."""
    return to.endswith(PARQUET) and not Path(to).is_dir()


def _export_file(reader: LogReader, to: str, within: Span, wait: float) -> Exported:
    """Write logs as one file; replace one that exists."""
    table = reader.plan.table
    counts = LedgerBuilder(reader.logs, table)
    stream = counts.count_all(filter_span(reader.iter_decoded(), within))
    with _replace_file(to, wait) as file, PartWriter(file, table.arrow) as writer:
        for rows in iter_tables(stream, table.arrow):
            validate_rows(rows, table)
            writer.write_table(rows)
    counts.warn(stacklevel=3)
    ledger, rejects = counts.frame(), counts.rejects()
    passed_over, found = reader.passed_over, len(reader.logs)
    streams = _count_streams(counts)
    return Exported(to, ledger, rejects, passed_over, ledger, found, streams)


@contextmanager
def _replace_file(to: str, wait: float) -> Iterator[BinaryIO]:
    """Yield a new file to write to and close; then rename or upload it to its place."""
    with write_errors(to):
        if object_store.is_uri(to):
            with tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
                staged = Path(folder) / "choices.parquet"
                yield staged.open("wb")
                object_store.put_file(to, staged)
            return
        target = system.follow_links(to)
        staged = system.hidden_name(target, ".staging")
        locked = system.hidden_name(target, ".lock")
        with system.lock(locked, to, wait, remove=True):
            try:
                yield staged.open("wb")
                system.replace(staged, target)
                system.sync_directory(target.parent)
            except BaseException:
                with suppress(OSError):
                    staged.unlink()
                raise


def _check_options(state: Manifest, options: Mapping[str, object]) -> None:
    """Raise `OptionError` if an export was made with other options."""
    for name, value in options.items():
        before = state.options.get(name)
        if value != before:
            shown = repr(before)
            if before is None or isinstance(before, dict):
                pairs = (before or {}).items()
                shown = ", ".join(f"{tag}={path}" for tag, path in pairs) or "none"
            expected = f"{shown}, with which this export was made"
            hint = ": use the same value, or rewrite it (rewrite=True, --rewrite)"
            raise OptionError(name, value, expected=expected, hint=hint)
