"""The counts of a ledger add up to the lines, also while streams are open."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from toolkit.reading.blocks import Decoded, Source
from toolkit.reading.ledger import LINE_COUNTS, LedgerBuilder
from toolkit.schema import CHOICES, REJECTS
from toolkit.testing import make_choices

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
    law = f"`lines = {' + '.join(LINE_COUNTS)}`"

    assert law in (ROOT / "docs" / page).read_text(encoding="utf-8")
