"""Layout of the table of a metric in a terminal: which columns fit, and how wide.

Names are folded, numbers are never broken. Columns that do not fit are left out.
"""

from __future__ import annotations

import re
from datetime import datetime, time
from decimal import Decimal
from functools import cache
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
from rich.cells import cell_len

from toolkit.errors import clean, plural
from toolkit.formatting.dates import format_day, format_moment
from toolkit.formatting.text import (
    DASH,
    UNKNOWN_TEXT,
    format_count,
    format_share,
    format_share_change,
    format_usd,
)
from toolkit.metrics.options import BEFORE, CHANGE, PERIOD

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from toolkit.metrics.measures import Measure
    from toolkit.metrics.spec import MetricSpec

_UNFINISHED = "\N{HORIZONTAL ELLIPSIS}"
_MARKS = {"≥": "≥ at least", "≤": "≤ at most", "~": "~ about"}
_NO_DIGITS = re.compile(r"[^\d.-]")
# Names may be folded to so many signs, and need no more than so many, nor than so much
# of the width.
_NARROWEST, _NAME_WIDTHS, _NAME_SHARE = 8, (28, 24), 0.55


class TableColumn(NamedTuple):
    """A column as text: the lines of its heading, its cells, its sum."""

    name: str
    heading: str
    cells: list[str]
    footer: str = ""
    at_left: bool = True
    folds: bool = False  # its cells may be broken

    @property
    def width(self) -> int:
        """The width that it needs: its heading may break between words."""
        words = [*self.heading.split(), self.footer, *self.cells]
        return max(map(cell_len, words), default=0)


class Layout(NamedTuple):
    """The columns that fit, and the names of those that do not."""

    shown: list[TableColumn]
    left_out: list[str]


def lay_out(
    frame: pl.DataFrame,
    spec: MetricSpec,
    width: int,
    by: Sequence[str] | None = None,
) -> Layout:
    """Choose the columns of a table that fit: names, the main measure, the others.

    Counts of what a measure could not see come last, if all measures fit, and measures
    that are 0 or null throughout are left out: they show nothing. Names are narrower
    if more columns fit then.
    """
    figures = cache(lambda name: _figures(frame, name, spec))
    fits = (_fit(frame, spec, width, figures, by, most) for most in _NAME_WIDTHS)
    return max(fits, key=lambda one: len(one.shown))


def _fit(
    frame: pl.DataFrame,
    spec: MetricSpec,
    width: int,
    figures: Callable[[str], TableColumn],
    by: Sequence[str] | None,
    most: int,
) -> Layout:
    """Choose columns, with names of so many signs."""
    series = spec.series if by is None else by
    names = [name for name in (*series, *spec.key_names) if name in frame.columns]
    texts = frame.select(pl.col(pl.String)).columns
    behind = [name for name in texts if name not in names]
    others = {*PERIOD, *names, *behind}
    measures = [name for name in frame.columns if name not in others]
    leading = [*_period_column(frame), *[_named(frame[name]) for name in names]]
    if leading and spec.sums:
        leading[0] = leading[0]._replace(footer="all")
    room = max(_NARROWEST, min(most, int(_NAME_SHARE * width / (len(names) or 1))))
    # A name that is folded anyway is folded once more for the edge of the table.
    folds = any(column.folds and column.width > room for column in leading)
    free = width if folds else width - 1
    for column in leading:
        needed = column.width
        free -= 1 + (min(room, needed) if column.folds else needed)
    chosen: dict[str, TableColumn] = {}
    is_whole = True
    for name in _by_weight(frame.select(measures), spec):
        is_absence = _base_of(name) in spec.absences
        if is_absence and not (is_whole and _has_use(name, chosen, spec)):
            continue
        column = figures(name)
        needed = column.width
        if needed < free or not chosen:
            # No line of the heading is wider than the column must be.
            lines = wrap(column.heading, needed, break_long_words=False)
            chosen[name] = column._replace(heading="\n".join(lines))
            free -= needed + 1
        elif not is_absence:
            is_whole = False
    last = [_named(frame[name], DASH) for name in behind if free > _NARROWEST]
    shown = [*leading, *[chosen[name] for name in measures if name in chosen], *last]
    there = {column.name for column in shown} | set(PERIOD)
    return Layout(shown, [name for name in frame.columns if name not in there])


def notes_of(frame: pl.DataFrame, spec: MetricSpec, layout: Layout) -> list[str]:
    """Return sentences about unfinished periods, marks, sums, and what is not in them.

    Money is always explained; what the main measure could not see, only if its column
    was left out.
    """
    shown = {column.name for column in layout.shown}
    texts = [text for column in layout.shown for text in (*column.cells, column.footer)]
    marks = [words for mark, words in _MARKS.items() if mark in {t[:1] for t in texts}]
    notes = [f"{', '.join(marks)}: something is not reported"] if marks else []
    if "partial" in frame.columns and frame["partial"].any():
        notes.append(
            f"{_UNFINISHED} = incomplete: the log or the range ends in this period"
        )
    for one in spec.shown:
        is_before = one.name.endswith(BEFORE)
        if is_before or one.unseen not in spec.sums or one.name not in shown:
            continue
        count = int(frame[one.unseen].sum()) if one.unseen in frame.columns else 0
        responses = plural(count, spec[one.unseen].unit.removesuffix("s"))
        if count and one.is_money:
            has = "has" if count == 1 else "have"
            total = one.figure(_total_row(frame, one))
            what = (
                "totals are lower bounds" if total.is_known else "the cost is unknown"
            )
            notes.append(f"{responses} {has} no known price: {what}")
        elif count and one.name == spec.main and one.unseen not in shown:
            does = "does" if count == 1 else "do"
            notes.append(f"{responses} {does} not report {one.name}")
    if any(_is_rounded(column) for column in layout.shown):
        notes.append("amounts are rounded: they may not add up to the last row")
    return notes


