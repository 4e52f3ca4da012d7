"""The definition of each table: choices, rejects, ledger.

From these definitions follow the Arrow schema and its metadata, the polars dtypes, the
pandera models (`toolkit.schema.models`), the data dictionary in the docs, and what the
decoders read (`toolkit.reading.reference_decoder`). To add a column, add one entry
here. What must be true of several columns is in `toolkit.schema.rules`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import pyarrow as pa

from toolkit.errors import OptionError
from toolkit.schema.apis import APIS
from toolkit.schema.columns import (
    CALL_PIECES,
    INT32,
    INT64,
    STRING,
    Column,
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
# No line has more chunks, and no chunk longer facts, which are in memory while its
# stream is open (characters).
MOST_CHUNKS = 262_144
MOST_CHUNK_FACTS = 65_536
# `created` outside these is in a wrong unit (milliseconds instead of seconds).
EARLIEST_CREATED = datetime(1970, 1, 1, tzinfo=UTC)
LATEST_CREATED = datetime(2200, 1, 1, tzinfo=UTC)

_LOG = "number of the log: its place among the sources, or the export's number for it"
_LOG_COLUMNS = (
    given("log_id", INT32, _LOG, minimum=0),
    given("source", STRING, "path of the log as it was found"),
    given("line", INT64, "physical line number, from 1", minimum=1),
)

_API_NAMES = dict.fromkeys(api.name for api in APIS)
_CREATED_PATHS = ("(envelope).timestamp?", "(envelope).processed_time?")

_CHOICES_COLUMNS = (
    *_LOG_COLUMNS,
    Column(
        "choice_position",
        INT32,
        "C",
        "position",
        "place among the choices, from 0; never missing, unlike choice_index",
        nullable=False,
        minimum=0,
    ),
    choice("choice_index", "count", "the provider's number of the choice"),
    Column(
        "choice_count",
        INT32,
        "R",
        "choice_count",
        "number of choices; a response with 0 choices is one row",
        "choices",
        nullable=False,
        minimum=0,
    ),
    Column(
        "response_hash",
        INT64,
        "R",
        "hash",
        "xxh3-64 of the bytes of the response object as written, as a signed number; "
        "of a streamed response the sum of those of its chunks",
        nullable=False,
    ),
    given(
        "chunk_count",
        INT32,
        "chunks that a streamed response was put together from; null if it was logged "
        "whole",
        "chunks",
        nullable=True,
        minimum=0,
    ),
    response(
        "api",
        "the API whose form the response has: " + ", ".join(_API_NAMES),
        kind="api",
    ),
    response("response_id", "the provider's id; some providers repeat it"),
    Column(
        "created",
        pa.timestamp("us", tz="UTC"),
        "R",
        "timestamp",
        "when the response was created; null where missing or 0",
        "UTC",
        _CREATED_PATHS,
    ),
    response(
        "created_problem",
        "no_time_zone if `created` is null because the line's time has no time zone",
        *_CREATED_PATHS,
        kind="timestamp_problem",
        paths_of="created",
    ),
    response("model", "the model that answered"),
    response(
        "requested_model",
        "the model that was requested, where the line contains the request",
        "(envelope).request.body.model?",
        "(envelope).request.model?",
        "(envelope).model?",
        "(envelope).request_body.model?",
        "(at output.outputBodyJson).modelId?",
    ),
    response(
        "custom_id",
        "the caller's id in a batch",
        "(envelope).custom_id",
        "(at modelOutput).recordId?",
        "(at response).key?",
        kind="label",
    ),
    response(
        "provider",
        "the provider that a router chose",
        "(envelope).custom_llm_provider?",
    ),
    response("service_tier", "tier", kind="label"),
    response(
        "search_context_size",
        "size of the search context, on which the fee of a search depends",
    ),
    response("system_fingerprint", "backend version"),
    response(
        "processing",
        "batch for a line of a batch's output file, else null",
        "(at response.body).custom_id -> batch",
        "(at response.body).id = batch_req_* -> batch",
        "(at result.message).custom_id -> batch",
        "(at modelOutput).recordId -> batch",
        "(at response).processed_time -> batch",
        kind="marker",
    ),
    response(
        "served_by",
        "the provider whose own extensions the response has",
        "(at output.outputBodyJson).modelId -> aws",
        "(at modelOutput).recordId -> aws",
        kind="marker",
    ),
    response(
        "usage_problem",
        "why no cost can be computed from the usage: iterations (steps, perhaps of "
        "other models, that it leaves out), cut_off (a stream without an end, whose "
        "counts are lower bounds), fast_mode and inference_geo (other rates), "
        "server_tools (billed apart, without a count), billed_units (other counts are "
        "billed)",
        kind="marker",
    ),
    flag(
        "is_byok",
        "whether the caller's own key with the provider behind a router was used",
    ),
    flag(
        "cache_hit",
        "whether a proxy answered from its own cache",
        "(envelope).cache_hit",
    ),
    choice(
        "finish_reason",
        "finish_reason",
        "why the choice ended, in the words of chat completions",
    ),
    choice(
        "native_finish_reason",
        "label",
        "the same in the provider's own words",
        paths_of="finish_reason",
    ),
    choice("role", "string", "author of the message"),
    choice("content", "content", "text of the message"),
    choice("reasoning_content", "text", "text of the model's reasoning"),
    choice("refusal", "text", "text of a refusal"),
    choice("tool_calls", "tool_calls", "tools that the model calls"),
    choice(
        "content_chars",
        "characters",
        "length of content; present even when content is dropped",
        "code points",
        paths_of="content",
    ),
    choice("logprob_tokens", "items", "tokens with a logprob", "tokens"),
    choice(
        "logprob_sum",
        "logprob_sum",
        "sum of their logprobs",
        "nats",
        paths_of="logprob_tokens",
    ),
    usage("prompt_tokens", "prompt, with what was read from and written to a cache"),
    usage("completion_tokens", "completion, over all choices, with the reasoning"),
    usage(
        "total_tokens",
        "total as reported; of an API that reports none prompt + completion, null if "
        "either is unknown",
        adds=("prompt_tokens", "completion_tokens"),
    ),
    usage("cached_tokens", "prompt tokens read from a cache"),
    usage("cache_write_tokens", "prompt tokens written to a cache"),
    usage(
        "cache_write_1h_tokens",
        "of the tokens written to a cache, those kept for an hour",
    ),
    usage("reasoning_tokens", "tokens of the model's reasoning"),
    usage("prompt_audio_tokens", "audio in the prompt"),
    usage("completion_audio_tokens", "audio in the completion"),
    usage("prompt_image_tokens", "images in the prompt"),
    usage("completion_image_tokens", "images in the completion"),
    usage("accepted_prediction_tokens", "predicted tokens that were used"),
    usage("rejected_prediction_tokens", "predicted tokens that were not used"),
    usage("citation_tokens", "citations, billed beside the prompt"),
    usage("web_searches", "searches of the web", "searches"),
    usage(
        "search_sources",
        "sources found by a search, where they are billed one by one",
        "sources",
    ),
    dollars(
        "reported_cost",
        "cost as the provider reports it",
        # Proxies and loggers write 0 for models of which they know no price.
        "(envelope).response_cost? != 0",
        "(envelope).cost_usd? != 0",
        "(envelope).costUSD? != 0",
    ),
    dollars(
        "upstream_cost",
        "with the caller's own key: what the provider behind a router bills",
    ),
)

USAGE_COLUMNS = tuple(column.name for column in _CHOICES_COLUMNS if column.grain == "U")

CHOICES = Table("choices", _CHOICES_COLUMNS, key=("log_id", "line", "choice_position"))

REJECT_CODES = {
    "line_too_long": "longer than max_line_bytes",
    "invalid_utf8": "not UTF-8",
    "too_deep": "nested deeper than 512 levels",
    "invalid_json": "not JSON (RFC 8259)",
    "truncated": "the last line is incomplete",
    "stream_chunk": "a part of a streamed response that cannot be put together",
    "error_response": "the provider answered with an error",
    "not_a_response": "JSON, but no response of a known API",
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
        _count("chunks", "lines with a further part of a streamed response", "lines"),
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


def choices_table(
    tags: Mapping[str, str] | None = None, created_path: str | None = None
) -> Table:
    """Return the choices table, with a column ``tag_<name>`` for each tag.

    Parameters
    ----------
    tags
        Name of each tag, and the path of its value in the line.
    created_path
        Where a line has the time of a response that has none.

    Examples
    --------
    >>> choices_table({"team": "metadata.team"}).names[-1]
    'tag_team'
    """
    if not tags and created_path is None:
        return CHOICES
    columns = CHOICES.columns
    if created_path is not None:
        parse_path(created_path, option="created_path")
        path = f"(line).{created_path}?"
        columns = tuple(
            replace(column, paths=(path, *column.paths))
            if "created" in (column.name, column.paths_of)
            else column
            for column in columns
        )
    added = tuple(_tag(name, path) for name, path in (tags or {}).items())
    return replace(CHOICES, columns=columns + added)


@lru_cache(maxsize=16)
def chunks_table(choices: Table) -> Table:
    """Return the table of the chunks of streamed responses, one row per choice.

    It has the columns of the choices, with the pieces of tool calls, and some more. A
    sum of other columns is of the whole response only.
    """
    columns = tuple(
        replace(
            column,
            adds=(),
            type=CALL_PIECES if column.kind == "tool_calls" else column.type,
        )
        for column in choices.columns
    )
    return Table("chunks", (*columns, *_CHUNK_COLUMNS))


_CHUNK_COLUMNS = (
    given(
        "chunk_position",
        INT32,
        "place in a line with a whole stream; null if the chunk is a line",
        nullable=True,
    ),
    given("is_end", pa.bool_(), "whether the line is the end of a stream, [DONE]"),
    choice("reasoning_chars", "characters", "length", paths_of="reasoning_content"),
    choice("refusal_chars", "characters", "length", paths_of="refusal"),
)


def _tag(name: str, path: str) -> Column:
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise OptionError("tags", name, expected="names of letters, digits and _")
    parse_path(path, option="tags")
    return response(
        f"tag_{name}", "a tag of the caller", f"(line).{path}?", kind="label"
    )


def dictionary(table: Table = CHOICES) -> str:
    """Return the data dictionary of a table as Markdown."""
    rows = [
        "| column | type | grain | unit | description, and its paths in any API |",
        "|---|---|---|---|---|",
    ]
    for column in table.columns:
        paths = ", ".join(f"`{path}`" for path in column.paths)
        what = f"{column.description}; {paths}" if paths else column.description
        cells = (column.name, column.type, column.grain, column.unit, what)
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows) + "\n"
