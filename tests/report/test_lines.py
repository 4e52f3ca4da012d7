"""The lines of a range: each is counted once, as what it is."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.expressions.time_ranges import Span, span
from toolkit.report.inputs import RangeLines, collect_inputs, count_lines
from toolkit.testing import make_response

if TYPE_CHECKING:
    from collections.abc import Sequence

BAD, BLANK = "{not json", " \t"
ERROR = json.dumps({"error": {"message": "no", "type": "server_error"}})
WEEK = span("2026-11-02", "2026-11-09")


def seconds(day: int, hour: float = 12) -> int:
    """Return a time of November 2026; day 0 is 31 October."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    return int((start + timedelta(days=day - 1, hours=hour)).timestamp())


def call(name: str, day: int | None = None, hour: float = 12) -> str:
    """Write a line with a call, without a date if none is given."""
    response = make_response(id=name, model="gpt-4o", created=seconds(day or 1, hour))
    if day is None:
        del response["created"]
    return json.dumps(response)


def chunk(name: str, day: int, text: str | None = "so") -> str:
    """Write a line with a part of a streamed call; without text it is the last one."""
    choice = {
        "index": 0,
        "delta": {} if text is None else {"content": text},
        "finish_reason": "stop" if text is None else None,
    }
    return json.dumps(
        {
            "id": name,
            "object": "chat.completion.chunk",
            "created": seconds(day),
            "model": "gpt-4o",
            "choices": [choice],
        }
    )


def count(
    folder: Path, within: Span = WEEK, **logs: Sequence[str]
) -> RangeLines | None:
    """Write logs, in order of their names, and count the lines of a range."""
    folder.mkdir(exist_ok=True)
    for name, lines in logs.items():
        data = "".join(f"{line}\n" for line in lines).encode()
        is_packed = name.endswith("_gz")
        path = folder / f"{name}.jsonl{'.gz' if is_packed else ''}"
        path.write_bytes(gzip.compress(data) if is_packed else data)
    read = collect_inputs(folder, {})
    assert read.places is not None
    assert read.ledger is not None
    return count_lines(read.choices, read.places, read.ledger, within)


def counts(found: RangeLines | None) -> dict[str, int]:
    """Return the counts that are not 0."""
    assert found is not None
    return {name: number for name, number in found.counts.items() if number}


def test_the_lines_of_a_week_of_the_sample() -> None:
    read = collect_inputs("data/sample", {})
    assert read.places is not None
    assert read.ledger is not None

    found = count_lines(read.choices, read.places, read.ledger, WEEK)

    # Lines 694 to 848 of the first log, 1386 to 1698 of the second one.
    assert counts(found) == {
        "responses": 443,
        "rejected": 14,
        "duplicates": 4,
        "errors": 3,
        "undated": 3,
        "blank": 1,
    }
    assert found is not None
    assert found.counts.total() == 155 + 313
    assert found.has_later


def test_a_line_without_a_date_is_placed_by_the_calls_around_it(tmp_path: Path) -> None:
    lines = [
        BAD,  # before the first call: with it
        call("a", 1),
        BLANK,  # with the call before it
        BAD,  # with the next call
        call("b", 2),
        call("b", 2),  # a copy
        call("c"),
        ERROR,
        call("d", 8),
        BLANK,
        call("x"),  # with the next call, which is after the week
        call("e", 9),
        BAD,  # at the end: with the last call
    ]

    found = count(tmp_path, a=lines)

    assert counts(found) == {
        "responses": 2,
        "rejected": 1,
        "duplicates": 1,
        "undated": 1,
        "errors": 1,
        "blank": 1,
    }
    assert found is not None
    assert found.others.sort("line").rows() == [
        (0, 4, "rejected", "invalid_json"),
        (0, 6, "duplicates", None),
        (0, 7, "undated", None),
        (0, 8, "errors", "error_response"),
    ]
    assert found.has_later
    before = count(tmp_path, span("2026-11-01", "2026-11-02"), a=lines)
    assert counts(before) == {"responses": 1, "rejected": 1, "blank": 1}
    after = count(tmp_path, span("2026-11-09", None), a=lines)
    assert counts(after) == {"responses": 1, "undated": 1, "rejected": 1}


def test_the_parts_of_streams_that_overlap(tmp_path: Path) -> None:
    lines = [
        chunk("a", 1),
        chunk("b", 2),
        chunk("a", 1),
        chunk("b", 2),
        BAD,
        chunk("a", 1, None),
        chunk("b", 2, None),
        call("c", 9),
    ]

    # `a` is line 1, `b` line 2: the five lines behind are with `b`, but for the reject,
    # which is with the next call, `c`.
    assert counts(count(tmp_path, a=lines)) == {"responses": 1, "chunks": 4}
    day = span("2026-11-01", "2026-11-02")
    assert counts(count(tmp_path, day, a=lines)) == {"responses": 1}
    # Where there are both, a blank line may be between the parts of a stream.
    mixed = counts(count(tmp_path, a=[*lines[:4], "", *lines[4:]]))
    assert mixed == {"responses": 1, "chunks_or_blank": 5}


