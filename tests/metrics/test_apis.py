"""Metrics over a log of many APIs: figures worked by hand, and what they leave out."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import toolkit
from toolkit import metrics
from toolkit.expressions import maker, model_family
from toolkit.metrics.registry import METRICS, SPECS
from toolkit.pricing import add_cost
from toolkit.testing import make_choices, make_response

NOON = "2026-06-01T12:00:00Z"
# An answer of each API, with the tokens of its prompt and its completion.
LINES: dict[str, tuple[dict[str, Any], int, int]] = {
    "chat": (
        make_response(
            model="gpt-4o", usage={"prompt_tokens": 10, "completion_tokens": 1}
        ),
        10,
        1,
    ),
    # 10 after the cache, 70 from it and 20 to it
    "anthropic": (
        {
            "custom_id": "a",
            "result": {
                "message": {
                    "id": "msg_1",
                    "type": "message",
                    "role": "assistant",
                    "model": "claude-haiku-4-5",
                    "content": [{"type": "tool_use", "name": "add", "input": {"a": 1}}],
                    "stop_reason": "max_tokens",
                    "usage": {
                        "input_tokens": 10,
                        "cache_read_input_tokens": 70,
                        "cache_creation_input_tokens": 20,
                        "output_tokens": 2,
                    },
                }
            },
        },
        100,
        2,
    ),
    # 3 written and 4 thought
    "gemini": (
        {
            "candidates": [
                {
                    "content": {"parts": [{"functionCall": {"name": "add"}}]},
                    "finishReason": "SAFETY",
                }
            ],
            "usageMetadata": {
                "promptTokenCount": 30,
                "candidatesTokenCount": 3,
                "thoughtsTokenCount": 4,
                "totalTokenCount": 37,
            },
            "modelVersion": "models/gemini-2.5-pro",
            "createTime": NOON,
        },
        30,
        7,
    ),
    "responses": (
        {
            "object": "response",
            "created_at": 1_780_000_000,
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "model": "gpt-5",
            "output": [
                {"type": "function_call", "name": "add", "arguments": "{"},
            ],
            "usage": {"input_tokens": 40, "output_tokens": 8, "total_tokens": 48},
        },
        40,
        8,
    ),
    # 50 and 6 from the cache
    "converse": (
        {
            "schemaType": "ModelInvocationLog",
            "timestamp": NOON,
            "modelId": "us.amazon.nova-lite-v1:0",
            "output": {
                "outputBodyJson": {
                    "output": {"message": {"content": [{"text": "a"}]}},
                    "stopReason": "end_turn",
                    "usage": {
                        "inputTokens": 50,
                        "cacheReadInputTokens": 6,
                        "outputTokens": 5,
                        "totalTokens": 61,
                    },
                }
            },
        },
        56,
        5,
    ),
    "ollama": (
        {
            "model": "gemma3:4b",
            "created_at": NOON,
            "done": True,
            "done_reason": "stop",
            "message": {"role": "assistant", "content": "a"},
            "prompt_eval_count": 60,
            "eval_count": 9,
        },
        60,
        9,
    ),
}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Write a log of a line of each API."""
    path = tmp_path / "mixed.jsonl"
    lines = [json.dumps(line) + "\n" for line, _, _ in LINES.values()]
    path.write_text("".join(lines))
    return path


@pytest.fixture
def mixed(log: Path) -> pl.DataFrame:
    """Return a log of a line of each API as choices."""
    return toolkit.load(log).frame


def test_tokens_of_each_api_are_as_worked_by_hand(mixed: pl.DataFrame) -> None:
    usage = metrics.token_usage(mixed, every=None, by="api")

    found = usage.select("api", "prompt_tokens", "completion_tokens").rows()
    assert found == sorted((api, *counts) for api, (_, *counts) in LINES.items())
    # The chat response reports no total: prompt and completion are added.
    total = sum(prompt + completion for _, prompt, completion in LINES.values())
    assert usage["total_tokens"].sum() == total
    assert usage["responses_without_usage"].sum() == 1


def test_outcomes_are_in_the_words_of_chat(mixed: pl.DataFrame) -> None:
    cut = metrics.truncation_rate(mixed, every=None, by="api")
    filtered = metrics.refusal_and_filter_rate(mixed, every=None, by="api")
    calls = metrics.tool_calls(mixed, every=None, by="api")

    assert dict(cut.select("api", "responses_truncated").rows()) == {
        **dict.fromkeys(LINES, 0),
        "anthropic": 1,
        "responses": 1,
    }
    assert dict(filtered.select("api", "responses_filtered").rows()) == {
        **dict.fromkeys(LINES, 0),
        "gemini": 1,
    }
    # Gemini names no arguments, those of Responses are cut off.
    assert calls.select(
        "api", "tool", "arguments_invalid", "arguments_unseen"
    ).rows() == [
        ("anthropic", "add", 0, 0),
        ("gemini", "add", None, 1),
        ("responses", "add", 1, 0),
    ]


