"""Find logs: expand paths, directories, globs, addresses, standard input."""

from __future__ import annotations

import errno
import glob
import os
import posixpath
import re
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from toolkit import errors, system
from toolkit.reading import object_store
from toolkit.reading.blocks import STDIN, Source, read_errors
from toolkit.reading.rotations import rotation_set, sort_rotations

if TYPE_CHECKING:
    from toolkit.reading.options import OnDamage
    from toolkit.reading.read_ahead import ReadAhead


# Windows calls a pattern invalid.
_NO_SUCH_NAME = {errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EINVAL}
_NO_MATCH = "; the pattern matches nothing"
_LONGEST_NAME = 255  # bytes of a file name, on all common file systems


@dataclass(frozen=True)
class Resolved:
    """Sources that were found before: see `toolkit.reading.sources.resolve`."""

    names: list[str]


@dataclass(frozen=True)
class Logs(Resolved):
    """Logs that were found, and the files that were skipped, counted by ending."""

    logs: list[Source]
    passed_over: dict[str, int]
    ahead: ReadAhead | None = None  # if reading has begun


def passed_over_words(passed_over: Mapping[str, int]) -> str:
    """Format how many files in a directory were not read, by ending."""
    kinds = [f"{count:,} {kind}" for kind, count in passed_over.items()]
    return f"not read: {', '.join(kinds)}"


# One name or several: paths, directories, globs, addresses in a store.
Sources: TypeAlias = (
    "str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | Resolved"
)


def find_logs(sources: Sources, *, on_damage: OnDamage = "raise") -> Logs:
    """Expand paths, directories and globs into logs.

    Parameters
    ----------
    sources
        A path, a directory, a glob, ``-`` for standard input, or a sequence of them;
        logs that were found before are returned as they are.
        A directory is searched for ``*.jsonl`` and ``*.ndjson``, also with ``.gz`` or
        ``.zst`` and with a rotation suffix; hidden names are skipped. A file that is
        named by itself is read whatever its name is.
    on_damage
        ``"collect"`` skips a directory that cannot be listed.

    Returns
    -------
    Logs
        In the order of the arguments, by name within each, but a log and its rotations
        together, oldest first; a file that is found twice (also by a link) is read
        once.
    """
    if isinstance(sources, Logs):
        return sources
    names = list_names(sources)
    found = [one for name in names for one in _expand(name, on_damage)]
    logs: dict[tuple[int, int] | str, Source] = {}
    for log in _logs_of(found):
        logs.setdefault(log.identity or log.path, log)
    if not logs:
        raise errors.OptionError("sources", sources, expected="at least one log")
    return Logs(names, sort_rotations(logs.values()), _count_passed_over(found))


# A log, or of what is not one, what it is counted as.
_Found: TypeAlias = "Source | str"


def _logs_of(found: Iterable[_Found]) -> list[Source]:
    """Return the logs of what was found."""
    return [one for one in found if isinstance(one, Source)]


def _count_passed_over(found: Iterable[_Found]) -> dict[str, int]:
    """Count what was found and is not a log, the most frequent kind first."""
    return dict(Counter(one for one in found if isinstance(one, str)).most_common())


def list_names(sources: Sources) -> list[str]:
    """Return the names of logs one by one, each ``~`` expanded.

    Raises
    ------
    OptionTypeError
        If anything else is given, such as an open file, bytes or a frame.
    """
    if isinstance(sources, Resolved):
        return sources.names
    if isinstance(sources, str | os.PathLike):
        return [_expand_home(sources)]
    given: object = sources
    hint = ""
    if hasattr(given, "read"):
        hint = ": give its path, not the open file"
    elif isinstance(given, bytes | bytearray | memoryview):
        hint = ": give the path of a file, as str"
    elif hasattr(given, "__arrow_c_stream__") or hasattr(given, "collect"):
        hint = ": it holds choices, not logs; metrics, charts and the report take it"
        if hasattr(given, "rejects"):
            hint += "; its rejects are log.rejects, its ledger is log.ledger"
    elif isinstance(given, Iterable) and not isinstance(given, Mapping):
        return [_expand_home(name) for name in given]
    raise _wrong_type(given, hint)


def _expand_home(name: object) -> str:
    """Return a name as text, with ``~`` expanded."""
    if not isinstance(name, str | os.PathLike):
        raise _wrong_type(name, " in the list")
    path = os.path.expanduser(system.local_path(os.fspath(name)))  # noqa: PTH111 - names
    text = system.portable(path)
    object_store.check_address("sources", text)
    if _is_content(text):
        raise _ContentGivenError("sources", text, expected="a path")
    return text


