"""From a sum of money down to its lines, in Python and by the command."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit
from tests.support.command import run
from toolkit.errors import (
    MissingColumnsError,
    OptionError,
    PartialResponsesWarning,
    ToolkitWarning,
)
from toolkit.metrics.explain import cost_lines
from toolkit.pricing import missing_prices, reconcile, what_if
from toolkit.testing import make_choices, make_response

ROOT = Path(__file__).parents[2]
NOON = datetime(2026, 10, 5, 12, tzinfo=UTC)
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
# 1,000 x 2.50 + 100 x 10 USD per million
GPT_4O = Decimal("0.0035")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log: three of gpt-4o, one without usage, one with a name of evil."""
    path = tmp_path / "a.jsonl"
    created = int(NOON.timestamp())
    lines = [
        make_response(id=str(number), created=created, model=model, usage=usage)
        for number, (model, usage) in enumerate(
            [
                ("gpt-4o", USAGE),
                ("gpt-4o", {**USAGE, "cost": 0.25}),
                ("gpt-4o", None),
                ("\x1b[31m" + "x" * 10_000, USAGE),
            ]
        )
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path


def test_a_sum_is_explained_by_its_prices_and_its_lines(log: Path) -> None:
    explained = toolkit.explain(log, model="gpt-4o", date="2026-10-05")

    shown = explained.lines.select("place", "cost", "cost_source", "reason", "price")
    assert shown.rows() == [
        (f"{log}:1", GPT_4O, "priced", None, 0),
        (f"{log}:2", Decimal("0.25"), "reported", None, None),
        (f"{log}:3", None, "unpriced", "no_usage", None),
    ]
    (price,) = explained.prices.iter_rows(named=True)
    assert (price["input"], price["cached"], price["output"]) == (
        Decimal("2.5"),
        Decimal("1.25"),
        Decimal(10),
    )
    assert (price["reasoning"], price["responses"], price["cost"]) == (None, 1, GPT_4O)
    assert price["source"].endswith(", openai, gpt-4o")
    assert explained.unseen["reason"].to_list() == ["no_usage"]
    # 0.2535, rounded down as a lower bound
    assert explained.summary == "at least $0.25; 1 of 3 responses unpriced"
    assert explained.cost == Decimal("0.2535")


def test_a_line_is_traced_to_the_row_of_the_users_file(
    log: Path, tmp_path: Path
) -> None:
    prices = tmp_path / "own.toml"
    prices.write_text(
        '[[price]]\nmodel="gpt-4o"\nto=2026-10-05T12:00:01Z\ninput=1\noutput=2\n'
    )

    explained = toolkit.explain(log, model="gpt-4o", date="2026-10-05", prices=prices)

    # 1,000 x 1 + 100 x 2
    assert explained.lines["cost"][0] == Decimal("0.0012")
    (source,) = explained.prices["source"]
    assert source == f"{prices}, price 1 to 2026-10-05 12:00:01+00:00"


def test_a_day_begins_in_the_zone_and_undated_responses_have_none() -> None:
    late = datetime(2026, 10, 5, 23, tzinfo=UTC)
    choices = make_choices(
        {"model": "gpt-4o-2024-08-06", **USAGE, "created": late},
        {"model": "gpt-4o-2024-08-06", **USAGE, "created": None},
    )

    berlin = toolkit.explain(
        choices, model="gpt-4o-2024-08-06", date=date(2026, 10, 6), tz="Europe/Berlin"
    )
    undated = toolkit.explain(choices.lazy(), model="gpt-4o-2024-08-06", date=None)

    assert berlin.lines["line"].to_list() == [1]
    assert undated.lines["line"].to_list() == [2]
    assert undated.summary == "$0.0035"


def test_a_model_without_responses_is_an_error_with_those_of_the_day(log: Path) -> None:
    message = (
        r"a model with a response on 2026-10-05, got 'gpt-40' "
        r"\(did you mean 'gpt-4o'\?\); there are: gpt-4o"
    )
    with pytest.raises(OptionError, match=message):
        toolkit.explain(log, model="gpt-40", date="2026-10-05")
    with pytest.raises(OptionError, match="with a response on 2026-10-06, got"):
        toolkit.explain(log, model="gpt-4o", date=date(2026, 10, 6))
    with pytest.raises(OptionError, match="a day such as 2026-01-31"):
        toolkit.explain(log, model="gpt-4o", date="soon")
    with pytest.raises(MissingColumnsError, match="model"):
        toolkit.explain(make_choices().drop("model"), model="m", date=None)


def test_what_has_no_price_costs_something_unknown() -> None:
    choices = make_choices({"model": "own", **USAGE})

    explained = toolkit.explain(choices, model="own", date="2026-01-01")
    spent = toolkit.spending(choices)

    assert explained.cost is None
    assert explained.lines["cost_bound"].to_list() == ["unknown"]
    for summary in (explained.summary, spent.summary):
        assert summary == "cost unknown; 100% of tokens unpriced"


def test_the_lines_of_logs_add_up_to_what_they_cost(log: Path, tmp_path: Path) -> None:
    second = tmp_path / "b.jsonl"
    second.write_text(json.dumps(make_response(model="gpt-4o", usage=USAGE)) + "\n")
    logs = [log, second]

    lines = pl.concat(cost_lines(logs))
    spent = toolkit.spending(logs, every=None, by=())
    later = pl.concat(cost_lines(logs, since="2026-10-05"))

    names = ("source", "line", "model", "prompt_tokens", "reported_cost")
    names = (*names, "cost", "cost_bound", "cost_source", "reason")
    other = "\x1b[31m" + "x" * 10_000
    assert lines.select(names).rows() == [
        *(
            (str(log), 1, "gpt-4o", 1000, None, GPT_4O, "exact", "priced", None),
            (
                str(log),
                2,
                "gpt-4o",
                1000,
                0.25,
                Decimal("0.25"),
                "exact",
                "reported",
                None,
            ),
            (
                str(log),
                3,
                "gpt-4o",
                None,
                None,
                None,
                "unknown",
                "unpriced",
                "no_usage",
            ),
            (
                str(log),
                4,
                other,
                1000,
                None,
                None,
                "unknown",
                "unpriced",
                "unknown_model",
            ),
        ),
        (str(second), 1, "gpt-4o", 1000, None, GPT_4O, "exact", "priced", None),
    ]
    assert lines["rate"][0].endswith(", openai, gpt-4o")
    assert lines["rate"].to_list()[1:4] == ["reported", None, None]
    assert (
        lines["cost"].sum() == spent.costs["cost"].sum() == GPT_4O * 2 + Decimal("0.25")
    )
    assert later["source"].unique().to_list() == [log.as_posix()]
    explained = toolkit.explain(log, model="gpt-4o", date="2026-10-05").lines
    assert explained.drop("place", "price").equals(lines[:3])


RESPONSES = st.lists(
    st.fixed_dictionaries(
        {
            "model": st.sampled_from(["gpt-4o", "own", None]),
            "created": st.sampled_from([NOON, None]),
        },
        optional={
            "prompt_tokens": st.integers(0, 10**9),
            "completion_tokens": st.integers(0, 10**9),
            "cached_tokens": st.integers(0, 10**9),
            "reported_cost": st.floats(0, 10**6, allow_subnormal=False),
        },
    ),
    max_size=8,
)


@settings(max_examples=20, deadline=None)
@given(RESPONSES)
def test_every_line_is_exact_or_unknown_and_they_add_up(
    responses: list[dict[str, Any]],
) -> None:
    choices = make_choices(*responses)

    lines = pl.concat(cost_lines(choices))
    total = toolkit.spending(choices, every=None, by=()).costs

    assert lines.height == len(responses)
    known = lines["cost"].drop_nulls()
    assert total["cost"].to_list() == (
        [known.sum() if len(known) else None] if responses else []
    )
    assert (lines["cost"].is_null() == (lines["cost_bound"] == "unknown")).all()
    assert (lines["cost"].is_null() == lines["reason"].is_not_null()).all()
    assert (lines["cost"].is_null() == lines["rate"].is_null()).all()


def test_spending_is_the_metric_with_what_is_missing(log: Path) -> None:
    # No line has metadata, so the tag is null in every line.
    with pytest.warns(ToolkitWarning, match="tag_role is null in every line") as warned:
        spent = toolkit.spending(log, every=None, by="tag_role", tags=ROLE)

    assert len(warned) == 1
    assert spent.costs["cost"].to_list() == [Decimal("0.2535")]
    assert spent.missing["responses"].sum() == 2
    # 1,100 of 3,300 tokens are the evil one's.
    assert spent.summary == "at least $0.25; 33.3% of tokens unpriced"
    again = toolkit.spending(toolkit.load(log), every=None, by=())
    assert again.summary == spent.summary
    with pytest.raises(MissingColumnsError, match="modle"):
        toolkit.spending(log, by="modle")


def test_a_range_that_ends_before_the_data_does_is_complete() -> None:
    days = [datetime(2026, 11, day, 12, tzinfo=UTC) for day in (1, 2, 3)]
    choices = make_choices(
        *[{"created": day, "model": "gpt-4o", **USAGE} for day in days[:2]],
        {"created": days[2], "model": "own", **USAGE},
    )

    whole = toolkit.spending(choices, until="2026-11-03")
    cut = toolkit.spending(choices, until="2026-11-02T18:00")
    last = toolkit.spending(choices)

    assert whole.costs["partial"].to_list() == [False, False]
    # What lies behind the range is not counted.
    assert whole.costs["cost"].to_list() == [GPT_4O, GPT_4O]
    assert whole.missing.is_empty()
    assert whole.summary == "$0.007"
    assert cut.costs["partial"].to_list() == [False, True]
    assert last.costs["partial"].to_list() == [False, False, True]


def test_missing_choices_of_a_response_give_a_warning() -> None:
    two = {"model": "gpt-4o", "choice_count": 2}
    picked = make_choices({**two, **USAGE}, {**two, "choice_position": 1}).filter(
        pl.col("choice_position") == 1
    )
    invoice = pl.DataFrame({"day": date(2026, 1, 1), "model": "gpt-4o", "cost": "1"})
    choices_are_missing = "choices of 1 response are missing"

    with pytest.warns(PartialResponsesWarning, match=choices_are_missing):
        toolkit.spending(picked)
    with pytest.warns(PartialResponsesWarning, match=choices_are_missing):
        missing_prices(picked)
    with pytest.warns(PartialResponsesWarning, match=choices_are_missing):
        what_if(picked, model="gpt-4o-mini")
    with pytest.warns(PartialResponsesWarning, match=choices_are_missing):
        reconcile(picked, invoice)
    with (
        pytest.warns(PartialResponsesWarning, match=choices_are_missing),
        pytest.raises(OptionError),
    ):
        toolkit.explain(picked, model="gpt-4o", date="2026-01-01")


ROLE = {"role": "metadata.role"}


def test_the_command_prints_costs_and_lists_missing_prices(log: Path) -> None:
    done = run("cost", log)

    assert done.returncode == 0
    lines = [line.split() for line in done.stdout.splitlines() if "2026" in line]
    assert lines[-1] == ["2026-10-05…", "gpt-4o", "≥", "$0.25", "3", "1", "≥", "2,200"]
    assert "unknown" in done.stdout
    assert "at least $0.25; 33.3% of tokens unpriced" in done.stderr.splitlines()
    assert ": 1 response, 1,100 tokens" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert max(map(len, done.stderr.splitlines())) < 200


def test_the_command_prints_each_line_for_an_auditor(log: Path) -> None:
    as_csv = run("cost", log, "--lines", "--csv")
    as_json = run("cost", "-", "--lines", "--json", stdin=log.read_bytes())
    none = run("cost", log, "--lines", "--json", "--since", "2027-01-01")
    none_csv = run("cost", log, "--lines", "--csv", "--since", "2027-01-01")

    rows = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert [row["line"] for row in rows] == ["1", "2", "3", "4"]
    # 0.0035 + 0.25; the others are unknown.
    assert [row["cost"] for row in rows] == ["0.003500000000", "0.250000000000", "", ""]
    assert [row["reason"] for row in rows][2:] == ["no_usage", "unknown_model"]
    for row, again in zip(rows, json.loads(as_json.stdout), strict=True):
        assert again["cost"] == (row["cost"] or None)
        assert again["created"] == row["created"]
    assert json.loads(none.stdout) == []
    assert none_csv.stdout.splitlines() == as_csv.stdout.splitlines()[:1]
    assert "\x1b" not in as_csv.stdout + as_json.stdout


def test_the_command_prices_the_same_tokens_at_another_model(log: Path) -> None:
    done = run("cost", log, "--as", "gpt-4o-mini")
    as_json = run("cost", log, "--as", "gpt-4o-mini", "--json")

    (row,) = [line.split() for line in done.stdout.splitlines() if " gpt-4o " in line]
    # Three: 0.0035 + 0.25 and one without usage now, 2 x 0.00021 there; of the two
    # that are known on both sides 0.25308 less.
    assert row == ["gpt-4o", "3", "≥", "$0.2535", "≥", "$0.00042", "~", "-$0.25308"]
    assert done.stderr.startswith("an estimate: another model")
    evil, gpt = json.loads(as_json.stdout)
    assert (gpt["cost"], gpt["difference_bound"]) == ("0.253500000000", "approximate")
    assert (evil["cost"], evil["cost_bound"]) == (None, "unknown")
    assert (evil["cost_elsewhere"], evil["difference"]) == ("0.000210000000", None)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--lines", "--csv", "--by", "provider"), "cannot be combined with --every"),
        (
            ("--as", "gpt-4o", "--every", "1w"),
            "cannot be combined with --every or --by",
        ),
        (("--as", "gpt-4o-mimi"), "model: expected a model with a price"),
    ],
)
def test_a_mistake_with_lines_or_another_model_is_wrong_usage(
    log: Path, words: tuple[str, ...], fault: str
) -> None:
    done = run("cost", log, *words)

    assert (done.returncode, done.stdout) == (2, "")
    assert fault in done.stderr


