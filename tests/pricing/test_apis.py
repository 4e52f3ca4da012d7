"""What responses of each API cost: lines as logs have them, worked by hand."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import genai_prices
import polars as pl
import pytest

import toolkit
from toolkit.expressions import vendor
from toolkit.pricing import Reason, add_cost, missing_prices, what_if
from toolkit.pricing.rates import PROBLEMS
from toolkit.schema.apis import APIS
from toolkit.testing import make_choices

Line = dict[str, Any]
PARIS = "2026-06-01T12:00:00Z"


def load(folder: Path, *lines: Line) -> pl.DataFrame:
    """Read lines as choices."""
    log = folder / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    loaded = toolkit.load(log)
    assert loaded.frame["choice_position"].to_list() == [0] * len(lines)
    return loaded.frame


def messages(usage: Line, **other: object) -> Line:
    """Return a response of Anthropic's API."""
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-4-5-20251001",
        "content": [{"type": "text", "text": "Yes."}],
        "stop_reason": "end_turn",
        "usage": usage,
        **other,
    }


def gemini(usage: Line, **other: object) -> Line:
    """Return a response of Gemini's API."""
    parts = [{"text": "Yes."}]
    return {
        "candidates": [
            {"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}
        ],
        "usageMetadata": usage,
        "modelVersion": "gemini-2.5-flash",
        "responseId": "r1",
        **other,
    }


def responses(usage: Line | None, **other: object) -> Line:
    """Return a response of OpenAI's Responses API."""
    text = {"type": "output_text", "text": "Yes."}
    output = [{"type": "message", "role": "assistant", "content": [text]}]
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_780_000_000,
        "status": "completed",
        "model": "gpt-5-2025-08-07",
        "output": output,
        "usage": usage,
        **other,
    }


def invocation(body: Line, model: str) -> Line:
    """Return a line of a model invocation log of Bedrock."""
    return {
        "schemaType": "ModelInvocationLog",
        "timestamp": PARIS,
        "requestId": "1",
        "modelId": model,
        "output": {"outputBodyJson": body},
    }


def converse(usage: Line, **other: object) -> Line:
    """Return a response of Bedrock's Converse."""
    message = {"role": "assistant", "content": [{"text": "Yes."}]}
    answer = {"output": {"message": message}, "stopReason": "end_turn"}
    return {**answer, "usage": usage, **other}


