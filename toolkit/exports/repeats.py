"""Remove the responses of staged parts that committed or earlier staged parts have.

What is repeated among the blocks of one task does not get into its parts.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from toolkit.exports.parts import iter_part, write_part
from toolkit.exports.worker import StagedPart, new_folder
from toolkit.reading.dedup import DUPLICATE_KEY, is_dated_by_line
from toolkit.reading.ledger import STREAM_COLUMNS, STREAM_COUNTS, LedgerBuilder
from toolkit.reading.manifest import CHOICES_DIR, REJECTS_DIR
from toolkit.reading.scan import scan_parts
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from toolkit.exports.worker import WorkerOptions

# The key of duplicates; it is compared on the first choice of each response.
_KEYS = {
    name: CHOICES.polars[name] for name in ("choice_position", "api", *DUPLICATE_KEY)
}
# The columns of rows that are counted.
_COUNTED = ["log_id", *STREAM_COLUMNS, *LedgerBuilder.SUMS]


def find_repeats(
    parts: Sequence[StagedPart], list_committed: Callable[[str], list[str]]
) -> dict[str, pl.DataFrame]:
    """Return the keys of the responses to remove, by the name of the staged part.

    `list_committed` returns the committed parts in a directory of the export. Each date
    of new rows is searched alone, then all dates for responses dated by their lines.
    """
    names: dict[str, list[str]] = {}
    for part in parts:
        if part.directory != REJECTS_DIR:
            names.setdefault(part.directory, []).append(part.name)
    if not names:
        return {}
    found = [_find_again(list_committed(day), names[day]) for day in names]
    new = list(chain.from_iterable(names.values()))
    if len(_read_keys(new).filter(is_dated_by_line()).head(1).collect()):
        committed = list_committed(CHOICES_DIR)
        found.append(_find_again(committed, new, of_any_date=True))
    by_part = pl.concat(found).unique().partition_by("part", as_dict=True)
    return {str(name): keys for (name,), keys in by_part.items()}


def _find_again(
    committed: Sequence[str], staged: Sequence[str], *, of_any_date: bool = False
) -> pl.DataFrame:
    """Return the keys in staged parts that an earlier part has too."""
    keys = pl.concat([_read_keys(committed), _read_keys(staged)])
    if of_any_date:
        keys = keys.filter(is_dated_by_line())
    # The ids of all responses of a day would take more memory than their hashes.
    hashes = keys.group_by("response_hash").len().filter(pl.col("len") > 1).collect()
    again = keys.join(hashes.lazy(), on="response_hash", how="semi").collect()
    places = {name: place for place, name in enumerate(staged)}
    place = pl.col("part").replace_strict(places, default=-1)  # of committed parts
    is_again = ~pl.struct(DUPLICATE_KEY).is_first_distinct() & (place >= 0)
    return again.sort(place).filter(is_again).select("part", *DUPLICATE_KEY)


def _read_keys(parts: Sequence[str]) -> pl.LazyFrame:
    """Read the keys of the responses in parts that have an id, and the part of each."""
    keys = scan_parts(parts, _KEYS, part_column="part")
    return keys.filter(pl.col("choice_position") == 0).drop_nulls("response_id")


def drop_repeats(
    options: WorkerOptions, part: StagedPart, repeats: pl.DataFrame
) -> tuple[StagedPart | None, list[dict[str, int]]]:
    """Rewrite a staged part without the responses of some keys.

    Return the part, None if no row is left, and what has changed in the ledger: for
    each log, the changes by column.
    """
    key = pl.struct(DUPLICATE_KEY)
    is_repeat = key.is_in(repeats.select(key).to_series().implode())
    dropped = []

    def iter_others() -> Iterator[pa.RecordBatch]:
        for rows in iter_part(part.name):
            keys = pl.DataFrame(rows.select(DUPLICATE_KEY))
            repeated = keys.select(is_repeat).to_series()
            dropped.append(rows.select(_COUNTED).filter(repeated.to_arrow()))
            yield rows.filter((~repeated).to_arrow())

    path = Path(part.directory) / "0.parquet"
    with new_folder(options.workspace) as (folder, where):
        has_rows = write_part(folder / path, options.table, iter_others()) > 0
    staged = StagedPart(part.directory, f"{where}/{path.as_posix()}")
    changes = _count_changes(pl.DataFrame(pa.Table.from_batches(dropped)))
    return staged if has_rows else None, changes


def _count_changes(dropped: pl.DataFrame) -> list[dict[str, int]]:
    """Return for each log of removed rows the changes to its ledger."""
    responses = (pl.col("choice_position") == 0).sum().cast(pl.Int64)
    changes = {
        "responses": -responses,
        "duplicates": responses,
        "choices": -pl.len().cast(pl.Int64),
        **{name: -pl.col(name).sum() for name in LedgerBuilder.SUMS},
        **{name: -count for name, count in STREAM_COUNTS.items()},
    }
    return dropped.group_by("log_id").agg(**changes).to_dicts()
