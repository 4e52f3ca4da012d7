"""Charts of counts: calls of tools, and problems of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.bars import Row, draw_bars
from toolkit.charts.rows import max_rows
from toolkit.charts.series import Metric, format_key, format_others, read_frame
from toolkit.charts.style import current_theme
from toolkit.charts.text import count_tick
from toolkit.charts.titles import ChartText, format_title
from toolkit.errors import plural
from toolkit.formatting.text import format_count, format_share

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TOOL_CALLS = Metric(
    "tool_calls", ("calls", "arguments_invalid", "arguments_unseen"), "calls", ("tool",)
)
_LOG_HEALTH = Metric("log_health", ("count", "of", "share"), "count", ("kind", "name"))
# Counts of a ledger that are no problem, or that the codes of rejects break down.
_NO_PROBLEM = ("lines", "responses", "choices", "rejected", "errors")
_MAX_TOOLS = 16


def plot_tool_calls(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how often each tool was called, and how often with invalid arguments.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.tool_calls`. All periods and series are summed,
        including undated calls.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        A bar for each tool, the largest at the top. Calls with invalid JSON arguments
        are hatched; their share of the calls with known arguments is at the end.

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
    ['40', '· 2.5% invalid']
    """
    data = read_frame(frame, _TOOL_CALLS)
    measures = pl.col(_TOOL_CALLS.measures).cast(pl.Int64).sum()
    sums = (
        data.frame.group_by("tool")
        .agg(measures)
        .sort("calls", "tool", descending=[True, False], nulls_last=True)
    )
    most = min(_MAX_TOOLS, max_rows(ax))
    shown, rest = sums.head(most), sums.slice(most)
    tools = [(format_key(row[0]), *row[1:]) for row in shown.iter_rows()]
    if len(rest):
        tools.append((format_others(len(rest)), *rest.select(measures).row(0)))
    bars = []
    for index, (name, calls, invalid, unseen) in enumerate(tools):
        seen = calls - unseen
        more = f"· {format_share(invalid / seen)} invalid" if invalid and seen else ""
        theme = current_theme()
        color = theme.palette[0] if index < len(shown) else theme.rest
        bars.append(Row(name, calls, color, format_count(calls), more, faulty=invalid))
    total, unseen = int(data.total("calls")), int(data.total("arguments_unseen"))
    note = [plural(total, "tool call")]
    if any(row.faulty for row in bars):
        note.append("hatched: invalid JSON arguments")
    if unseen:
        note.append(f"{plural(unseen, 'call')} without arguments, not checked")
    if "period" in data.frame.columns and len(data.frame):
        note.append("all periods together")
    text = ChartText(
        format_title("Tool calls", ["tool"]), "Calls requested by the models", note
    )
    return draw_bars(ax, text, bars, count_tick, whole=True, empty="no tool calls")


def plot_log_health(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the problems of logs: a bar for each code, with its share.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.log_health`.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        Rejects in red, then findings, then counts of the ledger. Only problems that
        occur have a bar.

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
    ['2', '· 2% of 100']
    """
    data, theme = read_frame(frame, _LOG_HEALTH), current_theme()
    colors = {"reject": theme.alarm, "finding": theme.palette[1], "ledger": theme.rest}
    rows = (
        data.frame.filter(
            pl.col("count") > 0,
            (pl.col("kind") != "ledger") | ~pl.col("name").is_in(_NO_PROBLEM),
        )
        .with_columns(
            pl.col("kind")
            .replace_strict(list(colors), range(len(colors)), default=len(colors))
            .alias("~order")
        )
        .sort("~order", "count", "name", descending=[False, True, False])
    )
    most = max_rows(ax)
    bars = [
        Row(
            f"{row['name']}".replace("_", " "),
            row["count"],
            colors.get(row["kind"], theme.rest),
            format_count(row["count"]),
            f"· {format_share(row['count'] / row['of'])} of {format_count(row['of'])}"
            if row["of"]
            else "",
        )
        for row in rows.head(most).iter_rows(named=True)
    ]
    rejects, findings = (
        rows.filter(pl.col("kind") == kind)["count"] for kind in ("reject", "finding")
    )
    note = [
        f"{plural(int(rejects.sum()), 'rejected line')} (red)",
        f"{plural(len(findings), 'kind')} of findings (amber)",
    ]
    if len(rows) > most:
        note.append(f"{format_count(len(rows) - most)} more not shown")
    lines = data.frame.filter(pl.col("kind") == "reject")["of"].max()
    of = f" in {plural(lines, 'line')}" if isinstance(lines, int) else ""
    text = ChartText("Health of the log", f"Rejected lines and findings{of}", note)
    return draw_bars(ax, text, bars, count_tick, whole=True, empty="no problems found")
