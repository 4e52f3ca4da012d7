"""The engine behind the metrics: from a `MetricSpec` to a tidy table.

The rows are grouped once, lazily. Everything else (folding small series, filling gaps,
ratios, the period before) is done on the result: some rows per period and series.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache, reduce
from operator import or_
from typing import TYPE_CHECKING, TypeAlias, cast

import polars as pl

from toolkit.errors import TotalOverflowError
from toolkit.expressions.choices import (
    USAGE,
    as_frame,
    check_columns,
    check_responses,
    reported_usage,
)
from toolkit.metrics.calendar import Calendar, instant, is_partial
from toolkit.metrics.inputs import (
    as_declared,
    check_types,
    key_of,
    own_columns,
    read_once,
    reads_logs,
    with_first_values,
    with_series,
)
from toolkit.metrics.options import BEFORE, CHANGE, FOLDED, HIDDEN, OTHER, check_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from toolkit.metrics.options import Choices, MetricQuery
    from toolkit.metrics.spec import MetricSpec

    _Ends: TypeAlias = tuple[datetime | None, datetime | None]

# 2^32 numbers that are not above this, as many as a group can have, fit into an int64.
_LARGEST_OF_SUM = 2**31 - 1
_LARGEST_INT64 = 2**63 - 1
_MAY_WRAP = f"{HIDDEN}may_wrap"
# Columns: whether a row is in the range (not in the one before), and the period before.
_NOW = f"{HIDDEN}now"
_EARLIER = f"{HIDDEN}earlier"
_RESOLUTION = timedelta(microseconds=1)  # of `created`


@dataclass(frozen=True)
class Computation:
    """A metric, its options, and the frame that it is computed from.

    `finer` returns smaller groups that were computed already, if there are any.
    """

    spec: MetricSpec
    query: MetricQuery
    frame: pl.LazyFrame
    finer: Callable[..., pl.DataFrame] | None = None

    @property
    def when(self) -> dict[str, pl.Expr]:
        """The period of a row, or whether it lies in the range or in the one before."""
        found, created = {}, pl.col("created")
        if self.query.calendar:
            found["period"] = self.query.calendar.start(created).alias("period")
        if self.query.before:
            found[_NOW] = (created >= self.query.within.start).alias(_NOW)
        return found

    @property
    def rows(self) -> pl.LazyFrame:
        """The rows that are grouped, in the range."""
        within = self.frame.filter(*self.query.read_range.conditions())
        if self.spec.of_choices:
            within = with_first_values(within, own_columns(self.query))
        return self.spec.rows(within)

    def reach(self, table: pl.DataFrame) -> _Ends:
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
        return cast("_Ends", (period.min(), period.max()))

    def grouped(self, *extra: str) -> pl.DataFrame:
        """Compute the measures of each group; extra columns split the groups."""
        if self.finer is not None:
            return self._merged(self.finer(*extra), extra)
        gathered = self.spec.gathered
        own = [*self.query.by, *self.spec.key_names, *extra]
        keys: list[pl.Expr | str] = [*self.when.values(), *own]
        figures = {m.name: m.rows.alias(m.name) for m in gathered if m.rows is not None}
        sums = {m.name: m.values for m in gathered if m.values is not None}
        if not reads_logs(self.frame):
            may_wrap = reduce(or_, map(_is_large, sums.values()), pl.lit(False)).any()
            found = [*figures.values(), may_wrap.alias(_MAY_WRAP)]
            table = group(self.rows, keys, *found)
            if not table[_MAY_WRAP].any():
                return table.drop(_MAY_WRAP)
        # Exact, but slower. Logs are read once, whatever they hold.
        for name, values in sums.items():
            figures[name] = values.cast(pl.Int128).sum().alias(name)
        table = group(self.rows, keys, *figures.values())
        _check_wholes(table, list(sums))
        return table

    def _merged(self, table: pl.DataFrame, extra: Sequence[str]) -> pl.DataFrame:
        """Merge smaller groups; those of the period before only if it is compared."""
        keys = [*self.when, *self.query.by, *self.spec.key_names, *extra]
        if _NOW in table.columns and not self.query.before:
            table = table.filter(_NOW)
        return self._fold(table, keys)

    def _fold(self, table: pl.DataFrame, keys: Sequence[str]) -> pl.DataFrame:
        """Merge groups into larger ones; raise an error if a count is too large."""
        gathered = self.spec.gathered
        folds = [measure.folded.alias(measure.name) for measure in gathered]
        table = group(table, keys, *folds)
        _check_wholes(table, [m.name for m in gathered if m.dtype == pl.Int64])
        return table

    def folded(self, table: pl.DataFrame) -> pl.DataFrame:
        """Sum the series beyond the largest into one."""
        if self.query.top is None:
            return table
        named, target = self.named(table)
        return self._fold(named, [*target, *self.spec.key_names]).rename(target)

    def named(self, groups: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
        """Add to each group the name under which its series is shown.

        Returns the groups, and the columns of period and series that identify those
        of the result, each with its final name.
        """
        by = self.query.by
        if self.query.top is None:
            return groups, {name: name for name in (*self.when, *by)}
        names = self.names_of_series(groups)
        if by:
            named = groups.join(names, on=by, how="left", nulls_equal=True)
        else:
            named = groups.join(names, how="cross")
        shown = {f"{HIDDEN}{name}": name for name in by}
        return named, {**{name: name for name in self.when}, **shown, FOLDED: FOLDED}

    def names_of_series(self, table: pl.DataFrame) -> pl.DataFrame:
        """Return each series, what it is called, and how many are folded with it."""
        by = list(self.query.by)
        if not by:
            return pl.DataFrame({FOLDED: [0]})
        now = pl.col(_NOW) if self.query.before else pl.lit(True)
        main = self.spec[self.spec.main]
        sums = [
            # Sums of int64 may wrap, and would then be ranked last.
            (one.cast(pl.Int128) if table.schema[name].is_integer() else one).sum()
            for name in main.columns
            for one in [pl.col(name).filter(now)]
        ]
        place = pl.int_range(pl.len())
        is_rest = place >= self.query.top
        return (
            table.group_by(by)
            .agg(sums)
            .sort(
                main.known,
                *by,
                descending=[True, *[False] * len(by)],
                nulls_last=True,
            )
            .select(
                *by,
                pl.when(~is_rest)
                .then(pl.col(by).cast(pl.String))
                .otherwise(pl.lit(OTHER))
                .name.prefix(HIDDEN),
                pl.when(is_rest)
                .then(pl.len().cast(pl.Int64) - self.query.top)
                .otherwise(0)
                .alias(FOLDED),
            )
        )


def compute(
    spec: MetricSpec, choices: Choices, options: Mapping[str, object]
) -> pl.DataFrame:
    """Compute the table of a metric."""
    return compute_several(spec, choices, [options])[0]


def compute_several(
    spec: MetricSpec, choices: Choices, several: Sequence[Mapping[str, object]]
) -> list[pl.DataFrame]:
    """Compute a metric with several sets of options, with one reading of the choices.

    They have the same rows: the same range, zone, and length of a period if any. The
    smallest groups are computed first, and merged for each set of options.
    """
    queries = [spec.query(options) for options in several]
    work = _start(choices, spec, _finest(queries))
    if len(queries) == 1:
        return [_table_of(work)]
    finer = cache(work.grouped)
    return [_table_of(replace(work, query=query, finer=finer)) for query in queries]


def _finest(queries: Sequence[MetricQuery]) -> MetricQuery:
    """Return a query whose groups can be merged into those of all queries."""
    return queries[0]._replace(
        by=tuple(dict.fromkeys(name for query in queries for name in query.by)),
        calendar=next((query.calendar for query in queries if query.calendar), None),
        before=next((query.before for query in queries if query.before), None),
        compares=any(query.compares for query in queries),
        top=next((query.top for query in queries if query.top), None),
    )


def _table_of(work: Computation) -> pl.DataFrame:
    """Compute the table of one query."""
    spec, query = work.spec, work.query
    gathered = spec.gather(work).select(
        *work.when,
        *query.series,
        *spec.key_names,
        *[pl.col(measure.name).cast(measure.dtype) for measure in spec.gathered],
    )
    first, last = reach = work.reach(gathered)
    table = _filled(work, gathered, reach) if query.fill else gathered
    table = _compared(work, table, first) if query.compares else _derived(work, table)
    if query.calendar:
        table = table.with_columns(query.calendar.end()).with_columns(
            is_partial(query.within, last, query.tz, is_open=_is_open(work)).alias(
                "partial"
            )
        )
    return _arranged(work, table)


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


def _arranged(work: Computation, table: pl.DataFrame) -> pl.DataFrame:
    """Sort a table, nulls last, and show its columns in their order."""
    query, spec = work.query, work.spec
    leading = pl.col([*query.period[:1], *query.series])
    keys = [leading, *(key.sort_key() for key in spec.keys)]
    table = table.sort(keys, nulls_last=True)
    return table.select(*query.period, *query.series, *_result_names(spec, query))


def _result_names(spec: MetricSpec, query: MetricQuery) -> list[str]:
    """Return the columns of a table that follow those of the series."""
    ends = ("", BEFORE, CHANGE) if query.compares else ("",)
    figures = (f"{measure.name}{end}" for measure in spec.shown for end in ends)
    return [*spec.key_names, *figures]


def _derived(work: Computation, table: pl.DataFrame) -> pl.DataFrame:
    """Compute the derived measures, one by one; make null what is unknown."""
    for measure in work.spec.measures:
        if measure.derive is not None:
            figure = measure.derive(work.query.series, list(work.when))
            table = table.with_columns(figure.alias(measure.name))
            _check_wholes(table, [measure.name])
            table = table.with_columns(pl.col(measure.name).cast(measure.dtype))
        if measure.gaps:
            table = table.with_columns(measure.known)
    return table


def _filled(work: Computation, table: pl.DataFrame, reach: _Ends) -> pl.DataFrame:
    """Add the rows that are missing of each series in each period."""
    query, grid = work.query, work.spec.grid
    own = [*query.series, *(work.spec.key_names if grid is None else ())]
    parts = []
    if query.calendar:
        parts.append(_periods_of(work, query.calendar, table, reach))
    elif query.before:
        parts.append(pl.DataFrame({_NOW: [True]}))
    if grid is not None and own == [FOLDED]:
        parts.append(pl.DataFrame({FOLDED: [0]}))  # in an empty table, too
    elif own:
        parts.append(table.select(own).unique())
    if grid is not None:
        parts.append(grid)
    if not parts:
        return table
    expected = reduce(lambda one, other: one.join(other, how="cross"), parts)
    return _with_rows(work.spec, table, expected)


def _periods_of(
    work: Computation, calendar: Calendar, table: pl.DataFrame, reach: _Ends
) -> pl.DataFrame:
    """Return the periods of the range or, where it is open, of the data."""
    start, end = work.query.within
    begin = start or reach[0]
    until = end - _RESOLUTION if end else reach[1]
    if begin is None or until is None or begin > until:
        return table.select("period").clear()
    own = [*work.query.series, *work.spec.key_names]
    series = table.select(own).n_unique() if own else 1
    return calendar.starts(begin, until, series).to_frame()


def _with_rows(
    spec: MetricSpec, table: pl.DataFrame, expected: pl.DataFrame
) -> pl.DataFrame:
    """Add the expected rows that are missing: additive measures are 0 in them."""
    keys = expected.columns
    zeros = [
        pl.lit(0 if measure.additive else None).cast(measure.dtype).alias(measure.name)
        for measure in spec.gathered
    ]
    expected = expected.cast({name: table.schema[name] for name in keys})
    missing = expected.join(table, on=keys, how="anti", nulls_equal=True)
    return pl.concat([table, missing.with_columns(zeros).select(table.columns)])


def _compared(
    work: Computation, table: pl.DataFrame, first: datetime | None
) -> pl.DataFrame:
    """Add the value of the period before to each measure, and the change since."""
    query, spec = work.query, work.spec
    own = [*query.series, *spec.key_names]
    names = [measure.name for measure in spec.shown]
    if query.calendar:
        known = pl.col("period") > instant(first, query.tz)
        shown = table.with_columns(
            pl.when(known).then(query.calendar.before()).alias(_EARLIER)
        )
        expected = shown.select(pl.col(_EARLIER).alias("period"), *own)
        expected = expected.filter(pl.col("period").is_not_null())
        when = "period"
    else:
        is_known = bool((~table[_NOW]).any()) or _has_rows(
            work, pl.col("created") < query.read_range.start
        )
        earlier = pl.lit(False if is_known else None, pl.Boolean)
        shown = table.filter(pl.col(_NOW)).with_columns(earlier.alias(_EARLIER))
        expected = shown.select(pl.lit(False).alias(_NOW), *own)
        when = _NOW
    everything = _derived(work, _with_rows(spec, table, expected.unique()))
    before = everything.select(
        pl.col(when).alias(_EARLIER),
        *own,
        *[pl.col(name).alias(f"{name}{BEFORE}") for name in names],
    )
    # A null would otherwise match the undated rows.
    before = before.filter(pl.col(_EARLIER).is_not_null())
    return (
        shown.select(when, *own, _EARLIER)
        .join(everything, on=[when, *own], how="left", nulls_equal=True)
        .join(before, on=[_EARLIER, *own], how="left", nulls_equal=True)
        .with_columns(
            (pl.col(measure.name) - pl.col(f"{measure.name}{BEFORE}"))
            .cast(measure.dtype)
            .alias(f"{measure.name}{CHANGE}")
            for measure in spec.shown
        )
    )


def _is_open(work: Computation) -> bool:
    """Return whether more data may come in the period of the latest response."""
    end = work.query.within.end
    return end is None or not _has_rows(work, pl.col("created") >= end)


def _has_rows(work: Computation, condition: pl.Expr) -> bool:
    """Return whether some row of the frame meets a condition on `created`."""
    found = work.frame.filter(condition).select(pl.col("created")).head(1)
    return not found.collect(engine="streaming").is_empty()


def _start(choices: Choices, spec: MetricSpec, query: MetricQuery) -> Computation:
    """Check the frame and the options, before anything is collected."""
    choices = as_frame(choices)
    check_series(query.by, _result_names(spec, query))
    choices = with_series(choices, query.by, query.provider)
    if query.provider and spec.has_money and "cost" not in choices.collect_schema():
        # Imported here: only costs need prices.
        from toolkit.pricing.costs import price_responses

        choices = price_responses(choices, provider=query.provider)
    frame = choices.lazy()
    needs = ["choice_position", *spec.columns, *spec.needs_of(frame)]
    needs += [*key_of(frame, spec, query), *query.by]
    if query.calendar or query.read_range != (None, None):
        needs.append("created")
    needs = list(dict.fromkeys(needs))
    check_columns(frame, needs)
    check_types(frame, query)
    choices = choices.with_columns(as_declared(choices, needs))
    if set(USAGE) <= set(needs):
        choices = choices.with_columns(reported_usage())
    frame = choices.lazy()
    if isinstance(choices, pl.DataFrame):
        check_responses(choices, needs_key="line" in needs)
    elif (
        spec.passes > 1
        or spec.leaves_out
        or (spec.of_choices and own_columns(query))
        or query.within.end
        or query.before
    ):
        frame = read_once(frame, needs)
    return Computation(spec, query, frame)


def _is_large(values: pl.Expr) -> pl.Expr:
    """Return whether a sum with this number may wrap, which polars does not report.

    A negative number is large too when read as unsigned, so it counts as one that may.
    """
    return values.cast(pl.Int64).reinterpret(signed=False) > _LARGEST_OF_SUM


def _check_wholes(table: pl.DataFrame, names: Sequence[str]) -> None:
    """Raise an error if a whole number of a table does not fit into an int64."""
    for name in names:
        largest = table[name].abs().max() if table[name].dtype == pl.Int128 else None
        if isinstance(largest, int) and largest > _LARGEST_INT64:
            raise TotalOverflowError(name)
