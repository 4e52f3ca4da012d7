"""Charts of what was used and what it cost: tokens and dollars.

Sums are stacks over time, or without periods a bar for each series.
"""

from __future__ import annotations

from math import nan
from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.layout import (
    DOTTED,
    draw_empty,
    format_single,
    start_axes,
    write_text,
)
from toolkit.charts.rows import Row, draw_bars, max_rows
from toolkit.charts.series import (
    count_unseen,
    divide_sums,
    fold_series,
    mark_unknown,
    read_frame,
    sum_measure,
)
from toolkit.charts.stacked import build_stack, describe_stack, draw_stack
from toolkit.charts.text import format_value, tick_of
from toolkit.charts.titles import (
    build_note,
    build_text,
    capitalize,
    set_alt_text,
    why_empty,
    why_unknown,
)
from toolkit.errors import plural
from toolkit.formatting.figures import UNKNOWN
from toolkit.formatting.text import UNKNOWN_TEXT, format_share
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.series import ChartData, Series
    from toolkit.formatting.figures import Figure
    from toolkit.metrics.measures import Measure
    from toolkit.metrics.spec import MetricSpec


def plot_token_usage(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the tokens of each model in each period, stacked.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.token_usage`: one row per period and series. The
        columns it was grouped by name the series; the time zone is that of `period`.
        Without periods (``every=None``) each series is a horizontal bar.
    ax
        Where to draw; by default a new pyplot figure, 9 inches wide. All text stays
        inside the box of the Axes, except for the numbers at its left.

    Returns
    -------
    Axes
        Bars as wide as their periods, or filled steps for more than 90 periods; a
        period without responses is a gap. The five largest series (or six, if there are
        six) are shown, the largest at the bottom; the others are grouped as one. x is
        in matplotlib's days (UTC), labelled in the time zone; y is in tokens. Periods
        that are `partial` are hatched. The note counts responses without a date.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `token_usage`, for example the choices themselves.
    UnsuitableColumnError
        If `period` has no time zone.

    Notes
    -----
    A null in a column that names the series is shown as "unknown". Characters that no
    font has (see ``rcParams["font.family"]``) are drawn as U+FFFD; in SVG with
    ``rcParams["svg.fonttype"] = "none"``, as in a report, they stay as they are.

    Examples
    --------
    >>> from toolkit.metrics import token_usage
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"model": "gpt-a", "total_tokens": 45},
    ...     {"model": "gpt-b", "total_tokens": 15},
    ... )
    >>> ax = plot_token_usage(token_usage(choices))
    >>> ax.get_title(loc="left")
    'Tokens by model and day'
    >>> [text.get_text() for text in ax.texts]
    ['2 calls', 'Total tokens per day (UTC). Hatched: ...', 'gpt-a', 'gpt-b']
    """
    return draw_sums(
        frame,
        SPECS["token_usage"],
        ax,
        subtitle="Total tokens",
        missing="without token counts",
    )


def plot_cost(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw what each model cost in each period, marking lower bounds.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.cost`; without periods (``every=None``) each series
        is a horizontal bar.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        Stacked bars in US dollars. Where responses have no known price, a dotted part
        of arbitrary length is added, and the note gives the share of tokens that have
        no price: the sums are lower bounds ("at least").

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `cost`.

    Examples
    --------
    >>> from toolkit.metrics import cost
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"total_tokens": 970, "reported_cost": 1.5},
    ...     {"model": "own", "total_tokens": 30},
    ... )
    >>> plot_cost(cost(choices, every=None)).texts[0].get_text()
    'at least $1.50: 3% of tokens have no known price (dotted) · 2 calls'
    """
    return draw_sums(frame, SPECS["cost"], ax)


def draw_sums(
    frame: pl.DataFrame,
    spec: MetricSpec,
    ax: Axes | None,
    *,
    subtitle: str = "",
    missing: str = "",
) -> Axes:
    """Draw the sums of the main measure over time, or as bars; bounds are dotted.

    `missing` is what calls lack that the sums do not include.
    """
    data, measure = read_frame(frame, spec), spec[spec.main]
    unseen = count_unseen(measure, data.frame)
    rows = data.dated.with_columns(
        pl.col(measure.name).cast(pl.Float64).alias("value"), open=unseen > 0
    )
    what, details = subtitle or capitalize(measure.title), []
    missing = missing or f"without {measure.title}"
    lost = None
    if measure.is_money:
        what, missing = "US dollars", "without a known price"
        lost = next((one for one in spec.drawn if one.part), None)
    note = build_note(data, measure, with_share=True)
    if left_out := int(data.frame.select(unseen.sum()).item()):
        calls = f"{plural(left_out, 'call')} {missing}"
        note = [_format_least(data, measure, lost, calls), *note]
        if measure.is_money:
            details = ["calls without a known price are not included"]
    if data.zone is not None:
        return _draw_over_time(ax, data, rows, (what, *details), note)
    series, placed = fold_series(rows, data.by, pl.col("value"), most=max_rows(ax))
    total = sum_measure(measure, rows)
    bars = [
        _build_bar(part, placed.filter(series=place), measure, total, lost)
        for place, part in enumerate(series)
    ]
    text = build_text(data, note, what, *details)
    reason, whole = why_unknown(measure), not measure.is_money
    return draw_bars(ax, text, bars, tick_of(measure), whole=whole, unknown=reason)


def _format_least(
    data: ChartData, measure: Measure, lost: Measure | None, calls: str
) -> str:
    """Format the total as a lower bound, and what it does not include."""
    figure = sum_measure(measure, data.frame)
    unit = "cost" if measure.is_money else measure.unit
    least = format_value(measure, figure, words=True)
    if not figure.is_known:
        least = f"{unit} unknown"
    elif not measure.is_money:
        least = f"{least} {unit}"
    share = _format_lost(lost, data.frame)
    lacks = f"{share} of tokens have no known price" if share else calls
    return f"{least}: {lacks}{DOTTED}"


def _format_lost(lost: Measure | None, rows: pl.DataFrame) -> str:
    """Format the share of tokens without a price, if it is known and not zero."""
    share = divide_sums(lost, rows) if lost else UNKNOWN
    return format_share(share) if share.value else ""


def _build_bar(
    part: Series,
    rows: pl.DataFrame,
    measure: Measure,
    total: Figure,
    lost: Measure | None,
) -> Row:
    """Return the bar of a series, and what it does not include."""
    figure = sum_measure(measure, rows)
    text, more = format_value(measure, figure, words=False), ""
    if not figure.is_known:
        text = "no known price" if measure.is_money else UNKNOWN_TEXT
    elif not measure.is_money:
        share = figure / total
        more = f"· {format_share(share)}" if share.is_known else ""
    elif figure.bound != "exact":
        unpriced = _format_lost(lost, rows)
        text += f", {unpriced} unpriced" if unpriced else ", unpriced calls"
    value = float(figure.number) if figure.is_known else nan
    return Row(part.name, value, part.color, text, more, open=figure.bound != "exact")


def _draw_over_time(
    ax: Axes | None,
    data: ChartData,
    rows: pl.DataFrame,
    words: Sequence[str],
    note: list[str],
) -> Axes:
    """Draw a stack over time; `words` are the parts of the subtitle."""
    ax, measure = start_axes(ax), data.spec[data.spec.main]
    what, *details = words
    if reason := why_empty(data, rows["value"], measure):
        return draw_empty(ax, build_text(data, note, what, *details), reason)
    series, placed = fold_series(rows, data.by, pl.col("value"))
    stack = build_stack(series, placed)
    what += format_single(ax, series)
    text = build_text(data, note, what, *details, span=stack.span)
    known = set(placed.drop_nulls("value")["series"])
    names = mark_unknown(series, known)
    layout = write_text(ax, text, parts=names if len(series) > 1 else [])
    draw_stack(ax, stack, layout, tick_of(measure))
    set_alt_text(ax, "Stacked bars", text, describe_stack(stack, placed, measure))
    return ax
