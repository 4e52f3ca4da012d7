"""A timeline: a bar from the first to the last response of each model version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.charts.layout import draw_empty, measure_axes
from toolkit.charts.rows import (
    MAX_DESCRIBED,
    THICKNESS,
    finish_rows,
    lay_out_rows,
    max_rows,
    start_rows,
)
from toolkit.charts.series import format_key, shades_of
from toolkit.charts.style import current_theme, solid
from toolkit.charts.time_axis import elapsed_days, set_moment_axis, time_zone
from toolkit.charts.titles import (
    ChartText,
    format_undated,
    format_zone,
    no_rows,
    set_alt_text,
    shorten,
    unit_noun,
)
from toolkit.errors import plural
from toolkit.expressions.model_families import model_family
from toolkit.formatting.dates import format_day
from toolkit.formatting.text import format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import ChartData

_REQUESTED = "requested_model"
_SEEN = ("first_seen", "last_seen")
_OPTIONAL = {_REQUESTED: pl.String, "differs": pl.Boolean, "undated": pl.Int64}
_MIN_WIDTH = 3.0  # points of a bar


def draw_timeline(ax: Axes, data: ChartData) -> AxesLayout:
    """Draw when each row of a metric was seen.

    A bar from the first to the last response of each model version, in the colour of
    its model, the first seen at the top. Where a model of another family was requested,
    its name is at the end. If there are too many rows, those with the fewest calls are
    left out and counted in the note.
    """
    spec, zone = data.spec, time_zone(data.frame, "first_seen")
    version = [key for key in spec.key_names or data.by if key != _REQUESTED]
    rows = data.frame.select(
        pl.concat_list(pl.col(version).cast(pl.String)).alias("version"),
        pl.col(spec.main).alias("count"),
        *(_column(data, name, dtype) for name, dtype in _OPTIONAL.items()),
        *_SEEN,
    )
    first, asked = pl.col("version").list.first(), pl.col(_REQUESTED)
    is_other = (model_family(asked) != model_family(first)).fill_null(value=False)
    rows = rows.with_columns(pl.col("differs").fill_null(value=False) & is_other)
    rows = rows.group_by(
        "version", pl.when("differs").then(_REQUESTED), "differs", maintain_order=True
    ).agg(
        pl.col("count", "undated").sum(),
        pl.col("first_seen").min(),
        pl.col("last_seen").max(),
    )
    dated = rows.drop_nulls("first_seen")
    shown = dated.sort("count", descending=True, maintain_order=True)
    began = pl.col("first_seen").min().over(first)
    shown = shown.head(max_rows(ax)).sort(began, first, *_SEEN, maintain_order=True)
    noun = unit_noun(spec[spec.main].unit)
    note = [plural(int(rows["count"].sum()), noun)]
    note += format_undated(int(rows["undated"].sum() or 0), noun)
    if left := len(dated) - len(shown):
        note.append(f"{format_count(left)} less frequent versions not shown")
    names, constant = _name_rows(shown)
    what = f"First to last response ({format_zone(zone)})"
    text = ChartText(spec.title, "; ".join([what, *constant]), note)
    start_rows(ax, len(shown))
    if shown.is_empty():
        return draw_empty(ax, text, no_rows(data), in_rows=True)
    ends = [_format_end(row, noun) for row in shown.iter_rows(named=True)]
    seen = shown.select(_SEEN).iter_rows()
    facts = [
        f"{shorten(name)} from {format_day(first)} to {format_day(last)}, {end}"
        for name, end, (first, last) in zip(names, ends, seen, strict=True)
    ]
    set_alt_text(ax, "Bars over time", text, facts[:MAX_DESCRIBED])
    return _draw_spans(ax, shown, text, names, ends)


def _column(data: ChartData, name: str, dtype: type[pl.DataType]) -> pl.Expr:
    """Return a column that a metric may have, else nulls."""
    column = pl.col(name) if name in data.frame.columns else pl.lit(None)
    return column.cast(dtype).alias(name)


def _name_rows(rows: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Return the names of rows, and the parts that all of them have in common."""
    columns = [*zip(*rows["version"].to_list(), strict=True)]
    differ = [at for at, column in enumerate(columns) if not at or len({*column}) > 1]
    common = [column[0] for column in columns[1:] if len({*column}) == 1 and column[0]]
    names = []
    for row in rows["version"]:
        others = (row[at] for at in differ[1:] if row[at] not in {None, "default"})
        names.append(" · ".join(map(format_key, (row[0], *others))))
    return names, [f"all: {', '.join(common)}"] if common and len(rows) > 1 else []


def _format_end(row: dict[str, Any], noun: str) -> str:
    """Format the count of a row, and the model that was requested if it is another."""
    plural_end = "s" * (row["count"] != 1)
    count = f"{format_count(row['count'], 'short')} {noun}{plural_end}"
    return f"{count}, requested: {row[_REQUESTED]}" if row["differs"] else count


def _draw_spans(
    ax: Axes, rows: pl.DataFrame, text: ChartText, names: list[str], ends: list[str]
) -> AxesLayout:
    """Draw a bar for each row between its first and its last response."""
    box = measure_axes(ax, 0)
    layout = lay_out_rows(ax, text, names, ends=ends, below=box.below)
    inside = layout.inside()
    set_moment_axis(ax, rows, inside.width, box.date_width)
    low, high = ax.get_xlim()
    firsts, lasts = (elapsed_days(rows[name]) for name in _SEEN)
    widths = np.maximum(lasts - firsts, _MIN_WIDTH * (high - low) / inside.width)
    shades = shades_of([format_key(row[0]) for row in rows["version"]], "model")
    for at, shade in enumerate(shades):
        look = solid(shade.fill)
        ax.barh(at, widths[at], THICKNESS, firsts[at], label=names[at], **look)
    ink = current_theme().ink
    inks = [ink if differs else None for differs in rows["differs"]]
    finish_rows(ax, names, ends=ends, colors=inks)
    return layout
