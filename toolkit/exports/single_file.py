"""Export logs as one Parquet file, which is replaced atomically."""

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
    """Return whether an export goes into one file."""
    return to.endswith(PARQUET) and not Path(to).is_dir()


def write_file(
    stream: Iterable[Decoded], to: str, table: Table, *, wait: float = 0
) -> None:
    """Write the choices of blocks as a file; replace one that exists."""
    with _replace_file(to, wait) as handle, PartWriter(handle, table.arrow) as writer:
        for rows in iter_tables(stream, table.arrow):
            validate(pl.DataFrame(rows), table=table)
            writer.write_table(rows)


@contextmanager
def _replace_file(to: str, wait: float) -> Iterator[int]:
    """Yield a new file to write to; then rename or upload it to its place."""
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
    """Open and lock a file; the lock is released when the process ends.

    The process that had the lock before may have renamed the file meanwhile: then the
    file of that name is a new one, and is locked instead.
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
