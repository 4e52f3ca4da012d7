"""A report on what is not known: bounds, rejects, dates, silence, and budgets."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit
from tests.report.test_report import SCHEMA, at, calls, figures, run
from toolkit.errors import MissingColumnsError, UnsuitableColumnError
from toolkit.report import write_report
from toolkit.testing import make_choices, make_response

WEEK: dict[str, Any] = {
    "last": "week",
    "now": "2026-11-23",
    "compare": "previous",
}
NO_USAGE = dict.fromkeys(
    ["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"]
)


def report(*rows: dict[str, Any], **options: Any) -> Any:
    """Make a report of a week that keeps to its schema, as data."""
    made = write_report(make_choices(*rows), **{**WEEK, **options})
    data = json.loads(made.json())
    jsonschema.validate(data, SCHEMA)
    assert data["answer"]["headline"] in made.html().replace("&#39;", "'")
    return made


def exact(value: Any) -> dict[str, Any]:
    """Return an exact figure."""
    return {"value": value, "bound": "exact"}


UNKNOWN = {"value": None, "bound": "unknown"}


# Bounds and unknowns. A call is 1,100 tokens at 0.0035 USD, as in test_report.


def test_tokens_and_cost_that_no_call_reports_are_unknown() -> None:
    made = report(
        *calls("2026-11-10", 4), *calls("2026-11-17", 5, **NO_USAGE), every="1w"
    )

    assert made.headline == (
        "The week used an unknown number of tokens in 5 calls; what that cost is not "
        "known, as no call has a known price."
    )
    assert "The last call was on 17 Nov 2026, 12:00." in made.content.answer.certainty
    found = figures(made)
    for name in ("tokens", "cost", "cost_per_1000"):
        assert (found[name]["value"], found[name]["words"]) == (UNKNOWN, "")
        assert found[name]["before"]["bound"] == "exact"
    data = made.data()
    assert data["causes"] is None
    (period,) = data["periods"]
    assert (period["tokens"], period["cost"]) == (UNKNOWN, UNKNOWN)
    (row,) = data["models"]["rows"]
    assert (row["tokens"], row["cost"], row["change"]) == (UNKNOWN, UNKNOWN, UNKNOWN)
    for text in (made.markdown(), made.headline, made.html()):
        assert "-100%" not in text
        assert not re.search(r"(?<![\d,.])0 tokens", text)


def test_a_sum_that_misses_calls_is_a_lower_bound() -> None:
    # 3 of 5 calls report: 3,300 tokens, 0.0105 USD, where 5 were 5,500 and 0.0175.
    made = report(
        *calls("2026-11-10", 5),
        *calls("2026-11-17", 3),
        *calls("2026-11-20", 2, **NO_USAGE),
    )

    assert made.headline == (
        "The week cost at least $0.01, at most $0.007 less than the week before; "
        "what is missing could add about $0.007."
    )
    found = figures(made)
    assert found["tokens"]["value"] == {"value": 3300, "bound": "lower"}
    # 3,300 - 5,500 is -2,200 or more, that is at least -40%.
    assert found["tokens"]["words"] == "≥ -2,200 (-40%)"
    assert "≥ 3,300" in made.markdown()
    periods = {row["start"].day: row for row in made.data()["periods"]}
    assert periods[17]["tokens"] == exact(3300)
    assert periods[20]["tokens"] == UNKNOWN
    assert periods[19]["tokens"] == exact(0)
    (row,) = made.data()["models"]["rows"]
    assert row["cost"]["bound"] == "lower"


def test_a_change_between_bounds_is_marked() -> None:
    # At least 7,700 tokens where there were 5,500: +40% at least.
    grown = report(
        *calls("2026-11-10", 5),
        *calls("2026-11-17", 7),
        *calls("2026-11-18", 1, **NO_USAGE),
    )
    # Both are lower bounds.
    unsure = report(
        *calls("2026-11-10", 5),
        *calls("2026-11-11", 1, **NO_USAGE),
        *calls("2026-11-17", 7),
        *calls("2026-11-18", 1, **NO_USAGE),
    )
    # At most 5,500 - 6,600 of them: at most -16.7%.
    shrunk = report(
        *calls("2026-11-10", 6),
        *calls("2026-11-11", 1, **NO_USAGE),
        *calls("2026-11-17", 5),
    )

    assert figures(grown)["tokens"]["words"] == "≥ +2,200 (+40%)"
    assert "at least $0.007 more than the week before" in grown.headline
    assert figures(unsure)["tokens"]["words"] == "~ +2,200 (+40%)"
    assert "about $0.007 more than the week before" in unsure.headline
    # 5/6 - 1 = -16.67%, rounded to the side of its bound.
    assert figures(shrunk)["tokens"]["words"] == "≤ -1,100 (-16%)"
    assert "at least $0.0035 less than the week before" in shrunk.headline


def test_a_cost_that_became_unknown_is_no_saving() -> None:
    made = report(
        *calls("2026-11-10", 30), *calls("2026-11-17", 30, **NO_USAGE, provider=None)
    )

    data = made.data()
    assert data["causes"] is None
    (row,) = data["models"]["rows"]
    assert (row["change"], row["reason"]) == (UNKNOWN, "")
    assert "less" not in made.headline


KINDS = {
    # Whether tokens and cost are known of each kind of call.
    "whole": ({}, True, True),
    "no price": ({"model": "of-our-own", "provider": None}, True, False),
    "no usage": (NO_USAGE, False, False),
}
WEEKS = st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4)


def bound_of(knowns: list[bool]) -> str:
    """Return the bound of a sum over calls."""
    return "exact" if all(knowns) else "lower" if any(knowns) else "unknown"


@given(before=WEEKS, now=WEEKS)
@settings(max_examples=8, deadline=None)
def test_no_output_is_surer_than_the_calls(before: list[str], now: list[str]) -> None:
    made = write_report(
        make_choices(
            *[
                one
                for kind in before
                for one in calls("2026-11-10", 1, **KINDS[kind][0])
            ],
            *[one for kind in now for one in calls("2026-11-17", 1, **KINDS[kind][0])],
        ),
        **WEEK,
    )
    data, found = made.data(), figures(made)

    for place, name in ((1, "tokens"), (2, "cost")):
        knowns = [KINDS[kind][place] for kind in now]
        knowns_before = [KINDS[kind][place] for kind in before]
        figure = found[name]
        one = 1100 if name == "tokens" else 0.0035
        bound = bound_of(knowns)
        assert figure["value"]["bound"] == bound
        assert figure["before"]["bound"] == bound_of(knowns_before)
        if bound != "unknown":
            assert float(figure["value"]["value"]) == pytest.approx(one * sum(knowns))
        is_sure = all(knowns) and all(knowns_before)
        assert is_sure or figure["words"][:1] in {"", "≥", "≤", "~"}
        (period,) = [row for row in data["periods"] if row["calls"]["value"]]
        assert period[name]["bound"] == bound
    tokens, cost = found["tokens"]["value"], found["cost"]["value"]["bound"]
    if cost == "unknown":
        used = {"exact": "used 1,1", "lower": "used at least", "unknown": "used an unk"}
        used["exact"] = f"used {tokens['value'] or 0:,} tokens"
        assert used[tokens["bound"]] in made.headline
    assert ("no call has a known price" in made.headline) == (cost == "unknown")
    assert ("cost at least $" in made.headline) == (cost == "lower")
    for text in (made.headline, made.markdown(), made.json()):
        assert "-100%" not in text
        assert not re.search(r"(?<![\d,.])0 tokens", text)
    for row in data["models"]["rows"]:
        assert (row["cost"]["value"] is None) == (row["cost"]["bound"] == "unknown")


# What the figures leave out.


def line(name: str, day: str | None = "2026-11-17", **cells: Any) -> str:
    """Write a line of a log."""
    created = {} if day is None else {"created": int(at(day).timestamp())}
    response = make_response(id=name, model="gpt-4o", **created, **cells)
    if day is None:
        del response["created"]
    return json.dumps(response)


BAD = "{not json"
ERROR = json.dumps({"error": {"message": "no", "type": "server_error"}})


@pytest.mark.parametrize(
    ("lines", "headline"),
    [
        ([], "No calls."),
        (
            [BAD, BAD],
            "No call could be counted: 2 lines that could not be read.",
        ),
        (
            [line("a", None), line("b", None)],
            "No call could be counted: 2 calls without a date.",
        ),
        (
            [line("a", None), BAD, ERROR],
            "No call could be counted: 1 call without a date, 1 line that could not be "
            "read, 1 provider error.",
        ),
        ([line("a", "2026-11-24"), ERROR], "No calls in this week."),
        ([line("a", "2026-11-02"), BAD], "No calls in this week."),
    ],
)
def test_a_report_without_calls_says_what_is_there(
    tmp_path: Path, lines: list[str], headline: str
) -> None:
    log = tmp_path / "a.jsonl"
    log.write_text("\n".join([*lines, ""]))

    made = write_report(log, **WEEK)

    assert made.headline == headline
    found = figures(made)
    is_known = headline.startswith("No calls")
    assert found["tokens"]["value"] == UNKNOWN
    assert found["calls"]["value"] == (exact(0) if is_known else UNKNOWN)
    if headline == "No calls in this week." and BAD in lines:
        assert made.content.answer.certainty == (
            "The last call was on 2 Nov 2026, 12:00. Not counted: 1 line that could "
            "not be read."
        )
    jsonschema.validate(json.loads(made.json()), SCHEMA)
    assert made.png().startswith(b"\x89PNG")


def test_what_is_not_counted_and_what_was_logged_twice(tmp_path: Path) -> None:
    log = tmp_path / "a.jsonl"
    lines = [
        line("a"),
        line("b"),
        line("b"),
        BAD,
        line("c", None),
        line("d", "2026-11-22"),
    ]
    log.write_text("\n".join([*lines, ""]))

    in_range = write_report(log, **WEEK)
    of_all = write_report(log)

    # 15 tokens a call: 10 read at 2.50 and 5 written at 10 USD a million, 0.000075.
    # 0.000225 is rounded to an even digit.
    # The lines without a date and those that cannot be read: two more calls.
    assert in_range.headline == (
        "The week cost $0.00022; the week before has no calls; what is missing could "
        "add about $0.00015."
    )
    counts = {one.name: one.count for one in in_range.content.trust.lines}
    assert counts == {"responses": 3, "duplicates": 1, "rejected": 1, "undated": 1}
    assert figures(of_all)["calls"]["value"] == exact(4)
    assert "1 line that could not be read" in of_all.content.answer.certainty


# Periods.


def test_a_period_is_complete_once_it_is_over() -> None:
    # A silent weekend: on Monday no day is unfinished, and the last call is named.
    made = report(*calls("2026-11-20", 3), now="2026-11-23T07:00Z")
    periods = made.data()["periods"]

    assert [row["calls"]["value"] for row in periods] == [0, 0, 0, 0, 3, 0, 0]
    assert [row["is_partial"] for row in periods] == [False] * 7
    assert made.data()["range"]["last_call"] == at("2026-11-20")
    assert "last call 20 Nov 2026, 12:00" in made.html()
    assert "last call" not in made.headline  # before half of the range is silent


def test_an_open_range_ends_now() -> None:
    options = {"last": None, "compare": None, "since": "2026-11-18", "tz": "Asia/Tokyo"}
    made = report(*calls("2026-11-18", 3), now="2026-11-20T12:00Z", **options)
    periods = made.data()["periods"]

    assert [(row["calls"]["value"], row["is_partial"]) for row in periods] == [
        (3, False),
        (0, False),
        (0, True),
    ]
    assert "--now 2026-11-20T12:00:00Z" in made.content.made.command
    over = report(*calls("2026-11-18", 3), until="2026-11-20", **options)
    assert "--now" not in over.content.made.command


def test_the_last_day_of_a_closed_month_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "last.json"
    month: dict[str, Any] = {"last": "month"}
    rows = calls("2026-10-30", 2)
    write_report(make_choices(*rows), path, now="2026-11-01", **month)
    late = make_choices(*rows, *calls("2026-10-31", 1))

    made = write_report(late, against=path, now="2026-12-01", **month)

    changes = {row["name"]: row for row in made.data()["restated"]["rows"]}
    assert changes["calls"]["start"] == datetime(2026, 10, 31, tzinfo=UTC)
    assert (changes["calls"]["before"], changes["calls"]["now"]) == (exact(0), exact(1))
    assert changes["cost"]["now"] == exact(Decimal("0.0035"))


def test_a_figure_that_became_known_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "last.json"
    month: dict[str, Any] = {"last": "month"}
    made_of = {"model": "of-our-own", "provider": None}
    rows = make_choices(*calls("2026-10-30", 2, **made_of))
    write_report(rows, path, now="2026-11-01", **month)
    prices = tmp_path / "prices.toml"
    prices.write_text('[[price]]\nmodel = "of-our-own"\ninput = 5\noutput = 10\n')

    options = {"against": path, "prices": prices, "now": "2026-12-01"}
    restated = write_report(rows, **options, **month).data()["restated"]

    # 2 calls: 2,000 read at 5 and 200 written at 10 USD a million.
    changes = {row["name"]: (row["before"], row["now"]) for row in restated["rows"]}
    assert changes["cost"] == (UNKNOWN, exact(Decimal("0.012")))
    assert changes["calls_unpriced"] == (exact(2), exact(0))


def test_a_frame_without_usable_dates_is_an_error() -> None:
    frame = make_choices(*calls("2026-11-17", 1))
    naive = pl.col("created").dt.replace_time_zone(None)

    with pytest.raises(MissingColumnsError, match="no column 'created'"):
        write_report(frame.drop("created"), **WEEK)
    with pytest.raises(UnsuitableColumnError, match="has no time zone"):
        write_report(frame.with_columns(naive), **WEEK)


# Budgets and exports, on the command line.


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log: two calls of a week, one of another, each of 0.000075 USD."""
    rows = [
        ("gpt-4o-2024-08-06", "search", "2026-11-17"),
        ("openai/gpt-4o", "ads", "2026-11-18"),
        ("gpt-4o-mini", "ads", "2026-11-25"),
    ]
    lines = [
        make_response(
            id=model,
            model=model,
            created=int(at(day).timestamp()),
            metadata={"team": team},
        )
        for model, team, day in rows
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    return path


SHORT = ("--last", "week", "--now", "2026-11-23", "--section", "cost")


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        ("gpt-4o=0.00015USD", 0),
        ("gpt-4o=0.00014USD", 3),
        ("gpt-4o-mini=0USD", 0),  # no calls in the range
        ("tag_team:search=0.000075USD", 0),
        ("tag_team:search=0.00007USD", 3),
    ],
)
def test_budgets_of_models_and_tags(log: Path, budget: str, code: int) -> None:
    tag = ("--tag", "team=metadata.team")

    assert run("report", log, *SHORT, *tag, "--budget", budget).returncode == code


