"""Merge the small parts of each day into one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from toolkit import system
from toolkit.errors import DamagedExportError
from toolkit.exports.directory import DirectoryTarget, open_target
from toolkit.exports.parts import iter_part, write_part
from toolkit.formatting.parameters import check_path, check_type
from toolkit.reading import manifest, object_store
from toolkit.reading.scan import count_rows
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
        If a part cannot be read, or its rows are not as many as its footer says; its
        directory is left unchanged.
    UnreadableSourceError
        If a store does not return a part.
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
        if isinstance(target, DirectoryTarget):
            for folder in found:
                _rebuild(target, folder, state)
        elif found:
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
        _merge(folder, target.staging / path)
    merged = [
        str(PurePosixPath(part).relative_to(target.where))
        for folder in found
        for part in folder.small
    ]
    after = replace(state, generation=generation, run=target.run, merged=merged)
    target.commit(made, after)


def _rebuild(target: DirectoryTarget, folder: _Folder, state: Manifest) -> None:
    """Build a directory with fewer parts, and swap it with the old one.

    The merged part has a free name of the last generation among the old ones. A copy of
    an export in a store has the name of a run in the names of its parts.
    """
    staged, placed = target.stage() / folder.path, target.directory / folder.path
    staged.mkdir(exist_ok=True)
    small = {PurePosixPath(part).name for part in folder.small}
    for path in placed.iterdir():  # large parts, and files of others
        if path.name not in small:
            system.link(path, staged / path.name)
    generation, number, *_ = Path(folder.parts[-1]).stem.split("-")
    name = manifest.format_part_name(int(generation), int(number) + 1, state.run)
    _merge(folder, staged / name)
    system.sync_directory(staged)
    system.exchange(staged, placed)
    system.sync_directory(placed.parent)
    system.sync_directory(staged.parent)
    for path in staged.iterdir():
        path.unlink()


def _merge(folder: _Folder, to: Path) -> None:
    """Write the rows of the small parts as one part."""
    schema = folder.table.arrow
    batches = chain.from_iterable(iter_part(part, schema) for part in folder.small)
    if write_part(to, folder.table, batches) != count_rows(folder.small):
        fault = "its parts have changed during the compaction"
        where = folder.small[0].rpartition("/")[0]
        raise DamagedExportError(where, fault=fault)
