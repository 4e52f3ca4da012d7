"""The report in one sentence, and how sure it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import plural
from toolkit.formatting.text import format_count
from toolkit.report.figures import priced_calls
from toolkit.report.metric_tables import figure_of
from toolkit.report.model import Answer
from toolkit.report.wording import calls, local, size, usd

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from toolkit.formatting.figures import Figure
    from toolkit.report.metric_tables import MetricTables
    from toolkit.report.model import Trust

    Row = Mapping[str, Any]

_SMALL = 0.01  # a change or a gap below this share of the cost is not worth a word


def build_answer(
    tables: MetricTables,
    reason: str,
    trust: Trust | None,
    chance: tuple[Figure, Figure] | None,
    uncounted: Sequence[str],
    *,
    began: str = "",
) -> Answer:
    """Build the answer.

    `reason` is the main cause of the change, as a clause; `trust` has what is missing,
    `chance` the range in which such a range costs 4 times in 5, and `uncounted` what no
    figure contains, in words. `began` is when the log began, if that is in the range
    before: the two are then not comparable.
    """
    plan = tables.plan
    usage, cost = tables.row("token_usage"), tables.row("cost")
    counted = usage["responses"] or 0
    rest = f"Not counted: {', '.join(uncounted)}." if uncounted else ""
    last = _last_call(tables)
    if not counted and not plan.last_call and uncounted:
        return Answer(f"No call could be counted: {', '.join(uncounted)}.", "")
    if not counted:
        where = f" in this {plan.unit}" if plan.last_call and not plan.is_open else ""
        return Answer(f"No calls{where}.", f"{last} {rest}".strip())
    name = _name(tables)
    spent = figure_of("cost", "cost", cost)
    if not spent.is_known:
        tokens = figure_of("token_usage", "total_tokens", usage)
        used = format_count(tokens, "sentence", words=True)
        used = used if tokens.is_known else "an unknown number of"
        headline = (
            f"{name} used {used} tokens in {calls(counted)}; what that cost is not "
            "known, as no call has a known price."
        )
    else:
        change = _change(cost, plan.unit) if plan.compares else ""
        if began:
            change, reason = f"; of the {plan.unit} before the log has a part", ""
        because = f", {reason}" if change and reason else ""
        headline = f"{name} cost {usd(spent)}{change}{because}{_gap(cost, trust)}."
    compares = plan.compares and not began
    sure = [_certainty(cost, plan.unit, compares=compares), _usage(usage)]
    if began:
        sure.append(f"The log begins on {began}: do not compare the two {plan.unit}s.")
    if chance is not None and spent.is_known:
        sure.append(_chance(chance, cost, plan.unit, compares=compares))
    return Answer(headline, " ".join(filter(None, [*sure, last, rest])))


def _last_call(tables: MetricTables) -> str:
    """Return a sentence on a log of which half of the range or more has no calls."""
    plan = tables.plan
    start, end = plan.axis["since"], plan.axis["until"]
    if plan.is_open or not plan.last_call or start is None or end is None:
        return ""
    stopped = plan.last_call < start + (end - start) / 2
    return f"The last call was on {local(plan.last_call, plan.tz)}." if stopped else ""


def _name(tables: MetricTables) -> str:
    """Return what cost something, at the beginning of a sentence."""
    plan = tables.plan
    return "All calls together" if plan.is_open else f"The {plan.unit}"


def _change(cost: Row, unit: str) -> str:
    """Return how the known cost changed since the range before, after a comma."""
    now, before = (figure_of("cost", "cost", cost, end) for end in ("", "_before"))
    if not before.is_known:
        has_calls = bool(cost["responses_before"])
        why = "has no known cost" if has_calls else "has no calls"
        return f"; the {unit} before {why}"
    change = now - before
    if abs(change.number) <= before.number * type(before.number)(str(_SMALL)):
        same = "the same as" if change.bound == "exact" and not change.number else ""
        return f", {same or 'about as much as'} the {unit} before"
    more = "more" if change.number > 0 else "less"
    return f", {usd(size(change))} {more} than the {unit} before"


def _gap(cost: Row, trust: Trust | None) -> str:
    """Return what could be missing from the cost."""
    count, total = cost["responses_unpriced"], trust.total if trust else None
    if trust is None or total is None:
        has = "has" if count == 1 else "have"
        return f"; {calls(count)} {has} no known price" if count else ""
    if float(total.could_add.number) < _SMALL * float(cost["cost"]):
        return ""
    known = {row.name for row in trust.rows if row.could_add.value}
    what = "calls without a known price" if known == {"unpriced"} else "what is missing"
    # Late data is unknown until a range is long over.
    is_open = any(
        not row.could_add.is_known for row in trust.rows if row.name != "late"
    )
    return f"; {what} could add {usd(total.could_add)}{' or more' if is_open else ''}"


def _certainty(cost: Row, unit: str, *, compares: bool) -> str:
    """Return how many calls are priced, and what the others say of the change."""
    count, priced = cost["responses"], priced_calls(cost)
    others = count - priced
    if not others:
        all_calls = {1: "The call is", 2: "Both calls are"}
        return f"{all_calls.get(count, f'All {calls(count)} are')} priced exactly."
    if not priced:
        return "" if count == 1 else f"None of the {calls(count)} has a known price."
    is_are = "is" if priced == 1 else "are"
    text = f"{priced:,} of the {calls(count)} {is_are} priced exactly."
    verb = "is" if others == 1 else "are"
    text += f" The other {others:,} {verb} in no cost"
    now, before = (
        figure_of("cost", "tokens_unpriced", cost, end) for end in ("", "_before")
    )
    change = figure_of("cost", "cost", cost, "_change")
    is_comparable = compares and now.is_known and before.is_known and change.is_known
    if not is_comparable or not cost["responses_unpriced_before"]:
        return f"{text}."
    old, new = (format_count(one.value, "short") for one in (before, now))
    known = float((cost["total_tokens"] or 0) - (now.value or 0))
    rate = float(cost["cost"] or 0) / known if known > 0 else 0.0
    moved = abs(float(now.number - before.number)) * rate
    is_real = moved < abs(float(change.number)) / 2
    went = "fall" if change.number < 0 else "rise"
    if not change.number:
        return (
            f"{text}; they used {old} tokens in the {unit} before, {new} in this one."
        )
    if is_real and 10 * abs(now.number - before.number) <= before.number:
        return (
            f"{text}; such calls used about as many tokens in both {unit}s ({old}, "
            f"then {new}), so they do not explain the {went}."
        )
    if is_real:
        return (
            f"{text}; they used {old} tokens in the {unit} before and {new} in this "
            f"one, too little to explain the {went}."
        )
    return (
        f"{text}; they used {old} tokens in the {unit} before and {new} in this one, "
        f"so the {went} in known cost may not be one in cost."
    )


def _usage(usage: Row) -> str:
    """Return how many calls do not report their tokens."""
    silent = usage["responses_without_usage"]
    if not silent:
        return ""
    does = "does" if silent == 1 else "do"
    return f"{plural(silent, 'call')} {does} not report all tokens."


def _chance(
    chance: tuple[Figure, Figure], cost: Row, unit: str, *, compares: bool
) -> str:
    """Return in which range the cost lies by chance alone."""
    low, high = chance
    if not (low.is_known and high.is_known):
        return ""
    within = f"from {usd(low)} to {usd(high)} in 4 of 5 such {unit}s"
    before = figure_of("cost", "cost", cost, "_before") if compares else None
    if before is None or not before.is_known:
        return f"By chance alone it costs {within}."
    is_within = low.number <= before.number <= high.number
    where = "within" if is_within else "outside"
    explained = f"what chance alone explains ({within})"
    return f"The {unit} before ({usd(before)}) is {where} {explained}."
