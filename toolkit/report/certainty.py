"""How sure the cost of the range is: by chance, and for lack of prices."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING

from toolkit.formatting.figures import UNKNOWN, Figure
from toolkit.report.figures import ENOUGH_CALLS, priced_calls

if TYPE_CHECKING:
    from toolkit.report.metric_tables import MetricTables

_FOUR_IN_FIVE = 1.2816  # standard deviations around the mean, of a normal distribution
_UNIT = 1000.0**2 * 2.0**40  # of `cost_squares`: see `toolkit.metrics.waste`


def chance_range(tables: MetricTables) -> tuple[Figure, Figure]:
    """Return between what such a range costs in 4 cases of 5, by chance alone.

    Calls come independently, each at the cost of one of those in the range: of such a
    sum the variance is the sum of the squares. Unknown for fewer than 20 priced calls.
    """
    row = tables.row("cost")
    if row["cost"] is None or priced_calls(row) < ENOUGH_CALLS:
        return UNKNOWN, UNKNOWN
    half = _FOUR_IN_FIVE * sqrt(tables.row("waste")["cost_squares"] / _UNIT)
    known = float(row["cost"])
    return Figure(max(0.0, known - half)), Figure(known + half)
