"""The commands about money: what they print of a cost and of an invoice."""

from __future__ import annotations

import csv
import io
import json
import tomllib
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from tests.support.command import run
from toolkit.formatting.parameters import TABLE_ENDINGS
from toolkit.testing import make_response


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log: two days of gpt-4o and a model without a price."""
    # 1,000 tokens at $2.50 and 100 at $10 per million are $0.0035.
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    lines = [
        make_response(
            id=f"{model}-{day}",
            model=model,
            usage=usage,
            created=int(datetime(2026, 11, day, 12, tzinfo=UTC).timestamp()),
        )
        for model, day in (("gpt-4o", 2), ("gpt-4o", 3), ("my-own", 3))
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


@pytest.fixture
def invoice(tmp_path: Path) -> Path:
    """Write an invoice that has one call more on the third, under other names."""
    path = tmp_path / "invoice.csv"
    path.write_text(
        "date,model,calls,amount\n"
        "2026-11-02,gpt-4o,1,0.0035\n2026-11-03,gpt-4o,2,0.0070\n",
        encoding="utf-8",
    )
    return path


COLUMNS = ("--column", "responses=calls", "--column", "cost=amount")

READERS = {".csv": pl.read_csv, ".parquet": pl.read_parquet}


def test_focus_writes_the_costs_of_a_month(log: Path, tmp_path: Path) -> None:
    rows = {}
    for name in (f"focus{ending}" for ending in TABLE_ENDINGS):
        to = tmp_path / name
        done = run("focus", log, "--month", "2026-11", "--to", to, "--account", "acme")

        assert done.returncode == 0
        assert done.stderr == (
            f"{to} written, 5 rows, without the unknown cost of 1 response\n"
        )
        if to.suffix in READERS:
            rows[name] = READERS[to.suffix](to)

    # Two days of gpt-4o: 1,000 tokens cost 0.0025, 100 cost 0.001.
    assert [float(cost or 0) for cost in rows["focus.parquet"]["BilledCost"]] == [
        0.001, 0.0025, 0, 0.001, 0.0025,
    ]  # fmt: skip
    text = (tmp_path / "focus.csv").read_text("utf-8")
    assert text.startswith("BilledCost,BillingAccountId,")  # no byte-order mark
    assert "0.002500000000,acme," in text
    assert ",2026-12-01T00:00:00Z,2026-11-01T00:00:00Z,Usage,," in text
    columns = rows["focus.parquet"].columns
    first, *_ = json.loads((tmp_path / "focus.json").read_bytes())
    assert rows["focus.csv"].columns == [*first] == columns
    *_, last = (tmp_path / "focus.md").read_text("utf-8").splitlines()
    assert last.startswith("| 0.002500000000 | acme | ")
    assert zipfile.is_zipfile(tmp_path / "focus.xlsx")


def test_no_name_in_a_log_is_a_formula_in_a_file_of_focus(tmp_path: Path) -> None:
    log, to = tmp_path / "a.jsonl", tmp_path / "focus.csv"
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    created = int(datetime(2026, 11, 2, tzinfo=UTC).timestamp())
    line = make_response(model="=1+1\x1b[2J", usage=usage, created=created)
    log.write_text(json.dumps({**line, "team": "@x"}), encoding="utf-8")

    run("focus", log, "--month", "2026-11", "--to", to, "--tag", "team=team")

    (row,) = csv.DictReader(io.StringIO(to.read_text("utf-8")))
    assert row["x_Model"] == "'=1+1\N{REPLACEMENT CHARACTER}[2J"
    assert json.loads(row["Tags"]) == {"team": "@x"}
    assert not [cell for cell in row.values() if cell[:1] in set("=+-@\x1b")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--month", "2026-11", "--to", "a.xls"),
         "--to: expected a file that ends in .csv, .xlsx, .parquet, .json, .md, got "
         "'a.xls' (did you mean '.xlsx'?)"),
        (("--month", "2026-11", "--to", "no/a.csv"),
         "no/a.csv: cannot write: the directory no does not exist"),
        (("--month", "11", "--to", "a.csv"),
         "--month: expected a year and a month, such as 2026-11, got '11'"),
        (("--month", "9999-12", "--to", "a.csv"),
         "--month: expected a month before 9999-12, got '9999-12'"),
        (("--month", "2026-11", "--to", "a.csv", "--tz", "Europe/Berlin"),
         "no option '--tz' (did you mean '--to'?)"),
    ],
)  # fmt: skip
def test_focus_refuses_what_it_cannot_write(
    options: tuple[str, ...], message: str, log: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    done = run("focus", log, *options)

    assert done.returncode in (1, 2)
    assert done.stderr == f"toolkit: {message}\n"
    assert sorted(tmp_path.iterdir()) == [log]


def test_reconcile_prints_a_row_for_each_day_and_model(
    log: Path, invoice: Path
) -> None:
    done = run("reconcile", log, invoice, *COLUMNS)
    rows = csv.DictReader(
        io.StringIO(run("reconcile", log, invoice, *COLUMNS, "--csv").stdout)
    )

    assert done.returncode == 0
    second, third, own = [
        line.split() for line in done.stdout.splitlines() if "2026-11" in line
    ]
    assert second == ["2026-11-02", "gpt-4o", "$0.0035", "$0.0035", "$0", "agrees"]
    assert third[:5] == ["2026-11-03", "gpt-4o", "$0.0035", "$0.007", "$0.0035"]
    # What has no price is unknown, never $0.
    assert own[:5] == ["2026-11-03", "my-own", "–", "–", "–"]
    assert "1 of 3 rows agree" in done.stderr
    *compared, total = rows
    assert [row["explanation"] for row in compared] == [
        "agrees", "1 response missing in the log", "not invoiced",
    ]  # fmt: skip
    # 0.0035 + 0.0070 billed, 0.0035 + 0.0035 and something unknown logged
    assert [row["is_total"] for row in compared] == ["False"] * 3
    assert total["is_total"] == "True"
    names = ("cost", "cost_bound", "cost_invoiced", "difference", "difference_bound")
    assert [total[name] for name in names] == [
        "0.007000000000", "lower", "0.010500000000", "0.003500000000", "upper",
    ]  # fmt: skip
    (line,) = [line.split() for line in done.stdout.splitlines() if "total" in line]
    assert line[:6] == ["total", "≥", "$0.007", "$0.0105", "≤", "$0.0035"]


def test_reconcile_compares_only_the_days_of_the_range(
    log: Path, invoice: Path
) -> None:
    words = ("reconcile", log, invoice, *COLUMNS, "--json")

    done = run(*words, "--until", "2026-11-03")
    noon = run(*words, "--since", "2026-11-02T12:00")

    second, total = json.loads(done.stdout)
    assert second["day"] == "2026-11-02"
    assert total["cost_invoiced"] == second["cost_invoiced"] == "0.003500000000"
    assert noon.returncode == 2
    assert "--since: expected the start of a day in UTC" in noon.stderr


def test_reconcile_compares_only_the_responses_of_a_vendor(
    log: Path, invoice: Path
) -> None:
    words = ("reconcile", log, invoice, *COLUMNS, "--json")

    rows = {
        words: {row["model"] for row in json.loads(run(*words).stdout)} - {None}
        for words in (
            (*words, "--vendor", "OpenAI"),
            (*words, "--vendor", "azure"),
            (*words, "--vendor", "Azure OpenAI", "--provider", "azure"),
        )
    }

    # my-own has no vendor, unless --provider names one; gpt-4o is invoiced.
    assert list(rows.values()) == [{"gpt-4o"}, {"gpt-4o"}, {"gpt-4o", "my-own"}]


def test_reconcile_fails_a_schedule_if_a_tolerance_is_given(
    log: Path, invoice: Path
) -> None:
    words = ("reconcile", log, invoice, *COLUMNS, "--tolerance", "1%")

    assert run(*words).returncode == 3
    assert run(*words, "--until", "2026-11-03").returncode == 0
    wrong = run(*words[:-1], "some")
    assert wrong.returncode == 2
    assert wrong.stderr == (
        "toolkit: --tolerance: expected an amount of USD such as 0.05, or a share such "
        "as \"1%\", got 'some'\n"
    )


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("none.csv",), "none.csv"),
        (("{}", "--match", "famly"), "did you mean 'family'"),
        (("{}", "--column", "cost"), "--column: expected NAME=COLUMN"),
        (("{}", "--column", "cost=amont"), "did you mean 'amount'"),
    ],
)
def test_a_mistake_in_reconcile_is_wrong_usage(
    log: Path, invoice: Path, words: tuple[str, ...], fault: str
) -> None:
    done = run("reconcile", log, *[word.format(invoice) for word in words])

    assert (done.returncode, done.stdout) == (2, "")
    assert fault in done.stderr


@pytest.mark.parametrize(
    "command",
    [("tokens",), ("cost",), ("metric", "model_mix"), ("plot", "cost"), ("report",)],
)
def test_a_tag_without_its_prefix_is_named_by_every_command(
    log: Path, command: tuple[str, ...]
) -> None:
    to = ("--to", log.with_suffix(".png")) if command[0] == "plot" else ()

    done = run(*command, log, *to, "--tag", "team=model", "--by", "team")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "toolkit: no column 'team' (did you mean 'tag_team'?)\n"

    # Without the option that adds the column, the error names it.
    without = run(*command, log, *to, "--by", "team")
    hint = "--tag team=PATH adds the column 'tag_team'"
    assert without.stderr == f"toolkit: no column 'team': {hint}\n"


def test_cost_lists_what_has_no_price_and_why(log: Path) -> None:
    done = run("cost", log, "--every", "none")

    assert "no price for my-own (model not in the price data" in done.stderr
    assert "1 response, 1,100 tokens" in done.stderr


def test_cost_says_how_to_price_what_has_no_price(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    names = [
        {"model": "gpt-4o-minii"},
        {"model": "gpt-4o", "provider": "Opnai"},
        {"model": 'prod "chat"'},
        {"model": "llama-3.3-70b"},
    ]
    lines = [make_response(id=str(n), **one) for n, one in enumerate(names)]
    log.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")

    shown = run("cost", log, "--every", "none").stderr.splitlines()

    found = {line.partition(" (")[0]: line for line in shown}
    assert "model not in the price data" in found["no price for gpt-4o-minii"]
    assert found["no price for gpt-4o-minii"].endswith("(did you mean 'gpt-4o-mini'?)")
    assert found["no price for gpt-4o, Opnai"].endswith("(did you mean 'openai'?)")
    assert "not known who bills" in found["no price for llama-3.3-70b"]
    # Lines of a price file, of a name that is no typo.
    assert "--provider NAME" in shown[-3]
    for line in shown[-2:]:
        assert "llama-3.3-70b" in str(tomllib.loads(line))
