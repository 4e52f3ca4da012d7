"""Recipes of the docs over an export: SQL with DuckDB, and a table of Delta Lake."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

import toolkit
from toolkit.testing import make_response

HOWTO = Path(__file__).parents[2] / "docs" / "howto"
DAY = 86_400
FIRST = 1_793_577_600  # 2026-11-02


def run_recipe(page: str, end: str = "") -> dict[str, Any]:
    """Run the Python code of a page, up to a text, and return what it defines."""
    text = (HOWTO / page).read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, re.DOTALL))
    names: dict[str, Any] = {}
    exec(compile(code.partition(end)[0] if end else code, page, "exec"), names)
    return names


def delta_recipe() -> Any:
    """Return the function of the page about Delta Lake."""
    pytest.importorskip("deltalake")
    return run_recipe("lakehouse.md", "print(")["append_runs"]


def write_log(path: Path, *ids: str, day: int = 0) -> None:
    """Add responses of two choices each to a log: 30 tokens, if the id has no dash."""
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
    message = {"role": "assistant", "content": "Yes."}
    ends = ("length", "stop")
    with path.open("a", encoding="utf-8") as log:
        for name in ids:
            line = make_response(
                id=name,
                model="gpt-4o",
                created=FIRST + day * DAY,
                choices=[
                    {"index": at, "message": message, "finish_reason": ends[at]}
                    for at in range(2)
                ],
                usage=None if "-" in name else usage,
            )
            log.write(json.dumps(line) + "\n")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Export the sample and a log of two days."""
    folder = tmp_path_factory.mktemp("sql")
    own = folder / "own.jsonl"
    write_log(own, "a", "b", "no-usage")
    write_log(own, "none-1", "none-2", day=1)
    toolkit.export([HOWTO.parents[1] / "data/sample", own], to=folder / "parquet")
    return folder / "parquet"


@pytest.fixture
def sql(export: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the queries of the page about SQL, over an export."""
    monkeypatch.chdir(export.parent)
    return run_recipe("sql.md")


def equal(query: str, metric: pl.DataFrame) -> None:
    """Compare a query with the columns of a metric of the same names."""
    found = duckdb.sql(query).pl()
    columns = found.columns
    if "day" in columns:
        metric = metric.with_columns(day=pl.col("period").dt.date())
    expected = metric.select(columns).sort(columns[0], columns[1], nulls_last=True)
    assert found.height > 5
    assert found.rows() == expected.rows()


def test_sql_counts_tokens_as_the_metric_does(sql: dict[str, Any]) -> None:
    choices = toolkit.scan("parquet")

    equal(sql["TOKENS"], toolkit.metrics.token_usage(choices))
    own = f"from ({sql['TOKENS']}) where model = 'gpt-4o'"
    # Usage is on one row of two: two responses of 30 tokens, and one without usage;
    # on the next day no response reports any, so that the sum is unknown.
    assert [row[2:] for row in duckdb.sql(own).fetchall()] == [
        (3, 60, 1),
        (2, None, 2),
    ]  # fmt: skip


def test_sql_counts_truncated_responses_as_the_metric_does(sql: dict[str, Any]) -> None:
    choices = toolkit.scan("parquet")

    equal(sql["TRUNCATION"], toolkit.metrics.truncation_rate(choices, every=None))


def test_sql_adds_up_costs_as_the_metric_does(sql: dict[str, Any]) -> None:
    choices = toolkit.scan("parquet")
    costs = sql["costs"]  # a frame that DuckDB finds by its name

    found = duckdb.sql(sql["COST"]).pl()

    expected = toolkit.metrics.cost(choices, every=None)
    assert costs.height > found.height > 5
    assert found.rows() == expected.select(found.columns).sort("model").rows()


def test_a_delta_table_has_each_run_of_an_export_once(tmp_path: Path) -> None:
    append_runs = delta_recipe()
    import deltalake

    log, export, table = tmp_path / "a.jsonl", tmp_path / "out", str(tmp_path / "table")

    def run(**options: bool) -> int:
        toolkit.export(log, to=export, **options)
        return int(append_runs(str(export), table))

    def rows() -> list[tuple[object, ...]]:
        columns = ("line", "choice_position", "response_id", "total_tokens", "date")
        return pl.scan_delta(table).select(columns).sort(columns[:2]).collect().rows()

    write_log(log, "a")
    assert [run(), run()] == [2, 0]
    write_log(log, "b", "c", day=1)
    write_log(log, "d")
    assert run() == 6
    assert [row[2] for row in rows()] == [name for name in "abcd" for _ in range(2)]
    assert sum(row[3] or 0 for row in rows()) == 4 * 30
    assert len({row[4] for row in rows()}) == 2

    # A day that is compacted after it was appended changes nothing.
    toolkit.compact(export)
    assert run() == 0
    # Two runs that were not appended are so one after the other.
    for name in "ef":
        write_log(log, name, day=2)
        toolkit.export(log, to=export)
    assert run() == 4
    before = rows()

    # A run that another job appended meanwhile is refused.
    stale = deltalake.DeltaTable(table)
    write_log(log, "g")
    assert run() == 2
    version = deltalake.DeltaTable(table).transaction_version("toolkit")
    once = deltalake.CommitProperties(
        app_transactions=[deltalake.Transaction("toolkit", version)]
    )
    again = pl.read_delta(table).filter(response_id="g")
    with pytest.raises(deltalake.exceptions.CommitFailedError, match="Concurrent"):
        deltalake.write_deltalake(stale, again, mode="append", commit_properties=once)
    assert rows() == [*before, *rows()[-2:]]

    # An export that was replaced replaces the table.
    log.write_text("", encoding="utf-8")
    write_log(log, "x")
    assert run(rewrite=True) == 2
    assert [row[2] for row in rows()] == ["x", "x"]


def test_a_part_with_rows_that_a_delta_table_has_is_refused(tmp_path: Path) -> None:
    append_runs = delta_recipe()
    log, export, table = tmp_path / "a.jsonl", tmp_path / "out", str(tmp_path / "table")
    write_log(log, "a")
    toolkit.export(log, to=export)
    append_runs(str(export), table)
    write_log(log, "b")
    toolkit.export(log, to=export)

    toolkit.compact(export)  # too early: the part has rows of both runs

    with pytest.raises(RuntimeError, match="would have 6 rows, not 4"):
        append_runs(str(export), table)
    assert pl.read_delta(table).height == 2
