"""Recorded streams of many providers, in each form of logging, against their figures.

The figures are by a count that shares no code with us. `STREAM_CUTS` in the environment
is how many times all streams are cut into seven logs (200 with ``make crashes``).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.assembler import Assembly, Response, assemble
from tests.support.stream_logs import CARRIERS, LINES, read_logs, write_set
from tests.support.stream_samples import cut, interleave

pytestmark = pytest.mark.both_decoders

CUTS = int(os.environ.get("STREAM_CUTS", "2"))
# Snippets of two APIs: as lines these are two streams, of which one has no id.
NOT_AS_LINES = 28
Expected = dict[str, Any]


def read_json(path: Path) -> list[Any]:
    """Read a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def recorded() -> list[tuple[list[str], Expected]]:
    """Return the chunks of each recorded stream as JSON, and its figures."""
    # Not the fixture: that is of a function.
    from tests.conftest import SHARED

    folder = SHARED / "corpus"
    if not folder.is_dir():
        pytest.skip("the recorded responses are not beside this checkout")
    lines = (folder / "chunks.jsonl").read_text(encoding="utf-8").splitlines()
    places = read_json(folder / "chunks.streams.jsonl")
    streams = [lines[p["first_line"] : p["first_line"] + p["chunks"]] for p in places]
    texts = read_json(folder / "families" / "sse.jsonl")
    streams += [
        [line[6:] for line in text.splitlines() if line.startswith("data: {")]
        for text in texts
    ]
    expected = read_json(folder / "chunks.expected.jsonl")
    expected += read_json(folder / "families" / "sse.expected.jsonl")
    with_costs(streams, expected)
    return list(zip(streams, expected, strict=True))


def with_costs(streams: Sequence[Sequence[str]], expected: list[Expected]) -> None:
    """Add the costs that are not in `usage.cost`, which the figures do not have."""
    for chunks, figure in zip(streams, expected, strict=True):
        for chunk in map(json.loads, chunks):
            ticks = (chunk.get("usage") or {}).get("cost_in_usd_ticks")  # of xAI
            dollars = (chunk.get("cost") or {}).get("usd")  # of Venice
            if ticks or dollars:
                figure["reported_cost"] = ticks / 10**10 if ticks else dollars


def sha(text: str | None) -> str | None:
    """Return the beginning of the hash of a text."""
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()[:16]


def figures(response: Response) -> Expected:
    """Return a response as the figures have it."""
    columns = dict(response.columns)
    choices = []
    for position, one in enumerate(response.choices):
        choice = {"choice_position": position, **one}
        choice["reasoning"] = choice.pop("reasoning_content")
        for name in ("content", "reasoning", "refusal"):
            choice[f"{name}_sha"] = sha(choice.pop(name))
        choice["tool_calls"] = choice["tool_calls"] and [
            {**call, "arguments": sha(call["arguments"])}
            for call in choice["tool_calls"]
        ]
        choices.append(choice)
    return {"id": columns.pop("response_id"), **columns, "choices": choices}


def assert_equal(response: Response, expected: Expected) -> None:
    """Compare a response with its figures."""
    found = figures(response)
    for choice, other in zip(found["choices"], expected["choices"], strict=True):
        if other["logprob_sum"] is not None:
            total = pytest.approx(other["logprob_sum"], abs=1e-8)
            assert choice["logprob_sum"] == total
            choice["logprob_sum"] = other["logprob_sum"]
    assert found == {name: expected[name] for name in found}


def fresh(chunks: Sequence[str], name: str) -> list[str]:
    """Return chunks with an id that no other stream has; framing stays as it is."""
    made = []
    for text in chunks:
        chunk = json.loads(text)
        if any(chunk.get(name) for name in ("id", "choices", "usage")):
            chunk["id"] = name
        made.append(json.dumps(chunk, ensure_ascii=False, separators=(",", ":")))
    return made


Recorded = list[tuple[list[str], Expected]]


# --- The assembler of the tests -------------------------------------------------------


@pytest.mark.parametrize("form", ["lines", "list", "text", "raw events"])
def test_the_assembler_of_the_tests_agrees(form: str, recorded: Recorded) -> None:
    for place, (chunks, expected) in enumerate(recorded):
        if form == "lines" and place == NOT_AS_LINES:
            continue
        log = chunks if form == "lines" else [CARRIERS[form](chunks)]
        (response,) = assemble(log).responses
        assert_equal(response, expected)


# --- Each stream alone ----------------------------------------------------------------


@pytest.mark.parametrize("form", CARRIERS)
def test_each_stream_on_one_line(form: str, recorded: Recorded, tmp_path: Path) -> None:
    lines = [CARRIERS[form](chunks) for chunks, _ in recorded]

    found = read_logs(write_set(tmp_path, lines), duplicates="keep")

    assert len(found.responses) == len(recorded)
    for response, (_, expected) in zip(found.responses, recorded, strict=True):
        assert_equal(response, expected)


