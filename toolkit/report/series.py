"""The series of a report: their names and colours, and figures of their rows."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import polars as pl

from toolkit.charts.colors import assign_colors
from toolkit.expressions.model_families import FAMILY_RULES, families
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import UNKNOWN_TEXT, format_name
from toolkit.report.metric_tables import figure_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from toolkit.report.inputs import Plan, ReportInputs
    from toolkit.report.model import Color

Row: TypeAlias = "Mapping[str, Any]"
_Any = TypeVar("_Any")

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
