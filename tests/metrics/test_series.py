"""Series that no column names: vendor, maker, family; and who served unnamed lines."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import toolkit
from tests.support.command import run as run_command
from toolkit import metrics
from toolkit.errors import MissingColumnsError, OptionError
from toolkit.expressions import vendor
from toolkit.expressions.vendors import seller_named
from toolkit.metrics.registry import SPECS
from toolkit.pricing import add_cost, missing_prices
from toolkit.testing import make_choices, make_response

if TYPE_CHECKING:
    from pathlib import Path

USAGE = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
CHOICES = make_choices(
    {"model": "gpt-4o-2024-08-06", **USAGE},
    {"model": "openai/gpt-4o", "provider": "Azure", **USAGE},
    {"model": "llama-3.3-70b", **USAGE},
    {"model": None, **USAGE},
)
COMPUTED = ("vendor", "maker", "model_family")
ROWS = [
    ("azure", "openai", "gpt-4o", 1100),
    ("openai", "openai", "gpt-4o", 1100),
    (None, "meta", "llama-3.3-70b", 1100),
    (None, None, None, 1100),
]


def test_series_are_computed_of_every_kind_of_frame() -> None:
    names = pl.col("model", "provider").cast(pl.Categorical)
    for choices in (CHOICES, CHOICES.lazy(), CHOICES.with_columns(names)):
        usage = metrics.token_usage(choices, by=COMPUTED, every=None)
        assert usage.select(*COMPUTED, "total_tokens").rows() == ROWS
    folded = metrics.token_usage(CHOICES, by="maker", every=None, top=1)
    assert folded.select("maker", "folded", "total_tokens").rows() == [
        ("openai", 0, 2200),
        ("other", 2, 2200),
    ]


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, spec in SPECS.items()
        if "by" in spec.option_names and not spec.fixed
    ],
)
def test_every_metric_has_computed_series(name: str) -> None:
    for choices in (CHOICES, CHOICES.lazy()):
        table = metrics.METRICS[name](choices, by=("maker", "vendor"), provider="groq")
        own = choices.with_columns(vendor("groq"), maker=pl.lit("us"))
        assert set(table["vendor"]) <= {"azure", "groq"}
        assert set(metrics.METRICS[name](own, by="maker")["maker"]) <= {"us"}


def test_a_frame_without_what_a_series_is_computed_from_is_an_error() -> None:
    with pytest.raises(MissingColumnsError, match="no column 'provider'"):
        metrics.token_usage(CHOICES.drop("provider"), by="vendor")
    with pytest.raises(
        MissingColumnsError, match=r"'vendr' \(did you mean 'vendor'\?\)"
    ):
        metrics.token_usage(CHOICES, by="vendr")
    with pytest.raises(OptionError, match=r"got 'azur' \(did you mean 'azure'\?\)"):
        metrics.token_usage(CHOICES, provider="azur")


def test_prices_are_those_of_the_provider_where_a_line_names_none() -> None:
    choices = make_choices(
        {"model": "llama-3.3-70b", **USAGE},
        {"model": "llama-3.3-70b", "served_by": "cerebras", **USAGE},
        {"model": "openai/gpt-oss-20b", "provider": "Groq", **USAGE},
        {"model": "gemma3:4b", "served_by": "ollama", **USAGE},
    )
    # Cerebras: 0.85 and 1.20 USD a million: 0.00085 + 0.00012;
    # Groq: 0.075 and 0.30 USD a million: 0.000075 + 0.00003.
    cerebras, groq = Decimal("0.00097"), Decimal("0.000105")

    assert add_cost(choices)["cost"].to_list() == [None, cerebras, groq, None]
    costs = [cerebras, cerebras, groq, None]
    priced = add_cost(choices, provider="Cerebras")
    assert priced["cost"].to_list() == costs
    assert priced.drop("cost", "cost_source", "price_date").equals(choices)
    lazy = add_cost(choices.lazy(), provider="cerebras").collect()
    assert lazy["cost"].to_list() == costs
    for frame in (choices, choices.lazy()):
        table = metrics.cost(frame, by="vendor", every=None, provider="cerebras")
        assert table.select("vendor", "cost", "responses_unpriced").rows() == [
            ("cerebras", 2 * cerebras, 1),
            ("groq", groq, 0),
        ]
        spent = toolkit.spending(frame, by="vendor", every=None, provider="cerebras")
        assert spent.costs.equals(table)
        assert spent.missing["model"].to_list() == ["gemma3:4b"]
    missing = missing_prices(choices)
    assert dict(missing.select("model", "reason").iter_rows()) == {
        "llama-3.3-70b": "no_provider",
        "gemma3:4b": "no_provider",
    }


def test_the_cost_of_truncated_answers_depends_on_the_provider() -> None:
    choices = make_choices(
        {"model": "llama-3.3-70b", "finish_reason": "length", **USAGE},
        {"model": "llama-3.3-70b", "finish_reason": "stop", **USAGE},
    )

    cut = metrics.truncation_rate(choices, every=None, provider="cerebras")

    assert cut["cost_truncated"].to_list() == [Decimal("0.00097")]


NAMES = (
    *("gpt-4o", "openai/gpt-4o", "gpt-35-turbo", "azure/gpt-4o", "llama-3.3-70b", "x"),
    *("claude-sonnet-4-5-20250929", "us.anthropic.claude-3-7-sonnet-20250219-v1:0"),
    *("models/gemini-2.5-flash", "groq/openai/gpt-oss-20b", "deepseek-v4-flash"),
    *("anthropic/claude-haiku-4.5", "openrouter/openai/gpt-4o", "gpt-oss:20b"),
)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "model": st.sampled_from([None, *NAMES]),
                "provider": st.sampled_from(
                    [None, "OpenAI", "azure", "vertex_ai", "groq", "openrouter", "mine"]
                ),
                "served_by": st.sampled_from([None, "groq", "deepseek", "cerebras"]),
            }
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([None, "azure", "openrouter", "xAI"]),
)
def test_a_priced_response_has_the_vendor_whose_price_it_has(
    rows: list[dict[str, str | None]], provider: str | None
) -> None:
    choices = make_choices(*[{**row, **USAGE} for row in rows])

    priced = add_cost(choices.with_columns(vendor(provider)), provider=provider)

    for row in priced.filter(pl.col("cost").is_not_null()).iter_rows(named=True):
        assert row["vendor"] is not None
        explained = toolkit.explain(
            priced.filter(line=row["line"]),
            model=row["model"],
            date=row["created"].date(),
            provider=provider,
        )
        source = explained.prices["source"].item()
        assert source.split(", ")[1] == seller_named(row["vendor"]) == row["vendor"]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log with one response of open weights and one of GPT-4o."""
    path = tmp_path / "log.jsonl"
    counts = dict(USAGE)
    lines = [
        make_response(id=str(n), model=model, usage=counts)
        for n, model in enumerate(("llama-3.3-70b", "gpt-4o"))
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def run(*words: str) -> list[dict[str, str]]:
    """Run the command, and return its CSV."""
    done = run_command(*words, "--csv")
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_the_commands_take_computed_series_and_a_provider(
    log: Path, tmp_path: Path
) -> None:
    series = ("--by", "maker", "--by", "vendor", "--every", "none")
    served = ("--provider", "Cerebras")

    tokens = run("tokens", str(log), *series)
    assert [(row["maker"], row["vendor"]) for row in tokens] == [
        ("meta", ""),
        ("openai", "openai"),
    ]
    for words in (("cost",), ("metric", "cost")):
        costs = run(*words, str(log), *series, *served)
        assert [(row["maker"], row["vendor"]) for row in costs] == [
            ("meta", "cerebras"),
            ("openai", "cerebras"),
        ]
        assert Decimal(costs[0]["cost"]) == Decimal("0.00097")
    settings = tmp_path / "toolkit.toml"
    settings.write_text('provider = "cerebras"', "utf-8")
    found = run("cost", str(log), *series, "--config", str(settings))
    assert found == costs
    data = tmp_path / "report.json"
    words = ["report", str(log), "--to", str(data), "--by", "vendor", *served]
    assert run_command(*words).returncode == 0
    report = json.loads(data.read_text("utf-8"))
    assert [row["name"] for row in report["models"]["rows"]] == ["cerebras"]
    assert "--provider Cerebras" in report["made"]["command"]
    chart = tmp_path / "cost.png"
    for name in ("cost", "overview"):
        words = ["plot", name, str(log), "--to", str(chart), "--by", "maker", *served]
        assert run_command(*words).returncode == 0
