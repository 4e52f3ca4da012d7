"""The analyst's charts over time: tokens, calls, hours of the week, versions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import plural
from toolkit.expressions.model_families import FAMILY_RULES, families
from toolkit.expressions.time_ranges import before as range_before
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import MONTHS, format_day
from toolkit.formatting.figures import Figure, sum_figures
from toolkit.formatting.text import format_count, format_name
from toolkit.report.analysis_rows import LEAST_CALLS, percent
from toolkit.report.course import REST, amount_of, series_name
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import Bar, Bars, Heat, Part, Spell, Timeline
from toolkit.report.wording import calls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from toolkit.report.analysis_rows import Found, Row, Rows
    from toolkit.report.model import Mark

_MOST_PARTS = 6  # of a column, beside the others
_MOST_TEXTS = 14  # columns with a text above
_MOST_MODELS = 6  # of the chart of versions
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_WINDOW = 12  # hours
_UNITS = {"1h": "hour", "1d": "day", "1w": "week", "1mo": "month", "1q": "quarter"}


def build_tokens(rows: Rows) -> Found:
    """Build tokens in each period by series."""
    count = _MOST_PARTS if len(rows.all) > _MOST_PARTS + 1 else len(rows.all)
    shown = sorted(rows.all[:count], key=lambda name: (rows.color(name), name))
    values: dict[tuple[datetime, str], list[Figure]] = defaultdict(list)
    for row in rows.periods(by_series=True):
        name = series_name(row, rows.plan.by)
        values[row["period"], name if name in shown else ""].append(_tokens(row))
    legend = [(rows.short(name), rows.color(name), "solid") for name in shown]
    if count < len(rows.all):
        others = plural(len(rows.all) - count, "other")
        shown, legend = [*shown, ""], [*legend, (others, REST, "solid")]
    total = _tokens(rows.total("token_usage"))
    if not amount_of(total):
        return "no call reports tokens"
    where = "" if rows.plan.is_open else f" in the {rows.plan.unit}"
    by = f" by {rows.noun}" if rows.plan.by else ""
    found = _columns(
        rows,
        "tokens",
        f"{by}; {format_count(total, 'sentence', words=True)}{where}",
        lambda row: [(sum_figures(values[row["period"], name]), color)
                     for name, (_, color, _) in zip(shown, legend, strict=True)],
        legend,
    )  # fmt: skip
    if isinstance(found, str):
        return found
    return _weekend(rows) or found[0], *found[1:]


def build_calls(rows: Rows) -> Found:
    """Build calls in each period, and in the range before."""
    plan, usage = rows.plan, rows.total("token_usage")
    old, before = usage.get("responses_before"), []
    if old is not None:
        earlier = range_before(plan.within, plan.tz)
        options = {"since": earlier.start, "until": earlier.end, "fill": True}
        table = rows.tables.table("token_usage", every=plan.every, by=(), **options)
        before = table["responses"].to_list()
    note = f"; line: the {plan.unit} before" if before else ""
    found = _columns(
        rows,
        "calls",
        note,
        lambda row: [(Figure(row["responses"]), "soft")],
        before=before,
    )
    if isinstance(found, str) or old is None:
        return found
    change = usage["responses"] - old
    than = f"{abs(change):,} {'more' if change > 0 else 'fewer'} than"
    title = f"{calls(usage['responses'])}, {than if change else 'as many as in'}"
    return f"{title} the {plan.unit} before", *found[1:]


def _columns(
    rows: Rows,
    noun: str,
    note: str,
    parts_of: Callable[[Row], list[tuple[Figure, str]]],
    legend: Sequence[tuple[str, str, str]] = (),
    before: Sequence[int] = (),
) -> Found:
    """Build a column for each period of the range; the title names the highest."""
    periods, every = rows.periods(), rows.plan.every
    unit = _UNITS.get(every, "period")
    if len(periods) < 2:
        return f"one {unit} only" if periods else "no call has a date"
    bars = []
    for place, row in enumerate(periods):
        mark: Mark = "hatched" if row["partial"] else "solid"
        parts = [Part(value, color, mark) for value, color in parts_of(row)]
        has_text = not legend and len(periods) <= _MOST_TEXTS
        text = format_count(parts[0].value) if has_text else ""
        old = before[place] if place < len(before) else None
        label = _label(row["period"], every, is_week=len(periods) <= len(_DAYS))
        bars.append(Bar(label, parts, text, Figure(old)))
    sizes = [sum((part.value for part in bar.parts), Figure(0)) for bar in bars]
    size, bar = max(zip(sizes, bars, strict=True), key=lambda one: amount_of(one[0]))
    count = format_count(size, "sentence", words=True)
    text = noun.removesuffix("s") if count == "1" else noun
    title = f"{bar.label} is the busiest {unit}: {count} {text}"
    hatched = "; hatched: not whole" if any(row["partial"] for row in periods) else ""
    chart = Bars(bars, "count", upright=True, legend=list(legend))
    return title, f"{noun.capitalize()} per {unit}{note}{hatched}", chart, ""


def _label(start: datetime, every: str, *, is_week: bool) -> str:
    """Return the label of a period."""
    if every.endswith(("h", "m", "s")):
        return f"{start:%H:%M}"
    if every.endswith(("mo", "q", "y")):
        return MONTHS[start.month - 1]
    is_day = every == "1d" and is_week
    return _DAYS[start.weekday()] if is_day else format_day(start, "short")


def _tokens(row: Row) -> Figure:
    """Return all tokens of a row."""
    return figure_of("token_usage", "total_tokens", row)


def _weekend(rows: Rows) -> str:
    """Return how a day of the weekend compares with another, if all days are whole."""
    periods = rows.periods()
    if rows.plan.every != "1d" or any(row["partial"] for row in periods):
        return ""
    weekend, weekdays = (
        [_tokens(row) for row in periods if (row["period"].weekday() > 4) is is_end]
        for is_end in (True, False)
    )
    if len(weekend) < 2 or len(weekdays) < 5:
        return ""
    a_day, a_weekday = (sum_figures(days) / len(days) for days in (weekend, weekdays))
    share = about(a_day / a_weekday)
    return f"A weekend day has {share} of a weekday's tokens" if share else ""


def about(share: Figure) -> str:
    """Return a share in words, a bound as an approximate one; nothing if unknown."""
    if not share.is_known:
        return ""
    is_exact = share.bound == "exact"
    return percent(
        share if is_exact else Figure(share.value, "approximate"), words=True
    )


def build_hours(rows: Rows) -> Found:
    """Build calls by weekday and hour."""
    table = rows.tables.table("response_volume", by=()).drop_nulls("hour")
    counts = {(day, hour): count for day, hour, count
              in table.select("weekday", "hour", "responses").iter_rows()}  # fmt: skip
    total = sum(counts.values())
    days = _weekdays(rows)
    if total < LEAST_CALLS or len(days) == 1:
        return "one day only" if total >= LEAST_CALLS else f"{calls(total)} with a date"
    grid = [[counts.get((day, hour), 0) for hour in range(24)] for day in days]
    per_hour = [sum(column) for column in zip(*grid, strict=True)]
    most, start = max(
        (sum(per_hour[start : start + _WINDOW]), -start) for start in range(13)
    )
    return (
        f"{percent(most / total)} of calls fall between {-start:02}:00 and "
        f"{_WINDOW - start:02}:00",
        f"Calls by weekday and hour ({rows.plan.tz}); darkest: "
        f"{calls(max(counts.values()))}",
        Heat([_DAYS[day - 1] for day in days], [f"{h:02}" for h in range(24)], grid),
        "",
    )


def _weekdays(rows: Rows) -> list[int]:
    """Return the weekdays that the range has, 1 is Monday."""
    since, until = rows.plan.within
    if since is None or until is None:
        return list(range(1, 8))
    zone = zone_of(rows.plan.tz)
    first, last = since.astimezone(zone), until.astimezone(zone)
    last -= timedelta(microseconds=1)
    count = min(7, (last.date() - first.date()).days + 1)
    return sorted((first + timedelta(days=n)).isoweekday() for n in range(count))


def build_versions(rows: Rows) -> Found:
    """Build which version answered most calls of a model on each day."""
    plan, by = rows.plan, ("model", "system_fingerprint")
    since = plan.spans[0].start if plan.spans else plan.within.start
    table = rows.tables.table("token_usage", every="1d", by=by, since=since)
    table = table.drop_nulls(["period", *by]).sort("model", "period")
    found = {
        name: _spells(days)
        for (name,), days in table.group_by("model", maintain_order=True)
        if days["responses"].sum() >= LEAST_CALLS
    }
    if not found:
        return f"no model with {LEAST_CALLS} calls or more reports its version"
    changed = {name: spells for name, spells in found.items() if len(spells) > 1}
    if not changed:
        return f"no change in {plural(len(found), 'model')}"
    shown = sorted(changed, key=lambda name: (-len(changed[name]), name))
    start = min(spells[0][1] for spells in changed.values())
    end = max(spells[-1][2] for spells in changed.values())

    def place(at: datetime) -> float:
        return (at - start) / (end - start)

    lines = []
    for name in shown[:_MOST_MODELS]:
        spells = [Spell(place(first), place(last), label, "pale")
                  for label, first, last in changed[name]]  # fmt: skip
        full = format_name(name)
        spells[-1] = replace(spells[-1], color=rows.color(full))
        lines.append((rows.short(full), spells))
    ticks = [start, start + (end - start) / 2]
    if plan.within.start and place(plan.within.start) > 0.75:
        ticks.append(plan.within.start.astimezone(start.tzinfo))
    below = f"{len(shown):,} models changed. " if len(shown) > _MOST_MODELS else ""
    return (
        _change_title(rows, changed),
        "First four characters of system_fingerprint",
        Timeline(lines, [(place(at), format_day(at, "short")) for at in ticks]),
        f"{below}{_answered(rows)}",
    )


def _spells(days: pl.DataFrame) -> list[tuple[str, datetime, datetime]]:
    """Return the versions of a model, one after the other, with start and end."""
    largest = days.sort("period", -pl.col("responses"), "system_fingerprint")
    largest = largest.unique("period", keep="first", maintain_order=True)
    rows = largest.select("system_fingerprint", "period", "period_end").rows()
    runs = [list(run) for _, run in groupby(rows, key=lambda row: row[0])]
    ends = [*(run[0][1] for run in runs[1:]), rows[-1][2]]
    labels = [format_name(run[0][0].removeprefix("fp_"))[:4] for run in runs]
    starts = [run[0][1] for run in runs]
    return list(zip(labels, starts, ends, strict=True))


def _change_title(
    rows: Rows, changed: dict[str, list[tuple[str, datetime, datetime]]]
) -> str:
    """Return which models changed their version in the range."""
    since = rows.plan.within.start
    changes = [
        (name, start)
        for name, spells in changed.items()
        for _, start, _ in spells[1:]
        if since is None or start >= since
    ]
    if not changes:
        return f"No model changed version in this {rows.plan.unit}"
    names, days = {name for name, _ in changes}, {day for _, day in changes}
    when = f"{'on' if len(days) == 1 else 'up to'} {format_day(max(days), 'short')}"
    (name, *others) = sorted(names)
    who = f"{len(names)} models" if others else rows.short(format_name(name))
    return f"{who} changed version {when}"


def _answered(rows: Rows) -> str:
    """Return whether the models that were asked for are those that answered."""
    table = rows.tables.table("drift").drop_nulls("differs")
    pairs = (
        families(table[name], FAMILY_RULES) for name in ("requested_model", "model")
    )
    other = sum(
        count
        for asked, got, count in zip(*pairs, table["responses"], strict=True)
        if not got.startswith(asked)
    )
    total = int(table["responses"].sum())
    found = f"another one answered {other:,}" if other else "the same in all"
    text = (
        f"{calls(total)} {'names' if total == 1 else 'name'} both the model asked for "
        f"and the one that answered: {found}, a dated version counted as the same."
    )
    return text if total else ""
