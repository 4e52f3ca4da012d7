"""Rows of metrics by series, from which the analyst's charts are built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from toolkit.metrics.rates import ENOUGH_CALLS
from toolkit.report.model import Bars, Chart, Heat
from toolkit.report.series import amount_of, tokens_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.report.metric_tables import MetricTables
    from toolkit.report.model import Bar, Dot
    from toolkit.report.series import Names, Row

# Title, note, chart, and what is left out; or why there is no chart.
Found: TypeAlias = tuple[str, str, Chart, str] | str

_MOST_ROWS = 10  # of a chart
_NOUNS = {"model", "provider", "vendor", "maker"}


class Rows:
    """Rows of metrics by series, the series with the most tokens first.

    Attributes
    ----------
    all, few, shown
        Names of all series, of those with too few calls for a rate, and of those that
        charts show.
    noun
        What a series is.
    """

    def __init__(self, tables: MetricTables, names: Names) -> None:
        self.tables, self.plan, self._names = tables, tables.plan, names
        self.short, self.color = names.short, names.color
        by = self.plan.by
        every: dict[str, Any] = {"every": self.plan.every}
        self._periods = {**every, "by": (), "fill": True}, {**every, "by": by}
        self.usage = self.of("token_usage")
        self.all = sorted(
            self.usage, key=lambda name: (-amount_of(tokens_of(self.usage[name])), name)
        )
        calls = {name: row["responses"] for name, row in self.usage.items()}
        self.few = [name for name in self.all if calls[name] < ENOUGH_CALLS]
        many = [name for name in self.all if calls[name] >= ENOUGH_CALLS]
        self.shown = many[:_MOST_ROWS]
        self.noun = by[0] if len(by) == 1 and by[0] in _NOUNS else "group"

    def of(self, metric: str, **where: object) -> dict[str, Row]:
        """Return the row of each series of a metric."""
        only_now = {"compare": None} if metric == "tool_calls" else {}
        table = self.tables.series(metric, **only_now).filter(**where)
        return {self._names.of(row): row for row in table.to_dicts()}

    def each(self, metric: str, **where: object) -> list[tuple[str, Row]]:
        """Return the rows of the series that charts show."""
        found = self.of(metric, **where)
        return [(name, found[name]) for name in self.shown if name in found]

    def together(self, metric: str, *columns: str) -> list[tuple[Any, ...]]:
        """Return columns of a metric of all series together."""
        table = self.tables.series(metric, by=(), compare=None)
        return table.select(columns).rows()

    def periods(self, *, by_series: bool = False) -> Sequence[Row]:
        """Return the usage of the periods that have begun, from the first call on."""
        table = self.tables.table("token_usage", **self._periods[by_series])
        table = table.with_columns(self.plan.is_partial).drop_nulls("period")
        end, first = self.plan.axis["until"], self._names.first_call
        return [
            row
            for row in table.to_dicts()
            if (end is None or row["period"] < end)
            and (first is None or row["period_end"] > first)
        ]


def summary_of(chart: Chart) -> str:
    """Return the figures of a chart as a sentence."""
    if isinstance(chart, Heat):
        cells = [
            (count, f"{day} {hour}:00")
            for day, counts in zip(chart.rows, chart.counts, strict=True)
            for hour, count in zip(chart.columns, counts, strict=True)
        ]
        count, hour = max(cells)
        return f"Most calls: {count:,} ({hour})."
    rows: Sequence[Sequence[Bar | Dot]] = (
        [[bar] for bar in chart.bars] if isinstance(chart, Bars) else chart.rows
    )
    lines = []
    for row in rows:
        words = filter(None, (one.words or one.text for one in row))
        lines.append(f"{row[0].label}: {', '.join(words)}")
    return "; ".join(lines) + "."
