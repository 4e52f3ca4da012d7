"""Draw a chart, and room for text around its axes, measured in points."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
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
from toolkit.charts.text import fit, printable, text_height, text_width, wrap, write
from toolkit.charts.titles import TITLE, set_alt_text, title_of
from toolkit.formatting.parameters import check_type

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import polars as pl
    from matplotlib.gridspec import SubplotSpec
    from matplotlib.text import Annotation, Text

    from toolkit.charts.series import Series
    from toolkit.charts.time_axis import Numbers
    from toolkit.charts.titles import ChartText
    from toolkit.metrics.spec import MetricSpec

_FIGURE_SIZE = (9.0, 4.2)  # inches; all other lengths are in points
MARGIN = 12.0  # on every side of a figure
TICK_ROOM = 34.0  # for the widest number on the y axis
AXIS_ROOM = 24.0  # for one line of numbers under the axes
_SMALL = (300.0, 215.0)  # width and height; in a smaller box the text is smaller
_TINY = 130.0  # height; a lower box has room for a title only

_NAME_WIDTH = 190.0  # of the name of a series
_MAX_LABELS = 6  # at the right edge; more series have a legend
GAP = 8.0


class AxesBox(NamedTuple):
    """The size of an Axes and its text, in points, and its text styles."""

    width: float
    height: float
    texts: Texts

    @property
    def small(self) -> bool:
        """Whether there is little room for text."""
        return self.texts is SMALL

    @property
    def below(self) -> float:
        """Room for two lines under the x axis."""
        return 4 * self.texts.body.size

    @property
    def date_width(self) -> float:
        """Width of a label on the x axis, including the space around it."""
        return 5.05 * self.texts.body.size


def _figure_size(ax: Axes) -> Numbers:
    """Return the width and height of the figure of an Axes in points."""
    size: Numbers = np.array(ax.figure.bbox.size) * (72 / ax.figure.dpi)
    return size


def _find_box(ax: Axes, overhang: float) -> Bbox:
    """Return the box given to an Axes in points, inside the margins of its figure."""
    given = ax.get_position(original=True).get_points() * _figure_size(ax)
    return Bbox(np.clip(given, (MARGIN + overhang, MARGIN), _figure_size(ax) - MARGIN))


def measure_axes(ax: Axes, overhang: float = TICK_ROOM) -> AxesBox:
    """Return the size of the box of an Axes, without what hangs over at its left."""
    box = _find_box(ax, overhang)
    width, height = float(box.width), float(box.height)
    small = width < _SMALL[0] or height < _SMALL[1]
    return AxesBox(width, height, SMALL if small else FULL)


def _spread(expected: Numbers, gap: float, top: float) -> Numbers:
    """Move ascending positions as little as possible until they are `gap` apart.

    All are at least 0 and, if there is room, at most `top`.

    Examples
    --------
    >>> _spread(np.array([0.0, 3.0, 50.0]), gap=10, top=45).tolist()
    [0.0, 10.0, 45.0]
    """
    steps = gap * np.arange(len(expected))
    blocks: list[tuple[float, int]] = []  # mean and size; merged while they descend
    for position in (expected - steps).tolist():
        mean, size = position, 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean = (before * count + mean * size) / (count + size)
            size += count
        blocks.append((mean, size))
    level = [mean for mean, size in blocks for _ in range(size)]
    highest = max(0.0, top - gap * (len(expected) - 1))
    places: Numbers = np.clip(np.array(level), 0.0, highest)
    return places + steps


class AxesLayout(NamedTuple):
    """Room in points for the text around the axes, and the labels at their right."""

    ax: Axes
    right: float
    bottom: float
    top: float
    left: float = 0.0
    overhang: float = TICK_ROOM
    gap: float = 12.0  # from label to label
    title: Text | None = None
    labels: Sequence[Annotation] = ()
    heights: Sequence[float] = ()  # of the labels, in data units

    def inside(self) -> Bbox:
        """Return the room left for the axes in points, at least a tenth of the box."""
        low, high = _find_box(self.ax, self.overhang).get_points()
        least = 0.1 * (high - low)
        high = np.maximum(high - (self.right, self.top), low + least)
        low = np.minimum(low + np.array([self.left, self.bottom]), high - least)
        return Bbox([low, high])

    def place(self) -> Bbox:
        """Spread the labels; return the position of the axes in their figure."""
        box = self.inside()
        if self.title is not None:
            self.title.set_x(-self.left / box.width)
        if self.labels:
            shares = (self.ax.transScale + self.ax.transLimits).transform
            expected = np.array(
                [shares((0, height))[1] * box.height for height in self.heights]
            )
            order = np.argsort(expected, kind="stable")
            places = _spread(expected[order], self.gap, box.height)
            for label, place in zip(order, places, strict=True):
                self.labels[label].xy = (1, place / box.height)
        return Bbox(box.get_points() / _figure_size(self.ax))


class _Chart:
    """Draws a chart, and again when the size of its box or its title has changed.

    It is an axes locator: matplotlib calls it before each drawing to position the axes.
    So the text stays inside its box, and labels do not overlap, at any size, resolution
    and layout. What the user adds to the axes stays.
    """

    def __init__(
        self, ax: Axes, draw: Callable[[Axes], AxesLayout], *, is_new: bool
    ) -> None:
        self.ax, self.is_new = ax, is_new
        self.draw: Callable[[Axes], AxesLayout] | None = draw
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
        return self.layout.place()

    def _find_state(self) -> object:
        """Return what the layout depends on: the box, and the text of the title."""
        return self._titles, np.round(_find_box(self.ax, 0).bounds, 1).tolist()

    @property
    def _titles(self) -> list[str]:
        """The titles at the left, in the centre and at the right."""
        return [self.ax.get_title(loc=loc) for loc in ("left", "center", "right")]

    def _redraw(self, draw: Callable[[Axes], AxesLayout]) -> None:
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
            self.layout = draw(ax)
        bars = [one for one in ax.containers if one not in before]
        parts = {part for bar in bars for part in bar.get_children()}
        others_drawn = [one for one in ax.get_children() if one not in before | parts]
        self.artists = [*bars, *others_drawn]
        self.title = ax.get_title(loc="left")
        self.is_new, self.state = False, self._find_state()


def draw_chart(
    draw: Callable[..., AxesLayout],
    ax: Axes | None,
    frame: pl.DataFrame,
    spec: MetricSpec,
    **words: object,
) -> Axes:
    """Draw a frame of a metric now, and again when the size of the chart has changed.

    A new figure has the background of the current theme; the theme of a given Axes is
    that of its figure.
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


