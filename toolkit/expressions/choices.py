"""polars expressions over choices, and the conversion of choices to responses.

Token counts are stored once per response, on its first choice: filter choices with
`any_choice`, count calls with `responses`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, TypeVar, cast, overload

import polars as pl

from toolkit.errors import (
    MissingColumnsError,
    OptionTypeError,
    PartialResponsesWarning,
    UnsuitableColumnError,
    plural,
)
from toolkit.formatting.parameters import check_type
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from toolkit.schema.columns import ArrowStream

_Frame = TypeVar("_Frame", bound="pl.DataFrame | pl.LazyFrame")
_END = "~end"
RESPONSE_KEY = ("log_id", "line")
# Every load numbers its logs from 0; of two loads only the sources differ, and of two
# logs of the same name only the responses.
SOURCE = "source"
_HASH = "response_hash"
# The type of costs in USD, and the column that `toolkit.pricing.costs` adds.
MONEY, LIST_PRICE = pl.Decimal(38, 12), "~list_price"


def first_choice() -> pl.Expr:
    """Return whether a row is the first choice of its response, which has its usage.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"choice_position": 0}, {"choice_position": 1})
    >>> choices.filter(first_choice()).height
    1
    """
    return (pl.col("choice_position") == 0).alias("first_choice")


USAGE = ("prompt_tokens", "completion_tokens", "total_tokens")


def reported_usage() -> pl.Expr:
    """Return prompt, completion and total tokens; null where all three are 0.

    No call uses 0 tokens: such usage is a placeholder, and what was used is unknown.
    """
    is_empty = pl.all_horizontal(pl.col(USAGE) == 0).fill_null(False)
    return pl.when(~is_empty).then(pl.col(USAGE))


def is_unseen(column: str) -> pl.Expr:
    """Return whether a response does not report a count, or not all of it.

    Of several steps Anthropic's usage may count the last alone: then `usage_problem` is
    ``iterations``. Of a stream that was cut off it is ``cut_off``.
    """
    problem = pl.col("usage_problem")
    is_partial = problem.eq_missing("iterations") | problem.eq_missing("cut_off")
    return pl.col(column).is_null() | is_partial


def with_models(frame: _Frame) -> _Frame:
    """Return a frame with the requested model where the response names none.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> choices = make_choices({"model": None, "requested_model": "nova"})
    >>> with_models(choices)["model"].item()
    'nova'
    """
    if not {"model", "requested_model"} <= set(frame.collect_schema().names()):
        return frame
    named = pl.col("model", "requested_model").cast(pl.String)
    model = pl.coalesce(named).alias("model")
    return cast("_Frame", frame.with_columns(model))


def any_choice(condition: pl.Expr) -> pl.Expr:
    """Return whether a condition is true for any choice of the response of each row.

    A filter with it keeps whole responses, and so their usage.

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
    expected = "a polars expression such as pl.col('finish_reason') == 'stop'"
    check_type("condition", condition, pl.Expr, expected)
    # The pattern matches nothing if the frame lacks both. It is inside a struct: an
    # expression of only such a pattern would be left out.
    apart = pl.col(f"^({SOURCE}|{_HASH})$")
    return condition.any().over(pl.struct(*RESPONSE_KEY, apart))


def reports_usage() -> pl.Expr:
    """Return whether a response reports any of the three token counts.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> make_choices({"prompt_tokens": 5}, {}).filter(reports_usage()).height
    1
    """
    counts = pl.col("prompt_tokens", "completion_tokens", "total_tokens")
    return pl.any_horizontal(counts.is_not_null()).alias("reports_usage")


def is_unfinished() -> pl.Expr:
    """Return whether a choice is of a streamed response and has no finish reason."""
    is_streamed = pl.col("chunk_count").is_not_null()
    return is_streamed & pl.col("finish_reason").is_null()


def as_frame(
    choices: pl.DataFrame | pl.LazyFrame | ArrowStream,
) -> pl.DataFrame | pl.LazyFrame:
    """Return choices as a polars frame; raise `OptionTypeError` for anything else."""
    if isinstance(choices, pl.DataFrame | pl.LazyFrame):
        return choices
    if hasattr(choices, "__arrow_c_stream__"):
        return pl.DataFrame(choices)
    hint = ": toolkit.load() reads a log"
    expected = "a frame of choices"
    raise OptionTypeError("choices", choices, expected=expected, hint=hint)


