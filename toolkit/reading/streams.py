"""Put streamed responses together from the chunks of logs: the stage `Streams`.

It is between the decoder and the search for duplicates. What is open is a frame of
pieces (`toolkit.reading.pieces`); each block is folded with it at once.
"""

from __future__ import annotations

import warnings
from collections import Counter, defaultdict, deque
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from toolkit.errors import ToolkitWarning, plural
from toolkit.reading.blocks import Decoded
from toolkit.reading.pieces import (
    IS_FIRST,
    KEY,
    STREAM,
    as_choices,
    as_pieces,
    fold,
    pieces_schema,
    stream_key,
)
from toolkit.reading.rotations import rotation_set
from toolkit.schema.apis import ENDS_WHOLE
from toolkit.schema.tables import REJECTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from toolkit.schema.columns import Table

# A stream is over if nothing was added to it for so many lines of its rotation set:
# of one that is finished, and of any.
_FINISHED_LINES, _LINES = 100_000, 10_000_000
# So many streams, and bytes of them, are open at once; the oldest are given out.
_MOST_STREAMS, _MOST_BYTES = 65_536, 64 * 1024 * 1024
# Of one stream.
_MOST_CHOICES = 1024


# A whole response takes the place of the stream that has its id.
_TAKES_PLACE = pl.col("response_id").is_not_null() & ~pl.col("api").is_in(ENDS_WHOLE)
_IS_FINISHED = pl.col("is_end") | pl.col("finish_reason").is_not_null()
# from_pylist, like pa.array, imports pandas where it is installed.
_NO_REJECTS = pa.RecordBatch.from_arrays(
    [pa.nulls(0, field.type) for field in REJECTS.arrow], schema=REJECTS.arrow
)
_TEXTS = ("content", "reasoning_content", "refusal")
_CALL_BYTES = pl.element().struct.field("arguments").str.len_bytes().fill_null(0) + 64
_BYTES = pl.sum_horizontal(
    *(pl.col(name).str.len_bytes() for name in _TEXTS),
    pl.col("tool_calls").list.eval(_CALL_BYTES).list.sum(),
)


