"""Streams of the other APIs: whole ones on a line, and pieces of Gemini and Ollama."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

import toolkit
from tests.support.stream_logs import CARRIERS, write_set
from tests.support.stream_samples import dump

pytestmark = pytest.mark.both_decoders

Event = dict[str, Any]


def load(folder: Path, *lines: str, **options: Any) -> toolkit.Loaded:
    """Read one log."""
    return toolkit.load(write_set(folder, lines), **options)


def named_events(events: Sequence[Event]) -> str:
    """Return a text of events with names, as Anthropic and OpenAI Responses send it."""
    return dump(
        "".join(f"event: {one['type']}\ndata: {dump(one)}\n\n" for one in events)
    )


# --- Anthropic ------------------------------------------------------------------------

# 10 + 4 + 2 = 16 prompt tokens; of the completion the last count: 7; 16 + 7 = 23.
ANTHROPIC: list[Event] = [
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-t",
            "content": [],
            "stop_reason": None,
            "usage": {
                "input_tokens": 10,
                "cache_read_input_tokens": 4,
                "cache_creation_input_tokens": 2,
                "output_tokens": 1,
            },
        },
    },
    {"type": "ping"},
    {
        "type": "content_block_start",
        "index": 0,
        "content_block": {"type": "thinking", "thinking": "", "signature": ""},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "thinking_delta", "thinking": "Hm"},
    },
    {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "signature_delta", "signature": "c2ln"},
    },
    {"type": "content_block_stop", "index": 0},
    {
        "type": "content_block_start",
        "index": 1,
        "content_block": {"type": "text", "text": ""},
    },
    *(
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "text_delta", "text": text},
        }
        for text in ("Hel", "lo")
    ),
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {
            "type": "tool_use",
            "id": "toolu_1",
            "name": "get_a",
            "input": {},
        },
    },
    *(
        {
            "type": "content_block_delta",
            "index": 2,
            "delta": {"type": "input_json_delta", "partial_json": text},
        }
        for text in ("", '{"a": ', "1}")
    ),
    {"type": "content_block_stop", "index": 2},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 7},
    },
    {"type": "message_stop"},
]
ANTHROPIC_ROW = {
    "api": "anthropic",
    "response_id": "msg_1",
    "model": "claude-t",
    "role": "assistant",
    "content": "Hello",
    "reasoning_content": "Hm",
    "finish_reason": "tool_calls",
    "native_finish_reason": "tool_use",
    "prompt_tokens": 16,
    "cached_tokens": 4,
    "cache_write_tokens": 2,
    "completion_tokens": 7,
    "total_tokens": 23,
    "choice_count": 1,
}
TO_LINE: dict[str, Callable[[Sequence[Event]], str]] = {
    "named events": named_events,
    **{
        name: (lambda events, write=write: write([dump(one) for one in events]))
        for name, write in CARRIERS.items()
    },
}


@pytest.mark.parametrize("form", TO_LINE)
def test_events_of_anthropic_on_one_line(form: str, tmp_path: Path) -> None:
    log = load(tmp_path, TO_LINE[form](ANTHROPIC))

    (row,) = log.choices.to_pylist()
    assert {name: row[name] for name in ANTHROPIC_ROW} == ANTHROPIC_ROW
    assert row["chunk_count"] > 1
    call = {"id": "toolu_1", "name": "get_a", "arguments": '{"a": 1}'}
    assert [{key: one[key] for key in call} for one in row["tool_calls"]] == [call]
    assert log.ledger.select("lines", "responses", "chunks").row(0) == (1, 1, 0)


def test_a_later_count_of_the_prompt_replaces_the_first(tmp_path: Path) -> None:
    """Servers that know it at the end only send 0 first, and all in `message_delta`."""
    usage = {"input_tokens": 20, "output_tokens": 9}
    start = {
        **ANTHROPIC[0]["message"],
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    end = {**ANTHROPIC[-2], "usage": usage}
    events = [{**ANTHROPIC[0], "message": start}, *ANTHROPIC[1:-2], end]

    log = load(tmp_path, named_events(events))

    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert log.frame.select(names).rows() == [(20, 9, 29)]


def test_an_anthropic_stream_that_was_cut_off_has_no_finish(tmp_path: Path) -> None:
    log = load(tmp_path, named_events(ANTHROPIC[:8]))

    names = ("content", "finish_reason", "prompt_tokens", "completion_tokens")
    assert log.frame.select(names).rows() == [("Hel", None, 16, 1)]


def test_single_events_of_anthropic_are_refused(tmp_path: Path) -> None:
    log = load(tmp_path, *map(dump, ANTHROPIC))

    assert len(log.frame) == 0
    assert set(log.rejects["code"]) <= {"stream_chunk", "not_a_response"}
    assert log.ledger["rejected"].item() == len(ANTHROPIC)


# --- OpenAI Responses -----------------------------------------------------------------

ANSWER: Event = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_767_225_600,
    "status": "completed",
    "model": "gpt-t",
    "output": [
        {
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello"}],
        }
    ],
    "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
}
BEGUN = {**ANSWER, "status": "in_progress", "output": [], "usage": None}
RESPONSES: list[Event] = [
    {"type": "response.created", "response": BEGUN},
    {"type": "response.in_progress", "response": BEGUN},
    *(
        {"type": "response.output_text.delta", "output_index": 0, "delta": text}
        for text in ("Hel", "lo")
    ),
    {"type": "response.output_text.done", "output_index": 0, "text": "Hello"},
    {"type": "response.completed", "response": ANSWER},
]


@pytest.mark.parametrize("form", TO_LINE)
def test_events_of_openai_responses_on_one_line(form: str, tmp_path: Path) -> None:
    """`response.completed` has all of the response; what is before it adds nothing."""
    log = load(tmp_path, TO_LINE[form](RESPONSES))

    (row,) = log.choices.to_pylist()
    names = ("api", "response_id", "content", "total_tokens", "finish_reason")
    found = tuple(row[name] for name in names)
    assert found == ("responses", "resp_1", "Hello", 15, "stop")
    assert log.ledger.select("lines", "responses", "rejected").row(0) == (1, 1, 0)


def test_a_log_of_single_events_of_openai_responses(tmp_path: Path) -> None:
    log = load(tmp_path, *map(dump, RESPONSES))

    assert log.frame.select("line", "content", "total_tokens").rows() == [
        (6, "Hello", 15)
    ]
    assert log.ledger.select("lines", "responses", "rejected").row(0) == (6, 1, 5)


# --- Gemini ---------------------------------------------------------------------------


def gemini(text: str, end: str | None = None, *, completion: int) -> Event:
    """Return a piece of a stream; 10 tokens of the prompt."""
    candidate: Event = {
        "index": 0,
        "content": {"role": "model", "parts": [{"text": text}]},
    }
    if end:
        candidate["finishReason"] = end
    counts = {
        "promptTokenCount": 10,
        "candidatesTokenCount": completion,
        "totalTokenCount": 10 + completion,
    }
    facts = {"responseId": "g-1", "modelVersion": "gemini-t"}
    return {"candidates": [candidate], "usageMetadata": counts, **facts}


# The counts of the completion go down at the end, as Gemini's do: 10 + 5 = 15.
GEMINI = [
    gemini("Hel", completion=3),
    gemini("lo", completion=6),
    gemini("!", "STOP", completion=5),
]
GEMINI_ROW = {
    "api": "gemini",
    "response_id": "g-1",
    "model": "gemini-t",
    "content": "Hello!",
    "finish_reason": "stop",
    "native_finish_reason": "STOP",
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "chunk_count": 3,
}


@pytest.mark.parametrize("form", CARRIERS)
def test_pieces_of_gemini_on_one_line(form: str, tmp_path: Path) -> None:
    log = load(tmp_path, CARRIERS[form]([dump(one) for one in GEMINI]))

    (row,) = log.choices.to_pylist()
    assert {name: row[name] for name in GEMINI_ROW} == GEMINI_ROW
    assert log.ledger.select("lines", "responses", "chunks").row(0) == (1, 1, 0)


@pytest.mark.parametrize("prefix", ["", "data: "])
def test_pieces_of_gemini_as_lines(prefix: str, tmp_path: Path) -> None:
    other = [{**one, "responseId": "g-2"} for one in GEMINI]
    pairs = [one for pair in zip(GEMINI, other, strict=True) for one in pair]

    log = load(tmp_path, *(prefix + dump(one) for one in pairs))

    rows = sorted(log.choices.to_pylist(), key=lambda row: row["line"])
    assert [row["line"] for row in rows] == [1, 2]
    for row, name in zip(rows, ("g-1", "g-2"), strict=True):
        expected = {**GEMINI_ROW, "response_id": name}
        assert {name: row[name] for name in GEMINI_ROW} == expected
    assert log.ledger.select("lines", "responses", "chunks").row(0) == (6, 2, 4)


def test_a_whole_answer_of_gemini_is_a_response_as_ever(tmp_path: Path) -> None:
    log = load(tmp_path, dump(GEMINI[2]))

    names = ("content", "total_tokens", "chunk_count")
    assert log.frame.select(names).rows() == [("!", 15, None)]


# --- Ollama ---------------------------------------------------------------------------


def ollama(text: str, *, done: bool = False, **more: Any) -> Event:
    """Return a piece of a stream."""
    return {
        "model": "llama-t",
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": text},
        "done": done,
        **more,
    }


# 10 + 5 = 15. There is no id: the model is the key.
OLLAMA = [
    ollama("Hel"),
    ollama("lo"),
    ollama("", done=True, done_reason="stop", prompt_eval_count=10, eval_count=5),
]
OLLAMA_ROW = {
    "api": "ollama",
    "response_id": None,
    "model": "llama-t",
    "content": "Hello",
    "finish_reason": "stop",
    "prompt_tokens": 10,
    "completion_tokens": 5,
    "total_tokens": 15,
    "chunk_count": 3,
}


@pytest.mark.parametrize("form", CARRIERS)
def test_pieces_of_ollama_on_one_line(form: str, tmp_path: Path) -> None:
    log = load(tmp_path, CARRIERS[form]([dump(one) for one in OLLAMA]))

    (row,) = log.choices.to_pylist()
    assert {name: row[name] for name in OLLAMA_ROW} == OLLAMA_ROW


def test_pieces_of_ollama_as_lines(tmp_path: Path) -> None:
    """Three answers: one of another model between, and one more of the first."""
    other = [{**one, "model": "qwen-t"} for one in OLLAMA]
    pairs = [one for pair in zip(OLLAMA, other, strict=True) for one in pair]

    log = load(tmp_path, *map(dump, [*pairs, *OLLAMA]))

    rows = sorted(log.choices.to_pylist(), key=lambda row: row["line"])
    assert [row["line"] for row in rows] == [1, 2, 7]
    for row, model in zip(rows, ("llama-t", "qwen-t", "llama-t"), strict=True):
        expected = {**OLLAMA_ROW, "model": model}
        assert {name: row[name] for name in OLLAMA_ROW} == expected
    assert log.ledger.select("lines", "responses", "chunks").row(0) == (9, 3, 6)


def test_a_whole_answer_of_ollama_is_a_response_as_ever(tmp_path: Path) -> None:
    log = load(
        tmp_path, dump(ollama("Hi", done=True, done_reason="stop", eval_count=2))
    )

    assert log.frame.select("content", "chunk_count").rows() == [("Hi", None)]
