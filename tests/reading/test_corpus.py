"""Recorded responses of 38 providers, against a count that shares no code with us."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import toolkit

pytestmark = pytest.mark.both_decoders

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
COUNTED = (
    *("response_id", "model", *COUNTS, "choice_count", "chunk_count"),
    *("cached_tokens", "reasoning_tokens", "reported_cost"),
)


def codes(log: toolkit.Loaded) -> Counter[str]:
    """Count the reject codes."""
    return Counter(log.rejects["code"].to_list())


def recorded(path: Path) -> list[dict[str, Any]]:
    """Read recorded responses with the standard library."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def code_of(response: dict[str, Any]) -> str | None:
    """Return why a response is rejected, None if it is read."""
    if response.get("usage") is None and response.get("usage_metadata") is not None:
        return "not_a_response"  # a run of LangSmith
    ends = [choice.get("finish_reason") for choice in response["choices"]]
    # A client joined streamed chunks wrongly, and put a whole choice there.
    return "wrong_type" if any(isinstance(end, dict) for end in ends) else None


def test_every_recorded_response_is_a_row_or_a_reject_that_the_contract_demands(
    corpus: Path,
) -> None:
    path = corpus / "responses.jsonl"
    expected = {
        number: code_of(response)
        for number, response in enumerate(recorded(path), start=1)
        if code_of(response)
    }

    log = toolkit.load(path)

    assert log.ledger["lines"].item() == 273
    assert log.ledger["responses"].item() == 267
    assert list(expected) == [205, 206, 207, 208, 209, 210]
    assert dict(log.rejects.select("line", "code").iter_rows()) == expected
    assert log.rejects["json_path"].drop_nulls().to_list() == [
        "choices[0].finish_reason"
    ]


def test_token_sums_equal_an_independent_count(corpus: Path) -> None:
    path = corpus / "responses.jsonl"
    good = [response for response in recorded(path) if code_of(response) is None]
    expected = {
        name: sum((response.get("usage") or {}).get(name) or 0 for response in good)
        for name in COUNTS
    }

    log = toolkit.load(path)
    usage = toolkit.metrics.token_usage(log, by="model", every="1mo")

    assert {name: log.ledger[name].item() for name in COUNTS} == expected
    assert {name: usage[name].sum() for name in COUNTS} == expected
    assert usage["responses"].sum() == len(good)


def test_choices_and_texts_equal_an_independent_reading(corpus: Path) -> None:
    path = corpus / "responses.jsonl"

    log = toolkit.load(path)
    names = ["line", "choice_position", "model", "content"]
    rows = log.choices.select(names).to_pylist()

    by_line = dict(enumerate(recorded(path), start=1))
    for row in rows:
        response = by_line[row["line"]]
        assert row["model"] == (response.get("model") or None)
        choice = response["choices"][row["choice_position"]]
        content = (choice.get("message") or {}).get("content")
        if content is None or isinstance(content, str):
            assert row["content"] == content


def test_of_seven_batch_lines_five_are_responses(corpus: Path) -> None:
    log = toolkit.load(corpus / "envelopes.jsonl")

    # Two are embeddings.
    assert Counter(log.frame["api"]) == {"chat": 3, "responses": 2}
    assert codes(log) == {"not_a_response": 2}
    assert log.choices.column("custom_id").null_count == 0


def test_sixty_error_bodies_are_sixty_errors(corpus: Path) -> None:
    log = toolkit.load(corpus / "errors.jsonl")

    assert codes(log) == {"error_response": 60}
    assert log.ledger["errors"].item() == 60
    assert log.ledger["rejected"].item() == 0


def test_each_recorded_stream_is_one_response(corpus: Path) -> None:
    expected = recorded(corpus / "chunks.expected.jsonl")
    # An example in a page: three of its five chunks have no id, and begin a stream.
    (page,) = [stream for stream in expected if not stream["complete"]]
    expected.remove(page)

    log = toolkit.load(corpus / "chunks.jsonl")

    # One line is an event of another API.
    assert codes(log) == {"stream_chunk": 1}
    first = log.frame.filter(pl.col("choice_position") == 0).to_dicts()
    found = [tuple(row[name] for name in COUNTED) for row in first]
    halves = [
        (page["id"], *[None] * 4, 1, 2, *[None] * 3),
        (None, *[None] * 4, 1, 3, *[None] * 3),
    ]
    for stream in expected:
        stream["response_id"] = stream["id"]
    whole = [tuple(stream[name] for name in COUNTED) for stream in expected]
    assert Counter(found) == Counter([*whole, *halves])
    assert len(log.frame) == sum(stream["choice_count"] for stream in expected) + 2
    for name in COUNTS:
        assert log.ledger[name].item() == sum(s[name] or 0 for s in expected)
    # What is neither a chunk that counts nor rejected is framing: 495 - 1 - 491 = 3.
    counted = sum(stream["chunk_count"] for stream in (*expected, page))
    lines = log.ledger["responses"].item() + log.ledger["chunks"].item()
    assert (counted, lines) == (491, 495 - 1)


