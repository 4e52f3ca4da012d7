"""Rejected lines: to look at, and to write back as a log that can be mended."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Unpack

import polars as pl

from toolkit.errors import DamagedExportError, WriteError, check_word
from toolkit.reading.discovery import exports_in
from toolkit.reading.ledger import LedgerBuilder
from toolkit.reading.log_reader import open_logs
from toolkit.reading.manifest import REJECTS_DIR, list_parts, read_manifest
from toolkit.reading.scan import scan_parts
from toolkit.schema.tables import REJECT_CODES, REJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolkit.reading.discovery import Sources
    from toolkit.reading.log_reader import LogReader
    from toolkit.reading.options import LogOptions

# What a line must not begin with if it is the first of a log: it would be taken for a
# byte-order mark or for compression.
_MAGIC = (b"\xef\xbb\xbf", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18")


class WrittenRejects(NamedTuple):
    """How many lines were written, and how many have no bytes to write."""

    lines: int
    without_bytes: int


def rejects(
    sources: Sources, *, code: str | None = None, **options: Unpack[LogOptions]
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
        `tags`, `response_path`, `created_unit`, ... as in `toolkit.load`.

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
    frames = reject_frames(sources, code=code, **options)
    return pl.concat([REJECTS.empty(), *frames]).sort("log_id", "line")


def reject_frames(
    sources: Sources,
    *,
    code: str | None = None,
    progress: Callable[[int], None] | None = None,
    **options: Unpack[LogOptions],
) -> Iterator[pl.DataFrame]:
    """Yield the rejects of logs or exports, a block or a part at a time."""
    if code is not None:
        check_word("code", code, tuple(REJECT_CODES))
    exports = exports_in(sources, **options)
    if exports:
        frames = _export_rejects(exports)
    else:
        frames = _log_rejects(open_logs(sources, progress=progress, **options))
    for frame in frames:
        picked = frame if code is None else frame.filter(pl.col("code") == code)
        if len(picked):
            yield picked


def _log_rejects(reading: LogReader) -> Iterator[pl.DataFrame]:
    """Yield the rejects of logs, block by block."""
    account = LedgerBuilder(reading.logs)
    for decoded in account.count_all(reading.without_text().iter_decoded()):
        yield pl.DataFrame(decoded.rejects)
    account.warn_of_damage()
    reading.warn_of_skipped_files()


def _export_rejects(exports: list[str]) -> Iterator[pl.DataFrame]:
    """Yield the rejects of exports, part by part."""
    logs = 0
    for directory in exports:
        state = read_manifest(directory)
        for part in list_parts(directory, REJECTS_DIR, state):
            try:
                frame = scan_parts([part], REJECTS.polars).collect()
            except (pl.exceptions.PolarsError, OSError) as error:
                raise DamagedExportError(part, fault="it is unreadable") from error
            yield frame.with_columns(log_id=(pl.col("log_id") + logs).cast(pl.Int32))
        logs += state.next_log_id


def write_rejects(
    sources: Sources,
    to: str | os.PathLike[str] | BinaryIO,
    *,
    code: str | None = None,
    progress: Callable[[int], None] | None = None,
    **options: Unpack[LogOptions],
) -> WrittenRejects:
    r"""Write the raw lines of rejects as a log, so that it can be mended and replayed.

    Parameters
    ----------
    sources, code, **options
        As in `rejects`.
    to
        A new file, which nobody else may read, or a binary stream.
    progress
        Called with the number of bytes of the logs that were newly read.

    Returns
    -------
    Replayed
        How many lines were written, and how many could not be: of a line that was too
        long no bytes were kept.

    Raises
    ------
    WriteError
        If the file exists, or the system refuses to write it.

    Examples
    --------
    >>> import io, toolkit
    >>> log = io.BytesIO()
    >>> done = toolkit.write_rejects("data/sample", log)
    >>> log.getvalue().count(b"\n") == done.lines
    True
    """
    frames = reject_frames(sources, code=code, progress=progress, **options)
    lines = without_bytes = 0
    with _opened_for_writing(to) as file:
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
def _opened_for_writing(
    to: str | os.PathLike[str] | BinaryIO,
) -> Iterator[BinaryIO]:
    """Open a new private file, or use the stream that was given."""
    if not isinstance(to, str | os.PathLike):
        yield to
        return
    path = Path(to)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            yield file
    except OSError as error:
        raise WriteError(str(path), cause=error) from error