def test_a_narrow_screen_breaks_no_number_and_says_what_it_leaves_out(
    log: Path,
) -> None:
    costs = run("cost", log, "--every", "1mo", columns=40)
    day = ("--model", "gpt-4o", "--date", "2026-10-05")
    explained = run("explain", log, *day, columns=40)

    for done in (costs, explained):
        assert done.returncode == 0
        assert max(map(len, done.stdout.splitlines())) <= 40
    assert "≥ $0.25" in costs.stdout
    assert "unknown" in costs.stdout
    assert "gpt-4o" in costs.stdout
    assert "(no room, or only 0 or unknown): use --csv" in costs.stderr
    # The three lines: 0.0035 by the catalogue, 0.25 reported, the third without usage.
    lines = explained.stdout.partition("Lines")[2]
    assert re.findall(r"\$[\d.]+|no_usage", lines) == ["$0.0035", "$0.25", "no_usage"]
    assert "…" not in explained.stdout


def test_costs_are_printed_without_series_and_without_periods(log: Path) -> None:
    together = run("cost", log, "--by", "none", "--every", "none", "--json")
    printed = run("cost", log, "--by", "none", "--every", "none")
    picture = log.with_name("cost.svg")
    plotted = run("plot", "cost", log, "--by", "none", "--to", picture)

    (row,) = json.loads(together.stdout)
    assert (row["responses"], row["cost"]) == (4, "0.253500000000")
    assert "model" not in row
    assert "≥ $0.25" in printed.stdout
    assert plotted.returncode == 0
    assert picture.stat().st_size > 0


