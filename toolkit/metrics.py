"""Metrics: from a frame of choices to a small tidy frame.

Each is pure: ``(choices, *, every, by, tz, since, until) -> DataFrame``, sorted, with
the same dtypes even when empty. Absence is not zero: beside each sum stands the number
of responses that it could not see.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from toolkit.errors import (
    MissingColumnsError,
    OptionError,
    TotalOverflowError,
    UnsuitableColumnError,
)
from toolkit.expressions import (
    check_columns,
    check_period,
    first_choice,
    period,
    period_end,
    warn_of_picked_choices,
)
from toolkit.ranges import check_zone, span
from toolkit.schema import CHOICES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.blocks import ArrowStream
    from toolkit.ranges import Moment


Choices: TypeAlias = "pl.DataFrame | pl.LazyFrame | ArrowStream"

TOKENS = (
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "cached_tokens",
    "reasoning_tokens",
)
RESULT = ("period", "period_end", "responses", "responses_without_usage")
# Above this a sum of doubles may stand for one that an int64 cannot hold.
LARGEST_SUM = 9.2e18


def token_usage(
    choices: Choices,
    *,
    every: str = "1d",
    by: str | Sequence[str] = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
) -> pl.DataFrame:
    """Sum the tokens of each model in each period.

    Parameters
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`. A polars frame, eager or
        lazy, or anything with ``__arrow_c_stream__``.
    every
        Length of a period in polars' duration language: ``"1h"``, ``"1d"``, ``"1w"``
        (from Monday), ``"1mo"``.
    by
        Column or columns that name the series: a fact of the response, a tag, or a
        column of the caller's own. A fact of a choice is refused.
    tz
        Time zone in which days begin.
    since, until
        Range of `created`, until exclusive: a date, a datetime or its ISO text; one
        without a zone is in `tz`. With either, undated responses are left out.

    Returns
    -------
    pl.DataFrame
        One row per (period, `by`) in which a response exists, sorted by both, nulls
        last. Undated responses stand in rows with a null period, so that the sum over
        all rows is the sum of the ledger.

        ======================== ================== =================================
        column                   dtype              unit
        ======================== ================== =================================
        period                   datetime[us, `tz`] start of the period
        period_end               datetime[us, `tz`] end of the period, exclusive
        `by`                     as in `choices`
        responses                u32                responses
        responses_without_usage  u32                responses that report no total
        prompt_tokens            i64                tokens, cached ones included
        completion_tokens        i64                tokens, over all choices
        total_tokens             i64                tokens, as reported
        cached_tokens            i64                tokens
        reasoning_tokens         i64                tokens
        ======================== ================== =================================

    Raises
    ------
    MissingColumnsError
        If `choices` lacks a column that is needed; before anything is collected.
    UnsuitableColumnError
        If `by` names a fact of a choice or a token count.
    OptionError
        If `every`, `tz`, `since` or `until` mean nothing.
    TotalOverflowError
        If a sum does not fit into 64 bits.

    Warns
    -----
    PartialResponsesWarning
        If rows of an eager frame were picked, so that usage may be missing.

    Notes
    -----
    A response counts once, however many choices it has. One that reports no usage adds
    nothing to the sums and counts in `responses_without_usage`.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"model": "gpt-a", "total_tokens": 15},
    ...     {"model": "gpt-a", "total_tokens": 30},
    ...     {"model": "gpt-b"},
    ... )
    >>> token_usage(choices).select("model", "responses", "total_tokens")
    shape: (2, 3)
    ┌───────┬───────────┬──────────────┐
    │ model ┆ responses ┆ total_tokens │
    │ ---   ┆ ---       ┆ ---          │
    │ str   ┆ u32       ┆ i64          │
    ╞═══════╪═══════════╪══════════════╡
    │ gpt-a ┆ 2         ┆ 45           │
    │ gpt-b ┆ 1         ┆ 0            │
    └───────┴───────────┴──────────────┘
    """
    series = [by] if isinstance(by, str) else list(by)
    check_series(series)
    if not isinstance(choices, pl.LazyFrame | pl.DataFrame):
        choices = frame_of(choices)
    frame = choices.lazy()
    check_columns(frame, ("choice_position", "created", *TOKENS, *series))
    if isinstance(choices, pl.DataFrame):
        warn_if_picked(choices)
    usage = (
        frame.filter(first_choice(), *span(since, until, tz).conditions())
        .group_by(period(every, tz), *series)
        .agg(
            pl.len().alias("responses"),
            pl.col("total_tokens").is_null().sum().alias("responses_without_usage"),
            *[pl.col(name).sum() for name in TOKENS],
            *[pl.col(name).cast(pl.Float64).sum().alias(f"~{name}") for name in TOKENS],
        )
        .sort("period", *series, nulls_last=True)
        .collect()
    )
    check_sums(usage)
    return usage.select(
        "period",
        period_end(every),
        *series,
        pl.col("responses", "responses_without_usage").cast(pl.UInt32),
        *TOKENS,
    )


def check_options(
    *,
    every: str = "1d",
    by: str | Sequence[str] = "model",
    tz: str = "UTC",
    since: Moment = None,
    until: Moment = None,
) -> None:
    """Refuse options that mean nothing, before a log is read for them."""
    check_period(every)
    check_zone(tz)
    check_series([by] if isinstance(by, str) else by)
    span(since, until, tz)


def frame_of(choices: ArrowStream) -> pl.DataFrame:
    """Take whatever has choices in it as a frame."""
    if hasattr(choices, "__arrow_c_stream__"):
        return pl.DataFrame(choices)
    message = (
        f"wanted a frame of choices (polars, Loaded, anything of Arrow), "
        f"got {type(choices).__name__}"
    )
    raise TypeError(message)


def check_series(names: Sequence[str]) -> None:
    """Refuse columns that cannot name a series of responses."""
    if len(set(names)) < len(names) or not names:
        raise OptionError("by", list(names), wanted="different columns, at least one")
    for name in names:
        if name in RESULT:
            raise UnsuitableColumnError(name, why="is what the result is called")
        if name not in CHOICES:
            continue
        if CHOICES[name].grain == "C":
            raise UnsuitableColumnError(
                name,
                why="is a fact of a choice and tokens belong to the response: filter "
                "with toolkit.expressions.any_choice(...), or group by a column of "
                "the response",
            )
        if CHOICES[name].grain == "U" or name == "created":
            raise UnsuitableColumnError(name, why="is a measure: group by a name")


def warn_if_picked(choices: pl.DataFrame) -> None:
    """Warn if choices were picked, where the frame has what it takes to tell."""
    try:
        check_columns(choices, (*CHOICES.key, "choice_count"))
    except MissingColumnsError:
        return
    warn_of_picked_choices(choices)


def check_sums(usage: pl.DataFrame) -> None:
    """Refuse sums that have wrapped: polars adds int64 without a word."""
    for name in TOKENS:
        largest = usage[f"~{name}"].abs().max()
        if isinstance(largest, float) and largest > LARGEST_SUM:
            raise TotalOverflowError(name)
