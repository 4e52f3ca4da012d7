"""Where an export goes: a directory, or a prefix in an object store.

Both take parts that were written into a staging directory, make them visible at once,
and commit them by state.json.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from toolkit import stores
from toolkit.errors import (
    BusyError,
    DamagedExportError,
    NotAnExportError,
    NotEmptyError,
    OptionError,
    PreconditionError,
    ToolkitError,
    WriteError,
    as_text,
)
from toolkit.state import (
    CHOICES_DIR,
    LOCK_FILE,
    OWN_NAMES,
    PART_NAME,
    README,
    README_FILE,
    REJECTS_DIR,
    STAGING_DIR,
    STATE_FILE,
    below,
    part_paths,
    read_state,
    state_text,
    sync_directory,
    write_state,
    write_synced,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.state import State

KINDS = (CHOICES_DIR, REJECTS_DIR)


class Target(Protocol):
    """Where an export goes; made by `opened_target`, which holds it."""

    staging: Path
    run: str | None

    def commit(self, made: Sequence[Path], state: State) -> None:
        """Make parts visible that lie in staging, and commit them."""


@contextmanager
def opened_target(to: str) -> Iterator[Target]:
    """Take hold of a directory or a prefix that is new or empty."""
    if stores.is_uri(to):
        with opened_prefix(to.rstrip("/")) as target:
            yield target
        return
    if as_text(to) != to:
        # The engines that are to read it cannot open such a path.
        raise OptionError("to", as_text(to), wanted="a path that is UTF-8")
    directory = Path(to)
    with held_directory(directory), saying_what_failed(directory):
        yield Directory(directory)


# A directory.


class Directory:
    """A local directory whose lock is held."""

    run: str | None = None

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.staging = fresh_staging(directory)

    def commit(self, made: Sequence[Path], state: State) -> None:
        """Rename parts into place, sync the directories, and replace state.json."""
        for path in made:
            (self.directory / path.parent).mkdir(parents=True, exist_ok=True)
            (self.staging / path).rename(self.directory / path)
        for parent in sorted({path.parent for path in made}):
            sync_directory(self.directory / parent)
        for name in KINDS:
            sync_directory(self.directory / name)
        readme = README.format(directory=as_text(str(self.directory)))
        write_synced(self.directory / README_FILE, readme)
        write_state(self.directory, state)
        shutil.rmtree(self.staging)


@contextmanager
def held_directory(directory: Path) -> Iterator[None]:
    """Make a directory and hold its lock; the lock dies with the process."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in directory.iterdir()}
        # Only a run of ours leaves a lock: without one, what is there is the user's.
        is_ours = LOCK_FILE in names and names <= OWN_NAMES
        if STATE_FILE in names or (names and not is_ours):
            raise NotEmptyError(str(directory))
        lock = (directory / LOCK_FILE).open("a+", encoding="ascii")
    except FileExistsError as error:
        if isinstance(error, NotEmptyError):
            raise
        raise NotEmptyError(str(directory)) from None
    except OSError as error:
        raise WriteError(str(directory), cause=error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = f"process {lock.read().strip() or 'unknown'}"
            raise BusyError(str(directory), holder=holder) from None
        # Whoever held the lock a moment ago may have finished.
        if (directory / STATE_FILE).exists():
            raise NotEmptyError(str(directory))
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


@contextmanager
def saying_what_failed(directory: Path) -> Iterator[None]:
    """Turn a refusal of the system into one line; nothing is left in staging."""
    try:
        yield
    except BaseException as error:
        shutil.rmtree(directory / STAGING_DIR, ignore_errors=True)
        if isinstance(error, OSError) and error.filename is not None:
            raise WriteError(str(error.filename), cause=error) from error
        if type(error) is OSError:
            raise WriteError(str(directory), cause=error) from error
        raise


def fresh_staging(directory: Path) -> Path:
    """Clear away what a run that died has left, and make an empty staging directory."""
    staging = directory / STAGING_DIR
    if staging.exists():
        shutil.rmtree(staging)
    for name in KINDS:
        for path in (directory / name).rglob("*.parquet"):
            if PART_NAME.fullmatch(path.name):
                path.unlink()
        (staging / name).mkdir(parents=True)
        (directory / name).mkdir(exist_ok=True)
    return staging


# A prefix in a store.


@contextmanager
def opened_prefix(uri: str) -> Iterator[Prefix]:
    """Take a prefix under which no export was committed; whoever loses cleans up."""
    try:
        refuse_what_is_there(uri)
        with tempfile.TemporaryDirectory(prefix="toolkit-") as staging:
            target = Prefix(uri, Path(staging))
            try:
                yield target
            except BaseException:
                target.withdraw()
                raise
    except OSError as error:
        if isinstance(error, ToolkitError):
            raise
        raise WriteError(str(error.filename or uri), cause=error) from error


def refuse_what_is_there(uri: str) -> None:
    """Refuse a prefix that holds a committed export, or anything that is not ours."""
    if "//" in uri.removeprefix(stores.SCHEME):
        raise OptionError("to", uri, wanted="an address without an empty name")
    for stored in stores.list_objects(f"{uri}/"):
        if stored.uri.endswith("/"):
            continue  # what a console makes of a new folder
        first, _, rest = stored.uri.removeprefix(f"{uri}/").partition("/")
        part = PART_NAME.fullmatch(PurePosixPath(rest).name)
        if first not in KINDS or part is None or part["run"] is None:
            raise NotEmptyError(uri)


class Prefix:
    """A prefix of a store: parts are put whole, state.json on a condition.

    The names of the parts end in the number of this run, so that two runs at once do
    not touch each other's; the one whose state.json comes second has lost.
    """

    def __init__(self, uri: str, staging: Path) -> None:
        self.uri = uri
        self.staging = staging
        self.run: str | None = uuid4().hex[:8]
        self.put: list[str] = []

    def commit(self, made: Sequence[Path], state: State) -> None:
        """Put the parts, then state.json if no other run has put one."""
        for path in made:
            self.put.append(below(self.uri, path.as_posix()))
            stores.put_file(self.put[-1], self.staging / path)
        try:
            data = state_text(state).encode()
            stores.put_bytes(below(self.uri, STATE_FILE), data, replaces=None)
        except PreconditionError:
            if not self.has_committed():
                faster = "another run, which was faster"
                raise BusyError(self.uri, holder=faster) from None
        except OSError as error:
            if not self.has_committed():
                if error.errno == errno.EIO:
                    # It may still be on its way: the next run clears what lies there.
                    self.put = []
                raise
        put, self.put = set(self.put), []
        # It is committed: what fails from here on is a convenience.
        with suppress(OSError):
            readme = self.staging / README_FILE
            readme.write_text(README.format(directory=self.uri), encoding="utf-8")
            stores.put_file(below(self.uri, README_FILE), readme)
        with suppress(OSError):
            self.sweep(put)

    def has_committed(self) -> bool:
        """Ask whose state.json stands: the answer to a put may have been lost."""
        try:
            return read_state(self.uri).run == self.run
        except NotAnExportError:
            return False
        except DamagedExportError:
            self.put = []  # perhaps committed: to leave parts lying does no harm
            raise

    def sweep(self, committed: set[str]) -> None:
        """Delete the parts of runs that died: they can no longer be committed."""
        lying = [path for kind in KINDS for path in part_paths(self.uri, kind)]
        stores.delete_objects(
            path
            for path in lying
            if path not in committed and PART_NAME.fullmatch(PurePosixPath(path).name)
        )

    def withdraw(self) -> None:
        """Delete what this run has put, and nothing else."""
        put, self.put = self.put, []
        with suppress(OSError):
            stores.delete_objects(put)
