"""Answers of Ollama's own API, /api/chat and /api/generate."""

from __future__ import annotations

from dataclasses import replace

from toolkit.schema.api import FUNCTION_CALLS, Api, has

_ANSWER = (
    has("done", type="boolean"),
    has("created_at", type="string"),
    has("model", type="string"),
)

OLLAMA = Api(
    name="ollama",
    title="Ollama",
    tests=(
        (*_ANSWER, has("message", type="object")),
        (*_ANSWER, has("response", type="string")),
    ),
    unless=((has("done", "false"),),),
    paths={
        "created": ("created_at",),
        "model": ("model",),
        "served_by": ("created_at -> ollama",),
        "finish_reason": ("done_reason",),
        "role": ("message.role",),
        "content": ("message.content", "response"),
        "reasoning_content": ("message.thinking", "thinking"),
        "prompt_tokens": ("prompt_eval_count",),
        "completion_tokens": ("eval_count",),
    },
    tool_calls=(FUNCTION_CALLS,),
)
OLLAMA_CHUNK = replace(
    OLLAMA,
    title="Chunks of Ollama",
    tests=tuple((*tests, has("done", "false")) for tests in OLLAMA.tests),
    unless=(),
    stream="lines",
    ends_whole=True,
)
