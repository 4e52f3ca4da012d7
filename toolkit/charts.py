"""Charts: a small tidy frame in, a finished picture out.

A chart draws, and computes no figure of its own. `plot_token_usage` is made of pieces
that know nothing of tokens: colours, numbers, words, the folding of many series into
few, a true time axis, and the room that words need. The next chart is made of them too.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
import polars as pl
from matplotlib.colors import to_hex, to_rgb
from matplotlib.dates import DateFormatter, date2num
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path
from matplotlib.ticker import FuncFormatter, MaxNLocator
from matplotlib.transforms import Bbox

from toolkit.errors import MissingColumnsError, UnsuitableColumnError, plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal, TypeAlias

    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.float64]

# After Okabe and Ito, safe for the colour-blind; grey is for the rest.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
REST, INK, MUTED, GRID, GROUND = "#9AA3AD", "#1B2733", "#5B6875", "#E3E8ED", "#FFFFFF"
CONTRAST = 4.5  # of text on its ground: WCAG 2.2, success criterion 1.4.3

FIGURE_SIZE = (9.0, 4.2)  # inches; all other lengths are points on paper
RIM = 12.0  # free on every side of a figure
TICK_ROOM = 34.0  # for the widest number on the y axis
DATE_ROOM = 38.0  # for two lines under the x axis
DATE_WIDTH = 60.0  # of a label on the x axis, with the space around it
NAME_WIDTH = 150.0  # of the name of a series, at most
GAP = 8.0
LEADING = 1.25  # from line to line, of the size of the text
EDGE = 0.7  # white, about one pixel

NAMED_SERIES = 5  # a sixth is named too; of more, the rest is "N others"
BARS_AT_MOST = 90  # periods; more are too thin to be told apart
BARS_AT_LEAST = 6  # periods that have room on the x axis, lest one day be a wall
THIN = 0.012  # of the height of the chart: an edge would hide so thin a part

NOT_SAID = "not said"
OUR_WORDS = re.compile(rf"\s*|{NOT_SAID}|[\d,]+ others")
LONGEST_NAME = 400  # characters: more fit into no chart, and need not be measured

DAY = 86_400  # seconds
SECONDS = {"mo": 2_629_800, "w": 7 * DAY, "d": DAY, "h": 3_600, "m": 60, "s": 1}
UNITS = {"mo": "month", "w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}
MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"  # strftime's depend on the locale

PERIOD = ("period", "period_end")
COUNTS = ("responses", "responses_without_usage")
TOKENS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "reasoning_tokens",
)
HINT = "call toolkit.metrics.token_usage(choices) first"


class Style(NamedTuple):
    """How a text looks: size in points, weight, colour."""

    size: float
    weight: str
    color: str

    @property
    def font(self) -> FontProperties:
        """The font that draws it."""
        return FontProperties(size=self.size, weight=self.weight)


TITLE = Style(13, "bold", INK)
WORDS = Style(9.5, "normal", MUTED)
NAMES = Style(9.5, "bold", MUTED)
NOTE = Style(8.5, "normal", MUTED)


def contrast(color: str, ground: str = GROUND) -> float:
    """Return the contrast of two colours, 1 to 21, as WCAG 2.2 defines it."""

    def luminance(shade: str) -> float:
        rgb = np.array(to_rgb(shade))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ (0.2126, 0.7152, 0.0722))

    dark, light = sorted((luminance(color), luminance(ground)))
    return (light + 0.05) / (dark + 0.05)


def readable(color: str) -> str:
    """Darken a colour just enough for text on white."""
    red, green, blue = to_rgb(color)
    shares = (percent / 100 for percent in range(100, -1, -1))
    shades = (to_hex((red * share, green * share, blue * share)) for share in shares)
    return next(shade for shade in shades if contrast(shade) >= CONTRAST)


def short_number(value: float) -> str:
    """Write a number in three digits: ``200``, ``1.2k``, ``50M``, ``1.5B``."""
    value = float(f"{value:.3g}")
    signs = {1e12: "T", 1e9: "B", 1e6: "M", 1e3: "k", 1: ""}
    size = next((size for size in signs if abs(value) >= size), 1)
    return f"{value / size:,.3f}".rstrip("0").rstrip(".") + signs[size]


def percent(part: float, whole: float) -> str:
    """Write a share; what is there is never 0 %, what lacks something never 100 %."""
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "< 0.1 %"
    if 99.9 < share < 100:
        return "> 99.9 %"
    return f"{share:.1f}".removesuffix(".0") + " %"


def printable(text: str, style: Style) -> str:
    """Replace what the font lacks, and what would act on the line, not stand in it."""
    families = [[family] for family in mpl.rcParams["font.family"]]
    paths = [findfont(FontProperties(name, weight=style.weight)) for name in families]
    fonts = [get_font(path) for path in paths]

    def stands(sign: str) -> bool:
        acts = unicodedata.category(sign) in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
        return not acts and any(font.get_char_index(ord(sign)) for font in fonts)

    instead = next(filter(stands, "\N{REPLACEMENT CHARACTER}"), "?")
    return "".join(sign if stands(sign) else instead for sign in text)


def text_width(text: str, style: Style) -> float:
    """Measure a printable line in points."""
    width, _, _ = text_to_path.get_text_width_height_descent(
        text, style.font, ismath=False
    )
    return 1.02 * width  # hinted for a screen, a line is a little longer


def fit(text: str, style: Style, width: float) -> str:
    """Make a text printable and, by … in its middle, no wider than `width` points."""
    if len(text) > LONGEST_NAME:
        text = f"{text[: LONGEST_NAME // 2]}…{text[-LONGEST_NAME // 2 :]}"
    text = printable(text, style)

    def cut(kept: int) -> str:
        return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"

    def width_of_cut(kept: int) -> float:
        return text_width(cut(kept), style)

    if text_width(text, style) <= width:
        return text
    return cut(max(1, bisect_right(range(len(text)), width, key=width_of_cut) - 1))


def wrap(parts: Sequence[str], joint: str, style: Style, width: float) -> str:
    """Join parts into lines no wider than `width` points."""
    lines: list[str] = []
    for part in parts:
        fitted = fit(part, style, width)
        longer = f"{lines[-1]}{joint}{fitted}" if lines else fitted
        if lines and text_width(longer, style) <= width:
            lines[-1] = longer
        else:
            lines.append(fitted)
    return "\n".join(lines)


def height_of(lines: str, style: Style) -> float:
    """Return the height of wrapped lines in points."""
    return LEADING * style.size * (1 + lines.count("\n"))


def write(  # noqa: PLR0913
    ax: Axes, text: str, style: Style, at: tuple[float, float], off: tuple[float, float],
    align: str = "left bottom",
) -> Annotation:
    """Write plain text at a place of the axes (0 to 1), moved off it by points."""
    return ax.annotate(
        text,
        at,
        off,
        xycoords="axes fraction",
        textcoords="offset points",
        horizontalalignment=align.split()[0],
        verticalalignment=align.split()[1],
        fontproperties=style.font,
        color=style.color,
        linespacing=LEADING,
        annotation_clip=False,
        parse_math=False,  # a model may be called $x^$
        usetex=False,
    )
