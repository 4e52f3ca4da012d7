"""Price 10 million responses: seconds and memory, eager and lazy, plain and mixed."""

from __future__ import annotations

import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import polars as pl

from toolkit.pricing import add_cost, price_responses
from toolkit.pricing.pricer import NEEDED
from toolkit.schema import CHOICES

MODELS = (
    "gpt-4o",
    "gpt-4o-mini-2024-07-18",
    "o3",
    "gemini-2.5-pro",
    "claude-sonnet-4-5-20250929",
    "deepseek-chat",
    "grok-4.3",
    "my-own",
)
START = int(datetime(2025, 1, 1, tzinfo=UTC).timestamp() * 1e6)
YEAR = 365 * 86_400 * 10**6


def responses(rows: int) -> pl.DataFrame:
    """Make responses of eight models over a year; prices change within it."""
    chance = np.random.default_rng(6)
    prompt = chance.integers(1, 300_000, rows)
    completion = chance.integers(1, 5_000, rows)
    made = {
        "log_id": np.zeros(rows, np.int32),
        "line": np.arange(rows),
        "choice_position": np.zeros(rows, np.int32),
        "created": START + chance.integers(0, YEAR, rows),
        "prompt_tokens": prompt,
        "cached_tokens": prompt // 3,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    names = pl.Series("model", MODELS).gather(chance.integers(0, len(MODELS), rows))
    frame = pl.DataFrame(made).with_columns(names)
    needed = dict.fromkeys(("log_id", "line", "choice_position", *NEEDED))
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None))
        .cast(CHOICES.polars[name])
        .alias(name)
        for name in needed
    )


def measure(name: str, rows: int, frame: pl.DataFrame) -> None:
    """Price a frame in one of the ways, and print what it took."""
    started = time.perf_counter()
    if name == "add_cost":
        priced = add_cost(frame)
    elif name == "add_cost, lazy":
        priced = add_cost(frame.lazy()).select("cost", "cost_source").collect()
    else:
        lazy = price_responses(frame.lazy()).select("model", "cost", "cost_source")
        sums = lazy.group_by("model").agg(pl.col("cost").sum())
        priced = sums.collect(engine="streaming")
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{name:28} {rows:>12,} rows {seconds:6.2f} s, peak {peak:,.0f} MB, "
        f"frame {frame.estimated_size('mb'):,.0f} MB, {priced['cost'].sum()} USD"
    )


if __name__ == "__main__":
    expected = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    ways = ("add_cost", "add_cost, lazy", "price_responses, summed")
    for way in ways if len(sys.argv) < 3 else (ways[int(sys.argv[2])],):
        measure(way, expected, responses(expected))
