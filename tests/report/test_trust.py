"""What to trust: the account of the lines, and what is missing in money."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit
from tests.report import made
from tests.report.test_lines import BAD, ERROR, call, chunk
from tests.report.test_report import calls
from tests.report.test_restated import NO_USAGE, tables_of
from toolkit.errors import DamageWarning
from toolkit.expressions.time_ranges import Span, span
from toolkit.formatting.figures import Figure
from toolkit.metrics import cost
from toolkit.reading.ledger import LINE_COUNTS
from toolkit.report.inputs import ReportInputs
from toolkit.report.model import Gap, Head, Restated, Trust
from toolkit.report.trust import build_trust, uncounted
from toolkit.report.wording import WORDS
from toolkit.schema.tables import REJECT_CODES
from toolkit.testing import make_choices

WEEK, ALL = span("2026-11-16", "2026-11-23"), Span(None, None)
SAMPLE_WEEK = span("2026-11-02", "2026-11-09")


def trust(sources: Any, within: Span = WEEK, **options: Any) -> Trust:
    """Build the part of a report."""
    return build_trust(*tables_of(sources, within, **options))


def gaps(found: Trust) -> dict[str, Gap]:
    """Return the rows by their names."""
    return {row.name: row for row in found.rows}


def counts(found: Trust) -> list[tuple[int, str]]:
    """Return the counts of the lines and their labels."""
    return [(line.count, line.label) for line in found.lines]


def write(folder: Path, *lines: str, name: str = "a.jsonl") -> Path:
    """Write a log."""
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def test_the_week_of_the_sample() -> None:
    found = trust("data/sample", SAMPLE_WEEK)
    rows, total = gaps(found), found.total

    assert counts(found) == [
        (443, "calls in this report"),
        (14, "cannot be read"),
        (4, "copies, counted once"),
        (3, "errors sent by a provider"),
        (3, "without a date"),
        (1, "blank"),
    ]
    assert found.head.title == (
        "All 468 log lines of the week are accounted for; about $0.16 may be missing "
        "from the total"
    )
    # What a token and a call with a known price cost, by the product's own table.
    row = cost(
        toolkit.scan("data/sample"),
        every=None,
        by=None,
        since="2026-11-02",
        until="2026-11-09",
    ).row(0, named=True)
    token = row["cost"] / (row["total_tokens"] - row["tokens_unpriced"])
    each = row["cost"] / (row["responses"] - row["responses_unpriced"])
    parts = {
        "unpriced": row["tokens_unpriced"] * token,
        "without_usage": 2 * each,
        "rejected": 14 * each,
    }
    for name, amount in parts.items():
        figure = rows[name].could_add
        assert figure.bound == "approximate"
        assert figure.number == pytest.approx(amount)
    # The mock has 0.11, 0.03 and 0.01, and leaves out the two calls without usage.
    digits = [row.could_add.rounded(2).value for row in found.rows]
    assert digits == [
        Decimal(text) for text in ("0.11", "0.00", "0.03", "0.01", "0.00")
    ]
    assert rows["rejected"].words == (
        "14 of 468 log lines: wrong types, broken JSON and pieces of streams. Their "
        "places put them in this week."
    )
    assert rows["undated"].words == (
        "3 by place in the log, 4,812 tokens; 27 in the whole log."
    )
    assert rows["late"].could_add == Figure(0)
    assert rows["late"].words == (
        "None: the logs are in order of time and go on after 8 Nov 2026."
    )
    assert total is not None
    known = [row.could_add.number for row in found.rows]
    assert total.could_add.number == pytest.approx(sum(known))


def test_nothing_is_missing() -> None:
    found = trust(make_choices(*calls("2026-11-17", 2), *calls("2026-11-24", 1)))

    assert found.head.title == "Nothing is missing from the total so far"
    assert found.head.note == "The calls are from a table, so log lines are not known."
    assert (found.lines, found.total) == ([], None)
    assert list(gaps(found)) == ["late"]


def test_nothing_is_missing_from_a_log(tmp_path: Path) -> None:
    log = write(tmp_path, call("a", 17), call("b", 24))

    found = trust(log)

    assert counts(found) == [(1, "call in this report")]
    assert found.head.title == (
        "The only log line of the week is accounted for; nothing is missing from the "
        "total"
    )
    assert gaps(found)["late"].words == (
        "None: the logs are in order of time and go on after 22 Nov 2026."
    )


def test_calls_without_a_price_could_cost_what_the_others_do() -> None:
    free = {"model": "of-our-own", "provider": None}
    rows = [
        *calls("2026-11-17", 4),
        *calls("2026-11-18", 2, **free),
        *calls("2026-11-18", 1, **{**free, "model": None}),
    ]

    row = gaps(trust(make_choices(*rows)))["unpriced"]

    # 3 x 1,100 of 7 x 1,100 tokens; the others cost 0.0035 a call of 1,100 tokens.
    assert row.could_add == Figure(Decimal("0.0105"), "approximate")
    assert row.words == ("3 of 7 calls, 42.9% of tokens: of-our-own (2), unknown (1).")
    assert (
        row.todo == "Write their prices into prices.toml; 0 if you run them yourself."
    )
    one = gaps(trust(make_choices(*rows[:5])))["unpriced"]
    assert one.words == "1 of 5 calls, 20% of tokens: of-our-own (1)."
    assert one.todo == "Write its price into prices.toml; 0 if you run it yourself."


def test_without_any_price_nothing_is_estimated() -> None:
    prices = calls("2026-11-17", 4, model="of-our-own", provider=None)

    found = trust(make_choices(*prices))

    assert gaps(found)["unpriced"].could_add == Figure(None)
    assert gaps(found)["unpriced"].words == (
        "4 of 4 calls, 100% of tokens: of-our-own (4). Without any known price "
        "nothing can be estimated."
    )
    assert found.total is None
    assert found.head.title == "What is missing cannot be estimated"
    silent = trust(make_choices(*calls("2026-11-17", 4, **NO_USAGE)))
    assert list(gaps(silent)) == ["without_usage", "late"]
    assert gaps(silent)["without_usage"].could_add == Figure(None)


def test_calls_without_usage_could_cost_what_the_others_do() -> None:
    rows = [*calls("2026-11-17", 4), *calls("2026-11-18", 2, **NO_USAGE)]

    found = trust(make_choices(*rows))

    # The price is known, the tokens are not.
    assert list(gaps(found)) == ["without_usage", "late"]
    row = gaps(found)["without_usage"]
    assert row.could_add == Figure(Decimal("0.0070"), "approximate")
    assert row.words == "2 of 6 calls; 2 of them have no known cost."
    assert found.total is not None
    assert found.total.words == "on top of at least $0.014, and what is unknown"


def test_only_calls_with_usage_need_a_price() -> None:
    own = {"model": "of-our-own", "provider": None}
    rows = [
        *calls("2026-11-17", 4),
        *calls("2026-11-18", 2, **NO_USAGE),
        *calls("2026-11-18", 1, **{**NO_USAGE, **own}),
        *calls("2026-11-18", 1, **own),
    ]

    found = trust(make_choices(*rows))

    # A call costs 0.0035: three lack usage, one of 1,100 tokens lacks a price.
    price, usage = gaps(found)["unpriced"], gaps(found)["without_usage"]
    assert price.could_add == Figure(Decimal("0.0035"), "approximate")
    assert price.words == "1 of 8 calls, about 20% of tokens: of-our-own (1)."
    assert price.todo == "Write its price into prices.toml; 0 if you run it yourself."
    assert usage.could_add == Figure(Decimal("0.0105"), "approximate")
    assert usage.words == "3 of 8 calls; 3 of them have no known cost."
    assert found.total is not None
    assert found.total.could_add == Figure(Decimal("0.0140"), "approximate")


NO_PARTS = {"prompt_tokens": None, "completion_tokens": None, "cached_tokens": None}


@pytest.mark.parametrize(
    ("cells", "amount"),
    [
        # A call costs 0.0035, so 2,200 tokens cost twice as much.
        ({**NO_PARTS, "total_tokens": 2200}, "0.0070"),
        # Of these the tokens are not all of the call, which is like any other.
        ({"usage_problem": "iterations", "total_tokens": 1100}, "0.0035"),
        ({"usage_problem": "cut_off", "total_tokens": 1100}, "0.0035"),
        (dict.fromkeys(NO_USAGE, 0), "0.0035"),
    ],
)
def test_calls_with_a_part_of_their_usage_need_the_rest(
    cells: dict[str, Any], amount: str
) -> None:
    rows = [*calls("2026-11-17", 4), *calls("2026-11-18", 1, **cells)]

    found = trust(make_choices(*rows))

    assert list(gaps(found)) == ["without_usage", "late"]
    row = gaps(found)["without_usage"]
    assert row.could_add == Figure(Decimal(amount), "approximate")
    assert row.words.startswith("1 of 5 calls; 1 of them has no known cost")
    assert found.total is not None
    assert found.total.could_add == row.could_add


def test_the_share_before_is_of_the_tokens_without_a_price() -> None:
    own = {"model": "of-our-own", "provider": None}
    total_only = calls("2026-11-10", 1, **{**NO_PARTS, "total_tokens": 2200})
    now = [*calls("2026-11-17", 3), *calls("2026-11-18", 1, **own)]
    before = [*calls("2026-11-10", 1), *calls("2026-11-10", 1, **own), *total_only]

    def words(*rows: dict[str, Any]) -> str:
        tables = made.tables_of([*rows])
        return gaps(build_trust(tables, ReportInputs(tables.choices)))["unpriced"].words

    # 1,100 of 4,400 tokens now, and before too: 2,200 do not lack a price.
    both = "1 of 4 calls, 25% of tokens (25% before): of-our-own (1)."
    assert words(*now, *before) == both
    assert words(*now) == "1 of 4 calls, 25% of tokens: of-our-own (1)."


def test_tokens_without_a_total_are_counted_once() -> None:
    cells = {"model": "of-our-own", "provider": None, "total_tokens": None}
    rows = [*calls("2026-11-17", 4), *calls("2026-11-18", 1, **cells)]

    found = trust(make_choices(*rows))

    # 1,000 tokens read and 100 written: with a price the cost would be known.
    assert gaps(found)["unpriced"].could_add.value == Decimal("0.0035")
    assert gaps(found)["without_usage"].could_add == Figure(0, "approximate")
    assert found.total is not None
    assert found.total.could_add.value == Decimal("0.0035")


def test_lines_of_the_range_and_of_whole_logs_are_never_mixed(tmp_path: Path) -> None:
    lines = [BAD, call("a", 10), BAD, call("b", 17), call("c"), ERROR, call("d", 24)]
    log = write(tmp_path, *lines)

    placed, whole = trust(log), trust(toolkit.load(log))

    assert counts(placed) == [(1, "call in this report"), (1, "cannot be read")]
    row = gaps(placed)["rejected"]
    # A call: 10 tokens read at 2.50 and 5 written at 10 USD a million.
    assert row.could_add == Figure(Decimal("0.000075"), "approximate")
    assert row.words == (
        "1 of 2 log lines: broken JSON. Its place in the log puts it in this week."
    )
    assert row.todo == "toolkit rejects writes it to a file, to fix and load."
    # The call without a date is placed with the next call, of the next week.
    assert (
        gaps(placed)["undated"].words == "None by place in the log; 1 in the whole log."
    )
    assert gaps(placed)["undated"].could_add.number == 0
    assert counts(whole) == [
        (3, "calls in all logs"),
        (2, "cannot be read"),
        (1, "error sent by a provider"),
        (1, "without a date"),
    ]
    assert whole.head.title.startswith(
        "All 7 lines of the logs are accounted for; what"
    )
    assert whole.head.note == (
        "The lines are those of the whole logs: the place of each line is not known."
    )
    rows = gaps(whole)
    assert rows["rejected"].could_add == rows["undated"].could_add == Figure(None)
    assert rows["rejected"].words == (
        "2 of 7 log lines: broken JSON. How many are of this week is unknown."
    )
    assert rows["undated"].words == (
        "1 call in all the data, 15 tokens; how many are of this week is unknown."
    )


def test_an_open_range_has_all_lines(tmp_path: Path) -> None:
    log = write(
        tmp_path, call("a", 17), call("c"), BAD, "", chunk("s", 18), chunk("s", 18)
    )

    found = trust(log, ALL)

    assert counts(found) == [
        (3, "calls in this report"),
        (1, "cannot be read"),
        (1, "further part of a stream"),
        (1, "blank"),
    ]
    assert (
        gaps(found)["undated"].words
        == "1 call, 15 tokens: in all totals, in no period."
    )
    assert gaps(found)["undated"].could_add == Figure(0)
    assert "late" not in gaps(found)
    assert found.head.title.startswith(
        "All 6 lines of the logs are accounted for; about"
    )


def test_a_range_without_calls_has_the_account_of_the_whole_logs(
    tmp_path: Path,
) -> None:
    log = write(tmp_path, call("a", 2), BAD, ERROR)

    found = trust(log)

    assert counts(found)[0] == (1, "call in all logs")
    assert found.head.note == (
        "The lines are those of the whole logs: none of them is known to be of this "
        "week."
    )
    assert gaps(found)["rejected"].could_add == Figure(None)


def test_logs_out_of_order_have_the_account_of_the_whole_logs(tmp_path: Path) -> None:
    log = write(tmp_path, call("a", 19), call("b", 17), BAD, call("c", 24))

    found = trust(log)

    assert counts(found) == [(3, "calls in all logs"), (1, "cannot be read")]
    assert found.head.note.endswith("the logs are not in order of time.")
    assert gaps(found)["late"].could_add == Figure(None)
    assert gaps(found)["late"].words == (
        "Unknown: it is not known whether the logs are in order of time."
    )


def test_late_data_is_possible_where_a_log_ends(tmp_path: Path) -> None:
    log = write(tmp_path, call("a", 17), call("b", 22))
    early = datetime(2026, 11, 20, tzinfo=UTC)

    row, unfinished = gaps(trust(log))["late"], gaps(trust(log, now=early))["late"]

    assert (row.could_add, unfinished.could_add) == (Figure(None), Figure(None))
    assert row.words == "Perhaps: a log has no call after 22 Nov 2026."
    assert unfinished.words == "The week is not over."


def test_what_an_earlier_report_shows_is_repeated(tmp_path: Path) -> None:
    tables, inputs = tables_of(write(tmp_path, call("a", 17), call("b", 24)), WEEK)
    restated = Restated(Head("", "All figures of the earlier report still hold"), [])

    row = gaps(build_trust(tables, inputs, restated))["late"]

    assert row.words.endswith(" All figures of the earlier report still hold.")


def test_damage_and_other_files_are_no_known_loss(tmp_path: Path) -> None:
    write(tmp_path, call("a", 17), call("b", 24))
    write(tmp_path, BAD, name="b.jsonl")
    write(tmp_path, "x", name="notes.txt")
    data = gzip.compress("".join(f"{call(f'{n}', 18)}\n" for n in range(99)).encode())
    (tmp_path / "c.jsonl.gz").write_bytes(data[:-9])
    with pytest.warns(DamageWarning):
        read = toolkit.load(tmp_path, on_damage="collect")

    found = build_trust(*tables_of(read, ALL))

    rows = gaps(found)
    assert found.head.title.startswith("1 log could be read only in part; ")
    assert rows["damaged"].words == "1 log of 3, because of damage."
    assert rows["silent"].words == "1 file without any call."
    assert rows["passed_over"].words == "Not read: 1 *.txt."
    assert {rows[name].could_add for name in ("damaged", "silent", "passed_over")} == {
        Figure(None)
    }


def test_lines_of_files_without_dated_calls_are_counted_apart(tmp_path: Path) -> None:
    write(tmp_path, call("a", 17), call("b", 24))
    write(tmp_path, call("c"), call("d"), name="b.jsonl")

    found = trust(tmp_path)

    assert counts(found) == [(1, "call in this report")]
    assert gaps(found)["silent"].words == (
        "2 lines of files without a dated call cannot be placed, and are not counted "
        "here."
    )


def test_an_empty_log(tmp_path: Path) -> None:
    found = trust(write(tmp_path))

    assert counts(found) == [(0, "calls in all logs")]
    assert found.head.title.startswith("The logs have no lines; nothing is missing")


KINDS = {
    "priced": {},
    "unpriced": {"model": "of-our-own", "provider": None},
    "silent": NO_USAGE,
    "undated": {"created": None},
}


@given(
    st.lists(st.sampled_from(sorted(KINDS)), max_size=5), st.sampled_from([WEEK, ALL])
)
@settings(max_examples=30)
def test_unknown_is_never_nothing(kinds: list[str], within: Span) -> None:
    rows = [one for kind in kinds for one in calls("2026-11-17", 1, **KINDS[kind])]
    found = trust(make_choices(*rows, *calls("2026-11-24", 1)), within)
    # Of gpt-4o the price depends on the day. Without a range the undated are inside.
    unknown = {"undated": "unpriced"} if within == ALL else {}
    inside = [unknown.get(kind, kind) for kind in kinds]
    is_priced = within == ALL or "priced" in kinds

    assert ("unpriced" in gaps(found)) == ("unpriced" in inside)
    assert ("without_usage" in gaps(found)) == ("silent" in inside)
    assert ("undated" in gaps(found)) == ("undated" in kinds)
    for kind, name in (("unpriced", "unpriced"), ("silent", "without_usage")):
        if kind in inside:
            # Each is a call of 1,100 tokens at 0.0035 USD, if any price is known.
            amount = gaps(found)[name].could_add
            assert amount.is_known == is_priced
            if is_priced:
                assert amount.number == pytest.approx(
                    Decimal("0.0035") * inside.count(kind), rel=Decimal("1e-9")
                )
    is_missing = {"unpriced", "silent"} & {*inside}
    assert (found.total is not None) == bool(is_missing and is_priced)
    assert ("Nothing is missing" in found.head.title) == (
        not is_missing and (within == ALL or "undated" not in kinds)
    )


def test_every_code_has_words() -> None:
    assert {*WORDS["codes"], "error_response"} == {*REJECT_CODES}
    assert {*LINE_COUNTS} < {*WORDS["lines"]}


def test_what_no_figure_contains(tmp_path: Path) -> None:
    lines = [call("a", 17), call("a", 17), BAD, BAD, call("b"), call("c", 24)]

    found = uncounted(*tables_of(write(tmp_path, *lines), WEEK))

    assert found == [
        "1 call without a date",
        "2 lines that could not be read",
        "1 line of calls that were logged twice",
    ]
    assert uncounted(*tables_of(make_choices(*calls("2026-11-17", 1)), WEEK)) == []
    # A provider's errors are named only where there is no call.
    errors = tables_of(write(tmp_path, ERROR, json.dumps({"x": 1})), WEEK)
    assert uncounted(*errors)[-1] == "1 provider error"
