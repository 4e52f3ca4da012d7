"""The analyst's part: small charts with their answers, and all numbers by series."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from toolkit.errors import plural
from toolkit.formatting.figures import UNKNOWN, Figure, sum_figures
from toolkit.formatting.text import UNKNOWN_TEXT, format_count, format_name, format_usd
from toolkit.report import analysis_charts as charts
from toolkit.report import analysis_time as over_time
from toolkit.report.analysis_rows import Rows, percent, summary_of
from toolkit.report.course import amount_of, series_name
from toolkit.report.figures import ENOUGH_CALLS, cost_per_1000
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import TILES, Analysis, Head, Matrix, Tile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from toolkit.report.analysis_rows import Found
    from toolkit.report.metric_tables import MetricTables

# What builds a chart, and whether it compares series.
_BUILDERS: dict[str, tuple[Callable[[Rows], Found], bool]] = {
    "token_usage": (over_time.build_tokens, False),
    "calls": (over_time.build_calls, False),
    "response_volume": (over_time.build_hours, False),
    "token_kinds": (charts.build_kinds, True),
    "tokens_per_response": (charts.build_sizes, True),
    "cost": (charts.build_costs, True),
    "truncation_rate": (charts.build_cut_off, True),
    "cache_share": (charts.build_cache, True),
    "finish_reasons": (charts.build_endings, False),
    "tool_calls": (charts.build_tools, False),
    "usage_coverage": (charts.build_coverage, False),
    "drift": (over_time.build_versions, False),
}
_NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
            "ten", "eleven", "twelve")  # fmt: skip
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
    tables: MetricTables,
    names: Mapping[str, str],
    colors: Mapping[str, str],
    tiles: Iterable[str] = TILES,
    first_call: datetime | None = None,
) -> Analysis:
    """Build the analyst's part, with the charts of these names in this order.

    `first_call` is that of the log: what was before is not drawn.
    """
    rows = Rows(tables, names, colors, first_call)
    shown, left_out = [], []
    for name in tiles:
        build, by_series = _BUILDERS[name]
        found: Found = f"no {rows.noun} has {ENOUGH_CALLS} calls or more"
        if not rows.all:
            found = "no calls"
        elif rows.shown or not by_series:
            found = build(rows)
        if isinstance(found, str):
            left_out.append(f"{TILES[name]} ({found})")
        else:
            title, note, chart, below = found
            tile = Tile(name, title, note, chart, summary_of(chart), below)
            shown.append(tile)
    plan, noun = rows.plan, rows.noun
    number = _NUMBERS[len(shown) - 1]
    what = "All calls" if plan.is_open else f"The same {plan.unit}"
    title = f"{what} in {number} small chart{'s' * (len(shown) != 1)}"
    before = f"In brackets the {plan.unit} before. " if plan.compares else ""
    return Analysis(
        Head(
            "For analysts",
            title if shown else "Too little data for charts",
            _note(rows),
        ),
        shown,
        _build_table(rows),
        Head(
            f"By {noun}",
            f"All numbers by {noun}",
            f"{before}– not reported by any call. Median: half of the calls are "
            "smaller.",
        ),
        left_out,
    )


def _note(rows: Rows) -> str:
    """Return which series are in no chart."""
    notes = []
    if few := rows.few:
        count = sum(rows.usage[name]["responses"] for name in few)
        notes.append(
            f"{rows.noun.capitalize()}s with fewer than {ENOUGH_CALLS} calls "
            f"({plural(len(few), rows.noun)}, {plural(count, 'call')}) are in the "
            "table only."
        )
    if len(rows.all) > len(few) + len(rows.shown):
        notes.append(f"Charts show the {len(rows.shown)} with the most tokens.")
    return " ".join([*notes, "Colours as above."])


def _build_table(rows: Rows) -> Matrix:
    """Build the table of all series, those with the most tokens first."""
    found = {
        column: rows.of(metric, **({"tokens": kind} if kind else {}))
        for column, (_, metric, _, kind) in _COLUMNS.items()
    }
    tools: Counter[str] = Counter()
    for row in rows.tables.series("tool_calls", compare=None).to_dicts():
        tools[series_name(row, rows.plan.by)] += row["calls"]
    figures: dict[str, dict[str, Figure]] = {}
    for name in rows.all:
        figures[name] = {
            column: figure_of(metric, measure, row) if row and measure else UNKNOWN
            for column, (_, metric, measure, _) in _COLUMNS.items()
            for row in [found[column].get(name)]
        }
        figures[name] |= {
            "cache": charts.cached_share(found["cache"][name], least=1),
            "tools": Figure(tools[name]),
            "per_1000": cost_per_1000(found["cost"][name]),
        }
    counts = {name: [rows.usage[name].get(f"responses{end}") for end in _ENDS]
              for name in rows.all}  # fmt: skip
    if rest := rows.all[_MOST_SERIES:]:
        name = plural(len(rest), "other")
        counts[name] = [
            None if None in several else sum(several)
            for several in zip(*(counts[one] for one in rest), strict=True)
        ]
        parts = [figures.pop(one) for one in rest]
        figures[name] = {
            column: sum_figures(one[column] for one in parts)
            if column in _SUMS
            else UNKNOWN
            for column in _COLUMNS
        }
    largest = max((amount_of(one["cost"]) for one in figures.values()), default=0.0)
    calls_head = "Calls (before)" if rows.plan.compares else "Calls"
    heads = [rows.noun.capitalize(), calls_head, *(one[0] for one in _COLUMNS.values())]
    texts, data = [], []
    for name, cells in figures.items():
        count, before = counts[name]
        calls = f"{count:,}" + ("" if before is None else f" ({before:,})")
        own = format_name(name or rows.short(name))
        texts.append([own, calls, *_texts(cells, Figure(largest))])
        data.append({"name": name, "calls": count, "calls_before": before, **cells})
    return Matrix(heads, texts, data)


def _texts(cells: Mapping[str, Figure], largest: Figure) -> list[str]:
    """Return figures as text; costs in three digits of the largest."""
    texts = []
    for column, figure in cells.items():
        if column in {"cache", "reasoning"}:
            texts.append(percent(figure))
        elif column == "cost" and figure.value and largest.value:
            digits = [2, 2 - largest.number.adjusted(), -figure.number.adjusted()]
            texts.append(format_usd(figure.rounded(max(digits)), "exact"))
        elif column == "cost":
            texts.append(format_usd(figure) if figure.is_known else UNKNOWN_TEXT)
        else:
            is_money = column == "per_1000"
            texts.append(format_usd(figure) if is_money else format_count(figure))
    return texts
