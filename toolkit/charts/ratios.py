"""Ratios over time as lines, or without periods as a row for each series."""

from __future__ import annotations

from functools import partial
from math import inf, isfinite, nan, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from toolkit.charts.colors import readable
from toolkit.charts.layout import (
    draw_empty,
    format_single,
    measure_axes,
    set_value_axis,
    start_axes,
    write_text,
)
from toolkit.charts.rows import Row, draw_bars, max_rows
from toolkit.charts.series import (
    LEADING_COLUMNS,
    count_unseen,
    drop_unknown,
    fold_series,
)
from toolkit.charts.style import current_theme
from toolkit.charts.text import format_value, tick_of
from toolkit.charts.time_axis import Span, build_span, set_time_axis
from toolkit.charts.titles import (
    NOT_REPORTED,
    build_note,
    build_text,
    capitalize,
    format_missing,
    name_lack,
    no_rows,
    set_alt_text,
    shorten,
    unit_noun,
)
from toolkit.errors import plural
from toolkit.formatting.figures import Figure
from toolkit.formatting.text import UNKNOWN_TEXT, format_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import ChartData, Series
    from toolkit.charts.time_axis import Numbers
    from toolkit.formatting.figures import Bound
    from toolkit.metrics.measures import Measure
    from toolkit.metrics.spec import MetricSpec

_LINE_CONTRAST = 2.2  # of a line; some colours for areas are paler
_MANY = 200  # points; a line of more is thinner
_MAX_DESCRIBED = 12  # series in an alt text


class Lines(NamedTuple):
    """A value for each series (rows) in each period (columns), NaN where unknown."""

    series: list[Series]
    span: Span
    values: Numbers
    bounds: list[Bound]  # of each series

    @property
    def top(self) -> float:
        """The highest value, 0 if there is none."""
        return float(np.nanmax(self.values)) if self.known else 0.0

    @property
    def known(self) -> bool:
        """Whether there is any value."""
        return bool(np.isfinite(self.values).any())

    @property
    def last(self) -> list[float]:
        """The last known value of each series, NaN where there is none."""
        known = [row[np.isfinite(row)] for row in self.values]
        return [float(row[-1]) if len(row) else np.nan for row in known]


def build_lines(
    series: list[Series], rows: pl.DataFrame, measure: Measure, span: Span
) -> Lines:
    """Build lines from `value`; there is one row for each period and series.

    `~unseen` counts what the values of a measure do not include.
    """
    values = np.full((len(series), len(span.starts)), np.nan)
    given = rows["value"].cast(pl.Float64).fill_null(np.nan).to_numpy()
    known = np.where(np.isfinite(given), given, np.nan)  # an axis cannot reach infinity
    values[rows["series"].to_numpy(), span.find(rows)] = known
    is_open = set(rows.filter(pl.col("~unseen") > 0)["series"])
    bounds: list[Bound] = [
        measure.bound if place in is_open else "exact" for place in range(len(series))
    ]
    return Lines(series, span, values, bounds)


def _with_gaps(span: Span, values: Numbers) -> tuple[Numbers, Numbers]:
    """Return the points of a line, with a NaN where a period is missing."""
    gaps = np.flatnonzero(span.starts[1:] > span.ends[:-1] + 1e-9) + 1
    return np.insert(span.middles, gaps, np.nan), np.insert(values, gaps, np.nan)


def _find_single(values: Numbers) -> NDArray[np.intp]:
    """Return the indexes of values without a neighbour, which a line would not show."""
    known = np.concatenate([[False], np.isfinite(values), [False]])
    return np.flatnonzero(known[1:-1] & ~known[:-2] & ~known[2:])


def draw_line(
    ax: Axes, span: Span, values: Numbers, color: str, label: str, width: float = 2.0
) -> None:
    """Draw a line, dashed and with a hollow end towards an incomplete period."""
    finished = np.where(span.partial, np.nan, values)
    xs, ys = _with_gaps(span, finished)
    size = min(width, 1.1) if len(xs) > _MANY else width
    (line,) = ax.plot(xs, ys, color=color, linewidth=size, label=label)
    line.set(solid_capstyle="round", solid_joinstyle="round")
    single = _find_single(ys)
    if len(single):
        ax.plot(xs[single], ys[single], "o", color=color, markersize=2.2 * size)
    for place in np.flatnonzero(span.partial & np.isfinite(values)):
        _draw_open_end(ax, span, values, int(place), color, size)


def line_color(part: Series) -> str:
    """Return the colour of a line; some colours for areas are too pale for lines."""
    theme = current_theme()
    if part.folded:
        return theme.muted
    return readable(part.color, theme.ground, _LINE_CONTRAST)