def test_a_budget_of_nothing_in_the_log_is_an_error(log: Path) -> None:
    tag = ("--tag", "team=metadata.team")
    for options, words in (
        (("--budget", "gpt-5=1USD"), r"--budget: .*gpt-4o-2024-08-06, .*'gpt-5'"),
        (
            (*tag, "--budget", "tag_team:serach=1USD"),
            r"\(ads, search\).*did you mean 'search'",
        ),
        (
            (*tag, "--budget", "tag_teem:search=1USD"),
            r"tag_teem.*did you mean 'tag_team'",
        ),
    ):
        done = run("report", log, *SHORT, *options)
        assert done.returncode == 2
        assert re.search(words, done.stderr)
    log.write_text("")
    assert run("report", log, *SHORT, "--budget", "gpt-5=1USD").returncode == 0


def test_a_budget_fails_closed_if_no_call_could_be_counted(log: Path) -> None:
    log.write_text(f"{line('a', None)}\n")

    done = run("report", log, *SHORT, "--budget", "500USD")

    assert done.returncode == 3
    assert "the budget may be exceeded: No call could be counted" in done.stderr


def test_every_section_can_show_what_is_not_known() -> None:
    made = write_report(
        make_choices(
            *calls("2026-11-10", 5),
            *calls("2026-11-17", 3),
            *calls("2026-11-18", 2, **NO_USAGE, finish_reason=None),
            *calls("2026-11-18", 2, created=None),
        ),
        last="week",
        now="2026-11-23",
        compare="previous",
    )

    jsonschema.validate(json.loads(made.json()), SCHEMA)


