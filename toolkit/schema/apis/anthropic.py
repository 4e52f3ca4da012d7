"""Messages of Anthropic, also as Bedrock and Vertex serve them.

`usage.input_tokens` counts only what came after the last cache point; what was read
from and written to the cache is beside it.
"""

from __future__ import annotations

from dataclasses import replace

from toolkit.schema.api import Api, ToolCalls, has, lacks

_MESSAGE = (
    has("type", "message"),
    has("role", "assistant"),
    has("content", type="objects"),
)

ANTHROPIC = Api(
    name="anthropic",
    title="Anthropic Messages",
    tests=(
        (*_MESSAGE, has("stop_reason", type="string")),
        (*_MESSAGE, has("usage", type="object")),
    ),
    chunks=((lacks("stop_reason"),),),
    paths={
        "response_id": ("id",),
        "model": ("model",),
        "service_tier": ("usage.service_tier",),
        "served_by": ("id = msg_bdrk_* -> aws", "id = msg_vrtx_* -> google"),
        "usage_problem": (
            "usage.iterations[type=compaction|advisor_message|fallback_message]"
            " -> iterations",
            "usage.speed = fast* -> fast_mode",
            "usage.inference_geo = us* -> inference_geo",
            "usage.server_tool_use -> null",
            "content[type=server_tool_use] -> server_tools",
        ),
        "finish_reason": ("stop_reason",),
        "role": ("role",),
        "content": ("content[type=text].text",),
        "reasoning_content": ("content[type=thinking].thinking",),
        "refusal": ("stop_details.explanation",),
        "prompt_tokens": (
            "usage.input_tokens + usage.cache_read_input_tokens"
            " + usage.cache_creation_input_tokens",
        ),
        "completion_tokens": ("usage.output_tokens",),
        "cached_tokens": ("usage.cache_read_input_tokens",),
        "cache_write_tokens": ("usage.cache_creation_input_tokens",),
        "cache_write_1h_tokens": ("usage.cache_creation.ephemeral_1h_input_tokens",),
        "reasoning_tokens": ("usage.output_tokens_details.thinking_tokens",),
        "web_searches": ("usage.server_tool_use.web_search_requests",),
    },
    tool_calls=(ToolCalls("content[type=tool_use]", arguments="input"),),
    finish_reasons={
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "refusal": "content_filter",
    },
)


def _paths_in_event(path: str) -> tuple[str, ...]:
    """Return a path in ``message_start``; of the usage in ``message_delta`` too."""
    if path.startswith("usage."):
        return (path.replace("usage.", "message.usage."), path)
    return (f"message.{path}",)


# `message_start` has the counts of the prompt, `message_delta` the last ones of the
# completion.
ANTHROPIC_EVENT = replace(
    ANTHROPIC,
    title="Events of Anthropic Messages",
    tests=(
        (
            has(
                "type",
                *("message_start", "message_delta"),
                *("content_block_start", "content_block_delta"),
            ),
        ),
    ),
    chunks=(),
    paths={
        name: tuple(found for path in paths for found in _paths_in_event(path))
        for name, paths in ANTHROPIC.paths.items()
    }
    | {
        "usage_problem": (
            *(
                found
                for path in ANTHROPIC.paths["usage_problem"][:-1]
                for found in _paths_in_event(path)
            ),
            "content_block.type = server_tool_use* -> server_tools",
        ),
        "finish_reason": ("delta.stop_reason",),
        "content": ("delta.text",),
        "reasoning_content": ("delta.thinking",),
        "refusal": ("delta.stop_details.explanation",),
    },
    tool_calls=(
        ToolCalls("content_block", arguments="partial_json"),
        ToolCalls("delta", arguments="partial_json"),
    ),
    stream="carriers",
)
