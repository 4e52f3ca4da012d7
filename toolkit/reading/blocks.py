"""Data that reading, decoding and loading exchange: `Plan`, `Block`, `Decoded`."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, Unpack, get_args

import pyarrow as pa

from toolkit.errors import (
    OptionError,
    SourceError,
    UnreadableSourceError,
    as_text,
    check_word,
)
from toolkit.formatting.parameters import check_type
from toolkit.reading.options import (
    DEFAULTS,
    MAX_LINE_BYTES,
    Content,
    CreatedUnit,
    ReadOptions,
)
from toolkit.reading.parsed_api import ParsedApi, parse_api
from toolkit.schema.apis import APIS, CARRIERS, CHUNK_APIS, ENVELOPES
from toolkit.schema.paths import parse_path
from toolkit.schema.tables import CHOICES, choices_table, chunks_table

if TYPE_CHECKING:
    from toolkit.schema.api import Api
    from toolkit.schema.columns import Table

_Item = TypeVar("_Item")
Bytes: TypeAlias = bytes  # for tuples with a field of that name


# The columns that streams, the search for duplicates and the ledger read.
_ALWAYS_BUILT = (
    *("line", "choice_position", "response_hash", "response_id", "api"),
    *("chunk_count", "finish_reason", "created", "created_problem"),
    *("prompt_tokens", "completion_tokens", "total_tokens"),
)


@dataclass(frozen=True)
class Plan:
    """The columns that a decoder reads, and how."""

    table: Table
    content: Content = "keep"
    # Where the response may be, if it is not the line.
    envelopes: tuple[tuple[str, ...], ...] = tuple(map(parse_path, ENVELOPES))
    # Where the line may have a whole stream.
    places: tuple[tuple[str, ...], ...] = tuple(
        map(parse_path, dict.fromkeys([*ENVELOPES, *CARRIERS]))
    )
    apis: tuple[Api, ...] = APIS
    created_unit: CreatedUnit = "s"
    max_line_bytes: int = MAX_LINE_BYTES
    # An unfinished last line of a plain file is left for a later run, not rejected.
    leave_pending: bool = False
    # Names of the columns of choices that are built; None: all. The values of the
    # others are checked all the same.
    projection: frozenset[str] | None = None

    @cached_property
    def chunks(self) -> Table:
        """The table of the chunks."""
        return chunks_table(self.table)

    @cached_property
    def parsed_apis(self) -> list[ParsedApi]:
        """The APIs with the paths of their columns, those of responses first."""
        responses = [parse_api(api, self.table) for api in self.apis]
        return responses + [parse_api(api, self.chunks) for api in CHUNK_APIS]

    @cached_property
    def schema(self) -> pa.Schema:
        """The schema of the choices that are built."""
        schema = self.table.arrow
        if self.projection is None:
            return schema
        fields = [field for field in schema if field.name in self.projection]
        return pa.schema(fields, schema.metadata)

    def covers(self, other: Plan) -> bool:
        """Return whether this plan builds what another one does, and maybe more."""
        own, others = self.schema.names, other.schema.names
        has_text = any(self.table[name].private for name in others)
        same = replace(self, table=other.table, projection=other.projection)
        if not has_text:
            same = replace(same, content=other.content)
        return (
            same == other
            and self.table.columns == other.table.columns
            and set(others) <= set(own)
        )

    def project(self, names: Iterable[str]) -> Plan:
        """Return a plan that builds only some columns, and those that reading needs."""
        tags = (name for name in self.table.names if name not in CHOICES)
        projection = frozenset([*names, *tags, *_ALWAYS_BUILT]) & set(self.table.names)
        has_text = any(self.table[name].private for name in projection)
        content = self.content if has_text else "drop"
        return replace(self, projection=projection, content=content)


def make_plan(*, leave_pending: bool = False, **options: Unpack[ReadOptions]) -> Plan:
    """Check the options that shape rows, and build a plan from them."""
    known: dict[str, Any] = {**DEFAULTS, **options}
    check_word("content", known["content"], get_args(Content))
    check_word("created_unit", known["created_unit"], get_args(CreatedUnit))
    tags, path, created = (
        known[name] for name in ("tags", "response_path", "created_path")
    )
    longest = known["max_line_bytes"]
    expected = 'a mapping of name to path, such as {"team": "metadata.team"}'
    check_type("tags", tags, Mapping | None, expected)
    for one in chain.from_iterable((tags or {}).items()):
        check_type("tags", one, str, expected)
    check_type("response_path", path, str | None, "a path such as log.answer, or None")
    check_type("created_path", created, str | None, "a path such as sent.at, or None")
    check_type("max_line_bytes", longest, int, "a number of bytes")
    if longest < 1:
        raise OptionError("max_line_bytes", longest, expected="at least 1")
    own = () if path is None else (parse_path(path, option="response_path"),)
    return Plan(
        choices_table(tags, created),
        known["content"],
        own or Plan.envelopes,
        own or Plan.places,
        created_unit=known["created_unit"],
        max_line_bytes=longest,
        leave_pending=leave_pending,
    )


class Piece(NamedTuple):
    """Whole lines in a part of some bytes, without copying them."""

    data: bytes
    start: int
    end: int


def as_pieces(data: bytes) -> tuple[Piece, ...]:
    """Return lines as the pieces of a block."""
    return (Piece(data, 0, len(data)),) if data else ()


class Block(NamedTuple):
    """Whole lines of one log, each with its line feed.

    Only the last block of a log may end without one (`tail`). A line that is too long
    is a block of its own, without pieces, with its length in `skipped`.
    """

    log_id: int
    source: str
    pieces: tuple[Piece, ...]
    line: int  # number of the first line, from 1
    offset: int  # of the first byte, in the decompressed log
    bytes: int  # of the decompressed log that this block covers
    position: int  # bytes of the file that were read so far
    tail: bool = False
    growing: bool = False  # a plain file: an unfinished line may still be completed
    skipped: int | None = None
    head: Bytes = b""  # of the first block: the first bytes of the log
    error: str | None = None  # why the log could not be read to its end
    # Where in the lines NUL bytes were left out, and how many; in order.
    gaps: tuple[tuple[int, int], ...] = ()

    @property
    def data(self) -> Bytes:
        """The lines, joined."""
        return b"".join(data[start:end] for data, start, end in self.pieces)

    def decoded(
        self,
        choices: pa.RecordBatch,
        rejects: pa.RecordBatch,
        chunk_rows: pa.RecordBatch | None,
        lines: int,
        blank: int,
        pending: int,
        chunks: int,
    ) -> Decoded:
        """Return the rows and rejects of the block, with its place and its size."""
        if self.gaps:
            rejects = self._with_true_offsets(rejects)
            size = sum(end - start for _, start, end in self.pieces)
            if pending:
                pending += self.count_dropped((size or self.skipped or 0) - pending)
        place = (self.log_id, self.source)
        counts = (lines, blank, pending, chunks, self.bytes, self.position)
        start = (self.head, self.error)
        return Decoded(*place, choices, rejects, chunk_rows, *counts, *start)

    def count_dropped(self, since: int) -> int:
        """Count the bytes that were left out from a place on."""
        return sum(dropped for at, dropped in self.gaps if at >= since)

    def _with_true_offsets(self, rejects: pa.RecordBatch) -> pa.RecordBatch:
        """Return rejects with offsets that count the bytes that were left out."""
        places = [at for at, _ in self.gaps]
        totals = list(accumulate((dropped for _, dropped in self.gaps), initial=0))
        offsets = [
            offset + totals[bisect_right(places, offset - self.offset)]
            for offset in rejects.column("offset").to_pylist()
        ]
        place = rejects.schema.get_field_index("offset")
        return rejects.set_column(
            place, rejects.schema.field(place), pa.array(offsets, pa.int64())
        )


class Decoded(NamedTuple):
    """One decoded block: rows, rejects, and the counts of the ledger.

    `choices` and `rejects` have the schemas of `toolkit.schema`; `duplicates` counts
    the lines whose rows were left out because the response was read before.
    """

    log_id: int
    source: str
    choices: pa.RecordBatch
    rejects: pa.RecordBatch
    # The chunks of streamed responses, as `Plan.chunks`; None if there are none.
    chunk_rows: pa.RecordBatch | None = None
    lines: int = 0
    blank: int = 0
    pending: int = 0  # bytes of an unfinished last line that was left for later
    # Lines with a chunk or the framing of one, without those that became responses.
    chunks: int = 0
    bytes: int = 0
    position: int = 0
    head: Bytes = b""  # of the first block: the first bytes of the log
    error: str | None = None  # why the log could not be read to its end
    duplicates: int = 0
    outside: int = 0  # lines whose response is outside the range of time


STDIN = "-"


class Source(NamedTuple):
    """One log: where it is, and its size if it is a regular file."""

    path: str
    size: int | None
    # Changes when the file changes: device, inode, size and times, or the tag of an
    # object; None if it is not a file.
    stamp: tuple[int | str, ...] | None = None
    # Of a file, whatever its name: device and inode.
    identity: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """The path as text; bytes that are not UTF-8 are escaped."""
        return as_text(self.path)


def until_error(stream: Iterable[_Item], errors: list[SourceError]) -> Iterator[_Item]:
    """Yield a stream; append the error that ends it instead of raising it."""
    try:
        yield from stream
    except SourceError as error:
        errors.append(error)


@contextmanager
def read_errors(name: str) -> Iterator[None]:
    """Raise errors of the operating system as `UnreadableSourceError`."""
    try:
        yield
    except SourceError:
        raise
    except OSError as error:
        raise UnreadableSourceError(name, cause=error) from error
