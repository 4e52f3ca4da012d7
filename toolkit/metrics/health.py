"""The health of logs: rejected lines, and odd values in responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, Unpack

import polars as pl

from toolkit.formatting.parameters import share_parameters
from toolkit.metrics.measures import Measure, ratio
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import Key, MetricSpec
from toolkit.reading.check import (
    FINDING_CODES,
    check,
    summarize_exports,
    summarize_loaded,
)
from toolkit.reading.ledger import LINE_COUNTS
from toolkit.reading.load import Loaded
from toolkit.reading.options import READ_PARAMETERS, ReadOptions
from toolkit.reading.sources import Exports, resolve_lines
from toolkit.schema.tables import REJECT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from toolkit.reading.check import CheckResult
    from toolkit.reading.discovery import Sources

    _Count: TypeAlias = tuple[int, str | None]  # and the place of the first

_LOG_HEALTH = MetricSpec(
    "log_health",
    (
        Measure("count", unit="lines", meaning="lines; of a finding, responses"),
        Measure("of", unit="lines", meaning="all lines; of a finding, all responses"),
        ratio("share", "count", "of", meaning="count / of, null where there is none"),
        Measure(
            "first",
            pl.String,
            "place",
            meaning="``source:line`` of the first; null where there is none, and for "
            "the ledger",
        ),
    ),
    main="count",
    title="Health of the log",
    shape="bars",
    draws=("count", "share"),
    adds_up=False,
    options=None,
    series=(),
    keys=(
        Key(
            "kind",
            meaning="``ledger``: what a line is; ``reject``: why it was rejected; "
            "``finding``: what is odd in a valid response",
        ),
        Key("name", meaning="column of the ledger, code of the reject or the finding"),
    ),
)


@share_parameters(ReadOptions, READ_PARAMETERS, on_damage="collect")
@metric(_LOG_HEALTH)
def log_health(
    source: Loaded | Sources, **options: Unpack[ReadOptions]
) -> pl.DataFrame:
    """Compute which share of the lines and of the responses is rejected or odd.

    The rows are always the same: the names of each kind, in the order of the docs.

    Parameters
    ----------
    source
        What `toolkit.load` returned; or, as in `toolkit.check`, logs or exports.
    **options
        Of logs only.

    Examples
    --------
    >>> import toolkit
    >>> health = log_health(toolkit.load("data/sample"))
    >>> health.filter(pl.col("name") == "duplicates").select("count", "of").row(0)
    (23, 3000)
    """
    checked = _account_of(source, options)
    totals = checked.ledger.select("lines", *LINE_COUNTS).sum().row(0, named=True)
    rejects = {one.code: (one.lines, one.first) for one in checked.rejects}
    findings = {one.code: (one.responses, one.first) for one in checked.findings}
    found: list[tuple[str, str, Iterable[str], Mapping[str, _Count]]] = [
        ("ledger", "lines", LINE_COUNTS, {n: (totals[n], None) for n in LINE_COUNTS}),
        ("reject", "lines", REJECT_CODES, rejects),
        ("finding", "responses", FINDING_CODES, findings),
    ]
    rows = []
    for kind, of, names, counts in found:
        for name in names:
            count, first = counts.get(name, (0, None))
            share = count / totals[of] if totals[of] else None
            rows.append((kind, name, count, totals[of], share, first))
    schema = {key.name: key.dtype for key in _LOG_HEALTH.keys}
    schema |= {measure.name: measure.dtype for measure in _LOG_HEALTH.measures}
    return pl.DataFrame(rows, schema, orient="row")


def _account_of(source: Loaded | Sources, options: ReadOptions) -> CheckResult:
    """Return the account of logs; what was validated is not validated again."""
    if isinstance(source, Loaded):
        return summarize_loaded(source)
    found = resolve_lines(source, options)
    if isinstance(found, Exports):
        return summarize_exports(found)
    return check(found, **options)
