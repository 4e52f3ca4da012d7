"""The rules of each API: what is a response, its counts, words, times and envelopes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support.bodies import BODIES, EPOCH, NEW_YEAR, Cells
from tests.support.decoding import chunk_rows, code, decode, dump, fault, nest, rows
from tests.support.oracle import CANDIDATES
from toolkit.reading.blocks import Plan, make_plan
from toolkit.schema.api import Api, ToolCalls, has, lacks
from toolkit.schema.apis import APIS, ENVELOPES

pytestmark = pytest.mark.both_decoders

# The least that is a response.
LEAST: dict[str, Cells] = {
    "chat": {"choices": [{"message": {}}]},
    "text": {"choices": [{"text": "a"}]},
    "responses": {"object": "response", "output": []},
    "anthropic": {
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": "end_turn",
    },
    "gemini": {"candidates": [{"finishReason": "STOP"}]},
    "converse": {"output": {"message": {"content": []}}, "stopReason": "end_turn"},
    "cohere": {
        "id": "c1",
        "message": {"role": "assistant"},
        "finish_reason": "COMPLETE",
    },
    "ollama": {
        "done": True,
        "created_at": "2026-01-01T00:00:00Z",
        "model": "m",
        "response": "",
    },
}
PART = {"type": "text", "text": "Hello."}
UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"
GENERATED = {"content": {"role": "model", "parts": [{"text": "Hello."}]}}


def with_(api: str, **fields: object) -> Cells:
    """Return the least response of an API with more or other fields."""
    return {**LEAST[api], **fields}


def without(api: str, *names: str) -> Cells:
    """Return the least response of an API without some of its fields."""
    return {name: value for name, value in LEAST[api].items() if name not in names}


def outcome(line: object) -> str:
    """Return the API of a line with a response or chunk, or why it is rejected."""
    decoded = decode(line)
    found = decoded.choices.column("api").to_pylist()
    if decoded.chunk_rows is not None:
        names = decoded.chunk_rows.column("api").to_pylist()
        found += [f"chunk of {name}" for name in names]
    found += decoded.rejects.column("code").to_pylist()
    (one,) = set(found)
    return str(one)


def cells(line: object, *names: str) -> tuple[object, ...]:
    """Return some cells of the first row of a line."""
    row = rows(line)[0]
    return tuple(row[name] for name in names)


# --- What is a response ---------------------------------------------------------------

NONE, CHUNK, ERROR = "not_a_response", "stream_chunk", "error_response"
_IN_SNAKE = {"candidates": [{"content": {}, "finish_reason": None}]}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        *((body, api) for api, body in LEAST.items()),
        # Chat and text completions.
        ({"choices": [{"message": None, "text": "a"}]}, "text"),
        ({"choices": [{"message": {}, "text": "a"}]}, "chat"),
        ({"choices": [{"text": "a"}, {"message": {}}]}, "chat"),
        ({"choices": [], "object": "text_completion", "usage": {}}, "text"),
        ({"choices": [{}], "object": "text_completion", "usage": {}}, "chunk of text"),
        ({"choices": [{"text": "a"}], "object": "text_completion"}, "chunk of text"),
        (with_("chat", usage_metadata={"input_tokens": 5}), NONE),
        (with_("chat", usage_metadata={"input_tokens": 5}, usage={}), NONE),
        (with_("chat", usage_metadata={}, usage={"total_tokens": 5}), "chat"),
        ({"output": LEAST["chat"], "usage": {"input_tokens": 5}}, NONE),
        ({"output": with_("chat", usage={}), "usage": {"input_tokens": 5}}, NONE),
        ({"outputs": LEAST["chat"], "usage": {"input_tokens": 5}}, "chat"),
        # Responses.
        (with_("responses", object="response.compaction"), NONE),
        (with_("responses", output=["a"]), NONE),
        (with_("responses", output={}), NONE),
        (without("responses", "output"), NONE),
        *(
            (with_("responses", status=word), CHUNK)
            for word in ("queued", "in_progress")
        ),
        *((with_("responses", status=word), ERROR) for word in ("failed", "cancelled")),
        *(
            (with_("responses", status=word, usage={}), "responses")
            for word in ("failed", "cancelled", "incomplete", "completed")
        ),
        # Anthropic.
        (with_("anthropic", content="Hello."), NONE),
        (with_("anthropic", content=["Hello."]), NONE),
        (with_("anthropic", role="user"), NONE),
        (without("anthropic", "stop_reason"), NONE),
        (with_("anthropic", stop_reason=None), NONE),
        (with_("anthropic", stop_reason=None, usage={}), CHUNK),
        ({**without("anthropic", "stop_reason"), "usage": {}}, CHUNK),
        # Gemini.
        ({"candidates": []}, NONE),
        ({"candidates": [GENERATED]}, "chunk of gemini"),
        ({"candidates": [GENERATED, LEAST["gemini"]["candidates"][0]]}, "gemini"),
        (
            {"candidates": [{**GENERATED, "finishReason": UNSPECIFIED}]},
            "chunk of gemini",
        ),
        ({"candidates": [{**GENERATED, "finish_reason": 0}]}, "chunk of gemini"),
        ({"candidates": [{"content": "text"}]}, NONE),
        ({"candidates": [{"output": "text"}]}, NONE),
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "gemini"),
        ({"promptFeedback": {"blockReason": "SAFETY"}, "candidates": []}, "gemini"),
        ({"promptFeedback": {"safetyRatings": []}}, NONE),
        ({"usageMetadata": {"totalTokenCount": 5}}, NONE),
        ({**_IN_SNAKE, "usage_metadata": {"total_token_count": 5}}, "chunk of gemini"),
        (_IN_SNAKE, "chunk of gemini"),
        ({"candidates": [{"content": {}, "finish_reason": "STOP"}]}, "gemini"),
        ({"prompt_feedback": {"block_reason": "SAFETY"}}, "gemini"),
        # Converse.
        (without("converse", "stopReason"), NONE),
        ({"output": {"message": {"content": ["a"]}}, "stopReason": "end_turn"}, NONE),
        # Cohere.
        (with_("cohere", message={"role": "user"}), NONE),
        (without("cohere", "finish_reason"), NONE),
        ({**without("cohere", "id"), "usage": {}}, "cohere"),
        # One choice of a chat completion: its usage is elsewhere.
        (without("cohere", "id"), NONE),
        ({"output": without("cohere", "id"), "usage": {"prompt_tokens": 3}}, NONE),
        (with_("cohere", choices=[]), "chunk of chat"),
        # Ollama: the text of an answer is no envelope.
        (with_("ollama", response=dump(LEAST["chat"])), "ollama"),
        (with_("ollama", message={}, response=None), "ollama"),
        (with_("ollama", response=None), NONE),
        (with_("ollama", done=False), "chunk of ollama"),
        (with_("ollama", done="true"), NONE),
        (without("ollama", "created_at"), NONE),
        (without("ollama", "model"), NONE),
        # What is no response may hold one.
        ({"candidates": [], "body": LEAST["anthropic"]}, "anthropic"),
        ({"output": [], "object": "other", "result": LEAST["gemini"]}, "gemini"),
    ],
)
def test_a_response_is_known_by_its_form(line: object, expected: str) -> None:
    assert outcome(line) == expected


@pytest.mark.parametrize("api", LEAST)
@pytest.mark.parametrize(
    "beside",
    [
        {},
        {"type": "assistant", "sessionId": "s", "uuid": "u"},
        {"messages": [{"role": "user"}], "finish_reason": None},
    ],
)
def test_a_message_is_no_envelope(api: str, beside: Cells) -> None:
    for body in (LEAST[api], dump(LEAST[api])):
        assert code({**beside, "message": body}) == NONE
        assert code({"response": {**beside, "message": body}}) == NONE


@pytest.mark.parametrize("api", LEAST)
def test_the_message_of_an_event_is_no_envelope_either(api: str) -> None:
    for body in (LEAST[api], dump(LEAST[api])):
        event = {"type": "message_start", "message": body}
        assert code(event) == CHUNK
        assert code({"response": event}) == CHUNK


@pytest.mark.parametrize(
    ("line", "path"),
    [
        (with_("responses", usage=[]), "usage"),
        (with_("responses", usage={"input_tokens": "5"}), "usage.input_tokens"),
        (with_("anthropic", usage="5"), "usage"),
        (
            with_(
                "anthropic", usage={"cache_read_input_tokens": 1, "input_tokens": "5"}
            ),
            "usage.input_tokens",
        ),
        (
            with_("gemini", usageMetadata={"promptTokenCount": "<number>"}),
            "usageMetadata.promptTokenCount",
        ),
        (with_("converse", usage={"inputTokens": True}), "usage.inputTokens"),
        (with_("cohere", usage={"tokens": []}), "usage.tokens"),
        (with_("ollama", eval_count="5"), "eval_count"),
        (with_("anthropic", content=[{**PART, "text": 5}]), "content[0].text"),
        (
            with_("responses", output=[{"type": "message", "content": [5]}]),
            "output[0].content[0]",
        ),
        (
            {
                "candidates": [
                    {"content": {"parts": [{"text": 5}]}, "finishReason": "S"}
                ]
            },
            "candidates[0].content.parts[0].text",
        ),
        (
            with_("anthropic", content=[{"type": "tool_use", "id": 5}]),
            "content[0].id",
        ),
    ],
)
def test_what_is_not_of_its_type_rejects_the_line(line: object, path: str) -> None:
    assert fault(line) == ("wrong_type", path)
    assert fault({"result": {"message": line}}) == (
        "wrong_type",
        f"result.message.{path}",
    )


# --- Words of why a choice ended ------------------------------------------------------

_ANTHROPIC = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "pause_turn",
    "compaction": "compaction",
}
WORDS: dict[str, dict[object, str]] = {
    "chat": {
        word: word for word in ("stop", "length", "completed", "STOP", "complete")
    },
    "text": {"stop": "stop", "end_turn": "end_turn"},
    "responses": {
        "completed": "stop",
        "max_output_tokens": "length",
        "content_filter": "content_filter",
        "max_messages": "max_messages",
        "incomplete": "incomplete",
    },
    "anthropic": {**_ANTHROPIC, "complete": "complete"},
    "converse": {
        **_ANTHROPIC,
        "guardrail_intervened": "content_filter",
        "content_filtered": "content_filter",
        "malformed_model_output": "malformed_model_output",
        "malformed_tool_use": "malformed_tool_use",
    },
    "gemini": {
        "STOP": "stop",
        "MAX_TOKENS": "length",
        **dict.fromkeys(
            (
                *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"),
                *("MODEL_ARMOR", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT"),
                "IMAGE_RECITATION",
            ),
            "content_filter",
        ),
        **{
            word: word
            for word in (
                *("OTHER", "LANGUAGE", "NO_IMAGE", "IMAGE_OTHER", "ESCALATION"),
                *("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "CONTINUATION"),
                *("TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"),
                *("MALFORMED_RESPONSE", "stop", "FINISH_REASON_UNSPECIFIED"),
            )
        },
        # From 5 on the two APIs of Google number differently.
        **{1: "stop", 2: "length", 3: "content_filter", 4: "content_filter"},
        **{5: "5", 8: "8", 0: "0"},
    },
    "cohere": {
        "COMPLETE": "stop",
        "STOP_SEQUENCE": "stop",
        "MAX_TOKENS": "length",
        "TOOL_CALL": "tool_calls",
        "ERROR_TOXIC": "content_filter",
        "ERROR": "ERROR",
        "TIMEOUT": "TIMEOUT",
    },
    "ollama": {word: word for word in ("stop", "length", "load", "unload")},
}
_ENDED = {
    "chat": lambda word: {"choices": [{"message": {}, "finish_reason": word}]},
    "text": lambda word: {"choices": [{"text": "a", "finish_reason": word}]},
    "anthropic": lambda word: with_("anthropic", stop_reason=word),
    "gemini": lambda word: {"candidates": [{"finishReason": word}]},
    "converse": lambda word: with_("converse", stopReason=word),
    "cohere": lambda word: with_("cohere", finish_reason=word),
    "ollama": lambda word: with_("ollama", done_reason=word),
    "responses": lambda word: (
        with_("responses", status=word)
        if word in ("completed", "incomplete")
        else with_(
            "responses", status="incomplete", incomplete_details={"reason": word}
        )
    ),
}


@pytest.mark.parametrize(
    ("api", "native", "word"),
    [(api, native, word) for api in WORDS for native, word in WORDS[api].items()],
)
def test_a_finish_reason_is_in_the_words_of_chat(
    api: str, native: object, word: str
) -> None:
    own = None if api in ("chat", "text") else str(native)

    found = cells(_ENDED[api](native), "finish_reason", "native_finish_reason")

    assert found == (word, own)
    if api == "gemini":
        snake = {"candidates": [{"finish_reason": native}]}
        assert cells(snake, "finish_reason", "native_finish_reason") == (word, own)


def test_every_word_that_is_declared_is_tested() -> None:
    for api in APIS:
        known = {str(native): word for native, word in WORDS[api.name].items()}
        assert api.finish_reasons.items() <= known.items()


# --- Counts ---------------------------------------------------------------------------

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def used(api: str, **usage: object) -> Cells:
    """Return the least response of an API with a usage."""
    place = "usageMetadata" if api == "gemini" else "usage"
    return with_(api, **({**usage} if api == "ollama" else {place: usage}))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        # Anthropic: 3 + 40 + 500; what is not there, or null, is 0.
        (
            used(
                "anthropic",
                input_tokens=3,
                cache_read_input_tokens=40,
                cache_creation_input_tokens=500,
                output_tokens=7,
            ),
            (543, 7, 550),
        ),
        (
            used(
                "anthropic",
                input_tokens=3,
                cache_read_input_tokens=None,
                cache_creation_input_tokens=500,
                output_tokens=0,
            ),
            (503, 0, 503),
        ),
        (used("anthropic", input_tokens=3), (3, None, None)),
        (used("anthropic", output_tokens=3), (None, 3, None)),
        (used("anthropic", cache_read_input_tokens=3), (None, None, None)),
        (used("anthropic", input_tokens=0, output_tokens=0), (0, 0, 0)),
        (used("anthropic", output_tokens=3, total_tokens=9), (None, 3, None)),
        # Responses: nothing is added, the total is as reported.
        (
            used("responses", input_tokens=9, output_tokens=4, total_tokens=13),
            (9, 4, 13),
        ),
        (used("responses", input_tokens=9, output_tokens=4), (9, 4, None)),
        (
            used("responses", prompt_tokens=9, completion_tokens=4, total_tokens=13),
            (9, 4, 13),
        ),
        # Gemini: 9 + 2 and 4 + 30; beside a total what is not there is 0.
        (
            used(
                "gemini",
                promptTokenCount=9,
                toolUsePromptTokenCount=2,
                candidatesTokenCount=4,
                thoughtsTokenCount=30,
                totalTokenCount=45,
            ),
            (11, 34, 45),
        ),
        (used("gemini", thoughtsTokenCount=30, totalTokenCount=39), (0, 30, 39)),
        (used("gemini", promptTokenCount=9, totalTokenCount=9), (9, 0, 9)),
        (used("gemini", promptTokenCount=9), (9, None, None)),
        (used("gemini", thoughtsTokenCount=9), (None, None, None)),
        (used("gemini", totalTokenCount=0), (0, 0, 0)),
        # An old SDK left out the thoughts: the total is as reported.
        (
            used(
                "gemini", promptTokenCount=9, candidatesTokenCount=4, totalTokenCount=99
            ),
            (9, 4, 99),
        ),
        # Converse: 3 + 40 + 500, each once.
        (
            used(
                "converse",
                inputTokens=3,
                cacheReadInputTokens=40,
                cacheReadInputTokenCount=40,
                cacheWriteInputTokens=500,
                cacheWriteInputTokenCount=500,
                outputTokens=7,
                totalTokens=550,
            ),
            (543, 7, 550),
        ),
        (
            used(
                "converse", inputTokens=3, cacheReadInputTokenCount=40, outputTokens=7
            ),
            (43, 7, None),
        ),
        (
            used(
                "converse",
                inputTokens=3,
                cacheReadInputTokens=0,
                cacheReadInputTokenCount=40,
            ),
            (43, None, None),
        ),
        (used("converse", cacheReadInputTokens=3), (None, None, None)),
        # Cohere: what the model saw, else what is billed.
        (
            used(
                "cohere",
                tokens={"input_tokens": 40, "output_tokens": 5},
                billed_units={"input_tokens": 9, "output_tokens": 4},
            ),
            (40, 5, 45),
        ),
        (used("cohere", billed_units={"input_tokens": 9}), (9, None, None)),
        # Ollama: a prompt from the cache has no count.
        (used("ollama", prompt_eval_count=9, eval_count=4), (9, 4, 13)),
        (used("ollama", eval_count=4), (None, 4, None)),
        (used("ollama", prompt_eval_count=9), (9, None, None)),
    ],
)
def test_the_prompt_has_the_cache_and_the_completion_the_reasoning(
    line: object, expected: tuple[int | None, ...]
) -> None:
    assert cells(line, *COUNTS) == expected


def test_a_sum_of_counts_is_in_the_range_of_a_count() -> None:
    most = 10**12
    line = used("anthropic", input_tokens=most, output_tokens=0)
    over = used("anthropic", input_tokens=most, cache_read_input_tokens=1)

    assert cells(line, *COUNTS) == (most, 0, most)
    assert fault(over) == ("out_of_range", "usage.input_tokens")
    assert code(used("ollama", prompt_eval_count=most, eval_count=1)) == "out_of_range"


def test_of_several_candidates_the_usage_is_on_the_first_row_only() -> None:
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 4, "totalTokenCount": 13}
    ends = [{"finishReason": "STOP"}] * 3

    found = rows({"candidates": ends, "usageMetadata": usage, "modelVersion": "m"})

    assert [row["total_tokens"] for row in found] == [13, None, None]
    assert [(row["choice_count"], row["model"]) for row in found] == [(3, "m")] * 3


_SEARCH = {"groundingMetadata": {"webSearchQueries": ["weather in oslo"]}}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        *(
            (used("anthropic", iterations=[{"type": kind}]), "iterations")
            for kind in ("compaction", "advisor_message", "fallback_message")
        ),
        (used("anthropic", iterations=[{"type": "message"}] * 2), None),
        (used("anthropic", iterations=[]), None),
        (used("anthropic", speed="fast"), "fast_mode"),
        (used("anthropic", speed="standard"), None),
        (used("anthropic", inference_geo="us"), "inference_geo"),
        (used("anthropic", inference_geo="global"), None),
        (
            used("anthropic", speed="fast", iterations=[{"type": "compaction"}]),
            "iterations",
        ),
        (with_("anthropic", content=[{"type": "server_tool_use"}]), "server_tools"),
        (
            with_(
                "anthropic",
                content=[{"type": "server_tool_use"}],
                usage={"server_tool_use": {"web_search_requests": 0}},
            ),
            None,
        ),
        (with_("anthropic", content=[{"type": "tool_use", "name": "f"}]), None),
        *(
            (with_("responses", output=[{"type": kind}]), "server_tools")
            for kind in (
                *("web_search_call", "file_search_call", "code_interpreter_call"),
                "image_generation_call",
            )
        ),
        *(
            (with_("responses", output=[{"type": kind}]), None)
            for kind in ("function_call", "mcp_call", "reasoning")
        ),
        ({"candidates": [{"finishReason": "STOP", **_SEARCH}]}, "server_tools"),
        ({"candidates": [{"finishReason": "STOP", "groundingMetadata": {}}]}, None),
        (
            {
                "candidates": [
                    {
                        "finish_reason": "STOP",
                        "grounding_metadata": {"web_search_queries": ["a"]},
                    }
                ]
            },
            "server_tools",
        ),
        (used("cohere", tokens={"input_tokens": 5}), "billed_units"),
        (LEAST["cohere"], None),
        (used("chat", speed="fast", iterations=[{"type": "compaction"}]), None),
    ],
)
def test_a_usage_that_no_price_fits_has_its_problem(
    line: object, expected: str | None
) -> None:
    assert cells(line, "usage_problem") == (expected,)


# --- Calls of tools: only those that the caller must answer ---------------------------


@pytest.mark.parametrize(
    "line",
    [
        with_(
            "anthropic", content=[{"type": kind, "id": "a", "name": "f", "input": {}}]
        )
        for kind in ("server_tool_use", "mcp_tool_use", "web_search_tool_result")
    ]
    + [
        with_("responses", output=[{"type": kind, "name": "f", "arguments": "{}"}])
        for kind in ("mcp_call", "web_search_call", "custom_tool_call_output")
    ]
    + [
        {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]}
        for part in ({"toolCall": {"id": "a"}}, {"executableCode": {"code": "1"}})
    ]
    + [{"output": {"message": {"content": [{"text": "a"}]}}, "stopReason": "tool_use"}],
)
def test_a_tool_of_the_server_is_no_call(line: object) -> None:
    assert cells(line, "tool_calls") == (None,)


# --- Times ----------------------------------------------------------------------------


def after(**since: float) -> datetime:
    """Return a time after the beginning of 2026."""
    return NEW_YEAR + timedelta(**since)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-01-01T00:00:00Z", NEW_YEAR),
        ("2026-01-01t00:00:00z", NEW_YEAR),
        ("2026-01-01 00:00:00Z", NEW_YEAR),
        ("2026-01-01T01:30:00+01:30", NEW_YEAR),
        ("2026-01-01T01:30:00+0130", NEW_YEAR),
        ("2025-12-31T16:00:00-08:00", NEW_YEAR),
        ("2026-01-01T23:59:00+23:59", NEW_YEAR),
        ("2026-01-01T00:00:00-00:00", NEW_YEAR),
        ("2026-01-01T00:00:00.5Z", after(microseconds=500_000)),
        # Nine digits, half to even: 0.5 is 0, 1.5 is 2, 2.5 is 2.
        ("2026-01-01T00:00:00.000000500Z", NEW_YEAR),
        ("2026-01-01T00:00:00.000001500Z", after(microseconds=2)),
        ("2026-01-01T00:00:00.000002500Z", after(microseconds=2)),
        ("2026-01-01T00:00:00.000002501Z", after(microseconds=3)),
        ("2026-01-01T00:00:00.999999999Z", after(seconds=1)),
        # A leap second is the second behind it.
        ("2025-12-31T23:59:60Z", NEW_YEAR),
        ("2025-12-31T23:59:60.25Z", after(microseconds=250_000)),
        ("2024-02-29T00:00:00Z", after(days=-672)),  # 307 + 365 days before 2026
        ("1970-01-01T00:00:00.000001Z", EPOCH + timedelta(microseconds=1)),
        ("1970-01-01T00:00:00Z", None),  # 0 is unknown
        ("1970-01-01T05:00:00+05:00", None),
        ("1969-12-31T23:00:00-01:00", None),
        ("2199-12-31T23:59:59Z", after(days=63_552, seconds=-1)),
        (1767225600, NEW_YEAR),
        (1767225600.25, after(microseconds=250_000)),
    ],
)
def test_a_time_is_unix_or_of_a_calendar_with_a_zone(
    time: object, expected: datetime | None
) -> None:
    # From 2026 to 2200 are 174 years, 42 of them leap years: 174 * 365 + 42 = 63,552.
    names = ("created", "created_problem")
    assert cells(with_("responses", created_at=time), *names) == (expected, None)
    if isinstance(time, str):
        assert cells(with_("gemini", createTime=time), *names) == (expected, None)
        assert cells(with_("ollama", created_at=time), *names) == (expected, None)
    assert cells(with_("chat", created=time), *names) == (expected, None)
    assert cells({"body": LEAST["chat"], "timestamp": time}, *names) == (expected, None)


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        *(
            (time, "out_of_range")
            for time in (
                *(
                    "2026-02-29T00:00:00Z",
                    "2026-13-01T00:00:00Z",
                    "2026-00-01T00:00:00Z",
                ),
                *(
                    "2026-01-32T00:00:00Z",
                    "2026-01-01T24:00:00Z",
                    "0000-01-01T00:00:00Z",
                ),
                *("2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z"),
                *("2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+00:60"),
                *("1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01"),
                *("2200-01-01T00:00:00Z", "2199-12-31T23:59:59.9999999Z"),
                *("2199-12-31T23:59:59-00:01", "9999-12-31T23:59:59Z"),
            )
        ),
        *(
            (time, "wrong_type")
            for time in (
                *("2026-01-01", "2026-01-01T00:00Z", "2026-1-1T00:00:00Z", "today"),
                *("2026-01-01T00:00:00.Z", "2026-01-01T00:00:00 Z", "20260101T000000Z"),
                *("2026-01-01T00:00:00+01", "2026-01-01T00:00:00Z ", "-2026-01-01"),
                "\uff12026-01-01T00:00:00Z",
            )
        ),
    ],
)
def test_what_is_no_time_is_an_error_in_the_response_and_none_in_the_line(
    time: str, expected: str
) -> None:
    assert fault(with_("gemini", createTime=time)) == (expected, "createTime")
    assert fault(with_("chat", created=time)) == (expected, "created")
    line = {"body": LEAST["gemini"], "timestamp": time}
    assert cells(line, "created", "created_problem") == (None, None)


NO_ZONE = "2026-01-01T00:00:00"
FIVE = EPOCH + timedelta(seconds=5)


@pytest.mark.parametrize(
    ("own", "beside", "expected"),
    [
        (NO_ZONE, {}, (None, "no_time_zone")),
        ("2026-01-01 00:00:00.123", {}, (None, "no_time_zone")),
        (None, {"timestamp": NO_ZONE}, (None, "no_time_zone")),
        (None, {"processed_time": NO_ZONE}, (None, "no_time_zone")),
        # A time that is known is no problem.
        (NO_ZONE, {"timestamp": 1767225600}, (NEW_YEAR, None)),
        (
            None,
            {"timestamp": NO_ZONE, "processed_time": "5"},
            (FIVE, None),
        ),
        (5, {"timestamp": NO_ZONE}, (FIVE, None)),
        # The time of the response is preferred.
        (5, {"timestamp": 7, "processed_time": 9}, (FIVE, None)),
        (0, {"timestamp": 5, "processed_time": 9}, (FIVE, None)),
        (None, {"timestamp": "bad", "processed_time": 5}, (FIVE, None)),
        (None, {"timestamp": {}, "processed_time": []}, (None, None)),
        (None, {}, (None, None)),
    ],
)
def test_the_time_of_the_line_serves_where_the_response_has_none(
    own: object, beside: Cells, expected: tuple[object, ...]
) -> None:
    line = {"response": with_("responses", created_at=own), **beside}

    assert cells(line, "created", "created_problem") == expected


def test_the_time_beside_a_response_is_of_an_envelope_only() -> None:
    line = with_("anthropic", timestamp=1767225600, processed_time=1767225600)

    assert cells(line, "created") == (None,)


# --- Envelopes ------------------------------------------------------------------------

OF_GEMINI = object()


def test_the_envelopes_are_those_of_the_contract_in_its_order() -> None:
    assert tuple(ENVELOPES) == CANDIDATES


@pytest.mark.parametrize("path", CANDIDATES)
@pytest.mark.parametrize("api", BODIES)
def test_each_envelope_gives_the_rows_of_any_api(api: str, path: str) -> None:
    for body in BODIES[api]:
        expected = rows(body)
        assert rows(nest(path, body)) == expected
        assert rows(nest(path, dump(body))) == expected


@pytest.mark.parametrize(
    ("path", "beside", "expected"),
    [
        ("response.body", {"custom_id": "a"}, ("batch", "a")),
        ("response.body", {"id": "batch_req_1"}, ("batch", None)),
        ("response.body", {"id": "other"}, (None, None)),
        ("result.message", {"custom_id": "a"}, ("batch", "a")),
        ("result.message", {}, (None, None)),
        ("modelOutput", {"recordId": "a"}, ("batch", "a")),
        ("modelOutput", {"recordId": "a", "custom_id": "b"}, ("batch", "b")),
        ("modelOutput", {}, (None, None)),
        ("response", {"processed_time": "2026-01-01T00:00:00Z"}, ("batch", None)),
        ("response", {"key": "a"}, (OF_GEMINI, "a")),
        ("response", {"key": 5}, (OF_GEMINI, "5")),
        ("response", {"key": {}}, (OF_GEMINI, None)),
        ("response", {"custom_id": "a", "key": "b"}, (OF_GEMINI, "a")),
        # Elsewhere these keys are other things.
        ("response", {"recordId": "a"}, (None, None)),
        ("body", {"key": "a", "processed_time": "2026-01-01T00:00:00Z"}, (None, None)),
        ("body", {"recordId": "a"}, (None, None)),
        ("result", {"custom_id": "a"}, (None, "a")),
    ],
)
@pytest.mark.parametrize("api", LEAST)
def test_a_line_of_a_batch_is_known_by_its_envelope(
    api: str, path: str, beside: Cells, expected: tuple[object, ...]
) -> None:
    line = {**nest(path, LEAST[api]), **beside}
    processing, custom_id = expected
    if processing is OF_GEMINI:  # a batch of the Gemini API
        processing = "batch" if api == "gemini" else None

    assert cells(line, "processing", "custom_id") == (processing, custom_id)


def test_an_invocation_log_has_the_model_and_the_time() -> None:
    log = {
        "schemaType": "ModelInvocationLog",
        "timestamp": "2026-01-01T00:00:00Z",
        "modelId": "vendor.model-1",
        "input": {"inputTokenCount": 9},
        "output": {"outputBodyJson": LEAST["converse"], "outputTokenCount": 4},
    }
    names = ("requested_model", "created", "api")

    assert cells(log, *names) == ("vendor.model-1", NEW_YEAR, "converse")
    assert cells({**log, "model": "m"}, *names)[0] == "m"
    assert cells({"body": LEAST["converse"], "modelId": "m"}, *names)[0] is None
    log["output"] = {"outputBodyJson": [LEAST["converse"]]}
    assert code(log) == NONE


# --- Other kinds of lines -------------------------------------------------------------

_ITEM = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hello."}],
}
_SPENT = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
_TAKEN = {"input_tokens": 5, "output_tokens": 3, "total_tokens": 8}
OTHERS: dict[str, Any] = {
    "embeddings of OpenAI": {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "model": "m",
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    },
    "an embedding of Gemini": {
        "embedding": {"values": [0.5]},
        "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5},
    },
    "embeddings of Gemini": {"embeddings": [{"values": [0.5]}]},
    "embeddings of Cohere": {
        "id": "e",
        "embeddings": {"float": [[0.5]]},
        "texts": ["a"],
        "meta": {"billed_units": {"input_tokens": 5}},
    },
    "embeddings of Ollama": {
        "model": "m",
        "embeddings": [[0.5]],
        "prompt_eval_count": 5,
    },
    "images": {"created": 5, "data": [{"b64_json": "AA"}], "usage": _TAKEN},
    "moderation": {"id": "m", "model": "m", "results": [{"flagged": False}]},
    "rerank": {"id": "r", "results": [{"index": 0, "relevance_score": 0.5}]},
    "text of PaLM": {"candidates": [{"output": "Hello.", "safetyRatings": []}]},
    "message of PaLM": {"candidates": [{"author": "1", "content": "Hello."}]},
    "Titan": {
        "inputTextTokenCount": 5,
        "results": [{"tokenCount": 3, "outputText": "a", "completionReason": "FINISH"}],
    },
    "Llama on Bedrock": {
        "generation": "Hello.",
        "prompt_token_count": 5,
        "generation_token_count": 3,
        "stop_reason": "stop",
    },
    "Mistral on Bedrock": {"outputs": [{"text": "Hello.", "stop_reason": "stop"}]},
    "Cohere v1": {
        "text": "Hello.",
        "generation_id": "g",
        "finish_reason": "COMPLETE",
        "chat_history": [{"role": "USER", "message": "Hi."}],
    },
    "completions of Anthropic": {
        "type": "completion",
        "completion": "Hello.",
        "stop_reason": "stop_sequence",
    },
    "TGI": {"generated_text": "Hello.", "details": {"finish_reason": "length"}},
    "a thread": {"object": "thread", "id": "t", "metadata": {}},
    "a message of a thread": {
        "object": "thread.message",
        "role": "assistant",
        "content": [{"type": "text", "text": {"value": "Hello."}}],
    },
    "a run": {"object": "thread.run", "status": "completed", "usage": _SPENT},
    "one item of a response": _ITEM,
    "a message that was sent": {"role": "assistant", "content": "Hello."},
    "a transcription": {"text": "Hello.", "usage": {"type": "tokens", **_TAKEN}},
    "a file": {"object": "file", "id": "f", "bytes": 5, "status": "processed"},
    "models": {"object": "list", "data": [{"id": "m", "object": "model"}]},
    "a model of Ollama": {"models": [{"name": "m", "model": "m"}]},
    "a tuning": {"object": "fine_tuning.job", "status": "succeeded", "error": None},
    "a batch": {"object": "batch", "status": "completed", "errors": None},
    "a batch of Anthropic": {"type": "message_batch", "processing_status": "ended"},
    "a cached content": {
        "name": "cachedContents/1",
        "usageMetadata": {"totalTokenCount": 5},
    },
    "a count of tokens": {"input_tokens": 5},
    "a count of tokens of Gemini": {"totalTokens": 5, "cachedContentTokenCount": 3},
    "a count of tokens of OpenAI": {"object": "response.input_tokens", **_TAKEN},
    "a compaction": {"object": "response.compaction", "output": [], "usage": _TAKEN},
    "DashScope": {"output": LEAST["chat"], "usage": _TAKEN, "request_id": "r"},
    "a run of LangSmith": with_("chat", usage_metadata=_TAKEN),
    "a result that expired": {"custom_id": "a", "result": {"type": "expired"}},
    "a session of Claude Code": {
        "type": "assistant",
        "sessionId": "s",
        "message": LEAST["anthropic"],
    },
    "a session of Codex": {
        "type": "event_msg",
        "payload": {"type": "token_count", "info": {"total_token_usage": _TAKEN}},
    },
    "a session of Gemini CLI": {
        "type": "gemini",
        "content": "a",
        "tokens": {"input": 5},
    },
    "spans": {"resourceSpans": [{"scopeSpans": []}]},
    "a request": {"model": "m", "messages": [{"role": "user", "content": "Hi."}]},
    **{
        f"event of Anthropic {event['type']}": event
        for event in (
            {"type": "content_block_stop", "index": 0},
            {"type": "message_stop"},
            {"type": "ping"},
        )
    },
    **{
        f"event of Responses {event['type']}": event
        for event in (
            {"type": "response.output_item.added", "item": {**_ITEM, "content": []}},
            {"type": "response.output_item.done", "item": _ITEM},
            {"type": "response.content_part.added", "part": _ITEM["content"][0]},
            {"type": "response.output_text.delta", "delta": "a"},
            {"type": "response.output_text.done", "text": "a"},
            {"type": "response.function_call_arguments.delta", "delta": "{"},
            {"type": "response.function_call_arguments.done", "arguments": "{}"},
            {"type": "response.reasoning_summary_text.delta", "delta": "a"},
            {"type": "response.web_search_call.completed", "item_id": "ws_1"},
        )
    },
    **{
        f"event of Converse {next(iter(event))}": event
        for event in (
            {"messageStart": {"role": "assistant"}},
            {"contentBlockStart": {"start": {"toolUse": {"name": "f"}}}},
            {"contentBlockDelta": {"delta": {"text": "a"}, "contentBlockIndex": 0}},
            {"contentBlockStop": {"contentBlockIndex": 0}},
            {"messageStop": {"stopReason": "end_turn"}},
            {"metadata": {"usage": {"inputTokens": 5}, "metrics": {"latencyMs": 5}}},
        )
    },
    **{
        f"event of Cohere {event['type']}": event
        for event in (
            {"type": "message-start", "delta": {"message": {"role": "assistant"}}},
            {"type": "content-start", "delta": {"message": {"content": PART}}},
            {"type": "content-delta", "delta": {"message": {"content": {"text": "a"}}}},
            {"type": "content-end", "index": 0},
            {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "a"}}},
            {"type": "tool-call-start", "delta": {"message": {"tool_calls": {}}}},
            {
                "type": "message-end",
                "delta": {"finish_reason": "COMPLETE", "usage": {"tokens": _TAKEN}},
            },
        )
    },
}


@pytest.mark.parametrize("line", OTHERS.values(), ids=OTHERS)
def test_what_is_no_answer_of_a_model_is_refused_alone_and_in_each_envelope(
    line: Cells,
) -> None:
    assert fault(line) == (NONE, None)
    for path in CANDIDATES:
        if path != "result" or "message" not in line:  # that is `result.message`
            assert fault(nest(path, line)) == (NONE, None), path
            assert fault(nest(path, dump(line))) == (NONE, None), path


# Of streams that are put together when each chunk is a line.
CHUNKS = {
    "chat": {"object": "chat.completion.chunk", "choices": [{"delta": {}}]},
    "text": {"object": "text_completion", "choices": [{"text": "a"}]},
    "gemini": {"candidates": [GENERATED]},
    "ollama": with_("ollama", done=False),
}


@pytest.mark.parametrize("api", CHUNKS)
def test_a_chunk_is_a_row_of_a_stream_alone_and_in_each_envelope(api: str) -> None:
    (row,) = chunk_rows(CHUNKS[api])
    assert (row["api"], row["finish_reason"], row["is_end"]) == (api, None, False)
    for path in CANDIDATES:
        for line in (nest(path, CHUNKS[api]), nest(path, dump(CHUNKS[api]))):
            (other,) = chunk_rows(line)
            assert other == row, path


# Of streams of which only a line with the whole stream is read.
REFUSED = {
    "responses": with_("responses", status="in_progress"),
    "anthropic": with_("anthropic", stop_reason=None, usage={}),
    **{
        f"event of Anthropic {event['type']}": event
        for event in (
            {"type": "message_start", "message": LEAST["anthropic"]},
            {"type": "content_block_start", "index": 0, "content_block": PART},
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "text_delta", "text": "a"},
            },
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 3},
            },
        )
    },
}


@pytest.mark.parametrize("line", REFUSED.values(), ids=REFUSED)
def test_other_chunks_are_refused_as_such_alone_and_in_each_envelope(
    line: Cells,
) -> None:
    assert fault(line) == (CHUNK, None)
    for path in CANDIDATES:
        if path != "result" or "message" not in line:  # that is `result.message`
            assert fault(nest(path, line)) == (CHUNK, None), path
            assert fault(nest(path, dump(line))) == (CHUNK, None), path


@pytest.mark.parametrize(
    ("kind", "status", "expected"),
    [
        ("response.created", "in_progress", CHUNK),
        ("response.in_progress", "in_progress", CHUNK),
        ("response.queued", "queued", CHUNK),
        ("response.completed", "completed", "responses"),
        ("response.incomplete", "incomplete", "responses"),
        ("response.failed", "failed", ERROR),
    ],
)
def test_of_the_events_of_a_response_the_whole_one_is_read(
    kind: str, status: str, expected: str
) -> None:
    event = {"type": kind, "response": with_("responses", status=status)}

    assert outcome(event) == expected


FAILED = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}


@pytest.mark.parametrize(
    "line",
    [
        FAILED,
        {"custom_id": "a", "result": {"type": "errored", "error": FAILED}},
        {"recordId": "a", "modelInput": {}, "error": {"errorCode": 400}},
        {"key": "a", "error": {"code": 400}},
        {"recordId": "a", "modelOutput": FAILED},
        {"output": {"outputBodyJson": FAILED}},
        {"result": {"message": dump(FAILED)}},
        {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}},
        {"response": with_("responses", status="failed", error={"code": "x"})},
    ],
)
def test_an_error_of_any_api_is_an_error_response(line: object) -> None:
    assert fault(line) == (ERROR, None)


# --- An API that is added -------------------------------------------------------------

ADDED = Api(
    name="added",
    title="Added",
    tests=((has("kind", "answer"), has("answers", type="objects")),),
    unless=((has("draft", type="boolean"),),),
    chunks=((lacks("(choice).end", type="filled"),),),
    errors=((has("answers", type="empty"),),),
    choices="answers",
    paths={
        "choice_index": ("number",),
        "response_id": ("name",),
        "created": ("(envelope).at", "when"),
        "finish_reason": ("end",),
        "content": ("parts[kind=a|b].words|said[!hidden].words",),
        "prompt_tokens": (
            "counts.read + counts.again|counts.twice or 0 beside counts.all",
        ),
        "total_tokens": ("counts.all",),
        "served_by": ("name = x-* -> x", "extra -> null", "kind -> other"),
        "reported_cost": ("cents / 100",),
    },
    tool_calls=(ToolCalls("calls[]", name="what.name|what", arguments="with"),),
    finish_reasons={"done": "stop"},
)


def test_an_api_is_added_by_its_declaration_alone() -> None:
    plan = Plan(make_plan().table, apis=(*APIS, ADDED))
    answer = {
        "number": 3,
        "end": "done",
        "parts": [
            {"kind": "a", "words": "One "},
            {"kind": "c", "words": "not read"},
            {"kind": "b", "said": [{"words": "two."}, {"hidden": 1, "words": "-"}]},
        ],
        "calls": [{"id": "1", "what": {"name": "f"}, "with": {"a": 1}}],
    }
    line = {
        "kind": "answer",
        "name": "x-1",
        "when": "2026-01-01T00:00:00Z",
        "answers": [answer],
        "counts": {"read": 5, "twice": 7, "all": 20},
        "cents": 50,
    }
    expected = {
        "api": "added",
        "choice_index": 3,
        "response_id": "x-1",
        "created": NEW_YEAR,
        "finish_reason": "stop",
        "native_finish_reason": "done",
        "content": "One two.",
        "content_chars": 8,
        "prompt_tokens": 12,  # 5 + 7
        "total_tokens": 20,
        "served_by": "x",
        "reported_cost": 0.5,  # 50 / 100
        "tool_calls": [{"id": "1", "type": None, "name": "f", "arguments": '{"a": 1}'}],
    }

    (row,) = decode(line, plan=plan).choices.to_pylist()

    assert {name: row[name] for name in expected} == expected
    wrapped = {"data": {**line, "name": "y", "extra": 1, "counts": {"all": 9}}, "at": 5}
    (row,) = decode(wrapped, plan=plan).choices.to_pylist()
    assert row["created"] == EPOCH + timedelta(seconds=5)
    assert (row["prompt_tokens"], row["served_by"]) == (0, None)
    odd = [{**line, "draft": True}, {**line, "answers": [{}]}, {**line, "answers": []}]
    codes = decode(*odd, plan=plan).rejects.column("code").to_pylist()
    assert codes == [NONE, CHUNK, CHUNK]
    assert decode(line).rejects.column("code").to_pylist() == [NONE]


@pytest.mark.parametrize(("audio", "image"), [("AUDIO", "IMAGE"), (4, 2)])
def test_gemini_counts_each_modality_by_its_name_or_number(
    audio: object, image: object
) -> None:
    counts = [
        {"modality": audio, "tokenCount": 35},
        {"modality": image, "tokenCount": 258},
        {"modality": "TEXT", "tokenCount": 7},
    ]
    usage = {"promptTokenCount": 300, "promptTokensDetails": counts}  # 35 + 258 + 7

    found = cells(
        with_("gemini", usageMetadata=usage),
        "prompt_tokens",
        "prompt_audio_tokens",
        "prompt_image_tokens",
    )

    assert found == (300, 35, 258)
