"""Fold the chunks of streamed responses into pieces: one row per stream and choice.

A piece has the columns of a chunk and a few more, so that pieces and further chunks are
folded by the same function. Which chunks are one stream, and what each column of it is:
docs/reference/streams.md.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from toolkit.schema.apis import APIS
from toolkit.schema.tables import USAGE_COLUMNS, chunks_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from toolkit.schema.columns import Column, Kind, Table

KEY = ["stream_set", "stream_key"]
# Several streams of a key are numbered while they are folded.
STREAM = [*KEY, "stream_number"]
# The columns of pieces that chunks do not have.
_ADDED: dict[str, pl.DataType] = {
    "stream_set": pl.String(),  # the rotation set of the log
    "stream_key": pl.String(),  # how its chunks are known
    "is_new": pl.Boolean(),  # does not continue the stream of the same key before it
    "is_whole": pl.Boolean(),  # a part of it has the form of a response
    "has_lone_usage": pl.Boolean(),  # a usage came in a chunk without choices
    "last_line": pl.Int64(),  # number of its last chunk, counted over the rotation set
}
_SUMMED = ("response_hash", "chunk_count")
_INDEX = pl.coalesce("choice_index", "choice_position").alias("index")
_IS_ONE = pl.col("chunk_count").sum().over(STREAM) == 1
_TEXTS = pl.col(pl.List(pl.String))
IS_FIRST = pl.col("choice_position") == 0
_HAS_USAGE = pl.any_horizontal(pl.col(USAGE_COLUMNS).is_not_null())
_HAS_COUNTS = pl.any_horizontal(pl.col(USAGE_COLUMNS).fill_null(0) != 0)
_HAS_TEXT = pl.any_horizontal(
    pl.col("content_chars", "reasoning_chars", "refusal_chars").fill_null(0) > 0,
    pl.col("tool_calls").list.len().fill_null(0) > 0,
)


def pieces_schema(table: Table) -> pl.Schema:
    """Return the dtypes of the pieces of a table of choices."""
    return pl.Schema({**chunks_table(table).polars, **_ADDED})


def stream_key() -> pl.Expr:
    """Return how the chunks of a stream are known: by id or by model."""
    # pl.format panics if a filter has left chunks of a column empty.
    model = pl.lit("model ") + pl.col("model").fill_null("")
    return pl.coalesce(pl.lit("id ") + pl.col("response_id"), model)


def _stream_key() -> pl.Expr:
    """Return the key of a stream: for a whole stream on one line, that line.

    The chunks of such a line are one stream whatever their ids are.
    """
    return (
        pl.when(pl.col("chunk_position").is_not_null())
        .then(pl.format("line {}:{}", "log_id", "line"))
        .otherwise(stream_key())
    )


def as_pieces(
    chunks: pl.DataFrame, stream_set: str, last_line: int, last_key: str | None = None
) -> pl.DataFrame:
    """Return chunks with the columns of pieces, without those that are of no stream.

    The end of a stream is that of the chunk before it, at first of `last_key`.
    """
    is_line = pl.col("chunk_position").is_null()
    is_framing = (
        pl.col("response_id").is_null()
        & (pl.col("choice_count") == 0)
        & ~_HAS_USAGE
        & ~pl.col("is_end")
    )
    is_chunk = is_line & ~is_framing & ~pl.col("is_end")
    keys = pl.when(is_chunk).then(_stream_key()).forward_fill()
    key_before = pl.coalesce(keys, pl.lit(last_key, pl.String))
    is_counted = IS_FIRST & ~is_framing & ~pl.col("is_end")
    return (
        chunks.with_columns(
            response_hash=pl.when(is_counted).then("response_hash").otherwise(0),
            chunk_count=is_counted.cast(pl.Int32),
            is_framing=is_framing & is_line,
        )
        .filter(~pl.col("is_framing"))
        .with_columns(
            stream_set=pl.lit(stream_set),
            stream_key=pl.when("is_end").then(key_before).otherwise(_stream_key()),
            is_new=pl.lit(value=False),
            is_whole=pl.lit(value=False),
            has_lone_usage=_HAS_USAGE & (pl.col("choice_count") == 0),
            last_line=pl.lit(last_line, pl.Int64),
        )
        .filter(pl.col("stream_key").is_not_null())
        .drop("is_framing")
    )


def fold(pieces: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Fold pieces in the order of their lines, the earlier ones of a stream first.

    Where a stream of a key begins after another one, it gets the next
    `stream_number`.
    """
    numbered = pieces.with_columns(_number_streams(pieces), has_counts=_HAS_COUNTS)
    # Counts of 0 say nothing if another usage says more.
    is_used = pl.col("has_counts") | ~pl.col("has_counts").max().over(STREAM)
    stays = pl.col("is_whole") & _IS_ONE
    numbered = numbered.with_columns(is_used=is_used, stays=stays)
    numbered = numbered.with_columns(pl.when("is_used").then(pl.col(USAGE_COLUMNS)))
    streams = numbered.group_by(STREAM, maintain_order=True).agg(
        *_fold_streams(table.columns)
    )
    choices = (
        numbered.filter(pl.col("choice_count") > 0)
        # The choices of a response that was logged whole stay as they are.
        .with_columns(index=pl.when("stays").then("choice_position").otherwise(_INDEX))
        .group_by([*STREAM, "index"], maintain_order=True)
        .agg(*_fold_choices(chunks_table(table).columns))
        # Within the groups it would take twice as long.
        .with_columns(pl.when(_TEXTS.list.len() > 0).then(_TEXTS.list.join("")))
        .sort("index", maintain_order=True)
        .with_columns(
            choice_position=pl.int_range(pl.len(), dtype=pl.Int32).over(STREAM),
            choice_count=pl.len().over(STREAM).cast(pl.Int32),
        )
    )
    return (
        streams.join(choices, on=STREAM, how="left", maintain_order="left_right")
        .with_columns(pl.col("choice_position", "choice_count").fill_null(0))
        .with_columns(
            pl.when(IS_FIRST).then(pl.col(USAGE_COLUMNS)),
            pl.when(IS_FIRST).then(pl.col(_SUMMED)).otherwise(0),
        )
        .select(*pieces.columns, "stream_number")
    )


