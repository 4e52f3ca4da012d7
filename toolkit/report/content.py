"""The contents of a report: every figure and word of it, whatever its form.

`contents_of` asks the metrics; the page, the Markdown and the JSON are written from
what it returns, and so say the same.
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
from toolkit.report.inputs import undated
from toolkit.report.kpis import changes, figures, headline
from toolkit.report.sections import SECTIONS
from toolkit.report.tables import periods_of, series_of, table_of, volume_table
from toolkit.report.wording import (
    calls,
    period_word,
    range_words,
    share_words,
    short,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.expressions.time_ranges import Span
    from toolkit.report.inputs import Material
    from toolkit.report.kpis import Change, Figure
    from toolkit.report.sections import Section
    from toolkit.report.tables import Table

# The metrics of which the five figures are made, and what changed.
_TOLD = ("token_usage", "cost", "truncation_rate", "cache_share", "reasoning_share")
# Metrics that read no more than what is held in memory.
_HELD = {
    "model_mix",
    "finish_reasons",
    "tokens_per_response",
    "output_input_ratio",
    "choices_per_response",
    "response_volume",
}
# Series of a chart over time: so many names have room beside it.
CHART_TOP = 5
_HOUR, _DAY, _WEEK, _MONTH = "1h", "1d", "1w", "1mo"


class Plan(NamedTuple):
    """What a report is asked for, understood."""

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
        """The range, as a metric takes it."""
        return {"since": self.within.start, "until": self.within.end, "tz": self.tz}


class Part(NamedTuple):
    """A section with its figures: what the chart draws, and the table below it."""

    section: Section
    frame: pl.DataFrame
    table: Table
    notes: list[str]


@dataclass(frozen=True)
class Contents:
    """A report."""

    plan: Plan
    range: str
    before: str | None
    headline: str
    figures: list[Figure]
    changes: list[Change]
    parts: list[Part]
    data: Data
    periods: pl.DataFrame  # what is held against a later report
    series: pl.DataFrame
    names: list[str] = field(default_factory=list)  # of series, the largest first


class Data(NamedTuple):
    """What the data page says: is the report to be trusted, and how far."""

    facts: list[tuple[str, str, str]]  # what, how many, in words
    ledger: list[tuple[str, int, str]]
    rejects: list[tuple[str, int, str]]
    undated: tuple[int, int]
    left_out: list[str]


def every_for(within: Span) -> str:
    """Choose the length of a period: some dozens of them in a range."""
    if within.start is None or within.end is None:
        return _DAY
    days = (within.end - within.start).total_seconds() / 86_400
    if days <= 2:
        return _HOUR
    if days <= 62:
        return _DAY
    return _WEEK if days <= 400 else _MONTH


def contents_of(material: Material, plan: Plan) -> Contents:
    """Ask the metrics what a report tells."""
    choices, priced = material.choices, material.priced
    compare: dict[str, Any] = {"compare": "previous"} if plan.compares else {}
    together = {
        name: getattr(metrics, name)(
            priced, every=None, by=(), fill=True, **plan.range, **compare
        )
        for name in _TOLD
    }
    series: dict[str, Any] = {"by": plan.by, "top": plan.top}
    whole = {
        name: getattr(metrics, name)(
            priced, every=None, **series, **plan.range, **compare
        )
        for name in _TOLD
    }
    drawn = {"by": plan.by, "top": CHART_TOP}
    over_time = {
        name: getattr(metrics, name)(priced, every=plan.every, **drawn, **plan.range)
        for name in _TOLD
    }
    totals = {name: _row_of(frame) for name, frame in together.items()}
    drift = metrics.drift(choices, **plan.range)
    word = period_word(plan.within, plan.tz)
    gone = whole["token_usage"].clear()
    earlier = range_before(plan.within, plan.tz) if plan.compares else None
    if earlier:
        gone = metrics.token_usage(
            priced,
            every=None,
            **series,
            tz=plan.tz,
            since=earlier.start,
            until=earlier.end,
        )
    frames = _Frames(whole, over_time, drift)
    known = {section.name: section for section in SECTIONS}
    parts = [
        _part_of(known[name], priced if name in _HELD else choices, plan, frames)
        for name in plan.names
    ]
    by_usage = whole["token_usage"]
    return Contents(
        plan=plan,
        range=range_words(plan.within, plan.tz),
        before=_range_before_words(earlier, plan.tz) if earlier else None,
        headline=headline(totals, word),
        figures=figures(totals, over_time),
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
        parts=parts,
        data=_data_of(material, plan, totals, over_time["token_usage"], parts),
        periods=periods_of(
            over_time["token_usage"], over_time["cost"], over_time["truncation_rate"]
        ),
        series=series_of(by_usage, whole["cost"], plan.by),
        names=_names_of(by_usage, plan.by),
    )


def _range_before_words(within: Span, tz: str) -> str:
    """Write the range before within a sentence."""
    words = range_words(within, tz)
    return words[0].lower() + words[1:] if words.startswith("Week") else words


class _Frames(NamedTuple):
    """Frames that more than one section needs."""

    whole: dict[str, pl.DataFrame]
    over_time: dict[str, pl.DataFrame]
    drift: pl.DataFrame


def _part_of(
    section: Section, choices: pl.LazyFrame, plan: Plan, frames: _Frames
) -> Part:
    """Make a section."""
    if section.name == "drift":
        frame = frames.drift
        return Part(section, frame, table_of(section, frame, ()), [])
    if section.name == "response_volume":
        frame = metrics.response_volume(choices, by=(), **plan.range)
        return Part(section, frame, volume_table(frame), [])
    by = () if section.together else plan.by
    top = None if section.together else plan.top
    options = {"by": by, "top": top, **plan.range}
    made = frames.whole.get(section.name)
    frame = section.metric(choices, every=None, **options) if made is None else made
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
    return Part(section, shown, table, notes)


def _row_of(frame: pl.DataFrame) -> dict[str, Any]:
    """Return the one row of all responses together; zeros where there is none."""
    if len(frame):
        return frame.row(0, named=True)
    nothing = {
        name: Decimal(0) if dtype.is_decimal() else 0 if dtype.is_integer() else None
        for name, dtype in frame.schema.items()
    }
    return dict(nothing)


def _with_calls(
    frame: pl.DataFrame, usage: pl.DataFrame, by: Sequence[str]
) -> pl.DataFrame:
    """Set the calls before beside shares, where a metric does not say them."""
    if "responses_before" in frame.columns or "responses_before" not in usage.columns:
        return frame
    return frame.join(
        usage.select(*by, "responses_before"), on=list(by), how="left", nulls_equal=True
    )


def _names_of(usage: pl.DataFrame, by: Sequence[str]) -> list[str]:
    """Return names of series as charts write them, the largest first."""
    largest = usage.filter(pl.col("folded") == 0).sort(
        "total_tokens", *by, descending=[True, *[False] * len(by)], nulls_last=True
    )
    return [
        ", ".join("not said" if part is None else str(part) for part in row)
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


def _data_of(
    material: Material,
    plan: Plan,
    totals: dict[str, dict[str, Any]],
    periods: pl.DataFrame,
    parts: Sequence[Part],
) -> Data:
    """Say how far the figures can be trusted."""
    usage, cost = totals["token_usage"], totals["cost"]
    count, tokens = undated(material.choices)
    partial = periods.filter(pl.col("partial"))["period"].drop_nulls().n_unique()
    is_open = plan.within.start is None and plan.within.end is None
    facts = [
        (
            "Calls without a price",
            f"{cost['responses_unpriced']:,}",
            f"of {calls(cost['responses'])}; {share_words(cost['unpriced_share'])} of "
            "tokens: their cost is not in the sum",
        ),
        (
            "Calls without usage",
            f"{usage['responses_without_usage']:,}",
            "their tokens are not known, and not in the sum",
        ),
        (
            "Calls without a date",
            f"{count:,}",
            f"with {short(tokens)} tokens; "
            + ("in the sums, in no period" if is_open else "in no range, so not here"),
        ),
        (
            "Unfinished periods",
            f"{partial:,}",
            "the data or the range end within them, or begin",
        ),
    ]
    ledger = []
    if material.ledger is not None:
        sums = material.ledger.sum().row(0, named=True)
        ledger = [(name, int(sums[name] or 0), words) for name, words in _LEDGER_WORDS]
    return Data(
        facts,
        ledger,
        [(row.code, row.lines, row.first) for row in material.rejects],
        (count, tokens),
        _left_out(material, parts, count, is_open=is_open),
    )


def _left_out(
    material: Material, parts: Sequence[Part], count: int, *, is_open: bool
) -> list[str]:
    """Say what is not in the figures, or in no row of its own."""
    said = []
    if count and not is_open:
        said.append(f"{calls(count)} without a date")
    if material.ledger is not None:
        damaged = material.ledger["error"].count()
        if damaged:
            said.append(f"the damaged part of {plural(damaged, 'log')}")
        strange = material.ledger["hint"].count()
        if strange:
            said.append(f"{plural(strange, 'file')} that look like no log")
    else:
        said.append("an account of the lines: the report was made of a frame")
    if material.passed_over:
        said.append(f"files {material.passed_over}")
    folded = max((part.table.folded for part in parts), default=0)
    if folded:
        said.append(f"rows of their own for up to {folded:,} small series")
    return said