def _draw_open_end(
    ax: Axes, span: Span, values: Numbers, place: int, color: str, size: float
) -> None:
    """Draw the dashed end of a line towards an incomplete period."""
    joined = (
        place > 0
        and np.isfinite(values[place - 1])
        and span.starts[place] <= span.ends[place - 1] + 1e-9
    )
    begin = place - 1 if joined else place
    ax.plot(
        span.middles[begin : place + 1],
        values[begin : place + 1],
        color=color,
        linewidth=size,
        dashes=(1.2, 1.6),
        dash_capstyle="round",
        marker="o",
        markevery=[place - begin],
        markersize=2.6 * size,
        markerfacecolor=current_theme().ground,
        markeredgecolor=color,
        markeredgewidth=0.7 * size,
    )


def _draw_lines(
    ax: Axes,
    table: Lines,
    layout: AxesLayout,
    tick: Callable[..., str],
    *,
    most: float,
) -> AxesLayout:
    """Draw all lines, with labels beside their last points.

    `most` is the highest valid value: 1 for a share, or infinity.
    """
    for part, values in reversed(list(zip(table.series, table.values, strict=True))):
        draw_line(ax, table.span, values, line_color(part), part.name)
    inside = layout.inside()
    top = table.top or min(0.1 * most, 1.0)
    set_value_axis(ax, most if top > 0.8 * most else top, inside.height, tick)
    set_time_axis(ax, table.span, inside.width, measure_axes(ax).date_width)
    return layout._replace(heights=np.nan_to_num(table.last).tolist())


def describe_lines(table: Lines, write: Callable[[Figure], str]) -> list[str]:
    """Describe the time range, and the last, lowest and highest value of each line."""
    facts = []
    lines = zip(table.series, table.values, table.last, table.bounds, strict=True)
    for part, row, last, bound in lines:
        known = row[np.isfinite(row)]
        if not len(known):
            facts.append(f"{shorten(part.name)} {UNKNOWN_TEXT}")
            continue
        end, low, high = (
            write(Figure(float(value), bound))
            for value in (last, known.min(), known.max())
        )
        between = f" (between {low} and {high})" if low != high else ""
        facts.append(f"{shorten(part.name)} {end} at the end{between}")
    return [table.span.format_range(), "; ".join(facts[:_MAX_DESCRIBED])]


_FEW = 20  # calls; a rate of fewer is written, and not drawn


def draw_ratio(
    ax: Axes,
    data: ChartData,
    *,
    subtitle: str = "",
    detail: str = "",
    missing: str = "",
    excess: str = "",
    of: str = "",
    transform: Callable[[pl.Expr], pl.Expr] = lambda ratio: ratio,
) -> AxesLayout:
    """Draw the first ratio of a metric.

    Lines on an axis that starts at zero, broken where the value is unknown, dashed
    towards an incomplete period; names at the right edge or in a legend. With more than
    six series the smaller ones are grouped as one; their ratio is computed from sums.
    Without periods each series is a horizontal bar, the highest at the top; a rate of
    calls has an interval of 95%. If the metric has keys, its series are summed, and
    there is a line for each key. Impossible shares (above 100%) are counted in the
    note, and not drawn.

    `detail` is the second part of the subtitle, `missing` is what calls lack that are
    not included, `excess` is why a share is above 1, which is not drawn, and `of` is
    the text after the value of a bar. `transform` computes the value from numerator /
    denominator.
    """
    spec = data.spec
    measure = next(one for one in spec.drawn if one.part is not None)
    rows, names = data.dated, data.by
    if spec.keys:
        names = list(spec.key_names)
        data = data._replace(by=[spec.keys[0].title])
        rows = rows.drop("folded", strict=False)
        note = format_missing(data, measure, missing)  # calls have several rows
    else:
        note = build_note(data, measure, missing)
    of = of or _format_parts(spec, measure)
    is_rate = measure.is_share and "call" in of and not spec.keys
    weight, lone = pl.col(spec.main), f"all {unit_noun(measure.of)}s"
    most = None if data.zone is not None else max_rows(ax)
    series, placed = fold_series(rows, names, weight, most=most, lone=lone)
    table, above = _drop_above(_compute_ratios(placed, measure, transform), measure)
    note += [f"{above} ({excess})" if excess else above] if above else []
    what, details = subtitle or capitalize(measure.title), [detail] if detail else []
    if table["value"].is_finite().any():
        series, table, unknown = drop_unknown(series, table, name_lack(measure))
        note += unknown
    if data.zone is None:
        text = build_text(data, note, what, *details)
        bars = _build_bars(series, table, measure, of, is_rate=is_rate)
        return draw_bars(ax, text, bars, tick_of(measure))
    start_axes(ax)
    span = None if rows.is_empty() else build_span(rows)
    what += format_single(ax, series) if data.by else ""
    if len(table) and is_rate:
        calls = format_count(float(np.median(table["~whole"])), "short")
        note.append(f"median of {calls} calls per point")
    text = build_text(data, note, what, *details, span=span, mark="Dashed")
    if span is None or not table["value"].is_finite().any():
        return draw_empty(ax, text, NOT_REPORTED if span else no_rows(data))
    lines = build_lines(series, table, measure, span)
    layout = write_text(ax, text, parts=series if len(series) > 1 else [])
    write = partial(format_value, measure, words=True)
    set_alt_text(ax, "Lines", text, describe_lines(lines, write))
    highest = 1.0 if measure.is_share else inf
    return _draw_lines(ax, lines, layout, tick_of(measure), most=highest)


