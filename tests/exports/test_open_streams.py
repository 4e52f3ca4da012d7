"""Streamed responses whose chunks come in several runs of an export."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import toolkit
from tests.support.command import run as run_command
from tests.support.store import Bucket, make_bucket, run_server
from toolkit.errors import DamagedExportError
from toolkit.exports import distributed as sharing
from toolkit.exports import tracking
from toolkit.exports.export import Exported
from toolkit.exports.run import ExportRun
from toolkit.reading import object_store
from toolkit.schema import CHOICES
from toolkit.testing import make_response

server = pytest.fixture(scope="module")(run_server)
bucket = pytest.fixture(make_bucket)

KEY = list(CHOICES.key)
DAY_1, DAY_2 = 1_767_225_600, 1_767_312_000  # 2026-01-01 and 2026-01-02, 00:00 UTC
USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def chunk(name: str, text: str | None = None, **fields: Any) -> bytes:
    """Return a line with a chunk; a text, a finish reason or a usage."""
    finish = fields.pop("finish", None)
    delta = {} if text is None else {"content": text}
    made = {
        "id": name,
        "object": "chat.completion.chunk",
        "created": DAY_1,
        "model": "gpt-a",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **fields,
    }
    return json.dumps(made).encode() + b"\n"


def end(name: str, **fields: Any) -> bytes:
    """Return the last two chunks of a stream: its finish, and its usage."""
    usage = chunk(name, choices=[], usage=USAGE, **fields)
    return chunk(name, finish="stop", **fields) + usage


def whole(name: str, **fields: Any) -> bytes:
    return json.dumps(make_response(id=name, **fields)).encode() + b"\n"


# A stream of four chunks, cut after the second one.
BEGIN = chunk("a", "Hel") + chunk("a", "lo")
A = ("a", "Hello", "stop", 4, 10)


class Logs:
    """A folder with logs, and an export of it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out = folder / "logs", folder / "out"
        self.folder.mkdir()

    def path(self, name: str = "app.jsonl") -> Path:
        return self.folder / name

    def append(self, data: bytes, name: str = "app.jsonl") -> None:
        with self.path(name).open("ab") as file:
            file.write(data)

    def rest(self) -> None:
        """Let all logs be as they would be two hours later."""
        for path in self.folder.iterdir():
            os.utime(path, (time.time() - 7200,) * 2)

    def export(self, **options: Any) -> Exported:
        done = toolkit.export(options.pop("source", self.folder), self.out, **options)
        assert toolkit.verify(self.out).faults == []
        assert is_accounted_for(done.ledger)
        return done

    def rows(self) -> list[tuple[Any, ...]]:
        return rows_of(self.out)

    def open_files(self) -> list[str]:
        return sorted(path.name for path in (self.out / "open").glob("*"))


def rows_of(out: Path | str) -> list[tuple[Any, ...]]:
    columns = ["response_id", "content", "finish_reason", "chunk_count", "total_tokens"]
    return toolkit.scan(out).sort(KEY).select(columns).collect().rows()


def is_accounted_for(ledger: pl.DataFrame) -> bool:
    kinds = ("blank", "responses", "chunks", "duplicates", "outside")
    sums = pl.sum_horizontal(*kinds, "errors", "rejected")
    return ledger.select((pl.col("lines") == sums).all()).item()


def counts(ledger: pl.DataFrame) -> list[tuple[int, ...]]:
    """Return lines, responses, chunks, choices and tokens of each log, by number."""
    names = ["lines", "responses", "chunks", "choices", "total_tokens"]
    return ledger.sort("log_id").select(names).rows()


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path)


# Two runs and more.


def test_a_finished_stream_waits_for_one_run_with_further_lines(logs: Logs) -> None:
    logs.append(BEGIN + end("a") + chunk("b", "un"))
    assert logs.export().streams == (0, 0, 0, 2)
    # Without further lines nothing is known to have come after it.
    assert logs.export().streams == (0, 0, 0, 2)

    logs.append(chunk("c", "x"))
    assert logs.export().streams == (1, 4, 0, 2)
    assert logs.rows() == [A]

    # What is not finished goes on to wait.
    logs.append(end("c"))
    assert logs.export().streams == (0, 0, 0, 2)


