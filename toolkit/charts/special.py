"""Charts that one metric each has: problems, causes, hours of the week, versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.charts import titles
from toolkit.charts.colors import mix
from toolkit.charts.layout import measure_axes, set_value_axis
from toolkit.charts.rows import Mark, Row, draw_rows, max_rows
from toolkit.charts.series import format_key, shades_of, sum_measure
from toolkit.charts.style import current_theme
from toolkit.charts.text import tick_of
from toolkit.charts.time_axis import elapsed_days, set_moment_axis, time_zone
from toolkit.errors import plural
from toolkit.expressions.model_families import model_family
from toolkit.formatting.dates import WEEKDAYS
from toolkit.formatting.text import (
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
_HOUR_WIDTH = 36  # points of a label
_REQUESTED = "requested_model"
_SEEN = ("first_seen", "last_seen")
_OPTIONAL = {_REQUESTED: pl.String, "differs": pl.Boolean, "undated": pl.Int64}
_MIN_SHARE = 0.008  # of the width; of the shortest bar


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


def draw_timeline(ax: Axes, data: ChartData) -> Bbox:
    """Draw when each row of a metric was seen.

    A bar from the first to the last response of each model version, in the colour of
    its model, the first seen at the top. Where a model of another family was requested,
    its name is at the end. If there are too many rows, those with the fewest calls are
    left out and counted in the note.
    """
    spec, noun = data.spec, titles.unit_noun(data.spec[data.spec.main].unit)
    rows = _merge_versions(data)
    dated, first = rows.drop_nulls("first_seen"), pl.col("version").list.first()
    shown = dated.sort("count", descending=True, maintain_order=True)
    began = pl.col("first_seen").min().over(first)
    shown = shown.head(max_rows(ax)).sort(began, first, *_SEEN, maintain_order=True)
    note = [plural(int(rows["count"].sum()), noun)]
    note += titles.format_undated(int(rows["undated"].sum() or 0), noun)
    if left := len(dated) - len(shown):
        note.append(f"{format_count(left)} less frequent versions not shown")
    zone = titles.format_zone(time_zone(data.frame, "first_seen"))
    text = titles.ChartText(spec.title, f"First to last response ({zone})", note)
    starts, ends = (elapsed_days(shown[name]) for name in _SEEN)
    if len(shown):
        ends = np.maximum(ends, starts + _MIN_SHARE * (ends.max() - starts.min()))
    colors = shades_of([format_key(row[0]) for row in shown["version"]], "model")
    bars = [
        Row(
            _name_version(row["version"]),
            _format_end(row, noun),
            [Mark(start, end, color.fill)],
        )
        for row, start, end, color in zip(
            shown.iter_rows(named=True), starts, ends, colors, strict=True
        )
    ]

    def set_axis(width: float) -> None:
        set_moment_axis(ax, shown, width, measure_axes(ax).date_width)

    look: dict[str, Any] = {"kind": "Bars over time", "aligned": True, "lines": 2}
    return draw_rows(
        ax, text, bars, set_axis=set_axis, empty=titles.no_rows(data), **look
    )


def _merge_versions(data: ChartData) -> pl.DataFrame:
    """Return a row for each version, and for each other model that was requested."""
    keys = data.spec.key_names or data.by
    version = [pl.col(key).cast(pl.String) for key in keys if key != _REQUESTED]
    count = pl.col(data.spec.main).alias("count")
    none = pl.DataFrame(schema=_OPTIONAL)
    frame = pl.concat([data.frame, none], how="diagonal")
    rows = frame.select(
        pl.concat_list(version).alias("version"), count, *_OPTIONAL, *_SEEN
    )
    asked, model = pl.col(_REQUESTED), pl.col("version").list.first()
    is_other = pl.col("differs") & (model_family(asked) != model_family(model))
    return rows.group_by(
        "version", pl.when(is_other).then(_REQUESTED), maintain_order=True
    ).agg(
        pl.col("count", "undated").sum(),
        pl.col("first_seen").min(),
        pl.col("last_seen").max(),
    )


def _name_version(version: list[str | None]) -> str:
    """Return the name of a version: its model, and what is not usual."""
    model, *others = version
    unusual = [part for part in others if part not in {None, "default"}]
    return " · ".join(map(format_key, [model, *unusual]))


def _format_end(row: dict[str, Any], noun: str) -> str:
    """Format the count of a row, and the model that was requested if it is another."""
    count, asked = plural(row["count"], noun), row[_REQUESTED]
    return f"{count}, requested: {asked}" if asked is not None else count
