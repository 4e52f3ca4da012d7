"""Counts by name: calls of tools, and what is wrong in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.alt_text import row_facts, tell
from toolkit.charts.bars import Row, axes_for, draw_rows, rows_at_most
from toolkit.charts.layout import Words
from toolkit.charts.series import Metric, others, read, series_name
from toolkit.charts.style import now
from toolkit.charts.text import percent, short_number
from toolkit.charts.titles import heading
from toolkit.errors import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TOOL_CALLS = Metric(
    "tool_calls", ("calls", "arguments_invalid", "arguments_unseen"), "calls", ("tool",)
)
_LOG_HEALTH = Metric("log_health", ("count", "of", "share"), "count", ("kind", "name"))
# What of a ledger is no fault, or is told by the codes of the rejects.
_SOUND = ("lines", "responses", "choices", "rejected", "errors")
_TOOLS_AT_MOST = 16


def plot_tool_calls(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how often each tool was called, and how often with broken arguments.

    Parameters
    ----------
    frame
        As `toolkit.metrics.tool_calls` returns it. All periods and series are taken
        together, undated calls too.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        A bar for each tool, the largest at the top; the part whose arguments are no
        JSON is hatched, and its share of those that could be seen stands behind it.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `tool_calls`.

    Examples
    --------
    >>> calls = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a", "gpt-b"],
    ...         "tool": ["get_weather", "get_weather"],
    ...         "calls": [30, 10],
    ...         "arguments_invalid": [1, 0],
    ...         "arguments_unseen": [0, 0],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_tool_calls(calls).texts][2:4]
    ['40', '· 2.5 % invalid']
    """
    given = read(frame, _TOOL_CALLS)
    measures = pl.col(_TOOL_CALLS.measures).cast(pl.Int64).sum()
    sums = (
        given.frame.group_by("tool")
        .agg(measures)
        .sort("calls", "tool", descending=[True, False], nulls_last=True)
    )
    most = _TOOLS_AT_MOST if ax is None else min(_TOOLS_AT_MOST, rows_at_most(ax))
    standing, rest = sums.head(most), sums.slice(most)
    named = [(series_name(row[0]), *row[1:]) for row in standing.iter_rows()]
    if len(rest):
        named.append((others(len(rest)), *rest.select(measures).row(0)))
    bars = []
    for place, (name, calls, invalid, unseen) in enumerate(named):
        seen = calls - unseen
        more = f"· {percent(invalid, seen)} invalid" if invalid and seen else ""
        color = now().palette[0] if place < len(standing) else now().rest
        bars.append(Row(name, calls, color, f"{calls:,}", more, marked=invalid))
    total, lost = int(given.total("calls")), int(given.total("arguments_unseen"))
    note = [plural(total, "tool call")]
    if any(row.marked for row in bars):
        note.append("hatched: arguments that are no JSON")
    if lost:
        note.append(f"{plural(lost, 'call')} without their arguments, not judged")
    if "period" in given.frame.columns and len(given.frame):
        note.append("all periods together")
    words = Words(heading("Tool calls", ["tool"]), "calls that were asked for", note)
    ax = axes_for(len(bars), ax)
    draw_rows(ax, words, bars, short_number, whole=True, nothing="no tool was called")
    tell(ax, "Bars", words, row_facts(bars))
    return ax


def plot_log_health(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw what is wrong or odd in logs: a bar for each code, with its share.

    Parameters
    ----------
    frame
        As `toolkit.metrics.log_health` returns it.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        Rejects in the colour of alarm, then findings, then what the ledger counts.
        What did not occur, and what is sound, has no bar.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `log_health`.

    Examples
    --------
    >>> health = pl.DataFrame(
    ...     {
    ...         "kind": ["reject", "finding"],
    ...         "name": ["invalid_json", "undated"],
    ...         "count": [2, 0],
    ...         "of": [100, 98],
    ...         "share": [0.02, 0.0],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_log_health(health).texts][2:4]
    ['2', '· 2 % of 100']
    """
    given = read(frame, _LOG_HEALTH)
    kinds = {"reject": now().alarm, "finding": now().palette[1], "ledger": now().rest}
    rows = (
        given.frame.filter(
            pl.col("count") > 0,
            (pl.col("kind") != "ledger") | ~pl.col("name").is_in(_SOUND),
        )
        .with_columns(
            pl.col("kind")
            .replace_strict(list(kinds), list(range(len(kinds))), default=len(kinds))
            .alias("~order")
        )
        .sort("~order", "count", "name", descending=[False, True, False])
    )
    most = rows_at_most(ax)
    bars = [
        Row(
            f"{row['name']}".replace("_", " "),
            row["count"],
            kinds.get(row["kind"], now().rest),
            f"{row['count']:,}",
            f"· {percent(row['count'], row['of'])} of {row['of']:,}"
            if row["of"]
            else "",
        )
        for row in rows.head(most).iter_rows(named=True)
    ]
    note = []
    for kind, word in (("reject", "rejected line"), ("finding", "finding")):
        part = rows.filter(pl.col("kind") == kind)
        if kind == "reject":
            note.append(f"{plural(int(part['count'].sum()), word)} (red)")
        else:
            note.append(f"{plural(len(part), 'kind')} of {word}s (amber)")
    if len(rows) > most:
        note.append(f"{len(rows) - most:,} more not drawn")
    lines = given.frame.filter(pl.col("kind") == "reject")["of"].max()
    of = f", of {lines:,} lines" if isinstance(lines, int) else ""
    words = Words("Health of the log", f"odd lines and responses{of}", note)
    ax = axes_for(len(bars), ax)
    draw_rows(ax, words, bars, short_number, whole=True, nothing="nothing is wrong")
    tell(ax, "Bars", words, row_facts(bars))
    return ax
