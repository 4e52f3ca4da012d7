"""Costs as FOCUS 1.2 has them: its column rules, and rows worked out by hand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit
from toolkit.errors import OptionError
from toolkit.pricing import PriceFile, focus, read_prices
from toolkit.testing import make_choices

SECOND = datetime(2026, 11, 2, 12, tzinfo=UTC)
AMOUNTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost")
ROW = ("SkuMeter", "ConsumedQuantity", "BilledCost", "ListCost", "ContractedUnitPrice")


class Rule(NamedTuple):
    """What FOCUS 1.2 demands of a column of a dataset of costs and usage.

    `source` has the rules of the requirements model: that the column is present
    (CostAndUsage-D-...: M mandatory, C on a condition, O recommended) and about null.
    `null` is when a charge of usage may have no value: "never", "may", or the column
    without which it has none.
    """

    name: str
    source: str
    dtype: type[pl.DataType]
    null: str
    allowed: tuple[str, ...] = ()


# From the requirements model of FOCUS 1.2 (focus_validator/rules/model-1.2.json, as its
# validator has it) and the sections of the specification of the same names.
RULES = [
    Rule("BilledCost", "D-006-M C-001-M", pl.Decimal, "never"),
    Rule("BillingAccountId", "D-024-M C-001-M", pl.String, "never"),
    Rule("BillingAccountName", "D-005-M C-003-C", pl.String, "may"),
    Rule("BillingAccountType", "D-007-M C-003-C", pl.String, "BillingAccountId"),
    Rule("BillingCurrency", "D-035-M C-004-M", pl.String, "never", ("USD",)),
    Rule("BillingPeriodEnd", "D-010-M C-003-M", pl.Datetime, "never"),
    Rule("BillingPeriodStart", "D-009-M C-003-M", pl.Datetime, "never"),
    Rule(
        "ChargeCategory", "D-008-M C-002-M", pl.String, "never",
        ("Usage", "Purchase", "Tax", "Credit", "Adjustment"),
    ),
    Rule("ChargeClass", "D-026-M C-002-C", pl.String, "may", ("Correction",)),
    Rule("ChargeDescription", "D-025-M C-003-O", pl.String, "may"),
    Rule(
        "ChargeFrequency", "D-027-O C-002-M", pl.String, "never",
        ("One-Time", "Recurring", "Usage-Based"),
    ),
    Rule("ChargePeriodEnd", "D-028-M C-003-M", pl.Datetime, "never"),
    Rule("ChargePeriodStart", "D-037-M C-003-M", pl.Datetime, "never"),
    Rule("ConsumedQuantity", "D-011-C C-005-C", pl.Decimal, "never"),
    Rule("ConsumedUnit", "D-063-C C-004-C", pl.String, "ConsumedQuantity"),
    Rule("ContractedCost", "D-030-M C-003-M", pl.Decimal, "never"),
    Rule("ContractedUnitPrice", "D-034-C C-006-C", pl.Decimal, "never"),
    Rule("EffectiveCost", "D-031-M C-003-M", pl.Decimal, "never"),
    Rule("InvoiceIssuerName", "D-023-M C-003-M", pl.String, "never"),
    Rule("ListCost", "D-032-M C-003-M", pl.Decimal, "never"),
    Rule("ListUnitPrice", "D-004-C C-005-C", pl.Decimal, "never"),
    Rule(
        "PricingCategory", "D-022-C C-004-C", pl.String, "never",
        ("Standard", "Committed", "Dynamic", "Other"),
    ),
    Rule("PricingQuantity", "D-036-M C-005-C", pl.Decimal, "never"),
    Rule("PricingUnit", "D-065-M C-004-C", pl.String, "PricingQuantity"),
    Rule("ProviderName", "D-038-M C-003-M", pl.String, "never"),
    Rule("PublisherName", "D-021-M C-003-M", pl.String, "never"),
    Rule(
        "ServiceCategory", "D-040-M C-002-M", pl.String, "never",
        (
            *("AI and Machine Learning", "Analytics", "Business Applications"),
            *("Compute", "Databases", "Developer Tools", "Multicloud", "Identity"),
            *("Integration", "Internet of Things", "Management and Governance"),
            *("Media", "Migration", "Mobile", "Networking", "Security", "Storage"),
            *("Web", "Other"),
        ),
    ),
    Rule("ServiceName", "D-041-M C-003-M", pl.String, "never"),
    Rule(
        "ServiceSubcategory", "D-042-O C-002-M", pl.String, "never",
        (
            *("AI Platforms", "Bots", "Generative AI", "Machine Learning"),
            *("Natural Language Processing", "Other (AI and Machine Learning)"),
        ),
    ),
    Rule("SkuId", "D-057-C C-005-C", pl.String, "never"),
    Rule("SkuMeter", "D-056-C C-003-C", pl.String, "SkuId"),
    Rule("SkuPriceDetails", "D-058-C C-003-C", pl.String, "may"),
    Rule("SkuPriceId", "D-055-C C-005-C", pl.String, "never"),
    Rule("Tags", "D-061-C C-000-C", pl.String, "may"),
]  # fmt: skip
# What a log does not say is null, against the rule: unknown is never zero.
UNKNOWN = {
    **dict.fromkeys((*AMOUNTS, "ContractedUnitPrice", "ListUnitPrice", "SkuPriceId")),
    **dict.fromkeys(("ConsumedQuantity", "PricingQuantity", "BillingAccountId")),
    **dict.fromkeys(("InvoiceIssuerName", "ProviderName", "ServiceName")),
    "PublisherName": None,
}


@pytest.fixture(scope="module")
def sample() -> pl.DataFrame:
    """Load the sample: many models, reported costs, batches, lines without usage."""
    with pytest.warns(toolkit.errors.RejectsWarning):
        return pl.DataFrame(
            toolkit.load("data/sample", tags={"team": "metadata.team"}).choices
        )


@pytest.mark.parametrize("account", [None, "acme"])
def test_columns_follow_the_rules_of_focus(
    sample: pl.DataFrame, account: str | None
) -> None:
    rows = focus(sample, month="2026-11", account=account)
    rows_known = rows.filter(x_CostSource="priced")

    assert [rule.name for rule in RULES] == [
        name for name in rows.columns if not name.startswith("x_")
    ]
    for rule in RULES:
        column, known = rows[rule.name], rows_known[rule.name]
        assert isinstance(column.dtype, rule.dtype), rule
        if rule.allowed:
            assert set(column.drop_nulls()) <= set(rule.allowed), rule
        if rule.null == "never":
            assert known.null_count() == 0 or rule.name == "BillingAccountId", rule
            assert column.null_count() == 0 or rule.name in UNKNOWN, rule
        elif rule.null != "may":
            assert (column.is_null() == rows[rule.null].is_null()).all(), rule
        if isinstance(column.dtype, pl.String):
            assert not (column.str.strip_chars() == "").any(), rule  # NullHandling
        if isinstance(column.dtype, pl.Datetime):
            assert column.dtype == pl.Datetime("us", "UTC"), rule  # DateTimeFormat
    assert rows["BillingAccountId"].null_count() == (0 if account else rows.height)


def test_values_follow_the_rules_of_focus_about_several_columns(
    sample: pl.DataFrame,
) -> None:
    rows = focus(sample, month="2026-11")

    # BillingPeriodStart and ChargePeriodStart are inclusive, the ends exclusive.
    assert set(rows["BillingPeriodStart"]) == {datetime(2026, 11, 1, tzinfo=UTC)}
    assert set(rows["BillingPeriodEnd"]) == {datetime(2026, 12, 1, tzinfo=UTC)}
    days = rows["ChargePeriodEnd"] - rows["ChargePeriodStart"]
    assert set(days) == {timedelta(days=1)}
    assert (
        rows["ChargePeriodStart"]
        .is_between(rows["BillingPeriodStart"], rows["BillingPeriodEnd"], closed="left")
        .all()
    )
    # ListCost is ListUnitPrice times PricingQuantity, ContractedCost the same.
    for cost, price in (
        ("ListCost", "ListUnitPrice"),
        ("ContractedCost", "ContractedUnitPrice"),
    ):
        priced = rows.filter(pl.col(price).is_not_null())
        assert priced.height > 100
        for amount, unit, quantity in priced.select(
            cost, price, "PricingQuantity"
        ).rows():
            assert abs(amount - unit * quantity) < Decimal("1e-12")
    # UnitFormat: the quantity, then a noun in the plural.
    assert set(rows["ConsumedUnit"].drop_nulls()) <= {"Tokens", "Requests"}
    assert set(rows["PricingUnit"].drop_nulls()) <= {"1000000 Tokens", "Requests"}
    # A SkuPriceId has one SkuId; a ServiceName has one ServiceCategory.
    assert (
        rows.group_by("SkuPriceId")
        .agg(pl.col("SkuId").n_unique())
        .filter(pl.col("SkuPriceId").is_not_null() & (pl.col("SkuId") > 1))
        .is_empty()
    )
    # KeyValueFormat: an object without objects.
    tags = [json.loads(text) for text in rows["Tags"]]
    assert {name for one in tags for name in one} == {"team"}
    details = [json.loads(text) for text in rows["SkuPriceDetails"].drop_nulls()]
    assert {name for one in details for name in one} == {"x_ServiceTier"}


def test_costs_add_up_to_those_of_the_month(sample: pl.DataFrame) -> None:
    rows = focus(sample, month="2026-11")
    spent = toolkit.spending(
        sample, since="2026-11-01", until="2026-12-01", every=None, by=()
    ).costs

    for name in AMOUNTS[:3]:
        assert rows[name].sum() == spent["cost"].item()
    assert rows["x_ResponsesUnpriced"].sum() == spent["responses_unpriced"].item()
    known = rows["x_CostUnknownReason"].is_null()
    assert (rows["BilledCost"].is_not_null() == known).all()


def test_each_kind_of_tokens_has_its_own_row() -> None:
    # gpt-4o: 2.50, cached 1.25, output 10 USD per million. Twice the same call:
    # 2 * (1,000 - 400) = 1,200 at 2.50 are 0.003; 800 at 1.25 are 0.001; 200 at 10 are
    # 0.002. A second choice has no usage of its own.
    call = {
        "model": "gpt-4o",
        "created": SECOND,
        "prompt_tokens": 1000,
        "cached_tokens": 400,
        "completion_tokens": 100,
        "total_tokens": 1100,
    }
    of_two = {"line": 2, "choice_count": 2}
    second = {"model": "gpt-4o", "created": SECOND, "choice_position": 1}
    choices = make_choices(call, {**call, **of_two}, {**second, **of_two})

    rows = focus(choices, month="2026-11")

    assert rows.select(ROW).rows() == [
        ("Cached Tokens", 800, Decimal("0.001"), Decimal("0.001"), Decimal("1.25")),
        ("Output Tokens", 200, Decimal("0.002"), Decimal("0.002"), Decimal(10)),
        ("Input Tokens", 1200, Decimal("0.003"), Decimal("0.003"), Decimal("2.5")),
    ]
    assert rows["PricingQuantity"].to_list() == [
        Decimal("0.0008"), Decimal("0.0002"), Decimal("0.0012"),
    ]  # fmt: skip
    assert rows["SkuPriceId"].to_list() == [
        "openai/gpt-4o/cached_tokens/1.25",
        "openai/gpt-4o/completion_tokens/10",
        "openai/gpt-4o/prompt_tokens/2.5",
    ]


def test_parts_of_parts_are_counted_once() -> None:
    # claude-sonnet-4-5: 3, output 15, cached 0.30, written 3.75, for an hour 6. Of
    # 1,000 tokens 400 were cached and 300 written, 100 for an hour: 300 remain.
    # 300 * 3 = 900, 400 * 0.3 = 120, 200 * 3.75 = 750, 100 * 6 = 600, 100 * 15 = 1,500
    choices = make_choices(
        {
            "model": "claude-sonnet-4-5",
            "created": SECOND,
            "prompt_tokens": 1000,
            "cached_tokens": 400,
            "cache_write_tokens": 300,
            "cache_write_1h_tokens": 100,
            "completion_tokens": 100,
        }
    )

    rows = focus(choices, month="2026-11")

    assert {
        meter: (count, cost) for meter, count, cost, *_ in rows.select(ROW).rows()
    } == {
        "Input Tokens": (300, Decimal("0.0009")),
        "Cached Tokens": (400, Decimal("0.00012")),
        "Cache Write Tokens": (200, Decimal("0.00075")),
        "Cache Write 1h Tokens": (100, Decimal("0.0006")),
        "Output Tokens": (100, Decimal("0.0015")),
    }


def test_unknown_costs_are_null_with_their_reason() -> None:
    choices = make_choices(
        {"model": "my-own", "created": SECOND, "total_tokens": 1100,
         "prompt_tokens": 1000, "completion_tokens": 100},
        {"model": "gpt-4o", "created": SECOND},
    )  # fmt: skip

    rows = focus(choices, month="2026-11")

    assert rows.select(*ROW, "ConsumedUnit", "x_CostUnknownReason").rows() == [
        ("Tokens", 1100, None, None, None, "Tokens", "unknown_model"),
        ("Tokens", None, None, None, None, None, "no_usage"),
    ]
    assert rows["x_ResponsesUnpriced"].to_list() == [1, 1]
    assert rows["x_ResponsesWithoutUsage"].to_list() == [0, 1]
    assert rows["ProviderName"].to_list() == [None, "openai"]


def test_a_reported_cost_has_one_row_beside_its_list_price() -> None:
    # 1,000 at 2.50 and 100 at 10 per million are 0.0035; the response reports 0.002.
    choices = make_choices(
        {"model": "gpt-4o", "created": SECOND, "prompt_tokens": 1000,
         "completion_tokens": 100, "total_tokens": 1100, "reported_cost": 0.002}
    )  # fmt: skip

    (row,) = focus(choices, month="2026-11").select(*ROW, "PricingCategory").rows()

    expected = ("Tokens", 1100, Decimal("0.002"), Decimal("0.0035"), None, "Other")
    assert row == expected


def test_list_costs_are_without_the_prices_of_the_user(tmp_path: Path) -> None:
    # Their own price of input is 2 in place of 2.50; cached tokens cost as input, in
    # the list 1.25. 600 at 2 are 0.0012, 400 at 2 are 0.0008, and 0.0015 and 0.0005.
    prices = tmp_path / "prices.toml"
    prices.write_text(
        'price = [{model = "gpt-4o", input = "2", output = "8"}]', encoding="utf-8"
    )
    choices = make_choices(
        {"model": "gpt-4o", "created": SECOND, "prompt_tokens": 1000,
         "cached_tokens": 400, "completion_tokens": 100}
    )  # fmt: skip

    rows = focus(choices, month="2026-11", prices=prices)

    assert rows.select(*ROW[:4], "ContractedUnitPrice", "ListUnitPrice").rows() == [
        ("Cached Tokens", 400, Decimal("0.0008"), Decimal("0.0005"), 2, 1.25),
        ("Output Tokens", 100, Decimal("0.0008"), Decimal("0.001"), 8, 10),
        ("Input Tokens", 600, Decimal("0.0012"), Decimal("0.0015"), 2, 2.5),
    ]


def test_days_tiers_and_tags_have_rows_of_their_own() -> None:
    call = {"model": "gpt-4o", "prompt_tokens": 1000, "completion_tokens": 0}
    midnight = datetime(2026, 11, 3, tzinfo=UTC)
    choices = make_choices(
        {**call, "created": midnight - timedelta(microseconds=1)},
        {**call, "created": midnight},
        {**call, "created": midnight, "processing": "batch"},
        {**call, "created": midnight},
        {**call, "created": datetime(2026, 12, 1, tzinfo=UTC)},  # of the next month
        {**call, "created": None},
    ).with_columns(tag_team=pl.Series(["a", "a", "a", 'b"', "a", "a"]))

    rows = focus(choices, month="2026-11")

    names = ("ChargePeriodStart", "x_ServiceTier", "Tags", "BilledCost")
    second, third = midnight - timedelta(days=1), midnight
    assert rows.select(names).rows() == [
        (second, None, '{"team":"a"}', Decimal("0.0025")),
        (third, None, '{"team":"a"}', Decimal("0.0025")),
        (third, None, '{"team":"b\\""}', Decimal("0.0025")),
        (third, "batch", '{"team":"a"}', Decimal("0.00125")),
    ]


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> PriceFile:
    """Return prices by which a token costs no whole number of 10^-12 USD."""
    path = tmp_path_factory.mktemp("odd") / "prices.toml"
    path.write_text(
        'price = [{model = "odd", input = "0.1234567", cached = "0.0333333", '
        'reasoning = "3.3333333", output = "0.7777777"}]',
        encoding="utf-8",
    )
    return read_prices(path)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "model": st.sampled_from(
                    ["gpt-4o-audio-preview", "claude-sonnet-4-5", "my-own", "odd"]
                ),
                "prompt_tokens": st.none() | st.integers(0, 300_000),
                "completion_tokens": st.none() | st.integers(0, 5000),
                "cached_tokens": st.none() | st.integers(0, 1000),
                "cache_write_tokens": st.none() | st.integers(0, 1000),
                "prompt_audio_tokens": st.none() | st.integers(0, 1000),
                "reasoning_tokens": st.none() | st.integers(0, 1000),
                "reported_cost": st.none() | st.floats(0, 1),
            }
        ),
        min_size=1,
        max_size=20,
    )
)
def test_no_cost_and_no_token_is_lost_or_counted_twice(
    odd: PriceFile, calls: list[dict[str, object]]
) -> None:
    choices = make_choices(*({**call, "created": SECOND} for call in calls))

    rows = focus(choices, month="2026-11", prices=odd)

    spent = toolkit.spending(choices, prices=odd, every=None, by=()).costs
    assert rows["BilledCost"].sum() == (spent["cost"].item() or 0)
    assert rows["x_ResponsesUnpriced"].sum() == spent["responses_unpriced"].item()
    priced = toolkit.pricing.price_responses(choices, odd).filter(cost_source="priced")
    tokens = priced["prompt_tokens"].sum() + priced["completion_tokens"].sum()
    assert rows.filter(x_CostSource="priced")["ConsumedQuantity"].sum() == tokens
    assert (rows["ConsumedQuantity"].drop_nulls() >= 0).all()


def test_the_order_of_the_rows_does_not_depend_on_that_of_the_log() -> None:
    # Unpriced responses have no SkuPriceId, in which the tier would be.
    tiers = [None, "batch", "flex", "priority", "scale", "auto", "default"]
    choices = make_choices(
        *({"model": "own", "created": SECOND, "service_tier": tier} for tier in tiers)
    )

    rows = focus(choices, month="2026-11")

    assert rows["x_ServiceTier"].to_list() == [*sorted(tiers[1:]), None]
    for order in range(len(tiers)):
        moved = choices.tail(order).vstack(choices.head(len(tiers) - order))
        assert focus(moved, month="2026-11").equals(rows)


def test_a_month_without_responses_has_the_columns_and_no_rows() -> None:
    choices = make_choices({"model": "gpt-4o", "created": SECOND})

    rows = focus(choices, month="2026-10")

    assert rows.is_empty()
    assert rows.schema == focus(choices, month="2026-11").schema


@pytest.mark.parametrize(
    "month", ["2026-13", "2026", "2026-11-01", "9999-12", "", None]
)
def test_what_is_no_month_is_refused(month: str) -> None:
    expected = "a year and a month, such as 2026-11"
    if month == "9999-12":
        expected = "a month before 9999-12"
    with pytest.raises(OptionError, match=f"month: expected {expected}, got"):
        focus(make_choices({}), month=month)
