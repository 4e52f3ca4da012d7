"""Compressed logs: whole, odd, cut, flipped; what is kept and what is reported.

The rule of `on_damage="collect"`: a damaged log gives exactly what a whole one gives
that ends where the damaged member begins.
"""

from __future__ import annotations

import errno
import gzip
import io
import json
import os
import struct
import tempfile
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import toolkit
from tests.support.zstd_frames import zstd, zstd_frame
from toolkit import errors
from toolkit.errors import DamagedLogError, OptionError, UnreadableSourceError
from toolkit.schema import CHOICES
from toolkit.testing import make_response

pytestmark = pytest.mark.both_decoders

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")

quick = settings(
    max_examples=80, deadline=None, suppress_health_check=list(HealthCheck)
)


def good(number: int) -> bytes:
    """Write a response that no other number has: 10 + 5 = 15 tokens, one choice."""
    return json.dumps(make_response(id=f"id-{number}")).encode()


# --- Compressed logs -----------------------------------------------------------------

Packer = Callable[[bytes], bytes]


def gzip_member(data: bytes) -> bytes:
    """Make one gzip member."""
    return gzip.compress(data, mtime=0)


PACKERS: dict[str, Packer] = {
    "gzip": gzip_member,
    "zstd": partial(zstd_frame, checksum=True),
    "zstd-no-size": partial(zstd_frame, checksum=True, size=False),
    "zstd-no-checksum": zstd_frame,
    "zstd-bare": partial(zstd_frame, size=False),
}
CHECKED = ["gzip", "zstd", "zstd-no-size"]  # a flipped bit cannot pass
UNCHECKED = ["zstd-no-checksum", "zstd-bare"]
FEW = ["gzip", "zstd", "zstd-bare"]  # where many bytes are tried


class Packed(NamedTuple):
    """A log of many members: its pieces, and each as a member."""

    pieces: list[bytes]
    members: list[bytes]

    @property
    def data(self) -> bytes:
        """The log, compressed."""
        return b"".join(self.members)

    @property
    def starts(self) -> list[int]:
        """Where each member begins, and the end of the file."""
        return [len(b"".join(self.members[:n])) for n in range(len(self.members) + 1)]

    def plain(self, members: int) -> bytes:
        """Return the bytes of the first members."""
        return b"".join(self.pieces[:members])


def pack(kind: str, pieces: Sequence[bytes]) -> Packed:
    """Compress each piece as a member or frame of its own."""
    return Packed(list(pieces), [PACKERS[kind](piece) for piece in pieces])


def lean(number: int) -> bytes:
    """Write a response in few bytes, so that every one of them can be tried."""
    usage = {"total_tokens": number}
    return json.dumps(
        {"id": f"{number}", "choices": [{}], "object": "o"} | {"usage": usage}
    ).encode()


# Three members: the first ends in the middle of a line, the second before the LF of a
# line that is whole without it.
LINES = [lean(1), b"{}", lean(2), b"", lean(3) + b"\r", lean(4), b"[1]", lean(5)]
TEXT = b"\n".join([*LINES, b""])
THREE = [
    TEXT[: TEXT.index(lean(3)) + 20],
    TEXT[TEXT.index(lean(3)) + 20 : TEXT.index(lean(4)) + len(lean(4))],
    TEXT[TEXT.index(lean(4)) + len(lean(4)) :],
]


# Worked by hand: what the log gives when its first 0, 1, 2, 3 members are whole. The
# numbers of the accepted lines, then the rejects.
CUT = THREE[0].split(b"\n")[-1]
KEPT_LINES: list[tuple[list[int], list[tuple[int, str, bytes]]]] = [
    ([], []),
    ([1, 3], [(2, "not_a_response", b"{}"), (5, "truncated", CUT)]),
    ([1, 3, 5, 6], [(2, "not_a_response", b"{}")]),
    (
        [1, 3, 5, 6, 8],
        [(2, "not_a_response", b"{}"), (7, "not_a_response", b"[1]")],
    ),
]


class Result(NamedTuple):
    """What was read from logs, without what differs between ways to read."""

    rows: list[dict[str, Any]]
    rejects: list[dict[str, Any]]
    ledger: list[dict[str, Any]]

    def lines(self) -> tuple[list[int], list[tuple[int, str, bytes]]]:
        """Return the numbers of the accepted lines, and the rejects."""
        return (
            [row["line"] for row in self.rows],
            [
                (reject["line"], reject["code"], reject["raw"])
                for reject in self.rejects
            ],
        )


Source = str | Path | Sequence[str | Path]
ReadLogs = Callable[..., Result]


def load(source: Source, **options: Any) -> Result:
    """Load logs."""
    log = toolkit.load(source, **options)
    return check_sums(
        log.choices.to_pylist(), log.rejects.to_dicts(), log.ledger.to_dicts()
    )


def export(source: Source, **options: Any) -> Result:
    """Export logs and read the export."""
    with tempfile.TemporaryDirectory() as to:
        toolkit.export(source, to=to, **options)
        rows = toolkit.scan(to).sort(list(CHOICES.key)).collect().to_dicts()
        rejects, ledger = toolkit.rejects(to), toolkit.ledger(to)
    return check_sums(rows, rejects.to_dicts(), ledger.to_dicts())


