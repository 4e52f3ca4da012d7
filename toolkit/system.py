"""What differs between Linux, macOS and Windows: locks, syncs, renames, cores, memory.

No other module depends on the system that it runs on.
"""

from __future__ import annotations

import errno
import importlib
import os
import re
import shutil
import sys
import time
import zlib
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO
from urllib.parse import unquote_to_bytes

from toolkit.errors import BusyError, WriteError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def _find_module(name: str) -> ModuleType | None:
    """Return a module of the standard library, or None where it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_fcntl = _find_module("fcntl")  # POSIX
_msvcrt = _find_module("msvcrt")  # Windows
_ON_WINDOWS = sys.platform == "win32"
EXCHANGES_AT_ONCE = sys.platform in {"linux", "darwin"}
_POLL_SECONDS = 0.05
# For so long Windows may refuse a rename: scanners for viruses open new files.
_RENAME_SECONDS = 2
# Windows locks bytes, and other processes cannot read them: this one is far behind the
# content.
_LOCKED_BYTE = 1 << 30
_MOST_DIGITS = 20  # of the number of a process
# Arguments and errors of renameat2 on Linux and renamex_np on macOS.
_AT_FDCWD = -100
_RENAME_EXCHANGE = _RENAME_SWAP = 2
_NOT_SUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}
_ASIDE = ".aside"
_LONGEST_NAME = 255  # bytes, of a file


def available_cpus() -> int:
    """Count the cores that this process may use, or else those of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> int | None:
    """Return the free memory in bytes, or else that of the machine; None if unknown."""
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    if hasattr(os, "sysconf"):
        with suppress(OSError, ValueError):
            return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return None


def is_closed_pipe(error: OSError) -> bool:
    """Return whether writing failed because the reader of the output is gone."""
    is_invalid = _ON_WINDOWS and error.errno == errno.EINVAL
    return is_invalid or isinstance(error, BrokenPipeError)


def local_path(name: str) -> str:
    """Return the path of a ``file://`` address; any other name as it is.

    Examples
    --------
    >>> local_path("file:///var/log/my%20app.jsonl")
    '/var/log/my app.jsonl'
    """
    address = re.fullmatch(r"file://(?:localhost)?(/.*)", name, re.DOTALL)
    if address is None:
        return name
    path = os.fsdecode(unquote_to_bytes(address[1]))
    return path.removeprefix("/") if _ON_WINDOWS else path


def portable(name: str) -> str:
    """Return a path, but not an address, with slashes: every system reads these."""
    return name if "://" in name else name.replace(os.sep, "/")


@contextmanager
def lock(
    path: Path, where: str, wait: float, *, remove: bool = False
) -> Iterator[None]:
    """Create and lock a file; raise `BusyError` if it stays locked.

    The lock is released when the process ends, however it ends. The error names
    `where` and the process that has the lock. `remove` deletes the file at the end.
    """
    file = _open_locked(path, where, wait)
    try:
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        yield
    finally:
        # Removed while it is locked, for later it may be another's; but Windows
        # removes no open file.
        if remove and not _ON_WINDOWS:
            _remove(path)
        _unlock(file)
        if remove and _ON_WINDOWS:
            _remove(path)


def _remove(path: Path) -> None:
    """Remove a file if possible."""
    with suppress(OSError):
        path.unlink()


def _open_locked(path: Path, where: str, wait: float) -> BinaryIO:
    """Open and lock a file.

    The process that had the lock before may have removed the file meanwhile: then the
    file of that name is a new one, and is locked instead.
    """
    deadline = time.monotonic() + wait
    while True:
        file = open(path, "a+b", buffering=0, opener=_open_no_link)  # noqa: SIM115
        try:
            _lock(file, where, deadline)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        except BaseException:
            file.close()
            raise
        file.close()


def _open_no_link(name: str, flags: int) -> int:
    """Open a file, but not the target of a link, which would be emptied."""
    return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _lock(file: BinaryIO, where: str, deadline: float) -> None:
    """Lock an open file, until a deadline if it is locked."""
    while not _try_lock(file):
        if time.monotonic() >= deadline:
            file.seek(0)
            holder = file.read(_MOST_DIGITS).decode("ascii", "replace").strip()
            raise BusyError(where, holder=f"process {holder or 'unknown'}")
        time.sleep(_POLL_SECONDS)


def _try_lock(file: BinaryIO) -> bool:
    """Lock an open file unless another process, or this one, has locked it."""
    try:
        if _msvcrt is not None:
            file.seek(_LOCKED_BYTE)
            _msvcrt.locking(file.fileno(), _msvcrt.LK_NBLCK, 1)
        elif _fcntl is not None:
            _fcntl.flock(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB)
        else:
            raise OSError(errno.ENOLCK, "this system cannot lock files")
    except (BlockingIOError, PermissionError):  # of flock and of locking
        return False
    return True


def _unlock(file: BinaryIO) -> None:
    """Close a locked file; Windows would take its time to release the lock."""
    with file:
        if _msvcrt is not None:
            file.seek(_LOCKED_BYTE)
            _msvcrt.locking(file.fileno(), _msvcrt.LK_UNLCK, 1)


def create_private(path: Path) -> BinaryIO:
    """Create a file that only its owner can read; on Windows as its folder has it."""
    return open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600))


