"""What a metric measures, as declarations: how rows become figures, how figures add up.

A measure that is gathered comes from the rows; one that is derived comes from other
measures of the same table, once all rows were folded and all gaps filled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    # Groups of a table: "series" are the columns that name one, "period" those of time.
    Derive: TypeAlias = "Callable[[Sequence[str], Sequence[str]], pl.Expr]"

Fold = Literal["sum", "max", "min"]

MONEY = pl.Decimal(38, 12)
# Logprobs are added as whole numbers of 2^-40 nats, so that no order of the rows and no
# number of threads shows in the sum; a double holds none of them finer.
FINENESS = 2.0**40


class Measure(NamedTuple):
    """One figure of a table.

    `rows` gathers it from the rows of a group (a metric with a way of its own to gather
    names none), `derive` works it out from other measures; `fold`
    says how figures of two groups become that of both. `guard` is a sum of doubles that
    tells when the sum of int64 has wrapped.
    """

    name: str
    dtype: pl.DataType | type[pl.DataType] = pl.Int64
    rows: pl.Expr | None = None
    derive: Derive | None = None
    fold: Fold = "sum"
    guard: pl.Expr | None = None
    is_hidden: bool = False

    @property
    def agg(self) -> pl.Expr:
        """How the rows of a group make it."""
        return pl.lit(0) if self.rows is None else self.rows

    @property
    def folded(self) -> pl.Expr:
        """How figures of several series become one; sums are wide, to be checked."""
        figure = pl.col(self.name)
        if self.fold == "sum" and self.dtype == pl.Int64:
            return figure.cast(pl.Int128).sum()
        return cast("pl.Expr", getattr(figure, self.fold)())

    @property
    def additive(self) -> bool:
        """Whether a group without rows has 0 of it."""
        return self.derive is None and self.fold == "sum"


def count(name: str, condition: pl.Expr | None = None) -> Measure:
    """Count the rows, or those that meet a condition; null meets none."""
    rows = pl.len() if condition is None else condition.sum()
    return Measure(name, rows=rows.cast(pl.Int64))


def total(name: str, values: pl.Expr | str) -> Measure:
    """Sum whole numbers; nulls add nothing, and 64 bits never wrap in silence."""
    values = pl.col(values) if isinstance(values, str) else values
    return Measure(name, rows=values.sum(), guard=values.cast(pl.Float64).sum())


def unseen(name: str, column: str) -> Measure:
    """Count the rows in which a column is null: what its sum could not see."""
    return count(name, pl.col(column).is_null())


def money(name: str, values: pl.Expr) -> Measure:
    """Sum Decimals of US dollars, exactly."""
    return Measure(name, MONEY, rows=values.cast(MONEY).sum())


def largest(name: str, values: pl.Expr) -> Measure:
    """Return the greatest value; null where there is none."""
    return Measure(name, rows=values.max().cast(pl.Int64), fold="max")


def exact(name: str, values: pl.Expr) -> Measure:
    """Sum finite doubles as whole numbers of `FINENESS`: a part that is not shown."""
    fine = (values * FINENESS).round().cast(pl.Int128)
    return Measure(name, pl.Int128, rows=fine.sum(), is_hidden=True)


def ratio(name: str, numerator: str, denominator: str | pl.Expr) -> Measure:
    """Divide two measures; null where the denominator is 0."""
    below = pl.col(denominator) if isinstance(denominator, str) else denominator
    quotient = pl.when(below != 0).then(
        pl.col(numerator).cast(pl.Float64) / below.cast(pl.Float64)
    )
    return Measure(name, pl.Float64, derive=lambda _series, _period: quotient)


def whole(name: str, part: str, of: Literal["series", "period"]) -> Measure:
    """Sum a measure over all rows of a period, or of a period and series."""

    def derive(series: Sequence[str], period: Sequence[str]) -> pl.Expr:
        groups = [*period, *(series if of == "series" else ())]
        # Wider than int64, whose sum would wrap in silence: the engine checks it.
        added = pl.col(part).cast(pl.Int128).sum()
        return added.over(groups) if groups else added

    return Measure(name, derive=derive)


def derived(name: str, expression: pl.Expr) -> Measure:
    """Work out a double from other measures."""
    return Measure(name, pl.Float64, derive=lambda _series, _period: expression)
