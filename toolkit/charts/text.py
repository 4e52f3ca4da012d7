"""Format numbers; measure, fit, wrap and draw text."""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from decimal import ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path

from toolkit.charts.style import Style, background, current_theme, families, readable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.ft2font import FT2Font
    from matplotlib.text import Annotation

LEADING = 1.25  # line height as a multiple of the font size
_LONGEST_NAME = 400  # characters; no chart has room for more
_SIGNS = {1e12: "T", 1e9: "B", 1e6: "M", 1e3: "k", 1: ""}


def short_number(value: float, _tick: float = 0) -> str:
    """Write a number in three digits: ``200``, ``1.2k``, ``50M``, ``1.5B``."""
    value = float(f"{value:.3g}")
    size = next((size for size in _SIGNS if abs(value) >= size), 1)
    digits = 3 if abs(value) >= 0.01 or not value else 12
    text = f"{value / size:,.{digits}f}".rstrip("0").rstrip(".")
    return text + _SIGNS[size]


def money(value: float, _tick: float = 0) -> str:
    """Write dollars in three digits: ``$0``, ``$0.05``, ``$12.50``, ``$1.5k``.

    Examples
    --------
    >>> [money(value) for value in (0, 0.00042, 0.5, 12.5, 152, 1_500, 2_000_000)]
    ['$0', '$0.00042', '$0.50', '$12.50', '$152', '$1.5k', '$2M']
    """
    text = short_number(value)
    whole, point, cents = text.partition(".")
    if point and len(cents) == 1 and cents.isdigit():
        text = f"{whole}.{cents}0"
    return f"-${text[1:]}" if text.startswith("-") else f"${text}"


def dollars(value: float | Decimal, *, down: bool = False) -> str:
    """Write dollars for a label: whole above a hundred, else as on an axis.

    What is the least that was spent is rounded down.

    Examples
    --------
    >>> dollars(Decimal("1.598715")), dollars(Decimal("1.598715"), down=True)
    ('$1.60', '$1.59')
    >>> dollars(152.7), dollars(152.7, down=True), dollars(0.3, down=True)
    ('$153', '$152', '$0.30')
    """
    if down and value:
        # A double is taken for what it was before it was one.
        exact = value if isinstance(value, Decimal) else Decimal(f"{value:.12g}")
        places = 0 if 100 <= abs(exact) < 10**6 else exact.adjusted() - 2
        value = exact.quantize(Decimal(1).scaleb(places), ROUND_FLOOR)
    value = float(value)
    if 100 <= abs(value) < 1e6:
        return f"${value:,.0f}".replace("$-", "-$")
    return money(value)


def percent(part: float, whole: float) -> str:
    """Write a share; what is there is never 0 %, what lacks something never 100 %."""
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:,.1f}".removesuffix(".0") + " %"


def percent_tick(value: float, _tick: float = 0) -> str:
    """Write a share on an axis: ``0 %``, ``2.5 %``, ``100 %``."""
    return f"{100 * value:.4g} %"


def share_text(value: float) -> str:
    """Write a share that is known as one number."""
    return percent(value, 1)


def decimal_text(value: float, _tick: float = 0) -> str:
    """Write a plain ratio: ``1.25``, ``0.031``, ``12.3k``."""
    return short_number(value)


@lru_cache(maxsize=16)
def _load_fonts(names: tuple[str, ...], weight: str) -> list[FT2Font]:
    """Load one font of each family."""
    paths = [findfont(FontProperties(family=[n], weight=weight)) for n in names]
    return [get_font(path) for path in dict.fromkeys(paths)]


def printable(text: str, style: Style) -> str:
    """Replace control characters and characters that no font has."""
    if text.isascii() and text.isprintable():
        return text
    fonts = _load_fonts(tuple(families()), style.weight)
    controls = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}

    def is_drawable(char: str) -> bool:
        has_glyph = any(font.get_char_index(ord(char)) for font in fonts)
        return has_glyph and unicodedata.category(char) not in controls

    substitute = next(filter(is_drawable, "\N{REPLACEMENT CHARACTER}"), "?")
    return "".join(char if is_drawable(char) else substitute for char in text)


@lru_cache(maxsize=4096)
def _measure(text: str, style: Style, _families: tuple[str, ...]) -> float:
    """Return the width of a printable line in points; fonts are part of the key."""
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, style.font, ismath=False
    )
    return 1.05 * float(width)  # hinting on a screen may widen a line


def text_width(text: str, style: Style) -> float:
    """Return the width of a printable line in points."""
    return _measure(text, style, tuple(families()))


def fit(text: str, style: Style, width: float) -> str:
    """Make a text printable, and shorten it in its middle to `width` points."""
    if len(text) > _LONGEST_NAME:
        text = f"{text[: _LONGEST_NAME // 2]}…{text[-_LONGEST_NAME // 2 :]}"
    text = printable(text, style)

    def cut(length: int) -> str:
        return f"{text[: length - length // 2]}…{text[len(text) - length // 2 :]}"

    def cut_width(length: int) -> float:
        return text_width(cut(length), style)

    if text_width(text, style) <= width:
        return text
    return cut(max(1, bisect_right(range(len(text)), width, key=cut_width) - 1))


def wrap(parts: Sequence[str], joint: str, style: Style, width: float) -> str:
    """Join parts into lines no wider than `width` points."""
    lines: list[str] = []
    for part in parts:
        fitted = fit(part, style, width)
        if fitted != part and " " in part:  # longer than a line: break it at spaces
            fitted = wrap(part.split(" "), " ", style, width)
        longer = f"{lines[-1]}{joint}{fitted}" if lines else fitted
        # Measure the last line only: the part before may take several lines.
        if lines and text_width(longer.rpartition("\n")[2], style) <= width:
            lines[-1] = longer
        else:
            lines.append(fitted)
    return "\n".join(lines)


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
    inside: bool = False,
    coords: str | tuple[str, str] = "axes fraction",
) -> Annotation:
    """Draw plain text at a position in the axes (0 to 1), offset by points.

    The colour is muted by default, and adjusted until it is readable on the background
    of the figure. With `inside` it is used as it is.
    """
    shade = color or current_theme().muted
    return ax.annotate(
        text,
        at,
        off,
        xycoords=coords,
        textcoords="offset points",
        horizontalalignment=align.split()[0],
        verticalalignment=align.split()[1],
        fontproperties=style.font,
        color=shade if inside else readable(shade, background(ax)),
        linespacing=LEADING,
        annotation_clip=False,
        parse_math=False,  # a model may be named $x^$
        usetex=False,
    )


def join_words(words: Sequence[str]) -> str:
    """Join words: ``model, team and day``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))
