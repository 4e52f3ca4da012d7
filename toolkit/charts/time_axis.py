"""A true time axis: how long periods are, where ticks stand, what they say."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
from matplotlib.dates import DateFormatter, date2num

from toolkit.errors import UnsuitableColumnError

if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.float64]

_BARS_AT_LEAST = 6  # periods that have room on the x axis, lest one day be a wall

_DAY = 86_400  # seconds
_SECONDS = {"mo": 2_629_800, "w": 7 * _DAY, "d": _DAY, "h": 3_600, "m": 60, "s": 1}
_UNITS = {
    "mo": "month",
    "w": "week",
    "d": "day",
    "h": "hour",
    "m": "minute",
    "s": "second",
}
_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"  # strftime's depend on the locale

PERIOD = ("period", "period_end")


class Length(NamedTuple):
    """Length of a period on the calendar, such as six hours or one month."""

    number: int
    unit: str  # of polars' duration language

    @property
    def seconds(self) -> int:
        """Length in seconds, of a month on average."""
        return self.number * _SECONDS[self.unit]

    @property
    def interval(self) -> str:
        """The length as polars writes it."""
        return f"{self.number}{self.unit}"

    @property
    def word(self) -> str:
        """What such a period is called: ``day``, ``6-hour period``."""
        if self == (12, "mo"):
            return "year"
        unit = _UNITS[self.unit]
        return unit if self.number == 1 else f"{self.number}-{unit} period"


_TICK_STEPS = (
    *(Length(number, "m") for number in (1, 2, 5, 10, 15, 30)),
    *(Length(number, "h") for number in (1, 2, 3, 6, 12)),
    *(Length(number, "d") for number in (1, 2, 4)),
    *(Length(number, "w") for number in (1, 2)),
    *(Length(number, "mo") for number in (1, 3, 6, 12, 24, 60, 120)),
    *(Length(number, "w") for number in (4, 8, 13, 26, 52)),  # of weeks only
)


def time_zone(frame: pl.DataFrame) -> str:
    """Return the zone in which the periods were cut."""
    dtype = frame.schema[PERIOD[0]]
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone is None:
        raise UnsuitableColumnError(
            PERIOD[0], why="has no time zone: make the frame with toolkit.metrics"
        )
    return dtype.time_zone


def elapsed_days(moments: pl.Series) -> Numbers:
    """Return moments as matplotlib's days in UTC, which no change of clocks moves."""
    utc = moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    days = date2num(utc.to_numpy())  # type: ignore[no-untyped-call] # no stubs
    return np.asarray(days, dtype=np.float64)


