"""Tokens: how many, and how many responses report them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

import polars as pl

from toolkit.metrics.engine import compute
from toolkit.metrics.groups import Computation, group
from toolkit.metrics.measures import (
    RESPONSES,
    SILENT,
    TOTAL_TOKENS,
    WITHOUT_USAGE,
    Measure,
    ratio,
    total,
    unseen,
)
from toolkit.metrics.registry import metric
from toolkit.metrics.spec import Key, MetricSpec
from toolkit.schema.tables import USAGE_COLUMNS

if TYPE_CHECKING:
    from toolkit.metrics.options import Choices, MetricOptions


def _sum_of(
    kind: str, label: str, meaning: str = "", unseen_label: str = ""
) -> tuple[Measure, Measure]:
    """Return the sum of a column of tokens, and how many responses do not report it."""
    name, missing = f"{kind}_tokens", f"{kind}_unseen"
    return (
        total(name, name, label, meaning, missing),
        unseen(missing, name, unseen_label),
    )


_TOKEN_USAGE = MetricSpec(
    "token_usage",
    (
        RESPONSES,
        WITHOUT_USAGE,
        *_sum_of("prompt", "read", "tokens, cached ones included"),
        *_sum_of("completion", "written", "tokens of all choices"),
        TOTAL_TOKENS,
        *_sum_of("cached", "from cache", unseen_label=SILENT),
        *_sum_of("reasoning", "reasoning", unseen_label=SILENT),
    ),
    main="total_tokens",
    title="Tokens",
    draws=(
        "total_tokens",
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "reasoning_tokens",
    ),
)


@metric(_TOKEN_USAGE)
def token_usage(choices: Choices, **options: Unpack[MetricOptions]) -> pl.DataFrame:
    """Sum the tokens of each model in each period.

    Raises
    ------
    MissingColumnsError
        If `choices` lacks a column that is needed; before anything is collected.
    UnsuitableColumnError
        If `by` names a column of a choice or a token count.
    OptionError
        If an option is unknown or has a wrong value.
    TotalOverflowError
        If a sum does not fit into 64 bits.

    Warns
    -----
    PartialResponsesWarning
        If rows of an eager frame were removed, so that usage may be missing.

    Notes
    -----
    A response counts once, however many choices it has. One that does not report a
    count adds nothing to its sum, which is then a lower bound, and null if no response
    reports it. Without `total_tokens` a response counts in `responses_without_usage`,
    and prompt plus completion, if reported, in the sum; so does one whose usage leaves
    out steps, or of a stream that was cut off (`usage_problem` is ``iterations`` or
    ``cut_off``). Where all three are 0, they are
    a placeholder and count as not reported. Undated responses are in rows
    with a null period, so that the rows cover all responses.

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
    │ gpt-b ┆ 1         ┆ null         │
    └───────┴───────────┴──────────────┘
    """
    return compute(_TOKEN_USAGE, choices, options)


def _count_usage_columns(work: Computation) -> pl.DataFrame:
    """Gather one wide row a group, and return a row for each usage column."""
    keys = [*work.when, *work.query.by]
    wide = group(
        work.rows,
        work.keys,
        pl.len().alias("responses"),
        pl.col(USAGE_COLUMNS).count(),
    )
    names = {"variable_name": "tokens", "value_name": "reported"}
    return work.folded(wide.unpivot(USAGE_COLUMNS, index=[*keys, "responses"], **names))


_USAGE_COVERAGE = MetricSpec(
    "usage_coverage",
    (
        RESPONSES,
        Measure(
            "reported",
            label="calls that report it",
            meaning="responses in which that column is not null",
        ),
        ratio("coverage", "reported", "responses", "share"),
    ),
    main="responses",
    title="Usage reported",
    shape="ratio",
    draws=("coverage",),
    adds_up=False,
    needs=USAGE_COLUMNS,
    keys=(Key("tokens", pl.String, "kind", "name of a usage column", USAGE_COLUMNS),),
    gather=_count_usage_columns,
)


@metric(_USAGE_COVERAGE)
def usage_coverage(choices: Choices, **options: Unpack[MetricOptions]) -> pl.DataFrame:
    """Compute which share of the responses reports each column of usage.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"prompt_tokens": 5}, {})
    >>> usage_coverage(choices).select("tokens", "reported", "coverage").rows()[:2]
    [('prompt_tokens', 1, 0.5), ('completion_tokens', 0, 0.0)]
    """
    return compute(_USAGE_COVERAGE, choices, options)
