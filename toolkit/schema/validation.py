"""Validate frames with pandera.

`import pandera.polars` takes over a second, so it is imported on first use. A call
takes 15 ms whatever the size of the frame, so callers validate 64,000 rows or more at a
time. Each check takes pandera a millisecond: all limits and rules are checked as one
first, and one by one only if that fails.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from toolkit.errors import ValidationError, check_word, near_miss, plural
from toolkit.schema.rules import rules_of
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from pandera.polars import DataFrameSchema

    from toolkit.schema.columns import ArrowStream, Table

Extra = Literal["allow", "forbid"]


def validate(
    frame: pl.DataFrame | ArrowStream,
    *,
    table: Table = CHOICES,
    extra: Extra = "allow",
) -> pl.DataFrame:
    """Return a frame that matches its table, or raise one error with every failure.

    `toolkit.schema.Choices`, `Rejects` and `Ledger` are pandera models of the tables.

    Parameters
    ----------
    frame
        A frame with the columns of `table`, in the same order and with the same dtypes.
        Anything with ``__arrow_c_stream__`` is converted to a frame.
    table
        The table; `toolkit.schema.CHOICES` by default.
    extra
        Whether other columns are allowed, such as tags: ``"allow"`` or ``"forbid"``.

    Returns
    -------
    pl.DataFrame
        The frame itself.

    Raises
    ------
    ValidationError
        With a sentence for each failure: the column, what must be true, for how many
        rows it is not, and the first of them. Its `failure_cases` has the cells.
    TypeError
        If `frame` is neither a DataFrame nor Arrow data, such as a LazyFrame.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> validate(make_choices({"prompt_tokens": 5})).height
    1
    """
    check_word("extra", extra, get_args(Extra))
    if isinstance(frame, pl.LazyFrame) or not hasattr(frame, "__arrow_c_stream__"):
        hint = ": call collect() first" if isinstance(frame, pl.LazyFrame) else ""
        kind = type(frame).__name__
        message = f"frame: expected a DataFrame or Arrow data, got a {kind}{hint}"
        raise TypeError(message)
    if not isinstance(frame, pl.DataFrame):
        frame = pl.DataFrame(frame)
    failures = _column_failures(frame, table, extra)
    if failures:
        raise ValidationError(failures)
    # Imported here: pandera is slow to import.
    from pandera.errors import SchemaError, SchemaErrors

    from toolkit.schema.models import MODELS

    with suppress(SchemaError):
        _combined_schema(table).validate(frame.select(table.names))
        return frame
    failures, cases = [f"a limit or a rule of the table {table.name} fails"], None
    try:
        schema = MODELS[table.name].to_schema()
        schema.validate(frame.select(*schema.columns), lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        failures = _row_failures(cases)
    # Not raised from pandera's error, whose message contains cells.
    raise ValidationError(failures, failure_cases=cases)


def _column_failures(frame: pl.DataFrame, table: Table, extra: Extra) -> list[str]:
    """Return what is wrong with the names, dtypes and order of columns."""
    failures = [
        f"no column {name!r}{near_miss(name, frame.columns)}"
        for name in table.names
        if name not in frame.columns
    ]
    failures += [
        f"{name}: expected {dtype}, got {_dtype_name(frame.schema[name])}"
        for name, dtype in table.polars.items()
        if name in frame.columns and frame.schema[name] != dtype
    ]
    if extra == "forbid":
        failures += [
            f"{name}: not a column of the table {table.name}"
            for name in frame.columns
            if name not in table
        ]
    if not failures:
        order = [name for name in frame.columns if name in table]
        failures += [
            f"order of columns: expected {expected!r}, got {name!r}: "
            "select() the names of the table first"
            for name, expected in zip(order, table.names, strict=True)
            if name != expected
        ][:1]
    return failures


def _dtype_name(dtype: pl.DataType) -> str:
    """Return the name of a dtype without the categories of an Enum, which are cells."""
    return str(dtype.base_type() if isinstance(dtype, pl.Enum) else dtype)


@cache
def _combined_schema(table: Table) -> DataFrameSchema:
    """Return a schema with one check, which does not show what fails, nor where."""
    # Imported here: pandera is slow to import.
    from pandera.polars import Check, Column, DataFrameSchema

    conditions = [rule.condition for rule in rules_of(table)]
    for column in table.columns:
        cells = pl.col(column.name)
        conditions += [] if column.minimum is None else [cells >= column.minimum]
        conditions += [] if column.maximum is None else [cells <= column.maximum]
    # A null meets every condition, as in pandera.
    all_met = (
        pl.all_horizontal(pl.lit(value=True), *conditions).fill_null(value=True).all()
    )
    return DataFrameSchema(
        {one.name: Column(one.dtype, nullable=one.nullable) for one in table.columns},
        checks=[Check(lambda data: data.lazyframe.select(all_met).collect().item())],
    )


def _row_failures(cases: pl.DataFrame) -> list[str]:
    """Return a sentence for each check that fails, without cells."""
    grouped = cases.group_by("column", "check", maintain_order=True)
    failures = []
    for column, check, rows, first in grouped.agg(
        pl.len(), pl.col("index").min().alias("first")
    ).iter_rows():
        must, verb = check, "is not" if rows == 1 else "are not"
        if check == "not_nullable":
            must, verb = "must not be null", verb.removesuffix(" not")
        rest = f"{plural(rows, 'row')} {verb} (first: row {first})"
        failures.append(f"{column}: {must}; {rest}")
    return failures
