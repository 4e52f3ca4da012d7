"""An export that is run again: what is read, what is recognized, what is reported."""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

import toolkit
from tests.support.zstd_frames import zstd_frame
from toolkit.errors import (
    LogChangedError,
    MissingBytesWarning,
    OptionError,
    ReplacedLogWarning,
    ToolkitWarning,
)
from toolkit.exports import repeats, resume, run, tracking
from toolkit.reading import framing, manifest
from toolkit.reading.discovery import find_logs
from toolkit.testing import make_response

pytestmark = pytest.mark.both_decoders

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstd_frame,
}
EQUATION = (
    "blank",
    "responses",
    "chunks",
    "duplicates",
    "outside",
    "errors",
    "rejected",
)


def line(name: str, day: int = 1, **fields: Any) -> bytes:
    created = int(datetime(2026, 11, day, 12, tzinfo=UTC).timestamp())
    made = make_response(**{"id": name, "created": created, **fields})
    return json.dumps(made).encode() + b"\n"


def lines(*names: str) -> bytes:
    return b"".join(line(name) for name in names)


class Logs:
    """A folder of logs and their export."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "logs"
        self.folder.mkdir()
        self.out = folder / "out"

    def path(self, name: str = "app.jsonl") -> Path:
        return self.folder / name

    def write(self, data: bytes, name: str = "app.jsonl") -> None:
        self.path(name).write_bytes(data)

    def append(self, data: bytes, name: str = "app.jsonl") -> None:
        with self.path(name).open("ab") as file:
            file.write(data)

    def rotate(self, to: str = "app.jsonl.1") -> None:
        self.path().rename(self.path(to))

    def export(self, source: str | None = None, **options: Any) -> Any:
        done = toolkit.export(source or self.folder, to=self.out, **options)
        kinds = done.ledger.select(EQUATION).sum_horizontal().to_list()
        assert kinds == done.ledger["lines"].to_list()
        rows = self.rows()
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            assert rows[name].sum() == done.ledger[name].sum()
        assert rows.height == done.ledger["choices"].sum()
        assert not (self.out / ".staging").exists()
        return done

    def rows(self) -> pl.DataFrame:
        return toolkit.scan(self.out).collect()

    def ids(self) -> list[str]:
        return sorted(self.rows()["response_id"])


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note which logs are opened."""
    opened: list[str] = []
    real = framing.open_source

    def noting(source: Any, *start: int, **options: bool) -> Any:
        opened.append(Path(source.path).name)
        return real(source, *start, **options)

    monkeypatch.setattr(framing, "open_source", noting)
    return opened


# Copies of a log.


@pytest.mark.parametrize("is_later", [False, True])
@pytest.mark.parametrize("workers", [None, 2])
def test_a_copy_of_a_log_is_reported_if_its_responses_count_twice(
    logs: Logs, *, is_later: bool, workers: int | None
) -> None:
    first = b"".join(line(name, id=None) for name in "ab") + line("c")
    executor = workers and ThreadPoolExecutor(workers)
    logs.write(first)
    if is_later:
        logs.export(executor=executor)
    logs.write(gzip.compress(first), "other.jsonl.gz")

    match = "other.jsonl.gz has the same 2 responses without an id as .*app.jsonl:"
    with pytest.warns(ToolkitWarning, match=match):
        logs.export(executor=executor)

    assert logs.rows()["response_id"].to_list().count(None) == 4
    assert logs.rows()["response_id"].to_list().count("c") == 1


@pytest.mark.parametrize("workers", [None, 2])
def test_a_log_with_the_responses_of_another_but_other_bytes_is_reported(
    logs: Logs, workers: int | None
) -> None:
    responses = b"".join(line(name, id=None) for name in "ab")
    logs.write(responses)
    logs.write(b"\n" + responses + line("c"), "other.jsonl")

    match = "other.jsonl has the same 2 responses without an id as .*app.jsonl:"
    with pytest.warns(ToolkitWarning, match=match) as caught:
        logs.export(executor=workers and ThreadPoolExecutor(workers))

    assert len(caught) == 1


@pytest.mark.filterwarnings("error")
def test_a_copy_of_a_log_of_responses_with_ids_is_no_fault(logs: Logs) -> None:
    logs.write(lines("a", "b"))
    logs.write(gzip.compress(lines("a", "b")), "other.jsonl.gz")

    assert logs.export().ledger["duplicates"].to_list() == [0, 2]


