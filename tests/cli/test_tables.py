"""Tables in a terminal: what fits, and what is left out."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.support.command import run
from toolkit.cli.screen import print_table
from toolkit.cli.tables import _cell, lay_out, notes_of
from toolkit.formatting.text import format_json
from toolkit.metrics import (
    METRICS,
    cost,
    cost_change,
    measure,
    token_usage,
    truncation_rate,
)
from toolkit.metrics.registry import SPECS
from toolkit.testing import make_choices, make_response

ROOT = Path(__file__).parents[2]


def shown(frame: pl.DataFrame, metric: str, width: int) -> list[str]:
    """Return the names of the columns that fit into a width."""
    return [c.name for c in lay_out(frame, SPECS[metric], width).shown]


def test_columns_are_chosen_by_weight_and_shown_in_the_order_of_the_table() -> None:
    usage = token_usage(
        make_choices(
            {"prompt_tokens": 700, "completion_tokens": 30, "total_tokens": 730},
            {},
        )
    )

    # period 11, model 5, total 5, responses 9, each and a space, and one more at the
    # edge: 35. In one less there is room for prompt, 6.
    assert shown(usage, "token_usage", 34) == [
        "period", "model", "prompt_tokens", "total_tokens",
    ]  # fmt: skip
    assert shown(usage, "token_usage", 35) == [
        "period", "model", "responses", "total_tokens",
    ]  # fmt: skip
    # No cached token was reported: neither the sum nor what it lacks tells anything.
    assert shown(usage, "token_usage", 200) == [
        "period", "model", "responses", "responses_without_usage", "prompt_tokens",
        "prompt_unseen", "completion_tokens", "completion_unseen", "total_tokens",
    ]  # fmt: skip


def test_what_does_not_fit_is_named() -> None:
    usage = token_usage(make_choices({"total_tokens": 730}))

    layout = lay_out(usage, SPECS["token_usage"], 30)

    names = {column.name for column in layout.shown} | set(layout.left_out)
    assert names == set(usage.columns) - {"period_end", "partial"}


def printed(model: str, columns: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the lines of a table with one model, on an output without UTF-8."""
    written = io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="\n")
    monkeypatch.setattr(sys, "stdout", written)
    monkeypatch.setenv("COLUMNS", str(columns))
    choices = make_choices({"model": model, "total_tokens": 730})

    print_table(token_usage(choices, every=None, by="model"), SPECS["token_usage"])

    written.flush()
    return written.buffer.getvalue().decode("cp1252").splitlines()


def test_a_long_name_is_folded_and_its_row_has_the_height_of_the_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # 30 columns: edges 2, total 5, a space between; 22 are left for 26 letters.
    lines = printed("abcdefghijklmnopqrstuvwxyz", 30, monkeypatch)

    assert lines == [
        " " * 30,
        " model                  total ",
        f" {'-' * 28} ",
        " abcdefghijklmnopqrstuv   730 ",
        " wxyz                         ",
        " " * 30,
        " all                      730 ",
        " " * 30,
    ]


def test_a_name_that_fits_is_not_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed("a b", 30, monkeypatch)

    assert lines[1:4] == [
        " model responses total ",
        f" {'-' * 21} ",
        " a b           1   730 ",
    ]


@pytest.mark.parametrize(
    ("metric", "name", "cell", "expected"),
    [
        ("cost", "responses", 1234567, "1,234,567"),
        ("finish_reasons", "share", 0.5, "50%"),
        ("finish_reasons", "share", 0.0, "0%"),
        ("cache_share", "cache_share", 0.0001, "<0.1%"),
        ("truncation_rate", "response_rate", 0.9999, ">99.9%"),
        ("truncation_rate", "response_rate_change", -0.25, "-25 points"),
        ("tokens_per_response", "mean", 1234.56, "1,235"),
        ("cost", "cost", Decimal("4812.067900000000"), "$4,812.07"),
        ("tokens_per_response", "p50", None, "–"),
        ("drift", "differs", True, "yes"),
        (
            "drift",
            "first_seen",
            datetime(2026, 11, 2, 3, 4, tzinfo=UTC),
            "2026-11-02 03:04",
        ),
    ],
)
def test_a_cell_is_written_by_the_unit_of_its_measure(
    metric: str, name: str, cell: object, expected: str
) -> None:
    row = {"response_rate": 0.25, "response_rate_before": 0.5, name: cell}
    assert _cell(name, row, SPECS[metric].get(name)) == expected


