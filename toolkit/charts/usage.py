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
