"""What a metric is: its measures, keys and needs, declared once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from toolkit.expressions.choices import first_choice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl

    from toolkit.metrics.measures import Measure


@dataclass(frozen=True)
class Declared:
    """What makes a metric: the columns it reads, its rows, keys and measures."""

    measures: tuple[Measure, ...]
    main: str
    needs: tuple[str, ...] = ()
    rows: Callable[[pl.LazyFrame], pl.LazyFrame] = lambda frame: frame.filter(
        first_choice()
    )
    of_choices: bool = False  # not only first choices are gathered
    leaves_out: bool = False  # of some responses nothing is gathered
    keys: Mapping[str, pl.DataType | type[pl.DataType]] = field(default_factory=dict)
    gather: Callable[..., pl.DataFrame] = lambda work: work.folded(work.grouped())
    grid: pl.DataFrame | None = None  # all combinations of the keys, to be filled
    order: Sequence[str] | None = None  # of the values of the keys
    passes: int = 1
    needs_of: Callable[[pl.LazyFrame], tuple[str, ...]] = lambda _frame: ()

    @property
    def gathered(self) -> list[Measure]:
        """The measures that come from rows."""
        return [measure for measure in self.measures if measure.derive is None]

    @property
    def shown(self) -> list[Measure]:
        """The measures of the result."""
        return [measure for measure in self.measures if not measure.is_hidden]
