"""The small charts for analysts as drawings, all of one width."""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING

from toolkit.report.drawing import (
    LINE,
    Drawing,
    color_class,
    log_ticks,
    shortened,
    size_of,
    text_width,
    thinned,
    ticks_of,
)
from toolkit.report.model import Bars, Dots

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from markupsafe import Markup

    from toolkit.report.model import Bar, Color, Heat, Tile

_WIDTH, _NAMES = 320, 122  # of a tile, and of the names in it
_BELOW = 4.3  # from the middle of a line to the ground of its text
_SHADES = 9  # of a heat map


def draw_tile(tile: Tile) -> Markup:
    """Draw the chart of a tile."""
    drawing, chart = Drawing(), tile.chart
    if isinstance(chart, Bars):
        height = (_draw_columns if chart.upright else _draw_bars)(drawing, chart)
    elif isinstance(chart, Dots):
        height = _draw_dots(drawing, chart)
    else:
        height = _draw_heat(drawing, chart)
    return drawing.svg(f"{tile.title}. {tile.summary}", "chart", (_WIDTH, height))


def _draw_bars(drawing: Drawing, chart: Bars) -> float:
    """Draw bars with names at their left and texts at their right."""
    y, left = _draw_legend(drawing, chart.legend), _room(b.label for b in chart.bars)
    texts = max((text_width(bar.text) for bar in chart.bars), default=0)
    peak = max(map(_total, chart.bars), default=0) or 1
    scale, row = (_WIDTH - left - texts - 8) / peak, 24 if len(chart.bars) < 6 else 20
    for bar in chart.bars:
        drawing.name(0, y + row / 2 + _BELOW, bar.label, left - 8)
        x, high = left, row - (10.0 if row > 20 else 8.0)
        for part in bar.parts:
            if wide := size_of(part.value) * scale:
                shown = wide - 1.5 if part.label else wide  # the ground between them
                drawing.part(
                    x, y + (row - high) / 2, shown, high, part.color, part.mark
                )
            if part.label and text_width(part.label) < wide - 4:
                middle = x + wide / 2, y + row / 2 + _BELOW
                drawing.text(*middle, (part.label, "i center"))
            x += wide
        drawing.text(min(x + 6, _WIDTH - texts), y + row / 2 + _BELOW, (bar.text, "i"))
        y += row
    return y + 4


def _draw_columns(drawing: Drawing, chart: Bars) -> float:
    """Draw columns, with an axis or a text above each, and a legend beside them."""
    top, bottom = 26.0, 174.0
    texts = max((text_width(bar.text) for bar in chart.bars), default=0)
    peak = max(map(_total, chart.bars), default=0) or 1
    ticks = [] if texts else ticks_of(peak, chart.kind)
    left = max((text_width(text) + 6 for _, text in ticks), default=0)
    names = [shortened(name, 126, bold=True) for name, *_ in chart.legend]
    right = max((text_width(name, bold=True) + 24 for name in names), default=0)
    scale, slot = (bottom - top) / peak, (_WIDTH - left - right) / len(chart.bars)
    drawing.grid(ticks, left, _WIDTH - right, bottom, scale)
    for place, bar in enumerate(chart.bars):
        x, wide = left + slot * (place + 0.12), slot * 0.76
        parts = [(size_of(one.value) * scale, one.color, one.mark) for one in bar.parts]
        y = drawing.stack(x, bottom, wide, parts)
        if bar.before.is_known:
            before = bottom - size_of(bar.before) * scale
            drawing.line("limit", x - slot * 0.08, before, x + slot * 0.84, before)
            y = min(y, before)
        if texts < slot - 2 or _total(bar) == peak:
            drawing.text(x + wide / 2, y - 6, (bar.text, "i center"))
    drawing.below([bar.label for bar in chart.bars], left, slot, bottom + 15)
    y = 18.0
    for name, (whole, color, mark) in zip(names, chart.legend, strict=True):
        drawing.part(_WIDTH - right + 10, y - 8.5, 9, 9, color, mark)
        runs = (name, f"t b {color_class(color)}")
        drawing.text(_WIDTH - right + 24, y, runs, whole=whole)
        y += 19
    return max(196, y + 8)


