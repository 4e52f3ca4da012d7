"""Small true data for tests and examples: `make_response`, `make_choices`, samples."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from toolkit.schema.tables import CHOICES
from toolkit.testing.responses import make_response
from toolkit.testing.sample_logs import sample_lines, write_sample

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["make_choices", "make_response", "sample_lines", "write_sample"]


def make_choices(*rows: Mapping[str, object]) -> pl.DataFrame:
    """Make a valid choices frame; each row states only the cells that matter.

    Parameters
    ----------
    rows
        Cells by column. A row with `choice_position` above 0 belongs to the response
        of the row before it; any other begins a new response on the next line.
        Columns that are not in the schema are put behind it.

    Examples
    --------
    >>> choices = make_choices({"model": "gpt-a"}, {"model": "gpt-b"})
    >>> choices.select("line", "model").rows()
    [(1, 'gpt-a'), (2, 'gpt-b')]
    """
    line = 0
    full = []
    for row in rows:
        line += 0 if row.get("choice_position") and line else 1
        full.append({**_DEFAULTS, "line": line, "response_hash": line, **row})
    own = dict.fromkeys(name for row in full for name in row if name not in CHOICES)
    frame = pl.DataFrame(
        [{name: row.get(name) for name in CHOICES.names} for row in full],
        schema=CHOICES.polars,
        orient="row",
    )
    return frame.with_columns(
        pl.Series(name, [row.get(name) for row in full]) for name in own
    )


_DEFAULTS: dict[str, object] = {
    "log_id": 0,
    "source": "made.jsonl",
    "choice_position": 0,
    "choice_count": 1,
    "created": datetime(2026, 1, 1, tzinfo=UTC),
    "model": "gpt-a",
}
