"""What a line of a sample may contain beyond an ordinary response: quirks.

A `Quirk` changes the response, the object around it, how it is written as JSON, or the
written line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from toolkit.testing.dialects import (
    FOREIGN,
    MODELS,
    SENTENCES,
    TEAMS,
    TOOLS,
    Change,
    Dice,
    Json,
    Model,
)
from toolkit.testing.responses import make_response

Stream: TypeAlias = Callable[[Json], object]
_GPT_4O, _GPT_MINI, _MISTRAL, _DEEPSEEK, _GROK, _OLLAMA = MODELS[:6]


def _bare(response: Json, _dice: Dice) -> Json:
    """Return the response itself."""
    return response


def _tagged(response: Json, dice: Dice) -> Json:
    """Return the response with metadata of the caller."""
    return {**response, "metadata": {"team": dice.pick(TEAMS)}}


def _batch(response: Json, dice: Dice) -> Json:
    """Return the response as in the output file of a batch."""
    answer = {"status_code": 200, "request_id": dice.code(), "body": response}
    name, task = f"batch_req_{dice.code()}", f"task-{dice.pick(range(10**6))}"
    return {"id": name, "custom_id": task, "response": answer, "error": None}


def _pair(response: Json, dice: Dice) -> Json:
    """Return the response with its request, as a proxy logs it."""
    messages = [{"role": "user", "content": dice.pick(SENTENCES)}]
    request = {"model": dice.model.requested, "messages": messages, "temperature": 0.2}
    metadata = {"team": dice.pick(TEAMS)}
    return {"request": request, "response": response, "metadata": metadata}


def _pair_text(response: Json, dice: Dice) -> Json:
    """Return such a pair with the response as a string of JSON."""
    return {**_pair(response, dice), "response": json.dumps(response)}


_ESCAPED = json.JSONEncoder(separators=(",", ":")).encode
_RAW = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
ENCODERS: tuple[Callable[[object], str], ...] = (_RAW, _RAW, _ESCAPED, json.dumps)
WRAPS = (*[_bare] * 42, *[_tagged] * 3, *[_pair] * 3, *[_batch] * 2)


def _latin(line: bytes, _dice: Dice) -> bytes:
    """Return the line in Latin-1."""
    return line.decode().encode("latin-1", "replace")


def _put(value: object, *path: str | int) -> Change:
    """Return a change that sets the value at `path`."""

    def change(response: Json, _dice: Dice) -> None:
        place: Any = response
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return change


def _set_message(finish_reason: str, **message: object) -> Change:
    """Return a change that sets the message, without content."""
    fields = {"role": "assistant", "content": None, **message}
    choice = {"index": 0, "message": fields, "finish_reason": finish_reason}
    return _put([choice], "choices")


def _set_tool_calls(arguments: Callable[[Json], object], calls: int = 1) -> Change:
    """Return a change that sets the message to tool calls."""

    def call(dice: Dice) -> Json:
        tool = dice.pick(TOOLS)
        function = {**tool, "arguments": arguments(tool["arguments"])}
        return {"id": f"call_{dice.code()}", "type": "function", "function": function}

    def change(response: Json, dice: Dice) -> None:
        made = [call(dice) for _ in range(calls)]
        _set_message("tool_calls", tool_calls=made)(response, dice)

    return change


def _several_choices(response: Json, dice: Dice) -> None:
    """Add one to three choices, and their tokens to the usage."""
    usage, first = response["usage"], response["choices"][0]
    for index in range(1, dice.pick((2, 3, 4))):
        text = dice.text(dice.model.sentences)
        message = {**first["message"], "content": text}
        response["choices"].append({**first, "index": index, "message": message})
        usage["completion_tokens"] += len(text) // 4
        usage["total_tokens"] += len(text) // 4


def _logprobs(response: Json, dice: Dice) -> None:
    """Shorten the answer, and add the log probability of each token."""
    choice = response["choices"][0]
    tokens = choice["message"]["content"].split()[:12]
    choice["message"]["content"] = " ".join(tokens)
    content = [
        {"token": token, "logprob": -round(dice.random() ** 2, 7), "top_logprobs": []}
        for token in tokens
    ]
    choice["logprobs"] = {"content": content, "refusal": None}


def _parts(response: Json, dice: Dice) -> None:
    """Set the content to a list of parts, the thinking first."""
    message = response["choices"][0]["message"]
    thinking = [{"type": "text", "text": dice.text(2)}]
    text = {"type": "text", "text": message["content"]}
    message["content"] = [{"type": "thinking", "thinking": thinking}, text]


def half(line: bytes) -> bytes:
    """Return the first half of a line, cut between two characters."""
    return line[: len(line) // 2].decode(errors="ignore").encode()


def _stream(response: Json) -> list[Json]:
    """Return the chunks of a response that was streamed: the last has the usage."""
    text = response["choices"][0]["message"]["content"]
    facts = {**response, "object": "chat.completion.chunk", "usage": None}
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": text[at : at + 80]} for at in range(0, len(text), 80)]
    chunks = [
        {**facts, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
        for delta, reason in [*((delta, None) for delta in deltas), ({}, "stop")]
    ]
    return [*chunks, {**facts, "choices": [], "usage": response["usage"]}]


def _stream_text(response: Json) -> Json:
    """Return a stream as a proxy logs it: the text of its events."""
    events = [*map(_RAW, _stream(response)), "[DONE]"]
    return {"response": "".join(f"data: {event}\n\n" for event in events)}


class Quirk(NamedTuple):
    """A peculiarity of a response or of its line."""

    name: str
    rate: int  # of 10,000 lines, in addition to the one that a sample always has
    change: Change = lambda *_: None
    model: Model | None = None  # None, here and below: chosen by chance
    wrap: Callable[[Json, Dice], Json] | None = None
    encoder: Callable[[object], str] | None = None
    damage: Callable[[bytes, Dice], bytes] | None = None


_FINISH = ("choices", 0, "finish_reason")
_CONTENT = ("choices", 0, "message", "content")
_DEEP = b',"trace":' + b"[" * 600 + b"]" * 600 + b"}"
_QUERY = {"name": "sql", "input": "select 1"}
_SQL = {"id": "call_1", "type": "custom", "custom": _QUERY}
_LEGACY = {"name": "get_weather", "arguments": '{"city":"Lyon"}'}
_FILTERED: Json = {"index": 0, "finish_reason": "content_filter"}
_FILTERED |= {"content_filter_results": {}}
_EVENT = {"type": "content_block_delta", "index": 0, "delta": {"text": "Hel"}}
_ERROR = {"error": {"message": "Too many requests.", "type": "requests", "code": None}}
_ERROR_TEXT = {"error": "upstream timed out"}
_NOTICE = {"level": "INFO", "logger": "worker", "message": "ready"}
# Each is required twice, as two lines are needed for a repetition.
_REPEATED_ID = Quirk("repeated_id", 0, _put("chatcmpl-417", "id"), _OLLAMA)
_EQUAL = Quirk(
    "equal", 10, wrap=lambda *_: make_response(id="", created=0), encoder=_RAW
)
QUIRKS = (
    Quirk("finish_length", 300, _put("length", *_FINISH)),
    Quirk("finish_empty", 15, _put("", *_FINISH)),
    Quirk("tool_call", 600, _set_tool_calls(json.dumps)),
    Quirk("two_tool_calls", 80, _set_tool_calls(json.dumps, calls=2)),
    Quirk(
        "tool_invalid_arguments",
        20,
        _set_tool_calls(lambda given: json.dumps(given)[:-3]),
    ),
    Quirk("tool_object_arguments", 20, _set_tool_calls(dict), _MISTRAL),
    Quirk("tool_custom", 30, _set_message("tool_calls", tool_calls=[_SQL]), _GPT_4O),
    Quirk(
        "function_call",
        30,
        _set_message("function_call", function_call=_LEGACY),
        _GPT_4O,
    ),
    Quirk(
        "refusal", 60, _set_message("stop", refusal="I cannot help with that."), _GPT_4O
    ),
    Quirk("content_filter", 40, _put([_FILTERED], "choices"), _GPT_4O),
    Quirk("content_parts", 80, _parts, _MISTRAL),
    Quirk("content_object", 20, _put({"city": "Lyon", "nights": 3}, *_CONTENT)),
    Quirk("text_escaped", 20, _put(FOREIGN, *_CONTENT), encoder=_ESCAPED),
    Quirk("text_raw", 20, _put(FOREIGN, *_CONTENT), encoder=_RAW),
    Quirk("logprobs", 120, _logprobs, _GPT_4O),
    Quirk("several_choices", 200, _several_choices, _GPT_MINI),
    Quirk("choices_empty", 10, _put([], "choices")),
    Quirk("service_tier", 80, _put("flex", "service_tier"), _GPT_MINI),
    Quirk(
        "service_tier_in_usage", 20, _put("batch", "usage", "service_tier"), _MISTRAL
    ),
    Quirk("metadata", 0, wrap=_tagged),
    Quirk("batch", 0, wrap=_batch),
    Quirk("pair", 0, wrap=_pair),
    Quirk("pair_text", 40, wrap=_pair_text),
    Quirk("created_missing", 40, lambda response, _: response.pop("created")),
    Quirk("created_zero", 20, _put(0, "created")),
    Quirk("created_string", 25, lambda made, dice: made.update(created=f"{dice.now}")),
    Quirk("created_float", 30, lambda made, dice: made.update(created=dice.now + 0.25)),
    Quirk("id_empty", 30, _put("", "id")),
    Quirk("id_missing", 15, lambda response, _: response.pop("id")),
    *(_REPEATED_ID, _REPEATED_ID, _EQUAL, _EQUAL),
    Quirk("logged_twice", 40, damage=lambda _, dice: dice.earlier_line),
    Quirk("reasoning_over", 20, _put(9, "usage", "completion_tokens"), _DEEPSEEK),
    Quirk("cached_over", 10, _put(10**4, "usage", "cached_tokens"), _GROK),
    Quirk("usage_missing", 30, lambda response, _: response.pop("usage")),
    Quirk("usage_null", 15, _put(None, "usage")),
    Quirk("blank", 15, damage=lambda *_: b""),
    Quirk("blank_spaces", 10, damage=lambda *_: b" \t "),
    Quirk("crlf", 40, damage=lambda line, _: line + b"\r"),
    Quirk("invalid_utf8", 10, _put(FOREIGN, *_CONTENT), encoder=_RAW, damage=_latin),
    Quirk("too_deep", 1, damage=lambda line, _: line[:-1] + _DEEP),
    Quirk("nan", 6, _put(math.nan, "usage", "queue_time")),
    Quirk("trailing_comma", 6, damage=lambda line, _: line[:-1] + b",}"),
    Quirk("cut_short", 8, damage=lambda line, _: half(line)),
    Quirk("lone_surrogate", 5, _put("A smile: \ud83d", *_CONTENT), encoder=_ESCAPED),
    Quirk("stream_chunk", 12, wrap=lambda *_: _EVENT),
    Quirk("error", 18, wrap=lambda *_: _ERROR),
    Quirk("error_text", 5, wrap=lambda _, dice: _pair(_ERROR_TEXT, dice)),
    Quirk("error_in_batch", 5, wrap=lambda _, dice: _batch(_ERROR, dice)),
    Quirk("not_a_response", 8, wrap=lambda *_: _NOTICE),
    Quirk("wrong_type_usage", 4, _put("12", "usage", "prompt_tokens")),
    Quirk("wrong_type_content", 4, _put(42, *_CONTENT)),
    Quirk("out_of_range_tokens", 4, _put(-1, "usage", "completion_tokens")),
    Quirk("out_of_range_created", 4, _put(1_790_812_800_000, "created")),
)
# What a response becomes whose stream is logged on a line: cut off, without its usage,
# and with it in two forms. If its chunks were lines of their own, an export of a sample
# would depend on when that was written.
STREAMS: tuple[Stream, ...] = (
    lambda response: {"chunks": _stream(response)[:2]},
    lambda response: {"chunks": _stream(response)[:-1]},
    _stream,
    _stream_text,
)
PLAIN = Quirk("plain", 0)
_QUIRKY = [quirk for quirk in QUIRKS for _ in range(quirk.rate)]
ODDS = [*_QUIRKY, *[PLAIN] * (10_000 - len(_QUIRKY))]
REQUIRED = (*QUIRKS, *(Quirk(model.name, 0, model=model) for model in MODELS))
