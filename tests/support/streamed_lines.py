"""Lines with chunks of streamed responses in all forms of logging, and attacks on them.

A longer run, which stops at the first line that the decoders read differently::

    python -m tests.support.streamed_lines 100      # a hundred rounds of 2,000 lines
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from itertools import cycle, islice
from random import Random
from typing import Any

from tests.support.bodies import BODIES
from tests.support.differential import (
    ASKED,
    ATTACKS,
    PLANS,
    RESPONSES,
    agreed,
    block_of,
    joined,
)
from toolkit.schema.apis import CARRIERS, ENVELOPES

LINES = 2000  # of a round
_HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1767225600}
_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def _delta(**delta: object) -> dict[str, Any]:
    """Build a chunk with a delta."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    return {**_HEAD, "model": "m", "choices": [choice], "usage": None}


def _piece(number: object, **function: object) -> dict[str, Any]:
    """Build a chunk with a piece of a tool call."""
    call = {"index": number, "function": function}
    return _delta(tool_calls=[{**call, "id": "call_1", "type": "function"}])


def _event(name: str, **more: object) -> dict[str, Any]:
    return {"type": name, **more}


_GEMINI = {"modelVersion": "g", "responseId": "r", "usageMetadata": {}}
_OLLAMA = {"model": "o", "created_at": "2026-01-01T00:00:00Z"}
_PARTS = {"parts": [{"text": "a"}, {"text": "b", "thought": True}], "role": "model"}
_ANTHROPIC = {
    "id": "msg_1",
    "role": "assistant",
    "content": [],
    "usage": {"input_tokens": 4, "output_tokens": 1},
}

