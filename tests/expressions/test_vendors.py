"""Who bills for a response: its line, the user, its extensions, or the model's name."""

from __future__ import annotations

import polars as pl
import pytest
from genai_prices.data import providers

from toolkit.errors import OptionError
from toolkit.expressions import vendor
from toolkit.expressions.vendors import check_provider, find_seller, seller_named


def test_every_provider_of_the_price_data_is_found_by_its_id_and_its_name() -> None:
    for one in providers:
        assert seller_named(one.id) == one.id
        assert seller_named(one.name) == one.id
        assert check_provider(one.id) == one.id


@pytest.mark.parametrize(
    ("seller", "spellings"),
    [
        ("aws", "Amazon Bedrock, bedrock, bedrock_converse, aws.bedrock, Amazon"),
        ("azure", "azure_ai, Azure OpenAI, azure, az.ai.inference, Microsoft Azure"),
        (
            "google",
            "Google AI Studio, vertex_ai, vertex_ai_beta, gemini, gcp.vertex_ai, "
            "Google, "
            "google-vertex, google-gla",
        ),
        ("x-ai", "xai, xAI, x.ai, X AI, x_ai"),
        ("together", "together_ai, Together, together-ai"),
        ("fireworks", "fireworks_ai, Fireworks AI"),
        ("mistral", "mistralai, Mistral AI"),
        ("moonshotai", "Moonshot AI, moonshot"),
        ("zai", "Z.AI, z-ai"),
        ("github-copilot", "github_copilot, GitHub Copilot"),
        ("deepinfra", "DeepInfra"),
        ("some router", "Some Router"),
        (None, "ollama, ollama_chat, hosted_vllm, LM Studio, llama.cpp,  "),
    ],
)
def test_providers_are_known_in_the_spellings_of_logs(
    seller: str | None, spellings: str
) -> None:
    found = {name: seller_named(name) for name in spellings.split(", ")}

    assert found == dict.fromkeys(found, seller)


@pytest.mark.parametrize(
    ("seller", "models"),
    [
        ("openai", "gpt-4o, o3, ft:gpt-4o:acme::a, openai/gpt-5, chatgpt-4o-latest"),
        ("azure", "azure/my-deployment, azure_ai/grok-3, gpt-35-turbo-0613"),
        (
            "aws",
            "us.anthropic.claude-v2:1, bedrock/us-east-1/anthropic.claude-v2, "
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2",
        ),
        (
            "google",
            "models/gemini-2.5-flash, vertex_ai/claude-3-5-sonnet@20240620, "
            "gemini/gemini-2.5-pro, claude-sonnet-4-5@20250929, "
            "publishers/google/models/gemini-2.5-pro",
        ),
        ("anthropic", "claude-sonnet-4-5-20250929, anthropic/claude-haiku-4.5"),
        ("openrouter", "openrouter/anthropic/claude-opus-4.5"),
        ("groq", "groq/llama-3.3-70b, llama-3.1-8b-instant"),
        ("fireworks", "accounts/fireworks/models/deepseek-v3"),
        (
            None,
            "models/llama-3.gguf, models/, llama-3.3-70b, ollama/llama3, "
            "mistral:latest, "
            "openai:gpt-4o, deepseek/deepseek-chat, azure/, ft:, prod-chat",
        ),
    ],
)
def test_a_name_shows_its_vendor_only_if_nobody_else_sells_it(
    seller: str | None, models: str
) -> None:
    found = {model: find_seller(None, model)[0] for model in models.split(", ")}

    assert found == dict.fromkeys(found, seller)


def test_the_line_comes_before_the_user_before_extensions_before_the_name() -> None:
    rows = {
        "provider": ["Azure", "DeepInfra", None, None, None, None, None, None],
        "served_by": [
            "groq",
            None,
            "groq",
            None,
            "ollama",
            "deepseek",
            "deepseek",
            None,
        ],
        "model": [
            *("gpt-4o", "gpt-4o", "openai/gpt-oss-20b", "gpt-4o", "gpt-4o"),
            *("deepseek-v4-flash", "deepseek-ai/DeepSeek-V3", None),
        ],
    }
    frame = pl.DataFrame(rows)

    assert frame.select(vendor())["vendor"].to_list() == [
        *("azure", "deepinfra", "groq", "openai", None, "deepseek", None, None)
    ]
    assert frame.lazy().select(vendor("Together AI")).collect()["vendor"].to_list() == [
        *("azure", "deepinfra", *["together"] * 6)
    ]
    # An older table has no column for extensions.
    assert frame.drop("served_by").select(vendor())["vendor"][2:5].to_list() == [
        *(None, "openai", "openai")
    ]


@pytest.mark.parametrize(
    ("provider", "hint"),
    [("opnai", "'openai'"), ("", ""), ("nobody at all", ""), (3, "")],
)
def test_an_unknown_provider_is_an_error(provider: str, hint: str) -> None:
    with pytest.raises(OptionError, match=f"provider: expected the name.*{hint}"):
        vendor(provider)
