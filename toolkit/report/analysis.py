"""The analyst's part: small charts with their answers, and all numbers by series."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from toolkit.errors import plural
from toolkit.formatting.figures import UNKNOWN, Figure, sum_figures
from toolkit.formatting.text import (
    DASH,
    UNKNOWN_TEXT,
    format_count,
    format_name,
    format_usd,
    usd_places,
)
from toolkit.metrics.rates import ENOUGH_CALLS
from toolkit.report import analysis_charts as charts
from toolkit.report import analysis_time as over_time
from toolkit.report.analysis_rows import Rows, summary_of
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import TILES, Analysis, Head, Matrix, Tile
from toolkit.report.series import cost_per_1000, series_name, split
from toolkit.report.wording import calls, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from toolkit.report.analysis_rows import Found
    from toolkit.report.metric_tables import MetricTables
    from toolkit.report.series import Names, Row

_BUILDERS: dict[str, Callable[[Rows], Found]] = {
    "token_usage": over_time.build_tokens,
    "calls": over_time.build_calls,
    "response_volume": over_time.build_hours,
    "token_kinds": charts.build_kinds,
    "tokens_per_response": charts.build_sizes,
    "cost": charts.build_costs,
    "truncation_rate": charts.build_cut_off,
    "cache_share": charts.build_cache,
    "finish_reasons": charts.build_endings,
    "tool_calls": charts.build_tools,
    "usage_coverage": charts.build_coverage,
    "drift": over_time.build_versions,
}
_COMPARE_SERIES = {
    *("token_kinds", "tokens_per_response", "cost", "truncation_rate", "cache_share")
}
# Columns of the table: head, metric, measure, kind of tokens.
_COLUMNS = {
    "tokens": ("Tokens", "token_usage", "total_tokens", ""),
    "prompt": ("Prompt median", "tokens_per_response", "p50", "prompt_tokens"),
    "answer": ("Answer median", "tokens_per_response", "p50", "completion_tokens"),
    "cache": ("From cache", "cache_share", "", ""),
    "reasoning": ("Reasoning", "reasoning_share", "reasoning_share", ""),
    "cut_off": ("Cut off", "truncation_rate", "responses_truncated", ""),
    "refused": ("Refused", "refusal_and_filter_rate", "responses_refused", ""),
    "tools": ("Tool calls", "tool_calls", "", ""),
    "answers": ("Answers a call", "choices_per_response", "choices_per_response", ""),
    "cost": ("Cost", "cost", "cost", ""),
    "per_1000": ("Per 1,000 calls", "cost", "", ""),
}
_ENDS = ("", "_before")
_SUMS = {"tokens", "cut_off", "refused", "tools", "cost"}
_MOST_SERIES = 200  # rows of the table; the others are one row


def build_analysis(
    tables: MetricTables, names: Names, tiles: Iterable[str] = TILES
) -> Analysis:
    """Build the analyst's part, with the charts of these names in this order."""
    rows = Rows(tables, names)
    shown, left_out = [], []
    for name in tiles:
        found: Found = f"no {rows.noun} has {ENOUGH_CALLS} calls or more"
        if not rows.all:
            found = "no calls"
        elif rows.shown or name not in _COMPARE_SERIES:
            found = _BUILDERS[name](rows)
        if isinstance(found, str):
            left_out.append(f"{TILES[name]} ({found})")
        else:
            title, note, chart, below = found
            shown.append(Tile(name, title, note, chart, summary_of(chart), below))
    plan, noun, title = rows.plan, rows.noun, "Too little data for charts"
    if shown:
        what = "All calls" if plan.is_open else f"The same {plan.unit}"
        title = f"{what} in {plural(len(shown), 'small chart')}"
    note = f"In brackets the {plan.unit} before. " if plan.compares else ""
    note += "– not reported by any call. Median: half of the calls are smaller."
    return Analysis(
        Head("For analysts", title, _note(rows)),
        shown,
        _build_table(rows),
        Head(f"By {noun}", f"All numbers by {noun}", note),
        left_out,
    )


def _note(rows: Rows) -> str:
    """Return which series are in no chart."""
    notes = []
    if few := rows.few:
        count = calls(sum(rows.usage[name]["responses"] for name in few))
        notes.append(
            f"{rows.noun.capitalize()}s with fewer than {ENOUGH_CALLS} calls "
            f"({plural(len(few), rows.noun)}, {count}) are in the table only."
        )
    if len(rows.all) > len(few) + len(rows.shown):
        notes.append(f"Charts show the {len(rows.shown)} with the most tokens.")
    return " ".join([*notes, "Colours as above."])


def _build_table(rows: Rows) -> Matrix:
    """Build the table of the series, those with the most tokens first."""
    found = {
        column: rows.of(metric, **({"tokens": kind} if kind else {}))
        for column, (_, metric, _, kind) in _COLUMNS.items()
    }
    tools: Counter[str] = Counter()
    for row in rows.tables.series("tool_calls", compare=None).to_dicts():
        tools[series_name(row, rows.plan.by)] += row["calls"]
    data: list[dict[str, Any]] = []
    for name in rows.all:
        cells = {
            column: figure_of(metric, measure, row) if row and measure else UNKNOWN
            for column, (_, metric, measure, _) in _COLUMNS.items()
            for row in [found[column].get(name)]
        }
        cells["cache"] = charts.cached_share(found["cache"][name], least=1)
        cells["tools"] = Figure(tools[name])
        cells["per_1000"] = cost_per_1000(found["cost"][name])
        now, before = (rows.usage[name].get(f"responses{end}") for end in _ENDS)
        data.append({"name": name, "calls": now, "calls_before": before, **cells})
    shown, others = split(data, _MOST_SERIES)
    if others:
        sums: dict[str, Any] = {
            column: sum_figures(row[column] for row in others)
            if column in _SUMS
            else UNKNOWN
            for column in _COLUMNS
        }
        sums["name"] = plural(len(others), "other")
        for column in ("calls", "calls_before"):
            is_known = others[0][column] is not None
            sums[column] = sum(row[column] for row in others) if is_known else None
        shown = [*shown, sums]
    places = usd_places(row["cost"] for row in shown)
    calls_head = "Calls (before)" if rows.plan.compares else "Calls"
    heads = [rows.noun.capitalize(), calls_head, *(one[0] for one in _COLUMNS.values())]
    return Matrix(heads, [_texts(row, places) for row in shown], [*shown])


def _texts(row: Row, places: int) -> list[str]:
    """Return a row as text; costs have so many decimal places."""
    writers: dict[str, Callable[[Figure], str]] = {
        "cache": percent,
        "reasoning": percent,
        "per_1000": format_usd,
        "cost": lambda cost: format_usd(cost, places).replace(DASH, UNKNOWN_TEXT),
    }
    before = row["calls_before"]
    earlier = "" if before is None else f" ({before:,})"
    cells = (writers.get(name, format_count)(row[name]) for name in _COLUMNS)
    return [format_name(row["name"]), f"{row['calls']:,}{earlier}", *cells]