def perplexity(mean: pl.Expr) -> pl.Expr:
    """Return the perplexity of a mean of logprobs."""
    return (-mean).exp()


def _drop_above(table: pl.DataFrame, measure: Measure) -> tuple[pl.DataFrame, str]:
    """Set shares above 1, which are impossible, to null; return how many they are."""
    is_above = (pl.col("value") > 1) & pl.lit(measure.is_share)
    above = table.filter(is_above).height
    value = pl.when(~is_above).then("value").alias("value")
    return table.with_columns(value), f"above 100%: {plural(above, 'value')}" * (
        above > 0
    )


def _format_parts(spec: MetricSpec, measure: Measure) -> str:
    """Return a format of numerator and denominator, after the value of a bar."""
    roots = [] if measure.whole is None else measure.whole.meta.root_names()
    unit = f" {unit_noun(spec[roots[0]].unit)}s" if roots else ""
    return "{part} of {whole}" + unit if measure.is_share else "{part} / {whole}" + unit


def _compute_ratios(
    rows: pl.DataFrame,
    measure: Measure,
    transform: Callable[[pl.Expr], pl.Expr],
) -> pl.DataFrame:
    """Compute `value` for each period and series, and how many it does not include.

    Numerators and denominators are summed where the ratio is known.
    """
    keys = [name for name in LEADING_COLUMNS if name in rows.columns]
    known = pl.col(measure.name).is_not_null()
    part, whole = pl.col("~part"), pl.col("~whole")
    divisor = pl.lit(1) if measure.whole is None else measure.whole
    return (
        rows.group_by(*keys, "series", maintain_order=True)
        .agg(
            pl.col(str(measure.part))
            .cast(pl.Float64)
            .filter(known)
            .sum()
            .alias("~part"),
            divisor.cast(pl.Float64).filter(known).sum().alias("~whole"),
            count_unseen(measure, rows).sum(),
        )
        .with_columns(pl.when(whole > 0).then(transform(part / whole)).alias("value"))
    )


def _build_bars(
    series: Sequence[Series],
    table: pl.DataFrame,
    measure: Measure,
    of: str,
    *,
    is_rate: bool,
) -> list[Row]:
    """Return a bar for each series, the highest first, with what its ratio is of."""
    few = is_rate and (table["~whole"].max() or 0) >= _FEW  # type: ignore[operator] # a count
    bars = []
    for row in table.sort("value", descending=True, nulls_last=True).to_dicts():
        one, value, between = series[row["series"]], row["value"], None
        if value is None or not isfinite(value):
            bars.append((row, Row(one.name, nan, one.color, UNKNOWN_TEXT)))
            continue
        bound = measure.bound if row["~unseen"] else "exact"
        shown = format_value(measure, Figure(value, bound), words=False)
        parts = {
            name: format_count(row[f"~{name}"], "short") for name in ("part", "whole")
        }
        if few and row["~whole"] < _FEW:
            value = nan
        elif is_rate:
            between = _wilson_interval(row["~part"], row["~whole"])
        more = f"· {of.format(**parts)}"
        bar = Row(one.name, value, one.color, shown, more, between=between)
        bars.append((row, bar))
    rest = [at for at, one in enumerate(series) if one.folded]
    return [bar for row, bar in sorted(bars, key=lambda bar: bar[0]["series"] in rest)]


def _wilson_interval(part: float, whole: float) -> tuple[float, float]:
    """Return the range of a share that is likely (95%), from a count of so many.

    Examples
    --------
    >>> low, high = _wilson_interval(17, 443)
    >>> f"{low:.3f} to {high:.3f}"
    '0.024 to 0.061'
    """
    z, share = 1.96, part / whole
    middle, half = (
        share + z**2 / (2 * whole),
        z * sqrt(share * (1 - share) / whole + z**2 / (4 * whole**2)),
    )
    scale = 1 + z**2 / whole
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
