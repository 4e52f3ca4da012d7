"""The health of logs: what became of their lines, and what is odd in the responses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.reading.check import (
    FINDING_CODES,
    check,
    summarize_exports,
    summarize_loaded,
)
from toolkit.reading.load import Loaded
from toolkit.reading.sources import Exports, resolve_lines
from toolkit.schema.tables import REJECT_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from toolkit.reading.check import CheckResult
    from toolkit.reading.discovery import Sources
    from toolkit.reading.options import CreatedUnit, ReadOptions

# What becomes of a line; of these the sum is that of all lines.
_FATES = ("blank", "responses", "duplicates", "outside", "errors", "rejected")
_HEALTH = {
    "kind": pl.String,
    "name": pl.String,
    "count": pl.Int64,
    "of": pl.Int64,
    "share": pl.Float64,
    "first": pl.String,
}


def log_health(
    source: Loaded | Sources,
    *,
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    progress: Callable[[int], None] | None = None,
) -> pl.DataFrame:
    """Tell what share of the lines and of the responses is not as it should be.

    Parameters
    ----------
    source
        What `toolkit.load` returned; or, as in `toolkit.check`, the path of logs or of
        exports.
    tags, response_path, created_unit, progress
        As in `toolkit.check`; of logs only.

    Returns
    -------
    pl.DataFrame
        Always the same rows: of each `kind` its names, in the order of the documents.

        ======= ======= ==============================================================
        column  dtype   meaning
        ======= ======= ==============================================================
        kind    string  ``ledger``: what became of a line; ``reject``: why it was
                        refused; ``finding``: what is odd in a response that is valid
        name    string  column of the ledger, code of the reject or of the finding
        count   int64   lines, of a finding responses
        of      int64   all lines, of a finding all responses
        share   float64 count / of, null where there is none
        first   string  ``source:line`` of the first, null where there is none, or
                        where the ledger counts without a place
        ======= ======= ==============================================================

    Examples
    --------
    >>> import toolkit
    >>> health = log_health(toolkit.load("data/sample"))
    >>> health.filter(pl.col("name") == "duplicates").select("count", "of").row(0)
    (23, 3000)
    """
    told = _account_of(
        source,
        {
            "tags": tags,
            "response_path": response_path,
            "created_unit": created_unit,
            "progress": progress,
        },
    )
    totals = told.ledger.select("lines", *_FATES).sum().row(0, named=True)
    places = {count.code: count for count in told.rejects}
    odd = {finding.code: finding for finding in told.findings}
    rows: list[tuple[str, str, int, int, str | None]] = [
        ("ledger", name, totals[name], totals["lines"], None) for name in _FATES
    ]
    for code in REJECT_CODES:
        count = places.get(code)
        lines, first = (count.lines, count.first) if count else (0, None)
        rows.append(("reject", code, lines, totals["lines"], first))
    for code in FINDING_CODES:
        found = odd.get(code)
        responses, first = (found.responses, found.first) if found else (0, None)
        rows.append(("finding", code, responses, totals["responses"], first))
    names = [name for name in _HEALTH if name != "share"]
    of = pl.col("of")
    return (
        pl.DataFrame(rows, schema={name: _HEALTH[name] for name in names}, orient="row")
        .with_columns(pl.when(of != 0).then(pl.col("count") / of).alias("share"))
        .select(list(_HEALTH))
    )


def _account_of(
    source: Loaded | Sources,
    options: ReadOptions,
) -> CheckResult:
    """Return the account of logs, without a second look at what was validated."""
    if isinstance(source, Loaded):
        return summarize_loaded(source)
    found = resolve_lines(source, options)
    if isinstance(found, Exports):
        return summarize_exports(found)
    return check(found, **options)
