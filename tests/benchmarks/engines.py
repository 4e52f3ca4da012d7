"""How fast a log becomes an Arrow table: this package beside other engines.

    make bench                                            # all of it, some minutes
    python tests/benchmarks/engines.py --lines 1000000    # a larger log

Every engine reads the same generated log, each in a process of its own, in turn, for
several rounds; medians and ratios are of one run. A figure counts only if the rows and
the sum of the tokens are right. Wall time, CPU time and peak memory are of the reading
alone, with imports and a warm cache behind it.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from random import Random
from statistics import median

WORDS = [
    "the",
    "report",
    "of",
    "the",
    "week",
    "shows",
    "that",
    "most",
    "of",
    "the",
    "calls",
    "were",
    "answered",
    "in",
    "time",
    "and",
    "the",
    "rest",
    "were",
    '\\"late\\"',
    "by",
    "some",
    "minutes,",
    "so",
    "that\\n-",
    "the",
    "plan",
    "holds\\n-",
    "caf\\u00e9",
    "",
]

DUCKDB = """
select id, model, created, usage.prompt_tokens, usage.completion_tokens,
       usage.total_tokens, choice.index, choice.finish_reason, choice.message.role,
       choice.message.content
from (
    select *, unnest(choices) as choice
    from read_json('{path}', format = 'newline_delimited', columns = {{
        id: 'VARCHAR', model: 'VARCHAR', created: 'BIGINT',
        choices: 'STRUCT(index INT, finish_reason VARCHAR,
                         message STRUCT(role VARCHAR, content VARCHAR))[]',
        usage: 'STRUCT(prompt_tokens BIGINT, completion_tokens BIGINT,
                       total_tokens BIGINT)'
    }})
)
"""


DUCKDB_EXPORT = """
copy (select *, make_timestamp(created * 1000000)::date as date from ({query}))
to '{to}' (format parquet, partition_by (date), compression zstd, compression_level 1)
"""


def make_log(path: Path, lines: int, words: int, bad: float = 0.0) -> int:
    """Write a log, every response with one choice; return the sum of its tokens."""
    random = Random(7)
    opener = gzip.open if path.suffix == ".gz" else open
    total = 0
    with opener(path, "wb") as file:
        for number in range(lines):
            if random.random() < bad:
                file.write(b'{"id": "torn", "choices": [{"index": 0, "mess\n')
            prompt, completion = random.randrange(2000), random.randrange(500)
            total += prompt + completion
            text = " ".join(random.choices(WORDS, k=random.randrange(1, 2 * words)))
            file.write(
                b'{"id":"chatcmpl-%032x","object":"chat.completion","created":%d,'
                b'"model":"gpt-4o-mini-2024-07-18","choices":[{"index":0,"message":'
                b'{"role":"assistant","content":"%s","refusal":null},"logprobs":null,'
                b'"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,'
                b'"completion_tokens":%d,"total_tokens":%d,"prompt_tokens_details":'
                b'{"cached_tokens":0,"audio_tokens":0},"completion_tokens_details":'
                b'{"reasoning_tokens":0,"audio_tokens":0}},"service_tier":"default",'
                b'"system_fingerprint":"fp_0aa8d3e20b"}\n'
                % (
                    random.getrandbits(128),
                    1_767_225_600 + number,
                    text.encode(),
                    prompt,
                    completion,
                    prompt + completion,
                )
            )
    return total


# Each returns the number of rows and the sum of the tokens.


def read_toolkit(path: str) -> tuple[int, int]:
    import toolkit

    log = toolkit.load(path)
    return len(log), log.ledger["total_tokens"].sum()


def read_duckdb(path: str) -> tuple[int, int]:
    import duckdb
    import pyarrow.compute as pc

    table = duckdb.sql(DUCKDB.format(path=path)).to_arrow_table()
    return table.num_rows, pc.sum(table["total_tokens"]).as_py()


def read_pyarrow(path: str) -> tuple[int, int]:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.json

    usage = pa.struct(
        [(f"{name}_tokens", pa.int64()) for name in ("prompt", "completion", "total")]
    )
    message = pa.struct([("role", pa.string()), ("content", pa.string())])
    choice = pa.struct(
        [("index", pa.int32()), ("finish_reason", pa.string()), ("message", message)]
    )
    schema = pa.schema(
        [
            ("id", pa.string()),
            ("model", pa.string()),
            ("created", pa.int64()),
            ("choices", pa.list_(choice)),
            ("usage", usage),
        ]
    )
    options = pyarrow.json.ParseOptions(
        explicit_schema=schema, unexpected_field_behavior="ignore"
    )
    reading = pyarrow.json.ReadOptions(block_size=16 * 1024 * 1024)
    table = pyarrow.json.read_json(path, reading, options)
    total = pc.sum(pc.struct_field(table["usage"].combine_chunks(), "total_tokens"))
    return table.num_rows, total.as_py()


def read_polars(path: str) -> tuple[int, int]:
    import polars as pl

    tokens = {f"{name}_tokens": pl.Int64 for name in ("prompt", "completion", "total")}
    message = pl.Struct({"role": pl.String, "content": pl.String})
    choice = pl.Struct(
        {"index": pl.Int32, "finish_reason": pl.String, "message": message}
    )
    schema = {
        "id": pl.String,
        "model": pl.String,
        "created": pl.Int64,
        "choices": pl.List(choice),
        "usage": pl.Struct(tokens),
    }
    frame = pl.scan_ndjson(path, schema=schema).collect()
    flat = frame.explode("choices").unnest("choices").unnest("message")
    return flat.height, flat["usage"].struct.field("total_tokens").sum()


def read_pandas(path: str) -> tuple[int, int]:
    import pandas as pd

    frame = pd.read_json(path, lines=True)
    return len(frame), int(sum(usage["total_tokens"] for usage in frame["usage"]))


# The same of what they wrote as Parquet, by date.


def export_toolkit(path: str) -> tuple[int, int]:
    import toolkit

    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        done = toolkit.export(path, to=folder)
        return done.ledger["choices"].sum(), done.ledger["total_tokens"].sum()


def export_duckdb(path: str) -> tuple[int, int]:
    import duckdb

    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        query = DUCKDB_EXPORT.format(query=DUCKDB.format(path=path), to=f"{folder}/out")
        duckdb.sql(query)
        sums = f"select count(*), sum(total_tokens) from '{folder}/out/**/*.parquet'"
        rows, tokens = duckdb.sql(sums).fetchall()[0]
        return rows, tokens


ENGINES: dict[str, Callable[[str], tuple[int, int]]] = {
    "toolkit": read_toolkit,
    "DuckDB": read_duckdb,
    "pyarrow": read_pyarrow,
    "polars": read_polars,
    "pandas": read_pandas,
}
EXPORTS: dict[str, Callable[[str], tuple[int, int]]] = {
    "toolkit to Parquet": export_toolkit,
    "DuckDB to Parquet": export_duckdb,
}
NO_BAD = "toolkit, none bad"  # beside 1 % of bad lines: the same log without them
# (name, words of a message, suffix, share of bad lines, engines, ours first)
WORKS = (
    ("plain", 180, ".jsonl", 0.0, (*ENGINES, *EXPORTS)),
    ("short lines", 4, ".jsonl", 0.0, ("toolkit", "DuckDB")),
    ("gzip", 180, ".jsonl.gz", 0.0, ("toolkit", "DuckDB", *EXPORTS)),
    ("1 % bad", 180, ".jsonl", 0.01, ("toolkit", NO_BAD)),
)


def measure(engine: str, path: str) -> dict[str, float]:
    """Read a log once in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--engine", engine, path],
        check=True,
        capture_output=True,
        text=True,
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def plain_bytes(path: Path) -> int:
    """Return the size of a log, inflated."""
    if path.suffix != ".gz":
        return path.stat().st_size
    with gzip.open(path) as file:
        return sum(map(len, iter(lambda: file.read(1 << 24), b"")))