def _is_rounded(column: TableColumn) -> bool:
    """Return whether cells, as they are shown, do not add up to the sum below them."""
    if column.at_left or not column.footer:
        return False
    texts = (_NO_DIGITS.sub("", text) for text in (*column.cells, column.footer))
    *cells, footer = (Decimal(text or 0) for text in texts)
    return sum(cells) != footer


def _by_weight(measures: pl.DataFrame, spec: MetricSpec) -> list[str]:
    """Order measures by importance, without those that are 0 or null throughout.

    Of several amounts, such as the causes of a change, the largest come first.
    """

    def size(name: str) -> float:
        total = measures[name].sum() if measures[name].dtype.is_decimal() else None
        return abs(float(total)) if isinstance(total, Decimal) else 0.0

    filled = [
        column.name
        for column in measures
        if _has_values(column) or _is_unseen(measures, column.name, spec)
    ]
    return sorted(
        filled or measures.columns[:1],
        key=lambda name: (
            _base_of(name) in spec.absences,
            _base_of(name) != spec.main,
            -size(name),
        ),
    )


def _has_use(name: str, chosen: Mapping[str, TableColumn], spec: MetricSpec) -> bool:
    """Return whether a column is worth showing beside the columns chosen so far.

    A count of what a measure could not see is, if that measure is shown.
    """
    base = _base_of(name)
    seen = {one.name for one in spec.measures if one.unseen == base}
    return not seen or any(_base_of(other) in seen for other in chosen)


def _base_of(name: str) -> str:
    """Return the name of a measure without ``_before`` and ``_change``."""
    return name.removesuffix(BEFORE).removesuffix(CHANGE)


def _has_values(column: pl.Series) -> bool:
    """Return whether a column has anything but 0 and null."""
    known = column.drop_nulls()
    if not known.dtype.is_numeric():
        return len(known) > 0
    return bool((known != 0).any())


def _is_unseen(measures: pl.DataFrame, name: str, spec: MetricSpec) -> bool:
    """Return whether the main measure, or an amount of money, is not known in a row."""
    one = spec.get(name)
    if one is None or not (one.is_money or one.name == spec.main):
        return False
    return any(_has_values(measures[gap]) for gap in one.gaps if gap in measures)


def _period_column(frame: pl.DataFrame) -> list[TableColumn]:
    """Return the period as one column, if the table has any."""
    if "period" not in frame.columns:
        return []
    cells = [
        _period_words(start, end) + (_UNFINISHED if partial else "")
        for start, end, partial in frame.select(PERIOD).iter_rows()
    ]
    return [TableColumn("period", "period", cells)]


def _named(column: pl.Series, absent: str = UNKNOWN_TEXT) -> TableColumn:
    """Return a column of names as it is shown."""
    cells = [clean(absent if cell is None else str(cell)) for cell in column]
    return TableColumn(column.name, column.name, cells, folds=True)


def _figures(frame: pl.DataFrame, name: str, spec: MetricSpec) -> TableColumn:
    """Return a measure as it is shown; a bound is marked."""
    heading = name.removesuffix("_tokens").replace("_", " ")
    measure = spec.get(name)
    rows = frame.iter_rows(named=True)
    cells = [_cell(name, row, measure) for row in rows]
    footer = ""
    if measure is not None and name in spec.sums:
        footer = _cell(name, _total_row(frame, measure), measure)
    return TableColumn(name, heading, cells, footer, at_left=False)


def _total_row(frame: pl.DataFrame, measure: Measure) -> dict[str, Any]:
    """Sum what a measure that adds up needs over all rows."""
    ends = ("", BEFORE, CHANGE)
    needed = {f"{name}{end}" for name in measure.columns for end in ends}
    needed &= {*frame.columns}
    columns = [pl.col(name) for name in sorted(needed)]
    # Where nothing is known, the sum is not 0.
    sums = [pl.when(one.count() > 0).then(one.sum()) for one in columns]
    return frame.select(sums).row(0, named=True)


def _cell(name: str, row: Mapping[str, Any], measure: Measure | None) -> str:
    """Format a cell of a measure for a reader; CSV and JSON have all digits."""
    cell = row[name]
    end = name.removeprefix(measure.name) if measure is not None else ""
    if isinstance(cell, datetime):
        return format_moment(cell, "iso")
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if measure is None or isinstance(cell, str):
        return DASH if cell is None else clean(str(cell))
    figure = measure.figure(row, end)
    if not figure.is_known:
        ends = ("", BEFORE) if end == CHANGE else (end,)
        gaps = [row.get(f"{gap}{one}") for one in ends for gap in measure.gaps]
        return UNKNOWN_TEXT if any(gaps) else DASH
    if measure.is_money:
        return format_usd(figure)
    if measure.is_share:
        return (format_share_change if end == CHANGE else format_share)(figure)
    return format_count(figure)


def _period_words(start: datetime | None, end: datetime | None) -> str:
    """Format the start of a period: the day, unless it is shorter than a day."""
    if start is None or end is None:
        return "undated"
    is_of_days = start.time() == end.time() == time.min
    return format_day(start, "iso") if is_of_days else format_moment(start, "iso")
