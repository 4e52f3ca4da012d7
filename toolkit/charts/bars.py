"""Horizontal bars: a row for each name, its number at the end of its bar."""

from __future__ import annotations

from math import ceil, isfinite
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from toolkit.charts.layout import (
    GAP,
    Words,
    draw_nothing,
    new_axes,
    place_of,
    undress,
    value_axis,
    write_words,
)
from toolkit.charts.stacked import DOTS, EDGE, HATCH
from toolkit.charts.style import contrast, now
from toolkit.charts.text import fit, share_text, text_width, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.layout import Place, Room
    from toolkit.charts.series import Series
    from toolkit.charts.style import Style
    from toolkit.charts.time_axis import Numbers

_ROW = 24.0  # points from row to row, where there is room
_LEAST_ROW = 14.0
_THICK = 0.62  # of a row
_STUB = 22.0  # points: a dotted part of unknown length
_SLOTS = 4  # rows that have room, lest one bar be a wall
AXIS_ROOM = 24.0  # for the numbers under the axes
_MARK = 12.0  # points: the least of a text that is cut


class Row(NamedTuple):
    """One bar: its name, its value (NaN if unknown), and what is said at its end."""

    name: str
    value: float
    color: str
    text: str
    more: str = ""  # said in grey behind it
    marked: float = 0.0  # the part of the value that is faulty
    open: bool = False  # whether it is longer, nobody knows by how much


def _figure_height(rows: int, lines: int = 2) -> float:
    """Return the height in inches of a figure of ours for so many rows."""
    words = 44 + 14 * lines + AXIS_ROOM + 26
    return (words + _ROW * max(_SLOTS, rows) + 24) / 72


def axes_for(rows: int, ax: Axes | None) -> Axes:
    """Return the Axes that was brought, or one of ours as high as its rows ask."""
    return new_axes(_figure_height(min(rows, 26))) if ax is None else ax


def rows_at_most(ax: Axes | None) -> int:
    """Tell how many rows can be read in the place of an Axes."""
    if ax is None:
        return 25
    return max(2, int((place_of(ax, 0).height - 84) / _LEAST_ROW))


def name_room(names: Sequence[str], place: Place) -> float:
    """Return the room that names at the left of their rows take."""
    style = place.texts.words
    most = 0.34 * place.width
    widths = [min(most, text_width(fit(name, style, most), style)) for name in names]
    return ceil(max(widths, default=0.0)) + GAP


def _value_room(rows: Sequence[Row], place: Place, width: float, top: float) -> float:
    """Return the room at the right that the words behind the bars need."""
    need = [2 * GAP]
    for row in rows:
        share = row.value / top if top and isfinite(row.value) else 0.0
        words = text_width(
            fit(_whole_text(row), place.texts.words, width), place.texts.words
        )
        words += GAP + (_STUB if row.open else 0)
        if share > 0:
            need.append((words - width * (1 - share)) / share)
    return min(max(need), 0.42 * width)


def _whole_text(row: Row) -> str:
    """Return all that is said behind a bar."""
    return f"{row.text} {row.more}".strip()


def write_row_names(ax: Axes, names: Sequence[str], left: float, place: Place) -> None:
    """Write the names at the left of their rows."""
    style = place.texts.words
    for at, name in enumerate(names):
        write(
            ax,
            fit(name, style, left - GAP),
            style,
            (0, at),
            (-GAP, 0),
            "right center_baseline",
            color=now().ink,
            coords=("axes fraction", "data"),
        )


def row_axis(ax: Axes, count: int, room: Room) -> float:
    """Set the rows from the top down; return the thickness of a bar in rows."""
    each = max(count, _SLOTS, room.inside().height / 42)
    ax.set_ylim(each - 0.5, -0.5)
    ax.set_yticks([])
    return _THICK


def draw_rows(
    ax: Axes,
    words: Words,
    rows: Sequence[Row],
    written: Callable[..., str],
    *,
    whole: bool = False,
    nothing: str = "nothing to show",
) -> None:
    """Draw a bar for each row, the first at the top, in the place of an Axes.

    What is said in grey stands behind all bars, or where one lacks room, behind none.
    """
    place = place_of(ax, 0)
    undress(ax, "x")
    if not rows:
        draw_nothing(ax, nothing, write_words(ax, words, hanging=0, below=AXIS_ROOM))
        return
    left = name_room([row.name for row in rows], place)
    top = max([row.value for row in rows if isfinite(row.value)], default=0.0)
    right = _value_room(rows, place, place.width - left, top)
    room = write_words(ax, words, left=left, hanging=0, below=AXIS_ROOM)
    room = room._replace(right=right)
    thick = row_axis(ax, len(rows), room)
    length = room.inside().width
    value_axis(ax, top, length, written, axis="x", whole=whole, slack=1.0)
    if not all(_fits(row, room, ax.get_xlim()[1], place) for row in rows):
        rows = [row._replace(more="") for row in rows]
    for at, row in enumerate(rows):
        _draw_row(ax, at, row, thick, room, place)
    write_row_names(ax, [row.name for row in rows], left, place)
    room.keep()


