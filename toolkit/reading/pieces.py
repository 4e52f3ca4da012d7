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
import pyarrow as pa

from toolkit.schema.apis import APIS, CHUNK_APIS
from toolkit.schema.tables import USAGE_COLUMNS, chunks_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from toolkit.schema.columns import Column, Table

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
# APIs whose last chunk has the form of a response.
ENDS_WHOLE = sorted({api.name for api in CHUNK_APIS if api.ends_whole})

_IS_FIRST = pl.col("choice_position") == 0
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
    """Return how the chunks of a stream are known: by line, by id or by model.

    The chunks in a line with a whole stream are one stream whatever their ids are.
    """
    return (
        pl.when(pl.col("chunk_position").is_not_null())
        .then(pl.format("line {}:{}", "log_id", "line"))
        .when(pl.col("response_id").is_not_null())
        .then(pl.format("id {}", "response_id"))
        .otherwise(pl.format("model {}", pl.col("model").fill_null("")))
    )


def as_pieces(
    chunks: pl.DataFrame, stream_set: str, last_line: pl.Expr
) -> pl.DataFrame:
    """Return chunks with the columns of pieces, without those that are of no stream.

    The end of a stream is that of the chunk before it.
    """
    is_line = pl.col("chunk_position").is_null()
    is_framing = (
        pl.col("response_id").is_null()
        & (pl.col("choice_count") == 0)
        & ~_HAS_USAGE
        & ~pl.col("is_end")
    )
    last_key = pl.when(is_line & ~pl.col("is_end")).then(stream_key()).forward_fill()
    is_counted = _IS_FIRST & ~is_framing & ~pl.col("is_end")
    return (
        chunks.with_columns(
            response_hash=pl.when(is_counted).then("response_hash").otherwise(0),
            chunk_count=is_counted.cast(pl.Int32),
            is_framing=is_framing & is_line,
        )
        .filter(~pl.col("is_framing"))
        .with_columns(
            stream_set=pl.lit(stream_set),
            stream_key=pl.when("is_end").then(last_key).otherwise(stream_key()),
            is_new=pl.lit(value=False),
            is_whole=pl.lit(value=False),
            has_lone_usage=_HAS_USAGE & (pl.col("choice_count") == 0),
            last_line=last_line,
        )
        .filter(pl.col("stream_key").is_not_null())
        .drop("is_framing")
    )


