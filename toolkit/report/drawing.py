"""A drawing in plain SVG: its elements, the room of its texts, and the small charts.

Drawings have classes, not styles: `page.css` gives the colours of both themes. Text is
measured in Arial with a reserve, so that none is cut or covers another, whatever font
of that kind a reader has. Solid is known, hatched is a forecast or unfinished, a dotted
outline is unpriced or could be, and is not to scale.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import floor, log10
from typing import TYPE_CHECKING, TypeAlias
from unicodedata import combining, east_asian_width

from markupsafe import Markup, escape

from toolkit.errors import clean
from toolkit.formatting.text import format_count, format_share, format_usd
from toolkit.report.model import Bars, Dots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from toolkit.formatting.figures import Figure
    from toolkit.formatting.text import UsdStyle
    from toolkit.report.model import Bar, Color, Heat, Kind, Tile

    Run: TypeAlias = tuple[str, str]  # a text, and its classes
    Tick: TypeAlias = tuple[float, str]  # a value of an axis, and how it is written
    Size: TypeAlias = float | str  # in pixels, or in percent

# Widths of the characters of Arial, as parts of its size.
_WIDTHS = {
    char: width
    for width, chars in {
        0.28: " !',./:;I[\\]fijlt|·",
        0.34: '"()*-`r{}',
        0.5: "Jcksvxyz",
        0.6: "+<=>^~−≥≤",
        0.7: "&ABCDEFHKNPRSTUVXYZw",
        0.84: "GMOQm",
        1.0: "%@W…→",
    }.items()
    for char in chars
}
_OTHER, _RESERVE, _BOLD = 0.57, 1.06, 1.07
_SIZE = 12.5  # of text, in pixels
_SLIMMEST = 0.2 * _SIZE  # width of a character


def text_width(text: str, *, bold: bool = False) -> float:
    """Return how wide a text is at most in a font like Arial, in pixels.

    Examples
    --------
    >>> round(text_width("gpt-4o")), round(text_width("通义"))
    (38, 26)
    """
    parts = (
        1.0 if east_asian_width(char) in "WF" else _WIDTHS.get(char, _OTHER)
        for char in text
        if not combining(char)
    )
    return sum(parts) * _SIZE * _RESERVE * (_BOLD if bold else 1)


def shortened(text: str, room: float, *, bold: bool = False) -> str:
    """Return a text that fits: one that is too long lacks its middle.

    Examples
    --------
    >>> shortened("a-very-long-name-of-a-model", 100)
    'a-very-…-model'
    """
    result = text = " ".join(clean(text).split())
    count = min(len(text), 1 + int(room / _SLIMMEST))
    while count > 1 and text_width(result, bold=bold) > room:
        count -= 1
        result = f"{text[: (count + 1) // 2]}…{text[len(text) - count // 2 :]}"
    return result


class Drawing:
    """The elements of a drawing; numbers are pixels, classes those of `page.css`."""

    def __init__(self) -> None:
        self.elements: list[str] = []

    def add(self, tag: str, classes: str, text: str = "", **more: object) -> None:
        """Add an element; its text is escaped already."""
        written = "".join(
            f' {name}="{f"{value:.1f}" if isinstance(value, float) else value}"'
            for name, value in more.items()
        )
        self.elements.append(f'<{tag} class="{classes}"{written}>{text}</{tag}>')

    def line(self, classes: str, x1: float, y1: float, x2: float, y2: float) -> None:
        """Add a line."""
        self.add("line", classes, x1=x1, y1=y1, x2=x2, y2=y2)

    def dot(self, x: float, y: float, color: Color, *, is_hollow: bool = False) -> None:
        """Add a dot."""
        classes = f"{'hollow s' if is_hollow else 'f'} {color_class(color)}"
        self.add("circle", classes, cx=x, cy=y, r=3.5 if is_hollow else 4)

    def part(
        self, x: Size, y: Size, width: Size, height: Size, color: Color, mark: str
    ) -> None:
        """Add a rectangle with its mark."""
        fill = f"f {color_class(color)}"
        marks = {"solid": [fill], "hatched": [fill, "hatch"], "dotted": ["open"]}
        for classes in marks[mark]:
            self.add("rect", classes, x=x, y=y, width=width, height=height)

    def span(self, start: float, size: float, color: Color, mark: str) -> None:
        """Add a rectangle as high as its cell; `start` and `size` are shares of it."""
        self.part(f"{start:.2%}", 0, f"{size:.2%}", "100%", color, mark)

    def text(self, x: float, y: float, *runs: Run, whole: str = "") -> None:
        """Add a text of runs; `whole` is the name in the first if that is shortened."""
        texts = [str(escape(clean(text))) for text, _ in runs]
        more = [
            f'<tspan class="{classes}">{text}</tspan>'
            for text, (_, classes) in zip(texts[1:], runs[1:], strict=True)
        ]
        if whole and whole != runs[0][0]:
            texts[0] = f"<title>{escape(clean(whole))}</title>" + texts[0]
        self.add("text", runs[0][1], texts[0] + "".join(more), x=x, y=y)

    def name(self, x: float, y: float, name: str, room: float) -> None:
        """Add a name, shortened if need be."""
        self.text(x, y, (shortened(name, room), "i"), whole=name)

    def grid(
        self, ticks: Iterable[Tick], left: float, right: float, y: float, scale: float
    ) -> None:
        """Add lines at round values from the ground `y` up, with texts at the left."""
        for value, text in ticks:
            at = y - value * scale
            self.line("grid" if value else "axis", left, at, right, at)
            self.text(left - 6, at + 4, (text, "m end"))

    def columns(
        self,
        bars: Sequence[Bar],
        left: float,
        slot: float,
        y: float,
        scale: float,
        last: str = "i center",
    ) -> None:
        """Add columns from the ground `y` up, with a text above each.

        `last` are the classes of the last text.
        """
        for place, bar in enumerate(bars):
            x, width = left + slot * (place + 0.13), slot * 0.74
            top = y - bar.start * scale
            for part in bar.parts:
                if part.mark == "dotted":  # not to scale
                    top -= 8
                    self.part(x, top, width, 7, part.color, part.mark)
                elif size := size_of(part.value) * scale:
                    # The ground shows between parts that are high enough for it.
                    edge = 1.2 if size > 3 else 0
                    top -= size
                    self.part(x, top + edge, width, size - edge, part.color, part.mark)
            if bar.before.is_known:
                before = y - size_of(bar.before) * scale
                self.line("limit", x - slot * 0.08, before, x + slot * 0.82, before)
                top = min(top, before)
            classes = last if bar is bars[-1] else "i center"
            self.text(x + width / 2, top - 6, (bar.text, classes))

    def below(
        self, labels: Sequence[str], left: float, slot: float, y: float, last: str = ""
    ) -> None:
        """Add labels of columns: as many as fit, the last among them if it differs."""
        middles = []
        for place, text in enumerate(labels):
            half, middle = text_width(text) / 2, left + slot * (place + 0.5)
            middles.append(min(max(middle, half), left + slot * len(labels) - half))
        ticks, sign = [*zip(middles, labels, strict=True)], -1 if last else 1
        for x, text in _thinned(ticks[::sign], lambda x: sign * x):
            self.text(x, y, (text, last if last and x == middles[-1] else "m center"))

    def svg(
        self, label: str = "", look: str = "bar", size: tuple[int, float] | None = None
    ) -> Markup:
        """Return the drawing; `label` says what is in it. A cell sets its own size."""
        role = f'role="img" aria-label="{escape(clean(label))}"'
        role, box = role if label else 'aria-hidden="true"', ""
        if size is not None:
            width, height = size[0], round(size[1])
            box = f' viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        elements = "".join(self.elements)
        return Markup(f'<svg class="{look}" {role}{box}>{elements}</svg>')  # noqa: S704 - escaped


def color_class(color: Color) -> str:
    """Return the class that sets a colour: a slot, a mark, or the user's own."""
    return f"c-{escape(color.removeprefix('#'))}"


