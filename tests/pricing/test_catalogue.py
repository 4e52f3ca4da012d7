"""The catalogue: who sold a response, and every price is that of genai-prices."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import genai_prices
import pytest
from genai_prices.data import providers
from genai_prices.types import ModelInfo, StartDateConstraint

from toolkit.expressions.makers import maker_of
from toolkit.pricing import PriceFile, pricer
from toolkit.pricing.catalogue import TIERS, find_offer
from toolkit.pricing.pricer import NEEDED, Pricer
from toolkit.pricing.rates import Rates, Reason
from toolkit.testing import make_choices


def test_every_cost_is_that_of_genai_prices_over_its_whole_catalogue() -> None:
    chance = random.Random(6)
    rows = [
        {
            "provider": provider.id,
            "model": model.id,
            "service_tier": chance.choice([None, None, None, *TIERS]),
            "created": datetime(2024, 1, 1, tzinfo=UTC)
            + timedelta(seconds=chance.randrange(3 * 365 * 86_400)),
            **random_counts(chance, speaks="audio_mtok" in repr(model.prices)),
        }
        for provider in providers
        for model in provider.models
        # Some are listed under an id that their own rules do not match.
        if provider.find_model(model.id)
        for _ in range(2)
    ]
    met = compare_with_genai_prices(rows)

    assert len(rows) > 4000
    assert met["priced"] > len(rows) / 2


def test_a_cost_changes_at_the_instant_and_the_token_at_which_the_price_does() -> None:
    rows = [
        {
            "provider": provider.id,
            "model": model.id,
            "service_tier": tier,
            "created": edge + timedelta(microseconds=shift),
            "prompt_tokens": prompt,
            "cached_tokens": prompt // 2,
            "completion_tokens": 10,
        }
        for provider in providers
        for model in provider.models
        if provider.find_model(model.id) and (edges := edges_of(model))
        for edge in edges
        for shift in (-1, 0)
        for prompt in lengths_of(model)
        for tier in (None, "priority")[: 1 + bool(model.price_variants)]
    ]
    rows = [
        {**dict.fromkeys(OTHER_COUNTS), **row}
        for row in random.Random(6).sample(rows, min(len(rows), 4000))
    ]

    met = compare_with_genai_prices(rows)

    assert met["priced"] > 1000


OTHER_COUNTS = (
    "cache_write_tokens",
    "prompt_audio_tokens",
    "reasoning_tokens",
    "completion_audio_tokens",
)


def edges_of(model: ModelInfo) -> list[datetime]:
    """Return the instants at which a model's price changes, one day for hours."""
    listed = model.prices if isinstance(model.prices, list) else []
    found = []
    for one in [*listed, *(model.price_variants or ())]:
        held = one.constraint
        if isinstance(held, StartDateConstraint):
            found.append(datetime.combine(held.start_date, time(), UTC))
        elif held is not None:
            day = date(2026, 9, 1)
            found += [
                datetime.combine(day, edge) for edge in (held.start_time, held.end_time)
            ]
    return found


def lengths_of(model: ModelInfo) -> list[int]:
    """Return the lengths of a prompt around the steps of its price."""
    listed = model.prices if isinstance(model.prices, list) else []
    all_prices = [one.prices for one in listed] or [model.prices]
    steps = {
        step.start
        for prices in all_prices
        for price in prices.__dict__.values()
        for step in getattr(price, "tiers", ())
    }
    return sorted({1000, *(start + more for start in steps for more in (0, 1))})


def compare_with_genai_prices(rows: list[dict[str, object]]) -> dict[str, int]:
    """Price rows both ways, compare to 10^-12, and count what was met."""
    choices = make_choices(*rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pricer, "read_corrections", PriceFile)
        with_costs = Pricer(PriceFile()).price(choices.select(NEEDED))
    met = dict.fromkeys(["priced", *Reason], 0)
    for row, (cost, source, _, reason) in zip(
        rows, with_costs.iter_rows(), strict=True
    ):
        expected = price_by_genai_prices(row)
        met[reason or source] += 1
        if reason is None:
            assert expected is not None, row
            assert abs(cost - expected) <= Decimal("1e-12"), row
        elif reason == Reason.COUNTS:
            assert expected is None, row
        else:
            # Audio is never charged as text; a date before that of a snapshot is none.
            unpriced = {Reason.NO_RATE, Reason.NO_TIER_RATE, Reason.UNDATED}
            assert reason in unpriced, row
    return met


