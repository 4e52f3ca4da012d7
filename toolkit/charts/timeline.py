"""A timeline: a bar from the first to the last response of each model version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.bars import hatch_patch
from toolkit.charts.layout import draw_empty, measure_axes
from toolkit.charts.rows import (
    MAX_DESCRIBED,
    build_row_axes,
    draw_rows,
    finish_rows,
    lay_out_rows,
    max_rows,
)
from toolkit.charts.series import format_key, read_frame, shades_of
from toolkit.charts.style import current_theme
from toolkit.charts.time_axis import elapsed_days, set_moment_axis
from toolkit.charts.titles import (
    ChartText,
    format_undated,
    format_zone,
    no_rows,
    set_alt_text,
    shorten,
    unit_noun,
)
from toolkit.errors import UnsuitableColumnError, plural
from toolkit.formatting.dates import format_day
from toolkit.formatting.text import format_count
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.charts.series import ChartData
    from toolkit.metrics.spec import MetricSpec

_REQUESTED = "requested_model"
_SEEN = ("first_seen", "last_seen")
_OPTIONAL = {_REQUESTED: pl.String, "differs": pl.Boolean, "undated": pl.Int64}
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
    >>> from toolkit.metrics import drift
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"requested_model": "gpt-a", "model": "gpt-b"})
    >>> [text.get_text() for text in plot_drift(drift(choices)).texts][2:]
    ['1 call, requested: gpt-a', 'gpt-b']
    """
    return draw_timeline(frame, SPECS["drift"], ax)


def draw_timeline(frame: pl.DataFrame, spec: MetricSpec, ax: Axes | None) -> Axes:
    """Draw a bar from `first_seen` to `last_seen` for each row of a metric.

    A row is named by its keys other than `requested_model`. Where `differs` is true,
    the bar is hatched, and the requested model is at its end.
    """
    data = read_frame(frame, spec)
    zone = getattr(frame.schema["first_seen"], "time_zone", None)
    if zone is None:
        raise UnsuitableColumnError("first_seen", why="has no time zone")
    version = [key for key in spec.key_names or data.by if key != _REQUESTED]
    rows = data.frame.select(
        pl.concat_list(pl.col(version).cast(pl.String)).alias("version"),
        pl.col(spec.main).alias("count"),
        *(_column(data, name, dtype) for name, dtype in _OPTIONAL.items()),
        *_SEEN,
    )
    dated = rows.drop_nulls("first_seen")
    shown = dated.sort("count", descending=True, maintain_order=True)
    shown = shown.head(max_rows(ax)).sort(_SEEN, maintain_order=True)
    noun = unit_noun(spec[spec.main].unit)
    note = [plural(int(rows["count"].sum()), noun)]
    note += format_undated(int(rows["undated"].sum() or 0), noun)
    if left := len(dated) - len(shown):
        note.append(f"{format_count(left)} less frequent versions not shown")
    if shown["differs"].any():
        note.append("hatched: another model was requested")
    text = ChartText(spec.title, f"First to last response ({format_zone(zone)})", note)
    ax = build_row_axes(len(shown), ax)
    if shown.is_empty():
        return draw_empty(ax, text, no_rows(data), in_rows=True)
    names, texts = _format_rows(shown, noun)
    _draw_spans(ax, shown, text, names, texts)
    seen = shown.select(_SEEN).iter_rows()
    facts = [
        f"{shorten(name)} from {format_day(first)} to {format_day(last)}, {end}"
        for name, end, (first, last) in zip(names, texts, seen, strict=True)
    ]
    set_alt_text(ax, "Bars over time", text, facts[:MAX_DESCRIBED])
    return ax


def _column(data: ChartData, name: str, dtype: type[pl.DataType]) -> pl.Expr:
    """Return a column that a metric may have, else nulls."""
    column = pl.col(name) if name in data.frame.columns else pl.lit(None)
    return column.cast(dtype).alias(name)


def _format_rows(rows: pl.DataFrame, noun: str) -> tuple[list[str], list[str]]:
    """Format the names of rows, and their counts and requested models."""
    names, texts = [], []
    for row in rows.iter_rows(named=True):
        first, *others = row["version"]
        known = [first, *(part for part in others if part is not None)]
        names.append(" · ".join(format_key(part) for part in known))
        plural_end = "s" * (row["count"] != 1)
        count = f"{format_count(row['count'], 'short')} {noun}{plural_end}"
        requested = f", requested: {format_key(row[_REQUESTED])}"
        texts.append(count + requested if row["differs"] else count)
    return names, texts


def _draw_spans(
    ax: Axes,
    rows: pl.DataFrame,
    text: ChartText,
    names: list[str],
    texts: list[str],
) -> None:
    """Draw a bar for each row between its first and its last response."""
    box = measure_axes(ax, 0)
    layout = lay_out_rows(ax, text, names, ends=texts, below=box.below)
    inside = layout.inside()
    set_moment_axis(ax, rows, inside.width, box.date_width)
    low, high = ax.get_xlim()
    least = _MIN_WIDTH * (high - low) / inside.width
    firsts, lasts = (elapsed_days(rows[name]) for name in _SEEN)
    shades = shades_of([format_key(row[0]) for row in rows["version"]], "model")
    for at, (differs, shade) in enumerate(zip(rows["differs"], shades, strict=True)):
        width = max(lasts[at] - firsts[at], least)
        patch = draw_rows(ax, at, width, shade.fill, names[at], left=firsts[at])
        if differs:
            hatch_patch(patch, shade.fill)
    ink = current_theme().ink
    inks = [ink if differs else None for differs in rows["differs"]]
    finish_rows(ax, names, layout, ends=texts, colors=inks)
