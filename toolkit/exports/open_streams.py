"""The file of an export that holds the streams that the next run may complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow.parquet as pq

from toolkit import system
from toolkit.errors import DamagedExportError
from toolkit.exports.parts import OTHER_COLUMNS, iter_part
from toolkit.reading import manifest
from toolkit.reading.pieces import pieces_schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from toolkit.reading.manifest import Manifest
    from toolkit.reading.streams import Streams


def write_pieces(path: Path, streams: Streams) -> None:
    """Write and sync the pieces of open streams; only the owner can read the text."""
    pieces = streams.left_open().to_arrow()
    path.parent.mkdir(exist_ok=True)
    with system.create_private(path) as file:
        pq.write_table(pieces, file, write_page_checksum=True)
        system.sync(file)


def read_pieces(
    where: str, state: Manifest | None, moved: Mapping[str, str] | None = None
) -> pl.DataFrame | None:
    """Read the pieces of the streams that the last run left open, if there are any.

    Some rotation sets have moved since.
    """
    if state is None or state.open is None:
        return None
    path = manifest.below(where, state.open)
    empty = pl.DataFrame(schema=pieces_schema(state.table))
    frames = [pl.DataFrame(rows) for rows in iter_part(path)]
    if any(frame.schema != empty.schema for frame in frames):
        raise DamagedExportError(path, fault=OTHER_COLUMNS)
    pieces = pl.concat([empty, *frames], rechunk=True)
    return pieces.with_columns(pl.col("stream_set").replace(moved or {}))
