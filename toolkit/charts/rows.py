"""Rows with names at their left: the frame of bars, ranges, spans and heat maps."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from toolkit.charts.layout import (
    AXIS_ROOM,
    GAP,
    check_axes,
    measure_axes,
    start_axes,
    write_text,
)
from toolkit.charts.stacked import EDGE
from toolkit.charts.style import current_theme
from toolkit.charts.text import fit, text_width, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.patches import Rectangle

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import Series
    from toolkit.charts.time_axis import Numbers
    from toolkit.charts.titles import ChartText

_TEXT_HEIGHT = 146.0  # points above and below the rows of a new figure
_ROW = 24.0  # points from row to row, where there is room
_MIN_ROW = 14.0
_MAX_ROW = 42.0
_MIN_ROWS = 4  # that the axes have room for; keeps a single bar from filling them
_MAX_ROWS = 25  # of a new figure; one more is the rest
_ROWS = ("axes fraction", "data")  # coordinates of a text beside a row
_THICKNESS = 0.62  # of a bar, as a share of its row


def build_row_axes(rows: int, ax: Axes | None) -> Axes:
    """Return the given Axes, or a new one high enough for the rows; style it."""
    rows = max(_MIN_ROWS, min(rows, _MAX_ROWS + 1))
    return start_axes(ax, (_TEXT_HEIGHT + _ROW * rows) / 72, "x")


def max_rows(ax: Axes | None) -> int:
    """Return the number of rows that fit into an Axes."""
    check_axes(ax)
    if ax is None:
        return _MAX_ROWS
    return max(2, int((measure_axes(ax, 0).height - 84) / _MIN_ROW))


def name_room(ax: Axes, names: Sequence[str]) -> float:
    """Return the room for the names at the left of rows."""
    box = measure_axes(ax, 0)
    style, most = box.texts.body, 0.34 * box.width
    widths = [min(most, text_width(fit(name, style, most), style)) for name in names]
    return ceil(max(widths, default=0.0)) + GAP


def lay_out_rows(
    ax: Axes,
    text: ChartText,
    names: Sequence[str],
    *,
    right: float = 2 * GAP,
    below: float = AXIS_ROOM,
    parts: Sequence[Series] = (),
) -> AxesLayout:
    """Draw the text of a chart with a row for each name; set the range of the rows."""
    left = name_room(ax, names)
    layout = write_text(
        ax, text, parts=parts, left=left, overhang=0, below=below, legend=True
    )
    layout = layout._replace(right=right)
    count = max(len(names), _MIN_ROWS, layout.inside().height / _MAX_ROW)
    ax.set_ylim(count - 0.5, -0.5)  # the first row is at the top
    ax.set_yticks([])
    return layout


def draw_rows(
    ax: Axes,
    rows: int | Sequence[int],
    widths: float | Numbers,
    color: str,
    label: str,
    *,
    left: float | Numbers = 0.0,
) -> list[Rectangle]:
    """Draw a bar in each of the rows; return their patches."""
    drawn = ax.barh(
        rows,
        widths,
        left=left,
        height=_THICKNESS,
        color=color,
        edgecolor=current_theme().ground,
        linewidth=EDGE,
        label=label,
    )
    return drawn.patches


def finish_rows(ax: Axes, names: Sequence[str], layout: AxesLayout) -> None:
    """Draw the names at the left of their rows; position the axes."""
    style, ink = measure_axes(ax, 0).texts.body, current_theme().ink
    for row, name in enumerate(names):
        fitted, align = fit(name, style, layout.left - GAP), "right center_baseline"
        write(ax, fitted, style, (0, row), (-GAP, 0), align, color=ink, coords=_ROWS)
    layout.apply()


def end_room(ax: Axes, texts: Sequence[str]) -> float:
    """Return the room for texts at the right end of rows."""
    style = measure_axes(ax, 0).texts.body
    return 2 * GAP + max(text_width(text, style) for text in texts)


def write_row_end(ax: Axes, row: int, text: str, color: str | None = None) -> None:
    """Draw a text at the right end of a row."""
    style, align = measure_axes(ax, 0).texts.body, "left center_baseline"
    write(ax, text, style, (1, row), (GAP, 0), align, color=color, coords=_ROWS)