SHORT = {"input_tokens": 1000, "output_tokens": 200}
AUDIO = [
    {"modality": "TEXT", "tokenCount": 400},
    {"modality": "AUDIO", "tokenCount": 600},
]
IMAGE = [{"modality": "IMAGE", "tokenCount": 1290}]
LONDON = "arn:aws:bedrock:eu-west-2:123456789012:inference-profile/"
# Claude Haiku 4.5 costs 1 USD per million tokens of input and 5 of output, 0.10 read
# from a cache, 1.25 written to it for five minutes and 2 for an hour, 0.01 a search;
# Gemini 2.5 Flash 0.30 and 2.50, 0.03 from a cache, 1 for audio; GPT-5 1.25 and 10,
# 0.125 from a cache.
COSTS: dict[str, tuple[Line, str]] = {
    # 1,000 x 1 + 200 x 5 = 2,000 millionths
    "anthropic": (messages(SHORT), "0.002"),
    # The prompt is 100 + 900: 100 x 1 + 900 x 0.10 + 200 x 5 = 100 + 90 + 1,000
    "anthropic, read from a cache": (
        messages(
            {"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 200}
        ),
        "0.00119",
    ),
    # 100 x 1 + 500 x 1.25 + 400 x 2 + 200 x 5 = 100 + 625 + 800 + 1,000
    "anthropic, written for five minutes and for an hour": (
        messages(
            {
                "input_tokens": 100,
                "cache_creation_input_tokens": 900,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 500,
                    "ephemeral_1h_input_tokens": 400,
                },
                "output_tokens": 200,
            }
        ),
        "0.002525",
    ),
    # A batch costs half: 1,000 x 0.50 + 200 x 2.50 = 1,000
    "anthropic, results of a batch": (
        {
            "custom_id": "a",
            "result": {"type": "succeeded", "message": messages(SHORT)},
        },
        "0.001",
    ),
    "anthropic, the tier of a batch": (
        messages({**SHORT, "service_tier": "batch"}),
        "0.001",
    ),
    "anthropic, the standard tier": (
        messages({**SHORT, "service_tier": "standard"}),
        "0.002",
    ),
    # 2,000 millionths + 2 x 10,000 millionths
    "anthropic, two searches": (
        messages(
            {**SHORT, "server_tool_use": {"web_search_requests": 2}},
            content=[
                {
                    "type": "server_tool_use",
                    "id": "1",
                    "name": "web_search",
                    "input": {},
                },
                {"type": "text", "text": "Yes."},
            ],
        ),
        "0.022",
    ),
    # On Bedrock, in a region: 1,000 x 1.10 + 200 x 5.50
    "anthropic, on Bedrock": (messages(SHORT, id="msg_bdrk_01"), "0.0022"),
    "anthropic, on Bedrock, in any region": (
        invocation(
            messages(SHORT, id="msg_01"),
            "global.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        "0.002",
    ),
    "anthropic, on Bedrock, in a region": (
        invocation(
            messages(SHORT, id="msg_01"),
            f"{LONDON}eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        "0.0022",
    ),
    "anthropic, on Vertex": (messages(SHORT, id="msg_vrtx_01"), "0.002"),
    # What a gateway reports wins, also where the usage leaves out steps.
    "anthropic, a reported cost": (
        {
            "response": messages({**SHORT, "iterations": [{"type": "compaction"}]}),
            "response_cost": 0.5,
            "custom_llm_provider": "anthropic",
        },
        "0.5",
    ),
    # 1,000 x 0.30 + (200 + 300) x 2.50 = 300 + 1,250
    "gemini, thinking": (
        gemini(
            {
                "promptTokenCount": 1000,
                "candidatesTokenCount": 200,
                "thoughtsTokenCount": 300,
                "totalTokenCount": 1500,
            }
        ),
        "0.00155",
    ),
    # 1,000 of which 800 cached: 200 x 0.30 + 800 x 0.03 + 200 x 2.50 = 60 + 24 + 500
    "gemini, cached": (
        gemini(
            {
                "promptTokenCount": 1000,
                "cachedContentTokenCount": 800,
                "candidatesTokenCount": 200,
                "totalTokenCount": 1200,
            }
        ),
        "0.000584",
    ),
    # 400 x 0.30 + 600 x 1 + 200 x 2.50 = 120 + 600 + 500
    "gemini, audio": (
        gemini(
            {
                "promptTokenCount": 1000,
                "promptTokensDetails": AUDIO,
                "candidatesTokenCount": 200,
                "totalTokenCount": 1200,
            }
        ),
        "0.00122",
    ),
    # 100 x 0.30 + 1,290 x 30 = 30 + 38,700
    "gemini, an image": (
        gemini(
            {
                "promptTokenCount": 100,
                "candidatesTokenCount": 1290,
                "candidatesTokensDetails": IMAGE,
                "totalTokenCount": 1390,
            },
            modelVersion="gemini-2.5-flash-image",
        ),
        "0.03873",
    ),
    # Half: (1,000 x 0.30 + 200 x 2.50) / 2 = 400
    "gemini, a batch of Vertex": (
        {
            "request": {},
            "processed_time": PARIS,
            "response": gemini(
                {
                    "promptTokenCount": 1000,
                    "candidatesTokenCount": 200,
                    "totalTokenCount": 1200,
                }
            ),
        },
        "0.0004",
    ),
    # 1,000 x 0.30 + 200 x 2.50 = 800
    "gemini, on demand": (
        gemini(
            {
                "promptTokenCount": 1000,
                "candidatesTokenCount": 200,
                "totalTokenCount": 1200,
                "trafficType": "ON_DEMAND",
            },
            modelVersion="models/gemini-2.5-flash",
        ),
        "0.0008",
    ),
    # Nova Lite: 0.06 and 0.24, 0.015 from a cache. The prompt is 100 + 900:
    # 100 x 0.06 + 900 x 0.015 + 200 x 0.24 = 6 + 13.5 + 48
    "converse": (
        invocation(
            converse(
                {
                    "inputTokens": 100,
                    "cacheReadInputTokens": 900,
                    "outputTokens": 200,
                    "totalTokens": 1200,
                }
            ),
            "us.amazon.nova-lite-v1:0",
        ),
        "0.0000675",
    ),
    # Claude Sonnet 4: 3 and 15, 3.75 to write to a cache:
    # 100 x 3 + 900 x 3.75 + 200 x 15 = 300 + 3,375 + 3,000
    "converse, written to a cache": (
        invocation(
            converse(
                {
                    "inputTokens": 100,
                    "cacheWriteInputTokens": 900,
                    "outputTokens": 200,
                    "totalTokens": 1200,
                }
            ),
            f"{LONDON}eu.anthropic.claude-sonnet-4-20250514-v1:0",
        ),
        "0.006675",
    ),
    # 1,000 of which 600 cached, 200 of which 128 reasoning:
    # 400 x 1.25 + 600 x 0.125 + 200 x 10 = 500 + 75 + 2,000
    "responses": (
        responses(
            {
                "input_tokens": 1000,
                "input_tokens_details": {"cached_tokens": 600},
                "output_tokens": 200,
                "output_tokens_details": {"reasoning_tokens": 128},
                "total_tokens": 1200,
            }
        ),
        "0.002575",
    ),
    # Half of 1,000 x 1.25 + 200 x 10 = 3,250
    "responses, flex": (
        responses(
            {**SHORT, "total_tokens": 1200},
            service_tier="flex",
            created_at=1_793_534_400,  # in November 2026
        ),
        "0.001625",
    ),
    "responses, a batch": (
        {
            "id": "batch_req_1",
            "custom_id": "a",
            "response": {
                "status_code": 200,
                "body": responses({**SHORT, "total_tokens": 1200}),
            },
        },
        "0.001625",
    ),
    # As LiteLLM logs it on Azure, whose rates are those of OpenAI.
    "responses, on Azure": (
        {
            "response": responses(
                {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200}
            ),
            "custom_llm_provider": "azure",
        },
        "0.00325",
    ),
}


@pytest.mark.parametrize("name", COSTS)
def test_costs_of_each_api_are_as_worked_by_hand(name: str, tmp_path: Path) -> None:
    line, expected = COSTS[name]

    cost = add_cost(load(tmp_path, line))["cost"].item()

    assert cost == Decimal(expected)


STEPS = {"iterations": [{"type": "compaction"}, {"type": "message"}]}
UNPRICED: dict[str, tuple[Line, str]] = {
    "steps": (messages({**SHORT, **STEPS}), "iterations"),
    "fast": (messages({**SHORT, "speed": "fast"}), "fast_mode"),
    "in the US": (messages({**SHORT, "inference_geo": "us"}), "inference_geo"),
    "no count of searches": (
        messages(SHORT, content=[{"type": "server_tool_use", "id": "1"}]),
        "server_tools",
    ),
    "grounded": (
        gemini(
            {"promptTokenCount": 9, "candidatesTokenCount": 9, "totalTokenCount": 18},
            candidates=[
                {
                    "content": {"parts": [{"text": "Yes."}]},
                    "finishReason": "STOP",
                    "groundingMetadata": {"webSearchQueries": ["a"]},
                }
            ],
        ),
        "server_tools",
    ),
    "files searched": (
        responses(
            {**SHORT, "total_tokens": 1200}, output=[{"type": "file_search_call"}]
        ),
        "server_tools",
    ),
    "billed units": (
        {
            "id": "c",
            "finish_reason": "COMPLETE",
            "message": {
                "role": "assistant",
                "content": [{"type": "text", "text": "a"}],
            },
            "usage": {
                "billed_units": {"input_tokens": 5, "output_tokens": 5},
                "tokens": {"input_tokens": 70, "output_tokens": 5},
            },
        },
        "billed_units",
    ),
    "without usage": (responses(None), "no_usage"),
    "paid in advance": (
        gemini(
            {
                "promptTokenCount": 9,
                "candidatesTokenCount": 9,
                "totalTokenCount": 18,
                "trafficType": "PROVISIONED_THROUGHPUT",
            }
        ),
        "unknown_tier",
    ),
    "priority": (messages({**SHORT, "service_tier": "priority"}), "no_tier_rate"),
    "no model": (
        converse({"inputTokens": 9, "outputTokens": 9, "totalTokens": 18}),
        "no_model",
    ),
    "on one's own machine": (
        {
            "model": "llama3.2",
            "created_at": PARIS,
            "done": True,
            "done_reason": "stop",
            "message": {"role": "assistant", "content": "Yes."},
            "prompt_eval_count": 9,
            "eval_count": 9,
        },
        "no_provider",
    ),
}


@pytest.mark.parametrize("name", UNPRICED)
def test_responses_are_unpriced_where_a_sum_would_be_wrong(
    name: str, tmp_path: Path
) -> None:
    line, reason = UNPRICED[name]
    choices = load(tmp_path, line)

    assert add_cost(choices).select("cost", "cost_source").row(0) == (None, "unpriced")
    assert missing_prices(choices)["reason"].to_list() == [reason]


def test_each_problem_of_the_usage_is_a_reason() -> None:
    paths = [path for api in APIS for path in api.paths.get("usage_problem", ())]
    words = {path.partition(" -> ")[2] for path in paths} - {"null"}

    # Of a stream that was cut off it is known only when its chunks are put together.
    assert {*words, "cut_off"} == {str(reason) for reason in PROBLEMS}


def test_a_problem_that_is_not_known_is_no_price() -> None:
    choices = make_choices(
        *[
            {
                "model": "gpt-4o",
                "prompt_tokens": 9,
                "completion_tokens": 9,
                "usage_problem": word,
            }
            for word in ("new", None)
        ]
    )

    assert missing_prices(choices).select("reason", "responses").rows() == [
        (Reason.NO_RATE, 1)
    ]


def test_no_usage_is_the_first_reason() -> None:
    choices = make_choices({"model": "claude-haiku-4-5", "usage_problem": "iterations"})

    assert missing_prices(choices)["reason"].item() == Reason.NO_USAGE


def test_a_cost_elsewhere_is_unknown_only_if_the_counts_lack_something() -> None:
    usage = {"prompt_tokens": 10**6, "completion_tokens": 0, "total_tokens": 10**6}
    choices = make_choices(
        *[{"model": word, **usage, "usage_problem": word} for word in PROBLEMS],
        {"model": None, "api": "converse", "requested_model": "amazon.nova-x", **usage},
    )

    rows = what_if(choices, model="gpt-4o").select("model", "cost_elsewhere").rows()

    # A million tokens of GPT-4o are 2.50 USD, at every vendor.
    there = Decimal("2.5")
    assert dict(rows) == {
        "amazon.nova-x": there,
        "billed_units": there,
        "cut_off": None,
        "fast_mode": there,
        "inference_geo": there,
        "iterations": None,
        "server_tools": None,
    }


def test_the_requested_model_is_priced_where_none_answered() -> None:
    usage = {"prompt_tokens": 10**6, "completion_tokens": 0, "total_tokens": 10**6}
    choices = make_choices(
        {"model": None, "requested_model": "gpt-4o", **usage},
        {"model": "my-own", "requested_model": "gpt-4o", **usage},
    )

    assert add_cost(choices)["cost"].to_list() == [Decimal("2.5"), None]
    assert add_cost(choices)["model"].to_list() == [None, "my-own"]
    # Frames may lack the column, or have only nulls in it.
    assert add_cost(choices.drop("requested_model"))["cost"].null_count() == 2
    nothing = choices.with_columns(requested_model=None)
    assert add_cost(nothing)["cost"].null_count() == 2


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({"api": "anthropic", "model": "claude-haiku-4-5"}, "anthropic"),
        # Others have Anthropic's API, too.
        ({"api": "anthropic", "model": "deepseek-chat"}, "deepseek"),
        ({"api": "anthropic", "model": "glm-4.6"}, None),
        ({"api": "anthropic", "model": "claude-haiku-4-5", "served_by": "aws"}, "aws"),
        ({"api": "anthropic", "model": "claude-opus-4@20250514"}, "google"),
        ({"api": "anthropic", "model": "us.anthropic.claude-haiku-4-5"}, "aws"),
        (
            {"api": "anthropic", "model": "claude-haiku-4-5", "provider": "vertex_ai"},
            "google",
        ),
        ({"api": "gemini", "model": None}, "google"),
        ({"api": "gemini", "model": "gemma-3-27b-it"}, "google"),
        ({"api": "converse", "model": None}, "aws"),
        ({"api": "converse", "model": None, "requested_model": "gpt-4o"}, "aws"),
        ({"api": "cohere", "model": None}, "cohere"),
        ({"api": "ollama", "model": "gemma3:4b", "served_by": "ollama"}, None),
        ({"api": "responses", "model": "gpt-5"}, "openai"),
        ({"api": "responses", "model": "grok-4"}, "x-ai"),
        ({"api": "responses", "model": "openai/gpt-oss-120b"}, None),
        ({"api": "chat", "model": None, "requested_model": "gpt-4o"}, "openai"),
    ],
)
def test_the_vendor_is_whom_the_api_implies(
    cells: dict[str, object], expected: str | None
) -> None:
    choices = make_choices(cells)

    assert choices.select(vendor()).item() == expected