class Streams:
    """The streams that are open, from block to block.

    Parameters
    ----------
    table
        The table of the choices.
    logs
        Path of each log by its `log_id`.
    pieces
        What an earlier run has left open.
    gives_out
        False for a part of a log: then streams of several lines stay in `pieces`.
    find_written
        Returns the whole responses that earlier runs have written with the ids and
        dates of some streams.
    """

    def __init__(
        self,
        table: Table,
        logs: Mapping[int, str],
        pieces: pl.DataFrame | None = None,
        *,
        gives_out: bool = True,
        find_written: Callable[[pl.DataFrame], pl.LazyFrame] | None = None,
    ) -> None:
        self.table = table
        self.sets = {log_id: rotation_set(path) for log_id, path in logs.items()}
        self.gives_out = gives_out
        self.find_written = find_written
        schema = pieces_schema(table)
        self.pieces = pl.DataFrame(schema=schema) if pieces is None else pieces
        # Of each rotation set: the key of the last chunk, and the lines so far.
        last = self.pieces.sort("last_line", maintain_order=True)
        self.last_keys = defaultdict(str, last.select(KEY).iter_rows())
        self.lines: Counter[str] = Counter()
        # The last whole responses, and the lines of the set up to them.
        self.whole: deque[tuple[str, int, pa.RecordBatch]] = deque()
        # The choices of the last shares, and the lines of all sets up to them.
        self.shares: deque[tuple[int, pl.LazyFrame]] = deque()
        self.early = 0  # streams that were given out because too many were open

    def put_together(self, decoded: Decoded) -> Iterator[Decoded]:
        """Yield a block, with the responses whose streams are over.

        Those that began in another log come after it, in a block for each log.
        """
        stream_set = self.sets[decoded.log_id]
        self.lines[stream_set] += decoded.lines
        self._remember_whole(decoded.choices, stream_set)
        if decoded.chunk_rows is None and self.pieces.is_empty():
            yield decoded
            return
        decoded, rows = self._take_rows(decoded, stream_set)
        if len(rows):
            rows = _without(rows, self._whole_keys())
        if len(decoded.choices):
            self.pieces = _without(self.pieces, self._whole_keys(newest=True))
        given_out = self.add(rows)
        own = given_out.pop(decoded.log_id, None)
        yield decoded if own is None else _merge(decoded, own)
        yield from given_out.values()

    def add_share(
        self, pieces: pl.DataFrame, lines: Mapping[str, int], choices: pl.LazyFrame
    ) -> Iterator[Decoded]:
        """Yield the streams that are over after logs that another process has read.

        It has read `pieces` and `choices` from so many lines of each rotation set.
        """
        before = pl.col("stream_set").replace_strict(self.lines, default=0)
        rows = pieces.with_columns(last_line=pl.col("last_line") + before)
        while self.shares and self.shares[0][0] < self.lines.total() - _FINISHED_LINES:
            self.shares.popleft()
        self.lines.update(lines)
        self.shares.append((self.lines.total(), choices))
        known = pl.concat([self.pieces, rows]).select(KEY).unique()
        if len(known):
            shares = pl.concat([choices for _, choices in self.shares])
            whole = self._find_whole(shares.filter(_TAKES_PLACE), known)
            rows, self.pieces = _without(rows, whole), _without(self.pieces, whole)
        yield from self.add(rows).values()

    def take_unfinished(self, choices: pl.LazyFrame) -> pl.DataFrame:
        """Take out the open streams whose last chunk may be among some responses.

        The process that has read these did not know the chunks before.
        """
        is_cut = pl.col("api").is_in(ENDS_WHOLE) & ~_IS_FINISHED.all().over(KEY)
        cut = self.pieces.filter(is_cut)
        if len(cut):
            ends = choices.filter(pl.col("api").is_in(ENDS_WHOLE))
            cut = cut.filter(_is_of(cut, self._find_whole(ends, cut.select(KEY))))
            self.pieces = _without(self.pieces, cut)
        return self._as_of_now(cut)

    def finish(self, is_over: Callable[[str], bool] | None = None) -> Iterator[Decoded]:
        """Yield the streams that are still open, in the order of their first lines.

        Of a rotation set that may go on these are the finished ones to which nothing
        was added although further lines of it were read.
        """
        sets = self.pieces["stream_set"].unique()
        over = [name for name in sets if is_over is None or is_over(name)]
        was_read = [name for name, lines in self.lines.items() if lines]
        is_idle = (
            _IS_FINISHED.all().over(KEY)
            & (pl.col("last_line") <= 0)
            & pl.col("stream_set").is_in(was_read)
        )
        is_given = pl.col("stream_set").is_in(over) | is_idle
        given, self.pieces = self.pieces.filter(is_given), self.pieces.filter(~is_given)
        yield from self._give_out(given.with_columns(stream_number=0)).values()
        if self.early:
            message = (
                f"{plural(self.early, 'streamed response')} may be incomplete: too "
                "many were open at once"
            )
            warnings.warn(message, ToolkitWarning, stacklevel=3)

    def left_open(self) -> pl.DataFrame:
        """Return what is open, for a later run."""
        return self._as_of_now(self.pieces)

    def _as_of_now(self, pieces: pl.DataFrame) -> pl.DataFrame:
        """Return pieces with `last_line` relative to the current line: 0 or less."""
        lines = pl.col("stream_set").replace_strict(self.lines, default=0)
        return pieces.with_columns(last_line=pl.col("last_line") - lines)

    def add(self, rows: pl.DataFrame) -> dict[int, Decoded]:
        """Add pieces, and return the streams that are over, by the log they are of."""
        is_touched = _is_of(self.pieces, rows)
        others = self.pieces.filter(~is_touched)
        folded = fold(pl.concat([self.pieces.filter(is_touched), rows]), self.table)
        pieces = pl.concat(
            [others.with_columns(stream_number=pl.lit(0, pl.Int64)), folded],
            rechunk=True,
        )
        is_over = self._is_over(pieces)
        over = pieces.filter(is_over)
        self.pieces = pieces.filter(~is_over).drop("stream_number")
        return self._give_out(over)

    def _remember_whole(self, choices: pa.RecordBatch, stream_set: str) -> None:
        """Remember the responses that may take the place of a stream."""
        lines = self.lines[stream_set]
        if len(choices):
            # Copied: a column of a block keeps all of them in memory.
            ids = choices.select(["response_id", "api"])
            copied = pa.concat_batches([ids, ids.slice(0, 0)])
            self.whole.append((stream_set, lines, copied))
        while (
            self.whole
            and self.whole[0][1] < self.lines[self.whole[0][0]] - _FINISHED_LINES
        ):
            self.whole.popleft()

    def _whole_keys(self, *, newest: bool = False) -> pl.DataFrame:
        """Return the keys of the streams that were logged as whole responses too."""
        whole = list(self.whole)[-1:] if newest else self.whole
        frames = [pl.DataFrame(schema=dict.fromkeys(KEY, pl.String()))]
        frames += [
            pl.DataFrame(ids)
            .filter(~pl.col("api").is_in(ENDS_WHOLE))
            .select(
                stream_set=pl.lit(name), stream_key=pl.format("id {}", "response_id")
            )
            for name, _, ids in whole
        ]
        return pl.concat(frames).drop_nulls().unique()

    def _find_whole(self, choices: pl.LazyFrame, known: pl.DataFrame) -> pl.DataFrame:
        """Return which keys are those of responses that were logged whole."""
        sets = pl.col("log_id").replace_strict(self.sets, return_dtype=pl.String)
        whole = choices.filter(IS_FIRST, pl.col("chunk_count").is_null())
        keys = whole.select(stream_set=sets, stream_key=stream_key())
        return keys.join(known.lazy(), on=KEY, how="semi").collect()

    def _take_rows(
        self, decoded: Decoded, stream_set: str
    ) -> tuple[Decoded, pl.DataFrame]:
        """Return the pieces of a block, and the block without them.

        A response is one if its API ends streams with such, and its stream is open.
        """
        rows = self.pieces.clear()
        last_line = self.lines[stream_set]
        if decoded.chunk_rows is not None:
            key = {"stream_set": stream_set, "stream_key": self.last_keys[stream_set]}
            is_open = len(self.pieces.filter(**key)) > 0
            chunks = pl.DataFrame(decoded.chunk_rows)
            last_key = key["stream_key"] if is_open else None
            rows = as_pieces(chunks, stream_set, last_line, last_key)
            keys = rows.filter(pl.col("chunk_position").is_null()).select(KEY)
            self.last_keys.update(keys.tail(1).iter_rows())
            decoded = decoded._replace(chunk_rows=None)
        choices = pl.DataFrame(decoded.choices).filter(pl.col("api").is_in(ENDS_WHOLE))
        if choices.is_empty():
            return decoded, rows
        last = as_pieces(
            choices.with_columns(
                pl.col("tool_calls").cast(rows.schema["tool_calls"]),
                chunk_position=pl.lit(None, pl.Int32),
                is_end=pl.lit(value=False),
            ),
            stream_set,
            last_line,
        )
        names = [*KEY, "api"]
        known = pl.concat([self.pieces.select(names), rows.select(names)])
        last = last.join(known, on=names, how="semi").with_columns(is_whole=True)
        lines = last["line"].unique()
        own_lines = pl.DataFrame(decoded.choices.select(["line"])).to_series()
        is_last = own_lines.is_in(lines.implode())
        return decoded._replace(
            choices=decoded.choices.filter((~is_last).to_arrow()),
            chunks=decoded.chunks + len(lines),
        ), pl.concat([rows, last], how="diagonal").sort("line", maintain_order=True)

    def _is_over(self, pieces: pl.DataFrame) -> pl.Series:
        """Return for each piece whether nothing can be added to its stream."""
        is_carrier = pieces["chunk_position"].is_not_null()
        if not self.gives_out or pieces.is_empty():
            return is_carrier
        lines = pl.col("stream_set").replace_strict(self.lines, default=0)
        rest = lines - pl.col("last_line")
        is_over = (
            (pl.col("stream_number") < pl.col("stream_number").max().over(KEY))
            | (rest > _LINES)
            | ((rest > _FINISHED_LINES) & _IS_FINISHED.all().over(STREAM))
        )
        found = pieces.select(is_over).to_series() | is_carrier
        early = (
            pieces.filter(~found)
            .group_by(STREAM)
            .agg(pl.col("last_line", "line").first(), bytes=_BYTES.sum(), rows=pl.len())
            .sort("last_line", "line", descending=True)
            .filter(
                (pl.int_range(pl.len()) >= _MOST_STREAMS)
                | (pl.col("bytes").cum_sum() > _MOST_BYTES)
                | (pl.col("rows") > _MOST_CHOICES)
            )
        )
        self.early += len(early)
        early = early.select(*STREAM, is_early=pl.lit(value=True))
        marked = pieces.join(early, on=STREAM, how="left", maintain_order="left")
        return found | marked["is_early"].fill_null(value=False)

    def _give_out(self, pieces: pl.DataFrame) -> dict[int, Decoded]:
        """Return streams as rows of choices, in a block for each log."""
        named = pieces.filter(pl.col("stream_key").str.starts_with("id "))
        if self.find_written is not None and len(named):
            written = self.find_written(named).filter(_TAKES_PLACE)
            pieces = _without(pieces, self._find_whole(written, named.select(KEY)))
        if pieces.is_empty():
            return {}
        lines = pieces.filter(IS_FIRST & pl.col("chunk_position").is_null())
        counts = dict(lines["log_id"].value_counts().iter_rows())
        rows = as_choices(pieces, self.table).sort("log_id", "line", "choice_position")
        found = {}
        for part in rows.partition_by("log_id", maintain_order=True):
            log_id, source = part.select("log_id", "source").row(0)
            table = part.to_arrow().cast(self.table.arrow).combine_chunks()
            (batch,) = table.to_batches()
            chunks = -counts.get(log_id, 0)
            found[log_id] = Decoded(log_id, source, batch, _NO_REJECTS, chunks=chunks)
        return found


