"""Rows with names at their left: the frame of bars, ranges, spans and heat maps."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from toolkit.charts.layout import (
    AXIS_ROOM,
    GAP,
    measure_axes,
    start_axes,
    write_text,
)
from toolkit.charts.style import current_theme
from toolkit.charts.text import fit, text_width, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import Series
    from toolkit.charts.titles import ChartText

_TEXT_HEIGHT = 146.0  # points above and below the rows of a new figure
_ROW = 24.0  # points from row to row, where there is room
_MIN_ROW = 14.0
_MAX_ROW = 42.0
_MIN_ROWS = 4  # that the axes have room for; keeps a single bar from filling them
_MAX_ROWS = 25  # of a new figure; one more is the rest
THICKNESS = 0.62  # of a bar, as a share of its row


def build_row_axes(rows: int, ax: Axes | None) -> Axes:
    """Return the given Axes, or a new one high enough for the rows; style it."""
    rows = max(_MIN_ROWS, min(rows, _MAX_ROWS + 1))
    return start_axes(ax, (_TEXT_HEIGHT + _ROW * rows) / 72, "x")


def max_rows(ax: Axes | None) -> int:
    """Return the number of rows that fit into an Axes."""
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


def finish_rows(ax: Axes, names: Sequence[str], layout: AxesLayout) -> None:
    """Draw the names at the left of their rows; position the axes."""
    style, width = measure_axes(ax, 0).texts.body, layout.left - GAP
    for row, name in enumerate(names):
        write(
            ax,
            fit(name, style, width),
            style,
            (0, row),
            (-GAP, 0),
            "right center_baseline",
            color=current_theme().ink,
            coords=("axes fraction", "data"),
        )
    layout.apply()


def end_room(ax: Axes, texts: Sequence[str]) -> float:
    """Return the room for texts at the right end of rows."""
    style = measure_axes(ax, 0).texts.body
    return 2 * GAP + max(text_width(text, style) for text in texts)


def write_row_end(ax: Axes, row: int, text: str, color: str | None = None) -> None:
    """Draw a text at the right end of a row."""
    write(
        ax,
        text,
        measure_axes(ax, 0).texts.body,
        (1, row),
        (GAP, 0),
        "left center_baseline",
        color=color,
        coords=("axes fraction", "data"),
    )
