"""Charts of counts and amounts in rows: tools, problems, causes, and calls by hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.charts import titles
from toolkit.charts.colors import mix
from toolkit.charts.layout import set_value_axis
from toolkit.charts.rows import Mark, Row, draw_rows, max_rows
from toolkit.charts.series import divide_sums, fold_series, sum_measure
from toolkit.charts.style import current_theme
from toolkit.charts.text import format_value, tick_of
from toolkit.errors import plural
from toolkit.formatting.dates import WEEKDAYS
from toolkit.formatting.figures import UNKNOWN
from toolkit.formatting.text import (
    UNKNOWN_TEXT,
    capitalize,
    format_count,
    format_share,
    format_usd,
    join_words,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

    from toolkit.charts.series import ChartData

# Counts of a ledger that are no problem, or that the codes of rejects break down.
_NO_PROBLEM = ("lines", "responses", "chunks", "choices", "rejected", "errors")
_MAX_BARS = 16
_HOUR_WIDTH = 36  # points of a label


def draw_counts(
    ax: Axes,
    data: ChartData,
    *,
    subtitle: str = "",
    noun: str = "",
    fault: str = "",
    faults: str = "",
    missing: str = "",
) -> Bbox:
    """Draw the sums of the main measure.

    A bar for each key of the metric, or for each series, the largest at the top; all
    periods are summed, and undated responses too. Of a ratio of the main measure the
    numerator is orange, and the share is at the end.

    `fault` and `faults` name that part, and `missing` what it does not include.
    """
    spec, measure = data.spec, data.spec[data.spec.main]
    noun = noun or titles.unit_noun(measure.unit)
    names = list(spec.key_names) or data.by
    ratio = next((one for one in spec.drawn if one.part not in {None, spec.main}), None)
    rows = data.frame.drop("folded", strict=False) if spec.keys else data.frame
    weight, most = pl.col(measure.name), min(_MAX_BARS, max_rows(ax))
    series, placed = fold_series(rows, names, weight, most=most, lone=f"all {noun}s")
    bars, theme = [], current_theme()
    for place, part in enumerate(series):
        of_series = placed.filter(series=place)
        figure = sum_measure(measure, of_series)
        if not figure.is_known:
            bars.append(Row(part.name, UNKNOWN_TEXT))
            continue
        end = format_value(measure, figure, words=False)
        faulty = float(of_series[ratio.part].sum()) if ratio and ratio.part else 0.0
        length = float(figure.number)
        marks = [Mark(0, length - faulty, theme.pale if part.folded else theme.soft)]
        marks += [Mark(length - faulty, length, theme.warn)] if faulty else []
        share = divide_sums(ratio, of_series) if ratio and faulty else UNKNOWN
        more = f"· {format_share(share)} {fault}" if share.is_known else ""
        bars.append(Row(part.name, end, marks, more))
    note = [plural(int(data.total(measure.name)), noun)]
    note += [f"orange: {faults}"] if any(len(bar.marks) > 1 for bar in bars) else []
    note += titles.format_missing(data, ratio, missing) if ratio else []
    if "period" in data.frame.columns and len(data.frame):
        note.append("all periods together")
    what = subtitle or capitalize(measure.title)
    text = titles.ChartText(titles.format_title(spec.title, names), what, note)
    return draw_rows(ax, text, bars, tick=tick_of(measure), empty=f"no {noun}s")


def draw_health(ax: Axes, data: ChartData) -> Bbox:
    """Draw the problems of logs.

    A bar for each problem that occurs, with its share: rejects in orange, then
    findings, then counts of the ledger.
    """
    theme, most = current_theme(), max_rows(ax)
    colors = {"reject": theme.warn, "finding": theme.soft, "ledger": theme.pale}
    rows = data.frame.filter(
        pl.col("count") > 0,
        (pl.col("kind") != "ledger") | ~pl.col("name").is_in(_NO_PROBLEM),
    ).sort(pl.col("kind").cast(pl.Enum(list(colors))), -pl.col("count"), "name")
    bars = []
    for row in rows.head(most).iter_rows(named=True):
        count, of, more = row["count"], row["of"], ""
        if of:
            more = f"· {format_share(count / of)} of {format_count(of)}"
        marks = [Mark(0, count, colors[row["kind"]])]
        name = str(row["name"]).replace("_", " ")
        bars.append(Row(name, format_count(count), marks, more))
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
    text = titles.ChartText(data.spec.title, f"Rejected lines and findings{of}", note)
    tick = tick_of(data.spec[data.spec.main])
    return draw_rows(ax, text, bars, tick=tick, empty="no problems found")


def draw_change(ax: Axes, data: ChartData) -> Bbox:
    """Draw by how much each cause changed the known cost.

    A bar for each cause, the largest at the top and dark: to the right if it raised the
    cost, to the left if it lowered it. All series are summed. The note names causes
    without an effect, and how many calls have no known price.
    """
    spec, rows, theme = data.spec, data.frame, current_theme()
    whole, *effects = spec.drawn
    before, now = (sum_measure(spec[name], rows) for name in ("cost_before", "cost"))
    what, why = "US dollars", "no calls"
    note: list[str] = []
    bars: list[Row] = []
    if not rows.is_empty() and rows[whole.name].is_null().all():
        is_open = rows["cost_before"].is_null().all()
        why = "the cost before is not known" if is_open else titles.why_unknown(whole)
    elif not rows.is_empty():
        why = "no change"
        sums = {effect.title: float(rows[effect.name].sum()) for effect in effects}
        for title, value in sorted(sums.items(), key=lambda item: -abs(item[1])):
            color = theme.soft if bars else theme.ink
            marks = [Mark(0, value, color)]
            bars += [Row(title, format_usd(value, signed=True), marks)] if value else []
        idle = [title for title, value in sums.items() if not value]
        note = [f"no effect: {join_words(idle)}"] if idle else []
        unpriced, calls = (
            int(rows[name].sum()) for name in ("responses_unpriced", "responses")
        )
        if unpriced:
            note.append(f"{unpriced:,} of {plural(calls, 'call')} have no known price")
        costs = [format_usd(figure, words=True) for figure in (before, now)]
        change = format_usd(now - before, words=True, signed=True)
        what = f"Known cost in US dollars: {costs[0]} before, {costs[1]} now, {change}"

    def set_axis(width: float) -> None:
        reach = 1.04 * max(abs(bar.marks[0].end) for bar in bars)
        set_value_axis(ax, reach, width, tick_of(whole), axis="x")
        ax.set_xlim(-reach, reach)
        ax.spines["left"].set_position(("data", 0))

    text = titles.ChartText(spec.title, what, note)
    return draw_rows(ax, text, bars, set_axis=set_axis, empty=why, aligned=True)


def draw_hours(ax: Axes, data: ChartData) -> Bbox:
    """Draw the main measure of a metric whose keys are `weekday` and `hour`.

    Seven weekdays, Monday first, by 24 hours. A cell is darker the more calls began in
    it; an hour without a row is zero. The sum of a weekday is at its right. Several
    series are summed.
    """
    measure, theme = data.spec[data.spec.main], current_theme()
    noun = titles.unit_noun(measure.unit)
    dated = data.frame.drop_nulls(["weekday", "hour"])
    total, drawn = int(data.total(measure.name)), int(dated[measure.name].sum())
    counts = np.zeros((7, 24), dtype=int)
    at = dated["weekday"].cast(pl.Int64).to_numpy() - 1, dated["hour"].to_numpy()
    np.add.at(counts, at, dated[measure.name].fill_null(0).to_numpy())
    note = [plural(total, noun), *titles.format_undated(total - drawn, noun)]
    title = capitalize(measure.title)
    what = f"{title} by weekday and hour of the day; stronger is more"
    text = titles.ChartText(data.spec.title, what, note)
    rows = []
    if drawn:
        day, hour = np.unravel_index(counts.argmax(), counts.shape)
        most = plural(int(counts.max()), noun)
        note.append(f"busiest: {WEEKDAYS[day]} {hour:02}:00 ({most})")
        shares = 0.05 + 0.9 * counts / counts.max()
        for name, of_day, row in zip(WEEKDAYS, counts, shares, strict=True):
            colors = (mix(theme.ground, theme.ink, share) for share in row.tolist())
            cells = [
                Mark(hour, hour + 1, color, f"{name} {hour:02}:00", height=1)
                for hour, color in enumerate(colors)
            ]
            rows.append(Row(name, format_count(int(of_day.sum()), "short"), cells))

    def set_axis(width: float) -> None:
        room = width / _HOUR_WIDTH
        step = next((n for n in (1, 2, 3, 6) if 24 / n <= room), 12)
        hours = np.arange(0, 24, step)
        ax.set_xticks(hours + 0.5, [f"{hour:02}:00" for hour in hours])
        ax.set(xlim=(0, 24), ylim=(6.5, -0.5))

    empty, kind = titles.no_rows(data), "Heat map"
    look: dict[str, Any] = {"empty": empty, "kind": kind, "aligned": True}
    return draw_rows(ax, text, rows, set_axis=set_axis, **look)
