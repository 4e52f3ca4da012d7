"""How a table of a metric is laid out in a terminal: which columns fit, and how wide.

Names are folded, numbers are never broken. What does not fit is left out, and said.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from textwrap import wrap
from typing import TYPE_CHECKING, NamedTuple

import polars as pl

from toolkit.errors import clean
from toolkit.formatting.text import BOUNDS, dollars, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from toolkit.metrics.catalogue import Shape

    Measure: TypeAlias = Callable[[str], int]

_NOT_SAID, _UNKNOWN = "not said", "-"
# A column that counts what a sum beside it could not see.
_ABSENCE = re.compile(
    r"(?:(?P<of>.*?)_?unseen|.*_without_.*|undated)(?:_before|_change)?"
)
_PERCENT = re.compile(r".*(_share|_rate)|share|coverage")
UNFINISHED = "\N{HORIZONTAL ELLIPSIS}"
_PERIOD = ("period", "period_end", "partial")
# Names may be folded to so many signs, and need no more than so many, nor than so much
# of the width.
_NARROWEST, _NAME_WIDTH, _NAME_SHARE = 8, 28, 0.55


class Shown(NamedTuple):
    """A column as it is shown: its lines of heading, its cells, its sum."""

    name: str
    heading: str
    cells: list[str]
    footer: str = ""
    at_left: bool = True
    folds: bool = False  # its cells may be broken

    def width(self, measure: Measure) -> int:
        """Return the width that it needs: its heading may break between words."""
        words = [*self.heading.split(), self.footer, *self.cells]
        return max(map(measure, words), default=0)

    def wrapped(self, measure: Measure) -> Shown:
        """Break the heading into lines no wider than the column must be."""
        lines = wrap(self.heading, self.width(measure), break_long_words=False)
        return self._replace(heading="\n".join(lines))


class Layout(NamedTuple):
    """The columns that fit, and the names of those that do not."""

    shown: list[Shown]
    left_out: list[str]


def lay_out(
    frame: pl.DataFrame,
    shape: Shape,
    width: int,
    measure: Measure,
) -> Layout:
    """Choose the columns of a table that fit: names, the main measure, the others.

    Counts of what was not seen come last, and measures that are 0 or null throughout
    are left out: they would say nothing.
    """
    texts = [name for name in frame.columns if frame.schema[name] == pl.String]
    names = [name for name in (*shape.series, *shape.keys) if name in frame.columns]
    behind = [name for name in texts if name not in names]
    taken = {*_PERIOD, *names, *behind}
    measures = [name for name in frame.columns if name not in taken]
    leading = [*_period_column(frame), *[_named(frame[name]) for name in names]]
    if leading and shape.sums:
        leading[0] = leading[0]._replace(footer="all")
    room = max(
        _NARROWEST, min(_NAME_WIDTH, int(_NAME_SHARE * width / (len(names) or 1)))
    )
    free = width - sum(
        (min(room, column.width(measure)) if column.folds else column.width(measure))
        + 1
        for column in leading
    )
    chosen: dict[str, Shown] = {}
    for name in _by_weight(frame.select(measures), shape.main):
        absence = _ABSENCE.fullmatch(name)
        of = absence["of"] if absence else None
        if of and not any(seen.startswith(of) for seen in chosen):
            continue
        column = _figures(frame, name, summed=name in shape.sums)
        needed = column.width(measure) + 1
        if needed <= free or not chosen:
            chosen[name] = column.wrapped(measure)
            free -= needed
    last = [_named(frame[name], _UNKNOWN) for name in behind if free > _NARROWEST]
    shown = [*leading, *[chosen[name] for name in measures if name in chosen], *last]
    there = {column.name for column in shown} | set(_PERIOD)
    return Layout(shown, [name for name in frame.columns if name not in there])


def _by_weight(measures: pl.DataFrame, main: str) -> list[str]:
    """Put measures in the order in which they are expected; some tell nothing."""
    telling = [
        column.name
        for column in measures
        if _tells(column) or _is_bound(measures, column)
    ]
    own = {main, f"{main}_before", f"{main}_change"}
    absent = {name for name in telling if _ABSENCE.fullmatch(name)}
    return sorted(
        telling or measures.columns[:1],
        key=lambda name: (name in absent, name not in own),
    )


def _tells(column: pl.Series) -> bool:
    """Say whether a column holds anything but 0 and null."""
    known = column.drop_nulls()
    if not known.dtype.is_numeric():
        return len(known) > 0
    return bool((known != 0).any())


def _is_bound(measures: pl.DataFrame, column: pl.Series) -> bool:
    """Say whether a column of money leaves out what has no price: its 0 tells that."""
    unpriced = BOUNDS.get(column.name, ("",))[0]
    return unpriced in measures.columns and _tells(measures[unpriced])


def _period_column(frame: pl.DataFrame) -> list[Shown]:
    """Return the period as one column, if the table has any."""
    if "period" not in frame.columns:
        return []
    cells = [
        _period_words(start, end) + (UNFINISHED if partial else "")
        for start, end, partial in frame.select(_PERIOD).iter_rows()
    ]
    return [Shown("period", "period", cells)]


def _named(column: pl.Series, unsaid: str = _NOT_SAID) -> Shown:
    """Return a column of names as it is shown."""
    cells = [clean(unsaid if cell is None else str(cell)) for cell in column]
    return Shown(column.name, column.name, cells, folds=True)


def _figures(frame: pl.DataFrame, name: str, *, summed: bool) -> Shown:
    """Return a measure as it is shown; money that may be more is marked."""
    heading = name.removesuffix("_tokens").replace("_", " ")
    if frame.schema[name].is_decimal():
        rows = frame.iter_rows(named=True)
        cells = [written(name, row) or _number(name, row[name]) for row in rows]
    else:
        cells = [_number(name, cell) for cell in frame[name]]
    footer = ""
    if summed:
        needed = [name, *(one for one in BOUNDS.get(name, ()) if one in frame.columns)]
        total = frame.select(pl.col(needed).sum()).row(0, named=True)
        footer = written(name, total) or _number(name, total[name])
    return Shown(name, heading, cells, footer, at_left=False)


def _number(name: str, cell: object) -> str:
    """Write a cell of a measure for a reader; CSV and JSON have it in full."""
    if cell is None:
        return _UNKNOWN
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, int):
        return f"{cell:,}"
    if isinstance(cell, Decimal):
        return dollars(cell)
    if isinstance(cell, float):
        base = name.removesuffix("_before").removesuffix("_change")
        return _percent(cell) if _PERCENT.fullmatch(base) else f"{cell:,.4g}"
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M}"
    return clean(str(cell))


def _percent(share: float) -> str:
    """Write a share; what is there is never 0 %, what lacks something never 100 %."""
    hundredths = 100 * share
    if 0 < hundredths < 0.05:
        return "<0.1%"
    if 99.95 <= hundredths < 100:
        return ">99.9%"
    return f"{hundredths:,.1f}%"


def _period_words(start: datetime | None, end: datetime | None) -> str:
    """Write a period as short as it is clear."""
    if start is None or end is None:
        return "undated"
    midnight = (start.hour, start.minute, start.second) == (0, 0, 0)
    if midnight and (end.hour, end.minute, end.second) == (0, 0, 0):
        return f"{start:%Y-%m-%d}"
    return f"{start:%Y-%m-%d %H:%M}"
