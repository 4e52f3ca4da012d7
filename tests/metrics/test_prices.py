"""Money in metrics by your own prices, with `measure` and the commands."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

import toolkit
from tests.support.command import run as run_command
from toolkit.errors import OptionError
from toolkit.metrics import measure
from toolkit.testing import make_choices, make_response

PRICES = '[[price]]\nmodel = "my-own"\nfrom = 2026-01-01\ninput = "2"\noutput = "5"\n'


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    """Write a price file for a model that nobody else knows."""
    path = tmp_path / "prices.toml"
    path.write_text(PRICES, encoding="utf-8")
    return path


def test_a_metric_with_money_takes_your_own_prices(prices: Path) -> None:
    choices = make_choices(
        {
            "model": "my-own",
            "prompt_tokens": 1000,
            "completion_tokens": 100,
            "total_tokens": 1100,
            "finish_reason": "length",
        }
    )

    spent = measure("cost", choices, by=(), every=None, prices=prices)
    cut_off = measure("truncation_rate", choices, by=(), every=None, prices=prices)

    # 1,000 x 2 USD + 100 x 5 USD, a million of each
    assert spent["cost"].item() == Decimal("0.0025")
    assert cut_off["cost_truncated"].item() == Decimal("0.0025")
    assert measure("cost", choices)["responses_unpriced"].item() == 1


def test_a_cost_of_your_own_that_is_not_an_amount_is_unpriced() -> None:
    amounts = [0.25, float("nan"), 1e30, float("-inf"), None, -0.05]
    choices = make_choices(
        *[{"total_tokens": 10, "finish_reason": "length", "cost": a} for a in amounts]
    )

    for frame in (choices, choices.with_columns(cost_source=pl.lit("priced"))):
        spent = measure("cost", frame, by=(), every=None)
        cut_off = measure("truncation_rate", frame, by=(), every=None)

        # 0.25 - 0.05, and four of six without an answer
        assert spent["cost"].item() == Decimal("0.2")
        assert spent["responses_unpriced"].item() == 4
        assert spent["tokens_unpriced"].item() == 40
        assert cut_off["cost_truncated"].item() == Decimal("0.2")
        assert cut_off["responses_truncated_unpriced"].item() == 4
    exact = choices.with_columns(cost=pl.lit("0.1").str.to_decimal(scale=1))
    assert measure("cost", exact, by=())["cost"].item() == Decimal("0.6")
    whole = choices.with_columns(cost=pl.lit(2))
    assert measure("cost", whole, by=())["cost"].item() == 12


def test_prices_are_an_error_for_a_metric_without_money(prices: Path) -> None:
    with pytest.raises(OptionError, match="token_usage does not use prices"):
        measure("token_usage", make_choices({}), prices=prices)


def test_the_commands_take_prices_where_money_is(prices: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}
    response = make_response(model="my-own", usage=usage)
    log.write_text(json.dumps(response), encoding="utf-8")
    options = ["--prices", str(prices), "--every", "none", "--csv"]

    printed = run_command("metric", "cost", str(log), *options)
    refused = run_command("metric", "model_mix", str(log), *options)

    assert "0.0025" in printed.stdout
    assert refused.returncode == 2
    assert "--prices: expected" in refused.stderr
    picture = tmp_path / "cost.png"
    asked = ["plot", "cost", str(log), "--to", str(picture), "--prices", str(prices)]
    assert run_command(*asked).returncode == 0
    assert picture.stat().st_size > 0


def test_prices_of_a_configuration_are_for_money_only(
    prices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toolkit.toml").write_text(
        f'prices = "{prices.name}"\n', encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    toolkit.testing.write_sample(tmp_path / "log.jsonl", 20)

    done = run_command("metric", "model_mix", "log.jsonl")

    assert done.returncode == 0, done.stderr


def test_a_chart_without_a_folder_to_write_to_is_an_error_before_logs_are_read(
    tmp_path: Path,
) -> None:
    asked = ["plot", "cost", "nowhere.jsonl", "--to", str(tmp_path / "no" / "a.png")]

    done = run_command(*asked)

    assert done.returncode == 1
    assert done.stderr.startswith(f"toolkit: {asked[-1]}: cannot write: ")
