"""The time of a response that has none, from its line, and what is found otherwise."""

from __future__ import annotations

import json
import warnings
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import toolkit
from toolkit.errors import OptionError, OptionTypeError
from toolkit.testing import make_response

pytestmark = pytest.mark.both_decoders

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECONDS = 1767323045  # 20,455 days after 1970, and 11,045 s: 3 h, 4 min, 5 s


def message(number: int = 0, **fields: Any) -> dict[str, Any]:
    """Return a response of Anthropic, which has no time of its own."""
    return {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "Yes."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 5},
        **fields,
    }


def write(path: Path, *lines: dict[str, Any]) -> Path:
    """Write lines as a log."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def warnings_of(read: Any, *args: Any, **options: Any) -> list[str]:
    """Return the warnings of a call."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        read(*args, **options)
    return [str(one.message) for one in caught]


def findings(path: Path, **options: Any) -> dict[str, int]:
    """Return the number of responses of each finding."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = toolkit.check(path, **options).findings
    return {finding.code: finding.responses for finding in found}


@pytest.mark.parametrize(
    ("written", "unit"),
    [
        ("2026-01-02T03:04:05Z", "s"),
        ("2026-01-02T05:04:05+02:00", "s"),
        (SECONDS, "s"),
        (str(SECONDS), "s"),
        (SECONDS * 1000, "ms"),
    ],
)
def test_a_response_without_a_time_has_that_of_the_path(
    tmp_path: Path, written: object, unit: Any
) -> None:
    line = {"log": {"sent at": written}, "response": message()}
    path = write(tmp_path / "a.jsonl", line)
    options: dict[str, Any] = {
        "created_path": 'log["sent at"]',
        "created_unit": unit,
    }

    assert toolkit.load(path, **options).frame["created"].to_list() == [AT]
    assert toolkit.scan(path, **options).collect()["created"].to_list() == [AT]
    (block,) = toolkit.batches(path, **options)
    assert block.choices.column("created").to_pylist() == [AT]
    assert findings(path, **options) == {}


def test_its_own_time_comes_first_and_known_places_last(tmp_path: Path) -> None:
    place = {"ts": SECONDS, "timestamp": SECONDS + 1}
    path = write(
        tmp_path / "a.jsonl",
        {**place, "response": make_response(created=SECONDS + 2)},
        {**place, "response": message(1)},
        {**place, "ts": None, "response": message(2)},
        {**place, "ts": [1], "response": message(3)},
    )

    rows = toolkit.load(path, created_path="ts").frame

    seconds = [created.timestamp() - SECONDS for created in rows["created"]]
    assert seconds == [2, 0, 1, 1]


def test_a_time_without_a_zone_is_null_and_found(tmp_path: Path) -> None:
    written = ["2026-01-02 03:04:05", "2026-01-02T03:04:05", "1970-01-01T00:00:00Z"]
    lines = [{"ts": ts, "response": message(n)} for n, ts in enumerate(written)]
    path = write(tmp_path / "a.jsonl", *lines)

    rows = toolkit.load(path, created_path="ts").frame

    assert rows["created"].to_list() == [None] * 3
    # The time 0 is no time, and it has a zone.
    problems = rows["created_problem"].to_list()
    assert problems == ["no_time_zone", "no_time_zone", None]
    assert findings(path, created_path="ts") == {"undated": 3, "no_time_zone": 2}
    assert warnings_of(toolkit.load, path, created_path="ts") == []


NOWHERE = "created_path is null in every line whose response has no time"


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("tss", "the keys of the line are ts, log, response (did you mean 'ts'?)"),
        ("log.s", "the keys of log are level"),
        (
            "ts",  # in milliseconds
            "the keys of the line are ts, log, response; expected RFC 3339 or a Unix "
            "time in created_unit there",
        ),
    ],
)
def test_a_path_that_leads_to_no_time_warns_once(
    tmp_path: Path, path: str, keys: str
) -> None:
    lines = [
        {"ts": SECONDS * 1000, "log": {"level": 1}, "response": message(n)}
        for n in range(3)
    ]
    log = write(tmp_path / "a.jsonl", *lines, make_response(id="dated"))
    expected = [f"{NOWHERE}: {keys}"]

    assert warnings_of(toolkit.load, log, created_path=path) == expected
    assert warnings_of(toolkit.check, log, created_path=path) == expected
    assert warnings_of(toolkit.scan(log, created_path=path).collect) == expected
    to = tmp_path / "out"
    assert warnings_of(toolkit.export, log, to=to, created_path=path) == expected
    assert findings(log, created_path=path)["undated"] == 3


def test_a_path_that_is_not_needed_or_sometimes_there_does_not_warn(
    tmp_path: Path,
) -> None:
    dated = write(tmp_path / "dated.jsonl", make_response())
    mixed = write(
        tmp_path / "mixed.jsonl",
        {"ts": SECONDS, "response": message(1)},
        {"response": message(2)},
    )

    assert warnings_of(toolkit.load, dated, created_path="ts") == []
    assert warnings_of(toolkit.load, mixed, created_path="ts") == []
    assert findings(mixed, created_path="ts") == {"undated": 1}


@pytest.mark.parametrize("path", ["", "a.[b", "a..b"])
def test_what_is_no_path_is_an_error(tmp_path: Path, path: str) -> None:
    log = write(tmp_path / "a.jsonl", message())

    with pytest.raises(OptionError, match="created_path: expected "):
        toolkit.load(log, created_path=path)
    with pytest.raises(OptionTypeError, match="created_path: expected a path such as"):
        toolkit.load(log, created_path=5)  # type: ignore[arg-type]


def test_each_reason_for_an_unknown_cost_is_a_finding(tmp_path: Path) -> None:
    def used(number: int, **usage: object) -> dict[str, Any]:
        counts = {"input_tokens": 10, "output_tokens": 5}
        return message(number, usage={**counts, **usage})

    advised = used(1, iterations=[{"type": "message"}, {"type": "advisor_message"}])
    searched = [{"type": "server_tool_use", "name": "web_search"}]
    cohere = {
        "id": "c",
        "message": {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]},
        "finish_reason": "COMPLETE",
        "usage": {"tokens": {"input_tokens": 9, "output_tokens": 1}},
    }
    path = write(
        tmp_path / "a.jsonl",
        advised,
        *(used(2 + n, speed="fast") for n in range(2)),
        *(used(4 + n, inference_geo="us") for n in range(3)),
        message(7, content=searched),
        cohere,
        used(8, iterations=[{"type": "message"}], speed="standard"),
    )

    found = findings(path)

    # Of 9 responses none has a time, and Cohere names no model.
    expected = {"iterations": 1, "fast_mode": 2, "inference_geo": 3}
    expected |= {"server_tools": 1, "billed_units": 1, "without_model": 1}
    assert found == {**expected, "undated": 9}