def _is_content(name: str) -> bool:
    """Return whether a name is that of no file, and may be the text of a log."""
    longest = max(len(part.encode(errors="replace")) for part in name.split("/"))
    if "\n" in name or name.startswith("{") or longest > _LONGEST_NAME:
        return not (object_store.is_uri(name) or os.path.lexists(name))
    return False


class _ContentGivenError(errors.OptionError):
    """Text that is no path; it may be the content of a log, and is not shown."""

    def _describe(self, value: object) -> str:
        size = errors.plural(len(str(value)), "character")
        return f"text of {size} that is no path"


def _wrong_type(given: object, hint: str) -> errors.OptionTypeError:
    """Build the error for sources that are not names of logs."""
    expected = "a path, a directory, a glob, or a list of them"
    return errors.OptionTypeError("sources", given, expected=expected, hint=hint)


def _expand(name: str, on_damage: OnDamage) -> list[_Found]:
    """Return the logs of one name, and the kinds of files that are not logs."""
    if name == STDIN:
        return [Source(STDIN, None)]
    if object_store.is_uri(name):
        return _expand_uri(name)
    if object_store.ADDRESS.match(name):
        raise errors.UnsupportedSourceError(name)
    found = _expand_path(name, on_damage)
    if found is not None:
        return found
    if glob.has_magic(name):
        return _expand_glob(name, on_damage)
    raise errors.SourceNotFoundError(name, hint=_missing_hint(name))


def _expand_path(name: str, on_damage: OnDamage) -> list[_Found] | None:
    """Return a file, or what is below a directory; None if there is no such name."""
    try:
        status = os.stat(name)  # noqa: PTH116 - the name is kept as it was given
    except ValueError:  # a NUL byte
        return None
    except OSError as error:
        if error.errno not in _NO_SUCH_NAME:
            raise errors.UnreadableSourceError(name, cause=error) from error
        if os.path.islink(name):  # noqa: PTH114 - a name, not a path
            raise errors.SourceNotFoundError(name, hint=" (a broken link)") from None
        return None
    if not stat.S_ISDIR(status.st_mode):
        return [describe_file(name, status)]
    if is_export(name):
        raise errors.ExportGivenError(name)
    found = list(_walk(name, on_damage, {_identity(status)}))
    if not _logs_of(found):
        raise errors.NoLogsError(name, passed_over=_count_passed_over(found))
    return found


def _expand_glob(pattern: str, on_damage: OnDamage) -> list[_Found]:
    """Return what a pattern matches; a directory without logs is skipped."""
    found: list[_Found] = []
    problem: errors.SourceError = errors.SourceNotFoundError(pattern, hint=_NO_MATCH)
    for match in matches_of(pattern):
        try:
            found += _expand_path(match, on_damage) or ()
        except errors.NoLogsError as error:
            found += Counter(error.passed_over).elements()
            problem = error
    if not _logs_of(found):
        raise problem
    return found


def matches_of(pattern: str) -> list[str]:
    """Return the names of files and directories that a pattern matches."""
    found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - names, not paths
    return [system.portable(name) for name in found]


def _identity(status: os.stat_result) -> tuple[int, int]:
    """Return what a file is known by, whatever its name: device and inode."""
    return status.st_dev, status.st_ino


def describe_file(name: str, status: os.stat_result) -> Source:
    """Return a file as a source of bytes."""
    identity = _identity(status)
    if not stat.S_ISREG(status.st_mode):
        return Source(name, None, identity=identity)
    times = (status.st_mtime_ns, status.st_ctime_ns)
    stamp = (*identity, status.st_size, *times)
    return Source(name, status.st_size, stamp, identity)


def _describe_object(stored: object_store.StoredObject) -> Source:
    """Return an object of a store as a source of bytes."""
    return Source(stored.uri, stored.size, (stored.etag,))


def is_export(name: str) -> bool:
    """Return whether a directory, or a prefix of a store, is an export."""
    if object_store.is_uri(name):
        below = name.rstrip("/")
        with read_errors(name):
            if object_store.find_object(f"{below}/state.json") is None:
                return False
            data, _ = object_store.read_object(f"{below}/state.json")
            return b'"generation"' in data or bool(
                object_store.list_objects(f"{below}/choices/")
            )
    directory = Path(name)
    try:
        return (directory / "state.json").is_file() and (directory / "choices").is_dir()
    except OSError:
        return False  # opening it raises the error


