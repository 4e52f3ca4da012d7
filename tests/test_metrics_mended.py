"""What was once wrong in the metrics, worked by hand."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

import toolkit
from toolkit import metrics
from toolkit.errors import PartialResponsesWarning, UnsuitableColumnError
from toolkit.expressions import any_choice
from toolkit.testing import make_choices

CALL = {"id": "1", "type": "function", "name": "add", "arguments": "{}"}


def on(day: int) -> datetime:
    """Noon of a day of January."""
    return datetime(2026, 1, day, 12, tzinfo=UTC)


def load_of(source: str, ending: str) -> pl.DataFrame:
    """Make one load of one log: a response of two choices, the second with a call."""
    row = {"log_id": 0, "line": 1, "source": source, "choice_count": 2}
    return make_choices(
        {**row, "finish_reason": "stop", "total_tokens": 10},
        {**row, "choice_position": 1, "finish_reason": ending, "tool_calls": [CALL]},
    )


def test_two_loads_put_together_are_told_apart_by_their_sources() -> None:
    both = pl.concat([load_of("a.jsonl", "stop"), load_of("b.jsonl", "length")])
    for choices in (both, both.reverse(), both.lazy()):
        cut = metrics.truncation_rate(choices, every=None, by=())
        # Of 2 responses that of b was cut, with its 10 tokens.
        assert cut.select("responses", "responses_truncated", "tokens_truncated").row(
            0
        ) == (2, 1, 10)
        calls = metrics.tool_calls(choices, every=None, by=())
        assert calls.select("calls", "responses").row(0) == (2, 2)
    assert toolkit.responses(both).height == 2
    assert toolkit.responses(both.lazy()).collect().height == 2
    picked = both.filter(any_choice(pl.col("finish_reason") == "length"))
    assert picked["source"].to_list() == ["b.jsonl"] * 2


def test_the_text_dropped_of_one_load_says_nothing_of_another() -> None:
    row = {"log_id": 0, "line": 1, "content": None}
    both = make_choices(
        {**row, "source": "a.jsonl", "content_chars": 5},
        {**row, "source": "b.jsonl", "content_chars": None},
    )
    rate = metrics.refusal_and_filter_rate(both, every=None, by=())
    # Only a.jsonl was read without its texts.
    assert rate["refusals_unseen"].item() == 1


def test_responses_that_cannot_be_told_apart_are_refused_where_it_matters() -> None:
    twice = pl.concat([load_of("a.jsonl", "stop"), load_of("a.jsonl", "length")])
    for choices in (twice, twice.drop("source")):
        for metric in (metrics.truncation_rate, metrics.tool_calls):
            with pytest.raises(UnsuitableColumnError, match="several responses"):
                metric(choices)
        with pytest.raises(UnsuitableColumnError, match="load the logs together"):
            toolkit.responses(choices)
        with pytest.warns(PartialResponsesWarning, match="several responses 1 time"):
            used = metrics.token_usage(choices, every=None, by=())
        assert used["total_tokens"].item() == 20


def test_choices_picked_of_two_loads_do_not_hide_each_other() -> None:
    first = load_of("a.jsonl", "stop").filter(pl.col("choice_position") == 0)
    second = load_of("b.jsonl", "stop").filter(pl.col("choice_position") == 1)
    with pytest.warns(PartialResponsesWarning, match="choices of 2 responses"):
        metrics.token_usage(pl.concat([first, second]))
