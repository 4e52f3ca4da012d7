"""Many small parts of a day become one."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, cast

import pyarrow as pa

from toolkit.errors import DamagedExportError
from toolkit.exports.directory import DirectoryTarget, open_target
from toolkit.exports.exchange import exchange
from toolkit.exports.parts import HELD_BYTES, new_part, open_part
from toolkit.reading import object_store
from toolkit.reading.manifest import (
    CHOICES_DIR,
    PART_NAME,
    REJECTS_DIR,
    STAGING_DIR,
    below,
    list_parts,
    read_manifest,
    sync_directory,
)
from toolkit.schema.tables import REJECTS, choices_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from toolkit.exports.prefix import ObjectStoreTarget
    from toolkit.reading.manifest import Manifest

# A part of that size is useful as it is.
_LARGE_BYTES = 256 * 1024 * 1024


class Compacted(NamedTuple):
    """How many directories were built anew, and the parts in them before and after."""

    directories: int
    before: int
    after: int


class _Folder(NamedTuple):
    """A directory whose small parts are to be merged: a closed day, or the rejects."""

    path: Path  # below the export
    parts: list[str]
    small: list[str]  # of the parts, those that are worth merging
    schema: pa.Schema
    mode: int


def compact(
    directory: str | os.PathLike[str], *, today: date | None = None, wait: float = 0
) -> Compacted:
    """Merge the small parts of closed days, and of the rejects.

    Whoever reads meanwhile sees the rows of a day once: its directory is built beside
    and exchanged at once (on Linux; elsewhere there is an instant without it). A reader
    that had listed the parts before may miss one: an error, and no wrong total. In a
    store merged parts are put beside those that they replace: `toolkit.scan` sees each
    row once, other readers see some twice until it is done.

    Parameters
    ----------
    directory
        What `toolkit.export` has written, also ``s3://...``.
    today
        Days before it are closed; that of UTC unless given.
    wait
        Seconds to wait for another process that is writing there; not in a store.

    Raises
    ------
    NotAnExportError
        If no export was committed there.
    DamagedExportError
        If a part cannot be read; it is left as it is.
    BusyError
        If another process is writing there, or in a store was faster.

    Examples
    --------
    >>> import tempfile, toolkit
    >>> to = tempfile.mkdtemp()
    >>> done = toolkit.export("data/sample", to=to)
    >>> toolkit.compact(to).directories
    0
    """
    where = os.fspath(directory)
    read_manifest(where)  # else one would be made
    made = Compacted(0, 0, 0)
    with open_target(where, wait=wait) as target:
        if target.state is None:
            return made
        closed = (today or datetime.now(UTC).date()).isoformat()
        found = [*_folders(target.where, target.state, closed)]
        if not isinstance(target, DirectoryTarget):
            return _replace_parts(cast("ObjectStoreTarget", target), found)
        for folder in found:
            if not target.staging.exists():
                target.stage()
            after = _rebuild(Path(where), folder)
            before = len(folder.parts)
            made = Compacted(
                made.directories + 1, made.before + before, made.after + after
            )
    return made


def _folders(where: str, state: Manifest, closed: str) -> Iterator[_Folder]:
    """Yield the directories that hold two small parts or more."""
    sizes = _part_sizes(where)
    by_path: dict[PurePosixPath, list[str]] = {}
    for kind in (CHOICES_DIR, REJECTS_DIR):
        for part in list_parts(where, kind, state):
            path = PurePosixPath(part).parent.relative_to(PurePosixPath(where))
            by_path.setdefault(path, []).append(part)
    schema = choices_table(state.tags).arrow
    for path, parts in sorted(by_path.items()):
        small = [part for part in parts if sizes[part] < _LARGE_BYTES]
        if len(small) < 2:
            continue
        if path.name == REJECTS_DIR:
            yield _Folder(Path(path), parts, small, REJECTS.arrow, 0o600)
        elif path.name < f"date={closed}":
            yield _Folder(Path(path), parts, small, schema, 0o666)


def _part_sizes(where: str) -> dict[str, int]:
    """Return the size of each part of an export, and of what else lies there."""
    if object_store.is_uri(where):
        listed = object_store.list_objects(f"{where}/")
        return {stored.uri: stored.size for stored in listed}
    return {
        str(path): path.stat().st_size
        for kind in (CHOICES_DIR, REJECTS_DIR)
        for path in Path(below(where, kind)).rglob("*.parquet")
    }


def _replace_parts(target: ObjectStoreTarget, found: Sequence[_Folder]) -> Compacted:
    """Put merged parts into a store, and commit that those in them no longer count."""
    if not found or target.state is None:
        return Compacted(0, 0, 0)
    generation = target.generation + 1
    made: list[Path] = []
    for number, folder in enumerate(found):
        made.append(folder.path / f"{generation}-{number}-{target.run}.parquet")
        staged = target.staging / made[-1]
        _write_merged(folder.small, staged, folder)
    merged = [part for folder in found for part in folder.small]
    state = replace(
        target.state,
        generation=generation,
        run=target.run,
        merged=[str(PurePosixPath(part).relative_to(target.where)) for part in merged],
    )
    target.commit(made, state, anew=False)
    before = sum(len(folder.parts) for folder in found)
    return Compacted(len(found), before, before - len(merged) + len(found))


def _rebuild(directory: Path, folder: _Folder) -> int:
    """Build a directory of fewer parts and exchange it; return how many it has."""
    staged, placed = directory / STAGING_DIR / folder.path, directory / folder.path
    staged.mkdir(exist_ok=True)
    merged = folder.small
    for path in placed.iterdir():  # large parts, and what is not ours
        if str(path) not in merged:
            os.link(path, staged / path.name)
    rows = _write_merged(merged, staged / _next_name(folder.parts), folder)
    if rows != sum(map(_count_rows, merged)):
        raise DamagedExportError(str(placed), fault="its parts changed meanwhile")
    sync_directory(staged)
    exchange(staged, placed)
    sync_directory(placed.parent)
    sync_directory(staged.parent)
    for path in staged.iterdir():
        path.unlink()
    return len(folder.parts) - len(merged) + 1


def _count_rows(part: str) -> int:
    """Return how many rows a part says that it has."""
    with open_part(part) as file:
        return int(file.metadata.num_rows)


def _next_name(parts: Sequence[str]) -> str:
    """Name a part that was committed with the latest of some parts, and is none yet."""
    names = [PART_NAME.fullmatch(Path(part).name) for part in parts]
    numbers = [(int(name["generation"]), int(name["number"])) for name in names if name]
    generation, number = max(numbers)
    return f"{generation}-{number + 1}.parquet"


def _write_merged(parts: Sequence[str], to: Path, folder: _Folder) -> int:
    """Write the rows of parts as one part, and return their number."""
    writer = new_part(to, folder.schema, mode=folder.mode)
    held: list[pa.RecordBatch] = []
    rows = 0

    def write() -> None:
        table = pa.Table.from_batches(held, folder.schema)
        if "created" in folder.schema.names:
            table = table.sort_by([("created", "ascending", "at_start")])
        writer.write_table(table)
        held.clear()

    try:
        for part in parts:
            for batch in _batches(part, folder.schema):
                rows += len(batch)
                held.append(batch)
                if sum(batch.nbytes for batch in held) >= HELD_BYTES:
                    write()
        if held:
            write()
        writer.close()
    except BaseException:
        writer.abandon()
        with suppress(OSError):
            to.unlink()
        raise
    return rows


def _batches(part: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part, whose pages are verified."""
    try:
        with open_part(part) as file:
            if not file.schema_arrow.equals(schema):
                raise DamagedExportError(part, fault="its columns are others")
            yield from file.iter_batches()
    except pa.ArrowException as error:
        raise DamagedExportError(part, fault="it cannot be read") from error
