"""A drawing in plain SVG: its elements, and how much room its texts take.

Drawings have classes, not styles: `page.css` gives the colours of both themes. Text is
measured in Arial with a reserve, so that none is cut or covers another, whatever font
of that kind a reader has. Solid is known, hatched is a forecast or unfinished, a dotted
outline is unpriced or could be, and is not to scale.
"""

from __future__ import annotations

from itertools import pairwise
from math import floor, log10
from typing import TYPE_CHECKING, TypeAlias
from unicodedata import combining, east_asian_width

from markupsafe import Markup, escape

from toolkit.errors import clean
from toolkit.formatting.text import format_count, format_share, format_usd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from toolkit.formatting.figures import Figure
    from toolkit.formatting.text import UsdStyle
    from toolkit.report.model import Color, Kind

    Run: TypeAlias = tuple[str, str]  # a text, and its classes
    Tick: TypeAlias = tuple[float, str]  # a value of an axis, and how it is written
    Size: TypeAlias = float | str  # in pixels, or in percent
    Piece: TypeAlias = tuple[float, Color, str]  # of a column, with its size

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
LINE = 17.0  # between labels below each other
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

    def stack(self, x: float, y: float, width: float, parts: Iterable[Piece]) -> float:
        """Add the parts of a column from the ground `y` up; return its top."""
        for size, color, mark in parts:
            if size:
                # The ground shows between parts that are high enough for it.
                edge = 1.2 if size > 3 else 0
                self.part(x, y - size + edge, width, size - edge, color, mark)
                y -= size
        return y

    def below(
        self, labels: Sequence[str], left: float, slot: float, y: float, last: str = ""
    ) -> None:
        """Add labels of columns: as many as fit, the last among them if it differs."""
        middles = []
        for place, text in enumerate(labels):
            half, middle = text_width(text) / 2, left + slot * (place + 0.5)
            middles.append(min(max(middle, half), left + slot * len(labels) - half))
        ticks, sign = [*zip(middles, labels, strict=True)], -1 if last else 1
        for x, text in thinned(ticks[::sign], lambda x: sign * x):
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


def log_ticks(least: float, most: float) -> list[Tick]:
    """Return 1, 3, 10, 30 and so on within a range, and how an axis writes them.

    Examples
    --------
    >>> log_ticks(25, 4000)
    [(30.0, '30'), (100.0, '100'), (300.0, '300'), (1000.0, '1k'), (3000.0, '3k')]
    """
    powers = range(floor(log10(least)), floor(log10(most)) + 1)
    values = [one * 10.0**power for power in powers for one in (1, 3)]
    return [(one, format_count(one, "short")) for one in values if least <= one <= most]


def thinned(ticks: Sequence[Tick], place: Callable[[float], float]) -> Sequence[Tick]:
    """Return every tick, or every second or third one, so that their texts fit."""
    for step in range(1, len(ticks) + 1):
        if all(
            place(after[0]) - place(before[0])
            > (text_width(before[1]) + text_width(after[1])) / 2 + 8
            for before, after in pairwise(ticks[::step])
        ):
            return ticks[::step]
    return ()
