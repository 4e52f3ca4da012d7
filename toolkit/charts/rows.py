"""Charts of rows, with names at their left: bars, and the frame of other marks."""

from __future__ import annotations

from math import ceil, isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from toolkit.charts.colors import contrast
from toolkit.charts.layout import (
    AXIS_ROOM,
    GAP,
    draw_empty,
    is_new,
    measure_axes,
    set_value_axis,
    start_axes,
    write_text,
)
from toolkit.charts.style import current_theme, dotted, solid
from toolkit.charts.text import fit, share_tick, text_width, write
from toolkit.charts.titles import NOT_REPORTED, set_alt_text, shorten
from toolkit.formatting.text import format_count, format_share

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from toolkit.charts.layout import AxesBox, AxesLayout
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
THICKNESS = 0.62  # of a bar, as a share of its row
_NOTHING = "no calls"
MAX_DESCRIBED = 8  # rows in an alt text
_NARROW = 300.0  # points; a narrower box has less room for texts
_MIN_TEXT = 12.0  # points; width of a text that is cut


def start_rows(ax: Axes, rows: int, lines: str = "x") -> None:
    """Style an Axes for rows; make its figure high enough for them if it is new."""
    if is_new(ax):
        figure: Figure = ax.figure  # type: ignore[assignment] # no subfigure
        rows = max(_MIN_ROWS, min(rows, _MAX_ROWS + 1))
        figure.set_figheight((_TEXT_HEIGHT + _ROW * rows) / 72)
    start_axes(ax, lines)


def max_rows(ax: Axes) -> int:
    """Return the number of rows that fit into an Axes."""
    if is_new(ax):
        return _MAX_ROWS
    return max(2, int((measure_axes(ax, 0).height - 84) / _MIN_ROW))


def _fit_texts(ax: Axes, texts: Sequence[str]) -> list[str]:
    """Fit texts beside rows into a part of the box."""
    box = measure_axes(ax, 0)
    width = (0.36 if box.width < _NARROW else 0.44) * box.width
    return [fit(text, box.texts.body, width) for text in texts]


def _text_room(ax: Axes, texts: Sequence[str]) -> float:
    """Return the room for texts beside rows."""
    style, fitted = measure_axes(ax, 0).texts.body, _fit_texts(ax, texts)
    return ceil(max((text_width(text, style) for text in fitted), default=0.0)) + GAP


def lay_out_rows(
    ax: Axes,
    text: ChartText,
    names: Sequence[str],
    *,
    ends: Sequence[str] = (),
    right: float = 2 * GAP,
    below: float = AXIS_ROOM,
    parts: Sequence[Series] = (),
) -> AxesLayout:
    """Draw the text of a chart with a row for each name; set the range of the rows.

    `ends` are the texts at the right of the rows; without them there is the room
    `right`.
    """
    left = _text_room(ax, names)
    layout = write_text(
        ax, text, parts=parts, left=left, overhang=0, below=below, legend=True
    )
    layout = layout._replace(right=_text_room(ax, ends) + GAP if ends else right)
    count = max(len(names), _MIN_ROWS, layout.inside().height / _MAX_ROW)
    ax.set_ylim(count - 0.5, -0.5)  # the first row is at the top
    ax.set_yticks([])
    return layout


def finish_rows(
    ax: Axes,
    names: Sequence[str],
    *,
    ends: Sequence[str] = (),
    colors: Sequence[str | None] = (),
) -> None:
    """Draw the names and the texts at the ends of the rows."""
    style, ink = measure_axes(ax, 0).texts.body, current_theme().ink
    shades = colors or [None] * len(ends)
    for row, (end, color) in enumerate(zip(_fit_texts(ax, ends), shades, strict=True)):
        align = "left center_baseline"
        write(ax, end, style, (1, row), (GAP, 0), align, color=color, coords=_ROWS)
    for row, name in enumerate(_fit_texts(ax, names)):
        align = "right center_baseline"
        write(ax, name, style, (0, row), (-GAP, 0), align, color=ink, coords=_ROWS)


class Row(NamedTuple):
    """A bar: its name, its value (NaN if unknown), and the text at its end."""

    name: str
    value: float
    color: str
    text: str
    more: str = ""  # grey text after it
    faulty: float = 0.0  # part of the value, drawn in the colour of a warning
    extra: float = 0.0  # what the value may lack, drawn dotted
    between: tuple[float, float] | None = None  # the interval of a rate

    @property
    def full_text(self) -> str:
        """All text at the end."""
        return f"{self.text} {self.more}".strip()

    @property
    def end(self) -> float:
        """Where the text is."""
        value = self.value if isfinite(self.value) else 0.0
        return max(value + self.extra, *(self.between or (0.0,)))


