"""Several charts on one page, under one sentence."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from toolkit.charts.layout import RIM, TICK_ROOM
from toolkit.charts.style import Style, now
from toolkit.charts.text import (
    LEADING,
    dollars,
    height_of,
    percent,
    short_number,
    wrap,
)
from toolkit.charts.time_axis import moment_text
from toolkit.errors import plural
from toolkit.formatting.text import bounded

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_HEADLINE, _UNDER = Style(19, "bold"), Style(11, "normal")
_BETWEEN = (70.0, 26.0)  # points from chart to chart: across, with numbers, and down


def new_page(
    size: tuple[float, float], rows: int, columns: int, words: tuple[str, str]
) -> list[Axes]:
    """Make a figure of many Axes, known to pyplot, under a headline.

    `words` are the sentence, and what stands in small letters above it.
    """
    # Imported here: pyplot chooses a backend.
    from matplotlib import pyplot as plt

    figure = plt.figure(figsize=size, facecolor=now().ground, layout="none")
    wide, high = (72 * inches for inches in size)
    left = RIM + TICK_ROOM
    across = (wide - left - RIM - _BETWEEN[0] * (columns - 1)) / columns
    head = _write_headline(figure, *words)
    down = (high - RIM - head - _BETWEEN[1] * (rows - 1)) / rows
    places = [
        (
            left + column * (across + _BETWEEN[0]),
            RIM + (rows - 1 - row) * (down + _BETWEEN[1]),
        )
        for row in range(rows)
        for column in range(columns)
    ]
    return [
        figure.add_axes((x / wide, y / high, across / wide, down / high))
        for x, y in places
    ]


def _write_headline(figure: Figure, sentence: str, under: str) -> float:
    """Write the sentence over all charts, and a line above it; return their room."""
    wide, high = figure.get_size_inches() * 72
    x = (RIM + TICK_ROOM) / wide
    lines = wrap(sentence.split(" "), " ", _HEADLINE, wide - 2 * (RIM + TICK_ROOM))
    for text, style, down, color in (
        (lines, _HEADLINE, RIM + LEADING * _UNDER.size + 4, now().ink),
        (under, _UNDER, RIM, now().muted),
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
    return RIM + LEADING * _UNDER.size + height_of(lines, _HEADLINE) + 2 * RIM


def usage_sentence(
    usage: Sequence[Mapping[str, object]], money: Sequence[Mapping[str, object]]
) -> str:
    """Say how many tokens in how many calls, and what they cost, as far as is known.

    Examples
    --------
    >>> usage = [{"total_tokens": 1_934_000_000, "responses": 207_812}]
    >>> money = [
    ...     {
    ...         "cost": 4812,
    ...         "responses_unpriced": 3,
    ...         "tokens_unpriced": 60_000_000,
    ...         "total_tokens": 1_934_000_000,
    ...     }
    ... ]
    >>> usage_sentence(usage, money)
    '1.93B tokens in 207,812 calls, at least $4,812. 3.1 % of tokens have no known ...'
    """

    def total(rows: Sequence[Mapping[str, object]], name: str) -> Decimal:
        return sum((Decimal(str(row[name] or 0)) for row in rows), Decimal(0))

    calls, tokens = int(total(usage, "responses")), float(total(usage, "total_tokens"))
    cost = bounded(
        total(money, "cost"),
        int(total(money, "responses_unpriced")),
        calls,
        mark="at least ",
        write=dollars,
        unknown="cost unknown",
    )
    said = f"{short_number(tokens)} tokens in {plural(calls, 'call')}, {cost}."
    lost, whole = (
        float(total(money, name)) for name in ("tokens_unpriced", "total_tokens")
    )
    if lost and whole:
        said += f" {percent(lost, whole)} of tokens have no known price."
    return said


def range_words(times: pl.Series, zone: str) -> str:
    """Say from when to when, and in which zone.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> import polars as pl
    >>> days = [datetime(2026, 11, day, tzinfo=UTC) for day in (1, 22)]
    >>> range_words(pl.Series(days), "UTC")
    'LLM usage · 1 Nov 2026 to 22 Nov 2026 (UTC)'
    """
    local = times.drop_nulls().dt.convert_time_zone(zone)
    if local.is_empty():
        return "LLM usage · no dated responses"
    first, last = (moment_text(at, "d") for at in (local.min(), local.max()))  # type: ignore[arg-type] # datetimes
    return f"LLM usage · {first if first == last else f'{first} to {last}'} ({zone})"
