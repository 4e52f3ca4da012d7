"""The analyst's charts over time: tokens, calls, hours of the week, versions."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import plural
from toolkit.expressions.model_families import FAMILY_RULES, families
from toolkit.expressions.time_ranges import before as range_before
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import MONTHS, WEEKDAYS, format_day, format_range
from toolkit.formatting.figures import Figure, sum_figures
from toolkit.formatting.text import format_count, format_name
from toolkit.metrics.calendar import instant
from toolkit.metrics.rates import ENOUGH_CALLS
from toolkit.report.model import Bar, Bars, Heat, Part
from toolkit.report.series import (
    REST,
    amount_of,
    series_name,
    split,
    tokens_of,
)
from toolkit.report.wording import calls, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.report.analysis_rows import Found, Rows

_MOST_PARTS = 6  # of a column, beside the others
_MOST_TEXTS = 14  # columns with a text above
_MOST_MODELS = 6  # of the chart of versions
_WINDOW = 12  # hours
_DAY = timedelta(days=1)
_UNITS = {"1h": "hour", "1d": "day", "1w": "week", "1mo": "month", "1q": "quarter"}


def build_tokens(rows: Rows) -> Found:
    """Build tokens in each period by series."""
    shown, others = split(rows.all, _MOST_PARTS)
    shown = sorted(shown, key=lambda name: (rows.color(name), name))
    legend = [(rows.short(name), rows.color(name), "solid") for name in shown]
    if others:
        legend.append((plural(len(others), "other"), REST, "solid"))
    values: dict[datetime, list[list[Figure]]] = {
        row["period"]: [[] for _ in legend] for row in rows.periods()
    }
    for row in rows.periods(by_series=True):
        name = series_name(row, rows.plan.by)
        place = shown.index(name) if name in shown else len(shown)
        values[row["period"]][place].append(tokens_of(row))
    total = tokens_of(rows.tables.row("token_usage"))
    if not amount_of(total):
        return "no call reports tokens"
    note = f" by {rows.noun}; " if rows.plan.by else "; "
    note += format_count(total, "sentence", words=True)
    note += "" if rows.plan.is_open else f" in the {rows.plan.unit}"
    parts = [[*map(sum_figures, found)] for found in values.values()]
    found = _columns(rows, "tokens", note, parts, legend)
    return found if isinstance(found, str) else (_weekend(rows) or found[0], *found[1:])


def build_calls(rows: Rows) -> Found:
    """Build calls in each period, and in the range before."""
    plan, usage = rows.plan, rows.tables.row("token_usage")
    count, old, before = usage["responses"], usage.get("responses_before"), []
    if old is not None:
        earlier = range_before(plan.within, plan.tz)
        options = {"since": earlier.start, "until": earlier.end, "fill": True}
        table = rows.tables.table("token_usage", every=plan.every, by=(), **options)
        before = table["responses"].to_list()
    note = f"; line: the {plan.unit} before" if before else ""
    parts = [[Figure(row["responses"])] for row in rows.periods()]
    found = _columns(rows, "calls", note, parts, before=before)
    if isinstance(found, str) or old is None:
        return found
    word = "more" if count > old else "fewer"
    than = f"{abs(count - old):,} {word} than" if count != old else "as many as in"
    return f"{calls(count)}, {than} the {plan.unit} before", *found[1:]


def _columns(
    rows: Rows,
    noun: str,
    note: str,
    parts: Sequence[Sequence[Figure]],
    legend: Sequence[tuple[str, str, str]] = (),
    before: Sequence[int] = (),
) -> Found:
    """Build a column for each period of the range; the title names the highest."""
    periods, every = rows.periods(), rows.plan.every
    unit = _UNITS.get(every, "period")
    if len(periods) < 2:
        return f"one {unit} only" if periods else "no call has a date"
    colors = [color for _, color, _ in legend] or ["soft"]
    has_text = not legend and len(periods) <= _MOST_TEXTS
    olds = chain(before, repeat(None))  # the range before may be shorter
    bars = [
        Bar(
            _label(row["period"], every, is_week=len(periods) <= len(WEEKDAYS)),
            [Part(value, color, "hatched" if row["partial"] else "solid")
             for value, color in zip(values, colors, strict=True)],
            format_count(values[0]) if has_text else "",
            Figure(old),
            format_count(sum_figures(values)),
        )
        for row, values, old in zip(periods, parts, olds, strict=False)
    ]  # fmt: skip
    pairs = zip(map(sum_figures, parts), bars, strict=True)
    size, bar = max(pairs, key=lambda one: amount_of(one[0]))
    count = format_count(size, "sentence", words=True)
    title = f"{bar.label} is the busiest {unit}: {count} "
    title += noun.removesuffix("s") if count == "1" else noun
    note += "; hatched: not whole" if any(row["partial"] for row in periods) else ""
    chart = Bars(bars, "count", upright=True, legend=list(legend[::-1]))
    return title, f"{noun.capitalize()} per {unit}{note}", chart, ""


def _label(start: datetime, every: str, *, is_week: bool) -> str:
    """Return the label of a period."""
    if every.endswith(("h", "m", "s")):
        return f"{start:%H:%M}"
    if every.endswith(("mo", "q", "y")):
        return MONTHS[start.month - 1]
    is_day = every == "1d" and is_week
    return WEEKDAYS[start.weekday()] if is_day else format_day(start, "short")


def _weekend(rows: Rows) -> str:
    """Return how a day of the weekend compares with another, if all days are whole."""
    periods = rows.periods()
    if rows.plan.every != "1d" or any(row["partial"] for row in periods):
        return ""
    weekend, weekdays = (
        [tokens_of(row) for row in periods if (row["period"].weekday() > 4) is is_end]
        for is_end in (True, False)
    )
    # Of a log of a few days there is nothing to compare.
    if len(weekend) < 2 or sum(map(bool, map(amount_of, weekdays))) < 5:
        return ""
    a_day, a_weekday = (sum_figures(days) / len(days) for days in (weekend, weekdays))
    share = about(a_day / a_weekday)
    return f"A weekend day has {share} of a weekday's tokens" if share else ""


def about(share: Figure) -> str:
    """Return a share in words, a bound as an approximate one; nothing if unknown."""
    if share.is_known and share.bound != "exact":
        share = Figure(share.value, "approximate")
    return percent(share, words=True) if share.is_known else ""


def build_hours(rows: Rows) -> Found:
    """Build calls by weekday and hour."""
    table = rows.tables.table("response_volume", by=()).drop_nulls("hour")
    counts = {(day, hour): count for day, hour, count
              in table.select("weekday", "hour", "responses").iter_rows()}  # fmt: skip
    total, days = sum(counts.values()), _weekdays(rows)
    if total < ENOUGH_CALLS:
        return f"{calls(total)} with a date"
    if len(days) == 1:
        return "one day only"
    grid = [[counts.get((day, hour), 0) for hour in range(24)] for day in days]
    per_hour = [sum(column) for column in zip(*grid, strict=True)]
    most, start = max(
        (sum(per_hour[start : start + _WINDOW]), -start) for start in range(13)
    )
    hours = f"{-start:02}:00 and {_WINDOW - start:02}:00"
    darkest = f"darkest: {calls(max(counts.values()))}"
    return (
        f"{percent(most / total)} of calls fall between {hours}",
        f"Calls by weekday and hour ({rows.plan.tz}); {darkest}",
        Heat([WEEKDAYS[day - 1] for day in days], [f"{h:02}" for h in range(24)], grid),
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
    days = (
        table.drop_nulls(["period", *by])
        .filter(pl.col("responses").sum().over("model") >= ENOUGH_CALLS)
        .sort("model", "period", -pl.col("responses"), "system_fingerprint")
        .unique(["model", "period"], keep="first", maintain_order=True)
    )
    if days.is_empty():
        return f"no model with {ENOUGH_CALLS} calls or more reports its version"
    following = pl.col("period").shift(-1).over("model")
    spells = (
        days.with_columns(last=pl.col("period_end").last().over("model"))
        .filter(pl.struct(by).rle_id().is_first_distinct())
        # A version ends where the next one begins.
        .with_columns(
            end=following.fill_null(pl.col("last")), versions=pl.len().over("model")
        )
        .filter(pl.col("versions") > 1)
        .sort(pl.col("versions").cast(pl.Int64), descending=True, maintain_order=True)
    )
    if spells.is_empty():
        return f"no change in {plural(days['model'].n_unique(), 'model')}"
    start, end = min(spells["period"]), max(spells["end"])
    bars: dict[str, Bar] = {}
    for name, version, first, last in spells.select(*by, "period", "end").rows():
        if name not in bars:
            label = rows.short(series_name({"model": name}, by[:1]))
            offset = [Part(Figure((first - start) / _DAY), "ground")]
            bars[name] = Bar(label, offset if first > start else [])
        label = format_name(version.removeprefix("fp_"))[:4]
        part = Part(Figure((last - first) / _DAY), "pale", label=label)
        bars[name].parts.append(part)
    shown = [
        replace(bar, words=", ".join(one.label for one in bar.parts if one.label))
        for bar in bars.values()
    ]
    below = f"{len(shown):,} models changed. " if len(shown) > _MOST_MODELS else ""
    note = f"First four characters of system_fingerprint, {format_range(start, end)}"
    chart = Bars(shown[:_MOST_MODELS], "count")
    return _change_title(rows, spells), note, chart, below + _answered(rows)


def _change_title(rows: Rows, spells: pl.DataFrame) -> str:
    """Return which models changed their version in the range."""
    since = rows.plan.within.start
    changes = spells.filter(pl.col("model").is_first_distinct().not_())
    if since is not None:
        changes = changes.filter(pl.col("period") >= instant(since, rows.plan.tz))
    if changes.is_empty():
        return f"No model changed version in this {rows.plan.unit}"
    days, names = (changes[column].unique().sort() for column in ("period", "model"))
    who = f"{len(names):,} models"
    if len(names) == 1:
        who = rows.short(series_name({"model": names[0]}, ("model",)))
    when = f"{'on' if len(days) == 1 else 'up to'} {format_day(days[-1], 'short')}"
    return f"{who} changed version {when}"


def _answered(rows: Rows) -> str:
    """Return whether the models that were asked for are those that answered."""
    table = rows.tables.table("drift").drop_nulls("differs")
    asked = families(table["requested_model"], FAMILY_RULES)
    got = families(table["model"], FAMILY_RULES)
    is_same = pl.select(pl.lit(got).str.starts_with(pl.lit(asked))).to_series()
    total = int(table["responses"].sum())
    other = int(table.filter(~is_same)["responses"].sum())
    if not total:
        return ""
    found = f"another one answered {other:,}" if other else "the same in all"
    return (
        f"{calls(total)} {'names' if total == 1 else 'name'} both the model asked for "
        f"and the one that answered: {found}, a dated version counted as the same."
    )
