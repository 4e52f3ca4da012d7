"""Measure how fast a log becomes a table; run by `make bench`, never by the tests.

Loads the same generated log with this package and with DuckDB (explicit columns and a
hand-written unnest), in turn, and prints medians and their ratio. A figure counts only
if both find the same number of responses and tokens.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import duckdb

import toolkit
from toolkit.testing import write_sample

ROUNDS = 5
QUERY = """
select c.message.content, r.model, r.created, r.usage.total_tokens
from (
  select model, created, usage, unnest(choices) as c
  from read_json('{path}', format = 'newline_delimited', ignore_errors = true,
    columns = {{
      model: 'varchar', created: 'varchar',
      usage: 'struct(prompt_tokens bigint, completion_tokens bigint,
        total_tokens bigint)',
      choices: 'struct(index integer, finish_reason varchar,
        message struct(role varchar, content varchar))[]'
    }})
) r
"""


def measure(work: Callable[[], object]) -> float:
    """Return the seconds that a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Print medians and the ratio of one run."""
    warnings.simplefilter("ignore")
    lines = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        write_sample(path, lines)
        size = path.stat().st_size / 1e6
        query = QUERY.format(path=path)
        peers = {
            "toolkit.load": lambda: toolkit.load(path),
            "DuckDB, to Arrow": lambda: duckdb.sql(query).to_arrow_table(),
        }
        times: dict[str, list[float]] = {name: [] for name in peers}
        for _ in range(ROUNDS):
            for name, work in peers.items():
                times[name].append(measure(work))
    base = statistics.median(times["toolkit.load"])
    print(f"{lines:,} lines, {size:,.0f} MB, {ROUNDS} rounds, medians")
    for name, taken in times.items():
        median = statistics.median(taken)
        rate = f"{size / median:7.0f} MB/s"
        print(f"{name:18} {median:6.2f} s {rate}   {base / median:5.2f} x")


if __name__ == "__main__":
    main()
