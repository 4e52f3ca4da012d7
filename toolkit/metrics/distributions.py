"""Sizes: choices per response, tokens per response, confidence in tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import polars as pl

from toolkit.expressions.choices import is_unseen
from toolkit.metrics.engine import Computation, compute
from toolkit.metrics.measures import (
    ANSWERS,
    FINENESS,
    RESPONSES,
    TOTAL,
    Measure,
    count,
    derived,
    exact,
    largest,
    ratio,
    total,
)
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import Key, MetricSpec

if TYPE_CHECKING:
    from toolkit.metrics.options import Choices, MetricOptions


_CHOICES_PER_RESPONSE = MetricSpec(
    "choices_per_response",
    (
        RESPONSES,
        total(
            "choices",
            "choice_count",
            "answers",
            "choices as the responses count them, also those that are not in the frame",
        ),
        ratio(
            "choices_per_response",
            "choices",
            "responses",
            "answers per call",
            unit="choices per response",
        ),
        largest("choices_max", pl.col("choice_count"), "most"),
        count("responses_without_choices", pl.col("choice_count") == 0),
        count(
            "responses_with_several",
            pl.col("choice_count") > 1,
            "with several",
            "responses with several choices",
        ),
    ),
    main="responses",
    title="Answers per call",
    shape="ratio",
    draws=("choices_per_response",),
)


@metric(_CHOICES_PER_RESPONSE)
def choices_per_response(
    choices: Choices, **options: Unpack[MetricOptions]
) -> pl.DataFrame:
    """Compute how many choices responses have.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"choice_count": 2},
    ...     {"choice_count": 2, "choice_position": 1},
    ...     {"choice_count": 0},
    ... )
    >>> choices_per_response(choices).row(0)[-5:]
    (2, 1.0, 2, 1, 1)
    """
    return compute(_CHOICES_PER_RESPONSE, choices, options)


# Larger than any sum of logprobs of a choice; int128 holds 10^11 of these.
_LARGEST_LOGPROB_SUM = 1e15
_SEEN = pl.col("logprob_sum").is_finite() & pl.col("logprob_tokens").is_not_null()
_IS_SEEN = (_SEEN & (pl.col("logprob_sum").abs() <= _LARGEST_LOGPROB_SUM)).fill_null(
    False
)
_PERPLEXITY = (-pl.col("mean_logprob")).exp()
_WITHOUT = "choices_without_logprobs"
_CONFIDENCE = MetricSpec(
    "confidence",
    (
        ANSWERS,
        count(
            _WITHOUT,
            ~_IS_SEEN,
            "without probabilities",
            "choices not included in the figures below",
        ),
        total(
            "logprob_tokens",
            pl.when(_IS_SEEN).then("logprob_tokens"),
            unseen=_WITHOUT,
            of="choices",
        ),
        exact("~logprob_sum", pl.when(_IS_SEEN).then("logprob_sum")),
        derived(
            "logprob_sum", pl.col("~logprob_sum").cast(pl.Float64) / FINENESS, "nats"
        )._replace(unseen=_WITHOUT, of="choices", bound="upper"),
        ratio(
            "mean_logprob",
            "logprob_sum",
            "logprob_tokens",
            "mean log-probability",
            "nats per token; null where there is no token",
            unit="nats per token",
            unseen=_WITHOUT,
            of="choices",
        ),
        derived(
            "perplexity",
            pl.when(_PERPLEXITY.is_finite()).then(_PERPLEXITY),
            "perplexity",
            meaning="exp(-mean_logprob); null if a double cannot hold it",
        )._replace(
            part="logprob_sum",
            whole=pl.col("logprob_tokens"),
            unseen=_WITHOUT,
            of="choices",
            bound="approximate",
        ),
    ),
    main="choices",
    title="Perplexity",
    shape="ratio",
    draws=("perplexity",),
    of_choices=True,
    leaves_out=True,
    needs=("choice_count",),
    rows=lambda frame: frame.filter(pl.col("choice_count") > 0),
)


@metric(_CONFIDENCE)
def confidence(choices: Choices, **options: Unpack[MetricOptions]) -> pl.DataFrame:
    """Compute how confident models were of their tokens, where logprobs were logged.

    Notes
    -----
    A choice whose sum of logprobs is beyond 10^15 nats counts as one without.

    Each choice's sum of logprobs is rounded to 2^-40 nats and added as a whole number:
    the figures do not depend on the order of the rows.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"logprob_tokens": 4, "logprob_sum": -2.0}, {})
    >>> confidence(choices).row(0)[-4:-1]
    (4, -2.0, -0.5)
    """
    return compute(_CONFIDENCE, choices, options)


_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
_RANKS = {"p50": 50, "p90": 90, "p99": 99, "max": 100}


def _compute_quantiles(work: Computation) -> pl.DataFrame:
    """Pick the ranks of the sorted counts of each group."""
    rows = work.rows.select(
        *work.when.values(),
        *work.query.by,
        *_TOKENS[:2],
        TOTAL.alias("total_tokens"),
        *[is_unseen(name).alias(f"~{name}") for name in _TOKENS],
        pl.lit(1).alias("responses"),
    )
    named, target = work.named(rows.collect(engine="streaming"))
    counts = pl.concat(
        named.select(
            *target,
            pl.lit(name).alias("tokens"),
            pl.col(name).alias("~tokens"),
            pl.col(f"~{name}").alias("unseen"),
        )
        for name in _TOKENS
    )
    count = pl.col("~tokens")
    seen = count.count().cast(pl.Int64)
    # The nearest rank is ceil(seen * percent / 100); places begin at 0.
    places = (seen * pl.lit(pl.Series(_RANKS.values())) - 1) // 100
    ranks = count.sort(nulls_last=True).gather(places).implode()
    table = counts.group_by(*target, "tokens").agg(
        pl.len().alias("responses"),
        pl.col("unseen").sum(),
        ranks.list.to_struct(fields=list(_RANKS)).alias("ranks"),
        pl.when(seen > 0).then(count.cast(pl.Int128).sum() / seen).alias("mean"),
    )
    return table.rename(target).unnest("ranks")


_LABELS = {"p50": "median", "p90": "90%", "p99": "99%", "max": "largest"}
_TOKENS_PER_RESPONSE = MetricSpec(
    "tokens_per_response",
    (
        RESPONSES,
        Measure("unseen", meaning="responses that do not report all of that count"),
        *[
            Measure(
                rank,
                unit="tokens",
                label=_LABELS[rank],
                fold="max",
                unseen="unseen",
                bound="lower" if percent == 100 else "approximate",
                meaning="tokens, the largest"
                if percent == 100
                else f"tokens: {percent}% of the responses have no more",
            )
            for rank, percent in _RANKS.items()
        ],
        Measure(
            "mean",
            pl.Float64,
            "tokens",
            fold="max",
            unseen="unseen",
            bound="approximate",
        ),
    ),
    main="responses",
    title="Size of calls",
    shape="distribution",
    draws=("p50", "p90", "p99", "max"),
    adds_up=False,
    needs=(*_TOKENS, "usage_problem"),
    keys=(Key("tokens", pl.String, "kind", ", ".join(_TOKENS), order=_TOKENS),),
    gather=_compute_quantiles,
)


@metric(_TOKENS_PER_RESPONSE)
def tokens_per_response(
    choices: Choices, **options: Unpack[MetricOptions]
) -> pl.DataFrame:
    """Compute how large responses are: median, 90%, 99%, largest, and mean.

    Notes
    -----
    Exact: the nearest rank, which is the least reported count that at least so many
    percent of the responses do not exceed.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(*[{"total_tokens": n} for n in (10, 20, 30, 40)])
    >>> sizes = tokens_per_response(choices).filter(pl.col("tokens") == "total_tokens")
    >>> sizes.select("p50", "p90", "max", "mean").row(0)
    (20, 40, 40, 25.0)
    """
    return compute(_TOKENS_PER_RESPONSE, choices, options)
