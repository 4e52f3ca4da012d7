"""Budgets: one is met only if no price is missing."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
import pytest

import toolkit
from toolkit.errors import OptionError
from toolkit.pricing.budgets import breaches, check_names, parse_budgets


def costs(*rows: tuple[str | None, str, int, int]) -> pl.DataFrame:
    """Make costs of (model, cost, responses, responses_unpriced)."""
    return pl.DataFrame(
        [(model, Decimal(cost), *counts) for model, cost, *counts in rows],
        schema={
            "model": pl.String,
            "cost": pl.Decimal(38, 12),
            "responses": pl.Int64,
            "responses_unpriced": pl.Int64,
        },
        orient="row",
    )


PRICED = costs(("gpt-a", "7.25", 3, 0), ("gpt-b", "2.75", 2, 0))  # 10 in all
UNSURE = costs(("gpt-a", "7.25", 3, 0), (None, "0", 4, 4))


def wrong(budgets: list[str], frame: pl.DataFrame) -> list[tuple[bool, str]]:
    """Return what is wrong with budgets."""
    found = breaches(parse_budgets(budgets), frame)
    return [(breach.is_certain, breach.sentence) for breach in found]


def test_a_budget_that_is_just_reached_is_not_exceeded() -> None:
    assert wrong(["10USD", "gpt-a=7.25 USD"], PRICED) == []


def test_a_budget_below_the_cost_is_exceeded() -> None:
    assert wrong(["9.99USD", "gpt-b=2.70USD"], PRICED) == [
        (True, "the budget is exceeded: $10.00 of $9.99 (100.1%)"),
        (True, "the budget of gpt-b is exceeded: $2.75 of $2.70 (101.9%)"),
    ]


def test_a_budget_may_be_exceeded_if_a_price_is_missing() -> None:
    assert wrong(["1000USD", "gpt-a=8USD"], UNSURE) == [
        (
            False,
            "the budget may be exceeded: at least $7.25 of $1,000.00 (≥ 0.7%), and 4 "
            "of 7 calls have no known price",
        )
    ]


def test_a_cost_of_which_nothing_is_known_is_not_zero() -> None:
    assert wrong(["8USD"], costs(("gpt-a", "0", 3, 3))) == [
        (
            False,
            "the budget may be exceeded: unknown of $8.00, and 3 of 3 calls have no "
            "known price",
        )
    ]


def test_a_budget_below_the_known_cost_is_exceeded_even_if_a_price_is_missing() -> None:
    assert wrong(["7USD"], UNSURE) == [
        (True, "the budget is exceeded: at least $7.25 of $7.00 (≥ 103.5%)")
    ]


def test_the_last_digit_decides() -> None:
    frame = costs(("gpt-a", "5.000000000001", 1, 0))

    assert wrong(["5USD"], frame) == [
        (True, "the budget is exceeded: $5.000000000001 of $5.00 (>100%)")
    ]


def test_what_was_spent_is_written_to_the_cent() -> None:
    frame = costs(("gpt-a", "1.1014972", 1, 0))

    assert wrong(["1USD"], frame) == [
        (True, "the budget is exceeded: $1.10 of $1.00 (110.1%)")
    ]
    assert wrong(["0USD"], frame) == [(True, "the budget is exceeded: $1.10 of $0")]


def test_no_calls_cost_nothing() -> None:
    assert wrong(["0USD", "gpt-a=1USD"], costs()) == []


@pytest.mark.parametrize(
    ("budget", "hint"),
    [
        (
            "gpt_a=1USD",
            r"a model in the log \(gpt-a, gpt-b\), .* \(did you mean 'gpt-a'",
        ),
        ("o3=1USD", r"a model in the log \(gpt-a, gpt-b\), got 'o3'$"),
        ("team:search=1USD", r"write tag_NAME:VALUE for the value of a tag"),
    ],
)
def test_a_budget_of_a_model_that_is_not_in_the_log_raises(
    budget: str, hint: str
) -> None:
    budgets = parse_budgets(["1USD", "gpt-b=1USD", budget])

    check_names(budgets[:2], ["gpt-a", "gpt-b"])
    with pytest.raises(OptionError, match=hint):
        check_names(budgets, ["gpt-a", "gpt-b"])


def test_a_budget_of_a_tag_that_is_not_in_the_log_raises() -> None:
    budgets = parse_budgets(["tag_team:serach=1USD"])

    with pytest.raises(OptionError, match=r"a value of tag_team .*mean 'search'"):
        check_names(budgets, ["ads", "search"])
    with pytest.raises(OptionError, match=r"\(it has none\)"):
        check_names(budgets, [])


FAMILY = costs(
    ("gpt-4o", "1", 1, 0),
    ("gpt-4o-2024-08-06", "2", 1, 0),
    ("openai/gpt-4o", "4", 1, 0),
    ("openai/gpt-4o-2024-08-06", "8", 1, 0),
    ("gpt-4o-mini", "16", 1, 0),
    ("claude-3-5-sonnet-20241022", "32", 1, 0),
    ("anthropic/claude-3.5-sonnet", "64", 1, 0),
    (None, "128", 1, 0),
)


@pytest.mark.parametrize(
    ("model", "spent"),
    [
        ("gpt-4o", 1 + 2 + 4 + 8),
        ("GPT-4o", 1 + 2 + 4 + 8),
        ("openai/gpt-4o", 4),
        ("gpt-4o-2024-08-06", 2),
        ("gpt-4o-mini", 16),
        ("claude-3-5-sonnet", 32 + 64),
        ("claude-3.5-sonnet", 32 + 64),
    ],
)
def test_a_budget_of_a_model_includes_its_snapshots_and_prefixes(
    model: str, spent: int
) -> None:
    assert wrong([f"{model}={spent}USD"], FAMILY) == []
    ((is_certain, sentence),) = wrong([f"{model}={spent - 1}USD"], FAMILY)
    assert is_certain
    assert f"of {model} is exceeded: ${spent}.00 of" in sentence


def test_a_budget_of_a_tag_is_that_of_its_calls() -> None:
    frame = costs(("search", "3", 2, 1), ("ads", "7", 1, 0), (None, "9", 1, 0))
    frame = frame.rename({"model": "tag_team"})

    assert wrong(["tag_team:ads=7USD"], frame) == []
    assert wrong(["tag_team:search=4USD"], frame) == [
        (
            False,
            "the budget of tag_team:search may be exceeded: at least $3.00 of $4.00 "
            "(≥ 75%), and 1 of 2 calls has no known price",
        )
    ]


@pytest.mark.parametrize(
    ("text", "column", "value"),
    [
        ("a=b=1USD", "model", "a=b"),
        ("qwen3:8b=1USD", "model", "qwen3:8b"),
        ("tag_team:a:b=1USD", "tag_team", "a:b"),
        ("tag_team:a=b=1USD", "tag_team", "a=b"),
    ],
)
def test_names_may_have_colons_and_equals_signs(
    text: str, column: str, value: str
) -> None:
    (budget,) = parse_budgets([text])

    assert (budget.column, budget.value) == (column, value)


@pytest.mark.parametrize(
    "text", ["500", "500EUR", "-1USD", "1e3USD", "=1USD", "", "gpt-a=", "1,000USD"]
)
def test_a_text_that_is_not_a_budget_raises(text: str) -> None:
    with pytest.raises(OptionError, match="expected an amount"):
        parse_budgets([text])


def test_a_model_has_one_budget() -> None:
    with pytest.raises(OptionError, match="one amount for the budget of gpt-a"):
        parse_budgets(["gpt-a=1USD", "gpt-a=2USD"])
    assert len(parse_budgets(["a=1USD", "tag_b:a=1USD", "tag_c:a=1USD"])) == 3


def test_the_packages_list_only_public_names() -> None:
    assert dir(toolkit.pricing) == sorted(toolkit.pricing.__all__)
    assert "budgets" in dir(toolkit.pricing)
    assert "annotations" not in dir(toolkit.pricing)
    assert dir(toolkit.pricing.budgets) == [
        "Breach",
        "Budget",
        "breaches",
        "check_names",
        "parse_budgets",
    ]