def test_each_metric_draws_by_api(mixed: pl.DataFrame, log: Path) -> None:
    for name in METRICS.keys() - {"log_health", "drift", "cost_change"}:
        options = {} if name == "response_volume" else {"every": None}
        frame = METRICS[name](mixed, by="api", **options)

        toolkit.plot(name, mixed, by="api", **options)
        assert "chat" not in SPECS[name].title.lower()
        assert metrics.measure(name, log, by="api", **options).equals(frame)


def test_models_have_the_name_that_they_are_known_by(mixed: pl.DataFrame) -> None:
    usage = metrics.token_usage(mixed, every=None, by=("api", "model", "vendor"))
    families = metrics.token_usage(mixed, every=None, by=("model_family", "maker"))

    # The response of Converse names no model: the requested one counts.
    assert usage.select("api", "model", "vendor").rows() == [
        ("anthropic", "claude-haiku-4-5", "anthropic"),
        ("chat", "gpt-4o", "openai"),
        ("converse", "us.amazon.nova-lite-v1:0", "aws"),
        ("gemini", "models/gemini-2.5-pro", "google"),
        ("ollama", "gemma3:4b", None),
        ("responses", "gpt-5", "openai"),
    ]
    assert {
        ("claude-haiku-4.5", "anthropic"),
        ("gemini-2.5-pro", "google"),
        ("nova-lite", "amazon"),
    } <= set(families.select("model_family", "maker").rows())
    assert mixed.filter(api="converse")["model"].item() is None


@pytest.mark.parametrize(
    ("name", "family", "made_by"),
    [
        ("models/gemini-2.5-pro", "gemini-2.5-pro", "google"),
        ("publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro", "google"),
        (
            "projects/p/locations/us-east5/publishers/anthropic/models/claude-opus-4-1@20250805",
            "claude-opus-4.1",
            "anthropic",
        ),
        (
            "anthropic.claude-3-5-sonnet-20241022-v2:0",
            "claude-3.5-sonnet",
            "anthropic",
        ),
        (
            "arn:aws:bedrock:us-east-1:1:inference-profile/us.meta.llama3-1-70b-instruct-v1:0",
            "llama3-1-70b-instruct",
            "meta",
        ),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
            "nova-pro",
            "amazon",
        ),
        (
            "global.anthropic.claude-haiku-4-5-20251001-v1:0",
            "claude-haiku-4.5",
            "anthropic",
        ),
    ],
)
def test_names_of_clouds_are_those_of_their_models(
    name: str, family: str, made_by: str
) -> None:
    choices = make_choices({"model": name})

    assert choices.select(model_family(), maker()).row(0) == (family, made_by)


USAGE = {"prompt_tokens": 200, "completion_tokens": 8, "total_tokens": 208}


def test_tokens_of_responses_that_leave_out_steps_are_lower_bounds() -> None:
    choices = make_choices(
        {"model": "a", **USAGE, "usage_problem": "iterations"},
        {"model": "a", **USAGE, "usage_problem": "fast_mode"},
        {"model": "b", **USAGE, "usage_problem": "server_tools"},
        {"model": "c", **USAGE, "usage_problem": "iterations"},
    )
    usage = metrics.token_usage(choices, every=None)

    found = {
        row["model"]: (figure.value, figure.bound)
        for row in usage.iter_rows(named=True)
        for figure in [SPECS["token_usage"]["total_tokens"].figure(row)]
    }
    # Two of 208, of which one has more.
    assert found == {"a": (416, "lower"), "b": (208, "exact"), "c": (208, "lower")}
    assert usage["responses_without_usage"].to_list() == [1, 0, 1]


@pytest.mark.parametrize("name", sorted(METRICS.keys() - {"log_health", "cost_change"}))
def test_no_metric_needs_the_new_columns(name: str) -> None:
    choices = make_choices(
        {"model": "gpt-4o", **USAGE, "finish_reason": "length"}, {"model": None}
    )
    new = ["api", "usage_problem", "created_problem"]
    # Drift is about the requested model.
    old = choices.drop(new if name == "drift" else [*new, "requested_model"])

    assert METRICS[name](old).equals(METRICS[name](choices))


def test_costs_are_summed_and_explained_by_the_requested_model(
    mixed: pl.DataFrame,
) -> None:
    spent = toolkit.spending(mixed, every=None, by="api")
    explained = toolkit.explain(
        mixed, model="us.amazon.nova-lite-v1:0", date="2026-06-01"
    )

    # 50 x 0.06 + 6 x 0.015 + 5 x 0.24 = 3 + 0.09 + 1.2 millionths of USD
    expected = Decimal("0.00000429")
    assert explained.cost == expected
    assert explained.lines["model"].item() == "us.amazon.nova-lite-v1:0"
    costs = dict(spent.costs.select("api", "cost").rows())
    assert costs["converse"] == expected
    assert costs["ollama"] is None
    assert metrics.cost(mixed, every=None, by="api").equals(spent.costs)
    assert add_cost(mixed)["cost"].sum() == spent.costs["cost"].sum()
    assert spent.missing.select("model", "reason").rows() == [
        ("gemma3:4b", "no_provider")
    ]
