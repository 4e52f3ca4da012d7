"""The export directory: its files, who can open them, and what an error leaves."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

import toolkit
from toolkit import system
from toolkit.errors import (
    BusyError,
    DamagedExportError,
    DamagedLogError,
    NoLogsError,
    NotAnExportError,
    NotEmptyError,
    ValidationError,
    WriteError,
)
from toolkit.exports import parts
from toolkit.reading import batching, decompression, framing
from toolkit.schema import CHOICES, REJECTS
from toolkit.testing import make_response, write_sample

pytestmark = pytest.mark.both_decoders

KEY = list(CHOICES.key)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a sample log."""
    path = tmp_path / "log.jsonl"
    write_sample(path, 1000, seed=3, days=6)
    return path


def test_an_export_has_the_rows_that_load_returns(log: Path, tmp_path: Path) -> None:
    done = toolkit.export(log, to=tmp_path / "out", final=True)
    loaded = toolkit.load(log)

    back = toolkit.scan(tmp_path / "out").sort(KEY).collect()
    assert back.equals(loaded.frame.sort(KEY))
    assert toolkit.ledger(tmp_path / "out").equals(done.ledger)
    assert done.ledger.equals(loaded.ledger)
    assert toolkit.rejects(tmp_path / "out").equals(pl.DataFrame(loaded.rejects))


def test_every_part_has_the_schema_with_its_metadata_and_only_rows_of_its_date(
    log: Path, tmp_path: Path
) -> None:
    toolkit.export(log, to=tmp_path / "out")

    parts = sorted((tmp_path / "out" / "choices").rglob("*.parquet"))
    assert len(parts) == 6 + 1  # of each day, and of responses without a time
    for part in parts:
        table = pq.ParquetFile(part).read()
        assert table.schema.equals(CHOICES.arrow, check_metadata=True)
        date = part.parent.name.removeprefix("date=")
        created = table.column("created")
        dates = {
            value.date().isoformat() if value else "1970-01-01"
            for value in created.to_pylist()
        }
        assert dates == {date}
        assert created.drop_null().to_pylist() == sorted(
            created.drop_null().to_pylist()
        )


def test_a_large_export_counts_the_same_in_four_engines(tmp_path: Path) -> None:
    path, out = tmp_path / "log.jsonl.zst", tmp_path / "out"
    lines = int(os.environ.get("TOOLKIT_EXPORT_LINES", "20000"))
    write_sample(path, lines, seed=5, days=10)

    done = toolkit.export(path, to=out, content="drop")

    rows = done.ledger["choices"].sum()
    tokens = done.ledger["total_tokens"].sum()
    choices = f"{out}/choices"
    frame = pl.read_parquet(choices)
    assert (frame.height, frame["total_tokens"].sum()) == (rows, tokens)
    table = pq.read_table(choices)
    assert (len(table), pc.sum(table["total_tokens"]).as_py()) == (rows, tokens)
    table = ds.dataset(choices, partitioning="hive").to_table()
    assert (len(table), pc.sum(table["total_tokens"]).as_py()) == (rows, tokens)
    data = pd.read_parquet(choices)
    assert (len(data), int(data["total_tokens"].sum())) == (rows, tokens)
    query = f"select count(*), sum(total_tokens) from '{choices}/**/*.parquet'"
    assert duckdb.sql(query).fetchall() == [(rows, tokens)]
    undated = frame.filter(pl.col("created").is_null())
    assert undated.height > 0
    assert (out / "choices" / "date=1970-01-01").is_dir()
    assert frame["total_tokens"].null_count() == data["total_tokens"].isna().sum()


def test_tag_columns_are_read_back(log: Path, tmp_path: Path) -> None:
    toolkit.export(log, to=tmp_path / "out", tags={"team": "metadata.team"})

    teams = toolkit.scan(tmp_path / "out").select("tag_team").collect()["tag_team"]
    assert "search" in teams.unique().to_list()


