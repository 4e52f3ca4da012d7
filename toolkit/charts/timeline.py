"""A timeline: a bar from the first to the last response of each model version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from toolkit.charts import titles
from toolkit.charts.layout import measure_axes
from toolkit.charts.rows import Mark, Row, draw_rows, max_rows
from toolkit.charts.series import format_key, shades_of
from toolkit.charts.time_axis import elapsed_days, set_moment_axis, time_zone
from toolkit.errors import plural
from toolkit.expressions.model_families import model_family
from toolkit.formatting.text import format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

    from toolkit.charts.series import ChartData

_REQUESTED = "requested_model"
_SEEN = ("first_seen", "last_seen")
_OPTIONAL = {_REQUESTED: pl.String, "differs": pl.Boolean, "undated": pl.Int64}
_MIN_SHARE = 0.008  # of the width; of the shortest bar


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