def write(path: Path, data: bytes) -> None:
    """Write a file and sync it to disk."""
    with path.open("wb") as file:
        file.write(data)
        sync(file)


def sync(file: IO[bytes]) -> None:
    """Write what is buffered, and sync a file to disk."""
    file.flush()
    _sync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Sync the names of a directory to disk; Windows does so by itself."""
    if _ON_WINDOWS:
        return
    handle = os.open(directory, os.O_RDONLY)
    try:
        _sync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system has no such sync
            raise OSError(error.errno, error.strerror, str(directory)) from error
    finally:
        os.close(handle)


def _sync(handle: int) -> None:
    """Sync a file to disk."""
    # On macOS, fsync leaves data in the cache of the disk.
    if _fcntl is not None and hasattr(_fcntl, "F_FULLFSYNC"):
        with suppress(OSError):  # a network drive has only fsync
            _fcntl.fcntl(handle, _fcntl.F_FULLFSYNC)
            return
    os.fsync(handle)


def replace(staged: Path, target: Path) -> None:
    """Rename a file or directory atomically; a file replaces one that is there."""
    deadline = time.monotonic() + (_RENAME_SECONDS if _ON_WINDOWS else 0)
    while True:
        try:
            staged.replace(target)
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_POLL_SECONDS)
        else:
            return


def follow_links(path: str | os.PathLike[str]) -> Path:
    """Return the file that a path leads to: a link to it must stay a link."""
    return Path(os.path.realpath(path))


def hidden_name(path: Path, suffix: str) -> Path:
    """Return the name of a hidden file for another one, in the same folder.

    Examples
    --------
    >>> hidden_name(Path("out/a.csv"), ".part").as_posix()
    'out/.a.csv.part'
    >>> len(hidden_name(Path("a" * 255), ".part").name)
    14
    """
    name = f".{path.name}{suffix}"
    if len(os.fsencode(name)) > _LONGEST_NAME:
        name = f".{zlib.crc32(os.fsencode(path.name)):08x}{suffix}"
    return path.with_name(name)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file under another name, then rename it: never half a file."""
    target = follow_links(path)
    part = hidden_name(target, f".{os.getpid()}.part")
    try:
        write(part, data)
        replace(part, target)
    except OSError as error:
        raise WriteError(os.fspath(path), cause=error) from error
    finally:
        _remove(part)  # Ctrl-C too leaves no half file


@contextmanager
def create_whole(path: Path, *, private: bool = False) -> Iterator[BinaryIO]:
    """Create a file under another name, then rename it: never half a file.

    Raise `FileExistsError` if there is one already, also at the end. A private file can
    be read by its owner only.
    """
    _refuse_existing(path)
    part = hidden_name(path, f".{os.getpid()}.part")
    _remove(part)  # of a process with the same number that was killed
    try:
        with create_private(part) if private else part.open("xb") as file:
            yield file
            sync(file)
        _refuse_existing(path)
        replace(part, path)
    finally:
        _remove(part)  # Ctrl-C too leaves no half file


def _refuse_existing(path: Path) -> None:
    """Raise `FileExistsError` if there is a file, a directory or a link of a name."""
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def link(path: Path, to: Path) -> None:
    """Link a file under another name; copy it where the file system has no links."""
    try:
        os.link(path, to)
    except (AttributeError, OSError) as error:
        if isinstance(error, OSError) and error.errno not in _NOT_SUPPORTED:
            raise
        shutil.copyfile(path, to)
        with to.open("r+b") as file:
            sync(file)


def exchange(staged: Path, placed: Path) -> None:
    """Swap the names of two directories, atomically where the system can.

    Elsewhere there is a moment without `placed`; if a run is killed in it,
    `finish_exchanges` completes or undoes the swap.
    """
    number = _swap(staged, placed)
    if number in _NOT_SUPPORTED:
        aside = staged.with_name(staged.name + _ASIDE)
        replace(placed, aside)
        replace(staged, placed)
        replace(aside, staged)
    elif number:
        raise OSError(number, os.strerror(number), str(placed))


def _swap(one: Path, other: Path) -> int:
    """Swap two names at once; return 0, or the number of the error."""
    try:
        import ctypes  # seldom needed

        library = ctypes.CDLL(None, use_errno=True)
    except (ImportError, OSError, TypeError):  # TypeError: Windows
        return errno.ENOSYS
    names = os.fsencode(one), os.fsencode(other)
    if hasattr(library, "renameat2"):
        paths = _AT_FDCWD, names[0], _AT_FDCWD, names[1]
        failed = library.renameat2(*paths, _RENAME_EXCHANGE)
    elif hasattr(library, "renamex_np"):
        failed = library.renamex_np(*names, _RENAME_SWAP)
    else:
        return errno.ENOSYS
    return ctypes.get_errno() if failed else 0


def finish_exchanges(staging: Path, directory: Path) -> None:
    """Complete or undo the swap in which a run was killed, if it was not atomic."""
    for aside in sorted(staging.rglob(f"*{_ASIDE}")):
        staged = aside.with_name(aside.name.removesuffix(_ASIDE))
        placed = directory / staged.relative_to(staging)
        replace(aside, staged if placed.exists() else placed)
