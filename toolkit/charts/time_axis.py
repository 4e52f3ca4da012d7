"""The time axis: lengths of periods, positions and labels of ticks."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl
from matplotlib.dates import date2num

from toolkit.errors import UnsuitableColumnError
from toolkit.formatting.dates import (
    MONTHS,
    format_day,
    format_days,
    format_moment,
    format_month,
)

if TYPE_CHECKING:
    from typing import TypeAlias

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.float64]

_MANY = 10_000  # periods
_MIN_PERIODS = 6  # that the x axis has room for; keeps a single bar from filling it

_DAY = 86_400  # seconds
_SECONDS = {"mo": 2_629_800, "w": 7 * _DAY, "d": _DAY, "h": 3_600, "m": 60, "s": 1}
_WORDS = ("month", "week", "day", "hour", "minute", "second")
_UNITS = dict(zip(_SECONDS, _WORDS, strict=True))

PERIOD = ("period", "period_end")


class Length(NamedTuple):
    """Length of a period on the calendar, such as six hours or one month."""

    number: int
    unit: str  # as in polars' duration strings

    @property
    def seconds(self) -> int:
        """Length in seconds; months have their average length."""
        return self.number * _SECONDS[self.unit]

    @property
    def interval(self) -> str:
        """The length as a duration string of polars."""
        return f"{self.number}{self.unit}"

    @property
    def word(self) -> str:
        """Name of such a period: ``day``, ``6-hour period``."""
        if self == (12, "mo"):
            return "year"
        unit = _UNITS[self.unit]
        return unit if self.number == 1 else f"{self.number}-{unit} period"


# From tick to tick; the last ones are of periods of weeks.
_STEPS = [
    Length(int(step.rstrip("mohdw")), step.lstrip("0123456789"))
    for step in """
    1m 2m 5m 10m 15m 30m 1h 2h 3h 6h 12h 1d 2d 4d 1w 2w
    1mo 3mo 6mo 12mo 24mo 60mo 120mo 4w 8w 13w 26w 52w
    """.split()  # noqa: SIM905 - easier to read
]


def time_zone(frame: pl.DataFrame, name: str = PERIOD[0]) -> str:
    """Return the time zone of the periods, or of a column; raise if there is none."""
    zone = getattr(frame.schema[name], "time_zone", None)
    if zone is None:
        why = "has no time zone: make the frame with toolkit.metrics"
        raise UnsuitableColumnError(name, why=why)
    return str(zone)


def elapsed_days(moments: pl.Series) -> Numbers:
    """Convert moments to matplotlib's days in UTC, unaffected by clock changes."""
    days = date2num(moments.to_numpy())  # type: ignore[no-untyped-call] # no stubs
    return np.asarray(days, dtype=np.float64)


