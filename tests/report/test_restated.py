"""A report compared with an earlier one: what changed in complete periods, and why."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.report.test_report import at, calls
from toolkit.errors import OptionError
from toolkit.expressions.time_ranges import Span, span
from toolkit.pricing.price_file import PriceFile, read_prices
from toolkit.report.inputs import Plan, ReportInputs, collect_inputs, price
from toolkit.report.model import SCHEMA_VERSION, Restated, _plain
from toolkit.report.provenance import (
    _versions,
    build_periods,
    build_restated,
    read_report,
)
from toolkit.report.tables import MetricTables
from toolkit.testing import make_choices, make_response

WEEK, NEXT = span("2026-11-16", "2026-11-23"), span("2026-11-23", "2026-11-30")
# A call is 1,100 tokens and costs 0.0035 USD: see test_report.
BEFORE = [
    *calls("2026-11-17", 4),
    *calls("2026-11-18", 2),
    *calls("2026-11-22", 1),
    *calls("2026-11-24", 1),
]
NO_USAGE = dict.fromkeys(
    ["prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens"]
)


def tables_of(
    sources: Any,
    within: Span = WEEK,
    prices: PriceFile | None = None,
    now: datetime | None = None,
    **options: Any,
) -> tuple[MetricTables, ReportInputs]:
    """Make what a report is built from."""
    read = collect_inputs(sources, {})
    inputs = price(read, prices or PriceFile(), ("model",))
    created = inputs.choices.select("created").collect()["created"]
    plan = Plan(
        within=within,
        compares=False,
        tz=options.pop("tz", "UTC"),
        every=options.pop("every", "1d"),
        by=("model",),
        top=12,
        sections=(),
        title="",
        now=now or within.end or datetime(2026, 11, 30, tzinfo=UTC),
        last_call=created.max(),  # type: ignore[arg-type]
        **options,
    )
    return MetricTables(inputs, plan), inputs


def earlier(sources: Any, **options: Any) -> dict[str, Any]:
    """Make the JSON of a report, as far as a later one reads it."""
    tables, inputs = tables_of(sources, **options)
    plan, ledger = tables.plan, inputs.ledger
    data = {
        "schema_version": SCHEMA_VERSION,
        "range": {
            "words": "Week of 16 to 22 Nov 2026",
            "since": plan.within.start,
            "until": plan.within.end,
            "tz": plan.tz,
            "every": plan.every,
        },
        "periods": [asdict(one) for one in build_periods(tables)],
        "ledger": {} if ledger is None else {"rejected": ledger["rejected"].sum()},
        "made": {"versions": dict(_versions())},
    }
    read: dict[str, Any] = json.loads(json.dumps(data, default=_plain))
    return read


def compare(before: Any, after: Any, **options: Any) -> Restated:
    """Compare a report of a week with the same one made of other sources."""
    prices = options.pop("prices", None)
    tables, inputs = tables_of(after, NEXT, prices)
    return build_restated(earlier(before, **options), tables, inputs)


def changes(restated: Restated) -> list[tuple[Any, ...]]:
    """Return day, name, both values and the reason of each row."""
    return [
        (row.start.day, row.name, row.before.value, row.now.value, row.why)
        for row in restated.rows
    ]


def test_nothing_changed() -> None:
    found = compare(make_choices(*BEFORE), make_choices(*BEFORE).lazy())

    assert found.rows == []
    assert found.head.title == (
        "All figures of the earlier report (Week of 16 to 22 Nov 2026) still hold"
    )


def test_periods_have_figures_with_bounds() -> None:
    rows = [*calls("2026-11-17", 1), *calls("2026-11-18", 1, **NO_USAGE)]
    now = datetime(2026, 11, 19, 12, tzinfo=UTC)

    found = build_periods(tables_of(make_choices(*rows), now=now)[0])

    assert [one.calls.value for one in found] == [0, 1, 1, 0]  # from 16 Nov to now
    assert [one.is_partial for one in found] == [False, False, False, True]
    assert [one.tokens.bound for one in found] == ["exact", "exact", "unknown", "exact"]
    assert [one.cost.value for one in found[:3]] == [0, Decimal("0.0035"), None]
    assert [one.calls_unpriced.value for one in found] == [0, 0, 1, 0]


def test_late_lines_are_reported_with_both_figures() -> None:
    found = compare(
        make_choices(*BEFORE), make_choices(*BEFORE, *calls("2026-11-18", 3))
    )

    # 3 more calls of 1,100 tokens and 0.0035 each.
    assert changes(found) == [
        (18, "calls", 2, 5, "late lines"),
        (18, "tokens", 2200, 5500, "late lines"),
        (18, "cost", Decimal("0.007"), Decimal("0.0175"), "late lines"),
    ]
    assert found.head.title.startswith("3 figures of the earlier report (Week of")
    assert found.head.title.endswith("have changed")
    assert found.head.note == "3 calls more."
    row = found.rows[2]
    assert (row.label, row.kind) == ("cost", "usd")
    assert row.end - row.start == timedelta(days=1)


def test_a_period_that_was_empty_may_have_lines_now() -> None:
    found = compare(
        make_choices(*BEFORE), make_choices(*BEFORE, *calls("2026-11-20", 1))
    )

    assert changes(found)[0] == (20, "calls", 0, 1, "late lines")


def test_lines_that_are_gone_are_reported() -> None:
    found = compare(make_choices(*BEFORE), make_choices(*BEFORE[1:]))

    assert {row.why for row in found.rows} == {"lines are gone"}


def test_other_prices_change_the_cost_alone(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        '[[price]]\nmodel = "gpt-4o"\nfrom = 2026-11-18\ninput = 5\noutput = 10\n'
        "cached = 1.25\n"
    )
    rows = make_choices(*BEFORE)

    found = compare(rows, rows, prices=read_prices(path, None))

    # 1,000 read at 5 instead of 2.50 USD a million: two calls, then one.
    assert changes(found) == [
        (18, "cost", Decimal("0.007"), Decimal("0.012"), "prices"),
        (22, "cost", Decimal("0.0035"), Decimal("0.006"), "prices"),
    ]


def test_a_cost_that_became_known_has_changed() -> None:
    silent = [*calls("2026-11-18", 1, **NO_USAGE), *calls("2026-11-22", 1)]
    rows = [*calls("2026-11-18", 1), *calls("2026-11-22", 1)]

    found = compare(make_choices(*silent), make_choices(*rows))

    assert changes(found) == [
        (18, "tokens", None, 1100, "other lines"),
        (18, "cost", None, Decimal("0.0035"), "other lines"),
        (18, "calls_unpriced", 1, 0, "other lines"),
    ]


def test_rejected_lines_that_were_repaired(tmp_path: Path) -> None:
    created = int(at("2026-11-17").timestamp())
    good, bad, after = (
        json.dumps(make_response(id=name, created=created + late, model="gpt-4o"))
        for name, late in (("a", 0), ("b", 0), ("c", 7 * 86_400))
    )
    log = tmp_path / "a.jsonl"
    log.write_text(f"{good}\n{bad[:-1]}\n{after}\n")
    before = earlier(log)
    log.write_text(f"{good}\n{bad}\n{after}\n")

    found = build_restated(before, *tables_of(log, NEXT))

    assert changes(found)[0] == (17, "calls", 1, 2, "lines repaired")
    assert found.head.note == "1 call more; 1 rejected line fewer."


def test_a_period_that_was_unfinished_is_not_compared() -> None:
    # The range ends at 18:00: what comes later on that day is no surprise.
    noon = datetime(2026, 11, 18, 18, tzinfo=UTC)
    within = Span(WEEK.start, noon)
    more = make_choices(*BEFORE, *calls("2026-11-18", 3))

    assert compare(make_choices(*BEFORE), more, within=within).rows == []


def test_a_report_without_a_complete_period_cannot_be_compared() -> None:
    within = Span(*(datetime(2026, 11, 17, hour, tzinfo=UTC) for hour in (6, 18)))

    found = compare(make_choices(*BEFORE), make_choices(*BEFORE), within=within)

    assert found.rows == []
    assert found.head.title.startswith("No period of the earlier report")


def test_days_of_a_zone_are_compared_in_that_zone() -> None:
    # Noon of UTC is 21:00 in Tokyo; the day begins at 15:00 UTC.
    within = span("2026-11-16", "2026-11-23", "Asia/Tokyo")
    rows = make_choices(*BEFORE)
    later = {"created": datetime(2026, 11, 17, 16, tzinfo=UTC)}
    more = make_choices(*BEFORE, *calls("2026-11-17", 1, **later))

    found = compare(rows, more, within=within, tz="Asia/Tokyo")

    assert changes(found)[0] == (18, "calls", 2, 3, "late lines")
    assert compare(rows, rows, within=within, tz="Asia/Tokyo").rows == []


def test_a_report_that_was_read_from_a_file(tmp_path: Path) -> None:
    path, data = tmp_path / "last.json", earlier(make_choices(*BEFORE))
    path.write_text(json.dumps(data))

    assert read_report(path) == data
    for wrong in (
        {"schema_version": 0},
        {"colors": {"gpt-4o": "red"}},
        {"range": {**data["range"], "tz": "Mars/Olympus"}},
        {"range": {**data["range"], "every": "often"}},
        {"range": {**data["range"], "tz": None}},
        {"range": {**data["range"], "since": "yesterday"}},
        {"range": {name: data["range"][name] for name in ("tz", "every", "since")}},
        {"ledger": None},
        {"made": {"versions": None}},
        {"made": {}},
        {"periods": []},
    ):
        path.write_text(json.dumps({**data, **wrong}))
        with pytest.raises(OptionError, match=r"against: .* was written with"):
            read_report(path)
    for text in ("", "{}", "[]", "\x00"):
        path.write_text(text)
        with pytest.raises(OptionError, match="a report that was written with"):
            read_report(path)
    with pytest.raises(OptionError, match="can be read"):
        read_report(tmp_path / "none.json")
