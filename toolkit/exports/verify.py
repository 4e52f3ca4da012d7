"""An export held against its state: every part is read again, and all is counted."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
import pyarrow as pa

from toolkit.errors import plural
from toolkit.exports.parts import find_days, open_part
from toolkit.reading import object_store
from toolkit.reading.manifest import (
    CHOICES_DIR,
    REJECTS_DIR,
    STAGING_DIR,
    below,
    list_part_files,
    list_parts,
    read_manifest,
)
from toolkit.reading.scan import DUPLICATE_KEY
from toolkit.schema.tables import CHOICES, REJECTS, choices_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.reading.manifest import Manifest
    from toolkit.schema.columns import Table

_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
# Of the rows of a log, what the ledger says of them.
_COUNTED = ("choices", "responses", *_TOKENS)
_FATES = ("blank", "responses", "duplicates", "outside", "errors", "rejected")


class Verified(NamedTuple):
    """What was read again, and a sentence for each fault: none in a sound export."""

    parts: int
    rows: int
    faults: list[str]


def verify(directory: str | os.PathLike[str]) -> Verified:
    """Read an export again, and hold it against its state.

    Every part must be whole to the bit and lie under the date of its rows; the rows,
    responses and token sums of each log, and its rejects, must be those of the ledger;
    the ledger must keep its laws; and no response may stand twice.

    Parameters
    ----------
    directory
        What `toolkit.export` has written, also ``s3://...``.

    Raises
    ------
    NotAnExportError
        If no export was committed there.
    DamagedExportError
        If state.json cannot be read.

    Notes
    -----
    An export that is being written meanwhile may be found faulty. The keys of a day are
    held in memory.

    Examples
    --------
    >>> import tempfile, toolkit
    >>> to = tempfile.mkdtemp()
    >>> done = toolkit.export("data/sample", to=to)
    >>> toolkit.verify(to).faults
    []
    """
    verifier = _Verifier(os.fspath(directory))
    verifier.read_choices()
    verifier.read_rejects()
    faults = [
        *_ledger_faults(verifier.state),
        *_strange_files(verifier.where, verifier.state),
        *verifier.faults,
        *verifier.count_faults(),
    ]
    return Verified(verifier.parts, verifier.rows, faults)


class _Verifier:
    """Reads the parts of an export, and counts what it finds of each log."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.state = read_manifest(where)
        self.found: dict[int, Counter[str]] = {}
        self.faults: list[str] = []
        self.parts = self.rows = 0

    def read_choices(self) -> None:
        """Read the choices, date by date."""
        by_day: dict[str, list[str]] = {}
        for part in list_parts(self.where, CHOICES_DIR, self.state):
            by_day.setdefault(PurePosixPath(part).parent.name, []).append(part)
        for day, parts in sorted(by_day.items()):
            keys = [
                self.count_choices(part, batch)
                for part in parts
                for batch in self.batches(part, choices_table(self.state.tags))
            ]
            if keys:
                self.faults += self.repeats(day, pl.concat(keys))

    def count_choices(self, part: str, rows: pa.RecordBatch) -> pl.DataFrame:
        """Count rows, and return what must be there once."""
        day = PurePosixPath(part).parent.name.removeprefix("date=")
        if strange := sorted(find_days(rows) - {day}):
            self.faults.append(f"{part}: holds rows of {strange[0]}")
        frame = pl.DataFrame(rows)
        counts = frame.group_by("log_id").agg(
            pl.len().alias("choices"),
            (pl.col("choice_position") == 0).sum().alias("responses"),
            pl.col(_TOKENS).sum(),
        )
        self.count(counts)
        self.rows += len(frame)
        return frame.select(*CHOICES.key, *DUPLICATE_KEY)

    def repeats(self, day: str, keys: pl.DataFrame) -> Iterator[str]:
        """Say which rows or responses of a day stand twice."""
        rows = len(keys) - keys.select(CHOICES.key).n_unique()
        if rows:
            yield f"{below(self.where, CHOICES_DIR)}/{day}: {plural(rows, 'row')} twice"
        if self.state.options.get("duplicates") == "keep":
            return
        named = keys.filter(choice_position=0).drop_nulls("response_id")
        again = len(named) - named.select(DUPLICATE_KEY).n_unique()
        if again:
            where = f"{below(self.where, CHOICES_DIR)}/{day}"
            yield f"{where}: {plural(again, 'response')} twice"

    def read_rejects(self) -> None:
        """Read the rejects."""
        for part in list_parts(self.where, REJECTS_DIR, self.state):
            for rows in self.batches(part, REJECTS):
                is_error = pl.col("code") == "error_response"
                counts = pl.DataFrame(rows).group_by("log_id")
                self.count(
                    counts.agg(
                        is_error.sum().alias("errors"),
                        (~is_error).sum().alias("rejected"),
                    )
                )

    def count(self, counts: pl.DataFrame) -> None:
        """Add what was found of logs."""
        for row in counts.to_dicts():
            self.found.setdefault(row.pop("log_id"), Counter()).update(row)

    def batches(self, part: str, table: Table) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a part; one that cannot be read to its end is a fault."""
        self.parts += 1
        try:
            with open_part(part) as file:
                if not file.schema_arrow.equals(table.arrow, check_metadata=True):
                    self.faults.append(
                        f"{part}: its columns are not those of the schema"
                    )
                    return
                for rows in file.iter_batches():
                    rows.validate(full=True)  # polars trusts what it is given
                    yield rows
        except (pa.ArrowException, OSError, ValueError) as error:
            # The first line: what follows may hold what it could not read.
            words = str(error).partition("\n")[0]
            self.faults.append(f"{part}: cannot be read: {words}")

    def count_faults(self) -> Iterator[str]:
        """Hold what was found of each log against the ledger."""
        known = {log.log_id: log.row for log in self.state.logs}
        for log_id in sorted(self.found.keys() - known.keys()):
            yield f"rows of log {log_id}, which state.json does not know"
        for log_id, row in known.items():
            found = self.found.get(log_id, Counter())
            for name in (*_COUNTED, "errors", "rejected"):
                if found[name] != row[name]:
                    yield (
                        f"{row['source']}: {name}: {found[name]:,} in the parts, "
                        f"{row[name]:,} in the ledger"
                    )


def _ledger_faults(state: Manifest) -> Iterator[str]:
    """Hold the ledger against its laws."""
    for row in state.ledger.to_dicts():
        fates = sum(row[name] for name in _FATES)
        if row["lines"] != fates:
            told = f"{row['lines']:,} lines, of which {fates:,} are told"
            yield f"{row['source']}: {told}"
    if state.totals != state.with_totals().totals:
        yield "the totals of state.json are not the sums of its ledger"


def _strange_files(where: str, state: Manifest) -> Iterator[str]:
    """Say what lies in an export that is no part of it."""
    for kind in (CHOICES_DIR, REJECTS_DIR):
        parts: Sequence[str] = list_parts(where, kind, state)
        for path in sorted({*list_part_files(where, kind)} - {*parts}):
            yield f"{path}: is no part that was committed"
    if not object_store.is_uri(where) and (Path(where) / STAGING_DIR).exists():
        yield f"{below(where, STAGING_DIR)}: left by a run that did not end"