def start_axes(ax: Axes, lines: str = "y") -> None:
    """Reduce the axes to a zero line, faint grid lines and numbers."""
    theme, size = current_theme(), measure_axes(ax).texts.body.size
    ax.set_facecolor(background(ax))
    ax.minorticks_off()
    ink = readable(theme.muted, background(ax))
    ax.tick_params(length=0, pad=4, labelsize=size, labelcolor=ink)
    ax.spines[:].set_visible(False)
    zero = "bottom" if lines == "y" else "left"
    ax.spines[zero].set(visible=True, color=theme.soft, linewidth=0.8)
    ax.grid(visible=False)
    if lines in {"x", "y"}:
        ax.grid(axis=lines, color=theme.grid, linewidth=0.8, linestyle="-")  # type: ignore[arg-type]
    ax.set_axisbelow(True)


def write_text(
    ax: Axes,
    text: ChartText,
    *,
    parts: Sequence[Series] = (),
    left: float = 0.0,
    overhang: float = TICK_ROOM,
    below: float | None = None,
    legend: bool = False,
) -> AxesLayout:
    """Draw title, subtitle, note, and names of series; return the layout.

    Names are labels at the right edge or, if there is no room, in a legend under the
    subtitle. `left` is the room for names of rows.
    """
    box = measure_axes(ax, overhang)
    texts, below = box.texts, box.below if below is None else below
    tiny = box.height < _TINY
    note = "" if tiny else wrap(text.note, " · ", texts.note, box.width)
    lines = "" if tiny else _fit_subtitle(text.subtitle, box)
    if box.small:
        note = "\n".join(note.split("\n")[:2])
    title = wrap(title_of(ax, text).split(), " ", texts.title, box.width)
    at_edge = not legend and _labels_fit(parts, box)
    rows = [] if at_edge or len(parts) < 2 else _place_keys(parts, box)
    row_height = 1.5 * texts.body.size
    key_room = row_height * len(rows)
    pad = (2.2 if lines else 1) * GAP + text_height(lines, texts.body) + key_room
    write(ax, note, texts.note, (0, 0), (-left, -below), "left top")
    write(ax, lines, texts.body, (0, 1), (-left, 1.5 * GAP + key_room))
    drawn = ax.set_title(title, loc="left", y=1, pad=pad)
    ink = readable(current_theme().ink, background(ax))
    drawn.set(fontproperties=texts.title.font, color=ink, linespacing=1.25)
    drawn.set(parse_math=False, usetex=False)
    labels = _write_names(ax, parts, box) if at_edge else []
    for row, keys in enumerate(rows, start=1):
        for at, key in keys:
            _write_key(ax, key, box, (at - left, GAP + row_height * (len(rows) - row)))
    widths = [text_width(label.get_text(), texts.names) for label in labels]
    return AxesLayout(
        ax=ax,
        right=GAP + max(widths) if widths else box.date_width / 2,
        bottom=below + text_height(note, texts.note),
        top=pad + text_height(title, texts.title),
        left=left,
        overhang=overhang,
        gap=1.3 * texts.names.size,
        title=drawn,
        labels=labels,
    )