def _fold_streams(columns: Iterable[Column]) -> list[pl.Expr]:
    """Return what a stream is, of columns that do not depend on the choice."""
    others = {*_SUMMED, "choice_count"}
    names = [one.name for one in columns if one.grain == "R" and one.name not in others]
    return [
        pl.col(*names, "chunk_position").first(ignore_nulls=True),
        pl.col(USAGE_COLUMNS).last(ignore_nulls=True),
        pl.col(_SUMMED).sum(),
        pl.col("is_end", "is_whole", "has_lone_usage", "last_line").max(),
        pl.col("is_new").first() | (pl.col("stream_number").first() > 0),
    ]


def _fold_choices(columns: Iterable[Column]) -> list[pl.Expr]:
    """Return what a choice of a stream is, of columns that depend on it."""
    by_kind: dict[str, list[str]] = {}
    for column in columns:
        if column.grain == "C":
            by_kind.setdefault(column.kind, []).append(column.name)

    def values(*kinds: Kind) -> pl.Expr:
        return pl.col([name for kind in kinds for name in by_kind[kind]])

    texts, counts = values("content", "text"), values("characters", "items")
    sums = values("logprob_sum")
    is_unknown = sums.is_null() & (pl.col("logprob_tokens").fill_null(0) > 0)
    return [
        values("count", "string").first(ignore_nulls=True),
        values("finish_reason", "label").last(ignore_nulls=True),
        texts.drop_nulls(),  # to be joined
        pl.when(counts.is_not_null().any()).then(counts.sum()),
        # Added from the first to the last.
        pl.when(~is_unknown.any()).then(sums.drop_nulls().cum_sum().last()),
        values("tool_calls").drop_nulls().list.explode(),
    ]


# Where a stream begins.

_IS_OVER = (
    pl.col("finish_reason").is_not_null() | pl.col("has_lone_usage") | pl.col("is_end")
)
_CHUNK = [*KEY, "log_id", "line", "chunk_position"]


def _number_streams(pieces: pl.DataFrame) -> pl.Series:
    """Return for each piece how many streams of its key are before its own.

    Only the pieces from the first end of a stream on are read one by one.
    """
    is_line = pl.col("chunk_position").is_null()
    is_over = (_IS_OVER | pl.col("is_new")).cum_max().over(KEY)
    marked = pieces.with_columns(
        is_read=is_line & is_over,
        tokens_before=pl.col("completion_tokens").forward_fill().over(KEY),
    )
    has_id, is_finish = (
        pl.col(name).is_not_null() for name in ("response_id", "finish_reason")
    )
    is_first = pl.col("role").is_not_null() & ~is_finish & ~_HAS_USAGE
    facts = marked.filter("is_read").select(
        *_CHUNK,
        *("has_lone_usage", "is_end", "is_new", "tokens_before"),
        _INDEX,
        has_choice=pl.col("choice_count") > 0,
        tokens=pl.when(_HAS_COUNTS).then("completion_tokens"),
        is_finish=is_finish,
        # Where lines are mixed, the end can be that of another stream. Ids tell more.
        begins_after_end=~has_id | (is_first & ~_HAS_TEXT),
        # With a response of which nothing is known but the model.
        begins_after_finish=_HAS_TEXT | is_first | (pl.col("is_whole") & ~has_id),
    )
    found: list[int] = []
    streams: dict[tuple[str, str], _Open] = {}
    rows = facts.iter_rows(named=True)
    for chunk, group in groupby(rows, key=itemgetter(*_CHUNK)):
        choices = list(group)
        stream = streams.get(chunk[:2])
        if stream is None:
            stream = _Open(tokens=choices[0]["tokens_before"] or 0)
        elif stream.ends_before(choices):
            stream = _Open(stream.number + 1)
        streams[chunk[:2]] = stream
        stream.add(choices)
        found += [stream.number] * len(choices)
    numbers = pl.Series("stream_number", [0], pl.Int64).new_from_index(0, len(pieces))
    return numbers.scatter(marked["is_read"].arg_true(), found)


