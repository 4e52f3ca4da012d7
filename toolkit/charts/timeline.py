"""A timeline: a bar from the first to the last response of each model version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.alt_text import set_alt_text, shorten
from toolkit.charts.bars import MAX_DESCRIBED
from toolkit.charts.layout import draw_empty, measure_axes
from toolkit.charts.rows import (
    THICKNESS,
    build_row_axes,
    end_room,
    finish_rows,
    lay_out_rows,
    max_rows,
    write_row_end,
)
from toolkit.charts.series import format_key, read_frame
from toolkit.charts.series_colors import assign_colors
from toolkit.charts.stacked import EDGE, hatch_patch
from toolkit.charts.style import current_theme
from toolkit.charts.text import fit, short_number
from toolkit.charts.time_axis import elapsed_days, format_moment, set_moment_axis
from toolkit.charts.titles import NO_DATES, ChartText, format_undated, format_zone
from toolkit.errors import UnsuitableColumnError, plural
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

_VERSION = ("model", "system_fingerprint", "service_tier", "provider")
_MIN_WIDTH = 3.0  # points of a bar


def plot_drift(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw which model, fingerprint, tier and provider answered, and when.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.drift`.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        A bar from the first to the last response of each, in the colour of its model,
        the first seen at the top. Where a different model was requested, the bar is
        hatched and names it. If there are too many rows, those with the fewest calls
        are left out and counted in the note.

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
    ['3 calls, requested: gpt-a', 'gpt-b · fp_1']
    """
    data = read_frame(frame, SPECS["drift"])
    zone = getattr(frame.schema["first_seen"], "time_zone", None)
    if zone is None:
        raise UnsuitableColumnError("first_seen", why="has no time zone")
    dated = data.frame.filter(pl.col("first_seen").is_not_null())
    rows = dated.sort("responses", descending=True, maintain_order=True)
    rows = rows.head(max_rows(ax)).sort("first_seen", "last_seen", maintain_order=True)
    note = [plural(int(data.total("responses")), "call")]
    note += format_undated(int(data.total("undated")))
    if len(dated) > len(rows):
        note.append(f"{len(dated) - len(rows):,} less frequent versions not shown")
    if rows["differs"].any():
        note.append("hatched: another model was requested")
    text = ChartText(
        data.spec.title, f"First to last response ({format_zone(zone)})", note
    )
    ax = build_row_axes(len(rows), ax)
    if rows.is_empty():
        return draw_empty(ax, text, NO_DATES, in_rows=True)
    _draw_spans(ax, rows, text)
    facts = [
        f"{shorten(_row_name(row))} from {format_moment(row['first_seen'], 'd')} to "
        f"{format_moment(row['last_seen'], 'd')}, {_row_text(row)}"
        for row in rows.head(MAX_DESCRIBED).iter_rows(named=True)
    ]
    set_alt_text(ax, "Bars over time", text, facts)
    return ax


def _row_name(row: Mapping[str, object]) -> str:
    """Name a row by its model, and what else is known of the version."""
    known = [row[name] for name in _VERSION if name == "model" or row[name] is not None]
    return " · ".join(format_key(value) for value in known)


def _row_text(row: Mapping[str, object]) -> str:
    """Format the number of calls, and the requested model if it differs."""
    number = int(str(row["responses"]))
    calls = f"{short_number(number)} {'call' if number == 1 else 'calls'}"
    requested = f", requested: {format_key(row['requested_model'])}"
    return calls + requested if row["differs"] else calls


def _draw_spans(ax: Axes, rows: pl.DataFrame, text: ChartText) -> None:
    """Draw a bar for each row between its first and its last response."""
    box, theme = measure_axes(ax, 0), current_theme()
    cells = list(rows.iter_rows(named=True))
    names = [_row_name(row) for row in cells]
    texts = [fit(_row_text(row), box.texts.body, 0.28 * box.width) for row in cells]
    right = end_room(ax, texts)
    layout = lay_out_rows(ax, text, names, right=right, below=box.below)
    width = layout.inside().width
    set_moment_axis(ax, rows, width, box.date_width)
    low, high = ax.get_xlim()
    least = _MIN_WIDTH * (high - low) / width
    firsts, lasts = elapsed_days(rows["first_seen"]), elapsed_days(rows["last_seen"])
    colors = assign_colors([format_key(row["model"]) for row in cells])
    for at, (row, color) in enumerate(zip(cells, colors, strict=True)):
        (patch,) = ax.barh(
            at,
            max(lasts[at] - firsts[at], least),
            left=firsts[at],
            height=THICKNESS,
            color=color,
            edgecolor=theme.ground,
            linewidth=EDGE,
            label=names[at],
        ).patches
        if row["differs"]:
            hatch_patch(patch, color)
        write_row_end(ax, at, texts[at], theme.alarm if row["differs"] else None)
    finish_rows(ax, names, layout)
