"""Charts of ratios: shares of tokens, and rates of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.ratio_chart import Ratio, draw_ratio
from toolkit.charts.series import Metric
from toolkit.charts.text import count_tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CACHE = Ratio(
    Metric(
        "cache_share",
        ("responses", "cached_unseen", "prompt_tokens", "cached_tokens", "cache_share"),
        "prompt_tokens",
    ),
    value="cache_share",
    part="cached_tokens",
    whole=pl.col("prompt_tokens"),
    title="Prompt tokens served from cache",
    subtitle=("Share of prompt tokens",),
    missing=("cached_unseen", "do not report cache use"),
    excess="provider reports more cached than prompt tokens",
    of="{part} of {whole} tokens",
)
_REASONING = Ratio(
    Metric(
        "reasoning_share",
        (
            "responses",
            "reasoning_unseen",
            "completion_tokens",
            "reasoning_tokens",
            "reasoning_share",
        ),
        "completion_tokens",
    ),
    value="reasoning_share",
    part="reasoning_tokens",
    whole=pl.col("completion_tokens"),
    title="Completion tokens spent on reasoning",
    subtitle=("Share of completion tokens",),
    missing=("reasoning_unseen", "do not report reasoning"),
    excess="provider reports more reasoning than completion tokens",
    of="{part} of {whole} tokens",
)
_OUTPUT_INPUT = Ratio(
    Metric(
        "output_input_ratio",
        (
            "responses",
            "unseen",
            "prompt_tokens",
            "completion_tokens",
            "output_input_ratio",
        ),
        "prompt_tokens",
    ),
    value="output_input_ratio",
    part="completion_tokens",
    whole=pl.col("prompt_tokens"),
    title="Output tokens per input token",
    subtitle=("Completion tokens per prompt token",),
    missing=("unseen", "without prompt or completion tokens"),
    show=count_tick,
    tick=count_tick,
    most=0.0,
    of="{part} per {whole} tokens",
)
_COVERAGE = Ratio(
    Metric(
        "usage_coverage",
        ("responses", "reported", "coverage"),
        "responses",
        ("tokens",),
    ),
    value="coverage",
    part="reported",
    whole=pl.col("responses"),
    title="Usage reported",
    subtitle=("Share of calls that report each count",),
    together=True,
)
_TRUNCATION = Ratio(
    Metric(
        "truncation_rate",
        (
            "responses",
            "responses_without_reason",
            "responses_truncated",
            "response_rate",
        ),
        "responses",
    ),
    value="response_rate",
    part="responses_truncated",
    whole=pl.col("responses").cast(pl.Int64) - pl.col("responses_without_reason"),
    title="Truncated answers",
    subtitle=("Share of calls", "an answer was cut off at the token limit"),
    missing=("responses_without_reason", "without a finish reason"),
)
_REFUSAL = Ratio(
    Metric(
        "refusal_and_filter_rate",
        ("responses", "responses_refused_or_filtered", "response_rate"),
        "responses",
    ),
    value="response_rate",
    part="responses_refused_or_filtered",
    whole=pl.col("responses"),
    title="Refused or filtered answers",
    subtitle=("Share of calls",),
)
_CHOICES = Ratio(
    Metric(
        "choices_per_response",
        ("responses", "choices", "choices_per_response"),
        "responses",
    ),
    value="choices_per_response",
    part="choices",
    whole=pl.col("responses"),
    title="Answers per call",
    subtitle=("Mean number of answers",),
    missing=("responses_without_choices", "without answers"),
    show=count_tick,
    tick=count_tick,
    most=0.0,
    of="{part} in {whole} calls",
)
_CONFIDENCE = Ratio(
    Metric(
        "confidence",
        (
            "choices",
            "choices_without_logprobs",
            "logprob_tokens",
            "logprob_sum",
            "perplexity",
        ),
        "choices",
    ),
    value="perplexity",
    part="logprob_sum",
    whole=pl.col("logprob_tokens"),
    title="Perplexity",
    subtitle=("Perplexity of the answers", "1 = certain, lower is more confident"),
    missing=("choices_without_logprobs", "without logprobs"),
    noun="answer",
    counted="choices",
    show=count_tick,
    tick=count_tick,
    most=0.0,
    of="over {whole} tokens",
    transform=lambda mean: (-mean).exp(),
)


def plot_cache_share(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of prompt tokens served from a cache, a line for each series.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.cache_share`; without periods (``every=None``) each
        series is a horizontal bar.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        Lines on an axis that starts at zero, broken where the value is unknown, dashed
        towards an incomplete period; names at the right edge or in a legend. Of more
        than six series the smaller ones are folded; their ratio is computed from sums.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `cache_share`.

    Examples
    --------
    >>> shares = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a"],
    ...         "responses": [3],
    ...         "cached_unseen": [1],
    ...         "prompt_tokens": [200],
    ...         "cached_tokens": [50],
    ...         "cache_share": [0.25],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_cache_share(shares).texts]
    ['3 calls · 1 call does not report cache use', ..., '· 50 of 200 tokens', 'gpt-a']
    """
    return draw_ratio(frame, _CACHE, ax)


