"""How large responses are: the median, and how far the large ones lie above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from matplotlib.ticker import LogLocator, NullFormatter

from toolkit.charts.alt_text import brief, line_facts, tell
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
    new_axes,
    place_of,
    undress,
    value_axis,
    write_words,
)
from toolkit.charts.lines import Lines, draw_line, line_color, lines
from toolkit.charts.series import Metric, Series, fold, read
from toolkit.charts.style import mix, now
from toolkit.charts.text import fit, short_number, text_width, write
from toolkit.charts.time_axis import span_of, time_axis
from toolkit.charts.titles import heading, when
from toolkit.errors import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.charts.series import Given

_SIZES = Metric(
    "tokens_per_response",
    ("responses", "unseen", "p50", "p90", "p99", "max"),
    "responses",
    ("tokens",),
)
_FAR = 40.0  # times: where the largest lies so far above the smallest, the axis is log
_QUANTILES = ("p50", "p90", "p99")
_WITH_P90 = 3  # series; of more the thin lines would cover each other


def plot_tokens_per_response(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how large calls are: the median, and above it the 90th and 99th percentile.

    Parameters
    ----------
    frame
        As `toolkit.metrics.tokens_per_response` returns it. Of its kinds of tokens the
        total is drawn, or the first one if there is none.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        Of one series three lines with a band between them; of two or three a thick
        line for the median and a thin one for p90; of more the medians. Percentiles
        cannot be added, so that beyond six series the others are not drawn, and counted
        in the note. The axis is
        logarithmic, and says so, where values lie far apart. Without periods a row for
        each series: from the median by p90 to p99.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `tokens_per_response`.

    Examples
    --------
    >>> sizes = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a"],
    ...         "tokens": ["total_tokens"],
    ...         "responses": [100],
    ...         "unseen": [1],
    ...         "p50": [100],
    ...         "p90": [400],
    ...         "p99": [900],
    ...         "max": [1200],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_tokens_per_response(sizes).texts][2]
    '100 · 400 · 900'
    """
    given = read(frame, _SIZES)
    kind, rows = _one_kind(given)
    note = [plural(int(rows["responses"].sum()), "call")]
    undated = rows.filter(pl.col("period").is_null()) if given.zone else rows.clear()
    if len(undated):
        note.append(f"{undated['responses'].sum():,} undated, not drawn")
    unseen = int(rows["unseen"].sum())
    if unseen:
        note.append(f"{plural(unseen, 'call')} without that count")
    if given.zone is not None:
        rows = rows.filter(pl.col("period").is_not_null())
    most = None if given.zone is not None else rows_at_most(ax)
    series, placed = fold(rows, given.by, pl.col("responses"), most=most)
    series, placed = _without_sums(series, placed, given.by, note)
    if given.zone is None:
        return _rows_of_sizes(given, kind, series, placed, note, ax)
    ax = new_axes() if ax is None else ax
    undress(ax)
    span = None if placed.is_empty() else span_of(placed)
    tables = [] if span is None else [_table_of(series, placed, q) for q in _QUANTILES]
    if not tables or not tables[0].known:
        words = Words(
            heading("Size of calls", given.by),
            f"{kind}{when(given, span, 'dashed')}",
            note,
        )
        reason = "no response tells" if tables else "no dated responses"
        draw_nothing(ax, reason, write_words(ax, words))
        tell(ax, "An empty chart", words, [reason])
        return ax
    _draw_sizes(ax, given, kind, tables, note)
    return ax


def _one_kind(given: Given) -> tuple[str, pl.DataFrame]:
    """Return the kind of tokens that is drawn, in words, and its rows."""
    kinds = given.frame["tokens"].unique(maintain_order=True).to_list()
    kind = "total_tokens" if "total_tokens" in kinds or not kinds else kinds[0]
    return str(kind).replace("_", " "), given.frame.filter(
        pl.col("tokens").eq_missing(pl.lit(kind, pl.String))
    )


def _without_sums(
    series: list[Series], placed: pl.DataFrame, by: list[str], note: list[str]
) -> tuple[list[Series], pl.DataFrame]:
    """Leave out several series in one: their percentiles cannot be known."""
    if not series or not series[-1].folded:
        return series, placed
    last = len(series) - 1
    if placed.filter(pl.col("series") == last).select(by).n_unique() <= 1:
        return series, placed  # the metric has folded them: that is exact
    note.append(f"{series[-1].name} not drawn")
    return series[:-1], placed.filter(pl.col("series") < last)


def _table_of(series: list[Series], placed: pl.DataFrame, name: str) -> Lines:
    """Return one percentile of each series in each period."""
    return lines(series, placed.with_columns(pl.col(name).alias("value")))


