"""The measures of a metric: how rows become figures, and how figures add up.

A measure that is gathered comes from the rows; one that is derived comes from other
measures of the same table, once all rows were folded and all gaps filled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, cast

import polars as pl

from toolkit.expressions.choices import MONEY, is_unseen
from toolkit.formatting.figures import UNKNOWN, Bound, Figure
from toolkit.metrics.options import BEFORE, BOUND, CHANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    DataType: TypeAlias = pl.DataType | type[pl.DataType]
    # Groups of a table: "series" are the columns that name one, "period" those of time.
    Derive: TypeAlias = "Callable[[Sequence[str], Sequence[str]], pl.Expr]"

_SHARE = "share"  # the unit of what is written in percent
# Logprobs are added as whole numbers of 2^-40 nats, so that neither the order of the
# rows nor the number of threads changes the sum; a double holds nothing finer.
FINENESS = 2.0**40


class Measure(NamedTuple):
    """One figure of a table.

    Attributes
    ----------
    unit
        What is counted: ``"tokens"``, ``"responses"``, ``"USD"``; or ``"share"``.
    label
        What readers of charts and reports call it; by default the name in words.
    meaning
        What the table of the docstring says; by default the unit.
    rows
        Gathers the figure from the rows of a group.
    derive
        Computes it from other measures.
    fold
        How the figures of two groups become that of both.
    values
        The whole numbers that it sums: polars does not report a sum that wraps.
    unseen, of
        The measure that counts what this figure leaves out because it is unknown, and
        the one that counts all: where the first is not 0, the figure is a bound, and
        null if nothing in it is known.
    unsure
        Further counts of what is left out, which `of` does not include.
    bound
        What the figure is where something is unseen: a sum is a lower bound.
    part, whole
        Of a ratio: the measure above, and what it is divided by. `derive` uses no other
        measures: charts sum them over series.
    """

    name: str
    dtype: DataType = pl.Int64
    unit: str = "responses"
    label: str = ""
    meaning: str = ""
    rows: pl.Expr | None = None
    derive: Derive | None = None
    fold: Literal["sum", "max", "min"] = "sum"
    values: pl.Expr | None = None
    unseen: str | None = None
    of: str = "responses"
    unsure: tuple[str, ...] = ()
    bound: Bound = "lower"
    part: str | None = None
    whole: pl.Expr | None = None

    @property
    def title(self) -> str:
        """What readers call it."""
        return self.label or self.name.replace("_", " ")

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

    @property
    def is_money(self) -> bool:
        """Whether it is an amount of US dollars."""
        return self.unit == "USD"

    @property
    def is_share(self) -> bool:
        """Whether it is written in percent."""
        return self.unit == _SHARE

    @property
    def gaps(self) -> list[str]:
        """The measures that count what this figure leaves out."""
        return [self.unseen, *self.unsure] if self.unseen else []

    @property
    def known(self) -> pl.Expr:
        """Return the figure; null if it is 0 because nothing in it is known."""
        figure = pl.col(self.name)
        if not self.gaps or self.part or self.fold != "sum":
            return figure
        missing = pl.sum_horizontal(self.gaps)
        is_seen = missing < pl.sum_horizontal(self.of, *self.unsure)
        return pl.when((missing == 0) | is_seen | (figure != 0)).then(figure)

    def figure(self, row: Mapping[str, Any], end: str = "") -> Figure:
        """Return its figure in a row of the table, or in the sum of several rows.

        `end` is ``_before`` for that of the period before, ``_change`` for the change.
        """
        if end == CHANGE:
            return self.figure(row) - self.figure(row, BEFORE)
        value = row.get(f"{self.name}{end}")
        missing = sum(row.get(f"{gap}{end}") or 0 for gap in self.gaps)
        if not missing:
            return Figure(value)
        of = sum(row.get(f"{name}{end}") or 0 for name in (self.of, *self.unsure))
        return Figure(value, self.bound) if value or missing < of else UNKNOWN

    def bound_column(self, end: str = "") -> pl.Expr:
        """Return a column with the bound of each of its figures: see `figure`."""
        name = f"{self.name}{end}"
        more, less = self._open("" if end == CHANGE else end)
        if end == CHANGE:
            more_before, less_before = self._open(BEFORE)
            more, less = more | less_before, less | more_before
        bounds = [
            (pl.col(name).is_null(), "unknown"),
            (more & less, "approximate"),
            (more, "lower"),
            (less, "upper"),
        ]
        column = [pl.when(case).then(pl.lit(bound)) for case, bound in bounds]
        return pl.coalesce(*column, pl.lit("exact")).alias(f"{name}{BOUND}")

    def _open(self, end: str) -> tuple[pl.Expr, pl.Expr]:
        """Return whether the true figure may be more, and whether it may be less."""
        unseen = pl.sum_horizontal(f"{gap}{end}" for gap in self.gaps) > 0
        return unseen & (self.bound != "upper"), unseen & (self.bound != "lower")

    @property
    def columns(self) -> list[str]:
        """Return all columns that are needed to show it, with its bound."""
        needed = [*self.gaps, self.of] if self.gaps else []
        parts = [self.part] if self.part else []
        whole = [] if self.whole is None else self.whole.meta.root_names()
        return list(dict.fromkeys([self.name, *parts, *whole, *needed]))


def count(
    name: str, condition: pl.Expr | None = None, label: str = "", meaning: str = ""
) -> Measure:
    """Count the rows, or those that meet a condition; null meets none."""
    rows = (pl.len() if condition is None else condition.sum()).cast(pl.Int64)
    return Measure(name, pl.Int64, _unit_of(name), label, meaning, rows)


def total(
    name: str,
    values: pl.Expr | str,
    label: str = "",
    meaning: str = "",
    unseen: str | None = None,
    of: str = "responses",
    unsure: tuple[str, ...] = (),
) -> Measure:
    """Sum whole numbers; nulls add nothing, and a sum beyond 64 bits is an error."""
    values = pl.col(values) if isinstance(values, str) else values
    measure = Measure(name, pl.Int64, _unit_of(name), label, meaning, values.sum())
    return measure._replace(values=values, unseen=unseen, of=of, unsure=unsure)


def tokens_of(
    which: str, condition: pl.Expr, label: str = "", unsure: tuple[str, ...] = ()
) -> tuple[Measure, Measure]:
    """Sum the tokens of some responses, and count those that do not report a total.

    `which` is how these are called, as in the measure ``responses_unpriced``.
    """
    of, meaning = f"responses_{which}", f"tokens of the {which} responses"
    missing, values = f"{of}_without_usage", pl.when(condition).then(TOTAL)
    return (
        total(f"tokens_{which}", values, label, meaning, missing, of, unsure),
        count(
            missing,
            condition & is_unseen("total_tokens"),
            meaning=f"{which} responses that do not report all of total_tokens",
        ),
    )


def unseen(name: str, column: str, label: str = "") -> Measure:
    """Count the rows that do not report all of a count, which its sum lacks."""
    meaning = f"responses that do not report all of {column}"
    return count(name, is_unseen(column), label, meaning)


def money(
    name: str, values: pl.Expr, label: str, meaning: str, unseen: str, of: str
) -> Measure:
    """Sum Decimals of US dollars, exactly."""
    measure = Measure(name, MONEY, "USD", label, meaning, values.cast(MONEY).sum())
    return measure._replace(unseen=unseen, of=of)


def largest(name: str, values: pl.Expr, label: str = "") -> Measure:
    """Return the greatest value; null where there is none."""
    rows, unit = values.max().cast(pl.Int64), _unit_of(name)
    meaning = f"{unit}, the most of one response"
    return Measure(name, pl.Int64, unit, label, meaning, rows, fold="max")


def exact(name: str, values: pl.Expr) -> Measure:
    """Sum finite doubles as whole numbers of `FINENESS`."""
    fine = (values * FINENESS).round().cast(pl.Int128)
    return Measure(name, pl.Int128, rows=fine.sum())


def ratio(
    name: str,
    part: str,
    whole: str | pl.Expr,
    label: str = "",
    meaning: str = "",
    *,
    unit: str = _SHARE,
    unseen: str | None = None,
    of: str = "responses",
) -> Measure:
    """Divide two measures; null where the denominator is 0.

    If something is unseen, the ratio may be more or less.
    """
    below = pl.col(whole) if isinstance(whole, str) else whole
    quotient = pl.when(below != 0).then(
        pl.col(part).cast(pl.Float64) / below.cast(pl.Float64)
    )
    meaning = meaning or (f"{part} / {whole}" if isinstance(whole, str) else unit)
    measure = derived(name, quotient, unit, label, meaning)
    measure = measure._replace(unseen=unseen, of=of, bound="approximate")
    return measure._replace(part=part, whole=below)


def all_of(name: str, part: str, of: Literal["series", "period"]) -> Measure:
    """Sum a measure over all rows of a period, or of a period and series."""

    def derive(series: Sequence[str], period: Sequence[str]) -> pl.Expr:
        groups = [*period, *(series if of == "series" else ())]
        # Wider than int64, whose sum would wrap unnoticed: the engine checks it.
        added = pl.col(part).cast(pl.Int128).sum()
        return added.over(groups) if groups else added

    meaning = f"{part} of the period" + (" and series" if of == "series" else "")
    return Measure(name, meaning=meaning, derive=derive)


def derived(
    name: str, expression: pl.Expr, unit: str, label: str = "", meaning: str = ""
) -> Measure:
    """Compute a double from other measures."""
    measure = Measure(name, pl.Float64, unit, label, meaning)
    return measure._replace(derive=lambda _series, _period: expression)


def _unit_of(name: str) -> str:
    """Return what a measure of this name counts."""
    words = name.split("_")
    if words[0] == "choices":
        return "choices"
    return "tokens" if "tokens" in (words[0], words[-1]) else "responses"


SILENT = "calls that do not report it"
# Without a total prompt and completion are counted: the true total may be more.
TOTAL = pl.coalesce(
    "total_tokens", pl.col("prompt_tokens") + pl.col("completion_tokens")
)
# What most metrics count.
RESPONSES = count("responses", label="calls")
ANSWERS = count("choices", label="answers")
WITHOUT_USAGE = unseen(
    "responses_without_usage", "total_tokens", "calls without full usage"
)
TOTAL_TOKENS = total(
    "total_tokens",
    TOTAL,
    "tokens",
    "tokens, as reported; prompt and completion where no total is",
    "responses_without_usage",
)
