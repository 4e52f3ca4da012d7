"""The definition of each table: choices, rejects, ledger.

From these definitions follow the Arrow schema and its metadata, the polars dtypes, the
pandera models (`toolkit.schema.models`), the data dictionary in the docs, and what the
decoders read (`toolkit.reading.reference`). To add a column, add one entry here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from toolkit.errors import OptionError
from toolkit.schema.columns import Column, Kind, Root, Rule, Table
from toolkit.schema.paths import parse_path

if TYPE_CHECKING:
    from collections.abc import Mapping


# Larger than the count of any real response; 9 million of them fit into an int64 sum.
_LARGEST_COUNT = 10**12
_LARGEST_INT32 = 2**31 - 1
# No response has more choices, and no choice more calls. Two million fit into a line of
# 6 MB, and would need gigabytes.
MOST_ITEMS = 65_536
# `created` outside these is in a wrong unit (milliseconds instead of seconds).
EARLIEST_CREATED = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_CREATED = datetime(2200, 1, 1, tzinfo=UTC)

_STRING, _INT32, _INT64, _FLOAT = pa.string(), pa.int32(), pa.int64(), pa.float64()
_TIMESTAMP = pa.timestamp("us", tz="UTC")
_TOOL_CALL = pa.struct(
    [(name, _STRING) for name in ("id", "type", "name", "arguments")]
)
# Parquet calls the items of a list "element"; another name would be changed by it.
_TOOL_CALLS = pa.list_(pa.field("element", _TOOL_CALL))


def _given(
    name: str,
    type_: pa.DataType,
    description: str,
    unit: str = "",
    *,
    nullable: bool = False,
    minimum: int | None = None,
) -> Column:
    """Return a column that is not read from the line, but filled by the reader."""
    return Column(
        name, type_, "R", "given", description, unit, nullable=nullable, minimum=minimum
    )


def _response(
    name: str,
    description: str,
    *paths: str,
    kind: Kind = "string",
    root: Root = "response",
) -> Column:
    """Return a text of the response."""
    return Column(name, _STRING, "R", kind, description, paths=paths, root=root)


_CHOICE_TYPES: dict[Kind, pa.DataType] = {
    "string": _STRING,
    "content": pa.large_string(),
    "text": pa.large_string(),
    "tool_calls": _TOOL_CALLS,
    "count": _INT32,
    "characters": _INT64,
    "items": _INT64,
    "logprob_sum": _FLOAT,
}


def _choice(
    name: str, kind: Kind, description: str, *paths: str, unit: str = ""
) -> Column:
    """Return a column of the choice; its integers are not negative."""
    type_ = _CHOICE_TYPES[kind]
    return Column(
        name,
        type_,
        "C",
        kind,
        description,
        unit,
        paths,
        "choice",
        minimum=0 if pa.types.is_integer(type_) else None,
        maximum=_LARGEST_INT32 if kind == "count" else None,
        private=kind in {"content", "text", "tool_calls"},
    )


def _usage(name: str, description: str, *paths: str) -> Column:
    """Return a count of tokens; its paths start at `usage`."""
    return Column(
        name,
        _INT64,
        "U",
        "count",
        description,
        "tokens",
        tuple(f"usage.{path}" for path in paths),
        minimum=0,
        maximum=_LARGEST_COUNT,
    )


_LOG = "number of the log: its place among the sources, or the export's number for it"
_LOG_COLUMNS = (
    _given("log_id", _INT32, _LOG, minimum=0),
    _given("source", _STRING, "path of the log as it was found"),
    _given("line", _INT64, "physical line number, from 1", minimum=1),
)

_CHOICES_COLUMNS = (
    *_LOG_COLUMNS,
    Column(
        "choice_position",
        _INT32,
        "C",
        "position",
        "place in `choices`, from 0; never missing, unlike choice_index",
        nullable=False,
        minimum=0,
    ),
    _choice("choice_index", "count", "the provider's number of the choice", "index"),
    Column(
        "choice_count",
        _INT32,
        "R",
        "choice_count",
        "length of `choices`; a response with 0 choices is one row",
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
    _response("response_id", "the provider's id; some providers repeat it", "id"),
    Column(
        "created",
        _TIMESTAMP,
        "R",
        "timestamp",
        "when the response was created; null where missing or 0",
        "UTC",
        ("created",),
    ),
    _response("model", "the model that answered", "model"),
    _response(
        "requested_model",
        "the model that was requested, where the line contains the request",
        "request.body.model",
        "request.model",
        "model",
        root="envelope",
    ),
    _response(
        "custom_id",
        "the caller's id in a batch",
        "custom_id",
        kind="label",
        root="envelope",
    ),
    _response("provider", "the provider that a router chose", "provider"),
    _response("service_tier", "tier", "service_tier", "usage.service_tier"),
    _response("system_fingerprint", "backend version", "system_fingerprint"),
    _choice("finish_reason", "string", "why the choice ended", "finish_reason"),
    _choice(
        "native_finish_reason",
        "string",
        "the same in the provider's own words",
        "native_finish_reason",
    ),
    _choice("role", "string", "author of the message", "message.role"),
    _choice("content", "content", "text of the message", "message.content"),
    _choice(
        "reasoning_content",
        "text",
        "text of the model's reasoning",
        "message.reasoning_content",
        "message.reasoning",
        "message.content[].thinking",
    ),
    _choice("refusal", "text", "text of a refusal", "message.refusal"),
    _choice(
        "tool_calls",
        "tool_calls",
        "tools that the model calls",
        "message.tool_calls[]",
        "message.function_call",
    ),
    _choice(
        "content_chars",
        "characters",
        "length of content; present even when content is dropped",
        "message.content",
        unit="code points",
    ),
    _choice(
        "logprob_tokens",
        "items",
        "tokens with a logprob",
        "logprobs.content",
        unit="tokens",
    ),
    _choice(
        "logprob_sum",
        "logprob_sum",
        "sum of their logprobs",
        "logprobs.content",
        unit="nats",
    ),
    _usage("prompt_tokens", "prompt, cached ones included", "prompt_tokens"),
    _usage("completion_tokens", "completion, over all choices", "completion_tokens"),
    _usage("total_tokens", "total as reported, never recomputed", "total_tokens"),
    _usage(
        "cached_tokens",
        "prompt tokens read from a cache",
        "prompt_tokens_details.cached_tokens",
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "num_cached_tokens",
        "cache_read_input_tokens",
    ),
    _usage(
        "cache_write_tokens",
        "prompt tokens written to a cache",
        "prompt_tokens_details.cache_write_tokens",
        "cache_creation_input_tokens",
    ),
    _usage(
        "reasoning_tokens",
        "tokens of the model's reasoning",
        "completion_tokens_details.reasoning_tokens",
        "reasoning_tokens",
    ),
    _usage(
        "prompt_audio_tokens",
        "audio in the prompt",
        "prompt_tokens_details.audio_tokens",
    ),
    _usage(
        "completion_audio_tokens",
        "audio in the completion",
        "completion_tokens_details.audio_tokens",
    ),
    _usage(
        "accepted_prediction_tokens",
        "predicted tokens that were used",
        "completion_tokens_details.accepted_prediction_tokens",
    ),
    _usage(
        "rejected_prediction_tokens",
        "predicted tokens that were not used",
        "completion_tokens_details.rejected_prediction_tokens",
    ),
    Column(
        "reported_cost",
        _FLOAT,
        "U",
        "number",
        "cost as the provider reports it",
        "USD",
        ("usage.cost", "usage.cost.total_cost"),
    ),
)

USAGE_COLUMNS = tuple(column.name for column in _CHOICES_COLUMNS if column.grain == "U")

_position, _created = pl.col("choice_position"), pl.col("created")
CHOICES = Table(
    "choices",
    _CHOICES_COLUMNS,
    key=("log_id", "line", "choice_position"),
    rules=(
        Rule(
            "position_within_count",
            "choice_position",
            "must be below choice_count, or 0 if there is no choice",
            _position < pl.max_horizontal("choice_count", pl.lit(1)),
        ),
        Rule(
            "usage_on_first_choice",
            "choice_position",
            "must be 0 if a usage column is not null",
            (_position == 0) | pl.all_horizontal(pl.col(*USAGE_COLUMNS).is_null()),
        ),
        Rule(
            "created_in_range",
            "created",
            "must be from 1970 to before 2200",
            _created.is_null()
            | _created.is_between(EARLIEST_CREATED, LATEST_CREATED, closed="left"),
        ),
    ),
)

REJECT_CODES = {
    "line_too_long": "longer than max_line_bytes",
    "invalid_utf8": "not UTF-8",
    "too_deep": "nested deeper than 512 levels",
    "invalid_json": "not JSON (RFC 8259)",
    "truncated": "the last line is incomplete",
    "stream_chunk": "a chunk of a streamed response, not a whole one",
    "error_response": "the provider answered with an error",
    "not_a_response": "JSON, but no chat completion response",
    "wrong_type": "a field has a type that is not allowed",
    "out_of_range": "a number is outside the range of the field",
}

REJECTS = Table(
    "rejects",
    (
        *_LOG_COLUMNS,
        _given(
            "offset",
            _INT64,
            "offset of the line in the decompressed log",
            "bytes",
            minimum=0,
        ),
        _given(
            "length", _INT64, "length of the line without its end", "bytes", minimum=0
        ),
        _given("code", _STRING, "which check failed: " + ", ".join(REJECT_CODES)),
        _given(
            "json_path", _STRING, "path of the wrong field in the line", nullable=True
        ),
        _given(
            "reason", _STRING, "what was expected and what was found; never content"
        ),
        _given(
            "raw",
            pa.large_binary(),
            "the bytes of the line; null for line_too_long",
            nullable=True,
        ),
    ),
    key=("log_id", "line"),
)


def _total(name: str, description: str, unit: str) -> Column:
    """Return a count of the ledger."""
    return _given(name, _INT64, description, unit, minimum=0)


LEDGER = Table(
    "ledger",
    (
        *_LOG_COLUMNS[:2],
        _total("bytes", "uncompressed size of the log", "bytes"),
        _total("lines", "physical lines", "lines"),
        _total("blank", "lines that contain only white space", "lines"),
        _total("responses", "lines that became rows", "lines"),
        _total("duplicates", "lines that repeat an earlier response", "lines"),
        _total("outside", "lines whose response is outside since and until", "lines"),
        _total("errors", "lines in which a provider reports an error", "lines"),
        _total("rejected", "lines rejected for any other reason", "lines"),
        _total("choices", "rows of the choices table", "rows"),
        _total(
            "pending_bytes", "incomplete last line, to be read by a later run", "bytes"
        ),
        _total("prompt_tokens", "sum over the rows", "tokens"),
        _total("completion_tokens", "sum over the rows", "tokens"),
        _total("total_tokens", "sum over the rows", "tokens"),
        _given("decoder", _STRING, "kernel or reference"),
        _given(
            "error",
            _STRING,
            "why reading stopped before the end of the log",
            nullable=True,
        ),
        _given(
            "hint",
            _STRING,
            "what a log without any response looks like, and what to do",
            nullable=True,
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
        Name of each tag, and the path of its value in the line.

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
        "a tag of the caller",
        paths=(path,),
        root="line",
    )


def dictionary(table: Table = CHOICES) -> str:
    """Return the data dictionary of a table as Markdown."""
    rows = [
        "| column | type | grain | unit | description, and where it is read from |",
        "|---|---|---|---|---|",
    ]
    for column in table.columns:
        paths = ", ".join(f"`{column.full_path(path)}`" for path in column.paths)
        what = f"{column.description}; {paths}" if paths else column.description
        kind = str(column.type).replace("|", "\\|")
        rows.append(
            f"| {column.name} | {kind} | {column.grain} | {column.unit} | {what} |"
        )
    return "\n".join(rows) + "\n"
