"""Where an export goes: a directory, or a prefix in an object store.

Both take parts that were written into a staging directory, make them visible at once,
and commit them by state.json.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from toolkit.errors import (
    BusyError,
    DamagedExportError,
    NotAnExportError,
    NotEmptyError,
    OptionError,
    WriteError,
    as_text,
)
from toolkit.exports.exchange import exchange, finish_exchanges
from toolkit.exports.prefix import open_prefix
from toolkit.reading import object_store
from toolkit.reading.discovery import is_export
from toolkit.reading.manifest import (
    KINDS,
    LOCK_FILE,
    OWN_NAMES,
    README,
    README_FILE,
    STAGING_DIR,
    STATE_FILE,
    format_manifest,
    list_part_files,
    parse_generation,
    read_manifest,
    sync_directory,
    write_errors,
    write_synced,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.reading.manifest import Manifest

_POLL_SECONDS = 0.05


class Target(Protocol):
    """Where an export goes; made by `open_target`, which holds it."""

    where: str
    run: str | None
    state: Manifest | None  # what is committed there
    generation: int  # of what is committed there, 0 if nothing is

    def stage(self) -> Path:
        """Make the directory in which parts are written."""

    def workspace(self) -> str:
        """Make a directory for workers, in staging, that nobody else has."""

    def adopt(self, staged: str, path: Path) -> None:
        """Take a part that a worker has put there for one of the parts in staging."""

    def commit(self, made: Sequence[Path], state: Manifest, *, anew: bool) -> None:
        """Make parts visible that lie in staging, and commit them.

        Those that were committed before stay, or are replaced if it is made anew.
        """


@contextmanager
def open_target(to: str, *, wait: float = 0, rewrite: bool = False) -> Iterator[Target]:
    """Take hold of a directory or a prefix that is new, empty or an export."""
    if object_store.is_uri(to):
        with open_prefix(to.rstrip("/")) as target:
            yield target
        return
    if as_text(to) != to:
        # The engines that are to read it cannot open such a path.
        raise OptionError("to", as_text(to), expected="a path that is UTF-8")
    directory = Path(to)
    with write_errors(to), _lock_directory(directory, wait):
        held = DirectoryTarget(directory, rewrite=rewrite)
        try:
            yield held
        except BaseException:
            with suppress(OSError):  # else the next run does it
                held.restore()
            raise
        if held.staging.exists():  # what was read was nothing new
            held.remove_staging()


# A directory.


@contextmanager
def _lock_directory(directory: Path, wait: float) -> Iterator[None]:
    """Make a directory and hold its lock; the lock dies with the process."""
    try:
        directory.mkdir(parents=True)
        sync_directory(directory.parent)
    except FileExistsError:
        if not directory.is_dir():
            raise NotEmptyError(str(directory)) from None
    names = {path.name for path in directory.iterdir()}
    # Only a run of ours leaves a lock: without one, what is there is the user's.
    is_left = LOCK_FILE in names and names <= OWN_NAMES
    if names and not is_left and not is_export(str(directory)):
        raise NotEmptyError(str(directory))
    handle = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        take_lock(handle, str(directory), wait)
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(handle)


def take_lock(handle: int, directory: str, wait: float) -> None:
    """Take a lock, at once or after a while; say who holds it if it stays taken."""
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                holder = os.pread(handle, 20, 0).decode("ascii", "replace").strip()
                holder = f"process {holder or 'unknown'}"
                raise BusyError(directory, holder=holder) from None
            time.sleep(_POLL_SECONDS)
        else:
            return


class DirectoryTarget:
    """A local directory whose lock is held."""

    run: str | None = None

    def __init__(self, directory: Path, *, rewrite: bool = False) -> None:
        self.where = str(directory)
        self.directory = directory
        self.staging = directory / STAGING_DIR
        self.state = None
        self.generation = 0
        try:
            self.state = read_manifest(directory)
            self.generation = self.state.generation
        except NotAnExportError:
            pass
        except DamagedExportError:
            if not rewrite:
                raise
            self.generation = max(map(parse_generation, self.parts()), default=0)
        self.restore()

    def parts(self) -> list[str]:
        """Return all that lies where parts lie."""
        return [path for kind in KINDS for path in list_part_files(self.where, kind)]

    def restore(self) -> None:
        """Clear away what a run has left that did not come to its end.

        One that did leaves no staging directory.
        """
        if not self.staging.exists():
            return
        finish_exchanges(self.staging, self.directory)
        if self.was_committing():
            for kind in KINDS:
                staged = list_part_files(str(self.staging), kind)
                if any(parse_generation(path) <= self.generation for path in staged):
                    exchange(self.staging / kind, self.directory / kind)
        uncommitted = [
            path for path in self.parts() if parse_generation(path) > self.generation
        ]
        for path in uncommitted:
            Path(path).unlink()
        for kind in KINDS:
            placed = self.directory / kind
            placed.mkdir(exist_ok=True)
            for day in [path for path in placed.iterdir() if path.is_dir()]:
                sync_directory(day)
                if not any(day.iterdir()):
                    day.rmdir()
            sync_directory(placed)
        self.remove_staging()

    def remove_staging(self) -> None:
        """Remove the staging directory; an error names its whole path."""
        try:
            shutil.rmtree(self.staging)
        except OSError as error:
            raise WriteError(str(self.staging), cause=error) from error

    def was_committing(self) -> bool:
        """Say whether a state lies in staging that did not get to its place."""
        try:
            return read_manifest(self.staging).generation > self.generation
        except NotAnExportError:
            return False
        except DamagedExportError:  # it was being written
            return True

    def stage(self) -> Path:
        """Make the staging directory; it stays until all is committed or undone."""
        self.staging.mkdir()
        sync_directory(self.directory)
        for name in KINDS:
            (self.staging / name).mkdir()
            (self.directory / name).mkdir(exist_ok=True)
        return self.staging

    def workspace(self) -> str:
        """Make a directory for workers; all that stays in it goes with staging."""
        folder = self.staging / uuid4().hex
        folder.mkdir()
        return str(folder)

    def adopt(self, staged: str, path: Path) -> None:
        """Rename a part of a worker."""
        (self.staging / path.parent).mkdir(parents=True, exist_ok=True)
        Path(staged).rename(self.staging / path)

    def commit(self, made: Sequence[Path], state: Manifest, *, anew: bool) -> None:
        """Rename parts into place, sync the directories, and replace state.json."""
        if not self.staging.exists():
            self.stage()
        readme = self.directory / README_FILE
        if not readme.exists():
            text = README.format(directory=as_text(self.where))
            self.put(readme, text)
        if anew:
            write_synced(self.staging / STATE_FILE, format_manifest(state))
            self.exchange_parts(made)
        else:
            self.add_parts(made)
        self.put(self.directory / STATE_FILE, format_manifest(state))
        self.generation = state.generation
        sync_directory(self.directory)
        self.remove_staging()

    def put(self, path: Path, text: str) -> None:
        """Replace a file at once."""
        staged = self.staging / path.name
        write_synced(staged, text)
        staged.replace(path)

    def add_parts(self, made: Sequence[Path]) -> None:
        """Rename parts into place."""
        for path in made:
            (self.directory / path.parent).mkdir(parents=True, exist_ok=True)
            (self.staging / path).rename(self.directory / path)
        for parent in {self.directory / path.parent for path in made}:
            sync_directory(parent)
        for name in KINDS:
            sync_directory(self.directory / name)

    def exchange_parts(self, made: Sequence[Path]) -> None:
        """Put parts in the place of all that were there."""
        for parent in {self.staging / path.parent for path in made}:
            sync_directory(parent)
        for name in KINDS:
            sync_directory(self.staging / name)
            exchange(self.staging / name, self.directory / name)
        sync_directory(self.staging)
        sync_directory(self.directory)
