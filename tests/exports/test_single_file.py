"""An export into one file, and what an export leaves out because of its date."""

from __future__ import annotations

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest

import toolkit
from tests.support.command import run
from tests.support.command import run as run_command
from toolkit import system
from toolkit.errors import BusyError, OptionError, RejectsWarning, WriteError
from toolkit.schema import CHOICES
from toolkit.testing import make_response, write_sample

KEY = list(CHOICES.key)


def line(name: str, day: int | None) -> bytes:
    created = day and int(datetime(2026, 11, day, 12, tzinfo=UTC).timestamp())
    made = make_response(id=name, created=created, n=2)
    return json.dumps(made).encode() + b"\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a response of each of three days, one without a date, and two bad lines."""
    path = tmp_path / "log.jsonl"
    days = [line(f"d{day}", day) for day in (3, 1, 2)]
    path.write_bytes(
        b"".join([*days, line("undated", None), b"{}\n", b'{"error": 1}\n'])
    )
    return path


def ids(frame: pl.DataFrame) -> list[str]:
    return sorted(set(frame["response_id"]))


# One file.


def test_one_file_has_the_rows_that_load_returns(tmp_path: Path) -> None:
    log, to = tmp_path / "log.jsonl", tmp_path / "one.parquet"
    write_sample(log, 500, seed=2, days=6)

    done = toolkit.export(log, to=to)

    loaded = toolkit.load(log)
    assert pl.read_parquet(to).sort(KEY).equals(loaded.frame.sort(KEY))
    assert done.ledger.equals(loaded.ledger)
    assert pq.read_schema(to).equals(CHOICES.arrow, check_metadata=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "log.jsonl",
        "one.parquet",
    ]


def test_one_file_is_written_whole_each_time(log: Path, tmp_path: Path) -> None:
    to = tmp_path / "one.parquet"
    toolkit.export(log, to=to)
    with log.open("ab") as file:
        file.write(line("new", 4))

    toolkit.export(log, to=to, content="drop")

    frame = pl.read_parquet(to)
    assert ids(frame) == ["d1", "d2", "d3", "new", "undated"]
    assert frame["content"].null_count() == frame.height


def test_rejects_of_one_file_warn(log: Path, tmp_path: Path) -> None:
    with pytest.warns(RejectsWarning, match=r"^2 of \d+ lines skipped"):
        toolkit.export(log, to=tmp_path / "one.parquet")


@pytest.mark.parametrize("call", ["sync", "replace"])
def test_a_file_that_cannot_be_written_leaves_the_old_one(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    to = tmp_path / "one.parquet"
    toolkit.export(log, to=to)
    before = to.read_bytes()
    log.write_bytes(line("other", 1))
    with monkeypatch.context() as patch:
        patch.setattr(
            *{"sync": (system, "_sync"), "replace": (Path, call)}[call], refuse
        )
        with pytest.raises(WriteError, match=r"one\.parquet.*No space left"):
            toolkit.export(log, to=to)

    assert to.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "log.jsonl",
        "one.parquet",
    ]


def test_the_file_of_a_killed_run_is_overwritten(log: Path, tmp_path: Path) -> None:
    to = tmp_path / "one.parquet"
    (tmp_path / ".one.parquet.staging").write_bytes(b"PAR1" * 10**6)
    (tmp_path / ".one.parquet.lock").write_bytes(b"123456789\n")

    toolkit.export(log, to=to)

    assert ids(pl.read_parquet(to)) == ["d1", "d2", "d3", "undated"]
    assert {path.name for path in tmp_path.iterdir()} == {"log.jsonl", "one.parquet"}


@pytest.mark.needs("posix")
def test_a_link_stays_and_the_file_that_it_leads_to_is_replaced(
    log: Path, tmp_path: Path
) -> None:
    # The longest name: 247 + 8 = 255 bytes.
    file, link = tmp_path / "far" / f"{'a' * 247}.parquet", tmp_path / "last.parquet"
    file.parent.mkdir()
    link.symlink_to(file)

    toolkit.export(log, to=link)
    toolkit.export(log, to=link)

    assert link.is_symlink()
    assert ids(pl.read_parquet(file)) == ["d1", "d2", "d3", "undated"]
    assert list(file.parent.iterdir()) == [file]


def test_a_file_has_one_writer(log: Path, tmp_path: Path) -> None:
    with (
        system.lock(tmp_path / ".one.parquet.lock", "one", 0, remove=True),
        pytest.raises(BusyError, match=f"process {os.getpid()}"),
    ):
        toolkit.export(log, to=tmp_path / "one.parquet")
    toolkit.export(log, to=tmp_path / "one.parquet")

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "log.jsonl",
        "one.parquet",
    ]


