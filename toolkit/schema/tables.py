"""The definition of each table: choices, rejects, ledger.

From these definitions follow the Arrow schema and its metadata, the polars dtypes, the
pandera models (`toolkit.schema.models`), the data dictionary in the docs, and what the
decoders read (`toolkit.reading.reference_decoder`). To add a column, add one entry
here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from toolkit.errors import OptionError
from toolkit.schema.columns import (
    INT32,
    INT64,
    STRING,
    Column,
    Rule,
    Table,
    choice,
    dollars,
    flag,
    given,
    response,
    usage,
)
from toolkit.schema.paths import parse_path

if TYPE_CHECKING:
    from collections.abc import Mapping


# No response has more choices, and no choice more calls. Two million fit into a line of
# 6 MB, and would need gigabytes.
MOST_ITEMS = 65_536
# `created` outside these is in a wrong unit (milliseconds instead of seconds).
EARLIEST_CREATED = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_CREATED = datetime(2200, 1, 1, tzinfo=UTC)

_LOG = "number of the log: its place among the sources, or the export's number for it"
_LOG_COLUMNS = (
    given("log_id", INT32, _LOG, minimum=0),
    given("source", STRING, "path of the log as it was found"),
    given("line", INT64, "physical line number, from 1", minimum=1),
)

_CHOICES_COLUMNS = (
    *_LOG_COLUMNS,
    Column(
        "choice_position",
        INT32,
        "C",
        "position",
        "place in `choices`, from 0; never missing, unlike choice_index",
        nullable=False,
        minimum=0,
    ),
    choice("choice_index", "count", "the provider's number of the choice", "index"),
    Column(
        "choice_count",
        INT32,
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
    response("response_id", "the provider's id; some providers repeat it", "id"),
    Column(
        "created",
        pa.timestamp("us", tz="UTC"),
        "R",
        "timestamp",
        "when the response was created; null where missing or 0",
        "UTC",
        ("created",),
    ),
    response("model", "the model that answered", "model"),
    response(
        "requested_model",
        "the model that was requested, where the line contains the request",
        "request.body.model",
        "request.model",
        "model",
        "request_body.model?",
        root="envelope",
    ),
    response(
        "custom_id",
        "the caller's id in a batch",
        "custom_id",
        kind="label",
        root="envelope",
    ),
    response(
        "provider",
        "the provider that a router chose",
        "provider",
        "(envelope).custom_llm_provider?",
    ),
    response("service_tier", "tier", "service_tier", "usage.service_tier"),
    response(
        "search_context_size",
        "size of the search context, on which the fee of a search depends",
        "usage.search_context_size",
    ),
    response("system_fingerprint", "backend version", "system_fingerprint"),
    response(
        "processing",
        "batch for a line of a batch's output file, else null",
        "custom_id -> batch",
        "id = batch_req_* -> batch",
        kind="marker",
        root="batch",
    ),
    response(
        "served_by",
        "the provider whose own extensions the response has",
        "x_groq -> groq",
        "usage.prompt_cache_hit_tokens -> deepseek",
        "time_info -> cerebras",
        "system_fingerprint = fp_ollama* -> ollama",
        kind="marker",
    ),
    flag(
        "is_byok",
        "whether the caller's own key with the provider behind a router was used",
        "usage.is_byok",
    ),
    flag(
        "cache_hit",
        "whether a proxy answered from its own cache",
        "(envelope).cache_hit",
    ),
    choice("finish_reason", "string", "why the choice ended", "finish_reason"),
    choice(
        "native_finish_reason",
        "string",
        "the same in the provider's own words",
        "native_finish_reason",
    ),
    choice("role", "string", "author of the message", "message.role"),
    choice(
        "content",
        "content",
        "text of the message",
        "message.content",
        "(completion).text?",
    ),
    choice(
        "reasoning_content",
        "text",
        "text of the model's reasoning",
        "message.reasoning_content",
        "message.reasoning",
        "message.content[].thinking",
    ),
    choice("refusal", "text", "text of a refusal", "message.refusal"),
    choice(
        "tool_calls",
        "tool_calls",
        "tools that the model calls",
        "message.tool_calls[]",
        "message.function_call",
    ),
    choice(
        "content_chars",
        "characters",
        "length of content; present even when content is dropped",
        "message.content",
        "(completion).text?",
        unit="code points",
    ),
    choice(
        "logprob_tokens",
        "items",
        "tokens with a logprob",
        "logprobs.content",
        unit="tokens",
    ),
    choice(
        "logprob_sum",
        "logprob_sum",
        "sum of their logprobs",
        "logprobs.content",
        unit="nats",
    ),
    usage("prompt_tokens", "prompt, cached ones included", "prompt_tokens"),
    usage("completion_tokens", "completion, over all choices", "completion_tokens"),
    usage("total_tokens", "total as reported, never recomputed", "total_tokens"),
    usage(
        "cached_tokens",
        "prompt tokens read from a cache",
        "prompt_tokens_details.cached_tokens",
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "num_cached_tokens",
        "cache_read_input_tokens",
        "prompt_token_details.cached_tokens?",
    ),
    usage(
        "cache_write_tokens",
        "prompt tokens written to a cache",
        "prompt_tokens_details.cache_write_tokens",
        "cache_creation_input_tokens",
        "prompt_tokens_details.cache_creation_tokens?",
    ),
    usage(
        "cache_write_1h_tokens",
        "of the tokens written to a cache, those kept for an hour",
        "cache_creation.ephemeral_1h_input_tokens",
    ),
    usage(
        "reasoning_tokens",
        "tokens of the model's reasoning",
        "completion_tokens_details.reasoning_tokens",
        "reasoning_tokens",
        "completion_token_details.reasoning_tokens?",
    ),
    usage(
        "prompt_audio_tokens",
        "audio in the prompt",
        "prompt_tokens_details.audio_tokens",
    ),
    usage(
        "completion_audio_tokens",
        "audio in the completion",
        "completion_tokens_details.audio_tokens",
    ),
    usage(
        "prompt_image_tokens",
        "images in the prompt",
        "prompt_tokens_details.image_tokens",
    ),
    usage(
        "completion_image_tokens",
        "images in the completion",
        "completion_tokens_details.image_tokens",
    ),
    usage(
        "accepted_prediction_tokens",
        "predicted tokens that were used",
        "completion_tokens_details.accepted_prediction_tokens",
    ),
    usage(
        "rejected_prediction_tokens",
        "predicted tokens that were not used",
        "completion_tokens_details.rejected_prediction_tokens",
    ),
    usage("citation_tokens", "citations, billed beside the prompt", "citation_tokens"),
    usage(
        "web_searches",
        "searches of the web",
        "server_tool_use.web_search_requests",
        "server_tool_use_details.web_search_requests",
        "num_search_queries",
        unit="searches",
    ),
    usage(
        "search_sources",
        "sources found by a search, where they are billed one by one",
        "num_sources_used",
        unit="sources",
    ),
    dollars(
        "reported_cost",
        "cost as the provider reports it",
        "usage.cost != 0",
        "usage.cost.total_cost?",
        "usage.cost_in_usd_ticks? / 1e10 != 0",
        "usage.pydantic_ai_gateway.cost_estimate?",
        "cost.usd?",
        # Proxies and loggers write 0 for models of which they know no price.
        "(envelope).response_cost? != 0",
        "(envelope).cost_usd? != 0",
        "(envelope).costUSD? != 0",
        "usage.cost?",  # its 0 hides no other cost
    ),
    dollars(
        "upstream_cost",
        "with the caller's own key: what the provider behind a router bills",
        "usage.cost_details.upstream_inference_cost",
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


def _count(name: str, description: str, unit: str) -> Column:
    """Return a whole number, 0 or more, that the reader counts."""
    return given(name, INT64, description, unit, minimum=0)


REJECTS = Table(
    "rejects",
    (
        *_LOG_COLUMNS,
        _count("offset", "offset of the line in the decompressed log", "bytes"),
        _count("length", "length of the line without its end", "bytes"),
        given("code", STRING, "which check failed: " + ", ".join(REJECT_CODES)),
        given(
            "json_path", STRING, "path of the wrong field in the line", nullable=True
        ),
        given("reason", STRING, "what was expected and what was found; never content"),
        given(
            "raw",
            pa.large_binary(),
            "the bytes of the line; null for line_too_long",
            nullable=True,
        ),
    ),
    key=("log_id", "line"),
)


LEDGER = Table(
    "ledger",
    (
        *_LOG_COLUMNS[:2],
        _count("bytes", "uncompressed size of the log", "bytes"),
        _count("lines", "physical lines", "lines"),
        _count("blank", "lines that contain only white space", "lines"),
        _count("responses", "lines that became rows", "lines"),
        _count("duplicates", "lines that repeat an earlier response", "lines"),
        _count("outside", "lines whose response is outside since and until", "lines"),
        _count("errors", "lines in which a provider reports an error", "lines"),
        _count("rejected", "lines rejected for any other reason", "lines"),
        _count("choices", "rows of the choices table", "rows"),
        _count(
            "pending_bytes", "incomplete last line, to be read by a later run", "bytes"
        ),
        _count("prompt_tokens", "sum over the rows", "tokens"),
        _count("completion_tokens", "sum over the rows", "tokens"),
        _count("total_tokens", "sum over the rows", "tokens"),
        given("decoder", STRING, "kernel or reference"),
        given(
            "error",
            STRING,
            "why reading stopped before the end of the log",
            nullable=True,
        ),
        given(
            "hint",
            STRING,
            "what the log or its rejected lines look like, and what to do",
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
    parse_path(path, option="tags")
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
