"""The content of a report: all its figures and text, independent of the format.

`build_content` computes the metrics and builds each part; all formats are written from
its result.
"""

from __future__ import annotations

from decimal import Decimal
from math import sqrt
from typing import TYPE_CHECKING, Any

from toolkit.expressions.time_ranges import before as range_before
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import format_day
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import format_change, format_count, format_share_change
from toolkit.metrics.rates import ENOUGH_CALLS
from toolkit.reading.ledger import LINE_COUNTS
from toolkit.report.analysis import build_analysis
from toolkit.report.budget import build_budgets
from toolkit.report.causes import build_causes, clause, read_change
from toolkit.report.model import Answer, KeyFigure, Range, ReportContent
from toolkit.report.provenance import build_made, build_periods, build_restated
from toolkit.report.spending import build_course, build_models, build_tags
from toolkit.report.tables import (
    MetricTables,
    Names,
    amount_of,
    cost_of,
    cost_per_1000,
    figure_of,
    priced_calls,
    tokens_of,
)
from toolkit.report.trust import build_trust, uncounted
from toolkit.report.waste import build_waste
from toolkit.report.wording import calls, local, range_words, size, usd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from toolkit.report.inputs import Plan, ReportInputs
    from toolkit.report.model import Kind, Trust, Waste
    from toolkit.report.provenance import Options
    from toolkit.report.tables import Row

_MANY = 1000  # series


def build_content(
    inputs: ReportInputs, plan: Plan, given: Options, earlier: Mapping[str, Any] | None
) -> ReportContent:
    """Compute the content of a report.

    `given` are options that only the command to make it again needs, `earlier` is the
    JSON of an earlier report.
    """
    kept = {**(earlier.get("colors", {}) if earlier else {}), **plan.colors}
    names = Names.read(inputs, plan, kept)
    tables = MetricTables(inputs, plan)
    _compute(tables, len(names.colors))
    left_out = uncounted(tables, inputs)
    has_calls = bool(tables.row("token_usage")["responses"])
    # Nothing is known if all that there is could not be counted.
    is_known = bool(plan.last_call or has_calls or not left_out)
    restated = build_restated(earlier, tables, inputs) if earlier else None
    periods = build_periods(tables) if is_known else []
    uses_clock = bool(plan.budgets) or any(
        one.end is not None and one.end > plan.now for one in periods
    )
    change = read_change(tables, names)
    reason = clause(change) if change else ""
    trust = build_trust(tables, inputs, restated)
    # The lines of the range are all accounted for in the part on what to trust.
    if trust.is_of_range and has_calls:
        left_out = []
    before = None
    if plan.compares:
        before = range_words(range_before(plan.within, plan.tz), plan.tz)
        before = before.removeprefix("Week of ")
    began = _began_within(plan, names.first_call)
    waste = build_waste(tables)
    counts = ("lines", *LINE_COUNTS, "choices")
    ledger = None if inputs.ledger is None else inputs.ledger.select(counts).sum()
    return ReportContent(
        title=plan.title,
        range=Range(
            range_words(plan.within, plan.tz),
            plan.unit,
            *plan.within,
            plan.tz,
            plan.every,
            list(plan.by),
            before,
            plan.last_call,
        ),
        answer=_build_answer(tables, reason, trust, left_out, began=began),
        figures=_build_figures(tables, is_known=is_known),
        budgets=build_budgets(tables, plan.budgets, names.first_call),
        course=build_course(tables, names),
        tags=build_tags(tables),
        models=build_models(tables, change, names),
        causes=build_causes(change) if change else None,
        waste=waste,
        trust=trust,
        todo=_what_to_do(waste, trust),
        restated=restated,
        analysis=build_analysis(tables, names, plan.sections),
        left_out=left_out,
        colors=dict(names.colors),
        periods=periods,
        ledger={} if ledger is None else ledger.row(0, named=True),
        made=build_made(tables, inputs, given, uses_clock=uses_clock),
    )


def _began_within(plan: Plan, first_call: datetime | None) -> str:
    """Return when the log began, if that left out a quarter of the range before."""
    start, end = range_before(plan.within, plan.tz) if plan.compares else (None, None)
    if start is None or end is None or first_call is None:
        return ""
    if not start + (end - start) / 4 < first_call < end:
        return ""
    return format_day(first_call.astimezone(zone_of(plan.tz)).date())


