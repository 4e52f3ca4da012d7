"""What a chart reads of a frame: its columns, its series and their colours."""

from __future__ import annotations

import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from toolkit.charts.colors import REST, Shade, assign_colors, check_colors
from toolkit.charts.style import current_theme
from toolkit.charts.time_axis import PERIOD, time_zone
from toolkit.errors import MissingColumnsError, UnsuitableColumnError
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import UNKNOWN_TEXT, format_count

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from toolkit.metrics.measures import Measure
    from toolkit.metrics.spec import MetricSpec

LEADING_COLUMNS = (*PERIOD, "partial")
_SHOWN = 5  # series; a sixth is shown too, of more the rest is "N others"
_SHOWN_OF_FOLDED = 12  # where the metric has folded: as many as there are colours
_RESERVED = re.compile(rf"\s*|{UNKNOWN_TEXT}|[\d,]+ others?")
_MODELS = ("model", "requested_model", "model_family")
# Finish reasons always have the same colours.
_FIXED = {
    "finish_reason": {
        "stop": "a1",
        "tool_calls": "a3",
        "length": "b1",
        "content_filter": "c1",
    }
}

# The colours of names that were drawn, by the columns that they are of.
_assigned: dict[str, dict[str, str]] = {}
# Those that the user set.
_chosen: ContextVar[dict[str, str]] = ContextVar("colors", default={})  # noqa: B039


class ChartData(NamedTuple):
    """A checked frame of a metric."""

    frame: pl.DataFrame
    spec: MetricSpec
    by: list[str]
    zone: str | None  # of the periods; None if there are none

    @property
    def dated(self) -> pl.DataFrame:
        """The rows that are drawn."""
        if self.zone is None:
            return self.frame
        return self.frame.filter(pl.col("period").is_not_null())

    @property
    def undated(self) -> pl.DataFrame:
        """The rows that are not drawn, because they have no date."""
        if self.zone is None:
            return self.frame.clear()
        return self.frame.filter(pl.col("period").is_null())

    def total(self, column: str) -> float:
        """Sum a column over all rows, including undated ones."""
        return float(self.frame[column].cast(pl.Float64).sum() or 0)


def count_unseen(measure: Measure, rows: pl.DataFrame) -> pl.Expr:
    """Return, as `~unseen`, how many a measure does not include in each row."""
    gaps = [gap for gap in measure.gaps if gap in rows.columns]
    return pl.sum_horizontal(pl.lit(0), *gaps).alias("~unseen")


def sum_measure(measure: Measure, rows: pl.DataFrame) -> Figure:
    """Sum a measure over rows; unknown if none has a value."""
    if rows[measure.name].is_null().all():
        return UNKNOWN
    columns = [name for name in measure.columns if name in rows.columns]
    return measure.figure(rows.select(pl.col(columns).sum()).row(0, named=True))


def divide_sums(ratio: Measure, rows: pl.DataFrame) -> Figure:
    """Divide the sums of numerator and denominator over rows."""
    whole = pl.lit(0) if ratio.whole is None else ratio.whole
    sums = pl.col(str(ratio.part)).sum(), whole.sum(), count_unseen(ratio, rows).sum()
    part, of, unseen = rows.select(*sums).row(0)
    return Figure(part, ratio.bound if unseen else "exact") / Figure(of)


class Series(NamedTuple):
    """A series of a chart: its full name, its colour, and that of its name."""

    name: str
    color: str
    text: str
    folded: int = 0  # number of series that it stands for, if it is the rest


def drop_unknown(
    series: Sequence[Series], rows: pl.DataFrame, why: str
) -> tuple[list[Series], pl.DataFrame, list[str]]:
    """Leave out series without a known `value`; return the others, and a note."""
    known = rows.filter(pl.col("value").cast(pl.Float64).is_finite())["series"]
    places = sorted(set(known))
    lost = [part.name for place, part in enumerate(series) if place not in places]
    rows = rows.filter(pl.col("series").is_in(places)).with_columns(
        pl.col("series").replace_strict(places, range(len(places)))
    )
    note = [f"{why}: {', '.join(lost)}"] if lost else []
    return [series[place] for place in places], rows, note


def read_frame(frame: object, spec: MetricSpec) -> ChartData:
    """Check that a frame is of a metric; find the columns it was grouped by."""
    hint = f"call toolkit.metrics.{spec.name}(choices) first"
    if not isinstance(frame, pl.DataFrame):
        message = f"expected a polars DataFrame, got {type(frame).__name__}: {hint}"
        raise TypeError(message)
    with_periods = bool({*PERIOD} & {*frame.columns})
    needed = (*(PERIOD if with_periods else ()), *spec.chart_columns)
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise MissingColumnsError(missing, frame.columns, hint=hint)
    if "choice_position" in frame.columns:
        raise UnsuitableColumnError(
            "choice_position", why=f"belongs to choices: {hint}"
        )
    ends = {"folded", *spec.key_names, *(measure.name for measure in spec.shown)}
    end = min(index for index, name in enumerate(frame.columns) if name in ends)
    by = [name for name in frame.columns[:end] if name not in LEADING_COLUMNS]
    dated = [name for name in ("period", "first_seen") if name in frame.columns]
    zones = [time_zone(frame, name) for name in dated]
    return ChartData(frame, spec, by, zones[0] if with_periods else None)


