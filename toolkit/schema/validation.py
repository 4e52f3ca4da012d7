"""The gate: pandera enforces the schema. The only module that imports it.

`import pandera.polars` takes over a second, so it is imported on first use; and a call
takes 15 ms whatever its size, so callers validate 64,000 rows or more at a time. Each
check of a schema takes it a millisecond: what must hold in a row is asked as one
question first, and one by one only if the answer is no.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

import polars as pl

from toolkit.errors import ValidationError, check_word, near_miss
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from pandera.polars import Check, Column, DataFrameSchema

    from toolkit.schema.columns import ArrowStream, Table
    from toolkit.schema.columns import Column as Declared

Extra = Literal["allow", "forbid"]


def validate(
    frame: pl.DataFrame | ArrowStream,
    *,
    table: Table = CHOICES,
    extra: Extra = "allow",
) -> pl.DataFrame:
    """Pass a frame that keeps the schema, or raise one error that lists all failures.

    Parameters
    ----------
    frame
        A frame with the columns of `table`, in its order and with its dtypes; or
        anything with ``__arrow_c_stream__``, which is then returned as a frame.
    table
        The schema; `toolkit.schema.CHOICES` unless said otherwise.
    extra
        ``"allow"`` lets tags and the caller's own columns stand behind those of the
        schema; ``"forbid"`` does not.

    Returns
    -------
    pl.DataFrame
        The frame itself.

    Raises
    ------
    ValidationError
        With a sentence for each failure: the column, the rule, how many rows and
        which is the first. The cells stand in its `failure_cases`.
    TypeError
        If `frame` is a LazyFrame, of which values cannot be checked.

    Examples
    --------
    >>> from toolkit.testing import make_choices
    >>> validate(make_choices({"prompt_tokens": 5})).height
    1
    """
    if not isinstance(frame, pl.DataFrame | pl.LazyFrame):
        frame = pl.DataFrame(frame)
    if isinstance(frame, pl.LazyFrame):
        message = "validate needs a DataFrame, got a LazyFrame: collect it first"
        raise TypeError(message)
    check_word("extra", extra, get_args(Extra))
    failures = _column_failures(frame, table, extra)
    if failures:
        raise ValidationError(failures)
    # Imported here: pandera is slow to import.
    from pandera.errors import SchemaError, SchemaErrors

    own = frame.select(table.names)
    with suppress(SchemaError):
        _pandera_schema(table, at_once=True).validate(own)
        return frame
    cases = None
    try:
        _pandera_schema(table).validate(own, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
    # Raised here, so that no error of pandera, which tells cells, stands behind it.
    if cases is None:
        raise ValidationError(["its limits and rules do not hold together"])
    raise ValidationError(_sentences(cases), failure_cases=cases)


def _column_failures(frame: pl.DataFrame, table: Table, extra: Extra) -> list[str]:
    """Say what is wrong with names, order and dtypes."""
    failures = [
        f"no column {name!r}{near_miss(name, frame.columns)}"
        for name in table.names
        if name not in frame.columns
    ]
    failures += [
        f"column {name!r} is {_named(frame.schema[name])}, expected {dtype}"
        for name, dtype in table.polars.items()
        if name in frame.columns and frame.schema[name] != dtype
    ]
    if extra == "forbid":
        failures += [
            f"column {name!r} is not in the schema"
            for name in frame.columns
            if name not in table
        ]
    if not failures and frame.columns[: len(table.names)] != table.names:
        failures.append("the schema's columns stand in another order")
    return failures


def _named(dtype: pl.DataType) -> str:
    """Name a dtype without the categories of an Enum, which are cells."""
    return str(dtype.base_type() if isinstance(dtype, pl.Enum) else dtype)


@cache
def _pandera_schema(table: Table, *, at_once: bool = False) -> DataFrameSchema:
    """Build the pandera schema of a table from its declaration.

    `at_once` makes one check of all limits and rules: it does not say which one fails,
    nor where.
    """
    # Imported here: pandera is slow to import.
    from pandera.polars import Check, DataFrameSchema

    columns = {
        column.name: _pandera_column(column, with_limits=not at_once)
        for column in table.columns
    }
    rules = [
        Check(
            lambda data, holds=rule.holds: data.lazyframe.select(holds),
            name=rule.name,
            error=rule.description,
        )
        for rule in table.rules
    ]
    if at_once:
        holds = _together(table)
        rules = [Check(lambda data: data.lazyframe.select(holds).collect().item())]
    if table.key:
        # pandera's own check of uniqueness sorts whole rows; this hashes the key.
        rules.append(
            Check(
                lambda data: data.lazyframe.select(pl.struct(table.key).is_unique()),
                name="key_is_unique",
                error=f"({', '.join(table.key)}) is unique",
            )
        )
    return DataFrameSchema(columns, checks=rules, strict=True, ordered=True)


def _together(table: Table) -> pl.Expr:
    """Say whether all holds that must hold in a row; null holds, as pandera has it."""
    holds = [rule.holds for rule in table.rules]
    for column in table.columns:
        if column.minimum is not None:
            holds.append(pl.col(column.name) >= column.minimum)
        if column.maximum is not None:
            holds.append(pl.col(column.name) <= column.maximum)
    return pl.all_horizontal(pl.lit(value=True), *holds).fill_null(value=True).all()


def _pandera_column(column: Declared, *, with_limits: bool) -> Column:
    """Build one pandera column."""
    # Imported here: pandera is slow to import.
    from pandera.polars import Check, Column

    checks: list[Check] = []
    if with_limits and column.minimum is not None:
        checks.append(Check.ge(column.minimum))
    if with_limits and column.maximum is not None:
        checks.append(Check.le(column.maximum))
    return Column(column.dtype, nullable=column.nullable, checks=checks)


def _sentences(cases: pl.DataFrame) -> list[str]:
    """Say each kind of failure once, with its count and first row, without cells."""
    grouped = (
        cases.group_by("column", "check", maintain_order=True)
        .agg(pl.len().alias("rows"), pl.col("index").min().alias("first"))
        .rows(named=True)
    )
    return [
        (f"column {row['column']!r}: " if row["column"] else "")
        + f"{row['check']} fails in {row['rows']:,} rows, first in row {row['first']}"
        for row in grouped
    ]
