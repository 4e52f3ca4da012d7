"""Every byte of every log belongs to a row, a reject, a blank line, a repeat or a tail.

Each log is read by `toolkit.load` or `toolkit.export` and then accounted for, line by
line, with a splitter that shares no code with the package.
"""

from __future__ import annotations

import gzip
import io
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import toolkit
from tests.support.zstd_frames import zstd_frame
from toolkit.schema import CHOICES, REJECT_CODES
from toolkit.testing import make_response

pytestmark = pytest.mark.both_decoders

MARK = b"\xef\xbb\xbf"
KIB = 1024
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
SUITE = Path(__file__).parents[3] / "shared" / "JSONTestSuite" / "test_parsing"
FILES = sorted(SUITE.glob("*.json"))


def good(number: int, **fields: Any) -> bytes:
    """Write a response that no other number has: 10 + 5 = 15 tokens, one choice."""
    return json.dumps(make_response(id=f"id-{number}", **fields)).encode()


def embed(number: int, value: bytes, key: bytes = b'"x"') -> bytes:
    """Write a good response with one more field, which no column reads."""
    return good(number)[:-1] + b"," + key + b":" + value + b"}"


# --- The account ---------------------------------------------------------------------


class Line(NamedTuple):
    """A physical line, as it is defined."""

    number: int
    offset: int
    content: bytes
    end: bytes
    nuls: int = 0  # bytes before its offset that are not part of it


class Result(NamedTuple):
    """What the library reports of one log."""

    rows: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    ledger: dict[str, Any]


ReadLogs = Callable[..., Result]

# Lines of a stream that belong to no response: a chunk of which nothing is known, and
# what else a text of server-sent events has.
FRAMING = (
    *(b'{"choices": [], "object": ""}', b'data: {"choices": []}', b"data: [DONE]"),
    *(b"[DONE]", b"data:", b": ping", b"event: message", b"id: 1", b"retry: 5"),
)


def cut(data: bytes) -> list[Line]:
    """Cut a log at each LF, byte by byte, behind a mark at its start.

    NUL bytes at the beginning of a line are not part of it.
    """
    start = len(MARK) if data[: len(MARK)] == MARK else 0
    lines: list[Line] = []
    while start < len(data):
        feed = data.find(10, start)
        stop = len(data) if feed < 0 else feed
        if feed > start and data[feed - 1] == 13:
            stop = feed - 1
        after = len(data) if feed < 0 else feed + 1
        first = start
        while first < stop and data[first] == 0:
            first += 1
        content, end = data[first:stop], data[stop:after]
        lines.append(Line(len(lines) + 1, first, content, end, first - start))
        start = after
    return lines


def data_of(text: bytes) -> bytes | None:
    """Return a line without its field of an event; None if it has none."""
    if text.startswith((b":", b"event:", b"id:", b"retry:")):
        return None
    if text.startswith(b"data:"):
        return text[5:].strip(b" \t\r") or None
    return text


NO_DATA = {None, b"[DONE]", b'{"choices": []}', b'{"choices": [], "object": ""}'}


def load(source: str | Path, **options: Any) -> Result:
    """Read one log into memory."""
    log = toolkit.load(source, **options)
    rows, rejects = log.choices.to_pylist(), log.rejects.to_dicts()
    return Result(rows, rejects, log.ledger.row(0, named=True))


def export(source: str | Path, **options: Any) -> Result:
    """Export one log and read back what lies there."""
    with tempfile.TemporaryDirectory() as to:
        toolkit.export(source, to=to, **options)
        rows = toolkit.scan(to).sort(list(CHOICES.key)).collect()
        rejects, ledger = toolkit.rejects(to), toolkit.ledger(to)
    return Result(rows.to_dicts(), rejects.to_dicts(), ledger.row(0, named=True))


def account(result: Result, data: bytes) -> list[str]:
    """Check a result against the bytes of its log; return the outcome of each line.

    An outcome is `row`, `chunk`, `blank`, `duplicate`, `pending` or the code of a
    reject. All responses of the log must be bare lines, and of streams it has framing
    only.
    """
    lines = cut(data)
    rejects = {reject["line"]: reject for reject in result.rejects}
    rows: dict[int, list[dict[str, Any]]] = {}
    for row in result.rows:
        rows.setdefault(row["line"], []).append(row)
    assert len(rejects) == len(result.rejects), "a line is rejected twice"
    assert {*rows, *rejects} <= {line.number for line in lines}
    assert [row["line"] for row in result.rows] == sorted(
        row["line"] for row in result.rows
    )
    kept: set[bytes] = set()
    outcomes = []
    for line in lines:
        text = data_of(line.content.strip(b" \t\r"))
        is_last = line is lines[-1]
        waits = is_last and not line.end and result.ledger["pending_bytes"] > 0
        claims = []
        if line.number in rows and text is not None:
            check_rows(rows[line.number], text)
            kept.add(text)
            claims.append("row")
        elif text in kept:
            claims.append("duplicate")
        elif text in NO_DATA and not waits and line.number not in rejects:
            claims.append("chunk")
        if line.number in rejects:
            check_reject(rejects[line.number], line, data)
            claims.append(rejects[line.number]["code"])
        if waits:
            assert result.ledger["pending_bytes"] == line.nuls + len(line.content)
            claims.append("pending")
        elif text == b"" and line.number not in rejects:
            claims.append("blank")
        assert len(claims) == 1, (line.number, claims)
        outcomes += claims
    check_ledger(result, outcomes)
    mark = lines[0].offset - lines[0].nuls if lines else len(data)
    tiled = mark + sum(line.nuls + len(line.content + line.end) for line in lines)
    assert result.ledger["bytes"] == tiled == len(data)
    return outcomes


