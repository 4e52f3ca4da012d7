"""`--to FILE` of the commands that print a table."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from tests.support.command import run
from toolkit.testing import make_response

BILL = "day,model,cost\n2026-01-01,gpt-4o,0.0035\n2026-01-02,gpt-4o,9\n"
COMMANDS = [
    ["tokens", "LOG"],
    ["metric", "cache_share", "LOG"],
    ["cost", "LOG", "--tz", "Asia/Tokyo"],
    ["cost", "LOG", "--lines"],
    ["cost", "LOG", "--as", "gpt-4o-mini"],
    ["explain", "LOG", "--model", "gpt-4o", "--date", "2026-01-01"],
    ["reconcile", "LOG", "BILL"],
    ["check", "LOG"],
    ["schema"],
]


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """Return the places of a log and a bill."""
    log, bill = tmp_path / "log.jsonl", tmp_path / "bill.csv"
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    made = [make_response(id=name, model="gpt-4o", usage=usage) for name in "ab"]
    log.write_text("".join(f"{json.dumps(one)}\n" for one in made), encoding="utf-8")
    bill.write_text(BILL, encoding="utf-8")
    return {"LOG": str(log), "BILL": str(bill)}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_each_command_writes_its_table_in_each_format(
    files: dict[str, str], tmp_path: Path, command: list[str]
) -> None:
    words = [files.get(word, word) for word in command]
    names = ["a.csv", "a.xlsx", "a.parquet", "a.json", "a.md"]
    paths = [tmp_path / name for name in names]
    printed = run(*words, "--json")

    done = run(*words, *(word for path in paths for word in ("--to", path)))

    assert (done.returncode, done.stdout) == (printed.returncode, "")
    assert json.loads(paths[3].read_text()) == json.loads(printed.stdout)
    frame = pl.read_parquet(paths[2])
    rows = f"{frame.height} row{'s' * (frame.height != 1)}"
    for path in paths:
        assert f"{path} written, {rows}" in done.stderr.splitlines()
    with paths[0].open(encoding="utf-8-sig", newline="") as file:
        heading, *cells = csv.reader(file)
    (sheet,) = openpyxl.load_workbook(paths[1]).worksheets
    assert heading == frame.columns
    assert [cell.value.split(" (")[0] for cell in sheet[1]] == frame.columns
    assert len(cells) == sheet.max_row - 1 == frame.height > 0
    assert len(paths[4].read_text("utf-8").splitlines()) == frame.height + 2


def test_the_file_has_what_is_printed_as_csv(
    files: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"

    done = run("cost", files["LOG"], "--csv", "--to", path)

    assert path.read_text("utf-8-sig") == done.stdout
    # 2 x (1000 x 2.50 + 100 x 10) / 10^6
    assert ",0.007000000000,exact," in done.stdout


@pytest.mark.parametrize(
    ("to", "words"),
    [
        (
            "a.xls",
            "expected a file that ends in .csv, .xlsx, .parquet, .json, .md, got",
        ),
        ("a.xls", "(did you mean '.xlsx'?)"),
        ("none/a.csv", "the directory none does not exist"),
        ("a.csv", "a.csv: cannot write: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_written_is_refused_before_the_log_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").mkdir()

    done = run("tokens", "no-such-log.jsonl", "--to", to)

    assert done.returncode in {1, 2}
    assert words in done.stderr
    assert "no-such-log" not in done.stderr


def test_a_bill_that_differs_still_exits_3(
    files: dict[str, str], tmp_path: Path
) -> None:
    to = ("--tolerance", "0", "--to", tmp_path / "a.md")

    done = run("reconcile", files["LOG"], files["BILL"], *to)

    assert done.returncode == 3
    assert (tmp_path / "a.md").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["cost", "log.json", "--to", "log.json"],
        [
            "tokens",
            "b.json",
            "./log.json",
            "--to",
            "a.csv",
            "--to",
            "{folder}/log.json",
        ],
        ["report", "log.json", "--to", "link.json"],
        ["tokens", "{folder}", "--to", "log.json"],
        ["tokens", "*.json", "--to", "{folder}/link.json"],
        ["reconcile", "log.json", "bill.csv", "--to", "bill.csv"],
        ["focus", "bill.csv", "--month", "2026-01", "--to", "bill.csv"],
        ["plot", "cost", "log.json", "--to", "log.json"],
    ],
    ids=" ".join,
)
def test_a_file_that_is_read_is_not_replaced(
    files: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(files["LOG"]).rename(tmp_path / "log.json")
    (tmp_path / "link.json").symlink_to(tmp_path / "log.json")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "log.json")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    done = run(*(word.format(folder=tmp_path) for word in words))

    assert done.returncode == 2
    assert "--to: expected another file than those that are read, got" in done.stderr
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
