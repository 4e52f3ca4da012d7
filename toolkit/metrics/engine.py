"""The one engine behind the metrics: from declared measures to a tidy table.

The rows are grouped once, lazily. All the rest (folding small series, filling gaps,
ratios, the period before) is done on what came out, some rows a period and series.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import TotalOverflowError
from toolkit.expressions.choices import check_columns
from toolkit.metrics.calendar import instant, is_partial
from toolkit.metrics.inputs import (
    as_declared,
    check_rows,
    check_types,
    frame_of,
    key_of,
    own_columns,
    with_first_values,
)
from toolkit.metrics.options import (
    BEFORE,
    CHANGE,
    FOLDED,
    HIDDEN,
    OTHER,
    check_series,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from toolkit.metrics.options import Choices, Question
    from toolkit.metrics.spec import Declared

# What polars calls a source that is written in Python, such as `toolkit.scan` of logs.
_PYTHON_SCAN = re.compile(r"^\s*PYTHON(\[.*\])? SCAN", re.MULTILINE)
# Above this a sum of doubles may stand for one that an int64 cannot hold.
_LARGEST_SUM = 9.2e18
LARGEST_INT64 = 2**63 - 1
# Whether a row lies in the range, and not in the one before.
_NOW = f"{HIDDEN}now"
_EARLIER = f"{HIDDEN}earlier"
_RESOLUTION = timedelta(microseconds=1)  # of `created`


@dataclass(frozen=True)
class Work:
    """One answer in the making."""

    declared: Declared
    question: Question
    frame: pl.LazyFrame

    @property
    def when(self) -> dict[str, pl.Expr]:
        """The period of a row, or whether it lies in the range or in the one before."""
        if self.question.calendar:
            start = self.question.calendar.start(pl.col("created"))
            return {"period": start.alias("period")}
        if self.question.before:
            return {_NOW: (pl.col("created") >= self.question.within.start).alias(_NOW)}
        return {}

    @property
    def keys(self) -> list[str]:
        """Columns that tell a row of the result from any other, but for `folded`."""
        return [*self.when, *self.question.by, *self.declared.keys]

    @property
    def rows(self) -> pl.LazyFrame:
        """The rows that are grouped, in the range."""
        within = self.frame.filter(*self.question.looked_at.conditions())
        if self.declared.of_choices:
            within = with_first_values(within, own_columns(self.question))
        return self.declared.rows(within)

    def reach(self, table: pl.DataFrame) -> tuple[datetime | None, datetime | None]:
        """Return the first and the last period in which a response was made, in UTC."""
        if self.question.calendar is None:
            return None, None
        if self.declared.leaves_out:
            within = self.frame.filter(*self.question.looked_at.conditions())
            moments = within.select(
                pl.col("created").min().alias("first"),
                pl.col("created").max().alias("last"),
            )
            start = self.question.calendar.start
            ends = moments.collect(engine="streaming").select(
                start(pl.col("first")).alias("first"),
                start(pl.col("last")).alias("last"),
            )
        else:
            ends = table.select(
                pl.col("period").min().alias("first"),
                pl.col("period").max().alias("last"),
            )
        first, last = ends.select(pl.all().dt.convert_time_zone("UTC")).row(0)
        return first, last

    def grouped(self, *extra: str) -> pl.DataFrame:
        """Gather the measures of each group, told apart by extra columns too."""
        gathered = self.declared.gathered
        guards = {
            f"{HIDDEN}{measure.name}": measure.guard
            for measure in gathered
            if measure.guard is not None
        }
        own = [*self.question.by, *self.declared.keys, *extra]
        # By nothing at all, or a literal, polars gives a row also where no rows are.
        keys = [*self.when.values(), *own] or [HIDDEN]
        table = (
            self.rows.with_columns(pl.lit(0).alias(HIDDEN))
            .group_by(keys)
            .agg(
                *[measure.agg.alias(measure.name) for measure in gathered],
                *[guard.alias(name) for name, guard in guards.items()],
            )
            .drop(HIDDEN, strict=False)
            .collect(engine="streaming")
        )
        check_sums(table, list(guards))
        return table.drop(guards)

    def folded(self, table: pl.DataFrame) -> pl.DataFrame:
        """Fold the series beyond the largest into one."""
        if self.question.top is None:
            return table
        named, target = self.named(table)
        folds = [
            measure.folded.alias(measure.name) for measure in self.declared.gathered
        ]
        table = named.group_by(*target, *self.declared.keys).agg(folds).rename(target)
        counts = [m.name for m in self.declared.gathered if m.dtype == pl.Int64]
        _check_wholes(table, counts)
        return table

    def named(self, groups: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
        """Give each group the name under which its series is shown.

        Returns the groups, and the columns of period and series that tell those of the
        result apart, each with its final name.
        """
        by = self.question.by
        if self.question.top is None:
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
        by = list(self.question.by)
        if not by:
            return pl.DataFrame({FOLDED: [0]}, schema={FOLDED: pl.Int64})
        now = pl.col(_NOW) if self.question.before else pl.lit(True)
        main = pl.col(self.declared.main).filter(now)
        # Sums of int64 may wrap, and would then be ranked last.
        is_whole = table.schema[self.declared.main].is_integer()
        main = (main.cast(pl.Int128) if is_whole else main).sum()
        place = pl.int_range(pl.len())
        is_rest = place >= self.question.top
        return (
            table.group_by(by)
            .agg(main.alias(f"{HIDDEN}main"))
            .sort(
                f"{HIDDEN}main",
                *by,
                descending=[True, *[False] * len(by)],
                nulls_last=True,
            )
            .select(
                *by,
                *[
                    pl.when(is_rest)
                    .then(pl.lit(OTHER))
                    .otherwise(pl.col(name).cast(pl.String))
                    .alias(f"{HIDDEN}{name}")
                    for name in by
                ],
                pl.when(is_rest)
                .then(pl.len().cast(pl.Int64) - self.question.top)
                .otherwise(0)
                .cast(pl.Int64)
                .alias(FOLDED),
            )
        )


def answer(choices: Choices, declared: Declared, question: Question) -> pl.DataFrame:
    """Make the table of a metric."""
    work = start(choices, declared, question)
    gathered = declared.gather(work).select(
        *work.when,
        *question.series,
        *declared.keys,
        *[pl.col(measure.name).cast(measure.dtype) for measure in declared.gathered],
    )
    first, last = work.reach(gathered)
    table = _with_rows(declared, gathered, _rows_to_fill(work, gathered, first, last))
    table = (
        _compared(work, table, first) if question.compares else _derived(work, table)
    )
    if question.calendar:
        table = table.with_columns(question.calendar.end()).with_columns(
            is_partial(
                question.within, last, question.tz, is_open=_is_open(work)
            ).alias("partial")
        )
    return _arranged(work, table)


def _arranged(work: Work, table: pl.DataFrame) -> pl.DataFrame:
    """Sort a table, nulls last, and show its columns in their order."""
    question, declared = work.question, work.declared
    names = [measure.name for measure in declared.shown]
    if question.compares:
        names = [name + end for name in names for end in ("", BEFORE, CHANGE)]
    order = {
        name: pl.col(name)
        if declared.order is None
        else pl.col(name).replace_strict(
            declared.order, range(len(declared.order)), return_dtype=pl.Int64
        )
        for name in declared.keys
    }
    keys = [pl.col([*question.period[:1], *question.series]), *order.values()]
    table = table.sort(keys, nulls_last=True)
    return table.select(*question.period, *question.series, *declared.keys, *names)


def _derived(work: Work, table: pl.DataFrame) -> pl.DataFrame:
    """Work out what follows from what was gathered, measure by measure."""
    for measure in work.declared.measures:
        if measure.derive is not None:
            figure = measure.derive(work.question.series, list(work.when))
            table = table.with_columns(figure.alias(measure.name))
            if measure.dtype == pl.Int64:
                _check_wholes(table, [measure.name])
            table = table.with_columns(pl.col(measure.name).cast(measure.dtype))
    return table


def _rows_to_fill(
    work: Work, table: pl.DataFrame, first: datetime | None, last: datetime | None
) -> pl.DataFrame | None:
    """Return a row for each series in each period, or None if none is expected."""
    question, declared = work.question, work.declared
    if not question.fill:
        return None
    parts = []
    if question.calendar:
        parts.append(_periods_of(work, table, first, last))
    elif question.before:
        parts.append(pl.DataFrame({_NOW: [True]}))
    if declared.grid is None:
        own = [*question.series, *declared.keys]
        parts += [table.select(own).unique()] if own else []
    else:
        series = question.series
        parts += [table.select(series).unique()] if question.by else []
        parts += [pl.DataFrame({FOLDED: [0]})] if series and not question.by else []
        parts.append(declared.grid)
    expected = parts[0] if parts else None
    for part in parts[1:]:
        expected = expected.join(part, how="cross") if expected is not None else part
    return expected


def _periods_of(
    work: Work, table: pl.DataFrame, first: datetime | None, last: datetime | None
) -> pl.DataFrame:
    """Return the periods of the range or, where it is open, of the data."""
    question = work.question
    start, end = question.within
    begin = start or first
    until = end - _RESOLUTION if end else last
    if question.calendar is None or begin is None or until is None or begin > until:
        return table.select("period").clear()
    own = [*question.series, *work.declared.keys]
    series = table.select(own).n_unique() if own else 1
    return question.calendar.starts(begin, until, series).to_frame()


def _with_rows(
    declared: Declared, table: pl.DataFrame, expected: pl.DataFrame | None
) -> pl.DataFrame:
    """Add the rows that are expected and not there: additive measures are 0 in them."""
    if expected is None:
        return table
    keys = expected.columns
    zeros = [
        pl.lit(0 if measure.additive else None).cast(measure.dtype).alias(measure.name)
        for measure in declared.gathered
    ]
    expected = expected.cast({name: table.schema[name] for name in keys})
    missing = expected.join(table, on=keys, how="anti", nulls_equal=True)
    return pl.concat([table, missing.with_columns(zeros).select(table.columns)])


def _compared(work: Work, table: pl.DataFrame, first: datetime | None) -> pl.DataFrame:
    """Set the period before beside each, and the change since."""
    question, declared = work.question, work.declared
    own = [*question.series, *declared.keys]
    names = [measure.name for measure in declared.shown]
    if question.calendar:
        known = pl.col("period") > instant(first, question.tz)
        shown = table.with_columns(
            pl.when(known).then(question.calendar.before()).alias(_EARLIER)
        )
        expected = shown.select(pl.col(_EARLIER).alias("period"), *own)
        expected = expected.filter(pl.col("period").is_not_null())
        when = "period"
    else:
        is_known = bool((~table[_NOW]).any()) or _has_rows(
            work, pl.col("created") < question.looked_at.start
        )
        earlier = pl.lit(False if is_known else None, pl.Boolean)
        shown = table.filter(pl.col(_NOW)).with_columns(earlier.alias(_EARLIER))
        expected = shown.select(pl.lit(False).alias(_NOW), *own)
        when = _NOW
    everything = _derived(work, _with_rows(declared, table, expected.unique()))
    before = everything.select(
        pl.col(when).alias(_EARLIER),
        *own,
        *[pl.col(name).alias(f"{name}{BEFORE}") for name in names],
    )
    # A null would else meet the undated rows.
    before = before.filter(pl.col(_EARLIER).is_not_null())
    return (
        shown.select(when, *own, _EARLIER)
        .join(everything, on=[when, *own], how="left", nulls_equal=True)
        .join(before, on=[_EARLIER, *own], how="left", nulls_equal=True)
        .with_columns(
            (pl.col(measure.name) - pl.col(f"{measure.name}{BEFORE}"))
            .cast(measure.dtype)
            .alias(f"{measure.name}{CHANGE}")
            for measure in declared.shown
        )
    )


def _is_open(work: Work) -> bool:
    """Say whether the data may go on in the period of the latest response."""
    end = work.question.within.end
    return end is None or not _has_rows(work, pl.col("created") >= end)


def _has_rows(work: Work, condition: pl.Expr) -> bool:
    """Say whether some row of the frame meets a condition on `created`."""
    found = work.frame.filter(condition).select(pl.col("created")).head(1)
    return not found.collect(engine="streaming").is_empty()


def start(choices: Choices, declared: Declared, question: Question) -> Work:
    """Check what was given, before anything is collected."""
    if not isinstance(choices, pl.LazyFrame | pl.DataFrame):
        choices = frame_of(choices)
    results = [measure.name for measure in declared.shown]
    changes = [f"{name}{end}" for name in results for end in (BEFORE, CHANGE)]
    check_series(
        question.by,
        [*declared.keys, *results, *(changes if question.compares else ())],
    )
    frame = choices.lazy()
    dated = question.calendar is not None or question.looked_at != (None, None)
    needs = list(
        dict.fromkeys(
            (
                "choice_position",
                *declared.needs,
                *declared.needs_of(frame),
                *key_of(frame, declared, question),
                *(("created",) if dated else ()),
                *question.by,
            )
        )
    )
    check_columns(frame, needs)
    check_types(frame, question)
    if isinstance(choices, pl.DataFrame):
        choices = choices.with_columns(as_declared(choices, needs))
        frame = choices.lazy()
        check_rows(choices, needs_key="line" in needs)
        return Work(declared, question, frame)
    frame = frame.with_columns(as_declared(frame, needs))
    if (
        declared.passes > 1
        or declared.leaves_out
        or (declared.of_choices and own_columns(question))
        or question.within.end
        or question.before
    ):
        frame = read_once(frame, needs)
    return Work(declared, question, frame)


def read_once(frame: pl.LazyFrame, needs: Sequence[str]) -> pl.LazyFrame:
    """Hold the columns that are needed, if they are of logs: those are read once."""
    if not _PYTHON_SCAN.search(frame.explain(optimized=False)):
        return frame
    return frame.select(needs).collect(engine="streaming").lazy()


def _check_wholes(table: pl.DataFrame, names: Sequence[str]) -> None:
    """Refuse whole numbers that an int64 cannot hold, where a table has wider ones."""
    for name in names:
        largest = table[name].abs().max() if table[name].dtype == pl.Int128 else None
        if isinstance(largest, int) and largest > LARGEST_INT64:
            raise TotalOverflowError(name)


def check_sums(table: pl.DataFrame, guards: Sequence[str]) -> None:
    """Refuse sums that have wrapped: polars adds int64 without a word."""
    for name in guards:
        largest = table[name].abs().max()
        if isinstance(largest, float) and largest > _LARGEST_SUM:
            raise TotalOverflowError(name.removeprefix(HIDDEN))
