"""Draw a chart, and give the text around its axes room, measured in points."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from matplotlib.transforms import Bbox

from toolkit.charts.colors import contrast, readable
from toolkit.charts.series import chosen_colors, read_frame, use_colors
from toolkit.charts.style import (
    DARK,
    FULL,
    LIGHT,
    SMALL,
    Texts,
    background,
    current_theme,
    theme,
)
from toolkit.charts.text import fit, text_height, widest, wrap, write
from toolkit.charts.titles import TITLE, set_alt_text, title_of
from toolkit.formatting.parameters import check_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from matplotlib.gridspec import SubplotSpec

    from toolkit.charts.series import Series
    from toolkit.charts.time_axis import Numbers
    from toolkit.charts.titles import ChartText
    from toolkit.metrics.spec import MetricSpec

_FIGURE_SIZE = (9.0, 4.2)  # inches; all other lengths are in points
MARGIN = 12.0  # on every side of a figure
GAP = 8.0
_SMALL = (340.0, 165.0)  # width and height; in a smaller box the text is smaller
_TINY = 130.0  # height; a lower box has room for a title only
_NAME_WIDTH = 190.0  # of the name of a series
_MAX_LABELS = 6  # at the right edge; more series have a legend


class AxesBox(NamedTuple):
    """The room given to an Axes with its text, in points, and its text styles."""

    bounds: Bbox
    texts: Texts

    @property
    def width(self) -> float:
        """Width of the room."""
        return float(self.bounds.width)

    @property
    def height(self) -> float:
        """Height of the room."""
        return float(self.bounds.height)

    @property
    def date_width(self) -> float:
        """Width of a label on the x axis, including the space around it."""
        return 5.05 * self.texts.body.size


def _figure_size(ax: Axes) -> Numbers:
    """Return the width and height of the figure of an Axes in points."""
    size: Numbers = np.array(ax.figure.bbox.size) * (72 / ax.figure.dpi)
    return size


def measure_axes(ax: Axes) -> AxesBox:
    """Return the box given to an Axes, inside the margins of its figure."""
    size = _figure_size(ax)
    given = ax.get_position(original=True).get_points() * size
    bounds = Bbox(np.clip(given, MARGIN, size - MARGIN))
    is_small = bounds.width < _SMALL[0] or bounds.height < _SMALL[1]
    return AxesBox(bounds, SMALL if is_small else FULL)


class _Chart:
    """Draws a chart, and again when the size of its box or its title has changed.

    It is an axes locator: matplotlib calls it before each drawing to position the axes.
    So the text stays inside its box, and labels do not overlap, at any size, resolution
    and layout. What the user adds to the axes stays.
    """

    def __init__(self, ax: Axes, draw: Callable[[Axes], Bbox], *, is_new: bool) -> None:
        self.ax, self.is_new = ax, is_new
        self.draw: Callable[[Axes], Bbox] | None = draw
        ground = background(ax)
        is_dark = contrast(ground, "#000000") < contrast(ground, "#ffffff")
        self.theme, self.colors = (DARK if is_dark else LIGHT).name, chosen_colors()
        self.artists: list[Any] = []
        self.title = ""
        self.state: object = None

    def get_subplotspec(self) -> SubplotSpec | None:
        """Return the grid cell of the axes, for ``figure.tight_layout()``."""
        return self.ax.get_subplotspec()

    def __getstate__(self) -> dict[str, Any]:
        """Return what is pickled: a chart stays as it is from then on."""
        return vars(self) | {"draw": None}

    def __call__(self, _ax: object = None, _renderer: object = None) -> Bbox:
        """Draw the chart if necessary; return the position of the axes."""
        if self.draw and self._find_state() != self.state:
            self._redraw(self.draw)
        return Bbox(self.inside.get_points() / _figure_size(self.ax))

    def _find_state(self) -> object:
        """Return what the layout depends on: the box, and the text of the title."""
        bounds = measure_axes(self.ax).bounds.bounds
        return self._titles, np.round(bounds, 1).tolist()

    @property
    def _titles(self) -> list[str]:
        """The titles at the left, in the centre and at the right."""
        return [self.ax.get_title(loc=loc) for loc in ("left", "center", "right")]

    def _redraw(self, draw: Callable[[Axes], Bbox]) -> None:
        """Replace what was drawn before."""
        ax = self.ax
        if self.state is not None:
            left, *others = self._titles
            title = next(filter(None, others), left)
            if title != self.title:  # set by the user
                vars(ax)[TITLE] = title
            ax.set_title("", loc="center")
            ax.set_title("", loc="right")
        for artist in self.artists:
            artist.remove()
        before = {*ax.containers, *ax.get_children()}
        with theme(self.theme), use_colors(self.colors):
            self.inside = draw(ax)
        bars = [one for one in ax.containers if one not in before]
        parts = {part for bar in bars for part in bar.get_children()}
        others_drawn = [one for one in ax.get_children() if one not in before | parts]
        self.artists = [*bars, *others_drawn]
        self.title = ax.get_title(loc="left")
        self.is_new, self.state = False, self._find_state()


def draw_chart(
    draw: Callable[..., Bbox],
    ax: Axes | None,
    frame: pl.DataFrame,
    spec: MetricSpec,
    **words: object,
) -> Axes:
    """Draw a frame of a metric now, and again when the size of the chart has changed.

    `draw` returns the room of the axes. A new figure has the background of the current
    theme; the theme of a given Axes is that of its figure.
    """
    check_type("ax", ax, Axes | None, "an Axes of matplotlib")
    data, is_new = read_frame(frame, spec), ax is None
    if ax is None:
        # Imported here: pyplot chooses a backend, which a given Axes does not need.
        from matplotlib import pyplot as plt

        ground = current_theme().ground
        figure = plt.figure(figsize=_FIGURE_SIZE, facecolor=ground, layout="none")
        whole = {"left": 0, "bottom": 0, "right": 1, "top": 1}
        ax = figure.subplots(gridspec_kw=whole)
    chart = _Chart(ax, partial(draw, data=data, **words), is_new=is_new)
    ax.set_axes_locator(chart)
    ax.apply_aspect(chart())
    return ax


def is_new(ax: Axes) -> bool:
    """Return whether an Axes is alone on a new figure, whose height is not set yet."""
    chart = ax.get_axes_locator()
    return isinstance(chart, _Chart) and chart.is_new


def start_axes(ax: Axes, lines: Literal["x", "y"] = "y") -> None:
    """Reduce the axes to a zero line, faint grid lines and numbers."""
    theme, size = current_theme(), measure_axes(ax).texts.body.size
    ax.set_facecolor(background(ax))
    ax.minorticks_off()
    ink = readable(theme.muted, background(ax))
    ax.tick_params(length=0, pad=4, labelsize=size, labelcolor=ink)
    ax.spines[:].set_visible(False)
    ax.grid(visible=False)
    zero = ax.spines["bottom" if lines == "y" else "left"]
    zero.set(visible=True, color=theme.soft, linewidth=0.8)
    ax.grid(axis=lines, color=theme.grid, linewidth=0.8, linestyle="-")
    ax.set_axisbelow(True)


def write_text(
    ax: Axes,
    text: ChartText,
    *,
    left: float | None = None,
    right: float = 2 * GAP,
    lines: int = 2,
    legend: Sequence[Series] = (),
) -> Bbox:
    """Draw title, subtitle, legend and note; return the room left for the axes.

    `left` and `right` are the room beside the axes, `lines` that for labels under them.
    """
    box = measure_axes(ax)
    texts, tiny, size = box.texts, box.height < _TINY, box.texts.body.size
    left = 3.6 * size if left is None else left  # of the widest number
    below = (1 + 1.5 * lines) * size
    note = subtitle = ""
    if not tiny:
        note = wrap(" · ".join(text.note), texts.note, box.width)
        note = note.replace("\n· ", " ·\n")
        subtitle = wrap(text.subtitle, texts.body, box.width)
    if texts is SMALL:
        note = "\n".join(note.split("\n")[:2])
        clauses = re.split(r"(?<=[.;]) ", text.subtitle)
        while len(clauses) > 1 and "\n" in subtitle:
            clauses.pop()
            shorter = " ".join(clauses).rstrip(";.")
            subtitle = wrap(shorter, texts.body, box.width)
        subtitle = fit(subtitle.replace("\n", " "), texts.body, box.width)
    title = wrap(title_of(ax, text), texts.title, box.width)
    names = [fit(part.name, texts.body, _NAME_WIDTH) for part in legend]
    columns = int(box.width / (widest(names, texts.body) + 2.5 * size))
    rows = -(-len(names) // max(1, columns))
    above = GAP + 1.5 * size * rows
    pad = above + (GAP if subtitle else 0) + text_height(subtitle, texts.body)
    bottom = below + text_height(note, texts.note)
    top = pad + text_height(title, texts.title)
    low, high = box.bounds.get_points()
    least = 0.1 * (high - low)
    high = np.maximum(high - np.array([right, top]), low + least)
    inside = Bbox([np.minimum(low + np.array([left, bottom]), high - least), high])
    write(ax, note, texts.note, (0, 0), (-left, -below), "left top")
    write(ax, subtitle, texts.body, (0, 1), (-left, above + GAP / 2))
    drawn = ax.set_title(title, loc="left", x=-left / inside.width, y=1, pad=pad)
    ink = readable(current_theme().ink, background(ax))
    drawn.set(fontproperties=texts.title.font, color=ink, linespacing=1.25)
    drawn.set(parse_math=False, usetex=False)
    if names:
        look: dict[str, Any] = {"prop": texts.body.font, "frameon": False}
        look |= {"handlelength": 0.8, "handleheight": 0.8, "handletextpad": 0.4}
        look |= {"borderpad": 0, "borderaxespad": 0, "labelspacing": 0.3}
        anchor = -left / inside.width, 1 + GAP / inside.height
        keys = [Patch(color=part.color) for part in legend]
        look |= {"bbox_to_anchor": anchor, "ncols": max(1, columns)}
        key = ax.legend(keys, names, loc="lower left", **look)
        for part, label in zip(legend, key.get_texts(), strict=True):
            label.set(color=part.text, parse_math=False, usetex=False)
    return inside


def label_room(ax: Axes, parts: Sequence[Series]) -> float:
    """Return the room for names at the right edge; 0 if they need a legend."""
    box = measure_axes(ax)
    style, few = box.texts.names, 1 < len(parts) <= _MAX_LABELS
    height = box.height - 60 - 4 * box.texts.body.size
    if not few or box.width < 220 or len(parts) * 1.3 * style.size > height:
        return 0.0
    return GAP + widest(_fit_names(ax, parts), style)


def _fit_names(ax: Axes, parts: Sequence[Series]) -> list[str]:
    """Fit the names of series at the right edge."""
    box = measure_axes(ax)
    most = min(_NAME_WIDTH, 0.4 * box.width)
    return [fit(part.name, box.texts.names, most) for part in parts]


def write_labels(
    ax: Axes, inside: Bbox, parts: Sequence[Series], heights: Sequence[float]
) -> None:
    """Write names at the right edge, beside their last values, and apart."""
    style, to_share = measure_axes(ax).texts.names, ax.transScale + ax.transLimits
    ends = to_share.transform([(0, height) for height in heights])[:, 1]
    expected = ends * inside.height
    order, lowest = np.argsort(expected, kind="stable"), style.size / 2
    top = inside.height - lowest
    places = _spread(expected[order] - lowest, 1.3 * style.size, top) + lowest
    moved = np.empty_like(expected)
    moved[order] = places - expected[order]
    coords, align = ("axes fraction", "data"), "left center_baseline"
    for part, name, height, up in zip(
        parts, _fit_names(ax, parts), heights, moved, strict=True
    ):
        look: dict[str, Any] = {"color": part.text, "coords": coords}
        write(ax, name, style, (1, height), (GAP, up), align, **look)


def _spread(expected: Numbers, gap: float, top: float) -> Numbers:
    """Move ascending positions up until they are `gap` apart.

    All are at least 0 and, if there is room, at most `top`.

    Examples
    --------
    >>> _spread(np.array([0.0, 3.0, 50.0]), gap=10, top=45).tolist()
    [0.0, 10.0, 45.0]
    """
    steps = gap * np.arange(len(expected))
    apart = np.maximum.accumulate(expected - steps)
    highest = max(0.0, top - gap * (len(expected) - 1))
    places: Numbers = np.clip(apart, 0.0, highest) + steps
    return places


def set_value_axis(
    ax: Axes,
    top: float,
    length: float,
    tick: Callable[..., str],
    *,
    axis: str = "y",
    log_from: float = 0.0,
) -> None:
    """Set the range from zero, and a few ticks labelled by `tick`.

    With `log_from`, the lowest value, the axis is logarithmic.
    """
    scale, slack, each = (ax.yaxis, 1.04, 24) if axis == "y" else (ax.xaxis, 1.0, 60)
    low, most = 0.0, min(7, max(1, round(length / each)))
    locator: Any = MaxNLocator(
        most,
        steps=[1, 2, 2.5, 5, 10],
        integer=True,
        min_n_ticks=min(3, most + 1),
    )
    if log_from:
        low, slack = 10 ** np.floor(np.log10(log_from)), 1.15
        locator = LogLocator(10, numticks=9)
        ax.set(**{f"{axis}scale": "log"})
        scale.set_minor_formatter(NullFormatter())
        ax.minorticks_off()
    ax.set(**{f"{axis}lim": (low, slack * top or 1)})
    scale.set_major_locator(locator)
    scale.set_major_formatter(tick)


def draw_empty(ax: Axes, text: ChartText, reason: str, **room: Any) -> Bbox:  # noqa: ANN401
    """Draw an empty chart that gives the reason why it is empty."""
    inside = write_text(ax, text, **room)
    ax.set(xticks=[], yticks=[], ylim=(0, 1))
    style = measure_axes(ax).texts.body
    write(ax, reason, style, (0.5, 0.5), (0, 0), "center center")
    set_alt_text(ax, "Empty chart", text, [reason])
    return inside


def format_single(ax: Axes, series: Sequence[Series]) -> str:
    """Format `` of NAME`` for the subtitle if there is a single series."""
    if len(series) != 1:
        return ""
    box = measure_axes(ax)
    return f" of {fit(series[0].name, box.texts.body, box.width / 2)}"
