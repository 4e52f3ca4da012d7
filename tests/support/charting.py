"""What the tests of the charts read from the artists."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.patches import Rectangle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D
    from matplotlib.text import Text


def bars(ax: Axes) -> dict[str, list[Rectangle]]:
    """Return the bars of each series by its name, from left to right."""
    found: dict[str, list[Rectangle]] = {}
    for drawn in ax.containers:
        patches = [patch for patch in drawn if isinstance(patch, Rectangle)]
        found.setdefault(str(drawn.get_label()), []).extend(patches)
    return {
        name: sorted(patches, key=Rectangle.get_x) for name, patches in found.items()
    }


def rectangles(patches: Iterable[Artist]) -> list[Rectangle]:
    """Return the bars among patches."""
    return [patch for patch in patches if isinstance(patch, Rectangle)]


def lines(ax: Axes) -> dict[str, Line2D]:
    """Return the line of each series by its name."""
    return {
        str(line.get_label()): line
        for line in ax.lines
        if not str(line.get_label()).startswith("_child")
    }


def note(ax: Axes) -> str:
    """Return the note."""
    return ax.texts[0].get_text()


def subtitle(ax: Axes) -> str:
    """Return the subtitle."""
    return ax.texts[1].get_text()


def title(ax: Axes) -> str:
    """Return the title."""
    return ax.get_title(loc="left")


def labels(ax: Axes) -> list[Text]:
    """Return the texts beside the data."""
    return list(ax.texts[2:])


def label_texts(ax: Axes) -> list[str]:
    """Return the texts beside the data as strings."""
    return [label.get_text() for label in labels(ax)]


def ticks(ax: Axes) -> list[str]:
    """Return the labels under the x axis."""
    return [label.get_text() for label in ax.get_xticklabels()]


def everything_is_inside(ax: Axes) -> bool:
    """Draw, and return whether everything that is drawn is inside the figure."""
    ax.figure.draw_without_rendering()
    return what_is_drawn_is_inside(ax)


def what_is_drawn_is_inside(ax: Axes) -> bool:
    """Return whether everything is inside the figure, which was drawn before."""
    drawn, whole = ax.get_tightbbox(), ax.figure.bbox
    assert drawn is not None
    return bool(whole.contains(*drawn.min) and whole.contains(*drawn.max))


def labels_are_apart(ax: Axes) -> bool:
    """Return whether the labels of a column do not overlap."""
    ax.figure.draw_without_rendering()
    boxes = sorted(
        (label.get_window_extent() for label in labels(ax)), key=lambda box: box.y0
    )
    # Boxes hold room for accents and tails; lines 1.25 sizes apart may share 2 pixels.
    return all(low.y1 <= high.y0 + 2 for low, high in pairwise(boxes))
