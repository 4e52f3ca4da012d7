"""The headline of a report: one sentence on what was used, and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.formatting.text import (
    DASH,
    format_change,
    format_count,
    format_share,
    format_usd,
)
from toolkit.report.kpis import cost_of
from toolkit.report.wording import calls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from toolkit.report.kpis import Row


def headline(totals: Mapping[str, Row], word: str) -> str:
    """Return the summary in one sentence, without its range."""
    usage, cost = totals["token_usage"], totals["cost"]
    if not usage["responses"]:
        return "No calls."
    tokens = format_count(usage["total_tokens"], "sentence")
    parts = [f"{tokens} tokens in {calls(usage['responses'])}"]
    spent, of = cost_of(cost), ""
    if spent.is_known:
        parts.append(format_usd(spent, words=True))
        change = format_change(spent, cost_of(cost, "_before"), words=True)
    else:
        before = usage.get("total_tokens_before")
        change, of = format_change(usage["total_tokens"], before), " of tokens"
    if change not in {DASH, "unknown", "new"}:
        parts.append(f"{change}{of} on the {word} before")
    text = ", ".join(parts) + "."
    if not spent.is_known:
        return f"{text} No call has a known price."
    unpriced = cost["responses_unpriced"]
    if unpriced:
        share = cost["unpriced_share"]
        some = f"{format_share(share)} of tokens" if share else calls(unpriced)
        verb = "has" if some == "1 call" else "have"
        text += f" {some} {verb} no known price."
    return text