def check_sums(
    rows: list[dict[str, Any]],
    rejects: list[dict[str, Any]],
    ledger: list[dict[str, Any]],
) -> Result:
    """Check the sums of the ledger, log by log, and return what was read."""
    for log in ledger:
        own = [row for row in rows if row["log_id"] == log["log_id"]]
        refused = [reject for reject in rejects if reject["log_id"] == log["log_id"]]
        kinds = ("blank", "responses", "chunks", "duplicates", "errors", "rejected")
        assert log["lines"] == sum(log[kind] for kind in kinds)
        assert log["choices"] == len(own)
        assert log["responses"] == sum(row["choice_position"] == 0 for row in own)
        assert log["errors"] + log["rejected"] == len(refused)
        for name in COUNTS:
            assert log[name] == sum(row[name] or 0 for row in own)
        for reject in refused:
            assert reject["offset"] + reject["length"] <= log["bytes"]
    return Result(rows, rejects, ledger)


def collect(read_logs: ReadLogs, source: Source, **options: Any) -> Result:
    """Read with `on_damage="collect"`; check that one warning reports damage."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = read_logs(source, on_damage="collect", **options)
    damaged = [log["error"] for log in result.ledger if log["error"] is not None]
    warned = [one for one in caught if one.category is errors.DamageWarning]
    assert len(warned) == bool(damaged)
    return result


@pytest.fixture(params=["load", "export"])
def read_logs(request: pytest.FixtureRequest) -> ReadLogs:
    """Return each way to read logs, one by one."""
    return {"load": load, "export": export}[request.param]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a log may be written."""
    return tmp_path / "a.jsonl.gz"


def alone(result: Result) -> dict[str, Any]:
    """Return the ledger's row of the only log."""
    (log,) = result.ledger
    return log


def check_damage(
    path: Path, packed: Packed, whole: int, *, start: int, raises: bool = True
) -> None:
    """Check a load of a log of which only the first members are whole.

    `start` is the byte where the damage begins. Damage that is collected `raises` too
    if it is not, with the same words.
    """
    result = collect(load, path)
    assert result.lines() == KEPT_LINES[whole]
    log = alone(result)
    if raises:
        with pytest.raises(DamagedLogError) as caught:
            toolkit.load(path)
        assert caught.value.source == path.as_posix()
        assert caught.value.byte == start
        assert caught.value.verified == len(packed.plain(whole))
        assert log["error"] == str(caught.value)
    assert str(path) in log["error"]
    assert f"byte {start:,} " in log["error"]
    assert log["bytes"] == len(packed.plain(whole))


# --- Whole logs ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", PACKERS)
def test_members_may_be_cut_anywhere_in_a_line(path: Path, kind: str) -> None:
    path.write_bytes(pack(kind, THREE).data)

    result = load(path)

    assert result.lines() == KEPT_LINES[3]
    assert (alone(result)["bytes"], alone(result)["error"]) == (len(TEXT), None)


@pytest.mark.parametrize("kind", PACKERS)
def test_a_member_may_hold_one_byte_or_none(path: Path, kind: str) -> None:
    text = b"\xef\xbb\xbf" + good(1) + b"\r\n{}\n" + good(2)
    pieces = [text[at : at + 1] for at in range(len(text))]
    path.write_bytes(pack(kind, [b"", *pieces, b"", b""]).data)

    result = load(path)

    assert result.lines() == ([1, 3], [(2, "not_a_response", b"{}")])
    assert result.rejects[0]["offset"] == 3 + len(good(1)) + 2
    assert alone(result)["bytes"] == len(text)


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("count", [1, 3])
def test_members_of_nothing_are_a_log_without_lines(
    path: Path, kind: str, count: int
) -> None:
    path.write_bytes(pack(kind, [b""] * count).data)

    assert alone(load(path))["lines"] == 0
    assert alone(load(path))["error"] is None


def test_an_empty_file_is_no_damage_whatever_its_name(
    tmp_path: Path, read_logs: ReadLogs
) -> None:
    paths = [tmp_path / name for name in ("a.jsonl.gz", "b.jsonl.zst")]
    for path in paths:
        path.write_bytes(b"")

    result = collect(read_logs, paths)

    assert [log["lines"] for log in result.ledger] == [0, 0]
    assert [log["error"] for log in result.ledger] == [None, None]


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("zeros", [1, 3, 4, 511, 300_000])
def test_zeros_behind_the_last_member_are_padding(
    path: Path, kind: str, zeros: int
) -> None:
    path.write_bytes(pack(kind, THREE).data + bytes(zeros))

    result = collect(load, path)

    assert result.lines() == KEPT_LINES[3]
    assert alone(result)["error"] is None


