"""Stacks over time: bars, or filled steps if there are many periods."""

from __future__ import annotations

from functools import partial
from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from toolkit.charts.bars import (
    EDGE,
    UNSEEN,
    dot_patch,
    draw_rectangles,
    hatch_patch,
    name_bars,
)
from toolkit.charts.layout import measure_axes, set_value_axis
from toolkit.charts.series import sum_measure
from toolkit.charts.style import current_theme
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
_CAP = 6.0  # height in points of a dotted cap, which has no true height


class Stack(NamedTuple):
    """Stacked series: a row of heights for each series, a column for each period."""

    series: list[Series]
    span: Span
    heights: Numbers
    open: NDArray[np.bool_]  # periods whose height is a lower bound

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
    """Build a stack of `value`; `open` marks rows whose value is a lower bound."""
    span = build_span(rows)
    at, heights = span.find(rows), np.zeros((len(series), len(span.starts)))
    values = rows["value"].fill_null(0).to_numpy()
    np.add.at(heights, (rows["series"].to_numpy(), at), values)
    is_open = np.zeros(len(span.starts), dtype=bool)
    if "open" in rows.columns:
        is_open[at[rows["open"].to_numpy()]] = True
    return Stack(series, span, heights, is_open)


def _draw_parts(ax: Axes, stack: Stack, where: NDArray[np.bool_], edge: float) -> None:
    """Draw each part of some periods as bars, hatched where a period is partial."""
    starts, widths = stack.span.starts, stack.span.ends - stack.span.starts
    for part, bottoms, heights in zip(
        stack.series, stack.bottoms, stack.heights, strict=True
    ):
        drawn, is_thin = [], heights <= _THIN * stack.top
        for thin, is_partial in product((True, False), (False, True)):
            at = where & (is_thin == thin) & (stack.span.partial == is_partial)
            if not at.any():
                continue
            bars = starts[at], bottoms[at], widths[at], heights[at]
            patch = draw_rectangles(
                ax, *bars, color=part.color, edge=0 if thin else edge
            )
            if is_partial:
                hatch_patch(patch, part.color)
            drawn.append(patch)
        name_bars(ax, part.name, drawn)


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


def _draw_caps(ax: Axes, stack: Stack, height: float) -> None:
    """Draw a dotted cap on stacks whose height is a lower bound."""
    where = np.flatnonzero(stack.open)
    if not len(where):
        return
    unit = ax.get_ylim()[1] / height
    widths = (stack.span.ends - stack.span.starts)[where]
    bottoms = stack.sums[where] + 0.8 * unit
    caps = draw_rectangles(
        ax, stack.span.starts[where], bottoms, widths, _CAP * unit, color="none"
    )
    dot_patch(caps)
    name_bars(ax, UNSEEN, [caps])


def draw_stack(
    ax: Axes,
    stack: Stack,
    layout: AxesLayout,
    tick: Callable[..., str],
    *,
    whole: bool = True,
) -> None:
    """Draw a stack, with labels beside the last period."""
    inside = layout.inside()
    # Rounded: a day of 25 hours or a month of 31 days makes the range a little longer.
    few = round(stack.span.slots) <= _MAX_BARS
    if few:
        _draw_parts(ax, stack, np.ones_like(stack.span.partial), EDGE)
    else:
        _draw_areas(ax, stack)
    extra = 1.5 * _CAP / inside.height if stack.open.any() else 0.0
    set_value_axis(ax, stack.top, inside.height, tick, whole=whole, extra=extra)
    if few:
        _draw_caps(ax, stack, inside.height)
    set_time_axis(ax, stack.span, inside.width, measure_axes(ax).date_width)
    layout.apply((stack.bottoms + stack.heights / 2)[:, -1].tolist())


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
        known = "Highest known" if stack.open.any() else "Highest"
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
