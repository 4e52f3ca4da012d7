"""A heat map of calls: a cell for each hour of each weekday, Monday first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from matplotlib.colors import LinearSegmentedColormap

from toolkit.charts.colors import mix
from toolkit.charts.layout import draw_empty
from toolkit.charts.rows import finish_rows, lay_out_rows, start_rows
from toolkit.charts.style import current_theme
from toolkit.charts.titles import (
    ChartText,
    capitalize,
    format_undated,
    no_rows,
    set_alt_text,
    unit_noun,
)
from toolkit.errors import plural
from toolkit.formatting.text import format_count

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import ChartData

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
