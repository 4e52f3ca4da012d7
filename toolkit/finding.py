"""From what the user named to logs: paths, directories, globs, standard input."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import Counter
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from toolkit.blocks import STDIN, Source
from toolkit.errors import (
    ExportGivenError,
    NoLogsError,
    OptionError,
    SourceNotFoundError,
    UnreadableSourceError,
    UnsupportedSourceError,
    near_miss,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Sources: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"

# app.jsonl, app.ndjson.gz, app.jsonl.1, app.jsonl-20261122.zst, app.jsonl.2026-11-22
LOG_NAME = re.compile(
    r"\.(jsonl|ndjson)([.-][0-9][0-9T_:.-]*)?(\.(gz|zst))?\Z", re.IGNORECASE
)


class Found(NamedTuple):
    """The logs that were found, and what a walk passed over, counted by ending."""

    logs: list[Source]
    passed_over: dict[str, int]


def find_logs(sources: Sources) -> Found:
    """Expand paths, directories and globs into logs.

    Parameters
    ----------
    sources
        A path, a directory, a glob, ``-`` for standard input, or a sequence of them.
        A directory is walked for ``*.jsonl`` and ``*.ndjson``, also with ``.gz`` or
        ``.zst`` and with a rotation suffix; hidden names are skipped. A file that is
        named by itself is read whatever its name is.

    Returns
    -------
    Found
        In the order of the arguments, sorted within each; a file that is found twice
        (also by a link) stands once.
    """
    named = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    passed_over: Counter[str] = Counter()
    logs: list[Source] = []
    seen: set[tuple[int, int]] = set()
    for name in (os.fspath(source) for source in named):
        for log, identity in expand(name, passed_over):
            if identity not in seen:
                seen.add(identity)
                logs.append(log)
    if not logs:
        raise OptionError("sources", sources, wanted="at least one log")
    return Found(logs, dict(passed_over.most_common()))


Identity: TypeAlias = tuple[int, int]


def expand(name: str, passed_over: Counter[str]) -> Iterator[tuple[Source, Identity]]:
    """Yield the logs of one argument, each with what tells it from another file."""
    if name == STDIN:
        yield Source(STDIN, None), (-1, -1)
    elif re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name):
        raise UnsupportedSourceError(name)
    elif exists(name):
        yield from expand_path(name, passed_over)
    elif glob.has_magic(name):
        yield from expand_glob(name, passed_over)
    else:
        raise SourceNotFoundError(name, hint=missing_hint(name))


def exists(name: str) -> bool:
    """Say whether a name stands for something, be it a link that leads nowhere."""
    try:
        return os.path.lexists(name)
    except ValueError:  # a NUL byte
        return False


def expand_path(
    name: str, passed_over: Counter[str]
) -> Iterator[tuple[Source, Identity]]:
    """Yield a file, or the logs below a directory."""
    status = status_of(name)
    if not stat.S_ISDIR(status.st_mode):
        yield as_source(name, status)
        return
    if is_export(Path(name)):
        raise ExportGivenError(name)
    passed_here: Counter[str] = Counter()
    found = list(walk(name, passed_here, set()))
    if not found:
        raise NoLogsError(name, passed_over=dict(passed_here.most_common()))
    passed_over.update(passed_here)
    yield from found


def expand_glob(
    pattern: str, passed_over: Counter[str]
) -> Iterator[tuple[Source, Identity]]:
    """Yield what a pattern matches; a matched directory without logs is passed over."""
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - names, not paths
    if not matches:
        raise SourceNotFoundError(pattern, hint="; the pattern matches nothing")
    holds_logs = False
    for match in matches:
        try:
            yield from expand_path(match, passed_over)
            holds_logs = True
        except NoLogsError as error:
            if match == matches[-1] and not holds_logs:
                raise
            passed_over.update(error.passed_over)


def as_source(name: str, status: os.stat_result) -> tuple[Source, Identity]:
    """Describe a file that may be read."""
    size = status.st_size if stat.S_ISREG(status.st_mode) else None
    return Source(name, size), (status.st_dev, status.st_ino)


def status_of(name: str) -> os.stat_result:
    """Return what a name leads to."""
    try:
        return os.stat(name)  # noqa: PTH116 - the name is kept as it was given
    except FileNotFoundError:
        raise SourceNotFoundError(name, hint=" (a link that leads nowhere)") from None
    except OSError as error:
        raise UnreadableSourceError(name, cause=error) from error


def is_export(directory: Path) -> bool:
    """Say whether a directory was written by `toolkit.export`."""
    return (directory / "state.json").is_file() and (directory / "choices").is_dir()


def walk(
    directory: str, passed_over: Counter[str], visited: set[Identity]
) -> Iterator[tuple[Source, Identity]]:
    """Yield the logs below a directory in sorted order; each directory once."""
    status = status_of(directory)
    here = (status.st_dev, status.st_ino)
    if here in visited:
        return
    visited.add(here)
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - names, not paths
    except OSError as error:
        raise UnreadableSourceError(directory, cause=error) from error
    for name in names:
        if name.startswith("."):
            continue
        path = os.path.join(directory, name)  # noqa: PTH118 - "a//b" stays as given
        try:
            status = os.stat(path)  # noqa: PTH116 - the name is kept as it was found
        except OSError:
            passed_over[f"{name} (a link that leads nowhere)"] += 1
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from walk(path, passed_over, visited)
        elif stat.S_ISREG(status.st_mode) and LOG_NAME.search(name):
            yield as_source(path, status)
        else:
            passed_over[ending(name)] += 1


def ending(name: str) -> str:
    """Write the ending of a name as a pattern: ``*.json.gz``."""
    suffixes = "".join(Path(name).suffixes[-2:])
    return f"*{suffixes}" if suffixes else name


def missing_hint(name: str) -> str:
    """Say what stands nearest to a path that does not exist."""
    path = Path(name)
    missing = path
    while not missing.parent.is_dir() and missing != missing.parent:
        missing = missing.parent
    try:
        names = os.listdir(missing.parent)  # noqa: PTH208 - names, not paths
    except OSError:
        return ""
    close = get_close_matches(missing.name, names, n=1)
    if missing != path and not close:
        return f"; there is no directory {missing}"
    return near_miss(str(missing), [str(missing.parent / close[0])]) if close else ""
