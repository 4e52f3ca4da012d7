"""What was used, and what it cost: tokens, money, and the mix of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.alt_text import pile_facts, row_facts, tell
from toolkit.charts.bars import (
    Row,
    axes_for,
    draw_rows,
    rows_at_most,
)
from toolkit.charts.layout import (
    Words,
    draw_nothing,
    new_axes,
    place_of,
    undress,
    write_words,
)
from toolkit.charts.series import Given, Metric, Series, fold, read
from toolkit.charts.stacked import Stack, draw_stack, stack
from toolkit.charts.text import (
    dollars,
    fit,
    money,
    percent,
    short_number,
)
from toolkit.charts.time_axis import PERIOD
from toolkit.charts.titles import heading, silent, when
from toolkit.errors import plural
from toolkit.formatting.text import bounded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from matplotlib.axes import Axes

_COUNTS = ("responses", "responses_without_usage")
_TOKENS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "reasoning_tokens",
)
_TOKEN_USAGE = Metric("token_usage", (*_COUNTS, *_TOKENS), "total_tokens")
_COST = Metric(
    "cost",
    ("responses", "cost", "responses_unpriced", "total_tokens", "tokens_unpriced"),
    "cost",
)

_MONEY = pl.Decimal(38, 12)
_NO_PRICE = "no known price"
NO_DATES, NOTHING_TOLD = "no dated responses", "no response tells"


def kept(given: Given, value: pl.Expr, *more: pl.Expr) -> pl.DataFrame:
    """Return what a stack is made of: keys, periods, and a value that is a double."""
    leading = [
        name for name in (*PERIOD, "partial", "folded") if name in given.frame.columns
    ]
    names = [*leading, *given.by, *given.metric.keys]
    if given.zone is None:
        names = [name for name in names if name not in {*PERIOD, "partial"}]
    return given.dated.select(*names, value.cast(pl.Float64).alias("value"), *more)


def _whose(series: Sequence[Series], ax: Axes) -> str:
    """Name the only series, where there is but one."""
    if len(series) != 1:
        return ""
    place = place_of(ax)
    return f" of {fit(series[0].name, place.texts.words, place.width / 2)}"


def _pile_up(
    ax: Axes,
    given: Given,
    rows: pl.DataFrame,
    words: Callable[[Stack | None], Words],
    written: Callable[..., str],
    amounts: Callable[[pl.DataFrame], Callable[..., str]] | None = None,
) -> None:
    """Draw a stack over time, or say why there is none.

    `written` writes the axis; `amounts` makes of the rows what writes the alt text's
    sums, if those are more than was drawn.
    """
    undress(ax)
    if rows["value"].null_count() == len(rows):
        said = words(None)
        reason = NO_DATES if rows.is_empty() else NOTHING_TOLD
        draw_nothing(ax, reason, write_words(ax, said))
        tell(ax, "An empty chart", said, [reason])
        return
    series, placed = fold(rows, given.by, pl.col("value"))
    pile = stack(series, placed)
    said = words(pile)
    parts = series if len(series) > 1 else []
    draw_stack(ax, pile, write_words(ax, said, parts=parts), written)
    tell(
        ax, "Stacked bars", said, pile_facts(pile, written, amounts and amounts(placed))
    )


def ranked(
    given: Given, rows: pl.DataFrame, ax: Axes | None
) -> tuple[list[Series], pl.DataFrame]:
    """Fold so many series that each has a row of its own."""
    return fold(rows, given.by, pl.col("value"), most=rows_at_most(ax))


def plot_token_usage(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the tokens of each model in each period, stacked.

    Parameters
    ----------
    frame
        One row per period and series, as `toolkit.metrics.token_usage` returns it. The
        columns it was grouped by name the series; the time zone is that of `period`.
        Without periods (``every=None``) each series is a horizontal bar.
    ax
        Where to draw. All words stay inside its place, but for the numbers at its
        left. By default a new figure, 9 inches wide and known to pyplot.

    Returns
    -------
    Axes
        Bars as wide as their periods or, over more than 90 periods, filled steps. Time
        runs true: a period without a response is a gap. The five largest series (or
        six, if there are six) are named, the largest at the bottom; the others are one.
        x is in matplotlib's days (UTC), labelled in the zone; y is in tokens. What is
        `partial` is hatched. Responses without a date are counted in the note.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `token_usage`, such as the choices themselves.
    UnsuitableColumnError
        If `period` has no time zone.

    Notes
    -----
    A null in a column that names the series reads "not said". What no font can show
    (see ``rcParams["font.family"]``) is drawn as U+FFFD.

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
    ['3 calls', 'total tokens, as reported; UTC days', 'gpt-a', 'gpt-b']
    """
    given = read(frame, _TOKEN_USAGE)
    rows = kept(given, pl.col("total_tokens"))
    note = [
        *given.calls(),
        *given.undated("responses", "total_tokens", "tokens"),
        *silent(given, "responses_without_usage", "report no usage"),
    ]
    if given.zone is None:
        return _rows_of_tokens(given, rows, note, ax)
    ax = new_axes() if ax is None else ax

    def words(pile: Stack | None) -> Words:
        span = pile.span if pile else None
        own = _whose(pile.series, ax) if pile else ""
        subtitle = f"total tokens{own}, as reported{when(given, span)}"
        return Words(heading("Tokens", given.by, span), subtitle, note)

    _pile_up(ax, given, rows, words, short_number)
    return ax


