"""Figures with their bounds, and numbers, dates and names as text.

`figures` calculates, `text` writes numbers and names, `dates` writes days and ranges.
"""

from __future__ import annotations

from toolkit.formatting.dates import (
    MONTHS,
    calendar_unit,
    format_day,
    format_days,
    format_moment,
    format_month,
    format_range,
)
from toolkit.formatting.figures import (
    UNKNOWN,
    Figure,
    as_figure,
    sum_figures,
    sum_with_gaps,
)
from toolkit.formatting.text import (
    DASH,
    UNKNOWN_TEXT,
    format_change,
    format_count,
    format_name,
    format_number,
    format_share,
    format_share_change,
    format_usd,
)

__all__ = [
    "DASH",
    "MONTHS",
    "UNKNOWN",
    "UNKNOWN_TEXT",
    "Figure",
    "as_figure",
    "calendar_unit",
    "format_change",
    "format_count",
    "format_day",
    "format_days",
    "format_moment",
    "format_month",
    "format_name",
    "format_number",
    "format_range",
    "format_share",
    "format_share_change",
    "format_usd",
    "sum_figures",
    "sum_with_gaps",
]