def write(
    figure: Figure, kind: Kind, style: UsdStyle = "cents", *, words: bool = False
) -> str:
    """Write a figure of a kind, with a real minus."""
    if kind == "usd":
        text = format_usd(figure, style, words=words)
    else:
        write_ = format_share if kind == "share" else format_count
        text = write_(figure, words=words)
    return text.replace("-", "−")


def size_of(figure: Figure) -> float:
    """Return what is drawn of a figure: 0 for one that is unknown or negative."""
    return max(float(figure.value or 0), 0.0)


def runs_width(runs: Iterable[Run]) -> float:
    """Return how wide runs of text are."""
    return sum(text_width(text, bold=" b" in classes) for text, classes in runs)


def ticks_of(most: float, kind: Kind, count: int = 5) -> list[Tick]:
    """Return round values from 0 on, and how an axis writes them.

    Examples
    --------
    >>> ticks_of(1.01, "usd")
    [(0.0, '$0'), (0.25, '$0.25'), (0.5, '$0.50'), (0.75, '$0.75'), (1.0, '$1.00')]
    >>> ticks_of(2, "count"), ticks_of(0.2, "share", 2)
    ([(0, '0'), (1, '1'), (2, '2')], [(0.0, '0%'), (0.1, '10%'), (0.2, '20%')])
    """
    unit = 10.0 ** floor(log10(most / count)) if most > 0 else 1.0
    steps = (1, 2, 5, 10) if kind == "count" else (1, 2, 2.5, 5, 10)
    step = next(unit * one for one in steps if unit * one * count >= most * 0.999)
    step = max(step, 1) if kind == "count" else step
    values = [round(step * place, 10) for place in range(int(most / step + 1e-9) + 1)]
    if kind == "count":
        return [(value, format_count(round(value), "short")) for value in values]
    if kind == "share":
        return [(value, format_share(value, "exact")) for value in values]
    style: UsdStyle = 2 if 0.01 <= step < 1 else "short"
    return [(one, format_usd(one, style if one else "short")) for one in values]


