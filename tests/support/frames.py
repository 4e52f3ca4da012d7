"""Frames as the metrics make them, by hand: for the charts' tests and the gallery.

Numbers come from a small arithmetic of places, so that each is known beforehand and
the same on every machine.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from math import exp, sin
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MODELS = (
    "gpt-4o",
    "Llama-3.3-70B",
    "DeepSeek-R1",
    "mistral-large",
    "claude-3.7-sonnet",
    "gemini-2.0-flash",
)
TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
USAGE = (*TOKENS, "cached_tokens", "reasoning_tokens")
MONEY = pl.Decimal(38, 12)


def models(count: int) -> list[str]:
    """Name so many models, the first six as in the wild."""
    return [*MODELS[:count], *(f"model-{n:02}" for n in range(7, count + 1))]


def periods(
    count: int, every: str = "1d", tz: str = "UTC", start: datetime | None = None
) -> pl.DataFrame:
    """So many periods from 1 November 2026 on; the last one is unfinished."""
    begin = start or datetime(2026, 11, 1, tzinfo=ZoneInfo(tz))
    firsts = (
        pl.select(pl.lit(begin.astimezone(UTC)).alias("at"))
        .select(pl.col("at").cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(tz))
        .to_series()
    )
    starts = [firsts]
    unit = every.lstrip("0123456789")
    number = int(every.removesuffix(unit))
    expected = [f"{number * place}{unit}" for place in range(count + 1)]
    base = pl.DataFrame({"by": expected}).with_columns(pl.lit(starts[0][0]).alias("at"))
    marks = base.select(pl.col("at").dt.offset_by(pl.col("by"))).to_series()
    return pl.DataFrame(
        {
            "period": marks.head(count),
            "period_end": marks.tail(count),
            "partial": [place == count - 1 for place in range(count)],
        },
        schema={
            "period": pl.Datetime("us", tz),
            "period_end": pl.Datetime("us", tz),
            "partial": pl.Boolean(),
        },
    )


def lay_out(
    time: pl.DataFrame | None,
    names: Sequence[str | None],
    cells: Callable[[int, int], list[dict[str, object]]],
    schema: dict[str, pl.DataType],
    *,
    undated: bool = True,
    by: str = "model",
) -> pl.DataFrame:
    """One row or more for each period and name, and one without a date."""
    rows: list[dict[str, object]] = []
    leading: dict[str, pl.DataType] = {}
    if time is None:
        rows = [
            {by: name, **cell} for s, name in enumerate(names) for cell in cells(0, s)
        ]
    else:
        leading = dict(zip(time.columns, time.dtypes, strict=True))
        for p, period in enumerate(time.iter_rows(named=True)):
            rows += [
                {**period, by: name, **cell}
                for s, name in enumerate(names)
                for cell in cells(p, s)
            ]
        if undated and names and len(time):
            none = {"period": None, "period_end": None, "partial": False}
            rows += [{**none, by: names[0], **cell} for cell in cells(0, 0)]
    return pl.DataFrame(rows, schema={**leading, by: pl.String(), **schema})


def wave(p: int, s: int, low: float, high: float) -> float:
    """A number between two, which goes up and down with period and series."""
    return low + (high - low) * (0.5 + 0.5 * sin(0.9 * p + 1.7 * s + 0.3 * p * (s % 3)))


def calls(p: int, s: int) -> int:
    """How many responses: fewer at weekends and for later series."""
    weekend = 0.45 if p % 7 in {0, 6} else 1.0
    return max(1, int(9_000 * weekend * wave(p, s, 0.7, 1.1) / (1 + 0.8 * s)))


def token_usage(time: pl.DataFrame | None, names: Sequence[str | None]) -> pl.DataFrame:
    def cells(p: int, s: int) -> list[dict[str, object]]:
        count = calls(p, s)
        prompt, completion = 9_000 * count, 1_400 * count
        return [
            {
                "responses": count,
                "responses_without_usage": count // 5_000,
                "prompt_tokens": prompt,
                "prompt_unseen": 0,
                "completion_tokens": completion,
                "completion_unseen": 0,
                "total_tokens": prompt + completion,
                "cached_tokens": prompt // 3,
                "cached_unseen": 0,
                "reasoning_tokens": completion // 5,
                "reasoning_unseen": 0,
            }
        ]

    names_of = [
        "responses",
        "responses_without_usage",
        "prompt_tokens",
        "prompt_unseen",
        "completion_tokens",
        "completion_unseen",
        "total_tokens",
        "cached_tokens",
        "cached_unseen",
        "reasoning_tokens",
        "reasoning_unseen",
    ]
    return lay_out(time, names, cells, dict.fromkeys(names_of, pl.Int64()))


def cost(time: pl.DataFrame | None, names: Sequence[str | None]) -> pl.DataFrame:
    def cells(p: int, s: int) -> list[dict[str, object]]:
        count = calls(p, s)
        tokens = 10_400 * count
        unpriced = count if s and s == len(names) - 1 else 0
        return [
            {
                "responses": count,
                "cost": None
                if unpriced
                else Decimal(count * (9 - s % 4)) / Decimal(1_000),
                "responses_reported": 0,
                "responses_priced": count - unpriced,
                "responses_unpriced": unpriced,
                "total_tokens": tokens,
                "responses_without_usage": 0,
                "tokens_unpriced": tokens if unpriced else 0,
                "responses_unpriced_without_usage": 0,
                "unpriced_share": 1.0 if unpriced else 0.0,
            }
        ]

    schema: dict[str, pl.DataType] = {"responses": pl.Int64(), "cost": MONEY}
    for name in [
        "responses_reported",
        "responses_priced",
        "responses_unpriced",
        "total_tokens",
        "responses_without_usage",
        "tokens_unpriced",
        "responses_unpriced_without_usage",
    ]:
        schema[name] = pl.Int64()
    return lay_out(time, names, cells, {**schema, "unpriced_share": pl.Float64()})


def shares(
    part: str,
    whole: str,
    share: str,
    more: dict[str, int],
    low: float,
    high: float,
) -> Callable[[pl.DataFrame | None, Sequence[str | None]], pl.DataFrame]:
    """Return the maker of a ratio's frame: `part` of `whole`, with some nulls."""

    def make(time: pl.DataFrame | None, names: Sequence[str | None]) -> pl.DataFrame:
        def cells(p: int, s: int) -> list[dict[str, object]]:
            count = calls(p, s)
            value = wave(p // 2, s, low, high) / (1 + 0.5 * s)
            of = count if whole == "responses" else 9_000 * count
            known = (p + 3 * s) % 11 != 7  # now and then nothing is known
            over = int(of * value)
            row: dict[str, object] = {"responses": count, **more, whole: of}
            return [{**row, part: over, share: over / of if known else None}]

        columns = ["responses", *more, *([whole] if whole != "responses" else []), part]
        counts: dict[str, pl.DataType] = dict.fromkeys(columns, pl.Int64())
        return lay_out(time, names, cells, {**counts, share: pl.Float64()})

    return make


cache_share = shares(
    "cached_tokens", "prompt_tokens", "cache_share", {"cached_unseen": 2}, 0.1, 0.6
)
reasoning_share = shares(
    "reasoning_tokens",
    "completion_tokens",
    "reasoning_share",
    {"reasoning_unseen": 2},
    0.0,
    0.8,
)
truncation_rate = shares(
    "responses_truncated",
    "responses",
    "response_rate",
    {"responses_without_reason": 0},
    0.02,
    0.1,
)
refusal_and_filter_rate = shares(
    "responses_refused_or_filtered",
    "responses",
    "response_rate",
    {"choices": 9, "refusals_unseen": 0, "choices_without_reason": 0},
    0.0,
    0.01,
)
output_input_ratio = shares(
    "completion_tokens", "prompt_tokens", "output_input_ratio", {"unseen": 1}, 0.1, 0.4
)
choices_per_response = shares(
    "choices",
    "responses",
    "choices_per_response",
    {"responses_without_choices": 0},
    1.0,
    4.0,
)


def confidence(time: pl.DataFrame | None, names: Sequence[str | None]) -> pl.DataFrame:
    def cells(p: int, s: int) -> list[dict[str, object]]:
        count = calls(p, s)
        mean = -wave(p // 3, s, 0.15, 0.7)
        return [
            {
                "choices": count,
                "choices_without_logprobs": count // 4,
                "logprob_tokens": 300 * count,
                "logprob_sum": 300 * count * mean,
                "mean_logprob": mean,
                "perplexity": exp(-mean),
            }
        ]

    counts = ("choices", "choices_without_logprobs", "logprob_tokens")
    ratios = ("logprob_sum", "mean_logprob", "perplexity")
    return lay_out(
        time,
        names,
        cells,
        {**dict.fromkeys(counts, pl.Int64()), **dict.fromkeys(ratios, pl.Float64())},
    )


def usage_coverage(
    time: pl.DataFrame | None, names: Sequence[str | None]
) -> pl.DataFrame:
    def cells(p: int, s: int) -> list[dict[str, object]]:
        count = calls(p, s)
        reported = {name: count - k * count // 9 for k, name in enumerate(USAGE)}
        return [
            {"tokens": name, "responses": count, "reported": n, "coverage": n / count}
            for name, n in reported.items()
        ]

    return lay_out(
        time,
        names,
        cells,
        {
            "tokens": pl.String(),
            "responses": pl.Int64(),
            "reported": pl.Int64(),
            "coverage": pl.Float64(),
        },
    )


def finish_reasons(
    time: pl.DataFrame | None, names: Sequence[str | None]
) -> pl.DataFrame:
    reasons = ("stop", "length", "tool_calls", "content_filter", None)

    def cells(p: int, s: int) -> list[dict[str, object]]:
        count = calls(p, s)
        parts = [0, count // 12, count // 5, count // 150, count // 60]
        parts[0] = count - sum(parts)
        return [
            {"finish_reason": r, "choices": n, "choices_all": count, "share": n / count}
            for r, n in zip(reasons, parts, strict=True)
            if n
        ]

    return lay_out(
        time,
        names,
        cells,
        {
            "finish_reason": pl.String(),
            "choices": pl.Int64(),
            "choices_all": pl.Int64(),
            "share": pl.Float64(),
        },
    )


def model_mix(time: pl.DataFrame | None, names: Sequence[str | None]) -> pl.DataFrame:
    def cells(p: int, s: int) -> list[dict[str, object]]:
        count = calls(p, s)
        whole = sum(calls(p, other) for other in range(len(names)))
        return [
            {
                "responses": count,
                "responses_all": whole,
                "response_share": count / whole,
                "total_tokens": 10_400 * count,
                "responses_without_usage_all": 0,
                "tokens_all": 10_400 * whole,
                "token_share": count / whole,
                "responses_without_usage": 0,
            }
        ]

    schema: dict[str, pl.DataType] = {
        "responses": pl.Int64(),
        "responses_all": pl.Int64(),
        "response_share": pl.Float64(),
        "total_tokens": pl.Int64(),
        "responses_without_usage_all": pl.Int64(),
        "tokens_all": pl.Int64(),
        "token_share": pl.Float64(),
        "responses_without_usage": pl.Int64(),
    }
    return lay_out(time, names, cells, schema)


def tokens_per_response(
    time: pl.DataFrame | None, names: Sequence[str | None]
) -> pl.DataFrame:
    def cells(p: int, s: int) -> list[dict[str, object]]:
        rows = []
        for size, name in zip((9, 2, 11), TOKENS, strict=True):
            p50 = int(size * wave(p, s, 90, 160) / (1 + 0.3 * s))
            rows.append(
                {
                    "tokens": name,
                    "responses": calls(p, s),
                    "unseen": 1,
                    "p50": p50,
                    "p90": 4 * p50,
                    "p99": 11 * p50,
                    "max": 60 * p50,
                    "mean": 1.7 * p50,
                }
            )
        return rows

    counts = ("responses", "unseen", "p50", "p90", "p99", "max")
    schema: dict[str, pl.DataType] = {
        "tokens": pl.String(),
        **dict.fromkeys(counts, pl.Int64()),
        "mean": pl.Float64(),
    }
    return lay_out(time, names, cells, schema)


def tool_calls(time: pl.DataFrame | None, names: Sequence[str | None]) -> pl.DataFrame:
    tools = ("search_documents", "get_weather", "run_sql", None, "send_mail")

    def cells(p: int, s: int) -> list[dict[str, object]]:
        count = calls(p, s)
        rows = []
        for k, tool in enumerate(tools):
            number = count // (3 + 2 * k)
            bad = number // 14 if k % 2 else 0
            rows.append(
                {
                    "tool": tool,
                    "calls": number,
                    "responses": number - number // 10,
                    "arguments_invalid": bad,
                    "arguments_unseen": 0,
                    "invalid_share": bad / number if number else None,
                }
            )
        return rows

    counts = ("calls", "responses", "arguments_invalid", "arguments_unseen")
    schema: dict[str, pl.DataType] = {
        "tool": pl.String(),
        **dict.fromkeys(counts, pl.Int64()),
        "invalid_share": pl.Float64(),
    }
    return lay_out(time, names, cells, schema)


def response_volume(empty: bool = False) -> pl.DataFrame:
    rows = [
        {
            "weekday": day,
            "hour": hour,
            "responses": int(
                (900 if day < 6 else 150)
                * wave(hour // 3, 0, 0.05, 1.0)
                * (7 <= hour <= 21)
            ),
            "responses_without_usage": 0,
            "total_tokens": 10,
        }
        for day in range(1, 8)
        for hour in range(24)
        if not (day == 7 and hour < 6)
    ]
    none = {"weekday": None, "hour": None, "responses": 12, "total_tokens": 5}
    rows.append({**none, "responses_without_usage": 0})
    return pl.DataFrame(
        [] if empty else rows,
        schema={
            "weekday": pl.Int8(),
            "hour": pl.Int8(),
            "responses": pl.Int64(),
            "responses_without_usage": pl.Int64(),
            "total_tokens": pl.Int64(),
        },
    )


def drift(names: Sequence[str | None], tz: str = "UTC") -> pl.DataFrame:
    begin = datetime(2026, 10, 1, tzinfo=UTC)
    rows = []
    for s, name in enumerate(names):
        for k in range(1 + s % 3):
            first = begin + timedelta(days=(7 * s + 13 * k) % 40)
            rows.append(
                {
                    "requested_model": "gpt-4o" if k == 1 else name,
                    "model": name,
                    "system_fingerprint": f"fp_{(s * 7 + k) * 2654435761 % 2**32:08x}"
                    if s % 2 == 0
                    else None,
                    "service_tier": "default" if k else None,
                    "provider": "OpenAI" if s == 0 else None,
                    "first_seen": first,
                    "last_seen": first + timedelta(days=3 + (11 * s + 5 * k) % 30),
                    "responses": calls(k, s),
                    "undated": 2 if s == 1 else 0,
                    "differs": None if name is None else k == 1 and name != "gpt-4o",
                }
            )
    texts = [
        "requested_model",
        "model",
        "system_fingerprint",
        "service_tier",
        "provider",
    ]
    time = pl.Datetime("us", tz)
    return pl.DataFrame(
        rows,
        schema={
            **dict.fromkeys(texts, pl.String()),
            "first_seen": time,
            "last_seen": time,
            "responses": pl.Int64(),
            "undated": pl.Int64(),
            "differs": pl.Boolean(),
        },
    )


def log_health(empty: bool = False) -> pl.DataFrame:
    lines, responses = 207_900, 207_812
    rows = [
        ("ledger", "responses", responses, lines, None),
        ("ledger", "duplicates", 14, lines, None),
        ("ledger", "errors", 31, lines, None),
        ("ledger", "rejected", 43, lines, None),
        ("reject", "error_response", 31, lines, "logs/a.jsonl:12"),
        ("reject", "invalid_json", 22, lines, "logs/a.jsonl:731"),
        ("reject", "stream_chunk", 21, lines, "logs/b.jsonl:9"),
        ("finding", "undated", 12, responses, "logs/a.jsonl:44"),
        ("finding", "without_usage", 41, responses, "logs/a.jsonl:7"),
        ("finding", "total_differs", 5, responses, "logs/b.jsonl:81"),
    ]
    return pl.DataFrame(
        [] if empty else [(*r[:4], r[2] / r[3], r[4]) for r in rows],
        schema={
            "kind": pl.String(),
            "name": pl.String(),
            "count": pl.Int64(),
            "of": pl.Int64(),
            "share": pl.Float64(),
            "first": pl.String(),
        },
        orient="row",
    )


def cost_change(names: Sequence[str | None]) -> pl.DataFrame:
    """The effects of nine causes, of which the last has none."""
    causes = ("volume", "coverage", "mix", "prompt_length", "completion_length")
    effects = [f"{c}_effect" for c in (*causes, "cache", "price", "fees", "unsplit")]
    rows = []
    for s, name in enumerate(names):
        parts = [Decimal((8 - k) * (-1) ** k * (s + 2)) / 100 for k in range(9)]
        before = Decimal(3 * (s + 1))
        money = {"cost_before": before, "cost": before + sum(parts)}
        money |= {"cost_change": sum(parts), **dict(zip(effects, parts, strict=True))}
        counts = {"responses_before": 90, "responses": 100}
        counts |= {"responses_unpriced_before": 4, "responses_unpriced": 5}
        rows.append({"model": name, **money, **counts})
    money_columns = ("cost_before", "cost", "cost_change", *effects)
    counted = ("responses_before", "responses")
    counted += ("responses_unpriced_before", "responses_unpriced")
    return pl.DataFrame(
        rows,
        schema={
            "model": pl.String(),
            **dict.fromkeys(money_columns, MONEY),
            **dict.fromkeys(counted, pl.Int64()),
        },
    )


OVER_TIME = {
    "token_usage": token_usage,
    "cost": cost,
    "cache_share": cache_share,
    "reasoning_share": reasoning_share,
    "finish_reasons": finish_reasons,
    "truncation_rate": truncation_rate,
    "refusal_and_filter_rate": refusal_and_filter_rate,
    "tool_calls": tool_calls,
    "choices_per_response": choices_per_response,
    "tokens_per_response": tokens_per_response,
    "output_input_ratio": output_input_ratio,
    "model_mix": model_mix,
    "confidence": confidence,
    "usage_coverage": usage_coverage,
}
