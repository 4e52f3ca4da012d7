"""Drawings of the manager's part: cost over time, the budget, and bars in tables."""

from __future__ import annotations

from calendar import monthrange
from typing import TYPE_CHECKING, TypeAlias

from toolkit.errors import plural
from toolkit.formatting.dates import format_day
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import DASH, UNKNOWN_TEXT, usd_places
from toolkit.report.drawing import (
    LINE,
    Drawing,
    color_class,
    mark_classes,
    runs_width,
    shortened,
    size_of,
    text_width,
    ticks_of,
    write,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markupsafe import Markup

    from toolkit.report.drawing import Run
    from toolkit.report.model import Budget, Color, Course, KeyFigure, LineCount, Series

    _Label: TypeAlias = tuple[float, Sequence[Run]]  # its middle, and its runs

_NARROW = 500  # drawings below this width are for phones
_HIDDEN = 34  # width of a mark that is not to scale


def draw_course(course: Course, width: int, height: int, look: str) -> Markup:
    """Draw columns of the cost by series; narrow ones have no names beside them."""
    drawing, count, is_narrow = Drawing(), len(course.starts), width < _NARROW
    series = course.series[::-1]  # from the ground up
    height = max(height, 60 + int(LINE) * len(series))
    bottom, peak = height - 26.0, max(map(size_of, course.totals), default=0) or 1
    is_known = any(map(size_of, course.totals))
    ticks = ticks_of(peak if is_known else 0, "usd")
    places = max(2, usd_places(course.totals) - 1)
    labels = [] if is_narrow else [_label(one, places) for one in series]
    left = max(text_width(text) for _, text in ticks) + 8
    right = max(map(runs_width, labels), default=-22) + 22
    scale, slot = (bottom - 44) / peak, (width - left - right) / count
    drawing.grid(ticks, left, width - right, bottom, scale)
    empty = 0
    while course.empty and empty < count and not size_of(course.totals[empty]):
        empty += 1
    texts = _texts_above(course.totals, places, slot)
    for place in range(empty, count):
        x, bar = left + slot * (place + 0.13), slot * 0.74
        mark = "solid" if course.is_whole[place] else "hatched"
        parts = [
            (size_of(one.values[place]) * scale, one.color, mark) for one in series
        ]
        y = drawing.stack(x, bottom, bar, parts)
        if size_of(course.unpriced[place]):
            y -= 8
            drawing.part(x, y, bar, 8, "", "dotted")
        run = texts[place], "i b" if place == count - 1 else "i"
        drawing.text(x + bar / 2, y - 6, run, anchor="middle")
    room = max(slot * empty, 60)
    for line, words in enumerate(_lines_up(course.empty, room - 2) if empty else []):
        y = bottom - 8 - 14 * line
        drawing.text(left + room / 2, y, (words, "m"), anchor="middle")
    drawing.below(course.labels, left, slot, bottom + 18, "i b")
    if labels:
        _label_last(drawing, labels, series, left + slot * (count - 0.1), bottom, scale)
    periods = "; ".join(
        f"{format_day(start, 'short')}: {write(total, 'usd', words=True)}"
        for start, total in zip(course.starts, course.totals, strict=True)
    )
    label = f"Columns: known cost by period and series. {periods}"
    return drawing.svg(width, height, label, look)


def _label(series: Series, places: int) -> list[Run]:
    """Return the name of a series and its last value."""
    name = shortened(series.name, 150, bold=True)
    value = write(series.values[-1], "usd", places).replace(DASH, UNKNOWN_TEXT)
    return [(name, f"t b {color_class(series.color)}"), (f" {value}", "m")]


def _label_last(
    drawing: Drawing,
    labels: Sequence[Sequence[Run]],
    series: Sequence[Series],
    x: float,
    bottom: float,
    scale: float,
) -> None:
    """Write names beside the last column, apart from each other, with leaders."""
    middles: list[float] = []
    for one in series:
        size = size_of(one.values[-1]) * scale
        middles.append(bottom - size / 2)
        bottom -= size
    places: list[float] = []
    for middle in middles:
        places.append(min([middle, *[place - LINE for place in places[-1:]]]))
    # None is above the drawing: the lower ones make room.
    for place in range(len(places)):
        above = len(places) - 1 - place
        places[place] = max(places[place], 8 + LINE * above)
    for runs, one, middle, y in zip(labels, series, middles, places, strict=True):
        if size_of(one.values[-1]):
            drawing.line(f"s {color_class(one.color)}", x, middle, x + 10, y)
        drawing.text(x + 14, y + 4.3, *runs, whole=one.name)


def _texts_above(totals: Sequence[Figure], places: int, slot: float) -> list[str]:
    """Return a text above each column, in the longest form for which there is room."""
    whole = [write(one, "usd", places).replace(DASH, UNKNOWN_TEXT) for one in totals]
    brief = [write(total, "usd", "short") for total in totals]
    plain, least = (
        [text.replace("$", "").replace(" ", "") for text in texts]
        for texts in (whole, brief)
    )
    for texts in (whole, plain, least):
        if max(text_width(text, bold=True) for text in texts) < slot:
            return texts
    # Every second one, from the last one on.
    return [text if (len(least) - n) % 2 else "" for n, text in enumerate(least)]


def _lines_up(text: str, room: float) -> list[str]:
    """Break a text into lines of about the same width, the last one first."""
    lines: list[str] = []
    for word in reversed(text.split()):
        if lines and text_width(f"{word} {lines[-1]}") <= room:
            lines[-1] = f"{word} {lines[-1]}"
        else:
            lines.append(word)
    widest = max(map(text_width, lines), default=0)
    closer = _lines_up(text, widest - 1) if len(lines) > 1 and widest <= room else []
    return closer if len(closer) == len(lines) else lines


def draw_spark(figure: KeyFigure) -> Markup:
    """Draw five small columns, the last one dark."""
    drawing, count = Drawing(), len(figure.points)
    peak = max(map(size_of, figure.points)) or 1
    for place, point in enumerate(figure.points):
        size = max(25 * size_of(point) / peak, 0.5)
        color = "ink" if place == count - 1 else "pale"
        if point.is_known:
            drawing.part(15.0 * place, 26 - size, 11, size, color, "solid")
    points = ", ".join(write(point, figure.kind, words=True) for point in figure.points)
    label = f"{figure.label} in the last {plural(count, 'period')}: {points}"
    return drawing.svg(15 * count - 4, 26, label, "spark")


def draw_budget(budget: Budget, width: int, look: str) -> Markup:
    """Draw what is spent and expected of a limit."""
    figures = budget.spent, budget.forecast, budget.limit, budget.with_unpriced
    peak = max(map(size_of, (*figures, budget.high))) or 1
    scale = (width - 2) / peak / 1.04
    spent, forecast, limit, most = (size_of(figure) * scale for figure in figures)
    above, below = _budget_texts(budget, scale, is_narrow=width < _NARROW)
    ticks = [(value * scale, [(text, "m")]) for value, text in ticks_of(peak, "usd")]
    rows_above, rows_below = _packed(above, width), _packed([*below, *ticks], width)
    drawing, top = Drawing(), 32.0 + 16 * max(row for _, row in rows_above)
    bottom, known = top + 26, max(spent, forecast)
    drawing.part(1, top, spent, 26, "ink", "solid")
    if known > spent:
        drawing.part(1 + spent, top, known - spent, 26, "soft", "hatched")
    if most > known:
        drawing.part(2 + known, top, most - known, 26, "", "dotted")
    drawing.line("axis", 1, bottom + 0.5, width - 1, bottom + 0.5)
    drawing.line("limit", 1 + limit, top - 8, 1 + limit, bottom + 8)
    if budget.low.is_known and budget.high.is_known:
        low, high = (1 + size_of(one) * scale for one in (budget.low, budget.high))
        for x, end, size in ((low, high, 0.0), (low, low, 3.5), (high, high, 3.5)):
            drawing.line("whisker", x, top - 5 - size, end, top - 5 + size)
    for (x, row), (_, runs) in zip(rows_above, above, strict=True):
        drawing.text(x, top - 16 - 16 * row, *runs)
    lines = max(row for _, row in rows_below[: len(below)])
    for number, ((x, row), (_, runs)) in enumerate(
        zip(rows_below, [*below, *ticks], strict=True)
    ):
        if number < len(below) or row == 0:  # a tick without room is left out
            drawing.text(x, bottom + 22 + 16 * row, *runs)
    words = f"{write(budget.spent, 'usd', words=True)} spent"
    if budget.forecast.is_known:
        words += f", {write(budget.forecast, 'usd', words=True)} expected"
    label = f"Bar: {words}, limit {write(budget.limit, 'usd', words=True)}"
    return drawing.svg(width, bottom + 28 + 16 * lines, label, look)


def _budget_texts(
    budget: Budget, scale: float, *, is_narrow: bool
) -> tuple[list[_Label], list[_Label]]:
    """Return the texts above and below the bar of a budget, and their middles."""
    figures = budget.spent, budget.forecast, budget.limit, budget.with_unpriced
    places = usd_places([*figures, budget.high])
    spent, forecast, limit, most = (write(one, "usd", places) for one in figures)
    days = f" spent in {plural(budget.days, 'day')}"
    above: list[_Label] = [(0, [(spent, "i b"), (days, "m")])]
    middle = 1 + size_of(budget.limit) * scale
    below: list[_Label] = [(middle, [(f"limit {limit}", "i b")])]
    end = size_of(budget.forecast) * scale
    if budget.forecast.is_known:
        last = monthrange(budget.month.year, budget.month.month)[1]
        by = f" expected by {format_day(budget.month.replace(day=last), 'short')}"
        runs = [(forecast, "i b"), (by, "m")]
        if budget.low.is_known and budget.high.is_known:
            low, high = (write(one, "usd", places) for one in (budget.low, budget.high))
            likely = (f"likely {low} to {high}", "m")
            if is_narrow:
                below.append((end, [likely]))
            else:
                runs += [(", ", "m"), likely]
        above.append((end - runs_width(runs) / 2, runs))
    if budget.with_unpriced.is_known:
        words = f"with calls without a price {most}"
        below.append((size_of(budget.with_unpriced) * scale, [(words, "m")]))
    return above, below


def _packed(labels: Iterable[_Label], width: float) -> list[tuple[float, int]]:
    """Return start and row of labels: close to their middles, none over another."""
    rows: list[list[tuple[float, float]]] = []  # where the labels of a row are
    places = []
    for middle, runs in labels:
        size = runs_width(runs)
        x = max(0.0, min(middle - size / 2, width - size))
        row = 0
        while row < len(rows) and any(
            start - 12 < x + size and x < end + 12 for start, end in rows[row]
        ):
            row += 1
        rows[row:] = rows[row:] or [[]]
        rows[row].append((x, x + size))
        places.append((x, row))
    return places


def draw_bar(
    value: Figure,
    most: float,
    color: Color,
    mark: str = "solid",
    outline: Figure = UNKNOWN,
) -> Markup:
    """Draw a bar in a cell; an unknown value is open and not to scale."""
    drawing, wide = Drawing(), 100 / (most or 1)
    if size_of(outline):
        drawing.span(0, size_of(outline) * wide, "open")
    if not value.is_known:
        drawing.add("rect", "open", width=_HIDDEN, height="100%")
    elif size_of(value):
        for classes in mark_classes(color, mark):
            drawing.span(0, max(size_of(value) * wide, 0.8), classes)
    return drawing.cell()


def draw_limit(budget: Budget) -> Markup:
    """Draw a budget in a cell: spent, expected, and the limit as a line."""
    drawing, limit = Drawing(), size_of(budget.limit)
    spent, forecast = size_of(budget.spent), size_of(budget.forecast)
    wide = 100 / (max(spent, forecast, limit) or 1)
    drawing.span(0, spent * wide, "f c-ink")
    for classes in mark_classes("soft", "hatched") if forecast > spent else ():
        drawing.span(spent * wide, (forecast - spent) * wide, classes)
    x = f"{limit * wide:.2f}%"
    drawing.add("line", "limit", x1=x, x2=x, y1=-2, y2=14)
    return drawing.cell()


def draw_change(value: Figure, most: float, *, is_main: bool | None = None) -> Markup:
    """Draw a bar from the middle of its cell: less to the left, more to the right."""
    drawing, number = Drawing(), float(value.value or 0)
    is_main = abs(number) == most if is_main is None else is_main
    if number:
        size = max(50 * abs(number) / (most or 1), 0.8)
        classes = f"f c-{'ink' if is_main else 'soft'}"
        drawing.span(50 if number > 0 else 50 - size, size, classes)
    return drawing.cell()


def draw_lines(lines: Sequence[LineCount]) -> Markup:
    """Draw how many lines of the logs are of each kind."""
    drawing, total, x = Drawing(), sum(line.count for line in lines) or 1, 0.0
    sizes = [max(100 * line.count / total, 0.8) for line in lines]
    for line, size in zip(lines, sizes, strict=True):
        share = 100 * size / sum(sizes)
        drawing.span(x, max(share - 0.2, 0.1), f"f {color_class(line.mark)}")
        x += share
    words = ", ".join(f"{line.count:,} {line.label}" for line in lines)
    return drawing.cell(f"{plural(total, 'log line')}: {words}")
