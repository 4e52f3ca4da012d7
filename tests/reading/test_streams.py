"""Streams of chunks on lines of their own: which are one response, and its columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

import toolkit
from tests.support.stream_logs import read_small_blocks, write_set
from tests.support.stream_samples import (
    AGAIN,
    SHAPES,
    Chunk,
    as_lines,
    chunk,
    dump,
    interleave,
    used,
    whole,
)
from toolkit.reading.pieces import stream_key

pytestmark = pytest.mark.both_decoders

# Five lines: 10 + 5 = 15 tokens, and the text "Hello".
FIRST = chunk({"role": "assistant", "content": ""})
FINISH = chunk(finish_reason="stop")
USAGE = chunk(choices=[], usage=used(10, 5))
STREAM = [FIRST, chunk({"content": "Hel"}), chunk({"content": "lo"}), FINISH, USAGE]


def named(name: str | None, chunks: Sequence[Chunk] = STREAM) -> list[Chunk]:
    """Return chunks with another id."""
    return [{**one, "id": name} for one in chunks]


def load(folder: Path, *logs: Sequence[Chunk | str], **options: Any) -> toolkit.Loaded:
    """Read the logs of one rotation set, oldest first."""
    return toolkit.load(write_set(folder, *map(as_lines, logs)), **options)


def rows(log: toolkit.Loaded, *names: str) -> list[tuple[Any, ...]]:
    """Return some columns in the order of logs and lines."""
    table = pl.DataFrame(log.choices).sort("log_id", "line", "choice_position")
    return table.select(names).rows()


def counts(log: toolkit.Loaded) -> dict[str, int]:
    """Return the counts of all logs that are not 0; they add up in each log."""
    kinds = ("blank", "responses", "chunks", "duplicates", "errors", "rejected")
    for one in log.ledger.to_dicts():
        assert one["lines"] == sum(one[kind] for kind in kinds) + one["outside"]
    totals = log.ledger.select("lines", *kinds).sum().row(0, named=True)
    return {name: count for name, count in totals.items() if count}


# --- Which chunks are one response ----------------------------------------------------


def test_chunks_with_one_id_are_one_response(tmp_path: Path) -> None:
    log = load(tmp_path, STREAM)

    names = ("line", "response_id", "content", "content_chars", "finish_reason", "role")
    tokens = ("prompt_tokens", "completion_tokens", "total_tokens", "chunk_count")
    assert rows(log, *names) == [(1, "chatcmpl-1", "Hello", 5, "stop", "assistant")]
    assert rows(log, *tokens) == [(10, 5, 15, 5)]
    assert counts(log) == {"lines": 5, "responses": 1, "chunks": 4}
    toolkit.validate(log.frame)


def test_streams_may_be_interleaved(tmp_path: Path) -> None:
    lines = [one for pair in zip(named("a"), named("b"), strict=True) for one in pair]

    log = load(tmp_path, [{"id": "w"} | whole(STREAM, id="w"), *lines])

    names = ("line", "response_id", "content", "total_tokens", "chunk_count")
    assert rows(log, *names) == [
        (1, "w", "Whole.", 1000, None),
        (2, "a", "Hello", 15, 5),
        (3, "b", "Hello", 15, 5),
    ]
    assert counts(log) == {"lines": 11, "responses": 3, "chunks": 8}


def test_a_stream_goes_on_in_the_next_log_of_a_rotation(tmp_path: Path) -> None:
    log = load(tmp_path, STREAM[:2], STREAM[2:4], STREAM[4:])

    assert rows(log, "log_id", "line", "content", "total_tokens") == [
        (0, 1, "Hello", 15)
    ]
    assert log.ledger.select("lines", "responses", "chunks").rows() == [
        (2, 1, 1),
        (2, 0, 2),
        (1, 0, 1),
    ]


def test_equal_ids_in_logs_of_other_names_are_other_streams(tmp_path: Path) -> None:
    """Three answers: two logs in one folder, and one with the same name elsewhere."""
    parts = {
        "a/app.jsonl": STREAM[:2],
        "a/web.jsonl": STREAM[2:],
        "b/app.jsonl": [FIRST],
    }
    for name, chunks in parts.items():
        (write,) = write_set(tmp_path / "made", as_lines(chunks))
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write.rename(tmp_path / name)

    log = toolkit.load([tmp_path / name for name in parts])

    assert rows(log, "content", "chunk_count") == [("Hel", 2), ("lo", 3), ("", 1)]
    assert counts(log) == {"lines": 6, "responses": 3, "chunks": 3}


@pytest.mark.parametrize("name", [None, ""])
def test_chunks_without_id_are_one_stream_for_each_model(
    name: str | None, tmp_path: Path
) -> None:
    others = [{**one, "model": "model-b"} for one in STREAM]
    pairs = zip(named(name), named(name, others), strict=True)

    log = load(tmp_path, [one for pair in pairs for one in pair])

    names = ("response_id", "model", "content", "total_tokens")
    assert rows(log, *names) == [
        (None, "model-a", "Hello", 15),
        (None, "model-b", "Hello", 15),
    ]


def test_a_chunk_without_id_choices_and_usage_is_framing(tmp_path: Path) -> None:
    framing = {"id": "", "choices": [], "object": "", "created": 0, "model": "model-z"}

    log = load(tmp_path, [framing, *STREAM])

    assert rows(log, "line", "model", "chunk_count") == [(2, "model-a", 5)]
    assert counts(log) == {"lines": 6, "responses": 1, "chunks": 5}


def test_an_empty_choice_list_with_an_id_or_usage_is_a_chunk(tmp_path: Path) -> None:
    log = load(tmp_path, [chunk(choices=[])], [{**USAGE, "id": None}])

    names = ("response_id", "choice_count", "chunk_count", "total_tokens")
    assert rows(log, *names) == [("chatcmpl-1", 0, 1, None), (None, 0, 1, 15)]


def test_rejected_blank_and_whole_lines_between_change_nothing(tmp_path: Path) -> None:
    between = ["", "{torn", dump(whole(STREAM, id="w")), '{"error": {"code": 529}}']
    lines = [one for pair in zip(STREAM, [*between, ""], strict=True) for one in pair]

    log = load(tmp_path, lines)

    assert rows(log, "line", "content", "total_tokens") == [
        (1, "Hello", 15),
        (6, "Whole.", 1000),
    ]
    expected = {"blank": 2, "responses": 2, "chunks": 4, "errors": 1, "rejected": 1}
    assert counts(log) == {"lines": 10, **expected}


def test_a_bad_chunk_is_rejected_and_its_stream_goes_on(tmp_path: Path) -> None:
    bad = [chunk({"content": 5}), chunk({"content": "?"}, index=-1)]

    log = load(tmp_path, [*STREAM[:2], *bad, *STREAM[2:]])

    assert rows(log, "content", "chunk_count") == [("Hello", 5)]
    assert log.rejects.select("line", "code", "json_path").rows() == [
        (3, "wrong_type", "choices[0].delta.content"),
        (4, "out_of_range", "choices[0].index"),
    ]
    assert counts(log) == {"lines": 7, "responses": 1, "chunks": 4, "rejected": 2}


def test_an_unfinished_stream_is_a_row_without_finish_reason(tmp_path: Path) -> None:
    log = load(tmp_path, STREAM[:3])

    names = ("content", "finish_reason", "total_tokens", "chunk_count")
    assert rows(log, *names) == [("Hello", None, None, 3)]


# --- When a stream begins again -------------------------------------------------------


@pytest.mark.parametrize("how", AGAIN)
def test_a_stream_of_the_same_key_begins_again(how: str, tmp_path: Path) -> None:
    stream = AGAIN[how](Random(0), deepcopy(STREAM))

    log = load(tmp_path, stream, duplicates="keep")

    assert len(rows(log, "line")) == 2
    assert sum(n for (n,) in rows(log, "chunk_count")) == len(
        [one for one in stream if isinstance(one, dict)]
    )


BEHIND = {
    "usage": [USAGE, USAGE],
    "finish": [FINISH],
    "filters": [chunk() | {"prompt_filter_results": []}, USAGE],
    "empty texts": [chunk({"content": "", "reasoning": "", "refusal": ""})],
    "empty calls": [chunk({"tool_calls": []}), chunk({"tool_calls": None})],
    "role with the usage": [chunk({"role": "assistant"}, usage=used(10, 5))],
    "role with a finish": [chunk({"role": "assistant"}, finish_reason="stop")],
    "equal usage": [chunk(usage=used(10, 5)), chunk(usage=used(10, 5))],
    "zeros": [chunk(usage=used(10, 5)), chunk(usage=used(0, 0))],
}


@pytest.mark.parametrize("what", BEHIND)
def test_what_comes_behind_the_finish_is_of_the_old_stream(
    what: str, tmp_path: Path
) -> None:
    log = load(tmp_path, [*STREAM[:4], *BEHIND[what]])

    ((text, chunks),) = rows(log, "content", "chunk_count")
    assert (text, chunks) == ("Hello", 4 + len(BEHIND[what]))


def test_a_choice_goes_on_when_another_has_finished(tmp_path: Path) -> None:
    other = [chunk({"role": "assistant", "content": "Bye"}, index=1)]

    log = load(tmp_path, [*STREAM[:4], *other, chunk(index=1, finish_reason="length")])

    assert rows(log, "choice_index", "content", "finish_reason") == [
        (0, "Hello", "stop"),
        (1, "Bye", "length"),
    ]
    assert counts(log) == {"lines": 6, "responses": 1, "chunks": 5}


def test_equal_streams_one_after_the_other_are_told_apart_by_their_end(
    tmp_path: Path,
) -> None:
    """Without id and finish, the `[DONE]` between them is all there is."""
    silent = named(None, [FIRST, STREAM[1]])

    log = load(tmp_path, [*silent, "data: [DONE]", *silent, "[DONE]"])

    assert rows(log, "line", "content") == [(1, "Hel"), (4, "Hel")]
    assert counts(log) == {"lines": 6, "responses": 2, "chunks": 4}


@pytest.mark.parametrize("size", [200, 10**6])
def test_an_end_between_the_lines_of_others_ends_no_stream_with_an_id(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The `[DONE]` of each of 30 streams comes behind a chunk of any other."""
    read_small_blocks(monkeypatch, size)
    streams = [as_lines([*named(f"id-{n}"), "data: [DONE]"]) for n in range(30)]

    log = load(tmp_path, interleave(Random(0), *streams))

    assert set(rows(log, "content", "total_tokens", "chunk_count")) == {
        ("Hello", 15, 5)
    }
    assert counts(log) == {"lines": 180, "responses": 30, "chunks": 150}


