"""Corrections of the price data: each has a source, and gives what was charged."""

from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import toolkit.pricing
from toolkit.pricing import PriceFile, Reason
from toolkit.pricing.catalogue import provider_names
from toolkit.pricing.pricer import NEEDED, Pricer
from toolkit.testing import make_choices

FILE = Path(toolkit.pricing.__file__).with_name("corrections.toml")


def price(model: str, moment: str | None, **cells: object) -> str | Decimal | None:
    """Price a million and a million tokens; return the cost, or else the reason."""
    created = None if moment is None else datetime.fromisoformat(f"{moment}+00:00")
    counts = {"prompt_tokens": 10**6, "completion_tokens": 10**6, **cells}
    choices = make_choices({"model": model, "created": created, **counts})
    row = Pricer(PriceFile()).price(choices.select(NEEDED))
    cost, reason = row.select("cost", "reason").row(0)
    return cost if reason is None else reason


def test_every_correction_has_a_source_a_date_and_a_known_seller() -> None:
    rows = tomllib.loads(FILE.read_text("utf-8"))["price"]

    assert len(rows) > 50
    for row in rows:
        assert row["source"].startswith("https://"), row
        dated = [row[key] for key in ("added", "checked") if key in row]
        assert len(dated) == 1, row
        assert date(2026, 11, 1) <= dated[0] <= datetime.now(UTC).date(), row
        assert row["provider"] in provider_names(), row


@pytest.mark.parametrize(
    ("model", "moment", "cost"),
    [
        # 0.20 + 0.60 from Mistral Small 24.09 until Mistral Small 3
        ("mistral-small-latest", "2024-08-01T00:00:00", Reason.OUT_OF_DATE),
        ("mistral-small-latest", "2024-12-01T00:00:00", "0.8"),
        ("codestral-latest", "2024-12-01T00:00:00", "0.8"),
        ("mistral-medium-latest", "2024-08-01T00:00:00", Reason.OUT_OF_DATE),
        # another model before 3.8 Flash, which costs 0.75 + 3.75
        ("gemini-flash-latest", "2025-10-01T00:00:00", Reason.OUT_OF_DATE),
        ("models/gemini-flash-latest", "2026-11-02T00:00:00", "4.5"),
        ("gemini-pro-latest", "2025-10-01T00:00:00", Reason.OUT_OF_DATE),
        # Until 2025-02-08 16:00 it was 0.14 + 0.28, then 0.27 + 1.10
        ("deepseek-chat", "2025-02-08T15:59:59", "0.42"),
        ("deepseek-chat", "2025-02-08T16:00:00", "1.37"),
        # half of it from 16:30 to 00:30 since 2025-02-26
        ("deepseek-chat", "2025-02-26T00:10:00", "1.37"),
        ("deepseek-chat", "2025-02-26T16:30:00", "0.685"),
        ("deepseek-chat", "2025-05-01T00:29:59", "0.685"),
        ("deepseek-chat", "2025-05-01T00:30:00", "1.37"),
        # until 2025-09-05 16:00, then 0.56 + 1.68 at all hours
        ("deepseek-chat", "2025-09-05T00:10:00", "0.685"),
        ("deepseek-chat", "2025-09-06T00:10:00", "2.24"),
        # 0.28 + 0.42, then 0.14 + 0.28 as served by V4 Flash, until it was retired
        ("deepseek-chat", "2026-01-15T12:00:00", "0.7"),
        ("deepseek-chat", "2026-05-27T10:00:00", "0.42"),
        ("deepseek-chat", "2026-08-01T00:00:00", Reason.OUT_OF_DATE),
        ("deepseek-reasoner", "2025-05-01T12:00:00", "2.74"),
        ("deepseek-reasoner", "2025-05-01T17:00:00", "0.685"),
        # Peak hours only since August 2026, and only on work days: 9 November is a
        # Monday. 0.15 + 0.60, and twice that
        ("deepseek-flash", "2026-11-09T02:00:00", "1.5"),
        ("deepseek-flash", "2026-11-09T05:00:00", "0.75"),
        ("deepseek-flash", "2026-11-08T02:00:00", "0.75"),
        # A holiday in China
        ("deepseek-flash", "2026-10-01T02:00:00", "0.75"),
        # 3 + 12 until 2025
        ("o1-mini", "2024-10-01T00:00:00", "15"),
        ("o1-mini", "2026-01-01T00:00:00", "5.5"),
        ("gpt-4o", "2024-10-01T23:59:59", "20"),
        ("gpt-4o", "2024-10-02T00:00:00", "12.5"),
        ("gpt-4o", None, Reason.UNDATED),
        ("gpt-4o-2024-05-13", "2024-11-01T00:00:00", "20"),
        ("gpt-4o-2024-05-13", None, "20"),
        ("ft:gpt-4.1-mini-2025-04-14:acme::abc", "2026-11-01T00:00:00", "4"),
        # 8B above 128,000 tokens: 0.075 + 0.30
        ("gemini-1.5-flash-8b", "2025-01-01T00:00:00", "0.375"),
        ("gemini-1.5-flash-8b-001", "2025-01-01T00:00:00", "0.375"),
        ("gemini-1.5-flash", "2025-01-01T00:00:00", "0.75"),
        ("mistral-large-latest", "2024-08-30T00:00:00", "12"),
        ("mistral-large-latest", "2025-06-01T00:00:00", "8"),
        ("mistral-large-latest", "2026-01-01T00:00:00", "2"),
        ("mistral-large-latest", "2026-11-01T00:00:00", Reason.OUT_OF_DATE),
        ("mistral-large-2411", "2026-11-01T00:00:00", "8"),
        # A long prompt: 6 + 30
        ("grok-4-0709", "2025-10-01T00:00:00", "36"),
    ],
)
def test_a_corrected_price_is_that_of_the_day(
    model: str, moment: str | None, cost: str
) -> None:
    expected = cost if isinstance(cost, Reason) else Decimal(cost)

    assert price(model, moment) == expected