def _log_ticks(least: float, most: float) -> list[Tick]:
    """Return 1, 3, 10, 30 and so on within a range, and how an axis writes them.

    Examples
    --------
    >>> _log_ticks(25, 4000)
    [(30.0, '30'), (100.0, '100'), (300.0, '300'), (1000.0, '1k'), (3000.0, '3k')]
    """
    powers = range(floor(log10(least)), floor(log10(most)) + 1)
    values = [one * 10.0**power for power in powers for one in (1, 3)]
    return [(one, format_count(one, "short")) for one in values if least <= one <= most]


def _thinned(ticks: Sequence[Tick], place: Callable[[float], float]) -> Sequence[Tick]:
    """Return every tick, or every second or third one, so that their texts fit."""
    for step in range(1, len(ticks) + 1):
        if all(
            place(after[0]) - place(before[0])
            > (text_width(before[1]) + text_width(after[1])) / 2 + 8
            for before, after in pairwise(ticks[::step])
        ):
            return ticks[::step]
    return ()


# --- The small charts for analysts, all of one width ----------------------------------

_WIDTH, _NAMES = 320, 122  # of a tile, and of the names in it
_BELOW = 4.3  # from the middle of a line to the ground of its text
_SHADES = 9  # of a heat map


def draw_tile(tile: Tile) -> Markup:
    """Draw the chart of a tile."""
    drawing, chart = Drawing(), tile.chart
    if isinstance(chart, Bars):
        height = (_draw_columns if chart.upright else _draw_bars)(drawing, chart)
    elif isinstance(chart, Dots):
        height = _draw_dots(drawing, chart)
    else:
        height = _draw_heat(drawing, chart)
    return drawing.svg(f"{tile.title}. {tile.summary}", "chart", (_WIDTH, height))


def _draw_bars(drawing: Drawing, chart: Bars) -> float:
    """Draw bars with names at their left and texts at their right."""
    y, left = 2.0, _room(bar.label for bar in chart.bars)
    texts = max((text_width(bar.text) for bar in chart.bars), default=0)
    peak = max(map(_end, chart.bars), default=0) or 1
    scale, row = (_WIDTH - left - texts - 8) / peak, 24 if len(chart.bars) < 6 else 20
    for bar in chart.bars:
        drawing.name(0, y + row / 2 + _BELOW, bar.label, left - 8)
        x, high = left + bar.start * scale, row - (10.0 if row > 20 else 8.0)
        for part in bar.parts:
            if wide := size_of(part.value) * scale:
                shown = wide - 1.5 if part.label else wide  # the ground between them
                drawing.part(
                    x, y + (row - high) / 2, shown, high, part.color, part.mark
                )
            if part.label and text_width(part.label) < wide - 4:
                middle = x + wide / 2, y + row / 2 + _BELOW
                drawing.text(*middle, (part.label, "i center"))
            x += wide
        drawing.text(min(x + 6, _WIDTH - texts), y + row / 2 + _BELOW, (bar.text, "i"))
        y += row
    return y + 4


