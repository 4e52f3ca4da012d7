"""Sizes: choices per response, tokens per response, confidence in tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import polars as pl

from toolkit.expressions.choices import USAGE, is_unseen
from toolkit.metrics.engine import compute
from toolkit.metrics.groups import Computation, group
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
    from collections.abc import Sequence

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
_PERPLEXITY = pl.when(pl.col("logprob_tokens") > 0).then(
    (-pl.col("logprob_sum") / pl.col("logprob_tokens")).exp()
)
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
    where=pl.col("choice_count") > 0,
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


_RANKS = {"p10": 10, "p50": 50, "p90": 90, "p99": 99, "max": 100}
# How many different counts are in a range. Ranges, and counts in them, are few enough.
_RANGE = 512


def _compute_quantiles(work: Computation) -> pl.DataFrame:
    """Pick the ranks of each group from two histograms, so that no row is in memory.

    The first one counts ranges of counts; the second one counts, in the ranges in which
    a rank lies, each count.
    """
    keys = [*work.when, *work.query.by]
    ranges, target = work.named(
        _histogram(
            work,
            [*keys, "~range"],
            pl.len().cast(pl.Int64).alias("responses"),
            pl.col("unseen").sum().cast(pl.Int64),
            pl.col("~tokens").count().cast(pl.Int64).alias("~seen"),
            pl.col("~tokens").cast(pl.Int128).sum().alias("~sum"),
            pl.col("~tokens").max().alias("max"),
        )
    )
    own = [*target, "tokens"]
    seen, last, before = map(pl.col, ("~seen", "~last", "~before"))
    table = ranges.group_by(own).agg(
        pl.col("responses", "unseen", "~seen", "~sum").sum(), pl.col("max").max()
    )
    table = table.with_columns(mean=pl.when(seen > 0).then(pl.col("~sum") / seen))
    # The nearest rank is ceil(seen * percent / 100).
    places = {
        rank: (pl.col("~all") * percent + 99) // 100
        for rank, percent in _RANKS.items()
        if rank != "max"
    }
    has_rank = [(before < place) & (place <= last) for place in places.values()]
    near = (
        _with_last(ranges, own, "~range")
        .with_columns(
            (last - seen).alias("~before"), seen.sum().over(own).alias("~all")
        )
        .filter(pl.any_horizontal(has_rank))
        .select(*own, "~range", "~before", "~all")
    )
    near = ranges.select(dict.fromkeys([*keys, *own, "~range"]).keys()).join(
        near, on=[*own, "~range"], nulls_equal=True
    )
    counts = _histogram(
        work, [*keys, "~range", "~tokens"], pl.len().alias("~seen"), near=near
    )
    counts = counts.join(near, on=[*keys, "tokens", "~range"], nulls_equal=True)
    counts = _with_last(counts, [*own, "~range", "~before", "~all"], "~tokens")
    found = counts.group_by(own).agg(
        pl.col("~tokens").filter(before + last >= place).min().alias(rank)
        for rank, place in places.items()
    )
    return table.join(found, on=own, how="left", nulls_equal=True).rename(target)


def _histogram(
    work: Computation,
    keys: Sequence[str],
    *figures: pl.Expr,
    near: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Compute figures of each group of responses, by the kind of their tokens."""
    tables = []
    for name in USAGE:
        values = TOTAL if name == "total_tokens" else pl.col(name)
        rows = work.rows.select(
            *work.when.values(),
            *work.query.by,
            values.alias("~tokens"),
            (values // _RANGE).alias("~range"),
            is_unseen(name).alias("unseen"),
        )
        if near is not None:
            ranges = near.filter(tokens=name)["~range"].unique()
            rows = rows.filter(pl.col("~range").is_in(ranges.implode()))
        table = group(rows, keys, *figures)
        tables.append(table.with_columns(pl.lit(name).alias("tokens")))
    return pl.concat(tables)


def _with_last(table: pl.DataFrame, groups: Sequence[str], by: str) -> pl.DataFrame:
    """Add up what was seen of each value in each group, and at it and those below."""
    seen = pl.col("~seen")
    sums = table.group_by(*groups, by).agg(seen.sum()).sort(by)
    return sums.with_columns(seen.cum_sum().over(groups).alias("~last"))


_LABELS = {"p10": "10%", "p50": "median", "p90": "90%", "p99": "99%", "max": "largest"}
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
    needs=(*USAGE, "usage_problem"),
    keys=(Key("tokens", pl.String, "kind", ", ".join(USAGE), order=USAGE),),
    gather=_compute_quantiles,
    passes=2,
)


@metric(_TOKENS_PER_RESPONSE)
def tokens_per_response(
    choices: Choices, **options: Unpack[MetricOptions]
) -> pl.DataFrame:
    """Compute how large responses are: 10%, median, 90%, 99%, largest, and mean.

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
