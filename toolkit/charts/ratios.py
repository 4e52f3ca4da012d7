"""Ratios of tokens: what came from a cache, was thought, was reported."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.charts.ratio_chart import Ratio, draw_ratio
from toolkit.charts.series import Metric
from toolkit.charts.text import decimal_text

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
    title="Prompt from cache",
    subtitle="share of prompt tokens",
    unseen=("cached_unseen", "say nothing of it"),
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
    title="Spent on reasoning",
    subtitle="share of completion tokens",
    unseen=("reasoning_unseen", "say nothing of it"),
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
    title="Output per input",
    subtitle="completion tokens per prompt token",
    unseen=("unseen", "lack one of the two"),
    shown=decimal_text,
    tick=decimal_text,
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
    subtitle="share of calls that report each count",
    of="{part} of {whole} calls",
    together=True,
)


def plot_cache_share(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of the prompt that came from a cache, a line for each series.

    Parameters
    ----------
    frame
        As `toolkit.metrics.cache_share` returns it; without periods (``every=None``)
        each series is a horizontal bar.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        Lines from an honest zero, broken where nothing is known, dashed towards an
        unfinished period; names at the right edge or in a legend. Series beyond the
        six largest are one, from the sums of their parts.

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
    ['3 calls · 1 call says nothing of it', ..., '25 %', '· 50 of 200 tokens', ...]
    """
    return draw_ratio(frame, _CACHE, ax)


def plot_reasoning_share(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of completion tokens that were spent on reasoning.

    Parameters
    ----------
    frame
        As `toolkit.metrics.reasoning_share` returns it.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As of `plot_cache_share`.

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
    'Spent on reasoning by model'
    """
    return draw_ratio(frame, _REASONING, ax)


def plot_output_input_ratio(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw how many tokens were written for each that was read.

    Parameters
    ----------
    frame
        As `toolkit.metrics.output_input_ratio` returns it.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As of `plot_cache_share`.

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
    """Draw how many calls report each count of usage.

    Parameters
    ----------
    frame
        As `toolkit.metrics.usage_coverage` returns it. A line is a column of usage; the
        series of `by` are taken together.
    ax
        Where to draw; a new figure unless given.

    Returns
    -------
    Axes
        As of `plot_cache_share`.

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
    ['100 %', '· 4 of 4 calls']
    """
    return draw_ratio(frame, _COVERAGE, ax)
