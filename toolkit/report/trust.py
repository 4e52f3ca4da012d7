"""What to trust: every line of the range, and what the figures leave out, in money.

What is missing is estimated at what the rest costs. Where no price is known nothing can
be estimated, and it stays unknown. The words of the rows are in ``words.toml``.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import plural
from toolkit.expressions.choices import first_choice, is_unseen
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import format_day
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import (
    capitalize,
    format_count,
    format_name,
    format_share,
    join_words,
)
from toolkit.metrics.registry import METRICS
from toolkit.reading.discovery import passed_over_words
from toolkit.reading.ledger import LINE_COUNTS
from toolkit.report.inputs import count_lines
from toolkit.report.model import Gap, Head, LineCount, Restated, Trust
from toolkit.report.tables import (
    cost_of,
    figure_of,
    priced_calls,
    row_of,
    short_names,
    tokens_of,
)
from toolkit.report.wording import WORDS, calls, usd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.report.inputs import RangeLines, ReportInputs
    from toolkit.report.tables import MetricTables, Row

_MOST_NAMES = 3
_PARTS = ("prompt_tokens", "completion_tokens")
_CALLS, _TOKENS = "responses_unpriced", "tokens_unpriced"
_ESTIMATE = (
    "What the missing part would add if it cost what the rest costs. An estimate, and "
    "in no known cost."
)
_NOTHING = Figure(0)


class _Data:
    """The calls of the report, what they cost, and the account of the lines.

    `lines` are those of the range; where they cannot be known, `why_whole` says why the
    counts are those of the whole logs. `undated` is the cost of all undated calls.
    """

    def __init__(self, tables: MetricTables, inputs: ReportInputs) -> None:
        plan = self.plan = tables.plan
        self.tables, self.inputs, self.unit = tables, inputs, plan.unit
        self.cost, self.undated = tables.row("cost"), _undated_cost(tables)
        has_gap = self.cost[_CALLS] > 0
        self.lacking = _cost_without_usage(tables) if has_gap else []
        self.lines: RangeLines | None = None
        self.why_whole, self.counts, ledger = "", {}, inputs.ledger
        if ledger is None:
            return
        sums = ledger.sum().row(0, named=True)
        undated = 0 if plan.is_open else self.undated["responses"]
        self.counts = {name: sums[name] for name in LINE_COUNTS}
        self.counts |= {"responses": sums["responses"] - undated, "undated": undated}
        if plan.is_open:
            return
        self.why_whole, lines = "the place of each line is not known", None
        if inputs.places is not None:
            self.why_whole = "the logs are not in order of time"
            lines = count_lines(tables.choices, inputs.places, ledger, plan.within)
        if lines is not None:
            self.why_whole = f"none of them is known to be of this {plan.unit}"
            if lines.counts.total():
                self.why_whole, self.lines = "", lines
                self.counts = dict(lines.counts)

    def sum_lacking(self, name: str, **where: object) -> int:
        """Return a sum over the calls without a cost for want of their usage."""
        rows = (row for row in self.lacking if where.items() <= row.items())
        return sum(row[name] or 0 for row in rows)

    def estimate(self, tokens: int | None = 0, count: int | None = 0) -> Figure:
        """Return what tokens and calls would cost if they cost what the rest costs."""
        known = (self.cost["total_tokens"] or 0) - (self.cost["tokens_unpriced"] or 0)
        found = _NOTHING
        for number, of in ((tokens, known), (count, priced_calls(self.cost))):
            if number:
                rate = Figure(self.cost["cost"]) / of
                found += Figure(rate.number * number) if rate.is_known else UNKNOWN
        return Figure(found.value, "approximate")


def build_trust(
    tables: MetricTables, inputs: ReportInputs, restated: Restated | None = None
) -> Trust:
    """Build the account of the lines, and what is missing with what to do about it."""
    data = _Data(tables, inputs)
    rows = [gap for build in _GAPS for gap in build(data)]
    rows += _late(data, restated)
    known = [row.could_add for row in rows if row.could_add.is_known]
    total = None
    if any(figure.value for figure in known):
        words = f"on top of {usd(cost_of(data.cost))}"
        words += ", and what is unknown" * (len(known) < len(rows))
        amount = Figure(sum(known, _NOTHING).value, "approximate")
        total = _gap("together", amount, words)
    where = "all logs" if data.why_whole else "this report"
    lines = [
        LineCount(name, count, (one if count == 1 else many).format(where), mark)
        for name, (one, many, mark) in WORDS["lines"].items()
        if (count := data.counts.get(name, 0)) or (name == "responses" and data.counts)
    ]
    notes = []
    if inputs.ledger is None:
        notes = ["The calls are from a table, so log lines are not known."]
    elif data.why_whole:
        notes = [f"The lines are those of the whole logs: {data.why_whole}."]
    notes += [_ESTIMATE] if total is not None else []
    head = Head("What to trust", _title(data, rows, total), " ".join(notes))
    return Trust(head, lines, rows, total, data.lines is not None)


def uncounted(tables: MetricTables, inputs: ReportInputs) -> list[str]:
    """Return what the logs hold and no figure contains, in words."""
    undated = 0 if tables.plan.is_open else _undated_cost(tables)["responses"]
    counts = [(undated, "call", " without a date")]
    if (ledger := inputs.ledger) is not None:
        errors = 0 if tables.plan.last_call else ledger["errors"].sum()
        counts += [
            (int(ledger["rejected"].sum()), "line", " that could not be read"),
            (ledger["error"].count(), "log", " read only in part, because of damage"),
            (ledger.filter(responses=0)["hint"].count(), "file", " without any call"),
            (errors, "provider error", ""),
            (ledger["duplicates"].sum(), "line", " of calls that were logged twice"),
        ]
    return [f"{plural(count, noun)}{words}" for count, noun, words in counts if count]


def _undated_cost(tables: MetricTables, places: pl.DataFrame | None = None) -> Row:
    """Return the cost of the calls without a date: of all, or those at some places."""
    choices = tables.choices.filter(pl.col("created").is_null())
    if places is not None:
        choices = choices.join(places.lazy(), on=["log_id", "line"], how="semi")
    return row_of(METRICS["cost"](choices, every=None, by=()))


def _cost_without_usage(tables: MetricTables) -> list[Row]:
    """Return the cost of the calls that need their usage to have one, not a price.

    By model, and by whether they report how many tokens they used in all.
    """
    choices, parts = tables.choices.filter(first_choice()), _PARTS
    if "usage_problem" not in choices.collect_schema().names():
        choices = choices.with_columns(usage_problem=pl.lit(None, pl.String))
    is_partial = is_unseen("total_tokens") & pl.col("total_tokens").is_not_null()
    is_zero = pl.sum_horizontal(*parts, "total_tokens") == 0
    lacks = is_partial | is_zero | pl.any_horizontal(pl.col(*parts).is_null())
    has_total = ~is_unseen("total_tokens") & (pl.col("total_tokens") > 0)
    rows = choices.filter(lacks).with_columns(has_total=has_total)
    options: dict[str, Any] = {**tables.plan.range, **tables.by_series}
    options |= {"by": ("model", "has_total"), "fill": True}
    return list(METRICS["cost"](rows, **options).iter_rows(named=True))


def _gap(name: str, could_add: Figure, words: str, count: int = 1) -> Gap:
    """Return a row of the table; its label and what to do are in ``words.toml``."""
    label, one, many = WORDS["gaps"][name]
    return Gap(name, label, could_add, words, one if count == 1 else many)


def _title(data: _Data, rows: list[Gap], total: Gap | None) -> str:
    """Return how many lines are accounted for, and what may be missing."""
    unknown = [row.name for row in rows if not row.could_add.is_known]
    missing = "nothing is missing from the total" + " so far" * (unknown == ["late"])
    if total is not None:
        missing = f"{usd(total.could_add)} may be missing from the total"
    elif unknown not in ([], ["late"]):
        missing = "what is missing cannot be estimated"
    ledger, count = data.inputs.ledger, sum(data.counts.values())
    if ledger is None:
        return capitalize(missing)
    of = "lines of the logs" if data.lines is None else f"log lines of the {data.unit}"
    if damaged := ledger["error"].count():
        text = f"{plural(damaged, 'log')} could be read only in part"
    elif count <= 1:
        text = f"The only {of.replace('lines', 'line')} is accounted for"
        text = text if count else "The logs have no lines"
    else:
        both = "Both" if count == 2 else f"All {count:,}"
        text = f"{both} {of} are accounted for"
    return f"{text}; {missing}"


def _unpriced(data: _Data) -> Iterator[Gap]:
    """Yield the calls without a known price, and the models with most of them."""
    row = dict(data.cost)
    for end in ("", "_before") if data.plan.compares else ("",):
        tokens, of = (row[f"{name}{end}"] or 0 for name in (_TOKENS, "total_tokens"))
        tokens -= data.sum_lacking(f"{_TOKENS}{end}")
        row[f"{_TOKENS}{end}"] = tokens
        row[f"unpriced_share{end}"] = tokens / of if of else None
    count = row[_CALLS] - data.sum_lacking(_CALLS)
    if not count:
        return
    words = f"{count:,} of {calls(row['responses'])}"
    now, before = (
        figure_of("cost", "unpriced_share", row, end) for end in ("", "_before")
    )
    if now.is_known:
        words += f", {format_share(now, words=True)} of tokens"
        words += f" ({format_share(before, words=True)} before)" * before.is_known
    table = data.tables.series("cost", by=("model",))
    unpriced = {
        name: number - data.sum_lacking(_CALLS, model=name)
        for name, number in table.select("model", _CALLS).rows()
    }
    short = short_names(name for name in unpriced if name is not None)
    # As polars sorts: null first.
    most = sorted(unpriced, key=lambda name: (-unpriced[name], name or ""))
    models = [name for name in most if unpriced[name]]
    parts = [
        f"{short.get(name, format_name(name))} ({unpriced[name]:,})"
        for name in models[:_MOST_NAMES]
    ]
    if others := sum(unpriced[name] for name in models[_MOST_NAMES:]):
        parts.append(f"others ({others:,})")
    words += f": {', '.join(parts)}."
    could_add = data.estimate(tokens=row[_TOKENS])
    if not could_add.is_known:
        words += " Without any known price nothing can be estimated."
    yield _gap("unpriced", could_add, words, len(models))


def _without_usage(data: _Data) -> Iterator[Gap]:
    """Yield the calls that do not report all their tokens."""
    row, choices, lacking = data.cost, data.tables.choices, data.sum_lacking
    # These may report a total, which is not enough to price them.
    others = lacking(_CALLS) - lacking(f"{_CALLS}_without_usage")
    count = row["responses_without_usage"] + others
    if not count:
        return
    words = f"{count:,} of {calls(row['responses'])}"
    if unpriced := row[f"{_CALLS}_without_usage"] + others:
        has = "has" if unpriced == 1 else "have"
        words += f"; {unpriced:,} of them {has} no known cost"
    if "usage_problem" in choices.collect_schema().names():
        is_cut = (first_choice(), *data.plan.within.conditions())
        rows = choices.filter(*is_cut, usage_problem="cut_off").select(pl.len())
        if cut := int(rows.collect().item()):
            words += f"; {plural(cut, 'stream')} cut off"
    tokens = lacking(_TOKENS, has_total=True)
    could_add = data.estimate(tokens, lacking(_CALLS, has_total=False))
    yield _gap("without_usage", could_add, f"{words}.", count)


def _rejected(data: _Data) -> Iterator[Gap]:
    """Yield the lines that cannot be read, and why they cannot."""
    count, unit = data.counts.get("rejected", 0), data.unit
    if not count:
        return
    codes = {one.code: one.lines for one in data.inputs.rejects}
    if data.lines is not None:
        codes = dict(data.lines.others["code"].drop_nulls().value_counts().iter_rows())
    codes.pop("error_response", None)
    most = sorted(codes, key=lambda code: (-codes[code], code))[:_MOST_NAMES]
    why = join_words([WORDS["codes"].get(code, code) for code in most])
    words = f"{count:,} of {plural(sum(data.counts.values()), 'log line')}: {why}."
    if data.lines is not None:
        its = "Its place in the log puts it" if count == 1 else "Their places put them"
        words += f" {its} in this {unit}."
    elif not data.plan.is_open:
        words += f" How many are of this {unit} is unknown."
    is_placed = data.lines is not None or data.plan.is_open
    could_add = data.estimate(count=count) if is_placed else UNKNOWN
    yield _gap("rejected", could_add, words, count)


def _undated(data: _Data) -> Iterator[Gap]:
    """Yield the calls without a date."""
    row, could_add, in_all = data.undated, UNKNOWN, data.undated["responses"]
    if not in_all:
        return
    if data.lines is not None:
        row = _undated_cost(data.tables, data.lines.others)
        silent = row["responses_unpriced_without_usage"]
        rest = data.estimate(row["tokens_unpriced"], silent)
        could_add = Figure((rest + (row["cost"] or 0)).value, "approximate")
    count, tokens = row["responses"], tokens_of(row)
    used = format_count(tokens, "sentence", words=True)
    used = f", {used} tokens" if tokens.is_known else ", tokens unknown"
    if data.lines is not None:
        words = f"{count or 'None'} by place in the log" + used * bool(count)
        words += f"; {in_all:,} in the whole log" * (count != in_all)
    elif data.plan.is_open:
        could_add = _NOTHING
        words = f"{calls(count)}{used}: in all totals, in no period"
    else:
        words = f"{calls(count)} in all the data{used}; how many are of this "
        words += f"{data.unit} is unknown"
    yield _gap("undated", could_add, f"{words}.", count)


def _files(data: _Data) -> Iterator[Gap]:
    """Yield the logs that were not read, or not to the end, or that have no calls."""
    ledger, words = data.inputs.ledger, []
    if ledger is not None:
        if damaged := ledger["error"].count():
            of = f"{plural(damaged, 'log')} of {len(ledger):,}, because of damage."
            yield _gap("damaged", UNKNOWN, of, damaged)
        if silent := len(ledger.filter(pl.col("lines") > pl.col("blank"), responses=0)):
            words.append(f"{plural(silent, 'file')} without any call.")
    if data.lines is not None and (lines := data.lines.without_dates):
        words.append(
            f"{plural(lines, 'line')} of files without a dated call cannot be placed, "
            "and are not counted here."
        )
    if words:
        yield _gap("silent", UNKNOWN, " ".join(words), 2)
    if passed := data.inputs.passed_over:
        of = f"{passed_over_words(passed).capitalize()}."
        yield _gap("passed_over", UNKNOWN, of, sum(passed.values()))


_GAPS = (_unpriced, _without_usage, _rejected, _undated, _files)


def _late(data: _Data, restated: Restated | None) -> Iterator[Gap]:
    """Yield whether calls of the range may still come, or have come since."""
    plan, lines = data.plan, data.lines
    if plan.is_open:
        return
    until = plan.axis["until"].astimezone(zone_of(plan.tz))
    end = until - timedelta(microseconds=1)
    is_sure = False
    if plan.within.end is None or plan.within.end > plan.now:
        words = f"The {plan.unit} is not over."
    elif lines is None:
        words = "Unknown: it is not known whether the logs are in order of time."
    elif is_sure := lines.has_later:
        words = (
            f"None: the logs are in order of time and go on after {format_day(end)}."
        )
    else:
        words = f"Perhaps: a log has no call after {format_day(end)}."
    if restated is not None:
        words += f" {restated.head.title}."
    yield _gap("late", _NOTHING if is_sure else UNKNOWN, words, 1 if is_sure else 2)
