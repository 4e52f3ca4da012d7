"""Charts of counts: calls of tools, and problems of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.bars import Row, draw_bars
from toolkit.charts.rows import max_rows
from toolkit.charts.series import format_key, format_others, read_frame
from toolkit.charts.style import current_theme
from toolkit.charts.text import money, percent, short_number
from toolkit.charts.titles import (
    ChartText,
    capitalize,
    format_missing,
    format_title,
    unit_noun,
)
from toolkit.errors import plural
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from toolkit.metrics.spec import MetricSpec

# Counts of a ledger that are no problem, or that the codes of rejects break down.
_NO_PROBLEM = ("lines", "responses", "choices", "rejected", "errors")
_MAX_BARS = 16


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
    ['40', '· 2.5 % invalid']
    """
    return draw_counts(
        frame,
        SPECS["tool_calls"],
        ax,
        subtitle="Calls requested by the models",
        noun="tool call",
        fault="invalid",
        faults="invalid JSON arguments",
        missing="without arguments, not checked",
    )


def draw_counts(
    frame: pl.DataFrame,
    spec: MetricSpec,
    ax: Axes | None,
    *,
    subtitle: str = "",
    noun: str = "",
    fault: str = "",
    faults: str = "",
    missing: str = "",
) -> Axes:
    """Draw the sum of the main measure of each key, or of each series, as a bar.

    If the metric shows a ratio whose numerator is a part of the main measure, that part
    is hatched. `fault` and `faults` are what it is called, `missing` is what those lack
    of which it is unknown.
    """
    data, measure = read_frame(frame, spec), spec[spec.main]
    noun, names = noun or unit_noun(measure.unit), spec.key_names or data.by
    ratio = next((one for one in spec.drawn if one.part and one.name != spec.main), None)
    part, whole = (ratio.part, ratio.whole) if ratio else (None, None)
    sums = (
        data.frame.group_by(names or pl.lit(0).alias("~all"))
        .agg(
            pl.col(measure.name).cast(pl.Float64).sum().alias("value"),
            (pl.lit(0) if part is None else pl.col(part).sum()).alias("part"),
            (pl.lit(0) if whole is None else whole.sum()).alias("whole"),
        )
        .sort("value", *names, descending=[True, *[False] * len(names)], nulls_last=True)
    )
    most, theme = min(_MAX_BARS, max_rows(ax)), current_theme()
    tick = money if measure.is_money else short_number
    bars = []
    rest = sums.slice(most).select(pl.col("value", "part", "whole").sum())
    rows = [
        (format_key(dict(zip(names, row[:-3], strict=True))) , *row[-3:], theme.palette[0])
        for row in sums.head(most).iter_rows()
    ]
    if len(sums) > most:
        rows.append((format_others(len(sums) - most), *rest.row(0), theme.rest))
    for name, value, faulty, seen, color in rows:
        more = f"· {percent(faulty, seen)} {fault}" if faulty and seen else ""
        text = money(value) if measure.is_money else f"{value:,.0f}"
        bars.append(Row(name, value, color, text, more, faulty=faulty))
    note = [plural(int(data.total(measure.name)), noun)]
    if any(row.faulty for row in bars):
        note.append(f"hatched: {faults}")
    note += format_missing(data, ratio, missing) if ratio else []
    if "period" in data.frame.columns and len(data.frame):
        note.append("all periods together")
    text = ChartText(format_title(spec.title, names), subtitle or capitalize(measure.title), note)
    return draw_bars(ax, text, bars, tick, whole=True, empty=f"no {noun}s")


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
    ['2', '· 2 % of 100']
    """
    data, theme = read_frame(frame, SPECS["log_health"]), current_theme()
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
            f"{row['count']:,}",
            f"· {percent(row['count'], row['of'])} of {row['of']:,}"
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
        note.append(f"{len(rows) - most:,} more not shown")
    lines = data.frame.filter(pl.col("kind") == "reject")["of"].max()
    of = f" in {plural(lines, 'line')}" if isinstance(lines, int) else ""
    text = ChartText(data.spec.title, f"Rejected lines and findings{of}", note)
    return draw_bars(
        ax, text, bars, short_number, whole=True, empty="no problems found"
    )
