"""Format values; measure, fit, wrap and draw text."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

from matplotlib import rcParams
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from toolkit.charts.colors import readable
from toolkit.charts.style import Style, background, current_theme, families
from toolkit.formatting.text import format_count, format_share, format_usd

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.ft2font import FT2Font
    from matplotlib.text import Annotation

    from toolkit.formatting.figures import Figure
    from toolkit.metrics.measures import Measure

LEADING = 1.25  # line height as a multiple of the font size
_CONTROLS = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
_WIDE = "\N{EM DASH}"
_LONGEST_NAME = 400  # characters; no chart has room for more


def format_value(measure: Measure, value: Figure | float, *, words: bool) -> str:
    """Format a value of a measure, short."""
    if measure.is_money:
        return format_usd(value, words=words)
    if measure.is_share:
        return format_share(value, words=words)
    return format_count(value, "short", words=words)


def tick_of(measure: Measure) -> Callable[..., str]:
    """Return what writes the values of a measure on an axis."""
    if measure.is_money:
        return _usd_tick
    return share_tick if measure.is_share else _count_tick


def _count_tick(value: float, _place: float = 0) -> str:
    """Format a count or a ratio on an axis."""
    return format_count(value, "short")


def _usd_tick(value: float, _place: float = 0) -> str:
    """Format dollars on an axis."""
    return format_usd(value, "short")


def share_tick(value: float, _place: float = 0) -> str:
    """Format a share on an axis."""
    return format_share(value, "exact")


@lru_cache(maxsize=16)
def _load_fonts(names: tuple[str, ...], weight: str) -> list[FT2Font]:
    """Load one font of each family."""
    paths = [findfont(FontProperties(family=[n], weight=weight)) for n in names]
    return [get_font(path) for path in dict.fromkeys(paths)]


def _glyphs(style: Style) -> Callable[[str], bool]:
    """Return a function that returns whether a font has a character."""
    fonts = _load_fonts(tuple(families()), style.weight)
    return lambda char: any(font.get_char_index(ord(char)) for font in fonts)


def _printable(text: str, style: Style) -> str:
    """Replace control characters and characters that no font has.

    In SVG whose text is not drawn as paths, the reader's fonts have them.
    """
    keeps = rcParams["svg.fonttype"] == "none"
    if text.isprintable() and (keeps or text.isascii()):
        return text
    has_glyph = _glyphs(style)
    substitute = next(filter(has_glyph, "\N{REPLACEMENT CHARACTER}"), "?")
    return "".join(
        char
        if unicodedata.category(char) not in _CONTROLS and (keeps or has_glyph(char))
        else substitute
        for char in text
    )


@lru_cache(maxsize=4096)
def _measure(text: str, style: Style, _families: tuple[str, ...]) -> float:
    """Return the width of a printable line in points; fonts are part of the key.

    A character that no font has is measured as wide as it is high.
    """
    if not text.isascii():
        has_glyph = _glyphs(style)
        text = "".join(char if has_glyph(char) else _WIDE for char in text)
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, style.font, ismath=False
    )
    return 1.05 * float(width)  # hinting on a screen may widen a line


def text_width(text: str, style: Style) -> float:
    """Return the width of a printable line in points."""
    return _measure(text, style, tuple(families()))


def widest(texts: Sequence[str], style: Style) -> float:
    """Return the width of the widest line in points, 0 if there is none."""
    return max((text_width(text, style) for text in texts), default=0.0)


def fit(text: str, style: Style, width: float) -> str:
    """Make a text printable, and shorten it in its middle to `width` points."""
    if len(text) > _LONGEST_NAME:
        text = f"{text[: _LONGEST_NAME // 2]}…{text[-_LONGEST_NAME // 2 :]}"
    text = _printable(text, style)

    def cut(length: int) -> str:
        return f"{text[: length - length // 2]}…{text[len(text) - length // 2 :]}"

    def cut_width(length: int) -> float:
        return text_width(cut(length), style)

    if text_width(text, style) <= width:
        return text
    return cut(max(1, bisect_right(range(len(text)), width, key=cut_width) - 1))


def wrap(text: str, style: Style, width: float) -> str:
    """Break a text into lines no wider than `width` points."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {fit(word, style, width)}".strip()
        if text_width(longer, style) <= width:
            lines[-1] = longer
        else:
            lines.append(fit(word, style, width))
    return "\n".join(filter(None, lines))


def text_height(lines: str, style: Style) -> float:
    """Return the height of wrapped lines in points."""
    return LEADING * style.size * (1 + lines.count("\n")) if lines else 0.0


def write(
    ax: Axes,
    text: str,
    style: Style,
    at: tuple[float, float],
    off: tuple[float, float],
    align: str = "left bottom",
    *,
    color: str | None = None,
    coords: str | tuple[str, str] = "axes fraction",
) -> Annotation:
    """Draw plain text at a position in the axes (0 to 1), offset by points.

    The colour is muted by default, and adjusted until it is readable on the background
    of the figure.
    """
    return ax.annotate(
        text,
        at,
        off,
        xycoords=coords,
        textcoords="offset points",
        horizontalalignment=align.split()[0],
        verticalalignment=align.split()[1],
        fontproperties=style.font,
        color=readable(color or current_theme().muted, background(ax)),
        linespacing=LEADING,
        annotation_clip=False,
        parse_math=False,  # a model may be named $x^$
        usetex=False,
    )
