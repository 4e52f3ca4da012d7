"""The overview of a report as PNG: the charts of `toolkit.overview`."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any, cast

from toolkit import charts
from toolkit.charts.by_metric import find_chart
from toolkit.charts.plot import PICTURES, build_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from toolkit.report.model import ReportContent
    from toolkit.report.tables import MetricTables

_DPI = 110
_TOP = 5  # series of a chart
_OVER_TIME = {"token_usage", "cost"}


def overview_png(content: ReportContent, tables: MetricTables) -> bytes:
    """Draw the overview of the range; the same content gives the same bytes."""
    # Imported here: only the overview needs pyplot.
    from matplotlib import pyplot as plt

    plan = tables.plan
    charts.set_colors(content.colors)
    under = f"{content.range.words} ({plan.tz})"
    places = build_page(content.answer.headline, under)
    figure = cast("Figure", places[0].figure)
    for name, ax in zip(PICTURES, places, strict=True):
        options: dict[str, Any] = {"every": None, "by": plan.by, "top": _TOP}
        if name in _OVER_TIME:
            options |= {"every": plan.every, "fill": True, **plan.axis}
        frame = tables.table(name, **options if name != "response_volume" else {})
        if name in _OVER_TIME:
            frame = frame.with_columns(plan.is_partial)
        find_chart(name)(frame, ax=ax)
    written = io.BytesIO()
    with warnings.catch_warnings():
        # No font has every character: those are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph ", UserWarning)
        figure.savefig(written, format="png", dpi=_DPI, metadata={"Software": None})
    plt.close(figure)
    return written.getvalue()
