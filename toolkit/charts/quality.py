"""Ratios that tell of quality: what was cut off, refused, repeated, sure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.ratio_chart import Ratio, draw_ratio
from toolkit.charts.series import Metric
from toolkit.charts.text import decimal_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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
    title="Cut off at the limit",
    subtitle="share of calls",
    unseen=("responses_without_reason", "give no reason"),
    of="{part} of {whole} calls",
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
    title="Refused or filtered",
    subtitle="share of calls",
    of="{part} of {whole} calls",
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
    title="Choices per call",
    subtitle="mean number of choices",
    unseen=("responses_without_choices", "have no choice"),
    shown=decimal_text,
    tick=decimal_text,
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
    subtitle="lower is surer; 1 is certain",
    unseen=("choices_without_logprobs", "have no logprobs"),
    noun="choice",
    counted="choices",
    shown=decimal_text,
    tick=decimal_text,
    most=0.0,
    of="over {whole} tokens",
    lone="all choices",
    folded=lambda mean: (-mean).exp(),
)


def plot_truncation_rate(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of calls of which an answer was cut off at the limit.

    Parameters
    ----------
    frame
        As `toolkit.metrics.truncation_rate` returns it.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As of `plot_cache_share`; `response_rate` is drawn.

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
    ['2.5 %', '· 1 of 40 calls']
    """
    return draw_ratio(frame, _TRUNCATION, ax)


def plot_refusal_and_filter_rate(
    frame: pl.DataFrame, *, ax: Axes | None = None
) -> Axes:
    """Draw the share of calls that were refused or filtered.

    Parameters
    ----------
    frame
        As `toolkit.metrics.refusal_and_filter_rate` returns it.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As of `plot_cache_share`; `response_rate` is drawn.

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
    ['5 %', '· 2 of 40 calls']
    """
    return draw_ratio(frame, _REFUSAL, ax)


def plot_choices_per_response(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the mean number of choices of a call.

    Parameters
    ----------
    frame
        As `toolkit.metrics.choices_per_response` returns it.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As of `plot_cache_share`.

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
    """Draw the perplexity of each series: how surely it chose its tokens.

    Parameters
    ----------
    frame
        As `toolkit.metrics.confidence` returns it.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As of `plot_cache_share`. Folded series have the perplexity of all their tokens.

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
