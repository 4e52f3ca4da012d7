"""Rejected lines as a frame, or written to a file to fix and read again."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Unpack

import polars as pl

from toolkit import system
from toolkit.errors import WriteError, check_word
from toolkit.formatting.parameters import check_path, share_parameters
from toolkit.reading.ledger import (
    LedgerBuilder,
    merge_counts,
    rank_counts,
    reject_counts,
)
from toolkit.reading.log_reader import LogReader, open_logs
from toolkit.reading.manifest import REJECTS_DIR, list_parts
from toolkit.reading.options import READ_PARAMETERS, ReadOptions, complete
from toolkit.reading.scan import part_errors, scan_parts
from toolkit.reading.sources import Exports, resolve_lines
from toolkit.schema.tables import REJECT_CODES, REJECTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.reading.discovery import Logs, Sources
    from toolkit.reading.ledger import RejectCount

# A byte-order mark, or the first bytes of a compressed file: if the first line begins
# so, a line feed is written before it.
_MAGIC = (b"\xef\xbb\xbf", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18")


class WrittenRejects(NamedTuple):
    """How many lines were written, and how many were left out: they have no bytes."""

    lines: int
    without_bytes: int


@share_parameters(ReadOptions, READ_PARAMETERS)
def rejects(
    sources: Sources,
    *,
    code: str | None = None,
    **options: Unpack[ReadOptions],
) -> pl.DataFrame:
    """Return the rejects of logs or of exports, one row per line.

    They hold the bytes of the lines, which may be private.

    Parameters
    ----------
    sources
        Logs as in `toolkit.load`, or one or several exports.
    code
        Only those with this code: see `toolkit.schema.REJECT_CODES`.
    **options
        Of logs only; an export keeps the options that it was made with.

    Returns
    -------
    pl.DataFrame
        The columns of `toolkit.schema.REJECTS`, in the order of the logs.

    Examples
    --------
    >>> import toolkit
    >>> toolkit.rejects("data/sample", code="truncated").height
    0
    """
    known = complete(rejects, options)
    frames = _iter_rejects(resolve_lines(sources, options), known, code)
    return pl.concat([REJECTS.empty(), *frames]).sort("log_id", "line")


def _iter_rejects(
    found: Logs | Exports, options: ReadOptions, code: str | None
) -> Iterator[pl.DataFrame]:
    """Yield the rejects of logs or exports, block by block or part by part."""
    if code is not None:
        check_word("code", code, tuple(REJECT_CODES))
    if isinstance(found, Exports):
        frames = _export_rejects(found)
    else:
        frames = _log_rejects(open_logs(found, options))
    for frame in frames:
        picked = frame if code is None else frame.filter(pl.col("code") == code)
        if len(picked):
            yield picked


def _log_rejects(reader: LogReader) -> Iterator[pl.DataFrame]:
    """Yield the rejects of logs, block by block."""
    builder = LedgerBuilder(reader.logs)
    for decoded in builder.count_all(reader.without_text().iter_decoded()):
        yield pl.DataFrame(decoded.rejects)
    builder.warn_of_damage()
    reader.warn_of_skipped_files()


def export_reject_counts(exports: Exports) -> list[RejectCount]:
    """Count the codes of the rejects of exports, the most frequent first."""
    frames = _export_rejects(exports)
    counts = merge_counts(one for frame in frames for one in reject_counts(frame))
    return rank_counts(counts.values())


def _export_rejects(exports: Exports) -> Iterator[pl.DataFrame]:
    """Yield the rejects of exports, part by part."""
    for export, logs in exports.numbered():
        for part in list_parts(export.directory, REJECTS_DIR, export.manifest):
            with part_errors(part):
                frame = scan_parts([part], REJECTS.polars).collect()
            yield frame.with_columns(log_id=(pl.col("log_id") + logs).cast(pl.Int32))


@share_parameters(ReadOptions, READ_PARAMETERS)
def write_rejects(
    sources: Sources,
    to: str | os.PathLike[str] | BinaryIO,
    *,
    code: str | None = None,
    **options: Unpack[ReadOptions],
) -> WrittenRejects:
    r"""Write the raw lines of rejects as a log, to fix and read again.

    Parameters
    ----------
    sources, code
        As in `rejects`.
    to
        A new file, readable by you only, which appears when it is complete; or a binary
        stream.
    **options
        As in `rejects`.

    Returns
    -------
    WrittenRejects
        How many lines were written, and how many could not be: the bytes of a line
        that is too long are not kept.

    Raises
    ------
    WriteError
        If the file exists already or cannot be written.

    Examples
    --------
    >>> import io, toolkit
    >>> log = io.BytesIO()
    >>> done = toolkit.write_rejects("data/sample", log)
    >>> log.getvalue().count(b"\n") == done.lines
    True
    """
    known = complete(write_rejects, options)
    frames = _iter_rejects(resolve_lines(sources, options), known, code)
    lines = without_bytes = 0
    with _open_output(to) as file:
        for frame in frames:
            for raw in frame["raw"]:
                if raw is None:
                    without_bytes += 1
                    continue
                if not lines and raw.startswith(_MAGIC):
                    file.write(b"\n")
                file.write(raw + b"\n")
                lines += 1
    return WrittenRejects(lines, without_bytes)


@contextmanager
def _open_output(
    to: str | os.PathLike[str] | BinaryIO,
) -> Iterator[BinaryIO]:
    """Create a private file, or yield the stream that was given."""
    if not isinstance(to, str | os.PathLike) and hasattr(to, "write"):
        yield to
        return
    path = Path(check_path("to", to, "a path or an open file"))
    try:
        with system.create_whole(path, private=True) as file:
            yield file
    except OSError as error:
        raise WriteError(str(path), cause=error) from error
