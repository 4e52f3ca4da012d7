"""A report compared with an earlier one: what changed in closed periods, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import polars as pl
import pytest

import toolkit
from tests.report.test_report import SCHEMA, at, calls
from toolkit.errors import OptionError
from toolkit.report import write_report
from toolkit.testing import make_choices, make_response

WEEK: dict[str, Any] = {"last": "week", "now": "2026-11-23", "sections": ["cost"]}
# The call of the next week shows that the last one is over.
BEFORE = [
    *calls("2026-11-17", 4),
    *calls("2026-11-18", 2),
    *calls("2026-11-22", 1),
    *calls("2026-11-24", 1),
]


def told(tmp_path: Path, sources: Any, **options: Any) -> Path:
    """Write the earlier report."""
    path = tmp_path / "last.json"
    write_report(sources, path, **{**WEEK, **options})
    return path


def held(sources: Any, path: Path, **options: Any) -> dict[str, Any]:
    """Make a later report, of the next week, and hold it against the earlier one."""
    made = write_report(
        sources, against=path, **{**WEEK, "now": "2026-11-30", **options}
    )
    data = json.loads(made.json())
    jsonschema.validate(data, SCHEMA)
    return data["against"]


def test_a_report_says_that_nothing_changed(tmp_path: Path) -> None:
    found = held(make_choices(*BEFORE), told(tmp_path, make_choices(*BEFORE)))

    assert found["changes"] == []
    assert found["words"] == (
        "Nothing: every closed period of the report on Week of 16 to 22 Nov 2026 is as "
        "it was told."
    )


def test_late_lines_are_reported_with_both_figures(tmp_path: Path) -> None:
    path = told(tmp_path, make_choices(*BEFORE))

    found = held(make_choices(*BEFORE, *calls("2026-11-18", 3)), path)

    (change,) = found["changes"]
    assert change["period"] == "2026-11-18T00:00:00+00:00"
    # 3 more calls of 1,100 tokens and 0.0035 each.
    assert change["changed"] == {
        "calls": [2, 5],
        "tokens": [2200, 5500],
        "cost": ["0.007", "0.0175"],
    }
    assert change["why"] == "late lines"
    assert "3 calls more" in found["words"]


def test_a_period_that_was_empty_may_have_lines_now(tmp_path: Path) -> None:
    path = told(tmp_path, make_choices(*BEFORE))

    found = held(make_choices(*BEFORE, *calls("2026-11-20", 1)), path)

    (change,) = found["changes"]
    assert change["period"] == "2026-11-20T00:00:00+00:00"
    assert change["changed"]["calls"] == [0, 1]


def test_lines_that_are_gone_are_reported(tmp_path: Path) -> None:
    path = told(tmp_path, make_choices(*BEFORE))

    found = held(make_choices(*BEFORE[1:]), path)

    assert [change["why"] for change in found["changes"]] == ["lines are gone"]


def test_other_prices_change_the_cost_alone(tmp_path: Path) -> None:
    path = told(tmp_path, make_choices(*BEFORE))
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[price]]\nmodel = "gpt-4o"\nfrom = 2026-11-18\ninput = 5\noutput = 10\n'
        "cached = 1.25\n"
    )

    found = held(make_choices(*BEFORE), path, prices=prices)

    # 1,000 read at 5 instead of 2.50 USD a million: two calls, then one.
    assert [change["changed"] for change in found["changes"]] == [
        {"cost": ["0.007", "0.012"]},
        {"cost": ["0.0035", "0.006"]},
    ]
    assert {change["why"] for change in found["changes"]} == {"prices"}


def test_rejects_that_were_repaired_are_reported_as_such(tmp_path: Path) -> None:
    created = int(at("2026-11-17").timestamp())
    good = json.dumps(make_response(id="a", created=created, model="gpt-4o"))
    mended = json.dumps(make_response(id="b", created=created, model="gpt-4o"))
    log = tmp_path / "a.jsonl"
    after = json.dumps(make_response(id="c", created=created + 7 * 86_400))
    log.write_text(f"{good}\n{mended[:-1]}\n{after}\n")
    path = told(tmp_path, log)
    log.write_text(f"{good}\n{mended}\n{after}\n")

    found = held(log, path)

    (change,) = found["changes"]
    assert change["changed"]["calls"] == [1, 2]
    assert change["why"] == "rejects mended"
    assert "1 call more, 1 reject fewer" in found["words"]


def test_a_period_that_was_unfinished_is_not_compared(tmp_path: Path) -> None:
    # The range ends at noon: what comes later on that day is no surprise.
    options = {"last": None, "now": None, "since": "2026-11-16", "every": "1d"}
    path = told(tmp_path, make_choices(*BEFORE), until="2026-11-18T18:00Z", **options)

    more = make_choices(*BEFORE, *calls("2026-11-18", 3))
    found = held(more, path)

    assert found["changes"] == []


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema_version": 2}', "\x00"])
def test_what_is_no_report_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "last.json"
    path.write_text(text)

    with pytest.raises(OptionError, match="a report that was written with"):
        write_report(make_choices(*BEFORE), against=path, **WEEK)


def test_a_lazy_frame_will_do(tmp_path: Path) -> None:
    path = told(tmp_path, make_choices(*BEFORE).lazy())

    assert isinstance(toolkit.scan("data/sample"), pl.LazyFrame)
    assert held(make_choices(*BEFORE).lazy(), path)["changes"] == []