# What is new is read, and nothing else.


def test_only_the_new_lines_of_a_log_that_grew_are_read(logs: Logs) -> None:
    logs.write(lines("a", "b"))
    logs.export()
    logs.append(lines("c"))

    done = logs.export()

    assert logs.ids() == ["a", "b", "c"]
    added = done.added.row(0, named=True)
    assert (added["lines"], added["responses"], added["bytes"]) == (
        1,
        1,
        len(line("c")),
    )
    whole = done.ledger.row(0, named=True)
    assert (whole["lines"], whole["bytes"]) == (3, logs.path().stat().st_size)
    assert logs.rows().sort("line")["line"].to_list() == [1, 2, 3]


def test_many_runs_over_a_growing_log_write_the_same_as_one(
    logs: Logs, tmp_path: Path
) -> None:
    toolkit.testing.write_sample(tmp_path / "whole.jsonl", 400, seed=7, days=6)
    data = (tmp_path / "whole.jsonl").read_bytes()
    cuts = [0, 1, 900, 901, 50_000, 130_000, 130_007, len(data)]

    for start, end in pairwise(cuts):
        logs.append(data[start:end])
        logs.export()
    loaded = toolkit.load(logs.path())

    assert logs.rows().sort("line", "choice_position").equals(loaded.frame)
    assert toolkit.ledger(logs.out).equals(loaded.ledger)
    assert toolkit.rejects(logs.out).equals(pl.DataFrame(loaded.rejects))


def test_a_log_that_did_not_change_is_not_opened(
    logs: Logs, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "_REST_NANOSECONDS", 0)
    logs.write(lines("a"), "a.jsonl")
    logs.write(gzip.compress(lines("b")), "b.jsonl.gz")
    logs.export()
    before = (logs.out / "state.json").stat()
    read.clear()

    done = logs.export()

    assert (read, len(done.added), done.found) == ([], 0, 2)
    after = (logs.out / "state.json").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_an_equal_stamp_is_trusted_only_if_the_file_was_not_just_written(
    logs: Logs,
) -> None:
    logs.write(lines("a"))
    logs.export()
    data, status = lines("b"), logs.path().stat()
    with logs.path().open("r+b") as file:  # the same inode, size and, perhaps, times
        file.write(data)
    os.utime(logs.path(), ns=(status.st_atime_ns, status.st_mtime_ns))

    with pytest.warns(ReplacedLogWarning):
        logs.export()

    assert logs.ids() == ["a", "b"]


# Exports a folder, and prints the names of the logs that it opens.
OPENS = """
import sys
import toolkit

folder, out = sys.argv[1:]
opened = []
sys.addaudithook(lambda event, args: event == "open" and opened.append(str(args[0])))
toolkit.export(folder, to=out)
print(*(name for name in opened if name.startswith(folder)))
"""