def priced(day: int, *models: str, reason: str = "stop") -> list[dict[str, object]]:
    """Make responses of 1,000 and 101 tokens: 0.00351 USD each of gpt-4o."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 101, "total_tokens": 1101}
    created = datetime(2026, 11, day, tzinfo=UTC)
    return [
        {"created": created, "model": model, "finish_reason": reason, **usage}
        for model in models
    ]


def cells(frame: pl.DataFrame, metric: str, name: str) -> list[str]:
    """Return a column as it is shown, its sum last."""
    layout = lay_out(frame, SPECS[metric], 1000)
    (column,) = [column for column in layout.shown if column.name == name]
    return [*column.cells, column.footer]


def test_money_that_leaves_something_out_is_a_lower_bound_or_unknown() -> None:
    choices = make_choices(*priced(1, "gpt-4o", "own"), *priced(2, "gpt-4o", "gpt-4o"))

    by_model = cells(cost(choices, every=None), "cost", "cost")
    by_day = cells(cost(choices, by=()), "cost", "cost")
    nothing = cells(cost(make_choices(*priced(1, "own")), by=()), "cost", "cost")

    # 1,000 x 2.50 + 101 x 10 USD per million are 0.00351: 0.0035 at least, and two
    # are 0.00702. All three, 0.01053, are 0.011 to the nearest.
    assert by_model == ["$0.011", "unknown", "≥ $0.01"]
    assert by_day == ["≥ $0.0035", "$0.007", "≥ $0.01"]
    assert nothing == ["unknown", "unknown"]


def test_a_change_from_or_to_a_lower_bound_is_marked() -> None:
    days = [("gpt-4o",), ("gpt-4o", "own"), ("gpt-4o", "own"), ("gpt-4o",), ("own",)]
    choices = make_choices(
        *[row for day, names in enumerate(days, 1) for row in priced(day, *names)]
    )
    table = cost(choices, by=(), compare="previous")

    before = cells(table, "cost", "cost_before")[:-1]
    assert before == ["–", "$0.0035", "≥ $0.0035", "≥ $0.0035", "$0.0035"]
    changes = cells(table, "cost", "cost_change")[:-1]
    assert changes == ["–", "≥ $0", "~ $0", "≤ $0", "unknown"]


def test_the_cost_of_answers_cut_off_is_a_lower_bound_too() -> None:
    choices = make_choices(*priced(1, "gpt-4o", "own", reason="length"))

    by_model = truncation_rate(choices, every=None)

    assert cells(by_model, "truncation_rate", "cost_truncated") == [
        "$0.0035", "unknown", "≥ $0.0035",
    ]  # fmt: skip


def test_at_80_columns_the_marks_of_lower_bounds_are_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    print_table(cost(make_choices(*priced(1, "gpt-4o", "own"))), SPECS["cost"])

    text = " ".join(capsys.readouterr().out.split())
    assert "unknown" in text
    assert "1 response has no known price: totals are lower bounds" in text


def test_a_note_explains_rows_that_do_not_add_up(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [{"model": name, "reported_cost": 0.336} for name in "abc"]

    print_table(cost(make_choices(*rows), every=None), SPECS["cost"])
    rounded = capsys.readouterr().out
    print_table(cost(make_choices(*rows[:1]), every=None), SPECS["cost"])

    # Three times 0.336, shown as $0.34, are 1.008: $1.01, and not $1.02.
    assert rounded.count("$0.34") == 3
    assert "$1.01" in rounded
    assert "amounts are rounded" in rounded
    assert "amounts are rounded" not in capsys.readouterr().out


def test_tokens_that_no_call_reports_are_unknown_and_bounds_are_marked() -> None:
    choices = make_choices(
        {"model": "a", "total_tokens": 10},
        {"model": "a"},
        {"model": "b"},
        {"model": "c", "prompt_tokens": 7, "completion_tokens": 2},
    )
    usage = token_usage(choices, every=None)

    # 10, and unknown; unknown; 7 + 2 without a total.
    assert cells(usage, "token_usage", "total_tokens") == [
        "≥ 10", "unknown", "≥ 9", "≥ 19",
    ]  # fmt: skip
    folded = token_usage(choices, every=None, top=2)
    assert cells(folded, "token_usage", "folded") == ["0", "0", "1", ""]
    layout = lay_out(usage, SPECS["token_usage"], 1000)
    notes = notes_of(usage, SPECS["token_usage"], layout)
    assert notes == ["≥ at least: something is not reported"]


def test_the_change_before_all_data_is_unknown_also_in_the_last_row() -> None:
    choices = make_choices({"reported_cost": 0.5}, {"model": "own"})
    range_ = {"since": "2026-01-01", "until": "2026-01-02"}

    change = cost_change(choices, **range_)

    assert cells(change, "cost_change", "cost") == ["$0.50", "unknown", "≥ $0.50"]
    assert cells(change, "cost_change", "cost_change") == ["–", "unknown", "unknown"]


def test_of_the_causes_of_a_change_the_largest_fit_first() -> None:
    """Prompts became three times as long; there was one call more, of eleven."""
    counts = {"completion_tokens": 100, "finish_reason": "stop", "cached_tokens": 0}
    before, now = (
        {"model": "gpt-4o", "provider": "openai", "prompt_tokens": size, **counts,
         "total_tokens": size + 100, "created": datetime(2026, 11, day, tzinfo=UTC)}
        for size, day in ((1000, 10), (3000, 17))
    )  # fmt: skip
    choices = make_choices(*[before] * 10, *[now] * 11)
    change = cost_change(choices, since="2026-11-16", until="2026-11-23")

    # gpt-4o, three amounts, and room for one cause.
    names = shown(change, "cost_change", 38)
    assert "prompt_length_effect" in names
    assert "volume_effect" not in names


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a log with a long name of a model and numbers of seven digits."""
    path = tmp_path_factory.mktemp("logs") / "a.jsonl"
    counts = (1_000_000, 2, 1_000_002)
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    usage = dict(zip(names, counts, strict=True))
    long = "an/extremely-long-name-of-a-model-" * 3
    lines = [
        make_response(id="a", model=long, usage=usage),
        make_response(id="b", model="m\x1b[31m", usage=usage),
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("columns", [45, 80])
def test_every_metric_prints_a_table_that_fits_and_breaks_no_number(
    log: Path,
    name: str,
    columns: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))

    year = {"since": "2026-01-01", "until": "2027-01-01"}
    needed: Any = year if name == "cost_change" else {}

    print_table(measure(name, log, **needed), SPECS[name])

    text = capsys.readouterr().out
    assert max(map(len, text.splitlines()), default=0) <= columns
    assert "\x1b" not in text
    assert "1,000,002" in text or name != "token_usage"


