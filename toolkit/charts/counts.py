"""Charts of counts: calls of tools, problems of a log, and calls by hour."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from matplotlib.colors import LinearSegmentedColormap

from toolkit.charts.colors import mix
from toolkit.charts.layout import draw_empty
from toolkit.charts.rows import (
    Row,
    draw_bars,
    finish_rows,
    lay_out_rows,
    max_rows,
    start_rows,
)
from toolkit.charts.series import divide_sums, fold_series, sum_measure
from toolkit.charts.style import current_theme
from toolkit.charts.text import count_tick, tick_of
from toolkit.charts.titles import (
    ChartText,
    capitalize,
    format_missing,
    format_title,
    format_undated,
    no_rows,
    set_alt_text,
    unit_noun,
)
from toolkit.errors import plural
from toolkit.formatting.figures import UNKNOWN
from toolkit.formatting.text import (
    UNKNOWN_TEXT,
    format_count,
    format_share,
    format_usd,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import ChartData

# Counts of a ledger that are no problem, or that the codes of rejects break down.
_NO_PROBLEM = ("lines", "responses", "chunks", "choices", "rejected", "errors")
_MAX_BARS = 16


def draw_counts(
    ax: Axes,
    data: ChartData,
    *,
    subtitle: str = "",
    noun: str = "",
    fault: str = "",
    faults: str = "",
    missing: str = "",
) -> AxesLayout:
    """Draw the sums of the main measure.

    A bar for each key of the metric, or for each series, the largest at the top; all
    periods are summed, and undated responses too. Of a ratio of the main measure the
    numerator is orange, and the share is at the end.

    `fault` and `faults` name that part, and `missing` what it does not include.
    """
    spec, measure = data.spec, data.spec[data.spec.main]
    noun, names = noun or unit_noun(measure.unit), list(spec.key_names) or data.by
    ratio = next((one for one in spec.drawn if one.part not in {None, spec.main}), None)
    rows = data.frame.drop("folded", strict=False) if spec.keys else data.frame
    series, placed = fold_series(
        rows,
        names,
        pl.col(measure.name),
        most=min(_MAX_BARS, max_rows(ax)),
        lone=f"all {noun}s",
    )
    bars, theme = [], current_theme()
    for place, part in enumerate(series):
        of_series = placed.filter(series=place)
        figure = sum_measure(measure, of_series)
        length, end = nan, UNKNOWN_TEXT
        if figure.is_known:
            length = float(figure.number)
            end = (format_usd if measure.is_money else format_count)(figure)
        faulty = float(of_series[ratio.part].sum()) if ratio and ratio.part else 0.0
        share = divide_sums(ratio, of_series) if ratio and faulty else UNKNOWN
        more = f"· {format_share(share)} {fault}" if share.is_known else ""
        color = theme.pale if part.folded else theme.soft
        bars.append(Row(part.name, length, color, end, more, faulty))
    note = [plural(int(data.total(measure.name)), noun)]
    if any(bar.faulty for bar in bars):
        note.append(f"orange: {faults}")
    note += format_missing(data, ratio, missing) if ratio else []
    if "period" in data.frame.columns and len(data.frame):
        note.append("all periods together")
    what = subtitle or capitalize(measure.title)
    text = ChartText(format_title(spec.title, names), what, note)
    tick = tick_of(measure)
    return draw_bars(ax, text, bars, tick, whole=True, empty=f"no {noun}s")


def draw_health(ax: Axes, data: ChartData) -> AxesLayout:
    """Draw the problems of logs.

    A bar for each problem that occurs, with its share: rejects in orange, then
    findings, then counts of the ledger.
    """
    theme = current_theme()
    colors = {"reject": theme.warn, "finding": theme.soft, "ledger": theme.pale}
    rows = data.frame.filter(
        pl.col("count") > 0,
        (pl.col("kind") != "ledger") | ~pl.col("name").is_in(_NO_PROBLEM),
    ).sort(pl.col("kind").cast(pl.Enum(list(colors))), -pl.col("count"), "name")
    most = max_rows(ax)
    bars = [
        Row(
            f"{row['name']}".replace("_", " "),
            row["count"],
            colors[row["kind"]],
            format_count(row["count"]),
            f"· {format_share(row['count'] / row['of'])} of {format_count(row['of'])}"
            if row["of"]
            else "",
        )
        for row in rows.head(most).iter_rows(named=True)
    ]
    rejects, findings = (
        rows.filter(pl.col("kind") == kind)["count"] for kind in ("reject", "finding")
    )
    note = [
        f"{plural(int(rejects.sum()), 'rejected line')} (orange)",
        f"{plural(len(findings), 'kind')} of findings (grey)",
    ]
    if len(rows) > most:
        note.append(f"{format_count(len(rows) - most)} more not shown")
    lines = data.frame.filter(pl.col("kind") == "reject")["of"].max()
    of = f" in {plural(lines, 'line')}" if isinstance(lines, int) else ""
    text = ChartText(data.spec.title, f"Rejected lines and findings{of}", note)
    return draw_bars(ax, text, bars, count_tick, whole=True, empty="no problems found")


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HEIGHT = 5  # rows of a figure: the seven are a little lower than others
_HOUR_WIDTH = 36  # points of a label


def draw_hours(ax: Axes, data: ChartData) -> AxesLayout:
    """Draw the main measure of a metric whose keys are `weekday` and `hour`.

    Seven weekdays, Monday first, by 24 hours. A cell is darker the more calls began in
    it; an hour without a row is zero. The sum of a weekday is at its right. Several
    series are summed.
    """
    measure = data.spec[data.spec.main]
    noun = unit_noun(measure.unit)
    dated = data.frame.drop_nulls(["weekday", "hour"])
    total, drawn = int(data.total(measure.name)), int(dated[measure.name].sum())
    counts = np.zeros((7, 24))
    cells = dated.group_by("weekday", "hour").agg(pl.col(measure.name).sum())
    at = cells["weekday"].cast(pl.Int64).to_numpy() - 1, cells["hour"].to_numpy()
    counts[at] = cells[measure.name]
    note = [plural(total, noun), *format_undated(total - drawn, noun)]
    what = capitalize(
        f"{measure.title} by weekday and hour of the day; stronger is more"
    )
    text = ChartText(data.spec.title, capitalize(what), note)
    start_rows(ax, _HEIGHT, "none")
    ax.spines[:].set_visible(False)
    if not drawn:
        return draw_empty(ax, text, no_rows(data), in_rows=True)
    day, hour = np.unravel_index(counts.argmax(), counts.shape)
    most = plural(int(counts.max()), noun)
    note.append(f"busiest: {_DAYS[day]} {hour:02}:00 ({most})")
    sums = [format_count(value, "short") for value in counts.sum(axis=1)]
    layout = lay_out_rows(ax, text, _DAYS, ends=sums)
    theme = current_theme()
    pale, strong = (mix(theme.ground, theme.ink, share) for share in (0.05, 0.95))
    shades = LinearSegmentedColormap.from_list("calls", [pale, strong])
    look: dict[str, Any] = {"cmap": shades, "vmin": 0, "edgecolor": theme.ground}
    edges = np.arange(25), np.arange(8) - 0.5
    ax.pcolormesh(*edges, counts, linewidth=1.2, **look)
    ax.set(xlim=(0, 24), ylim=(6.5, -0.5))
    room = layout.inside().width / _HOUR_WIDTH
    step = next((n for n in (1, 2, 3, 6) if 24 / n <= room), 12)
    hours = np.arange(0, 24, step)
    ax.set_xticks(hours + 0.5, [f"{hour:02}:00" for hour in hours])
    finish_rows(ax, _DAYS, ends=sums)
    whole = counts.sum(axis=1).astype(int).tolist()
    days = zip(_DAYS, whole, strict=True)
    facts = ", ".join(f"{name} {format_count(calls)}" for name, calls in days)
    set_alt_text(ax, "Heat map", text, [facts])
    return layout
