"""Options of the metrics: their types, defaults and descriptions, and their checks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict, Unpack, cast

from toolkit.errors import (
    OptionError,
    UnknownOptionError,
    UnsuitableColumnError,
    near_miss,
)
from toolkit.expressions.periods import check_period
from toolkit.expressions.time_ranges import Moment, Span, check_zone, span
from toolkit.expressions.vendors import check_provider
from toolkit.formatting.parameters import Parameter
from toolkit.metrics.calendar import Calendar, range_before
from toolkit.reading.options import READ_PARAMETERS, ReadOptions
from toolkit.reading.sources import Choices as Choices  # metrics import it from here
from toolkit.schema.tables import CHOICES

By: TypeAlias = "str | Sequence[str] | None"
Compare = Literal["previous"]

PERIOD = ("period", "period_end", "partial")
FOLDED = "folded"
OTHER = "other"
BEFORE, CHANGE, BOUND = "_before", "_change", "_bound"
# Prefix of the columns that only the engine sees.
HIDDEN = "~"


class RangeOptions(TypedDict, total=False):
    """The range of responses that a metric reads."""

    tz: str
    since: Moment
    until: Moment


class SeriesOptions(RangeOptions, total=False):
    """The range, and the series of a table without periods."""

    by: By
    provider: str | None
    top: int | None
    fill: bool
    compare: Compare | None


class PeriodOptions(RangeOptions, total=False):
    """The range, the length of a period, and the series."""

    every: str | None
    by: By
    provider: str | None


class MetricOptions(PeriodOptions, SeriesOptions, total=False):
    """The options of most metrics."""


class MeasureOptions(MetricOptions, ReadOptions, total=False):
    """The options of a metric that is computed from logs."""


PARAMETERS = {
    "every": Parameter(
        "1d",
        'Length of a period in polars\' duration language: ``"1h"``, ``"1d"``,\n'
        '``"1w"`` (from Monday), ``"1mo"``. Several days (``"7d"``) begin at\n'
        "`since`. None for the whole range, without columns of a period.",
    ),
    "by": Parameter(
        "model",
        "Column or columns that name the series: a column of the response (`api`), a\n"
        "tag, or a column of your own; or ``vendor``, ``maker`` or ``model_family``,\n"
        "computed by `toolkit.expressions`. The model is the requested one where the\n"
        "response names none. The value of the first choice is used. None or ``()``\n"
        "puts all responses together. A column of a choice is an error.",
    ),
    "tz": Parameter(
        "UTC",
        "Time zone in which days begin; a day of 23 or 25 hours is one day.",
    ),
    "since": Parameter(
        None,
        "Start of the range of `created`: a date, a datetime or its ISO text, in\n"
        "`tz` if it has no zone. Undated responses are then left out.",
    ),
    "until": Parameter(None, "End of the range, exclusive; like `since`."),
    "top": Parameter(
        None,
        "Show the N largest series, by the main measure over the whole range, and\n"
        "group the rest as ``other`` (the columns of `by` are then text), with exact\n"
        "figures. A column `folded` counts the series in a row; it is 0 for a series\n"
        "of its own.",
    ),
    "fill": Parameter(
        False,
        "Whether each series has a row in each period of the range or, where that is\n"
        "open, of the data: counts are 0 in the gaps, ratios null.",
    ),
    "compare": Parameter(
        None,
        '``"previous"`` adds to each measure its value in the period before,\n'
        "`_before`, and the change since, `_change`. Before the first period of the\n"
        "data nothing is known: null. Null, too, is what was before a period that\n"
        "`since` cuts. A series without a response in the period before has counts of\n"
        "0 in it. With ``every=None`` the period before is the range of the same\n"
        "length that ends at `since`. Logs are read from the period before `since`\n"
        "on: if it has no response at all, it is unknown.",
    ),
    "provider": Parameter(
        None,
        "Who served the responses whose line names no provider, such as ``azure``:\n"
        "prices and ``vendor`` depend on it.",
    ),
}


class MetricQuery(NamedTuple):
    """The options of a metric, checked."""

    calendar: Calendar | None
    by: tuple[str, ...]
    tz: str
    within: Span
    top: int | None
    fill: bool
    before: Span | None
    compares: bool
    provider: str | None

    @property
    def period(self) -> list[str]:
        """Columns of the result that hold the period."""
        return list(PERIOD) if self.calendar else []

    @property
    def series(self) -> list[str]:
        """Columns of the result that name the series."""
        return [*self.by, *([FOLDED] if self.top is not None else [])]

    @property
    def read_range(self) -> Span:
        """The range in which rows are expected."""
        return Span(self.before.start, self.within.end) if self.before else self.within

    @property
    def scan_range(self) -> Span:
        """The range to read from logs.

        It is open at its end: only a response after `until` shows that the last period
        is complete.
        """
        return Span(self.read_range.start, None)


def build_query(
    metric: str,
    known: Sequence[str],
    options: Mapping[str, Any],
    fixed: Mapping[str, Any] = MappingProxyType({}),
) -> MetricQuery:
    """Read the options of a metric, and the fixed ones, or raise `OptionError`."""
    for name in options:
        if name not in known:
            raise UnknownOptionError(name, owner=metric, known=known)
    values: dict[str, Any] = {
        name: parameter.default for name, parameter in PARAMETERS.items()
    }
    values |= {name: None for name in ("every", "by") if name not in known}
    values |= {**options, **fixed}
    for end in ("since", "until") if "compare" in fixed else ():
        if values[end] is None:
            expected = "a date: the range is compared with the one before"
            raise OptionError(end, None, expected=expected)
    tz, top, compare = check_zone(values["tz"]), values["top"], values["compare"]
    within = span(values["since"], values["until"], tz)
    by = _columns_of(values["by"])
    if len(set(by)) < len(by):
        raise OptionError("by", list(by), expected="different columns")
    is_number = isinstance(top, int) and not isinstance(top, bool) and top >= 1
    if top is not None and not is_number:
        raise OptionError("top", top, expected="a number of series, 1 or more")
    if compare not in (None, "previous"):
        hint = near_miss(str(compare), ("previous",))
        raise OptionError("compare", compare, expected='"previous" or None', hint=hint)
    every = values["every"]
    calendar = None
    if every is not None:
        calendar = Calendar(check_period(every, none="None"), tz, within.start)
    before = None
    if compare:
        before = calendar.span_before() if calendar else range_before(within, tz)
    fill, compares = bool(values["fill"]), compare is not None
    provider = check_provider(values["provider"])
    return MetricQuery(calendar, by, tz, within, top, fill, before, compares, provider)


def split_options(
    options: Mapping[str, Any],
) -> tuple[dict[str, Any], ReadOptions]:
    """Return the options of a metric, and those of reading logs."""
    read = {name: value for name, value in options.items() if name in READ_PARAMETERS}
    own = {name: value for name, value in options.items() if name not in read}
    return own, cast("ReadOptions", read)


def _columns_of(by: By) -> tuple[str, ...]:
    """Return the names of the columns in `by`, or raise `OptionError`."""
    if by is None:
        return ()
    if isinstance(by, str):
        return (by,)
    names = tuple(by) if isinstance(by, Iterable) else (by,)
    if not all(isinstance(name, str) for name in names):
        raise OptionError("by", by, expected="a column, several of them, or None")
    return names


def check_options(**options: Unpack[MetricOptions]) -> None:
    """Raise an error if options are not valid, before a log is read for them."""
    query = build_query("toolkit", tuple(PARAMETERS), options)
    check_series(query.by, ())


def check_series(names: Sequence[str], results: Iterable[str]) -> None:
    """Raise an error if columns cannot name a series of responses."""
    reserved = {*PERIOD, FOLDED, *results}
    for name in names:
        if name in CHOICES and CHOICES[name].grain == "C":
            raise UnsuitableColumnError(
                name,
                why="belongs to a choice, and tokens belong to the response: filter "
                "with toolkit.expressions.any_choice(...), or group by a column of "
                "the response",
            )
        if (name in CHOICES and CHOICES[name].grain == "U") or name == "created":
            raise UnsuitableColumnError(name, why="is a measure: group by a name")
        if name in reserved or name.startswith(HIDDEN):
            raise UnsuitableColumnError(name, why="is a column of the result")
