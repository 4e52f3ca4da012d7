"""Tables of metrics that a report is built from, each computed once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.metrics.engine import compute_several
from toolkit.metrics.registry import SPECS
from toolkit.metrics.waste import WASTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    import polars as pl

    from toolkit.formatting.figures import Figure
    from toolkit.metrics.spec import MetricSpec
    from toolkit.report.inputs import Plan, ReportInputs

_Key = tuple[str, tuple[tuple[str, object], ...]]


class MetricTables:
    """Metrics of the choices of a report, over its range unless another is given.

    Options that a metric does not have are left out. A table that was computed is kept.

    Attributes
    ----------
    together, by_series
        Options of the range as a whole: of all series in one row, and of each series;
        with the range before if the report compares them.
    """

    def __init__(self, inputs: ReportInputs, plan: Plan) -> None:
        self.choices = inputs.choices
        self.plan = plan
        self._known: dict[_Key, pl.DataFrame] = {}
        compare = {"compare": "previous"} if plan.compares else {}
        self.by_series = {"every": None, "by": plan.by, **compare}
        self.together = {**self.by_series, "by": (), "fill": True}

    def table(self, metric: str, **options: object) -> pl.DataFrame:
        """Return the table of a metric."""
        self.compute([(metric, options)])
        return self._known[self._complete(metric, options)[0]]

    def row(self, metric: str, **options: object) -> dict[str, Any]:
        """Return the one row of a metric over the range: of all series together."""
        return row_of(self.table(metric, **{**self.together, **options}))

    def series(self, metric: str, **options: object) -> pl.DataFrame:
        """Return the table of a metric over the range, with a row for each series."""
        return self.table(metric, **{**self.by_series, **options})

    def spans(self, metric: str, **options: object) -> pl.DataFrame:
        """Return the table of a metric over the spans that end with the range.

        Each is a period; there is a row for each of them, also without calls.
        """
        return self.table(metric, **self.of_spans(**options))

    def of_spans(self, **options: object) -> dict[str, object]:
        """Return the options for the spans that end with the range."""
        own = {"every": self.plan.span_length, "since": self.plan.spans[0].start}
        return {"by": (), "fill": True, **options, **own}

    def compute(self, queries: Iterable[tuple[str, Mapping[str, object]]]) -> None:
        """Compute several tables with one reading."""
        found = dict(self._complete(metric, options) for metric, options in queries)
        missing = {key: one for key, one in found.items() if key not in self._known}
        several = [(_spec_of(metric), one) for (metric, _), one in missing.items()]
        if several:
            tables = compute_several(self.choices, several)
            self._known.update(zip(missing, tables, strict=True))

    def _complete(
        self, metric: str, options: Mapping[str, object]
    ) -> tuple[_Key, dict[str, Any]]:
        """Return the options with the range, and the key of the table."""
        known = _spec_of(metric).option_names
        complete = {**self.plan.range, **options}
        complete = {name: complete[name] for name in sorted(complete) if name in known}
        return (metric, tuple(complete.items())), complete


def row_of(table: pl.DataFrame) -> dict[str, Any]:
    """Return the only row of a table; zeros if there is none, as there are no calls."""
    if len(table):
        return table.row(0, named=True)
    return {
        name: 0 if dtype.is_integer() or dtype.is_decimal() else None
        for name, dtype in table.schema.items()
    }


def figure_of(
    metric: str, measure: str, row: Mapping[str, Any], end: str = ""
) -> Figure:
    """Return a measure of a metric in a row, with its bound.

    `end` is ``_before`` for that of the range before, ``_change`` for the change.
    """
    return _spec_of(metric)[measure].figure(row, end)


def _spec_of(metric: str) -> MetricSpec:
    """Return the declaration of a metric, or of what only a report has."""
    return WASTE if metric == WASTE.name else SPECS[metric]
