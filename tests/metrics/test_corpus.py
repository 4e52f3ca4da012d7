"""Each metric on recorded responses, against a count in plain Python over the lines.

Nothing here but the last comparison shares code with the package.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import toolkit
from toolkit import metrics

Row = dict[str, Any]


def paths(usage: Row, *names: str) -> int | None:
    """Return the first count at dotted names that is not 0, else 0 if one is."""
    found = None
    for name in names:
        value: Any = usage
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        if value:
            return int(value)
        found = 0 if value == 0 else found
    return found


def facts(response: Row) -> Row:
    """Return what the metrics need of a response."""
    usage = response.get("usage") or {}
    choices = [c.get("message") or {} for c in response["choices"]]
    created = response.get("created") or 0
    return {
        "day": datetime.fromtimestamp(float(created), UTC).date() if created else None,
        "hour": datetime.fromtimestamp(float(created), UTC) if created else None,
        "model": response.get("model") or None,
        "reasons": [c.get("finish_reason") or None for c in response["choices"]],
        "messages": choices,
        "logprobs": [c.get("logprobs") for c in response["choices"]],
        "prompt": paths(usage, "prompt_tokens"),
        "completion": paths(usage, "completion_tokens"),
        "total": paths(usage, "total_tokens"),
        "cached": paths(
            usage,
            "prompt_tokens_details.cached_tokens",
            "prompt_cache_hit_tokens",
            "cached_tokens",
            "num_cached_tokens",
            "cache_read_input_tokens",
            "prompt_token_details.cached_tokens",
        ),
        "reasoning": paths(
            usage,
            "completion_tokens_details.reasoning_tokens",
            "reasoning_tokens",
            "completion_token_details.reasoning_tokens",
        ),
        "fingerprint": response.get("system_fingerprint") or None,
        "tier": response.get("service_tier") or usage.get("service_tier") or None,
        "provider": response.get("provider") or None,
    }


@cache
def read(path: Path) -> list[Row]:
    """Return the recorded responses, but for those that are rejected.

    Those have their usage elsewhere, as LangSmith does, or an object where a word is
    expected.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    responses = [json.loads(line) for line in lines]
    return [
        facts(response)
        for response in responses
        if response.get("usage") or not response.get("usage_metadata")
        if not any(
            isinstance(c.get("finish_reason"), dict) for c in response["choices"]
        )
    ]


@cache
def load(path: Path) -> pl.DataFrame:
    """Return the same as choices."""
    return toolkit.load(path).frame


@pytest.fixture
def recorded(corpus: Path) -> list[Row]:
    """Return the recorded responses as Python reads them."""
    return read(corpus / "responses.jsonl")


@pytest.fixture
def choices(corpus: Path) -> pl.DataFrame:
    """Return the recorded responses as we read them."""
    return load(corpus / "responses.jsonl")


def grouped(rows: Iterable[Row]) -> dict[tuple[Any, ...], list[Row]]:
    """Put responses together by day and model."""
    groups = defaultdict(list)
    for row in rows:
        groups[row["day"], row["model"]].append(row)
    return groups


