"""Spread a run over the workers of an executor.

The logs are cut into ranges, and each task writes the parts of some of them. Duplicates
across tasks are then found in the parts, date by date.
"""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import wait
from itertools import chain, pairwise
from typing import TYPE_CHECKING, Any

import polars as pl

from toolkit.errors import SourceError
from toolkit.exports.parts import run_now
from toolkit.exports.worker import (
    KEYS,
    LineCount,
    StagedPart,
    count_lines,
    drop_repeats,
    write_ranges,
)
from toolkit.reading import framing
from toolkit.reading.decompression import PushbackReader, detect_codec
from toolkit.reading.fingerprints import HEAD_BYTES
from toolkit.reading.manifest import CHOICES_DIR
from toolkit.reading.scan import scan_parts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future

    from toolkit.exports.resume import LogRange
    from toolkit.exports.worker import TaskResult, WorkerOptions
    from toolkit.reading.ledger import LedgerBuilder

# A task reads about so many bytes of plain logs.
_SHARE_BYTES = 64 * 1024 * 1024
# A byte of a compressed log counts as so many bytes of a plain one.
_INFLATION = 4


class WorkerPool:
    """The workers of an executor."""

    def __init__(self, executor: Executor, options: WorkerOptions) -> None:
        self.executor = executor
        self.options = options

    def write(self, logs: Sequence[LogRange]) -> Iterator[TaskResult]:
        """Have workers write the parts of logs, and yield the results in order."""
        shares = _group_ranges(self.cut(logs))
        tasks = [(self.options, share) for share in shares]
        yield from self.results(write_ranges, tasks)

    def cut(self, logs: Sequence[LogRange]) -> list[LogRange]:
        """Cut large plain logs at line ends; leave others whole."""
        ranges = {}
        if self.options.on_damage == "raise":
            ranges = {log: _byte_ranges(log) for log in logs if _may_be_cut(log)}
        tasks = [(log, *edges) for log, found in ranges.items() for edges in found]
        counts = self.results(count_lines, tasks)
        log_ranges = []
        for log in logs:
            counted = [next(counts) for _ in ranges.get(log, ())]
            log_ranges += _cut_range(log, list(_find_cuts(log, counted)))
        return log_ranges

    def drop_duplicates(
        self,
        shares: Sequence[Sequence[StagedPart]],
        committed: Callable[[str], list[str]],
        ledger: LedgerBuilder,
    ) -> list[list[StagedPart]]:
        """Remove the duplicates of committed responses and of earlier tasks."""
        found = list(_repeating(shares, committed))
        tasks = [(self.options, part, earlier) for part, earlier in found]
        instead: dict[StagedPart, StagedPart | None] = {}
        results = self.results(drop_repeats, tasks)
        for (part, _), result in zip(found, results, strict=True):
            instead[part] = result.part
            for counts in result.counts:
                ledger.counts[counts.pop("log_id")].update(counts)
        left = [[instead.get(part, part) for part in share] for share in shares]
        return [[part for part in share if part is not None] for share in left]

    def results(
        self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]
    ) -> Iterator[Any]:
        """Yield the results of tasks in order; after an error, start no more tasks."""
        waiting: deque[Future[Any]] = deque()
        try:
            for task in tasks:
                waiting.append(self.submit(function, task))
            while waiting:
                yield waiting[0].result()
                waiting.popleft()
        finally:
            wait([future for future in waiting if not future.cancel()])

    def submit(
        self, function: Callable[..., Any], task: tuple[Any, ...]
    ) -> Future[Any]:
        """Submit a task; read a stream in this process, as no other can."""
        if function is not write_ranges or not any(map(_is_stream, task[1])):
            return self.executor.submit(function, *task)
        return run_now(function, *task)


def _is_stream(log_range: LogRange) -> bool:
    """Return whether a log is standard input or a pipe."""
    return log_range.source.size is None


def _weight(log_range: LogRange) -> float:
    """Return the size of a range in tasks; a stream is a task of its own."""
    source = log_range.source
    if source.size is None:
        return math.inf
    if source.name.endswith((".gz", ".zst")):
        return source.size * _INFLATION / _SHARE_BYTES
    end = source.size if log_range.end is None else log_range.end
    return (end - log_range.offset) / _SHARE_BYTES


