"""Merge the small parts of each day into one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from toolkit import system
from toolkit.errors import DamagedExportError
from toolkit.exports.directory import DirectoryTarget, open_target
from toolkit.exports.parts import BUFFER_BYTES, create_part, open_part
from toolkit.formatting.parameters import check_path, check_type
from toolkit.reading import manifest, object_store
from toolkit.schema.tables import REJECTS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from toolkit.exports.store_prefix import ObjectStoreTarget
    from toolkit.reading.manifest import Manifest
    from toolkit.schema.columns import Table

# Larger parts are not merged.
_LARGE_BYTES = 256 * 1024 * 1024


class Compacted(NamedTuple):
    """How many directories were compacted, and their parts before and after."""

    directories: int
    before: int
    after: int


class _Folder(NamedTuple):
    """A directory with parts to merge: a closed day, or the rejects."""

    path: Path  # below the export
    parts: list[str]
    small: list[str]  # the parts to merge
    table: Table


def compact(
    directory: str | os.PathLike[str], *, today: date | None = None, wait: float = 0
) -> Compacted:
    """Merge the small parts of closed days, and of the rejects.

    Each directory is rebuilt beside the old one, and the two are swapped atomically
    (on Windows the directory is missing for an instant). So a reader sees each
    row once; one that has listed the old parts may fail to open them, but never counts
    a row twice. In a store, merged parts are uploaded beside those that they replace:
    `toolkit.scan` sees each row once, other readers see some rows twice until the end.

    Parameters
    ----------
    directory
        An export of `toolkit.export`, local or ``s3://...``.
    today
        Days before it are closed; by default the current UTC day.
    wait
        Seconds to wait for another process that is writing there; ignored in a store.

    Raises
    ------
    NotAnExportError
        If no export was committed there.
    ExportError
        If an earlier version of the toolkit made the export.
    DamagedExportError
        If a part cannot be read; its directory is left unchanged.
    BusyError
        If another process is writing there, or in a store has committed first.

    Examples
    --------
    >>> import tempfile, toolkit
    >>> to = tempfile.mkdtemp()
    >>> done = toolkit.export("data/sample", to=to)
    >>> toolkit.compact(to).directories
    0
    """
    where = check_path("directory", directory)
    check_type("wait", wait, int | float, "a number of seconds")
    check_type("today", today, date | None, "a date")
    # Raises an error where `open_target` would create an export.
    manifest.read_manifest(where).check_version(where)
    closed = (today or datetime.now(UTC).date()).isoformat()
    with open_target(where, wait=wait) as target:
        state = target.state or manifest.read_manifest(where)
        found = list(_find_folders(target.where, state, closed))
        if not found:
            return Compacted(0, 0, 0)
        if isinstance(target, DirectoryTarget):
            target.stage()
            for folder in found:
                _rebuild(target.directory, folder, state)
        else:
            _replace_parts(target, state, found)
    before = sum(len(folder.parts) for folder in found)
    merged = sum(len(folder.small) - 1 for folder in found)
    return Compacted(len(found), before, before - merged)


def _find_folders(where: str, state: Manifest, closed: str) -> Iterator[_Folder]:
    """Yield the directories that contain two small parts or more."""
    sizes = _read_sizes(where)
    by_path: dict[PurePosixPath, list[str]] = {}
    for kind in manifest.KINDS:
        for part in manifest.list_parts(where, kind, state):
            path = PurePosixPath(part).parent.relative_to(PurePosixPath(where))
            by_path.setdefault(path, []).append(part)
    for path, parts in sorted(by_path.items()):
        small = [part for part in parts if sizes[part] < _LARGE_BYTES]
        is_rejects = path.name == manifest.REJECTS_DIR
        if len(small) > 1 and (is_rejects or path.name < f"date={closed}"):
            table = REJECTS if is_rejects else state.table
            yield _Folder(Path(path), parts, small, table)


def _read_sizes(where: str) -> dict[str, int]:
    """Return the size of each file of an export."""
    if object_store.is_uri(where):
        listed = object_store.list_objects(f"{where}/")
        return {stored.uri: stored.size for stored in listed}
    return {
        path: Path(path).stat().st_size
        for kind in manifest.KINDS
        for path in manifest.list_part_files(where, kind)
    }


def _replace_parts(
    target: ObjectStoreTarget, state: Manifest, found: Sequence[_Folder]
) -> None:
    """Upload merged parts, and commit that they replace the small ones."""
    generation = target.generation + 1
    made: dict[Path, str] = {}
    for number, folder in enumerate(found):
        path = folder.path / manifest.format_part_name(generation, number, target.run)
        made[path] = str(target.staging / path)
        _write_merged(folder, target.staging / path)
    merged = [
        str(PurePosixPath(part).relative_to(target.where))
        for folder in found
        for part in folder.small
    ]
    after = replace(state, generation=generation, run=target.run, merged=merged)
    target.commit(made, after)


def _rebuild(directory: Path, folder: _Folder, state: Manifest) -> None:
    """Build a directory with fewer parts, and swap it with the old one."""
    staged, placed = (
        directory / manifest.STAGING_DIR / folder.path,
        directory / folder.path,
    )
    staged.mkdir(exist_ok=True)
    small = {PurePosixPath(part).name for part in folder.small}
    for path in placed.iterdir():  # large parts, and files of others
        if path.name not in small:
            system.link(path, staged / path.name)
    rows = _write_merged(folder, staged / _find_free_name(folder.parts, state.run))
    if rows != sum(map(_count_rows, folder.small)):
        fault = "its parts have changed during the compaction"
        raise DamagedExportError(str(placed), fault=fault)
    system.sync_directory(staged)
    system.exchange(staged, placed)
    system.sync_directory(placed.parent)
    system.sync_directory(staged.parent)
    for path in staged.iterdir():
        path.unlink()


def _count_rows(part: str) -> int:
    """Return the number of rows in the footer of a part."""
    with open_part(part) as file:
        return int(file.metadata.num_rows)


def _find_free_name(parts: Sequence[str], run: str | None) -> str:
    """Return a free name for a part of the last generation among some parts.

    A copy of an export in a store has the name of a run in the names of its parts.
    """
    generation, number, *_ = Path(parts[-1]).stem.split("-")
    return manifest.format_part_name(int(generation), int(number) + 1, run)


def _write_merged(folder: _Folder, to: Path) -> int:
    """Write the rows of the small parts as one part, and return their number."""
    rows = 0
    with create_part(to, folder.table) as writer:
        for table in _iter_tables(folder):
            writer.write_table(table)
            rows += len(table)
    return rows


def _iter_tables(folder: _Folder) -> Iterator[pa.Table]:
    """Yield the rows of the small parts in tables for a row group each."""
    batches: list[pa.RecordBatch] = []
    for part in folder.small:
        for batch in _iter_batches(part, folder.table.arrow):
            batches.append(batch)
            if sum(batch.nbytes for batch in batches) >= BUFFER_BYTES:
                yield pa.Table.from_batches(batches)
                batches.clear()
    if batches:
        yield pa.Table.from_batches(batches)


def _iter_batches(part: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part, with the checksums of its pages verified."""
    try:
        with open_part(part) as file:
            if not file.schema_arrow.equals(schema):
                fault = "its columns are not those of this export"
                raise DamagedExportError(part, fault=fault)
            yield from file.iter_batches()
    except pa.ArrowException as error:
        raise DamagedExportError(part, fault="it cannot be read") from error
