"""Shares: of the cache, of reasoning, of the output, of each model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import polars as pl

from toolkit.expressions.choices import is_unseen
from toolkit.metrics.engine import compute
from toolkit.metrics.measures import (
    RESPONSES,
    SILENT,
    TOTAL_TOKENS,
    WITHOUT_USAGE,
    all_of,
    count,
    ratio,
    total,
)
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import MetricSpec

if TYPE_CHECKING:
    from toolkit.metrics.options import Choices, MetricOptions

_LABELS = {
    "prompt_tokens": "read",
    "completion_tokens": "written",
    "cached_tokens": "from cache",
    "reasoning_tokens": "reasoning",
}


def _ratio_of(
    name: str,
    part: str,
    whole: str,
    title: str,
    label: str,
    unseen: str,
    unseen_label: str = SILENT,
    unit: str = "share",
    beside: pl.Expr | int = 0,
) -> MetricSpec:
    """Declare the ratio of two counts, of the responses that report both.

    `beside` is what the count of the whole does not include.
    """
    unknown = is_unseen(whole) | is_unseen(part)
    meaning = "responses without all of one of the two counts, in neither sum"
    sums = [
        total(name, pl.when(~unknown).then(value), _LABELS[name], unseen=unseen)
        for name, value in ((whole, pl.col(whole) + beside), (part, pl.col(part)))
    ]
    return MetricSpec(
        name,
        (
            RESPONSES,
            count(unseen, unknown, unseen_label, meaning),
            *sums,
            ratio(name, part, whole, label, unit=unit, unseen=unseen),
        ),
        main=whole,
        title=title,
        shape="ratio",
        draws=(name,),
    )


_CACHE_SHARE = _ratio_of(
    "cache_share",
    part="cached_tokens",
    whole="prompt_tokens",
    title="Prompt tokens served from cache",
    label="from cache",
    unseen="cached_unseen",
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


# Some providers count reasoning beside the completion: the total includes both.
_IS_BESIDE = (pl.col("reasoning_tokens") > pl.col("completion_tokens")) | (
    pl.sum_horizontal("prompt_tokens", "completion_tokens", "reasoning_tokens")
    == pl.col("total_tokens")
)
_REASONING_SHARE = _ratio_of(
    "reasoning_share",
    part="reasoning_tokens",
    whole="completion_tokens",
    title="Completion tokens spent on reasoning",
    label="reasoning",
    unseen="reasoning_unseen",
    beside=pl.when(_IS_BESIDE).then("reasoning_tokens").otherwise(0),
)


@metric(_REASONING_SHARE)
def reasoning_share(choices: Choices, **options: Unpack[MetricOptions]) -> pl.DataFrame:
    """Compute which share of the completion tokens was spent on reasoning.

    Notes
    -----
    Some providers count reasoning beside the completion: where the total is prompt plus
    completion plus reasoning, or reasoning exceeds the completion, `completion_tokens`
    includes both.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"completion_tokens": 80, "reasoning_tokens": 60}, {})
    >>> reasoning_share(choices).row(0)[-4:]
    (1, 80, 60, 0.75)
    """
    return compute(_REASONING_SHARE, choices, options)


_OUTPUT_INPUT_RATIO = _ratio_of(
    "output_input_ratio",
    part="completion_tokens",
    whole="prompt_tokens",
    title="Output tokens per input token",
    label="written per token read",
    unseen="unseen",
    unseen_label="",
    unit="tokens per token",
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


_SILENT_ALL = "responses_without_usage_all"
_MODEL_MIX = MetricSpec(
    "model_mix",
    (
        RESPONSES,
        all_of("responses_all", "responses", "period"),
        ratio("response_share", "responses", "responses_all", "of calls"),
        TOTAL_TOKENS,
        all_of(_SILENT_ALL, "responses_without_usage", "period"),
        all_of("tokens_all", "total_tokens", "period")._replace(
            unit="tokens", unseen=_SILENT_ALL, of="responses_all"
        ),
        ratio(
            "token_share",
            "total_tokens",
            "tokens_all",
            "of tokens",
            unseen=_SILENT_ALL,
            of="responses_all",
        ),
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
