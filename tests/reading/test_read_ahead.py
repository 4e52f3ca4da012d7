"""Logs whose reading begins before `scan` is called give the same rows and errors."""

from __future__ import annotations

import gzip
import json
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import toolkit
from toolkit.cli.app import main
from toolkit.errors import DamagedLogError, RejectsWarning
from toolkit.reading import log_reader
from toolkit.reading.discovery import Logs
from toolkit.reading.log_reader import start_reading
from toolkit.reading.native import KERNEL
from toolkit.reading.options import DEFAULTS
from toolkit.testing import make_response, write_sample

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(KERNEL is None, reason="the reference does not read ahead"),
    pytest.mark.filterwarnings("ignore::toolkit.errors.RejectsWarning"),
]


@pytest.fixture(autouse=True)
def _any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_reader, "_LEAST_BYTES", 0)


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("logs") / "a.jsonl"
    write_sample(path, 300, seed=5)
    return path


def write(path: Path, *responses: dict[str, Any]) -> Path:
    """Write responses as a log."""
    path.write_text("".join(json.dumps(response) + "\n" for response in responses))
    return path


def begin(
    path: Path, columns: Sequence[str] = ("model", "created"), **options: Any
) -> Logs:
    found = start_reading(path, options, columns)  # type: ignore[arg-type]
    assert isinstance(found, Logs)
    assert found.ahead is not None
    return found


def reading_threads() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "toolkit-ahead"]


@pytest.mark.parametrize("columns", [["model"], ["total_tokens", "created"]])
def test_rows_are_those_of_load(log: Path, columns: list[str]) -> None:
    found = begin(log)

    rows = toolkit.scan(found).select(columns).collect()

    assert rows.equals(toolkit.load(log).frame.select(columns))


def test_text_is_read_although_it_was_not_ahead(log: Path) -> None:
    found = begin(log)

    rows = toolkit.scan(found).select("content").collect()

    assert rows.equals(toolkit.load(log).frame.select("content"))
    assert rows["content"].null_count() < len(rows)


def test_tags_are_read(log: Path) -> None:
    tags = {"kind": "object"}

    rows = toolkit.scan(begin(log, tags=tags), tags=tags).select("tag_kind").collect()

    assert rows.equals(toolkit.load(log, tags=tags).frame.select("tag_kind"))
    assert rows["tag_kind"].null_count() < len(rows)


def test_other_options_than_those_given_first_apply(log: Path) -> None:
    found = begin(log)

    rows = toolkit.scan(found, created_unit="ms").select("created").collect()

    loaded = toolkit.load(log, created_unit="ms").frame
    assert rows.equals(loaded.select("created"))


def test_a_frame_can_be_collected_twice(log: Path) -> None:
    scanned = toolkit.scan(begin(log)).select("model")

    assert scanned.collect().equals(scanned.collect())


def test_two_queries_at_once_read_all_rows(log: Path) -> None:
    scanned = toolkit.scan(begin(log)).select("log_id", "line", "choice_position")
    key = ["log_id", "line", "choice_position"]

    joined = scanned.join(scanned, on=key).collect()

    assert len(joined) == len(toolkit.load(log))


def test_a_second_query_leaves_the_first_one_its_blocks(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("toolkit.reading.framing.BLOCK_BYTES", 5_000)
    found = begin(log)
    assert found.ahead is not None
    plan = found.ahead.plan

    first = found.ahead.take(plan)
    assert first is not None
    lines = next(first).lines

    assert found.ahead.take(plan) is None
    assert lines + sum(block.lines for block in first) == 300


def test_a_limit_of_lines_applies(log: Path) -> None:
    reader = log_reader.open_logs(begin(log), DEFAULTS, max_lines=10)

    assert sum(block.lines for block in reader.iter_decoded()) == 10


def test_rejects_are_warned_of(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", make_response(), {})

    with pytest.warns(RejectsWarning, match="1 of 2 lines skipped"):
        toolkit.scan(begin(path)).select("model").collect()


def test_damage_is_raised_when_the_frame_is_collected(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", make_response())
    path.write_bytes(gzip.compress(path.read_bytes())[:-4])
    scanned = toolkit.scan(begin(path)).select("model")

    with pytest.raises(DamagedLogError):
        scanned.collect()


def test_progress_adds_up_to_the_size(log: Path) -> None:
    read: list[int] = []
    rows = toolkit.scan(begin(log), progress=read.append)

    rows.select("model").collect()

    assert sum(read) == log.stat().st_size


def test_the_thread_ends_if_nothing_or_only_some_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [make_response(id=str(number)) for number in range(100)]
    path = write(tmp_path / "a.jsonl", *lines)
    monkeypatch.setattr("toolkit.reading.framing.BLOCK_BYTES", 500)
    monkeypatch.setattr("toolkit.reading.read_ahead._MOST_BLOCKS", 2)

    first = toolkit.scan(begin(path)).select("response_id").head(1).collect()
    text = toolkit.scan(begin(path)).select("content").head(1).collect()

    assert (first.item(), len(text)) == ("0", 1)
    for thread in threading.enumerate():
        if thread.name == "toolkit-ahead":
            thread.join(timeout=60)
    assert not reading_threads()


@pytest.mark.parametrize(
    "name", ["missing.jsonl", "rows.parquet", "export", "-", "s3://bucket/a.jsonl"]
)
def test_what_is_no_file_of_lines_is_left_to_scan(tmp_path: Path, name: str) -> None:
    log = write(tmp_path / "a.jsonl", make_response())
    toolkit.export(log, to=tmp_path / "export")
    toolkit.scan(log).collect().write_parquet(tmp_path / "rows.parquet")
    source = name if name == "-" or "://" in name else str(tmp_path / name)

    assert start_reading(source, {}, []) == source


def test_wrong_options_are_left_to_scan(log: Path) -> None:
    assert start_reading(log, {"created_unit": "years"}, []) == log  # type: ignore[typeddict-item]


def test_a_small_log_is_not_read_ahead(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_reader, "_LEAST_BYTES", log.stat().st_size + 1)

    assert start_reading(log, {}, []) == log


@pytest.mark.parametrize("by", ["model", "maker", "vendor", "api", "service_tier"])
def test_the_command_tokens_reads_a_log_once(
    log: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    by: str,
) -> None:
    plans = []
    make = log_reader.make_decoder
    monkeypatch.setattr(
        log_reader, "make_decoder", lambda plan: plans.append(plan) or make(plan)
    )
    monkeypatch.setattr(sys, "argv", ["toolkit", "tokens", str(log), "--by", by])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code in {0, None}
    assert len(plans) == 1
    assert "total" in capsys.readouterr().out


@pytest.mark.needs("posix")
def test_a_process_ends_while_the_thread_waits_for_room(log: Path) -> None:
    code = f"""
from toolkit.reading import framing, log_reader, read_ahead
framing.BLOCK_BYTES, read_ahead._MOST_BLOCKS, log_reader._LEAST_BYTES = 5_000, 1, 0
ahead = log_reader.start_reading({str(log)!r}, {{}}, []).ahead
while not ahead.queue.full():
    pass
raise KeyboardInterrupt
"""
    done = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, timeout=60
    )

    assert done.stderr.splitlines()[-1] == b"KeyboardInterrupt"
    assert done.returncode == -signal.SIGINT
