"""Charts of rows, with names at their left and texts at their right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from toolkit.charts import layout
from toolkit.charts.colors import contrast
from toolkit.charts.style import current_theme, dotted, solid
from toolkit.charts.text import fit, text_width, widest, write
from toolkit.charts.titles import NOT_REPORTED, set_alt_text, shorten
from toolkit.formatting.text import format_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    from toolkit.charts.time_axis import Numbers
    from toolkit.charts.titles import ChartText

_TEXT_HEIGHT = 146.0  # points above and below the rows of a new figure
_ROW = 24.0  # points from row to row, where there is room
_MIN_ROW = 14.0
_MAX_ROW = 42.0
_MIN_ROWS = 2  # that the axes have room for; keeps a single bar from filling them
_MAX_ROWS = 25  # of a new figure; one more is the rest
_LINE = 0.8  # height of a line, as a share of its row
_MAX_DESCRIBED = 8  # rows in an alt text
_NAMES, _ENDS = 0.44, 0.36  # of the box, at most: names, and texts at the right


class Mark(NamedTuple):
    """A part of a row, from one value to another."""

    start: float
    end: float
    color: str = ""
    label: str = ""  # of the part; by default the name of the row
    height: float = 0.62  # as a share of the row
    text: str = ""  # inside, if it fits
    kind: Literal["bar", "dot", "unknown"] = "bar"  # the estimate of an unknown part


THICK, THIN = 0.24, 0.07  # heights of marks that are lines


class Row(NamedTuple):
    """A row: its name, the text at its right, and its marks; none if it is unknown."""

    name: str
    text: str
    marks: Sequence[Mark] = ()
    more: str = ""  # further text, left out where there is little room
    line: tuple[Numbers, Numbers] | None = None  # times, and values from 0 to 1
    color: str = ""  # of the line

    @property
    def end(self) -> float:
        """The highest value of the marks."""
        return max((mark.end for mark in self.marks), default=0.0)


def max_rows(ax: Axes) -> int:
    """Return the number of rows that fit into an Axes."""
    if layout.is_new(ax):
        return _MAX_ROWS
    return max(2, int((layout.measure_axes(ax).height - 84) / _MIN_ROW))


def draw_rows(
    ax: Axes,
    text: ChartText,
    rows: Sequence[Row],
    *,
    tick: Callable[..., str] | None = None,
    set_axis: Callable[[float], None] | None = None,
    kind: str = "Bars",
    empty: str = "no calls",
    unknown: str = NOT_REPORTED,
    aligned: bool = False,
    **room: Any,  # noqa: ANN401
) -> Bbox:
    """Draw names, marks and texts of rows, the first row at the top.

    `tick` writes the values of an axis from zero; `set_axis` sets another axis of a
    width in points. The texts are at the ends of the marks or, if `aligned`, in a
    column. Without rows, or if all are unknown, the chart gives the reason: `empty` or
    `unknown`.
    """
    if layout.is_new(ax):
        figure: Figure = ax.figure  # type: ignore[assignment] # no subfigure
        height = _ROW * max(_MIN_ROWS, min(len(rows), _MAX_ROWS + 1))
        figure.set_figheight((_TEXT_HEIGHT + height) / 72)
    layout.start_axes(ax, "x")
    if not any(row.marks or row.line for row in rows):
        return layout.draw_empty(ax, text, unknown if rows else empty, left=0, lines=1)
    box = layout.measure_axes(ax)
    style, gap = box.texts.body, layout.GAP
    names = [fit(row.name, style, _NAMES * box.width) for row in rows]
    ends = [f"{row.text} {row.more}".strip() for row in rows]
    set_alt_text(ax, kind, text, _describe_rows(rows, ends))
    if widest(ends, style) > _ENDS * box.width:
        ends = [fit(row.text, style, _ENDS * box.width) for row in rows]
    room = {"lines": 1, "right": widest(ends, style) + 2 * gap, **room}
    inside = layout.write_text(ax, text, left=widest(names, style) + gap, **room)
    count = max(len(rows), _MIN_ROWS, inside.height / _MAX_ROW)
    ax.set(yticks=[], ylim=(count - 0.5, -0.5))
    if set_axis:
        set_axis(inside.width)
    elif tick:
        top = max(row.end for row in rows)
        layout.set_value_axis(ax, top, inside.width, tick, axis="x")
    low, high = ax.get_xlim()
    scale, ink = inside.width / (high - low), current_theme().ink
    beside: Any = "axes fraction", "data"
    look: dict[str, Any] = {"color": ink, "coords": beside if aligned else "data"}
    for at, (row, end) in enumerate(zip(rows, ends, strict=True)):
        off = (gap if aligned else gap / 2, 0)
        x = 1 if aligned else row.end
        write(ax, end, style, (x, at), off, "left center_baseline", **look)
        for mark in row.marks:
            _draw_mark(ax, at, row, mark, scale)
        if row.line:
            times, values = row.line
            ax.axhline(at + _LINE / 2, color=current_theme().grid, linewidth=0.8)
            heights = at + _LINE * (0.5 - values)
            line: dict[str, Any] = {"color": row.color, "label": row.name}
            ax.plot(times, heights, "o-", markersize=3, linewidth=1.8, **line)
    look["coords"] = beside
    for at, name in enumerate(names):
        write(ax, name, style, (0, at), (-gap, 0), "right center_baseline", **look)
    return inside


def _draw_mark(ax: Axes, at: int, row: Row, mark: Mark, scale: float) -> None:
    """Draw a mark; `scale` is in points."""
    length, edge = mark.end - mark.start, current_theme().ground
    look: dict[str, Any] = {"label": mark.label or row.name}
    if mark.kind == "dot":
        look |= {"color": mark.color, "markeredgecolor": edge, "clip_on": False}
        ax.plot([mark.start], [at], "o", markersize=8, **look)
        return
    look |= dotted() if mark.kind == "unknown" else solid(mark.color)
    if mark.height in {THICK, THIN}:
        look |= {"linewidth": 0, "snap": False}
    ax.barh(at, length, mark.height, mark.start, **look)
    style = layout.measure_axes(ax).texts.note
    if mark.text and text_width(mark.text, style) + layout.GAP <= length * scale:
        ink = max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, mark.color))
        inside: dict[str, Any] = {"fontproperties": style.font, "color": ink}
        inside |= {"ha": "center", "va": "center_baseline", "gid": "inside"}
        ax.text(mark.start + length / 2, at, mark.text, parse_math=False, **inside)


def _describe_rows(rows: Sequence[Row], ends: Sequence[str]) -> list[str]:
    """Describe the first rows by the texts at their right, or in their marks."""
    facts = []
    for row, end in zip(rows[:_MAX_DESCRIBED], ends, strict=False):
        inside = ", ".join(f"{m.label} {m.text}" for m in row.marks if m.text)
        facts.append(f"{shorten(row.name)}{': ' if inside else ' '}{inside or end}")
    left = len(rows) - len(facts)
    return [*facts, f"{format_count(left)} more"] if left else facts