def run_engine(engine: str, path: str) -> None:
    """Read a log, after a small one has warmed up the engine, and print the figures."""
    import warnings

    warnings.simplefilter("ignore")
    read = {**ENGINES, **EXPORTS}[engine]
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm.jsonl"
        make_log(warm, 1000, 10)
        read(str(warm))
    wall, cpu = time.perf_counter(), time.process_time()
    rows, tokens = read(path)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = next(
        int(line.split()[1]) / 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    print(
        json.dumps(
            {"rows": rows, "tokens": tokens, "wall": wall, "cpu": cpu, "peak": peak}
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=250_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", choices=(*ENGINES, *EXPORTS))
    parser.add_argument("path", nargs="?")
    given = parser.parse_args()
    if given.engine:
        run_engine(given.engine, given.path)
        return
    packages = ("duckdb", "polars", "pyarrow", "pandas")
    names = ", ".join(f"{name} {version(name)}" for name in packages)
    print(f"{os.cpu_count()} cores {platform.machine()}, Python "
          f"{platform.python_version()}, {names}")  # fmt: skip
    from toolkit.reading.native import DECODER

    print(f"decoder {DECODER}, {given.lines:,} responses, {given.rounds} rounds\n")
    print(
        f"{'work':12}{'engine':19}{'MB/s':>7}{'MB/CPU s':>10}{'peak MB':>9}{'ratio':>7}"
    )
    with tempfile.TemporaryDirectory() as folder:
        for work, words, suffix, bad, engines in WORKS:
            paths = {name: Path(folder) / f"log{suffix}" for name in engines}
            tokens = make_log(paths["toolkit"], given.lines, words, bad)
            if NO_BAD in paths:
                paths[NO_BAD] = Path(folder) / "good.jsonl"
                make_log(paths[NO_BAD], given.lines, words)
            took: dict[str, list[dict[str, float]]] = {name: [] for name in engines}
            for _ in range(given.rounds):
                for name, path in paths.items():
                    took[name].append(measure(name.split(",")[0], str(path)))
            sizes = {name: plain_bytes(path) / 1e6 for name, path in paths.items()}
            seconds = {
                name: median(one["wall"] for one in figures) / sizes[name]
                for name, figures in took.items()
            }
            for name, figures in took.items():
                # Of the log without bad lines the sum is another one.
                right = name == NO_BAD or all(
                    (one["rows"], one["tokens"]) == (given.lines, tokens)
                    for one in figures
                )
                ours = "toolkit to Parquet" if name in EXPORTS else "toolkit"
                cpu = sizes[name] / median(one["cpu"] for one in figures)
                peak = median(one["peak"] for one in figures)
                ratio = seconds[name] / seconds[ours]
                print(
                    f"{work:12}{name:19}{1 / seconds[name]:7,.0f}{cpu:10,.0f}"
                    f"{peak:9,.0f}{ratio:7.2f}" + ("" if right else "  WRONG RESULT"),
                    flush=True,
                )
            for path in set(paths.values()):
                path.unlink()
    print("\nratio: time a byte of the engine over ours")


if __name__ == "__main__":
    main()
