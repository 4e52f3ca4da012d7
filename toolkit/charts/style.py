"""Themes, the looks of bars, text styles and fonts."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
from matplotlib.colors import to_hex, to_rgba
from matplotlib.font_manager import FontProperties, fontManager

from toolkit.charts.colors import DARK_MARKS, LIGHT_MARKS, Shade, mix, shade_of
from toolkit.errors import check_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

EDGE = 0.7  # of a bar, about one pixel
_UNSEEN = "not known"  # label of a dotted part
# Fonts with characters that DejaVu Sans lacks, used where they are installed. Colour
# fonts of emoji cannot be drawn by matplotlib.
_FALLBACKS = (
    "DejaVu Sans,Noto Sans,Noto Sans CJK SC,Noto Sans CJK JP,Noto Sans SC,"
    "Noto Sans JP,Noto Sans KR,Source Han Sans SC,WenQuanYi Micro Hei,"
    "WenQuanYi Zen Hei,PingFang SC,Hiragino Sans GB,Microsoft YaHei,"
    "Yu Gothic,Malgun Gothic,Arial Unicode MS,Noto Sans Arabic,"
    "Noto Sans Hebrew,Noto Sans Devanagari,Noto Sans Thai,Noto Emoji,"
    "Symbola,Segoe UI Symbol,Segoe UI Emoji"
)


class Theme(NamedTuple):
    """The colours of a chart beside those of series: see `toolkit.charts.colors`."""

    name: str
    ground: str
    panel: str
    ink: str
    muted: str
    soft: str  # what is no series; grouped series
    pale: str
    rule: str
    grid: str
    warn: str  # lines and arguments that cannot be read
    warn2: str

    def shade(self, color: str) -> Shade:
        """Return fill and text of a slot, a mark or a colour ``#rrggbb``."""
        return shade_of(color, dark=self is DARK)


LIGHT, DARK = Theme("light", **LIGHT_MARKS), Theme("dark", **DARK_MARKS)
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
    Each theme has its own shades; a name has the same hue in both. A figure created
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
    others = {font.name for font in fontManager.ttflist} - {*first}
    return (*first, *(name for name in _FALLBACKS.split(",") if name in others))


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


def background(ax: Axes) -> str:
    """Return the background colour of the text around an Axes."""
    red, green, blue, alpha = to_rgba(ax.figure.get_facecolor())
    return to_hex((red, green, blue)) if alpha > 0.5 else current_theme().ground


def solid(color: str) -> dict[str, Any]:
    """Return the look of a bar; parts have an edge between them."""
    ground = current_theme().ground
    return {"facecolor": color, "edgecolor": ground, "linewidth": EDGE}


def dotted() -> dict[str, Any]:
    """Return the look of a bar for what is not known."""
    look: dict[str, Any] = {"facecolor": "none", "edgecolor": current_theme().muted}
    return {**look, "linewidth": 0.9, "linestyle": (0, (1, 1.4)), "label": _UNSEEN}


def hatch(bars: Iterable[Artist], color: str) -> None:
    """Draw bars hatched and paler."""
    ground = current_theme().ground
    for bar in bars:
        pale = mix(color, ground, 0.25)
        bar.set(facecolor=pale, hatch="/////", hatchcolor=ground, hatch_linewidth=1.1)
