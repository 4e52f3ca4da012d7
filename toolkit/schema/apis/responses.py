"""Responses of OpenAI, also with the names that LiteLLM gives to their usage."""

from __future__ import annotations

from toolkit.schema.api import Api, ToolCalls, has, lacks

RESPONSES = Api(
    name="responses",
    title="OpenAI Responses",
    tests=((has("object", "response"), has("output", type="objects")),),
    chunks=((has("status", "queued", "in_progress"),),),
    errors=((has("status", "failed", "cancelled"), lacks("usage")),),
    paths={
        "response_id": ("id",),
        "created": ("created_at",),
        "model": ("model",),
        "service_tier": ("service_tier",),
        "usage_problem": (
            "output[type=web_search_call|file_search_call|code_interpreter_call"
            "|image_generation_call] -> server_tools",
        ),
        "is_byok": ("usage.is_byok",),
        "finish_reason": ("incomplete_details.reason", "status"),
        "content": ("output[type=message].content[type=output_text].text",),
        "reasoning_content": (
            "output[type=reasoning].content[type=reasoning_text].text",
            "output[type=reasoning].summary[type=summary_text].text",
        ),
        "refusal": ("output[type=message].content[type=refusal].refusal",),
        "prompt_tokens": ("usage.input_tokens", "usage.prompt_tokens"),
        "completion_tokens": ("usage.output_tokens", "usage.completion_tokens"),
        "total_tokens": ("usage.total_tokens",),
        "cached_tokens": (
            "usage.input_tokens_details.cached_tokens",
            "usage.prompt_tokens_details.cached_tokens",
        ),
        "cache_write_tokens": (
            "usage.input_tokens_details.cache_write_tokens",
            "usage.prompt_tokens_details.cache_write_tokens",
        ),
        "reasoning_tokens": (
            "usage.output_tokens_details.reasoning_tokens",
            "usage.completion_tokens_details.reasoning_tokens",
        ),
        "reported_cost": ("usage.cost", "usage.cost_in_usd_ticks? / 1e10 != 0"),
        "upstream_cost": ("usage.cost_details.upstream_inference_cost",),
    },
    tool_calls=(
        ToolCalls(
            "output[type=function_call|custom_tool_call]",
            id="call_id",
            arguments="arguments|input",
        ),
    ),
    finish_reasons={"completed": "stop", "max_output_tokens": "length"},
)