def check_rows(rows: list[dict[str, Any]], text: bytes) -> None:
    """Check the rows of a line against its bytes."""
    signed = int.from_bytes(xxhash.xxh3_64_digest(text), signed=True)
    assert {row["response_hash"] for row in rows} == {signed}
    assert [row["choice_position"] for row in rows] == list(range(len(rows)))


def check_reject(reject: dict[str, Any], line: Line, data: bytes) -> None:
    """Check the place and the bytes of a reject against the file."""
    place = slice(reject["offset"], reject["offset"] + reject["length"])
    assert reject["offset"] == line.offset
    assert data[place] == line.content
    if reject["code"] == "line_too_long":
        assert reject["raw"] is None
    else:
        assert reject["raw"] == line.content


def check_ledger(result: Result, outcomes: list[str]) -> None:
    """Check the counts of a ledger against the outcomes of its lines and its tables."""
    ledger, count = result.ledger, Counter(outcomes)
    codes = [outcome for outcome in outcomes if outcome in REJECT_CODES]
    assert ledger["lines"] == len(outcomes) - count["pending"]
    assert ledger["blank"] == count["blank"]
    assert ledger["responses"] == count["row"]
    assert ledger["chunks"] == count["chunk"]
    assert ledger["duplicates"] == count["duplicate"]
    assert ledger["errors"] == count["error_response"]
    assert ledger["rejected"] == len(codes) - count["error_response"]
    assert ledger["choices"] == len(result.rows)
    if not count["pending"]:
        assert ledger["pending_bytes"] == 0
    for name in COUNTS:
        assert ledger[name] == sum(row[name] or 0 for row in result.rows)


@pytest.fixture(params=["load", "export"])
def read_logs(request: pytest.FixtureRequest) -> ReadLogs:
    """Return each way to read logs, one by one."""
    return {"load": load, "export": export}[request.param]


@pytest.fixture
def outcomes_of(read_logs: ReadLogs, tmp_path: Path) -> Callable[[bytes], list[str]]:
    """Return a function that writes a plain log and accounts for it."""

    def outcomes(data: bytes) -> list[str]:
        path = tmp_path / "a.jsonl"
        path.write_bytes(data)
        return account(read_logs(path), data)

    return outcomes


Outcomes = Callable[[bytes], list[str]]


def loaded_outcomes(data: bytes, path: Path, **options: Any) -> list[str]:
    """Write a log, load it and account for it."""
    path.write_bytes(data)
    return account(load(path, **options), data)


def pack(kind: str, data: bytes) -> bytes:
    """Compress in three members or frames, cut wherever it falls."""
    third = len(data) // 3
    pieces = [data[:third], data[third : 2 * third], data[2 * third :]]
    if kind == "gzip":
        return b"".join(gzip.compress(piece, mtime=0) for piece in pieces)
    if kind == "zstd":
        return b"".join(map(zstd_frame, pieces))
    return data


