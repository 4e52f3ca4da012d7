"""Room for words around the axes, measured; labels at the data, or a legend."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from toolkit.charts.style import FULL, SMALL, Texts, ground_of, now, readable
from toolkit.charts.text import fit, height_of, printable, text_width, wrap, write

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.gridspec import SubplotSpec
    from matplotlib.text import Annotation, Text

    from toolkit.charts.series import Series
    from toolkit.charts.time_axis import Numbers

_FIGURE_SIZE = (9.0, 4.2)  # inches; all other lengths are points on paper
RIM = 12.0  # free on every side of a figure
TICK_ROOM = 34.0  # for the widest number on the y axis
_SMALL_PLACE = (300.0, 215.0)  # below it, in one direction, words are smaller
_TINY_PLACE = 130.0  # below this height there is room for a title only

_NAME_WIDTH = 190.0  # of the name of a series, at most
_LABELS_AT_MOST = 6  # series with a name at the right edge; of more there is a legend
GAP = 8.0


class Words(NamedTuple):
    """What a chart says around its axes."""

    title: str
    subtitle: str
    note: Sequence[str] = ()


class Place(NamedTuple):
    """The place given to an Axes, in points, and the size of its words."""

    box: Bbox
    texts: Texts

    @property
    def small(self) -> bool:
        """Whether words must be few."""
        return self.texts is SMALL

    @property
    def width(self) -> float:
        """How wide it is."""
        return float(self.box.width)

    @property
    def height(self) -> float:
        """How high it is."""
        return float(self.box.height)

    @property
    def below(self) -> float:
        """Room for two lines under the x axis."""
        return 4 * self.texts.words.size

    @property
    def date_width(self) -> float:
        """Width of a label on the x axis, with the space around it."""
        return 5.05 * self.texts.words.size


def _size_of(ax: Axes) -> Numbers:
    """Return width and height of the figure of an Axes in points."""
    size: Numbers = np.array(ax.figure.bbox.size) * (72 / ax.figure.dpi)
    return size


def _paper(ax: Axes, hanging: float = TICK_ROOM) -> Bbox:
    """Return the place given to an Axes, in points, inside the rim of its figure."""
    given = ax.get_position(original=True).get_points() * _size_of(ax)
    return Bbox(np.clip(given, (RIM + hanging, RIM), _size_of(ax) - RIM))


def place_of(ax: Axes, hanging: float = TICK_ROOM) -> Place:
    """Return the place given to an Axes, and how large words in it are."""
    box = _paper(ax, hanging)
    small = box.width < _SMALL_PLACE[0] or box.height < _SMALL_PLACE[1]
    return Place(box, SMALL if small else FULL)


def _spread(expected: Numbers, gap: float, top: float) -> Numbers:
    """Move ascending places as little as it takes until they are `gap` apart.

    None comes below 0 or, if there is room enough, above `top`.

    Examples
    --------
    >>> _spread(np.array([0.0, 3.0, 50.0]), gap=10, top=45).tolist()
    [0.0, 10.0, 45.0]
    """
    steps = gap * np.arange(len(expected))
    blocks: list[tuple[float, int]] = []  # mean and size; pooled while they descend
    for place in (expected - steps).tolist():
        mean, size = place, 1
        while blocks and blocks[-1][0] > mean:
            before, count = blocks.pop()
            mean = (before * count + mean * size) / (count + size)
            size += count
        blocks.append((mean, size))
    level = [mean for mean, size in blocks for _ in range(size)]
    highest = max(0.0, top - gap * (len(expected) - 1))
    places: Numbers = np.clip(np.array(level), 0.0, highest)
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
    left: float = 0.0
    hanging: float = TICK_ROOM
    gap: float = 12.0  # from label to label
    heading: Text | None = None
    labels: Sequence[Annotation] = ()
    heights: Sequence[float] = ()  # of the labels, in units of the data

    def inside(self) -> Bbox:
        """Return what the words leave to the axes, a tenth at least, in points."""
        low, high = _paper(self.ax, self.hanging).get_points()
        least = 0.1 * (high - low)
        high = np.maximum(high - (self.right, self.top), low + least)
        low = np.minimum(low + np.array([self.left, self.bottom]), high - least)
        return Bbox([low, high])

    def __call__(self, _ax: object = None, _renderer: object = None) -> Bbox:
        """Set the labels apart; return the place of the axes in their figure."""
        box = self.inside()
        if self.heading is not None:
            self.heading.set_x(-self.left / box.width)
        shares = (self.ax.transScale + self.ax.transLimits).transform
        expected = np.array(
            [shares((0, height))[1] * box.height for height in self.heights]
        )
        order = np.argsort(expected, kind="stable")
        places = _spread(expected[order], self.gap, box.height)
        for label, place in zip(order, places, strict=True):
            self.labels[label].xy = (1, place / box.height)
        return Bbox(box.get_points() / _size_of(self.ax))

    def get_subplotspec(self) -> SubplotSpec | None:
        """Tell ``figure.tight_layout()``, which asks this of locators, of our cell."""
        return self.ax.get_subplotspec()

    def keep(self) -> None:
        """Keep this room from now on."""
        self.ax.set_axes_locator(self)  # type: ignore[arg-type] # it is given our Axes
        self.ax.apply_aspect(self())


def new_axes(height: float = _FIGURE_SIZE[1]) -> Axes:
    """Make a figure of one Axes, known to pyplot so that a notebook shows it."""
    # Imported here: pyplot chooses a backend, and who brings an Axes needs none.
    from matplotlib import pyplot as plt

    whole = {"left": 0, "bottom": 0, "right": 1, "top": 1}
    _, ax = plt.subplots(
        figsize=(_FIGURE_SIZE[0], height),
        facecolor=now().ground,
        layout="none",
        gridspec_kw=whole,
    )
    return ax


def undress(ax: Axes, lines: str = "y") -> None:
    """Leave of the axes a zero line, faint lines across the values, and numbers."""
    theme, size = now(), place_of(ax).texts.words.size
    ax.set_facecolor(ground_of(ax))
    ax.minorticks_off()
    ink = readable(theme.muted, ground_of(ax))
    ax.tick_params(length=0, pad=4, labelsize=size, labelcolor=ink)
    ax.spines[:].set_visible(False)
    zero = "bottom" if lines == "y" else "left"
    ax.spines[zero].set(visible=True, color=theme.rest, linewidth=0.8)
    ax.grid(visible=False)
    if lines in {"x", "y"}:
        ax.grid(axis=lines, color=theme.grid, linewidth=0.8, linestyle="-")  # type: ignore[arg-type]
    ax.set_axisbelow(True)


def write_words(
    ax: Axes,
    words: Words,
    *,
    parts: Sequence[Series] = (),
    left: float = 0.0,
    hanging: float = TICK_ROOM,
    below: float | None = None,
    legend: bool = False,
) -> Room:
    """Write title, subtitle, note, and names; return the room they take.

    Names stand at the right edge or, where that has no room for them, in a legend
    under the subtitle. `left` is the room that names of rows take.
    """
    place = place_of(ax, hanging)
    texts, below = place.texts, place.below if below is None else below
    tiny = place.height < _TINY_PLACE
    note = "" if tiny else wrap(words.note, " · ", texts.note, place.width)
    lines = "" if tiny else _subtitle_lines(words.subtitle, place)
    if place.small:
        note = "\n".join(note.split("\n")[:2])
    title = wrap(words.title.split(" "), " ", texts.title, place.width)
    at_edge = not legend and _labels_fit(parts, place)
    keys = [] if at_edge or len(parts) < 2 else _legend_rows(parts, place)
    row = 1.5 * texts.words.size
    key_room = row * len(keys)
    pad = (2.2 if lines else 1) * GAP + height_of(lines, texts.words) + key_room
    write(ax, note, texts.note, (0, 0), (-left, -below), "left top")
    write(ax, lines, texts.words, (0, 1), (-left, 1.5 * GAP + key_room))
    heading = ax.set_title(title, loc="left", y=1, pad=pad)
    heading.set(
        fontproperties=texts.title.font, color=_readable_ink(ax), linespacing=1.25
    )
    heading.set(parse_math=False, usetex=False)
    labels = _write_names(ax, parts, place) if at_edge else []
    for number, entries in enumerate(keys, start=1):
        _write_keys(ax, entries, place, (-left, GAP + row * (len(keys) - number)))
    widths = [text_width(label.get_text(), texts.names) for label in labels]
    return Room(
        ax=ax,
        right=GAP + max(widths) if widths else place.date_width / 2,
        bottom=below + height_of(note, texts.note),
        top=pad + height_of(title, texts.title),
        left=left,
        hanging=hanging,
        gap=1.3 * texts.names.size,
        heading=heading,
        labels=labels,
    )


def _subtitle_lines(subtitle: str, place: Place) -> str:
    """Wrap a subtitle; in a small place say of it what one line can hold."""
    style, width = place.texts.words, place.width
    if not place.small:
        return wrap(subtitle.split(" "), " ", style, width)
    said = printable(subtitle, style)
    while "; " in said and text_width(said, style) > width:
        said = said.rpartition("; ")[0]
    return fit(said, style, width)


def _readable_ink(ax: Axes) -> str:
    """Return the colour of the title on the ground of the figure."""
    return readable(now().ink, ground_of(ax))


def _name_room(place: Place) -> float:
    """Return how wide a name at the right edge may be."""
    return min(_NAME_WIDTH, 0.4 * place.width)


def _labels_fit(parts: Sequence[Series], place: Place) -> bool:
    """Tell whether names fit at the right edge: few, and as high as the axes."""
    height = place.height - 60 - place.below
    return (
        1 < len(parts) <= _LABELS_AT_MOST
        and place.width > 220
        and len(parts) * 1.3 * place.texts.names.size <= height
    )


def _write_names(ax: Axes, parts: Sequence[Series], place: Place) -> list[Annotation]:
    """Write each name at the right edge, in its colour."""
    style = place.texts.names
    return [
        write(
            ax,
            fit(part.name, style, _name_room(place)),
            style,
            (1, 0),
            (GAP, 0),
            "left center_baseline",
            color=part.color,
        )
        for part in parts
    ]


def _legend_rows(
    parts: Sequence[Series], place: Place
) -> list[list[tuple[float, str, str]]]:
    """Return rows of a legend: for each name its place from the left, and colour."""
    style = place.texts.words
    rows: list[list[tuple[float, str, str]]] = [[]]
    at = 0.0
    for part in parts:
        name = fit(part.name, style, min(_NAME_WIDTH, place.width - 2 * GAP))
        width = text_width(name, style) + 1.2 * style.size + 1.5 * GAP
        if rows[-1] and at + width > place.width:
            rows.append([])
            at = 0.0
        rows[-1].append((at, name, part.color))
        at += width
    return rows


def _write_keys(
    ax: Axes,
    entries: Sequence[tuple[float, str, str]],
    place: Place,
    off: tuple[float, float],
) -> None:
    """Write one row of a legend: a square in the colour, and the name in ink."""
    style = place.texts.words
    for at, name, color in entries:
        x, y = off[0] + at, off[1]
        write(ax, "■", style, (0, 1), (x, y), "left baseline", color=color, inside=True)
        x += 1.2 * style.size
        write(ax, name, style, (0, 1), (x, y), "left baseline", color=color)


def value_axis(
    ax: Axes,
    top: float,
    length: float,
    written: Callable[..., str],
    *,
    axis: str = "y",
    whole: bool = False,
    slack: float = 1.04,
) -> None:
    """Set the range from an honest zero, and few ticks, in units that are written."""
    limit = slack * top or 1
    (ax.set_ylim if axis == "y" else ax.set_xlim)(0, limit)
    scale = ax.yaxis if axis == "y" else ax.xaxis
    each = 24 if axis == "y" else 60
    most = min(7, max(1, int(length / each)))
    scale.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10], integer=whole))
    scale.set_major_formatter(written)


def draw_nothing(ax: Axes, reason: str, room: Room) -> None:
    """Say in an empty chart why it is empty."""
    ax.set(xticks=[], yticks=[], ylim=(0, 1))
    style = place_of(ax).texts.words
    write(ax, reason, style, (0.5, 0.5), (0, 0), "center center")
    room.keep()