def _compute(tables: MetricTables, series_count: int) -> None:
    """Compute the sums that the parts read: with one reading, if groups are few."""
    plan, total, series = tables.plan, tables.together, tables.by_series
    by_model = {**series, "by": ("model",)}
    periods = {"every": plan.every, "by": (), "fill": True}
    queries: list[tuple[str, Mapping[str, object]]] = [
        ("cost", by_model),
        ("cache_share", {"every": None, "by": ("model",)}),
        ("choices_per_response", series),
        ("token_usage", periods),
        ("token_usage", {"every": plan.every, "by": plan.by}),
    ]
    over_time = ("token_usage", "truncation_rate", "cost")
    for metric in (*over_time, "cache_share", "reasoning_share"):
        queries += [(metric, total), (metric, series)]
    queries += [(metric, {**periods, **plan.axis}) for metric in over_time]
    queries += [("waste", total), ("waste", by_model)]
    if plan.spans:
        queries += [(one, tables.of_spans()) for one in (*over_time, "cache_share")]
        queries.append(("cost", tables.of_spans(by=plan.by, fill=False)))
    if plan.compares:
        queries.append(("cost_change", {"by": plan.by}))
    metrics = [*dict.fromkeys(metric for metric, _ in queries)]
    # Groups of many series are as large as the metrics are many.
    for part in [[one] for one in metrics] if series_count > _MANY else [metrics]:
        tables.compute(one for one in queries if one[0] in part)


# --- The answer ----------------------------------------------------------------------

_SMALL = Decimal("0.01")  # of the cost: a change or a gap below it is not worth a word
_FOUR_IN_FIVE = 1.2816  # standard deviations around the mean, of a normal distribution
_UNIT = 1000.0**2 * 2.0**40  # of `cost_squares`: see `toolkit.metrics.waste`
_POINTS, _MOST_TO_DO = 5, 3
# Name, label, kind, metric and measure.
_KEY_FIGURES: tuple[tuple[str, str, Kind, str, str], ...] = (
    ("cost", "Known cost", "usd", "cost", "cost"),
    ("calls", "Calls", "count", "token_usage", "responses"),
    ("tokens", "Tokens", "count", "token_usage", "total_tokens"),
    ("cost_per_1000", "Cost per 1,000 calls", "usd", "cost", ""),
    ("cache", "Prompt from cache", "share", "cache_share", "cache_share"),
    ("cut_off", "Answers cut off", "count", "truncation_rate", "responses_truncated"),
)


def _build_answer(
    tables: MetricTables,
    reason: str,
    trust: Trust | None,
    uncounted: Sequence[str],
    *,
    began: str = "",
) -> Answer:
    """Build the answer.

    `reason` is the main cause of the change, as a clause; `trust` has what is missing,
    and `uncounted` what no figure contains, in words. `began` is when the log began, if
    that is in the range before: the two are then not comparable.
    """
    plan, cost = tables.plan, tables.row("cost")
    usage, unit = tables.row("token_usage"), plan.unit
    counted, spent = usage["responses"] or 0, cost_of(cost)
    rest = f"Not counted: {', '.join(uncounted)}." if uncounted else ""
    start, end, last = plan.axis["since"], plan.axis["until"], ""
    # Of a log that stopped, half of the range or more has no calls.
    if plan.last_call and start and end and plan.last_call < start + (end - start) / 2:
        last = f"The last call was on {local(plan.last_call, plan.tz)}."
    if not counted and not plan.last_call and uncounted:
        return Answer(f"No call could be counted: {', '.join(uncounted)}.", "")
    if not counted:
        where = f" in this {unit}" if plan.last_call and not plan.is_open else ""
        return Answer(f"No calls{where}.", f"{last} {rest}".strip())
    name = "All calls together" if plan.is_open else f"The {unit}"
    compares = plan.compares and not began
    if spent.is_known:
        change = _change(cost, unit) if compares else ""
        because = f", {reason}" if change and reason else ""
        part = f"; of the {unit} before the log has a part" if began else ""
        more = f"{change}{because}{part}{_gap(cost, trust)}"
        has, so_far = ("", "") if plan.is_over else ("has ", " so far")
        headline = f"{name} {has}cost {usd(spent)}{so_far}{more}."
    else:
        tokens = tokens_of(usage)
        used = format_count(tokens, "sentence", words=True)
        used = used if tokens.is_known else "an unknown number of"
        headline = (
            f"{name} used {used} tokens in {calls(counted)}; what that cost is not "
            "known, as no call has a known price."
        )
    sure = [_certainty(cost, unit, compares=compares)]
    if silent := usage["responses_without_usage"]:
        does = "does" if silent == 1 else "do"
        sure.append(f"{calls(silent)} {does} not report all tokens.")
    if not plan.is_over:
        sure.append(f"The {unit} is not over, so it is not compared with another.")
    if began:
        sure.append(f"The log begins on {began}: do not compare the two {unit}s.")
    if plan.is_over:
        sure.append(_chance(tables, unit, compares=compares))
    return Answer(headline, " ".join(filter(None, [*sure, last, rest])))


