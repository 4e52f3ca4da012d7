"""Chat completions of OpenAI, and what other providers add to them."""

from __future__ import annotations

import re
from dataclasses import replace

from toolkit.schema.api import Api, Test, ToolCalls, has, lacks

_CHUNK_NAMES = (
    "chat.completion.chunk",
    "chat.completion.done",
    "chat.reasoning",
    "chat.reasoning.done",
    "completion.chunk",
    "text_completion.chunk",
)
NOT_FINISHED = lacks("(choice).finish_reason", type="filled")
NO_MESSAGE = lacks("(choice).message")
_NO_NAME = lacks("object", type="filled")
_NO_COUNTS = (lacks("usage.prompt_tokens"), lacks("usage.total_tokens"))

_NOT_CHAT = (
    # Text completions.
    (NO_MESSAGE, has("(choice).text"), lacks("(choice).delta")),
    (NO_MESSAGE, has("object", "text_completion")),
    # Runs of LangSmith, and DashScope's own API: the usage is elsewhere.
    (*_NO_COUNTS, has("usage_metadata")),
    (*_NO_COUNTS, has("(at output).usage")),
)
CHUNK_TESTS = (
    (has("(choice).delta"), has("object", "chat.completion"), NOT_FINISHED),
    (has("(choice).delta", type="object"), has("object", *_CHUNK_NAMES)),
    (NO_MESSAGE, has("object", *_CHUNK_NAMES)),
    (NO_MESSAGE, has("(choice).delta"), _NO_NAME),
    (NO_MESSAGE, has("choices", type="empty"), _NO_NAME),
)

CHAT = Api(
    name="chat",
    title="Chat completions",
    tests=((has("choices", type="list"),),),
    unless=(*_NOT_CHAT, *CHUNK_TESTS),
    choices="choices",
    paths={
        "choice_index": ("index",),
        "response_id": ("id",),
        "created": ("created",),
        "model": ("model",),
        "provider": ("provider",),
        "service_tier": ("service_tier", "usage.service_tier"),
        "search_context_size": ("usage.search_context_size",),
        "system_fingerprint": ("system_fingerprint",),
        "served_by": (
            "x_groq -> groq",
            "usage.prompt_cache_hit_tokens -> deepseek",
            "time_info -> cerebras",
            "system_fingerprint = fp_ollama* -> ollama",
        ),
        "is_byok": ("usage.is_byok",),
        "finish_reason": ("finish_reason",),
        "native_finish_reason": ("native_finish_reason",),
        "role": ("message.role",),
        "content": ("message.content",),
        "reasoning_content": (
            "message.reasoning_content",
            "message.reasoning",
            # Of Mistral: a text, or parts with a text each.
            "message.content[type=thinking].thinking[type=text].text|thinking?",
        ),
        "refusal": ("message.refusal",),
        "logprob_tokens": ("logprobs.content",),
        "prompt_tokens": ("usage.prompt_tokens",),
        "completion_tokens": ("usage.completion_tokens",),
        "total_tokens": ("usage.total_tokens",),
        "cached_tokens": (
            "usage.prompt_tokens_details.cached_tokens",
            "usage.prompt_cache_hit_tokens",
            "usage.cached_tokens",
            "usage.num_cached_tokens",
            "usage.cache_read_input_tokens",
            "usage.prompt_token_details.cached_tokens?",
        ),
        "cache_write_tokens": (
            "usage.prompt_tokens_details.cache_write_tokens",
            "usage.cache_creation_input_tokens",
            "usage.prompt_tokens_details.cache_creation_tokens?",
        ),
        "cache_write_1h_tokens": ("usage.cache_creation.ephemeral_1h_input_tokens",),
        "reasoning_tokens": (
            "usage.completion_tokens_details.reasoning_tokens",
            "usage.reasoning_tokens",
            "usage.completion_token_details.reasoning_tokens?",
        ),
        "prompt_audio_tokens": ("usage.prompt_tokens_details.audio_tokens",),
        "completion_audio_tokens": ("usage.completion_tokens_details.audio_tokens",),
        "prompt_image_tokens": ("usage.prompt_tokens_details.image_tokens",),
        "completion_image_tokens": ("usage.completion_tokens_details.image_tokens",),
        "accepted_prediction_tokens": (
            "usage.completion_tokens_details.accepted_prediction_tokens",
        ),
        "rejected_prediction_tokens": (
            "usage.completion_tokens_details.rejected_prediction_tokens",
        ),
        "citation_tokens": ("usage.citation_tokens",),
        "web_searches": (
            "usage.server_tool_use.web_search_requests",
            "usage.server_tool_use_details.web_search_requests",
            "usage.num_search_queries",
        ),
        "search_sources": ("usage.num_sources_used",),
        "reported_cost": (
            "usage.cost",
            "usage.cost.total_cost?",
            "usage.cost_in_usd_ticks? / 1e10 != 0",
            "usage.pydantic_ai_gateway.cost_estimate?",
            "cost.usd?",
        ),
        "upstream_cost": ("usage.cost_details.upstream_inference_cost",),
    },
    tool_calls=(
        ToolCalls(
            "message.tool_calls[]",
            name="function.name|custom.name",
            arguments="function.arguments|custom.input",
        ),
        ToolCalls("message.function_call"),
    ),
)


def paths_of_chunks(api: Api, usage: str = "usage") -> dict[str, tuple[str, ...]]:
    """Return the paths of an API's chunks.

    They have a ``delta`` for the message, and perhaps the usage elsewhere.
    """
    renamed = {"message": "delta", "usage": usage}
    return {
        name: tuple(
            re.sub(r"^(message|usage)(?=\.)", lambda it: renamed[it[0]], path)
            for path in paths
        )
        for name, paths in api.paths.items()
    }


def _has_usage_at(path: str) -> tuple[Test, ...]:
    return (has(path, type="object"), *_NO_COUNTS)


# Where Groq and Moonshot have the usage of a chunk.
_GROQ, _MOONSHOT = _has_usage_at("x_groq.usage"), _has_usage_at("(choice).usage")

CHAT_CHUNK = replace(
    CHAT,
    title="Chunks of chat completions",
    tests=CHUNK_TESTS,
    unless=(*_NOT_CHAT, _GROQ, _MOONSHOT),
    paths=paths_of_chunks(CHAT),
    tool_calls=tuple(
        replace(calls, items=calls.items.replace("message.", "delta."))
        for calls in CHAT.tool_calls
    ),
    stream="lines",
)
# In a line with a whole stream, an object with a delta is a chunk whatever its name.
CHAT_DELTA = replace(
    CHAT_CHUNK, tests=((has("(choice).delta"),),), unless=(), stream="carriers"
)


def _chunk_with(elsewhere: tuple[Test, ...], usage: str, title: str) -> Api:
    """Return the chunks that have their usage elsewhere."""
    return replace(
        CHAT_CHUNK,
        title=title,
        tests=tuple((*tests, *elsewhere) for tests in CHUNK_TESTS),
        unless=_NOT_CHAT,
        paths=paths_of_chunks(CHAT, usage),
    )


GROQ_CHUNK = _chunk_with(_GROQ, "x_groq.usage", "Chunks of Groq")
MOONSHOT_CHUNK = _chunk_with(_MOONSHOT, "choices[].usage", "Chunks of Moonshot")
