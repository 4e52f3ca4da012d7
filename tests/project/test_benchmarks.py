"""The logs that speed is measured with, and that each engine answers right."""

from __future__ import annotations

import json
import runpy
import sys
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest

import toolkit
from tests.benchmarks import engines, logs
from tests.benchmarks.comparison import compare
from tests.benchmarks.logs import Right, write_log
from tests.benchmarks.speed import HERE, Log

ROOT = Path(__file__).parents[2]
KINDS = ("mixed", "realistic", "short")
FOUND = ("lines", "responses", "choices", "rejected", "tokens")
DAY = int(datetime(2026, 9, 1, 12, tzinfo=UTC).timestamp())


def make_log(kind: str, folder: Path) -> Log:
    path = folder / f"{kind}.jsonl"
    return Log(kind, path, write_log(kind, path, 1_000_000), 0.001)


def response(**changes: object) -> dict[str, object]:
    choices = [{"message": {}, "finish_reason": "stop"}] * 2
    return {"model": "m", "choices": choices, "usage": {"total_tokens": 7}, **changes}


def test_what_a_log_holds_is_counted_line_by_line() -> None:
    right = Right()
    right.count(response(), DAY)
    right.count(response(), DAY + 11 * 3600)  # 23:00 of the same day
    right.count(response(usage=None), DAY + 12 * 3600)  # midnight
    right.count(response(model=None), None)
    right.count(response(usage_metadata={"total_tokens": 9}), DAY)
    right.count(response(choices=[{"message": {}, "finish_reason": {}}]), DAY)
    assert (right.lines, right.responses, right.rejected) == (6, 4, 2)
    # Three of the four responses report 7 tokens; each has two choices.
    assert (right.choices, right.tokens, right.choices_tokens) == (8, 21, 42)
    assert right.groups == {
        "2026-09-01 m": [2, 14],
        "2026-09-02 m": [1, 0],
        " ": [1, 7],
    }


@pytest.mark.parametrize(
    ("recorded", "fresh"),
    [
        # 2 * 0x9E3779B97F4A7C15 - 2**64 = 0x3C6EF372FE94F82A
        ('{"id": "chatcmpl-a_b", "created":1, "id2":1}',
         '{"id": "chatcmpl-a_3c6ef372fe94f82a", "created":5, "id2":1}'),
        ('{ "created" : "1" ,"a":{"id":"x"},"id":"r-12"}',
         '{ "created" : "5" ,"a":{"id":"x"},"id":"r-04354685564936845354"}'),
        ('{"id":"","model":"é"}', '{"id":"","model":"é"}'),
        ('{"model":"m","created":null}', '{"model":"m","created":null}'),
    ],
)  # fmt: skip
def test_only_id_and_time_of_a_recorded_line_change(recorded: str, fresh: str) -> None:
    assert logs._cut(recorded).line(2, 5) == fresh


@pytest.mark.parametrize("kind", KINDS)
def test_the_package_finds_what_a_log_holds(kind: str, tmp_path: Path) -> None:
    log = make_log(kind, tmp_path)
    ledger = toolkit.load(log.path).ledger
    assert {name: ledger[name].sum() for name in (*FOUND[:-1], "total_tokens")} == {
        "total_tokens" if name == "tokens" else name: getattr(log.right, name)
        for name in FOUND
    }
    assert ledger["duplicates"].sum() == 0


def test_generated_lines_vary(tmp_path: Path) -> None:
    write_log("realistic", tmp_path / "log.jsonl.gz", 3_000_000)
    choices = toolkit.load(tmp_path / "log.jsonl.gz").frame
    lengths = choices["content"].str.len_chars().drop_nulls()
    assert 300 < lengths.median() < 500
    assert lengths.max() > 5_000
    assert choices["model"].n_unique() == len(logs.MODELS)
    assert choices["choice_count"].max() == 4
    assert choices["created"].dt.date().n_unique() >= logs.DAYS
    for name in (
        "cached_tokens",
        "refusal",
        "tool_calls",
        "logprob_sum",
        "total_tokens",
    ):
        assert 0 < choices[name].null_count() < choices.height, name


# polars cannot read a time that is text, as some recorded lines have it.
@pytest.mark.parametrize(
    ("engine", "kind"),
    [*product(("toolkit", "duckdb"), KINDS), ("polars", "realistic")],
)
def test_each_engine_finds_the_tokens(
    engine: str,
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    log = make_log(kind, tmp_path)
    monkeypatch.setattr(sys, "argv", ["", str(log.path)])
    runpy.run_path(str(HERE / f"tokens_{engine}.py"))
    assert log.has_groups(capfd.readouterr().out)
    assert not log.has_groups("period,model,responses,total_tokens\n2026-09-01,m,1,1")


@pytest.mark.parametrize(
    ("engine", "kind"),
    [
        *product(("load_toolkit", "load_duckdb"), KINDS),
        *product(("export_toolkit", "export_duckdb"), ["mixed"]),
    ],
)
def test_each_engine_finds_the_rows(
    engine: str, kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log = make_log(kind, tmp_path)
    engines.main(engine, str(log.path), str(log.path))
    printed = capsys.readouterr().out
    assert log.has_sums(printed)
    assert not log.has_sums(json.dumps({**json.loads(printed), "rows": 1}))


@pytest.mark.usefixtures("corpus")
@pytest.mark.parametrize("engine", ["load_toolkit", "load_loop"])
def test_each_engine_finds_the_streams(
    engine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "chunks.jsonl"
    log = Log("chunks", path, write_log("chunks", path, 500_000), 0.0005)
    engines.main(engine, str(path), str(path))
    assert log.has_sums(capsys.readouterr().out)


def test_without_recorded_lines_those_of_the_sample_are_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "CORPUS", tmp_path / "absent")
    path = tmp_path / "log.jsonl"
    right = write_log("mixed", path, 5_000_000)
    ledger = toolkit.load(path).ledger
    assert ledger["responses"].sum() == right.responses == right.lines > 3_000
    assert ledger["total_tokens"].sum() == right.tokens


def test_the_comparison_shows_what_its_twenty_lines_hold() -> None:
    found = compare.toolkit(compare.LOG)
    # 13 calls; 1,100 + 1,900 + 10,200 + 2,500 + 1,500 + 7,700 + 4,000 + 1,900 + 3,000
    # + 21,000 + 2,300 + 620 tokens; 0.0035 + 0.0115 + 0.017 + 0.0006 + 0.006 + 0.01125
    # + 0.0034 + 0.00775 + 0.0099 + 0.0018 dollars.
    assert found[:2] == (13, 57_720)
    assert found.cost == pytest.approx(0.0727, abs=1e-9)
    assert found.note == compare.ANSWER.note
    assert compare.ANSWER[:2] == found[:2]
    assert compare.ANSWER.cost == pytest.approx(0.0727, abs=1e-9)

    page = (ROOT / "docs/explanation/comparison.md").read_text("utf-8")
    assert compare.table_row("the known answer", found) in page
    for name in compare.OTHERS:
        assert f"\n| {name} " in page
