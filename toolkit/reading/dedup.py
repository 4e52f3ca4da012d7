"""Find responses that were logged twice.

Two lines are the same response if both its bytes (by their hash) and its id are equal.
A response without an id is never a duplicate: two short answers may be equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from toolkit.reading.blocks import Decoded


class Keys(NamedTuple):
    """Hashes of responses and of their ids, 16 bytes each pair, sorted by both."""

    responses: NDArray[np.uint64]
    ids: NDArray[np.uint64]

    def contains(self, other: Keys) -> NDArray[np.bool_]:
        """Return for each key of the other whether it is among these."""
        places = np.searchsorted(self.responses, other.responses)
        places = np.minimum(places, len(self.responses) - 1)
        same = self.responses[places] == other.responses
        found: NDArray[np.bool_] = same & (self.ids[places] == other.ids)
        return found

    def take(self, places: NDArray[np.intp] | NDArray[np.bool_]) -> Keys:
        """Return some of the keys."""
        return Keys(self.responses[places], self.ids[places])

    def merge(self, other: Keys) -> Keys:
        """Return both, sorted."""
        both = Keys(
            np.concatenate([self.responses, other.responses]),
            np.concatenate([self.ids, other.ids]),
        )
        return both.take(np.lexsort((both.ids, both.responses)))


class Deduplicator(Protocol):
    """Leaves out responses that were read before."""

    def drop_duplicates(self, decoded: Decoded) -> Decoded:
        """Return the block without the responses that were read before."""


class SeenKeys:
    """The keys of the responses that were read so far, 16 bytes each.

    They are sorted runs, each more than twice as long as the next. A run that has grown
    too long is merged into the one before, so that a key is moved only as often as the
    number of keys doubles.
    """

    def __init__(self) -> None:
        self.runs: list[Keys] = []

    def drop_duplicates(self, decoded: Decoded) -> Decoded:
        """Return the block without the responses that were read before."""
        choices = decoded.choices
        starts = pc.equal(choices.column("choice_position"), 0)
        ids = pl.Series(choices.column("response_id").filter(starts))
        with_id = np.flatnonzero(ids.is_not_null().to_numpy())
        if not len(with_id):
            return decoded
        hashes = choices.column("response_hash").filter(starts).to_numpy()
        keys = Keys(hashes[with_id], ids.hash().to_numpy()[with_id])
        repeated = with_id[self.add(keys)]
        if not len(repeated):
            return decoded
        # The number of the response that each row belongs to, from 0.
        response = pc.subtract(pc.cumulative_sum(starts.cast(pa.int64())), 1)
        repeats = pc.is_in(response, value_set=pa.array(repeated, pa.int64()))
        return decoded._replace(
            choices=choices.filter(pc.invert(repeats)), duplicates=len(repeated)
        )

    def add(self, keys: Keys) -> NDArray[np.bool_]:
        """Add keys, and return for each whether it was there before."""
        repeated = np.zeros(len(keys.responses), np.bool_)
        # A stable sort: of equal keys the first stays first.
        order = np.lexsort((keys.ids, keys.responses))
        ordered = keys.take(order)
        again = (ordered.responses[1:] == ordered.responses[:-1]) & (
            ordered.ids[1:] == ordered.ids[:-1]
        )
        repeated[order[1:][again]] = True
        for run in self.runs:
            repeated |= run.contains(keys)
        self._add_run(ordered.take(~repeated[order]))
        return repeated

    def _add_run(self, run: Keys) -> None:
        """Add a sorted run of new keys."""
        if not len(run.responses):
            return
        while self.runs and len(self.runs[-1].responses) < 2 * len(run.responses):
            run = self.runs.pop().merge(run)
        self.runs.append(run)