def keyed(table: pl.DataFrame, *names: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """Return figures by day and model."""
    day = pl.col("period").dt.date()
    return {row[:2]: row[2:] for row in table.select(day, "model", *names).iter_rows()}


def known(rows: list[Row], name: str) -> list[int]:
    """Return the counts that responses report."""
    return [row[name] for row in rows if row[name] is not None]


def total_of(values: list[int], missing: int) -> int | None:
    """Sum what is known; None if that is nothing, though something is missing."""
    return None if missing and not any(values) and not len(values) else sum(values)


def summed(rows: list[Row], name: str) -> int | None:
    """Sum the counts that responses report: None if none does, though there are."""
    values = known(rows, name)
    return total_of(values, len(rows) - len(values))


def tokens(rows: list[Row]) -> int | None:
    """Sum totals, and prompt and completion where there is no total."""
    values = [
        row["prompt"] + row["completion"] if row["total"] is None else row["total"]
        for row in rows
        if row["total"] is not None or None not in (row["prompt"], row["completion"])
    ]
    return total_of(values, len(rows) - len(values))


def both(rows: list[Row], part: str, whole: str) -> tuple[int | None, ...]:
    """Count the responses without one of two counts, and sum those of the others."""
    full = [row for row in rows if row[whole] is not None and row[part] is not None]
    missing = len(rows) - len(full)
    beside = [
        row["reasoning"]
        for row in full
        if part == "reasoning"
        and (
            row["reasoning"] > row["completion"]
            or row["total"] == sum(row[n] for n in ("prompt", "completion", part))
        )
    ]
    wholes = [row[whole] for row in full]
    return (
        missing,
        total_of([*wholes, *beside], missing),
        total_of([row[part] for row in full], missing),
    )


def ends(rows: list[Row]) -> tuple[int | None, ...]:
    """Count truncation by response and by choice."""
    ended = [row for row in rows if any(row["reasons"])]
    cut = [row for row in rows if "length" in row["reasons"]]
    reasons = [reason for row in rows for reason in row["reasons"]]
    return (
        len(rows), len(rows) - len(ended), len(cut) if ended else None,
        len(reasons), reasons.count(None),
        reasons.count("length") if any(reasons) or not reasons else None,
        tokens(rows), tokens(cut) if cut or len(ended) == len(rows) else None,
    )  # fmt: skip


def refused(rows: list[Row]) -> tuple[int | None, ...]:
    """Count refusals and filters by response and by choice."""
    reasons = [reason for row in rows for reason in row["reasons"]]
    is_known = any(reasons) or not reasons
    flags = [
        [
            (bool(message.get("refusal")), reason == "content_filter")
            for message, reason in zip(row["messages"], row["reasons"], strict=True)
        ]
        for row in rows
    ]
    flat = [pair for pairs in flags for pair in pairs]
    return (
        len(rows),
        sum(any(a for a, _ in pairs) for pairs in flags),
        sum(any(b for _, b in pairs) for pairs in flags) if is_known else None,
        len(flat),
        sum(a for a, _ in flat),
        sum(b for _, b in flat) if is_known else None,
    )


Count = Callable[[list[Row]], tuple[Any, ...]]
BY_DAY_AND_MODEL: dict[str, tuple[tuple[str, ...], Count]] = {
    "token_usage": (
        (
            "responses", "responses_without_usage", "prompt_tokens",
            "completion_tokens", "total_tokens", "cached_tokens", "cached_unseen",
            "reasoning_tokens",
        ),
        lambda rows: (
            len(rows), len(rows) - len(known(rows, "total")),
            *(summed(rows, name) for name in ("prompt", "completion")), tokens(rows),
            summed(rows, "cached"), len(rows) - len(known(rows, "cached")),
            summed(rows, "reasoning"),
        ),
    ),
    "cache_share": (
        ("cached_unseen", "prompt_tokens", "cached_tokens"),
        lambda rows: both(rows, "cached", "prompt"),
    ),
    "reasoning_share": (
        ("reasoning_unseen", "completion_tokens", "reasoning_tokens"),
        lambda rows: both(rows, "reasoning", "completion"),
    ),
    "output_input_ratio": (
        ("unseen", "prompt_tokens", "completion_tokens"),
        lambda rows: both(rows, "completion", "prompt"),
    ),
    "truncation_rate": (
        (
            "responses", "responses_without_reason", "responses_truncated", "choices",
            "choices_without_reason", "choices_truncated", "total_tokens",
            "tokens_truncated",
        ),
        ends,
    ),
    "refusal_and_filter_rate": (
        (
            "responses", "responses_refused", "responses_filtered", "choices",
            "choices_refused", "choices_filtered",
        ),
        refused,
    ),
    "choices_per_response": (
        ("choices", "choices_max", "responses_with_several"),
        lambda rows: (
            sum(len(row["reasons"]) for row in rows),
            max(len(row["reasons"]) for row in rows),
            sum(len(row["reasons"]) > 1 for row in rows),
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BY_DAY_AND_MODEL)
def test_a_metric_by_day_and_model_equals_a_count_over_the_lines(
    name: str, recorded: list[Row], choices: pl.DataFrame
) -> None:
    names, count = BY_DAY_AND_MODEL[name]

    table = metrics.METRICS[name](choices)

    expected = {key: count(rows) for key, rows in grouped(recorded).items()}
    assert keyed(table, *names) == expected


def test_reasons_equal_a_count_over_the_lines(
    recorded: list[Row], choices: pl.DataFrame
) -> None:
    table = metrics.finish_reasons(choices, every=None, by=())

    reasons = Counter(reason for row in recorded for reason in row["reasons"])
    assert dict(table.select("finish_reason", "choices").rows()) == dict(reasons)
    assert table["choices_all"].unique().to_list() == [reasons.total()]


def test_the_mix_equals_a_count_over_the_lines(
    recorded: list[Row], choices: pl.DataFrame
) -> None:
    table = metrics.model_mix(choices, every=None)

    every = tokens(recorded)
    assert every
    by_model = defaultdict(list)
    for row in recorded:
        by_model[row["model"]].append(row)
    expected = {
        model: (len(rows) / len(recorded), None if of is None else of / every)
        for model, rows in by_model.items()
        for of in [tokens(rows)]
    }
    shares = table.select("model", "response_share", "token_share").rows()
    found = {model: shares for model, *shares in shares}
    assert found.keys() == expected.keys()
    for model, pair in expected.items():
        # polars multiplies by the reciprocal of a constant: the last bit may differ.
        for share, of in zip(found[model], pair, strict=True):
            assert share == (of if of is None else pytest.approx(of, rel=1e-15))


def test_calls_equal_a_count_over_the_lines(
    recorded: list[Row], choices: pl.DataFrame
) -> None:
    made: Counter[str | None] = Counter()
    broken: Counter[str | None] = Counter()
    calls: dict[str | None, set[int]] = defaultdict(set)
    for place, row in enumerate(recorded):
        for message in row["messages"]:
            for call in message.get("tool_calls") or []:
                function = call.get("function") or call.get("custom") or {}
                name, text = function.get("name"), function.get("arguments")
                made[name] += 1
                calls[name].add(place)
                broken[name] += isinstance(text, str) and is_broken(text)
            call = message.get("function_call") or {}
            if call.get("name") and not message.get("tool_calls"):
                made[call["name"]] += 1
                calls[call["name"]].add(place)
                broken[call["name"]] += is_broken(call["arguments"])

    table = metrics.tool_calls(choices, every=None, by=())

    rows = table.select("tool", "calls", "responses", "arguments_invalid").rows()
    assert {row[0]: row[1:] for row in rows} == {
        name: (made[name], len(calls[name]), broken[name]) for name in made
    }


def is_broken(text: str) -> bool:
    """Say whether a text is neither blank nor JSON to the standard library."""
    try:
        json.loads(text)
    except ValueError:
        return bool(text.strip())
    return False


def test_sizes_equal_ranks_of_sorted_lists(
    recorded: list[Row], choices: pl.DataFrame
) -> None:
    table = metrics.tokens_per_response(choices, every=None, by=())

    for tokens, *figures in table.drop("responses").iter_rows():
        counts = sorted(known(recorded, tokens.removesuffix("_tokens")))
        ranks = [
            counts[math.ceil(p / 100 * len(counts)) - 1] for p in (10, 50, 90, 99, 100)
        ]
        assert figures[:6] == [len(recorded) - len(counts), *ranks]
        assert figures[6] == pytest.approx(sum(counts) / len(counts), rel=1e-15)


def test_confidence_equals_a_sum_over_the_lines(
    recorded: list[Row], choices: pl.DataFrame
) -> None:
    table = metrics.confidence(choices, every=None, by=())

    contents = [
        probabilities["content"]
        for row in recorded
        for probabilities in row["logprobs"]
        if probabilities and probabilities.get("content") is not None
    ]
    values = [item["logprob"] for content in contents for item in content]
    assert table["logprob_tokens"].item() == len(values) > 0
    # Each choice is rounded to 2^-40 nats.
    assert table["logprob_sum"].item() == pytest.approx(math.fsum(values), abs=1e-9)
    assert table["perplexity"].item() == pytest.approx(
        math.exp(-math.fsum(values) / len(values))
    )


def test_volume_equals_a_count_over_the_lines(
    recorded: list[Row], choices: pl.DataFrame
) -> None:
    table = metrics.response_volume(choices)

    hours = Counter(
        (row["hour"].isoweekday(), row["hour"].hour) if row["hour"] else (None, None)
        for row in recorded
    )
    rows = table.select("weekday", "hour", "responses").iter_rows()
    assert {(weekday, hour): count for weekday, hour, count in rows} == dict(hours)


def test_versions_equal_a_count_over_the_lines(
    recorded: list[Row], choices: pl.DataFrame
) -> None:
    table = metrics.drift(choices)

    names = ("model", "fingerprint", "tier", "provider")
    seen = Counter(tuple(row[name] for name in names) for row in recorded)
    rows = table.select(
        "model", "system_fingerprint", "service_tier", "provider", "responses"
    ).rows()
    assert {row[:4]: row[4] for row in rows} == dict(seen)
    assert table["requested_model"].null_count() == len(table)


def test_coverage_equals_a_count_over_the_lines(
    recorded: list[Row], choices: pl.DataFrame
) -> None:
    table = metrics.usage_coverage(choices, every=None, by=())

    for name in ("prompt", "completion", "total", "cached", "reasoning"):
        row = table.filter(tokens=f"{name}_tokens").select("responses", "reported")
        assert row.row(0) == (len(recorded), len(known(recorded, name)))


def test_costs_cover_every_response_and_token(
    recorded: list[Row], choices: pl.DataFrame
) -> None:
    table = metrics.cost(choices)

    kinds = ("responses_reported", "responses_priced", "responses_unpriced")
    assert table.select(kinds).sum().sum_horizontal().item() == len(recorded)
    assert table["total_tokens"].sum() == tokens(recorded)
    assert table["tokens_unpriced"].sum() <= table["total_tokens"].sum()


def test_health_equals_a_count_over_the_lines(
    recorded: list[Row], corpus: Path
) -> None:
    health = metrics.log_health(corpus / "responses.jsonl")

    # 273 lines: five have their usage elsewhere, one an object for a word.
    found = dict(health.select("name", "count").iter_rows())
    assert (found["responses"], found["not_a_response"]) == (267, 5)
    assert (found["rejected"], found["wrong_type"]) == (6, 1)
    assert found["undated"] == sum(row["day"] is None for row in recorded)
    assert found["without_usage"] == len(recorded) - len(known(recorded, "total"))
    assert found["without_model"] == sum(row["model"] is None for row in recorded)
    assert found["cached_exceeds_prompt"] == sum(
        (row["cached"] or 0) > (row["prompt"] or 0)
        for row in recorded
        if row["prompt"] is not None
    )
