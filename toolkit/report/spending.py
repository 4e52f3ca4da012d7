"""Known cost over time, by the values of a tag, and by series with its change."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from toolkit.errors import plural
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import MONTHS, format_day
from toolkit.formatting.figures import UNKNOWN, Figure, sum_figures
from toolkit.formatting.text import (
    UNKNOWN_TEXT,
    capitalize,
    format_name,
    join_words,
)
from toolkit.report.causes import main_reason
from toolkit.report.model import Course, Head, ModelRow, Models, Series, Tag, TagRow
from toolkit.report.tables import REST, amount_of, cost_of, figure_of, split, tokens_of
from toolkit.report.wording import calls, fraction, label_of, usd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from toolkit.report.causes import Change
    from toolkit.report.tables import MetricTables, Names, Row

_MOST_SERIES = 5  # of a column
_MOST_VALUES, _MOST_TAGS = 7, 2
_MOST_ROWS = 11  # of the table of series


# --- Over time -----------------------------------------------------------------------


class _Span(NamedTuple):
    """A span of the course.

    `nothing` is what a series without calls cost in it: unknown before the first call
    of the log and after its last one.
    """

    start: date
    cost: Figure
    unpriced: Figure
    is_whole: bool
    nothing: Figure


def build_course(tables: MetricTables, names: Names) -> Course | None:
    """Build known cost over the spans that end with the range; None for one span."""
    plan, first_call = tables.plan, names.first_call
    if len(plan.spans) < 2 or first_call is None:
        return None
    zone, last_call = zone_of(plan.tz), plan.last_call or first_call
    began = datetime.combine(first_call.astimezone(zone), time(), zone)
    spans: dict[datetime, _Span] = {}
    for row in tables.spans("cost").to_dicts():
        start, end = row["period"], row["period_end"]
        nothing = Figure(0) if end > first_call and start <= last_call else UNKNOWN
        spans[start] = _Span(
            start.astimezone(zone).date(),
            cost_of(row) + nothing,
            figure_of("cost", "unpriced_share", row),
            began <= start < end <= plan.now,
            nothing,
        )
    found = list(spans.values())
    by_series: dict[str, dict[datetime, Figure]] = {}
    for row in tables.spans("cost", by=plan.by, fill=False).to_dicts():
        by_series.setdefault(names.of(row), {})[row["period"]] = cost_of(row)
    series = {
        name: [costs.get(start, span.nothing) for start, span in spans.items()]
        for name, costs in by_series.items()
    }
    unit = "period" if plan.unit == "range" else plan.unit
    by = " and ".join(map(label_of, plan.by))
    weeks = "; weeks begin on Monday" if unit == "week" else ""
    note = f"US dollars, at least{f', by {by}' if by else ''}{weeks} ({plan.tz})"
    is_cut = any(one.nothing.is_known and not one.is_whole for one in found)
    notes = [_course_note(found, unit), f"Hatched: not a whole {unit}." * is_cut]
    day = format_day(began.date(), "short")
    starts = [one.start for one in found]
    return Course(
        Head(f"Cost by {unit}", _course_title(found, unit), note),
        starts,
        _labels(starts, plan.unit),
        [one.is_whole for one in found],
        [one.cost for one in found],
        [one.unpriced for one in found],
        _largest(series, names, plan.top),
        "" if found[0].nothing.is_known else f"no log before {day}",
        " ".join(filter(None, notes)),
    )


def _largest(
    by_series: Mapping[str, list[Figure]], names: Names, top: int
) -> list[Series]:
    """Return the series to draw, from the top: the one that moved most is the last."""

    def moved(name: str) -> float:
        before, now = by_series[name][-2:]
        return abs(amount_of(now) - amount_of(before))

    def size(name: str) -> tuple[float, float]:
        amounts = [*map(amount_of, by_series[name])]
        return amounts[-1], sum(amounts)

    ranked = sorted(by_series, key=size, reverse=True)
    known = [name for name in ranked if any(map(amount_of, by_series[name]))]
    shown, others = split(known, min(_MOST_SERIES, top))
    shown = sorted(shown, key=names.color, reverse=True)
    largest = max(shown, key=moved, default=None)
    shown.sort(key=lambda name: name == largest)
    found = [
        Series(names.short(name), names.color(name), by_series[name]) for name in shown
    ]
    if others:
        columns = zip(*(by_series[name] for name in others), strict=True)
        values = [sum_figures(column) for column in columns]
        found.insert(0, Series(plural(len(others), "other"), REST, values))
    return found


def _course_title(spans: Sequence[_Span], unit: str) -> str:
    """Return the answer of the course: how the last span compares with the others."""
    whole = [one for one in spans if one.is_whole and one.cost.is_known]
    if not any(amount_of(one.cost) for one in spans):
        return f"No {unit} has a known cost"
    if not spans[-1].cost.is_known:
        return f"The last {unit} has no known cost"
    if len(whole) < 2:
        first = f"The first whole {unit} with a known cost"
        return first if whole else f"No whole {unit} is logged yet"
    ranked = sorted(one.cost.number for one in whole)
    last, is_long = whole[-1].cost.number, unit in {"month", "quarter"}
    since = format_day(whole[0].start, "full" if is_long else "short")
    is_end = last in (ranked[0], ranked[-1]) and ranked.count(last) == 1
    if spans[-1].is_whole and len(whole) > 2 and is_end:
        rank = "lowest" if last == ranked[0] else "highest"
        return f"The {rank} known cost of {len(whole)} {unit}s since {since}"
    low, high = (usd(Figure(number)) for number in (ranked[0], ranked[-1]))
    between = low if low == high else f"Between {low} and {high}"
    each = unit if unit == "day" else f"whole {unit}"
    each = f"both {each}s" if len(whole) == 2 else f"every {each}"
    return f"{between} in {each} since {since}"


def _course_note(spans: Sequence[_Span], unit: str) -> str:
    """Return what is dotted: calls without a price, and their share of a span."""
    known = sorted(share for one in spans if (share := amount_of(one.unpriced)))
    if not known:
        return ""
    low, high = (f"{100 * share:.0f}" for share in (known[0], known[-1]))
    of = f"{low}%" if low == high else f"{low}–{high}%"
    words = f"calls without a known price ({of} of a {unit}'s tokens)"
    return f"Dotted: {words}, not to scale."


def _labels(starts: Sequence[date], unit: str) -> list[str]:
    """Return the labels of spans: the month or the year only where it changes."""
    labels = []
    for start, before in zip(starts, [None, *starts], strict=False):
        month = MONTHS[start.month - 1]
        if unit in {"quarter", "month"}:
            label = month if unit == "month" else f"Q{(start.month + 2) // 3}"
            is_new = before is None or before.year != start.year
            labels.append(f"{label} {start.year}" if is_new else label)
        else:
            is_new = before is None or before.month != start.month
            labels.append(f"{start.day} {month}" if is_new else str(start.day))
    return labels


# --- By tag --------------------------------------------------------------------------


def build_tags(tables: MetricTables) -> list[Tag]:
    """Build cost by the values of each tag."""
    names = tables.choices.collect_schema().names()
    tags = [name for name in names if name.startswith("tag_")]
    tags = [name for name in tags if (name,) != tables.plan.by]
    return [_build_tag(tables, name) for name in tags[:_MOST_TAGS]]


def _build_tag(tables: MetricTables, column: str) -> Tag:
    """Build cost by the values of a tag, calls without it last."""
    name = column.removeprefix("tag_")
    table = tables.table("cost", every=None, by=(column,))
    found = table.with_columns(pl.col(column).cast(pl.String)).to_dicts()
    rows = [TagRow(row[column], cost_of(row), row["responses"]) for row in found]
    rows.sort(key=lambda row: (-amount_of(row.cost), row.value or ""))
    values = [row for row in rows if row.value is not None]
    without = [row for row in rows if row.value is None]
    shown, others = split(values, _MOST_VALUES)
    if others:
        cost = sum_figures(row.cost for row in others)
        count = sum(row.calls for row in others)
        shown = [*shown, TagRow(plural(len(others), "other"), cost, count)]
    note, title = "", f"No call carries the tag {name}"
    if values:
        who = [None if one.value is None else format_name(one.value) for one in rows]
        title = _who_spent(who, [row.cost for row in rows], name)
    for row in without:
        count, tagged = (sum(row.calls for row in some) for some in (rows, values))
        carry = "carries" if tagged == 1 else "carry"
        note = (
            f"{tagged:,} of {calls(count)} {carry} the tag {name}. Ask the services "
            f"behind the other {row.calls:,} to send it."
        )
    return Tag(Head(f"Cost by {name}", title), column, [*shown, *without], note)


def _who_spent(names: Sequence[str | None], costs: Sequence[Figure], noun: str) -> str:
    """Return who has most of the known cost, from the largest; None has no name."""
    amounts = [*map(amount_of, costs)]
    if not (whole := sum(amounts)):
        return f"No {noun} has a known cost"
    if noun == "call":
        return "The known cost of all calls"
    pairs = [*zip(names, amounts, strict=True)]
    unnamed = sum(amount for name, amount in pairs if name is None) / whole
    if unnamed >= 0.5:
        share = "all" if unnamed == 1 else fraction(unnamed)
        return f"{capitalize(share)} of the known cost names no {noun}"
    known = [(name, amount) for name, amount in pairs if name and amount]
    parts = [sum(amount for _, amount in known[:n]) / whole for n in (1, 2, 3)]
    count = next((n for n, part in enumerate(parts, 1) if part >= 0.5), len(known[:3]))
    part = parts[count - 1]
    if part < 0.25:
        return f"The known cost is spread over {len(known):,} {_plural_of(noun)}"
    who = join_words([name for name, _ in known[:count]])
    share = "all" if part == 1 else fraction(part)
    return f"{who} {'is' if count == 1 else 'are'} {share} of the known cost"


def _plural_of(noun: str) -> str:
    """Return the plural of what a series is."""
    return noun if noun == "series" else f"{noun}s"


# --- By series -----------------------------------------------------------------------


def build_models(
    tables: MetricTables, change: Change | None, names: Names
) -> Models | None:
    """Build the table of series, the most expensive first; None without calls."""
    plan, total = tables.plan, tables.row("cost")
    if not total["responses"]:
        return None
    rows = tables.series("cost").to_dicts()
    if plan.compares:
        changes = tables.table("cost_change", by=plan.by).to_dicts()
        none = dict.fromkeys(total, 0)
        rows += [{**none, **row} for row in changes if not row["responses"]]
    rows.sort(key=lambda row: (*_rank(row), names.of(row)))
    spent = amount_of(cost_of(total))
    series = change.series if change is not None else []
    reasons = {one["series"]: main_reason(one, spent) for one in series}
    found = []
    for row in rows:
        name = names.of(row)
        one = _row(row, name, names)
        reason = reasons.get(name, "") if row["responses"] else "no more calls"
        found.append(replace(one, reason=reason * one.change.is_known))
    shown, others = split(found, min(plan.top, _MOST_ROWS))
    if others:
        sums = {
            column: sum(row[column] or 0 for row in rows[len(shown) :])
            for column in total
        }
        shown = [*shown, _row(sums, plural(len(others), "other"), names)]
    noun = label_of(*plan.by) if len(plan.by) == 1 else "series" if plan.by else "call"
    note = f"In brackets: the {plan.unit} before. " if plan.compares else ""
    note += f"Bars: known cost{' and its change' if plan.compares else ''}."
    who = [None if one.name == UNKNOWN_TEXT else one.short for one in found]
    title = _who_spent(who, [one.cost for one in found], noun)
    head = Head("Where the money went", title, note)
    return Models(head, [*shown], _row(total, f"All {_plural_of(noun)}", names))


def _rank(row: Row) -> tuple[Decimal, ...]:
    """Return what rows are sorted by: known cost, then that before, then tokens."""
    columns = ("cost", "cost_before", "total_tokens")
    return tuple(-(row.get(column) or Decimal(0)) for column in columns)


def _row(row: Row, name: str, names: Names) -> ModelRow:
    """Return the row of a series, or of several together."""
    before = cost_of(row, "_before") if "responses_before" in row else UNKNOWN
    identity, cost = (name, names.short(name), names.color(name)), cost_of(row)
    counts, change = (row["responses"], row.get("responses_before")), cost - before
    unpriced = row["responses_unpriced"]
    return ModelRow(*identity, *counts, tokens_of(row), cost, change, "", unpriced)