def _rows_of_tokens(
    given: Given, rows: pl.DataFrame, note: list[str], ax: Axes | None
) -> Axes:
    """Draw the tokens of each series as a bar."""
    series, placed = ranked(given, rows, ax)
    sums = placed.group_by("series").agg(pl.col("value").sum()).sort("series")
    values = sums["value"].to_list()
    total = sum(values)
    bars = [
        Row(
            part.name,
            value,
            part.color,
            short_number(value),
            f"· {percent(value, total)}" if total else "",
        )
        for part, value in zip(series, values, strict=True)
    ]
    ax = axes_for(len(bars), ax)
    words = Words(heading("Tokens", given.by), "total tokens, as reported", note)
    draw_rows(ax, words, bars, short_number, whole=True)
    tell(ax, "Bars", words, row_facts(bars))
    return ax


def plot_cost(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw what each model cost in each period, and that it is a lower bound.

    Parameters
    ----------
    frame
        As `toolkit.metrics.cost` returns it; without periods (``every=None``) each
        series is a horizontal bar.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        Stacked bars in US dollars. Where responses have no known price a dotted part is
        set on top, of a length that says nothing, and the note says how much is
        missing: a sum of money is then "at least" so much.

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
    given = read(frame, _COST)
    unknown = (pl.col("responses_unpriced") > 0).fill_null(value=False).alias("open")
    counts = ("responses_unpriced", "responses", "tokens_unpriced", "total_tokens")
    exact = pl.col("cost").cast(_MONEY).alias("exact")
    rows = kept(given, pl.col("cost"), unknown, exact, pl.col(counts))
    least = given.total("responses_unpriced") > 0
    note = [*_missing_prices(given), *given.calls()]
    note += given.undated("responses", "cost", "cost")
    bound = "US dollars, at least" if least else "US dollars"
    if given.zone is None:
        return _rows_of_cost(
            given, rows, Words(heading("Cost", given.by), bound, note), ax
        )
    ax = new_axes() if ax is None else ax

    def words(pile: Stack | None) -> Words:
        span = pile.span if pile else None
        own = _whose(pile.series, ax) if pile else ""
        return Words(
            heading("Cost", given.by, span), f"{bound}{own}{when(given, span)}", note
        )

    _pile_up(ax, given, rows, words, money, _amounts_of)
    return ax


def _amounts_of(placed: pl.DataFrame) -> Callable[[int | None, int | None], str]:
    """Return what writes the cost of a series in a period, by their places."""
    starts = placed["period"].unique().sort()

    def amount(place: int | None, period: int | None) -> str:
        rows = placed if place is None else placed.filter(pl.col("series") == place)
        if period is not None:
            rows = rows.filter(pl.col("period") == starts[period])
        sums = rows.select(pl.col("exact", "responses_unpriced", "responses").sum())
        return bounded(*sums.row(0), mark="≥ ", write=dollars)

    return amount


def _missing_prices(given: Given) -> list[str]:
    """Say what of the cost is not known, if anything."""
    responses = int(given.total("responses_unpriced"))
    if not responses:
        return []
    tokens, whole = given.total("tokens_unpriced"), given.total("total_tokens")
    (cost,) = given.frame.select(pl.col("cost").cast(_MONEY).sum()).row(0)
    least = bounded(
        cost,
        responses,
        int(given.total("responses")),
        mark="at least ",
        write=dollars,
        unknown="cost unknown",
    )
    if tokens and whole:
        return [
            f"{least}: {percent(tokens, whole)} of tokens have no known price (dotted)"
        ]
    return [f"{least}: {plural(responses, 'call')} without a known price (dotted)"]


def _rows_of_cost(
    given: Given, rows: pl.DataFrame, words: Words, ax: Axes | None
) -> Axes:
    """Draw the cost of each series as a bar, dotted where it is a lower bound."""
    series, placed = ranked(given, rows, ax)
    sums = (
        placed.group_by("series")
        .agg(
            pl.col("value").sum(),
            pl.col("exact").sum(),
            pl.col(
                "responses_unpriced", "responses", "tokens_unpriced", "total_tokens"
            ).sum(),
            pl.col("open").any(),
        )
        .sort("series")
    )
    bars = []
    for part, row in zip(series, sums.iter_rows(named=True), strict=True):
        counts = row["responses_unpriced"], row["responses"]
        text = bounded(
            row["exact"], *counts, mark="≥ ", write=dollars, unknown=_NO_PRICE
        )
        lost, whole = row["tokens_unpriced"], row["total_tokens"]
        more = ""
        if row["open"] and text != _NO_PRICE:
            some = f"{percent(lost, whole)} unpriced" if lost and whole else ""
            more = f", {some or 'unpriced calls'}"
        bars.append(
            Row(part.name, row["value"], part.color, text + more, open=row["open"])
        )
    ax = axes_for(len(bars), ax)
    draw_rows(ax, words, bars, money)
    tell(ax, "Bars", words, row_facts(bars))
    return ax
