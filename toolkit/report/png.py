"""The overview of a report as PNG: that of `toolkit.overview`, over the range."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from toolkit.charts.plot import overview

if TYPE_CHECKING:
    import polars as pl

    from toolkit.report.inputs import Plan

_DPI = 110


def overview_png(choices: pl.LazyFrame, plan: Plan) -> bytes:
    """Draw the overview of the range; the same content gives the same bytes."""
    # Imported here: only the overview needs pyplot.
    from matplotlib import pyplot as plt

    written = io.BytesIO()
    with warnings.catch_warnings():
        # No font has every character: those are drawn as boxes.
        warnings.filterwarnings("ignore", "Glyph ", UserWarning)
        figure = overview(
            choices,
            every=plan.every,
            by=plan.by,
            provider=plan.provider,
            **plan.axis,
        )
        figure.savefig(written, format="png", dpi=_DPI, metadata={"Software": None})
    plt.close(figure)
    return written.getvalue()
