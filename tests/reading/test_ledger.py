"""The counts of a ledger add up to the lines, also while streams are open."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

import toolkit
from tests.support.command import run
from toolkit.errors import ToolkitWarning
from toolkit.reading.blocks import Decoded, Source
from toolkit.reading.ledger import LINE_COUNTS, LedgerBuilder
from toolkit.schema import CHOICES, REJECTS
from toolkit.testing import make_choices, make_response

ROOT = Path(__file__).parents[2]


def rows(*cells: dict[str, object]) -> pa.RecordBatch:
    """Return choices as a batch."""
    table = make_choices(*cells).to_arrow().cast(CHOICES.arrow)
    (batch,) = table.to_batches() or [pa.RecordBatch.from_pylist([], CHOICES.arrow)]
    return batch


def block(log_id: int, lines: int, chunks: int, choices: pa.RecordBatch) -> Decoded:
    """Return a block without rejects."""
    rejects = pa.RecordBatch.from_pylist([], REJECTS.arrow)
    place = (log_id, f"{log_id}.jsonl", choices, rejects)
    return Decoded(*place, bytes=0, position=0, lines=lines, blank=0, chunks=chunks)


def test_a_stream_that_is_given_out_moves_a_line_from_the_chunks_to_the_responses() -> (
    None
):
    builder = LedgerBuilder([Source("0.jsonl", None), Source("1.jsonl", None)])

    def counts() -> list[dict[str, int]]:
        frame = builder.frame()
        for row in frame.iter_rows(named=True):
            assert row["lines"] == sum(row[name] for name in LINE_COUNTS)
        return frame.select("lines", "responses", "chunks", "choices").to_dicts()

    # Four chunks in the first log, three and a whole response in the next one.
    builder.add(block(0, 4, 4, rows()))
    assert counts()[0] == {"lines": 4, "responses": 0, "chunks": 4, "choices": 0}
    builder.add(block(1, 4, 3, rows({})))
    # The stream of both is over: two choices, in the log of its first line.
    builder.add(block(0, 0, -1, rows({"choice_count": 2}, {"choice_position": 1})))

    assert counts() == [
        {"lines": 4, "responses": 1, "chunks": 3, "choices": 2},
        {"lines": 4, "responses": 1, "chunks": 3, "choices": 1},
    ]


@pytest.mark.parametrize("page", ["reference/lines.md", "explanation/rejects.md"])
def test_the_docs_name_what_a_line_is(page: str) -> None:
    equation = f"`lines = {' + '.join(LINE_COUNTS)}`"

    assert equation in (ROOT / "docs" / page).read_text(encoding="utf-8")


def chunk(name: str, finish: str | None = None, **fields: object) -> str:
    """Return a chunk as JSON."""
    delta = {"index": 0, "delta": {"content": "a"}, "finish_reason": finish}
    facts = {"id": name, "object": "chat.completion.chunk", "choices": [delta]}
    return json.dumps(facts | fields)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write ten lines: three chunks of a stream, one of another, a whole response."""
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    lines = [
        f"data: {chunk('a')}",
        f"data: {chunk('a', 'stop')}",
        "",
        f"data: {chunk('a', choices=[], usage=usage)}",
        "data: [DONE]",
        ": keep-alive",
        chunk("b"),
        json.dumps(make_response(id="c")),
        '{"error": "busy"}',
        "oops",
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


# Three responses; of the five lines of the first stream four are further ones.
COUNTS = {
    **{"blank": 1, "responses": 3, "chunks": 4, "duplicates": 0},
    **{"outside": 0, "errors": 1, "rejected": 1},
}


@pytest.mark.both_decoders
def test_the_lines_of_a_streamed_log_add_up_wherever_they_are_shown(log: Path) -> None:
    assert sum(COUNTS.values()) == 10
    loaded = toolkit.load(log)
    assert loaded.ledger.select(LINE_COUNTS).row(0, named=True) == COUNTS
    words = [" ".join(line.split()) for line in repr(loaded).splitlines()]
    assert words[1:3] == [
        "lines 10 lines -> 3 responses -> 3 choices; 1 blank, 4 further chunks",
        "streamed 2 responses of 4 chunks; 1 unfinished",
    ]

    checked = toolkit.check(log)
    assert checked.ledger.select(LINE_COUNTS).row(0, named=True) == COUNTS
    found = {one.code: (one.responses, one.first) for one in checked.findings}
    assert found["unfinished"] == (1, f"{log}:7")
    assert "streamed_without_usage" not in found

    health = toolkit.metrics.log_health(log).filter(kind="ledger")
    assert dict(health.select("name", "count").iter_rows()) == COUNTS

    shown = toolkit.write_report(log).data()["ledger"]
    assert {name: shown[name] for name in COUNTS} == COUNTS
    assert shown["lines"] == 10


@pytest.mark.both_decoders
def test_the_command_counts_the_lines_of_streams(log: Path) -> None:
    printed = run("check", str(log)).stdout

    rows = [line.split() for line in printed.splitlines()]
    assert ["chunks", "4"] in [row[:2] for row in rows]
    assert ["unfinished", "1"] in [row[:2] for row in rows]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """Write a log of two responses without an id and one with, and a copy of it."""
    times = [1_795_000_000, 1_795_000_001]
    facts = [{"id": None, "created": at} for at in times] + [{"id": "a"}]
    text = "".join(json.dumps(make_response(**one)) + "\n" for one in facts)
    (tmp_path / "b.jsonl").write_text(text)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    return tmp_path


# The compressed log is the older one, so the other one repeats it.
COPIED = re.escape("b.jsonl has the same 2 responses without an id as ") + ".*gz"


@pytest.mark.both_decoders
@pytest.mark.parametrize("read", [toolkit.load, toolkit.check])
def test_a_copy_of_a_log_is_reported(
    copied: Path, read: Callable[[Path], object]
) -> None:
    with pytest.warns(ToolkitWarning, match=COPIED):
        read(copied)


@pytest.mark.both_decoders
def test_responses_without_an_id_in_a_copy_count_twice(copied: Path) -> None:
    tokens = toolkit.scan(copied).select(pl.col("total_tokens").sum())

    with pytest.warns(ToolkitWarning, match=COPIED):
        # 10 + 5 of each response: of two without an id twice, of the other once.
        assert tokens.collect().item() == (2 * 2 + 1) * 15


@pytest.mark.filterwarnings("error")
def test_a_log_with_other_responses_or_with_ids_is_no_copy(copied: Path) -> None:
    log = copied / "b.jsonl"
    longer = json.dumps(make_response(id=None, created=1_795_000_002)) + "\n"
    log.write_text(log.read_text() + longer)
    assert len(toolkit.load(copied).choices) == 6

    with_id = json.dumps(make_response(id="a")) + "\n"
    log.write_text(with_id)
    (copied / "c.jsonl").write_text(with_id)
    assert toolkit.load(copied / "*.jsonl").ledger["duplicates"].sum() == 1