def test_the_command_reads_a_pipe_once_and_writes_exact_money(log: Path) -> None:
    as_json = run("cost", "-", "--json", "--by", "provider", stdin=log.read_bytes())
    as_csv = run("cost", log, "--csv", "--every", "1mo", "--since", "2026-10-01")

    (row,) = json.loads(as_json.stdout)
    assert row["cost"] == "0.253500000000"
    assert (row["responses"], row["responses_unpriced"]) == (4, 2)
    rows = list(csv.DictReader(io.StringIO(as_csv.stdout)))
    assert [row["cost"] for row in rows] == ["", "0.253500000000"]
    assert [row["cost_bound"] for row in rows] == ["unknown", "lower"]


def test_the_command_explains_a_number(log: Path) -> None:
    done = run("explain", log, "--model", "gpt-4o", "--date", "2026-10-05")
    as_json = run("explain", log, "--model", "gpt-4o", "--date", "2026-10-05", "--json")

    assert done.returncode == 0
    assert done.stdout.startswith("gpt-4o, 2026-10-05: at least $0.25; 1 of 3")
    assert "input 2.5, output 10, cached 1.25" in " ".join(done.stdout.split())
    assert "12:00:00 1,000 + 100" in done.stdout
    assert json.loads(as_json.stdout)["lines"][0]["cost"] == "0.003500000000"


