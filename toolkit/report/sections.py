"""The sections of a report: title, metric, chart, and a sentence of explanation."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from matplotlib.axes import Axes


class Section(NamedTuple):
    """A metric, and how the report shows it.

    Without `over_time` the chart shows the range as a whole. `columns` are those of the
    table, sorted by `sorts`; `keys` are shown beside the series.
    """

    name: str
    title: str
    words: str
    columns: tuple[str, ...]
    sorts: str
    over_time: bool = False
    together: bool = False  # whether all series are summed

    @property
    def metric(self) -> Callable[..., pl.DataFrame]:
        """The metric of its name."""
        # Imported here: settings need only the names of sections.
        from toolkit.metrics.registry import METRICS

        return METRICS[self.name]

    @property
    def chart(self) -> Callable[..., Axes]:
        """What draws the metric."""
        # Imported here: settings need only the names of sections.
        from toolkit.charts.plot import find_chart

        return find_chart(self.name)


def _section(
    name: str, title: str, words: str, columns: str, sorts: str, **options: object
) -> Section:
    """Return a section; `columns` are separated by spaces."""
    return Section(
        name,
        title,
        words,
        tuple(columns.split()),
        sorts,
        **options,  # type: ignore[arg-type]  # the fields that have a default
    )


SECTIONS = (
    _section(
        "token_usage",
        "Tokens",
        "What the models read and wrote, as they report it.",
        "responses prompt_tokens completion_tokens total_tokens "
        "responses_without_usage",
        "total_tokens",
        over_time=True,
    ),
    _section(
        "cost",
        "Cost",
        "At the price of each day. What has no known price is not in the sum: it is "
        "the least that was spent.",
        "responses total_tokens cost responses_unpriced unpriced_share",
        "cost",
        over_time=True,
    ),
    _section(
        "model_mix",
        "Which models did the work",
        "The share of each model in the calls and in the tokens.",
        "responses response_share total_tokens token_share",
        "responses",
        over_time=True,
    ),
    _section(
        "truncation_rate",
        "Cut off at the limit",
        "A call is cut off when any of its answers ended because the limit of tokens "
        "was reached.",
        "responses responses_truncated response_rate tokens_truncated cost_truncated",
        "responses_truncated",
        over_time=True,
    ),
    _section(
        "cache_share",
        "Prompt from cache",
        "How much of what the models read was read before, and costs less.",
        "prompt_tokens cached_tokens cache_share cached_unseen",
        "prompt_tokens",
        over_time=True,
    ),
    _section(
        "reasoning_share",
        "Spent on reasoning",
        "How much of what the models wrote is reasoning that no reader sees.",
        "completion_tokens reasoning_tokens reasoning_share reasoning_unseen",
        "completion_tokens",
        over_time=True,
    ),
    _section(
        "finish_reasons",
        "How answers ended",
        "Stop is a whole answer; length is one that was cut off.",
        "choices share",
        "choices",
    ),
    _section(
        "refusal_and_filter_rate",
        "Refused or filtered",
        "Calls in which a model declined, or a filter held an answer back.",
        "responses responses_refused responses_filtered response_rate",
        "responses_refused_or_filtered",
        over_time=True,
    ),
    _section(
        "tool_calls",
        "Tools that were called",
        "Which tools the models called, and how many of those calls cannot be read.",
        "calls responses arguments_invalid invalid_share",
        "calls",
        together=True,
    ),
    _section(
        "tokens_per_response",
        "How large a call is",
        "Half of the calls are below the median; one in a hundred is above the last "
        "figure but one.",
        "responses p50 p90 p99 max",
        "responses",
    ),
    _section(
        "output_input_ratio",
        "Written per token read",
        "Tokens that the models wrote for each token that they read.",
        "prompt_tokens completion_tokens output_input_ratio",
        "prompt_tokens",
    ),
    _section(
        "choices_per_response",
        "Answers per call",
        "Calls that ask for several answers pay for all of them.",
        "responses choices choices_per_response choices_max responses_with_several",
        "responses",
    ),
    _section(
        "confidence",
        "How sure the models were",
        "Where a log keeps the probability of each token. A perplexity of 1 is "
        "certainty.",
        "choices choices_without_logprobs mean_logprob perplexity",
        "choices",
    ),
    _section(
        "response_volume",
        "When calls were made",
        "By weekday and hour of the zone of this report.",
        "weekday hour responses total_tokens",
        "responses",
    ),
    _section(
        "usage_coverage",
        "What the models report",
        "Calls whose answer says how many tokens it took.",
        "responses reported coverage",
        "reported",
        together=True,
    ),
    _section(
        "drift",
        "What stood behind the names",
        "Each version that answered, and when it was first and last seen.",
        "first_seen last_seen responses differs",
        "responses",
    ),
)

# Names of token counts.
KINDS = {
    "prompt_tokens": "read (prompt)",
    "completion_tokens": "written (completion)",
    "total_tokens": "both (total)",
    "cached_tokens": "read from cache",
    "cache_write_tokens": "written to cache",
    "reasoning_tokens": "reasoning",
    "prompt_audio_tokens": "audio read",
    "completion_audio_tokens": "audio written",
    "accepted_prediction_tokens": "predicted, accepted",
    "rejected_prediction_tokens": "predicted, rejected",
}
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

NAMES = tuple(section.name for section in SECTIONS)