def test_every_field_of_a_gzip_header_is_read_over(path: Path) -> None:
    deflated = zlib.compress(good(1) + b"\n", wbits=-15)
    check = struct.pack("<II", zlib.crc32(good(1) + b"\n"), len(good(1)) + 1)
    extra, name, comment = b"\x06\0BC\x02\0xx", b"a.jsonl\0", b"words\n\0"
    fields = {
        0x00: b"",
        0x01: b"",  # text
        0x04: extra,
        0x08: name,
        0x10: comment,
        0x1C: extra + name + comment,
    }
    members = []
    for flags, field in fields.items():
        head = bytes([0x1F, 0x8B, 8, flags, 1, 2, 3, 4, 2, 3]) + field
        members.append(head + deflated + check)
        checked = bytes([0x1F, 0x8B, 8, flags | 2, 1, 2, 3, 4, 2, 3]) + field
        crc16 = struct.pack("<H", zlib.crc32(checked) & 0xFFFF)
        members.append(checked + crc16 + deflated + check)
    path.write_bytes(b"".join(members))

    result = load(path, duplicates="keep")

    assert result.lines() == (list(range(1, 13)), [])


@pytest.mark.parametrize("level", range(10))
def test_gzip_of_every_level_is_read(path: Path, level: int) -> None:
    text = b"".join(good(number) + b"\n" for number in range(300))
    half = len(text) // 2
    path.write_bytes(
        b"".join(gzip.compress(part, level) for part in (text[:half], text[half:]))
    )

    assert load(path).lines() == (list(range(1, 301)), [])


def test_members_that_were_flushed_while_they_were_written_are_read(path: Path) -> None:
    writer = zlib.compressobj(wbits=31)
    data = b""
    for number, mode in enumerate((zlib.Z_SYNC_FLUSH, zlib.Z_FULL_FLUSH) * 3, start=1):
        data += writer.compress(good(number) + b"\n") + writer.flush(mode)
    path.write_bytes(data + writer.flush() + gzip_member(good(7)))
    assert load(path).lines() == ([1, 2, 3, 4, 5, 6, 7], [])

    path.write_bytes(data)  # its writer was killed
    result = collect(load, path)
    assert result.lines() == ([], [])
    assert "6 lines of it could be read" in alone(result)["error"]


def skippable(size: int, number: int = 0) -> bytes:
    """Make a zstd frame to skip."""
    return struct.pack("<II", 0x184D2A50 + number, size) + bytes(range(256))[:size]


def test_zstd_frames_to_skip_are_skipped_anywhere(path: Path) -> None:
    one, two, three = pack("zstd", THREE).members
    path.write_bytes(
        b"".join([skippable(4), one, skippable(0, 15), skippable(99), two, three])
        + skippable(7, 3)
    )

    assert load(path).lines() == KEPT_LINES[3]


def test_a_log_of_frames_to_skip_has_no_lines(path: Path) -> None:
    path.write_bytes(skippable(0) + skippable(200))

    assert alone(load(path))["lines"] == 0


