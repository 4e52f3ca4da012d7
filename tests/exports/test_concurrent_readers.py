"""A reader during an export never sees a row twice, or half a file."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from itertools import cycle
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.dataset as ds

import toolkit

WRITER = """
import json, sys
from datetime import date
from pathlib import Path
import toolkit
from toolkit.testing import make_response
log, out = Path(sys.argv[1]), sys.argv[2]
for turn in range(12):
    with log.open("a") as file:
        for day in range(3):
            made = make_response(id=f"r{turn}-{day}", created=1762000000 + day * 86400)
            file.write(json.dumps(made) + "\\n")
    toolkit.export(log, to=out, rewrite=turn % 6 == 5)
    if turn % 3 == 2:
        toolkit.compact(out)
"""


def with_polars(choices: str) -> list[str]:
    return pl.read_parquet(choices, columns=["response_id"])["response_id"].to_list()


def with_pyarrow(choices: str) -> list[str]:
    table = ds.dataset(choices, partitioning="hive").to_table(["response_id"])
    return table["response_id"].to_pylist()


def with_duckdb(choices: str) -> list[str]:
    query = f"select response_id from read_parquet('{choices}/**/*.parquet')"
    return [row[0] for row in duckdb.sql(query).fetchall()]


def is_absence(error: Exception) -> bool:
    """Say whether an engine misses a part that it had listed before."""
    words = (
        "No such file",
        "No files found",
        "expected at least 1 source",
        "not found",
    )
    return isinstance(error, FileNotFoundError) or any(
        word in str(error) for word in words
    )


def test_readers_during_an_export_see_no_row_twice(tmp_path: Path) -> None:
    log, out = tmp_path / "log.jsonl", tmp_path / "out"
    choices, looks = f"{out}/choices", Counter[str]()
    readers = cycle([with_polars, with_pyarrow, with_duckdb])
    with subprocess.Popen([sys.executable, "-c", WRITER, log, out]) as writer:
        while writer.poll() is None:
            if not (out / "state.json").exists():
                time.sleep(0.01)
                continue
            read = next(readers)
            try:
                ids = read(choices)
            except Exception as error:
                assert is_absence(error), error
                continue
            looks[read.__name__] += 1
            assert len(ids) == len(set(ids)), read

    assert writer.returncode == 0
    for read in (with_polars, with_pyarrow, with_duckdb):
        assert looks[read.__name__] > 3
        assert len(read(choices)) == 36
    assert toolkit.verify(out).faults == []