def test_a_budget_of_a_tag_in_the_settings(log: Path) -> None:
    path = log.with_name("toolkit.toml")
    path.write_text(
        'sources = ["a.jsonl"]\ntags = { team = "metadata.team" }\n'
        '[budgets]\ntags = { team = { search = "0.00007USD" } }\n'
    )

    done = run("report", "--config", path, *SHORT)

    assert done.returncode == 3
    assert "the budget of tag_team:search is exceeded: $0.000075" in done.stderr


def test_now_closes_periods_on_the_command_line(log: Path, tmp_path: Path) -> None:
    to = tmp_path / "r.json"
    options = ("--since", "2026-11-17", "--now", "2026-11-19T12:00Z", "--every", "1d")
    log.write_text(log.read_text().splitlines()[0] + "\n")  # 17 November

    assert run("report", log, *options, "--to", to).returncode == 0

    periods = json.loads(to.read_text())["periods"]
    assert [(row["calls"]["value"], row["is_partial"]) for row in periods] == [
        (1, False),
        (0, False),
        (0, True),
    ]


def test_a_quiet_export_reports_rejected_lines(log: Path, tmp_path: Path) -> None:
    quiet = ("export", log, "--to", tmp_path / "out", "--quiet")
    assert run(*quiet).stderr == ""
    with log.open("a") as file:
        file.write(f"{BAD}\n{line('x')}\n")

    done = run(*quiet)

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "1 of 2 lines rejected\n"
    sure = write_report(tmp_path / "out").content.answer.certainty
    assert "1 line that could not be read" in sure
    assert toolkit.scan(tmp_path / "out").collect().height == 4
