"""Charts as SVG inside a page: no scripts, no style attributes, and two themes.

matplotlib writes a style on each element. Here each distinct style becomes a class in
the style sheet of the page, with a second rule for the dark theme.
"""

from __future__ import annotations

import io
import re
import warnings
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from toolkit.charts.colors import (
    DARK_SHADES,
    LIGHT_SHADES,
    contrast,
    mix,
    readable,
)
from toolkit.charts.style import DARK, LIGHT, Theme, theme
from toolkit.charts.titles import TITLE, describe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl
    from matplotlib.axes import Axes

# Nothing in a drawing depends on the clock.
_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}
WIDE, NARROW = (9.0, 3.9), (4.3, 3.6)  # inches, for laptops and phones
_COLOR = re.compile(r"#[0-9a-f]{6}\b")
# Dots in a hatch of matplotlib: a curve. Width of a tile with one dot, and the dot.
_CURVE = "C"
_TILE, _DOT = 4, "M 1.4 2 a .6 .6 0 1 0 1.2 0 a .6 .6 0 1 0 -1.2 0 z"
_LONGEST_ALT = 1500  # characters
# Attributes that are moved into the style.
_PAINT = ("fill", "stroke", "fill-opacity", "stroke-opacity", "stroke-width", "opacity")


# Colours of a theme that are used only as they are.
_PLAIN = ("grid", "ground")
# How the other colours are used: as they are, for text, paler in hatched parts, and as
# the tint of text on a part.
_SHADES: tuple[Callable[[str, Theme], str], ...] = (
    lambda color, _: color,
    lambda color, look: readable(color, look.ground),
    lambda color, look: mix(color, look.ground, 0.25),
    lambda color, _: mix(_ink_on(color), color, 0.08),
)


@cache
def _dark_colors() -> dict[str, str]:
    """Return the colour of the dark theme for each colour of the light theme."""
    pairs = [
        pair
        for slot, shade in LIGHT_SHADES.items()
        for pair in zip(shade, DARK_SHADES[slot], strict=True)
    ]
    pairs += _pairs_of("soft", "pale", "warn", "muted", "ink")
    known = {light.lower(): dark.lower() for light, dark in _pairs_of(*_PLAIN)}
    for shade in _SHADES:
        for light, dark in pairs:
            known.setdefault(shade(light, LIGHT).lower(), shade(dark, DARK).lower())
    return known


def _pairs_of(*names: str) -> list[tuple[str, str]]:
    """Return colours of both themes by their names."""
    return [(getattr(LIGHT, name), getattr(DARK, name)) for name in names]


def _ink_on(color: str) -> str:
    """Return black or white, whichever is clearer on a colour."""
    return max(("#000000", "#ffffff"), key=lambda shade: contrast(shade, color))


class Styles:
    """The styles of all charts of a page: a class for each, with a rule per theme."""

    def __init__(self) -> None:
        self.names: dict[tuple[str, str], str] = {}
        self.colors = dict(_dark_colors())

    def name_of(self, style: str) -> str:
        """Return the class of a style; add it if it is new."""
        dark = _COLOR.sub(lambda found: self.colors[found[0]], style)
        return self.names.setdefault((style, dark), f"c{len(self.names)}")

    def rules(self) -> tuple[str, str]:
        """Return the rules of the light theme, and those that differ in the dark."""
        rules = self.names.items()
        light = "".join(f".{name}{{{style}}}" for (style, _), name in rules)
        dark = "".join(
            f".{name}{{{dark}}}" for (style, dark), name in rules if dark != style
        )
        return light, dark


def draw(
    chart: Callable[..., Axes],
    frame: pl.DataFrame,
    styles: Styles,
    name: str,
    inches: tuple[float, float],
) -> str:
    """Draw a chart as SVG for a page, without its title, which the page shows.

    It is called inside `page_settings`. Its identifiers follow from `name`, which
    differs between the charts of a page.
    """
    light, alt, cut = _drawing(chart, frame, name, inches, LIGHT)
    found = _COLOR.findall(light)
    if not styles.colors.keys() >= set(found):
        # A blend of colours: take the one at the same place of the dark drawing.
        dark = _COLOR.findall(_drawing(chart, frame, name, inches, DARK)[0])
        styles.colors = dict(zip(found, dark, strict=True)) | styles.colors
    return _page_svg(light, styles, alt, cut)


