"""The one definition of each table: choices, rejects, ledger.

A `Column` says what a column is and where its value stands in a line. From these
declarations follow the Arrow schema and its metadata, the polars dtypes, the pandera
schema (`toolkit.schema.validation`), the data dictionary in docs, and what the decoders
read (`toolkit.reading.reference`). Adding a column is one entry here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from toolkit.errors import OptionError
from toolkit.schema.columns import Column, Grain, Kind, Root, Rule, Table
from toolkit.schema.paths import parse_path

if TYPE_CHECKING:
    from collections.abc import Mapping


# Larger counts than any real response; keeps 9 million of them inside an int64 sum.
_LARGEST_COUNT = 10**12
_LARGEST_INT32 = 2**31 - 1
# No response has more choices, and no choice more calls; a line of 6 MB may hold two
# million, and would take gigabytes.
MOST_ITEMS = 65_536


_TOOL_CALL = pa.struct(
    [(name, pa.string()) for name in ("id", "type", "name", "arguments")]
)
# Parquet calls the items of a list "element"; any other name would not come back.
_TOOL_CALLS = pa.list_(pa.field("element", _TOOL_CALL))
_TIMESTAMP = pa.timestamp("us", tz="UTC")
# `created` outside these is a unit mistaken for another (milliseconds for seconds).
EARLIEST_CREATED = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_CREATED = datetime(2200, 1, 1, tzinfo=UTC)


def _string(name: str, grain: Grain, description: str, *paths: str) -> Column:
    root: Root = "choice" if grain == "C" else "response"
    return Column(
        name, pa.string(), grain, "string", description, paths=paths, root=root
    )


def _tokens(name: str, description: str, *paths: str) -> Column:
    return Column(
        name,
        pa.int64(),
        "U",
        "count",
        description,
        "tokens",
        tuple(f"usage.{path}" for path in paths),
        minimum=0,
        maximum=_LARGEST_COUNT,
    )


def _text(name: str, kind: Kind, description: str, *paths: str) -> Column:
    return Column(
        name,
        pa.large_string(),
        "C",
        kind,
        description,
        paths=paths,
        root="choice",
        private=True,
    )


_LOG_COLUMNS = (
    Column(
        "log_id",
        pa.int32(),
        "R",
        "given",
        "number of the log: its place among the sources, or the export's number for it",
        nullable=False,
        minimum=0,
    ),
    Column(
        "source",
        pa.string(),
        "R",
        "given",
        "path of the log as it was found",
        nullable=False,
    ),
    Column(
        "line",
        pa.int64(),
        "R",
        "given",
        "physical line number, from 1",
        nullable=False,
        minimum=1,
    ),
)

CHOICES = Table(
    "choices",
    (
        *_LOG_COLUMNS,
        Column(
            "choice_position",
            pa.int32(),
            "C",
            "position",
            "place in `choices`, from 0: ours, always there",
            nullable=False,
            minimum=0,
        ),
        Column(
            "choice_index",
            pa.int32(),
            "C",
            "count",
            "the provider's number of the choice",
            paths=("index",),
            root="choice",
            minimum=0,
            maximum=_LARGEST_INT32,
        ),
        Column(
            "choice_count",
            pa.int32(),
            "R",
            "choice_count",
            "length of `choices`; 0 stands on the one row of a response without any",
            "choices",
            nullable=False,
            minimum=0,
        ),
        Column(
            "response_hash",
            pa.uint64(),
            "R",
            "hash",
            "xxh3-64 of the bytes of the response object as written",
            nullable=False,
        ),
        _string("response_id", "R", "the provider's id; not unique with some", "id"),
        Column(
            "created",
            _TIMESTAMP,
            "R",
            "timestamp",
            "when the response was made; null where missing or 0",
            "UTC",
            ("created",),
        ),
        _string("model", "R", "the model that answered", "model"),
        replace(
            _string(
                "requested_model",
                "R",
                "the model that was asked for, where the line says it",
                "request.body.model",
                "request.model",
                "model",
            ),
            root="envelope",
        ),
        replace(
            _string("custom_id", "R", "the caller's id in a batch", "custom_id"),
            kind="label",
            root="envelope",
        ),
        _string("provider", "R", "the provider that a router chose", "provider"),
        _string("service_tier", "R", "tier", "service_tier", "usage.service_tier"),
        _string("system_fingerprint", "R", "backend version", "system_fingerprint"),
        _string("finish_reason", "C", "why the choice ended", "finish_reason"),
        _string(
            "native_finish_reason",
            "C",
            "the same in the provider's own word",
            "native_finish_reason",
        ),
        _string("role", "C", "author of the message", "message.role"),
        _text("content", "content", "text of the message", "message.content"),
        _text(
            "reasoning_content",
            "text",
            "text of the model's thinking",
            "message.reasoning_content",
            "message.reasoning",
            "message.content[].thinking",
        ),
        _text("refusal", "text", "text of a refusal", "message.refusal"),
        Column(
            "tool_calls",
            _TOOL_CALLS,
            "C",
            "tool_calls",
            "calls that the model asks for",
            paths=("message.tool_calls[]", "message.function_call"),
            root="choice",
            private=True,
        ),
        Column(
            "content_chars",
            pa.int64(),
            "C",
            "characters",
            "length of content; kept when content is dropped",
            "code points",
            ("message.content",),
            root="choice",
            minimum=0,
        ),
        Column(
            "logprob_tokens",
            pa.int64(),
            "C",
            "items",
            "tokens with a logprob",
            "tokens",
            ("logprobs.content",),
            root="choice",
            minimum=0,
        ),
        Column(
            "logprob_sum",
            pa.float64(),
            "C",
            "logprob_sum",
            "sum of their logprobs",
            "nats",
            ("logprobs.content",),
            root="choice",
        ),
        _tokens("prompt_tokens", "prompt, cached ones included", "prompt_tokens"),
        _tokens(
            "completion_tokens", "completion, over all choices", "completion_tokens"
        ),
        _tokens("total_tokens", "total as reported, never recomputed", "total_tokens"),
        _tokens(
            "cached_tokens",
            "prompt tokens read from a cache",
            "prompt_tokens_details.cached_tokens",
            "prompt_cache_hit_tokens",
            "cached_tokens",
            "num_cached_tokens",
            "cache_read_input_tokens",
        ),
        _tokens(
            "cache_write_tokens",
            "prompt tokens written to a cache",
            "prompt_tokens_details.cache_write_tokens",
            "cache_creation_input_tokens",
        ),
        _tokens(
            "reasoning_tokens",
            "tokens spent on thinking",
            "completion_tokens_details.reasoning_tokens",
            "reasoning_tokens",
        ),
        _tokens(
            "prompt_audio_tokens",
            "audio in the prompt",
            "prompt_tokens_details.audio_tokens",
        ),
        _tokens(
            "completion_audio_tokens",
            "audio in the completion",
            "completion_tokens_details.audio_tokens",
        ),
        _tokens(
            "accepted_prediction_tokens",
            "predicted tokens that were used",
            "completion_tokens_details.accepted_prediction_tokens",
        ),
        _tokens(
            "rejected_prediction_tokens",
            "predicted tokens that were not",
            "completion_tokens_details.rejected_prediction_tokens",
        ),
        Column(
            "reported_cost",
            pa.float64(),
            "U",
            "number",
            "cost as the provider reports it",
            "USD",
            ("usage.cost", "usage.cost.total_cost"),
        ),
    ),
    key=("log_id", "line", "choice_position"),
)

USAGE_COLUMNS = tuple(column.name for column in CHOICES.columns if column.grain == "U")

CHOICES = replace(
    CHOICES,
    rules=(
        Rule(
            "position_within_count",
            "choice_position is below choice_count, or 0 where there is no choice",
            pl.col("choice_position") < pl.max_horizontal("choice_count", pl.lit(1)),
        ),
        Rule(
            "usage_on_first_choice",
            "usage stands on the row with choice_position 0 and nowhere else",
            (pl.col("choice_position") == 0)
            | pl.all_horizontal(pl.col(*USAGE_COLUMNS).is_null()),
        ),
        Rule(
            "created_in_range",
            "created lies from 1970 to before 2200",
            pl.col("created").is_null()
            | pl.col("created").is_between(
                EARLIEST_CREATED, LATEST_CREATED, closed="left"
            ),
        ),
    ),
)

REJECT_CODES = {
    "line_too_long": "longer than max_line_bytes",
    "invalid_utf8": "not UTF-8",
    "too_deep": "nested deeper than 512 levels",
    "invalid_json": "not JSON (RFC 8259)",
    "truncated": "the last line ends in its middle",
    "stream_chunk": "a chunk of a streamed response, not a whole one",
    "error_response": "the provider answered with an error",
    "not_a_response": "JSON, but no chat completion response",
    "wrong_type": "a field has a type that it cannot have",
    "out_of_range": "a number outside what the field can hold",
}

REJECTS = Table(
    "rejects",
    (
        *_LOG_COLUMNS,
        Column(
            "offset",
            pa.int64(),
            "R",
            "given",
            "where the line begins in the decompressed log",
            "bytes",
            nullable=False,
            minimum=0,
        ),
        Column(
            "length",
            pa.int64(),
            "R",
            "given",
            "length of the line without its end",
            "bytes",
            nullable=False,
            minimum=0,
        ),
        Column(
            "code",
            pa.string(),
            "R",
            "given",
            "which check failed: " + ", ".join(REJECT_CODES),
            nullable=False,
        ),
        Column(
            "json_path", pa.string(), "R", "given", "the field at fault, from the line"
        ),
        Column(
            "reason",
            pa.string(),
            "R",
            "given",
            "what was expected and what was there; never content",
            nullable=False,
        ),
        Column(
            "raw",
            pa.large_binary(),
            "R",
            "given",
            "the bytes of the line; null for line_too_long",
        ),
    ),
    key=("log_id", "line"),
)


def _total(name: str, description: str, unit: str) -> Column:
    return Column(
        name, pa.int64(), "R", "given", description, unit, nullable=False, minimum=0
    )


LEDGER = Table(
    "ledger",
    (
        *_LOG_COLUMNS[:2],
        _total("bytes", "size of the log, decompressed", "bytes"),
        _total("lines", "physical lines", "lines"),
        _total("blank", "lines of white space only", "lines"),
        _total("responses", "lines that became rows", "lines"),
        _total("duplicates", "lines that repeat a response seen before", "lines"),
        _total("outside", "lines whose response is outside since and until", "lines"),
        _total("errors", "lines in which a provider reports an error", "lines"),
        _total("rejected", "lines refused for any other reason", "lines"),
        _total("choices", "rows of the choices table", "rows"),
        _total("pending_bytes", "unfinished last line, left for later", "bytes"),
        _total("prompt_tokens", "sum over the rows", "tokens"),
        _total("completion_tokens", "sum over the rows", "tokens"),
        _total("total_tokens", "sum over the rows", "tokens"),
        Column(
            "decoder", pa.string(), "R", "given", "kernel or reference", nullable=False
        ),
        Column("error", pa.string(), "R", "given", "what ended the log before its end"),
        Column(
            "hint",
            pa.string(),
            "R",
            "given",
            "what a log without any response looks like, and what to do",
        ),
    ),
    key=("log_id",),
)

TABLES = (CHOICES, REJECTS, LEDGER)


def choices_table(tags: Mapping[str, str] | None = None) -> Table:
    """Return the choices table, with a column ``tag_<name>`` for each tag.

    Parameters
    ----------
    tags
        Name of a tag to the path of its value, from the root of the line.

    Examples
    --------
    >>> choices_table({"team": "metadata.team"}).names[-1]
    'tag_team'
    """
    columns = [_tag(name, path) for name, path in (tags or {}).items()]
    return replace(CHOICES, columns=(*CHOICES.columns, *columns))


def _tag(name: str, path: str) -> Column:
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise OptionError("tags", name, expected="names of letters, digits and _")
    parse_path(path)
    return Column(
        f"tag_{name}",
        pa.string(),
        "R",
        "label",
        "a tag of the caller's",
        paths=(path,),
        root="line",
    )


def dictionary(table: Table = CHOICES) -> str:
    """Write the data dictionary of a table as Markdown."""
    rows = [
        "| column | type | grain | unit | what, and where from |",
        "|---|---|---|---|---|",
    ]
    for column in table.columns:
        paths = ", ".join(f"`{column.written(path)}`" for path in column.paths)
        what = f"{column.description}; {paths}" if paths else column.description
        kind = str(column.type).replace("|", "\\|")
        rows.append(
            f"| {column.name} | {kind} | {column.grain} | {column.unit} | {what} |"
        )
    return "\n".join(rows) + "\n"
