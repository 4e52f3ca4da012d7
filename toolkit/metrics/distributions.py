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

    from toolkit.formatting.figures import Bound
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


_RANKS = {"p10": 10, "p50": 50, "p90": 90, "p99": 99}  # in percent
# How many different counts are in a range. Ranges, and counts in them, are few enough.
_RANGE = 512


def _compute_quantiles(work: Computation) -> pl.DataFrame:
    """Pick the ranks of each group from a histogram, so that no row is in memory.

    First it counts ranges of counts; then each count in the ranges where a rank lies.
    """
    ranges = _histogram(work)
    named, target = work.named(ranges)
    own, seen = [*target, "tokens"], pl.col("~seen")
    sums = pl.col("responses", "unseen", "~seen", "~sum").sum()
    table = named.group_by(own).agg(sums, pl.col("max").max())
    mean = pl.when(seen > 0).then(pl.col("~sum") / seen)
    near = _pick_ranks(named, own).unpivot(
        list(_RANKS), index="tokens", variable_name="~rank", value_name="~place"
    )
    others = ranges.join(near, on=["tokens", "~place"], how="anti")
    counts = pl.concat([others, _histogram(work, near)], how="diagonal")
    ranks = _pick_ranks(work.named(counts)[0], own)
    table = table.with_columns(mean.alias("mean"))
    return table.join(ranks, on=own, nulls_equal=True).rename(target)


def _histogram(work: Computation, near: pl.DataFrame | None = None) -> pl.DataFrame:
    """Count the responses of each group in each range, by the kind of their tokens.

    With the places of some ranges, only the counts in these are counted, each apart.
    """
    tables = []
    for name in USAGE:
        tokens = TOTAL if name == "total_tokens" else pl.col(name)
        range_of, rows = tokens // _RANGE * _RANGE, work.rows
        figures = [pl.len().alias("responses"), tokens.count().alias("~seen")]
        if near is None:
            place = range_of
            figures += [
                is_unseen(name).sum().alias("unseen"),
                tokens.cast(pl.Int128).sum().alias("~sum"),
                tokens.max().alias("max"),
            ]
        else:
            place, ranges = tokens, near.filter(tokens=name)["~place"].unique()
            rows = rows.filter(range_of.is_in(ranges.implode()))
        table = group(rows, [*work.keys, place.alias("~place")], *figures)
        tables.append(table.with_columns(pl.lit(name).alias("tokens")))
    return pl.concat(tables)


def _pick_ranks(histogram: pl.DataFrame, own: Sequence[str]) -> pl.DataFrame:
    """Return the place in which each rank of a group lies."""
    seen, place = pl.col("~seen").cast(pl.Int64), pl.col("~place")
    # The nearest rank is ceil(seen * percent / 100).
    ranks = {
        rank: place.filter(seen.cum_sum() >= (seen.sum() * percent + 99) // 100).min()
        for rank, percent in _RANKS.items()
    }
    return histogram.sort("~place").group_by(own).agg(**ranks)


def _size(
    name: str, label: str, meaning: str = "tokens", bound: Bound = "approximate"
) -> Measure:
    """Return the measure of a size in tokens."""
    dtype = pl.Float64 if name == "mean" else pl.Int64
    measure = Measure(name, dtype, "tokens", label, meaning, fold="max")
    return measure._replace(unseen="unseen", bound=bound)


_TOKENS_PER_RESPONSE = MetricSpec(
    "tokens_per_response",
    (
        RESPONSES,
        Measure("unseen", meaning="responses that do not report all of that count"),
        _size("p10", "10%", "tokens: 10% of the responses have no more"),
        _size("p50", "median", "tokens: 50% of the responses have no more"),
        _size("p90", "90%", "tokens: 90% of the responses have no more"),
        _size("p99", "99%", "tokens: 99% of the responses have no more"),
        _size("max", "largest", "tokens, the largest", "lower"),
        _size("mean", "mean"),
    ),
    main="responses",
    title="Size of calls",
    shape="distribution",
    draws=("p50", "p90", "p99", "max"),
    adds_up=False,
    needs=(*USAGE, "usage_problem"),
    keys=(Key("tokens", pl.String, "kind", ", ".join(USAGE), order=USAGE),),
    gather=_compute_quantiles,
    reads_again=True,
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
