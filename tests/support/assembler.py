"""What a log of streamed responses should become, in plain Python that shares no code.

It reads a log line by line with the standard library and keeps every chunk, so that
each rule is one short function over all chunks of a stream. Of the APIs it has chat
completions. It has no window and no bounds, and refuses only what the tests write:
a content, role or id that is a number.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeAlias

Json: TypeAlias = Any
Chunk: TypeAlias = dict[str, Any]

# --- What is asked for ----------------------------------------------------------------

KINDS = ("blank", "responses", "chunks", "duplicates", "errors", "rejected")
_PROMPT, _COMPLETION = "prompt_tokens_details", "completion_tokens_details"
# The first that is above 0 is read, else 0 if one is 0.
COUNTS: dict[str, tuple[str, ...]] = {
    "prompt_tokens": ("prompt_tokens",),
    "completion_tokens": ("completion_tokens",),
    "total_tokens": ("total_tokens",),
    "cached_tokens": (
        f"{_PROMPT}.cached_tokens",
        "prompt_cache_hit_tokens",
        "cached_tokens",
        "num_cached_tokens",
        "cache_read_input_tokens",
    ),
    "cache_write_tokens": (
        f"{_PROMPT}.cache_write_tokens",
        "cache_creation_input_tokens",
        f"{_PROMPT}.cache_creation_tokens",
    ),
    "reasoning_tokens": (f"{_COMPLETION}.reasoning_tokens", "reasoning_tokens"),
    "prompt_audio_tokens": (f"{_PROMPT}.audio_tokens",),
    "completion_audio_tokens": (f"{_COMPLETION}.audio_tokens",),
    "accepted_prediction_tokens": (f"{_COMPLETION}.accepted_prediction_tokens",),
    "rejected_prediction_tokens": (f"{_COMPLETION}.rejected_prediction_tokens",),
}
FACTS = ("model", "provider", "system_fingerprint")


@dataclass
class Response:
    """One response: its place, and its columns as a reader of the table sees them."""

    log: int
    line: int
    columns: dict[str, Any]
    choices: list[dict[str, Any]]


@dataclass
class Assembly:
    """The responses of some logs, and the counts of the lines of each log."""

    responses: list[Response]
    ledgers: list[Counter[str]]


# --- Lines (S1, S2) -------------------------------------------------------------------

ENVELOPES = (
    *("response.body", "response", "response_body", "body"),
    *("output", "outputs", "result", "data"),
)
_CARRIERS = ("chunks", "streamed_data", "events")
_CHUNK_NAMES = (
    *("chat.completion.chunk", "chat.completion.done"),
    *("chat.reasoning", "chat.reasoning.done"),
)


class RefusedError(Exception):
    """The ledger counts this line as an error or as rejected."""


def _at(value: Json, path: str) -> Json:
    """Return what is at a path; a string on it is decoded once as JSON."""
    for key in path.split("."):
        value = _decoded(value.get(key)) if isinstance(value, dict) else None
    return value


def _decoded(value: Json) -> Json:
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def is_chunk(value: Json) -> bool:
    """Return whether a value is a chunk of a chat completion (S1)."""
    if not isinstance(value, dict):
        return False
    kind, choices = value.get("object"), value.get("choices")
    if choices is None and kind == "chat.completion.chunk":
        choices = []
    if not isinstance(choices, list) or not all(isinstance(c, dict) for c in choices):
        return False
    has_message = any(c.get("message") is not None for c in choices)
    has_delta = any(isinstance(c.get("delta"), dict) for c in choices)
    if kind in _CHUNK_NAMES:
        return has_delta or not has_message
    if kind in (None, ""):
        return not has_message and (has_delta or not choices)
    is_open = not any(c.get("finish_reason") for c in choices)
    return kind == "chat.completion" and has_delta and is_open


def is_whole(value: Json) -> bool:
    """Return whether a value is a whole chat completion."""
    choices = value.get("choices") if isinstance(value, dict) else None
    is_list = isinstance(choices, list) and all(isinstance(c, dict) for c in choices)
    return is_list and not is_chunk(value) and value["object"] != "text_completion"


def _events(text: str) -> Iterator[str]:
    """Yield the data of server-sent events, without the last one if it is cut off."""
    data: list[str] = []
    for line in [*re.split(r"\r\n|\n|\r", text), ""]:
        if line.startswith("data:"):
            if data and _is_json("\n".join(data)):
                yield "\n".join(data)
                data = []
            data.append(line.removeprefix("data:").removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _chunks_of_text(text: str) -> Iterator[Chunk]:
    """Yield the chunks of a text of events; refuse one that cannot be read."""
    events = [event for event in _events(text) if event not in ("", "[DONE]")]
    for place, event in enumerate(events):
        if not _is_json(event):
            if place < len(events) - 1:
                raise RefusedError("rejected")
            return
        value = json.loads(event)
        choices = value.get("choices") if isinstance(value, dict) else None
        has_delta = isinstance(choices, list) and any("delta" in c for c in choices)
        if is_chunk(value) or has_delta:
            yield value


def carried(value: Json) -> list[Chunk]:
    """Return the chunks of a value that may hold a whole stream; [] if it does not."""
    if isinstance(value, str):
        is_text = re.match(r"\s*(data|event|id|retry)?:", value)
        return list(_chunks_of_text(value)) if is_text else []
    if not isinstance(value, list):
        return []
    found: list[Chunk] = []
    for item in value:
        text = item.get("raw") if isinstance(item, dict) else item
        if isinstance(text, str):
            found.extend(_chunks_of_text(text))
        elif is_chunk(item):
            found.append(item)
    return found


def _carrier(line: Json) -> list[Chunk]:
    """Return the chunks of a line that holds a whole stream; [] if it does not."""
    places = [*ENVELOPES, *_CARRIERS, *(f"response.{name}" for name in _CARRIERS)]
    values = (line, *(_at(line, path) for path in places))
    return next(filter(None, map(carried, values)), [])


@dataclass
class Line:
    """One of `KINDS`, or an end, framing, a chunk, a carrier, a whole response."""

    kind: str
    chunks: list[Chunk] = field(default_factory=list)


def read_line(text: str) -> Line:
    """Return what a line is."""
    text = text.removesuffix("\r")
    if not text.strip(" \t"):
        return Line("blank")
    if text.startswith("data:"):
        text = text.removeprefix("data:").removeprefix(" ")
        if not text.strip(" \t"):
            return Line("framing")
    elif text.startswith((":", "event:", "id:", "retry:")):
        return Line("framing")
    elif text.startswith("error:") and _is_json(text.removeprefix("error:")):
        return Line("errors")
    if text.strip() == "[DONE]":
        return Line("end")
    if not _is_json(text):
        return Line("rejected")
    try:
        return _read_value(json.loads(text))
    except RefusedError as refused:
        return Line(str(refused))


def _read_value(value: Json) -> Line:
    found = [value, *(_at(value, path) for path in ENVELOPES)]
    for one in found:
        if is_chunk(one):
            _check(one)
            return Line("framing" if _is_framing(one) else "chunk", [one])
        if is_whole(one):
            return Line("whole", [_as_chunk(one)])
    chunks = _carrier(value)
    for chunk in chunks:
        _check(chunk)
    if chunks:
        said = [chunk for chunk in chunks if not _is_framing(chunk)]
        return Line("carrier", said or chunks)
    is_error = any(isinstance(v, dict) and v.get("error") for v in found)
    return Line("errors" if is_error else "rejected")


def _is_framing(chunk: Chunk) -> bool:
    """Return whether a chunk belongs to no stream (S3)."""
    return not (chunk.get("id") or chunk.get("choices") or usage_of(chunk))


def _check(chunk: Chunk) -> None:
    """Refuse a chunk with a text that is a number (S8)."""
    deltas = [choice.get("delta") or {} for choice in chunk.get("choices") or []]
    texts = [delta.get(name) for delta in deltas for name in ("content", "role")]
    if any(isinstance(text, int) for text in [chunk.get("id"), *texts]):
        raise RefusedError("rejected")


def _as_chunk(response: Chunk) -> Chunk:
    """Return a whole response as if it were one chunk."""
    choices = [{**c, "delta": c.get("message")} for c in response["choices"]]
    # The usage of a whole response has one place.
    choices = [{**choice, "usage": None} for choice in choices]
    return {**response, "choices": choices, "x_groq": None}


# --- Chunks (S5) ----------------------------------------------------------------------


def choices_of(chunk: Chunk) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the choices of a chunk, each with its index or else its place."""
    for place, choice in enumerate(chunk.get("choices") or []):
        index = choice.get("index")
        yield (place if index is None else index), choice


