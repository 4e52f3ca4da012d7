"""Read ranges of logs, and write them as parts: in this process or in workers.

What is sent to a worker and back is plain data; its parts stay in staging until the run
uses them.
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
from toolkit.exports.parts import Parts, create_part, filter_span
from toolkit.exports.resume import LogMovedError, LogRange, is_moved, iter_blocks
from toolkit.expressions.time_ranges import span
from toolkit.reading import framing, object_store
from toolkit.reading.blocks import make_plan
from toolkit.reading.decoder import make_deduplicator
from toolkit.reading.decompression import READ_BYTES, PushbackReader
from toolkit.reading.fingerprints import Fingerprint, Fingerprinter
from toolkit.reading.ledger import LedgerBuilder
from toolkit.reading.log_reader import LogReader
from toolkit.reading.scan import DUPLICATE_KEY, scan_parts
from toolkit.schema.tables import CHOICES, choices_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from toolkit.expressions.time_ranges import Span
    from toolkit.reading.blocks import Block, Decoded, Source
    from toolkit.reading.dedup import Deduplicator
    from toolkit.reading.options import OnDamage

# The key of duplicates; it is compared on the first choice of each response.
KEYS = pa.schema([CHOICES[name].arrow for name in ("choice_position", *DUPLICATE_KEY)])


class StagedPart(NamedTuple):
    """A part in staging, and the directory of the export that it belongs in."""

    directory: str
    name: str


class TaskResult(NamedTuple):
    """What was read from some ranges of logs, and the parts that were written."""

    ledger: LedgerBuilder
    fingerprints: dict[int, Fingerprint]
    moved: set[int]  # logs that were moved before they were read
    truncated: set[int]  # logs whose last line was rejected as truncated
    parts: Sequence[StagedPart] = ()
    read: int = 0  # bytes of files

    @classmethod
    def for_logs(cls, logs: Mapping[int, Source]) -> TaskResult:
        """Return the result before anything is read."""
        return cls(LedgerBuilder(logs), {}, set(), set())

    def add_fingerprint(self, log_id: int, fingerprint: Fingerprint) -> None:
        """Add the fingerprint of the next range of a log."""
        first = self.fingerprints.get(log_id)
        self.fingerprints[log_id] = (
            fingerprint.with_head_of(first) if first else fingerprint
        )

    def merge(self, other: TaskResult) -> None:
        """Add the result of later ranges."""
        self.ledger.merge(other.ledger)
        self.moved.update(other.moved)
        self.truncated.update(other.truncated)
        for log_id, fingerprint in other.fingerprints.items():
            self.add_fingerprint(log_id, fingerprint)


class ExportTask:
    """Read ranges of logs into parts."""

    def __init__(
        self,
        reader: LogReader,
        log_ranges: Sequence[LogRange],
        span: Span,
        deduplicator: Deduplicator | None,
    ) -> None:
        self.reader = reader
        self.log_ranges = log_ranges
        self.span = span
        self.deduplicator = deduplicator
        logs = {log_range.log_id: log_range.source for log_range in log_ranges}
        self.result = TaskResult.for_logs(logs)

    def write(self, parts: Parts) -> TaskResult:
        """Write what is new, and return what was read."""
        for decoded in self.result.ledger.count_all(self.iter_decoded()):
            parts.add(decoded.choices, decoded.rejects)
        parts.finish()
        return self.result

    def iter_decoded(self) -> Iterator[Decoded]:
        """Yield what is new, without duplicates."""
        for decoded in filter_span(self.reader.decode(self.iter_blocks()), self.span):
            codes = decoded.rejects.column("code")
            if len(codes) and codes[-1].as_py() == "truncated":
                self.result.truncated.add(decoded.log_id)
            if self.deduplicator is None:
                yield decoded
            else:
                yield self.deduplicator.drop_duplicates(decoded)

    def iter_blocks(self) -> Iterator[Block]:
        """Yield the blocks of range after range."""
        for log_range in self.log_ranges:
            fingerprinter = Fingerprinter()
            try:
                yield from iter_blocks(
                    log_range,
                    fingerprinter,
                    max_line_bytes=self.reader.plan.max_line_bytes,
                    on_damage=self.reader.on_damage,
                )
            except LogMovedError:  # the next run finds it in its new place
                self.result.moved.add(log_range.log_id)
            self.result.add_fingerprint(log_range.log_id, fingerprinter.fingerprint())


class WorkerOptions(NamedTuple):
    """How workers read ranges, and where they put their parts."""

    workspace: str
    options: Mapping[str, Any]  # as in state.json
    on_damage: OnDamage

    def reader(self, progress: Callable[[int], None] | None = None) -> LogReader:
        """Return a reader; a worker has one thread."""
        plan_options = {
            name: value
            for name, value in self.options.items()
            if name not in {"duplicates", "since", "until"}
        }
        plan = make_plan(**plan_options, leave_pending=True)
        duplicates = self.options["duplicates"]
        return LogReader(
            [], {}, plan, duplicates, self.on_damage, None, progress, threads=1
        )


def write_ranges(options: WorkerOptions, log_ranges: Sequence[LogRange]) -> TaskResult:
    """Read ranges of logs into parts in staging."""
    read: list[int] = []
    reader = options.reader(read.append)
    within = span(options.options["since"], options.options["until"])
    deduplicator = make_deduplicator() if reader.duplicates == "drop" else None
    task = ExportTask(reader, log_ranges, within, deduplicator)
    with _make_folder(options.workspace) as folder:
        table = reader.plan.table
        with Parts(folder, generation=0, run=None, table=table, threads=1) as parts:
            result = task.write(parts)
        staged = _deliver(options.workspace, folder, parts.made)
    return result._replace(parts=staged, read=sum(read))


class LineCount(NamedTuple):
    """The number of lines that end in a byte range, and where the last one ends."""

    lines: int
    end: int


def count_lines(log_range: LogRange, start: int, end: int) -> LineCount | None:
    """Count the lines that end in a byte range; None if the log has changed."""
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
        return None  # the error is raised when it is read
    return LineCount(lines, behind) if place == end else None


class DedupResult(NamedTuple):
    """A part without some responses, and their counts; no part if no row is left."""

    part: StagedPart | None
    counts: list[dict[str, int]]  # for each log


def drop_repeats(
    options: WorkerOptions, part: StagedPart, earlier: Sequence[str]
) -> DedupResult:
    """Rewrite a staged part without the responses of earlier parts."""
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
    schema = choices_table(options.options["tags"]).arrow
    with _make_folder(options.workspace) as folder:
        left = 0
        with create_part(folder / path, schema) as writer:
            for rows in _iter_row_groups(part.name, folder):
                repeated = _find_repeats(rows, repeats)
                counts.append(_count_dropped(rows.filter(repeated)))
                others = rows.filter(pc.invert(repeated))
                left += len(others)
                writer.write_table(others)
        (staged,) = _deliver(options.workspace, folder, [path])
    sums = pl.concat(counts).group_by("log_id").sum().to_dicts()
    return DedupResult(staged if left else None, sums)


def read_keys(parts: Sequence[str]) -> pl.LazyFrame:
    """Read the keys of the responses in parts that have an id."""
    is_named = pl.col("response_id").is_not_null()
    first = scan_parts(parts, pl.Schema(KEYS)).filter(is_named, choice_position=0)
    return first.select(DUPLICATE_KEY)


def _find_repeats(rows: pa.Table, repeats: pl.DataFrame) -> pa.Array:
    """Return for each row whether its response is a repeat."""
    keys = pl.DataFrame(rows.select(DUPLICATE_KEY))
    found = keys.join(repeats, on=DUPLICATE_KEY, how="left", maintain_order="left")
    return found["is_repeat"].fill_null(value=False).to_arrow()


def _count_dropped(rows: pa.Table) -> pl.DataFrame:
    """Count removed rows as changes to the ledger."""
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


@contextmanager
def _make_folder(workspace: str) -> Iterator[Path]:
    """Create a folder for one attempt, so that a retry does not find leftovers."""
    if object_store.is_uri(workspace):
        with tempfile.TemporaryDirectory(prefix="toolkit-") as name:
            yield Path(name)
        return
    folder = Path(workspace) / uuid4().hex
    folder.mkdir()
    yield folder


def _deliver(workspace: str, folder: Path, made: Sequence[Path]) -> list[StagedPart]:
    """Return where the run finds the parts; upload them if it is in a store."""
    where = str(folder)
    if object_store.is_uri(workspace):
        where = f"{workspace}/{uuid4().hex}"
        for path in made:
            object_store.put_file(f"{where}/{path.as_posix()}", folder / path)
    return [
        StagedPart(path.parent.as_posix(), f"{where}/{path.as_posix()}")
        for path in made
    ]


def _iter_row_groups(name: str, folder: Path) -> Iterator[pa.Table]:
    """Yield the row groups of a part; download an object into a folder first."""
    if object_store.is_uri(name):
        name, uri = str(folder / "part.parquet"), name
        object_store.get_file(uri, Path(name))
    with pq.ParquetFile(name) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)
