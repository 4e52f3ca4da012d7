"""Validate frames: by one polars expression, and by pandera if that fails.

The pandera models of the tables find every failure and where it is, but pandera takes
half a second to import, and a millisecond for each check. Most frames are valid. So
`passes` checks everything at once first, and tests compare its result with pandera's.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal, NoReturn, get_args

import polars as pl

from toolkit.errors import ValidationError, check_word, near_miss, plural
from toolkit.schema.rules import rules_of
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    import pyarrow as pa

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
    if not _rows_pass(frame, table):
        report_failures(frame, table)
    return frame


def passes(frame: pl.DataFrame, table: Table, *, partial: bool = False) -> bool:
    """Return whether a frame matches its table, as the pandera model of the table does.

    Parameters
    ----------
    frame
        The frame; columns that the table does not have are allowed.
    table
        The table.
    partial
        Whether columns of the table may be missing. Those that are there are checked,
        and the rules whose columns are all there.
    """
    return not _column_failures(frame, table, partial=partial) and _rows_pass(
        frame, table
    )


def validate_rows(rows: pa.Table, table: Table) -> None:
    """Raise as `validate` unless Arrow rows match their table.

    Columns without a limit or a rule, such as text, are not converted.
    """
    checked = {*table.key}.union(*(names for names, _ in _conditions(table)))
    names = [name for name in rows.column_names if name in checked]
    same = rows.schema.equals(table.arrow)
    if not same or not passes(pl.DataFrame(rows.select(names)), table, partial=True):
        validate(rows, table=table)


def report_failures(frame: pl.DataFrame, table: Table) -> NoReturn:
    """Raise an error with every failure in the columns that are there, by pandera."""
    # Imported here: pandera is slow to import.
    from pandera.errors import SchemaErrors

    from toolkit.schema.models import MODELS

    schema, cases = MODELS[table.name].to_schema(), None
    part = frame.select(name for name in schema.columns if name in frame.columns)
    failures = [f"a limit or a rule of the table {table.name} fails"]
    try:
        schema.select_columns(part.columns).validate(part, lazy=True)
    except SchemaErrors as error:
        # A rule that lacks a column has failed in no row.
        cases = error.failure_cases.filter(pl.col("index").is_not_null())
        failures = _row_failures(cases) or failures
    # Not raised from pandera's error, whose message contains cells.
    raise ValidationError(failures, failure_cases=cases)


def _column_failures(
    frame: pl.DataFrame, table: Table, extra: Extra = "allow", *, partial: bool = False
) -> list[str]:
    """Return what is wrong with the names, dtypes and order of columns."""
    schema = frame.schema
    names = [name for name in table.names if not partial or name in schema]
    failures = [
        f"no column {name!r}{near_miss(name, frame.columns)}"
        for name in names
        if name not in schema
    ]
    failures += [
        f"{name}: expected {dtype}, got {_dtype_name(schema[name])}"
        for name, dtype in table.polars.items()
        if name in schema and schema[name] != dtype
    ]
    if extra == "forbid":
        failures += [
            f"{name}: not a column of the table {table.name}"
            for name in schema
            if name not in table
        ]
    if not failures:
        order = [name for name in schema if name in table]
        failures += [
            f"order of columns: expected {expected!r}, got {name!r}: "
            "select() the names of the table first"
            for name, expected in zip(order, names, strict=True)
            if name != expected
        ][:1]
    return failures


def _dtype_name(dtype: pl.DataType) -> str:
    """Return the name of a dtype without the categories of an Enum, which are cells."""
    return str(dtype.base_type() if isinstance(dtype, pl.Enum) else dtype)


def _rows_pass(frame: pl.DataFrame, table: Table) -> bool:
    """Return whether all rows meet the limits and rules of the columns that are there.

    A null meets every limit and rule, as in pandera.
    """
    there = set(frame.columns)
    met = [condition for names, condition in _conditions(table) if names <= there]
    if met and not all(frame.select(met).row(0)):
        return False
    if not table.key or not set(table.key) <= set(frame.columns):
        return True
    # Rows are mostly in the order of their key, which is cheaper to check.
    in_order, unique = _is_later(*table.key), pl.struct(table.key).is_unique()
    return any(frame.select(one.all()).item() for one in (in_order, unique))


@cache
def _conditions(table: Table) -> list[tuple[set[str], pl.Expr]]:
    """Return for each limit or rule its columns, and whether all rows meet it.

    The key is not among the rules.
    """
    found: list[pl.Expr] = []
    for column in table.columns:
        cells = pl.col(column.name)
        if not column.nullable:
            found.append(cells.null_count() == 0)
        if column.minimum is not None:
            found.append((cells >= column.minimum).all())
        if column.maximum is not None:
            found.append((cells <= column.maximum).all())
    found += [rule.condition.all() for rule in rules_of(table)]
    return [
        (set(condition.meta.root_names()), condition.alias(f"{place}"))
        for place, condition in enumerate(found)
    ]


def _is_later(name: str, *others: str) -> pl.Expr:
    """Return whether the key of a row is greater than that of the row before."""
    cell, before = pl.col(name), pl.col(name).shift()
    if not others:
        return cell > before
    return (cell > before) | ((cell == before) & _is_later(*others))


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
