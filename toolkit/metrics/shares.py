"""Shares: of the cache, of reasoning, of the output, of each model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import polars as pl

from toolkit.metrics.engine import compute
from toolkit.metrics.measures import (
    RESPONSES,
    TOTAL_TOKENS,
    WITHOUT_USAGE,
    Measure,
    all_of,
    count,
    ratio,
    total,
)
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import MetricSpec

if TYPE_CHECKING:
    from toolkit.metrics.options import Choices, MetricOptions

_SILENT = "calls that do not report it"
_LABELS = {
    "prompt_tokens": "read",
    "completion_tokens": "written",
    "cached_tokens": "from cache",
    "reasoning_tokens": "reasoning",
}


def _of_both(whole: str, part: str, unseen: str, label: str = "") -> list[Measure]:
    """Return the measures that a ratio of two counts needs.

    A response that does not report both counts is in neither sum.
    """
    unknown = pl.col(whole).is_null() | pl.col(part).is_null()
    counts = [
        total(
            one,
            pl.when(pl.col(other).is_not_null()).then(pl.col(one)),
            _LABELS[one],
            unseen=unseen,
        )
        for one, other in ((whole, part), (part, whole))
    ]
    meaning = "responses that do not report both counts, and are in neither sum"
    return [RESPONSES, count(unseen, unknown, label, meaning), *counts]


_CACHE_SHARE = MetricSpec(
    "cache_share",
    (
        *_of_both("prompt_tokens", "cached_tokens", "cached_unseen", _SILENT),
        ratio(
            "cache_share",
            "cached_tokens",
            "prompt_tokens",
            "from cache",
            unseen="cached_unseen",
        ),
    ),
    main="prompt_tokens",
    title="Prompt tokens served from cache",
    shape="ratio",
    draws=("cache_share",),
)


@metric(_CACHE_SHARE)
def cache_share(choices: Choices, **options: Unpack[MetricOptions]) -> pl.DataFrame:
    """Compute which share of the prompt tokens was read from a cache.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"prompt_tokens": 100, "cached_tokens": 40}, {"prompt_tokens": 900}
    ... )
    >>> cache_share(choices).row(0)[-4:]
    (1, 100, 40, 0.4)
    """
    return compute(_CACHE_SHARE, choices, options)


_REASONING_SHARE = MetricSpec(
    "reasoning_share",
    (
        *_of_both("completion_tokens", "reasoning_tokens", "reasoning_unseen", _SILENT),
        ratio(
            "reasoning_share",
            "reasoning_tokens",
            "completion_tokens",
            "reasoning",
            unseen="reasoning_unseen",
        ),
    ),
    main="completion_tokens",
    title="Completion tokens spent on reasoning",
    shape="ratio",
    draws=("reasoning_share",),
)


@metric(_REASONING_SHARE)
def reasoning_share(choices: Choices, **options: Unpack[MetricOptions]) -> pl.DataFrame:
    """Compute which share of the completion tokens was spent on reasoning.

    Some providers do not count reasoning as completion: the share may exceed 1.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"completion_tokens": 80, "reasoning_tokens": 60}, {})
    >>> reasoning_share(choices).row(0)[-4:]
    (1, 80, 60, 0.75)
    """
    return compute(_REASONING_SHARE, choices, options)


_OUTPUT_INPUT_RATIO = MetricSpec(
    "output_input_ratio",
    (
        *_of_both("prompt_tokens", "completion_tokens", "unseen"),
        ratio(
            "output_input_ratio",
            "completion_tokens",
            "prompt_tokens",
            "written per token read",
            unit="tokens per token",
            unseen="unseen",
        ),
    ),
    main="prompt_tokens",
    title="Output tokens per input token",
    shape="ratio",
    draws=("output_input_ratio",),
)


@metric(_OUTPUT_INPUT_RATIO)
def output_input_ratio(
    choices: Choices, **options: Unpack[MetricOptions]
) -> pl.DataFrame:
    """Compute how many tokens were written for each token that was read.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"prompt_tokens": 200, "completion_tokens": 50})
    >>> output_input_ratio(choices)["output_input_ratio"].item()
    0.25
    """
    return compute(_OUTPUT_INPUT_RATIO, choices, options)


_MODEL_MIX = MetricSpec(
    "model_mix",
    (
        RESPONSES,
        all_of("responses_all", "responses", "period"),
        ratio("response_share", "responses", "responses_all", "of calls"),
        TOTAL_TOKENS,
        all_of("tokens_all", "total_tokens", "period"),
        ratio("token_share", "total_tokens", "tokens_all", "of tokens"),
        WITHOUT_USAGE,
    ),
    main="responses",
    title="Mix of calls",
    shape="mix",
    draws=("response_share",),
)


@metric(_MODEL_MIX)
def model_mix(choices: Choices, **options: Unpack[MetricOptions]) -> pl.DataFrame:
    """Compute which share of a period's responses and tokens each model has.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"model": "gpt-a", "total_tokens": 10},
    ...     {"model": "gpt-b", "total_tokens": 30},
    ... )
    >>> model_mix(choices).select("model", "response_share", "token_share").rows()
    [('gpt-a', 0.5, 0.25), ('gpt-b', 0.5, 0.75)]
    """
    return compute(_MODEL_MIX, choices, options)
