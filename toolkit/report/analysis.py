"""The analyst's part: small charts with their answers, and all numbers by series."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import plural
from toolkit.expressions.model_families import FAMILY_RULES, families
from toolkit.expressions.time_ranges import before as range_before
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import MONTHS, WEEKDAYS, format_day, format_range
from toolkit.formatting.figures import UNKNOWN, Figure, sum_figures
from toolkit.formatting.text import (
    DASH,
    UNKNOWN_TEXT,
    format_count,
    format_name,
    format_usd,
    usd_places,
)
from toolkit.metrics.calendar import instant
from toolkit.metrics.rates import ENOUGH_CALLS
from toolkit.report import analysis_charts as charts
from toolkit.report.model import (
    TILES,
    Analysis,
    Bar,
    Bars,
    Head,
    Heat,
    Matrix,
    Part,
    Tile,
)
from toolkit.report.tables import (
    REST,
    Rows,
    amount_of,
    cost_per_1000,
    figure_of,
    series_name,
    split,
    tokens_of,
)
from toolkit.report.wording import about, calls, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from toolkit.report.model import Chart, Dot, Found
    from toolkit.report.tables import MetricTables, Names, Row

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
    "tools": ("Tool calls", "", "", ""),
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
            shown.append(Tile(name, title, note, chart, _summary_of(chart), below))
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
        if metric
    }
    tools: Counter[str] = Counter()
    for row in rows.tables.series("tool_calls", compare=None).to_dicts():
        tools[series_name(row, rows.plan.by)] += row["calls"]
    data: list[dict[str, Any]] = []
    for name in rows.all:
        cells = dict.fromkeys(_COLUMNS, UNKNOWN) | {
            column: figure_of(metric, measure, found[column][name])
            for column, (_, metric, measure, _) in _COLUMNS.items()
            if measure and name in found[column]
        }
        cells["cache"] = charts.cached_share(found["cache"][name], least=1)
        cells["tools"] = Figure(tools[name])
        cells["per_1000"] = cost_per_1000(found["cost"][name])
        now, before = (rows.usage[name].get(f"responses{end}") for end in _ENDS)
        data.append({"name": name, "calls": now, "calls_before": before, **cells})
    shown, others = split(data, _MOST_SERIES)
    if others:
        sums: dict[str, Any] = {"name": plural(len(others), "other")}
        sums |= dict.fromkeys(_COLUMNS, UNKNOWN)
        sums |= {name: sum_figures(row[name] for row in others) for name in _SUMS}
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


def _summary_of(chart: Chart) -> str:
    """Return the figures of a chart as a sentence."""
    if isinstance(chart, Heat):
        cells = [
            (count, f"{day} {hour}:00")
            for day, counts in zip(chart.rows, chart.counts, strict=True)
            for hour, count in zip(chart.columns, counts, strict=True)
        ]
        count, hour = max(cells)
        return f"Most calls: {count:,} ({hour})."
    rows: Sequence[Sequence[Bar | Dot]] = (
        [[bar] for bar in chart.bars] if isinstance(chart, Bars) else chart.rows
    )
    lines = []
    for row in rows:
        words = filter(None, (one.words or one.text for one in row))
        lines.append(f"{row[0].label}: {', '.join(words)}")
    return "; ".join(lines) + "."


# --- Charts over time ----------------------------------------------------------------

_MOST_PARTS = 6  # of a column, beside the others
_MOST_TEXTS = 14  # columns with a text above
_MOST_MODELS = 6  # of the chart of versions
_WINDOW = 12  # hours
_DAY = timedelta(days=1)
_UNITS = {"1h": "hour", "1d": "day", "1w": "week", "1mo": "month", "1q": "quarter"}


def _build_tokens(rows: Rows) -> Found:
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


def _build_calls(rows: Rows) -> Found:
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


def _build_hours(rows: Rows) -> Found:
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


def _build_versions(rows: Rows) -> Found:
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
            bars[name] = Bar(label, [], start=(first - start) / _DAY)
        label = format_name(version.removeprefix("fp_"))[:4]
        part = Part(Figure((last - first) / _DAY), "pale", label=label)
        bars[name].parts.append(part)
    shown = [
        replace(bar, words=", ".join(part.label for part in bar.parts))
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


_BUILDERS: dict[str, Callable[[Rows], Found]] = {
    "token_usage": _build_tokens,
    "calls": _build_calls,
    "response_volume": _build_hours,
    "token_kinds": charts.build_kinds,
    "tokens_per_response": charts.build_sizes,
    "cost": charts.build_costs,
    "truncation_rate": charts.build_cut_off,
    "cache_share": charts.build_cache,
    "finish_reasons": charts.build_endings,
    "tool_calls": charts.build_tools,
    "usage_coverage": charts.build_coverage,
    "drift": _build_versions,
}
