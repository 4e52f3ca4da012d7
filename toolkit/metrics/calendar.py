"""Periods of a table: where they end, which came before, which are not complete."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

import polars as pl

from toolkit.errors import OptionError
from toolkit.expressions.periods import local_period, period_end
from toolkit.expressions.time_ranges import Span, before
from toolkit.schema.tables import EARLIEST_CREATED

_LONGEST_STEP = timedelta(hours=12)  # shorter than any day (Samoa skipped one in 2011)
_MOST_ROWS = 10_000_000  # of filled gaps; more is a mistake


class Calendar(NamedTuple):
    """A calendar: the length of a period, its zone, and where it begins."""

    every: str
    tz: str
    since: datetime | None = None  # of the range, and of periods of several days

    def start(self, moments: pl.Expr) -> pl.Expr:
        """Return the start of the period in which moments lie."""
        return local_period(moments, self.every, self.tz, self.since)

    def end(self) -> pl.Expr:
        """Return the end of the period that starts at the column `period`."""
        return period_end(self.every, self.tz, self.since)

    def before(self) -> pl.Expr:
        """Return the start of the period before that of the column `period`."""
        return self.start(pl.col("period") - pl.duration(microseconds=1))

    def span_before(self) -> Span | None:
        """Return the period before `since`, or None if `since` begins no period."""
        if self.since is None or self.since <= EARLIEST_CREATED:
            return None
        since = pl.lit(self.since, pl.Datetime("us", "UTC"))
        moments = (since, since - pl.duration(microseconds=1))
        starts = (self.start(moment).dt.convert_time_zone("UTC") for moment in moments)
        own, earlier = pl.select(pl.concat_list(starts).explode()).to_series()
        return Span(earlier, self.since) if own == self.since else None

    def starts(self, first: datetime, last: datetime, series: int) -> pl.Series:
        """Return the starts of all periods from that of `first` to that of `last`."""
        # Half a period or less: a step that skips none.
        step = min(
            _LONGEST_STEP, max(timedelta(microseconds=1), _length(self.every) / 2)
        )
        if (last - first) / step > _MOST_ROWS:
            raise self.too_many()
        moments = pl.datetime_range(first, last, step, time_unit="us", eager=True)
        # The last step may not reach the last period.
        moments = pl.concat([moments, pl.Series([last], dtype=moments.dtype)])
        starts = (
            pl.select(self.start(pl.lit(moments)).alias("period"))
            .to_series()
            .unique()
            .sort()
        )
        if len(starts) * series > _MOST_ROWS:
            raise self.too_many()
        return starts

    def too_many(self) -> OptionError:
        """Return the error for gaps that are too many to be filled."""
        rows = f"more than {_MOST_ROWS:,} rows"
        expected = f"longer periods or a shorter range (fill would make {rows})"
        return OptionError("every", self.every, expected=expected)


def _length(every: str) -> timedelta:
    """Return the length of a period, in the shortest month."""
    february = datetime(2001, 2, 1)  # noqa: DTZ001 - of no zone
    end: datetime = pl.select(pl.lit(february).dt.offset_by(every)).item()
    return end - february


def range_before(within: Span, tz: str) -> Span:
    """Return the range of the same length that ends where another begins.

    A range of whole months or days gives whole months or days in the zone; any other
    range has the same length in hours.

    Examples
    --------
    >>> from toolkit.expressions.time_ranges import span
    >>> march = span("2026-03-01", "2026-04-01", "Europe/Berlin")
    >>> range_before(march, "Europe/Berlin").start.isoformat()
    '2026-01-31T23:00:00+00:00'
    """
    if within.start is None or within.end is None:
        expected = "since and until, which every=None needs to compare"
        raise OptionError("compare", "previous", expected=expected)
    try:
        return before(within, tz)
    except (OverflowError, ValueError):
        expected = "a later time: the range before would begin before year 1"
        raise OptionError(
            "since", within.start.isoformat(), expected=expected
        ) from None


def instant(moment: datetime | None, tz: str) -> pl.Expr:
    """Return a moment as a literal in a zone."""
    return pl.lit(moment, pl.Datetime("us", "UTC")).dt.convert_time_zone(tz)


def is_partial(
    within: Span, last: datetime | None, tz: str, *, is_open: bool
) -> pl.Expr:
    """Return whether a period is not covered by the data or by the range.

    `last` is the start of the period of the latest response, and `is_open` whether no
    response after the range is known: more may come.
    """
    start, end = pl.col("period"), pl.col("period_end")
    cuts = [instant(moment, tz) for moment in within if moment is not None]
    reasons = [(start < cut) & (end > cut) for cut in cuts]
    if is_open:
        reasons.append(
            start.is_not_null() if last is None else start >= instant(last, tz)
        )
    return pl.any_horizontal(pl.lit(False), *reasons).fill_null(False)
