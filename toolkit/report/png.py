"""The overview of a report as PNG: the charts of `toolkit.overview`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, cast

from toolkit import charts
from toolkit.charts.by_metric import find_chart
from toolkit.charts.colors import assign_colors
from toolkit.charts.plot import PICTURES, build_page
from toolkit.report.content import CHART_TOP, ReportContent, over_periods
from toolkit.report.svg import any_sign

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from toolkit.report.inputs import ReportInputs

_DPI = 110


def overview_png(content: ReportContent, inputs: ReportInputs) -> bytes:
    """Draw the overview of the range; the same content gives the same bytes."""
    # Imported here: only the overview needs pyplot.
    from matplotlib import pyplot as plt

    plan = content.plan
    frames = {result.section.name: result.frame for result in content.sections}
    charts.set_colors(assign_colors(content.names))
    subtitle = f"{content.range} ({plan.tz})"
    places = build_page(content.headline, subtitle)
    written = io.BytesIO()
    figure = cast("Figure", places[0].figure)
    with any_sign():
        for name, ax in zip(PICTURES, places, strict=True):
            frame = frames.get(name)
            if frame is None:
                by = () if name == "response_volume" else plan.by
                frame = over_periods(inputs, plan, name, by=by, top=CHART_TOP)
            find_chart(name)(frame, ax=ax)
        figure.savefig(written, format="png", dpi=_DPI, metadata={"Software": None})
    plt.close(figure)
    return written.getvalue()
