"""What a metric gave: which columns are what, and which series are drawn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from toolkit.charts.series_colors import colors_of
from toolkit.charts.style import now
from toolkit.charts.text import percent
from toolkit.charts.time_axis import PERIOD, time_zone
from toolkit.errors import MissingColumnsError, UnsuitableColumnError, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

LEADING_COLUMNS = (*PERIOD, "partial")
_NAMED = 5  # a sixth is named too; of more, the rest is "N others"
_NAMED_AT_MOST = 12  # where the caller has folded: as many as there are colours

_NOT_SAID = "not said"
_OUR_WORDS = re.compile(rf"\s*|{_NOT_SAID}|[\d,]+ others?")


class Metric(NamedTuple):
    """What a chart must know of a metric: its columns, and what is drawn of them."""

    name: str
    measures: tuple[str, ...]  # that the chart reads, all of them must be there
    main: str  # by which the largest series are found
    keys: tuple[str, ...] = ()  # that name the series, beside those of `by`

    @property
    def hint(self) -> str:
        """What to do with a frame of another kind."""
        return f"call toolkit.metrics.{self.name}(choices) first"


class Given(NamedTuple):
    """A frame as a chart sees it."""

    frame: pl.DataFrame
    metric: Metric
    by: list[str]
    zone: str | None  # of its periods; None: it has none, and is no time series

    @property
    def dated(self) -> pl.DataFrame:
        """The rows that are drawn."""
        if self.zone is None:
            return self.frame
        return self.frame.filter(pl.col("period").is_not_null())

    def undated(self, count: str, measure: str | None, what: str) -> list[str]:
        """Say how many responses have no date, and what share of a measure."""
        if self.zone is None:
            return []
        sums = [pl.col(count).cast(pl.Int64).sum().alias("count")]
        if measure is not None:
            sums.append(pl.col(measure).cast(pl.Float64).sum().alias("measure"))
        without = self.frame.filter(pl.col("period").is_null()).select(sums).row(0)
        whole = self.frame.select(sums).row(0)
        if not without[0]:
            return []
        part = percent(without[-1], whole[-1]) if measure and whole[-1] else ""
        share = f", {part} of {what}" if part else ""
        return [f"{without[0]:,} undated{share}, not drawn"]

    def total(self, column: str) -> float:
        """Sum a column over all rows, undated ones too."""
        return float(self.frame[column].cast(pl.Float64).sum() or 0)

    def calls(self) -> list[str]:
        """Say how many responses the frame counts."""
        return [plural(int(self.total("responses")), "call")]


class Series(NamedTuple):
    """One part of a chart: its name, as long as it may be, and its colour."""

    name: str
    color: str
    folded: int = 0  # how many series it stands for, if it is the rest


def read(frame: object, metric: Metric) -> Given:
    """Tell by-columns from measures; refuse a frame of another kind."""
    if not isinstance(frame, pl.DataFrame):
        message = (
            f"expected a polars DataFrame, got {type(frame).__name__}: {metric.hint}"
        )
        raise TypeError(message)
    with_periods = bool({*PERIOD} & {*frame.columns})
    needed = (*(PERIOD if with_periods else ()), *metric.keys, *metric.measures)
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise MissingColumnsError(missing, frame.columns, hint=metric.hint)
    if "choice_position" in frame.columns:
        raise UnsuitableColumnError(
            "choice_position", why=f"belongs to choices: {metric.hint}"
        )
    ends = {"folded", *metric.keys, *metric.measures}
    end = min(place for place, name in enumerate(frame.columns) if name in ends)
    by = [name for name in frame.columns[:end] if name not in LEADING_COLUMNS]
    return Given(frame, metric, by, time_zone(frame) if with_periods else None)


def series_name(key: object) -> str:
    """Name a series by its key; a name that looks like words of ours is quoted."""
    if isinstance(key, dict):
        return " · ".join(series_name(value) for value in key.values())
    if key is None:
        return _NOT_SAID
    return f'"{key}"' if _OUR_WORDS.fullmatch(str(key)) else str(key)


def others(count: int) -> str:
    """Name the rest of the series."""
    return f"{count:,} other" if count == 1 else f"{count:,} others"


def fold(
    rows: pl.DataFrame,
    names: Sequence[str],
    weight: pl.Expr,
    *,
    most: int | None = None,
    kind: str = "series",
    lone: str = "all calls",
) -> tuple[list[Series], pl.DataFrame]:
    """Name the largest series and fold the others into one.

    `names` are the columns that tell series apart, `weight` is what they are ranked by.
    Returns the series, the largest first, and the rows with a column `series`, the
    place of theirs in the list. What the metric has folded stays with the rest.
    """
    asked = "folded" in rows.columns
    count = pl.col("folded") if asked else pl.lit(0, pl.Int64)
    rows = rows.with_columns(count.fill_null(0).cast(pl.Int64).alias("~folded"))
    group = [*names, (pl.col("~folded") > 0).alias("~rest")]
    keys = (
        rows.group_by(group, maintain_order=True)
        .agg(weight.cast(pl.Float64).sum().alias("~weight"), pl.col("~folded").max())
        .sort("~rest", "~weight", descending=[False, True], maintain_order=True)
    )
    standing = int((~keys["~rest"]).sum())
    if most is None:
        most = _NAMED_AT_MOST - 1 if asked else _NAMED
    whole = len(keys) == standing  # the metric has folded nothing
    named = standing if standing <= most + 1 else most + (not whole)
    places = keys.with_columns(
        pl.int_range(pl.len()).clip(upper_bound=named).alias("series")
    )
    first = places.head(named)
    texts = [
        series_name(dict(zip(names, row, strict=True))) if names else lone
        for row in (first.select(names).iter_rows() if names else [()] * named)
    ]
    series = [
        Series(name, color)
        for name, color in zip(texts, colors_of(texts, kind), strict=True)
    ]
    rest = places.slice(named)
    if len(rest):
        count_rest = int(rest["~folded"].clip(lower_bound=1).sum())
        series.append(Series(others(count_rest), now().rest, count_rest))
    rows = rows.with_columns((pl.col("~folded") > 0).alias("~rest"))
    on = [*names, "~rest"]
    joined = rows.join(
        places.select(*on, "series"),
        on=on,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    return series, joined.drop("~rest", "~folded")
