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
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from toolkit.errors import MissingColumnsError, UnsuitableColumnError, plural

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Literal, TypeAlias

    from matplotlib.axes import Axes
    from matplotlib.gridspec import SubplotSpec
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
DATE_WIDTH = 48.0  # of a label on the x axis, with the space around it
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
UNITS = {
    "mo": "month",
    "w": "week",
    "d": "day",
    "h": "hour",
    "m": "minute",
    "s": "second",
}
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


def short_number(value: float, _tick: float = 0) -> str:
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
    paths = [
        findfont(FontProperties(family=name, weight=style.weight)) for name in families
    ]
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
    return 1.05 * width  # hinted for a screen, a line may be that much longer


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


def write(
    ax: Axes,
    text: str,
    style: Style,
    at: tuple[float, float],
    off: tuple[float, float],
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


class Series(NamedTuple):
    """One part of a chart: its name, as long as it may be, and its colour."""

    name: str
    color: str


def series_name(key: object) -> str:
    """Name a series by its key; a name that looks like words of ours is quoted."""
    if isinstance(key, dict):
        return " · ".join(series_name(value) for value in key.values())
    if key is None:
        return NOT_SAID
    return f'"{key}"' if OUR_WORDS.fullmatch(str(key)) else str(key)


def fold(rows: pl.DataFrame) -> tuple[list[Series], pl.DataFrame]:
    """Name the largest series and fold the others into one.

    Takes columns `key` and `value`. Returns the series, the largest first, and the rows
    with a column `series`, the place of theirs in the list.
    """
    keys = (
        rows.group_by("key", maintain_order=True)
        .agg(pl.col("value").sum())
        .sort("value", descending=True, maintain_order=True)
    )
    named = len(keys) if len(keys) <= NAMED_SERIES + 1 else NAMED_SERIES
    names = [series_name(key) for key in keys["key"].head(named)]
    series = [Series(*pair) for pair in zip(names, PALETTE, strict=False)]
    if len(keys) > named:
        series.append(Series(f"{len(keys) - named:,} others", REST))
    place = pl.int_range(pl.len()).clip(upper_bound=named).alias("series")
    places = keys.select("key", place)
    return series, rows.join(places, on="key", how="left", nulls_equal=True)


class Stack(NamedTuple):
    """Parts on parts: a row of heights for each series, a column for each period.

    Starts and ends are matplotlib's days in UTC: time that has passed, so that no hour
    lies on another where the clocks go back.
    """

    series: list[Series]
    periods: pl.DataFrame
    starts: Numbers
    ends: Numbers
    heights: Numbers

    @property
    def floors(self) -> Numbers:
        """Where each part begins: on the sum of those below."""
        return np.cumsum(self.heights, axis=0) - self.heights

    @property
    def top(self) -> float:
        """Height of the highest pile."""
        return float(self.heights.sum(axis=0).max())

    @property
    def slots(self) -> float:
        """How many periods the range of time holds, gaps included."""
        lasting = np.median(self.ends - self.starts)
        return float((self.ends[-1] - self.starts[0]) / lasting)


def stack(rows: pl.DataFrame) -> Stack:
    """Pile up `value` by `period` and `key`."""
    series, rows = fold(rows)
    table = (
        rows.pivot(on="series", index=PERIOD, values="value", aggregate_function="sum")
        .sort("period")
        .fill_null(0)
    )
    heights = table.select(str(place) for place in range(len(series))).to_numpy().T
    starts, ends = (elapsed_days(table[name]) for name in PERIOD)
    return Stack(series, table.select(PERIOD), starts, ends, heights)


def draw_bars(ax: Axes, pile: Stack) -> None:
    """Draw each part as a bar as wide as its period, with white edges."""
    for part, floor, height in zip(pile.series, pile.floors, pile.heights, strict=True):
        ax.bar(
            pile.starts,
            height,
            width=pile.ends - pile.starts,
            bottom=floor,
            align="edge",
            label=part.name,
            color=part.color,
            edgecolor=GROUND,
            linewidth=np.where(height > THIN * pile.top, EDGE, 0).tolist(),
        )


def draw_areas(ax: Axes, pile: Stack) -> None:
    """Draw each part as filled steps, which fall to zero where no period is."""
    steps = np.unique([pile.starts, pile.ends])
    at = np.searchsorted(steps, pile.starts)
    edge = EDGE * BARS_AT_MOST / pile.slots  # the thinner the steps, the finer
    for part, floor, height in zip(pile.series, pile.floors, pile.heights, strict=True):
        low, high = np.zeros((2, len(steps)))
        low[at], high[at] = floor, floor + height
        area = ax.fill_between(steps, low, high, step="post", label=part.name)
        area.set(facecolor=part.color, edgecolor=GROUND, linewidth=edge)


class Length(NamedTuple):
    """Length of a period on the calendar, such as six hours or one month."""

    number: int
    unit: str  # of polars' duration language

    @property
    def seconds(self) -> int:
        """Length in seconds, of a month on average."""
        return self.number * SECONDS[self.unit]

    @property
    def interval(self) -> str:
        """The length as polars writes it."""
        return f"{self.number}{self.unit}"

    @property
    def word(self) -> str:
        """What such a period is called: ``day``, ``6-hour period``."""
        if self == (12, "mo"):
            return "year"
        unit = UNITS[self.unit]
        return unit if self.number == 1 else f"{self.number}-{unit} period"


TICK_STEPS = (
    *(Length(number, "m") for number in (1, 2, 5, 10, 15, 30)),
    *(Length(number, "h") for number in (1, 2, 3, 6, 12)),
    *(Length(number, "d") for number in (1, 2, 4)),
    *(Length(number, "w") for number in (1, 2)),
    *(Length(number, "mo") for number in (1, 3, 6, 12, 24, 60, 120)),
    *(Length(number, "w") for number in (4, 8, 13, 26, 52)),  # of weeks only
)


def time_zone(frame: pl.DataFrame) -> str:
    """Return the zone in which the periods were cut."""
    dtype = frame.schema[PERIOD[0]]
    if not isinstance(dtype, pl.Datetime) or dtype.time_zone is None:
        raise UnsuitableColumnError(PERIOD[0], why=f"has no time zone: {HINT}")
    return dtype.time_zone


def elapsed_days(moments: pl.Series) -> Numbers:
    """Return moments as matplotlib's days in UTC, which no change of clocks moves."""
    utc = moments.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    days = date2num(utc.to_numpy())  # type: ignore[no-untyped-call] # no stubs
    return np.asarray(days, dtype=np.float64)


def period_length(periods: pl.DataFrame) -> Length:
    """Tell how long the periods are; a day of 23 hours is a day, February a month."""
    lasting = (pl.col("period_end") - pl.col("period")).median()
    wall = periods.select(pl.col(PERIOD).dt.replace_time_zone(None))
    days = wall.select(lasting).item() / timedelta(days=1)
    firsts = wall.select((pl.col(PERIOD).dt.day() == 1).all()).row(0)
    if days >= 28 and all(firsts):
        return Length(round(days * DAY / SECONDS["mo"]), "mo")
    # Of hours, those count that have passed; of days, those of the wall clock.
    exact = (wall if days >= 0.9 else periods).select(lasting).item()
    seconds = max(1, round(exact.total_seconds()))
    unit = next(unit for unit in "wdhms" if seconds % SECONDS[unit] == 0)
    return Length(seconds // SECONDS[unit], unit)


def tick_step(length: Length, span: float, most: float) -> Length:
    """Choose the finest step that lies on starts of periods and gives few ticks."""
    least = max(1, ceil(span / length.seconds / most)) * length.seconds
    for step in TICK_STEPS:
        whole = DAY if step.unit == "mo" else step.seconds
        on_starts = whole % length.seconds == 0 or step.seconds % length.seconds == 0
        if on_starts and least <= step.seconds <= 3 * least:
            return step
    return Length(length.number * least // length.seconds, length.unit)


def tick_moments(periods: pl.DataFrame, step: Length) -> pl.Series:
    """Return round times of the wall clock, one step apart, within the periods."""
    first, last = periods["period"].head(1), periods["period_end"].tail(1)
    begin = first.dt.replace_time_zone(None)
    if step.unit in {"d", "w"}:
        begin = begin.dt.truncate("1d")
    elif step.unit == "mo" or DAY % step.seconds == 0:
        begin = begin.dt.truncate(step.interval)
    # Where clocks go back, the wall may show less at the end than an hour before.
    end = last.dt.replace_time_zone(None).item() + timedelta(hours=3)
    wall = pl.datetime_range(begin.item(), end, step.interval, eager=True)
    # An hour that comes twice gets ticks twice, if there is room for so fine a step.
    turns: list[Literal["earliest", "latest"]] = ["earliest", "latest"]
    moments = pl.concat(
        wall.dt.replace_time_zone(
            time_zone(periods), ambiguous=turn, non_existent="null"
        )
        for turn in (turns if step.seconds <= SECONDS["h"] else turns[:1])
    ).unique()
    inside = moments.filter((moments >= first) & (moments < last)).sort()
    return first if inside.is_empty() else inside


def tick_label(moment: datetime, before: datetime | None, unit: str) -> str:
    """Write a date or a time, without what the tick before it has said."""
    month = MONTHS[3 * moment.month - 3 : 3 * moment.month]
    new_year = before is None or before.year != moment.year
    new_month = before is None or (before.year, before.month) != moment.timetuple()[:2]
    if unit in "hms":
        clock = f"{moment:%H:%M:%S}" if unit == "s" else f"{moment:%H:%M}"
        date = f"\n{moment.day} {month}" + f" {moment.year}" * new_year
        return clock if before and before.date() == moment.date() else clock + date
    day = f"{moment.day}" + f" {month}" * new_month
    return (month if unit == "mo" else day) + f"\n{moment.year}" * new_year


def time_axis(ax: Axes, pile: Stack, width: float) -> None:
    """Set the range of time, its first and last periods whole, and ticks under them."""
    length, zone = period_length(pile.periods), time_zone(pile.periods)
    usual = length.seconds / DAY
    span = pile.ends[-1] - pile.starts[0]
    rim = max(0.004 * span, (BARS_AT_LEAST * usual - span) / 2)
    ax.set_xlim(pile.starts[0] - rim, pile.ends[-1] + rim)
    most = max(1, width / DATE_WIDTH)
    step = tick_step(length, (span + 2 * rim) * DAY, most)
    moments = tick_moments(pile.periods, step)
    at = elapsed_days(moments)
    near = np.searchsorted(pile.starts, at).clip(max=len(pile.starts) - 1)
    lasting = np.where(pile.starts[near] == at, (pile.ends - pile.starts)[near], usual)
    wall = moments.to_list()
    pairs = zip(wall, [None, *wall], strict=False)
    ax.set_xticks(at + lasting / 2, [tick_label(*pair, step.unit) for pair in pairs])
    ax.fmt_xdata = DateFormatter(  # type: ignore[no-untyped-call] # no stubs
        "%Y-%m-%d %H:%M", ZoneInfo(zone)
    )


def value_axis(ax: Axes, top: float, height: float) -> None:
    """Set the range from an honest zero, and few ticks, in whole units."""
    ax.set_ylim(0, 1.04 * top or 1)
    most = min(7, max(1, int(height / 24)))
    ax.yaxis.set_major_locator(MaxNLocator(most, steps=[1, 2, 5, 10], integer=True))
    ax.yaxis.set_major_formatter(short_number)


def size_of(ax: Axes) -> Numbers:
    """Return width and height of the figure of an Axes in points."""
    size: Numbers = np.array(ax.figure.bbox.size) * (72 / ax.figure.dpi)
    return size


def paper(ax: Axes) -> Bbox:
    """Return the place given to an Axes, in points, inside the rim of its figure."""
    given = ax.get_position(original=True).get_points() * size_of(ax)
    return Bbox(np.clip(given, (RIM + TICK_ROOM, RIM), size_of(ax) - RIM))


def spread(wanted: Numbers, gap: float, top: float) -> Numbers:
    """Move ascending places up, and below the top, until they are `gap` apart.

    Examples
    --------
    >>> spread(np.array([0.0, 3.0, 50.0]), gap=10, top=45).tolist()
    [0.0, 10.0, 45.0]
    """
    steps = gap * np.arange(len(wanted))
    highest = max(0.0, top - gap * (len(wanted) - 1))
    places: Numbers = np.minimum(np.maximum.accumulate(wanted - steps), highest)
    return places + steps


class Room(NamedTuple):
    """Room in points for the words around the axes, and the labels at their right.

    Matplotlib asks it before each drawing where the axes are. So words stay inside the
    place given, and labels apart, at any size and resolution and in any layout.
    """

    ax: Axes
    right: float
    bottom: float
    top: float
    labels: Sequence[Annotation] = ()
    heights: Sequence[float] = ()

    def inside(self) -> Bbox:
        """Return what the words leave to the axes, a tenth at least, in points."""
        low, high = paper(self.ax).get_points()
        least = 0.1 * (high - low)
        high = np.maximum(high - (self.right, self.top), low + least)
        low[1] = min(low[1] + self.bottom, high[1] - least[1])
        return Bbox([low, high])

    def __call__(self, _ax: object = None, _renderer: object = None) -> Bbox:
        """Set the labels apart; return the place of the axes in their figure."""
        box = self.inside()
        shares = (self.ax.transScale + self.ax.transLimits).transform
        wanted = [shares((0, height))[1] * box.height for height in self.heights]
        places = spread(np.array(wanted), 1.3 * NAMES.size, box.height)
        for label, place in zip(self.labels, places, strict=True):
            label.xy = (1, place / box.height)
        return Bbox(box.get_points() / size_of(self.ax))

    def get_subplotspec(self) -> SubplotSpec | None:
        """Tell ``figure.tight_layout()``, which asks this of locators, of our cell."""
        return self.ax.get_subplotspec()

    def keep(self) -> None:
        """Keep this room from now on."""
        self.ax.set_axes_locator(self)  # type: ignore[arg-type] # it is given our Axes
        self.ax.apply_aspect(self())


def new_axes() -> Axes:
    """Make a figure of one Axes, known to pyplot so that a notebook shows it."""
    # Imported here: pyplot chooses a backend, and who brings an Axes needs none.
    from matplotlib import pyplot as plt

    whole = {"left": 0, "bottom": 0, "right": 1, "top": 1}
    _, ax = plt.subplots(
        figsize=FIGURE_SIZE, facecolor=GROUND, layout="none", gridspec_kw=whole
    )
    return ax


def undress(ax: Axes) -> None:
    """Leave of the axes a zero line, faint horizontal lines, and numbers."""
    ax.set_facecolor(GROUND)
    ax.minorticks_off()
    ax.tick_params(length=0, pad=4, labelsize=WORDS.size, labelcolor=WORDS.color)
    ax.spines[:].set_visible(False)
    ax.spines["bottom"].set(visible=True, color=REST, linewidth=0.8)
    ax.grid(visible=False)
    ax.grid(axis="y", color=GRID, linewidth=0.8, linestyle="-")
    ax.set_axisbelow(True)


def write_words(ax: Axes, title: str, subtitle: str, note: Sequence[str]) -> Room:
    """Write title, subtitle and note, in lines that fit; return the room they take."""
    width = paper(ax).width
    note_lines = wrap(note, " · ", NOTE, width)
    lines = wrap(subtitle.split(" "), " ", WORDS, width)
    title_lines = wrap(title.split(" "), " ", TITLE, width)
    pad = 2.2 * GAP + height_of(lines, WORDS)
    write(ax, note_lines, NOTE, (0, 0), (0, -DATE_ROOM), "left top")
    write(ax, lines, WORDS, (0, 1), (0, 1.5 * GAP))
    heading = ax.set_title(title_lines, loc="left", y=1, pad=pad)
    heading.set(fontproperties=TITLE.font, color=TITLE.color, linespacing=LEADING)
    heading.set(parse_math=False, usetex=False)
    return Room(
        ax=ax,
        right=DATE_WIDTH / 2,
        bottom=DATE_ROOM + height_of(note_lines, NOTE),
        top=pad + height_of(title_lines, TITLE),
    )


def write_names(ax: Axes, pile: Stack, room: Room) -> Room:
    """Write each name at the right edge, in its colour; return the room with them."""
    width = min(NAME_WIDTH, 0.4 * paper(ax).width)
    labels = []
    for part in pile.series:
        style = NAMES._replace(color=readable(part.color))
        name = fit(part.name, style, width)
        labels.append(write(ax, name, style, (1, 0), (GAP, 0), "left center_baseline"))
    right = GAP + max(text_width(label.get_text(), NAMES) for label in labels)
    middles = (pile.floors + pile.heights / 2)[:, -1].tolist()
    return room._replace(right=right, labels=labels, heights=middles)


def draw_stack(ax: Axes, pile: Stack, room: Room) -> None:
    """Draw bars while they can be told apart, else areas; the names at the right."""
    if len(pile.series) > 1:
        room = write_names(ax, pile, room)
    # A day of 25 hours, or a month of 31 days, makes the range a little longer.
    (draw_bars if round(pile.slots) <= BARS_AT_MOST else draw_areas)(ax, pile)
    value_axis(ax, pile.top, room.inside().height)
    time_axis(ax, pile, room.inside().width)
    room.keep()


def draw_nothing(ax: Axes, reason: str, room: Room) -> None:
    """Say in an empty chart why it is empty."""
    ax.set(xticks=[], yticks=[], ylim=(0, 1))
    write(ax, reason, WORDS, (0.5, 0.5), (0, 0), "center center")
    room.keep()


def series_columns(frame: pl.DataFrame) -> list[str]:
    """Return the columns that name the series; refuse a frame of another kind."""
    if not isinstance(frame, pl.DataFrame):
        message = f"wanted a polars DataFrame, got {type(frame).__name__}: {HINT}"
        raise TypeError(message)
    needed = (*PERIOD, *COUNTS, *TOKENS)
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        raise MissingColumnsError(missing, frame.columns, hint=HINT)
    return [name for name in frame.columns if name not in needed]


def usage_words(
    ax: Axes, by: Sequence[str], zone: str, pile: Stack | None
) -> tuple[str, str]:
    """Return the title, and the subtitle: what is drawn, its unit, the zone."""
    facets, whose, when = [name.replace("_", " ") for name in by], "", zone
    if pile:
        word = period_length(pile.periods).word
        facets, when = [*facets, word], f"{zone} {word}s"
        if len(pile.series) == 1:
            whose = f" of {fit(pile.series[0].name, WORDS, paper(ax).width / 2)}"
    listing = " and ".join(filter(None, (", ".join(facets[:-1]), *facets[-1:])))
    title = f"Tokens by {listing}" if facets else "Tokens"
    return title, f"total tokens{whose}, as reported; {when}"


def usage_note(frame: pl.DataFrame) -> list[str]:
    """Say what the chart counts, and what it leaves out."""
    sums = (
        pl.col(COUNTS).cast(pl.Int64).sum(),
        pl.col("total_tokens").cast(pl.Float64).sum(),
    )
    calls, silent, tokens = frame.select(sums).row(0)
    undated, _, lost = frame.filter(pl.col("period").is_null()).select(sums).row(0)
    note = [plural(calls, "call")]
    if undated:
        share = f", {percent(lost, tokens)} of tokens" if tokens else ""
        note.append(f"{undated:,} undated{share}, not drawn")
    if silent:
        verb = "reports" if silent == 1 else "report"
        note.append(f"{plural(silent, 'call')} {verb} no usage")
    return note


def plot_token_usage(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the tokens of each model in each period, stacked.

    Parameters
    ----------
    frame
        One row per period and series, as `toolkit.metrics.token_usage` returns it. The
        columns it was grouped by name the series; the time zone is that of `period`.
    ax
        Where to draw. All words stay inside its place, but for the numbers at its
        left. By default a new figure, 9 by 4.2 inches and known to pyplot.

    Returns
    -------
    Axes
        Bars as wide as their periods or, over more than 90 periods, filled steps. Time
        runs true: a period without a response is a gap. The five largest series (or
        six, if there are six) are named, the largest at the bottom; the others are one.
        x is in matplotlib's days (UTC), labelled in the zone; y is in tokens. Responses
        without a date are counted in the note under the chart.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `token_usage`, such as the choices themselves.
    UnsuitableColumnError
        If `period` has no time zone.

    Notes
    -----
    A null in a column that names the series reads "not said". What the font cannot show
    (see ``rcParams["font.family"]``) is drawn as U+FFFD.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> usage = pl.DataFrame(
    ...     {
    ...         "period": [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 2)],
    ...         "period_end": [datetime(2026, 11, day, tzinfo=UTC) for day in (2, 3)],
    ...         "model": ["gpt-a", "gpt-b"],
    ...         "responses": [2, 1],
    ...         "responses_without_usage": [0, 0],
    ...         "prompt_tokens": [30, 10],
    ...         "completion_tokens": [15, 5],
    ...         "total_tokens": [45, 15],
    ...         "cached_tokens": [0, 0],
    ...         "reasoning_tokens": [0, 0],
    ...     }
    ... )
    >>> ax = plot_token_usage(usage)
    >>> ax.get_title(loc="left")
    'Tokens by model and day'
    >>> [text.get_text() for text in ax.texts]
    ['3 calls', 'total tokens, as reported; UTC days', 'gpt-a', 'gpt-b']
    """
    by, zone = series_columns(frame), time_zone(frame)
    ax = new_axes() if ax is None else ax
    rows = frame.filter(pl.col("period").is_not_null()).select(
        *PERIOD,
        (pl.struct(by) if by else pl.lit("all calls")).alias("key"),
        pl.col("total_tokens").cast(pl.Float64).alias("value"),
    )
    pile = None if rows.is_empty() else stack(rows)
    undress(ax)
    room = write_words(ax, *usage_words(ax, by, zone, pile), usage_note(frame))
    if pile is None:
        draw_nothing(ax, "no dated responses", room)
    else:
        draw_stack(ax, pile, room)
    return ax
