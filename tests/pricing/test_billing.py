"""What each kind of usage costs: invoices worked by hand, and what is unknown."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from toolkit.pricing import PriceFile, Reason, add_cost, read_prices
from toolkit.pricing.offers import COUNTS, REQUIRED_COUNTS
from toolkit.pricing.pricer import Pricer, priced_by
from toolkit.testing import make_choices

NOVEMBER = datetime(2026, 11, 1, 12, tzinfo=UTC)
JUNE_2025 = datetime(2025, 6, 1, tzinfo=UTC)
# Columns that a frame may lack, and their types.
EXTRA = {
    "processing": pl.String(),
    "search_context_size": pl.String(),
    "is_byok": pl.Boolean(),
    "cache_hit": pl.Boolean(),
    "upstream_cost": pl.Float64(),
    **dict.fromkeys(COUNTS[len(REQUIRED_COUNTS) :], pl.Int64()),
}


def price(
    prices: PriceFile | None = None, **cells: object
) -> tuple[Decimal | None, str | None]:
    """Price one response; return its cost, and the reason why there is none."""
    cells = {"created": NOVEMBER, **cells}
    plain = {name: value for name, value in cells.items() if name not in EXTRA}
    frame = make_choices(plain).with_columns(
        pl.lit(cells.get(name), dtype).alias(name) for name, dtype in EXTRA.items()
    )
    prices = PriceFile() if prices is None else prices
    row = Pricer(prices).price(frame.select(priced_by(frame)))
    assert add_cost(frame, prices)["cost"].item() == row["cost"].item()
    return row.select("cost", "reason").row(0)


# Rates are USD per million tokens.
INVOICES = {
    # 50,000 x 3 + 100,000 x 6 + 1,000 x 15 = 150,000 + 600,000 + 15,000 millionths
    "a cache write for an hour": (
        {
            "model": "claude-sonnet-4-5",
            "prompt_tokens": 150_000,
            "cache_write_tokens": 100_000,
            "cache_write_1h_tokens": 100_000,
            "completion_tokens": 1000,
        },
        "0.765",
    ),
    # 50,000 x 3 + 60,000 x 3.75 + 40,000 x 6 + 1,000 x 15
    # = 150,000 + 225,000 + 240,000 + 15,000
    "some of it for five minutes": (
        {
            "model": "claude-sonnet-4-5",
            "prompt_tokens": 150_000,
            "cache_write_tokens": 100_000,
            "cache_write_1h_tokens": 40_000,
            "completion_tokens": 1000,
        },
        "0.63",
    ),
    # 9,548 x 3 + 528 x 15 = 28,644 + 7,920, and two searches at a cent
    "searches": (
        {
            "model": "claude-sonnet-4-5",
            "prompt_tokens": 9548,
            "completion_tokens": 528,
            "web_searches": 2,
        },
        "0.056564",
    ),
    # 33 x 2 + 7,163 x 8 + 20,016 x 2 + 73,997 x 3 = 66 + 57,304 + 40,032 + 221,991,
    # and 18 searches at half a cent; reasoning is charged beside the completion
    "deep research": (
        {
            "model": "sonar-deep-research",
            "provider": "Perplexity",
            "prompt_tokens": 33,
            "completion_tokens": 7163,
            "total_tokens": 7196,
            "citation_tokens": 20_016,
            "reasoning_tokens": 73_997,
            "web_searches": 18,
        },
        "0.409393",
    ),
    # 10 x 3 + 500 x 15 = 7,530, and 6, 10 or 14 thousandths for the request; the
    # searches are part of it
    **{
        f"a search of {size} context": (
            {
                "model": "sonar-pro",
                "provider": "perplexity",
                "prompt_tokens": 10,
                "completion_tokens": 500,
                "search_context_size": size,
                "web_searches": 2,
            },
            cost,
        )
        for size, cost in (
            ("low", "0.01353"),
            ("medium", "0.01753"),
            ("high", "0.02153"),
        )
    },
    # 10 x 0.30 + 10 x 2.50 + 1,290 of the image x 30 = 3 + 25 + 38,700
    "an image": (
        {
            "model": "gemini-2.5-flash-image",
            "prompt_tokens": 10,
            "completion_tokens": 1300,
            "completion_image_tokens": 1290,
        },
        "0.038728",
    ),
    # An image in the prompt is charged as text: 1,000 x 2.50 + 10 x 10
    "a prompt with an image": (
        {
            "model": "gpt-4o-2024-08-06",
            "prompt_tokens": 1000,
            "prompt_image_tokens": 765,
            "cached_tokens": 0,
            "completion_tokens": 10,
        },
        "0.0026",
    ),
    # 600 x 0.15 + 400 x 10 + 500 x 0.60 + 1,500 x 20 = 90 + 4,000 + 300 + 30,000
    "audio at a corrected rate": (
        {
            "model": "gpt-4o-mini-audio-preview",
            "prompt_tokens": 1000,
            "prompt_audio_tokens": 400,
            "completion_tokens": 2000,
            "completion_audio_tokens": 1500,
        },
        "0.03439",
    ),
    # Audio costs as much as text there: 1,000 x 1.25 + 10 x 10, and of the 600 cached
    # tokens it does not matter which are audio: 400 x 1.25 + 600 x 0.125 + 10 x 10
    "audio at the rate of text": (
        {
            "model": "gemini-2.5-pro",
            "prompt_tokens": 1000,
            "prompt_audio_tokens": 900,
            "cached_tokens": 600,
            "completion_tokens": 10,
        },
        "0.000675",
    ),
    # All is audio, so that what was cached is: 600 x 1 + 400 x 0.10 + 10 x 2.50
    "cached audio": (
        {
            "model": "gemini-2.5-flash",
            "prompt_tokens": 1000,
            "prompt_audio_tokens": 1000,
            "cached_tokens": 400,
            "completion_tokens": 10,
        },
        "0.000665",
    ),
    # 20 x 0.30 + (198 + 405 of thinking) x 2.50 = 6 + 1,507.5
    "thinking that only the total shows": (
        {
            "model": "gemini-2.5-flash",
            "prompt_tokens": 20,
            "completion_tokens": 198,
            "total_tokens": 623,
        },
        "0.0015135",
    ),
    # 21 x 0.30 + 60 x 2.50 = 6.3 + 150
    "nothing but thinking": (
        {
            "model": "google/gemini-2.5-flash",
            "prompt_tokens": 21,
            "completion_tokens": 0,
            "reasoning_tokens": 60,
            "total_tokens": 81,
        },
        "0.0001563",
    ),
    # 6,000 x 3 + 5,000 x 0.30 + 50 x 15 = 18,000 + 1,500 + 750
    "a cache beside the prompt": (
        {
            "model": "claude-sonnet-4-5",
            "prompt_tokens": 6000,
            "completion_tokens": 50,
            "cached_tokens": 5000,
            "total_tokens": 11_050,
        },
        "0.02025",
    ),
    # 150,000 and 100,000 beside it are a long prompt: 150,000 x 6 + 100,000 x 0.60
    # + 1,000 x 22.50 = 900,000 + 60,000 + 22,500
    "a long prompt with a cache beside it": (
        {
            "model": "claude-sonnet-4-5",
            "prompt_tokens": 150_000,
            "completion_tokens": 1000,
            "cached_tokens": 100_000,
            "total_tokens": 251_000,
        },
        "0.9825",
    ),
    # Reasoning has no rate of its own: 100 x 0.25 + 50 x 2
    "more reasoning than completion": (
        {
            "model": "gpt-5-mini",
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "reasoning_tokens": 64,
            "total_tokens": 150,
        },
        "0.000125",
    ),
    # Half of 1,000,000 x 2.50 + 1,000,000 x 10, whatever the tier of the body is
    "a batch": (
        {
            "model": "gpt-4o-2024-08-06",
            "service_tier": "default",
            "processing": "batch",
            "prompt_tokens": 10**6,
            "completion_tokens": 10**6,
        },
        "6.25",
    ),
    # Half of 12,345 x 2.50 + 678 x 10: 15,431.25 + 3,390
    "a batch of 2025": (
        {
            "model": "gpt-4o-2024-08-06",
            "processing": "batch",
            "created": JUNE_2025,
            "prompt_tokens": 12_345,
            "completion_tokens": 678,
        },
        "0.01882125",
    ),
    # 1,000 x 3 + 10 x 15, and 20 sources at 2.5 cents
    "sources of a search": (
        {
            "model": "grok-3",
            "created": JUNE_2025,
            "prompt_tokens": 1000,
            "completion_tokens": 10,
            "search_sources": 20,
        },
        "0.50315",
    ),
    "a fee, and the bill of the model's provider": (
        {"reported_cost": 0.00146, "upstream_cost": 0.0292, "is_byok": True},
        "0.03066",
    ),
    "no fee": (
        {"reported_cost": 0.0, "upstream_cost": 1234.5, "is_byok": True},
        "1234.5",
    ),
    "a router that charges nothing beside the bill of the provider behind it": (
        {"reported_cost": 0.0, "upstream_cost": 0.0035},
        "0.0035",
    ),
    "a call that the router says was not made with the user's own key": (
        {
            "reported_cost": 0.0,
            "upstream_cost": 0.0035,
            "is_byok": False,
            "prompt_tokens": 1000,
            "completion_tokens": 100,
        },
        "0",
    ),
    "an answer from the cache of a proxy": (
        {
            "model": "gpt-4o",
            "prompt_tokens": 1000,
            "completion_tokens": 100,
            "cache_hit": True,
        },
        "0",
    ),
}


@pytest.mark.parametrize("name", INVOICES)
def test_a_cost_equals_a_calculation_by_hand(name: str) -> None:
    cells, expected = INVOICES[name]

    assert price(**cells) == (Decimal(expected), None)


BASE = {"model": "gpt-4o-2024-08-06", "prompt_tokens": 1000, "completion_tokens": 100}


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"prompt_audio_tokens": 1}, Reason.NO_RATE),
        ({"completion_audio_tokens": 1}, Reason.NO_RATE),
        ({"completion_image_tokens": 1}, Reason.NO_RATE),
        ({"cache_write_tokens": 9, "cache_write_1h_tokens": 9}, Reason.NO_RATE),
        ({"citation_tokens": 1}, Reason.NO_RATE),
        ({"search_sources": 1}, Reason.NO_RATE),
        ({"model": "claude-3-haiku-20240307", "web_searches": 1}, Reason.NO_RATE),
        # Each request searches, for a fee that the response does not show.
        ({"model": "gpt-4o-mini-search-preview-2025-03-11"}, Reason.NO_RATE),
        # The fee depends on a size that the response does not name.
        ({"model": "sonar-pro", "provider": "Perplexity"}, Reason.NO_RATE),
        # Above 128,000 tokens the rate of cached ones is not known.
        (
            {"model": "grok-4-0709", "prompt_tokens": 150_000, "cached_tokens": 1},
            Reason.NO_RATE,
        ),
        ({"processing": "batch", "provider": "Azure"}, Reason.NO_TIER_RATE),
        (
            {"processing": "batch", "model": "grok-4-0709", "created": JUNE_2025},
            Reason.NO_TIER_RATE,
        ),
        ({"prompt_tokens": 0, "completion_tokens": 0}, Reason.NO_USAGE),
        (
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
            Reason.NO_USAGE,
        ),
        (
            {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 7},
            Reason.COUNTS,
        ),
        # Thinking and the cache would both make this total.
        (
            {"model": "gemini-2.5-pro", "cached_tokens": 100, "total_tokens": 1200},
            Reason.COUNTS,
        ),
        (
            {"reasoning_tokens": 50, "cached_tokens": 50, "total_tokens": 1150},
            Reason.COUNTS,
        ),
        # Nothing shows whether it is beside the completion.
        ({"reasoning_tokens": 101}, Reason.COUNTS),
        (
            {
                "model": "claude-sonnet-4-5",
                "cache_write_tokens": 1,
                "cache_write_1h_tokens": 2,
            },
            Reason.COUNTS,
        ),
        # Which of the cached tokens are audio?
        (
            {
                "model": "gemini-2.5-flash",
                "prompt_audio_tokens": 900,
                "cached_tokens": 600,
            },
            Reason.COUNTS,
        ),
        ({"reported_cost": -0.01}, Reason.NEGATIVE),
        # Placeholders: no call has 0 tokens.
        (
            {"prompt_tokens": 0, "completion_tokens": 0, "reported_cost": 0.0},
            Reason.NO_USAGE,
        ),
        ({"is_byok": True}, Reason.OWN_KEY),
        ({"is_byok": True, "reported_cost": 0.0}, Reason.OWN_KEY),
        ({"is_byok": True, "upstream_cost": 0.1}, Reason.OWN_KEY),
        (
            {"is_byok": True, "reported_cost": 0.1, "upstream_cost": -0.1},
            Reason.NEGATIVE,
        ),
    ],
)
def test_what_is_charged_at_no_known_rate_is_unknown(
    cells: dict[str, object], reason: Reason
) -> None:
    assert price(**BASE)[0] == Decimal("0.0035")
    assert price(**{**BASE, **cells}) == (None, reason)


def test_a_frame_without_the_newer_columns_is_priced_as_if_they_were_null() -> None:
    choices = make_choices({**BASE, "created": NOVEMBER})
    older = choices.drop([name for name in EXTRA if name in choices.columns])

    # 1,000 x 2.50 + 100 x 10
    for frame in (choices, older):
        assert add_cost(frame)["cost"].to_list() == [Decimal("0.0035")]
        assert add_cost(frame.lazy()).collect()["cost"].to_list() == [Decimal("0.0035")]


def test_a_free_model_is_free_for_every_kind_of_token() -> None:
    free = {
        "provider": "openrouter",
        "model": "deepseek/deepseek-r1:free",
        "prompt_tokens": 1000,
        "completion_tokens": 1000,
        "prompt_audio_tokens": 10,
    }

    assert price(**free) == (Decimal(0), None)


def test_a_date_before_a_model_was_served_is_no_date() -> None:
    def dated(model: str, created: datetime) -> tuple[object, ...]:
        choices = make_choices({**BASE, "model": model, "created": created})
        return add_cost(choices).select("cost", "price_date").row(0)

    early = datetime(2023, 1, 1, tzinfo=UTC)

    # 1,000 x 2.50 + 100 x 10; o3 had two prices.
    assert dated("gpt-4o-2024-08-06", NOVEMBER)[1] == NOVEMBER.date()
    assert dated("gpt-4o-2024-08-06", early) == (Decimal("0.0035"), None)
    assert dated("o3-2025-04-16", early) == (None, None)
    # 1,000 x 0.15 + 100 x 0.60
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert dated("gpt-4o-mini", epoch) == (Decimal("0.00021"), None)


def test_undated_responses_are_priced_if_their_kinds_of_tokens_never_changed() -> None:
    undated = {"created": None, "prompt_tokens": 1000, "completion_tokens": 100}

    # Only the price of sources changed: 1,000 x 3 + 100 x 15
    assert price(model="grok-3", **undated)[0] == Decimal("0.0045")
    sources = price(model="grok-3", **undated, search_sources=1)
    assert sources == (None, Reason.UNDATED)
    assert price(model="gpt-4o", **undated) == (None, Reason.UNDATED)


def test_a_price_file_may_come_before_reported_costs(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    row = '[[price]]\nmodel = "gpt-4o-2024-08-06"\ninput = 1\noutput = 1\n'
    path.write_text(row)
    after = read_prices(path)
    path.write_text("before_reported = true\n" + row)
    before = read_prices(path)
    reported = {**BASE, "reported_cost": 0.5}

    assert price(after, **reported)[0] == Decimal("0.5")
    # 1,100 x 1; another model keeps what is reported.
    assert price(before, **reported)[0] == Decimal("0.0011")
    assert price(before, **{**reported, "model": "o3"})[0] == Decimal("0.5")
    # An answer from the cache of a proxy costs nothing at any price.
    assert price(before, **BASE, cache_hit=True)[0] == 0
    own_key = {**reported, "is_byok": True}
    assert price(before, **own_key)[0] == Decimal("0.0011")
    assert price(after, **own_key) == (None, Reason.OWN_KEY)
