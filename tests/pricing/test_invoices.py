"""Bills as OpenAI and Anthropic export them, in CSV and JSON, and what is none."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolkit.errors import InvoiceError, OptionError
from toolkit.pricing import reconcile
from toolkit.pricing.invoices import read_invoice
from toolkit.testing import make_choices

# 1 September 2026 in seconds
FIRST = 1_788_220_800
DAY = 86_400
COUNTS = ("responses", "prompt_tokens", "cached_tokens", "completion_tokens")
USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
LOG = make_choices(
    # 1,000 x 2.50 + 100 x 10 = 3,500 millionths
    {"model": "gpt-4o", **USAGE, "created": datetime(2026, 9, 1, 12, tzinfo=UTC)},
    # 1,000 x 0.15 + 100 x 0.60 = 210 millionths
    {"model": "gpt-4o-mini", **USAGE, "created": datetime(2026, 9, 1, 13, tzinfo=UTC)},
)


def write(tmp_path: Path, content: object) -> Path:
    """Write a bill: text as it is, anything else as JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    path = tmp_path / "bill"
    path.write_text(text, encoding="utf-8")
    return path


def openai_page(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a page of OpenAI's API with a bucket for the first day."""
    bucket = {"object": "bucket", "start_time": FIRST, "end_time": FIRST + DAY}
    empty = {**bucket, "start_time": FIRST + DAY, "end_time": FIRST + 2 * DAY}
    data = [{**bucket, "results": list(results)}, {**empty, "results": []}]
    return {"object": "page", "data": data, "has_more": False, **more}


def anthropic_page(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a page of Anthropic's API with a bucket for the first day."""
    ends = {"starting_at": "2026-09-01T00:00:00Z", "ending_at": "2026-09-02T00:00:00Z"}
    data = [{**ends, "results": list(results)}]
    return {"data": data, "has_more": False, "next_page": None, **more}


def openai_cost(
    value: object, item: str | None, currency: str = "usd"
) -> dict[str, Any]:
    """Return a result of OpenAI's costs."""
    amount = {"value": value, "currency": currency}
    return {
        "object": "organization.costs.result",
        "amount": amount,
        "line_item": item,
        "project_id": None,
    }


def test_json_of_openais_usage_is_read(tmp_path: Path) -> None:
    result = {
        "object": "organization.usage.completions.result",
        "input_tokens": 1000,
        "output_tokens": 100,
        "input_cached_tokens": 0,
        "num_model_requests": 1,
        "project_id": None,
        "batch": False,
    }
    page = openai_page(
        {**result, "model": "gpt-4o-2024-08-06"},
        {**result, "model": "gpt-4o-mini-2024-07-18", "input_tokens": 1001},
    )

    read = read_invoice(write(tmp_path, page))
    rows = reconcile(LOG, write(tmp_path, page))

    assert read.drop("cost").rows() == [
        (date(2026, 9, 1), "gpt-4o-2024-08-06", 1, 1000, 0, 100),
        (date(2026, 9, 1), "gpt-4o-mini-2024-07-18", 1, 1001, 0, 100),
    ]
    assert rows["explanation"].to_list() == [
        "agrees",
        "+1 prompt tokens invoiced",
        "+1 prompt tokens invoiced",
    ]
    # A share is also of tokens: 1 of 1,001 is less than 0.1%.
    rows = reconcile(LOG, write(tmp_path, page), tolerance="0.1%")
    assert rows["explanation"].to_list() == ["agrees"] * 3


def test_json_of_openais_costs_is_summed_by_model(tmp_path: Path) -> None:
    page = openai_page(
        # Long decimals, as numbers or in strings, lose nothing.
        openai_cost("0.0025000000000000000000000000", "gpt-4o-2024-08-06, input"),
        openai_cost(0.001, "gpt-4o-2024-08-06, output"),
        openai_cost(0.0, "gpt-4o-2024-08-06, cached input"),
        openai_cost(0.00015, "priority | gpt-4o-mini, input, long context"),
        openai_cost(0.00006, "gpt-4o-mini audio, output"),
        openai_cost(0.03, "web search tool calls"),
    )

    rows = reconcile(LOG, write(tmp_path, page), tolerance="0")

    assert rows.select(
        "model", "cost_invoiced", "difference", "explanation"
    ).rows() == [
        ("gpt-4o", Decimal("0.0035"), 0, "agrees"),
        ("gpt-4o-mini", Decimal("0.00021"), 0, "agrees"),
        (
            "web-search-tool-calls",
            Decimal("0.03"),
            Decimal("0.03"),
            "no responses in the log for this model on this day",
        ),
        # 0.0035 + 0.00021 + 0.03; 0.03 of 0.00371 are 808.6%
        (
            None,
            Decimal("0.03371"),
            Decimal("0.03"),
            "different price: $0.03 (808.6%) more",
        ),
    ]


@pytest.mark.parametrize(
    "bill",
    [
        openai_page(openai_cost(0.003, None), openai_cost(0.00071, None)),
        "start_time,end_time,amount_value,amount_currency,line_item,project_id\n"
        f"{FIRST},{FIRST + DAY},0.003,usd,,a\n{FIRST},{FIRST + DAY},0.00071,usd,,b\n"
        f"{FIRST + DAY},{FIRST + 2 * DAY},,,,\n",
        "date,cents\n2026-09-01,0.371\n",
    ],
)
def test_a_bill_without_models_is_compared_by_day(tmp_path: Path, bill: object) -> None:
    rows = reconcile(LOG, write(tmp_path, bill), tolerance=Decimal(0))

    # 0.0035 + 0.00021
    names = ("day", "model", "is_total", "responses", "cost", "difference")
    sums = (2, Decimal("0.00371"), Decimal(0))
    assert rows.select(names).rows() == [
        (date(2026, 9, 1), None, False, *sums),
        (None, None, True, *sums),
    ]
    assert rows["explanation"].to_list() == ["agrees", "agrees"]


def test_json_of_anthropics_usage_is_read(tmp_path: Path) -> None:
    result = {
        "uncached_input_tokens": 100,
        "cache_creation": {
            "ephemeral_1h_input_tokens": 30,
            "ephemeral_5m_input_tokens": 270,
        },
        "cache_read_input_tokens": 600,
        "output_tokens": 50,
        "server_tool_use": {"web_search_requests": 2},
        "model": "claude-haiku-4-5-20251001",
        "api_key_id": None,
    }

    read = read_invoice(write(tmp_path, anthropic_page(result)))

    # 100 + 30 + 270 + 600; there is no number of requests.
    assert read.row(0) == (
        *(date(2026, 9, 1), "claude-haiku-4-5-20251001", None, 1000, 600, 50, None),
    )


def test_json_of_anthropics_costs_is_in_cents(tmp_path: Path) -> None:
    tokens = {"currency": "USD", "model": "claude-haiku-4-5", "cost_type": "tokens"}
    search = {"currency": "USD", "model": None, "cost_type": "web_search"}
    page = anthropic_page(
        {**tokens, "amount": "123.78912", "token_type": "uncached_input_tokens"},
        {**tokens, "amount": "0.21088", "token_type": "output_tokens"},
        {**search, "amount": "2", "token_type": None},
    )

    read = read_invoice(write(tmp_path, page)).group_by("model").agg(pl.sum("cost"))

    # 123.78912 + 0.21088 = 124 cents; 2 cents
    assert dict(read.rows()) == {
        "claude-haiku-4-5": Decimal("1.24"),
        "web_search": Decimal("0.02"),
    }


def test_pages_may_follow_each_other_or_be_in_an_array(tmp_path: Path) -> None:
    first = openai_page(openai_cost(1, "gpt-4o, input"), has_more=True, next_page="p")
    last = openai_page(openai_cost(2, "gpt-4o, input"))
    texts = json.dumps([first, last]), json.dumps(first, indent=1) + json.dumps(last)

    for text in texts:
        assert read_invoice(write(tmp_path, text))["cost"].sum() == 3
    with pytest.raises(InvoiceError, match="the last page is missing"):
        read_invoice(write(tmp_path, first))


def test_a_bill_without_usage_is_empty(tmp_path: Path) -> None:
    assert read_invoice(write(tmp_path, openai_page())).is_empty()


@pytest.mark.parametrize(
    ("bill", "words"),
    [
        ("", "expected a CSV file in UTF-8 with a header, or JSON"),
        ("<!DOCTYPE html>\n<html></html>", "or JSON, got a web page"),
        ("datum;kosten\n1.9.2026;1.50\n", "no column for the day among 'datum;kosten'"),
        ("datum;kosten\n1.9.2026;1,50\n", "expected a CSV file"),
        ("date,model,amount\n2026-09-01,gpt-4o,350\n", "no column for counts or costs"),
        ("date,cost\nTotal,1\n", "line 2: date: expected a day"),
        ("date,model,cost_usd,Currency\n2026-09-01,gpt-4o,1,EUR\n", "expected USD"),
        ("date,cost\n2026-09-01,€1.50\n", "expected an amount such as"),
        ("date,cents\n2026-09-01,¢5\n", "line 2: cents: expected an amount"),
        ("date,requests\n2026-09-01,1e999999\n", "requests: expected a whole number"),
        ("date,cost\n2026-09-01,1e20\n", "line 2: cost: expected an amount"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "got other JSON"),
        ("[3]", "got other JSON"),
        ({"error": {"message": "invalid key"}}, "got other JSON"),
        ({"object": "list", "data": []}, "got other JSON"),
        # The answer of a chat is none.
        ({"object": "chat.completion", "choices": []}, "got other JSON"),
        (
            openai_page({"object": "organization.usage.embeddings.result"}),
            "expected a page of the usage or the costs API of OpenAI or Anthropic",
        ),
        (openai_page({"id": 1}), "got other JSON"),
        (openai_page(openai_cost(1, None, "eur")), "expected USD, got 'eur'"),
        (openai_page(openai_cost("much", None)), "result 1: amount.value: expected an"),
        (openai_page(openai_cost(float("nan"), None)), "expected an amount such as"),
        # Only a string is certainly in cents.
        (anthropic_page({"amount": 1.5, "currency": "USD"}), "got other JSON"),
        (anthropic_page({"amount": "1.5", "currency": None}), "got other JSON"),
        (anthropic_page({"amount": "1.5", "currency": "EUR"}), "expected USD"),
        (anthropic_page({"requests": 3}), "got other JSON"),
    ],
)
def test_what_is_not_certainly_a_bill_is_an_error(
    tmp_path: Path, bill: object, words: str
) -> None:
    with pytest.raises(InvoiceError, match=words) as caught:
        read_invoice(write(tmp_path, bill))
    assert "invalid key" not in str(caught.value)


def test_the_unit_of_a_column_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, "date,model,amount\n2026-09-01,gpt-4o,0.35\n")

    in_cents = reconcile(LOG, path, columns={"cents": "amount"}, tolerance="0")
    in_dollars = read_invoice(path, {"cost": "amount"})

    assert in_cents["cost_invoiced"][0] == Decimal("0.0035")
    assert in_dollars["cost"].item() == Decimal("0.35")
    both = write(tmp_path, "date,cost,cost_cents\n2026-09-01,2,150\n")
    assert read_invoice(both)["cost"].item() == 2
    assert read_invoice(both, {"cents": "cost_cents"})["cost"].item() == Decimal("1.5")
    with pytest.raises(InvoiceError, match="expected cost or cents, got both"):
        read_invoice(both, {"cents": "cost_cents", "cost": "cost"})


@pytest.mark.parametrize(
    ("tolerance", "agrees"),
    [
        # 103 of 100 USD: 3 more
        ("3", True),
        (Decimal("2.99"), False),
        ("3%", True),  # of 103 is 3.09
        ("2.9%", False),  # of 103 is 2.987
        (3, True),
    ],
)
def test_a_tolerance_is_an_amount_or_a_share(tolerance: Any, agrees: bool) -> None:
    log = make_choices({"model": "own", "reported_cost": 100.0})
    bill = pl.DataFrame({"day": date(2026, 1, 1), "model": "own", "cost": ["103"]})

    rows = reconcile(log, bill, tolerance=tolerance)

    text = rows["explanation"][0]
    assert text.startswith("1 response without usage")
    assert ("different price: $3.00 (3%) more" not in text) is agrees


@pytest.mark.parametrize("tolerance", ["", "-1", "x%", "nan", "inf", "1€", None, True])
def test_a_wrong_tolerance_is_an_error(tolerance: Any) -> None:
    with pytest.raises(OptionError, match="tolerance: expected an amount of USD"):
        reconcile(LOG, pl.DataFrame({"day": [], "cost": []}), tolerance=tolerance)


def test_a_difference_is_never_surer_than_its_sides(tmp_path: Path) -> None:
    day = {"created": datetime(2026, 9, 1, tzinfo=UTC)}
    log = make_choices(
        {"model": "gpt-4o", **USAGE, **day},
        {"model": "gpt-4o", **day},
        {"model": "own", **USAGE, **day},
        {"model": "gpt-4o-mini", **USAGE, **day},
        {"model": "gpt-4o-mini", **USAGE, "created": None},
    )
    bill = write(
        tmp_path,
        "date,model,cost\n2026-09-01,gpt-4o,1\n2026-09-01,own,2\n"
        "2026-09-01,o3,4\n2026-09-02,o3,8\n",
    )

    rows = reconcile(log, bill)

    names = ("model", "cost", "cost_bound", "difference", "difference_bound")
    assert rows.select(names).rows() == [
        # One of two has a price: 1 - 0.0035 is the most that may be missing.
        ("gpt-4o", Decimal("0.0035"), "lower", Decimal("0.9965"), "upper"),
        # Not in the bill, which has costs: 0 - 0.00021
        ("gpt-4o-mini", Decimal("0.00021"), "exact", Decimal("-0.00021"), "exact"),
        ("o3", None, None, Decimal(4), "exact"),
        ("own", None, "unknown", None, "unknown"),
        ("o3", None, None, Decimal(8), "exact"),
        # On which day it was billed is not known.
        ("gpt-4o-mini", Decimal("0.00021"), "exact", None, "unknown"),
        # 15 - (0.0035 + 2 x 0.00021); two are unpriced, one is undated.
        (None, Decimal("0.00392"), "lower", Decimal("14.99608"), "approximate"),
    ]
    assert rows["explanation"].to_list()[-1] == (
        "1 response without usage; 2 responses unpriced; undated responses included"
    )


def test_a_sum_of_rows_is_the_total(tmp_path: Path) -> None:
    bill = write(
        tmp_path,
        "date,model,requests,input_tokens,output_tokens,cost\n"
        "2026-09-01,gpt-4o,2,2000,200,0.0070\n2026-09-03,o3,1,10,10,0.5\n",
    )

    rows = reconcile(LOG, bill)

    *parts, total = rows.to_dicts()
    for name in (*COUNTS, "cost", "difference"):
        for suffix in ("", "_invoiced") if name != "difference" else ("",):
            known = [
                one[name + suffix] for one in parts if one[name + suffix] is not None
            ]
            assert total[name + suffix] == (sum(known) if known else None)
    assert [one["is_total"] for one in parts] == [False] * 3
    assert total["is_total"]
    # Only the range is summed, on both sides.
    first = reconcile(LOG, bill, until="2026-09-02")
    assert first["cost_invoiced"].to_list() == [
        Decimal("0.007"),
        None,
        Decimal("0.007"),
    ]
    with pytest.raises(OptionError, match="since: expected the start of a day in UTC"):
        reconcile(LOG, bill, since="2026-09-01T12:00")


DAYS = st.sampled_from([datetime(2026, 9, day, 12, tzinfo=UTC) for day in (1, 2)])
NAMES = st.sampled_from(["gpt-4o", "gpt-4o-mini", "own"])
LOGGED = st.lists(
    st.fixed_dictionaries(
        {"model": NAMES | st.none(), "created": DAYS | st.none()},
        optional={"reported_cost": st.sampled_from([0.0, 0.25])},
    )
    | st.fixed_dictionaries(
        {"model": NAMES, "created": DAYS, **{n: st.just(c) for n, c in USAGE.items()}}
    ),
    max_size=6,
)
BILLED = st.lists(
    st.fixed_dictionaries(
        {
            "day": DAYS.map(datetime.date),
            "model": NAMES,
            "requests": st.none() | st.integers(0, 3),
            "cost": st.none() | st.integers(0, 100).map(str),
        }
    ),
    max_size=4,
)
BILL = {"day": pl.Date, "model": pl.String, "requests": pl.Int64, "cost": pl.String}


@settings(max_examples=60, deadline=None)
@given(LOGGED, BILLED, st.booleans())
def test_rows_add_up_and_claim_no_more_than_is_known(
    logged: list[dict[str, Any]], billed: list[dict[str, Any]], by_day: bool
) -> None:
    bill = pl.DataFrame(billed, BILL)
    rows = reconcile(
        make_choices(*logged), bill.drop("model") if by_day and billed else bill
    )

    *parts, total = rows.to_dicts() or [None]
    for row in rows.iter_rows(named=True):
        unpriced, responses = row["responses_unpriced"], row["responses"]
        if responses and unpriced == responses:
            assert row["cost"] is None
            assert row["cost_bound"] == "unknown"
        if unpriced:
            assert row["difference_bound"] in {"upper", "approximate", "unknown"}
            assert row["explanation"] != "agrees"
        assert (row["difference"] is None) is (row["difference_bound"] == "unknown")
        if row["explanation"] == "agrees" and row["difference"] is not None:
            assert abs(row["difference"]) <= Decimal("0.01")
    if total is not None:
        assert total["responses"] == (len(logged) or None)
        for name in ("cost", "cost_invoiced", "responses", "responses_invoiced"):
            known = [row[name] for row in parts if row[name] is not None]
            assert total[name] == (sum(known) if known else None)
        if total["difference_bound"] == "exact":
            assert total["difference"] == sum(row["difference"] for row in parts)