def _fit_subtitle(subtitle: str, box: AxesBox) -> str:
    """Wrap a subtitle; in a small box leave out clauses until one line holds it."""
    style, width = box.texts.body, box.width
    if not box.small:
        return wrap(subtitle.split(" "), " ", style, width)
    clauses = re.split(r"(?<=[.;]) ", printable(subtitle, style))
    while len(clauses) > 1 and text_width(" ".join(clauses), style) > width:
        clauses.pop()
    return fit(" ".join(clauses).rstrip(";."), style, width)


def _labels_fit(parts: Sequence[Series], box: AxesBox) -> bool:
    """Return whether names fit at the right edge: few, and no higher than the axes."""
    height = box.height - 60 - box.below
    return (
        1 < len(parts) <= _MAX_LABELS
        and box.width > 220
        and len(parts) * 1.3 * box.texts.names.size <= height
    )


def _write_names(ax: Axes, parts: Sequence[Series], box: AxesBox) -> list[Annotation]:
    """Draw a label for each series at the right edge, in its colour."""
    style, align = box.texts.names, "left center_baseline"
    most = min(_NAME_WIDTH, 0.4 * box.width)
    names = [fit(part.name, style, most) for part in parts]
    return [
        write(ax, name, style, (1, 0), (GAP, 0), align, color=part.text)
        for name, part in zip(names, parts, strict=True)
    ]


def _place_keys(
    parts: Sequence[Series], box: AxesBox
) -> list[list[tuple[float, Series]]]:
    """Place the entries of a legend in rows: each with its x position."""
    rows: list[list[tuple[float, Series]]] = [[]]
    style, at = box.texts.body, 0.0
    for part in parts:
        name = fit(part.name, style, min(_NAME_WIDTH, box.width - 2 * GAP))
        width = text_width(name, style) + 1.2 * style.size + 1.5 * GAP
        if at and at + width > box.width:
            rows.append([])
            at = 0.0
        rows[-1].append((at, part._replace(name=name)))
        at += width
    return rows


def _write_key(ax: Axes, key: Series, box: AxesBox, off: tuple[float, float]) -> None:
    """Draw an entry of a legend: a coloured square and a name."""
    style, align, top, color = box.texts.body, "left baseline", (0, 1), key.color
    write(ax, "■", style, top, off, align, color=color, inside=True)
    beside = (off[0] + 1.2 * style.size, off[1])
    write(ax, key.name, style, top, beside, align, color=key.text)


def set_value_axis(
    ax: Axes,
    top: float,
    length: float,
    tick: Callable[..., str],
    *,
    axis: str = "y",
    whole: bool = False,
    extra: float = 0.0,
) -> None:
    """Set the range from zero, and a few ticks labelled by `tick`.

    `extra` is room above the highest value, as a share of it.
    """
    vertical = axis == "y"
    scale, slack, each = (ax.yaxis, 1.04, 24) if vertical else (ax.xaxis, 1.0, 60)
    (ax.set_ylim if vertical else ax.set_xlim)(0, (slack + extra) * top or 1)
    most = min(7, max(1, round(length / each)))
    steps = [1, 2, 2.5, 5, 10]
    scale.set_major_locator(
        MaxNLocator(most, steps=steps, integer=whole, min_n_ticks=min(3, most + 1))
    )
    scale.set_major_formatter(tick)


def draw_empty(
    ax: Axes, text: ChartText, reason: str, *, in_rows: bool = False
) -> AxesLayout:
    """Draw an empty chart that gives the reason why it is empty."""
    rows: dict[str, float] = {"overhang": 0, "below": AXIS_ROOM} if in_rows else {}
    layout = write_text(ax, text, **rows)  # type: ignore[arg-type] # two lengths
    ax.set(xticks=[], yticks=[], ylim=(0, 1))
    style = measure_axes(ax).texts.body
    write(ax, reason, style, (0.5, 0.5), (0, 0), "center center")
    set_alt_text(ax, "Empty chart", text, [reason])
    return layout


def format_single(ax: Axes, series: Sequence[Series]) -> str:
    """Format `` of NAME`` for the subtitle if there is a single series."""
    if len(series) != 1:
        return ""
    box = measure_axes(ax)
    return f" of {fit(series[0].name, box.texts.body, box.width / 2)}"
