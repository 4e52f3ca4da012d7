"""The file of an export that holds the streams that the next run may complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from toolkit import system
from toolkit.errors import DamagedExportError
from toolkit.exports.parts import open_part
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
    path, fault = manifest.below(where, state.open), "it cannot be read"
    try:
        with open_part(path) as file:
            rows = file.read()
        rows.validate(full=True)  # polars does not check
        pieces = pl.DataFrame(rows)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DamagedExportError(path, fault=fault) from error
    if pieces.schema != pieces_schema(state.table):
        fault = "its columns are not those of the schema"
        raise DamagedExportError(path, fault=fault)
    return pieces.with_columns(pl.col("stream_set").replace(moved or {}))