def test_logs_are_counted_one_by_one(tmp_path: Path) -> None:
    one = [call("a", 1), BAD, call("b", 3), BLANK, call("c", 10)]
    two = [BAD, BAD, call("d", 4), ERROR]
    rotated = [call("e", 2), call("f"), call("g", 12)]

    found = count(tmp_path, a=one, b_gz=two, c=rotated)

    # Of a: reject, b, blank; of b all four lines; of c the first one.
    assert counts(found) == {"responses": 3, "rejected": 3, "errors": 1, "blank": 1}
    assert found is not None
    assert not found.has_later  # b ends in the week


def test_the_rotations_of_a_log_are_counted_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.1").write_text("\n".join([call("a", 3), BAD, ""]))

    found = count(tmp_path, a=[BAD, call("b", 4), call("c", 9)])

    assert counts(found) == {"responses": 2, "rejected": 2}


def test_a_stream_that_goes_on_in_the_next_rotation(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.1").write_text(f"{call('x', 3)}\n{chunk('a', 3)}\n")

    found = count(tmp_path, a=[chunk("a", 3, None), call("b", 9)])

    # The last part is in a log whose first call is after the week.
    assert counts(found) == {"responses": 2}
    later = count(tmp_path, span("2026-11-09", "2026-11-10"))
    assert counts(later) == {"responses": 1, "chunks": 1}


def test_a_log_that_is_not_in_order_cannot_be_counted(tmp_path: Path) -> None:
    # Calls are logged when they are over: up to an hour is no disorder.
    nearly = [call("a", 3, 12), call("b", 3, 11), BAD, call("c", 3, 12.5)]

    assert counts(count(tmp_path, a=nearly)) == {"responses": 3, "rejected": 1}
    late = [*nearly, call("d", 3, 11.4)]
    assert count(tmp_path, a=late) is None
    assert count(tmp_path, a=nearly, b=[call("e", 5), call("f", 4)]) is None


def test_lines_of_logs_without_dated_calls_are_in_no_range(tmp_path: Path) -> None:
    found = count(tmp_path, a=[call("a", 3)], b=[BAD, call("b"), BLANK], c=[])

    assert counts(found) == {"responses": 1}
    assert found is not None
    assert found.without_dates == 3


def test_copies_are_calls_where_they_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text(f"{call('a', 3)}\n{call('a', 3)}\n")
    read = collect_inputs(log, {"duplicates": "keep"})
    assert read.places is not None
    assert read.ledger is not None

    found = count_lines(read.choices, read.places, read.ledger, WEEK)

    assert counts(found) == {"responses": 2}


KINDS = ("call", "copy", "undated", "bad", "error", "blank", "stream", "part")


@given(
    st.lists(st.lists(st.sampled_from(KINDS), max_size=12), min_size=1, max_size=3),
    st.lists(st.integers(1, 9), max_size=3),
)
@settings(max_examples=60)
def test_adjacent_ranges_have_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, logs: list[list[str]], cuts: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("logs")
    for number, kinds in enumerate(logs):
        lines: list[str] = []
        last, stream = BLANK, ""
        for place, kind in enumerate(kinds):
            day, name = 1 + place * 9 // len(kinds), f"{number}-{place}"
            made: dict[str, Any] = {
                "call": call(name, day),
                "copy": last,
                "undated": call(name),
                "bad": BAD,
                "error": ERROR,
                "blank": BLANK,
                "stream": chunk(name, day),
                "part": chunk(stream, day) if stream else BLANK,
            }
            lines.append(made[kind])
            last = made["call"] if kind == "call" else last
            stream = name if kind == "stream" else stream
        (folder / f"{number}.jsonl").write_text("".join(f"{one}\n" for one in lines))
    read = collect_inputs(folder, {})
    assert read.places is not None
    assert read.ledger is not None
    ends = [None, *[datetime(2026, 11, day, tzinfo=UTC) for day in sorted(cuts)], None]

    ranges = [
        count_lines(read.choices, read.places, read.ledger, Span(start, end))
        for start, end in pairwise(ends)
    ]
    (whole,) = [count_lines(read.choices, read.places, read.ledger, Span(None, None))]

    assert whole is not None
    sums = read.ledger.sum().row(0, named=True)
    assert whole.counts.total() + whole.without_dates == sums["lines"]
    if not whole.without_dates:
        assert whole.counts["duplicates"] == sums["duplicates"]
        assert whole.counts["rejected"] == sums["rejected"]
        assert whole.counts["errors"] == sums["errors"]
        assert whole.counts["responses"] + whole.counts["undated"] == sums["responses"]
    for name in whole.counts:
        numbers = [one.counts[name] for one in ranges if one is not None]
        assert len(numbers) == len(ranges)
        assert min(numbers) >= 0
        assert sum(numbers) == whole.counts[name]
