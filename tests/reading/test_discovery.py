"""From names to logs, and from bytes to blocks."""

from __future__ import annotations

import gzip
import io
import os
from pathlib import Path

import pytest

import toolkit
from tests.support.zstd_frames import zstd, zstd_frame
from toolkit.errors import (
    DamagedLogError,
    ExportGivenError,
    NoLogsError,
    OptionError,
    SourceNotFoundError,
    UnsupportedSourceError,
)
from toolkit.reading.discovery import find_logs
from toolkit.reading.framing import Framer, iter_blocks
from toolkit.testing import sample_lines

LINE = b'{"object":"chat.completion","choices":[{"index":0}]}\n'


def names(folder: Path, *made: str) -> None:
    """Make files with one line each."""
    for name in made:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(LINE)


def found(source: object) -> list[str]:
    """Return the names of the logs that are found."""
    return [Path(log.name).name for log in find_logs(source).logs]  # type: ignore[arg-type]


def test_a_directory_is_walked_for_logs_of_every_ending_in_sorted_order(
    tmp_path: Path,
) -> None:
    logs = [
        "a.jsonl", "b.ndjson", "c.jsonl.gz", "d.ndjson.zst", "e.jsonl.1",
        "f.jsonl-20261122.gz", "sub/g.jsonl",
    ]  # fmt: skip
    names(tmp_path, *logs, ".hidden.jsonl", ".dir/h.jsonl", "i.json", "j.json", "k.txt")

    result = find_logs(tmp_path)

    assert [os.path.relpath(log.name, tmp_path) for log in result.logs] == logs
    assert result.passed_over == {"*.json": 2, "*.txt": 1}


def test_a_file_that_is_named_is_read_whatever_its_name(tmp_path: Path) -> None:
    names(tmp_path, "log.txt")

    assert found(tmp_path / "log.txt") == ["log.txt"]
    assert found(str(tmp_path / "*.txt")) == ["log.txt"]


@pytest.mark.needs("symlinks")
def test_the_same_file_named_twice_is_read_once(tmp_path: Path) -> None:
    names(tmp_path, "a.jsonl")
    (tmp_path / "b.jsonl").symlink_to(tmp_path / "a.jsonl")

    assert found([tmp_path, tmp_path / "a.jsonl", tmp_path / "b.jsonl"]) == ["a.jsonl"]


@pytest.mark.needs("symlinks")
def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    names(tmp_path, "sub/a.jsonl")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)

    assert found(tmp_path) == ["a.jsonl"]


@pytest.mark.needs("symlinks")
def test_directories_that_are_linked_again_and_again_are_walked_once(
    tmp_path: Path,
) -> None:
    # Two links a level: 2^30 paths to one log.
    for level in range(30):
        (tmp_path / f"{level:02d}").mkdir()
        if level:
            for name in "ab":
                link = tmp_path / f"{level - 1:02d}" / name
                link.symlink_to(tmp_path / f"{level:02d}")
    names(tmp_path, "29/x.jsonl")

    assert found(tmp_path) == ["x.jsonl"]


def test_a_name_that_is_no_utf8_is_read_and_written_with_escapes(
    tmp_path: Path,
) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9\n.jsonl")
    Path(path).write_bytes(LINE)

    log = toolkit.load(tmp_path)

    assert log.ledger["source"].item() == f"{tmp_path}/caf\\xe9\n.jsonl"
    with pytest.raises(OptionError, match="UTF-8"):
        toolkit.export(path, to=os.fsdecode(os.fsencode(tmp_path) + b"/out\xe9"))


def test_a_directory_named_like_a_log_is_walked(tmp_path: Path) -> None:
    names(tmp_path, "x.jsonl/a.jsonl")

    assert found(tmp_path) == ["a.jsonl"]


def test_a_glob_that_leads_to_no_log_says_what_is_there(tmp_path: Path) -> None:
    names(tmp_path, "sub/a.json")

    with pytest.raises(NoLogsError, match=r"1 \*\.json"):
        toolkit.load(str(tmp_path / "s*"))


def test_a_frame_with_a_window_too_large_is_not_called_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.zst"
    wide = {zstd.CompressionParameter.window_log: 28}
    packer = zstd.ZstdCompressor(options=wide)  # does not know the size at its start
    path.write_bytes(packer.compress(LINE) + packer.flush())

    with pytest.raises(DamagedLogError, match="window over 128 MiB"):
        toolkit.load(path)


def test_a_missing_path_names_the_near_miss(tmp_path: Path) -> None:
    names(tmp_path, "requests.jsonl")

    with pytest.raises(SourceNotFoundError, match=r"did you mean '.*requests\.jsonl'"):
        toolkit.load(tmp_path / "request.jsonl")
    with pytest.raises(FileNotFoundError, match="no directory"):
        toolkit.load(tmp_path / "nowhere" / "a.jsonl")


def test_an_empty_glob_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="matches nothing"):
        toolkit.load(str(tmp_path / "*.jsonl"))


def test_a_directory_without_logs_says_what_it_holds(tmp_path: Path) -> None:
    names(tmp_path, *[f"{number}.json.gz" for number in range(3)])

    with pytest.raises(NoLogsError) as caught:
        toolkit.load(tmp_path)

    assert str(caught.value) == (
        f"{tmp_path}: expected *.jsonl or *.ndjson, found 3 *.json.gz: "
        f"to read these, name them: {tmp_path}/*.json.gz"
    )


def test_what_is_no_log_is_refused_by_its_kind(tmp_path: Path) -> None:
    names(tmp_path, "a.jsonl")
    toolkit.export(tmp_path / "a.jsonl", to=tmp_path / "out")

    with pytest.raises(ExportGivenError, match=r"toolkit\.scan"):
        toolkit.load(tmp_path / "out")
    with pytest.raises(UnsupportedSourceError, match="expected a local path, s3"):
        toolkit.load("https://host/log.jsonl")
    with pytest.raises(OptionError, match="at least one log"):
        toolkit.load([])


