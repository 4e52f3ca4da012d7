"""polars expressions with a name, and the way from choices to responses.

Usage belongs to the response and stands on its first choice: pick choices with
`any_choice`, count calls with `responses`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, overload

import polars as pl

from toolkit.errors import (
    MissingColumnsError,
    PartialResponsesWarning,
    UnsuitableColumnError,
    plural,
)
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.schema.columns import ArrowStream

RESPONSE_KEY = ("log_id", "line")
# Every load counts its logs from 0: put together, their sources tell them apart.
SOURCE = "source"


def first_choice() -> pl.Expr:
    """Say whether a row is the first of its response: the one that bears its usage.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"choice_position": 0}, {"choice_position": 1})
    >>> choices.filter(first_choice()).height
    1
    """
    return (pl.col("choice_position") == 0).alias("first_choice")


def any_choice(condition: pl.Expr) -> pl.Expr:
    """Say of every row whether the condition holds for any choice of its response.

    Filter with it to pick whole responses, so that their usage stays in the frame.

    Examples
    --------
    >>> import polars as pl
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"choice_position": 0, "finish_reason": "stop", "choice_count": 2},
    ...     {"choice_position": 1, "finish_reason": "length", "choice_count": 2},
    ... )
    >>> choices.filter(any_choice(pl.col("finish_reason") == "length")).height
    2
    """
    # A frame without sources has none to tell responses apart by: the pattern then adds
    # nothing, and stands in a struct, as an expression with it would vanish as a whole.
    return condition.any().over(pl.struct(*RESPONSE_KEY, pl.col(f"^{SOURCE}$")))


def reports_usage() -> pl.Expr:
    """Say whether a response reports any of the three token counts.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> make_choices({"prompt_tokens": 5}, {}).filter(reports_usage()).height
    1
    """
    counts = pl.col("prompt_tokens", "completion_tokens", "total_tokens")
    return pl.any_horizontal(counts.is_not_null()).alias("reports_usage")


def check_columns(frame: pl.DataFrame | pl.LazyFrame, needed: Sequence[str]) -> None:
    """Raise `MissingColumnsError` if a frame lacks a column, before it is collected."""
    available = frame.collect_schema().names()
    missing = [name for name in needed if name not in available]
    if missing:
        raise MissingColumnsError(missing, available)


@overload
def responses(choices: pl.DataFrame) -> pl.DataFrame: ...
@overload
def responses(choices: pl.LazyFrame) -> pl.LazyFrame: ...
@overload
def responses(choices: ArrowStream) -> pl.DataFrame: ...
def responses(
    choices: pl.DataFrame | pl.LazyFrame | ArrowStream,
) -> pl.DataFrame | pl.LazyFrame:
    """Turn choices into responses: one row each.

    Parameters
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`. A polars frame, or anything
        with ``__arrow_c_stream__``. Tags and the caller's own columns are kept with
        the value of the first row.

    Returns
    -------
    pl.DataFrame or pl.LazyFrame
        As given, in the same order. The columns of a response (R and U) keep their
        names; `finish_reasons` lists the `finish_reason` of each choice, null where
        a choice has none, empty for a response without choices. The other columns of
        a choice are not kept.

    Raises
    ------
    MissingColumnsError
        If a column of the key, `choice_count` or `finish_reason` is missing.
    UnsuitableColumnError
        Of an eager frame, if its key names several responses: see `check_responses`.

    Warns
    -----
    PartialResponsesWarning
        Of an eager frame, if rows of a response are missing: its usage may be too.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices(
    ...     {"choice_position": 0, "finish_reason": "stop", "choice_count": 2},
    ...     {"choice_position": 1, "finish_reason": "length", "choice_count": 2},
    ... )
    >>> responses(choices)["finish_reasons"].to_list()
    [['stop', 'length']]
    """
    if not isinstance(choices, pl.DataFrame | pl.LazyFrame):
        choices = pl.DataFrame(choices)
    check_columns(choices, (*CHOICES.key, "choice_count", "finish_reason"))
    key = response_key(choices)
    if isinstance(choices, pl.DataFrame):
        check_responses(choices, needs_key=True)
    names = choices.collect_schema().names()
    grains = {name: CHOICES[name].grain if name in CHOICES else "R" for name in names}
    facts = [
        # The one row that bears usage may stand anywhere among the response's rows.
        pl.col(name).max() if grain == "U" else pl.col(name).first()
        for name, grain in grains.items()
        if grain != "C" and name not in key
    ]
    reasons = pl.col("finish_reason").sort_by("choice_position")
    one_row_each = (
        choices.lazy()
        .group_by(*key, maintain_order=True)
        .agg(
            *facts,
            reasons.filter(pl.col("choice_count") > 0).alias("finish_reasons"),
        )
        .select(*[name for name in names if grains[name] != "C"], "finish_reasons")
    )
    return one_row_each.collect() if isinstance(choices, pl.DataFrame) else one_row_each


def response_key(choices: pl.DataFrame | pl.LazyFrame) -> tuple[str, ...]:
    """Return the columns that tell responses apart: with the source where there is one.

    The log_id of a load tells its logs apart; two loads put together both begin at 0.
    """
    if SOURCE not in choices.collect_schema().names():
        return RESPONSE_KEY
    if isinstance(choices, pl.DataFrame) and _is_in_order(choices):
        return RESPONSE_KEY
    return (*RESPONSE_KEY, SOURCE)


def _is_in_order(choices: pl.DataFrame) -> bool:
    """Say whether rows stand as one load gives them, so that a log_id is one source."""
    log, line = map(pl.col, RESPONSE_KEY)
    same_log = log == log.shift()
    broken = (log < log.shift()) | (same_log & (line < line.shift()))
    if SOURCE in choices.columns:
        source = pl.col(SOURCE)
        broken = broken | (same_log & source.ne_missing(source.shift()))
    unknown = log.is_null() | line.is_null()
    return not choices.select((broken | unknown).any()).item()


def _count_responses(choices: pl.DataFrame | pl.LazyFrame) -> tuple[int, int]:
    """Count the responses with choices missing, and the keys of several responses."""
    if isinstance(choices, pl.DataFrame) and _is_in_order(choices):
        groups = _runs(choices).lazy()
    else:
        groups = (
            choices.lazy()
            .group_by(*response_key(choices))
            .agg(
                pl.len().alias("present"),
                pl.col("choice_count").max().alias("expected"),
                first_choice().sum().alias("firsts"),
            )
        )
    firsts = pl.col("firsts")
    present = pl.col("present").cast(pl.Int64)
    expected = pl.max_horizontal(pl.col("expected").cast(pl.Int64), pl.lit(1))
    picked, repeated = (
        groups.select(
            (present < expected).sum().alias("picked"),
            ((firsts > 1) | (present > expected)).sum().alias("repeated"),
        )
        .collect()
        .row(0)
    )
    return int(picked), int(repeated)


def _runs(choices: pl.DataFrame) -> pl.DataFrame:
    """Count the rows of each response, where those stand together: soon done."""
    log, line = map(pl.col, RESPONSE_KEY)
    begins = log.ne_missing(log.shift()) | line.ne_missing(line.shift())
    row = pl.int_range(pl.len())
    so_far = first_choice().cast(pl.Int64).cum_sum()
    return (
        choices.lazy()
        .select(
            begins.alias("begins"),
            row.alias("row"),
            pl.len().alias("rows"),
            pl.col("choice_count").alias("expected"),
            (so_far - first_choice().cast(pl.Int64)).alias("before"),
            so_far.last().alias("all"),
        )
        .filter(pl.col("begins"))
        .select(
            (pl.col("row").shift(-1).fill_null(pl.col("rows")) - pl.col("row")).alias(
                "present"
            ),
            "expected",
            (
                pl.col("before").shift(-1).fill_null(pl.col("all")) - pl.col("before")
            ).alias("firsts"),
        )
        .collect()
    )


def _count_picked(choices: pl.DataFrame | pl.LazyFrame) -> int:
    """Count the responses of which some choices are not in the frame."""
    return _count_responses(choices)[0]


def warn_of_picked_choices(choices: pl.DataFrame) -> None:
    """Warn if choices were picked out of responses, or responses are there twice."""
    check_responses(choices, needs_key=False)


def check_responses(choices: pl.DataFrame, *, needs_key: bool) -> None:
    """Warn if choices were picked; refuse a key that names several responses.

    Where nothing hangs on the key it warns of these, too: they may be there twice.
    """
    picked, repeated = _count_responses(choices)
    if picked:
        warnings.warn(
            f"choices of {plural(picked, 'response')} are missing: usage stands on the "
            "first choice and may be lost; pick with toolkit.expressions.any_choice()",
            PartialResponsesWarning,
            stacklevel=3,
        )
    if not repeated:
        return
    why = (
        f"is that of several responses {plural(repeated, 'time')}, as log_id and "
        "source are: load the logs together, or give each frame its own log_id"
    )
    if needs_key:
        raise UnsuitableColumnError("line", why=why)
    warnings.warn(f"column 'line' {why}", PartialResponsesWarning, stacklevel=3)
