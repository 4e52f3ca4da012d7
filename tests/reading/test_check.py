"""Findings, each with its count and its first place."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

import toolkit
from toolkit.reading.check import summarize_loaded
from toolkit.reading.load import Loaded
from toolkit.schema.tables import LEDGER, REJECTS
from toolkit.testing import make_choices, make_response


def test_each_oddity_is_counted_once_and_its_first_place_named(tmp_path: Path) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5}
    odd = [
        make_response(),
        make_response(id="u", created=0),
        make_response(id="v", usage=None),
        make_response(id=""),
        make_response(id=""),
        make_response(id="w", model=None),
        make_response(id="x", choices=[]),
        make_response(id="y", usage={**usage, "total_tokens": 16}),
        make_response(id="z", usage={**usage, "cached_tokens": 11, "total_tokens": 15}),
        make_response(
            id="r", usage={**usage, "reasoning_tokens": 6, "total_tokens": 15}
        ),
        make_response(id="x", model="other"),
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, odd)), encoding="utf-8")

    checked = toolkit.check(path)

    found = {
        finding.code: (finding.responses, int(finding.first.rpartition(":")[2]))
        for finding in checked.findings
    }
    assert found == {
        "undated": (1, 2),
        "without_usage": (1, 3),
        "without_id": (2, 4),
        "without_model": (1, 6),
        "without_choices": (1, 7),
        "total_differs": (1, 8),
        "cached_exceeds_prompt": (1, 9),
        "reasoning_exceeds_completion": (1, 10),
        "repeated_id": (2, 7),
        "equal_without_id": (2, 4),
    }
    assert checked.failures == []


def test_usage_that_is_no_usage_and_costs_that_are_none_are_found(
    tmp_path: Path,
) -> None:
    zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    silent = {"index": 0, "message": {"role": "assistant"}, "finish_reason": "stop"}
    calls = {**silent, "message": {"role": "assistant", "tool_calls": [call]}}
    lines = [
        make_response(id="a", usage=zero),
        make_response(id="b", usage={"completion_tokens": 0}, choices=[calls]),
        make_response(id="c", usage=zero, choices=[silent]),  # 0 may be right
        make_response(id="d", usage={**zero, "prompt_tokens": 3, "total_tokens": 3}),
        make_response(id="e", usage={**usage, "cost": -0.01}),
        make_response(id="f", usage={**usage, "cost": 0}),
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    found = {
        finding.code: (finding.responses, finding.first)
        for finding in toolkit.check(path).findings
    }

    assert found["zero_usage"] == (2, f"{path}:1")
    assert found["negative_cost"] == (1, f"{path}:5")


def test_reasoning_beside_the_completion_is_no_contradiction(tmp_path: Path) -> None:
    def response(number: int, total: int | None) -> dict[str, object]:
        details = {"completion_tokens_details": {"reasoning_tokens": 300}}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, **details}
        return make_response(id=f"{number}", usage={**usage, "total_tokens": total})

    # 10 + 5 + 300 = 315: xAI counts them so. 15 and 316 are neither sum, or exceed.
    path = tmp_path / "a.jsonl"
    lines = [response(1, 315), response(2, 15), response(3, 316), response(4, None)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")

    found = {
        finding.code: (finding.responses, finding.first)
        for finding in toolkit.check(path).findings
    }

    assert found["total_differs"] == (1, f"{path}:3")
    assert found["reasoning_exceeds_completion"] == (3, f"{path}:2")


def test_an_export_gives_the_account_that_its_logs_give(tmp_path: Path) -> None:
    toolkit.export("data/sample", to=tmp_path / "out", final=True)

    of_logs, of_export = toolkit.check("data/sample"), toolkit.check(tmp_path / "out")

    assert of_export.findings == of_logs.findings
    assert of_export.rejects == of_logs.rejects
    assert of_export.failures == []
    assert of_export.ledger.equals(of_logs.ledger)


def test_sums_that_are_not_those_of_the_ledger_are_a_failure(tmp_path: Path) -> None:
    toolkit.export("data/sample", to=tmp_path / "out")
    path = tmp_path / "out" / "state.json"
    state = json.loads(path.read_text(encoding="utf-8"))
    state["logs"][0]["row"]["total_tokens"] += 1
    path.write_text(json.dumps(state), encoding="utf-8")

    (failure,) = toolkit.check(tmp_path / "out").failures

    assert failure.startswith("total_tokens: expected ")


def test_the_place_of_a_finding_has_the_present_name_of_its_log(
    tmp_path: Path,
) -> None:
    log, rotated = tmp_path / "a.jsonl", tmp_path / "a.jsonl.1"
    lines = [json.dumps(make_response(id=one, model=one or None)) for one in ("a", "")]
    log.write_text("\n".join([*lines, ""]), encoding="utf-8")
    toolkit.export(log, to=tmp_path / "out")
    log.rename(rotated)
    toolkit.export(rotated, to=tmp_path / "out")

    found = toolkit.check(tmp_path / "out").findings

    assert {one.code: one.first for one in found} == {
        "without_id": f"{rotated.as_posix()}:2",
        "without_model": f"{rotated.as_posix()}:2",
    }


def made(*rows: dict[str, object]) -> Loaded:
    """Return choices as those of a log with no other lines."""
    choices = make_choices(*rows)
    counts = dict.fromkeys(LEDGER.names, 0) | {"source": "made.jsonl"}
    ledger = pl.DataFrame([counts | {"error": None, "hint": None}], LEDGER.polars)
    return Loaded(choices.to_arrow(), REJECTS.empty(), ledger)


def findings_of(*rows: dict[str, object]) -> dict[str, tuple[int, str]]:
    """Return the findings in choices: the count and the place of the first."""
    return {
        finding.code: (finding.responses, finding.first)
        for finding in summarize_loaded(made(*rows)).findings
    }


STREAM = {"chunk_count": 8, "finish_reason": "stop", "response_id": "a"}
COUNTED = {**STREAM, "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def test_a_stream_is_unfinished_if_one_of_its_choices_has_no_end() -> None:
    found = findings_of(
        {**COUNTED, "chunk_count": None, "finish_reason": None},  # logged whole
        COUNTED,
        {**COUNTED, "choice_count": 3},
        {**STREAM, "choice_count": 3, "choice_position": 1, "finish_reason": None},
        {**STREAM, "choice_count": 3, "choice_position": 2, "finish_reason": None},
        {**COUNTED, "finish_reason": None},
        {**COUNTED, "finish_reason": None, "choice_count": 0},
    )

    # Lines 3 (two of its choices), 4 and 5.
    assert found["unfinished"] == (3, "made.jsonl:3")


def test_only_streams_that_end_could_have_had_a_usage() -> None:
    found = findings_of(
        {**STREAM, "chunk_count": None},  # logged whole
        COUNTED,
        {**STREAM, "prompt_tokens": 0},
        STREAM,
        {**STREAM, "finish_reason": None},  # the usage comes last
        {**STREAM, "api": "gemini"},  # has no such option
        {**STREAM, "api": "text"},
    )

    assert found["streamed_without_usage"] == (2, "made.jsonl:4")
    assert found["unfinished"] == (1, "made.jsonl:5")


def test_many_streams_of_one_chunk_have_ids_that_change() -> None:
    single = {**STREAM, "chunk_count": 1, "finish_reason": None}
    other = {**COUNTED, "model": "gpt-b"}

    def changing(*rows: dict[str, object]) -> tuple[int, str] | None:
        return findings_of(*rows).get("changing_ids")

    # Ten of a model, and at least half of its streams: 10 of 20, but not of 21.
    assert changing(*[single] * 9) is None
    assert changing(other, *[single] * 10) == (10, "made.jsonl:2")
    assert changing(*[COUNTED] * 10, *[single] * 10) == (10, "made.jsonl:11")
    assert changing(*[COUNTED] * 11, *[single] * 10) is None
    # Streams of another model and responses that were logged whole do not count.
    whole = {**COUNTED, "chunk_count": None}
    assert changing(*[other] * 90, *[whole] * 90, *[single] * 10) == (
        10,
        "made.jsonl:181",
    )
    # Those of two chunks, with an end or without an id are of other kinds.
    for fields in (
        {"chunk_count": 2},
        {"finish_reason": "stop"},
        {"response_id": None},
    ):
        assert changing(*[{**single, **fields}] * 10) is None


def test_what_to_do_about_streams_without_usage_is_named() -> None:
    words = [finding.words for finding in summarize_loaded(made(STREAM)).findings]

    assert any('stream_options={"include_usage": true}' in one for one in words)
