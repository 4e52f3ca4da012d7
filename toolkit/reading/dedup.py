"""Find responses that were logged twice.

Two lines are the same response if both its bytes (by their hash) and its id are equal.
A response without an id is never a duplicate: two short answers may be equal.
Duplicates have the same date, unless it is from their lines.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

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
    """The keys of the responses that were read so far; the kernel has its own."""

    def __init__(self) -> None:
        self.keys: set[tuple[int, str]] = set()

    def drop_duplicates(self, decoded: Decoded) -> Decoded:
        """Return the block without the responses that were read before."""
        # Imported here: it is slow to import, and the kernel does without.
        import pyarrow.compute as pc

        choices = decoded.choices
        is_first = pc.equal(choices.column("choice_position"), 0)
        keys = choices.select(DUPLICATE_KEY).filter(is_first).to_pydict().values()
        repeated = [
            place
            for place, key in enumerate(zip(*keys, strict=True))
            if not self.add(*key)
        ]
        if not repeated:
            return decoded
        # The number of the response that each row belongs to, from 0.
        response = pc.subtract(pc.cumulative_sum(is_first.cast(pa.int64())), 1)
        repeats = pc.is_in(response, value_set=pa.array(repeated, pa.int64()))
        return decoded._replace(
            choices=choices.filter(pc.invert(repeats)), duplicates=len(repeated)
        )

    def add(self, response_hash: int, response_id: str | None) -> bool:
        """Add a key, and return whether it is new; without an id it always is."""
        if response_id is None:
            return True
        known = len(self.keys)
        self.keys.add((response_hash, response_id))
        return len(self.keys) > known
