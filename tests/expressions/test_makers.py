"""Who made a model: its name without the prefixes of those who serve it."""

from __future__ import annotations

import polars as pl
import pytest

from toolkit.expressions import maker
from toolkit.expressions.makers import maker_of


@pytest.mark.parametrize(
    ("made_by", "models"),
    [
        (
            "openai",
            "gpt-4o, GPT-4o , o3-mini, chatgpt-4o-latest, openai/gpt-oss-20b, "
            "gpt-oss:20b, "
            "ft:gpt-4o-mini-2024-07-18:acme::abc, azure/gpt-4o, gpt-35-turbo, "
            "davinci-002, "
            "text-embedding-3-small, openai:gpt-4o, plugin:openai-codex:gpt-5.4, gpt2",
        ),
        (
            "anthropic",
            "claude-opus-4-5, openrouter/anthropic/Claude-Opus-4.5, "
            "us.anthropic.claude-3-7-sonnet-20250219-v1:0, claude-3-5-sonnet@20240620, "
            "arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-v2",
        ),
        (
            "google",
            "models/gemini-2.5-flash, gemma3:4b, google/gemma-3-27b-it, palm-2",
        ),
        (
            "meta",
            "meta-llama/Llama-3.3-70B-Instruct, llama3:latest, codellama:code, "
            "accounts/fireworks/models/llama-v3p3-70b-instruct, meta.llama3-8b-v1:0, "
            "@cf/meta/llama-3.3-70b-instruct-fp8-fast, C:\\models\\Llama-3.gguf",
        ),
        (
            "mistral",
            "open-mixtral-8x7b, mistralai/Mistral-7B, codestral, mistral:latest",
        ),
        (
            "deepseek",
            "deepseek-chat, accounts/fireworks/models/deepseek-v3, "
            "deepseek-ai/DeepSeek-R1-Distill-Qwen-32B, deepseek-r1-distill-llama-70b",
        ),
        ("alibaba", "Qwen/Qwen3-32B, qwq-32b, qwen3:latest, qwen:0.5b"),
        ("x-ai", "grok-4, xai/grok-3-mini"),
        ("cohere", "command-r-plus, cohere.command-r-v1:0"),
        ("moonshotai", "moonshotai/kimi-k2-instruct, moonshot-v1-8k"),
        ("zai", "glm-4.6, zai-glm-4.7, zai-org/GLM-5.2-FP8"),
        ("microsoft", "phi-4, phi3:mini"),
        ("amazon", "amazon.nova-pro-v1:0, amazon/nova-lite-v1"),
        ("nvidia", "nvidia/llama-3.1-nemotron-70b-instruct, nemotron-mini"),
        ("perplexity", "sonar-pro, llama-3.1-sonar-large-128k-online, r1-1776"),
        (
            None,
            "prod-chat, my-gpt-4o, gpt-j-6b, EleutherAI/gpt-neo-2.7B, o2-server, "
            "adapter, "
            "commander-7b, TinyLlama/TinyLlama-1.1B, /, /models/, :",
        ),
    ],
)
def test_the_maker_is_in_the_name_of_a_model(made_by: str | None, models: str) -> None:
    found = {model: maker_of(model) for model in models.split(", ")}

    assert found == dict.fromkeys(found, made_by)


def test_makers_of_a_frame_keep_its_rows_and_nulls() -> None:
    frame = pl.DataFrame(
        {"model": ["gpt-4o", None, "", "gpt-4o"], "other": ["qwq"] * 4}
    )
    frame = frame.cast({"model": pl.Categorical})

    assert frame.select(maker()).to_series().to_list() == [
        "openai",
        None,
        None,
        "openai",
    ]
    assert frame.lazy().select(maker("other")).collect()["maker"][0] == "alibaba"
    nothing = pl.DataFrame({"model": [None, None]})
    assert nothing.select(maker())["maker"].to_list() == [None, None]
