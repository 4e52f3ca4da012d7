"""What each figure of a table is: exact, a bound, or unknown; for outputs of data."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.metrics.options import BEFORE, CHANGE

if TYPE_CHECKING:
    from toolkit.metrics.spec import MetricSpec


def with_bounds(table: pl.DataFrame, spec: MetricSpec) -> pl.DataFrame:
    """Add a column after each measure that may leave something out.

    It is called as the measure with ``_bound``, and holds ``exact``, ``lower``,
    ``upper``, ``approximate`` or ``unknown``; so do those of ``_before`` and
    ``_change``. A measure gets none if `table` lacks the counts of what is unseen.

    Examples
    --------
    >>> from toolkit.metrics import token_usage
    >>> from toolkit.metrics.registry import SPECS
    >>> from toolkit.testing import make_choices
    >>> usage = token_usage(make_choices({"total_tokens": 15}, {}), every=None)
    >>> with_bounds(usage, SPECS["token_usage"]).select("^total.*$").row(0)
    (15, 'lower')
    """
    bounds = {
        f"{measure.name}{end}": measure.bound_column(end)
        for measure in spec.shown
        for end in ("", BEFORE, CHANGE)
        if measure.gaps and {*measure.gaps, f"{measure.name}{end}"} <= {*table.columns}
    }
    columns: list[pl.Expr] = []
    for name in table.columns:
        columns += [pl.col(name), *([bounds[name]] if name in bounds else [])]
    return table.select(columns)
