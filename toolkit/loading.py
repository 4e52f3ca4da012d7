"""Logs in, tables out: `load` and `batches`, and `scan` of what was exported.

Nothing is dropped in silence: what is not a row is a reject, a duplicate or a blank
line, and the ledger counts each.
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict, Unpack, cast, get_args

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from toolkit.blocks import (
    MAX_LINE_BYTES,
    STDIN,
    Block,
    Content,
    CreatedUnit,
    Decoded,
    Source,
    check_word,
    make_plan,
)
from toolkit.decoding import DECODER, make_decoder
from toolkit.duplicates import Seen
from toolkit.errors import (
    DamagedExportError,
    NotEnoughMemoryError,
    OptionError,
    RejectedLineError,
    RejectsWarning,
    plural,
)
from toolkit.finding import Sources, find_logs, is_export
from toolkit.loaded import Loaded, reject_counts
from toolkit.schema import LEDGER, REJECTS, choices_table
from toolkit.sources import blocks
from toolkit.state import CHOICES_DIR, REJECTS_DIR, read_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from toolkit.blocks import Plan

Duplicates = Literal["drop", "keep"]
OnReject = Literal["collect", "raise"]


# Bytes of a table for each byte of its log, measured on data/sample/chat.jsonl; lines
# shorter than its thousand bytes take more. A compressed log holds several times its
# size (the sample 12 times). Both are low, so that no log that fits is refused.
TABLE_BYTES = {"keep": 0.8, "drop": 0.35}
INFLATION = 4


class Ledger:
    """Adds up what became of the lines of each log."""

    SUMS = ("prompt_tokens", "completion_tokens", "total_tokens")

    def __init__(self, logs: Sequence[Source]) -> None:
        self.logs = logs
        self.counts: list[Counter[str]] = [Counter() for _ in logs]

    def add(self, decoded: Decoded) -> None:
        """Count one block."""
        counts = self.counts[decoded.log_id]
        rejected = len(decoded.rejects)
        errors = count_equal(decoded.rejects.column("code"), "error_response")
        counts.update(
            bytes=decoded.bytes,
            lines=decoded.lines,
            blank=decoded.blank,
            responses=count_equal(decoded.choices.column("choice_position"), 0),
            duplicates=decoded.duplicates,
            pending_bytes=decoded.pending,
            errors=errors,
            rejected=rejected - errors,
            choices=len(decoded.choices),
        )
        for name in self.SUMS:
            counts[name] += pc.sum(decoded.choices.column(name), min_count=0).as_py()

    def frame(self) -> pl.DataFrame:
        """Return the ledger: one row a log."""
        rows = [
            {
                "log_id": log_id,
                "source": log.name,
                "decoder": DECODER,
                **{name: self.counts[log_id][name] for name in self.totals()},
            }
            for log_id, log in enumerate(self.logs)
        ]
        return pl.DataFrame(rows, schema=LEDGER.polars, orient="row")

    @staticmethod
    def totals() -> list[str]:
        """Return the names of the columns that are counts or sums."""
        return [column.name for column in LEDGER.columns if column.type == pa.int64()]


def count_equal(column: pa.Array, value: object) -> int:
    """Count the cells that equal a value."""
    return int(pc.sum(pc.equal(column, value), min_count=0).as_py())


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
) -> Iterator[Decoded]:
    """Read logs block by block, in order, in constant memory.

    Parameters are those of `load`.

    Yields
    ------
    Decoded
        `choices` and `rejects` as Arrow record batches, the counts of the block, and
        the log that it is from. Rows come as they are read: of a compressed log that
        turns out to be damaged the first ones have been yielded when the error comes.

    Examples
    --------
    >>> import toolkit
    >>> rows = sum(batch.choices.num_rows for batch in toolkit.batches("data/sample"))
    >>> rows == toolkit.load("data/sample").choices.num_rows
    True
    """
    check_word("duplicates", duplicates, get_args(Duplicates))
    check_max_lines(max_lines)
    plan = make_plan(
        content=content,
        tags=tags,
        response_path=response_path,
        created_unit=created_unit,
        max_line_bytes=max_line_bytes,
    )
    logs = find_logs(sources).logs
    return decoded_blocks(logs, plan, duplicates, max_lines)


def decoded_blocks(
    logs: Sequence[Source], plan: Plan, duplicates: Duplicates, max_lines: int | None
) -> Iterator[Decoded]:
    """Yield the blocks of the logs, decoded, without repeats if that is wanted."""
    decoder = make_decoder(plan)
    seen = Seen() if duplicates == "drop" else None
    for block in first_lines(all_blocks(logs, plan), max_lines):
        decoded = decoder.decode(block)
        yield decoded if seen is None else seen.without_repeats(decoded)


def all_blocks(logs: Sequence[Source], plan: Plan) -> Iterator[Block]:
    """Yield the blocks of log after log."""
    for log_id, log in enumerate(logs):
        yield from blocks(log, log_id, max_line_bytes=plan.max_line_bytes)


def first_lines(stream: Iterator[Block], max_lines: int | None) -> Iterator[Block]:
    """Yield blocks up to a number of lines in all."""
    left = max_lines
    for block in stream:
        if left is None:
            yield block
            continue
        lines = block.data.count(b"\n") + int(block.skipped is not None)
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
    end = -1
    for _ in range(lines):
        end = block.data.index(b"\n", end + 1)
    data = block.data[: end + 1]
    left_out = len(block.data) - len(data)
    return block._replace(data=data, bytes=block.bytes - left_out, tail=False)


def check_max_lines(max_lines: int | None) -> None:
    """Refuse a number of lines below zero."""
    if max_lines is None:
        return
    if not isinstance(max_lines, int) or isinstance(max_lines, bool) or max_lines < 0:
        raise OptionError("max_lines", max_lines, wanted="0 or more, or None")


def load(
    sources: Sources,
    *,
    content: Content = "keep",
    duplicates: Duplicates = "drop",
    tags: Mapping[str, str] | None = None,
    response_path: str | None = None,
    created_unit: CreatedUnit = "s",
    on_reject: OnReject = "collect",
    max_lines: int | None = None,
    max_line_bytes: int = MAX_LINE_BYTES,
    progress: Callable[[int], None] | None = None,
) -> Loaded:
    """Read logs into memory: a table of choices, one of rejects, and a ledger.

    Parameters
    ----------
    sources
        A path, a directory, a glob, ``-`` for standard input, or a sequence of them.
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
    max_lines
        Read at most so many lines in all.
    max_line_bytes
        A longer line is rejected without being held in memory.
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

    Examples
    --------
    >>> import toolkit
    >>> log = toolkit.load("data/sample/chat.jsonl", max_lines=100)
    >>> log.choices.num_rows >= 90
    True
    """
    check_word("duplicates", duplicates, get_args(Duplicates))
    check_word("on_reject", on_reject, get_args(OnReject))
    check_max_lines(max_lines)
    plan = make_plan(
        content=content,
        tags=tags,
        response_path=response_path,
        created_unit=created_unit,
        max_line_bytes=max_line_bytes,
    )
    found = find_logs(sources)
    if max_lines is None:
        check_memory(found.logs, content)
    ledger = Ledger(found.logs)
    choices, rejects = [], []
    read = with_progress(
        decoded_blocks(found.logs, plan, duplicates, max_lines), progress
    )
    for decoded in read:
        if on_reject == "raise" and len(decoded.rejects):
            raise first_reject(decoded)
        ledger.add(decoded)
        choices.append(decoded.choices)
        rejects.append(decoded.rejects)
    loaded = Loaded(
        pa.Table.from_batches(choices, plan.table.arrow),
        pa.Table.from_batches(rejects, REJECTS.arrow),
        ledger.frame(),
        found.passed_over,
    )
    warn_of_rejects(loaded)
    return loaded


def with_progress(
    stream: Iterator[Decoded], progress: Callable[[int], None] | None
) -> Iterator[Decoded]:
    """Tell how many bytes of the files were read with each block."""
    log_id, position = -1, 0
    for decoded in stream:
        if decoded.log_id != log_id:
            log_id, position = decoded.log_id, 0
        if progress is not None:
            progress(decoded.position - position)
        position = decoded.position
        yield decoded


def first_reject(decoded: Decoded) -> RejectedLineError:
    """Make an error of the first reject of a block."""
    row = decoded.rejects.slice(0, 1).to_pylist()[0]
    return RejectedLineError(
        **{key: row[key] for key in ("source", "line", "code", "reason", "json_path")}
    )


def warn_of_rejects(loaded: Loaded) -> None:
    """Say once, in one line and without content, that lines were rejected."""
    if not loaded.rejects.num_rows:
        return
    counts = reject_counts(loaded.rejects)
    codes = [f"{count:,} {code}" for code, count, _ in counts]
    place = counts[0][2]
    lines = plural(loaded.rejects.num_rows, "line")
    warnings.warn(
        f"{lines} became no rows: {', '.join(codes)} (first: {place}); see .rejects",
        RejectsWarning,
        stacklevel=3,
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


# What an export holds.


def scan(directory: str | os.PathLike[str]) -> pl.LazyFrame:
    """Read the choices of an export, lazily.

    Parameters
    ----------
    directory
        What `toolkit.export` has written.

    Returns
    -------
    pl.LazyFrame
        One row per choice with the dtypes of `toolkit.schema.CHOICES`, and the tags
        that it was exported with.

    Raises
    ------
    NotAnExportError
        If no export was committed there.
    DamagedExportError
        If a part is unreadable, or the parts do not hold the rows of the ledger.

    Examples
    --------
    >>> import tempfile, toolkit
    >>> to = tempfile.mkdtemp()
    >>> done = toolkit.export("data/sample/chat.jsonl", to=to)
    >>> toolkit.scan(to).select("model", "total_tokens").collect_schema()
    Schema([('model', String), ('total_tokens', Int64)])
    """
    state = read_state(directory)
    table = choices_table(state.tags)
    parts = sorted((Path(directory) / CHOICES_DIR).glob("*/*.parquet"))
    rows = sum(rows_of(part) for part in parts)
    wanted = state.ledger["choices"].sum()
    if rows != wanted:
        fault = f"its parts hold {rows:,} rows where {wanted:,} were committed"
        raise DamagedExportError(os.fspath(directory), fault=fault)
    if not parts:
        return table.empty().lazy()
    return pl.scan_parquet(
        parts, hive_partitioning=False, glob=False, schema=dict(table.polars)
    )


def rows_of(part: Path) -> int:
    """Return the number of rows that a part says it has."""
    try:
        return int(pq.read_metadata(part).num_rows)
    except (OSError, pa.ArrowException) as error:
        raise DamagedExportError(str(part), fault="it is no Parquet") from error


def ledger(directory: str | os.PathLike[str]) -> pl.DataFrame:
    """Return the ledger of an export: one row per log; see `toolkit.schema.LEDGER`."""
    return read_state(directory).ledger


def rejects(directory: str | os.PathLike[str]) -> pl.DataFrame:
    """Return the rejects of an export, one row per line: `toolkit.schema.REJECTS`.

    They hold the bytes of the lines, which may be private.
    """
    read_state(directory)
    parts = sorted((Path(directory) / REJECTS_DIR).glob("*.parquet"))
    if not parts:
        return REJECTS.empty()
    try:
        return pl.read_parquet(parts, glob=False).sort("log_id", "line")
    except (pl.exceptions.PolarsError, OSError) as error:
        where = str(Path(directory) / REJECTS_DIR)
        raise DamagedExportError(where, fault="a part is unreadable") from error


class LogOptions(TypedDict, total=False):
    """What may be said of a log, and is settled in an export."""

    tags: Mapping[str, str] | None
    response_path: str | None
    created_unit: CreatedUnit


def is_one_export(sources: Sources, options: LogOptions) -> bool:
    """Say whether an export is meant; it was made with its options."""
    if not (isinstance(sources, str | os.PathLike) and is_export(Path(sources))):
        return False
    for name, value in options.items():
        if value not in (None, {}, "s"):
            wanted = "nothing: an export keeps the options it was made with"
            raise OptionError(name, value, wanted=wanted)
    return True


def open_choices(
    sources: Sources,
    *,
    progress: Callable[[int], None] | None = None,
    **options: Unpack[LogOptions],
) -> pl.LazyFrame:
    """Return the choices of an export, or of logs without their text, lazily."""
    if is_one_export(sources, options):
        return scan(cast("str", sources))
    return load(sources, content="drop", progress=progress, **options).frame.lazy()