def _drawing(
    chart: Callable[..., Axes],
    frame: pl.DataFrame,
    name: str,
    inches: tuple[float, float],
    look: Theme,
) -> tuple[str, str, float]:
    """Draw without a title; return SVG, alt text, and the height to cut at the top."""
    figure = Figure(figsize=inches, facecolor=look.ground)
    ax = figure.add_axes((0, 0, 1, 1))
    mpl.rcParams["svg.hashsalt"] = name
    with theme(look.name):
        vars(ax)[TITLE] = ""
        chart(frame, ax=ax)
        for axis in (ax.xaxis, ax.yaxis):
            # It has no label: do not measure the ticks to find room for one.
            axis.set_label_coords(0, 0)
        alt = _shortened(describe(ax))
        figure.patch.set_visible(False)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata=_METADATA)
    return written.getvalue(), alt, 0.0


def _family_of(name: str) -> str:
    """Return the installed font that a family is drawn in, as for ``sans-serif``.

    matplotlib looks up a generic name again for each text. The page names its fonts.
    """
    return str(get_font(findfont(FontProperties(family=[name]))).family_name)


@contextmanager
def page_settings() -> Iterator[None]:
    """Set what `draw` needs of matplotlib, for all charts of a page."""
    fonts = [_family_of(family) for family in mpl.rcParams["font.family"]]
    options: dict[Any, Any] = {"svg.fonttype": "none", "font.family": fonts}
    with mpl.rc_context(options), any_sign():
        yield


@contextmanager
def any_sign() -> Iterator[None]:
    """Silence the warning that no font has a character; it is drawn as a box."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph ", UserWarning)
        yield


def _shortened(text: str) -> str:
    """Cut alt text that contains very long names."""
    return text if len(text) <= _LONGEST_ALT else f"{text[: _LONGEST_ALT - 1]}…"


def _page_svg(text: str, styles: Styles, alt: str, cut: float) -> str:
    """Convert an SVG of matplotlib to one that is safe inside a page."""
    root = ET.fromstring(text)  # noqa: S314 - written by matplotlib
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    for element in list(root.iter()):
        element.tag = element.tag.rpartition("}")[2]
        element.tail = None
        if element.tag not in {"text", "tspan"}:
            element.text = None
        for child in list(element):
            if child.tag.endswith(("}metadata", "}style")):
                element.remove(child)
        if element.tag == "pattern":
            _simplify(element)
        attributes = _attributes_of(element, styles)
        element.attrib.clear()
        element.attrib.update(attributes)
    box = f"0 {cut:g} {width:g} {height - cut:g}"
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "role": "img", "aria-label": alt})
    return ET.tostring(root, encoding="unicode", short_empty_elements=False)


def _simplify(pattern: ET.Element) -> None:
    """Replace a dotted hatch by a small tile."""
    for path in pattern:
        if _CURVE in path.attrib.get("d", ""):
            pattern.attrib.update(width=f"{_TILE}", height=f"{_TILE}")
            path.attrib["d"] = _DOT


def _attributes_of(element: ET.Element, styles: Styles) -> dict[str, str]:
    """Return the attributes of an element, with a class instead of its style."""
    found = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
    if element.tag == "g":
        found.pop("id", None)  # every chart has the same, and nothing refers to them
    parts = [found.pop("style", "")]
    parts += [f"{name}: {found.pop(name)}" for name in _PAINT if name in found]
    style = "; ".join(filter(None, parts))
    return {**found, "class": styles.name_of(style)} if style else found


def sparkline(points: Sequence[float | None]) -> str:
    """Return the points of a sparkline in a box of 100 by 24; none for less than two.

    Examples
    --------
    >>> sparkline([1.0, 3.0, 2.0])
    '2,22 50,2 98,12'
    """
    known = [point for point in points if point is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    height = (high - low) or 1
    step = 96 / (len(points) - 1)
    return " ".join(
        f"{2 + step * place:.4g},{22 - 20 * (point - low) / height:.4g}"
        for place, point in enumerate(points)
        if point is not None
    )
