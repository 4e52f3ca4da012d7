"""`compact`: fewer parts, the same rows, and a reader never sees a row twice."""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import toolkit
from tests.support.command import run as run_command
from toolkit import system
from toolkit.errors import DamagedExportError, NotAnExportError, WriteError
from toolkit.exports import compact
from toolkit.exports.parts import iter_part
from toolkit.schema import CHOICES
from toolkit.testing import make_response

KEY = list(CHOICES.key)
TODAY = date(2026, 11, 3)


def line(name: str, day: int, hour: int) -> bytes:
    created = int(datetime(2026, 11, day, hour, tzinfo=UTC).timestamp())
    return json.dumps(make_response(id=name, created=created, n=2)).encode() + b"\n"


def export_in_runs(folder: Path) -> Path:
    """Export a log in five runs, each with rows of three days, and a reject."""
    log = folder / "log.jsonl"
    for turn in range(5):
        with log.open("ab") as file:
            for day in (1, 2, 3):
                file.write(line(f"r{turn}-{day}", day, 20 - turn))
            file.write(b"{}\n")
        toolkit.export(log, to=folder / "out")
    return folder / "out"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_in_runs(tmp_path_factory.mktemp("compact"))


@pytest.fixture
def out(exported: Path, tmp_path: Path) -> Path:
    """Copy the export, to be compacted."""
    return Path(shutil.copytree(exported, tmp_path / "out"))


def rows(out: Path) -> pl.DataFrame:
    return toolkit.scan(out).sort(KEY).collect()


def parts(out: Path, day: int) -> list[str]:
    folder = out / "choices" / f"date=2026-11-0{day}"
    return sorted(path.name for path in folder.iterdir())


def test_the_parts_of_closed_days_become_one_with_the_same_rows(out: Path) -> None:
    before, rejects = rows(out), toolkit.rejects(out)

    done = toolkit.compact(out, today=TODAY)

    assert done == (3, 15, 3)  # two days of five parts, and five parts of rejects
    assert [len(parts(out, day)) for day in (1, 2, 3)] == [1, 1, 5]
    assert rows(out).equals(before)
    assert toolkit.rejects(out).equals(rejects)
    assert toolkit.verify(out).faults == []
    assert not (out / ".staging").exists()


def test_the_rows_of_a_merged_part_are_sorted_by_time(out: Path) -> None:
    toolkit.compact(out, today=TODAY)

    (part,) = (out / "choices" / "date=2026-11-01").iterdir()
    created = pq.ParquetFile(part).read(["created"])["created"].to_pylist()
    assert created == sorted(created)
    assert len(created) == 10
    statistics = pq.read_metadata(part).row_group(0).column(0).statistics
    assert statistics.has_min_max


def test_every_engine_reads_a_compacted_export(out: Path) -> None:
    total = rows(out)["total_tokens"].sum()

    toolkit.compact(out, today=TODAY)

    choices = f"{out}/choices"
    assert pl.read_parquet(choices)["total_tokens"].sum() == total
    table = ds.dataset(choices, partitioning="hive").to_table()
    assert pl.DataFrame(table)["total_tokens"].sum() == total
    query = f"select sum(total_tokens) from '{choices}/**/*.parquet'"
    assert duckdb.sql(query).fetchall() == [(total,)]


def test_an_export_continues_after_it_was_compacted(tmp_path: Path) -> None:
    out = export_in_runs(tmp_path)
    toolkit.compact(out, today=TODAY)
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.write(line("late", 1, 5) + line("r0-1", 1, 20))

    done = toolkit.export(tmp_path / "log.jsonl", to=out)

    assert done.added.select("responses", "duplicates").row(0) == (1, 1)
    assert toolkit.compact(out, today=TODAY) == (1, 2, 1)
    assert toolkit.compact(out, today=TODAY) == (0, 0, 0)
    assert toolkit.verify(out).faults == []


def test_a_large_part_and_files_of_the_user_stay_as_they_are(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = out / "choices" / "date=2026-11-01"
    large = folder / "1-0.parquet"
    (folder / "mine.txt").write_text("mine", encoding="utf-8")
    inode = large.stat().st_ino
    sizes = compact._read_sizes(str(out))
    sizes[str(large)] = compact._LARGE_BYTES
    monkeypatch.setattr(compact, "_read_sizes", lambda _where: sizes)

    toolkit.compact(out, today=TODAY)

    assert large.stat().st_ino == inode
    assert parts(out, 1) == ["1-0.parquet", "5-1.parquet", "mine.txt"]


def test_a_local_copy_of_an_export_in_a_store_loses_nothing(out: Path) -> None:
    state = json.loads((out / "state.json").read_text())
    state["run"] = "0123abcd"
    (out / "state.json").write_text(json.dumps(state))
    for part in out.rglob("*.parquet"):
        part.rename(part.with_stem(f"{part.stem}-0123abcd"))
    before = rows(out)
    assert len(before) == 5 * 3 * 2

    assert toolkit.compact(out, today=TODAY) == (3, 15, 3)

    assert rows(out).equals(before)
    assert toolkit.verify(out).faults == []


@pytest.mark.needs("os.geteuid")
def test_nobody_else_may_read_merged_rejects(out: Path) -> None:
    toolkit.compact(out, today=TODAY)

    (part,) = (out / "rejects").iterdir()
    assert stat.S_IMODE(part.stat().st_mode) == 0o600


def test_a_damaged_part_raises_and_everything_is_left_unchanged(out: Path) -> None:
    part = out / "choices" / "date=2026-11-02" / parts(out, 2)[0]
    whole = part.read_bytes()
    part.write_bytes(whole[:-50])

    with pytest.raises(DamagedExportError, match=str(part)):
        toolkit.compact(out, today=TODAY)

    assert len(parts(out, 2)) == 5
    part.write_bytes(whole)
    assert toolkit.verify(out).faults == []


def test_parts_of_which_not_all_rows_are_merged_are_left_unchanged(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose_a_row(part: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        yield from (batch.slice(1) for batch in iter_part(part, schema))

    before = rows(out)
    monkeypatch.setattr(compact, "iter_part", lose_a_row)

    folder = re.escape(str(out / "choices" / "date=2026-11-01"))
    with pytest.raises(DamagedExportError, match=f"^{folder}: damaged: its parts"):
        toolkit.compact(out, today=TODAY)

    assert rows(out).equals(before)
    assert toolkit.verify(out).faults == []


@pytest.mark.parametrize("call", ["exchange", "sync_directory"])
def test_a_compaction_that_fails_leaves_every_row_once(
    out: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    sync = system.sync_directory

    def refuse(path: Path, *_arguments: Any) -> None:
        if ".staging" in path.parts:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        sync(path)

    before = rows(out)
    with monkeypatch.context() as patch:
        patch.setattr(f"toolkit.system.{call}", refuse)
        with pytest.raises(WriteError, match="Input/output error"):
            toolkit.compact(out, today=TODAY)

    assert rows(out).equals(before)
    toolkit.compact(out, today=TODAY)
    assert rows(out).equals(before)
    assert toolkit.verify(out).faults == []


def test_compacting_what_is_not_an_export_raises_and_creates_nothing(
    tmp_path: Path,
) -> None:
    with pytest.raises(NotAnExportError):
        toolkit.compact(tmp_path / "none")

    assert not (tmp_path / "none").exists()


def test_the_command_prints_how_many_directories_it_compacted(out: Path) -> None:
    done = run_command("compact", str(out))

    days = 3 if datetime.now(UTC).date() > TODAY else 2
    assert done.returncode == 0
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"{days + 1} directories compacted: ")