def test_a_log_that_has_not_changed_for_seconds_is_not_opened_again(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        logs.write(line(f"r{number}", number % 28 + 1), f"{number:04}.jsonl")
    minute_later = time.time_ns() + 60 * 10**9
    monkeypatch.setattr("toolkit.exports.tracking.time.time_ns", lambda: minute_later)
    logs.export()
    logs.write(line("new"), "new.jsonl")

    done = subprocess.run(
        [sys.executable, "-c", OPENS, logs.folder, logs.out],
        check=True, capture_output=True, text=True,
    )  # fmt: skip

    assert set(done.stdout.split()) == {str(logs.folder / "new.jsonl")}


def test_the_state_does_not_grow_with_lines_parts_or_runs(logs: Logs) -> None:
    logs.write(lines("r0"))
    logs.export()
    size = (logs.out / "state.json").stat().st_size

    for number in range(1, 9):
        logs.append(line(f"r{number}", number))
        logs.export()

    assert len(list(logs.out.rglob("*.parquet"))) == 9
    # Only figures became longer.
    assert (logs.out / "state.json").stat().st_size < size + 100


def test_a_part_contains_the_rows_of_many_logs(logs: Logs) -> None:
    for number in range(50):
        logs.write(lines(f"r{number}"), f"{number}.jsonl")

    logs.export()

    assert len(list((logs.out / "choices").rglob("*.parquet"))) == 1


def test_a_file_that_was_only_renamed_is_not_opened(
    logs: Logs, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking, "_REST_NANOSECONDS", 0)
    logs.write(gzip.compress(lines("a")), "app.jsonl.1.gz")
    logs.write(lines("b"))
    logs.export()
    logs.path("app.jsonl.1.gz").rename(logs.path("app.jsonl.2.gz"))
    logs.rotate()
    read.clear()

    done = logs.export()

    assert (read, len(done.added)) == ([], 0)
    names = sorted(Path(name).name for name in done.ledger["source"])
    assert names == ["app.jsonl.1", "app.jsonl.2.gz"]


# Torn lines.


@pytest.mark.parametrize("size", [1, 7, 100, 301])
def test_a_line_that_is_written_in_fragments_is_one_response(
    logs: Logs, size: int
) -> None:
    data = lines("a", "b")
    for start in range(0, len(data), size * 3):
        logs.append(data[start : start + size * 3])
        done = logs.export()

    assert logs.ids() == ["a", "b"]
    assert done.ledger.select("lines", "rejected", "pending_bytes").row(0) == (2, 0, 0)


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b" \t\n", b" \r\n"])
def test_the_line_end_of_a_line_that_was_read_before_is_not_a_line(
    logs: Logs, end: bytes
) -> None:
    logs.write(line("a").rstrip(b"\n"))
    logs.export()
    logs.append(end + line("b"))

    done = logs.export()

    assert logs.ids() == ["a", "b"]
    whole = done.ledger.row(0, named=True)
    assert (whole["lines"], whole["blank"]) == (2, 0)
    assert whole["bytes"] == logs.path().stat().st_size
    assert logs.rows().sort("line")["line"].to_list() == [1, 2]


def test_a_line_end_may_be_written_in_pieces(logs: Logs) -> None:
    logs.write(line("a").rstrip(b"\n"))
    for piece in (b"\r", b"\n", line("b")):
        logs.export()
        logs.append(piece)

    done = logs.export()

    assert logs.ids() == ["a", "b"]
    assert done.ledger.select("lines", "blank", "rejected").row(0) == (2, 0, 0)


def test_a_byte_order_mark_is_skipped_once(logs: Logs) -> None:
    logs.write(b"\xef\xbb\xbf")
    logs.export()
    logs.append(lines("a"))
    logs.export()
    logs.append(lines("b"))

    done = logs.export()

    assert logs.ids() == ["a", "b"]
    assert done.ledger["bytes"].item() == logs.path().stat().st_size


def test_a_line_that_is_too_long_is_rejected_once(logs: Logs) -> None:
    logs.write(lines("a") + b'"' + b"x" * 5000)
    logs.export(max_line_bytes=2000)
    logs.append(b"x" * 5000 + b'"\n')
    logs.export(max_line_bytes=2000)
    logs.append(lines("b"))

    done = logs.export(max_line_bytes=2000)

    assert logs.ids() == ["a", "b"]
    assert done.ledger.select("lines", "rejected").row(0) == (3, 1)


def test_a_truncated_line_of_a_compressed_log_is_read_once_it_is_complete(
    logs: Logs,
) -> None:
    data = lines("a", "b")
    cut = len(line("a")) + 20
    logs.write(gzip.compress(data[:cut]), "a.jsonl.gz")
    logs.export()
    os.utime(logs.path("a.jsonl.gz"))
    assert len(logs.export().added) == 0  # and is rejected once
    logs.append(gzip.compress(data[cut:] + line("c")), "a.jsonl.gz")

    done = logs.export()

    assert logs.ids() == ["a", "b", "c"]
    assert logs.rows().sort("line")["line"].to_list() == [1, 2, 3]
    assert toolkit.rejects(logs.out)["code"].to_list() == ["truncated"]
    assert done.ledger.select("lines", "rejected").row(0) == (4, 1)


# Rotation.


def test_reading_continues_in_a_renamed_log(logs: Logs) -> None:
    logs.write(lines("a"))
    logs.export()
    logs.append(lines("b"))
    logs.rotate()
    logs.write(lines("c"))

    done = logs.export()

    assert logs.ids() == ["a", "b", "c"]
    names = [str(logs.path("app.jsonl.1")), str(logs.path())]
    assert done.ledger["source"].to_list() == names
    assert done.added.sort("log_id")["responses"].to_list() == [1, 1]


