"""Logs in, one Parquet file out: written beside, and then put in its place at once."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from toolkit.exports.directory import take_lock
from toolkit.exports.parts import PartWriter
from toolkit.reading import object_store
from toolkit.reading.batching import iter_tables
from toolkit.reading.manifest import sync_directory, write_errors
from toolkit.reading.sources import PARQUET
from toolkit.schema.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from toolkit.reading.blocks import Decoded
    from toolkit.schema.columns import Table


def is_file_name(to: str) -> bool:
    """Say whether an export goes into one file."""
    return to.endswith(PARQUET) and not Path(to).is_dir()


def write_file(
    stream: Iterable[Decoded], to: str, table: Table, *, wait: float = 0
) -> None:
    """Write the choices of blocks as a file, in the place of one that is there."""
    with _replace_file(to, wait) as handle:
        writer = PartWriter(handle, table.arrow)
        try:
            for rows in iter_tables(stream, table.arrow):
                validate(pl.DataFrame(rows), table=table)
                writer.write_table(rows.sort_by([("created", "ascending", "at_start")]))
            writer.close()
        except BaseException:
            writer.abandon()
            raise


@contextmanager
def _replace_file(to: str, wait: float) -> Iterator[int]:
    """Give a file to write to, and put it in its place once it is whole."""
    with write_errors(to):
        if object_store.is_uri(to):
            with tempfile.TemporaryDirectory(prefix="toolkit-") as folder:
                staged = Path(folder) / "choices.parquet"
                yield os.open(staged, os.O_WRONLY | os.O_CREAT, 0o666)
                object_store.put_file(to, staged)
            return
        target = Path(to)
        staged = target.with_name(f".{target.name}.staging")
        lock = _open_locked(staged, to, wait)
        try:
            yield os.open(staged, os.O_WRONLY | os.O_TRUNC)
            staged.replace(target)
            sync_directory(target.parent)
        except BaseException:
            with suppress(OSError):
                staged.unlink()
            raise
        finally:
            os.close(lock)


def _open_locked(staged: Path, to: str, wait: float) -> int:
    """Open a file and hold its lock, which dies with the process.

    The one who held it before may have put it in its place meanwhile: another file has
    the name then.
    """
    while True:
        handle = os.open(staged, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            take_lock(handle, to, wait)
            if os.path.lexists(staged) and os.path.samestat(
                os.fstat(handle), staged.stat()
            ):
                return handle
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
