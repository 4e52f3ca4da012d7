"""The overview of a report as a picture: the charts of `toolkit.overview`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, cast

from toolkit import charts
from toolkit.charts import page
from toolkit.charts.plot import PAGE, PICTURES, SHOWN
from toolkit.report.content import CHART_TOP
from toolkit.report.svg import any_sign

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from toolkit.report.content import Contents
    from toolkit.report.inputs import Material

_DPI = 110


def overview_png(contents: Contents, material: Material) -> bytes:
    """Draw the overview of the range; the same contents give the same bytes."""
    # Imported here: only the page of six charts is known to pyplot.
    from matplotlib import pyplot as plt

    plan = contents.plan
    frames = {part.section.name: part.frame for part in contents.parts}
    charts.colors(contents.names)
    said = f"{contents.range} ({plan.tz})"
    places = page.build_page(PAGE, 3, 2, (contents.headline, said))
    for name, ax in zip(PICTURES, places, strict=True):
        frame = frames.get(name)
        if frame is None:
            options: dict[str, Any] = (
                {"by": ()}
                if name == "response_volume"
                else {"every": plan.every, "by": plan.by, "top": CHART_TOP}
            )
            frame = SHOWN[name].metric(material.choices, **options, **plan.range)
        with any_sign():
            SHOWN[name].chart(frame, ax=ax)
    written = io.BytesIO()
    figure = cast("Figure", places[0].figure)
    with any_sign():
        figure.savefig(written, format="png", dpi=_DPI, metadata={"Software": None})
    plt.close(figure)
    return written.getvalue()
