"""Every metric on an export of ten million responses, beside a query by hand.

Run it: ``python tests/benchmarks/metrics.py [RESPONSES]``.
The export has the layout and the columns of a true one, and no text. Each metric runs
in a process of its own; of several rounds the median counts.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from toolkit.metrics import METRICS
from toolkit.reading.manifest import STATE_FILE, Manifest, TrackedLog, format_manifest
from toolkit.schema import CHOICES, LEDGER

RESPONSES, DAYS, ROUNDS = 10_000_000, 50, 5
FIRST = datetime(2026, 10, 1, tzinfo=UTC)
MODELS = (
    "gpt-4o-2024-08-06", "gpt-4o-mini-2024-07-18", "claude-3-5-sonnet-20241022",
    "gemini-2.0-flash", "o3-mini-2025-01-31", "deepseek-chat",
    "llama-3.3-70b-versatile", "mistral-large-2411",
)  # fmt: skip
REASONS = ("stop", "stop", "stop", "length", "tool_calls", "content_filter")
TOKENS = (
    "prompt_tokens", "completion_tokens", "total_tokens", "cached_tokens",
    "reasoning_tokens",
)  # fmt: skip
BY_HAND = "by hand"
LIMITS = {"ratio": 1.2, "seconds": 5.0, "megabytes": 2_000}


def write_export(folder: Path, responses: int) -> None:
    """Write an export as `toolkit.export` does: a log and a part for each day."""
    chance = np.random.default_rng(1)
    logs = []
    for day in range(DAYS):
        rows = made(chance, day, responses // DAYS)
        to = folder / "choices" / f"date={FIRST + timedelta(days=day):%Y-%m-%d}"
        to.mkdir(parents=True)
        rows.write_parquet(to / "1-0.parquet", row_group_size=131_072)
        counts = dict.fromkeys(("lines", "responses", "choices"), rows.height)
        sums = rows.select(TOKENS[:3]).sum().row(0, named=True)
        zeros = {name: 0 for name, dtype in LEDGER.polars.items() if dtype == pl.Int64}
        named = {"log_id": day, "source": f"logs/{day}.jsonl", "decoder": "kernel"}
        logs.append(TrackedLog({**zeros, **named, **counts, **sums}, named["source"]))
    state = Manifest(1, {}, logs).with_totals()
    (folder / STATE_FILE).write_text(format_manifest(state))


def made(chance: np.random.Generator, day: int, count: int) -> pl.DataFrame:
    """Make the responses of a day; one in a hundred reports no usage."""
    start = int((FIRST + timedelta(days=day)).timestamp())
    prompt = chance.integers(10, 4_000, count)
    completion = chance.integers(1, 800, count)
    usage = (
        prompt, completion, prompt + completion,
        (prompt * chance.random(count)).astype(np.int64),
        (completion * chance.random(count)).astype(np.int64),
    )  # fmt: skip
    seconds = start + np.sort(chance.integers(0, 86_400, count))
    hashes = chance.integers(0, 2**63, count)
    silent = pl.Series(chance.random(count) < 0.01)
    known = {
        "log_id": np.full(count, day),
        "source": pl.repeat(f"logs/{day}.jsonl", count, eager=True),
        "line": np.arange(1, count + 1),
        "choice_position": np.zeros(count, np.int32),
        "choice_count": np.ones(count, np.int32),
        "response_hash": hashes,
        "response_id": "chatcmpl-" + pl.Series(hashes).cast(pl.String),
        "created": pl.Series(seconds * 1_000_000).cast(pl.Datetime("us", "UTC")),
        "model": pl.Series(MODELS).gather(chance.integers(0, len(MODELS), count)),
        "finish_reason": pl.Series(REASONS).gather(chance.integers(0, 6, count)),
        **dict(zip(TOKENS, usage, strict=True)),
    }
    frame = pl.DataFrame(known).with_columns(
        pl.when(~silent).then(pl.col(name)).alias(name) for name in TOKENS
    )
    lacking = [name for name in CHOICES.names if name not in known]
    return frame.with_columns(pl.lit(None).alias(name) for name in lacking).select(
        pl.col(name).cast(dtype) for name, dtype in CHOICES.polars.items()
    )


def scan(folder: Path) -> pl.LazyFrame:
    """Read the parts, as `toolkit.scan` does."""
    return pl.scan_parquet(sorted(folder.rglob("*.parquet")), hive_partitioning=False)


def by_hand(choices: pl.LazyFrame) -> pl.DataFrame:
    """Compute the figures of `token_usage`, and how many responses each of them lacks.

    Only that a sum fits into 64 bits is not checked.
    """
    usage = pl.col("prompt_tokens", "completion_tokens", "total_tokens")
    is_empty = pl.all_horizontal(usage == 0).fill_null(False)
    is_part = pl.col("usage_problem").is_in(["iterations", "cut_off"]).fill_null(False)
    parts = pl.col("prompt_tokens") + pl.col("completion_tokens")
    total = pl.coalesce("total_tokens", parts)
    unseen = {name: name.replace("_tokens", "_unseen") for name in TOKENS}
    unseen["total_tokens"] = "responses_without_usage"
    return (
        choices.filter(pl.col("choice_position") == 0)
        .with_columns(
            pl.coalesce("model", "requested_model"),
            pl.when(~is_empty).then(usage),
            is_part.alias("is_part"),
        )
        .group_by(pl.col("created").dt.truncate("1d").alias("period"), "model")
        .agg(
            pl.len().alias("responses"),
            total.sum().alias("total_tokens"),
            *[pl.col(name).sum() for name in TOKENS if name != "total_tokens"],
            *[
                (pl.col(name).is_null() | pl.col("is_part")).sum().alias(missing)
                for name, missing in unseen.items()
            ],
        )
        .sort("period", "model", nulls_last=True)
        .collect(engine="streaming")
    )


def measure(folder: Path, name: str) -> None:
    """Run one metric, and print seconds and megabytes."""
    choices = scan(folder)
    run = by_hand if name == BY_HAND else METRICS[name]
    if name == "cost_change":
        middle = FIRST + timedelta(days=DAYS // 2)
        end = FIRST + timedelta(days=DAYS)
        run = partial(METRICS[name], since=middle, until=end)
    times = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        run(choices)
        times.append(time.perf_counter() - begun)
    if name == "token_usage":
        hand = by_hand(choices)
        ours = run(choices).select(hand.columns).cast(hand.schema)
        assert_frame_equal(ours, hand)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(median(times), peak)


def main(responses: int) -> None:
    """Write the export, run everything, print a table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_export(folder, responses)
        print(f"{responses:,} responses, median of {ROUNDS} rounds, {LIMITS}")
        print(
            "| metric | seconds | of the query by hand | peak MB |\n|---|---|---|---|"
        )
        hand = 0.0
        for name in (BY_HAND, *METRICS):
            if name == "log_health":
                continue  # it asks an export, not a frame
            done = subprocess.run(
                [sys.executable, __file__, "--one", str(folder), name],
                capture_output=True, check=True, text=True,
            )  # fmt: skip
            seconds, peak = map(float, done.stdout.split())
            hand = hand or seconds
            print(f"| {name} | {seconds:.2f} | {seconds / hand:.2f} | {peak:,.0f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        measure(Path(sys.argv[2]), sys.argv[3])
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else RESPONSES)