def plot_reasoning_share(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of completion tokens that were spent on reasoning.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.reasoning_share`.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As `plot_cache_share`.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `reasoning_share`.

    Examples
    --------
    >>> shares = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a"],
    ...         "responses": [3],
    ...         "reasoning_unseen": [0],
    ...         "completion_tokens": [200],
    ...         "reasoning_tokens": [150],
    ...         "reasoning_share": [0.75],
    ...     }
    ... )
    >>> plot_reasoning_share(shares).get_title(loc="left")
    'Completion tokens spent on reasoning by model'
    """
    return draw_ratio(frame, _REASONING, ax)


def plot_output_input_ratio(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the number of output tokens per input token.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.output_input_ratio`.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As `plot_cache_share`.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `output_input_ratio`.

    Examples
    --------
    >>> ratios = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a"],
    ...         "responses": [2],
    ...         "unseen": [0],
    ...         "prompt_tokens": [200],
    ...         "completion_tokens": [50],
    ...         "output_input_ratio": [0.25],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_output_input_ratio(ratios).texts][2:4]
    ['0.25', '· 50 per 200 tokens']
    """
    return draw_ratio(frame, _OUTPUT_INPUT, ax)


def plot_usage_coverage(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of calls that report each token count.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.usage_coverage`. There is a line for each kind of
        tokens; the series of `by` are summed.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As `plot_cache_share`.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `usage_coverage`.

    Examples
    --------
    >>> coverage = pl.DataFrame(
    ...     {
    ...         "tokens": ["total_tokens", "cached_tokens"],
    ...         "responses": [4, 4],
    ...         "reported": [4, 3],
    ...         "coverage": [1.0, 0.75],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_usage_coverage(coverage).texts][2:4]
    ['100%', '· 4 of 4 calls']
    """
    return draw_ratio(frame, _COVERAGE, ax)


def plot_truncation_rate(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of calls with an answer cut off at the token limit.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.truncation_rate`.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As `plot_cache_share`; `response_rate` is drawn.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `truncation_rate`.

    Examples
    --------
    >>> rates = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a"],
    ...         "responses": [40],
    ...         "responses_without_reason": [0],
    ...         "responses_truncated": [1],
    ...         "response_rate": [0.025],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_truncation_rate(rates).texts][2:4]
    ['2.5%', '· 1 of 40 calls']
    """
    return draw_ratio(frame, _TRUNCATION, ax)


def plot_refusal_and_filter_rate(
    frame: pl.DataFrame, *, ax: Axes | None = None
) -> Axes:
    """Draw the share of calls that were refused or filtered.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.refusal_and_filter_rate`.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As `plot_cache_share`; `response_rate` is drawn.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `refusal_and_filter_rate`.

    Examples
    --------
    >>> rates = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a"],
    ...         "responses": [40],
    ...         "responses_refused_or_filtered": [2],
    ...         "response_rate": [0.05],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_refusal_and_filter_rate(rates).texts][2:4]
    ['5%', '· 2 of 40 calls']
    """
    return draw_ratio(frame, _REFUSAL, ax)


def plot_choices_per_response(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the mean number of choices of a call.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.choices_per_response`.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As `plot_cache_share`.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `choices_per_response`.

    Examples
    --------
    >>> means = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a"],
    ...         "responses": [2],
    ...         "choices": [5],
    ...         "choices_per_response": [2.5],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_choices_per_response(means).texts][2:4]
    ['2.5', '· 5 in 2 calls']
    """
    return draw_ratio(frame, _CHOICES, ax)


def plot_confidence(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the perplexity of each series: how confident it was in its tokens.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.confidence`.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As `plot_cache_share`. Folded series have the perplexity of all their tokens.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `confidence`.

    Examples
    --------
    >>> sure = pl.DataFrame(
    ...     {
    ...         "model": ["gpt-a"],
    ...         "choices": [2],
    ...         "choices_without_logprobs": [0],
    ...         "logprob_tokens": [10],
    ...         "logprob_sum": [-6.9314718],
    ...         "perplexity": [2.0],
    ...     }
    ... )
    >>> [text.get_text() for text in plot_confidence(sure).texts][2:4]
    ['2', '· over 10 tokens']
    """
    return draw_ratio(frame, _CONFIDENCE, ax)
