"""Charts of shares of 100%: models, and finish reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from toolkit.charts.alt_text import set_alt_text
from toolkit.charts.bars import Row, draw_bars, draw_share_bars
from toolkit.charts.layout import build_axes, draw_empty, style_axes, write_text
from toolkit.charts.rows import max_rows
from toolkit.charts.series import (
    LEADING_COLUMNS,
    Metric,
    fold_series,
    read_frame,
)
from toolkit.charts.stack_chart import select_values, sum_series
from toolkit.charts.stacked import build_stack, describe_shares, draw_stack
from toolkit.charts.text import share_tick
from toolkit.charts.titles import (
    NO_DATES,
    NOT_REPORTED,
    ChartText,
    build_note,
    format_subtitle,
    format_title,
)
from toolkit.errors import plural
from toolkit.formatting.text import format_share

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from toolkit.charts.series import ChartData, Series

_MODEL_MIX = Metric("model_mix", ("responses", "responses_all"), "responses")
_FINISH_REASONS = Metric("finish_reasons", ("choices",), "choices", ("finish_reason",))


def plot_model_mix(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of calls that each model has in each period.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.model_mix`; without periods each series is a
        horizontal bar.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        Stacks of 100%: all responses of a period.

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
    ['75%', '3 calls']
    """
    data = read_frame(frame, _MODEL_MIX)
    note = build_note(data)
    title = "Mix of calls" if data.by else "Calls"
    rows = select_values(data, pl.col("responses"), pl.col("responses_all"))
    if data.zone is not None:
        series, placed = fold_series(rows, data.by, pl.col("value"))
        return _draw_shares(ax, data, series, placed, (title, "Share of calls"), note)
    series, sums = sum_series(data, rows, ax)
    whole = max(rows["responses_all"].drop_nulls().to_list(), default=0)
    bars = [
        Row(
            part.name,
            value / whole if whole else float("nan"),
            part.color,
            format_share(value / whole if whole else None),
            plural(int(value), "call"),
        )
        for part, value in zip(series, sums["value"].to_list(), strict=True)
    ]
    text = ChartText(format_title(title, data.by), "Share of all calls", note)
    return draw_bars(ax, text, bars, share_tick)


def _draw_shares(
    ax: Axes | None,
    data: ChartData,
    series: list[Series],
    placed: pl.DataFrame,
    words: tuple[str, str],
    note: Sequence[str],
) -> Axes:
    """Draw a stack of 100% over time, of `responses_all` or the sum of `value`."""
    ax = build_axes() if ax is None else ax
    style_axes(ax)
    title, what = words
    if placed["value"].null_count() == len(placed):
        text = ChartText(
            format_title(title, data.by), format_subtitle(data, None, what), note
        )
        return draw_empty(ax, text, NO_DATES if placed.is_empty() else NOT_REPORTED)
    value = pl.col("value")
    is_mix = data.metric is _MODEL_MIX
    whole = pl.col("responses_all").max() if is_mix else value.sum()
    whole = whole.over("period").cast(pl.Float64)
    share = pl.when(whole > 0).then(value / whole).otherwise(0.0)
    pile = build_stack(series, placed.with_columns(share.alias("value")))
    text = ChartText(
        format_title(title, data.by if is_mix else [], pile.span),
        format_subtitle(data, pile.span, what),
        note,
    )
    layout = write_text(ax, text, parts=series)
    draw_stack(ax, pile, layout, share_tick, whole=False)
    set_alt_text(ax, "Stacks of 100%", text, describe_shares(pile))
    return ax


def plot_finish_reasons(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the shares of finish reasons.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.finish_reasons`. Over time all series are summed;
        without periods each series is a horizontal bar of 100%.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        Stacks of 100%: all choices of a period or a series. A reason has the same
        colour in every chart; rare reasons are folded into one.

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
    'Finish reasons by model. Bars of 100%: ... gpt-a: stop 75%, length 25%...'
    """
    data = read_frame(frame, _FINISH_REASONS)
    note = build_note(data, "choices", "answer")
    rows = select_values(data, pl.col("choices"))
    by_reason = rows if data.zone is None else _sum_over_series(rows)
    reasons, placed = fold_series(
        by_reason.drop("folded", strict=False),
        ["finish_reason"],
        pl.col("value"),
        kind="finish_reason",
    )
    title, what = "Finish reasons", "Share of answers"
    if data.zone is not None:
        what += ", all series together" if len(by_reason) < len(rows) else ""
        return _draw_shares(ax, data, reasons, placed, (title, what), note)
    series, placed = fold_series(
        rows.with_columns(placed["series"].alias("~reason")),
        data.by,
        pl.col("value"),
        most=max_rows(ax),
        lone="all answers",
    )
    counts = np.zeros((len(reasons), len(series)))
    cells = placed.group_by("~reason", "series").agg(pl.col("value").sum())
    counts[cells["~reason"].to_numpy(), cells["series"].to_numpy()] = cells["value"]
    sums = counts.sum(axis=0)
    shares = np.divide(counts, sums, out=np.zeros_like(counts), where=sums > 0)
    text = ChartText(format_title(title, data.by), what, note)
    names = [part.name for part in series]
    return draw_share_bars(ax, text, names, reasons, shares, share_tick)


def _sum_over_series(rows: pl.DataFrame) -> pl.DataFrame:
    """Sum over the series of `by`: one row for each period and reason."""
    keys = [name for name in LEADING_COLUMNS if name in rows.columns]
    value = pl.col("value")
    known = pl.when(value.is_not_null().any()).then(value.sum())
    return rows.group_by(*keys, "finish_reason", maintain_order=True).agg(known)