def test_a_metric_takes_its_options_and_no_others(log: Path) -> None:
    asked = ("--every", "none", "--by", "none", "--json")
    compared = run("metric", "token_usage", log, *asked, "--compare", "previous",
        "--since", "2026-01-01", "--until", "2026-02-01",
    )  # fmt: skip
    folded = run("metric", "token_usage", log, "--top", "1", "--csv")
    refused = run("metric", "drift", log, "--every", "1d")
    unknown = run("metric", "tokn_usage", log)

    (row,) = json.loads(compared.stdout)
    # Both responses were made in January; nothing is known from before.
    assert (row["responses"], row["responses_before"]) == (2, None)
    assert "model,folded,responses" in folded.stdout
    assert ",other,1,1," in folded.stdout
    assert (refused.returncode, unknown.returncode) == (2, 2)
    assert "drift has no option 'every'; it takes tz, since, until" in refused.stderr
    assert "did you mean 'token_usage'?" in unknown.stderr


def test_tokens_is_short_for_token_usage_and_fill_shows_the_gaps(log: Path) -> None:
    options = ("--fill", "--since", "2026-01-01", "--until", "2026-01-04", "--csv")
    long = run("metric", "token_usage", log, *options)
    short = subprocess.run(
        [sys.executable, "-m", "toolkit", "tokens", log, *options],
        capture_output=True, check=True, text=True, cwd=ROOT,
    )  # fmt: skip

    # Two models in three days, and the heading.
    assert len(long.stdout.splitlines()) == 7
    assert short.stdout == long.stdout


def test_a_number_that_json_cannot_hold_is_an_error() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        format_json([float("inf")])