def format_key(key: object) -> str:
    """Format the key of a series; quote a name such as ``unknown`` or ``2 others``."""
    if isinstance(key, dict):
        return " · ".join(format_key(value) for value in key.values())
    if key is None:
        return UNKNOWN_TEXT
    return f'"{key}"' if _RESERVED.fullmatch(str(key)) else str(key)


def _format_others(count: int) -> str:
    """Format the name of the folded series."""
    return "1 other" if count == 1 else f"{format_count(count)} others"


def fold_series(
    rows: pl.DataFrame,
    names: Sequence[str],
    weight: pl.Expr,
    *,
    most: int | None = None,
    lone: str = "all calls",
) -> tuple[list[Series], pl.DataFrame]:
    """Rank the series by `weight`; fold all but the largest into one.

    `names` are the columns that identify a series. Returns the series, the largest
    first, and the rows with a column `series`, an index into that list. What the metric
    has folded belongs to the rest.
    """
    has_folded = "folded" in rows.columns
    count = pl.col("folded").fill_null(0) if has_folded else pl.lit(0)
    rows = rows.with_columns(
        count.cast(pl.Int64).alias("~folded"), (count > 0).alias("~rest")
    )
    group = [*names, "~rest"]
    known = pl.when(weight.is_not_null().any()).then(weight.cast(pl.Float64).sum())
    keys = rows.group_by(group, maintain_order=True).agg(
        known.alias("~weight"), pl.col("~folded").max()
    )
    keys = keys.sort("~rest", -pl.col("~weight"), nulls_last=True, maintain_order=True)
    unfolded = int((~keys["~rest"]).sum())
    if most is None:
        most = _SHOWN_OF_FOLDED - 1 if has_folded else _SHOWN
    shown = unfolded if unfolded <= most + 1 else most + (unfolded < len(keys))
    ranks = keys.with_columns(
        pl.int_range(pl.len()).clip(upper_bound=shown).alias("series")
    )
    texts = [lone] * unfolded
    if names:
        undated = pl.lit(None, pl.Datetime)
        order_colors(rows, names, pl.col("period") if "period" in rows else undated)
        texts = _format_keys(keys.head(unfolded), names)
    shades = shades_of(texts[:shown], " ".join(names))
    series = list(map(Series, texts, *zip(*shades, strict=True))) if shades else []
    rest = ranks.slice(shown)
    if len(rest):
        others = int(rest["~folded"].clip(lower_bound=1).sum())
        shade = current_theme().shade(REST)
        series.append(Series(_format_others(others), *shade, folded=others))
    places = ranks.select(*group, "series")
    how: Any = {"how": "left", "nulls_equal": True, "maintain_order": "left"}
    joined = rows.join(places, on=group, **how)
    return series, joined.drop("~rest", "~folded")


def set_colors(colors: Mapping[str, str] | None = None) -> None:
    """Forget all colours, and set those of these names.

    Parameters
    ----------
    colors
        Slots (``a1`` to ``e3``, ``z``) or colours ``#rrggbb`` of names of series, as
        `toolkit.charts.colors.assign_colors` returns them.

    Notes
    -----
    Other names get a colour when they are first drawn, and keep it until the process
    ends: models a hue of their maker, other names the next free slot.

    Raises
    ------
    OptionError
        If a colour is neither a slot nor ``#rrggbb``.

    Examples
    --------
    >>> from toolkit.charts import set_colors
    >>> set_colors({"gpt-4o": "a1", "my-model": "#5b2a86"})
    >>> set_colors()
    """
    _assigned.clear()
    _chosen.set(check_colors(colors or {}))


def chosen_colors() -> dict[str, str]:
    """Return the colours that the user has set."""
    return _chosen.get()


@contextmanager
def use_colors(colors: Mapping[str, str] | None) -> Iterator[None]:
    """Set the colours of some more names inside a ``with`` block."""
    before = _chosen.set(_chosen.get() | check_colors(colors or {}))
    try:
        yield
    finally:
        _chosen.reset(before)


def order_colors(rows: pl.DataFrame, by: Sequence[str], times: pl.Expr) -> None:
    """Give colours to series by their first day in rows, then by their names."""
    if "folded" in rows.columns:
        rows = rows.filter(pl.col("folded").fill_null(0) == 0)
    first_day = times.min().dt.truncate("1d").alias("~day")
    keys = rows.group_by(by).agg(first_day).sort("~day", *by, nulls_last=True)
    shades_of(_format_keys(keys, by), " ".join(by))


def _format_keys(keys: pl.DataFrame, by: Sequence[str]) -> list[str]:
    """Format the keys of series."""
    return [format_key(key) for key in keys.select(by).iter_rows(named=True)]


def shades_of(names: Sequence[str], kind: str) -> list[Shade]:
    """Return fill and text of each name; those without a colour get one in order."""
    known = _assigned.setdefault(kind, dict(_FIXED.get(kind, {})))
    own = {name: color for name, color in _chosen.get().items() if name in names}
    is_model = kind.split(" ")[0] in _MODELS
    found = assign_colors(names, known | own, by_maker=is_model)
    known.update((name, color) for name, color in found.items() if name not in own)
    return [current_theme().shade(found[name]) for name in names]