def test_cached_tokens_have_the_rate_of_their_time() -> None:
    counts = {"prompt_tokens": 10_000, "cached_tokens": 4000, "completion_tokens": 1000}

    # 6,000 x 10 + 4,000 x 2.50 + 1,000 x 40; then 6,000 x 2 + 4,000 x 0.50 + 1,000 x 8
    assert price("o3", "2025-06-09T23:59:59", **counts) == Decimal("0.11")
    assert price("o3", "2025-06-10T00:00:00", **counts) == Decimal("0.022")
    # 6,000 x 3.75 + 4,000 x 1.875 + 1,000 x 15
    tuned = price("ft:gpt-4o-2024-08-06:acme::abc", "2026-11-01T00:00:00", **counts)
    assert tuned == Decimal("0.045")


@pytest.mark.parametrize(
    ("model", "moment", "cost"),
    [
        # Half of 1 + 5, of 15 + 75, and of the long prompts of Sonnet 4.5, 6 + 22.50
        ("claude-haiku-4-5-20251001", None, "3"),
        ("claude-haiku-4-5-20251001", "2026-10-13T00:00:00", "3"),
        ("claude-haiku-4-5-20251001", "2026-10-14T00:00:00", "3"),
        ("claude-opus-4-1-20250805", None, "45"),
        ("claude-sonnet-4-5", None, "14.25"),
        # Of Opus 4.6 they cost 10 + 37.50, and as short ones since 2026-03-13
        ("claude-opus-4-6", "2026-03-12T00:00:00", "23.75"),
        ("claude-opus-4-6", "2026-03-13T00:00:00", "15"),
        ("claude-opus-4-6", None, Reason.UNDATED),
        # Half of 0.30 + 2.50, and of 2.50 + 15
        ("gemini-2.5-flash", None, "1.4"),
        ("models/gemini-2.5-pro", "2026-01-01T00:00:00", "8.75"),
    ],
)
def test_batches_cost_half_of_the_standard_rate(
    model: str, moment: str | None, cost: str
) -> None:
    expected = cost if isinstance(cost, Reason) else Decimal(cost)

    assert price(model, moment, service_tier="batch") == expected


def test_a_correction_is_for_its_seller_only() -> None:
    azure = price("gpt-4o", "2024-07-01T00:00:00", provider="Azure")

    # 2.50 + 10, as genai-prices has it.
    assert azure == Decimal("12.5")


def test_a_batch_has_the_rate_of_its_day() -> None:
    batch = {"service_tier": "batch"}

    # Half of 5 + 15 until the name moved, then half of 2.50 + 10
    assert price("gpt-4o", "2024-07-01T00:00:00", **batch) == Decimal(10)
    assert price("gpt-4o", "2025-07-01T00:00:00", **batch) == Decimal("6.25")
    # A long prompt: half of 5 + 22.50
    assert price("gpt-5.4", "2026-06-01T00:00:00", **batch) == Decimal("13.75")
    cached = {"prompt_tokens": 1000, "cached_tokens": 10, "completion_tokens": 1}
    unknown = price("gpt-4.1", "2025-07-01T00:00:00", **batch, **cached)
    assert unknown == Reason.NO_RATE