def check_columns(frame: pl.DataFrame | pl.LazyFrame, needed: Sequence[str]) -> None:
    """Raise `MissingColumnsError` if a frame lacks a column, without collecting it."""
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
    """Convert choices to responses, one row each.

    Parameters
    ----------
    choices
        One row per choice; see `toolkit.schema.CHOICES`. A polars frame, or anything
        with ``__arrow_c_stream__``. Of tags and of your own columns the value of the
        first row is used.

    Returns
    -------
    pl.DataFrame or pl.LazyFrame
        Eager or lazy as `choices`, in the same order, with the columns of a response
        (grain R and U). `finish_reasons` is the list of the `finish_reason` of each
        choice: null for a choice without one, empty for a response without choices.
        The other columns of a choice are dropped.

    Raises
    ------
    MissingColumnsError
        If a column of the key, `choice_count` or `finish_reason` is missing.
    UnsuitableColumnError
        If a key of an eager frame belongs to several responses: loads of two logs of
        the same name were concatenated. A lazy frame cannot be checked: its responses
        are then kept apart by `response_hash`, and equal ones become one.

    Warns
    -----
    PartialResponsesWarning
        If choices of a response are missing from an eager frame: its usage may be
        missing too.

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
    choices = as_frame(choices)
    check_columns(choices, (*CHOICES.key, "choice_count", "finish_reason"))
    key = response_key(choices)
    if isinstance(choices, pl.DataFrame):
        check_responses(choices, needs_key=True)
    names = choices.collect_schema().names()
    if isinstance(choices, pl.LazyFrame) and _HASH in names:
        key = (*key, _HASH)
    grains = {name: CHOICES[name].grain if name in CHOICES else "R" for name in names}
    facts = [
        # The row with the usage may be any of the rows of the response.
        pl.col(name).max() if grain == "U" else pl.col(name).first()
        for name, grain in grains.items()
        if grain != "C" and name not in key
    ]
    reasons = pl.col("finish_reason").sort_by("choice_position")
    one_row_each = (
        choices.lazy()
        .group_by(*key, maintain_order=True)
        .agg(*facts, reasons.filter(pl.col("choice_count") > 0).alias("finish_reasons"))
        .select(*[name for name in names if grains[name] != "C"], "finish_reasons")
    )
    return one_row_each.collect() if isinstance(choices, pl.DataFrame) else one_row_each


def response_key(choices: pl.DataFrame | pl.LazyFrame) -> tuple[str, ...]:
    """Return the columns that identify a response: with the source if there is one.

    A log_id is unique within a load, but each load begins at 0.
    """
    if SOURCE not in choices.collect_schema().names():
        return RESPONSE_KEY
    if isinstance(choices, pl.DataFrame) and _is_in_order(choices):
        return RESPONSE_KEY
    return (*RESPONSE_KEY, SOURCE)


def _is_in_order(choices: pl.DataFrame) -> bool:
    """Return whether rows are in the order of a load: each log_id is one source."""
    log, line = map(pl.col, RESPONSE_KEY)
    same_log = log == log.shift()
    broken = (log < log.shift()) | (same_log & (line < line.shift()))
    same_line = same_log & (line == line.shift())
    for name, together in ((SOURCE, same_log), (_HASH, same_line)):
        if name in choices.columns:
            broken |= together & pl.col(name).ne_missing(pl.col(name).shift())
    if (name := "choice_position") in choices.columns:
        broken |= same_line & (pl.col(name) <= pl.col(name).shift())
    unknown = log.is_null() | line.is_null()
    return not choices.select((broken | unknown).any()).item()


def _count_responses(choices: pl.DataFrame | pl.LazyFrame) -> tuple[int, int]:
    """Count the responses with missing choices, and the keys of several responses."""
    if isinstance(choices, pl.DataFrame) and _is_in_order(choices):
        groups = _runs(choices)
    else:
        # How often a key occurs: by its first choices, other bytes and repeated places.
        places = pl.col("choice_position")
        times = [first_choice().sum(), pl.len() - places.n_unique() + 1]
        if _HASH in choices.collect_schema().names():
            times.append(pl.col(_HASH).n_unique())
        groups = (
            choices.lazy()
            .group_by(*response_key(choices))
            .agg(
                pl.len().alias("present"),
                pl.col("choice_count").max().alias("expected"),
                pl.max_horizontal(times).alias("firsts"),
            )
        )
    present = pl.col("present").cast(pl.Int64)
    expected = pl.max_horizontal(pl.col("expected").cast(pl.Int64), pl.lit(1))
    counts = groups.select(
        (present < expected).sum().alias("missing"),
        ((pl.col("firsts") > 1) | (present > expected)).sum().alias("repeated"),
    )
    missing, repeated = counts.collect().row(0)
    return missing, repeated


def _runs(choices: pl.DataFrame) -> pl.LazyFrame:
    """Count the rows of each response of a frame in order, without groups (faster)."""
    log, line = map(pl.col, RESPONSE_KEY)
    begins = log.ne_missing(log.shift()) | line.ne_missing(line.shift())
    columns = {"row": pl.int_range(pl.len()), "begins": begins}
    starts = choices.lazy().select("choice_count", **columns).filter("begins")
    following = pl.col("row").shift(-1, fill_value=choices.height)
    return starts.select(
        (following - pl.col("row")).alias("present"),
        pl.col("choice_count").alias("expected"),
        pl.lit(1).alias("firsts"),  # positions rise, so that each is there once
    )


def check_responses(choices: pl.DataFrame, *, needs_key: bool) -> None:
    """Warn if choices are missing, and check that each key is one response.

    A frame that lacks the columns for this is not checked.
    If a key belongs to several responses, raise `UnsuitableColumnError` if the caller
    `needs_key`; otherwise warn, because responses may occur twice.
    """
    if not {*CHOICES.key, "choice_count"} <= set(choices.columns):
        return
    picked, repeated = _count_responses(choices)
    if picked:
        warnings.warn(
            f"choices of {plural(picked, 'response')} are missing, so usage may be "
            "missing too: filter with toolkit.expressions.any_choice()",
            PartialResponsesWarning,
            stacklevel=3,
        )
    if not repeated:
        return
    why = (
        f"does not identify a response ({plural(repeated, 'key')} shared by "
        "several responses): load the logs together, or give each frame its own log_id"
    )
    if needs_key:
        raise UnsuitableColumnError("line", why=why)
    warnings.warn(f"column 'line' {why}", PartialResponsesWarning, stacklevel=3)


def iter_batches(rows: pl.LazyFrame, size: int) -> Iterator[pl.DataFrame]:
    """Yield rows in batches; raise KeyboardInterrupt at Ctrl-C.

    At Ctrl-C polars ends the batches as if all were there: only a last row shows that.
    """
    end = pl.LazyFrame({_END: [True]})
    marked = pl.concat([rows, end], how="diagonal")
    for batch in marked.collect_batches(chunk_size=size, maintain_order=True):
        is_last = batch[_END][-1]
        yield batch.drop(_END).head(batch.height - bool(is_last))
        if is_last:
            return
    raise KeyboardInterrupt
