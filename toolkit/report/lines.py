"""The lines of logs that belong to a range of time, each counted as what it is.

A call belongs to the range of its own date. A reject, a copy or a call without a date
belongs with the next dated call of its log, at the end of a log with the last one. A
blank line or a further part of a streamed call belongs with the call before it, at the
beginning of a log with the first one. So each line belongs to one range exactly.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from toolkit.expressions.choices import first_choice
from toolkit.reading.dedup import Deduplicator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.expressions.time_ranges import Span
    from toolkit.reading.blocks import Decoded
    from toolkit.reading.log_reader import LogReader

# Calls are logged when they are over: one may be so much older than those before it.
_LATEST = timedelta(hours=1)
# Lines that are no calls with a date; `kind` is a column of the ledger or ``undated``.
_KIND = pl.Enum(["rejected", "errors", "duplicates", "undated"])
PLACES = {"log_id": pl.Int32(), "line": pl.Int64(), "kind": _KIND, "code": pl.String()}


def iter_decoded(reader: LogReader, places: list[pl.DataFrame]) -> Iterator[Decoded]:
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
    return columns.cast(dict(PLACES))  # type: ignore[arg-type]


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
    """Count the lines of a range, or return None if a log is not in order of time."""
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
