"""The content of a report: all its figures and text, independent of the format.

`build_content` computes the metrics and builds each part; all formats are written from
its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolkit.expressions.time_ranges import before as range_before
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import format_day
from toolkit.reading.ledger import LINE_COUNTS
from toolkit.report.analysis import build_analysis
from toolkit.report.budget import build_budgets
from toolkit.report.causes import build_causes, clause, read_change
from toolkit.report.metric_tables import MetricTables
from toolkit.report.model import Range, ReportContent
from toolkit.report.provenance import build_made
from toolkit.report.restated import build_periods, build_restated
from toolkit.report.series import Names
from toolkit.report.spending import build_course, build_models, build_tags
from toolkit.report.summary import build_answer, build_figures, what_to_do
from toolkit.report.trust import build_trust, uncounted
from toolkit.report.waste import build_waste
from toolkit.report.wording import range_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from toolkit.report.inputs import Plan, ReportInputs
    from toolkit.report.provenance import Options


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
    if not is_known:
        tables = MetricTables(inputs, plan._replace(compares=False))
        _compute(tables, len(names.colors))
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
        answer=build_answer(tables, reason, trust, left_out, began=began),
        figures=build_figures(tables, is_known=is_known),
        budgets=build_budgets(tables, plan.budgets, names.first_call),
        course=build_course(tables, names),
        tags=build_tags(tables),
        models=build_models(tables, change, names),
        causes=build_causes(change) if change else None,
        waste=waste,
        trust=trust,
        todo=what_to_do(waste, trust),
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