def _draw_columns(drawing: Drawing, chart: Bars) -> float:
    """Draw columns, with an axis or a text above each."""
    texts = max((text_width(bar.text) for bar in chart.bars), default=0)
    top, bottom = 26.0 if texts else 8.0, 174.0
    peak = max(map(_end, chart.bars), default=0) or 1
    ticks = [] if texts else ticks_of(peak, chart.kind)
    left = max((text_width(text) + 6 for _, text in ticks), default=0)
    scale, slot = (bottom - top) / peak, (_WIDTH - left) / len(chart.bars)
    drawing.grid(ticks, left, _WIDTH, bottom, scale)
    bars = chart.bars
    if texts >= slot - 2:  # only the highest has room for its text
        bars = [bar if _end(bar) == peak else replace(bar, text="") for bar in bars]
    drawing.columns(bars, left, slot, bottom, scale)
    drawing.below([bar.label for bar in chart.bars], left, slot, bottom + 15)
    return 196


def _draw_dots(drawing: Drawing, chart: Dots) -> float:
    """Draw rows of dots on one scale, each with a line over its range."""
    top, row, left = 2.0, 22, _room(row[0].label for row in chart.rows)
    dots = [dot for row in chart.rows for dot in row]
    texts = max((text_width(dot.text) for dot in dots), default=0)
    figures = [one for dot in dots for one in (dot.value, dot.low, dot.high)]
    values = [size_of(one) for one in figures if one.is_known] or [1.0]
    least, peak = min((one for one in values if one), default=1.0), max(values)
    ticks = _log_ticks(least, peak) if chart.log else ticks_of(peak, chart.kind)
    wide = _WIDTH - left - texts - (16 if texts else 8)

    def along(value: float) -> float:
        return log10(max(value, least) / least) if chart.log else value

    def place(value: float) -> float:
        return left + 4 + wide * along(value) / (along(peak) or 1)

    bottom = top + row * len(chart.rows)
    for value, text in _thinned(ticks, place):
        x, classes = place(value), "grid" if value else "axis"
        drawing.line(classes, x, top, x, bottom)
        drawing.text(x, bottom + 16, (text, "m center"))
    for line, marks in enumerate(chart.rows):
        y = top + row * (line + 0.5)
        drawing.name(0, y + _BELOW, marks[0].label, left - 8)
        known = [dot for dot in marks if dot.value.is_known]
        places = [place(size_of(dot.value)) for dot in known]
        has_range = any(dot.low.is_known for dot in known)
        apart = 7 if has_range and len(known) > 1 else 0
        if len(known) > 1 and not has_range:
            classes = f"s w {color_class(known[0].color)}"
            drawing.line(classes, places[0], y, places[-1], y)
        for number, (dot, x) in enumerate(zip(known, places, strict=True)):
            at = y + apart * (number - 0.5)
            if dot.low.is_known and dot.high.is_known:
                low, high = place(size_of(dot.low)), place(size_of(dot.high))
                drawing.line(f"s w {color_class(dot.color)}", low, at, high, at)
            drawing.dot(x, at, dot.color, is_hollow=dot.is_hollow)
        drawing.text(_WIDTH, y + _BELOW, (marks[-1].text, "i end"))
    return bottom + 22


def _draw_heat(drawing: Drawing, chart: Heat) -> float:
    """Draw cells that are darker the more they count."""
    left, high = _room(chart.rows), 21
    peak = max(count for row in chart.counts for count in row)
    wide = (_WIDTH - left) / len(chart.columns)
    cells: dict[str, list[str]] = {}
    for line, (name, counts) in enumerate(zip(chart.rows, chart.counts, strict=True)):
        y = 6 + high * line
        drawing.name(0, y + high / 2 + _BELOW, name, left - 8)
        for place, count in enumerate(counts):
            level = max(round(_SHADES * count / peak), 1 if count else 0)
            shade = f"{0.05 + level / 10:.2f}"
            size = f"h{wide - 1:.1f}v20h-{wide - 1:.1f}z"
            cells.setdefault(shade, []).append(f"M{left + wide * place:.1f} {y}{size}")
    for shade, paths in cells.items():
        drawing.add("path", "f c-ink", d="".join(paths), **{"fill-opacity": shade})
    bottom = 6.0 + high * len(chart.rows)
    drawing.below(chart.columns, left, wide, bottom + 16)
    return bottom + 22


def _end(bar: Bar) -> float:
    """Return where a bar ends, with its mark of the time before."""
    end = bar.start + sum(size_of(part.value) for part in bar.parts)
    return max(end, size_of(bar.before))


def _room(names: Iterable[str]) -> float:
    """Return the room for names, with a gap."""
    return min(max(map(text_width, names), default=0), _NAMES) + 8
