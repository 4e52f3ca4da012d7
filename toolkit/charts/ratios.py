"""Charts of ratios: shares of tokens, and rates of calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.charts.ratio_chart import draw_ratio
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes


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
        towards an incomplete period; names at the right edge or in a legend. With
        more than six series the smaller ones are grouped as one; their ratio is
        computed from sums.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `cache_share`.

    Examples
    --------
    >>> from toolkit.metrics import cache_share
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"prompt_tokens": 200, "cached_tokens": 50}, {})
    >>> ax = plot_cache_share(cache_share(choices, every=None))
    >>> ax.texts[0].get_text()
    '2 calls · 1 call does not report cache use'
    """
    return draw_ratio(
        frame,
        SPECS["cache_share"],
        ax,
        subtitle="Share of prompt tokens",
        missing="do not report cache use",
        excess="provider reports more cached than prompt tokens",
    )


def plot_reasoning_share(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of completion tokens spent on reasoning.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.reasoning_share`.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

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
    >>> from toolkit.metrics import reasoning_share
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"completion_tokens": 200, "reasoning_tokens": 150})
    >>> ax = plot_reasoning_share(reasoning_share(choices, every=None))
    >>> ax.get_title(loc="left")
    'Completion tokens spent on reasoning by model'
    """
    return draw_ratio(
        frame,
        SPECS["reasoning_share"],
        ax,
        subtitle="Share of completion tokens",
        missing="do not report reasoning",
        excess="provider reports more reasoning than completion tokens",
    )


def plot_output_input_ratio(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the number of output tokens per input token.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.output_input_ratio`.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

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
    >>> from toolkit.metrics import output_input_ratio
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"prompt_tokens": 200, "completion_tokens": 50})
    >>> ax = plot_output_input_ratio(output_input_ratio(choices, every=None))
    >>> ax.texts[3].get_text()
    '· 50 / 200 tokens'
    """
    return draw_ratio(
        frame,
        SPECS["output_input_ratio"],
        ax,
        subtitle="Completion tokens per prompt token",
        missing="without prompt or completion tokens",
    )


def plot_usage_coverage(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of calls that report each token count.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.usage_coverage`.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        As `plot_cache_share`, with a line for each kind of tokens. The series of `by`
        are summed.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `usage_coverage`.

    Examples
    --------
    >>> from toolkit.metrics import usage_coverage
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"total_tokens": 3}, {})
    >>> ax = plot_usage_coverage(usage_coverage(choices, every=None))
    >>> ax.get_title(loc="left")
    'Usage reported by kind'
    """
    spec = SPECS["usage_coverage"]
    return draw_ratio(frame, spec, ax, subtitle="Share of calls that report each count")


def plot_truncation_rate(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the share of calls with an answer cut off at the token limit.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.truncation_rate`.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        As `plot_cache_share`.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `truncation_rate`.

    Examples
    --------
    >>> from toolkit.metrics import truncation_rate
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"finish_reason": "length"}, {"finish_reason": "stop"})
    >>> ax = plot_truncation_rate(truncation_rate(choices, every=None))
    >>> ax.texts[3].get_text()
    '· 1 of 2 calls'
    """
    return draw_ratio(
        frame,
        SPECS["truncation_rate"],
        ax,
        subtitle="Share of calls",
        detail="an answer was cut off at the token limit",
        missing="without a finish reason",
    )


def plot_refusal_and_filter_rate(
    frame: pl.DataFrame, *, ax: Axes | None = None
) -> Axes:
    """Draw the share of calls that were refused or filtered.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.refusal_and_filter_rate`.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        As `plot_cache_share`.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `refusal_and_filter_rate`.

    Examples
    --------
    >>> from toolkit.metrics import refusal_and_filter_rate
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"finish_reason": "content_filter"}, {})
    >>> ax = plot_refusal_and_filter_rate(refusal_and_filter_rate(choices, every=None))
    >>> ax.texts[3].get_text()
    '· 1 of 2 calls'
    """
    spec = SPECS["refusal_and_filter_rate"]
    return draw_ratio(frame, spec, ax, subtitle="Share of calls")


def plot_choices_per_response(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the mean number of answers of a call.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.choices_per_response`.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

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
    >>> from toolkit.metrics import choices_per_response
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({}, {})
    >>> ax = plot_choices_per_response(choices_per_response(choices, every=None))
    >>> ax.texts[3].get_text()
    '· 2 / 2 calls'
    """
    spec = SPECS["choices_per_response"]
    return draw_ratio(frame, spec, ax, subtitle="Mean number of answers")


def plot_confidence(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Draw the perplexity of each series: how confident it was in its tokens.

    Parameters
    ----------
    frame
        Result of `toolkit.metrics.confidence`.
    ax
        Where to draw; a new figure unless given. See `plot_token_usage`.

    Returns
    -------
    Axes
        As `plot_cache_share`. Grouped series have the perplexity of all their tokens.

    Raises
    ------
    MissingColumnsError
        If `frame` is not a result of `confidence`.

    Examples
    --------
    >>> from toolkit.metrics import confidence
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"logprob_tokens": 10, "logprob_sum": -6.9314718})
    >>> ax = plot_confidence(confidence(choices, every=None))
    >>> ax.texts[3].get_text()
    '· over 10 tokens'
    """
    return draw_ratio(
        frame,
        SPECS["confidence"],
        ax,
        subtitle="Perplexity of the answers",
        detail="1 = certain, lower is more confident",
        missing="without logprobs",
        of="over {whole} tokens",
        transform=lambda mean: (-mean).exp(),
    )