def test_invalid_options_of_the_commands_about_money_exit_2(
    log: Path, tmp_path: Path
) -> None:
    (tmp_path / "own.toml").write_text("[[price]]\nmodle = 1\n")

    file = run("cost", log, "--prices", tmp_path / "own.toml")
    day = run("explain", log, "--model", "gpt-4o", "--date", "soon")
    last = run("explain", log, "--model", "gpt-4o", "--date", "9999-12-31")

    assert (file.returncode, day.returncode, last.returncode) == (2, 2, 2)
    assert len(last.stderr.splitlines()) == 1
    assert "expected a day before 9999-12-31" in last.stderr
    assert "price 1: unknown key 'modle' (did you mean 'model'?)" in file.stderr
    assert "a day such as" in day.stderr


def test_prices_are_named_in_the_frame_with_fixed_types(log: Path) -> None:
    explained = toolkit.explain(log, model="gpt-4o", date="2026-10-05")
    reported = toolkit.explain(
        make_choices({"model": "m", "reported_cost": 1.5}),
        model="m",
        date="2026-01-01",
    )

    assert reported.prices.is_empty()
    assert reported.prices.schema == explained.prices.schema
    assert reported.lines.schema == explained.lines.schema
    assert reported.lines.schema["cost"] == pl.Decimal(38, 12)
