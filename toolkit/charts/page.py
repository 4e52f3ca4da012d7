"""A page of several charts under a headline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.charts.layout import MARGIN, TICK_ROOM
from toolkit.charts.series import divide_sums, sum_measure
from toolkit.charts.style import Style, current_theme
from toolkit.charts.text import LEADING, text_height, wrap
from toolkit.charts.titles import capitalize
from toolkit.errors import plural
from toolkit.formatting.dates import format_days
from toolkit.formatting.text import format_count, format_share, format_usd
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEADLINE, _UNDER = Style(19, "bold"), Style(11, "normal")
_BETWEEN = (70.0, 26.0)  # points between charts: across (with tick labels), and down


def build_page(
    size: tuple[float, float], rows: int, columns: int, words: tuple[str, str]
) -> list[Axes]:
    """Create a pyplot figure of many Axes under a headline.

    `words` are the headline, and the small line above it.
    """
    # Imported here: pyplot chooses a backend.
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=size, facecolor=current_theme().ground, layout="none")
    wide, high = (72 * inches for inches in size)
    left = MARGIN + TICK_ROOM
    across = (wide - left - MARGIN - _BETWEEN[0] * (columns - 1)) / columns
    head = _write_headline(figure, *words)
    down = (high - MARGIN - head - _BETWEEN[1] * (rows - 1)) / rows
    grid = {
        "left": left / wide,
        "right": 1 - MARGIN / wide,
        "bottom": MARGIN / high,
        "top": 1 - head / high,
        "wspace": _BETWEEN[0] / across,
        "hspace": _BETWEEN[1] / down,
    }
    return list(figure.subplots(rows, columns, gridspec_kw=grid).flat)


def _write_headline(figure: Figure, sentence: str, under: str) -> float:
    """Draw the headline and the line above it; return their height in points."""
    wide, high = figure.get_size_inches() * 72
    x = (MARGIN + TICK_ROOM) / wide
    lines = wrap(sentence.split(" "), " ", _HEADLINE, wide - 2 * (MARGIN + TICK_ROOM))
    for text, style, down, color in (
        (lines, _HEADLINE, MARGIN + LEADING * _UNDER.size + 4, current_theme().ink),
        (under, _UNDER, MARGIN, current_theme().muted),
    ):
        figure.text(
            x,
            1 - down / high,
            text,
            fontproperties=style.font,
            color=color,
            linespacing=LEADING,
            verticalalignment="top",
            parse_math=False,
            usetex=False,
        )
    return MARGIN + LEADING * _UNDER.size + text_height(lines, _HEADLINE) + 2 * MARGIN


def format_usage(usage: pl.DataFrame, money: pl.DataFrame) -> str:
    """Format how many tokens were used in how many calls, and what they cost.

    Examples
    --------
    >>> import polars as pl
    >>> usage = pl.DataFrame({"total_tokens": 1_934_000_000, "responses": 207_812})
    >>> money = pl.DataFrame(
    ...     {
    ...         "cost": 4812,
    ...         "responses_unpriced": 3,
    ...         "tokens_unpriced": 60_000_000,
    ...         "total_tokens": 1_934_000_000,
    ...     }
    ... )
    >>> format_usage(usage, money)
    '1.93B tokens in 207,812 calls, at least $4,812.00. 3.1% of tokens have no ...'
    """
    calls = int(usage["responses"].sum())
    if not calls:
        return "No calls."
    used = sum_measure(SPECS["token_usage"]["total_tokens"], usage)
    tokens = format_count(used, "sentence", words=True)
    tokens = f"{tokens} tokens in" if used.is_known else "Tokens unknown of"
    cost = sum_measure(SPECS["cost"]["cost"], money)
    spent = format_usd(cost, words=True) if cost.is_known else "cost unknown"
    sentence = f"{capitalize(tokens)} {plural(calls, 'call')}, {spent}."
    share = divide_sums(SPECS["cost"]["unpriced_share"], money)
    if share.value:
        shown = capitalize(format_share(share, words=True))
        sentence += f" {shown} of tokens have no known price."
    return sentence


def format_range(times: pl.Series, zone: str) -> str:
    """Format the range of times, in a time zone.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> import polars as pl
    >>> days = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 22)]
    >>> format_range(pl.Series(days), "UTC")
    'LLM usage · 1 to 22 Nov 2026 (UTC)'
    """
    local = times.drop_nulls().dt.convert_time_zone(zone)
    if local.is_empty():
        return "LLM usage · no dated responses"
    first, last = (at.date() for at in (local.min(), local.max()))  # type: ignore[union-attr] # datetimes
    return f"LLM usage · {format_days(first, last)} ({zone})"