def test_an_export_contains_only_whole_parquet_files_and_known_names(
    log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    toolkit.export(log, to=out, final=True)

    assert {path.name for path in out.iterdir()} == {
        ".lock", "README.txt", "choices", "rejects", "state.json",
    }  # fmt: skip
    files = [
        path for name in ("choices", "rejects") for path in (out / name).rglob("*")
    ]
    assert {path.suffix for path in files if path.is_file()} == {".parquet"}
    assert str(out) in (out / "README.txt").read_text(encoding="utf-8")


@pytest.mark.needs("os.geteuid")
def test_nobody_else_may_read_the_rejects(log: Path, tmp_path: Path) -> None:
    toolkit.export(log, to=tmp_path / "out")

    (part,) = (tmp_path / "out" / "rejects").iterdir()
    assert stat.S_IMODE(part.stat().st_mode) == 0o600


def test_an_unfinished_last_line_of_a_plain_log_is_left_for_the_next_run(
    tmp_path: Path,
) -> None:
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    for path in (plain, packed):
        write_sample(path, 20, torn=True)
    tail = len(plain.read_bytes().split(b"\n")[-1])

    toolkit.export([plain, packed], to=tmp_path / "out", duplicates="keep")

    ledger = toolkit.ledger(tmp_path / "out")
    assert ledger["pending_bytes"].to_list() == [tail, 0]
    assert ledger["lines"].to_list() == [19, 20]
    assert toolkit.rejects(tmp_path / "out")["code"].to_list() == ["truncated"]
    kinds = ledger.select("blank", "responses", "duplicates", "errors", "rejected")
    assert kinds.sum_horizontal().to_list() == ledger["lines"].to_list()


def test_a_log_without_rows_is_an_export_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n")

    toolkit.export(path, to=tmp_path / "out")

    assert toolkit.scan(tmp_path / "out").collect().schema == CHOICES.polars
    assert toolkit.rejects(tmp_path / "out").schema == REJECTS.polars


def test_a_directory_with_other_files_raises(log: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.txt").write_text("x", encoding="utf-8")
    (tmp_path / "file").write_text("x", encoding="utf-8")

    for target in ("other", "file"):
        with pytest.raises(NotEmptyError, match="is not empty"):
            toolkit.export(log, to=tmp_path / target)
    assert (tmp_path / "other" / "mine.txt").exists()


@pytest.mark.parametrize(
    "mine", ["choices/mine.parquet", "README.txt", "rejects/1-0.parquet"]
)
def test_files_of_the_user_are_never_deleted(
    log: Path, tmp_path: Path, mine: str
) -> None:
    path = tmp_path / "out" / mine
    path.parent.mkdir(parents=True)
    path.write_text("mine", encoding="utf-8")

    with pytest.raises(NotEmptyError):
        toolkit.export(log, to=tmp_path / "out")

    assert path.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("tail", "counts"),
    [
        # lines, responses, errors, rejected, pending bytes
        (b'{"error": 1}', (2, 1, 1, 0, 0)),
        (b"{}", (2, 1, 0, 1, 0)),
        (b'{"a": ', (1, 1, 0, 0, 6)),
        (b"12", (1, 1, 0, 0, 2)),
        (b"\xc3", (1, 1, 0, 0, 1)),
        (b"  ", (1, 1, 0, 0, 2)),
    ],
)
def test_a_last_line_is_read_if_it_is_complete_and_left_if_it_may_still_grow(
    tmp_path: Path, tail: bytes, counts: tuple[int, ...]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(make_response()).encode() + b"\n" + tail)

    done = toolkit.export(path, to=tmp_path / "out")

    names = ("lines", "responses", "errors", "rejected", "pending_bytes")
    assert done.ledger.select(names).row(0) == counts


def test_reading_an_export_with_a_missing_or_truncated_part_raises(
    log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    toolkit.export(log, to=out)
    first, second, *_ = sorted((out / "choices").rglob("*.parquet"))

    second.write_bytes(second.read_bytes()[:100])
    for read in (toolkit.scan, toolkit.check):
        with pytest.raises(DamagedExportError, match="not Parquet"):
            read(out)
    second.unlink()
    for read in (toolkit.scan, toolkit.check):
        with pytest.raises(DamagedExportError, match="rows as in its ledger"):
            read(out)
    assert first.exists()


@pytest.mark.parametrize("state", ["[]", '{"a": 1}', "[" * 10**5])
def test_a_state_json_that_is_not_valid_raises(tmp_path: Path, state: str) -> None:
    (tmp_path / "state.json").write_text(state, encoding="utf-8")

    with pytest.raises(DamagedExportError, match=r"state\.json"):
        toolkit.ledger(tmp_path)


@pytest.mark.parametrize(
    "change", [{"options": []}, {"schema": 99}, {"logs": [{"choices": "x"}]}]
)
def test_a_state_json_with_a_wrong_field_raises(
    log: Path, tmp_path: Path, change: dict[str, object]
) -> None:
    path = tmp_path / "out" / "state.json"
    toolkit.export(log, to=tmp_path / "out")
    state = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**state, **change}), encoding="utf-8")

    with pytest.raises(DamagedExportError):
        toolkit.scan(tmp_path / "out")


