"""The content of a report: all its figures and text, independent of the format.

`build_content` computes the metrics; all formats are written from its result.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from polars import selectors

from toolkit.errors import plural
from toolkit.expressions.choices import first_choice
from toolkit.expressions.time_ranges import before as range_before
from toolkit.formatting.text import UNKNOWN_TEXT, format_count, format_share
from toolkit.metrics.registry import METRICS, SPECS
from toolkit.report.changes import changes
from toolkit.report.kpis import build_kpis
from toolkit.report.tables import periods_of, series_of, table_of, volume_table
from toolkit.report.wording import calls, headline, range_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.expressions.time_ranges import Span
    from toolkit.reading.ledger import RejectCount
    from toolkit.report.changes import Change
    from toolkit.report.inputs import Plan, ReportInputs
    from toolkit.report.kpis import Kpi, Row
    from toolkit.report.provenance import Provenance
    from toolkit.report.sections import Section
    from toolkit.report.tables import Table

    _Count = tuple[str, int, str]  # name, count, meaning

# Metrics that the key figures and the changes are computed from.
_MAIN_METRICS = (
    "token_usage",
    "cost",
    "truncation_rate",
    "cache_share",
    "reasoning_share",
)
# Series of a chart over time: as many names as have room beside it.
CHART_TOP = 5


class SectionResult(NamedTuple):
    """A section with its result: the frame of the chart, and the table below it."""

    section: Section
    frame: pl.DataFrame
    table: Table
    notes: list[str]


class Data(NamedTuple):
    """How complete the data is, and how far the report can be trusted."""

    facts: list[_Count]
    ledger: list[_Count]
    rejects: Sequence[RejectCount]
    left_out: list[str]


@dataclass(frozen=True)
class ReportContent:
    """Everything that a report says."""

    plan: Plan
    provenance: Provenance
    against: dict[str, Any] | None
    range: str
    before: str | None
    headline: str
    kpis: list[Kpi]
    changes: list[Change]
    sections: list[SectionResult]
    data: Data
    periods: pl.DataFrame  # to compare with a later report
    series: pl.DataFrame
    names: list[str]  # of series, the largest first


def build_content(
    inputs: ReportInputs,
    plan: Plan,
    provenance: Provenance,
    against: dict[str, Any] | None,
) -> ReportContent:
    """Compute the content of a report."""
    compare: dict[str, Any] = {"compare": "previous"} if plan.compares else {}
    series: dict[str, Any] = {"every": None, "by": plan.by, "top": plan.top}
    totals, whole, over_time = (
        {name: compute_metric(inputs, plan, name, **options) for name in _MAIN_METRICS}
        for options in (
            {"every": None, "by": (), "fill": True, **compare},
            {**series, **compare},
            {"every": plan.every, "by": plan.by, "top": CHART_TOP},
        )
    )
    rows = {name: _row_of(frame) for name, frame in totals.items()}
    whole["drift"] = compute_metric(inputs, plan, "drift")
    usage = whole["token_usage"]
    before, moved = None, []
    if plan.compares:
        earlier = plan._replace(within=range_before(plan.within, plan.tz))
        before = _range_before_words(earlier.within, plan.tz)
        gone = compute_metric(inputs, earlier, "token_usage", **series)
        moved = changes(whole, gone, plan.by, plan.within.start)
    sections = [
        _build_section(section, inputs, plan, whole, over_time)
        for section in plan.sections
    ]
    return ReportContent(
        plan=plan,
        provenance=provenance,
        against=against,
        range=range_words(plan.within, plan.tz),
        before=before,
        headline=headline(rows, plan.within, plan.tz),
        kpis=build_kpis(rows, over_time),
        changes=moved,
        sections=sections,
        data=_build_data(inputs, plan, rows, over_time["token_usage"], sections),
        periods=periods_of(over_time),
        series=series_of(usage, whole["cost"], plan.by),
        names=_names_of(usage, plan.by),
    )


def compute_metric(
    inputs: ReportInputs, plan: Plan, name: str, **options: object
) -> pl.DataFrame:
    """Compute a metric over the range of a report.

    Options that it does not have are left out. The choices in memory are used if they
    have all columns that it reads.
    """
    spec = SPECS[name]
    own = {key: value for key, value in options.items() if key in spec.option_names}
    in_memory = inputs.priced.collect_schema().keys()
    is_in_memory = in_memory >= set(spec.columns)
    choices = inputs.priced if is_in_memory else inputs.choices
    return METRICS[name](choices, **own, **plan.range)


def _row_of(frame: pl.DataFrame) -> Row:
    """Return the row of all responses together; zeros if there is none."""
    if len(frame):
        return frame.row(0, named=True)
    return {
        name: Decimal(0) if dtype.is_decimal() else 0 if dtype.is_integer() else None
        for name, dtype in frame.schema.items()
    }


def _range_before_words(within: Span, tz: str) -> str:
    """Return the name of the range before, as it reads within a sentence."""
    words = range_words(within, tz)
    return words[0].lower() + words[1:] if words.startswith("Week") else words


def _build_section(
    section: Section,
    inputs: ReportInputs,
    plan: Plan,
    whole: Mapping[str, pl.DataFrame],
    over_time: Mapping[str, pl.DataFrame],
) -> SectionResult:
    """Compute a section; `whole` and `over_time` are the metrics computed already."""
    name = section.name
    by, top = ((), None) if section.together else (plan.by, plan.top)
    frame = whole.get(name)
    if frame is None:
        frame = compute_metric(inputs, plan, name, every=None, by=by, top=top)
    frame = frame.with_columns(selectors.categorical().cast(pl.String))
    shown = over_time.get(name) if section.over_time else frame
    if shown is None:
        options = {"every": plan.every, "by": by, "top": CHART_TOP}
        shown = compute_metric(inputs, plan, name, **options)
    if name == "response_volume":
        table = volume_table(frame)
    else:
        table = table_of(section, frame, by)
    notes = []
    if table.folded and name != "drift":
        notes.append(f"{table.folded:,} smaller ones are in one row: sums are exact.")
    return SectionResult(section, shown, table, notes)


def _names_of(usage: pl.DataFrame, by: Sequence[str]) -> list[str]:
    """Return the names of series as charts write them, the largest first."""
    largest = usage.filter(pl.col("folded") == 0).sort(
        "total_tokens", *by, descending=[True, *[False] * len(by)], nulls_last=True
    )
    return [
        ", ".join(UNKNOWN_TEXT if part is None else str(part) for part in row)
        for row in largest.select(by).iter_rows()
    ]


_LEDGER_WORDS = {
    "lines": "lines in the logs",
    "blank": "blank lines",
    "responses": "responses: one a call",
    "duplicates": "lines that repeat a response: counted once",
    "outside": "responses outside the range that was exported",
    "errors": "errors of a provider: no answer was given",
    "rejected": "rejects: lines that could not be read",
    "choices": "choices: one an answer",
}


def _build_data(
    inputs: ReportInputs,
    plan: Plan,
    totals: Mapping[str, Row],
    periods: pl.DataFrame,
    sections: Sequence[SectionResult],
) -> Data:
    """Compute how far the figures can be trusted."""
    usage, cost = totals["token_usage"], totals["cost"]
    undated = inputs.choices.filter(first_choice(), pl.col("created").is_null())
    count, tokens = (
        undated.select(pl.len(), pl.col("total_tokens").sum()).collect().row(0)
    )
    is_open = plan.within == (None, None)
    share = format_share(cost["unpriced_share"])
    facts = [
        (
            "Calls without a price",
            cost["responses_unpriced"],
            f"of {calls(cost['responses'])}; {share} of tokens: their cost is not in "
            "the sum",
        ),
        (
            "Calls without usage",
            usage["responses_without_usage"],
            "their tokens are not known, and not in the sum",
        ),
        (
            "Calls without a date",
            count,
            f"with {format_count(tokens, 'sentence')} tokens; "
            + ("in the sums, in no period" if is_open else "in no range, so not here"),
        ),
        (
            "Unfinished periods",
            periods.filter(pl.col("partial"))["period"].drop_nulls().n_unique(),
            "the data or the range end within them, or begin",
        ),
    ]
    ledger = []
    if inputs.ledger is not None:
        sums = inputs.ledger.sum().row(0, named=True)
        ledger = [(name, sums[name], words) for name, words in _LEDGER_WORDS.items()]
    folded = max(result.table.folded for result in sections)
    left_out = _left_out(inputs, 0 if is_open else count, folded)
    return Data(facts, ledger, inputs.rejects, left_out)


def _left_out(inputs: ReportInputs, undated: int, folded: int) -> list[str]:
    """Return what is not in the figures, or has no row of its own."""
    left_out = []
    if undated:
        left_out.append(f"{calls(undated)} without a date")
    if inputs.ledger is None:
        left_out.append("an account of the lines: the report was made of a frame")
    else:
        if damaged := inputs.ledger["error"].count():
            left_out.append(f"the damaged part of {plural(damaged, 'log')}")
        if strange := inputs.ledger["hint"].count():
            left_out.append(f"{plural(strange, 'file')} that look like no log")
    if inputs.passed_over:
        left_out.append(f"files {inputs.passed_over}")
    if folded:
        left_out.append(f"rows of their own for up to {folded:,} small series")
    return left_out
