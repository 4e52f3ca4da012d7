"""Small logs of which the figures of a report are worked out by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl

from toolkit.expressions.time_ranges import span
from toolkit.pricing.price_file import read_prices
from toolkit.report.inputs import Plan, ReportInputs, price
from toolkit.report.tables import MetricTables
from toolkit.testing import make_choices

# The week of 16 to 22 November, and the one before.
WEEK = ("2026-11-16", "2026-11-23")
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def at(day: str) -> datetime:
    """Return noon of a day."""
    return datetime.fromisoformat(f"{day}T12:00").replace(tzinfo=UTC)


def calls(day: str, count: int, **cells: Any) -> list[dict[str, Any]]:
    """Make equal calls of one day: 1,000 tokens read, 100 written.

    Of gpt-4o each costs 1,000 x 2.50 + 100 x 10 USD a million = 0.0035 USD.
    """
    row = {
        "model": "gpt-4o",
        "provider": "openai",
        "created": at(day),
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "total_tokens": 1100,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "finish_reason": "stop",
        "content": "a secret answer",
    }
    return [{**row, **cells} for _ in range(count)]


def tables_of(
    *groups: list[dict[str, Any]],
    since: str | None = WEEK[0],
    until: str | None = WEEK[1],
    **options: Any,
) -> MetricTables:
    """Return the tables of a report on calls, compared with the range before."""
    choices = make_choices(*[row for group in groups for row in group])
    plan = Plan(
        **{
            "within": span(since, until),
            "compares": since is not None,
            "tz": "UTC",
            "every": "1d",
            "by": ("model",),
            "top": 12,
            "sections": (),
            "title": "LLM usage",
            "now": NOW,
            **options,
        }
    )
    latest = choices["created"].max()
    plan = plan._replace(last_call=latest)  # type: ignore[arg-type]
    inputs = price(
        ReportInputs(pl.DataFrame(choices).lazy()), read_prices(None), plan.by
    )
    return MetricTables(inputs, plan)
