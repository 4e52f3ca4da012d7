"""Small frames of choices: `make_choices`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Mapping


def make_choices(*rows: Mapping[str, object]) -> pl.DataFrame:
    """Return a valid frame of choices; each row gives only the cells that matter.

    Parameters
    ----------
    rows
        Cells by column. A row with `choice_position` above 0 belongs to the response
        of the row before it; any other row begins a new response on the next line.
        Columns that are not in the schema follow those of the schema.

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
    frame = pl.DataFrame(full, schema=CHOICES.polars)
    return frame.with_columns(
        pl.Series(name, [row.get(name) for row in full]) for name in own
    )


_DEFAULTS: dict[str, object] = {
    "log_id": 0,
    "source": "made.jsonl",
    "choice_position": 0,
    "choice_count": 1,
    "api": "chat",
    "created": datetime(2026, 1, 1, tzinfo=UTC),
    "model": "gpt-a",
}
