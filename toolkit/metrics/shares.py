"""Shares: of the cache, of thinking, of the output, of each model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.metrics.engine import answer
from toolkit.metrics.measures import count, ratio, total, unseen, whole
from toolkit.metrics.options import ask
from toolkit.metrics.spec import Declared

if TYPE_CHECKING:
    from toolkit.expressions.time_ranges import Moment
    from toolkit.metrics.options import By, Choices, Compare


def _both_known(one: str, other: str) -> pl.Expr:
    """Say whether a response reports both of two counts."""
    return pl.col(one).is_not_null() & pl.col(other).is_not_null()


def _where_known(expected: str, other: str) -> pl.Expr:
    """Return a count, null where another one is: a ratio needs both of a response."""
    return pl.when(pl.col(other).is_not_null()).then(pl.col(expected))


CACHE_SHARE = Declared(
    (
        count("responses"),
        count("cached_unseen", ~_both_known("prompt_tokens", "cached_tokens")),
        total("prompt_tokens", _where_known("prompt_tokens", "cached_tokens")),
        total("cached_tokens", _where_known("cached_tokens", "prompt_tokens")),
        ratio("cache_share", "cached_tokens", "prompt_tokens"),
    ),
    main="prompt_tokens",
    needs=("prompt_tokens", "cached_tokens"),
)


def cache_share(
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
    """Tell which share of the prompt tokens was read from a cache.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then `responses`,
        `cached_unseen` (responses that do not report both counts, and are in neither
        sum), `prompt_tokens`, `cached_tokens`, and `cache_share`, their ratio.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"prompt_tokens": 100, "cached_tokens": 40}, {"prompt_tokens": 900}
    ... )
    >>> cache_share(choices).row(0)[-4:]
    (1, 100, 40, 0.4)
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
    return answer(choices, CACHE_SHARE, question)


REASONING_SHARE = Declared(
    (
        count("responses"),
        count(
            "reasoning_unseen", ~_both_known("completion_tokens", "reasoning_tokens")
        ),
        total(
            "completion_tokens", _where_known("completion_tokens", "reasoning_tokens")
        ),
        total(
            "reasoning_tokens", _where_known("reasoning_tokens", "completion_tokens")
        ),
        ratio("reasoning_share", "reasoning_tokens", "completion_tokens"),
    ),
    main="completion_tokens",
    needs=("completion_tokens", "reasoning_tokens"),
)


def reasoning_share(
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
    """Tell which share of the completion tokens was spent on thinking.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then `responses`,
        `reasoning_unseen` (responses that do not report both counts, and are in neither
        sum), `completion_tokens`, `reasoning_tokens`, and `reasoning_share`. Some
        providers leave thinking out of the completion: the share may exceed 1.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"completion_tokens": 80, "reasoning_tokens": 60}, {})
    >>> reasoning_share(choices).row(0)[-4:]
    (1, 80, 60, 0.75)
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
    return answer(choices, REASONING_SHARE, question)


OUTPUT_INPUT_RATIO = Declared(
    (
        count("responses"),
        count("unseen", ~_both_known("prompt_tokens", "completion_tokens")),
        total("prompt_tokens", _where_known("prompt_tokens", "completion_tokens")),
        total("completion_tokens", _where_known("completion_tokens", "prompt_tokens")),
        ratio("output_input_ratio", "completion_tokens", "prompt_tokens"),
    ),
    main="prompt_tokens",
    needs=("prompt_tokens", "completion_tokens"),
)


def output_input_ratio(
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
    """Tell how many tokens were written for each that was read.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then `responses`,
        `unseen` (responses that do not report both counts, and are in neither sum),
        `prompt_tokens`, `completion_tokens`, and `output_input_ratio`, the second by
        the first.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"prompt_tokens": 200, "completion_tokens": 50})
    >>> output_input_ratio(choices)["output_input_ratio"].item()
    0.25
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
    return answer(choices, OUTPUT_INPUT_RATIO, question)


MODEL_MIX = Declared(
    (
        count("responses"),
        whole("responses_all", "responses", "period"),
        ratio("response_share", "responses", "responses_all"),
        total("total_tokens", "total_tokens"),
        whole("tokens_all", "total_tokens", "period"),
        ratio("token_share", "total_tokens", "tokens_all"),
        unseen("responses_without_usage", "total_tokens"),
    ),
    main="responses",
    needs=("total_tokens",),
)


def model_mix(
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
    """Tell which share of a period's responses and tokens each model has.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then `responses`,
        `responses_all` (of all series of the period), `response_share`,
        `total_tokens`, `tokens_all`, `token_share`, and `responses_without_usage`.

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
    return answer(choices, MODEL_MIX, question)
