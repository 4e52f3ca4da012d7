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

from toolkit.exports.parts import Parts, filter_span
from toolkit.exports.resume import LogMovedError, LogRange, iter_blocks
from toolkit.expressions.time_ranges import span
from toolkit.reading import object_store
from toolkit.reading.blocks import Block, Decoded, make_plan
from toolkit.reading.dedup import Deduplicator
from toolkit.reading.fingerprints import Fingerprint, Fingerprinter
from toolkit.reading.ledger import LedgerBuilder
from toolkit.reading.log_reader import LogReader
from toolkit.reading.manifest import REJECTS_DIR
from toolkit.reading.scan import scan_parts
from toolkit.reading.streams import Streams
from toolkit.schema.tables import CHOICES, choices_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl

    from toolkit.reading.options import OnDamage
    from toolkit.schema.columns import Table

# The columns by which whole responses take the place of streams.
_WHOLE_COLUMNS = (
    *("log_id", "choice_position", "chunk_count", "response_id"),
    *("api", "model"),
)


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
        choices = [part for part in self.parts if part.directory != REJECTS_DIR]
        return scan_choices([part.name for part in choices])

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
    plan = make_plan(**options.options, leave_pending=True)
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
    options: WorkerOptions,
    stream: Iterator[Decoded],
    result: TaskResult,
    threads: int | None = 1,
) -> list[StagedPart]:
    """Write blocks into parts in staging, and count them in a result.

    Only repeats among the blocks are left out: the run compares with other parts.
    """
    within = span(options.options["since"], options.options["until"])
    stream = filter_span(stream, within)
    if options.options["duplicates"] == "drop":
        stream = map(Deduplicator().drop_duplicates, stream)
    with (
        new_folder(options.workspace) as (folder, where),
        Parts(folder, options.table, threads) as parts,
    ):
        for decoded in stream:
            codes = decoded.rejects.column("code")
            if len(codes) and codes[-1].as_py() == "truncated":
                result.truncated.add(decoded.log_id)
            result.ledger.add(decoded)
            parts.add(decoded.choices, decoded.rejects)
        parts.finish()
    return [
        StagedPart(path.parent.as_posix(), f"{where}/{path.as_posix()}")
        for path in parts.made
    ]


def scan_choices(parts: Sequence[str]) -> pl.LazyFrame:
    """Return what a run needs of the responses in parts; nothing is read yet."""
    return scan_parts(parts, {name: CHOICES.polars[name] for name in _WHOLE_COLUMNS})


@contextmanager
def new_folder(workspace: str) -> Iterator[tuple[Path, str]]:
    """Create a folder for parts; yield it, and where the run finds it.

    Each attempt has its own, so that a retry does not find leftovers. If the workspace
    is in a store, the parts are uploaded at the end.
    """
    where = f"{workspace}/{uuid4().hex}"
    if object_store.is_uri(workspace):
        with tempfile.TemporaryDirectory(prefix="toolkit-") as name:
            yield Path(name), where
            for path in Path(name).rglob("*.parquet"):
                uploaded = f"{where}/{path.relative_to(name).as_posix()}"
                object_store.put_file(uploaded, path)
    else:
        folder = Path(where)
        folder.mkdir()
        yield folder, where