# A range of time.


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-11-02", None, ["d2", "d3"]),
        (None, "2026-11-02", ["d1"]),
        ("2026-11-02T12:00Z", "2026-11-03T12:00Z", ["d2"]),
        ("2027-01-01", None, []),
    ],
)
@pytest.mark.parametrize("name", ["out", "one.parquet"])
def test_a_range_leaves_out_whole_responses_and_counts_them(
    log: Path, tmp_path: Path, since: Any, until: Any, expected: list[str], name: str
) -> None:
    done = toolkit.export(log, to=tmp_path / name, since=since, until=until)

    written = tmp_path / name
    frame = pl.read_parquet(written) if written.is_file() else None
    rows = toolkit.scan(written).collect() if frame is None else frame
    assert ids(rows) == expected
    assert rows.height == 2 * len(expected) == done.ledger["choices"].item()
    counts = done.ledger.select("lines", "responses", "outside", "errors", "rejected")
    assert counts.row(0) == (6, len(expected), 4 - len(expected), 1, 1)
    assert done.ledger["total_tokens"].item() == rows["total_tokens"].sum()


def test_a_time_range_is_stored_with_the_export(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    toolkit.export(log, to=out, since="2026-11-02")

    with pytest.raises(OptionError, match="since: expected '2026-11-02T00:00:00"):
        toolkit.export(log, to=out)
    assert (
        len(toolkit.export(log, to=out, since=datetime(2026, 11, 2, tzinfo=UTC)).added)
        == 0
    )
    assert toolkit.verify(out).faults == []


# A limit of rejects.


def test_the_limit_of_rejects_applies_to_this_run_after_its_commit(
    log: Path, tmp_path: Path
) -> None:
    def run(limit: str) -> int:
        words = [
            "export",
            str(log),
            "--to",
            str(tmp_path / "out"),
            "--max-rejects",
            limit,
        ]
        return run_command(*words).returncode

    assert run("0") == 4
    assert toolkit.ledger(tmp_path / "out")["rejected"].item() == 1
    assert run("0") == 0  # nothing was rejected in this run
    with log.open("ab") as file:
        file.write(b'{"error": 1}\n' * 9 + b"{}\n")
    assert run("10%") == 0  # one of ten; what a provider failed in does not count
    with log.open("ab") as file:
        file.write(b"{}\n")
    assert run("0") == 4


# Read again.


def test_one_file_is_read_like_an_export(tmp_path: Path) -> None:
    one, two = tmp_path / "one.parquet", tmp_path / "two.parquet"
    tags = {"team": "metadata.team"}
    toolkit.export("data/sample/chat.jsonl", to=one, tags=tags)
    toolkit.export("data/sample", to=two, final=True)
    toolkit.export("data/sample", to=tmp_path / "out", final=True)
    whole = toolkit.scan(tmp_path / "out").sort(KEY).collect()

    assert toolkit.scan(two).sort(KEY).collect().equals(whole, null_equal=True)
    assert "tag_team" in toolkit.scan(one).collect_schema()
    # What both have is shown once; what has no id is shown by both.
    both = toolkit.scan([one, two]).select("log_id", "response_id").collect()
    assert set(both["log_id"]) == {0, 1, 2}
    named = both.drop_nulls("response_id")["response_id"]
    assert named.len() == whole["response_id"].drop_nulls().len()
    day = toolkit.scan(two, since="2026-11-02", until="2026-11-03").collect()
    expected = toolkit.scan("data/sample", since="2026-11-02", until="2026-11-03")
    assert day.height == expected.collect().height


def test_the_command_sums_the_tokens_of_one_file(tmp_path: Path) -> None:
    toolkit.export("data/sample", to=tmp_path / "one.parquet")
    toolkit.export("data/sample", to=tmp_path / "out", final=True)

    done = [run("tokens", tmp_path / name, "--json") for name in ("one.parquet", "out")]

    assert done[0].returncode == 0
    assert json.loads(done[0].stdout) == json.loads(done[1].stdout)
    assert json.loads(done[0].stdout)


@pytest.mark.parametrize("command", ["tokens", "check", "rejects"])
def test_a_parquet_of_anything_else_is_wrong_usage(
    command: str, tmp_path: Path
) -> None:
    path = tmp_path / "other.parquet"
    pl.DataFrame({"a": [1]}).write_parquet(path)

    done = run(command, path)

    assert done.returncode == 2
    assert "other.parquet" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_damaged_parquet_is_a_failure_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "stump.parquet"
    path.write_bytes(b"PAR1")

    done = run("tokens", path)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "stump.parquet: damaged: it is not Parquet" in done.stderr