@pytest.mark.parametrize("kind", PACKERS)
def test_reading_continues_in_a_rotated_and_compressed_log(
    logs: Logs, kind: str
) -> None:
    logs.write(lines("a") + line("b")[:50])
    logs.export()
    logs.append(line("b")[50:] + lines("c"))
    logs.rotate(f"app.jsonl.1.{kind}")
    packed = logs.path(f"app.jsonl.1.{kind}")
    packed.write_bytes(PACKERS[kind](packed.read_bytes()))
    logs.write(lines("d"))

    done = logs.export()

    assert logs.ids() == ["a", "b", "c", "d"]
    assert done.ledger["rejected"].sum() == 0
    assert len(logs.export().added) == 0


def pending(logs: Logs, sources: Any) -> list[str]:
    """Return the names of the logs that a run would read, in order."""
    tracked = manifest.read_manifest(str(logs.out)).logs
    found = tracking.Tracker(find_logs(sources).logs, tracked, "raise").find_pending()
    return [Path(log_range.source.path).name for log_range in found]


@pytest.mark.parametrize("suffix", [".1", "-20261122", ".1.gz", ".2026-11-22T10:30"])
def test_the_rest_of_a_rotated_log_is_read_before_the_log_that_has_its_name(
    logs: Logs, suffix: str
) -> None:
    logs.write(lines("a"))
    logs.export()
    logs.append(lines("b") + line("same"))
    logs.rotate(f"app.jsonl{suffix}")
    if suffix.endswith(".gz"):
        packed = logs.path(f"app.jsonl{suffix}")
        packed.write_bytes(gzip.compress(packed.read_bytes()))
    logs.write(line("same") + lines("c"))
    logs.write(lines("d"), "b.jsonl")
    both = [logs.path(), logs.path(f"app.jsonl{suffix}")]

    assert pending(logs, both) == [f"app.jsonl{suffix}", "app.jsonl"]
    expected = [f"app.jsonl{suffix}", "app.jsonl", "b.jsonl"]
    assert pending(logs, logs.folder) == expected

    done = logs.export()

    # The older log, which is known as log 0, keeps the response that both have.
    assert done.ledger["duplicates"].to_list() == [0, 1, 0]
    rows = logs.rows().sort("log_id", "line").select("log_id", "response_id").rows()
    assert rows == [(0, "a"), (0, "b"), (0, "same"), (1, "c"), (2, "d")]


def test_two_rotations_between_runs_are_read_oldest_first(logs: Logs) -> None:
    logs.write(lines("a"))
    logs.export()
    logs.append(lines("b"))
    logs.rotate("app.jsonl.2")
    logs.write(lines("c"), "app.jsonl.1")
    logs.write(lines("d"))

    assert pending(logs, logs.folder) == ["app.jsonl.2", "app.jsonl.1", "app.jsonl"]
    assert logs.export().added.sort("log_id")["source"].to_list() == [
        str(logs.path(name)) for name in ("app.jsonl.2", "app.jsonl.1", "app.jsonl")
    ]


def test_a_pattern_that_finds_only_the_new_log_reads_it_and_then_the_rest(
    logs: Logs,
) -> None:
    pattern = str(logs.folder / "*.jsonl")
    logs.write(lines("a"))
    logs.export(pattern)
    logs.append(lines("b"))
    logs.rotate()
    logs.write(lines("c"))

    assert pending(logs, pattern) == ["app.jsonl"]
    with pytest.warns(MissingBytesWarning, match=f"{len(line('b'))} bytes missing"):
        logs.export(pattern)
    logs.append(lines("d"))

    assert pending(logs, logs.folder) == ["app.jsonl.1", "app.jsonl"]
    logs.export()
    assert logs.ids() == ["a", "b", "c", "d"]


def test_a_rotation_that_renames_all_logs_loses_nothing(logs: Logs) -> None:
    for turn in range(5):
        for number in (3, 2, 1):
            older = logs.path(f"app.jsonl.{number}")
            if older.exists():
                older.rename(logs.path(f"app.jsonl.{number + 1}"))
        if turn:
            logs.append(lines(f"late{turn}"))
            logs.rotate()
        logs.write(lines(f"first{turn}"))
        logs.export()

    expected = [f"first{turn}" for turn in range(5)] + [f"late{n}" for n in range(1, 5)]
    assert logs.ids() == sorted(expected)
    assert toolkit.ledger(logs.out).height == 5


