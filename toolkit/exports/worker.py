"""Read ranges of logs, and write them as parts: in this process or in workers.

What is sent to a worker and back is plain data; its parts stay in staging until the run
uses them.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import polars as pl
import pyarrow as pa

from toolkit.exports.parts import Parts, create_part, filter_span, find_days, open_part
from toolkit.exports.resume import LogMovedError, LogRange, iter_blocks
from toolkit.expressions.time_ranges import span
from toolkit.reading import object_store
from toolkit.reading.blocks import Block, Decoded, make_plan
from toolkit.reading.decoder import make_deduplicator
from toolkit.reading.dedup import DUPLICATE_KEY, is_dated_by_line
from toolkit.reading.fingerprints import Fingerprint, Fingerprinter
from toolkit.reading.ledger import STREAM_COLUMNS, STREAM_COUNTS, LedgerBuilder
from toolkit.reading.log_reader import LogReader
from toolkit.reading.manifest import CHOICES_DIR, REJECTS_DIR
from toolkit.reading.scan import scan_parts
from toolkit.reading.streams import Streams
from toolkit.schema.tables import CHOICES, choices_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from toolkit.reading.options import OnDamage
    from toolkit.schema.columns import Table

# The key of duplicates; it is compared on the first choice of each response.
_KEY_NAMES = ("choice_position", "api", *DUPLICATE_KEY)
_KEYS = pa.schema([CHOICES[name].arrow for name in _KEY_NAMES])
_SPAN = ("since", "until")  # the options of the range of time
# The columns by which whole responses take the place of streams.
_WHOLE_COLUMNS = (
    *("log_id", "choice_position", "chunk_count", "response_id"),
    *("api", "model"),
)
# The columns of rows that are counted.
_COUNTED = ["log_id", *STREAM_COLUMNS, *LedgerBuilder.SUMS]


class StagedPart(NamedTuple):
    """A part in staging, and the directory of the export that it belongs in."""

    directory: str
    name: str


class TaskResult(NamedTuple):
    """What was read from some ranges of logs, and the parts that were written."""

    ledger: LedgerBuilder
    fingerprints: dict[int, Fingerprint]  # not of a log that was moved before
    truncated: set[int]  # logs whose last line was rejected as truncated
    parts: Sequence[StagedPart] = ()
    read: int = 0  # bytes of files
    # Of a worker: streams of several lines, and the lines of each rotation set.
    share: tuple[pl.DataFrame, Mapping[str, int]] | None = None

    @property
    def choices(self) -> pl.LazyFrame:
        """What a run needs of the responses in the parts."""
        return scan_choices(
            [part.name for part in self.parts if part.directory != REJECTS_DIR]
        )

    def add_fingerprint(self, log_id: int, fingerprint: Fingerprint) -> None:
        """Add the fingerprint of the next range of a log."""
        if first := self.fingerprints.get(log_id):
            fingerprint = fingerprint.with_head_of(first)
        self.fingerprints[log_id] = fingerprint

    def merge(self, other: TaskResult) -> None:
        """Add the result of later ranges."""
        self.ledger.merge(other.ledger)
        self.truncated.update(other.truncated)
        for log_id, fingerprint in other.fingerprints.items():
            self.add_fingerprint(log_id, fingerprint)


def write_parts(stream: Iterator[Decoded], parts: Parts, result: TaskResult) -> None:
    """Write blocks into parts, and count them in a result."""
    for decoded in stream:
        codes = decoded.rejects.column("code")
        if len(codes) and codes[-1].as_py() == "truncated":
            result.truncated.add(decoded.log_id)
        result.ledger.add(decoded)
        parts.add(decoded.choices, decoded.rejects)
    parts.finish()


def drop_duplicates(
    stream: Iterator[Decoded], list_committed: Callable[[str], list[str]] | None = None
) -> Iterator[Decoded]:
    """Yield blocks without the responses of earlier blocks and of committed parts.

    `list_committed` returns the committed parts in a directory of the export. Only
    those of the dates of new rows are read, unless responses are dated by their lines.
    """
    seen = make_deduplicator()
    searched: set[str] = set()
    for decoded in stream:
        if list_committed is not None:
            for directory in _find_directories(decoded.choices) - searched:
                searched.add(directory)
                if committed := list_committed(directory):
                    for keys in _iter_keys(committed, directory):
                        seen.drop_duplicates(Decoded(0, "", keys, keys, 0, 0, 0, 0))
        yield seen.drop_duplicates(decoded)


def _iter_keys(committed: Sequence[str], directory: str) -> Iterator[pa.RecordBatch]:
    """Yield the keys of the responses in the committed parts of a directory."""
    keys = read_keys(committed, of_any_date=directory == CHOICES_DIR)
    unique = keys.select(_KEY_NAMES).unique().collect()
    yield from unique.to_arrow().cast(_KEYS).to_batches()


def _find_directories(choices: pa.RecordBatch) -> set[str]:
    """Return the directories where responses may be that rows repeat."""
    found = {f"{CHOICES_DIR}/date={day}" for day in find_days(choices)}
    of_any_date = pl.DataFrame(choices.select(["api"])).filter(is_dated_by_line())
    return found if of_any_date.is_empty() else {*found, CHOICES_DIR}


def iter_ranges(
    reader: LogReader, log_ranges: Sequence[LogRange], result: TaskResult
) -> Iterator[Block]:
    """Yield the blocks of range after range, and add the fingerprints to a result."""
    for log_range in log_ranges:
        fingerprinter = Fingerprinter()
        try:
            yield from iter_blocks(log_range, fingerprinter, reader)
        except LogMovedError:  # the next run finds it in its new place
            continue
        result.add_fingerprint(log_range.log_id, fingerprinter.fingerprint())


class WorkerOptions(NamedTuple):
    """How workers read ranges, and where they put their parts."""

    workspace: str
    options: Mapping[str, Any]  # as in state.json
    on_damage: OnDamage

    @property
    def table(self) -> Table:
        """The table of the choices."""
        return choices_table(self.options["tags"], self.options["created_path"])


def write_ranges(
    options: WorkerOptions,
    log_ranges: Sequence[LogRange],
    open_streams: pl.DataFrame | None = None,
) -> TaskResult:
    """Read ranges of logs into parts in staging, with one thread."""
    read: list[int] = []
    others = {*_SPAN, "duplicates"}
    given = {k: value for k, value in options.options.items() if k not in others}
    plan = make_plan(**given, leave_pending=True)
    on_damage = options.on_damage
    reader = LogReader([], {}, plan, "keep", on_damage, progress=read.append, threads=1)
    logs = {log_range.log_id: log_range.source for log_range in log_ranges}
    result = TaskResult(LedgerBuilder(logs, plan.table), {}, set())
    # A stream may have begun before these lines, and go on behind them.
    paths = {log_id: log.path for log_id, log in logs.items()}
    streams = Streams(plan.table, paths, open_streams, gives_out=False)
    decoded = reader.decode(iter_ranges(reader, log_ranges, result))
    blocks = chain.from_iterable(map(streams.put_together, decoded))
    parts = stage_blocks(options, blocks, result)
    share = streams.pieces, streams.lines
    return result._replace(parts=parts, read=sum(read), share=share)


def stage_blocks(
    options: WorkerOptions, stream: Iterator[Decoded], result: TaskResult
) -> list[StagedPart]:
    """Write blocks into parts in staging, with one thread; count them in a result.

    Only repeats among the blocks are left out: the run compares with other parts.
    """
    stream = filter_span(stream, span(*(options.options[name] for name in _SPAN)))
    if options.options["duplicates"] == "drop":
        stream = drop_duplicates(stream)
    with _make_folder(options.workspace) as folder:
        with Parts(folder, options.table, threads=1) as parts:
            write_parts(stream, parts, result)
        return _deliver(options.workspace, folder, parts.made)


def drop_repeats(
    options: WorkerOptions, part: StagedPart, earlier: Sequence[str]
) -> tuple[StagedPart | None, list[dict[str, int]]]:
    """Rewrite a staged part without the responses of earlier parts.

    Return the part, None if no row is left, and what has changed in the ledger: for
    each log, the changes by column.
    """
    own = read_keys([part.name])
    repeats = (
        read_keys(earlier)
        .join(own, on=DUPLICATE_KEY, how="semi")
        .select(DUPLICATE_KEY)
        .unique()
        .with_columns(is_repeat=True)
        .collect()
    )
    dropped = []
    path = Path(part.directory) / "0.parquet"
    with _make_folder(options.workspace) as folder:
        left = 0
        with (
            open_part(part.name) as file,
            create_part(folder / path, options.table) as writer,
        ):
            for number in range(file.num_row_groups):
                rows = file.read_row_group(number)
                repeated = _find_repeats(rows, repeats)
                dropped.append(rows.select(_COUNTED).filter(repeated.to_arrow()))
                others = rows.filter((~repeated).to_arrow())
                left += len(others)
                writer.write_table(others)
        (staged,) = _deliver(options.workspace, folder, [path])
    changes = _count_changes(pa.concat_tables(dropped))
    return staged if left else None, changes


def read_keys(parts: Sequence[str], *, of_any_date: bool = False) -> pl.LazyFrame:
    """Read the keys of the responses in parts that have an id, and the part of each.

    `of_any_date` leaves out those that have the same date wherever they are repeated.
    """
    keys = scan_parts(parts, pl.Schema(_KEYS), part_column="part")
    is_read = pl.col("response_id").is_not_null() & (pl.col("choice_position") == 0)
    return keys.filter(is_read & is_dated_by_line() if of_any_date else is_read)


def scan_choices(parts: Sequence[str]) -> pl.LazyFrame:
    """Return what a run needs of the responses in parts; nothing is read yet."""
    schema = pl.Schema({name: CHOICES.polars[name] for name in _WHOLE_COLUMNS})
    return scan_parts(parts, schema) if parts else pl.LazyFrame(schema=schema)


def _find_repeats(rows: pa.Table, repeats: pl.DataFrame) -> pl.Series:
    """Return for each row whether its response is a repeat."""
    keys = pl.DataFrame(rows.select(DUPLICATE_KEY))
    found = keys.join(repeats, on=DUPLICATE_KEY, how="left", maintain_order="left")
    return found["is_repeat"].fill_null(value=False)


def _count_changes(dropped: pa.Table) -> list[dict[str, int]]:
    """Return for each log of removed rows the changes to its ledger."""
    responses = (pl.col("choice_position") == 0).sum().cast(pl.Int64)
    changes = {
        "responses": -responses,
        "duplicates": responses,
        "choices": -pl.len().cast(pl.Int64),
        **{name: -pl.col(name).sum() for name in LedgerBuilder.SUMS},
        **{name: -count for name, count in STREAM_COUNTS.items()},
    }
    return pl.DataFrame(dropped).group_by("log_id").agg(**changes).to_dicts()


@contextmanager
def _make_folder(workspace: str) -> Iterator[Path]:
    """Create a folder for one attempt, so that a retry does not find leftovers."""
    if object_store.is_uri(workspace):
        with tempfile.TemporaryDirectory(prefix="toolkit-") as name:
            yield Path(name)
    else:
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