def _draw_sizes(
    ax: Axes, given: Given, kind: str, tables: list[Lines], note: list[str]
) -> None:
    """Draw lines over time: three of one series, or two of each."""
    medians, series = tables[0], tables[0].series
    single = len(series) == 1
    shown = tables if single else tables[: 1 + (len(series) <= _WITH_P90)]
    values = np.concatenate([table.values.ravel() for table in shown])
    values = values[np.isfinite(values)]
    far = values.min() >= 1 and values.max() > _FAR * values.min()
    what = f"of {brief(series[0].name)}" if single and given.by else ""
    leads = ("median", "median thick, p90 thin", "median, p90 and p99")
    lead = leads[len(shown) - 1]
    scale = "; log scale" if far else ""
    subtitle = f"{kind} per call {what}".strip()
    words = Words(
        heading("Size of calls", given.by, medians.span),
        f"{subtitle}: {lead}{scale}{when(given, medians.span, 'dashed')}",
        note,
    )
    color = series[0].color  # darker, or on a dark ground lighter, the higher
    parts = (
        [Series(q, mix(color, now().ink, 0.25 * k)) for k, q in enumerate(_QUANTILES)]
        if single
        else series
    )
    room = write_words(ax, words, parts=parts)
    if room.labels:
        ends = [table.last[0] for table in tables] if single else medians.last
        room = room._replace(heights=np.nan_to_num(np.array(ends), nan=1.0).tolist())
    if single:
        _draw_band(ax, tables, parts)
    else:
        for at, part in reversed(list(enumerate(series))):
            color = line_color(part)
            draw_line(ax, medians.span, medians.values[at], color, part.name)
            for table in shown[1:]:
                name = f"{part.name} p90"
                draw_line(ax, table.span, table.values[at], color, name, 0.9)
    inside = room.inside()
    if far:
        _log_axis(ax, float(values.min()), float(values.max()))
    else:
        value_axis(ax, float(values.max()), inside.height, short_number, whole=True)
    time_axis(ax, medians.span, inside.width, place_of(ax).date_width)
    room.keep()
    tell(ax, "Lines", words, line_facts(medians, short_number))


def _draw_band(ax: Axes, tables: list[Lines], parts: list[Series]) -> None:
    """Draw three lines of one series, and pale bands between them."""
    span = tables[0].span
    low, middle, high = (table.values[0] for table in tables)
    color = parts[0].color
    for lower, upper, alpha in ((low, middle, 0.22), (middle, high, 0.1)):
        ax.fill_between(
            span.middles, lower, upper, color=color, alpha=alpha, linewidth=0
        )
    for part, values, width in zip(
        parts, (low, middle, high), (2, 1.2, 0.9), strict=True
    ):
        draw_line(ax, span, values, part.color, part.name, width)


def _log_axis(ax: Axes, low: float, high: float, axis: str = "y") -> None:
    """Set a logarithmic axis in whole powers of ten, and few ticks."""
    bottom = 10 ** np.floor(np.log10(low))
    scale = ax.yaxis if axis == "y" else ax.xaxis
    (ax.set_yscale if axis == "y" else ax.set_xscale)("log")
    (ax.set_ylim if axis == "y" else ax.set_xlim)(bottom, 1.15 * high)
    scale.set_major_locator(LogLocator(10, numticks=9))
    scale.set_major_formatter(short_number)
    scale.set_minor_formatter(NullFormatter())
    ax.minorticks_off()


def _rows_of_sizes(
    given: Given,
    kind: str,
    series: list[Series],
    placed: pl.DataFrame,
    note: list[str],
    ax: Axes | None,
) -> Axes:
    """Draw a row for each series: a dot at the median, a line to p90 and to p99."""
    known = placed.filter(pl.col("p50").is_not_null()).sort("series")
    ax = axes_for(len(series), ax)
    place, title = place_of(ax, 0), heading("Size of calls", given.by)
    undress(ax, "x")
    subtitle = f"{kind} per call: median, p90, p99"
    if known.is_empty():
        words = Words(title, subtitle, note)
        draw_nothing(
            ax, "no response tells", write_words(ax, words, hanging=0, below=AXIS_ROOM)
        )
        tell(ax, "An empty chart", words, ["no response tells"])
        return ax
    cells = {row["series"]: row for row in known.iter_rows(named=True)}
    low, high = float(known["p50"].min() or 0), float(known["p99"].max() or 0)  # type: ignore[arg-type] # counts
    far = low >= 1 and high > _FAR * low
    words = Words(title, subtitle + ("; log scale" if far else ""), note)
    names = [part.name for part in series]
    left, style = name_room(names, place), place.texts.words
    texts = [
        " · ".join(short_number(cells[at][q]) for q in _QUANTILES)
        if at in cells
        else "not known"
        for at in range(len(series))
    ]
    room = write_words(ax, words, left=left, hanging=0, below=AXIS_ROOM)
    room = room._replace(right=2 * GAP + max(text_width(text, style) for text in texts))
    row_axis(ax, len(series), room)
    if far:
        _log_axis(ax, low, high, "x")
    else:
        value_axis(ax, high, room.inside().width, short_number, axis="x", whole=True)
    for at, (part, text) in enumerate(zip(series, texts, strict=True)):
        if at in cells:
            _draw_range(ax, at, part, [float(cells[at][q]) for q in _QUANTILES])
        write(
            ax,
            fit(text, style, 0.4 * place.width),
            style,
            (1, at),
            (GAP, 0),
            "left center_baseline",
            color=now().ink,
            coords=("axes fraction", "data"),
        )
    write_row_names(ax, names, left, place)
    room.keep()
    facts = [f"{brief(name)} {text}" for name, text in zip(names, texts, strict=True)]
    tell(ax, "Ranges", words, facts[:8])
    return ax


def _draw_range(ax: Axes, at: int, part: Series, values: list[float]) -> None:
    """Draw one row: a thick line to p90, a thin one to p99, a dot at the median."""
    low, middle, high = values
    color = part.color
    ax.plot([middle, high], [at, at], color=color, linewidth=1.4, label=part.name)
    ax.plot([low, middle], [at, at], color=color, linewidth=5, solid_capstyle="butt")
    ax.plot([low], [at], "o", color=color, markersize=8, markeredgecolor=now().ground)
    ax.plot([high], [at], "|", color=color, markersize=8, markeredgewidth=1.4)
