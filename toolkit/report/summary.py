"""The report in one sentence, how sure it is, and its six key figures."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt
from typing import TYPE_CHECKING

from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import format_change, format_count, format_share_change
from toolkit.metrics.rates import ENOUGH_CALLS
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import Answer, KeyFigure
from toolkit.report.series import (
    amount_of,
    cost_of,
    cost_per_1000,
    priced_calls,
    tokens_of,
)
from toolkit.report.wording import calls, local, size, usd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.report.metric_tables import MetricTables
    from toolkit.report.model import Gap, Kind, Loss, Trust, Waste
    from toolkit.report.series import Row

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


def build_answer(
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
        cost_words = (
            f"cost {usd(spent)}" if plan.is_over else f"has cost {usd(spent)} so far"
        )
        headline = f"{name} {cost_words}{more}."
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


def what_to_do(waste: Waste | None, trust: Trust) -> list[str]:
    """Return the things to do that are about most money, of all parts."""
    rows: list[tuple[Figure, Loss | Gap]] = []
    rows += [(row.cost, row) for row in (waste.rows if waste else [])]
    rows += [(row.could_add, row) for row in trust.rows]
    rows = sorted(
        (one for one in rows if amount_of(one[0])), key=lambda one: -amount_of(one[0])
    )
    return [
        f"{row.label} ({usd(amount)}): {row.todo}" for amount, row in rows[:_MOST_TO_DO]
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
        return f"; {calls(count)} {has} no known price" if count else ""
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
        return "" if count == 1 else f"None of the {calls(count)} has a known price."
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
    used = f"{text}; they used {old} tokens in the {unit} before and {new} in this one"
    if not change.number:
        return f"{used}."
    went = "fall" if change.number < 0 else "rise"
    known = max(Decimal((cost["total_tokens"] or 0) - (now.value or 0)), Decimal(0))
    moved = abs(now.number - before.number)
    if 2 * moved * (cost["cost"] or 0) >= abs(change.number) * known > 0:
        return f"{used}, so the {went} in known cost may not be one in cost."
    if 10 * moved > before.number:
        return f"{used}, too little to explain the {went}."
    return (
        f"{text}; such calls used about as many tokens in both {unit}s ({old}, then "
        f"{new}), so they do not explain the {went}."
    )


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


def build_figures(tables: MetricTables, *, is_known: bool = True) -> list[KeyFigure]:
    """Build the key figures: now, before, and over the last five spans.

    Without `is_known` all of them are unknown, also the number of calls.
    """
    found = []
    for name, label, kind, metric, measure in _KEY_FIGURES:
        row = tables.row(metric)
        now, before = (_value(row, metric, measure, end) for end in ("", "_before"))
        spans = tables.spans(metric).tail(_POINTS) if tables.plan.spans else None
        found.append(
            KeyFigure(
                name,
                label,
                kind,
                now if is_known else UNKNOWN,
                before,
                _words(name, row, now, before),
                [
                    _value(one, metric, measure)
                    for one in ([] if spans is None else spans.to_dicts())
                ],
                row["responses"] if name == "cut_off" else None,
            )
        )
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
