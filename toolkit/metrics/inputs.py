"""What a metric is given: a frame of choices, checked and made fit before any work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from toolkit.errors import MissingColumnsError, UnsuitableColumnError
from toolkit.expressions.choices import (
    RESPONSE_KEY,
    SOURCE,
    check_columns,
    check_responses,
    response_key,
)
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from toolkit.metrics.options import Question
    from toolkit.metrics.spec import Declared
    from toolkit.schema.columns import ArrowStream

# Types that polars does not write as text.
_NO_TEXT = (pl.Binary, pl.Duration, pl.Object)


def frame_of(choices: ArrowStream) -> pl.DataFrame:
    """Take whatever has choices in it as a frame."""
    if hasattr(choices, "__arrow_c_stream__"):
        return pl.DataFrame(choices)
    message = (
        f"expected a frame of choices (polars, Loaded, anything of Arrow), "
        f"got {type(choices).__name__}"
    )
    raise TypeError(message)


def as_declared(
    frame: pl.DataFrame | pl.LazyFrame, needs: Sequence[str]
) -> list[pl.Expr]:
    """Give columns that another library has held the types of the schema again.

    pandas, for one, has no type for a column of nulls, and holds counts as doubles.
    """
    schema = frame.collect_schema()
    changed = []
    for name in needs:
        if name not in CHOICES or schema[name] == CHOICES[name].dtype:
            continue
        held, expected = schema[name], CHOICES[name].dtype
        column = pl.col(name)
        if held == pl.Null or (
            isinstance(frame, pl.DataFrame) and _is_void(frame[name])
        ):
            changed.append(pl.lit(None, expected).alias(name))
        elif isinstance(held, pl.Datetime) and name == "created":
            if held.time_zone is None:
                why = 'has no time zone: say which, as by .dt.replace_time_zone("UTC")'
                raise UnsuitableColumnError(name, why=why)
            changed.append(column.dt.cast_time_unit("us"))
        elif held.is_numeric() and expected.is_numeric():
            whole = column.fill_nan(None) if held.is_float() else column
            changed.append(whole.cast(expected))
        elif held.base_type() == expected.base_type() == pl.List:
            changed.append(column.cast(expected))
        elif expected != pl.String or held.is_nested() or held.is_numeric():
            raise UnsuitableColumnError(name, why=f"is {held}, and not {expected}")
    return changed


def _is_void(column: pl.Series) -> bool:
    """Say whether a column holds nothing at all."""
    return column.null_count() == len(column)


def check_types(frame: pl.LazyFrame, question: Question) -> None:
    """Refuse series that no text can name, where small ones are to be folded."""
    schema = frame.collect_schema()
    for name in question.by if question.top is not None else ():
        if schema[name].is_nested() or schema[name] in _NO_TEXT:
            raise UnsuitableColumnError(name, why="is no text: top=N cannot fold it")


def key_of(
    frame: pl.LazyFrame, declared: Declared, question: Question
) -> tuple[str, ...]:
    """Return what tells responses apart, for a metric that has to."""
    key: tuple[str, ...] = ()
    if declared.of_choices and own_columns(question):
        key = (*RESPONSE_KEY, "choice_count")
    if not set(RESPONSE_KEY) <= {*key, *declared.needs}:
        return ()
    return (*key, SOURCE) if SOURCE in frame.collect_schema().names() else key


def own_columns(question: Question) -> list[str]:
    """Return the columns of `by` that are no facts: tags and one's own."""
    return [name for name in question.by if name not in CHOICES]


def with_first_values(frame: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    """Give all choices of a response the value of the first, where it has several."""
    if not names:
        return frame
    has_several = (pl.col("choice_count") > 1).fill_null(True)
    first = pl.col(names).sort_by("choice_position").first()
    return pl.concat(
        [
            frame.filter(~has_several),
            frame.filter(has_several).with_columns(first.over(response_key(frame))),
        ]
    )


def check_rows(choices: pl.DataFrame, *, needs_key: bool) -> None:
    """Check that responses are whole, where the frame has what it takes to tell."""
    try:
        check_columns(choices, (*CHOICES.key, "choice_count"))
    except MissingColumnsError:
        return
    check_responses(choices, needs_key=needs_key)
