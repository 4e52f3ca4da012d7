"""The content of a report: all its figures and text, independent of the format.

`build_content` computes the metrics; all formats are written from its result.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl

from toolkit.errors import plural
from toolkit.expressions.time_ranges import before as range_before
from toolkit.formatting.text import UNKNOWN_TEXT, format_count
from toolkit.metrics.engine import compute_several
from toolkit.metrics.registry import METRICS, SPECS
from toolkit.reading.discovery import passed_over_words
from toolkit.report.changes import Change, changes
from toolkit.report.inputs import MAIN_METRICS, Plan, ReportInputs
from toolkit.report.kpis import build_kpis
from toolkit.report.old_provenance import Provenance, build_provenance
from toolkit.report.tables import Table, periods_of, series_of, table_of, volume_table
from toolkit.report.wording import calls, headline, local, range_words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from toolkit.reading.ledger import RejectCount
    from toolkit.report.kpis import Kpi, Row
    from toolkit.report.sections import Section

    _Count = tuple[str, int, str]  # name, count, meaning

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
    no_date = inputs.choices.filter(pl.col("created").is_null())
    undated = _row_of(METRICS["token_usage"](no_date, every=None, by=()))
    uncounted = _uncounted(inputs, plan, undated["responses"])
    # Nothing is known if all that there is could not be counted.
    is_known = (
        plan.last_call or (plan.is_open and undated["responses"]) or not uncounted
    )
    plan = plan._replace(compares=bool(plan.compares and is_known))
    tables = {
        name: _compute_tables(inputs, plan, name)
        for name in dict.fromkeys([*MAIN_METRICS, *(one.name for one in plan.sections)])
    }
    totals = {name: tables[name]["total"] for name in MAIN_METRICS}
    together = {name: tables[name]["periods"] for name in MAIN_METRICS}
    rows: dict[str, Row] = {name: _row_of(frame) for name, frame in totals.items()}
    if not is_known:
        rows = {name: dict.fromkeys(frame.columns) for name, frame in totals.items()}
        together = {name: frame.clear() for name, frame in together.items()}
    periods = periods_of(together)
    before, moved = None, []
    if plan.compares:
        earlier = plan._replace(within=range_before(plan.within, plan.tz))
        before = range_words(earlier.within, plan.tz).replace("Week", "week", 1)
        largest: dict[str, Any] = {"every": None, "by": plan.by, "top": plan.top}
        (gone,) = _compute_metric(inputs, earlier, "token_usage", largest)
        whole = {name: tables[name]["whole"] for name in MAIN_METRICS}
        (whole["drift"],) = _compute_metric(inputs, plan, "drift", {})
        moved = changes(whole, gone, plan.by, plan.within.start)
    sections = [_build_section(one, tables[one.name], plan) for one in plan.sections]
    costs = tables["cost"]["series"]
    series = series_of(tables["token_usage"]["whole"], costs, plan.by)
    facts = _facts(plan, rows, undated, periods)
    left_out = [*uncounted, *_without_row(inputs, sections)]
    ends = [one["period_end"] for one in periods if one["period_end"]]
    uses_clock = any(end > plan.now for end in ends)
    return ReportContent(
        plan=plan,
        provenance=build_provenance(plan, inputs, prices, uses_clock),
        against=against,
        range=range_words(plan.within, plan.tz),
        before=before,
        headline=headline(rows, plan, undated["responses"], uncounted)
        + _silence(plan, periods),
        kpis=build_kpis(rows, together),
        changes=moved,
        sections=sections,
        data=_build_data(inputs, plan, facts, left_out),
        periods=periods,
        series=series,
        names=_names_of(series, plan.by),
    )


def _compute_tables(
    inputs: ReportInputs, plan: Plan, name: str
) -> dict[str, pl.DataFrame]:
    """Compute the tables of a metric that the report needs, with one reading.

    They are its total, that of each series (of the largest ones, in ``whole``), and
    its periods, of all series together and of the largest ones.
    """
    section = next((one for one in plan.sections if one.name == name), None)
    compare: dict[str, Any] = {"compare": "previous"} if plan.compares else {}
    whole: dict[str, Any] = {"every": None, "by": plan.by, "top": plan.top}
    if section is not None and section.together:
        whole |= {"by": (), "top": None}
    queries = {"whole": whole}
    if name in MAIN_METRICS:
        queries = {
            "whole": {**whole, **compare},
            "total": {"every": None, "by": (), "fill": True, **compare},
            "periods": {**_over_time(plan), "by": ()},
        }
    if name == "cost":
        queries["series"] = {"every": None, "by": plan.by}
    if section is not None and section.over_time:
        queries["over_time"] = {**_over_time(plan), "by": plan.by, "top": CHART_TOP}
    frames = _compute_metric(inputs, plan, name, *queries.values())
    return dict(zip(queries, frames, strict=True))


def _compute_metric(
    inputs: ReportInputs, plan: Plan, name: str, *several: Mapping[str, object]
) -> list[pl.DataFrame]:
    """Compute a metric over the range of a report, with several sets of options.

    Options that it does not have are left out.
    """
    spec = SPECS[name]
    options = [
        {key: value for key, value in one.items() if key in spec.option_names}
        for one in ({**plan.range, **own} for own in several)
    ]
    if len(options) == 1:
        found = [METRICS[name](inputs.choices, **options[0])]
    else:
        found = compute_several(spec, inputs.choices, options)
    return [
        table.with_columns(plan.is_partial) if "period" in table.columns else table
        for table in found
    ]


def _over_time(plan: Plan) -> dict[str, Any]:
    """Return the options for every period of the range, also those without calls."""
    return {"every": plan.every, "fill": True, **plan.axis}


def over_periods(
    inputs: ReportInputs, plan: Plan, name: str, **options: object
) -> pl.DataFrame:
    """Compute a metric for every period of the range, also those without calls."""
    (frame,) = _compute_metric(inputs, plan, name, {**_over_time(plan), **options})
    return frame


def _row_of(frame: pl.DataFrame) -> Row:
    """Return the row of all responses together; zeros if there is none."""
    if len(frame):
        return frame.row(0, named=True)
    return {
        name: 0 if dtype.is_integer() or dtype.is_decimal() else None
        for name, dtype in frame.schema.items()
    }


def _build_section(
    section: Section, tables: Mapping[str, pl.DataFrame], plan: Plan
) -> SectionResult:
    """Build a section from the tables of its metric."""
    frame = tables["whole"]
    by = () if section.together else plan.by
    is_volume = section.name == "response_volume"
    table = volume_table(frame) if is_volume else table_of(section, frame, by)
    notes = []
    if table.folded and section.name != "drift":
        notes.append(f"{table.folded:,} smaller ones are summed in one row.")
    return SectionResult(section, tables.get("over_time", frame), table, notes)


def _names_of(series: Sequence[Mapping[str, Any]], by: Sequence[str]) -> list[str]:
    """Return the names of series as charts write them, the largest first."""
    largest = sorted(series, key=lambda one: one["tokens"] or 0, reverse=True)
    return [
        ", ".join(UNKNOWN_TEXT if one[name] is None else str(one[name]) for name in by)
        for one in largest
    ]


_LEDGER_WORDS = {
    "lines": "lines in the logs",
    "blank": "blank lines",
    "responses": "responses: one a call",
    "chunks": "further lines of responses that were streamed",
    "duplicates": "lines that repeat a response: counted once",
    "outside": "responses outside the range that was exported",
    "errors": "errors of a provider: no answer was given",
    "rejected": "rejects: lines that could not be read",
    "choices": "choices: one an answer",
}


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
        (ledger["duplicates"].sum(), "line", " of calls that were logged twice"),
    )
    found += [f"{plural(count, noun)}{words}" for count, noun, words in counts if count]
    return found


def _silence(plan: Plan, periods: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence on a log of which half of the range or more has no calls."""
    dated = [(one["period"], one["period_end"]) for one in periods if one["period"]]
    if not plan.last_call or not dated:
        return ""
    (start, _), (_, end) = dated[0], dated[-1]
    stopped = plan.last_call < start + (end - start) / 2
    last = local(plan.last_call, plan.tz)
    return f" The last call was on {last}." if stopped else ""


