"""The engine behind the metrics: from a `MetricSpec` to a tidy table.

The rows are grouped in `toolkit.metrics.groups`. Everything else (filling gaps, ratios,
the period before) is done on the result: some rows per period and series.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache, reduce
from typing import TYPE_CHECKING, cast

import polars as pl

from toolkit.expressions.choices import (
    USAGE,
    as_frame,
    check_columns,
    check_responses,
    reported_usage,
)
from toolkit.metrics.calendar import Calendar, instant, is_partial
from toolkit.metrics.groups import NOW, Computation, check_wholes, gather_groups
from toolkit.metrics.inputs import (
    as_declared,
    check_types,
    key_of,
    needs_of_costs,
    own_columns,
    read_once,
    with_series,
)
from toolkit.metrics.options import BEFORE, CHANGE, FOLDED, HIDDEN, check_series

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.expressions.time_ranges import Span
    from toolkit.metrics.groups import Ends
    from toolkit.metrics.options import Choices, MetricQuery
    from toolkit.metrics.spec import MetricSpec

_EARLIER = f"{HIDDEN}earlier"  # a column: the period before
_RESOLUTION = timedelta(microseconds=1)  # of `created`


def compute(
    spec: MetricSpec, choices: Choices, options: Mapping[str, object]
) -> pl.DataFrame:
    """Compute the table of a metric."""
    return compute_several(choices, [(spec, options)])[0]


def compute_several(
    choices: Choices, several: Sequence[tuple[MetricSpec, Mapping[str, object]]]
) -> list[pl.DataFrame]:
    """Compute several metrics, each with its options, with one reading of the choices.

    The smallest groups are computed first, and merged for each of them. Metrics that do
    not share groups read the choices again.
    """
    parts: dict[object, list[int]] = {}
    for place, (spec, options) in enumerate(several):
        part = ("shared", options.get("provider")) if spec.shares_groups else place
        parts.setdefault(part, []).append(place)
    tables: dict[int, pl.DataFrame] = {}
    for places in parts.values():
        works = _start(choices, [several[place] for place in places])
        gather = works[0].spec.gather
        gathered = [gather(works[0])] if gather else gather_groups(*works)
        for place, work, groups in zip(places, works, gathered, strict=True):
            tables[place] = _table_of(work, groups)
    return [tables[place] for place in range(len(several))]


def _table_of(work: Computation, groups: pl.DataFrame) -> pl.DataFrame:
    """Compute the table of one query from the groups of its rows."""
    spec, query = work.spec, work.query
    gathered = groups if spec.gather else work.folded(groups)
    gathered = gathered.select(
        *work.when,
        *query.series,
        *spec.key_names,
        *[pl.col(measure.name).cast(measure.dtype) for measure in spec.gathered],
    )
    first, last = reach = work.reach(gathered)
    table = _filled(work, gathered, reach) if query.fill else gathered
    table = _compared(work, table, first) if query.compares else _derived(work, table)
    if query.calendar:
        # More data may come in the period of the latest response.
        end = query.within.end
        is_open = end is None or not work.has_rows(False, end)
        partial = is_partial(query.within, last, query.tz, is_open=is_open)
        table = table.with_columns(query.calendar.end())
        table = table.with_columns(partial.alias("partial"))
    return spec.finish(_arranged(work, table), query)


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
            check_wholes(table, [measure.name])
            table = table.with_columns(pl.col(measure.name).cast(measure.dtype))
        if measure.gaps:
            table = table.with_columns(measure.known)
    return table


def _filled(work: Computation, table: pl.DataFrame, reach: Ends) -> pl.DataFrame:
    """Add the rows that are missing of each series in each period."""
    query, grid = work.query, work.spec.grid
    own = [*query.series, *(work.spec.key_names if grid is None else ())]
    parts = []
    if query.calendar:
        parts.append(_periods_of(work, query.calendar, table, reach))
    elif query.before:
        parts.append(pl.DataFrame({NOW: [True]}))
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
    work: Computation, calendar: Calendar, table: pl.DataFrame, reach: Ends
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
        if query.before and work.has_rows(True, cast("datetime", query.before.end)):
            known = pl.lit(True)
        shown = table.filter(work.is_now).with_columns(
            pl.when(known).then(query.calendar.before()).alias(_EARLIER)
        )
        expected = shown.select(pl.col(_EARLIER).alias("period"), *own)
        expected = expected.filter(pl.col("period").is_not_null())
        when = "period"
    else:
        start = cast("datetime", query.read_range.start)
        is_known = bool((~table[NOW]).any()) or work.has_rows(True, start)
        earlier = pl.lit(False if is_known else None, pl.Boolean)
        shown = table.filter(work.is_now).with_columns(earlier.alias(_EARLIER))
        expected = shown.select(pl.lit(False).alias(NOW), *own)
        when = NOW
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


def _start(
    choices: Choices, several: Sequence[tuple[MetricSpec, Mapping[str, object]]]
) -> list[Computation]:
    """Check the frame and the options, before anything is collected."""
    queries = [(spec, spec.query(options)) for spec, options in several]
    choices = as_frame(choices)
    for spec, query in queries:
        check_series(query.by, _result_names(spec, query))
    by = list(dict.fromkeys(name for _, query in queries for name in query.by))
    choices = with_series(choices, by, queries[0][1].provider)
    frame = choices.lazy()
    needs = ["choice_position", *by]
    for spec, query in queries:
        needs += [*spec.columns, *needs_of_costs(frame, spec.costs)]
        needs += key_of(frame, spec, query)
        if query.calendar or query.read_range != (None, None):
            needs.append("created")
    if set(USAGE) & set(needs):  # all zeros are no usage: see `reported_usage`
        needs += [name for name in USAGE if name in frame.collect_schema().names()]
    needs = list(dict.fromkeys(needs))
    check_columns(frame, needs)
    for _, query in queries:
        check_types(frame, query)
    choices = choices.with_columns(as_declared(choices, needs))
    if set(USAGE) <= set(needs):
        choices = choices.with_columns(reported_usage())
    frame = choices.lazy()
    if isinstance(choices, pl.DataFrame):
        check_responses(choices, needs_key="line" in needs)
    elif any(
        query.within.end
        or query.before
        or spec.any_of
        or spec.leaves_out
        or spec.reads_again
        or (spec.of_choices and own_columns(query.by))
        for spec, query in queries
    ):
        frame = read_once(frame, needs)

    @cache
    def has_rows(is_before: bool, moment: datetime) -> bool:
        created = pl.col("created")
        found = frame.filter(created < moment if is_before else created >= moment)
        found = found.select("created").head(1)
        return not found.collect(engine="streaming").is_empty()

    @cache
    def prepare(spec: MetricSpec, within: Span) -> MetricSpec:
        if spec.prepare is None:
            return spec
        return spec.prepare(frame.filter(*within.conditions()), within)

    works = []
    for spec, query in queries:
        own = prepare(spec, query.read_range)
        own = own if own.of_query is None else own.of_query(query)
        works.append(Computation(own, query, frame, has_rows))
    return works