def test_a_stream_over_two_runs_is_one_response(logs: Logs) -> None:
    logs.append(BEGIN)
    first = logs.export()

    assert logs.rows() == []
    assert first.streams == (0, 0, 0, 1)
    # Both lines are counted as chunks until the response is given out.
    assert counts(first.ledger) == [(2, 0, 2, 0, 0)]

    logs.append(end("a"))
    second = logs.export(final=True)

    assert logs.rows() == [A]
    # 4 lines: 1 is the response, 3 are further chunks; 4 - 2 lines are new.
    assert counts(second.ledger) == [(4, 1, 3, 1, 10)]
    assert counts(second.added) == [(2, 1, 1, 1, 10)]
    assert second.streams == (1, 4, 0, 0)
    (line,) = toolkit.scan(logs.out).select("log_id", "line").collect().rows()
    assert line == (0, 1)


def test_a_stream_over_five_runs_is_one_response(logs: Logs) -> None:
    pieces = [chunk("a", "Hel"), chunk("b", "x"), chunk("a", "lo")]
    pieces += [chunk("a", finish="stop"), chunk("a", choices=[], usage=USAGE)]
    for piece in pieces:
        logs.append(piece + whole("w"))
        logs.export()

    done = logs.export(final=True)

    b = ("b", "x", None, 1, None)
    assert logs.rows() == [A, ("w", "Hello.", "stop", None, 15), b]
    # 10 lines: 2 streams, w once and 4 repeats of it, 5 - 2 further chunks.
    assert counts(done.ledger) == [(10, 3, 3, 3, 25)]
    assert done.ledger["duplicates"].to_list() == [4]
    assert done.streams == (2, 5, 1, 0)


def test_a_stream_over_a_rotation_is_a_response_of_the_log_where_it_began(
    logs: Logs,
) -> None:
    logs.append(BEGIN)
    logs.export()
    logs.path().rename(logs.path("app.jsonl.1"))
    logs.append(end("a"))

    done = logs.export(final=True)

    assert logs.rows() == [A]
    assert counts(done.ledger) == [(2, 1, 1, 1, 10), (2, 0, 2, 0, 0)]
    # Nothing was read of the first log: one of its chunks became a response.
    assert counts(done.added) == [(0, 1, -1, 1, 10), (2, 0, 2, 0, 0)]
    names = done.ledger.sort("log_id")["source"].to_list()
    assert names == [
        logs.path(name).as_posix() for name in ("app.jsonl.1", "app.jsonl")
    ]


def test_a_stream_over_two_rotations_and_a_compression(logs: Logs) -> None:
    logs.append(chunk("a", "Hel"))
    logs.export()
    logs.path().rename(logs.path("app.jsonl.1"))
    logs.append(chunk("a", "lo"))
    logs.export()
    packed = gzip.compress(logs.path("app.jsonl.1").read_bytes())
    logs.path("app.jsonl.2.gz").write_bytes(packed)
    logs.path("app.jsonl").replace(logs.path("app.jsonl.1"))
    logs.append(end("a"))

    done = logs.export(final=True)

    assert logs.rows() == [A]
    assert counts(done.ledger)[0] == (1, 1, 0, 1, 10)


def test_equal_ids_in_two_logs_are_two_streams(logs: Logs) -> None:
    logs.append(BEGIN)
    logs.append(chunk("a", "other"), "b.jsonl")
    logs.export()
    logs.append(end("a"))

    done = logs.export(final=True)

    assert logs.rows() == [A, ("a", "other", None, 1, None)]
    assert done.streams == (2, 5, 1, 0)


