"""Many small parts of a day become one."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from toolkit import stores
from toolkit.errors import DamagedExportError, OptionError
from toolkit.exchanging import exchange
from toolkit.parts import HELD_BYTES, PartWriter
from toolkit.schema import REJECTS, choices_table
from toolkit.state import (
    CHOICES_DIR,
    PART_NAME,
    REJECTS_DIR,
    STAGING_DIR,
    parts_of,
    read_state,
    sync_directory,
)
from toolkit.targets import Directory, opened_target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from toolkit.state import State

# A part of that size is useful as it is.
LARGE_BYTES = 256 * 1024 * 1024


class Compacted(NamedTuple):
    """How many directories were built anew, and the parts in them before and after."""

    directories: int
    before: int
    after: int


class Folder(NamedTuple):
    """A directory whose parts are to be merged: a closed day, or the rejects."""

    path: Path  # below the export
    parts: list[str]
    schema: pa.Schema
    mode: int


def compact(
    directory: str | os.PathLike[str], *, today: date | None = None, wait: float = 0
) -> Compacted:
    """Merge the small parts of closed days, and of the rejects.

    Whoever reads meanwhile sees the rows of a day once: its directory is built beside
    and exchanged at once (on Linux; elsewhere there is an instant without it). A reader
    that had listed the parts before may miss one: an error, and no wrong total.

    Parameters
    ----------
    directory
        What `toolkit.export` has written, on a local disk.
    today
        Days before it are closed; that of UTC unless given.
    wait
        Seconds to wait for another process that is writing there.

    Raises
    ------
    NotAnExportError
        If no export was committed there.
    DamagedExportError
        If a part cannot be read; it is left as it is.
    OptionError
        If the export lies in a store: no exchange is offered there.

    Examples
    --------
    >>> import tempfile, toolkit
    >>> to = tempfile.mkdtemp()
    >>> done = toolkit.export("data/sample", to=to)
    >>> toolkit.compact(to).directories
    0
    """
    where = os.fspath(directory)
    if stores.is_uri(where):
        raise OptionError("directory", where, wanted="an export on a local disk")
    read_state(where)  # else one would be made
    made = Compacted(0, 0, 0)
    with opened_target(where, wait=wait) as target:
        assert isinstance(target, Directory)  # noqa: S101 - for the types
        if target.state is None:
            return made
        closed = (today or datetime.now(UTC).date()).isoformat()
        found = [*folders(where, target.state, closed)]
        for folder in found:
            if not target.staging.exists():
                target.stage()
            after = rebuild(Path(where), folder)
            before = len(folder.parts)
            made = Compacted(
                made.directories + 1, made.before + before, made.after + after
            )
    return made


def folders(where: str, state: State, closed: str) -> Iterator[Folder]:
    """Yield the directories that hold two small parts or more."""
    by_day: dict[Path, list[str]] = {}
    for part in parts_of(where, CHOICES_DIR, state):
        by_day.setdefault(Path(part).parent.relative_to(where), []).append(part)
    schema = choices_table(state.tags).arrow
    for path, parts in sorted(by_day.items()):
        if path.name < f"date={closed}" and len(small(parts)) > 1:
            yield Folder(path, parts, schema, 0o666)
    parts = parts_of(where, REJECTS_DIR, state)
    if len(small(parts)) > 1:
        yield Folder(Path(REJECTS_DIR), parts, REJECTS.arrow, 0o600)


def small(parts: Sequence[str]) -> list[str]:
    """Return the parts that are worth merging."""
    return [part for part in parts if Path(part).stat().st_size < LARGE_BYTES]


def rebuild(directory: Path, folder: Folder) -> int:
    """Build a directory of fewer parts and exchange it; return how many it has."""
    staged, placed = directory / STAGING_DIR / folder.path, directory / folder.path
    staged.mkdir(exist_ok=True)
    merged = small(folder.parts)
    for path in placed.iterdir():  # large parts, and what is not ours
        if str(path) not in merged:
            os.link(path, staged / path.name)
    rows = write_merged(merged, staged / next_name(folder.parts), folder)
    if rows != sum(map(rows_of, merged)):
        raise DamagedExportError(str(placed), fault="its parts changed meanwhile")
    sync_directory(staged)
    exchange(staged, placed)
    sync_directory(placed.parent)
    sync_directory(staged.parent)
    for path in staged.iterdir():
        path.unlink()
    return len(folder.parts) - len(merged) + 1


def rows_of(part: str) -> int:
    """Return how many rows a part says that it has."""
    with Path(part).open("rb") as data:
        return int(pq.read_metadata(data).num_rows)


def next_name(parts: Sequence[str]) -> str:
    """Name a part that was committed with the latest of some parts, and is none yet."""
    names = [PART_NAME.fullmatch(Path(part).name) for part in parts]
    numbers = [(int(name["generation"]), int(name["number"])) for name in names if name]
    generation, number = max(numbers)
    return f"{generation}-{number + 1}.parquet"


def write_merged(parts: Sequence[str], to: Path, folder: Folder) -> int:
    """Write the rows of parts as one part, and return their number."""
    handle = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, folder.mode)
    writer = PartWriter(handle, folder.schema)
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
            for batch in batches(part, folder.schema):
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


def batches(part: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a part, whose pages are verified."""
    try:
        # Opened here: Arrow does not say why a file could not be closed.
        with (
            Path(part).open("rb") as data,
            pq.ParquetFile(data, page_checksum_verification=True) as file,
        ):
            if not file.schema_arrow.equals(schema):
                raise DamagedExportError(part, fault="its columns are others")
            yield from file.iter_batches()
    except pa.ArrowException as error:
        raise DamagedExportError(part, fault="it cannot be read") from error
