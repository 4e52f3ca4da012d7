"""When the calls are made: a cell for each hour of each weekday, Monday first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from matplotlib.ticker import MaxNLocator

from toolkit.charts.alt_text import tell
from toolkit.charts.bars import AXIS_ROOM, name_room, write_row_names
from toolkit.charts.layout import (
    GAP,
    Words,
    draw_nothing,
    new_axes,
    place_of,
    undress,
    write_words,
)
from toolkit.charts.series import Metric, Series, read
from toolkit.charts.style import mix, now
from toolkit.charts.text import short_number, text_width, write
from toolkit.errors import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.charts.time_axis import Numbers

_VOLUME = Metric("response_volume", ("responses",), "responses", ("weekday", "hour"))
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_STEPS = 5  # of the scale that is shown, at most


def plot_response_volume(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw when calls are made: seven weekdays, Monday first, by 24 hours.

    Parameters
    ----------
    frame
        As `toolkit.metrics.response_volume` returns it, hours in the zone that was
        asked for. Several series are taken together.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        A cell is the stronger the more calls began in it; an hour without a row is a
        zero. The sum of a weekday stands at its right.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `response_volume`.

    Examples
    --------
    >>> volume = pl.DataFrame(
    ...     {"weekday": [1, None], "hour": [9, None], "responses": [5, 2]},
    ...     schema_overrides={"weekday": pl.Int8, "hour": pl.Int8},
    ... )
    >>> plot_response_volume(volume).texts[0].get_text()
    '7 calls · 2 undated, not drawn · most on Mon at 09:00: 5'
    """
    given = read(frame, _VOLUME)
    dated = given.frame.drop_nulls(["weekday", "hour"])
    total, drawn = int(given.total("responses")), int(dated["responses"].sum())
    counts = np.zeros((7, 24))
    cells = dated.group_by("weekday", "hour").agg(pl.col("responses").sum())
    at = cells["weekday"].cast(pl.Int64).to_numpy() - 1, cells["hour"].to_numpy()
    counts[at] = cells["responses"]
    note = [plural(total, "call")]
    if total > drawn:
        note.append(f"{total - drawn:,} undated, not drawn")
    ax = new_axes(3.6) if ax is None else ax
    undress(ax, "none")
    ax.spines[:].set_visible(False)
    subtitle = "calls by weekday and hour of the day"
    if not drawn:
        words = Words("When calls are made", subtitle, note)
        draw_nothing(
            ax, "no dated responses", write_words(ax, words, hanging=0, below=AXIS_ROOM)
        )
        tell(ax, "An empty chart", words, ["no dated responses"])
        return ax
    day, hour = np.unravel_index(counts.argmax(), counts.shape)
    most = f"most on {_DAYS[day]} at {hour:02}:00: {int(counts.max()):,}"
    words = Words("When calls are made", subtitle, [*note, most])
    _draw_cells(ax, counts, words)
    sums = counts.sum(axis=1).astype(int)
    facts = ", ".join(f"{name} {n:,}" for name, n in zip(_DAYS, sums, strict=True))
    tell(ax, "A heat map", words, [facts])
    return ax


def _shade(share: float) -> str:
    """Return the colour of a share of the largest cell; zero is the faintest."""
    theme = now()
    strong = mix(theme.palette[0], theme.ink, 0.25)
    return mix(theme.faint, strong, share**0.8)


def _draw_cells(ax: Axes, counts: Numbers, words: Words) -> None:
    """Draw the cells, the days at their left, their sums at the right."""
    place, top = place_of(ax, 0), counts.max()
    style = place.texts.words
    left = name_room(_DAYS, place)
    steps = MaxNLocator(_STEPS, steps=[1, 2, 5, 10], integer=True).tick_values(0, top)
    scale = [
        Series(short_number(step), _shade(step / top)) for step in steps if step <= top
    ]
    room = write_words(
        ax, words, parts=scale, left=left, hanging=0, below=AXIS_ROOM, legend=True
    )
    sums = [short_number(value) for value in counts.sum(axis=1)]
    room = room._replace(right=GAP + max(text_width(text, style) for text in sums))
    colors = np.array([[_shade(n / top) for n in row] for row in counts])
    for day in range(7):
        ax.bar(
            np.arange(24),
            1,
            width=1,
            bottom=day - 0.5,
            align="edge",
            color=colors[day].tolist(),
            edgecolor=now().ground,
            linewidth=1.2,
            label=_DAYS[day],
        )
        write(
            ax,
            sums[day],
            style,
            (1, day),
            (GAP, 0),
            "left center_baseline",
            coords=("axes fraction", "data"),
        )
    ax.set(xlim=(0, 24), ylim=(6.5, -0.5), yticks=[])
    each = next(
        n for n in (1, 2, 3, 6, 12) if 24 / n * 36 <= room.inside().width or n == 12
    )
    hours = np.arange(0, 24, each)
    ax.set_xticks(hours + 0.5, [f"{hour:02}:00" for hour in hours])
    write_row_names(ax, _DAYS, left, place)
    room.keep()
