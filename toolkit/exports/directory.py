"""Where an export goes: a local directory, or a prefix in an object store.

Both take parts that were written into a staging directory, make them visible at once,
and commit them by replacing state.json.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from uuid import uuid4

from toolkit import errors, system
from toolkit.exports.store_prefix import ObjectStoreTarget, open_prefix
from toolkit.reading import manifest, object_store
from toolkit.reading.discovery import is_export

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from toolkit.reading.manifest import Manifest


@contextmanager
def open_target(to: str, *, wait: float = 0, rewrite: bool = False) -> Iterator[Target]:
    """Open a directory or a prefix that is new, empty or an export."""
    if object_store.is_uri(to):
        with open_prefix(to.rstrip("/"), rewrite=rewrite) as target:
            yield target
        return
    if errors.as_text(to) != to:
        # polars and DuckDB cannot open such a path.
        raise errors.OptionError("to", errors.as_text(to), expected="a path in UTF-8")
    directory = Path(to)
    with manifest.write_errors(to), _lock_directory(directory, wait):
        local = DirectoryTarget(directory, rewrite=rewrite)
        try:
            yield local
        except BaseException:
            with suppress(OSError):  # otherwise the next run does it
                local.restore()
            raise
        if local.staging.exists():  # nothing new was found
            local.remove_staging()


@contextmanager
def _lock_directory(directory: Path, wait: float) -> Iterator[None]:
    """Create a directory and lock it; the lock is released when the process ends."""
    try:
        directory.mkdir(parents=True)
        system.sync_directory(directory.parent)
    except FileExistsError:
        if not directory.is_dir():
            raise errors.NotEmptyError(str(directory)) from None
    names = {path.name for path in directory.iterdir()}
    # Only an export leaves a lock file: other files belong to the user.
    is_ours = manifest.LOCK_FILE in names and names <= manifest.OWN_NAMES
    if names and not is_ours and not is_export(str(directory)):
        raise errors.NotEmptyError(str(directory))
    with system.lock(directory / manifest.LOCK_FILE, str(directory), wait):
        yield


class DirectoryTarget:
    """A local directory that this process has locked."""

    run: str | None = None

    def __init__(self, directory: Path, *, rewrite: bool = False) -> None:
        self.where = str(directory)
        self.rewrite = rewrite
        self.directory = directory
        self.staging = directory / manifest.STAGING_DIR
        self.state: Manifest | None = None
        self.generation = 0  # of the last commit
        try:
            self.state = manifest.read_manifest(directory)
            self.generation = self.state.generation
        except errors.NotAnExportError:
            pass
        except errors.DamagedExportError:
            if not rewrite:
                raise
            self.generation = max(
                map(manifest.parse_generation, self.parts()), default=0
            )
        self.restore()

    def parts(self) -> list[str]:
        """Return every file in the directories of the parts."""
        return [
            path
            for kind in manifest.KINDS
            for path in manifest.list_part_files(self.where, kind)
        ]

    def restore(self) -> None:
        """Remove what an interrupted run has left.

        A run that was not interrupted leaves no staging directory.
        """
        if not self.staging.exists():
            return
        system.finish_exchanges(self.staging, self.directory)
        if self.was_committing():
            for kind in manifest.KINDS:
                staged = manifest.list_part_files(str(self.staging), kind)
                generations = map(manifest.parse_generation, staged)
                if any(number <= self.generation for number in generations):
                    system.exchange(self.staging / kind, self.directory / kind)
        for path in self.parts():
            if manifest.parse_generation(path) > self.generation:
                Path(path).unlink()
        for kind in manifest.KINDS:
            placed = self.directory / kind
            placed.mkdir(exist_ok=True)
            for day in [path for path in placed.iterdir() if path.is_dir()]:
                system.sync_directory(day)
                if not any(day.iterdir()):
                    day.rmdir()
            system.sync_directory(placed)
        self.remove_open_files()
        self.remove_staging()

    def remove_open_files(self) -> None:
        """Remove the files of open streams that do not belong to the last commit."""
        for path in manifest.list_open_files(self.where, self.state):
            Path(path).unlink()
        folder = self.directory / manifest.OPEN_DIR
        if folder.exists() and not any(folder.iterdir()):
            folder.rmdir()

    def remove_staging(self) -> None:
        """Remove the staging directory; an error gives its whole path."""
        try:
            shutil.rmtree(self.staging)
        except OSError as error:
            raise errors.WriteError(str(self.staging), cause=error) from error

    def was_committing(self) -> bool:
        """Return whether staging holds a state.json that was not committed."""
        try:
            return manifest.read_manifest(self.staging).generation > self.generation
        except errors.NotAnExportError:
            return False
        except errors.DamagedExportError:  # it was being written
            return True

    def stage(self) -> Path:
        """Create the staging directory; it stays until all is committed or undone."""
        if self.staging.exists():
            return self.staging
        self.staging.mkdir()
        system.sync_directory(self.directory)
        for name in manifest.KINDS:
            (self.staging / name).mkdir()
            (self.directory / name).mkdir(exist_ok=True)
        return self.staging

    def workspace(self) -> str:
        """Create a directory for workers; it is removed together with staging."""
        folder = self.stage() / uuid4().hex
        folder.mkdir()
        return folder.as_posix()

    def commit(self, made: Mapping[Path, str], state: Manifest) -> None:
        """Rename parts into place, sync the directories, and replace state.json."""
        staging = self.stage()
        readme = self.directory / manifest.README_FILE
        if not readme.exists():
            text = manifest.README.format(directory=errors.as_text(self.where))
            system.write(staging / readme.name, text.encode())
            system.replace(staging / readme.name, readme)
        written = staging / manifest.STATE_FILE
        system.write(written, manifest.format_manifest(state).encode())
        if self.rewrite:
            parts = {path: made[path] for path in made if path.as_posix() != state.open}
            self.exchange_parts(parts)
            made = {path: made[path] for path in made.keys() - parts.keys()}
        _place(made, self.directory)
        system.replace(written, self.directory / manifest.STATE_FILE)
        self.state, self.generation = state, state.generation
        system.sync_directory(self.directory)
        self.remove_open_files()
        self.remove_staging()

    def exchange_parts(self, made: Mapping[Path, str]) -> None:
        """Replace all parts by new ones."""
        _place(made, self.staging)
        for name in manifest.KINDS:
            system.sync_directory(self.staging / name)
            system.exchange(self.staging / name, self.directory / name)
        system.sync_directory(self.staging)
        system.sync_directory(self.directory)


def _place(made: Mapping[Path, str], below: Path) -> None:
    """Rename staged parts to their paths below a directory, and sync these."""
    changed = set()
    for path, staged in made.items():
        placed = below / path
        placed.parent.mkdir(parents=True, exist_ok=True)
        system.replace(Path(staged), placed)
        changed |= {placed.parent, placed.parent.parent}
    for directory in changed:
        system.sync_directory(directory)


# Where an export goes.
Target: TypeAlias = DirectoryTarget | ObjectStoreTarget