@pytest.mark.parametrize("form", ["lines", "event lines", "lines in an envelope"])
def test_each_stream_as_lines_of_a_log(
    form: str, recorded: Recorded, tmp_path: Path
) -> None:
    write: Callable[[Sequence[str]], list[str]] = LINES[form]
    streams = [one for n, one in enumerate(recorded) if n != NOT_AS_LINES]
    paths = [
        path
        for number, (chunks, _) in enumerate(streams)
        for path in write_set(tmp_path / str(number), write(chunks))
    ]

    found = read_logs(paths, duplicates="keep")

    assert [one.log for one in found.responses] == list(range(len(streams)))
    for response, (_, expected) in zip(found.responses, streams, strict=True):
        assert_equal(response, expected)


def test_the_recorded_texts_themselves(
    corpus: Path, recorded: Recorded, tmp_path: Path
) -> None:
    """The file as it is: each line is the text of a stream as a JSON string."""
    path = corpus / "families" / "sse.jsonl"
    expected = [figure for _, figure in recorded[50:]]
    logs = [
        write_set(tmp_path / str(number), text.split("\n"))[0]
        for number, text in enumerate(read_json(path))
    ]

    found = read_logs([path], duplicates="keep"), read_logs(logs, duplicates="keep")

    for side in found:
        assert len(side.responses) == 80
        for response, figure in zip(side.responses, expected, strict=True):
            assert_equal(response, figure)


def test_the_recorded_chunks_one_stream_after_the_other(
    corpus: Path, recorded: Recorded
) -> None:
    """50 streams as they are, some without id: the sums are those of the figures."""
    found = read_logs([corpus / "chunks.jsonl"], duplicates="keep")

    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    figures = [expected for _, expected in recorded[:50]]
    sums = {name: sum(one[name] or 0 for one in figures) for name in names}
    assert {name: found.ledgers[0][name] for name in names} == sums


# --- All at the same time -------------------------------------------------------------


def all_interleaved(recorded: Recorded, seed: int) -> tuple[list[str], list[Expected]]:
    """Return all streams with fresh ids in one list of lines, and the figures."""
    names = [f"fresh-{number}" for number in range(len(recorded))]
    streams = [
        fresh(chunks, name) for (chunks, _), name in zip(recorded, names, strict=True)
    ]
    figures = [
        {**expected, "id": name}
        for (_, expected), name in zip(recorded, names, strict=True)
    ]
    return interleave(Random(seed), *streams), figures


def assert_all(found: Assembly, expected: Sequence[Expected], lines: int) -> None:
    """Compare all responses with their figures, and the sum of the lines."""
    by_id = {one["id"]: one for one in expected}
    assert len(found.responses) == len(expected)
    for response in found.responses:
        assert_equal(response, by_id.pop(response.columns["response_id"]))
    total = sum((one["lines"] for one in found.ledgers), 0)
    kinds = ("responses", "chunks", "rejected")
    assert total == lines
    assert total == sum(one[kind] for one in found.ledgers for kind in kinds)
    assert sum(one["responses"] for one in found.ledgers) == len(expected)


def test_all_streams_interleaved_in_one_log(recorded: Recorded, tmp_path: Path) -> None:
    lines, expected = all_interleaved(recorded, 1)

    found = read_logs(write_set(tmp_path, lines))

    assert_all(found, expected, len(lines))


@pytest.mark.parametrize("seed", range(CUTS))
def test_all_streams_over_seven_logs_of_a_rotation(
    seed: int, recorded: Recorded, tmp_path: Path
) -> None:
    lines, expected = all_interleaved(recorded, seed)
    logs = cut(Random(seed), lines, 7)

    found = read_logs(write_set(tmp_path, *logs))

    assert_all(found, expected, len(lines))
    assert [one["lines"] for one in found.ledgers] == [len(log) for log in logs]


def test_a_log_of_events_with_an_end_for_each_stream(
    recorded: Recorded, tmp_path: Path
) -> None:
    """One stream after the other, with their own ids and `[DONE]` between them."""
    lines = [
        line
        for number, (chunks, _) in enumerate(recorded)
        if number != NOT_AS_LINES
        for line in [*(f"data: {one}" for one in chunks), "", "data: [DONE]", ""]
    ]

    found = read_logs(write_set(tmp_path, lines), duplicates="keep")

    expected = [one for n, (_, one) in enumerate(recorded) if n != NOT_AS_LINES]
    assert len(found.responses) == len(expected)
    for response, figure in zip(found.responses, expected, strict=True):
        assert_equal(response, figure)