def test_standard_input_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(LINE * 2)

    monkeypatch.setattr("sys.stdin", Stdin)

    log = toolkit.load("-")

    assert log.ledger["source"].item() == "-"
    assert log.ledger["responses"].item() == 2


def packed(kind: str, raw: bytes) -> bytes:
    """Compress in two members or frames, cut in the middle of a line."""
    pieces = [raw[:70], raw[70:]]
    if kind == "gzip":
        return b"".join(gzip.compress(piece, mtime=0) for piece in pieces)
    if kind == "zstd":
        return b"".join(zstd_frame(piece, checksum=True) for piece in pieces)
    return raw


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"])
@pytest.mark.parametrize("kind", ["plain", "gzip", "zstd"])
def test_compression_is_known_by_its_first_bytes_and_never_by_its_name(
    tmp_path: Path, kind: str, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(packed(kind, LINE * 5))

    log = toolkit.load(path)

    assert log.choices.column("line").to_pylist() == [1, 2, 3, 4, 5]
    assert log.ledger["bytes"].item() == len(LINE) * 5


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_cut_stream_names_file_and_byte_of_the_member(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a.jsonl.gz"
    whole = packed(kind, LINE * 5)
    path.write_bytes(whole[:-3])

    with pytest.raises(DamagedLogError, match="cut off by the end") as caught:
        toolkit.load(path)

    second = whole.index(whole[:4], 4)
    assert caught.value.byte == second
    assert caught.value.verified == 70
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_flipped_bit_that_still_inflates_is_noticed(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a.jsonl"
    whole = bytearray(packed(kind, LINE * 5))
    whole[-1 if kind == "zstd" else -8] ^= 1
    path.write_bytes(whole)

    with pytest.raises(DamagedLogError, match=r"corrupt \(.*(checksum|CRC)"):
        toolkit.load(path)


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_other_bytes_behind_the_compressed_ones_are_damage_and_zeros_are_padding(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(packed(kind, LINE * 5) + bytes(512))
    assert toolkit.load(path).choices.num_rows == 5

    path.write_bytes(packed(kind, LINE * 5) + b"tail")
    with pytest.raises(DamagedLogError, match="other bytes follow"):
        toolkit.load(path)


def rows(data: bytes, tmp_path: Path, block_bytes: int) -> list[tuple[object, ...]]:
    """Return what the blocks of a log hold, line by line."""
    path = tmp_path / "framed.jsonl"
    path.write_bytes(data)
    (log,) = find_logs(path).logs
    result: list[tuple[object, ...]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("toolkit.reading.framing.BLOCK_BYTES", block_bytes)
        blocks = list(iter_blocks(log, 0, 2**26))
    for block in blocks:
        line, offset = block.line, block.offset
        for piece in block.data.splitlines(keepends=True):
            result.append((line, offset, piece))
            line, offset = line + 1, offset + len(piece)
    return result


@pytest.mark.parametrize("block_bytes", [1, 7, 100, 64 * 1024])
def test_blocks_of_any_size_hold_the_same_lines(
    tmp_path: Path, block_bytes: int
) -> None:
    data = b"\n".join(line.replace(b"\r", b"") for line in sample_lines(60))

    assert rows(data, tmp_path, block_bytes) == rows(data, tmp_path, 2**20)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_a_stream_in_pieces_of_any_size_is_framed_alike(size: int) -> None:
    data = b"\xef\xbb\xbf" + LINE * 3 + b"a" * 50 + b"\r\n" + LINE + b"end"
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    # The line of 50 is too long at a limit of 40, the ones of 52 bytes are too.
    framer = Framer(0, "x", max_line_bytes=60, block_bytes=30)

    made = list(framer.frame(pieces))

    assert b"".join(block.data for block in made) == data[3:]
    assert sum(block.bytes for block in made) == len(data)
    assert made[0].offset == 3
    assert [block.tail for block in made] == [False] * (len(made) - 1) + [True]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_a_line_that_is_too_long_is_a_reject_of_exact_place_and_length(
    tmp_path: Path, end: bytes
) -> None:
    path = tmp_path / "a.jsonl"
    long = b'{"x":"' + b"a" * 3_000_000 + b'"}'
    path.write_bytes(LINE + long + end + (LINE if end else b""))

    log = toolkit.load(path, max_line_bytes=1000)

    (reject,) = log.rejects.to_dicts()
    assert reject["code"] == "line_too_long"
    assert (reject["line"], reject["offset"]) == (2, len(LINE))
    assert (reject["length"], reject["raw"]) == (len(long), None)
    assert log.choices.column("line").to_pylist() == ([1, 3] if end else [1])
    assert log.ledger["bytes"].item() == path.stat().st_size


def test_a_line_of_just_the_limit_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(LINE[:-1] + b"\r\n")

    assert toolkit.load(path, max_line_bytes=len(LINE) - 1).choices.num_rows == 1
    assert toolkit.load(path, max_line_bytes=len(LINE) - 2).choices.num_rows == 0


def test_a_byte_order_mark_at_the_start_is_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + b"{}\n" + LINE)

    log = toolkit.load(path)

    assert log.rejects["offset"].to_list() == [3]
    assert log.choices.column("line").to_pylist() == [2]
    assert log.ledger["bytes"].item() == 3 + 3 + len(LINE)


def test_an_empty_file_is_a_log_without_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"")

    log = toolkit.load(path)

    assert log.ledger.select("bytes", "lines", "choices").row(0) == (0, 0, 0)
    assert "no dates" in repr(log)
