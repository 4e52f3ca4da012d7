"""Answers of Gemini's generateContent, in camelCase, or in snake_case from its SDK.

`candidatesTokenCount` leaves out the thinking, and `promptTokenCount` the results of
tools. A count of 0 is left out where there is a total.
"""

from __future__ import annotations

from dataclasses import replace

from toolkit.schema.api import Api, ToolCalls, has, in_snake_case, lacks

_CONTENT = has("(choice).content", type="object")
_BLOCKED = (has("promptFeedback.blockReason", type="filled"),)
_TOTAL = "usageMetadata.totalTokenCount"
_PROMPT = "usageMetadata.promptTokensDetails"
_ANSWER = "usageMetadata.candidatesTokensDetails"
# Texts, or the numbers of the same enumeration; the APIs number the rest differently.
_FILTERED = (
    "SAFETY",
    "3",
    "RECITATION",
    "4",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MODEL_ARMOR",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
)

_NOT_ENDED = (_CONTENT, lacks("(choice).finishReason"))
# Protocol buffers that are written with default values.
_UNSPECIFIED = has("(choice).finishReason", "FINISH_REASON_UNSPECIFIED", "0")
_CHUNK_TESTS = (_NOT_ENDED, (_CONTENT, _UNSPECIFIED))

GEMINI = Api(
    name="gemini",
    title="Gemini",
    tests=((_CONTENT,), (has("(choice).finishReason"),), _BLOCKED),
    unless=_CHUNK_TESTS,
    choices="candidates",
    paths={
        "choice_index": ("index",),
        "response_id": ("responseId",),
        "created": ("createTime",),
        "model": ("modelVersion",),
        "processing": ("(at response).key -> batch",),
        "service_tier": ("usageMetadata.serviceTier", "usageMetadata.trafficType"),
        "usage_problem": (
            "candidates[].groundingMetadata.webSearchQueries -> server_tools",
        ),
        "finish_reason": ("finishReason",),
        "role": ("content.role",),
        "content": ("content.parts[!thought].text",),
        "reasoning_content": ("content.parts[thought].text",),
        "prompt_tokens": (
            "usageMetadata.promptTokenCount"
            f" + usageMetadata.toolUsePromptTokenCount or 0 beside {_TOTAL}",
        ),
        "completion_tokens": (
            "usageMetadata.candidatesTokenCount"
            f" + usageMetadata.thoughtsTokenCount or 0 beside {_TOTAL}",
        ),
        "total_tokens": (_TOTAL,),
        "cached_tokens": ("usageMetadata.cachedContentTokenCount",),
        "reasoning_tokens": ("usageMetadata.thoughtsTokenCount",),
        "prompt_audio_tokens": (f"{_PROMPT}[modality=AUDIO|4].tokenCount",),
        "completion_audio_tokens": (f"{_ANSWER}[modality=AUDIO|4].tokenCount",),
        "prompt_image_tokens": (f"{_PROMPT}[modality=IMAGE|2].tokenCount",),
        "completion_image_tokens": (f"{_ANSWER}[modality=IMAGE|2].tokenCount",),
    },
    tool_calls=(
        ToolCalls(
            "content.parts[functionCall]",
            id="functionCall.id",
            name="functionCall.name",
            arguments="functionCall.args",
        ),
    ),
    finish_reasons={
        "STOP": "stop",
        "1": "stop",
        "MAX_TOKENS": "length",
        "2": "length",
        **dict.fromkeys(_FILTERED, "content_filter"),
    },
)

# As `model_dump_json()` of Google's SDK for Python writes it, with nulls.
GEMINI_SDK = replace(
    in_snake_case(GEMINI),
    tests=(
        (has("(choice).finish_reason"),),
        (_CONTENT, has("usage_metadata", type="object")),
        in_snake_case(_BLOCKED),
    ),
)

GEMINI_CHUNK = replace(
    GEMINI,
    title="Chunks of Gemini",
    tests=_CHUNK_TESTS,
    unless=GEMINI_SDK.tests,
    stream="lines",
    ends_whole=True,
)
GEMINI_SDK_CHUNK = replace(
    in_snake_case(GEMINI_CHUNK),
    tests=(
        (*in_snake_case(_NOT_ENDED), has("usage_metadata", type="object")),
        (_CONTENT, in_snake_case(_UNSPECIFIED)),
    ),
    unless=(),
)