@dataclass
class _Open:
    """What of a stream decides whether the next chunk of its key belongs to it."""

    number: int = 0
    tokens: int = 0  # of the completion
    finished: set[int] = field(default_factory=set)  # indexes of choices
    has_lone_usage: bool = False
    is_end: bool = False

    def add(self, choices: Iterable[Mapping[str, Any]]) -> None:
        """Add a chunk."""
        for choice in choices:
            if choice["is_finish"]:
                self.finished.add(choice["index"])
            self.has_lone_usage |= choice["has_lone_usage"]
            self.is_end |= choice["is_end"]
            self.tokens = choice["tokens"] or self.tokens

    def ends_before(self, choices: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether a chunk is of another stream."""
        if choices[0]["is_end"] and not choices[0]["has_choice"]:
            return False
        return choices[0]["is_new"] or any(map(self._is_over_for, choices))

    def _is_over_for(self, choice: Mapping[str, Any]) -> bool:
        if self.is_end and choice["begins_after_end"]:
            return True
        is_finished = choice["index"] in self.finished
        is_over = is_finished or (self.has_lone_usage and not self.finished)
        if not is_over or not choice["has_choice"]:
            return False
        tokens = choice["tokens"]
        return (
            choice["begins_after_finish"]
            or (tokens is not None and tokens < self.tokens)
            or (choice["is_finish"] and is_finished and self.has_lone_usage)
        )


# From pieces to choices.


def as_choices(pieces: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return the choices of streams that are over."""
    counts = pl.col("chunk_count").sum().over(STREAM)
    was_logged_whole = pl.col("is_whole") & (counts == 1)
    calls = [(_join_calls(found),) for found in pieces["tool_calls"].to_list()]
    types = {"tool_calls": table.polars["tool_calls"]}
    computed: dict[str, pl.Expr | pl.Series] = {
        "chunk_count": pl.when(~was_logged_whole).then(counts),
        "response_hash": pl.col("response_hash").sum().over(STREAM),
        # Not a Series: that would make a frame of each list.
        **pl.DataFrame(calls, types, orient="row").to_dict(),
    }
    # Providers that report running totals have not reported the last ones.
    is_cut_off = (
        pl.col("finish_reason").is_null().any().over(STREAM)
        & _HAS_USAGE.any().over(STREAM)
        & ~pl.any_horizontal("has_lone_usage", "is_end", "is_whole")
    )
    problem = pl.when(is_cut_off).then(pl.lit("cut_off"))
    computed["usage_problem"] = pl.coalesce("usage_problem", problem)
    for column in table.columns:
        if column.adds:
            total = pl.sum_horizontal(column.adds, ignore_nulls=False)
            apis = [api.name for api in APIS if column.name not in api.paths]
            is_sum = pl.col("api").is_in(apis) & pl.col(column.name).is_null()
            computed[column.name] = pl.when(is_sum).then(total).otherwise(column.name)
        elif column.kind == "timestamp_problem":
            is_unknown = pl.col(column.paths_of).is_null()
            computed[column.name] = pl.when(is_unknown).then(column.name)
    return pieces.with_columns(**computed).select(table.names).cast(table.polars)


_Call: TypeAlias = "dict[str, str | None]"


def _join_calls(pieces: Sequence[_Call] | None) -> list[_Call] | None:
    """Join the pieces of the tool calls of a choice; None if there are none."""
    calls: list[_Call] = []
    by_index: dict[str, _Call] = {}
    by_id: dict[str, _Call] = {}
    for piece in pieces or ():
        index, id_, name = piece["index"], piece["id"], piece["name"]
        call = by_index.get(index) if index else None
        if call is not None and id_ and call["id"] and id_ != call["id"]:
            call = None
        if call is None and id_ and not (index and name):
            call = by_id.get(id_)
        if call is None and not id_ and calls:
            is_next = not name or not (index or calls[-1]["name"])
            call = calls[-1] if is_next else None
        if call is None:
            call = dict.fromkeys(("id", "type", "name", "arguments"))
            calls.append(call)
        if index:
            by_index[index] = call
        if id_:
            by_id.setdefault(id_, call)
        call["id"] = call["id"] or id_
        call["type"] = call["type"] or piece["type"]
        if name != call["name"]:
            call["name"] = _joined(call["name"], name)
        call["arguments"] = _joined(call["arguments"], piece["arguments"])
    return calls or None


def _joined(text: str | None, more: str | None) -> str | None:
    return more if text is None else text + (more or "")
