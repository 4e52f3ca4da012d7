"""What to trust: every line of the range, and what the figures leave out, in money.

What is missing is estimated at what the rest costs. Where no price is known nothing can
be estimated, and it stays unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import plural
from toolkit.expressions.choices import first_choice
from toolkit.expressions.time_ranges import zone_of
from toolkit.formatting.dates import format_day
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import format_count, format_name, format_share
from toolkit.metrics.registry import METRICS
from toolkit.reading.discovery import passed_over_words
from toolkit.report.figures import priced_calls
from toolkit.report.lines import RangeLines, count_lines
from toolkit.report.metric_tables import figure_of, row_of
from toolkit.report.model import Gap, Head, LineCount, Restated, Trust
from toolkit.report.names import short_names
from toolkit.report.wording import calls, join, local, usd

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.report.inputs import ReportInputs
    from toolkit.report.metric_tables import MetricTables

    Row = Mapping[str, Any]

_MOST_NAMES = 3
_NOTHING = Figure(0)
# Label for one and for several lines, and the mark, in the order of the page.
_LINES: dict[str, tuple[str, str, Any]] = {
    "call": ("call in {}", "calls in {}", "ink"),
    "rejected": ("cannot be read", "cannot be read", "warn"),
    "copy": ("copy, counted once", "copies, counted once", "soft"),
    "error": ("error sent by a provider", "errors sent by a provider", "soft2"),
    "undated": ("without a date", "without a date", "warn2"),
    "chunk": ("further part of a stream", "further parts of streams", "soft"),
    "chunk_or_blank": (
        "part of a stream or blank",
        "parts of streams or blank",
        "soft",
    ),
    "outside": ("outside the exported range", "outside the exported range", "soft2"),
    "blank": ("blank", "blank", "pale"),
}
_CODES = {
    "invalid_json": "broken JSON",
    "wrong_type": "wrong types",
    "out_of_range": "impossible numbers",
    "stream_chunk": "pieces of streams",
    "not_a_response": "other JSON",
    "invalid_utf8": "broken characters",
    "too_deep": "nesting too deep",
    "truncated": "an incomplete last line",
    "line_too_long": "too long",
}


@dataclass(frozen=True)
class _Data:
    """The calls of the report, their metrics, and the account of the lines.

    `lines` are those of the range; where they cannot be known, `why_whole` says why the
    counts are those of the whole logs.
    """

    tables: MetricTables
    inputs: ReportInputs
    cost: Row
    lines: RangeLines | None
    counts: Mapping[str, int]
    undated: int  # in the whole log
    why_whole: str

    @property
    def unit(self) -> str:
        """What the range is called."""
        return self.tables.plan.unit

    @property
    def is_placed(self) -> bool:
        """Whether it is known which lines are of the range."""
        return self.lines is not None or self.tables.plan.is_open

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
    data = _collect(tables, inputs)
    gaps = [
        _unpriced(data),
        _silent(data),
        _rejected(data),
        _undated(data),
        *_files(data),
        _late(data, restated),
    ]
    rows = [gap for gap in gaps if gap is not None]
    known = [row.could_add for row in rows if row.could_add.is_known]
    is_sure = len(known) == len(rows)
    total = None
    if any(figure.value for figure in known):
        spent = figure_of("cost", "cost", data.cost)
        words = f"on top of {usd(spent)}"
        words += "" if is_sure else ", and what is unknown"
        amount = Figure(sum(known, _NOTHING).value, "approximate")
        total = Gap("together", "Together", amount, words, "")
    where = "all logs" if data.why_whole else "this report"
    lines = [
        LineCount(name, count, (many if count != 1 else one).format(where), mark)
        for name, (one, many, mark) in _LINES.items()
        if (count := data.counts.get(name, 0)) or name == "call"
    ]
    head = Head("What to trust", _title(data, rows, total), _note(data, total))
    return Trust(head, lines if inputs.ledger is not None else [], rows, total)


def uncounted(tables: MetricTables, inputs: ReportInputs) -> list[str]:
    """Return what the logs hold and no figure contains, in words."""
    found = []
    undated = _cost_of(tables.choices.filter(pl.col("created").is_null()))["responses"]
    if undated and not tables.plan.is_open:
        found.append(f"{calls(undated)} without a date")
    if (ledger := inputs.ledger) is None:
        return found
    silent = ledger.filter(responses=0)["hint"].count()
    errors = 0 if tables.plan.last_call else ledger["errors"].sum()
    counts: tuple[tuple[Any, str, str], ...] = (
        (ledger["rejected"].sum(), "line", " that could not be read"),
        (ledger["error"].count(), "log", " read only in part, because of damage"),
        (silent, "file", " without any call"),
        (errors, "provider error", ""),
        (ledger["duplicates"].sum(), "line", " of calls that were logged twice"),
    )
    return found + [f"{plural(n, noun)}{words}" for n, noun, words in counts if n]


def _collect(tables: MetricTables, inputs: ReportInputs) -> _Data:
    """Compute what the parts are built from."""
    plan, ledger, places = tables.plan, inputs.ledger, inputs.places
    cost = tables.row("cost", **({"compare": "previous"} if plan.compares else {}))
    no_date = tables.choices.filter(pl.col("created").is_null(), first_choice())
    undated = int(no_date.select(pl.len()).collect().item())
    lines, why = None, ""
    if ledger is None:
        return _Data(tables, inputs, cost, None, {}, undated, "")
    if not plan.is_open and places is None:
        why = "the place of each line is not known"
    elif not plan.is_open and places is not None:
        lines = count_lines(tables.choices, places, ledger, plan.within)
        why = "the logs are not in order of time" if lines is None else ""
        if lines is not None and not lines.counts.total():
            lines, why = None, f"none of them is known to be of this {plan.unit}"
    if lines is not None:
        return _Data(tables, inputs, cost, lines, lines.counts, undated, "")
    sums = ledger.sum().row(0, named=True)
    own = 0 if plan.is_open else undated
    counts = {
        "call": (sums["responses"] or 0) - own,
        "undated": own,
        "rejected": sums["rejected"],
        "copy": sums["duplicates"],
        "error": sums["errors"],
        "chunk": sums["chunks"],
        "outside": sums["outside"],
        "blank": sums["blank"],
    }
    return _Data(tables, inputs, cost, None, counts, undated, why)


def _cost_of(choices: pl.LazyFrame) -> Row:
    """Return the cost of some choices together."""
    return row_of(METRICS["cost"](choices, every=None, by=()))


def _title(data: _Data, rows: list[Gap], total: Gap | None) -> str:
    """Return how many lines are accounted for, and what may be missing."""
    missing = "nothing is missing from the total"
    if total is not None:
        missing = f"{usd(total.could_add)} may be missing from the total"
    else:
        unknown = [row.name for row in rows if not row.could_add.is_known]
        if unknown == ["late"]:
            missing += " so far"
        elif unknown:
            missing = "what is missing cannot be estimated"
    ledger, count = data.inputs.ledger, sum(data.counts.values())
    if ledger is None:
        return missing[0].upper() + missing[1:]
    of = f"of the {data.unit}" if data.lines is not None else "of the logs"
    damaged = ledger["error"].count()
    if not count:
        text = "The logs have no lines"
    elif damaged:
        text = f"{plural(damaged, 'log')} could be read only in part"
    elif count == 1:
        text = f"The only log line {of} is accounted for"
    else:
        log = "log " * (data.lines is not None)
        text = f"All {count:,} {log}lines {of} are accounted for"
    return f"{text}; {missing}"


def _note(data: _Data, total: Gap | None) -> str:
    """Return how the missing part is estimated, and which lines are counted."""
    notes = []
    if data.inputs.ledger is None:
        notes.append("The calls are from a table, so log lines are not known.")
    elif data.why_whole:
        notes.append(f"The lines are those of the whole logs: {data.why_whole}.")
    if total is not None:
        notes.append(
            "What the missing part would add if it cost what the rest costs. An "
            "estimate, and in no other figure here."
        )
    return " ".join(notes)


def _unpriced(data: _Data) -> Gap | None:
    """Return the calls without a known price, and the models with most of them."""
    row = data.cost
    count, silent = row["responses_unpriced"], row["responses_unpriced_without_usage"]
    if not count or count == silent:  # of these the usage is missing, not the price
        return None
    words = f"{count:,} of {calls(row['responses'])}"
    now, before = (
        figure_of("cost", "unpriced_share", row, end) for end in ("", "_before")
    )
    if now.is_known:
        words += f", {format_share(now, words=True)} of tokens"
        words += f" ({format_share(before, words=True)} before)" * before.is_known
    table = data.tables.table("cost", every=None, by=("model",))
    models = table.filter(pl.col("responses_unpriced") > 0).sort(
        "responses_unpriced", "model", descending=[True, False]
    )
    short = short_names(table["model"].cast(pl.String).drop_nulls())
    largest = models.select("model", "responses_unpriced").head(_MOST_NAMES).rows()
    parts = [f"{short.get(name, format_name(name))} {n:,}" for name, n in largest]
    parts[0] += " call" if largest[0][1] == 1 else " calls"
    others = count - sum(number for _, number in largest)
    parts += [f"others {others:,}"] if others else []
    price = "its price" if len(models) == 1 else "their prices"
    words += f": {', '.join(parts)}."
    could_add = data.estimate(tokens=row["tokens_unpriced"])
    if not could_add.is_known:
        words += " Without any known price nothing can be estimated."
    return Gap(
        "unpriced",
        "No known price",
        could_add,
        words,
        f"Write {price} into prices.toml; 0 if you run {_them(len(models))} yourself.",
    )


def _silent(data: _Data) -> Gap | None:
    """Return the calls that do not report all their tokens."""
    row = data.cost
    count, unpriced = (
        row["responses_without_usage"],
        row["responses_unpriced_without_usage"],
    )
    if not count:
        return None
    words = f"{count:,} of {calls(row['responses'])}"
    choices = data.tables.choices
    if "usage_problem" in choices.collect_schema().names():
        is_cut = pl.col("usage_problem") == "cut_off"
        rows = choices.filter(
            first_choice(), is_cut, *data.tables.plan.within.conditions()
        )
        cut = int(rows.select(pl.len()).collect().item())
        words += f", {plural(cut, 'stream')} cut off among them" * bool(cut)
    if unpriced:
        words += f", {unpriced:,} of them without a known cost"
    return Gap(
        "without_usage",
        "Token counts missing",
        data.estimate(count=unpriced),
        f"{words}.",
        "Log the usage; of streams ask for it (include_usage).",
    )


def _rejected(data: _Data) -> Gap | None:
    """Return the lines that cannot be read, and why they cannot."""
    count = data.counts.get("rejected", 0)
    if not count:
        return None
    codes = {one.code: one.lines for one in data.inputs.rejects}
    if data.lines is not None:
        codes = dict(data.lines.codes)
    codes.pop("error_response", None)
    most = sorted(codes, key=lambda code: (-codes[code], code))[:_MOST_NAMES]
    of = plural(sum(data.counts.values()), "log line")
    words = f"{count:,} of {of}: {join([_CODES.get(one, one) for one in most])}."
    if data.lines is not None:
        its = "Its place in the log puts it" if count == 1 else "Their places put them"
        words += f" {its} in this {data.unit}."
    elif not data.is_placed:
        words += f" How many are of this {data.unit} is unknown."
    return Gap(
        "rejected",
        "Lines that cannot be read",
        data.estimate(count=count) if data.is_placed else UNKNOWN,
        words,
        f"toolkit rejects writes {_them(count)} to a file, to fix and load.",
    )


def _undated(data: _Data) -> Gap | None:
    """Return the calls without a date."""
    if not data.undated:
        return None
    count, could_add = data.undated, UNKNOWN
    choices = data.tables.choices.filter(pl.col("created").is_null())
    if data.lines is not None:
        count = len(data.lines.undated)
        places = data.lines.undated.lazy()
        choices = choices.join(places, on=["log_id", "line"], how="semi")
    row = _cost_of(choices)
    tokens = figure_of("token_usage", "total_tokens", row)
    used = format_count(tokens, "sentence", words=True)
    used = f", {used} tokens" if tokens.is_known else ", tokens unknown"
    if data.lines is not None:
        words = f"{count or 'None'} by place in the log" + used * bool(count)
        words += f"; {data.undated:,} in the whole log" * (count != data.undated)
        silent = row["responses_unpriced_without_usage"]
        rest = data.estimate(row["tokens_unpriced"], silent)
        could_add = Figure((rest + (row["cost"] or 0)).value, "approximate")
    elif data.is_placed:
        words, could_add = (
            f"{calls(count)}{used}: in all totals, in no period",
            _NOTHING,
        )
    else:
        words = f"{calls(count)} in all the data{used}"
        words += f"; how many are of this {data.unit} is unknown"
    todo = "Log the field created."
    return Gap("undated", "Calls without a date", could_add, f"{words}.", todo)


def _files(data: _Data) -> list[Gap]:
    """Return the logs that were not read, or not to the end, or that have no calls."""
    found, ledger = [], data.inputs.ledger
    if ledger is not None and (damaged := ledger["error"].count()):
        words = f"{plural(damaged, 'log')} of {len(ledger):,}, because of damage."
        todo = f"Copy {_them(damaged)} again, or restore {_them(damaged)}."
        found.append(Gap("damaged", "Read only in part", UNKNOWN, words, todo))
    silent = 0
    if ledger is not None:
        silent = len(ledger.filter(pl.col("lines") > pl.col("blank"), responses=0))
    undated = 0 if data.lines is None else data.lines.without_dates
    words = f"{plural(silent, 'file')} without any call. " * bool(silent)
    if undated:
        is_are = "is" if undated == 1 else "are"
        words += f"{plural(undated, 'line')} of files in which no call has a date "
        words += f"{is_are} in no {data.unit}, and not counted here."
    if words:
        todo = "toolkit check says what they look like."
        found.append(Gap("silent", "Files without calls", UNKNOWN, words.strip(), todo))
    if passed := data.inputs.passed_over:
        words = f"{passed_over_words(passed).capitalize()}."
        todo = "If these are logs, name them one by one."
        found.append(Gap("passed_over", "Other files", UNKNOWN, words, todo))
    return found


def _late(data: _Data, restated: Restated | None) -> Gap | None:
    """Return whether calls of the range may still come, or have come since."""
    plan, lines = data.tables.plan, data.lines
    since, until = plan.axis["since"], plan.axis["until"]
    if plan.is_open:
        return None
    end = until.astimezone(zone_of(plan.tz))
    last = format_day((end - timedelta(microseconds=1)).date())
    could_add, todo = UNKNOWN, "Make the report again later, and compare the two."
    if plan.within.end is None or plan.within.end > plan.now:
        words = f"The {data.unit} is not over."
    elif lines is None:
        words = "Unknown: it is not known whether the logs are in order of time."
    elif lines.has_later:
        words = f"None: the logs are in order of time and go on after {last}."
        could_add, todo = _NOTHING, "Nothing to do."
    else:
        words = f"Perhaps: a log has no call after {last}."
    if plan.last_call and since and plan.last_call < since + (until - since) / 2:
        words += f" The last call of all was on {local(plan.last_call, plan.tz)}."
    if restated is not None:
        words += f" {restated.head.title}."
    return Gap("late", "Late data", could_add, words, todo)


def _them(count: int) -> str:
    """Return the pronoun for one or for several things."""
    return "it" if count == 1 else "them"
