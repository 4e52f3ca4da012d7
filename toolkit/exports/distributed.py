"""Spread a run over the workers of an executor.

The logs are cut into ranges, and each task writes the parts of some of them. Duplicates
across tasks are then found in the parts, date by date.
"""

from __future__ import annotations

import math
from collections import deque
from concurrent.futures import Executor, Future, wait
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from toolkit.errors import PreconditionError, SourceError
from toolkit.exports import worker
from toolkit.exports.parts import InlineExecutor
from toolkit.exports.repeats import drop_repeats, find_repeats
from toolkit.exports.resume import LogRange, is_moved
from toolkit.reading import framing
from toolkit.reading.decompression import READ_BYTES, PushbackReader, detect_codec
from toolkit.reading.fingerprints import HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from toolkit.exports.worker import StagedPart, TaskResult, WorkerOptions
    from toolkit.reading.ledger import LedgerBuilder
    from toolkit.reading.streams import Streams

# A task reads about so many bytes of plain logs.
_SHARE_BYTES = 64 * 1024 * 1024
# A byte of a compressed log counts as so many bytes of a plain one.
_INFLATION = 4


class WorkerPool:
    """The workers of an executor; without one, this process."""

    def __init__(self, executor: Executor | None, options: WorkerOptions) -> None:
        self.executor = executor or InlineExecutor()
        self.options = options

    def write(self, logs: Sequence[LogRange], streams: Streams) -> Iterator[TaskResult]:
        """Have workers write the parts of logs, and yield the results in order.

        A share is read again if a response in it may be the last chunk of a stream that
        is open by then.
        """
        tasks = [(self.options, share) for share in _group_ranges(self.cut(logs))]
        results = self.results(worker.write_ranges, tasks)
        for task, result in zip(tasks, results, strict=True):
            open_streams = streams.take_unfinished(result.choices)
            if len(open_streams):
                again = (*task, open_streams)
                (result,) = self.results(worker.write_ranges, [again])
            yield result

    def cut(self, logs: Sequence[LogRange]) -> list[LogRange]:
        """Cut large plain logs at line ends; leave others whole."""
        if self.options.on_damage != "raise":
            return list(logs)
        edges = {log: _find_edges(log) for log in logs}
        tasks = [(log, *pair) for log in logs for pair in edges[log]]
        counts = self.results(_count_lines, tasks)
        return [
            piece
            for log in logs
            for piece in _cut_range(log, [next(counts) for _ in edges[log]])
        ]

    def drop_repeats(
        self,
        parts: Sequence[StagedPart],
        list_committed: Callable[[str], list[str]],
        ledger: LedgerBuilder,
    ) -> list[StagedPart]:
        """Return parts without the responses that a committed or earlier part has."""
        repeats = find_repeats(parts, list_committed)
        changed = [part for part in parts if part.name in repeats]
        tasks = [(self.options, part, repeats[part.name]) for part in changed]
        rewritten: dict[StagedPart, StagedPart | None] = {}
        results = self.results(drop_repeats, tasks)
        for part, (rest, changes) in zip(changed, results, strict=True):
            rewritten[part] = rest
            for counts in changes:
                ledger.counts[counts.pop("log_id")].update(counts)
        left = (rewritten.get(part, part) for part in parts)
        return [part for part in left if part is not None]

    def results(
        self, function: Callable[..., Any], tasks: Iterable[tuple[Any, ...]]
    ) -> Iterator[Any]:
        """Yield the results of tasks in order; after an error, start no more tasks."""
        waiting: deque[Future[Any]] = deque()
        try:
            for task in tasks:
                is_stream = function is worker.write_ranges and any(
                    log_range.source.size is None for log_range in task[1]
                )
                # No other process can read a stream of this one.
                executor = InlineExecutor() if is_stream else self.executor
                waiting.append(executor.submit(function, *task))
            while waiting:
                yield waiting[0].result()
                waiting.popleft()
        finally:
            wait([future for future in waiting if not future.cancel()])


def _weigh(log_range: LogRange) -> float:
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
        size = _weigh(log_range)
        if share and total + size > 1:
            yield share
            share, total = [], 0.0
        share.append(log_range)
        total += size
    if share:
        yield share


def _find_edges(log: LogRange) -> list[tuple[int, int]]:
    """Return the starts and ends of the byte ranges in which lines are counted.

    None is shorter than a task. There are none in a log that cannot be cut.
    """
    size = log.source.size or 0
    count = (size - log.offset) // _SHARE_BYTES
    if count < 2 or not _may_be_cut(log):
        return []
    starts = range(log.offset, log.offset + count * _SHARE_BYTES, _SHARE_BYTES)
    return list(pairwise([*starts, size]))


def _may_be_cut(log: LogRange) -> bool:
    """Return whether a log is plain, and begins after a line end."""
    source = log.source
    try:
        with framing.open_source(source) as file:
            is_plain = detect_codec(PushbackReader(file, source.name)) is None
        if not (is_plain and log.offset):
            return is_plain
        with framing.open_source(source, log.offset - 1) as file:
            return PushbackReader(file, source.name).read(1) == b"\n"
    except SourceError:
        return False  # the error is raised when it is read


def _count_lines(log_range: LogRange, start: int, end: int) -> tuple[int, int] | None:
    """Count the lines that end in a byte range; None if the log has changed.

    Return also where the last of them ends, 0 if there is none.
    """
    lines, line_end, place = 0, 0, start
    try:
        with framing.open_source(log_range.source, start, same=True) as file:
            if is_moved(log_range.source, file):
                return None
            feed = PushbackReader(file, log_range.source.name)
            while data := feed.read(min(READ_BYTES, end - place)):
                if found := data.count(b"\n"):
                    lines += found
                    line_end = place + data.rfind(b"\n") + 1
                place += len(data)
    except (SourceError, PreconditionError):
        return None  # the error is raised when it is read
    return (lines, line_end) if place == end else None


def _cut_range(
    log: LogRange, counts: Sequence[tuple[int, int] | None]
) -> Iterator[LogRange]:
    """Cut a log at the last line end of each byte range in which lines were counted.

    Each piece has enough bytes for the hashes of a fingerprint. A log that has changed
    stays whole.
    """
    known = [count for count in counts if count is not None]
    if len(known) == len(counts):
        line = log.line
        last = max((end for _, end in known), default=0)
        for lines, end in known:
            line += lines
            if min(end - log.offset, last - end) >= HEAD_BYTES:
                yield log._replace(end=end, end_line=line)
                log = log._replace(mark=None, is_first=False, offset=end, line=line)
    yield log