def test_a_directory_name_with_pattern_characters_is_taken_literally(
    log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "[a]*_out"
    done = toolkit.export(log, to=out)

    assert toolkit.scan(out).collect().height == done.ledger["choices"].item()
    assert toolkit.rejects(out).height > 0


def test_files_of_a_killed_run_are_removed_by_the_next_run(
    log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "choices" / "date=2026-10-01").mkdir(parents=True)
    (out / "choices" / "date=2026-10-01" / "1-0.parquet").write_bytes(b"stump")
    (out / ".staging").mkdir()
    (out / ".lock").write_text("1\n", encoding="ascii")

    done = toolkit.export(log, to=out)

    assert toolkit.scan(out).collect().height == done.ledger["choices"].item()


def test_a_second_writer_gets_an_error_with_the_process_of_the_first(
    log: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from toolkit import system\n"
        f"with system.lock(Path({str(out / '.lock')!r}), 'here', 0):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(BusyError, match=f"process {holder.pid}"):
            toolkit.export(log, to=out)


def test_a_damaged_log_commits_nothing(tmp_path: Path) -> None:
    path, out = tmp_path / "a.jsonl.gz", tmp_path / "out"
    write_sample(path, 500)
    path.write_bytes(path.read_bytes()[:-20])

    with pytest.raises(DamagedLogError):
        toolkit.export(path, to=out)

    assert not (out / "state.json").exists()
    assert not list(out.rglob("*.parquet"))


@pytest.mark.parametrize("call", ["sync", "replace"])
def test_an_error_of_the_system_gives_the_path_and_commits_nothing(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(
            *{"sync": (system, "_sync"), "replace": (Path, call)}[call], refuse
        )
        with pytest.raises(WriteError, match="No space left on device") as caught:
            toolkit.export(log, to=out)

    assert caught.value.errno == errno.ENOSPC
    assert not (out / "state.json").exists()
    assert not (out / ".staging").exists()
    done = toolkit.export(log, to=out)
    assert toolkit.scan(out).collect().height == done.ledger["choices"].item()


def test_reading_what_is_not_an_export_raises(tmp_path: Path) -> None:
    with pytest.raises(NotAnExportError, match=r"state\.json"):
        toolkit.ledger(tmp_path)
    for read in (toolkit.scan, toolkit.rejects):
        with pytest.raises(NoLogsError):
            read(tmp_path)
    (tmp_path / "state.json").write_text("{", encoding="utf-8")
    (tmp_path / "choices").mkdir()
    with pytest.raises(DamagedExportError, match=r"state\.json"):
        toolkit.scan(tmp_path)


def test_a_log_that_cannot_be_found_makes_no_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        toolkit.export(tmp_path / "none.jsonl", to=tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_the_row_groups_of_a_date_alternate_between_two_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log.jsonl"
    responses = [make_response(id=f"r{number}") for number in range(5000)]
    log.write_text("".join(f"{json.dumps(one)}\n" for one in responses))
    monkeypatch.setattr(decompression, "READ_BYTES", 64 * 1024)
    monkeypatch.setattr(framing, "BLOCK_BYTES", 64 * 1024)
    monkeypatch.setattr(batching, "_BYTES_PER_TABLE", 128 * 1024)
    monkeypatch.setattr(parts, "_ROW_GROUP_BYTES", 1)

    toolkit.export(log, to=tmp_path / "out")

    (day,) = (tmp_path / "out" / "choices").iterdir()
    groups = sorted(pq.ParquetFile(path).num_row_groups for path in day.iterdir())
    assert len(groups) == 2
    assert groups[1] - groups[0] <= 1
    assert sum(groups) > 4
    rows = toolkit.scan(tmp_path / "out").collect()
    assert sorted(rows["line"]) == list(range(1, 5001))


def test_the_last_rows_are_cut_into_equal_row_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, out = tmp_path / "log.jsonl", tmp_path / "out"
    newest = 1_767_225_600  # the last line is the oldest
    responses = [make_response(id=f"r{n}", created=newest - n) for n in range(1, 3001)]
    log.write_text("".join(f"{json.dumps(one)}\n" for one in responses))
    size = toolkit.load(log).choices.nbytes
    # 3.2 of that size: three row groups, and less than a quarter more.
    monkeypatch.setattr(parts, "_LAST_BYTES", size / 3.2)

    toolkit.export(log, to=out)

    (day,) = (out / "choices").iterdir()
    files = [pq.ParquetFile(path) for path in sorted(day.iterdir())]
    groups = [
        file.read_row_group(number)
        for file in files
        for number in range(file.num_row_groups)
    ]
    assert len(files) == 2
    assert [len(group) for group in groups] == [1000, 1000, 1000]
    for group in groups:
        created = group.column("created").to_pylist()
        assert created == sorted(created)
    assert sorted(toolkit.scan(out).collect()["line"]) == list(range(1, 3001))


def test_rows_that_are_not_valid_stop_the_run_and_leave_nothing(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def refuse_the_second(rows: pa.Table, _table: object) -> None:
        calls.append(len(rows))
        if len(calls) == 2:
            raise ValidationError(["column 'line': refused"])

    monkeypatch.setattr(decompression, "READ_BYTES", 16 * 1024)
    monkeypatch.setattr(framing, "BLOCK_BYTES", 16 * 1024)
    monkeypatch.setattr(batching, "_BYTES_PER_TABLE", 1)
    monkeypatch.setattr(parts, "validate_rows", refuse_the_second)
    out = tmp_path / "out"

    with pytest.raises(ValidationError, match="refused"):
        toolkit.export(log, to=out)

    assert not (out / "state.json").exists()
    assert not (out / ".staging").exists()
    assert not list(out.rglob("*.parquet"))


def read_columns(directory: Path) -> Iterator[pq.ColumnChunkMetaData]:
    """Yield the metadata of the columns of the first row group of each part."""
    for path in directory.rglob("*.parquet"):
        group = pq.ParquetFile(path).metadata.row_group(0)
        yield from (group.column(number) for number in range(group.num_columns))


def test_all_columns_but_texts_and_hashes_have_statistics(tmp_path: Path) -> None:
    toolkit.export("data/sample", to=tmp_path)

    columns = list(read_columns(tmp_path))
    with_them = {one.path_in_schema for one in columns if one.is_stats_set}
    without = {one.path_in_schema for one in columns} - with_them
    assert {"created", "model", "log_id", "line", "total_tokens"} <= with_them
    assert {"response_hash", "response_id", "content", "refusal", "raw"} <= without
    calls = {name for name in without if name.startswith("tool_calls.")}
    assert calls == {f"tool_calls.list.element.{name}" for name in ("id", "arguments")}


def test_only_columns_with_repeated_values_have_a_dictionary(tmp_path: Path) -> None:
    toolkit.export("data/sample", to=tmp_path)

    encodings = {one.path_in_schema: one.encodings for one in read_columns(tmp_path)}
    with_one = {name for name, used in encodings.items() if "RLE_DICTIONARY" in used}
    assert {"model", "finish_reason", "log_id", "code"} <= with_one
    assert "tool_calls.list.element.name" in with_one
    assert "tool_calls.list.element.id" in encodings.keys() - with_one
    assert encodings.keys() - with_one >= parts._UNIQUE


def test_columns_of_texts_and_other_unique_values_are_compressed_best(
    tmp_path: Path,
) -> None:
    toolkit.export("data/sample", to=tmp_path)

    codecs = {one.path_in_schema: one.compression for one in read_columns(tmp_path)}
    assert {codecs[name] for name in parts._UNIQUE} == {"ZSTD"}
    assert {codecs[name] for name in codecs.keys() - parts._UNIQUE} == {"SNAPPY"}