def _draw_dots(drawing: Drawing, chart: Dots) -> float:
    """Draw rows of dots on one scale, each with a line over its range."""
    top = _draw_legend(drawing, chart.legend)
    left = _room(row[0].label for row in chart.rows)
    dots = [dot for row in chart.rows for dot in row]
    texts = max((text_width(dot.text) for dot in dots), default=0)
    figures = [one for dot in dots for one in (dot.value, dot.low, dot.high)]
    values = [size_of(one) for one in figures if one.is_known] or [1.0]
    least = min((one for one in values if one), default=1.0) if chart.log else 0.0
    peak, row = max(*values, least), 22
    base = log10(least) if chart.log else 0.0
    reach = (log10(peak) - base if chart.log else peak) or 1
    bottom = top + row * len(chart.rows)
    wide = _WIDTH - left - texts - (16 if texts else 8)

    def place(value: float) -> float:
        at = log10(max(value, least)) if chart.log else value
        return left + 4 + wide * (at - base) / reach

    ticks = log_ticks(least, peak) if chart.log else ticks_of(peak, chart.kind)
    for value, text in thinned(ticks, place):
        x, classes = place(value), "grid" if value else "axis"
        drawing.line(classes, x, top, x, bottom)
        drawing.text(x, bottom + 16, (text, "m center"))
    for line, marks in enumerate(chart.rows):
        y = top + row * (line + 0.5)
        drawing.name(0, y + _BELOW, marks[0].label, left - 8)
        known = [
            (dot, place(size_of(dot.value))) for dot in marks if dot.value.is_known
        ]
        has_range = any(dot.low.is_known for dot, _ in known)
        apart = 7 if has_range and len(known) > 1 else 0
        if len(known) > 1 and not has_range:
            classes = f"s w {color_class(known[0][0].color)}"
            drawing.line(classes, known[0][1], y, known[-1][1], y)
        for number, (dot, x) in enumerate(known):
            at = y + apart * (number - 0.5)
            if dot.low.is_known and dot.high.is_known:
                low, high = place(size_of(dot.low)), place(size_of(dot.high))
                drawing.line(f"s w {color_class(dot.color)}", low, at, high, at)
            drawing.dot(x, at, dot.color, is_hollow=dot.is_hollow)
        text = next((dot.text for dot in marks if dot.text), "")
        drawing.text(_WIDTH, y + _BELOW, (text, "i end"))
    return bottom + 22


def _draw_heat(drawing: Drawing, chart: Heat) -> float:
    """Draw cells that are darker the more they count."""
    left, high = _room(chart.rows), 21
    peak = max(count for row in chart.counts for count in row)
    wide = (_WIDTH - left) / len(chart.columns)
    cells: dict[str, list[str]] = {}
    for line, (name, counts) in enumerate(zip(chart.rows, chart.counts, strict=True)):
        y = 6 + high * line
        drawing.name(0, y + high / 2 + _BELOW, name, left - 8)
        for place, count in enumerate(counts):
            level = max(round(_SHADES * count / peak), 1 if count else 0)
            shade = f"{0.05 + level / 10:.2f}"
            size = f"h{wide - 1:.1f}v20h-{wide - 1:.1f}z"
            cells.setdefault(shade, []).append(f"M{left + wide * place:.1f} {y}{size}")
    for shade, paths in cells.items():
        drawing.add("path", "f c-ink", d="".join(paths), **{"fill-opacity": shade})
    bottom = 6.0 + high * len(chart.rows)
    drawing.below(chart.columns, left, wide, bottom + 16)
    return bottom + 22


def _draw_legend(drawing: Drawing, legend: Sequence[tuple[str, Color, str]]) -> float:
    """Draw what colours and marks mean, in lines; return where they end."""
    x, y = 0.0, 2.0
    for name, color, mark in legend:
        text = shortened(name, _WIDTH - 20)
        if x and x + 14 + text_width(text) > _WIDTH:
            x, y = 0.0, y + LINE
        if mark in {"dot", "hollow"}:
            drawing.dot(x + 5, y + 5, color, is_hollow=mark == "hollow")
        else:
            drawing.part(x, y, 10, 9, color, mark)
        drawing.text(x + 14, y + 9, (text, "m"), whole=name)
        x += 28 + text_width(text)
    return y + 18 if legend else 2.0


def _total(bar: Bar) -> float:
    """Return how long a bar is, with its mark of the time before."""
    return max(sum(size_of(part.value) for part in bar.parts), size_of(bar.before))


def _room(names: Iterable[str]) -> float:
    """Return the room for names, with a gap."""
    return min(max(map(text_width, names), default=0), _NAMES) + 8
