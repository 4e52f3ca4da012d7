"""Charts of rows, with names at their left and texts at their right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from toolkit.charts.colors import contrast
from toolkit.charts.layout import (
    GAP,
    draw_empty,
    is_new,
    measure_axes,
    set_value_axis,
    start_axes,
    write_text,
)
from toolkit.charts.style import current_theme, dotted, solid
from toolkit.charts.text import fit, text_width, widest, write
from toolkit.charts.titles import NOT_REPORTED, set_alt_text, shorten
from toolkit.formatting.text import format_count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

    from toolkit.charts.titles import ChartText

_TEXT_HEIGHT = 146.0  # points above and below the rows of a new figure
_ROW = 24.0  # points from row to row, where there is room
_MIN_ROW = 14.0
_MAX_ROW = 42.0
_MIN_ROWS = 4  # that the axes have room for; keeps a single bar from filling them
_MAX_ROWS = 25  # of a new figure; one more is the rest
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
    is_unknown: bool = False  # an estimate of what is not known: dotted


THICK, THIN = 0.24, 0.07  # heights of marks that are lines


class Row(NamedTuple):
    """A row: its name, the text at its right, and its marks; none if it is unknown."""

    name: str
    text: str
    marks: Sequence[Mark] = ()
    more: str = ""  # further text, left out where there is little room
    dot: float | None = None  # where a dot is drawn, in the colour of the first mark

    @property
    def end(self) -> float:
        """The highest value of the marks."""
        return max((mark.end for mark in self.marks), default=0.0)


def max_rows(ax: Axes) -> int:
    """Return the number of rows that fit into an Axes."""
    if is_new(ax):
        return _MAX_ROWS
    return max(2, int((measure_axes(ax).height - 84) / _MIN_ROW))


def draw_rows(
    ax: Axes,
    text: ChartText,
    rows: Sequence[Row],
    *,
    tick: Callable[..., str] | None = None,
    whole: bool = False,
    set_axis: Callable[[float], None] | None = None,
    kind: str = "Bars",
    empty: str = "no calls",
    unknown: str = NOT_REPORTED,
    aligned: bool = False,
    **room: Any,  # noqa: ANN401
) -> Bbox:
    """Draw the marks of rows, the first row at the top.

    `tick` writes the values of an axis from zero; `set_axis` sets another axis of a
    width in points. The texts are at the ends of the marks or, if `aligned`, in a
    column. Without rows, or if all are unknown, the chart gives the reason: `empty` or
    `unknown`.
    """
    if not any(row.marks for row in rows):
        _start_rows(ax, len(rows))
        return draw_empty(ax, text, unknown if rows else empty, left=0, lines=1)
    ends = [f"{row.text} {row.more}".strip() for row in rows]
    set_alt_text(ax, kind, text, _describe_rows(rows, ends))
    _start_rows(ax, len(rows))
    box = measure_axes(ax)
    if widest(ends, box.texts.body) > _ENDS * box.width:
        ends = [row.text for row in rows]
    at = [] if aligned else [row.end for row in rows]
    inside = write_rows(ax, text, [row.name for row in rows], ends, at=at, **room)
    if set_axis:
        set_axis(inside.width)
    elif tick:
        top = max(row.end for row in rows)
        set_value_axis(ax, top, inside.width, tick, axis="x", whole=whole)
    low, high = ax.get_xlim()
    for place, row in enumerate(rows):
        for mark in row.marks:
            _draw_mark(ax, place, row, mark, inside.width / (high - low))
        if row.dot is not None:
            color, edge = row.marks[0].color, current_theme().ground
            look: dict[str, Any] = {"color": color, "label": row.name}
            look |= {"markersize": 8, "markeredgecolor": edge, "clip_on": False}
            ax.plot([row.dot], [place], "o", **look)
    return inside


def _start_rows(ax: Axes, rows: int, lines: str = "x") -> None:
    """Style an Axes for rows; make its figure high enough for them if it is new."""
    if is_new(ax):
        figure: Figure = ax.figure  # type: ignore[assignment] # no subfigure
        rows = max(_MIN_ROWS, min(rows, _MAX_ROWS + 1))
        figure.set_figheight((_TEXT_HEIGHT + _ROW * rows) / 72)
    start_axes(ax, lines)


def write_rows(
    ax: Axes,
    text: ChartText,
    names: Sequence[str],
    ends: Sequence[str],
    *,
    at: Sequence[float] = (),
    grid: str = "x",
    **room: Any,  # noqa: ANN401
) -> Bbox:
    """Write all text of a chart of rows; return the room left for the axes.

    The texts `ends` are at the values `at`, or at the right edge.
    """
    _start_rows(ax, len(names), grid)
    box = measure_axes(ax)
    style, ink = box.texts.body, current_theme().ink
    names = [fit(name, style, _NAMES * box.width) for name in names]
    ends = [fit(end, style, _ENDS * box.width) for end in ends]
    left, right = widest(names, style) + GAP, widest(ends, style) + 2 * GAP
    inside = write_text(ax, text, **{"left": left, "right": right, "lines": 1, **room})
    count = max(len(names), _MIN_ROWS, inside.height / _MAX_ROW)
    ax.set(yticks=[], ylim=(count - 0.5, -0.5))  # the first row is at the top
    beside: Any = "axes fraction", "data"
    for row, end in enumerate(ends):
        place, coords = ((at[row], row), "data") if at else ((1, row), beside)
        align, off = "left center_baseline", (GAP / 2 if at else GAP, 0)
        write(ax, end, style, place, off, align, color=ink, coords=coords)
    for row, name in enumerate(names):
        align, off = "right center_baseline", (-GAP, 0)
        write(ax, name, style, (0, row), off, align, color=ink, coords=beside)
    return inside


def _draw_mark(ax: Axes, at: int, row: Row, mark: Mark, scale: float) -> None:
    """Draw a mark; `scale` is in points."""
    length = mark.end - mark.start
    look = dotted() if mark.is_unknown else solid(mark.color)
    look |= {} if mark.is_unknown else {"label": mark.label or row.name}
    if mark.height in {THICK, THIN}:
        look |= {"linewidth": 0, "snap": False}
    ax.barh(at, length, mark.height, mark.start, **look)
    style = measure_axes(ax).texts.note
    if mark.text and text_width(mark.text, style) + GAP <= length * scale:
        ink = max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, mark.color))
        inside: dict[str, Any] = {"fontproperties": style.font, "color": ink}
        inside |= {"ha": "center", "va": "center_baseline", "gid": "inside"}
        inside |= {"parse_math": False}
        ax.text(mark.start + length / 2, at, mark.text, **inside)


def _describe_rows(rows: Sequence[Row], ends: Sequence[str]) -> list[str]:
    """Describe the first rows by the texts at their right, or in their marks."""
    facts = []
    for row, end in zip(rows[:_MAX_DESCRIBED], ends, strict=False):
        inside = ", ".join(f"{m.label} {m.text}" for m in row.marks if m.text)
        facts.append(f"{shorten(row.name)}{': ' if inside else ' '}{inside or end}")
    left = len(rows) - len(facts)
    return [*facts, f"{format_count(left)} more"] if left else facts
