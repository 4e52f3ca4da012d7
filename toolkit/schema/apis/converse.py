"""Answers of Bedrock's Converse, and of Nova through InvokeModel.

`usage.inputTokens` leaves out what was read from and written to a cache. The response
has no id, model or time: the log around it may.
"""

from __future__ import annotations

from toolkit.schema.api import Api, ToolCalls, has
from toolkit.schema.apis.anthropic import ANTHROPIC

_CONTENT = "output.message.content"
_CACHED = ("usage.cacheReadInputTokens", "usage.cacheReadInputTokenCount")
_WRITTEN = ("usage.cacheWriteInputTokens", "usage.cacheWriteInputTokenCount")

CONVERSE = Api(
    name="converse",
    title="Bedrock Converse",
    tests=((has("stopReason", type="string"), has(_CONTENT, type="objects")),),
    paths={
        "service_tier": ("serviceTier.type",),
        "finish_reason": ("stopReason",),
        "role": ("output.message.role",),
        "content": (f"{_CONTENT}[].text|citationsContent.content[].text",),
        "reasoning_content": (f"{_CONTENT}[].reasoningContent.reasoningText.text",),
        "prompt_tokens": (
            f"usage.inputTokens + {'|'.join(_CACHED)} + {'|'.join(_WRITTEN)}",
        ),
        "completion_tokens": ("usage.outputTokens",),
        "total_tokens": ("usage.totalTokens",),
        "cached_tokens": _CACHED,
        "cache_write_tokens": _WRITTEN,
        "cache_write_1h_tokens": ("usage.cacheDetails[ttl=1h].inputTokens",),
    },
    tool_calls=(
        ToolCalls(
            f"{_CONTENT}[toolUse]",
            id="toolUse.toolUseId",
            type="toolUse.type",
            name="toolUse.name",
            arguments="toolUse.input",
        ),
    ),
    finish_reasons={
        **ANTHROPIC.finish_reasons,
        "guardrail_intervened": "content_filter",
        "content_filtered": "content_filter",
    },
)