def _without(pieces: pl.DataFrame, keys: pl.DataFrame) -> pl.DataFrame:
    """Return the pieces whose key is none of some keys."""
    return pieces.filter(~_is_of(pieces, keys))


def _is_of(pieces: pl.DataFrame, keys: pl.DataFrame) -> pl.Series:
    """Return for each piece whether its key is one of some keys.

    A join of all columns would take longer.
    """
    known = keys.select(pl.struct(KEY)).to_series().implode()
    return pieces.select(pl.struct(KEY).is_in(known)).to_series()


def put_together(stream: Iterable[Decoded], streams: Streams) -> Iterator[Decoded]:
    """Yield blocks with the streamed responses, and those that are left at the end."""
    for decoded in stream:
        yield from streams.put_together(decoded)
    yield from streams.finish()


def _merge(decoded: Decoded, streams: Decoded) -> Decoded:
    """Return a block with the responses of streams among its rows."""
    names = decoded.choices.schema.names  # perhaps not all columns were read
    rows = pa.Table.from_batches([decoded.choices, streams.choices.select(names)])
    places = pl.DataFrame(rows.select(["line", "choice_position"]))
    order = places.select(pl.arg_sort_by("line", "choice_position")).to_series()
    (batch,) = rows.take(order.to_arrow()).combine_chunks().to_batches()
    return decoded._replace(choices=batch, chunks=decoded.chunks + streams.chunks)
