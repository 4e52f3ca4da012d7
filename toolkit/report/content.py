"""The content of a report: all its figures and text, independent of the format.

`build_content` computes the metrics; all formats are written from its result.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from polars import selectors

from toolkit import metrics
from toolkit.errors import plural
from toolkit.expressions.time_ranges import before as range_before
from toolkit.formatting.text import UNKNOWN_TEXT, format_count, format_share
from toolkit.report.changes import changes
from toolkit.report.headline import headline
from toolkit.report.inputs import undated
from toolkit.report.kpis import build_kpis
from toolkit.report.sections import SECTIONS
from toolkit.report.tables import periods_of, series_of, table_of, volume_table
from toolkit.report.wording import calls, period_word, range_words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.expressions.time_ranges import Span
    from toolkit.report.changes import Change
    from toolkit.report.inputs import ReportInputs
    from toolkit.report.kpis import Kpi
    from toolkit.report.sections import Section
    from toolkit.report.tables import Table

# Metrics that the key figures and the changes are computed from.
_MAIN_METRICS = (
    "token_usage",
    "cost",
    "truncation_rate",
    "cache_share",
    "reasoning_share",
)
# Metrics that need only the columns that are in memory.
_IN_MEMORY = {
    "model_mix",
    "finish_reasons",
    "tokens_per_response",
    "output_input_ratio",
    "choices_per_response",
    "response_volume",
}
# Series of a chart over time: as many names as have room beside it.
CHART_TOP = 5
_HOUR, _DAY, _WEEK, _MONTH = "1h", "1d", "1w", "1mo"


class Plan(NamedTuple):
    """The checked options of a report."""

    within: Span
    compares: bool
    tz: str
    every: str
    by: tuple[str, ...]
    top: int
    names: tuple[str, ...]
    title: str

    @property
    def range(self) -> dict[str, Any]:
        """The range, as options of a metric."""
        return {"since": self.within.start, "until": self.within.end, "tz": self.tz}


class SectionResult(NamedTuple):
    """A section with its result: the frame of the chart, and the table below it."""

    section: Section
    frame: pl.DataFrame
    table: Table
    notes: list[str]


@dataclass(frozen=True)
class ReportContent:
    """Everything that a report says."""

    plan: Plan
    range: str
    before: str | None
    headline: str
    kpis: list[Kpi]
    changes: list[Change]
    sections: list[SectionResult]
    data: Data
    periods: pl.DataFrame  # to compare with a later report
    series: pl.DataFrame
    names: list[str] = field(default_factory=list)  # of series, the largest first


class Data(NamedTuple):
    """How complete the data is, and how far the report can be trusted."""

    facts: list[tuple[str, str, str]]  # what, how many, in words
    ledger: list[tuple[str, int, str]]
    rejects: list[tuple[str, int, str]]
    undated: tuple[int, int]
    left_out: list[str]


def every_for(within: Span) -> str:
    """Return a length of period that cuts a range into some dozens."""
    if within.start is None or within.end is None:
        return _DAY
    days = (within.end - within.start).total_seconds() / 86_400
    if days <= 2:
        return _HOUR
    if days <= 62:
        return _DAY
    return _WEEK if days <= 400 else _MONTH


def build_content(inputs: ReportInputs, plan: Plan) -> ReportContent:
    """Compute the content of a report."""
    choices, priced = inputs.choices, inputs.priced
    compare: dict[str, Any] = {"compare": "previous"} if plan.compares else {}
    series: dict[str, Any] = {"every": None, "by": plan.by, "top": plan.top}
    together = _compute(priced, plan, every=None, by=(), fill=True, **compare)
    whole = _compute(priced, plan, **series, **compare)
    over_time = _compute(priced, plan, every=plan.every, by=plan.by, top=CHART_TOP)
    totals = {name: _row_of(frame) for name, frame in together.items()}
    drift = metrics.drift(choices, **plan.range)
    gone = whole["token_usage"].clear()
    earlier = range_before(plan.within, plan.tz) if plan.compares else None
    if earlier:
        before = plan._replace(within=earlier).range
        gone = metrics.token_usage(priced, **series, **before)
    frames = _Frames(whole, over_time, drift)
    known = {section.name: section for section in SECTIONS}
    sections = [
        _build_section(
            known[name], priced if name in _IN_MEMORY else choices, plan, frames
        )
        for name in plan.names
    ]
    by_usage = whole["token_usage"]
    return ReportContent(
        plan=plan,
        range=range_words(plan.within, plan.tz),
        before=_range_before_words(earlier, plan.tz) if earlier else None,
        headline=headline(totals, period_word(plan.within, plan.tz)),
        kpis=build_kpis(totals, over_time),
        changes=changes(
            whole["cost"],
            by_usage,
            whole["truncation_rate"],
            _with_calls(whole["cache_share"], by_usage, plan.by),
            _with_calls(whole["reasoning_share"], by_usage, plan.by),
            gone,
            drift,
            series=plan.by,
            since=plan.within.start,
        )
        if plan.compares
        else [],
        sections=sections,
        data=_build_data(inputs, plan, totals, over_time["token_usage"], sections),
        periods=periods_of(
            over_time["token_usage"], over_time["cost"], over_time["truncation_rate"]
        ),
        series=series_of(by_usage, whole["cost"], plan.by),
        names=_names_of(by_usage, plan.by),
    )


def _compute(
    priced: pl.LazyFrame, plan: Plan, **options: object
) -> dict[str, pl.DataFrame]:
    """Compute the main metrics over the range of a report."""
    return {
        name: getattr(metrics, name)(priced, **options, **plan.range)
        for name in _MAIN_METRICS
    }


def _range_before_words(within: Span, tz: str) -> str:
    """Return the name of the range before, as it reads within a sentence."""
    words = range_words(within, tz)
    return words[0].lower() + words[1:] if words.startswith("Week") else words


class _Frames(NamedTuple):
    """Frames that more than one section needs."""

    whole: dict[str, pl.DataFrame]
    over_time: dict[str, pl.DataFrame]
    drift: pl.DataFrame


def _build_section(
    section: Section, choices: pl.LazyFrame, plan: Plan, frames: _Frames
) -> SectionResult:
    """Compute a section."""
    if section.name == "drift":
        frame = frames.drift
        return SectionResult(section, frame, table_of(section, frame, ()), [])
    if section.name == "response_volume":
        frame = metrics.response_volume(choices, by=(), **plan.range)
        return SectionResult(section, frame, volume_table(frame), [])
    by = () if section.together else plan.by
    top = None if section.together else plan.top
    options = {"by": by, "top": top, **plan.range}
    known = frames.whole.get(section.name)
    frame = section.metric(choices, every=None, **options) if known is None else known
    frame = frame.with_columns(selectors.categorical().cast(pl.String))
    table = table_of(section, frame, by)
    shown = frame
    if section.over_time:
        known = frames.over_time.get(section.name)
        shown = (
            section.metric(choices, every=plan.every, **{**options, "top": CHART_TOP})
            if known is None
            else known
        )
    notes = []
    if table.folded:
        notes.append(f"{table.folded:,} smaller ones are in one row: sums are exact.")
    return SectionResult(section, shown, table, notes)


def _row_of(frame: pl.DataFrame) -> dict[str, Any]:
    """Return the row of all responses together; zeros if there is none."""
    if len(frame):
        return frame.row(0, named=True)
    return {
        name: Decimal(0) if dtype.is_decimal() else 0 if dtype.is_integer() else None
        for name, dtype in frame.schema.items()
    }


def _with_calls(
    frame: pl.DataFrame, usage: pl.DataFrame, by: Sequence[str]
) -> pl.DataFrame:
    """Add the calls of the range before to the frame of a share that lacks them."""
    if "responses_before" in frame.columns or "responses_before" not in usage.columns:
        return frame
    return frame.join(
        usage.select(*by, "responses_before"), on=list(by), how="left", nulls_equal=True
    )


def _names_of(usage: pl.DataFrame, by: Sequence[str]) -> list[str]:
    """Return the names of series as charts write them, the largest first."""
    largest = usage.filter(pl.col("folded") == 0).sort(
        "total_tokens", *by, descending=[True, *[False] * len(by)], nulls_last=True
    )
    return [
        ", ".join(UNKNOWN_TEXT if part is None else str(part) for part in row)
        for row in largest.select(by).iter_rows()
    ]


_LEDGER_WORDS = (
    ("lines", "lines in the logs"),
    ("blank", "blank lines"),
    ("responses", "responses: one a call"),
    ("duplicates", "lines that repeat a response: counted once"),
    ("outside", "responses outside the range that was exported"),
    ("errors", "errors of a provider: no answer was given"),
    ("rejected", "rejects: lines that could not be read"),
    ("choices", "choices: one an answer"),
)


def _build_data(
    inputs: ReportInputs,
    plan: Plan,
    totals: dict[str, dict[str, Any]],
    periods: pl.DataFrame,
    sections: Sequence[SectionResult],
) -> Data:
    """Compute how far the figures can be trusted."""
    usage, cost = totals["token_usage"], totals["cost"]
    count, tokens = undated(inputs.choices)
    partial = periods.filter(pl.col("partial"))["period"].drop_nulls().n_unique()
    is_open = plan.within.start is None and plan.within.end is None
    facts = [
        (
            "Calls without a price",
            format_count(cost["responses_unpriced"]),
            f"of {calls(cost['responses'])}; {format_share(cost['unpriced_share'])} of "
            "tokens: their cost is not in the sum",
        ),
        (
            "Calls without usage",
            format_count(usage["responses_without_usage"]),
            "their tokens are not known, and not in the sum",
        ),
        (
            "Calls without a date",
            format_count(count),
            f"with {format_count(tokens, 'sentence')} tokens; "
            + ("in the sums, in no period" if is_open else "in no range, so not here"),
        ),
        (
            "Unfinished periods",
            format_count(partial),
            "the data or the range end within them, or begin",
        ),
    ]
    ledger = []
    if inputs.ledger is not None:
        sums = inputs.ledger.sum().row(0, named=True)
        ledger = [(name, int(sums[name] or 0), words) for name, words in _LEDGER_WORDS]
    return Data(
        facts,
        ledger,
        [(row.code, row.lines, row.first) for row in inputs.rejects],
        (count, tokens),
        _left_out(inputs, sections, count, is_open=is_open),
    )


def _left_out(
    inputs: ReportInputs,
    sections: Sequence[SectionResult],
    count: int,
    *,
    is_open: bool,
) -> list[str]:
    """Return what is not in the figures, or has no row of its own."""
    left_out = []
    if count and not is_open:
        left_out.append(f"{calls(count)} without a date")
    if inputs.ledger is not None:
        damaged = inputs.ledger["error"].count()
        if damaged:
            left_out.append(f"the damaged part of {plural(damaged, 'log')}")
        strange = inputs.ledger["hint"].count()
        if strange:
            left_out.append(f"{plural(strange, 'file')} that look like no log")
    else:
        left_out.append("an account of the lines: the report was made of a frame")
    if inputs.passed_over:
        left_out.append(f"files {inputs.passed_over}")
    folded = max((result.table.folded for result in sections), default=0)
    if folded:
        left_out.append(f"rows of their own for up to {folded:,} small series")
    return left_out
