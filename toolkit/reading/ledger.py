"""The account of logs: what became of every line, and what is to be said of it."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from toolkit.errors import DamageWarning, RejectsWarning, plural
from toolkit.reading.decoder import DECODER
from toolkit.reading.file_types import looks_like
from toolkit.schema.tables import LEDGER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from toolkit.reading.blocks import Decoded, Source


class RejectCount(NamedTuple):
    """A reject code, how many lines it has, and where the first one stands."""

    code: str
    lines: int
    first: str


class LedgerBuilder:
    """Adds up what became of the lines of each log."""

    SUMS = ("prompt_tokens", "completion_tokens", "total_tokens")

    def __init__(self, logs: Sequence[Source] | Mapping[int, Source]) -> None:
        self.logs = dict(logs if isinstance(logs, Mapping) else enumerate(logs))
        self.counts: dict[int, Counter[str]] = {
            log_id: Counter() for log_id in self.logs
        }
        self.errors: dict[int, str] = {}
        self.looks: dict[int, str] = {}
        self.codes: dict[str, RejectCount] = {}
        self.decoders = dict.fromkeys(self.logs, DECODER)

    def count_all(self, stream: Iterable[Decoded]) -> Iterator[Decoded]:
        """Pass blocks on, and count each."""
        for decoded in stream:
            self.add(decoded)
            yield decoded

    def add(self, decoded: Decoded) -> None:
        """Count one block."""
        counts = self.counts[decoded.log_id]
        rejected = errors = 0
        if len(decoded.rejects):
            rejected = len(decoded.rejects)
            errors = _count_equal(decoded.rejects.column("code"), "error_response")
            self.codes = merge_counts(
                [*self.codes.values(), *reject_counts(decoded.rejects)]
            )
        counts.update(
            bytes=decoded.bytes,
            lines=decoded.lines,
            blank=decoded.blank,
            responses=_count_equal(decoded.choices.column("choice_position"), 0),
            duplicates=decoded.duplicates,
            outside=decoded.outside,
            pending_bytes=decoded.pending,
            errors=errors,
            rejected=rejected - errors,
            choices=len(decoded.choices),
        )
        for name in self.SUMS:
            counts[name] += pc.sum(decoded.choices.column(name), min_count=0).as_py()
        if decoded.error is not None:
            self.errors[decoded.log_id] = decoded.error
        if decoded.head and (look := looks_like(decoded.head)) is not None:
            self.looks[decoded.log_id] = look

    def merge(self, other: LedgerBuilder) -> None:
        """Add the counts of another account of the same logs, or of some of them."""
        for log_id, counts in other.counts.items():
            self.counts[log_id].update(counts)
        self.errors |= other.errors
        self.looks |= other.looks
        self.codes = merge_counts([*self.codes.values(), *other.codes.values()])
        self.decoders |= other.decoders

    def hint(self, log_id: int) -> str | None:
        """Say what a log looks like in which no response was found."""
        counts = self.counts[log_id]
        if counts["responses"] or counts["duplicates"]:
            return None
        return self.looks.get(log_id)

    def frame(self) -> pl.DataFrame:
        """Return the ledger: one row a log."""
        rows = [
            {
                "log_id": log_id,
                "source": log.name,
                "decoder": self.decoders[log_id],
                "error": self.errors.get(log_id),
                "hint": self.hint(log_id),
                **{name: self.counts[log_id][name] for name in TOTALS},
            }
            for log_id, log in self.logs.items()
        ]
        return pl.DataFrame(rows, schema=LEDGER.polars, orient="row")

    def rejects(self) -> list[RejectCount]:
        """Return each code with its count and first place, the most frequent first."""
        return rank_counts(self.codes.values())

    def warn(self, stacklevel: int = 2) -> None:
        """Say once, in one line and without content, what became no rows.

        Warns
        -----
        DamageWarning
            If logs could not be read to their end.
        RejectsWarning
            If lines were rejected.
        """
        self.warn_of_damage(stacklevel + 1)
        counts = self.rejects()
        if counts:
            words = _reject_words(counts, self.hints())
            warnings.warn(words, RejectsWarning, stacklevel=stacklevel + 1)

    def warn_of_damage(self, stacklevel: int = 2) -> None:
        """Say once which logs could not be read to their end."""
        if self.errors:
            words = shorten(list(self.errors.values()))
            warnings.warn(words, DamageWarning, stacklevel=stacklevel + 1)

    def hints(self) -> list[str]:
        """Return a sentence for each log that does not look like one."""
        return [
            f"{self.logs[log_id].name} {hint}"
            for log_id in sorted(self.looks)
            if (hint := self.hint(log_id)) is not None
        ]


# The columns of the ledger that are counts or sums.
TOTALS = tuple(column.name for column in LEDGER.columns if column.type == pa.int64())


def _count_equal(column: pa.Array, value: object) -> int:
    """Count the cells that equal a value."""
    return int(pc.sum(pc.equal(column, value), min_count=0).as_py())


def merge_counts(counts: Iterable[RejectCount]) -> dict[str, RejectCount]:
    """Add up counts of the same code; the first place is that of the first."""
    codes: dict[str, RejectCount] = {}
    for code, lines, first in counts:
        before = codes.get(code)
        codes[code] = (
            RejectCount(code, lines, first)
            if before is None
            else before._replace(lines=before.lines + lines)
        )
    return codes


def rank_counts(counts: Iterable[RejectCount]) -> list[RejectCount]:
    """Sort by frequency, the highest first, then by code."""
    return sorted(counts, key=lambda count: (-count.lines, count.code))


def reject_counts(rejects: pa.Table | pa.RecordBatch) -> list[RejectCount]:
    """Count the codes of rejects in source order, the most frequent first."""
    codes = rejects.column("code").to_pylist()
    found = []
    for code, lines in Counter(codes).items():
        first = codes.index(code)
        source, line = (rejects.column(name)[first] for name in ("source", "line"))
        found.append(RejectCount(code, lines, f"{source}:{line}"))
    return rank_counts(found)


def _reject_words(counts: Sequence[RejectCount], hints: Sequence[str]) -> str:
    """Say how many lines became no rows, and why."""
    lines = plural(sum(count.lines for count in counts), "line")
    codes = ", ".join(f"{count.lines:,} {count.code}" for count in counts)
    words = f"{lines} became no rows: {codes} (first: {counts[0].first}); see rejects"
    return f"{words}; {shorten(hints)}" if hints else words


def shorten(sentences: Sequence[str]) -> str:
    """Return the first sentence, and how many more there are."""
    more = f" (and {plural(len(sentences) - 1, 'more log')})"
    return sentences[0] + (more if len(sentences) > 1 else "")


def passed_over_words(passed_over: Mapping[str, int]) -> str:
    """Say how many files a walk did not read, by ending."""
    kinds = [f"{count:,} {kind}" for kind, count in passed_over.items()]
    return f"not read: {', '.join(kinds)}"
