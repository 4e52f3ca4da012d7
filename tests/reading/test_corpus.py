"""Recorded responses of 38 providers, against a count that shares no code with us."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import toolkit

pytestmark = pytest.mark.both_decoders

COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")


def codes(log: toolkit.Loaded) -> Counter[str]:
    """Count the reject codes."""
    return Counter(log.rejects["code"].to_list())


def recorded(path: Path) -> list[dict[str, Any]]:
    """Read recorded responses with the standard library."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def is_joined_wrongly(response: dict[str, Any]) -> bool:
    """Tell a response whose client put a whole choice into finish_reason."""
    return any(isinstance(c.get("finish_reason"), dict) for c in response["choices"])


def test_every_recorded_response_is_a_row_or_a_reject_that_the_contract_demands(
    corpus: Path,
) -> None:
    path = corpus / "responses.jsonl"
    # Two hold an object in finish_reason: a client joined streamed chunks wrongly.
    bad = [
        number
        for number, response in enumerate(recorded(path), start=1)
        if is_joined_wrongly(response)
    ]

    log = toolkit.load(path)

    assert log.ledger["lines"].item() == 273
    assert log.ledger["responses"].item() == 271
    assert bad == log.rejects["line"].to_list() == [207, 208]
    assert codes(log) == {"wrong_type": 2}
    assert set(log.rejects["json_path"].to_list()) == {"choices[0].finish_reason"}


def test_token_sums_equal_an_independent_count(corpus: Path) -> None:
    path = corpus / "responses.jsonl"
    good = [response for response in recorded(path) if not is_joined_wrongly(response)]
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


def test_of_seven_batch_lines_three_are_chat_completions(corpus: Path) -> None:
    log = toolkit.load(corpus / "envelopes.jsonl")

    # Two are of the responses API and two are embeddings.
    assert log.ledger["responses"].item() == 3
    assert codes(log) == {"not_a_response": 4}
    assert log.choices.column("custom_id").null_count == 0


def test_sixty_error_bodies_are_sixty_errors(corpus: Path) -> None:
    log = toolkit.load(corpus / "errors.jsonl")

    assert codes(log) == {"error_response": 60}
    assert log.ledger["errors"].item() == 60
    assert log.ledger["rejected"].item() == 0


def test_no_chunk_of_a_stream_is_a_response(corpus: Path) -> None:
    log = toolkit.load(corpus / "chunks.jsonl")

    # One is an event of another API that has no choices.
    assert codes(log) == {"stream_chunk": 494, "not_a_response": 1}


def test_the_ledger_of_all_recorded_files_adds_up(corpus: Path) -> None:
    log = toolkit.load(sorted(corpus.glob("[cer]*s.jsonl")))

    kinds = log.ledger.select(
        "blank", "responses", "duplicates", "errors", "rejected"
    ).sum_horizontal()
    assert kinds.to_list() == log.ledger["lines"].to_list()
    toolkit.validate(log.frame)
