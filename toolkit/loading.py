"""Logs in, tables out: `load` and `batches`.

Nothing is dropped in silence: what is not a row is a reject, a duplicate or a blank
line, and the ledger counts each.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack, get_args

from toolkit.accounting import Account, passed_over_words
from toolkit.blocks import (
    MAX_LINE_BYTES,
    STDIN,
    Block,
    Content,
    CreatedUnit,
    Decoded,
    Duplicates,
    OnDamage,
    Plan,
    Source,
    check_word,
    make_plan,
    whole,
)
from toolkit.decoding import decode_all, make_decoder, make_seen
from toolkit.errors import (
    NotEnoughMemoryError,
    OptionError,
    PassedOverWarning,
    RejectedLineError,
    SlowDecoderWarning,
)
from toolkit.finding import Sources, find_logs
from toolkit.gathering import Tables
from toolkit.loaded import Loaded
from toolkit.native import KERNEL, count_lines
from toolkit.schema import REJECTS
from toolkit.sources import blocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

OnReject = Literal["collect", "raise"]

SLOW_BYTES = 100 * 10**6
# Bytes of a table for each byte of its log, measured on data/sample/chat.jsonl; lines
# shorter than its thousand bytes take more. A compressed log holds several times its
# size (the sample 12 times). Both are low, so that no log that fits is refused.
TABLE_BYTES = {"keep": 0.8, "drop": 0.35}
INFLATION = 4


class LogOptions(TypedDict, total=False):
    """What may be said of how logs are to be read; an export has settled it."""

    content: Content
    duplicates: Duplicates
    tags: Mapping[str, str] | None
    response_path: str | None
    created_unit: CreatedUnit
    max_line_bytes: int
    on_damage: OnDamage
    threads: int | None


@dataclass(frozen=True)
class Reading:
    """Logs that were found, and how they are to be read."""

    logs: Sequence[Source]
    passed_over: dict[str, int]
    plan: Plan
    duplicates: Duplicates = "drop"
    on_damage: OnDamage = "raise"
    max_lines: int | None = None
    progress: Callable[[int], None] | None = None
    threads: int | None = None

    def decoded(self) -> Iterator[Decoded]:
        """Yield the blocks of the logs, decoded, without repeats if that is wanted."""
        seen = make_seen() if self.duplicates == "drop" else None
        wanted = first_lines(self.blocks(), self.max_lines)
        for decoded in self.decode(wanted):
            yield decoded if seen is None else seen.without_repeats(decoded)

    def decode(self, stream: Iterator[Block]) -> Iterator[Decoded]:
        """Yield blocks decoded, with all that they repeat, and tell the progress."""
        decoder = make_decoder(self.plan)
        log_id, position = -1, 0
        for block, made in decode_all(decoder, stream, self.threads):
            decoded = made._replace(head=block.head, error=block.error)
            if block.log_id != log_id:
                log_id, position = block.log_id, 0
            if self.progress is not None:
                self.progress(block.position - position)
            position = block.position
            yield decoded

    def blocks(self) -> Iterator[Block]:
        """Yield the blocks of log after log."""
        for log_id, log in enumerate(self.logs):
            yield from blocks(
                log,
                log_id,
                max_line_bytes=self.plan.max_line_bytes,
                on_damage=self.on_damage,
            )

    def warn_of_passed_over(self) -> None:
        """Say once which files a walk did not read."""
        if self.passed_over:
            words = passed_over_words(self.passed_over)
            warnings.warn(words, PassedOverWarning, stacklevel=3)

    def without_text(self) -> Reading:
        """Return the same logs, read without the text of their messages."""
        return replace(self, plan=replace(self.plan, content="drop"))


def open_logs(
    sources: Sources,
    *,
    max_lines: int | None = None,
    leave_pending: bool = False,
    progress: Callable[[int], None] | None = None,
    **options: Unpack[LogOptions],
) -> Reading:
    """Check the options and find the logs; nothing is read yet."""
    duplicates = options.get("duplicates", "drop")
    on_damage = options.get("on_damage", "raise")
    check_word("duplicates", duplicates, get_args(Duplicates))
    check_word("on_damage", on_damage, get_args(OnDamage))
    check_whole("max_lines", max_lines, 0)
    threads = options.get("threads")
    check_whole("threads", threads, 1)
    plan = make_plan(
        content=options.get("content", "keep"),
        tags=options.get("tags"),
        response_path=options.get("response_path"),
        created_unit=options.get("created_unit", "s"),
        max_line_bytes=options.get("max_line_bytes", MAX_LINE_BYTES),
        leave_pending=leave_pending,
    )
    found = find_logs(sources, on_damage=on_damage)
    warn_of_slowness(found.logs)
    return Reading(
        found.logs,
        found.passed_over,
        plan,
        duplicates,
        on_damage,
        max_lines,
        progress,
        threads,
    )


def batches(
    sources: Sources,
    *,
    content: Content = "keep",
    duplicates: Duplicates = "drop",
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    max_lines: int | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    on_damage: OnDamage = "raise",
    threads: int | None = None,
) -> Iterator[Decoded]:
    """Read logs block by block, in order, in constant memory.

    Parameters are those of `load`.

    Yields
    ------
    Decoded
        `choices` and `rejects` as Arrow record batches, the counts of the block, and
        the log that it is from. Rows come as they are read: of a compressed log that
        turns out to be damaged the first ones have been yielded when the error comes
        (not so with ``on_damage="collect"``, where the last block has the `error`).

    Examples
    --------
    >>> import toolkit
    >>> rows = sum(batch.choices.num_rows for batch in toolkit.batches("data/sample"))
    >>> rows == toolkit.load("data/sample").choices.num_rows
    True
    """
    return open_logs(
        sources,
        content=content,
        duplicates=duplicates,
        tags=tags,
        response_path=response_path,
        created_unit=created_unit,
        max_lines=max_lines,
        max_line_bytes=max_line_bytes,
        on_damage=on_damage,
        threads=threads,
    ).decoded()


def first_lines(stream: Iterator[Block], max_lines: int | None) -> Iterator[Block]:
    """Yield blocks up to a number of lines in all."""
    left = max_lines
    for block in stream:
        if left is None:
            yield block
            continue
        lines = sum(count_lines(*piece) for piece in block.pieces)
        lines += int(block.skipped is not None)
        if lines >= left:
            if left:
                yield cut_block(block, left)
            return
        yield block
        left -= lines


def cut_block(block: Block, lines: int) -> Block:
    """Keep the first lines of a block."""
    if block.skipped is not None:
        return block
    data = block.data
    end = -1
    for _ in range(lines):
        end = data.index(b"\n", end + 1)
    kept = data[: end + 1]
    accounted = block.bytes - len(data) + len(kept)
    return block._replace(pieces=whole(kept), bytes=accounted, tail=False)


def warn_of_slowness(logs: Sequence[Source]) -> None:
    """Say once that a large log would be read sooner by the kernel."""
    size = sum(log.size or 0 for log in logs)
    if KERNEL is None and size > SLOW_BYTES:
        words = (
            f"{size / 1e6:,.0f} MB of log for the decoder in plain Python: installed "
            "where Rust is at hand, the one in Rust is ten times as fast and more"
        )
        warnings.warn(words, SlowDecoderWarning, stacklevel=4)


def check_whole(name: str, value: int | None, least: int) -> None:
    """Refuse what is no whole number, or one too small; None is none."""
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise OptionError(name, value, wanted=f"{least} or more, or None")


def load(
    sources: Sources,
    *,
    content: Content = "keep",
    duplicates: Duplicates = "drop",
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    on_reject: OnReject = "collect",
    on_damage: OnDamage = "raise",
    max_lines: int | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Loaded:
    """Read logs into memory: a table of choices, one of rejects, and a ledger.

    Parameters
    ----------
    sources
        A path, a directory, a glob, ``-`` for standard input, an address
        ``s3://bucket/key`` (also with a glob or of a folder), or a sequence of them.
        Plain, gzip and zstd are told apart by their first bytes.
    content
        ``"drop"`` leaves the text of messages null; `content_chars` is kept.
    duplicates
        ``"drop"`` keeps the first of two lines with the same response bytes and the
        same id; the ledger counts the rest. ``"keep"`` keeps all.
    tags
        Name to path of a value in the line, ``{"team": "metadata.team"}``; each gives
        a nullable string column, ``tag_team``.
    response_path
        Where the response stands in a line, if not in one of the usual envelopes.
    created_unit
        Unit of `created` in the log: ``"s"``, ``"ms"``, ``"us"`` or ``"ns"``.
    on_reject
        ``"collect"`` puts bad lines into `rejects` and warns once; ``"raise"`` stops
        at the first with `RejectedLineError`.
    on_damage
        ``"raise"`` stops at a log that is damaged or cannot be read; ``"collect"``
        keeps what was verified before the damage and every other log, warns once, and
        says the fault in the `error` column of the ledger. A compressed log is then
        read twice.
    max_lines
        Read at most so many lines in all.
    max_line_bytes
        A longer line is rejected without being held in memory.
    threads
        How many threads decode, all cores unless given; the result is the same.
    progress
        Called with the number of file bytes that were newly read.

    Returns
    -------
    Loaded
        Rows in source order. A response without choices has one row, so that its
        usage is not lost.

    Raises
    ------
    SourceError
        If a log is missing, unreadable or damaged.
    NotEnoughMemoryError
        Before reading, if the table would be larger than free memory.

    Warns
    -----
    RejectsWarning
        Once, if lines were rejected.
    DamageWarning
        Once, if logs are damaged and ``on_damage="collect"``.

    Examples
    --------
    >>> import toolkit
    >>> log = toolkit.load("data/sample/chat.jsonl", max_lines=100)
    >>> log.choices.num_rows >= 90
    True
    """
    check_word("on_reject", on_reject, get_args(OnReject))
    reading = open_logs(
        sources,
        content=content,
        duplicates=duplicates,
        tags=tags,
        response_path=response_path,
        created_unit=created_unit,
        max_lines=max_lines,
        max_line_bytes=max_line_bytes,
        on_damage=on_damage,
        threads=threads,
        progress=progress,
    )
    if max_lines is None:
        check_memory(reading.logs, content)
    account = Account(reading.logs)
    choices, rejects = Tables(reading.plan.table.arrow), Tables(REJECTS.arrow)
    for decoded in account.noting(reading.decoded()):
        if on_reject == "raise" and len(decoded.rejects):
            raise first_reject(decoded)
        choices.add(decoded.choices)
        rejects.add(decoded.rejects)
    account.warn()
    return Loaded(
        choices.whole(), rejects.whole(), account.frame(), reading.passed_over
    )


def first_reject(decoded: Decoded) -> RejectedLineError:
    """Make an error of the first reject of a block."""
    row = decoded.rejects.slice(0, 1).to_pylist()[0]
    return RejectedLineError(
        **{key: row[key] for key in ("source", "line", "code", "reason", "json_path")}
    )


def check_memory(logs: Sequence[Source], content: Content) -> None:
    """Refuse logs whose table would be larger than free memory."""
    free = free_memory()
    needed = sum(table_bytes(log, content) for log in logs)
    if free is not None and needed > free:
        raise NotEnoughMemoryError(needed=needed, free=free)


def table_bytes(log: Source, content: Content) -> int:
    """Estimate how much memory the table of a log takes."""
    if log.path == STDIN or log.size is None:
        return 0
    packed = log.name.endswith((".gz", ".zst"))
    return int(log.size * TABLE_BYTES[content] * (INFLATION if packed else 1))


def free_memory() -> int | None:
    """Return the bytes that can be had without swapping, None where unknown."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return total_memory()
    for line in lines:
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return total_memory()


def total_memory() -> int | None:
    """Return the size of the machine's memory, None where it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