def test_reading_continues_in_the_copy_of_a_truncated_log(logs: Logs) -> None:
    logs.write(lines("a"))
    logs.export()
    logs.append(lines("b"))
    shutil.copyfile(logs.path(), logs.path("app.jsonl.1"))
    logs.write(lines("c"))  # the same inode

    done = logs.export()

    assert logs.ids() == ["a", "b", "c"]
    assert done.ledger["duplicates"].sum() == 0


def test_a_copy_beside_its_log_is_a_log_of_duplicates(logs: Logs) -> None:
    logs.write(lines("a", "b"))
    logs.export()
    shutil.copyfile(logs.path(), logs.path("app.jsonl.1"))

    done = logs.export()

    assert logs.ids() == ["a", "b"]
    assert done.ledger["duplicates"].to_list() == [0, 2]


@pytest.mark.needs("symlinks")
def test_a_link_that_moves_to_another_log_loses_nothing(logs: Logs) -> None:
    link = logs.folder / "current.jsonl"
    logs.write(lines("a"), "day1.jsonl")
    link.symlink_to("day1.jsonl")
    logs.export()
    logs.append(lines("b"), "day1.jsonl")
    logs.write(lines("c"), "day2.jsonl")
    link.unlink()
    link.symlink_to("day2.jsonl")

    done = logs.export()

    assert logs.ids() == ["a", "b", "c"]
    assert done.ledger["duplicates"].sum() == 0


def test_two_logs_with_the_same_beginning_are_distinguished(logs: Logs) -> None:
    logs.write(lines("a"), "x.jsonl")
    logs.write(lines("a", "b"), "y.jsonl")
    logs.export()
    logs.append(lines("c"), "x.jsonl")
    logs.append(lines("d"), "y.jsonl")

    done = logs.export()

    assert logs.ids() == ["a", "b", "c", "d"]
    assert done.added.sort("log_id")["lines"].to_list() == [1, 1]


def test_a_log_without_a_complete_line_is_one_log(logs: Logs) -> None:
    logs.write(b"")
    logs.export()
    logs.write(b'{"id"')
    logs.export()
    logs.write(lines("a"))

    done = logs.export()

    assert done.ledger.height == 1
    assert logs.ids() == ["a"]


# What is lost or replaced is reported.


def test_a_rewritten_log_warns_once_and_is_read_from_its_beginning(logs: Logs) -> None:
    logs.write(lines("a", "b"))
    logs.export()
    logs.write(lines("b", "c"))

    with pytest.warns(
        ReplacedLogWarning, match=r"app\.jsonl is not the same log as in the last run"
    ):
        done = logs.export()

    assert logs.ids() == ["a", "b", "c"]
    assert done.added["duplicates"].to_list() == [1]
    logs.append(lines("d"))
    logs.export()  # a warning is an error in these tests
    assert logs.ids() == ["a", "b", "c", "d"]


def test_a_log_that_was_deleted_and_created_again_warns(logs: Logs) -> None:
    logs.write(lines("a"))
    logs.export()
    logs.path().unlink()
    logs.write(lines("b"))

    with pytest.warns(ReplacedLogWarning):
        logs.export()

    assert logs.ids() == ["a", "b"]


def test_a_log_that_was_replaced_before_its_end_was_read_warns_with_the_missing_bytes(
    logs: Logs,
) -> None:
    logs.write(lines("a") + b'{"id": "torn')
    logs.export()
    logs.path().unlink()
    logs.write(lines("b"))

    words = r"app\.jsonl: removed before its end was read: 12 bytes missing"
    with pytest.warns(MissingBytesWarning, match=words):
        done = logs.export()

    assert logs.ids() == ["a", "b"]
    errors = done.ledger["error"].to_list()
    assert errors == ["removed before its end was read: 12 bytes missing", None]
    logs.export()  # it is reported once


@pytest.mark.parametrize("torn", [b'{"id": "torn', b'{"' + b"x" * 70_000])
def test_a_log_of_half_a_line_is_missing_if_it_is_rewritten(
    logs: Logs, torn: bytes
) -> None:
    logs.write(torn)
    logs.export()
    size = (logs.out / "state.json").stat().st_size
    assert size < 4000  # a hash of the half line, not the half line
    logs.write(lines("a"))

    words = rf"app\.jsonl: removed before its end was read: {len(torn):,} bytes missing"
    with pytest.warns(MissingBytesWarning, match=words):
        logs.export()

    assert logs.ids() == ["a"]
    logs.export()  # it is reported once