def test_a_provider_for_the_rest_of_a_log_is_not_that_of_another_api() -> None:
    choices = make_choices(
        {"api": "chat", "model": "gpt-4o"}, {"api": "gemini", "model": "gemini-2.5-pro"}
    )

    assert choices.select(vendor("azure"))["vendor"].to_list() == ["azure", "google"]


@pytest.mark.parametrize("tier", ["SERVICE_TIER_STANDARD", "ON_DEMAND", "standard"])
def test_standard_tiers_have_the_standard_rate(tier: str) -> None:
    usage = {"prompt_tokens": 10**6, "completion_tokens": 0, "total_tokens": 10**6}
    choices = make_choices({"model": "gemini-2.5-flash", "service_tier": tier, **usage})

    assert add_cost(choices)["cost"].item() == Decimal("0.3")


def test_a_tier_of_the_price_file_is_that_of_each_spelling(tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(
        '[[price]]\nmodel = "m"\nservice_tier = "flex"\ninput = 1\noutput = 1\n'
    )
    usage = {"prompt_tokens": 10**6, "completion_tokens": 0, "total_tokens": 10**6}
    tiers = ("flex", "ON_DEMAND_FLEX", "SERVICE_TIER_FLEX", "ON_DEMAND")
    choices = make_choices(*[{"model": "m", "service_tier": t, **usage} for t in tiers])

    costs = add_cost(choices, prices)["cost"].to_list()

    assert costs == [Decimal(1), Decimal(1), Decimal(1), None]


def test_undated_prompts_have_the_price_of_their_length() -> None:
    # Since 2026-03-13 long prompts of Opus 4.6 cost as much as short ones.
    short = {"prompt_tokens": 200_000, "completion_tokens": 0, "total_tokens": 200_000}
    long = {"prompt_tokens": 200_001, "completion_tokens": 0, "total_tokens": 200_001}
    choices = make_choices(
        *[{"model": "claude-opus-4-6", "created": None, **one} for one in (short, long)]
    )

    # 200,000 x 5 USD per million
    assert add_cost(choices)["cost"].to_list() == [Decimal(1), None]
    assert missing_prices(choices)["reason"].item() == Reason.UNDATED


@pytest.mark.filterwarnings("ignore::toolkit.errors.RejectsWarning")
@pytest.mark.parametrize(
    ("name", "seller", "flavor"),
    [
        ("anthropic_messages", "anthropic", "default"),
        ("gemini", "google", "default"),
        ("openai_responses", "openai", "responses"),
    ],
)
def test_recorded_responses_cost_what_genai_prices_reads_of_them(
    corpus: Path, name: str, seller: str, flavor: str
) -> None:
    log = corpus / "families" / f"{name}.jsonl"
    lines = log.read_text("utf-8").splitlines()
    choices = toolkit.load(log).frame.with_columns(vendor())
    priced = add_cost(choices).filter(
        pl.col("usage_problem").is_null(),
        choice_position=0,
        cost_source="priced",
        vendor=seller,
    )

    compared = 0
    for row in priced.iter_rows(named=True):
        body = json.loads(lines[row["line"] - 1])
        try:
            usage = genai_prices.extract_usage(
                body, provider_id=seller, api_flavor=flavor
            )
        except (AttributeError, ValueError):
            continue  # of Google's SDK, which it does not read
        expected = usage.calc_price(genai_request_timestamp=row["created"])
        assert abs(expected.total_price - row["cost"]) <= Decimal("1e-12"), row["line"]
        compared += 1

    assert compared > 40
