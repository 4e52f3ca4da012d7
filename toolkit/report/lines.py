"""The lines of logs that belong to a range of time, each counted as what it is.

A call belongs to the range of its own date. A reject, a copy or a call without a date
belongs with the next dated call of its log, at the end of a log with the last one. A
blank line or a further part of a streamed call belongs with the call before it, at the
beginning of a log with the first one. So each line belongs to one range exactly.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from toolkit.expressions.choices import first_choice
from toolkit.reading.decoder import make_deduplicator
from toolkit.schema.tables import REJECT_CODES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from toolkit.expressions.time_ranges import Span
    from toolkit.reading.blocks import Decoded
    from toolkit.reading.log_reader import LogReader

_ERROR, _COPY, _UNDATED = "error_response", "copy", "undated"
_KIND = pl.Enum([*REJECT_CODES, _COPY, _UNDATED])
_SCHEMA = pl.Schema({"log_id": pl.Int32(), "line": pl.Int64(), "kind": _KIND})
# Calls are logged when they are over: one may be so much older than those before it.
_LATEST = timedelta(hours=1)


class LinePlaces:
    """Where the logs have rejects and copies of earlier calls."""

    def __init__(self) -> None:
        self._frames = [pl.DataFrame(schema=_SCHEMA)]

    def iter_decoded(self, reader: LogReader) -> Iterator[Decoded]:
        """Yield the blocks of logs as `reader` does, and note the places."""
        seen = make_deduplicator() if reader.duplicates == "drop" else None
        for decoded in replace(reader, duplicates="keep").iter_decoded():
            kept = decoded if seen is None else seen.drop_duplicates(decoded)
            if kept.duplicates:
                lines = _first_lines(decoded)
                copies = lines.filter(~lines.is_in(_first_lines(kept).implode()))
                self._add(copies.to_frame(), kept.log_id, pl.lit(_COPY))
            if len(kept.rejects):
                rejects = pl.DataFrame(kept.rejects.select(["line", "code"]))
                self._add(rejects, kept.log_id, pl.col("code"))
            yield kept

    def _add(self, lines: pl.DataFrame, log_id: int, kind: pl.Expr) -> None:
        places = lines.select(
            pl.lit(log_id).alias("log_id"), "line", kind.alias("kind")
        )
        self._frames.append(places.cast(_SCHEMA))

    def frame(self) -> pl.DataFrame:
        """Return a row for each line, with its log and what it is."""
        return pl.concat(self._frames)


def _first_lines(decoded: Decoded) -> pl.Series:
    """Return the first line of each response in a block."""
    rows = pl.DataFrame(decoded.choices.select(["line", "choice_position"]))
    return rows.filter(first_choice())["line"]


@dataclass
class RangeLines:
    """The lines of a range.

    Attributes
    ----------
    counts
        Lines by what they are, as in the ledger; their sum is all lines of the range.
    codes
        Those that cannot be read, by their code.
    undated
        Log and line of the calls without a date.
    has_later
        Whether each log with calls of the range also has calls after it.
    without_dates
        Lines of the logs in which no call has a date: these are in no range.
    """

    counts: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    undated: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_SCHEMA))
    has_later: bool = True
    without_dates: int = 0


def count_lines(
    choices: pl.LazyFrame, places: pl.DataFrame, ledger: pl.DataFrame, within: Span
) -> RangeLines | None:
    """Count the lines of a range, or return None if a log is not in order of time."""
    calls = choices.filter(first_choice()).select("log_id", "line", "created").collect()
    by_log = calls.partition_by("log_id", as_dict=True)
    places_by_log = places.partition_by("log_id", as_dict=True)
    found = RangeLines()
    for row in ledger.select("log_id", "lines", "blank", "chunks").iter_rows():
        log_id, lines, blank, chunks = row
        own = by_log.get((log_id,), calls.clear()).sort("line")
        others = places_by_log.get((log_id,), places.clear())
        undated = own.filter(pl.col("created").is_null()).drop("created")
        others = pl.concat(
            [others, undated.with_columns(pl.lit(_UNDATED, _KIND).alias("kind"))]
        )
        dated = own.drop_nulls("created")
        if dated.is_empty():
            found.without_dates += lines
            continue
        created = dated["created"]
        if (created.cum_max() - created).max() > _LATEST:  # type: ignore[operator]
            return None
        # A log with both may have blank lines between the parts of a stream.
        rest = "chunks" if not blank else "blank" if not chunks else "chunks_or_blank"
        _add_log(found, dated, others, lines, rest, within)
    return found


def _add_log(
    found: RangeLines,
    dated: pl.DataFrame,
    others: pl.DataFrame,
    lines: int,
    rest: str,
    within: Span,
) -> None:
    """Add the lines of a log; `rest` are those that are neither calls nor `others`."""
    line, last = dated["line"], len(dated) - 1
    is_in = pl.all_horizontal(pl.col("created").is_not_null(), *within.conditions())
    in_range = dated.select(is_in).to_series()
    # The lines from each call to the next one.
    sizes = line.shift(-1, fill_value=lines + 1) - line
    sizes[0] += line[0] - 1
    following = line.search_sorted(others["line"]).cast(pl.Int64)
    with_next = in_range.gather(following.clip(0, last))
    with_last = in_range.gather((following - 1).clip(0, last))
    own = others.filter(with_next)
    kinds = dict(own["kind"].value_counts().iter_rows())
    codes = Counter({kind: kinds[kind] for kind in REJECT_CODES if kind in kinds})
    calls = int(in_range.sum())
    found.counts.update(
        {
            "responses": calls,
            "duplicates": kinds.get(_COPY, 0),
            "undated": kinds.get(_UNDATED, 0),
            "errors": codes.pop(_ERROR, 0),
            rest: int(sizes.filter(in_range).sum()) - calls - int(with_last.sum()),
        }
    )
    found.counts["rejected"] += codes.total()
    found.codes += codes
    undated = own.filter(pl.col("kind") == _UNDATED)
    found.undated = pl.concat([found.undated, undated])
    if calls and within.end is not None:
        found.has_later &= dated["created"][-1] >= within.end
