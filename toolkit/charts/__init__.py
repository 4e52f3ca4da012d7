"""Charts of the results of metrics.

There is a function for each metric, ``plot_<metric>(frame, *, ax=None) -> Axes``, which
draws a frame returned by `toolkit.metrics`. `theme` selects the dark theme,
`set_colors` sets the colours of names, and `describe` returns the alt text of a chart.

The columns by which a frame was grouped name the series, and a null in them is shown as
"unknown"; the time zone is that of `period`. A title that is set later, or another
size, is laid out before the next drawing. Characters that no font has (see
``rcParams["font.family"]``) are drawn as U+FFFD; in SVG with
``rcParams["svg.fonttype"] = "none"`` they stay as they are.

Examples
--------
>>> from toolkit.charts import plot_token_usage
>>> from toolkit.metrics import token_usage
>>> from toolkit.testing import make_choices
>>> choices = make_choices(
...     {"model": "gpt-a", "total_tokens": 45},
...     {"model": "gpt-b", "total_tokens": 15},
... )
>>> ax = plot_token_usage(token_usage(choices))
>>> ax.get_title(loc="left")
'Tokens by model and day'
>>> [text.get_text() for text in ax.texts]
['2 calls', 'Total tokens per day (UTC). Hatched: ...', 'gpt-a', 'gpt-b']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from toolkit.metrics.registry import SPECS

if TYPE_CHECKING:
    from toolkit.charts.series import set_colors
    from toolkit.charts.style import theme
    from toolkit.charts.titles import describe

_HOMES = {"describe": "titles", "set_colors": "series", "theme": "style"}
__all__ = ["describe", "set_colors", "theme"]
__all__ += [f"plot_{name}" for name in SPECS]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    """Import what is asked for: `toolkit.charts.colors` needs no matplotlib."""
    if name in _HOMES:
        return getattr(import_module(f"toolkit.charts.{_HOMES[name]}"), name)
    if name.startswith("plot_") and name.removeprefix("plot_") in SPECS:
        by_metric = import_module("toolkit.charts.by_metric")
        return by_metric.find_chart(name.removeprefix("plot_"))
    message = f"module 'toolkit.charts' has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