def fold(pieces: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Fold pieces in the order of their lines, the earlier ones of a stream first.

    Where a stream of a key begins after another one, it gets the next
    `stream_number`.
    """
    numbered = pieces.with_columns(_number_streams(pieces))
    if pieces.is_empty():
        return numbered
    used = {name for name in pieces.columns if pieces[name].null_count() < len(pieces)}
    streams = numbered.group_by(STREAM, maintain_order=True).agg(
        *_fold_streams(table.columns, used)
    )
    index = pl.coalesce("choice_index", "choice_position").alias("_index")
    choices = (
        numbered.filter((pl.col("choice_count") > 0) & ~pl.col("is_end"))
        .group_by([*STREAM, index], maintain_order=True)
        .agg(*_fold_choices(chunks_table(table).columns, used))
        .sort("_index", maintain_order=True)
        .with_columns(
            choice_position=pl.int_range(pl.len(), dtype=pl.Int32).over(STREAM),
            choice_count=pl.len().over(STREAM).cast(pl.Int32),
        )
    )
    folded = streams.join(choices, on=STREAM, how="left", maintain_order="left_right")
    folded = folded.with_columns(
        pl.col("choice_position", "choice_count").fill_null(0)
    ).with_columns(
        pl.when(_IS_FIRST).then(pl.col(USAGE_COLUMNS)),
        pl.when(_IS_FIRST).then(pl.col("response_hash", "chunk_count")).otherwise(0),
    )
    return folded.select(*pieces.columns, "stream_number")


def _fold_streams(columns: Iterable[Column], used: set[str]) -> list[pl.Expr]:
    """Return what a stream is, of columns that do not depend on the choice."""
    known = {
        "response_hash": pl.col("response_hash").sum(),
        "chunk_count": pl.col("chunk_count").sum().cast(pl.Int32),
        "choice_count": None,
        "log_id": pl.col("log_id").first(),
        "source": pl.col("source").first(),
        "line": pl.col("line").first(),
    }
    # Counts of 0 say nothing if another usage says more.
    masked = pl.when(_HAS_COUNTS | ~_HAS_COUNTS.any())
    for column in columns:
        name = column.name
        if column.grain == "C" or name in known:
            continue
        value = pl.col(name)
        if name in used and column.grain == "U":
            value = masked.then(value).last(ignore_nulls=True)
        elif name in used:
            value = value.first(ignore_nulls=True)
        else:
            value = value.first()
        known[name] = value
    known |= {
        "chunk_position": pl.col("chunk_position").first(),
        "is_end": pl.col("is_end").any(),
        "is_new": pl.col("is_new").first() | (pl.col("stream_number").first() > 0),
        "is_whole": pl.col("is_whole").any(),
        "has_lone_usage": pl.col("has_lone_usage").any(),
        "last_line": pl.col("last_line").max(),
    }
    return [value.alias(name) for name, value in known.items() if value is not None]


def _fold_choices(columns: Iterable[Column], used: set[str]) -> list[pl.Expr]:
    """Return what a choice of a stream is, of columns that depend on it."""
    found = []
    for column in columns:
        name, value = column.name, pl.col(column.name)
        if column.grain != "C" or name == "choice_position":
            continue
        if name not in used:
            value = value.first()
        elif column.kind in {"content", "text"}:
            joined = value.str.join("")
            value = pl.when(value.is_not_null().any()).then(joined)
        elif column.kind in {"characters", "items"}:
            value = pl.when(value.is_not_null().any()).then(value.sum())
        elif column.kind == "logprob_sum":
            value = _fold_logprobs(value)
        elif column.kind == "tool_calls":
            value = value.drop_nulls().list.explode()
        elif column.kind in {"finish_reason", "label"}:
            value = value.last(ignore_nulls=True)
        else:
            value = value.first(ignore_nulls=True)
        found.append(value.alias(name))
    return found


def _fold_logprobs(value: pl.Expr) -> pl.Expr:
    """Return the sum from the first to the last; null if one with tokens is null."""
    is_unknown = value.is_null() & (pl.col("logprob_tokens").fill_null(0) > 0)
    total = value.drop_nulls().cum_sum().last()
    return pl.when(~is_unknown.any()).then(total)


# Where a stream begins.

_BEGIN = {
    "index": pl.coalesce("choice_index", "choice_position"),
    "has_choice": pl.col("choice_count") > 0,
    "has_text": _HAS_TEXT,
    "has_role": pl.col("role").is_not_null(),
    "has_usage": _HAS_USAGE,
    "has_counts": _HAS_COUNTS,
    "is_finish": pl.col("finish_reason").is_not_null(),
    "has_lone_usage": pl.col("has_lone_usage"),
    "completion_tokens": pl.col("completion_tokens"),
    "is_end": pl.col("is_end"),
    "is_new": pl.col("is_new"),
    # A response of which nothing is known but the model.
    "is_next": pl.col("is_whole") & pl.col("response_id").is_null(),
}
_CHUNK = [*KEY, "log_id", "line", "chunk_position"]


def _before(condition: pl.Expr) -> pl.Expr:
    """Return whether a condition holds in an earlier piece of the key."""
    earlier = condition.cast(pl.Int32).cum_sum().shift(fill_value=0)
    return earlier.over(KEY) > 0


def _may_begin() -> pl.Expr:
    """Return whether a stream may begin with a piece, after another of the key."""
    is_finish = pl.col("is_finish")
    is_over = is_finish | pl.col("has_lone_usage")
    has_text = pl.col("has_text") | pl.col("is_next")
    is_first = pl.col("has_role") & ~is_finish & ~pl.col("has_usage")
    tokens = pl.col("completion_tokens")
    earlier = tokens.forward_fill().cum_max().shift().over(KEY)
    is_less = (tokens < earlier).fill_null(value=False)
    return (
        pl.col("is_new")
        | _before(pl.col("is_end"))
        | (_before(is_over) & (has_text | is_first | is_less))
        | (_before(pl.col("has_lone_usage")) & is_finish)
    )


def _number_streams(pieces: pl.DataFrame) -> pl.Series:
    """Return for each piece how many streams of its key are before its own.

    Only the keys of which there may be several are read piece by piece.
    """
    facts = pieces.select(*_CHUNK, **_BEGIN)
    is_line = pl.col("chunk_position").is_null()
    is_read = facts.select(is_line & _may_begin().any().over(KEY)).to_series()
    numbers = pl.Series("stream_number", [0], pl.Int64).new_from_index(0, len(facts))
    if not is_read.any():
        return numbers
    found: list[int] = []
    open_streams: dict[tuple[str, str], _Open] = {}
    rows = facts.filter(is_read).iter_rows(named=True)
    for chunk, group in groupby(rows, key=itemgetter(*_CHUNK)):
        choices = list(group)
        before = open_streams.get(chunk[:2])
        if before is None:
            before = open_streams[chunk[:2]] = _Open()
        elif before.ends_before(choices):
            before = open_streams[chunk[:2]] = _Open(before.number + 1)
        before.add(choices)
        found += [before.number] * len(choices)
    return numbers.scatter(is_read.arg_true(), found)


@dataclass
class _Open:
    """What of a stream decides whether the next chunk of its key belongs to it."""

    number: int = 0
    finished: set[int] = field(default_factory=set)  # indexes of choices
    has_lone_usage: bool = False
    completion_tokens: int = 0
    is_end: bool = False

    def add(self, choices: Iterable[Mapping[str, Any]]) -> None:
        """Add a chunk."""
        for choice in choices:
            if choice["is_finish"]:
                self.finished.add(choice["index"])
            self.has_lone_usage |= choice["has_lone_usage"]
            self.is_end |= choice["is_end"]
            self.completion_tokens = (
                choice["completion_tokens"] or self.completion_tokens
            )

    def ends_before(self, choices: Sequence[Mapping[str, Any]]) -> bool:
        """Return whether a chunk is of another stream."""
        if choices[0]["is_end"]:
            return False
        is_over = self.is_end or choices[0]["is_new"]
        return is_over or any(map(self._is_over_for, choices))

    def _is_over_for(self, choice: Mapping[str, Any]) -> bool:
        is_finished = choice["index"] in self.finished
        is_over = is_finished or (self.has_lone_usage and not self.finished)
        if not is_over or not choice["has_choice"]:
            return False
        is_finish, tokens = choice["is_finish"], choice["completion_tokens"]
        return (
            choice["has_text"]
            or choice["is_next"]
            or (choice["has_role"] and not is_finish and not choice["has_usage"])
            or (
                choice["has_counts"]
                and tokens is not None
                and tokens < self.completion_tokens
            )
            or (is_finish and is_finished and self.has_lone_usage)
        )


# From pieces to choices.


def as_choices(pieces: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return the choices of streams that are over."""
    counts = pl.col("chunk_count").sum().over(STREAM)
    was_logged_whole = pl.col("is_whole") & (counts == 1)
    calls = pa.array(
        [_join_calls(found) for found in pieces["tool_calls"].to_list()],
        table.arrow.field("tool_calls").type,
    )
    computed: dict[str, pl.Expr | pl.Series] = {
        "chunk_count": pl.when(~was_logged_whole).then(counts),
        "response_hash": pl.col("response_hash").sum().over(STREAM),
        "tool_calls": pl.Series(calls),
    }
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