@contextmanager
def steps_of(block_bytes: int, read_bytes: int) -> Iterator[None]:
    """Let logs be read and framed in steps of other sizes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("toolkit.reading.framing.BLOCK_BYTES", block_bytes)
        patch.setattr("toolkit.reading.decompression.READ_BYTES", read_bytes)
        patch.setattr("toolkit.reading.decompression._STEP_BYTES", read_bytes)
        yield


# --- Ends of lines -------------------------------------------------------------------


def test_lf_ends_a_line(outcomes_of: Outcomes) -> None:
    data = good(1) + b"\n" + b"{}\n" + good(2) + b"\n"

    assert outcomes_of(data) == ["row", "not_a_response", "row"]


def test_crlf_ends_a_line_and_belongs_to_no_reject(outcomes_of: Outcomes) -> None:
    data = good(1) + b"\r\n" + b"{}\r\n" + good(2) + b"\r\n"

    assert outcomes_of(data) == ["row", "not_a_response", "row"]


def test_of_many_crs_before_lf_one_is_the_line_end(outcomes_of: Outcomes) -> None:
    data = b"{}\r\r\r\n" + good(1) + b"\r\r\n" + b"\r\r\n" + b"[1]\r\n"

    assert outcomes_of(data) == ["not_a_response", "row", "blank", "not_a_response"]


def test_both_line_ends_may_occur_in_one_log(outcomes_of: Outcomes) -> None:
    data = b"\n".join([good(1), good(2) + b"\r", b"\r", b"x\r", b"x", good(3), b""])

    assert outcomes_of(data) == [
        "row", "row", "blank", "invalid_json", "invalid_json", "row",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("end", "code"),
    [(b"", "truncated"), (b"\n", "invalid_json")],
    ids=["torn", "whole"],
)
def test_a_log_whose_lines_end_in_cr_alone_is_one_line(
    tmp_path: Path, end: bytes, code: str
) -> None:
    data = b"".join(good(number) + b"\r" for number in range(5)) + end

    assert loaded_outcomes(data, tmp_path / "a.jsonl") == [code]


def test_an_object_that_ends_in_cr_alone_is_whole(outcomes_of: Outcomes) -> None:
    assert outcomes_of(good(1) + b"\n" + good(2) + b"\r") == ["row", "row"]


def test_lf_before_cr_ends_a_line_and_the_cr_begins_the_next(
    outcomes_of: Outcomes,
) -> None:
    data = good(1) + b"\n\r" + good(2) + b"\n\r" + b"x\n\r\n"

    assert outcomes_of(data) == ["row", "row", "invalid_json", "blank"]


@pytest.mark.parametrize(
    "text", ["\u2028", "\u2029", "\u0085", "\u00a0", "\ufeff", "\u2028" * 9]
)
def test_separators_of_unicode_end_no_line(outcomes_of: Outcomes, text: str) -> None:
    inside = json.dumps(make_response(id="x", model=f"a{text}b"), ensure_ascii=False)
    data = b"\n".join([inside.encode(), text.encode(), good(1) + text.encode(), b"{}"])

    assert outcomes_of(data + b"\n") == [
        "row", "invalid_json", "invalid_json", "not_a_response",
    ]  # fmt: skip


@pytest.mark.parametrize("byte", [0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x1F, 0x7F])
def test_control_bytes_end_no_line(outcomes_of: Outcomes, byte: int) -> None:
    control = bytes([byte])
    data = b"\n".join([good(1), control, good(2) + control + good(3), good(4), b""])

    assert outcomes_of(data) == ["row", "invalid_json", "invalid_json", "row"]


# --- Marks, NUL bytes, nothing -------------------------------------------------------


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_mark_at_the_start_moves_every_offset_by_three(
    outcomes_of: Outcomes, end: bytes
) -> None:
    data = MARK + end.join([b"x", good(1), b"", b"{}", b""])

    assert outcomes_of(data) == ["invalid_json", "row", "blank", "not_a_response"]


def test_a_mark_anywhere_else_is_part_of_its_line(outcomes_of: Outcomes) -> None:
    data = b"\n".join([good(1), MARK + good(2), MARK, good(3) + MARK, good(4), b""])

    assert outcomes_of(data) == [
        "row", "invalid_json", "invalid_json", "invalid_json", "row",
    ]  # fmt: skip


def test_of_two_marks_the_second_is_part_of_the_first_line(
    outcomes_of: Outcomes,
) -> None:
    data = MARK + MARK + good(1) + b"\n" + good(2) + b"\n"

    assert outcomes_of(data) == ["invalid_json", "row"]


def test_a_mark_and_nothing_else_is_a_log_without_lines(outcomes_of: Outcomes) -> None:
    assert outcomes_of(MARK) == []


@pytest.mark.parametrize(
    ("rest", "outcomes"), [(b"\n", ["blank"]), (b"\r\n", ["blank"])]
)
def test_a_mark_and_a_line_end_are_a_blank_line(
    outcomes_of: Outcomes, rest: bytes, outcomes: list[str]
) -> None:
    assert outcomes_of(MARK + rest) == outcomes


@pytest.mark.parametrize("size", [1, 2])
def test_a_part_of_a_mark_is_no_mark(tmp_path: Path, size: int) -> None:
    path = tmp_path / "a.jsonl"

    assert loaded_outcomes(MARK[:size], path) == ["invalid_utf8"]
    assert loaded_outcomes(MARK[:size] + b"\n" + good(1), path) == [
        "invalid_utf8",
        "row",
    ]


def test_marks_of_other_encodings_are_no_marks(tmp_path: Path) -> None:
    data = "\ufeff".encode("utf-16-le") + good(1) + b"\n" + good(2) + b"\n"

    assert loaded_outcomes(data, tmp_path / "a.jsonl") == ["invalid_utf8", "row"]


def test_a_log_in_utf16_is_rejects_and_no_rows(tmp_path: Path) -> None:
    text = (good(1) + b"\r\n" + good(2) + b"\r\n").decode()
    path = tmp_path / "a.jsonl"

    little = loaded_outcomes(text.encode("utf-16"), path)
    big = loaded_outcomes(text.encode("utf-16-be"), path)

    # An LF has its zero byte behind it in one order, and before it in the other.
    assert little == ["invalid_utf8", "invalid_json", "blank"]
    assert big == ["invalid_json", "invalid_json"]


def test_nul_bytes_in_front_of_a_line_are_not_part_of_it(outcomes_of: Outcomes) -> None:
    # copytruncate leaves them where a writer goes on at its old place in the file.
    lines = [b"\0" * 4096 + good(1), b"\0{}", good(2), b"\0\0x\r", b"\0" + good(3)]

    assert outcomes_of(b"\n".join([*lines, b""])) == [
        "row", "not_a_response", "row", "invalid_json", "row",
    ]  # fmt: skip
    assert outcomes_of(MARK + b"\0" * 9 + good(1) + b"\n\0" + good(1)) == [
        "row", "duplicate",
    ]  # fmt: skip


def test_a_line_of_nul_bytes_is_blank(outcomes_of: Outcomes) -> None:
    lines = [good(1), b"\0", b"\0" * 4096, b"\0\r", b"\0 \t", b"\0\0x", b"\0", b""]

    assert outcomes_of(b"\n".join(lines)) == [
        "row", "blank", "blank", "blank", "blank", "invalid_json", "blank",
    ]  # fmt: skip


def test_nul_bytes_elsewhere_are_bytes_of_their_line(outcomes_of: Outcomes) -> None:
    lines = [b" \0" + good(1), good(2) + b"\0", b"a\0b", good(3), b"\0", b"\0 \0", b""]
    bad = ["invalid_json"] * 3

    assert outcomes_of(b"\n".join(lines)) == [*bad, "row", "blank", "invalid_json"]


def test_nul_bytes_do_not_count_to_the_length_of_a_line(tmp_path: Path) -> None:
    data = b"\n".join([bytes(99) + b"{}", bytes(99) + b"12345", bytes(99), b"123"])

    with steps_of(7, 7):
        assert loaded_outcomes(data, tmp_path / "a.jsonl", max_line_bytes=3) == [
            "not_a_response", "line_too_long", "blank", "truncated",
        ]  # fmt: skip


def test_a_tail_of_nul_bytes_takes_nothing_from_the_lines_before(
    tmp_path: Path,
) -> None:
    # What a crash leaves: the size was written, the bytes were not.
    data = good(1) + b"\n" + good(2) + b"\n" + bytes(5000)
    path = tmp_path / "a.jsonl"

    assert loaded_outcomes(data, path) == ["row", "row", "blank"]
    assert account(export(path), data) == ["row", "row", "pending"]


@pytest.mark.parametrize("before", [b"", good(1) + b"\n", MARK])
@pytest.mark.parametrize("tail", [good(2)[:9], good(2), b""])
def test_an_export_goes_on_behind_nul_bytes_at_every_place(
    tmp_path: Path, before: bytes, tail: bytes
) -> None:
    path, to = tmp_path / "a.jsonl", tmp_path / "out"
    whole = before + bytes(700) + good(2) + b"\n" + b"\0{}\n"
    path.write_bytes(before + bytes(700) + tail)
    toolkit.export(path, to=to)
    path.write_bytes(whole)

    toolkit.export(path, to=to)

    rows = toolkit.scan(to).sort(list(CHOICES.key)).collect().to_dicts()
    rejects, ledger = toolkit.rejects(to).to_dicts(), toolkit.ledger(to)
    account(Result(rows, rejects, ledger.row(0, named=True)), whole)
    assert [row["line"] for row in rejects] == [whole.count(b"\n")]


def test_an_empty_file_has_no_lines(outcomes_of: Outcomes) -> None:
    assert outcomes_of(b"") == []


@pytest.mark.parametrize("white", [b"", b" ", b"\t", b" \t \r", b" " * 70_000])
def test_empty_lines_and_lines_of_white_space_are_counted(
    outcomes_of: Outcomes, white: bytes
) -> None:
    data = b"\n".join([white, good(1), white, white, good(2), white, b""])

    assert outcomes_of(data) == ["blank", "row", "blank", "blank", "row", "blank"]


def test_a_log_of_line_ends_is_blank_lines(outcomes_of: Outcomes) -> None:
    assert outcomes_of(b"\n\n\r\n\r\r\n\n") == ["blank"] * 5


def test_a_repeat_is_counted_and_the_line_numbers_go_on(outcomes_of: Outcomes) -> None:
    data = b"\n".join([good(1), good(1) + b"\r", good(2), b" " + good(1), b"{}", b""])

    assert outcomes_of(data) == [
        "row",
        "duplicate",
        "row",
        "duplicate",
        "not_a_response",
    ]


# --- The end of the file -------------------------------------------------------------

# Last bytes of a log, and their outcome: in a load and wherever nothing more can
# come, and in the export of a plain file, which may still grow.
TAILS: list[tuple[bytes, str | None, str | None]] = [
    (b"", None, None),
    (good(900), "row", "row"),
    (good(900) + b" \t\r", "row", "row"),
    (good(900)[:-1], "truncated", "pending"),
    (good(900) + b"}", "truncated", "pending"),
    (b'{"id": ', "truncated", "pending"),
    (b"12", "truncated", "pending"),
    (b"[]", "truncated", "pending"),
    (b"\0", "blank", "pending"),
    (b"\0\0" + good(900), "row", "row"),
    (b"\0\0" + good(900)[:-1], "truncated", "pending"),
    (b"\xc3", "invalid_utf8", "pending"),
    (b"[" * 513, "too_deep", "pending"),
    (b" \t", "blank", "pending"),
    (b"\r", "blank", "pending"),
    (b"{}", "not_a_response", "not_a_response"),
    (b'{"error": "e"}', "error_response", "error_response"),
    (b'data: {"choices": []}', "chunk", "chunk"),
    (b"data: [DONE]", "chunk", "chunk"),
    (b"[DONE]", "chunk", "chunk"),
    *((line, "truncated", "pending") for line in (b"data:", b": ping", b"id: 1")),
    (b'data: {"choices": [', "truncated", "pending"),
    (b"dat", "truncated", "pending"),
]


def sure(outcomes: list[str | None]) -> list[str]:
    """Leave out the outcome of what is not there."""
    return [outcome for outcome in outcomes if outcome is not None]


@pytest.mark.parametrize(("tail", "outcome", "_growing"), TAILS)
def test_a_load_reads_or_rejects_an_unfinished_last_line(
    tmp_path: Path, tail: bytes, outcome: str | None, _growing: str | None
) -> None:
    for before in (good(1) + b"\n", good(1) + b"\r\n", MARK + good(1) + b"\n"):
        outcomes = loaded_outcomes(before + tail, tmp_path / "a.jsonl")

        assert outcomes == sure(["row", outcome])


@pytest.mark.parametrize(("tail", "outcome", "growing"), TAILS)
def test_an_export_leaves_pending_what_may_still_grow_and_only_that(
    tmp_path: Path, tail: bytes, outcome: str | None, growing: str | None
) -> None:
    data = good(1) + b"\n" + tail
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    plain.write_bytes(data)
    packed.write_bytes(pack("gzip", data))

    assert account(export(plain), data) == sure(["row", growing])
    assert account(export(packed), data) == sure(["row", outcome])


@pytest.mark.parametrize(("tail", "outcome", "_growing"), TAILS[1:])
def test_a_tail_may_be_the_whole_log(
    tmp_path: Path, tail: bytes, outcome: str | None, _growing: str | None
) -> None:
    path = tmp_path / "a.jsonl"

    assert loaded_outcomes(tail, path) == [outcome]
    assert loaded_outcomes(MARK + tail, path) == [outcome]


@pytest.mark.parametrize("kind", ["plain", "gzip", "zstd"])
def test_nothing_of_standard_input_is_pending(
    monkeypatch: pytest.MonkeyPatch, read_logs: ReadLogs, kind: str
) -> None:
    data = MARK + good(1) + b"\r\n\n" + b"{}\n" + good(2)[:-1]

    class Stdin:
        buffer = io.BytesIO(pack(kind, data))

    monkeypatch.setattr("sys.stdin", Stdin)

    assert account(read_logs("-"), data) == [
        "row",
        "blank",
        "not_a_response",
        "truncated",
    ]


def test_every_cut_of_a_log_is_accounted_for(tmp_path: Path) -> None:
    lines = [b"\xef\xbb\xbf", b"{}\r\n", "é".encode() + b"\n", b" \r\n", b"[[1]]"]
    data = b"".join(lines)
    path = tmp_path / "a.jsonl"

    for size in range(len(data) + 1):
        whole = data[:size].count(b"\n")
        outcomes = loaded_outcomes(data[:size], path)
        assert outcomes[:whole] == ["not_a_response", "invalid_json", "blank"][:whole]
        assert len(outcomes) <= whole + 1


# --- Edges of blocks and reads -------------------------------------------------------


def mixed(size: int, *, width: int = 40) -> bytes:
    """Write a log of just so many bytes, of lines of every outcome and length."""
    wide = "ünïcödé\u2028" * (width // 10)
    lines = [
        good(1, model=wide),
        b"",
        b'{"x": "' + b"a" * width + b'"}\r',
        good(2) + b"\r",
        "é\u2028".encode() * (width // 8),
        b" \t\r",
        b"\0" * width + good(1, model=wide) + b"\r",
        b"\0\0" + b"\xff" * (width // 3),
        b'{"error": 1}',
    ]
    data = MARK
    number = 2
    while len(data) < size:
        number += 1
        data += b"\n".join([*lines, good(number), b""])
    return data[:size]


@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize(
    ("block", "times"), [(1, 1700), (7, 243), (64 * KIB, 1), (64 * KIB, 3)]
)
def test_a_log_of_whole_blocks_and_one_byte_more_or_less_gives_the_same(
    tmp_path: Path, block: int, times: int, beyond: int
) -> None:
    data = mixed(block * times + beyond, width=40 if block < KIB else 2000)
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)
    expected = load(path)
    account(expected, data)

    for read in (block, block + 1, 256 * KIB):
        with steps_of(block, read):
            assert load(path) == expected


@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize("times", [1, 2])
def test_a_log_as_long_as_what_is_read_at_once_gives_the_same(
    tmp_path: Path, times: int, beyond: int
) -> None:
    data = mixed(256 * KIB * times + beyond, width=20_000)

    outcomes = loaded_outcomes(data, tmp_path / "a.jsonl")

    assert len(outcomes) == len(cut(data))


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("step", [1, 7, 64 * KIB])
def test_a_compressed_log_gives_the_same_whatever_the_steps(
    tmp_path: Path, kind: str, step: int
) -> None:
    data = mixed(2000 if step < KIB else 3 * step + 1)
    path = tmp_path / "a.jsonl"
    path.write_bytes(pack(kind, data))

    with steps_of(step, step):
        result = load(path)

    assert result == load(path)
    account(result, data)


def test_the_steps_of_these_tests_take_hold(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"{}\n" * 10)

    with steps_of(1, 1):
        sizes = [batch.bytes for batch in toolkit.batches(path)]

    assert sizes == [3] * 10


@pytest.mark.parametrize("step", [1, 7])
def test_an_export_gives_the_same_whatever_the_steps(tmp_path: Path, step: int) -> None:
    data = mixed(1200)
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)

    with steps_of(step, step):
        result = export(path)

    assert result == export(path)
    account(result, data)


# What crosses the edge, with the outcome of its lines.
ACROSS = [
    (b"{}\r\n[1]\n", ["not_a_response", "not_a_response"]),
    (b"{}\n\r\n\n", ["not_a_response", "blank", "blank"]),
    (b"x\r\r\n", ["invalid_json"]),
    ("é\u2028🌻".encode() + b"\n", ["invalid_json"]),
    (MARK + b"{}\n", ["invalid_json"]),
    (b"\xf0\x9f\x8c\n", ["invalid_utf8"]),
    (good(7) + b"\r\n" + good(7) + b"\n", ["row", "duplicate"]),
]


@pytest.mark.parametrize(("across", "outcomes"), ACROSS)
def test_every_byte_of_a_line_end_or_a_character_may_be_at_a_block_edge(
    tmp_path: Path, across: bytes, outcomes: list[str]
) -> None:
    block = 64
    path = tmp_path / "a.jsonl"

    for place in range(block - min(len(across), block), block + 2):
        before = b"1" * (place - 1) + b"\n" if place else b""
        data = before + across + good(1) + b"\n"
        path.write_bytes(data)
        with steps_of(block, block):
            result = load(path)
        first = ["not_a_response"] if place > 1 else ["blank"] * place
        assert account(result, data) == [*first, *outcomes, "row"]


@pytest.mark.parametrize("kind", ["plain", "gzip", "zstd"])
def test_a_line_may_cross_every_edge_of_64_kib(tmp_path: Path, kind: str) -> None:
    block = 64 * KIB
    path = tmp_path / "a.jsonl"

    for short in (-3, -2, -1, 0, 1, 2):
        long = b"1" * (block + short - 2)
        data = long + b"\r\n" + good(1) + b"\n" + long + b"\n" + good(2) + b"\n"
        path.write_bytes(pack(kind, data))
        with steps_of(block, block):
            result = load(path)
        assert account(result, data) == ["not_a_response", "row"] * 2


@pytest.mark.parametrize("read", [1, 2, 3, 5])
def test_a_mark_in_pieces_is_a_mark(tmp_path: Path, read: int) -> None:
    path = tmp_path / "a.jsonl"

    for data in (MARK, MARK + b"x", MARK + good(1) + b"\n" + MARK + b"\n", MARK[:2]):
        path.write_bytes(data)
        with steps_of(1, read):
            result = load(path)
        assert result == load(path)
        account(result, data)


@pytest.mark.parametrize("read", [1, 7, 64 * KIB])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r\r\n", b""])
def test_a_line_near_the_limit_gives_the_same_whatever_the_steps(
    tmp_path: Path, end: bytes, read: int
) -> None:
    limit, path = 20, tmp_path / "a.jsonl"

    for size in range(limit - 2, limit + 5):
        data = b"{}\n" + b"1" * size + end + (b"[2]\n" if end else b"")
        path.write_bytes(data)
        with steps_of(1, read):
            outcomes = account(load(path, max_line_bytes=limit), data)
        length = size + (end == b"\r\r\n")  # of three line ends one CR is content
        inside = "not_a_response" if end else "truncated"
        code = "line_too_long" if length > limit else inside
        rest = ["not_a_response"] if end else []
        assert outcomes == ["not_a_response", code, *rest]


@pytest.mark.parametrize("white", [b" ", b"\t", b"\r"])
def test_white_space_over_the_limit_is_rejected_whatever_the_steps(
    tmp_path: Path, white: bytes
) -> None:
    path = tmp_path / "a.jsonl"
    data = b"{}\n" + white * 100 + b"\n" + b"{}\n"
    path.write_bytes(data)

    found = []
    for read in (1, 7, 64 * KIB):
        with steps_of(1, read):
            found.append(account(load(path, max_line_bytes=20), data))

    assert found == [found[0]] * 3


def test_a_long_line_that_may_still_grow_is_pending(tmp_path: Path) -> None:
    data = good(1) + b"\n" + b'{"x":"' + b"a" * 3000
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)

    for read in (1, 7, 64 * KIB):
        with steps_of(1, read):
            result = export(path, max_line_bytes=len(good(1)))
        assert account(result, data) == ["row", "pending"]


# --- Any mix of lines ----------------------------------------------------------------

quick = settings(
    max_examples=100, deadline=None, suppress_health_check=list(HealthCheck)
)
slow = settings(quick, max_examples=25)  # an export takes a tenth of a second

# Bytes of a line that needs no number of its own, and its outcome.
OTHERS = [
    (b"", "blank"),
    (b" \t", "blank"),
    (b"\r", "blank"),
    (b"{}", "not_a_response"),
    (b"[1]", "not_a_response"),
    (b'{"error": "e"}', "error_response"),
    *((line, "chunk") for line in FRAMING),
    (b'{"type": "content_block_delta"}', "stream_chunk"),
    (b'data: {"error": "e"}', "error_response"),
    (b"data: {", "invalid_json"),
    (b"event", "invalid_json"),
    (b'{"choices": [{"index": "a"}], "object": "o"}', "wrong_type"),
    (b'{"choices": [{"index": -1}], "object": "o"}', "out_of_range"),
    (b"{", "invalid_json"),
    (b"\0", "blank"),
    (b" \0", "invalid_json"),
    (MARK, "invalid_json"),
    ("\u2028".encode(), "invalid_json"),
    (b"\xff", "invalid_utf8"),
    (b"[" * 600 + b"]" * 600, "too_deep"),
]


class Made(NamedTuple):
    """A log with the outcomes of its lines: read at rest, and as a file that grows."""

    data: bytes
    outcomes: list[str]
    growing: list[str]


@st.composite
def made_logs(draw: st.DrawFn) -> Made:
    """Make a log of lines whose outcomes are known."""
    ends = st.sampled_from([b"\n", b"\n", b"\r\n", b"\r\r\n"])
    places = st.integers(-4, len(OTHERS) - 1)
    data, outcomes = b"", []
    numbers: set[int] = set()
    for place in draw(st.lists(places, max_size=10)):
        content, outcome = OTHERS[place]
        if place < 0:
            number = draw(st.integers(1, 6))
            content = draw(st.sampled_from([b"", b" ", b"\t\r"])) + good(number)
            outcome = "duplicate" if number in numbers else "row"
            numbers.add(number)
        nuls = draw(st.sampled_from([b"", b"", b"\0", bytes(40)]))
        data += nuls + content + draw(ends)
        outcomes.append(outcome)
    tail, end, growing = draw(st.sampled_from(TAILS))
    data += tail
    if data.startswith(MARK) or draw(st.booleans()):
        data = MARK + data
    return Made(data, sure([*outcomes, end]), sure([*outcomes, growing]))


@quick
@given(
    made=made_logs(),
    kind=st.sampled_from(["plain", "gzip", "zstd"]),
    block=st.sampled_from([1, 7, 100, 2**20]),
    read=st.sampled_from([1, 7, 100, 2**18]),
)
def test_a_load_accounts_for_every_line_of_any_log(
    made: Made, kind: str, block: int, read: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, steps_of(block, read):
        path = Path(folder) / "a.jsonl"
        path.write_bytes(pack(kind, made.data))

        assert account(load(path), made.data) == made.outcomes


@slow
@given(made=made_logs(), kind=st.sampled_from(["plain", "plain", "gzip", "zstd"]))
def test_an_export_accounts_for_every_line_of_any_log(made: Made, kind: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(pack(kind, made.data))

        expected = made.growing if kind == "plain" else made.outcomes
        assert account(export(path), made.data) == expected


@quick
@given(made=made_logs(), more=made_logs())
def test_a_log_that_has_grown_gives_the_same_for_its_earlier_whole_lines(
    made: Made, more: Made
) -> None:
    grown = made.data + more.data
    whole = grown[: len(made.data)].count(b"\n")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"

        assert loaded_outcomes(grown, path)[:whole] == made.outcomes[:whole]


SHARDS = st.sampled_from(
    [
        b"\n",
        b"\r",
        b"\r\n",
        MARK,
        b"\0",
        b" ",
        b"{}",
        b"[",
        b"]",
        b'"',
        b"\xff",
        good(1),
    ]
)


@quick
@given(
    data=st.lists(SHARDS | st.binary(max_size=9), max_size=20).map(b"".join),
    limit=st.integers(1, 40) | st.just(2**26),
    step=st.integers(1, 30),
)
def test_any_bytes_are_accounted_for(data: bytes, limit: int, step: int) -> None:
    data = b"{}\n" + data  # no magic bytes of a compression at the start
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        outcomes = loaded_outcomes(data, path, max_line_bytes=limit)
        with steps_of(step, step):
            assert account(load(path, max_line_bytes=limit), data) == outcomes


@quick
@given(made=made_logs(), count=st.integers(0, 12))
def test_the_first_lines_give_the_same_as_in_the_whole_log(
    made: Made, count: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(made.data)

        result = load(path, max_lines=count)

    lines = cut(made.data)[:count]
    size = lines[-1].offset + len(lines[-1].content + lines[-1].end) if lines else 0
    taken = made.data[:size]
    if count and not lines:
        taken = made.data  # a mark at most
    assert account(result, taken) == made.outcomes[:count]


# --- JSON at depth -------------------------------------------------------------------

DEEP = 5_000_000


@pytest.mark.parametrize(
    ("levels", "outcome"), [(511, "row"), (512, "too_deep"), (100_000, "too_deep")]
)
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_a_line_of_512_levels_is_the_deepest(
    outcomes_of: Outcomes, opening: bytes, closing: bytes, levels: int, outcome: str
) -> None:
    value = opening * levels + b"1" + closing * levels  # the response is level 1
    data = good(1) + b"\n" + embed(2, value) + b"\n" + good(3) + b"\n"

    assert outcomes_of(data) == ["row", outcome, "row"]


@pytest.mark.parametrize(
    "deep",
    [
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"a":' * (DEEP // 5),
        embed(9, b"[" * DEEP + b"]" * DEEP),
    ],
    ids=["open", "balanced", "objects", "embedded"],
)
def test_five_million_brackets_harm_nothing_anywhere(
    tmp_path: Path, deep: bytes
) -> None:
    path = tmp_path / "a.jsonl"
    rest = b"\n" + good(1) + b"\n"

    assert loaded_outcomes(deep, path) == ["too_deep"]
    assert loaded_outcomes(deep + rest + deep + rest, path) == [
        "too_deep", "row", "too_deep", "duplicate",
    ]  # fmt: skip


def test_brackets_that_only_close_are_no_depth(outcomes_of: Outcomes) -> None:
    data = b"]" * 100_000 + b"\n" + good(1) + b"\n" + b"}" * 100_000 + b"\n" + good(2)

    assert outcomes_of(data) == ["invalid_json", "row", "invalid_json", "row"]


def test_brackets_in_a_string_of_megabytes_are_no_depth(tmp_path: Path) -> None:
    text = b'"' + b'[{\\"\\\\' * 300_000 + b'"'
    data = embed(1, text) + b"\n" + embed(2, text + b":1", key=b'"y":1,"z"') + b"\n"

    assert loaded_outcomes(data, tmp_path / "a.jsonl") == ["row", "invalid_json"]


# --- Check numbers -------------------------------------------------------------------

MOST = 10**12


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ("5.0", 5),
        ("5e0", 5),
        ("0.5E+1", 5),
        ("50e-1", 5),
        ("-0", 0),
        ("-0.0", 0),
        ("null", None),
        ("1000000000000", MOST),
        ("1000000000000.0", MOST),
        ("1e12", MOST),
        ("999999999999.0", MOST - 1),
        ("1000000000001", "out_of_range"),
        ("1000000000001.0", "out_of_range"),
        ("1e13", "out_of_range"),
        ("1e400", "out_of_range"),
        ("9" * 5000, "out_of_range"),
        ("-1", "out_of_range"),
        ("-" + "9" * 5000, "out_of_range"),
        ("5.5", "wrong_type"),
        ("1e-3", "wrong_type"),
        ('"5"', "wrong_type"),
        ('""', "wrong_type"),
        ("true", "wrong_type"),
        ("false", "wrong_type"),
        ("[5]", "wrong_type"),
        ("{}", "wrong_type"),
    ],
    ids=lambda cell: str(cell)[:20],
)
@pytest.mark.parametrize("name", COUNTS)
def test_a_count_is_a_whole_number_up_to_a_million_millions(
    tmp_path: Path, name: str, written: str, value: object
) -> None:
    line = embed(2, b'{"%s": %s}' % (name.encode(), written.encode()), key=b'"usage"')
    data = good(1) + b"\n" + line + b"\n" + good(3) + b"\n"
    path = tmp_path / "a.jsonl"
    path.write_bytes(data)

    result = load(path)

    outcome = value if isinstance(value, str) else "row"
    assert account(result, data) == ["row", outcome, "row"]
    if outcome == "row":
        assert [row[name] for row in result.rows][1] == value
    else:
        assert result.rejects[0]["json_path"] == f"usage.{name}"


def test_counts_are_exact_to_the_last_token(tmp_path: Path) -> None:
    # 2^53 is 9.007 * 10^15: nine thousand and eight of these are past it.
    lines = [good(n, usage={"total_tokens": MOST - 1}) for n in range(9008)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n".join(lines))

    assert load(path).ledger["total_tokens"] == 9008 * 999_999_999_999


@pytest.mark.parametrize(
    "value",
    [b"1e400", b"-1e400", b"1e-400", b"9" * 5000, b"-" + b"9" * 5000],
    ids=lambda value: value[:8].decode(),
)
def test_numbers_of_any_size_harm_nothing_where_no_column_reads(
    outcomes_of: Outcomes, value: bytes
) -> None:
    usage = b'{"total_tokens": 1, "other": ' + value + b"}"
    lines = [
        embed(1, value),
        embed(2, b'{"a": [[' + value + b"]]}"),
        embed(3, usage, key=b'"usage"'),
        embed(4, b'[{"x": ' + value + b"}]", key=b'"choices"'),
    ]

    assert outcomes_of(b"\n".join([*lines, b""])) == ["row"] * 4


# --- Characters that are none --------------------------------------------------------

# Where bytes may be in a line, with the valid number of its response.
PLACES: dict[str, Callable[[int, bytes], bytes]] = {
    "key": lambda n, bad: embed(n, b"1", key=b'"' + bad + b'"'),
    "unread": lambda n, bad: embed(n, b'"' + bad + b'"'),
    "read": lambda n, bad: embed(n, b'"a' + bad + b'"', key=b'"model"'),
    "id": lambda n, bad: embed(n, b'"' + bad + b'a"', key=b'"id"'),
    "nested": lambda n, bad: embed(n, b'[{"a": [{"b": "' + bad + b'"}]}]'),
    "nested key": lambda n, bad: embed(n, b'{"a": {"' + bad + b'": 1}}'),
    "content": lambda n, bad: embed(
        n, b'[{"message": {"content": "' + bad + b'"}}]', key=b'"choices"'
    ),
}
BARE: dict[str, Callable[[int, bytes], bytes]] = {
    "outside": lambda n, bad: embed(n, b"1" + bad),
    "before": lambda n, bad: bad + good(n),
    "behind": lambda n, bad: good(n) + bad,
    "alone": lambda _, bad: bad,
}
NO_UTF8 = [
    *(b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80", b"\xc1\xbf", b"\xe0\x9f\xbf"),
    *(b"\xf0\x8f\xbf\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf4\x90\x80\x80"),
    *(b"\xed\xa0\xbd\xed\xb8\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80"),
    *(b"\xff", b"\xfe", b"\x80", b"\xbf", b"\xe2\x82", b"\xf0\x9f\x8c", b"\xc3"),
]


def between_good_lines(bad: list[bytes]) -> bytes:
    """Write each line between good ones; their numbers are past 1000."""
    lines = [part for n, line in enumerate(bad) for part in (good(1000 + n), line)]
    return b"\n".join([*lines, good(2000), b""])


@pytest.mark.parametrize("bad", NO_UTF8, ids=bytes.hex)
def test_bytes_that_are_no_utf8_reject_their_line_and_no_other(
    tmp_path: Path, bad: bytes
) -> None:
    lines = [put(n, bad) for n, put in enumerate((PLACES | BARE).values())]

    outcomes = loaded_outcomes(between_good_lines(lines), tmp_path / "a.jsonl")

    assert outcomes[::2] == ["row"] * (len(lines) + 1)
    assert outcomes[1::2] == ["invalid_utf8"] * len(lines)


@pytest.mark.parametrize(
    "escape", [rb"\ud800", rb"\uDFFF", rb"\udc00\ud800", rb"\ud83d\u0041", rb"x\uDBFF"]
)
def test_a_lone_surrogate_rejects_its_line_and_no_other(
    tmp_path: Path, escape: bytes
) -> None:
    lines = [put(n, escape) for n, put in enumerate(PLACES.values())]
    path = tmp_path / "a.jsonl"

    outcomes = loaded_outcomes(between_good_lines(lines), path)

    assert outcomes[::2] == ["row"] * (len(lines) + 1)
    assert outcomes[1::2] == ["invalid_json"] * len(lines)


def test_characters_at_the_borders_of_utf8_are_kept_as_they_are(tmp_path: Path) -> None:
    text = "\x7f\x80\u07ff\u0800\ud7ff\ue000\ufffd\uffff\U00010000\U0010ffff"
    lines = [put(n, text.encode()) for n, put in enumerate(PLACES.values())]
    path = tmp_path / "a.jsonl"

    outcomes = loaded_outcomes(between_good_lines(lines), path)

    assert set(outcomes) == {"row"}
    assert f"a{text}" in toolkit.load(path).frame["model"].to_list()


# --- The JSON suite in one log -------------------------------------------------------


@pytest.mark.skipif(not FILES, reason="shared/JSONTestSuite is not beside the project")
@pytest.mark.parametrize("space", [b" ", b"\r"], ids=["space", "cr"])
def test_the_whole_suite_in_one_log_leaves_every_good_line_whole(
    tmp_path: Path, space: bytes
) -> None:
    values = [
        path.read_bytes().replace(b"\n", space).replace(b"\r", space) for path in FILES
    ]
    lines = [embed(n, value) for n, value in enumerate(values)]

    outcomes = loaded_outcomes(between_good_lines(lines), tmp_path / "a.jsonl")

    outcome_of = dict(zip([path.stem for path in FILES], outcomes[1::2], strict=True))
    taken = {name for name, outcome in outcome_of.items() if outcome == "row"}
    assert outcomes[::2] == ["row"] * (len(FILES) + 1)
    assert {name for name in outcome_of if name.startswith("y_")} <= taken
    # A string may hold a space where it may hold no line feed, and no CR.
    repaired = {"n_string_unescaped_newline"} if space == b" " else set()
    assert {name for name in taken if name.startswith("n_")} == repaired
    codes = {"row", "invalid_json", "invalid_utf8", "too_deep"}
    assert set(outcomes) <= codes


@pytest.mark.skipif(not FILES, reason="shared/JSONTestSuite is not beside the project")
def test_the_files_of_the_suite_as_lines_leave_every_good_line_whole(
    tmp_path: Path,
) -> None:
    lines = [
        path.read_bytes().replace(b"\n", b" ").replace(b"\r", b" ") for path in FILES
    ]

    outcomes = loaded_outcomes(between_good_lines(lines), tmp_path / "a.jsonl")

    assert outcomes[::2] == ["row"] * (len(FILES) + 1)
    for path, outcome in zip(FILES, outcomes[1::2], strict=True):
        if path.name.startswith("y_"):
            assert outcome == "not_a_response", path.name
        assert outcome != "row", path.name