def test_behind_the_end_a_role_without_text_begins_a_stream_again(
    tmp_path: Path,
) -> None:
    """Two streams of one id that never finish: only `[DONE]` is between them."""
    log = load(tmp_path, [*STREAM[:3], "[DONE]", *STREAM[:2]])

    assert rows(log, "line", "content") == [(1, "Hello"), (5, "Hel")]


@pytest.mark.parametrize("size", [100, 10**6])
def test_an_end_in_the_next_block_or_log_is_that_of_the_last_chunk(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_small_blocks(monkeypatch, size)
    silent = named(None, [STREAM[1]])

    log = load(tmp_path, silent, ["", "[DONE]", *silent, *silent])

    assert rows(log, "log_id", "line", "content") == [(0, 1, "Hel"), (1, 3, "HelHel")]


def test_a_stream_is_known_by_its_id_or_else_by_its_model() -> None:
    """Also in a frame of several chunks, some of which a filter leaves empty."""
    sizes = [1, 2, 3]
    frames = [
        pl.DataFrame(
            {"response_id": ["a"] * size, "model": [None] * size, "is_in": size != 2},
            schema_overrides={"model": pl.String},
        )
        for size in sizes
    ]
    others = pl.DataFrame({"response_id": [None], "model": ["b"], "is_in": True})
    rows = pl.concat([*frames, others], how="vertical_relaxed").lazy()

    keys = rows.filter("is_in").select(stream_key()).collect(engine="streaming")

    assert keys.to_series().to_list() == ["id a"] * (1 + 3) + ["model b"]


# --- Columns --------------------------------------------------------------------------

DETAILS = {
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
# Usages in their order; prompt, completion, total, cached and reasoning tokens.
USAGES: dict[str, tuple[list[Any], tuple[int | None, ...]]] = {
    "growing": ([used(10, 1), used(10, 2), used(10, 5)], (10, 5, 15, None, None)),
    "once": ([None, used(10, 5), None], (10, 5, 15, None, None)),
    "zeros behind": ([used(10, 5), used(0, 0)], (10, 5, 15, None, None)),
    "zeros before": ([used(0, 0), used(10, 5)], (10, 5, 15, None, None)),
    "zeros alone": ([used(0, 0)], (0, 0, 0, None, None)),
    "empty": ([used(10, 5), {}], (10, 5, 15, None, None)),
    "downwards": ([used(10, 9), used(10, 5)], (10, 5, 15, None, None)),
    "details before": ([used(10, 5, **DETAILS), used(10, 6)], (10, 6, 16, 4, 3)),
    "details behind": ([used(10, 5), DETAILS], (10, 5, 15, 4, 3)),
    "zero of one count": ([used(10, 5, **DETAILS), used(10, 0)], (10, 0, 10, 4, 3)),
    "none": ([None], (None,) * 5),
}
ROOTS = {
    "usage": lambda usage: chunk(usage=usage),
    "x_groq": lambda usage: chunk(x_groq={"id": "r", "usage": usage}),
    "choice": lambda usage: (
        {"usage": {}, **chunk(index=0)}
        | {"choices": [{"index": 0, "delta": {}, "usage": usage}]}
    ),
    "alone": lambda usage: chunk(choices=[], usage=usage),
}


@pytest.mark.parametrize("root", ROOTS)
@pytest.mark.parametrize("case", USAGES)
def test_each_count_is_the_last_that_is_known(
    case: str, root: str, tmp_path: Path
) -> None:
    usages, expected = USAGES[case]

    log = load(tmp_path, [*STREAM[:3], *map(ROOTS[root], usages)])

    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    found = rows(log, *names, "cached_tokens", "reasoning_tokens")
    assert found == [expected]
    sums = log.ledger.select(names).row(0)
    assert sums == tuple(count or 0 for count in expected[:3])


def test_usage_is_on_the_first_choice_only(tmp_path: Path) -> None:
    both = [chunk({"content": "a"}, index=1), chunk({"content": "b"}, index=0), USAGE]

    log = load(tmp_path, both)

    names = ("choice_position", "choice_index", "choice_count", "content")
    assert rows(log, *names) == [(0, 0, 2, "b"), (1, 1, 2, "a")]
    assert rows(log, "total_tokens", "chunk_count") == [(15, 3), (None, 3)]


def test_facts_are_the_first_that_are_known(tmp_path: Path) -> None:
    none = {"created": 0, "model": "", "system_fingerprint": None}
    one = {"created": 5, "model": "m", "provider": "Maker", "service_tier": "flex"}
    two = {"created": 9, "model": "n", "system_fingerprint": "fp", "provider": "Other"}

    log = load(tmp_path, [{**FIRST, **none}, {**FIRST, **one}, {**FINISH, **two}])

    names = ("model", "provider", "service_tier", "system_fingerprint")
    assert rows(log, *names) == [("m", "Maker", "flex", "fp")]
    assert log.frame["created"].dt.epoch("s").to_list() == [5]


def test_facts_of_the_lines_around_are_the_first_too(tmp_path: Path) -> None:
    around = [{"team": None}, {"team": "a", "model": "asked"}, {"team": "b"}]
    lines = [
        {**line, "custom_id": f"task-{place}", "response": {"body": one}}
        for place, (line, one) in enumerate(zip(around, STREAM, strict=False))
    ]

    log = load(tmp_path, lines, tags={"team": "team"})

    names = ("tag_team", "requested_model", "custom_id", "content", "chunk_count")
    assert rows(log, *names) == [("a", "asked", "task-0", "Hello", 3)]


# Deltas; content, reasoning and refusal.
TEXTS: dict[str, tuple[list[Any], tuple[str | None, ...]]] = {
    "never": ([{}, {"content": None}], (None, None, None)),
    "empty": ([{"content": ""}, {"content": None}], ("", None, None)),
    "equal pieces": ([{"content": "0"}] * 3, ("000", None, None)),
    "reasoning": ([{"reasoning": "a"}, {"reasoning_content": "b"}], (None, "ab", None)),
    "refusal": ([{"refusal": "N"}, {"refusal": "o"}], (None, None, "No")),
    "parts": (
        [
            {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"content": "c"},
        ],
        ("abc", None, None),
    ),
    "half a character is not split": (
        [{"content": "é"}, {"content": "😀"}],
        ("é😀",) + (None,) * 2,
    ),
}


@pytest.mark.parametrize("case", TEXTS)
def test_texts_are_joined(case: str, tmp_path: Path) -> None:
    deltas, expected = TEXTS[case]

    log = load(tmp_path, [chunk(delta) for delta in deltas])

    assert rows(log, "content", "reasoning_content", "refusal") == [expected]
    text = expected[0]
    assert rows(log, "content_chars") == [(None if text is None else len(text),)]


def test_a_message_beside_the_delta_is_not_read(tmp_path: Path) -> None:
    stream = SHAPES["message beside delta"](Random(0), deepcopy(STREAM))

    log = load(tmp_path, stream)

    assert rows(log, "content", "chunk_count") == [("Hello", 5)]


def test_the_last_line_of_an_older_perplexity_stream_is_the_whole(
    tmp_path: Path,
) -> None:
    """Its chunks are named as whole responses; the last one has a finish reason."""
    made: list[Chunk] = []
    for text, answer, end in [
        ("Hel", "Hel", None),
        ("lo", "Hello", None),
        ("", "Hello", "stop"),
    ]:
        choice = {"index": 0, "delta": {"content": text}, "finish_reason": end}
        choice["message"] = {"role": "assistant", "content": answer}
        usage = used(10, len(answer))
        fields = {"object": "chat.completion", "choices": [choice], "usage": usage}
        made.append({**FIRST, **fields})

    log = load(tmp_path, made)

    # The counts of the last line: 10 + 5 = 15.
    names = ("line", "content", "total_tokens", "chunk_count", "finish_reason")
    assert rows(log, *names) == [(3, "Hello", 15, None, "stop")]
    assert counts(log) == {"lines": 3, "responses": 1, "chunks": 2}


def test_logprobs_are_added(tmp_path: Path) -> None:
    """-0.5 - 0.25 = -0.75; one item without a number makes the sum unknown."""
    known = [{"content": [{"logprob": -0.5}]}, {"content": [{"logprob": -0.25}]}, None]
    chunks = [chunk(logprobs=one) for one in known]
    unknown = [*chunks, chunk(logprobs={"content": [{"token": "a"}]})]

    log = load(tmp_path, [*named("a", chunks), *named("b", unknown), *named("c")])

    assert rows(log, "logprob_tokens", "logprob_sum") == [
        (2, -0.75),
        (3, None),
        (None, None),
    ]


# --- Tool calls -----------------------------------------------------------------------

# Id, type, name and arguments of each call.
CALLS: dict[str, list[tuple[str | None, ...]] | None] = {
    "two calls, interleaved": [
        ("c1", "function", "get_a", '{"a": 2}'),
        ("c2", "function", "get_b", '{"b": 1}'),
    ],
    "all calls labelled 0": [
        ("c1", "function", "get_a", "{}"),
        ("c2", "function", "get_b", "{}"),
    ],
    "all ids 0": [("0", "function", "get_a", "{}"), ("0", "function", "get_b", "{}")],
    "calls by id alone": [
        ("c1", "function", "get_a", "{}"),
        ("c2", "function", "get_b", "[]"),
    ],
    "neither id nor index": [
        (None, None, "get_a", "{}"),
        (None, None, "get_b", "{}"),
    ],
    "name after id": [("c1", "function", "get_a", "{}")],
    "name in pieces": [("c1", None, "get_weather", "{}")],
    "name repeated": [("c1", None, "get_a", "{}")],
    "name and id in each": [("c1", None, "get_a", "{}")],
    "empty name and id": [("c1", "function", "get_a", "{}")],
    "arguments as object": [("c1", None, "get_a", '{"é": [1, 2.5]}')],
    "arguments null": [("c1", None, "get_a", "{}")],
    "custom tool": [("c1", "custom", "sql", "SELECT")],
    "no fragments": None,
    "function_call": [(None, None, "get_a", "{}")],
    "empty function_call": None,
}


@pytest.mark.parametrize("case", CALLS)
def test_fragments_become_calls(case: str, tmp_path: Path) -> None:
    log = load(tmp_path, SHAPES[case](Random(0), deepcopy(STREAM)))

    ((calls, text),) = rows(log, "tool_calls", "content")
    found = calls and [tuple(call.values()) for call in calls]
    assert (found, text) == (CALLS[case], "Hello")


def test_arguments_of_many_calls_are_those_of_their_fragments(tmp_path: Path) -> None:
    """A hundred calls of ten fragments; the digits of each are its number."""
    fragments = [
        {"index": call, "function": {"arguments": str(call)}}
        for _ in range(10)
        for call in range(100)
    ]
    begin = [
        {"index": call, "id": f"c{call}", "function": {"name": f"f{call}"}}
        for call in range(100)
    ]
    deltas = [{"tool_calls": [one]} for one in begin + fragments]

    log = load(tmp_path, map(chunk, deltas))

    (calls,) = log.frame["tool_calls"].to_list()
    assert [call["name"] for call in calls] == [f"f{n}" for n in range(100)]
    assert [call["arguments"] for call in calls] == [str(n) * 10 for n in range(100)]


# --- Chunks and the whole, duplicates -------------------------------------------------


@pytest.mark.parametrize("size", [200, 10**6])
@pytest.mark.parametrize("place", [0, 2, 5])
def test_a_whole_response_takes_the_place_of_its_stream(
    place: int, size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, between or behind its chunks: 1000 tokens once, and never 1015."""
    read_small_blocks(monkeypatch, size)
    lines = [*STREAM[:place], whole(STREAM), *STREAM[place:]]

    log = load(tmp_path, [*named("b"), *lines])

    names = ("line", "content", "total_tokens", "chunk_count")
    assert rows(log, *names) == [
        (1, "Hello", 15, 5),
        (6 + place, "Whole.", 1000, None),
    ]
    assert counts(log) == {"lines": 11, "responses": 2, "chunks": 9}


def test_a_whole_response_behind_the_end_takes_its_place_too(tmp_path: Path) -> None:
    log = load(tmp_path, [*STREAM, "data: [DONE]"], [whole(STREAM)])

    assert rows(log, "log_id", "total_tokens") == [(1, 1000)]
    assert log.ledger.select("lines", "responses", "chunks").rows() == [
        (6, 0, 6),
        (1, 1, 0),
    ]


def test_a_whole_response_of_another_set_is_another_response(tmp_path: Path) -> None:
    paths = [
        *write_set(tmp_path / "a", as_lines(STREAM)),
        *write_set(tmp_path / "b", [dump(whole(STREAM))]),
    ]

    log = toolkit.load(paths)

    assert rows(log, "content", "total_tokens") == [("Hello", 15), ("Whole.", 1000)]


def test_a_stream_that_was_logged_twice_is_one_response(tmp_path: Path) -> None:
    """In two logs, and once more as the list of its chunks: 15 tokens, once."""
    lines = as_lines(STREAM)
    carrier = f"[{', '.join(lines)}]"
    logs = [lines, [*lines[:2], *lines[2:]], [carrier]]
    paths = [
        path for n, log in enumerate(logs) for path in write_set(tmp_path / str(n), log)
    ]

    log = toolkit.load(paths)

    assert rows(log, "content", "total_tokens") == [("Hello", 15)]
    expected = {"lines": 11, "responses": 1, "chunks": 8, "duplicates": 2}
    assert counts(log) == expected
    assert len(toolkit.load(paths, duplicates="keep").frame) == 3


def test_streams_of_other_chunks_are_no_duplicates(tmp_path: Path) -> None:
    other = [*STREAM[:4], chunk(choices=[], usage=used(10, 6))]
    paths = [
        *write_set(tmp_path / "a", as_lines(STREAM)),
        *write_set(tmp_path / "b", as_lines(other)),
    ]

    assert rows(toolkit.load(paths), "total_tokens") == [(15,), (16,)]


# --- Other ways to read ---------------------------------------------------------------


def test_without_content_the_counts_are_the_same(tmp_path: Path) -> None:
    lines = [*STREAM, *named("b", SHAPES["function_call"](Random(0), deepcopy(STREAM)))]

    log = load(tmp_path, lines, content="drop")

    names = ("content", "content_chars", "total_tokens", "chunk_count")
    assert rows(log, *names) == [(None, 5, 15, 5), (None, 5, 15, 8)]
    calls = log.frame["tool_calls"].to_list()[1]
    assert [(call["name"], call["arguments"]) for call in calls] == [("get_a", None)]


def test_batches_and_scan_read_the_same_streams(tmp_path: Path) -> None:
    paths = write_set(tmp_path, as_lines(named("a")), as_lines([*named("b"), *STREAM]))
    expected = toolkit.load(paths)

    batches = list(toolkit.batches(paths))
    scanned = toolkit.scan(paths).collect()

    frames = [pl.DataFrame(batch.choices) for batch in batches]
    assert (
        pl.concat(frames)
        .sort("log_id", "line")
        .equals(expected.frame.sort("log_id", "line"))
    )
    assert scanned.sort("log_id", "line").equals(expected.frame.sort("log_id", "line"))
    assert sum(batch.lines for batch in batches) == 15
    assert sum(batch.chunks for batch in batches) == 12  # 15 lines, 3 responses


@pytest.mark.parametrize(
    "query",
    [
        pl.all().filter(pl.col("total_tokens") > 0),
        pl.col("total_tokens"),
        pl.col("content", "line"),
        pl.len(),
    ],
)
def test_scan_reads_only_what_is_asked_for(query: pl.Expr, tmp_path: Path) -> None:
    paths = write_set(tmp_path, as_lines([*named("a"), *named("b")]))

    found = toolkit.scan(paths).select(query).collect()

    assert found.equals(toolkit.load(paths).frame.select(query))


def test_the_first_lines_of_a_stream_are_an_unfinished_response(tmp_path: Path) -> None:
    log = load(tmp_path, STREAM, max_lines=2)

    assert rows(log, "content", "finish_reason") == [("Hel", None)]
    assert counts(log) == {"lines": 2, "responses": 1, "chunks": 1}


def test_the_usage_of_a_stream_that_was_cut_off_is_a_lower_bound(
    tmp_path: Path,
) -> None:
    def line(name: str, tokens: int, finish: str | None = None, **more: Any) -> str:
        usage = {"prompt_tokens": 10, "completion_tokens": tokens}
        choice = {"index": 0, "delta": {"content": "x"}, "finish_reason": finish}
        return json.dumps(
            {
                "id": name,
                "object": "chat.completion.chunk",
                "model": "m",
                "choices": [choice],
                "usage": {**usage, "total_tokens": 10 + tokens},
                **more,
            }
        )

    lines = [
        *(line("cut", 1), line("cut", 2)),
        *(line("whole", 1), line("whole", 2, "stop")),
        # Some providers never send a finish reason, but the usage at the end.
        *(line("lone", 1, usage=None), line("lone", 2, choices=[])),
        line("silent", 1, usage=None),
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f"{one}\n" for one in lines))

    frame = toolkit.load(path).frame

    found = dict(frame.select("response_id", "usage_problem").rows())
    assert found == {"cut": "cut_off", "whole": None, "lone": None, "silent": None}
    assert frame["total_tokens"].to_list() == [12, 12, 12, None]
    usage = toolkit.metrics.token_usage(frame, every=None)
    # Of `cut` and `silent` not all is known.
    assert usage["responses_without_usage"].item() == 2
