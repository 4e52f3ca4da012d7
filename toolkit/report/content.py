"""The content of a report: all its figures and text, independent of the format.

`build_content` computes the metrics; all formats are written from its result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from polars import selectors

from toolkit.errors import plural
from toolkit.expressions.time_ranges import before as range_before
from toolkit.formatting.text import UNKNOWN_TEXT, format_count
from toolkit.metrics.registry import METRICS, SPECS
from toolkit.report.changes import changes
from toolkit.report.kpis import build_kpis
from toolkit.report.provenance import build_provenance
from toolkit.report.tables import periods_of, series_of, table_of, volume_table
from toolkit.report.wording import calls, headline, local, range_words

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
    last_call: str | None


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
    periods: list[dict[str, Any]]  # to compare with a later report
    series: list[dict[str, Any]]
    names: list[str]  # of series, the largest first


def build_content(
    inputs: ReportInputs,
    plan: Plan,
    prices: str | None,
    against: dict[str, Any] | None,
) -> ReportContent:
    """Compute the content of a report; `prices` is the name of a price file."""
    compare: dict[str, Any] = {"compare": "previous"} if plan.compares else {}
    series: dict[str, Any] = {"every": None, "by": plan.by, "top": plan.top}
    totals, whole = (
        {name: compute_metric(inputs, plan, name, **options) for name in _MAIN_METRICS}
        for options in (
            {"every": None, "by": (), "fill": True, **compare},
            {**series, **compare},
        )
    )
    over_time, together = (
        {name: over_periods(inputs, plan, name, **options) for name in _MAIN_METRICS}
        for options in ({"by": plan.by, "top": CHART_TOP}, {"by": ()})
    )
    undated = _undated(inputs)
    uncounted = _uncounted(inputs, plan, undated["responses"])
    is_known = plan.last_call is not None or not uncounted
    rows = {
        name: _row_of(frame) if is_known else dict.fromkeys(frame.columns)
        for name, frame in totals.items()
    }
    periods = periods_of(together)
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
        provenance=build_provenance(plan, inputs, prices, periods),
        against=against,
        range=range_words(plan.within, plan.tz),
        before=before,
        headline=headline(
            rows,
            plan,
            uncounted,
            undated["responses"] if plan.is_open else 0,
            _notes(inputs, plan, periods),
        ),
        kpis=build_kpis(rows, together),
        changes=moved,
        sections=sections,
        data=Data(
            _facts(plan, rows, undated, sum(one["partial"] for one in periods)),
            _ledger_of(inputs),
            inputs.rejects,
            [*uncounted, *_without_row(inputs, sections)],
            local(plan.last_call, plan.tz) if plan.last_call else None,
        ),
        periods=periods,
        series=series_of(
            usage,
            compute_metric(inputs, plan, "cost", every=None, by=plan.by),
            plan.by,
        ),
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
    return METRICS[name](choices, **{**plan.range, **own})


def over_periods(
    inputs: ReportInputs, plan: Plan, name: str, **options: object
) -> pl.DataFrame:
    """Compute a metric for every period of the range, also those without calls."""
    over_time = {"every": plan.every, "fill": True, **plan.axis, **options}
    frame = compute_metric(inputs, plan, name, **over_time)
    return frame.with_columns(plan.is_partial) if "period" in frame.columns else frame


def _row_of(frame: pl.DataFrame) -> Row:
    """Return the row of all responses together; zeros if there is none."""
    if len(frame):
        return frame.row(0, named=True)
    return {
        name: 0 if dtype.is_integer() or dtype.is_decimal() else None
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
        shown = over_periods(inputs, plan, name, by=by, top=CHART_TOP)
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


def _undated(inputs: ReportInputs) -> Row:
    """Return the usage of the calls without a date."""
    undated = inputs.choices.filter(pl.col("created").is_null())
    usage = METRICS["token_usage"](undated, every=None, by=())
    return _row_of(usage)


def _uncounted(inputs: ReportInputs, plan: Plan, undated: int) -> list[str]:
    """Return what the logs hold and the figures leave out."""
    found = []
    if undated and not plan.is_open:
        found.append(f"{calls(undated)} without a date")
    if (ledger := inputs.ledger) is None:
        return found
    silent = ledger.filter(responses=0)["hint"].count()
    counts: tuple[tuple[Any, str, str], ...] = (
        (ledger["rejected"].sum(), "line", " that could not be read"),
        (ledger["error"].count(), "log", " read only in part, because of damage"),
        (silent, "file", " without any call"),
        (0 if plan.last_call else ledger["errors"].sum(), "provider error", ""),
    )
    found += [f"{plural(count, noun)}{words}" for count, noun, words in counts if count]
    return found


def _notes(
    inputs: ReportInputs, plan: Plan, periods: Sequence[Mapping[str, Any]]
) -> list[str]:
    """Return sentences for the headline: a log that stopped, calls logged twice."""
    found = []
    repeated: Any = 0 if inputs.ledger is None else inputs.ledger["duplicates"].sum()
    dated = [(one["period"], one["period_end"]) for one in periods if one["period"]]
    if plan.last_call and dated:
        (start, _), (_, end) = dated[0], dated[-1]
        if plan.last_call < start + (end - start) / 2:
            found.append(f"The last call was on {local(plan.last_call, plan.tz)}.")
    if repeated:
        words = "calls that were logged twice are counted once"
        found.append(f"{plural(repeated, 'duplicate')}: {words}.")
    return found


def _facts(
    plan: Plan, totals: Mapping[str, Row], undated: Row, unfinished: int
) -> list[_Count]:
    """Return how far the figures can be trusted."""
    usage, cost = totals["token_usage"], totals["cost"]
    tokens = SPECS["token_usage"]["total_tokens"].figure(undated)
    return [
        (
            "Calls without a price",
            cost["responses_unpriced"] or 0,
            f"of {calls(cost['responses'] or 0)}; their cost is not in the sum",
        ),
        (
            "Calls without usage",
            usage["responses_without_usage"] or 0,
            "their tokens are not known, and not in the sum",
        ),
        (
            "Calls without a date",
            undated["responses"],
            f"tokens: {format_count(tokens, 'sentence', words=True)}; "
            + ("in the sums, in no period" if plan.is_open else "not in the sums"),
        ),
        (
            "Unfinished periods",
            unfinished,
            "not over yet, or cut by the range",
        ),
    ]


def _ledger_of(inputs: ReportInputs) -> list[_Count]:
    """Return the sums of the ledger, with what they count."""
    if inputs.ledger is None:
        return []
    sums = inputs.ledger.sum().row(0, named=True)
    return [(name, sums[name], words) for name, words in _LEDGER_WORDS.items()]


def _without_row(inputs: ReportInputs, sections: Sequence[SectionResult]) -> list[str]:
    """Return what has no row of its own."""
    found = []
    if inputs.ledger is None:
        found.append("an account of the lines: the report was made of a frame")
    if inputs.passed_over:
        found.append(f"files {inputs.passed_over}")
    if folded := max(result.table.folded for result in sections):
        found.append(f"rows of their own for up to {folded:,} small series")
    return found