def random_counts(chance: random.Random, *, speaks: bool) -> dict[str, int | None]:
    """Make counts that do not contradict each other; with audio, if it has a price."""
    share = 1 if speaks else 0
    prompt = chance.choice([0, 7, 1_000, 130_000, 200_000, 200_001, 10**9])
    completion = chance.choice([0, 3, 5_000] if prompt else [3, 5_000])
    cached = chance.choice([None, 0, prompt // 3])
    written = chance.choice([None, 0, prompt // 5])
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": chance.choice([None, prompt + completion]),
        "cached_tokens": cached,
        "cache_write_tokens": written,
        "prompt_audio_tokens": chance.choice([None, None, 0, share * prompt // 7]),
        "reasoning_tokens": chance.choice([None, completion // 2]),
        "completion_audio_tokens": chance.choice([None, None, share * completion // 3]),
    }


def price_by_genai_prices(row: dict[str, object]) -> Decimal | None:
    """Ask the library for one price; None if it refuses the counts."""
    usage = {
        "input_tokens": row["prompt_tokens"],
        "output_tokens": row["completion_tokens"],
        "cache_read_tokens": row["cached_tokens"],
        "cache_write_tokens": row["cache_write_tokens"],
        "input_audio_tokens": row["prompt_audio_tokens"],
        "output_reasoning_tokens": row["reasoning_tokens"],
        "output_audio_tokens": row["completion_audio_tokens"],
    }
    tier = row["service_tier"]
    try:
        return genai_prices.calc_price(
            genai_prices.Usage(**usage),  # type: ignore[arg-type]
            str(row["model"]),
            provider_id=str(row["provider"]),
            genai_request_timestamp=row["created"],  # type: ignore[arg-type]
            price_context=TIERS[str(tier)] if tier else None,
        ).total_price
    except ValueError:
        return None


def test_the_offer_of_a_model_is_built_once() -> None:
    offer = find_offer(None, "gpt-4o", None)

    assert offer is find_offer(None, "gpt-4o", None)
    assert offer == find_offer("OpenAI", "GPT-4o", "default")


@pytest.mark.parametrize(
    ("provider", "model", "seller"),
    [
        ("OpenAI", "openai/gpt-4o", "openai"),
        ("Azure", "openai/gpt-4o-mini", "azure"),
        ("azure_openai", "gpt-4o", "azure"),
        ("Google", "google/gemini-2.0-flash-001", "google"),
        ("Google AI Studio", "google/gemini-2.5-flash", "google"),
        ("google-vertex", "gemini-2.5-flash", "google"),
        ("Amazon Bedrock", "us.anthropic.claude-3-7-sonnet-20250219-v1:0", "aws"),
        ("Anthropic", "anthropic/claude-haiku-4.5", "anthropic"),
        ("Groq", "llama-3.3-70b-versatile", "groq"),
        ("Together", "meta-llama/Llama-3.3-70B-Instruct-Turbo", "together"),
        ("xAI", "grok-3-mini", "x-ai"),
        ("Z.AI", "glm-4.6", "zai"),
        (None, "gpt-4o-mini-2024-07-18", "openai"),
        (None, "ft:gpt-4o-mini-2024-07-18:acme::abc123", "openai"),
        (None, "us.anthropic.claude-3-7-sonnet-20250219-v1:0", "aws"),
        (None, "groq/openai/gpt-oss-120b", "groq"),
        (None, "llama-3.3-70b-versatile", "groq"),
        (None, "@cf/meta/llama-3.3-70b-instruct-fp8-fast", "cloudflare"),
        (None, "vertex_ai/gemini-2.5-pro", "google"),
        (None, "claude-sonnet-4-5-20250929", "anthropic"),
        (None, "deepseek-chat", "deepseek"),
        (None, "open-mixtral-8x7b", "mistral"),
        (None, "mistral-large-2411", "mistral"),
        (None, "mistral-small-latest", "mistral"),
        (None, "ministral-8b-2512", "mistral"),
        (None, "kimi-k2-turbo-preview", "moonshotai"),
        (None, "claude-3-opus-20240229", "anthropic"),
        (None, "mixtral-8x7b-32768", "groq"),
        ("DeepSeek", "deepseek-v3.2", "deepseek"),
        ("Mistral", "mistral-nemo", "mistral"),
        (None, "deepseek-r1", None),
        (None, "deepseek-v3.2", None),
        (None, "mixtral-8x7b-instruct", None),
        (None, "mistral-nemo", None),
        (None, "mistral-7b", None),
        (None, "mistral-small-24b-instruct-2501", None),
        (None, "kimi-k2", None),
        (None, "minimax-m1", None),
        (None, "glm-4.7", None),
        (None, "perplexity/r1-1776", None),
        (None, "claude-3-opus-local", None),
        (None, "my-claude-3-opus", None),
        (None, "gpt-4o-local", None),
        (None, "deepseek-chat-awq", None),
        (None, "deepseek-r1-distill-llama-70b", None),
        (None, "openai/gpt-oss-20b", None),
        (None, "google/gemma-3-27b-it", None),
        (None, "mistralai/Mixtral-8x7B-Instruct-v0.1", None),
        (None, "/models/gpt-4o.gguf", None),
        (None, "qwen3:latest", None),
    ],
)
def test_the_provider_is_that_of_the_log_or_the_only_one_with_the_name(
    provider: str | None, model: str, seller: str | None
) -> None:
    end = find_offer(provider, model, None).ends[0]
    if seller is None:
        several = maker_of(model) is not None
        assert end == (Reason.NO_PROVIDER if several else Reason.UNKNOWN_MODEL)
    else:
        assert isinstance(end, Rates)
        assert end.source.split(", ")[1] == seller
