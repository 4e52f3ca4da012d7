"""Charts of what was used and what it cost: tokens and dollars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.charts.bars import Row, draw_bars
from toolkit.charts.series import Metric, read_frame
from toolkit.charts.stack_chart import (
    SumChart,
    draw_over_time,
    draw_sums,
    select_values,
    sum_series,
)
from toolkit.charts.stacked import NO_PRICE
from toolkit.charts.text import usd_tick
from toolkit.charts.titles import ChartText, build_note, format_title
from toolkit.errors import plural
from toolkit.formatting.figures import sum_with_gaps
from toolkit.formatting.text import format_share, format_usd

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes

    from toolkit.charts.series import ChartData

_TOKEN_USAGE = SumChart(
    Metric(
        "token_usage",
        (
            "responses",
            "responses_without_usage",
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "cached_tokens",
            "reasoning_tokens",
        ),
        "total_tokens",
    ),
    title="Tokens",
    subtitle="Total tokens",
    unit="tokens",
    missing=("responses_without_usage", "without token counts"),
)
_COUNTS = ("responses_unpriced", "responses", "tokens_unpriced", "total_tokens")
_COST = Metric("cost", ("cost", *_COUNTS), "cost")
_MONEY = pl.Decimal(38, 12)


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
        six) are shown, the largest at the bottom; the others are folded into one. x is
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
    font has (see ``rcParams["font.family"]``) are drawn as U+FFFD.

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
    ['3 calls', 'Total tokens per day (UTC)', 'gpt-a', 'gpt-b']
    """
    return draw_sums(frame, _TOKEN_USAGE, ax)


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
    >>> from decimal import Decimal
    >>> money = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a", "own"],
    ...         "responses": [2, 1],
    ...         "cost": [Decimal("1.50"), Decimal("0")],
    ...         "responses_unpriced": [0, 1],
    ...         "total_tokens": [970, 30],
    ...         "tokens_unpriced": [0, 30],
    ...     }
    ... )
    >>> ax = plot_cost(money)
    >>> ax.texts[0].get_text()
    'at least $1.50: 3% of tokens have no known price (dotted) · 3 calls'
    """
    data = read_frame(frame, _COST)
    is_open = (pl.col("responses_unpriced") > 0).fill_null(value=False).alias("open")
    exact = pl.col("cost").cast(_MONEY).alias("exact")
    rows = select_values(data, pl.col("cost"), is_open, exact, pl.col(_COUNTS))
    note = _format_missing_prices(data) + build_note(data, share=("cost", "cost"))
    what = ["US dollars"]
    if data.total("responses_unpriced"):
        what.append("calls without a known price are not included")
    if data.zone is not None:
        words = ("Cost", *what)
        return draw_over_time(ax, data, rows, words, note, usd_tick, _build_amounts)
    text = ChartText(format_title("Cost", data.by), "; ".join(what), note)
    sums = pl.col("exact", *_COUNTS).sum(), pl.col("open").any()
    series, placed = sum_series(data, rows, ax, *sums)
    bars = [
        Row(
            part.name,
            row["value"],
            part.color,
            _format_bar(row),
            open=row["open"],
        )
        for part, row in zip(series, placed.iter_rows(named=True), strict=True)
    ]
    return draw_bars(ax, text, bars, usd_tick)


def _build_amounts(placed: pl.DataFrame) -> Callable[[int | None, int | None], str]:
    """Build what formats the cost of a series in a period, given their indexes."""
    starts = placed["period"].unique().sort()

    def format_amount(index: int | None, period: int | None) -> str:
        rows = placed if index is None else placed.filter(pl.col("series") == index)
        if period is not None:
            rows = rows.filter(pl.col("period") == starts[period])
        sums = rows.select(pl.col("exact", "responses_unpriced", "responses").sum())
        cost, missing, of = sums.row(0)
        return format_usd(sum_with_gaps(cost, missing=missing, of=of), words=True)

    return format_amount


def _format_missing_prices(data: ChartData) -> list[str]:
    """Format the total as a lower bound, and what it does not include, if anything."""
    sums = data.frame.select(pl.col("cost").cast(_MONEY).sum(), pl.col(_COUNTS).sum())
    cost, unpriced, responses, lost, whole = sums.row(0)
    if not unpriced:
        return []
    figure = sum_with_gaps(cost, missing=unpriced, of=responses)
    least = format_usd(figure, words=True) if figure.is_known else "cost unknown"
    if lost and whole:
        missing = f"{format_share(lost / whole)} of tokens have no known price"
    else:
        missing = f"{plural(unpriced, 'call')} without a known price"
    return [f"{least}: {missing} (dotted)"]


def _format_bar(row: dict[str, Any]) -> str:
    """Format the cost of a series, and what it does not include."""
    missing, of = row["responses_unpriced"], row["responses"]
    cost = sum_with_gaps(row["exact"], missing=missing, of=of)
    if not cost.is_known:
        return NO_PRICE
    text = format_usd(cost)
    if not row["open"]:
        return text
    lost, whole = row["tokens_unpriced"], row["total_tokens"]
    part = format_share(lost / whole) if lost and whole else ""
    return f"{text}, {part} unpriced" if part else f"{text}, unpriced calls"
