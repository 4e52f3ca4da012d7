"""What is asked of a metric: its options, read and checked before any data is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from toolkit.errors import OptionError, UnsuitableColumnError
from toolkit.expressions.periods import check_period
from toolkit.expressions.time_ranges import Span, check_zone, span
from toolkit.metrics.calendar import Calendar, range_before
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from toolkit.expressions.time_ranges import Moment
    from toolkit.schema.columns import ArrowStream

Choices: TypeAlias = "pl.DataFrame | pl.LazyFrame | ArrowStream"
By: TypeAlias = "str | Sequence[str]"
Compare = Literal["previous"]

_PERIOD = ("period", "period_end", "partial")
FOLDED = "folded"
OTHER = "other"
BEFORE, CHANGE = "_before", "_change"
# Names of what the engine works with, and shows to nobody.
HIDDEN = "~"


class Question(NamedTuple):
    """The options of a metric, understood."""

    calendar: Calendar | None
    by: tuple[str, ...]
    tz: str
    within: Span
    top: int | None
    fill: bool
    before: Span | None
    compares: bool

    @property
    def period(self) -> list[str]:
        """Columns of the result that say the period."""
        return list(_PERIOD) if self.calendar else []

    @property
    def series(self) -> list[str]:
        """Columns of the result that name the series."""
        return [*self.by, *([FOLDED] if self.top is not None else [])]

    @property
    def looked_at(self) -> Span:
        """The range in which rows are expected."""
        return Span(self.before.start, self.within.end) if self.before else self.within


def ask(
    *,
    every: str | None = None,
    by: By = (),
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    top: int | None = None,
    fill: bool = False,
    compare: Compare | None = None,
) -> Question:
    """Read the options of a metric, or raise `OptionError`."""
    check_zone(tz)
    within = span(since, until, tz)
    series = _series_of(by)
    if len(set(series)) < len(series):
        raise OptionError("by", list(series), expected="different columns")
    if top is not None and (isinstance(top, bool) or not isinstance(top, int | None)):
        raise OptionError("top", top, expected="a number of series, 1 or more")
    if top is not None and top < 1:
        raise OptionError("top", top, expected="a number of series, 1 or more")
    if compare not in (None, "previous"):
        raise OptionError("compare", compare, expected='"previous" or None')
    calendar = None if every is None else Calendar(check_period(every), tz)
    before = range_before(within, tz) if compare and calendar is None else None
    return Question(
        calendar, series, tz, within, top, bool(fill), before, compare is not None
    )


def _series_of(by: By) -> tuple[str, ...]:
    """Return the names of columns, or raise `OptionError`."""
    if isinstance(by, str):
        return (by,)
    names = tuple(by) if isinstance(by, Iterable) else (by,)
    if not all(isinstance(name, str) for name in names):
        raise OptionError(
            "by", by, expected="a column, several of them, or () for none"
        )
    return names


def check_options(
    *,
    every: str | None = "1d",
    by: By = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    top: int | None = None,
    fill: bool = False,
    compare: Compare | None = None,
) -> None:
    """Refuse options that mean nothing, before a log is read for them."""
    question = ask(
        every=every,
        by=by,
        tz=tz,
        since=since,
        until=until,
        top=top,
        fill=fill,
        compare=compare,
    )
    check_series(question.by, ())


def check_series(names: Sequence[str], results: Iterable[str]) -> None:
    """Refuse columns that cannot name a series of responses."""
    taken = {*_PERIOD, FOLDED, *results}
    for name in names:
        if name in CHOICES and CHOICES[name].grain == "C":
            raise UnsuitableColumnError(
                name,
                why="is a fact of a choice and tokens belong to the response: filter "
                "with toolkit.expressions.any_choice(...), or group by a column of "
                "the response",
            )
        if (name in CHOICES and CHOICES[name].grain == "U") or name == "created":
            raise UnsuitableColumnError(name, why="is a measure: group by a name")
        if name in taken or name.startswith(HIDDEN):
            raise UnsuitableColumnError(name, why="is what the result is called")