def draw_bars(
    ax: Axes,
    text: ChartText,
    rows: Sequence[Row],
    tick: Callable[..., str],
    *,
    whole: bool = False,
    empty: str = _NOTHING,
    unknown: str = NOT_REPORTED,
) -> AxesLayout:
    """Draw a bar for each row, the first at the top.

    The grey texts are left out if one of them does not fit. Without rows, or if all
    values are unknown, the chart gives the reason: `empty` or `unknown`.
    """
    start_rows(ax, len(rows))
    if not any(isfinite(row.value) for row in rows):
        return draw_empty(ax, text, unknown if rows else empty, in_rows=True)
    set_alt_text(ax, "Bars", text, _describe_rows(rows))
    box, names = measure_axes(ax, 0), [row.name for row in rows]
    top = max(row.end for row in rows)
    width = box.width - _text_room(ax, names)
    most = 0.45 * width  # at the right of the axes
    if _end_room(rows, box, width, top) > most:
        rows = [row._replace(more="") for row in rows]
    right = min(_end_room(rows, box, width, top), most)
    layout = lay_out_rows(ax, text, names, right=right)
    set_value_axis(ax, top, layout.inside().width, tick, axis="x", whole=whole)
    for at, row in enumerate(rows):
        _draw_bar(ax, at, row, layout, box)
    finish_rows(ax, names)
    return layout


def _end_room(rows: Sequence[Row], box: AxesBox, width: float, top: float) -> float:
    """Return the room needed at the right of the axes for the texts of the bars."""
    needed, style = [2 * GAP], box.texts.body
    for row in rows:
        share = row.end / top if top else 0.0
        length = text_width(fit(row.full_text, style, width), style) + 1.5 * GAP
        if share > 0:
            needed.append((length - width * (1 - share)) / share)
    return max(needed)


def _draw_bar(ax: Axes, at: int, row: Row, layout: AxesLayout, box: AxesBox) -> None:
    """Draw a bar, its faulty and its dotted part, its interval, and its text."""
    width, theme = layout.inside().width, current_theme()
    length = row.value if isfinite(row.value) else 0.0
    valid = length - row.faulty
    if row.between:
        look: dict[str, Any] = {"color": row.color, "label": row.name}
        ax.plot([row.value], [at], "o", markersize=7, clip_on=False, **look)
        ax.plot(row.between, (at, at), linewidth=1.8, **look)
    else:
        ax.barh(at, valid, THICKNESS, label=row.name, **solid(row.color))
    if row.faulty:
        look = solid(theme.warn)
        ax.barh(at, row.faulty, THICKNESS, valid, label=row.name, **look)
    if row.extra:
        ax.barh(at, row.extra, THICKNESS, length, **dotted())
    space = width * (1 - row.end / ax.get_xlim()[1]) + layout.right - GAP
    style, align = box.texts.body, "left center_baseline"
    text = fit(row.text, style, max(space, _MIN_TEXT))
    ink = theme.ink if isfinite(row.value) else theme.muted
    end, offset = (row.end, at), GAP if row.between else GAP / 2
    write(ax, text, style, end, (offset, 0), align, color=ink, coords="data")
    if row.more:
        offset += text_width(f"{text} ", style)
        write(ax, row.more, style, end, (offset, 0), align, coords="data")


def _describe_rows(rows: Sequence[Row]) -> list[str]:
    """Describe the largest bars by the texts at their ends."""
    facts = [f"{shorten(row.name)} {row.full_text}" for row in rows[:MAX_DESCRIBED]]
    left = len(rows) - len(facts)
    return [*facts, f"{format_count(left)} more"] if left else facts


def draw_share_bars(
    ax: Axes,
    text: ChartText,
    names: Sequence[str],
    parts: Sequence[Series],
    shares: Numbers,
) -> AxesLayout:
    """Draw a bar of 100% for each name; `shares` has a row for each part."""
    start_rows(ax, len(names))
    if not names:
        return draw_empty(ax, text, _NOTHING, in_rows=True)
    layout = lay_out_rows(ax, text, names, parts=parts)
    width, height = layout.inside().size
    thickness = THICKNESS * height / abs(np.diff(ax.get_ylim()).item())
    rows, starts = np.arange(len(names)), np.cumsum(shares, axis=0) - shares
    for part, start, share in zip(parts, starts, shares, strict=True):
        look = solid(part.color)
        ax.barh(rows, share, THICKNESS, start, label=part.name, **look)
        if thickness > _MIN_TEXT:
            _write_inside(ax, part.color, start, share, width)
    set_value_axis(ax, 1.0, width, share_tick, axis="x")
    finish_rows(ax, names)
    facts = [
        f"{shorten(name)}: "
        + ", ".join(
            f"{part.name} {format_share(float(share))}"
            for part, share in zip(parts, shares[:, at], strict=True)
            if share
        )
        for at, name in enumerate(names[:MAX_DESCRIBED])
    ]
    set_alt_text(ax, "Bars of 100%", text, facts)
    return layout


def _write_inside(
    ax: Axes, color: str, starts: Numbers, shares: Numbers, width: float
) -> None:
    """Draw shares into those parts that are wide enough, in black or white."""
    style, align = measure_axes(ax).texts.note, "center center_baseline"
    ink = max(("#000000", "#ffffff"), key=lambda shade: contrast(shade, color))
    inside: dict[str, Any] = {"color": ink, "inside": True, "coords": "data"}
    for row, (start, share) in enumerate(zip(starts, shares, strict=True)):
        text, middle = format_share(float(share)), (start + share / 2, row)
        if share and text_width(text, style) + GAP <= share * width:
            drawn = write(ax, text, style, middle, (0, 0), align, **inside)
            drawn.set_gid("inside")
