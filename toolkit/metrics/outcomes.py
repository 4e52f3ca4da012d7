"""How choices ended: reasons, truncation, refusals and filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.expressions.choices import SOURCE, first_choice, response_key
from toolkit.metrics.engine import answer
from toolkit.metrics.measures import count, money, ratio, total, whole
from toolkit.metrics.options import ask
from toolkit.metrics.spec import Declared
from toolkit.metrics.spending import needs_of_cost, with_costs
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from toolkit.expressions.time_ranges import Moment
    from toolkit.metrics.engine import Work
    from toolkit.metrics.options import By, Choices, Compare


_TRUNCATED = "length"
_FILTERED = "content_filter"
_REFUSED = "refusal"
_IS_CHOICE = pl.col("choice_count") > 0
_HAS_REASON = pl.col("finish_reason").is_not_null()
_WHOLE_RESPONSE = (*CHOICES.key, "choice_count")


def _real_choices(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Leave out the row that stands for a response without choices."""
    return frame.filter(_IS_CHOICE)


def _with_any(frame: pl.LazyFrame, **conditions: pl.Expr) -> pl.LazyFrame:
    """Say of each row whether a condition holds for any choice of its response.

    Most responses have one choice, and need no look at their other rows.
    """
    known = {name: held.fill_null(False) for name, held in conditions.items()}
    key = response_key(frame)
    over = {name: held.any().over(key) for name, held in known.items()}
    has_several = (pl.col("choice_count") > 1).fill_null(True)
    return pl.concat(
        [
            frame.filter(~has_several).with_columns(**known),
            frame.filter(has_several).with_columns(**over),
        ]
    )


FINISH_REASONS = Declared(
    (
        count("choices"),
        whole("choices_all", "choices", "series"),
        ratio("share", "choices", "choices_all"),
    ),
    main="choices",
    of_choices=True,
    leaves_out=True,
    needs=("choice_count", "finish_reason"),
    rows=_real_choices,
    keys={"finish_reason": pl.String},
)


