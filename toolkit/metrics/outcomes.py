"""How choices ended: finish reasons, truncation, refusals and filters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

import polars as pl

from toolkit.expressions.choices import SOURCE, first_choice, is_unseen
from toolkit.metrics.engine import compute
from toolkit.metrics.groups import Computation, gather_groups
from toolkit.metrics.measures import (
    ANSWERS,
    TOTAL,
    all_of,
    count,
    money,
    ratio,
    tokens_of,
    total,
)
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import Key, MetricSpec

if TYPE_CHECKING:
    from toolkit.metrics.measures import Measure
    from toolkit.metrics.options import Choices, MetricOptions


_IS_FIRST, _IS_ANY = first_choice(), pl.lit(True)
_IS_CHOICE = pl.col("choice_count") > 0
IS_TRUNCATED = pl.col("finish_reason") == "length"
IS_FILTERED = pl.col("finish_reason").eq("content_filter").fill_null(False)
IS_REFUSED = pl.any_horizontal(
    (pl.col("refusal").str.len_bytes() > 0).fill_null(False),
    pl.col("finish_reason").eq("refusal").fill_null(False),
)
_HAS_REASON = pl.col("finish_reason").is_not_null()


_FINISH_REASONS = MetricSpec(
    "finish_reasons",
    (
        ANSWERS,
        all_of("choices_all", "choices", "series"),
        ratio("share", "choices", "choices_all"),
    ),
    main="choices",
    title="Finish reasons",
    shape="mix",
    draws=("share",),
    where=_IS_CHOICE,
    keys=(
        Key("finish_reason", label="ended by", meaning="null where none is reported"),
    ),
)


@metric(_FINISH_REASONS)
def finish_reasons(choices: Choices, **options: Unpack[MetricOptions]) -> pl.DataFrame:
    """Count why choices ended, as the provider reports it.

    A response without choices is not counted.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"finish_reason": "stop"}, {"finish_reason": "length"}, {}, {}
    ... )
    >>> finish_reasons(choices).select("finish_reason", "choices", "share").rows()
    [('length', 1, 0.25), ('stop', 1, 0.25), (None, 2, 0.5)]
    """
    return compute(_FINISH_REASONS, choices, options)


def _count_refusals(work: Computation) -> pl.DataFrame:
    """Count by log first: any choice of a log shows that its text was dropped."""
    names = work.frame.collect_schema().names()
    log = ["log_id", *([SOURCE] if SOURCE in names else [])]
    keys = tuple(Key(name) for name in log if name not in work.query.by)
    [groups] = gather_groups(replace(work, spec=replace(work.spec, keys=keys)))
    dropped = pl.col("~dropped").sum().over(log) > 0
    unseen = pl.when(dropped).then(_UNSEEN).otherwise(0)
    groups = groups.with_columns(unseen.alias(_UNSEEN))
    return work.folded(work.fold(groups, [*work.when, *work.query.by]))


_UNSEEN, _WITHOUT_REASON = "refusals_unseen", "choices_without_reason"
_IS_SILENT = pl.col("content").is_null() & pl.col("refusal").is_null()


def _counts_of(
    noun: str, of: pl.Expr, refused: pl.Expr, filtered: pl.Expr, label: str = ""
) -> tuple[Measure, ...]:
    """Count what was refused, filtered, and either; and the rate: lower bounds."""
    either, labels = f"{noun}_refused_or_filtered", bool(label)
    parts = [
        (f"{noun}_refused", refused, "refused" * labels, [_UNSEEN]),
        (f"{noun}_filtered", filtered, "filtered" * labels, [_WITHOUT_REASON]),
        (either, refused | filtered, "", [_UNSEEN, _WITHOUT_REASON]),
    ]
    counts = [
        count(name, of & condition, called)._replace(
            unseen=gaps[0], of="choices", unsure=tuple(gaps[1:])
        )
        for name, condition, called, gaps in parts
    ]
    rate = ratio(f"{noun[:-1]}_rate", either, noun, label)
    unsure = (_WITHOUT_REASON,)
    rate = rate._replace(unseen=_UNSEEN, of="choices", unsure=unsure, bound="lower")
    return (*counts, rate)


_REFUSAL_AND_FILTER_RATE = MetricSpec(
    "refusal_and_filter_rate",
    (
        count("responses", _IS_FIRST, "calls"),
        *_counts_of(
            "responses",
            _IS_FIRST,
            pl.col("~any_refusal"),
            pl.col("~any_filter"),
            "share of calls",
        ),
        count("choices", _IS_CHOICE, "answers"),
        *_counts_of("choices", _IS_CHOICE, IS_REFUSED, IS_FILTERED),
        count(
            _UNSEEN,
            _IS_SILENT & _IS_CHOICE,
            meaning="choices whose text was dropped when their log was read: a refusal "
            "would not show",
        )._replace(unit="choices"),
        count(
            _WITHOUT_REASON,
            _IS_CHOICE & ~_HAS_REASON,
            meaning="choices without a reason: a filter would not show",
        ),
        count("~dropped", _IS_SILENT & pl.col("content_chars").is_not_null()),
    ),
    main="responses",
    title="Refused or filtered answers",
    shape="ratio",
    draws=("response_rate",),
    any_of={"refusal": IS_REFUSED, "filter": IS_FILTERED},
    where=_IS_ANY,
    gather=_count_refusals,
)


@metric(_REFUSAL_AND_FILTER_RATE)
def refusal_and_filter_rate(
    choices: Choices, **options: Unpack[MetricOptions]
) -> pl.DataFrame:
    """Compute how often a model refused, or a filter removed its answer.

    A choice was refused if it has the text of a refusal, or ended by ``refusal``, and
    filtered if it ended by ``content_filter``; a response, if any of its choices was.

    Notes
    -----
    Dropped text is recognized by content that has a length and is null; then each
    choice of that log that has no text may have been a refusal. For this, the column
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
    return compute(_REFUSAL_AND_FILTER_RATE, choices, options)


