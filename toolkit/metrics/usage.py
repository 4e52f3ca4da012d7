"""Tokens: how many, and how many responses say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.metrics.engine import answer
from toolkit.metrics.measures import Measure, count, ratio, total, unseen
from toolkit.metrics.options import HIDDEN, ask
from toolkit.metrics.spec import Declared
from toolkit.schema.tables import USAGE_COLUMNS

if TYPE_CHECKING:
    from toolkit.expressions.time_ranges import Moment
    from toolkit.metrics.engine import Work
    from toolkit.metrics.options import By, Choices, Compare


TOKEN_USAGE = Declared(
    (
        count("responses"),
        unseen("responses_without_usage", "total_tokens"),
        total("prompt_tokens", "prompt_tokens"),
        unseen("prompt_unseen", "prompt_tokens"),
        total("completion_tokens", "completion_tokens"),
        unseen("completion_unseen", "completion_tokens"),
        total("total_tokens", "total_tokens"),
        total("cached_tokens", "cached_tokens"),
        unseen("cached_unseen", "cached_tokens"),
        total("reasoning_tokens", "reasoning_tokens"),
        unseen("reasoning_unseen", "reasoning_tokens"),
    ),
    main="total_tokens",
    needs=(
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "cached_tokens",
        "reasoning_tokens",
    ),
)


def token_usage(
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
    """Sum the tokens of each model in each period.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then, as int64:

        ======================== ======================================================
        column                   unit
        ======================== ======================================================
        responses                responses
        responses_without_usage  responses that report no total
        prompt_tokens            tokens, cached ones included
        prompt_unseen            responses that do not say their prompt tokens
        completion_tokens        tokens, over all choices
        completion_unseen        responses that do not say them
        total_tokens             tokens, as reported
        cached_tokens            tokens
        cached_unseen            responses that do not say them
        reasoning_tokens         tokens
        reasoning_unseen         responses that do not say them
        ======================== ======================================================

    Raises
    ------
    MissingColumnsError
        If `choices` lacks a column that is needed; before anything is collected.
    UnsuitableColumnError
        If `by` names a fact of a choice or a token count.
    OptionError
        If an option means nothing.
    TotalOverflowError
        If a sum does not fit into 64 bits.

    Warns
    -----
    PartialResponsesWarning
        If rows of an eager frame were picked, so that usage may be missing.

    Notes
    -----
    A response counts once, however many choices it has. One that reports no usage adds
    nothing to the sums and counts in `responses_without_usage`. Undated responses stand
    in rows with a null period, so that the sum over all rows is that of the ledger.

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
    │ str   ┆ i64       ┆ i64          │
    ╞═══════╪═══════════╪══════════════╡
    │ gpt-a ┆ 2         ┆ 45           │
    │ gpt-b ┆ 1         ┆ 0            │
    └───────┴───────────┴──────────────┘
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
    return answer(choices, TOKEN_USAGE, question)


_COVERAGE = f"{HIDDEN}covered "


def _usage_columns(work: Work) -> pl.DataFrame:
    """Gather one wide row a group, and turn it: a row for each usage column."""
    keys = [*work.when, *work.question.by]
    wide = (
        work.rows.with_columns(pl.lit(0).alias(HIDDEN))
        .group_by(HIDDEN, *work.when.values(), *work.question.by)
        .agg(
            pl.len().alias("responses"),
            *[pl.col(name).count().alias(_COVERAGE + name) for name in USAGE_COLUMNS],
        )
        .collect(engine="streaming")
    )
    table = pl.concat(
        wide.select(
            *keys,
            pl.lit(name).alias("tokens"),
            "responses",
            pl.col(_COVERAGE + name).alias("reported"),
        )
        for name in USAGE_COLUMNS
    )
    return work.folded(table)


_USAGE_COVERAGE = Declared(
    (
        Measure("responses"),
        Measure("reported"),
        ratio("coverage", "reported", "responses"),
    ),
    main="responses",
    needs=USAGE_COLUMNS,
    keys={"tokens": pl.String},
    order=USAGE_COLUMNS,
    gather=_usage_columns,
)


def usage_coverage(
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
    """Tell which share of the responses reports each column of usage.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then `tokens` (the
        name of a usage column, in the order of the schema), `responses`, `reported`
        (responses in which that column is not null) and `coverage`, their ratio.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"prompt_tokens": 5}, {})
    >>> usage_coverage(choices).select("tokens", "reported", "coverage").rows()[:2]
    [('prompt_tokens', 1, 0.5), ('completion_tokens', 0, 0.0)]
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
    return answer(choices, _USAGE_COVERAGE, question)
