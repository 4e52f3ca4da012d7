"""What a metric is: its measures, keys and needs, declared once.

From a `MetricSpec` follow the work of the engine, the table in the docstring, the
columns of its chart, and the headings and formats of its tables.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

import polars as pl

from toolkit.expressions.choices import first_choice
from toolkit.metrics.options import HIDDEN, PARAMETERS, MetricOptions, build_query
from toolkit.schema.tables import CHOICES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from toolkit.expressions.time_ranges import Span
    from toolkit.metrics.measures import DataType, Measure
    from toolkit.metrics.options import MetricQuery

ChartShape = Literal[
    "stacked", "ratio", "mix", "bars", "distribution", "heatmap", "timeline"
]


_IS_FIRST = first_choice()


class Key(NamedTuple):
    """A column beside those of `by` that distinguishes the rows of a metric."""

    name: str
    dtype: DataType = pl.String
    label: str = ""
    meaning: str = ""
    order: Sequence[str] | None = None  # of its values; by default they are sorted

    @property
    def title(self) -> str:
        """What readers call it."""
        return self.label or self.name.replace("_", " ")

    def sort_key(self) -> pl.Expr:
        """Return what rows are sorted by."""
        column = pl.col(self.name)
        return column if self.order is None else column.cast(pl.Enum(self.order))


@dataclass(frozen=True, eq=False)
class MetricSpec:
    """The declaration of a metric.

    Attributes
    ----------
    name
        Name of the function.
    measures
        The figures of its table, in their order.
    main
        The measure by which series are ranked.
    title
        What its chart is called; by default the name in words.
    keys
        Further columns that distinguish rows.
    series
        What `by` is unless given.
    shape
        How it is drawn.
    draws
        The measures that its chart shows, the most important first; by default `main`.
    adds_up
        Whether each response, or each choice, is counted in one row only, so that the
        sum of a count over all rows is that of everything.
    options
        The options that the metric takes; None if it reads logs and takes others.
    fixed
        Options that every call has, and that are not its own.
    needs
        Columns that it reads beside those of the measures, keys and conditions.
    costs
        What is added to the rows: nothing, the costs of responses, or also their list
        prices.
    priced
        Which rows need a cost.
    prepare, of_query
        Return the declaration for the rows of a range, and for a query, if it depends
        on them.
    any_of
        What may be true of any choice of a response: columns ``~any_...`` of each row.
    where
        Which rows are gathered: the first choice of each response, if it is None. Any
        other condition may leave out responses, unless `any_of` has their facts.
    adds
        Adds further columns to the rows that are gathered.
    gather
        Computes the table of all gathered measures; by default by groups of rows.
    grid
        All combinations of the keys, for `fill`.
    finish
        Completes the table.
    reads_again
        Whether `gather` reads the rows more than once.
    """

    name: str
    measures: tuple[Measure, ...]
    main: str
    title: str = ""
    keys: tuple[Key, ...] = ()
    series: tuple[str, ...] = ("model",)
    shape: ChartShape = "stacked"
    draws: tuple[str, ...] = ()
    adds_up: bool = True
    options: type | None = MetricOptions
    fixed: Mapping[str, object] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    costs: Literal["", "cost", "list_price"] = ""
    priced: pl.Expr = _IS_FIRST
    prepare: Callable[[pl.LazyFrame, Span], MetricSpec] | None = None
    of_query: Callable[[MetricQuery], MetricSpec] | None = None
    any_of: Mapping[str, pl.Expr] = field(default_factory=dict)
    where: pl.Expr | None = None
    adds: Callable[[pl.LazyFrame], pl.LazyFrame] = lambda rows: rows
    gather: Callable[..., pl.DataFrame] | None = None
    grid: pl.DataFrame | None = None
    finish: Callable[[pl.DataFrame, MetricQuery], pl.DataFrame] = lambda table, _: table
    reads_again: bool = False

    def __getitem__(self, name: str) -> Measure:
        """Return a measure by its name."""
        return next(measure for measure in self.measures if measure.name == name)

    def get(self, name: str) -> Measure | None:
        """Return a measure by its name, or by that of its value before or change."""
        base = name.removesuffix("_before").removesuffix("_change")
        return next((one for one in self.measures if one.name in (name, base)), None)

    @property
    def of_choices(self) -> bool:
        """Whether facts of all choices are read."""
        return bool(self.any_of) or self.leaves_out

    @property
    def leaves_out(self) -> bool:
        """Whether nothing may be gathered of some responses."""
        return not self.any_of and self.where is not None

    @property
    def condition(self) -> pl.Expr:
        """The condition of the rows that are gathered."""
        return _IS_FIRST if self.where is None else self.where

    @property
    def gathered(self) -> list[Measure]:
        """The measures that come from rows."""
        return [measure for measure in self.measures if measure.derive is None]

    @property
    def shown(self) -> list[Measure]:
        """The measures of the result."""
        return [one for one in self.measures if not one.name.startswith(HIDDEN)]

    @property
    def key_names(self) -> tuple[str, ...]:
        """Names of the keys."""
        return tuple(key.name for key in self.keys)

    @property
    def shares_groups(self) -> bool:
        """Whether its groups are merged from those of several metrics.

        Keys would split the groups of all.
        """
        return self.gather is None and not self.keys

    @property
    def sums(self) -> tuple[str, ...]:
        """Names of the measures that add up over all rows."""
        if not self.adds_up:
            return ()
        return tuple(measure.name for measure in self.shown if measure.additive)

    @property
    def drawn(self) -> list[Measure]:
        """The measures that its chart shows."""
        return [self[name] for name in self.draws or (self.main,)]

    @property
    def chart_columns(self) -> tuple[str, ...]:
        """The columns that its chart reads, beside those of periods and series."""
        first, *others = self.drawn
        measures = [self[self.main], first, *(m._replace(unseen=None) for m in others)]
        columns = (name for measure in measures for name in measure.columns)
        return tuple(dict.fromkeys([*self.key_names, *columns]))

    @property
    def absences(self) -> frozenset[str]:
        """Names of the measures that count what another one could not see."""
        return frozenset(gap for one in self.measures for gap in one.gaps)

    @property
    def option_names(self) -> tuple[str, ...]:
        """Names of the options that it takes."""
        types = self.options.__annotations__ if self.options else ()
        return tuple(name for name in PARAMETERS if name in types)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of choices that it reads."""
        read = [one.rows for one in self.gathered if one.rows is not None]
        read += [*self.any_of.values(), self.condition]
        key = (*CHOICES.key, "choice_count") if self.any_of else ()
        names = [*key, *self.needs, *self.key_names]
        names += [name for one in read for name in one.meta.root_names()]
        return tuple(dict.fromkeys(name for name in names if name in CHOICES))

    def query(self, options: Mapping[str, object]) -> MetricQuery:
        """Read options of this metric, or raise `OptionError`."""
        by = {"by": self.series} if "by" in self.option_names else {}
        return build_query(self.name, self.option_names, {**by, **options}, self.fixed)
