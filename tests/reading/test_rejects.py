"""Rejected lines come back as a log."""

from __future__ import annotations

import gzip
import io
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

import toolkit
from toolkit.errors import DamagedLogError, OptionError, WriteError
from toolkit.testing import make_response, write_sample

pytestmark = pytest.mark.both_decoders

GOOD = json.dumps(make_response()).encode()
BAD = [b'{"choices": [', b"\xff\xfe", b"[1]\r", b'{"error": 1}', b"\x1f\x8b"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"".join(GOOD + b"\n" + bad + b"\r\n" for bad in BAD))
    return path


@pytest.mark.parametrize("exported", [False, True])
def test_the_lines_come_back_byte_for_byte_and_in_order(
    log: Path, tmp_path: Path, exported: bool
) -> None:
    source = log
    if exported:
        source = tmp_path / "out"
        toolkit.export(log, to=source)
    written = io.BytesIO()

    done = toolkit.write_rejects(source, written)

    assert written.getvalue() == b"".join(bad + b"\n" for bad in BAD)
    assert done == (5, 0)
    assert toolkit.rejects(source)["raw"].to_list() == BAD


def test_a_code_picks_its_lines(log: Path) -> None:
    assert toolkit.rejects(log, code="error_response")["line"].to_list() == [8]
    with pytest.raises(OptionError, match=r"code: .* got 'nix'"):
        toolkit.rejects(log, code="nix")


def test_what_is_written_is_rejected_again_for_the_same_reason(tmp_path: Path) -> None:
    write_sample(tmp_path / "a.jsonl", 3000, seed=4)
    toolkit.write_rejects(tmp_path / "a.jsonl", tmp_path / "again.jsonl")

    one, two = (
        toolkit.rejects(tmp_path / name).select("code", "json_path", "raw")
        for name in ("a.jsonl", "again.jsonl")
    )

    assert one.height > 30
    assert one.equals(two)


@pytest.mark.parametrize("first", [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf{"])
def test_a_first_line_is_not_taken_for_compression_or_a_mark(
    tmp_path: Path, first: bytes
) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(GOOD + b"\n" + first + b"\n")
    toolkit.write_rejects(log, tmp_path / "again.jsonl")

    again = toolkit.rejects(tmp_path / "again.jsonl")

    assert again["raw"].to_list() == [first]


def test_a_repaired_line_is_a_row(log: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    toolkit.write_rejects(log, again, code="not_a_response")
    again.write_bytes(again.read_bytes().replace(b"[1]", GOOD))

    assert len(toolkit.load(again)) == 1


def test_a_line_without_bytes_is_counted(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    log.write_bytes(b"x" * 500 + b"\n{}\n")
    written = io.BytesIO()

    done = toolkit.write_rejects(log, written, max_line_bytes=100)

    assert (done.lines, done.without_bytes) == (1, 1)
    assert written.getvalue() == b"{}\n"


@pytest.mark.needs("os.geteuid")
def test_the_file_is_new_and_for_nobody_else(log: Path, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        toolkit.write_rejects(log, tmp_path / "again.jsonl")
    finally:
        os.umask(old)

    assert stat.S_IMODE((tmp_path / "again.jsonl").stat().st_mode) == 0o600
    with pytest.raises(WriteError, match="exists"):
        toolkit.write_rejects(log, tmp_path / "again.jsonl")


@pytest.mark.needs("os.geteuid")
def test_ctrl_c_leaves_no_file_and_there_is_never_one_for_others(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    frame = toolkit.rejects(log)
    modes = []

    def interrupted(*_arguments: object) -> Iterator[pl.DataFrame]:
        yield frame
        modes.extend(stat.S_IMODE(file.stat().st_mode) for file in out.iterdir())
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("toolkit.reading.rejects._iter_rejects", interrupted)
        old = os.umask(0)
        try:
            with pytest.raises(KeyboardInterrupt):
                toolkit.write_rejects(log, out / "again.jsonl")
        finally:
            os.umask(old)

    assert modes == [0o600]
    assert not any(out.iterdir())
    assert toolkit.write_rejects(log, out / "again.jsonl").lines == len(BAD)


def test_a_damaged_log_leaves_no_file(log: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "b.jsonl.gz"
    damaged.write_bytes(gzip.compress(b"{}\n" * 9)[:-4])

    with pytest.raises(DamagedLogError):
        toolkit.write_rejects([log, damaged], tmp_path / "again.jsonl")

    assert {*tmp_path.iterdir()} == {log, damaged}


def run(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "toolkit", *map(str, arguments)],
        check=False,
        capture_output=True,
    )


def test_the_command_writes_to_a_pipe_or_a_file(log: Path, tmp_path: Path) -> None:
    piped = run("rejects", log, "--code", "invalid_utf8")
    filed = run("rejects", log, "--to", tmp_path / "again.jsonl")

    # A byte of compression follows a letter that is not one.
    assert piped.stdout == b"\xff\xfe\n\n\x1f\x8b\n".replace(b"\n\n", b"\n")
    assert piped.stderr == b"2 lines\n"
    assert filed.stdout == b""
    assert (tmp_path / "again.jsonl").read_bytes().count(b"\n") == 5


def test_the_command_writes_nothing_to_a_terminal(log: Path) -> None:
    master, screen = os.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "toolkit", "rejects", log],
            check=False,
            stdout=screen,
            stderr=subprocess.PIPE,
        )
    finally:
        os.close(screen)
        os.close(master)

    assert done.returncode == 2
    assert b"toolkit: --to: " in done.stderr


def test_a_damaged_log_gives_what_was_verified_if_asked(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl.gz"
    log.write_bytes(gzip.compress(b"{}\n") + gzip.compress(b"[]\n")[:-3])

    with pytest.warns(toolkit.errors.DamageWarning):
        frame = toolkit.rejects(log, on_damage="collect")

    assert frame["raw"].to_list() == [b"{}"]
