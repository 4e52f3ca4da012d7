"""Exports of responses whose date is that of their line: `created_path`."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import toolkit
from toolkit.testing import make_response

pytestmark = pytest.mark.both_decoders

OPTIONS: dict[str, Any] = {"created_path": "ts", "tags": {"team": "team"}}
DUPLICATES = pl.col("duplicates").sum()


def line(number: int, day: int, **fields: Any) -> bytes:
    """Return a response of Anthropic in a line with a time."""
    response = {
        "id": f"msg_{number}",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": [{"type": "text", "text": "Yes."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }
    at = f"2026-01-{day:02}T12:00:00Z"
    return json.dumps({"ts": at, "response": response, **fields}).encode() + b"\n"


def chat(number: int) -> bytes:
    """Return a response that has its own time, of 1 January 2026."""
    made = make_response(id=f"chat-{number}", created=1767225600)
    return json.dumps(made).encode() + b"\n"


def ids(to: Path | list[Path], **span: Any) -> list[tuple[str, date]]:
    """Return the id and the date of each response of exports."""
    rows = toolkit.scan(to, **span).sort("response_id", "created")
    return rows.select("response_id", pl.col("created").dt.date()).collect().rows()


def test_parts_are_those_of_the_dates_of_the_lines_and_can_be_merged(
    tmp_path: Path,
) -> None:
    log, out = tmp_path / "a.jsonl", tmp_path / "out"
    for number in range(4):
        with log.open("ab") as file:
            file.write(line(number, 2 + number % 2, team="a") + chat(number))
        toolkit.export(log, to=out, **OPTIONS)

    assert toolkit.verify(out).faults == []
    days = sorted(path.name for path in (out / "choices").iterdir())
    assert days == ["date=2026-01-01", "date=2026-01-02", "date=2026-01-03"]
    before = toolkit.scan(out).sort("line").collect()
    assert before.equals(toolkit.load(log, **OPTIONS).frame)
    assert toolkit.compact(out).directories == 3
    assert toolkit.verify(out).faults == []
    assert toolkit.scan(out).sort("line").collect().equals(before)
    assert toolkit.check(out).failures == []


def test_workers_write_what_one_process_writes(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.jsonl").write_bytes(line(1, 2) + chat(1) + line(2, 3))
    (logs / "b.jsonl").write_bytes(line(2, 3) + chat(1) + line(1, 5) + line(3, 5))
    toolkit.export(logs, to=tmp_path / "one", created_path="ts")

    with ThreadPoolExecutor(2) as pool:
        to = tmp_path / "many"
        toolkit.export(logs, to=to, created_path="ts", executor=pool)

    expected = [
        ("chat-1", date(2026, 1, 1)),
        ("msg_1", date(2026, 1, 2)),
        ("msg_2", date(2026, 1, 3)),
        ("msg_3", date(2026, 1, 5)),
    ]
    assert ids(tmp_path / "one") == ids(to) == expected
    assert toolkit.verify(to).faults == []


@pytest.mark.parametrize("workers", [0, 2])
def test_a_response_that_a_later_line_repeats_is_found_across_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    # A task for each log.
    monkeypatch.setattr("toolkit.exports.distributed._SHARE_BYTES", 100)
    logs, out = tmp_path / "logs", tmp_path / "out"
    logs.mkdir()
    with ThreadPoolExecutor(2) as pool:
        options: dict[str, Any] = {"executor": pool} if workers else {}
        (logs / "a.jsonl").write_bytes(line(1, 2) + line(2, 2) + chat(1))
        toolkit.export(logs, to=out, created_path="ts", **options)
        (logs / "b.jsonl").write_bytes(line(1, 9) + line(3, 9) + chat(2))
        (logs / "c.jsonl").write_bytes(line(3, 8) + line(2, 7) + chat(1))
        done = toolkit.export(logs, to=out, created_path="ts", **options)

    # Of eleven lines b repeats msg_1; c repeats msg_2 and chat-1 of a, and msg_3 of b.
    assert done.ledger.select(DUPLICATES).item() == 4
    assert ids(out) == [
        ("chat-1", date(2026, 1, 1)),
        ("chat-2", date(2026, 1, 1)),
        ("msg_1", date(2026, 1, 2)),
        ("msg_2", date(2026, 1, 2)),
        ("msg_3", date(2026, 1, 9)),
    ]
    whole = toolkit.load(logs, created_path="ts")
    assert whole.ledger.select(DUPLICATES).item() == 4
    assert toolkit.verify(out).faults == []


def test_several_exports_have_a_response_once_whatever_the_range(
    tmp_path: Path,
) -> None:
    exports = []
    for name, data in {"a": line(1, 2) + chat(1), "b": line(1, 9) + chat(2)}.items():
        (tmp_path / f"{name}.jsonl").write_bytes(data)
        exports.append(tmp_path / name)
        log = tmp_path / f"{name}.jsonl"
        toolkit.export(log, to=exports[-1], created_path="ts")

    first = ("msg_1", date(2026, 1, 2))
    assert ids(exports, since="2026-01-02") == [first]
    assert ids(exports, since="2026-01-05") == []
    assert ids(exports[::-1], since="2026-01-05") == [("msg_1", date(2026, 1, 9))]
