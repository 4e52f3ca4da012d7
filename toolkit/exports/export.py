"""Logs in, Parquet by date out, in constant memory, and each time only what is new.

Parts are written in a staging directory and committed at once by state.json: whoever
reads sees whole files only, and a run that died leaves nothing that the next one does
not clear away.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple, Unpack

from toolkit.errors import OptionError
from toolkit.exports.directory import open_target
from toolkit.exports.parts import within
from toolkit.exports.run import ExportRun
from toolkit.exports.single_file import is_file_name, write_file
from toolkit.expressions.time_ranges import span
from toolkit.formatting.parameters import share_parameters
from toolkit.reading.ledger import LedgerBuilder
from toolkit.reading.log_reader import open_logs
from toolkit.reading.options import READ_PARAMETERS, ReadOptions, complete
from toolkit.schema.columns import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Executor

    import polars as pl

    from toolkit.expressions.time_ranges import Moment, Span
    from toolkit.reading.discovery import Sources
    from toolkit.reading.ledger import RejectCount
    from toolkit.reading.log_reader import LogReader
    from toolkit.reading.manifest import Manifest


class Exported(NamedTuple):
    """What an export did.

    `ledger` is that of the export as it stands, `added` that of this run alone: a row
    for each log that it read.
    """

    directory: str
    ledger: pl.DataFrame
    rejects: list[RejectCount]
    passed_over: dict[str, int]
    added: pl.DataFrame
    found: int  # logs that were named or found, read or not


@share_parameters(ReadOptions, READ_PARAMETERS)
def export(
    sources: Sources,
    to: str | os.PathLike[str],
    *,
    since: Moment = None,
    until: Moment = None,
    rewrite: bool = False,
    wait: float = 0,
    executor: Executor | None = None,
    **options: Unpack[ReadOptions],
) -> Exported:
    """Write logs as Parquet, partitioned by the UTC date of `created`.

    Run again, it reads only what is new: logs are known by what they hold, also under
    another name or compressed.

    Parameters
    ----------
    sources
        As in `toolkit.load`.
    to
        A directory that does not exist yet, or is empty, or holds an export or what one
        that was cut off left; or such an address ``s3://bucket/key``. A name that ends
        in ``.parquet`` is one file: all is read each time, and the file replaced at
        once; rejects are counted only.
    since, until
        Range of `created`, until exclusive, as in `toolkit.scan`. With either, undated
        responses are left out; what is left out is counted in the ledger. They are kept
        with the export.
    rewrite
        Make the export anew, from the logs that there are now. What was there stays
        until the new one is whole.
    wait
        Seconds to wait for another process that is writing there.
    executor
        Any `concurrent.futures.Executor`, also one of a cluster: its workers read the
        logs and write the parts, each with one thread, and this process commits them.
        They must reach logs and target under the same names. The result is the same.
    **options
        Those that shape rows are kept with the export: it refuses others later.

    Returns
    -------
    Exported
        The directory, its ledger (one row per log), what this run added, and the files
        passed over.

    Raises
    ------
    NotEmptyError
        If the directory holds anything else.
    BusyError
        If another process is writing there, or was faster in the store.
    OptionError
        If the export was made with another option that shapes rows.
    SourceError
        If a log is missing, unreadable or damaged; nothing is committed then.
    LogChangedError
        If a log was cut or rewritten while it was read; nothing is committed then.
    WriteError
        If the system refuses to write; nothing is committed then.

    Warns
    -----
    DamageWarning
        Once, if logs are damaged and ``on_damage="collect"``.
    MissingBytesWarning
        Once, if logs were replaced or deleted before their end was read.
    ReplacedLogWarning
        Once, if logs that the export knows were made anew or rewritten.

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
    >>> len(toolkit.export("data/sample/chat.jsonl", to=to).added)
    0
    """
    expected = span(since, until)
    known = complete(export, options)

    def opened() -> LogReader:
        return open_logs(sources, known, leave_pending=True)

    reading = opened()
    kept = {
        "content": known["content"],
        "duplicates": known["duplicates"],
        "tags": dict(known["tags"] or {}),
        "response_path": known["response_path"],
        "created_unit": known["created_unit"],
        "max_line_bytes": known["max_line_bytes"],
        "since": expected.start and expected.start.isoformat(),
        "until": expected.end and expected.end.isoformat(),
    }
    if is_file_name(os.fspath(to)):
        if executor is not None:
            raise OptionError("executor", executor, expected="a directory to export to")
        return _export_file(reading, os.fspath(to), expected, wait)
    with open_target(os.fspath(to), wait=wait, rewrite=rewrite) as target:
        if target.state is not None and not rewrite:
            _check_options(target.state, kept)
        if wait:  # other logs may have come meanwhile
            reading = opened()
        increment = ExportRun(
            reading, target, expected, anew=rewrite, executor=executor
        )
        increment.write(kept)
    increment.warn()
    return Exported(
        target.where,
        increment.state.ledger,
        increment.account.rejects(),
        reading.passed_over,
        increment.added(),
        len(reading.logs),
    )


def _export_file(reading: LogReader, to: str, expected: Span, wait: float) -> Exported:
    """Write logs as one file."""
    account = LedgerBuilder(reading.logs)
    stream = account.count_all(within(reading.iter_decoded(), expected))
    write_file(stream, to, reading.plan.table, wait=wait)
    account.warn(stacklevel=3)
    ledger, found = account.frame(), len(reading.logs)
    rejects = account.rejects()
    return Exported(to, ledger, rejects, reading.passed_over, ledger, found)


def _check_options(state: Manifest, options: Mapping[str, object]) -> None:
    """Refuse to mix rows of two shapes."""
    kept = {**state.options, "schema": state.schema}
    for name, value in {**options, "schema": SCHEMA_VERSION}.items():
        if value != kept.get(name):
            expected = f"{kept.get(name)!r}, as this export was made, or --rewrite"
            raise OptionError(name, value, expected=expected)