def _period_length(periods: pl.DataFrame) -> Length:
    """Return the length of the periods on the calendar: a day may have 23 hours."""
    start, end = map(pl.col, PERIOD)
    first, last = (one.dt.replace_time_zone(None) for one in (start, end))
    elapsed, on_wall, are_firsts = periods.select(
        (end - start).median(),
        (last - first).median().alias("on_wall"),
        ((first.dt.day() == 1) & (last.dt.day() == 1)).all().alias("are_firsts"),
    ).row(0)
    days = on_wall / timedelta(days=1)
    if days >= 28 and are_firsts:
        return Length(round(days * _DAY / _SECONDS["mo"]), "mo")
    # Hours are measured in elapsed time, days on the wall clock.
    exact = on_wall if days >= 0.9 else elapsed
    seconds = max(1, round(exact.total_seconds()))
    unit = next(unit for unit in "wdhms" if seconds % _SECONDS[unit] == 0)
    return Length(seconds // _SECONDS[unit], unit)


def _choose_ticks(
    starts: pl.Series, length: Length, most: float
) -> tuple[NDArray[np.bool_], str]:
    """Return which starts of periods have a tick, and the unit of their labels.

    They are on round times, such as Mondays, as close as there is room for.
    """
    for step in _STEPS:
        ratio = step.seconds / length.seconds
        if ratio >= 1:
            on_step = (starts == starts.dt.truncate(step.interval)).to_numpy()
            # Mondays that are the first of a month are no months.
            least = max(min(2, len(starts)), len(starts) // ratio / 2)
            if least <= on_step.sum() <= most:
                return on_step, step.unit
    every = ceil(len(starts) / most)
    return np.arange(len(starts)) % every == 0, length.unit


def _tick_label(moment: datetime, before: datetime | None, unit: str) -> str:
    """Format a date or a time, leaving out what the previous label shows."""
    month = MONTHS[moment.month - 1]
    new_year = before is None or before.year != moment.year
    new_month = before is None or (before.year, before.month) != moment.timetuple()[:2]
    if unit in "hms":
        clock = f"{moment:%H:%M:%S}" if unit == "s" else f"{moment:%H:%M}"
        date = f"\n{moment.day} {month}" + f" {moment.year}" * new_year
        return clock if before and before.date() == moment.date() else clock + date
    day = f"{moment.day}" + f" {month}" * new_month
    return (month if unit == "mo" else day) + f"\n{moment.year}" * new_year


class Span(NamedTuple):
    """The periods of a chart, in order.

    Starts and ends are matplotlib's days in UTC, so that hours do not overlap when
    clocks go back.
    """

    periods: pl.DataFrame
    starts: Numbers
    ends: Numbers
    partial: NDArray[np.bool_]
    length: Length  # of a period

    @property
    def middles(self) -> Numbers:
        """The middle of each period."""
        return (self.starts + self.ends) / 2

    @property
    def slots(self) -> float:
        """Number of periods in the time range, gaps included."""
        lasting = np.median(self.ends - self.starts)
        return float((self.ends[-1] - self.starts[0]) / lasting)

    def find(self, rows: pl.DataFrame) -> NDArray[np.intp]:
        """Return the index of the period of each row."""
        return np.searchsorted(self.starts, elapsed_days(rows["period"]))

    def format_period(self, index: int) -> str:
        """Format one period: ``5 Nov 2026``, ``Nov 2026``, ``5 Nov 2026, 06:00``."""
        start, unit = self.periods["period"][index], self.length.unit
        if unit == "mo":
            return format_month(start)
        return format_day(start) if unit in "dw" else format_moment(start)

    def format_range(self) -> str:
        """Format the range from the first period to the last."""
        if self.length.unit in "dw":
            return format_days(self.periods["period"][0], self.periods["period"][-1])
        first, last = self.format_period(0), self.format_period(-1)
        return first if first == last else f"{first} to {last}"


def build_span(rows: pl.DataFrame) -> Span:
    """Build the span of dated rows."""
    if "partial" not in rows.columns:
        rows = rows.with_columns(partial=pl.lit(value=False))
    partial = pl.col("partial").any().fill_null(value=False)
    periods = rows.group_by(PERIOD).agg(partial).sort("period")
    starts, ends = (elapsed_days(periods[name]) for name in PERIOD)
    partial_periods = periods.drop_in_place("partial").to_numpy()
    return Span(periods, starts, ends, partial_periods, _period_length(periods))


def set_time_axis(ax: Axes, span: Span, width: float, label_width: float) -> None:
    """Set the time range, with whole first and last periods, and the ticks."""
    low, high = span.starts[0], span.ends[-1]
    missing = _MIN_PERIODS * span.length.seconds / _DAY - (high - low)
    margin = max(0.004 * (high - low), missing / 2)
    first, last = pl.col(PERIOD[0]).min(), pl.col(PERIOD[0]).max()
    every = pl.datetime_range(first, last, span.length.interval)
    starts, ends = span.periods["period"], span.ends
    if span.slots <= _MANY:  # also where a period is missing
        starts = span.periods.select(every).to_series()
        ends = np.append(elapsed_days(starts)[1:], high)
    # With the margin the periods are closer than the width divided by their number.
    most = max(1, width / label_width * (high - low) / (high - low + 2 * margin))
    shown, unit = _choose_ticks(starts, span.length, most)
    middles = (elapsed_days(starts) + ends) / 2
    _set_ticks(ax, middles[shown], starts.filter(pl.Series(shown)), unit)
    ax.set_xlim(low - margin, high + margin)


def set_moment_axis(
    ax: Axes, rows: pl.DataFrame, width: float, label_width: float
) -> None:
    """Set the time range from `first_seen` to `last_seen`, and the ticks."""
    first, last = pl.col("first_seen").min(), pl.col("last_seen").max()
    low, high = elapsed_days(rows.select(first.append(last)).to_series())
    margin = max(0.01 * (high - low), 0.5 / 24)
    most = max(1, min(4, width / 32), width / label_width)
    seconds = (high - low) * _DAY
    step = next((one for one in _STEPS if seconds <= one.seconds * most), _STEPS[-1])
    begin = first.dt.truncate(step.interval)
    every = pl.datetime_range(begin, last, step.interval)
    moments = rows.select(every).to_series()
    if len(moments) > 1:
        moments = moments.filter(elapsed_days(moments) >= low - margin)
    _set_ticks(ax, elapsed_days(moments), moments, step.unit)
    ax.set_xlim(low - margin, high + margin)


def _set_ticks(ax: Axes, at: Numbers, moments: pl.Series, unit: str) -> None:
    """Set ticks; a label leaves out what the one before shows."""
    times = moments.to_list()
    pairs = zip(times, [None, *times], strict=False)
    ax.set_xticks(at, [_tick_label(*pair, unit) for pair in pairs])
