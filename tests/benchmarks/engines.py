"""What is measured within a process: imports are done, and a small run came before.

    python -m tests.benchmarks.engines load_duckdb LOG WARM_UP_LOG

prints the seconds of the run alone, and the rows and tokens of what it returned.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

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
                       total_tokens BIGINT)'{more}
    }})
)
{where}
"""
DUCKDB_EXPORT = """
copy (select *, make_timestamp(created * 1000000)::date as date from ({query}))
to '{to}' (format parquet, partition_by (date), compression zstd, compression_level 1)
"""
# Some recorded lines are no responses. Only a log with such lines needs this column.
MORE = ", usage_metadata: 'JSON'"
WHERE = """where usage_metadata is null
      and (choice.finish_reason is null or choice.finish_reason not like '{%')"""


# Each reads a log (or an export), some write Parquet to a directory.


def load_toolkit(path: str, _: str) -> Any:
    import toolkit

    return toolkit.load(path).choices


def load_duckdb(path: str, _: str) -> Any:
    import duckdb

    return duckdb.sql(_query(path)).to_arrow_table()


def load_loop(path: str, _: str) -> dict[str, tuple[str, int]]:
    """Join the chunks of each id, and do nothing else."""
    texts: dict[str, list[str]] = {}
    tokens: dict[str, int] = {}
    with Path(path).open(encoding="utf-8") as file:
        for chunk in map(json.loads, file):
            if not any(chunk.get(key) for key in ("id", "choices", "usage")):
                continue
            found = texts.setdefault(chunk["id"], [])
            for choice in chunk.get("choices") or ():
                found.append((choice.get("delta") or {}).get("content") or "")
            if total := (chunk.get("usage") or {}).get("total_tokens"):
                tokens[chunk["id"]] = total
    return {name: ("".join(text), tokens.get(name, 0)) for name, text in texts.items()}


def export_toolkit(path: str, to: str) -> str:
    import toolkit

    toolkit.export(path, to=to)
    return f"{to}/choices"


def export_duckdb(path: str, to: str) -> str:
    import duckdb

    duckdb.sql(DUCKDB_EXPORT.format(query=_query(path), to=to))
    return to


def usage_toolkit(path: str, _: str) -> Any:
    from tests.benchmarks.metrics import scan
    from toolkit.metrics import token_usage

    return token_usage(scan(Path(path)), every="1d")


def usage_polars(path: str, _: str) -> Any:
    from tests.benchmarks.metrics import by_hand, scan

    return by_hand(scan(Path(path)))


def _query(path: str) -> str:
    """Return DuckDB's query of a log."""
    is_mixed = "mixed" in Path(path).name
    return DUCKDB.format(
        path=path, more=MORE if is_mixed else "", where=WHERE if is_mixed else ""
    )


# Rows, and the sum of their tokens.


def count_rows(table: Any) -> tuple[int, int]:
    import pyarrow.compute as pc

    return table.num_rows, pc.sum(table["total_tokens"]).as_py()


def count_streams(responses: dict[str, tuple[str, int]]) -> tuple[int, int]:
    return len(responses), sum(tokens for _, tokens in responses.values())


def count_parquet(folder: str) -> tuple[int, int]:
    import duckdb

    files = f"{folder}/**/*.parquet"
    [sums] = duckdb.sql(
        f"select count(*), sum(total_tokens)::bigint from '{files}'"
    ).fetchall()
    return sums


def count_usage(usage: Any) -> tuple[int, int]:
    return usage["responses"].sum(), usage["total_tokens"].sum()


ENGINES: dict[str, tuple[Callable[[str, str], Any], Callable[[Any], tuple[int, int]]]]
ENGINES = {
    "load_toolkit": (load_toolkit, count_rows),
    "load_duckdb": (load_duckdb, count_rows),
    "load_loop": (load_loop, count_streams),
    "export_toolkit": (export_toolkit, count_parquet),
    "export_duckdb": (export_duckdb, count_parquet),
    "usage_toolkit": (usage_toolkit, count_usage),
    "usage_polars": (usage_polars, count_usage),
}


def main(engine: str, path: str, warm_up: str) -> None:
    """Run an engine on a small input, then on the one that is measured."""
    warnings.simplefilter("ignore")
    run, count = ENGINES[engine]
    with tempfile.TemporaryDirectory(dir=Path(path).parent) as folder:
        run(warm_up, f"{folder}/warm")
        wall, cpu = time.perf_counter(), time.process_time()
        done = run(path, f"{folder}/out")
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        rows, tokens = count(done)
    print(json.dumps({"wall": wall, "cpu": cpu, "rows": rows, "tokens": tokens}))


if __name__ == "__main__":
    main(*sys.argv[1:])
