"""The logs in data/providers: eight APIs, in the envelopes of batches and gateways.

The counts are worked out by hand, from what the lines say.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest

import toolkit
from tests.support.command import run
from toolkit.errors import RejectsWarning
from toolkit.schema.apis import APIS

pytestmark = pytest.mark.both_decoders

PROVIDERS = Path(__file__).parents[2] / "data" / "providers"
# responses, prompt, completion, total
BY_API = {
    # Batch: 100 + 1900 written, 150 + 1900 read, 500; LiteLLM: 200; Bedrock: 400.
    "anthropic": (5, 5_150, 300 + 200 + 100 + 600 + 250, 5_150 + 1_450),
    # LiteLLM: 800, 3000, 800; chat: 500 (two choices), 700, 1000.
    "chat": (6, 6_800, 200 + 500 + 200 + 100 + 60 + 150, 6_800 + 1_210),
    # What the model read, not what is billed (40).
    "cohere": (1, 520, 22, 542),
    # 200 + 800 read, 900.
    "converse": (2, 1_000 + 900, 150 + 100, 2_150),
    # 400, 600 + 50 of tools, 90 (blocked), 1000; batch: 300, 700. With the reasoning:
    # 100 + 300, 150, 0, 200 + 800; 60 + 140, 80.
    "gemini": (6, 3_140, 400 + 150 + 0 + 1_000 + 200 + 80, 3_140 + 1_830),
    "ollama": (1, 250, 30, 280),
    # Batch: 1000, 2000, 1500; LiteLLM: 1200. The reasoning is in the completion.
    "responses": (4, 5_700, 500 + 400 + 600 + 300, 5_700 + 1_800),
    "text": (1, 120, 8, 128),
}


def mixed(tmp_path: Path) -> Path:
    """Write all the logs as one."""
    path = tmp_path / "mixed.jsonl"
    parts = [part.read_bytes() for part in sorted(PROVIDERS.glob("*.jsonl"))]
    path.write_bytes(b"".join(parts))
    return path


def load(source: Path, **options: object) -> toolkit.Loaded:
    """Load logs, some lines of which are rejected."""
    with pytest.warns(RejectsWarning):
        return toolkit.load(source, **options)


def test_one_table_adds_up_the_responses_of_every_api(tmp_path: Path) -> None:
    usage = toolkit.metrics.token_usage(load(mixed(tmp_path)), every=None, by="api")

    columns = ("api", "responses", "prompt_tokens", "completion_tokens", "total_tokens")
    assert {api: tuple(rest) for api, *rest in usage.select(columns).rows()} == BY_API
    assert set(BY_API) == {api.name for api in APIS}
    # 30,180 in all: the sum of the last numbers above.
    assert sum(total for *_, total in BY_API.values()) == 30_180


def test_the_command_prints_that_table(tmp_path: Path) -> None:
    code, out, _ = run("tokens", str(mixed(tmp_path)), "--by", "api", "--every", "none")

    assert code == 0
    for api, counts in BY_API.items():
        figures = " +".join(f"{count:,}" for count in counts)
        assert re.search(rf"^ *{api} +{figures} ", out, re.MULTILINE), (api, out)
    assert re.search(r"^ *all +26 +23,580 +6,600 +30,180 ", out, re.MULTILINE)


def test_a_line_is_a_response_or_is_rejected_with_its_reason(tmp_path: Path) -> None:
    log = load(mixed(tmp_path))

    assert log.ledger["lines"].item() == 33
    assert log.ledger["responses"].item() == 26
    # One response of chat has two choices, and a blocked prompt of Gemini has none.
    assert log.frame.height == 27
    codes = log.rejects["code"].value_counts().rows()
    # An expired request, one that failed in Vertex, streamed InvokeModel, embeddings.
    assert dict(codes) == {"error_response": 2, "stream_chunk": 1, "not_a_response": 4}


def test_batches_have_the_ids_of_their_requests() -> None:
    batches = pl.col("processing") == "batch"
    frame = load(PROVIDERS).frame.filter(batches)

    assert frame["custom_id"].drop_nulls().sort().to_list() == [
        *("ticket-1", "ticket-11", "ticket-12", "ticket-13", "ticket-2", "ticket-3"),
    ]
    # Vertex names its requests only by their content.
    assert frame.filter(pl.col("custom_id").is_null())["api"].to_list() == [
        "gemini",
        "gemini",
    ]


def test_times_come_from_the_response_or_from_the_line() -> None:
    options = {"created_path": "startTime"}
    frame = load(PROVIDERS, **options).frame.filter(pl.col("choice_position") == 0)

    undated = frame.filter(pl.col("created").is_null())
    # Neither the results of Anthropic's batch nor Cohere's answer have a time.
    assert undated["api"].to_list() == ["anthropic"] * 3 + ["cohere"]
    assert undated["created_problem"].to_list() == [None] * 4
    bedrock = frame.filter(pl.col("source").str.contains("bedrock"))
    times = bedrock["created"].dt.strftime("%F %T").to_list()
    assert times == [f"2026-11-06 07:{minute}:00" for minute in ("00", "05", "10")]


def test_the_logs_are_made_by_hand_and_hold_no_private_text() -> None:
    texts = {
        "Billing.", "Refund.", "I will look it up.", "The ticket names an invoice.",
        "Sort this ticket.", "Bil",
    }  # fmt: skip
    for line in load(PROVIDERS).frame["content"].drop_nulls():
        assert line in texts
    for path in PROVIDERS.iterdir():
        for line in path.read_text("utf-8").splitlines():
            assert isinstance(json.loads(line), dict)