@pytest.mark.parametrize("beyond", [-1, 0, 1])
@pytest.mark.parametrize("kind", ["gzip", "zstd", "zstd-bare"])
def test_members_as_long_as_what_is_read_at_once_are_read_to_their_end(
    path: Path, kind: str, beyond: int
) -> None:
    size = 256 * 1024 + beyond
    filled = good(1) + b"\n"
    piece = filled + b" " * (size - len(filled) - 1) + b"\n"
    path.write_bytes(pack(kind, [piece, piece, piece]).data)

    result = load(path, duplicates="keep")

    assert result.lines() == ([1, 3, 5], [])
    assert alone(result)["bytes"] == 3 * size


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("step", [1, 2, 3, 7])
def test_a_log_gives_the_same_whatever_is_read_at_once(
    path: Path, kind: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = pack(kind, THREE)
    monkeypatch.setattr("toolkit.reading.decompression.READ_BYTES", step)
    monkeypatch.setattr("toolkit.reading.decompression._STEP_BYTES", step)

    path.write_bytes(packed.data + bytes(9))
    assert load(path).lines() == KEPT_LINES[3]
    path.write_bytes(packed.data[:-1])
    check_damage(path, packed, 2, start=packed.starts[2])


# --- Cut logs ------------------------------------------------------------------------


def places(packed: Packed, start: int) -> Iterator[int]:
    """Yield each byte near the ends of members, and every fourth between them."""
    for place in range(start, len(packed.data)):
        if place % 4 == 0 or any(abs(place - edge) < 12 for edge in packed.starts):
            yield place


@pytest.mark.parametrize("kind", FEW)
def test_a_log_that_is_cut_is_whole_members_or_an_error(path: Path, kind: str) -> None:
    packed = pack(kind, THREE)
    starts = packed.starts
    magic = 2 if kind == "gzip" else 4

    for size in places(packed, magic):
        path.write_bytes(packed.data[:size])
        whole = max(place for place, start in enumerate(starts) if start <= size)
        if size in starts:
            result = collect(load, path)
            assert result.lines() == KEPT_LINES[whole]
            assert alone(result)["error"] is None
        else:
            check_damage(
                path, packed, whole, start=starts[whole], raises=size % 16 == 0
            )


@pytest.mark.parametrize("kind", PACKERS)
def test_less_than_the_magic_bytes_is_a_log_without_rows(path: Path, kind: str) -> None:
    data = pack(kind, THREE).data

    for size in range(2 if kind == "gzip" else 4):
        path.write_bytes(data[:size])
        result = load(path)
        assert result.rows == []
        assert len(result.rejects) == bool(size)


@pytest.mark.parametrize("kind", PACKERS)
def test_an_export_of_a_cut_log_keeps_the_whole_members(path: Path, kind: str) -> None:
    packed = pack(kind, THREE)
    one, two, three, _ = packed.starts

    for size, whole in ((two - 1, 0), (two + 1, 1), (three - 1, 1), (three + 9, 2)):
        path.write_bytes(packed.data[:size])
        result = collect(export, path)
        assert result.lines() == KEPT_LINES[whole]
        log = alone(result)
        assert str(path) in log["error"]
        assert f"byte {(one, two, three)[whole]:,} " in log["error"]
        assert (log["bytes"], log["pending_bytes"]) == (len(packed.plain(whole)), 0)


@pytest.mark.parametrize("kind", PACKERS)
def test_batches_of_a_cut_log_are_those_of_its_whole_members(
    path: Path, kind: str
) -> None:
    packed = pack(kind, THREE)

    for size in range(packed.starts[1], len(packed.data), 11):
        path.write_bytes(packed.data[:size])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", errors.DamageWarning)
            batches = list(toolkit.batches(path, on_damage="collect"))
        result = collect(load, path)
        rows = [row for batch in batches for row in batch.choices.to_pylist()]
        rejects = [row for batch in batches for row in batch.rejects.to_pylist()]
        assert (rows, rejects) == (result.rows, result.rejects)
        assert sum(batch.bytes for batch in batches) == alone(result)["bytes"]
        assert sum(batch.lines for batch in batches) == alone(result)["lines"]


@pytest.mark.parametrize("kind", CHECKED)
def test_the_error_says_how_many_lines_the_damaged_member_held(
    path: Path, kind: str
) -> None:
    packed = pack(kind, THREE)

    for whole in range(3):
        # All but the last byte of the check sum: every line of it is there.
        path.write_bytes(packed.data[: packed.starts[whole + 1] - 1])
        with pytest.raises(DamagedLogError) as caught:
            toolkit.load(path)
        assert caught.value.lines == THREE[whole].count(b"\n")


def test_a_frame_that_needs_a_dictionary_is_damage(path: Path) -> None:
    words = zstd.train_dict([good(n) for n in range(500)], 1024)
    packed = pack("zstd", THREE)
    path.write_bytes(packed.data + zstd.compress(good(9) + b"\n", zstd_dict=words))

    check_damage(path, packed, 3, start=len(packed.data))


# --- Flipped bits --------------------------------------------------------------------


def flips(packed: Packed, start: int) -> Iterator[tuple[int, bytes]]:
    """Yield a place and the file with one bit flipped there, at each of the places."""
    for place in places(packed, start):
        flipped = bytearray(packed.data)
        flipped[place] ^= 1 << (place * 5 % 8)
        yield place, bytes(flipped)


def check_flip(
    path: Path, packed: Packed, *, checked: bool, raises: bool = True
) -> Result:
    """Check that a changed log gives the same as the whole one, or its first members.

    What is not `checked` has frames without a checksum, whose rows may be wrong.
    """
    result = collect(load, path)
    log = alone(result)
    if log["error"] is not None and raises:
        with pytest.raises(DamagedLogError) as caught:
            load(path)
        assert log["error"] == str(caught.value)
        assert log["bytes"] == caught.value.verified
    fronts = {len(packed.plain(whole)): whole for whole in range(4)}
    if checked:
        assert result.lines() == KEPT_LINES[fronts[log["bytes"]]]
    return result


@pytest.mark.parametrize("kind", CHECKED)
def test_one_flipped_bit_is_an_error_or_changes_nothing(path: Path, kind: str) -> None:
    packed = pack(kind, THREE)

    for place, flipped in flips(packed, 2 if kind == "gzip" else 4):
        path.write_bytes(flipped)
        check_flip(path, packed, checked=True, raises=place % 16 == 0)


@pytest.mark.parametrize("kind", UNCHECKED)
def test_one_flipped_bit_of_a_frame_without_checksum_harms_no_other_frame(
    path: Path, kind: str
) -> None:
    # Such a frame is verified when it is complete: what it holds may be wrong.
    packed = pack(kind, THREE)
    first, second = packed.starts[1:3]

    for place, flipped in flips(packed, 4):
        path.write_bytes(flipped)
        result = check_flip(path, packed, checked=False, raises=place % 16 == 0)
        lines, _ = result.lines()
        if place >= first:
            assert lines[:2] == [1, 3]
        if place >= second:
            assert lines[:3] == [1, 3, 5]


@pytest.mark.parametrize("kind", PACKERS)
def test_a_flipped_bit_of_the_first_magic_bytes_gives_no_row(
    path: Path, kind: str
) -> None:
    data = pack(kind, THREE).data

    for place in range(2 if kind == "gzip" else 4):
        flipped = bytearray(data)
        flipped[place] ^= 4
        path.write_bytes(flipped)
        result = load(path)
        assert result.rows == []
        assert result.rejects != []


@quick
@given(
    kind=st.sampled_from(CHECKED),
    changes=st.lists(st.tuples(st.integers(4, 10**4), st.integers(0, 255)), max_size=4),
)
def test_changed_bytes_are_an_error_or_change_nothing(
    kind: str, changes: list[tuple[int, int]]
) -> None:
    packed = pack(kind, THREE)
    data = bytearray(packed.data)
    for place, byte in changes:
        data[4 + place % (len(data) - 4)] = byte
    if kind != "gzip":
        # Without this bit a frame has no checksum: nothing tells that it was changed.
        assume(all(data[start + 4] & 4 for start in packed.starts[:-1]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(data)

        check_flip(path, packed, checked=True)


# --- What follows the members --------------------------------------------------------


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize(
    "tail",
    [
        *(b"x", b"\n", b"tail", good(9) + b"\n", b"\0x", bytes(600) + b"x"),
        *(GZIP_MAGIC[:1], ZSTD_MAGIC[:3], GZIP_MAGIC, ZSTD_MAGIC, b"\x1f\x9d\x90"),
        bytes(5) + gzip_member(b"x\n"),
        bytes(5) + PACKERS["zstd"](b"x\n"),
    ],
)
def test_other_bytes_behind_the_members_are_damage_that_costs_no_row(
    path: Path, kind: str, tail: bytes
) -> None:
    packed = pack(kind, THREE)
    path.write_bytes(packed.data + tail)

    check_damage(path, packed, 3, start=len(packed.data))


@pytest.mark.parametrize(("first", "second"), [("gzip", "zstd"), ("zstd", "gzip")])
def test_a_member_of_another_compression_is_damage(
    path: Path, first: str, second: str
) -> None:
    packed = pack(first, THREE)
    path.write_bytes(packed.data + pack(second, [good(9) + b"\n"]).data)

    check_damage(path, packed, 3, start=len(packed.data))


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_damaged_member_hides_the_whole_ones_behind_it(path: Path, kind: str) -> None:
    packed = pack(kind, THREE)
    one, two, three = packed.members
    path.write_bytes(one + two[: len(two) // 2] + three)

    check_damage(path, packed, 1, start=len(one))


@pytest.mark.parametrize(
    ("front", "place"), [(b"", -1), (b"", -5), (skippable(9), -1), (b"", 6)]
)
def test_a_damaged_frame_to_skip_costs_no_row_before_it(
    path: Path, front: bytes, place: int
) -> None:
    packed = pack("zstd", THREE)
    path.write_bytes(packed.data + front + skippable(60)[:place])

    check_damage(path, packed, 3, start=len(packed.data + front))


# --- Many logs -----------------------------------------------------------------------


def write_logs(folder: Path) -> list[Path]:
    """Write a plain log, a damaged, a whole, another damaged, and an empty one."""
    cut, flipped = pack("gzip", THREE), pack("zstd", [good(20) + b"\n", good(21)])
    broken = bytearray(flipped.data)
    broken[-1] ^= 1
    files = {
        "a.jsonl": good(10) + b"\n",
        "b.jsonl.gz": cut.data[:-1],
        "c.jsonl.zst": pack("zstd", [good(11), b"\n" + good(12)]).data,
        "d.jsonl.zst": bytes(broken),
        "e.jsonl": b"",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def test_damaged_logs_stop_none_of_the_others_and_are_warned_of_once(
    tmp_path: Path, read_logs: ReadLogs
) -> None:
    paths = write_logs(tmp_path)

    result = collect(read_logs, paths)

    by_log = [
        [row["line"] for row in result.rows if row["log_id"] == n] for n in range(5)
    ]
    assert by_log == [[1], [1, 3, 5, 6], [1, 2], [1], []]
    faults = [log["error"] for log in result.ledger]
    assert [fault is not None for fault in faults] == [False, True, False, True, False]
    assert str(paths[1]) in faults[1]
    assert str(paths[3]) in faults[3]
    size = [len(THREE[0] + THREE[1]), len(good(20)) + 1]
    assert [result.ledger[n]["bytes"] for n in (1, 3)] == size
    assert [log["source"] for log in result.ledger] == [
        path.as_posix() for path in paths
    ]


def test_damage_stops_everything_unless_it_is_to_be_collected(
    tmp_path: Path, read_logs: ReadLogs
) -> None:
    paths = write_logs(tmp_path)

    with pytest.raises(DamagedLogError, match=r"b\.jsonl\.gz: damaged"):
        read_logs(paths)
    with pytest.raises(DamagedLogError, match=r"b\.jsonl\.gz: damaged"):
        read_logs(paths, on_damage="raise")
    with pytest.raises(DamagedLogError, match=r"b\.jsonl\.gz: damaged"):
        list(toolkit.batches(paths))


def test_another_word_than_raise_or_collect_is_refused(
    tmp_path: Path, read_logs: ReadLogs
) -> None:
    word: Any = "ignore"
    path = write_logs(tmp_path)[0]

    with pytest.raises(OptionError, match="on_damage"):
        read_logs(path, on_damage=word)
    with pytest.raises(OptionError, match="on_damage"):
        toolkit.batches(path, on_damage=word)


def test_whole_logs_give_the_same_whether_damage_is_collected_or_not(
    tmp_path: Path, read_logs: ReadLogs
) -> None:
    write_logs(tmp_path)
    whole = [tmp_path / name for name in ("a.jsonl", "c.jsonl.zst", "e.jsonl")]

    assert collect(read_logs, whole) == read_logs(whole)


def test_the_warning_counts_and_names_and_holds_no_content(tmp_path: Path) -> None:
    paths = write_logs(tmp_path)

    with pytest.warns(errors.DamageWarning) as caught:
        toolkit.load(paths, on_damage="collect")

    (warned,) = [one for one in caught if one.category is errors.DamageWarning]
    assert str(warned.message).startswith(f"{paths[1]}: damaged")
    assert "1 more log" in str(warned.message)
    assert "Hello" not in str(warned.message)
    assert warned.filename == __file__


def test_a_response_of_a_damaged_member_makes_no_other_a_duplicate(
    tmp_path: Path, read_logs: ReadLogs
) -> None:
    # 2 is in a member that is cut, 1 in a whole one.
    damaged, whole = tmp_path / "a.jsonl.gz", tmp_path / "b.jsonl"
    damaged.write_bytes(pack("gzip", [good(1) + b"\n", good(2) + b"\n"]).data[:-1])
    whole.write_bytes(good(1) + b"\n" + good(2) + b"\n")

    result = collect(read_logs, [damaged, whole])

    assert [(row["log_id"], row["line"]) for row in result.rows] == [(0, 1), (1, 2)]
    assert [log["duplicates"] for log in result.ledger] == [0, 1]


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("verified", [0, 1, 2])
def test_a_damaged_member_of_megabytes_leaves_no_line_behind(
    path: Path, kind: str, verified: int
) -> None:
    # More than a block of 1 MiB is read before the damage shows.
    text = b"".join(good(number) + b"\n" for number in range(6000))
    packed = pack(kind, [*[good(-1) + b"\n", good(-2) + b"\n"][:verified], text])
    path.write_bytes(packed.data[:-1])

    result = collect(load, path)

    assert result.lines() == (list(range(1, verified + 1)), [])
    assert alone(result)["bytes"] == len(packed.plain(verified))
    held = "6,000 lines of it" if kind in CHECKED else "lines of it"
    assert held in alone(result)["error"]


def test_a_mark_before_the_damage_is_counted(path: Path, read_logs: ReadLogs) -> None:
    packed = pack("gzip", [b"\xef\xbb", b"\xbf", good(1)])
    path.write_bytes(packed.data[:-1])

    log = alone(collect(read_logs, path))

    assert (log["bytes"], log["lines"]) == (3, 0)


def test_a_line_too_long_that_the_damage_cuts_is_as_long_as_what_is_verified(
    path: Path, read_logs: ReadLogs
) -> None:
    packed = pack("zstd", [b"{}\n" + b"1" * 500_000, b"1" * 500_000 + b"\n"])
    path.write_bytes(packed.data[:-1])

    result = collect(read_logs, path, max_line_bytes=1000)

    assert result.lines()[1] == [
        (1, "not_a_response", b"{}"),
        (2, "line_too_long", None),
    ]
    assert (result.rejects[1]["offset"], result.rejects[1]["length"]) == (3, 500_000)


def test_lines_asked_for_before_the_damage_are_given_without_it(path: Path) -> None:
    packed = pack("gzip", THREE)
    path.write_bytes(packed.data[:-1])

    result = collect(load, path, max_lines=3)

    assert [row["line"] for row in result.rows] == [1, 3]
    assert alone(result)["lines"] == 3


def test_a_cut_line_raises_where_rejects_are_to_raise(path: Path) -> None:
    path.write_bytes(pack("gzip", [good(1) + b"\n" + good(2)[:9], b"x"]).data[:-1])

    with pytest.raises(errors.RejectedLineError, match="truncated"):
        toolkit.load(path, on_damage="collect", on_reject="raise")


def test_what_an_export_of_damaged_logs_holds_passes_its_check(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.warns(errors.DamageWarning):
        done = toolkit.export(write_logs(tmp_path), to=out, on_damage="collect")

    assert toolkit.ledger(out).equals(done.ledger)
    assert toolkit.scan(out).collect().height == done.ledger["choices"].sum() == 8
    toolkit.check(out)


# --- Logs that cannot be opened or read ----------------------------------------------

# A file that opens and refuses to be read at its beginning, to the superuser too.
MEMORY = Path("/proc/self/mem")


@pytest.mark.needs("/proc/self/mem")
def test_a_log_that_refuses_to_be_read_stops_no_other(
    tmp_path: Path, read_logs: ReadLogs
) -> None:
    paths = write_logs(tmp_path)[:1]
    bad = tmp_path / "0.jsonl"
    bad.symlink_to(MEMORY)

    with pytest.raises(UnreadableSourceError, match=r"0\.jsonl"):
        read_logs([bad, *paths])
    result = collect(read_logs, [bad, *paths])

    assert [(row["log_id"], row["line"]) for row in result.rows] == [(1, 1)]
    assert [log["bytes"] for log in result.ledger] == [0, len(good(10)) + 1]
    assert result.ledger[0]["error"].startswith(f"{bad}: ")
    assert result.ledger[1]["error"] is None


def test_a_log_that_is_gone_when_its_turn_comes_stops_no_other(
    tmp_path: Path, read_logs: ReadLogs
) -> None:
    first, second, third = (tmp_path / f"{name}.jsonl" for name in "abc")

    def write() -> None:
        for number, path in enumerate((first, second, third)):
            path.write_bytes(good(number) + b"\n")

    def take_away(_read: int) -> None:
        second.unlink(missing_ok=True)

    write()
    with pytest.raises(UnreadableSourceError, match=r"b\.jsonl: No such file"):
        read_logs([first, second, third], progress=take_away, threads=1)
    write()
    result = collect(read_logs, [first, second, third], progress=take_away, threads=1)

    assert [(row["log_id"], row["line"]) for row in result.rows] == [(0, 1), (2, 1)]
    assert [log["error"] is None for log in result.ledger] == [True, False, True]
    assert result.ledger[1]["error"].startswith(f"{second}: No such file")


@pytest.mark.needs("os.mkfifo")
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "cut"])
@pytest.mark.parametrize("kind", ["plain", "gzip", "zstd"])
def test_a_named_pipe_is_read_once_and_kept_up_to_the_damage(
    tmp_path: Path, read_logs: ReadLogs, kind: str, whole: bool
) -> None:
    pipe = tmp_path / "a.jsonl"
    os.mkfifo(pipe)
    packed = Packed(THREE, THREE) if kind == "plain" else pack(kind, THREE)
    data = packed.data if whole else packed.data[:-1]

    with ThreadPoolExecutor() as pool:
        pool.submit(pipe.write_bytes, data)
        result = collect(read_logs, pipe)

    cut = not whole and kind != "plain"
    assert result.lines() == KEPT_LINES[2 if cut else 3]
    assert (alone(result)["error"] is not None) == cut


def test_progress_reports_no_more_bytes_than_there_are(
    tmp_path: Path, read_logs: ReadLogs
) -> None:
    paths = write_logs(tmp_path)
    sizes: list[int] = []

    collect(read_logs, paths, progress=sizes.append)

    assert min(sizes) >= 0
    assert sum(sizes) <= sum(path.stat().st_size for path in paths)


# --- Standard input ------------------------------------------------------------------


class Pipe(io.BytesIO):
    """Bytes that come once and cannot be sought, a few at a time."""

    def seekable(self) -> bool:
        """Say no."""
        return False

    def seek(self, *_place: object) -> int:
        """Refuse."""
        raise io.UnsupportedOperation("seek")

    def tell(self) -> int:
        """Refuse."""
        raise io.UnsupportedOperation("tell")

    def read(self, size: int | None = -1) -> bytes:
        """Return up to a hundred bytes."""
        return super().read(size if size is None or size < 0 else min(size, 100))


class FailingDisk(io.BytesIO):
    """Bytes that end in a fault of the device."""

    def read(self, size: int | None = -1) -> bytes:
        """Return bytes, and in the end refuse."""
        data = super().read(size)
        if not data:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return data


class FailingPipe(FailingDisk, Pipe):
    """The same, and it cannot be sought."""


def feed(monkeypatch: pytest.MonkeyPatch, buffer: io.BytesIO) -> None:
    """Put bytes into standard input."""

    class Stdin:
        pass

    stdin: Any = Stdin()
    stdin.buffer = buffer
    monkeypatch.setattr("sys.stdin", stdin)


@pytest.mark.parametrize("kind", FEW)
@pytest.mark.parametrize("source", [io.BytesIO, Pipe])
def test_damaged_standard_input_keeps_its_whole_members(
    monkeypatch: pytest.MonkeyPatch,
    read_logs: ReadLogs,
    kind: str,
    source: type[io.BytesIO],
) -> None:
    packed = pack(kind, THREE)
    one, two, three, end = packed.starts

    for size, whole in (
        (two - 1, 0),
        (three - 1, 1),
        (three, 2),
        (end - 1, 2),
        (end, 3),
    ):
        feed(monkeypatch, source(packed.data[:size]))
        result = collect(read_logs, "-")
        assert result.lines() == KEPT_LINES[whole]
        log = alone(result)
        assert (log["source"], log["bytes"]) == ("-", len(packed.plain(whole)))
        if size in packed.starts:
            assert log["error"] is None
        else:
            assert log["error"].startswith("-: damaged")
            assert f"byte {(one, two, three)[whole]:,} " in log["error"]


def test_damaged_standard_input_is_an_error_unless_it_is_to_be_collected(
    monkeypatch: pytest.MonkeyPatch, read_logs: ReadLogs
) -> None:
    packed = pack("gzip", THREE)
    feed(monkeypatch, Pipe(packed.data[:-1]))

    with pytest.raises(DamagedLogError) as caught:
        read_logs("-")

    assert (caught.value.source, caught.value.byte) == ("-", packed.starts[2])


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("failing", [FailingDisk, FailingPipe])
def test_a_failing_device_loses_only_what_was_not_verified(
    monkeypatch: pytest.MonkeyPatch,
    read_logs: ReadLogs,
    kind: str,
    failing: type[io.BytesIO],
) -> None:
    packed = pack(kind, THREE)

    for size, whole in ((packed.starts[2] + 5, 2), (len(packed.data), 3)):
        feed(monkeypatch, failing(packed.data[:size]))
        with pytest.raises(UnreadableSourceError, match="-: Input/output error"):
            read_logs("-")
        feed(monkeypatch, failing(packed.data[:size]))
        result = collect(read_logs, "-")
        assert result.lines() == KEPT_LINES[whole]
        assert alone(result)["error"] == "-: Input/output error"
        assert alone(result)["bytes"] == len(packed.plain(whole))


def test_a_device_that_fails_leaves_the_lines_read_and_a_cut_one(
    monkeypatch: pytest.MonkeyPatch, read_logs: ReadLogs
) -> None:
    data = good(1) + b"\n" + good(2) + b"\n" + good(3)[:-1]
    feed(monkeypatch, FailingPipe(data))

    result = collect(read_logs, "-")

    assert result.lines() == ([1, 2], [(3, "truncated", good(3)[:-1])])
    assert alone(result)["error"] == "-: Input/output error"
    assert alone(result)["bytes"] == len(data)


def test_standard_input_is_read_from_its_current_position(
    monkeypatch: pytest.MonkeyPatch, read_logs: ReadLogs
) -> None:
    packed = pack("gzip", THREE)
    rest = io.BytesIO(b"taken before" + packed.data[:-1])
    rest.seek(len(b"taken before"))
    feed(monkeypatch, rest)

    result = collect(read_logs, "-")

    assert result.lines() == KEPT_LINES[2]
    assert f"byte {packed.starts[2]:,} " in alone(result)["error"]


def test_standard_input_that_is_closed_is_an_error_in_the_ledger(
    monkeypatch: pytest.MonkeyPatch, read_logs: ReadLogs, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.stdin", None)
    (path, *_) = write_logs(tmp_path)

    result = collect(read_logs, ["-", path])

    errors_found = [log["error"] for log in result.ledger]
    assert errors_found == ["-: standard input is closed", None]
    assert [row["log_id"] for row in result.rows] == [1]


# --- Any bytes -----------------------------------------------------------------------

pieces_of_any_bytes = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [b"", b"\n", b"{}\n", good(1) + b"\n", good(2), b"\xef\xbb\xbf"]
        ),
    ),
    max_size=5,
)


def without_source(result: Result) -> Result:
    """Return what was read without the names of the logs."""
    return Result(*[[{**row, "source": ""} for row in table] for table in result])


@quick
@given(
    pieces=pieces_of_any_bytes,
    kind=st.sampled_from(list(PACKERS)),
    padding=st.integers(0, 9),
)
def test_any_compressed_bytes_give_the_same_as_the_plain_bytes(
    pieces: list[bytes], kind: str, padding: int
) -> None:
    pieces = [b"\n", *pieces]  # no magic bytes of a compression at the start
    with tempfile.TemporaryDirectory() as folder:
        plain, packed = Path(folder) / "a.jsonl", Path(folder) / "b.jsonl"
        plain.write_bytes(b"".join(pieces))
        packed.write_bytes(pack(kind, pieces).data + bytes(padding))

        assert without_source(load(packed)) == without_source(load(plain))


@quick
@given(
    pieces=pieces_of_any_bytes,
    kind=st.sampled_from(list(PACKERS)),
    size=st.integers(4, 10**6),
    on_reject=st.just("collect"),
)
def test_a_log_cut_anywhere_gives_the_same_as_a_whole_one_that_ends_before_the_damage(
    pieces: list[bytes], kind: str, size: int, on_reject: Literal["collect"]
) -> None:
    packed = pack(kind, [b"\n", *pieces])
    size = 4 + size % (len(packed.data) - 3)
    whole = max(n for n, start in enumerate(packed.starts) if start <= size)
    with tempfile.TemporaryDirectory() as folder:
        short, front = Path(folder) / "a.jsonl", Path(folder) / "b.jsonl"
        short.write_bytes(packed.data[:size])
        front.write_bytes(packed.plain(whole))

        result = collect(load, short, on_reject=on_reject)

        error = alone(result)["error"]
        assert (error is None) == (size in packed.starts)
        alone(result)["error"] = None
        expected = without_source(load(front))
        assert without_source(result) == expected


MAGICS = st.sampled_from(
    [
        *(GZIP_MAGIC, GZIP_MAGIC + b"\x08", GZIP_MAGIC + b"\x08\0\0\0\0\0\0\x03"),
        *(ZSTD_MAGIC, ZSTD_MAGIC + b"\x24", ZSTD_MAGIC + b"\x04", b"\x50\x2a\x4d\x18"),
        *(
            gzip_member(b"{}\n"),
            PACKERS["zstd"](b"{}\n"),
            PACKERS["zstd-bare"](b"{}\n"),
        ),
        skippable(3),
    ]
)


@settings(quick, max_examples=150)
@given(magic=MAGICS, rest=st.binary(max_size=200))
def test_any_bytes_behind_magic_ones_are_a_log_or_damage(
    magic: bytes, rest: bytes
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.jsonl"
        path.write_bytes(magic + rest)

        result = collect(load, path)

        fault = alone(result)["error"]
        if fault is None:
            assert load(path) == result
        else:
            with pytest.raises(DamagedLogError) as caught:
                toolkit.load(path)
            assert str(caught.value) == fault
            assert 0 <= caught.value.byte < len(magic + rest)
            assert caught.value.verified == alone(result)["bytes"]