def _expand_uri(uri: str) -> list[_Found]:
    """Return an object, those that a pattern matches, or what is below a prefix."""
    is_pattern = glob.has_magic(uri)
    with read_errors(uri):
        stored = None if uri.endswith("/") else object_store.find_object(uri)
        if stored is not None:
            return [_describe_object(stored)]
        if not is_pattern and is_export(uri):
            raise errors.ExportGivenError(uri)
        name = uri.rstrip("/")
        prefix = f"{name}/"
        listed = objects_like(uri if is_pattern else prefix)
    found = list(_matching_objects(listed, name.split("/")))
    if _logs_of(found):
        return found
    if is_pattern:
        raise errors.SourceNotFoundError(uri, hint=_NO_MATCH)
    if not listed:
        raise errors.SourceNotFoundError(name, hint=", and nothing below it")
    raise errors.NoLogsError(prefix, passed_over=_count_passed_over(found))


def _matching_objects(
    listed: Iterable[object_store.StoredObject], pattern: list[str]
) -> Iterator[_Found]:
    """Yield the objects that a pattern matches, and what is below a matched prefix."""
    for stored in listed:
        path = stored.uri.split("/")
        cuts = range(len(path), 0, -1)
        cut = next((cut for cut in cuts if matches_path(path[:cut], pattern)), None)
        if cut is None or any(map(_is_hidden, path[cut:])):
            continue
        is_log = cut == len(path) or _is_log_name(path[-1])
        yield _describe_object(stored) if is_log else _ending(path[-1])


def objects_like(pattern: str) -> list[object_store.StoredObject]:
    """List the objects that begin with the fixed part of a pattern."""
    return object_store.list_objects(re.split(r"[*?\[]", pattern, maxsplit=1)[0])


def _is_hidden(name: str) -> bool:
    """Return whether a name is hidden, and so skipped."""
    return name.startswith(".")


def matches_path(path: list[str], pattern: list[str]) -> bool:
    """Return whether a path matches, name by name; ``**`` is any number of names."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return matches_path(path, pattern[1:]) or (
            bool(path) and not _is_hidden(path[0]) and matches_path(path[1:], pattern)
        )
    if not path or (_is_hidden(path[0]) and not _is_hidden(pattern[0])):
        return False
    return fnmatchcase(path[0], pattern[0]) and matches_path(path[1:], pattern[1:])


def _walk(
    directory: str, on_damage: OnDamage, visited: set[tuple[int, int]]
) -> Iterator[_Found]:
    """Yield what is below a directory in sorted order; each directory once."""
    try:
        names = sorted(os.listdir(directory))  # noqa: PTH208 - names, not paths
    except OSError as error:
        was_named = len(visited) == 1
        if was_named or on_damage == "raise":
            raise errors.UnreadableSourceError(directory, cause=error) from error
        yield f"{Path(directory).name}/ ({error.strerror})"
        return
    for name in names:
        if _is_hidden(name):
            continue
        path = posixpath.join(directory, name)  # "a//b" stays as given
        try:
            status = os.stat(path)  # noqa: PTH116 - the name is kept as it was found
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ELOOP}:
                yield "broken links"
            elif on_damage == "collect":
                yield f"{name} ({error.strerror})"
            else:
                raise errors.UnreadableSourceError(path, cause=error) from error
            continue
        if stat.S_ISDIR(status.st_mode):
            if (identity := _identity(status)) not in visited:
                visited.add(identity)
                yield from _walk(path, on_damage, visited)
        elif not stat.S_ISREG(status.st_mode):
            yield "pipes, sockets or devices"
        elif _is_log_name(name):
            yield describe_file(path, status)
        else:
            yield _ending(name)


def _is_log_name(name: str) -> bool:
    """Return whether a name is that of a log in a directory."""
    return rotation_set(name).lower().endswith((".jsonl", ".ndjson"))


def _ending(name: str) -> str:
    """Return the ending of a name as a pattern: ``*.json.gz``."""
    suffixes = "".join(Path(name).suffixes[-2:])
    return errors.as_text(f"*{suffixes}" if suffixes else name)


def _missing_hint(name: str) -> str:
    """Return a hint to the nearest path that exists."""
    path = Path(name)
    missing = path
    while not missing.parent.is_dir() and missing != missing.parent:
        missing = missing.parent
    try:
        names = os.listdir(missing.parent)  # noqa: PTH208 - names, not paths
    except OSError:
        return ""
    close = get_close_matches(missing.name, names, n=1)
    if close:
        return errors.near_miss(str(missing), [str(missing.parent / close[0])])
    return "" if missing == path else f"; there is no directory {missing}"
