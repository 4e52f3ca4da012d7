"""Find responses that were logged twice.

Two lines are the same response if both its bytes (by their hash) and its id are equal.
A response without an id is never a duplicate: two short answers may be equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.reading.blocks import Decoded


_Keys: TypeAlias = "NDArray[np.bytes_]"


class Deduplicator(Protocol):
    """Leaves out responses that were read before."""

    def drop_duplicates(self, decoded: Decoded) -> Decoded:
        """Return the block without the responses that were read before."""


class SeenKeys:
    """The keys of the responses that were read so far, 16 bytes each.

    A key is the hash of a response and that of its id, side by side as bytes, which
    numpy can sort. They are in sorted runs, each more than twice as long as the next.
    A run that has grown too long is merged into the one before, so that a key is moved
    only as often as the number of keys doubles.
    """

    def __init__(self) -> None:
        self.runs: list[_Keys] = []

    def drop_duplicates(self, decoded: Decoded) -> Decoded:
        """Return the block without the responses that were read before."""
        choices = decoded.choices
        starts = pc.equal(choices.column("choice_position"), 0)
        ids = pl.Series(choices.column("response_id").filter(starts))
        with_id = np.flatnonzero(ids.is_not_null().to_numpy())
        if not len(with_id):
            return decoded
        hashes = choices.column("response_hash").filter(starts).to_numpy()
        pairs = np.column_stack([hashes, ids.hash().to_numpy()])[with_id]
        repeated = with_id[self.add(pairs.view("S16").ravel())]
        if not len(repeated):
            return decoded
        # The number of the response that each row belongs to, from 0.
        response = pc.subtract(pc.cumulative_sum(starts.cast(pa.int64())), 1)
        repeats = pc.is_in(response, value_set=pa.array(repeated, pa.int64()))
        return decoded._replace(
            choices=choices.filter(pc.invert(repeats)), duplicates=len(repeated)
        )

    def add(self, keys: _Keys) -> NDArray[np.bool_]:
        """Add keys, and return for each whether it was there before."""
        repeated = np.ones(len(keys), np.bool_)
        repeated[np.unique(keys, return_index=True)[1]] = False
        for run in self.runs:
            places = np.searchsorted(run, keys)
            repeated |= run[np.minimum(places, len(run) - 1)] == keys
        new = np.sort(keys[~repeated])
        while self.runs and len(self.runs[-1]) < 2 * len(new):
            new = np.sort(np.concatenate([self.runs.pop(), new]))
        if len(new):
            self.runs.append(new)
        return repeated