def _facts(
    plan: Plan,
    totals: Mapping[str, Row],
    undated: Row,
    periods: Sequence[Mapping[str, Any]],
) -> list[_Count]:
    """Return how far the figures can be trusted."""
    unpriced = totals["cost"]["responses_unpriced"] or 0
    silent = totals["token_usage"]["responses_without_usage"] or 0
    tokens = SPECS["token_usage"]["total_tokens"].figure(undated)
    words = f"tokens: {format_count(tokens, 'sentence', words=True)}; "
    unfinished = sum(one["partial"] for one in periods)
    words += "in the sums, in no period" if plan.is_open else "not in the sums"
    return [
        ("Calls without a price", unpriced, "their cost is not in the sum"),
        ("Calls without full usage", silent, "their tokens are not all in the sum"),
        ("Calls without a date", undated["responses"], words),
        ("Unfinished periods", unfinished, "not over yet, or cut by the range"),
    ]


def _build_data(
    inputs: ReportInputs, plan: Plan, facts: list[_Count], left_out: list[str]
) -> Data:
    """Return how complete the data is, with the sums of the ledger."""
    sums = {} if inputs.ledger is None else inputs.ledger.sum().row(0, named=True)
    words = _LEDGER_WORDS.items() if sums else ()
    ledger = [(name, sums[name], meaning) for name, meaning in words]
    last = local(plan.last_call, plan.tz) if plan.last_call else None
    return Data(facts, ledger, inputs.rejects, left_out, last)


def _without_row(inputs: ReportInputs, sections: Sequence[SectionResult]) -> list[str]:
    """Return what has no row of its own."""
    found = []
    if inputs.ledger is None:
        found.append("an account of the lines: the report was made of a frame")
    if inputs.passed_over:
        found.append(f"files {passed_over_words(inputs.passed_over)}")
    if folded := max(result.table.folded for result in sections):
        found.append(f"rows of their own for up to {folded:,} small series")
    return found
