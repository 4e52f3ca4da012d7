"""Made-up responses of each API, and what their columns are, worked by hand.

`CASES` has them by the name of the API, `BODIES` the bodies alone.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

Cells = dict[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)  # 1767225600 in Unix time


class Case(NamedTuple):
    """A body, and its cells; a column that is in neither is null."""

    title: str
    body: dict[str, Any]
    facts: Cells  # of the response; the usage is on the first row only
    choices: list[Cells]


def call(id_: str | None, type_: str | None, name: str, arguments: str) -> Cells:
    """Return a call of a tool as the column has it."""
    return {"id": id_, "type": type_, "name": name, "arguments": arguments}


def ended(native: str, word: str = "", **cells: object) -> Cells:
    """Return the cells of a choice that an API and chat completions end by a word."""
    return {"finish_reason": word or native, "native_finish_reason": native, **cells}


# --- Chat and text completions --------------------------------------------------------


def _chat(
    choices: list[Any], usage: object, object_: str = "chat.completion", **more: Any
) -> Cells:
    head = {"id": "cmpl-1", "object": object_, "created": 1767225600, "model": "gpt-t"}
    return {**head, "choices": choices, "usage": usage, **more}


def _usage(prompt: int, completion: int, **more: object) -> Cells:
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {**counts, "total_tokens": prompt + completion, **more}


_HEAD = {"response_id": "cmpl-1", "created": NEW_YEAR, "model": "gpt-t"}
_WEATHER = '{"city": "Oslo"}'

CHAT = [
    Case(
        "plain",
        _chat(
            [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Blue, mostly."},
                    "logprobs": {"content": [{"logprob": -0.5}, {"logprob": -0.25}]},
                    "finish_reason": "stop",
                }
            ],
            _usage(12, 3),
            system_fingerprint="fp_t",
            service_tier="flex",
        ),
        {
            **_HEAD,
            **_usage(12, 3),
            "system_fingerprint": "fp_t",
            "service_tier": "flex",
        },
        [
            {
                "choice_index": 0,
                "finish_reason": "stop",
                "role": "assistant",
                "content": "Blue, mostly.",
                "logprob_tokens": 2,
                "logprob_sum": -0.75,
            }
        ],
    ),
    Case(
        "tool calls, reasoning, cached",
        _chat(
            [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": None,
                        "reasoning_content": "Ask the tool.",
                        "tool_calls": [
                            {
                                "id": "call_1",
                                "type": "function",
                                "function": {"name": "weather", "arguments": _WEATHER},
                            }
                        ],
                    },
                    "finish_reason": "tool_calls",
                }
            ],
            _usage(
                90,
                25,
                prompt_tokens_details={"cached_tokens": 64},
                completion_tokens_details={"reasoning_tokens": 17},
            ),
        ),
        {**_HEAD, **_usage(90, 25), "cached_tokens": 64, "reasoning_tokens": 17},
        [
            {
                "choice_index": 0,
                "finish_reason": "tool_calls",
                "role": "assistant",
                "reasoning_content": "Ask the tool.",
                "tool_calls": [call("call_1", "function", "weather", _WEATHER)],
            }
        ],
    ),
    Case(
        "refusal and truncated, two choices",
        _chat(
            [
                {
                    "index": 1,
                    "message": {"role": "assistant", "refusal": "I cannot do that."},
                    "finish_reason": "stop",
                },
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "Once upon"},
                    "finish_reason": "length",
                },
            ],
            _usage(8, 9),
        ),
        {**_HEAD, **_usage(8, 9)},
        [
            {
                "choice_index": 1,
                "finish_reason": "stop",
                "role": "assistant",
                "refusal": "I cannot do that.",
            },
            {
                "choice_index": 0,
                "finish_reason": "length",
                "role": "assistant",
                "content": "Once upon",
            },
        ],
    ),
    Case("empty", _chat([], _usage(4, 0)), {**_HEAD, **_usage(4, 0)}, []),
]

TEXT = [
    Case(
        "plain",
        _chat(
            [{"index": 0, "text": " was late.", "finish_reason": "stop"}],
            _usage(6, 4),
            "text_completion",
        ),
        {**_HEAD, **_usage(6, 4)},
        [{"choice_index": 0, "finish_reason": "stop", "content": " was late."}],
    ),
    Case(
        "two choices, one empty, without a name of the object",
        _chat(
            [
                {"index": 0, "text": "", "finish_reason": "stop"},
                {"index": 1, "text": "é", "logprobs": None, "finish_reason": "length"},
            ],
            _usage(7, 2, prompt_tokens_details={"cached_tokens": 5}),
            "",
        ),
        {**_HEAD, **_usage(7, 2), "cached_tokens": 5},
        [
            {"choice_index": 0, "finish_reason": "stop", "content": ""},
            {"choice_index": 1, "finish_reason": "length", "content": "é"},
        ],
    ),
    Case(
        "empty",
        _chat([], _usage(6, 0), "text_completion"),
        {**_HEAD, **_usage(6, 0)},
        [],
    ),
]

# --- Responses ------------------------------------------------------------------------


def _answer(output: list[Any], usage: object, **more: Any) -> Cells:
    head = {"id": "resp_1", "object": "response", "created_at": 1767225600.25}
    middle = {"status": "completed", "model": "gpt-t", "output": output}
    return {**head, **middle, "usage": usage, **more}


def _said(*parts: Cells) -> Cells:
    return {"type": "message", "role": "assistant", "content": list(parts)}


_HELLO = {"type": "output_text", "text": "Hello.", "annotations": []}
_ANSWERED = {
    "response_id": "resp_1",
    "created": NEW_YEAR + timedelta(microseconds=250_000),
    "model": "gpt-t",
}
_COMPLETED = ended("completed", "stop")
_10_AND_5 = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}

RESPONSES = [
    Case(
        "plain",
        _answer([_said(_HELLO)], _10_AND_5, service_tier="priority"),
        {**_ANSWERED, **_usage(10, 5), "service_tier": "priority"},
        [{**_COMPLETED, "content": "Hello."}],
    ),
    Case(
        "tool calls, reasoning, cached: input includes cached, output the reasoning",
        _answer(
            [
                {
                    "type": "reasoning",
                    "summary": [
                        {"type": "summary_text", "text": "First this. "},
                        {"type": "summary_text", "text": "Then that."},
                    ],
                },
                {
                    "type": "function_call",
                    "id": "fc_1",
                    "call_id": "call_1",
                    "name": "weather",
                    "arguments": _WEATHER,
                },
                {
                    "type": "custom_tool_call",
                    "call_id": "call_2",
                    "name": "shell",
                    "input": "ls",
                },
                {"type": "mcp_call", "id": "mcp_1", "name": "lookup", "arguments": ""},
            ],
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 8},
                "output_tokens": 30,
                "output_tokens_details": {"reasoning_tokens": 20},
                "total_tokens": 130,
            },
        ),
        {
            **_ANSWERED,
            **_usage(100, 30),
            "cached_tokens": 64,
            "cache_write_tokens": 8,
            "reasoning_tokens": 20,
        },
        [
            {
                **_COMPLETED,
                "reasoning_content": "First this. Then that.",
                "tool_calls": [
                    call("call_1", "function_call", "weather", _WEATHER),
                    call("call_2", "custom_tool_call", "shell", "ls"),
                ],
            }
        ],
    ),
    Case(
        "usage as LiteLLM respells it",
        _answer(
            [_said(_HELLO)],
            {
                **_usage(50, 40),
                "prompt_tokens_details": {"cached_tokens": 32},
                "completion_tokens_details": {"reasoning_tokens": 21},
            },
        ),
        {**_ANSWERED, **_usage(50, 40), "cached_tokens": 32, "reasoning_tokens": 21},
        [{**_COMPLETED, "content": "Hello."}],
    ),
    Case(
        "truncated, with text of the reasoning",
        _answer(
            [
                {
                    "type": "reasoning",
                    "content": [{"type": "reasoning_text", "text": "Long thoughts"}],
                    "summary": [{"type": "summary_text", "text": "not read"}],
                }
            ],
            _10_AND_5,
            status="incomplete",
            incomplete_details={"reason": "max_output_tokens"},
        ),
        {**_ANSWERED, **_usage(10, 5)},
        [
            {
                **ended("max_output_tokens", "length"),
                "reasoning_content": "Long thoughts",
            }
        ],
    ),
    Case(
        "refusal",
        _answer([_said({"type": "refusal", "refusal": "No."})], _10_AND_5),
        {**_ANSWERED, **_usage(10, 5)},
        [{**_COMPLETED, "refusal": "No."}],
    ),
    Case(
        "a server's tool; texts are joined over the items",
        _answer(
            [
                {"type": "web_search_call", "id": "ws_1", "status": "completed"},
                _said({"type": "output_text", "text": "One, "}, _HELLO),
                _said({"type": "output_text", "text": " Bye."}),
            ],
            {**_10_AND_5, "cost": 0.25},
        ),
        {
            **_ANSWERED,
            **_usage(10, 5),
            "usage_problem": "server_tools",
            "reported_cost": 0.25,
        },
        [{**_COMPLETED, "content": "One, Hello. Bye."}],
    ),
    Case(
        "failed, but with usage",
        _answer([], _10_AND_5, status="failed", error={"code": "server_error"}),
        {**_ANSWERED, **_usage(10, 5)},
        [ended("failed")],
    ),
    Case("empty", _answer([], None), _ANSWERED, [_COMPLETED]),
]

# --- Anthropic ------------------------------------------------------------------------


def _message(content: list[Any], stop: str | None, usage: object, **more: Any) -> Cells:
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-t"}
    return {
        **head,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
        **more,
    }


_PART = {"type": "text", "text": "Hello."}
_MESSAGE = {"response_id": "msg_1", "model": "claude-t"}
_BESIDE = {"cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}
_NONE_CACHED = {"cached_tokens": 0, "cache_write_tokens": 0}
_MADE = {"input_tokens": 10, "output_tokens": 5}
_END = ended("end_turn", "stop", role="assistant")

ANTHROPIC = [
    Case(
        "plain",
        _message([_PART], "end_turn", {**_MADE, **_BESIDE, "service_tier": "standard"}),
        # 10 + 0 + 0 = 10; 10 + 5 = 15
        {**_MESSAGE, **_usage(10, 5), **_NONE_CACHED, "service_tier": "standard"},
        [{**_END, "content": "Hello."}],
    ),
    Case(
        "tool calls, reasoning, cached",
        _message(
            [
                {"type": "thinking", "thinking": "Ask the tool.", "signature": "s"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "text", "text": "One moment."},
                {
                    "type": "tool_use",
                    "id": "toolu_1",
                    "name": "weather",
                    "input": {"city": "Oslo"},
                },
            ],
            "tool_use",
            {
                "input_tokens": 4,
                "cache_read_input_tokens": 1000,
                "cache_creation_input_tokens": 200,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 50,
                    "ephemeral_1h_input_tokens": 150,
                },
                "output_tokens": 60,
                "output_tokens_details": {"thinking_tokens": 41},
            },
        ),
        {
            **_MESSAGE,
            **_usage(1204, 60),  # 4 + 1000 + 200 = 1204; 1204 + 60 = 1264
            "cached_tokens": 1000,
            "cache_write_tokens": 200,
            "cache_write_1h_tokens": 150,
            "reasoning_tokens": 41,
        },
        [
            {
                **ended("tool_use", "tool_calls", role="assistant"),
                "content": "One moment.",
                "reasoning_content": "Ask the tool.",
                "tool_calls": [call("toolu_1", "tool_use", "weather", _WEATHER)],
            }
        ],
    ),
    Case(
        "a server's tool with a count, on Bedrock",
        _message(
            [
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search"},
                {"type": "web_search_tool_result", "content": []},
                _PART,
            ],
            "end_turn",
            {**_MADE, "server_tool_use": {"web_search_requests": 2}},
            id="msg_bdrk_1",
        ),
        {
            **_MESSAGE,
            **_usage(10, 5),
            "response_id": "msg_bdrk_1",
            "served_by": "aws",
            "web_searches": 2,
        },
        [{**_END, "content": "Hello."}],
    ),
    Case(
        "a server's tool without a count, on Vertex",
        _message(
            [{"type": "server_tool_use", "id": "srvtoolu_1", "name": "search"}, _PART],
            "pause_turn",
            {**_MADE, "server_tool_use": None},
            id="msg_vrtx_1",
        ),
        {
            **_MESSAGE,
            **_usage(10, 5),
            "response_id": "msg_vrtx_1",
            "served_by": "google",
            "usage_problem": "server_tools",
        },
        [{**ended("pause_turn", role="assistant"), "content": "Hello."}],
    ),
    Case(
        "iterations that the counts leave out, by a fast model",
        _message(
            [{"type": "compaction", "content": "c"}, _PART],
            "end_turn",
            {
                **_MADE,
                "speed": "fast",
                "iterations": [
                    {"type": "compaction", "input_tokens": 700, "output_tokens": 70},
                    {"type": "message", **_MADE},
                ],
            },
        ),
        {**_MESSAGE, **_usage(10, 5), "usage_problem": "iterations"},
        [{**_END, "content": "Hello."}],
    ),
    Case(
        "truncated",
        _message([{"type": "text", "text": "Once"}], "max_tokens", _MADE),
        {**_MESSAGE, **_usage(10, 5)},
        [{**ended("max_tokens", "length", role="assistant"), "content": "Once"}],
    ),
    Case(
        "refusal",
        _message([], "refusal", _MADE, stop_details={"explanation": "Not this."}),
        {**_MESSAGE, **_usage(10, 5)},
        [ended("refusal", "content_filter", role="assistant", refusal="Not this.")],
    ),
    Case("empty", _message([], "end_turn", None), _MESSAGE, [_END]),
]

# --- Gemini ---------------------------------------------------------------------------


def _generated(candidates: list[Any], usage: Cells, **more: Any) -> Cells:
    head = {"responseId": "g-1", "modelVersion": "gemini-t"}
    return {"candidates": candidates, "usageMetadata": usage, **head, **more}


def _candidate(*parts: Cells, end: object = "STOP", **more: object) -> Cells:
    return {
        "content": {"role": "model", "parts": list(parts)},
        "finishReason": end,
        **more,
    }


_GENERATED = {"response_id": "g-1", "model": "gemini-t"}
_STOP = ended("STOP", "stop", role="model")

GEMINI = [
    Case(
        "plain, with a time as Vertex has it",
        _generated(
            [_candidate({"text": "Hel"}, {"text": "lo."}, index=0)],
            {
                "promptTokenCount": 10,
                "candidatesTokenCount": 5,
                "totalTokenCount": 15,
                "trafficType": "ON_DEMAND",
            },
            createTime="2026-01-01T00:00:00.250000Z",
        ),
        {
            **_GENERATED,
            **_usage(10, 5),
            "created": NEW_YEAR + timedelta(microseconds=250_000),
            "service_tier": "ON_DEMAND",
        },
        [{**_STOP, "choice_index": 0, "content": "Hello."}],
    ),
    Case(
        "tool calls, reasoning, cached; thoughts and results of tools are beside",
        _generated(
            [
                _candidate(
                    {"text": "Ask the tool.", "thought": True},
                    {"text": "One moment.", "thought": False},
                    {"functionCall": {"name": "weather", "args": {"city": "Oslo"}}},
                    {"toolCall": {"id": "t", "toolType": "GOOGLE_SEARCH_WEB"}},
                )
            ],
            {
                "promptTokenCount": 100,
                "toolUsePromptTokenCount": 30,
                "cachedContentTokenCount": 64,
                "candidatesTokenCount": 12,
                "thoughtsTokenCount": 200,
                "totalTokenCount": 342,
            },
        ),
        {
            **_GENERATED,
            # 100 + 30 = 130; 12 + 200 = 212; 130 + 212 = 342
            **_usage(130, 212),
            "cached_tokens": 64,
            "reasoning_tokens": 200,
        },
        [
            {
                **_STOP,
                "content": "One moment.",
                "reasoning_content": "Ask the tool.",
                "tool_calls": [call(None, None, "weather", _WEATHER)],
            }
        ],
    ),
    Case(
        "truncated while thinking: a count of 0 is left out",
        _generated(
            [_candidate(end="MAX_TOKENS")],
            {"promptTokenCount": 7, "thoughtsTokenCount": 93, "totalTokenCount": 100},
        ),
        {**_GENERATED, **_usage(7, 93), "reasoning_tokens": 93},  # 0 + 93
        [ended("MAX_TOKENS", "length", role="model")],
    ),
    Case(
        "several candidates, one refused, one ended by a number",
        _generated(
            [
                _candidate({"text": "One."}),
                {"finishReason": "SAFETY", "index": 1},
                _candidate({"text": "Three."}, end=1, index=2),
            ],
            {"promptTokenCount": 4, "candidatesTokenCount": 6, "totalTokenCount": 10},
        ),
        {**_GENERATED, **_usage(4, 6)},
        [
            {**_STOP, "content": "One."},
            ended("SAFETY", "content_filter", choice_index=1),
            {
                **ended("1", "stop", role="model"),
                "choice_index": 2,
                "content": "Three.",
            },
        ],
    ),
    Case(
        "a blocked prompt is one row without a choice",
        {
            "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
            "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
            "modelVersion": "gemini-t",
        },
        {"model": "gemini-t", **_usage(9, 0)},  # beside the total a count is 0
        [],
    ),
    Case(
        "audio and images, and a search of the web",
        _generated(
            [
                _candidate(
                    {"inlineData": {"mimeType": "audio/pcm", "data": "AA"}},
                    groundingMetadata={"webSearchQueries": ["weather in oslo"]},
                )
            ],
            {
                "promptTokenCount": 70,
                "candidatesTokenCount": 50,
                "totalTokenCount": 120,
                "promptTokensDetails": [
                    {"modality": "TEXT", "tokenCount": 20},
                    {"modality": "AUDIO", "tokenCount": 35},
                    {"modality": "IMAGE", "tokenCount": 15},
                ],
                "candidatesTokensDetails": [
                    {"modality": "AUDIO", "tokenCount": 48},
                    {"modality": "IMAGE", "tokenCount": 2},
                ],
            },
        ),
        {
            **_GENERATED,
            **_usage(70, 50),
            "prompt_audio_tokens": 35,
            "prompt_image_tokens": 15,
            "completion_audio_tokens": 48,
            "completion_image_tokens": 2,
            "usage_problem": "server_tools",
        },
        [_STOP],
    ),
    Case(
        "without usage nothing is known",
        {"candidates": [_candidate({"text": ""})]},
        {},
        [{**_STOP, "content": ""}],
    ),
    Case(
        "as the SDK for Python writes it, with nulls",
        {
            "sdk_http_response": {"headers": {}},
            "candidates": [
                {
                    "content": {
                        "parts": [
                            {"text": "Why?", "thought": True, "function_call": None},
                            {"text": "Hello.", "thought": None, "function_call": None},
                            {
                                "text": None,
                                "thought": None,
                                "function_call": {
                                    "id": "f-1",
                                    "name": "weather",
                                    "args": {"city": "Oslo"},
                                },
                            },
                        ],
                        "role": "model",
                    },
                    "finish_reason": "STOP",
                    "index": None,
                }
            ],
            "create_time": None,
            "response_id": "g-1",
            "model_version": "gemini-t",
            "prompt_feedback": None,
            "usage_metadata": {
                "cached_content_token_count": None,
                "candidates_token_count": 5,
                "prompt_token_count": 10,
                "prompt_tokens_details": [{"modality": "AUDIO", "token_count": 3}],
                "thoughts_token_count": 25,
                "tool_use_prompt_token_count": None,
                "total_token_count": 40,
                "traffic_type": None,
            },
        },
        {
            **_GENERATED,
            **_usage(10, 30),  # 5 + 25
            "reasoning_tokens": 25,
            "prompt_audio_tokens": 3,
        },
        [
            {
                **_STOP,
                "content": "Hello.",
                "reasoning_content": "Why?",
                "tool_calls": [call("f-1", None, "weather", _WEATHER)],
            }
        ],
    ),
    Case(
        "a blocked prompt in snake_case",
        {
            "candidates": None,
            "prompt_feedback": {"block_reason": "SAFETY"},
            "usage_metadata": {"prompt_token_count": 9, "total_token_count": 9},
        },
        _usage(9, 0),
        [],
    ),
]

# --- Converse -------------------------------------------------------------------------


def _conversed(content: list[Any], stop: str, usage: object, **more: Any) -> Cells:
    output = {"message": {"role": "assistant", "content": content}}
    return {"output": output, "stopReason": stop, "usage": usage, **more}


_COUNTED = {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15}
_TURN = ended("end_turn", "stop", role="assistant")

CONVERSE = [
    Case(
        "plain",
        _conversed(
            [{"text": "Hel"}, {"text": "lo."}],
            "end_turn",
            _COUNTED,
            metrics={"latencyMs": 70},
            serviceTier={"type": "flex"},
        ),
        {**_usage(10, 5), "service_tier": "flex"},
        [{**_TURN, "content": "Hello."}],
    ),
    Case(
        "tool calls, reasoning, cached; each count of the cache twice",
        _conversed(
            [
                {"reasoningContent": {"reasoningText": {"text": "Ask the tool."}}},
                {
                    "toolUse": {
                        "toolUseId": "tooluse_1",
                        "name": "weather",
                        "input": {"city": "Oslo"},
                    }
                },
            ],
            "tool_use",
            {
                "inputTokens": 5,
                "cacheReadInputTokens": 300,
                "cacheReadInputTokenCount": 300,
                "cacheWriteInputTokens": 40,
                "cacheWriteInputTokenCount": 40,
                "cacheDetails": [
                    {"ttl": "5m", "inputTokens": 10},
                    {"ttl": "1h", "inputTokens": 30},
                ],
                "outputTokens": 20,
                "totalTokens": 365,
            },
        ),
        {
            **_usage(345, 20),  # 5 + 300 + 40 = 345; 345 + 20 = 365
            "cached_tokens": 300,
            "cache_write_tokens": 40,
            "cache_write_1h_tokens": 30,
        },
        [
            {
                **ended("tool_use", "tool_calls", role="assistant"),
                "reasoning_content": "Ask the tool.",
                "tool_calls": [call("tooluse_1", None, "weather", _WEATHER)],
            }
        ],
    ),
    Case(
        "Nova through InvokeModel, whose counts of the cache have another name",
        _conversed(
            [{"text": "Hello."}],
            "max_tokens",
            {
                **_COUNTED,
                "cacheReadInputTokenCount": 7,
                "cacheWriteInputTokenCount": 0,
                "totalTokens": 22,
            },
        ),
        {
            **_usage(17, 5),  # 10 + 7 + 0 = 17
            "cached_tokens": 7,
            "cache_write_tokens": 0,
        },
        [{**ended("max_tokens", "length", role="assistant"), "content": "Hello."}],
    ),
    Case(
        "citations are read part by part",
        _conversed(
            [
                {"text": "It is "},
                {"citationsContent": {"content": [{"text": "blue"}, {"text": "."}]}},
            ],
            "stop_sequence",
            _COUNTED,
        ),
        _usage(10, 5),
        [
            {
                **ended("stop_sequence", "stop", role="assistant"),
                "content": "It is blue.",
            }
        ],
    ),
    Case(
        "refused by a guardrail",
        _conversed([{"text": "No."}], "guardrail_intervened", _COUNTED),
        _usage(10, 5),
        [
            {
                **ended("guardrail_intervened", "content_filter", role="assistant"),
                "content": "No.",
            }
        ],
    ),
    Case("empty", _conversed([], "end_turn", None), {}, [_TURN]),
]

# --- Cohere ---------------------------------------------------------------------------


def _cohere(message: Cells, finish: str, usage: object) -> Cells:
    whole = {"role": "assistant", **message}
    return {"id": "c-1", "finish_reason": finish, "message": whole, "usage": usage}


_BILLED = {
    "billed_units": {"input_tokens": 3, "output_tokens": 4},
    "tokens": {"input_tokens": 10, "output_tokens": 5},
}
_COHERE = {"response_id": "c-1", "usage_problem": "billed_units"}
_COMPLETE = ended("COMPLETE", "stop", role="assistant")

COHERE = [
    Case(
        "plain, with reasoning and cached",
        _cohere(
            {
                "content": [
                    {"type": "thinking", "thinking": "Hm."},
                    {"type": "text", "text": "Hello."},
                ]
            },
            "COMPLETE",
            {**_BILLED, "cached_tokens": 8},
        ),
        {**_COHERE, **_usage(10, 5), "cached_tokens": 8},
        [{**_COMPLETE, "content": "Hello.", "reasoning_content": "Hm."}],
    ),
    Case(
        "tool calls",
        _cohere(
            {
                "tool_plan": "Ask the tool.",
                "tool_calls": [
                    {
                        "id": "weather_1",
                        "type": "function",
                        "function": {"name": "weather", "arguments": _WEATHER},
                    }
                ],
            },
            "TOOL_CALL",
            _BILLED,
        ),
        {**_COHERE, **_usage(10, 5)},
        [
            {
                **ended("TOOL_CALL", "tool_calls", role="assistant"),
                "reasoning_content": "Ask the tool.",
                "tool_calls": [call("weather_1", "function", "weather", _WEATHER)],
            }
        ],
    ),
    Case(
        "truncated, with billed units alone",
        _cohere(
            {"content": [{"type": "text", "text": "Once"}]},
            "MAX_TOKENS",
            {"billed_units": {"input_tokens": 3, "output_tokens": 4}},
        ),
        {**_COHERE, **_usage(3, 4)},
        [{**ended("MAX_TOKENS", "length", role="assistant"), "content": "Once"}],
    ),
    Case(
        "empty",
        _cohere({}, "ERROR_TOXIC", None),
        {"response_id": "c-1"},
        [ended("ERROR_TOXIC", "content_filter", role="assistant")],
    ),
]

# --- Ollama ---------------------------------------------------------------------------


def _local(reason: str | None, counts: Cells, **more: Any) -> Cells:
    head = {"model": "tiny", "created_at": "2026-01-01T00:00:01.123456789Z"}
    return {**head, "done": True, "done_reason": reason, **counts, **more}


_LOCAL = {
    "model": "tiny",
    "created": NEW_YEAR + timedelta(seconds=1, microseconds=123_457),
    "served_by": "ollama",
}
_EVALUATED = {"prompt_eval_count": 10, "eval_count": 5, "eval_duration": 9}

OLLAMA = [
    Case(
        "plain chat",
        _local("stop", _EVALUATED, message={"role": "assistant", "content": "Hello."}),
        {**_LOCAL, **_usage(10, 5)},
        [{**ended("stop"), "role": "assistant", "content": "Hello."}],
    ),
    Case(
        "tool calls and reasoning",
        _local(
            "stop",
            _EVALUATED,
            message={
                "role": "assistant",
                "content": "",
                "thinking": "Ask the tool.",
                "tool_calls": [
                    {"function": {"name": "weather", "arguments": {"city": "Oslo"}}}
                ],
            },
        ),
        {**_LOCAL, **_usage(10, 5)},
        [
            {
                **ended("stop"),
                "role": "assistant",
                "content": "",
                "reasoning_content": "Ask the tool.",
                "tool_calls": [call(None, None, "weather", _WEATHER)],
            }
        ],
    ),
    Case(
        "truncated, and a prompt from the cache without its count",
        _local("length", {"eval_count": 5}, message={"content": "Once"}),
        {**_LOCAL, "completion_tokens": 5},  # the total is unknown
        [{**ended("length"), "content": "Once"}],
    ),
    Case(
        "generate",
        _local("stop", _EVALUATED, response="Hello.", thinking="Hm.", context=[1]),
        {**_LOCAL, **_usage(10, 5)},
        [{**ended("stop"), "content": "Hello.", "reasoning_content": "Hm."}],
    ),
    Case(
        "empty: only the model was loaded",
        _local("load", {}, response=""),
        _LOCAL,
        [{**ended("load"), "content": ""}],
    ),
]

CASES: dict[str, list[Case]] = {
    "chat": CHAT,
    "text": TEXT,
    "responses": RESPONSES,
    "anthropic": ANTHROPIC,
    "gemini": GEMINI,
    "converse": CONVERSE,
    "cohere": COHERE,
    "ollama": OLLAMA,
}
BODIES: dict[str, list[dict[str, Any]]] = {
    name: [case.body for case in cases] for name, cases in CASES.items()
}