def finish_reasons(
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
    """Count why choices ended, as the provider says it.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then `finish_reason`
        (null where none is said), `choices` that ended so, `choices_all` of that period
        and series, and `share`. A response without choices is in none of them.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"finish_reason": "stop"}, {"finish_reason": "length"}, {}, {}
    ... )
    >>> finish_reasons(choices).select("finish_reason", "choices", "share").rows()
    [('length', 1, 0.25), ('stop', 1, 0.25), (None, 2, 0.5)]
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
    return answer(choices, FINISH_REASONS, question)


def _rows_of_refusals(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Mark the responses of which any choice was refused or filtered."""
    spoken = pl.col("refusal").str.len_bytes() > 0
    refused = spoken.fill_null(False) | (pl.col("finish_reason") == _REFUSED)
    filtered = pl.col("finish_reason") == _FILTERED
    silent = pl.col("content").is_null() & pl.col("refusal").is_null()
    marked = frame.with_columns(
        refused.fill_null(False).alias("~refused"),
        filtered.fill_null(False).alias("~filtered"),
        (silent & _IS_CHOICE).alias("~silent"),
        (silent & pl.col("content_chars").is_not_null()).alias("~dropped"),
    ).drop("content", "refusal", "content_chars", strict=False)
    return _with_any(
        marked,
        **{
            "~any_refused": pl.col("~refused"),
            "~any_filtered": pl.col("~filtered"),
        },
    )


def _refusals(work: Work) -> pl.DataFrame:
    """Gather by log first: one whose text was dropped shows it in some choice."""
    names = work.frame.collect_schema().names()
    log = ["log_id", *([SOURCE] if SOURCE in names else [])]
    own = work.question.by
    table = work.grouped(*[name for name in log if name not in own])
    dropped = pl.col("~dropped").sum().over(log) > 0
    keys = [*work.when, *work.question.by]
    table = (
        table.with_columns(
            pl.when(dropped)
            .then("refusals_unseen")
            .otherwise(0)
            .alias("refusals_unseen"),
            # A literal as a key would make a row of nothing.
            pl.lit(0).alias("~"),
        )
        .group_by("~", *keys)
        .agg(pl.col(measure.name).sum() for measure in work.declared.gathered)
        .drop("~")
    )
    return work.folded(table)


_BOTH = pl.col("~refused") | pl.col("~filtered")
_ANY_OF_BOTH = pl.col("~any_refused") | pl.col("~any_filtered")
REFUSAL_AND_FILTER_RATE = Declared(
    (
        count("responses", first_choice()),
        count("responses_refused", first_choice() & pl.col("~any_refused")),
        count("responses_filtered", first_choice() & pl.col("~any_filtered")),
        count("responses_refused_or_filtered", first_choice() & _ANY_OF_BOTH),
        ratio("response_rate", "responses_refused_or_filtered", "responses"),
        count("choices", _IS_CHOICE),
        count("choices_refused", _IS_CHOICE & pl.col("~refused")),
        count("choices_filtered", _IS_CHOICE & pl.col("~filtered")),
        count("choices_refused_or_filtered", _IS_CHOICE & _BOTH),
        ratio("choice_rate", "choices_refused_or_filtered", "choices"),
        count("refusals_unseen", pl.col("~silent")),
        count("~dropped", pl.col("~dropped"))._replace(is_hidden=True),
    ),
    main="responses",
    of_choices=True,
    needs=(
        *_WHOLE_RESPONSE,
        "finish_reason",
        "refusal",
        "content",
        "content_chars",
    ),
    rows=_rows_of_refusals,
    gather=_refusals,
    passes=2,
)


def refusal_and_filter_rate(
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
    """Tell how often a model refused, or a filter took its answer.

    A choice was refused if it has the text of a refusal, or ended by ``refusal``, and
    filtered if it ended by ``content_filter``; a response, if any of its choices was.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then
        `responses`, `responses_refused`, `responses_filtered`,
        `responses_refused_or_filtered`, `response_rate` (of the last two figures), the
        same of `choices` up to `choice_rate`, and `refusals_unseen`: choices whose text
        was dropped when their log was read, so that a refusal would not show.

    Notes
    -----
    That text was dropped shows in content that has a length and is null; then each
    choice of that log that has no text may have been a refusal. To see it, the column
    of the content is read.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"refusal": "No."}, {"finish_reason": "content_filter"}, {}, {}
    ... )
    >>> refusal_and_filter_rate(choices)["response_rate"].item()
    0.5
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
    return answer(choices, REFUSAL_AND_FILTER_RATE, question)


_CUT = first_choice() & pl.col("~cut")


def _rows_of_truncation(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Mark the responses of which any choice was cut off, and price those."""
    cut = pl.col("finish_reason") == _TRUNCATED
    marked = _with_any(frame, **{"~cut": cut, "~said": _HAS_REASON})
    priced = with_costs(marked.filter(_CUT))
    return pl.concat([marked.filter(~_CUT), priced], how="diagonal_relaxed")


TRUNCATION_RATE = Declared(
    (
        count("responses", first_choice()),
        count("responses_without_reason", first_choice() & ~pl.col("~said")),
        count("responses_truncated", _CUT),
        ratio(
            "response_rate",
            "responses_truncated",
            pl.col("responses") - pl.col("responses_without_reason"),
        ),
        count("choices", _IS_CHOICE),
        count("choices_without_reason", _IS_CHOICE & ~_HAS_REASON),
        count(
            "choices_truncated", _IS_CHOICE & (pl.col("finish_reason") == _TRUNCATED)
        ),
        ratio(
            "choice_rate",
            "choices_truncated",
            pl.col("choices") - pl.col("choices_without_reason"),
        ),
        total("total_tokens", pl.when(first_choice()).then("total_tokens")),
        total("tokens_truncated", pl.when(_CUT).then("total_tokens")),
        count(
            "responses_truncated_without_usage", _CUT & pl.col("total_tokens").is_null()
        ),
        money("cost_truncated", pl.when(_CUT).then("cost")),
        count(
            "responses_truncated_unpriced", _CUT & (pl.col("cost_source") == "unpriced")
        ),
    ),
    main="responses",
    of_choices=True,
    needs=(*_WHOLE_RESPONSE, "finish_reason", "total_tokens"),
    rows=_rows_of_truncation,
    passes=2,
    needs_of=needs_of_cost,
)


def truncation_rate(
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
    """Tell how often answers were cut off at the limit, and what those cost.

    A choice is truncated if it ended by ``length``, a response if any choice of it is.

    Parameters
    ----------
    choices, every, by, tz, since, until, top, fill, compare
        See `toolkit.metrics`.

    Returns
    -------
    pl.DataFrame
        The columns of period and series (see `toolkit.metrics`), then

        ================================= =============================================
        column                            unit
        ================================= =============================================
        responses                         responses
        responses_without_reason          responses of which no choice says a reason
        responses_truncated               responses
        response_rate                     truncated / those that say a reason
        choices                           choices
        choices_without_reason            choices
        choices_truncated                 choices
        choice_rate                       truncated / those that say a reason
        total_tokens                      tokens of all responses
        tokens_truncated                  tokens of the truncated responses
        responses_truncated_without_usage truncated responses that report no total
        cost_truncated                    USD (Decimal), the least that they cost
        responses_truncated_unpriced      truncated responses of unknown cost
        ================================= =============================================

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"finish_reason": "stop", "choice_count": 2, "total_tokens": 30},
    ...     {"finish_reason": "length", "choice_count": 2, "choice_position": 1},
    ...     {"finish_reason": "stop", "total_tokens": 10},
    ... )
    >>> rate = truncation_rate(choices)
    >>> rate.select("responses_truncated", "response_rate", "tokens_truncated").row(0)
    (1, 0.5, 30)
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
    return answer(choices, TRUNCATION_RATE, question)