def _what_to_do(waste: Waste | None, trust: Trust) -> list[str]:
    """Return the things to do that are about most money, of all parts."""
    amounts = [(row.cost, row.label, row.todo) for row in (waste.rows if waste else [])]
    amounts += [(row.could_add, row.label, row.todo) for row in trust.rows]
    amounts.sort(key=lambda one: -amount_of(one[0]))
    return [
        f"{label} ({usd(amount)}): {todo}"
        for amount, label, todo in amounts[:_MOST_TO_DO]
        if amount_of(amount)
    ]


def _change(cost: Row, unit: str) -> str:
    """Return how the known cost changed since the range before, after a comma."""
    now, before = cost_of(cost), cost_of(cost, "_before")
    if not before.is_known:
        what = "known cost" if cost["responses_before"] else "calls"
        return f"; the {unit} before has no {what}"
    change = now - before
    if abs(change.number) <= before.number * _SMALL:
        is_same = change.bound == "exact" and not change.number
        same = "the same as" if is_same else "about as much as"
        return f", {same} the {unit} before"
    more = "more" if change.number > 0 else "less"
    return f", {usd(size(change))} {more} than the {unit} before"


def _gap(cost: Row, trust: Trust | None) -> str:
    """Return what could be missing from the cost."""
    count, total = cost["responses_unpriced"], trust.total if trust else None
    if trust is None or total is None:
        has = "has" if count == 1 else "have"
        return f"; {calls(count)} {has} no known cost" if count else ""
    if total.could_add.number < _SMALL * cost["cost"]:
        return ""
    known = {row.name for row in trust.rows if row.could_add.value}
    # Late data is unknown until a range is long over.
    unknown = {row.name for row in trust.rows if not row.could_add.is_known} - {"late"}
    what = "calls without a known price" if known == {"unpriced"} else "what is missing"
    return f"; {what} could add {usd(total.could_add)}{' or more' if unknown else ''}"


def _certainty(cost: Row, unit: str, *, compares: bool) -> str:
    """Return how many calls are priced, and what the others say of the change."""
    count, priced = cost["responses"], priced_calls(cost)
    others = count - priced
    if not others:
        all_calls = {1: "The call is", 2: "Both calls are"}
        return f"{all_calls.get(count, f'All {calls(count)} are')} priced exactly."
    if not priced:
        return "" if count == 1 else f"None of the {calls(count)} has a known cost."
    is_are, verb = ("is" if number == 1 else "are" for number in (priced, others))
    text = f"{priced:,} of the {calls(count)} {is_are} priced exactly."
    text += f" The other {others:,} {verb} in no cost"
    ends = ("", "_before")
    now, before = (figure_of("cost", "tokens_unpriced", cost, end) for end in ends)
    change = figure_of("cost", "cost", cost, "_change")
    is_comparable = compares and now.is_known and before.is_known and change.is_known
    if not is_comparable or not cost["responses_unpriced_before"]:
        return f"{text}."
    old, new = (format_count(one.value, "short") for one in (before, now))
    used = f"{text}; such calls used {old} tokens in the {unit} before"
    used += f" and {new} in this one"
    if not change.number:
        return f"{used}."
    went = "fall" if change.number < 0 else "rise"
    # More tokens without a price can explain a fall in known cost, fewer a rise.
    moved = now.number - before.number
    moved = moved if went == "fall" else -moved
    if moved <= 0:
        return f"{used}, which does not explain the {went}."
    # At the mean price of the tokens that have one, in both ranges.
    spent = sum(cost[f"cost{end}"] or 0 for end in ends)
    tokens = sum(cost[f"total_tokens{end}"] or 0 for end in ends)
    known = max(tokens - now.number - before.number, 0)
    if 2 * moved * spent >= abs(change.number) * known:
        return f"{used}, so the {went} in known cost may not be one in cost."
    return f"{used}: too little to explain the {went}."


