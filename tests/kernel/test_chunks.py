"""Chunks of streamed responses: as lines, as events, and whole streams in a line."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.kernel.test_kernel import pytestmark as needs_kernel
from tests.kernel.test_shapes import agreed_afresh
from tests.support.bodies import BODIES
from tests.support.differential import (
    PLANS,
    RESPONSES,
    agreed,
    agreed_lines,
    block_of,
    joined,
    runs,
)
from tests.support.streamed_lines import STREAMS, streamed_lines
from toolkit.reading import decoder, find_response, reference_decoder
from toolkit.reading.blocks import make_plan

pytestmark = needs_kernel

PIECE = {"object": "chat.completion.chunk", "choices": [{"delta": {"content": "a"}}]}
SMALL = json.dumps(PIECE).encode()


@pytest.mark.parametrize("name", PLANS)
def test_lines_of_streams_are_the_same(name: str) -> None:
    decoded = agreed_lines(streamed_lines(len(name), 500), PLANS[name])

    assert decoded.chunks > 0


def test_each_line_of_streams_is_the_same_at_the_end_of_a_log() -> None:
    plan = make_plan(leave_pending=True)
    for line in streamed_lines(5, 200):
        for growing in (False, True):
            agreed(block_of(line, tail=True, growing=growing), plan)


def test_a_log_of_events_may_end_at_each_of_its_bytes() -> None:
    data = joined([b"event: x", b"data: " + SMALL, b"data: [DONE]", b": a", SMALL])
    plan = make_plan(leave_pending=True)

    for size in range(len(data) + 1):
        for growing in (False, True):
            agreed(block_of(data[:size], tail=True, growing=growing), plan)


@pytest.mark.parametrize("kind", STREAMS)
def test_a_text_of_events_is_the_same_wherever_it_is_cut(kind: str) -> None:
    text = "".join(f"data: {json.dumps(body)}\n\n" for body in STREAMS[kind][:4])
    cuts = Random(len(kind)).sample(range(len(text)), 60)

    decoded = agreed_lines([json.dumps(text[:cut]).encode() for cut in cuts])

    assert decoded.lines == 60


def with_bounds(monkeypatch: pytest.MonkeyPatch, **bounds: int) -> None:
    """Lower the bounds of both decoders."""
    for module in (decoder, find_response, reference_decoder):
        for name, bound in bounds.items():
            monkeypatch.setattr(module, name, bound, raising=False)


def test_a_line_may_have_the_same_number_of_chunks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_bounds(monkeypatch, MOST_CHUNKS=3)
    text = "data: " + json.dumps(PIECE) + "\n\n"
    bodies: list[Any] = [[PIECE] * count for count in range(6)]
    bodies += [text * count for count in range(6)]
    bodies += [[text * 2] * count for count in range(3)]
    bodies += [json.dumps([{}] * count) for count in (3, 4)]
    lines = [json.dumps(body).encode() for body in bodies]
    lines += [b'{"chunks":' + line + b"}" for line in lines]

    # A new plan, because the kernel gets the bounds when it is made.
    decoded = agreed_lines(lines, make_plan())

    # Of both forms 4 and 5 items or events, two texts of two events, a list of 4.
    assert decoded.rejects.column("code").to_pylist().count("out_of_range") == 12
    assert decoded.chunk_rows is not None
    assert decoded.chunk_rows.num_rows == 2 * (2 * (1 + 2 + 3) + 2)


def test_the_texts_of_a_chunk_may_have_the_same_length(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_bounds(monkeypatch, MOST_CHUNK_FACTS=10)
    lines = [
        json.dumps({**PIECE, "id": "\u00e9" * size, "model": "m" * 5}).encode()
        for size in range(8)
    ]
    lines += [b"[" + SMALL + b"," + line + b"]" for line in lines]

    # The fact of the API's name is no text of the chunk.
    decoded = agreed_lines(lines, make_plan())

    assert decoded.rejects.column("line").to_pylist() == [7, 8, 15, 16]
    assert decoded.chunk_rows is not None
    assert decoded.chunk_rows.num_rows == 6 + 2 * 6


def test_the_texts_beside_a_stream_may_be_as_long_and_its_choices_as_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_bounds(monkeypatch, MOST_CHUNKS=8, REPEATED_BYTES=100)
    tags = {"t": "t"}
    several = {**PIECE, "choices": PIECE["choices"] * 3}
    lines = [
        json.dumps({"t": "x" * size, "chunks": [PIECE] * 5}).encode()
        for size in (0, 10, 400)
    ]
    lines += [json.dumps([several] * count).encode() for count in (2, 3)]

    # 5 times 400 characters are more than the line and 100; 3 times 3 rows more than 8.
    decoded = agreed_lines(lines, make_plan(tags=tags))

    assert decoded.rejects.column("line").to_pylist() == [3, 5]
    assert set(decoded.rejects.column("code").to_pylist()) == {"out_of_range"}


LINES = [
    prefix + json.dumps({**body, **more}).encode()
    for prefix in (b"", b"data: ")
    for body in [*STREAMS["chat"], *STREAMS["calls"], *RESPONSES]
    for more in ({}, {"usage": {"total_tokens": 5, "prompt_tokens": 4}})
]


@pytest.mark.parametrize("seed", range(3 * len(PLANS)))
def test_runs_of_chunks_that_are_alike_are_the_same(seed: int) -> None:
    plan = [*PLANS.values()][seed % len(PLANS)]

    agreed_afresh([*runs(seed, 250, LINES)], plan)


def test_a_chunk_that_looks_like_one_of_another_api_is_the_same() -> None:
    """The APIs that are tried before are the responses of all APIs."""
    others = [body for bodies in BODIES.values() for body in bodies]
    others += [body for bodies in STREAMS.values() for body in bodies]
    bodies = [STREAMS["chat"][1], {"choices": [{"delta": {"content": "x"}}]}]
    lines = [
        json.dumps(merged).encode()
        for body in bodies
        for other in others
        for merged in (
            {**body, **other},
            {**other, **body},
            {**body, "choices": [{**body["choices"][0], **other}]},
        )
    ]
    # Each once among chunks that are plain, which the kernel has learned by then.
    plain = [json.dumps({**bodies[0], "id": str(n)}).encode() for n in range(40)]

    decoded = agreed_afresh([*plain, *lines, *lines], PLANS["default"])

    assert {"chat", "text"} <= set(decoded.choices.column("api").to_pylist())


@pytest.mark.parametrize("key", ["object", "type", "finish_reason", "text"])
def test_a_chunk_with_another_word_among_chunks_like_it_is_the_same(key: str) -> None:
    words = ["a", "", "message", "message_start", "chat.completion", "stop"]
    words += [
        "chat.completion.chunk",
        "text_completion",
        "response",
        "completion.chunk",
    ]
    lines = []
    for name in ("chat.completion.chunk", "chat.completion", ""):
        for word in [*words[:1] * 30, *words, *words]:
            choice = {"delta": {"content": word}, "finish_reason": None}
            line: dict[str, Any] = {
                "object": name,
                "role": "assistant",
                "content": [{}],
            }
            (choice if key in ("finish_reason", "text") else line)[key] = word
            lines.append(json.dumps({**line, "choices": [choice]}).encode())

    agreed_afresh(lines, PLANS["default"])
    agreed_afresh([b"data:" + line for line in lines], PLANS["tags"])


def test_long_facts_of_chunks_that_are_alike_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_bounds(monkeypatch, MOST_CHUNK_FACTS=20_000)
    plan = make_plan(tags={"one": "id", "two": "id"})
    sizes = [*[5] * 50, *range(0, 9000, 100), *[5] * 50, *[7000] * 5]
    lines = [json.dumps({**PIECE, "id": "i" * size}).encode() for size in sizes]

    # Three columns have the id: more than 6,666 characters are too many.
    decoded = agreed_afresh(lines, plan)

    assert decoded.rejects.num_rows == sum(3 * size > 20_000 for size in sizes)


def test_very_many_events_in_a_line_are_read_in_little_time() -> None:
    for text in ("data:\n", "data: 1\n", "data: [\n", "\n", ": a\n"):
        line = json.dumps(text * 100_000).encode()
        assert agreed_lines([line]).choices.num_rows == 0
    # The reference parses each of these events, and looks for a response in it.
    line = json.dumps("data: {}\r\r" * 10_000).encode()
    assert agreed_lines([line]).choices.num_rows == 0
