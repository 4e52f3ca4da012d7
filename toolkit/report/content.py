"""The content of a report: all its figures and text, independent of the format.

`build_content` computes the metrics and builds each part; all formats are written from
its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import polars as pl

from toolkit.charts.colors import assign_colors
from toolkit.expressions.time_ranges import before as range_before
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import format_day
from toolkit.formatting.text import format_name
from toolkit.reading.ledger import LINE_COUNTS
from toolkit.report.analysis import build_analysis
from toolkit.report.answer import build_answer
from toolkit.report.budget import build_budgets
from toolkit.report.causes import build_causes, clause, read_change
from toolkit.report.certainty import chance_range
from toolkit.report.course import build_course, build_tags, series_name
from toolkit.report.figures import build_figures
from toolkit.report.metric_tables import MetricTables
from toolkit.report.model import Range, ReportContent
from toolkit.report.models import build_models
from toolkit.report.names import short_names
from toolkit.report.provenance import build_made
from toolkit.report.restated import build_periods, build_restated
from toolkit.report.trust import build_trust, uncounted
from toolkit.report.waste import build_waste
from toolkit.report.wording import range_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from toolkit.report.inputs import Plan, ReportInputs
    from toolkit.report.provenance import Options


def build_content(
    inputs: ReportInputs, plan: Plan, given: Options, earlier: Mapping[str, Any] | None
) -> ReportContent:
    """Compute the content of a report.

    `given` are options that only the command to make it again needs, `earlier` is the
    JSON of an earlier report.
    """
    seen = _read_series(inputs, plan)
    first_call = cast("datetime | None", seen["first"].min())
    tables = MetricTables(inputs, plan)
    _compute(tables)
    left_out = uncounted(tables, inputs)
    has_calls = bool(tables.row("token_usage")["responses"])
    # Nothing is known if all that there is could not be counted.
    is_known = bool(plan.last_call or has_calls or not left_out)
    if not is_known:
        tables = MetricTables(inputs, plan._replace(compares=False))
        _compute(tables)
    kept = {**(earlier.get("colors", {}) if earlier else {}), **plan.colors}
    names, colors = _name_series(seen, plan, kept)
    restated = build_restated(earlier, tables, inputs) if earlier else None
    periods = build_periods(tables) if is_known else []
    ends = [one.end for one in periods if one.end is not None]
    uses_clock = bool(plan.budgets) or any(end > plan.now for end in ends)
    change = read_change(tables, names)
    reason = clause(change) if change else ""
    trust = build_trust(tables, inputs, restated)
    # The lines of the range are all accounted for in the part on what to trust.
    if trust.is_of_range and has_calls:
        left_out = []
    return ReportContent(
        title=plan.title,
        range=_build_range(plan),
        answer=build_answer(
            tables,
            reason,
            trust,
            chance_range(tables),
            left_out,
            began=_began_within(plan, first_call),
        ),
        figures=build_figures(tables, is_known=is_known),
        budgets=build_budgets(tables, plan.budgets),
        course=build_course(tables, names, colors, first_call),
        tags=build_tags(tables),
        models=build_models(tables, change, names, colors),
        causes=build_causes(change) if change else None,
        waste=build_waste(tables),
        trust=trust,
        restated=restated,
        analysis=build_analysis(tables, names, colors, plan.sections, first_call),
        left_out=left_out,
        colors=colors,
        periods=periods,
        ledger=_sum_ledger(inputs),
        made=build_made(tables, inputs, given, uses_clock=uses_clock),
    )


def _began_within(plan: Plan, first_call: datetime | None) -> str:
    """Return when the log began, if that left out a quarter of the range before."""
    if not plan.compares or first_call is None:
        return ""
    zone = zone_of(plan.tz)
    start = range_before(plan.within, plan.tz).start
    end = plan.within.start
    if start is None or end is None or first_call >= end:
        return ""
    is_whole = first_call <= start + (end - start) / 4
    return "" if is_whole else format_day(first_call.astimezone(zone).date())


def _compute(tables: MetricTables) -> None:
    """Compute the sums that the parts read, with one reading."""
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
    tables.compute(queries)


def _read_series(inputs: ReportInputs, plan: Plan) -> pl.DataFrame:
    """Return the series of the whole log, whatever the range, and when each began."""
    first = pl.col("created").min().alias("first")
    if not plan.by:
        return inputs.choices.select(first).collect(engine="streaming")
    found = inputs.choices.group_by(plan.by).agg(first).collect(engine="streaming")
    return found.sort("first", *plan.by, nulls_last=True)


def _name_series(
    seen: pl.DataFrame, plan: Plan, kept: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the short name and the colour of each series."""
    if not plan.by:
        return {}, {}
    series = [series_name(row, plan.by) for row in seen.iter_rows(named=True)]
    is_model = plan.by == ("model",)
    names = (
        short_names(series) if is_model else {one: format_name(one) for one in series}
    )
    # A colour may be given by the short name, too.
    kept = {full: kept[one] for full, one in names.items() if one in kept} | dict(kept)
    return names, dict(assign_colors(series, kept, by_maker=is_model))


def _build_range(plan: Plan) -> Range:
    """Return what the report covers."""
    before = None
    if plan.compares:
        before = range_words(range_before(plan.within, plan.tz), plan.tz)
        before = before.removeprefix("Week of ")
    return Range(
        range_words(plan.within, plan.tz),
        plan.unit,
        plan.within.start,
        plan.within.end,
        plan.tz,
        plan.every,
        list(plan.by),
        before,
        plan.last_call,
    )


def _sum_ledger(inputs: ReportInputs) -> dict[str, int]:
    """Return the counts of the ledger over all logs; none for a frame."""
    if inputs.ledger is None:
        return {}
    names = ("lines", *LINE_COUNTS, "choices")
    return inputs.ledger.select(pl.col(names).sum()).row(0, named=True)