def _group_ranges(log_ranges: Iterable[LogRange]) -> Iterator[list[LogRange]]:
    """Group ranges, in order, into tasks."""
    share: list[LogRange] = []
    total = 0.0
    for log_range in log_ranges:
        size = _weight(log_range)
        if share and total + size > 1:
            yield share
            share, total = [], 0.0
        share.append(log_range)
        total += size
    if share:
        yield share


# Cutting.


def _may_be_cut(log: LogRange) -> bool:
    """Return whether a log is large, plain, and begins after a line end."""
    source = log.source
    if source.size is None or source.size - log.offset < 2 * _SHARE_BYTES:
        return False
    try:
        with framing.open_source(source) as file:
            is_plain = detect_codec(PushbackReader(file, source.name)) is None
        if not (is_plain and log.offset):
            return is_plain
        with framing.open_source(source, log.offset - 1) as file:
            return PushbackReader(file, source.name).read(1) == b"\n"
    except SourceError:
        return False  # the error is raised when it is read


def _byte_ranges(log: LogRange) -> list[tuple[int, int]]:
    """Cut a log into byte ranges; none is shorter than a task."""
    size = log.source.size or 0
    count = (size - log.offset) // _SHARE_BYTES
    starts = range(log.offset, log.offset + count * _SHARE_BYTES, _SHARE_BYTES)
    return list(pairwise([*starts, size]))


def _find_cuts(
    log: LogRange, counted: Sequence[LineCount | None]
) -> Iterator[tuple[int, int]]:
    """Yield where a log may be cut, as offsets and line numbers.

    Each piece has enough bytes for the hashes of a fingerprint.
    """
    known = [count for count in counted if count is not None]
    if len(known) < len(counted) or not known:
        return
    line, before, last = log.line, log.offset, known[-1].end
    for lines, end in known[:-1]:
        line += lines
        if end - before >= HEAD_BYTES and last - end >= HEAD_BYTES:
            yield end, line
            before = end


def _cut_range(log: LogRange, places: Sequence[tuple[int, int]]) -> list[LogRange]:
    """Cut a log at some places."""
    if not places:
        return [log]
    ends = [log._replace(end=end, end_line=line) for end, line in places]
    behind = log._replace(mark=None, is_first=False)
    starts = [behind._replace(offset=end, line=line) for end, line in places]
    inner = [
        start._replace(end=end.end, end_line=end.end_line)
        for start, end in zip(starts, ends[1:], strict=False)
    ]
    return [ends[0], *inner, starts[-1]]


# Repeats.


def _repeating(
    shares: Sequence[Sequence[StagedPart]], committed: Callable[[str], list[str]]
) -> Iterator[tuple[StagedPart, list[str]]]:
    """Yield the parts that may repeat responses of earlier parts, and those.

    Duplicates have the same date, so each date is searched alone.
    """
    parts = [part for share in shares for part in share]
    for directory in sorted({part.directory for part in parts}):
        if not directory.startswith(CHOICES_DIR):
            continue
        here = (
            [part.name for part in share if part.directory == directory]
            for share in shares
        )
        groups = [committed(directory), *here]
        for number in sorted(_repeating_groups(groups)):
            earlier = list(chain.from_iterable(groups[:number]))
            for name in groups[number]:
                yield StagedPart(directory, name), earlier


def _repeating_groups(groups: Sequence[Sequence[str]]) -> set[int]:
    """Return which groups of parts have a response hash of an earlier group."""
    frames = [
        scan_parts(parts, pl.Schema(KEYS))
        .filter(choice_position=0)
        .select("response_hash", group=pl.lit(number, pl.Int32))
        .unique()
        for number, parts in enumerate(groups)
        if parts
    ]
    if len(frames) < 2:
        return set()
    again = pl.concat(frames).filter(pl.col("response_hash").is_duplicated()).collect()
    first = pl.col("group").min().over("response_hash")
    return set(again.filter(pl.col("group") > first)["group"])
