"""The ledger: counts of the lines of each log, and the warnings about them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import polars as pl
import pyarrow as pa

from toolkit.errors import DamageWarning, RejectsWarning, ToolkitWarning, plural
from toolkit.expressions.choices import first_choice, is_unfinished
from toolkit.reading.dedup import DUPLICATE_KEY
from toolkit.reading.hints import Looks, line_looks_like, looks_like
from toolkit.reading.native import DECODER
from toolkit.reading.tags import NullTags
from toolkit.schema.tables import LEDGER

if TYPE_CHECKING:
    from toolkit.reading.blocks import Decoded, Source
    from toolkit.schema.columns import Table


# How many rejected lines of a log are looked at for its hint: the fewest after so many
# bytes of all logs. A line counts as at least so many bytes.
_MOST_LINES, _FEWEST_LINES = 1000, 16
_MOST_BYTES, _LEAST_OF_A_LINE = 40_000_000, 4_000
# Counts of a block that add up to those of its log.
_COUNTED = ("bytes", "lines", "blank", "chunks", "duplicates", "outside")
# Codes that say what a rejected line is.
_CLEAR_CODES = ("error_response", "line_too_long")


class RejectCount(NamedTuple):
    """A reject code, the number of its lines, and the place of the first one."""

    code: str
    lines: int
    first: str


class LedgerBuilder:
    """Counts the lines of each log, block by block."""

    SUMS = ("prompt_tokens", "completion_tokens", "total_tokens")

    def __init__(
        self,
        logs: Sequence[Source] | Mapping[int, Source],
        table: Table | None = None,
    ) -> None:
        self.tags = NullTags(table)
        self.logs = dict(logs if isinstance(logs, Mapping) else enumerate(logs))
        self.counts: dict[int, Counter[str]] = {
            log_id: Counter() for log_id in self.logs
        }
        self.errors: dict[int, str] = {}
        self.looks = {log_id: Looks() for log_id in self.logs}
        self.looked_at = 0  # bytes of rejected lines
        self.codes: dict[str, RejectCount] = {}
        self.decoders = dict.fromkeys(self.logs, DECODER)

    def count_all(self, stream: Iterable[Decoded]) -> Iterator[Decoded]:
        """Yield blocks, and count each."""
        for decoded in stream:
            self.add(decoded)
            yield decoded

    def add(self, decoded: Decoded) -> None:
        """Count one block."""
        self.tags.add(decoded)
        counts = self.counts[decoded.log_id]
        rejected = len(decoded.rejects)
        errors = 0
        if rejected:
            new = reject_counts(decoded.rejects)
            errors = sum(count.lines for count in new if count.code == "error_response")
            self.codes = merge_counts([*self.codes.values(), *new])
            self.look_at(decoded.rejects, decoded.log_id)
        counts.update({name: getattr(decoded, name) for name in _COUNTED})
        counts.update(
            pending_bytes=decoded.pending,
            errors=errors,
            rejected=rejected - errors,
            choices=len(decoded.choices),
        )
        counts.update(_count_responses(decoded.choices))
        counts.update(_hash_without_id(decoded.choices))
        if decoded.error is not None:
            self.errors[decoded.log_id] = decoded.error
        if decoded.head:
            self.looks[decoded.log_id].head = looks_like(decoded.head)

    def look_at(self, rejects: pa.RecordBatch, log_id: int) -> None:
        """Count what the first rejects of a log look like, and those that are left."""
        looks = self.looks[log_id]
        frame = pl.DataFrame(rejects.select(["code", "raw", "json_path"]))
        places = frame["code"].is_in(_CLEAR_CODES).not_().arg_true()
        for number, place in enumerate(places):
            most = _MOST_LINES if self.looked_at < _MOST_BYTES else _FEWEST_LINES
            if sum(looks.lines.values()) >= most:
                looks.unseen += len(places) - number
                return
            code, raw, json_path = frame.row(place)
            look = line_looks_like(code, raw, json_path) or ""
            looks.lines[look] = looks.lines.get(look, 0) + 1
            self.looked_at += max(len(raw or b""), _LEAST_OF_A_LINE)

    def merge(self, other: LedgerBuilder) -> None:
        """Add the counts of another builder of the same logs, or of some of them."""
        for log_id, counts in other.counts.items():
            self.counts[log_id].update(counts)
            self.looks[log_id] += other.looks[log_id]
        self.tags.merge(other.tags)
        self.errors |= other.errors
        self.codes = merge_counts([*self.codes.values(), *other.codes.values()])
        self.decoders |= other.decoders

    def hint(self, log_id: int) -> str | None:
        """Return what a log or its rejected lines look like, None if unknown."""
        return self.looks[log_id].hint(self.counts[log_id])

    def frame(self) -> pl.DataFrame:
        """Build the ledger: one row per log."""
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
        """Warn once, in one line and without content, about lines that were skipped.

        Warns
        -----
        DamageWarning
            If logs could not be read to their end.
        RejectsWarning
            If lines were rejected.
        ToolkitWarning
            If a tag is null in every line, `created_path` leads to nothing, or a log
            seems to be a copy of another.
        """
        self.warn_of_damage(stacklevel + 1)
        self.warn_of_tags(stacklevel + 1)
        self.warn_of_copies(stacklevel + 1)
        if self.codes:
            message = self._rejects_message()
            warnings.warn(message, RejectsWarning, stacklevel=stacklevel + 1)

    def _rejects_message(self) -> str:
        """Format how many lines were skipped, why, and where the first one is."""
        skipped = sum(count.lines for count in self.codes.values())
        lines = sum(counts["lines"] for counts in self.counts.values())
        codes = ", ".join(f"{count.lines:,} {count.code}" for count in self.rejects())
        first = next(iter(self.codes.values()))
        message = (
            f"{skipped:,} of {plural(lines, 'line')} skipped: {codes}; first: "
            f"{first.first} ({first.code}); list them with toolkit.rejects()"
        )
        hints = self.hints()
        return f"{message}; {shorten(hints)}" if hints else message

    def warn_of_damage(self, stacklevel: int = 2) -> None:
        """Warn once about logs that could not be read to their end."""
        if self.errors:
            message = shorten(list(self.errors.values()))
            warnings.warn(message, DamageWarning, stacklevel=stacklevel + 1)

    def warn_of_tags(self, stacklevel: int = 2) -> None:
        """Warn about each tag that is null in every line, and such a `created_path`."""
        for sentence in self.tags.sentences():
            warnings.warn(sentence, ToolkitWarning, stacklevel=stacklevel + 1)

    def warn_of_copies(self, stacklevel: int = 2) -> None:
        """Warn once about logs with the same responses without an id."""
        if copies := list(self.find_copies().values()):
            warnings.warn(shorten(copies), ToolkitWarning, stacklevel=stacklevel + 1)

    def find_copies(self) -> dict[int, str]:
        """Return a sentence for each log with the responses without an id of another.

        Those with an id are counted once, and these twice.
        """
        originals: dict[tuple[int, int], str] = {}
        copies: dict[int, str] = {}
        for log_id, log in self.logs.items():
            count = self.counts[log_id]["without_id"]
            key = count, self.counts[log_id]["hashes_without_id"] % 2**64
            original = originals.setdefault(key, log.name)
            if count and original != log.name:
                copies[log_id] = describe_copy(log.name, original, count)
        return copies

    def hints(self) -> list[str]:
        """Return a sentence for each log with lines that look like something else."""
        return [
            f"{self.logs[log_id].name} {hint}"
            for log_id in self.logs
            if (hint := self.hint(log_id)) is not None
        ]


# The columns of the ledger that are counts or sums.
TOTALS = tuple(column.name for column in LEDGER.columns if column.type == pa.int64())
# What a line is: these counts add up to `lines`.
LINE_COUNTS = tuple(
    column.name
    for column in LEDGER.columns
    if column.unit == "lines" and column.name != "lines"
)


# What is counted of the streamed responses among the rows of a log; not in its row.
_CHUNKS = pl.col("chunk_count").filter(first_choice())
STREAM_COUNTS = {
    "streams": _CHUNKS.count().cast(pl.Int64),
    "stream_chunks": _CHUNKS.sum().cast(pl.Int64),
    "unfinished": pl.col("line").filter(is_unfinished()).n_unique().cast(pl.Int64),
}
STREAM_COLUMNS = ("line", "choice_position", "chunk_count", "finish_reason")


def _count_responses(choices: pa.RecordBatch) -> dict[str, int]:
    """Count the responses among rows, their tokens, and those that were streamed."""
    rows = pl.DataFrame(choices.select([*STREAM_COLUMNS, *LedgerBuilder.SUMS]))
    responses = first_choice().sum().cast(pl.Int64).alias("responses")
    sums = pl.col(LedgerBuilder.SUMS).sum()
    return rows.select(responses, sums, **STREAM_COUNTS).row(0, named=True)


def _hash_without_id(choices: pa.RecordBatch) -> dict[str, int]:
    """Count the responses without an id, and add up their hashes."""
    if not choices.column("response_id").null_count:
        return {}
    rows = pl.DataFrame(choices.select(["choice_position", *DUPLICATE_KEY]))
    rows = rows.filter(first_choice(), pl.col("response_id").is_null())
    hashes = pl.col("response_hash").sum().alias("hashes_without_id")
    return rows.select(hashes, without_id=pl.len()).row(0, named=True)


def describe_copy(name: str, original: str, responses: int) -> str:
    """Return a sentence about a log that seems to be a copy of another."""
    same = plural(responses, "response")
    return (
        f"{name} has the same {same} without an id as {original}: "
        "they count twice; if it is a copy, leave it out"
    )


def merge_counts(counts: Iterable[RejectCount]) -> dict[str, RejectCount]:
    """Sum counts of the same code; the first place is that of the first count."""
    codes: dict[str, RejectCount] = {}
    for count in counts:
        first = codes.get(count.code, count._replace(lines=0))
        codes[count.code] = first._replace(lines=first.lines + count.lines)
    return codes


def rank_counts(counts: Iterable[RejectCount]) -> list[RejectCount]:
    """Sort by frequency, the highest first, then by code."""
    return sorted(counts, key=lambda count: (-count.lines, count.code))


def reject_counts(rejects: pl.DataFrame | pa.RecordBatch) -> list[RejectCount]:
    """Count the codes of rejects, in the order of their first lines."""
    frame = pl.DataFrame(rejects.select(["code", "source", "line"]))
    first = pl.format("{}:{}", pl.col("source").first(), pl.col("line").first())
    counts = frame.group_by("code", maintain_order=True).agg(
        pl.len().alias("lines"), first.alias("first")
    )
    return [RejectCount(*row) for row in counts.rows()]


def shorten(sentences: Sequence[str]) -> str:
    """Return the first sentence, and how many more there are."""
    more = f" (and {plural(len(sentences) - 1, 'more log')})"
    return sentences[0] + (more if len(sentences) > 1 else "")