def test_half_a_line_that_is_completed_in_a_renamed_log_is_not_missing(
    logs: Logs,
) -> None:
    whole = line("torn")
    logs.write(whole[:40])
    logs.export()
    logs.rotate()
    logs.append(whole[40:], "app.jsonl.1")
    logs.write(lines("a"))

    done = logs.export()

    assert logs.ids() == ["a", "torn"]
    assert done.ledger.height == 2
    assert done.ledger["error"].to_list() == [None, None]


def test_half_a_line_in_a_log_that_the_pattern_no_longer_matches_warns(
    logs: Logs,
) -> None:
    pattern = str(logs.path("*.jsonl"))
    logs.write(b'{"id": "torn')
    logs.export(pattern)
    logs.rotate()
    logs.append(b'", "cho', "app.jsonl.1")
    logs.write(lines("a"))

    with pytest.warns(MissingBytesWarning, match="19 bytes missing"):  # 12 and 7
        logs.export(pattern)


def test_unread_bytes_of_a_log_that_the_pattern_no_longer_matches_warn(
    logs: Logs,
) -> None:
    pattern = str(logs.folder / "*.jsonl")
    logs.write(lines("a"))
    logs.export(pattern)
    logs.append(lines("b"))
    logs.rotate()
    logs.write(lines("c"))

    with pytest.warns(MissingBytesWarning, match=f"{len(line('b'))} bytes missing"):
        logs.export(pattern)

    assert logs.ids() == ["a", "c"]


