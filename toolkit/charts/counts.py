"""Charts of counts: calls of tools, and problems of a log."""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.rows import Row, draw_bars, max_rows
from toolkit.charts.series import divide_sums, fold_series, sum_measure
from toolkit.charts.style import current_theme
from toolkit.charts.text import count_tick, tick_of
from toolkit.charts.titles import (
    ChartText,
    capitalize,
    format_missing,
    format_title,
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
