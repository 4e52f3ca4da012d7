"""The logs in data/providers: eight APIs, in envelopes of batches and as streams.

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
    # Batch: 100 + 1900 written, 150 + 1900 read, 500; LiteLLM: 200; Bedrock: 400, and
    # 300 streamed; streams: 300 + 100 read.
    "anthropic": (7, 5_850, 300 + 200 + 100 + 600 + 250 + 40 + 40, 5_850 + 1_530),
    # LiteLLM: 800, 3000, 800; chat: 500 (two choices), 700, 1000; streams: 200, 150,
    # 120, 300, and one without usage. Completion of the streams: 12, 9, 10, 20.
    "chat": (11, 7_570, 200 + 500 + 200 + 100 + 60 + 150 + 51, 7_570 + 1_261),
    # What the model read, not what is billed (40).
    "cohere": (1, 520, 22, 542),
    # 200 + 800 read, 900.
    "converse": (2, 1_000 + 900, 150 + 100, 2_150),
    # 400, 600 + 50 of tools, 90 (blocked), 1000; batch: 300, 700; streams: 500. With
    # the reasoning: 100 + 300, 150, 0, 200 + 800; 60 + 140, 80; 60 + 40.
    "gemini": (7, 3_640, 400 + 150 + 0 + 1_000 + 200 + 80 + 100, 3_640 + 1_930),
    # The second one is streamed.
    "ollama": (2, 250 + 90, 30 + 10, 340 + 40),
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
    # 32,481 in all: the sum of the last numbers above.
    assert sum(total for *_, total in BY_API.values()) == 32_481


def test_the_command_prints_that_table(tmp_path: Path) -> None:
    code, out, _ = run("tokens", str(mixed(tmp_path)), "--by", "api", "--every", "none")

    assert code == 0
    for api, (responses, *counts) in BY_API.items():
        # A stream of chat without usage makes its figures lower bounds.
        bound, silent = ("≥ ", 1) if api == "chat" else ("", 0)
        figures = " +".join(f"{bound}{count:,}" for count in counts)
        row = rf"^ *{api} +{responses} +{silent} +{figures} "
        assert re.search(row, out, re.MULTILINE), (api, out)
    # 5,850 + 7,570 + 520 + 1,900 + 3,640 + 340 + 5,700 + 120 = 25,640 in the prompt.
    assert re.search(r"^ *all +35 +1 +≥ 25,640 +≥ 6,841 +≥ 32,481 ", out, re.MULTILINE)


def test_a_line_is_a_response_or_is_rejected_with_its_reason(tmp_path: Path) -> None:
    log = load(mixed(tmp_path))

    # 32 lines in seven logs, and 23 in streams.jsonl.
    assert log.ledger["lines"].item() == 55
    assert log.ledger["responses"].item() == 35
    # Lines of streams: 5, 3, 2, 3 (Ollama) and 2, less one of each; a comment; [DONE].
    assert log.ledger["chunks"].item() == 15 - 5 + 2
    assert log.ledger["blank"].item() == 3
    # One response of chat has two choices, and a blocked prompt of Gemini has none.
    assert log.frame.height == 36
    codes = log.rejects["code"].value_counts().rows()
    # A request that expired, one that failed in Vertex, embeddings.
    assert dict(codes) == {"error_response": 2, "not_a_response": 3}


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


def test_streams_are_one_response_each_in_every_form() -> None:
    frame = toolkit.load(PROVIDERS / "streams.jsonl").frame.sort("line")

    columns = ("line", "api", "chunk_count", "finish_reason", "content", "total_tokens")
    assert frame.select(columns).rows() == [
        # Chunks of two streams in turn: one ends with its usage, 200 + 12; the other
        # has a running total in each chunk, the last of them 150 + 9.
        (1, "chat", 5, "stop", "Billing.", 212),
        (3, "chat", 3, "stop", "Refund.", 159),
        # Server-sent events, line by line: 120 + 10.
        (10, "chat", 2, "stop", "Billing.", 130),
        # Their text on one line: 300 + 20.
        (16, "chat", 3, "stop", "Refund.", 320),
        # Of seven events five have a part of the message: 300 + 100 read + 40.
        (17, "anthropic", 5, "stop", "Billing.", 440),
        # A list: 500 + 60 + 40 of reasoning.
        (18, "gemini", 2, "stop", "Billing.", 600),
        # The last chunk has no text: 90 + 10.
        (19, "ollama", 3, "stop", "Billing.", 100),
        # Cut off.
        (22, "chat", 2, None, "Bil", None),
    ]
    # Bedrock's log has the events of a streamed call as a list: 300 + 40.
    bedrock = toolkit.load(PROVIDERS / "bedrock_invocations.jsonl").frame
    streamed = bedrock.filter(pl.col("chunk_count") > 0)
    assert streamed.select("line", "total_tokens").rows() == [(4, 340)]


def test_times_come_from_the_response_or_from_the_line() -> None:
    options = {"created_path": "startTime"}
    frame = load(PROVIDERS, **options).frame.filter(pl.col("choice_position") == 0)

    undated = frame.filter(pl.col("created").is_null())
    # Neither the results of Anthropic's batch nor Cohere's answer have a time.
    assert undated["api"].to_list() == ["anthropic"] * 3 + ["cohere"]
    assert undated["created_problem"].to_list() == [None] * 4
    bedrock = frame.filter(pl.col("source").str.contains("bedrock"))
    times = bedrock["created"].dt.strftime("%F %T").to_list()
    minutes = ("00", "05", "10", "15")
    assert times == [f"2026-11-06 07:{minute}:00" for minute in minutes]


def test_the_logs_are_made_by_hand_and_hold_no_private_text() -> None:
    texts = {
        "Billing.", "Refund.", "I will look it up.", "The ticket names an invoice.",
        "Sort this ticket.", "Bil", "",
    }  # fmt: skip
    for line in load(PROVIDERS).frame["content"].drop_nulls():
        assert line in texts
    for path in PROVIDERS.iterdir():
        for line in path.read_text("utf-8").splitlines():
            event = line.removeprefix("data: ")
            is_framing = event in {"", ": ping", "[DONE]"}
            assert is_framing or isinstance(json.loads(event), dict)
