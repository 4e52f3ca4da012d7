"""A heat map of calls: a cell for each hour of each weekday, Monday first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from matplotlib.ticker import MaxNLocator

from toolkit.charts.bars import draw_rectangles
from toolkit.charts.colors import mix
from toolkit.charts.layout import draw_empty, start_axes
from toolkit.charts.rows import finish_rows, lay_out_rows
from toolkit.charts.series import Series, read_frame
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
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.charts.time_axis import Numbers
    from toolkit.metrics.spec import MetricSpec

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_STEPS = 5  # of the legend
_HOUR_WIDTH = 36  # points of a label


def plot_response_volume(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw when calls are made: seven weekdays, Monday first, by 24 hours.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.response_volume`, with hours in its time zone.
        Several series are summed.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        A cell is darker the more calls began in it; an hour without a row is zero. The
        sum of a weekday is at its right.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `response_volume`.

    Examples
    --------
    >>> from toolkit.metrics import response_volume
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({}, {"created": None})  # a Thursday, at 00:00
    >>> plot_response_volume(response_volume(choices)).texts[0].get_text()
    '2 calls · not shown: 1 call without a date · busiest: Thu 00:00 (1 call)'
    """
    return draw_hours(frame, SPECS["response_volume"], ax)


def draw_hours(frame: pl.DataFrame, spec: MetricSpec, ax: Axes | None) -> Axes:
    """Draw the main measure of a metric whose keys are `weekday` and `hour`."""
    data, measure = read_frame(frame, spec), spec[spec.main]
    noun = unit_noun(measure.unit)
    dated = data.frame.drop_nulls(["weekday", "hour"])
    total, drawn = int(data.total(measure.name)), int(dated[measure.name].sum())
    counts = np.zeros((7, 24))
    cells = dated.group_by("weekday", "hour").agg(pl.col(measure.name).sum())
    at = cells["weekday"].cast(pl.Int64).to_numpy() - 1, cells["hour"].to_numpy()
    counts[at] = cells[measure.name]
    note = [plural(total, noun), *format_undated(total - drawn, noun)]
    what = capitalize(f"{measure.title} by weekday and hour of the day")
    text = ChartText(spec.title, what, note)
    ax = start_axes(ax, 3.6, "none")
    ax.spines[:].set_visible(False)
    if not drawn:
        return draw_empty(ax, text, no_rows(data), in_rows=True)
    day, hour = np.unravel_index(counts.argmax(), counts.shape)
    most = plural(int(counts.max()), noun)
    note.append(f"busiest: {_DAYS[day]} {hour:02}:00 ({most})")
    _draw_cells(ax, counts, text)
    sums = counts.sum(axis=1).astype(int).tolist()
    facts = ", ".join(
        f"{name} {format_count(n)}" for name, n in zip(_DAYS, sums, strict=True)
    )
    set_alt_text(ax, "Heat map", text, [facts])
    return ax


def _shade(share: float) -> str:
    """Return the colour of a share of the largest cell; zero is the faintest."""
    theme = current_theme()
    return mix(theme.ground, theme.ink, 0.05 + 0.9 * share)


def _draw_cells(ax: Axes, counts: Numbers, text: ChartText) -> None:
    """Draw the cells, the days at their left, their sums at the right."""
    top = counts.max()
    steps = MaxNLocator(_STEPS, steps=[1, 2, 5, 10], integer=True).tick_values(0, top)
    scale = [
        Series(format_count(step, "short"), _shade(step / top), current_theme().muted)
        for step in steps
        if step <= top
    ]
    sums = [format_count(value, "short") for value in counts.sum(axis=1)]
    layout = lay_out_rows(ax, text, _DAYS, parts=scale, ends=sums)
    for count in np.unique(counts):
        days, hours = np.nonzero(counts == count)
        draw_rectangles(
            ax, hours, days - 0.5, 1, 1, color=_shade(count / top), edge=1.2
        )
    ax.set(xlim=(0, 24), ylim=(6.5, -0.5), yticks=[])
    room = layout.inside().width / _HOUR_WIDTH
    step = next((n for n in (1, 2, 3, 6) if 24 / n <= room), 12)
    hours = np.arange(0, 24, step)
    ax.set_xticks(hours + 0.5, [f"{hour:02}:00" for hour in hours])
    finish_rows(ax, _DAYS, layout, ends=sums)
