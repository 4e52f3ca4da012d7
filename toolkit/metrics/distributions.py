"""Sizes: choices a response, tokens a response, confidence in tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.metrics.engine import LARGEST_INT64, answer, check_sums
from toolkit.metrics.measures import (
    FINENESS,
    Measure,
    count,
    derived,
    exact,
    largest,
    ratio,
    total,
)
from toolkit.metrics.options import ask
from toolkit.metrics.spec import Declared

if TYPE_CHECKING:
    from toolkit.expressions.time_ranges import Moment
    from toolkit.metrics.engine import Work
    from toolkit.metrics.options import By, Choices, Compare


CHOICES_PER_RESPONSE = Declared(
    (
        count("responses"),
        total("choices", "choice_count"),
        ratio("choices_per_response", "choices", "responses"),
        largest("choices_max", pl.col("choice_count")),
        count("responses_without_choices", pl.col("choice_count") == 0),
        count("responses_with_several", pl.col("choice_count") > 1),
    ),
    main="responses",
    needs=("choice_count",),
)


def choices_per_response(
    choices: Choices,
    *,
    every: str | None = "1d",
    by: By = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    top: int | None = None,
    fill: bool = False,
    compare: Compare | None = None,
) -> pl.DataFrame:
    """Tell how many choices responses have.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then `responses`,
        `choices` (as the responses count them, also those that are not in the frame),
        `choices_per_response`, `choices_max`, `responses_without_choices`, and
        `responses_with_several`.

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
    question = ask(
        every=every,
        by=by,
        tz=tz,
        since=since,
        until=until,
        top=top,
        fill=fill,
        compare=compare,
    )
    return answer(choices, CHOICES_PER_RESPONSE, question)


# No sum of logarithms of probabilities is beyond; int128 holds 10^11 of these.
_LARGEST_LOGPROB_SUM = 1e15
_SEEN = pl.col("logprob_sum").is_finite() & pl.col("logprob_tokens").is_not_null()
_IS_SEEN = (_SEEN & (pl.col("logprob_sum").abs() <= _LARGEST_LOGPROB_SUM)).fill_null(
    False
)
_PERPLEXITY = (-pl.col("mean_logprob")).exp()
CONFIDENCE = Declared(
    (
        count("choices"),
        count("choices_without_logprobs", ~_IS_SEEN),
        total("logprob_tokens", pl.when(_IS_SEEN).then("logprob_tokens")),
        exact("~logprob_sum", pl.when(_IS_SEEN).then("logprob_sum")),
        derived("logprob_sum", pl.col("~logprob_sum").cast(pl.Float64) / FINENESS),
        ratio("mean_logprob", "logprob_sum", "logprob_tokens"),
        derived("perplexity", pl.when(_PERPLEXITY.is_finite()).then(_PERPLEXITY)),
    ),
    main="choices",
    of_choices=True,
    leaves_out=True,
    needs=("choice_count", "logprob_tokens", "logprob_sum"),
    rows=lambda frame: frame.filter(pl.col("choice_count") > 0),
)


def confidence(
    choices: Choices,
    *,
    every: str | None = "1d",
    by: By = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    top: int | None = None,
    fill: bool = False,
    compare: Compare | None = None,
) -> pl.DataFrame:
    """Tell how sure models were of their tokens, where logprobs were logged.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then `choices`,
        `choices_without_logprobs` (they are in none of the figures that follow),
        `logprob_tokens`, `logprob_sum` (nats), `mean_logprob` (nats a token; null where
        there is no token) and `perplexity`, e to the power of its negative (null where
        that is beyond a double).

    Notes
    -----
    A choice whose sum of logprobs is beyond 10^15 nats counts as one without.

    Each choice's sum of logprobs is rounded to 2^-40 nats and added as a whole number:
    the order of the rows does not show in the figures.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"logprob_tokens": 4, "logprob_sum": -2.0}, {})
    >>> confidence(choices).row(0)[-4:-1]
    (4, -2.0, -0.5)
    """
    question = ask(
        every=every,
        by=by,
        tz=tz,
        since=since,
        until=until,
        top=top,
        fill=fill,
        compare=compare,
    )
    return answer(choices, CONFIDENCE, question)


_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
_RANKS = {"p50": 50, "p90": 90, "p99": 99, "max": 100}
_GROUP, _EVERYTHING = "~group", "~"


