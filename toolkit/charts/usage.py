"""Charts of what was used and what it cost: tokens and dollars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.charts.stack_chart import draw_sums
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes


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
    'at least $1.50: 3 % of tokens have no known price (dotted) · 3 calls'
    """
    return draw_sums(frame, SPECS["cost"], ax)
