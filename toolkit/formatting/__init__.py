"""Figures with their bounds, and numbers, dates and names as text.

`figures` calculates, `text` writes numbers and names, `dates` writes days and ranges.
"""

from __future__ import annotations

from toolkit.formatting.figures import UNKNOWN, Figure, sum_figures, sum_with_gaps

__all__ = ["UNKNOWN", "Figure", "sum_figures", "sum_with_gaps"]


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
