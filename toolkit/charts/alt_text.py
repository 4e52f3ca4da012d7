"""Alt text: what a picture shows, in words, from the same numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from toolkit.charts.text import percent
from toolkit.errors import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.bars import Row
    from toolkit.charts.layout import Words
    from toolkit.charts.lines import Lines
    from toolkit.charts.stacked import Stack

_TOLD = "toolkit_told"  # the attribute of an Axes that holds its text
_LONGEST = 80  # characters of a name
_SERIES_TOLD = 6


def describe(ax: Axes) -> str:
    """Return alt text for a chart of ours.

    Parameters
    ----------
    ax
        What a function of this package has returned.

    Returns
    -------
    str
        Title, what is drawn, range of time, the largest parts, total and highest
        period where there are such, and the notes: from the data, not the picture.

    Raises
    ------
    TypeError
        If the Axes was not drawn by this package.

    Examples
    --------
    >>> from toolkit.charts import plot_token_usage
    >>> from toolkit.metrics import token_usage
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"total_tokens": 45}, {"total_tokens": 15})
    >>> describe(plot_token_usage(token_usage(choices)))
    'Tokens by model and day. Stacked bars: total tokens of gpt-a, as reported; ...'
    """
    told = vars(ax).get(_TOLD)
    if not isinstance(told, str):
        message = "expected an Axes that a function of toolkit.charts has drawn"
        raise TypeError(message)
    return told


def tell(ax: Axes, kind: str, words: Words, facts: Sequence[str] = ()) -> None:
    """Keep the alt text of a chart with its Axes."""
    sentences = [words.title, f"{kind}: {words.subtitle}", *facts, *words.note]
    text = " ".join(f"{one.rstrip('.')}." for one in sentences if one)
    vars(ax)[_TOLD] = clean(text)


def brief(name: str) -> str:
    """Cut a name that is too long to be read aloud."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def pile_facts(
    pile: Stack,
    written: Callable[[float], str],
    amount: Callable[[int | None, int | None], str] | None = None,
) -> list[str]:
    """Tell range, total, parts and the highest period of a pile.

    `amount` writes the sum of a series (or all) in a period (or all), by their places;
    unless given it is what was drawn, as it is `written`.
    """

    def drawn(place: int | None, period: int | None) -> str:
        rows = pile.heights if place is None else pile.heights[place : place + 1]
        columns = rows if period is None else rows[:, period : period + 1]
        return written(float(columns.sum()))

    amount = amount or drawn
    sums = pile.heights.sum(axis=1)
    total, highest = float(sums.sum()), int(pile.sums.argmax())
    facts = [pile.span.words, f"Total {amount(None, None)}"]
    if len(pile.series) > 1 and total:
        facts.append(
            "; ".join(
                f"{brief(part.name)} {amount(place, None)} ({percent(value, total)})"
                for place, (part, value) in enumerate(
                    zip(pile.series, sums.tolist(), strict=True)
                )
            )
        )
    if len(pile.span.starts) > 1 and total:
        height = amount(None, highest)
        facts.append(f"Highest: {height}, {pile.span.said(highest)}")
    return facts


def share_facts(pile: Stack) -> list[str]:
    """Tell range and first and last shares of a pile of 100 %."""
    full = np.flatnonzero(pile.sums > 0)
    if not len(full):
        return [pile.span.words]
    first, last = int(full[0]), int(full[-1])
    changes = []
    for part, row in zip(pile.series, pile.heights, strict=True):
        begin, end = percent(float(row[first]), 1), percent(float(row[last]), 1)
        changes.append(
            f"{brief(part.name)} {end}"
            if first == last
            else f"{brief(part.name)} from {begin} to {end}"
        )
    return [pile.span.words, "; ".join(changes)]


def line_facts(table: Lines, written: Callable[[float], str]) -> list[str]:
    """Tell range, and for each line its last, lowest and highest value."""
    facts = []
    for part, row, last in zip(table.series, table.values, table.last, strict=True):
        known = row[np.isfinite(row)]
        if not len(known):
            facts.append(f"{brief(part.name)} unknown")
            continue
        low, high = written(float(known.min())), written(float(known.max()))
        between = f" (between {low} and {high})" if low != high else ""
        facts.append(f"{brief(part.name)} {written(last)} at the end{between}")
    return [table.span.words, "; ".join(facts[: _SERIES_TOLD * 2])]


def row_facts(rows: Sequence[Row], most: int = 8) -> list[str]:
    """Tell what stands at the ends of bars."""
    told = [f"{brief(row.name)} {row.text} {row.more}".strip() for row in rows[:most]]
    left = len(rows) - len(told)
    return [*told, f"{left:,} more" if left else ""]
