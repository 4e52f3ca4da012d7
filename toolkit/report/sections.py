"""The sections of a report: title, metric, and a sentence of explanation."""

from __future__ import annotations

from typing import NamedTuple


class Section(NamedTuple):
    """A metric, and how the report shows it.

    Without `over_time` the chart shows the range as a whole. `columns`, separated by
    spaces, are those of the table, beside series and keys.
    """

    name: str
    title: str
    words: str
    columns: str
    sorts: str = ""  # the column that the table is sorted by, if not the main measure
    over_time: bool = False
    together: bool = False  # whether all series are summed


SECTIONS = (
    Section(
        "token_usage",
        "Tokens",
        "What the models read and wrote, as they report it.",
        "responses prompt_tokens completion_tokens total_tokens "
        "responses_without_usage",
        over_time=True,
    ),
    Section(
        "cost",
        "Cost",
        "At the price of each day. What has no known price is not in the sum: "
        "it is the least that was spent.",
        "responses total_tokens cost responses_unpriced unpriced_share",
        over_time=True,
    ),
    Section(
        "model_mix",
        "Which models did the work",
        "The share of each model in the calls and in the tokens.",
        "responses response_share total_tokens token_share",
        over_time=True,
    ),
    Section(
        "truncation_rate",
        "Cut off at the limit",
        "A call is cut off when any of its answers ended because the limit of tokens "
        "was reached.",
        "responses responses_truncated response_rate tokens_truncated cost_truncated",
        sorts="responses_truncated",
        over_time=True,
    ),
    Section(
        "cache_share",
        "Prompt from cache",
        "How much of what the models read was read before, and costs less.",
        "prompt_tokens cached_tokens cache_share cached_unseen",
        over_time=True,
    ),
    Section(
        "reasoning_share",
        "Spent on reasoning",
        "How much of what the models wrote is reasoning that no reader sees.",
        "completion_tokens reasoning_tokens reasoning_share reasoning_unseen",
        over_time=True,
    ),
    Section(
        "finish_reasons",
        "How answers ended",
        "Stop is a whole answer; length is one that was cut off.",
        "choices share",
    ),
    Section(
        "refusal_and_filter_rate",
        "Refused or filtered",
        "Calls in which a model declined, or a filter held an answer back.",
        "responses responses_refused responses_filtered response_rate",
        sorts="responses_refused_or_filtered",
        over_time=True,
    ),
    Section(
        "tool_calls",
        "Tools that were called",
        "Which tools the models called, and how many of those calls cannot be read.",
        "calls responses arguments_invalid invalid_share",
        together=True,
    ),
    Section(
        "tokens_per_response",
        "How large a call is",
        "Half of the calls are below the median; one in a hundred is above the last "
        "figure but one.",
        "responses p50 p90 p99 max",
    ),
    Section(
        "output_input_ratio",
        "Written per token read",
        "Tokens that the models wrote for each token that they read.",
        "prompt_tokens completion_tokens output_input_ratio",
    ),
    Section(
        "choices_per_response",
        "Answers per call",
        "Calls that ask for several answers pay for all of them.",
        "responses choices choices_per_response choices_max responses_with_several",
    ),
    Section(
        "confidence",
        "How sure the models were",
        "Where a log keeps the probability of each token. A perplexity of 1 is "
        "certainty.",
        "choices choices_without_logprobs mean_logprob perplexity",
    ),
    Section(
        "response_volume",
        "When calls were made",
        "By weekday and hour of the zone of this report.",
        "responses total_tokens",
        together=True,
    ),
    Section(
        "usage_coverage",
        "What the models report",
        "Calls whose answer says how many tokens it took.",
        "responses reported coverage",
        sorts="reported",
        together=True,
    ),
    Section(
        "drift",
        "What stood behind the names",
        "Each version that answered, and when it was first and last seen.",
        "first_seen last_seen responses differs",
    ),
)

NAMES = tuple(section.name for section in SECTIONS)
