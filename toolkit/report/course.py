"""Known cost over time, and by the values of a tag."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import plural
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import MONTHS, format_day
from toolkit.formatting.figures import UNKNOWN, Figure, sum_figures
from toolkit.formatting.text import UNKNOWN_TEXT, format_name, format_share
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import Course, Head, Series, Tag, TagRow
from toolkit.report.wording import fraction, usd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from toolkit.report.metric_tables import MetricTables

ALL_CALLS = "all calls"  # the name of the only series
_OWN_WORDS = re.compile(
    rf'\s*|{UNKNOWN_TEXT}|{ALL_CALLS}|[\d,]+ others?|".*"', re.DOTALL
)
REST = "z"  # the colour of the other series
_MOST_SERIES = 5
_MOST_VALUES = 8  # of a tag
_MOST_TAGS = 2


def build_course(
    tables: MetricTables,
    names: Mapping[str, str],
    colors: Mapping[str, str],
    first_call: datetime | None,
) -> Course | None:
    """Build known cost over the spans that end with the range; None for one span."""
    plan = tables.plan
    if len(plan.spans) < 2 or first_call is None:
        return None
    totals = tables.spans("cost").to_dicts()
    rows = tables.spans("cost", by=plan.by, fill=False).filter(period=pl.col("period"))
    zone = zone_of(plan.tz)
    starts = [row["period"].astimezone(zone).date() for row in totals]
    is_logged = [row["period_end"] > first_call for row in totals]
    is_whole = [
        row["period"] >= first_call.astimezone(zone).replace(hour=0, minute=0, second=0)
        and row["period_end"] <= plan.now
        for row in totals
    ]
    costs = [_cost_of(row) for row in totals]
    places = {row["period"]: place for place, row in enumerate(totals)}
    by_series: dict[str, list[Figure]] = {}
    for row in rows.iter_rows(named=True):
        name = series_name(row, plan.by)
        values = by_series.setdefault(name, [Figure(0)] * len(totals))
        values[places[row["period"]]] = _cost_of(row)
    empty = ""
    if not is_logged[0]:
        day = format_day(first_call.astimezone(zone).date(), "short")
        empty = f"no log before {day}"
    unit = "period" if plan.unit == "range" else plan.unit
    shares = [figure_of("cost", "unpriced_share", row) for row in totals]
    return Course(
        Head(f"Cost by {unit}", _title(costs, starts, is_whole, unit), _note(tables)),
        starts,
        _labels(starts, plan.unit),
        is_whole,
        [
            cost if logged else UNKNOWN
            for cost, logged in zip(costs, is_logged, strict=True)
        ],
        shares,
        _largest(by_series, names, colors, plan.top),
        empty,
        _below(shares, is_whole, is_logged, unit),
    )


def series_name(row: Mapping[str, object], by: Sequence[str]) -> str:
    """Return the name of a series; no two series have the same.

    A value that reads like one of our own words, or like two values, is in quotes.
    """
    if not by:
        return ALL_CALLS
    values = (row[name] for name in by)
    return ", ".join(
        UNKNOWN_TEXT
        if value is None
        else f'"{value}"'
        if _OWN_WORDS.fullmatch(str(value)) or (len(by) > 1 and ", " in str(value))
        else str(value)
        for value in values
    )


def _cost_of(row: Mapping[str, object]) -> Figure:
    """Return the known cost of a row."""
    return figure_of("cost", "cost", row)


def _largest(
    by_series: Mapping[str, list[Figure]],
    names: Mapping[str, str],
    colors: Mapping[str, str],
    top: int,
) -> list[Series]:
    """Return the series to draw, from the top: the one that moved most is the last."""

    def moved(name: str) -> float:
        before, now = by_series[name][-2:]
        return abs(amount_of(now) - amount_of(before))

    ranked = sorted(by_series, key=lambda name: -amount_of(by_series[name][-1]))
    known = [name for name in ranked if any(map(amount_of, by_series[name]))]
    most = min(_MOST_SERIES, top)
    count = most if len(known) > most + 1 else len(known)
    shown, others = known[:count], known[count:]
    shown.sort(key=lambda name: colors.get(name, REST), reverse=True)
    if shown:
        shown.append(shown.pop(shown.index(max(shown, key=moved))))
    found = [
        Series(names.get(name, name), colors.get(name, REST), by_series[name])
        for name in shown
    ]
    if others:
        columns = zip(*(by_series[name] for name in others), strict=True)
        values = [sum_figures(column) for column in columns]
        found.insert(0, Series(plural(len(others), "other"), REST, values))
    return found


def _title(
    costs: Sequence[Figure], starts: Sequence[date], is_whole: Sequence[bool], unit: str
) -> str:
    """Return the answer of the course: how the last span compares with the others."""
    whole = [
        (cost, start)
        for cost, start, is_over in zip(costs, starts, is_whole, strict=True)
        if is_over and cost.is_known
    ]
    if not any(cost.is_known and cost.number for cost in costs):
        return f"No {unit} has a known cost"
    if len(whole) < 2:
        return (
            f"The first whole {unit} with a known cost"
            if whole
            else f"No whole {unit} is logged yet"
        )
    ranked = sorted(cost.number for cost, _ in whole)
    low, high = (usd(Figure(number)) for number in (ranked[0], ranked[-1]))
    since = format_day(whole[0][1], "full" if unit in {"month", "quarter"} else "short")
    last = whole[-1][0].number
    is_end = last in (ranked[0], ranked[-1]) and ranked.count(last) == 1
    if is_whole[-1] and len(whole) > 2 and is_end:
        rank = "lowest" if last == ranked[0] else "highest"
        return f"The {rank} known cost of {len(whole)} {unit}s since {since}"
    every = "both" if len(whole) == 2 else "every"
    every += "" if unit == "day" else " whole"
    ending = "s" if len(whole) == 2 else ""
    between = low if low == high else f"Between {low} and {high}"
    return f"{between} in {every} {unit}{ending} since {since}"


def _note(tables: MetricTables) -> str:
    """Return what is measured."""
    plan = tables.plan
    by = " and ".join(name.removeprefix("tag_").replace("_", " ") for name in plan.by)
    series = f", by {by}" if by else ""
    weeks = "; weeks begin on Monday" if plan.unit == "week" else ""
    return f"US dollars, at least{series}{weeks} ({plan.tz})"


def _below(
    shares: Sequence[Figure],
    is_whole: Sequence[bool],
    is_logged: Sequence[bool],
    unit: str,
) -> str:
    """Return what the marks of the chart mean."""
    known = sorted(share.number for share in shares if share.is_known and share.number)
    notes = []
    if known:
        low, high = (f"{100 * share:.0f}%" for share in (known[0], known[-1]))
        of = low if low == high else f"{low.removesuffix('%')}–{high}"
        notes = [
            f"Dotted: calls without a known price ({of} of a {unit}'s tokens), not to "
            "scale."
        ]
    cut = [not one and there for one, there in zip(is_whole, is_logged, strict=True)]
    return " ".join([*notes, *([f"Hatched: not a whole {unit}."] if any(cut) else [])])


def _labels(starts: Sequence[date], unit: str) -> list[str]:
    """Return the labels of spans: the month only where it changes."""
    labels: list[str] = []
    for place, start in enumerate(starts):
        month, before = MONTHS[start.month - 1], starts[place - 1] if place else None
        is_new_year = before is None or before.year != start.year
        if unit == "quarter":
            label = f"Q{(start.month + 2) // 3}"
            labels.append(f"{label} {start.year}" if is_new_year else label)
        elif unit == "month":
            labels.append(f"{month} {start.year}" if is_new_year else month)
        else:
            is_new = before is None or before.month != start.month
            labels.append(f"{start.day} {month}" if is_new else str(start.day))
    return labels


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
    rows = [
        TagRow(
            None if row[column] is None else str(row[column]),
            _cost_of(row),
            row["responses"],
        )
        for row in table.iter_rows(named=True)
    ]
    rows.sort(
        key=lambda row: (row.value is None, -amount_of(row.cost), row.value or "")
    )
    named = [row for row in rows if row.value is not None]
    without = next((row for row in rows if row.value is None), None)
    total = sum_figures(row.cost for row in rows)
    if len(named) > _MOST_VALUES:
        others = named[_MOST_VALUES - 1 :]
        rest = TagRow(
            f"{len(others):,} others",
            sum_figures(row.cost for row in others),
            sum(row.calls for row in others),
        )
        rows = [*named[: _MOST_VALUES - 1], rest, *([without] if without else [])]
    count = sum(row.calls for row in rows)
    tagged = sum(row.calls for row in named)
    note = ""
    if without is not None:
        carry = "carries" if tagged == 1 else "carry"
        note = (
            f"{tagged:,} of {plural(count, 'call')} {carry} the tag {name}. Ask the "
            f"services behind the other {without.calls:,} to send it."
        )
    head = Head(f"Cost by {name}", _tag_title(named, without, total, name))
    return Tag(head, column, rows, note)


def _tag_title(
    named: Sequence[TagRow], without: TagRow | None, total: Figure, name: str
) -> str:
    """Return the answer of a tag: who has most of the known cost."""
    whole = amount_of(total)
    if not named:
        return f"No call carries the tag {name}"
    if not whole:
        return f"No {name} has a known cost"
    share = amount_of(without.cost) / whole if without is not None else 0.0
    if share >= 0.5:
        return f"{format_share(round(share, 2))} of the known cost names no {name}"
    first = max(named, key=lambda row: amount_of(row.cost))
    part = fraction(amount_of(first.cost) / whole)
    return f"{format_name(first.value)} has {part} of the known cost"


def amount_of(figure: Figure) -> float:
    """Return a figure as a number, 0 if it is unknown."""
    return float(figure.number) if figure.is_known else 0.0