def test_a_folder_that_cannot_be_listed_does_not_end_the_run(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_folder: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    pattern = str(logs.folder / "*.jsonl")
    logs.write(lines("a"))
    logs.export(pattern)
    logs.rotate()
    logs.write(lines("c"))
    broken = SimpleNamespace(**{**vars(os), "scandir": refuse})
    monkeypatch.setattr(tracking, "os", broken)

    # The first log may have grown before it was renamed.
    with pytest.warns(ReplacedLogWarning, match="is not the same log"):
        logs.export(pattern)

    assert logs.ids() == ["a", "c"]


def test_a_log_that_was_read_to_its_end_may_be_rotated_away(logs: Logs) -> None:
    pattern = str(logs.folder / "*.jsonl")
    logs.write(lines("a"))
    logs.export(pattern)
    logs.rotate()
    logs.write(lines("b"))

    logs.export(pattern)

    assert logs.ids() == ["a", "b"]


def test_a_deleted_log_warns_only_if_some_of_its_bytes_were_not_read(
    logs: Logs,
) -> None:
    logs.write(lines("stays"), "z.jsonl")
    logs.write(lines("a"), "a.jsonl")
    logs.write(lines("b") + b'{"torn', "b.jsonl")
    logs.export()
    logs.path("a.jsonl").unlink()
    logs.export()
    logs.path("b.jsonl").unlink()

    with pytest.warns(MissingBytesWarning, match=r"b\.jsonl: .* 6 bytes missing"):
        logs.export()

    logs.export()
    assert logs.ids() == ["a", "b", "stays"]


def test_a_run_over_other_logs_does_not_warn_about_the_rest(logs: Logs) -> None:
    logs.write(lines("a") + b"{", "a.jsonl")
    logs.write(lines("b"), "b.jsonl")
    logs.export()

    logs.export(str(logs.path("b.jsonl")))

    assert logs.ids() == ["a", "b"]


# Logs that change while a run is at work.


def test_a_log_that_is_rotated_before_it_is_read_is_left_for_the_next_run(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.write(lines("a"))
    logs.export()
    logs.append(lines("b"))
    real = run.ExportRun.write_parts

    def rotate_first(*arguments: Any) -> Any:
        logs.rotate()
        logs.write(lines("c"))
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(run.ExportRun, "write_parts", rotate_first)
        logs.export()
    assert logs.ids() == ["a"]

    logs.export()
    assert logs.ids() == ["a", "b", "c"]


def test_a_log_that_is_rewritten_while_it_is_read_commits_nothing(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.write(lines("a"))
    logs.export()
    logs.append(lines("b"))
    stream = resume.Fingerprinter.read_through

    def cut_behind(witness: Any, data: Any) -> Any:
        yield from stream(witness, data)
        shutil.copyfile(logs.path(), logs.path("app.jsonl.1"))
        logs.write(lines("c", "d", "e"))

    with monkeypatch.context() as patch:
        patch.setattr(resume.Fingerprinter, "read_through", cut_behind)
        with pytest.raises(LogChangedError, match=r"app\.jsonl: truncated or "):
            logs.export()
    assert logs.ids() == ["a"]

    logs.export()
    assert logs.ids() == ["a", "b", "c", "d", "e"]


# Duplicates.


def test_a_response_that_was_committed_before_is_counted_as_a_duplicate(
    logs: Logs,
) -> None:
    logs.write(line("a", 1) + line("b", 2, n=2), "one.jsonl")
    logs.export()
    logs.write(line("b", 2, n=2) + line("c", 2) + line("a", 1), "two.jsonl")

    done = logs.export()

    assert done.added["duplicates"].to_list() == [2]
    assert sorted(set(logs.ids())) == ["a", "b", "c"]
    assert logs.rows().height == done.ledger["choices"].sum()


def test_a_run_that_only_repeats_responses_adds_no_part(logs: Logs) -> None:
    logs.write(line("a", 1) + line("b", 2), "one.jsonl")
    logs.export()
    before = sorted((logs.out / "choices").rglob("*.parquet"))
    logs.write(line("b", 2) + line("a", 1), "two.jsonl")

    done = logs.export()

    assert sorted((logs.out / "choices").rglob("*.parquet")) == before
    assert done.added.select("lines", "responses", "duplicates").row(0) == (2, 0, 2)
    assert toolkit.verify(logs.out).faults == []


def test_equal_responses_without_an_id_are_kept_across_runs(logs: Logs) -> None:
    logs.write(line(""), "one.jsonl")
    logs.export()
    logs.write(line("") + line("c"), "two.jsonl")

    logs.export()

    assert logs.rows().height == 3


def test_only_the_keys_of_the_dates_of_new_rows_are_read(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.write(b"".join(line(f"r{day}", day) for day in (1, 2, 3)))
    logs.export()
    days: list[str] = []
    real = repeats._read_keys

    def noting(parts: Sequence[str]) -> Any:
        days.extend(Path(part).parent.name for part in parts)
        return real(parts)

    monkeypatch.setattr(repeats, "_read_keys", noting)
    logs.append(line("new", 2))
    logs.export()

    assert set(days) == {"date=2026-11-02"}


def test_duplicates_are_kept_across_runs_if_asked(logs: Logs) -> None:
    logs.write(lines("a"), "one.jsonl")
    logs.export(duplicates="keep")
    logs.write(lines("a"), "two.jsonl")

    logs.export(duplicates="keep")

    assert logs.ids() == ["a", "a"]


# Options.


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content", "drop"),
        ("duplicates", "keep"),
        ("tags", {"team": "team"}),
        ("response_path", "response"),
        ("created_unit", "ms"),
        ("created_path", "ts"),
    ],
)
def test_another_value_of_an_option_that_shapes_rows_raises(
    logs: Logs, name: str, value: Any
) -> None:
    logs.write(lines("a"))
    logs.export()
    logs.append(lines("b"))

    with pytest.raises(OptionError, match=f"{name}: .*--rewrite"):
        logs.export(**{name: value})

    assert logs.ids() == ["a"]


def test_rewrite_exports_the_logs_that_there_are_now(logs: Logs) -> None:
    logs.write(lines("gone"), "gone.jsonl")
    logs.write(lines("a") + b"{}\n")
    logs.export()
    logs.path("gone.jsonl").unlink()
    logs.write(lines("a", "b"))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = logs.export(content="drop", rewrite=True)

    assert logs.ids() == ["a", "b"]
    assert logs.rows()["content"].to_list() == [None, None]
    assert done.ledger["log_id"].to_list() == [0]
    assert toolkit.rejects(logs.out).height == 0
    logs.append(lines("c"))
    logs.export(content="drop")
    assert logs.ids() == ["a", "b", "c"]


def test_rewrite_replaces_an_export_with_a_damaged_state_json(logs: Logs) -> None:
    logs.write(lines("a"))
    logs.export()
    (logs.out / "state.json").write_text("{", encoding="utf-8")

    with pytest.raises(toolkit.errors.DamagedExportError):
        toolkit.export(logs.folder, to=logs.out)
    logs.export(rewrite=True)

    assert logs.ids() == ["a"]
