"""Answers of version 2 of Cohere's chat.

`usage.tokens` is what the model read and wrote, `usage.billed_units` what is billed.
"""

from __future__ import annotations

from toolkit.schema.api import FUNCTION_CALLS, Api, has, lacks

_ANSWER = (
    has("finish_reason", type="string"),
    has("message.role", "assistant"),
    lacks("choices"),
)

COHERE = Api(
    name="cohere",
    title="Cohere v2 chat",
    # One choice of a chat completion has neither.
    tests=(
        (*_ANSWER, has("id", type="string")),
        (*_ANSWER, has("usage", type="object")),
    ),
    paths={
        "response_id": ("id",),
        "usage_problem": ("usage -> billed_units",),
        "finish_reason": ("finish_reason",),
        "role": ("message.role",),
        "content": ("message.content[type=text].text",),
        "reasoning_content": (
            "message.content[type=thinking].thinking",
            "message.tool_plan",
        ),
        "prompt_tokens": (
            "usage.tokens.input_tokens",
            "usage.billed_units.input_tokens",
        ),
        "completion_tokens": (
            "usage.tokens.output_tokens",
            "usage.billed_units.output_tokens",
        ),
        "cached_tokens": ("usage.cached_tokens",),
    },
    tool_calls=(FUNCTION_CALLS,),
    finish_reasons={
        "COMPLETE": "stop",
        "STOP_SEQUENCE": "stop",
        "MAX_TOKENS": "length",
        "TOOL_CALL": "tool_calls",
        "ERROR_TOXIC": "content_filter",
    },
)