_NO_REASON = "responses_without_reason"
_CUT = _IS_FIRST & pl.col("~any_truncated")


_TRUNCATION_RATE = MetricSpec(
    "truncation_rate",
    (
        count("responses", _IS_FIRST, "calls"),
        count(
            _NO_REASON,
            _IS_FIRST & ~pl.col("~any_has_reason"),
            meaning="responses of which no choice reports a reason",
        ),
        count("responses_truncated", _CUT, "cut off")._replace(unseen=_NO_REASON),
        ratio(
            "response_rate",
            "responses_truncated",
            pl.col("responses") - pl.col(_NO_REASON),
            "share of calls",
            "truncated / those that report a reason",
            unseen=_NO_REASON,
        ),
        count("choices", _IS_CHOICE, "answers"),
        count(_WITHOUT_REASON, _IS_CHOICE & ~_HAS_REASON),
        count("choices_truncated", _IS_CHOICE & IS_TRUNCATED)._replace(
            unseen=_WITHOUT_REASON, of="choices"
        ),
        ratio(
            "choice_rate",
            "choices_truncated",
            pl.col("choices") - pl.col(_WITHOUT_REASON),
            meaning="truncated / those that report a reason",
            unseen=_WITHOUT_REASON,
            of="choices",
        ),
        total(
            "total_tokens",
            pl.when(_IS_FIRST).then(TOTAL),
            "tokens",
            "tokens of all responses",
            "responses_without_usage",
        ),
        count(
            "responses_without_usage",
            _IS_FIRST & is_unseen("total_tokens"),
            "calls without full usage",
            "responses that do not report all of total_tokens",
        ),
        *tokens_of("truncated", _CUT, "tokens in these", (_NO_REASON,)),
        money(
            "cost_truncated",
            pl.when(_CUT).then("cost"),
            "cost of these",
            "USD of the truncated responses: a lower bound if some are unpriced",
            "responses_truncated_unpriced",
            "responses_truncated",
        )._replace(unsure=(_NO_REASON,)),
        count(
            "responses_truncated_unpriced",
            _CUT & (pl.col("cost_source") == "unpriced"),
            meaning="truncated responses of unknown cost",
        ),
    ),
    main="responses",
    title="Truncated answers",
    shape="ratio",
    draws=("response_rate",),
    any_of={"truncated": IS_TRUNCATED, "has_reason": _HAS_REASON},
    where=_IS_ANY,
    costs="cost",
    priced=_CUT,
)


@metric(_TRUNCATION_RATE)
def truncation_rate(choices: Choices, **options: Unpack[MetricOptions]) -> pl.DataFrame:
    """Compute how often answers were cut off at the token limit, and what those cost.

    A choice is truncated if it ended by ``length``, a response if any choice of it is.

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
    return compute(_TRUNCATION_RATE, choices, options)