def _period_length(periods: pl.DataFrame) -> Length:
    """Tell how long the periods are; a day of 23 hours is a day, February a month."""
    lasting = (pl.col("period_end") - pl.col("period")).median()
    wall = periods.select(pl.col(PERIOD).dt.replace_time_zone(None))
    days = wall.select(lasting).item() / timedelta(days=1)
    firsts = wall.select((pl.col(PERIOD).dt.day() == 1).all()).row(0)
    if days >= 28 and all(firsts):
        return Length(round(days * _DAY / _SECONDS["mo"]), "mo")
    # Of hours, those count that have passed; of days, those of the wall clock.
    exact = (wall if days >= 0.9 else periods).select(lasting).item()
    seconds = max(1, round(exact.total_seconds()))
    unit = next(unit for unit in "wdhms" if seconds % _SECONDS[unit] == 0)
    return Length(seconds // _SECONDS[unit], unit)


def _tick_step(length: Length, span: float, most: float) -> Length:
    """Choose the finest step that lies on starts of periods and gives few ticks."""
    least = max(1, ceil(span / length.seconds / most)) * length.seconds
    for step in _TICK_STEPS:
        whole = _DAY if step.unit == "mo" else step.seconds
        on_starts = whole % length.seconds == 0 or step.seconds % length.seconds == 0
        if on_starts and least <= step.seconds <= 3 * least:
            return step
    return Length(length.number * least // length.seconds, length.unit)


def _tick_moments(periods: pl.DataFrame, step: Length) -> pl.Series:
    """Return round times of the wall clock, one step apart, within the periods."""
    first, last = periods["period"].head(1), periods["period_end"].tail(1)
    begin = first.dt.replace_time_zone(None)
    if step.unit in {"d", "w"}:
        begin = begin.dt.truncate("1d")
    elif step.unit == "mo" or _DAY % step.seconds == 0:
        begin = begin.dt.truncate(step.interval)
    # Where clocks go back, the wall may show less at the end than an hour before.
    end = last.dt.replace_time_zone(None).item() + timedelta(hours=3)
    wall = pl.datetime_range(begin.item(), end, step.interval, eager=True)
    # An hour that comes twice gets ticks twice, if there is room for so fine a step.
    turns: list[Literal["earliest", "latest"]] = ["earliest", "latest"]
    moments = pl.concat(
        wall.dt.replace_time_zone(
            time_zone(periods), ambiguous=turn, non_existent="null"
        )
        for turn in (turns if step.seconds <= _SECONDS["h"] else turns[:1])
    ).unique()
    inside = moments.filter((moments >= first) & (moments < last)).sort()
    return first if inside.is_empty() else inside


def _tick_label(moment: datetime, before: datetime | None, unit: str) -> str:
    """Write a date or a time, without what the tick before it has said."""
    month = _MONTHS[3 * moment.month - 3 : 3 * moment.month]
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

    Starts and ends are matplotlib's days in UTC: time that has passed, so that no hour
    lies on another where the clocks go back.
    """

    periods: pl.DataFrame
    starts: Numbers
    ends: Numbers
    partial: NDArray[np.bool_]

    @property
    def middles(self) -> Numbers:
        """Where a point of each period stands."""
        return (self.starts + self.ends) / 2

    @property
    def slots(self) -> float:
        """How many periods the range of time holds, gaps included."""
        lasting = np.median(self.ends - self.starts)
        return float((self.ends[-1] - self.starts[0]) / lasting)

    @property
    def length(self) -> Length:
        """How long a period is."""
        return _period_length(self.periods)

    def said(self, place: int) -> str:
        """Name one period: ``5 Nov 2026``, ``Nov 2026``, ``5 Nov 2026 06:00``."""
        return moment_text(self.periods["period"][place], self.length.unit)

    @property
    def words(self) -> str:
        """Name the range: from the first period to the last."""
        first, last = self.said(0), self.said(len(self.starts) - 1)
        return first if first == last else f"{first} to {last}"


def span_of(rows: pl.DataFrame) -> Span:
    """Return the periods of dated rows."""
    partial = (
        pl.col("partial").any() if "partial" in rows.columns else pl.lit(value=False)
    )
    periods = rows.group_by(PERIOD).agg(partial.alias("partial")).sort("period")
    starts, ends = (elapsed_days(periods[name]) for name in PERIOD)
    return Span(
        periods.select(PERIOD),
        starts,
        ends,
        periods["partial"].fill_null(value=False).to_numpy(),
    )


def moment_text(moment: datetime, unit: str) -> str:
    """Write a moment in full, as finely as the unit asks for."""
    month = f"{_MONTHS[3 * moment.month - 3 : 3 * moment.month]} {moment.year}"
    if unit == "mo":
        return month
    day = f"{moment.day} {month}"
    return day if unit in "dw" else f"{day} {moment:%H:%M}"


def time_axis(ax: Axes, span: Span, width: float, label_width: float) -> None:
    """Set the range of time, its first and last periods whole, and ticks under them."""
    length, zone = span.length, time_zone(span.periods)
    usual = length.seconds / _DAY
    days = span.ends[-1] - span.starts[0]
    rim = max(0.004 * days, (_BARS_AT_LEAST * usual - days) / 2)
    ax.set_xlim(span.starts[0] - rim, span.ends[-1] + rim)
    most = max(1, width / label_width)
    step = _tick_step(length, (days + 2 * rim) * _DAY, most)
    moments = _tick_moments(span.periods, step)
    at = elapsed_days(moments)
    near = np.searchsorted(span.starts, at).clip(max=len(span.starts) - 1)
    lasting = np.where(span.starts[near] == at, (span.ends - span.starts)[near], usual)
    wall = moments.to_list()
    pairs = zip(wall, [None, *wall], strict=False)
    ax.set_xticks(at + lasting / 2, [_tick_label(*pair, step.unit) for pair in pairs])
    _keep_in(ax, width, label_width)
    ax.fmt_xdata = DateFormatter(  # type: ignore[no-untyped-call] # no stubs
        "%Y-%m-%d %H:%M", ZoneInfo(zone)
    )


def _keep_in(ax: Axes, width: float, label_width: float) -> None:
    """Let a long first label begin at its tick, lest it run into the numbers."""
    low, high = ax.get_xlim()
    label = ax.get_xticklabels()[0]
    longest = max(len(line) for line in label.get_text().split("\n"))
    from_left = (ax.get_xticks()[0] - low) / (high - low) * width
    half = longest * label_width / 16  # at about 8 signs a label
    if from_left < half - 8:  # points that it may stand out
        label.set_horizontalalignment("left")


def moment_axis(ax: Axes, rows: pl.DataFrame, width: float, label_width: float) -> None:
    """Set the range of time from `first_seen` to `last_seen`, and ticks at moments."""
    firsts, lasts = elapsed_days(rows["first_seen"]), elapsed_days(rows["last_seen"])
    low, high = float(firsts.min()), float(lasts.max())
    rim = max(0.01 * (high - low), 0.5 / 24)
    ax.set_xlim(low - rim, high + rim)
    ends = pl.DataFrame(
        {
            "period": [rows["first_seen"].min()],
            "period_end": [rows["last_seen"].max()],
        },
        schema=dict.fromkeys(PERIOD, rows.schema["first_seen"]),
    )
    most = max(1, width / label_width)
    step = _tick_step(Length(1, "s"), (high - low + 2 * rim) * _DAY, most)
    wall = _tick_moments(ends, step)
    at, moments = elapsed_days(wall), wall.to_list()
    pairs = zip(moments, [None, *moments], strict=False)
    ax.set_xticks(at, [_tick_label(*pair, step.unit) for pair in pairs])
    _keep_in(ax, width, label_width)