def _chance_range(tables: MetricTables) -> tuple[Figure, Figure]:
    """Return between what such a range costs in 4 cases of 5, by chance alone.

    Calls come independently, each at the cost of one of those in the range: of such a
    sum the variance is the sum of the squares. Unknown for fewer than 20 priced calls.
    """
    row = tables.row("cost")
    if row["cost"] is None or priced_calls(row) < ENOUGH_CALLS:
        return UNKNOWN, UNKNOWN
    half = _FOUR_IN_FIVE * sqrt(tables.row("waste")["cost_squares"] / _UNIT)
    known = float(row["cost"])
    return Figure(max(0.0, known - half)), Figure(known + half)


def _chance(tables: MetricTables, unit: str, *, compares: bool) -> str:
    """Return in which range the cost lies by chance alone."""
    low, high = _chance_range(tables)
    if not low.is_known:
        return ""
    within = f"from {usd(low)} to {usd(high)} in 4 of 5 such {unit}s"
    before = cost_of(tables.row("cost"), "_before") if compares else UNKNOWN
    if not before.is_known:
        return f"By chance alone it costs {within}."
    is_within = low.number <= before.number <= high.number
    where = "within" if is_within else "outside"
    explained = f"what chance alone explains ({within})"
    return f"The {unit} before ({usd(before)}) is {where} {explained}."


# --- Key figures ---------------------------------------------------------------------


def _build_figures(tables: MetricTables, *, is_known: bool = True) -> list[KeyFigure]:
    """Build the key figures: now, before, and over the last five spans.

    Without `is_known` all of them are unknown, also the number of calls.
    """
    plan, found = tables.plan, []
    for name, label, kind, metric, measure in _KEY_FIGURES:
        row = tables.row(metric)
        now, before = (_value(row, metric, measure, end) for end in ("", "_before"))
        shown = now if is_known else UNKNOWN
        words = _words(name, row, now, before)
        spans = tables.spans(metric).tail(_POINTS).to_dicts() if plan.spans else []
        points = [_value(one, metric, measure) for one in spans]
        of = row["responses"] if name == "cut_off" else None
        found.append(KeyFigure(name, label, kind, shown, before, words, points, of))
    return found


def _value(row: Row, metric: str, measure: str, end: str = "") -> Figure:
    """Return the figure of a row; nothing is known of one without calls."""
    if not row.get(f"responses{end}") and measure != "responses":
        return UNKNOWN
    return figure_of(metric, measure, row, end) if measure else cost_per_1000(row, end)


def _words(name: str, row: Row, now: Figure, before: Figure) -> str:
    """Return the change of a key figure, and its base."""
    change = now - before
    amount = usd(change, words=False, signed=True) if change.is_known else ""
    if name == "cut_off":
        old = row.get("responses_before")
        return f"{format_count(before)} of {old:,} before" if old else ""
    if name == "cache":
        amount = format_share_change(change) if change.is_known else ""
        return f"{amount} ({calls(row['responses'] - row['cached_unseen'])})".strip()
    if name == "cost_per_1000":
        base = f"({calls(priced_calls(row))})" if now.is_known else ""
        return f"{amount} {base}".strip()
    if not change.is_known:
        return ""
    if name == "calls":
        return f"{change.number:+,} ({before.number:,} before)"
    grew = format_change(now, before).lstrip("~≥≤ ")
    if name == "tokens":
        mark, _, number = format_count(change, "sentence").rpartition(" ")
        amount = f"{mark} {'+' if change.number > 0 else ''}{number}".strip()
    return f"{amount} ({grew})"
