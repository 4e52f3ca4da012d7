"""Verify an export: read every part again, and compare it with state.json."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from toolkit.errors import DamagedExportError, UnreadableSourceError, plural
from toolkit.exports.open_streams import read_pieces
from toolkit.exports.parts import find_days, iter_part
from toolkit.formatting.parameters import check_path
from toolkit.reading import manifest, object_store
from toolkit.reading.dedup import DUPLICATE_KEY
from toolkit.reading.ledger import LINE_COUNTS, LedgerBuilder
from toolkit.schema.tables import CHOICES, REJECTS

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    import pyarrow as pa

    from toolkit.reading.manifest import Manifest
    from toolkit.schema.columns import Table

# Columns of the ledger that are compared with the rows and the rejects of a log.
_COUNTED = ("choices", "responses", *LedgerBuilder.SUMS, "errors", "rejected")
# The columns of choices that are counted or compared.
_NEEDED = list(dict.fromkeys([*CHOICES.key, *DUPLICATE_KEY, *LedgerBuilder.SUMS]))

# Why a part cannot be read: each is a fault of the export.
_PART_ERRORS = (DamagedExportError, UnreadableSourceError)


class Verified(NamedTuple):
    """What was read, and a sentence for each fault."""

    parts: int
    rows: int
    faults: list[str]


def verify(directory: str | os.PathLike[str]) -> Verified:
    """Read every part of an export again, and compare it with its ledger.

    Every part must match its checksums and be in the directory of the date of its rows;
    the rows, responses, tokens and rejects of each log must be those of the ledger; the
    lines of the ledger must add up; no response may occur twice on a date; and the file
    of streamed responses that are open must be readable.

    Parameters
    ----------
    directory
        An export of `toolkit.export`, local or ``s3://...``.

    Raises
    ------
    NotAnExportError
        If no export was committed there.
    ExportError
        If an earlier version of the toolkit made the export.
    DamagedExportError
        If state.json cannot be read.

    Notes
    -----
    Faults may be reported for an export that is being written. The keys of a day must
    fit into memory.

    Examples
    --------
    >>> import tempfile, toolkit
    >>> to = tempfile.mkdtemp()
    >>> done = toolkit.export("data/sample", to=to)
    >>> toolkit.verify(to).faults
    []
    """
    verifier = _Verifier(check_path("directory", directory))
    verifier.read_choices()
    verifier.read_rejects()
    verifier.read_open_streams()
    faults = [
        *_find_ledger_faults(verifier.state),
        *_find_strange_files(verifier.where, verifier.state),
        *verifier.faults,
        *verifier.find_wrong_counts(),
    ]
    return Verified(verifier.parts, verifier.rows, faults)


class _Verifier:
    """Read the parts of an export, and count what belongs to each log."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.state = manifest.read_manifest(where)
        self.state.check_version(where)
        self.found: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.faults: list[str] = []
        self.parts = self.rows = 0

    def read_choices(self) -> None:
        """Read the choices, date by date."""
        by_day: dict[str, list[str]] = {}
        for part in manifest.list_parts(self.where, manifest.CHOICES_DIR, self.state):
            by_day.setdefault(PurePosixPath(part).parent.name, []).append(part)
        for day, parts in sorted(by_day.items()):
            keys = [
                self.count_choices(part, batch)
                for part in parts
                for batch in self.iter_batches(part, self.state.table)
            ]
            if keys:
                self.faults += self.find_repeats(day, pl.concat(keys))

    def count_choices(self, part: str, rows: pa.RecordBatch) -> pl.DataFrame:
        """Count rows, and return their keys."""
        day = PurePosixPath(part).parent.name.removeprefix("date=")
        if strange := sorted(find_days(rows) - {day}):
            self.faults.append(f"{part}: contains rows of {strange[0]}")
        frame = pl.DataFrame(rows.select(_NEEDED))
        self.count(
            frame,
            choices=pl.len(),
            responses=(pl.col("choice_position") == 0).sum(),
            **{name: pl.col(name).sum() for name in LedgerBuilder.SUMS},
        )
        self.rows += len(frame)
        return frame.select(*CHOICES.key, *DUPLICATE_KEY)

    def find_repeats(self, day: str, keys: pl.DataFrame) -> Iterator[str]:
        """Yield a fault for the rows or responses of a day that occur twice."""
        where = f"{manifest.below(self.where, manifest.CHOICES_DIR)}/{day}"
        rows = len(keys) - keys.select(CHOICES.key).n_unique()
        if rows:
            yield f"{where}: {plural(rows, 'duplicate row')}"
        if self.state.options.get("duplicates") == "keep":
            return
        named = keys.filter(choice_position=0).drop_nulls("response_id")
        again = len(named) - named.select(DUPLICATE_KEY).n_unique()
        if again:
            yield f"{where}: {plural(again, 'duplicate response')}"

    def read_rejects(self) -> None:
        """Read the rejects."""
        is_error = pl.col("code") == "error_response"
        for part in manifest.list_parts(self.where, manifest.REJECTS_DIR, self.state):
            for rows in self.iter_batches(part, REJECTS):
                frame = pl.DataFrame(rows)
                self.count(frame, errors=is_error.sum(), rejected=(~is_error).sum())

    def read_open_streams(self) -> None:
        """Read the streams that are open; their chunks must be in the ledger."""
        self.parts += self.state.open is not None
        try:
            pieces = read_pieces(self.where, self.state)
        except _PART_ERRORS as error:
            self.faults.append(str(error))
            return
        chunks = 0 if pieces is None else pieces["chunk_count"].sum()
        counted = self.state.ledger["chunks"].sum()
        if chunks > counted:
            fault = f"{chunks:,} chunks in open streams, {counted:,} in the ledger"
            self.faults.append(f"{self.state.open}: {fault}")

    def count(self, rows: pl.DataFrame, **counts: pl.Expr) -> None:
        """Add the counts of rows to those of their logs."""
        for row in rows.group_by("log_id").agg(**counts).to_dicts():
            self.found[row.pop("log_id")].update(row)

    def iter_batches(self, part: str, table: Table) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part, and note a fault if it cannot be read."""
        self.parts += 1
        try:
            yield from iter_part(part, table.arrow)
        except _PART_ERRORS as error:
            self.faults.append(str(error))

    def find_wrong_counts(self) -> Iterator[str]:
        """Yield the differences between the rows of each log and the ledger."""
        known = {log.log_id: log.row for log in self.state.logs}
        for log_id in sorted(self.found.keys() - known.keys()):
            yield f"rows of log {log_id}, which is not in state.json"
        for log_id, row in known.items():
            for name in _COUNTED:
                if (found := self.found[log_id][name]) != row[name]:
                    yield (
                        f"{row['source']}: {name}: {found:,} in the parts, "
                        f"{row[name]:,} in the ledger"
                    )


def _find_ledger_faults(state: Manifest) -> Iterator[str]:
    """Yield the logs whose counts do not add up."""
    for row in state.ledger.to_dicts():
        counted = sum(row[name] for name in LINE_COUNTS)
        if row["lines"] != counted:
            lines = f"{row['lines']:,} lines, but {counted:,} are accounted for"
            yield f"{row['source']}: {lines}"
    if state.totals != state.with_totals().totals:
        yield "the totals of state.json are not the sums of its ledger"


def _find_strange_files(where: str, state: Manifest) -> Iterator[str]:
    """Yield the files in an export that do not belong to it."""
    for path in manifest.list_uncommitted(where, state):
        yield f"{path}: was not committed"
    staging = manifest.below(where, manifest.STAGING_DIR)
    if not object_store.is_uri(where) and Path(staging).exists():
        yield f"{staging}: left by an interrupted run"