# The chunks of a stream, by kind.
STREAMS: dict[str, list[dict[str, Any]]] = {
    "chat": [
        _delta(role="assistant", content="", refusal=None),
        *(_delta(content=text) for text in ("caf\u00e9", ' "q"\n\\', "", "0")),
        *(_delta(reasoning_content="why"), _delta(reasoning="so"), _delta(refusal="n")),
        {**_HEAD, "choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]},
        {**_HEAD, "choices": [], "usage": _USAGE},
        {**_HEAD, "choices": None, "x_groq": {"usage": _USAGE}},
        {**_HEAD, "choices": [{"delta": {}, "usage": _USAGE}, {"usage": {"cost": 1}}]},
        {"choices": [{"delta": {"content": None}}]},
        {
            **_HEAD,
            "choices": [{"delta": {"content": "x"}, "message": {"content": "y"}}],
        },
        {**_HEAD, "choices": [{"message": {"content": "whole"}}]},
        {**_HEAD, "id": "", "created": 0, "choices": []},
    ],
    "calls": [
        _piece(0, name="f", arguments=""),
        _piece(1, arguments={"a": [1.50]}),
        *(_piece(number, arguments="{") for number in ("1", None, 1.5, True, [1], {})),
        _delta(tool_calls=[]),
        _delta(tool_calls={}),
        _delta(function_call={"name": "g", "arguments": "1", "index": 3}),
        _delta(tool_calls=[{"custom": {"name": "c", "input": "x"}}]),
    ],
    "renamed": [
        {**_HEAD, "object": name, "choices": choices}
        for name in ("chat.completion", "chat.completion.done", "text_completion", "")
        for choices in (
            [{"delta": {"content": "x"}}],
            [{"delta": {"content": "x"}, "finish_reason": "stop"}],
            [{"text": "t", "index": 0, "finish_reason": None}],
            [{"text": "t", "finish_reason": "length"}],
            [],
        )
    ],
    "gemini": [
        {**_GEMINI, "candidates": [{"content": _PARTS}]},
        {**_GEMINI, "candidates": [{"content": _PARTS, "finishReason": "STOP"}]},
        {"usage_metadata": {"prompt_token_count": 1}, "candidates": [{"content": {}}]},
        {"candidates": [{"content": _PARTS, "finish_reason": "STOP"}], **_OLLAMA},
    ],
    "ollama": [
        {**_OLLAMA, "message": {"content": "a"}, "done": False},
        {**_OLLAMA, "response": "b", "done": False},
        {**_OLLAMA, "message": {"content": ""}, "done": True, "eval_count": 3},
    ],
    "anthropic": [
        _event("message_start", message=_ANTHROPIC),
        _event("content_block_start", content_block={"type": "text", "text": ""}),
        _event("ping"),
        _event("content_block_delta", delta={"type": "text_delta", "text": "a"}),
        _event("content_block_delta", index=1, delta={"partial_json": "{"}),
        _event("content_block_stop"),
        _event("message_delta", delta={"stop_reason": "end_turn"}, usage=_USAGE),
        _event("message_stop"),
    ],
    "responses": [
        _event("response.created", response={"id": "r", "status": "in_progress"}),
        *(
            _event("response.completed", response=body)
            for body in BODIES["responses"][:2]
        ),
    ],
    "errors": [{"error": {"message": "m"}}, {"error": None}, _event("error", error={})],
    "whole": [*RESPONSES[:4], *(bodies[0] for bodies in BODIES.values())],
}
_ENDS = ("[DONE]", " [DONE] ", "[DONE", "")
_FRAMING = (
    ": ping",
    "event: message",
    "id: 5",
    "retry: 1",
    ":",
    "eventx: 1",
    "Data: {}",
)
_JUNK = (None, 5, "", "x", [], {}, [1], {"raw": 1}, {"raw": None}, {"raw": "data: {"})
_BREAKS = ("\n\n", "\n", "\r\n\r\n", "\r\r", "\n\r", "\r\n", "\n\n\n", "")
PLACES = ("", *ENVELOPES, *CARRIERS)


class _Source:
    """Makes lines by chance."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)

    def bodies(self) -> list[str]:
        """Return the JSON of a few chunks, most of one kind."""
        random = self.random
        kind = random.choice([*STREAMS])
        found = []
        for _ in range(random.choice([1, 1, 2, 3, 5])):
            if random.random() < 0.1:
                kind = random.choice([*STREAMS])
            indent = random.choice([None] * 9 + [1])
            text = json.dumps(random.choice(STREAMS[kind]), indent=indent)
            if random.random() < 0.1:
                attacked = random.choice(ATTACKS)(random, text.encode())
                text = attacked.decode(errors="replace")
            found.append(text)
        return found

    def line_of(self, body: str) -> str:
        """Return a chunk as a line of its own."""
        random = self.random
        body = body.replace("\n", " ")
        if random.random() < 0.2:
            body = json.dumps(self.wrapped(json.loads(body))) if is_json(body) else body
        prefix = random.choice(
            ["", "data: "] * 5 + ["data:", "data:\t", " data:", "error: ", "data"]
        )
        return prefix + body + random.choice(["", "", " ", "\r", "\t "])

    def event_text(self, bodies: list[str]) -> str:
        """Return chunks as a text of events."""
        random = self.random
        parts = [random.choice(["", "", "\ufeff", "\n"])]
        ending = random.choice(_BREAKS)
        for body in [*bodies, *random.choices(_ENDS, k=random.choice([0, 1, 1, 2]))]:
            if random.random() < 0.2:
                parts.append(random.choice(_FRAMING) + "\n")
            prefix = random.choice(["data: ", "data: ", "data:", "error:"])
            if random.random() < 0.8:
                body = body.replace("\n", "\n" + prefix)
            parts.append(prefix + body)
            if random.random() < 0.1:
                ending = random.choice(_BREAKS)
            parts.append(ending)
        text = "".join(parts)
        return text[: random.randrange(len(text))] if random.random() < 0.15 else text

    def item_of(self, body: str) -> object:
        """Return a chunk as an item of a list."""
        chance = self.random.random()
        if chance < 0.05:
            return self.random.choice(_JUNK)
        if chance < 0.15:
            return self.event_text([body])
        if chance < 0.2:
            return {"raw": self.event_text([body]), "time": 5}
        if chance < 0.25 or not is_json(body):
            return body
        value = json.loads(body)
        return self.wrapped(value) if chance < 0.3 else value

    def wrapped(self, value: object, places: tuple[str, ...] = PLACES) -> object:
        """Return a line that has a value at a place, perhaps as JSON in a string."""
        random = self.random
        place = random.choice(places)
        if random.random() < 0.1:
            value = json.dumps(value)
        if not place:
            return value
        keys = place.split(".")
        for key in reversed(keys):
            value = {key: value}
        beside = random.choice([{}, {}, ASKED, {"type": "log"}, {"error": None}])
        return {**beside, **value} if isinstance(value, dict) else value

    def carrier_of(self, bodies: list[str]) -> str:
        """Return a line with a whole stream."""
        value: object = [self.item_of(body) for body in bodies]
        if self.random.random() < 0.5:
            value = self.event_text(bodies)
        if self.random.random() < 0.1:
            value = [value, *self.random.choices(_JUNK, k=1)]
        return json.dumps(self.wrapped(value), ensure_ascii=self.random.random() < 0.5)

    def line(self) -> bytes:
        """Return a line."""
        random = self.random
        chance = random.random()
        if chance < 0.05:
            text = random.choice(_FRAMING + _ENDS)
            text = random.choice(["", "data: ", "data:", " "]) + text
        elif chance < 0.5:
            text = self.line_of(random.choice(self.bodies()))
        else:
            text = self.carrier_of(self.bodies())
        line = text.encode(errors="replace")
        for _ in range(random.choice([0, 0, 0, 0, 1, 2])):
            line = random.choice(ATTACKS)(random, line) if line else line
        return line.replace(b"\n", b" ")


def is_json(text: str) -> bool:
    """Return whether Python reads a text as JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def streamed_lines(seed: int, count: int) -> list[bytes]:
    """Make lines of chunks, of events, and of whole streams."""
    source = _Source(seed)
    return [source.line() for _ in range(count)]


def run(rounds: int) -> None:
    """Compare rounds of lines by each plan in turn, and print what they were."""
    found: Counter[str] = Counter()
    for seed, plan in enumerate(islice(cycle(PLANS.values()), rounds)):
        lines = streamed_lines(seed, LINES)
        decoded = agreed(block_of(joined(lines)), plan)
        for line in lines[:: LINES // 20]:  # as the last one of a log, without its end
            for growing in (False, True):
                agreed(block_of(line, tail=True, growing=growing), plan)
        found.update(decoded.rejects.column("code").to_pylist())
        found["chunks"] += decoded.chunks
        if decoded.chunk_rows is not None:
            found["chunk rows"] += decoded.chunk_rows.num_rows
        found["responses"] += len(set(decoded.choices.column("line").to_pylist()))
    sys.stdout.write(f"{rounds * LINES:,} lines agree, among them {dict(found)}\n")


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
