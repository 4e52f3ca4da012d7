"""Groups of rows: what a metric gathers of its rows, before its table is made.

The rows are grouped once, lazily. Several computations share the groups of one reading:
these are as small as any of them needs, and are merged for each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import polars as pl

from toolkit.errors import TotalOverflowError
from toolkit.expressions.time_ranges import Span
from toolkit.metrics.calendar import instant
from toolkit.metrics.inputs import own_columns, reads_logs, with_costs, with_facts
from toolkit.metrics.options import FOLDED, HIDDEN, OTHER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from toolkit.metrics.measures import Measure
    from toolkit.metrics.options import MetricQuery
    from toolkit.metrics.spec import MetricSpec

    Ends: TypeAlias = tuple[datetime | None, datetime | None]

# 2^32 numbers that are not above this, as many as a group can have, fit into an int64.
_LARGEST_OF_SUM = 2**31 - 1
_LARGEST_INT64 = 2**63 - 1
_MAY_WRAP = f"{HIDDEN}may_wrap"
NOW = f"{HIDDEN}now"  # a column: whether a row is in the range, not in the one before


@dataclass(frozen=True)
class Computation:
    """A metric, its options, and the frame that it is computed from.

    `has_rows` returns whether the frame has a response before a time, or from it on.
    """

    spec: MetricSpec
    query: MetricQuery
    frame: pl.LazyFrame
    has_rows: Callable[[bool, datetime], bool]

    @property
    def when(self) -> dict[str, pl.Expr]:
        """The period of a row, or whether it lies in the range or in the one before."""
        found, created = {}, pl.col("created")
        if self.query.calendar:
            found["period"] = self.query.calendar.start(created).alias("period")
        elif self.query.before:
            found[NOW] = (created >= self.query.within.start).alias(NOW)
        return found

    @property
    def is_now(self) -> pl.Expr:
        """Whether a group lies in the range, not in what it is compared with."""
        if self.query.before is None:
            return pl.lit(True)
        if self.query.calendar is None:
            return pl.col(NOW)
        return pl.col("period") >= instant(self.query.within.start, self.query.tz)

    @property
    def columns(self) -> list[str]:
        """The columns that name series and keys."""
        return [*self.query.by, *self.spec.key_names]

    @property
    def keys(self) -> list[pl.Expr | str]:
        """What separates rows of a period and series from others."""
        return [*self.when.values(), *self.query.by]

    @property
    def rows(self) -> pl.LazyFrame:
        """The rows that are gathered, in the range."""
        return _rows_of([self])

    @property
    def part(self) -> tuple[object, pl.Expr]:
        """A key that is equal for equal conditions, and the condition of its rows."""
        within, where = self.query.read_range, self.spec.condition
        return (within, id(where)), pl.all_horizontal(where, *within.conditions())

    @property
    def cuts(self) -> dict[str, object]:
        """A key for each column of `when`: equal columns have equal keys."""
        known = {"period": self.query.calendar, NOW: self.query.within}
        return {name: known[name] for name in self.when}

    def reach(self, table: pl.DataFrame) -> Ends:
        """Return the first and the last period in which a response was made, in UTC."""
        if self.query.calendar is None:
            return None, None
        if self.spec.leaves_out:
            created = pl.col("created")
            ends = created.min().append(created.max())
            within = self.frame.filter(*self.query.read_range.conditions())
            table = within.select(ends).collect(engine="streaming")
            table = table.select(*self.when.values())
        period = table["period"].dt.convert_time_zone("UTC")
        return cast("Ends", (period.min(), period.max()))

    def fold(self, table: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
        """Merge groups into larger ones; raise an error if a count is too large."""
        gathered = self.spec.gathered
        folds = [measure.folded.alias(measure.name) for measure in gathered]
        return self.checked(group(table, keys, *folds))

    def checked(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return groups; raise an error if a count is too large."""
        names = [m.name for m in self.spec.gathered if m.dtype == pl.Int64]
        check_wholes(table, names)
        return table

    def folded(self, table: pl.DataFrame) -> pl.DataFrame:
        """Sum the series beyond the largest into one."""
        if self.query.top is None:
            return table
        named, target = self.named(table)
        return self.fold(named, [*target, *self.spec.key_names]).rename(target)

    def named(self, groups: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
        """Add to each group the name under which its series is shown.

        Returns the groups, and the columns of period and series that identify those
        of the result, each with its final name.
        """
        by = self.query.by
        if self.query.top is None:
            return groups, {name: name for name in (*self.when, *by)}
        names = self.names_of_series(groups)
        how: Any = {"on": by, "how": "left"} if by else {"how": "cross"}
        named = groups.join(names, **how, nulls_equal=True)
        shown = {f"{HIDDEN}{name}": name for name in by}
        return named, {**{name: name for name in self.when}, **shown, FOLDED: FOLDED}

    def names_of_series(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return each series, what it is called, and how many are folded with it."""
        by = list(self.query.by)
        if not by:
            return pl.DataFrame({FOLDED: [0]})
        main = self.spec[self.spec.main]
        sums = [
            # Sums of int64 may wrap, and would then be ranked last.
            (one.cast(pl.Int128) if table.schema[name].is_integer() else one).sum()
            for name in main.columns
            for one in [pl.col(name).filter(self.is_now)]
        ]
        top, by_text = self.query.top, pl.col(by).cast(pl.String)
        is_rest = pl.int_range(pl.len()) >= top
        names = pl.when(~is_rest).then(by_text).otherwise(pl.lit(OTHER))
        rest = pl.when(is_rest).then(pl.len().cast(pl.Int64) - top).otherwise(0)
        largest_first = [True, *[False] * len(by)]
        series = table.group_by(by).agg(sums)
        series = series.sort(main.known, *by, descending=largest_first, nulls_last=True)
        return series.select(*by, names.name.prefix(HIDDEN), rest.alias(FOLDED))


def gather_groups(*works: Computation) -> list[pl.DataFrame]:
    """Gather the measures of each group, for each computation, by one reading."""
    keys = dict(work.part for work in works)
    if len(keys) == 1:  # no other rows are read
        keys = {}
    for work in works:
        keys |= {cut: work.when[name] for name, cut in work.cuts.items()}
    names = {key: f"{HIDDEN}cut{place}" for place, key in enumerate(keys)}
    own = dict.fromkeys(name for work in works for name in work.columns)
    measures = {
        _name_in_groups(work.spec, measure): measure
        for work in works
        for measure in work.spec.gathered
    }
    cuts = (key.alias(names[cut]) for cut, key in keys.items())
    groups = _gather(works, [*cuts, *own], measures)
    return [_groups_of(work, groups, names, len(works)) for work in works]


def _groups_of(
    work: Computation, groups: pl.DataFrame, names: Mapping[object, str], works: int
) -> pl.DataFrame:
    """Return the groups of one of several computations; `names` are those of cuts."""
    part, _ = work.part
    shown = {names[cut]: name for name, cut in work.cuts.items()}
    shown |= {_name_in_groups(work.spec, m): m.name for m in work.spec.gathered}
    own = groups.filter(names[part]) if part in names else groups
    columns = (pl.col(name).alias(to) for name, to in shown.items())
    table = own.select(*work.columns, *columns)
    keys = [*work.when, *work.columns]
    # Groups of one computation are as large as it needs.
    return work.checked(table) if works == 1 else work.fold(table, keys)


def _name_in_groups(spec: MetricSpec, measure: Measure) -> str:
    """Return the name of a measure beside those of other metrics."""
    return f"{HIDDEN}{spec.name}.{measure.name}"


def _rows_of(works: Sequence[Computation]) -> pl.LazyFrame:
    """Return the rows of the ranges of computations, with all that they gather."""
    specs = list(dict.fromkeys(work.spec for work in works))
    starts, ends = zip(*(work.query.read_range for work in works), strict=True)
    start = None if None in starts else min(starts)
    end = None if None in ends else max(ends)
    rows = works[0].frame.filter(*Span(start, end).conditions())
    conditions = {name: one for spec in specs for name, one in spec.any_of.items()}
    of_choices = [work.query for work in works if work.spec.of_choices]
    by = dict.fromkeys(name for query in of_choices for name in query.by)
    rows = with_facts(rows, conditions, own_columns(by))
    wheres = {id(spec.condition): spec.condition for spec in specs}
    if len(wheres) == 1:
        rows = rows.filter(*wheres.values())
    costs = max(spec.costs for spec in specs)  # "list_price" is more than "cost"
    priced = {id(spec.priced): spec.priced for spec in specs if spec.costs}
    where = pl.any_horizontal(pl.lit(False), *priced.values())
    rows = with_costs(rows, costs, where, works[0].query.provider)
    for spec in specs:
        rows = spec.adds(rows)
    return rows


def _gather(
    works: Sequence[Computation],
    keys: Sequence[pl.Expr | str],
    measures: Mapping[str, Measure],
) -> pl.DataFrame:
    """Gather measures of each group of rows, under the names given."""
    figures = {n: m.rows.alias(n) for n, m in measures.items() if m.rows is not None}
    sums = {name: m.values for name, m in measures.items() if m.values is not None}
    rows = _rows_of(works)
    if not reads_logs(works[0].frame):
        may_wrap = reduce(or_, map(_is_large, sums.values()), pl.lit(False)).any()
        table = group(rows, keys, *figures.values(), may_wrap.alias(_MAY_WRAP))
        if not table[_MAY_WRAP].any():
            return table.drop(_MAY_WRAP)
    # Exact, but slower. Logs are read once, whatever they hold.
    for name, values in sums.items():
        figures[name] = values.cast(pl.Int128).sum().alias(name)
    return group(rows, keys, *figures.values())


def group(
    rows: pl.DataFrame | pl.LazyFrame,
    keys: Iterable[pl.Expr | str],
    *figures: pl.Expr,
) -> pl.DataFrame:
    """Compute figures of each group of rows: of none, if there are no rows."""
    # Without keys, or by a literal, polars returns a row for an empty frame.
    constant = pl.lit(0).alias(HIDDEN)
    groups = rows.with_columns(constant).group_by(list(keys) or [HIDDEN])
    table = groups.agg(figures).drop(HIDDEN, strict=False).lazy()
    return table.collect(engine="streaming")


def _is_large(values: pl.Expr) -> pl.Expr:
    """Return whether a sum with this number may wrap, which polars does not report.

    A negative number is large too when read as unsigned, so it counts as one that may.
    """
    return values.cast(pl.Int64).reinterpret(signed=False) > _LARGEST_OF_SUM


def check_wholes(table: pl.DataFrame, names: Sequence[str]) -> None:
    """Raise an error if a whole number of a table does not fit into an int64."""
    for name in names:
        largest = table[name].abs().max() if table[name].dtype == pl.Int128 else None
        if isinstance(largest, int) and largest > _LARGEST_INT64:
            raise TotalOverflowError(name)
