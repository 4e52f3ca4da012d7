"""The inputs of a report: its options, the choices of logs or exports, their ledger.

Logs are read once, without the text of messages; exports are scanned in place, once
for each metric. Each line of the logs is counted as what it is: see `count_lines`.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import polars as pl

from toolkit.errors import clean
from toolkit.expressions.choices import check_columns, first_choice
from toolkit.expressions.time_ranges import Span, zone_of
from toolkit.expressions.time_ranges import before as range_before
from toolkit.formatting.dates import calendar_unit
from toolkit.metrics.calendar import is_partial
from toolkit.metrics.inputs import as_declared, read_once, with_series
from toolkit.metrics.registry import SPECS
from toolkit.metrics.waste import text_number
from toolkit.pricing.costs import ADDED, add_list_prices
from toolkit.pricing.price_file import PriceFile
from toolkit.reading.dedup import Deduplicator
from toolkit.reading.ledger import LedgerBuilder, rank_counts, reject_counts
from toolkit.reading.load import Loaded
from toolkit.reading.log_reader import open_logs
from toolkit.reading.options import ReadOptions, complete
from toolkit.reading.rejects import export_reject_counts
from toolkit.reading.scan import scan
from toolkit.reading.sources import Exports, choices_of, resolve_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from toolkit.metrics.options import Choices
    from toolkit.pricing.budgets import Budget
    from toolkit.reading.blocks import Decoded
    from toolkit.reading.discovery import Sources
    from toolkit.reading.ledger import RejectCount
    from toolkit.reading.log_reader import LogReader

# Metrics that the key figures and the changes are computed from.
_MAIN_METRICS = (
    "token_usage",
    "cost",
    "truncation_rate",
    "cache_share",
    "reasoning_share",
)
_SPANS = 8  # of the charts over time
_KEY = ("log_id", "line", "choice_position")
# Columns that no figure needs. Answers are reduced to whether there is one, and to a
# number that is the same for the same text.
_UNREAD = {"reasoning_content", "native_finish_reason", "role", "custom_id"}
_IS_THERE = pl.when(pl.col("content").is_not_null()).then(pl.lit("")).alias("content")
_REDUCED = (_IS_THERE, text_number())


class Plan(NamedTuple):
    """The checked options of a report."""

    within: Span
    compares: bool
    tz: str
    every: str
    by: tuple[str, ...]
    top: int
    sections: tuple[str, ...]  # names of the analyst's charts
    title: str
    now: datetime
    last_call: datetime | None = None  # of all calls, whatever the range
    provider: str | None = None
    budgets: tuple[Budget, ...] = ()  # of a month
    colors: Mapping[str, str] = {}  # of series, by their names

    @property
    def range(self) -> dict[str, Any]:
        """The range, as options of a metric."""
        return {"since": self.within.start, "until": self.within.end, "tz": self.tz}

    @property
    def is_open(self) -> bool:
        """Whether everything is reported, also calls without a date."""
        return self.within == (None, None)

    @property
    def is_over(self) -> bool:
        """Whether the range has ended; one without an end has.

        Only then is it compared: a part of a month costs less than a month.
        """
        return self.within.end is None or self.within.end <= self.now

    @property
    def axis(self) -> dict[str, Any]:
        """The range of the charts: it ends now if the range is open or ends later."""
        if self.is_open:
            return self.range
        latest = max([self.now, *filter(None, (self.within.start, self.last_call))])
        latest += timedelta(microseconds=1)  # the end is exclusive
        return {**self.range, "until": min(latest, self.within.end or latest)}

    @property
    def is_partial(self) -> pl.Expr:
        """Whether a period is not over, or not whole in the range."""
        end = min(self.now, self.within.end or self.now)
        whole = Span(self.within.start, end)
        return is_partial(whole, end, self.tz, is_open=True).alias("partial")

    @property
    def unit(self) -> str:
        """What the range is called: day, week, month, quarter, or range."""
        start, end = self._local_ends
        return "range" if start is None or end is None else calendar_unit(start, end)

    @property
    def span_length(self) -> str | None:
        """The length of the range, as `every`; None unless it has whole days."""
        start, end = self._local_ends
        is_whole = all(at is not None and at.time() == time.min for at in (start, end))
        if start is None or end is None or not is_whole or start.date() >= end.date():
            return None
        days = f"{(end.date() - start.date()).days}d"
        return {"week": "1w", "month": "1mo", "quarter": "3mo"}.get(self.unit, days)

    @property
    def spans(self) -> list[Span]:
        """Ranges of the same length that end with the range; it is the last one."""
        return [] if self.span_length is None else _spans(self.within, self.tz)

    @property
    def _local_ends(self) -> tuple[datetime | None, datetime | None]:
        """Start and end of the range on the clocks of its zone."""
        zone = zone_of(self.tz)
        start, end = (None if at is None else at.astimezone(zone) for at in self.within)
        return start, end


@cache
def _spans(within: Span, tz: str) -> list[Span]:
    """Return ranges of the same length that end with a range, itself the last."""
    found = [within]
    with suppress(OverflowError, ValueError):  # before the year 1
        while len(found) < _SPANS:
            found.insert(0, range_before(found[0], tz))
    return found


def iso(moment: datetime | None) -> str | None:
    """Format a time of UTC."""
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


class ReportInputs(NamedTuple):
    """Choices, the ledger of their logs (None for a frame), and where they are from.

    `places` has the lines of logs that are no calls: see `count_lines`.
    """

    choices: pl.LazyFrame
    ledger: pl.DataFrame | None = None
    rejects: Sequence[RejectCount] = ()
    names: Sequence[str] = ()
    passed_over: Mapping[str, int] | None = None
    places: pl.DataFrame | None = None


def collect_inputs(sources: Sources | Choices, options: ReadOptions) -> ReportInputs:
    """Scan exports, read logs, or take choices that are in memory."""
    if isinstance(sources, Loaded):
        return ReportInputs(
            pl.DataFrame(sources.choices).lazy(),
            sources.ledger,
            rank_counts(reject_counts(sources.rejects)),
            sources.ledger["source"].to_list(),
            sources.passed_over,
        )
    choices = choices_of(sources)
    if isinstance(choices, pl.LazyFrame):
        names = choices.collect_schema().names()
        choices = choices.with_columns(_REDUCED) if "content" in names else choices
        names = choices.collect_schema().names()
        needs = [name for name in names if name != "reasoning_content"]
        return ReportInputs(read_once(choices, needs))
    if choices is not None:
        return ReportInputs(pl.DataFrame(choices).lazy())
    known = complete(scan, options)
    on_damage = options.pop("on_damage", "raise")  # no error with an export
    found = resolve_lines(cast("Sources", sources), options, on_damage=on_damage)
    names = [clean(name) for name in found.names]
    if isinstance(found, Exports):
        rejects = export_reject_counts(found)
        return ReportInputs(scan(found), found.ledger, rejects, names)
    reading = open_logs(found, known)
    account = LedgerBuilder(reading.logs, reading.plan.table)
    places = [pl.DataFrame(schema=_PLACES)]
    table = reading.plan.table
    columns = [name for name in table.names if name not in _UNREAD]
    frames = [table.empty().select(columns).with_columns(_REDUCED)]
    frames += [
        pl.DataFrame(decoded.choices.select(columns)).with_columns(_REDUCED)
        for decoded in account.count_all(_iter_decoded(reading, places))
    ]
    account.warn_of_damage()
    account.warn_of_tags()
    account.warn_of_copies()
    return ReportInputs(
        pl.concat(frames).lazy(),
        account.frame(),
        account.rejects(),
        names,
        reading.passed_over,
        pl.concat(places),
    )


def price(inputs: ReportInputs, prices: PriceFile, by: Sequence[str]) -> ReportInputs:
    """Add the columns of `by`, and the costs if they are not those of the metrics.

    Nothing is computed yet.
    """
    choices = with_series(inputs.choices, by, prices.provider).lazy()
    read = (column for metric in _MAIN_METRICS for column in SPECS[metric].columns)
    names = (*_KEY, "created", "model", *read, *by)
    check_columns(choices, list(dict.fromkeys(names)))
    choices = choices.with_columns(as_declared(choices, ["created"]))
    choices = choices.drop(ADDED, strict=False)  # they are computed here
    if prices != PriceFile():
        choices = add_list_prices(choices, prices).lazy()
    return inputs._replace(choices=choices)


# --- The lines of a range ------------------------------------------------------------

# Calls are logged when they are over: one may be so much older than those before it.
_LATEST = timedelta(hours=1)
# Lines that are no calls with a date; `kind` is a column of the ledger or ``undated``.
_KIND = pl.Enum(["rejected", "errors", "duplicates", "undated"])
_PLACES = {"log_id": pl.Int32(), "line": pl.Int64(), "kind": _KIND, "code": pl.String()}


def _iter_decoded(reader: LogReader, places: list[pl.DataFrame]) -> Iterator[Decoded]:
    """Yield the blocks of logs, and append the places of rejects and copies."""
    seen = Deduplicator() if reader.duplicates == "drop" else None
    is_error = pl.col("code") == "error_response"
    kind = pl.when(is_error).then(pl.lit("errors")).otherwise(pl.lit("rejected"))
    for decoded in replace(reader, duplicates="keep").iter_decoded():
        kept = decoded if seen is None else seen.drop_duplicates(decoded)
        if len(kept.rejects):
            rejects = pl.DataFrame(kept.rejects.select(["log_id", "line", "code"]))
            places.append(_as_places(rejects, kind))
        if kept.duplicates:
            key = ["log_id", "line"]
            before, after = (
                pl.DataFrame(one.choices.select([*key, "choice_position"])).filter(
                    first_choice()
                )
                for one in (decoded, kept)
            )
            copies = before.join(after, on=key, how="anti")
            places.append(_as_places(copies, pl.lit("duplicates")))
        yield kept


def _as_places(lines: pl.DataFrame, kind: pl.Expr) -> pl.DataFrame:
    """Return lines with the columns of places."""
    code = pl.col("code") if "code" in lines.columns else pl.lit(None)
    columns = lines.select("log_id", "line", kind.alias("kind"), code.alias("code"))
    return columns.cast(dict(_PLACES))  # type: ignore[arg-type]


@dataclass
class RangeLines:
    """The lines of a range.

    Attributes
    ----------
    counts
        Lines by what they are, as in the ledger; their sum is all lines of the range.
    others
        The places of those that are no calls with a date.
    has_later
        Whether each log with calls of the range also has calls after it.
    without_dates
        Lines of the logs in which no call has a date: these are in no range.
    """

    counts: Counter[str]
    others: pl.DataFrame
    has_later: bool = True
    without_dates: int = 0


def count_lines(
    choices: pl.LazyFrame, places: pl.DataFrame, ledger: pl.DataFrame, within: Span
) -> RangeLines | None:
    """Count the lines of a range, or return None if a log is not in order of time.

    A call belongs to the range of its own date. A reject, a copy or a call without a
    date belongs with the next dated call of its log, at the end of a log with the last
    one. A blank line or a further part of a streamed call belongs with the call before
    it, at the beginning of a log with the first one. So each line belongs to one range
    exactly.
    """
    calls = choices.filter(first_choice()).select("log_id", "line", "created").collect()
    undated = calls.filter(pl.col("created").is_null())
    places = pl.concat([places, _as_places(undated, pl.lit("undated"))])
    calls_by_log = calls.drop_nulls("created").partition_by("log_id", as_dict=True)
    places_by_log = places.partition_by("log_id", as_dict=True)
    is_in = pl.all_horizontal(pl.col("created").is_not_null(), *within.conditions())
    found = RangeLines(Counter(), places.clear())
    for row in ledger.select("log_id", "lines", "blank", "chunks").iter_rows():
        log_id, lines, blank, chunks = row
        if (log_id,) not in calls_by_log:
            found.without_dates += lines
            continue
        own = calls_by_log[(log_id,)].sort("line")
        others = places_by_log.get((log_id,), places.clear())
        line, created, last = own["line"], own["created"], len(own) - 1
        if (created.cum_max() - created).max() > _LATEST:  # type: ignore[operator]
            return None
        in_range = own.select(is_in).to_series()
        following = line.search_sorted(others["line"]).cast(pl.Int64)
        with_next = in_range.gather(following.clip(0, last))
        with_last = in_range.gather((following - 1).clip(0, last))
        # The lines from each call to the next one.
        sizes = line.shift(-1, fill_value=lines + 1) - line
        sizes[0] += line[0] - 1
        responses = int(in_range.sum())
        rest = int(sizes.filter(in_range).sum()) - responses - int(with_last.sum())
        # A log with both may have blank lines between the parts of a stream.
        kind = "chunks" if not blank else "blank" if not chunks else "chunks_or_blank"
        found.counts.update({"responses": responses, kind: rest})
        found.others = pl.concat([found.others, others.filter(with_next)])
        if responses and within.end is not None:
            found.has_later &= created[-1] >= within.end
    found.counts.update(dict(found.others["kind"].value_counts().iter_rows()))
    return found
