"""Stacks over time: bars, or filled steps if there are many periods."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from toolkit.charts.layout import measure_axes, set_value_axis
from toolkit.charts.series import sum_measure
from toolkit.charts.style import EDGE, current_theme, dotted, hatch, solid
from toolkit.charts.text import format_value
from toolkit.charts.time_axis import Span, build_span, set_time_axis
from toolkit.charts.titles import shorten
from toolkit.formatting.text import format_share

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import Series
    from toolkit.charts.time_axis import Numbers
    from toolkit.metrics.measures import Measure

_MAX_BARS = 90  # periods; more are drawn as steps
_THIN = 0.012  # of the height of the chart; thinner parts have no edge


class Stack(NamedTuple):
    """Stacked series: a row of heights for each series, a column for each period."""

    series: list[Series]
    span: Span
    heights: Numbers
    extra: Numbers  # what each stack may lack

    @property
    def bottoms(self) -> Numbers:
        """Lower end of each part."""
        return np.cumsum(self.heights, axis=0) - self.heights

    @property
    def sums(self) -> Numbers:
        """Height of each stack."""
        return np.asarray(self.heights.sum(axis=0))

    @property
    def top(self) -> float:
        """Height of the highest stack."""
        return float(self.sums.max())


def build_stack(series: list[Series], rows: pl.DataFrame) -> Stack:
    """Build a stack of `value`; `extra` is what a value may lack."""
    span = build_span(rows)
    at, heights = span.find(rows), np.zeros((len(series), len(span.starts)))
    values = rows["value"].fill_null(0).to_numpy()
    np.add.at(heights, (rows["series"].to_numpy(), at), values)
    extra = np.zeros(len(span.starts))
    if "extra" in rows.columns:
        np.add.at(extra, at, rows["extra"].to_numpy())
    return Stack(series, span, heights, extra)


def _draw_parts(ax: Axes, stack: Stack, where: NDArray[np.bool_], edge: float) -> None:
    """Draw each part of some periods as bars, hatched where a period is partial."""
    starts, unfinished = stack.span.starts[where], stack.span.partial[where]
    widths = stack.span.ends[where] - starts
    for part, bottoms, heights in zip(
        stack.series, stack.bottoms[:, where], stack.heights[:, where], strict=True
    ):
        look = solid(part.color) | {"align": "edge", "label": part.name}
        look["linewidth"] = np.where(heights <= _THIN * stack.top, 0, edge)
        bars = ax.bar(starts, heights, widths, bottoms, **look)
        hatch(np.array(bars)[unfinished], part.color)


def _draw_areas(ax: Axes, stack: Stack) -> None:
    """Draw each part as filled steps, at zero where a period is missing."""
    span, ground = stack.span, current_theme().ground
    steps = np.unique([span.starts, span.ends])
    at = np.searchsorted(steps, span.starts)
    edge = EDGE * _MAX_BARS / span.slots  # thinner for thinner steps
    for part, bottom, height in zip(
        stack.series, stack.bottoms, stack.heights, strict=True
    ):
        low, high = np.zeros((2, len(steps)))
        low[at], high[at] = bottom, bottom + np.where(span.partial, 0, height)
        area = ax.fill_between(steps, low, high, step="post", label=part.name)
        area.set(facecolor=part.color, edgecolor=ground, linewidth=edge)
    if span.partial.any():
        _draw_parts(ax, stack, span.partial, edge)


def draw_stack(
    ax: Axes,
    stack: Stack,
    layout: AxesLayout,
    tick: Callable[..., str],
    *,
    whole: bool = True,
) -> AxesLayout:
    """Draw a stack, with labels beside the last period."""
    inside = layout.inside()
    # Rounded: a day of 25 hours or a month of 31 days makes the range a little longer.
    few = round(stack.span.slots) <= _MAX_BARS
    if few:
        _draw_parts(ax, stack, np.ones_like(stack.span.partial), EDGE)
    else:
        _draw_areas(ax, stack)
    tallest = float((stack.sums + stack.extra).max())
    set_value_axis(ax, tallest, inside.height, tick, whole=whole)
    if few and stack.extra.any():
        widths = stack.span.ends - stack.span.starts
        caps = stack.span.starts, stack.extra, widths, stack.sums
        ax.bar(*caps, align="edge", **dotted())
    set_time_axis(ax, stack.span, inside.width, measure_axes(ax).date_width)
    return layout._replace(heights=(stack.bottoms + stack.heights / 2)[:, -1].tolist())


def describe_stack(stack: Stack, rows: pl.DataFrame, measure: Measure) -> list[str]:
    """Describe the time range, the total, the series and the highest period of a stack.

    `rows` are those that the stack was built from.
    """
    write = partial(format_value, measure, words=True)
    total, highest = sum_measure(measure, rows), int(stack.sums.argmax())
    facts = [stack.span.format_range(), f"Total {write(total)}"]
    if len(stack.series) > 1 and total.value:
        parts = []
        for index, part in enumerate(stack.series):
            figure = sum_measure(measure, rows.filter(series=index))
            share = figure / total
            of = f" ({format_share(share, words=True)})" if share.is_known else ""
            parts.append(f"{shorten(part.name)} {write(figure)}{of}")
        facts.append("; ".join(parts))
    if len(stack.span.starts) > 1 and total.value:
        start = stack.span.periods["period"][highest]
        amount = write(sum_measure(measure, rows.filter(period=start)))
        known = "Highest known" if stack.extra.any() else "Highest"
        facts.append(f"{known}: {amount}, {stack.span.format_period(highest)}")
    return facts


def describe_shares(stack: Stack) -> list[str]:
    """Describe the time range, and the first and last shares of a stack of 100%."""
    full = np.flatnonzero(stack.sums > 0)
    if not len(full):
        return [stack.span.format_range()]
    first, last = int(full[0]), int(full[-1])
    changes = []
    for part, row in zip(stack.series, stack.heights, strict=True):
        begin, end = format_share(float(row[first])), format_share(float(row[last]))
        change = end if first == last else f"from {begin} to {end}"
        changes.append(f"{shorten(part.name)} {change}")
    return [stack.span.format_range(), "; ".join(changes)]