def said_by(choice: dict[str, Any], name: str) -> str | None:
    """Return a text of a choice: ``content``, ``reasoning_content`` or ``refusal``."""
    delta = choice.get("delta") or {}
    content = delta.get("content")
    if name == "refusal":
        return delta.get("refusal")
    if name == "content":
        return _parts(content, "text") if isinstance(content, list) else content
    named = delta.get("reasoning_content")
    named = delta.get("reasoning") if named is None else named
    if named is None and isinstance(content, list):
        return _parts(content, "thinking")
    return named


TEXTS = ("content", "reasoning_content", "refusal")


def _parts(parts: list[dict[str, Any]], kind: str) -> str | None:
    texts = [part[kind] for part in parts if part.get("type") == kind]
    texts = [_parts(t, "text") if isinstance(t, list) else t for t in texts]
    known = [text for text in texts if text is not None]
    return "".join(known) if known else None


def fragments_of(choice: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the fragments of tool calls, and the older kind as one of them."""
    delta = choice.get("delta") or {}
    calls = delta.get("tool_calls")
    if calls not in (None, {}):
        return calls  # type: ignore[no-any-return]
    older = delta.get("function_call")
    if not older or not (older.get("name") or older.get("arguments")):
        return None
    return [{"id": older.get("id"), "type": older.get("type"), "function": older}]


def usage_of(chunk: Chunk) -> dict[str, Any]:
    """Return the usage of a chunk, {} if it has none (S7)."""
    roots = [chunk, chunk.get("x_groq"), *(chunk.get("choices") or [])]
    usages = [root.get("usage") for root in roots if isinstance(root, dict)]
    return next((usage for usage in usages if isinstance(usage, dict) and usage), {})


def counts_of(usage: dict[str, Any]) -> dict[str, int | None]:
    """Return the token counts of one usage."""
    return {name: _count(usage, paths) for name, paths in COUNTS.items()}


def _count(usage: dict[str, Any], paths: Sequence[str]) -> int | None:
    found = [_at(usage, path) for path in paths]
    known = [count for count in found if count is not None]
    return next(filter(None, known), known[0] if known else None)


# --- One stream from all its chunks (S5 to S7) ----------------------------------------


def put_together(
    chunks: Sequence[Chunk],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the columns of a response, and those of its choices."""
    by_index: dict[int, list[dict[str, Any]]] = {}
    for chunk in chunks:
        for index, choice in choices_of(chunk):
            by_index.setdefault(index, []).append(choice)
    columns: dict[str, Any] = {
        "response_id": _first(chunk.get("id") for chunk in chunks),
        "created": _first(map(_microseconds, chunks)),
        **{name: _first(chunk.get(name) for chunk in chunks) for name in FACTS},
        "service_tier": _first(map(_service_tier, chunks)),
        "choice_count": len(by_index),
        "chunk_count": len(chunks),
        **total_usage([usage_of(chunk) for chunk in chunks]),
        "reported_cost": _last(map(_cost, chunks)),
    }
    return columns, [_choice(by_index[index]) for index in sorted(by_index)]


def _first(values: Iterator[Any] | map[Any]) -> Any:
    return next((value for value in values if value not in (None, "", 0)), None)


def _last(values: Iterator[Any] | map[Any]) -> Any:
    known = [value for value in values if value not in (None, "")]
    return known[-1] if known else None


def _microseconds(chunk: Chunk) -> int | None:
    created = chunk.get("created")
    return round(float(created) * 10**6) if created else None


def _service_tier(chunk: Chunk) -> str | None:
    return chunk.get("service_tier") or usage_of(chunk).get("service_tier")


def _cost(chunk: Chunk) -> float | None:
    """Return what the provider says, the one of xAI in ticks of 10^-10 dollars."""
    usage, other = usage_of(chunk), chunk.get("cost")
    cost = usage.get("cost")
    cost = cost.get("total_cost") if isinstance(cost, dict) else cost
    if cost is None and usage.get("cost_in_usd_ticks"):
        return float(usage["cost_in_usd_ticks"] / 10**10)
    if cost is None and isinstance(other, dict):
        return other.get("usd")
    return cost


def total_usage(usages: Sequence[dict[str, Any]]) -> dict[str, int | None]:
    """Return the counts of a stream: the last of each, never a sum (S7)."""
    counts = [counts_of(usage) for usage in usages]
    if any(any(one.values()) for one in counts):
        counts = [one for one in counts if any(one.values())]
    return {name: _last(one[name] for one in counts) for name in COUNTS}


def _choice(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    texts = {name: _joined([said_by(part, name) for part in parts]) for name in TEXTS}
    content = texts["content"]
    tokens, total = _logprobs(parts)
    return {
        "choice_index": _first_known(part.get("index") for part in parts),
        "role": _first((part.get("delta") or {}).get("role") for part in parts),
        "finish_reason": _last(part.get("finish_reason") for part in parts),
        "native_finish_reason": _last(p.get("native_finish_reason") for p in parts),
        **texts,
        "content_chars": None if content is None else len(content),
        "logprob_tokens": tokens,
        "logprob_sum": total,
        "tool_calls": tool_calls([fragments_of(part) for part in parts]),
    }


def _first_known(values: Iterator[int | None]) -> int | None:
    return next((value for value in values if value is not None), None)


def _joined(texts: Sequence[str | None]) -> str | None:
    known = [text for text in texts if text is not None]
    return "".join(known) if known else None


def _logprobs(parts: Sequence[dict[str, Any]]) -> tuple[int | None, float | None]:
    lists = [(part.get("logprobs") or {}).get("content") for part in parts]
    known = [items for items in lists if isinstance(items, list)]
    if not known:
        return None, None
    values = [item.get("logprob") for item in chain.from_iterable(known)]
    is_whole = all(isinstance(value, int | float) for value in values)
    return len(values), round(sum(values), 9) if is_whole else None


# --- Tool calls (S6) ------------------------------------------------------------------


@dataclass
class _Call:
    fragments: list[dict[str, Any]]

    @property
    def id(self) -> str | None:
        return _first(fragment.get("id") for fragment in self.fragments)  # type: ignore[no-any-return]

    @property
    def name(self) -> str | None:
        """The pieces joined; the whole name again is a repetition."""
        name: str | None = None
        for fragment in self.fragments:
            piece = _of_call(fragment, "name")
            if piece is not None and piece != name:
                name = (name or "") + piece
        return name

    def columns(self) -> dict[str, str | None]:
        return {
            **{key: self._first_text(key) for key in ("id", "type")},
            "name": self.name,
            "arguments": _joined([_arguments(one) for one in self.fragments]),
        }

    def _first_text(self, key: str) -> str | None:
        """Return the first that is not empty, else ``""`` if one is."""
        texts = [fragment.get(key) for fragment in self.fragments]
        known = [text for text in texts if text is not None]
        return next(filter(None, known), "" if known else None)


def _of_call(fragment: dict[str, Any], key: str) -> Any:
    """Return what ``function`` says, else what ``custom`` does."""
    said = (fragment.get("function") or {}).get(key)
    other = {"name": "name", "arguments": "input"}[key]
    return (fragment.get("custom") or {}).get(other) if said is None else said


def _arguments(fragment: dict[str, Any]) -> str | None:
    said = _of_call(fragment, "arguments")
    return json.dumps(said, ensure_ascii=False) if isinstance(said, dict) else said


def tool_calls(lists: Sequence[list[dict[str, Any]] | None]) -> list[Any] | None:
    """Return the calls of the fragments of one choice, null if there are none."""
    calls: list[_Call] = []
    by_index: dict[Any, _Call] = {}
    before: list[_Call] = []
    for fragment in chain.from_iterable(one or () for one in lists):
        call = _call_of(fragment, calls, by_index, before)
        if call is None:
            call = _Call([])
            calls.append(call)
        call.fragments.append(fragment)
        before = [call]
        if fragment.get("index") is not None:
            by_index[fragment["index"]] = call
    return [call.columns() for call in calls] or None


def _call_of(
    fragment: dict[str, Any],
    calls: Sequence[_Call],
    by_index: dict[Any, _Call],
    before: Sequence[_Call],
) -> _Call | None:
    """Return the call that a fragment belongs to, None if it begins one."""
    index, name = fragment.get("index"), fragment.get("id") or None
    is_named = bool(_of_call(fragment, "name"))
    last = by_index.get(index) if index is not None else None
    if last is not None and not (name and last.id and last.id != name):
        return last
    if name is not None:
        same = [call for call in calls if call.id == name]
        return same[0] if same and (index is None or not is_named) else None
    for call in before:
        if not is_named or (index is None and not call.name):
            return call
    return None


# --- Streams of lines (S3, S4, S9, S11, S12) ------------------------------------------


@dataclass
class _Stream:
    """The chunks of one stream, and the line of the first."""

    log: int
    line: int
    chunks: list[Chunk] = field(default_factory=list)
    is_ended: bool = False  # by [DONE]

    def begins_again_with(self, chunk: Chunk) -> bool:
        """Return whether a chunk of the same key is of another stream (S4).

        Where lines are mixed, [DONE] may be that of another stream. So with an id a
        stream begins again behind it only with a role that comes without a text.
        """
        if self.is_ended and not chunk.get("id"):
            return True
        if self.is_ended and any(
            self._is_first(choice, chunk) and not self._speaks(choice)
            for _, choice in choices_of(chunk)
        ):
            return True
        choices = [choice for one in self.chunks for choice in choices_of(one)]
        finished = {index for index, c in choices if c.get("finish_reason")}
        alone = [c for c in self.chunks if not c.get("choices") and usage_of(c)]
        for index, choice in choices_of(chunk):
            if index in finished:
                again = alone and choice.get("finish_reason")
            else:
                again = False
                if finished or not alone:
                    continue
            if again or self._is_beginning(choice, chunk):
                return True
        return False

    def _is_beginning(self, choice: dict[str, Any], chunk: Chunk) -> bool:
        usage = counts_of(usage_of(chunk))
        now = total_usage([usage_of(one) for one in self.chunks])["completion_tokens"]
        new = usage["completion_tokens"]
        fewer = new is not None and now is not None and new < now
        is_less = fewer and any(usage.values())
        return self._speaks(choice) or self._is_first(choice, chunk) or is_less

    @staticmethod
    def _speaks(choice: dict[str, Any]) -> bool:
        texts = [said_by(choice, name) for name in TEXTS]
        return any(texts) or bool(fragments_of(choice))

    @staticmethod
    def _is_first(choice: dict[str, Any], chunk: Chunk) -> bool:
        has_role = bool((choice.get("delta") or {}).get("role"))
        return has_role and not choice.get("finish_reason") and not usage_of(chunk)


def assemble(*logs: Sequence[str], drop: bool = True) -> Assembly:
    """Return what the logs of one rotation set become, read in this order.

    Without `drop` duplicates are responses too.
    """
    ledgers: list[Counter[str]] = [Counter() for _ in logs]
    found: list[_Stream] = []  # in the order in which they are given out
    wholes: dict[int, _Stream] = {}
    open_streams: dict[Any, _Stream] = {}
    streams: list[_Stream] = []
    last: _Stream | None = None
    for log, lines in enumerate(logs):
        for number, text in enumerate(lines, start=1):
            line = read_line(text)
            ledgers[log]["lines"] += 1
            if line.kind in KINDS:
                ledgers[log][line.kind] += 1
            elif line.kind in ("carrier", "whole"):
                one = _Stream(log, number, line.chunks)
                found.append(one)
                if line.kind == "whole":
                    wholes[id(one)] = one
            else:
                ledgers[log]["chunks"] += 1
            if line.kind == "end" and last is not None:
                last.is_ended = True
            if line.kind != "chunk":
                continue
            (chunk,) = line.chunks
            key = (bool(chunk.get("id")), chunk.get("id") or chunk.get("model") or None)
            last = open_streams.get(key)
            if last is None or last.begins_again_with(chunk):
                last = open_streams[key] = _Stream(log, number)
                streams.append(last)
            last.chunks.append(chunk)
    ids = {one.chunks[0].get("id") or None for one in wholes.values()} - {None}
    for stream in streams:
        if stream.chunks[0].get("id") not in ids:
            ledgers[stream.log]["chunks"] -= 1
            found.append(stream)
    return Assembly(_responses(found, wholes, ledgers, drop=drop), ledgers)


def _responses(
    found: Sequence[_Stream],
    wholes: dict[int, _Stream],
    ledgers: Sequence[Counter[str]],
    *,
    drop: bool,
) -> list[Response]:
    """Return each response once, and count them."""
    seen: set[Any] = set()
    responses = []
    for stream in found:
        columns, choices = put_together(stream.chunks)
        if id(stream) in wholes:
            columns["chunk_count"] = None
        ledger = ledgers[stream.log]
        same = (columns["response_id"], *sorted(map(json.dumps, stream.chunks)))
        if drop and columns["response_id"] is not None and same in seen:
            ledger["duplicates"] += 1
            continue
        seen.add(same)
        ledger["responses"] += 1
        ledger["choices"] += len(choices) or 1
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            ledger[name] += columns[name] or 0
        responses.append(Response(stream.log, stream.line, columns, choices))
    return sorted(responses, key=lambda one: (one.log, one.line))
