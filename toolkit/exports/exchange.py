"""Two directories that change names, at once where the system can do it."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
# A system, or a file system, that cannot do it.
_NOT_OFFERED = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}
_ASIDE = ".aside"


def exchange(staged: Path, placed: Path) -> None:
    """Give two directories each other's name.

    Where the system cannot do it at once there is a moment without `placed`; a run that
    is killed in it leaves what `finish_exchanges` finishes.
    """
    try:
        _exchange_at_once(staged, placed)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
        aside = staged.with_name(staged.name + _ASIDE)
        placed.rename(aside)
        staged.rename(placed)
        aside.rename(staged)


def _exchange_at_once(staged: Path, placed: Path) -> None:
    """Ask Linux; of a system that knows no such call ENOSYS is raised."""
    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(placed))
    names = _AT_FDCWD, os.fsencode(staged), _AT_FDCWD, os.fsencode(placed)
    if renameat2(*names, _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(placed))


def finish_exchanges(staging: Path, directory: Path) -> None:
    """Undo or finish the exchange that a run was killed in, on such a system."""
    for aside in sorted(staging.rglob(f"*{_ASIDE}")):
        staged = aside.with_name(aside.name.removesuffix(_ASIDE))
        placed = directory / staged.relative_to(staging)
        aside.rename(staged if placed.exists() else placed)
