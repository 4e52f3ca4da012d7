"""Find responses that were logged twice.

Two lines are the same response if both its bytes (by their hash) and its id are equal.
A response without an id is never a duplicate: two short answers may be equal.
Duplicates have the same date, unless it is from their lines.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pyarrow as pa

from toolkit.reading.native import KERNEL
from toolkit.schema.apis import APIS

if TYPE_CHECKING:
    import polars as pl

    from toolkit.reading.blocks import Decoded

DUPLICATE_KEY = ("response_hash", "response_id")
# APIs whose responses have no date.
_DATED_BY_LINE = [api.name for api in APIS if "created" not in api.paths]


def is_dated_by_line() -> pl.Expr:
    """Return whether the date of a response can only be from its line."""
    # Imported here: a log is decoded while polars is imported.
    import polars as pl

    return pl.col("api").is_in(_DATED_BY_LINE)


class SeenKeys:
    """The keys of the responses that were read so far, as `Seen` of the kernel."""

    def __init__(self) -> None:
        self.keys: set[tuple[int, str]] = set()

    def keep(self, rows: pa.RecordBatch) -> tuple[list[tuple[int, int]], int] | None:
        """Add the responses of rows with their position, hash and id.

        Return the start and length of the rows of each new one, and how many are not;
        None if all are new. Without an id a response always is.
        """
        positions, hashes, ids = (column.to_pylist() for column in rows.columns)
        firsts = [row for row, position in enumerate(positions) if position == 0]
        kept: list[tuple[int, int]] = []
        for start, end in pairwise([*firsts, len(rows)]):
            key = (hashes[start], ids[start])
            if ids[start] is None or key not in self.keys:
                kept.append((start, end - start))
                self.keys.add(key)
        return (kept, len(firsts) - len(kept)) if len(kept) < len(firsts) else None


class Deduplicator:
    """Leaves out the responses that were read before."""

    def __init__(self, seen: SeenKeys | None = None) -> None:
        self.seen = seen or (SeenKeys() if KERNEL is None else KERNEL.Seen())

    def drop_duplicates(self, decoded: Decoded) -> Decoded:
        """Return the block without the responses that were read before."""
        choices = decoded.choices
        kept = self.seen.keep(choices.select(["choice_position", *DUPLICATE_KEY]))
        if kept is None:
            return decoded
        ranges, left_out = kept
        slices = [choices.slice(start, length) for start, length in ranges]
        rows = pa.Table.from_batches(slices, choices.schema).combine_chunks()
        (batch,) = rows.to_batches() or [choices.slice(0, 0)]
        return decoded._replace(choices=batch, duplicates=left_out)
