"""Resolve sources: logs, exports, Parquet files, or choices in memory.

`resolve` is called once; the functions behind it take its result.
"""

from __future__ import annotations

import glob
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

import polars as pl

from toolkit.errors import OptionError
from toolkit.reading.blocks import read_errors
from toolkit.reading.discovery import (
    Logs,
    Resolved,
    find_logs,
    is_export,
    list_names,
    matches_of,
    matches_path,
    objects_like,
)
from toolkit.reading.manifest import STATE_FILE, Manifest, read_manifest
from toolkit.reading.object_store import is_uri
from toolkit.reading.options import DEFAULTS, OnDamage, ReadOptions
from toolkit.schema.tables import LEDGER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from toolkit.reading.discovery import Sources
    from toolkit.schema.columns import ArrowStream

PARQUET = ".parquet"


class Export(NamedTuple):
    """An export: its directory, or its address in a store, and what is committed."""

    directory: str
    manifest: Manifest


@dataclass(frozen=True)
class Exports(Resolved):
    """One or several exports."""

    exports: Sequence[Export]

    def numbered(self) -> Iterator[tuple[Export, int]]:
        """Yield each export, and what to add to its `log_id` to keep them apart."""
        logs = 0
        for export in self.exports:
            yield export, logs
            logs += export.manifest.next_log_id

    @cached_property
    def ledger(self) -> pl.DataFrame:
        """One row per log; `log_id` continues from export to export."""
        frames = [
            export.manifest.ledger.with_columns(log_id=pl.col("log_id") + logs)
            for export, logs in self.numbered()
        ]
        return LEDGER.empty().vstack(pl.concat(frames).cast(pl.Schema(LEDGER.polars)))


@dataclass(frozen=True)
class ParquetFiles(Resolved):
    """Parquet files of choices; their names are the files."""


Choices: TypeAlias = "pl.DataFrame | pl.LazyFrame | ArrowStream"


def choices_of(sources: object) -> Choices | None:
    """Return choices in memory (a frame, a `Loaded`), or None for names of logs.

    Examples
    --------
    >>> choices_of("logs/") is None
    True
    >>> choices_of(pl.DataFrame()) is None
    False
    """
    if isinstance(sources, pl.LazyFrame) or hasattr(sources, "__arrow_c_stream__"):
        return cast("Choices", sources)
    return None


def resolve(
    sources: Sources,
    options: ReadOptions | None = None,
    *,
    on_damage: OnDamage | None = None,
) -> Logs | Exports | ParquetFiles:
    """Return the logs, exports or Parquet files that sources name.

    Parameters
    ----------
    sources
        Names as in `toolkit.load`, or what this function returned.
    options
        The options that the user gave; exports and Parquet files allow none.
    on_damage
        As in `toolkit.load`; it takes precedence, and is allowed with exports.

    Raises
    ------
    OptionError
        If kinds are mixed, or an option of logs is given for an export.
    SourceError
        If a log is missing or unreadable.
    DamagedExportError
        If the state of an export cannot be read.
    """
    if isinstance(sources, Logs | Exports | ParquetFiles):
        return sources
    given = options or {}
    names = list_names(sources)
    matches = _expand_globs(names)
    if files := [match for match in matches if _is_parquet(match)]:
        _check_alone(matches, files, "a Parquet file", given)
        return ParquetFiles(files)
    if exports := [match for match in matches if is_export(match)]:
        _check_alone(matches, exports, "an export", given)
        return Exports(names, [Export(one, read_manifest(one)) for one in exports])
    return find_logs(names, on_damage=on_damage or given.get("on_damage", "raise"))


def resolve_lines(
    sources: Sources,
    options: ReadOptions | None = None,
    *,
    on_damage: OnDamage | None = None,
) -> Logs | Exports:
    """Resolve sources that have a ledger and rejects: logs or exports."""
    found = resolve(sources, options, on_damage=on_damage)
    if isinstance(found, ParquetFiles):
        expected = "logs or an export; one Parquet file has no ledger and no rejects"
        raise OptionError("sources", found.names[0], expected=expected)
    return found


def resolve_exports(sources: Sources) -> Exports:
    """Resolve sources that must be exports, or raise `NotAnExportError`."""
    if isinstance(sources, Exports):
        return sources
    names = list_names(sources)
    matches = _expand_globs(names)
    return Exports(names, [Export(one, read_manifest(one)) for one in matches])


def _is_parquet(name: str) -> bool:
    """Return whether a name is that of one Parquet file."""
    if not name.endswith(PARQUET):
        return False
    return not is_export(name) if is_uri(name) else os.path.isfile(name)  # noqa: PTH113


def _check_alone(
    names: Iterable[str], found: Sequence[str], kind: str, options: ReadOptions
) -> None:
    """Raise if exports are mixed with other names, or given with options of logs."""
    other = next((name for name in names if name not in found), None)
    if other is not None:
        expected = f"logs or exports, not both ({found[0]} is {kind})"
        raise OptionError("sources", other, expected=expected)
    for name, value in options.items():
        default = DEFAULTS[name]
        if name != "progress" and (value or None) != default:
            expected = f"{default!r} ({kind} keeps the options it was made with)"
            raise OptionError(name, value, expected=expected)


def _expand_globs(names: Iterable[str]) -> list[str]:
    """Return names, and instead of globs what they match, each once."""
    return list(dict.fromkeys(one for name in names for one in _expand_glob(name)))


def _expand_glob(name: str) -> list[str]:
    """Return what a glob matches; any other name as it is."""
    if is_uri(name) and glob.has_magic(name):
        expected = [*name.rstrip("/").split("/"), STATE_FILE]
        with read_errors(name):
            listed = objects_like(name)
        return sorted(
            stored.uri.removesuffix(f"/{STATE_FILE}")
            for stored in listed
            if matches_path(stored.uri.split("/"), expected)
        ) or [name]
    if glob.has_magic(name) and not os.path.lexists(name):
        return matches_of(name) or [name]
    return [name]
