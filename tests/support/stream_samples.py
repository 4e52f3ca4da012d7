"""Streams of chunks with what providers do differently, each by its name.

`QUIRKS` changes a plain stream: the chunks of one response, as a list of objects, and
of texts for lines that are no chunk. `make_log` makes a log of several streams.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from random import Random
from typing import Any, TypeAlias

Chunk: TypeAlias = dict[str, Any]
Stream: TypeAlias = list[Chunk | str]
Quirk: TypeAlias = Callable[[Random, Stream], Stream]

WORDS = ("Hel", "lo", " wor", "ld", ", é", " 0", "0", "\n", "😀", " the")


# --- A plain stream -------------------------------------------------------------------


def chunk(delta: dict[str, Any] | None = None, **fields: Any) -> Chunk:
    """Return a chunk of one choice; ``finish_reason`` and others go into the choice."""
    of_choice = ("index", "finish_reason", "logprobs", "native_finish_reason")
    choice: dict[str, Any] = {"index": 0, "delta": delta or {}, "finish_reason": None}
    choice.update({key: fields.pop(key) for key in of_choice if key in fields})
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_780_000_000,
        "model": "model-a",
        "choices": [choice],
        **fields,
    }


def used(prompt: int, completion: int, **usage: Any) -> dict[str, Any]:
    """Return a usage."""
    total = prompt + completion
    counts = {"prompt_tokens": prompt, "completion_tokens": completion}
    return {**counts, "total_tokens": total, **usage}


def plain_stream(dice: Random, name: str = "chatcmpl-1") -> Stream:
    """Return a stream as OpenAI sends it: role, text, finish, and usage by itself."""
    texts = dice.choices(WORDS, k=dice.randint(1, 5))
    counts = used(dice.randint(1, 99), dice.randint(1, 99))
    chunks = [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": text}) for text in texts),
        chunk(finish_reason=dice.choice(["stop", "length"])),
    ]
    if dice.random() < 0.7:
        chunks.append(chunk(choices=[], usage=counts))
    facts = {"id": name, "model": dice.choice(["model-a", "model-b"])}
    return [{**one, **facts} for one in chunks]


def _chunks(stream: Stream) -> list[Chunk]:
    return [one for one in stream if isinstance(one, dict)]


def _choices(stream: Stream) -> list[dict[str, Any]]:
    return [c for one in _chunks(stream) for c in one.get("choices") or []]


def _like(stream: Stream, *chunks: Chunk) -> Stream:
    """Return chunks with the id and model of a stream."""
    last = _chunks(stream)[-1]
    facts = {key: last.get(key) for key in ("id", "model")}
    return [{**one, **facts} for one in chunks]


def _before_finish(stream: Stream, new: Stream) -> Stream:
    """Return a stream with more chunks before the one that finishes it."""
    ends = [
        place
        for place, one in enumerate(stream)
        if isinstance(one, dict)
        and any(choice.get("finish_reason") for choice in one.get("choices") or [])
    ]
    end = ends[0] if ends else len(stream)
    return [*stream[:end], *new, *stream[end:]]


# --- Usage (S7) -----------------------------------------------------------------------


def _growing(dice: Random, stream: Stream) -> Stream:
    prompt = dice.randint(1, 99)
    for count, one in enumerate(_chunks(stream)):
        one["usage"] = used(prompt, count)
    return stream


def _zeros_at_the_end(_dice: Random, stream: Stream) -> Stream:
    return [*stream, *_like(stream, chunk(choices=[], usage=used(0, 0)))]


def _zeros_and_details(_dice: Random, stream: Stream) -> Stream:
    details = {"completion_tokens_details": {"reasoning_tokens": 0}}
    return [*stream, *_like(stream, chunk(choices=[], usage=used(0, 0, **details)))]


def _under(place: Callable[[Chunk, Any], None]) -> Quirk:
    """Return a quirk that gives the last chunk with a choice its usage at a place."""

    def move(dice: Random, stream: Stream) -> Stream:
        with_choice = [one for one in _chunks(stream) if one.get("choices")]
        for one in _chunks(stream):
            one.pop("usage", None)
        place(with_choice[-1], used(dice.randint(1, 99), dice.randint(1, 99)))
        return stream

    return move


def _in_groq(one: Chunk, usage: Any) -> None:
    one["x_groq"] = {"id": "req_1", "usage": usage}


def _in_choice(one: Chunk, usage: Any) -> None:
    one["choices"][0]["usage"] = usage


def _beside_empty(one: Chunk, usage: Any) -> None:
    one["usage"] = {}
    one["x_groq"] = {"usage": usage}


def _corrected(dice: Random, stream: Stream) -> Stream:
    counts = [dice.randint(50, 99), dice.randint(1, 49)]
    return [*stream, *_like(stream, *(_alone(used(9, one)) for one in counts))]


def _alone(usage: Any) -> Chunk:
    return chunk(choices=[], usage=usage)


def _early_details(dice: Random, stream: Stream) -> Stream:
    details = {
        "prompt_tokens_details": {"cached_tokens": dice.randint(0, 9)},
        "completion_tokens_details": {"reasoning_tokens": dice.randint(0, 9)},
        "cost": dice.choice([0, 0.25, 1.5]),
    }
    chunks = [_alone(used(9, 5, **details)), _alone(used(9, dice.randint(5, 9)))]
    return [*stream, *_like(stream, *chunks)]


def _empty_usage(_dice: Random, stream: Stream) -> Stream:
    return [*stream, *_like(stream, _alone({}))]


def _without_usage(_dice: Random, stream: Stream) -> Stream:
    for one in _chunks(stream):
        one["usage"] = None
    return stream


def _twice(_dice: Random, stream: Stream) -> Stream:
    return [*stream, *_like(stream, _alone(used(7, 8)), _alone(used(7, 8)))]


# --- Ids, facts and choices (S1, S3, S5) ----------------------------------------------


def _late_id(_dice: Random, stream: Stream) -> Stream:
    _chunks(stream)[0]["id"] = ""
    return stream


def _framing_first(_dice: Random, stream: Stream) -> Stream:
    filters = [{"prompt_index": 0, "content_filter_results": {}}]
    facts = {"id": "", "model": "", "created": 0, "object": ""}
    return [{**facts, "choices": [], "prompt_filter_results": filters}, *stream]


def _without_id(dice: Random, stream: Stream) -> Stream:
    for one in _chunks(stream):
        if dice.random() < 0.5:
            one.pop("id", None)
        else:
            one["id"] = dice.choice([None, ""])
    return stream


def _new_created(_dice: Random, stream: Stream) -> Stream:
    for place, one in enumerate(_chunks(stream)):
        one["created"] = place and 1_780_000_000 + place  # 0 is none
    return stream


def _new_model(_dice: Random, stream: Stream) -> Stream:
    for place, one in enumerate(_chunks(stream)):
        one["model"] = f"model-{place % 3}" if place else ""
    return stream


def _late_facts(_dice: Random, stream: Stream) -> Stream:
    late = {"system_fingerprint": "fp_1", "provider": "Maker", "service_tier": "flex"}
    _chunks(stream)[-1].update(late)
    return stream


def _message_beside(_dice: Random, stream: Stream) -> Stream:
    answer = ""
    for choice in _choices(stream):
        text = choice.get("delta", {}).get("content")
        answer += text if isinstance(text, str) else ""
        choice["message"] = {"role": "assistant", "content": answer}
    return stream


def _named_as_whole(_dice: Random, stream: Stream) -> Stream:
    for one in _chunks(stream):
        choices = one.get("choices") or []
        if choices and not any(choice.get("finish_reason") for choice in choices):
            one["object"] = "chat.completion"
    return stream


def _without_object(_dice: Random, stream: Stream) -> Stream:
    for place, one in enumerate(_chunks(stream)):
        one["object"] = ("", None)[place % 2]
    return stream


def _null_choices(_dice: Random, stream: Stream) -> Stream:
    for one in _chunks(stream):
        if not one.get("choices"):
            one["object"], one["choices"] = "chat.completion.chunk", None
    return stream


def _two_choices(dice: Random, stream: Stream) -> Stream:
    made: Stream = []
    for one in stream:
        made.append(one)
        if isinstance(one, dict) and one.get("choices") and dice.random() < 0.9:
            other = deepcopy(one)
            other.pop("usage", None)
            for choice in other["choices"]:
                choice["index"] = 1
            if dice.random() < 0.3:
                one["choices"] = [*other["choices"], *one["choices"]]
            else:
                made.append(other)
    return made


def _without_index(_dice: Random, stream: Stream) -> Stream:
    for choice in _choices(stream):
        choice.pop("index", None)
    return stream


def _other_index(_dice: Random, stream: Stream) -> Stream:
    for choice in _choices(stream):
        choice["index"] = choice.get("index", 0) + 3
    return stream


def _repeated_role(_dice: Random, stream: Stream) -> Stream:
    for one in _before_finish(stream, ["end"]):
        if one == "end":
            break
        if isinstance(one, dict):
            for choice in one.get("choices") or []:
                choice["delta"]["role"] = "assistant"
    return stream


def _repeated_finish(_dice: Random, stream: Stream) -> Stream:
    words = {"finish_reason": "stop", "native_finish_reason": "END"}
    return _before_finish(stream, _like(stream, chunk(**words)))


def _finish_with_text(_dice: Random, stream: Stream) -> Stream:
    for choice in _choices(stream):
        if choice.get("finish_reason") and isinstance(choice.get("delta"), dict):
            choice["delta"]["content"] = "."
    return stream


def _filters_behind(_dice: Random, stream: Stream) -> Stream:
    (late,) = _chunks(_like(stream, chunk()))
    late["choices"][0] |= {"content_filter_results": {"hate": {"filtered": False}}}
    return [*stream, late]


def _usage_with_role(_dice: Random, stream: Stream) -> Stream:
    delta = {"role": "assistant", "content": ""}
    return [*stream, *_like(stream, chunk(delta, usage=used(99, 99)))]


def _never_finishes(dice: Random, stream: Stream) -> Stream:
    chunks = _before_finish(stream, ["end"])
    end = chunks.index("end")
    return chunks[: dice.randint(1, end)] if end else stream


# --- Texts and logprobs (S5) ----------------------------------------------------------


def _says(key: str, *values: Any) -> Quirk:
    """Return a quirk that says something at a key of the delta."""

    def say(_dice: Random, stream: Stream) -> Stream:
        return _before_finish(stream, _like(stream, *(chunk({key: v}) for v in values)))

    return say


def _silent(_dice: Random, stream: Stream) -> Stream:
    for choice in _choices(stream):
        choice["delta"].pop("content", None)
    return stream


def _only_empty(_dice: Random, stream: Stream) -> Stream:
    for choice in _choices(stream):
        choice["delta"]["content"] = ""
    return stream


def _null_delta(_dice: Random, stream: Stream) -> Stream:
    for choice in _choices(stream):
        if choice.get("finish_reason"):
            choice["delta"] = None
    return stream


def _logprobs(*values: Any) -> Quirk:
    """Return a quirk that gives some tokens a logprob."""

    def give(_dice: Random, stream: Stream) -> Stream:
        items = [{"token": "a", "logprob": value} for value in values]
        more = [{"content": items}, {"content": []}, None]
        chunks = [chunk({"content": "a"}, logprobs=one) for one in more]
        return _before_finish(stream, _like(stream, *chunks))

    return give


# --- Tool calls (S6) ------------------------------------------------------------------


def _call(
    name: str | None = None,
    arguments: Any = None,
    *,
    key: str = "function",
    **call: Any,
) -> dict[str, Any]:
    """Return a fragment of a tool call."""
    given = {"name": name, "input" if key == "custom" else "arguments": arguments}
    known = {name: value for name, value in given.items() if value is not None}
    return {**call, key: known}


def _calls(*lists: Any) -> Quirk:
    """Return a quirk with a chunk for each list of fragments."""
    return _says("tool_calls", *lists)


_TOOLS: dict[str, Quirk] = {
    "two calls, interleaved": _calls(
        [_call("get_a", "", index=0, id="c1", type="function")],
        [_call("get_b", "", index=1, id="c2", type="function")],
        [_call(None, '{"a"', index=0), _call(None, '{"b"', index=1)],
        [_call(None, ": 1}", index=1)],
        [_call(None, ": 2}", index=0)],
    ),
    "all calls labelled 0": _calls(
        [_call("get_a", "{}", index=0, id="c1", type="function")],
        [_call("get_b", "{", index=0, id="c2", type="function")],
        [_call(None, "}", index=0)],
    ),
    "all ids 0": _calls(
        [_call("get_a", "", index=0, id="0", type="function")],
        [_call(None, "{}", index=0, id="0")],
        [_call("get_b", "", index=1, id="0", type="function")],
        [_call(None, "{}", index=1, id="0")],
    ),
    "calls by id alone": _calls(
        [_call("get_a", "", id="c1", type="function")],
        [_call("get_b", "[", id="c2", type="function")],
        [_call(None, "{}", id="c1")],
        [_call("get_b", "]", id="c2")],
    ),
    "neither id nor index": _calls(
        [_call("get_a", "{")], [_call(None, "}")], [_call("get_b", "{}")]
    ),
    "name after id": _calls(
        [{"id": "c1", "type": "function", "function": {}}], [_call("get_a", "{}")]
    ),
    "name in pieces": _calls(
        [_call("get_", index=0, id="c1")], [_call("weather", "{}", index=0)]
    ),
    "name repeated": _calls(
        [_call("get_a", "{", index=0, id="c1")], [_call("get_a", "}", index=0)]
    ),
    "name and id in each": _calls(
        [_call("get_a", "{", index=0, id="c1")],
        [_call("get_a", "}", index=0, id="c1")],
    ),
    "empty name and id": _calls(
        [_call("get_a", "{", index=0, id="c1", type="function")],
        [_call("", "}", index=0, id="", type="")],
    ),
    "arguments as object": _calls([_call("get_a", {"é": [1, 2.5]}, index=0, id="c1")]),
    "arguments null": _calls(
        [_call("get_a", index=0, id="c1") | {"function": {"arguments": None}}],
        [_call("get_a", "{}", index=0)],
    ),
    "custom tool": _calls(
        [_call("sql", "SEL", key="custom", index=0, id="c1", type="custom")],
        [_call(None, "ECT", key="custom", index=0)],
    ),
    "no fragments": _calls([], None, {}),
    "function_call": _says(
        "function_call",
        {"name": "get_a", "arguments": ""},
        {"arguments": "{"},
        {"arguments": "}"},
    ),
    "empty function_call": _says("function_call", {}, {"name": "", "arguments": ""}),
}


# --- Streams of the same key (S4) -----------------------------------------------------


def _again(*ends: Chunk | str, **first: Any) -> Quirk:
    """Return a quirk that begins a stream again after its end, with this delta."""
    fields = {key: first.pop(key) for key in ("usage", "finish_reason") if key in first}

    def begin(_dice: Random, stream: Stream) -> Stream:
        begun = [chunk(first, **fields), chunk(finish_reason="length")]
        chunks = [
            one if isinstance(one, str) else _like(stream, one)[0] for one in ends
        ]
        return [*stream, *chunks, *_like(stream, *begun)]

    return begin


def _snowflake(_dice: Random, stream: Stream) -> Stream:
    """Return two streams without a finish, each with its usage by itself."""
    texts = [one for one in _chunks(stream) if one.get("choices")]
    for choice in _choices(stream):
        choice["finish_reason"] = None
    usage, other = _like(stream, _alone(used(5, 6)), _alone(used(7, 8)))
    return [*texts, usage, *texts, other]


def _copied(_dice: Random, stream: Stream) -> Stream:
    return [*stream, *stream]


AGAIN: dict[str, Quirk] = {
    "again with a text": _again(content="New"),
    "again with reasoning": _again(reasoning="New"),
    "again with a refusal": _again(refusal="No"),
    "again with a call": _again(tool_calls=[_call("get_a", "{}", index=0, id="c9")]),
    "again with a role": _again(role="assistant", content=""),
    "again with fewer tokens": _again(_alone(used(9, 100)), usage=used(9, 1)),
    "again with a finish": _again(_alone(used(3, 4)), finish_reason="stop"),
    "again after the end": _again("data: [DONE]", content=""),
    "again without a finish": _snowflake,
    "the same again": _copied,
}


# --- Other lines ----------------------------------------------------------------------


def _end(*lines: str) -> Quirk:
    return lambda _dice, stream: [*stream, *lines]


def _inside(*lines: str) -> Quirk:
    """Return a quirk that puts lines between the chunks."""

    def put(dice: Random, stream: Stream) -> Stream:
        made = list(stream)
        for line in lines:
            made.insert(dice.randint(1, len(made)), line)
        return made

    return put


def _refused(dice: Random, stream: Stream) -> Stream:
    bad = _like(stream, chunk({"content": 5}))
    return _inside(json.dumps(bad[0]))(dice, stream)


def _as_data(dice: Random, stream: Stream) -> Stream:
    """Return a stream as lines of server-sent events."""
    made: Stream = []
    for place, one in enumerate(stream):
        text = one if isinstance(one, str) else dump(one)
        if isinstance(one, dict):
            text = dice.choice(["data: ", "data:"]) + text
        more = ["event: message", f"id: {place}", "retry: 100", ": ping", "data:", ""]
        made += [*dice.sample(more, k=dice.randint(0, 3)), text]
    return made


def whole(stream: Stream, **fields: Any) -> Chunk:
    """Return a whole response with the id of a stream."""
    message = {"role": "assistant", "content": "Whole."}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    facts = {"object": "chat.completion", "usage": used(500, 500), "choices": [choice]}
    (first,) = _chunks(_like(stream, chunk()))
    return {**first, **facts, **fields}


def _whole_before(_dice: Random, stream: Stream) -> Stream:
    return [dump(whole(stream)), *stream]


def _whole_behind(_dice: Random, stream: Stream) -> Stream:
    return [*stream, dump(whole(stream))]


def _whole_in_data(_dice: Random, stream: Stream) -> Stream:
    return [*stream, f"data: {dump(whole(stream))}", "data: [DONE]"]


_PIECE = {"id": "cmpl-1", "object": "text_completion", "choices": [{"text": "Hel"}]}

SHAPES: dict[str, Quirk] = {
    "usage in every chunk, growing": _growing,
    "zeros at the end": _zeros_at_the_end,
    "zeros and details at the end": _zeros_and_details,
    "usage under x_groq": _under(_in_groq),
    "usage in the choice": _under(_in_choice),
    "usage under x_groq beside an empty one": _under(_beside_empty),
    "usage corrected downwards": _corrected,
    "details only in an earlier usage": _early_details,
    "empty usage": _empty_usage,
    "no usage": _without_usage,
    "usage twice": _twice,
    "id only in later chunks": _late_id,
    "framing chunk first": _framing_first,
    "no id": _without_id,
    "created changes": _new_created,
    "model changes": _new_model,
    "facts in the last chunk": _late_facts,
    "message beside delta": _message_beside,
    "object chat.completion": _named_as_whole,
    "no object": _without_object,
    "null for no choices": _null_choices,
    "two choices": _two_choices,
    "no index": _without_index,
    "index 3": _other_index,
    "role repeated": _repeated_role,
    "finish repeated": _repeated_finish,
    "finish with text": _finish_with_text,
    "filters behind the finish": _filters_behind,
    "role with the usage": _usage_with_role,
    "never finishes": _never_finishes,
    "reasoning": _says("reasoning_content", "", "Thin", "king"),
    "reasoning by its other name": _says("reasoning", "Thin", None, "king"),
    "refusal": _says("refusal", "I can", "not"),
    "content as parts": _says(
        "content",
        [{"type": "text", "text": "par"}, {"type": "text", "text": "ts"}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}],
    ),
    "no content": _silent,
    "only empty content": _only_empty,
    "null delta": _null_delta,
    "logprobs": _logprobs(-0.5, -0.25),
    "logprob missing": _logprobs(-0.5, None),
    **_TOOLS,
}
LINES: dict[str, Quirk] = {
    "[DONE] behind": _end("[DONE]"),
    "data: [DONE] behind": _end("", "data: [DONE]", ""),
    "refused chunk inside": _refused,
    "error inside": _inside('{"error": {"message": "overloaded", "code": 529}}'),
    "error event inside": _inside('error: {"error": {"message": "overloaded"}}'),
    "blank and bad lines inside": _inside("", " \t", '{"torn'),
    "comments inside": _inside(": OPENROUTER PROCESSING", "event: ping", "data: "),
    "data lines": _as_data,
}
WHOLES: dict[str, Quirk] = {
    "whole before": _whole_before,
    "whole behind": _whole_behind,
    "whole behind, as data": _whole_in_data,
}
QUIRKS = {**SHAPES, **AGAIN, **WHOLES, **LINES}


# --- Logs -----------------------------------------------------------------------------


def dump(value: object) -> str:
    """Write a value as one line of JSON."""
    return json.dumps(value, ensure_ascii=False)


def as_lines(stream: Iterable[Chunk | str]) -> list[str]:
    """Write a stream as lines."""
    return [one if isinstance(one, str) else dump(one) for one in stream]


def make_stream(dice: Random, name: str, quirks: Sequence[str] | None = None) -> Stream:
    """Return a stream with these quirks, or with some of `QUIRKS`.

    Quirks of shape come first, and of those that begin a stream again or add a whole
    response there is at most one: the rules say nothing of both.
    """
    if quirks is None:
        quirks = dice.sample(list(SHAPES), k=dice.choice([0, 1, 1, 2, 3, 4]))
        last = dice.choice([[], [], list(AGAIN), list(WHOLES)])
        quirks += [dice.choice(last)] if last else []
        quirks += dice.sample(list(LINES), k=dice.choice([0, 0, 1, 2]))
    stream = plain_stream(dice, name)
    for quirk in sorted(quirks, key=list(QUIRKS).index):
        stream = deepcopy(QUIRKS[quirk](dice, stream))
    return stream


def interleave(dice: Random, *parts: Sequence[str]) -> list[str]:
    """Mix lists of lines, each in its order."""
    turns = [part for part, lines in enumerate(parts) for _ in lines]
    dice.shuffle(turns)
    left = [iter(lines) for lines in parts]
    return [next(left[part]) for part in turns]


def cut(dice: Random, lines: Sequence[str], logs: int) -> list[list[str]]:
    """Cut a list of lines into that many, of which some may be empty."""
    ends = sorted(dice.randint(0, len(lines)) for _ in range(logs - 1))
    return [
        list(lines[begin:end])
        for begin, end in zip([0, *ends], [*ends, len(lines)], strict=True)
    ]


def make_log(dice: Random, streams: int) -> list[str]:
    """Return a log of streams, interleaved or one after the other."""
    made = [
        as_lines(make_stream(dice, f"chatcmpl-{number}")) for number in range(streams)
    ]
    if dice.random() < 0.5:
        return interleave(dice, *made)
    return [line for lines in made for line in lines]