def test_a_log_that_is_named_in_another_way_is_the_same_log(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.append(BEGIN)
    logs.export()
    logs.append(end("a"))
    monkeypatch.chdir(logs.folder)

    logs.export(source="app.jsonl", final=True)

    assert logs.rows() == [A]


def test_a_whole_response_takes_the_place_of_a_stream_of_an_earlier_run(
    logs: Logs,
) -> None:
    logs.append(BEGIN)
    logs.export()
    logs.append(whole("a"))

    done = logs.export(final=True)

    assert logs.rows() == [("a", "Hello.", "stop", None, 15)]
    assert counts(done.ledger) == [(3, 1, 2, 1, 15)]
    assert done.streams == (0, 0, 0, 0)


@pytest.mark.parametrize("workers", [None, 2])
def test_a_whole_response_of_an_earlier_run_takes_the_place_of_a_stream(
    logs: Logs, workers: int | None
) -> None:
    executor = workers and ThreadPoolExecutor(workers)
    logs.append(whole("a") + whole("w"), "app.jsonl.1")
    logs.export(executor=executor)
    logs.append(whole("b"), "b.jsonl")
    logs.export(executor=executor)
    # Of the stream b the whole response is in another rotation set.
    logs.append(BEGIN + end("a") + chunk("b", "x"))

    done = logs.export(executor=executor, final=True)

    assert sorted(logs.rows(), key=str) == [
        ("a", "Hello.", "stop", None, 15),
        ("b", "Hello.", "stop", None, 15),
        ("b", "x", None, 1, None),
        ("w", "Hello.", "stop", None, 15),
    ]
    # Lines, responses, chunks, choices, tokens: all lines of the stream a are chunks.
    assert counts(done.ledger) == [
        (2, 2, 0, 2, 30),
        (1, 1, 0, 1, 15),
        (5, 1, 4, 1, 0),
    ]
    assert done.streams == (1, 1, 1, 0)


def test_only_responses_with_the_ids_of_streams_are_compared_with_these(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All others of a date may not fit into memory.
    compared: list[list[str]] = []
    find = ExportRun.find_written

    def find_written(run: ExportRun, streams: pl.DataFrame) -> pl.LazyFrame:
        found = find(run, streams)
        compared.append(found.collect()["response_id"].to_list())
        return found

    monkeypatch.setattr(ExportRun, "find_written", find_written)
    others = b"".join(whole(f"w{number}", created=DAY_1) for number in range(100))
    logs.append(others + whole("a", created=DAY_1) + whole("b", created=DAY_2))
    logs.export()
    # Of b, the whole response has another date; the last stream has no id.
    logs.append(BEGIN + chunk("b", "x") + end("a"))
    logs.append(chunk("", "y", id=None), "without.jsonl")

    done = logs.export(final=True)

    assert compared == [["a"]]
    assert done.added["responses"].sum() == 2


# When a stream is over.


def test_streams_of_logs_that_rested_are_given_out_also_if_nothing_is_new(
    logs: Logs,
) -> None:
    logs.append(BEGIN)
    logs.export()
    assert len(logs.export().added) == 0
    assert logs.open_files() == ["1-0.parquet"]
    logs.rest()

    done = logs.export()

    assert logs.rows() == [("a", "Hello", None, 2, None)]
    assert counts(done.added) == [(0, 1, -1, 1, 0)]
    assert not (logs.out / "open").exists()
    assert len(logs.export().added) == 0


def test_no_stream_of_a_log_that_rested_stays_open(logs: Logs) -> None:
    logs.append(BEGIN + end("a"))
    logs.rest()

    assert logs.export().streams == (1, 4, 0, 0)
    assert logs.rows() == [A]


def test_one_recent_log_keeps_the_streams_of_its_rotation_set_open(logs: Logs) -> None:
    logs.append(BEGIN, "app.jsonl.1")
    logs.append(chunk("b", "x"), "b.jsonl")
    logs.rest()
    logs.append(whole("w"))

    assert logs.export().streams == (1, 1, 1, 1)
    assert [row[0] for row in logs.rows()] == ["w", "b"]


def test_an_hour_is_counted_from_the_last_change(
    logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs.append(BEGIN)
    written = logs.path().stat().st_mtime_ns
    for seconds, is_open in ((3590, 1), (3610, 0)):
        shutil.rmtree(logs.out, ignore_errors=True)
        now = written + seconds * 10**9
        monkeypatch.setattr(tracking.time, "time_ns", lambda now=now: now)
        assert logs.export().streams.open == is_open


def test_streams_of_logs_that_are_gone_are_given_out(logs: Logs) -> None:
    logs.append(BEGIN)
    logs.append(whole("w"), "b.jsonl")
    logs.export()
    logs.path().unlink()

    done = logs.export()

    assert ("a", "Hello", None, 2, None) in logs.rows()
    assert done.streams == (1, 2, 1, 0)


def test_a_log_that_is_not_named_in_a_run_keeps_its_streams(logs: Logs) -> None:
    logs.append(BEGIN)
    logs.export()
    logs.append(whole("w"), "b.jsonl")

    done = logs.export(source=logs.path("b.jsonl"))

    assert [row[0] for row in logs.rows()] == ["w"]
    assert done.streams.open == 1
    logs.append(end("a"))
    logs.export(final=True)
    assert A in logs.rows()


@pytest.mark.parametrize("data", [BEGIN, BEGIN + end("a")])
def test_standard_input_leaves_nothing_open(
    logs: Logs, data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        stream = io.TextIOWrapper(io.BytesIO(data))
        monkeypatch.setattr(sys, "stdin", stream)
        assert logs.export(source="-").streams.open == 0

    assert len(logs.rows()) == 1


@pytest.mark.needs("/dev/fd")
def test_a_pipe_leaves_nothing_open(logs: Logs) -> None:
    reading, writing = os.pipe()
    os.write(writing, BEGIN)
    os.close(writing)

    done = logs.export(source=f"/dev/fd/{reading}")

    os.close(reading)
    assert done.streams == (1, 2, 1, 0)


def test_one_file_has_all_streams(logs: Logs) -> None:
    logs.append(BEGIN + chunk("b", "x") + end("a"))
    out = logs.folder.parent / "out.parquet"

    done = toolkit.export(logs.folder, to=out)

    assert rows_of(out) == [A, ("b", "x", None, 1, None)]
    assert done.streams == (2, 5, 1, 0)
    assert counts(done.ledger) == [(5, 2, 3, 2, 10)]


# Duplicates, ranges, options.


def test_a_stream_that_was_written_before_is_a_duplicate(logs: Logs) -> None:
    logs.append(BEGIN + end("a"))
    logs.export(final=True)
    logs.append(BEGIN, "copy.jsonl")
    logs.export()
    logs.append(end("a"), "copy.jsonl")

    done = logs.export(final=True)

    assert logs.rows() == [A]
    assert counts(done.ledger) == [(4, 1, 3, 1, 10), (4, 0, 3, 0, 0)]
    assert done.ledger["duplicates"].to_list() == [0, 1]
    assert not (logs.out / "open").exists()


def test_duplicates_are_kept_if_asked(logs: Logs) -> None:
    logs.append(BEGIN + end("a"))
    logs.append(BEGIN, "copy.jsonl")
    logs.export(duplicates="keep")
    logs.append(end("a"), "copy.jsonl")

    done = logs.export(duplicates="keep", final=True)

    assert logs.rows() == [A, A]
    assert done.ledger["duplicates"].to_list() == [0, 0]


def test_a_stream_outside_the_range_is_counted_in_the_log_where_it_began(
    logs: Logs,
) -> None:
    within: dict[str, Any] = {"since": "2026-01-02", "until": "2026-01-03"}
    logs.append(BEGIN + chunk("b", "x", created=DAY_2))
    logs.export(**within)
    logs.path().rename(logs.path("app.jsonl.1"))
    logs.append(end("a") + end("b", created=DAY_2))

    done = logs.export(**within, final=True)

    assert logs.rows() == [("b", "x", "stop", 3, 10)]
    # 3 lines of the first log: b, outside is a, and 1 further chunk of a.
    assert counts(done.ledger) == [(3, 1, 1, 1, 10), (4, 0, 4, 0, 0)]
    assert done.ledger["outside"].to_list() == [1, 0]


def test_dropped_content_is_not_in_the_file_of_open_streams(logs: Logs) -> None:
    logs.append(chunk("a", "secret"))
    logs.export(content="drop")

    (path,) = (logs.out / "open").iterdir()
    assert pl.read_parquet(path)["content"].to_list() == [None]
    logs.append(end("a"))
    logs.export(content="drop", final=True)
    row = toolkit.scan(logs.out).select("content", "content_chars").collect().row(0)
    assert row == (None, 6)


def test_tags_of_the_first_lines_are_kept(logs: Logs) -> None:
    logs.append(chunk("a", "x", team="blue"))
    logs.export(tags={"team": "team"})
    logs.append(end("a"))

    logs.export(tags={"team": "team"}, final=True)

    assert toolkit.scan(logs.out).collect()["tag_team"].to_list() == ["blue"]


# The file of open streams.


@pytest.mark.needs("os.geteuid")
def test_only_the_owner_can_read_the_file(logs: Logs) -> None:
    logs.append(BEGIN)
    logs.export()

    (path,) = (logs.out / "open").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_each_run_replaces_the_file_and_the_last_one_removes_it(logs: Logs) -> None:
    for number in (1, 2):
        logs.append(chunk("a", "x"))
        logs.export()
        assert logs.open_files() == [f"{number}-0.parquet"]
    state = json.loads((logs.out / "state.json").read_text("utf-8"))
    assert state["open"] == "open/2-0.parquet"

    logs.export(final=True)

    assert not (logs.out / "open").exists()
    state = json.loads((logs.out / "state.json").read_text("utf-8"))
    assert state["open"] is None


def test_a_rewrite_begins_without_what_was_open(logs: Logs) -> None:
    logs.append(BEGIN + chunk("b", "x"))
    logs.export()

    done = logs.export(rewrite=True)

    assert done.streams == (0, 0, 0, 2)
    assert logs.open_files() == ["2-0.parquet"]
    logs.append(end("a"))
    logs.export(final=True)
    assert logs.rows() == [A, ("b", "x", None, 1, None)]


def test_a_compaction_keeps_what_is_open(logs: Logs) -> None:
    for name in ("v", "w"):
        logs.append(whole(name) + (BEGIN if name == "v" else b""))
        logs.export()

    assert toolkit.compact(logs.out).after == 1

    assert toolkit.verify(logs.out).faults == []
    logs.append(end("a"))
    logs.export(final=True)
    assert [row[0] for row in logs.rows()] == ["v", "a", "w"]
    assert logs.rows()[1] == A


def damaged(logs: Logs) -> Path:
    logs.append(BEGIN)
    logs.export()
    (path,) = (logs.out / "open").iterdir()
    return path


@pytest.mark.parametrize("data", [None, b"", b"PAR1", b"not Parquet at all"])
def test_a_damaged_or_missing_file_is_a_fault_and_a_run_changes_nothing(
    logs: Logs, data: bytes | None
) -> None:
    path = damaged(logs)
    path.unlink() if data is None else path.write_bytes(data)
    before = (logs.out / "state.json").read_bytes()

    (fault,) = toolkit.verify(logs.out).faults
    with pytest.raises(DamagedExportError, match="open/1-0") as error:
        toolkit.export(logs.folder, logs.out)

    assert fault == str(error.value)
    assert fault.startswith(str(path))
    assert (logs.out / "state.json").read_bytes() == before
    logs.export(rewrite=True, final=True)
    assert logs.rows() == [("a", "Hello", None, 2, None)]


def test_a_file_with_other_columns_is_a_fault(logs: Logs) -> None:
    path = damaged(logs)
    pl.read_parquet(path).drop("content").write_parquet(path)

    (fault,) = toolkit.verify(logs.out).faults
    assert fault == f"{path}: damaged: its columns are not those of the schema"


def test_more_chunks_than_the_ledger_has_are_a_fault(logs: Logs) -> None:
    path = damaged(logs)
    pl.read_parquet(path).with_columns(pl.col("chunk_count") + 5).write_parquet(path)

    (fault,) = toolkit.verify(logs.out).faults
    assert fault == "open/1-0.parquet: 7 chunks in open streams, 2 in the ledger"


def test_a_file_that_was_not_committed_is_a_fault_and_the_next_run_removes_it(
    logs: Logs,
) -> None:
    path = damaged(logs)
    shutil.copyfile(path, path.with_name("2-0.parquet"))
    (fault,) = toolkit.verify(logs.out).faults
    assert fault == f"{path.with_name('2-0.parquet')}: was not committed"

    logs.append(chunk("a", "!"))
    logs.export()

    assert logs.open_files() == ["2-0.parquet"]


def test_a_ledger_without_chunks_is_read_as_0(logs: Logs) -> None:
    logs.append(whole("w"))
    logs.export()
    path = logs.out / "state.json"
    state = json.loads(path.read_text("utf-8"))
    for counted in (state["totals"], state["logs"][0]["row"]):
        del counted["chunks"]
    del state["open"]
    path.write_text(json.dumps(state), "utf-8")

    assert toolkit.ledger(logs.out)["chunks"].to_list() == [0]
    assert toolkit.verify(logs.out).faults == []
    logs.append(BEGIN + end("a"))
    assert counts(logs.export(final=True).ledger) == [(5, 2, 3, 2, 25)]


# What the command prints.


def test_the_command_prints_how_many_are_open_and_leaves_out_what_is_0(
    logs: Logs,
) -> None:
    def summary(*options: str) -> str:
        words = ["export", str(logs.folder), "--to", str(logs.out), *options]
        done = run_command(*words)
        assert done.returncode == 0, done.stderr
        return done.stderr.partition(" (")[0]

    logs.append(BEGIN + chunk("b", "x") + whole("w"))
    assert summary() == "1 new response from 1 log; 2 still open"
    assert summary() == "nothing new in 1 log; 2 still open"
    logs.append(end("a"))
    words = "2 new responses from 1 log; 2 responses of 5 chunks; 1 unfinished"
    assert summary("--final") == words
    assert summary("--final") == "nothing new in 1 log"


# A store.


def test_a_stream_over_two_runs_into_a_store(bucket: Bucket) -> None:
    bucket.log.write_bytes(BEGIN)
    toolkit.export(bucket.log, to=bucket.out)
    (first,) = bucket.names("parquet")
    assert first.startswith("out/open/1-0-")
    bucket.log.write_bytes(BEGIN + chunk("a", choices=[]))
    toolkit.export(bucket.log, to=bucket.out)
    (second,) = bucket.names("parquet")
    assert second.startswith("out/open/2-0-")
    assert toolkit.verify(bucket.out).faults == []
    bucket.log.write_bytes(BEGIN + chunk("a", choices=[]) + end("a"))

    done = toolkit.export(bucket.log, to=bucket.out, final=True)

    assert rows_of(bucket.out) == [("a", "Hello", "stop", 5, 10)]
    assert counts(done.ledger) == [(5, 1, 4, 1, 10)]
    assert not [name for name in bucket.names() if "open/" in name]
    assert toolkit.verify(bucket.out).faults == []


def test_a_compaction_in_a_store_keeps_what_is_open(bucket: Bucket) -> None:
    data = b""
    for name in ("v", "w"):
        data += whole(name) + (BEGIN if name == "v" else b"")
        bucket.log.write_bytes(data)
        toolkit.export(bucket.log, to=bucket.out)

    assert toolkit.compact(bucket.out).after == 1

    assert toolkit.verify(bucket.out).faults == []
    bucket.log.write_bytes(data + end("a"))
    toolkit.export(bucket.log, to=bucket.out, final=True)
    assert A in rows_of(bucket.out)
    assert toolkit.verify(bucket.out).faults == []


def test_a_run_that_fails_leaves_the_old_file_in_the_store(bucket: Bucket) -> None:
    bucket.log.write_bytes(BEGIN)
    toolkit.export(bucket.log, to=bucket.out)
    before = bucket.names()
    bucket.log.write_bytes(BEGIN + end("a"))
    bucket.server.refuses = r"PUT .*state\.json"

    with pytest.raises(OSError, match=r"state\.json"):
        toolkit.export(bucket.log, to=bucket.out)

    bucket.server.forget()
    assert bucket.names() == before
    toolkit.export(bucket.log, to=bucket.out, final=True)
    assert rows_of(bucket.out) == [A]


def test_a_first_run_that_died_does_not_make_a_store_look_used(bucket: Bucket) -> None:
    bucket.put("out/open/1-0-0123abcd.parquet", b"left")
    bucket.log.write_bytes(BEGIN)

    toolkit.export(bucket.log, to=bucket.out)

    (name,) = bucket.names("parquet")
    assert name != "out/open/1-0-0123abcd.parquet"
    assert toolkit.verify(bucket.out).faults == []


def test_streams_of_objects_are_open_for_an_hour_or_until_the_object_is_gone(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, out = bucket.put("logs/app.jsonl", BEGIN), bucket.folder / "out"
    bucket.put("logs/b.jsonl", chunk("b", "x"))
    bucket.put("logs/c.jsonl", whole("w"))
    assert toolkit.export(bucket.uri("logs"), to=out).streams.open == 2
    object_store.delete_objects([log])
    assert toolkit.export(bucket.uri("logs"), to=out).streams == (1, 2, 1, 1)
    later = time.time_ns() + 3_700 * 10**9
    monkeypatch.setattr(tracking.time, "time_ns", lambda: later)

    assert toolkit.export(bucket.uri("logs"), to=out).streams == (1, 1, 1, 0)
    assert toolkit.verify(out).faults == []


# Workers.


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadPoolExecutor]:
    # A share must be longer than the bytes by which a log is recognized, 64 KiB.
    monkeypatch.setattr(sharing, "_SHARE_BYTES", 70_000)
    with ThreadPoolExecutor(2) as executor:
        yield executor


def mixed(streams: int = 90) -> bytes:
    """Return 8 streams at a time, some with a whole response, some without an end."""
    waiting = []
    for n in range(streams):
        name, steps = f"s{n}", 1 + n * 7 % 23
        made = [chunk(name, f"{k} ", padding="x" * 150) for k in range(steps)]
        made += [chunk(name, finish="stop")] * bool(n % 5)
        made += [chunk(name, choices=[], usage=USAGE)] * bool(n % 3)
        made[-1] += b"data: [DONE]\n" * (n % 2)
        made += [whole(name)] * (n % 11 == 0)
        made += [whole(f"w{n}"), b"\n", b"{}\n"]
        waiting.append(made)
    lines, turn = [], 0
    while waiting:
        turn += 1
        lines.append(waiting[place := turn * 5 % min(8, len(waiting))].pop(0))
        if not waiting[place]:
            waiting.pop(place)
    return b"".join(lines)


def test_workers_write_what_one_process_writes(
    logs: Logs, tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    data = mixed()
    assert len(data) > 4 * 70_000  # so there are four shares and more
    middle = data.index(b"\n", len(data) // 2) + 1
    alone = tmp_path / "alone"
    for turn, part in enumerate((data[:middle], data[middle:], b"")):
        if turn == 1:
            logs.path().rename(logs.path("app.jsonl.1"))
        logs.append(part)
        shared = logs.export(executor=pool, final=turn == 2)
        expected = toolkit.export(logs.folder, to=alone, final=turn == 2)

        assert shared.ledger.equals(expected.ledger)
        assert shared.added.equals(expected.added)
        assert shared.streams == expected.streams
        frames = [toolkit.scan(out).sort(KEY).collect() for out in (logs.out, alone)]
        assert_frame_equal(*frames)
    assert len(frames[0]["response_id"].unique()) == 180  # 90 streams, 90 whole ones


def test_a_stream_that_a_worker_finds_is_dropped_if_it_was_written_before(
    logs: Logs, pool: ThreadPoolExecutor
) -> None:
    logs.append(BEGIN + end("a"))
    logs.export(final=True)
    logs.append(BEGIN + end("a") + mixed(20), "copy.jsonl")

    done = logs.export(executor=pool, final=True)

    assert [row[0] for row in logs.rows()].count("a") == 1
    # The repeat is counted as a duplicate, not as a response of chunks: 20 streams, of
    # which numbers 0 and 11 have a whole response.
    assert done.ledger["duplicates"].sum() == 1
    assert done.streams.responses == 18


@pytest.mark.parametrize("key", ["responseId", "modelVersion"])
def test_a_stream_that_ends_with_a_response_in_another_share_is_one(
    logs: Logs, tmp_path: Path, pool: ThreadPoolExecutor, key: str
) -> None:
    """The last chunk of Gemini has the form of a response."""
    waiting: list[list[bytes]] = []
    lines: list[bytes] = []
    for number in range(300):
        made = [
            {
                key: f"g{number}",
                "createTime": "2026-01-01T00:00:00Z",
                "candidates": [{"content": {"parts": [{"text": f"{step}" * 200}]}}],
                "usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5 + step},
            }
            for step in range(4)
        ]
        made[-1]["candidates"][0]["finishReason"] = "STOP"  # type: ignore[index]
        waiting.append([json.dumps(one).encode() + b"\n" for one in made])
    while waiting:
        place = len(lines) % min(5, len(waiting))
        lines.append(waiting[place].pop(0))
        waiting = [left for left in waiting if left]
    logs.append(b"".join(lines))

    shared = logs.export(executor=pool, final=True)
    alone = toolkit.export(logs.folder, to=tmp_path / "alone", final=True)

    rows, expected = (toolkit.scan(out).sort(KEY) for out in (logs.out, alone[0]))
    assert_frame_equal(rows.collect(), expected.collect())
    assert rows.collect()["chunk_count"].to_list() == [4] * 300
    # 300 streams of 4 lines; the last chunk of each says 5 + 3 tokens.
    assert counts(alone.ledger) == [(1200, 300, 900, 300, 2400)]
    assert counts(shared.ledger) == [(1200, 300, 900, 300, 2400)]
