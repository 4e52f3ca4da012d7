"""What served, from when to when: a bar for each kind of backend that was seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.alt_text import brief, tell
from toolkit.charts.bars import (
    AXIS_ROOM,
    axes_for,
    name_room,
    row_axis,
    rows_at_most,
    write_row_names,
)
from toolkit.charts.layout import (
    GAP,
    Words,
    draw_nothing,
    place_of,
    undress,
    write_words,
)
from toolkit.charts.series import Metric, read, series_name
from toolkit.charts.series_colors import colors_of
from toolkit.charts.stacked import EDGE, HATCH
from toolkit.charts.style import mix, now
from toolkit.charts.text import fit, short_number, text_width, write
from toolkit.charts.time_axis import elapsed_days, moment_axis, moment_text
from toolkit.errors import UnsuitableColumnError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

    from toolkit.charts.layout import Place

_DRIFT = Metric(
    "drift",
    ("first_seen", "last_seen", "responses", "undated", "differs"),
    "responses",
    ("requested_model", "model", "system_fingerprint", "service_tier", "provider"),
)
_FACTS = ("model", "system_fingerprint", "service_tier", "provider")
_LEAST = 3.0  # points: a bar of a moment


def plot_drift(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw which model, fingerprint, tier and provider answered, from when to when.

    Parameters
    ----------
    frame
        As `toolkit.metrics.drift` returns it.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        A bar from the first to the last response of each, in the colour of its model,
        the first seen at the top. Where another model was asked for than the one that
        answered the bar is hatched and says which. Of too many rows those with the
        fewest calls are left out and counted in the note.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `drift`.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> drift = pl.DataFrame(
    ...     {
    ...         "requested_model": ["gpt-a"],
    ...         "model": ["gpt-b"],
    ...         "system_fingerprint": ["fp_1"],
    ...         "service_tier": [None],
    ...         "provider": [None],
    ...         "first_seen": [datetime(2026, 11, 1, tzinfo=UTC)],
    ...         "last_seen": [datetime(2026, 11, 9, tzinfo=UTC)],
    ...         "responses": [3],
    ...         "undated": [0],
    ...         "differs": [True],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_drift(drift).texts][2:]
    ['3 calls, asked for gpt-a', 'gpt-b · fp_1']
    """
    given = read(frame, _DRIFT)
    zone = getattr(frame.schema["first_seen"], "time_zone", None)
    if zone is None:
        raise UnsuitableColumnError("first_seen", why="has no time zone")
    seen = given.frame.filter(pl.col("first_seen").is_not_null())
    most = rows_at_most(ax)
    rows = seen.sort("responses", descending=True, maintain_order=True).head(most)
    rows = rows.sort("first_seen", "last_seen", maintain_order=True)
    note = [*given.calls()]
    undated = int(given.total("undated"))
    if undated:
        note.append(f"{undated:,} undated, not drawn")
    if len(seen) > len(rows):
        note.append(f"{len(seen) - len(rows):,} rarer ones not drawn")
    if rows["differs"].any():
        note.append("hatched: another model was asked for")
    words = Words("What answered, and when", f"first to last response; {zone}", note)
    ax = axes_for(len(rows), ax)
    undress(ax, "x")
    if rows.is_empty():
        draw_nothing(
            ax, "no dated responses", write_words(ax, words, hanging=0, below=AXIS_ROOM)
        )
        tell(ax, "An empty chart", words, ["no dated responses"])
        return ax
    _draw_spans(ax, rows, words)
    facts = [
        f"{brief(_row_name(row))} from {moment_text(row['first_seen'], 'd')} to "
        f"{moment_text(row['last_seen'], 'd')}, {_row_text(row)}"
        for row in rows.head(8).iter_rows(named=True)
    ]
    tell(ax, "Bars over time", words, facts)
    return ax


def _row_name(row: Mapping[str, object]) -> str:
    """Name a row: its model, and what else is known of what answered."""
    told = [row[name] for name in _FACTS if row[name] is not None]
    if row["model"] is None:
        told = [None, *told]
    return " · ".join(series_name(value) for value in told)


def _row_text(row: Mapping[str, object]) -> str:
    """Say how many calls a row has, and what was asked for if that differs."""
    number = int(str(row["responses"]))
    calls = f"{short_number(number)} {'call' if number == 1 else 'calls'}"
    asked = f", asked for {series_name(row['requested_model'])}"
    return calls + asked if row["differs"] else calls


def _draw_spans(ax: Axes, rows: pl.DataFrame, words: Words) -> None:
    """Draw a bar for each row between its first and its last response."""
    place = place_of(ax, 0)
    style = place.texts.words
    cells = list(rows.iter_rows(named=True))
    names = [_row_name(row) for row in cells]
    texts = [fit(_row_text(row), style, 0.28 * place.width) for row in cells]
    left = name_room(names, place)
    room = write_words(ax, words, left=left, hanging=0, below=place.below)
    room = room._replace(right=2 * GAP + max(text_width(text, style) for text in texts))
    thick = row_axis(ax, len(cells), room)
    width = room.inside().width
    firsts, lasts = elapsed_days(rows["first_seen"]), elapsed_days(rows["last_seen"])
    moment_axis(ax, rows, width, place.date_width)
    low, high = ax.get_xlim()
    least = _LEAST * (high - low) / width
    colors = colors_of([series_name(row["model"]) for row in cells])
    ground = now().ground
    for at, (row, color) in enumerate(zip(cells, colors, strict=True)):
        (patch,) = ax.barh(
            at,
            max(lasts[at] - firsts[at], least),
            left=firsts[at],
            height=thick,
            color=color,
            edgecolor=ground,
            linewidth=EDGE,
            label=names[at],
        ).patches
        if row["differs"]:
            patch.set(facecolor=mix(color, ground, 0.25), hatch=HATCH)
            patch.set_hatchcolor(ground)
            patch.set_hatch_linewidth(1.1)
        _write_text(ax, at, texts[at], place, alarm=bool(row["differs"]))
    write_row_names(ax, names, left, place)
    room.keep()


def _write_text(ax: Axes, at: int, text: str, place: Place, *, alarm: bool) -> None:
    """Write at the right of a row how many calls it has."""
    write(
        ax,
        text,
        place.texts.words,
        (1, at),
        (GAP, 0),
        "left center_baseline",
        color=now().alarm if alarm else now().muted,
        coords=("axes fraction", "data"),
    )
