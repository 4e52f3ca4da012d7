"""How a report was made: prices, versions, and the command that makes it again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.report.test_report import calls
from tests.report.test_restated import WEEK, tables_of
from tests.report.test_trust import SAMPLE_WEEK
from toolkit.errors import OptionError
from toolkit.report.model import Made
from toolkit.report.provenance import _versions, build_made
from toolkit.testing import make_choices

ONE = make_choices(*calls("2026-11-17", 1))


def made(sources: Any = ONE, *, uses_clock: bool = False, **options: Any) -> Made:
    """Build how a report of a week was made."""
    tables, inputs = tables_of(sources, options.pop("within", WEEK))
    plan = tables.plan._replace(**options.pop("plan", {}))
    tables.plan = plan
    return build_made(tables, inputs, options, uses_clock=uses_clock)


def test_prices_are_one_sentence() -> None:
    number = _versions()["genai-prices"]

    assert made().prices == f"genai-prices {number}, on the day of each call"
    assert made(prices="own.toml").prices == (
        f"own prices of own.toml, then genai-prices {number}, on the day of each call"
    )
    # 41 calls of the sample's week: counted by `toolkit cost`.
    assert made("data/sample", within=SAMPLE_WEEK).prices == (
        f"genai-prices {number}, on the day of each call; 41 calls at the price that "
        "the provider reported"
    )


def test_the_command_makes_the_same_report_again() -> None:
    found = made(
        "data/sample",
        plan={"compares": True, "by": ("model", "tag_team"), "provider": "azure"},
        prices="own prices.toml",
        tag=["team=metadata.team"],
        budget=["4USD", "gpt-4o=1USD"],
        created_unit="ms",
        against=None,
    )

    assert found.inputs == ["data/sample"]
    assert found.command == (
        "toolkit report data/sample --since 2026-11-16T00:00:00Z "
        "--until 2026-11-23T00:00:00Z --compare previous "
        "--tz UTC --every 1d --top 12 --by model --by tag_team --provider azure "
        "--prices 'own prices.toml' --tag team=metadata.team --budget 4USD --budget "
        "gpt-4o=1USD --created-unit ms --to report.html"
    )
    assert found.decoder in {"kernel", "reference"}


def test_the_time_is_named_only_where_it_matters() -> None:
    assert "--now" not in made().command
    now = {"now": datetime(2026, 11, 20, 6, tzinfo=UTC)}
    assert "--now 2026-11-20T06:00:00Z" in made(uses_clock=True, plan=now).command
    assert made().command.startswith("toolkit report LOG ")


def test_control_characters_do_not_reach_the_command() -> None:
    found = made(prices="a\u202eb.toml", budget=["x\x1b=1USD"])

    assert "\u202e" not in found.command + found.prices
    assert "\x1b" not in found.command


def test_the_clock_is_that_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    assert made().generated is None
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795392000")
    assert made().generated == "23 Nov 2026, 00:00 UTC"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "today")
    with pytest.raises(OptionError, match="seconds since 1970"):
        made()
