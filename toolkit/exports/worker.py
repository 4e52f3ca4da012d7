"""Work on ranges of logs: read, decoded, validated, and written as parts.

A run does all of it itself, or has it done by workers of an executor, on this machine
or on others. What goes to them and comes back is plain data; the parts that they write
lie in staging until the run takes them.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.errors import PreconditionError, SourceError
from toolkit.exports.parts import Parts, new_part, within
from toolkit.exports.resume import LogMovedError, LogRange, is_moved, iter_blocks
from toolkit.expressions.time_ranges import span
from toolkit.reading import framing, object_store
from toolkit.reading.blocks import make_plan
from toolkit.reading.compression import READ_BYTES, PushbackReader
from toolkit.reading.decoder import make_deduplicator
from toolkit.reading.fingerprints import Fingerprint, Fingerprinter
from toolkit.reading.ledger import LedgerBuilder
from toolkit.reading.log_reader import LogReader
from toolkit.reading.scan import DUPLICATE_KEY, scan_parts
from toolkit.schema.tables import CHOICES, choices_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from toolkit.exports.parts import PartWriter
    from toolkit.expressions.time_ranges import Span
    from toolkit.reading.blocks import Block, Decoded
    from toolkit.reading.dedup import Deduplicator
    from toolkit.reading.options import OnDamage
    from toolkit.schema.columns import Table

# What finds a repeat; a response counts once, by whatever row.
KEYS = pa.schema([CHOICES[name].arrow for name in ("choice_position", *DUPLICATE_KEY)])


class StagedPart(NamedTuple):
    """A part that lies in staging, and the directory of an export that it is for."""

    directory: str
    name: str


class TaskResult(NamedTuple):
    """What became of some ranges of logs, besides the parts."""

    account: LedgerBuilder
    sights: dict[int, Fingerprint]
    moved: set[int]  # logs that had another place when they were read
    cut: set[int]  # logs whose last line was rejected as truncated
    parts: Sequence[StagedPart] = ()
    read: int = 0  # bytes of files


class ExportTask:
    """Reads ranges of logs into parts."""

    def __init__(
        self,
        reading: LogReader,
        log_ranges: Sequence[LogRange],
        span: Span,
        repeats: Deduplicator | None,
    ) -> None:
        self.reading = reading
        self.log_ranges = log_ranges
        self.span = span
        self.repeats = repeats
        account = LedgerBuilder(
            {log_range.log_id: log_range.source for log_range in log_ranges}
        )
        self.report = TaskResult(account, {}, set(), set())

    def write(self, parts: Parts) -> TaskResult:
        """Write what is new, and say what became of it."""
        for decoded in self.report.account.count_all(self.decoded()):
            parts.add(decoded.choices, decoded.rejects)
        parts.finish()
        return self.report

    def decoded(self) -> Iterator[Decoded]:
        """Yield what is new, without what repeats a response."""
        for decoded in within(self.reading.decode(self.blocks()), self.span):
            codes = decoded.rejects.column("code")
            if len(codes) and codes[-1].as_py() == "truncated":
                self.report.cut.add(decoded.log_id)
            if self.repeats is None:
                yield decoded
            else:
                yield self.repeats.drop_duplicates(decoded)

    def blocks(self) -> Iterator[Block]:
        """Yield range after range."""
        for log_range in self.log_ranges:
            witness = Fingerprinter()
            try:
                yield from iter_blocks(
                    log_range,
                    witness,
                    max_line_bytes=self.reading.plan.max_line_bytes,
                    on_damage=self.reading.on_damage,
                )
            except LogMovedError:  # the next run finds it where it is then
                self.report.moved.add(log_range.log_id)
            sight, sights = witness.fingerprint(), self.report.sights
            first = sights.get(log_range.log_id)
            sights[log_range.log_id] = sight.with_head_of(first) if first else sight


# What a worker does.


class WorkerOptions(NamedTuple):
    """How ranges are to be read, and where their parts are to be put."""

    workspace: str
    options: Mapping[str, Any]  # as state.json keeps them
    on_damage: OnDamage

    def reading(self, progress: Callable[[int], None] | None = None) -> LogReader:
        """Return how logs are to be read; a worker has one thread."""
        shaped = {
            name: value
            for name, value in self.options.items()
            if name not in {"duplicates", "since", "until"}
        }
        plan = make_plan(**shaped, leave_pending=True)
        duplicates = self.options["duplicates"]
        return LogReader(
            [], {}, plan, duplicates, self.on_damage, None, progress, threads=1
        )


def write_ranges(order: WorkerOptions, log_ranges: Sequence[LogRange]) -> TaskResult:
    """Read ranges of logs into parts in staging."""
    read: list[int] = []
    reading = order.reading(read.append)
    within = span(order.options["since"], order.options["until"])
    repeats = make_deduplicator() if reading.duplicates == "drop" else None
    work = ExportTask(reading, log_ranges, within, repeats)
    with _make_folder(order.workspace) as folder:
        table = reading.plan.table
        with Parts(folder, generation=0, run=None, table=table, threads=1) as parts:
            report = work.write(parts)
        staged = _deliver(order.workspace, folder, parts.made)
    return report._replace(parts=staged, read=sum(read))


class LineCount(NamedTuple):
    """How many lines end in a range of a log, and where the last one does."""

    lines: int
    end: int


def count_lines(log_range: LogRange, start: int, end: int) -> LineCount | None:
    """Count the lines that end in a range; None if the log has changed."""
    lines, behind, place = 0, start, start
    try:
        with framing.open_source(log_range.source, start, same=True) as file:
            if is_moved(log_range.source, file):
                return None
            feed = PushbackReader(file, log_range.source.name)
            while data := feed.read(min(READ_BYTES, end - place)):
                lines += data.count(b"\n")
                behind = max(behind, place + data.rfind(b"\n") + 1)
                place += len(data)
    except (SourceError, PreconditionError):
        return None  # whoever reads it says why
    return LineCount(lines, behind) if place == end else None


class DedupResult(NamedTuple):
    """A part without some responses (none if no row is left), and what they counted."""

    part: StagedPart | None
    counts: list[dict[str, int]]  # for each log


def drop_repeats(
    order: WorkerOptions, part: StagedPart, earlier: Sequence[str]
) -> DedupResult:
    """Write a part of staging again without what parts of earlier lines hold."""
    own = read_keys([part.name])
    repeats = (
        read_keys(earlier)
        .join(own, on=DUPLICATE_KEY, how="semi")
        .unique()
        .with_columns(is_repeat=True)
        .collect()
    )
    counts = []
    path = Path(part.directory) / "0.parquet"
    with _make_folder(order.workspace) as folder:
        kept = 0
        with _create_part(
            folder / path, choices_table(order.options["tags"])
        ) as writer:
            for rows in _row_groups(part.name, folder):
                repeated = _find_repeats(rows, repeats)
                counts.append(_count_dropped(rows.filter(repeated)))
                left = rows.filter(pc.invert(repeated))
                kept += len(left)
                writer.write_table(left)
        (staged,) = _deliver(order.workspace, folder, [path])
    sums = pl.concat(counts).group_by("log_id").sum().to_dicts()
    return DedupResult(staged if kept else None, sums)


def read_keys(parts: Sequence[str]) -> pl.LazyFrame:
    """Read what finds a repeat, of the responses in parts that have an id."""
    is_named = pl.col("response_id").is_not_null()
    first = scan_parts(parts, pl.Schema(KEYS)).filter(is_named, choice_position=0)
    return first.select(DUPLICATE_KEY)


def _find_repeats(rows: pa.Table, repeats: pl.DataFrame) -> pa.Array:
    """Say of each row whether its response is among the repeats."""
    keys = pl.DataFrame(rows.select(DUPLICATE_KEY))
    found = keys.join(repeats, on=DUPLICATE_KEY, how="left", maintain_order="left")
    return found["is_repeat"].fill_null(value=False).to_arrow()


def _count_dropped(rows: pa.Table) -> pl.DataFrame:
    """Count rows that were left out as the ledger counts them."""
    columns = ["log_id", "choice_position", *LedgerBuilder.SUMS]
    return (
        pl.DataFrame(rows.select(columns))
        .group_by("log_id")
        .agg(
            responses=-(pl.col("choice_position") == 0).sum().cast(pl.Int64),
            duplicates=(pl.col("choice_position") == 0).sum().cast(pl.Int64),
            choices=-pl.len().cast(pl.Int64),
            **{name: -pl.col(name).sum() for name in LedgerBuilder.SUMS},
        )
    )


# Where parts are put.


@contextmanager
def _make_folder(workspace: str) -> Iterator[Path]:
    """Make a folder for one attempt: a second one meets no leftovers of the first."""
    if object_store.is_uri(workspace):
        with tempfile.TemporaryDirectory(prefix="toolkit-") as name:
            yield Path(name)
        return
    folder = Path(workspace) / uuid4().hex
    folder.mkdir()
    yield folder


def _deliver(workspace: str, folder: Path, made: Sequence[Path]) -> list[StagedPart]:
    """Leave parts where the run finds them; what goes to a store is put there."""
    where = str(folder)
    if object_store.is_uri(workspace):
        where = f"{workspace}/{uuid4().hex}"
        for path in made:
            object_store.put_file(f"{where}/{path.as_posix()}", folder / path)
    return [
        StagedPart(path.parent.as_posix(), f"{where}/{path.as_posix()}")
        for path in made
    ]


@contextmanager
def _create_part(path: Path, table: Table) -> Iterator[PartWriter]:
    """Give a new part to write to."""
    writer = new_part(path, table.arrow)
    try:
        yield writer
        writer.close()
    except BaseException:
        writer.abandon()
        raise


def _row_groups(name: str, folder: Path) -> Iterator[pa.Table]:
    """Yield the rows of a part; an object is copied into a folder first."""
    if object_store.is_uri(name):
        name, uri = str(folder / "part.parquet"), name
        object_store.get_file(uri, Path(name))
    with pq.ParquetFile(name) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)
