"""What there is of each kind, in shares of 100 %: models, and reasons to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.charts.alt_text import row_facts, share_facts, tell
from toolkit.charts.bars import (
    Row,
    axes_for,
    draw_rows,
    draw_stacked_rows,
    rows_at_most,
)
from toolkit.charts.layout import Words, draw_nothing, new_axes, undress, write_words
from toolkit.charts.series import (
    LEADING_COLUMNS,
    Given,
    Metric,
    Series,
    fold,
    read,
)
from toolkit.charts.stacked import draw_stack, stack
from toolkit.charts.text import percent, percent_tick, share_text
from toolkit.charts.titles import heading, when
from toolkit.charts.usage import NO_DATES, NOTHING_TOLD, kept, ranked
from toolkit.errors import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

_MODEL_MIX = Metric(
    "model_mix", ("responses", "responses_all", "response_share"), "responses"
)
_FINISH_REASONS = Metric(
    "finish_reasons", ("choices", "choices_all", "share"), "choices", ("finish_reason",)
)


def plot_model_mix(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of calls that each model has in each period.

    Parameters
    ----------
    frame
        As `toolkit.metrics.model_mix` returns it; without periods each series is a
        horizontal bar.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        Stacks of 100 %, of the responses of a period.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `model_mix`.

    Examples
    --------
    >>> mix = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a", "gpt-b"],
    ...         "responses": [3, 1],
    ...         "responses_all": [4, 4],
    ...         "response_share": [0.75, 0.25],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_model_mix(mix).texts][2:4]
    ['75 %', '3 calls']
    """
    given = read(frame, _MODEL_MIX)
    note = [*given.calls(), *given.undated("responses", None, "")]
    what = "Mix of calls" if given.by else "Calls"
    if given.zone is None:
        rows = kept(given, pl.col("responses"), pl.col("responses_all"))
        series, placed = ranked(given, rows, ax)
        sums = placed.group_by("series").agg(pl.col("value").sum()).sort("series")
        whole = max(rows["responses_all"].drop_nulls().to_list(), default=0)
        bars = [
            Row(
                part.name,
                value / whole if whole else float("nan"),
                part.color,
                percent(value, whole) if whole else "not known",
                plural(int(value), "call"),
            )
            for part, value in zip(series, sums["value"].to_list(), strict=True)
        ]
        ax = axes_for(len(bars), ax)
        words = Words(heading(what, given.by), "share of all calls", note)
        draw_rows(ax, words, bars, percent_tick)
        tell(ax, "Bars", words, row_facts(bars))
        return ax
    ax = new_axes() if ax is None else ax
    rows = kept(given, pl.col("responses"), pl.col("responses_all").alias("~all"))
    series, placed = fold(rows, given.by, pl.col("value"))
    _draw_mix(ax, given, series, placed, (what, "share of calls", note))
    return ax


def _draw_mix(
    ax: Axes,
    given: Given,
    series: list[Series],
    placed: pl.DataFrame,
    said: tuple[str, str, Sequence[str]],
) -> None:
    """Draw a stack of 100 % over time: `value` over `~all` of each period."""
    title, subtitle, note = said
    undress(ax)
    if placed["value"].null_count() == len(placed):
        reason = NO_DATES if placed.is_empty() else NOTHING_TOLD
        words = Words(heading(title, given.by), subtitle + when(given, None), note)
        draw_nothing(ax, reason, write_words(ax, words))
        tell(ax, "An empty chart", words, [reason])
        return
    whole = pl.col("~all").max().over("period").cast(pl.Float64)
    share = pl.when(whole > 0).then(pl.col("value") / whole).otherwise(0.0)
    pile = stack(series, placed.with_columns(share.alias("value")))
    by = given.by if given.metric is _MODEL_MIX else []
    words = Words(
        heading(title, by, pile.span), subtitle + when(given, pile.span), note
    )
    room = write_words(ax, words, parts=series)
    draw_stack(ax, pile, room, percent_tick, whole=False)
    tell(ax, "Stacks of 100 %", words, share_facts(pile))


def plot_finish_reasons(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw why choices ended, as shares of 100 %.

    Parameters
    ----------
    frame
        As `toolkit.metrics.finish_reasons` returns it. Over time all series are taken
        together; without periods each series is a horizontal bar of 100 %.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        Stacks of 100 %, of the choices of a period or a series. A reason has the same
        colour in each chart; the rare ones are one part.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `finish_reasons`.

    Examples
    --------
    >>> ends = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a", "gpt-a"],
    ...         "finish_reason": ["stop", "length"],
    ...         "choices": [3, 1],
    ...         "choices_all": [4, 4],
    ...         "share": [0.75, 0.25],
    ...     }
    ... )
    >>> from toolkit.charts import describe
    >>> describe(plot_finish_reasons(ends))
    'Why choices ended by model. Bars of 100 %: ... gpt-a: stop 75 %, length 25 %...'
    """
    given = read(frame, _FINISH_REASONS)
    count = plural(int(given.total("choices")), "choice")
    note = [count, *_undated_choices(given)]
    rows = kept(given, pl.col("choices"))
    by_reason = rows if given.zone is None else _of_all_series(rows)
    together = ", all series together" if len(by_reason) < len(rows) else ""
    series, placed = fold(
        by_reason.drop("folded", strict=False),
        ["finish_reason"],
        pl.col("value"),
        kind="finish_reason",
    )
    if given.zone is not None:
        ax = new_axes() if ax is None else ax
        placed = placed.with_columns(pl.col("value").sum().over("period").alias("~all"))
        subtitle = f"share of choices{together}"
        _draw_mix(ax, given, series, placed, ("Why choices ended", subtitle, note))
        return ax
    return _rows_of_reasons(given, rows, series, placed["series"], note, ax)


def _of_all_series(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum over the series of `by`: one row for each period and reason."""
    keys = [name for name in LEADING_COLUMNS if name in rows.columns]
    value = pl.col("value")
    known = pl.when(value.is_not_null().any()).then(value.sum())
    return rows.group_by(*keys, "finish_reason", maintain_order=True).agg(known)


def _undated_choices(given: Given) -> list[str]:
    """Say how many choices have no date."""
    if given.zone is None:
        return []
    undated = given.frame.filter(pl.col("period").is_null())["choices"].sum()
    return [f"{undated:,} undated, not drawn"] if undated else []


def _rows_of_reasons(
    given: Given,
    rows: pl.DataFrame,
    reasons: list[Series],
    places: pl.Series,
    note: Sequence[str],
    ax: Axes | None,
) -> Axes:
    """Draw a bar of 100 % for each series."""
    whose, placed = fold(
        rows.with_columns(places.alias("~reason")),
        given.by,
        pl.col("value"),
        most=rows_at_most(ax),
        lone="all choices",
    )
    counts = np.zeros((len(reasons), len(whose)))
    cells = placed.group_by("~reason", "series").agg(pl.col("value").sum())
    counts[cells["~reason"].to_numpy(), cells["series"].to_numpy()] = cells["value"]
    sums = counts.sum(axis=0)
    shares = np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)
    ax = axes_for(len(whose), ax)
    words = Words(heading("Why choices ended", given.by), "share of choices", note)
    names = [part.name for part in whose]
    draw_stacked_rows(ax, words, names, reasons, shares, percent_tick)
    facts = [
        f"{name[:80]}: "
        + ", ".join(
            f"{part.name} {share_text(float(share))}"
            for part, share in zip(reasons, shares[:, at], strict=True)
            if share
        )
        for at, name in enumerate(names[:8])
    ]
    tell(ax, "Bars of 100 %", words, facts)
    return ax