def test_the_ledger_of_all_recorded_files_adds_up(corpus: Path) -> None:
    log = toolkit.load(sorted(corpus.glob("[cer]*s.jsonl")))

    kinds = log.ledger.select(
        *("blank", "responses", "chunks", "duplicates"),
        *("outside", "errors"),
        "rejected",
    ).sum_horizontal()
    assert kinds.to_list() == log.ledger["lines"].to_list()
    assert log.ledger["chunks"].to_list().count(0) == len(log.ledger) - 1
    toolkit.validate(log.frame)


FAMILIES = {
    "anthropic_messages": "anthropic",
    "bedrock_converse": "converse",
    "cohere_v2_chat": "cohere",
    "gemini": "gemini",
    "ollama_chat": "ollama",
    "openai_responses": "responses",
    "text_completion": "text",
}
# Chunks among these lines are put together: the lines of each such stream, and length
# of the content and finish reason of its choices. None has an id, and those of Gemini
# have no model.
STREAMS: dict[str, dict[tuple[int, ...], list[tuple[int | None, str | None]]]] = {
    "gemini": {(66, 71): [(None, "content_filter")], (73,): [(24, None)]},
    "text_completion": {(2, 4): [(4, "length"), (8, None)]},
}
EXPECTED = (
    *("response_id", "model", *COUNTS),
    *("cached_tokens", "cache_write_tokens", "reasoning_tokens"),
)


def sha(texts: list[str | None]) -> str:
    """Return the hash of the texts of a response's choices."""
    written = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(written.encode()).hexdigest()


def as_expected(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the rows of a line as the expected reading has them."""
    first, choices = rows[0], rows if rows[0]["choice_count"] else []
    created = first["created"]
    return {
        **{name: first[name] for name in EXPECTED},
        "code": None,
        "created": created and round(created.timestamp() * 10**6),
        "choices": first["choice_count"],
        "finish_reasons": [row["finish_reason"] for row in choices],
        "native_finish_reasons": [row["native_finish_reason"] for row in choices],
        "tool_names": [[c["name"] for c in row["tool_calls"] or ()] for row in choices],
        "content_sha": sha([row["content"] for row in choices]),
        "reasoning_sha": sha([row["reasoning_content"] for row in choices]),
        "refusal": [row["refusal"] for row in choices],
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_each_recorded_line_of_another_api_is_read_as_an_independent_count_says(
    family: str, corpus: Path
) -> None:
    expected = recorded(corpus / "families" / f"{family}.expected.jsonl")

    log = toolkit.load(corpus / "families" / f"{family}.jsonl", duplicates="keep")

    rejected = dict(log.rejects.select("line", "code").iter_rows())
    rows = log.frame.partition_by("line", as_dict=True)
    assert set(log.frame["api"]) == {FAMILIES[family]}
    assert log.ledger["lines"].item() == len(expected)
    streams = STREAMS.get(family, {})
    for line in expected:
        number = line["line"]
        if any(number in lines for lines in streams):
            continue
        found = {"code": rejected.get(number)}
        if number not in rejected:
            found = as_expected(rows[number,].to_dicts())
            assert rows[number,]["chunk_count"].null_count() == len(rows[number,])
        assert found == {name: line[name] for name in found}, number
    for (first, *more), choices in streams.items():
        assert expected[first - 1]["code"] == "stream_chunk"
        last = expected[more[-1] - 1] if more else dict.fromkeys(COUNTS)
        for row, (length, reason) in zip(rows[first,].to_dicts(), choices, strict=True):
            assert (row["content_chars"], row["finish_reason"]) == (length, reason)
            assert row["chunk_count"] == 1 + len(more)
        assert {name: rows[first,][name][0] for name in COUNTS} == {
            name: last[name] for name in COUNTS
        }
        assert not rejected.keys() & {first, *more}
    assert log.ledger["chunks"].item() == sum(len(lines) - 1 for lines in streams)