def _fits(row: Row, room: Room, limit: float, place: Place) -> bool:
    """Tell whether all that is said behind a bar has room there."""
    length = row.value / limit if isfinite(row.value) else 0.0
    space = room.inside().width * (1 - length) + room.right
    words = text_width(_whole_text(row), place.texts.words)
    return GAP / 2 + words + (_STUB if row.open else 0) <= space


def _draw_row(
    ax: Axes, at: int, row: Row, thick: float, room: Room, place: Place
) -> None:
    """Draw one bar, its marked part, its dotted stub, and its words."""
    width = room.inside().width
    unit = ax.get_xlim()[1] / width
    ground = now().ground
    length = row.value if isfinite(row.value) else 0.0
    parts = [(0.0, length - row.marked, row.color, False)]
    if row.marked:
        parts.append((length - row.marked, row.marked, now().alarm, True))
    for begin, value, color, faulty in parts:
        (patch,) = ax.barh(
            at,
            value,
            left=begin,
            height=thick,
            color=color,
            edgecolor=ground,
            linewidth=EDGE,
            label=row.name,
        ).patches
        if faulty:
            patch.set_hatch(HATCH)
            patch.set_hatchcolor(ground)
    off, space = GAP / 2, width - length / unit + room.right
    if row.open:
        (stub,) = ax.barh(
            at,
            _STUB * unit,
            left=length,
            height=thick,
            facecolor="none",
            edgecolor=now().rest,
            linewidth=EDGE,
            clip_on=False,
            label="unknown",
        ).patches
        stub.set_hatch(DOTS)
        stub.set_hatchcolor(now().muted)
        stub.set_hatch_linewidth(0.6)
        off += _STUB
    _write_end(ax, (length, at), row, place.texts.words, off, space - off)


def _write_end(
    ax: Axes,
    end: tuple[float, float],
    row: Row,
    style: Style,
    off: float,
    space: float,
) -> None:
    """Write behind a bar what it is worth."""
    text = fit(row.text, style, max(space, _MARK))
    ink = now().ink if isfinite(row.value) else now().muted
    align = "left center_baseline"
    write(ax, text, style, end, (off, 0), align, color=ink, coords="data")
    if row.more:
        begin = text_width(f"{text} ", style)
        write(ax, row.more, style, end, (off + begin, 0), align, coords="data")


def draw_stacked_rows(
    ax: Axes,
    words: Words,
    names: Sequence[str],
    parts: Sequence[Series],
    shares: Numbers,
    written: Callable[..., str],
) -> None:
    """Draw a bar of 100 % for each name: a row of `shares` for each part."""
    place = place_of(ax, 0)
    undress(ax, "x")
    if not len(names):
        draw_nothing(
            ax, "nothing to show", write_words(ax, words, hanging=0, below=AXIS_ROOM)
        )
        return
    left = name_room(names, place)
    room = write_words(
        ax, words, parts=parts, left=left, hanging=0, below=AXIS_ROOM, legend=True
    )
    room = room._replace(right=2 * GAP)
    thick = row_axis(ax, len(names), room)
    width = room.inside().width
    floors = np.cumsum(shares, axis=0) - shares
    for part, floor, share in zip(parts, floors, shares, strict=True):
        ax.barh(
            np.arange(len(names)),
            share,
            left=floor,
            height=thick,
            color=part.color,
            edgecolor=now().ground,
            linewidth=EDGE,
            label=part.name,
        )
        _write_inside(ax, part.color, floor, share, width, place)
    value_axis(ax, 1.0, width, written, axis="x", slack=1.0)
    write_row_names(ax, names, left, place)
    room.keep()


def _write_inside(
    ax: Axes, color: str, floor: Numbers, share: Numbers, width: float, place: Place
) -> None:
    """Write shares into those parts that are wide enough, in black or white."""
    style = place.texts.note
    ink = max(("#000000", "#ffffff"), key=lambda shade: contrast(shade, color))
    for at, (begin, part) in enumerate(zip(floor, share, strict=True)):
        text = share_text(float(part))
        if part and text_width(text, style) + GAP <= part * width:
            inner = write(
                ax,
                text,
                style,
                (begin + part / 2, at),
                (0, 0),
                "center center_baseline",
                color=ink,
                inside=True,
                coords="data",
            )
            inner.set_gid("inside")
