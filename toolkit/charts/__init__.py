"""Charts of the results of metrics.

There is a function for each metric, ``plot_<metric>(frame, *, ax=None) -> Axes``, which
draws a frame returned by `toolkit.metrics`. `theme` selects the dark theme,
`set_colors` sets the colours of names, and `describe` returns the alt text of a chart.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolkit.charts.change import plot_cost_change
    from toolkit.charts.counts import plot_log_health, plot_tool_calls
    from toolkit.charts.distributions import plot_tokens_per_response
    from toolkit.charts.heatmap import plot_response_volume
    from toolkit.charts.mix import plot_finish_reasons, plot_model_mix
    from toolkit.charts.ratios import (
        plot_cache_share,
        plot_choices_per_response,
        plot_confidence,
        plot_output_input_ratio,
        plot_reasoning_share,
        plot_refusal_and_filter_rate,
        plot_truncation_rate,
        plot_usage_coverage,
    )
    from toolkit.charts.series import set_colors
    from toolkit.charts.style import theme
    from toolkit.charts.timeline import plot_drift
    from toolkit.charts.titles import describe
    from toolkit.charts.usage import plot_cost, plot_token_usage

__all__ = [
    "describe",
    "plot_cache_share",
    "plot_choices_per_response",
    "plot_confidence",
    "plot_cost",
    "plot_cost_change",
    "plot_drift",
    "plot_finish_reasons",
    "plot_log_health",
    "plot_model_mix",
    "plot_output_input_ratio",
    "plot_reasoning_share",
    "plot_refusal_and_filter_rate",
    "plot_response_volume",
    "plot_token_usage",
    "plot_tokens_per_response",
    "plot_tool_calls",
    "plot_truncation_rate",
    "plot_usage_coverage",
    "set_colors",
    "theme",
]

# Where they are: `toolkit.charts.colors` is imported without them, and matplotlib.
_HOMES = (
    *("titles", "style", "series", "usage", "mix", "ratios", "counts"),
    *("distributions", "heatmap", "timeline", "change"),
)


def __getattr__(name: str) -> object:
    """Import the charts when the first one is used."""
    if name in __all__:
        for home in _HOMES:
            globals().update(
                (key, value)
                for key, value in vars(import_module(f"toolkit.charts.{home}")).items()
                if key in __all__
            )
    if name not in globals():
        message = f"module 'toolkit.charts' has no attribute {name!r}"
        raise AttributeError(message)
    return globals()[name]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
