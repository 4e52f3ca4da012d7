"""What a report is built from: tables of metrics, their series, figures of rows."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import polars as pl

from toolkit.charts.colors import assign_colors
from toolkit.expressions.model_families import FAMILY_RULES, families
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import UNKNOWN_TEXT, format_name
from toolkit.metrics.engine import compute_several
from toolkit.metrics.rates import ENOUGH_CALLS
from toolkit.metrics.registry import SPECS
from toolkit.metrics.waste import WASTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from toolkit.metrics.spec import MetricSpec
    from toolkit.report.inputs import Plan, ReportInputs
    from toolkit.report.model import Color

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


Row: TypeAlias = "Mapping[str, Any]"
_Any = TypeVar("_Any")

# --- Series --------------------------------------------------------------------------

ALL_CALLS = "all calls"  # the name of the only series
REST: Color = "z"  # the colour of the other series
_OWN_WORDS = re.compile(
    rf'\s*|{UNKNOWN_TEXT}|{ALL_CALLS}|[\d,]+ others?|".*"', re.DOTALL
)


class Names(NamedTuple):
    """The series of the whole log: short names, colours, and when the log began."""

    by: Sequence[str] = ()
    short_names: Mapping[str, str] = {}
    colors: Mapping[str, Color] = {}
    first_call: datetime | None = None

    @classmethod
    def read(cls, inputs: ReportInputs, plan: Plan, kept: Mapping[str, Color]) -> Names:
        """Read the series; `kept` has the colours of some of them."""
        by, first = plan.by, pl.col("created").min().alias("first")
        choices = inputs.choices
        found = choices.group_by(by).agg(first) if by else choices.select(first)
        seen = found.collect(engine="streaming")
        # As charts do, which may know only the day.
        day = pl.col("first").dt.convert_time_zone(plan.tz).dt.date()
        seen = seen.sort(day, *by, nulls_last=True)
        rows = seen.iter_rows(named=True) if by else ()
        names = [series_name(row, by) for row in rows]
        is_model = by == ("model",)
        shorts = short_names(names) if is_model else {n: format_name(n) for n in names}
        # A colour may be given by the short name, too.
        own = {name: kept[short] for name, short in shorts.items() if short in kept}
        colors = assign_colors(names, {**own, **kept}, by_maker=is_model)
        return cls(by, shorts, colors, seen["first"].min())  # type: ignore[arg-type]

    def of(self, row: Row) -> str:
        """Return the name of the series of a row."""
        return series_name(row, self.by)

    def short(self, name: str) -> str:
        """Return the short name of a series."""
        return self.short_names.get(name, name)

    def color(self, name: str) -> Color:
        """Return the colour of a series."""
        return self.colors.get(name, REST)


def series_name(row: Row, by: Sequence[str]) -> str:
    """Return the name of a series; no two series have the same.

    A value that reads like one of our own words, or like two values, is in quotes.
    """
    values = []
    for value in (row[name] for name in by):
        text = UNKNOWN_TEXT if value is None else str(value)
        is_own = _OWN_WORDS.fullmatch(text) or (len(by) > 1 and ", " in text)
        values.append(f'"{text}"' if is_own and value is not None else text)
    return ", ".join(values) if by else ALL_CALLS


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return the name of each model without its date and path.

    Models that would have the same name keep their own.

    Examples
    --------
    >>> short_names(["gpt-4o-2024-08-06", "anthropic/claude-3.7-sonnet"])
    {'gpt-4o-2024-08-06': 'gpt-4o', 'anthropic/claude-3.7-sonnet': 'claude-3.7-sonnet'}
    >>> short_names(["gpt-4o-2024-08-06", "gpt-4o-2024-11-20"])["gpt-4o-2024-08-06"]
    'gpt-4o-2024-08-06'
    """
    own = list(dict.fromkeys(names))
    found = families(pl.Series(own, dtype=pl.String), FAMILY_RULES).to_list()
    short = {name: family or name for name, family in zip(own, found, strict=True)}
    counts = Counter(short.values())
    return {
        name: format_name(family if counts[family] == 1 else name)
        for name, family in short.items()
    }


def split(rows: Sequence[_Any], most: int) -> tuple[Sequence[_Any], Sequence[_Any]]:
    """Return the rows to show, and the others, which are one row: never of one only."""
    count = most if len(rows) > most + 1 else len(rows)
    return rows[:count], rows[count:]


def amount_of(figure: Figure) -> float:
    """Return a figure as a number, 0 if it is unknown."""
    return float(figure.number) if figure.is_known else 0.0


def cost_of(row: Row, end: str = "") -> Figure:
    """Return the known cost of a row; `end` is as in `figure_of`."""
    return figure_of("cost", "cost", row, end)


def tokens_of(row: Row, kind: str = "total") -> Figure:
    """Return the tokens of a row of `token_usage`."""
    return figure_of("token_usage", f"{kind}_tokens", row)


def priced_calls(row: Row, end: str = "") -> int:
    """Return the number of calls whose cost is known, of a row of `cost`."""
    calls_of = row.get(f"responses{end}") or 0
    return int(calls_of - (row.get(f"responses_unpriced{end}") or 0))


def cost_per_1000(row: Row, end: str = "") -> Figure:
    """Return the cost of 1,000 calls: of those that have a known price."""
    cost = row[f"cost{end}"]
    return UNKNOWN if cost is None else Figure(1000 * cost) / priced_calls(row, end)


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
        table = self.tables.series(metric).filter(**where)
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
