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
log, out, stop = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
turn = 0
while turn < 12 or not stop.exists() and turn < 200:
    with log.open("a") as file:
        for day in range(3):
            made = make_response(id=f"r{turn}-{day}", created=1762000000 + day * 86400)
            file.write(json.dumps(made) + "\\n")
    toolkit.export(log, to=out, rewrite=turn % 6 == 5)
    if turn % 3 == 2:
        toolkit.compact(out)
    turn += 1
print(turn)
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
    log, out, stop = (tmp_path / name for name in ("log.jsonl", "out", "stop"))
    choices, looks = f"{out}/choices", Counter[str]()
    every = [with_polars, with_pyarrow, with_duckdb]
    readers = cycle(every)
    command = [sys.executable, "-c", WRITER, log, out, stop]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
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
            if all(looks[read.__name__] > 3 for read in every):
                stop.touch()
        assert writer.stdout is not None
        turns = int(writer.stdout.read())

    assert writer.returncode == 0
    for read in every:
        assert looks[read.__name__] > 3
        assert len(read(choices)) == 3 * turns
    assert toolkit.verify(out).faults == []
