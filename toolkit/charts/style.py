"""Themes, text styles, contrast of colours, and fonts."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.font_manager import FontProperties, fontManager

from toolkit.errors import check_word

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes

_CONTRAST = 4.5  # of text on its background: WCAG 2.2, success criterion 1.4.3
LINE_CONTRAST = 2.2  # of a line; that of the palette's orange on white


def _split(names: str, separator: str = " ") -> tuple[str, ...]:
    """Split a text into its names."""
    return tuple(names.split(separator))


# Fonts with characters that DejaVu Sans lacks, used where they are installed. Colour
# fonts of emoji cannot be drawn by matplotlib.
_FALLBACKS = _split(
    "DejaVu Sans,Noto Sans,Noto Sans CJK SC,Noto Sans CJK JP,Noto Sans SC,"
    "Noto Sans JP,Noto Sans KR,Source Han Sans SC,WenQuanYi Micro Hei,"
    "WenQuanYi Zen Hei,PingFang SC,Hiragino Sans GB,Microsoft YaHei,"
    "Yu Gothic,Malgun Gothic,Arial Unicode MS,Noto Sans Arabic,"
    "Noto Sans Hebrew,Noto Sans Devanagari,Noto Sans Thai,Noto Emoji,"
    "Symbola,Segoe UI Symbol,Segoe UI Emoji",
    ",",
)


class Theme(NamedTuple):
    """The colours of a chart: series by their slot, text, lines and the background."""

    name: str
    palette: tuple[str, ...]
    rest: str
    ink: str
    muted: str
    grid: str
    ground: str
    faint: str  # the lower end of a heat map
    alarm: str  # errors; used by no series


# The first six follow Okabe and Ito and are safe for the colour-blind; the others are
# the same hues, lighter or darker. The rest is a grey so pale that readers who do not
# see green can tell it from the pink.
LIGHT = Theme(
    name="light",
    palette=_split(
        "#0072B2 #E69F00 #009E73 #CC79A7 #56B4E9 #D55E00 "
        "#7A4B00 #8FD8BF #7A3A5E #F5B489 #00385A #B9E0F7"
    ),
    rest="#B0B8C0",
    ink="#1B2733",
    muted="#5B6875",
    grid="#E3E8ED",
    ground="#FFFFFF",
    faint="#EEF3F7",
    alarm="#B3261E",
)
DARK = Theme(
    name="dark",
    palette=_split(
        "#3A8FD6 #F2B233 #2DBE91 #D985B8 #8FD0F5 #FF8A4C "
        "#A87B1E #B4EFDB #A8648A #FFC9A8 #1F6AA5 #D3ECFA"
    ),
    rest="#77838F",
    ink="#EEF2F6",
    muted="#A3AEB9",
    grid="#2A343F",
    ground="#141B22",
    faint="#1E2832",
    alarm="#FF7B72",
)
_THEMES = {theme.name: theme for theme in (LIGHT, DARK)}
_chosen: ContextVar[Theme] = ContextVar("chosen", default=LIGHT)


@contextmanager
def theme(name: str) -> Iterator[None]:
    """Draw in another theme inside a ``with`` block.

    Parameters
    ----------
    name
        ``"light"``, the default everywhere, or ``"dark"``.

    Notes
    -----
    Each theme has its own palette; a name has the same slot in both. A figure created
    inside the block gets the background of the theme. An existing figure keeps its own
    background, and the text on it stays readable.

    Examples
    --------
    >>> from toolkit.charts import plot_token_usage, theme
    >>> from toolkit.metrics import token_usage
    >>> from toolkit.testing import make_choices
    >>> usage = token_usage(make_choices({"total_tokens": 5}))
    >>> with theme("dark"):
    ...     ax = plot_token_usage(usage)
    >>> ax.get_facecolor() == plot_token_usage(usage).get_facecolor()
    False
    """
    check_word("theme", name, tuple(_THEMES))
    before = _chosen.set(_THEMES[name])
    try:
        yield
    finally:
        _chosen.reset(before)


def current_theme() -> Theme:
    """Return the current theme."""
    return _chosen.get()


@lru_cache(maxsize=8)
def _with_fallbacks(first: tuple[str, ...]) -> tuple[str, ...]:
    """Return font families followed by the installed fallbacks."""
    installed = {font.name for font in fontManager.ttflist}
    return (*first, *(name for name in _FALLBACKS if name in installed - set(first)))


def families() -> list[str]:
    """Return the font families of text, in the order in which they are tried."""
    return list(_with_fallbacks(tuple(mpl.rcParams["font.family"])))


class Style(NamedTuple):
    """Size of a text in points, and its weight."""

    size: float
    weight: str

    @property
    def font(self) -> FontProperties:
        """The font of the text; it must not be changed."""
        return _font(self, tuple(families()))


@lru_cache(maxsize=64)
def _font(style: Style, names: tuple[str, ...]) -> FontProperties:
    """Return the font of a style, of the first of some families."""
    return FontProperties(family=list(names), size=style.size, weight=style.weight)


class Texts(NamedTuple):
    """The text styles of a chart."""

    title: Style
    body: Style
    names: Style
    note: Style


FULL = Texts(
    Style(13, "bold"), Style(9.5, "normal"), Style(9.5, "bold"), Style(8.5, "normal")
)
SMALL = Texts(
    Style(10.5, "bold"), Style(8, "normal"), Style(8, "bold"), Style(7.5, "normal")
)


def contrast(color: str, ground: str = LIGHT.ground) -> float:
    """Return the contrast of two colours, 1 to 21, as WCAG 2.2 defines it."""

    def luminance(shade: str) -> float:
        rgb = np.array(to_rgb(shade))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    dark, light = sorted((luminance(color), luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


@lru_cache(maxsize=1024)
def readable(color: str, ground: str = LIGHT.ground, least: float = _CONTRAST) -> str:
    """Darken a colour, or lighten it on a dark background, until text is readable."""
    black, white = contrast("#000000", ground), contrast("#ffffff", ground)
    end = "#000000" if black >= white else "#ffffff"
    shades = (mix(color, end, step / 100) for step in range(101))
    return next((shade for shade in shades if contrast(shade, ground) >= least), end)


def mix(color: str, other: str, share: float) -> str:
    """Return a mixture of two colours; `share` is that of `other`."""
    pairs = zip(to_rgb(color), to_rgb(other), strict=True)
    red, green, blue = (one * (1 - share) + two * share for one, two in pairs)
    return to_hex((red, green, blue))


def background(ax: Axes) -> str:
    """Return the background colour of the text around an Axes."""
    red, green, blue, alpha = to_rgba(ax.figure.get_facecolor())
    return to_hex((red, green, blue)) if alpha > 0.5 else current_theme().ground
