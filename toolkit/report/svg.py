"""Drawings of the manager's part: cost over time, the budget, and bars in tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toolkit.errors import plural
from toolkit.formatting.dates import format_day
from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.formatting.text import DASH, UNKNOWN_TEXT, usd_places
from toolkit.report.drawing import (
    Drawing,
    color_class,
    runs_width,
    shortened,
    size_of,
    text_width,
    ticks_of,
    write,
)
from toolkit.report.model import Bar, Part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from markupsafe import Markup

    from toolkit.formatting.text import UsdStyle
    from toolkit.report.drawing import Run
    from toolkit.report.model import Budget, Color, Course, KeyFigure, LineCount, Mark


_LINE = 17.0  # between labels below each other
_NARROW = 500  # drawings below this width are for phones
_HIDDEN = 34  # width of a mark that is not to scale
_THINNEST = 0.008  # of a bar in its cell
_MARGIN = 1.04  # of the bar of a budget: the limit is not at its edge


def draw_course(course: Course, width: int, height: int, look: str) -> Markup:
    """Draw columns of the cost by series; narrow ones have no names beside them."""
    drawing, count, series = Drawing(), len(course.starts), course.series[::-1]
    height = max(height, 60 + int(_LINE) * len(series))
    top = max(map(size_of, course.totals), default=0)
    style: UsdStyle = max(2, usd_places(course.totals) - 1) if top < 1000 else "short"
    ticks = ticks_of(top, "usd")
    labels: list[list[Run]] = []
    for one in series if width > _NARROW else []:
        value = write(one.values[-1], "usd", style).replace(DASH, UNKNOWN_TEXT)
        name = shortened(one.name, 150, bold=True)
        labels.append([(name, f"t b {color_class(one.color)}"), (f" {value}", "m")])
    left = max(text_width(text) for _, text in ticks) + 8
    right = max(map(runs_width, labels), default=-22) + 22
    slot, bottom = (width - left - right) / count, height - 26.0
    scale = (bottom - 44) / (top or 1)
    drawing.grid(ticks, left, width - right, bottom, scale)
    bars, texts = [], _texts_above(course.totals, style, slot)
    for place, text in enumerate(texts):
        mark: Mark = "solid" if course.is_whole[place] else "hatched"
        parts = [Part(one.values[place], one.color, mark) for one in series]
        if size_of(course.unpriced[place]):
            parts.append(Part(course.unpriced[place], "", "dotted"))
        bars.append(Bar("", parts, text))
    drawing.columns(bars, left, slot, bottom, scale, "i b center")
    drawing.below(course.labels, left, slot, bottom + 18, "i b center")
    # Names beside the last column, apart from each other, none above the drawing.
    x, y, above = left + slot * (count - 0.1), bottom, bottom + _LINE
    for place, (one, runs) in enumerate(zip(series, labels, strict=False), 1):
        high = size_of(one.values[-1]) * scale
        middle, least = y - high / 2, 8 + _LINE * (len(labels) - place)
        y -= high
        above = max(min(middle, above - _LINE), least)
        if high:
            drawing.line(f"s {color_class(one.color)}", x, middle, x + 10, above)
        drawing.text(x + 14, above + 4.3, *runs, whole=one.name)
    periods = "; ".join(
        f"{format_day(start, 'short')}: {write(total, 'usd', words=True)}"
        for start, total in zip(course.starts, course.totals, strict=True)
    )
    label = f"Columns: known cost by period and series. {periods}"
    return drawing.svg(label, f"chart {look}", (width, height))


def _texts_above(totals: Sequence[Figure], style: UsdStyle, slot: float) -> list[str]:
    """Return a text above each column, or above every second one for lack of room."""
    is_large = style != "short" and all(
        size_of(one) >= 10 for one in totals if one.is_known
    )
    for form, signs in ((style, ""), (style, "$ "), (0 if is_large else style, "$ ")):
        texts = [write(one, "usd", form) for one in totals]
        if text_width(UNKNOWN_TEXT) < slot:
            texts = [text.replace(DASH, UNKNOWN_TEXT) for text in texts]
        texts = [text.translate(dict.fromkeys(map(ord, signs))) for text in texts]
        if all(text_width(text, bold=True) < slot for text in texts):
            return texts
    texts[-2::-2] = [""] * (len(texts) // 2)
    return texts


def draw_spark(figure: KeyFigure) -> Markup:
    """Draw five small columns, the last one dark."""
    drawing, count = Drawing(), len(figure.points)
    peak = max(map(size_of, figure.points)) or 1
    for place, point in enumerate(figure.points):
        size = max(25 * size_of(point) / peak, 0.5)
        color = "ink" if place == count - 1 else "pale"
        if point.is_known:
            drawing.part(15 * place, 26 - size, 11, size, color, "solid")
    points = ", ".join(write(point, figure.kind, words=True) for point in figure.points)
    label = f"{figure.label} in the last {plural(count, 'period')}: {points}"
    return drawing.svg(label, "chart spark", (15 * count - 4, 26))


# --- Bars in tables ------------------------------------------------------------------


def draw_bar(
    value: Figure,
    most: float,
    color: Color,
    mark: str = "solid",
    outline: Figure = UNKNOWN,
) -> Markup:
    """Draw a bar in a cell; an unknown value is open and not to scale."""
    drawing, most = Drawing(), most or 1
    if size_of(outline):
        drawing.span(0, size_of(outline) / most, "", "dotted")
    if not value.is_known:
        drawing.part(0, 0, _HIDDEN, "100%", "", "dotted")
    elif size_of(value):
        drawing.span(0, max(size_of(value) / most, _THINNEST), color, mark)
    return drawing.svg()


def draw_budget(budget: Budget) -> Markup:
    """Draw a budget: spent, expected, with calls without a price, and the limit.

    The thin line above is where the end of the month is likely to be.
    """
    drawing, ends = Drawing(), (budget.low, budget.high)
    figures = budget.spent, budget.forecast, budget.with_unpriced, budget.limit
    most = max(map(size_of, (*figures, *ends))) * _MARGIN or 1
    spent, forecast, unpriced, limit = (size_of(one) / most for one in figures)
    drawing.span(0, spent, "ink", "solid")
    known = max(spent, forecast)
    if known > spent:
        drawing.span(spent, known - spent, "soft", "hatched")
    if unpriced > known:
        drawing.span(known, unpriced - known, "", "dotted")
    lines = [(limit, limit, "-15%", "115%", "limit")]
    if all(one.is_known for one in ends):
        low, high = (size_of(one) / most for one in ends)
        lines += [
            (low, high, "-25%", "-25%", "whisker"),
            (low, low, "-40%", "-10%", "whisker"),
            (high, high, "-40%", "-10%", "whisker"),
        ]
    for start, end, y1, y2, classes in lines:
        drawing.add("line", classes, x1=f"{start:.2%}", x2=f"{end:.2%}", y1=y1, y2=y2)
    return drawing.svg()


def draw_change(value: Figure, most: float, *, is_main: bool | None = None) -> Markup:
    """Draw a bar from the middle of its cell: less to the left, more to the right."""
    drawing, number = Drawing(), float(value.value or 0)
    is_main = abs(number) == most if is_main is None else is_main
    if number:
        size = max(abs(number) / (most or 1) / 2, _THINNEST)
        start = 0.5 if number > 0 else 0.5 - size
        drawing.span(start, size, "ink" if is_main else "soft", "solid")
    return drawing.svg()


def draw_lines(lines: Sequence[LineCount]) -> Markup:
    """Draw how many lines of the logs are of each kind."""
    drawing, total, x = Drawing(), sum(line.count for line in lines) or 1, 0.0
    sizes = [max(line.count / total, _THINNEST) for line in lines]
    for line, size in zip(lines, sizes, strict=True):
        drawing.span(x, size / sum(sizes) - 0.002, line.mark, "solid")
        x += size / sum(sizes)
    words = ", ".join(f"{line.count:,} {line.label}" for line in lines)
    return drawing.svg(f"{plural(total, 'log line')}: {words}")