def _quantiles(work: Work) -> pl.DataFrame:
    """Sort the counts of all groups at once, and pick ranks; the series are folded."""
    keys = [_EVERYTHING, *work.when, *work.question.by]
    rows = work.rows.select(
        pl.lit(0).alias(_EVERYTHING), *work.when.values(), *work.question.by, *_TOKENS
    )
    if work.question.calendar and work.question.tz != "UTC":
        # The hours of a zone take longer to find than the columns take to hold.
        rows = rows.collect(engine="streaming").lazy()
    groups = rows.group_by(keys).agg(pl.len().cast(pl.Int64).alias("responses"))
    named, target = work.named(groups.collect(engine="streaming"))
    numbers = named.group_by(_EVERYTHING, *target).agg(pl.col("responses").sum())
    numbers = numbers.with_row_index(_GROUP).with_columns(pl.col(_GROUP).cast(pl.Int64))
    places = named.drop("responses").join(
        numbers, on=[_EVERYTHING, *target], nulls_equal=True
    )
    counts = (
        rows.join(places.lazy().select(_GROUP, *keys), on=keys, nulls_equal=True)
        .select(_GROUP, *_TOKENS)
        .collect(engine="streaming")
    )
    numbers = numbers.rename(target)
    return pl.concat(
        [
            numbers.join(_ranks(counts, name, len(numbers)), on=_GROUP).with_columns(
                pl.lit(name).alias("tokens")
            )
            for name in _TOKENS
        ]
    )


def _ranks(counts: pl.DataFrame, name: str, groups: int) -> pl.DataFrame:
    """Return the nearest ranks of a count in each group."""
    stats = (
        counts.lazy()
        .group_by(_GROUP)
        .agg(
            pl.col(name).null_count().cast(pl.Int64).alias("unseen"),
            pl.col(name).count().cast(pl.Int64).alias("~seen"),
            pl.col(name).sum().alias("~sum"),
            pl.col(name).cast(pl.Float64).sum().alias(f"~{name}"),
        )
        .sort(_GROUP)
        .collect()
    )
    check_sums(stats, [f"~{name}"])
    low, high = counts.select(
        pl.col(name).min().alias("low"), pl.col(name).max().alias("high")
    ).row(0)
    low, high = low or 0, high or 0
    width = high - low + 1
    if groups * width > LARGEST_INT64:
        sorted_counts = counts.sort(_GROUP, name).select(name).drop_nulls().to_series()
    else:
        # One sort of whole numbers: a group's values lie together.
        key = counts[_GROUP] * width + (counts[name] - low)
        sorted_counts = key.drop_nulls().sort() % width + low
    seen = pl.col("~seen")
    begin = seen.cum_sum() - seen
    places = {
        rank: begin + (seen * percent + 99) // 100 - 1
        for rank, percent in _RANKS.items()
    }
    picked = stats.with_columns(**places).with_columns(
        pl.when(seen > 0).then(pl.col(rank)).alias(rank) for rank in _RANKS
    )
    return picked.select(
        _GROUP,
        "unseen",
        *[
            sorted_counts.gather(picked[rank]).alias(rank)
            if len(sorted_counts)
            else pl.lit(None, pl.Int64).alias(rank)
            for rank in _RANKS
        ],
        pl.when(seen > 0).then(pl.col("~sum") / seen).alias("mean"),
    )


_TOKENS_PER_RESPONSE = Declared(
    (
        Measure("responses"),
        Measure("unseen"),
        *[Measure(rank, fold="max") for rank in _RANKS],
        Measure("mean", pl.Float64, fold="max"),
    ),
    main="responses",
    needs=_TOKENS,
    keys={"tokens": pl.String},
    order=_TOKENS,
    gather=_quantiles,
    passes=2,
)


def tokens_per_response(
    choices: Choices,
    *,
    every: str | None = "1d",
    by: By = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
    top: int | None = None,
    fill: bool = False,
    compare: Compare | None = None,
) -> pl.DataFrame:
    """Tell how large responses are: median, 90 %, 99 %, largest, and mean.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then `tokens`
        (``prompt_tokens``, ``completion_tokens``, ``total_tokens``), `responses`,
        `unseen` (responses that do not report that count), `p50`, `p90`, `p99`, `max`
        (int64), and `mean`.

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
    question = ask(
        every=every,
        by=by,
        tz=tz,
        since=since,
        until=until,
        top=top,
        fill=fill,
        compare=compare,
    )
    return answer(choices, _TOKENS_PER_RESPONSE, question)
