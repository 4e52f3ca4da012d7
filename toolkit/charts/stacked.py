"""Stacks over time: bars, or filled steps if there are many periods."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import polars as pl

from toolkit.charts.alt_text import shorten
from toolkit.charts.layout import measure_axes, set_value_axis
from toolkit.charts.style import current_theme, mix
from toolkit.charts.time_axis import PERIOD, Span, build_span, set_time_axis
from toolkit.formatting.text import format_share

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from matplotlib.patches import Rectangle
    from numpy.typing import NDArray

    from toolkit.charts.layout import AxesLayout
    from toolkit.charts.series import Series
    from toolkit.charts.time_axis import Numbers

_MAX_BARS = 90  # periods; more are drawn as steps
EDGE = 0.7  # of a bar, about one pixel
NO_PRICE = "no known price"  # of a dotted part
_THIN = 0.012  # of the height of the chart; thinner parts have no edge
HATCH = "/////"
_DOTS = "....."
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
    table = (
        rows.group_by(*PERIOD, "series")
        .agg(pl.col("value").sum())
        .pivot(on="series", index=PERIOD, values="value", aggregate_function="sum")
        .sort("period")
        .fill_null(0)
    )
    places = [str(place) for place in range(len(series))]
    absent = [pl.lit(0.0).alias(name) for name in places if name not in table.columns]
    heights = table.with_columns(absent).select(places).to_numpy().T
    unknown = pl.col("open").any() if "open" in rows.columns else pl.lit(value=False)
    opened = rows.group_by("period").agg(unknown.alias("open")).sort("period")["open"]
    return Stack(series, span, heights, opened.to_numpy().astype(bool))


def _draw_bars(ax: Axes, stack: Stack) -> None:
    """Draw each part as a bar as wide as its period."""
    ground = current_theme().ground
    widths = stack.span.ends - stack.span.starts
    for part, bottom, height in zip(
        stack.series, stack.bottoms, stack.heights, strict=True
    ):
        drawn = ax.bar(
            stack.span.starts,
            height,
            width=widths,
            bottom=bottom,
            align="edge",
            label=part.name,
            color=part.color,
            edgecolor=ground,
            linewidth=np.where(height > _THIN * stack.top, EDGE, 0).tolist(),
        )
        _hatch(drawn, part.color, stack.span.partial)


def _hatch(drawn: BarContainer, color: str, where: NDArray[np.bool_]) -> None:
    """Draw bars of incomplete periods hatched and paler."""
    for index in np.flatnonzero(where):
        hatch_patch(drawn.patches[index], color)


def hatch_patch(patch: Rectangle, color: str) -> None:
    """Draw a patch hatched and paler."""
    ground = current_theme().ground
    patch.set(facecolor=mix(color, ground, 0.25), hatch=HATCH)
    patch.set_hatchcolor(ground)
    patch.set_hatch_linewidth(1.1)


def dot_patch(patch: Rectangle) -> None:
    """Draw a patch dotted: its size is unknown."""
    patch.set(hatch=_DOTS)
    patch.set_hatchcolor(current_theme().muted)
    patch.set_hatch_linewidth(0.6)


def _draw_areas(ax: Axes, stack: Stack) -> None:
    """Draw each part as filled steps, at zero where a period is missing."""
    span, ground = stack.span, current_theme().ground
    steps = np.unique([span.starts, span.ends])
    at = np.searchsorted(steps, span.starts)
    edge = EDGE * _MAX_BARS / span.slots  # thinner for thinner steps
    last = np.flatnonzero(span.partial)
    for part, bottom, height in zip(
        stack.series, stack.bottoms, stack.heights, strict=True
    ):
        low, high = np.zeros((2, len(steps)))
        low[at], high[at] = bottom, bottom + np.where(span.partial, 0, height)
        area = ax.fill_between(steps, low, high, step="post", label=part.name)
        area.set(facecolor=part.color, edgecolor=ground, linewidth=edge)
        if len(last):
            drawn = ax.bar(
                span.starts[last],
                height[last],
                width=(span.ends - span.starts)[last],
                bottom=bottom[last],
                align="edge",
                color=part.color,
                linewidth=0,
            )
            _hatch(drawn, part.color, np.ones(len(last), dtype=bool))


def _draw_caps(ax: Axes, stack: Stack, height: float) -> None:
    """Draw a dotted cap on stacks whose height is a lower bound."""
    where = np.flatnonzero(stack.open)
    if not len(where):
        return
    unit = ax.get_ylim()[1] / height
    drawn = ax.bar(
        stack.span.starts[where],
        _CAP * unit,
        width=(stack.span.ends - stack.span.starts)[where],
        bottom=stack.sums[where] + 0.8 * unit,
        align="edge",
        label=NO_PRICE,
        facecolor="none",
        edgecolor=current_theme().ground,
        linewidth=EDGE,
    )
    for patch in drawn.patches:
        dot_patch(patch)


def draw_stack(
    ax: Axes,
    stack: Stack,
    layout: AxesLayout,
    tick: Callable[..., str],
    *,
    whole: bool = True,
) -> None:
    """Draw a stack, with labels beside the last period."""
    if layout.labels:
        middles = (stack.bottoms + stack.heights / 2)[:, -1].tolist()
        layout = layout._replace(heights=middles)
    inside = layout.inside()
    # Rounded: a day of 25 hours or a month of 31 days makes the range a little longer.
    few = round(stack.span.slots) <= _MAX_BARS
    (_draw_bars if few else _draw_areas)(ax, stack)
    slack = 1.04 if not stack.open.any() else 1.04 + 1.5 * _CAP / inside.height
    set_value_axis(ax, stack.top, inside.height, tick, whole=whole, slack=slack)
    if few:
        _draw_caps(ax, stack, inside.height)
    set_time_axis(ax, stack.span, inside.width, measure_axes(ax).date_width)
    layout.apply()


def describe_stack(
    stack: Stack, format_amount: Callable[[int | None, int | None], str]
) -> list[str]:
    """Describe the time range, the total, the series and the highest period of a stack.

    `format_amount` formats the sum of a series in a period, given their indexes; None
    stands for all of them.
    """
    sums = stack.heights.sum(axis=1)
    total, highest = float(sums.sum()), int(stack.sums.argmax())
    facts = [stack.span.format_range(), f"Total {format_amount(None, None)}"]
    if len(stack.series) > 1 and total:
        facts.append(
            "; ".join(
                f"{shorten(part.name)} {format_amount(index, None)} "
                f"({format_share(value / total)})"
                for index, (part, value) in enumerate(
                    zip(stack.series, sums.tolist(), strict=True)
                )
            )
        )
    if len(stack.span.starts) > 1 and total:
        amount = format_amount(None, highest)
        facts.append(f"Highest: {amount}, {stack.span.format_period(highest)}")
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
