"""The chart of each metric: a function for its shape, with the words of the metric."""

from __future__ import annotations

from functools import cache
from inspect import getdoc
from textwrap import indent
from typing import TYPE_CHECKING, Any

from toolkit.charts.layout import draw_chart
from toolkit.charts.ratios import draw_ratio, draw_sizes
from toolkit.charts.special import draw_change, draw_health, draw_hours, draw_timeline
from toolkit.charts.sums import draw_counts, draw_mix, draw_sums
from toolkit.errors import check_word
from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import polars as pl
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

_SHAPES: Mapping[str, Callable[..., Bbox]] = {
    "stacked": draw_sums,
    "ratio": draw_ratio,
    "mix": draw_mix,
    "bars": draw_counts,
    "distribution": draw_sizes,
    "heatmap": draw_hours,
    "timeline": draw_timeline,
}
_OWN: Mapping[str, Callable[..., Bbox]] = {
    "cost_change": draw_change,
    "log_health": draw_health,
}
# What no declaration has: words of the functions that draw a shape.
_WORDS: Mapping[str, Mapping[str, Any]] = {
    "token_usage": {"subtitle": "Total tokens", "missing": "without token counts"},
    "tokens_per_response": {"missing": "without token counts"},
    "tool_calls": {
        "subtitle": "Calls requested by the models",
        "noun": "tool call",
        "fault": "invalid",
        "faults": "invalid JSON arguments",
        "missing": "without arguments, not checked",
    },
    "cache_share": {"missing": "do not report cache use"},
    "reasoning_share": {"missing": "do not report reasoning"},
    "output_input_ratio": {"missing": "without prompt or completion tokens"},
    "truncation_rate": {
        "detail": "an answer was cut off at the token limit",
        "missing": "without a finish reason",
    },
    "confidence": {
        "subtitle": "Perplexity of the answers",
        "detail": "1 = certain, lower is more confident",
        "missing": "without logprobs",
        "of": "over {whole} tokens",
    },
}


@cache
def find_chart(name: str) -> Callable[..., Axes]:
    """Return the function that draws a metric, by the shape in its declaration."""
    check_word("metric", name, tuple(SPECS))
    draw = _OWN.get(name, _SHAPES[SPECS[name].shape])

    def chart(frame: pl.DataFrame, *, ax: Axes | None = None) -> Axes:
        """Draw the result of the metric NAME.

        Parameters
        ----------
        frame
            Result of `toolkit.metrics.NAME`.
        ax
            Where to draw; by default a new pyplot figure, 9 inches wide. All text stays
            inside the box of the Axes, and the theme is that of its figure.

        Returns
        -------
        Axes
        SHAPE

        Raises
        ------
        MissingColumnsError
            If `frame` is not a result of `NAME`.
        """
        return draw_chart(draw, ax, frame, SPECS[name], **_WORDS.get(name, {}))

    _, shape, *_ = (getdoc(draw) or "").split("\n\n")
    text = (getdoc(chart) or "").replace("SHAPE", indent(shape, "    ").rstrip())
    chart.__doc__ = text.replace("NAME", name)
    chart.__name__ = chart.__qualname__ = f"plot_{name}"
    return chart


def draw_multiples(name: str, frame: pl.DataFrame, ax: Axes) -> Axes:
    """Draw a rate over time as small multiples: a line for each series."""
    words = {"multiples": True, **_WORDS.get(name, {})}
    return draw_chart(draw_ratio, ax, frame, SPECS[name], **words)
